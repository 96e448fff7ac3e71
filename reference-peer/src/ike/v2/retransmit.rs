//! Message IDs, windows and retransmission (RFC 7296 sections 2.1 to 2.4).

use super::sa::{Pending, Task};
use crate::Instant;
use crate::config::Retransmission;
use crate::hands::Draft;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use wire::ikev2::ExchangeType;

/// Our requests on one IKE SA.
#[derive(Debug)]
pub(super) struct Requests {
    /// Message ID of the next one.
    pub(super) next_id: u32,
    /// How many the peer accepts at once.
    pub(super) window: u32,
    /// Those that wait for their responses, oldest first.
    pub(super) outstanding: VecDeque<Outstanding>,
    /// Those that wait for the window, each with the time before which it must not be made.
    pub(super) queue: VecDeque<(Option<Instant>, Task)>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { next_id: 0, window: 1, outstanding: VecDeque::new(), queue: VecDeque::new() }
    }
}

/// A request that waits for its response.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) message_id: u32,
    pub(super) exchange: ExchangeType,
    pub(super) pending: Pending,
    /// The datagram, bitwise as first sent; `None` if a hand has kept it back.
    pub(super) datagram: Option<Vec<u8>>,
    /// What it was made from.
    pub(super) draft: Option<Box<Draft>>,
    /// Retransmissions so far.
    pub(super) retransmissions: u32,
    pub(super) next_at: Instant,
    interval: Duration,
}

/// What a retransmission timer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Retransmit,
    GiveUp,
}

impl Requests {
    /// May another request be made now (section 2.3)?
    pub(super) fn window_open(&self) -> bool {
        let oldest = self.outstanding.front().map_or(self.next_id, |request| request.message_id);
        self.next_id.wrapping_sub(oldest) < self.window
    }

    /// Takes the request that this response answers.
    pub(super) fn answered(&mut self, message_id: u32, exchange: ExchangeType) -> Option<Outstanding> {
        let is = |request: &Outstanding| request.message_id == message_id && request.exchange == exchange;
        let index = self.outstanding.iter().position(is)?;
        self.outstanding.remove(index)
    }

    /// The next queued task that may be made now.
    pub(super) fn next_task(&mut self, now: Instant) -> Option<Task> {
        let index = self.queue.iter().position(|(ready, _)| ready.is_none_or(|ready| ready <= now))?;
        self.queue.remove(index).map(|(_, task)| task)
    }

    /// Queues a task for as soon as the window allows.
    pub(super) fn push(&mut self, task: Task) {
        self.queue.push_back((None, task));
    }
}

impl Outstanding {
    /// A request that has just been sent.
    pub(super) fn new(
        message_id: u32,
        exchange: ExchangeType,
        pending: Pending,
        datagram: Option<Vec<u8>>,
        now: Instant,
        policy: &Retransmission,
    ) -> Self {
        let interval = policy.first;
        Self {
            message_id,
            exchange,
            pending,
            datagram,
            draft: None,
            retransmissions: 0,
            next_at: now + interval,
            interval,
        }
    }

    /// The timer has run out: again, or not any more? The waits grow exponentially (section 2.4).
    pub(super) fn timeout(&mut self, now: Instant, policy: &Retransmission) -> Retry {
        if self.retransmissions >= policy.tries {
            return Retry::GiveUp;
        }
        self.retransmissions += 1;
        let seconds = self.interval.as_secs_f64() * policy.factor.max(1.0);
        self.interval = Duration::try_from_secs_f64(seconds).unwrap_or(policy.limit).min(policy.limit);
        self.next_at = now + self.interval.max(Duration::from_millis(1));
        Retry::Retransmit
    }
}

/// The peer's requests on one IKE SA, and our responses to them.
///
/// ```text
///   forgotten | stored responses | accepted     | beyond the window
///   ----------|------------------|--------------|------------------> Message ID
///             next - window      next           next + window
/// ```
#[derive(Debug)]
pub(super) struct Responses {
    next: u32,
    window: u32,
    /// Responses by Message ID; those at or above `next` are to requests that came out of order. `None` if a hand
    /// has kept the response back.
    stored: BTreeMap<u32, Option<Vec<u8>>>,
}

/// Where a request stands in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not seen yet, and acceptable.
    Fresh,
    /// Seen, and its response is stored.
    Repeated,
    /// Seen or missed, and forgotten.
    TooOld,
    /// Not acceptable yet.
    Beyond,
}

impl Responses {
    pub(super) fn new(window: u32) -> Self {
        Self { next: 0, window, stored: BTreeMap::new() }
    }

    /// Message ID of the next request that is expected.
    pub(super) fn next_expected(&self) -> u32 {
        self.next
    }

    /// Where does a request with this Message ID stand?
    pub(super) fn place(&self, message_id: u32) -> Place {
        if self.stored.contains_key(&message_id) {
            Place::Repeated
        } else if message_id < self.next {
            Place::TooOld
        } else if message_id - self.next < self.window {
            Place::Fresh
        } else {
            Place::Beyond
        }
    }

    /// The stored response, if any went out.
    pub(super) fn stored(&self, message_id: u32) -> Option<&[u8]> {
        self.stored.get(&message_id)?.as_deref()
    }

    /// Accepts this many at once from now on; never fewer than before (section 2.3).
    pub(super) fn widen(&mut self, window: u32) {
        self.window = self.window.max(window);
    }

    /// Takes all up to a request as seen; an honest peer never does.
    pub(super) fn skip_to(&mut self, message_id: u32) {
        self.next = self.next.max(message_id.saturating_add(1));
    }

    /// Stores the response to a request and moves the window.
    pub(super) fn store(&mut self, message_id: u32, datagram: Option<Vec<u8>>) {
        self.stored.insert(message_id, datagram);
        while self.stored.contains_key(&self.next) {
            self.next = self.next.saturating_add(1);
            if self.next == u32::MAX {
                break;
            }
        }
        let oldest = self.next.saturating_sub(self.window);
        self.stored = self.stored.split_off(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_grow_up_to_a_limit_and_end() {
        let policy =
            Retransmission { first: Duration::from_secs(1), factor: 2.0, limit: Duration::from_secs(5), tries: 4 };
        let mut now = Instant::START;
        let mut request = Outstanding::new(3, ExchangeType::INFORMATIONAL, Pending::Exchange, None, now, &policy);
        let mut waits = vec![];
        loop {
            waits.push(request.next_at.since(now).as_secs());
            now = request.next_at;
            if request.timeout(now, &policy) == Retry::GiveUp {
                break;
            }
        }
        assert_eq!(waits, [1, 2, 4, 5, 5]);
    }

    proptest! {
        /// Against a model that keeps everything.
        #[test]
        fn the_window_follows_its_rules(ids in prop::collection::vec(0u32..20, 0..60), window in 1u32..4) {
            let mut responses = Responses::new(window);
            let mut seen = std::collections::BTreeSet::new();
            for id in ids {
                let next = (0..).find(|id| !seen.contains(id)).unwrap_or(0);
                let expected = match (seen.contains(&id), id) {
                    (true, id) if id + window >= next => Place::Repeated,
                    (true, _) => Place::TooOld,
                    (false, id) if id - next < window => Place::Fresh,
                    (false, _) => Place::Beyond,
                };
                prop_assert_eq!(responses.place(id), expected);
                prop_assert_eq!(responses.next_expected(), next);
                if expected == Place::Fresh {
                    responses.store(id, Some(vec![]));
                    seen.insert(id);
                }
            }
        }
    }
}
