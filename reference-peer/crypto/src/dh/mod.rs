//! Diffie-Hellman groups: IKEv2 transform type 4, which are also the Oakley groups of IKEv1.

mod ecp;
mod modp;
mod primes;
#[cfg(test)]
mod tests;

use std::fmt;

use rand_core::Rng;
use zeroize::Zeroizing;

/// Why a peer's public value gives no shared secret. RFC 6989 section 2 asks for the tests of MODP and ECP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DhError {
    /// The value is not as long as the group's values are (RFC 7296 section 3.4).
    #[error("a public value of {group} has {expected} octets, not {actual}")]
    WrongLength {
        /// The group.
        group: Group,
        /// Octets of its public values.
        expected: usize,
        /// Octets that were given.
        actual: usize,
    },
    /// MODP: the value is 0.
    #[error("the public value is 0")]
    Zero,
    /// MODP: the value is 1.
    #[error("the public value is 1")]
    One,
    /// MODP: the value is p - 1.
    #[error("the public value is p - 1")]
    MinusOne,
    /// MODP: the value is p or more.
    #[error("the public value is not less than p")]
    NotReduced,
    /// ECP: the value is no point on the curve.
    #[error("the public value is not a point on the curve")]
    NotOnCurve,
    /// Curve25519: the shared secret is all zeros, since the point is of small order. RFC 7748 section 6.1 allows to
    /// refuse it; RFC 8031 is silent.
    #[error("the shared secret is all zeros")]
    ZeroSecret,
}

/// A private key that the group does not have: of the wrong length, zero, or not less than the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key of {0}")]
pub struct PrivateKeyError(pub Group);

/// A Diffie-Hellman group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// 768-bit MODP, RFC 2409 section 6.1.
    Modp768,
    /// 1024-bit MODP, RFC 2409 section 6.2.
    Modp1024,
    /// 1536-bit MODP, RFC 3526 section 2.
    Modp1536,
    /// 2048-bit MODP, RFC 3526 section 3.
    Modp2048,
    /// 3072-bit MODP, RFC 3526 section 4.
    Modp3072,
    /// 4096-bit MODP, RFC 3526 section 5.
    Modp4096,
    /// 6144-bit MODP, RFC 3526 section 6.
    Modp6144,
    /// 8192-bit MODP, RFC 3526 section 7.
    Modp8192,
    /// 256-bit random ECP (NIST P-256), RFC 5903 section 3.1.
    Ecp256,
    /// 384-bit random ECP (NIST P-384), RFC 5903 section 3.2.
    Ecp384,
    /// 521-bit random ECP (NIST P-521), RFC 5903 section 3.3.
    Ecp521,
    /// Curve25519, RFC 8031.
    Curve25519,
}

use Group::*;

impl Group {
    /// Every group, by IANA number.
    pub const ALL: [Self; 12] = [
        Modp768, Modp1024, Modp1536, Modp2048, Modp3072, Modp4096, Modp6144, Modp8192, Ecp256, Ecp384, Ecp521,
        Curve25519,
    ];

    /// The group of a transform.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.id() == id)
    }

    /// The number of the transform.
    pub fn id(self) -> u16 {
        match self {
            Modp768 => 1,
            Modp1024 => 2,
            Modp1536 => 5,
            Modp2048 => 14,
            Modp3072 => 15,
            Modp4096 => 16,
            Modp6144 => 17,
            Modp8192 => 18,
            Ecp256 => 19,
            Ecp384 => 20,
            Ecp521 => 21,
            Curve25519 => 31,
        }
    }

    /// Octets of a public value on the wire: the modulus, or both coordinates, x first, without a leading 0x04.
    pub fn public_len(self) -> usize {
        match self {
            Modp768 => 96,
            Modp1024 => 128,
            Modp1536 => 192,
            Modp2048 => 256,
            Modp3072 => 384,
            Modp4096 => 512,
            Modp6144 => 768,
            Modp8192 => 1024,
            Ecp256 => 64,
            Ecp384 => 96,
            Ecp521 => 132,
            Curve25519 => 32,
        }
    }

    /// The modulus, big-endian; `None` for groups of curves.
    pub fn prime(self) -> Option<Vec<u8>> {
        match self {
            Ecp256 | Ecp384 | Ecp521 | Curve25519 => None,
            _ => Some(modp::prime(self)),
        }
    }

    /// Octets of the shared secret: the modulus, or the x coordinate alone (RFC 5903 section 7).
    pub fn secret_len(self) -> usize {
        match self {
            Ecp256 | Ecp384 | Ecp521 => self.public_len() / 2,
            _ => self.public_len(),
        }
    }

    /// The name in the IANA registry.
    pub fn name(self) -> &'static str {
        match self {
            Modp768 => "768-bit MODP Group",
            Modp1024 => "1024-bit MODP Group",
            Modp1536 => "1536-bit MODP Group",
            Modp2048 => "2048-bit MODP Group",
            Modp3072 => "3072-bit MODP Group",
            Modp4096 => "4096-bit MODP Group",
            Modp6144 => "6144-bit MODP Group",
            Modp8192 => "8192-bit MODP Group",
            Ecp256 => "256-bit random ECP group",
            Ecp384 => "384-bit random ECP group",
            Ecp521 => "521-bit random ECP group",
            Curve25519 => "Curve25519",
        }
    }
}

