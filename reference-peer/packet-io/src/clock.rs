//! The real clock: monotonic time since the start of a run, and the calendar time that belongs to it.

use std::time::{Duration, Instant, SystemTime};

/// A real monotonic clock that counts from its own start. Copies count from the same start.
///
/// Everything that is timed in a run (frames, steps, expectations) is timed by copies of one clock, so that the
/// times can be compared. The calendar is read once, at the start: a correction of the host's calendar in mid-run
/// does not move a capture's time stamps.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    calendar_start: SystemTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now(), calendar_start: SystemTime::now() }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The system's monotonic instant for a time since the start, or `None` where it cannot be represented.
    pub fn instant(&self, since_start: Duration) -> Option<Instant> {
        self.start.checked_add(since_start)
    }

    /// Calendar time for a time since the start, as capture files want it.
    pub fn calendar(&self, since_start: Duration) -> SystemTime {
        self.calendar_start.checked_add(since_start).unwrap_or(self.calendar_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_forward_and_copies_agree() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        let second = copy.now();
        let third = clock.now();
        assert!(first <= second && second <= third);
    }

    #[test]
    fn calendar_follows_the_monotonic_clock() {
        let clock = Clock::start();
        let day = Duration::from_secs(86_400);
        assert_eq!(clock.calendar(day).duration_since(clock.calendar(Duration::ZERO)).ok(), Some(day));
        assert_eq!(clock.calendar(Duration::MAX), clock.calendar(Duration::ZERO), "out of range does not panic");
        assert_eq!(clock.instant(Duration::MAX), None);
    }
}
