//! Encryption of ISAKMP messages (RFC 2409 appendix B): CBC with IVs that follow from what went before, padding with
//! zeros, no integrity but that of the HASH payload inside.

use super::keys;
use crypto::{Cipher, Encryption, Hash};
use std::collections::BTreeMap;
use thiserror::Error;
use wire::ikev1::{Body, Content, ExchangeType, Message, Payload, Phase1Class, parse_chain};

/// Octets out of an encrypted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Payloads and padding as octets.
    pub plain: Vec<u8>,
    /// The payloads, if they can be read: with a wrong key they cannot.
    pub payloads: Result<Vec<Payload>, wire::Error>,
    /// What follows the payloads.
    pub padding: Vec<u8>,
    /// The last block of the ciphertext, the IV of what comes next in this exchange.
    pub next_iv: Vec<u8>,
}

/// Why a message was not decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The E flag is not set.
    #[error("not encrypted")]
    NotEncrypted,
    /// Not a whole number of cipher blocks, or none at all.
    #[error("{0} octets are not whole cipher blocks")]
    PartialBlock(usize),
    /// Nothing is known of the exchange that the IV follows from.
    #[error("the messages before it were not seen")]
    NoIv,
}

/// Decrypts the content of a message with this IV.
pub fn open(cipher: &Cipher, iv: &[u8], message: &Message) -> Result<Opened, OpenError> {
    let Content::Encrypted { first, data } = &message.content else { return Err(OpenError::NotEncrypted) };
    let block = cipher.algorithm().block_len();
    let mut plain = data.clone();
    if plain.is_empty() || cipher.decrypt(iv, &mut plain).is_err() {
        return Err(OpenError::PartialBlock(data.len()));
    }
    let next_iv = data.get(data.len().saturating_sub(block)..).unwrap_or_default().to_vec();
    let (payloads, padding) = match parse_chain(*first, &plain, 0) {
        Ok((payloads, padding)) => (Ok(payloads), padding.to_vec()),
        Err(error) => (Err(error), vec![]),
    };
    Ok(Opened { plain, payloads, padding, next_iv })
}

/// Encrypts octets and gives the ciphertext with the IV of what comes next. Octets that are no whole number of blocks,
/// which an honest sender never has, are left as they are.
pub(super) fn seal(cipher: &Cipher, iv: &[u8], mut plain: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let block = cipher.algorithm().block_len();
    if cipher.encrypt(iv, &mut plain).is_err() {
        return (plain, iv.to_vec());
    }
    let next = plain.get(plain.len().saturating_sub(block)..).unwrap_or_default().to_vec();
    (plain, if next.is_empty() { iv.to_vec() } else { next })
}

/// Follows phase 1 and phase 2 of one ISAKMP SA with the key of its cipher alone, as Wireshark's table has it, and
/// opens every message in the order in which they come.
#[derive(Debug)]
pub struct Observer {
    key: Vec<u8>,
    /// Hash and cipher, once the responder's choice was seen.
    suite: Option<(Hash, Encryption)>,
    public: (Vec<u8>, Vec<u8>),
    /// IV of the next message of phase 1; its last block, once phase 2 begins.
    phase1: Vec<u8>,
    /// IVs of the exchanges of phase 2.
    phase2: BTreeMap<u32, Vec<u8>>,
    /// What has been opened, so that repetitions are opened with the IV that they had.
    seen: BTreeMap<Vec<u8>, Opened>,
}

