//! Tunnel mode: the outer header, and the inner packet on arrival (RFC 4301 section 5.1.2, RFC 6040).

use std::net::IpAddr;

use super::drops::DropReason;
use super::header::{self, Header, checksum};
use super::sa::{DfBit, Dscp, Ecn, SaParameters, UdpPorts};
use crate::deviation::Deviation;

/// Next header of an IPv4 packet inside.
pub(crate) const IPV4: u8 = 4;
/// Next header of an IPv6 packet inside.
pub(crate) const IPV6: u8 = 41;

const UDP: u8 = 17;
const CE: u8 = 3;

/// Most octets that stand before ESP in tunnel mode: IPv6, UDP and a marker.
const MOST_AROUND: usize = 40 + 8 + 8;

/// The fields of an outer header that are not computed.
pub(crate) struct Outer {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) traffic_class: u8,
    pub(crate) hop_limit: u8,
    /// IPv4 alone.
    pub(crate) dont_fragment: bool,
    /// IPv4 alone; not 0, which some senders replace.
    pub(crate) identification: u16,
}

impl Outer {
    /// The outer header for an inner one, by the rules of the SA.
    pub(crate) fn new(sa: &SaParameters, inner: &Header, identification: u16) -> Self {
        let has = |deviation| sa.deviations.has(deviation);
        let dscp = match sa.dscp {
            _ if has(Deviation::SendsDscpZero) => 0,
            Dscp::Copy => inner.dscp(),
            Dscp::Set(value) => value & 0x3f,
        };
        let ecn = match sa.ecn {
            _ if has(Deviation::ClearsOuterEcn) => 0,
            Ecn::Normal | Ecn::Rfc4301 => inner.ecn(),
            Ecn::Compatibility => 0,
        };
        let traffic_class = match !sa.source.is_ipv4() && has(Deviation::SwapsTrafficClassHalves) {
            true => (dscp << 2 | ecn).rotate_left(4),
            false => dscp << 2 | ecn,
        };
        Self {
            source: if has(Deviation::InnerSourceOutside) { inner.source } else { sa.source },
            destination: sa.destination,
            traffic_class,
            hop_limit: if has(Deviation::CopiesInnerTtl) { inner.hop_limit } else { sa.hop_limit },
            dont_fragment: match sa.df {
                DfBit::Copy => inner.dont_fragment || has(Deviation::SetsDfAlways),
                DfBit::Set => inner.dont_fragment || !has(Deviation::CopiesDfWhenSetting),
                DfBit::Clear => inner.dont_fragment && has(Deviation::CopiesDfWhenClearing),
            },
            identification,
        }
    }

    /// The whole outer packet in place of what `packet` holds; `None` if it would be longer than an IP packet can be,
    /// or the addresses are of different families.
    pub(crate) fn wrap(&self, sa: &SaParameters, body: &[u8], packet: &mut Vec<u8>) -> Option<()> {
        let udp = sa.udp_ports();
        let protocol = match udp {
            Some(_) if sa.deviations.has(Deviation::KeepsProtocol50InUdp) => sa.protocol.number(),
            Some(_) => UDP,
            None => sa.protocol.number(),
        };
        packet.clear();
        packet.reserve(MOST_AROUND + body.len());
        self.push(protocol, packet)?;
        push_body(packet, sa, udp, body)?;
        header::repair_length(packet)
    }

    /// Appends the header alone, its length still zero; `None` if the addresses are of different families.
    pub(crate) fn push(&self, protocol: u8, packet: &mut Vec<u8>) -> Option<()> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet.extend_from_slice(&[0x45, self.traffic_class, 0, 0]);
                packet.extend_from_slice(&self.identification.to_be_bytes());
                packet.extend_from_slice(&[u8::from(self.dont_fragment) << 6, 0, self.hop_limit, protocol, 0, 0]);
                packet.extend_from_slice(&source.octets());
                packet.extend_from_slice(&destination.octets());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                packet.extend_from_slice(&[0x60 | self.traffic_class >> 4, self.traffic_class << 4, 0, 0, 0, 0]);
                packet.extend_from_slice(&[protocol, self.hop_limit]);
                packet.extend_from_slice(&source.octets());
                packet.extend_from_slice(&destination.octets());
            }
            _ => return None,
        }
        Some(())
    }
}

