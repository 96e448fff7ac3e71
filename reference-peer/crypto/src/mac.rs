//! Keyed message authentication codes at full length: integrity algorithms truncate them, PRFs do not.

use aes::Aes128;
use cmac::Cmac;
use hmac::digest::{self, KeyInit};
use hmac::{EagerHash, Hmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::xcbc::Xcbc;

/// Octets of the longest code, that of HMAC-SHA-512.
pub(crate) const MAX_LEN: usize = 64;

/// A MAC with its key. Work that depends on the key alone is done when it is keyed.
#[derive(Clone)]
pub(crate) enum Mac {
    HmacMd5(Hmac<Md5>),
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha384(Hmac<Sha384>),
    HmacSha512(Hmac<Sha512>),
    AesXcbc(Box<Xcbc>),
    AesCmac(Box<Cmac<Aes128>>),
}

impl Mac {
    pub(crate) fn hmac_md5(key: &[u8]) -> Self {
        Self::HmacMd5(hmac(key))
    }

    pub(crate) fn hmac_sha1(key: &[u8]) -> Self {
        Self::HmacSha1(hmac(key))
    }

    pub(crate) fn hmac_sha256(key: &[u8]) -> Self {
        Self::HmacSha256(hmac(key))
    }

    pub(crate) fn hmac_sha384(key: &[u8]) -> Self {
        Self::HmacSha384(hmac(key))
    }

    pub(crate) fn hmac_sha512(key: &[u8]) -> Self {
        Self::HmacSha512(hmac(key))
    }

    pub(crate) fn aes_xcbc(key: &[u8; 16]) -> Self {
        Self::AesXcbc(Box::new(Xcbc::new(key)))
    }

    pub(crate) fn aes_cmac(key: &[u8; 16]) -> Self {
        Self::AesCmac(Box::new(Cmac::new(key.into())))
    }

    /// The code of the concatenated parts; the number of octets that it has.
    pub(crate) fn compute(&self, parts: &[&[u8]], out: &mut [u8; MAX_LEN]) -> usize {
        match self {
            Self::HmacMd5(mac) => run(mac, parts, out),
            Self::HmacSha1(mac) => run(mac, parts, out),
            Self::HmacSha256(mac) => run(mac, parts, out),
            Self::HmacSha384(mac) => run(mac, parts, out),
            Self::HmacSha512(mac) => run(mac, parts, out),
            Self::AesCmac(mac) => run(&**mac, parts, out),
            Self::AesXcbc(mac) => {
                out[..16].copy_from_slice(&mac.compute(parts));
                16
            }
        }
    }

    /// The code of the concatenated parts.
    pub(crate) fn to_vec(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Zeroizing::new([0; MAX_LEN]);
        let len = self.compute(parts, &mut out);
        out[..len].to_vec()
    }
}

fn hmac<D: EagerHash>(key: &[u8]) -> Hmac<D> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn run<M: digest::Mac + Clone>(keyed: &M, parts: &[&[u8]], out: &mut [u8; MAX_LEN]) -> usize {
    let mut mac = keyed.clone();
    for part in parts {
        mac.update(part);
    }
    let code = mac.finalize().into_bytes();
    out[..code.len()].copy_from_slice(&code);
    code.len()
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    /// That the library's types erase themselves hangs on features that a later edit of the manifest could lose. Those
    /// of HMAC and CMAC say nothing of themselves, but hold nothing besides these.
    #[test]
    fn keys_are_erased() {
        fn erased<T: ZeroizeOnDrop>() {}
        erased::<md5::block_api::Md5Core>();
        erased::<sha1::block_api::Sha1Core>();
        erased::<sha2::block_api::Sha256VarCore>();
        erased::<sha2::block_api::Sha512VarCore>();
        erased::<cmac::block_api::CmacCore<Aes128>>();
        erased::<Xcbc>();
    }
}
