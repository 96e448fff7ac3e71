//! ARP for IPv4 over Ethernet, RFC 826.

use crate::ethernet::{Address, EtherType};
use crate::open::open;
use crate::reader::Reader;
use crate::{Derived, Error, Rule};
use std::net::Ipv4Addr;

open! {
    /// Operation.
    Operation(u16) {
        REQUEST = 1, "request";
        REPLY = 2, "reply";
    }
}

/// An ARP packet. Its first four fields say that it speaks of IPv4 over Ethernet; reading insists that they do.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       Hardware type 1         |     Protocol type 0x0800      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Length 6   |    Length 4   |           Operation           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Sender's hardware (6 octets) and protocol (4) addresses      |
/// |  Target's hardware (6 octets) and protocol (4) addresses      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Hardware type, 1 for Ethernet.
    pub hardware_type: Derived<u16>,
    /// Protocol type, that of IPv4.
    pub protocol_type: Derived<EtherType>,
    /// Octets of a hardware address, 6.
    pub hardware_length: Derived<u8>,
    /// Octets of a protocol address, 4.
    pub protocol_length: Derived<u8>,
    /// Request or reply.
    pub operation: Operation,
    /// MAC address of the sender.
    pub sender_mac: Address,
    /// IP address of the sender; unspecified in a probe (RFC 5227).
    pub sender_ip: Ipv4Addr,
    /// MAC address of the target; ignored in a request.
    pub target_mac: Address,
    /// IP address of the target.
    pub target_ip: Ipv4Addr,
}

const ETHERNET: u16 = 1;

impl Packet {
    /// Octets of a packet.
    pub const OCTETS: usize = 28;

    /// Who has `target_ip`?
    pub fn request(sender_mac: Address, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Self {
        Self {
            hardware_type: Derived::Computed,
            protocol_type: Derived::Computed,
            hardware_length: Derived::Computed,
            protocol_length: Derived::Computed,
            operation: Operation::REQUEST,
            sender_mac,
            sender_ip,
            target_mac: Address::default(),
            target_ip,
        }
    }

    /// The answer to this request: its target is at `mac`.
    #[must_use]
    pub fn reply(&self, mac: Address) -> Self {
        Self {
            operation: Operation::REPLY,
            target_mac: self.sender_mac,
            target_ip: self.sender_ip,
            ..Self::request(mac, self.target_ip, self.sender_ip)
        }
    }

    /// Reads a packet and gives what follows it: the padding of the frame.
    ///
    /// # Errors
    /// Fewer than 28 octets, or not IPv4 over Ethernet.
    pub fn parse_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(bytes, 0, "ARP packet (RFC 826)");
        let start = reader;
        let forms = [
            ("hardware type", reader.u16()?, ETHERNET),
            ("protocol type", reader.u16()?, EtherType::IPV4.0),
            ("hardware address length", u16::from(reader.u8()?), 6),
            ("protocol address length", u16::from(reader.u8()?), 4),
        ];
        for (field, found, expected) in forms {
            if found != expected {
                return Err(start.fail(Rule::ArpForm { field, found, expected }));
            }
        }
        let packet = Self {
            hardware_type: Derived::Computed,
            protocol_type: Derived::Computed,
            hardware_length: Derived::Computed,
            protocol_length: Derived::Computed,
            operation: Operation(reader.u16()?),
            sender_mac: Address(reader.array()?),
            sender_ip: Ipv4Addr::from(reader.array::<4>()?),
            target_mac: Address(reader.array()?),
            target_ip: Ipv4Addr::from(reader.array::<4>()?),
        };
        Ok((packet, reader.rest()))
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.hardware_type.or(ETHERNET).to_be_bytes());
        out.extend(self.protocol_type.or(EtherType::IPV4).0.to_be_bytes());
        out.extend([self.hardware_length.or(6), self.protocol_length.or(4)]);
        out.extend(self.operation.0.to_be_bytes());
        out.extend(self.sender_mac.0);
        out.extend(self.sender_ip.octets());
        out.extend(self.target_mac.0);
        out.extend(self.target_ip.octets());
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::OCTETS);
        self.emit(&mut out);
        out
    }
}
