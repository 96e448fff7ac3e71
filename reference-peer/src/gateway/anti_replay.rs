//! Anti-replay windows and sequence number spaces (RFC 4303 section 3.4.3, guide chapter 2).

use super::config::{DataConfig, GatewayConfig};
use crate::config::{Esn, IkeConfig, Window};
use crate::deviation::{Deviation, DeviationSet};
use crate::ipsec::sequence::{Numbering, SPACES};

/// The window that holds: that of a crypto map overrides the global one (guide chapter 2). `off_somewhere`: the check is
/// off globally or for a crypto map.
pub(super) fn effective(
    config: &DataConfig,
    own: Option<Window>,
    off_somewhere: bool,
    deviations: &DeviationSet,
) -> Window {
    if off_somewhere && deviations.has(Deviation::DisablesReplayCheckForAll) {
        return Window::Off;
    }
    own.filter(|_| !deviations.has(Deviation::GlobalWindowWins)).unwrap_or(config.replay_window)
}

/// Is the check off globally or for a crypto map?
pub(super) fn is_off_somewhere(config: &GatewayConfig) -> bool {
    let ike = config.ike.connections.iter().flat_map(|connection| &connection.children);
    let isakmp = config.isakmp.connections.iter().flat_map(|connection| &connection.children);
    let mut windows = ike.map(|child| child.replay_window).chain(isakmp.map(|child| child.replay_window));
    config.data.replay_window == Window::Off || windows.any(|window| window == Some(Window::Off))
}

/// What is negotiated: who does not check for replays should not negotiate extended numbers (RFC 4303 section 3.3.3).
pub(super) fn negotiated(config: &GatewayConfig) -> IkeConfig {
    let mut ike = config.ike.clone();
    if ike.deviations.has(Deviation::NegotiatesEsnWithoutReplayCheck) {
        return ike;
    }
    for child in ike.connections.iter_mut().flat_map(|connection| &mut connection.children) {
        if child.replay_window.unwrap_or(config.data.replay_window) == Window::Off {
            child.esp_proposals.retain(|proposal| proposal.esn != Esn::Only);
            child.esp_proposals.iter_mut().for_each(|proposal| proposal.esn = Esn::No);
        }
    }
    ike
}

/// How packets are counted. Extended numbers fill all 32 bits on the wire, so there is no room for spaces beside them.
pub(super) fn numbering(in_spaces: bool, esn: bool) -> Numbering {
    match (esn, in_spaces) {
        (true, _) => Numbering::Extended,
        (false, true) => Numbering::Spaces,
        (false, false) => Numbering::Plain,
    }
}

/// The same for what is received.
pub(super) fn numbering_received(numbering: Numbering, deviations: &DeviationSet) -> Numbering {
    match numbering {
        Numbering::Plain if deviations.has(Deviation::TakesSpacesUnasked) => Numbering::Spaces,
        numbering => numbering,
    }
}

/// The space of a packet: that of the egress queue which its DSCP puts it into.
pub(super) fn space(config: &DataConfig, dscp: u8) -> u8 {
    config.queues.get(&dscp).map_or(0, |space| space % SPACES)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::config::{Child, Connection, EspProposal, Remote, Secret};

    fn config(replay_window: Window) -> DataConfig {
        DataConfig { replay_window, ..DataConfig::default() }
    }

    #[test]
    fn the_crypto_map_overrides_the_global_window() {
        let none = DeviationSet::default();
        let global = config(Window::Packets(1024));
        let of = |own, deviations: &DeviationSet| effective(&global, own, true, deviations);
        assert_eq!(of(None, &none), Window::Packets(1024));
        assert_eq!(of(Some(Window::Packets(128)), &none), Window::Packets(128));
        assert_eq!(of(Some(Window::Off), &none), Window::Off);
        assert_eq!(
            of(Some(Window::Packets(128)), &[Deviation::GlobalWindowWins].into_iter().collect()),
            Window::Packets(1024)
        );
        let all = [Deviation::DisablesReplayCheckForAll].into_iter().collect();
        assert_eq!(of(Some(Window::Packets(128)), &all), Window::Off);
        assert_eq!(effective(&global, None, false, &all), Window::Packets(1024));
        let off = config(Window::Off);
        assert_eq!(effective(&off, Some(Window::Packets(64)), true, &none), Window::Packets(64));
        assert_eq!(effective(&off, None, true, &none), Window::Off);
    }

    #[test]
    fn extended_numbers_are_not_negotiated_without_a_check() {
        let gcm: EspProposal = "aes128gcm16".parse().unwrap();
        let proposal = |esn| EspProposal { esn, ..gcm.clone() };
        let left = |global, own, deviations: DeviationSet| {
            let (address, proposals) =
                ([192, 0, 2, 1].into(), [Esn::Only, Esn::Either, Esn::No].map(proposal).to_vec());
            let mut connection = Connection::new("peer", address, Remote::Any, Secret::new("secret"));
            connection.children = vec![Child::new("net", Vec::new(), Vec::new(), proposals)];
            connection.children.iter_mut().for_each(|child| child.replay_window = own);
            let ike = IkeConfig { connections: vec![connection], deviations, ..IkeConfig::default() };
            let config = GatewayConfig { ike, data: config(global), ..GatewayConfig::default() };
            let children = negotiated(&config).connections.into_iter().flat_map(|connection| connection.children);
            children.flat_map(|child| child.esp_proposals).map(|proposal| proposal.esn).collect::<Vec<_>>()
        };
        let all = vec![Esn::Only, Esn::Either, Esn::No];
        let none = DeviationSet::default;
        assert_eq!(left(Window::Packets(64), None, none()), all);
        assert_eq!(left(Window::Off, None, none()), [Esn::No, Esn::No]);
        assert_eq!(left(Window::Packets(64), Some(Window::Off), none()), [Esn::No, Esn::No]);
        assert_eq!(left(Window::Off, Some(Window::Packets(64)), none()), all);
        let deviant = [Deviation::NegotiatesEsnWithoutReplayCheck].into_iter().collect();
        assert_eq!(left(Window::Off, None, deviant), all);
    }

    #[test]
    fn the_queue_gives_the_space() {
        let config = DataConfig { queues: [(46, 11)].into_iter().collect(), ..DataConfig::default() };
        assert_eq!((space(&config, 46), space(&config, 0)), (11, 0));
    }
}
