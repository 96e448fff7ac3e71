//! A bound on what is sent because of packets that nobody has vouched for.

use crate::Instant;
use std::time::Duration;

/// Counts what is sent in each second.
#[derive(Debug, Default)]
pub(super) struct PerSecond {
    /// Beginning of the second that is counted, and how many there were in it.
    second: Option<(Instant, u32)>,
}

impl PerSecond {
    /// May one more be sent?
    pub(super) fn take(&mut self, most: u32, now: Instant) -> bool {
        let (begin, count) = match self.second {
            Some((begin, count)) if now.since(begin) < Duration::from_secs(1) => (begin, count),
            _ => (now, 0),
        };
        self.second = Some((begin, count.saturating_add(1)));
        count < most
    }

    /// Is there anything in this second?
    pub(super) fn is_counting(&self, now: Instant) -> bool {
        self.second.is_some_and(|(begin, _)| now.since(begin) < Duration::from_secs(1))
    }
}
