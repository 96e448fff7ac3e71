//! An outbound SA: from an inner packet to a protected one (RFC 4303 section 3.3).

use std::mem;
use std::ops::{Deref, DerefMut};

use crypto::CipherError;
use rand_core::Rng;

use super::header::{Header, Malformed};
use super::sa::{Age, Meter, Protocol, SaError, SaParameters, Usage};
use super::sequence::{SequenceCounter, SequenceExhausted};
use super::transform::{ESP_HEADER, PADDING, TRAILER, Transform};
use super::tunnel::{IPV4, IPV6, Outer};
use super::{authentication, transport, tunnel};
use crate::Instant;
use crate::config::Mode;
use crate::deviation::Deviation;
use crate::hands::{AhDraft, Disposition, EspContext, EspDraft, Hands};

/// Next header of a dummy packet (RFC 4303 section 2.6).
pub const DUMMY: u8 = 59;

/// What the caller wants of one packet's protection, beyond the SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// Sequence number space, 0 to 15, where the SA has several.
    pub space: u8,
    /// Octets of traffic flow confidentiality padding after an inner packet in tunnel mode (RFC 4303 section 2.7).
    pub tfc_padding: usize,
}

/// Why a packet was not protected. Nothing was sent, and no sequence number was used unless the cause lies in what a
/// hand did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// The SA has passed its hard lifetime.
    #[error("the SA has expired")]
    Expired,
    /// The SA can count no further (RFC 4303 section 3.3.3).
    #[error(transparent)]
    Sequence(#[from] SequenceExhausted),
    /// The packet that was to be protected is malformed.
    #[error(transparent)]
    Inner(#[from] Malformed),
    /// Transport mode protects whole datagrams only (RFC 4303 section 3.3.4).
    #[error("a fragment cannot be protected in transport mode")]
    Fragment,
    /// The result would be longer than an IP packet can be.
    #[error("the protected packet would exceed 65535 octets")]
    TooLong,
    /// The cipher refused; only a hand's draft can cause that.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// Memory that is used again from packet to packet, so that none has to be asked for.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    /// The protected IP packet.
    pub packet: Vec<u8>,
    payload: Vec<u8>,
    esp: Vec<u8>,
    masked: Vec<u8>,
}

/// One outbound SA.
#[derive(Debug, Clone)]
pub struct OutboundSa {
    parameters: SaParameters,
    transform: Transform,
    counter: SequenceCounter,
    meter: Meter,
    /// The last initialisation vector of a mode that wants unique ones.
    iv: Option<u64>,
    identification: u16,
}

impl OutboundSa {
    /// An SA that has sent nothing.
    ///
    /// # Errors
    /// Parameters that make no SA.
    pub fn new(parameters: SaParameters, now: Instant) -> Result<Self, SaError> {
        parameters.validate()?;
        Ok(Self {
            transform: Transform::new(&parameters)?,
            counter: SequenceCounter::new(parameters.numbering, parameters.deviations.clone()),
            meter: Meter::new(now, parameters.lifetime),
            iv: None,
            identification: parameters.spi as u16,
            parameters,
        })
    }

    /// What it is made of.
    pub fn parameters(&self) -> &SaParameters {
        &self.parameters
    }

    /// To be changed while the SA lives: endpoints that a NAT has moved, selectors, DF and DSCP treatment. Changes of
    /// SPI, keys, algorithms, numbering and lifetime have no effect.
    pub fn parameters_mut(&mut self) -> &mut SaParameters {
        &mut self.parameters
    }

    /// SPI.
    pub fn spi(&self) -> u32 {
        self.parameters.spi
    }

    /// Sequence number counters.
    pub fn counter(&self) -> &SequenceCounter {
        &self.counter
    }

    /// To preset sequence numbers.
    pub fn counter_mut(&mut self) -> &mut SequenceCounter {
        &mut self.counter
    }

    /// Packets and octets protected.
    pub fn usage(&self) -> Usage {
        self.meter.usage
    }

    /// When it was set up.
    pub fn created(&self) -> Instant {
        self.meter.created()
    }

    /// Where it stands in its life.
    pub fn age(&self, now: Instant) -> Age {
        match self.meter.age(now) {
            Age::Fresh if self.counter.nearly_exhausted() => Age::Soft,
            age => age,
        }
    }

    /// When time alone brings the next [`Age`].
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        self.meter.next_change(now)
    }

    /// Octets that protection adds to an inner packet of this length, outer headers included, in tunnel mode; in
    /// transport mode to one whose next layer has this length.
    pub fn overhead(&self, inner: usize) -> usize {
        let outer = match self.parameters.mode {
            Mode::Tunnel if self.parameters.source.is_ipv4() => 20,
            Mode::Tunnel => 40,
            Mode::Transport => 0,
        };
        let udp = self.parameters.udp_ports().map_or(0, |udp| if udp.non_ike_marker { 16 } else { 8 });
        match self.parameters.protocol {
            Protocol::Esp => outer + udp + self.transform.packet_len(inner) - inner,
            Protocol::Ah => {
                outer + authentication::header_len(self.transform.icv_len, self.parameters.source.is_ipv4())
            }
        }
    }

    /// The longest inner packet whose protected form fits `mtu` octets (tunnel mode).
    pub fn inner_mtu(&self, mtu: usize) -> usize {
        let mut inner = mtu.saturating_sub(self.overhead(0).saturating_sub(self.transform.block));
        while inner > 0 && inner + self.overhead(inner) > mtu {
            inner -= 1;
        }
        inner
    }

    /// Protects an inner packet and gives the outer one, to be fragmented where it is too long for the path. `None`
    /// when a hand has dropped it.
    ///
    /// The inner packet goes in as it is: the forwarder decrements its TTL.
    ///
    /// # Errors
    /// The SA is used up, the inner packet is not an IP packet, or it can't be carried in this mode.
    pub fn protect(
        &mut self,
        now: Instant,
        inner: &[u8],
        how: Protection,
        rng: &mut dyn Rng,
        hands: &mut dyn Hands,
    ) -> Result<Option<Vec<u8>>, ProtectError> {
        let mut buffers = Buffers::default();
        let sent = self.protect_into(now, inner, how, rng, hands, &mut buffers)?;
        Ok(sent.then_some(buffers.packet))
    }

    /// As [`protect`](Self::protect), with the outer packet left in the buffers, which are to be given again with the
    /// next inner packet: then nothing is allocated. `false` when a hand has dropped it.
    ///
    /// # Errors
    /// As [`protect`](Self::protect).
    pub fn protect_into(
        &mut self,
        now: Instant,
        inner: &[u8],
        how: Protection,
        rng: &mut dyn Rng,
        hands: &mut dyn Hands,
        buffers: &mut Buffers,
    ) -> Result<bool, ProtectError> {
        if self.age(now) == Age::Hard {
            return Err(ProtectError::Expired);
        }
        let header = Header::parse(inner)?;
        let inner = inner.get(..header.total_len).unwrap_or(inner);
        if self.parameters.protocol == Protocol::Ah {
            return self.authenticate(inner, &header, how, hands, buffers);
        }
        match self.parameters.mode {
            Mode::Tunnel => {
                let next_header = match &self.parameters.deviations {
                    deviations if deviations.has(Deviation::WrongNextHeader) => 0,
                    deviations if header.is_v4() || deviations.has(Deviation::AlwaysNextHeader4) => IPV4,
                    _ => IPV6,
                };
                if !self.esp(inner, next_header, how, rng, hands, buffers)? {
                    return Ok(false);
                }
                let identification = self.next_identification();
                let outer = Outer::new(&self.parameters, &header, identification);
                outer.wrap(&self.parameters, &buffers.esp, &mut buffers.packet).ok_or(ProtectError::TooLong)?;
                if !self.parameters.deviations.is_empty() {
                    tunnel::copy_too_much(&self.parameters, inner, &header, &mut buffers.packet);
                }
            }
            Mode::Transport => {
                if header.fragment.is_some()
                    && !self.parameters.deviations.has(Deviation::ProtectsFragmentsInTransportMode)
                {
                    return Err(ProtectError::Fragment);
                }
                let options_behind = self.parameters.deviations.has(Deviation::MovesOptionsBehindEsp);
                let before = if options_behind && header.is_v4() { 20 } else { header.insertion };
                let payload = inner.get(before..).unwrap_or_default();
                if !self.esp(payload, header.insertion_protocol, how, rng, hands, buffers)? {
                    return Ok(false);
                }
                transport::wrap(&self.parameters, inner, &header, &buffers.esp, &mut buffers.packet)
                    .ok_or(ProtectError::TooLong)?;
            }
        }
        Ok(true)
    }

    /// A dummy packet, next header 59, with so many random octets (RFC 4303 section 2.6). `None` when a hand has
    /// dropped it.
    ///
    /// # Errors
    /// The SA is used up, or the packet would be too long.
    pub fn dummy(
        &mut self,
        now: Instant,
        len: usize,
        rng: &mut dyn Rng,
        hands: &mut dyn Hands,
    ) -> Result<Option<Vec<u8>>, ProtectError> {
        if self.age(now) == Age::Hard {
            return Err(ProtectError::Expired);
        }
        if len > usize::from(u16::MAX) {
            return Err(ProtectError::TooLong);
        }
        let mut payload = vec![0; len];
        rng.fill_bytes(&mut payload);
        let mut buffers = Buffers::default();
        if !self.esp(&payload, DUMMY, Protection::default(), rng, hands, &mut buffers)? {
            return Ok(None);
        }
        let outer = Outer {
            source: self.parameters.source,
            destination: self.parameters.destination,
            traffic_class: 0,
            hop_limit: self.parameters.hop_limit,
            dont_fragment: false,
            identification: self.next_identification(),
        };
        outer.wrap(&self.parameters, &buffers.esp, &mut buffers.packet).ok_or(ProtectError::TooLong)?;
        Ok(Some(buffers.packet))
    }

    /// ESP from the SPI to the ICV, by way of the hands, in the buffer for it. `false` when a hand has dropped it.
    fn esp(
        &mut self,
        payload: &[u8],
        next_header: u8,
        how: Protection,
        rng: &mut dyn Rng,
        hands: &mut dyn Hands,
        buffers: &mut Buffers,
    ) -> Result<bool, ProtectError> {
        let longest = usize::from(u16::MAX);
        if payload.len() + how.tfc_padding > longest {
            return Err(ProtectError::TooLong);
        }
        let sequence = self.counter.advance(how.space)?;
        let spi = self.parameters.spi;
        let context = EspContext { spi, earlier: self.meter.usage.packets };
        let mut copy = mem::take(&mut buffers.payload);
        copy.clear();
        copy.extend_from_slice(payload);
        let mut draft = EspDraft {
            spi,
            sequence,
            payload: copy,
            tfc_padding: vec![0; how.tfc_padding],
            padding: None,
            pad_length: None,
            next_header,
            iv: None,
        };
        self.deviate(&mut draft);
        self.meter.count(payload.len());
        let disposition = hands.esp(&context, &mut draft);
        let sealed = match disposition {
            Disposition::Drop => Ok(()),
            Disposition::Send => {
                let given = draft.iv.take();
                let fresh = if given.is_none() { self.fresh_iv(sequence, rng) } else { FreshIv::default() };
                lay_out(&draft, given.as_deref().unwrap_or(&fresh), &self.transform, &mut buffers.esp);
                self.transform.seal(draft.sequence, &mut buffers.esp)
            }
        };
        buffers.payload = draft.payload;
        sealed?;
        Ok(disposition == Disposition::Send && hands.sealed(&context, &mut buffers.esp) == Disposition::Send)
    }

    /// The fast path: writes ESP from the SPI to the ICV into `out`, whose contents it replaces and whose memory it
    /// uses again. No hands, no outer header, no TFC padding. Gives the whole sequence number.
    ///
    /// `iv` must be fresh: unique for this key with counter modes, unpredictable with CBC.
    ///
    /// # Errors
    /// The sequence numbers are used up, or the IV has the wrong length.
    pub fn seal_into(
        &mut self,
        payload: &[u8],
        next_header: u8,
        iv: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<u64, ProtectError> {
        if iv.len() != self.transform.iv_len {
            let (algorithm, expected) = (self.parameters.encryption, self.transform.iv_len);
            return Err(CipherError::IvLength { algorithm, expected, actual: iv.len() }.into());
        }
        let pad_len = self.transform.pad_len(payload.len());
        let sequence = self.counter.advance(0)?;
        out.clear();
        out.reserve(self.transform.packet_len(payload.len()));
        out.extend_from_slice(&self.parameters.spi.to_be_bytes());
        out.extend_from_slice(&(sequence as u32).to_be_bytes());
        out.extend_from_slice(iv);
        out.extend_from_slice(payload);
        out.extend_from_slice(PADDING.get(..pad_len).unwrap_or(&PADDING));
        out.extend_from_slice(&[pad_len as u8, next_header]);
        out.resize(out.len() + self.transform.icv_len, 0);
        self.transform.seal(sequence, out)?;
        self.meter.count(payload.len());
        Ok(sequence)
    }

    /// A fresh initialisation vector: random where it must be unpredictable (RFC 3602 section 3), else a counter that
    /// starts at random and never repeats under the key (RFC 4106 section 3.1).
    fn fresh_iv(&mut self, sequence: u64, rng: &mut dyn Rng) -> FreshIv {
        let mut iv = FreshIv::of(self.transform.iv_len);
        if self.transform.wants_random_iv() {
            if self.parameters.deviations.has(Deviation::SequenceNumberAsIv) {
                if let Some(place) = iv.last_chunk_mut::<8>() {
                    *place = sequence.to_be_bytes();
                }
            } else {
                rng.fill_bytes(&mut iv);
            }
        } else if let Some(place) = iv.first_chunk_mut::<8>() {
            let next = self.iv.map_or_else(|| rng.next_u64(), |last| last.wrapping_add(1));
            self.iv = Some(next);
            let repeats = self.parameters.deviations.has(Deviation::RepeatsIv);
            *place = if repeats { sequence / 2 } else { next }.to_be_bytes();
        }
        iv
    }

    /// Edits of the draft by a peer that is faulty on purpose.
    fn deviate(&self, draft: &mut EspDraft) {
        let has = |deviation| self.parameters.deviations.has(deviation);
        if has(Deviation::SendsZeroSequenceWithoutReplayCheck) && self.parameters.replay_window.is_none() {
            draft.sequence = 0;
        }
        if has(Deviation::SwapsSpiOctets) {
            draft.spi = draft.spi.swap_bytes();
        }
        if has(Deviation::PadsWithZeros) {
            let payload = draft.payload.len() + draft.tfc_padding.len();
            draft.padding = Some(vec![0; self.transform.pad_len(payload)]);
        }
    }

    fn next_identification(&mut self) -> u16 {
        self.identification = self.identification.checked_add(1).unwrap_or(1);
        self.identification
    }

    /// The whole IP packet with AH, by way of the hands. `false` when one has dropped it.
    fn authenticate(
        &mut self,
        inner: &[u8],
        header: &Header,
        how: Protection,
        hands: &mut dyn Hands,
        buffers: &mut Buffers,
    ) -> Result<bool, ProtectError> {
        if self.parameters.mode == Mode::Transport && header.fragment.is_some() {
            return Err(ProtectError::Fragment);
        }
        let sequence = self.counter.advance(how.space)?;
        let spi = self.parameters.spi;
        let identification = self.next_identification();
        let context = EspContext { spi, earlier: self.meter.usage.packets };
        let mut draft = AhDraft { spi, sequence, identification, ..AhDraft::default() };
        self.meter.count(inner.len());
        if hands.ah(&context, &mut draft) == Disposition::Drop {
            return Ok(false);
        }
        let out = (&mut buffers.packet, &mut buffers.masked);
        authentication::protect(&self.parameters, &self.transform, &draft, inner, header, out)?;
        Ok(true)
    }
}

/// An initialisation vector, at most a block.
#[derive(Default)]
struct FreshIv {
    octets: [u8; 16],
    len: usize,
}

impl FreshIv {
    fn of(len: usize) -> Self {
        Self { octets: [0; 16], len: len.min(16) }
    }
}

impl Deref for FreshIv {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl DerefMut for FreshIv {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.octets.get_mut(..self.len).unwrap_or_default()
    }
}

/// Makes `esp` the draft's octets in the clear, with zeros in place of the ICV.
pub(crate) fn lay_out(draft: &EspDraft, iv: &[u8], transform: &Transform, esp: &mut Vec<u8>) {
    let payload = draft.payload.len() + draft.tfc_padding.len();
    let pad_len = transform.pad_len(payload);
    let padding = draft.padding.as_deref().unwrap_or(PADDING.get(..pad_len).unwrap_or(&PADDING));
    esp.clear();
    esp.reserve(ESP_HEADER + iv.len() + payload + padding.len() + TRAILER + transform.icv_len);
    esp.extend_from_slice(&draft.spi.to_be_bytes());
    esp.extend_from_slice(&(draft.sequence as u32).to_be_bytes());
    esp.extend_from_slice(iv);
    esp.extend_from_slice(&draft.payload);
    esp.extend_from_slice(&draft.tfc_padding);
    esp.extend_from_slice(padding);
    esp.extend_from_slice(&[draft.pad_length.unwrap_or(padding.len() as u8), draft.next_header]);
    esp.resize(esp.len() + transform.icv_len, 0);
}
