//! Anti-replay windows and sequence number spaces (RFC 4303 section 3.4.3, guide chapter 2).

use super::config::DataConfig;
use crate::config::Window;
use crate::ipsec::sequence::Numbering;

/// The window that holds: that of a crypto map overrides the global one (guide chapter 2).
pub(super) fn effective(config: &DataConfig, own: Option<Window>) -> Window {
    own.unwrap_or(config.replay_window)
}

/// How packets are counted. Extended numbers fill all 32 bits on the wire, so there is no room for spaces beside them.
pub(super) fn numbering(config: &DataConfig, esn: bool) -> Numbering {
    match (esn, config.sequence_spaces) {
        (true, _) => Numbering::Extended,
        (false, true) => Numbering::Spaces,
        (false, false) => Numbering::Plain,
    }
}
