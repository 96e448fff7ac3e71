//! Key derivation of IKEv1 with pre-shared keys (RFC 2409 sections 5, 5.4 and 5.5, appendix B).

use crate::ike::v2::DirectionKeys;
use crypto::{Cipher, Encryption, Hash, Integrity, Prf, Zeroizing};
use std::fmt;
use std::sync::Arc;
use wire::ikev1::ProtocolId;

/// What an ISAKMP SA is protected with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IsakmpSuite {
    /// Cipher, in CBC mode.
    pub encryption: Encryption,
    /// Hash; its HMAC is the pseudorandom function.
    pub hash: Hash,
    /// Diffie-Hellman group.
    pub group: u16,
}

/// The pseudorandom function of a hash: its HMAC (RFC 2409 section 4).
pub(super) fn prf(hash: Hash) -> Prf {
    match hash {
        Hash::Md5 => Prf::HmacMd5,
        Hash::Sha1 => Prf::HmacSha1,
        Hash::Sha256 => Prf::HmacSha256,
        Hash::Sha384 => Prf::HmacSha384,
        Hash::Sha512 => Prf::HmacSha512,
    }
}

/// All keys of an ISAKMP SA, with what is needed to use them. Never printed by `Debug`.
#[derive(Clone)]
pub struct IsakmpKeys {
    /// Cookies, the initiator's first.
    pub cookies: (u64, u64),
    /// Cipher.
    pub encryption: Encryption,
    /// Hash.
    pub hash: Hash,
    /// SKEYID, from the pre-shared key.
    pub skeyid: Zeroizing<Vec<u8>>,
    /// SKEYID_d: keys of other SAs are derived from it.
    pub skeyid_d: Zeroizing<Vec<u8>>,
    /// SKEYID_a: the key of the hashes of phase 2.
    pub skeyid_a: Zeroizing<Vec<u8>>,
    /// SKEYID_e, from which the key of the cipher is made.
    pub skeyid_e: Zeroizing<Vec<u8>>,
    /// Key of the cipher (appendix B).
    pub cipher_key: Zeroizing<Vec<u8>>,
    pub(super) cipher: Arc<Cipher>,
}

impl PartialEq for IsakmpKeys {
    fn eq(&self, other: &Self) -> bool {
        let all = |keys: &Self| (keys.cookies, keys.encryption, keys.hash);
        let secret = |keys: &Self| [keys.skeyid.clone(), keys.skeyid_d.clone(), keys.skeyid_a.clone()];
        all(self) == all(other) && secret(self) == secret(other) && self.cipher_key == other.cipher_key
    }
}

impl Eq for IsakmpKeys {}

impl fmt::Debug for IsakmpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsakmpKeys")
            .field("cookies", &format_args!("{:016x} {:016x}", self.cookies.0, self.cookies.1))
            .field("encryption", &self.encryption)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// What both sides have said in phase 1, the initiator's first: bodies of payloads without their generic headers.
#[derive(Debug, Clone, Copy)]
pub struct Transcript<'a> {
    /// Nonces.
    pub nonces: (&'a [u8], &'a [u8]),
    /// Public values.
    pub public: (&'a [u8], &'a [u8]),
    /// The initiator's SA payload, as it was offered.
    pub offer: &'a [u8],
}

impl IsakmpKeys {
    /// Keys of an ISAKMP SA that a pre-shared key authenticates (section 5). `None` for a cipher that ISAKMP has no use
    /// for.
    pub fn psk(
        suite: &IsakmpSuite,
        psk: &[u8],
        secret: &[u8],
        nonces: (&[u8], &[u8]),
        cookies: (u64, u64),
    ) -> Option<Self> {
        let prf = prf(suite.hash);
        let skeyid = Zeroizing::new(prf.compute(psk, &[nonces.0, nonces.1]));
        let (cky_i, cky_r) = (cookies.0.to_be_bytes(), cookies.1.to_be_bytes());
        let next = |before: &[u8], number: u8| {
            Zeroizing::new(prf.compute(&skeyid, &[before, secret, &cky_i, &cky_r, &[number]]))
        };
        let skeyid_d = next(&[], 0);
        let skeyid_a = next(&skeyid_d, 1);
        let skeyid_e = next(&skeyid_a, 2);
        let cipher_key = cipher_key(suite, &skeyid_e);
        let cipher = Arc::new(cipher(suite.encryption, &cipher_key)?);
        let (encryption, hash) = (suite.encryption, suite.hash);
        Some(Self { cookies, encryption, hash, skeyid, skeyid_d, skeyid_a, skeyid_e, cipher_key, cipher })
    }

