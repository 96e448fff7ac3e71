//! Repetitions and retransmission of IKEv1 (RFC 2408 section 5.1), and the public values of many exchanges (RFC 2409
//! section 5).

use super::isakmp::{exchange, message, none};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{CaughtIsakmp, Hook, Testbed, WhichIsakmp};
use reference_peer::Instant;
use reference_peer::config::isakmp::{IsakmpPolicy, Phase1};
use std::sync::PoisonError;
use std::time::Duration;
use wire::ikev1::{Body, ExchangeType, PayloadType};

/// The last wait is at least so many times the first one, jitter included.
const GROWTH: f64 = 1.2;
/// Time between an answer and the next copy of its message; much less than any peer waits before it repeats one.
const BETWEEN_COPIES: Duration = Duration::from_millis(100);
/// How many main modes are run: real time is dear, virtual time is not.
const MAIN_MODES: (usize, usize) = (60, 2000);
/// How long a built-in peer may repeat a message before it gives up.
const GIVEN_UP: Duration = Duration::from_secs(600);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the tester leaves message {int} of main mode unanswered", |testbed, step| {
        let number: u8 = step.arg(0)?;
        testbed.edits.hold_isakmp(WhichIsakmp::message(ExchangeType::MAIN, number + 1), None);
        Ok(())
    });
    steps.given("the tester has no ISAKMP SA", |testbed, _| {
        if testbed.isakmp_sa().is_err() { Ok(()) } else { Err(StepError::testbed("there is an ISAKMP SA already")) }
    });
    steps.when("the tester sends the same message {int} of {word} mode {int} times", |testbed, step| {
        let (number, copies): (u8, usize) = (step.arg(0)?, step.arg(2)?);
        let exchange = exchange(step, 1)?;
        repeat(testbed, exchange, number, copies)
    });
    steps.when("the DUT has given up, its message 1 of main mode is answered", |testbed, _| {
        let answer = WhichIsakmp::message(ExchangeType::MAIN, 2);
        let caught = testbed.edits.catch_isakmp(answer);
        testbed.edits.hold_isakmp(answer, None);
        testbed.begin_stimulus();
        testbed.control(Hook::InitiateIkev1(Phase1::Main))?;
        testbed.wait(GIVEN_UP)?;
        let late = taken(&caught).ok_or_else(|| StepError::inconclusive("the DUT has begun no main mode"))?;
        testbed.send_isakmp(&late)
    });
    steps.when("several main modes are run", run_main_modes);

    steps.then("the DUT answers message {int} of {word} mode {int} times with the same octets", |testbed, step| {
        let (number, wanted): (u8, usize) = (step.arg(0)?, step.arg(2)?);
        let exchange = exchange(step, 1)?;
        same_answers(testbed, step, exchange, number, wanted)
    });
    steps.then("the waits between the copies of message {int} of main mode grow", |testbed, step| {
        let number: u8 = step.arg(0)?;
        message(testbed, step, ExchangeType::MAIN, number)?;
        await_copies(testbed, number, 4)?;
        let times = copies(testbed, number);
        let waits: Vec<f64> = times.windows(2).map(wait).collect();
        let text = waits.iter().map(|wait| format!("{wait:.2} s")).collect::<Vec<_>>().join(", ");
        step.measured(format!("retransmission waits of message {number}"), text.clone());
        match (waits.first(), waits.last()) {
            (Some(first), Some(last)) if waits.len() >= 2 && *last >= first * GROWTH => Ok(()),
            _ => Err(StepError::failed(format!("waits of which the last is {GROWTH} times the first"), text)),
        }
    });
    steps.then("the DUT's next main mode has another cookie", |testbed, step| {
        let cookie = |isakmp: &SeenIsakmp| isakmp.header.map(|header| header.initiator_cookie);
        let before = testbed.isakmp_from_dut(testbed.since()).find(|isakmp| isakmp.is(ExchangeType::MAIN, 1));
        let before = before.and_then(cookie).ok_or_else(|| StepError::inconclusive("no main mode of the DUT"))?;
        testbed.begin_stimulus();
        testbed.control(Hook::InitiateIkev1(Phase1::Main))?;
        let after = message(testbed, step, ExchangeType::MAIN, 1)?;
        match cookie(after) {
            Some(after) if after != before => Ok(()),
            _ => Err(StepError::failed("another cookie", format!("{before:016x} again"))),
        }
    });
    steps.then("the DUT does not go on with its main mode", |testbed, _| {
        none(testbed, |isakmp| isakmp.is(ExchangeType::MAIN, 3), "message 3 of main mode")
    });
    steps.then("all public values of the DUT are as long as their group", |testbed, step| {
        let group = modp_policy(testbed)?.group;
        let lengths: Vec<usize> = testbed
            .isakmp_from_dut(testbed.since())
            .filter_map(|isakmp| isakmp.payload(PayloadType::KEY_EXCHANGE))
            .filter_map(|payload| if let Body::KeyExchange(public) = &payload.body { Some(public.len()) } else { None })
            .collect();
        step.measured("public values", format!("{} of {} octets", lengths.len(), group.public_len()));
        match lengths.iter().find(|length| **length != group.public_len()) {
            None if lengths.is_empty() => Err(StepError::failed("public values", "none")),
            None => Ok(()),
            Some(other) => Err(StepError::failed(format!("{} octets", group.public_len()), format!("{other} octets"))),
        }
    });
}

