//! Transport mode: ESP or AH between the IP header and the next layer (RFC 4303 section 3.1.1).

use super::header::{self, Header, checksum};
use super::sa::{OriginalAddresses, SaParameters};
use super::tunnel::push_body;
use crate::deviation::Deviation;
use std::net::IpAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The packet with its payload replaced by the protected one, in place of what `packet` holds. `None` if that is too
/// long for IP.
pub(crate) fn wrap(sa: &SaParameters, inner: &[u8], header: &Header, body: &[u8], packet: &mut Vec<u8>) -> Option<()> {
    let udp = sa.udp_ports();
    let protocol = match udp {
        Some(_) if !sa.deviations.has(Deviation::KeepsProtocol50InUdp) => UDP,
        _ => sa.protocol.number(),
    };
    let options_behind = header.is_v4() && sa.deviations.has(Deviation::MovesOptionsBehindEsp);
    let before = if options_behind { 20 } else { header.insertion };
    packet.clear();
    packet.reserve(header.insertion + 16 + body.len());
    packet.extend_from_slice(inner.get(..before)?);
    if options_behind {
        *packet.first_mut()? = 0x45;
    }
    *packet.get_mut(header.insertion_field)? = protocol;
    push_body(packet, sa, udp, body)?;
    header::repair_length(packet)
}

/// Makes the packet that the peer had of the received IP header and the payload, which stands there in place of ESP
/// or AH.
pub(crate) fn unwrap(sa: &SaParameters, outer: &Header, next_header: u8, packet: &mut [u8]) -> Option<Header> {
    *packet.get_mut(outer.insertion_field)? = next_header;
    header::repair_length(packet)?;
    let header = Header::parse(packet).ok()?;
    if let Some(original) = &sa.original_addresses
        && !sa.deviations.has(Deviation::LeavesTransportChecksums)
    {
        repair_upper_checksum(packet, &header, original);
    }
    Some(header)
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
    let [mut source, mut destination] = [original.source, original.destination].map(octets);
    source.iter_mut().chain(&mut destination).for_each(|octet| *octet = !*octet);
    let [new_source, new_destination] = [header.source, header.destination].map(octets);
    let from = if header.is_v4() { 12 } else { 0 };
    let parts =
        [&source, &destination, &new_source, &new_destination].map(|octets| octets.get(from..).unwrap_or(octets));
    let mut new = checksum(&[&(!old).to_be_bytes(), parts[0], parts[1], parts[2], parts[3]]);
    if header.protocol == UDP && new == 0 {
        new = 0xffff;
    }
    place.copy_from_slice(&new.to_be_bytes());
}

/// An address; one of IPv4 in the last four octets.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[12..].copy_from_slice(&address.octets());
            octets
        }
        IpAddr::V6(address) => address.octets(),
    }
}
