//! Packets of any kind through the tunnel in either direction, and what they look like when they come out.

use super::seal::through_outer;
use super::traffic::{Ping, ip_packet};
use super::{Family, Testbed};
use crate::dissect::Seen;
use crate::run::StepError;
use reference_peer::gateway::Leg;
use reference_peer::hands::AhDraft;
use reference_peer::ipsec::fragment::{Fragmentation, fragment};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::checksum::Sum;
use wire::ip::{self, Ecn, Protocol};
use wire::{Derived, ipv4, udp};

/// Packets on their way at once, at most.
const HANDFUL: usize = 16;

/// Octets that are set apart from all else in packets of a scenario's own.
const MARK: &[u8] = b"counterpeer";

/// A packet of the DUT's inside as it came out on the outside.
#[derive(Debug, Clone)]
pub struct Encapsulated {
    /// The outer packet.
    pub outer: ip::Packet,
    /// The inner packet.
    pub inner: ip::Packet,
}

/// An inner packet, and what becomes of the outer header on the way.
pub struct Tunnelled {
    /// The inner packet.
    pub inner: ip::Packet,
    /// Changes the outer packet after it was protected.
    pub change: Box<dyn Fn(&mut ip::Packet)>,
}

impl Testbed {
    /// A ping through the tunnel, as a packet to be edited.
    ///
    /// # Errors
    /// Our own fault when it is no packet.
    pub fn ping_packet(&mut self) -> Result<(Ping, ip::Packet), StepError> {
        let ping = self.new_ping();
        let packet = ip::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
        Ok((ping, packet))
    }

    /// A ping the other way: from the host on the DUT's inside to the tester's protected host.
    ///
    /// # Errors
    /// Our own fault when it is no packet.
    pub fn ping_packet_from_inside(&mut self) -> Result<ip::Packet, StepError> {
        let mut ping = self.new_ping();
        (ping.source, ping.destination) = (self.plan.inside_host, self.plan.tester_host);
        ip::Packet::parse(&ping.packet()).map_err(StepError::testbed)
    }

    /// A UDP datagram with data that no other has.
    ///
    /// # Errors
    /// Our own fault when the addresses do not fit together.
    pub fn udp_packet(&mut self, ends: (IpAddr, IpAddr), port: u16, octets: usize) -> Result<ip::Packet, StepError> {
        let mut data = [MARK, &self.random().to_be_bytes()].concat();
        data.resize(octets.max(data.len()), 0x61);
        let upper = udp::Datagram::new(40_000, port, data).to_bytes(ends.0, ends.1);
        packet(ends, Protocol::UDP, upper)
    }

    /// A TCP SYN with a sequence number that no other has.
    ///
    /// # Errors
    /// Our own fault when the addresses do not fit together.
    pub fn tcp_packet(&mut self, ends: (IpAddr, IpAddr), port: u16) -> Result<ip::Packet, StepError> {
        let number = (self.random() as u32).to_be_bytes();
        let [p0, p1] = port.to_be_bytes();
        let [n0, n1, n2, n3] = number;
        // 40000 is 0x9c40; a window of 4096.
        let mut segment = [0x9c, 0x40, p0, p1, n0, n1, n2, n3, 0, 0, 0, 0, 0x50, 0x02, 0x10, 0, 0, 0, 0, 0];
        let sum = Sum::new().pseudo_header(ends.0, ends.1, Protocol::TCP, segment.len()).with(&segment).finish();
        let [c0, c1] = sum.to_be_bytes();
        (segment[16], segment[17]) = (c0, c1);
        packet(ends, Protocol::TCP, segment.to_vec())
    }

    /// The sequence number after the last that the tester has sent under the newest SAs; it counts as sent.
    ///
    /// # Errors
    /// Inconclusive without SAs, or when they can count no further.
    pub fn next_sequence(&mut self) -> Result<u64, StepError> {
        let spis: Vec<u32> = self.newest_bundle()?.iter().map(|child| child.outbound_spi).collect();
        let sad = self.tester.data_mut().sad_mut();
        let ids: Vec<_> = sad.outbound_sas().map(|(id, _)| id).filter(|id| spis.contains(&id.spi)).collect();
        let mut highest = 0;
        for id in ids {
            let counter = sad.outbound_mut(id).map(|sa| sa.counter_mut().advance(0));
            highest = counter.transpose().map_err(StepError::inconclusive)?.unwrap_or(0).max(highest);
        }
        if highest == 0 { Err(StepError::inconclusive("the tester has no SA to send on")) } else { Ok(highest) }
    }

