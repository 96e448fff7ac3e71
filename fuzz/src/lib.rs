//! The bodies of the fuzz targets. Each panics when what it asserts does not hold, so that the fuzzer sees it; the test
//! beside them replays the seeds in `corpus/`.
#![forbid(unsafe_code)]

mod data_plane;
mod replay;

pub use data_plane::data_plane;
pub use replay::replay_window;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::net::{IpAddr, Ipv6Addr};
use wire::ikev1;
use wire::ikev2::{Chain, Header, Message, Payload, PayloadType, emit_chain, parse_chain};
use wire::ip::{self, Protocol};
use wire::natt::{self, Natt};
use wire::{Error, ah, esp, icmpv4, icmpv6, udp};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that reading may allocate for each octet of input, and for none at all. The worst are payloads of 4 octets,
/// each of which becomes a [`Payload`], and attributes of 4 octets in a vector that grows.
const PER_OCTET: usize = {
    let (older, newer) = (size_of::<ikev1::Payload>(), size_of::<Payload>());
    (if older > newer { older } else { newer }) / 4 + 2
};
const AT_LEAST: usize = 512;

/// Reads `data` and checks that what was allocated for it is bounded by its length.
fn bounded<'a, T>(data: &'a [u8], read: impl FnOnce(&'a [u8]) -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let value = read(data);
    let allocated = region.change().bytes_allocated;
    let bound = data.len() * PER_OCTET + AT_LEAST;
    assert!(allocated <= bound, "{allocated} octets allocated for {} read, more than {bound}", data.len());
    value
}

/// An error points into what was read.
fn within(error: Error, data: &[u8]) {
    assert!(error.offset <= data.len(), "{error} of {} octets", data.len());
}

/// An IKEv2 message as it stands in a datagram. If that is refused, its payloads are read as if the header were right,
/// as the contents of an Encrypted payload would be. What is read is written as the same octets; where reading fails,
/// the walk by generic headers meets the fault too.
pub fn ikev2_message(data: &[u8]) {
    match bounded(data, Message::parse) {
        Ok(message) => return assert_eq!(message.to_bytes(), data),
        Err(error) => within(error, data),
    }
    let Ok(header) = Header::parse(data) else { return };
    let first = header.next_payload.or(PayloadType::NONE);
    let contents = &data[Header::OCTETS..];
    match bounded(contents, |contents| parse_chain(first, contents, 0)) {
        Ok(payloads) => {
            let mut again = Vec::with_capacity(contents.len());
            emit_chain(&payloads, PayloadType::NONE, &mut again);
            assert_eq!(again, contents);
        }
        Err(error) => {
            within(error, contents);
            let faults = Chain::new(first, contents, 0).map(|step| step.and_then(|unread| unread.read()).err());
            assert_eq!(faults.flatten().next(), Some(error));
        }
    }
}

/// Any value of the IKEv2 types, honest or not, can be written, and what of it is read is written as the same octets.
pub fn ikev2_values(message: &Message) {
    ikev2_message(&message.to_bytes());
}

/// An IKEv1 message as it stands in a datagram. If that is refused, its payloads are read as if the header were right,
/// as the contents of an encrypted message would be; what follows them is padding. What is read is written as the
/// same octets; where reading fails, the walk by generic headers meets the fault too.
pub fn ikev1_message(data: &[u8]) {
    match bounded(data, ikev1::Message::parse) {
        Ok(message) => {
            assert_eq!(message.to_bytes(), data);
            for payload in message.payloads() {
                if let ikev1::Body::Notification(notification) = &payload.body {
                    let _ = bounded(&notification.data, |data| ikev1::Attribute::parse_list(data, 0));
                }
            }
            return;
        }
        Err(error) => within(error, data),
    }
    let Ok(header) = ikev1::Header::parse(data) else { return };
    let first = header.next_payload.or(ikev1::PayloadType::NONE);
    let contents = &data[ikev1::Header::OCTETS..];
    match bounded(contents, |contents| ikev1::parse_chain(first, contents, 0)) {
        Ok((payloads, rest)) => {
            let mut again = Vec::with_capacity(contents.len());
            ikev1::emit_chain(&payloads, ikev1::PayloadType::NONE, &mut again);
            again.extend(rest);
            assert_eq!(again, contents);
        }
        Err(error) => {
            within(error, contents);
            let faults = ikev1::Chain::new(first, contents, 0).map(|step| step.and_then(|unread| unread.read()).err());
            assert_eq!(faults.flatten().next(), Some(error));
        }
    }
}

