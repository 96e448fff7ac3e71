//! The road between two engines, on a virtual clock: what the tests of both versions share.

use crate::Instant;
use crate::ike::v2::Path;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The end that begins, and the other.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// How long a datagram is on its way.
const DELAY: Duration = Duration::from_millis(10);

/// What the road does to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Lose,
    Twice,
    Late(Duration),
}

impl Fate {
    /// How long each copy that arrives is on its way.
    fn delays(self) -> Vec<Duration> {
        match self {
            Self::Pass => vec![DELAY],
            Self::Lose => vec![],
            Self::Twice => vec![DELAY, Duration::from_millis(25)],
            Self::Late(by) => vec![DELAY + by],
        }
    }
}

/// A datagram on the road.
#[derive(Debug, Clone)]
pub(super) struct Flying {
    pub(super) at: Instant,
    pub(super) from: usize,
    /// The path as the sender sees it.
    pub(super) path: Path,
    pub(super) datagram: Vec<u8>,
}

impl Flying {
    /// The copies of a datagram that arrive.
    pub(super) fn copies(fate: Fate, now: Instant, from: usize, path: Path, datagram: &[u8]) -> Vec<Self> {
        let copy = |delay| Self { at: now + delay, from, path, datagram: datagram.to_vec() };
        fate.delays().into_iter().map(copy).collect()
    }

    /// The path as the receiver sees it; `nat` is what a NAT gives A on the way from port 500, and the port after it on
    /// the way from port 4500.
    pub(super) fn arrival(&self, nat: Option<SocketAddr>) -> Path {
        let mut path = Path { local: self.path.remote, remote: self.path.local };
        if let Some(nat) = nat {
            if self.from == A {
                path.remote = SocketAddr::new(nat.ip(), nat.port() + u16::from(self.path.local.port() == 4500));
            } else if self.path.remote.ip() == nat.ip() {
                let port = if self.path.remote.port() == nat.port() { 500 } else { 4500 };
                path.local = SocketAddr::new(address(A), port);
            }
        }
        path
    }
}

/// What happens next.
pub(super) enum Step {
    /// The datagram at this place on the road arrives, then.
    Arrival(usize, Instant),
    /// The timer of this end runs out, then.
    Timer(usize, Instant),
}

/// The next datagram or timer, if there is one before `until`.
pub(super) fn next_step(road: &[Flying], timers: [Option<Instant>; 2], until: Instant) -> Option<Step> {
    let flying = road.iter().enumerate().min_by_key(|(_, flying)| flying.at).map(|(index, flying)| (index, flying.at));
    let timer = [A, B].into_iter().filter_map(|end| Some((timers[end]?, end))).min();
    match (flying, timer) {
        (Some((index, at)), timer) if at <= until && timer.is_none_or(|(time, _)| at <= time) => {
            Some(Step::Arrival(index, at))
        }
        (_, Some((at, end))) if at <= until => Some(Step::Timer(end, at)),
        _ => None,
    }
}

/// The address of an end.
pub(super) fn address(end: usize) -> IpAddr {
    if end == A { [192, 0, 2, 1].into() } else { [192, 0, 2, 2].into() }
}
