//! IPv6 and its extension headers, RFC 8200.

use crate::derived::patch;
use crate::ip::{Ecn, Protocol};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};
use std::net::Ipv6Addr;

/// An IPv6 packet, RFC 8200 section 3.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version|   DSCP    |ECN|           Flow Label                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Source Address (16 octets)            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Destination Address (16 octets)          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// Extension headers are read up to the first header that is none of the four kinds of [`ExtensionBody`]; AH and ESP
/// are `protocol` and `payload`. What follows the Fragment header of a real fragment is not read either, since it may
/// be cut anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Version, 6.
    pub version: Derived<u8>,
    /// Differentiated Services Code Point, six bits.
    pub dscp: u8,
    /// Explicit Congestion Notification.
    pub ecn: Ecn,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Octets after this header: extension headers and payload.
    pub payload_length: Derived<u16>,
    /// Type of the first extension header, or of the payload.
    pub next_header: Derived<Protocol>,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Extension headers in order.
    pub extensions: Vec<Extension>,
    /// Protocol of the payload, after the extension headers.
    pub protocol: Protocol,
    /// What the packet carries.
    pub payload: Vec<u8>,
}

/// An extension header, RFC 8200 section 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Type of the header after this one.
    pub next_header: Derived<Protocol>,
    /// The second octet: length in units of 8 octets, less 1. Reserved in a Fragment header, where 0 is computed.
    pub length: Derived<u8>,
    /// What it says.
    pub body: ExtensionBody,
}

/// The contents of an extension header, after Next Header and length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionBody {
    /// Hop-by-Hop Options, section 4.3. Padded with zeros (Pad1) to a multiple of 8 octets when written.
    HopByHop(Vec<u8>),
    /// Routing, section 4.4. Padded alike.
    Routing {
        /// Routing type.
        routing_type: u8,
        /// Segments left.
        segments_left: u8,
        /// Type-specific data.
        data: Vec<u8>,
    },
    /// Fragment, section 4.5.
    ///
    /// ```text
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |                         Identification                        |
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// ```
    Fragment {
        /// Offset in units of 8 octets, 13 bits.
        offset: u16,
        /// The two reserved bits.
        reserved: u8,
        /// M: more fragments.
        more: bool,
        /// Identification of the fragments of one packet.
        identification: u32,
    },
    /// Destination Options, section 4.6. Padded with zeros (Pad1) to a multiple of 8 octets when written.
    DestinationOptions(Vec<u8>),
}

const FIXED: usize = 40;
const FLOW_LABEL: u32 = 0x000F_FFFF;

impl Packet {
    /// An honest packet without extension headers: hop limit 64.
    pub fn new(source: Ipv6Addr, destination: Ipv6Addr, protocol: Protocol, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            version: Derived::Computed,
            dscp: 0,
            ecn: Ecn::NotEct,
            flow_label: 0,
            payload_length: Derived::Computed,
            next_header: Derived::Computed,
            hop_limit: 64,
            source,
            destination,
            extensions: Vec::new(),
            protocol,
            payload: payload.into(),
        }
    }

    /// Reads a packet that must end where `bytes` end.
    ///
    /// # Errors
    /// A version other than 6, a length that contradicts the octets, a Hop-by-Hop Options header that is not first.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (packet, rest) = Self::parse_prefix(bytes)?;
        Reader::new(rest, bytes.len() - rest.len(), "after the payload length (RFC 8200 3)").finish()?;
        Ok(packet)
    }

    /// Reads a packet and gives what follows it: padding of the Ethernet frame, traffic flow confidentiality padding.
    ///
    /// # Errors
    /// As [`Packet::parse`], but for octets left over.
    pub fn parse_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        Self::read(bytes, false)
    }

    /// Reads a packet of which only the beginning was quoted, as in ICMP errors. Where it was cut, Payload Length is
    /// `Exactly` what it was. Extension headers must be there as a whole.
    ///
    /// # Errors
    /// As [`Packet::parse`], but for a Payload Length beyond the end.
    pub fn parse_quoted(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes, true).map(|(packet, _)| packet)
    }

    fn read(bytes: &[u8], quoted: bool) -> Result<(Self, &[u8]), Error> {
        let start = Reader::new(bytes, 0, "IPv6 header (RFC 8200 3)");
        let mut reader = start;
        let word = reader.u32()?;
        if word >> 28 != 6 {
            return Err(start.fail(Rule::IpVersion { found: (word >> 28) as u8, expected: 6 }));
        }
        let length_at = reader;
        let length = reader.u16()?;
        let [next_header, hop_limit] = reader.array()?;
        let source = Ipv6Addr::from(reader.array::<16>()?);
        let destination = Ipv6Addr::from(reader.array::<16>()?);
        let cut = quoted && usize::from(length) > reader.len();
        if usize::from(length) > reader.len() && !cut {
            return Err(length_at.fail(Rule::Ipv6PayloadLength { length, left: reader.len() }));
        }
        let mut contents = reader.part(usize::from(length).min(reader.len()), "IPv6 payload (RFC 8200 3)")?;
        let mut protocol = Protocol(next_header);
        let mut extensions = Vec::new();
        while let Some((extension, next)) = Extension::parse(protocol, extensions.is_empty(), &mut contents)? {
            let fragment = extension.body.is_real_fragment();
            extensions.push(extension);
            protocol = next;
            if fragment {
                break;
            }
        }
        let packet = Self {
            version: Derived::Computed,
            dscp: (word >> 22) as u8 & 0x3F,
            ecn: Ecn::from_bits((word >> 20) as u8),
            flow_label: word & FLOW_LABEL,
            payload_length: if cut { Derived::Exactly(length) } else { Derived::Computed },
            next_header: Derived::Computed,
            hop_limit,
            source,
            destination,
            extensions,
            protocol,
            payload: contents.rest().to_vec(),
        };
        Ok((packet, reader.rest()))
    }

    /// Is this a fragment of a larger packet? An atomic fragment (RFC 6946) is not.
    pub fn is_fragment(&self) -> bool {
        self.extensions.iter().any(|extension| extension.body.is_real_fragment())
    }

    /// Where an AH or ESP header belongs among the extension headers in transport mode: after Hop-by-Hop Options,
    /// Routing and Fragment and the Destination Options before them (RFC 4302 and 4303 section 3.1.1). Destination
    /// Options after that place are for the final destination and are protected.
    pub fn ipsec_position(&self) -> usize {
        let is_outside = |extension: &Extension| !matches!(extension.body, ExtensionBody::DestinationOptions(_));
        self.extensions.iter().rposition(is_outside).map_or(0, |last| last + 1)
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let word = u32::from(self.version.or(6)) << 28
            | u32::from(self.dscp & 0x3F) << 22
            | u32::from(self.ecn.bits()) << 20
            | self.flow_label & FLOW_LABEL;
        out.extend(word.to_be_bytes());
        out.extend([0, 0, self.next_header.or(self.type_of(0)).0, self.hop_limit]);
        out.extend(self.source.octets());
        out.extend(self.destination.octets());
        for (index, extension) in self.extensions.iter().enumerate() {
            extension.emit(self.type_of(index + 1), out);
        }
        out.extend(&self.payload);
        let length = self.payload_length.or((out.len() - start - FIXED) as u16);
        patch(out, start + 4, length.to_be_bytes());
    }

    /// Type of the extension header at `index`, or of the payload after them all.
    fn type_of(&self, index: usize) -> Protocol {
        self.extensions.get(index).map_or(self.protocol, |extension| extension.body.protocol())
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + self.payload.len());
        self.emit(&mut out);
        out
    }
}

