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
use crate::deviation::{Deviation, DeviationSet};
use crate::hands::AhDraft;
use std::net::IpAddr;

/// Octets before the ICV.
pub(crate) const FIXED: usize = 12;

/// Octets of the longest ICV, that of HMAC-SHA-512 uncut.
const MOST_ICV: usize = 64;

/// Octets to have at hand around an inner packet: an IPv6 header and a long AH.
const MOST_AROUND: usize = 40 + FIXED + MOST_ICV;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// Octets of the header with its padding: a multiple of 4 over IPv4, of 8 over IPv6 (RFC 4302 section 2.6).
pub(crate) fn header_len(icv_len: usize, v4: bool) -> usize {
    (FIXED + icv_len).next_multiple_of(if v4 { 4 } else { 8 })
}

/// Protects a packet: puts the header of the draft in and signs, in place of what `packet` holds. `masked` is memory to
/// be used again.
pub(crate) fn protect(
    sa: &SaParameters,
    transform: &Transform,
    draft: &AhDraft,
    inner: &[u8],
    header: &Header,
    (packet, masked): (&mut Vec<u8>, &mut Vec<u8>),
) -> Result<(), ProtectError> {
    packet.clear();
    packet.reserve(MOST_AROUND + inner.len());
    let number = sa.protocol.number();
    let has = |deviation| sa.deviations.has(deviation);
    let (next_header, rest) = match sa.mode {
        Mode::Tunnel => {
            let outer = Outer::new(sa, header, draft.identification);
            outer.push(number, packet).ok_or(ProtectError::TooLong)?;
            (if header.is_v4() || has(Deviation::AlwaysNextHeader4) { IPV4 } else { IPV6 }, inner)
        }
        Mode::Transport if header.fragment.is_some() => return Err(ProtectError::Fragment),
        Mode::Transport => {
            let (prefix, rest) = inner.split_at_checked(header.insertion).unwrap_or((inner, &[]));
            packet.extend_from_slice(prefix);
            if let Some(field) = packet.get_mut(header.insertion_field) {
                *field = number;
            }
            remove_fragment_header(packet);
            (header.insertion_protocol, rest)
        }
    };
    let at = packet.len();
    let v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let icv_len = draft.icv.as_ref().map_or(transform.icv_len, Vec::len);
    let len = match &draft.padding {
        Some(padding) => FIXED + icv_len + padding.len(),
        None => header_len(icv_len, v4 && !has(Deviation::PadsAhToEight)),
    };
    let units = if !v4 && has(Deviation::CountsAhInEightOctets) { len.div_ceil(8) - 1 } else { len.div_ceil(4) - 2 };
    let payload_len = draft.payload_len.unwrap_or(units as u8);
    let next_header = if has(Deviation::AhNamesItself) { number } else { next_header };
    let reserved = if has(Deviation::FillsAhReserved) { 0xffff } else { draft.reserved };
    packet.extend_from_slice(&[draft.next_header.unwrap_or(next_header), payload_len]);
    packet.extend_from_slice(&reserved.to_be_bytes());
    packet.extend_from_slice(&draft.spi.to_be_bytes());
    packet.extend_from_slice(&(draft.sequence as u32).to_be_bytes());
    packet.resize(at + FIXED + icv_len, 0);
    packet.extend_from_slice(draft.padding.as_deref().unwrap_or_default());
    packet.resize(at + len, 0);
    packet.extend_from_slice(rest);
    header::repair_length(packet).ok_or(ProtectError::TooLong)?;

    let (prefix, ah) = packet.split_at_mut_checked(at).ok_or(ProtectError::TooLong)?;
    mask(prefix, sa, masked).ok_or(header::Malformed("options"))?;
    if let Some(icv) = &draft.icv {
        ah.iter_mut().skip(FIXED).zip(icv).for_each(|(octet, value)| *octet = *value);
        return Ok(());
    }
    let mut icv = [0; MOST_ICV];
    let icv = icv.get_mut(..icv_len).ok_or(ProtectError::TooLong)?;
    transform.sign(draft.sequence, [masked, ah], icv);
    if let Some(place) = ah.get_mut(FIXED..FIXED + icv_len) {
        place.copy_from_slice(icv);
    }
    Ok(())
}

/// What stands in the header of a received packet: next header and where the payload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) next_header: u8,
    pub(crate) len: usize,
}

