//! Traffic selectors (RFC 4301 section 4.4.1.1, RFC 7296 section 3.13.1): which packets a policy or an SA is for.

use std::fmt;
use std::net::IpAddr;

use super::flow::{Flow, PortValue, UpperLayer};

/// An inclusive range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    start: IpAddr,
    end: IpAddr,
}

impl AddressRange {
    /// The range from `start` to `end`, both included; `None` if they are of different families or out of order.
    pub fn new(start: IpAddr, end: IpAddr) -> Option<Self> {
        (start.is_ipv4() == end.is_ipv4() && start <= end).then_some(Self { start, end })
    }

    /// One address.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self { start: address, end: address }
    }

    /// The lowest address.
    pub fn start(&self) -> IpAddr {
        self.start
    }

    /// The highest address.
    pub fn end(&self) -> IpAddr {
        self.end
    }

    /// Is the address in the range? Never for one of the other family.
    pub fn contains(&self, address: IpAddr) -> bool {
        // IpAddr orders every IPv4 address before every IPv6 address, so a range of one family excludes the other.
        (self.start..=self.end).contains(&address)
    }

    /// The addresses that both ranges have.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }
}

impl From<ipnet::IpNet> for AddressRange {
    fn from(net: ipnet::IpNet) -> Self {
        Self { start: net.network(), end: net.broadcast() }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end { write!(f, "{}", self.start) } else { write!(f, "{}-{}", self.start, self.end) }
    }
}

/// Ports, or type and code of ICMP (type in the upper octet), or the Mobility Header type (in the upper octet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PortRange {
    /// Every value, also where the packet has none or it cannot be seen.
    #[default]
    Any,
    /// Only where the value cannot be seen: non-initial fragments (RFC 4301 section 7.2).
    Opaque,
    /// From the first to the second, both included, without the ends of [`Any`](Self::Any).
    Range(u16, u16),
}

impl PortRange {
    /// The range of a traffic selector on the wire: 0-65535 is any, 65535-0 is opaque. `None` if otherwise out of
    /// order.
    pub fn from_wire(start: u16, end: u16) -> Option<Self> {
        match (start, end) {
            (0, u16::MAX) => Some(Self::Any),
            (u16::MAX, 0) => Some(Self::Opaque),
            (start, end) if start <= end => Some(Self::Range(start, end)),
            _ => None,
        }
    }

    /// Start and end as they stand in a traffic selector on the wire.
    pub fn to_wire(self) -> (u16, u16) {
        match self {
            Self::Any => (0, u16::MAX),
            Self::Opaque => (u16::MAX, 0),
            Self::Range(start, end) => (start, end),
        }
    }

    /// A single value.
    pub fn single(value: u16) -> Self {
        Self::Range(value, value)
    }

    /// Neither any nor opaque (RFC 4301 section 7).
    pub fn is_non_trivial(self) -> bool {
        matches!(self, Self::Range(..))
    }

    /// The values that both have.
    pub fn intersection(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, range) | (range, Self::Any) => Some(range),
            (Self::Opaque, Self::Opaque) => Some(Self::Opaque),
            (Self::Range(a, b), Self::Range(c, d)) if a.max(c) <= b.min(d) => Some(Self::Range(a.max(c), b.min(d))),
            _ => None,
        }
    }

    fn admits(self, value: PortValue) -> bool {
        match (self, value) {
            (Self::Any, _) | (_, PortValue::NotAsked) | (Self::Opaque, PortValue::Missing) => true,
            (Self::Range(start, end), PortValue::Known(value)) => (start..=end).contains(&value),
            _ => false,
        }
    }
}

/// One traffic selector: one end's addresses, the protocol, and that end's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrafficSelector {
    /// Addresses of this end.
    pub addresses: AddressRange,
    /// Next layer protocol; 0 for any.
    pub protocol: u8,
    /// Ports of this end, or the ICMP type and code. Must be [`PortRange::Any`] where `protocol` is 0.
    pub ports: PortRange,
}

impl TrafficSelector {
    /// Every protocol and port of some addresses.
    pub fn addresses(addresses: impl Into<AddressRange>) -> Self {
        Self { addresses: addresses.into(), protocol: 0, ports: PortRange::Any }
    }

    /// Everything of IPv4.
    pub fn any_v4() -> Self {
        Self::addresses(ipnet::IpNet::V4(ipnet::Ipv4Net::default()))
    }

