//! The Encrypted payload (RFC 7296 section 3.14, RFC 5282) and the Encrypted Fragment payload (RFC 7383).
//!
//! Pure functions over keys and messages: the engine, the crafting of a test and the decoding of a capture use the
//! same ones.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Payload  |C|  RESERVED   |         Payload Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Initialization Vector                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                    Encrypted IKE Payloads                     ~
//! +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               |             Padding (0-255 octets)            |
//! +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
//! |                                               |  Pad Length   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                    Integrity Checksum Data                    ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::keys::IkeKeys;
use crate::hands::Draft;
use crypto::{Cipher, IntegrityKey};
use rand_core::Rng;
use thiserror::Error;
use wire::ikev2::{self, Body, Encrypted, EncryptedFragment, Message, Payload, PayloadType};

/// Why a draft cannot be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// The keys do not fit their algorithms.
    #[error("the keys do not fit the algorithms")]
    Keys,
    /// IV or padding of a length that the cipher cannot work with.
    #[error("IV or padding of a length that the cipher cannot work with")]
    Lengths,
    /// The contents do not fit the number of fragments that the protocol can carry.
    #[error("too many fragments")]
    Fragments,
}

/// Why a protected message cannot be opened. It is dropped without an answer (RFC 7296 section 3.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// There is no Encrypted payload at its end.
    #[error("no Encrypted payload")]
    NotProtected,
    /// Shorter than IV, one block and ICV, or not whole blocks.
    #[error("Encrypted payload of an impossible length")]
    Length,
    /// The integrity check has failed.
    #[error("integrity check failed")]
    Integrity,
    /// The Pad Length octet reaches beyond the contents.
    #[error("pad length {0} is more than there is")]
    PadLength(u8),
    /// The keys do not fit their algorithms.
    #[error("the keys do not fit the algorithms")]
    Keys,
}

/// The contents of an Encrypted payload whose integrity has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Type of the first payload inside.
    pub first: PayloadType,
    /// The payloads inside as octets, without padding.
    pub plaintext: Vec<u8>,
    /// The padding, without the Pad Length octet.
    pub padding: Vec<u8>,
    /// Fragment number and total of an Encrypted Fragment payload; the plaintext is then only a piece.
    pub fragment: Option<(u16, u16)>,
    /// The payloads inside, or the rule that they break. For a fragment only meaningful if it is the only one.
    pub payloads: Result<Vec<Payload>, wire::Error>,
}

/// Protects a draft. A draft without inner payloads stays in the clear.
///
/// # Errors
/// The keys, or the IV or padding that the draft insists on, do not fit the algorithms.
pub fn seal(keys: &IkeKeys, from_initiator: bool, draft: &Draft, rng: &mut dyn Rng) -> Result<Message, SealError> {
    let mut message = Message { header: draft.header, payloads: draft.clear.clone(), trailing: vec![] };
    let Some(inner) = &draft.inner else { return Ok(message) };
    let mut plaintext = vec![];
    ikev2::emit_chain(inner, PayloadType::NONE, &mut plaintext);
    plaintext.extend(&draft.inner_trailing);
    let first = ikev2::first_type(inner);
    let parts =
        Parts { plaintext, padding: draft.padding.as_deref(), pad_length: draft.pad_length, iv: draft.iv.as_deref() };
    let body = |data| Body::Encrypted(Encrypted { first, data });
    protect(keys, from_initiator, &mut message, parts, &body, rng)?;
    Ok(message)
}

/// Protects a draft in fragments (RFC 7383 section 2.5) of at most `size` octets of contents each.
///
/// # Errors
/// As [`seal`], or more than 65535 fragments.
pub fn seal_fragments(
    keys: &IkeKeys,
    from_initiator: bool,
    draft: &Draft,
    size: usize,
    rng: &mut dyn Rng,
) -> Result<Vec<Message>, SealError> {
    let inner = draft.inner.as_deref().unwrap_or_default();
    let mut plaintext = vec![];
    ikev2::emit_chain(inner, PayloadType::NONE, &mut plaintext);
    plaintext.extend(&draft.inner_trailing);
    let pieces: Vec<&[u8]> = if plaintext.is_empty() { vec![&[]] } else { plaintext.chunks(size.max(1)).collect() };
    let total = u16::try_from(pieces.len()).map_err(|_| SealError::Fragments)?;
    let mut messages = Vec::with_capacity(pieces.len());
    for (number, piece) in (1..=total).zip(pieces) {
        // Payloads in the clear and the type of the first one inside go with the first fragment alone.
        let clear = if number == 1 { draft.clear.clone() } else { vec![] };
        let first = if number == 1 { ikev2::first_type(inner) } else { PayloadType::NONE };
        let mut message = Message { header: draft.header, payloads: clear, trailing: vec![] };
        let parts = Parts { plaintext: piece.to_vec(), padding: None, pad_length: None, iv: draft.iv.as_deref() };
        let body = |data| Body::EncryptedFragment(EncryptedFragment { first, number, total, data });
        protect(keys, from_initiator, &mut message, parts, &body, rng)?;
        messages.push(message);
    }
    Ok(messages)
}

