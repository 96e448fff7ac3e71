//! A view of an IP header: just what the data plane needs, without copying the packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::checksum::Sum;

use super::flow::{Flow, UpperLayer};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// The fields of an IPv4 or IPv6 header, extension headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// DSCP and ECN: the TOS octet or the traffic class.
    pub traffic_class: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Octets of the whole packet by its own length field; what follows is not part of it.
    pub total_len: usize,
    /// Don't Fragment; always `true` for IPv6.
    pub dont_fragment: bool,
    /// The fragment that the packet is, if it is one.
    pub fragment: Option<Fragment>,
    /// Octets before the place where transport mode puts ESP or AH: after the options of IPv4, after the hop-by-hop,
    /// routing and fragment headers of IPv6 (RFC 4303 section 3.1.1).
    pub insertion: usize,
    /// What stands at [`insertion`](Self::insertion).
    pub insertion_protocol: u8,
    /// Offset of the field that names what stands at [`insertion`](Self::insertion).
    pub insertion_field: usize,
    /// Octets before the next layer header.
    pub upper: usize,
    /// The next layer protocol; an extension header's number where the rest can't be seen.
    pub protocol: u8,
}

/// Place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Identification.
    pub identification: u32,
    /// Octets of the datagram's payload before this fragment.
    pub offset: usize,
    /// Do more fragments follow?
    pub more: bool,
}

