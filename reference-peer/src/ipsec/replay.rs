//! The anti-replay window of one sequence number space (RFC 4303 section 3.4.3 and appendix A2).
//!
//! ```text
//!                  bottom = top - size + 1          top
//!   ... too old ... | seen? | seen? | ...  | seen? | seen | new ...
//! ```
//!
//! Numbers are kept as bits in a ring of blocks (the idea of RFC 6479). The ring has one block more than the window
//! needs, so the window has exactly the size that was asked for wherever its edges fall, and moving it never shifts
//! bits. Each block carries the number of the block that it stands for: what is left over from before a jump is told by
//! that number and needs no clearing. So a check and an acceptance touch one block each, whatever the size and the jump.

/// Words a block. With four a window of 1024 costs 120 octets more than one of 64, the 128 that the guide names
/// (chapter 2), although each block has a number.
const WORDS: usize = 4;

/// Bits a block.
const BLOCK: u64 = WORDS as u64 * u64::BITS as u64;

/// The number of a block that stands for nothing yet: larger than that of any sequence number.
const UNUSED: u64 = u64::MAX;

/// The widest window for which the high half of an extended number can be inferred (RFC 4303 appendix A2).
const WIDEST: u32 = 1 << 31;

/// Marks of sequence numbers `number * BLOCK ..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    number: u64,
    bits: [u64; WORDS],
}

impl Block {
    const EMPTY: Self = Self { number: UNUSED, bits: [0; WORDS] };

    fn marked(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.number == sequence / BLOCK && self.bits[word] & bit != 0
    }

    /// Marks a number; the block stands for those around it from now on.
    fn mark(&mut self, sequence: u64) {
        let number = sequence / BLOCK;
        if self.number != number {
            *self = Self { number, ..Self::EMPTY };
        }
        let (word, bit) = place(sequence);
        self.bits[word] |= bit;
    }

    fn unmark(&mut self, sequence: u64) {
        let (word, bit) = place(sequence);
        if self.number == sequence / BLOCK {
            self.bits[word] &= !bit;
        }
    }
}

/// Word and bit of a number in its block.
fn place(sequence: u64) -> (usize, u64) {
    let bits = u64::from(u64::BITS);
    ((sequence / bits) as usize % WORDS, 1 << (sequence % bits))
}

/// What the window says of a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen yet: in the window and unmarked, or to the right of it.
    New,
    /// In the window and already accepted.
    Duplicate,
    /// To the left of the window, whether seen or not.
    TooOld,
}

/// The sliding window of one SA, or of one sequence number space of an SA.
///
/// [`check`](Self::check) never changes it; [`accept`](Self::accept) is for numbers of packets whose ICV has been
/// verified.
///
/// Number 0 counts as received from the start: the sender's first packet carries 1 (RFC 4303 section 3.3.3), so a
/// packet with the number 0 is a [`Verdict::Duplicate`] while 0 is in the window and [`Verdict::TooOld`] later. With
/// extended numbers that holds for the 64-bit number 0 alone; a low half of 0 after 2^32 - 1 packets is a number
/// like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayWindow {
    /// `None` when the service is off for this SA.
    size: Option<u32>,
    extended: bool,
    top: u64,
    blocks: Box<[Block]>,
}

impl ReplayWindow {
    /// The size that RFC 4303 section 3.4.3 prefers, and the vendor's default (chapter 2).
    pub const DEFAULT_SIZE: u32 = 64;

    /// A window of `size` 32-bit numbers, nothing received yet. Every size works; RFC 4303 section 3.4.3 wants at
    /// least 32. A size of 0 accepts only numbers to the right of the highest; above 2^31 it is cut to 2^31.
    pub fn new(size: u32) -> Self {
        Self::with(Some(size.min(WIDEST)), false)
    }

    /// A window of `size` extended (64-bit) numbers.
    pub fn extended(size: u32) -> Self {
        Self::with(Some(size.min(WIDEST)), true)
    }

    /// No check at all: every number is new. The highest number is still tracked, so that the high half of an
    /// extended number can be inferred.
    pub fn off(extended: bool) -> Self {
        Self::with(None, extended)
    }

    fn with(size: Option<u32>, extended: bool) -> Self {
        let blocks = size.map_or(0, |size| u64::from(size).div_ceil(BLOCK) + 1);
        let mut window =
            Self { size, extended, top: 0, blocks: vec![Block::EMPTY; blocks as usize].into_boxed_slice() };
        window.mark(0);
        window
    }

    /// Number of sequence numbers that it holds; `None` when the check is off.
    pub fn size(&self) -> Option<u32> {
        self.size
    }

    /// The highest number accepted so far (T in RFC 4303 appendix A2), 0 at first.
    pub fn top(&self) -> u64 {
        self.top
    }

