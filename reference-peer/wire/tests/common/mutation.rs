//! Changes to octets, of the kinds that a fuzzer makes.

use proptest::prelude::*;
use proptest::sample::Index;

/// Octets of the IKE header, of either version.
const HEADER: usize = 28;

/// One change to some octets, of the kinds that a fuzzer makes.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Truncate(Index),
    /// Makes the header's length right again, so that the payloads are looked at.
    RepairLength,
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Mutation::Set(at, octet)),
        3 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => (any::<Index>(), proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(at, octets)| Mutation::Insert(at, octets)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, count)| Mutation::Remove(at, count)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
        5 => Just(Mutation::RepairLength),
    ]
}

pub(crate) fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let end = bytes.len();
        match mutation {
            _ if end == 0 => return,
            Mutation::Set(at, octet) => bytes[at.index(end)] = *octet,
            Mutation::Flip(at, bit) => bytes[at.index(end)] ^= 1 << bit,
            Mutation::Insert(at, octets) => {
                let at = at.index(end);
                bytes.splice(at..at, octets.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = at.index(end);
                bytes.drain(at..at + count.index(end - at));
            }
            Mutation::Truncate(at) => bytes.truncate(at.index(end)),
            Mutation::RepairLength if end >= HEADER => {
                bytes[24..28].copy_from_slice(&(end as u32).to_be_bytes());
            }
            Mutation::RepairLength => {}
        }
    }
}
