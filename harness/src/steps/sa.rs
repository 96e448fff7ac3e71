//! SA negotiation (RFC 7296 sections 2.7, 2.9 and 3.3): what is offered, what is chosen, what is refused.

use super::common::{instead, judge, send_init};
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::offer::{Kind, sa_of, with_spi};
use crate::testbed::{Hook, Testbed, Which};
use reference_peer::config::{Algorithm, Selector};
use reference_peer::hands::Draft;
use reference_peer::ike::v2::TrafficRange;
use std::collections::BTreeMap;
use std::net::IpAddr;
use wire::ikev2::{
    Attribute, Body, ExchangeType, NotifyType, PayloadType, Proposal, SecurityAssociation, TrafficSelector,
    TrafficSelectors, Transform, TransformType,
};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    offers(steps);
    choices(steps);
    own_offers(steps);
    crafted_answers(steps);
    selectors(steps);
}

// ---- The tester offers ----

fn offers(steps: &mut Steps<Testbed>) {
    steps.when("the tester offers for an IKE SA", |testbed, step| {
        let offer = testbed.read_offer(Kind::Ike, step.table())?;
        testbed.speak_as_offered(step.table())?;
        testbed.offer_instead(ExchangeType::IKE_SA_INIT, offer);
        send_init(testbed)
    });
    steps.when("the tester offers for the first Child SA", |testbed, step| {
        let offer = testbed.read_offer(Kind::Child, step.table())?;
        testbed.offer_instead(ExchangeType::IKE_AUTH, offer);
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.when("the tester offers for another Child SA", |testbed, step| {
        let offer = testbed.read_offer(Kind::Child, step.table())?;
        testbed.begin_stimulus();
        let child = testbed.child()?;
        let spi = (testbed.random() as u32 | 0x8000_0000).to_be_bytes();
        let nonce: Vec<u8> = (0..4).flat_map(|_| testbed.random().to_be_bytes()).collect();
        let payloads = vec![
            Body::SecurityAssociation(with_spi(&offer, &spi)).into(),
            Body::Nonce(nonce).into(),
            Body::TsInitiator(payload(&child.local_ts)).into(),
            Body::TsResponder(payload(&child.remote_ts)).into(),
        ];
        testbed.request(ExchangeType::CREATE_CHILD_SA, payloads)?;
        Ok(())
    });
    steps.given("an IKE SA of {word} with a Child SA of {word}", |testbed, step| {
        testbed.speak_suites(step.arg_text(0)?, step.arg_text(1)?)?;
        testbed.establish()
    });
    steps.when("the tester asks for an IKE SA of {word} with a Child SA of {word}", |testbed, step| {
        testbed.speak_suites(step.arg_text(0)?, step.arg_text(1)?)?;
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
}

fn payload(ranges: &[TrafficRange]) -> TrafficSelectors {
    let selector = |range: &TrafficRange| {
        TrafficSelector::from_range(range.protocol, range.ports.0..=range.ports.1, range.start, range.end)
    };
    TrafficSelectors::new(ranges.iter().map(selector).collect::<Vec<_>>())
}

// ---- The DUT chooses ----

fn choices(steps: &mut Steps<Testbed>) {
    steps.then("the DUT answers for the {word} SA with one proposal", |testbed, step| {
        let choice = choice(testbed, step)?;
        match choice.answer.proposals.len() {
            1 => Ok(()),
            _ => Err(choice.failed("one proposal")),
        }
    });
    steps.then("the DUT's choice for the {word} SA has one transform of each type", |testbed, step| {
        let choice = choice(testbed, step)?;
        let (chosen, offered) = choice.one()?;
        for (kind, count) in types(chosen) {
            if count != 1 {
                return Err(choice.failed(format!("one transform of type {kind}")));
            }
        }
        let none = |kind: TransformType| offered.of_type(kind).any(|t| t.id == 0) && kind != TransformType::ESN;
        let missing = types(offered).into_keys().find(|kind| chosen.of_type(*kind).next().is_none() && !none(*kind));
        match missing {
            None => Ok(()),
            Some(kind) => Err(choice.failed(format!("a transform of type {kind}"))),
        }
    });
    steps.then("the DUT chooses proposal {int} for the {word} SA", |testbed, step| {
        let number: u8 = step.arg(0)?;
        let choice = choice_at(testbed, step, 1)?;
        let (chosen, offered) = choice.one()?;
        if chosen.number != number {
            return Err(choice.failed(format!("proposal number {number}")));
        }
        let foreign =
            chosen.transforms.iter().find(|chosen| !offered.transforms.iter().any(|own| same_id(own, chosen)));
        match foreign {
            None => Ok(()),
            Some(transform) => Err(choice.failed(format!("no transform beyond the offer, as {}", word(transform)))),
        }
    });
    steps.then("the DUT's choice for the {word} SA keeps the attributes", |testbed, step| {
        let choice = choice(testbed, step)?;
        let (chosen, offered) = choice.one()?;
        let unlike = |chosen: &&Transform| {
            !offered.transforms.iter().any(|own| same_id(own, chosen) && own.attributes == chosen.attributes)
        };
        match chosen.transforms.iter().find(unlike) {
            None => Ok(()),
            Some(transform) => Err(choice.failed(format!("{} with the attributes of the offer", word(transform)))),
        }
    });
    steps.then("the DUT's choice for the {word} SA has the transform {word}", |testbed, step| {
        let wanted = step.arg_text(1)?.to_owned();
        let choice = choice(testbed, step)?;
        let (chosen, _) = choice.one()?;
        if chosen.transforms.iter().any(|transform| word(transform) == wanted) {
            return Ok(());
        }
        Err(choice.failed(wanted))
    });
    steps.then("the DUT's choice for the {word} SA has SPIs of {int} octets", |testbed, step| {
        let size: usize = step.arg(1)?;
        let choice = choice(testbed, step)?;
        if choice.answer.proposals.iter().all(|proposal| proposal.spi.len() == size) {
            return Ok(());
        }
        Err(choice.failed(format!("SPIs of {size} octets")))
    });
    steps.then("the DUT refuses all proposals for the {word} SA", |testbed, step| {
        let kind = kind(step, 0)?;
        let answer = negotiated(testbed, step, kind)?;
        let spi = answer.header.map_or(0, |header| header.responder_spi);
        if kind == Kind::Ike {
            step.observed(format!("responder SPI {spi:016x}"));
        }
        refused(answer, NotifyType::NO_PROPOSAL_CHOSEN)
    });
    steps.then(
        "the DUT does not choose an AEAD cipher with an integrity algorithm for the {word} SA",
        |testbed, step| {
            let kind = kind(step, 0)?;
            let answer = negotiated(testbed, step, kind)?;
            let Some(sa) = sa_of(&answer.payloads) else { return refused(answer, NotifyType::NO_PROPOSAL_CHOSEN) };
            let integrity = |proposal: &Proposal| proposal.of_type(TransformType::INTEG).any(|t| t.id != 0);
            match sa.proposals.iter().find(|proposal| is_aead(proposal) && integrity(proposal)) {
                None => Ok(()),
                Some(both) => Err(StepError::failed("no integrity algorithm beside an AEAD cipher", words(both))),
            }
        },
    );
    steps.then("the response has no Child SA but IDr and AUTH", |testbed, step| {
        let answer = negotiated(testbed, step, Kind::Child)?;
        let has = |wanted| answer.payload(wanted).is_some();
        if has(PayloadType::ID_RESPONDER) && has(PayloadType::AUTHENTICATION) && sa_of(&answer.payloads).is_none() {
            return Ok(());
        }
        Err(StepError::failed("IDr and AUTH, and no SA", answer.summary()))
    });
}

/// What was offered and what was chosen, both from the wire.
struct Choice {
    offer: SecurityAssociation,
    answer: SecurityAssociation,
}

impl Choice {
    /// The one proposal of the answer, and the proposal of the offer that has its number.
    fn one(&self) -> Result<(&Proposal, &Proposal), StepError> {
        let [chosen] = &*self.answer.proposals else { return Err(self.failed("one proposal")) };
        let offered = self.offer.proposals.iter().find(|offered| offered.number == chosen.number);
        let offered = offered.filter(|offered| offered.protocol == chosen.protocol);
        offered.map(|offered| (chosen, offered)).ok_or_else(|| self.failed("the number of an offered proposal"))
    }

    fn failed(&self, expected: impl Into<String>) -> StepError {
        let all: Vec<String> = self.answer.proposals.iter().map(words).collect();
        StepError::failed(expected, if all.is_empty() { "no proposal".to_owned() } else { all.join("; ") })
    }
}

fn choice(testbed: &mut Testbed, step: &mut Step) -> Result<Choice, StepError> {
    choice_at(testbed, step, 0)
}

fn choice_at(testbed: &mut Testbed, step: &mut Step, index: usize) -> Result<Choice, StepError> {
    let kind = kind(step, index)?;
    let answer = negotiated(testbed, step, kind)?;
    let exchange = answer.header.map(|header| header.exchange_type);
    let Some(sa) = sa_of(&answer.payloads).cloned() else {
        return Err(StepError::failed("an SA payload", answer.summary()));
    };
    step.observed(sa.proposals.iter().map(words).collect::<Vec<_>>().join("; "));
    let requests = testbed.seen().iter().rev().filter(|seen| !seen.from_dut).filter_map(Seen::ike);
    let request = requests
        .filter(|ike| !ike.is_response() && ike.header.map(|header| header.exchange_type) == exchange)
        .find_map(|ike| sa_of(&ike.payloads));
    let offer = request.cloned().ok_or_else(|| StepError::testbed("the tester has offered nothing"))?;
    Ok(Choice { offer, answer: sa })
}

/// The DUT's answer to the offer since the stimulus: a choice or a refusal, but no request for a cookie.
fn negotiated<'a>(testbed: &'a mut Testbed, step: &mut Step, kind: Kind) -> Result<&'a SeenIke, StepError> {
    // A repeated answer to an earlier exchange is none to this offer.
    let exchange = match kind {
        Kind::Ike => ExchangeType::IKE_SA_INIT,
        Kind::Child => {
            let create = |seen: &Seen| !seen.from_dut && is_of(seen, ExchangeType::CREATE_CHILD_SA);
            let created = testbed.seen().get(testbed.since()..).unwrap_or_default().iter().any(create);
            if created { ExchangeType::CREATE_CHILD_SA } else { ExchangeType::IKE_AUTH }
        }
    };
    let limit = testbed.answer_limit();
    let since = testbed.since();
    let found = testbed.await_ike(since, limit, |ike| {
        ike.is_response()
            && ike.header.is_some_and(|header| header.exchange_type == exchange)
            && (kind == Kind::Ike || matches!(ike.opened, Some(Ok(_))))
            && ike.notify(NotifyType::COOKIE).is_none()
    })?;
    judge(testbed, step, found, || format!("an answer to the offer within {limit:?}"))
}

fn kind(step: &Step, index: usize) -> Result<Kind, StepError> {
    match step.arg_text(index)? {
        "IKE" => Ok(Kind::Ike),
        "Child" => Ok(Kind::Child),
        other => Err(StepError::testbed(format!("{}: IKE or Child SA, not {other}", step.place()))),
    }
}

/// A refusal with this notify, and no SA payload.
fn refused(answer: &SeenIke, notify: NotifyType) -> StepResult {
    if answer.notify(notify).is_some() && answer.payload(PayloadType::SECURITY_ASSOCIATION).is_none() {
        return Ok(());
    }
    let chosen = sa_of(&answer.payloads).map(|sa| sa.proposals.iter().map(words).collect::<Vec<_>>().join("; "));
    let came = chosen.map_or_else(|| answer.summary(), |chosen| format!("{} ({chosen})", answer.summary()));
    Err(StepError::failed(format!("N({notify}) and no SA"), came))
}

fn types(proposal: &Proposal) -> BTreeMap<TransformType, usize> {
    let mut types = BTreeMap::new();
    for transform in &proposal.transforms {
        *types.entry(transform.transform_type).or_default() += 1;
    }
    types
}

fn same_id(one: &Transform, other: &Transform) -> bool {
    (one.transform_type, one.id) == (other.transform_type, other.id)
}

fn is_aead(proposal: &Proposal) -> bool {
    let mut ciphers = proposal.of_type(TransformType::ENCR).filter_map(Algorithm::from_transform).peekable();
    ciphers.peek().is_some() && ciphers.all(|cipher| cipher.is_aead())
}

/// A transform in the words of a profile.
fn word(transform: &Transform) -> String {
    Algorithm::from_transform(transform).map_or_else(|| format!("{transform:?}"), |algorithm| algorithm.to_string())
}

fn words(proposal: &Proposal) -> String {
    let transforms: Vec<String> = proposal.transforms.iter().map(word).collect();
    format!("proposal {}: {}", proposal.number, transforms.join(" "))
}

// ---- The DUT offers ----

fn own_offers(steps: &mut Steps<Testbed>) {
    steps.when("the DUT begins an IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::Initiate)?;
        Ok(())
    });
    steps.then("the DUT numbers its proposals for the {word} SA from 1", |testbed, step| {
        let offer = own_offer(testbed, step)?;
        if (1..=u8::MAX).zip(&offer.proposals).all(|(number, proposal)| proposal.number == number) {
            return Ok(());
        }
        Err(StepError::failed("proposals 1, 2, 3 and so on", all(&offer)))
    });
    steps.then("the DUT sends SPIs of {int} octets for the {word} SA", |testbed, step| {
        let size: usize = step.arg(0)?;
        let offer = own_offer_at(testbed, step, 1)?;
        if offer.proposals.iter().all(|proposal| proposal.spi.len() == size) {
            return Ok(());
        }
        Err(StepError::failed(format!("SPIs of {size} octets"), all(&offer)))
    });
    steps.then("the DUT gives key lengths for the {word} SA to ciphers of variable length alone", |testbed, step| {
        let offer = own_offer(testbed, step)?;
        let has = |t: &Transform| t.attributes.iter().any(|a| a.attribute_type == Attribute::KEY_LENGTH);
        let variable = |t: &Transform| Algorithm::from_transform(t).is_some_and(|a| a.needs_key_length());
        match offer.transforms().find(|(_, transform)| has(transform) != variable(transform)) {
            None => Ok(()),
            Some((proposal, _)) => Err(StepError::failed("key lengths where they belong", words(proposal))),
        }
    });
    steps.then("the DUT offers no integrity algorithm for the {word} SA beside AEAD ciphers", |testbed, step| {
        let offer = own_offer(testbed, step)?;
        let both = |p: &&Proposal| is_aead(p) && p.of_type(TransformType::INTEG).any(|t| t.id != 0);
        match offer.proposals.iter().find(both) {
            None => Ok(()),
            Some(proposal) => Err(StepError::failed("no integrity algorithm beside AEAD ciphers", words(proposal))),
        }
    });
    steps.then("the DUT leaves NONE out of its offer for the {word} SA", |testbed, step| {
        let offer = own_offer(testbed, step)?;
        let none = |t: &Transform| t.id == 0 && [TransformType::INTEG, TransformType::KE].contains(&t.transform_type);
        // Beside real methods, NONE makes a type optional.
        let alone = |p: &&Proposal| p.transforms.iter().any(|t| none(t) && p.of_type(t.transform_type).count() == 1);
        match offer.proposals.iter().find(alone) {
            None => Ok(()),
            Some(proposal) => Err(StepError::failed("no transform with the value NONE", words(proposal))),
        }
    });
}

fn own_offer(testbed: &mut Testbed, step: &mut Step) -> Result<SecurityAssociation, StepError> {
    own_offer_at(testbed, step, 0)
}

/// The DUT's offer since the stimulus.
fn own_offer_at(testbed: &mut Testbed, step: &mut Step, index: usize) -> Result<SecurityAssociation, StepError> {
    let exchange = match kind(step, index)? {
        Kind::Ike => ExchangeType::IKE_SA_INIT,
        Kind::Child => ExchangeType::IKE_AUTH,
    };
    let limit = testbed.answer_limit() * 2;
    let since = testbed.since();
    let found = testbed.await_ike(since, limit, |ike| {
        !ike.is_response()
            && ike.header.is_some_and(|header| header.exchange_type == exchange)
            && sa_of(&ike.payloads).is_some()
    })?;
    let request = judge(testbed, step, found, || format!("an offer within {limit:?}"))?;
    let offer = sa_of(&request.payloads).cloned().unwrap_or_default();
    step.observed(all(&offer));
    Ok(offer)
}

fn all(offer: &SecurityAssociation) -> String {
    offer.proposals.iter().map(words).collect::<Vec<_>>().join("; ")
}

// ---- The tester answers wrongly ----

fn crafted_answers(steps: &mut Steps<Testbed>) {
    steps.given("the tester answers {word} offers with a transform that was not offered", |testbed, step| {
        craft_answer(testbed, kind(step, 0)?, |proposals| {
            // AES-CTR with 192 bits is in no profile.
            replace(proposals, TransformType::ENCR, Transform::with_key_length(TransformType::ENCR, 13, 192));
        })
    });
    steps.given("the tester answers {word} offers with another key length", |testbed, step| {
        craft_answer(testbed, kind(step, 0)?, |proposals| {
            for transform in proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms) {
                if !transform.attributes.is_empty() {
                    transform.attributes = vec![Attribute::key_length(192)];
                }
            }
        })
    });
    steps.given("the tester answers {word} offers with two proposals", |testbed, step| {
        craft_answer(testbed, kind(step, 0)?, |proposals| {
            if let Some(mut second) = proposals.first().cloned() {
                second.number += 1;
                proposals.push(second);
            }
        })
    });
    steps.given("the tester answers {word} offers without a transform type", |testbed, step| {
        let kind = kind(step, 0)?;
        let missing = if kind == Kind::Ike { TransformType::PRF } else { TransformType::ESN };
        craft_answer(testbed, kind, move |proposals| {
            for proposal in proposals.iter_mut() {
                proposal.transforms.retain(|transform| transform.transform_type != missing);
            }
        })
    });
    steps.then("the DUT does not go on to IKE_AUTH", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        let sent =
            testbed.await_seen(since, testbed.answer_limit(), |seen| !seen.from_dut && is_init_response(seen))?;
        if sent.is_none() {
            return Err(StepError::inconclusive("the DUT has not begun an IKE SA"));
        }
        let found = testbed.await_ike(since, silence, |ike| {
            !ike.is_response() && ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_AUTH)
        })?;
        step.observed(instead(testbed));
        match found {
            None => Ok(()),
            Some(_) => Err(StepError::failed(format!("no IKE_AUTH for {silence:?}"), instead(testbed))),
        }
    });
    steps.then("the DUT sends no ESP when its host pings", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        let sent =
            testbed.await_seen(since, testbed.answer_limit() * 2, |seen| !seen.from_dut && is_auth_response(seen))?;
        if sent.is_none() {
            return Err(StepError::inconclusive("the DUT has not come to IKE_AUTH"));
        }
        testbed.edits.clear();
        // The DUT gets as much time to use the SA as it would need to answer.
        testbed.wait(silence)?;
        testbed.send_ping_from_inside()?;
        let found = testbed.await_seen(since, silence, |seen| seen.from_dut && seen.esp().is_some())?;
        step.observed(instead(testbed));
        match found {
            None => Ok(()),
            Some(_) => Err(StepError::failed(format!("no ESP for {silence:?}"), instead(testbed))),
        }
    });
    steps.then("the DUT can begin an IKE SA and a Child SA", |testbed, _| {
        testbed.edits.clear();
        let begun = testbed.let_dut_establish();
        begun.map_err(|error| match error {
            StepError::Inconclusive(why) => StepError::failed("an IKE SA and a Child SA", why),
            other => other,
        })
    });
}

