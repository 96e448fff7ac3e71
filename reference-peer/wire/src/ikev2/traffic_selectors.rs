//! TSi and TSr payloads, RFC 7296 section 3.13.

use crate::reader::Reader;
use crate::{Derived, Error, Rule};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TSi or TSr payload, section 3.13.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Number of TSs |                 RESERVED                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                       <Traffic Selectors>                     ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TrafficSelectors {
    /// Number of selectors.
    pub count: Derived<u8>,
    /// The three RESERVED octets.
    pub reserved: [u8; 3],
    /// Selectors in order.
    pub selectors: Vec<TrafficSelector>,
}

/// One traffic selector, section 3.13.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   TS Type     |IP Protocol ID |       Selector Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Start Port          |           End Port            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                         Starting Address                      ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                         Ending Address                        ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum TrafficSelector {
    /// TS_IPV4_ADDR_RANGE (7) or TS_IPV6_ADDR_RANGE (8), by the family of the first address (both should be of one).
    Range {
        /// IP protocol, 0 for any.
        protocol: u8,
        /// Selector length in octets.
        length: Derived<u16>,
        /// First port (ICMP: type and code).
        start_port: u16,
        /// Last port.
        end_port: u16,
        /// First address.
        start: IpAddr,
        /// Last address.
        end: IpAddr,
    },
    /// Any other type.
    Raw {
        /// TS type.
        ts_type: u8,
        /// Second octet.
        protocol: u8,
        /// Octets after type, protocol and length.
        data: Vec<u8>,
    },
}

const TS: &str = "TS payload (RFC 7296 3.13)";
const SELECTOR: &str = "traffic selector (RFC 7296 3.13.1)";

impl TrafficSelectors {
    /// A payload with these selectors.
    pub fn new(selectors: impl Into<Vec<TrafficSelector>>) -> Self {
        Self { selectors: selectors.into(), ..Self::default() }
    }

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let start = reader.named(TS);
        let mut reader = start;
        let [count, reserved @ ..] = reader.array::<4>()?;
        if reader.is_empty() {
            return Err(reader.fail(Rule::NoSelector));
        }
        // The least selector that is known takes 16 octets.
        let mut selectors = Vec::with_capacity(usize::from(count).min(reader.len().div_ceil(16)));
        while !reader.is_empty() {
            selectors.push(TrafficSelector::parse(&mut reader)?);
        }
        if selectors.len() != usize::from(count) {
            return Err(start.fail(Rule::SelectorCount { count, found: selectors.len() }));
        }
        Ok(Self { count: Derived::Computed, reserved, selectors })
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.count.or(self.selectors.len() as u8));
        out.extend(self.reserved);
        for selector in &self.selectors {
            selector.emit(out);
        }
    }
}

impl TrafficSelector {
    /// TS_IPV4_ADDR_RANGE.
    pub const IPV4_RANGE: u8 = 7;
    /// TS_IPV6_ADDR_RANGE.
    pub const IPV6_RANGE: u8 = 8;

    /// An honest range; both addresses must be of one family. `protocol` 0 is any.
    pub fn from_range(protocol: u8, ports: std::ops::RangeInclusive<u16>, start: IpAddr, end: IpAddr) -> Self {
        let (start_port, end_port) = ports.into_inner();
        Self::Range { protocol, length: Derived::Computed, start_port, end_port, start, end }
    }

    /// Everything from `start` to `end`: any protocol, any port.
    pub fn any(start: IpAddr, end: IpAddr) -> Self {
        Self::from_range(0, 0..=u16::MAX, start, end)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.named(SELECTOR);
        let mut fixed = start;
        let [ts_type, protocol, length_high, length_low] = fixed.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        let (least, most) = match ts_type {
            Self::IPV4_RANGE => (16, 16),
            Self::IPV6_RANGE => (40, 40),
            _ => (4, start.len()),
        };
        if !(least..=most).contains(&usize::from(length)) || usize::from(length) > start.len() {
            return Err(start.fail(Rule::SelectorLength { ts_type, length, left: start.len() }));
        }
        let mut contents = reader.part(usize::from(length), SELECTOR)?;
        contents.take(4)?;
        if ts_type != Self::IPV4_RANGE && ts_type != Self::IPV6_RANGE {
            return Ok(Self::Raw { ts_type, protocol, data: contents.rest().to_vec() });
        }
        let ports = contents.u16()?..=contents.u16()?;
        let mut address = || match ts_type {
            Self::IPV4_RANGE => contents.array::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
            _ => contents.array::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
        };
        Ok(Self::from_range(protocol, ports, address()?, address()?))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = match self {
            Self::Range { protocol, length, start_port, end_port, start, end } => {
                let ts_type = if start.is_ipv4() { Self::IPV4_RANGE } else { Self::IPV6_RANGE };
                out.extend([ts_type, *protocol, 0, 0]);
                out.extend(start_port.to_be_bytes());
                out.extend(end_port.to_be_bytes());
                emit_address(start, out);
                emit_address(end, out);
                *length
            }
            Self::Raw { ts_type, protocol, data } => {
                out.extend([*ts_type, *protocol, 0, 0]);
                out.extend(data);
                Derived::Computed
            }
        };
        length.patch_length(start, 2, out);
    }
}

fn emit_address(address: &IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}
