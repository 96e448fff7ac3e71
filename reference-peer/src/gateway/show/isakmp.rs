//! `show crypto isakmp sa`.

use super::conn_id;
use crate::Instant;
use crate::config::isakmp::Phase1;
use crate::gateway::Gateway;
use crate::ike::v1::{IsakmpSaInfo, State};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// How long an SA is shown after its end. In the guide's procedure that is longer than thirty pings take, two of them
/// lost.
const SHOWN: Duration = Duration::from_secs(60);

/// Most SAs that are shown after their end.
const MOST: usize = 32;

/// ISAKMP SAs that have ended a short time ago, the oldest first.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Ended {
    sas: VecDeque<(Instant, IsakmpSaInfo)>,
}

impl Ended {
    /// These have ended now.
    pub(in crate::gateway) fn note(&mut self, now: Instant, sas: Vec<IsakmpSaInfo>) {
        self.sas.extend(sas.into_iter().map(|info| (now, info)));
        let too_many = self.sas.len().saturating_sub(MOST);
        self.sas.drain(..too_many);
    }

    fn shown(&self, now: Instant) -> impl Iterator<Item = &IsakmpSaInfo> {
        self.sas.iter().filter(move |(at, _)| now.since(*at) < SHOWN).map(|(_, info)| info)
    }
}

impl Gateway {
    /// The lines of `show crypto isakmp sa`: ISAKMP SAs, and those that have ended within the last minute.
    pub fn isakmp_lines(&self, now: Instant) -> Vec<IsakmpLine> {
        let current = self.isakmp().isakmp_sas();
        let current = current.iter().rev().map(|info| IsakmpLine::new(info, false));
        current.chain(self.ended.shown(now).map(|info| IsakmpLine::new(info, true))).collect()
    }
}

/// One ISAKMP SA in the guide's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsakmpLine {
    /// The peer. The guide has the peer here on both routers, whoever began (chapter 4, step 1).
    pub destination: IpAddr,
    /// Own address.
    pub source: IpAddr,
    /// State, such as `QM_IDLE`.
    pub state: &'static str,
    /// Number of the SA in this router.
    pub conn_id: u64,
    /// It has ended, and is shown a little longer.
    pub deleted: bool,
}

impl IsakmpLine {
    /// The line of an SA; `deleted`: one that has ended.
    pub fn new(info: &IsakmpSaInfo, deleted: bool) -> Self {
        Self {
            destination: info.path.remote.ip(),
            source: info.path.local.ip(),
            state: state(info, deleted),
            conn_id: conn_id(info.id),
            deleted,
        }
    }
}

/// The guide shows SAs that have ended as MM_NO_STATE.
fn state(info: &IsakmpSaInfo, deleted: bool) -> &'static str {
    match (info.exchange, info.state) {
        (_, State::Established) if !deleted => "QM_IDLE",
        (Phase1::Main, State::SaSetup) if !deleted => "MM_SA_SETUP",
        (Phase1::Main, State::KeyExchange) if !deleted => "MM_KEY_EXCH",
        (Phase1::Main, _) => "MM_NO_STATE",
        (Phase1::Aggressive, State::SaSetup | State::KeyExchange) if !deleted => "AG_INIT_EXCH",
        (Phase1::Aggressive, _) => "AG_NO_STATE",
    }
}

/// The lines with their heading.
pub fn isakmp_table(lines: &[IsakmpLine]) -> String {
    let mut text = "f_vrf/i_vrf   dst             src             state          conn-id slot\n".to_owned();
    for IsakmpLine { destination, source, state, conn_id, deleted } in lines {
        let (destination, source) = (destination.to_string(), source.to_string());
        let deleted = if *deleted { " (deleted)" } else { "" };
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "     /        {destination:<15} {source:<15} {state:<12} {conn_id:>9} {:>4}{deleted}", 0);
    }
    text
}
