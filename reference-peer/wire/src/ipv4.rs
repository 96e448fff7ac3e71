//! IPv4, RFC 791 section 3.1.

use crate::checksum::{Sum, checksum, equivalent};
use crate::derived::patch;
use crate::ip::{Ecn, Protocol};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};
use std::net::Ipv4Addr;

/// An IPv4 packet.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version|  IHL  |   DSCP    |ECN|          Total Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Identification        |R|D|M|     Fragment Offset     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Source Address                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Destination Address                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                    Options and padding                        ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Version, 4.
    pub version: Derived<u8>,
    /// Internet Header Length in units of 4 octets.
    pub ihl: Derived<u8>,
    /// Differentiated Services Code Point, six bits (RFC 2474).
    pub dscp: u8,
    /// Explicit Congestion Notification (RFC 3168).
    pub ecn: Ecn,
    /// Octets of header and payload.
    pub total_length: Derived<u16>,
    /// Identification of the fragments of one packet.
    pub identification: u16,
    /// The reserved bit of the flags.
    pub reserved_flag: bool,
    /// DF: don't fragment.
    pub dont_fragment: bool,
    /// MF: more fragments.
    pub more_fragments: bool,
    /// Fragment offset in units of 8 octets, 13 bits.
    pub fragment_offset: u16,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: Protocol,
    /// Header checksum. Reading keeps a wrong one as `Exactly`: see [`Packet::is_intact`].
    pub checksum: Derived<u16>,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Options as they stand. Padded with zeros to a multiple of 4 octets when written.
    pub options: Vec<u8>,
    /// What the packet carries.
    pub payload: Vec<u8>,
}

const FIXED: usize = 20;
const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1FFF;

impl Packet {
    /// An honest packet that is no fragment: TTL 64, DF clear, identification 0.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            version: Derived::Computed,
            ihl: Derived::Computed,
            dscp: 0,
            ecn: Ecn::NotEct,
            total_length: Derived::Computed,
            identification: 0,
            reserved_flag: false,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            checksum: Derived::Computed,
            source,
            destination,
            options: Vec::new(),
            payload: payload.into(),
        }
    }

    /// Reads a packet that must end where `bytes` end. A wrong checksum is kept, not refused.
    ///
    /// # Errors
    /// A version other than 4, an IHL or Total Length that contradicts the octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (packet, rest) = Self::parse_prefix(bytes)?;
        Reader::new(rest, bytes.len() - rest.len(), "after the total length (RFC 791 3.1)").finish()?;
        Ok(packet)
    }

    /// Reads a packet and gives what follows it: padding of the Ethernet frame, traffic flow confidentiality padding.
    ///
    /// # Errors
    /// As [`Packet::parse`], but for octets left over.
    pub fn parse_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        Self::read(bytes, false)
    }

    /// Reads a packet of which only the beginning was quoted, as in ICMP errors. Where it was cut, Total Length is
    /// `Exactly` what it was.
    ///
    /// # Errors
    /// As [`Packet::parse`], but for a Total Length beyond the end.
    pub fn parse_quoted(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes, true).map(|(packet, _)| packet)
    }

    fn read(bytes: &[u8], quoted: bool) -> Result<(Self, &[u8]), Error> {
        let start = Reader::new(bytes, 0, "IPv4 header (RFC 791 3.1)");
        let mut reader = start;
        let [first, traffic_class] = reader.array()?;
        if first >> 4 != 4 {
            return Err(start.fail(Rule::IpVersion { found: first >> 4, expected: 4 }));
        }
        let ihl = first & 0x0F;
        let header = usize::from(ihl) * 4;
        if header < FIXED || header > bytes.len() {
            return Err(start.fail(Rule::Ipv4HeaderLength { ihl, left: bytes.len() }));
        }
        let length_at = reader;
        let length = reader.u16()?;
        let total = usize::from(length);
        let cut = quoted && total > bytes.len();
        if total < header || (total > bytes.len() && !cut) {
            return Err(length_at.fail(Rule::Ipv4TotalLength { length, header, left: bytes.len() }));
        }
        let identification = reader.u16()?;
        let fragment = reader.u16()?;
        let [ttl, protocol] = reader.array()?;
        let found = reader.u16()?;
        let mut summed = start;
        let sum = Sum::new().with(summed.take(10)?);
        summed.take(2)?;
        let computed = sum.with(summed.take(header - 12)?).finish();
        let source = Ipv4Addr::from(reader.array::<4>()?);
        let destination = Ipv4Addr::from(reader.array::<4>()?);
        let options = reader.take(header - FIXED)?.to_vec();
        let payload = reader.take(total.min(bytes.len()) - header)?.to_vec();
        let packet = Self {
            version: Derived::Computed,
            ihl: Derived::Computed,
            dscp: traffic_class >> 2,
            ecn: Ecn::from_bits(traffic_class),
            total_length: if cut { Derived::Exactly(length) } else { Derived::Computed },
            identification,
            reserved_flag: fragment & RESERVED != 0,
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & OFFSET,
            ttl,
            protocol: Protocol(protocol),
            checksum: Derived::read(found, computed),
            source,
            destination,
            options,
            payload,
        };
        Ok((packet, reader.rest()))
    }

    /// Is this a fragment of a larger packet?
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Is the header checksum right? A receiver drops the packet otherwise (RFC 1122 section 3.2.1.2).
    pub fn is_intact(&self) -> bool {
        match self.checksum {
            Derived::Computed => true,
            Derived::Exactly(found) => equivalent(found, self.computed_checksum()),
        }
    }

    fn computed_checksum(&self) -> u16 {
        let mut header = Vec::with_capacity(60);
        self.emit_header(&mut header);
        checksum(&header)
    }

    /// The header with a zero checksum.
    fn emit_header(&self, out: &mut Vec<u8>) {
        let header = FIXED + self.options.len().next_multiple_of(4);
        let ihl = self.ihl.or((header / 4) as u8);
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        let fragment = flag(self.reserved_flag, RESERVED)
            | flag(self.dont_fragment, DONT_FRAGMENT)
            | flag(self.more_fragments, MORE_FRAGMENTS)
            | self.fragment_offset & OFFSET;
        out.push(self.version.or(4) << 4 | ihl & 0x0F);
        out.push(self.dscp << 2 | self.ecn.bits());
        out.extend(self.total_length.or((header + self.payload.len()) as u16).to_be_bytes());
        out.extend(self.identification.to_be_bytes());
        out.extend(fragment.to_be_bytes());
        out.extend([self.ttl, self.protocol.0, 0, 0]);
        out.extend(self.source.octets());
        out.extend(self.destination.octets());
        out.extend(&self.options);
        out.extend(std::iter::repeat_n(0, header - FIXED - self.options.len()));
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.emit_header(out);
        let computed = out.get(start..).map_or(0, checksum);
        patch(out, start + 10, self.checksum.or(computed).to_be_bytes());
        out.extend(&self.payload);
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + self.options.len() + 3 + self.payload.len());
        self.emit(&mut out);
        out
    }
}
