//! An inbound SA: from a protected packet to the inner one (RFC 4303 section 3.4).

use std::mem;

use super::drops::{DropReason, Drops};
use super::flow::UpperLayer;
use super::header::Header;
use super::outbound::DUMMY;
use super::replay::Verdict;
use super::sa::{Age, Meter, Protocol, SaError, SaParameters, UdpPorts, Usage};
use super::selector::Direction;
use super::sequence::{Numbering, ReplayCheck};
use super::transform::{ESP_HEADER, PADDING, TRAILER, Transform};
use super::{authentication, transport, tunnel};
use crate::Instant;
use crate::config::Mode;
use crate::deviation::{Deviation, DeviationSet};

const ESP: u8 = 50;
const AH: u8 = 51;
const UDP: u8 = 17;

/// A received IP packet that is ESP or AH, understood as far as the choice of the SA needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// Outer IP header.
    pub outer: Header,
    /// Outer IP header with options and extension headers, up to ESP, AH or UDP.
    pub prefix: &'a [u8],
    /// Ports of UDP encapsulation as received.
    pub udp: Option<UdpPorts>,
    /// ESP or AH.
    pub protocol: Protocol,
    /// From the SPI (ESP) or the next header field (AH) to the end.
    pub body: &'a [u8],
    /// SPI.
    pub spi: u32,
    /// The 32 bits of the sequence number that are on the wire.
    pub sequence: u32,
}

impl<'a> Incoming<'a> {
    /// Finds ESP or AH in a whole IP packet addressed to this host; `None` if there is none. UDP to `natt_port`
    /// (4500) holds ESP if it begins with an SPI, not with the zeros of the non-ESP marker (RFC 3948 section 2); a
    /// datagram of fewer than four octets is no ESP.
    ///
    /// # Errors
    /// It is ESP or AH, but a fragment or too short to have an SPI and a sequence number; or the IP or UDP header is
    /// malformed.
    pub fn parse(packet: &'a [u8], natt_port: u16, deviations: &DeviationSet) -> Result<Option<Self>, DropReason> {
        let outer = Header::parse(packet).map_err(|_| DropReason::OuterMalformed)?;
        let packet = packet.get(..outer.total_len).unwrap_or(packet);
        let (prefix, body) = packet.split_at_checked(outer.upper).ok_or(DropReason::OuterMalformed)?;
        let (protocol, udp, body) = match outer.protocol {
            ESP => (Protocol::Esp, None, body),
            AH => (Protocol::Ah, None, body),
            UDP if outer.fragment.is_none() => match Self::in_udp(body, outer.is_v4(), natt_port, deviations)? {
                Some((ports, body)) => (Protocol::Esp, Some(ports), body),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let first_passes = deviations.has(Deviation::ProcessesFirstFragment) && !outer.is_later_fragment();
        if outer.fragment.is_some() && !first_passes {
            return Err(DropReason::Fragment);
        }
        let at = if protocol == Protocol::Ah { 4 } else { 0 };
        let numbers = body.get(at..).and_then(|octets| octets.first_chunk::<8>()).ok_or(DropReason::TooShort)?;
        let numbers = u64::from_be_bytes(*numbers);
        let (spi, sequence) = ((numbers >> 32) as u32, numbers as u32);
        Ok(Some(Self { outer, prefix, udp, protocol, body, spi, sequence }))
    }

    /// The SPI of ESP right after AH, whose length is in its second octet (RFC 4302 section 2.2).
    pub(crate) fn inner_spi(&self) -> Option<u32> {
        let &[next, len, ..] = self.body else { return None };
        let esp = self.body.get((usize::from(len) + 2) * 4..).and_then(|esp| esp.first_chunk());
        esp.filter(|_| self.protocol == Protocol::Ah && next == ESP).map(|spi| u32::from_be_bytes(*spi))
    }

    fn in_udp(
        datagram: &'a [u8],
        v4: bool,
        natt_port: u16,
        deviations: &DeviationSet,
    ) -> Result<Option<(UdpPorts, &'a [u8])>, DropReason> {
        let Some((&[s0, s1, d0, d1, l0, l1, c0, c1], body)) = datagram.split_first_chunk::<8>() else {
            return Err(DropReason::OuterMalformed);
        };
        let has = |deviation| deviations.has(deviation);
        let ports = UdpPorts::new(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(body) = len.checked_sub(8).and_then(|len| body.get(..len)) else {
            return Err(DropReason::OuterMalformed);
        };
        let is_ike = body.get(24..28) == u32::try_from(body.len()).ok().map(u32::to_be_bytes).as_ref().map(|l| &l[..]);
        match body {
            // The marker of old drafts stands before ESP on the IKE port. IKE begins with as many zeros only in a notify
            // outside any IKE SA (RFC 7296 section 1.5), and goes on with zeros, which no SPI of ESP is.
            [0, 0, 0, 0, 0, 0, 0, 0, body @ ..]
                if ports.destination != natt_port && body.len() >= ESP_HEADER && !body.starts_with(&[0; 4]) =>
            {
                Ok(Some((UdpPorts { non_ike_marker: true, ..ports }, body)))
            }
            [0, 0, 0, 0, ..] | [] | [_] | [_, _] | [_, _, _] => Ok(None),
            // Over IPv6 there must be a checksum (RFC 8200 section 8.1).
            _ if ports.destination == natt_port
                && !v4
                && [c0, c1] == [0, 0]
                && !has(Deviation::TakesUdpWithoutChecksumOverIpv6) =>
            {
                Err(DropReason::OuterMalformed)
            }
            _ if ports.destination == natt_port && [c0, c1] != [0, 0] && has(Deviation::DropsUdpChecksums) => {
                Err(DropReason::OuterMalformed)
            }
            body if ports.destination == natt_port => Ok(Some((ports, body))),
            body if ports.destination == 500 && !is_ike && has(Deviation::TakesEspOnPort500) => Ok(Some((ports, body))),
            _ => Ok(None),
        }
    }
}

/// Protected data that have been verified and decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// An IP packet in tunnel mode, an upper-layer packet in transport mode; TFC padding may follow.
    pub payload: Vec<u8>,
    /// Next Header field.
    pub next_header: u8,
    /// Whole sequence number.
    pub sequence: u64,
    /// Padding octets, without the Pad Length field.
    pub pad_length: u8,
}

/// As [`Plain`], still in the buffer of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// An IP packet in tunnel mode, an upper-layer packet in transport mode; TFC padding may follow.
    pub payload: &'a [u8],
    /// Next Header field.
    pub next_header: u8,
    /// Whole sequence number.
    pub sequence: u64,
    /// Padding octets, without the Pad Length field.
    pub pad_length: u8,
}

/// What is known of a packet beside its payload once it has been verified.
struct Trailer {
    next_header: u8,
    sequence: u64,
    pad_length: u8,
}

impl Trailer {
    fn of(opened: &Opened<'_>) -> Self {
        Self { next_header: opened.next_header, sequence: opened.sequence, pad_length: opened.pad_length }
    }
}

/// An inner packet that has passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// SPI of the SA that it came under.
    pub spi: u32,
    /// Whole sequence number.
    pub sequence: u64,
    /// The inner IP packet; its TTL is still that of arrival.
    pub packet: Vec<u8>,
    /// The header of the inner packet.
    pub header: Header,
    /// Outer header as received: where the peer now sends from.
    pub outer: Header,
    /// Ports of UDP encapsulation as received.
    pub udp: Option<UdpPorts>,
}