/// Sends message `number` of an exchange, and copies of it after the answer. The exchange goes no further.
fn repeat(testbed: &mut Testbed, exchange: ExchangeType, number: u8, copies: usize) -> StepResult {
    testbed.edits.hold_isakmp(WhichIsakmp::message(exchange, number + 2), None);
    testbed.begin_stimulus();
    match exchange {
        ExchangeType::MAIN => testbed.begin_phase1(Phase1::Main)?,
        ExchangeType::AGGRESSIVE => testbed.begin_phase1(Phase1::Aggressive)?,
        _ => testbed.begin_quick_mode()?,
    }
    let (since, limit) = (testbed.since(), testbed.answer_limit() * 2);
    let is_it = |isakmp: &SeenIsakmp| isakmp.is(exchange, number);
    testbed.await_seen(since, limit, |seen| !seen.from_dut && seen.isakmp().is_some_and(is_it))?;
    let sent = testbed.isakmp_to_dut(since).find(|isakmp| is_it(isakmp));
    let (path, octets) = sent
        .map(|isakmp| (isakmp.path, isakmp.octets.clone()))
        .ok_or_else(|| StepError::inconclusive(format!("the exchange did not come to message {number}")))?;
    for copy in 1..copies {
        testbed.await_state(limit, |testbed| answers(testbed, exchange, number).len() >= copy)?;
        // A DUT may send its answer before it has put its state away.
        testbed.wait(BETWEEN_COPIES)?;
        testbed.send_ike(path, &octets)?;
    }
    Ok(())
}

/// What the DUT has answered to message `number`, under the cookies and the Message ID of the tester's.
fn answers(testbed: &Testbed, exchange: ExchangeType, number: u8) -> Vec<&SeenIsakmp> {
    let since = testbed.since();
    let asked = testbed.isakmp_to_dut(since).find(|isakmp| isakmp.is(exchange, number)).and_then(|own| own.header);
    let Some(asked) = asked else { return Vec::new() };
    let of_it = |isakmp: &&SeenIsakmp| {
        let same = |header: &wire::ikev1::Header| {
            (header.initiator_cookie, header.message_id) == (asked.initiator_cookie, asked.message_id)
        };
        isakmp.exchange() == Some(exchange)
            && isakmp.header.as_ref().is_some_and(same)
            && (exchange != ExchangeType::MAIN || isakmp.number == Some(number + 1))
    };
    testbed.isakmp_from_dut(since).filter(of_it).collect()
}

