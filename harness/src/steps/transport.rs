//! Transport mode: how it is agreed on, and where ESP stands (RFC 7296 section 1.3.1, RFC 4303 section 3.1.1).

use super::common::answer;
use super::replay::through_limit;
use crate::dissect::Seen;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, Which, v4};
use reference_peer::config::{Mode, Selector};
use reference_peer::gateway::Leg;
use std::collections::BTreeSet;
use wire::Derived;
use wire::ikev2::{Body, ExchangeType, Notify, NotifyType, PayloadType};
use wire::ip::{self, Protocol};

/// Record Route with room for two addresses (RFC 791 section 3.1), and an octet of padding.
const RECORD_ROUTE: [u8; 12] = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the DUT takes tunnel mode only", |testbed, _| {
        if !testbed.profile().is_self() {
            // The profile claims it.
            return Ok(());
        }
        testbed.reconfigure_dut(|config| {
            for connection in &mut config.ike.connections {
                connection.children.iter_mut().for_each(|child| child.mode = Mode::Tunnel);
            }
        })
    });
    steps.when("the tester asks for transport mode between {word}", |testbed, step| {
        let hosts = match step.arg_text(0)? {
            "hosts" => true,
            "networks" => false,
            other => return Err(StepError::testbed(format!("{}: {other:?}: hosts or networks", step.place()))),
        };
        ask_for_transport(testbed, hosts, true)
    });
    steps.then("the DUT does not agree to transport mode", |testbed, step| {
        let answer = answer(testbed, step, ExchangeType::IKE_AUTH)?;
        match answer.notify(NotifyType::USE_TRANSPORT_MODE) {
            None => Ok(()),
            Some(_) => Err(StepError::failed("no N(USE_TRANSPORT_MODE)", answer.summary())),
        }
    });
    steps.then("the DUT's ESP packets are in the mode that its answer names", agreed_mode);

    steps.then("^ESP stands behind the options of the DUT's answer to a ping with Record Route$", |testbed, step| {
        let (ping, mut packet) = testbed.ping_packet()?;
        v4(&mut packet)?.options = RECORD_ROUTE.to_vec();
        let mark = testbed.mark();
        testbed.send_from_tester_host(&packet.to_bytes())?;
        let limit = testbed.answer_limit();
        let found = testbed.await_seen(mark, limit, |seen| seen.from_dut && seen.esp().is_some())?;
        let outer = found.and_then(|index| testbed.seen().get(index)).cloned();
        let Some(Seen { ip: Some(ip::Packet::V4(outer)), content, .. }) = outer else {
            return Err(StepError::failed(format!("ESP within {limit:?}"), "none"));
        };
        let crate::dissect::Content::Esp(esp) = content else {
            return Err(StepError::failed("ESP without UDP", "something else"));
        };
        let Some(Ok(opened)) = &esp.opened else { return Err(StepError::failed("ESP that opens", esp.summary())) };
        step.observed(format!("options {:02x?}, next header {}", outer.options, opened.next_header));
        let inner = [&[0x45], &opened.payload[..]].concat();
        if outer.options.is_empty() {
            // Options that are not in the answer at all are no matter of ESP; in ESP they are.
            let behind = opened.payload.first() == Some(&7);
            return match behind {
                true => Err(StepError::failed(
                    "the options before ESP",
                    format!("{:02x?} in ESP", &inner[1..9.min(inner.len())]),
                )),
                false => Err(StepError::not_applicable("the DUT's answer has no options")),
            };
        }
        if !outer.is_intact() || outer.total_length != Derived::Computed || opened.next_header != 1 {
            return Err(StepError::failed("a sound IP header, ICMP in ESP", esp.summary()));
        }
        let came =
            testbed.await_state(limit, |testbed| testbed.delivered().iter().any(|(_, p)| ping.is_answered_by(p)))?;
        if came { Ok(()) } else { Err(StepError::failed("the answer to the ping", "none")) }
    });
    steps.then("a ping with {int} octets of data is answered in fragments of one ESP packet", fragmented_esp);
}

