//! Sessions: what there is with each peer, and the guide's `%CRYPTO-5-SESSION_STATUS` (chapter 5).
//!
//! A session is up while there are IPsec SAs with the peer, of whatever IKE or ISAKMP SA.

use super::Gateway;
use crate::Instant;
use crate::config::{Identity, Remote};
use crate::ike::v1::IsakmpSaInfo;
use crate::ike::v2::{ChildSa, IkeSaId, Path};
use crate::ike::{v1, v2};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How long an ISAKMP SA that has ended is still shown.
const LINGER: Duration = Duration::from_secs(60);

/// Most of them.
const MOST_LINGERING: usize = 64;

/// State of a session, as the vendor's `show crypto session` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// IPsec SAs and an IKE or ISAKMP SA (UP-ACTIVE).
    UpActive,
    /// IPsec SAs and nothing to manage them with (UP-NO-IKE).
    UpNoIke,
    /// An IKE or ISAKMP SA alone (UP-IDLE).
    UpIdle,
    /// The IKE or ISAKMP SA is being set up (DOWN-NEGOTIATING).
    DownNegotiating,
    /// Nothing (DOWN).
    Down,
}

/// What there is with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoSession {
    /// Name of the connection.
    pub connection: String,
    /// Own address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub peer: SocketAddr,
    /// Who the peer has proved to be; `None` before that.
    pub id: Option<String>,
    /// State.
    pub state: SessionState,
    /// Since when there are IPsec SAs.
    pub up_since: Option<Instant>,
    /// SPIs of the IPsec SAs that we receive on.
    pub inbound_spis: Vec<u32>,
    /// IKE and ISAKMP SAs.
    pub ike_sas: Vec<IkeSaId>,
}

/// An ISAKMP SA as the guide's `show crypto isakmp sa` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsakmpSaEntry {
    /// The ISAKMP SA; of one that has ended, as it was when it came up, but for its state.
    pub info: IsakmpSaInfo,
    /// Number of the ISAKMP SA in this gateway, from 1.
    pub connection_id: u64,
    /// When it ended.
    pub deleted: Option<Instant>,
}

/// Peers with IPsec SAs, and ISAKMP SAs that were there.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By connection and identity of the peer.
    up: BTreeMap<(String, String), Up>,
    /// ISAKMP SAs that are established.
    isakmp: BTreeMap<IkeSaId, IsakmpSaInfo>,
    /// Those that have ended, the oldest first.
    ended: VecDeque<(Instant, IsakmpSaInfo)>,
}

#[derive(Debug)]
struct Up {
    path: Path,
    since: Instant,
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
    fn installed(&mut self, bundle: &[ChildSa], id: String, now: Instant) -> Option<SessionStatus> {
        let first = bundle.first()?;
        let key = (first.connection.clone(), id.clone());
        let new = !self.up.contains_key(&key);
        let up = Up { path: first.path, since: now, inbound_spis: BTreeSet::new() };
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

    /// An ISAKMP SA is established.
    pub(super) fn isakmp_sa_up(&mut self, info: &IsakmpSaInfo) {
        self.isakmp.insert(info.id, info.clone());
    }

    /// It has ended.
    pub(super) fn isakmp_sa_down(&mut self, id: IkeSaId, now: Instant) {
        self.ended.retain(|(at, _)| now.since(*at) < LINGER);
        if let Some(info) = self.isakmp.remove(&id) {
            if self.ended.len() >= MOST_LINGERING {
                self.ended.pop_front();
            }
            self.ended.push_back((now, IsakmpSaInfo { state: v1::State::Closed, ..info }));
        }
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
        if let Some(status) = self.sessions.installed(bundle, id, now) {
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

    /// What there is with each peer: those with SAs, and those of static connections without.
    pub fn crypto_sessions(&self) -> Vec<CryptoSession> {
        let session = |connection: &str, path: Path, id: Option<String>| CryptoSession {
            connection: connection.to_owned(),
            local: path.local,
            peer: path.remote,
            id,
            state: SessionState::Down,
            up_since: None,
            inbound_spis: Vec::new(),
            ike_sas: Vec::new(),
        };
        let up = self.sessions.up.iter().map(|((connection, id), up)| CryptoSession {
            state: SessionState::UpNoIke,
            up_since: Some(up.since),
            inbound_spis: up.inbound_spis.iter().copied().collect(),
            ..session(connection, up.path, Some(id.clone()))
        });
        let mut all: Vec<CryptoSession> = up.collect();
        for sa in self.ike_states() {
            let same_peer = |session: &CryptoSession| match (&session.id, &sa.id) {
                (Some(known), Some(id)) => known == id,
                _ => session.peer.ip() == sa.path.remote.ip(),
            };
            let known = all.iter_mut().find(|session| session.connection == sa.connection && same_peer(session));
            let session = match known {
                Some(session) => session,
                None => {
                    let new = session(&sa.connection, sa.path, sa.id.clone());
                    all.push(CryptoSession { state: SessionState::DownNegotiating, ..new });
                    let Some(new) = all.last_mut() else { continue };
                    new
                }
            };
            session.ike_sas.push(sa.ike_sa);
            if sa.established {
                let active = matches!(session.state, SessionState::UpActive | SessionState::UpNoIke);
                session.state = if active { SessionState::UpActive } else { SessionState::UpIdle };
            }
        }
        let ike = self.config.ike.connections.iter().map(|c| (&c.name, c.local, c.remote, c.port));
        let isakmp = self.config.isakmp.connections.iter().map(|c| (&c.name, c.local, c.remote, c.port));
        for (name, local, remote, port) in ike.chain(isakmp) {
            if let Remote::Address(remote) = remote
                && !all.iter().any(|session| session.connection == *name)
            {
                let path = Path { local: SocketAddr::new(local, port), remote: SocketAddr::new(remote, port) };
                all.push(session(name, path, None));
            }
        }
        all
    }

    /// The ISAKMP SAs that the guide's `show crypto isakmp sa` lists: those that there are, and those that have ended in
    /// the last minute.
    pub fn isakmp_sa_entries(&self, now: Instant) -> Vec<IsakmpSaEntry> {
        let number = |id: IkeSaId| (id.0 & u64::from(u32::MAX)) + 1;
        let live = self.isakmp.isakmp_sas().into_iter().map(|info| (None, info));
        let ended = self.sessions.ended.iter().filter(|(at, _)| now.since(*at) < LINGER);
        let ended = ended.map(|(at, info)| (Some(*at), info.clone()));
        let entry =
            |(deleted, info): (_, IsakmpSaInfo)| IsakmpSaEntry { connection_id: number(info.id), info, deleted };
        live.chain(ended).map(entry).collect()
    }

    fn ike_states(&self) -> impl Iterator<Item = IkeState> {
        let ike = self.ike.ike_sas().into_iter().map(|info| IkeState {
            ike_sa: info.id,
            connection: info.connection,
            path: info.path,
            id: info.peer_id.map(|id| id.to_string()),
            established: info.state == v2::State::Established,
        });
        let isakmp = self.isakmp.isakmp_sas().into_iter().map(|info| IkeState {
            ike_sa: info.id,
            connection: info.connection,
            path: info.path,
            id: info.peer_id.map(|id| id.to_string()),
            established: info.state == v1::State::Established,
        });
        ike.chain(isakmp)
    }
}

/// An IKE or ISAKMP SA, as far as sessions go.
struct IkeState {
    ike_sa: IkeSaId,
    connection: String,
    path: Path,
    id: Option<String>,
    established: bool,
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
