//! The IPsec data plane: selectors and policies, SAs, the ESP and AH transforms, replay windows (RFC 4301, 4302, 4303).
//!
//! ```text
//! inside                                                                   outside
//!   packet -> Spd::outbound -> OutboundSa::protect -> [hands] -> outer IP packet ->
//!   packet <- selectors <- decapsulate <- InboundSa::open <- Sad::receive <- outer IP packet
//! ```
//!
//! Knows no sockets and no IKE: keys and selectors are handed in as [`SaParameters`](sa::SaParameters).

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod ah_tests;
mod authentication;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod deviation_tests;
pub mod drops;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod esp_tests;
pub mod flow;
pub mod fragment;
pub mod header;
pub mod inbound;
pub mod keys;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod malformed_tests;
pub mod outbound;
pub mod replay;
pub mod sa;
pub mod sad;
pub mod selector;
pub mod sequence;
pub mod spd;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
mod transform;
mod transport;
mod tunnel;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod vectors;
