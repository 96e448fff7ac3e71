//! SA negotiation of IKEv1 (RFC 2408 sections 4.2 and 5.4 to 5.6, RFC 2409 section 5 and appendix A, RFC 2407 section 4.5)
//! and the policies of the guide's chapter 10.

use super::common::instead;
use super::isakmp::{awaited, exchange, message, none, notify_type};
use super::isakmp_header::{await_up, begin_edited, claimed_phase1};
use super::isakmp_payloads::with_sa;
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::isakmp::{IsakmpAuthentication, IsakmpPolicy, Phase1, SaLifetime, TransformSet};
use reference_peer::config::{EspProposal, Mode};
use std::time::Duration;
use wire::ikev1::{
    Attribute, AttributeValue, ExchangeType, PayloadType, Phase1Class, Phase2Class, ProtocolId, SecurityAssociation,
    Transform,
};

/// ESP transform that nobody has.
const NO_TRANSFORM: u8 = 249;

/// How long SAs live in scenarios that wait for their end.
const BRIEF: Duration = Duration::from_secs(600);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    register_offers(steps);
    register_answers(steps);
    register_policies(steps);
    register_judgements(steps);
    register_attribute_judgements(steps);
}

/// What the tester offers beside the tables of `the tester offers in phase 1`.
fn register_offers(steps: &mut Steps<Testbed>) {
    steps.when("the tester offers an unknown transform and a known one in one proposal of quick mode", |testbed, _| {
        begin_quick_with_sa(testbed, |sa| {
            for proposal in sa.proposals.iter_mut().take(1) {
                let unknown = Transform { id: NO_TRANSFORM, number: 1, ..known(proposal) };
                let known = Transform { number: 2, ..known(proposal) };
                proposal.transforms = vec![unknown, known];
            }
        })
    });
    steps.when("the tester offers KE, Nonce, SA and ID in this order by aggressive mode", |testbed, _| {
        begin_edited(testbed, Phase1::Aggressive, 1, |draft| {
            let place = |payload: &wire::ikev1::Payload| match payload.body.payload_type() {
                PayloadType::KEY_EXCHANGE => 0,
                PayloadType::NONCE => 1,
                PayloadType::SECURITY_ASSOCIATION => 2,
                PayloadType::IDENTIFICATION => 3,
                _ => 4,
            };
            draft.payloads.sort_by_key(place);
        })
    });
    steps.when("the tester offers a bundle whose ESP is not acceptable", |testbed, _| half_a_bundle(testbed, false));
    steps.when("the tester offers a bundle whose ESP is not acceptable, and ESP alone after it", |testbed, _| {
        half_a_bundle(testbed, true)
    });
}

/// Offers AH and ESP under one number, of which ESP cannot be taken; after it, if wanted, ESP that can.
fn half_a_bundle(testbed: &mut Testbed, then_alone: bool) -> StepResult {
    let bundle = testbed.profile().ipsec.bundles.first().cloned().unwrap_or_default();
    let protocols: Vec<EspProposal> = bundle.split('+').filter_map(|part| part.parse().ok()).collect();
    let alone = protocols.iter().find(|protocol| protocol.protocol == ProtocolId::ESP).cloned();
    let known = |esp: &EspProposal| testbed.profile().ipsec.proposals.contains(esp);
    let alone = alone
        .filter(known)
        .ok_or_else(|| StepError::not_applicable("the profile has no ESP proposal that is in its first bundle"))?;
    testbed.reconfigure_isakmp(|connection| {
        let set = |name: &str, protocols| TransformSet { mode: Mode::Tunnel, ..TransformSet::new(name, protocols) };
        let mut sets = vec![set("bundle", protocols)];
        if then_alone {
            sets.push(set("alone", vec![alone]));
        }
        connection.children.iter_mut().for_each(|child| child.transform_sets.clone_from(&sets));
    });
    testbed.establish_phase1(Phase1::Main)?;
    begin_quick_with_sa(testbed, |sa| {
        let first = sa.proposals.first().map(|proposal| proposal.number);
        let half = |proposal: &&mut wire::ikev1::Proposal| {
            Some(proposal.number) == first && proposal.protocol == ProtocolId::ESP
        };
        for proposal in sa.proposals.iter_mut().filter(half) {
            proposal.transforms.iter_mut().for_each(|transform| transform.id = NO_TRANSFORM);
        }
    })
}

