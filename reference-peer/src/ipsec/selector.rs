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
    /// From the fields of a traffic selector on the wire (RFC 7296 section 3.13.1); `None` if addresses or ports are
    /// out of order, or addresses of two families.
    pub fn from_wire(start: IpAddr, end: IpAddr, protocol: u8, (start_port, end_port): (u16, u16)) -> Option<Self> {
        let ports = PortRange::from_wire(start_port, end_port)?;
        Some(Self { addresses: AddressRange::new(start, end)?, protocol, ports })
    }

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

    /// The same for every protocol and port.
    pub fn addresses_alone(&self) -> Self {
        let mut all = self.clone();
        for selector in all.local.iter_mut().chain(&mut all.remote) {
            (selector.protocol, selector.ports) = (0, PortRange::Any);
        }
        all
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::flow::UpperLayer;
    use super::*;
    use proptest::prelude::*;

    fn selector(addresses: &str, protocol: u8, ports: PortRange) -> TrafficSelector {
        let net: ipnet::IpNet = addresses.parse().unwrap();
        TrafficSelector { addresses: net.into(), protocol, ports }
    }

    fn flow(upper: UpperLayer, protocol: u8) -> Flow {
        Flow { source: [10, 1, 0, 1].into(), destination: [10, 2, 0, 1].into(), protocol: Some(protocol), upper }
    }

    fn pair(local: TrafficSelector, remote: TrafficSelector) -> Selectors {
        Selectors::pair(local, remote)
    }

    #[test]
    fn ends_are_told_apart() {
        let web = pair(selector("10.1.0.0/16", 6, PortRange::Any), selector("10.2.0.0/16", 6, PortRange::single(80)));
        let there = flow(UpperLayer::Ports(50_000, 80), 6);
        let back = Flow {
            source: there.destination,
            destination: there.source,
            upper: UpperLayer::Ports(80, 50_000),
            ..there
        };
        assert!(web.admit(&there, Direction::Outbound));
        assert!(web.admit(&back, Direction::Inbound));
        assert!(!web.admit(&there, Direction::Inbound));
        assert!(!web.admit(&back, Direction::Outbound));
        assert!(web.reversed().admit(&there, Direction::Inbound));
        assert!(!web.admit(&flow(UpperLayer::Ports(50_000, 80), 17), Direction::Outbound));
        assert!(!web.admit(&flow(UpperLayer::Ports(50_000, 81), 6), Direction::Outbound));
    }

    #[test]
    fn fragments_and_hidden_ports() {
        let (any, port, opaque) = (PortRange::Any, PortRange::single(80), PortRange::Opaque);
        for (ports, visible, hidden) in [(any, true, true), (port, true, false), (opaque, false, true)] {
            let selectors = pair(selector("10.1.0.0/16", 6, any), selector("10.2.0.0/16", 6, ports));
            let admit = |upper| selectors.admit(&flow(upper, 6), Direction::Outbound);
            assert_eq!(admit(UpperLayer::Ports(1, 80)), visible, "{ports:?}");
            assert_eq!(admit(UpperLayer::Hidden), hidden, "{ports:?}");
            let also = Selectors { fragments_also: true, ..selectors };
            assert!(also.admit(&flow(UpperLayer::Hidden, 6), Direction::Outbound));
        }
    }

    #[test]
    fn icmp_is_judged_by_the_senders_end() {
        // RFC 4301 section 4.4.1.3 case C: echo requests may be sent, but not received.
        let echo = PortRange::single(0x0800);
        let selectors = pair(selector("10.1.0.0/16", 1, echo), selector("10.2.0.0/16", 1, PortRange::Opaque));
        let request = flow(UpperLayer::TypeCode(8, 0), 1);
        assert!(selectors.admit(&request, Direction::Outbound));
        assert!(!selectors.admit(&flow(UpperLayer::TypeCode(0, 0), 1), Direction::Outbound));
        let inward = Flow { source: request.destination, destination: request.source, ..request };
        assert!(!selectors.admit(&inward, Direction::Inbound));
    }

    #[test]
    fn families_never_mix() {
        let selectors = pair(TrafficSelector::any_v4(), TrafficSelector::any_v4());
        let v6 = Flow {
            source: "2001:db8::1".parse().unwrap(),
            destination: "2001:db8::2".parse().unwrap(),
            ..flow(UpperLayer::Absent, 59)
        };
        assert!(!selectors.admit(&v6, Direction::Outbound));
        assert!(Selectors::any().admit(&v6, Direction::Outbound));
        assert!(AddressRange::new([255; 4].into(), "::1".parse().unwrap()).is_none());
    }

    fn ranges() -> impl Strategy<Value = TrafficSelector> {
        let ports = prop_oneof![
            Just(PortRange::Any),
            Just(PortRange::Opaque),
            (0_u16..20, 0_u16..20).prop_map(|(a, b)| PortRange::Range(a.min(b), a.max(b))),
        ];
        (0_u8..20, 0_u8..20, prop::sample::select(vec![0, 6, 17]), ports).prop_map(|(a, b, protocol, ports)| {
            let (low, high) = ([10, 0, 0, a.min(b)], [10, 0, 0, a.max(b)]);
            TrafficSelector { addresses: AddressRange::new(low.into(), high.into()).unwrap(), protocol, ports }
        })
    }

    proptest! {
        /// What both admit is what the intersection admits.
        #[test]
        fn narrowing_is_intersection(
            a in ranges(), b in ranges(), host in 0_u8..20, protocol in prop::sample::select(vec![6_u8, 17]), port in 0_u16..20, hidden: bool,
        ) {
            let value = if hidden { PortValue::Missing } else { PortValue::Known(port) };
            let admits = |selector: &TrafficSelector| selector.admits([10, 0, 0, host].into(), Some(protocol), value, false);
            let both = a.intersection(&b);
            prop_assert_eq!(admits(&a) && admits(&b), both.is_some_and(|both| admits(&both)));
            prop_assert_eq!(both, b.intersection(&a));
            prop_assert_eq!(a.intersection(&a), Some(a));
        }

        #[test]
        fn ports_read_back(start: u16, end: u16) {
            if let Some(range) = PortRange::from_wire(start, end) {
                prop_assert_eq!(range.to_wire(), (start, end));
            }
        }
    }
}
