//! Pseudorandom functions: IKEv2 transform type 2, and `prf+`.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    Hash,
    mac::{MAX_LEN, Mac},
};

/// More octets were asked of `prf+` than it gives: 255 times the output of the PRF (RFC 7296 section 2.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prf+ with {prf} gives at most {max} octets, not {asked}")]
pub struct PrfPlusTooLong {
    /// The PRF.
    pub prf: Prf,
    /// The most that it gives, in octets.
    pub max: usize,
    /// Octets that were asked for.
    pub asked: usize,
}

/// A pseudorandom function.
///
/// Every PRF here takes a key of any length. What IKE puts in as key is the caller's matter, and differs by PRF:
/// - SKEYSEED is keyed with `Ni | Nr`. AES-XCBC and AES-CMAC, whose keys were once fixed, take the first 8 octets of
///   each nonce (RFC 7296 section 2.14), although their variable-length forms could take all.
/// - A nonce must be at least half of [`key_len`](Self::key_len) long (RFC 7296 section 2.10).
/// - SK_d, SK_pi and SK_pr are [`key_len`](Self::key_len) octets long (RFC 7296 section 2.14).
/// - A pre-shared key goes in whole (RFC 7296 section 2.15); AES-XCBC and AES-CMAC bring it to 16 octets themselves
///   as RFC 4434 and RFC 4615 say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Prf {
    /// HMAC-MD5, RFC 2104.
    HmacMd5,
    /// HMAC-SHA-1, RFC 2104.
    HmacSha1,
    /// AES-XCBC-PRF-128, RFC 4434.
    AesXcbc,
    /// HMAC-SHA-256, RFC 4868.
    HmacSha256,
    /// HMAC-SHA-384, RFC 4868.
    HmacSha384,
    /// HMAC-SHA-512, RFC 4868.
    HmacSha512,
    /// AES-CMAC-PRF-128, RFC 4615.
    AesCmac,
}

use Prf::*;

impl Prf {
    /// Every algorithm, by IANA number.
    pub const ALL: [Self; 7] = [HmacMd5, HmacSha1, AesXcbc, HmacSha256, HmacSha384, HmacSha512, AesCmac];

    /// The algorithm of a transform.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.id() == id)
    }

    /// The number of the transform.
    pub fn id(self) -> u16 {
        match self {
            HmacMd5 => 1,
            HmacSha1 => 2,
            AesXcbc => 4,
            HmacSha256 => 5,
            HmacSha384 => 6,
            HmacSha512 => 7,
            AesCmac => 8,
        }
    }

    /// Octets of the preferred key.
    pub fn key_len(self) -> usize {
        self.output_len()
    }

    /// Octets of the output.
    pub fn output_len(self) -> usize {
        match self {
            HmacMd5 | AesXcbc | AesCmac => 16,
            HmacSha1 => 20,
            HmacSha256 => 32,
            HmacSha384 => 48,
            HmacSha512 => 64,
        }
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        match self {
            HmacMd5 => "PRF_HMAC_MD5",
            HmacSha1 => "PRF_HMAC_SHA1",
            AesXcbc => "PRF_AES128_XCBC",
            HmacSha256 => "PRF_HMAC_SHA2_256",
            HmacSha384 => "PRF_HMAC_SHA2_384",
            HmacSha512 => "PRF_HMAC_SHA2_512",
            AesCmac => "PRF_AES128_CMAC",
        }
    }

    /// The hash below an HMAC. IKEv1 negotiates this hash, and its PRF follows (RFC 2409 section 4).
    pub fn hash(self) -> Option<Hash> {
        match self {
            HmacMd5 => Some(Hash::Md5),
            HmacSha1 => Some(Hash::Sha1),
            HmacSha256 => Some(Hash::Sha256),
            HmacSha384 => Some(Hash::Sha384),
            HmacSha512 => Some(Hash::Sha512),
            AesXcbc | AesCmac => None,
        }
    }

    /// `prf(key, parts[0] | parts[1] | ...)`. If it is a key, wrap it in [`Zeroizing`].
    pub fn compute(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        self.keyed(key).to_vec(parts)
    }

    /// `prf+(key, seed[0] | seed[1] | ...)`, cut to `len` octets (RFC 7296 section 2.13).
    ///
    /// # Errors
    /// More than 255 blocks are asked for.
    pub fn plus(self, key: &[u8], seed: &[&[u8]], len: usize) -> Result<Zeroizing<Vec<u8>>, PrfPlusTooLong> {
        let max = 255 * self.output_len();
        if len > max {
            return Err(PrfPlusTooLong { prf: self, max, asked: len });
        }
        let mac = self.keyed(key);
        let mut out = Zeroizing::new(Vec::with_capacity(len));
        let mut block = Zeroizing::new([0; MAX_LEN]);
        let mut block_len = 0;
        for counter in 1..=u8::MAX {
            if out.len() == len {
                break;
            }
            let previous = Zeroizing::new(*block);
            let mut parts = Vec::with_capacity(seed.len() + 2);
            parts.push(&previous[..block_len]);
            parts.extend_from_slice(seed);
            let counter = [counter];
            parts.push(&counter);
            block_len = mac.compute(&parts, &mut block);
            let wanted = block_len.min(len - out.len());
            out.extend_from_slice(&block[..wanted]);
        }
        Ok(out)
    }

    fn keyed(self, key: &[u8]) -> Mac {
        match self {
            HmacMd5 => Mac::hmac_md5(key),
            HmacSha1 => Mac::hmac_sha1(key),
            HmacSha256 => Mac::hmac_sha256(key),
            HmacSha384 => Mac::hmac_sha384(key),
            HmacSha512 => Mac::hmac_sha512(key),
            AesXcbc => Mac::aes_xcbc(&xcbc_key(key)),
            AesCmac => Mac::aes_cmac(&cmac_key(key)),
        }
    }
}

