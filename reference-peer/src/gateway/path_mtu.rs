//! The path MTU of each outbound SA: learned from ICMP errors that quote a packet of the SA, and forgotten in time (RFC
//! 4301 section 8.2, RFC 1191, RFC 8201).
//!
//! The errors come from anybody, so that only those count that quote enough of a packet of our own: its addresses and
//! the SPI, behind the ports where it is encapsulated in UDP. Values that no path has change nothing.

use super::pre_fragmentation::{LEAST_IPV4, LEAST_IPV6};
use super::traffic::DataPlane;
use super::{Gateway, local};
use crate::Instant;
use crate::deviation::Deviation;
use crate::ipsec::sa::SaParameters;
use crate::ipsec::sad::OutboundId;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::ip::{self, Protocol};
use wire::ipv6::ExtensionBody;

/// The path MTUs that have been learned.
#[derive(Debug, Default)]
pub(super) struct PathMtus {
    learned: BTreeMap<OutboundId, Learned>,
}

/// Octets of the protected packet, and until when that holds.
#[derive(Debug, Clone, Copy)]
struct Learned {
    mtu: usize,
    until: Instant,
}

impl PathMtus {
    /// What holds for an SA, if anything has been learned.
    pub(super) fn of(&self, id: OutboundId, now: Instant) -> Option<usize> {
        self.learned.get(&id).filter(|learned| learned.until > now).map(|learned| learned.mtu)
    }

    /// Takes note of a path MTU. It is only ever lowered (RFC 8201 section 4).
    fn learn(&mut self, id: OutboundId, mtu: usize, now: Instant, age: Duration) {
        if self.of(id, now).is_none_or(|known| mtu <= known) {
            self.learned.insert(id, Learned { mtu, until: now + age });
        }
    }

    /// The SA is gone, or its path is another.
    pub(super) fn forget(&mut self, id: OutboundId) {
        self.learned.remove(&id);
    }

    /// Forgets what is too old.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.learned.retain(|_, learned| learned.until > now);
    }

    /// When the next is too old.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.learned.values().map(|learned| learned.until).min()
    }
}

/// Is the quoted packet one that an SA has sent?
fn is_quoted(sa: &SaParameters, quoted: &ip::Packet) -> bool {
    if quoted.source() != sa.source || quoted.destination() != sa.destination {
        return false;
    }
    let later = match quoted {
        ip::Packet::V4(packet) => packet.fragment_offset > 0,
        ip::Packet::V6(packet) => packet.extensions.iter().any(|extension| match extension.body {
            ExtensionBody::Fragment { offset, .. } => offset > 0,
            _ => false,
        }),
    };
    let payload = quoted.payload();
    let (protocol, spi) = match sa.udp_ports() {
        None => (sa.protocol.number(), if sa.protocol.number() == 51 { 4 } else { 0 }),
        Some(udp) => {
            let ports = [udp.source.to_be_bytes(), udp.destination.to_be_bytes()].concat();
            if !payload.starts_with(&ports) {
                return false;
            }
            (17, if udp.non_ike_marker { 16 } else { 8 })
        }
    };
    !later && quoted.protocol() == Protocol(protocol) && payload.get(spi..spi + 4) == Some(&sa.spi.to_be_bytes())
}

impl DataPlane {
    /// The SA whose packets leave the gateway: the outer one of a bundle.
    fn outermost(&self, id: OutboundId) -> OutboundId {
        self.over_outbound(id).unwrap_or(id)
    }

    /// What has been learned of the path of an SA.
    pub(super) fn learned_path_mtu(&self, id: OutboundId, now: Instant) -> Option<usize> {
        self.path_mtus.of(self.outermost(id), now)
    }

    /// The longest protected packet that the path of an SA carries, as far as is known.
    pub(super) fn path_mtu(&self, id: OutboundId, now: Instant) -> usize {
        self.learned_path_mtu(id, now).map_or(self.outside_mtu, |learned| learned.min(self.outside_mtu))
    }

