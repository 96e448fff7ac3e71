//! Key exchange values and groups (RFC 7296 sections 1.2, 2.14 and 3.4; RFC 6989).

use super::common::{any_response, instead, judge, send_init};
use crate::dissect::{Seen, SeenIke};
use crate::run::{StepError, StepResult, Steps};
use crate::testbed::offer::sa_of;
use crate::testbed::{Testbed, Which};
use reference_peer::config::{Algorithm, IkeProposal};
use std::collections::BTreeSet;
use wire::ikev2::{
    Body, ExchangeType, KeyExchange, Notify, NotifyType, PayloadType, Proposal, SecurityAssociation, Transform,
    TransformType,
};

/// The group that no profile has: the tester's second offer where it is to be refused.
const OTHER_GROUP: u16 = 16;
const OTHER_LENGTH: usize = 512;
/// MODP-2048 and P-256.
const MODP_2048: u16 = 14;
const P256: u16 = 19;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when(
        "the tester offers the groups of its suite and MODP-4096, with a KE payload of the latter",
        |testbed, _| {
            edit_init(testbed, |payloads| {
                for body in payloads {
                    match body {
                        Body::SecurityAssociation(sa) => sa.proposals.iter_mut().for_each(|proposal| {
                            proposal.transforms.push(Transform::new(TransformType::KE, OTHER_GROUP));
                        }),
                        Body::KeyExchange(ke) => *ke = KeyExchange::new(OTHER_GROUP, vec![0x5a; OTHER_LENGTH]),
                        _ => {}
                    }
                }
            });
            send_init(testbed)
        },
    );
    steps.then("the DUT demands the group of the suite", |testbed, step| {
        let offered = testbed.profile().ike().proposals.first().and_then(|first| first.groups.first()).map(|g| g.id);
        let answer = any_response(testbed, step)?;
        match answer.notify(NotifyType::INVALID_KE_PAYLOAD) {
            Some(notify) if Some(&notify.data[..]) == offered.map(u16::to_be_bytes).as_ref().map(|o| &o[..]) => Ok(()),
            Some(notify) => {
                let expected = format!("INVALID_KE_PAYLOAD with {:02x?}", offered.map(u16::to_be_bytes));
                Err(StepError::failed(expected, format!("data {:02x?}", notify.data)))
            }
            None => Err(StepError::failed("N(INVALID_KE_PAYLOAD)", answer.summary())),
        }
    });
    steps.when("the tester sends the MODP public value {word}", |testbed, step| {
        let prime = crypto::Group::from_iana(MODP_2048).and_then(crypto::Group::prime);
        let prime = prime.ok_or_else(|| StepError::testbed("MODP-2048 has no prime"))?;
        let length = prime.len();
        let value = match step.arg_text(0)? {
            "0" => vec![0; length],
            "1" => last_octet(vec![0; length], |last| last + 1),
            // A prime that ends in 0xff...ff: neither borrows, but one more carries.
            "p-1" => last_octet(prime, |last| last - 1),
            "p" => prime,
            "p+1" => plus_one(prime),
            other => return Err(StepError::testbed(format!("{}: which value is {other}?", step.place()))),
        };
        send_value(testbed, MODP_2048, move |_| value.clone())
    });
    steps.when("the tester sends a P-256 public value off the curve", |testbed, _| {
        send_value(testbed, P256, |honest| last_octet(honest, |last| last ^ 1))
    });
    steps.when("the tester sends a P-256 public value of zeros", |testbed, _| {
        send_value(testbed, P256, |honest| vec![0; honest.len()])
    });
    steps.when("the tester sends a P-256 public value with x beyond p", |testbed, _| {
        send_value(testbed, P256, |mut honest| {
            honest.iter_mut().take(32).for_each(|octet| *octet = 0xff);
            honest
        })
    });
    steps.then("the DUT derives no keys from it", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        let found = testbed.await_ike(since, silence, |ike| {
            is_init(ike) && ike.is_response() && ike.payload(PayloadType::KEY_EXCHANGE).is_some()
        })?;
        step.observed(instead(testbed));
        match found {
            None => Ok(()),
            Some(_) => Err(StepError::failed("silence or an error", instead(testbed))),
        }
    });
    steps.then("it repeats its whole offer with a KE payload of group {int}", |testbed, step| {
        let group: u16 = step.arg(0)?;
        let (since, limit) = (testbed.since(), testbed.answer_limit() * 2);
        let found = testbed
            .await_ike(since, limit, |ike| is_init(ike) && !ike.is_response() && group_of(ike) == Some(group))?;
        let repeated = judge(testbed, step, found, || format!("IKE_SA_INIT with group {group} within {limit:?}"))?;
        let offer = sa_of(&repeated.payloads).cloned();
        let first = testbed.from_dut_since(since).filter_map(Seen::ike).find(|ike| is_init(ike) && !ike.is_response());
        let first = first.and_then(|ike| sa_of(&ike.payloads));
        // The demanded group may move to the front (section 1.2 asks for the full set, in no order).
        if first.map(set) == offer.as_ref().map(set) {
            return Ok(());
        }
        Err(StepError::failed("the SA payload of the first request", format!("{offer:?}")))
    });
    steps.given("the tester demands group {int}", |testbed, step| {
        let group: u16 = step.arg(0)?;
        testbed.edits.every_message(Which::response(ExchangeType::IKE_SA_INIT), move |draft| {
            draft.header.responder_spi = 0;
            let notify = Notify::new(NotifyType::INVALID_KE_PAYLOAD, group.to_be_bytes());
            draft.clear = vec![Body::Notify(notify).into()];
        });
        // The tester must be able to answer at all.
        let all: Vec<IkeProposal> = testbed.profile().ike().proposals.to_vec();
        testbed.reconfigure_tester(|config| {
            config.ike.connections.iter_mut().for_each(|connection| connection.ike_proposals.clone_from(&all));
        });
        Ok(())
    });
    steps.then("it sends no KE payload of group {int}", |testbed, step| {
        let group: u16 = step.arg(0)?;
        let (since, silence) = (testbed.since(), testbed.silence());
        let limit = testbed.answer_limit();
        let demanded = testbed.await_seen(since, limit, |seen| {
            !seen.from_dut && seen.ike().is_some_and(|ike| ike.notify(NotifyType::INVALID_KE_PAYLOAD).is_some())
        })?;
        if demanded.is_none() {
            return Err(StepError::inconclusive("the DUT has not begun an IKE SA"));
        }
        let found = testbed.await_ike(since, silence, |ike| group_of(ike) == Some(group))?;
        step.observed(instead(testbed));
        match found {
            None => Ok(()),
            Some(_) => Err(StepError::failed(format!("no KE payload of group {group}"), instead(testbed))),
        }
    });
}

