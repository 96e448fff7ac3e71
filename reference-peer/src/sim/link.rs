//! What a link does to the frames that cross it.

use std::time::Duration;

use rand_core::Rng;

/// One direction of a cable. The default carries everything at once and unharmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Largest payload of a frame in octets, without the Ethernet header; longer frames are lost.
    pub mtu: usize,
    /// Time that every frame takes.
    pub delay: Duration,
    /// Further time, evenly spread from zero to this. Frames overtake each other when it is longer than the time
    /// between them.
    pub jitter: Duration,
    /// Share of frames that are lost, from 0 to 1.
    pub loss: f64,
    /// Share of frames that come twice, from 0 to 1.
    pub duplicate: f64,
    /// Share of frames that are held back by [`reorder_by`](Self::reorder_by), from 0 to 1, so that later ones
    /// overtake them.
    pub reorder: f64,
    /// How long a frame that is to be overtaken is held back.
    pub reorder_by: Duration,
    /// Does it carry anything at all? `false` is a cut cable.
    pub up: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            mtu: 1500,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_by: Duration::from_millis(10),
            up: true,
        }
    }
}

/// Both directions between a port and the switch of its segment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cable {
    /// From the port to the switch.
    pub transmit: Link,
    /// From the switch to the port.
    pub receive: Link,
}

/// What becomes of one frame on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// One or two copies arrive, each after its time.
    Carried(Duration, Option<Duration>),
    Lost,
    TooLong,
    Down,
}

impl Link {
    /// Decides on a frame of `payload` octets. Draws only for the faults that are switched on, so that switching on
    /// one fault does not change where another strikes first.
    pub(crate) fn carry(&self, payload: usize, rng: &mut dyn Rng) -> Passage {
        if !self.up {
            return Passage::Down;
        }
        if payload > self.mtu {
            return Passage::TooLong;
        }
        if chance(self.loss, rng) {
            return Passage::Lost;
        }
        let first = self.time(rng);
        let second = chance(self.duplicate, rng).then(|| self.time(rng));
        Passage::Carried(first, second)
    }

    fn time(&self, rng: &mut dyn Rng) -> Duration {
        let mut time = self.delay;
        if !self.jitter.is_zero() {
            time += self.jitter.mul_f64(unit(rng));
        }
        if chance(self.reorder, rng) {
            time += self.reorder_by;
        }
        time
    }
}

/// True in the given share of cases.
fn chance(share: f64, rng: &mut dyn Rng) -> bool {
    share > 0.0 && unit(rng) < share
}

/// Evenly spread over [0, 1).
fn unit(rng: &mut dyn Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
