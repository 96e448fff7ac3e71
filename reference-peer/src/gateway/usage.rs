//! What pairs of SAs are used for: lifetimes in kilobytes and the time of the last packet (guide chapter 8).

use super::Gateway;
use super::traffic::{DataPlane, Pair};
use crate::Instant;
use crate::ike::v2::ChildSa;

/// Octets of a kilobyte in a lifetime (RFC 2407 section 4.5).
const KILOBYTE: u64 = 1024;

/// What one pair has been used for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// The last packet in either direction.
    pub(super) last: Instant,
    /// Kilobytes that the engine was told of.
    kilobytes: u64,
}

impl DataPlane {
    /// The use of a new pair. One that replaces another goes on where that stands idle.
    pub(super) fn new_use(&self, child: &ChildSa, now: Instant) -> Use {
        let replaced = child.rekeys.and_then(|spi| self.pair(spi)).map(|pair| pair.used.last);
        Use { last: replaced.unwrap_or(now), kilobytes: 0 }
    }

    /// Octets that a pair has carried, in the direction that has carried more.
    fn octets(&self, pair: &Pair) -> u64 {
        let inbound = self.sad().inbound(pair.child.inbound_spi).map_or(0, |sa| sa.usage().bytes);
        let outbound = self.sad().outbound(pair.outbound).map_or(0, |sa| sa.usage().bytes);
        inbound.max(outbound)
    }

    /// A packet went through a pair. Gives the kilobytes that it has carried, if those are more than before.
    fn used(&mut self, spi: u32, now: Instant) -> Option<u32> {
        let kilobytes = self.pair(spi).map(|pair| self.octets(pair))? / KILOBYTE;
        let used = &mut self.pair_mut(spi)?.used;
        used.last = used.last.max(now);
        let more = kilobytes > used.kilobytes;
        used.kilobytes = kilobytes;
        more.then(|| u32::try_from(kilobytes).unwrap_or(u32::MAX))
    }
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
}
