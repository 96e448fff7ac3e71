//! Payloads and how they are read (RFC 7296 sections 2.5, 3.2 to 3.14): critical and reserved bits, order, lengths,
//! unknown types, nonces, padding, IVs and the integrity check.

use super::common::{instead, judge, send_edited_init};
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, Which};
use reference_peer::config::IkeProposal;
use reference_peer::hands::Draft;
use std::collections::BTreeSet;
use wire::Derived;
use wire::ikev2::{
    Body, ExchangeType, Header, Message, Notify, NotifyType, Payload, PayloadType, Proposal, ProtocolId,
    SecurityAssociation,
};

/// A payload type that IANA has left unassigned.
const UNKNOWN: PayloadType = PayloadType(200);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    register_setup(steps);
    register_init(steps);
    register_protected(steps);
    register_judgements(steps);
}

/// Edits of what the tester sends while an IKE SA is set up.
fn register_setup(steps: &mut Steps<Testbed>) {
    steps.given("the tester puts unknown payloads at the start, middle and end of its requests", |testbed, _| {
        edit_setup(testbed, false, |payloads| {
            payloads.insert(0, unknown(false));
            payloads.insert(payloads.len() / 2, unknown(false));
            payloads.push(unknown(false));
        });
        Ok(())
    });
    steps.given("the tester puts an unknown critical payload into its IKE_AUTH request", |testbed, _| {
        testbed.edits.message(Which::request(ExchangeType::IKE_AUTH), |draft| payloads_of(draft).push(unknown(true)));
        Ok(())
    });
    steps.given("the tester sets the critical bit of all payloads in its requests", |testbed, _| {
        edit_setup(testbed, false, |payloads| payloads.iter_mut().for_each(|payload| payload.critical = true));
        Ok(())
    });
    steps.given("the tester fills all RESERVED fields of its requests", |testbed, _| {
        edit_setup(testbed, false, |payloads| payloads.iter_mut().for_each(fill_reserved));
        Ok(())
    });
    steps.given("the tester sends the payloads of its requests in the opposite order", |testbed, _| {
        edit_setup(testbed, false, |payloads| payloads.reverse());
        Ok(())
    });
    steps.given("the tester adds unknown status notifies to its requests", |testbed, _| {
        edit_setup(testbed, false, add_status);
        Ok(())
    });
    steps.given("the tester adds unknown status notifies to its responses", |testbed, _| {
        edit_setup(testbed, true, add_status);
        Ok(())
    });
    steps.given("the tester adds an unknown error notify to its IKE_AUTH request", |testbed, _| {
        testbed.edits.message(Which::request(ExchangeType::IKE_AUTH), |draft| {
            payloads_of(draft).push(Body::Notify(Notify::new(NotifyType(8191), [])).into());
        });
        Ok(())
    });
    steps.given("an IKE SA of {word} and a Child SA", |testbed, step| {
        let proposal: IkeProposal = step.arg(0)?;
        if !testbed.profile().ike().proposals.contains(&proposal) {
            return Err(StepError::not_applicable(format!("the profile has no IKE proposal {}", step.arg_text(0)?)));
        }
        testbed.reconfigure_tester(|config| {
            for connection in &mut config.ike.connections {
                connection.ike_proposals = vec![proposal.clone()];
            }
        });
        testbed.establish()
    });
}

