//! ICMP for IPv4, RFC 792.

use crate::checksum::{Sum, checksum, equivalent};
use crate::derived::patch;
pub use crate::icmp::Echo;
use crate::reader::Reader;
use crate::{Derived, Error};

/// An ICMP packet.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |     Code      |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |            depends on the type; zero where unused             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~    echo data, or the header and first octets of the packet    ~
/// ~    that the error is about                                    ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Code within the type.
    pub code: u8,
    /// Checksum. Reading keeps a wrong one as `Exactly`: see [`Packet::is_intact`].
    pub checksum: Derived<u16>,
    /// What is said.
    pub message: Message,
}

/// An ICMP message by type. `original` is the beginning of the packet that an error is about, as it stands:
/// [`ip::Packet::parse_quoted`](crate::ip::Packet::parse_quoted) reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Type 0.
    EchoReply(Echo),
    /// Type 3.
    DestinationUnreachable {
        /// Unused, two octets.
        unused: u16,
        /// MTU of the next hop in octets where the code is 4 (RFC 1191 section 4), otherwise unused.
        next_hop_mtu: u16,
        /// The packet that could not be delivered.
        original: Vec<u8>,
    },
    /// Type 8.
    EchoRequest(Echo),
    /// Type 11.
    TimeExceeded {
        /// Unused, four octets.
        unused: u32,
        /// The packet that was dropped.
        original: Vec<u8>,
    },
    /// Type 12.
    ParameterProblem {
        /// Octet of the original at fault.
        pointer: u8,
        /// Unused, three octets.
        unused: [u8; 3],
        /// The packet that was dropped.
        original: Vec<u8>,
    },
    /// Any other type.
    Other {
        /// Type.
        icmp_type: u8,
        /// Octets after the checksum.
        data: Vec<u8>,
    },
}

/// Codes of Destination Unreachable: network unreachable.
pub const NETWORK_UNREACHABLE: u8 = 0;
/// Codes of Destination Unreachable: host unreachable.
pub const HOST_UNREACHABLE: u8 = 1;
/// Codes of Destination Unreachable: protocol unreachable.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Codes of Destination Unreachable: port unreachable.
pub const PORT_UNREACHABLE: u8 = 3;
/// Codes of Destination Unreachable: fragmentation needed and DF set.
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Codes of Destination Unreachable: communication administratively prohibited (RFC 1812 section 5.2.7.1).
pub const ADMINISTRATIVELY_PROHIBITED: u8 = 13;

impl From<Message> for Packet {
    /// The message with code 0.
    fn from(message: Message) -> Self {
        Self { code: 0, checksum: Derived::Computed, message }
    }
}

impl Packet {
    /// An echo request.
    pub fn echo_request(identifier: u16, sequence: u16, data: impl Into<Vec<u8>>) -> Self {
        Message::EchoRequest(Echo { identifier, sequence, data: data.into() }).into()
    }

    /// Destination Unreachable with one of the codes but [`FRAGMENTATION_NEEDED`].
    pub fn unreachable(code: u8, original: impl Into<Vec<u8>>) -> Self {
        let message = Message::DestinationUnreachable { unused: 0, next_hop_mtu: 0, original: original.into() };
        Self { code, ..message.into() }
    }

    /// Destination Unreachable, fragmentation needed, with the MTU of the next hop in octets.
    pub fn fragmentation_needed(next_hop_mtu: u16, original: impl Into<Vec<u8>>) -> Self {
        let message = Message::DestinationUnreachable { unused: 0, next_hop_mtu, original: original.into() };
        Self { code: FRAGMENTATION_NEEDED, ..message.into() }
    }

    /// Time Exceeded in transit.
    pub fn time_exceeded(original: impl Into<Vec<u8>>) -> Self {
        Message::TimeExceeded { unused: 0, original: original.into() }.into()
    }

    /// The reply to an echo request, `None` for anything else.
    pub fn echo_reply(&self) -> Option<Self> {
        match &self.message {
            Message::EchoRequest(echo) => Some(Message::EchoReply(echo.clone()).into()),
            _ => None,
        }
    }

    /// Reads a packet. A wrong checksum is kept, not refused.
    ///
    /// # Errors
    /// Fewer than 4 octets, or fewer than 8 in a type that is known.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0, "ICMP header (RFC 792)");
        let [icmp_type, code] = reader.array()?;
        let found = reader.u16()?;
        let computed = Sum::new().with(&[icmp_type, code]).with(reader.peek()).finish();
        let message = Message::parse(icmp_type, reader)?;
        Ok(Self { code, checksum: Derived::read(found, computed), message })
    }

    /// Is the checksum right? A receiver drops the packet otherwise.
    pub fn is_intact(&self) -> bool {
        match self.checksum {
            Derived::Computed => true,
            Derived::Exactly(found) => equivalent(found, checksum(&self.without_checksum())),
        }
    }

    /// The packet with zero in the checksum field.
    fn without_checksum(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.message.data().len());
        out.extend([self.message.icmp_type(), self.code, 0, 0]);
        self.message.emit(&mut out);
        out
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.without_checksum();
        let checksum = self.checksum.or(checksum(&out));
        patch(&mut out, 2, checksum.to_be_bytes());
        out
    }
}

impl Message {
    /// The type field.
    pub fn icmp_type(&self) -> u8 {
        match self {
            Self::EchoReply(_) => 0,
            Self::DestinationUnreachable { .. } => 3,
            Self::EchoRequest(_) => 8,
            Self::TimeExceeded { .. } => 11,
            Self::ParameterProblem { .. } => 12,
            Self::Other { icmp_type, .. } => *icmp_type,
        }
    }

    /// The octets at the end: echo data, the original packet, or all after the checksum.
    fn data(&self) -> &[u8] {
        match self {
            Self::EchoReply(echo) | Self::EchoRequest(echo) => &echo.data,
            Self::DestinationUnreachable { original, .. }
            | Self::TimeExceeded { original, .. }
            | Self::ParameterProblem { original, .. } => original,
            Self::Other { data, .. } => data,
        }
    }

    fn parse(icmp_type: u8, mut reader: Reader<'_>) -> Result<Self, Error> {
        if !matches!(icmp_type, 0 | 3 | 8 | 11 | 12) {
            return Ok(Self::Other { icmp_type, data: reader.rest().to_vec() });
        }
        let rest: [u8; 4] = reader.array()?;
        let [first, second, third, fourth] = rest;
        let data = reader.rest();
        Ok(match icmp_type {
            0 => Self::EchoReply(Echo::parse(&rest, data)),
            3 => Self::DestinationUnreachable {
                unused: u16::from_be_bytes([first, second]),
                next_hop_mtu: u16::from_be_bytes([third, fourth]),
                original: data.to_vec(),
            },
            8 => Self::EchoRequest(Echo::parse(&rest, data)),
            11 => Self::TimeExceeded { unused: u32::from_be_bytes(rest), original: data.to_vec() },
            _ => Self::ParameterProblem { pointer: first, unused: [second, third, fourth], original: data.to_vec() },
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::EchoReply(echo) | Self::EchoRequest(echo) => return echo.emit(out),
            Self::DestinationUnreachable { unused, next_hop_mtu, .. } => {
                out.extend(unused.to_be_bytes());
                out.extend(next_hop_mtu.to_be_bytes());
            }
            Self::TimeExceeded { unused, .. } => out.extend(unused.to_be_bytes()),
            Self::ParameterProblem { pointer, unused, .. } => {
                out.push(*pointer);
                out.extend(unused);
            }
            Self::Other { .. } => {}
        }
        out.extend(self.data());
    }
}
