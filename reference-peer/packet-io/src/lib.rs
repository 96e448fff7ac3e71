//! Links to the world: Ethernet frames in and out, gateways under test that are started and stopped, the real clock.
//!
//! This is the one crate with system calls. It knows frames and processes, but no protocol above Ethernet and
//! nothing of the reference peer.
//!
//! - [`FrameLink`] is the one trait for every kind of link; [`PacketSocket`] is an interface of this machine,
//!   [`SocketPair`] a leg of a guest kernel. The virtual network is a third kind, elsewhere.
//! - [`StartedDut`] is a gateway under test that was started here and is stopped when it is dropped:
//!   [`Guest`] a Linux kernel in an unprivileged process, [`ForegroundCommand`] any other program.
//! - [`Clock`] times frames, steps and expectations alike.

mod af_packet;
mod clock;
mod command;
mod control;
mod dut;
mod error;
mod guest;
mod link;
mod namespace;
mod poll;
mod process;
mod socket_pair;

pub use af_packet::PacketSocket;
pub use clock::Clock;
pub use command::{CommandConfig, ForegroundCommand, run_command};
pub use control::ControlSocket;
pub use dut::{Death, OUTPUT_LIMIT, Output, StartedDut};
pub use error::Error;
pub use guest::{Guest, GuestConfig, GuestLeg, default_guest_directory};
pub use link::{Frame, FrameLink, MAX_FRAME, MIN_FRAME, SEND_LIMIT};
pub use namespace::in_namespace;
pub use socket_pair::SocketPair;
