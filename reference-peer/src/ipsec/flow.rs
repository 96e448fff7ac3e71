//! What selectors look at in a packet.

use std::net::IpAddr;

/// The selector fields of one IP packet (RFC 4301 section 4.4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Next layer protocol; `None` where it cannot be seen (a non-initial IPv6 fragment hides it when extension
    /// headers stand before it).
    pub protocol: Option<u8>,
    /// Ports, or what stands for them.
    pub upper: UpperLayer,
}

/// The part of the next layer header that selectors look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpperLayer {
    /// Source and destination port (TCP, UDP, UDP-Lite, SCTP, DCCP).
    Ports(u16, u16),
    /// Type and code of ICMP or ICMPv6.
    TypeCode(u8, u8),
    /// Mobility Header type.
    Mobility(u8),
    /// The protocol has none of these.
    Absent,
    /// It would have, but they cannot be seen: a non-initial fragment, or too short.
    Hidden,
}

/// What a packet has for one end's range of ports to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortValue {
    /// This value.
    Known(u16),
    /// None, or none that can be seen.
    Missing,
    /// This end's range is not about packets in this direction.
    NotAsked,
}

impl UpperLayer {
    /// The value to compare with the port range of the source, and with that of the destination.
    ///
    /// ICMP and the Mobility Header have one value, and it is the sender's range that says whether it may be sent
    /// (RFC 4301 section 4.4.1.3: local X with remote OPAQUE means that X may be sent but not received).
    pub(crate) fn values(self) -> (PortValue, PortValue) {
        use PortValue::{Known, Missing, NotAsked};
        match self {
            Self::Ports(source, destination) => (Known(source), Known(destination)),
            Self::TypeCode(kind, code) => (Known(u16::from_be_bytes([kind, code])), NotAsked),
            Self::Mobility(kind) => (Known(u16::from_be_bytes([kind, 0])), NotAsked),
            Self::Absent | Self::Hidden => (Missing, Missing),
        }
    }
}