    /// Sends an inner packet under the newest SAs with the next sequence number. `change` edits the outer packet after
    /// it was protected, as somebody on the way would.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn send_protected(&mut self, inner: &ip::Packet, change: impl Fn(&mut ip::Packet)) -> Result<(), StepError> {
        let sequence = self.next_sequence()?;
        let octets = self.protect_packet(sequence, &inner.to_bytes(), false)?;
        let octets = changed(&octets, change)?;
        self.send_outside(octets)
    }

    /// The octets of an AH packet behind an IP header of the scenario's own, options and extension headers included.
    /// `outer` has the protected data as its payload; `edit` comes before the ICV.
    ///
    /// # Errors
    /// Inconclusive without SAs for AH.
    pub fn behind_header(&mut self, outer: &[u8], edit: impl FnOnce(&mut AhDraft)) -> Result<Vec<u8>, StepError> {
        let keys = through_outer(&self.ah_keys()?)?;
        let mut draft = keys.draft(self.next_sequence()?);
        edit(&mut draft);
        keys.seal(&draft, outer).map_err(StepError::testbed)
    }

    /// What a packet is behind, in the mode that is wanted: a plain outer header with the inner packet as its payload,
    /// or the packet itself.
    ///
    /// # Errors
    /// Our own fault when the addresses do not fit together.
    pub fn outer_of(&self, inner: &ip::Packet) -> Result<ip::Packet, StepError> {
        if self.wanted.mode == reference_peer::config::Mode::Transport {
            return Ok(inner.clone());
        }
        let protocol = if inner.source().is_ipv4() { Protocol(4) } else { Protocol(41) };
        packet((self.plan.tester, self.plan.dut), protocol, inner.to_bytes())
    }

    /// Lets time pass until a packet comes out of the DUT on the inside, at most for `limit`.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn await_inside(
        &mut self,
        mark: usize,
        limit: Duration,
        fits: impl Fn(&ip::Packet) -> bool,
    ) -> Result<Option<ip::Packet>, StepError> {
        let found = self.await_seen(mark, limit, |seen| came_out(seen, &fits))?;
        Ok(found.and_then(|index| self.seen.get(index)).and_then(|seen| seen.ip.clone()))
    }

    /// Sends packets from the DUT's inside. What has each become on the outside? `None` for one that did not come under
    /// the newest SAs.
    ///
    /// # Errors
    /// Not applicable without an inside leg.
    pub fn encapsulate(&mut self, packets: &[ip::Packet]) -> Result<Vec<Option<Encapsulated>>, StepError> {
        self.learn_neighbours()?;
        let limit = self.silence();
        let mut came = Vec::with_capacity(packets.len());
        for handful in packets.chunks(HANDFUL) {
            let mark = self.mark();
            for packet in handful {
                self.send_from_inside(packet.to_bytes())?;
            }
            self.await_state(limit, |testbed| handful.iter().all(|sent| testbed.encapsulated(mark, sent).is_some()))?;
            came.extend(handful.iter().map(|sent| self.encapsulated(mark, sent)));
        }
        Ok(came)
    }

    fn encapsulated(&self, mark: usize, sent: &ip::Packet) -> Option<Encapsulated> {
        self.from_dut_since(mark).filter(|seen| seen.leg == Leg::Outside).find_map(|seen| {
            let inner = seen.inner().filter(|inner| is_same(inner, sent))?;
            Some(Encapsulated { outer: seen.ip.clone()?, inner })
        })
    }

    /// Sends packets under the newest SAs. What has each become on the DUT's inside? `None` for one that was dropped.
    ///
    /// # Errors
    /// Not applicable without an inside leg.
    pub fn decapsulate(&mut self, packets: &[Tunnelled]) -> Result<Vec<Option<ip::Packet>>, StepError> {
        self.learn_neighbours()?;
        let limit = self.silence();
        let mut came = Vec::with_capacity(packets.len());
        for handful in packets.chunks(HANDFUL) {
            let mark = self.mark();
            for Tunnelled { inner, change } in handful {
                self.send_protected(inner, change)?;
            }
            let out = |testbed: &Self, sent: &ip::Packet| {
                let mut seen = testbed.from_dut_since(mark);
                seen.find(|seen| came_out(seen, |packet| is_same(packet, sent))).and_then(|seen| seen.ip.clone())
            };
            self.await_state(limit, |testbed| handful.iter().all(|sent| out(testbed, &sent.inner).is_some()))?;
            came.extend(handful.iter().map(|sent| out(self, &sent.inner)));
        }
        Ok(came)
    }

    /// A ping each way, so that everybody knows everybody's hardware address before many packets come at once.
    fn learn_neighbours(&mut self) -> Result<(), StepError> {
        if !self.has_inside() {
            return Err(StepError::not_applicable("the profile has no inside leg"));
        }
        let limit = self.answer_limit();
        if self.ping(limit)? {
            return Ok(());
        }
        Err(StepError::failed(format!("a ping through the tunnel answered within {limit:?}"), "no answer"))
    }

    /// Sends an IP packet to the DUT in the clear on the outside, whoever it is for.
    ///
    /// # Errors
    /// When the links fail.
    pub fn send_in_clear(&mut self, packet: &ip::Packet) -> Result<(), StepError> {
        let dut = self.plan.dut;
        self.outside.add_route(packet.destination().into(), dut);
        self.send_outside(packet.to_bytes())
    }

    /// Narrows the protected networks to one host at each end: at the DUT's, the DUT itself, which needs no route to the
    /// other for its answers.
    pub fn use_hosts(&mut self) {
        self.plan.inside_host = self.plan.dut_inside;
        (self.plan.dut_net, self.plan.tester_net) = (self.plan.dut_inside.into(), self.plan.tester_host.into());
        let plan = self.plan.clone();
        self.reconfigure_tester(|config| super::lab::aim_all(config, &plan));
    }

    /// An address of the protected networks' version that is in neither of them (RFC 5737, RFC 3849).
    pub fn stranger(&self) -> IpAddr {
        match self.plan.families().1 {
            Family::V4 => Ipv4Addr::new(203, 0, 113, 77).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0x77).into(),
        }
    }
}