/// Any value of the IKEv1 types, honest or not, can be written, and what of it is read is written as the same octets.
pub fn ikev1_values(message: &ikev1::Message) {
    ikev1_message(&message.to_bytes());
}

/// An ESP packet, and an AH packet, without keys: header and rest are the whole.
pub fn esp(data: &[u8]) {
    match bounded(data, esp::Packet::parse) {
        Ok(packet) => {
            assert_eq!(packet.to_bytes(), data);
            assert_eq!([&packet.header().to_bytes()[..], &packet.body].concat(), data);
        }
        Err(error) => {
            within(error, data);
            assert!(data.len() < esp::Header::OCTETS);
        }
    }
    match bounded(data, ah::Packet::parse) {
        Ok(packet) => {
            assert_eq!(packet.to_bytes(), data);
            assert_eq!(12 + packet.icv.len() + packet.payload.len(), data.len());
        }
        Err(error) => within(error, data),
    }
}

/// The payload of a datagram on port 4500: marker and rest are the whole, and the kinds shut each other out. What is
/// found goes to the reader of its kind.
pub fn natt_demux(data: &[u8]) {
    let is_marked = data.starts_with(&natt::NON_ESP_MARKER);
    match natt::classify(data) {
        Natt::Ike(message) => {
            assert_eq!(natt::wrap_ike(message), data);
            ikev2_message(message);
            ikev1_message(message);
        }
        Natt::Esp(packet) => {
            assert!(!is_marked && packet == data && data.len() >= 4);
            esp(packet);
        }
        Natt::Keepalive => assert_eq!(data, natt::KEEPALIVE),
        Natt::Malformed(error) => {
            within(error, data);
            assert!(data.len() < 4 && data != natt::KEEPALIVE);
        }
    }
    // The same on port 500, as the first drafts had it.
    match natt::classify_draft(data) {
        Natt::Esp(packet) => assert_eq!(natt::wrap_esp_draft(packet), data),
        Natt::Ike(message) => assert!(message == data && !data.starts_with(&natt::NON_IKE_MARKER)),
        Natt::Keepalive => assert_eq!(data, natt::KEEPALIVE),
        Natt::Malformed(error) => within(error, data),
    }
}

/// An IP packet, and in it UDP, ICMP, ESP or AH, layer by layer: what is read is written as the same octets.
pub fn ip_packet(data: &[u8]) {
    match bounded(data, ip::Packet::parse_prefix) {
        Ok((packet, rest)) => {
            assert_eq!([&packet.to_bytes()[..], rest].concat(), data);
            if !packet.is_fragment() {
                upper(&packet);
            }
        }
        Err(error) => within(error, data),
    }
    if let Ok(quoted) = bounded(data, ip::Packet::parse_quoted) {
        assert!(data.starts_with(&quoted.to_bytes()));
    }
}

fn upper(packet: &ip::Packet) {
    let (source, destination, data) = (packet.source(), packet.destination(), packet.payload());
    match packet.protocol() {
        Protocol::UDP => {
            let Ok(datagram) = bounded(data, |data| udp::Datagram::parse(data, source, destination)) else { return };
            assert_eq!(datagram.to_bytes(source, destination), data);
            if datagram.destination_port == 4500 {
                natt_demux(&datagram.payload);
            }
        }
        Protocol::ICMP => {
            if let Ok(icmp) = bounded(data, icmpv4::Packet::parse) {
                assert_eq!(icmp.to_bytes(), data);
            }
        }
        Protocol::ICMPV6 => {
            let [source, destination] = [source, destination].map(|address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            });
            icmp_over_ipv6(data, source, destination);
        }
        Protocol::ESP | Protocol::AH => esp(data),
        _ => {}
    }
}

fn icmp_over_ipv6(data: &[u8], source: Ipv6Addr, destination: Ipv6Addr) {
    if let Ok(icmp) = bounded(data, |data| icmpv6::Packet::parse(data, source, destination)) {
        assert_eq!(icmp.to_bytes(source, destination), data);
    }
}

