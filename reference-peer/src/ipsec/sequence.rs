//! Sequence numbers of an SA: how the sender counts and how the receiver tells (RFC 4303 sections 2.2, 3.3.3, 3.4.3).

use std::sync::Arc;

use super::replay::{ReplayWindow, Verdict};
use crate::deviation::{Deviation, DeviationSet};

/// How an SA counts its packets. Both ends must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Numbering {
    /// 32 bits, all on the wire.
    #[default]
    Plain,
    /// Extended: 64 bits, of which the low 32 are on the wire (RFC 4303 section 2.2.1).
    Extended,
    /// Sixteen spaces, each with its own counter and window, so that the queues of a QoS policy don't overtake each
    /// other's numbers (vendor guide chapter 2, `crypto ipsec security-association multi-sn`). The four high bits on
    /// the wire select the space, the other 28 are the number. The guide doesn't give the layout; the sixteen spaces
    /// of its `show` output imply four bits.
    Spaces,
}

/// Spaces of [`Numbering::Spaces`].
pub const SPACES: u8 = 16;

/// Bits of the number within a space.
const SPACE_BITS: u32 = 28;
const SPACE_MASK: u64 = (1 << SPACE_BITS) - 1;

/// The sequence numbers of the SA are used up: it may send nothing more (RFC 4303 section 3.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sequence numbers are used up")]
pub struct SequenceExhausted;

/// The sender's counters.
#[derive(Debug, Clone)]
pub struct SequenceCounter {
    numbering: Numbering,
    /// The last number used in each space.
    last: [u64; SPACES as usize],
    /// Packets counted, of all spaces.
    packets: u64,
    deviations: Arc<DeviationSet>,
}

impl SequenceCounter {
    /// Counters at zero: the first number will be 1.
    pub fn new(numbering: Numbering, deviations: Arc<DeviationSet>) -> Self {
        Self { numbering, last: [0; SPACES as usize], packets: 0, deviations }
    }

    /// The next number to send: all 64 bits with extended numbers, with the selector above the number with spaces.
    /// `space` (0 to 15) only matters with [`Numbering::Spaces`].
    ///
    /// # Errors
    /// When the space is used up. It never cycles.
    pub fn advance(&mut self, space: u8) -> Result<u64, SequenceExhausted> {
        let has = |deviation| self.deviations.has(deviation);
        let space = if has(Deviation::CountsAllInOneSpace) { 0 } else { space % SPACES };
        let (index, most) = match self.numbering {
            Numbering::Plain => (0, u64::from(u32::MAX)),
            Numbering::Extended => (0, u64::MAX),
            Numbering::Spaces => (usize::from(space), SPACE_MASK),
        };
        let last = &mut self.last[index];
        self.packets += 1;
        let step = match self.packets {
            1 if has(Deviation::StartsSequenceAtZero) => 0,
            n if n.is_multiple_of(8) && has(Deviation::RepeatsSequenceNumbers) => 0,
            n if n.is_multiple_of(8) && has(Deviation::SkipsSequenceNumbers) => 2,
            _ => 1,
        };
        if self.packets.is_multiple_of(64) && has(Deviation::ResetsSequenceNumbers) {
            *last = 0;
        }
        *last = match last.checked_add(step).filter(|&next| next <= most) {
            Some(next) => next,
            None if has(Deviation::WrapsSequenceNumbers) => 0,
            None => return Err(SequenceExhausted),
        };
        match self.numbering {
            Numbering::Spaces => Ok(u64::from(space) << SPACE_BITS | *last),
            Numbering::Plain | Numbering::Extended => Ok(*last),
        }
    }

    /// The last number used in each space, one entry without spaces; 0 where none was.
    pub fn last(&self) -> &[u64] {
        match self.numbering {
            Numbering::Spaces => &self.last,
            Numbering::Plain | Numbering::Extended => &self.last[..1],
        }
    }

    /// Sets the last number used, so that a test can come near the end of a space.
    pub fn preset(&mut self, space: u8, last: u64) {
        let index = if self.numbering == Numbering::Spaces { space % SPACES } else { 0 };
        self.last[usize::from(index)] = last;
    }

    /// Is fifteen sixteenths of any space used up? Then it is time for a new SA.
    pub fn nearly_exhausted(&self) -> bool {
        let most = match self.numbering {
            Numbering::Plain => u64::from(u32::MAX),
            Numbering::Extended => u64::MAX,
            Numbering::Spaces => SPACE_MASK,
        };
        self.last.iter().any(|&last| last > most / 16 * 15)
    }
}

/// The receiver's windows: one, or one a space. The place where it is decided whether a number is acceptable.
#[derive(Debug, Clone)]
pub struct ReplayCheck {
    numbering: Numbering,
    windows: Vec<ReplayWindow>,
    deviations: Arc<DeviationSet>,
}

