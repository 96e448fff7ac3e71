//! Identities: who the ends of phase 1 are (RFC 2407 section 4.6.2), and for which traffic a quick mode is.

use super::api::TrafficRange;
use crate::config::{Addresses, Identity, Selector};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ikev1::{IdType, Identification};

const ANY: (u16, u16) = (0, u16::MAX);
const UDP: u8 = 17;

/// The ID payload of an identity. Protocol and port are zero: with NAT traversal they must not be 17 and 500 (RFC 3947
/// section 4), and without they may be either.
pub(super) fn to_payload(identity: &Identity) -> Identification {
    let payload = identity.to_payload();
    Identification::new(IdType(payload.id_type.0), payload.data)
}

/// The identity in an ID payload of phase 1. `None` if protocol and port are not what they must be (RFC 2407 section
/// 4.6.2).
pub(super) fn from_payload(payload: &Identification) -> Option<Identity> {
    let proper = matches!((payload.protocol, payload.port), (0, 0) | (UDP, 0 | 500));
    let id_type = wire::ikev2::IdType(payload.id_type.0);
    proper.then(|| Identity::from_payload(&wire::ikev2::Identification::new(id_type, payload.data.clone())))
}

/// The traffic of a configured selector, at an end that has this address.
pub(super) fn resolve(selector: &Selector, host: IpAddr) -> TrafficRange {
    let (start, end) = match selector.addresses {
        Addresses::Range(start, end) => (start, end),
        Addresses::Host => (host, host),
    };
    TrafficRange { start, end, protocol: selector.protocol, ports: selector.ports }
}

/// All traffic of one address: what holds where there is no ID payload (RFC 2409 section 5.5).
pub(super) fn host(address: IpAddr) -> TrafficRange {
    TrafficRange { start: address, end: address, protocol: 0, ports: ANY }
}

/// Can an ID payload name this traffic? Of ports it knows one or all (RFC 2407 section 4.6.2).
pub(super) fn can_name(range: &TrafficRange) -> bool {
    range.ports == ANY || range.ports.0 == range.ports.1 && range.ports.0 != 0
}

/// The ID payload that names some traffic.
pub(super) fn client(range: &TrafficRange) -> Identification {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let v4 = range.start.is_ipv4();
    let bits = if v4 { 32 } else { 128 };
    let net = (0..bits).filter_map(|prefix| IpNet::new(range.start, prefix).ok());
    let net = net.into_iter().find(|net| net.network() == range.start && net.broadcast() == range.end);
    let (id_type, data) = match (range.start == range.end, net) {
        (true, _) => (if v4 { IdType::IPV4_ADDR } else { IdType::IPV6_ADDR }, octets(range.start)),
        (false, Some(net)) => {
            let id_type = if v4 { IdType::IPV4_ADDR_SUBNET } else { IdType::IPV6_ADDR_SUBNET };
            (id_type, [octets(net.network()), octets(net.netmask())].concat())
        }
        (false, None) => {
            let id_type = if v4 { IdType::IPV4_ADDR_RANGE } else { IdType::IPV6_ADDR_RANGE };
            (id_type, [octets(range.start), octets(range.end)].concat())
        }
    };
    let port = if range.ports.0 == range.ports.1 { range.ports.0 } else { 0 };
    Identification { protocol: range.protocol, port, ..Identification::new(id_type, data) }
}

/// The traffic that an ID payload names. `None` if it names none: a wrong type or length, a mask with holes, a range
/// that runs backwards.
pub(super) fn traffic(payload: &Identification) -> Option<TrafficRange> {
    let (start, end) = match (payload.id_type, payload.data.len()) {
        (IdType::IPV4_ADDR, 4) | (IdType::IPV6_ADDR, 16) => {
            let address = address(&payload.data)?;
            (address, address)
        }
        (IdType::IPV4_ADDR_RANGE, 8) | (IdType::IPV6_ADDR_RANGE, 32) => {
            let (start, end) = payload.data.split_at(payload.data.len() / 2);
            (address(start)?, address(end)?)
        }
        (IdType::IPV4_ADDR_SUBNET, 8) | (IdType::IPV6_ADDR_SUBNET, 32) => {
            let (network, mask) = payload.data.split_at(payload.data.len() / 2);
            let net = IpNet::with_netmask(address(network)?, address(mask)?).ok()?;
            (net.network(), net.broadcast())
        }
        _ => return None,
    };
    let ports = if payload.port == 0 { ANY } else { (payload.port, payload.port) };
    (start <= end).then_some(TrafficRange { start, end, protocol: payload.protocol, ports })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into());
    v4().or_else(|| <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()))
}

/// Is all of the narrower traffic part of the wider?
pub(super) fn contains(wider: &TrafficRange, narrower: &TrafficRange) -> bool {
    wider.start.is_ipv4() == narrower.start.is_ipv4()
        && wider.start <= narrower.start
        && narrower.end <= wider.end
        && (wider.protocol == 0 || wider.protocol == narrower.protocol)
        && wider.ports.0 <= narrower.ports.0
        && narrower.ports.1 <= wider.ports.1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn traffic_is_named_and_read() {
        for (text, id_type) in [
            ("10.1.0.0/16", 4),
            ("0.0.0.0/0", 4),
            ("10.0.0.1", 1),
            ("10.0.0.1-10.0.0.9", 7),
            ("10.0.0.1[tcp/80]", 1),
            ("10.0.0.0/8[icmp]", 4),
            ("2001:db8::/32", 6),
            ("2001:db8::1", 5),
            ("2001:db8::1-2001:db8::9", 8),
            ("dynamic[47]", 1),
        ] {
            let range = resolve(&text.parse().unwrap(), [192, 0, 2, 1].into());
            let payload = client(&range);
            assert_eq!((payload.id_type, traffic(&payload)), (IdType(id_type), Some(range)), "{text}");
        }
    }

    #[test]
    fn ports_are_one_or_all() {
        let can_name = |text: &str| can_name(&resolve(&text.parse().unwrap(), [192, 0, 2, 1].into()));
        assert!(can_name("10.0.0.1") && can_name("10.0.0.1[tcp/80]"));
        assert!(!can_name("10.0.0.1[tcp/80-90]"));
    }

    #[test]
    fn what_names_no_traffic() {
        for (id_type, data) in [
            (4, &[10, 0, 0, 0, 255, 0, 255, 0][..]),
            (7, &[10, 0, 0, 9, 10, 0, 0, 1]),
            (1, &[10, 0, 0]),
            (2, b"gw.example.com"),
            (6, &[0; 8]),
        ] {
            assert_eq!(traffic(&Identification::new(IdType(id_type), data)), None, "{id_type}");
        }
    }

    #[test]
    fn protocol_and_port_of_phase_1() {
        let id = |protocol, port| {
            let id = Identification { protocol, port, ..to_payload(&Identity::Fqdn("gw".into())) };
            from_payload(&id).is_some()
        };
        assert!(id(0, 0) && id(17, 500) && id(17, 0));
        assert!(!id(6, 80) && !id(17, 501) && !id(0, 500) && !id(6, 0));
    }
}