/// Tokens for libFuzzer: the numbers of IKE that have a name, and the beginnings of its structures.
pub fn dictionary() -> String {
    use wire::ikev2::{AuthMethod, ExchangeType, IdType, NotifyType};
    let mut lines =
        vec!["# IANA numbers of IKE and beginnings of its structures. Written by the test `dictionary`.".into()];
    let mut token = |name: String, octets: &[u8]| {
        let name = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let octets: String = octets.iter().map(|octet| format!("\\x{octet:02x}")).collect();
        lines.push(format!("{name}=\"{octets}\""));
    };
    for number in PayloadType::NAMED {
        token(format!("payload_{number}"), &[number.0]);
        token(format!("header_{number}"), &[number.0, 0, 0, 8]);
    }
    for number in ExchangeType::NAMED {
        token(format!("exchange_{number}"), &[Header::VERSION_2, number.0]);
    }
    for number in NotifyType::NAMED {
        token(format!("notify_{number}"), &[&[0, 0], &number.0.to_be_bytes()[..]].concat());
    }
    for number in IdType::NAMED {
        token(format!("{number}"), &[number.0, 0, 0, 0]);
    }
    for number in AuthMethod::NAMED {
        token(format!("auth_{number}"), &[number.0, 0, 0, 0]);
    }
    for number in ikev1::PayloadType::NAMED {
        token(format!("v1_header_{number}"), &[number.0, 0, 0, 8]);
    }
    for number in ikev1::ExchangeType::NAMED {
        token(format!("v1_exchange_{number}"), &[ikev1::Header::VERSION_1, number.0]);
    }
    for number in ikev1::NotifyType::NAMED {
        token(format!("v1_notify_{number}"), &[&[1, 16], &number.0.to_be_bytes()[..]].concat());
    }
    for (name, octets) in [
        ("v1_doi_and_situation", &[0, 0, 0, 1, 0, 0, 0, 1][..]),
        ("v1_situation_labelled", &[0, 0, 0, 1, 0, 0, 0, 6]),
        ("v1_proposal_isakmp", &[0, 0, 0, 0x2C, 0, 1, 0, 1]),
        ("v1_transform_key_ike", &[3, 0, 0, 0x24, 1, 1, 0, 0]),
        ("v1_life_seconds", &[0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 0x70, 0x80]),
        ("v1_group", &[0x80, 4, 0, 14]),
    ] {
        token(name.into(), octets);
    }
    for (name, octets) in [
        ("proposal_ike", &[0, 0, 0, 0x2C, 1, 1, 0, 4][..]),
        ("proposal_esp", &[0, 0, 0, 0x28, 1, 3, 4, 3]),
        ("proposal_more", &[2, 0, 0, 0x2C, 1, 1, 0, 4]),
        ("transform_aes_cbc_128", &[3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 0, 128]),
        ("transform_aes_gcm_256", &[3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0]),
        ("transform_prf_sha1", &[3, 0, 0, 8, 2, 0, 0, 2]),
        ("transform_integ_sha1", &[3, 0, 0, 8, 3, 0, 0, 2]),
        ("transform_modp_2048", &[0, 0, 0, 8, 4, 0, 0, 14]),
        ("transform_no_esn", &[0, 0, 0, 8, 5, 0, 0, 0]),
        ("attribute_key_length", &[0x80, 14, 0, 128]),
        ("attribute_key_length_long", &[0, 14, 0, 2, 0, 128]),
        ("selector_ipv4", &[7, 0, 0, 16, 0, 0, 0xFF, 0xFF]),
        ("selector_ipv6", &[8, 0, 0, 40, 0, 0, 0xFF, 0xFF]),
        ("delete_esp", &[3, 4, 0, 1]),
        ("delete_ike", &[1, 0, 0, 0]),
        ("rekey_esp", &[3, 4, 0x40, 9]),
        ("fragment_1_of_2", &[0, 1, 0, 2]),
        ("eap_request_identity", &[1, 1, 0, 5, 1]),
        ("non_esp_marker", &[0, 0, 0, 0]),
        ("longest", &[0xFF, 0xFF]),
    ] {
        token(name.into(), octets);
    }
    lines.push(String::new());
    lines.join("\n")
}
