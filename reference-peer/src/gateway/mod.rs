//! The peer as a whole: a security gateway with an outside and an inside.
//!
//! Sans I/O: [`Gateway::handle`] takes a packet, [`Gateway::handle_timeout`] lets time pass, [`Gateway::poll_transmit`]
//! gives packets to send, [`Gateway::poll_event`] tells what happened, [`Gateway::poll_timeout`] says when to call
//! again. Each behaviour that the vendor guide has a chapter on is a file of its own here.

mod anti_replay;
mod config;
mod crypto_sa;
mod datagrams;
mod dead_peer_detection;
mod df_bit;
mod event;
mod icmp_errors;
mod ike;
mod invalid_spi_recovery;
mod isakmp;
mod local;
mod log;
mod manual;
mod nat_transparency;
mod own_hands;
mod path_mtu;
mod policy;
mod pre_fragmentation;
mod rate;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
mod traffic;
mod virtual_tunnel_interface;

pub use config::{DataConfig, DeadPeerDetection, DpdMode, GatewayConfig, InvalidSpi, PathMtu, TunnelInterface};
pub use crypto_sa::CryptoSa;
pub use event::Event;
pub use isakmp::InitiateError;
pub use local::echo_reply;
pub use log::{LogLine, ReplayError};
pub use manual::ManualPair;
pub use traffic::{DataPlane, parameters};

use crate::Instant;
use crate::deviation::{Deviation, DeviationSet};
use crate::hands::{Disposition, Hands, Honest};
use crate::ike::v2::{ChildSa, DownReason, IkeSaId};
use crate::ike::{v1, v2};
use crate::ipsec::drops::DropReason;
use crate::ipsec::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use dead_peer_detection::Watch;
use invalid_spi_recovery::Recovery;
use log::Log;
use nat_transparency::{KEEPALIVE, Keepalives};
use own_hands::OwnHands;
use policy::Policies;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rate::PerSecond;
use std::collections::VecDeque;
use std::net::IpAddr;
use wire::ip::Protocol;
use wire::{ip, ipv6};

/// Incomplete packets that a faulty peer never recovers from.
const MOST_BEFORE_JAM: usize = 32;

/// Side of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leg {
    /// The public side: IKE, ESP and AH.
    Outside,
    /// The protected side: clear packets.
    Inside,
}

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub leg: Leg,
    /// The IP packet.
    pub packet: Vec<u8>,
}

/// A security gateway.
pub struct Gateway {
    config: GatewayConfig,
    ike: v2::Engine,
    isakmp: v1::Engine,
    data: DataPlane,
    watch: Watch,
    keepalives: Keepalives,
    recovery: Recovery,
    policies: Policies,
    icmp_errors: PerSecond,
    log: Log,
    reassembler: Reassembler,
    hands: OwnHands,
    rng: ChaCha20Rng,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    identification: u16,
    /// Only of a peer that is faulty on purpose.
    deaf_on_natt: bool,
    /// The same: with too many fragments, never again.
    jammed: bool,
}

impl Gateway {
    /// A gateway without SAs. All chance in it follows from the seed.
    pub fn new(config: GatewayConfig, seed: u64) -> Self {
        Self {
            ike: v2::Engine::new(anti_replay::negotiated(&config)),
            isakmp: v1::Engine::new(isakmp::negotiated(&config)),
            data: DataPlane::new(&config),
            watch: Watch::default(),
            keepalives: Keepalives::default(),
            recovery: Recovery::default(),
            policies: Policies::new(&config),
            icmp_errors: PerSecond::default(),
            log: Log::default(),
            reassembler: Reassembler::default(),
            hands: OwnHands { deviations: config.ike.deviations.clone(), outer: Box::new(Honest) },
            rng: ChaCha20Rng::seed_from_u64(seed),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            identification: 0,
            deaf_on_natt: false,
            jammed: false,
            config,
        }
    }

    /// Gives the gateway hands that edit what it sends.
    pub fn set_hands(&mut self, hands: impl Hands + 'static) {
        self.hands.outer = Box::new(hands);
    }

    /// Counts packets in sequence number spaces from now on, or no longer (guide chapter 2, `multi-sn`). SAs that there
    /// are carry nothing any more: they have to be cleared.
    pub fn set_sequence_spaces(&mut self, on: bool) {
        self.config.data.sequence_spaces = on;
        self.data.set_sequence_spaces(on);
    }

    /// What the gateway was told.
    pub fn config(&self) -> &GatewayConfig {
        &self.config
    }

