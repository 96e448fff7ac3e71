//! The rules of AH, one by one: what enters the ICV is written out here as the text has it (RFC 4302 sections 2, 3.3 and
//! appendix A).

use std::net::IpAddr;

use crypto::{Encryption, Integrity, IntegrityKey};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::drops::DropReason;
use super::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use super::header::{Header, repair_checksum, repair_length, set_hop_limit, set_traffic_class};
use super::inbound::{InboundSa, Received};
use super::keys::AhKeys;
use super::outbound::{OutboundSa, ProtectError, Protection};
use super::sa::{Protocol, SaParameters};
use super::sad::Sad;
use super::selector::Selectors;
use super::sequence::Numbering;
use super::tests::{NOW, datagram, pair, parameters};
use crate::config::Mode;
use crate::hands::Honest;

const SHA1: Integrity = Integrity::HmacSha1_96;
const SHA256: Integrity = Integrity::HmacSha256_128;
const SPI: u32 = 0x0102_0304;
const TUNNEL_V6: [&str; 2] = ["2001:db8::1", "2001:db8::2"];

fn ah(integrity: Integrity, mode: Mode) -> SaParameters {
    SaParameters { protocol: Protocol::Ah, mode, ..parameters((Encryption::Null, integrity), 3) }
}

fn over_v6(parameters: SaParameters) -> SaParameters {
    let [source, destination] = TUNNEL_V6.map(|text| text.parse::<IpAddr>().unwrap());
    SaParameters { source, destination, ..parameters }
}

fn keys(integrity: Integrity, mode: Mode) -> AhKeys {
    AhKeys::new(ah(integrity, mode)).unwrap().unwrap()
}

fn seal(integrity: Integrity, packet: &[u8]) -> Vec<u8> {
    let keys = keys(integrity, Mode::Transport);
    keys.seal(&keys.draft(0x0506_0708), packet).unwrap()
}

fn icv(parameters: &SaParameters, octets: &[&[u8]]) -> Vec<u8> {
    let mut icv = vec![0; parameters.integrity.icv_len()];
    IntegrityKey::new(parameters.integrity, &parameters.integrity_key).unwrap().sign(octets, &mut icv);
    icv
}

fn send(sa: &mut OutboundSa, packet: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(sa.usage().packets);
    sa.protect(NOW, packet, Protection::default(), &mut rng, &mut Honest).unwrap().unwrap()
}

fn receive(sad: &mut Sad, packet: &[u8]) -> Result<Received, DropReason> {
    sad.receive(NOW, packet, 4500).map(Option::unwrap).map_err(|dropped| dropped.reason)
}

