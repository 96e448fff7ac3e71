//! Message IDs, windows and retransmission (RFC 7296 sections 2.1 to 2.3).

use super::common::{answers, asked, on_the_wire, send_init, sends_none};
use super::delete::is_request;
use super::informational::create_child;
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, Which};
use reference_peer::Instant;
use reference_peer::ike::v2::Path;
use std::net::SocketAddr;
use std::time::Duration;
use wire::ikev2::{Body, ExchangeType, Message, NotifyType};

/// How long a response must not be repeated by itself: real time is dear, virtual time is not.
const UNASKED: (Duration, Duration) = (Duration::from_secs(7), Duration::from_secs(60));

/// A wait grows if it is at least so many times the one before; jitter included.
const GROWTH: f64 = 1.2;

/// A port that is not IKE's.
const OTHER_PORT: u16 = 51_235;

/// Time between a response and the next copy of its request; much less than any peer waits before it repeats one.
const BETWEEN_COPIES: Duration = Duration::from_millis(100);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("{int} empty INFORMATIONAL requests were answered", |testbed, step| {
        for _ in 0..step.arg::<u32>(0)? {
            if !testbed.is_alive()? {
                return Err(StepError::inconclusive("an empty INFORMATIONAL request was not answered"));
            }
        }
        Ok(())
    });
    steps.given("the tester leaves IKE_SA_INIT requests unanswered", |testbed, _| {
        testbed.edits.hold(Which::response(ExchangeType::IKE_SA_INIT), None);
        Ok(())
    });

    steps.when("the tester sends the same {word} request {int} times", |testbed, step| {
        let copies: u32 = step.arg(1)?;
        match step.arg_text(0)? {
            "IKE_SA_INIT" => send_init(testbed)?,
            "CREATE_CHILD_SA" => create_child(testbed)?,
            "INFORMATIONAL" => {
                testbed.begin_stimulus();
                testbed.request(ExchangeType::INFORMATIONAL, Vec::new())?;
            }
            other => return Err(StepError::testbed(format!("{}: no request of {other}", step.place()))),
        }
        let (path, octets) = first_request(testbed)?;
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        for copy in 1..copies {
            let wanted = usize::try_from(copy).unwrap_or_default();
            testbed.await_state(limit, |testbed| responses(testbed, since).len() >= wanted)?;
            // A DUT may send its response before it has put its state away, and drop a copy that comes in between.
            testbed.wait(BETWEEN_COPIES)?;
            testbed.send_ike(path, &octets)?;
        }
        Ok(())
    });
    steps.when("the tester repeats a request after {int} later ones", |testbed, step| {
        testbed.begin_stimulus();
        testbed.request(ExchangeType::INFORMATIONAL, Vec::new())?;
        let (path, octets) = first_request(testbed)?;
        for _ in 0..step.arg::<u32>(0)? {
            if !testbed.is_alive()? {
                return Err(StepError::inconclusive("a later request was not answered"));
            }
        }
        testbed.begin_stimulus();
        testbed.send_ike(path, &octets)
    });
    steps.when("the tester sends a request whose Message ID is {int} too high", |testbed, step| {
        testbed.begin_stimulus();
        let info = testbed.ike_sa()?;
        let message_id = info.next_request + step.arg::<u32>(0)?;
        let header = testbed.header(&info, ExchangeType::INFORMATIONAL, message_id, false);
        let message = testbed.protect(header, vec![], |_| {})?;
        testbed.send_ike(info.path, &message.to_bytes())
    });
    steps.when("the tester sends two IKE_SA_INIT requests with one SPI and different nonces", |testbed, _| {
        send_init(testbed)?;
        let (mut path, octets) = first_request(testbed)?;
        let limit = testbed.answer_limit();
        let since = testbed.since();
        testbed.await_state(limit, |testbed| !responses(testbed, since).is_empty())?;
        let mut message = Message::parse(&octets).map_err(StepError::testbed)?;
        for payload in &mut message.payloads {
            if let Body::Nonce(nonce) = &mut payload.body {
                nonce.iter_mut().for_each(|octet| *octet = !*octet);
            }
        }
        path.local = SocketAddr::new(path.local.ip(), OTHER_PORT);
        testbed.send_ike(path, &message.to_bytes())
    });
    steps.when("the DUT is told to begin a negotiation", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::Initiate)?;
        Ok(())
    });

    steps.then("the DUT sends the same response {int} times", same_response);
    steps.then("the DUT repeats its response when it is asked again, and only then", only_when_asked);
    steps.then("the DUT acknowledges no such Message ID", |testbed, _| {
        let request = asked(testbed)?;
        let id = request.message_id;
        sends_none(testbed, |ike| answers(ike, &request), &format!("response with ID {id}"))?;
        let told: Vec<&SeenIke> = testbed
            .from_dut_since(testbed.since())
            .filter_map(Seen::ike)
            .filter(|ike| ike.notify(NotifyType::INVALID_MESSAGE_ID).is_some())
            .collect();
        let proper = |ike: &&SeenIke| {
            let data = ike.notify(NotifyType::INVALID_MESSAGE_ID).map(|notify| notify.data.as_slice());
            is_request(ike) && data == Some(&id.to_be_bytes())
        };
        match told.iter().find(|ike| !proper(ike)) {
            None => Ok(()),
            Some(ike) => {
                Err(StepError::failed(format!("INVALID_MESSAGE_ID in a request, data {id:08x}"), ike.summary()))
            }
        }
    });
    steps.then("the DUT answers each with an SPI of its own", |testbed, step| {
        let limit = testbed.answer_limit();
        let since = testbed.since();
        testbed.await_state(limit, |testbed| responses(testbed, since).len() >= 2)?;
        let spis: Vec<u64> = responses(testbed, since)
            .iter()
            .filter_map(|seen| seen.ike()?.header)
            .map(|header| header.responder_spi)
            .collect();
        step.observed(format!("responder SPIs {spis:016x?}"));
        match spis.as_slice() {
            [first, second] if first != second => Ok(()),
            _ => Err(StepError::failed("two responses with different SPIs", format!("{spis:016x?}"))),
        }
    });
    steps.then("the DUT has one request open at a time", |testbed, step| {
        let wait = testbed.answer_limit();
        testbed.wait(wait)?;
        let ids = request_ids(testbed, testbed.since());
        step.observed(format!("Message IDs {ids:?}"));
        if ids.len() == 1 {
            return Ok(());
        }
        Err(StepError::failed("requests with one Message ID while it is unanswered", format!("{ids:?}")))
    });
    steps.then("the DUT numbers its {int} requests from 0 without a gap", |testbed, step| {
        let wanted: u32 = step.arg(0)?;
        let limit = testbed.answer_limit();
        let enough = usize::try_from(wanted).unwrap_or_default();
        testbed.await_state(limit, |testbed| request_ids(testbed, 0).len() >= enough)?;
        let ids = request_ids(testbed, 0);
        step.observed(format!("Message IDs {ids:?}"));
        if ids.iter().copied().eq(0..wanted) {
            return Ok(());
        }
        Err(StepError::failed(format!("Message IDs 0 to {}", wanted.saturating_sub(1)), format!("{ids:?}")))
    });
    steps.then("the DUT sends {int} copies of its request, octet by octet the same", |testbed, step| {
        let wanted: usize = step.arg(0)?;
        await_copies(testbed, wanted)?;
        let copies = copies(testbed);
        let alike = copies.iter().filter(|(_, octets)| Some(octets) == copies.first().map(|(_, first)| first)).count();
        step.observed(format!("{} copies, {alike} alike", copies.len()));
        if copies.len() >= wanted && alike == copies.len() {
            return Ok(());
        }
        Err(StepError::failed(format!("{wanted} copies alike"), format!("{}, {alike} like the first", copies.len())))
    });
    steps.then("the waits between the copies grow", |testbed, step| {
        let times: Vec<Instant> = copies(testbed).into_iter().map(|(at, _)| at).collect();
        let waits: Vec<f64> = times.windows(2).map(gap).collect();
        let text = waits.iter().map(|wait| format!("{wait:.2} s")).collect::<Vec<_>>().join(", ");
        step.measured("retransmission waits", text.clone());
        let grows = |pair: &[f64]| matches!(pair, [first, second] if *second >= first * GROWTH);
        if waits.len() >= 2 && waits.windows(2).all(grows) {
            return Ok(());
        }
        Err(StepError::failed(format!("each wait at least {GROWTH} times the one before"), text))
    });
}