    pub(super) fn prf(&self) -> Prf {
        prf(self.hash)
    }

    /// HASH_I or HASH_R (section 5): `id` is the body of the sender's ID payload.
    pub fn phase1_hash(&self, initiator: bool, transcript: &Transcript<'_>, id: &[u8]) -> Vec<u8> {
        let (gxi, gxr) = transcript.public;
        let (cky_i, cky_r) = (self.cookies.0.to_be_bytes(), self.cookies.1.to_be_bytes());
        let parts: [&[u8]; 6] = match initiator {
            true => [gxi, gxr, &cky_i, &cky_r, transcript.offer, id],
            false => [gxr, gxi, &cky_r, &cky_i, transcript.offer, id],
        };
        self.prf().compute(&self.skeyid, &parts)
    }

    /// HASH(1), with an empty nonce, or HASH(2), with the initiator's (section 5.5); the hash of Informational (section
    /// 5.7) and Transaction exchanges is HASH(1). `message` is all that follows the HASH payload, without padding.
    pub fn phase2_hash(&self, message_id: u32, nonce: &[u8], message: &[u8]) -> Vec<u8> {
        self.prf().compute(&self.skeyid_a, &[&message_id.to_be_bytes(), nonce, message])
    }

    /// HASH(3) (section 5.5).
    pub fn phase2_last_hash(&self, message_id: u32, nonces: (&[u8], &[u8])) -> Vec<u8> {
        self.prf().compute(&self.skeyid_a, &[&[0], &message_id.to_be_bytes(), nonces.0, nonces.1])
    }

    /// IV of the first encrypted message of phase 1 (appendix B).
    pub fn phase1_iv(&self, public: (&[u8], &[u8])) -> Vec<u8> {
        phase1_iv(self.hash, self.encryption, public)
    }

    /// IV of the first message of an exchange of phase 2 (appendix B); `last` is the last block of phase 1.
    pub fn phase2_iv(&self, last: &[u8], message_id: u32) -> Vec<u8> {
        phase2_iv(self.hash, self.encryption, last, message_id)
    }

    /// KEYMAT of one SA (section 5.5), cut into the keys of its algorithms: encryption first. `secret` is that of the
    /// exchange's own Diffie-Hellman, if there was one; the SPI is that of the SA's destination.
    pub fn keymat(
        &self,
        secret: Option<&[u8]>,
        protocol: ProtocolId,
        spi: u32,
        nonces: (&[u8], &[u8]),
        algorithms: (Option<Encryption>, Option<Integrity>),
    ) -> DirectionKeys {
        let cipher = algorithms.0.map_or(0, Encryption::key_material_len);
        let wanted = cipher + algorithms.1.map_or(0, Integrity::key_len);
        let (protocol, spi) = ([protocol.0], spi.to_be_bytes());
        let mut material = Zeroizing::new(Vec::new());
        let mut block = Zeroizing::new(Vec::new());
        while material.len() < wanted {
            let parts: [&[u8]; 6] = [&block, secret.unwrap_or_default(), &protocol, &spi, nonces.0, nonces.1];
            block = Zeroizing::new(self.prf().compute(&self.skeyid_d, &parts));
            material.extend(block.iter());
        }
        let integrity = material.get(cipher..wanted).unwrap_or_default().to_vec();
        material.truncate(cipher);
        DirectionKeys { encryption: material.to_vec(), integrity }
    }
}

/// A cipher that ISAKMP can use: one in CBC mode.
pub(super) fn cipher(encryption: Encryption, key: &[u8]) -> Option<Cipher> {
    matches!(encryption, Encryption::Des | Encryption::TripleDes | Encryption::AesCbc(_))
        .then(|| Cipher::new(encryption, key).ok())
        .flatten()
}

/// IV of the first encrypted message of phase 1 (appendix B).
pub(super) fn phase1_iv(hash: Hash, encryption: Encryption, public: (&[u8], &[u8])) -> Vec<u8> {
    cut(hash.digest(&[public.0, public.1]), encryption)
}

/// IV of the first message of an exchange of phase 2 (appendix B).
pub(super) fn phase2_iv(hash: Hash, encryption: Encryption, last: &[u8], message_id: u32) -> Vec<u8> {
    cut(hash.digest(&[last, &message_id.to_be_bytes()]), encryption)
}

fn cut(mut digest: Vec<u8>, encryption: Encryption) -> Vec<u8> {
    digest.truncate(encryption.block_len());
    digest
}

