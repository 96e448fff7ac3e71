//! The ESP transform with its keys: encryption, ICV, and where the octets stand (RFC 4303 section 2).
//!
//! ```text
//!  0        4         8       8+IV                                       len-ICV    len
//!  +--------+---------+--------+---------+-----+---------+-----+--------+----------+
//!  |  SPI   | Seq low |   IV   | payload | TFC | padding | len | next h.|   ICV    |
//!  +--------+---------+--------+---------+-----+---------+-----+--------+----------+
//!                              |<------------- encrypted -------------->|
//!  |<-------------------- authenticated, (Seq high) after ------------->|
//! ```

use std::ops::Deref;
use std::sync::Arc;

use crypto::{Cipher, CipherError, Encryption, Integrity, IntegrityKey};

use super::drops::DropReason;
use super::sa::{SaError, SaParameters};
use super::sequence::Numbering;
use crate::deviation::{Deviation, DeviationSet};

/// Octets of SPI and sequence number.
pub(crate) const ESP_HEADER: usize = 8;
/// Octets of pad length and next header.
pub(crate) const TRAILER: usize = 2;

/// Padding as RFC 4303 section 2.4 wants it, at its longest.
pub(crate) const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    let mut at = 0;
    while at < padding.len() {
        padding[at] = at as u8 + 1;
        at += 1;
    }
    padding
};

/// A cipher and an integrity algorithm with their keys.
#[derive(Debug, Clone)]
pub(crate) struct Transform {
    cipher: Cipher,
    integrity: IntegrityKey,
    extended: bool,
    deviations: Arc<DeviationSet>,
    pub(crate) iv_len: usize,
    pub(crate) icv_len: usize,
    /// The encrypted part is a multiple of this.
    pub(crate) block: usize,
}

impl Transform {
    pub(crate) fn new(parameters: &SaParameters) -> Result<Self, SaError> {
        let SaParameters { encryption, integrity, deviations, .. } = parameters;
        let aead = encryption.is_aead();
        if aead && integrity.icv_len() > 0 {
            return Err(SaError::TwoIntegrityServices(*encryption));
        }
        let mut key = parameters.encryption_key.clone();
        let salt = encryption.salt_len().min(key.len());
        if deviations.has(Deviation::SaltBeforeKey) {
            key.rotate_left(salt);
        }
        if deviations.has(Deviation::ReversedChaChaSalt) && *encryption == Encryption::ChaCha20Poly1305 {
            let at = key.len() - salt;
            key[at..].reverse();
        }
        let cuts_sha2 = deviations.has(Deviation::CutsSha256To96) && *integrity == Integrity::HmacSha256_128;
        let reserves_iv = deviations.has(Deviation::ReservesIvForNull) && *encryption == Encryption::Null;
        Ok(Self {
            cipher: Cipher::new(*encryption, &key)?,
            integrity: IntegrityKey::new(*integrity, &parameters.integrity_key)?,
            extended: parameters.numbering == Numbering::Extended,
            deviations: Arc::clone(deviations),
            iv_len: if reserves_iv { 8 } else { encryption.iv_len() },
            icv_len: match aead {
                true => encryption.icv_len(),
                false if cuts_sha2 => 12,
                false => integrity.icv_len(),
            },
            block: encryption.block_len().max(4),
        })
    }

    /// Octets that come before the payload.
    pub(crate) fn head(&self) -> usize {
        ESP_HEADER + self.iv_len
    }

    /// Is the initialisation vector to be unpredictable, not merely unique?
    pub(crate) fn wants_random_iv(&self) -> bool {
        self.cipher.algorithm().block_len() > 1
    }

    /// Padding that aligns so much payload.
    pub(crate) fn pad_len(&self, payload: usize) -> usize {
        let minimal = |block| (payload + TRAILER).next_multiple_of(block) - payload - TRAILER;
        if self.cipher.algorithm().block_len() > 1 {
            minimal(self.block)
        } else if self.deviations.has(Deviation::LeavesStreamCiphersUnaligned) {
            0
        } else if self.deviations.has(Deviation::PadsStreamCiphersTo16) {
            minimal(16)
        } else {
            minimal(self.block)
        }
    }

    /// Octets of the packet for so much payload (with TFC padding) and the least padding.
    pub(crate) fn packet_len(&self, payload: usize) -> usize {
        self.head() + payload + self.pad_len(payload) + TRAILER + self.icv_len
    }

