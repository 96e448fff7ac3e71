//! Keying material (RFC 7296 sections 2.13 to 2.18).

use super::api::DirectionKeys;
use crypto::{Encryption, Integrity, Prf};
use std::fmt;

/// What an IKE SA has been agreed to be protected with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IkeSuite {
    /// Cipher.
    pub encryption: Encryption,
    /// Integrity algorithm; `None` with an AEAD cipher.
    pub integrity: Option<Integrity>,
    /// Pseudorandom function.
    pub prf: Prf,
    /// Key exchange method.
    pub group: u16,
}

/// All keys of an IKE SA, with what is needed to use them. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct IkeKeys {
    /// SPIs, the initiator's first.
    pub spis: (u64, u64),
    /// Cipher.
    pub encryption: Encryption,
    /// Integrity algorithm; `None` with an AEAD cipher.
    pub integrity: Option<Integrity>,
    /// Pseudorandom function.
    pub prf: Prf,
    /// Key that Child SA keys and the keys of a successor are derived from.
    pub sk_d: Vec<u8>,
    /// Integrity key of the initiator's messages; empty with an AEAD cipher.
    pub sk_ai: Vec<u8>,
    /// Integrity key of the responder's messages.
    pub sk_ar: Vec<u8>,
    /// Encryption key of the initiator's messages, with the salt of AEAD and counter mode ciphers at its end.
    pub sk_ei: Vec<u8>,
    /// Encryption key of the responder's messages.
    pub sk_er: Vec<u8>,
    /// Key of the initiator's AUTH payload.
    pub sk_pi: Vec<u8>,
    /// Key of the responder's AUTH payload.
    pub sk_pr: Vec<u8>,
}

impl fmt::Debug for IkeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IkeKeys")
            .field("spis", &format_args!("{:016x} {:016x}", self.spis.0, self.spis.1))
            .field("encryption", &self.encryption)
            .field("integrity", &self.integrity)
            .field("prf", &self.prf)
            .finish_non_exhaustive()
    }
}

impl IkeKeys {
    /// Keys of an initial IKE SA, from both nonces and the shared secret g^ir (section 2.14). `None` if the PRF does
    /// not yield as much as is needed, which no registered suite brings about.
    pub fn initial(suite: &IkeSuite, secret: &[u8], nonces: (&[u8], &[u8]), spis: (u64, u64)) -> Option<Self> {
        let key = match suite.prf {
            // Their keys are of fixed size: the first 64 bits of each nonce.
            Prf::AesXcbc | Prf::AesCmac => [nonces.0.get(..8)?, nonces.1.get(..8)?].concat(),
            _ => [nonces.0, nonces.1].concat(),
        };
        Self::expand(suite, &suite.prf.compute(&key, &[secret]), nonces, spis)
    }

    /// Keys of the IKE SA that replaces this one (section 2.18). The PRF of this one makes the seed.
    pub fn rekeyed(&self, suite: &IkeSuite, secret: &[u8], nonces: (&[u8], &[u8]), spis: (u64, u64)) -> Option<Self> {
        let seed = self.prf.compute(&self.sk_d, &[secret, nonces.0, nonces.1]);
        Self::expand(suite, &seed, nonces, spis)
    }

    fn expand(suite: &IkeSuite, seed: &[u8], nonces: (&[u8], &[u8]), spis: (u64, u64)) -> Option<Self> {
        let prf = suite.prf.key_len();
        let integrity = suite.integrity.map_or(0, Integrity::key_len);
        let cipher = suite.encryption.key_material_len();
        let parts: [&[u8]; 4] = [nonces.0, nonces.1, &spis.0.to_be_bytes(), &spis.1.to_be_bytes()];
        let material = suite.prf.plus(seed, &parts, 3 * prf + 2 * integrity + 2 * cipher).ok()?;
        let mut rest = &material[..];
        let mut take = |octets: usize| {
            let (key, tail) = rest.split_at_checked(octets)?;
            rest = tail;
            Some(key.to_vec())
        };
        Some(Self {
            spis,
            encryption: suite.encryption,
            integrity: suite.integrity,
            prf: suite.prf,
            sk_d: take(prf)?,
            sk_ai: take(integrity)?,
            sk_ar: take(integrity)?,
            sk_ei: take(cipher)?,
            sk_er: take(cipher)?,
            sk_pi: take(prf)?,
            sk_pr: take(prf)?,
        })
    }

    /// Keys of a Child SA pair, those of the initiator-to-responder SA first; initiator of the exchange that makes it
    /// (section 2.17).
    pub fn child(
        &self,
        secret: Option<&[u8]>,
        nonces: (&[u8], &[u8]),
        encryption: Option<Encryption>,
        integrity: Option<Integrity>,
    ) -> Option<(DirectionKeys, DirectionKeys)> {
        let cipher = encryption.map_or(0, Encryption::key_material_len);
        let mac = integrity.map_or(0, Integrity::key_len);
        let parts = [secret.unwrap_or_default(), nonces.0, nonces.1];
        let material = self.prf.plus(&self.sk_d, &parts, 2 * (cipher + mac)).ok()?;
        let direction = |octets: &[u8]| {
            let (encryption, integrity) = octets.split_at_checked(cipher)?;
            Some(DirectionKeys { encryption: encryption.to_vec(), integrity: integrity.to_vec() })
        };
        let (initiator, responder) = material.split_at_checked(cipher + mac)?;
        Some((direction(initiator)?, direction(responder)?))
    }

    /// AUTH data of a shared key (section 2.15), over the first message as sent, the peer's nonce and the signer's ID
    /// payload without its generic header.
    pub fn psk_auth(&self, initiator: bool, psk: &[u8], message: &[u8], peer_nonce: &[u8], id: &[u8]) -> Vec<u8> {
        let mac_key = if initiator { &self.sk_pi } else { &self.sk_pr };
        let maced_id = self.prf.compute(mac_key, &[id]);
        let key = self.prf.compute(psk, &[b"Key Pad for IKEv2"]);
        self.prf.compute(&key, &[message, peer_nonce, &maced_id])
    }

    /// Encryption key and integrity key of one direction.
    pub(super) fn direction(&self, from_initiator: bool) -> (&[u8], &[u8]) {
        if from_initiator { (&self.sk_ei, &self.sk_ai) } else { (&self.sk_er, &self.sk_ar) }
    }
}
