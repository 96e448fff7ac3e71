//! Aggressive mode (RFC 2409 sections 5 and 5.4).

use super::isakmp::{has_payloads, message};
use crate::isakmp::SeenIsakmp;
use crate::profile::Exchange;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use crypto::Group;
use reference_peer::config::isakmp::{IsakmpPolicy, Phase1};
use reference_peer::ike::v1::observer::HashCheck;
use wire::ikev1::{Attribute, ExchangeType, PayloadType, Phase1Class, Transform};

/// Groups of which one is not the DUT's.
const OTHER_GROUPS: [Group; 4] = [Group::Modp4096, Group::Modp3072, Group::Modp1536, Group::Modp1024];

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

    steps.given("the tester sends message 3 of aggressive mode in the clear", |testbed, _| {
        testbed.edits.isakmp(WhichIsakmp::message(ExchangeType::AGGRESSIVE, 3), super::isakmp_main::in_the_clear);
        Ok(())
    });
    steps.when("the tester offers by aggressive mode a group that its public value is not of", another_group);
    steps.then("no ISAKMP SA comes up", |testbed, step| {
        let limit = testbed.silence();
        let up = testbed.await_state(limit, |testbed| testbed.isakmp_sa().is_ok())?;
        step.observed(testbed.story(0));
        if up { Err(StepError::failed("no ISAKMP SA", "one came up")) } else { Ok(()) }
    });
    steps.then("no message of aggressive mode of the DUT carries a notify", |testbed, step| {
        let aggressive = |isakmp: &&SeenIsakmp| isakmp.exchange() == Some(ExchangeType::AGGRESSIVE);
        let all: Vec<&SeenIsakmp> = testbed.isakmp_from_dut(0).filter(aggressive).collect();
        step.observed(format!("{} messages of aggressive mode", all.len()));
        match all.iter().find(|isakmp| isakmp.notifies().next().is_some()) {
            None if all.is_empty() => Err(StepError::failed("messages of aggressive mode", "none")),
            None => Ok(()),
            Some(wrong) => Err(StepError::failed("no Notification payload", wrong.summary())),
        }
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

/// The first transform has a group that the DUT does not take, and the public value is of that; the second has the DUT's.
fn another_group(testbed: &mut Testbed, _: &mut Step) -> StepResult {
    let own = testbed.profile().ike().policies.first().cloned();
    let own = own.ok_or_else(|| StepError::not_applicable("the profile has no policy"))?;
    let taken = |policy: &IsakmpPolicy| testbed.profile().ike().policies.contains(policy);
    let others = OTHER_GROUPS.into_iter().map(|group| IsakmpPolicy { group, ..own.clone() });
    let other = others
        .filter(|policy| policy.group.public_len() != own.group.public_len())
        .find(|policy| !taken(policy))
        .ok_or_else(|| StepError::not_applicable("the DUT takes its first policy with every group"))?;
    testbed.reconfigure_isakmp(|connection| connection.policies = vec![other]);
    let wanted = own.group.id();
    super::isakmp_header::begin_edited(testbed, Phase1::Aggressive, 1, move |draft| {
        super::isakmp_payloads::with_sa(draft, &mut |sa| {
            for proposal in &mut sa.proposals {
                let Some(first) = proposal.transforms.first().cloned() else { continue };
                let mut second = Transform { number: 2, ..first };
                let group = |attribute: &&mut Attribute| attribute.class == Phase1Class::GROUP.0;
                for attribute in second.attributes.iter_mut().filter(group) {
                    *attribute = Attribute::basic(Phase1Class::GROUP.0, wanted);
                }
                proposal.transforms.push(second);
            }
        });
    })?;
    // What comes after is proper.
    testbed.reconfigure_isakmp(|connection| connection.policies = vec![own]);
    Ok(())
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
