//! INFORMATIONAL exchanges, and messages that should have been protected (RFC 7296 sections 1.4, 2.4 and 2.21).

use super::common::{answers, asked, instead, notify_type, on_the_wire, protected_answer, sends_none};
use crate::dissect::{Seen, SeenIke};
use crate::run::{StepError, StepResult, Steps};
use crate::testbed::{CHILD, CONNECTION, Testbed, Which};
use reference_peer::config::Identity;
use reference_peer::gateway::Event;
use reference_peer::ike::v2;
use std::net::SocketAddr;
use wire::ikev2::{
    Body, Delete, Encrypted, ExchangeType, Flags, Header, Message, Notify, NotifyType, PayloadType, ProtocolId,
};

/// Octets of a body that looks encrypted and is not.
const NOISE: usize = 64;

/// A name that no other tester has.
const OTHER_NAME: &str = "other.example";

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("the tester sends a Delete of the IKE SA in the clear", |testbed, _| {
        testbed.begin_stimulus();
        let info = testbed.ike_sa()?;
        let header = testbed.header(&info, ExchangeType::INFORMATIONAL, info.next_request, false);
        let message = Message::new(header, vec![Body::Delete(Delete::ike()).into()]);
        testbed.send_ike(info.path, &message.to_bytes())
    });
    steps.when("the tester sends an INFORMATIONAL request in the place of IKE_AUTH", |testbed, _| {
        in_place_of_auth(testbed)
    });
    steps.when("the tester sends a CREATE_CHILD_SA request without a Nonce", |testbed, _| {
        testbed.edits.message(Which::request(ExchangeType::CREATE_CHILD_SA), |draft| {
            draft.inner.iter_mut().for_each(|inner| inner.retain(|p| !matches!(p.body, Body::Nonce(_))));
        });
        create_child(testbed)
    });
    steps.when("the tester asks to rekey a Child SA that does not exist", |testbed, _| {
        let spi = unknown_spi(testbed);
        testbed.edits.message(Which::request(ExchangeType::CREATE_CHILD_SA), move |draft| {
            let rekey = Notify::with_spi(ProtocolId::ESP, spi.to_be_bytes(), NotifyType::REKEY_SA, []);
            draft.inner.iter_mut().for_each(|inner| inner.insert(0, Body::Notify(rekey.clone()).into()));
        });
        create_child(testbed)
    });
    steps.when("a protected {word} for unknown SPIs comes from port {int}", |testbed, step| {
        let (response, port) = (step.arg_text(0)? == "response", step.arg(1)?);
        send_to_unknown_spis(testbed, response, port, 1)
    });
    steps.when("{int} forged notifies {word} come in the clear", |testbed, step| {
        let (count, notify) = (step.arg(0)?, notify_type(step, 1)?);
        forge_notifies(testbed, count, notify)
    });
    steps.when("another identity at the same address says INITIAL_CONTACT", other_identity);

    steps.then("the DUT answers with an empty INFORMATIONAL response", |testbed, step| {
        let answer = protected_answer(testbed, step)?;
        if answer.payloads.is_empty() {
            return Ok(());
        }
        Err(StepError::failed("an empty Encrypted payload", answer.summary()))
    });
    steps.then("the DUT answers with a protected error notify", |testbed, step| {
        let answer = protected_answer(testbed, step)?;
        if answer.notifies().any(|notify| notify.notify_type.is_error()) {
            return Ok(());
        }
        Err(StepError::failed("an error notify inside an Encrypted payload", answer.summary()))
    });
    steps.then("the DUT does not answer it", |testbed, _| {
        let request = asked(testbed)?;
        sends_none(testbed, |ike| answers(ike, &request), &format!("response with ID {}", request.message_id))
    });
    steps.then("the DUT gives no normal answer", |testbed, _| {
        let request = asked(testbed)?;
        let normal =
            |ike: &SeenIke| answers(ike, &request) && !ike.notifies().any(|notify| notify.notify_type.is_error());
        sends_none(testbed, normal, "response without an error notify")
    });
    steps.then("the DUT is silent, or says INVALID_IKE_SPI to the sender", |testbed, step| {
        let request = asked(testbed)?;
        let port = sender(testbed)?;
        let seen = testbed.since();
        let silence = testbed.silence();
        let Some(index) = testbed.await_ike(seen, silence, |_| true)? else {
            step.observed("silence");
            return Ok(());
        };
        testbed.comment(index, "judged: the answer to a request with unknown SPIs");
        let Some(ike) = testbed.seen().get(index).and_then(Seen::ike) else { return Ok(()) };
        step.observed(ike.summary());
        let right = answers(ike, &request)
            && ike.header.is_some_and(|header| header.responder_spi == request.responder_spi)
            && !ike.protected
            && ike.notify(NotifyType::INVALID_IKE_SPI).is_some()
            && ike.path.remote == port;
        if right {
            return Ok(());
        }
        Err(StepError::failed(
            format!("silence, or N(INVALID_IKE_SPI) in the clear with the same SPIs and Message ID to {port}"),
            format!("{} to {}", ike.summary(), ike.path.remote),
        ))
    });
    steps.then("the DUT answers none of them", |testbed, _| {
        // A late answer to a repeated IKE_AUTH request is none to a notify.
        let answers = |ike: &SeenIke| {
            ike.header.is_some_and(|header| header.exchange_type == ExchangeType::INFORMATIONAL)
                && (ike.is_response() || !ike.protected)
        };
        sends_none(testbed, answers, "answer to an unprotected notify")
    });
    steps.then("the DUT checks at most {int} times whether the tester lives", |testbed, step| {
        let most: usize = step.arg(0)?;
        let silence = testbed.silence();
        testbed.wait(silence)?;
        let mut checks: Vec<u32> = testbed
            .from_dut_since(testbed.since())
            .filter_map(Seen::ike)
            .filter(|ike| ike.protected && !ike.is_response())
            .filter_map(|ike| ike.header.map(|header| header.message_id))
            .collect();
        checks.dedup();
        step.measured("liveness checks", checks.len().to_string());
        if checks.len() <= most {
            return Ok(());
        }
        Err(StepError::failed(format!("at most {most} requests"), format!("{} requests", checks.len())))
    });
    steps.then("the IKE SA of the first identity still answers", |testbed, step| {
        let first = testbed.tester.ike().ike_sas().into_iter().find(|info| info.connection == CONNECTION);
        let first = first.ok_or_else(|| StepError::failed("the first IKE SA in place", "the DUT has deleted it"))?;
        let mark = testbed.mark();
        let now = testbed.now();
        testbed
            .tester
            .command(now, |ike, rng, hands| ike.informational(now, rng, first.id, vec![], hands))
            .map_err(|error| StepError::failed("the first IKE SA in place", error.to_string()))?;
        let limit = testbed.answer_limit();
        let answered = testbed.await_ike(mark, limit, |ike| {
            ike.is_response() && ike.protected && ike.header.is_some_and(|header| header.initiator_spi == first.spis.0)
        })?;
        step.observed(if answered.is_some() { "answered" } else { "not answered" });
        match answered {
            Some(_) => Ok(()),
            None => Err(StepError::unsafe_choice("SAs of another identity stay", instead(testbed))),
        }
    });
    steps.then("the DUT says INITIAL_CONTACT in its first IKE_AUTH message, or never", |testbed, step| {
        let said: Vec<(Header, String)> = testbed
            .from_dut_since(0)
            .filter_map(Seen::ike)
            .filter(|ike| ike.notify(NotifyType::INITIAL_CONTACT).is_some())
            .filter_map(|ike| Some((ike.header?, ike.summary())))
            .collect();
        step.observed(if said.is_empty() { "never".to_owned() } else { format!("{} times", said.len()) });
        match said.iter().find(|(header, _)| (header.exchange_type, header.message_id) != (ExchangeType::IKE_AUTH, 1)) {
            None => Ok(()),
            Some((_, summary)) => Err(StepError::failed("INITIAL_CONTACT in the first IKE_AUTH", summary.clone())),
        }
    });
}

