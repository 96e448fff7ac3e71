//! NAT detection and UDP encapsulation (RFC 7296 section 2.23, RFC 3947, RFC 3948, guide chapter 6).
//!
//! A NAT is in front of the tester when the testbed translates its ports ([`PortNat`]), or when the tester's hashes say
//! so and nothing translates.

use super::common::{answer, instead, judge};
use super::esp::from_dut;
use super::replay::through_limit;
use crate::dissect::Content;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, PortNat, Testbed, Which, WhichIsakmp, ip_packet, tunnel_draft};
use crypto::sha1;
use reference_peer::config::NatTraversal;
use reference_peer::hands::Draft;
use reference_peer::ike::v2::Path;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::ikev2::{Body, ExchangeType, Notify, NotifyType, Payload};
use wire::ip::Protocol;
use wire::{Derived, ikev1, ip, natt, udp};

/// What the NAT in front of the tester makes of its ports.
const NAT: PortNat = PortNat { ike: 31337, natt: 34500 };

/// Between two packets that are to show where the DUT sends.
const LOOK: Duration = Duration::from_millis(100);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("a NAT in front of the tester", |testbed, _| {
        testbed.put_nat(NAT);
        Ok(())
    });
    steps.given("the tester says that it is behind a NAT", |testbed, _| {
        traversal(testbed, NatTraversal::Forced);
        Ok(())
    });
    steps.given("the tester says that both ends are behind a NAT", |testbed, _| {
        traversal(testbed, NatTraversal::Forced);
        testbed.edits.every_message(Which::request(ExchangeType::IKE_SA_INIT), |draft| {
            spoil(draft, NotifyType::NAT_DETECTION_DESTINATION_IP);
        });
        spoil_isakmp(testbed, 3, NotifyType::NAT_DETECTION_DESTINATION_IP);
        Ok(())
    });
    steps.given("the tester does not look for NATs", |testbed, _| {
        traversal(testbed, NatTraversal::Off);
        Ok(())
    });
    steps.given("the tester begins on port 4500", |testbed, _| {
        testbed.reconfigure_tester(|config| {
            config.ike.connections.iter_mut().for_each(|connection| connection.port = 4500);
            config.isakmp.connections.iter_mut().for_each(|connection| connection.port = 4500);
        });
        Ok(())
    });
    steps.given("the tester names three source addresses, the last of which is right", |testbed, _| {
        testbed.edits.every_message(Which::request(ExchangeType::IKE_SA_INIT), |draft| {
            let source = NotifyType::NAT_DETECTION_SOURCE_IP;
            let is = |p: &Payload| matches!(&p.body, Body::Notify(notify) if notify.notify_type == source);
            if let Some(at) = draft.clear.iter().position(is) {
                for octet in [0x11, 0x22] {
                    draft.clear.insert(at, Body::Notify(Notify::new(source, vec![octet; 20])).into());
                }
            }
        });
        testbed.edits.every_isakmp(main_mode(3), |draft| {
            let mut found = draft.payloads.iter().enumerate().filter_map(|(at, payload)| match &payload.body {
                ikev1::Body::NatDetection(hash) => Some((at, hash.len())),
                _ => None,
            });
            // The first one is that of the destination.
            if let Some((at, octets)) = found.nth(1) {
                for octet in [0x11, 0x22] {
                    draft.payloads.insert(at, ikev1::Body::NatDetection(vec![octet; octets]).into());
                }
            }
        });
        Ok(())
    });
    steps.given("the tester's answers carry a wrong {word} hash", |testbed, step| {
        let wrong = hash_type(step)?;
        testbed.edits.every_message(Which::response(ExchangeType::IKE_SA_INIT), move |draft| spoil(draft, wrong));
        spoil_isakmp(testbed, 4, wrong);
        Ok(())
    });

    steps.when("the tester begins an IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.when("the DUT is told to begin an IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::Initiate).map(drop)
    });
    steps.when("the DUT is told to close its SAs", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::ClearSas).map(drop)
    });
    steps.when("the NAT gives the tester other ports", |testbed, _| {
        testbed.put_nat(PortNat { ike: NAT.ike + 1, natt: NAT.natt + 1 });
        Ok(())
    });
    steps.when("datagrams of 0 to {int} zero octets come to port 4500", |testbed, step| {
        let last: usize = step.arg(0)?;
        let path = ports(testbed, 4500, 4500);
        testbed.begin_stimulus();
        for octets in 0..=last {
            testbed.send_udp(path, &vec![0; octets])?;
        }
        Ok(())
    });
    steps.when("^(a valid|a forged|a replayed) ESP packet comes from port (\\d+)$", |testbed, step| {
        let (kind, port) = (step.arg_text(0)?.to_owned(), step.arg(1)?);
        let number = 50_000 + testbed.mark() as u64;
        let (child, ping) = (testbed.child()?, testbed.new_ping());
        let draft = testbed.draft_on(&child, number, &ping.packet())?;
        let mut esp = testbed.seal(&draft)?;
        if kind == "a replayed" {
            testbed.send_esp(&esp)?;
            testbed.wait(LOOK)?;
        }
        if kind == "a forged"
            && let Some(last) = esp.last_mut()
        {
            *last ^= 1;
        }
        testbed.begin_stimulus();
        let path = ports(testbed, port, 4500);
        testbed.send_udp(path, &esp)
    });
    steps.when("a NAT keepalive comes from port {int}", |testbed, step| {
        let path = ports(testbed, step.arg(0)?, 4500);
        testbed.begin_stimulus();
        testbed.send_udp(path, &natt::KEEPALIVE)
    });

    steps.then("IKE SA and Child SA come up", |testbed, _| {
        let limit = testbed.answer_limit() * 2;
        if testbed.await_state(limit, |testbed| !testbed.children().is_empty())? {
            // Let the last message reach the DUT's data plane.
            return testbed.wait(Duration::from_millis(5));
        }
        Err(StepError::failed(format!("a Child SA within {limit:?}"), instead(testbed)))
    });
    steps.then("the {word} hash of the DUT's answer is right", |testbed, step| {
        let which = hash_type(step)?;
        let ike = answer(testbed, step, ExchangeType::IKE_SA_INIT)?;
        let Some(header) = ike.header else { return Err(StepError::testbed("an answer without header")) };
        let end = if which == NotifyType::NAT_DETECTION_SOURCE_IP { ike.path.local } else { ike.path.remote };
        let right = nat_hash((header.initiator_spi, header.responder_spi), end);
        let all: Vec<&[u8]> =
            ike.notifies().filter(|notify| notify.notify_type == which).map(|notify| notify.data.as_slice()).collect();
        if all.contains(&right.as_slice()) {
            return Ok(());
        }
        Err(StepError::failed(format!("N({which}) of SPIs and {end}: {right:02x?}"), format!("{all:02x?}")))
    });
    steps.then("the DUT answers on port {int} behind the non-ESP marker", |testbed, step| {
        let port = step.arg(0)?;
        answers_on(testbed, step, port, true)
    });
    steps.then("the DUT answers on port {int} without a marker", |testbed, step| {
        let port = step.arg(0)?;
        answers_on(testbed, step, port, false)
    });
    steps.then("the DUT's answer goes from port {int} to port {int}", |testbed, step| {
        let (from, to): (u16, u16) = (step.arg(0)?, step.arg(1)?);
        let (limit, since) = (testbed.answer_limit(), testbed.since());
        let found = testbed.await_ike(since, limit, |ike| ike.is_response())?;
        let ike = judge(testbed, step, found, || format!("a response within {limit:?}"))?;
        between(ike.path, from, to)
    });
    steps.then(
        "the DUT's IKE_AUTH request goes from port 4500 to port 4500 behind the non-ESP marker",
        |testbed, step| {
            let (limit, since) = (testbed.answer_limit() * 2, testbed.since());
            let found = testbed.await_ike(since, limit, |ike| {
                let is = |header: wire::ikev2::Header| header.exchange_type == ExchangeType::IKE_AUTH;
                !ike.is_response() && ike.header.is_some_and(is)
            })?;
            let ike = judge(testbed, step, found, || format!("an IKE_AUTH request within {limit:?}"))?;
            if !ike.marker {
                return Err(StepError::failed("four zero octets before the message", "none"));
            }
            between(ike.path, 4500, 4500)
        },
    );
    steps.then("the DUT's request goes from port 4500 to the port that the NAT has given", |testbed, step| {
        let to = testbed.nat().map_or(4500, |nat| nat.natt);
        let (limit, since) = (testbed.answer_limit(), testbed.since());
        let found = testbed.await_ike(since, limit, |ike| !ike.is_response())?;
        let ike = judge(testbed, step, found, || format!("a request within {limit:?}"))?;
        between(ike.path, 4500, to)
    });
    steps.then("the SPI that the DUT has chosen for ESP is not zero", |testbed, step| {
        let ike = answer(testbed, step, ExchangeType::IKE_AUTH)?;
        let spis: Vec<Vec<u8>> = ike
            .payloads
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::SecurityAssociation(sa) => Some(sa.proposals.iter().map(|proposal| proposal.spi.clone())),
                _ => None,
            })
            .flatten()
            .collect();
        if !spis.is_empty() && spis.iter().all(|spi| spi.len() == 4 && spi.iter().any(|octet| *octet != 0)) {
            return Ok(());
        }
        Err(StepError::failed("an SPI of four octets that is not zero", format!("{spis:02x?}")))
    });
    steps.then("the DUT sends ESP in UDP, on the ports of its IKE messages", |testbed, _| {
        let to = testbed.nat().map_or(4500, |nat| nat.natt);
        for esp in from_dut(testbed)? {
            match &esp.udp {
                None => return Err(StepError::failed("ESP in UDP", esp.summary())),
                Some(udp) if (udp.source_port, udp.destination_port) != (4500, to) => {
                    let came = format!("{} to {}", udp.source_port, udp.destination_port);
                    return Err(StepError::failed(format!("ports 4500 to {to}"), came));
                }
                Some(_) => {}
            }
        }
        Ok(())
    });
    steps.then("the DUT sends ESP without UDP", |testbed, _| {
        match from_dut(testbed)?.iter().find(|e| e.udp.is_some()) {
            None => Ok(()),
            Some(esp) => Err(StepError::failed("IP protocol 50", esp.summary())),
        }
    });
    steps.then("the IP header around the DUT's ESP in UDP is sound", |testbed, _| {
        from_dut(testbed)?;
        for seen in testbed.from_dut_since(testbed.since()).filter(|seen| seen.esp().is_some()) {
            let sound = match &seen.ip {
                Some(ip::Packet::V4(packet)) => {
                    packet.is_intact() && packet.protocol == Protocol::UDP && packet.total_length == Derived::Computed
                }
                Some(packet) => packet.protocol() == Protocol::UDP,
                None => false,
            };
            if !sound {
                let came = seen.ip.as_ref().map_or_else(|| seen.summary(), |ip| format!("{}", ip.protocol()));
                return Err(StepError::failed("protocol 17, the right length and checksum", came));
            }
        }
        Ok(())
    });
    steps.then("the UDP checksum of the DUT's ESP is zero", |testbed, step| {
        let sums: Vec<Option<Derived<u16>>> =
            from_dut(testbed)?.iter().map(|esp| esp.udp.as_ref().map(|udp| udp.checksum)).collect();
        let zero = sums.iter().filter(|sum| **sum == Some(Derived::Exactly(0))).count();
        step.observed(format!("{zero} of {} checksums are zero", sums.len()));
        if zero == sums.len() {
            return Ok(());
        }
        Err(StepError::failed("checksum 0", format!("{} of {} with another", sums.len() - zero, sums.len())))
    });

    steps.then("ESP in UDP port 4500 is let through, with checksum and without", |testbed, step| {
        let path = ports(testbed, 4500, 4500);
        for checksum in [Derived::Computed, Derived::Exactly(0)] {
            let through = passes_in_udp(testbed, path, checksum)?;
            step.observed(format!("checksum {checksum:?}: {}", if through { "let through" } else { "dropped" }));
            if !through {
                return Err(StepError::failed("let through", format!("dropped with checksum {checksum:?}")));
            }
        }
        Ok(())
    });
    steps.then("ESP in UDP port 500 is not taken", |testbed, _| {
        let path = ports(testbed, 500, 500);
        if passes_in_udp(testbed, path, Derived::Computed)? {
            return Err(StepError::failed("dropped", "let through"));
        }
        Ok(())
    });
    steps.then("ESP without UDP is let through", |testbed, _| {
        let path = ports(testbed, 4500, 4500);
        let (ping, esp) = sealed(testbed)?;
        let packet = ip_packet(path.local.ip(), path.remote.ip(), Protocol::ESP, esp)?;
        let before = testbed.come_out();
        testbed.send_outside(packet)?;
        let limit = through_limit(testbed);
        if testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))? {
            return Ok(());
        }
        Err(StepError::failed(format!("let through within {limit:?}"), "dropped"))
    });
    steps.then("the DUT's ESP goes to port {int}", |testbed, step| {
        let port = step.arg(0)?;
        sends_to(testbed, step, port)
    });
    steps.then("the DUT's ESP comes to go to port {int}", |testbed, step| {
        let port = step.arg(0)?;
        comes_to_send_to(testbed, step, port)
    });
}