impl Observer {
    /// An observer who has this key of the cipher.
    pub fn new(cipher_key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: cipher_key.into(),
            suite: None,
            public: (vec![], vec![]),
            phase1: vec![],
            phase2: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Sees a message; `from_initiator` is its direction in the exchange. Opens it if it is encrypted.
    ///
    /// # Errors
    /// It cannot be decrypted.
    pub fn see(&mut self, message: &Message, from_initiator: bool) -> Result<Option<Opened>, OpenError> {
        let Content::Encrypted { data, .. } = &message.content else {
            self.listen(message.payloads(), from_initiator);
            return Ok(None);
        };
        if let Some(opened) = self.seen.get(data) {
            return Ok(Some(opened.clone()));
        }
        let (hash, encryption) = self.suite.ok_or(OpenError::NoIv)?;
        let cipher = keys::cipher(encryption, &self.key).ok_or(OpenError::NoIv)?;
        let header = &message.header;
        let phase1 = matches!(header.exchange_type, ExchangeType::MAIN | ExchangeType::AGGRESSIVE);
        if self.phase1.is_empty() {
            self.phase1 = keys::phase1_iv(hash, encryption, (&self.public.0, &self.public.1));
        }
        let iv = match (phase1, self.phase2.get(&header.message_id)) {
            (true, _) => self.phase1.clone(),
            (false, Some(iv)) => iv.clone(),
            (false, None) => keys::phase2_iv(hash, encryption, &self.phase1, header.message_id),
        };
        let opened = open(&cipher, &iv, message)?;
        if opened.payloads.is_ok() {
            if phase1 {
                self.phase1 = opened.next_iv.clone();
            } else {
                self.phase2.insert(header.message_id, opened.next_iv.clone());
            }
            self.seen.insert(data.clone(), opened.clone());
        }
        Ok(Some(opened))
    }

    fn listen(&mut self, payloads: &[Payload], from_initiator: bool) {
        for payload in payloads {
            match &payload.body {
                Body::KeyExchange(public) if from_initiator => self.public.0.clone_from(public),
                Body::KeyExchange(public) => self.public.1.clone_from(public),
                Body::SecurityAssociation(sa) if !from_initiator => {
                    let transform = sa.proposals.first().and_then(|proposal| proposal.transforms.first());
                    self.suite = transform.and_then(|transform| {
                        let of = |class: Phase1Class| {
                            transform.attributes.iter().find(|a| a.class == class.0)?.as_number()?.try_into().ok()
                        };
                        let encryption =
                            super::negotiate::phase1_cipher(of(Phase1Class::ENCRYPTION)?, of(Phase1Class::KEY_LENGTH))?;
                        Some((super::negotiate::phase1_hash(of(Phase1Class::HASH)?)?, encryption))
                    });
                }
                _ => {}
            }
        }
    }
}

/// Octets, padded with zeros to whole blocks.
pub(super) fn pad(mut plain: Vec<u8>, block: usize) -> Vec<u8> {
    plain.resize(plain.len().next_multiple_of(block), 0);
    plain
}

/// Payloads without the first one, as octets: what a HASH payload at the beginning covers.
pub(super) fn after_hash(opened: &Opened) -> Option<&[u8]> {
    let length = opened.plain.get(2..4)?.try_into().ok().map(u16::from_be_bytes)?;
    let end = opened.plain.len().checked_sub(opened.padding.len())?;
    opened.plain.get(usize::from(length)..end)
}

/// The first payload, if it is a HASH.
pub(super) fn leading_hash(payloads: &[Payload]) -> Option<&[u8]> {
    match payloads.first().map(|payload| &payload.body) {
        Some(Body::Hash(hash)) => Some(hash),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use wire::ikev1::{IdType, PayloadType, first_type};

    fn hex(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    fn captured() -> Vec<(&'static str, Message)> {
        let lines = include_str!("testdata/captured.txt").lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split_once(' ').unwrap()).map(|(n, d)| (n, Message::parse(&hex(d)).unwrap())).collect()
    }

    /// Main mode and a quick mode with PFS, aggressive mode and one without, of two strongSwan: what is inside is what
    /// RFC 2409 says, so that IVs, key and padding are right.
    #[test]
    fn captures_of_a_daemon_are_opened() {
        use PayloadType as P;
        let id = (P::IDENTIFICATION, P::IDENTIFICATION);
        let expected: &[(&str, &[PayloadType])] = &[
            ("main-5", &[P::IDENTIFICATION, P::HASH, P::NOTIFICATION]),
            ("main-6", &[P::IDENTIFICATION, P::HASH]),
            ("quick-pfs-1", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, P::KEY_EXCHANGE, id.0, id.1]),
            ("quick-pfs-2", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, P::KEY_EXCHANGE, id.0, id.1]),
            ("quick-pfs-3", &[P::HASH]),
            ("aggressive-3", &[P::HASH, P::NAT_DETECTION, P::NAT_DETECTION]),
            ("quick-1", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, id.0, id.1]),
            ("quick-2", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, id.0, id.1]),
            ("quick-3", &[P::HASH]),
        ];
        let mut opened = vec![];
        for (initiator, key) in [
            (0xcc3f_7745_9eb7_6791, "c10d50dc31f936e46354f08494456e78"),
            (0x0d75_3ccc_4e1d_84de, "6b2b21ec15ce827b522252b40c8ec31b"),
        ] {
            let mut observer = Observer::new(hex(key));
            for (name, message) in captured() {
                if message.header.initiator_cookie != initiator {
                    continue;
                }
                let from_initiator = name.ends_with(['1', '3', '5']);
                let result = observer.see(&message, from_initiator).unwrap();
                // A repetition is opened as the first was, and changes nothing.
                assert_eq!(observer.see(&message, from_initiator).unwrap(), result);
                if let Some(inside) = result {
                    let types: Vec<_> =
                        inside.payloads.unwrap().iter().map(|payload| payload.body.payload_type()).collect();
                    // This daemon adds a whole block to what fills its blocks.
                    assert!(inside.padding.len() <= 16 && inside.padding.iter().all(|octet| *octet == 0), "{name}");
                    opened.push((name, types));
                }
            }
        }
        let expected: Vec<_> = expected.iter().map(|(name, types)| (*name, types.to_vec())).collect();
        assert_eq!(opened, expected);
    }

    #[test]
    fn the_captured_identities() {
        let mut observer = Observer::new(hex("c10d50dc31f936e46354f08494456e78"));
        for (name, message) in captured().into_iter().take(5) {
            let opened = observer.see(&message, name.ends_with(['1', '3', '5'])).unwrap();
            if let Some(opened) = opened {
                let payloads = opened.payloads.unwrap();
                let Body::Identification(id) = &payloads[0].body else { panic!("no ID") };
                assert_eq!(id.id_type, IdType::IPV4_ADDR);
                assert_eq!((id.protocol, id.port, &id.data[..]), (0, 0, &[10, 66, 0, 1][..]));
            }
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_the_iv_goes_on() {
        let cipher = keys::cipher(Encryption::TripleDes, &(0..24).collect::<Vec<u8>>()).unwrap();
        let payloads = [Payload::from(Body::Hash(vec![7; 20])), Body::Nonce(vec![8; 16]).into()];
        let mut plain = vec![];
        wire::ikev1::emit_chain(&payloads, PayloadType::NONE, &mut plain);
        let (data, next) = seal(&cipher, &[1; 8], pad(plain.clone(), 8));
        let header = wire::ikev1::Header::new((1, 2), ExchangeType::QUICK, wire::ikev1::Flags(1), 3);
        let message = Message::encrypted(header, first_type(&payloads), data.clone());
        let opened = open(&cipher, &[1; 8], &message).unwrap();
        assert_eq!(opened.payloads.as_deref(), Ok(&payloads[..]));
        assert_eq!((&opened.next_iv, &data[data.len() - 8..]), (&next, &next[..]));
        assert_eq!(after_hash(&opened).unwrap(), &plain[24..]);
        for length in [0, 7, 9] {
            let cut = Message::encrypted(header, PayloadType::HASH, vec![0; length]);
            assert_eq!(open(&cipher, &[1; 8], &cut), Err(OpenError::PartialBlock(length)));
        }
        assert_eq!(open(&cipher, &[1; 8], &Message::clear(header, [])), Err(OpenError::NotEncrypted));
    }
}
