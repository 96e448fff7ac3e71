//! ISAKMP payloads and how they are read (RFC 2408 sections 2.5.2, 3 and 5.3 to 5.5; RFC 2409 section 5).

use super::isakmp::{awaited, message, none};
use super::isakmp_header::begin_edited;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::isakmp::Phase1;
use reference_peer::hands::IsakmpDraft;
use wire::Derived;
use wire::ikev1::{
    Body, Certificate, Doi, ExchangeType, Message, Notification, NotifyType, Payload, PayloadType, SecurityAssociation,
    Situation,
};

/// A payload type that IANA has left unassigned.
const UNKNOWN: PayloadType = PayloadType(100);
/// Payload type of an ID, which stands in no SA payload.
const STRAY: u8 = 5;
/// A domain of interpretation that nobody has defined.
const OTHER_DOI: u32 = 99;
/// X.509 certificate for signatures (RFC 2408 section 3.9).
const X509: u8 = 4;
/// Octets of an encrypted body of whole blocks of every cipher, and of one that is of none.
const WHOLE_BLOCKS: usize = 64;
const PARTIAL_BLOCKS: usize = 61;
/// Vendor IDs, of 1 to 61 octets each: a longer message would be cut by IP.
const VENDOR_IDS: usize = 20;
const MOST_VENDOR_OCTETS: usize = 61;
const VENDOR_STEP: usize = 7;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    register_first_messages(steps);
    register_others(steps);
    register_judgements(steps);
}

/// First messages of main mode of all kinds.
fn register_first_messages(steps: &mut Steps<Testbed>) {
    steps.when(
        "the tester sends message 1 of main mode with the RESERVED octet of its SA payload set",
        |testbed, _| {
            begin_edited(testbed, Phase1::Main, 1, |draft| {
                draft.payloads.iter_mut().take(1).for_each(|payload| payload.reserved = 1);
            })
        },
    );
    steps.when("the tester sends message 1 of main mode that says it begins with an unknown payload", |testbed, _| {
        begin_edited(testbed, Phase1::Main, 1, |draft| draft.header.next_payload = Derived::Exactly(UNKNOWN))
    });
    steps.when("the tester sends message 1 of main mode with an unknown payload after the SA payload", |testbed, _| {
        begin_edited(testbed, Phase1::Main, 1, |draft| {
            let unknown = Body::Raw { payload_type: UNKNOWN, data: vec![0; 4] };
            draft.payloads.insert(draft.payloads.len().min(1), unknown.into());
        })
    });
    steps.when("the tester offers in another domain of interpretation", |testbed, _| {
        begin_with_sa(testbed, |sa| sa.doi = Doi(OTHER_DOI))
    });
    steps.when("the tester offers in the situation {int}", |testbed, step| {
        let situation: u32 = step.arg(0)?;
        begin_with_sa(testbed, move |sa| {
            sa.situation = Situation(situation);
            let levels = [Situation::SECRECY, Situation::INTEGRITY].iter().filter(|bit| situation & **bit != 0);
            // The labeled domain, then for each bit an empty level and no categories (RFC 2407 section 4.6.1).
            sa.labels = vec![0; 4 + 8 * levels.count()];
        })
    });
    steps.when("^the tester offers with (.+) in its SA payload$", |testbed, step| {
        let fault = step.arg_text(0)?.to_owned();
        if !FAULTS.contains(&fault.as_str()) {
            return Err(StepError::testbed(format!("{}: one of {}", step.place(), FAULTS.join("; "))));
        }
        begin_with_sa(testbed, move |sa| break_chain(sa, &fault))
    });
}

/// What else a message may hold, and messages that come later.
fn register_others(steps: &mut Steps<Testbed>) {
    steps.given("the tester adds unknown Vendor IDs of odd sizes to its first message", |testbed, _| {
        let mut ids: Vec<Payload> = Vec::new();
        for index in 0..VENDOR_IDS {
            ids.push(Body::VendorId(random(testbed, 1 + index * VENDOR_STEP % MOST_VENDOR_OCTETS)).into());
        }
        testbed.edits.isakmp(first(), move |draft| draft.payloads.extend(ids.clone()));
        Ok(())
    });
    steps.given("the tester asks for a certificate in messages 1 and 3 of its main mode", |testbed, _| {
        for number in [1, 3] {
            testbed.edits.isakmp(WhichIsakmp::message(ExchangeType::MAIN, number), |draft| {
                let request = Certificate { encoding: X509, data: vec![] };
                draft.payloads.push(Body::CertificateRequest(request).into());
            });
        }
        Ok(())
    });
    steps.when("the tester sends message 3 of main mode with a nonce of {int} octets", |testbed, step| {
        let nonce = random(testbed, step.arg(0)?);
        begin_edited(testbed, Phase1::Main, 3, move |draft| {
            for payload in &mut draft.payloads {
                if let Body::Nonce(data) = &mut payload.body {
                    data.clone_from(&nonce);
                }
            }
        })
    });
    steps.when("the tester sends a quick mode message of noise in whole blocks", |testbed, _| {
        noise(testbed, WHOLE_BLOCKS)
    });
    steps.when("the tester sends a quick mode message of noise that ends in the middle of a block", |testbed, _| {
        noise(testbed, PARTIAL_BLOCKS)
    });
}