fn same_answers(
    testbed: &mut Testbed,
    step: &mut Step,
    exchange: ExchangeType,
    number: u8,
    wanted: usize,
) -> StepResult {
    let (limit, silence) = (testbed.answer_limit(), testbed.silence());
    testbed.await_state(limit, |testbed| answers(testbed, exchange, number).len() >= wanted)?;
    testbed.wait(silence)?;
    let octets: Vec<&[u8]> = answers(testbed, exchange, number).iter().map(|own| own.octets.as_slice()).collect();
    let alike = octets.iter().filter(|own| Some(*own) == octets.first()).count();
    step.observed(format!("{} answers, {alike} like the first", octets.len()));
    // A responder that repeats its answer by itself as well does no harm.
    if alike == octets.len() && alike >= wanted {
        return Ok(());
    }
    Err(StepError::failed(
        format!("{wanted} answers, octet by octet the same"),
        format!("{}, {alike} like the first", octets.len()),
    ))
}

/// When the copies of the DUT's message `number` of main mode came.
fn copies(testbed: &Testbed, number: u8) -> Vec<Instant> {
    let sent = testbed.from_dut_since(testbed.since()).filter_map(|seen: &Seen| Some((seen.at, seen.isakmp()?)));
    let all: Vec<(Instant, &SeenIsakmp)> = sent.filter(|(_, isakmp)| isakmp.is(ExchangeType::MAIN, number)).collect();
    let first = all.first().map(|(_, isakmp)| &isakmp.octets);
    all.iter().filter(|(_, isakmp)| Some(&isakmp.octets) == first).map(|(at, _)| *at).collect()
}

/// Waits for copies: for each so long as an exponential back-off may take, at most.
fn await_copies(testbed: &mut Testbed, number: u8, wanted: usize) -> StepResult {
    let mut limit = testbed.profile().timing.retransmit_within;
    for count in 2..=wanted {
        let before = testbed.now();
        if !testbed.await_state(limit, |testbed| copies(testbed, number).len() >= count)? {
            return Ok(());
        }
        limit = (testbed.now().since(before) * 3).max(Duration::from_secs(1));
    }
    Ok(())
}

fn wait(pair: &[Instant]) -> f64 {
    match pair {
        [earlier, later] => later.since(*earlier).as_secs_f64(),
        _ => 0.0,
    }
}

fn taken(caught: &CaughtIsakmp) -> Option<wire::ikev1::Message> {
    caught.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The policy of the profile with the shortest MODP group: it takes the least time. Points of curves are always whole.
fn modp_policy(testbed: &Testbed) -> Result<IsakmpPolicy, StepError> {
    let modp = testbed.profile().ike().policies.iter().filter(|policy| policy.group.prime().is_some());
    let shortest = modp.min_by_key(|policy| policy.group.public_len()).cloned();
    shortest.ok_or_else(|| StepError::not_applicable("the profile has no policy with a MODP group"))
}

/// Whole main modes, each of them deleted, so that none stays half open.
fn run_main_modes(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let policy = modp_policy(testbed)?;
    testbed.reconfigure_isakmp(|connection| connection.policies = vec![policy]);
    let count = if testbed.profile().is_self() { MAIN_MODES.1 } else { MAIN_MODES.0 };
    testbed.begin_stimulus();
    for _ in 0..count {
        let mark = testbed.mark();
        testbed.begin_phase1(Phase1::Main)?;
        let limit = testbed.answer_limit();
        let answered = testbed.await_isakmp(mark, limit, |isakmp| isakmp.is(ExchangeType::MAIN, 4))?;
        if answered.is_none() {
            return Err(StepError::inconclusive(format!("a main mode was not answered: {}", testbed.story(0))));
        }
        // With a public value of a wrong length the tester goes no further: that is for the judgement.
        testbed.await_state(limit, |testbed| testbed.isakmp_sa().is_ok())?;
        end_all(testbed)?;
    }
    step.observed(format!("{count} main modes"));
    Ok(())
}

/// Deletes the tester's ISAKMP SAs, and tells the DUT.
fn end_all(testbed: &mut Testbed) -> StepResult {
    let now = testbed.now();
    for info in testbed.tester.isakmp().isakmp_sas() {
        // What is not up is forgotten.
        let _ =
            testbed.tester.isakmp_command(now, |engine, rng, hands| engine.delete_isakmp_sa(now, rng, info.id, hands));
    }
    testbed.wait(Duration::from_millis(2))
}
