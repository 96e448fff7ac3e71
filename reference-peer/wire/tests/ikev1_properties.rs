//! Round trips and totality of IKEv1 messages, against values and mutations that proptest draws.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use common::ikev1_values::{message, payloads};
use common::mutation::{mutate, mutation};
use common::values::Honesty;
use proptest::prelude::*;
use proptest::sample::Index;
use wire::ikev1::*;

/// What is accepted is written again as the same octets.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::parse(bytes) {
        prop_assert_eq!(message.to_bytes(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn values_survive(message in message(Honesty::Honest)) {
        let bytes = message.to_bytes();
        prop_assert_eq!(Message::parse(&bytes), Ok(message));
    }

    /// Padding follows the chain of an encrypted message.
    #[test]
    fn inner_chains_survive(payloads in payloads(Honesty::Honest), padding: Vec<u8>) {
        let mut bytes = Vec::new();
        emit_chain(&payloads, PayloadType::NONE, &mut bytes);
        bytes.extend(&padding);
        prop_assert_eq!(parse_chain(first_type(&payloads), &bytes, 100), Ok((payloads, &padding[..])));
    }

    #[test]
    fn anything_can_be_written(message in message(Honesty::Any)) {
        let bytes = message.to_bytes();
        check(&bytes)?;
        let mut appended = vec![0xEE; 3];
        message.emit(&mut appended);
        prop_assert_eq!(&appended[3..], &bytes[..]);
    }

    #[test]
    fn any_octets_are_read(bytes: Vec<u8>) {
        check(&bytes)?;
    }

    #[test]
    fn any_chain_is_read(first: u8, bytes: Vec<u8>, offset in 0..1000usize) {
        let first = PayloadType(first);
        match parse_chain(first, &bytes, offset) {
            Ok((payloads, rest)) => {
                let mut again = Vec::new();
                emit_chain(&payloads, PayloadType::NONE, &mut again);
                again.extend(rest);
                prop_assert_eq!(again, bytes);
                prop_assert_eq!(first_type(&payloads), first);
            }
            Err(error) => prop_assert!((offset..=offset + bytes.len()).contains(&error.offset), "{}", error),
        }
    }

    #[test]
    fn mutated_messages_are_read(
        message in message(Honesty::Honest),
        mutations in proptest::collection::vec(mutation(), 1..6),
    ) {
        let mut bytes = message.to_bytes();
        mutate(&mut bytes, &mutations);
        check(&bytes)?;
    }

    #[test]
    fn mutated_captures_are_read(index: Index, mutations in proptest::collection::vec(mutation(), 1..6)) {
        let captures = common::ikev1_messages();
        let (_, mut bytes) = index.get(&captures).clone();
        mutate(&mut bytes, &mutations);
        check(&bytes)?;
    }

    #[test]
    fn numbers_have_two_forms(class in 0..0x8000u16, number: u32) {
        let variable = Attribute::variable(class, number.to_be_bytes());
        for attribute in [Attribute::number(class, number), variable] {
            prop_assert_eq!(attribute.as_number(), Some(u64::from(number)));
            let mut octets = Vec::new();
            attribute.emit(&mut octets);
            prop_assert_eq!(Attribute::parse_list(&octets, 0), Ok(vec![attribute]));
        }
    }
}

#[test]
fn numbers_of_odd_lengths() {
    let number = |octets: &[u8]| Attribute::variable(2, octets).as_number();
    assert_eq!(number(&[]), None);
    assert_eq!(number(&[0; 20]), Some(0));
    assert_eq!(number(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]), Some(0x01_0203));
    assert_eq!(number(&[1; 9]), None);
}

#[test]
fn captures_are_read() {
    for (name, bytes) in common::ikev1_messages() {
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.to_bytes(), bytes, "{name}");
        assert!(message.payloads().iter().all(|payload| payload.body.payload_type().is_known()), "{name}");
    }
}

/// What the initiator of the captured main mode offers, and which extensions it announces.
#[test]
fn the_captured_offer() {
    let messages = common::ikev1_messages();
    let first = Message::parse(&messages[0].1).unwrap();
    let Body::SecurityAssociation(sa) = &first.payloads()[0].body else { panic!("no SA") };
    assert_eq!((sa.doi, sa.situation, sa.proposals.len()), (Doi::IPSEC, Situation::IDENTITY_ONLY, 1));
    let transform = &sa.proposals[0].transforms[0];
    assert_eq!(transform.id, Transform::KEY_IKE);
    let of = |class: Phase1Class| transform.attributes.iter().find(|a| a.class == class.0)?.as_number();
    assert_eq!(of(Phase1Class::ENCRYPTION), Some(7));
    assert_eq!(of(Phase1Class::KEY_LENGTH), Some(128));
    assert_eq!(of(Phase1Class::GROUP), Some(14));
    assert_eq!(of(Phase1Class::AUTHENTICATION), Some(1));
    let announced = |id: &[u8]| first.payloads().iter().any(|p| matches!(&p.body, Body::VendorId(v) if v == id));
    assert!(announced(&vendor::DEAD_PEER_DETECTION) && announced(&vendor::NAT_RFC_3947));
}
