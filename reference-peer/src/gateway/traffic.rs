//! The way of protected packets: from the outside through an SA to the inside, and back (RFC 4301 sections 5.1 and 5.2).

use super::icmp_errors::Complaint;
use super::log::ReplayError;
use super::nat_transparency::NATT_PORT;
use super::path_mtu::PathMtus;
use super::policy::Verdict;
use super::{DataConfig, Event, Gateway, GatewayConfig, Leg, anti_replay, df_bit};
use crate::Instant;
use crate::config::{Child, Mode};
use crate::deviation::{Deviation, DeviationSet};
use crate::ike::v2::{ChildSa, IkeSaId, Path, TrafficRange};
use crate::ipsec::drops::{DropReason, Drops};
use crate::ipsec::flow::Flow;
use crate::ipsec::header::Header;
use crate::ipsec::inbound::{InboundSa, Incoming, Received};
use crate::ipsec::outbound::{OutboundSa, ProtectError, Protection};
use crate::ipsec::sa::{DfBit, Protocol, SaError, SaParameters, UdpPorts};
use crate::ipsec::sad::{Dropped, OutboundId, Sad};
use crate::ipsec::selector::{AddressRange, PortRange, Selectors, TrafficSelector};
use crate::ipsec::sequence::Numbering;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use wire::ikev2::ProtocolId;
use wire::ip;

/// Most packets that wait for the SA that they have asked for.
const MOST_WAITING: usize = 16;

/// Protected data are not forwarded with less.
const LAST_HOP: u8 = 1;

/// SAs, which pair belongs to which IKE SA, and packets that wait for an SA.
pub struct DataPlane {
    sad: Sad,
    pairs: BTreeMap<u32, Pair>,
    waiting: VecDeque<Vec<u8>>,
    drops: Drops,
    pub(super) path_mtus: PathMtus,
    pub(super) config: DataConfig,
    /// Is the replay check off globally or for a crypto map?
    off_somewhere: bool,
    /// Are the packets of new SAs numbered in spaces?
    numbers_in_spaces: bool,
    /// The treatment of the DF bit of children that have one of their own, by connection and child.
    df_bits: Vec<(String, String, DfBit)>,
    pub(super) outside_mtu: usize,
    /// Number of the last SA.
    last_connection_id: u32,
    deviations: Arc<DeviationSet>,
}

/// The two SAs of one child, under the inbound SPI.
struct Pair {
    outbound: OutboundId,
    child: ChildSa,
    /// Number of the inbound SA; the outbound one has the next.
    connection_id: u32,
    /// Inbound SPI of the pair that protects once more what this one has protected: the two are a bundle.
    over: Option<u32>,
    /// Its packets are numbered otherwise than is configured by now.
    stale: bool,
}

/// The octets of packets under an outbound SA and what goes over it.
pub(super) struct Sizing<'a> {
    sa: &'a OutboundSa,
    over: Option<&'a OutboundSa>,
}

impl Sizing<'_> {
    /// Octets of a packet of this length when it is protected; `insertion` of them stand before the place where
    /// transport mode puts its header.
    pub(super) fn encapsulated_len(&self, len: usize, insertion: usize) -> usize {
        let add = |sa: &OutboundSa, len: usize, insertion: usize| match sa.parameters().mode {
            Mode::Tunnel => (len + sa.overhead(len), if sa.parameters().source.is_ipv4() { 20 } else { 40 }),
            Mode::Transport => (len + sa.overhead(len.saturating_sub(insertion)), insertion),
        };
        let (len, insertion) = add(self.sa, len, insertion);
        self.over.map_or(len, |over| add(over, len, insertion).0)
    }

    /// Is one of them encapsulated in UDP?
    pub(super) fn is_in_udp(&self) -> bool {
        self.sa.parameters().udp.is_some() || self.over.is_some_and(|over| over.parameters().udp.is_some())
    }
}

