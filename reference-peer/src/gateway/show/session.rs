//! `show crypto session`: what there is with each peer.

use super::Names;
use super::ipsec::ident;
use crate::Instant;
use crate::gateway::{CryptoSession, Gateway, SessionState};
use crate::ike::v2::Path;
use crate::ike::{v1, v2};
use std::fmt::Write as _;

fn word(state: SessionState) -> &'static str {
    match state {
        SessionState::UpActive => "UP-ACTIVE",
        SessionState::UpNoIke => "UP-NO-IKE",
        SessionState::UpIdle => "UP-IDLE",
        SessionState::DownNegotiating => "DOWN-NEGOTIATING",
        SessionState::Down => "DOWN",
    }
}

impl Gateway {
    /// One session as it is printed.
    pub(super) fn session_text(&self, session: &CryptoSession, names: &Names) -> String {
        let (interface, _) = names.places(&session.connection, session.local.ip());
        let mut text = format!("Interface: {interface}\nSession status: {}\n", word(session.state));
        // Writing to a string does not fail.
        let _ = writeln!(text, "Peer: {} port {}", session.peer.ip(), session.peer.port());
        for (version, Path { local, remote }, established) in self.ike_sas_of(session) {
            let active = if established { "Active" } else { "Inactive" };
            let (local, remote) =
                (format!("{}/{}", local.ip(), local.port()), format!("{}/{}", remote.ip(), remote.port()));
            let _ = writeln!(text, "  IKEv{version} SA: local {local} remote {remote} {active}");
        }
        // What is left of lifetimes does not matter here.
        for flow in self.ipsec_flows(Instant::START).iter().filter(|flow| flow.connection == session.connection) {
            let _ = writeln!(text, "  IPSEC FLOW: permit {} {}", ident(&flow.local_ts), ident(&flow.remote_ts));
            let of_session = |spi: u32| session.inbound_spis.contains(&spi);
            // Each that receives has one that sends.
            let sas = flow.sas.iter().filter(|sa| sa.inbound && of_session(sa.spi)).count() * 2;
            let _ = writeln!(text, "        Active SAs: {sas}, origin: crypto map");
        }
        text
    }

    /// Version, path, and is it established?
    fn ike_sas_of(&self, session: &CryptoSession) -> Vec<(u8, Path, bool)> {
        let found = session.ike_sas.iter().filter_map(|id| {
            let isakmp = self.isakmp().isakmp_sa(*id).map(|sa| (1, sa.path, sa.state == v1::State::Established));
            isakmp.or_else(|| self.ike().ike_sa(*id).map(|sa| (2, sa.path, sa.state == v2::State::Established)))
        });
        found.collect()
    }
}