/// IKE_SA_INIT requests of all kinds.
fn register_init(steps: &mut Steps<Testbed>) {
    steps.when("the tester sends an IKE_SA_INIT request with an unknown critical payload", |testbed, _| {
        send_edited_init(testbed, |draft| draft.clear.push(unknown(true)))
    });
    steps.when("the tester sends an IKE_SA_INIT request with a nonce of {int} octets", |testbed, step| {
        let nonce: Vec<u8> = (0..step.arg(0)?).map(|_| testbed.random().to_be_bytes()[0]).collect();
        send_edited_init(testbed, move |draft| {
            for payload in &mut draft.clear {
                if let Body::Nonce(data) = &mut payload.body {
                    data.clone_from(&nonce);
                }
            }
        })
    });
    steps.when("the tester sends an IKE_SA_INIT request whose Nonce payload says {int} octets", |testbed, step| {
        let length = step.arg(0)?;
        send_edited_init(testbed, move |draft| {
            for payload in &mut draft.clear {
                if payload.body.payload_type() == PayloadType::NONCE {
                    payload.length = Derived::Exactly(length);
                }
            }
        })
    });
    steps.when(
        "^the tester sends an IKE_SA_INIT request in whose SA payload (the proposal is too long|the count of transforms \
         is one too high|the count of transforms is one too low|a transform has length 0)$",
        |testbed, step| {
            let fault = step.arg_text(0)?.to_owned();
            send_edited_init(testbed, move |draft| {
                for payload in &mut draft.clear {
                    if let Body::SecurityAssociation(sa) = &mut payload.body {
                        break_lengths(sa, &fault);
                    }
                }
            })
        },
    );
    steps.when("the tester sends an IKE_SA_INIT request with twenty unfamiliar Vendor IDs", |testbed, _| {
        let ids: Vec<Payload> = [0, 1, 16, 255]
            .into_iter()
            .cycle()
            .take(20)
            .map(|octets| Body::VendorId((0..octets).map(|_| testbed.random().to_be_bytes()[0]).collect()).into())
            .collect();
        // The longest five alone would make an IP fragment of it: that is another matter.
        let mut left = 900;
        let ids: Vec<Payload> = ids
            .into_iter()
            .filter(|payload| match &payload.body {
                Body::VendorId(id) if id.len() > left => false,
                Body::VendorId(id) => {
                    left -= id.len();
                    true
                }
                _ => true,
            })
            .collect();
        send_edited_init(testbed, move |draft| draft.clear.extend(ids.clone()))
    });
    steps.when("the tester sends an IKE_SA_INIT request of {int} octets", |testbed, step| {
        let wanted: usize = step.arg(0)?;
        send_edited_init(testbed, move |draft| {
            let octets = Message::new(draft.header, draft.clear.clone()).to_bytes().len();
            // The generic header of the Vendor ID takes four.
            let fill = wanted.saturating_sub(octets).saturating_sub(4);
            draft.clear.push(Body::VendorId(vec![0x56; fill]).into());
        })
    });
    steps.when("the tester sends an IKE_SA_INIT request whose notifies name IKE and no SPI", |testbed, _| {
        send_edited_init(testbed, |draft| {
            for payload in &mut draft.clear {
                if let Body::Notify(notify) = &mut payload.body {
                    notify.protocol = ProtocolId::IKE;
                }
            }
        })
    });
}

/// Messages on an IKE SA that is up.
fn register_protected(steps: &mut Steps<Testbed>) {
    steps.when(
        "the tester sends an empty INFORMATIONAL request with {int} octets of random padding",
        |testbed, step| {
            let padding: Vec<u8> = (0..step.arg(0)?).map(|_| testbed.random().to_be_bytes()[0]).collect();
            testbed.edits.message(Which::request(ExchangeType::INFORMATIONAL), move |draft| {
                draft.padding = Some(padding.clone());
            });
            testbed.begin_stimulus();
            testbed.request(ExchangeType::INFORMATIONAL, Vec::new()).map(drop)
        },
    );
    steps.when("the tester sends {int} empty INFORMATIONAL requests", |testbed, step| {
        testbed.begin_stimulus();
        for _ in 0..step.arg(0)? {
            testbed.request(ExchangeType::INFORMATIONAL, Vec::new())?;
        }
        Ok(())
    });
    steps.when(
        "^the tester sends an INFORMATIONAL request with one bit of its (header|IV|ciphertext|ICV) flipped$",
        flip,
    );
    steps.when(
        "the tester sends an INFORMATIONAL request that says {int} octets of a payload inside",
        |testbed, step| malformed_inside(testbed, step.arg(0)?, true),
    );
    steps.when(
        "the tester sends an INFORMATIONAL request with a bad checksum that says {int} octets of a payload inside",
        |testbed, step| malformed_inside(testbed, step.arg(0)?, false),
    );
}

