//! Quick mode (RFC 2409 section 5.5).

use super::isakmp::{awaited, message, none};
use crate::isakmp::SeenIsakmp;
use crate::isakmp::tree::identity;
use crate::profile::Pfs;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, WhichIsakmp};
use reference_peer::config::isakmp::Phase1;
use reference_peer::hands::IsakmpDraft;
use std::sync::{Arc, Mutex, PoisonError};
use wire::ikev1::{Body, ExchangeType, Flags, Payload, PayloadType, emit_chain};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the tester offers {word} in quick mode, with {word} for forward secrecy", |testbed, step| {
        let (esp, pfs): (String, Pfs) = (step.arg(0)?, step.arg(1)?);
        testbed.speak_quick_mode(&esp, pfs)
    });

    steps.when("the tester sends message 1 of quick mode in the clear", |testbed, _| {
        testbed.edits.isakmp(first(), |draft| {
            draft.encrypt = false;
            draft.header.flags = Flags::default();
        });
        another(testbed)
    });
    steps.when("the tester sends message 1 of quick mode before its main mode is finished", too_early);
    steps.when("the tester sends message 1 of quick mode with the SA before the HASH", |testbed, _| {
        let keys = testbed.isakmp_keys()?;
        testbed.edits.isakmp(first(), move |draft| {
            if draft.payloads.len() < 2 {
                return;
            }
            let mut covered = vec![];
            emit_chain(draft.payloads.get(1..).unwrap_or_default(), PayloadType::NONE, &mut covered);
            let right = keys.phase2_hash(draft.header.message_id, &[], &covered);
            draft.repair_hash = false;
            put_hash(draft, &right);
            draft.payloads.swap(0, 1);
        });
        another(testbed)
    });
    steps.when("the tester sends message {int} of quick mode with a bit of its hash flipped", |testbed, step| {
        let which = WhichIsakmp::message(ExchangeType::QUICK, step.arg(0)?);
        testbed.edits.isakmp(which, |draft| draft.flip_hash = true);
        another(testbed)
    });
    steps.when("the DUT's quick mode is answered with a hash that leaves out its nonce", |testbed, _| {
        answer_without_nonce(testbed)
    });

    steps.then("the DUT's message {int} of quick mode has HASH and SA first", |testbed, step| {
        let number = step.arg(0)?;
        let isakmp = message(testbed, step, ExchangeType::QUICK, number)?;
        if isakmp.types().starts_with(&[PayloadType::HASH, PayloadType::SECURITY_ASSOCIATION]) {
            return Ok(());
        }
        Err(StepError::failed("HASH, SA and the rest", isakmp.summary()))
    });
    steps.then("the hash of the DUT's message {int} of quick mode is right", |testbed, step| {
        let number: u8 = step.arg(0)?;
        let is_it =
            |isakmp: &SeenIsakmp| isakmp.exchange() == Some(ExchangeType::QUICK) && isakmp.number == Some(number);
        let isakmp = awaited(testbed, step, is_it, &format!("message {number} of quick mode"))?;
        if isakmp.is_authentic() {
            return Ok(());
        }
        Err(StepError::failed(format!("HASH({number}) of RFC 2409 section 5.5"), isakmp.summary()))
    });
    steps.then("the DUT sends no message {int} of quick mode", |testbed, step| {
        let number: u8 = step.arg(0)?;
        none(testbed, |isakmp| isakmp.is(ExchangeType::QUICK, number), &format!("message {number} of quick mode"))
    });
    steps.then("the DUT returns the client identities as they were offered", |testbed, step| {
        let offered = clients(testbed.isakmp_to_dut(testbed.since()), 1);
        let offered = offered.ok_or_else(|| StepError::inconclusive("the tester has named no client identities"))?;
        let isakmp = message(testbed, step, ExchangeType::QUICK, 2)?;
        let returned = clients(std::iter::once(isakmp), 2).unwrap_or_default();
        step.observed(returned.join(", "));
        if returned == offered {
            return Ok(());
        }
        Err(StepError::failed(offered.join(", "), returned.join(", ")))
    });
    steps.then("the DUT names its own network first and the tester's second", |testbed, step| {
        let plan = testbed.plan().clone();
        let isakmp = message(testbed, step, ExchangeType::QUICK, 1)?;
        let named = clients(std::iter::once(isakmp), 1).unwrap_or_default();
        step.observed(named.join(", "));
        let net = |net: ipnet::IpNet| format!("{}/{}", net.network(), net.netmask());
        let expected = [net(plan.dut_net), net(plan.tester_net)];
        if named == expected { Ok(()) } else { Err(StepError::failed(expected.join(", "), named.join(", "))) }
    });
    steps.then("no packet of the DUT or to it passes on these SAs", |testbed, step| {
        let limit = testbed.silence();
        let pings = testbed.pings(2, limit)?;
        step.observed(format!("{} of {} pings answered", pings.answered, pings.sent));
        if pings.answered == 0 {
            return Ok(());
        }
        Err(StepError::failed("no ping answered", format!("{} answered", pings.answered)))
    });
}

