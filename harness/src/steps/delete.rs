//! Deletion of Child SAs and IKE SAs (RFC 7296 sections 1.4.1, 2.25 and 3.11).

use super::common::{answers, judge, protected_answer};
use super::informational::{create_child, unknown_spi};
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, Which};
use reference_peer::gateway::Event;
use std::time::Duration;
use wire::ikev2::{Body, Delete, ExchangeType, ProtocolId};

/// A sequence number that the tester's own traffic does not come near.
const FAR_AHEAD: u64 = 5000;

/// Time between attempts to send on an SA that is being closed.
const PAUSE: Duration = Duration::from_millis(20);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("{int} Child SAs more", |testbed, step| {
        let more: usize = step.arg(0)?;
        let before = installed(testbed).len();
        for _ in 0..more {
            create_child(testbed)?;
        }
        let limit = testbed.answer_limit();
        if testbed.await_state(limit, |testbed| installed(testbed).len() >= before + more)? {
            return Ok(());
        }
        Err(StepError::inconclusive(format!("{} of {more} Child SAs came up", installed(testbed).len() - before)))
    });
    steps.given("the tester leaves INFORMATIONAL requests unanswered", |testbed, _| {
        testbed.edits.hold(Which::response(ExchangeType::INFORMATIONAL), None);
        Ok(())
    });

    steps.when("the tester deletes its Child SA", |testbed, _| {
        let spi = testbed.child()?.inbound_spi;
        delete(testbed, Delete::child(ProtocolId::ESP, &[spi]))
    });
    steps.when("the tester deletes all Child SAs and an unknown one in one payload", |testbed, _| {
        let mut spis: Vec<u32> = installed(testbed).into_iter().map(|(inbound, _)| inbound).collect();
        let unknown = unknown_spi(testbed);
        spis.insert(1.min(spis.len()), unknown);
        delete(testbed, Delete::child(ProtocolId::ESP, &spis))
    });
    steps.when("the tester deletes a Child SA that does not exist", |testbed, _| {
        let spi = unknown_spi(testbed);
        delete(testbed, Delete::child(ProtocolId::ESP, &[spi]))
    });
    steps.when("the tester deletes the IKE SA", |testbed, _| delete(testbed, Delete::ike()));
    steps.when("the DUT is told to delete its Child SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::DeleteChild)?;
        Ok(())
    });
    steps.when("the DUT is told to close its IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::ClearSas)?;
        Ok(())
    });
    steps.when("the DUT is told to close its IKE SA, too", |testbed, _| {
        testbed.control(Hook::ClearSas)?;
        Ok(())
    });
    steps.when("the DUT has sent a request", |testbed, _| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        match testbed.await_ike(since, limit, is_request)? {
            Some(_) => Ok(()),
            None => Err(StepError::inconclusive(format!("no request of the DUT within {limit:?}"))),
        }
    });

    steps.then("the DUT's response deletes its end of them", |testbed, step| {
        let mut wanted: Vec<u32> = installed(testbed).into_iter().map(|(_, outbound)| outbound).collect();
        let answer = protected_answer(testbed, step)?;
        let mut came: Vec<u32> =
            deletes(answer).filter(|d| d.protocol == ProtocolId::ESP).flat_map(Delete::child_spis).collect();
        wanted.sort_unstable();
        came.sort_unstable();
        if came == wanted && deletes(answer).all(|delete| delete.spi_size == 4) {
            return Ok(());
        }
        Err(StepError::failed(format!("D(ESP) with {wanted:08x?}"), format!("{}, {came:08x?}", answer.summary())))
    });
    steps.then("the DUT's response deletes nothing", |testbed, step| {
        let answer = protected_answer(testbed, step)?;
        if deletes(answer).next().is_none() {
            return Ok(());
        }
        Err(StepError::failed("a response without a Delete", answer.summary()))
    });
    steps.then("the deleted Child SA carries nothing any more", carries_nothing);
    steps.then("the deleted IKE SA answers nothing any more", |testbed, _| {
        let info = testbed.tester.ike().ike_sas().into_iter().max_by_key(|info| info.id);
        let info = info.ok_or_else(|| StepError::inconclusive("the tester has lost its IKE SA"))?;
        let header = testbed.header(&info, ExchangeType::INFORMATIONAL, info.next_request, false);
        let message = testbed.protect(header, vec![], |_| {})?;
        let mark = testbed.mark();
        testbed.send_ike(info.path, &message.to_bytes())?;
        let silence = testbed.silence();
        match testbed.await_ike(mark, silence, |ike| answers(ike, &header) && ike.protected)? {
            None => Ok(()),
            Some(index) => {
                let came = testbed.seen().get(index).map(Seen::summary).unwrap_or_default();
                Err(StepError::failed(format!("no protected answer for {silence:?}"), came))
            }
        }
    });
    steps.then("the DUT sends a Delete of its Child SA", |testbed, step| {
        let spi = testbed.child()?.outbound_spi;
        let delete = deleted(testbed, step)?;
        let right = delete.protocol == ProtocolId::ESP && delete.child_spis().eq([spi]);
        step.observed(format!("{}, SPI size {}, SPIs {:02x?}", delete.protocol, delete.spi_size, delete.spis));
        if right && delete.spi_size == 4 {
            return Ok(());
        }
        Err(StepError::failed(
            format!("ESP, SPI size 4, SPI {spi:08x}, on which the DUT receives"),
            format!("{delete:x?}"),
        ))
    });
    steps.then("the DUT sends a Delete of its IKE SA", |testbed, step| {
        let delete = deleted(testbed, step)?;
        step.observed(format!(
            "{}, SPI size {}, {} octets of SPIs",
            delete.protocol,
            delete.spi_size,
            delete.spis.len()
        ));
        if delete.protocol == ProtocolId::IKE && delete.spi_size == 0 && delete.spis.is_empty() {
            return Ok(());
        }
        Err(StepError::failed("IKE, SPI size 0, no SPI", format!("{delete:x?}")))
    });
}