    /// Everything of IPv6.
    pub fn any_v6() -> Self {
        Self::addresses(ipnet::IpNet::V6(ipnet::Ipv6Net::default()))
    }

    /// What both select: narrowing as in RFC 7296 section 2.9.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let protocol = match (self.protocol, other.protocol) {
            (0, protocol) | (protocol, 0) => protocol,
            (a, b) if a == b => a,
            _ => return None,
        };
        Some(Self {
            addresses: self.addresses.intersection(&other.addresses)?,
            protocol,
            ports: self.ports.intersection(other.ports)?,
        })
    }

    fn admits(&self, address: IpAddr, protocol: Option<u8>, value: PortValue, fragments_also: bool) -> bool {
        let protocol_fits = self.protocol == 0 || protocol == Some(self.protocol);
        self.addresses.contains(address) && protocol_fits && (self.ports.admits(value) || fragments_also)
    }
}

impl From<ipnet::IpNet> for TrafficSelector {
    fn from(net: ipnet::IpNet) -> Self {
        Self::addresses(net)
    }
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addresses)?;
        if self.protocol != 0 {
            write!(f, " protocol {}", self.protocol)?;
        }
        match self.ports {
            PortRange::Any => Ok(()),
            PortRange::Opaque => write!(f, " opaque"),
            PortRange::Range(start, end) if start == end => write!(f, " port {start}"),
            PortRange::Range(start, end) => write!(f, " ports {start}-{end}"),
        }
    }
}

/// Which way a packet crosses the IPsec boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the inside to the outside: its source is local.
    Outbound,
    /// From the outside to the inside: its destination is local.
    Inbound,
}

/// The selectors of a policy or of a pair of SAs: a packet fits if its local end fits one of `local` and its remote
/// end one of `remote`, as TSi and TSr do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Selectors {
    /// Selectors of the protected side here.
    pub local: Vec<TrafficSelector>,
    /// Selectors of the other side.
    pub remote: Vec<TrafficSelector>,
    /// Non-initial fragments, whose ports cannot be seen, fit non-trivial ports too (NON_FIRST_FRAGMENTS_ALSO,
    /// RFC 7296 section 3.10.1).
    pub fragments_also: bool,
}

impl Selectors {
    /// Selectors with one entry an end.
    pub fn pair(local: impl Into<TrafficSelector>, remote: impl Into<TrafficSelector>) -> Self {
        Self { local: vec![local.into()], remote: vec![remote.into()], fragments_also: false }
    }

    /// Everything of both families.
    pub fn any() -> Self {
        let all = vec![TrafficSelector::any_v4(), TrafficSelector::any_v6()];
        Self { local: all.clone(), remote: all, fragments_also: false }
    }

    /// Does a packet fit?
    pub fn admit(&self, flow: &Flow, direction: Direction) -> bool {
        let (source, destination) = match direction {
            Direction::Outbound => (&self.local, &self.remote),
            Direction::Inbound => (&self.remote, &self.local),
        };
        let (source_value, destination_value) = flow.upper.values();
        let also = self.fragments_also && flow.upper == UpperLayer::Hidden;
        let fits = |selectors: &[TrafficSelector], address, value| {
            selectors.iter().any(|selector| selector.admits(address, flow.protocol, value, also))
        };
        fits(source, flow.source, source_value) && fits(destination, flow.destination, destination_value)
    }

    /// The same as seen from the other peer.
    pub fn reversed(&self) -> Self {
        Self { local: self.remote.clone(), remote: self.local.clone(), fragments_also: self.fragments_also }
    }

    /// What both select, entry by entry; `None` if one end has nothing in common.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let local = narrow(&self.local, &other.local);
        let remote = narrow(&self.remote, &other.remote);
        let fragments_also = self.fragments_also && other.fragments_also;
        (!local.is_empty() && !remote.is_empty()).then_some(Self { local, remote, fragments_also })
    }
}

/// Every non-empty intersection of an entry of `ours` with one of `theirs`, each once, in the order of `theirs`.
pub fn narrow(ours: &[TrafficSelector], theirs: &[TrafficSelector]) -> Vec<TrafficSelector> {
    let mut narrowed = Vec::new();
    for their in theirs {
        for common in ours.iter().filter_map(|our| our.intersection(their)) {
            if !narrowed.contains(&common) {
                narrowed.push(common);
            }
        }
    }
    narrowed
}