impl DataPlane {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let deviations = Arc::new(config.ike.deviations.clone());
        let df_bits = config.ike.connections.iter().flat_map(|connection| {
            let own = |child: &Child| Some((connection.name.clone(), child.name.clone(), child.df_bit?));
            connection.children.iter().filter_map(own)
        });
        Self {
            df_bits: df_bits.collect(),
            sad: Sad::new(Arc::clone(&deviations)),
            pairs: BTreeMap::new(),
            waiting: VecDeque::new(),
            drops: Drops::default(),
            path_mtus: PathMtus::default(),
            off_somewhere: anti_replay::is_off_somewhere(config),
            numbers_in_spaces: config.data.sequence_spaces,
            config: config.data.clone(),
            outside_mtu: config.outside_mtu,
            last_connection_id: 0,
            deviations,
        }
    }

    /// The SAs.
    pub fn sad(&self) -> &Sad {
        &self.sad
    }

    /// Counts in sequence number spaces, or no longer. What there is of SAs carries nothing any more (guide chapter 2).
    pub(super) fn set_sequence_spaces(&mut self, on: bool) {
        if self.config.sequence_spaces != on {
            self.config.sequence_spaces = on;
            self.numbers_in_spaces = on && !self.deviations.has(Deviation::KeepsNumberingAfterClear);
            self.pairs.values_mut().for_each(|pair| pair.stale = !pair.child.esn);
        }
    }

    /// The SAs, to be changed by a test: counters near their end, for example.
    pub fn sad_mut(&mut self) -> &mut Sad {
        &mut self.sad
    }

    /// Packets dropped by the gateway itself; those that an SA dropped are counted there.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    pub(super) fn count_drop(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }

    pub(super) fn count_drops(&mut self, drops: &Drops) {
        self.drops.add(drops);
    }

    /// Uses a new pair. It is received on at once; what is sent takes the newest pair that fits.
    fn install(&mut self, child: &ChildSa, now: Instant) -> Result<(), SaError> {
        let (mut inbound, mut outbound) = parameters(child, &self.deviations);
        for sa in [&mut inbound, &mut outbound] {
            self.configure(sa, child);
        }
        inbound.numbering = anti_replay::numbering_received(inbound.numbering, &self.deviations);
        let inbound = InboundSa::new(inbound, now)?;
        let outbound = OutboundSa::new(outbound, now)?;
        self.sad.insert_inbound(inbound)?;
        if self.deviations.has(Deviation::TakesOppositeSpi) {
            let (receive, mut send) = parameters(child, &self.deviations);
            (send.source, send.destination) = (receive.source, receive.destination);
            self.sad.insert_inbound(InboundSa::new(send, now)?)?;
        }
        let outbound = self.sad.insert_outbound(outbound);
        self.last_connection_id += 2;
        let connection_id = self.last_connection_id - 1;
        self.pairs.insert(
            child.inbound_spi,
            Pair { outbound, child: child.clone(), connection_id, over: None, stale: false },
        );
        Ok(())
    }

    /// What the data plane is told, put into the parameters of an SA.
    fn configure(&self, sa: &mut SaParameters, child: &ChildSa) {
        let own =
            |(connection, name, _): &&(String, String, DfBit)| (connection, name) == (&child.connection, &child.child);
        let own = self.df_bits.iter().find(own).map(|(_, _, df)| *df);
        sa.df = df_bit::effective(&self.config, own, &self.deviations);
        sa.ecn = self.config.ecn;
        sa.dscp = self.config.dscp;
        sa.check_padding = self.config.check_padding;
        sa.numbering = anti_replay::numbering(self.numbers_in_spaces, child.esn);
        let window = anti_replay::effective(&self.config, child.replay_window, self.off_somewhere, &self.deviations);
        sa.replay_window = window.size();
    }

    /// Uses new pairs. More than one are a bundle, the innermost first: what the first has protected is protected by the
    /// second once more. If one cannot be used, none is.
    pub(super) fn install_bundle(&mut self, bundle: &[ChildSa], now: Instant) -> Result<(), SaError> {
        // The newest SA that fits takes a packet: that has to be the innermost one, which in transport mode has the same
        // selectors as the others.
        for (index, child) in bundle.iter().rev().enumerate() {
            if let Err(error) = self.install(child, now) {
                bundle.iter().rev().take(index).for_each(|child| self.remove(child.inbound_spi));
                return Err(error);
            }
        }
        for pair in bundle.windows(2) {
            if let [inner, outer] = pair
                && let Some(pair) = self.pairs.get_mut(&inner.inbound_spi)
            {
                pair.over = Some(outer.inbound_spi);
            }
        }
        Ok(())
    }

    /// The inbound SPI of the pair that goes over that of an inbound SPI.
    pub(super) fn over(&self, inbound_spi: u32) -> Option<u32> {
        self.pairs.get(&inbound_spi)?.over
    }

    pub(super) fn remove(&mut self, inbound_spi: u32) {
        if let Some(pair) = self.pairs.remove(&inbound_spi) {
            self.sad.remove_inbound(inbound_spi);
            self.sad.remove_outbound(pair.outbound);
            self.path_mtus.forget(pair.outbound);
        }
    }

    /// Removes all SAs and what waits for one.
    pub(super) fn clear(&mut self) {
        for spi in self.pairs.keys().copied().collect::<Vec<_>>() {
            self.remove(spi);
        }
        self.waiting.clear();
    }

    /// The peer of an IKE SA is to be reached elsewhere.
    pub(super) fn update_path(&mut self, ike_sa: IkeSaId, path: Path) {
        for (inbound_spi, pair) in self.pairs.iter_mut().filter(|(_, pair)| pair.child.ike_sa == Some(ike_sa)) {
            pair.child.path = path;
            let udp = pair.child.udp_encapsulation;
            self.path_mtus.forget(pair.outbound);
            if let Some(mut sa) = self.sad.remove_outbound(pair.outbound) {
                let parameters = sa.parameters_mut();
                (parameters.source, parameters.destination) = (path.local.ip(), path.remote.ip());
                let non_ike_marker = parameters.udp.is_some_and(|udp| udp.non_ike_marker);
                let ports = UdpPorts { non_ike_marker, ..UdpPorts::new(path.local.port(), path.remote.port()) };
                parameters.udp = udp.then_some(ports);
                pair.outbound = self.sad.insert_outbound(sa);
            }
            if let Some(sa) = self.sad.inbound_mut(*inbound_spi) {
                let parameters = sa.parameters_mut();
                (parameters.source, parameters.destination) = (path.remote.ip(), path.local.ip());
            }
        }
    }

    pub(super) fn move_children(&mut self, from: IkeSaId, to: IkeSaId) {
        for pair in self.pairs.values_mut().filter(|pair| pair.child.ike_sa == Some(from)) {
            pair.child.ike_sa = Some(to);
        }
    }

    /// The child of an inbound SPI.
    pub fn child(&self, inbound_spi: u32) -> Option<&ChildSa> {
        self.pairs.get(&inbound_spi).map(|pair| &pair.child)
    }

    /// The children of all pairs.
    pub(super) fn children(&self) -> impl Iterator<Item = &ChildSa> {
        self.pairs.values().map(|pair| &pair.child)
    }

    /// What the pair of an inbound SPI sends stays on the port of IKE, with the marker of old drafts before ESP.
    pub(super) fn mark_non_ike(&mut self, inbound_spi: u32) {
        let id = self.pairs.get(&inbound_spi).map(|pair| pair.outbound);
        if let Some(udp) = id.and_then(|id| self.sad.outbound_mut(id)?.parameters_mut().udp.as_mut()) {
            udp.non_ike_marker = true;
        }
    }

    fn pair_of(&self, outbound: OutboundId) -> Option<&Pair> {
        self.pairs.values().find(|pair| pair.outbound == outbound)
    }

    /// All pairs: inbound SPI, outbound SA, number of the inbound SA.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u32, OutboundId, u32)> {
        self.pairs.iter().map(|(spi, pair)| (*spi, pair.outbound, pair.connection_id))
    }

    /// The outbound SA that protects once more what this one has protected.
    pub(super) fn over_outbound(&self, id: OutboundId) -> Option<OutboundId> {
        Some(self.pairs.get(&self.pair_of(id)?.over?)?.outbound)
    }

    /// Goes on in one SA where another has come to. Only of a peer that is faulty on purpose.
    fn copy_counter(&mut self, from: OutboundId, to: OutboundId, space: u8) {
        let last = self.sad.outbound(from).and_then(|sa| sa.counter().last().get(usize::from(space)).copied());
        if let (Some(last), Some(sa)) = (last, self.sad.outbound_mut(to)) {
            sa.counter_mut().preset(space, last);
        }
    }

    /// How long packets get under an outbound SA.
    pub(super) fn sizing(&self, id: OutboundId) -> Option<Sizing<'_>> {
        let over = self.over_outbound(id).and_then(|over| self.sad.outbound(over));
        Some(Sizing { sa: self.sad.outbound(id)?, over })
    }

    /// Is this deliberate fault switched on?
    pub(super) fn deviates(&self, deviation: Deviation) -> bool {
        self.deviations.has(deviation)
    }
}

