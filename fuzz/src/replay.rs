//! The anti-replay window against the most naive model: everything that was ever accepted.

use reference_peer::ipsec::replay::{ReplayWindow, Verdict};
use std::collections::BTreeSet;

const WIDEST: u32 = 1 << 16;

/// RFC 4303 appendix A2.1 word by word.
struct Model {
    size: Option<u32>,
    top: u64,
    seen: BTreeSet<u64>,
}

impl Model {
    /// The left edge; it lies beyond 64 bits if a window of no numbers has come to the last one.
    fn bottom(&self) -> Option<i128> {
        Some((i128::from(self.top) - i128::from(self.size?) + 1).max(0))
    }

    fn check(&self, sequence: u64) -> Verdict {
        match self.bottom() {
            Some(bottom) if i128::from(sequence) < bottom => Verdict::TooOld,
            Some(_) if self.seen.contains(&sequence) => Verdict::Duplicate,
            _ => Verdict::New,
        }
    }

    fn accept(&mut self, sequence: u64) {
        self.seen.insert(sequence);
        self.top = self.top.max(sequence);
    }
}

/// A window of any size on any walk: its verdicts, its edges, and what it infers are those of the model, checks change
/// nothing, and numbers that were not verified leave no trace.
///
/// Octets: size (4), kind (1), first number (8); then for each step its kind (1) and how far (2).
pub fn replay_window(data: &[u8]) {
    let Some((&[s0, s1, s2, s3, kind, start @ ..], steps)) = data.split_first_chunk::<13>() else { return };
    let size = u32::from_be_bytes([s0, s1, s2, s3]) % (WIDEST + 1);
    let (extended, off) = (kind & 1 == 1, kind & 2 == 2);
    let mut window = match (off, extended) {
        (true, extended) => ReplayWindow::off(extended),
        (false, true) => ReplayWindow::extended(size),
        (false, false) => ReplayWindow::new(size),
    };
    let mut model = Model { size: (!off).then_some(size), top: 0, seen: BTreeSet::from([0]) };
    receive(&mut window, &mut model, u64::from_be_bytes(start), true);
    for &[kind, d0, d1] in steps.as_chunks::<3>().0 {
        let distance = u64::from(u16::from_be_bytes([d0, d1]));
        let size = u64::from(size);
        let sequence = match kind & 7 {
            0 => model.top.checked_add(distance),
            1 => model.top.checked_sub(distance),
            // About the left edge.
            2 => model.top.checked_sub(size).and_then(|edge| edge.checked_add(distance % 5)),
            // About whole windows, and whole blocks, ahead.
            3 => model.top.checked_add(size * (distance >> 3)).and_then(|at| at.checked_add(distance & 7)),
            4 => model.top.checked_add(distance * 64),
            5 => model.top.checked_add(distance << 16),
            6 => model.top.checked_add(1 << 32).and_then(|at| at.checked_add(distance)),
            _ => model.top.checked_add(distance << 40),
        };
        if let Some(sequence) = sequence {
            receive(&mut window, &mut model, sequence, kind & 0x80 == 0);
        }
    }
}

/// As a receiver does it, with a good or a wrong ICV.
fn receive(window: &mut ReplayWindow, model: &mut Model, sequence: u64, genuine: bool) {
    let verdict = window.check(sequence);
    assert_eq!(verdict, model.check(sequence), "number {sequence}");
    infer(window, model, sequence);
    if verdict == Verdict::New && genuine {
        window.accept(sequence);
        model.accept(sequence);
    }
    let bottom = model.bottom().and_then(|bottom| u64::try_from(bottom).ok());
    assert_eq!((window.top(), window.bottom()), (model.top, bottom));
    if let Some(bottom) = window.bottom() {
        let edges = [Some(bottom), bottom.checked_sub(1), Some(model.top), model.top.checked_add(1)];
        edges.into_iter().flatten().for_each(|edge| assert_eq!(window.check(edge), model.check(edge), "edge {edge}"));
    }
}

/// The low half is enough for a number in the window, and for one less than 2^32 - size ahead.
fn infer(window: &ReplayWindow, model: &Model, sequence: u64) {
    let inferred = window.infer(sequence as u32);
    if window == &ReplayWindow::off(false) || !is_extended(window) {
        return assert_eq!(inferred, Some(u64::from(sequence as u32)));
    }
    let size = u64::from(model.size.unwrap_or(1 << 31)).max(1);
    let inside = sequence <= model.top && model.top - sequence < size;
    let ahead = sequence > model.top && sequence - model.top <= (1 << 32) - size;
    if inside || ahead {
        assert_eq!(inferred, Some(sequence));
    }
    assert!(inferred.is_none_or(|inferred| inferred as u32 == sequence as u32));
}

/// Only with extended numbers does the high half of an inferred one follow the highest.
fn is_extended(window: &ReplayWindow) -> bool {
    let mut probe = window.clone();
    probe.accept(u64::MAX);
    probe.infer(u32::MAX) == Some(u64::MAX)
}
