//! A NAT box for IPv4 (RFC 3022): rewrites source address and port towards the outside, and back.
//!
//! Mappings are endpoint-independent, as RFC 4787 wants them; whether others than the first peer may use one
//! ([`Filtering`]) and how long it lives is configured. A test can make it forget or move its mappings at any time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use wire::Derived;
use wire::ethernet::Address;
use wire::ip::Protocol;
use wire::{icmpv4, ipv4, udp};

use super::run::Node;
use crate::Instant;
use crate::ipsec::fragment::{FragmentError, Fragmentation, Reassembler, Reassembly, fragment};
use crate::netif::{Interface, SendError};

/// Leg of the private side.
pub const INSIDE: usize = 0;
/// Leg of the public side.
pub const OUTSIDE: usize = 1;

/// What a NAT does with ESP, which has no ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EspTreatment {
    /// Drops it.
    #[default]
    Drop,
    /// Passes it for the inside host that was the first to send ESP, and drops that of all others while its mapping
    /// lives.
    OneHost,
}

/// Who may send inwards through a mapping (RFC 4787 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Filtering {
    /// Anybody.
    EndpointIndependent,
    /// Only addresses that the inside host has sent to.
    AddressDependent,
    /// Only address and port pairs that the inside host has sent to.
    #[default]
    AddressAndPortDependent,
}

/// How a NAT box behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatConfig {
    /// How long an unused UDP mapping lives.
    pub udp_timeout: Duration,
    /// How long an unused ICMP or ESP mapping lives.
    pub other_timeout: Duration,
    /// Keep the source port where it is free; otherwise ports are given in order from `first_port`.
    pub preserve_ports: bool,
    /// The first port to be given.
    pub first_port: u16,
    /// Who may send inwards.
    pub filtering: Filtering,
    /// Treatment of ESP.
    pub esp: EspTreatment,
    /// Does a packet from outside keep a mapping alive? (RFC 4787 requirement 6 leaves it open.)
    pub inbound_refresh: bool,
}

impl Default for NatConfig {
    /// A usual home router: two minutes for UDP, ports rewritten, replies only.
    fn default() -> Self {
        Self {
            udp_timeout: Duration::from_secs(120),
            other_timeout: Duration::from_secs(60),
            preserve_ports: false,
            first_port: 40_000,
            filtering: Filtering::default(),
            esp: EspTreatment::default(),
            inbound_refresh: true,
        }
    }
}

/// What a mapping is for. Its number is a UDP port, an ICMP echo identifier, or nothing (ESP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// UDP.
    Udp,
    /// ICMP echo.
    Echo,
    /// ESP.
    Esp,
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// UDP, ICMP echo or ESP.
    pub kind: Kind,
    /// Inside address and port.
    pub inside: (Ipv4Addr, u16),
    /// Port on the outside.
    pub outside: u16,
    /// When it runs out.
    pub expires: Instant,
    /// Peers that the inside host has sent to through it.
    peers: Vec<(Ipv4Addr, u16)>,
}

/// How many packets there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NatCounters {
    /// Translated from the inside to the outside.
    pub outward: u64,
    /// Translated from the outside to the inside.
    pub inward: u64,
    /// From the outside without a mapping, or from a peer that the filter keeps out.
    pub refused: u64,
    /// Protocols and packets that are not translated.
    pub untranslatable: u64,
}

/// Most peers that a mapping remembers, and most mappings.
const MOST_PEERS: usize = 256;
const MOST_MAPPINGS: usize = 4096;
/// Octets of a packet that an ICMP error quotes: header without options and eight.
const QUOTED: usize = 28;

/// A NAT box with an inside and an outside leg.
#[derive(Debug, Clone)]
pub struct NatBox {
    inside: Interface,
    outside: Interface,
    public: Ipv4Addr,
    config: NatConfig,
    mappings: BTreeMap<(Kind, u16), Mapping>,
    next_port: u16,
    reassembler: Reassembler,
    counters: NatCounters,
}

