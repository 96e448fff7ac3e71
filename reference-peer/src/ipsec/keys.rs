//! An ESP or AH SA without memory: what a capture is read with, and what a scenario seals packets of its own with.
//!
//! No counters, no replay window, no selectors: any sequence number is sealed, any packet that verifies is opened.

use super::authentication::{self, FIXED};
use super::drops::DropReason;
use super::header::Header;
use super::outbound::{ProtectError, lay_out};
use super::sa::{Protocol, SaError, SaParameters};
use super::sequence::Numbering;
use super::transform::{ESP_HEADER, TRAILER, Transform};
use crate::hands::{AhDraft, EspDraft};
use crypto::CipherError;
use rand_core::Rng;

/// How many high halves of extended sequence numbers are tried.
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
        let mut packet = Vec::new();
        lay_out(draft, &iv, &self.transform, &mut packet);
        self.transform.seal(draft.sequence, &mut packet)?;
        Ok(packet)
    }

    /// Verifies and decrypts a packet, SPI to ICV. With extended sequence numbers the lowest high halves are tried.
    ///
    /// # Errors
    /// Why a receiver would drop it.
    pub fn open(&self, packet: &[u8]) -> Result<Opened, DropReason> {
        let low = packet.get(4..ESP_HEADER).and_then(|octets| octets.first_chunk::<4>()).ok_or(DropReason::TooShort)?;
        try_high_halves(&self.parameters, u32::from_be_bytes(*low), |sequence| self.open_numbered(sequence, packet))
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

/// Algorithm and key of one AH SA, one direction.
#[derive(Debug, Clone)]
pub struct AhKeys {
    parameters: SaParameters,
    transform: Transform,
}

/// What an AH packet held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedAh {
    /// Next Header field.
    pub next_header: u8,
    /// RESERVED field.
    pub reserved: u16,
    /// Whole sequence number.
    pub sequence: u64,
    /// ICV.
    pub icv: Vec<u8>,
    /// Padding octets after the ICV, as many as Payload Len says.
    pub padding: Vec<u8>,
    /// What follows the header: an IP packet in tunnel mode, an upper-layer packet in transport mode.
    pub payload: Vec<u8>,
}

impl AhKeys {
    /// The keys of an SA. `None` for ESP.
    ///
    /// # Errors
    /// Parameters that make no SA.
    pub fn new(parameters: SaParameters) -> Result<Option<Self>, SaError> {
        if parameters.protocol == Protocol::Esp {
            return Ok(None);
        }
        Ok(Some(Self { transform: Transform::new(&parameters)?, parameters }))
    }

    /// What the SA is made of.
    pub fn parameters(&self) -> &SaParameters {
        &self.parameters
    }

    /// A draft with nothing wrong: this SA's SPI, and what else follows from the packet.
    pub fn draft(&self, sequence: u64) -> AhDraft {
        AhDraft { spi: self.parameters.spi, sequence, identification: sequence as u16, ..AhDraft::default() }
    }

    /// The IP packet with AH, from an IP packet: in tunnel mode behind an outer header with the addresses and by the
    /// rules of the SA, in transport mode with AH at its place (RFC 4302 section 3.1).
    ///
    /// # Errors
    /// No IP packet, a fragment in transport mode, or the result would be too long.
    pub fn seal(&self, draft: &AhDraft, packet: &[u8]) -> Result<Vec<u8>, ProtectError> {
        let header = Header::parse(packet)?;
        let packet = packet.get(..header.total_len).unwrap_or(packet);
        let (mut sealed, mut masked) = (Vec::new(), Vec::new());
        let out = (&mut sealed, &mut masked);
        authentication::protect(&self.parameters, &self.transform, draft, packet, &header, out)?;
        Ok(sealed)
    }

    /// Verifies a whole IP packet. With extended sequence numbers the lowest high halves are tried. Any amount of
    /// padding is taken, so that it can be judged.
    ///
    /// # Errors
    /// Why a receiver would drop it; [`DropReason::WrongProtocol`] if it is no AH.
    pub fn open(&self, packet: &[u8]) -> Result<OpenedAh, DropReason> {
        let header = Header::parse(packet).map_err(|_| DropReason::OuterMalformed)?;
        let packet = packet.get(..header.total_len).unwrap_or(packet);
        let (prefix, body) = packet.split_at_checked(header.upper).ok_or(DropReason::OuterMalformed)?;
        if header.protocol != Protocol::Ah.number() {
            return Err(DropReason::WrongProtocol);
        }
        if header.fragment.is_some() {
            return Err(DropReason::Fragment);
        }
        let Some(&[_, _, r0, r1, _, _, _, _, n0, n1, n2, n3]) = body.first_chunk::<FIXED>() else {
            return Err(DropReason::TooShort);
        };
        let icv_end = FIXED + self.transform.icv_len;
        try_high_halves(&self.parameters, u32::from_be_bytes([n0, n1, n2, n3]), |sequence| {
            let sa = &self.parameters;
            let verified = authentication::verify(sa, &self.transform, sequence, prefix, body, &mut Vec::new())?;
            Ok(OpenedAh {
                next_header: verified.next_header,
                reserved: u16::from_be_bytes([r0, r1]),
                sequence,
                icv: body.get(FIXED..icv_end).unwrap_or_default().to_vec(),
                padding: body.get(icv_end..verified.len).unwrap_or_default().to_vec(),
                payload: body.get(verified.len..).unwrap_or_default().to_vec(),
            })
        })
    }
}