/// What goes into one Encrypted payload.
struct Parts<'a> {
    plaintext: Vec<u8>,
    padding: Option<&'a [u8]>,
    pad_length: Option<u8>,
    iv: Option<&'a [u8]>,
}

fn protect(
    keys: &IkeKeys,
    from_initiator: bool,
    message: &mut Message,
    parts: Parts<'_>,
    body: &dyn Fn(Vec<u8>) -> Body,
    rng: &mut dyn Rng,
) -> Result<(), SealError> {
    let (encryption_key, integrity_key) = keys.direction(from_initiator);
    let cipher = Cipher::new(keys.encryption, encryption_key).map_err(|_| SealError::Keys)?;
    let icv_len = match keys.integrity {
        Some(integrity) => integrity.icv_len(),
        None => keys.encryption.icv_len(),
    };
    let mut text = parts.plaintext;
    let block = keys.encryption.block_len().max(1);
    let padding = match parts.padding {
        Some(padding) => padding.to_vec(),
        None => vec![0; (block - (text.len() + 1) % block) % block],
    };
    text.extend(&padding);
    text.push(parts.pad_length.unwrap_or(padding.len() as u8));
    let iv = match parts.iv {
        Some(iv) => iv.to_vec(),
        None => {
            let mut iv = vec![0; keys.encryption.iv_len()];
            rng.fill_bytes(&mut iv);
            iv
        }
    };

    // Associated data and lengths are those of the message as it will be: write it once with room for the contents.
    let room = iv.len() + text.len() + icv_len;
    message.payloads.push(body(vec![0; room]).into());
    let octets = message.to_bytes();
    let head = octets.get(..octets.len().saturating_sub(room)).ok_or(SealError::Lengths)?;
    let mut icv = vec![0; icv_len];
    match keys.integrity {
        None => cipher.seal(&iv, head, &mut text, &mut icv).map_err(|_| SealError::Lengths)?,
        Some(integrity) => {
            cipher.encrypt(&iv, &mut text).map_err(|_| SealError::Lengths)?;
            let key = IntegrityKey::new(integrity, integrity_key).map_err(|_| SealError::Keys)?;
            key.sign(&[head, &iv, &text], &mut icv);
        }
    }
    message.payloads.pop();
    message.payloads.push(body([iv, text, icv].concat()).into());
    Ok(())
}

/// Checks and opens a protected message. `raw` is the datagram that it was read from, without a non-ESP marker.
///
/// # Errors
/// It is not protected, or not by these keys. Contents that are malformed are no error here, but one in
/// [`Opened::payloads`].
pub fn open(keys: &IkeKeys, from_initiator: bool, message: &Message, raw: &[u8]) -> Result<Opened, OpenError> {
    let (first, data, fragment) = match message.payloads.last().map(|payload| &payload.body) {
        Some(Body::Encrypted(body)) => (body.first, &body.data, None),
        Some(Body::EncryptedFragment(body)) => (body.first, &body.data, Some((body.number, body.total))),
        _ => return Err(OpenError::NotProtected),
    };
    let start = raw.len().checked_sub(data.len()).ok_or(OpenError::Length)?;
    let (head, data) = raw.split_at_checked(start).ok_or(OpenError::Length)?;
    let (encryption_key, integrity_key) = keys.direction(from_initiator);
    let cipher = Cipher::new(keys.encryption, encryption_key).map_err(|_| OpenError::Keys)?;
    let icv_len = keys.integrity.map_or(keys.encryption.icv_len(), |integrity| integrity.icv_len());
    let (iv, rest) = data.split_at_checked(keys.encryption.iv_len()).ok_or(OpenError::Length)?;
    let at = rest.len().checked_sub(icv_len).ok_or(OpenError::Length)?;
    let (text, icv) = rest.split_at_checked(at).ok_or(OpenError::Length)?;
    let block = keys.encryption.block_len().max(1);
    if text.is_empty() || !text.len().is_multiple_of(block) {
        return Err(OpenError::Length);
    }
    let mut text = text.to_vec();
    match keys.integrity {
        None => cipher.open(iv, head, &mut text, icv).map_err(|_| OpenError::Integrity)?,
        Some(integrity) => {
            let key = IntegrityKey::new(integrity, integrity_key).map_err(|_| OpenError::Keys)?;
            if !key.verify(&[head, iv, &text], icv) {
                return Err(OpenError::Integrity);
            }
            cipher.decrypt(iv, &mut text).map_err(|_| OpenError::Length)?;
        }
    }
    let pad_length = text.pop().ok_or(OpenError::Length)?;
    let end = text.len().checked_sub(usize::from(pad_length)).ok_or(OpenError::PadLength(pad_length))?;
    let padding = text.split_off(end);
    let payloads = ikev2::parse_chain(first, &text, start + iv.len());
    Ok(Opened { first, plaintext: text, padding, fragment, payloads })
}

#[cfg(test)]
#[path = "protect_tests.rs"]
mod tests;