fn traversal(testbed: &mut Testbed, mode: NatTraversal) {
    testbed.reconfigure_tester(|config| {
        config.ike.connections.iter_mut().for_each(|connection| connection.nat_traversal = mode);
        config.isakmp.connections.iter_mut().for_each(|connection| connection.nat_traversal = mode);
    });
}

fn main_mode(number: u8) -> WhichIsakmp {
    WhichIsakmp::message(ikev1::ExchangeType::MAIN, number)
}

/// Makes the hash of one end in this message of main mode one that fits no address: the first one is that of the
/// destination (RFC 3947 section 3.2).
fn spoil_isakmp(testbed: &mut Testbed, number: u8, which: NotifyType) {
    let index = if which == NotifyType::NAT_DETECTION_DESTINATION_IP { 0 } else { 1 };
    testbed.edits.every_isakmp(main_mode(number), move |draft| {
        let mut hashes = draft.payloads.iter_mut().filter_map(|payload| match &mut payload.body {
            ikev1::Body::NatDetection(hash) => Some(hash),
            _ => None,
        });
        if let Some(hash) = hashes.nth(index) {
            hash.fill(0x5a);
        }
    });
}

/// Makes the hash of a type one that fits no address.
fn spoil(draft: &mut Draft, which: NotifyType) {
    for payload in &mut draft.clear {
        if let Body::Notify(notify) = &mut payload.body
            && notify.notify_type == which
        {
            notify.data = vec![0x5a; 20];
        }
    }
}

