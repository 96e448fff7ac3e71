//! What IPv4 and IPv6 have in common.

use crate::open::open;
use crate::{Error, Rule, ipv4, ipv6};
use std::net::IpAddr;

open! {
    /// IP protocol number, the Next Header of IPv6, ESP and AH.
    Protocol(u8) {
        HOP_BY_HOP = 0, "HOPOPT";
        ICMP = 1, "ICMP";
        IPV4 = 4, "IPv4";
        TCP = 6, "TCP";
        UDP = 17, "UDP";
        IPV6 = 41, "IPv6";
        ROUTING = 43, "IPv6-Route";
        FRAGMENT = 44, "IPv6-Frag";
        ESP = 50, "ESP";
        AH = 51, "AH";
        ICMPV6 = 58, "IPv6-ICMP";
        NO_NEXT_HEADER = 59, "IPv6-NoNxt";
        DESTINATION_OPTIONS = 60, "IPv6-Opts";
    }
}

/// Explicit Congestion Notification, RFC 3168 section 5: the low two bits of the traffic class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// 00: not ECN-capable.
    #[default]
    NotEct,
    /// 01: ECN-capable, ECT(1).
    Ect1,
    /// 10: ECN-capable, ECT(0).
    Ect0,
    /// 11: congestion experienced.
    Ce,
}

impl Ecn {
    /// From the low two bits.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// An IP packet of either version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// IPv4.
    V4(ipv4::Packet),
    /// IPv6.
    V6(ipv6::Packet),
}

impl Packet {
    /// Reads a packet that must end where `bytes` end.
    ///
    /// # Errors
    /// Neither version, or what [`ipv4::Packet::parse`] or [`ipv6::Packet::parse`] refuse.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match version(bytes)? {
            Version::V4 => ipv4::Packet::parse(bytes).map(Self::V4),
            Version::V6 => ipv6::Packet::parse(bytes).map(Self::V6),
        }
    }

    /// Reads a packet and gives what follows it: padding of the Ethernet frame, traffic flow confidentiality padding.
    ///
    /// # Errors
    /// As [`Packet::parse`], but for octets left over.
    pub fn parse_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        match version(bytes)? {
            Version::V4 => ipv4::Packet::parse_prefix(bytes).map(|(packet, rest)| (Self::V4(packet), rest)),
            Version::V6 => ipv6::Packet::parse_prefix(bytes).map(|(packet, rest)| (Self::V6(packet), rest)),
        }
    }

    /// Reads a packet of which only the beginning was quoted, as in ICMP errors. Where it was cut, the length field is
    /// `Exactly` what it was.
    ///
    /// # Errors
    /// As [`Packet::parse`], but for a length field beyond the end.
    pub fn parse_quoted(bytes: &[u8]) -> Result<Self, Error> {
        match version(bytes)? {
            Version::V4 => ipv4::Packet::parse_quoted(bytes).map(Self::V4),
            Version::V6 => ipv6::Packet::parse_quoted(bytes).map(Self::V6),
        }
    }

    /// Source address.
    pub fn source(&self) -> IpAddr {
        match self {
            Self::V4(packet) => packet.source.into(),
            Self::V6(packet) => packet.source.into(),
        }
    }

    /// Destination address.
    pub fn destination(&self) -> IpAddr {
        match self {
            Self::V4(packet) => packet.destination.into(),
            Self::V6(packet) => packet.destination.into(),
        }
    }

    /// Protocol of the payload; that after the extension headers in IPv6.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::V4(packet) => packet.protocol,
            Self::V6(packet) => packet.protocol,
        }
    }

    /// The payload: after the options of IPv4 or the extension headers of IPv6.
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::V4(packet) => &packet.payload,
            Self::V6(packet) => &packet.payload,
        }
    }

    /// Differentiated Services Code Point, six bits.
    pub fn dscp(&self) -> u8 {
        match self {
            Self::V4(packet) => packet.dscp,
            Self::V6(packet) => packet.dscp,
        }
    }

    /// Explicit Congestion Notification.
    pub fn ecn(&self) -> Ecn {
        match self {
            Self::V4(packet) => packet.ecn,
            Self::V6(packet) => packet.ecn,
        }
    }

    /// Time to live or hop limit.
    pub fn hop_limit(&self) -> u8 {
        match self {
            Self::V4(packet) => packet.ttl,
            Self::V6(packet) => packet.hop_limit,
        }
    }

    /// Is this a fragment of a larger packet (an atomic IPv6 fragment is not)?
    pub fn is_fragment(&self) -> bool {
        match self {
            Self::V4(packet) => packet.is_fragment(),
            Self::V6(packet) => packet.is_fragment(),
        }
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(packet) => packet.emit(out),
            Self::V6(packet) => packet.emit(out),
        }
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload().len() + 60);
        self.emit(&mut out);
        out
    }
}

impl From<ipv4::Packet> for Packet {
    fn from(packet: ipv4::Packet) -> Self {
        Self::V4(packet)
    }
}

impl From<ipv6::Packet> for Packet {
    fn from(packet: ipv6::Packet) -> Self {
        Self::V6(packet)
    }
}

enum Version {
    V4,
    V6,
}

fn version(bytes: &[u8]) -> Result<Version, Error> {
    let what = "IP header (RFC 791 3.1, RFC 8200 3)";
    match bytes.first().map(|first| first >> 4) {
        Some(4) => Ok(Version::V4),
        Some(6) => Ok(Version::V6),
        Some(other) => Err(Error { offset: 0, rule: Rule::IpVersionUnknown(other) }),
        None => Err(Error { offset: 0, rule: Rule::Truncated { what, needs: 1, left: 0 } }),
    }
}
