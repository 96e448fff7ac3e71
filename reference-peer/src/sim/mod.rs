//! The virtual network: Ethernet segments, links with faults, NAT boxes and hosts, on a virtual clock.
//!
//! Nothing here reads a clock or draws a random number of its own: a run with the same seed and the same inputs is the
//! same run. [`Network`] carries frames between ports; [`Node`] is what sits behind ports; [`run_until`] lets time
//! pass.

mod host;
mod link;
mod nat;
mod network;
mod queue;
mod run;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

pub use host::{Content, Host, Seen, Sending};
pub use link::{Cable, Link};
pub use nat::{EspTreatment, Filtering, INSIDE, Kind, Mapping, NatBox, NatConfig, NatCounters, OUTSIDE};
pub use network::{Delivery, Fate, Network, PortId, SegmentId, Tapped};
pub use run::{Livelock, Node, run_until};
