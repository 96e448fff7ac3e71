//! Plain digests, for what IKE hashes without a key: NAT detection, cookies, the IV of IKEv1.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

/// A hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// MD5, RFC 1321.
    Md5,
    /// SHA-1, FIPS 180-4.
    Sha1,
    /// SHA-256, FIPS 180-4.
    Sha256,
    /// SHA-384, FIPS 180-4.
    Sha384,
    /// SHA-512, FIPS 180-4.
    Sha512,
}

impl Hash {
    /// Every algorithm, shortest output first.
    pub const ALL: [Self; 5] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digest of the concatenated parts.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => md5(parts).to_vec(),
            Self::Sha1 => sha1(parts).to_vec(),
            Self::Sha256 => sha256(parts).to_vec(),
            Self::Sha384 => hash::<Sha384>(parts).finalize().to_vec(),
            Self::Sha512 => hash::<Sha512>(parts).finalize().to_vec(),
        }
    }

    /// Octets of the digest.
    pub fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// MD5 of the concatenated parts.
pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    hash::<Md5>(parts).finalize().into()
}

/// SHA-1 of the concatenated parts.
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    hash::<Sha1>(parts).finalize().into()
}

/// SHA-256 of the concatenated parts.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    hash::<Sha256>(parts).finalize().into()
}

fn hash<D: Digest>(parts: &[&[u8]]) -> D {
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    digest
}