fn craft_answer(testbed: &mut Testbed, kind: Kind, craft: impl Fn(&mut Vec<Proposal>) + Send + 'static) -> StepResult {
    let exchange = if kind == Kind::Ike { ExchangeType::IKE_SA_INIT } else { ExchangeType::IKE_AUTH };
    // The DUT may offer all that it has.
    let (ike, esp) = (testbed.profile().ike().proposals.to_vec(), testbed.profile().ipsec.proposals.to_vec());
    testbed.reconfigure_tester(|config| {
        for connection in &mut config.ike.connections {
            connection.ike_proposals.clone_from(&ike);
            for child in &mut connection.children {
                child.esp_proposals.clone_from(&esp);
            }
        }
    });
    testbed.edits.every_message(Which::response(exchange), move |draft: &mut Draft| {
        for payload in draft.clear.iter_mut().chain(draft.inner.iter_mut().flatten()) {
            if let Body::SecurityAssociation(sa) = &mut payload.body {
                craft(&mut sa.proposals);
            }
        }
    });
    Ok(())
}

fn replace(proposals: &mut [Proposal], kind: TransformType, with: Transform) {
    for transform in proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms) {
        if transform.transform_type == kind {
            *transform = with.clone();
        }
    }
}

fn is_init_response(seen: &Seen) -> bool {
    is_response(seen, ExchangeType::IKE_SA_INIT)
}

