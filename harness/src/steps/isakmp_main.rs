//! Main mode (RFC 2409 sections 5 and 5.4, appendix B).

use super::isakmp::{awaited, has_payloads, installed};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{CaughtIsakmp, Testbed, WhichIsakmp};
use reference_peer::config::isakmp::Phase1;
use reference_peer::hands::IsakmpDraft;
use std::sync::PoisonError;
use wire::ikev1::{ExchangeType, Flags, Message, PayloadType};

/// Octets of a body that looks encrypted and is not: whole blocks of every cipher.
const NOISE: usize = 64;

/// What may stand in a message of phase 1 beside what must.
const BESIDE: [PayloadType; 4] = [
    PayloadType::VENDOR_ID,
    PayloadType::NAT_DETECTION,
    PayloadType::NAT_DETECTION_DRAFT,
    PayloadType::CERTIFICATE_REQUEST,
];

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("the tester puts a message of aggressive mode between messages 2 and 3 of its main mode", mixes);
    steps.when("the tester repeats message 3 and sends noise before message 5 of its main mode", disturbs);
    steps.when("the tester runs two quick modes side by side", |testbed, _| {
        testbed.begin_stimulus();
        let since = testbed.events().len();
        testbed.begin_quick_mode()?;
        testbed.begin_quick_mode()?;
        let limit = testbed.answer_limit();
        testbed.await_state(limit, |testbed| installed(testbed, since) == 2)?;
        Ok(())
    });

    steps.when("the tester sends message 5 of main mode in the clear", |testbed, _| {
        super::isakmp_header::begin_edited(testbed, Phase1::Main, 5, in_the_clear)
    });
    steps.given("the tester sets the Commit flag in its main mode", |testbed, _| {
        testbed.edits.every_isakmp(WhichIsakmp::exchange(ExchangeType::MAIN), |draft| {
            draft.header.flags.0 |= Flags::COMMIT;
        });
        Ok(())
    });
    steps.then("no quick mode message of the DUT has the Commit flag", |testbed, step| {
        let quick = |isakmp: &&SeenIsakmp| isakmp.exchange() == Some(ExchangeType::QUICK);
        let all: Vec<&SeenIsakmp> = testbed.isakmp_from_dut(0).filter(quick).collect();
        step.observed(format!("{} messages of quick mode", all.len()));
        let set = |isakmp: &&&SeenIsakmp| isakmp.header.is_some_and(|header| header.flags.commit());
        match all.iter().find(set) {
            None if all.is_empty() => Err(StepError::failed("messages of quick mode", "none")),
            None => Ok(()),
            Some(wrong) => Err(StepError::failed("the Commit flag clear", wrong.summary())),
        }
    });
    steps.then("the DUT's messages {int}, {int} and {int} of main mode are as they should be", six_messages);
    steps.then("the DUT's message {int} of main mode is encrypted right after the header", encrypted);
    steps.then("both quick modes make IPsec SAs", |testbed, step| {
        let since = testbed.since();
        let messages = testbed.isakmp_from_dut(since).filter(|isakmp| isakmp.is(ExchangeType::QUICK, 2));
        let mut ids: Vec<u32> =
            messages.filter(|isakmp| isakmp.is_authentic()).filter_map(SeenIsakmp::message_id).collect();
        ids.dedup();
        step.observed(format!("{} answers", ids.len()));
        if ids.len() == 2 { Ok(()) } else { Err(StepError::failed("two answers", testbed.story(0))) }
    });
    steps.then("every encrypted message of the DUT has the IV that comes next in its exchange", ivs);
    steps.then("the DUT takes the mixed message for none of its main mode", |testbed, step| {
        let seen = testbed.seen().get(testbed.since()..).unwrap_or_default();
        let mixed = seen.iter().position(|seen| !seen.from_dut && is_of(seen, ExchangeType::AGGRESSIVE));
        let mixed = mixed.ok_or_else(|| StepError::inconclusive("the tester has sent no mixed message"))?;
        // Until the tester goes on with message 3 nothing is due.
        let until_next = seen.iter().skip(mixed + 1).take_while(|seen| seen.from_dut || seen.isakmp().is_none());
        let mut answers = until_next
            .filter(|seen| seen.from_dut && (is_of(seen, ExchangeType::AGGRESSIVE) || is_of(seen, ExchangeType::MAIN)));
        let answer = answers.find(|seen| seen.isakmp().is_some_and(|isakmp| isakmp.number != Some(2)));
        match answer {
            None => Ok(()),
            Some(answer) => {
                step.observed(answer.summary());
                Err(StepError::failed("no answer of phase 1", answer.summary()))
            }
        }
    });
}

/// Sends a message as it is, right hash and all, but unencrypted.
pub(super) fn in_the_clear(draft: &mut IsakmpDraft) {
    draft.encrypt = false;
    draft.header.flags.0 &= !Flags::ENCRYPTION;
}

fn is_of(seen: &Seen, exchange: ExchangeType) -> bool {
    seen.isakmp().is_some_and(|isakmp| isakmp.exchange() == Some(exchange))
}

