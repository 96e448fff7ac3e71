//! Algorithms by IANA number, and the words for them in proposals.

use std::fmt;
use wire::Derived;
use wire::ikev2::{Attribute, AttributeValue, Transform, TransformType};

/// One algorithm as a transform names it: type, number and, for ciphers of variable key size, the key length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Algorithm {
    /// Transform type (RFC 7296 section 3.3.2).
    pub kind: TransformType,
    /// Transform ID within its type.
    pub id: u16,
    /// Key length attribute in bits; `None` for algorithms of fixed key size.
    pub key_bits: Option<u16>,
}

/// Transform attribute type of the key length (RFC 7296 section 3.3.5).
pub const KEY_LENGTH: u16 = 14;

/// Word, transform type, transform ID, key bits (0 for none). The first word of an algorithm is the one written.
const WORDS: &[(&str, TransformType, u16, u16)] = &[
    ("des", TransformType::ENCR, 2, 0),
    ("3des", TransformType::ENCR, 3, 0),
    ("null", TransformType::ENCR, 11, 0),
    ("aes128", TransformType::ENCR, 12, 128),
    ("aes", TransformType::ENCR, 12, 128),
    ("aes192", TransformType::ENCR, 12, 192),
    ("aes256", TransformType::ENCR, 12, 256),
    ("aes128ctr", TransformType::ENCR, 13, 128),
    ("aes192ctr", TransformType::ENCR, 13, 192),
    ("aes256ctr", TransformType::ENCR, 13, 256),
    ("aes128ccm8", TransformType::ENCR, 14, 128),
    ("aes192ccm8", TransformType::ENCR, 14, 192),
    ("aes256ccm8", TransformType::ENCR, 14, 256),
    ("aes128ccm12", TransformType::ENCR, 15, 128),
    ("aes192ccm12", TransformType::ENCR, 15, 192),
    ("aes256ccm12", TransformType::ENCR, 15, 256),
    ("aes128ccm16", TransformType::ENCR, 16, 128),
    ("aes192ccm16", TransformType::ENCR, 16, 192),
    ("aes256ccm16", TransformType::ENCR, 16, 256),
    ("aes128gcm8", TransformType::ENCR, 18, 128),
    ("aes192gcm8", TransformType::ENCR, 18, 192),
    ("aes256gcm8", TransformType::ENCR, 18, 256),
    ("aes128gcm12", TransformType::ENCR, 19, 128),
    ("aes192gcm12", TransformType::ENCR, 19, 192),
    ("aes256gcm12", TransformType::ENCR, 19, 256),
    ("aes128gcm16", TransformType::ENCR, 20, 128),
    ("aes192gcm16", TransformType::ENCR, 20, 192),
    ("aes256gcm16", TransformType::ENCR, 20, 256),
    ("aes128gmac", TransformType::ENCR, 21, 128),
    ("aes192gmac", TransformType::ENCR, 21, 192),
    ("aes256gmac", TransformType::ENCR, 21, 256),
    ("chacha20poly1305", TransformType::ENCR, 28, 0),
    ("prfmd5", TransformType::PRF, 1, 0),
    ("prfsha1", TransformType::PRF, 2, 0),
    ("prfaesxcbc", TransformType::PRF, 4, 0),
    ("prfsha256", TransformType::PRF, 5, 0),
    ("prfsha384", TransformType::PRF, 6, 0),
    ("prfsha512", TransformType::PRF, 7, 0),
    ("prfaescmac", TransformType::PRF, 8, 0),
    ("integnone", TransformType::INTEG, 0, 0),
    ("md5", TransformType::INTEG, 1, 0),
    ("sha1", TransformType::INTEG, 2, 0),
    ("sha", TransformType::INTEG, 2, 0),
    ("aesxcbc", TransformType::INTEG, 5, 0),
    ("md5_128", TransformType::INTEG, 6, 0),
    ("sha1_160", TransformType::INTEG, 7, 0),
    ("aescmac", TransformType::INTEG, 8, 0),
    ("ahaes128gmac", TransformType::INTEG, 9, 0),
    ("ahaes192gmac", TransformType::INTEG, 10, 0),
    ("ahaes256gmac", TransformType::INTEG, 11, 0),
    ("sha256", TransformType::INTEG, 12, 0),
    ("sha2_256", TransformType::INTEG, 12, 0),
    ("sha384", TransformType::INTEG, 13, 0),
    ("sha2_384", TransformType::INTEG, 13, 0),
    ("sha512", TransformType::INTEG, 14, 0),
    ("sha2_512", TransformType::INTEG, 14, 0),
    ("modpnone", TransformType::KE, 0, 0),
    ("modp768", TransformType::KE, 1, 0),
    ("modp1024", TransformType::KE, 2, 0),
    ("modp1536", TransformType::KE, 5, 0),
    ("modp2048", TransformType::KE, 14, 0),
    ("modp3072", TransformType::KE, 15, 0),
    ("modp4096", TransformType::KE, 16, 0),
    ("modp6144", TransformType::KE, 17, 0),
    ("modp8192", TransformType::KE, 18, 0),
    ("ecp256", TransformType::KE, 19, 0),
    ("ecp384", TransformType::KE, 20, 0),
    ("ecp521", TransformType::KE, 21, 0),
    ("modp1024s160", TransformType::KE, 22, 0),
    ("modp2048s224", TransformType::KE, 23, 0),
    ("modp2048s256", TransformType::KE, 24, 0),
    ("ecp192", TransformType::KE, 25, 0),
    ("ecp224", TransformType::KE, 26, 0),
    ("x25519", TransformType::KE, 31, 0),
    ("curve25519", TransformType::KE, 31, 0),
    ("x448", TransformType::KE, 32, 0),
    ("noesn", TransformType::ESN, 0, 0),
    ("esn", TransformType::ESN, 1, 0),
];

