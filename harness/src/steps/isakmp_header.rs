//! The ISAKMP header (RFC 2408 sections 3.1 and 5.2): version, exchange type, flags, cookies, Message ID and length; and
//! what every first message that must not be taken has in common.

use super::common::instead;
use super::isakmp::{awaited, phase1};
use crate::isakmp::SeenIsakmp;
use crate::profile::Exchange;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::isakmp::{IsakmpPolicy, Phase1};
use reference_peer::hands::IsakmpDraft;
use wire::Derived;
use wire::ikev1::{ExchangeType, Flags, Header, Message};

/// What the tester offers by IKEv1 to a DUT whose profile has no policy for it.
const USUAL_POLICY: &str = "aes128-sha1-modp2048";

/// Attempts after which a pattern in the cookies would show.
const ATTEMPTS: usize = 5;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    register_stimuli(steps);
    register_judgements(steps);
}

fn register_stimuli(steps: &mut Steps<Testbed>) {
    steps.given("the DUT is configured for IKEv2 alone", |testbed, _| {
        let usual: IsakmpPolicy = USUAL_POLICY.parse().map_err(StepError::testbed)?;
        testbed.reconfigure_isakmp(|connection| {
            if connection.policies.is_empty() {
                connection.policies.push(usual);
            }
        });
        if testbed.profile().ike().speaks(1) {
            testbed.reconfigure_dut(|config| config.isakmp.connections.clear())?;
        }
        Ok(())
    });
    steps.when("the tester sends message 1 of main mode with the version octet {hex}", |testbed, step| {
        let version = octet(step)?;
        begin_edited(testbed, Phase1::Main, 1, move |draft| draft.header.version = version)
    });
    steps.when("the tester sends message 1 of main mode with the exchange type {int}", |testbed, step| {
        let exchange = ExchangeType(step.arg(0)?);
        begin_edited(testbed, Phase1::Main, 1, move |draft| draft.header.exchange_type = exchange)
    });
    steps.when("the tester sends message 1 of main mode with the flags {hex}", |testbed, step| {
        let flags = Flags(octet(step)?);
        begin_edited(testbed, Phase1::Main, 1, move |draft| draft.header.flags = flags)
    });
    steps.when("the tester sends message 1 of main mode with the Message ID {int}", |testbed, step| {
        let id: u32 = step.arg(0)?;
        begin_edited(testbed, Phase1::Main, 1, move |draft| draft.header.message_id = id)
    });
    steps.when("the tester sends message 1 of main mode that says {int} octets too {word}", |testbed, step| {
        let octets: u32 = step.arg(0)?;
        let many = match step.arg_text(1)? {
            "many" => true,
            "few" => false,
            other => return Err(StepError::testbed(format!("{}: many or few, not {other}", step.place()))),
        };
        begin_sealed(testbed, move |message| {
            let length = message.to_bytes().len() as u32;
            let length = if many { length.saturating_add(octets) } else { length.saturating_sub(octets) };
            message.header.length = Derived::Exactly(length);
        })
    });
    steps.when("the tester sends message 1 of main mode with {int} octets after it", |testbed, step| {
        let octets: usize = step.arg(0)?;
        begin_sealed(testbed, move |message| message.trailing = vec![0xA5; octets])
    });
    steps.when(
        "the tester sends message 1 of quick mode with a bit of the responder's cookie flipped",
        |testbed, _| {
            testbed
                .edits
                .isakmp(WhichIsakmp::message(ExchangeType::QUICK, 1), |draft| draft.header.responder_cookie ^= 1);
            testbed.begin_stimulus();
            testbed.begin_quick_mode()
        },
    );
    steps.when("the tester begins several main modes", |testbed, _| {
        testbed.begin_stimulus();
        for attempt in 1..=ATTEMPTS {
            testbed.edits.hold_isakmp(WhichIsakmp::message(ExchangeType::MAIN, 3), Some(1));
            testbed.begin_phase1(Phase1::Main)?;
            let (since, limit) = (testbed.since(), testbed.answer_limit());
            testbed.await_state(limit, |testbed| responder_cookies(testbed, since).len() == attempt)?;
        }
        Ok(())
    });
}

