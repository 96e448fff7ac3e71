//! Steps that every area needs: SAs up, traffic through, answers, silence and its control.

use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, Which};
use reference_peer::hands::Draft;
use wire::ikev2::{ExchangeType, Header, NotifyType, PayloadType};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("an IKE SA and a Child SA", |testbed, _| testbed.establish());
    steps.given("an IKE SA and a Child SA of {word}", |testbed, step| {
        let proposal = step.arg(0)?;
        testbed.reconfigure_tester(|config| {
            for connection in &mut config.ike.connections {
                for child in &mut connection.children {
                    child.esp_proposals = vec![std::clone::Clone::clone(&proposal)];
                }
            }
        });
        testbed.establish()
    });
    steps.given("an IKE SA and a Child SA that the DUT has begun", |testbed, _| testbed.let_dut_establish());
    steps.given("pings come through", pings_come_through);

    steps.when("the tester sends an IKE_SA_INIT request", |testbed, _| send_init(testbed));
    steps.when("the tester sets up an IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.when("the DUT is told to set up an IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::Initiate).map(drop)
    });
    steps.when("the tester sends an empty INFORMATIONAL request", |testbed, _| {
        testbed.begin_stimulus();
        testbed.request(ExchangeType::INFORMATIONAL, Vec::new())?;
        Ok(())
    });
    steps.when("{int} pings are sent through the tunnel", |testbed, step| {
        testbed.begin_stimulus();
        let count = step.arg(0)?;
        let limit = testbed.answer_limit();
        testbed.pings(count, limit)?;
        Ok(())
    });

    steps.then("the DUT answers with SA, KE and Nonce", |testbed, step| {
        let answer = answer(testbed, step, ExchangeType::IKE_SA_INIT)?;
        has_payloads(answer, &[PayloadType::SECURITY_ASSOCIATION, PayloadType::KEY_EXCHANGE, PayloadType::NONCE])
    });
    steps.then("an IKE SA and a Child SA come up and answer", |testbed, _| comes_up(testbed));
    steps.then("the DUT makes no IKE SA of it", makes_no_ike_sa);
    steps.then("the DUT sends nothing", |testbed, _| sends_nothing(testbed));
    steps.then("a proper IKE_SA_INIT request is answered", |testbed, _| answers_init(testbed));
    steps.then("an empty INFORMATIONAL request is answered", |testbed, _| {
        if testbed.is_alive()? {
            return Ok(());
        }
        Err(StepError::failed(format!("a response within {:?}", testbed.answer_limit()), "none"))
    });
    steps.then("pings come through", pings_come_through);
    steps.then("pings from the inside come through", |testbed, step| {
        let before = testbed.inside_received().len();
        let ping = testbed.send_ping_from_inside()?;
        let limit = testbed.answer_limit();
        let came = testbed.await_state(limit, |testbed| testbed.came_out_inside(before, |p| ping.is_answered_by(p)))?;
        step.observed(if came { "answered" } else { "not answered" });
        if came { Ok(()) } else { Err(StepError::failed(format!("an answer within {limit:?}"), "none")) }
    });
    steps.then("the DUT's response carries the notify {word}", |testbed, step| {
        let wanted = notify_type(step, 0)?;
        let answer = any_response(testbed, step)?;
        match answer.notify(wanted) {
            Some(_) => Ok(()),
            None => Err(StepError::failed(format!("N({wanted})"), answer.summary())),
        }
    });
}

/// Sends an IKE_SA_INIT request and goes no further: IKE_AUTH is held back.
pub(super) fn send_init(testbed: &mut Testbed) -> StepResult {
    testbed.begin_stimulus();
    testbed.edits.hold(Which::request(ExchangeType::IKE_AUTH), None);
    testbed.begin_ike_sa()
}

/// The same with a request that has been edited before it was sent.
pub(super) fn send_edited_init(testbed: &mut Testbed, edit: impl FnMut(&mut Draft) + Send + 'static) -> StepResult {
    testbed.edits.message(Which::request(ExchangeType::IKE_SA_INIT), edit);
    send_init(testbed)
}

