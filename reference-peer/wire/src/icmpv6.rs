//! ICMP for IPv6, RFC 4443, with the messages of Neighbour Discovery, RFC 4861.

use crate::checksum::{Sum, equivalent};
use crate::derived::patch;
use crate::ethernet::Address;
pub use crate::icmp::Echo;
use crate::ip::Protocol;
use crate::reader::Reader;
use crate::{Derived, Error, Rule};
use std::net::Ipv6Addr;

/// An ICMPv6 packet: type, code, checksum as in ICMP for IPv4; the checksum covers a pseudo-header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Code within the type.
    pub code: u8,
    /// Checksum. Reading keeps a wrong one as `Exactly`: see [`Packet::is_intact`].
    pub checksum: Derived<u16>,
    /// What is said.
    pub message: Message,
}

/// An ICMPv6 message by type. `original` is as much as fits of the packet that an error is about:
/// [`ip::Packet::parse_quoted`](crate::ip::Packet::parse_quoted) reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Type 1, RFC 4443 section 3.1.
    DestinationUnreachable {
        /// Unused, four octets.
        unused: u32,
        /// The packet that could not be delivered.
        original: Vec<u8>,
    },
    /// Type 2, RFC 4443 section 3.2.
    PacketTooBig {
        /// MTU of the next hop in octets.
        mtu: u32,
        /// The packet that was too big.
        original: Vec<u8>,
    },
    /// Type 3, RFC 4443 section 3.3.
    TimeExceeded {
        /// Unused, four octets.
        unused: u32,
        /// The packet that was dropped.
        original: Vec<u8>,
    },
    /// Type 4, RFC 4443 section 3.4.
    ParameterProblem {
        /// Octet of the original at fault.
        pointer: u32,
        /// The packet that was dropped.
        original: Vec<u8>,
    },
    /// Type 128.
    EchoRequest(Echo),
    /// Type 129.
    EchoReply(Echo),
    /// Type 133, RFC 4861 section 4.1.
    RouterSolicitation {
        /// Reserved, four octets.
        reserved: u32,
        /// Options.
        options: Vec<NdOption>,
    },
    /// Type 134, RFC 4861 section 4.2.
    RouterAdvertisement {
        /// Current hop limit.
        hop_limit: u8,
        /// M, O and the reserved bits.
        flags: u8,
        /// Router lifetime in seconds.
        router_lifetime: u16,
        /// Reachable time in milliseconds.
        reachable_time: u32,
        /// Retransmission timer in milliseconds.
        retransmission_timer: u32,
        /// Options.
        options: Vec<NdOption>,
    },
    /// Type 135, RFC 4861 section 4.3.
    NeighborSolicitation {
        /// Reserved, four octets.
        reserved: u32,
        /// Whose link-layer address is asked for.
        target: Ipv6Addr,
        /// Options.
        options: Vec<NdOption>,
    },
    /// Type 136, RFC 4861 section 4.4.
    NeighborAdvertisement {
        /// R, S, O in the three highest bits, the rest reserved.
        flags: u32,
        /// Whose link-layer address is told.
        target: Ipv6Addr,
        /// Options.
        options: Vec<NdOption>,
    },
    /// Any other type.
    Other {
        /// Type.
        icmp_type: u8,
        /// Octets after the checksum.
        data: Vec<u8>,
    },
}

/// An option of Neighbour Discovery, RFC 4861 section 4.6.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |    Length     |              ...              ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NdOption {
    /// Type.
    pub option_type: u8,
    /// Length in units of 8 octets, type and length included.
    pub length: Derived<u8>,
    /// What follows. Padded with zeros to the unit when written.
    pub data: Vec<u8>,
}

