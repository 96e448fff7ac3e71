//! The IKE header (RFC 7296 section 3.1): versions, flags, SPIs, Message IDs, length.

use super::common::{instead, judge, send_edited_init};
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, Which};
use wire::Derived;
use wire::ikev2::{ExchangeType, Flags, Header, NotifyType};

/// A port that no IKE implementation listens on.
const OTHER_PORT: u16 = 40_500;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the tester sets the flag bits {hex} in all its requests", |testbed, step| {
        let bits = octet(step)?;
        testbed
            .edits
            .every_message(Which { exchange: None, response: false }, move |draft| draft.header.flags.0 |= bits);
        Ok(())
    });

    steps.when("the tester sends an IKE_SA_INIT request with the version octet {hex}", |testbed, step| {
        let version = octet(step)?;
        send_edited_init(testbed, move |draft| draft.header.version = version)
    });
    steps.when("the tester sends an IKE_SA_INIT request with the flag bits {hex} set as well", |testbed, step| {
        let bits = octet(step)?;
        send_edited_init(testbed, move |draft| draft.header.flags.0 |= bits)
    });
    steps.when("the tester sends an IKE_SA_INIT request whose header says {int} octets", |testbed, step| {
        let length = step.arg(0)?;
        send_edited_init(testbed, move |draft| draft.header.length = Derived::Exactly(length))
    });
    steps.when("the tester sends an INFORMATIONAL message that is marked as a response", |testbed, _| {
        let info = testbed.ike_sa()?;
        let header = testbed.header(&info, ExchangeType::INFORMATIONAL, info.next_request, true);
        let message = testbed.protect(header, Vec::new(), |_| {})?;
        testbed.begin_stimulus();
        testbed.send_ike(info.path, &message.to_bytes())
    });
    steps.when("the tester sends an empty INFORMATIONAL request from another port", |testbed, _| {
        let info = testbed.ike_sa()?;
        let header = testbed.header(&info, ExchangeType::INFORMATIONAL, info.next_request, false);
        let message = testbed.protect(header, Vec::new(), |_| {})?;
        let mut path = info.path;
        path.local.set_port(OTHER_PORT);
        testbed.begin_stimulus();
        testbed.send_ike(path, &message.to_bytes())
    });
    steps.when("the DUT is told to close the IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::ClearSas).map(drop)
    });
    steps.when("the DUT is told to set up an IKE SA, forget it unanswered, and set up another", begins_twice);

    steps.then("the DUT answers INVALID_MAJOR_VERSION under the header of the request", refuses_version);
    steps.then("every message of the DUT has version 2.0", |testbed, step| {
        every_header(testbed, step, "version octet 0x20", |header| header.version == Header::VERSION_2)
    });
    steps.then("every message of the DUT has its reserved flags clear", |testbed, step| {
        every_header(testbed, step, "reserved flags clear", |header| header.flags.reserved() == 0)
    });
    steps.then("every message of the DUT has its Version flag clear", |testbed, step| {
        every_header(testbed, step, "Version flag clear", |header| header.flags.0 & Flags::VERSION == 0)
    });
    steps.then("every message of the DUT has its Response flag set", |testbed, step| {
        every_header(testbed, step, "Response flag set", |header| header.flags.response())
    });
    steps.then("every message of the DUT has its Initiator flag set", |testbed, step| {
        every_header(testbed, step, "Initiator flag set", |header| header.flags.initiator())
    });
    steps.then("every message of the DUT has its Initiator flag clear", |testbed, step| {
        every_header(testbed, step, "Initiator flag clear", |header| !header.flags.initiator())
    });
    steps.then("the Message IDs of the DUT are 0 in IKE_SA_INIT and 1 in IKE_AUTH", |testbed, step| {
        every_header(testbed, step, "Message ID 0 in IKE_SA_INIT, 1 in IKE_AUTH", |header| match header.exchange_type {
            ExchangeType::IKE_SA_INIT => header.message_id == 0,
            ExchangeType::IKE_AUTH => header.message_id == 1,
            _ => true,
        })
    });
    steps.then("the DUT's Delete has the Response flag clear", |testbed, step| {
        let header = delete_header(testbed, step)?;
        expect(!header.flags.response(), "a request, with the Response flag clear", header)
    });
    steps.then("the DUT's Delete has the Initiator flag clear", |testbed, step| {
        let header = delete_header(testbed, step)?;
        expect(!header.flags.initiator(), "the Initiator flag clear", header)
    });
    steps.then("the DUT's SPIs differ and neither is zero", spis_differ);
    steps.then("the DUT answers as the responder of the new IKE SA", |testbed, step| {
        let info = testbed.ike_sa()?;
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let found = testbed.await_ike(since, limit, |ike| {
            let spi = |header: &Header| header.initiator_spi == info.spis.0 || header.responder_spi == info.spis.0;
            ike.header.as_ref().is_some_and(spi)
        })?;
        let expected = || format!("a message of the new IKE SA within {limit:?}");
        let ike = judge(testbed, step, found, expected)?;
        // An INVALID_IKE_SPI in the clear has the header of an answer too.
        let opened = matches!(ike.opened, Some(Ok(_)));
        let header = ike.header.ok_or_else(|| StepError::testbed("a message without a header"))?;
        let order = (header.initiator_spi, header.responder_spi) == info.spis;
        let proper = opened && order && header.flags.0 == Flags::RESPONSE;
        expect(proper, "protected, the tester's SPI first, Response flag set, Initiator flag clear", header)
    });
    steps.then("the DUT answers to the other port", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let info = testbed.ike_sa()?;
        let found = testbed.await_ike(since, limit, |ike| {
            ike.is_response() && ike.header.is_some_and(|header| header.message_id == info.next_request)
        })?;
        let ike = judge(testbed, step, found, || format!("a response within {limit:?}"))?;
        let (port, opened) = (ike.path.remote.port(), matches!(ike.opened, Some(Ok(_))));
        if port == OTHER_PORT && opened {
            return Ok(());
        }
        Err(StepError::failed(format!("a protected response to port {OTHER_PORT}"), format!("one to port {port}")))
    });
}