/// Is the length of a received header that of the algorithm? More padding than alignment needs is prohibited (RFC
/// 4302 section 3.3.3.2.1).
pub(crate) fn check_length(
    sa: &SaParameters,
    transform: &Transform,
    prefix: &[u8],
    body: &[u8],
) -> Result<(), DropReason> {
    let v4 = prefix.first().is_some_and(|first| first >> 4 == 4);
    let len = header_len(transform.icv_len, v4);
    if body.len() < len {
        return Err(DropReason::TooShort);
    }
    if sa.deviations.has(Deviation::RejectsAhReserved) && body.get(2..4) != Some(&[0, 0]) {
        return Err(DropReason::AhLength);
    }
    if claimed_len(body) == Some(len) || sa.deviations.has(Deviation::TakesAnyAhLength) {
        Ok(())
    } else {
        Err(DropReason::AhLength)
    }
}

/// Verifies the ICV of `body`, which begins with the header, of any length that holds the ICV; `prefix` is the IP
/// header before it. `masked` is memory to be used again.
pub(crate) fn verify(
    sa: &SaParameters,
    transform: &Transform,
    sequence: u64,
    prefix: &[u8],
    body: &[u8],
    masked: &mut Vec<u8>,
) -> Result<Verified, DropReason> {
    const ZERO: [u8; MOST_ICV] = [0; MOST_ICV];
    let len = claimed_len(body).ok_or(DropReason::TooShort)?;
    let icv_end = FIXED + transform.icv_len;
    if len < icv_end {
        return Err(DropReason::AhLength);
    }
    if len > body.len() {
        return Err(DropReason::TooShort);
    }
    let (head, rest) = body.split_at_checked(icv_end).ok_or(DropReason::TooShort)?;
    let (fixed, icv) = head.split_at_checked(FIXED).ok_or(DropReason::TooShort)?;
    let zero = ZERO.get(..icv.len()).ok_or(DropReason::AhLength)?;
    mask(prefix, sa, masked).ok_or(DropReason::OuterOptions)?;
    let mut signed = [0; FIXED];
    signed.iter_mut().zip(fixed).for_each(|(octet, value)| *octet = *value);
    if sa.deviations.has(Deviation::ZeroesAhReserved) {
        (signed[2], signed[3]) = (0, 0);
    }
    if !transform.icv_fits(sequence, [masked, &signed, zero, rest], icv) {
        return Err(DropReason::BadIcv);
    }
    Ok(Verified { next_header: fixed.first().copied().unwrap_or_default(), len })
}

/// Octets of the header by its Payload Len field (RFC 4302 section 2.2).
pub(crate) fn claimed_len(body: &[u8]) -> Option<usize> {
    body.get(1).map(|&payload_len| (usize::from(payload_len) + 2) * 4)
}

/// Makes `masked` the IP header, up to the AH, as it enters the ICV. `None` if options or extension headers are
/// malformed.
fn mask(prefix: &[u8], sa: &SaParameters, masked: &mut Vec<u8>) -> Option<()> {
    masked.clear();
    masked.extend_from_slice(prefix);
    let has = |deviation| sa.deviations.has(deviation);
    if masked.first()? >> 4 == 4 {
        if !has(Deviation::CoversTtlWithAh) {
            *masked.get_mut(8)? = 0;
        }
        if !has(Deviation::CoversTosWithAh) {
            *masked.get_mut(1)? = 0;
        }
        if has(Deviation::LeavesIdentificationOutOfAh) {
            masked.get_mut(4..6)?.fill(0);
        }
        if let (IpAddr::V4(source), true) = (sa.source, has(Deviation::TakesSourceFromSa)) {
            masked.get_mut(12..16)?.copy_from_slice(&source.octets());
        }
        masked.get_mut(6..8)?.fill(0);
        masked.get_mut(10..12)?.fill(0);
        mask_v4_options(masked, &sa.deviations)
    } else {
        // A Fragment header that reassembly, or a sender, has left in place is passed over (RFC 4302 appendix A2).
        if let Some(removed) = remove_fragment_header(masked) {
            let length = masked.get_mut(4..6)?;
            let value = u16::from_be_bytes([*length.first()?, *length.last()?]).checked_sub(removed)?;
            length.copy_from_slice(&value.to_be_bytes());
        }
        let label = masked.get_mut(..4)?.first_chunk_mut::<4>()?;
        let kept = if has(Deviation::CoversFlowLabelWithAh) { 0x0f } else { 0 };
        *label = [0x60, label[1] & kept, label[2] & (kept | kept << 4), label[3] & (kept | kept << 4)];
        if !has(Deviation::CoversTtlWithAh) {
            *masked.get_mut(7)? = 0;
        }
        if let (IpAddr::V6(source), true) = (sa.source, has(Deviation::TakesSourceFromSa)) {
            masked.get_mut(8..24)?.copy_from_slice(&source.octets());
        }
        if has(Deviation::ZeroesExtensionHeaders) {
            masked.get_mut(40..)?.fill(0);
            return Some(());
        }
        mask_v6_extensions(masked)
    }
}

