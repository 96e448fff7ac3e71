//! Traffic selector negotiation (RFC 7296 section 2.9).

use super::api::TrafficRange;
use crate::config::{Addresses, Selector};
use std::net::IpAddr;
use wire::Derived;
use wire::ikev2::{TrafficSelector, TrafficSelectors};

const ANY: (u16, u16) = (0, u16::MAX);
const OPAQUE: (u16, u16) = (u16::MAX, 0);

/// Configured selectors of an end that has this address.
pub(super) fn resolve(selectors: &[Selector], host: IpAddr) -> Vec<TrafficRange> {
    let range = |selector: &Selector| {
        let (start, end) = match selector.addresses {
            Addresses::Range(start, end) => (start, end),
            Addresses::Host => (host, host),
        };
        TrafficRange { start, end, protocol: selector.protocol, ports: selector.ports }
    };
    selectors.iter().map(range).collect()
}

/// Selectors of a payload. Those of unknown types and empty ones are ignored (section 2.9).
pub(super) fn read(payload: &TrafficSelectors) -> Vec<TrafficRange> {
    let range = |selector: &TrafficSelector| match *selector {
        TrafficSelector::Range { protocol, start_port, end_port, start, end, .. } => {
            let ports = (start_port, end_port);
            let proper =
                start.is_ipv4() == end.is_ipv4() && start <= end && (start_port <= end_port || ports == OPAQUE);
            proper.then_some(TrafficRange { start, end, protocol, ports })
        }
        TrafficSelector::Raw { .. } => None,
    };
    payload.selectors.iter().filter_map(range).collect()
}

/// The payload with these selectors; more than it can count are left out.
pub(super) fn write(ranges: &[TrafficRange]) -> TrafficSelectors {
    let selector = |range: &TrafficRange| TrafficSelector::Range {
        protocol: range.protocol,
        length: Derived::Computed,
        start_port: range.ports.0,
        end_port: range.ports.1,
        start: range.start,
        end: range.end,
    };
    TrafficSelectors::new(ranges.iter().take(usize::from(u8::MAX)).map(selector).collect::<Vec<_>>())
}

/// What of the offer the policy allows, in the order of the offer. Empty if nothing.
pub(super) fn narrow(offered: &[TrafficRange], policy: &[TrafficRange]) -> Vec<TrafficRange> {
    let mut narrowed: Vec<TrafficRange> = vec![];
    for offer in offered {
        for allowed in policy {
            let Some(both) = intersect(offer, allowed) else { continue };
            if narrowed.len() < usize::from(u8::MAX) && !narrowed.iter().any(|wider| contains(wider, &both)) {
                narrowed.retain(|narrower| !contains(&both, narrower));
                narrowed.push(both);
            }
        }
    }
    narrowed
}

/// Is each of these within one of the offered?
pub(super) fn is_subset(answer: &[TrafficRange], offered: &[TrafficRange]) -> bool {
    !answer.is_empty() && answer.iter().all(|range| offered.iter().any(|offer| contains(offer, range)))
}

/// The same selectors, with one address for another in those that are exactly that one host (section 2.23.1).
pub(super) fn substitute(ranges: &mut [TrafficRange], with: IpAddr) {
    for range in ranges.iter_mut().filter(|range| range.start == range.end) {
        (range.start, range.end) = (with, with);
    }
}

/// The one address of these selectors, if they have only one.
pub(super) fn single_address(ranges: &[TrafficRange]) -> Option<IpAddr> {
    let address = ranges.first()?.start;
    ranges.iter().all(|range| range.start == address && range.end == address).then_some(address)
}

