//! The Internet checksum, RFC 1071, and the pseudo-headers of RFC 768 and RFC 8200 section 8.1.

use crate::ip::Protocol;
use std::net::IpAddr;

/// A one's complement sum under way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets as 16-bit words; an odd last octet is the high half of a word, so only the last call may add an
    /// odd number of them.
    #[must_use]
    pub fn with(self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<2>();
        // 2^48 words would be needed to overflow.
        let sum: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
        let last = rest.first().map_or(0, |octet| u64::from(*octet) << 8);
        Self(self.0 + sum + last)
    }

    /// Adds the pseudo-header: addresses, upper-layer length and protocol. The order and padding of its fields, in
    /// which IPv4 and IPv6 differ, do not matter to the sum.
    #[must_use]
    pub fn pseudo_header(self, source: IpAddr, destination: IpAddr, protocol: Protocol, length: usize) -> Self {
        let sum = [source, destination].into_iter().fold(self, |sum, address| match address {
            IpAddr::V4(address) => sum.with(&address.octets()),
            IpAddr::V6(address) => sum.with(&address.octets()),
        });
        sum.with(&[0, protocol.0]).with(&(length as u32).to_be_bytes())
    }

    /// The checksum: the complement of the sum.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// The checksum of octets whose own checksum field is zero.
pub fn checksum(octets: &[u8]) -> u16 {
    Sum::new().with(octets).finish()
}

/// Are two checksums the same number? In one's complement 0x0000 and 0xFFFF are both zero.
pub(crate) fn equivalent(a: u16, b: u16) -> bool {
    a == b || matches!((a, b), (0, 0xFFFF) | (0xFFFF, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;
    use proptest::prelude::*;

    /// Word by word, with the carry brought back at once.
    fn naive(octets: &[u8]) -> u16 {
        let mut sum = 0u16;
        for pair in octets.chunks(2) {
            let word = u16::from(pair[0]) << 8 | u16::from(*pair.get(1).unwrap_or(&0));
            let (next, carry) = sum.overflowing_add(word);
            sum = next + u16::from(carry);
        }
        !sum
    }

    #[test]
    fn example_of_rfc_1071_section_3() {
        assert_eq!(!checksum(&hex("0001f203f4f5f6f7")), 0xDDF2);
    }

    #[test]
    fn worst_case_does_not_overflow() {
        assert_eq!(checksum(&vec![0xFF; 1 << 17]), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_sum(octets: Vec<u8>, even in 0..64usize) {
            prop_assert_eq!(checksum(&octets), naive(&octets));
            let (head, tail) = octets.split_at((even * 2).min(octets.len() & !1));
            prop_assert_eq!(Sum::new().with(head).with(tail).finish(), naive(&octets));
        }

        #[test]
        fn a_message_with_its_checksum_sums_to_zero(octets: Vec<u8>) {
            let sum = checksum(&octets);
            prop_assert_eq!(Sum::new().with(&sum.to_be_bytes()).with(&octets).finish(), 0);
        }
    }
}