    /// The IKEv2 engine, to look at.
    pub fn ike(&self) -> &v2::Engine {
        &self.ike
    }

    /// The IKEv1 engine, to look at.
    pub fn isakmp(&self) -> &v1::Engine {
        &self.isakmp
    }

    /// The SAs and counters of the data plane, to look at.
    pub fn data(&self) -> &DataPlane {
        &self.data
    }

    /// The SAs and counters of the data plane, to be changed by a test.
    pub fn data_mut(&mut self) -> &mut DataPlane {
        &mut self.data
    }

    /// Takes an IP packet that has come in on a leg.
    pub fn handle(&mut self, now: Instant, leg: Leg, packet: &[u8]) {
        match leg {
            Leg::Outside => self.outside_packet(now, packet),
            Leg::Inside => self.inside_packet(now, packet),
        }
        self.obey(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.reassembler.handle_timeout(now);
        self.data.path_mtus.handle_timeout(now);
        self.data.count_drops(&self.reassembler.take_drops());
        self.ike.handle_timeout(now, &mut self.rng, &mut self.hands);
        self.isakmp.handle_timeout(now, &mut self.rng, &mut self.hands);
        self.obey(now);
        for ike_sa in self.watch.due(now) {
            // It is an SA of one of the engines; one that has just gone needs no check.
            let _ = self.ike.liveness(now, &mut self.rng, ike_sa, &mut self.hands);
            let _ = self.isakmp.liveness(now, &mut self.rng, ike_sa, &mut self.hands);
            self.obey(now);
        }
        for path in self.keepalives.due(now) {
            self.send_udp(path, &KEEPALIVE);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let engines = [self.ike.poll_timeout(), self.isakmp.poll_timeout()];
        let reassembly = self.reassembler.next_timeout();
        let own = [self.watch.next_due(), self.keepalives.next_due(), reassembly, self.data.path_mtus.next_timeout()];
        engines.into_iter().chain(own).flatten().min()
    }

    /// Dead peer detection as the gateway does it.
    fn dead_peer_detection(&self, configured: Option<DeadPeerDetection>) -> Option<DeadPeerDetection> {
        let mut dpd = configured?;
        if self.is_deviant(Deviation::AsksIdlePeers) {
            dpd.mode = DpdMode::Periodic;
        }
        (!self.is_deviant(Deviation::NeverChecksLiveness)).then_some(dpd)
    }

    /// Does what the engines want done, and what follows from that.
    fn obey(&mut self, now: Instant) {
        while self.obey_ike(now) || self.obey_isakmp(now) {}
    }

    /// Uses what an engine has negotiated: a pair of SAs or a bundle, the innermost first.
    fn install_bundle(&mut self, now: Instant, bundle: Vec<ChildSa>, non_ike_marker: bool) {
        let Some(spi) = bundle.first().map(|child| child.inbound_spi) else { return };
        if self.data.install_bundle(&bundle, now).is_ok() {
            if non_ike_marker {
                bundle.iter().for_each(|child| self.data.mark_non_ike(child.inbound_spi));
            }
            self.events.extend(bundle.into_iter().map(|child| Event::ChildInstalled(Box::new(child))));
        } else {
            self.dropped(Some(spi), None, DropReason::UnknownSpi);
        }
        self.send_waiting(now);
    }

    /// Forgets a pair of SAs.
    fn remove_child(&mut self, inbound_spi: u32, outbound_spi: u32, reason: DownReason) {
        self.data.remove(inbound_spi);
        self.events.push_back(Event::ChildRemoved { inbound_spi, outbound_spi, reason });
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Begins a negotiation as initiator, by the version that has a connection of this name: an IKE or ISAKMP SA if
    /// there is none with the peer, and the child.
    ///
    /// # Errors
    /// When the connection or child is not configured or does not say where the peer is.
    pub fn initiate(&mut self, now: Instant, connection: &str, child: &str) -> Result<IkeSaId, InitiateError> {
        if self.is_isakmp_connection(connection) {
            return Ok(
                self.isakmp_command(now, |isakmp, rng, hands| isakmp.initiate(now, rng, connection, child, hands))?
            );
        }
        Ok(self.command(now, |ike, rng, hands| ike.initiate(now, rng, connection, child, hands))?)
    }

    /// Loses all SAs without a word to anybody, as after a crash.
    pub fn forget(&mut self, now: Instant) {
        self.ike.clear_all();
        self.isakmp.clear_all();
        self.obey(now);
        self.data.clear();
        self.keepalives = Keepalives::default();
        self.watch = Watch::default();
    }

    /// Sends an IP packet of the gateway's own, protected if a policy says so.
    pub fn originate(&mut self, now: Instant, packet: &[u8]) {
        self.protect_and_send(now, packet);
        self.obey(now);
    }

    /// The deliberate faults.
    pub fn deviations(&self) -> &DeviationSet {
        &self.config.ike.deviations
    }

    fn outside_packet(&mut self, now: Instant, octets: &[u8]) {
        let packet = match ip::Packet::parse(octets) {
            Ok(packet) => packet,
            Err(_) => return self.dropped(None, None, DropReason::OuterMalformed),
        };
        if !self.config.outside.contains(&packet.destination()) {
            return self.clear_transit(now, octets);
        }
        if self.is_deviant(Deviation::DropsAtomicFragments) && has_fragment_header(&packet) && !packet.is_fragment() {
            return self.dropped(None, Some(packet.source()), DropReason::Fragment);
        }
        if packet.is_fragment() {
            if self.refuses_fragments() {
                return self.dropped(None, Some(packet.source()), DropReason::Fragment);
            }
            // IPsec processing is for whole packets only (RFC 4303 section 3.4.1).
            if self.is_deviant(Deviation::ProcessesFirstFragment) && self.protected(now, octets) {
                return;
            }
            let reassembly = self.reassembler.push(now, octets);
            self.data.count_drops(&self.reassembler.take_drops());
            match reassembly {
                Reassembly::Whole(whole) => return self.outside_packet(now, &whole),
                Reassembly::Pending => return,
                Reassembly::Dropped(reason) => {
                    let source = Some(packet.source());
                    return self.events.push_back(Event::Dropped { spi: None, source, reason });
                }
            }
        }
        if self.protected(now, octets) {
            return;
        }
        match packet.protocol() {
            Protocol::UDP => self.udp(now, &packet),
            Protocol::ICMP if self.is_deviant(Deviation::ObeysIcmpErrors) && local::is_unreachable(&packet) => {
                self.forget(now);
            }
            Protocol::ICMP | Protocol::ICMPV6 if self.path_mtu_report(now, &packet) => {}
            _ => self.local(now, &packet),
        }
    }

    /// Only of a peer that is faulty on purpose.
    fn refuses_fragments(&mut self) -> bool {
        self.jammed |= self.is_deviant(Deviation::JamsOnFragments) && self.reassembler.pending() >= MOST_BEFORE_JAM;
        let pre = self.config.data.interface_pre_fragmentation.unwrap_or(self.config.data.pre_fragmentation);
        self.jammed || pre && self.is_deviant(Deviation::RefusesOuterFragments)
    }

    fn dropped(&mut self, spi: Option<u32>, source: Option<IpAddr>, reason: DropReason) {
        self.data.count_drop(reason);
        self.events.push_back(Event::Dropped { spi, source, reason });
    }

    /// The longest packet that a leg carries.
    fn mtu(&self, leg: Leg) -> usize {
        match leg {
            Leg::Outside => self.config.outside_mtu,
            Leg::Inside => self.config.inside_mtu,
        }
    }

    /// The third hand, and out.
    fn transmit(&mut self, leg: Leg, packet: Vec<u8>) {
        self.transmit_within(leg, packet, self.mtu(leg), false);
    }

    /// The third hand, and out, in fragments of so many octets. `ignore_df`: even if its DF bit forbids that.
    fn transmit_within(&mut self, leg: Leg, mut packet: Vec<u8>, mtu: usize, ignore_df: bool) {
        if leg == Leg::Outside && self.hands.packet(&mut packet) == Disposition::Drop {
            return;
        }
        if packet.len() <= mtu {
            return self.transmits.push_back(Transmit { leg, packet });
        }
        self.identification = self.identification.wrapping_add(1);
        let identification = self.identification.into();
        match fragment(&packet, mtu, Fragmentation { ignore_df, identification, ..Fragmentation::default() }) {
            Ok(fragments) => self.transmits.extend(fragments.into_iter().map(|packet| Transmit { leg, packet })),
            Err(_) => self.too_big_dropped(&packet),
        }
    }
}

/// Is it a fragment, be it the only one?
fn has_fragment_header(packet: &ip::Packet) -> bool {
    let ip::Packet::V6(packet) = packet else { return false };
    packet.extensions.iter().any(|extension| matches!(extension.body, ipv6::ExtensionBody::Fragment { .. }))
}
