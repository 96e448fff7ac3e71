//! Anti-replay windows and sequence number spaces (RFC 4303 section 3.4.3, guide chapter 2).

use super::config::DataConfig;
use crate::config::Window;
use crate::deviation::{Deviation, DeviationSet};
use crate::ipsec::sequence::{Numbering, SPACES};

/// The window that holds: that of a crypto map overrides the global one (guide chapter 2).
pub(super) fn effective(config: &DataConfig, own: Option<Window>, deviations: &DeviationSet) -> Window {
    let all_off = deviations.has(Deviation::DisablesReplayCheckForAll) && config.replay_window == Window::Off;
    match own {
        Some(_) if deviations.has(Deviation::GlobalWindowWins) || all_off => config.replay_window,
        own => own.unwrap_or(config.replay_window),
    }
}

/// How packets are counted. Extended numbers fill all 32 bits on the wire, so there is no room for spaces beside them.
pub(super) fn numbering(config: &DataConfig, esn: bool) -> Numbering {
    match (esn, config.sequence_spaces) {
        (true, _) => Numbering::Extended,
        (false, true) => Numbering::Spaces,
        (false, false) => Numbering::Plain,
    }
}

/// The same for what is received.
pub(super) fn numbering_received(config: &DataConfig, esn: bool, deviations: &DeviationSet) -> Numbering {
    match numbering(config, esn) {
        Numbering::Plain if deviations.has(Deviation::TakesSpacesUnasked) => Numbering::Spaces,
        numbering => numbering,
    }
}

/// The space of a packet: that of the egress queue which its DSCP puts it into.
pub(super) fn space(config: &DataConfig, dscp: u8) -> u8 {
    config.queues.get(&dscp).map_or(0, |space| space % SPACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(replay_window: Window) -> DataConfig {
        DataConfig { replay_window, ..DataConfig::default() }
    }

    #[test]
    fn the_crypto_map_overrides_the_global_window() {
        let none = DeviationSet::default();
        let global = config(Window::Packets(1024));
        let of = |own, deviations: &DeviationSet| effective(&global, own, deviations);
        assert_eq!(of(None, &none), Window::Packets(1024));
        assert_eq!(of(Some(Window::Packets(128)), &none), Window::Packets(128));
        assert_eq!(of(Some(Window::Off), &none), Window::Off);
        let wins = [Deviation::GlobalWindowWins].into_iter().collect();
        assert_eq!(of(Some(Window::Packets(128)), &wins), Window::Packets(1024));
        let off = config(Window::Off);
        assert_eq!(effective(&off, Some(Window::Packets(64)), &none), Window::Packets(64));
        assert_eq!(effective(&off, None, &none), Window::Off);
    }

    #[test]
    fn a_queue_has_its_space() {
        let config = DataConfig { queues: [(46, 11)].into_iter().collect(), ..DataConfig::default() };
        assert_eq!((space(&config, 46), space(&config, 0)), (11, 0));
    }
}
