//! IKEv2, RFC 7296.

mod body;
mod chain;
mod configuration;
mod message;
mod notify;
mod numbers;
mod security_association;
mod traffic_selectors;

pub use body::*;
pub use chain::*;
pub use configuration::*;
pub use message::*;
pub use notify::*;
pub use numbers::*;
pub use security_association::*;
pub use traffic_selectors::*;