/// The two SAs of a child: what we receive on, what we send on. The settings of a gateway are not in them.
pub fn parameters(child: &ChildSa, deviations: &Arc<DeviationSet>) -> (SaParameters, SaParameters) {
    let (local, remote) = (child.path.local, child.path.remote);
    let selectors = Selectors {
        local: child.local_ts.iter().filter_map(selector).collect(),
        remote: child.remote_ts.iter().filter_map(selector).collect(),
        fragments_also: false,
    };
    let common = |spi, keys: &crate::ike::v2::DirectionKeys, source: SocketAddr, destination: SocketAddr| {
        let mut sa = SaParameters::new(spi, source.ip(), destination.ip()).with_keys(
            (child.encryption.unwrap_or(crypto::Encryption::Null), &keys.encryption),
            (child.integrity.unwrap_or(crypto::Integrity::None), &keys.integrity),
        );
        sa.protocol = if child.protocol == ProtocolId::AH { Protocol::Ah } else { Protocol::Esp };
        sa.mode = child.mode;
        sa.udp = child.udp_encapsulation.then(|| UdpPorts::new(source.port(), destination.port()));
        sa.numbering = if child.esn { Numbering::Extended } else { Numbering::Plain };
        sa.replay_window = child.replay_window.unwrap_or_default().size();
        sa.selectors = selectors.clone();
        sa.deviations = Arc::clone(deviations);
        sa
    };
    (
        common(child.inbound_spi, &child.inbound, remote, local),
        common(child.outbound_spi, &child.outbound, local, remote),
    )
}