/// The first whole number that the packet verifies with, lowest high half first.
fn try_high_halves<T>(
    parameters: &SaParameters,
    low: u32,
    open: impl Fn(u64) -> Result<T, DropReason>,
) -> Result<T, DropReason> {
    let highs = if parameters.numbering == Numbering::Extended { HIGH_HALVES } else { 1 };
    let mut last = DropReason::BadIcv;
    for high in 0..highs {
        match open(high << 32 | u64::from(low)) {
            Ok(opened) => return Ok(opened),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::inbound::InboundSa;
    use super::super::sad::Sad;
    use super::super::tests::{NOW, datagram, pair, parameters};
    use super::*;
    use crate::config::Mode;
    use crypto::{Encryption, Integrity};

    fn ah(mode: Mode, numbering: Numbering) -> SaParameters {
        let mut sa = parameters((Encryption::Null, Integrity::HmacSha256_128), 3);
        (sa.protocol, sa.mode, sa.numbering) = (Protocol::Ah, mode, numbering);
        sa
    }

    fn keys(mode: Mode) -> AhKeys {
        AhKeys::new(ah(mode, Numbering::Plain)).unwrap().unwrap()
    }

    fn receiver(sa: &SaParameters) -> Sad {
        pair(sa.clone()).1
    }

    #[test]
    fn a_receiver_takes_what_ah_keys_seal_and_they_open_it() {
        for mode in [Mode::Tunnel, Mode::Transport] {
            for (numbering, sequence) in [
                (Numbering::Plain, 7),
                (Numbering::Plain, u32::MAX.into()),
                (Numbering::Extended, 1 << 32 | 5),
                (Numbering::Extended, 2 << 32),
            ] {
                let sa = ah(mode, numbering);
                let keys = AhKeys::new(sa.clone()).unwrap().unwrap();
                let packet = datagram(b"octets");
                let sealed = keys.seal(&keys.draft(sequence), &packet).unwrap();
                let opened = keys.open(&sealed).unwrap();
                assert_eq!((opened.sequence, opened.reserved, opened.padding.len()), (sequence, 0, 0));
                let (next_header, payload) = match mode {
                    Mode::Tunnel => (4, &packet[..]),
                    Mode::Transport => (17, &packet[20..]),
                };
                assert_eq!((opened.next_header, &opened.payload[..]), (next_header, payload));
                let mut sad = receiver(&sa);
                sad.inbound_mut(sa.spi).unwrap().preset(sequence - 1);
                assert_eq!(sad.receive(NOW, &sealed, 4500).unwrap().unwrap().packet, packet);
            }
        }
    }

    #[test]
    fn each_field_of_a_draft_can_be_wrong_alone() {
        let sa = ah(Mode::Tunnel, Numbering::Plain);
        let keys = keys(Mode::Tunnel);
        let packet = datagram(b"octets");
        let send = |edit: fn(&mut AhDraft)| {
            let mut draft = keys.draft(1);
            edit(&mut draft);
            let sealed = keys.seal(&draft, &packet).unwrap();
            (
                receiver(&sa).receive(NOW, &sealed, 4500).map(|_| ()).map_err(|dropped| dropped.reason),
                keys.open(&sealed),
            )
        };
        let (taken, opened) = send(|draft| draft.reserved = 0xbeef);
        assert_eq!((taken, opened.unwrap().reserved), (Ok(()), 0xbeef));
        let (taken, opened) = send(|draft| draft.next_header = Some(99));
        assert_eq!((taken, opened.unwrap().next_header), (Err(DropReason::NextHeader), 99));
        let (taken, opened) = send(|draft| draft.padding = Some(vec![1, 2, 3, 4]));
        assert_eq!((taken, opened.unwrap().padding), (Err(DropReason::AhLength), vec![1, 2, 3, 4]));
        assert_eq!(send(|draft| draft.icv = Some(vec![0; 16])), (Err(DropReason::BadIcv), Err(DropReason::BadIcv)));
        assert_eq!(send(|draft| draft.icv = Some(vec![0; 12])).1, Err(DropReason::AhLength));
        assert_eq!(send(|draft| draft.payload_len = Some(4)), (Err(DropReason::AhLength), Err(DropReason::AhLength)));
        assert_eq!(send(|draft| draft.payload_len = Some(255)).1, Err(DropReason::TooShort));
        assert_eq!(send(|draft| draft.spi += 1).0, Err(DropReason::UnknownSpi));
        assert_eq!(send(|draft| draft.sequence = 0).0, Err(DropReason::ReplayDuplicate));
    }

    #[test]
    fn an_open_verifies() {
        let keys = keys(Mode::Transport);
        let sealed = keys.seal(&keys.draft(1), &datagram(b"octets")).unwrap();
        for at in [1, 6, 8] {
            let mut changed = sealed.clone();
            changed[at] ^= 0x40;
            super::super::header::repair_checksum(&mut changed);
            assert!(keys.open(&changed).is_ok(), "octet {at} may change on the way");
        }
        for at in [4, 12, 16, 20, 22, 24, 28, 32, 47, 48, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            super::super::header::repair_checksum(&mut changed);
            assert_eq!(keys.open(&changed), Err(DropReason::BadIcv), "octet {at}");
        }
        assert_eq!(keys.open(&datagram(b"octets")), Err(DropReason::WrongProtocol));
        for len in 0..sealed.len() {
            assert!(keys.open(&sealed[..len]).is_err());
        }
        assert!(AhKeys::new(parameters((Encryption::Null, Integrity::HmacSha1_96), 1)).unwrap().is_none());
        assert!(InboundSa::new(ah(Mode::Tunnel, Numbering::Plain), NOW).is_ok());
    }
}
