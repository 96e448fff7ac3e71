//! Cookies (RFC 7296 sections 2.6 and 2.6.1), asked for by the DUT under load and by the tester.

use super::common::{instead, judge, send_init};
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, Which};
use std::time::Duration;
use wire::ikev2::{Body, ExchangeType, Message, Notify, NotifyType, Payload, PayloadType};

/// PUZZLE, RFC 8019 section 8.
const PUZZLE: NotifyType = NotifyType(16434);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the tester will ask for a cookie of {int} octets", |testbed, step| {
        let notify = cookie_of(testbed, step.arg(0)?);
        refuse_next(testbed, vec![notify]);
        Ok(())
    });
    steps.given("the tester will ask for a cookie and offer a puzzle", |testbed, _| {
        // PRF_HMAC_SHA2_256 and eight zero bits, as RFC 8019 section 8.1 lays it out.
        let notifies = vec![cookie_of(testbed, 32), Notify::new(PUZZLE, [0, 5, 8])];
        refuse_next(testbed, notifies);
        Ok(())
    });
    steps.given("the tester will ask for a cookie, another group and a cookie again", |testbed, _| {
        let proposals = testbed.profile().ike().proposals.to_vec();
        let first = proposals.first().map(|proposal| proposal.groups.clone());
        let other = proposals.into_iter().find(|proposal| Some(&proposal.groups) != first.as_ref());
        let other = other.ok_or_else(|| StepError::not_applicable("the profile has proposals of one group only"))?;
        testbed.reconfigure_tester(|config| {
            for connection in &mut config.ike.connections {
                connection.ike_proposals = vec![other.clone()];
            }
        });
        let [first, second] = [32, 20].map(|octets| cookie_of(testbed, octets));
        refuse_next(testbed, vec![first]);
        // INVALID_KE_PAYLOAD is the tester's own answer.
        testbed.edits.message(Which::response(ExchangeType::IKE_SA_INIT), |_| {});
        refuse_next(testbed, vec![second]);
        Ok(())
    });
    steps.action("the tester opens IKE SAs until the DUT asks for a cookie, {int} at most", floods);
    steps.when("{int} other requests are sent without a cookie", |testbed, step| {
        let count: u32 = step.arg(0)?;
        let (request, _) = cookie_round(testbed, testbed.since())?;
        for _ in 0..count {
            let fresh = fresh_request(testbed, &request);
            send(testbed, &fresh)?;
            await_answer(testbed, &fresh)?;
        }
        Ok(())
    });
    steps.when("the tester returns the cookie", |testbed, _| {
        let (request, cookie) = cookie_round(testbed, testbed.since())?;
        return_cookie(testbed, request, cookie)
    });
    steps.when("the tester returns the first cookie of all", |testbed, _| {
        let (request, cookie) = cookie_round(testbed, 0)?;
        return_cookie(testbed, request, cookie)
    });
    steps.when("the tester returns the cookie with another SPI", |testbed, _| {
        let (mut request, cookie) = cookie_round(testbed, testbed.since())?;
        request.header.initiator_spi ^= 1;
        return_cookie(testbed, request, cookie)
    });
    steps.when("the tester returns the cookie with another nonce", |testbed, _| {
        let (mut request, cookie) = cookie_round(testbed, testbed.since())?;
        request.payloads.iter_mut().for_each(|payload| {
            if let Body::Nonce(nonce) = &mut payload.body {
                nonce.iter_mut().for_each(|octet| *octet = !*octet);
            }
        });
        return_cookie(testbed, request, cookie)
    });
    steps.when("the tester returns a cookie of its own making", |testbed, _| {
        let (request, mut cookie) = cookie_round(testbed, testbed.since())?;
        cookie.iter_mut().for_each(|octet| *octet = !*octet);
        return_cookie(testbed, request, cookie)
    });
    steps.when("the tester sends an IKE_SA_INIT request with a cookie that nobody asked for", |testbed, _| {
        let cookie = cookie_of(testbed, 32);
        super::common::send_edited_init(testbed, move |draft| {
            draft.clear.insert(0, Body::Notify(cookie.clone()).into())
        })
    });
    steps.action("{duration} pass", |testbed, step| {
        let time: Duration = step.duration(0)?;
        testbed.wait(time)
    });

    steps.then("the DUT asks for a cookie", |testbed, step| {
        let answers = answers_since(testbed, testbed.since());
        let before = answers.iter().take_while(|answer| !**answer).count();
        if !answers.contains(&true) {
            return Err(StepError::failed("COOKIE in time", format!("{} answers without", answers.len())));
        }
        step.measured("half-open IKE SAs before a cookie", before.to_string());
        step.observed(format!("a cookie after {before} half-open IKE SAs"));
        Ok(())
    });
    steps.then("from then on it opens no further IKE SA", |testbed, step| {
        let answers = answers_since(testbed, testbed.since());
        let later: Vec<bool> = answers.into_iter().skip_while(|answer| !answer).collect();
        let opened = later.iter().filter(|answer| !**answer).count();
        step.observed(format!("{} more requests, {opened} opened an IKE SA", later.len()));
        if opened == 0 { Ok(()) } else { Err(StepError::failed("only cookies", format!("{opened} more IKE SAs"))) }
    });
    steps.then("the DUT's cookie has 1 to 64 octets", |testbed, step| {
        let length = last_cookie(testbed)?.notify(NotifyType::COOKIE).map_or(0, |notify| notify.data.len());
        step.measured("octets of the cookie", length.to_string());
        if (1..=64).contains(&length) { Ok(()) } else { Err(StepError::failed("1 to 64 octets", length.to_string())) }
    });
    steps.then("the responder's SPI beside the cookie is zero", |testbed, _| {
        let spi = last_cookie(testbed)?.header.map_or(0, |header| header.responder_spi);
        if spi == 0 { Ok(()) } else { Err(StepError::failed("0", format!("{spi:016x}"))) }
    });
    steps.then("the DUT asks for another cookie", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let found = testbed.await_ike(since, limit, SeenIke::is_response)?;
        let ike = judge(testbed, step, found, || format!("COOKIE within {limit:?}"))?;
        if ike.notify(NotifyType::COOKIE).is_some() && ike.payload(PayloadType::KEY_EXCHANGE).is_none() {
            return Ok(());
        }
        Err(StepError::failed("COOKIE", ike.summary()))
    });

    steps.then("the DUT repeats its request with the responder's SPI zero", |testbed, step| {
        let (first, again) = two_requests(testbed, step)?;
        match [first, again].map(|message| message.header.responder_spi) {
            [0, 0] => Ok(()),
            [first, again] => Err(StepError::failed("zero in both", format!("{first:016x}, then {again:016x}"))),
        }
    });
    steps.then("the DUT repeats its request with the cookie first and all else unchanged", repeats_with_cookie);
    steps.then("the DUT returns the cookie unchanged", |testbed, step| {
        let (_, again) = two_requests(testbed, step)?;
        let asked = testbed.seen().iter().filter(|seen| !seen.from_dut).filter_map(Seen::ike);
        let asked = asked.filter_map(|ike| ike.notify(NotifyType::COOKIE)).next().cloned();
        let asked = asked.ok_or_else(|| StepError::inconclusive("the tester has not asked for a cookie"))?;
        let returned = again.notifies().find(|notify| notify.notify_type == NotifyType::COOKIE);
        let returned = returned.map(|notify| notify.data.clone()).unwrap_or_default();
        if returned == asked.data {
            return Ok(());
        }
        let came = format!("{} octets, not the same", returned.len());
        Err(StepError::failed(format!("the cookie of {} octets", asked.data.len()), came))
    });
}