/// Takes the Fragment header out of an IPv6 header with its extensions; the octets that were taken out. Whether the
/// packet is a fragment the caller has seen before.
fn remove_fragment_header(headers: &mut Vec<u8>) -> Option<u16> {
    if headers.first()? >> 4 != 6 {
        return None;
    }
    let (mut field, mut at) = (6, 40);
    while let Some(&[next, len, ..]) = headers.get(at..at + 8) {
        match *headers.get(field)? {
            FRAGMENT => {
                *headers.get_mut(field)? = next;
                headers.drain(at..at + 8);
                return Some(8);
            }
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                field = at;
                at += (usize::from(len) + 1) * 8;
            }
            _ => return None,
        }
    }
    None
}

/// Options that change on the way are zeroed whole (RFC 4302 section 3.3.3.1.1.2 and appendix A1), and so are those
/// that are not known (section 3.3.3.1); with a source route the destination is that of the last hop.
fn mask_v4_options(header: &mut [u8], deviations: &DeviationSet) -> Option<()> {
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
                let option = header.get(at..at + len).filter(|option| option.len() >= 2)?;
                // The pointer counts from 1 and is past the end when the route has been gone (RFC 791 section 3.1).
                let last = match option {
                    [kind, _, _, addresses @ ..]
                        if SOURCE_ROUTES.contains(kind) && deviations.has(Deviation::AimsAtFirstHop) =>
                    {
                        addresses.first_chunk::<4>().copied()
                    }
                    [kind, len, pointer, addresses @ ..] if SOURCE_ROUTES.contains(kind) && pointer <= len => {
                        addresses.last_chunk::<4>().copied()
                    }
                    _ => None,
                };
                if let Some(last) = last {
                    header.get_mut(16..20)?.copy_from_slice(&last);
                }
                if !IMMUTABLE.contains(&kind) || deviations.has(Deviation::ZeroesAllOptions) {
                    let kept = if deviations.has(Deviation::ZeroesOptionDataOnly) { 2 } else { 0 };
                    header.get_mut(at + kept..at + len)?.fill(0);
                }
                at += len;
            }
        }
    }
    Some(())
}

/// Data of options that may change on the way are zeroed; a routing header of type 0 is put as it will arrive (RFC
/// 4302 appendix A2). Routing headers of other types, which the text doesn't know, are taken as they are.
fn mask_v6_extensions(header: &mut [u8]) -> Option<()> {
    let mut kind = *header.get(6)?;
    let mut at = 40;
    while at < header.len() {
        let &[next, len, routing_type, left] = header.get(at..at + 4)?.first_chunk::<4>()?;
        let end = at + (usize::from(len) + 1) * 8;
        match kind {
            HOP_BY_HOP | DESTINATION_OPTIONS => mask_v6_options(header.get_mut(at + 2..end)?)?,
            ROUTING if routing_type == 0 && left > 0 => {
                let (fixed, route) = header.get_mut(..end)?.split_at_mut_checked(at + 8)?;
                let (hops, odd) = route.as_chunks_mut::<16>();
                let first = hops.len().checked_sub(left.into()).filter(|_| odd.is_empty())?;
                let destination = fixed.get_mut(24..40)?.first_chunk_mut::<16>()?;
                // Each hop that is left to visit changes places with the destination (RFC 2460 section 4.4).
                hops.get_mut(first..)?.iter_mut().for_each(|hop| std::mem::swap(hop, destination));
                *fixed.get_mut(at + 3)? = 0;
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