fn first() -> WhichIsakmp {
    WhichIsakmp::message(ExchangeType::QUICK, 1)
}

/// Another quick mode of the tester, as the stimulus; waits until it is over or has come to nothing.
fn another(testbed: &mut Testbed) -> StepResult {
    testbed.begin_stimulus();
    let since = testbed.events().len();
    testbed.begin_quick_mode()?;
    let silence = testbed.silence();
    testbed.await_state(silence, |testbed| super::isakmp::installed(testbed, since) > 0)?;
    // Message 3 has no answer.
    testbed.wait(std::time::Duration::from_millis(5))
}

fn put_hash(draft: &mut IsakmpDraft, right: &[u8]) {
    for payload in &mut draft.payloads {
        if let Body::Hash(hash) = &mut payload.body {
            right.clone_into(hash);
        }
    }
}

/// The two client identities of the first message `number` of quick mode that names any, in words.
fn clients<'a>(mut messages: impl Iterator<Item = &'a SeenIsakmp>, number: u8) -> Option<Vec<String>> {
    messages.find_map(|isakmp| {
        let named: Vec<String> = isakmp.identities().into_iter().map(identity).collect();
        (isakmp.is(ExchangeType::QUICK, number) && !named.is_empty()).then_some(named)
    })
}

/// Message 1 of a quick mode, as it would be under an ISAKMP SA that is up, is sent under one whose identities have not
/// been exchanged yet.
fn too_early(testbed: &mut Testbed, _: &mut Step) -> StepResult {
    let kept: Arc<Mutex<Vec<Payload>>> = Arc::default();
    let into = kept.clone();
    testbed.edits.isakmp(first(), move |draft| {
        into.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&draft.payloads);
    });
    testbed.establish_isakmp(Phase1::Main)?;
    super::isakmp::forget(testbed);
    let mark = testbed.mark();
    testbed.edits.hold_isakmp(WhichIsakmp::message(ExchangeType::MAIN, 5), None);
    testbed.begin_phase1(Phase1::Main)?;
    let limit = testbed.answer_limit();
    if testbed.await_isakmp(mark, limit, |isakmp| isakmp.is(ExchangeType::MAIN, 4))?.is_none() {
        return Err(StepError::inconclusive(format!("no message 4 of main mode: {}", testbed.story(0))));
    }
    testbed.begin_stimulus();
    let info = testbed.newest_isakmp()?;
    let message_id = testbed.fresh_message_id();
    let header = testbed.isakmp_header(&info, ExchangeType::QUICK, message_id, true);
    let payloads = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let message = testbed.seal_isakmp(header, payloads.into_iter().skip(1).collect(), |_| {})?;
    testbed.send_isakmp(&message)
}

fn answer_without_nonce(testbed: &mut Testbed) -> StepResult {
    testbed.begin_stimulus();
    testbed.edits.isakmp(WhichIsakmp::message(ExchangeType::QUICK, 2), |draft| draft.leave_nonce_out = true);
    testbed.control(Hook::InitiateIkev1(Phase1::Main))?;
    let limit = testbed.answer_limit();
    let since = testbed.since();
    let answered = testbed.await_seen(since, limit, |seen| {
        !seen.from_dut && seen.isakmp().is_some_and(|isakmp| isakmp.is(ExchangeType::QUICK, 2))
    })?;
    match answered {
        Some(_) => Ok(()),
        None => Err(StepError::inconclusive(format!("the DUT has begun no quick mode: {}", testbed.story(0)))),
    }
}