    /// Encrypts and authenticates a packet that is laid out in the clear with room for the ICV. `sequence` is the
    /// whole number, of which the packet holds the low half.
    pub(crate) fn seal(&self, sequence: u64, packet: &mut [u8]) -> Result<(), CipherError> {
        let (body, icv) = split_end(packet, self.icv_len).ok_or(CipherError::TooLong)?;
        let (header, iv, data) = split_body(body, self.iv_len).ok_or(CipherError::TooLong)?;
        if self.cipher.algorithm().is_aead() {
            let aad = self.aad(header, iv, sequence);
            return self.cipher.seal(iv, &aad, self.covered(data), icv);
        }
        self.crypt(iv, data, Cipher::encrypt)?;
        self.integrity.sign(&self.signed(header, iv, data, &high(sequence)), icv);
        Ok(())
    }

    /// Verifies and decrypts in place. The decrypted part begins at [`head`](Self::head). What is in the packet after
    /// an error is of no use.
    pub(crate) fn open(&self, sequence: u64, packet: &mut [u8]) -> Result<(), DropReason> {
        let (body, icv) = split_end(packet, self.icv_len).ok_or(DropReason::TooShort)?;
        let (header, iv, data) = split_body(body, self.iv_len).ok_or(DropReason::TooShort)?;
        self.open_data(sequence, header, iv, data, icv)
    }

    /// As [`open`](Self::open), with the decrypted part appended to `out`. After an error what was appended is of no
    /// use.
    pub(crate) fn open_onto(&self, sequence: u64, packet: &[u8], out: &mut Vec<u8>) -> Result<(), DropReason> {
        let too_short = DropReason::TooShort;
        let end = packet.len().checked_sub(self.icv_len).ok_or(too_short)?;
        let (body, icv) = packet.split_at_checked(end).ok_or(too_short)?;
        let (head, data) = body.split_at_checked(self.head()).ok_or(too_short)?;
        let (header, iv) = head.split_at_checked(ESP_HEADER).ok_or(too_short)?;
        let at = out.len();
        out.extend_from_slice(data);
        self.open_data(sequence, header, iv, out.get_mut(at..).unwrap_or_default(), icv)
    }

    fn open_data(
        &self,
        sequence: u64,
        header: &[u8],
        iv: &[u8],
        data: &mut [u8],
        icv: &[u8],
    ) -> Result<(), DropReason> {
        if self.cipher.algorithm().is_aead() {
            let aad = self.aad(header, iv, sequence);
            let data = self.covered(data);
            return match self.icv_octets_compared(icv.len()) {
                all if all == icv.len() => self.cipher.open(iv, &aad, data, icv),
                some => self.open_carelessly(iv, &aad, data, icv, some),
            }
            .map_err(|_| DropReason::BadIcv);
        }
        let high = high(sequence);
        let signed = self.signed(header, iv, data, &high);
        if !self.fits(&signed, icv) {
            return Err(DropReason::BadIcv);
        }
        self.crypt(iv, data, Cipher::decrypt).map_err(|_| DropReason::Misaligned)
    }

    /// Writes the ICV of the integrity algorithm alone, for AH, over the parts and the high half where it counts.
    pub(crate) fn sign(&self, sequence: u64, [a, b]: [&[u8]; 2], icv: &mut [u8]) {
        let high = high(sequence);
        let (before, after) = self.high(&high);
        self.integrity.sign(&[before, a, b, after], icv);
    }

    /// Is this the ICV of the integrity algorithm alone? For AH.
    pub(crate) fn icv_fits(&self, sequence: u64, [a, b, c, d]: [&[u8]; 4], icv: &[u8]) -> bool {
        let high = high(sequence);
        let (before, after) = self.high(&high);
        self.fits(&[before, a, b, c, d, after], icv)
    }

    /// Is this the ICV of a separate integrity algorithm?
    fn fits(&self, signed: &[&[u8]], icv: &[u8]) -> bool {
        let compared = self.icv_octets_compared(icv.len());
        if icv.len() == self.integrity.algorithm().icv_len() && compared == icv.len() {
            return self.integrity.verify(signed, icv);
        }
        let mut right = vec![0; icv.len()];
        self.integrity.sign(signed, &mut right);
        right.iter().zip(icv).take(compared).all(|(a, b)| a == b)
    }