/// The IANA name.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A private key and its public value.
///
/// The private key of a MODP group is an exponent of twice the group's strength, not of the size of the modulus, as
/// RFC 3526 section 8 allows: that makes an exchange several times faster.
#[derive(Clone)]
pub struct KeyPair {
    group: Group,
    private: Private,
    public: Vec<u8>,
}

/// Each erases itself when it is dropped.
#[derive(Clone)]
enum Private {
    Modp(Zeroizing<Vec<u8>>),
    Ecp256(p256::SecretKey),
    Ecp384(p384::SecretKey),
    Ecp521(p521::SecretKey),
    Curve25519(x25519_dalek::StaticSecret),
}

impl KeyPair {
    /// Draws a private key. The number of octets that it takes from the generator depends on the group alone.
    pub fn generate(group: Group, rng: &mut dyn Rng) -> Self {
        let private = match group {
            Ecp256 => Private::Ecp256(ecp::draw(rng)),
            Ecp384 => Private::Ecp384(ecp::draw(rng)),
            Ecp521 => Private::Ecp521(ecp::draw(rng)),
            Curve25519 => {
                let mut key = Zeroizing::new([0; 32]);
                rng.fill_bytes(&mut *key);
                Private::Curve25519((*key).into())
            }
            _ => Private::Modp(modp::draw(group, rng)),
        };
        Self::with(group, private)
    }

    /// Takes a known private key: the exponent in big-endian octets, at most as long as the modulus (its length shows
    /// in the time that [`agree`](Self::agree) takes); the scalar in big-endian octets; or the 32 octets of RFC 7748.
    ///
    /// # Errors
    /// The group has no such key.
    pub fn from_private(group: Group, key: &[u8]) -> Result<Self, PrivateKeyError> {
        let wrong = PrivateKeyError(group);
        let private = match group {
            Ecp256 => Private::Ecp256(p256::SecretKey::from_slice(key).map_err(|_| wrong)?),
            Ecp384 => Private::Ecp384(p384::SecretKey::from_slice(key).map_err(|_| wrong)?),
            Ecp521 => Private::Ecp521(p521::SecretKey::from_slice(key).map_err(|_| wrong)?),
            Curve25519 => Private::Curve25519(<[u8; 32]>::try_from(key).map_err(|_| wrong)?.into()),
            _ if key.len() <= group.public_len() && key.iter().any(|octet| *octet != 0) => {
                Private::Modp(key.to_vec().into())
            }
            _ => return Err(wrong),
        };
        Ok(Self::with(group, private))
    }

    /// The group.
    pub fn group(&self) -> Group {
        self.group
    }

    /// The public value as it goes into the Key Exchange payload: [`Group::public_len`] octets.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret shared with the peer who sent this public value: [`Group::secret_len`] octets, leading zeros kept
    /// (RFC 7296 section 2.14).
    ///
    /// # Errors
    /// The public value is none that a peer may send.
    pub fn agree(&self, peer_public: &[u8]) -> Result<Zeroizing<Vec<u8>>, DhError> {
        let expected = self.group.public_len();
        if peer_public.len() != expected {
            return Err(DhError::WrongLength { group: self.group, expected, actual: peer_public.len() });
        }
        match &self.private {
            Private::Modp(exponent) => modp::agree(self.group, exponent, peer_public),
            Private::Ecp256(scalar) => ecp::agree(scalar, peer_public),
            Private::Ecp384(scalar) => ecp::agree(scalar, peer_public),
            Private::Ecp521(scalar) => ecp::agree(scalar, peer_public),
            Private::Curve25519(scalar) => {
                let point = <[u8; 32]>::try_from(peer_public).map_err(|_| DhError::ZeroSecret)?;
                let secret = scalar.diffie_hellman(&point.into());
                if !secret.was_contributory() {
                    return Err(DhError::ZeroSecret);
                }
                Ok(Zeroizing::new(secret.as_bytes().to_vec()))
            }
        }
    }

    fn with(group: Group, private: Private) -> Self {
        let public = match &private {
            Private::Modp(exponent) => modp::public(group, exponent),
            Private::Ecp256(scalar) => ecp::public(scalar),
            Private::Ecp384(scalar) => ecp::public(scalar),
            Private::Ecp521(scalar) => ecp::public(scalar),
            Private::Curve25519(scalar) => x25519_dalek::PublicKey::from(scalar).as_bytes().to_vec(),
        };
        Self { group, private, public }
    }
}

/// Shows the group, never the private key.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("group", &self.group).finish_non_exhaustive()
    }
}