fn selector(range: &TrafficRange) -> Option<TrafficSelector> {
    Some(TrafficSelector {
        addresses: AddressRange::new(range.start, range.end)?,
        protocol: range.protocol,
        ports: PortRange::from_wire(range.ports.0, range.ports.1)?,
    })
}

impl Gateway {
    /// Looks for ESP and AH in a packet from the outside. False if it is neither.
    pub(super) fn protected(&mut self, now: Instant, octets: &[u8]) -> bool {
        self.unprotect(now, octets, None)
    }

    /// The same for a packet that came out of the pair of `under`, if it did.
    fn unprotect(&mut self, now: Instant, octets: &[u8], under: Option<u32>) -> bool {
        match self.data.sad.receive(now, octets, NATT_PORT) {
            Ok(None) => false,
            Ok(Some(received)) => {
                self.received(now, received, under);
                true
            }
            Err(dropped) => {
                let header = Header::parse(octets).ok();
                let source = header.map(|header| header.source);
                if self.is_deviant(Deviation::HeedsReplaysAsLife)
                    && let Some(ike_sa) = dropped.spi.and_then(|spi| self.data.pairs.get(&spi)?.child.ike_sa)
                {
                    self.watch.heard(ike_sa, now);
                }
                if self.is_deviant(Deviation::FollowsUnverifiedEsp) {
                    self.follow_unverified(now, octets);
                }
                match (dropped.reason, dropped.spi, header) {
                    (DropReason::UnknownSpi, Some(spi), Some(header)) => {
                        let protocol = dropped.protocol.map_or(50, Protocol::number);
                        self.unknown_spi(now, header.source, header.destination, protocol, spi);
                    }
                    (reason, spi, _) => {
                        self.events.push_back(Event::Dropped { spi, source, reason });
                        self.tell_of_drop(now, &dropped, source, octets);
                    }
                }
                true
            }
        }
    }

