//! What the engine can be told to do.

use super::api::*;
use super::cookie::CookieJar;
use super::engine::{Cx, Engine};
use super::sa::{ChildPair, Task};
use crate::Instant;
use crate::config::Remote;
use crate::hands::Hands;
use rand_core::Rng;
use std::net::SocketAddr;
use wire::ikev2::{ExchangeType, Payload};

impl Engine {
    /// Sets up an IKE SA with a first child.
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
        let mut cx = Cx { now, rng, hands };
        let known = self.connections.iter().find(|known| known.name == connection).cloned();
        let known = known.ok_or_else(|| CommandError::NoConnection(connection.to_owned()))?;
        if known.child(child).is_none() {
            return Err(CommandError::NoChild(child.to_owned()));
        }
        let Remote::Address(remote) = known.remote else {
            return Err(CommandError::NoAddress(connection.to_owned()));
        };
        let path =
            Path { local: SocketAddr::new(known.local, known.port), remote: SocketAddr::new(remote, known.port) };
        self.start_init(&mut cx, known, child, path)
    }

    /// Goes on after IKE_SA_INIT with IKE_AUTH, where that was held back.
    ///
    /// # Errors
    /// There is no such IKE SA, or it is not held.
    pub fn proceed(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        let mut cx = Cx { now, rng, hands };
        match self.sas.get(&id).map(|sa| sa.state) {
            Some(State::Held) => {}
            Some(state) => return Err(CommandError::State(state)),
            None => return Err(CommandError::NoIkeSa),
        }
        let Some(mut sa) = self.sas.remove(&id) else { return Err(CommandError::NoIkeSa) };
        self.start_auth(&mut cx, &mut sa);
        self.put_back(sa);
        Ok(())
    }

    /// Makes another child under an IKE SA.
    ///
    /// # Errors
    /// There is no such IKE SA or child, or it is not established.
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
        self.queue(now, rng, hands, id, Task::CreateChild { child: child.to_owned(), group: None })
    }

    /// Rekeys the child pair that has this SPI in either direction.
    ///
    /// # Errors
    /// No child pair has it.
    pub fn rekey_child(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        spi: u32,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        let (id, inbound_spi) = self.mark(spi, |pair| pair.rekeying = true)?;
        self.queue(now, rng, hands, id, Task::RekeyChild { inbound_spi, group: None })
    }

    /// Rekeys an IKE SA.
    ///
    /// # Errors
    /// There is no such IKE SA, or it is not established.
    pub fn rekey_ike(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        self.queue(now, rng, hands, id, Task::RekeyIke { group: None })
    }

    /// Deletes the child pair that has this SPI in either direction.
    ///
    /// # Errors
    /// No child pair has it.
    pub fn delete_child(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        spi: u32,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        let (id, inbound_spi) = self.mark(spi, |pair| pair.deleting = true)?;
        self.queue(now, rng, hands, id, Task::DeleteChild { inbound_spi, reason: DownReason::Deleted })
    }

    /// Deletes an IKE SA and all its children. One that is not established is forgotten.
    ///
    /// # Errors
    /// There is no such IKE SA.
    pub fn delete_ike(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        match self.sas.get(&id) {
            Some(sa) if sa.is_established() => {
                self.queue(now, rng, hands, id, Task::DeleteIke { reason: DownReason::Deleted })
            }
            Some(_) => self.clear(id),
            None => Err(CommandError::NoIkeSa),
        }
    }

    /// Checks whether the peer is alive, by an empty INFORMATIONAL request (section 2.4), unless a request of ours
    /// waits for its response anyway.
    ///
    /// # Errors
    /// There is no such IKE SA, or it is not established.
    pub fn liveness(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        if self.sas.get(&id).is_some_and(|sa| sa.is_established() && !sa.requests.outstanding.is_empty()) {
            return Ok(());
        }
        self.informational(now, rng, id, vec![], hands)
    }

    /// Sends an INFORMATIONAL request with these payloads.
    ///
    /// # Errors
    /// There is no such IKE SA, or it is not established.
    pub fn informational(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        payloads: Vec<Payload>,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        self.request_exchange(now, rng, id, ExchangeType::INFORMATIONAL, payloads, hands)
    }

    /// Sends a protected request of any exchange type with any payloads. Its response comes as
    /// [`Event::ResponseReceived`] and changes nothing.
    ///
    /// # Errors
    /// There is no such IKE SA, or it is not established.
    pub fn request_exchange(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        id: IkeSaId,
        exchange: ExchangeType,
        payloads: Vec<Payload>,
        hands: &mut dyn Hands,
    ) -> Result<(), CommandError> {
        self.queue(now, rng, hands, id, Task::Exchange { exchange, payloads })
    }

    /// Forgets an IKE SA and its children without a word to the peer, as after a crash.
    ///
    /// # Errors
    /// There is no such IKE SA.
    pub fn clear(&mut self, id: IkeSaId) -> Result<(), CommandError> {
        let mut sa = self.sas.remove(&id).ok_or(CommandError::NoIkeSa)?;
        self.drop_sa(&mut sa, DownReason::Forgotten);
        self.put_back(sa);
        Ok(())
    }

    /// Forgets everything without a word to anybody, as after a crash.
    pub fn clear_all(&mut self) {
        for id in self.sas.keys().copied().collect::<Vec<_>>() {
            // Cannot fail: the id has just been read.
            let _ = self.clear(id);
        }
        self.cookies = CookieJar::default();
    }

    /// Forgets the child pair that has this SPI in either direction, without a word to the peer.
    ///
    /// # Errors
    /// No child pair has it.
    pub fn clear_child_silently(&mut self, spi: u32) -> Result<(), CommandError> {
        let (id, inbound_spi) = self.mark(spi, |_| {})?;
        let mut sa = self.sas.remove(&id).ok_or(CommandError::NoIkeSa)?;
        self.remove_child(&mut sa, inbound_spi, DownReason::Forgotten);
        self.put_back(sa);
        Ok(())
    }

    fn mark(&mut self, spi: u32, mark: impl Fn(&mut ChildPair)) -> Result<(IkeSaId, u32), CommandError> {
        for sa in self.sas.values_mut() {
            for pair in &mut sa.children {
                if pair.inbound_spi == spi || pair.outbound_spi == spi {
                    mark(pair);
                    return Ok((sa.id, pair.inbound_spi));
                }
            }
        }
        Err(CommandError::NoSpi(spi))
    }

    fn queue(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        hands: &mut dyn Hands,
        id: IkeSaId,
        task: Task,
    ) -> Result<(), CommandError> {
        let mut cx = Cx { now, rng, hands };
        // A replaced IKE SA carries no more children, and none is made under one that ends.
        let whole = matches!(task, Task::CreateChild { .. } | Task::RekeyChild { .. } | Task::RekeyIke { .. });
        match self.sas.get(&id) {
            Some(sa) if sa.state == State::Established || (sa.is_established() && !whole) => {}
            Some(sa) => return Err(CommandError::State(sa.state)),
            None => return Err(CommandError::NoIkeSa),
        }
        let Some(mut sa) = self.sas.remove(&id) else { return Err(CommandError::NoIkeSa) };
        sa.requests.push(task);
        self.pump(&mut cx, &mut sa);
        self.put_back(sa);
        Ok(())
    }
}
