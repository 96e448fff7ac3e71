//! Encryption algorithms: IKEv2 transform type 1, which are also the ESP transform identifiers of IKEv1.

use std::fmt;

use zeroize::Zeroizing;

/// Length of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyBits {
    /// AES-128.
    B128,
    /// AES-192.
    B192,
    /// AES-256.
    B256,
}

impl KeyBits {
    /// All lengths, shortest first.
    pub const ALL: [Self; 3] = [Self::B128, Self::B192, Self::B256];

    /// The length that a Key Length attribute names.
    pub fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            128 => Some(Self::B128),
            192 => Some(Self::B192),
            256 => Some(Self::B256),
            _ => None,
        }
    }

    /// Length in bits.
    pub fn bits(self) -> u16 {
        match self {
            Self::B128 => 128,
            Self::B192 => 192,
            Self::B256 => 256,
        }
    }

    /// Length in octets.
    pub fn octets(self) -> usize {
        usize::from(self.bits() / 8)
    }
}

/// An encryption algorithm together with its key length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encryption {
    /// DES in CBC mode, RFC 2405.
    Des,
    /// Triple DES in CBC mode with three keys, RFC 2451.
    TripleDes,
    /// No encryption, RFC 2410.
    Null,
    /// AES in CBC mode, RFC 3602.
    AesCbc(KeyBits),
    /// AES in counter mode, RFC 3686.
    AesCtr(KeyBits),
    /// AES in CCM mode with an ICV of 8 octets, RFC 4309.
    AesCcm8(KeyBits),
    /// AES in CCM mode with an ICV of 12 octets, RFC 4309.
    AesCcm12(KeyBits),
    /// AES in CCM mode with an ICV of 16 octets, RFC 4309.
    AesCcm16(KeyBits),
    /// AES in GCM mode with an ICV of 8 octets, RFC 4106.
    AesGcm8(KeyBits),
    /// AES in GCM mode with an ICV of 12 octets, RFC 4106.
    AesGcm12(KeyBits),
    /// AES in GCM mode with an ICV of 16 octets, RFC 4106.
    AesGcm16(KeyBits),
    /// AES-GMAC: authentication without encryption, RFC 4543. For ESP only, and in the shape of a combined mode: the
    /// data stay clear and are authenticated after the AAD.
    ///
    /// Whether the IV is authenticated is the caller's choice, who puts it into the AAD or not: RFC 4543 leaves it out
    /// in section 3.3 and section 7, but shows it inside in figure 4, which is how Linux's `rfc4543` does it.
    AesGmac(KeyBits),
    /// ChaCha20 and Poly1305, RFC 7634.
    ChaCha20Poly1305,
}

use Encryption::*;
use KeyBits::{B128, B192, B256};

impl Encryption {
    /// Every algorithm with every key length, by IANA number.
    pub const ALL: [Self; 31] = [
        Des,
        TripleDes,
        Null,
        AesCbc(B128),
        AesCbc(B192),
        AesCbc(B256),
        AesCtr(B128),
        AesCtr(B192),
        AesCtr(B256),
        AesCcm8(B128),
        AesCcm8(B192),
        AesCcm8(B256),
        AesCcm12(B128),
        AesCcm12(B192),
        AesCcm12(B256),
        AesCcm16(B128),
        AesCcm16(B192),
        AesCcm16(B256),
        AesGcm8(B128),
        AesGcm8(B192),
        AesGcm8(B256),
        AesGcm12(B128),
        AesGcm12(B192),
        AesGcm12(B256),
        AesGcm16(B128),
        AesGcm16(B192),
        AesGcm16(B256),
        AesGmac(B128),
        AesGmac(B192),
        AesGmac(B256),
        ChaCha20Poly1305,
    ];