/// The IANA name.
impl fmt::Display for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// RFC 4434 section 2: a shorter key is padded with zeros, a longer one is itself put through the MAC with a zero key.
fn xcbc_key(key: &[u8]) -> Zeroizing<[u8; 16]> {
    let mut fixed = Zeroizing::new([0; 16]);
    match fixed.get_mut(..key.len()) {
        Some(head) => head.copy_from_slice(key),
        None => compress(&Mac::aes_xcbc(&[0; 16]), key, &mut fixed),
    }
    fixed
}

/// RFC 4615 section 3: a key of any length but 16 octets is itself put through the MAC with a zero key.
fn cmac_key(key: &[u8]) -> Zeroizing<[u8; 16]> {
    let mut fixed = Zeroizing::new([0; 16]);
    if key.len() == fixed.len() {
        fixed.copy_from_slice(key);
    } else {
        compress(&Mac::aes_cmac(&[0; 16]), key, &mut fixed);
    }
    fixed
}

fn compress(mac: &Mac, key: &[u8], fixed: &mut [u8; 16]) {
    let mut out = Zeroizing::new([0; MAX_LEN]);
    mac.compute(&[key], &mut out);
    fixed.copy_from_slice(&out[..16]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

    use super::*;

    #[test]
    fn numbers_lead_back_to_the_algorithm() {
        for prf in Prf::ALL {
            assert_eq!(Prf::from_iana(prf.id()), Some(prf));
        }
        assert_eq!([0, 3, 9, u16::MAX].map(Prf::from_iana), [None; 4]);
    }

    /// RFC 7296 section 2.13: the counter is one octet, and 255 the last that it counts.
    #[test]
    fn prf_plus_ends_with_the_255th_block() {
        for prf in Prf::ALL {
            let max = 255 * prf.output_len();
            let longest = prf.plus(b"key", &[b"seed"], max).unwrap();
            assert_eq!(longest.len(), max);
            let (rest, last) = longest.split_at(max - prf.output_len());
            let before = &rest[rest.len() - prf.output_len()..];
            assert_eq!(last, prf.compute(b"key", &[before, b"seed", &[255]]));
            assert_eq!(prf.plus(b"key", &[b"seed"], max + 1), Err(PrfPlusTooLong { prf, max, asked: max + 1 }));
            assert_eq!(prf.plus(b"key", &[b"seed"], usize::MAX).unwrap_err().asked, usize::MAX);
            assert!(prf.plus(b"key", &[b"seed"], 0).unwrap().is_empty());
        }
    }
}