fn register_judgements(steps: &mut Steps<Testbed>) {
    steps.then("the DUT makes no ISAKMP SA of it", makes_no_isakmp_sa);
    steps.then("every IKEv1 message of the DUT has version 1.0", |testbed, step| {
        every(testbed, step, "version 1.0", |header| header.version == Header::VERSION_1)
    });
    steps.then("every IKEv1 message of the DUT has its undefined flags clear", |testbed, step| {
        every(testbed, step, "the flag bits 0xF8 clear", |header| header.flags.reserved() == 0)
    });
    steps.then("every message of phase 1 of the DUT has the Message ID 0", |testbed, step| {
        every(testbed, step, "Message ID 0", |header| !is_phase1(header) || header.message_id == 0)
    });
    steps.then("the length in the header of every IKEv1 message of the DUT is right", |testbed, step| {
        every_message(testbed, step, "the datagram's length", |isakmp, header| {
            header.length == Derived::Exactly(isakmp.octets.len() as u32)
        })
    });
    steps.then("every encrypted message of the DUT has whole blocks", |testbed, step| {
        let block = testbed.isakmp_keys()?.encryption.block_len();
        every_message(testbed, step, &format!("whole blocks of {block} octets"), |isakmp, header| {
            !header.flags.encrypted() || (isakmp.octets.len() - Header::OCTETS).is_multiple_of(block)
        })
    });
    steps.then("the DUT begins an exchange with the cookies in the order of phase 1", |testbed, step| {
        // The tester may have closed the SA by now, because it was told to.
        let agreed = testbed.isakmp_from_dut(0).find(|isakmp| isakmp.is(ExchangeType::MAIN, 2));
        let cookies = agreed
            .and_then(|isakmp| isakmp.header)
            .map(|header| header.cookies())
            .ok_or_else(|| StepError::inconclusive("the DUT has answered no main mode"))?;
        let begun = |isakmp: &SeenIsakmp| isakmp.header.is_some_and(|header| header.message_id != 0);
        let isakmp = awaited(testbed, step, begun, "an exchange of phase 2")?;
        if isakmp.header.is_some_and(|header| header.cookies() == cookies) {
            return Ok(());
        }
        let came = isakmp.header.map(|header| header.cookies()).unwrap_or_default();
        Err(StepError::failed(
            format!("cookies {:016x} {:016x}", cookies.0, cookies.1),
            format!("{:016x} {:016x}", came.0, came.1),
        ))
    });
    steps.then("the DUT's cookies are not zero, all different and follow no pattern", |testbed, step| {
        let cookies = responder_cookies(testbed, testbed.since());
        let text = cookies.iter().map(|cookie| format!("{cookie:016x}")).collect::<Vec<_>>().join(", ");
        step.observed(text.clone());
        if cookies.len() < ATTEMPTS {
            return Err(StepError::inconclusive(format!("{} of {ATTEMPTS} main modes were answered", cookies.len())));
        }
        let steps: Vec<u64> =
            cookies.windows(2).filter_map(|pair| Some(pair.get(1)?.wrapping_sub(*pair.first()?))).collect();
        let even = steps.iter().all(|step| steps.first() == Some(step));
        if cookies.contains(&0) || steps.contains(&0) || even {
            return Err(StepError::failed(format!("{ATTEMPTS} cookies that nobody can foretell"), text));
        }
        Ok(())
    });
}

/// Begins phase 1 with its message `number` edited before encryption, as the stimulus.
pub(super) fn begin_edited(
    testbed: &mut Testbed,
    phase1: Phase1,
    number: u8,
    edit: impl FnMut(&mut IsakmpDraft) + Send + 'static,
) -> StepResult {
    let exchange = crate::testbed::isakmp::exchange_type(phase1);
    testbed.edits.isakmp(WhichIsakmp::message(exchange, number), edit);
    testbed.begin_stimulus();
    testbed.begin_phase1(phase1)
}

