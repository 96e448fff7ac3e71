//! IKEv1 in the gateway: the engine's actions, and what the gateway's behaviours make of its events.
//!
//! IPsec SAs of IKEv1 outlive the ISAKMP SA that they were made under. What the gateway keeps of the peer under an ISAKMP
//! SA (where it is, whether it lives) goes over to the next ISAKMP SA with the same peer.

use super::nat_transparency::IKE_PORT;
use super::{DeadPeerDetection, DpdMode, Event, Gateway, GatewayConfig};
use crate::Instant;
use crate::config::Connection;
use crate::config::isakmp::{IsakmpConfig, IsakmpConnection, IsakmpPolicy, Keyring, NatVersion};
use crate::deviation::Deviation;
use crate::hands::Hands;
use crate::ike::v1::{self, Action, ChildSa, Engine, IkeSaId, IsakmpSaInfo, Path, State};
use crate::ike::v2;
use crypto::{Encryption, Group, KeyBits};
use rand_chacha::ChaCha20Rng;
use std::net::IpAddr;
use thiserror::Error;
use wire::ikev1::{NotifyType, Payload, notifications};
use wire::ikev2::ProtocolId;

/// Why a gateway has not begun a negotiation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InitiateError {
    /// By IKEv2.
    #[error(transparent)]
    Ike(#[from] v2::CommandError),
    /// By IKEv1.
    #[error(transparent)]
    Isakmp(#[from] v1::CommandError),
}

/// What the IKEv1 engine is told: the deviations of the gateway are its own too.
pub(super) fn negotiated(config: &GatewayConfig) -> IsakmpConfig {
    let mut isakmp = config.isakmp.clone();
    isakmp.deviations.extend(config.ike.deviations.iter());
    if isakmp.deviations.has(Deviation::FallsBackToIkev1) {
        isakmp.connections.extend(config.ike.connections.iter().map(fallen_back));
    }
    isakmp
}

/// A connection of IKEv2 as one of IKEv1, with the algorithms of old.
fn fallen_back(connection: &Connection) -> IsakmpConnection {
    let policy = |priority, encryption, group| IsakmpPolicy { encryption, group, ..IsakmpPolicy::new(priority) };
    let keyring = Keyring::shared(connection.psk.clone());
    IsakmpConnection {
        policies: vec![
            policy(1, Encryption::AesCbc(KeyBits::B128), Group::Modp2048),
            policy(2, Encryption::AesCbc(KeyBits::B128), Group::Modp1024),
            policy(3, Encryption::TripleDes, Group::Modp1024),
        ],
        ..IsakmpConnection::new(&connection.name, connection.local, connection.remote, keyring)
    }
}

impl Gateway {
    /// Runs a command of the IKEv1 engine and does what follows from it.
    ///
    /// # Errors
    /// What the command says.
    pub fn isakmp_command<T>(
        &mut self,
        now: Instant,
        command: impl FnOnce(&mut Engine, &mut ChaCha20Rng, &mut dyn Hands) -> Result<T, v1::CommandError>,
    ) -> Result<T, v1::CommandError> {
        let result = command(&mut self.isakmp, &mut self.rng, &mut self.hands);
        self.obey(now);
        result
    }

    /// Is this the name of a connection of IKEv1, and of none of IKEv2?
    pub(super) fn is_isakmp_connection(&self, name: &str) -> bool {
        self.isakmp_connection(name).is_some() && self.config.ike.connections.iter().all(|known| known.name != name)
    }

    /// The connection of IKEv1 of this name.
    pub(super) fn isakmp_connection(&self, name: &str) -> Option<&IsakmpConnection> {
        self.config.isakmp.connections.iter().find(|connection| connection.name == name)
    }

    /// Does what the IKEv1 engine wants done, and what follows from that. False if there was nothing.
    pub(super) fn obey_isakmp(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(action) = self.isakmp.poll_action() {
            any = true;
            match action {
                Action::Send { path, datagram } => {
                    self.keepalives.sent(path, now);
                    self.send_ike(path, &datagram);
                }
                Action::InstallChildren(mut bundle) => {
                    if self.is_deviant(Deviation::InstallsEspOnly) {
                        bundle.retain(|child| child.protocol == ProtocolId::ESP);
                    }
                    let marked = self.has_non_ike_marker(&bundle);
                    self.install_bundle(now, bundle, marked);
                }
                Action::RemoveChild { inbound_spi, outbound_spi, reason, .. } => {
                    self.remove_child(now, inbound_spi, outbound_spi, reason);
                    self.end_keepalives();
                }
                Action::UpdatePath { ike_sa, path } => {
                    self.data.update_path(ike_sa, path);
                    self.session_moved(ike_sa, path);
                    self.begin_keepalives(ike_sa, path, now);
                }
                Action::Event(event) => {
                    self.log_isakmp(now, &event);
                    self.follow_isakmp(now, &event);
                    self.events.push_back(Event::Isakmp(event));
                }
            }
        }
        any
    }

    /// By the first draft of NAT traversal, ESP stays on the port of IKE and a marker tells it from that (guide chapter
    /// 6).
    fn has_non_ike_marker(&self, bundle: &[ChildSa]) -> bool {
        let first = bundle.first().filter(|child| child.udp_encapsulation && child.path.local.port() == IKE_PORT);
        let version = first.and_then(|child| self.isakmp.isakmp_sa(child.ike_sa?)?.nat_version);
        version == Some(NatVersion::Draft00)
    }

    /// What the gateway's behaviours make of an event.
    fn follow_isakmp(&mut self, now: Instant, event: &v1::Event) {
        match event {
            v1::Event::IsakmpSaUp { ike_sa, .. } => {
                let Some(info) = self.isakmp.isakmp_sa(*ike_sa) else { return };
                if let Some(dpd) = self.isakmp_dead_peer_detection(&info) {
                    self.watch.begin(*ike_sa, dpd, now);
                }
                self.sessions.isakmp_sa_up(&info);
                self.recovery.succeeded(info.path.remote.ip());
                self.begin_keepalives(*ike_sa, info.path, now);
                self.adopt_children(&info);
                self.end_keepalives();
            }
            v1::Event::IsakmpSaDown { ike_sa, connection, .. } => {
                self.watch.end(*ike_sa);
                self.sessions.isakmp_sa_down(*ike_sa, now);
                let of = |info: &&IsakmpSaInfo| info.state == State::Established && info.connection == *connection;
                if let Some(other) = self.isakmp.isakmp_sas().iter().rev().find(of) {
                    self.adopt_children(other);
                }
                self.end_keepalives();
            }
            v1::Event::Received { payloads, .. }
                if is_hello(payloads) && self.is_deviant(Deviation::OverlooksHellos) => {}
            v1::Event::Received { ike_sa, .. } => self.watch.heard(*ike_sa, now),
            _ => {}
        }
    }

    /// Dead peer detection under an ISAKMP SA: as its connection says, if the peer has announced it too.
    fn isakmp_dead_peer_detection(&self, info: &IsakmpSaInfo) -> Option<DeadPeerDetection> {
        let keepalive = self.isakmp_connection(&info.connection)?.keepalive.filter(|_| info.dead_peer_detection)?;
        let mode = if keepalive.periodic { DpdMode::Periodic } else { DpdMode::OnDemand };
        self.dead_peer_detection(Some(DeadPeerDetection { interval: keepalive.interval, mode }))
    }

    fn begin_keepalives(&mut self, ike_sa: IkeSaId, path: Path, now: Instant) {
        let Some(info) = self.isakmp.isakmp_sa(ike_sa).filter(|info| self.keeps_open(info.nat)) else { return };
        if let Some(period) = self.isakmp_connection(&info.connection).and_then(|connection| connection.nat_keepalive) {
            self.keepalives.begin(ike_sa, path, period, now);
        }
    }

    /// A mapping is kept as long as there is an ISAKMP SA or an encapsulated IPsec SA that needs it.
    fn end_keepalives(&mut self) {
        let needed = |id: IkeSaId| {
            self.ike.ike_sa(id).is_some()
                || self.isakmp.isakmp_sa(id).is_some()
                || self.data.children().any(|child| child.ike_sa == Some(id) && child.udp_encapsulation)
        };
        self.keepalives.retain(needed);
    }

    /// IPsec SAs with a peer whose ISAKMP SA has gone belong to another ISAKMP SA with it from now on.
    fn adopt_children(&mut self, info: &IsakmpSaInfo) {
        let orphan = |child: &ChildSa| {
            let own = child.ike_sa?;
            let of_peer = child.connection == info.connection && child.path.remote.ip() == info.path.remote.ip();
            (of_peer && self.isakmp.isakmp_sa(own).is_none()).then_some(own)
        };
        let orphans: Vec<_> = self.data.children().filter_map(orphan).collect();
        orphans.into_iter().for_each(|from| self.data.move_children(from, info.id));
    }

    /// The established ISAKMP SA with a peer at this address: that of this UDP port if there are several, otherwise the
    /// newest.
    pub(super) fn isakmp_sa_with(&self, peer: IpAddr, port: Option<u16>) -> Option<IsakmpSaInfo> {
        let mut with = self.isakmp.isakmp_sas();
        with.retain(|info| info.state == State::Established && info.path.remote.ip() == peer);
        let exact = with.iter().rposition(|info| Some(info.path.remote.port()) == port);
        exact.map(|at| with.swap_remove(at)).or_else(|| with.pop())
    }
}

/// Does the peer ask whether we live?
fn is_hello(payloads: &[Payload]) -> bool {
    notifications(payloads).any(|notification| notification.notify_type == NotifyType::R_U_THERE)
}
