//! Transport mode: ESP or AH between the IP header and the next layer (RFC 4303 section 3.1.1).

use super::header::{self, Header, checksum};
use super::sa::{OriginalAddresses, SaParameters};
use super::tunnel::push_body;
use crate::deviation::Deviation;
use std::net::IpAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The packet with its payload replaced by the protected one. `None` if that is too long for IP.
pub(crate) fn wrap(sa: &SaParameters, inner: &[u8], header: &Header, body: &[u8]) -> Option<Vec<u8>> {
    let udp = sa.udp_ports();
    let protocol = match udp {
        Some(_) if !sa.deviations.has(Deviation::KeepsProtocol50InUdp) => UDP,
        _ => sa.protocol.number(),
    };
    let options_behind = header.is_v4() && sa.deviations.has(Deviation::MovesOptionsBehindEsp);
    let before = if options_behind { 20 } else { header.insertion };
    let mut packet = Vec::with_capacity(header.insertion + 12 + body.len());
    packet.extend_from_slice(inner.get(..before)?);
    if options_behind {
        *packet.first_mut()? = 0x45;
    }
    *packet.get_mut(header.insertion_field)? = protocol;
    push_body(&mut packet, sa, udp, body)?;
    header::repair_length(&mut packet)?;
    Some(packet)
}

/// The packet that the peer had: the received IP header, and the payload in place of ESP or AH.
pub(crate) fn unwrap(
    sa: &SaParameters,
    prefix: &[u8],
    outer: &Header,
    next_header: u8,
    payload: &[u8],
) -> Option<(Header, Vec<u8>)> {
    let mut packet = prefix.to_vec();
    *packet.get_mut(outer.insertion_field)? = next_header;
    packet.extend_from_slice(payload);
    header::repair_length(&mut packet)?;
    let header = Header::parse(&packet).ok()?;
    if let Some(original) = &sa.original_addresses
        && !sa.deviations.has(Deviation::LeavesTransportChecksums)
    {
        repair_upper_checksum(&mut packet, &header, original);
    }
    Some((header, packet))
}

/// The checksum of TCP or UDP covers addresses that a NAT has changed since: takes the old ones out and the new ones
/// in (RFC 3948 section 3.1.2, RFC 1624). A UDP checksum of zero stays.
fn repair_upper_checksum(packet: &mut [u8], header: &Header, original: &OriginalAddresses) {
    let field = match header.protocol {
        TCP => header.upper + 16,
        UDP => header.upper + 6,
        _ => return,
    };
    if header.is_later_fragment() {
        return;
    }
    let Some(place) = packet.get_mut(field..field + 2) else { return };
    let old = u16::from_be_bytes([place[0], place[1]]);
    if header.protocol == UDP && old == 0 {
        return;
    }
    // ~(~HC + ~m + m'): the complement of a checksum over m is the sum of m.
    let removed = octets(original.source).into_iter().chain(octets(original.destination)).map(|octet| !octet);
    let added = octets(header.source).into_iter().chain(octets(header.destination));
    let (removed, added): (Vec<u8>, Vec<u8>) = (removed.collect(), added.collect());
    let mut new = checksum(&[&(!old).to_be_bytes(), &removed, &added]);
    if header.protocol == UDP && new == 0 {
        new = 0xffff;
    }
    place.copy_from_slice(&new.to_be_bytes());
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
