//! NAT traversal of the data plane: keepalives (RFC 3948 sections 2.3 and 4, guide chapter 6).

use crate::Instant;
use crate::ike::v2::{IkeSaId, Path};
use std::collections::BTreeMap;
use std::time::Duration;
pub(super) use wire::natt::KEEPALIVE;

/// The port of IKE.
pub(super) const IKE_PORT: u16 = 500;

/// The port of UDP encapsulation and of IKE through a NAT.
pub(super) const NATT_PORT: u16 = 4500;

/// The IKE and ISAKMP SAs for which a NAT in front of us has to be kept open.
#[derive(Debug, Default)]
pub(super) struct Keepalives {
    paths: BTreeMap<IkeSaId, Kept>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Kept {
    path: Path,
    period: Duration,
    /// When something was last sent.
    last: Instant,
}

impl Keepalives {
    /// We are behind a NAT on this path: something has to be sent once in each period.
    pub(super) fn begin(&mut self, ike_sa: IkeSaId, path: Path, period: Duration, now: Instant) {
        self.paths.insert(ike_sa, Kept { path, period, last: now });
    }

    /// The IKE SA is gone.
    pub(super) fn end(&mut self, ike_sa: IkeSaId) {
        self.paths.remove(&ike_sa);
    }

    /// Keeps those that are still needed.
    pub(super) fn retain(&mut self, needed: impl Fn(IkeSaId) -> bool) {
        self.paths.retain(|id, _| needed(*id));
    }

    /// Something was sent on a path, so that its mapping is fresh.
    pub(super) fn sent(&mut self, path: Path, now: Instant) {
        for kept in self.paths.values_mut().filter(|kept| kept.path == path) {
            kept.last = now;
        }
    }

    /// The paths on which a keepalive is due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Path> {
        let mut due = Vec::new();
        for kept in self.paths.values_mut() {
            if kept.last + kept.period <= now {
                kept.last = now;
                due.push(kept.path);
            }
        }
        due.dedup();
        due
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.paths.values().map(|kept| kept.last + kept.period).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepalive_is_due_only_when_nothing_else_was_sent() {
        let period = Duration::from_secs(20);
        let at = |seconds| Instant::after_start(Duration::from_secs(seconds));
        let path = Path {
            local: "192.0.2.1:4500".parse().expect("an address"),
            remote: "192.0.2.2:4500".parse().expect("an address"),
        };
        let mut keepalives = Keepalives::default();
        keepalives.begin(IkeSaId(1), path, period, at(0));
        keepalives.sent(path, at(15));
        assert_eq!(keepalives.next_due(), Some(at(35)));
        assert!(keepalives.due(at(34)).is_empty());
        assert_eq!(keepalives.due(at(35)), [path]);
        assert_eq!(keepalives.next_due(), Some(at(55)));
        keepalives.end(IkeSaId(1));
        assert_eq!(keepalives.next_due(), None);
    }
}
