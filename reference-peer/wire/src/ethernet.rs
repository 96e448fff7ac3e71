//! Ethernet II frames, without preamble and frame check sequence.

use crate::Error;
use crate::open::open;
use crate::reader::Reader;
use std::fmt;

/// A MAC address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Address(pub [u8; 6]);

open! {
    /// EtherType; below 0x0600 it is the length of an IEEE 802.3 frame.
    EtherType(u16) {
        IPV4 = 0x0800, "IPv4";
        ARP = 0x0806, "ARP";
        VLAN = 0x8100, "VLAN";
        IPV6 = 0x86DD, "IPv6";
    }
}

/// A frame.
///
/// ```text
/// +-------------------------+-------------------------+-----------+---------
/// | Destination (6 octets)  |    Source (6 octets)    | EtherType | Payload
/// +-------------------------+-------------------------+-----------+---------
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// To whom.
    pub destination: Address,
    /// From whom.
    pub source: Address,
    /// What it carries.
    pub ether_type: EtherType,
    /// What follows, with the padding of short frames.
    pub payload: Vec<u8>,
}

impl Address {
    /// All stations.
    pub const BROADCAST: Self = Self([0xFF; 6]);

    /// The group address of an IPv6 multicast address, RFC 2464 section 7.
    pub fn of_multicast(address: std::net::Ipv6Addr) -> Self {
        let [.., a, b, c, d] = address.octets();
        Self([0x33, 0x33, a, b, c, d])
    }

    /// Is it a group address, broadcast included?
    pub fn is_multicast(self) -> bool {
        let [first, ..] = self.0;
        first & 1 != 0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Frame {
    /// Octets of the header.
    pub const HEADER: usize = 14;

    /// Reads a frame of any length that holds the header.
    ///
    /// # Errors
    /// Fewer than 14 octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0, "Ethernet header (RFC 894)");
        Ok(Self {
            destination: Address(reader.array()?),
            source: Address(reader.array()?),
            ether_type: EtherType(reader.u16()?),
            payload: reader.rest().to_vec(),
        })
    }

    /// Appends the frame to `out`, without padding to the least length of 60 octets.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.destination.0);
        out.extend(self.source.0);
        out.extend(self.ether_type.0.to_be_bytes());
        out.extend(&self.payload);
    }

    /// The frame as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEADER + self.payload.len());
        self.emit(&mut out);
        out
    }
}
