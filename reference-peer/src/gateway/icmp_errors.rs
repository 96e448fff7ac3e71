//! ICMP errors that the gateway sends about packets that it does not forward: too big, or out of hops (RFC 1812 section
//! 4.3, RFC 4443, RFC 4301 section 8.2.1).

use super::{Gateway, Leg};
use crate::Instant;
use crate::ipsec::header::Header;
use std::net::{IpAddr, Ipv4Addr};
use wire::ip::Protocol;
use wire::{icmpv4, icmpv6, ipv4, ipv6};

/// ICMP errors a second, at most (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f).
pub(super) const MOST_A_SECOND: u32 = 200;

/// Octets of the longest error, IP header included (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 c).
const LONGEST_V4: usize = 576;
const LONGEST_V6: usize = 1280;

/// Precedence 6, internetwork control (RFC 1812 section 4.3.2.5).
const INTERNETWORK_CONTROL: u8 = 6 << 3;

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// It does not fit; so many octets would.
    TooBig(usize),
    /// It has no hop left.
    HopLimit,
}

/// The error about a packet, sent from one of the gateway's own addresses; `None` where none may be sent.
pub(super) fn error(packet: &[u8], from: IpAddr, complaint: Complaint) -> Option<Vec<u8>> {
    let header = Header::parse(packet).ok()?;
    let packet = packet.get(..header.total_len)?;
    let upper = packet.get(header.upper..).unwrap_or_default();
    match (header.source, header.destination, from) {
        (IpAddr::V4(to), IpAddr::V4(destination), IpAddr::V4(from)) => {
            let about_error = header.protocol == 1 && !upper.first().is_some_and(|&kind| is_query(kind));
            if about_error || header.is_later_fragment() || !is_unicast(to) || !is_unicast(destination) {
                return None;
            }
            let original = packet.get(..packet.len().min(LONGEST_V4 - 28))?;
            let message = match complaint {
                Complaint::TooBig(mtu) => icmpv4::Packet::fragmentation_needed(mtu.try_into().ok()?, original),
                Complaint::HopLimit => icmpv4::Packet::time_exceeded(original),
            };
            let mut error = ipv4::Packet::new(from, to, Protocol::ICMP, message.to_bytes());
            error.dscp = INTERNETWORK_CONTROL;
            Some(error.to_bytes())
        }
        (IpAddr::V6(to), IpAddr::V6(destination), IpAddr::V6(from)) => {
            // Errors have types below 128; Redirect is 137 (RFC 4443 section 2.4 e).
            let about_error = header.protocol == 58
                && !header.is_later_fragment()
                && upper.first().is_none_or(|&kind| kind < 128 || kind == 137);
            // Path MTU discovery works for multicast too, and wants this one exception.
            let group = destination.is_multicast() && !matches!(complaint, Complaint::TooBig(_));
            if about_error || group || to.is_unspecified() || to.is_loopback() || to.is_multicast() {
                return None;
            }
            let original = packet.get(..packet.len().min(LONGEST_V6 - 48))?.to_vec();
            let message = match complaint {
                Complaint::TooBig(mtu) => icmpv6::Message::PacketTooBig { mtu: mtu.try_into().ok()?, original },
                Complaint::HopLimit => icmpv6::Message::TimeExceeded { unused: 0, original },
            };
            let octets = icmpv6::Packet::from(message).to_bytes(from, to);
            Some(ipv6::Packet::new(from, to, Protocol::ICMPV6, octets).to_bytes())
        }
        _ => None,
    }
}

/// ICMP types that ask or answer, and are no errors: echo, timestamp, information, address mask, router discovery.
fn is_query(kind: u8) -> bool {
    matches!(kind, 0 | 8..=10 | 13..=18)
}

/// One host's address, as far as it can be told without the networks' prefixes (RFC 1812 section 5.3.7).
fn is_unicast(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first < 224 && !address.is_loopback()
}

