//! What reading refuses below IKE, where and why; and wrong checksums, which it keeps.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use common::hex;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::ethernet::{Address, EtherType, Frame};
use wire::ip::{self, Protocol};
use wire::{Derived, Error, ah, arp, esp, icmpv4, icmpv6, ipv4, ipv6, udp};

const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 1, 1), Ipv4Addr::new(10, 9, 2, 1)];
const V6: [Ipv6Addr; 2] = [Ipv6Addr::new(0xfd09, 1, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd09, 2, 0, 0, 0, 0, 0, 1)];

/// Each row: octets (hexadecimal), the error as text.
fn check<T: std::fmt::Debug>(parse: impl Fn(&[u8]) -> Result<T, Error>, rows: &[(&str, &str)]) {
    for (octets, text) in rows {
        assert_eq!(parse(&hex(octets)).unwrap_err().to_string(), *text, "{octets}");
    }
}

#[test]
fn ipv4() {
    let addresses = "0a090101 0a090201";
    let rows = [
        ("", "offset 0: IP header (RFC 791 3.1, RFC 8200 3): 1 octets needed, 0 left"),
        ("50", "offset 0: IP version 5 is neither 4 nor 6 (RFC 791 3.1, RFC 8200 3)"),
        ("45", "offset 0: IPv4 header (RFC 791 3.1): 2 octets needed, 1 left"),
        ("4500", "offset 0: IHL 5 is not between 5 and the 2 octets that are left (RFC 791 3.1)"),
        (
            &format!("44000014 00000000 40110000 {addresses}"),
            "offset 0: IHL 4 is not between 5 and the 20 octets that are left (RFC 791 3.1)",
        ),
        (
            &format!("46000014 00000000 40110000 {addresses}"),
            "offset 0: IHL 6 is not between 5 and the 20 octets that are left (RFC 791 3.1)",
        ),
        (
            &format!("45000000 00000000 40110000 {addresses}"),
            "offset 2: total length 0 is not between 20 and 20 (RFC 791 3.1)",
        ),
        (
            &format!("45000013 00000000 40110000 {addresses}"),
            "offset 2: total length 19 is not between 20 and 20 (RFC 791 3.1)",
        ),
        (
            &format!("45000015 00000000 40110000 {addresses}"),
            "offset 2: total length 21 is not between 20 and 20 (RFC 791 3.1)",
        ),
        (
            &format!("45000014 00000000 40110000 {addresses} 0000"),
            "offset 20: after the total length (RFC 791 3.1): 2 octets left over",
        ),
    ];
    check(ip::Packet::parse, &rows);
    check(ipv4::Packet::parse, &[("6500", "offset 0: IP version 6 is not 4 (RFC 791 3.1, RFC 8200 3)")]);
}

#[test]
fn ipv6() {
    let fixed = |length: u16, next: u8| format!("60000000 {length:04x} {next:02x}40 {}", "00".repeat(32));
    let rows = [
        ("60000000", "offset 4: IPv6 header (RFC 8200 3): 2 octets needed, 0 left"),
        (
            &format!("{} 00", fixed(2, 17)),
            "offset 4: IPv6 payload length 2 is more than the 1 octets that are left (RFC 8200 3)",
        ),
        (&format!("{} 00", fixed(0, 17)), "offset 40: after the payload length (RFC 8200 3): 1 octets left over"),
        (&format!("{} 00", fixed(1, 0)), "offset 40: IPv6 extension header (RFC 8200 4): 2 octets needed, 1 left"),
        (
            &format!("{} 1101 0000 0000 0000", fixed(8, 60)),
            "offset 42: IPv6 extension header (RFC 8200 4): 14 octets needed, 6 left",
        ),
        (
            &format!("{} 1100 0000", fixed(4, 44)),
            "offset 44: IPv6 extension header (RFC 8200 4): 4 octets needed, 0 left",
        ),
        (
            &format!("{} 0000 0000 0000 0000 1100 0000 0000 0000", fixed(16, 60)),
            "offset 48: Hop-by-Hop Options header is not directly after the IPv6 header (RFC 8200 4.1)",
        ),
    ];
    check(ip::Packet::parse, &rows);
    check(ipv6::Packet::parse, &[("45000000", "offset 0: IP version 4 is not 6 (RFC 791 3.1, RFC 8200 3)")]);
}