    /// What is written and sent about a packet that an SA has dropped.
    fn tell_of_drop(&mut self, now: Instant, dropped: &Dropped, source: Option<IpAddr>, octets: &[u8]) {
        let Dropped { reason, spi: Some(spi), sequence: Some(sequence), .. } = *dropped else { return };
        match (reason, self.data.pairs.get(&spi).map(|pair| pair.connection_id)) {
            (reason, Some(connection_id)) if reason.is_replay() => {
                self.log_replay(now, ReplayError { connection_id, spi, sequence, source, reason });
            }
            (DropReason::SelectorMismatch | DropReason::SelectorFragment, _) => {
                self.invalid_selectors(now, spi, octets);
            }
            _ => {}
        }
    }

    fn received(&mut self, now: Instant, received: Received, under: Option<u32>) {
        let Received { spi, sequence, packet, outer, udp, .. } = received;
        self.events.push_back(Event::Decapsulated { spi, sequence });
        if let Some(pair) = self.data.pairs.get(&spi) {
            let (ike_sa, mode) = (pair.child.ike_sa, pair.child.mode);
            if pair.stale {
                return self.dropped(Some(spi), Some(outer.source), DropReason::Numbering);
            }
            if let Some(ike_sa) = ike_sa {
                if !self.is_deviant(Deviation::OverlooksEspLiveness) {
                    self.watch.heard(ike_sa, now);
                }
                self.ike.heard_child(now, spi);
                self.isakmp.heard_child(now, spi);
                if let Some(udp) = udp {
                    self.peer_moved(now, ike_sa, SocketAddr::new(outer.source, udp.source));
                }
            }
            // Of a bundle, all is wanted (RFC 4301 section 5.2).
            if self.data.over(spi) != under && !self.is_deviant(Deviation::AcceptsHalfBundle) {
                return self.dropped(Some(spi), Some(outer.source), DropReason::PolicyUnprotected);
            }
            if mode == Mode::Transport {
                // What comes out may be protected once more; an SA deeper at each step, so that it ends.
                if under.is_none() && self.unprotect(now, &packet, Some(spi)) {
                    return;
                }
                return self.deliver_to_self(now, &packet);
            }
        }
        match self.protected_policy(&packet) {
            Ok(()) => self.forward_inside(now, &packet, Some(spi)),
            Err(reason) => self.dropped(Some(spi), Some(outer.source), reason),
        }
    }

    /// A verified and new packet came from another address or port: what goes back follows it, if a NAT is there to
    /// have moved the peer (RFC 7296 section 2.23, RFC 3947 section 4).
    pub(super) fn peer_moved(&mut self, now: Instant, ike_sa: IkeSaId, from: SocketAddr) {
        let known = self.ike.ike_sa(ike_sa).map(|info| (info.path, info.nat));
        let Some((path, nat)) = known.or_else(|| self.isakmp.isakmp_sa(ike_sa).map(|info| (info.path, info.nat)))
        else {
            return;
        };
        let stays = nat.local && !self.is_deviant(Deviation::FollowsBehindNat);
        if path.remote != from && nat.remote && !stays && !self.is_deviant(Deviation::NeverFollowsPeer) {
            // It is an SA of one of the engines.
            let path = Path { local: path.local, remote: from };
            self.ike.update_path(ike_sa, path);
            self.isakmp.update_path(ike_sa, path);
            self.obey(now);
        }
    }

    /// Believes in the source of a packet that has been dropped.
    fn follow_unverified(&mut self, now: Instant, octets: &[u8]) {
        if let Ok(Some(incoming)) = Incoming::parse(octets, NATT_PORT, &self.data.deviations)
            && let Some(ike_sa) = self.data.child(incoming.spi).and_then(|child| child.ike_sa)
            && let Some(udp) = incoming.udp
        {
            self.peer_moved(now, ike_sa, SocketAddr::new(incoming.outer.source, udp.source));
        }
    }

    /// Forwards a packet that came from the outside: under the SA of `spi`, or in the clear.
    pub(super) fn forward_inside(&mut self, now: Instant, octets: &[u8], spi: Option<u32>) {
        let Ok(mut packet) = ip::Packet::parse(octets) else {
            return self.dropped(spi, None, DropReason::InnerMalformed);
        };
        let destination = packet.destination();
        if self.config.inside.contains(&destination) || self.config.outside.contains(&destination) {
            return self.local_protected(now, &packet);
        }
        if self.takes_hop(&mut packet) {
            self.forward(now, Leg::Inside, Leg::Outside, packet.to_bytes());
        } else {
            self.out_of_hops(now, Leg::Outside, octets, packet.source());
        }
    }

