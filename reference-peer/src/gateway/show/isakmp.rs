//! `show crypto isakmp sa`.

use crate::config::isakmp::Phase1;
use crate::gateway::IsakmpSaEntry;
use crate::ike::v1::State;
use std::fmt::Write as _;

/// The guide shows SAs that have ended as MM_NO_STATE.
fn state(entry: &IsakmpSaEntry) -> &'static str {
    match (entry.info.exchange, entry.info.state) {
        (_, State::Established) => "QM_IDLE",
        (Phase1::Main, State::SaSetup) => "MM_SA_SETUP",
        (Phase1::Main, State::KeyExchange) => "MM_KEY_EXCH",
        (Phase1::Main, _) => "MM_NO_STATE",
        (Phase1::Aggressive, State::SaSetup | State::KeyExchange) => "AG_INIT_EXCH",
        (Phase1::Aggressive, _) => "AG_NO_STATE",
    }
}

/// A line for each SA, under the heading. The guide has the peer as destination on both routers, whoever began (chapter
/// 4, step 1).
pub(super) fn table(entries: &[IsakmpSaEntry]) -> String {
    let mut text = "f_vrf/i_vrf   dst             src             state          conn-id slot\n".to_owned();
    for entry in entries {
        let (destination, source) = (entry.info.path.remote.ip().to_string(), entry.info.path.local.ip().to_string());
        let (state, number) = (state(entry), entry.connection_id);
        let deleted = if entry.deleted.is_some() { " (deleted)" } else { "" };
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "     /        {destination:<15} {source:<15} {state:<12} {number:>9} {:>4}{deleted}", 0);
    }
    text
}