#[test]
fn the_others() {
    let (from, to) = (V4[0].into(), V4[1].into());
    let rows = [
        ("01f401f4 0008", "offset 6: UDP header (RFC 768): 2 octets needed, 0 left"),
        ("01f401f4 0000 0000", "offset 4: UDP length 0 is not the 8 octets of the datagram (RFC 768)"),
        ("01f401f4 0007 0000", "offset 4: UDP length 7 is not the 8 octets of the datagram (RFC 768)"),
        ("01f401f4 0009 0000", "offset 4: UDP length 9 is not the 8 octets of the datagram (RFC 768)"),
        ("01f401f4 0008 0000 ff", "offset 4: UDP length 8 is not the 9 octets of the datagram (RFC 768)"),
    ];
    check(|bytes| udp::Datagram::parse(bytes, from, to), &rows);
    let rows = [
        ("0800 00", "offset 2: ICMP header (RFC 792): 2 octets needed, 1 left"),
        ("0800 0000 000000", "offset 4: ICMP header (RFC 792): 4 octets needed, 3 left"),
    ];
    check(icmpv4::Packet::parse, &rows);
    let solicitation = format!("8700 0000 00000000 {}", "fe".repeat(16));
    let rows = [
        ("8000 00", "offset 2: ICMPv6 header (RFC 4443 2.1): 2 octets needed, 1 left"),
        ("0200 0000 00", "offset 4: ICMPv6 message (RFC 4443, RFC 4861 4): 4 octets needed, 1 left"),
        (&solicitation[..29], "offset 8: ICMPv6 message (RFC 4443, RFC 4861 4): 16 octets needed, 5 left"),
        (
            &format!("{solicitation} 0100 000000000000"),
            "offset 24: neighbour discovery option has length 0 (RFC 4861 4.6)",
        ),
        (
            &format!("{solicitation} 0102 000000000000"),
            "offset 26: neighbour discovery option (RFC 4861 4.6): 14 octets needed, 6 left",
        ),
        (
            &format!("{solicitation} 01"),
            "offset 24: neighbour discovery option (RFC 4861 4.6): 2 octets needed, 1 left",
        ),
    ];
    check(|bytes| icmpv6::Packet::parse(bytes, V6[0], V6[1]), &rows);
    let fixed = "0000 00001001 00000001";
    let rows = [
        ("", "offset 0: AH (RFC 4302 2): 1 octets needed, 0 left"),
        (
            &format!("3200 {fixed}"),
            "offset 1: AH payload length 0 is not between 1 and what the 12 octets hold (RFC 4302 2.2)",
        ),
        (
            &format!("3202 {fixed}"),
            "offset 1: AH payload length 2 is not between 1 and what the 12 octets hold (RFC 4302 2.2)",
        ),
        (
            &format!("32ff {fixed}"),
            "offset 1: AH payload length 255 is not between 1 and what the 12 octets hold (RFC 4302 2.2)",
        ),
        (
            "3201 0000 00001001",
            "offset 1: AH payload length 1 is not between 1 and what the 8 octets hold (RFC 4302 2.2)",
        ),
    ];
    check(ah::Packet::parse, &rows);
    assert_eq!(ah::Packet::parse(&hex(&format!("3201 {fixed}"))).unwrap().icv, []);
    check(esp::Packet::parse, &[("00001001 000000", "offset 4: ESP header (RFC 4303 2): 4 octets needed, 3 left")]);
    check(Frame::parse, &[("0102030405", "offset 0: Ethernet header (RFC 894): 6 octets needed, 5 left")]);
    let rows = [
        ("0006 0800 0604 0001", "offset 0: hardware type is 0x0006, not the 0x0001 of IPv4 over Ethernet (RFC 826)"),
        ("0001 86dd 0604 0001", "offset 0: protocol type is 0x86dd, not the 0x0800 of IPv4 over Ethernet (RFC 826)"),
        (
            "0001 0800 0804 0001",
            "offset 0: hardware address length is 0x0008, not the 0x0006 of IPv4 over Ethernet (RFC 826)",
        ),
        (
            "0001 0800 0610 0001",
            "offset 0: protocol address length is 0x0010, not the 0x0004 of IPv4 over Ethernet (RFC 826)",
        ),
        ("0001 0800 0604 0001", "offset 8: ARP packet (RFC 826): 6 octets needed, 0 left"),
    ];
    check(|bytes| arp::Packet::parse_prefix(bytes).map(|(packet, _)| packet), &rows);
}