/// The tester's first request since the stimulus: its path and octets.
fn first_request(testbed: &mut Testbed) -> Result<(Path, Vec<u8>), StepError> {
    on_the_wire(testbed)?;
    let sent = testbed.seen().get(testbed.since()..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
    let first = sent.filter_map(Seen::ike).find(|ike| !ike.is_response());
    first
        .map(|ike| (ike.path, ike.octets.clone()))
        .ok_or_else(|| StepError::inconclusive("the tester has sent no request"))
}

/// The DUT's responses to the tester's first request since the stimulus.
fn responses(testbed: &Testbed, since: usize) -> Vec<&Seen> {
    let Ok(request) = asked(testbed) else { return Vec::new() };
    testbed.from_dut_since(since).filter(|seen| seen.ike().is_some_and(|ike| answers(ike, &request))).collect()
}

fn same_response(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let wanted: usize = step.arg(0)?;
    let (since, limit, silence) = (testbed.since(), testbed.answer_limit(), testbed.silence());
    testbed.await_state(limit, |testbed| responses(testbed, since).len() >= wanted)?;
    testbed.wait(silence)?;
    let octets: Vec<Vec<u8>> =
        responses(testbed, since).iter().filter_map(|seen| Some(seen.ike()?.octets.clone())).collect();
    let alike = octets.iter().filter(|octets_of| Some(*octets_of) == octets.first()).count();
    step.observed(format!("{} responses, {alike} like the first", octets.len()));
    if octets.len() == wanted && alike == wanted {
        return Ok(());
    }
    Err(StepError::failed(
        format!("{wanted} responses, octet by octet the same"),
        format!("{}, {alike} like the first", octets.len()),
    ))
}

fn only_when_asked(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let since = testbed.since();
    let wait = if testbed.profile().is_self() { UNASKED.1 } else { UNASKED.0 };
    testbed.wait(wait)?;
    let unasked = responses(testbed, since).len();
    let (path, octets) = first_request(testbed)?;
    testbed.send_ike(path, &octets)?;
    let limit = testbed.answer_limit();
    testbed.await_state(limit, |testbed| responses(testbed, since).len() > unasked)?;
    let silence = testbed.silence();
    testbed.wait(silence)?;
    let all = responses(testbed, since).len();
    step.observed(format!("{unasked} in {wait:?}, {} when asked again", all - unasked));
    if (unasked, all) == (1, 2) {
        return Ok(());
    }
    Err(StepError::failed("one response, and one more when asked again", format!("{unasked}, then {}", all - unasked)))
}

/// Message IDs of the DUT's protected requests, in the order in which they were first seen.
fn request_ids(testbed: &Testbed, since: usize) -> Vec<u32> {
    let mut ids = Vec::new();
    for ike in testbed.from_dut_since(since).filter_map(Seen::ike).filter(|ike| is_request(ike)) {
        if let Some(header) = ike.header
            && !ids.contains(&header.message_id)
        {
            ids.push(header.message_id);
        }
    }
    ids
}

/// When the copies of the DUT's first request since the stimulus came, and their octets.
pub(super) fn copies(testbed: &Testbed) -> Vec<(Instant, Vec<u8>)> {
    let mut requests = testbed
        .from_dut_since(testbed.since())
        .filter_map(|seen| Some((seen.at, seen.ike()?)))
        .filter(|(_, ike)| !ike.is_response())
        .filter_map(|(at, ike)| Some((at, ike.header?, ike.octets.clone())))
        .peekable();
    let Some((_, first, _)) = requests.peek().cloned() else { return Vec::new() };
    let same = |header: &wire::ikev2::Header| {
        (header.initiator_spi, header.exchange_type, header.message_id)
            == (first.initiator_spi, first.exchange_type, first.message_id)
    };
    requests.filter(|(_, header, _)| same(header)).map(|(at, _, octets)| (at, octets)).collect()
}

/// Waits for copies of the DUT's request: for each so long as an exponential back-off may take, at most.
fn await_copies(testbed: &mut Testbed, wanted: usize) -> StepResult {
    let first = testbed.answer_limit();
    testbed.await_state(first, |testbed| !copies(testbed).is_empty())?;
    let mut limit = testbed.profile().timing.retransmit_within;
    for count in 2..=wanted {
        let before = testbed.now();
        if !testbed.await_state(limit, |testbed| copies(testbed).len() >= count)? {
            return Ok(());
        }
        limit = (testbed.now().since(before) * 3).max(Duration::from_secs(1));
    }
    Ok(())
}

fn gap(pair: &[Instant]) -> f64 {
    match pair {
        [earlier, later] => later.since(*earlier).as_secs_f64(),
        _ => 0.0,
    }
}
