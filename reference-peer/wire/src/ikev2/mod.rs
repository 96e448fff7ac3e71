//! IKEv2, RFC 7296.

mod message;
mod numbers;
mod types;

pub use message::*;
pub use numbers::*;
pub use types::*;