/// Appends ESP or AH, in UDP where the SA wants that.
pub(crate) fn push_body(packet: &mut Vec<u8>, sa: &SaParameters, udp: Option<UdpPorts>, body: &[u8]) -> Option<()> {
    let at = packet.len();
    if let Some(UdpPorts { source, destination, non_ike_marker }) = udp {
        let marker: &[u8] = if sa.deviations.has(Deviation::MarkerBeforeEsp) {
            &[0; 4]
        } else if non_ike_marker {
            &[0; 8]
        } else {
            &[]
        };
        let len = u16::try_from(8 + marker.len() + body.len()).ok()?;
        for field in [source, destination, len, 0] {
            packet.extend_from_slice(&field.to_be_bytes());
        }
        packet.extend_from_slice(marker);
    }
    packet.extend_from_slice(body);
    // Zero over IPv4 (RFC 3948 section 2.1); over IPv6 a receiver drops zero (RFC 8200 section 8.1).
    let v6 = packet.first()? >> 4 == 6;
    let computes = match v6 {
        true => !sa.deviations.has(Deviation::OmitsUdpChecksumOverIpv6),
        false => sa.deviations.has(Deviation::ComputesUdpChecksum),
    };
    if udp.is_some() && computes {
        let (before, datagram) = packet.split_at_mut_checked(at)?;
        let addresses = if v6 { before.get(8..40)? } else { before.get(12..20)? };
        let pseudo = [0, UDP, datagram[4], datagram[5]];
        let sum = match checksum(&[addresses, &pseudo, datagram]) {
            0 => 0xffff,
            sum => sum,
        };
        datagram.get_mut(6..8)?.copy_from_slice(&sum.to_be_bytes());
    }
    Some(())
}

/// Puts into the outer header what stays with the inner one. Only of a peer that is faulty on purpose.
pub(crate) fn copy_too_much(sa: &SaParameters, inner: &[u8], header: &Header, packet: &mut Vec<u8>) {
    let has = |deviation| sa.deviations.has(deviation);
    let same = packet.first().zip(inner.first()).is_some_and(|(outer, inner)| outer >> 4 == inner >> 4);
    if !same {
        return;
    }
    if header.is_v4() && has(Deviation::CopiesInnerOptions) {
        let options = inner.get(20..header.upper).unwrap_or_default();
        packet.splice(20..20, options.iter().copied());
        packet[0] = inner[0];
        header::repair_length(packet);
    }
    if !header.is_v4() && has(Deviation::CopiesFlowLabel) {
        packet[1] = packet[1] & 0xf0 | inner[1] & 0x0f;
        packet[2..4].copy_from_slice(&inner[2..4]);
    }
    if !header.is_v4() && has(Deviation::CopiesExtensionHeaders) && header.upper > 40 {
        // The last of them names what the outer header has named.
        let mut extensions = inner.get(40..header.upper).unwrap_or_default().to_vec();
        let (mut kind, mut last) = (inner[6], 0);
        let mut at = 0;
        while let (0 | 43 | 60, Some(&[next, len])) = (kind, extensions.get(at..at + 2)) {
            (kind, last) = (next, at);
            at += (usize::from(len) + 1) * 8;
        }
        extensions[last] = packet[6];
        packet[6] = inner[6];
        packet.splice(40..40, extensions);
        header::repair_length(packet);
    }
}