/// Lets the tester ask for transport mode. `believes`: it takes the answer for transport mode itself; otherwise its
/// engine thinks of a tunnel, and the notify is put in.
fn ask_for_transport(testbed: &mut Testbed, hosts: bool, believes: bool) -> StepResult {
    let (dut, tester) = (testbed.plan().dut_net, testbed.plan().tester_net);
    testbed.reconfigure_tester(|config| {
        for child in config.ike.connections.iter_mut().flat_map(|connection| &mut connection.children) {
            child.mode = if believes { Mode::Transport } else { Mode::Tunnel };
            (child.local_ts, child.remote_ts) = if hosts {
                (vec![Selector::host()], vec![Selector::host()])
            } else {
                (vec![Selector::net(tester)], vec![Selector::net(dut)])
            };
        }
    });
    if !believes {
        testbed.edits.message(Which::request(ExchangeType::IKE_AUTH), |draft| {
            if let Some(inner) = &mut draft.inner {
                inner.push(Body::Notify(Notify::new(NotifyType::USE_TRANSPORT_MODE, [])).into());
            }
        });
    }
    testbed.want().mode = Mode::Transport;
    testbed.begin_stimulus();
    testbed.begin_ike_sa()
}

/// With N(USE_TRANSPORT_MODE) in its answer the DUT sends in transport mode, without it in tunnel mode.
fn agreed_mode(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let first = answer(testbed, step, ExchangeType::IKE_AUTH)?;
    if first.payload(PayloadType::SECURITY_ASSOCIATION).is_none() {
        return Err(StepError::not_applicable(format!("the DUT makes no such Child SA: {}", first.summary())));
    }
    let agreed = first.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
    if !agreed {
        // The tester's engine has no SA of it: it wanted transport mode.
        ask_for_transport(testbed, true, false)?;
    }
    let limit = testbed.answer_limit();
    testbed
        .await_state(limit, |testbed| testbed.child().is_ok_and(|child| !agreed || child.mode == Mode::Transport))?;
    let child = testbed.child()?;
    let mark = testbed.mark();
    let ping = testbed.new_ping();
    for mode in [Mode::Transport, Mode::Tunnel] {
        let sequence = testbed.next_sequence()?;
        let draft =
            testbed.draft_on(&reference_peer::ike::v2::ChildSa { mode, ..child.clone() }, sequence, &ping.packet())?;
        let esp = testbed.seal_on(&child, &draft)?;
        testbed.send_esp(&esp)?;
    }
    let limit = through_limit(testbed);
    testbed.await_seen(mark, limit, |seen| seen.from_dut && seen.esp().is_some())?;
    let next = |seen: &Seen| match &seen.esp()?.opened {
        Some(Ok(opened)) => Some(opened.next_header),
        _ => None,
    };
    let found: BTreeSet<u8> = testbed.from_dut_since(mark).filter_map(next).collect();
    let notify = if agreed { "with" } else { "without" };
    step.measured("transport mode asked for", format!("answer {notify} N(USE_TRANSPORT_MODE), next header {found:?}"));
    let tunnel = |next: &u8| matches!(next, 4 | 41);
    if !found.is_empty() && found.iter().all(|next| tunnel(next) != agreed) {
        return Ok(());
    }
    let mode = if agreed { "transport" } else { "tunnel" };
    Err(StepError::failed(format!("ESP in {mode} mode"), format!("next headers {found:?}")))
}

/// A large answer of the DUT itself: ESP first, then fragments.
fn fragmented_esp(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let mut ping = testbed.new_ping();
    ping.data = vec![0x61; step.arg(0)?];
    let (mark, before) = (testbed.mark(), testbed.delivered().len());
    testbed.send_from_tester_host(&ping.packet())?;
    let limit = testbed.answer_limit();
    let came = testbed.await_state(limit, |testbed| {
        testbed.delivered().get(before..).unwrap_or_default().iter().any(|(_, packet)| ping.is_answered_by(packet))
    })?;
    let outside = testbed.from_dut_since(mark).filter(|seen| seen.leg == Leg::Outside);
    let fragments: Vec<ip::Packet> = outside.filter_map(Seen::piece).filter(ip::Packet::is_fragment).collect();
    let esp = fragments.iter().filter(|packet| packet.protocol() == Protocol::ESP).count();
    step.measured("answer in transport mode", format!("{} fragments, {esp} of ESP", fragments.len()));
    if fragments.len() < 2 || esp != fragments.len() {
        return Err(StepError::failed("fragments of ESP", format!("{} fragments, {esp} of ESP", fragments.len())));
    }
    if came { Ok(()) } else { Err(StepError::failed("one ESP packet with the whole answer", "nothing that opens")) }
}