    /// What a separate integrity algorithm runs over before and after all else: the high half of an extended number
    /// stands at the end.
    fn high<'a>(&self, high: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        match self.extended {
            true if self.deviations.has(Deviation::MisplacesEsnHighHalf) => (high, &[]),
            true => (&[], high),
            false if self.deviations.has(Deviation::AuthenticatesHighHalfAlways) => (&[], &[0; 4]),
            false => (&[], &[]),
        }
    }

    /// Applies a mode that only encrypts. What does not fill a block stays as it is: an honest packet has none of
    /// that, but a draft may be misaligned on purpose.
    fn crypt(
        &self,
        iv: &[u8],
        data: &mut [u8],
        apply: impl FnOnce(&Cipher, &[u8], &mut [u8]) -> Result<(), CipherError>,
    ) -> Result<(), CipherError> {
        let algorithm = self.cipher.algorithm();
        let whole = data.len() - data.len() % algorithm.block_len();
        let iv = if algorithm.iv_len() == 0 { &[] } else { iv };
        apply(&self.cipher, iv, data.get_mut(..whole).unwrap_or_default())
    }

    /// What a separate integrity algorithm runs over (RFC 4303 sections 2.8 and 3.3.2.1).
    fn signed<'a>(&self, header: &'a [u8], iv: &'a [u8], data: &'a [u8], high: &'a [u8]) -> [&'a [u8]; 5] {
        let iv = if self.deviations.has(Deviation::LeavesIvOutOfIcv) { &[] } else { iv };
        let (before, after) = self.high(high);
        [before, header, iv, data, after]
    }

    /// The additional authenticated data of a combined mode (RFC 4106 section 5).
    ///
    /// AES-GMAC has the IV among them: figure 4 of RFC 4543 shows it so, section 3.1 counts it to the payload, and so
    /// does Linux, although the list of fields in section 3.3 leaves it out.
    fn aad(&self, header: &[u8], iv: &[u8], sequence: u64) -> Aad {
        let (spi, low) = header.split_at_checked(4).unwrap_or_default();
        let mut aad = Aad::default();
        aad.push(spi);
        if self.extended && !self.deviations.has(Deviation::MisplacesEsnHighHalf) {
            aad.push(&high(sequence));
        } else if !self.extended && self.deviations.has(Deviation::AuthenticatesHighHalfAlways) {
            aad.push(&[0; 4]);
        }
        aad.push(low);
        if self.is_gmac() {
            aad.push(iv);
        }
        aad
    }

    fn is_gmac(&self) -> bool {
        matches!(self.cipher.algorithm(), Encryption::AesGmac(_))
    }

    /// What a combined mode works on: all of the data, for an honest peer.
    fn covered<'a>(&self, data: &'a mut [u8]) -> &'a mut [u8] {
        if self.is_gmac() && self.deviations.has(Deviation::LeavesPayloadOutOfGmac) { &mut [] } else { data }
    }

    /// All of the ICV, for an honest peer.
    fn icv_octets_compared(&self, all: usize) -> usize {
        if self.deviations.has(Deviation::ForwardsBeforeVerifying) {
            0
        } else if self.deviations.has(Deviation::ComparesFourOctetsOfIcv) {
            all.min(4)
        } else {
            all
        }
    }

    /// Decrypts a combined mode although only the first octets of the ICV are right. All combined modes here are
    /// stream ciphers inside, or leave the data clear: sealing the ciphertext gives the plaintext, and sealing that
    /// gives the ICV.
    fn open_carelessly(
        &self,
        iv: &[u8],
        aad: &[u8],
        data: &mut [u8],
        icv: &[u8],
        compared: usize,
    ) -> Result<(), CipherError> {
        let mut right = vec![0; icv.len()];
        self.cipher.seal(iv, aad, data, &mut right)?;
        let mut again = data.to_vec();
        self.cipher.seal(iv, aad, &mut again, &mut right)?;
        let fits = right.iter().zip(icv).take(compared).all(|(a, b)| a == b);
        if fits { Ok(()) } else { Err(CipherError::Integrity) }
    }
}

/// Additional authenticated data: 8 octets, 12 with extended sequence numbers, and 8 more for AES-GMAC.
#[derive(Default)]
struct Aad {
    octets: [u8; 20],
    len: usize,
}

impl Aad {
    fn push(&mut self, part: &[u8]) {
        if let Some(place) = self.octets.get_mut(self.len..self.len + part.len()) {
            place.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

impl Deref for Aad {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// The high half of a sequence number, which is never on the wire.
fn high(sequence: u64) -> [u8; 4] {
    ((sequence >> 32) as u32).to_be_bytes()
}

fn split_end(packet: &mut [u8], end: usize) -> Option<(&mut [u8], &mut [u8])> {
    let at = packet.len().checked_sub(end)?;
    packet.split_at_mut_checked(at)
}

fn split_body(body: &mut [u8], iv_len: usize) -> Option<(&[u8], &[u8], &mut [u8])> {
    let (head, data) = body.split_at_mut_checked(ESP_HEADER + iv_len)?;
    let (header, iv) = head.split_at_checked(ESP_HEADER)?;
    Some((header, iv, data))
}
