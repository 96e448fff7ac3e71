//! A small host: answers pings, sends pings and datagrams, and keeps what it has received with the time.

use std::net::IpAddr;

use wire::ethernet::Address;
use wire::ip::{Packet, Protocol};
use wire::{icmpv4, icmpv6, ipv4, ipv6, udp};

use super::run::Node;
use crate::Instant;
use crate::ipsec::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use crate::netif::{Interface, SendError};

/// Something that a host has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When it was whole.
    pub at: Instant,
    /// Source address.
    pub from: IpAddr,
    /// Destination address.
    pub to: IpAddr,
    /// What it was.
    pub content: Content,
    /// The whole IP packet, reassembled where it came in fragments.
    pub packet: Vec<u8>,
}

/// The content of a received packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An echo request; it has been answered.
    EchoRequest(icmpv4::Echo),
    /// An echo reply.
    EchoReply(icmpv4::Echo),
    /// A UDP datagram with a right checksum, or none.
    Datagram {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Payload.
        payload: Vec<u8>,
    },
    /// An ICMP error.
    Icmpv4(icmpv4::Packet),
    /// An ICMPv6 error.
    Icmpv6(icmpv6::Packet),
    /// Anything else, or one of these with a wrong checksum.
    Other(Protocol),
}

/// How a host sends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Set DF; without it the host fragments what exceeds its MTU. IPv6 is fragmented in any case.
    pub dont_fragment: bool,
}

impl Default for Sending {
    fn default() -> Self {
        Self { hop_limit: 64, traffic_class: 0, dont_fragment: false }
    }
}

/// A host with one leg.
#[derive(Debug, Clone)]
pub struct Host {
    interface: Interface,
    reassembler: Reassembler,
    seen: Vec<Seen>,
    identification: u16,
    answers_pings: bool,
}

impl Host {
    /// A host with this MAC address and an MTU of 1500.
    pub fn new(mac: Address) -> Self {
        Self {
            interface: Interface::new(mac, 1500),
            reassembler: Reassembler::default(),
            seen: Vec::new(),
            identification: 0,
            answers_pings: true,
        }
    }

    /// The interface: addresses, routes, MTU.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The interface: addresses, routes, MTU.
    pub fn interface_mut(&mut self) -> &mut Interface {
        &mut self.interface
    }

    /// Does it answer echo requests? It does, unless told otherwise.
    pub fn set_answers_pings(&mut self, answers: bool) {
        self.answers_pings = answers;
    }

