//! Round trips and totality of IKEv2 messages, against values and mutations that proptest draws.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use common::mutation::{mutate, mutation};
use common::values::{Honesty, message, payloads};
use proptest::prelude::*;
use proptest::sample::Index;
use wire::ikev2::*;

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

    #[test]
    fn inner_chains_survive(payloads in payloads(Honesty::Honest)) {
        let mut bytes = Vec::new();
        emit_chain(&payloads, PayloadType::NONE, &mut bytes);
        prop_assert_eq!(parse_chain(first_type(&payloads), &bytes, 100), Ok(payloads));
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
            Ok(payloads) => {
                let mut again = Vec::new();
                emit_chain(&payloads, PayloadType::NONE, &mut again);
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
        let captures = common::ike_messages();
        let (_, mut bytes) = index.get(&captures).clone();
        mutate(&mut bytes, &mutations);
        check(&bytes)?;
    }

    /// The walk by generic headers sees what reading sees, and still does where reading fails over contents.
    #[test]
    fn the_walk_agrees_with_reading(
        message in message(Honesty::Honest),
        mutations in proptest::collection::vec(mutation(), 0..4),
    ) {
        let mut bytes = message.to_bytes();
        mutate(&mut bytes, &mutations);
        let Ok(header) = Header::parse(&bytes) else { return Ok(()) };
        let first = header.next_payload.or(PayloadType::NONE);
        let chain: Vec<_> = Chain::new(first, &bytes[Header::OCTETS..], Header::OCTETS).collect();
        let walked: Vec<Unread<'_>> = chain.iter().filter_map(|step| step.ok()).collect();
        let failed = chain.last().is_some_and(Result::is_err);
        prop_assert_eq!(walked.len() + usize::from(failed), chain.len(), "an error is the last step");
        match parse_chain(first, &bytes[Header::OCTETS..], Header::OCTETS) {
            Ok(payloads) => {
                prop_assert!(!failed);
                let read: Vec<_> = payloads.iter().map(|p| (p.body.payload_type(), p.critical, p.reserved)).collect();
                let walked: Vec<_> = walked.iter().map(|u| (u.payload_type, u.critical, u.reserved)).collect();
                prop_assert_eq!(read, walked);
            }
            Err(error) => {
                let at_fault = walked.iter().find_map(|unread| unread.read().err());
                prop_assert!(at_fault == Some(error) || chain.last() == Some(&Err(error)));
            }
        }
    }
}