impl Gateway {
    /// Tells the source of a packet what is wrong with it. `leg` is where the packet came from: what came through an SA
    /// is answered through one.
    pub(super) fn complain(&mut self, now: Instant, leg: Leg, packet: &[u8], complaint: Complaint) {
        let Ok(header) = Header::parse(packet) else { return };
        let own = |address: &IpAddr| address.is_ipv4() == header.is_v4();
        let addresses = self.config.inside.iter().chain(&self.config.outside);
        // Nobody tells itself.
        if addresses.clone().any(|address| *address == header.source) {
            return;
        }
        let Some(from) = addresses.copied().find(own) else { return };
        let Some(error) = error(packet, from, complaint) else { return };
        if !self.icmp_errors.take(MOST_A_SECOND, now) {
            return;
        }
        match leg {
            Leg::Inside => self.transmit(Leg::Inside, error),
            Leg::Outside => self.protect_and_send(now, &error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));

    fn udp(source: [u8; 4], destination: [u8; 4], len: usize) -> ipv4::Packet {
        ipv4::Packet::new(source.into(), destination.into(), Protocol::UDP, vec![7; len])
    }

    #[test]
    fn quotes_as_much_as_fits() {
        let packet = udp([10, 1, 0, 5], [10, 2, 0, 5], 1400).to_bytes();
        let error = error(&packet, FROM, Complaint::TooBig(1300)).unwrap();
        assert_eq!(error.len(), LONGEST_V4);
        let parsed = ipv4::Packet::parse(&error).unwrap();
        let icmp = icmpv4::Packet::parse(&parsed.payload).unwrap();
        assert!(icmp.is_intact() && icmp.code == icmpv4::FRAGMENTATION_NEEDED);
        let icmpv4::Message::DestinationUnreachable { next_hop_mtu, original, .. } = icmp.message else { panic!() };
        assert_eq!((next_hop_mtu, &original[..]), (1300, &packet[..548]));
        assert_eq!((parsed.source, parsed.destination), ([10, 1, 0, 1].into(), [10, 1, 0, 5].into()));

        let (a, b) = ("fd00:1::5".parse().unwrap(), "fd00:2::5".parse().unwrap());
        let packet = ipv6::Packet::new(a, b, Protocol::UDP, vec![7; 1400]).to_bytes();
        let from = "fd00:1::1".parse().unwrap();
        let error = super::error(&packet, IpAddr::V6(from), Complaint::TooBig(1400)).unwrap();
        assert_eq!(error.len(), LONGEST_V6);
        let parsed = ipv6::Packet::parse(&error).unwrap();
        let icmp = icmpv6::Packet::parse(&parsed.payload, from, a).unwrap();
        assert!(icmp.is_intact(from, a));
        let icmpv6::Message::PacketTooBig { mtu, original } = icmp.message else { panic!() };
        assert_eq!((mtu, &original[..]), (1400, &packet[..1232]));
    }

    #[test]
    fn no_error_about_errors_later_fragments_and_groups() {
        let told = |packet: &ipv4::Packet| error(&packet.to_bytes(), FROM, Complaint::HopLimit).is_some();
        let good = udp([10, 1, 0, 5], [10, 2, 0, 5], 100);
        assert!(told(&good));
        for (source, destination) in [
            ([0, 0, 0, 0], [10, 2, 0, 5]),
            ([224, 0, 0, 5], [10, 2, 0, 5]),
            ([255, 255, 255, 255], [10, 2, 0, 5]),
            ([127, 0, 0, 1], [10, 2, 0, 5]),
            ([10, 1, 0, 5], [224, 0, 0, 1]),
            ([10, 1, 0, 5], [255, 255, 255, 255]),
        ] {
            assert!(!told(&udp(source, destination, 100)), "{source:?} {destination:?}");
        }
        let later = ipv4::Packet { fragment_offset: 4, ..good.clone() };
        assert!(!told(&later));
        let first = ipv4::Packet { more_fragments: true, ..good.clone() };
        assert!(told(&first));
        let icmp = |packet: icmpv4::Packet| {
            ipv4::Packet::new(good.source, good.destination, Protocol::ICMP, packet.to_bytes())
        };
        assert!(told(&icmp(icmpv4::Packet::echo_request(1, 1, vec![0; 64]))));
        assert!(!told(&icmp(icmpv4::Packet::time_exceeded(good.to_bytes()))));
        assert!(!told(&icmp(icmpv4::Packet::unreachable(icmpv4::PORT_UNREACHABLE, good.to_bytes()))));

        let (a, b) = ("fd00:1::5".parse().unwrap(), "fd00:2::5".parse().unwrap());
        let from = "fd00:1::1".parse().unwrap();
        let told = |destination, octets: Vec<u8>, complaint| {
            error(&ipv6::Packet::new(a, destination, Protocol::ICMPV6, octets).to_bytes(), from, complaint).is_some()
        };
        assert!(told(b, icmpv6::Packet::echo_request(1, 1, vec![0; 64]).to_bytes(a, b), Complaint::HopLimit));
        let unreachable = icmpv6::Message::TimeExceeded { unused: 0, original: vec![0; 64] };
        assert!(!told(b, icmpv6::Packet::from(unreachable).to_bytes(a, b), Complaint::HopLimit));
        let group = "ff0e::1".parse().unwrap();
        let echo = icmpv6::Packet::echo_request(1, 1, vec![0; 64]).to_bytes(a, group);
        assert!(!told(group, echo.clone(), Complaint::HopLimit));
        assert!(told(group, echo, Complaint::TooBig(1280)), "path MTU discovery works for groups");
    }
}