/// Makes the inner packet of the payload: checks its header, cuts TFC padding off, brings the outer ECN mark in.
pub(crate) fn decapsulate(
    sa: &SaParameters,
    outer: &Header,
    next_header: u8,
    payload: &mut Vec<u8>,
) -> Result<Header, DropReason> {
    let has = |deviation| sa.deviations.has(deviation);
    if has(Deviation::RefusesDscp) && outer.dscp() != 0 {
        return Err(DropReason::SelectorMismatch);
    }
    let version = payload.first().map(|first| first >> 4);
    match (next_header, version) {
        (IPV4, Some(4)) | (IPV6, Some(6)) => {}
        (IPV4 | IPV6, Some(4 | 6)) if has(Deviation::TrustsInnerHeader) => {}
        (IPV4 | IPV6, _) => return Err(DropReason::InnerMalformed),
        _ => return Err(DropReason::NextHeader),
    }
    if has(Deviation::TrustsInnerHeader) {
        header::repair_checksum(payload);
        if Header::parse(payload).is_err() {
            // A length field beyond the payload: believed, and what isn't there is zeros.
            payload.resize(payload.len().max(1500), 0);
            header::repair_length(payload);
        }
    }
    let inner = Header::parse(payload).map_err(|_| DropReason::InnerMalformed)?;
    if !has(Deviation::ForwardsTfcPadding) {
        payload.truncate(inner.total_len);
    }
    let ecn = match (combined_ecn(sa.ecn, inner.ecn(), outer.ecn()), inner.ecn(), outer.ecn()) {
        (_, inner, CE) if inner != 0 && has(Deviation::LosesCongestionMark) => inner,
        (None, ..) if has(Deviation::ForwardsCongestedNotEct) => CE,
        (_, 2, 1) if has(Deviation::LosesEct) => 0,
        (ecn, ..) => ecn.ok_or(DropReason::EcnCongestion)?,
    };
    if has(Deviation::CopiesOuterDfInside) && inner.is_v4() && outer.is_v4() {
        if let Some(flags) = payload.get_mut(6) {
            *flags = *flags & !0x40 | u8::from(outer.dont_fragment) << 6;
        }
        header::repair_checksum(payload);
    }
    let dscp = if has(Deviation::CopiesOuterDscpInside) { outer.dscp() } else { inner.dscp() };
    if (dscp, ecn) != (inner.dscp(), inner.ecn()) {
        header::set_traffic_class(payload, dscp << 2 | ecn);
    }
    Ok(inner)
}

/// The ECN field to go on with; `None` to drop (RFC 6040 section 4.2, figure 4).
fn combined_ecn(mode: Ecn, inner: u8, outer: u8) -> Option<u8> {
    const NOT_ECT: u8 = 0;
    const ECT1: u8 = 1;
    const ECT0: u8 = 2;
    match (mode, inner, outer) {
        (Ecn::Rfc4301, ECT0 | ECT1, CE) => Some(CE),
        (Ecn::Rfc4301, inner, _) => Some(inner),
        (_, NOT_ECT, CE) => None,
        (_, NOT_ECT, _) => Some(NOT_ECT),
        (_, _, CE) | (_, CE, _) => Some(CE),
        (_, _, ECT1) => Some(ECT1),
        (_, inner, _) => Some(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecn_as_in_figure_4_of_rfc_6040() {
        // Rows: inner Not-ECT, ECT(0), ECT(1), CE; columns: the same of the outer header.
        let order = [0, 2, 1, 3];
        let table = [
            [Some(0), Some(0), Some(0), None],
            [Some(2), Some(2), Some(1), Some(3)],
            [Some(1), Some(1), Some(1), Some(3)],
            [Some(3), Some(3), Some(3), Some(3)],
        ];
        for (row, inner) in table.iter().zip(order) {
            for (&expected, outer) in row.iter().zip(order) {
                assert_eq!(combined_ecn(Ecn::Normal, inner, outer), expected, "inner {inner} outer {outer}");
                assert_eq!(combined_ecn(Ecn::Compatibility, inner, outer), expected);
                let old = if (inner == 1 || inner == 2) && outer == 3 { 3 } else { inner };
                assert_eq!(combined_ecn(Ecn::Rfc4301, inner, outer), Some(old));
            }
        }
    }
}
