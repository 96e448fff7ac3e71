//! What pairs of SAs are used for: the counters of the guide's show commands (chapter 4), lifetimes in kilobytes and the
//! time of the last packet (chapter 8).

use super::Gateway;
use super::traffic::{DataPlane, Pair};
use crate::Instant;
use crate::ike::v2::ChildSa;
use crate::ipsec::sad::OutboundId;
use crypto::{Encryption, Integrity};
use std::collections::BTreeMap;

/// Octets of a kilobyte in a lifetime (RFC 2407 section 4.5).
const KILOBYTE: u64 = 1024;

/// Packets of one child, under all SAs that it has had: the guide's `#pkts` (chapter 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets that were encapsulated and sent; a bundle counts once.
    pub encaps: u64,
    /// Those of them that were encrypted.
    pub encrypt: u64,
    /// Those of them that were given an ICV.
    pub digest: u64,
    /// Packets that were received and taken out.
    pub decaps: u64,
    /// Those of them that were decrypted.
    pub decrypt: u64,
    /// Those of them whose ICV was verified.
    pub verify: u64,
    /// Packets that could not be protected.
    pub send_errors: u64,
    /// Packets of an SA that were dropped.
    pub receive_errors: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.encaps += other.encaps;
        self.encrypt += other.encrypt;
        self.digest += other.digest;
        self.decaps += other.decaps;
        self.decrypt += other.decrypt;
        self.verify += other.verify;
        self.send_errors += other.send_errors;
        self.receive_errors += other.receive_errors;
    }
}

/// What one pair has been used for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    pub(super) counters: Counters,
    /// The last packet in either direction.
    pub(super) last: Instant,
    /// Kilobytes that the engine was told of.
    kilobytes: u64,
}

/// Counters of pairs that are no more, by connection and child.
#[derive(Debug, Default)]
pub(super) struct FlowCounters(BTreeMap<(String, String), Counters>);

impl FlowCounters {
    /// A pair is no more.
    pub(super) fn keep(&mut self, child: &ChildSa, counters: Counters) {
        *self.0.entry((child.connection.clone(), child.child.clone())).or_default() += counters;
    }

    /// Only of a peer that is faulty on purpose: a packet that had no SA is counted all the same.
    pub(super) fn count_dropped(&mut self, child: (String, String)) {
        *self.0.entry(child).or_default() += Counters { encaps: 1, ..Counters::default() };
    }
}

/// Does a pair encrypt, and does it authenticate?
fn services(pair: &Pair) -> (bool, bool) {
    let cipher = pair.child.encryption.unwrap_or(Encryption::Null);
    let integrity = pair.child.integrity.unwrap_or(Integrity::None);
    (cipher != Encryption::Null, cipher.is_aead() || integrity != Integrity::None)
}

impl DataPlane {
    /// The use of a new pair. One that replaces another goes on where that stands idle.
    pub(super) fn new_use(&self, child: &ChildSa, now: Instant) -> Use {
        let replaced = child.rekeys.and_then(|spi| self.pairs.get(&spi)).map(|pair| pair.used.last);
        Use { counters: Counters::default(), last: replaced.unwrap_or(now), kilobytes: 0 }
    }

    /// What a pair and those over it in a bundle do: encrypt, authenticate.
    fn bundle_services(&self, pair: &Pair) -> (u64, u64) {
        let own = services(pair);
        let over = pair.over.and_then(|spi| self.pairs.get(&spi)).map(services).unwrap_or_default();
        (u64::from(own.0 || over.0), u64::from(own.1 || over.1))
    }

    /// A packet was protected and sent under an outbound SA and what goes over it. Gives the inbound SPI of the pair.
    pub(super) fn count_sent(&mut self, id: OutboundId) -> Option<u32> {
        let pair = self.pair_of(id)?;
        let (spi, (encrypt, digest)) = (pair.child.inbound_spi, self.bundle_services(pair));
        let counters = Counters { encaps: 1, encrypt, digest, ..Counters::default() };
        self.pairs.get_mut(&spi)?.used.counters += counters;
        Some(spi)
    }

