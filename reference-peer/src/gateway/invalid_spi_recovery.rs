//! What becomes of an ESP or AH packet that no SA has the SPI of (RFC 7296 sections 1.5 and 2.21.4, RFC 4303 section
//! 3.4.2, guide chapter 4).
//!
//! The packet is dropped in any case. Whether its sender is told, and how, is [`InvalidSpi`]; what is sent because of
//! packets that nobody has vouched for is bounded, so that the peer is no amplifier.

use super::config::InvalidSpi;
use super::rate::PerSecond;
use crate::Instant;

/// How the sender of a packet with an unknown SPI is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not at all.
    Silence,
    /// INVALID_SPI in an INFORMATIONAL exchange of the IKE SA with the sender.
    Protected,
    /// INVALID_SPI in a one-way message without protection.
    Unprotected,
}

/// Bounds the answers.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    answers: PerSecond,
}

impl Recovery {
    /// Decides on a packet that came from an address with or without an IKE SA.
    pub(super) fn answer(&mut self, policy: &InvalidSpi, has_ike_sa: bool, unlimited: bool, now: Instant) -> Answer {
        let answer = match has_ike_sa {
            true if policy.notify_in_ike_sa => Answer::Protected,
            false if policy.notify_unprotected => Answer::Unprotected,
            _ => return Answer::Silence,
        };
        if unlimited || self.answers.take(policy.per_second, now) { answer } else { Answer::Silence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_gets_a_few_answers_a_second() {
        let policy = InvalidSpi { notify_in_ike_sa: true, notify_unprotected: false, per_second: 3 };
        let mut recovery = Recovery::default();
        let mut answers = 0;
        for millisecond in 0..2500 {
            let now = Instant::after_start(Duration::from_millis(millisecond));
            answers += u32::from(recovery.answer(&policy, true, false, now) == Answer::Protected);
            assert_eq!(recovery.answer(&policy, false, false, now), Answer::Silence);
        }
        assert_eq!(answers, 9);
    }
}
