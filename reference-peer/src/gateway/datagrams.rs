//! UDP datagrams: IKE of both versions on ports 500 and 4500, NAT keepalives.

use super::nat_transparency::{IKE_PORT, NATT_PORT};
use super::{Gateway, Leg};
use crate::Instant;
use crate::deviation::Deviation;
use crate::ike::v2::Path;
use crate::ipsec::drops::DropReason;
use std::net::{IpAddr, SocketAddr};
use wire::ikev2::{ExchangeType, Header};
use wire::ip::{self, Protocol};
use wire::natt::{self, Natt};
use wire::{Derived, ipv4, ipv6, udp};

/// Place of the version in an IKE message, the same in both versions (RFC 2408 section 3.1, RFC 7296 section 3.1).
const VERSION: usize = 17;

impl Gateway {
    /// Sends octets from one own UDP port to the peer's, through the third hand and past everything else.
    pub fn send_udp(&mut self, path: Path, payload: &[u8]) {
        self.identification = self.identification.wrapping_add(1);
        let (source, destination) = (path.local.ip(), path.remote.ip());
        let mut datagram = udp::Datagram::new(path.local.port(), path.remote.port(), payload);
        if source.is_ipv6() && self.is_deviant(Deviation::OmitsUdpChecksumOverIpv6) {
            datagram.checksum = Derived::Exactly(0);
        }
        let upper = datagram.to_bytes(source, destination);
        let packet = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut packet = ipv4::Packet::new(source, destination, Protocol::UDP, upper);
                packet.identification = self.identification;
                packet.to_bytes()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ipv6::Packet::new(source, destination, Protocol::UDP, upper).to_bytes()
            }
            // A path has two ends of one family.
            _ => return,
        };
        self.transmit(Leg::Outside, packet);
    }

    /// A UDP datagram for the gateway.
    pub(super) fn udp(&mut self, now: Instant, packet: &ip::Packet) {
        let (source, destination) = (packet.source(), packet.destination());
        let datagram = match udp::Datagram::parse(packet.payload(), source, destination) {
            Ok(datagram) if datagram.is_intact(source, destination) => datagram,
            Ok(datagram)
                if datagram.checksum == Derived::Exactly(0)
                    && self.is_deviant(Deviation::TakesUdpWithoutChecksumOverIpv6) =>
            {
                datagram
            }
            _ => return self.dropped(None, Some(source), DropReason::OuterMalformed),
        };
        let path = Path {
            local: SocketAddr::new(destination, datagram.destination_port),
            remote: SocketAddr::new(source, datagram.source_port),
        };
        match datagram.destination_port {
            IKE_PORT => self.ike_datagram(now, path, &datagram.payload),
            NATT_PORT => {
                if datagram.payload.len() < 4 && self.is_deviant(Deviation::StopsAtShortDatagram) {
                    self.deaf_on_natt = true;
                }
                if self.deaf_on_natt {
                    return;
                }
                match natt::classify(&datagram.payload) {
                    Natt::Ike(message) => self.ike_datagram(now, path, message),
                    Natt::Keepalive if self.is_deviant(Deviation::FollowsUnverifiedEsp) => {
                        if let Some(info) = self.ike_sa_with(source) {
                            self.peer_moved(now, info.id, path.remote);
                        }
                    }
                    Natt::Malformed(_) => self.dropped(None, Some(source), DropReason::NattTooShort),
                    Natt::Esp(_) | Natt::Keepalive => {}
                }
            }
            _ => self.local(now, packet),
        }
    }

    /// An IKE message, without the marker of port 4500.
    fn ike_datagram(&mut self, now: Instant, mut path: Path, message: &[u8]) {
        let is_init = || Header::parse(message).is_ok_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT);
        if path.local.port() == NATT_PORT && self.is_deviant(Deviation::IgnoresInitOnPort4500) && is_init() {
            return;
        }
        if self.is_deviant(Deviation::AnswersToOwnPort) {
            path.remote.set_port(path.local.port());
        }
        if self.is_for_isakmp(message) {
            self.isakmp.handle(now, &mut self.rng, path, message, &mut self.hands);
        } else {
            self.ike.handle(now, &mut self.rng, path, message, &mut self.hands);
        }
    }

    /// Which engine a message is for: that of its major version. A version without connections is none that the gateway
    /// has: the other engine refuses its messages as a gateway does that knows no other version. With no connections at
    /// all the gateway is one of IKEv2.
    fn is_for_isakmp(&self, message: &[u8]) -> bool {
        let (ike, isakmp) = (!self.config.ike.connections.is_empty(), !self.config.isakmp.connections.is_empty());
        match (isakmp, ike) {
            (false, _) => false,
            (true, false) => true,
            (true, true) => message.get(VERSION).is_some_and(|version| version >> 4 == 1),
        }
    }

    /// Sends an IKE message of either version, with the marker that its port wants (RFC 3948 section 2.2).
    pub(super) fn send_ike(&mut self, path: Path, message: &[u8]) {
        let faulty = match path.local.port() {
            NATT_PORT => Deviation::OmitsNonEspMarker,
            _ => Deviation::MarkerOnPort500,
        };
        if (path.local.port() == NATT_PORT) != self.is_deviant(faulty) {
            self.send_udp(path, &natt::wrap_ike(message));
        } else {
            self.send_udp(path, message);
        }
    }
}
