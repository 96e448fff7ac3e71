//! Outer packets in fragments of a scenario's own making.

use super::Testbed;
use crate::run::StepError;
use reference_peer::ipsec::fragment::{Fragmentation, fragment};
use reference_peer::ipsec::header::Header;
use wire::ip::{self, Protocol};
use wire::ipv6::ExtensionBody;

/// Octets that a fragment begins at a multiple of.
const UNIT: usize = 8;

impl Testbed {
    /// A packet in exactly so many fragments, in their order. Its DF bit is cleared, and it gets an identification that
    /// no other packet has; under AH, which covers it, that of IPv4 stays.
    ///
    /// # Errors
    /// Our own fault when it is too short for so many.
    pub fn cut(&mut self, packet: &[u8], count: usize) -> Result<Vec<Vec<u8>>, StepError> {
        let identification = self.random() as u16 | 1;
        let mut parsed = ip::Packet::parse(packet).map_err(StepError::testbed)?;
        if let ip::Packet::V4(packet) = &mut parsed {
            packet.dont_fragment = false;
            if packet.protocol != Protocol::AH {
                packet.identification = identification;
            }
            packet.checksum = wire::Derived::Computed;
        }
        let how = Fragmentation { identification: identification.into(), ..Fragmentation::default() };
        let packet = parsed.to_bytes();
        let cut = (0..packet.len()).rev().filter_map(|mtu| fragment(&packet, mtu, how).ok());
        let found = cut.take_while(|pieces| pieces.len() <= count).find(|pieces| pieces.len() == count);
        found.ok_or_else(|| StepError::testbed(format!("{} octets cannot be cut into {count} fragments", packet.len())))
    }
}

/// A fragment that begins 8 octets earlier, with the last octets of the fragment before it: as they are, or changed.
///
/// # Errors
/// Our own fault when the two are no fragments.
pub fn overlapping(before: &[u8], fragment: &[u8], changed: bool) -> Result<Vec<u8>, StepError> {
    let fault = || StepError::testbed("no fragment to begin earlier");
    let insertion = Header::parse(before).map_err(StepError::testbed)?.insertion;
    let tail = before.get(insertion..).and_then(|data| data.last_chunk::<UNIT>()).ok_or_else(fault)?;
    let mut head = *tail;
    if changed {
        head.iter_mut().for_each(|octet| *octet = !*octet);
    }
    let mut parsed = ip::Packet::parse(fragment).map_err(StepError::testbed)?;
    match &mut parsed {
        ip::Packet::V4(packet) => {
            packet.fragment_offset = packet.fragment_offset.checked_sub(1).ok_or_else(fault)?;
            packet.payload.splice(0..0, head);
            (packet.checksum, packet.total_length) = (wire::Derived::Computed, wire::Derived::Computed);
        }
        ip::Packet::V6(packet) => {
            let offset = packet.extensions.iter_mut().find_map(|extension| match &mut extension.body {
                ExtensionBody::Fragment { offset, .. } => Some(offset),
                _ => None,
            });
            let offset = offset.ok_or_else(fault)?;
            *offset = offset.checked_sub(1).ok_or_else(fault)?;
            packet.payload.splice(0..0, head);
            packet.payload_length = wire::Derived::Computed;
        }
    }
    Ok(parsed.to_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::testbed::tests::begin;
    use reference_peer::Instant;
    use reference_peer::ipsec::fragment::{Reassembler, Reassembly};
    use wire::{ipv4, ipv6};

    #[test]
    fn cut_and_overlapped() {
        let mut testbed = begin();
        let payload: Vec<u8> = (0..1000).map(|at| at as u8).collect();
        let v4 =
            ipv4::Packet::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::ESP, &payload[..]).to_bytes();
        let (a, b) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let v6 = ipv6::Packet::new(a, b, Protocol::ESP, &payload[..]).to_bytes();
        for packet in [v4, v6] {
            for count in 2..=10 {
                let pieces = testbed.cut(&packet, count).unwrap();
                assert_eq!(pieces.len(), count);
                let mut reassembler = Reassembler::default();
                let last = pieces.iter().map(|piece| reassembler.push(Instant::START, piece)).last().unwrap();
                let Reassembly::Whole(whole) = last else { panic!("not whole") };
                assert_eq!(ip::Packet::parse(&whole).unwrap().payload(), &payload);
            }
            let pieces = testbed.cut(&packet, 3).unwrap();
            for changed in [false, true] {
                let wide = overlapping(&pieces[0], &pieces[1], changed).unwrap();
                assert_eq!(wide.len(), pieces[1].len() + UNIT);
                let (first, wide) = (Header::parse(&pieces[0]).unwrap(), Header::parse(&wide).unwrap());
                let end = first.total_len - first.insertion;
                assert_eq!(wide.fragment.unwrap().offset, end - UNIT);
            }
            assert!(overlapping(&pieces[1], &pieces[0], false).is_err());
        }
    }
}