/// Sends an IKE_SA_INIT request of the profile's first suite with this group, and a KE payload of the scenario's making.
fn send_value(testbed: &mut Testbed, group: u16, value: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) -> StepResult {
    let has = |suite: &&IkeProposal| suite.groups.contains(&Algorithm::new(TransformType::KE, group));
    let suite = testbed.profile().ike().proposals.iter().find(has).cloned();
    let suite = suite.ok_or_else(|| StepError::not_applicable(format!("the profile has no suite of group {group}")))?;
    testbed.reconfigure_tester(|config| {
        config.ike.connections.iter_mut().for_each(|connection| connection.ike_proposals = vec![suite.clone()]);
    });
    edit_init(testbed, move |payloads| {
        for body in payloads {
            if let Body::KeyExchange(ke) = body {
                ke.data = value(std::mem::take(&mut ke.data));
            }
        }
    });
    send_init(testbed)
}

/// Edits the IKE_SA_INIT requests of the next IKE SA, and of no other.
fn edit_init(testbed: &mut Testbed, edit: impl Fn(Vec<&mut Body>) + Send + 'static) {
    let mut mine = None;
    testbed.edits.every_message(Which::request(ExchangeType::IKE_SA_INIT), move |draft| {
        if *mine.get_or_insert(draft.header.initiator_spi) == draft.header.initiator_spi {
            edit(draft.clear.iter_mut().map(|payload| &mut payload.body).collect());
        }
    });
}

fn is_init(ike: &SeenIke) -> bool {
    ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT)
}

/// What is offered, without order and numbers.
fn set(offer: &SecurityAssociation) -> BTreeSet<BTreeSet<Algorithm>> {
    let algorithms = |proposal: &Proposal| proposal.transforms.iter().filter_map(Algorithm::from_transform).collect();
    offer.proposals.iter().map(algorithms).collect()
}

fn group_of(ike: &SeenIke) -> Option<u16> {
    match ike.payload(PayloadType::KEY_EXCHANGE).map(|payload| &payload.body) {
        Some(Body::KeyExchange(ke)) => Some(ke.group),
        _ => None,
    }
}

fn last_octet(mut value: Vec<u8>, change: impl Fn(u8) -> u8) -> Vec<u8> {
    if let Some(last) = value.last_mut() {
        *last = change(*last);
    }
    value
}

fn plus_one(mut value: Vec<u8>) -> Vec<u8> {
    for octet in value.iter_mut().rev() {
        *octet = octet.wrapping_add(1);
        if *octet != 0 {
            break;
        }
    }
    value
}
