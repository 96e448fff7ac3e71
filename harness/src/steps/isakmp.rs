//! IKEv1, what every area of it needs: SAs up, the DUT's messages, silence and its controls.

use super::common::{instead, named_notify};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Keying, Testbed};
use reference_peer::config::isakmp::Phase1;
use reference_peer::gateway::Event;
use wire::ikev1::{ExchangeType, NotifyType, PayloadType};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("an ISAKMP SA and IPsec SAs", |testbed, _| testbed.establish_isakmp(Phase1::Main));
    steps.given("an ISAKMP SA and IPsec SAs by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        testbed.establish_isakmp(phase1)
    });
    steps.given("an ISAKMP SA and IPsec SAs that the DUT has begun by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        testbed.let_dut_establish_isakmp(phase1)
    });
    steps.given("an ISAKMP SA", |testbed, _| testbed.establish_phase1(Phase1::Main));
    steps.given("an ISAKMP SA by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        testbed.establish_phase1(phase1)
    });
    steps.given("the SAs are to be set up by IKEv1", |testbed, _| {
        testbed.want().keying = Some(Keying::Ikev1(Phase1::Main));
        Ok(())
    });

    steps.when("the tester sets up an ISAKMP SA by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        testbed.begin_stimulus();
        testbed.begin_phase1(phase1)
    });
    steps.when("the tester sets up an ISAKMP SA and IPsec SAs by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        testbed.begin_stimulus();
        testbed.begin_isakmp(phase1)
    });
    steps.when("the DUT is told to set up an ISAKMP SA by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        testbed.begin_stimulus();
        testbed.control(Hook::InitiateIkev1(phase1))?;
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        match testbed.await_isakmp(since, limit, |_| true)? {
            Some(_) => Ok(()),
            None => Err(StepError::inconclusive(format!("told to begin, the DUT sent nothing within {limit:?}"))),
        }
    });
    steps.when("the tester begins another quick mode", |testbed, _| {
        testbed.begin_stimulus();
        testbed.begin_quick_mode()
    });

    steps.when("the tester offers in phase 1", |testbed, step| {
        testbed.offer_phase1(step.table())?;
        testbed.begin_stimulus();
        testbed.begin_phase1(Phase1::Main)
    });
    steps.when("the tester offers in quick mode", |testbed, step| {
        testbed.offer_quick_mode(step.table())?;
        // An ISAKMP SA goes on with what the tester was told when it was made.
        testbed.establish_phase1(Phase1::Main)?;
        testbed.begin_stimulus();
        testbed.begin_quick_mode()
    });

    steps.then("the DUT answers with the notify {word} in the clear", |testbed, step| {
        let wanted = notify_type(step, 0)?;
        let fits = |isakmp: &SeenIsakmp| !isakmp.protected && isakmp.notify(wanted).is_some();
        awaited(testbed, step, fits, &format!("N({wanted}) in the clear")).map(drop)
    });
    steps.then("the DUT answers with the notify {word} under protection", |testbed, step| {
        let wanted = notify_type(step, 0)?;
        let fits = |isakmp: &SeenIsakmp| isakmp.is_authentic() && isakmp.notify(wanted).is_some();
        awaited(testbed, step, fits, &format!("N({wanted}) under protection")).map(drop)
    });
    steps.then("an ISAKMP SA comes up and answers", |testbed, _| comes_up(testbed, false));
    steps.then("an ISAKMP SA and IPsec SAs come up and answer", |testbed, _| comes_up(testbed, true));
    steps.then("the DUT answers no quick mode", |testbed, _| {
        none(testbed, |isakmp| isakmp.exchange() == Some(ExchangeType::QUICK), "message of quick mode")
    });
    steps.then("the DUT does not choose in {word} mode", |testbed, step| {
        let exchange = exchange(step, 0)?;
        none(testbed, |isakmp| isakmp.is(exchange, 2), "message 2")
    });
    steps.then("a proper {word} mode is answered", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        if testbed.answers_phase1(phase1)? {
            return Ok(());
        }
        Err(StepError::failed(format!("message 2 within {:?}", testbed.answer_limit()), instead(testbed)))
    });
    steps.then("another quick mode makes IPsec SAs", |testbed, _| {
        let since = testbed.events().len();
        if testbed.quick_mode()? { Ok(()) } else { Err(StepError::failed("IPsec SAs", testbed.story(since))) }
    });
    steps.then("the DUT answers under the ISAKMP SA", |testbed, _| {
        if testbed.is_isakmp_alive()? {
            return Ok(());
        }
        Err(StepError::failed(format!("an answer within {:?}", testbed.answer_limit()), instead(testbed)))
    });
    steps.then("a proper ISAKMP SA and IPsec SAs come up by {word} mode", |testbed, step| {
        let phase1 = phase1(step, 0)?;
        forget(testbed);
        let since = testbed.events().len();
        testbed.establish_isakmp(phase1).map_err(|error| StepError::failed("IPsec SAs", error.to_string()))?;
        step.observed(testbed.story(since));
        comes_up(testbed, true)
    });
}

