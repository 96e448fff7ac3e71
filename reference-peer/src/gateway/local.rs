//! Packets for the gateway itself that are neither IKE nor IPsec: it answers pings, in the clear and through a tunnel.

use super::{Gateway, Leg};
use crate::Instant;
use crate::ipsec::drops::DropReason;
use crate::ipsec::header::Header;
use std::net::IpAddr;
use wire::checksum::Sum;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6, ipv4, ipv6};

impl Gateway {
    /// A packet for one of the gateway's own addresses that came in the clear on the outside.
    pub(super) fn local(&mut self, now: Instant, packet: &ip::Packet) {
        let octets = packet.to_bytes();
        let allowed = match Header::parse(&octets) {
            Ok(header) => self.local_policy(&header.flow(&octets)),
            Err(_) => Err(DropReason::OuterMalformed),
        };
        match (allowed, echo_reply(packet)) {
            (Err(reason), _) => self.dropped(None, Some(packet.source()), reason),
            (Ok(()), Some(reply)) => self.transmit(Leg::Outside, reply.to_bytes()),
            (Ok(()), None) => self.echo_answered(now, packet),
        }
    }

    /// A packet for one of the gateway's own addresses that came through an SA or on the inside.
    pub(super) fn local_protected(&mut self, now: Instant, packet: &ip::Packet) {
        if let Some(reply) = echo_reply(packet).or_else(|| reset(packet)) {
            self.protect_and_send(now, &reply.to_bytes());
        } else {
            self.echo_answered(now, packet);
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
            answer.options = echoed_options(&request.options);
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

/// Record Route and Timestamp are included in the answer (RFC 1122 section 3.2.2.6). Beside other options, none is.
fn echoed_options(options: &[u8]) -> Vec<u8> {
    const RECORD_ROUTE: u8 = 7;
    const TIMESTAMP: u8 = 68;
    let mut rest = options;
    loop {
        rest = match rest {
            [] | [0, ..] => return options.to_vec(),
            [1, after @ ..] => after,
            [RECORD_ROUTE | TIMESTAMP, len @ 2..=u8::MAX, ..] => match rest.get(usize::from(*len)..) {
                Some(after) => after,
                None => return Vec::new(),
            },
            _ => return Vec::new(),
        };
    }
}

/// The RST with which a host refuses a TCP segment to a port that nobody listens on (RFC 9293 section 3.10.7.1).
fn reset(packet: &ip::Packet) -> Option<ip::Packet> {
    const HEADER: usize = 20;
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;
    let segment = packet.payload();
    if packet.protocol() != Protocol::TCP || packet.is_fragment() {
        return None;
    }
    let &[s0, s1, d0, d1, n0, n1, n2, n3, a0, a1, a2, a3, offset, flags, ..] = segment.first_chunk::<HEADER>()?;
    if flags & RST != 0 {
        return None;
    }
    let data = segment.len().checked_sub(usize::from(offset >> 4) * 4)?;
    let mut answer = vec![d0, d1, s0, s1];
    if flags & ACK != 0 {
        answer.extend_from_slice(&[a0, a1, a2, a3, 0, 0, 0, 0, 0x50, RST]);
    } else {
        let controls = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let next = u32::from_be_bytes([n0, n1, n2, n3]).wrapping_add(data as u32).wrapping_add(controls);
        answer.extend_from_slice(&[0; 4]);
        answer.extend_from_slice(&next.to_be_bytes());
        answer.extend_from_slice(&[0x50, RST | ACK]);
    }
    answer.resize(HEADER, 0);
    let (source, destination) = (packet.destination(), packet.source());
    let sum = Sum::new().pseudo_header(source, destination, Protocol::TCP, HEADER).with(&answer).finish();
    answer.get_mut(16..18)?.copy_from_slice(&sum.to_be_bytes());
    Some(match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ip::Packet::V4(ipv4::Packet::new(source, destination, Protocol::TCP, answer))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ip::Packet::V6(ipv6::Packet::new(source, destination, Protocol::TCP, answer))
        }
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn record_route_is_echoed_and_other_options_are_not() {
        let record_route = [7, 7, 4, 0, 0, 0, 0, 0];
        assert_eq!(echoed_options(&record_route), record_route);
        assert_eq!(echoed_options(&[1, 68, 8, 5, 0, 0, 0, 0, 0]).len(), 9);
        for other in [&[148, 4, 0, 0][..], &[7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0], &[7, 0], &[7], &[7, 9, 4]] {
            assert_eq!(echoed_options(other), [0; 0], "{other:?}");
        }
    }

    #[test]
    fn segments_are_refused_by_their_numbers() {
        let ends = ([10, 1, 0, 1].into(), [10, 2, 0, 1].into());
        let mut segment = vec![0x80, 1, 0, 80, 0, 0, 0, 9, 0, 0, 0, 77, 0x50, 0x02, 0, 0, 0, 0, 0, 0];
        let refused = |segment: &[u8]| {
            let packet = ipv4::Packet::new(ends.0, ends.1, Protocol::TCP, segment);
            reset(&ip::Packet::V4(packet)).map(|answer| answer.payload().to_vec())
        };
        assert_eq!(refused(&segment).unwrap()[..14], [0, 80, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 10, 0x50, 0x14]);
        segment[13] = 0x10;
        assert_eq!(refused(&segment).unwrap()[..14], [0, 80, 0x80, 1, 0, 0, 0, 77, 0, 0, 0, 0, 0x50, 0x04]);
        segment[13] = 0x04;
        assert_eq!(refused(&segment), None);
        assert_eq!(refused(&segment[..19]), None);
    }
}
