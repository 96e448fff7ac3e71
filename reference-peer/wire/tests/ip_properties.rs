//! Round trips and totality of the formats below IKE, with `etherparse` as a second opinion.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use etherparse as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::ethernet::{Address, EtherType, Frame};
use wire::icmpv6::NdOption;
use wire::ip::{self, Ecn, Protocol};
use wire::ipv6::{Extension, ExtensionBody};
use wire::{Derived, ah, arp, esp, icmpv4, icmpv6, ipv4, ipv6, udp};

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=most)
}

fn words(unit: usize, most: usize) -> impl Strategy<Value = Vec<u8>> {
    (0..=most).prop_flat_map(move |count| vec(any::<u8>(), count * unit))
}

fn ipv4() -> impl Strategy<Value = ipv4::Packet> {
    let fields = (any::<u16>(), any::<[bool; 3]>(), 0..0x2000u16, any::<u8>(), any::<u8>());
    (0..64u8, 0..4u8, fields, any::<Ipv4Addr>(), any::<Ipv4Addr>(), words(4, 10), octets(80)).prop_map(
        |(
            dscp,
            ecn,
            (identification, flags, fragment_offset, ttl, protocol),
            source,
            destination,
            options,
            payload,
        )| {
            ipv4::Packet {
                dscp,
                ecn: Ecn::from_bits(ecn),
                identification,
                reserved_flag: flags[0],
                dont_fragment: flags[1],
                more_fragments: flags[2],
                fragment_offset,
                ttl,
                options,
                ..ipv4::Packet::new(source, destination, Protocol(protocol), payload)
            }
        },
    )
}

/// Eight octets and their multiples, less the two of Next Header and length.
fn option_area() -> impl Strategy<Value = Vec<u8>> {
    words(8, 2).prop_flat_map(|rest| vec(any::<u8>(), rest.len() + 6))
}

fn ipv6() -> impl Strategy<Value = ipv6::Packet> {
    let routing = (any::<u8>(), any::<u8>(), words(8, 2)).prop_map(|(routing_type, segments_left, mut data)| {
        data.extend([0xAB; 4]);
        ExtensionBody::Routing { routing_type, segments_left, data }
    });
    // An atomic fragment: after a real one the chain is not read.
    let fragment = (0..4u8, any::<u32>()).prop_map(|(reserved, identification)| ExtensionBody::Fragment {
        offset: 0,
        reserved,
        more: false,
        identification,
    });
    let later = prop_oneof![routing, fragment, option_area().prop_map(ExtensionBody::DestinationOptions)];
    let real = (0..0x2000u16, 0..4u8, any::<u32>()).prop_map(|(offset, reserved, identification)| {
        ExtensionBody::Fragment { offset, reserved, more: offset == 0, identification }
    });
    let bodies = (option::of(option_area().prop_map(ExtensionBody::HopByHop)), vec(later, 0..4), option::of(real));
    let extensions = bodies.prop_map(|(first, later, last)| {
        first.into_iter().chain(later).chain(last).map(Extension::from).collect::<Vec<_>>()
    });
    let upper = any::<u8>().prop_filter("an extension header", |number| !matches!(number, 0 | 43 | 44 | 60));
    let fields = (0..64u8, 0..4u8, 0..0x10_0000u32, any::<u8>());
    (fields, any::<Ipv6Addr>(), any::<Ipv6Addr>(), extensions, upper, octets(80)).prop_map(
        |((dscp, ecn, flow_label, hop_limit), source, destination, extensions, upper, payload)| ipv6::Packet {
            dscp,
            ecn: Ecn::from_bits(ecn),
            flow_label,
            hop_limit,
            extensions,
            ..ipv6::Packet::new(source, destination, Protocol(upper), payload)
        },
    )
}

fn datagram() -> impl Strategy<Value = udp::Datagram> {
    (any::<u16>(), any::<u16>(), octets(80), prop_oneof![3 => Just(Derived::Computed), 1 => Just(Derived::Exactly(0))])
        .prop_map(|(source, destination, payload, checksum)| udp::Datagram {
            checksum,
            ..udp::Datagram::new(source, destination, payload)
        })
}

fn echo() -> impl Strategy<Value = icmpv4::Echo> {
    (any::<u16>(), any::<u16>(), octets(40)).prop_map(|(identifier, sequence, data)| icmpv4::Echo {
        identifier,
        sequence,
        data,
    })
}