fn register_judgements(steps: &mut Steps<Testbed>) {
    steps.then("the DUT names the payload in UNSUPPORTED_CRITICAL_PAYLOAD", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit() * 2);
        let wanted = NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD;
        let found = testbed.await_ike(since, limit, |ike| ike.is_response() && ike.notify(wanted).is_some())?;
        let ike = judge(testbed, step, found, || format!("N({wanted}) within {limit:?}"))?;
        let data = ike.notify(wanted).map(|notify| notify.data.clone()).unwrap_or_default();
        let beside = [PayloadType::SECURITY_ASSOCIATION, PayloadType::AUTHENTICATION];
        if beside.into_iter().any(|payload| ike.payload(payload).is_some()) {
            return Err(StepError::failed("the request refused as a whole", ike.summary()));
        }
        if data == [UNKNOWN.0] { Ok(()) } else { Err(StepError::failed("data c8", format!("data {data:02x?}"))) }
    });
    steps.then("no payload in the DUT's responses is critical", |testbed, step| {
        every_payload(testbed, step, true, "critical bit clear", |payload| !payload.critical)
    });
    steps.then("no payload in the DUT's requests is critical", |testbed, step| {
        every_payload(testbed, step, false, "critical bit clear", |payload| !payload.critical)
    });
    steps.then("all RESERVED fields of the DUT are zero", |testbed, step| {
        every_payload(testbed, step, true, "RESERVED fields zero", reserved_is_zero)
    });
    steps.then("the DUT's notifies about the IKE SA name neither protocol nor SPI", |testbed, step| {
        every_payload(testbed, step, true, "protocol 0 and no SPI", |payload| match &payload.body {
            Body::Notify(notify) => notify.protocol == ProtocolId::NONE && notify.spi.is_empty(),
            _ => true,
        })
    });
    steps.then("the Encrypted payload is the last one in every protected message of the DUT", encrypted_is_last);
    steps.then("the DUT's nonce has 16 to 256 octets", |testbed, step| {
        let nonces =
            testbed.from_dut_since(0).filter_map(Seen::ike).filter_map(|ike| match ike.payload(PayloadType::NONCE) {
                Some(Payload { body: Body::Nonce(nonce), .. }) => Some(nonce.len()),
                _ => None,
            });
        let lengths: BTreeSet<usize> = nonces.collect();
        let Some(length) = lengths.first() else { return Err(StepError::failed("a nonce", instead(testbed))) };
        step.measured("octets of the nonce", length.to_string());
        if lengths.iter().all(|length| (16..=256).contains(length)) {
            return Ok(());
        }
        Err(StepError::failed("16 to 256 octets", format!("{lengths:?}")))
    });
    steps.then("the DUT answers the INFORMATIONAL request", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let found = testbed.await_ike(since, limit, |ike| ike.is_response() && matches!(ike.opened, Some(Ok(_))))?;
        judge(testbed, step, found, || format!("a protected response within {limit:?}")).map(drop)
    });
    steps.then("the DUT's IVs are all different and follow no pattern", random_ivs);
    steps.then("the DUT reports it inside a protected message or not at all", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        testbed.wait(silence)?;
        let came: Vec<&SeenIke> = testbed.from_dut_since(since).filter_map(Seen::ike).collect();
        step.observed(instead(testbed));
        if came.iter().all(|ike| matches!(ike.opened, Some(Ok(_)))) {
            return Ok(());
        }
        Err(StepError::failed("protected messages or none", instead(testbed)))
    });
}

// ---- Edits ----

/// Edits the tester's next IKE_SA_INIT and IKE_AUTH message.
fn edit_setup(testbed: &mut Testbed, response: bool, edit: fn(&mut Vec<Payload>)) {
    for exchange in [ExchangeType::IKE_SA_INIT, ExchangeType::IKE_AUTH] {
        testbed.edits.message(Which { exchange: Some(exchange), response }, move |draft| edit(payloads_of(draft)));
    }
}

/// The payloads of a draft: those to be protected, if it is a protected message.
fn payloads_of(draft: &mut Draft) -> &mut Vec<Payload> {
    match &mut draft.inner {
        Some(inner) => inner,
        None => &mut draft.clear,
    }
}

fn unknown(critical: bool) -> Payload {
    let body = Body::Raw { payload_type: UNKNOWN, data: b"unknown".to_vec() };
    Payload { critical, ..body.into() }
}

fn add_status(payloads: &mut Vec<Payload>) {
    for notify_type in [40_959, 65_535] {
        payloads.push(Body::Notify(Notify::new(NotifyType(notify_type), *b"status")).into());
    }
}