/// How the tester answers a DUT that has begun.
fn register_answers(steps: &mut Steps<Testbed>) {
    steps.given("the tester answers with another life duration than was offered", |testbed, _| {
        answer_with(testbed, |attributes| {
            for attribute in attributes.iter_mut().filter(|own| own.class == Phase1Class::LIFE_DURATION.0) {
                let other = attribute.as_number().and_then(|life| u32::try_from(life / 2).ok()).unwrap_or(1);
                *attribute = Attribute::number(Phase1Class::LIFE_DURATION.0, other);
            }
        })
    });
    steps.given("the tester answers without the lifetime that was offered", |testbed, _| {
        answer_with(testbed, |attributes| {
            let lifetime = [Phase1Class::LIFE_TYPE.0, Phase1Class::LIFE_DURATION.0];
            attributes.retain(|own| !lifetime.contains(&own.class));
        })
    });
    steps.given("the tester answers with an attribute that was not offered", |testbed, _| {
        // A MODP group by its number is of this type (RFC 2409 appendix A), so that it says nothing new.
        answer_with(testbed, |attributes| attributes.push(Attribute::basic(Phase1Class::GROUP_TYPE.0, 1)))
    });
    steps.then("the DUT begins main mode and does not go on with it", |testbed, step| {
        message(testbed, step, ExchangeType::MAIN, 1)?;
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let answered = testbed.await_seen(since, limit, |seen| {
            !seen.from_dut && seen.isakmp().is_some_and(|isakmp| isakmp.is(ExchangeType::MAIN, 2))
        })?;
        if answered.is_none() {
            return Err(StepError::inconclusive("the tester has not answered"));
        }
        none(testbed, |isakmp| isakmp.is(ExchangeType::MAIN, 3), "message 3 of main mode")
    });
}

