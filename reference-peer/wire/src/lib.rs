//! Bytes to types and back: IPv4, IPv6, UDP, ICMP, ARP, ND, ESP, AH, NAT traversal and IKE. Knows no keys.
//!
//! **Reading** is strict and total: any input gives a value or an [`Error`] with the offset and the [`Rule`] that it
//! broke. Nothing panics, nothing loops without end, and what is allocated is bounded by the length of the input.
//! Lengths, counts and versions that contradict the octets are refused; reserved bits, unknown numbers and wrong
//! checksums are kept, so that whoever must judge them can.
//!
//! **Writing** is total too: any value can be written, honest or not. A field that follows from the rest is a
//! [`Derived`], computed or exactly as given. A computed length that outgrows its field is written modulo its width.
//!
//! What was read is written again as the same octets.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

pub mod ah;
pub mod arp;
pub mod checksum;
mod derived;
mod error;
pub mod esp;
pub mod ethernet;
mod icmp;
pub mod icmpv4;
pub mod icmpv6;
pub mod ikev1;
pub mod ikev2;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod natt;
mod open;
mod reader;
#[cfg(test)]
mod testing;
pub mod udp;

pub use derived::Derived;
pub use error::{Error, Rule};
