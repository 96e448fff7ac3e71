//! The peer as a whole: a security gateway with an outside and an inside.
//!
//! Sans I/O: [`Gateway::handle`] takes a packet, [`Gateway::handle_timeout`] lets time pass, [`Gateway::poll_transmit`]
//! gives packets to send, [`Gateway::poll_event`] tells what happened, [`Gateway::poll_timeout`] says when to call
//! again. Each behaviour that the vendor guide has a chapter on is a file of its own here.

mod anti_replay;
mod config;
mod crypto_sa;
mod dead_peer_detection;
mod df_bit;
mod icmp_errors;
mod invalid_spi_recovery;
mod local;
mod log;
mod manual;
mod nat_transparency;
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
pub use local::echo_reply;
pub use log::{LogLine, ReplayError};
pub use manual::ManualPair;
pub use traffic::{DataPlane, parameters};

use crate::Instant;
use crate::deviation::{DeviantHands, Deviation, DeviationSet};
use crate::hands::{
    AhDraft, Disposition, Draft, EspContext, EspDraft, Hands, Honest, IsakmpContext, IsakmpDraft, MessageContext,
};
use crate::ike::v2::{self, Action, ChildSa, CommandError, DownReason, Engine, IkeSaId, IkeSaInfo, Path};
use crate::ipsec::drops::DropReason;
use crate::ipsec::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use dead_peer_detection::Watch;
use invalid_spi_recovery::Recovery;
use log::{InvalidSpiMessage, Log};
use nat_transparency::{IKE_PORT, KEEPALIVE, Keepalives, NATT_PORT};
use policy::Policies;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rate::PerSecond;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use wire::ikev2::{Body, ExchangeType, Flags, Header, Message, Notify, NotifyType, Payload, ProtocolId};
use wire::ip::Protocol;
use wire::natt::Natt;
use wire::{Derived, ip, ipv4, ipv6, natt, udp};

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

/// Something that has happened in the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// In the IKE engine.
    Ike(v2::Event),
    /// A pair of Child SAs was installed; its keys are for evidence.
    ChildInstalled(Box<ChildSa>),
    /// A pair of Child SAs was removed.
    ChildRemoved {
        /// SPI that we received on.
        inbound_spi: u32,
        /// SPI that we sent on.
        outbound_spi: u32,
        /// Why.
        reason: DownReason,
    },
    /// A packet was dropped.
    Dropped {
        /// SPI of ESP and AH packets.
        spi: Option<u32>,
        /// Source address, as far as it could be read.
        source: Option<IpAddr>,
        /// Why.
        reason: DropReason,
    },
    /// An ESP or AH packet without an SA: the guide's `%CRYPTO-4-RECVD_PKT_INV_SPI`.
    InvalidSpi {
        /// Destination of the packet.
        destination: IpAddr,
        /// Source of the packet.
        source: IpAddr,
        /// IP protocol: 50 or 51.
        protocol: u8,
        /// The SPI.
        spi: u32,
    },
    /// A packet in transport mode was for the gateway itself: the IP packet as it would have been without protection.
    Delivered(Vec<u8>),
    /// The anti-replay check has rejected a packet: the guide's `%CRYPTO-4-PKT_REPLAY_ERR`. Follows its
    /// [`Dropped`](Self::Dropped).
    ReplayError(ReplayError),
    /// An ESP or AH packet was accepted.
    Decapsulated {
        /// SPI.
        spi: u32,
        /// Sequence number, all 64 bits with ESN.
        sequence: u64,
    },
}

/// The edits of the gateway's own deviations, and then those of the hands that it was given.
struct OwnHands {
    deviations: DeviationSet,
    outer: Box<dyn Hands>,
}

impl OwnHands {
    fn both(&mut self) -> DeviantHands<'_> {
        DeviantHands::new(&self.deviations, self.outer.as_mut())
    }
}

impl Hands for OwnHands {
    fn message(&mut self, context: &MessageContext, draft: &mut Draft) -> Disposition {
        self.both().message(context, draft)
    }

    fn protected(&mut self, context: &MessageContext, message: &mut Message) -> Disposition {
        self.both().protected(context, message)
    }

    fn isakmp(&mut self, context: &IsakmpContext, draft: &mut IsakmpDraft) -> Disposition {
        self.both().isakmp(context, draft)
    }