/// Sets every bit of every RESERVED field.
fn fill_reserved(payload: &mut Payload) {
    payload.reserved = 0x7F;
    match &mut payload.body {
        Body::SecurityAssociation(sa) => {
            for proposal in &mut sa.proposals {
                proposal.reserved = 0xFF;
                for transform in &mut proposal.transforms {
                    (transform.reserved1, transform.reserved2) = (0xFF, 0xFF);
                }
            }
        }
        Body::KeyExchange(ke) => ke.reserved = 0xFFFF,
        Body::IdInitiator(id) | Body::IdResponder(id) => id.reserved = [0xFF; 3],
        Body::Authentication(auth) => auth.reserved = [0xFF; 3],
        Body::TsInitiator(selectors) | Body::TsResponder(selectors) => selectors.reserved = [0xFF; 3],
        _ => {}
    }
}

fn reserved_is_zero(payload: &Payload) -> bool {
    let inside = match &payload.body {
        Body::SecurityAssociation(sa) => sa.proposals.iter().all(|proposal| {
            let zero = |transform: &wire::ikev2::Transform| transform.reserved1 == 0 && transform.reserved2 == 0;
            proposal.reserved == 0 && proposal.transforms.iter().all(zero)
        }),
        Body::KeyExchange(ke) => ke.reserved == 0,
        Body::IdInitiator(id) | Body::IdResponder(id) => id.reserved == [0; 3],
        Body::Authentication(auth) => auth.reserved == [0; 3],
        Body::TsInitiator(selectors) | Body::TsResponder(selectors) => selectors.reserved == [0; 3],
        _ => true,
    };
    inside && payload.reserved == 0
}

fn break_lengths(sa: &mut SecurityAssociation, fault: &str) {
    let Some(proposal) = sa.proposals.last_mut() else { return };
    let count = proposal.transforms.len() as u8;
    let Proposal { length, transform_count, transforms, .. } = proposal;
    match fault {
        "the proposal is too long" => *length = Derived::Exactly(0x0400),
        "the count of transforms is one too high" => *transform_count = Derived::Exactly(count.wrapping_add(1)),
        "the count of transforms is one too low" => *transform_count = Derived::Exactly(count.wrapping_sub(1)),
        _ => transforms.iter_mut().take(1).for_each(|transform| transform.length = Derived::Exactly(0)),
    }
}

/// Sends the next INFORMATIONAL request with one bit changed after protection, past the tester's engine: the message
/// with the same Message ID is still to come.
fn flip(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let info = testbed.ike_sa()?;
    let header = testbed.header(&info, ExchangeType::INFORMATIONAL, info.next_request, false);
    let mut octets = testbed.protect(header, Vec::new(), |_| {})?.to_bytes();
    // The Encrypted payload follows the header, with four octets of its own before the IV.
    let iv = Header::OCTETS + 4;
    let place = match step.arg_text(0)? {
        // A reserved flag: nothing but the checksum can tell.
        "header" => 19,
        "IV" => iv,
        "ciphertext" => iv + testbed.ike_keys()?.encryption.iv_len(),
        _ => octets.len() - 1,
    };
    octets.iter_mut().skip(place).take(1).for_each(|octet| *octet ^= 0x01);
    testbed.begin_stimulus();
    testbed.send_ike(info.path, &octets)
}

/// Sends an INFORMATIONAL request with a payload inside whose length is wrong.
fn malformed_inside(testbed: &mut Testbed, length: u16, good_checksum: bool) -> StepResult {
    let info = testbed.ike_sa()?;
    let header = testbed.header(&info, ExchangeType::INFORMATIONAL, info.next_request, false);
    let mut payload = Payload::from(Body::Notify(Notify::new(NotifyType(40_959), *b"status")));
    payload.length = Derived::Exactly(length);
    let mut octets = testbed.protect(header, vec![payload], |_| {})?.to_bytes();
    if !good_checksum {
        octets.iter_mut().rev().take(1).for_each(|octet| *octet ^= 0x01);
    }
    testbed.begin_stimulus();
    testbed.send_ike(info.path, &octets)
}

// ---- Judgements ----

