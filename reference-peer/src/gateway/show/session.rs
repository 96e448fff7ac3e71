//! `show crypto session`: what there is with each peer.

use super::Names;
use crate::Instant;
use crate::gateway::Gateway;
use crate::ike::{v1, v2};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// An IKE SA and IPsec SAs.
    UpActive,
    /// An IKE SA without IPsec SAs.
    UpIdle,
    /// IPsec SAs without an IKE SA.
    UpNoIke,
    /// An IKE SA is being set up.
    DownNegotiating,
    /// Nothing.
    Down,
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UpActive => "UP-ACTIVE",
            Self::UpIdle => "UP-IDLE",
            Self::UpNoIke => "UP-NO-IKE",
            Self::DownNegotiating => "DOWN-NEGOTIATING",
            Self::Down => "DOWN",
        })
    }
}

/// What there is with a peer of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Interface of the router.
    pub interface: String,
    /// State.
    pub state: SessionState,
    /// The peer.
    pub peer: SocketAddr,
    /// IKE and ISAKMP SAs: version, own end, peer's end, established.
    pub ike_sas: Vec<(u8, SocketAddr, SocketAddr, bool)>,
    /// Flows: traffic at our end, at the peer's end, and how many SAs there are.
    pub flows: Vec<(String, String, usize)>,
}

impl Gateway {
    /// Sessions of all connections that name their peer or have SAs.
    pub fn sessions(&self, names: &Names) -> Vec<Session> {
        let mut sessions: Vec<(String, Session)> = Vec::new();
        // Seconds that are left do not matter here.
        for flow in self.flows(Instant::START, names) {
            let Some(peer) = flow.peer else { continue };
            let line = (flow.local_ident, flow.remote_ident, flow.sas.len());
            match sessions.iter_mut().find(|(name, _)| *name == flow.connection) {
                Some((_, session)) => session.flows.push(line),
                None => {
                    let ike_sas = self.ike_sas_of(&flow.connection);
                    let state = SessionState::Down;
                    let session = Session { interface: flow.interface, state, peer, ike_sas, flows: vec![line] };
                    sessions.push((flow.connection, session));
                }
            }
        }
        for (_, session) in &mut sessions {
            let ike = session.ike_sas.iter().map(|(.., established)| *established).max();
            let has_sas = session.flows.iter().any(|(.., sas)| *sas > 0);
            session.state = match (ike, has_sas) {
                (Some(true), true) => SessionState::UpActive,
                (Some(true), false) => SessionState::UpIdle,
                (_, true) => SessionState::UpNoIke,
                (Some(false), false) => SessionState::DownNegotiating,
                (None, false) => SessionState::Down,
            };
        }
        sessions.into_iter().map(|(_, session)| session).collect()
    }

    fn ike_sas_of(&self, connection: &str) -> Vec<(u8, SocketAddr, SocketAddr, bool)> {
        let isakmp = self.isakmp().isakmp_sas().into_iter().filter(|info| info.connection == connection);
        let isakmp = isakmp.map(|info| (1, info.path.local, info.path.remote, info.state == v1::State::Established));
        let ike = self.ike().ike_sas().into_iter().filter(|info| info.connection == connection);
        let ike = ike.map(|info| (2, info.path.local, info.path.remote, info.state == v2::State::Established));
        isakmp.chain(ike).collect()
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |end: &SocketAddr| -> (IpAddr, u16) { (end.ip(), end.port()) };
        let (peer, port) = end(&self.peer);
        writeln!(f, "Interface: {}", self.interface)?;
        writeln!(f, "Session status: {}", self.state)?;
        writeln!(f, "Peer: {peer} port {port}")?;
        for (version, local, remote, established) in &self.ike_sas {
            let ((local, local_port), (remote, remote_port)) = (end(local), end(remote));
            let active = if *established { "Active" } else { "Inactive" };
            writeln!(f, "  IKEv{version} SA: local {local}/{local_port} remote {remote}/{remote_port} {active}")?;
        }
        for (local, remote, sas) in &self.flows {
            writeln!(f, "  IPSEC FLOW: permit {local} {remote}")?;
            writeln!(f, "        Active SAs: {sas}, origin: crypto map")?;
        }
        Ok(())
    }
}