    /// The algorithm of a transform and its Key Length attribute, in bits.
    ///
    /// `None` if it is not known here, if an algorithm with keys of several lengths comes without the attribute, or
    /// one with keys of a single length comes with it: RFC 7296 section 3.3.5 forbids both.
    pub fn from_iana(id: u16, key_length_bits: Option<u16>) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.id() == id && e.key_length_attribute() == key_length_bits)
    }

    /// The number of the transform.
    pub fn id(self) -> u16 {
        match self {
            Des => 2,
            TripleDes => 3,
            Null => 11,
            AesCbc(_) => 12,
            AesCtr(_) => 13,
            AesCcm8(_) => 14,
            AesCcm12(_) => 15,
            AesCcm16(_) => 16,
            AesGcm8(_) => 18,
            AesGcm12(_) => 19,
            AesGcm16(_) => 20,
            AesGmac(_) => 21,
            ChaCha20Poly1305 => 28,
        }
    }

    /// The value of the Key Length attribute in bits, without the salt; `None` where RFC 7296 section 3.3.5 forbids
    /// the attribute.
    pub fn key_length_attribute(self) -> Option<u16> {
        self.key_bits().map(KeyBits::bits)
    }

    /// Octets taken from KEYMAT: the key and, after it, the salt. DES keys count their parity bits.
    pub fn key_material_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Octets of the key alone.
    pub fn key_len(self) -> usize {
        match self {
            Null => 0,
            Des => 8,
            TripleDes => 24,
            ChaCha20Poly1305 => 32,
            _ => self.key_bits().map_or(0, KeyBits::octets),
        }
    }

    /// Octets of the salt (called nonce in RFC 3686) at the end of the key material.
    pub fn salt_len(self) -> usize {
        match self {
            Des | TripleDes | Null | AesCbc(_) => 0,
            AesCcm8(_) | AesCcm12(_) | AesCcm16(_) => 3,
            AesCtr(_) | AesGcm8(_) | AesGcm12(_) | AesGcm16(_) | AesGmac(_) | ChaCha20Poly1305 => 4,
        }
    }

    /// Octets of the initialisation vector on the wire.
    pub fn iv_len(self) -> usize {
        match self {
            Null => 0,
            AesCbc(_) => 16,
            _ => 8,
        }
    }

    /// Octets of which the plaintext must be a multiple; 1 where any length will do. ESP aligns to 4 besides
    /// (RFC 4303 section 2.4).
    pub fn block_len(self) -> usize {
        match self {
            Des | TripleDes => 8,
            AesCbc(_) => 16,
            _ => 1,
        }
    }

    /// Octets of the integrity check value of a combined mode; 0 for an algorithm that only encrypts.
    pub fn icv_len(self) -> usize {
        match self {
            Des | TripleDes | Null | AesCbc(_) | AesCtr(_) => 0,
            AesCcm8(_) | AesGcm8(_) => 8,
            AesCcm12(_) | AesGcm12(_) => 12,
            AesCcm16(_) | AesGcm16(_) | AesGmac(_) | ChaCha20Poly1305 => 16,
        }
    }

    /// Whether it is a combined mode: it authenticates too, and is negotiated without an integrity algorithm.
    pub fn is_aead(self) -> bool {
        self.icv_len() != 0
    }

    /// The IANA name, without the key length.
    pub fn name(self) -> &'static str {
        match self {
            Des => "ENCR_DES",
            TripleDes => "ENCR_3DES",
            Null => "ENCR_NULL",
            AesCbc(_) => "ENCR_AES_CBC",
            AesCtr(_) => "ENCR_AES_CTR",
            AesCcm8(_) => "ENCR_AES_CCM_8",
            AesCcm12(_) => "ENCR_AES_CCM_12",
            AesCcm16(_) => "ENCR_AES_CCM_16",
            AesGcm8(_) => "ENCR_AES_GCM_8",
            AesGcm12(_) => "ENCR_AES_GCM_12",
            AesGcm16(_) => "ENCR_AES_GCM_16",
            AesGmac(_) => "ENCR_NULL_AUTH_AES_GMAC",
            ChaCha20Poly1305 => "ENCR_CHACHA20_POLY1305",
        }
    }

    /// Whether it is a key that the standards warn of. Parity bits do not matter, and keys of a wrong length are not
    /// weak.
    ///
    /// RFC 2405 section 4 says that a weak DES key SHOULD be rejected and a new SA requested; this knows the weak,
    /// semi-weak and possibly weak ones. RFC 2451 section 2.3 says that a key of Triple DES MUST be rejected if its
    /// first two or last two keys are equal, which makes it DES. [`Cipher::new`](crate::Cipher::new) takes them all, so
    /// that a test can use them.
    pub fn is_weak_key(self, key: &[u8]) -> bool {
        if key.len() != self.key_len() || !matches!(self, Des | TripleDes) {
            return false;
        }
        let odd_parity = |octet: &u8| octet & 0xfe | (octet >> 1).count_ones() as u8 & 1 ^ 1;
        let key: Zeroizing<Vec<u8>> = key.iter().map(odd_parity).collect::<Vec<_>>().into();
        match self {
            Des => des::weak_key_test(&key).is_err(),
            _ => key[..8] == key[8..16] || key[8..16] == key[16..],
        }
    }

    fn key_bits(self) -> Option<KeyBits> {
        match self {
            Des | TripleDes | Null | ChaCha20Poly1305 => None,
            AesCbc(bits) | AesCtr(bits) | AesCcm8(bits) | AesCcm12(bits) | AesCcm16(bits) | AesGcm8(bits)
            | AesGcm12(bits) | AesGcm16(bits) | AesGmac(bits) => Some(bits),
        }
    }
}

