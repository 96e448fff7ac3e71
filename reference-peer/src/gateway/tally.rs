//! What the guide's routers count of each protected flow (chapter 4, `show crypto ipsec sa`): over all SAs that it has
//! had, until the counters are cleared.

use super::traffic::{DataPlane, Pair};
use crate::ipsec::drops::{DropReason, Drops};
use crate::ipsec::sa::Protocol;
use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};

/// Counters of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Packets protected.
    pub encaps: u64,
    /// Of them, encrypted.
    pub encrypted: u64,
    /// Of them, given an ICV.
    pub digested: u64,
    /// Packets that had to be protected and were lost for want of an SA.
    pub send_errors: u64,
    /// Packets accepted.
    pub decaps: u64,
    /// Of them, decrypted.
    pub decrypted: u64,
    /// Of them, verified by their ICV.
    pub verified: u64,
    /// Received packets that were dropped, for whatever reason.
    pub receive_errors: u64,
    /// Of them, by the anti-replay check.
    pub replay_failures: u64,
    /// Of them, because the ICV was wrong.
    pub verify_failures: u64,
    /// Of them, because they did not fit the selectors.
    pub identity_failures: u64,
}

impl Tally {
    fn zip(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            encaps: each(self.encaps, other.encaps),
            encrypted: each(self.encrypted, other.encrypted),
            digested: each(self.digested, other.digested),
            send_errors: each(self.send_errors, other.send_errors),
            decaps: each(self.decaps, other.decaps),
            decrypted: each(self.decrypted, other.decrypted),
            verified: each(self.verified, other.verified),
            receive_errors: each(self.receive_errors, other.receive_errors),
            replay_failures: each(self.replay_failures, other.replay_failures),
            verify_failures: each(self.verify_failures, other.verify_failures),
            identity_failures: each(self.identity_failures, other.identity_failures),
        }
    }

    fn count_drops(&mut self, drops: &Drops) {
        self.receive_errors += drops.total(|reason| reason != DropReason::Dummy);
        self.replay_failures += drops.total(DropReason::is_replay);
        self.verify_failures += drops.of(DropReason::BadIcv);
        self.identity_failures += drops.of(DropReason::SelectorMismatch) + drops.of(DropReason::SelectorFragment);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = self.zip(other, u64::saturating_add);
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }
}

/// What is not to be seen in the SAs that there are.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// Of SAs that have ended, by connection and child.
    ended: BTreeMap<(String, String), Tally>,
    /// What SAs, by inbound SPI, had counted when the counters were cleared.
    cleared: BTreeMap<u32, Tally>,
}

impl DataPlane {
    /// The counters of a child of a connection.
    pub fn tally(&self, connection: &str, child: &str) -> Tally {
        let of = |(known, name): &(String, String)| known == connection && name == child;
        let mut sum = self.tallies.ended.iter().find(|(key, _)| of(key)).map(|(_, ended)| *ended).unwrap_or_default();
        for pair in self.pairs_of(connection, child) {
            sum += self.since_cleared(pair);
        }
        sum
    }

    /// Sets the counters of one child of a connection to 0. Those of its SAs go on.
    pub(super) fn clear_tally(&mut self, connection: &str, child: &str) {
        self.tallies.ended.retain(|(known, name), _| known != connection || name != child);
        let now: Vec<_> =
            self.pairs_of(connection, child).map(|pair| (pair.child.inbound_spi, self.pair_tally(pair))).collect();
        self.tallies.cleared.extend(now);
    }

    /// The pair of `outer` protects once more what that of `inner` has protected: a packet counts once.
    pub(super) fn note_bundle(&mut self, inner: u32, outer: u32) {
        let digested = self.pair(inner).is_some_and(|pair| pair.digests);
        if let Some(pair) = self.pair_mut(outer) {
            pair.is_outer = true;
            pair.digests &= !digested;
        }
    }

    /// A packet of a child was lost for want of an SA.
    pub(super) fn count_send_error(&mut self, connection: &str, child: &str) {
        self.tallies.ended.entry((connection.to_owned(), child.to_owned())).or_default().send_errors += 1;
    }

    /// Only of a peer that is faulty on purpose: a packet without an SA counts as encapsulated.
    pub(super) fn count_encapsulated(&mut self, connection: &str, child: &str) {
        self.tallies.ended.entry((connection.to_owned(), child.to_owned())).or_default().encaps += 1;
    }

    /// Keeps the counters of a pair that is about to end.
    pub(super) fn keep_tally(&mut self, inbound_spi: u32) {
        let Some(pair) = self.pair(inbound_spi) else { return };
        let counted = self.since_cleared(pair);
        let key = (pair.child.connection.clone(), pair.child.child.clone());
        *self.tallies.ended.entry(key).or_default() += counted;
        self.tallies.cleared.remove(&inbound_spi);
    }

    fn since_cleared(&self, pair: &Pair) -> Tally {
        let cleared = self.tallies.cleared.get(&pair.child.inbound_spi).copied().unwrap_or_default();
        self.pair_tally(pair) - cleared
    }

    /// What a pair has counted. A packet that went through a bundle counts once, with all that was done to it.
    fn pair_tally(&self, pair: &Pair) -> Tally {
        let mut tally = Tally::default();
        let esp = |protocol| protocol == Protocol::Esp;
        if let Some(sa) = self.sad().outbound(pair.outbound) {
            let packets = sa.usage().packets;
            tally.encaps = if pair.is_outer { 0 } else { packets };
            tally.encrypted = if esp(sa.parameters().protocol) { packets } else { 0 };
            tally.digested = if pair.digests { packets } else { 0 };
        }
        if let Some(sa) = self.sad().inbound(pair.child.inbound_spi) {
            let packets = sa.usage().packets;
            tally.decaps = if pair.is_outer { 0 } else { packets };
            tally.decrypted = if esp(sa.parameters().protocol) { packets } else { 0 };
            tally.verified = if pair.digests { packets } else { 0 };
            tally.count_drops(sa.drops());
        }
        tally
    }
}
