//! NAT traversal in IKEv1: what is announced, NAT-D and NAT-OA payloads, and the ports of each message (RFC 3947).
//!
//! What makes a NAT is in [`nat`](super::nat).

use super::isakmp::{awaited, exchange, message, none};
use super::isakmp_informational::announces;
use crate::dissect::{Content, Seen};
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::Identity;
use reference_peer::config::isakmp::Phase1;
use reference_peer::ike::v2::Path;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::ikev1::{Body, ExchangeType, Notification, NotifyType, PayloadType, vendor};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("the tester sends message 5 of its main mode again, on port 500", |testbed, _| {
        let sent = testbed.isakmp_to_dut(0).filter(|isakmp| isakmp.is(ExchangeType::MAIN, 5)).last();
        let octets = sent.map(|isakmp| isakmp.octets.clone());
        let octets = octets.ok_or_else(|| StepError::inconclusive("the tester has sent no message 5"))?;
        let path = testbed.path();
        testbed.begin_stimulus();
        testbed.send_ike(path, &octets)
    });
    steps.when("somebody else at the same address sets up an ISAKMP SA and says INITIAL-CONTACT", |testbed, _| {
        testbed.reconfigure_isakmp(|connection| connection.local_id = Identity::Fqdn("somebody.example".to_owned()));
        testbed.edits.isakmp(WhichIsakmp::message(ExchangeType::MAIN, 5), |draft| {
            let cookies = draft.header.cookies();
            draft.payloads.retain(|payload| !matches!(payload.body, Body::Notification(_)));
            let notify = Notification::isakmp(cookies, NotifyType::INITIAL_CONTACT, []);
            draft.payloads.push(Body::Notification(notify).into());
        });
        testbed.begin_stimulus();
        testbed.establish_phase1(Phase1::Main)
    });
    steps.when("nothing happens for {int} seconds", |testbed, step| {
        testbed.begin_stimulus();
        testbed.wait(Duration::from_secs(step.arg(0)?))
    });

    steps.then("the DUT announces RFC 3947 in message {int} of {word} mode", |testbed, step| {
        announces(testbed, step, &vendor::NAT_RFC_3947)
    });
    steps.then("the DUT's message {int} of {word} mode has NAT-D payloads", |testbed, step| {
        let (number, exchange) = (step.arg(0)?, exchange(step, 1)?);
        let isakmp = message(testbed, step, exchange, number)?;
        let hashes = hashes(isakmp).len();
        step.observed(format!("{hashes} NAT-D payloads"));
        if hashes >= 2 { Ok(()) } else { Err(StepError::failed("two NAT-D payloads or more", isakmp.summary())) }
    });
    steps.then("the DUT's message {int} of {word} mode has no NAT-D payload", |testbed, step| {
        let (number, exchange) = (step.arg(0)?, exchange(step, 1)?);
        let isakmp = message(testbed, step, exchange, number)?;
        let types = [PayloadType::NAT_DETECTION, PayloadType::NAT_DETECTION_DRAFT];
        match isakmp.types().iter().any(|own| types.contains(own)) {
            false => Ok(()),
            true => Err(StepError::failed("no NAT-D payload", isakmp.summary())),
        }
    });
    steps.then("^(the first|another) NAT-D payload of the DUT's message (\\d) of (main|aggressive) mode is the hash of (the tester's|its own) address$", hash_of);
    steps.then("^the DUT's message (\\d) of (main|quick) mode goes from port (\\d+) to port (\\d+), (with|without) the non-ESP marker$", |testbed, step| {
        let (number, exchange) = (step.arg(0)?, exchange(step, 1)?);
        let (from, to): (u16, u16) = (step.arg(2)?, step.arg(3)?);
        let marker = step.arg_text(4)? == "with";
        let isakmp = message(testbed, step, exchange, number)?;
        goes(isakmp, from, to, marker)
    });
    steps.then(
        "all that the DUT sends under the ISAKMP SA goes from port 4500 to the port that the NAT has given",
        |testbed, step| {
            let to = testbed.nat().map_or(4500, |nat| nat.natt);
            let under = |isakmp: &SeenIsakmp| isakmp.protected;
            awaited(testbed, step, under, "a message under the ISAKMP SA")?;
            let since = testbed.since();
            let mut count = 0;
            for isakmp in testbed.isakmp_from_dut(since).filter(|isakmp| under(isakmp)) {
                goes(isakmp, 4500, to, true)?;
                count += 1;
            }
            step.observed(format!("{count} messages"));
            Ok(())
        },
    );
    steps.then("the DUT sends nothing under the ISAKMP SA on port 500", |testbed, _| {
        let cookies = testbed.isakmp_sa()?.cookies;
        let on_500 = |isakmp: &SeenIsakmp| {
            isakmp.path.local.port() == 500 && isakmp.header.is_some_and(|header| header.cookies() == cookies)
        };
        none(testbed, on_500, "message with these cookies from port 500")
    });
    steps.then("the DUT's message {int} of quick mode has NAT-OA for initiator and responder", |testbed, step| {
        let plan = testbed.plan();
        // The NAT of this testbed gives other ports, no other addresses.
        let (tester, dut) = (plan.tester, plan.dut);
        let number: u8 = step.arg(0)?;
        let wanted = if number == 1 { [dut, tester] } else { [tester, dut] };
        let isakmp = message(testbed, step, ExchangeType::QUICK, number)?;
        let came = original_addresses(isakmp);
        step.observed(format!("{came:?}"));
        let wanted = wanted.map(octets);
        if came == wanted { Ok(()) } else { Err(StepError::failed(format!("{wanted:?}"), format!("{came:?}"))) }
    });
    steps.then("the DUT's message {int} of quick mode has no NAT-OA", |testbed, step| {
        let number: u8 = step.arg(0)?;
        let isakmp = message(testbed, step, ExchangeType::QUICK, number)?;
        let came = original_addresses(isakmp);
        if came.is_empty() { Ok(()) } else { Err(StepError::failed("no NAT-OA", isakmp.summary())) }
    });
    steps.then("the DUT sends no NAT keepalive", |testbed, _| {
        let keepalive = |seen: &&Seen| matches!(seen.content, Content::Keepalive(_));
        let mut seen = testbed.from_dut_since(testbed.since());
        let found = seen.find(keepalive).map(|seen| (seen.index, seen.summary()));
        drop(seen);
        match found {
            None => Ok(()),
            Some((index, came)) => {
                testbed.comment(index, "judged: only the tester is behind a NAT");
                Err(StepError::failed("no keepalive", came))
            }
        }
    });
}

