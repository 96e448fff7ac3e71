//! Bytes to types and back: IPv4, IPv6, UDP, ICMP, ARP, ND, ESP, AH, NAT traversal and IKE. Knows no keys.
#![forbid(unsafe_code)]

mod derived;
pub mod ikev2;

pub use derived::Derived;
