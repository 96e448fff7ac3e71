//! IKEv2 (RFC 7296): all IKE SAs of one gateway, sans I/O.

mod api;
mod keys;
pub mod protect;

pub use api::*;
pub use keys::{IkeKeys, IkeSuite};