fn icmpv4() -> impl Strategy<Value = icmpv4::Packet> {
    use icmpv4::Message::*;
    let other = any::<u8>().prop_filter("a known type", |number| !matches!(number, 0 | 3 | 8 | 11 | 12));
    let message = prop_oneof![
        echo().prop_map(EchoReply),
        echo().prop_map(EchoRequest),
        (any::<u16>(), any::<u16>(), octets(60))
            .prop_map(|(unused, next_hop_mtu, original)| { DestinationUnreachable { unused, next_hop_mtu, original } }),
        (any::<u32>(), octets(60)).prop_map(|(unused, original)| TimeExceeded { unused, original }),
        (any::<u8>(), any::<[u8; 3]>(), octets(60))
            .prop_map(|(pointer, unused, original)| { ParameterProblem { pointer, unused, original } }),
        (other, octets(40)).prop_map(|(icmp_type, data)| Other { icmp_type, data }),
    ];
    (any::<u8>(), message).prop_map(|(code, message)| icmpv4::Packet { code, ..message.into() })
}

fn icmpv6() -> impl Strategy<Value = icmpv6::Packet> {
    use icmpv6::Message::*;
    let options = || {
        let option = (any::<u8>(), option_area()).prop_map(|(option_type, data)| NdOption {
            option_type,
            length: Derived::Computed,
            data,
        });
        vec(option, 0..3)
    };
    let known = |number: &u8| matches!(number, 1..=4 | 128 | 129 | 133..=136);
    let other = any::<u8>().prop_filter("a known type", move |number| !known(number));
    let advertisement = (any::<u8>(), any::<u8>(), any::<u16>(), any::<u32>(), any::<u32>(), options()).prop_map(
        |(hop_limit, flags, router_lifetime, reachable_time, retransmission_timer, options)| RouterAdvertisement {
            hop_limit,
            flags,
            router_lifetime,
            reachable_time,
            retransmission_timer,
            options,
        },
    );
    let message = prop_oneof![
        (any::<u32>(), octets(60)).prop_map(|(unused, original)| DestinationUnreachable { unused, original }),
        (any::<u32>(), octets(60)).prop_map(|(mtu, original)| PacketTooBig { mtu, original }),
        (any::<u32>(), octets(60)).prop_map(|(unused, original)| TimeExceeded { unused, original }),
        (any::<u32>(), octets(60)).prop_map(|(pointer, original)| ParameterProblem { pointer, original }),
        echo().prop_map(EchoRequest),
        echo().prop_map(EchoReply),
        (any::<u32>(), options()).prop_map(|(reserved, options)| RouterSolicitation { reserved, options }),
        advertisement,
        (any::<u32>(), any::<Ipv6Addr>(), options())
            .prop_map(|(reserved, target, options)| { NeighborSolicitation { reserved, target, options } }),
        (any::<u32>(), any::<Ipv6Addr>(), options())
            .prop_map(|(flags, target, options)| { NeighborAdvertisement { flags, target, options } }),
        (other, octets(40)).prop_map(|(icmp_type, data)| Other { icmp_type, data }),
    ];
    (any::<u8>(), message).prop_map(|(code, message)| icmpv6::Packet { code, ..message.into() })
}

fn ah() -> impl Strategy<Value = ah::Packet> {
    (any::<u8>(), any::<u16>(), any::<u32>(), any::<u32>(), words(4, 16), octets(60)).prop_map(
        |(next_header, reserved, spi, sequence, icv, payload)| ah::Packet {
            next_header: Protocol(next_header),
            payload_len: Derived::Computed,
            reserved,
            spi,
            sequence,
            icv,
            payload,
        },
    )
}

/// Changes some octets; a reader takes the outcome or refuses it, and what it takes is written as it was.
fn damage(bytes: &mut [u8], changes: &[(Index, u8)]) {
    for (at, octet) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *octet;
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    vec((any::<Index>(), prop_oneof![any::<u8>(), 0..8u8, Just(0xFF)]), 0..5)
}