fn register_judgements(steps: &mut Steps<Testbed>) {
    steps.then("the DUT sends message {int} of main mode", |testbed, step| {
        let number = step.arg(0)?;
        message(testbed, step, ExchangeType::MAIN, number).map(drop)
    });
    steps.then("the DUT sends no message {int} of main mode", |testbed, step| {
        let number: u8 = step.arg(0)?;
        none(testbed, |isakmp| isakmp.is(ExchangeType::MAIN, number), &format!("message {number} of main mode"))
    });
    steps.then("the DUT's nonce in message {int} of main mode has 8 to 256 octets", |testbed, step| {
        let number = step.arg(0)?;
        nonce_length(testbed, step, ExchangeType::MAIN, number)
    });
    steps.then("the DUT's nonce in message {int} of quick mode has 8 to 256 octets", |testbed, step| {
        let number = step.arg(0)?;
        nonce_length(testbed, step, ExchangeType::QUICK, number)
    });
    steps.then("the DUT sends three messages of main mode", |testbed, step| {
        let mut sent: Vec<&[u8]> = testbed
            .isakmp_from_dut(testbed.since())
            .filter(|isakmp| isakmp.exchange() == Some(ExchangeType::MAIN))
            .map(|isakmp| isakmp.octets.as_slice())
            .collect();
        // Repetitions are the same octets.
        sent.sort_unstable();
        sent.dedup();
        step.observed(format!("{} messages", sent.len()));
        if sent.len() == 3 { Ok(()) } else { Err(StepError::failed("three", format!("{}", sent.len()))) }
    });
    // Noise may look like payloads: then the hash is what is wrong with them.
    steps.then("the DUT says no more than that the message is no good, and that under protection", |testbed, _| {
        let says = |own: &Notification| {
            let (malformed, hash) = (NotifyType::PAYLOAD_MALFORMED, NotifyType::INVALID_HASH_INFORMATION);
            [malformed, hash].contains(&own.notify_type)
        };
        let proper = |isakmp: &SeenIsakmp| isakmp.is_authentic() && isakmp.notifies().all(says);
        none(testbed, |isakmp| !proper(isakmp), "message but a protected PAYLOAD-MALFORMED or INVALID-HASH-INFORMATION")
    });
}

/// Faults of proposals and transforms.
const FAULTS: [&str; 5] = [
    "an ID payload after its last transform",
    "an ID payload after its proposal",
    "a count of transforms one too high",
    "a count of transforms one too low",
    "a transform that says it is the last and is not",
];

fn break_chain(sa: &mut SecurityAssociation, fault: &str) {
    let Some(proposal) = sa.proposals.first_mut() else { return };
    // Two transforms, so that one too few is not none.
    if let Some(transform) = proposal.transforms.first().cloned() {
        let number = transform.number.wrapping_add(1);
        proposal.transforms = vec![transform.clone(), wire::ikev1::Transform { number, ..transform }];
    }
    let count = proposal.transforms.len() as u8;
    match fault {
        "an ID payload after its last transform" => {
            if let Some(last) = proposal.transforms.last_mut() {
                last.next_payload = Derived::Exactly(STRAY);
            }
        }
        "an ID payload after its proposal" => proposal.next_payload = Derived::Exactly(STRAY),
        "a count of transforms one too high" => proposal.transform_count = Derived::Exactly(count + 1),
        "a count of transforms one too low" => proposal.transform_count = Derived::Exactly(count - 1),
        _ => {
            if let Some(first) = proposal.transforms.first_mut() {
                first.next_payload = Derived::Exactly(0);
            }
        }
    }
}

/// Begins main mode with its offer edited, as the stimulus.
pub(super) fn begin_with_sa(
    testbed: &mut Testbed,
    mut edit: impl FnMut(&mut SecurityAssociation) + Send + 'static,
) -> StepResult {
    begin_edited(testbed, Phase1::Main, 1, move |draft| with_sa(draft, &mut edit))
}

/// Changes the SA payload of a message.
pub(super) fn with_sa(draft: &mut IsakmpDraft, edit: &mut impl FnMut(&mut SecurityAssociation)) {
    for payload in &mut draft.payloads {
        if let Body::SecurityAssociation(sa) = &mut payload.body {
            edit(sa);
        }
    }
}

fn first() -> WhichIsakmp {
    WhichIsakmp::message(ExchangeType::MAIN, 1)
}

fn random(testbed: &mut Testbed, octets: usize) -> Vec<u8> {
    (0..octets).map(|_| testbed.random().to_be_bytes()[0]).collect()
}

/// A message of quick mode under the ISAKMP SA whose body is no ciphertext.
fn noise(testbed: &mut Testbed, octets: usize) -> StepResult {
    let info = testbed.isakmp_sa()?;
    let message_id = testbed.fresh_message_id();
    let header = testbed.isakmp_header(&info, ExchangeType::QUICK, message_id, true);
    let body = random(testbed, octets);
    testbed.begin_stimulus();
    testbed.send_isakmp(&Message::encrypted(header, PayloadType::HASH, body))
}

fn nonce_length(testbed: &mut Testbed, step: &mut Step, exchange: ExchangeType, number: u8) -> StepResult {
    let has_nonce = |isakmp: &SeenIsakmp| isakmp.is(exchange, number) && isakmp.payload(PayloadType::NONCE).is_some();
    let isakmp = awaited(testbed, step, has_nonce, &format!("a nonce in message {number} of {exchange}"))?;
    let octets = match isakmp.payload(PayloadType::NONCE).map(|payload| &payload.body) {
        Some(Body::Nonce(nonce)) => nonce.len(),
        _ => 0,
    };
    step.measured(format!("nonce of {exchange} {number}"), format!("{octets} octets"));
    if (8..=256).contains(&octets) { Ok(()) } else { Err(StepError::failed("8 to 256 octets", format!("{octets}"))) }
}