fn hash_type(step: &Step) -> Result<NotifyType, StepError> {
    match step.arg_text(0)? {
        "source" => Ok(NotifyType::NAT_DETECTION_SOURCE_IP),
        "destination" => Ok(NotifyType::NAT_DETECTION_DESTINATION_IP),
        other => Err(StepError::testbed(format!("{}: {other} is neither source nor destination", step.place()))),
    }
}

/// The hash of RFC 7296 section 2.23.
fn nat_hash(spis: (u64, u64), end: SocketAddr) -> [u8; 20] {
    let address = match end.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    sha1(&[&spis.0.to_be_bytes(), &spis.1.to_be_bytes(), &address, &end.port().to_be_bytes()])
}

/// From a port of the tester to one of the DUT.
fn ports(testbed: &Testbed, local: u16, remote: u16) -> Path {
    let plan = testbed.plan();
    Path { local: SocketAddr::new(plan.tester, local), remote: SocketAddr::new(plan.dut, remote) }
}

fn between(path: Path, from: u16, to: u16) -> StepResult {
    if (path.local.port(), path.remote.port()) == (from, to) {
        return Ok(());
    }
    let came = format!("port {} to port {}", path.local.port(), path.remote.port());
    Err(StepError::failed(format!("port {from} to port {to}"), came))
}