fn intersect(a: &TrafficRange, b: &TrafficRange) -> Option<TrafficRange> {
    let protocol = match (a.protocol, b.protocol) {
        (0, other) | (other, 0) => other,
        (one, other) if one == other => one,
        _ => return None,
    };
    let ports = match (a.ports, b.ports) {
        (OPAQUE, OPAQUE | ANY) | (ANY, OPAQUE) => OPAQUE,
        (OPAQUE, _) | (_, OPAQUE) => return None,
        (one, other) => (one.0.max(other.0), one.1.min(other.1)),
    };
    let same_family = a.start.is_ipv4() == b.start.is_ipv4();
    let (start, end) = (a.start.max(b.start), a.end.min(b.end));
    let proper = same_family && start <= end && (ports.0 <= ports.1 || ports == OPAQUE);
    proper.then_some(TrafficRange { start, end, protocol, ports })
}

fn contains(wider: &TrafficRange, narrower: &TrafficRange) -> bool {
    intersect(wider, narrower).as_ref() == Some(narrower)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use proptest::prelude::*;

    fn ranges(text: &str) -> Vec<TrafficRange> {
        let selectors: Vec<Selector> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        resolve(&selectors, "192.0.2.1".parse().unwrap())
    }

    fn text(ranges: &[TrafficRange]) -> String {
        ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn narrowed_to_what_both_want() {
        for (offered, policy, narrowed) in [
            ("10.1.0.0/16", "10.1.2.0/24", "10.1.2.0/24"),
            ("10.1.2.3[tcp/80] 10.1.0.0/16", "10.1.2.0/24", "10.1.2.0/24"),
            ("10.1.2.3[tcp/80]", "10.1.2.0/24", "10.1.2.3[tcp/80]"),
            ("10.1.0.0/16", "10.2.0.0/16", ""),
            ("0.0.0.0/0 ::/0", "dynamic 2001:db8::/32", "192.0.2.1 2001:db8::/32"),
            ("10.0.0.0/8[udp]", "10.0.0.0/8[tcp]", ""),
            ("10.0.0.1[tcp/100-200]", "10.0.0.1[tcp/150-300]", "10.0.0.1[tcp/150-200]"),
            ("10.0.0.1[any/opaque]", "10.0.0.1", "10.0.0.1[any/opaque]"),
            ("10.0.0.1[any/opaque]", "10.0.0.1[any/5]", ""),
            ("::/0", "0.0.0.0/0", ""),
        ] {
            assert_eq!(text(&narrow(&ranges(offered), &ranges(policy))), narrowed);
        }
    }

    #[test]
    fn an_answer_must_not_be_wider() {
        assert!(is_subset(&ranges("10.1.2.0/24"), &ranges("10.9.0.0/16 10.1.0.0/16")));
        assert!(!is_subset(&ranges("10.1.0.0/16"), &ranges("10.1.2.0/24")));
        assert!(!is_subset(&[], &ranges("10.1.2.0/24")));
    }

    proptest! {
        /// Against membership tested address by address and port by port.
        #[test]
        fn narrowing_is_intersection(
            offered in prop::collection::vec((0u8..6, 0u8..6, 0u16..4, 0u16..4), 1..4),
            policy in prop::collection::vec((0u8..6, 0u8..6, 0u16..4, 0u16..4), 1..4),
        ) {
            let make = |list: &[(u8, u8, u16, u16)]| -> Vec<TrafficRange> {
                list.iter().map(|&(a, b, p, q)| TrafficRange {
                    start: [10, 0, 0, a.min(b)].into(),
                    end: [10, 0, 0, a.max(b)].into(),
                    protocol: 0,
                    ports: (p.min(q), p.max(q)),
                }).collect()
            };
            let (offered, policy) = (make(&offered), make(&policy));
            let narrowed = narrow(&offered, &policy);
            let member = |ranges: &[TrafficRange], address: IpAddr, port: u16| {
                ranges.iter().any(|r| r.start <= address && address <= r.end && r.ports.0 <= port && port <= r.ports.1)
            };
            for host in 0..6u8 {
                for port in 0..4u16 {
                    let address = IpAddr::from([10, 0, 0, host]);
                    let both = member(&offered, address, port) && member(&policy, address, port);
                    prop_assert_eq!(member(&narrowed, address, port), both);
                }
            }
            prop_assert!(narrowed.is_empty() || is_subset(&narrowed, &offered));
        }
    }
}
