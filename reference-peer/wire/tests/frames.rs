//! Captured frames, read layer by layer and written again.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use common::{datagram, frames, ike_messages, packet};
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::ethernet::{EtherType, Frame};
use wire::ikev2::*;
use wire::ip::{self, Protocol};
use wire::ipv6::ExtensionBody;
use wire::natt::{Natt, classify};
use wire::{Derived, arp, esp, icmpv4, icmpv6, udp};

#[test]
fn every_layer_of_every_frame_is_written_as_it_was_read() {
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for (name, bytes) in frames() {
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.to_bytes(), bytes, "{name}");
        if frame.ether_type == EtherType::ARP {
            let (packet, padding) = arp::Packet::parse_prefix(&frame.payload).unwrap();
            assert_eq!([&packet.to_bytes(), padding].concat(), frame.payload, "{name}");
            *seen.entry("arp").or_default() += 1;
            continue;
        }
        let (packet, padding) = ip::Packet::parse_prefix(&frame.payload).unwrap();
        assert_eq!([&packet.to_bytes(), padding].concat(), frame.payload, "{name}");
        if let ip::Packet::V4(packet) = &packet {
            assert_eq!(packet.checksum, Derived::Computed, "{name}");
        }
        if packet.is_fragment() {
            *seen.entry("fragment").or_default() += 1;
            continue;
        }
        let payload = packet.payload();
        match (packet.protocol(), packet.source(), packet.destination()) {
            (Protocol::UDP, source, destination) => {
                let datagram = udp::Datagram::parse(payload, source, destination).unwrap();
                assert_eq!(datagram.to_bytes(source, destination), payload, "{name}");
                *seen.entry("udp").or_default() += 1;
            }
            (Protocol::ICMP, ..) => {
                let icmp = icmpv4::Packet::parse(payload).unwrap();
                assert_eq!(icmp.checksum, Derived::Computed, "{name}");
                assert_eq!(icmp.to_bytes(), payload, "{name}");
                *seen.entry("icmp").or_default() += 1;
            }
            (Protocol::ICMPV6, std::net::IpAddr::V6(source), std::net::IpAddr::V6(destination)) => {
                let icmp = icmpv6::Packet::parse(payload, source, destination).unwrap();
                assert_eq!(icmp.checksum, Derived::Computed, "{name}");
                assert_eq!(icmp.to_bytes(source, destination), payload, "{name}");
                *seen.entry("icmpv6").or_default() += 1;
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let expected = [("arp", 2), ("fragment", 2), ("icmp", 7), ("icmpv6", 9), ("udp", 16)];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn ike_of_two_daemons() {
    let messages = ike_messages();
    assert_eq!(messages.len(), 10);
    for (name, bytes) in messages {
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.is_protected(), !name.starts_with("ike-sa-init"), "{name}");
        assert_eq!(message.to_bytes(), bytes, "{name}");
    }
}

#[test]
fn contents_of_encrypted_payloads() {
    for line in include_str!("inner.txt").lines().filter(|line| !line.starts_with('#')) {
        let [name, first, digits] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (first, bytes) = (PayloadType(first.parse().unwrap()), common::hex(digits));
        let payloads = parse_chain(first, &bytes, 0).unwrap();
        let mut again = Vec::new();
        emit_chain(&payloads, PayloadType::NONE, &mut again);
        assert_eq!((first_type(&payloads), again), (first, bytes), "{name}");

        let Some(Body::SecurityAssociation(sa)) = find(&payloads, PayloadType::SECURITY_ASSOCIATION).map(|p| &p.body)
        else {
            panic!("{name}: SA")
        };
        let key_lengths: Vec<u16> = sa.transforms().filter_map(|(_, transform)| transform.key_length()).collect();
        assert_eq!(
            (sa.proposals[0].protocol, sa.proposals[0].spi.len(), &key_lengths[..]),
            (ProtocolId::ESP, 4, &[128][..])
        );
        let Some(Body::TsInitiator(selectors)) = find(&payloads, PayloadType::TS_INITIATOR).map(|p| &p.body) else {
            panic!("{name}: TSi")
        };
        let network = TrafficSelector::any(Ipv4Addr::new(10, 66, 1, 0).into(), Ipv4Addr::new(10, 66, 1, 255).into());
        assert_eq!(*selectors, TrafficSelectors::new([network]));
        let Some(Body::Authentication(auth)) = find(&payloads, PayloadType::AUTHENTICATION).map(|p| &p.body) else {
            panic!("{name}: AUTH")
        };
        assert_eq!(auth.method, AuthMethod::SHARED_KEY_MIC);
        assert!(notifies(&payloads).any(|notify| notify.notify_type == NotifyType::MOBIKE_SUPPORTED));
    }
}

#[test]
fn port_4500_told_apart() {
    let (datagram, ..) = common::datagram("esp-cbc");
    let Natt::Esp(bytes) = classify(&datagram.payload) else { panic!("ESP") };
    let packet = esp::Packet::parse(bytes).unwrap();
    assert_eq!((packet.spi, packet.sequence, packet.body.len()), (0xEA19_AB0B, 1, 124));
    assert_eq!(packet.to_bytes(), bytes);
    let (datagram, ..) = common::datagram("nat-keepalive");
    assert_eq!(classify(&datagram.payload), Natt::Keepalive);
    let (datagram, ..) = common::datagram("esp-cut-short");
    assert_eq!(classify(&datagram.payload), Natt::Esp(&[0xDE, 0xAD, 0xBE, 0xE0]));
    let error = esp::Packet::parse(&datagram.payload).unwrap_err();
    assert_eq!(error.to_string(), "offset 4: ESP header (RFC 4303 2): 4 octets needed, 0 left");
}

#[test]
fn udp_checksums() {
    // Sent between a kernel's virtual interfaces, where offloading leaves the checksum unfinished.
    let (unfinished, source, destination) = datagram("ike-sa-init-request-cbc");
    assert_eq!(unfinished.checksum, Derived::Exactly(0x1670));
    assert!(!unfinished.is_intact(source, destination));
    for name in ["udp-v4", "udp-v6-with-options"] {
        let (datagram, source, destination) = datagram(name);
        assert_eq!((datagram.checksum, &datagram.payload[..]), (Derived::Computed, &b"counterpeer"[..]));
        assert!(datagram.is_intact(source, destination));
    }
}

#[test]
fn icmp_errors_quote_the_packet() {
    let packet = |name| icmpv4::Packet::parse(packet(name).payload()).unwrap();
    let icmp = packet("fragmentation-needed");
    let icmpv4::Message::DestinationUnreachable { next_hop_mtu: 1300, original, .. } = &icmp.message else {
        panic!("{icmp:?}")
    };
    assert_eq!(icmp.code, icmpv4::FRAGMENTATION_NEEDED);
    let ip::Packet::V4(original) = ip::Packet::parse_quoted(original).unwrap() else { panic!("IPv4") };
    assert_eq!(original.total_length, Derived::Exactly(1428));
    assert_eq!((original.protocol, original.dont_fragment, original.payload.len()), (Protocol::ICMP, true, 528));
    assert!(original.is_intact(), "the quoted header is as it was");

    let icmp = packet("time-exceeded-v4");
    let icmpv4::Message::TimeExceeded { original, .. } = &icmp.message else { panic!("{icmp:?}") };
    let original = ip::Packet::parse_quoted(original).unwrap();
    assert_eq!((original.hop_limit(), original.payload().len()), (1, 32));

    let icmp = packet("port-unreachable-v4");
    assert_eq!(icmp.code, icmpv4::PORT_UNREACHABLE);
    assert_eq!(icmp, icmpv4::Packet::unreachable(3, packet_payload(&icmp)));
}

fn packet_payload(icmp: &icmpv4::Packet) -> Vec<u8> {
    match &icmp.message {
        icmpv4::Message::DestinationUnreachable { original, .. } => original.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn icmpv6_messages() {
    let read = |name| {
        let ip::Packet::V6(packet) = packet(name) else { panic!("IPv6") };
        icmpv6::Packet::parse(&packet.payload, packet.source, packet.destination).unwrap()
    };
    let icmp = read("packet-too-big");
    let icmpv6::Message::PacketTooBig { mtu: 1300, original } = &icmp.message else { panic!("{icmp:?}") };
    let ip::Packet::V6(original) = ip::Packet::parse_quoted(original).unwrap() else { panic!("IPv6") };
    assert_eq!(original.payload_length, Derived::Exactly(1408));

    let target: Ipv6Addr = "fd09:1::fe".parse().unwrap();
    let icmp = read("neighbor-solicitation");
    let icmpv6::Message::NeighborSolicitation { options, .. } = &icmp.message else { panic!("{icmp:?}") };
    assert_eq!(icmp, icmpv6::Packet::neighbor_solicitation(target, options[0].mac()));
    let icmp = read("neighbor-advertisement");
    let icmpv6::Message::NeighborAdvertisement { options, .. } = &icmp.message else { panic!("{icmp:?}") };
    let flags = icmpv6::NA_ROUTER | icmpv6::NA_SOLICITED | icmpv6::NA_OVERRIDE;
    assert_eq!(icmp, icmpv6::Packet::neighbor_advertisement(target, options[0].mac().unwrap(), flags));
    assert!(matches!(read("router-solicitation").message, icmpv6::Message::RouterSolicitation { .. }));
    assert!(matches!(read("mld-report").message, icmpv6::Message::Other { icmp_type: 143, .. }));
    assert!(matches!(read("time-exceeded-v6").message, icmpv6::Message::TimeExceeded { .. }));
    assert!(matches!(read("port-unreachable-v6").message, icmpv6::Message::DestinationUnreachable { .. }));
    assert_eq!(read("echo-request-v6").echo_reply(), Some(read("echo-reply-v6")));
}

#[test]
fn echo_and_arp_are_answered_as_linux_does() {
    let icmp = |name| icmpv4::Packet::parse(packet(name).payload()).unwrap();
    assert_eq!(icmp("echo-request-v4").echo_reply(), Some(icmp("echo-reply-v4")));
    let arp = |name| arp::Packet::parse_prefix(&Frame::parse(&common::frame(name)).unwrap().payload).unwrap().0;
    let (request, reply) = (arp("arp-request"), arp("arp-reply"));
    assert_eq!(request.reply(reply.sender_mac), reply);
    let sender = Ipv4Addr::new(10, 9, 1, 1);
    assert_eq!(request, arp::Packet::request(request.sender_mac, sender, Ipv4Addr::new(10, 9, 1, 254)));
}

#[test]
fn ipv6_extension_headers() {
    let ip::Packet::V6(packet) = packet("udp-v6-with-options") else { panic!("IPv6") };
    let bodies: Vec<&ExtensionBody> = packet.extensions.iter().map(|extension| &extension.body).collect();
    let expected =
        [ExtensionBody::HopByHop(vec![5, 2, 0, 0, 1, 0]), ExtensionBody::DestinationOptions(vec![1, 4, 0, 0, 0, 0])];
    assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
    assert_eq!((packet.protocol, packet.ipsec_position()), (Protocol::UDP, 1));

    let fragment = |name| {
        let ip::Packet::V6(packet) = common::packet(name) else { panic!("IPv6") };
        assert!(packet.is_fragment());
        assert_eq!(packet.protocol, Protocol::ICMPV6);
        let ExtensionBody::Fragment { offset, reserved: 0, more, identification: 0x7F36_16AA } =
            packet.extensions[0].body
        else {
            panic!("{packet:?}")
        };
        (usize::from(offset) * 8, more, packet.payload)
    };
    let (first, last) = (fragment("first-fragment-v6"), fragment("last-fragment-v6"));
    assert_eq!((first.0, first.1, first.2.len()), (0, true, last.0));
    assert!(!last.1);
    // Put together they are one echo request, whose checksum holds over both.
    let ip::Packet::V6(packet) = common::packet("first-fragment-v6") else { panic!("IPv6") };
    let whole = [first.2, last.2].concat();
    let icmp = icmpv6::Packet::parse(&whole, packet.source, packet.destination).unwrap();
    assert_eq!(icmp.checksum, Derived::Computed);
}

#[test]
fn ipv4_options() {
    let ip::Packet::V4(packet) = packet("record-route") else { panic!("IPv4") };
    assert_eq!(packet.options.len(), 40);
    assert_eq!(packet.options[1..3], [7, 39], "Record Route after a No Operation");
}
