//! A complete small security gateway, sans I/O.
//!
//! The peer has no clock, no socket and no randomness of its own: time, packets and random numbers are handed in, and
//! packets, events and the time of the next timer come out. So a day of lifetimes runs in milliseconds under a
//! virtual clock, every run repeats from its seed, and the fuzzers drive the very code that speaks on the wire.
#![forbid(unsafe_code)]

pub mod config;
pub mod deviation;
pub mod gateway;
pub mod hands;
pub mod ike;
pub mod ipsec;
pub mod netif;
pub mod sim;
mod time;

pub use time::Instant;