// ---- The DUT is asked ----

fn cookie_of(testbed: &mut Testbed, octets: usize) -> Notify {
    let data: Vec<u8> = (0..octets).map(|_| testbed.random().to_be_bytes()[0]).collect();
    Notify::new(NotifyType::COOKIE, data)
}

/// Puts these notifies in place of the tester's next IKE_SA_INIT response.
fn refuse_next(testbed: &mut Testbed, notifies: Vec<Notify>) {
    testbed.edits.message(Which::response(ExchangeType::IKE_SA_INIT), move |draft| {
        draft.header.responder_spi = 0;
        draft.clear = notifies.iter().map(|notify| Payload::from(Body::Notify(notify.clone()))).collect();
    });
}

/// The DUT's IKE_SA_INIT requests since the stimulus, retransmissions left out.
fn init_requests(testbed: &Testbed) -> Vec<Message> {
    let mut requests: Vec<&SeenIke> = Vec::new();
    for ike in testbed.from_dut_since(testbed.since()).filter_map(Seen::ike) {
        let init = ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT);
        if init && !ike.is_response() && requests.iter().all(|earlier| earlier.octets != ike.octets) {
            requests.push(ike);
        }
    }
    requests.into_iter().filter_map(|ike| ike.message.as_ref().ok().cloned()).collect()
}

