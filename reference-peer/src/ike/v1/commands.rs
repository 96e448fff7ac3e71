//! What the engine can be told to do.

use super::api::*;
use super::engine::{Cx, Engine};
use super::sa::IsakmpSa;
use crate::Instant;
use crate::config::Remote;
use crate::config::isakmp::{IsakmpConnection, IsakmpPolicy, Phase1};
use crate::hands::Hands;
use rand_core::Rng;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use wire::ikev1::Payload;

impl Engine {
    /// Sets up a child: under an ISAKMP SA with the peer if there is one, otherwise that first.
    ///
    /// # Errors
    /// There is no such connection or child, or it lacks what an initiator needs.
    pub fn initiate(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        connection: &str,
        child: &str,
        hands: &mut dyn Hands,
    ) -> Result<IkeSaId, CommandError> {
        let known = self.connection(connection)?;
        if known.child(child).is_none() {
            return Err(CommandError::NoChild(child.to_owned()));
        }
        let mut cx = Cx { now, rng, hands };
        self.bring_up(&mut cx, known, Some((child.to_owned(), None)))
    }

    /// Sets up an ISAKMP SA and nothing under it, also if there is one.
    ///
    /// # Errors
    /// There is no such connection, or it lacks what an initiator needs.
    pub fn initiate_phase1(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        connection: &str,
        hands: &mut dyn Hands,
    ) -> Result<IkeSaId, CommandError> {
        let known = self.connection(connection)?;
        let mut cx = Cx { now, rng, hands };
        let sa = self.start(&mut cx, known)?;
        let id = sa.id;
        self.put_back(sa);
        Ok(id)
    }

    /// Makes a child under this ISAKMP SA.
    ///
    /// # Errors
    /// There is no such ISAKMP SA or child, or it is not established.
    pub fn create_child(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        child: &str,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        if self.sas.get(&id).is_some_and(|sa| sa.connection.child(child).is_none()) {
            return Err(CommandError::NoChild(child.to_owned()));
        }
        self.under(now, rng, hands, id, |engine, cx, sa| {
            engine.start_quick(cx, sa, child, None);
            Ok(())
        })
    }

    /// Replaces the SAs that have this SPI in either direction.
    ///
    /// # Errors
    /// No IPsec SA has it, or the peer cannot be begun with.
    pub fn rekey_child(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        spi: u32,
        hands: &mut dyn Hands,
    ) -> Result<IkeSaId, CommandError> {
        let inbound_spi = self.inbound_of(spi)?;
        self.rekey(&mut Cx { now, rng, hands }, inbound_spi)
    }

    /// Deletes the SAs that have this SPI in either direction, and tells the peer.
    ///
    /// # Errors
    /// No IPsec SA has it.
    pub fn delete_child(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        spi: u32,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        let inbound_spi = self.inbound_of(spi)?;
        self.tell_deleted(&mut Cx { now, rng, hands }, inbound_spi);
        self.remove_children(|children| children.has_inbound(inbound_spi), &DownReason::Deleted);
        Ok(())
    }

    /// Deletes an ISAKMP SA, and tells the peer. What was made under it lives on.
    ///
    /// # Errors
    /// There is no such ISAKMP SA.
    pub fn delete_isakmp_sa(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        let mut sa = self.sas.remove(&id).ok_or(CommandError::NoIsakmpSa)?;
        self.delete_isakmp(&mut Cx { now, rng, hands }, &mut sa);
        self.close(&mut sa, DownReason::Deleted);
        self.put_back(sa);
        Ok(())
    }

    /// Asks the peer whether it lives (RFC 3706), unless that is being done.
    ///
    /// # Errors
    /// There is no such ISAKMP SA, it is not established, or one of both does no dead peer detection.
    pub fn liveness(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        self.under(now, rng, hands, id, |engine, cx, sa| {
            if !sa.dead_peer_detection() {
                return Err(CommandError::NoDeadPeerDetection);
            }
            engine.ask(cx, sa);
            Ok(())
        })
    }

    /// Sends these payloads in an Informational exchange under protection.
    ///
    /// # Errors
    /// There is no such ISAKMP SA, or it is not established.
    pub fn informational_exchange(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        payloads: Vec<Payload>,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        self.under(now, rng, hands, id, |engine, cx, sa| {
            engine.inform(cx, sa, payloads);
            Ok(())
        })
    }