#[test]
fn wrong_checksums_are_kept() {
    let packet =
        ipv4::Packet { checksum: Derived::Exactly(0xBEEF), ..ipv4::Packet::new(V4[0], V4[1], Protocol::UDP, []) };
    let read = ipv4::Packet::parse(&packet.to_bytes()).unwrap();
    assert_eq!(read, packet);
    assert!(!read.is_intact());

    let echo = icmpv4::Packet { checksum: Derived::Exactly(0xBEEF), ..icmpv4::Packet::echo_request(1, 2, []) };
    let read = icmpv4::Packet::parse(&echo.to_bytes()).unwrap();
    assert_eq!(read, echo);
    assert!(!read.is_intact());

    let echo = icmpv6::Packet { checksum: Derived::Exactly(0xBEEF), ..icmpv6::Packet::echo_request(1, 2, []) };
    let read = icmpv6::Packet::parse(&echo.to_bytes(V6[0], V6[1]), V6[0], V6[1]).unwrap();
    assert_eq!(read, echo);
    assert!(!read.is_intact(V6[0], V6[1]));
}

/// In one's complement 0x0000 and 0xFFFF are the same sum, so a header whose checksum computes to one is intact with
/// the other; in UDP 0x0000 is not a checksum at all, and 0xFFFF is sent where it would be computed.
#[test]
fn the_two_zeros() {
    let mut packet = ipv4::Packet::new(V4[0], V4[1], Protocol::UDP, []);
    let bytes = packet.to_bytes();
    packet.identification = u16::from_be_bytes([bytes[10], bytes[11]]);
    assert_eq!(packet.to_bytes()[10..12], [0, 0]);
    packet.checksum = Derived::Exactly(0xFFFF);
    let read = ipv4::Packet::parse(&packet.to_bytes()).unwrap();
    assert_eq!((read.checksum, read.is_intact()), (Derived::Exactly(0xFFFF), true));

    let (from, to) = (V4[0].into(), V4[1].into());
    let bytes = udp::Datagram::new(0, 0, [0, 0]).to_bytes(from, to);
    let zero = udp::Datagram::new(0, 0, &bytes[6..8]);
    let bytes = zero.to_bytes(from, to);
    assert_eq!(bytes[6..8], [0xFF, 0xFF]);
    assert_eq!(udp::Datagram::parse(&bytes, from, to), Ok(zero));
}

/// RFC 4302 section 3.1.1 and RFC 4303 section 3.1.1: what is mutable on the way comes before, what only the final
/// destination looks at comes after.
#[test]
fn place_of_ipsec_among_extension_headers() {
    use ipv6::ExtensionBody::{DestinationOptions, Fragment, HopByHop, Routing};
    let options = || vec![1, 4, 0, 0, 0, 0];
    let hop = || HopByHop(options());
    let to = || DestinationOptions(options());
    let routing = || Routing { routing_type: 0, segments_left: 0, data: vec![0; 4] };
    let fragment = || Fragment { offset: 0, reserved: 0, more: false, identification: 1 };
    let rows = [
        (vec![], 0),
        (vec![hop()], 1),
        (vec![to()], 0),
        (vec![hop(), to()], 1),
        (vec![hop(), to(), routing(), to()], 3),
        (vec![hop(), to(), routing(), fragment(), to()], 4),
        (vec![routing(), to(), to()], 1),
    ];
    for (bodies, position) in rows {
        let extensions = bodies.into_iter().map(ipv6::Extension::from).collect();
        let packet = ipv6::Packet { extensions, ..ipv6::Packet::new(V6[0], V6[1], Protocol::UDP, []) };
        assert_eq!(packet.ipsec_position(), position, "{:?}", packet.extensions);
    }
}