/// Policies of the DUT and of the tester, and their lifetimes.
fn register_policies(steps: &mut Steps<Testbed>) {
    steps.given("the DUT has the policy {word} with a lifetime of {int} seconds", |testbed, step| {
        let (policy, seconds): (IsakmpPolicy, u64) = (step.arg(0)?, step.arg(1)?);
        let policy = IsakmpPolicy { lifetime: Duration::from_secs(seconds), ..policy };
        set_policies(testbed, vec![policy])
    });
    steps.given(
        "the DUT has the policies {word} with priority {int} and {word} with priority {int}",
        |testbed, step| {
            let mut policies = Vec::new();
            for index in [0, 2] {
                let policy: IsakmpPolicy = step.arg(index)?;
                policies.push(IsakmpPolicy { priority: step.arg(index + 1)?, ..policy });
            }
            set_policies(testbed, policies)
        },
    );
    steps.given("the DUT has three policies, the second of which is for RSA signatures", |testbed, _| {
        let mut policies = Vec::new();
        for (priority, words) in (1..).zip(["aes128-sha1-modp2048", "aes256-sha256-modp2048", "3des-sha1-modp1024"]) {
            let policy: IsakmpPolicy = words.parse().map_err(StepError::testbed)?;
            policies.push(IsakmpPolicy { priority, ..policy });
        }
        if let Some(second) = policies.get_mut(1) {
            second.authentication = IsakmpAuthentication::RsaSignatures;
        }
        set_policies(testbed, policies)
    });
    steps.given("the tester has the policies of the profile", |testbed, _| {
        let policies = testbed.profile().ike().policies.to_vec();
        testbed.reconfigure_isakmp(|connection| {
            connection.policies = prioritised(policies);
        });
        Ok(())
    });
    steps.when("the tester offers the policy {word} with a lifetime of {int} seconds", |testbed, step| {
        let (policy, seconds): (IsakmpPolicy, u64) = (step.arg(0)?, step.arg(1)?);
        offer_policies(testbed, vec![IsakmpPolicy { lifetime: Duration::from_secs(seconds), ..policy }])?;
        testbed.begin_stimulus();
        testbed.begin_phase1(Phase1::Main)
    });
    steps.when("the tester offers the policies {word} and {word}, in this order", |testbed, step| {
        let policies: Vec<IsakmpPolicy> = vec![step.arg(0)?, step.arg(1)?];
        offer_policies(testbed, policies)?;
        testbed.begin_stimulus();
        testbed.begin_phase1(Phase1::Main)
    });
    steps.given("the tester offers the policy {word} alone", |testbed, step| {
        let policy: IsakmpPolicy = step.arg(0)?;
        if !testbed.profile().ike().policies.contains(&policy) {
            return Err(StepError::not_applicable(format!("the profile lacks the policy {policy}")));
        }
        offer_policies(testbed, vec![policy])
    });
    steps.given("IPsec SAs whose lifetime in seconds comes before one in kilobytes", |testbed, _| {
        let seconds = u32::try_from(BRIEF.as_secs()).ok();
        testbed.reconfigure_isakmp(|connection| {
            let lifetime = SaLifetime { seconds, kilobytes: Some(4_608_000) };
            connection.children.iter_mut().for_each(|child| child.lifetime = lifetime);
        });
        testbed.establish_isakmp(Phase1::Main)
    });
    steps.when("an ISAKMP SA has come up", |testbed, _| {
        let limit = testbed.answer_limit() * 2;
        testbed.await_isakmp_up(0, limit)
    });
    steps.when("so much time passes, and the tester says nothing", |testbed, _| {
        for exchange in [ExchangeType::QUICK, ExchangeType::INFORMATIONAL] {
            testbed.edits.hold_isakmp(WhichIsakmp::exchange(exchange), None);
        }
        testbed.begin_stimulus();
        testbed.wait(BRIEF + Duration::from_secs(5))
    });
    steps.then("the DUT has replaced these IPsec SAs or deleted them", |testbed, step| {
        let ends = |isakmp: &SeenIsakmp| {
            isakmp.is_authentic() && (isakmp.is(ExchangeType::QUICK, 1) || isakmp.deletes().next().is_some())
        };
        awaited(testbed, step, ends, "a quick mode or a Delete").map(drop)
    });
    steps.then("the DUT has ended this ISAKMP SA", |testbed, step| {
        let ends = |isakmp: &SeenIsakmp| {
            let deletes = isakmp.deletes().any(|delete| delete.protocol == ProtocolId::IKE);
            deletes || (!isakmp.protected && isakmp.is(ExchangeType::MAIN, 1))
        };
        awaited(testbed, step, ends, "a Delete of the ISAKMP SA, or another main mode").map(drop)
    });
}