    /// The lowest number that is not too old (B); `None` when the check is off, and when there is none: after 2^64 - 1
    /// in a window of size 0.
    pub fn bottom(&self) -> Option<u64> {
        let size = u128::from(self.size?);
        u64::try_from((u128::from(self.top) + 1).saturating_sub(size)).ok()
    }

    /// The whole sequence number of a packet that carries `low`: itself without extended numbers, else with the high
    /// half inferred (RFC 4303 appendix A2.2).
    ///
    /// `None` if it would lie before number 0 (a high half of -1 on a young SA) or after 2^64 - 1. Such a packet is
    /// too old, respectively beyond the life of the SA.
    pub fn infer(&self, low: u32) -> Option<u64> {
        if !self.extended {
            return Some(u64::from(low));
        }
        let size = self.size.unwrap_or(WIDEST).max(1);
        let (top_high, top_low) = ((self.top >> 32) as u32, self.top as u32);
        let bottom_low = top_low.wrapping_sub(size - 1);
        let one_subspace = top_low >= size - 1;
        let high = match (one_subspace, low >= bottom_low) {
            (true, true) | (false, false) => top_high,
            (true, false) => top_high.checked_add(1)?,
            (false, true) => top_high.checked_sub(1)?,
        };
        Some(u64::from(high) << 32 | u64::from(low))
    }

    /// Is this (whole) number acceptable? Changes nothing.
    pub fn check(&self, sequence: u64) -> Verdict {
        let Some(size) = self.size else { return Verdict::New };
        if sequence > self.top {
            Verdict::New
        } else if self.top - sequence >= u64::from(size) {
            Verdict::TooOld
        } else if self.marked(sequence) {
            Verdict::Duplicate
        } else {
            Verdict::New
        }
    }

    /// Takes note of a number whose packet has been verified, and moves the window if it is the highest so far.
    /// Numbers to the left of the window leave no trace.
    pub fn accept(&mut self, sequence: u64) {
        self.top = self.top.max(sequence);
        if self.check(sequence) == Verdict::New {
            self.mark(sequence);
        }
    }

    /// As [`accept`](Self::accept), as it goes wrong where marks are kept in a ring of 64-bit blocks and of those that
    /// a jump steps over only the last is cleared: the others keep the marks of numbers a ring earlier. Only for peers
    /// that are faulty on purpose.
    pub(crate) fn accept_clearing_newest_only(&mut self, sequence: u64) {
        const STEP: u64 = 64;
        let old = self.top;
        let ring = (u64::from(self.size.unwrap_or(0)).div_ceil(STEP) + 1) * STEP;
        let before = self.clone();
        self.accept(sequence);
        let Some(bottom) = self.bottom().filter(|_| sequence > old) else { return };
        let first = (old / STEP + 1) * STEP;
        for stale in first.max(bottom)..sequence / STEP * STEP {
            let rings = (stale - first) / ring + 1;
            if stale.checked_sub(rings * ring).is_some_and(|earlier| before.marked(earlier)) {
                self.mark(stale);
            }
        }
    }

    /// Marks what lies between two numbers, as far as the window holds it. Only for peers that are faulty on purpose.
    pub(crate) fn mark_between(&mut self, low: u64, high: u64) {
        let Some(bottom) = self.bottom() else { return };
        for sequence in low.saturating_add(1).max(bottom)..high.min(self.top) {
            self.mark(sequence);
        }
    }

    /// Forgets that a number was received. Only for peers that are faulty on purpose.
    pub(crate) fn forget(&mut self, sequence: u64) {
        if let Some(block) = self.block_mut(sequence) {
            block.unmark(sequence);
        }
    }

    fn marked(&self, sequence: u64) -> bool {
        self.blocks.get(self.index(sequence)).is_some_and(|block| block.marked(sequence))
    }

    fn mark(&mut self, sequence: u64) {
        if let Some(block) = self.block_mut(sequence) {
            block.mark(sequence);
        }
    }

    /// The block for a number; none while the check is off.
    fn block_mut(&mut self, sequence: u64) -> Option<&mut Block> {
        let index = self.index(sequence);
        self.blocks.get_mut(index)
    }