/// Begins main mode, and gives message `number` in place of sending it.
fn up_to(testbed: &mut Testbed, number: u8) -> Result<Message, StepError> {
    testbed.begin_stimulus();
    let caught = testbed.edits.catch_isakmp(WhichIsakmp::message(ExchangeType::MAIN, number));
    testbed.begin_phase1(Phase1::Main)?;
    let limit = testbed.answer_limit() * 2;
    let take = |caught: &CaughtIsakmp| caught.lock().unwrap_or_else(PoisonError::into_inner).clone();
    testbed.await_state(limit, |_| take(&caught).is_some())?;
    take(&caught).ok_or_else(|| {
        StepError::inconclusive(format!("main mode did not come to message {number}: {}", testbed.story(0)))
    })
}

fn mixes(testbed: &mut Testbed, _: &mut Step) -> StepResult {
    let third = up_to(testbed, 3)?;
    let mut mixed = third.clone();
    mixed.header.exchange_type = ExchangeType::AGGRESSIVE;
    testbed.send_isakmp(&mixed)?;
    let silence = testbed.silence();
    testbed.wait(silence)?;
    testbed.send_isakmp(&third)
}

fn disturbs(testbed: &mut Testbed, _: &mut Step) -> StepResult {
    let fifth = up_to(testbed, 5)?;
    let third = testbed.isakmp_to_dut(testbed.since()).find(|isakmp| isakmp.is(ExchangeType::MAIN, 3));
    let (path, third) = third
        .map(|isakmp| (isakmp.path, isakmp.octets.clone()))
        .ok_or_else(|| StepError::inconclusive("the tester has sent no message 3"))?;
    testbed.send_ike(path, &third)?;
    let noise: Vec<u8> = (0..NOISE).map(|_| testbed.random() as u8).collect();
    let forged = Message::encrypted(fifth.header, PayloadType::IDENTIFICATION, noise);
    testbed.send_isakmp(&forged)?;
    // The DUT may repeat message 4, and has thrown the noise away.
    let silence = testbed.silence();
    testbed.wait(silence)?;
    testbed.send_isakmp(&fifth)
}

/// The DUT's three messages of main mode: payloads, Message ID, and no fourth.
fn six_messages(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    use PayloadType as P;
    for index in 0..3 {
        let number: u8 = step.arg(index)?;
        let isakmp = super::isakmp::message(testbed, step, ExchangeType::MAIN, number)?;
        match number {
            1 | 2 => has_payloads(isakmp, &[P::SECURITY_ASSOCIATION], &BESIDE)?,
            3 | 4 => has_payloads(isakmp, &[P::KEY_EXCHANGE, P::NONCE], &BESIDE)?,
            _ => {
                let beside = [BESIDE.as_slice(), &[P::NOTIFICATION]].concat();
                has_payloads(isakmp, &[P::IDENTIFICATION, P::HASH], &beside)?;
            }
        }
        if isakmp.types().first() != Some(&P::SECURITY_ASSOCIATION) && number < 3 {
            return Err(StepError::failed("the SA payload first", isakmp.summary()));
        }
        if isakmp.message_id() != Some(0) {
            return Err(StepError::failed("Message ID 0", isakmp.summary()));
        }
    }
    let mut messages: Vec<&[u8]> = testbed
        .isakmp_from_dut(testbed.since())
        .filter(|isakmp| isakmp.exchange() == Some(ExchangeType::MAIN))
        .map(|isakmp| isakmp.octets.as_slice())
        .collect();
    // Repetitions are the same octets.
    messages.sort_unstable();
    messages.dedup();
    step.observed(format!("{} messages", messages.len()));
    if messages.len() == 3 {
        return Ok(());
    }
    Err(StepError::failed("three messages of main mode", format!("{} of them", messages.len())))
}

/// What follows the public values is encrypted and opens.
fn encrypted(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let number: u8 = step.arg(0)?;
    let later = |isakmp: &SeenIsakmp| {
        isakmp.exchange() == Some(ExchangeType::MAIN)
            && (isakmp.message.is_err() || isakmp.protected || isakmp.number == Some(number))
    };
    let isakmp = awaited(testbed, step, later, &format!("message {number} of main mode"))?;
    let flagged = isakmp.header.is_some_and(|header| header.flags.encrypted());
    if flagged && isakmp.is_authentic() {
        return Ok(());
    }
    Err(StepError::failed("the E flag set, and ID and HASH inside", isakmp.summary()))
}

/// Each encrypted message of the DUT opens with the IV of appendix B, and not with that of another message.
fn ivs(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let encrypted: Vec<&SeenIsakmp> = testbed.isakmp_from_dut(0).filter(|isakmp| isakmp.protected).collect();
    step.observed(format!("{} encrypted messages", encrypted.len()));
    if encrypted.is_empty() {
        return Err(StepError::failed("encrypted messages of the DUT", "none"));
    }
    match encrypted.into_iter().find(|isakmp| !isakmp.in_order || !isakmp.is_authentic()) {
        None => Ok(()),
        Some(wrong) => Err(StepError::failed("a message that opens with its own IV", wrong.summary())),
    }
}