/// Judges every payload, in the clear and inside, of the DUT's responses or requests in this scenario.
fn every_payload(
    testbed: &mut Testbed,
    step: &mut Step,
    responses: bool,
    expected: &str,
    fits: fn(&Payload) -> bool,
) -> StepResult {
    let mut judged = 0;
    let mut bad = None;
    for seen in testbed.from_dut_since(0) {
        let Some(ike) = seen.ike().filter(|ike| ike.is_response() == responses) else { continue };
        let outside = ike.message.iter().flat_map(|message| &message.payloads);
        let encrypted = outside.filter(|payload| matches!(payload.body, Body::Encrypted(_)));
        for payload in encrypted.chain(&ike.payloads) {
            judged += 1;
            if !fits(payload) {
                bad.get_or_insert((seen.index, format!("{} in {}", payload.body.payload_type(), seen.summary())));
            }
        }
    }
    step.observed(format!("{judged} payloads"));
    if let Some((index, came)) = bad {
        testbed.comment(index, format!("judged: {}", step.text()));
        return Err(StepError::failed(expected, came));
    }
    if judged == 0 { Err(StepError::failed("payloads of the DUT", instead(testbed))) } else { Ok(()) }
}

fn encrypted_is_last(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    testbed.await_ike(since, limit, |ike| ike.header.is_some_and(|h| h.exchange_type == ExchangeType::IKE_AUTH))?;
    let mut judged = 0;
    let mut bad = None;
    for seen in testbed.from_dut_since(0) {
        let Some(ike) = seen.ike() else { continue };
        if ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT) {
            continue;
        }
        judged += 1;
        // Reading ends at the header's length and suffers nothing after an Encrypted payload.
        let last = ike.message.as_ref().ok().and_then(|message| message.payloads.last());
        let nested = ike.payloads.iter().any(|payload| matches!(payload.body, Body::Encrypted(_)));
        if nested || !last.is_some_and(|payload| matches!(payload.body, Body::Encrypted(_))) {
            bad.get_or_insert((seen.index, seen.summary()));
        }
    }
    step.observed(format!("{judged} messages"));
    if let Some((index, came)) = bad {
        testbed.comment(index, format!("judged: {}", step.text()));
        return Err(StepError::failed("one Encrypted payload, at the end of the message", came));
    }
    if judged == 0 { Err(StepError::failed("protected messages", instead(testbed))) } else { Ok(()) }
}

/// IVs of the DUT since the stimulus: no two alike, none the end of the ciphertext before it, no constant step.
fn random_ivs(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let length = testbed.ike_keys()?.encryption.iv_len();
    let icv = testbed.ike_keys()?.integrity.map_or(0, |integrity| integrity.icv_len());
    let mut ivs: Vec<u128> = Vec::new();
    let mut chained = 0;
    let mut end_before: Option<Vec<u8>> = None;
    for ike in testbed.from_dut_since(testbed.since()).filter_map(Seen::ike) {
        let Some(Payload { body: Body::Encrypted(encrypted), .. }) =
            ike.message.as_ref().ok().and_then(|message| message.payloads.last())
        else {
            continue;
        };
        let Some(iv) = encrypted.data.get(..length) else { continue };
        chained += u32::from(end_before.as_deref() == Some(iv));
        let text = encrypted.data.get(..encrypted.data.len().saturating_sub(icv)).unwrap_or_default();
        end_before = text.get(text.len().saturating_sub(length)..).map(<[u8]>::to_vec);
        ivs.push(iv.iter().fold(0, |number, octet| number << 8 | u128::from(*octet)));
    }
    let different: BTreeSet<u128> = ivs.iter().copied().collect();
    let steps: Vec<u128> = ivs.windows(2).filter_map(|w| Some(w.get(1)?.wrapping_sub(*w.first()?))).collect();
    let regular = steps.windows(2).filter(|w| w.first() == w.get(1)).count();
    step.measured("IVs", format!("{} messages, {} different IVs", ivs.len(), different.len()));
    if ivs.len() < 50 {
        return Err(StepError::failed("at least 50 answers to take IVs from", format!("{}", ivs.len())));
    }
    if different.len() == ivs.len() && regular == 0 && chained == 0 {
        return Ok(());
    }
    let came = format!("{} of {} different, {regular} steps repeated, {chained} chained", different.len(), ivs.len());
    Err(StepError::failed("IVs that are all different, without a constant step and not chained", came))
}