    /// An ICMP error says that a packet was too big for so many octets.
    fn hear_of_path_mtu(&mut self, now: Instant, quoted: &ip::Packet, mtu: usize) {
        let anybody = self.deviates(Deviation::HeedsForeignPathMtu);
        let heeds = |sa: &SaParameters| anybody && sa.source.is_ipv4() == quoted.source().is_ipv4();
        let sas = self.sad().outbound_sas();
        let matching = sas.filter(|(_, sa)| is_quoted(sa.parameters(), quoted) || heeds(sa.parameters()));
        let ids: Vec<OutboundId> = matching.map(|(id, _)| id).collect();
        let age = match self.deviates(Deviation::NeverAgesPathMtu) {
            true => Duration::MAX,
            false => self.config.path_mtu.age,
        };
        for id in ids {
            self.path_mtus.learn(id, mtu, now, age);
        }
    }
}

impl Gateway {
    /// Looks for a "fragmentation needed" or "packet too big" in a packet for the gateway itself. False if it is none.
    pub(super) fn path_mtu_report(&mut self, now: Instant, packet: &ip::Packet) -> bool {
        let Some((mtu, original)) = local::too_big_report(packet) else { return false };
        let least = if matches!(packet, ip::Packet::V4(_)) { LEAST_IPV4 } else { LEAST_IPV6 };
        let heeds = self.config.data.path_mtu.heed_icmp && !self.is_deviant(Deviation::IgnoresPathMtuReports);
        let possible = mtu >= least || self.is_deviant(Deviation::TakesAnyPathMtu);
        if heeds
            && possible
            && let Ok(quoted) = ip::Packet::parse_quoted(&original)
        {
            self.data.hear_of_path_mtu(now, &quoted, mtu);
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::ipsec::sa;
    use std::net::IpAddr;

    fn at(seconds: u64) -> Instant {
        Instant::after_start(Duration::from_secs(seconds))
    }

    fn id() -> OutboundId {
        let destination = IpAddr::from([192, 0, 2, 2]);
        OutboundId { spi: 0x1234, protocol: sa::Protocol::Esp, destination }
    }

    #[test]
    fn only_lowered_and_forgotten_in_time() {
        let (mut mtus, age) = (PathMtus::default(), Duration::from_secs(600));
        mtus.learn(id(), 1000, at(0), age);
        mtus.learn(id(), 1400, at(10), age);
        assert_eq!(mtus.of(id(), at(20)), Some(1000));
        mtus.learn(id(), 900, at(30), age);
        assert_eq!((mtus.of(id(), at(629)), mtus.next_timeout()), (Some(900), Some(at(630))));
        assert_eq!(mtus.of(id(), at(630)), None);
        mtus.learn(id(), 1400, at(700), age);
        assert_eq!(mtus.of(id(), at(700)), Some(1400));
        mtus.handle_timeout(at(1300));
        assert_eq!(mtus.next_timeout(), None);
    }

    #[test]
    fn a_quote_must_show_addresses_and_spi() {
        let (own, peer) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut sa = SaParameters::new(0x0102_0304, own, peer);
        let quote = |protocol, source: IpAddr, destination: IpAddr, payload: &[u8]| match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                ip::Packet::V4(wire::ipv4::Packet::new(source, destination, Protocol(protocol), payload))
            }
            _ => unreachable!(),
        };
        let esp = [1, 2, 3, 4, 0, 0, 0, 1];
        assert!(is_quoted(&sa, &quote(50, own, peer, &esp)));
        assert!(!is_quoted(&sa, &quote(50, peer, own, &esp)));
        assert!(!is_quoted(&sa, &quote(51, own, peer, &esp)));
        assert!(!is_quoted(&sa, &quote(50, own, peer, &esp[..3])), "too short to tell");
        assert!(!is_quoted(&sa, &quote(50, own, peer, &[1, 2, 3, 5, 0, 0, 0, 1])));
        sa.udp = Some(sa::UdpPorts::new(4500, 1024));
        assert!(!is_quoted(&sa, &quote(50, own, peer, &esp)));
        let udp = [&[0x11, 0x94, 4, 0, 0, 50, 0, 0], &esp[..]].concat();
        assert!(is_quoted(&sa, &quote(17, own, peer, &udp)));
        assert!(!is_quoted(&sa, &quote(17, own, peer, &udp[..8])), "eight octets show no SPI");
        let other = [&[0x11, 0x94, 4, 1, 0, 50, 0, 0], &esp[..]].concat();
        assert!(!is_quoted(&sa, &quote(17, own, peer, &other)));
    }
}