/// The exchange of phase 1 that a step names.
pub(super) fn phase1(step: &Step, index: usize) -> Result<Phase1, StepError> {
    match step.arg_text(index)? {
        "main" => Ok(Phase1::Main),
        "aggressive" => Ok(Phase1::Aggressive),
        other => Err(StepError::testbed(format!("{}: main or aggressive mode, not {other:?}", step.place()))),
    }
}

/// The exchange that a step names.
pub(super) fn exchange(step: &Step, index: usize) -> Result<ExchangeType, StepError> {
    match step.arg_text(index)? {
        "quick" => Ok(ExchangeType::QUICK),
        _ => phase1(step, index).map(crate::testbed::isakmp::exchange_type),
    }
}

/// A notify type by its IANA name or number.
pub(super) fn notify_type(step: &Step, index: usize) -> Result<NotifyType, StepError> {
    named_notify(step, index, |number| NotifyType(number).name()).map(NotifyType)
}

/// The tester forgets its ISAKMP SAs, and whatever waits to be edited, without a word to the DUT.
pub(super) fn forget(testbed: &mut Testbed) {
    testbed.edits.clear();
    let now = testbed.now();
    for info in testbed.tester.isakmp().isakmp_sas() {
        // It has just been listed.
        let _ = testbed.tester.isakmp_command(now, |engine, _, _| engine.clear(info.id));
    }
}

/// The tester has an ISAKMP SA, and IPsec SAs if wanted, and the DUT answers under it.
fn comes_up(testbed: &mut Testbed, children: bool) -> StepResult {
    let limit = testbed.answer_limit() * 3;
    let up =
        testbed.await_state(limit, |testbed| testbed.isakmp_sa().is_ok() && (!children || testbed.child().is_ok()))?;
    if !up {
        let what = if children { "an ISAKMP SA and IPsec SAs" } else { "an ISAKMP SA" };
        return Err(StepError::failed(format!("{what} within {limit:?}"), testbed.story(0)));
    }
    // The last message of an exchange has no answer: it may still be at work in the DUT.
    testbed.wait(std::time::Duration::from_millis(5))?;
    if testbed.is_isakmp_alive()? {
        Ok(())
    } else {
        Err(StepError::failed("an answer under the ISAKMP SA", instead(testbed)))
    }
}

/// The DUT's message `number` of an exchange since the stimulus, marked in the capture; a failure if none comes.
pub(super) fn message<'a>(
    testbed: &'a mut Testbed,
    step: &mut Step,
    exchange: ExchangeType,
    number: u8,
) -> Result<&'a SeenIsakmp, StepError> {
    awaited(testbed, step, |isakmp| isakmp.is(exchange, number), &format!("message {number} of {exchange}"))
}

/// The DUT's first message of IKEv1 since the stimulus that fits, marked in the capture; a failure if none comes.
pub(super) fn awaited<'a>(
    testbed: &'a mut Testbed,
    step: &mut Step,
    fits: impl Fn(&SeenIsakmp) -> bool,
    what: &str,
) -> Result<&'a SeenIsakmp, StepError> {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    let found = testbed.await_isakmp(since, limit, fits)?;
    let came = instead(testbed);
    let Some(index) = found else { return Err(StepError::failed(format!("{what} within {limit:?}"), came)) };
    testbed.comment(index, format!("judged: {}", step.text()));
    let isakmp = testbed.seen().get(index).and_then(Seen::isakmp);
    let isakmp = isakmp.ok_or_else(|| StepError::testbed("the packet found is no message of IKEv1"))?;
    step.observed(isakmp.summary());
    Ok(isakmp)
}

/// The DUT sends nothing that fits from the stimulus on until the time that counts as silence is over.
pub(super) fn none(testbed: &mut Testbed, fits: impl Fn(&SeenIsakmp) -> bool, what: &str) -> StepResult {
    let (since, silence) = (testbed.since(), testbed.silence());
    match testbed.await_isakmp(since, silence, fits)? {
        None => Ok(()),
        Some(index) => {
            testbed.comment(index, "judged: nothing of this kind was expected");
            let came = testbed.seen().get(index).map(Seen::summary).unwrap_or_default();
            Err(StepError::failed(format!("no {what} for {silence:?}"), came))
        }
    }
}

/// Fails unless a message has each of these payloads once, and beside them none but `others`.
pub(super) fn has_payloads(isakmp: &SeenIsakmp, wanted: &[PayloadType], others: &[PayloadType]) -> StepResult {
    let types = isakmp.types();
    let once = |wanted: &PayloadType| types.iter().filter(|own| *own == wanted).count() == 1;
    let known = |own: &PayloadType| wanted.contains(own) || others.contains(own);
    if wanted.iter().all(once) && types.iter().all(known) {
        return Ok(());
    }
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Err(StepError::failed(format!("{}, each once", names.join(", ")), isakmp.summary()))
}

/// How many pairs of IPsec SAs have been installed in the tester since a length of its events.
pub(super) fn installed(testbed: &Testbed, since: usize) -> usize {
    let events = testbed.events().get(since..).unwrap_or_default();
    events.iter().filter(|(_, event)| matches!(event, Event::ChildInstalled(_))).count()
}