/// What stands in the NAT-D payloads.
fn hashes(isakmp: &SeenIsakmp) -> Vec<&[u8]> {
    let hash = |payload: &'_ wire::ikev1::Payload| matches!(payload.body, Body::NatDetection(_));
    let bodies = isakmp.payloads.iter().filter(|payload| hash(payload)).map(|payload| &payload.body);
    bodies.filter_map(|body| if let Body::NatDetection(hash) = body { Some(hash.as_slice()) } else { None }).collect()
}

/// HASH(CKY-I | CKY-R | IP | port) of section 3.2, by the hash that was negotiated.
fn hash_of(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (first, number) = (step.arg_text(0)? == "the first", step.arg(1)?);
    let (exchange, remote) = (exchange(step, 2)?, step.arg_text(3)? == "the tester's");
    message(testbed, step, exchange, number)?;
    // They are known once message 4 has come.
    let limit = testbed.answer_limit();
    testbed.await_state(limit, |testbed| testbed.isakmp_keys().is_ok())?;
    let algorithm = testbed.isakmp_keys()?.hash;
    let isakmp = message(testbed, step, exchange, number)?;
    let Some(header) = isakmp.header else { return Err(StepError::testbed("a message without a header")) };
    let end: SocketAddr = if remote { isakmp.path.remote } else { isakmp.path.local };
    let cookies = header.cookies();
    let parts = [&cookies.0.to_be_bytes()[..], &cookies.1.to_be_bytes(), &octets(end.ip()), &end.port().to_be_bytes()];
    let right = algorithm.digest(&parts);
    let all = hashes(isakmp);
    let found = if first { all.first() == Some(&&*right) } else { all.iter().skip(1).any(|hash| *hash == right) };
    if found {
        return Ok(());
    }
    Err(StepError::failed(format!("{algorithm:?} of cookies and {end}: {right:02x?}"), format!("{all:02x?}")))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn original_addresses(isakmp: &SeenIsakmp) -> Vec<Vec<u8>> {
    let address = |payload: &wire::ikev1::Payload| match &payload.body {
        Body::NatOriginalAddress(id) | Body::NatOriginalAddressDraft(id) => Some(id.data.clone()),
        _ => None,
    };
    isakmp.payloads.iter().filter_map(address).collect()
}

/// Do the ports fit, and what stands before the message?
fn goes(isakmp: &SeenIsakmp, from: u16, to: u16, marker: bool) -> StepResult {
    let Path { local, remote } = isakmp.path;
    if (local.port(), remote.port(), isakmp.marker) == (from, to, marker) {
        return Ok(());
    }
    let with = |marker| if marker { "with" } else { "without" };
    Err(StepError::failed(
        format!("from port {from} to port {to} {} the marker", with(marker)),
        format!(
            "from port {} to port {} {} it: {}",
            local.port(),
            remote.port(),
            with(isakmp.marker),
            isakmp.summary()
        ),
    ))
}
