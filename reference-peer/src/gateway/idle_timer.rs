//! Idle timers of IPsec SAs (guide chapter 8): SAs of IKEv1 without traffic for a configured time are deleted, and with
//! the last of a peer its ISAKMP SA.

use super::traffic::{DataPlane, Pair};
use super::{Gateway, GatewayConfig};
use crate::Instant;
use crate::ike::v1::State;
use std::time::Duration;

/// The idle times of children that have one, by connection and child.
pub(super) fn times(config: &GatewayConfig) -> Vec<(String, String, Duration)> {
    let connections = config.isakmp.connections.iter().flat_map(|connection| {
        let children = connection.children.iter();
        children.filter_map(|child| Some((connection.name.clone(), child.name.clone(), child.idle_time?)))
    });
    connections.collect()
}

impl DataPlane {
    /// When a pair has been idle for too long, if it can be. The pairs over another in a bundle follow that.
    fn idle_at(&self, pair: &Pair) -> Option<Instant> {
        let of_child = |(connection, child, _): &&(String, String, Duration)| {
            (connection, child) == (&pair.child.connection, &pair.child.child)
        };
        let (.., time) = self.idle_times.iter().find(of_child)?;
        let outer = self.pairs.values().any(|other| other.over == Some(pair.child.inbound_spi));
        (!outer).then(|| pair.used.last + *time)
    }

    /// When the next pair has been idle for too long.
    pub(super) fn next_idle(&self) -> Option<Instant> {
        self.pairs.values().filter_map(|pair| self.idle_at(pair)).min()
    }

    /// Inbound SPIs of the pairs that have.
    fn idle(&self, now: Instant) -> Vec<u32> {
        let idle = |pair: &&Pair| self.idle_at(pair).is_some_and(|at| at <= now);
        self.pairs.values().filter(idle).map(|pair| pair.child.inbound_spi).collect()
    }
}

impl Gateway {
    /// Deletes what has been idle for too long, and tells the peer.
    pub(super) fn delete_idle(&mut self, now: Instant) {
        for spi in self.data.idle(now) {
            let Some((connection, peer)) =
                self.data.child(spi).map(|child| (child.connection.clone(), child.path.remote.ip()))
            else {
                continue;
            };
            if self.isakmp.delete_child(now, &mut self.rng, spi, &mut self.hands).is_err() {
                // The engine does not know it any more, so that nobody else will remove it.
                self.data.remove(spi);
                continue;
            }
            self.obey(now);
            if self.data.children().any(|child| child.connection == connection && child.path.remote.ip() == peer) {
                continue;
            }
            for info in self.isakmp.isakmp_sas() {
                if info.state == State::Established && info.connection == connection && info.path.remote.ip() == peer {
                    // It has just been there.
                    let _ = self.isakmp.delete_isakmp_sa(now, &mut self.rng, info.id, &mut self.hands);
                    self.obey(now);
                }
            }
        }
    }
}