/// The tester has an IKE SA and a Child SA, and the DUT answers on it.
fn comes_up(testbed: &mut Testbed) -> StepResult {
    let limit = testbed.answer_limit() * 3;
    let up = testbed.await_state(limit, |testbed| testbed.ike_sa().is_ok() && testbed.child().is_ok())?;
    let expected = || format!("an IKE SA and a Child SA within {limit:?}");
    if !up {
        return Err(StepError::failed(expected(), testbed.story(0)));
    }
    if testbed.is_alive()? { Ok(()) } else { Err(StepError::failed("an answer on the IKE SA", instead(testbed))) }
}

/// No IKE_SA_INIT response that goes on comes for the time that counts as silence. An error notify may come.
fn makes_no_ike_sa(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (since, silence) = (testbed.since(), testbed.silence());
    let goes_on =
        |ike: &SeenIke| ike.is_response() && !ike.protected && ike.payload(PayloadType::KEY_EXCHANGE).is_some();
    let found = testbed.await_ike(since, silence, goes_on)?;
    step.observed(instead(testbed));
    match found {
        None => Ok(()),
        Some(index) => {
            testbed.comment(index, "judged: no IKE SA was expected here");
            Err(StepError::failed("no response with a KE payload", instead(testbed)))
        }
    }
}

/// The DUT's first response of an exchange since the stimulus.
pub(super) fn answer<'a>(
    testbed: &'a mut Testbed,
    step: &mut Step,
    exchange: ExchangeType,
) -> Result<&'a SeenIke, StepError> {
    let limit = testbed.answer_limit();
    let since = testbed.since();
    let found = testbed.await_ike(since, limit, |ike| {
        ike.is_response() && ike.header.is_some_and(|header| header.exchange_type == exchange)
    })?;
    judge(testbed, step, found, || format!("an {exchange} response within {limit:?}"))
}

/// The DUT's first response since the stimulus, whatever the exchange.
pub(super) fn any_response<'a>(testbed: &'a mut Testbed, step: &mut Step) -> Result<&'a SeenIke, StepError> {
    let limit = testbed.answer_limit();
    let since = testbed.since();
    let found = testbed.await_ike(since, limit, SeenIke::is_response)?;
    judge(testbed, step, found, || format!("a response within {limit:?}"))
}

/// The message found, marked in the capture; or the failure, with what came instead.
pub(super) fn judge<'a>(
    testbed: &'a mut Testbed,
    step: &mut Step,
    found: Option<usize>,
    expected: impl FnOnce() -> String,
) -> Result<&'a SeenIke, StepError> {
    let came = instead(testbed);
    let Some(index) = found else { return Err(StepError::failed(expected(), came)) };
    testbed.comment(index, format!("judged: {}", step.text()));
    let ike = testbed.seen().get(index).and_then(Seen::ike);
    let ike = ike.ok_or_else(|| StepError::testbed("the packet found is no IKE message"))?;
    step.observed(ike.summary());
    Ok(ike)
}

/// What the DUT has sent since the stimulus, in words.
pub(super) fn instead(testbed: &Testbed) -> String {
    let came: Vec<String> =
        testbed.from_dut_since(testbed.since()).filter(|seen| seen.is_traffic()).take(5).map(Seen::summary).collect();
    if came.is_empty() { "nothing from the DUT".to_owned() } else { came.join("; ") }
}

/// Fails unless a message carries all of these payloads.
pub(super) fn has_payloads(ike: &SeenIke, wanted: &[PayloadType]) -> StepResult {
    let missing: Vec<String> =
        wanted.iter().filter(|wanted| ike.payload(**wanted).is_none()).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(StepError::failed(format!("a message with {}", missing.join(", ")), ike.summary()))
}

/// Nothing but address resolution comes from the DUT on the outside for the time that counts as silence.
pub(super) fn sends_nothing(testbed: &mut Testbed) -> StepResult {
    let since = testbed.since();
    let silence = testbed.silence();
    let found = testbed.await_seen(since, silence, |seen| seen.from_dut && seen.is_traffic())?;
    match found {
        None => Ok(()),
        Some(index) => {
            testbed.comment(index, "judged: nothing was expected here");
            Err(StepError::failed(format!("silence for {silence:?}"), instead(testbed)))
        }
    }
}

