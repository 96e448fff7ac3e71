//! Traffic of the hosts at both ends, and packets of a scenario's own making.

use super::Testbed;
use crate::dissect::Seen;
use crate::run::StepError;
use reference_peer::Instant;
use reference_peer::config::Mode;
use reference_peer::gateway::{Leg, echo_reply};
use reference_peer::ike::v2::Path;
use reference_peer::ipsec::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6, ipv4, ipv6, natt, udp};

/// Octets of data in a ping, unless a scenario says otherwise.
pub const PING_DATA: usize = 56;

/// One ping: where from, where to, and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// Who asks.
    pub source: IpAddr,
    /// Who is asked.
    pub destination: IpAddr,
    /// Identifier.
    pub identifier: u16,
    /// Sequence number.
    pub sequence: u16,
    /// Octets of data.
    pub data: Vec<u8>,
}

impl Ping {
    /// The echo request as an IP packet.
    pub fn packet(&self) -> Vec<u8> {
        let data = self.data.clone();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let echo = icmpv4::Packet::echo_request(self.identifier, self.sequence, data);
                let mut packet = ipv4::Packet::new(source, destination, Protocol::ICMP, echo.to_bytes());
                packet.identification = self.sequence;
                packet.to_bytes()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let echo = icmpv6::Packet::echo_request(self.identifier, self.sequence, data);
                let octets = echo.to_bytes(source, destination);
                ipv6::Packet::new(source, destination, Protocol::ICMPV6, octets).to_bytes()
            }
            // Addresses of two families make no packet.
            _ => Vec::new(),
        }
    }

    /// Is this IP packet the answer?
    pub fn is_answered_by(&self, packet: &[u8]) -> bool {
        echo(packet) == Some((false, self.destination, self.source, self.identifier, self.sequence))
    }

    /// Is this IP packet the request as it comes out at the other end?
    pub fn is_request(&self, packet: &[u8]) -> bool {
        echo(packet) == Some((true, self.source, self.destination, self.identifier, self.sequence))
    }
}