impl ReplayCheck {
    /// A window of `size` numbers; `None` for no check. With several spaces each has its own, which is considerably
    /// shorter (vendor guide chapter 2): [`ReplayCheck::size_of_each_space`].
    pub fn new(numbering: Numbering, size: Option<u32>, deviations: Arc<DeviationSet>) -> Self {
        let size = size.or(deviations.has(Deviation::ChecksReplayAlthoughOff).then_some(ReplayWindow::DEFAULT_SIZE));
        let shorter = numbering == Numbering::Spaces && !deviations.has(Deviation::FullWindowForEachSpace);
        let size = size.map(|size| if shorter { Self::size_of_each_space(size) } else { size });
        let size = size.map(|size| deviant_size(size, &deviations));
        let mut window = match (numbering, size) {
            (Numbering::Extended, Some(size)) => ReplayWindow::extended(size),
            (_, Some(size)) => ReplayWindow::new(size),
            (_, None) => ReplayWindow::off(numbering == Numbering::Extended),
        };
        if deviations.has(Deviation::AcceptsSequenceZero) {
            window.forget(0);
        }
        let count = if numbering == Numbering::Spaces { usize::from(SPACES) } else { 1 };
        Self { numbering, windows: vec![window; count], deviations }
    }

    /// The window of each of several spaces on an SA for which a window of `size` is set: a quarter of it, but not less
    /// than the 32 that RFC 4303 section 3.4.3 asks for. The guide says "considerably shorter" and no figure.
    pub fn size_of_each_space(size: u32) -> u32 {
        (size / 4).max(32).min(size)
    }

    /// The whole number of a packet from the 32 bits that it carries, and what the window says of it. Changes nothing.
    pub fn check(&self, carried: u32) -> (u64, Verdict) {
        let (index, number) = self.locate(carried.into());
        let inferred = self.windows.get(index).and_then(|window| Some((window, self.infer(window, number as u32)?)));
        let Some((window, whole)) = inferred else { return (u64::from(carried), Verdict::TooOld) };
        let verdict = self.judge(window, whole);
        (if self.numbering == Numbering::Spaces { carried.into() } else { whole }, verdict)
    }

    /// Takes note of a whole number (as [`check`](Self::check) gave it) whose packet has been verified.
    pub fn accept(&mut self, whole: u64) {
        let (index, number) = self.locate(whole);
        let Some(window) = self.windows.get_mut(index) else { return };
        let has = |deviation| self.deviations.has(deviation);
        if has(Deviation::WrapsReceiveWindow) && number < window.top() && window.check(number) == Verdict::TooOld {
            *window = ReplayWindow::new(window.size().unwrap_or(0));
        }
        let old_top = window.top();
        if has(Deviation::ClearsNewestBlockOnly) {
            window.accept_clearing_newest_only(number);
        } else {
            window.accept(number);
        }
        if has(Deviation::MarksSkippedNumbers) {
            window.mark_between(old_top, number);
        }
    }

    /// The windows: one, or sixteen in the order of their spaces. What each has received highest is its
    /// [`top`](ReplayWindow::top).
    pub fn windows(&self) -> &[ReplayWindow] {
        &self.windows
    }

    /// Would accepting this whole number move a window?
    pub(crate) fn is_ahead(&self, whole: u64) -> bool {
        let (index, number) = self.locate(whole);
        self.windows.get(index).is_some_and(|window| number > window.top())
    }

    /// The window's place and the number in it.
    fn locate(&self, whole: u64) -> (usize, u64) {
        match self.numbering {
            Numbering::Spaces if self.deviations.has(Deviation::OneWindowForAllSpaces) => (0, whole & SPACE_MASK),
            Numbering::Spaces => ((whole >> SPACE_BITS) as usize, whole & SPACE_MASK),
            Numbering::Plain | Numbering::Extended => (0, whole),
        }
    }

    fn infer(&self, window: &ReplayWindow, number: u32) -> Option<u64> {
        let Some(whole) = window.infer(number) else {
            let takes = self.deviations.has(Deviation::TakesHighHalfOfMinusOne);
            return takes.then_some(u64::from(u32::MAX) << 32 | u64::from(number));
        };
        let (high, top_high) = (whole >> 32, window.top() >> 32);
        let keeps = high > top_high && self.deviations.has(Deviation::NeverIncrementsEsnHighHalf)
            || high < top_high && self.deviations.has(Deviation::TakesLateEsnForNew);
        Some(if keeps { top_high << 32 | u64::from(number) } else { whole })
    }