/// The DUT's first request, and the one in which it has heeded the answer.
fn two_requests(testbed: &mut Testbed, step: &mut Step) -> Result<(Message, Message), StepError> {
    let limit = testbed.answer_limit();
    testbed.await_state(limit, |testbed| init_requests(testbed).len() >= 2)?;
    let mut requests = init_requests(testbed).into_iter();
    match (requests.next(), requests.next()) {
        (Some(first), Some(again)) => {
            step.observed("the request was repeated");
            Ok((first, again))
        }
        _ => Err(StepError::failed(format!("another IKE_SA_INIT request within {limit:?}"), instead(testbed))),
    }
}

fn repeats_with_cookie(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (first, again) = two_requests(testbed, step)?;
    let is_cookie = |payload: &Payload| matches!(&payload.body, Body::Notify(n) if n.notify_type == NotifyType::COOKIE);
    if !again.payloads.first().is_some_and(is_cookie) {
        let first = again.payloads.first().map(|payload| payload.body.payload_type().to_string());
        return Err(StepError::failed("N(COOKIE) as first payload", first.unwrap_or_default()));
    }
    // The hashes of NAT detection are told apart: some fake them, and afresh each time.
    let is_nat = |payload: &Payload| {
        use NotifyType as N;
        let nat = [N::NAT_DETECTION_SOURCE_IP, N::NAT_DETECTION_DESTINATION_IP];
        matches!(&payload.body, Body::Notify(notify) if nat.contains(&notify.notify_type))
    };
    let rest = |message: &Message| -> Vec<Payload> {
        message.payloads.iter().filter(|payload| !is_cookie(payload) && !is_nat(payload)).cloned().collect()
    };
    if first.header != again.header {
        return Err(StepError::failed("the header of the first request", format!("{:?}", again.header)));
    }
    let nat = |message: &Message| -> Vec<Payload> { message.payloads.iter().filter(|p| is_nat(p)).cloned().collect() };
    step.observed(if nat(&first) == nat(&again) { "NAT detection unchanged" } else { "NAT detection made afresh" });
    let (before, after) = (rest(&first), rest(&again));
    if before == after {
        return Ok(());
    }
    let names = |payloads: &[Payload]| -> String {
        payloads.iter().map(|payload| payload.body.payload_type().to_string()).collect::<Vec<_>>().join(" ")
    };
    let changed = before.iter().find(|payload| !after.contains(payload)).map(|p| p.body.payload_type().to_string());
    let came = format!("{}; {} changed", names(&after), changed.unwrap_or_else(|| "order".to_owned()));
    Err(StepError::failed(format!("{} as before", names(&before)), came))
}

// ---- The DUT asks ----

/// Opens half-open IKE SAs until the DUT asks for a cookie, and then sends eight requests more.
fn floods(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let most: u32 = step.arg(0)?;
    send_init(testbed)?;
    // Address resolution may come first: what the tester sends is on its way when the answer comes.
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    testbed.await_ike(since, limit, SeenIke::is_response)?;
    let request = tester_request(testbed, since)?;
    let mut left = most;
    while left > 0 {
        left -= 1;
        let fresh = fresh_request(testbed, &request);
        send(testbed, &fresh)?;
        // What is not answered is no half-open IKE SA either.
        if await_answer(testbed, &fresh)? == Some(true) {
            left = left.min(8);
        }
    }
    Ok(())
}

