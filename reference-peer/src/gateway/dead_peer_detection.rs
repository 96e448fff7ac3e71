//! Dead peer detection: when a silent peer is asked whether it lives (RFC 7296 section 2.4, guide chapter 5).
//!
//! The check itself is a matter of the IKE engines, which also give the peer up when all its repetitions go unanswered:
//! an empty INFORMATIONAL exchange of IKEv2, R-U-THERE of IKEv1 (RFC 3706). Here it is decided when one is due:
//!
//! - on demand: something has been sent to the peer since it was last heard, and it has been silent for the interval;
//! - periodically: it has been silent for the interval, traffic or not.

use super::config::{DeadPeerDetection, DpdMode};
use crate::Instant;
use crate::ike::v2::IkeSaId;
use std::collections::HashMap;

/// What is remembered of each IKE or ISAKMP SA.
#[derive(Debug, Default)]
pub(super) struct Watch {
    peers: HashMap<IkeSaId, Peer>,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    config: DeadPeerDetection,
    /// Last fresh authenticated message or packet of the peer.
    heard: Instant,
    /// Last packet that we protected for the peer.
    sent: Option<Instant>,
    /// When the last check was begun; another is due a whole interval later at the earliest.
    asked: Option<Instant>,
}

impl Peer {
    fn due(&self) -> Option<Instant> {
        if self.config.mode == DpdMode::OnDemand && self.sent.is_none_or(|sent| sent < self.heard) {
            return None;
        }
        let silent_since = self.asked.map_or(self.heard, |asked| asked.max(self.heard));
        Some(silent_since + self.config.interval)
    }
}

impl Watch {
    /// An IKE or ISAKMP SA is up.
    pub(super) fn begin(&mut self, ike_sa: IkeSaId, config: DeadPeerDetection, now: Instant) {
        self.peers.insert(ike_sa, Peer { config, heard: now, sent: None, asked: None });
    }

    /// It is gone.
    pub(super) fn end(&mut self, ike_sa: IkeSaId) {
        self.peers.remove(&ike_sa);
    }

    /// Something fresh and authenticated has come.
    pub(super) fn heard(&mut self, ike_sa: IkeSaId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&ike_sa) {
            peer.heard = peer.heard.max(now);
        }
    }

    /// A packet was protected for the peer.
    pub(super) fn sent(&mut self, ike_sa: IkeSaId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&ike_sa) {
            peer.sent = Some(now);
        }
    }

    /// The IKE SAs whose peer is to be asked now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<IkeSaId> {
        let mut due: Vec<_> =
            self.peers.iter().filter(|(_, peer)| peer.due().is_some_and(|at| at <= now)).map(|(id, _)| *id).collect();
        due.sort();
        for id in &due {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.asked = Some(now);
            }
        }
        due
    }

    /// When the next check is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.peers.values().filter_map(|peer| peer.due()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SA: IkeSaId = IkeSaId(1);

    fn at(seconds: u64) -> Instant {
        Instant::after_start(Duration::from_secs(seconds))
    }

    fn config(mode: DpdMode) -> DeadPeerDetection {
        DeadPeerDetection { interval: Duration::from_secs(10), mode }
    }

    #[test]
    fn on_demand_asks_only_while_there_is_traffic_to_send() {
        let config = config(DpdMode::OnDemand);
        let mut watch = Watch::default();
        watch.begin(SA, config, at(0));
        assert_eq!(watch.next_due(), None);
        assert!(watch.due(at(1000)).is_empty());
        watch.sent(SA, at(1000));
        assert_eq!(watch.due(at(1000)), [SA]);
        watch.heard(SA, at(1001));
        assert_eq!(watch.next_due(), None);
        watch.sent(SA, at(1002));
        assert_eq!(watch.next_due(), Some(at(1011)));
    }

    #[test]
    fn periodic_asks_an_idle_peer_and_what_is_heard_puts_it_off() {
        let config = config(DpdMode::Periodic);
        let mut watch = Watch::default();
        watch.begin(SA, config, at(0));
        assert_eq!(watch.next_due(), Some(at(10)));
        watch.heard(SA, at(7));
        assert!(watch.due(at(16)).is_empty());
        assert_eq!(watch.due(at(17)), [SA]);
        assert_eq!(watch.next_due(), Some(at(27)));
        watch.end(SA);
        assert_eq!(watch.next_due(), None);
    }
}
