//! The one trait for every kind of link that carries Ethernet frames.

use std::io;
use std::time::Duration;

/// The longest frame that a link takes or gives: an Ethernet header, a VLAN tag and 65,535 octets of payload.
pub const MAX_FRAME: usize = 14 + 4 + 65_535;

/// The shortest frame that a link takes: an Ethernet header without payload. Shorter ones have no addresses.
pub const MIN_FRAME: usize = 14;

/// A frame as it came from a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The octets from the destination MAC address on, without preamble and frame check sequence.
    pub bytes: Vec<u8>,
    /// When it was received: time since the start of the link's [`Clock`](crate::Clock).
    pub received: Duration,
}

/// Ethernet frames in and out: the one trait for every kind of link (virtual network, AF_PACKET, guest kernel).
///
/// A link is shared (`Arc<dyn FrameLink>`): one thread blocks in [`receive`](Self::receive) while any number of
/// others send. What one user of the link sends is never received by another: only the far end's frames come in.
pub trait FrameLink: Send + Sync {
    /// Sends one whole frame, the exact octets given; nothing is padded, completed or repaired.
    ///
    /// # Errors
    /// `InvalidInput` for a frame shorter than [`MIN_FRAME`] or longer than the link carries; `BrokenPipe` when the
    /// far end has gone; `TimedOut` when the link takes no frames for [`SEND_LIMIT`]; otherwise what the system said.
    fn send(&self, frame: &[u8]) -> io::Result<()>;

    /// The next frame, or `None` when none came within `timeout` or [`wake`](Self::wake) was called.
    ///
    /// # Errors
    /// `BrokenPipe` when the far end has gone, `NetworkDown` when the interface is down, otherwise what the system
    /// said.
    fn receive(&self, timeout: Duration) -> io::Result<Option<Frame>>;

    /// Makes a blocked [`receive`](Self::receive) return `None` at once, or the next one if none is blocked.
    fn wake(&self);

    /// How many frames this machine lost before they could be received, since the link was opened. As long as it is
    /// zero, a frame that was not received was not there.
    fn lost(&self) -> u64 {
        0
    }

    /// The MAC address of the interface that the frames go through, if the link has one. A tester that plays several
    /// hosts on a link makes up addresses of its own.
    fn mac(&self) -> Option<[u8; 6]>;

    /// The largest payload of a frame, in octets, without the Ethernet header.
    fn mtu(&self) -> usize;

    /// For messages to the user: what kind of link this is, and which.
    fn description(&self) -> String;
}

/// How long [`FrameLink::send`] waits for a link that takes no more frames before it gives up.
pub const SEND_LIMIT: Duration = Duration::from_secs(5);