    fn isakmp_protected(&mut self, context: &IsakmpContext, message: &mut wire::ikev1::Message) -> Disposition {
        self.both().isakmp_protected(context, message)
    }

    fn esp(&mut self, context: &EspContext, draft: &mut EspDraft) -> Disposition {
        self.both().esp(context, draft)
    }

    fn sealed(&mut self, context: &EspContext, esp: &mut Vec<u8>) -> Disposition {
        self.both().sealed(context, esp)
    }

    fn ah(&mut self, context: &EspContext, draft: &mut AhDraft) -> Disposition {
        self.both().ah(context, draft)
    }

    fn packet(&mut self, packet: &mut Vec<u8>) -> Disposition {
        self.both().packet(packet)
    }
}

/// A security gateway.
pub struct Gateway {
    config: GatewayConfig,
    ike: Engine,
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
            ike: Engine::new(anti_replay::negotiated(&config)),
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

    /// The IKE engine, to look at.
    pub fn ike(&self) -> &Engine {
        &self.ike
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
        self.obey(now);
        if let Some(dpd) = self.dead_peer_detection() {
            for ike_sa in self.watch.due(&dpd, now) {
                // An IKE SA that has just gone needs no check.
                let _ = self.ike.liveness(now, &mut self.rng, ike_sa, &mut self.hands);
                self.obey(now);
            }
        }
        if let Some(period) = self.config.nat_keepalive {
            for path in self.keepalives.due(period, now) {
                self.send_udp(path, &KEEPALIVE);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let dpd = self.dead_peer_detection().and_then(|dpd| self.watch.next_due(&dpd));
        let keepalive = self.config.nat_keepalive.and_then(|period| self.keepalives.next_due(period));
        let path_mtu = self.data.path_mtus.next_timeout();
        let all = [self.ike.poll_timeout(), dpd, keepalive, self.reassembler.next_timeout(), path_mtu];
        all.into_iter().flatten().min()
    }

    fn dead_peer_detection(&self) -> Option<DeadPeerDetection> {
        let mut dpd = self.config.dead_peer_detection?;
        if self.is_deviant(Deviation::AsksIdlePeers) {
            dpd.mode = DpdMode::Periodic;
        }
        (!self.is_deviant(Deviation::NeverChecksLiveness)).then_some(dpd)
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Begins a negotiation as initiator: IKE SA and first child.
    ///
    /// # Errors
    /// When the connection or child is not configured or does not say where the peer is.
    pub fn initiate(&mut self, now: Instant, connection: &str, child: &str) -> Result<IkeSaId, CommandError> {
        self.command(now, |ike, rng, hands| ike.initiate(now, rng, connection, child, hands))
    }

    /// Runs a command of the IKE engine and does what follows from it.
    ///
    /// # Errors
    /// What the command says.
    pub fn command<T>(
        &mut self,
        now: Instant,
        command: impl FnOnce(&mut Engine, &mut ChaCha20Rng, &mut dyn Hands) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let result = command(&mut self.ike, &mut self.rng, &mut self.hands);
        self.obey(now);
        result
    }

    /// Loses all SAs without a word to anybody, as after a crash.
    pub fn forget(&mut self, now: Instant) {
        self.ike.clear_all();
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

    /// Sends octets from one own UDP port to the peer's, through the third hand and past everything else.
    pub fn send_udp(&mut self, path: Path, payload: &[u8]) {
        self.identification = self.identification.wrapping_add(1);
        let (source, destination) = (path.local.ip(), path.remote.ip());
        let mut datagram = udp::Datagram::new(path.local.port(), path.remote.port(), payload);
        if source.is_ipv6() && self.is_deviant(Deviation::OmitsUdpChecksumOverIpv6) {
            datagram.checksum = Derived::Exactly(0);
        }
        let upper = datagram.to_bytes(source, destination);
        let packet = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut packet = ipv4::Packet::new(source, destination, Protocol::UDP, upper);
                packet.identification = self.identification;
                packet.to_bytes()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ipv6::Packet::new(source, destination, Protocol::UDP, upper).to_bytes()
            }
            // A path has two ends of one family.
            _ => return,
        };
        self.transmit(Leg::Outside, packet);
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

    fn udp(&mut self, now: Instant, packet: &ip::Packet) {
        let (source, destination) = (packet.source(), packet.destination());
        let datagram = match udp::Datagram::parse(packet.payload(), source, destination) {
            Ok(datagram) if datagram.is_intact(source, destination) => datagram,
            Ok(datagram)
                if datagram.checksum == Derived::Exactly(0)
                    && self.is_deviant(Deviation::TakesUdpWithoutChecksumOverIpv6) =>
            {
                datagram
            }
            _ => return self.dropped(None, Some(source), DropReason::OuterMalformed),
        };
        let path = Path {
            local: SocketAddr::new(destination, datagram.destination_port),
            remote: SocketAddr::new(source, datagram.source_port),
        };
        match datagram.destination_port {
            IKE_PORT => self.ike_datagram(now, path, &datagram.payload),
            NATT_PORT => {
                if datagram.payload.len() < 4 && self.is_deviant(Deviation::StopsAtShortDatagram) {
                    self.deaf_on_natt = true;
                }
                if self.deaf_on_natt {
                    return;
                }
                match natt::classify(&datagram.payload) {
                    Natt::Ike(message) => self.ike_datagram(now, path, message),
                    Natt::Keepalive if self.is_deviant(Deviation::FollowsUnverifiedEsp) => {
                        if let Some(info) = self.ike_sa_with(source) {
                            self.peer_moved(now, info.id, path.remote);
                        }
                    }
                    Natt::Malformed(_) => self.dropped(None, Some(source), DropReason::NattTooShort),
                    Natt::Esp(_) | Natt::Keepalive => {}
                }
            }
            _ => self.local(now, packet),
        }
    }

    fn ike_datagram(&mut self, now: Instant, mut path: Path, message: &[u8]) {
        let is_init = || Header::parse(message).is_ok_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT);
        if path.local.port() == NATT_PORT && self.is_deviant(Deviation::IgnoresInitOnPort4500) && is_init() {
            return;
        }
        if self.is_deviant(Deviation::AnswersToOwnPort) {
            path.remote.set_port(path.local.port());
        }
        self.ike.handle(now, &mut self.rng, path, message, &mut self.hands);
    }

    /// Does what the IKE engine wants done, and what follows from that.
    fn obey(&mut self, now: Instant) {
        while let Some(action) = self.ike.poll_action() {
            match action {
                Action::Send { mut path, datagram } => {
                    self.keepalives.sent(path, now);
                    let is_request = || Header::parse(&datagram).is_ok_and(|header| !header.flags.response());
                    if self.is_deviant(Deviation::RequestsToPort500) && is_request() {
                        path.local.set_port(IKE_PORT);
                        path.remote.set_port(IKE_PORT);
                    }
                    let faulty = match path.local.port() {
                        NATT_PORT => Deviation::OmitsNonEspMarker,
                        _ => Deviation::MarkerOnPort500,
                    };
                    if (path.local.port() == NATT_PORT) != self.is_deviant(faulty) {
                        self.send_udp(path, &natt::wrap_ike(&datagram));
                    } else {
                        self.send_udp(path, &datagram);
                    }
                }
                Action::InstallChild(child) => {
                    match self.data.install(&child, now) {
                        Ok(()) => self.events.push_back(Event::ChildInstalled(child)),
                        Err(_) => self.dropped(Some(child.inbound_spi), None, DropReason::UnknownSpi),
                    }
                    self.send_waiting(now);
                }
                Action::RemoveChild { inbound_spi, outbound_spi, reason, .. } => {
                    self.data.remove(inbound_spi);
                    self.events.push_back(Event::ChildRemoved { inbound_spi, outbound_spi, reason });
                }
                Action::UpdatePath { ike_sa, path } => {
                    self.data.update_path(ike_sa, path);
                    self.update_keepalive(ike_sa, path, now);
                }
                Action::MoveChildren { from, to } => self.data.move_children(from, to),
                Action::Event(event) => {
                    self.follow(now, &event);
                    self.events.push_back(Event::Ike(event));
                }
            }
        }
    }

    /// What the gateway's behaviours make of an event.
    fn follow(&mut self, now: Instant, event: &v2::Event) {
        match event {
            v2::Event::IkeSaUp { ike_sa, .. } => {
                self.watch.begin(*ike_sa, now);
                if let Some(info) = self.ike.ike_sa(*ike_sa) {
                    self.update_keepalive(*ike_sa, info.path, now);
                }
            }
            v2::Event::IkeSaDown { ike_sa, .. } => {
                self.watch.end(*ike_sa);
                self.keepalives.end(*ike_sa);
            }
            v2::Event::RequestReceived { ike_sa, .. } | v2::Event::ResponseReceived { ike_sa, .. } => {
                self.watch.heard(*ike_sa, now);
            }
            _ => {}
        }
    }

    fn update_keepalive(&mut self, ike_sa: IkeSaId, path: Path, now: Instant) {
        if self.ike.ike_sa(ike_sa).is_some_and(|info| info.nat.local) {
            self.keepalives.begin(ike_sa, path, now);
        }
    }

    /// The established IKE SA with a peer at this address.
    fn ike_sa_with(&self, peer: IpAddr) -> Option<IkeSaInfo> {
        self.ike
            .ike_sas()
            .into_iter()
            .find(|info| info.state == v2::State::Established && info.path.remote.ip() == peer)
    }

    /// Tells the sender of a packet with an unknown SPI, if the policy says so.
    fn unknown_spi(&mut self, now: Instant, source: IpAddr, destination: IpAddr, protocol: u8, spi: u32) {
        self.events.push_back(Event::InvalidSpi { destination, source, protocol, spi });
        self.log_invalid_spi(now, InvalidSpiMessage { destination, source, protocol, spi });
        self.dropped(Some(spi), Some(source), DropReason::UnknownSpi);
        if self.is_deviant(Deviation::SilentOnInvalidSpi) {
            return;
        }
        let ike_sa = self.ike_sa_with(source);
        if self.is_deviant(Deviation::RecoversInvalidSpiByDefault) && self.ike.ike_sas().is_empty() {
            let connection = self.config.ike.connections.first();
            let names = connection.and_then(|c| Some((c.name.clone(), c.children.first()?.name.clone())));
            if let Some((connection, child)) = names {
                // A connection that does not say where the peer is cannot be begun.
                let _ = self.initiate(now, &connection, &child);
            }
        }
        let unlimited = self.is_deviant(Deviation::UnlimitedInvalidSpiNotifies);
        let unprotected = self.is_deviant(Deviation::InvalidSpiNotifyInTheClear);
        let mut policy = self.config.invalid_spi;
        policy.notify_unprotected |= self.is_deviant(Deviation::TellsStrangersOfInvalidSpi);
        let answer = self.recovery.answer(&policy, ike_sa.is_some(), unlimited, now);
        let notify = self.invalid_spi_notify(spi);
        match (answer, ike_sa) {
            (invalid_spi_recovery::Answer::Protected, Some(info)) if !unprotected => {
                let payloads = vec![Payload::from(Body::Notify(notify))];
                // An IKE SA that is just being closed tells nobody.
                let _ = self.ike.informational(now, &mut self.rng, info.id, payloads, &mut self.hands);
                self.obey(now);
            }
            (invalid_spi_recovery::Answer::Silence, _) => {}
            (_, info) => {
                let path = info.map_or(
                    Path { local: SocketAddr::new(destination, IKE_PORT), remote: SocketAddr::new(source, IKE_PORT) },
                    |info| info.path,
                );
                self.send_unprotected_notify(path, notify);
            }
        }
    }

    /// The notify of RFC 7296 section 3.10.1: the SPI stands in the notification data.
    fn invalid_spi_notify(&self, spi: u32) -> Notify {
        if self.is_deviant(Deviation::InvalidSpiInSpiField) {
            return Notify::with_spi(ProtocolId::ESP, spi.to_be_bytes(), NotifyType::INVALID_SPI, []);
        }
        Notify::new(NotifyType::INVALID_SPI, spi.to_be_bytes().to_vec())
    }

    /// A one-way notify outside any IKE SA (RFC 7296 section 1.5): SPIs zero, an INFORMATIONAL request of an initiator.
    fn send_unprotected_notify(&mut self, path: Path, notify: Notify) {
        let header = Header::new((0, 0), ExchangeType::INFORMATIONAL, Flags::new(true, false), 0);
        let octets = Message::new(header, vec![Payload::from(Body::Notify(notify))]).to_bytes();
        if path.local.port() == NATT_PORT {
            self.send_udp(path, &natt::wrap_ike(&octets));
        } else {
            self.send_udp(path, &octets);
        }
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
