//! Rekeying (RFC 7296 sections 1.3.2, 1.3.3, 2.8, 2.17 and 2.18).

use super::common::{answer, instead, judge};
use crate::dissect::Seen;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::offer::{Kind, sa_of, with_spi};
use crate::testbed::{Hook, Testbed, Which, tunnel_draft};
use reference_peer::gateway::{Event, parameters};
use reference_peer::ike::v2::{self, ChildSa};
use reference_peer::ipsec::keys::EspKeys;
use std::sync::Arc;
use wire::ikev2::{Body, ExchangeType, PayloadType};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("the tester rekeys the Child SA and keeps the old one", |testbed, _| rekey_child(testbed, true));
    steps.when("the tester rekeys the Child SA", |testbed, _| {
        let since = testbed.events().len();
        rekey_child(testbed, false)?;
        // Until the old one is deleted, the DUT may go on with it.
        let limit = testbed.answer_limit();
        let removed = testbed.await_event(since, limit, |event| matches!(event, Event::ChildRemoved { .. }))?;
        match removed {
            Some(_) => Ok(()),
            None => Err(StepError::inconclusive(format!("the old Child SA was not deleted within {limit:?}"))),
        }
    });
    steps.then("the DUT's first request on the new IKE SA has the message ID 0", |testbed, step| {
        testbed.begin_stimulus();
        let spis = testbed.ike_sa()?.spis;
        testbed.control(Hook::ClearSas)?;
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let found = testbed.await_ike(since, limit, |ike| {
            !ike.is_response() && ike.header.is_some_and(|h| (h.initiator_spi, h.responder_spi) == spis)
        })?;
        let request = judge(testbed, step, found, || format!("a request on the new IKE SA within {limit:?}"))?;
        match request.header.map(|header| header.message_id) {
            Some(0) => Ok(()),
            _ => Err(StepError::failed("message ID 0", request.summary())),
        }
    });
    steps.when("the tester rekeys the IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        let (since, now, limit) = (testbed.events().len(), testbed.now(), testbed.answer_limit() * 2);
        let id = testbed.ike_sa()?.id;
        let begun = testbed.tester.command(now, |ike, rng, hands| ike.rekey_ike(now, rng, id, hands));
        begun.map_err(|error| StepError::inconclusive(format!("the tester cannot rekey: {error}")))?;
        let gone = |event: &Event| matches!(event, Event::Ike(v2::Event::IkeSaDown { ike_sa, .. }) if *ike_sa == id);
        if testbed.await_event(since, limit, gone)?.is_some() {
            return Ok(());
        }
        Err(StepError::inconclusive(format!("the IKE SA was not rekeyed: {}", testbed.story(since))))
    });
    steps.when("the tester asks for a new IKE SA without a key exchange", |testbed, step| {
        let mut offer = testbed.read_offer(Kind::Ike, step.table())?;
        let spi = testbed.random().to_be_bytes();
        offer = with_spi(&offer, &spi);
        let nonce: Vec<u8> = (0..4).flat_map(|_| testbed.random().to_be_bytes()).collect();
        testbed.begin_stimulus();
        let payloads = vec![Body::SecurityAssociation(offer).into(), Body::Nonce(nonce).into()];
        testbed.request(ExchangeType::CREATE_CHILD_SA, payloads)?;
        Ok(())
    });
    steps.then("the DUT makes no new IKE SA", |testbed, step| {
        let answer = answer(testbed, step, ExchangeType::CREATE_CHILD_SA)?;
        if sa_of(&answer.payloads).is_none() {
            return Ok(());
        }
        Err(StepError::failed("a response without SA payload", answer.summary()))
    });
    steps.then("the DUT takes packets on the old Child SA and on the new one", takes_both);
    steps.then("the new Child SA has a new SPI and nonce, and starts at sequence number 1", starts_afresh);
}