/// An IKE message of the DUT comes from this port, in the form that belongs there.
fn answers_on(testbed: &mut Testbed, step: &mut Step, port: u16, marker: bool) -> StepResult {
    let (limit, since) = (testbed.answer_limit(), testbed.since());
    // Without its marker a message looks like ESP, or with two like a message of nobody's.
    let found = testbed.await_seen(since, limit, |seen| {
        let from = |udp: &udp::Datagram| udp.source_port == port;
        seen.from_dut
            && match &seen.content {
                Content::Ike(ike) => ike.path.local.port() == port,
                Content::Esp(esp) => esp.udp.as_ref().is_some_and(from),
                Content::Udp(udp) => from(udp),
                _ => false,
            }
    })?;
    let ike = judge(testbed, step, found, || format!("a message from port {port} within {limit:?}"));
    let ike = match ike {
        Err(StepError::Testbed(_)) => return Err(StepError::failed("an IKE message", instead(testbed))),
        ike => ike?,
    };
    let known = ike.header.is_some_and(|header| header.initiator_spi != 0) && ike.message.is_ok();
    if known && ike.marker == marker {
        return Ok(());
    }
    let words = if marker { "a message behind four zero octets" } else { "a message without a marker" };
    Err(StepError::failed(words, ike.summary()))
}