/// Each derived field can be overridden, and stands where it should.
#[test]
fn overrides_are_written_in_place() {
    use Derived::Exactly;
    let (from, to) = (V4[0].into(), V4[1].into());
    let datagram = || udp::Datagram { checksum: Exactly(0), ..udp::Datagram::new(500, 500, [1, 2]) };
    let udp = |datagram: udp::Datagram| datagram.to_bytes(from, to);
    let authenticated = |payload_len| {
        let (next_header, icv) = (Protocol::ICMP, vec![7; 12]);
        ah::Packet { next_header, payload_len, reserved: 0, spi: 1, sequence: 2, icv, payload: vec![] }.to_bytes()
    };
    let asked = arp::Packet::request(Address([2; 6]), V4[0], V4[1]);
    let extended = |edit: fn(&mut ipv6::Extension)| {
        let mut extension = ipv6::ExtensionBody::HopByHop(vec![1, 4, 0, 0, 0, 0]).into();
        edit(&mut extension);
        ipv6::Packet { extensions: vec![extension], ..ipv6::Packet::new(V6[0], V6[1], Protocol::UDP, []) }.to_bytes()
    };
    let solicited = |length| {
        let option = icmpv6::NdOption { length, ..icmpv6::NdOption::source_address(Address([2; 6])) };
        let message = icmpv6::Message::NeighborSolicitation { reserved: 0, target: V6[1], options: vec![option] };
        let packet = icmpv6::Packet { checksum: Exactly(0), ..message.into() };
        packet.to_bytes(V6[0], V6[1])
    };
    // Honest, edited, where they differ, and how.
    type Row = (Vec<u8>, Vec<u8>, usize, &'static [u8]);
    let rows: [Row; 10] = [
        (udp(datagram()), udp(udp::Datagram { length: Exactly(0xDEAD), ..datagram() }), 4, &[0xDE, 0xAD]),
        (udp(datagram()), udp(udp::Datagram { checksum: Exactly(0xDEAD), ..datagram() }), 6, &[0xDE, 0xAD]),
        (authenticated(Derived::Computed), authenticated(Exactly(0xEE)), 1, &[0xEE]),
        (asked.to_bytes(), arp::Packet { hardware_type: Exactly(6), ..asked }.to_bytes(), 0, &[0, 6]),
        (
            asked.to_bytes(),
            arp::Packet { protocol_type: Exactly(EtherType::IPV6), ..asked }.to_bytes(),
            2,
            &[0x86, 0xDD],
        ),
        (asked.to_bytes(), arp::Packet { hardware_length: Exactly(0xEE), ..asked }.to_bytes(), 4, &[0xEE]),
        (asked.to_bytes(), arp::Packet { protocol_length: Exactly(0xEE), ..asked }.to_bytes(), 5, &[0xEE]),
        (extended(|_| {}), extended(|header| header.next_header = Exactly(Protocol(0xEE))), 40, &[0xEE]),
        (extended(|_| {}), extended(|header| header.length = Exactly(0xEE)), 41, &[0xEE]),
        (solicited(Derived::Computed), solicited(Exactly(0)), 25, &[0]),
    ];
    for (honest, edited, offset, octets) in rows {
        let mut expected = honest.clone();
        expected[offset..offset + octets.len()].copy_from_slice(octets);
        assert_ne!(edited, honest);
        assert_eq!(edited, expected, "at {offset}");
    }
}
