//! Sessions as the log has them: the guide's `%CRYPTO-5-SESSION_STATUS` (chapter 5).
//!
//! A session is up while there are IPsec SAs with the peer, of whatever IKE or ISAKMP SA.

use super::Gateway;
use crate::Instant;
use crate::config::Identity;
use crate::ike::v2::{ChildSa, IkeSaId, Path};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

/// Peers with IPsec SAs.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By connection and identity of the peer.
    up: BTreeMap<(String, String), Up>,
}

#[derive(Debug)]
struct Up {
    path: Path,
    inbound_spis: BTreeSet<u32>,
}

/// The guide's message about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionStatus {
    up: bool,
    peer: SocketAddr,
    id: String,
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { up, peer, id } = self;
        let status = if *up { "UP" } else { "DOWN" };
        let (address, port) = (peer.ip(), peer.port());
        write!(f, "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is {status}. Peer {address}:{port}      Id: {id}")
    }
}

impl Sessions {
    /// Pairs of IPsec SAs with a peer are there. Says so if they are the first.
    fn installed(&mut self, bundle: &[ChildSa], id: String) -> Option<SessionStatus> {
        let first = bundle.first()?;
        let key = (first.connection.clone(), id.clone());
        let new = !self.up.contains_key(&key);
        let up = Up { path: first.path, inbound_spis: BTreeSet::new() };
        let up = self.up.entry(key).or_insert(up);
        up.path = first.path;
        up.inbound_spis.extend(bundle.iter().map(|child| child.inbound_spi));
        new.then_some(SessionStatus { up: true, peer: up.path.remote, id })
    }

    /// A pair is gone. Says so if it was the last with a peer.
    pub(super) fn removed(&mut self, inbound_spi: u32) -> Option<SessionStatus> {
        let (key, up) = self.up.iter_mut().find(|(_, up)| up.inbound_spis.contains(&inbound_spi))?;
        up.inbound_spis.remove(&inbound_spi);
        let last = up.inbound_spis.is_empty().then(|| key.clone())?;
        let Up { path, .. } = self.up.remove(&last)?;
        Some(SessionStatus { up: false, peer: path.remote, id: last.1 })
    }

    /// A peer is elsewhere.
    fn moved(&mut self, inbound_spi: u32, path: Path) {
        if let Some(up) = self.up.values_mut().find(|up| up.inbound_spis.contains(&inbound_spi)) {
            up.path = path;
        }
    }
}

impl Gateway {
    /// Takes note of new pairs of IPsec SAs.
    pub(super) fn session_gained(&mut self, now: Instant, bundle: &[ChildSa]) {
        let Some(first) = bundle.first() else { return };
        // SAs with manual keys are no session.
        let Some(ike_sa) = first.ike_sa else { return };
        let id = self.peer_id(ike_sa).map_or_else(|| first.path.remote.ip().to_string(), |id| id.to_string());
        if let Some(status) = self.sessions.installed(bundle, id) {
            self.log_session(now, &status);
        }
    }

    /// Takes note of the end of a pair.
    pub(super) fn session_lost(&mut self, now: Instant, inbound_spi: u32) {
        if let Some(status) = self.sessions.removed(inbound_spi) {
            self.log_session(now, &status);
        }
    }

    /// The peer of an IKE or ISAKMP SA is elsewhere.
    pub(super) fn session_moved(&mut self, ike_sa: IkeSaId, path: Path) {
        for child in self.data.children().filter(|child| child.ike_sa == Some(ike_sa)) {
            self.sessions.moved(child.inbound_spi, path);
        }
    }

    fn peer_id(&self, ike_sa: IkeSaId) -> Option<Identity> {
        let isakmp = self.isakmp.isakmp_sa(ike_sa).and_then(|info| info.peer_id);
        isakmp.or_else(|| self.ike.ike_sa(ike_sa).and_then(|info| info.peer_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's line, but for the line break in its print.
    #[test]
    fn the_guides_message() {
        let peer = SocketAddr::from(([10, 2, 80, 209], 500));
        let status = SessionStatus { up: false, peer, id: "10.2.80.209".into() };
        assert_eq!(
            status.to_string(),
            "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN. Peer 10.2.80.209:500      Id: 10.2.80.209"
        );
    }
}