/// A fresh ping, sealed.
fn sealed(testbed: &mut Testbed) -> Result<(crate::testbed::Ping, Vec<u8>), StepError> {
    let ping = testbed.new_ping();
    let number = 50_000 + testbed.mark() as u64;
    let esp = testbed.seal(&tunnel_draft(testbed.child()?.outbound_spi, number, ping.packet()))?;
    Ok((ping, esp))
}

/// Is a fresh ping let through in UDP on this path?
fn passes_in_udp(testbed: &mut Testbed, path: Path, checksum: Derived<u16>) -> Result<bool, StepError> {
    let (ping, esp) = sealed(testbed)?;
    let (local, remote) = (path.local, path.remote);
    let mut datagram = udp::Datagram::new(local.port(), remote.port(), esp);
    datagram.checksum = checksum;
    let upper = datagram.to_bytes(local.ip(), remote.ip());
    let packet = ip_packet(local.ip(), remote.ip(), Protocol::UDP, upper)?;
    let before = testbed.come_out();
    testbed.send_outside(packet)?;
    let limit = through_limit(testbed);
    testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))
}

/// Where does the DUT send a packet from its inside?
fn destination_port(testbed: &mut Testbed) -> Result<Option<u16>, StepError> {
    let mark = testbed.mark();
    let ping = testbed.send_ping_from_inside()?;
    let limit = testbed.answer_limit();
    let found = testbed.await_seen(mark, limit, |seen| {
        let inner = seen.esp().and_then(|esp| esp.inner());
        seen.from_dut && inner.is_some_and(|inner| ping.is_request(&inner.to_bytes()))
    })?;
    let esp = found.and_then(|index| testbed.seen().get(index)).and_then(|seen| seen.esp());
    Ok(esp.and_then(|esp| esp.udp.as_ref()).map(|udp| udp.destination_port))
}

/// The DUT sends there now, and still after the time that counts as silence.
fn sends_to(testbed: &mut Testbed, step: &mut Step, port: u16) -> StepResult {
    for _ in 0..2 {
        let came = destination_port(testbed)?;
        step.observed(format!("ESP to port {came:?}"));
        if came != Some(port) {
            return Err(StepError::failed(format!("ESP to port {port}"), format!("{came:?}")));
        }
        let silence = testbed.silence();
        testbed.wait(silence)?;
    }
    Ok(())
}

/// The DUT sends there within the time for an answer: what it has learned may take its way through the daemon.
fn comes_to_send_to(testbed: &mut Testbed, step: &mut Step, port: u16) -> StepResult {
    let (begin, limit) = (testbed.now(), testbed.answer_limit());
    loop {
        let came = destination_port(testbed)?;
        if came == Some(port) {
            step.observed(format!("ESP to port {port} after {:?}", testbed.now().since(begin)));
            return Ok(());
        }
        if testbed.now() >= begin + limit {
            return Err(StepError::failed(format!("ESP to port {port} within {limit:?}"), format!("{came:?}")));
        }
        testbed.wait(LOOK)?;
    }
}
