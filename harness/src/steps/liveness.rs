//! Dead peer detection: when the DUT asks, what it takes for a sign of life, when it gives up (RFC 7296 section 2.4, RFC
//! 3706, guide chapter 5). The question is an empty INFORMATIONAL request under an IKE SA, R-U-THERE under an ISAKMP SA.

use super::delete::is_request;
use crate::dissect::{Seen, SeenIke};
use crate::isakmp::SeenIsakmp;
use crate::profile::Dpd;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, Which, WhichIsakmp, ip_packet};
use reference_peer::Instant;
use reference_peer::gateway::Event;
use reference_peer::ike::v1;
use std::time::Duration;
use wire::ikev1::{self, NotifyType};
use wire::ip::Protocol;
use wire::{Derived, icmpv4};

/// How often there is traffic.
pub(super) const PACE: Duration = Duration::from_secs(1);

/// A DUT that looks at its peers once a second, and a busy machine, may be late by so much.
const LATE: Duration = Duration::from_secs(2);

/// Edges of the time in which the DUT gives up, as parts of what its profile says.
const GIVES_UP: (f64, f64) = (0.75, 1.25);

/// Octets of a packet that an ICMP error quotes: an IPv4 header and what follows it.
const QUOTED: usize = 20 + 28;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the tester answers no IKE message any more", |testbed, _| {
        testbed.edits.hold(Which { exchange: None, response: true }, None);
        // In IKEv1 answers are Informational exchanges of their own.
        testbed.edits.hold_isakmp(WhichIsakmp::exchange(ikev1::ExchangeType::INFORMATIONAL), None);
        Ok(())
    });
    steps.given("the hosts answer nothing any more", |testbed, _| {
        testbed.let_hosts_answer(false);
        Ok(())
    });

    steps.when("the inside sends until the DUT has to ask", |testbed, _| {
        let until = asks_by(&dpd(testbed)?) + PACE;
        keep_up(testbed, until, |testbed| testbed.send_ping_from_inside().map(drop))
    });
    steps.when("the inside sends until the DUT has to give up", |testbed, _| {
        let until = gives_up_by(testbed)?;
        keep_up(testbed, until, |testbed| testbed.send_ping_from_inside().map(drop))
    });
    steps.when("the inside sends and old ESP packets are replayed until the DUT has to give up", |testbed, _| {
        let until = gives_up_by(testbed)?;
        let old = testbed.seen().iter().filter(|seen| !seen.from_dut).filter_map(Seen::esp).next_back();
        let old = old.map(|esp| esp.octets.clone());
        let old = old.ok_or_else(|| StepError::inconclusive("the tester has sent no ESP"))?;
        keep_up(testbed, until, |testbed| {
            testbed.send_esp(&old)?;
            testbed.send_ping_from_inside().map(drop)
        })
    });
    steps.when("pings go through for longer than the DUT needs to give up", |testbed, _| {
        let until = gives_up_by(testbed)?;
        keep_up(testbed, until, |testbed| {
            let ping = testbed.new_ping().packet();
            testbed.send_from_tester_host(&ping)
        })
    });
    steps.when("nothing happens for 3 times the interval of liveness checks", |testbed, _| {
        testbed.begin_stimulus();
        let time = dpd(testbed)?.delay * 3;
        testbed.wait(time)
    });
    steps.when("ICMP errors about the DUT's packets come in", icmp_errors);

    steps.then("the DUT asks whether the tester lives, neither early nor late", |testbed, step| {
        let (early, late) = (dpd(testbed)?.delay.mul_f64(0.9), asks_by(&dpd(testbed)?));
        let since = testbed.since();
        let heard = testbed.seen().get(..since).unwrap_or_default().iter().rev();
        let heard = heard.filter(|seen| !seen.from_dut && is_protected(seen)).map(|seen| seen.at).next();
        let heard = heard.ok_or_else(|| StepError::inconclusive("the tester has said nothing"))?;
        let Some((index, at)) = question(testbed) else {
            return Err(StepError::failed(format!("a liveness check by {late:?}"), "none"));
        };
        testbed.comment(index, "judged: a liveness check");
        let after = at.since(heard);
        step.measured("liveness check after", format!("{:.2} s of silence", after.as_secs_f64()));
        if (early..=late).contains(&after) {
            return Ok(());
        }
        Err(StepError::failed(format!("a question after {early:?} to {late:?} of silence"), format!("after {after:?}")))
    });
    steps.then("the DUT has not asked", |testbed, step| match question(testbed) {
        None => Ok(()),
        Some((index, at)) => {
            testbed.comment(index, "judged: no liveness check was due");
            step.observed(format!("a question at {:.2} s", at.since_start().as_secs_f64()));
            Err(StepError::failed("no liveness check", "one"))
        }
    });
    steps.then("the DUT gives the tester up, neither early nor late", gives_up);
}

/// What the profile says of dead peer detection.
pub(super) fn dpd(testbed: &Testbed) -> Result<Dpd, StepError> {
    testbed.profile().dpd.clone().ok_or_else(|| StepError::not_applicable("the profile says nothing about dead peers"))
}

/// Silence after which the DUT has asked.
pub(super) fn asks_by(dpd: &Dpd) -> Duration {
    dpd.delay.max(dpd.at_most).mul_f64(1.1) + LATE
}