fn register_judgements(steps: &mut Steps<Testbed>) {
    steps.then("the DUT chooses one proposal with one transform in {word} mode", |testbed, step| {
        let exchange = exchange(step, 0)?;
        let sa = chosen(testbed, step, exchange)?;
        let counts: Vec<usize> = sa.proposals.iter().map(|proposal| proposal.transforms.len()).collect();
        let same = |proposal: &wire::ikev1::Proposal| Some(proposal.number) == sa.proposals.first().map(|p| p.number);
        if counts.iter().all(|count| *count == 1) && !counts.is_empty() && sa.proposals.iter().all(same) {
            return Ok(());
        }
        Err(StepError::failed("one transform for each protocol of one proposal", format!("transforms {counts:?}")))
    });
    steps.then("the DUT chooses transform {int} in {word} mode", |testbed, step| {
        let wanted: u8 = step.arg(0)?;
        let exchange = exchange(step, 1)?;
        let sa = chosen(testbed, step, exchange)?;
        numbered(&sa, |_, transform| transform == wanted, &format!("transform {wanted}"))
    });
    steps.then("the DUT chooses proposal {int} in {word} mode", |testbed, step| {
        let wanted: u8 = step.arg(0)?;
        let exchange = exchange(step, 1)?;
        let sa = chosen(testbed, step, exchange)?;
        numbered(&sa, |proposal, _| proposal == wanted, &format!("proposal {wanted}"))
    });
    steps.then("the DUT takes ESP alone, or nothing of the offer", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        let found = testbed.await_isakmp(since, silence, |isakmp| isakmp.is(ExchangeType::QUICK, 2))?;
        let Some(isakmp) = found.and_then(|index| testbed.seen().get(index)).and_then(Seen::isakmp) else {
            step.observed(instead(testbed));
            return Ok(());
        };
        step.observed(isakmp.summary());
        let protocols: Vec<ProtocolId> =
            isakmp.sa().map(|sa| sa.proposals.iter().map(|proposal| proposal.protocol).collect()).unwrap_or_default();
        if protocols == [ProtocolId::ESP] {
            return Ok(());
        }
        Err(StepError::failed("ESP of the second proposal, or a refusal", format!("{protocols:?}")))
    });
    steps.then("the DUT's answer in {word} mode has the attributes of the offer", |testbed, step| {
        let exchange = exchange(step, 0)?;
        let answer = chosen(testbed, step, exchange)?;
        let offer = testbed
            .isakmp_to_dut(testbed.since())
            .find(|isakmp| isakmp.is(exchange, 1))
            .and_then(SeenIsakmp::sa)
            .cloned()
            .ok_or_else(|| StepError::inconclusive("the tester has sent no offer"))?;
        let offered: Vec<_> = offer.proposals.iter().flat_map(|p| &p.transforms).map(attributes).collect();
        let answered: Vec<_> = answer.proposals.iter().flat_map(|p| &p.transforms).map(attributes).collect();
        if !answered.is_empty() && answered.iter().all(|own| offered.contains(own)) {
            return Ok(());
        }
        Err(StepError::failed(format!("one of {offered:?}"), format!("{answered:?}")))
    });
    steps.then("the DUT may say {word}, and chooses nothing", |testbed, step| {
        let wanted = notify_type(step, 0)?;
        let (since, silence) = (testbed.since(), testbed.silence());
        let chooses = |isakmp: &SeenIsakmp| isakmp.sa().is_some();
        if testbed.await_isakmp(since, silence, chooses)?.is_some() {
            return Err(StepError::unsafe_choice("no answer with an SA payload", instead(testbed)));
        }
        let says = testbed.isakmp_from_dut(since).any(|isakmp| isakmp.notify(wanted).is_some());
        step.measured("an offer without a match", if says { format!("{wanted}") } else { "silence".to_owned() });
        Ok(())
    });
    steps.then("the DUT refuses the quick mode", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        let found = testbed.await_isakmp(since, silence, |isakmp| isakmp.is(ExchangeType::QUICK, 2))?;
        step.observed(instead(testbed));
        match found {
            None => Ok(()),
            Some(_) => Err(StepError::failed("no message 2 of quick mode", instead(testbed))),
        }
    });
    steps.then("an ISAKMP SA comes up by {word} mode and answers", |testbed, step| {
        let phase1 = claimed_phase1(testbed, step, 0)?;
        let since = testbed.events().len();
        let failed = |error: StepError| StepError::failed("an ISAKMP SA", error.to_string());
        testbed.establish_phase1(phase1).map_err(failed)?;
        if testbed.is_isakmp_alive()? { Ok(()) } else { Err(StepError::failed("an answer", testbed.story(since))) }
    });
}

