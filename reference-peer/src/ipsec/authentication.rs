//! The Authentication Header (RFC 4302).
//!
//! ```text
//!  0             1             2             4         8         12        12+ICV
//!  +-------------+-------------+-------------+---------+---------+---------+---------+
//!  | next header | payload len |  reserved   |   SPI   | Seq low |   ICV   | padding |
//!  +-------------+-------------+-------------+---------+---------+---------+---------+
//! ```
//! The ICV covers the IP header before it with what changes on the way set to zero, the header itself with a zero ICV,
//! and all that follows, with the high half of an extended sequence number at the end.

use super::drops::DropReason;
use super::header::{self, Header};
use super::outbound::ProtectError;
use super::sa::SaParameters;
use super::transform::Transform;
use super::tunnel::{IPV4, IPV6, Outer};
use crate::config::Mode;
use crate::deviation::Deviation;
use crate::hands::AhDraft;

/// Octets before the ICV.
pub(crate) const FIXED: usize = 12;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION_OPTIONS: u8 = 60;

/// Octets of the header with its padding: a multiple of 4 over IPv4, of 8 over IPv6 (RFC 4302 section 2.6).
pub(crate) fn header_len(icv_len: usize, v4: bool) -> usize {
    (FIXED + icv_len).next_multiple_of(if v4 { 4 } else { 8 })
}

/// Protects a packet: puts the header of the draft in and signs.
pub(crate) fn protect(
    sa: &SaParameters,
    transform: &Transform,
    draft: &AhDraft,
    inner: &[u8],
    header: &Header,
) -> Result<Vec<u8>, ProtectError> {
    let (prefix, next_header, rest) = match sa.mode {
        Mode::Tunnel => {
            let outer = Outer::new(sa, header, draft.identification).wrap_bare(sa.protocol.number());
            (outer.ok_or(ProtectError::TooLong)?, if header.is_v4() { IPV4 } else { IPV6 }, inner)
        }
        Mode::Transport if header.fragment.is_some() => return Err(ProtectError::Fragment),
        Mode::Transport => {
            let (prefix, rest) = inner.split_at_checked(header.insertion).unwrap_or((inner, &[]));
            let mut prefix = prefix.to_vec();
            if let Some(field) = prefix.get_mut(header.insertion_field) {
                *field = sa.protocol.number();
            }
            (prefix, header.insertion_protocol, rest)
        }
    };
    let v4 = prefix.first().is_some_and(|first| first >> 4 == 4);
    let icv_len = draft.icv.as_ref().map_or(transform.icv_len, Vec::len);
    let len = match &draft.padding {
        Some(padding) => FIXED + icv_len + padding.len(),
        None => header_len(icv_len, v4),
    };
    let payload_len = draft.payload_len.unwrap_or((len.div_ceil(4) - 2) as u8);
    let mut ah = Vec::with_capacity(len);
    ah.extend_from_slice(&[draft.next_header.unwrap_or(next_header), payload_len]);
    ah.extend_from_slice(&draft.reserved.to_be_bytes());
    ah.extend_from_slice(&draft.spi.to_be_bytes());
    ah.extend_from_slice(&(draft.sequence as u32).to_be_bytes());
    ah.resize(FIXED + icv_len, 0);
    ah.extend_from_slice(draft.padding.as_deref().unwrap_or_default());
    ah.resize(len, 0);

    let at = prefix.len();
    let mut packet = prefix;
    packet.extend_from_slice(&ah);
    packet.extend_from_slice(rest);
    header::repair_length(&mut packet).ok_or(ProtectError::TooLong)?;
    let masked = mask(packet.get(..at).unwrap_or_default(), sa).ok_or(header::Malformed("options"))?;
    let icv = match &draft.icv {
        Some(icv) => icv.clone(),
        None => transform.icv(draft.sequence, &[&masked, &ah, rest]),
    };
    if let Some(place) = packet.get_mut(at + FIXED..at + FIXED + icv.len()) {
        place.copy_from_slice(&icv);
    }
    Ok(packet)
}

/// What stands in the header of a received packet: next header and where the payload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) next_header: u8,
    pub(crate) len: usize,
}

/// Verifies the ICV of `body`, which begins with the header; `prefix` is the IP header before it. More padding than
/// alignment needs is prohibited (RFC 4302 section 3.3.3.2.1).
pub(crate) fn verify(
    sa: &SaParameters,
    transform: &Transform,
    sequence: u64,
    prefix: &[u8],
    body: &[u8],
) -> Result<Verified, DropReason> {
    let v4 = prefix.first().is_some_and(|first| first >> 4 == 4);
    let len = header_len(transform.icv_len, v4);
    if body.len() < len {
        return Err(DropReason::TooShort);
    }
    if claimed_len(body) != Some(len) {
        return Err(DropReason::AhLength);
    }
    verify_padded(sa, transform, sequence, prefix, body)
}

