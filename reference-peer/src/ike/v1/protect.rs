//! Encryption of ISAKMP messages (RFC 2409 appendix B): CBC with IVs that follow from what went before, padding with
//! zeros, no integrity but that of the HASH payload inside.

use super::keys::IsakmpKeys;
use crate::hands::IsakmpDraft;
use crypto::Cipher;
use thiserror::Error;
use wire::ikev1::{Body, Content, Message, Payload, PayloadType, emit_chain, first_type, parse_chain};

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
    /// The key of the ISAKMP SA is not known.
    #[error("no keys")]
    NoKeys,
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

/// Encrypts a draft with this IV, and gives the IV of what comes next in its exchange. What the draft says of padding and
/// trailing octets is done as it says; the HASH payload is taken as it stands.
pub fn encrypt(keys: &IsakmpKeys, iv: &[u8], draft: &IsakmpDraft) -> (Message, Vec<u8>) {
    let mut plain = vec![];
    emit_chain(&draft.payloads, PayloadType::NONE, &mut plain);
    plain.extend(&draft.trailing);
    match &draft.padding {
        Some(padding) => plain.extend(padding),
        None => plain = pad(plain, keys.encryption.block_len()),
    }
    let (data, next) = seal(&keys.cipher, iv, plain);
    (Message::encrypted(draft.header, first_type(&draft.payloads), data), next)
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

    use super::super::keys;
    use super::*;
    use crypto::Encryption;
    use wire::ikev1::ExchangeType;

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