/// How the DUT writes down what it offers and what it chooses.
fn register_attribute_judgements(steps: &mut Steps<Testbed>) {
    steps.then("the DUT writes all attributes that are basic as basic ones", |testbed, step| {
        every_transform(testbed, step, "the AF bit", |phase2, transform| {
            let basic =
                |own: &&Attribute| is_basic(phase2, own.class) && !matches!(own.value, AttributeValue::Basic(_));
            transform.attributes.iter().find(basic).map(|own| format!("class {} in variable form", own.class))
        })
    });
    steps.then("in all transforms of the DUT a life duration follows its type", |testbed, step| {
        every_transform(testbed, step, "type before duration", |phase2, transform| {
            let (kind, duration) = match phase2 {
                true => (Phase2Class::LIFE_TYPE.0, Phase2Class::LIFE_DURATION.0),
                false => (Phase1Class::LIFE_TYPE.0, Phase1Class::LIFE_DURATION.0),
            };
            let mut before = None;
            for attribute in &transform.attributes {
                if attribute.class == duration && before != Some(kind) {
                    return Some("a life duration without its type before it".to_owned());
                }
                before = Some(attribute.class);
            }
            None
        })
    });
    steps.then("the DUT offers in one SA payload with one proposal", |testbed, step| {
        let policies = testbed.profile().ike().policies.len();
        let isakmp = message(testbed, step, ExchangeType::MAIN, 1)?;
        let payloads = isakmp.types().iter().filter(|own| **own == PayloadType::SECURITY_ASSOCIATION).count();
        let proposals: Vec<usize> =
            isakmp.sa().map(|sa| sa.proposals.iter().map(|p| p.transforms.len()).collect()).unwrap_or_default();
        step.observed(format!("{payloads} SA payloads, transforms {proposals:?} for {policies} policies"));
        match (payloads, proposals.as_slice()) {
            (1, [1]) if policies > 1 => {
                Err(StepError::inconclusive("the DUT has offered one transform alone: several need several policies"))
            }
            (1, [_]) => Ok(()),
            _ => Err(StepError::failed("one SA payload with one proposal", format!("{payloads}, {proposals:?}"))),
        }
    });
    steps.then("the DUT offers its first policy and its third", |testbed, step| {
        let isakmp = message(testbed, step, ExchangeType::MAIN, 1)?;
        let transforms = isakmp.sa().map(|sa| sa.proposals.iter().flat_map(|p| &p.transforms).collect::<Vec<_>>());
        let read = |transform: &&Transform| {
            let of = |class: Phase1Class| transform.attributes.iter().find(|own| own.class == class.0)?.as_number();
            (of(Phase1Class::ENCRYPTION), of(Phase1Class::GROUP), of(Phase1Class::AUTHENTICATION))
        };
        let offered: Vec<_> = transforms.unwrap_or_default().iter().map(read).collect();
        // AES with MODP-2048 and 3DES with MODP-1024, both with a pre-shared key.
        let expected = [(Some(7), Some(14), Some(1)), (Some(5), Some(2), Some(1))];
        if offered == expected {
            return Ok(());
        }
        let expected = "AES with group 14 and 3DES with group 2, both with pre-shared keys";
        Err(StepError::failed(expected, format!("cipher, group, method: {offered:?}")))
    });
}

/// The first transform of a proposal.
fn known(proposal: &wire::ikev1::Proposal) -> Transform {
    proposal.transforms.first().cloned().unwrap_or_else(|| Transform::new(1, 0, []))
}

/// Class and value of all attributes, in whichever form and order.
fn attributes(transform: &Transform) -> Vec<(u16, Option<u64>)> {
    let mut all: Vec<_> = transform.attributes.iter().map(|own| (own.class, own.as_number())).collect();
    all.sort_unstable();
    all
}

/// Is a class described as basic (RFC 2409 appendix A, RFC 2407 section 4.5)?
fn is_basic(phase2: bool, class: u16) -> bool {
    let variable: &[u16] = match phase2 {
        true => &[Phase2Class::LIFE_DURATION.0, 9],
        // Besides the life duration: prime, generators, curves, order.
        false => &[Phase1Class::LIFE_DURATION.0, 6, 7, 8, 9, 10, 16],
    };
    !variable.contains(&class)
}

