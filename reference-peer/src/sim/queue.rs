//! Things that happen at instants, in the order of their instants.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Instant;

/// A queue of timed items. Items of one instant come out in the order in which they went in, so that a run repeats.
#[derive(Debug, Clone)]
pub(crate) struct EventQueue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    at: Instant,
    order: u64,
    item: T,
}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), next: 0 }
    }
}

impl<T> EventQueue<T> {
    pub(crate) fn push(&mut self, at: Instant, item: T) {
        self.heap.push(Reverse(Entry { at, order: self.next, item }));
        self.next += 1;
    }

    /// When the first item is due.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the first item that is due at `now`, with the instant that it was due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next_event()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.item))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn by_time_and_then_by_arrival() {
        let at = |ms| Instant::after_start(Duration::from_millis(ms));
        let mut queue = EventQueue::default();
        for (ms, item) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            queue.push(at(ms), item);
        }
        assert_eq!(queue.pop(Instant::START), None);
        assert_eq!(queue.next_event(), Some(at(1)));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(at(9))).map(|(_, item)| item).collect();
        assert_eq!(order, ['a', 'b', 'c', 'd']);
    }
}