impl Algorithm {
    /// An algorithm of fixed key size.
    pub const fn new(kind: TransformType, id: u16) -> Self {
        Self { kind, id, key_bits: None }
    }

    /// A cipher with its key length in bits.
    pub const fn cipher(id: u16, key_bits: Option<u16>) -> Self {
        Self { kind: TransformType::ENCR, id, key_bits }
    }

    /// The algorithm that a word of a proposal stands for (`aes256`, `prfsha384`, `modp2048`, ...).
    pub fn from_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|(name, ..)| *name == word).map(|&(_, kind, id, bits)| Self {
            kind,
            id,
            key_bits: (bits != 0).then_some(bits),
        })
    }

    /// The word for this algorithm, if it has one.
    pub fn word(&self) -> Option<&'static str> {
        WORDS
            .iter()
            .find(|&&(_, kind, id, bits)| kind == self.kind && id == self.id && bits == self.key_bits.unwrap_or(0))
            .map(|(name, ..)| *name)
    }

    /// Known words that begin or end like this one, for error messages.
    pub(super) fn similar(word: &str) -> Option<&'static str> {
        let shared = |name: &str| name.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
        WORDS.iter().map(|(name, ..)| *name).max_by_key(|name| shared(name)).filter(|name| shared(name) >= 2)
    }

    /// Is this a combined-mode cipher, which needs and tolerates no integrity transform (RFC 7296 section 3.3)?
    pub fn is_aead(&self) -> bool {
        self.kind == TransformType::ENCR && matches!(self.id, 14..=16 | 18..=21 | 28)
    }

    /// Does the cipher have a variable key size, so that the Key Length attribute is mandatory (section 3.3.5)?
    pub fn needs_key_length(&self) -> bool {
        self.kind == TransformType::ENCR && matches!(self.id, 12..=16 | 18..=21)
    }

    /// The transform that offers this algorithm.
    pub fn transform(&self) -> Transform {
        let attribute = |bits| Attribute { attribute_type: KEY_LENGTH, value: AttributeValue::Short(bits) };
        Transform {
            last: Derived::Computed,
            reserved1: 0,
            length: Derived::Computed,
            transform_type: self.kind,
            reserved2: 0,
            id: self.id,
            attributes: self.key_bits.map(attribute).into_iter().collect(),
        }
    }

    /// The algorithm that a transform offers; `None` if an attribute is not understood (section 3.3.6), given twice
    /// or in a wrong form.
    pub fn from_transform(transform: &Transform) -> Option<Self> {
        let mut key_bits = None;
        for attribute in &transform.attributes {
            match (attribute.attribute_type, &attribute.value) {
                (KEY_LENGTH, AttributeValue::Short(bits)) if key_bits.is_none() => key_bits = Some(*bits),
                _ => return None,
            }
        }
        Some(Self { kind: transform.transform_type, id: transform.id, key_bits })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.word(), self.key_bits) {
            (Some(word), _) => f.write_str(word),
            (None, Some(bits)) => write!(f, "{}:{}/{bits}", self.kind, self.id),
            (None, None) => write!(f, "{}:{}", self.kind, self.id),
        }
    }
}