/// Rekeys the Child SA, and perhaps holds back the Delete of the old one.
fn rekey_child(testbed: &mut Testbed, keep: bool) -> StepResult {
    testbed.begin_stimulus();
    if keep {
        testbed.edits.hold(Which::request(ExchangeType::INFORMATIONAL), Some(1));
    }
    let (since, now, limit) = (testbed.events().len(), testbed.now(), testbed.answer_limit() * 2);
    let spi = testbed.child()?.inbound_spi;
    let begun = testbed.tester.command(now, |ike, rng, hands| ike.rekey_child(now, rng, spi, hands));
    begun.map_err(|error| StepError::inconclusive(format!("the tester cannot rekey: {error}")))?;
    testbed.await_up(since, limit)
}

/// The two Child SAs that were installed last, the newer first.
fn both(testbed: &Testbed) -> Result<(ChildSa, ChildSa), StepError> {
    let mut installed = testbed.events().iter().rev().filter_map(|(_, event)| match event {
        Event::ChildInstalled(child) => Some((**child).clone()),
        _ => None,
    });
    installed.next().zip(installed.next()).ok_or_else(|| StepError::inconclusive("the Child SA was not rekeyed"))
}

fn takes_both(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    testbed.settle_isakmp()?;
    let (new, old) = both(testbed)?;
    let limit = testbed.answer_limit();
    // Far above what the tester has used, and within what any window takes for new.
    for (number, child, name) in [(1000, &old, "old"), (1000, &new, "new"), (1001, &old, "old"), (1001, &new, "new")] {
        let ping = testbed.new_ping();
        let keys = EspKeys::new(parameters(child, &Arc::default()).1).map_err(StepError::testbed)?;
        let keys = keys.ok_or_else(|| StepError::testbed("an AH SA seals no ESP"))?;
        let esp = testbed.seal_with(&keys, &tunnel_draft(child.outbound_spi, number, ping.packet()))?;
        let before = testbed.delivered().len();
        testbed.send_esp(&esp)?;
        let came = testbed.await_state(limit, |testbed| {
            testbed.delivered().iter().skip(before).any(|(_, packet)| ping.is_answered_by(packet))
        })?;
        if !came {
            return Err(StepError::failed(format!("an answer to a ping on the {name} Child SA"), instead(testbed)));
        }
    }
    step.observed("pings on both answered in turn");
    Ok(())
}

fn starts_afresh(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (new, old) = both(testbed)?;
    let nonces: Vec<Vec<u8>> = testbed
        .seen()
        .iter()
        .filter(|seen| seen.from_dut)
        .filter_map(Seen::ike)
        .filter_map(|ike| match ike.payload(PayloadType::NONCE).map(|payload| &payload.body) {
            Some(Body::Nonce(nonce)) => Some(nonce.clone()),
            _ => None,
        })
        .collect();
    let again = nonces.iter().enumerate().any(|(index, nonce)| nonces.iter().skip(index + 1).any(|n| n == nonce));
    if nonces.len() < 2 || again {
        return Err(StepError::failed("another nonce in CREATE_CHILD_SA", format!("{} nonces seen", nonces.len())));
    }
    if new.outbound_spi == old.outbound_spi {
        return Err(StepError::failed("a new SPI", format!("{:08x} again", new.outbound_spi)));
    }
    let since = testbed.since();
    let limit = testbed.answer_limit();
    testbed.pings(1, limit)?;
    let found = testbed
        .await_seen(since, limit, |seen| seen.from_dut && seen.esp().is_some_and(|esp| esp.spi == new.inbound_spi))?;
    let first = found.and_then(|index| testbed.seen().get(index)).and_then(Seen::esp);
    match first {
        Some(esp) if esp.sequence == 1 && matches!(esp.opened, Some(Ok(_))) => {
            step.observed(esp.summary());
            Ok(())
        }
        Some(esp) => Err(StepError::failed("sequence number 1 under new keys", esp.summary())),
        None => Err(StepError::failed("ESP on the new Child SA", instead(testbed))),
    }
}