    /// Sends these payloads in an Informational exchange as soon as the ISAKMP SA is up.
    ///
    /// # Errors
    /// There is no such ISAKMP SA.
    pub fn announce_when_up(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        payloads: Vec<Payload>,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        let mut sa = self.sas.remove(&id).ok_or(CommandError::NoIsakmpSa)?;
        if sa.state == State::Established {
            self.inform(&mut Cx { now, rng, hands }, &mut sa, payloads);
        } else {
            sa.announcements.push(payloads);
        }
        self.put_back(sa);
        Ok(())
    }

    /// Forgets an ISAKMP SA without a word to the peer, as after a crash. What was made under it lives on.
    ///
    /// # Errors
    /// There is no such ISAKMP SA.
    pub fn clear(&mut self, id: IkeSaId) -> Result<(), CommandError> {
        let mut sa = self.sas.remove(&id).ok_or(CommandError::NoIsakmpSa)?;
        self.close(&mut sa, DownReason::Forgotten);
        self.put_back(sa);
        Ok(())
    }

    /// Forgets the SAs that have this SPI in either direction, without a word to the peer.
    ///
    /// # Errors
    /// No IPsec SA has it.
    pub fn clear_child_silently(&mut self, spi: u32) -> Result<(), CommandError> {
        let inbound_spi = self.inbound_of(spi)?;
        self.remove_children(|children| children.has_inbound(inbound_spi), &DownReason::Forgotten);
        Ok(())
    }

    /// Forgets everything without a word to anybody, as after a crash.
    pub fn clear_all(&mut self) {
        for id in self.sas.keys().copied().collect::<Vec<_>>() {
            // Cannot fail: the id has just been read.
            let _ = self.clear(id);
        }
        self.remove_children(|_| true, &DownReason::Forgotten);
    }

    /// Takes note of an authenticated packet on an IPsec SA: it proves the peer alive (RFC 3706 section 5.4).
    pub fn heard_child(&mut self, now: Instant, inbound_spi: u32) {
        let Some(children) = self.children.iter().find(|children| children.has_inbound(inbound_spi)) else { return };
        let peer = children.peer;
        for sa in self.sas.values_mut().filter(|sa| sa.path.remote.ip() == peer) {
            sa.last_heard = now;
            sa.dpd.proved();
        }
    }

    /// Takes note of how many kilobytes an IPsec SA has protected: at nine tenths of its lifetime it is replaced, and
    /// at the end of it deleted (guide chapter 8).
    pub fn used_child(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        inbound_spi: u32,
        kilobytes: u32,
        hands: &mut dyn Hands,
    ) {
        let mut cx = Cx { now, rng, hands };
        let found = self.children.iter().find(|children| children.has_inbound(inbound_spi));
        let Some((replaced, Some(limit))) = found.map(|children| (children.replaced, children.lifetime.kilobytes))
        else {
            return;
        };
        if kilobytes >= limit {
            self.tell_deleted(&mut cx, inbound_spi);
            self.remove_children(|children| children.has_inbound(inbound_spi), &DownReason::Expired);
        } else if kilobytes >= limit - limit / 10 && !replaced {
            // A peer that cannot be begun with has to do it itself.
            let _ = self.rekey(&mut cx, inbound_spi);
        }
    }

    /// The peer is to be reached on another path: a verified and new packet of an IPsec SA came from there (RFC 3947
    /// section 4).
    pub fn update_path(&mut self, id: IkeSaId, path: Path) {
        if let Some(sa) = self.sas.get_mut(&id)
            && sa.path != path
        {
            sa.path = path;
            self.actions.push_back(Action::UpdatePath { ike_sa: id, path });
        }
    }

    /// Is this child being set up by us, or the ISAKMP SA for it?
    pub fn is_bringing_up(&self, connection: &str, child: &str) -> bool {
        let begun = |sa: &IsakmpSa| {
            sa.queue.iter().any(|(queued, _)| queued == child)
                || sa.quick.values().any(|quick| quick.is_pending() && quick.child_name().as_deref() == Some(child))
        };
        self.sas.values().any(|sa| sa.connection.name == connection && begun(sa))
    }