    /// One hop less; false where there is none left.
    fn takes_hop(&self, packet: &mut ip::Packet) -> bool {
        self.is_deviant(Deviation::NeverDecrementsTtl) || decrement(packet)
    }

    /// Sends a packet on as it is, in fragments if it must and may be.
    pub(super) fn forward(&mut self, now: Instant, to: Leg, from: Leg, packet: Vec<u8>) {
        let mtu = self.mtu(to);
        if packet.len() > mtu && Header::parse(&packet).is_ok_and(|header| header.dont_fragment) {
            self.complain(now, from, &packet, Complaint::TooBig(mtu));
            return self.too_big_dropped(&packet);
        }
        self.transmit(to, packet);
    }

    /// A packet was dropped because it did not fit and must not be fragmented.
    pub(super) fn too_big_dropped(&mut self, packet: &[u8]) {
        let source = Header::parse(packet).ok().map(|header| header.source);
        self.dropped(None, source, DropReason::TooBig);
    }

    /// A packet has no hop left (RFC 1812 section 5.3.1, RFC 4443 section 3.3).
    fn out_of_hops(&mut self, now: Instant, from: Leg, octets: &[u8], source: IpAddr) {
        self.complain(now, from, octets, Complaint::HopLimit);
        self.dropped(None, Some(source), DropReason::HopLimit);
    }

    fn deliver_to_self(&mut self, now: Instant, octets: &[u8]) {
        self.events.push_back(Event::Delivered(octets.to_vec()));
        if let Ok(packet) = ip::Packet::parse(octets) {
            self.local_protected(now, &packet);
        }
    }

    /// A clear packet from the inside.
    pub(super) fn inside_packet(&mut self, now: Instant, octets: &[u8]) {
        let Ok(mut packet) = ip::Packet::parse(octets) else {
            return self.dropped(None, None, DropReason::InnerMalformed);
        };
        if self.config.inside.contains(&packet.destination()) {
            if let Some(reply) = super::local::echo_reply(&packet) {
                self.transmit(Leg::Inside, reply.to_bytes());
            }
            return;
        }
        if self.takes_hop(&mut packet) {
            self.protect_and_send(now, &packet.to_bytes());
        } else {
            self.out_of_hops(now, Leg::Inside, octets, packet.source());
        }
    }

    /// Does with an outbound packet what the policies say. It is protected by the newest SA that fits; without one it
    /// waits for one where the gateway may ask for it, and is dropped otherwise.
    pub(super) fn protect_and_send(&mut self, now: Instant, octets: &[u8]) {
        let Ok(header) = Header::parse(octets) else {
            return self.dropped(None, None, DropReason::InnerMalformed);
        };
        let flow = header.flow(octets);
        let sa = self.data.sad.outbound_for(&flow, now);
        match (self.outbound_policy(&flow, sa.is_some()), sa) {
            (Verdict::Bypass, _) => self.send_clear(now, octets),
            (Verdict::Discard, _) => self.dropped(None, Some(header.source), DropReason::PolicyDiscard),
            (Verdict::Protect, Some(id)) => self.fit_and_send(now, id, octets, &header),
            (Verdict::Protect, None) => self.ask_for_sa(now, octets, &flow),
        }
    }