/// An IPv4 packet of protocol 253 with these options, its checksum right.
fn with_options(options: &[u8], data: &[u8]) -> Vec<u8> {
    let words = 5 + options.len() as u8 / 4;
    let mut packet = vec![0x40 | words, 0xb9, 0, 0, 0xab, 0xcd, 0x40, 0, 63, 253, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
    packet.extend_from_slice(options);
    packet.extend_from_slice(data);
    repair_length(&mut packet).unwrap();
    packet
}

/// An IPv6 packet with these extension headers, each with its number.
fn with_extensions(extensions: &[(u8, &[u8])], data: &[u8]) -> Vec<u8> {
    let first = extensions.first().map_or(253, |(kind, _)| *kind);
    let mut packet = vec![0x6b, 0x9a, 0xbc, 0xde, 0, 0, first, 63];
    packet.extend_from_slice(&[0x20; 16]);
    packet.extend_from_slice(&[0x30; 16]);
    for (at, (_, octets)) in extensions.iter().enumerate() {
        packet.push(extensions.get(at + 1).map_or(253, |(kind, _)| *kind));
        packet.extend_from_slice(octets);
    }
    packet.extend_from_slice(data);
    repair_length(&mut packet).unwrap();
    packet
}

/// The AH of SHA-1 as it enters the ICV: next header, length, reserved, SPI, sequence number, zeros.
fn zeroed(next_header: u8) -> [u8; 24] {
    let mut ah = [0; 24];
    ah[..12].copy_from_slice(&[next_header, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    ah
}

mod ipv4 {
    use super::*;

    /// Section 3.3.3.1.1.1: DSCP, ECN, flags, fragment offset, TTL and header checksum are zero; the rest counts.
    #[test]
    fn base_header() {
        let sealed = seal(SHA1, &with_options(&[], b"12345678"));
        let header = [0x45, 0, 0, 52, 0xab, 0xcd, 0, 0, 0, 51, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
        assert_eq!(sealed[20..32], [253, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(sealed[32..44], icv(&ah(SHA1, Mode::Transport), &[&header, &zeroed(253), b"12345678"]));
        assert_eq!(sealed[44..], *b"12345678");
        assert_eq!((sealed[1], sealed[6], sealed[8], sealed[9]), (0xb9, 0x40, 63, 51));
    }

    /// Appendix A1: each option whole, as it stands or as zeros.
    #[test]
    fn options() {
        let same = |option: &[u8]| option.to_vec();
        let zero = |option: &[u8]| vec![0; option.len()];
        type Enters = fn(&[u8]) -> Vec<u8>;
        let cases: [(&str, Vec<u8>, Enters); 20] = [
            ("end of list, and what follows", vec![0, 0, 0, 0], same),
            ("no operation", vec![1, 1, 1, 1], same),
            ("security", vec![130, 4, 9, 9], same),
            ("extended security", vec![133, 4, 9, 9], same),
            ("commercial security", vec![134, 4, 9, 9], same),
            ("router alert", vec![148, 4, 0, 0], same),
            ("sender directed multi-destination delivery", vec![149, 8, 1, 1, 1, 1, 1, 1], same),
            ("time stamp", vec![68, 8, 5, 0, 1, 2, 3, 4], zero),
            ("record route", vec![7, 7, 4, 1, 2, 3, 4, 0], zero),
            ("traceroute", vec![82, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], zero),
            ("stream id", vec![136, 4, 1, 2], zero),
            ("mtu probe", vec![11, 4, 5, 220], zero),
            ("mtu reply", vec![12, 4, 5, 220], zero),
            ("extended internet protocol", vec![145, 4, 1, 2], zero),
            ("experimental measurement", vec![10, 4, 1, 2], zero),
            ("experimental flow control", vec![205, 4, 1, 2], zero),
            ("experimental access control", vec![142, 4, 1, 2], zero),
            ("imi traffic descriptor", vec![144, 4, 1, 2], zero),
            ("address extension", vec![147, 4, 1, 2], zero),
            ("unknown", vec![94, 4, 1, 2], zero),
        ];
        for (name, option, enters) in cases {
            // A router alert after it: the walk goes on at the right place.
            let ends = option[0] == 0;
            let tail: &[u8] = if ends { &[] } else { &[148, 4, 0, 7] };
            let sealed = seal(SHA1, &with_options(&[&option[..], tail].concat(), b"1234"));
            let first = 0x45 + (option.len() + tail.len()) as u8 / 4;
            let total = (sealed.len() as u16).to_be_bytes();
            let fixed = [first, 0, total[0], total[1], 0xab, 0xcd, 0, 0, 0, 51, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
            let at = 20 + option.len() + tail.len() + 12;
            let expected = icv(&ah(SHA1, Mode::Transport), &[&fixed, &enters(&option), tail, &zeroed(253), b"1234"]);
            assert_eq!(sealed[at..at + 12], expected, "{name}");
        }
    }

    /// Section 3.3.3.1.1.1: with a source route the destination is that on arrival; appendix A1: the option is zero.
    #[test]
    fn source_routes() {
        for kind in [131, 137] {
            let route = [kind, 11, 4, 192, 0, 2, 7, 192, 0, 2, 8, 0];
            let sealed = seal(SHA1, &with_options(&route, b"1234"));
            let header = [0x48, 0, 0, 60, 0xab, 0xcd, 0, 0, 0, 51, 0, 0, 10, 1, 0, 1, 192, 0, 2, 8];
            let expected = icv(&ah(SHA1, Mode::Transport), &[&header, &[0; 12], &zeroed(253), b"1234"]);
            assert_eq!(sealed[44..56], expected);
            // The two routers on the way put their addresses in and move the pointer.
            let mut arrived = sealed.clone();
            arrived[16..20].copy_from_slice(&[192, 0, 2, 8]);
            arrived[20..32].copy_from_slice(&[kind, 11, 12, 10, 2, 0, 1, 192, 0, 2, 7, 0]);
            set_hop_limit(&mut arrived, 61);
            assert!(keys(SHA1, Mode::Transport).open(&arrived).is_ok());
            arrived[19] = 9;
            repair_checksum(&mut arrived);
            assert_eq!(keys(SHA1, Mode::Transport).open(&arrived), Err(DropReason::BadIcv));
        }
    }

    #[test]
    fn malformed_options_are_named() {
        let mut sad = pair(ah(SHA1, Mode::Transport)).1;
        let keys = keys(SHA1, Mode::Transport);
        for options in [[7, 0, 0, 0], [7, 1, 0, 0], [7, 5, 0, 0], [1, 1, 1, 7], [1, 1, 7, 255]] {
            assert!(matches!(keys.seal(&keys.draft(1), &with_options(&options, b"")), Err(ProtectError::Inner(_))));
            let mut packet = with_options(&options, &[17, 4, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1]);
            packet.extend_from_slice(&[0; 20]);
            packet[9] = 51;
            repair_length(&mut packet).unwrap();
            assert_eq!(receive(&mut sad, &packet), Err(DropReason::OuterOptions), "{options:?}");
        }
        assert_eq!(sad.inbound(SPI).unwrap().drops().of(DropReason::OuterOptions), 5);
    }
}

mod ipv6 {
    use super::*;

    /// The header as it enters the ICV: traffic class, flow label and hop limit are zero.
    fn masked(len: u8, first: u8, destination: u8) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0, 0, len, first, 0];
        header.extend_from_slice(&[0x20; 16]);
        header.extend_from_slice(&[destination; 16]);
        header
    }

    fn expect(packet: &[u8], ah_at: usize, parts: &[&[u8]]) {
        let sealed = seal(SHA1, packet);
        assert_eq!(sealed[ah_at + 12..ah_at + 24], icv(&ah(SHA1, Mode::Transport), parts));
        assert!(keys(SHA1, Mode::Transport).open(&sealed).is_ok());
        assert_eq!(pair(ah(SHA1, Mode::Transport)).1.receive(NOW, &sealed, 4500).unwrap().unwrap().packet, packet);
    }

    /// Section 3.3.3.1.2.1.
    #[test]
    fn base_header() {
        expect(&with_extensions(&[], b"1234"), 40, &[&masked(28, 51, 0x30), &zeroed(253), b"1234"]);
    }

    /// Section 3.3.3.1.2.2: type and length of every option, and the data where the third bit says that they don't
    /// change.
    #[test]
    fn options() {
        // Changing (0x20), 2 octets; Pad1; not changing (0x1e), 1 octet; PadN, 1 octet; changing (0xe2), none.
        let options = [1, 0x3e, 2, 7, 7, 0, 0x1e, 1, 7, 1, 1, 0, 0xe2, 0, 0];
        let zeroed_options = [1, 0x3e, 2, 0, 0, 0, 0x1e, 1, 7, 1, 1, 0, 0xe2, 0, 0];
        for kind in [0, 60] {
            // Destination options stand before AH only if something is behind them that must.
            let route = [0, 0, 0, 0, 0, 0, 0];
            let packet = with_extensions(&[(kind, &options), (43, &route)], b"1234");
            let parts: [&[u8]; 7] =
                [&masked(52, kind, 0x30), &[43], &zeroed_options, &[51], &route, &zeroed(253), b"1234"];
            expect(&packet, 64, &parts);
            let mut arrived = seal(SHA1, &packet);
            arrived[44] = 99;
            assert!(keys(SHA1, Mode::Transport).open(&arrived).is_ok(), "may change");
            arrived[49] = 99;
            assert_eq!(keys(SHA1, Mode::Transport).open(&arrived), Err(DropReason::BadIcv), "may not change");
        }
    }

    /// Section 3.1.1: destination options with nothing behind them stay behind AH, which covers them as they are.
    #[test]
    fn destination_options_behind() {
        let options = [0, 0x3e, 2, 7, 7, 1, 0];
        let packet = with_extensions(&[(60, &options)], b"1234");
        expect(&packet, 40, &[&masked(36, 51, 0x30), &zeroed(60), &[253], &options, b"1234"]);
    }

    /// Appendix A2: a routing header of type 0 as it will arrive.
    #[test]
    fn routing_header_of_type_0() {
        for (left, destination, order) in
            [(0, 0x30, [1, 2, 3]), (1, 3, [1, 2, 0x30]), (2, 3, [1, 0x30, 2]), (3, 3, [0x30, 1, 2])]
        {
            let route = |left, order: [u8; 3]| {
                let mut route = vec![6, 0, left, 0, 0, 0, 0];
                order.iter().for_each(|hop| route.extend_from_slice(&[*hop; 16]));
                route
            };
            let sealed = seal(SHA1, &with_extensions(&[(43, &route(left, [1, 2, 3]))], b"1234"));
            let parts: [&[u8]; 5] = [&masked(84, 43, destination), &[51], &route(0, order), &zeroed(253), b"1234"];
            assert_eq!(sealed[108..120], icv(&ah(SHA1, Mode::Transport), &parts), "{left} left");
            // On arrival.
            let mut arrived = sealed.clone();
            arrived[24..40].fill(destination);
            arrived[41..96].copy_from_slice(&route(0, order));
            assert!(keys(SHA1, Mode::Transport).open(&arrived).is_ok());
        }
        // More hops left than there are, and half an address: no one knows what arrives.
        let keys = keys(SHA1, Mode::Transport);
        for route in [
            [[2, 0, 2, 0, 0, 0, 0].as_slice(), &[1; 16]].concat(),
            [[1, 0, 1, 0, 0, 0, 0].as_slice(), &[1; 8]].concat(),
        ] {
            let packet = with_extensions(&[(43, &route)], b"1234");
            assert!(matches!(keys.seal(&keys.draft(1), &packet), Err(ProtectError::Inner(_))));
        }
    }

    /// Appendix A2: a Fragment header that is none of a fragment is removed before it is signed, and passed over where
    /// reassembly has left it.
    #[test]
    fn a_fragment_header_without_a_fragment() {
        let fragment = [0, 0, 0, 1, 2, 3, 4];
        let hop = [0, 1, 4, 0, 0, 0, 0];
        let bare = with_extensions(&[(0, &hop)], b"1234");
        let sealed = seal(SHA1, &with_extensions(&[(0, &hop), (44, &fragment)], b"1234"));
        assert_eq!(sealed, seal(SHA1, &bare));
        let mut left = sealed.clone();
        left[40] = 44;
        left.splice(48..48, [&[51], &fragment[..]].concat());
        repair_length(&mut left).unwrap();
        let mut sad = pair(ah(SHA1, Mode::Transport)).1;
        assert_eq!(receive(&mut sad, &left).unwrap().header.protocol, 253);
        assert!(keys(SHA1, Mode::Transport).open(&left).is_ok());
        left[51] |= 1;
        assert_eq!(receive(&mut sad, &left), Err(DropReason::Fragment));
    }
}

mod header {
    use super::*;

    /// Sections 2.2, 2.6 and 3.3.3.2.1: the length in words less 2; over IPv6 the header is a multiple of 8 octets.
    #[test]
    fn length_and_padding() {
        let expected = |integrity: Integrity| match integrity.icv_len() {
            12 => [(24, 4), (24, 4)],
            16 => [(28, 5), (32, 6)],
            24 => [(36, 7), (40, 8)],
            _ => [(44, 9), (48, 10)],
        };
        for integrity in Integrity::ALL.into_iter().skip(1) {
            for (v6, (octets, payload_len)) in [false, true].into_iter().zip(expected(integrity)) {
                let sa = ah(integrity, Mode::Tunnel);
                let (sa, outer) = if v6 { (over_v6(sa), 40) } else { (sa, 20) };
                let (mut outbound, mut sad) = pair(sa);
                let sent = send(&mut outbound, &datagram(b"1234"));
                assert_eq!((sent[outer], sent[outer + 1], sent.len()), (4, payload_len, outer + octets + 32));
                assert_eq!(outbound.overhead(32), outer + octets);
                assert!(sent[outer + 12 + integrity.icv_len()..outer + octets].iter().all(|octet| *octet == 0));
                receive(&mut sad, &sent).unwrap();
            }
        }
    }

    /// Section 3.3.3.2.1: the padding's content is the sender's choice, and the ICV covers it.
    #[test]
    fn padding_of_any_content() {
        let sa = over_v6(ah(SHA256, Mode::Tunnel));
        let keys = AhKeys::new(sa.clone()).unwrap().unwrap();
        let mut draft = keys.draft(1);
        draft.padding = Some(vec![0xde, 0xad, 0xbe, 0xef]);
        let sealed = keys.seal(&draft, &datagram(b"1234")).unwrap();
        assert!(receive(&mut pair(sa.clone()).1, &sealed).is_ok());
        let mut changed = sealed.clone();
        changed[40 + 28] ^= 1;
        assert_eq!(receive(&mut pair(sa).1, &changed), Err(DropReason::BadIcv));
    }

    /// Section 3.3.3.2.2: the high half comes after the payload and is not sent.
    #[test]
    fn extended_sequence_number() {
        let sa = SaParameters { numbering: Numbering::Extended, ..ah(SHA1, Mode::Transport) };
        let keys = AhKeys::new(sa.clone()).unwrap().unwrap();
        let sealed = keys.seal(&keys.draft(0x0a0b_0c0d_0506_0708), &with_options(&[], b"12345")).unwrap();
        let header = [0x45, 0, 0, 49, 0xab, 0xcd, 0, 0, 0, 51, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
        let parts: [&[u8]; 4] = [&header, &zeroed(253), b"12345", &[0x0a, 0x0b, 0x0c, 0x0d]];
        assert_eq!(sealed[32..44], icv(&sa, &parts));
        assert_eq!(sealed[44..], *b"12345");
    }

    /// Appendix B3: after the loss of 2^32 packets the high half is looked for.
    #[test]
    fn extended_numbers_are_found_again_after_a_great_loss() {
        let sa = SaParameters { numbering: Numbering::Extended, ..ah(SHA1, Mode::Tunnel) };
        let (mut outbound, mut sad) = pair(sa);
        receive(&mut sad, &send(&mut outbound, &datagram(&[]))).unwrap();
        outbound.counter_mut().preset(0, (2 << 32) + 100);
        let results: Vec<_> = (0..18).map(|_| receive(&mut sad, &send(&mut outbound, &datagram(&[])))).collect();
        assert_eq!(results[15], Err(DropReason::BadIcv));
        assert_eq!(results[16].as_ref().unwrap().sequence, (2 << 32) + 117);
        assert!(results[17].is_ok());
    }
}

mod fragments {
    use super::*;

    /// Section 3.3.4: transport mode takes whole datagrams alone, tunnel mode takes fragments too.
    #[test]
    fn of_the_inner_packet() {
        let mut packet = datagram(&[7; 400]);
        packet[6] = 0;
        repair_checksum(&mut packet);
        for part in fragment(&packet, 200, Fragmentation::default()).unwrap() {
            let (mut tunnel, mut sad) = pair(ah(SHA1, Mode::Tunnel));
            assert_eq!(receive(&mut sad, &send(&mut tunnel, &part)).unwrap().packet, part);
            let mut transport = OutboundSa::new(ah(SHA1, Mode::Transport), NOW).unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let refused = transport.protect(NOW, &part, Protection::default(), &mut rng, &mut Honest);
            assert_eq!(refused, Err(ProtectError::Fragment));
            assert_eq!(transport.counter().last(), [0], "no number is used");
        }
    }

    /// Section 3.4.1: fragments are dropped, what was put together again is taken.
    #[test]
    fn of_the_protected_packet() {
        for sa in [ah(SHA1, Mode::Tunnel), over_v6(ah(SHA1, Mode::Tunnel))] {
            let (mut outbound, mut sad) = pair(sa);
            let mut sent = send(&mut outbound, &datagram(&[7; 400]));
            if sent[0] >> 4 == 4 {
                sent[6] = 0;
                repair_checksum(&mut sent);
            }
            let parts = fragment(&sent, 200, Fragmentation { identification: 7, ..Fragmentation::default() }).unwrap();
            assert!(parts.len() > 2);
            for part in &parts {
                assert_eq!(receive(&mut sad, part), Err(DropReason::Fragment));
            }
            assert_eq!(sad.drops().of(DropReason::Fragment), parts.len() as u64);
            let mut reassembler = Reassembler::default();
            let whole = parts.iter().rev().find_map(|part| match reassembler.push(NOW, part) {
                Reassembly::Whole(whole) => Some(whole),
                _ => None,
            });
            assert_eq!(receive(&mut sad, &whole.unwrap()).unwrap().packet, datagram(&[7; 400]));
        }
    }
}

/// Both protocols, both modes, all families; what may change on the way changes, and each other octet counts.
#[test]
fn every_family_in_every_mode() {
    let esp = parameters((Encryption::AesCbc(crypto::KeyBits::B128), SHA256), 3);
    let v6 = with_extensions(&[(0, &[0, 1, 4, 0, 0, 0, 0])], b"0123456789");
    let mut table = Vec::new();
    for mode in [Mode::Tunnel, Mode::Transport] {
        for sa in [ah(SHA256, mode), SaParameters { mode, ..esp.clone() }] {
            for inner in [datagram(b"0123456789"), v6.clone()] {
                let inner_v6 = inner[0] >> 4 == 6;
                for outer_v6 in [false, true] {
                    if mode == Mode::Tunnel || inner_v6 == outer_v6 {
                        let sa = if outer_v6 { over_v6(sa.clone()) } else { sa.clone() };
                        table.push((sa, inner.clone()));
                    }
                }
            }
        }
    }
    assert_eq!(table.len(), 12);
    for (sa, inner) in table {
        let what = format!("{:?} {:?} over {}: {:02x}", sa.protocol, sa.mode, sa.source, inner[0]);
        let covers_outside = sa.protocol == Protocol::Ah;
        let (mut outbound, sad) = pair(sa);
        let mut sent = send(&mut outbound, &inner);
        set_hop_limit(&mut sent, 3);
        // ECN as the inner packet has it, or a tunnel would bring a mark in or drop.
        let ecn = Header::parse(&sent).unwrap().ecn();
        set_traffic_class(&mut sent, 0x48 | ecn);
        let received = receive(&mut sad.clone(), &sent).unwrap_or_else(|reason| panic!("{what}: {reason}"));
        let mut expected = inner.clone();
        if outbound.parameters().mode == Mode::Transport {
            set_hop_limit(&mut expected, 3);
            set_traffic_class(&mut expected, 0x48 | ecn);
        }
        assert_eq!(received.packet, expected, "{what}");
        let from = if covers_outside { 12 } else { Header::parse(&sent).unwrap().upper };
        for at in from..sent.len() {
            let mut changed = sent.clone();
            changed[at] ^= 0x10;
            repair_checksum(&mut changed);
            let taken = sad.clone().receive(NOW, &changed, 4500);
            assert!(!matches!(taken, Ok(Some(_))), "{what}: octet {at}");
        }
    }
}

/// Section 3.4: AH over ESP, each checked for itself (`ah-sha-hmac esp-aes esp-sha-hmac`).
#[test]
fn a_bundle_of_ah_over_esp() {
    let esp = parameters((Encryption::AesCbc(crypto::KeyBits::B128), SHA1), 3);
    for v6 in [false, true] {
        let [esp, outer] = [esp.clone(), SaParameters { spi: SPI + 1, ..ah(SHA1, Mode::Transport) }]
            .map(|sa| if v6 { over_v6(sa) } else { sa });
        let (mut outbound_esp, mut sad) = pair(esp);
        let mut outbound_ah = OutboundSa::new(outer.clone(), NOW).unwrap();
        let inbound = SaParameters { selectors: Selectors::any(), ..outer };
        sad.insert_inbound(InboundSa::new(inbound, NOW).unwrap()).unwrap();
        for sequence in 1..=3 {
            let inner = datagram(b"octets");
            let sealed = send(&mut outbound_esp, &inner);
            let sent = send(&mut outbound_ah, &sealed);
            let at = if v6 { 40 } else { 20 };
            assert_eq!((sent[if v6 { 6 } else { 9 }], sent[at], sent[at + 24..].len()), (51, 50, sealed.len() - at));
            let first = receive(&mut sad, &sent).unwrap();
            assert_eq!((first.spi, first.sequence, &first.packet), (SPI + 1, sequence, &sealed));
            let second = receive(&mut sad, &first.packet).unwrap();
            assert_eq!((second.spi, second.sequence, second.packet), (SPI, sequence, inner));
            // The outer header counts now, which ESP leaves open.
            let mut moved = sent.clone();
            moved[if v6 { 23 } else { 15 }] ^= 1;
            repair_checksum(&mut moved);
            assert_eq!(receive(&mut sad, &moved), Err(DropReason::ReplayDuplicate));
            sad.remove_inbound(SPI + 1).unwrap();
            let again = SaParameters { selectors: Selectors::any(), ..outbound_ah.parameters().clone() };
            sad.insert_inbound(InboundSa::new(again, NOW).unwrap()).unwrap();
            assert_eq!(receive(&mut sad, &moved), Err(DropReason::BadIcv));
        }
    }
}