/// R of a Neighbour Advertisement: the sender is a router.
pub const NA_ROUTER: u32 = 0x8000_0000;
/// S of a Neighbour Advertisement: it answers a solicitation.
pub const NA_SOLICITED: u32 = 0x4000_0000;
/// O of a Neighbour Advertisement: it replaces what is in the cache.
pub const NA_OVERRIDE: u32 = 0x2000_0000;

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

    /// Packet Too Big with the MTU of the next hop in octets.
    pub fn packet_too_big(mtu: u32, original: impl Into<Vec<u8>>) -> Self {
        Message::PacketTooBig { mtu, original: original.into() }.into()
    }

    /// Who has `target`? With the asker's own address, unless it has none yet.
    pub fn neighbor_solicitation(target: Ipv6Addr, source: Option<Address>) -> Self {
        let options = source.map(NdOption::source_address).into_iter().collect();
        Message::NeighborSolicitation { reserved: 0, target, options }.into()
    }

    /// `target` is at `mac`; `flags` of [`NA_ROUTER`], [`NA_SOLICITED`], [`NA_OVERRIDE`].
    pub fn neighbor_advertisement(target: Ipv6Addr, mac: Address, flags: u32) -> Self {
        Message::NeighborAdvertisement { flags, target, options: vec![NdOption::target_address(mac)] }.into()
    }

    /// The reply to an echo request, `None` for anything else.
    pub fn echo_reply(&self) -> Option<Self> {
        match &self.message {
            Message::EchoRequest(echo) => Some(Message::EchoReply(echo.clone()).into()),
            _ => None,
        }
    }

    /// Reads a packet that came from one address to the other. A wrong checksum is kept, not refused.
    ///
    /// # Errors
    /// Fewer octets than the type has, or options of Neighbour Discovery that do not fill the packet.
    pub fn parse(bytes: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0, "ICMPv6 header (RFC 4443 2.1)");
        let [icmp_type, code] = reader.array()?;
        let found = reader.u16()?;
        let message = Message::parse(icmp_type, reader.named("ICMPv6 message (RFC 4443, RFC 4861 4)"))?;
        let mut packet = Self { code, checksum: Derived::Computed, message };
        packet.checksum = Derived::read(found, sum(&packet.without_checksum(), source, destination));
        Ok(packet)
    }

    /// Is the checksum right? A receiver drops the packet otherwise.
    pub fn is_intact(&self, source: Ipv6Addr, destination: Ipv6Addr) -> bool {
        match self.checksum {
            Derived::Computed => true,
            Derived::Exactly(found) => equivalent(found, sum(&self.without_checksum(), source, destination)),
        }
    }

    /// The packet with zero in the checksum field.
    fn without_checksum(&self) -> Vec<u8> {
        let mut out = vec![self.message.icmp_type(), self.code, 0, 0];
        self.message.emit(&mut out);
        out
    }

    /// Appends the packet to `out`; the addresses enter the checksum.
    pub fn emit(&self, source: Ipv6Addr, destination: Ipv6Addr, out: &mut Vec<u8>) {
        out.extend(self.to_bytes(source, destination));
    }

    /// The packet as octets; the addresses enter the checksum.
    pub fn to_bytes(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        let mut out = self.without_checksum();
        let checksum = self.checksum.or(sum(&out, source, destination));
        patch(&mut out, 2, checksum.to_be_bytes());
        out
    }
}

fn sum(packet: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    Sum::new().pseudo_header(source.into(), destination.into(), Protocol::ICMPV6, packet.len()).with(packet).finish()
}

impl Message {
    /// The type field.
    pub fn icmp_type(&self) -> u8 {
        match self {
            Self::DestinationUnreachable { .. } => 1,
            Self::PacketTooBig { .. } => 2,
            Self::TimeExceeded { .. } => 3,
            Self::ParameterProblem { .. } => 4,
            Self::EchoRequest(_) => 128,
            Self::EchoReply(_) => 129,
            Self::RouterSolicitation { .. } => 133,
            Self::RouterAdvertisement { .. } => 134,
            Self::NeighborSolicitation { .. } => 135,
            Self::NeighborAdvertisement { .. } => 136,
            Self::Other { icmp_type, .. } => *icmp_type,
        }
    }