    /// Protects a packet by an SA and sends it. `fragment`: what comes out is cut into fragments, whatever its DF bit.
    pub(super) fn seal_and_send(
        &mut self,
        now: Instant,
        id: OutboundId,
        octets: &[u8],
        header: &Header,
        fragment: bool,
    ) {
        if self.data.pair_of(id).is_some_and(|pair| pair.stale) {
            return self.dropped(Some(id.spi), Some(header.source), DropReason::Numbering);
        }
        let space = anti_replay::space(&self.config.data, header.dscp());
        let how = Protection { space, ..Protection::default() };
        let Some(sa) = self.data.sad.outbound_mut(id) else { return };
        match sa.protect(now, octets, how, &mut self.rng, &mut self.hands) {
            Ok(Some(mut packet)) => {
                let parameters = sa.parameters();
                let transport = parameters.mode == Mode::Transport;
                if transport && parameters.deviations.has(Deviation::ChangesDfInTransportMode) {
                    df_bit::set(&mut packet, parameters.df == DfBit::Set);
                }
                if let Some(pair) = self.data.pair_of(id) {
                    let (ike_sa, path) = (pair.child.ike_sa, pair.child.path);
                    if let Some(ike_sa) = ike_sa {
                        self.watch.sent(ike_sa, now);
                    }
                    self.keepalives.sent(path, now);
                }
                let packet = match self.data.over_outbound(id) {
                    Some(outer) => self.protect_again(now, id, outer, &packet, how),
                    None => Some(packet),
                };
                if let Some(packet) = packet {
                    self.send_protected(now, id, packet, header.is_v4(), fragment);
                }
            }
            Ok(None) => {}
            Err(ProtectError::Inner(_)) => self.dropped(None, Some(header.source), DropReason::InnerMalformed),
            Err(_) => self.dropped(Some(id.spi), Some(header.source), DropReason::Expired),
        }
    }

    /// The outer half of a bundle, over what the inner one has made.
    fn protect_again(
        &mut self,
        now: Instant,
        inner: OutboundId,
        outer: OutboundId,
        packet: &[u8],
        how: Protection,
    ) -> Option<Vec<u8>> {
        let shared = self.is_deviant(Deviation::SharesCounterInBundle);
        if shared {
            self.data.copy_counter(inner, outer, how.space);
        }
        let sa = self.data.sad.outbound_mut(outer)?;
        let packet = match sa.protect(now, packet, how, &mut self.rng, &mut self.hands) {
            Ok(packet) => packet,
            Err(_) => {
                self.dropped(Some(outer.spi), None, DropReason::Expired);
                None
            }
        };
        if shared {
            self.data.copy_counter(outer, inner, how.space);
        }
        packet
    }

    fn ask_for_sa(&mut self, now: Instant, octets: &[u8], flow: &Flow) {
        self.data.drops.count(DropReason::PolicyDiscard);
        if !self.config.initiate_on_traffic {
            return;
        }
        let Some((connection, child)) = self.child_for(flow) else { return };
        if self.data.waiting.len() < MOST_WAITING {
            self.data.waiting.push_back(octets.to_vec());
        }
        let busy = match self.is_isakmp_connection(&connection) {
            true => self.isakmp.is_bringing_up(&connection, &child),
            false => self.ike.ike_sas().iter().any(|info| info.connection == connection),
        };
        if !busy {
            // A connection that does not say where the peer is can't be started: the packet is lost.
            let _ = self.initiate(now, &connection, &child);
        }
    }

    /// Sends what has waited, as far as there is an SA for it now.
    pub(super) fn send_waiting(&mut self, now: Instant) {
        for packet in std::mem::take(&mut self.data.waiting) {
            let has_sa = Header::parse(&packet)
                .is_ok_and(|header| self.data.sad.outbound_for(&header.flow(&packet), now).is_some());
            if has_sa {
                self.protect_and_send(now, &packet);
            } else {
                self.data.waiting.push_back(packet);
            }
        }
    }

    /// Presets the last sequence numbers that a pair of SAs has sent and received, so that a test can come near the
    /// end of a number space.
    pub fn preset_sequences(&mut self, inbound_spi: u32, sent: u64, received: u64) {
        let Some(pair) = self.data.pairs.get(&inbound_spi) else { return };
        if let Some(sa) = self.data.sad.outbound_mut(pair.outbound) {
            sa.counter_mut().preset(0, sent);
        }
        if let Some(sa) = self.data.sad.inbound_mut(inbound_spi) {
            sa.preset(received);
        }
    }

    /// Is this deliberate fault switched on?
    pub(super) fn is_deviant(&self, deviation: Deviation) -> bool {
        self.data.deviations.has(deviation)
    }
}

/// One hop less; false where there is none left.
fn decrement(packet: &mut ip::Packet) -> bool {
    let hops = match packet {
        ip::Packet::V4(packet) => &mut packet.ttl,
        ip::Packet::V6(packet) => &mut packet.hop_limit,
    };
    if *hops <= LAST_HOP {
        return false;
    }
    *hops -= 1;
    true
}
