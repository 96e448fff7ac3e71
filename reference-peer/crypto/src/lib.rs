//! The algorithms of IPsec, each under its IANA name and number: ciphers, integrity, PRFs, Diffie-Hellman groups.
//!
//! This crate knows keys and octets, no packets. It draws no randomness (initialisation vectors and private keys come
//! from the caller), keeps no state between packets and allocates when it is keyed, not for each packet. Its
//! functions are not generic: what is generic would be compiled without optimisation in the calling crate.
//!
//! | IKEv2 transform type | here |
//! | --- | --- |
//! | 1, encryption algorithm | [`Encryption`], [`Cipher`] |
//! | 2, pseudorandom function | [`Prf`] |
//! | 3, integrity algorithm | [`Integrity`], [`IntegrityKey`] |
//! | 4, key exchange method | [`Group`], [`KeyPair`] |
//!
//! Keys are erased when they are dropped, and no `Debug` shows one. What the libraries below leave on the stack while
//! they compute is not erased.
//!
//! The algorithms that nobody should use any more (DES, MD5, 768-bit MODP) are here because gateways in the field
//! still offer them, and a test must be able to speak them.
#![forbid(unsafe_code)]

mod cipher;
mod dh;
mod encryption;
mod gmac;
mod hash;
mod integrity;
mod mac;
mod prf;
mod xcbc;

pub use cipher::{Cipher, CipherError};
pub use dh::{DhError, Group, KeyPair, PrivateKeyError};
pub use encryption::{Encryption, KeyBits};
pub use hash::{Hash, md5, sha1, sha256};
pub use integrity::{Integrity, IntegrityKey};
pub use prf::{Prf, PrfPlusTooLong};
pub use zeroize::Zeroizing;

/// Keying material of a length that the algorithm does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm} takes {expected} octets of key material, not {actual}")]
pub struct KeyError {
    /// IANA name of the algorithm.
    pub algorithm: &'static str,
    /// Octets that it takes.
    pub expected: usize,
    /// Octets that were given.
    pub actual: usize,
}