/// SPIs of the Child SAs that the tester has installed: its inbound and its outbound one.
fn installed(testbed: &Testbed) -> Vec<(u32, u32)> {
    let spis = |event: &Event| match event {
        Event::ChildInstalled(child) => Some((child.inbound_spi, child.outbound_spi)),
        _ => None,
    };
    testbed.events().iter().filter_map(|(_, event)| spis(event)).collect()
}

/// Sends a Delete, past the tester's own SAs: it keeps them and can go on sending.
fn delete(testbed: &mut Testbed, delete: Delete) -> StepResult {
    testbed.begin_stimulus();
    testbed.request(ExchangeType::INFORMATIONAL, vec![Body::Delete(delete).into()])?;
    Ok(())
}

fn deletes(ike: &SeenIke) -> impl Iterator<Item = &Delete> {
    ike.payloads.iter().filter_map(|payload| match &payload.body {
        Body::Delete(delete) => Some(delete),
        _ => None,
    })
}

/// A protected request of the DUT.
pub(super) fn is_request(ike: &SeenIke) -> bool {
    ike.protected && !ike.is_response()
}

/// The first Delete that the DUT has sent in a request since the stimulus.
fn deleted(testbed: &mut Testbed, step: &mut Step) -> Result<Delete, StepError> {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    let found = testbed.await_ike(since, limit, |ike| is_request(ike) && deletes(ike).next().is_some())?;
    let ike = judge(testbed, step, found, || format!("an INFORMATIONAL request with a Delete within {limit:?}"))?;
    deletes(ike).next().cloned().ok_or_else(|| StepError::testbed("the Delete is gone"))
}

/// Neither does the DUT take packets on the pair nor send any.
fn carries_nothing(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let child = testbed.child()?;
    let silence = testbed.silence();
    // The answer may be on its way before the SAs are gone; how long that takes is measured, and bounded.
    let begin = testbed.now();
    let mut sequence = FAR_AHEAD;
    loop {
        let (ping, esp) = testbed.sealed_ping(sequence)?;
        if !testbed.comes_through(&ping, esp, silence)? {
            break;
        }
        let after = testbed.now().since(begin);
        step.measured("deleted SA still open after", format!("{after:?}"));
        if after > silence {
            return Err(StepError::failed(
                format!("packets on the deleted SA dropped within {silence:?}"),
                "let through",
            ));
        }
        sequence += 1;
        testbed.wait(PAUSE)?;
    }
    step.observed("what comes on it is dropped");
    if !testbed.has_inside() {
        return Ok(());
    }
    let mark = testbed.mark();
    testbed.send_ping_from_inside()?;
    let sent = testbed.await_seen(mark, silence, |seen| {
        seen.from_dut && seen.esp().is_some_and(|esp| esp.spi == child.inbound_spi)
    })?;
    match sent {
        None => {
            step.observed("nothing is sent on it");
            Ok(())
        }
        Some(index) => {
            testbed.comment(index, "judged: sent on a deleted SA");
            Err(StepError::failed("nothing sent on the deleted SA", format!("ESP with SPI {:08x}", child.inbound_spi)))
        }
    }
}
