//! IKEv2 (RFC 7296): all IKE SAs of one gateway, sans I/O.
//!
//! [`Engine`] is the whole; [`protect`] its cryptography, for whoever holds keys. Each exchange has a file of its own:
//! `init`, `auth`, `child`, `rekey`, `informational`; what they share is in `engine` (dispatch and
//! timers), `commands`, `send` (the way of a message out), `retransmit` (message IDs and windows), `negotiate`,
//! `selectors`, `keys`, `cookie` and `nat`.

mod api;
mod auth;
mod child;
mod commands;
mod cookie;
#[cfg(test)]
mod deviation_tests;
mod engine;
mod informational;
mod init;
mod keys;
mod nat;
mod negotiate;
mod notify;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod pair;
pub mod protect;
mod rekey;
mod retransmit;
mod sa;
mod selectors;
mod send;
#[cfg(test)]
mod tests;

pub use api::*;
pub use engine::Engine;
pub use keys::{IkeKeys, IkeSuite};