    fn judge(&self, window: &ReplayWindow, number: u64) -> Verdict {
        let honest = window.check(number);
        if self.deviations.is_empty() || window.size().is_none() {
            return honest;
        }
        let has = |deviation| self.deviations.has(deviation);
        let top = window.top();
        if has(Deviation::ChecksOnlyLastNumber) {
            return if number == top { Verdict::Duplicate } else { Verdict::New };
        }
        if has(Deviation::AcceptsOnlyIncreasingNumbers) && number <= top {
            return Verdict::TooOld;
        }
        let wraps = (number as u32).wrapping_sub(top as u32) < 1 << 31;
        if honest == Verdict::TooOld
            && (has(Deviation::AcceptsLeftOfWindow) || wraps && has(Deviation::WrapsReceiveWindow))
        {
            return Verdict::New;
        }
        let gap = top > 0 && number.saturating_sub(top) > window.size().unwrap_or(0).into();
        if gap && has(Deviation::RefusesGaps) { Verdict::TooOld } else { honest }
    }
}

fn deviant_size(size: u32, deviations: &DeviationSet) -> u32 {
    if deviations.has(Deviation::WindowOneTooWide) {
        size.saturating_add(1)
    } else if deviations.has(Deviation::WindowOneTooNarrow) {
        size.saturating_sub(1)
    } else if deviations.has(Deviation::WindowOfSixteen) {
        16
    } else if deviations.has(Deviation::IgnoresWindowSize) {
        ReplayWindow::DEFAULT_SIZE
    } else {
        size
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn counts_from_one_and_never_cycles() {
        for (numbering, most) in [(Numbering::Plain, u64::from(u32::MAX)), (Numbering::Extended, u64::MAX)] {
            let mut counter = SequenceCounter::new(numbering, Arc::default());
            assert_eq!((counter.advance(0), counter.advance(7)), (Ok(1), Ok(2)));
            counter.preset(0, most - 1);
            assert!(counter.nearly_exhausted());
            assert_eq!(counter.advance(0), Ok(most));
            assert_eq!(counter.advance(0), Err(SequenceExhausted));
            assert_eq!(counter.advance(0), Err(SequenceExhausted));
        }
    }

    #[test]
    fn extended_numbers_pass_the_32_bits() {
        let mut counter = SequenceCounter::new(Numbering::Extended, Arc::default());
        counter.preset(0, u32::MAX.into());
        assert_eq!(counter.advance(0), Ok(1 << 32));
    }

    #[test]
    fn spaces_count_and_check_each_for_itself() {
        let mut counter = SequenceCounter::new(Numbering::Spaces, Arc::default());
        let mut check = ReplayCheck::new(Numbering::Spaces, Some(32), Arc::default());
        for number in 1..=100_u32 {
            for space in [0, 11] {
                let whole = counter.advance(space).unwrap() as u32;
                assert_eq!(whole, u32::from(space) << 28 | number);
                assert_eq!(check.check(whole), (whole.into(), Verdict::New));
                check.accept(whole.into());
                assert_eq!(check.check(whole).1, Verdict::Duplicate);
            }
        }
        assert_eq!(counter.last()[11], 100);
        assert_eq!(counter.last()[1], 0);
        assert_eq!(check.check(11 << 28 | 68).1, Verdict::TooOld);
        assert_eq!(check.check(11 << 28 | 69).1, Verdict::Duplicate);
        assert_eq!(check.check(12 << 28 | 1).1, Verdict::New);
        counter.preset(3, (1 << 28) - 1);
        assert_eq!(counter.advance(3), Err(SequenceExhausted));
        assert_eq!(counter.advance(4), Ok(4 << 28 | 1));
    }

    #[test]
    fn the_window_of_a_space_is_considerably_shorter() {
        for (size, expected) in [(0, 0), (16, 16), (64, 32), (128, 32), (256, 64), (1024, 256)] {
            let mut check = ReplayCheck::new(Numbering::Spaces, Some(size), Arc::default());
            assert_eq!(check.windows().len(), usize::from(SPACES));
            assert!(check.windows().iter().all(|window| window.size() == Some(expected)));
            check.accept(5 << 28 | 5000);
            let tops: Vec<_> = check.windows().iter().map(ReplayWindow::top).collect();
            assert_eq!(tops, [0, 0, 0, 0, 0, 5000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(check.check(5 << 28 | (5000 - expected)).1, Verdict::TooOld, "{size}");
            assert_ne!(check.check(5 << 28 | (5001 - expected)).1, Verdict::TooOld, "{size}");
        }
        let off = ReplayCheck::new(Numbering::Spaces, None, Arc::default());
        assert!(off.windows().iter().all(|window| window.size().is_none()));
    }

    #[test]
    fn a_plain_receiver_drops_what_a_sender_with_spaces_sends() {
        let mut sender = SequenceCounter::new(Numbering::Spaces, Arc::default());
        let mut receiver = ReplayCheck::new(Numbering::Plain, Some(64), Arc::default());
        let high = sender.advance(11).unwrap() as u32;
        receiver.accept(receiver.check(high).0);
        let low = sender.advance(0).unwrap() as u32;
        assert_eq!(receiver.check(low).1, Verdict::TooOld);
    }
}
