//! IKEv1 (RFC 2407, 2408, 2409, 3706, 3947): all ISAKMP SAs of one gateway and the IPsec SAs made under them, sans I/O.
//!
//! [`Engine`] is the whole; [`protect`] its cryptography, for whoever holds keys; [`observer`] follows an ISAKMP SA from
//! outside. Each exchange has a file of its own: `main_mode`, `aggressive`, `quick`, `informational`, `transaction`;
//! what they share is in `engine` (dispatch and timers), `commands`, `send` (the way of a message out), `phase1`,
//! `negotiate`, `identity`, `keys`, `nat` and `fragment`.
//!
//! IPsec SAs belong to the peer, not to the ISAKMP SA that they were made under: they outlive it.

mod aggressive;
mod api;
mod commands;
mod dead_peer;
mod engine;
mod fragment;
mod identity;
mod informational;
mod keys;
mod main_mode;
mod nat;
mod negotiate;
pub mod observer;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod pair;
mod phase1;
pub mod protect;
mod quick;
mod sa;
mod send;
#[cfg(test)]
mod tests;
mod transaction;
#[cfg(test)]
mod upkeep_tests;

pub use api::*;
pub use engine::Engine;
pub use keys::{IsakmpKeys, IsakmpSuite, Transcript};