fn octet(step: &Step) -> Result<u8, StepError> {
    u8::try_from(step.number(0)?).map_err(StepError::testbed)
}

fn expect(holds: bool, expected: &str, header: Header) -> StepResult {
    if holds {
        return Ok(());
    }
    let Header { initiator_spi, responder_spi, flags, message_id, .. } = header;
    let came = format!("SPIs {initiator_spi:016x}/{responder_spi:016x}, flags 0x{:02x}, ID {message_id}", flags.0);
    Err(StepError::failed(expected, came))
}

/// Judges the header of every IKE message that the DUT has sent in this scenario; there must be one.
fn every_header(testbed: &mut Testbed, step: &mut Step, expected: &str, fits: fn(&Header) -> bool) -> StepResult {
    let mut judged = 0;
    let mut bad = None;
    for seen in testbed.from_dut_since(0) {
        let Some(header) = seen.ike().and_then(|ike| ike.header) else { continue };
        judged += 1;
        if !fits(&header) {
            bad = Some((seen.index, seen.summary(), header));
            break;
        }
    }
    step.observed(format!("{judged} messages"));
    if let Some((index, summary, header)) = bad {
        testbed.comment(index, format!("judged: {}", step.text()));
        let came = format!("version octet 0x{:02x}, flags 0x{:02x}: {summary}", header.version, header.flags.0);
        return Err(StepError::failed(expected, came));
    }
    if judged == 0 {
        return Err(StepError::failed("IKE messages of the DUT", instead(testbed)));
    }
    Ok(())
}

fn refuses_version(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    let request =
        testbed.seen().get(since..).unwrap_or_default().iter().find(|seen| !seen.from_dut && seen.ike().is_some());
    let request = request.and_then(Seen::ike).and_then(|ike| ike.header);
    let request = request.ok_or_else(|| StepError::inconclusive("the tester's request was not sent"))?;
    let found = testbed.await_ike(since, limit, |ike| ike.notify(NotifyType::INVALID_MAJOR_VERSION).is_some())?;
    let ike = judge(testbed, step, found, || format!("N(INVALID_MAJOR_VERSION) within {limit:?}"))?;
    let (protected, header) = (ike.protected, ike.header);
    let header = header.ok_or_else(|| StepError::testbed("a message without a header"))?;
    let same = (header.initiator_spi, header.responder_spi, header.message_id, header.exchange_type)
        == (request.initiator_spi, request.responder_spi, request.message_id, request.exchange_type);
    let proper = same && header.flags.response() && !protected && header.major_version() == 2;
    expect(proper, "a response in the clear with the SPIs, Message ID and exchange type of the request", header)
}

fn begins_twice(testbed: &mut Testbed, _: &mut Step) -> StepResult {
    testbed.begin_stimulus();
    testbed.edits.hold(Which::response(ExchangeType::IKE_SA_INIT), None);
    let limit = testbed.answer_limit();
    for attempt in ["first", "second"] {
        let mark = testbed.mark();
        // A late retransmission of the first attempt is not the second one.
        let earlier: Vec<Vec<u8>> =
            testbed.from_dut_since(0).filter_map(Seen::ike).map(|ike| ike.octets.clone()).collect();
        testbed.control(Hook::Initiate)?;
        let is_new = |ike: &SeenIke| !ike.is_response() && !earlier.contains(&ike.octets);
        if testbed.await_ike(mark, limit, is_new)?.is_none() {
            return Err(StepError::inconclusive(format!("no IKE_SA_INIT request at the {attempt} attempt")));
        }
        testbed.control(Hook::ForgetSas)?;
    }
    Ok(())
}

fn spis_differ(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let headers = testbed.from_dut_since(testbed.since()).filter_map(|seen| seen.ike().and_then(|ike| ike.header));
    let requests = headers.filter(|h| h.exchange_type == ExchangeType::IKE_SA_INIT && !h.flags.response());
    let mut spis: Vec<u64> = requests.map(|header| header.initiator_spi).collect();
    spis.dedup();
    let words: Vec<String> = spis.iter().map(|spi| format!("{spi:016x}")).collect();
    step.observed(words.join(", "));
    match spis.as_slice() {
        [first, second, ..] if first != second && !spis.contains(&0) => Ok(()),
        _ => Err(StepError::failed("two SPIs, different and not zero", words.join(", "))),
    }
}

/// The header of the DUT's first INFORMATIONAL message since it was told to close the IKE SA. Under a wrong flag it
/// cannot be opened, so that its payloads do not count.
fn delete_header(testbed: &mut Testbed, step: &mut Step) -> Result<Header, StepError> {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    let is_informational = |header: Header| header.exchange_type == ExchangeType::INFORMATIONAL;
    let found = testbed.await_ike(since, limit, |ike| ike.header.is_some_and(is_informational))?;
    let ike = judge(testbed, step, found, || format!("a Delete within {limit:?}"))?;
    ike.header.ok_or_else(|| StepError::testbed("a message without a header"))
}
