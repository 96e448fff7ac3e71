//! The security association database (RFC 4301 section 4.4.2).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rand_core::Rng;

use super::drops::{DropReason, Drops};
use super::flow::Flow;
use super::inbound::{InboundSa, Incoming, Received};
use super::outbound::OutboundSa;
use super::sa::{self, Age, Protocol, SaError};
use super::selector::Direction;
use super::sequence::ReplayCheck;
use crate::Instant;
use crate::deviation::{Deviation, DeviationSet};

/// What an outbound SA is known by: the peer chose the SPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboundId {
    /// SPI.
    pub spi: u32,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Where the SA was set up to; it stays the key when a NAT moves the peer.
    pub destination: IpAddr,
}

/// A packet that was dropped: what an audit log entry wants (RFC 4303 section 3.4, RFC 4301 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub reason: DropReason,
    /// SPI, if there is one.
    pub spi: Option<u32>,
    /// The 32 bits of the sequence number on the wire, if there are any.
    pub sequence: Option<u32>,
    /// ESP or AH, if it got that far.
    pub protocol: Option<Protocol>,
}

/// All SAs of a gateway.
#[derive(Debug, Clone, Default)]
pub struct Sad {
    inbound: BTreeMap<u32, InboundSa>,
    outbound: BTreeMap<OutboundId, OutboundSa>,
    /// Outbound SAs, oldest first.
    order: Vec<OutboundId>,
    /// Packets that no SA could count.
    drops: Drops,
    deviations: Arc<DeviationSet>,
    /// Memory for the next inner packet.
    spare: Vec<u8>,
    /// Only of a peer that is faulty on purpose: one window for all SAs.
    shared: Option<ReplayCheck>,
}

impl Sad {
    /// A database without SAs.
    pub fn new(deviations: Arc<DeviationSet>) -> Self {
        Self { deviations, ..Self::default() }
    }

    /// An SPI for a new inbound SA: random, not reserved, not in use. `None` only if the random numbers are not
    /// random.
    pub fn allocate_spi(&self, rng: &mut dyn Rng) -> Option<u32> {
        if self.deviations.has(Deviation::AllocatesSpiZero) {
            return Some(0);
        }
        sa::free_spi(rng, |spi| self.inbound.contains_key(&spi))
    }

    /// Adds an inbound SA.
    ///
    /// # Errors
    /// Its SPI is in use.
    pub fn insert_inbound(&mut self, mut sa: InboundSa) -> Result<(), SaError> {
        let spi = sa.spi();
        if self.inbound.contains_key(&spi) {
            return Err(SaError::SpiInUse(spi));
        }
        let alike = |other: &InboundSa| other.parameters().selectors == sa.parameters().selectors;
        if self.deviations.has(Deviation::InheritsWindow)
            && let Some(old) = self.inbound.values().filter(|other| alike(other)).max_by_key(|other| other.created())
        {
            sa.replay = old.replay.clone();
        }
        if self.deviations.has(Deviation::KeepsOnlyNewestSa) {
            let selectors = sa.parameters().selectors.clone();
            self.inbound.retain(|_, other| other.parameters().selectors != selectors);
        }
        self.inbound.insert(spi, sa);
        Ok(())
    }

    /// Adds an outbound SA, in place of one with the same SPI and destination.
    pub fn insert_outbound(&mut self, sa: OutboundSa) -> OutboundId {
        let parameters = sa.parameters();
        let id = OutboundId { spi: parameters.spi, protocol: parameters.protocol, destination: parameters.destination };
        self.order.retain(|other| *other != id);
        self.order.push(id);
        self.outbound.insert(id, sa);
        id
    }

    /// Takes an inbound SA out.
    pub fn remove_inbound(&mut self, spi: u32) -> Option<InboundSa> {
        self.inbound.remove(&spi)
    }

    /// Takes an outbound SA out.
    pub fn remove_outbound(&mut self, id: OutboundId) -> Option<OutboundSa> {
        self.order.retain(|other| *other != id);
        self.outbound.remove(&id)
    }

