//! Aggressive mode (RFC 2409 sections 5 and 5.4).

use super::isakmp::{has_payloads, message};
use crate::isakmp::SeenIsakmp;
use crate::profile::Exchange;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::isakmp::Phase1;
use reference_peer::ike::v1::observer::HashCheck;
use wire::ikev1::{ExchangeType, PayloadType};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the DUT has aggressive mode switched off", |testbed, _| {
        if !testbed.profile().ike().exchanges.contains(&Exchange::Aggressive) {
            return Ok(());
        }
        testbed.reconfigure_dut(|config| {
            config.isakmp.connections.iter_mut().for_each(|connection| connection.accept_aggressive = false);
        })
    });

    steps.when(
        "the tester sends message 3 of aggressive mode with a bit of its hash flipped, and a quick mode",
        |t, _| {
            t.edits.isakmp(WhichIsakmp::message(ExchangeType::AGGRESSIVE, 3), |draft| draft.flip_hash = true);
            begin(t)
        },
    );
    steps.when("the tester leaves out message 3 of aggressive mode, and sends a quick mode", |testbed, _| {
        testbed.edits.hold_isakmp(WhichIsakmp::message(ExchangeType::AGGRESSIVE, 3), None);
        begin(testbed)
    });

    steps.then("the DUT's message 2 of aggressive mode is as it should be", second_message);
}

/// Sets up an ISAKMP SA with a quick mode to follow, and waits until that is sent: it is the stimulus.
fn begin(testbed: &mut Testbed) -> StepResult {
    let mark = testbed.mark();
    testbed.begin_isakmp(Phase1::Aggressive)?;
    let limit = testbed.answer_limit() * 2;
    let quick = |isakmp: &SeenIsakmp| isakmp.exchange() == Some(ExchangeType::QUICK);
    let sent = testbed.await_seen(mark, limit, |seen| !seen.from_dut && seen.isakmp().is_some_and(quick))?;
    testbed.begin_stimulus();
    match sent {
        Some(_) => Ok(()),
        None => Err(StepError::inconclusive(format!("aggressive mode did not come to its end: {}", testbed.story(0)))),
    }
}

fn second_message(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    use PayloadType as P;
    let wanted = [P::SECURITY_ASSOCIATION, P::KEY_EXCHANGE, P::NONCE, P::IDENTIFICATION, P::HASH];
    let beside = [P::VENDOR_ID, P::NAT_DETECTION, P::NAT_DETECTION_DRAFT, P::CERTIFICATE_REQUEST];
    let isakmp = message(testbed, step, ExchangeType::AGGRESSIVE, 2)?;
    has_payloads(isakmp, &wanted, &beside)?;
    if isakmp.types().first() != Some(&P::SECURITY_ASSOCIATION) {
        return Err(StepError::failed("the SA payload first", isakmp.summary()));
    }
    if isakmp.hash != HashCheck::Right {
        return Err(StepError::failed("a right HASH_R", format!("{}: {:?}", isakmp.summary(), isakmp.hash)));
    }
    Ok(())
}
