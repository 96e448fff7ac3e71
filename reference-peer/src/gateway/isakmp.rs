//! IKEv1 in the gateway: the engine's actions, and what the gateway's behaviours make of its events.
//!
//! IPsec SAs of IKEv1 outlive the ISAKMP SA that they were made under. What the gateway keeps of the peer under an ISAKMP
//! SA (where it is, whether it lives) goes over to the next ISAKMP SA with the same peer.

use super::nat_transparency::IKE_PORT;
use super::{DeadPeerDetection, DpdMode, Event, Gateway, GatewayConfig};
use crate::Instant;
use crate::config::isakmp::{IsakmpConfig, IsakmpConnection, NatVersion};
use crate::hands::Hands;
use crate::ike::v1::{self, Action, ChildSa, Engine, IkeSaId, IsakmpSaInfo, Path, State};
use crate::ike::v2;
use rand_chacha::ChaCha20Rng;
use thiserror::Error;

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
    config.ike.deviations.iter().for_each(|deviation| isakmp.deviations.insert(deviation));
    isakmp
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
                Action::InstallChildren(bundle) => {
                    let marked = self.has_non_ike_marker(&bundle);
                    self.install_bundle(now, bundle, marked);
                }
                Action::RemoveChild { inbound_spi, outbound_spi, reason, .. } => {
                    self.remove_child(inbound_spi, outbound_spi, reason);
                    self.end_keepalives();
                }
                Action::UpdatePath { ike_sa, path } => {
                    self.data.update_path(ike_sa, path);
                    self.begin_keepalives(ike_sa, path, now);
                }
                Action::Event(event) => {
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
                self.begin_keepalives(*ike_sa, info.path, now);
                self.adopt_children(&info);
                self.end_keepalives();
            }
            v1::Event::IsakmpSaDown { ike_sa, connection, .. } => {
                self.watch.end(*ike_sa);
                let of = |info: &&IsakmpSaInfo| info.state == State::Established && info.connection == *connection;
                if let Some(other) = self.isakmp.isakmp_sas().iter().rev().find(of) {
                    self.adopt_children(other);
                }
                self.end_keepalives();
            }
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
        let Some(info) = self.isakmp.isakmp_sa(ike_sa).filter(|info| info.nat.local) else { return };
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
}