    /// An inbound SA.
    pub fn inbound(&self, spi: u32) -> Option<&InboundSa> {
        self.inbound.get(&spi)
    }

    /// An inbound SA.
    pub fn inbound_mut(&mut self, spi: u32) -> Option<&mut InboundSa> {
        self.inbound.get_mut(&spi)
    }

    /// An outbound SA.
    pub fn outbound(&self, id: OutboundId) -> Option<&OutboundSa> {
        self.outbound.get(&id)
    }

    /// An outbound SA.
    pub fn outbound_mut(&mut self, id: OutboundId) -> Option<&mut OutboundSa> {
        self.outbound.get_mut(&id)
    }

    /// All inbound SAs, by SPI.
    pub fn inbound_sas(&self) -> impl Iterator<Item = &InboundSa> {
        self.inbound.values()
    }

    /// All outbound SAs, oldest first.
    pub fn outbound_sas(&self) -> impl Iterator<Item = (OutboundId, &OutboundSa)> {
        self.order.iter().filter_map(|id| Some((*id, self.outbound.get(id)?)))
    }

    /// The outbound SA for an inner packet: the newest whose selectors admit it and that has not expired.
    pub fn outbound_for(&self, flow: &Flow, now: Instant) -> Option<OutboundId> {
        let admits = |sa: &OutboundSa| {
            let selectors = &sa.parameters().selectors;
            selectors.admit(flow, Direction::Outbound)
                || self.deviations.has(Deviation::ChecksAddressesOnly)
                    && selectors.addresses_alone().admit(flow, Direction::Outbound)
        };
        let fits = |sa: &OutboundSa| admits(sa) && sa.age(now) != Age::Hard;
        self.order.iter().rev().find(|id| self.outbound.get(id).is_some_and(fits)).copied()
    }

    /// Packets that were dropped without an SA to count them.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    /// Takes a whole received IP packet to the inner packet, by the SA of its SPI (RFC 4301 section 4.1). `Ok(None)`
    /// if it is neither ESP nor AH: IKE, a keepalive, clear traffic.
    ///
    /// # Errors
    /// The packet is to be dropped; it has been counted by its SA, or here.
    pub fn receive(&mut self, now: Instant, packet: &[u8], natt_port: u16) -> Result<Option<Received>, Dropped> {
        let incoming = match Incoming::parse(packet, natt_port, &self.deviations) {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return Ok(None),
            Err(reason) => {
                self.drops.count(reason);
                return Err(Dropped { reason, spi: None, sequence: None, protocol: None });
            }
        };
        self.process(now, &incoming).map(Some)
    }

    /// As [`receive`](Self::receive), for a packet that is known to be ESP or AH.
    ///
    /// # Errors
    /// The packet is to be dropped; it has been counted by its SA, or here.
    pub fn process(&mut self, now: Instant, incoming: &Incoming<'_>) -> Result<Received, Dropped> {
        let Incoming { spi, sequence, protocol, .. } = *incoming;
        let dropped = |reason| Dropped { reason, spi: Some(spi), sequence: Some(sequence), protocol: Some(protocol) };
        let Some(sa) = self.inbound.get_mut(&spi) else {
            self.drops.count(DropReason::UnknownSpi);
            return Err(dropped(DropReason::UnknownSpi));
        };
        let shares = self.deviations.has(Deviation::OneWindowForAllSas);
        if let Some(shared) = self.shared.take().filter(|_| shares) {
            sa.replay = shared;
        }
        let received = sa.receive_with(now, incoming, &mut self.spare).map_err(dropped);
        if shares {
            self.shared = Some(sa.replay.clone());
        }
        received
    }

    /// Gives the memory of an inner packet back, for the next one to be made in.
    pub fn recycle(&mut self, packet: Vec<u8>) {
        self.spare = packet;
    }

    /// When time alone next changes the age of an SA.
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let inbound = self.inbound.values().filter_map(|sa| sa.next_timeout(now));
        inbound.chain(self.outbound.values().filter_map(|sa| sa.next_timeout(now))).min()
    }
}