/// Begins another quick mode with its offer edited, as the stimulus.
fn begin_quick_with_sa(
    testbed: &mut Testbed,
    mut edit: impl FnMut(&mut SecurityAssociation) + Send + 'static,
) -> StepResult {
    testbed.edits.isakmp(WhichIsakmp::message(ExchangeType::QUICK, 1), move |draft| with_sa(draft, &mut edit));
    testbed.begin_stimulus();
    testbed.begin_quick_mode()
}

/// The tester's answers to the DUT's main mode have other attributes than were offered.
fn answer_with(testbed: &mut Testbed, edit: impl Fn(&mut Vec<Attribute>) + Send + 'static) -> StepResult {
    testbed.edits.every_isakmp(WhichIsakmp::message(ExchangeType::MAIN, 2), move |draft| {
        with_sa(draft, &mut |sa: &mut SecurityAssociation| {
            let transforms = sa.proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms);
            transforms.for_each(|transform| edit(&mut transform.attributes));
        });
    });
    Ok(())
}

fn prioritised(policies: Vec<IsakmpPolicy>) -> Vec<IsakmpPolicy> {
    (1..).zip(policies).map(|(priority, policy)| IsakmpPolicy { priority, ..policy }).collect()
}

fn offer_policies(testbed: &mut Testbed, policies: Vec<IsakmpPolicy>) -> StepResult {
    testbed.reconfigure_isakmp(|connection| connection.policies = prioritised(policies));
    Ok(())
}

fn set_policies(testbed: &mut Testbed, policies: Vec<IsakmpPolicy>) -> StepResult {
    testbed.reconfigure_dut(|config| {
        config.isakmp.connections.iter_mut().for_each(|connection| connection.policies.clone_from(&policies));
    })
}

/// The SA payload of the DUT's message 2.
fn chosen(testbed: &mut Testbed, step: &mut Step, exchange: ExchangeType) -> Result<SecurityAssociation, StepError> {
    let isakmp = message(testbed, step, exchange, 2)?;
    let summary = isakmp.summary();
    isakmp.sa().cloned().ok_or_else(|| StepError::failed("a message 2 with an SA payload", summary))
}

/// Fails unless numbers of proposal and transform are as wanted.
fn numbered(sa: &SecurityAssociation, wanted: impl Fn(u8, u8) -> bool, what: &str) -> StepResult {
    let numbers: Vec<(u8, u8)> =
        sa.proposals.iter().flat_map(|p| p.transforms.iter().map(|t| (p.number, t.number))).collect();
    if !numbers.is_empty() && numbers.iter().all(|(proposal, transform)| wanted(*proposal, *transform)) {
        return Ok(());
    }
    Err(StepError::failed(what, format!("proposal and transform {numbers:?}")))
}

/// Looks at every transform that the DUT has sent. The look says what is wrong with it.
fn every_transform(
    testbed: &mut Testbed,
    step: &mut Step,
    expected: &str,
    look: impl Fn(bool, &Transform) -> Option<String>,
) -> StepResult {
    await_up(testbed)?;
    let mut looked = 0;
    for isakmp in testbed.isakmp_from_dut(0) {
        let Some(sa) = isakmp.sa() else { continue };
        let phase2 = isakmp.exchange() == Some(ExchangeType::QUICK);
        for transform in sa.proposals.iter().flat_map(|proposal| &proposal.transforms) {
            looked += 1;
            if let Some(wrong) = look(phase2, transform) {
                return Err(StepError::failed(expected, format!("{wrong}: {}", isakmp.summary())));
            }
        }
    }
    step.observed(format!("{looked} transforms"));
    if looked == 0 { Err(StepError::failed("transforms of the DUT", "none")) } else { Ok(()) }
}