    /// Everything received so far.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Takes everything received so far.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Sends an echo request with so many octets of data, which count up from 0.
    ///
    /// # Errors
    /// It cannot be sent: no address of the family, no route, too long with DF set.
    pub fn ping(
        &mut self,
        now: Instant,
        to: IpAddr,
        (identifier, sequence): (u16, u16),
        size: usize,
        how: Sending,
    ) -> Result<(), SendError> {
        let data: Vec<u8> = (0..size).map(|octet| octet as u8).collect();
        let from = self.source_for(to)?;
        let (protocol, message) = match (from, to) {
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                (Protocol::ICMPV6, icmpv6::Packet::echo_request(identifier, sequence, data).to_bytes(from, to))
            }
            _ => (Protocol::ICMP, icmpv4::Packet::echo_request(identifier, sequence, data).to_bytes()),
        };
        self.send(now, from, to, protocol, message, how)
    }

    /// Sends a UDP datagram.
    ///
    /// # Errors
    /// It cannot be sent: no address of the family, no route, too long with DF set.
    pub fn send_datagram(
        &mut self,
        now: Instant,
        source_port: u16,
        (to, destination_port): (IpAddr, u16),
        payload: &[u8],
        how: Sending,
    ) -> Result<(), SendError> {
        let from = self.source_for(to)?;
        let datagram = udp::Datagram::new(source_port, destination_port, payload).to_bytes(from, to);
        self.send(now, from, to, Protocol::UDP, datagram, how)
    }

    /// Sends any protocol from one of the host's addresses.
    ///
    /// # Errors
    /// It cannot be sent: addresses of two families, no route, too long with DF set.
    pub fn send(
        &mut self,
        now: Instant,
        from: IpAddr,
        to: IpAddr,
        protocol: Protocol,
        payload: Vec<u8>,
        how: Sending,
    ) -> Result<(), SendError> {
        self.identification = self.identification.checked_add(1).unwrap_or(1);
        let (dscp, ecn) = (how.traffic_class >> 2, wire::ip::Ecn::from_bits(how.traffic_class));
        let packet: Packet = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut packet = ipv4::Packet::new(from, to, protocol, payload);
                (packet.dscp, packet.ecn, packet.ttl) = (dscp, ecn, how.hop_limit);
                (packet.dont_fragment, packet.identification) = (how.dont_fragment, self.identification);
                packet.into()
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let mut packet = ipv6::Packet::new(from, to, protocol, payload);
                (packet.dscp, packet.ecn, packet.hop_limit) = (dscp, ecn, how.hop_limit);
                packet.into()
            }
            _ => return Err(SendError::NoRoute(to)),
        };
        self.send_packet(now, &packet.to_bytes())
    }

    /// Sends a packet as it is, in fragments if it must and may.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn send_packet(&mut self, now: Instant, packet: &[u8]) -> Result<(), SendError> {
        let mtu = self.interface.mtu();
        if packet.len() <= mtu {
            return self.interface.send_ip(now, packet.to_vec());
        }
        let how = Fragmentation { identification: self.identification.into(), ..Fragmentation::default() };
        let too_big = SendError::TooBig { len: packet.len(), mtu };
        for fragment in fragment(packet, mtu, how).map_err(|_| too_big)? {
            self.interface.send_ip(now, fragment)?;
        }
        Ok(())
    }

    /// The address to send from: one on the prefix of the next hop, else any of the family.
    fn source_for(&self, to: IpAddr) -> Result<IpAddr, SendError> {
        let mut own = self.interface.addresses().filter(|own| own.is_ipv4() == to.is_ipv4());
        own.next().ok_or(SendError::NoRoute(to))
    }

    fn receive(&mut self, now: Instant, octets: Vec<u8>) {
        let Ok((packet, _)) = Packet::parse_prefix(&octets) else { return };
        let (from, to) = (packet.source(), packet.destination());
        let content = match (from, to, packet.protocol()) {
            (IpAddr::V4(_), _, Protocol::ICMP) => self.receive_icmp(now, from, to, packet.payload()),
            (IpAddr::V6(_), _, Protocol::ICMPV6) => self.receive_icmpv6(now, from, to, packet.payload()),
            (_, _, Protocol::UDP) => match udp::Datagram::parse(packet.payload(), from, to) {
                Ok(datagram) if datagram.is_intact(from, to) => Some(Content::Datagram {
                    source_port: datagram.source_port,
                    destination_port: datagram.destination_port,
                    payload: datagram.payload,
                }),
                _ => None,
            },
            _ => None,
        };
        let content = content.unwrap_or(Content::Other(packet.protocol()));
        self.seen.push(Seen { at: now, from, to, content, packet: octets });
    }

    fn receive_icmp(&mut self, now: Instant, from: IpAddr, to: IpAddr, octets: &[u8]) -> Option<Content> {
        let message = icmpv4::Packet::parse(octets).ok().filter(icmpv4::Packet::is_intact)?;
        if let Some(reply) = message.echo_reply().filter(|_| self.answers_pings && self.interface.has_address(to)) {
            // What cannot be sent back is simply not answered, as with any host.
            let _ = self.send(now, to, from, Protocol::ICMP, reply.to_bytes(), Sending::default());
        }
        Some(match message.message {
            icmpv4::Message::EchoRequest(echo) => Content::EchoRequest(echo),
            icmpv4::Message::EchoReply(echo) => Content::EchoReply(echo),
            _ => Content::Icmpv4(message),
        })
    }

    fn receive_icmpv6(&mut self, now: Instant, from: IpAddr, to: IpAddr, octets: &[u8]) -> Option<Content> {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (from, to) else { return None };
        let message = icmpv6::Packet::parse(octets, source, destination).ok()?;
        if !message.is_intact(source, destination) {
            return None;
        }
        if let Some(reply) = message.echo_reply().filter(|_| self.answers_pings && self.interface.has_address(to)) {
            let reply = reply.to_bytes(destination, source);
            let _ = self.send(now, to, from, Protocol::ICMPV6, reply, Sending::default());
        }
        Some(match message.message {
            icmpv6::Message::EchoRequest(echo) => Content::EchoRequest(echo),
            icmpv6::Message::EchoReply(echo) => Content::EchoReply(echo),
            _ => Content::Icmpv6(message),
        })
    }
}

impl Node for Host {
    fn handle_frame(&mut self, now: Instant, _leg: usize, frame: &[u8]) {
        if let Some(packet) = self.interface.handle_frame(now, frame)
            && let Reassembly::Whole(packet) = self.reassembler.push(now, &packet)
        {
            self.receive(now, packet);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.interface.handle_timeout(now);
        self.reassembler.handle_timeout(now);
        while self.interface.poll_unreachable().is_some() {}
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.interface.next_timeout().into_iter().chain(self.reassembler.next_timeout()).min()
    }

    fn poll_frame(&mut self) -> Option<(usize, Vec<u8>)> {
        self.interface.poll_frame().map(|frame| (0, frame))
    }
}