    fn parse(icmp_type: u8, mut reader: Reader<'_>) -> Result<Self, Error> {
        if !matches!(icmp_type, 1..=4 | 128 | 129 | 133..=136) {
            return Ok(Self::Other { icmp_type, data: reader.rest().to_vec() });
        }
        let rest: [u8; 4] = reader.array()?;
        let word = u32::from_be_bytes(rest);
        Ok(match icmp_type {
            1 => Self::DestinationUnreachable { unused: word, original: reader.rest().to_vec() },
            2 => Self::PacketTooBig { mtu: word, original: reader.rest().to_vec() },
            3 => Self::TimeExceeded { unused: word, original: reader.rest().to_vec() },
            4 => Self::ParameterProblem { pointer: word, original: reader.rest().to_vec() },
            128 => Self::EchoRequest(Echo::parse(&rest, reader.rest())),
            129 => Self::EchoReply(Echo::parse(&rest, reader.rest())),
            133 => Self::RouterSolicitation { reserved: word, options: NdOption::parse_all(reader)? },
            134 => Self::RouterAdvertisement {
                hop_limit: (word >> 24) as u8,
                flags: (word >> 16) as u8,
                router_lifetime: word as u16,
                reachable_time: reader.u32()?,
                retransmission_timer: reader.u32()?,
                options: NdOption::parse_all(reader)?,
            },
            135 => Self::NeighborSolicitation {
                reserved: word,
                target: Ipv6Addr::from(reader.array::<16>()?),
                options: NdOption::parse_all(reader)?,
            },
            _ => Self::NeighborAdvertisement {
                flags: word,
                target: Ipv6Addr::from(reader.array::<16>()?),
                options: NdOption::parse_all(reader)?,
            },
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let options = match self {
            Self::DestinationUnreachable { unused: word, original }
            | Self::PacketTooBig { mtu: word, original }
            | Self::TimeExceeded { unused: word, original }
            | Self::ParameterProblem { pointer: word, original } => {
                out.extend(word.to_be_bytes());
                out.extend(original);
                return;
            }
            Self::EchoRequest(echo) | Self::EchoReply(echo) => return echo.emit(out),
            Self::Other { data, .. } => return out.extend(data),
            Self::RouterSolicitation { reserved, options } => {
                out.extend(reserved.to_be_bytes());
                options
            }
            Self::RouterAdvertisement {
                hop_limit,
                flags,
                router_lifetime,
                reachable_time,
                retransmission_timer,
                options,
            } => {
                out.extend([*hop_limit, *flags]);
                out.extend(router_lifetime.to_be_bytes());
                out.extend(reachable_time.to_be_bytes());
                out.extend(retransmission_timer.to_be_bytes());
                options
            }
            Self::NeighborSolicitation { reserved: word, target, options }
            | Self::NeighborAdvertisement { flags: word, target, options } => {
                out.extend(word.to_be_bytes());
                out.extend(target.octets());
                options
            }
        };
        for option in options {
            option.emit(out);
        }
    }
}

impl NdOption {
    /// Source Link-Layer Address.
    pub const SOURCE_ADDRESS: u8 = 1;
    /// Target Link-Layer Address.
    pub const TARGET_ADDRESS: u8 = 2;

    /// The asker's own MAC address.
    pub fn source_address(mac: Address) -> Self {
        Self { option_type: Self::SOURCE_ADDRESS, length: Derived::Computed, data: mac.0.to_vec() }
    }

    /// The MAC address that was asked for.
    pub fn target_address(mac: Address) -> Self {
        Self { option_type: Self::TARGET_ADDRESS, length: Derived::Computed, data: mac.0.to_vec() }
    }

    /// The MAC address in a Source or Target Link-Layer Address option.
    pub fn mac(&self) -> Option<Address> {
        match self.option_type {
            Self::SOURCE_ADDRESS | Self::TARGET_ADDRESS => self.data.as_slice().try_into().ok().map(Address),
            _ => None,
        }
    }

    fn parse_all(reader: Reader<'_>) -> Result<Vec<Self>, Error> {
        let mut reader = reader.named("neighbour discovery option (RFC 4861 4.6)");
        let mut options = Vec::new();
        while !reader.is_empty() {
            let start = reader;
            let [option_type, length] = reader.array()?;
            let Some(octets) = (usize::from(length) * 8).checked_sub(2) else {
                return Err(start.fail(Rule::NdOptionLength));
            };
            options.push(Self { option_type, length: Derived::Computed, data: reader.take(octets)?.to_vec() });
        }
        Ok(options)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let octets = (2 + self.data.len()).next_multiple_of(8);
        out.extend([self.option_type, self.length.or((octets / 8) as u8)]);
        out.extend(&self.data);
        out.resize(start + octets, 0);
    }
}