/// As [`verify`], with any padding.
pub(crate) fn verify_padded(
    sa: &SaParameters,
    transform: &Transform,
    sequence: u64,
    prefix: &[u8],
    body: &[u8],
) -> Result<Verified, DropReason> {
    let len = claimed_len(body).ok_or(DropReason::TooShort)?;
    if len < FIXED + transform.icv_len {
        return Err(DropReason::AhLength);
    }
    let Some((ah, rest)) = body.split_at_checked(len) else { return Err(DropReason::TooShort) };
    let masked = mask(prefix, sa).ok_or(DropReason::OuterMalformed)?;
    let mut zeroed = ah.to_vec();
    let Some(place) = zeroed.get_mut(FIXED..FIXED + transform.icv_len) else { return Err(DropReason::TooShort) };
    let icv = place.to_vec();
    place.fill(0);
    if !transform.icv_fits(sequence, &[&masked, &zeroed, rest], &icv) {
        return Err(DropReason::BadIcv);
    }
    Ok(Verified { next_header: ah.first().copied().unwrap_or_default(), len })
}

/// Octets of the header by its Payload Len field (RFC 4302 section 2.2).
fn claimed_len(body: &[u8]) -> Option<usize> {
    body.get(1).map(|&payload_len| (usize::from(payload_len) + 2) * 4)
}

/// The IP header, up to the AH, as it enters the ICV. `None` if options or extension headers are malformed.
fn mask(prefix: &[u8], sa: &SaParameters) -> Option<Vec<u8>> {
    let mut masked = prefix.to_vec();
    if masked.first()? >> 4 == 4 {
        if !sa.deviations.has(Deviation::CoversTtlWithAh) {
            *masked.get_mut(8)? = 0;
        }
        *masked.get_mut(1)? = 0;
        masked.get_mut(6..8)?.fill(0);
        masked.get_mut(10..12)?.fill(0);
        mask_v4_options(&mut masked)?;
    } else {
        masked.get_mut(..4)?.copy_from_slice(&[0x60, 0, 0, 0]);
        *masked.get_mut(7)? = 0;
        mask_v6_extensions(&mut masked)?;
    }
    Some(masked)
}

/// Options that change on the way are zeroed whole (RFC 4302 appendix A1); with a source route the destination is
/// that of the last hop.
fn mask_v4_options(header: &mut [u8]) -> Option<()> {
    /// Security, Extended Security, Commercial Security, Router Alert, Sender Directed Multi-Destination Delivery.
    const IMMUTABLE: [u8; 5] = [130, 133, 134, 148, 149];
    const SOURCE_ROUTES: [u8; 2] = [131, 137];
    let mut at = 20;
    while let Some(&kind) = header.get(at) {
        match kind {
            0 => break,
            1 => at += 1,
            _ => {
                let len = usize::from(*header.get(at + 1)?);
                let option = header.get_mut(at..at + len).filter(|option| option.len() >= 2)?;
                let route = SOURCE_ROUTES.contains(&kind).then(|| option.to_vec());
                if !IMMUTABLE.contains(&kind) {
                    option.fill(0);
                }
                if let Some([_, len, pointer, addresses @ ..]) = route.as_deref()
                    && let Some(last) = addresses.last_chunk::<4>().filter(|_| pointer < len)
                {
                    header.get_mut(16..20)?.copy_from_slice(last);
                }
                at += len;
            }
        }
    }
    Some(())
}

/// Data of options that may change on the way are zeroed; a routing header of type 0 is put as it will arrive.
fn mask_v6_extensions(header: &mut [u8]) -> Option<()> {
    let mut kind = *header.get(6)?;
    let mut at = 40;
    while at < header.len() {
        let &[next, len, routing_type, left] = header.get(at..at + 4)?.first_chunk::<4>()?;
        let end = at + (usize::from(len) + 1) * 8;
        match kind {
            HOP_BY_HOP | DESTINATION_OPTIONS => mask_v6_options(header.get_mut(at + 2..end)?)?,
            ROUTING if routing_type == 0 && left > 0 => {
                let mut addresses = header.get(24..40)?.to_vec();
                addresses.extend_from_slice(header.get(at + 8..end)?);
                let last = addresses.len() - 16;
                header.get_mut(24..40)?.copy_from_slice(addresses.get(last..)?);
                header.get_mut(at + 8..end)?.copy_from_slice(addresses.get(..last)?);
                *header.get_mut(at + 3)? = 0;
            }
            ROUTING => {
                header.get(at..end)?;
            }
            _ => return None,
        }
        kind = next;
        at = end;
    }
    Some(())
}

fn mask_v6_options(mut options: &mut [u8]) -> Option<()> {
    const PAD1: u8 = 0;
    const CHANGES_EN_ROUTE: u8 = 0x20;
    while let [kind, rest @ ..] = options {
        if *kind == PAD1 {
            options = rest;
            continue;
        }
        let (len, rest) = rest.split_first_mut()?;
        let (data, rest) = rest.split_at_mut_checked(usize::from(*len))?;
        if *kind & CHANGES_EN_ROUTE != 0 {
            data.fill(0);
        }
        options = rest;
    }
    Some(())
}