/// The key of the cipher (appendix B): from SKEYID_e, which feedback makes longer where it is too short. DES passes
/// over weak keys.
fn cipher_key(suite: &IsakmpSuite, skeyid_e: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = suite.encryption.key_len();
    if suite.encryption == Encryption::Des {
        let strong = skeyid_e.windows(length).find(|key| !suite.encryption.is_weak_key(key));
        return Zeroizing::new(strong.or(skeyid_e.get(..length)).unwrap_or_default().to_vec());
    }
    if let Some(key) = skeyid_e.get(..length) {
        return Zeroizing::new(key.to_vec());
    }
    let prf = prf(suite.hash);
    let mut key = Zeroizing::new(Vec::new());
    let mut block = Zeroizing::new(vec![0]);
    while key.len() < length {
        block = Zeroizing::new(prf.compute(skeyid_e, &[&block]));
        key.extend(block.iter());
    }
    key.truncate(length);
    key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crypto::KeyBits;

    fn suite(encryption: Encryption, hash: Hash) -> IsakmpSuite {
        IsakmpSuite { encryption, hash, group: 2 }
    }

    fn keys(encryption: Encryption, hash: Hash) -> IsakmpKeys {
        IsakmpKeys::psk(&suite(encryption, hash), b"secret", &[9; 128], (&[1; 16], &[2; 16]), (3, 4)).unwrap()
    }

    /// Ka = K1 | K2, K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1), for a key of 32 octets out of 20.
    #[test]
    fn long_keys_are_made_by_feedback() {
        let keys = keys(Encryption::AesCbc(KeyBits::B256), Hash::Sha1);
        let k1 = Prf::HmacSha1.compute(&keys.skeyid_e, &[&[0]]);
        let k2 = Prf::HmacSha1.compute(&keys.skeyid_e, &[&k1]);
        assert_eq!(*keys.cipher_key, [&k1[..], &k2[..12]].concat());
        let short = super::tests::keys(Encryption::AesCbc(KeyBits::B128), Hash::Sha1);
        assert_eq!(*short.cipher_key, short.skeyid_e[..16]);
        assert_eq!(super::tests::keys(Encryption::TripleDes, Hash::Md5).cipher_key.len(), 24);
    }

    #[test]
    fn weak_des_keys_are_passed_over() {
        let suite = suite(Encryption::Des, Hash::Sha1);
        let weak = [&[0x01; 8][..], &[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80], &[0; 4]].concat();
        assert_ne!(*cipher_key(&suite, &weak), weak[..8]);
        assert!(!Encryption::Des.is_weak_key(&cipher_key(&suite, &weak)));
        let strong: Vec<u8> = (1..=20).collect();
        assert_eq!(*cipher_key(&suite, &strong), strong[..8]);
    }

    #[test]
    fn each_sa_has_keys_of_its_own() {
        let keys = keys(Encryption::Des, Hash::Md5);
        let esp = (Some(Encryption::TripleDes), Some(Integrity::HmacSha1_96));
        let of = |secret, protocol, spi| keys.keymat(secret, protocol, spi, (&[1; 8], &[2; 8]), esp);
        let one = of(None, ProtocolId::ESP, 0x1001);
        assert_eq!((one.encryption.len(), one.integrity.len()), (24, 20));
        assert_ne!(one, of(None, ProtocolId::ESP, 0x1002));
        assert_ne!(one, of(None, ProtocolId::AH, 0x1001));
        assert_ne!(one, of(Some(&[5; 96]), ProtocolId::ESP, 0x1001));
        let ah = keys.keymat(None, ProtocolId::AH, 7, (&[1; 8], &[2; 8]), (None, Some(Integrity::HmacMd5_96)));
        let parts: [&[u8]; 4] = [&[2], &7u32.to_be_bytes(), &[1; 8], &[2; 8]];
        assert_eq!(ah.integrity, Prf::HmacMd5.compute(&keys.skeyid_d, &parts));
        assert!(ah.encryption.is_empty());
    }

    #[test]
    fn ciphers_that_isakmp_cannot_use() {
        let gcm = suite(Encryption::AesGcm16(KeyBits::B128), Hash::Sha1);
        assert_eq!(IsakmpKeys::psk(&gcm, b"x", &[1], (&[], &[]), (1, 2)), None);
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = keys(Encryption::Des, Hash::Md5);
        assert!(!format!("{keys:?}").contains("skeyid"));
    }
}
