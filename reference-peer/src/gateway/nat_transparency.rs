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

/// The IKE SAs for which a NAT in front of us has to be kept open.
#[derive(Debug, Default)]
pub(super) struct Keepalives {
    paths: BTreeMap<IkeSaId, (Path, Instant)>,
}

impl Keepalives {
    /// We are behind a NAT on this path.
    pub(super) fn begin(&mut self, ike_sa: IkeSaId, path: Path, now: Instant) {
        self.paths.insert(ike_sa, (path, now));
    }

    /// The IKE SA is gone.
    pub(super) fn end(&mut self, ike_sa: IkeSaId) {
        self.paths.remove(&ike_sa);
    }

    /// Something was sent on a path, so that its mapping is fresh.
    pub(super) fn sent(&mut self, path: Path, now: Instant) {
        for (kept, last) in self.paths.values_mut() {
            if *kept == path {
                *last = now;
            }
        }
    }

    /// The paths on which a keepalive is due.
    pub(super) fn due(&mut self, period: Duration, now: Instant) -> Vec<Path> {
        let mut due = Vec::new();
        for (path, last) in self.paths.values_mut() {
            if *last + period <= now {
                *last = now;
                due.push(*path);
            }
        }
        due.dedup();
        due
    }

    /// When the next one is due.
    pub(super) fn next_due(&self, period: Duration) -> Option<Instant> {
        self.paths.values().map(|(_, last)| *last + period).min()
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
        keepalives.begin(IkeSaId(1), path, at(0));
        keepalives.sent(path, at(15));
        assert_eq!(keepalives.next_due(period), Some(at(35)));
        assert!(keepalives.due(period, at(34)).is_empty());
        assert_eq!(keepalives.due(period, at(35)), [path]);
        assert_eq!(keepalives.next_due(period), Some(at(55)));
        keepalives.end(IkeSaId(1));
        assert_eq!(keepalives.next_due(period), None);
    }
}