/// The control: a fresh and proper IKE_SA_INIT request is answered.
pub(super) fn answers_init(testbed: &mut Testbed) -> StepResult {
    if testbed.answers_ike_sa_init()? {
        return Ok(());
    }
    Err(StepError::failed(format!("SA, KE and Nonce within {:?}", testbed.answer_limit()), instead(testbed)))
}

/// Three pings through the tunnel, one at a time.
pub(super) fn pings_come_through(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    testbed.settle_isakmp()?;
    let limit = testbed.answer_limit();
    let pings = testbed.pings(3, limit)?;
    step.observed(format!("{} of {} pings answered", pings.answered, pings.sent));
    if pings.answered == pings.sent {
        return Ok(());
    }
    Err(StepError::failed(
        format!("{} answers, each within {limit:?}", pings.sent),
        format!("{} answers", pings.answered),
    ))
}

/// A notify type by its IANA name or number.
pub(super) fn notify_type(step: &Step, index: usize) -> Result<NotifyType, StepError> {
    named_notify(step, index, |number| NotifyType(number).name()).map(NotifyType)
}

/// The number of a notify type, which a step gives by its name in this version of IKE or as it is.
pub(super) fn named_notify(
    step: &Step,
    index: usize,
    name: impl Fn(u16) -> Option<&'static str>,
) -> Result<u16, StepError> {
    let text = step.arg_text(index)?;
    let known = (0..=u16::MAX).find(|number| name(*number) == Some(text));
    known
        .or_else(|| text.parse().ok())
        .ok_or_else(|| StepError::testbed(format!("{}: no notify is called {text}", step.place())))
}

/// The tester's first IKE request since the stimulus.
pub(super) fn asked(testbed: &Testbed) -> Result<Header, StepError> {
    let sent = testbed.seen().get(testbed.since()..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
    sent.filter_map(Seen::ike)
        .filter(|ike| !ike.is_response())
        .find_map(|ike| ike.header)
        .ok_or_else(|| StepError::inconclusive("the tester has sent no IKE request since the stimulus"))
}

/// Does a message answer this request: its R flag, exchange type, Message ID and initiator's SPI?
pub(super) fn answers(ike: &SeenIke, request: &Header) -> bool {
    ike.header.is_some_and(|header| {
        header.flags.response()
            && (header.message_id, header.exchange_type, header.initiator_spi)
                == (request.message_id, request.exchange_type, request.initiator_spi)
    })
}

/// The DUT's protected response to the tester's request.
pub(super) fn protected_answer<'a>(testbed: &'a mut Testbed, step: &mut Step) -> Result<&'a SeenIke, StepError> {
    let request = asked(testbed)?;
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    let fits = |ike: &SeenIke| answers(ike, &request) && matches!(ike.opened, Some(Ok(_)));
    let found = testbed.await_ike(since, limit, fits)?;
    judge(testbed, step, found, || {
        format!("a protected {} response, ID {}, within {limit:?}", request.exchange_type, request.message_id)
    })
}

/// The DUT sends nothing that fits from the stimulus on until the time that counts as silence is over.
pub(super) fn sends_none(testbed: &mut Testbed, fits: impl Fn(&SeenIke) -> bool, what: &str) -> StepResult {
    let since = testbed.since();
    let silence = testbed.silence();
    match testbed.await_ike(since, silence, fits)? {
        None => Ok(()),
        Some(index) => {
            testbed.comment(index, "judged: nothing of this kind was expected");
            let came = testbed.seen().get(index).map(Seen::summary).unwrap_or_default();
            Err(StepError::failed(format!("no {what} for {silence:?}"), came))
        }
    }
}

/// Lets time pass until the tester's first IKE message since the stimulus is on the wire: the first of all has to wait
/// for address resolution.
pub(super) fn on_the_wire(testbed: &mut Testbed) -> StepResult {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    match testbed.await_seen(since, limit, |seen| !seen.from_dut && seen.ike().is_some())? {
        Some(_) => Ok(()),
        None => Err(StepError::inconclusive(format!("the DUT's address was not resolved within {limit:?}"))),
    }
}