/// The header is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed IP header: {0}")]
pub struct Malformed(pub &'static str);

impl Header {
    /// Reads the header of a packet. The buffer may be longer than the packet.
    ///
    /// # Errors
    /// Version neither 4 nor 6, lengths that contradict each other or the buffer, a wrong IPv4 header checksum.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        match packet.first().map(|octet| octet >> 4) {
            Some(4) => Self::parse_v4(packet),
            Some(6) => Self::parse_v6(packet),
            Some(_) => Err(Malformed("version")),
            None => Err(Malformed("empty")),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, Malformed> {
        let Some((fixed, _)) = packet.split_first_chunk::<20>() else {
            return Err(Malformed("shorter than 20 octets"));
        };
        let [first, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *fixed;
        let header_len = usize::from(first & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([l0, l1]));
        if header_len < 20 || header_len > total_len {
            return Err(Malformed("header length"));
        }
        if total_len > packet.len() {
            return Err(Malformed("total length"));
        }
        let header = packet.get(..header_len).ok_or(Malformed("header length"))?;
        if checksum(&[header]) != 0 {
            return Err(Malformed("header checksum"));
        }
        let flags = u16::from_be_bytes([f0, f1]);
        let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
        let identification = u16::from_be_bytes([i0, i1]).into();
        Ok(Self {
            source: Ipv4Addr::new(s0, s1, s2, s3).into(),
            destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
            traffic_class: tos,
            hop_limit: ttl,
            total_len,
            dont_fragment: flags & 0x4000 != 0,
            fragment: (offset > 0 || more).then_some(Fragment { identification, offset, more }),
            insertion: header_len,
            insertion_protocol: protocol,
            insertion_field: 9,
            upper: header_len,
            protocol,
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, Malformed> {
        let Some((fixed, _)) = packet.split_first_chunk::<40>() else {
            return Err(Malformed("shorter than 40 octets"));
        };
        let [v0, v1, _, _, l0, l1, next, hop_limit, addresses @ ..] = *fixed;
        let total_len = 40 + usize::from(u16::from_be_bytes([l0, l1]));
        let packet = packet.get(..total_len).ok_or(Malformed("payload length"))?;
        let [source, destination] = *addresses.as_chunks::<16>().0 else { return Err(Malformed("addresses")) };
        let mut header = Self {
            source: Ipv6Addr::from(source).into(),
            destination: Ipv6Addr::from(destination).into(),
            traffic_class: v0 << 4 | v1 >> 4,
            hop_limit,
            total_len,
            dont_fragment: true,
            fragment: None,
            insertion: 40,
            insertion_protocol: next,
            insertion_field: 6,
            upper: 40,
            protocol: next,
        };
        header.walk_extensions(packet)?;
        Ok(header)
    }

    /// Steps over the extension headers. Each has at least 8 octets, so the packet's length bounds the steps.
    fn walk_extensions(&mut self, packet: &[u8]) -> Result<(), Malformed> {
        while is_extension(self.protocol) {
            let is_fragment = self.protocol == FRAGMENT;
            let extension = packet.get(self.upper..).ok_or(Malformed("extension header"))?;
            let Some((&[next, len, o0, o1, id @ ..], _)) = extension.split_first_chunk::<8>() else {
                return Err(Malformed("extension header"));
            };
            let octets = match self.protocol {
                FRAGMENT => 8,
                _ => (usize::from(len) + 1) * 8,
            };
            if octets > extension.len() {
                return Err(Malformed("extension header length"));
            }
            let before_esp = matches!(self.protocol, HOP_BY_HOP | ROUTING | FRAGMENT);
            let start = self.upper;
            self.upper += octets;
            self.protocol = next;
            if before_esp && self.fragment.is_none() {
                self.insertion = self.upper;
                self.insertion_protocol = next;
                self.insertion_field = start;
            }
            if is_fragment {
                let bits = u16::from_be_bytes([o0, o1]);
                let (offset, more) = (usize::from(bits & 0xfff8), bits & 1 != 0);
                if offset > 0 || more {
                    self.fragment = Some(Fragment { identification: u32::from_be_bytes(id), offset, more });
                }
                if offset > 0 {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Is it IPv4?
    pub fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// DSCP, six bits.
    pub fn dscp(&self) -> u8 {
        self.traffic_class >> 2
    }

    /// ECN, two bits.
    pub fn ecn(&self) -> u8 {
        self.traffic_class & 3
    }

    /// Is it a fragment other than the first?
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset > 0)
    }

    /// The selector fields of the packet that this header was read from.
    pub fn flow(&self, packet: &[u8]) -> Flow {
        // A later IPv6 fragment shows what the fragment header names, which may be another extension header.
        let obscured = !self.is_v4() && self.is_later_fragment() && is_extension(self.protocol);
        let upper = packet.get(self.upper..self.total_len).unwrap_or_default();
        Flow {
            source: self.source,
            destination: self.destination,
            protocol: (!obscured).then_some(self.protocol),
            upper: upper_layer(self.protocol, if self.is_later_fragment() { &[] } else { upper }),
        }
    }
}

/// Extension headers to be stepped over. AH and ESP are next layer protocols (RFC 4301 section 4.4.1.3).
fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS)
}

fn upper_layer(protocol: u8, octets: &[u8]) -> UpperLayer {
    match (protocol, octets) {
        (6 | 17 | 33 | 132 | 136, [s0, s1, d0, d1, ..]) => {
            UpperLayer::Ports(u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*d0, *d1]))
        }
        (1 | 58, [kind, code, ..]) => UpperLayer::TypeCode(*kind, *code),
        (135, [_, _, kind, ..]) => UpperLayer::Mobility(*kind),
        (6 | 17 | 33 | 132 | 136 | 1 | 58 | 135, _) => UpperLayer::Hidden,
        _ => UpperLayer::Absent,
    }
}

/// The Internet checksum of the concatenated parts, each but the last of even length (RFC 1071). Over data that
/// contain their own checksum it is 0.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    parts.iter().fold(Sum::new(), |sum, part| sum.with(part)).finish()
}

/// Sets DSCP and ECN of a packet whose header was read, and repairs the IPv4 header checksum.
pub fn set_traffic_class(packet: &mut [u8], value: u8) {
    match packet {
        [first, tos, ..] if *first >> 4 == 4 => {
            *tos = value;
            repair_checksum(packet);
        }
        [first, second, ..] if *first >> 4 == 6 => {
            *first = 0x60 | value >> 4;
            *second = value << 4 | *second & 0x0f;
        }
        _ => {}
    }
}

/// Sets TTL or hop limit of a packet whose header was read, and repairs the IPv4 header checksum.
pub fn set_hop_limit(packet: &mut [u8], value: u8) {
    let v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    if let Some(field) = packet.get_mut(if v4 { 8 } else { 7 }) {
        *field = value;
        repair_checksum(packet);
    }
}

/// Sets the length field of a packet to the length of the buffer, and repairs the IPv4 header checksum. `None` if
/// that is longer than a packet can be.
pub(crate) fn repair_length(packet: &mut [u8]) -> Option<()> {
    let v4 = packet.first()? >> 4 == 4;
    let (at, len) = if v4 { (2, packet.len()) } else { (4, packet.len().checked_sub(40)?) };
    let len = u16::try_from(len).ok()?;
    packet.get_mut(at..at + 2)?.copy_from_slice(&len.to_be_bytes());
    repair_checksum(packet);
    Some(())
}

/// Writes the header checksum of an IPv4 packet anew.
pub(crate) fn repair_checksum(packet: &mut [u8]) {
    let Some(first) = packet.first().filter(|&first| first >> 4 == 4) else { return };
    let header_len = usize::from(first & 0x0f) * 4;
    let Some(header) = packet.get_mut(..header_len.max(20)) else { return };
    header[10..12].fill(0);
    let sum = checksum(&[header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
