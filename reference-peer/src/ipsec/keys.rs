//! An ESP SA without memory: what a capture is read with, and what a scenario seals packets of its own with.
//!
//! No counters, no replay window, no selectors: any sequence number is sealed, any packet that verifies is opened.

use super::drops::DropReason;
use super::outbound::lay_out;
use super::sa::{Protocol, SaError, SaParameters};
use super::sequence::Numbering;
use super::transform::{ESP_HEADER, TRAILER, Transform};
use crate::hands::EspDraft;
use crypto::CipherError;
use rand_core::Rng;

/// How many high halves of extended sequence numbers [`EspKeys::open`] tries.
const HIGH_HALVES: u64 = 3;

/// Algorithms and keys of one ESP SA, one direction.
#[derive(Debug, Clone)]
pub struct EspKeys {
    parameters: SaParameters,
    transform: Transform,
}

/// What was inside an ESP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Initialisation vector.
    pub iv: Vec<u8>,
    /// Protected data with any TFC padding.
    pub payload: Vec<u8>,
    /// Padding octets, without Pad Length.
    pub padding: Vec<u8>,
    /// Next Header field.
    pub next_header: u8,
    /// Octets of ICV.
    pub icv_len: usize,
}

impl EspKeys {
    /// The keys of an SA. `None` for AH, which hides nothing.
    ///
    /// # Errors
    /// Parameters that make no SA.
    pub fn new(parameters: SaParameters) -> Result<Option<Self>, SaError> {
        if parameters.protocol == Protocol::Ah {
            return Ok(None);
        }
        Ok(Some(Self { transform: Transform::new(&parameters)?, parameters }))
    }

    /// What the SA is made of.
    pub fn parameters(&self) -> &SaParameters {
        &self.parameters
    }

    /// Seals a packet, SPI to ICV, with an IV that is fresh or as the draft says.
    ///
    /// # Errors
    /// When the cipher refuses the draft's IV.
    pub fn seal(&self, draft: &EspDraft, rng: &mut dyn Rng) -> Result<Vec<u8>, CipherError> {
        let iv = draft.iv.clone().unwrap_or_else(|| {
            let mut iv = vec![0; self.transform.iv_len];
            rng.fill_bytes(&mut iv);
            iv
        });
        let mut packet = lay_out(draft, &iv, &self.transform);
        self.transform.seal(draft.sequence, &mut packet)?;
        Ok(packet)
    }

    /// Verifies and decrypts a packet, SPI to ICV. With extended sequence numbers the lowest high halves are tried.
    ///
    /// # Errors
    /// Why a receiver would drop it.
    pub fn open(&self, packet: &[u8]) -> Result<Opened, DropReason> {
        let low = packet.get(4..ESP_HEADER).and_then(|octets| octets.first_chunk::<4>()).ok_or(DropReason::TooShort)?;
        let low = u64::from(u32::from_be_bytes(*low));
        let highs = if self.parameters.numbering == Numbering::Extended { HIGH_HALVES } else { 1 };
        let mut last = DropReason::BadIcv;
        for high in 0..highs {
            match self.open_numbered(high << 32 | low, packet) {
                Ok(opened) => return Ok(opened),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    fn open_numbered(&self, sequence: u64, packet: &[u8]) -> Result<Opened, DropReason> {
        let head = self.transform.head();
        let encrypted = packet.len().checked_sub(head + self.transform.icv_len).filter(|&len| len >= TRAILER);
        let end = head + encrypted.ok_or(DropReason::TooShort)?;
        let mut packet = packet.to_vec();
        self.transform.open(sequence, &mut packet)?;
        packet.truncate(end);
        let Some(&[pad_length, next_header]) = packet.last_chunk::<TRAILER>() else { return Err(DropReason::TooShort) };
        let data = packet.get(head..end - TRAILER).unwrap_or_default();
        let (payload, padding) =
            data.split_at_checked(data.len().wrapping_sub(pad_length.into())).ok_or(DropReason::PadLength)?;
        Ok(Opened {
            iv: packet.get(ESP_HEADER..head).unwrap_or_default().to_vec(),
            payload: payload.to_vec(),
            padding: padding.to_vec(),
            next_header,
            icv_len: self.transform.icv_len,
        })
    }
}