fn is_auth_response(seen: &Seen) -> bool {
    is_response(seen, ExchangeType::IKE_AUTH)
}

fn is_of(seen: &Seen, exchange: ExchangeType) -> bool {
    seen.ike().and_then(|ike| ike.header).is_some_and(|header| header.exchange_type == exchange)
}

fn is_response(seen: &Seen, exchange: ExchangeType) -> bool {
    seen.ike().is_some_and(|ike| ike.is_response() && ike.header.is_some_and(|h| h.exchange_type == exchange))
}

// ---- Traffic selectors ----

fn selectors(steps: &mut Steps<Testbed>) {
    steps.when("the tester offers only traffic that the DUT's policy lacks", |testbed, _| {
        // TEST-NET-2, which no profile protects.
        let nowhere: Selector = "198.51.100.0/24".parse().map_err(StepError::testbed)?;
        offer_selectors(testbed, None, Some(nowhere))
    });
    steps.when("the tester offers its host and the DUT's host with one UDP port", |testbed, _| {
        let plan = testbed.plan();
        let (own, other) = (plan.tester_host, testbed.ping_target());
        let narrow = |address: IpAddr, port: u16| format!("{address}[udp/{port}]").parse().map_err(StepError::testbed);
        let (own, other) = (narrow(own, 5000)?, narrow(other, 5001)?);
        offer_selectors(testbed, Some(own), Some(other))
    });
    steps.when("the tester offers its host and the DUT's inside address", |testbed, _| {
        let (own, other) = (testbed.plan().tester_host, testbed.plan().dut_inside);
        let whole = |address: IpAddr| address.to_string().parse().map_err(StepError::testbed);
        let (own, other) = (whole(own)?, whole(other)?);
        offer_selectors(testbed, Some(own), Some(other))
    });
    steps.then("the DUT answers TS_UNACCEPTABLE without a Child SA", |testbed, step| {
        let answer = negotiated(testbed, step, Kind::Child)?;
        refused(answer, NotifyType::TS_UNACCEPTABLE)
    });
    steps.then("the DUT's traffic selectors lie within the offered ones", lie_within_offer);
    steps.then("the DUT's traffic selectors lie within the offered ones or there are none", |testbed, step| {
        // A DUT that knows no ports in its selectors can only refuse.
        let answer = negotiated(testbed, step, Kind::Child)?;
        if refused(answer, NotifyType::TS_UNACCEPTABLE).is_ok() {
            return Ok(());
        }
        lie_within_offer(testbed, step)
    });
}