proptest! {
    #[test]
    fn ipv4_survives(packet in ipv4()) {
        let bytes = packet.to_bytes();
        prop_assert_eq!(&ipv4::Packet::parse(&bytes).unwrap(), &packet);
        prop_assert!(packet.is_intact());
        let (header, rest) = theirs::Ipv4Header::from_slice(&bytes).unwrap();
        // Theirs forgets the reserved flag.
        prop_assert!(packet.reserved_flag || header.calc_header_checksum() == header.header_checksum);
        prop_assert_eq!(header.dscp.value(), packet.dscp);
        prop_assert_eq!(header.ecn.value(), packet.ecn.bits());
        prop_assert_eq!(usize::from(header.total_len), bytes.len());
        prop_assert_eq!(header.identification, packet.identification);
        prop_assert_eq!(header.dont_fragment, packet.dont_fragment);
        prop_assert_eq!(header.more_fragments, packet.more_fragments);
        prop_assert_eq!(header.fragment_offset.value(), packet.fragment_offset);
        prop_assert_eq!(header.is_fragmenting_payload(), packet.is_fragment());
        prop_assert_eq!(header.time_to_live, packet.ttl);
        prop_assert_eq!(header.protocol.0, packet.protocol.0);
        prop_assert_eq!((header.source, header.destination), (packet.source.octets(), packet.destination.octets()));
        prop_assert_eq!(header.options.as_slice(), &packet.options[..]);
        prop_assert_eq!(rest, &packet.payload[..]);
    }

    #[test]
    fn ipv6_survives(packet in ipv6()) {
        let bytes = packet.to_bytes();
        prop_assert_eq!(&ipv6::Packet::parse(&bytes).unwrap(), &packet);
        let (header, mut rest) = theirs::Ipv6Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(header.traffic_class, packet.dscp << 2 | packet.ecn.bits());
        prop_assert_eq!(header.flow_label.value(), packet.flow_label);
        prop_assert_eq!(usize::from(header.payload_length), bytes.len() - 40);
        prop_assert_eq!(header.hop_limit, packet.hop_limit);
        prop_assert_eq!((header.source, header.destination), (packet.source.octets(), packet.destination.octets()));
        let mut next = header.next_header;
        for extension in &packet.extensions {
            prop_assert_eq!(next.0, extension.body.protocol().0);
            (next, rest) = theirs::Ipv6Header::skip_header_extension_in_slice(rest, next).unwrap();
        }
        prop_assert_eq!((next.0, rest), (packet.protocol.0, &packet.payload[..]));
    }

    #[test]
    fn damaged_ip_is_read(packet in prop_oneof![
        ipv4().prop_map(ip::Packet::from),
        ipv6().prop_map(ip::Packet::from),
    ], changes in changes(), cut in option::of(any::<Index>())) {
        let mut bytes = packet.to_bytes();
        damage(&mut bytes, &changes);
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        if let Ok((packet, rest)) = ip::Packet::parse_prefix(&bytes) {
            prop_assert_eq!([&packet.to_bytes(), rest].concat(), &bytes[..]);
            prop_assert_eq!(ip::Packet::parse(&bytes).is_ok(), rest.is_empty());
        }
        if let Ok(quoted) = ip::Packet::parse_quoted(&bytes) {
            prop_assert!(bytes.starts_with(&quoted.to_bytes()));
        }
    }

    #[test]
    fn any_octets_are_read(bytes: Vec<u8>, source: Ipv6Addr, destination: Ipv6Addr) {
        for version in [0x45, 0x60] {
            let bytes = [&[version], &bytes[..]].concat();
            if let Ok((packet, rest)) = ip::Packet::parse_prefix(&bytes) {
                prop_assert_eq!([&packet.to_bytes(), rest].concat(), bytes);
            }
        }
        let (from, to) = (source.into(), destination.into());
        if let Ok(datagram) = udp::Datagram::parse(&bytes, from, to) {
            prop_assert_eq!(datagram.to_bytes(from, to), &bytes[..]);
        }
        if let Ok(icmp) = icmpv4::Packet::parse(&bytes) {
            prop_assert_eq!(icmp.to_bytes(), &bytes[..]);
        }
        if let Ok(icmp) = icmpv6::Packet::parse(&bytes, source, destination) {
            prop_assert_eq!(icmp.to_bytes(source, destination), &bytes[..]);
        }
        if let Ok(packet) = ah::Packet::parse(&bytes) {
            prop_assert_eq!(packet.to_bytes(), &bytes[..]);
        }
        if let Ok(packet) = esp::Packet::parse(&bytes) {
            prop_assert_eq!(packet.to_bytes(), &bytes[..]);
        }
        if let Ok((packet, rest)) = arp::Packet::parse_prefix(&bytes) {
            prop_assert_eq!([&packet.to_bytes(), rest].concat(), &bytes[..]);
        }
        if let Ok(frame) = Frame::parse(&bytes) {
            prop_assert_eq!(frame.to_bytes(), bytes);
        }
    }

    #[test]
    fn udp_survives(datagram in datagram(), v4: (Ipv4Addr, Ipv4Addr), v6: (Ipv6Addr, Ipv6Addr)) {
        for (source, destination) in [(v4.0.into(), v4.1.into()), (v6.0.into(), v6.1.into())] {
            let bytes = datagram.to_bytes(source, destination);
            prop_assert_eq!(&udp::Datagram::parse(&bytes, source, destination).unwrap(), &datagram);
            let is_computed = datagram.checksum == Derived::Computed;
            prop_assert_eq!(datagram.is_intact(source, destination), is_computed || source.is_ipv4());
        }
        if datagram.checksum == Derived::Computed {
            let bytes = datagram.to_bytes(v4.0.into(), v4.1.into());
            let (header, rest) = theirs::UdpHeader::from_slice(&bytes).unwrap();
            prop_assert_eq!((header.source_port, header.destination_port), (datagram.source_port, datagram.destination_port));
            prop_assert_eq!(usize::from(header.length), bytes.len());
            prop_assert_eq!(header.calc_checksum_ipv4_raw(v4.0.octets(), v4.1.octets(), rest), Ok(header.checksum));
            let bytes = datagram.to_bytes(v6.0.into(), v6.1.into());
            let (header, rest) = theirs::UdpHeader::from_slice(&bytes).unwrap();
            prop_assert_eq!(header.calc_checksum_ipv6_raw(v6.0.octets(), v6.1.octets(), rest), Ok(header.checksum));
        }
    }

    #[test]
    fn a_flipped_bit_shows_in_the_udp_checksum(
        datagram in datagram(),
        (source, destination) in any::<(Ipv4Addr, Ipv4Addr)>(),
        at: Index,
        bit in 0..8u8,
    ) {
        let mut bytes = datagram.to_bytes(source.into(), destination.into());
        let at = at.index(bytes.len());
        prop_assume!(datagram.checksum == Derived::Computed && !(4..8).contains(&at));
        bytes[at] ^= 1 << bit;
        let damaged = udp::Datagram::parse(&bytes, source.into(), destination.into()).unwrap();
        prop_assert!(!damaged.is_intact(source.into(), destination.into()));
        prop_assert_eq!(damaged.to_bytes(source.into(), destination.into()), bytes);
    }

    #[test]
    fn icmpv4_survives(packet in icmpv4(), changes in changes()) {
        let mut bytes = packet.to_bytes();
        prop_assert_eq!(&icmpv4::Packet::parse(&bytes).unwrap(), &packet);
        if let Ok(slice) = theirs::Icmpv4Slice::from_slice(&bytes) {
            prop_assert_eq!((slice.type_u8(), slice.code_u8()), (packet.message.icmp_type(), packet.code));
            // The checksum of theirs covers what they read of the header; where it drops nothing, ours agrees.
            let icmp_type = slice.icmp_type();
            let header = theirs::Icmpv4Header::with_checksum(icmp_type, slice.payload());
            if header.to_bytes()[4..] == bytes[4..header.header_len()] {
                prop_assert_eq!(header.checksum, slice.checksum());
            }
        }
        damage(&mut bytes, &changes);
        if let Ok(icmp) = icmpv4::Packet::parse(&bytes) {
            prop_assert_eq!(icmp.to_bytes(), bytes);
        }
    }

    #[test]
    fn icmpv6_survives(
        packet in icmpv6(),
        (source, destination) in any::<(Ipv6Addr, Ipv6Addr)>(),
        changes in changes(),
    ) {
        let mut bytes = packet.to_bytes(source, destination);
        prop_assert_eq!(&icmpv6::Packet::parse(&bytes, source, destination).unwrap(), &packet);
        if let Ok(slice) = theirs::Icmpv6Slice::from_slice(&bytes) {
            prop_assert_eq!((slice.type_u8(), slice.code_u8()), (packet.message.icmp_type(), packet.code));
            prop_assert!(slice.is_checksum_valid(source.octets(), destination.octets()));
        }
        damage(&mut bytes, &changes);
        if let Ok(icmp) = icmpv6::Packet::parse(&bytes, source, destination) {
            prop_assert_eq!(icmp.to_bytes(source, destination), bytes);
        }
    }

    #[test]
    fn ah_survives(packet in ah(), changes in changes()) {
        let mut bytes = packet.to_bytes();
        prop_assert_eq!(&ah::Packet::parse(&bytes).unwrap(), &packet);
        let (header, rest) = theirs::IpAuthHeader::from_slice(&bytes).unwrap();
        prop_assert_eq!((header.next_header.0, header.spi), (packet.next_header.0, packet.spi));
        prop_assert_eq!((header.sequence_number, header.raw_icv()), (packet.sequence, &packet.icv[..]));
        prop_assert_eq!(rest, &packet.payload[..]);
        damage(&mut bytes, &changes);
        if let Ok(packet) = ah::Packet::parse(&bytes) {
            prop_assert_eq!(packet.to_bytes(), bytes);
        }
    }

    #[test]
    fn frames_and_arp_survive(macs: [[u8; 6]; 2], ips: [Ipv4Addr; 2], ether_type: u16, payload in octets(60)) {
        let [source, destination] = macs.map(Address);
        let frame = Frame { destination, source, ether_type: EtherType(ether_type), payload };
        let bytes = frame.to_bytes();
        let (header, rest) = theirs::Ethernet2Header::from_slice(&bytes).unwrap();
        prop_assert_eq!((header.source, header.destination), (source.0, destination.0));
        prop_assert_eq!((header.ether_type.0, rest), (ether_type, &frame.payload[..]));
        prop_assert_eq!(Frame::parse(&bytes), Ok(frame));

        let request = arp::Packet::request(source, ips[0], ips[1]);
        for packet in [request, request.reply(destination)] {
            let bytes = packet.to_bytes();
            prop_assert_eq!(arp::Packet::parse_prefix(&bytes), Ok((packet, &[][..])));
            let arp = theirs::ArpPacket::from_slice(&bytes).unwrap().try_eth_ipv4().unwrap();
            prop_assert_eq!(arp.operation.0, packet.operation.0);
            prop_assert_eq!((arp.sender_mac, arp.sender_ipv4), (packet.sender_mac.0, packet.sender_ip.octets()));
            prop_assert_eq!((arp.target_mac, arp.target_ipv4), (packet.target_mac.0, packet.target_ip.octets()));
        }
    }

    /// Whatever the derived fields say, a packet is written, and nothing but them changes.
    #[test]
    fn ip_headers_can_be_overridden(packet in ipv4(), six in ipv6(), octet: u8, word: u16) {
        let honest = packet.to_bytes();
        let edited = ipv4::Packet {
            version: Derived::Exactly(octet & 0xF),
            ihl: Derived::Exactly(octet >> 4),
            total_length: Derived::Exactly(word),
            checksum: Derived::Exactly(!word),
            ..packet
        }
        .to_bytes();
        prop_assert_eq!(edited[0], octet.rotate_left(4));
        prop_assert_eq!(&edited[2..4], word.to_be_bytes());
        prop_assert_eq!(&edited[10..12], (!word).to_be_bytes());
        prop_assert_eq!((edited[1], &edited[4..10], &edited[12..]), (honest[1], &honest[4..10], &honest[12..]));

        let honest = six.to_bytes();
        let edited = ipv6::Packet {
            version: Derived::Exactly(octet & 0xF),
            payload_length: Derived::Exactly(word),
            next_header: Derived::Exactly(Protocol(!octet)),
            ..six
        }
        .to_bytes();
        prop_assert_eq!(edited[0], octet << 4 | honest[0] & 0xF);
        prop_assert_eq!((&edited[4..6], edited[6]), (&word.to_be_bytes()[..], !octet));
        prop_assert_eq!((&edited[1..4], &edited[7..]), (&honest[1..4], &honest[7..]));
    }
}