/// One inbound SA.
#[derive(Debug, Clone)]
pub struct InboundSa {
    parameters: SaParameters,
    transform: Transform,
    pub(crate) replay: ReplayCheck,
    meter: Meter,
    drops: Drops,
    /// Consecutive packets with a wrong ICV.
    failures: u32,
    /// Memory for the header of AH packets, used again.
    masked: Vec<u8>,
    /// Only of a peer that is faulty on purpose.
    wedged: bool,
}

impl InboundSa {
    /// An SA that has received nothing.
    ///
    /// # Errors
    /// Parameters that make no SA.
    pub fn new(parameters: SaParameters, now: Instant) -> Result<Self, SaError> {
        parameters.validate()?;
        let checks = parameters.has_integrity() || parameters.deviations.has(Deviation::ChecksReplayWithoutIntegrity);
        let window = parameters.replay_window.filter(|_| checks);
        Ok(Self {
            transform: Transform::new(&parameters)?,
            replay: ReplayCheck::new(parameters.numbering, window, parameters.deviations.clone()),
            meter: Meter::new(now, parameters.lifetime),
            drops: Drops::default(),
            failures: 0,
            masked: Vec::new(),
            wedged: false,
            parameters,
        })
    }

    /// What it is made of.
    pub fn parameters(&self) -> &SaParameters {
        &self.parameters
    }

    /// To be changed while the SA lives: selectors and endpoints. Changes of SPI, keys, algorithms, numbering, window
    /// and lifetime have no effect.
    pub fn parameters_mut(&mut self) -> &mut SaParameters {
        &mut self.parameters
    }

    /// SPI.
    pub fn spi(&self) -> u32 {
        self.parameters.spi
    }

