//! A network interface without a network: IP packets to Ethernet frames and back, for the virtual network and for
//! real links alike. It reads no clock and sends nothing itself.
//!
//! One interface has one MAC address and any number of IP addresses, so that many testers share a link. It answers
//! ARP requests and neighbour solicitations for its own addresses, finds out the MAC addresses of its next hops, and
//! never sends anything that it was not asked for.

mod neighbours;

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use wire::ethernet::{Address, EtherType, Frame};
use wire::ip::Protocol;
use wire::{arp, icmpv6, ipv6};

use crate::Instant;
use crate::ipsec::header::Header;
use neighbours::{Ask, Lookup, Neighbours};

/// Hop limit of neighbour discovery; any other was forwarded, thus forged (RFC 4861 section 7.1).
const ND_HOP_LIMIT: u8 = 255;

/// Why a packet was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Longer than the MTU. The interface never fragments.
    #[error("{len} octets exceed the MTU of {mtu}")]
    TooBig {
        /// Octets of the packet.
        len: usize,
        /// The MTU.
        mtu: usize,
    },
    /// Neither on the link nor by a route.
    #[error("no route to {0}")]
    NoRoute(IpAddr),
    /// Not an IP packet.
    #[error("not an IP packet")]
    Malformed,
    /// Too many packets wait for the same next hop.
    #[error("the queue for the next hop {0} is full")]
    QueueFull(IpAddr),
}

/// How many frames and packets there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// IP packets handed up.
    pub received: u64,
    /// IP packets sent or waiting for a next hop.
    pub sent: u64,
    /// Frames to other stations, and packets to other addresses.
    pub not_for_us: u64,
    /// Frames and packets that could not be read.
    pub malformed: u64,
    /// Packets given up because their next hop did not answer.
    pub unresolved: u64,
}

/// One interface.
#[derive(Debug, Clone)]
pub struct Interface {
    mac: Address,
    mtu: usize,
    addresses: BTreeSet<IpAddr>,
    on_link: Vec<IpNet>,
    routes: Vec<(IpNet, IpAddr)>,
    forwards: bool,
    neighbours: Neighbours,
    out: VecDeque<Vec<u8>>,
    unreachable: VecDeque<Vec<u8>>,
    counters: Counters,
}

impl Interface {
    /// An interface without addresses. `mtu` is the longest IP packet in octets.
    pub fn new(mac: Address, mtu: usize) -> Self {
        Self {
            mac,
            mtu,
            addresses: BTreeSet::new(),
            on_link: Vec::new(),
            routes: Vec::new(),
            forwards: false,
            neighbours: Neighbours::default(),
            out: VecDeque::new(),
            unreachable: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Its MAC address.
    pub fn mac(&self) -> Address {
        self.mac
    }

    /// The longest IP packet in octets.
    pub fn mtu(&self) -> usize {
        self.mtu
    }

    /// Changes the MTU.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().copied()
    }

    /// Is this one of its addresses?
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Adds an address.
    pub fn add_address(&mut self, address: IpAddr) {
        self.addresses.insert(address);
    }

    /// Adds an address and the prefix around it, all of which is on the link.
    pub fn add_network(&mut self, network: IpNet) {
        self.addresses.insert(network.addr());
        self.add_on_link(network.trunc());
    }

    /// Takes an address away; the prefix stays.
    pub fn remove_address(&mut self, address: IpAddr) {
        self.addresses.remove(&address);
    }

    /// The addresses of a prefix are on the link.
    pub fn add_on_link(&mut self, prefix: IpNet) {
        if !self.on_link.contains(&prefix) {
            self.on_link.push(prefix);
        }
    }

    /// A prefix is reached by a next hop, in place of an earlier route to the same prefix.
    pub fn add_route(&mut self, prefix: IpNet, next_hop: IpAddr) {
        self.routes.retain(|(other, _)| *other != prefix);
        self.routes.push((prefix, next_hop));
    }

    /// Everything that has no better route, of the next hop's family, goes to this next hop.
    pub fn set_default(&mut self, next_hop: IpAddr) {
        let all = match next_hop {
            IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
            IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
        };
        self.add_route(all, next_hop);
    }

    /// Hands up packets to any address, not only to its own: for routers.
    pub fn set_forwarding(&mut self, forwards: bool) {
        self.forwards = forwards;
    }

    /// A neighbour's MAC address, never to be asked for.
    pub fn set_neighbour(&mut self, address: IpAddr, mac: Address) {
        self.neighbours.set_static(address, mac);
    }

    /// The MAC address of a neighbour, if it is known.
    pub fn neighbour(&self, now: Instant, address: IpAddr) -> Option<Address> {
        self.neighbours.known(now, address)
    }

    /// Forgets all MAC addresses that were learned.
    pub fn forget_neighbours(&mut self) {
        self.neighbours.forget_learned();
    }

    /// How many frames and packets there were.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes a received frame and gives the IP packet in it, without the frame's padding, if it is for us. Answers to
    /// ARP and neighbour discovery wait for [`poll_frame`](Self::poll_frame).
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) -> Option<Vec<u8>> {
        let Ok(frame) = Frame::parse(frame) else {
            self.counters.malformed += 1;
            return None;
        };
        if frame.destination != self.mac && !frame.destination.is_multicast() {
            self.counters.not_for_us += 1;
            return None;
        }
        match frame.ether_type {
            EtherType::ARP => {
                self.handle_arp(now, &frame);
                None
            }
            EtherType::IPV4 | EtherType::IPV6 => self.handle_ip(now, &frame),
            _ => {
                self.counters.not_for_us += 1;
                None
            }
        }
    }