/// Lets the tester ask for another Child SA and waits for the answer.
pub(super) fn create_child(testbed: &mut Testbed) -> StepResult {
    testbed.begin_stimulus();
    let id = testbed.ike_sa()?.id;
    let now = testbed.now();
    testbed
        .tester
        .command(now, |ike, rng, hands| ike.create_child(now, rng, id, CHILD, hands))
        .map_err(StepError::inconclusive)?;
    testbed.flush()?;
    let request = asked(testbed)?;
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    testbed.await_ike(since, limit, |ike| answers(ike, &request))?;
    Ok(())
}

/// An SPI that neither end has.
pub(super) fn unknown_spi(testbed: &mut Testbed) -> u32 {
    let [a, b, c, d, ..] = testbed.random().to_be_bytes();
    // One in four thousand million meets an SPI in use; the first bit keeps it off the reserved ones.
    u32::from_be_bytes([a | 0x80, b, c, d])
}

fn in_place_of_auth(testbed: &mut Testbed) -> StepResult {
    testbed.begin_stimulus();
    testbed.edits.hold(Which::request(ExchangeType::IKE_AUTH), None);
    let since = testbed.events().len();
    testbed.begin_ike_sa()?;
    let limit = testbed.answer_limit();
    let keys = |event: &Event| matches!(event, Event::Ike(v2::Event::IkeKeys { .. }));
    if testbed.await_event(since, limit, keys)?.is_none() {
        return Err(StepError::inconclusive(format!("no IKE_SA_INIT exchange: {}", testbed.story(since))));
    }
    let info = testbed.tester.ike().ike_sas().into_iter().max_by_key(|info| info.id);
    let info = info.ok_or_else(|| StepError::inconclusive("the tester has no IKE SA"))?;
    testbed.begin_stimulus();
    let header = testbed.header(&info, ExchangeType::INFORMATIONAL, 1, false);
    let message = testbed.protect(header, vec![], |_| {})?;
    testbed.send_ike(info.path, &message.to_bytes())
}