    // ---- Shared ----

    fn connection(&self, name: &str) -> Result<Arc<IsakmpConnection>, CommandError> {
        let known = self.connections.iter().find(|known| known.name == name).cloned();
        known.ok_or_else(|| CommandError::NoConnection(name.to_owned()))
    }

    fn inbound_of(&self, spi: u32) -> Result<u32, CommandError> {
        let pairs = self.children.iter().flat_map(|children| &children.pairs);
        let found = pairs.into_iter().find(|(_, inbound, outbound)| *inbound == spi || *outbound == spi);
        found.map(|(_, inbound, _)| *inbound).ok_or(CommandError::NoSpi(spi))
    }

    pub(super) fn rekey(&mut self, cx: &mut Cx<'_>, inbound_spi: u32) -> Result<IkeSaId, CommandError> {
        let found = self.children.iter_mut().find(|children| children.has_inbound(inbound_spi));
        let children = found.ok_or(CommandError::NoSpi(inbound_spi))?;
        children.replaced = true;
        let (connection, name) = (children.connection.clone(), children.child.name.clone());
        let result = self.bring_up(cx, connection, Some((name, Some(inbound_spi))));
        if result.is_err()
            && let Some(children) = self.children.iter_mut().find(|children| children.has_inbound(inbound_spi))
        {
            children.replaced = false;
        }
        result
    }

    /// Has a child made, under an ISAKMP SA that is there, is coming up, or is begun for it.
    fn bring_up(
        &mut self,
        cx: &mut Cx<'_>,
        connection: Arc<IsakmpConnection>,
        child: Option<(String, Option<u32>)>,
    ) -> Result<IkeSaId, CommandError> {
        let of =
            |sa: &IsakmpSa| sa.connection.name == connection.name && (sa.initiator || sa.state == State::Established);
        let known = self.sas.values().rev().find(|sa| of(sa)).map(|sa| sa.id);
        let mut sa = match known.and_then(|id| self.sas.remove(&id)) {
            Some(sa) => sa,
            None => self.start(cx, connection)?,
        };
        let id = sa.id;
        if let Some((name, replaces)) = child {
            if sa.state == State::Established {
                self.start_quick(cx, &mut sa, &name, replaces);
            } else {
                sa.queue.push((name, replaces));
            }
        }
        self.put_back(sa);
        Ok(id)
    }

    fn start(&mut self, cx: &mut Cx<'_>, connection: Arc<IsakmpConnection>) -> Result<IsakmpSa, CommandError> {
        let Remote::Address(remote) = connection.remote else {
            return Err(CommandError::NoAddress(connection.name.clone()));
        };
        let end = |address: IpAddr| SocketAddr::new(address, connection.port);
        let path = Path { local: end(connection.local), remote: end(remote) };
        match connection.exchange {
            Phase1::Main => self.start_main(cx, connection, path),
            Phase1::Aggressive => self.start_aggressive(cx, connection, path),
        }
    }

    /// Has a connection what an initiator needs?
    pub(super) fn check_startable(
        &self,
        connection: &IsakmpConnection,
        path: Path,
        policies: &[&IsakmpPolicy],
    ) -> Result<(), CommandError> {
        let name = &connection.name;
        if policies.is_empty() {
            return Err(CommandError::Configuration(format!("connection `{name}` has no usable ISAKMP policy")));
        }
        if Self::psk(connection, path, connection.remote_id.as_ref()).is_err() {
            let peer = path.remote.ip();
            return Err(CommandError::Configuration(format!("connection `{name}` has no pre-shared key for {peer}")));
        }
        Ok(())
    }

    fn under(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        hands: &mut dyn Hands,
        id: IkeSaId,
        act: impl FnOnce(&mut Self, &mut Cx<'_>, &mut IsakmpSa) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        match self.sas.get(&id) {
            Some(sa) if sa.state == State::Established => {}
            Some(sa) => return Err(CommandError::State(sa.state)),
            None => return Err(CommandError::NoIsakmpSa),
        }
        let Some(mut sa) = self.sas.remove(&id) else { return Err(CommandError::NoIsakmpSa) };
        let result = act(self, &mut Cx { now, rng, hands }, &mut sa);
        self.put_back(sa);
        result
    }
}