    /// Sends an IP packet, or keeps it until its next hop has answered.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn send_ip(&mut self, now: Instant, packet: Vec<u8>) -> Result<(), SendError> {
        // Only addresses matter here: what is sent may be malformed on purpose.
        let (source, destination) = addresses_of(&packet).ok_or(SendError::Malformed)?;
        if packet.len() > self.mtu {
            return Err(SendError::TooBig { len: packet.len(), mtu: self.mtu });
        }
        if let Some(group) = self.group_address(destination) {
            self.counters.sent += 1;
            self.push_ip(group, packet);
            return Ok(());
        }
        let next_hop = self.next_hop(destination).ok_or(SendError::NoRoute(destination))?;
        match self.neighbours.look_up(now, next_hop, source, packet) {
            Lookup::Known(mac, packet) => self.push_ip(mac, packet),
            Lookup::Waiting => {}
            Lookup::Ask(ask) => self.ask(ask),
            Lookup::QueueFull => return Err(SendError::QueueFull(next_hop)),
        }
        self.counters.sent += 1;
        Ok(())
    }

    /// Sends octets as a frame, as they are.
    pub fn send_frame(&mut self, frame: Vec<u8>) {
        self.out.push_back(frame);
    }

    /// The next frame to send.
    pub fn poll_frame(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// The next packet that was given up because its next hop did not answer: a router answers it with an ICMP error.
    pub fn poll_unreachable(&mut self) -> Option<Vec<u8>> {
        self.unreachable.pop_front()
    }

    /// When an unanswered request is repeated or given up next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.neighbours.next_timeout()
    }

    /// Repeats or gives up what has not been answered.
    pub fn handle_timeout(&mut self, now: Instant) {
        let (again, given_up) = self.neighbours.handle_timeout(now);
        for ask in again {
            self.ask(ask);
        }
        self.counters.unresolved += given_up.len() as u64;
        self.unreachable.extend(given_up);
    }

    /// Where packets to this address go next: itself if it is on the link, else by the longest prefix.
    pub fn next_hop(&self, destination: IpAddr) -> Option<IpAddr> {
        if self.on_link.iter().any(|prefix| prefix.contains(&destination)) {
            return Some(destination);
        }
        let routes = self.routes.iter().filter(|(prefix, _)| prefix.contains(&destination));
        routes.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|&(_, next_hop)| next_hop)
    }

    fn handle_ip(&mut self, now: Instant, frame: &Frame) -> Option<Vec<u8>> {
        let Ok(header) = Header::parse(&frame.payload) else {
            self.counters.malformed += 1;
            return None;
        };
        let packet = frame.payload.get(..header.total_len).unwrap_or(&frame.payload);
        if header.is_v4() != (frame.ether_type == EtherType::IPV4) {
            self.counters.malformed += 1;
            return None;
        }
        if header.protocol == Protocol::ICMPV6.0 && self.handle_discovery(now, packet) {
            return None;
        }
        let ours = self.forwards || self.has_address(header.destination) || self.is_our_group(header.destination);
        if !ours {
            self.counters.not_for_us += 1;
            return None;
        }
        self.counters.received += 1;
        Some(packet.to_vec())
    }

    fn handle_arp(&mut self, now: Instant, frame: &Frame) {
        let Ok((packet, _)) = arp::Packet::parse_prefix(&frame.payload) else {
            self.counters.malformed += 1;
            return;
        };
        // RFC 826: merge what is known already, add only what is meant for us.
        let for_us = self.addresses.contains(&IpAddr::V4(packet.target_ip));
        if packet.sender_ip != Ipv4Addr::UNSPECIFIED && !packet.sender_mac.is_multicast() {
            self.learn(now, packet.sender_ip.into(), packet.sender_mac, for_us);
        }
        if for_us && packet.operation == arp::Operation::REQUEST {
            let reply = packet.reply(self.mac);
            self.push(packet.sender_mac, EtherType::ARP, reply.to_bytes());
        }
    }

    /// Neighbour solicitations and advertisements; `false` for any other ICMPv6 packet.
    fn handle_discovery(&mut self, now: Instant, packet: &[u8]) -> bool {
        let Ok(packet) = ipv6::Packet::parse(packet) else { return false };
        let (source, destination) = (packet.source, packet.destination);
        let Ok(message) = icmpv6::Packet::parse(&packet.payload, source, destination) else { return false };
        let valid = packet.hop_limit == ND_HOP_LIMIT && message.is_intact(source, destination) && message.code == 0;
        match message.message {
            icmpv6::Message::NeighborSolicitation { target, options, .. } if valid => {
                if self.addresses.contains(&IpAddr::V6(target)) {
                    let asker = options.iter().find_map(icmpv6::NdOption::mac);
                    self.answer_solicitation(now, source, asker, target);
                }
            }
            icmpv6::Message::NeighborAdvertisement { target, options, .. } if valid => {
                if let Some(mac) = options.iter().find_map(icmpv6::NdOption::mac).filter(|mac| !mac.is_multicast()) {
                    self.learn(now, target.into(), mac, false);
                }
            }
            icmpv6::Message::NeighborSolicitation { .. } | icmpv6::Message::NeighborAdvertisement { .. } => {
                self.counters.malformed += 1;
            }
            _ => return false,
        }
        true
    }

    /// RFC 4861 section 7.2.4; to all nodes where the asker has no address yet.
    fn answer_solicitation(&mut self, now: Instant, asker: Ipv6Addr, mac: Option<Address>, target: Ipv6Addr) {
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let probe = asker.is_unspecified();
        let (to, flags) = if probe { (all_nodes, 0) } else { (asker, icmpv6::NA_SOLICITED) };
        let known = mac.or_else(|| self.neighbours.known(now, asker.into()));
        let to_mac = if probe { Some(Address::of_multicast(all_nodes)) } else { known };
        let Some(to_mac) = to_mac else { return };
        if let (Some(mac), false) = (mac, probe) {
            self.learn(now, asker.into(), mac, true);
        }
        let advertisement =
            icmpv6::Packet::neighbor_advertisement(target, self.mac, flags | icmpv6::NA_OVERRIDE).to_bytes(target, to);
        self.push(to_mac, EtherType::IPV6, discovery_packet(target, to, advertisement));
    }

    /// Takes note of a neighbour's MAC address and sends what has waited for it.
    fn learn(&mut self, now: Instant, address: IpAddr, mac: Address, add: bool) {
        for packet in self.neighbours.learn(now, address, mac, add) {
            self.push_ip(mac, packet);
        }
    }

    /// Sends an ARP request or a neighbour solicitation.
    fn ask(&mut self, ask: Ask) {
        let own = self.own_address_towards(ask.target, ask.for_source);
        match (ask.target, own) {
            (IpAddr::V4(target), Some(IpAddr::V4(own))) => {
                let request = arp::Packet::request(self.mac, own, target);
                self.push(Address::BROADCAST, EtherType::ARP, request.to_bytes());
            }
            (IpAddr::V6(target), Some(IpAddr::V6(own))) => {
                let to = solicited_node(target);
                let message = icmpv6::Packet::neighbor_solicitation(target, Some(self.mac)).to_bytes(own, to);
                self.push(Address::of_multicast(to), EtherType::IPV6, discovery_packet(own, to, message));
            }
            // Without an address of the family nobody could answer us; the queue runs into its timeout.
            _ => {}
        }
    }

    /// The address to ask from: that of the packet if it is ours, else one on the same prefix, else any.
    fn own_address_towards(&self, target: IpAddr, source: IpAddr) -> Option<IpAddr> {
        let family = |address: &IpAddr| address.is_ipv4() == target.is_ipv4();
        let shares_prefix =
            |own: &IpAddr| self.on_link.iter().any(|prefix| prefix.contains(own) && prefix.contains(&target));
        let ours = self.has_address(source).then_some(source);
        let mut own = self.addresses.iter().copied().filter(family);
        ours.or_else(|| own.clone().find(shares_prefix)).or_else(|| own.next())
    }

    /// The group MAC address of a broadcast or multicast destination.
    fn group_address(&self, destination: IpAddr) -> Option<Address> {
        match destination {
            IpAddr::V4(address) if address.is_broadcast() || self.is_directed_broadcast(destination) => {
                Some(Address::BROADCAST)
            }
            IpAddr::V4(address) if address.is_multicast() => {
                let [_, b, c, d] = address.octets();
                Some(Address([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
            }
            IpAddr::V6(address) if address.is_multicast() => Some(Address::of_multicast(address)),
            _ => None,
        }
    }

    fn is_directed_broadcast(&self, address: IpAddr) -> bool {
        let broad = |prefix: &&IpNet| matches!(prefix, IpNet::V4(net) if net.prefix_len() < 31);
        self.on_link.iter().filter(broad).any(|prefix| prefix.broadcast() == address)
    }

    fn is_our_group(&self, address: IpAddr) -> bool {
        self.group_address(address).is_some()
    }

    fn push_ip(&mut self, to: Address, packet: Vec<u8>) {
        let v4 = packet.first().is_some_and(|first| first >> 4 == 4);
        self.push(to, if v4 { EtherType::IPV4 } else { EtherType::IPV6 }, packet);
    }

    fn push(&mut self, destination: Address, ether_type: EtherType, payload: Vec<u8>) {
        let frame = Frame { destination, source: self.mac, ether_type, payload };
        self.out.push_back(frame.to_bytes());
    }
}

fn discovery_packet(source: Ipv6Addr, destination: Ipv6Addr, message: Vec<u8>) -> Vec<u8> {
    let mut packet = ipv6::Packet::new(source, destination, Protocol::ICMPV6, message);
    packet.hop_limit = ND_HOP_LIMIT;
    packet.to_bytes()
}

/// The multicast address on which a node listens for solicitations (RFC 4291 section 2.7.1).
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// Source and destination of anything that looks like an IP packet.
fn addresses_of(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if packet.first()? >> 4 == 6 {
        let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
        let destination: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
        Some((source.into(), destination.into()))
    } else {
        let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
        let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
        Some((source.into(), destination.into()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
