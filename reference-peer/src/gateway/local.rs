//! Packets for the gateway itself that are neither IKE nor IPsec: it answers pings, in the clear and through a tunnel.

use super::{Gateway, Leg};
use crate::Instant;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6, ipv4, ipv6};

impl Gateway {
    /// A packet for one of the gateway's own addresses that came in the clear on the outside.
    pub(super) fn local(&mut self, _now: Instant, packet: &ip::Packet) {
        if let Some(reply) = echo_reply(packet) {
            self.transmit(Leg::Outside, reply.to_bytes());
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