impl NatBox {
    /// A NAT box with its address and prefix on both sides. Routes of the outside are added by
    /// [`outside_mut`](Self::outside_mut).
    pub fn new(
        (inside_mac, inside): (Address, ipnet::Ipv4Net),
        (outside_mac, outside): (Address, ipnet::Ipv4Net),
        config: NatConfig,
    ) -> Self {
        let leg = |mac, network| {
            let mut interface = Interface::new(mac, 1500);
            interface.add_network(IpNet::V4(network));
            interface.set_forwarding(true);
            interface
        };
        Self {
            inside: leg(inside_mac, inside),
            outside: leg(outside_mac, outside),
            public: outside.addr(),
            config,
            mappings: BTreeMap::new(),
            next_port: config.first_port,
            reassembler: Reassembler::default(),
            counters: NatCounters::default(),
        }
    }

    /// The inside leg.
    pub fn inside_mut(&mut self) -> &mut Interface {
        &mut self.inside
    }

    /// The outside leg.
    pub fn outside_mut(&mut self) -> &mut Interface {
        &mut self.outside
    }

    /// How it behaves; may be changed at any time.
    pub fn config_mut(&mut self) -> &mut NatConfig {
        &mut self.config
    }

    /// The address that the outside sees.
    pub fn public_address(&self) -> Ipv4Addr {
        self.public
    }

    /// Gives it another public address. Mappings stay and appear under the new address from now on.
    pub fn set_public_address(&mut self, address: Ipv4Addr) {
        self.outside.remove_address(self.public.into());
        self.outside.add_address(address.into());
        self.public = address;
    }