/// Begins main mode with its first message edited when all else about it is done.
fn begin_sealed(testbed: &mut Testbed, edit: impl FnMut(&mut Message) + Send + 'static) -> StepResult {
    testbed.edits.isakmp_protected(WhichIsakmp::message(ExchangeType::MAIN, 1), edit);
    testbed.begin_stimulus();
    testbed.begin_phase1(Phase1::Main)
}

/// No message with an SA payload comes, whatever exchange it says it is of, for the time that counts as silence. A notify
/// may come.
fn makes_no_isakmp_sa(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (since, silence) = (testbed.since(), testbed.silence());
    let chooses = |isakmp: &SeenIsakmp| isakmp.sa().is_some();
    let found = testbed.await_isakmp(since, silence, chooses)?;
    step.observed(instead(testbed));
    match found {
        None => Ok(()),
        Some(index) => {
            testbed.comment(index, "judged: no choice was expected here");
            Err(StepError::failed("no answer with an SA payload", instead(testbed)))
        }
    }
}

/// Waits until IPsec SAs are up, or are not going to be.
pub(super) fn await_up(testbed: &mut Testbed) -> StepResult {
    let limit = testbed.answer_limit() * 2;
    testbed.await_state(limit, |testbed| testbed.child().is_ok()).map(drop)
}

fn is_phase1(header: &Header) -> bool {
    matches!(header.exchange_type, ExchangeType::MAIN | ExchangeType::AGGRESSIVE)
}

fn every(testbed: &mut Testbed, step: &mut Step, expected: &str, fits: impl Fn(&Header) -> bool) -> StepResult {
    every_message(testbed, step, expected, |_, header| fits(header))
}

fn every_message(
    testbed: &mut Testbed,
    step: &mut Step,
    expected: &str,
    fits: impl Fn(&SeenIsakmp, &Header) -> bool,
) -> StepResult {
    await_up(testbed)?;
    let all: Vec<_> = testbed.isakmp_from_dut(0).filter_map(|isakmp| Some((isakmp, isakmp.header?))).collect();
    step.observed(format!("{} messages", all.len()));
    if all.is_empty() {
        return Err(StepError::failed("messages of IKEv1", "none"));
    }
    match all.iter().find(|(isakmp, header)| !fits(isakmp, header)) {
        None => Ok(()),
        Some((isakmp, header)) => {
            let told = format!(
                "{}, version {:02x}, flags {:02x}, ID {:08x}, length {:?} of {} octets",
                isakmp.summary(),
                header.version,
                header.flags.0,
                header.message_id,
                header.length,
                isakmp.octets.len()
            );
            Err(StepError::failed(expected, told))
        }
    }
}

/// The cookies of the DUT in its answers to different offers, in their order.
fn responder_cookies(testbed: &Testbed, since: usize) -> Vec<u64> {
    let mut answered: Vec<(u64, u64)> = Vec::new();
    for header in testbed.isakmp_from_dut(since).filter(|isakmp| isakmp.sa().is_some()).filter_map(|i| i.header) {
        if !answered.iter().any(|known| known.0 == header.initiator_cookie) {
            answered.push(header.cookies());
        }
    }
    answered.into_iter().map(|cookies| cookies.1).collect()
}

fn octet(step: &Step) -> Result<u8, StepError> {
    u8::try_from(step.number(0)?).map_err(|_| StepError::testbed(format!("{}: not an octet", step.place())))
}

/// The exchange of phase 1 that a step names, if the profile has it.
pub(super) fn claimed_phase1(testbed: &Testbed, step: &Step, index: usize) -> Result<Phase1, StepError> {
    let phase1 = phase1(step, index)?;
    let exchange = match phase1 {
        Phase1::Main => Exchange::Main,
        Phase1::Aggressive => Exchange::Aggressive,
    };
    if testbed.profile().ike().exchanges.contains(&exchange) {
        return Ok(phase1);
    }
    Err(StepError::not_applicable(format!("the profile has no {} mode", step.arg_text(index)?)))
}