    /// Anti-replay windows.
    pub fn replay(&self) -> &ReplayCheck {
        &self.replay
    }

    /// Presets the highest sequence number received.
    pub fn preset(&mut self, highest: u64) {
        self.replay.accept(highest);
    }

    /// Packets and octets accepted.
    pub fn usage(&self) -> Usage {
        self.meter.usage
    }

    /// Packets dropped, by reason.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    /// When it was set up.
    pub fn created(&self) -> Instant {
        self.meter.created()
    }

    /// Where it stands in its life.
    pub fn age(&self, now: Instant) -> Age {
        self.meter.age(now)
    }

    /// When time alone brings the next [`Age`].
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        self.meter.next_change(now)
    }

    /// Takes a received packet through all checks to the inner packet.
    ///
    /// # Errors
    /// The packet is to be dropped; it has been counted.
    pub fn receive(&mut self, now: Instant, incoming: &Incoming<'_>) -> Result<Received, DropReason> {
        self.receive_with(now, incoming, &mut Vec::new())
    }

    /// As [`receive`](Self::receive). The inner packet takes the memory of `spare`; a dropped packet leaves it.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_with(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        spare: &mut Vec<u8>,
    ) -> Result<Received, DropReason> {
        spare.clear();
        let processed = self.process(now, incoming, spare);
        self.count(processed.as_ref().err().copied());
        let (header, sequence) = processed?;
        Ok(Received {
            spi: incoming.spi,
            sequence,
            packet: mem::take(spare),
            header,
            outer: incoming.outer,
            udp: incoming.udp,
        })
    }

    /// Verifies and decrypts ESP, from the SPI to the ICV. The inner packet is not looked at: no selectors, no
    /// decapsulation.
    ///
    /// # Errors
    /// The packet is to be dropped; it has been counted.
    pub fn unprotect(&mut self, now: Instant, esp: &[u8]) -> Result<Plain, DropReason> {
        let mut payload = Vec::new();
        let opened = self.open(now, esp, &mut payload);
        self.count(opened.as_ref().err().copied());
        let Trailer { next_header, sequence, pad_length } = opened?;
        Ok(Plain { payload, next_header, sequence, pad_length })
    }

    /// The inner packet is made in `packet`, which is empty.
    fn process(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        packet: &mut Vec<u8>,
    ) -> Result<(Header, u64), DropReason> {
        let has = |deviation| self.parameters.deviations.has(deviation);
        let right = incoming.protocol == self.parameters.protocol;
        let unverified = incoming.protocol == Protocol::Ah && has(Deviation::TakesAhOnEspSa);
        if !right && !unverified {
            return Err(DropReason::WrongProtocol);
        }
        let own_form = incoming.udp.is_some() == self.parameters.udp.is_some();
        if has(Deviation::TakesOnlyOwnEncapsulation) && !own_form {
            return Err(DropReason::WrongEncapsulation);
        }
        packet.reserve(incoming.prefix.len() + incoming.body.len());
        if self.parameters.mode == Mode::Transport {
            packet.extend_from_slice(incoming.prefix);
        }
        let Trailer { next_header, sequence, .. } = match incoming.protocol {
            _ if !right => past_ah(incoming, packet).ok_or(DropReason::TooShort)?,
            Protocol::Esp => self.open(now, incoming.body, packet)?,
            Protocol::Ah => self.verify(now, incoming, packet)?,
        };
        let sa = &self.parameters;
        let header = match sa.mode {
            _ if next_header == DUMMY => return Err(DropReason::Dummy),
            Mode::Tunnel => tunnel::decapsulate(sa, &incoming.outer, next_header, packet)?,
            Mode::Transport => {
                transport::unwrap(sa, &incoming.outer, next_header, packet).ok_or(DropReason::InnerMalformed)?
            }
        };
        self.check_selectors(&header, packet)?;
        Ok((header, sequence))
    }

    /// RFC 4301 section 5.2 step 4, and section 7.3 for fragments.
    fn check_selectors(&self, header: &Header, packet: &[u8]) -> Result<(), DropReason> {
        let sa = &self.parameters;
        let has = |deviation| sa.deviations.has(deviation);
        let mut flow = header.flow(packet);
        if has(Deviation::DropsInnerFragments) && header.fragment.is_some() {
            return Err(DropReason::SelectorFragment);
        }
        if has(Deviation::SkipsSelectorCheck) || sa.selectors.admit(&flow, Direction::Inbound) {
            return Ok(());
        }
        let hidden = flow.upper == UpperLayer::Hidden;
        if has(Deviation::ChecksAddressesOnly) || hidden && has(Deviation::LetsFragmentsPastPorts) {
            flow.upper = UpperLayer::Absent;
            if sa.selectors.addresses_alone().admit(&flow, Direction::Inbound) {
                return Ok(());
            }
        }
        Err(if hidden { DropReason::SelectorFragment } else { DropReason::SelectorMismatch })
    }

    /// The fast path: as [`unprotect`](Self::unprotect), in the buffer of the packet itself, without a search for lost
    /// high halves of extended sequence numbers. Afterwards the buffer holds the decrypted octets, or nothing of use.
    ///
    /// # Errors
    /// The packet is to be dropped; it has been counted.
    pub fn open_in_place<'a>(&mut self, now: Instant, esp: &'a mut [u8]) -> Result<Opened<'a>, DropReason> {
        let opened = self.begin(now, esp).and_then(|sequence| {
            self.transform.open(sequence, esp).inspect_err(|_| self.failures = self.failures.saturating_add(1))?;
            let end = esp.len().saturating_sub(self.transform.icv_len);
            self.finish(sequence, esp.get(self.transform.head()..end).unwrap_or_default())
        });
        self.count(opened.as_ref().err().copied());
        opened
    }

    /// ESP: sequence number, ICV, decryption, padding, in this order (RFC 4303 section 3.4). The payload is appended
    /// to `out`; after an error what was appended is of no use.
    fn open(&mut self, now: Instant, esp: &[u8], out: &mut Vec<u8>) -> Result<Trailer, DropReason> {
        let sequence = self.begin(now, esp)?;
        let at = out.len();
        let sequence = match self.transform.open_onto(sequence, esp, out) {
            Err(DropReason::BadIcv) => self.resynchronise(sequence, |sa, candidate| {
                out.truncate(at);
                sa.transform.open_onto(candidate, esp, out).is_ok()
            })?,
            opened => opened.map(|()| sequence)?,
        };
        let opened = self.finish(sequence, out.get(at..).unwrap_or_default())?;
        let (trailer, len) = (Trailer::of(&opened), opened.payload.len());
        out.truncate(at + len);
        Ok(trailer)
    }

    /// Lengths, SPI and the preliminary check of the sequence number; gives the whole number.
    fn begin(&mut self, now: Instant, esp: &[u8]) -> Result<u64, DropReason> {
        let around = self.transform.head() + self.transform.icv_len;
        let Some(encrypted) = esp.len().checked_sub(around).filter(|&len| len >= TRAILER) else {
            self.wedged |= self.parameters.deviations.has(Deviation::WedgesOnShortEsp);
            return Err(DropReason::TooShort);
        };
        let Some(&[s0, s1, s2, s3, n0, n1, n2, n3]) = esp.first_chunk::<ESP_HEADER>() else {
            return Err(DropReason::TooShort);
        };
        if u32::from_be_bytes([s0, s1, s2, s3]) != self.parameters.spi {
            return Err(DropReason::UnknownSpi);
        }
        let sequence = self.admit(now, u32::from_be_bytes([n0, n1, n2, n3]))?;
        if encrypted.is_multiple_of(self.transform.block) { Ok(sequence) } else { Err(DropReason::Misaligned) }
    }

    /// After a good ICV: the window, then padding and trailer at the end of the decrypted data.
    fn finish<'a>(&mut self, sequence: u64, data: &'a [u8]) -> Result<Opened<'a>, DropReason> {
        self.verified(sequence);
        let Some((data, &[pad_length, next_header])) = data.split_last_chunk::<TRAILER>() else {
            return Err(DropReason::TooShort);
        };
        let payload_end = self.strip_padding(data, pad_length)?;
        let payload = data.get(..payload_end).unwrap_or_default();
        self.meter.count(payload.len());
        if next_header == DUMMY && self.parameters.deviations.has(Deviation::TakesDummyForError) {
            self.wedged = true;
            return Err(DropReason::NextHeader);
        }
        Ok(Opened { payload, next_header, sequence, pad_length })
    }

    /// Checks the padding at the end of the decrypted data and says where the payload ends.
    fn strip_padding(&self, data: &[u8], pad_length: u8) -> Result<usize, DropReason> {
        let has = |deviation| self.parameters.deviations.has(deviation);
        let Some(payload_end) = data.len().checked_sub(usize::from(pad_length)) else {
            return if has(Deviation::ForgivesPadLength) { Ok(data.len()) } else { Err(DropReason::PadLength) };
        };
        if has(Deviation::TakesLessThanABlockOfPadding) && usize::from(pad_length) >= self.transform.block {
            return Err(DropReason::PadLength);
        }
        let checks = self.parameters.check_padding && !has(Deviation::IgnoresPaddingValues);
        let padding = data.get(payload_end..).unwrap_or_default();
        if checks && !PADDING.starts_with(padding) {
            return Err(DropReason::BadPadding);
        }
        Ok(payload_end)
    }

    /// AH: sequence number, length, ICV (RFC 4302 section 3.4). What follows the header is appended to `out`.
    fn verify(&mut self, now: Instant, incoming: &Incoming<'_>, out: &mut Vec<u8>) -> Result<Trailer, DropReason> {
        let Incoming { prefix, body, .. } = *incoming;
        let skips = self.parameters.deviations.has(Deviation::SkipsReplayCheckForAh);
        let sequence = match self.admit(now, incoming.sequence) {
            Err(reason) if skips && reason.is_replay() => incoming.sequence.into(),
            sequence => sequence?,
        };
        authentication::check_length(&self.parameters, &self.transform, prefix, body)?;
        let mut masked = mem::take(&mut self.masked);
        let mut verify = |sa: &Self, sequence| {
            authentication::verify(&sa.parameters, &sa.transform, sequence, prefix, body, &mut masked)
        };
        let verified = verify(self, sequence);
        let sequence = match verified {
            Err(DropReason::BadIcv) => self.resynchronise(sequence, |sa, candidate| verify(sa, candidate).is_ok()),
            verified => verified.map(|_| sequence),
        };
        self.masked = masked;
        let sequence = sequence?;
        self.verified(sequence);
        let len = authentication::claimed_len(body).ok_or(DropReason::TooShort)?;
        let payload = body.get(len..).unwrap_or_default();
        out.extend_from_slice(payload);
        self.meter.count(payload.len());
        let next_header = body.first().copied().unwrap_or_default();
        Ok(Trailer { next_header, sequence, pad_length: 0 })
    }

    /// The checks that come before the ICV: lifetime, and the preliminary one of the sequence number (RFC 4303
    /// section 3.4.3).
    fn admit(&mut self, now: Instant, carried: u32) -> Result<u64, DropReason> {
        if self.age(now) == Age::Hard || self.wedged {
            return Err(DropReason::Expired);
        }
        let (sequence, verdict) = self.replay.check(carried);
        match verdict {
            Verdict::New => {}
            Verdict::Duplicate => return Err(DropReason::ReplayDuplicate),
            Verdict::TooOld => return Err(DropReason::ReplayTooOld),
        }
        let has = |deviation| self.parameters.deviations.has(deviation);
        let ahead = self.replay.is_ahead(sequence);
        if has(Deviation::MovesWindowBeforeIcv) && ahead || has(Deviation::MarksNumberBeforeIcv) && !ahead {
            self.replay.accept(sequence);
        }
        Ok(sequence)
    }

    /// What a good ICV entails: only now does the window move.
    fn verified(&mut self, sequence: u64) {
        self.replay.accept(sequence);
        self.failures = 0;
    }

    /// After many packets with a wrong ICV, looks whether 2^32 packets or more were lost (RFC 4303 appendix A3, RFC
    /// 4302 appendix B3): tries larger high halves, and gives the whole number with which the packet verifies.
    fn resynchronise(&mut self, sequence: u64, mut fits: impl FnMut(&Self, u64) -> bool) -> Result<u64, DropReason> {
        self.failures = self.failures.saturating_add(1);
        let never = self.parameters.deviations.has(Deviation::NeverResynchronisesEsn);
        let search = self.parameters.resynchronisation.filter(|search| self.failures > search.after && !never);
        let Some(search) = search.filter(|_| self.parameters.numbering == Numbering::Extended) else {
            return Err(DropReason::BadIcv);
        };
        let mut candidates = (1..=u64::from(search.tries)).map_while(|more| sequence.checked_add(more << 32));
        candidates.find(|&candidate| fits(self, candidate)).ok_or(DropReason::BadIcv)
    }

    fn count(&mut self, dropped: Option<DropReason>) {
        if let Some(reason) = dropped {
            let miscounts = reason.is_replay() && self.parameters.deviations.has(Deviation::CountsReplaysAsIcvFailures);
            self.drops.count(if miscounts { DropReason::BadIcv } else { reason });
        }
    }
}

/// Only of a peer that is faulty on purpose: what comes after an AH header, whoever has sent it.
fn past_ah(incoming: &Incoming<'_>, packet: &mut Vec<u8>) -> Option<Trailer> {
    let &[next_header, len, ..] = incoming.body else { return None };
    packet.extend_from_slice(incoming.body.get((usize::from(len) + 2) * 4..)?);
    Some(Trailer { next_header, sequence: incoming.sequence.into(), pad_length: 0 })
}