/// The IANA name and, where there is a choice, the key length in brackets: `ENCR_AES_CBC (128)`.
impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.key_length_attribute() {
            Some(bits) => write!(f, " ({bits})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_the_algorithm() {
        for algorithm in Encryption::ALL {
            assert_eq!(Encryption::from_iana(algorithm.id(), algorithm.key_length_attribute()), Some(algorithm));
        }
    }

    /// RFC 7296 section 3.3.5, and numbers of algorithms that are not here.
    #[test]
    fn transforms_that_are_no_algorithm() {
        for (id, bits) in [
            (2, Some(64)),
            (3, Some(192)),
            (11, Some(0)),
            (12, None),
            (12, Some(0)),
            (12, Some(160)),
            (20, None),
            (28, Some(256)),
            (0, None),
            (1, None),
            (17, None),
            (23, Some(128)),
            (u16::MAX, None),
        ] {
            assert_eq!(Encryption::from_iana(id, bits), None, "{id} {bits:?}");
        }
    }

    /// RFC 2405 and 2451 section 2, 3602 section 2, 3686 sections 2 and 5.1, 4106 sections 2, 6 and 8.1, 4309 sections
    /// 2, 6 and 7.1, 4543 sections 3.1, 3.4 and 5.4, 7634 section 2.
    #[test]
    fn lengths() {
        for (algorithm, key_material, iv, block, icv) in [
            (Des, 8, 8, 8, 0),
            (TripleDes, 24, 8, 8, 0),
            (Null, 0, 0, 1, 0),
            (AesCbc(B192), 24, 16, 16, 0),
            (AesCtr(B128), 20, 8, 1, 0),
            (AesCtr(B256), 36, 8, 1, 0),
            (AesCcm8(B128), 19, 8, 1, 8),
            (AesCcm12(B192), 27, 8, 1, 12),
            (AesCcm16(B256), 35, 8, 1, 16),
            (AesGcm8(B128), 20, 8, 1, 8),
            (AesGcm12(B192), 28, 8, 1, 12),
            (AesGcm16(B256), 36, 8, 1, 16),
            (AesGmac(B128), 20, 8, 1, 16),
            (ChaCha20Poly1305, 36, 8, 1, 16),
        ] {
            let lengths =
                (algorithm.key_material_len(), algorithm.iv_len(), algorithm.block_len(), algorithm.icv_len());
            assert_eq!(lengths, (key_material, iv, block, icv), "{algorithm}");
        }
    }

    /// Of FIPS 74, with the parity as there and as KEYMAT may have it.
    #[test]
    fn weak_keys() {
        for weak in [[1; 8], [0; 8], [0xfe; 8], [0xff; 8], [0x1f, 0x1f, 0x1f, 0x1f, 0x0e, 0x0e, 0x0e, 0x0f]] {
            assert!(Des.is_weak_key(&weak));
        }
        assert!(Des.is_weak_key(&[0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe]));
        assert!(!Des.is_weak_key(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(!Des.is_weak_key(&[1; 7]));

        let triple = |keys: [u8; 3]| TripleDes.is_weak_key(&keys.map(|octet| [octet; 8]).concat());
        assert!(triple([2, 2, 4]) && triple([2, 3, 4]) && triple([4, 2, 2]) && triple([4, 2, 3]));
        assert!(!triple([2, 4, 2]) && !triple([2, 4, 6]));
        assert!(!AesCbc(B128).is_weak_key(&[1; 16]));
    }

    #[test]
    fn names() {
        assert_eq!(AesCbc(B256).to_string(), "ENCR_AES_CBC (256)");
        assert_eq!(ChaCha20Poly1305.to_string(), "ENCR_CHACHA20_POLY1305");
    }
}