/// The tester's own request, as a pattern for others.
fn tester_request(testbed: &Testbed, since: usize) -> Result<Message, StepError> {
    let sent = testbed.seen().get(since..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
    let request = sent.filter_map(Seen::ike).find_map(|ike| ike.message.as_ref().ok().cloned());
    request.ok_or_else(|| StepError::inconclusive("the tester's request was not sent"))
}

/// A request of the same kind with a SPI and a nonce of its own.
fn fresh_request(testbed: &mut Testbed, pattern: &Message) -> Message {
    let mut fresh = pattern.clone();
    fresh.header.initiator_spi = testbed.random() | 1;
    for payload in &mut fresh.payloads {
        if let Body::Nonce(nonce) = &mut payload.body {
            nonce.iter_mut().for_each(|octet| *octet = testbed.random().to_be_bytes()[0]);
        }
    }
    fresh
}

fn send(testbed: &mut Testbed, message: &Message) -> StepResult {
    let path = testbed.path();
    testbed.send_ike(path, &message.to_bytes())
}

/// Is it a cookie (`true`) or something else that comes back? Nothing: `None`.
fn await_answer(testbed: &mut Testbed, request: &Message) -> Result<Option<bool>, StepError> {
    let (spi, limit, since) = (request.header.initiator_spi, testbed.answer_limit(), testbed.since());
    let found = testbed.await_ike(since, limit, |ike| {
        ike.is_response() && ike.header.is_some_and(|header| header.initiator_spi == spi)
    })?;
    let answer = found.and_then(|index| testbed.seen().get(index)).and_then(Seen::ike);
    Ok(answer.map(|ike| ike.notify(NotifyType::COOKIE).is_some()))
}

/// The DUT's IKE_SA_INIT responses since a mark: cookie or not.
fn answers_since(testbed: &Testbed, mark: usize) -> Vec<bool> {
    let responses = testbed.from_dut_since(mark).filter_map(Seen::ike).filter(|ike| ike.is_response());
    responses.map(|ike| ike.notify(NotifyType::COOKIE).is_some()).collect()
}

/// The DUT's last message with a cookie.
fn last_cookie(testbed: &Testbed) -> Result<&SeenIke, StepError> {
    let messages = testbed.seen().iter().rev().filter(|seen| seen.from_dut).filter_map(Seen::ike);
    let mut cookies = messages.filter(|ike| ike.notify(NotifyType::COOKIE).is_some());
    cookies.next().ok_or_else(|| StepError::inconclusive("the DUT has not asked for a cookie"))
}

/// The first cookie that the DUT has asked for since a mark, and the request that it was the answer to.
fn cookie_round(testbed: &Testbed, since: usize) -> Result<(Message, Vec<u8>), StepError> {
    let mut asked = testbed.from_dut_since(since).filter_map(Seen::ike);
    let asked = asked.find_map(|ike| Some((ike.header?.initiator_spi, ike.notify(NotifyType::COOKIE)?.data.clone())));
    let asked = asked.ok_or_else(|| StepError::inconclusive("the DUT has not asked for a cookie"))?;
    let sent = testbed.seen().get(since..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
    let mut sent = sent.filter_map(Seen::ike).filter_map(|ike| ike.message.as_ref().ok());
    let request = sent.find(|message| message.header.initiator_spi == asked.0).cloned();
    Ok((request.ok_or_else(|| StepError::testbed("the request for this cookie is lost"))?, asked.1))
}

fn return_cookie(testbed: &mut Testbed, mut request: Message, cookie: Vec<u8>) -> StepResult {
    request.payloads.insert(0, Body::Notify(Notify::new(NotifyType::COOKIE, cookie)).into());
    testbed.begin_stimulus();
    send(testbed, &request)
}
