//! IKEv2 in the gateway: the engine's actions, and what the gateway's behaviours make of its events.

use super::nat_transparency::IKE_PORT;
use super::{Event, Gateway};
use crate::Instant;
use crate::deviation::Deviation;
use crate::hands::Hands;
use crate::ike::v2::{self, Action, CommandError, Engine, IkeSaId, IkeSaInfo, Path};
use rand_chacha::ChaCha20Rng;
use std::net::IpAddr;
use wire::ikev2::Header;

impl Gateway {
    /// Runs a command of the IKEv2 engine and does what follows from it.
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

    /// Does what the IKEv2 engine wants done, and what follows from that. False if there was nothing.
    pub(super) fn obey_ike(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(action) = self.ike.poll_action() {
            any = true;
            match action {
                Action::Send { mut path, datagram } => {
                    self.keepalives.sent(path, now);
                    let is_request = || Header::parse(&datagram).is_ok_and(|header| !header.flags.response());
                    if self.is_deviant(Deviation::RequestsToPort500) && is_request() {
                        path.local.set_port(IKE_PORT);
                        path.remote.set_port(IKE_PORT);
                    }
                    self.send_ike(path, &datagram);
                }
                Action::InstallChild(child) => self.install_bundle(now, vec![*child], false),
                Action::RemoveChild { inbound_spi, outbound_spi, reason, .. } => {
                    self.remove_child(inbound_spi, outbound_spi, reason);
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
        any
    }

    /// What the gateway's behaviours make of an event.
    fn follow(&mut self, now: Instant, event: &v2::Event) {
        match event {
            v2::Event::IkeSaUp { ike_sa, .. } => {
                if let Some(dpd) = self.dead_peer_detection(self.config.dead_peer_detection) {
                    self.watch.begin(*ike_sa, dpd, now);
                }
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
        if let Some(period) = self.config.nat_keepalive
            && self.ike.ike_sa(ike_sa).is_some_and(|info| info.nat.local)
        {
            self.keepalives.begin(ike_sa, path, period, now);
        }
    }

    /// The established IKE SA with a peer at this address.
    pub(super) fn ike_sa_with(&self, peer: IpAddr) -> Option<IkeSaInfo> {
        self.ike
            .ike_sas()
            .into_iter()
            .find(|info| info.state == v2::State::Established && info.path.remote.ip() == peer)
    }
}