    fn index(&self, sequence: u64) -> usize {
        (sequence / BLOCK).checked_rem(self.blocks.len() as u64).unwrap_or(0) as usize
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Two-stage use as the receiver does it, the ICV being good.
    fn receive(window: &mut ReplayWindow, sequence: u64) -> Verdict {
        let verdict = window.check(sequence);
        if verdict == Verdict::New {
            window.accept(sequence);
        }
        verdict
    }

    /// RFC 4303 appendix A2.1 in the most naive form: everything that was ever accepted.
    struct Model {
        size: u64,
        top: u64,
        seen: HashSet<u64>,
    }

    impl Model {
        fn new(size: u32) -> Self {
            Self { size: size.into(), top: 0, seen: HashSet::from([0]) }
        }

        fn receive(&mut self, sequence: u64) -> Verdict {
            if i128::from(sequence) < i128::from(self.top) - i128::from(self.size) + 1 {
                Verdict::TooOld
            } else if !self.seen.insert(sequence) {
                Verdict::Duplicate
            } else {
                self.top = self.top.max(sequence);
                Verdict::New
            }
        }
    }

    #[test]
    fn edges_of_the_default_window() {
        let mut window = ReplayWindow::new(64);
        assert_eq!(receive(&mut window, 1000), Verdict::New);
        assert_eq!(window.bottom(), Some(937));
        assert_eq!(window.check(936), Verdict::TooOld);
        assert_eq!(receive(&mut window, 937), Verdict::New);
        assert_eq!(receive(&mut window, 937), Verdict::Duplicate);
    }

    #[test]
    fn the_guides_example_of_reordering_by_qos() {
        let mut window = ReplayWindow::new(64);
        for sequence in [101, 102, 39] {
            assert_eq!(receive(&mut window, sequence), Verdict::New);
        }
        assert_eq!(window.check(38), Verdict::TooOld);
        assert_eq!(window.check(1), Verdict::TooOld);
    }

    #[test]
    fn zero_is_not_valid() {
        let mut window = ReplayWindow::new(64);
        assert_eq!(window.check(0), Verdict::Duplicate);
        assert_eq!(receive(&mut window, 1), Verdict::New);
        assert_eq!(receive(&mut window, 64), Verdict::New);
        assert_eq!(window.check(0), Verdict::TooOld);
    }

    #[test]
    fn nothing_wraps_without_extended_numbers() {
        let mut window = ReplayWindow::new(64);
        assert_eq!(receive(&mut window, u32::MAX.into()), Verdict::New);
        for low in 0..3 {
            assert_eq!(window.check(window.infer(low).unwrap()), Verdict::TooOld);
        }
    }

    #[test]
    fn off_accepts_everything() {
        let mut window = ReplayWindow::off(false);
        for sequence in [5, 5, 0, 1000, 1] {
            assert_eq!(receive(&mut window, sequence), Verdict::New);
        }
    }

    #[test]
    fn an_expanded_window_costs_no_more_than_the_guide_says() {
        let octets = |size| std::mem::size_of_val(&*ReplayWindow::new(size).blocks);
        assert!(octets(1024) - octets(64) <= 128);
        // And in all: a bit for each number, a quarter for the numbers of the blocks, and the block to spare.
        for size in [64, 128, 256, 512, 1024, 4096, 65_536] {
            assert!(octets(size) <= size as usize / 8 * 5 / 4 + 2 * size_of::<Block>(), "{size}");
        }
    }

    #[test]
    fn extended_numbers_cross_the_subspace() {
        let mut window = ReplayWindow::extended(64);
        window.accept((1 << 32) - 10);
        // Case A: the window lies in one subspace; a lower low half belongs to the next.
        assert_eq!(window.infer(5), Some((1 << 32) + 5));
        assert_eq!(window.infer(u32::MAX - 72), Some((1 << 32) - 73));
        assert_eq!(window.infer(u32::MAX - 73), Some((2 << 32) - 74));
        for step in 0..=20 {
            let sequence = (1 << 32) - 9 + step;
            assert_eq!(window.infer(sequence as u32), Some(sequence));
            assert_eq!(receive(&mut window, sequence), Verdict::New);
        }
        // Case B: the window spans two subspaces; a high low half belongs to the one before.
        assert_eq!(window.top(), (1 << 32) + 11);
        let late = (1 << 32) - 30;
        assert_eq!(window.infer(late as u32), Some(late));
        assert_eq!(receive(&mut window, late), Verdict::New);
        assert_eq!(receive(&mut window, late), Verdict::Duplicate);
    }

    #[test]
    fn no_high_half_of_minus_one() {
        let window = ReplayWindow::extended(64);
        assert_eq!(window.infer(u32::MAX), None);
        assert_eq!(window.infer(u32::MAX - 62), None);
        assert_eq!(window.infer(u32::MAX - 63), Some(u64::from(u32::MAX) - 63));
        let mut last = ReplayWindow::extended(64);
        last.accept(u64::MAX);
        assert_eq!(last.infer(3), None);
    }

    #[test]
    fn degenerate_sizes() {
        let mut none = ReplayWindow::new(0);
        assert_eq!(receive(&mut none, 3), Verdict::New);
        assert_eq!(receive(&mut none, 3), Verdict::TooOld);
        none.accept(u64::MAX);
        assert_eq!((none.bottom(), none.check(u64::MAX)), (None, Verdict::TooOld));
        let mut one = ReplayWindow::new(1);
        assert_eq!(receive(&mut one, 3), Verdict::New);
        assert_eq!(one.check(3), Verdict::Duplicate);
        assert_eq!(one.check(2), Verdict::TooOld);
    }

    /// After a jump of any length nothing is left over of what was marked before, wherever it comes to stand.
    #[test]
    fn nothing_is_left_over_after_a_jump() {
        for size in [1, 32, 64, 65, 256, 1024] {
            let full = 2_000;
            let mut filled = ReplayWindow::extended(size);
            (1..=full).for_each(|sequence| filled.accept(sequence));
            for jump in (1..=3_000).chain([1 << 20, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 40]) {
                let mut window = filled.clone();
                let top = full + jump;
                window.accept(top);
                for sequence in window.bottom().unwrap()..top {
                    let expected = if sequence <= full { Verdict::Duplicate } else { Verdict::New };
                    assert_eq!(window.check(sequence), expected, "size {size} jump {jump} number {sequence}");
                }
            }
        }
    }

    fn sizes() -> impl Strategy<Value = u32> {
        prop_oneof![Just(32), Just(64), Just(128), Just(1024), Just(4096), Just(65_536), 1_u32..=4200, 1_u32..=65_536]
    }

    /// Steps relative to the top: near it, around the window's edge, around multiples of a block, far ahead.
    fn steps(size: u32) -> impl Strategy<Value = i64> {
        let size = i64::from(size);
        prop_oneof![
            4 => -80_i64..80,
            4 => -size - 3..=size + 3,
            2 => -size - 2..=-size + 2,
            2 => (-300_i64..300, -1_i64..=1).prop_map(|(blocks, off)| blocks * 64 + off),
            1 => 0_i64..10_000_000,
            1 => ((1_i64 << 32) - 2)..((1_i64 << 32) + 3),
            1 => 0_i64..1 << 44,
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_the_model(
            (size, walk) in sizes().prop_flat_map(|size| (Just(size), prop::collection::vec(steps(size), 1..400))),
            start in 0_u64..1 << 40,
        ) {
            let mut window = ReplayWindow::extended(size);
            let mut model = Model::new(size);
            prop_assert_eq!(receive(&mut window, start), model.receive(start));
            for step in walk {
                let sequence = model.top.saturating_add_signed(step);
                prop_assert_eq!(receive(&mut window, sequence), model.receive(sequence), "number {}", sequence);
                prop_assert_eq!(window.top(), model.top);
            }
        }

        /// A packet that the window would hold, or that is less than 2^32 - size ahead, is inferred right.
        #[test]
        fn inference_finds_the_number(
            size in sizes(), top in any::<u64>(), ahead in any::<u32>(), behind in any::<u32>(),
        ) {
            let mut window = ReplayWindow::extended(size);
            window.accept(top);
            let ahead = u64::from(ahead).min((1 << 32) - u64::from(size));
            if let Some(sequence) = top.checked_add(ahead) {
                prop_assert_eq!(window.infer(sequence as u32), Some(sequence));
            }
            if let Some(sequence) = top.checked_sub(u64::from(behind % size)) {
                prop_assert_eq!(window.infer(sequence as u32), Some(sequence));
            }
        }

        /// The receiver knows 32 bits alone. As long as the sender is less than 2^32 - size ahead, and nothing older than
        /// the window arrives, it decides as one that saw all 64.
        #[test]
        fn half_the_number_is_enough(
            (size, walk) in sizes().prop_flat_map(|size| {
                let step = prop_oneof![
                    3 => 1 - i64::from(size)..=0,
                    3 => 0_i64..200,
                    1 => 0..=(1_i64 << 32) - i64::from(size),
                ];
                (Just(size), prop::collection::vec(step, 1..200))
            }),
            start in prop_oneof![Just(1_u64), (1_u64 << 32) - 200..(1 << 32) + 200, 0_u64..1 << 40],
        ) {
            let mut window = ReplayWindow::extended(size);
            let mut model = Model::new(size);
            window.accept(start);
            model.receive(start);
            for step in walk {
                let Some(sequence) = model.top.checked_add_signed(step) else { continue };
                let inferred = window.infer(sequence as u32);
                prop_assert_eq!(inferred, Some(sequence));
                prop_assert_eq!(receive(&mut window, sequence), model.receive(sequence), "number {}", sequence);
            }
        }

        #[test]
        fn a_check_changes_nothing(size in sizes(), top in any::<u64>(), probes in prop::collection::vec(any::<u64>(), 20)) {
            let mut window = ReplayWindow::new(size);
            window.accept(top);
            let before = window.clone();
            for probe in probes {
                window.check(probe);
                window.infer(probe as u32);
            }
            prop_assert_eq!(window, before);
        }
    }
}