impl From<ExtensionBody> for Extension {
    /// The body with honest Next Header and length.
    fn from(body: ExtensionBody) -> Self {
        Self { next_header: Derived::Computed, length: Derived::Computed, body }
    }
}

impl Extension {
    /// The extension header of type `protocol` with the type of the one after it, if it is one that we read.
    fn parse(protocol: Protocol, is_first: bool, reader: &mut Reader<'_>) -> Result<Option<(Self, Protocol)>, Error> {
        let known = matches!(
            protocol,
            Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::FRAGMENT | Protocol::DESTINATION_OPTIONS
        );
        if !known {
            return Ok(None);
        }
        if protocol == Protocol::HOP_BY_HOP && !is_first {
            return Err(reader.fail(Rule::HopByHopNotFirst));
        }
        *reader = reader.named("IPv6 extension header (RFC 8200 4)");
        let [next, second] = reader.array()?;
        let mut length = Derived::Computed;
        let body = if protocol == Protocol::FRAGMENT {
            length = Derived::read(second, 0);
            let bits = reader.u16()?;
            ExtensionBody::Fragment {
                offset: bits >> 3,
                reserved: (bits >> 1) as u8 & 3,
                more: bits & 1 != 0,
                identification: reader.u32()?,
            }
        } else {
            let mut contents = reader.part(usize::from(second) * 8 + 6, "IPv6 extension header (RFC 8200 4)")?;
            match protocol {
                Protocol::HOP_BY_HOP => ExtensionBody::HopByHop(contents.rest().to_vec()),
                Protocol::ROUTING => {
                    let [routing_type, segments_left] = contents.array()?;
                    ExtensionBody::Routing { routing_type, segments_left, data: contents.rest().to_vec() }
                }
                _ => ExtensionBody::DestinationOptions(contents.rest().to_vec()),
            }
        };
        Ok(Some((Self { next_header: Derived::Computed, length, body }, Protocol(next))))
    }

    fn emit(&self, next: Protocol, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([self.next_header.or(next).0, 0]);
        match &self.body {
            ExtensionBody::HopByHop(options) | ExtensionBody::DestinationOptions(options) => out.extend(options),
            ExtensionBody::Routing { routing_type, segments_left, data } => {
                out.extend([*routing_type, *segments_left]);
                out.extend(data);
            }
            ExtensionBody::Fragment { offset, reserved, more, identification } => {
                let bits = offset << 3 | u16::from(reserved & 3) << 1 | u16::from(*more);
                out.extend(bits.to_be_bytes());
                out.extend(identification.to_be_bytes());
            }
        }
        let octets = (out.len() - start).next_multiple_of(8);
        out.resize(start + octets, 0);
        // The reserved octet of a Fragment header comes out as 0 by the same rule: it has 8 octets.
        patch(out, start + 1, [self.length.or((octets / 8 - 1) as u8)]);
    }
}

impl ExtensionBody {
    /// The Next Header value that announces it.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::HopByHop(_) => Protocol::HOP_BY_HOP,
            Self::Routing { .. } => Protocol::ROUTING,
            Self::Fragment { .. } => Protocol::FRAGMENT,
            Self::DestinationOptions(_) => Protocol::DESTINATION_OPTIONS,
        }
    }

    fn is_real_fragment(&self) -> bool {
        matches!(self, Self::Fragment { offset, more, .. } if *offset != 0 || *more)
    }
}