fn packet(ends: (IpAddr, IpAddr), protocol: Protocol, upper: Vec<u8>) -> Result<ip::Packet, StepError> {
    ip::Packet::parse(&ip_packet(ends.0, ends.1, protocol, upper)?).map_err(StepError::testbed)
}

/// Did the DUT forward such a packet to the inside?
fn came_out(seen: &Seen, fits: impl Fn(&ip::Packet) -> bool) -> bool {
    seen.from_dut && seen.leg == Leg::Inside && seen.ip.as_ref().is_some_and(fits)
}

/// Is it this packet, whatever became of its header on the way? Packets of a scenario differ in what they carry.
pub fn is_same(packet: &ip::Packet, sent: &ip::Packet) -> bool {
    (packet.source(), packet.destination()) == (sent.source(), sent.destination())
        && packet.protocol() == sent.protocol()
        && packet.payload() == sent.payload()
}

/// An IP packet with an edit. Lengths and checksum of its header follow from the rest again.
///
/// # Errors
/// Our own fault when it is no packet.
pub fn changed(octets: &[u8], change: impl FnOnce(&mut ip::Packet)) -> Result<Vec<u8>, StepError> {
    let mut packet = ip::Packet::parse(octets).map_err(StepError::testbed)?;
    change(&mut packet);
    if let ip::Packet::V4(packet) = &mut packet {
        packet.checksum = Derived::Computed;
    }
    Ok(packet.to_bytes())
}

/// Sets DSCP and ECN.
pub fn set_traffic_class(packet: &mut ip::Packet, dscp: u8, ecn: Ecn) {
    match packet {
        ip::Packet::V4(packet) => (packet.dscp, packet.ecn) = (dscp, ecn),
        ip::Packet::V6(packet) => (packet.dscp, packet.ecn) = (dscp, ecn),
    }
}

/// Sets TTL or hop limit.
pub fn set_hop_limit(packet: &mut ip::Packet, hops: u8) {
    match packet {
        ip::Packet::V4(packet) => packet.ttl = hops,
        ip::Packet::V6(packet) => packet.hop_limit = hops,
    }
}

/// An outer packet as its source or a router sends it where only so many octets fit.
///
/// # Errors
/// Our own fault when it cannot be cut.
pub fn in_fragments(packet: &[u8], mtu: usize, identification: u32) -> Result<Vec<Vec<u8>>, StepError> {
    let packet = changed(packet, |packet| {
        if let ip::Packet::V4(packet) = packet {
            packet.dont_fragment = false;
            // AH covers the identification, so that only its sender can choose one.
            if packet.identification == 0 && packet.protocol != Protocol::AH {
                packet.identification = identification as u16;
            }
        }
    })?;
    let how = Fragmentation { identification, ..Fragmentation::default() };
    fragment(&packet, mtu, how).map_err(StepError::testbed)
}

/// The packet as an IPv4 one.
///
/// # Errors
/// Not applicable to IPv6.
pub fn v4(packet: &mut ip::Packet) -> Result<&mut ipv4::Packet, StepError> {
    match packet {
        ip::Packet::V4(packet) => Ok(packet),
        ip::Packet::V6(_) => Err(StepError::not_applicable("this is about IPv4")),
    }
}