/// Silence after which the DUT has given up, and a little more.
pub(super) fn gives_up_by(testbed: &Testbed) -> Result<Duration, StepError> {
    let dpd = dpd(testbed)?;
    Ok(dpd.delay.max(dpd.at_most) + gives_up_after(testbed)?.mul_f64(GIVES_UP.1) + LATE)
}

/// Time from the first question to giving up, in the version of IKE that the tester has an SA of.
fn gives_up_after(testbed: &Testbed) -> Result<Duration, StepError> {
    let dpd = dpd(testbed)?;
    // The SAs may be gone by now.
    let came_up = |(_, event): &(Instant, Event)| matches!(event, Event::Isakmp(v1::Event::IsakmpSaUp { .. }));
    let by_ikev1 = testbed.events().iter().any(came_up);
    Ok(if by_ikev1 && !dpd.gives_up_after_ikev1.is_zero() { dpd.gives_up_after_ikev1 } else { dpd.gives_up_after })
}

/// Does something again and again for so long.
pub(super) fn keep_up(testbed: &mut Testbed, time: Duration, act: impl Fn(&mut Testbed) -> StepResult) -> StepResult {
    testbed.begin_stimulus();
    let until = testbed.now() + time;
    while testbed.now() < until {
        act(testbed)?;
        testbed.wait(PACE)?;
    }
    Ok(())
}

fn is_protected(seen: &Seen) -> bool {
    seen.esp().is_some()
        || seen.ike().is_some_and(|ike| ike.protected)
        || seen.isakmp().is_some_and(|isakmp| isakmp.protected)
}

/// The DUT's first question since the stimulus.
fn question(testbed: &Testbed) -> Option<(usize, Instant)> {
    let empty = |ike: &SeenIke| is_request(ike) && ike.payloads.is_empty() && matches!(ike.opened, Some(Ok(_)));
    let asks = |isakmp: &SeenIsakmp| isakmp.is_authentic() && isakmp.notify(NotifyType::R_U_THERE).is_some();
    let is = |seen: &&Seen| seen.ike().is_some_and(empty) || seen.isakmp().is_some_and(asks);
    testbed.from_dut_since(testbed.since()).find(is).map(|seen| (seen.index, seen.at))
}

/// The last packet on the Child SA comes when the DUT has given the tester up: both SAs are gone.
fn gives_up(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let wanted = gives_up_after(testbed)?;
    let band = wanted.mul_f64(GIVES_UP.0)..=wanted.mul_f64(GIVES_UP.1) + PACE;
    // It may have made new ones by now.
    let first = testbed.children().first().map(|child| child.inbound_spi);
    let spi = first.ok_or_else(|| StepError::inconclusive("the tester has no Child SA"))?;
    let Some((_, asked)) = question(testbed) else {
        return Err(StepError::failed("a liveness check", "none"));
    };
    let last =
        testbed.from_dut_since(testbed.since()).filter(|seen| seen.esp().is_some_and(|esp| esp.spi == spi)).last();
    let last = last.map(|seen| (seen.index, seen.at));
    let (index, last) = last.ok_or_else(|| StepError::failed("ESP until the tester is given up", "none at all"))?;
    testbed.comment(index, "judged: the last packet on the Child SA");
    let after = last.since(asked);
    step.measured(
        "gives up after",
        format!("{:.1} s from the first question (profile {wanted:?})", after.as_secs_f64()),
    );
    if band.contains(&after) {
        return Ok(());
    }
    Err(StepError::failed(
        format!("the last ESP packet {:?} to {:?} after the first question", band.start(), band.end()),
        format!("{after:?} after it"),
    ))
}

/// Port, host and protocol unreachable, quoting the last ESP and the last IKE packet of the DUT.
fn icmp_errors(testbed: &mut Testbed, _: &mut Step) -> StepResult {
    let last = |is: &dyn Fn(&Seen) -> bool| {
        let seen = testbed.seen().iter().rev().find(|seen| seen.from_dut && is(seen));
        seen.and_then(|seen| seen.ip.as_ref()).map(wire::ip::Packet::to_bytes)
    };
    let quoted: Vec<Vec<u8>> =
        [last(&|seen| seen.esp().is_some()), last(&|seen| seen.ike().is_some())].into_iter().flatten().collect();
    if quoted.len() < 2 {
        return Err(StepError::inconclusive("the DUT has not sent both ESP and IKE"));
    }
    testbed.begin_stimulus();
    let (tester, dut) = (testbed.plan().tester, testbed.plan().dut);
    for packet in quoted {
        for code in [icmpv4::HOST_UNREACHABLE, icmpv4::PROTOCOL_UNREACHABLE, icmpv4::PORT_UNREACHABLE] {
            let original: Vec<u8> = packet.iter().copied().take(QUOTED).collect();
            let message = icmpv4::Message::DestinationUnreachable { unused: 0, next_hop_mtu: 0, original };
            let error = icmpv4::Packet { code, checksum: Derived::Computed, message };
            testbed.send_outside(ip_packet(tester, dut, Protocol::ICMP, error.to_bytes())?)?;
        }
    }
    Ok(())
}