fn lie_within_offer(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let answer = negotiated(testbed, step, Kind::Child)?.clone();
    let requests = testbed.seen().iter().rev().filter(|seen| !seen.from_dut).filter_map(Seen::ike);
    let request = requests.filter(|ike| !ike.is_response()).find(|ike| sa_of(&ike.payloads).is_some());
    let request = request.ok_or_else(|| StepError::testbed("the tester has offered nothing"))?;
    for kind in [PayloadType::TS_INITIATOR, PayloadType::TS_RESPONDER] {
        let (offered, chosen) = (selectors_of(request, kind), selectors_of(&answer, kind));
        if chosen.is_empty() {
            return Err(StepError::failed(format!("a {kind} payload"), answer.summary()));
        }
        if let Some(wide) = chosen.iter().find(|chosen| !offered.iter().any(|offered| lies_within(chosen, offered))) {
            return Err(StepError::failed(format!("{kind} within {offered:?}"), format!("{wide:?}")));
        }
    }
    Ok(())
}

fn offer_selectors(testbed: &mut Testbed, local: Option<Selector>, remote: Option<Selector>) -> StepResult {
    testbed.reconfigure_tester(|config| {
        for child in config.ike.connections.iter_mut().flat_map(|connection| &mut connection.children) {
            child.local_ts = local.clone().map_or_else(|| child.local_ts.clone(), |local| vec![local]);
            child.remote_ts = remote.clone().map_or_else(|| child.remote_ts.clone(), |remote| vec![remote]);
        }
    });
    testbed.begin_stimulus();
    testbed.begin_ike_sa()
}

/// Protocol, ports and addresses of the selectors of a payload.
type Range = (u8, (u16, u16), (IpAddr, IpAddr));

fn selectors_of(ike: &SeenIke, kind: PayloadType) -> Vec<Range> {
    let selectors = match ike.payload(kind).map(|payload| &payload.body) {
        Some(Body::TsInitiator(selectors) | Body::TsResponder(selectors)) => selectors,
        _ => return Vec::new(),
    };
    let range = |selector: &TrafficSelector| match *selector {
        TrafficSelector::Range { protocol, start_port, end_port, start, end, .. } => {
            Some((protocol, (start_port, end_port), (start, end)))
        }
        TrafficSelector::Raw { .. } => None,
    };
    selectors.selectors.iter().filter_map(range).collect()
}

fn lies_within(inner: &Range, outer: &Range) -> bool {
    let protocol = outer.0 == 0 || inner.0 == outer.0;
    let ports = outer.1.0 <= inner.1.0 && inner.1.1 <= outer.1.1;
    protocol && ports && outer.2.0 <= inner.2.0 && inner.2.1 <= outer.2.1
}