    /// The mappings that live.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.values()
    }

    /// How many packets there were.
    pub fn counters(&self) -> &NatCounters {
        &self.counters
    }

    /// Forgets all mappings, as a reboot does: the next packet from inside gets a new one.
    pub fn forget_mappings(&mut self) {
        self.mappings.clear();
    }

    /// Moves every mapping to a port that has not been used yet, at once and for both directions.
    pub fn rebind(&mut self) {
        let old = std::mem::take(&mut self.mappings);
        for ((kind, _), mut mapping) in old {
            mapping.outside = if kind == Kind::Esp { 0 } else { self.free_port(kind, None) };
            self.mappings.insert((kind, mapping.outside), mapping);
        }
    }

    fn handle_packet(&mut self, now: Instant, leg: usize, octets: &[u8]) {
        // Fragments show their ports only together.
        let Reassembly::Whole(octets) = self.reassembler.push(now, octets) else { return };
        let Ok(packet) = ipv4::Packet::parse(&octets) else {
            self.counters.untranslatable += 1;
            return;
        };
        let leg_address = if leg == INSIDE { &self.inside } else { &self.outside };
        let to_us = leg_address.has_address(packet.destination.into());
        match leg {
            INSIDE if to_us => self.answer(now, &packet),
            INSIDE => self.forward_outward(now, packet, &octets),
            _ if to_us => self.forward_inward(now, packet, &octets),
            _ => self.counters.refused += 1,
        }
    }

    fn forward_outward(&mut self, now: Instant, mut packet: ipv4::Packet, octets: &[u8]) {
        if packet.ttl <= 1 {
            return self.send_error(now, INSIDE, &packet, icmpv4::Packet::time_exceeded(quote(octets)));
        }
        packet.ttl -= 1;
        packet.checksum = Derived::Computed;
        if self.translate_outward(now, &mut packet).is_none() {
            self.counters.untranslatable += 1;
            return;
        }
        self.counters.outward += 1;
        self.send(now, OUTSIDE, &packet, octets);
    }

    fn forward_inward(&mut self, now: Instant, mut packet: ipv4::Packet, octets: &[u8]) {
        if packet.ttl <= 1 {
            return self.send_error(now, OUTSIDE, &packet, icmpv4::Packet::time_exceeded(quote(octets)));
        }
        if self.translate_inward(now, &mut packet).is_none() {
            self.counters.refused += 1;
            return self.answer(now, &packet);
        }
        packet.ttl -= 1;
        packet.checksum = Derived::Computed;
        self.counters.inward += 1;
        self.send(now, INSIDE, &packet, octets);
    }

    /// Rewrites the source; `None` if that can't be done.
    fn translate_outward(&mut self, now: Instant, packet: &mut ipv4::Packet) -> Option<()> {
        let (source, destination) = (packet.source, packet.destination);
        match packet.protocol {
            Protocol::UDP => {
                let mut datagram = udp::Datagram::parse(&packet.payload, source.into(), destination.into()).ok()?;
                let peer = (destination, datagram.destination_port);
                datagram.source_port = self.map_outward(now, Kind::Udp, (source, datagram.source_port), peer)?;
                packet.payload = datagram.to_bytes(self.public.into(), destination.into());
            }
            Protocol::ICMP => {
                let mut message = icmpv4::Packet::parse(&packet.payload).ok()?;
                match &mut message.message {
                    icmpv4::Message::EchoRequest(echo) => {
                        let peer = (destination, 0);
                        echo.identifier = self.map_outward(now, Kind::Echo, (source, echo.identifier), peer)?;
                    }
                    icmpv4::Message::DestinationUnreachable { original, .. }
                    | icmpv4::Message::TimeExceeded { original, .. }
                    | icmpv4::Message::ParameterProblem { original, .. } => {
                        // About a packet that came in: its destination was translated.
                        let (mut quoted, number) = Quoted::parse(original, false)?;
                        let mapping = self.mappings.values().find(|mapping| {
                            mapping.kind == quoted.kind && mapping.inside == (quoted.packet.destination, number)
                        })?;
                        quoted.packet.destination = self.public;
                        *original = quoted.with_number(mapping.outside);
                    }
                    _ => return None,
                }
                message.checksum = Derived::Computed;
                packet.payload = message.to_bytes();
            }
            Protocol::ESP if self.config.esp == EspTreatment::OneHost => {
                self.map_outward(now, Kind::Esp, (source, 0), (destination, 0))?;
            }
            _ => return None,
        }
        packet.source = self.public;
        Some(())
    }

    /// Rewrites the destination; `None` if there is no mapping for it.
    fn translate_inward(&mut self, now: Instant, packet: &mut ipv4::Packet) -> Option<()> {
        let (source, destination) = (packet.source, packet.destination);
        match packet.protocol {
            Protocol::UDP => {
                let mut datagram = udp::Datagram::parse(&packet.payload, source.into(), destination.into()).ok()?;
                let peer = (source, datagram.source_port);
                let inside = self.map_inward(now, (Kind::Udp, datagram.destination_port), peer)?;
                (packet.destination, datagram.destination_port) = inside;
                packet.payload = datagram.to_bytes(source.into(), packet.destination.into());
            }
            Protocol::ICMP => {
                let mut message = icmpv4::Packet::parse(&packet.payload).ok()?;
                match &mut message.message {
                    icmpv4::Message::EchoReply(echo) => {
                        let inside = self.map_inward(now, (Kind::Echo, echo.identifier), (source, 0))?;
                        (packet.destination, echo.identifier) = inside;
                    }
                    icmpv4::Message::DestinationUnreachable { original, .. }
                    | icmpv4::Message::TimeExceeded { original, .. }
                    | icmpv4::Message::ParameterProblem { original, .. } => {
                        // About a packet that went out, from any router on its way.
                        let (mut quoted, number) = Quoted::parse(original, true)?;
                        let mapping = self.mappings.get(&(quoted.kind, number))?;
                        quoted.packet.source = mapping.inside.0;
                        packet.destination = mapping.inside.0;
                        *original = quoted.with_number(mapping.inside.1);
                    }
                    _ => return None,
                }
                message.checksum = Derived::Computed;
                packet.payload = message.to_bytes();
            }
            Protocol::ESP if self.config.esp == EspTreatment::OneHost => {
                packet.destination = self.map_inward(now, (Kind::Esp, 0), (source, 0))?.0;
            }
            _ => return None,
        }
        Some(())
    }

    /// The outside number for an inside address and number, by an old mapping or a new one.
    fn map_outward(&mut self, now: Instant, kind: Kind, inside: (Ipv4Addr, u16), peer: (Ipv4Addr, u16)) -> Option<u16> {
        self.expire(now);
        let expires = now + self.timeout(kind);
        let found = self.mappings.values().find(|mapping| (mapping.kind, mapping.inside) == (kind, inside));
        let outside = match found.map(|mapping| mapping.outside) {
            Some(outside) => outside,
            None if kind == Kind::Esp => {
                // One host at a time: the first keeps it while it lives.
                if self.mappings.contains_key(&(kind, 0)) {
                    return None;
                }
                0
            }
            None if self.mappings.len() >= MOST_MAPPINGS => return None,
            None => self.free_port(kind, Some(inside.1).filter(|_| self.config.preserve_ports)),
        };
        let mapping = self.mappings.entry((kind, outside)).or_insert_with(|| Mapping {
            kind,
            inside,
            outside,
            expires,
            peers: Vec::new(),
        });
        mapping.expires = expires;
        if !mapping.peers.contains(&peer) {
            if mapping.peers.len() == MOST_PEERS {
                mapping.peers.remove(0);
            }
            mapping.peers.push(peer);
        }
        Some(outside)
    }

    /// The inside address and number behind an outside number, if the peer may use it.
    fn map_inward(&mut self, now: Instant, outside: (Kind, u16), peer: (Ipv4Addr, u16)) -> Option<(Ipv4Addr, u16)> {
        self.expire(now);
        let expires = now + self.timeout(outside.0);
        let mapping = self.mappings.get_mut(&outside)?;
        let may = match self.config.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => mapping.peers.iter().any(|known| known.0 == peer.0),
            Filtering::AddressAndPortDependent => mapping.peers.contains(&peer),
        };
        if !may {
            return None;
        }
        if self.config.inbound_refresh {
            mapping.expires = expires;
        }
        Some(mapping.inside)
    }

    fn timeout(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Udp => self.config.udp_timeout,
            Kind::Echo | Kind::Esp => self.config.other_timeout,
        }
    }

    fn expire(&mut self, now: Instant) {
        self.mappings.retain(|_, mapping| mapping.expires > now);
    }

    /// The wanted number if it is free, else the next one in order. There are more numbers than mappings.
    fn free_port(&mut self, kind: Kind, wanted: Option<u16>) -> u16 {
        if let Some(wanted) = wanted.filter(|&wanted| !self.mappings.contains_key(&(kind, wanted))) {
            return wanted;
        }
        loop {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(1024);
            if !self.mappings.contains_key(&(kind, port)) {
                return port;
            }
        }
    }

    /// Sends a translated packet, in fragments if it must and may; an ICMP error goes back otherwise.
    fn send(&mut self, now: Instant, leg: usize, packet: &ipv4::Packet, received: &[u8]) {
        let octets = packet.to_bytes();
        let interface = if leg == INSIDE { &mut self.inside } else { &mut self.outside };
        let mtu = interface.mtu();
        let unsent = match fragment(&octets, mtu, Fragmentation::default()) {
            Ok(fragments) => fragments.into_iter().try_for_each(|fragment| interface.send_ip(now, fragment)).err(),
            Err(FragmentError::DontFragment) => Some(SendError::TooBig { len: octets.len(), mtu }),
            Err(FragmentError::MtuTooSmall(_) | FragmentError::Malformed(_)) => None,
        };
        let Ok(original) = ipv4::Packet::parse(received) else { return };
        let back = if leg == INSIDE { OUTSIDE } else { INSIDE };
        match unsent {
            Some(SendError::TooBig { mtu, .. }) => {
                let error = icmpv4::Packet::fragmentation_needed(mtu as u16, quote(received));
                self.send_error(now, back, &original, error);
            }
            Some(SendError::NoRoute(_)) => {
                let error = icmpv4::Packet::unreachable(icmpv4::NETWORK_UNREACHABLE, quote(received));
                self.send_error(now, back, &original, error);
            }
            _ => {}
        }
    }

    /// Sends an ICMP error about a packet back to its sender, unless it is itself an ICMP error (RFC 1122 section
    /// 3.2.2).
    fn send_error(&mut self, now: Instant, leg: usize, about: &ipv4::Packet, error: icmpv4::Packet) {
        let is_error = about.protocol == Protocol::ICMP && !matches!(about.payload.first(), Some(0 | 8));
        if !is_error {
            self.send_own(now, leg, about.source, error);
        }
    }

    /// Answers pings to the box itself.
    fn answer(&mut self, now: Instant, packet: &ipv4::Packet) {
        let leg = if self.inside.has_address(packet.destination.into()) { INSIDE } else { OUTSIDE };
        let message = icmpv4::Packet::parse(&packet.payload).ok().filter(|_| packet.protocol == Protocol::ICMP);
        if let Some(reply) = message.filter(icmpv4::Packet::is_intact).and_then(|message| message.echo_reply()) {
            self.send_own(now, leg, packet.source, reply);
        }
    }

    fn send_own(&mut self, now: Instant, leg: usize, to: Ipv4Addr, message: icmpv4::Packet) {
        let interface = if leg == INSIDE { &mut self.inside } else { &mut self.outside };
        let own = interface.addresses().find_map(|own| match own {
            IpAddr::V4(own) => Some(own),
            IpAddr::V6(_) => None,
        });
        if let Some(own) = own {
            let packet = ipv4::Packet::new(own, to, Protocol::ICMP, message.to_bytes());
            // An answer that has no way back is lost, as with any router.
            let _ = interface.send_ip(now, packet.to_bytes());
        }
    }
}

