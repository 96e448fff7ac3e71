//! Integrity algorithms: IKEv2 transform type 3.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    KeyError,
    mac::{MAX_LEN, Mac},
};

/// An integrity algorithm: a MAC and the length it is cut to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Integrity {
    /// None: beside a combined mode, or ESP without authentication.
    None,
    /// HMAC-MD5-96, RFC 2403.
    HmacMd5_96,
    /// HMAC-SHA-1-96, RFC 2404.
    HmacSha1_96,
    /// AES-XCBC-MAC-96, RFC 3566.
    AesXcbc96,
    /// AES-CMAC-96, RFC 4494.
    AesCmac96,
    /// HMAC-SHA-256-128, RFC 4868.
    HmacSha256_128,
    /// HMAC-SHA-384-192, RFC 4868.
    HmacSha384_192,
    /// HMAC-SHA-512-256, RFC 4868.
    HmacSha512_256,
}

use Integrity::*;

impl Integrity {
    /// Every algorithm, by IANA number.
    pub const ALL: [Self; 8] =
        [None, HmacMd5_96, HmacSha1_96, AesXcbc96, AesCmac96, HmacSha256_128, HmacSha384_192, HmacSha512_256];

    /// The algorithm of a transform.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|i| i.id() == id)
    }

    /// The number of the transform.
    pub fn id(self) -> u16 {
        match self {
            None => 0,
            HmacMd5_96 => 1,
            HmacSha1_96 => 2,
            AesXcbc96 => 5,
            AesCmac96 => 8,
            HmacSha256_128 => 12,
            HmacSha384_192 => 13,
            HmacSha512_256 => 14,
        }
    }

    /// Octets of the key, all taken from KEYMAT.
    pub fn key_len(self) -> usize {
        match self {
            None => 0,
            HmacMd5_96 | AesXcbc96 | AesCmac96 => 16,
            HmacSha1_96 => 20,
            HmacSha256_128 => 32,
            HmacSha384_192 => 48,
            HmacSha512_256 => 64,
        }
    }

    /// Octets of the integrity check value on the wire.
    pub fn icv_len(self) -> usize {
        match self {
            None => 0,
            HmacMd5_96 | HmacSha1_96 | AesXcbc96 | AesCmac96 => 12,
            HmacSha256_128 => 16,
            HmacSha384_192 => 24,
            HmacSha512_256 => 32,
        }
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        match self {
            None => "NONE",
            HmacMd5_96 => "AUTH_HMAC_MD5_96",
            HmacSha1_96 => "AUTH_HMAC_SHA1_96",
            AesXcbc96 => "AUTH_AES_XCBC_96",
            AesCmac96 => "AUTH_AES_CMAC_96",
            HmacSha256_128 => "AUTH_HMAC_SHA2_256_128",
            HmacSha384_192 => "AUTH_HMAC_SHA2_384_192",
            HmacSha512_256 => "AUTH_HMAC_SHA2_512_256",
        }
    }
}

/// The IANA name.
impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An integrity algorithm with its key.
#[derive(Clone)]
pub struct IntegrityKey {
    algorithm: Integrity,
    mac: Option<Mac>,
}

impl IntegrityKey {
    /// Keys the algorithm.
    ///
    /// # Errors
    /// The key is not [`Integrity::key_len`] octets: IPsec fixes the length, also where HMAC would not.
    pub fn new(algorithm: Integrity, key: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError { algorithm: algorithm.name(), expected: algorithm.key_len(), actual: key.len() };
        if key.len() != algorithm.key_len() {
            return Err(wrong);
        }
        let mac = match algorithm {
            None => Option::None,
            HmacMd5_96 => Some(Mac::hmac_md5(key)),
            HmacSha1_96 => Some(Mac::hmac_sha1(key)),
            HmacSha256_128 => Some(Mac::hmac_sha256(key)),
            HmacSha384_192 => Some(Mac::hmac_sha384(key)),
            HmacSha512_256 => Some(Mac::hmac_sha512(key)),
            AesXcbc96 => Some(Mac::aes_xcbc(key.try_into().map_err(|_| wrong)?)),
            AesCmac96 => Some(Mac::aes_cmac(key.try_into().map_err(|_| wrong)?)),
        };
        Ok(Self { algorithm, mac })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Integrity {
        self.algorithm
    }

    /// Writes the integrity check value over the concatenated parts.
    ///
    /// The buffer is as a rule [`Integrity::icv_len`] octets long. Of another length it gets as many octets of the
    /// untruncated code as it holds, and zeros beyond its end: so a test can send an ICV that was cut at the wrong
    /// place.
    pub fn sign(&self, parts: &[&[u8]], icv: &mut [u8]) {
        let mut code = Zeroizing::new([0; MAX_LEN]);
        let len = self.mac.as_ref().map_or(0, |mac| mac.compute(parts, &mut code));
        let (head, tail) = icv.split_at_mut(len.min(icv.len()));
        head.copy_from_slice(&code[..head.len()]);
        tail.fill(0);
    }

    /// Whether this is the integrity check value over the concatenated parts, at the length of the algorithm.
    /// Constant time.
    pub fn verify(&self, parts: &[&[u8]], icv: &[u8]) -> bool {
        let mut code = Zeroizing::new([0; MAX_LEN]);
        if let Some(mac) = &self.mac {
            mac.compute(parts, &mut code);
        }
        code[..self.algorithm.icv_len()].ct_eq(icv).into()
    }
}

/// Shows the algorithm, never the key.
impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntegrityKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

    use super::*;

    #[test]
    fn numbers_lead_back_to_the_algorithm() {
        for algorithm in Integrity::ALL {
            assert_eq!(Integrity::from_iana(algorithm.id()), Some(algorithm));
        }
        assert_eq!([3, 4, 6, 7, 15, u16::MAX].map(Integrity::from_iana), [Option::None; 6]);
    }

    #[test]
    fn keys_of_any_other_length_are_refused() {
        for algorithm in Integrity::ALL {
            for actual in (0..=70).filter(|len| *len != algorithm.key_len()) {
                let error = KeyError { algorithm: algorithm.name(), expected: algorithm.key_len(), actual };
                assert_eq!(IntegrityKey::new(algorithm, &vec![7; actual]).unwrap_err(), error);
            }
        }
    }

    /// An ICV of no octets must not pass where one is due.
    #[test]
    fn nothing_is_no_icv() {
        for algorithm in Integrity::ALL {
            let key = IntegrityKey::new(algorithm, &vec![7; algorithm.key_len()]).unwrap();
            assert_eq!(key.verify(&[b"data"], &[]), algorithm == None, "{algorithm}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = IntegrityKey::new(AesCmac96, &[7; 16]).unwrap();
        assert_eq!(format!("{key:?}"), "IntegrityKey { algorithm: AesCmac96, .. }");
    }
}