    /// A packet was taken out of the pair of an inbound SPI and of what goes over it.
    pub(super) fn count_received(&mut self, spi: u32) {
        let Some((decrypt, verify)) = self.pairs.get(&spi).map(|pair| self.bundle_services(pair)) else { return };
        if let Some(pair) = self.pairs.get_mut(&spi) {
            pair.used.counters += Counters { decaps: 1, decrypt, verify, ..Counters::default() };
        }
    }

    /// A packet could not be protected.
    pub(super) fn count_send_error(&mut self, id: OutboundId) {
        if let Some(spi) = self.pair_of(id).map(|pair| pair.child.inbound_spi)
            && let Some(pair) = self.pairs.get_mut(&spi)
        {
            pair.used.counters.send_errors += 1;
        }
    }

    /// A packet of an SA was dropped.
    pub(super) fn count_receive_error(&mut self, spi: Option<u32>) {
        if let Some(pair) = spi.and_then(|spi| self.pairs.get_mut(&spi)) {
            pair.used.counters.receive_errors += 1;
        }
    }

    /// Counters of a child, under all SAs that it has had since they were last cleared.
    pub fn counters(&self, connection: &str, child: &str) -> Counters {
        let key = (connection.to_owned(), child.to_owned());
        let mut sum = self.counters.0.get(&key).copied().unwrap_or_default();
        let of_child = |pair: &&Pair| pair.child.connection == connection && pair.child.child == child;
        self.pairs.values().filter(of_child).for_each(|pair| sum += pair.used.counters);
        sum
    }

    /// Sets the counters of all children to zero; those of SAs themselves stay.
    pub(super) fn clear_counters(&mut self) {
        self.counters = FlowCounters::default();
        self.pairs.values_mut().for_each(|pair| pair.used.counters = Counters::default());
    }

    /// Octets that a pair has carried, in the direction that has carried more.
    pub(super) fn octets(&self, pair: &Pair) -> u64 {
        let inbound = self.sad.inbound(pair.child.inbound_spi).map_or(0, |sa| sa.usage().bytes);
        let outbound = self.sad.outbound(pair.outbound).map_or(0, |sa| sa.usage().bytes);
        inbound.max(outbound)
    }

    /// A packet went through a pair. Gives the kilobytes that it has carried, if those are more than before.
    fn used(&mut self, spi: u32, now: Instant) -> Option<u32> {
        let kilobytes = self.pairs.get(&spi).map(|pair| self.octets(pair))? / KILOBYTE;
        let used = &mut self.pairs.get_mut(&spi)?.used;
        used.last = used.last.max(now);
        let more = kilobytes > used.kilobytes;
        used.kilobytes = kilobytes;
        more.then(|| u32::try_from(kilobytes).unwrap_or(u32::MAX))
    }
}

/// Whole kilobytes that are left of a lifetime after so many octets.
pub(super) fn kilobytes_left(limit: u32, octets: u64) -> u64 {
    (u64::from(limit) * KILOBYTE).saturating_sub(octets) / KILOBYTE
}

impl Gateway {
    /// A packet went through the pair of an inbound SPI, and through what goes over it.
    pub(super) fn note_use(&mut self, now: Instant, inbound_spi: u32) {
        let over = self.data.over(inbound_spi);
        for spi in [Some(inbound_spi), over].into_iter().flatten() {
            if let Some(kilobytes) = self.data.used(spi, now) {
                self.isakmp.used_child(now, &mut self.rng, spi, kilobytes, &mut self.hands);
                self.obey(now);
            }
        }
    }

    /// Sets the packet counters of all children to zero, as `clear crypto sa counters` does.
    pub fn clear_counters(&mut self) {
        self.data.clear_counters();
    }
}
