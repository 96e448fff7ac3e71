//! Packets for the gateway itself that are neither IKE nor IPsec: it answers pings, in the clear and through a tunnel.

use super::{Gateway, Leg};
use crate::Instant;
use crate::ipsec::drops::DropReason;
use crate::ipsec::header::Header;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6, ipv4, ipv6};

impl Gateway {
    /// A packet for one of the gateway's own addresses that came in the clear on the outside.
    pub(super) fn local(&mut self, _now: Instant, packet: &ip::Packet) {
        let octets = packet.to_bytes();
        let allowed = match Header::parse(&octets) {
            Ok(header) => self.local_policy(&header.flow(&octets)),
            Err(_) => Err(DropReason::OuterMalformed),
        };
        match (allowed, echo_reply(packet)) {
            (Err(reason), _) => self.dropped(None, Some(packet.source()), reason),
            (Ok(()), Some(reply)) => self.transmit(Leg::Outside, reply.to_bytes()),
            (Ok(()), None) => {}
        }
    }

    /// A packet for one of the gateway's own addresses that came through an SA or on the inside.
    pub(super) fn local_protected(&mut self, now: Instant, packet: &ip::Packet) {
        if let Some(reply) = echo_reply(packet) {
            self.protect_and_send(now, &reply.to_bytes());
        }
    }
}

/// Is it an ICMP Destination Unreachable?
pub(super) fn is_unreachable(packet: &ip::Packet) -> bool {
    icmpv4::Packet::parse(packet.payload())
        .is_ok_and(|icmp| matches!(icmp.message, icmpv4::Message::DestinationUnreachable { .. }))
}

/// The MTU of an ICMP "fragmentation needed" or ICMPv6 "packet too big", and the packet that it quotes.
pub(super) fn too_big_report(packet: &ip::Packet) -> Option<(usize, Vec<u8>)> {
    match packet {
        ip::Packet::V4(packet) if packet.protocol == Protocol::ICMP => {
            let icmp = icmpv4::Packet::parse(&packet.payload).ok().filter(icmpv4::Packet::is_intact)?;
            match icmp.message {
                icmpv4::Message::DestinationUnreachable { next_hop_mtu, original, .. }
                    if icmp.code == icmpv4::FRAGMENTATION_NEEDED =>
                {
                    Some((next_hop_mtu.into(), original))
                }
                _ => None,
            }
        }
        ip::Packet::V6(outer) if packet.protocol() == Protocol::ICMPV6 => {
            let icmp = icmpv6::Packet::parse(packet.payload(), outer.source, outer.destination).ok()?;
            let intact = icmp.is_intact(outer.source, outer.destination);
            match icmp.message {
                icmpv6::Message::PacketTooBig { mtu, original } if intact => Some((mtu.try_into().ok()?, original)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The answer to an ICMP or ICMPv6 echo request, addresses swapped; `None` for anything else.
pub fn echo_reply(packet: &ip::Packet) -> Option<ip::Packet> {
    match packet {
        ip::Packet::V4(request) if request.protocol == Protocol::ICMP && !request.is_fragment() => {
            let reply = icmpv4::Packet::parse(&request.payload).ok()?.echo_reply()?;
            let mut answer = ipv4::Packet::new(request.destination, request.source, Protocol::ICMP, reply.to_bytes());
            answer.identification = request.identification;
            Some(ip::Packet::V4(answer))
        }
        ip::Packet::V6(request) if packet.protocol() == Protocol::ICMPV6 && !packet.is_fragment() => {
            let reply =
                icmpv6::Packet::parse(packet.payload(), request.source, request.destination).ok()?.echo_reply()?;
            let octets = reply.to_bytes(request.destination, request.source);
            Some(ip::Packet::V6(ipv6::Packet::new(request.destination, request.source, Protocol::ICMPV6, octets)))
        }
        _ => None,
    }
}