/// Is it a request, from whom to whom, identifier and sequence number.
fn echo(packet: &[u8]) -> Option<(bool, IpAddr, IpAddr, u16, u16)> {
    let packet = ip::Packet::parse(packet).ok().filter(|packet| !packet.is_fragment())?;
    let (request, echo) = match packet.protocol() {
        Protocol::ICMP => match icmpv4::Packet::parse(packet.payload()).ok()?.message {
            icmpv4::Message::EchoRequest(echo) => (true, echo),
            icmpv4::Message::EchoReply(echo) => (false, echo),
            _ => return None,
        },
        Protocol::ICMPV6 => {
            let (IpAddr::V6(source), IpAddr::V6(destination)) = (packet.source(), packet.destination()) else {
                return None;
            };
            match icmpv6::Packet::parse(packet.payload(), source, destination).ok()?.message {
                icmpv6::Message::EchoRequest(echo) => (true, echo),
                icmpv6::Message::EchoReply(echo) => (false, echo),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((request, packet.source(), packet.destination(), echo.identifier, echo.sequence))
}

/// What became of a series of pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pings {
    /// Requests sent.
    pub sent: u32,
    /// Answers that came in time.
    pub answered: u32,
}

impl Testbed {
    /// Who is pinged through the tunnel: the host on the DUT's inside, or the DUT's own inside address where the
    /// testbed has no leg there.
    pub fn ping_target(&self) -> IpAddr {
        if self.has_inside() { self.plan.inside_host } else { self.plan.dut_inside }
    }

    /// A ping from the tester's protected host through the tunnel, not yet sent; in transport mode from the tester
    /// itself to the DUT.
    pub fn new_ping(&mut self) -> Ping {
        self.ping_id = self.ping_id.wrapping_add(1);
        let (source, destination) = match self.wanted.mode {
            Mode::Tunnel => (self.plan.tester_host, self.ping_target()),
            Mode::Transport => (self.plan.tester, self.plan.dut),
        };
        Ping { source, destination, identifier: 0x4350, sequence: self.ping_id, data: vec![0x61; PING_DATA] }
    }

    /// Sends a ping in the clear to the DUT's outside address. Was it answered?
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn answers_ping(&mut self) -> Result<bool, StepError> {
        let mut ping = self.new_ping();
        (ping.source, ping.destination) = (self.plan.tester, self.plan.dut);
        let mark = self.mark();
        self.send_outside(ping.packet())?;
        let limit = self.answer_limit();
        let answer = |seen: &Seen| seen.ip.as_ref().is_some_and(|packet| ping.is_answered_by(&packet.to_bytes()));
        Ok(self.await_seen(mark, limit, |seen| seen.from_dut && answer(seen))?.is_some())
    }

    /// Sends a ping from the tester's protected host through the tunnel and waits for the answer there.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn ping(&mut self, limit: Duration) -> Result<bool, StepError> {
        let ping = self.new_ping();
        let before = self.delivered.len();
        self.send_from_tester_host(&ping.packet())?;
        self.await_state(limit, |testbed| {
            testbed.delivered.get(before..).unwrap_or_default().iter().any(|(_, packet)| ping.is_answered_by(packet))
        })
    }

    /// Pings through the tunnel, one after the other.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn pings(&mut self, count: u32, limit: Duration) -> Result<Pings, StepError> {
        let mut pings = Pings::default();
        for _ in 0..count {
            pings.sent += 1;
            pings.answered += u32::from(self.ping(limit)?);
        }
        Ok(pings)
    }

    /// Sends a ping from the host on the DUT's inside to the tester's protected host, and does not wait.
    ///
    /// # Errors
    /// Not applicable without an inside leg.
    pub fn send_ping_from_inside(&mut self) -> Result<Ping, StepError> {
        let mut ping = self.new_ping();
        ping.source = self.plan.inside_host;
        ping.destination = self.plan.tester_host;
        self.send_from_inside(ping.packet())?;
        Ok(ping)
    }

    /// Sends an IP packet from the host on the DUT's inside, in fragments where it is longer than its link carries.
    ///
    /// # Errors
    /// Not applicable without an inside leg; our own fault where it must not be fragmented.
    pub fn send_from_inside(&mut self, packet: Vec<u8>) -> Result<(), StepError> {
        let now = self.now();
        let Some(inside) = &mut self.inside else {
            return Err(StepError::not_applicable("the profile has no inside leg"));
        };
        for piece in fragment(&packet, inside.mtu(), Fragmentation::default()).map_err(StepError::testbed)? {
            inside.send_ip(now, piece).map_err(StepError::testbed)?;
        }
        self.flush()
    }

    /// Sends an IP packet from the tester's protected host into the tester, which protects it if a policy says so; one
    /// that has the tester's own address comes from the tester itself.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn send_from_tester_host(&mut self, packet: &[u8]) -> Result<(), StepError> {
        let now = self.now();
        let own = ip::Packet::parse(packet).is_ok_and(|parsed| parsed.source() == self.plan.tester);
        if own {
            self.tester.originate(now, packet);
        } else {
            self.tester.handle(now, Leg::Inside, packet);
        }
        self.flush()
    }

    /// Did a packet come out of the DUT at the host on its inside, since a length of
    /// [`inside_received`](Self::inside_received)?
    pub fn came_out_inside(&self, since: usize, fits: impl Fn(&[u8]) -> bool) -> bool {
        self.inside_received.get(since..).unwrap_or_default().iter().any(|(_, packet)| fits(packet))
    }

    /// Sends an IP packet on the outside, past the tester; through the NAT, if there is one.
    ///
    /// # Errors
    /// When the links fail.
    pub fn send_outside(&mut self, packet: Vec<u8>) -> Result<(), StepError> {
        let now = self.now();
        let packet = self.leave(packet);
        self.outside.send_ip(now, packet).map_err(StepError::testbed)?;
        self.flush()
    }

    /// Sends a UDP datagram on the outside, past the tester.
    ///
    /// # Errors
    /// When the links fail.
    pub fn send_udp(&mut self, path: Path, payload: &[u8]) -> Result<(), StepError> {
        let datagram = udp::Datagram::new(path.local.port(), path.remote.port(), payload);
        let upper = datagram.to_bytes(path.local.ip(), path.remote.ip());
        let packet = ip_packet(path.local.ip(), path.remote.ip(), Protocol::UDP, upper)?;
        self.send_outside(packet)
    }

    /// Sends an IKE message on a path, past the tester's engine, with the non-ESP marker where the path wants it.
    ///
    /// # Errors
    /// When the links fail.
    pub fn send_ike(&mut self, path: Path, message: &[u8]) -> Result<(), StepError> {
        if path.remote.port() == 4500 {
            self.send_udp(path, &natt::wrap_ike(message))
        } else {
            self.send_udp(path, message)
        }
    }

    /// Port 500 of the tester and of the DUT.
    pub fn path(&self) -> Path {
        Path { local: SocketAddr::new(self.plan.tester, 500), remote: SocketAddr::new(self.plan.dut, 500) }
    }

    /// How much has come out of the tunnel so far, at both ends.
    pub fn come_out(&self) -> (usize, usize) {
        (self.delivered.len(), self.inside_received.len())
    }

    /// Has a ping come out of the DUT on the inside, or its answer at the tester's host, since
    /// [`come_out`](Self::come_out)?
    pub fn has_come_out(&self, (delivered, inside): (usize, usize), ping: &Ping) -> bool {
        self.came_out_inside(inside, |packet| ping.is_request(packet))
            || self.delivered.get(delivered..).unwrap_or_default().iter().any(|(_, p)| ping.is_answered_by(p))
    }

    /// How often has a ping come out of the DUT on the inside, or, without a leg there, its answer at the tester's host,
    /// since [`come_out`](Self::come_out)?
    pub fn times_come_out(&self, (delivered, inside): (usize, usize), ping: &Ping) -> usize {
        if self.has_inside() {
            let came = self.inside_received.get(inside..).unwrap_or_default().iter();
            return came.filter(|(_, packet)| ping.is_request(packet)).count();
        }
        let came = self.delivered.get(delivered..).unwrap_or_default().iter();
        came.filter(|(_, packet)| ping.is_answered_by(packet)).count()
    }

    /// A packet has come out of the tunnel at the tester's protected host.
    pub(super) fn tester_host_received(&mut self, now: Instant, packet: Vec<u8>) {
        let whole = self.hosts_fragments.tester.push(now, &packet);
        let was_fragment = is_fragment(&packet);
        self.delivered.push((now, packet));
        let Reassembly::Whole(packet) = whole else { return };
        if self.hosts_answer
            && let Some(reply) = reply_of(self.plan.tester_host, &packet)
        {
            self.tester.handle(now, Leg::Inside, &reply);
        }
        if was_fragment {
            self.delivered.push((now, packet));
        }
    }

    /// A packet has come out of the DUT at the host on its inside.
    pub(super) fn inside_host_received(&mut self, now: Instant, packet: Vec<u8>) {
        let whole = self.hosts_fragments.inside.push(now, &packet);
        let was_fragment = is_fragment(&packet);
        self.inside_received.push((now, packet));
        let Reassembly::Whole(packet) = whole else { return };
        if self.hosts_answer
            && let Some(reply) = reply_of(self.plan.inside_host, &packet)
            && let Some(inside) = &mut self.inside
        {
            for piece in fragment(&reply, inside.mtu(), Fragmentation::default()).unwrap_or_default() {
                // Without a route to the asker the answer is lost, as in any host.
                let _ = inside.send_ip(now, piece);
            }
        }
        if was_fragment {
            self.inside_received.push((now, packet));
        }
    }
}

/// Fragments that wait at the two hosts for the rest of their packets.
#[derive(Debug, Default)]
pub(super) struct HostsFragments {
    tester: Reassembler,
    inside: Reassembler,
}

/// What a host answers to a whole packet.
fn reply_of(host: IpAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let parsed = ip::Packet::parse(packet).ok().filter(|parsed| parsed.destination() == host)?;
    Some(echo_reply(&parsed)?.to_bytes())
}

fn is_fragment(packet: &[u8]) -> bool {
    ip::Packet::parse_prefix(packet).is_ok_and(|(packet, _)| packet.is_fragment())
}

/// An IP packet of either family.
pub fn ip_packet(
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    payload: Vec<u8>,
) -> Result<Vec<u8>, StepError> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Ok(ipv4::Packet::new(source, destination, protocol, payload).to_bytes())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Ok(ipv6::Packet::new(source, destination, protocol, payload).to_bytes())
        }
        _ => Err(StepError::testbed(format!("{source} and {destination} are of different families"))),
    }
}