/// Sends messages that look protected, with SPIs of no IKE SA.
pub(super) fn send_to_unknown_spis(testbed: &mut Testbed, response: bool, port: u16, count: u32) -> StepResult {
    testbed.begin_stimulus();
    let mut path = testbed.path();
    path.local = SocketAddr::new(path.local.ip(), port);
    for number in 0..count {
        let spis = (testbed.random() | 1, testbed.random() | 1);
        let data = (0..NOISE).map(|_| testbed.random().to_be_bytes()[0]).collect();
        let header = Header::new(spis, ExchangeType::INFORMATIONAL, Flags::new(true, response), 7 + number);
        let body = Body::Encrypted(Encrypted { first: PayloadType::NONE, data });
        testbed.send_ike(path, &Message::new(header, vec![body.into()]).to_bytes())?;
        if number == 0 {
            on_the_wire(testbed)?;
        }
    }
    Ok(())
}

fn sender(testbed: &Testbed) -> Result<SocketAddr, StepError> {
    let sent = testbed
        .seen()
        .get(testbed.since()..)
        .unwrap_or_default()
        .iter()
        .find(|seen| !seen.from_dut && seen.ike().is_some());
    let path = sent.and_then(Seen::ike).map(|ike| ike.path.local);
    path.ok_or_else(|| StepError::inconclusive("the tester has sent nothing"))
}

/// Notifies that anybody could have sent, about the live SAs: requests and responses, with the SPIs of the IKE SA and
/// with none.
fn forge_notifies(testbed: &mut Testbed, count: u32, notify: NotifyType) -> StepResult {
    testbed.begin_stimulus();
    let info = testbed.ike_sa()?;
    let data = match notify {
        // What the DUT sends on: the SPI that the forger claims not to know.
        NotifyType::INVALID_SPI => testbed.child()?.inbound_spi.to_be_bytes().to_vec(),
        _ => vec![],
    };
    for number in 0..count {
        let response = number % 4 == 1;
        let spis = if number % 4 == 3 { (0, 0) } else { info.spis };
        let flags = Flags::new(info.initiator, response);
        let header = Header::new(spis, ExchangeType::INFORMATIONAL, flags, info.next_request);
        let message = Message::new(header, vec![Body::Notify(Notify::new(notify, data.clone())).into()]);
        testbed.send_ike(info.path, &message.to_bytes())?;
    }
    Ok(())
}

/// A second IKE SA from the same address, under another name.
fn other_identity(testbed: &mut Testbed, _: &mut crate::run::Step) -> StepResult {
    testbed.begin_stimulus();
    let since = testbed.events().len();
    testbed.edits.message(Which::request(ExchangeType::IKE_AUTH), |draft| {
        let contact = Body::Notify(Notify::new(NotifyType::INITIAL_CONTACT, vec![]));
        draft.inner.iter_mut().for_each(|inner| inner.push(contact.clone().into()));
    });
    let now = testbed.now();
    testbed
        .tester
        .command(now, |ike, rng, hands| {
            let mut config = ike.config().clone();
            if let Some(mut other) = config.connections.first().cloned() {
                other.name = OTHER_NAME.to_owned();
                other.local_id = Identity::Fqdn(OTHER_NAME.to_owned());
                config.connections.push(other);
            }
            ike.configure(config);
            ike.initiate(now, rng, OTHER_NAME, CHILD, hands)
        })
        .map_err(StepError::testbed)?;
    let limit = testbed.answer_limit() * 2;
    testbed.await_up(since, limit)
}
