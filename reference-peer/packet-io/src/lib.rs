//! Links to the world: Ethernet frames in and out, gateways under test that are started and stopped, the real clock.
//!
//! This is the one crate with system calls. It knows frames and processes, but no protocol above Ethernet and
//! nothing of the reference peer.

mod clock;
mod link;

pub use clock::Clock;
pub use link::{Frame, FrameLink, MAX_FRAME, MIN_FRAME, SEND_LIMIT};