/// The packet that an ICMP error quotes, as far as it is there.
struct Quoted {
    packet: ipv4::Packet,
    kind: Kind,
    /// Where its number stands in the payload.
    at: usize,
}

impl Quoted {
    /// Reads the quoted packet and its number: of its source, or else of its destination.
    fn parse(original: &[u8], source: bool) -> Option<(Self, u16)> {
        let packet = ipv4::Packet::parse_quoted(original).ok()?;
        let (kind, at) = match packet.protocol {
            Protocol::UDP => (Kind::Udp, if source { 0 } else { 2 }),
            Protocol::ICMP => (Kind::Echo, 4),
            Protocol::ESP => return Some((Self { packet, kind: Kind::Esp, at: usize::MAX }, 0)),
            _ => return None,
        };
        let &[high, low] = packet.payload.get(at..at + 2)?.first_chunk::<2>()?;
        Some((Self { packet, kind, at }, u16::from_be_bytes([high, low])))
    }

    fn with_number(mut self, number: u16) -> Vec<u8> {
        if let Some(place) = self.at.checked_add(2).and_then(|end| self.packet.payload.get_mut(self.at..end)) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        self.packet.checksum = Derived::Computed;
        self.packet.to_bytes()
    }
}

fn quote(octets: &[u8]) -> &[u8] {
    octets.get(..QUOTED).unwrap_or(octets)
}

impl Node for NatBox {
    fn handle_frame(&mut self, now: Instant, leg: usize, frame: &[u8]) {
        let interface = if leg == INSIDE { &mut self.inside } else { &mut self.outside };
        if let Some(packet) = interface.handle_frame(now, frame) {
            self.handle_packet(now, leg, &packet);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inside.handle_timeout(now);
        self.outside.handle_timeout(now);
        self.reassembler.handle_timeout(now);
        self.expire(now);
        while self.inside.poll_unreachable().is_some() || self.outside.poll_unreachable().is_some() {}
    }

    fn next_timeout(&self) -> Option<Instant> {
        let legs = self.inside.next_timeout().into_iter().chain(self.outside.next_timeout());
        let mappings = self.mappings.values().map(|mapping| mapping.expires);
        legs.chain(self.reassembler.next_timeout()).chain(mappings).min()
    }

    fn poll_frame(&mut self) -> Option<(usize, Vec<u8>)> {
        let inside = self.inside.poll_frame().map(|frame| (INSIDE, frame));
        inside.or_else(|| self.outside.poll_frame().map(|frame| (OUTSIDE, frame)))
    }
}
