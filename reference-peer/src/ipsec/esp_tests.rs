//! The rules of ESP, tunnel and transport mode, one by one.

use std::net::IpAddr;
use std::time::Duration;

use crypto::{Encryption, Integrity, KeyBits};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use wire::ip::{Ecn, Protocol as IpProtocol};
use wire::{Derived, ipv4, ipv6, udp};

use super::drops::DropReason;
use super::header::Header;
use super::inbound::{InboundSa, Incoming, Received};
use super::outbound::{OutboundSa, ProtectError, Protection};
use super::replay::Verdict;
use super::sa::{Age, DfBit, Dscp, Limit, OriginalAddresses, SaError, SaLifetime, SaParameters, UdpPorts};
use super::sad::Sad;
use super::selector::{PortRange, Selectors, TrafficSelector};
use super::sequence::{Numbering, SequenceExhausted};
use super::tests::{NOW, datagram, pair, parameters, transforms};
use crate::Instant;
use crate::config::Mode;
use crate::deviation::DeviationSet;
use crate::hands::{Disposition, EspContext, EspDraft, Hands, Honest};

const SPI: u32 = 0x0102_0304;
const GCM: (Encryption, Integrity) = (Encryption::AesGcm16(KeyBits::B128), Integrity::None);
const CBC: (Encryption, Integrity) = (Encryption::AesCbc(KeyBits::B128), Integrity::HmacSha1_96);

/// A hand that edits every ESP draft.
struct Edit<F>(F);

impl<F: FnMut(&mut EspDraft) + Send> Hands for Edit<F> {
    fn esp(&mut self, _: &EspContext, draft: &mut EspDraft) -> Disposition {
        (self.0)(draft);
        Disposition::Send
    }
}

fn send_by(sa: &mut OutboundSa, packet: &[u8], hands: &mut dyn Hands) -> Result<Option<Vec<u8>>, ProtectError> {
    let mut rng = ChaCha8Rng::seed_from_u64(sa.usage().packets);
    sa.protect(NOW, packet, Protection::default(), &mut rng, hands)
}

fn send(sa: &mut OutboundSa, packet: &[u8]) -> Vec<u8> {
    send_by(sa, packet, &mut Honest).unwrap().unwrap()
}

fn receive(sad: &mut Sad, packet: &[u8]) -> Result<Received, DropReason> {
    sad.receive(NOW, packet, 4500).map(Option::unwrap).map_err(|dropped| dropped.reason)
}

fn numbered(sa: &mut OutboundSa, sequence: u64) -> Vec<u8> {
    let mut edit = Edit(|draft: &mut EspDraft| draft.sequence = sequence);
    send_by(sa, &datagram(&[]), &mut edit).unwrap().unwrap()
}

fn v4(packet: &[u8]) -> ipv4::Packet {
    ipv4::Packet::parse(packet).unwrap()
}

fn inner(change: impl FnOnce(&mut ipv4::Packet)) -> Vec<u8> {
    let mut packet = v4(&datagram(b"data"));
    change(&mut packet);
    packet.checksum = Derived::Computed;
    packet.to_bytes()
}

fn inner_v6(change: impl FnOnce(&mut ipv6::Packet)) -> Vec<u8> {
    let (source, destination) = ("2001:db8:1::1".parse().unwrap(), "2001:db8:2::1".parse().unwrap());
    let payload = udp::Datagram::new(1, 2, *b"data").to_bytes(IpAddr::V6(source), IpAddr::V6(destination));
    let mut packet = ipv6::Packet::new(source, destination, IpProtocol::UDP, payload);
    change(&mut packet);
    packet.to_bytes()
}

mod tunnel {
    use super::*;

    #[test]
    fn the_outer_header_is_our_own() {
        let (mut outbound, _) = pair(parameters(GCM, 1));
        let packet = inner(|packet| {
            packet.options = vec![148, 4, 0, 0];
            packet.ttl = 3;
        });
        let (first, second) = (v4(&send(&mut outbound, &packet)), v4(&send(&mut outbound, &packet)));
        assert!(first.is_intact() && first.options.is_empty());
        assert_eq!((first.source.octets(), first.destination.octets()), ([192, 0, 2, 1], [198, 51, 100, 1]));
        assert_eq!((first.ttl, first.protocol), (64, IpProtocol::ESP));
        assert_ne!(first.identification, 0);
        assert_ne!(first.identification, second.identification);
    }

    #[test]
    fn df_by_copy_set_and_clear() {
        for (df, of_clear, of_set, of_v6) in
            [(DfBit::Copy, false, true, true), (DfBit::Set, true, true, true), (DfBit::Clear, false, false, false)]
        {
            let (mut outbound, mut sad) = pair(SaParameters { df, ..parameters(GCM, 1) });
            for (packet, expected) in [
                (inner(|packet| packet.dont_fragment = false), of_clear),
                (inner(|packet| packet.dont_fragment = true), of_set),
                (inner_v6(|_| ()), of_v6),
            ] {
                let sent = send(&mut outbound, &packet);
                assert_eq!(v4(&sent).dont_fragment, expected, "{df:?}");
                assert_eq!(receive(&mut sad, &sent).unwrap().packet, packet, "the inner bit stays");
            }
        }
    }

    #[test]
    fn dscp_and_ecn_go_outside() {
        let packet = inner(|packet| (packet.dscp, packet.ecn) = (46, Ecn::Ect1));
        for (dscp, ecn, expected) in [
            (Dscp::Copy, super::super::sa::Ecn::Normal, (46, Ecn::Ect1)),
            (Dscp::Set(10), super::super::sa::Ecn::Rfc4301, (10, Ecn::Ect1)),
            (Dscp::Copy, super::super::sa::Ecn::Compatibility, (46, Ecn::NotEct)),
        ] {
            let (mut outbound, _) = pair(SaParameters { dscp, ecn, ..parameters(GCM, 1) });
            let outer = v4(&send(&mut outbound, &packet));
            assert_eq!((outer.dscp, outer.ecn), expected);
        }
    }

    #[test]
    fn a_congestion_mark_comes_inside_with_a_right_checksum() {
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        for (packet, expected) in [
            (inner(|packet| packet.ecn = Ecn::Ect0), Ok(3)),
            (inner_v6(|packet| packet.ecn = Ecn::Ect1), Ok(3)),
            (inner(|packet| packet.ecn = Ecn::NotEct), Err(DropReason::EcnCongestion)),
        ] {
            let mut sent = send(&mut outbound, &packet);
            // On the way the packet is marked and gets another class.
            super::super::header::set_traffic_class(&mut sent, 12 << 2 | 3);
            let received = receive(&mut sad, &sent).map(|received| Header::parse(&received.packet).unwrap());
            assert_eq!(received.map(|header| header.ecn()), expected);
            assert!(received.is_err() || received.is_ok_and(|header| header.dscp() == 0));
        }
    }

    #[test]
    fn over_ipv6_with_a_udp_checksum() {
        let mut parameters = parameters(GCM, 1);
        let (source, destination): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        (parameters.source, parameters.destination) = (source, destination);
        parameters.udp = Some(UdpPorts::new(4500, 31_337));
        let (mut outbound, mut sad) = pair(parameters);
        for packet in [datagram(b"data"), inner_v6(|_| ())] {
            let sent = send(&mut outbound, &packet);
            let outer = ipv6::Packet::parse(&sent).unwrap();
            let datagram = udp::Datagram::parse(&outer.payload, source, destination).unwrap();
            assert_eq!((datagram.checksum, datagram.destination_port), (Derived::Computed, 31_337));
            assert_eq!(sad.receive(NOW, &sent, 31_337).unwrap().unwrap().packet, packet);
        }
    }

    #[test]
    fn tfc_padding_is_cut_off() {
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        let (packet, mut rng) = (datagram(b"data"), ChaCha8Rng::seed_from_u64(1));
        let how = Protection { tfc_padding: 100, ..Protection::default() };
        let sent = outbound.protect(NOW, &packet, how, &mut rng, &mut Honest).unwrap().unwrap();
        assert_eq!(sent.len(), send(&mut outbound, &packet).len() + 100);
        assert_eq!(receive(&mut sad, &sent).unwrap().packet, packet);
    }

    #[test]
    fn malformed_inner_packets_are_dropped() {
        let broken: [fn(&mut EspDraft); 6] = [
            |draft| draft.payload[2] = 0xff,
            |draft| draft.payload[0] = 0x44,
            |draft| draft.payload[10] ^= 1,
            |draft| draft.next_header = 41,
            |draft| draft.payload.truncate(19),
            |draft| draft.payload.clear(),
        ];
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        for edit in broken {
            let sent = send_by(&mut outbound, &datagram(b"data"), &mut Edit(edit)).unwrap().unwrap();
            assert_eq!(receive(&mut sad, &sent), Err(DropReason::InnerMalformed));
        }
        let mut other = Edit(|draft: &mut EspDraft| draft.next_header = 17);
        let sent = send_by(&mut outbound, &datagram(b"data"), &mut other).unwrap().unwrap();
        assert_eq!(receive(&mut sad, &sent), Err(DropReason::NextHeader));
    }

    #[test]
    fn the_overhead_is_exact() {
        for transform in transforms() {
            let (mut outbound, _) = pair(SaParameters { udp: Some(UdpPorts::new(1, 2)), ..parameters(transform, 1) });
            for mtu in [576, 1437, 1500] {
                let longest = outbound.inner_mtu(mtu);
                let sent = send(&mut outbound, &datagram(&vec![0; longest - 28])).len();
                assert!(sent <= mtu && sent == longest + outbound.overhead(longest));
                assert!(send(&mut outbound, &datagram(&vec![0; longest - 27])).len() > mtu);
            }
        }
    }

    proptest! {
        #[test]
        fn padding_of_every_length_is_consumed(len in 0_usize..=255, which in any::<prop::sample::Index>()) {
            let transforms = transforms();
            let transform = transforms[which.index(transforms.len())];
            let (mut outbound, mut sad) = pair(parameters(transform, 1));
            let packet = datagram(b"data");
            let block = transform.0.block_len().max(4);
            let len = (0..block).map(|more| len + more).find(|len| (packet.len() + len + 2).is_multiple_of(block)).unwrap();
            prop_assume!(len <= 255);
            let mut edit = Edit(|draft: &mut EspDraft| draft.padding = Some((1..=255).take(len).collect()));
            let sent = send_by(&mut outbound, &packet, &mut edit).unwrap().unwrap();
            prop_assert_eq!(receive(&mut sad, &sent).unwrap().packet, packet);
        }
    }
}

mod transport {
    use super::*;

    fn transport() -> SaParameters {
        SaParameters { mode: Mode::Transport, ..parameters(CBC, 1) }
    }

    #[test]
    fn after_the_options_of_ipv4() {
        let (mut outbound, mut sad) = pair(transport());
        let packet = inner(|packet| packet.options = vec![148, 4, 0, 0]);
        let sent = v4(&send(&mut outbound, &packet));
        assert!(sent.is_intact());
        assert_eq!((sent.options.as_slice(), sent.protocol), ([148, 4, 0, 0].as_slice(), IpProtocol::ESP));
        assert_eq!(receive(&mut sad, &sent.to_bytes()).unwrap().packet, packet);
    }

    #[test]
    fn among_the_extension_headers_of_ipv6() {
        use wire::ipv6::ExtensionBody::{DestinationOptions, HopByHop, Routing};
        let (mut outbound, mut sad) = pair(transport());
        let padding = vec![1, 4, 0, 0, 0, 0];
        let routing = Routing { routing_type: 4, segments_left: 0, data: vec![0; 4] };
        let packet = inner_v6(|packet| {
            let bodies = [HopByHop(padding.clone()), routing.clone(), DestinationOptions(padding.clone())];
            packet.extensions = bodies.map(Into::into).to_vec();
        });
        let sent = ipv6::Packet::parse(&send(&mut outbound, &packet)).unwrap();
        let before: Vec<_> = sent.extensions.iter().map(|extension| extension.body.clone()).collect();
        assert_eq!(before, [HopByHop(padding), routing], "destination options go inside");
        assert_eq!(sent.protocol, IpProtocol::ESP);
        assert_eq!(receive(&mut sad, &sent.to_bytes()).unwrap().packet, packet);
    }

    #[test]
    fn fragments_are_refused() {
        let (mut outbound, _) = pair(transport());
        let fragment = inner(|packet| packet.more_fragments = true);
        assert_eq!(send_by(&mut outbound, &fragment, &mut Honest), Err(ProtectError::Fragment));
        assert_eq!(outbound.counter().last(), [0], "no number was used");
    }

    #[test]
    fn checksums_are_repaired_behind_a_nat() {
        for protocol in [IpProtocol::UDP, IpProtocol::TCP] {
            let (source, destination) = ([10, 1, 0, 1], [198, 51, 100, 1]);
            let mut parameters = transport();
            parameters.original_addresses =
                Some(OriginalAddresses { source: source.into(), destination: destination.into() });
            parameters.udp = Some(UdpPorts::new(4500, 4500));
            let (mut outbound, mut sad) = pair(parameters);
            let mut payload = udp::Datagram::new(7, 8, *b"some data").to_bytes(source.into(), destination.into());
            if protocol == IpProtocol::TCP {
                payload = vec![0; 24];
                payload[23] = 9;
                let sum = wire::checksum::Sum::new()
                    .pseudo_header(source.into(), destination.into(), protocol, payload.len())
                    .with(&payload)
                    .finish();
                payload[16..18].copy_from_slice(&sum.to_be_bytes());
            }
            let packet = ipv4::Packet::new(source.into(), destination.into(), protocol, payload).to_bytes();
            let mut sent = v4(&send(&mut outbound, &packet));
            sent.source = [203, 0, 113, 77].into();
            sent.checksum = Derived::Computed;
            let received = v4(&receive(&mut sad, &sent.to_bytes()).unwrap().packet);
            let sum = wire::checksum::Sum::new()
                .pseudo_header(received.source.into(), received.destination.into(), protocol, received.payload.len())
                .with(&received.payload);
            assert_eq!(sum.finish(), 0, "{protocol}");
        }
    }
}

mod sequence {
    use super::*;

    #[test]
    fn a_used_up_sa_sends_nothing_more() {
        let (mut outbound, _) = pair(parameters(GCM, 1));
        outbound.counter_mut().preset(0, u64::from(u32::MAX) - 1);
        assert_eq!(outbound.age(NOW), Age::Soft);
        assert_eq!(send(&mut outbound, &datagram(&[]))[24..28], [0xff; 4]);
        let refused = send_by(&mut outbound, &datagram(&[]), &mut Honest);
        assert_eq!(refused, Err(ProtectError::Sequence(SequenceExhausted)));
    }

    #[test]
    fn a_forged_packet_neither_moves_nor_marks_the_window() {
        for transform in [GCM, CBC] {
            let (mut outbound, mut sad) = pair(parameters(transform, 1));
            receive(&mut sad, &numbered(&mut outbound, 100)).unwrap();
            for forged in [1_000_100, 99] {
                let mut packet = numbered(&mut outbound, forged);
                *packet.last_mut().unwrap() ^= 1;
                assert_eq!(receive(&mut sad, &packet), Err(DropReason::BadIcv));
            }
            for genuine in [101, 99] {
                assert!(receive(&mut sad, &numbered(&mut outbound, genuine)).is_ok());
            }
        }
    }

    #[test]
    fn drops_are_counted_by_reason() {
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        let good = numbered(&mut outbound, 500);
        receive(&mut sad, &good).unwrap();
        for _ in 0..7 {
            assert_eq!(receive(&mut sad, &good), Err(DropReason::ReplayDuplicate));
        }
        assert_eq!(receive(&mut sad, &numbered(&mut outbound, 436)), Err(DropReason::ReplayTooOld));
        for _ in 0..5 {
            let mut bad = numbered(&mut outbound, 501);
            bad[40] ^= 1;
            assert_eq!(receive(&mut sad, &bad), Err(DropReason::BadIcv));
        }
        let sa = sad.inbound(SPI).unwrap();
        assert_eq!(sa.usage().packets, 1);
        let counted: Vec<_> = sa.drops().iter().collect();
        let expected = [(DropReason::ReplayDuplicate, 7), (DropReason::ReplayTooOld, 1), (DropReason::BadIcv, 5)];
        assert_eq!(counted, expected);
        assert_eq!(sa.drops().total(DropReason::is_replay), 8);
    }

    #[test]
    fn no_replay_check_without_integrity() {
        let (mut outbound, mut sad) = pair(parameters((CBC.0, Integrity::None), 1));
        let packet = send(&mut outbound, &datagram(&[]));
        for _ in 0..3 {
            assert!(receive(&mut sad, &packet).is_ok());
        }
    }

    #[test]
    fn extended_numbers_are_found_again_after_a_great_loss() {
        for transform in [GCM, CBC] {
            let (mut outbound, mut sad) =
                pair(SaParameters { numbering: Numbering::Extended, ..parameters(transform, 1) });
            receive(&mut sad, &send(&mut outbound, &datagram(&[]))).unwrap();
            outbound.counter_mut().preset(0, (2 << 32) + 100);
            let results: Vec<_> =
                (0..18).map(|_| receive(&mut sad, &send(&mut outbound, &datagram(&[]))).is_ok()).collect();
            assert_eq!(results, [[false; 16].as_slice(), &[true; 2]].concat());
            assert_eq!(sad.inbound(SPI).unwrap().replay().windows()[0].top(), (2 << 32) + 118);
        }
    }

    #[test]
    fn extended_numbers_roll_over() {
        for transform in transforms() {
            let (mut outbound, mut sad) =
                pair(SaParameters { numbering: Numbering::Extended, ..parameters(transform, 1) });
            let start = u64::from(u32::MAX) - 9;
            outbound.counter_mut().preset(0, start);
            sad.inbound_mut(SPI).unwrap().preset(start);
            let packets: Vec<_> = (0..20).map(|_| send(&mut outbound, &datagram(&[]))).collect();
            // All but one in order, the late one last.
            for packet in packets[..3].iter().chain(&packets[4..]).chain(&packets[3..4]) {
                assert!(receive(&mut sad, packet).is_ok());
            }
            assert_eq!(receive(&mut sad, &packets[3]), Err(DropReason::ReplayDuplicate));
        }
    }

    #[test]
    fn each_space_has_its_window() {
        let (mut outbound, mut sad) = pair(SaParameters { numbering: Numbering::Spaces, ..parameters(GCM, 1) });
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for _ in 1..=100 {
            for space in [0, 11] {
                let how = Protection { space, ..Protection::default() };
                packets.extend(outbound.protect(NOW, &datagram(&[]), how, &mut rng, &mut Honest).unwrap());
            }
        }
        // All of space 11 before all of space 0.
        packets.sort_by_key(|packet| std::cmp::Reverse(packet[24]));
        assert!(packets.iter().all(|packet| receive(&mut sad, packet).is_ok()));
        assert_eq!((outbound.counter().last()[0], outbound.counter().last()[11]), (100, 100));
        let check = sad.inbound(SPI).unwrap().replay();
        assert_eq!((check.check(11 << 28 | 36).1, check.check(12 << 28 | 1).1), (Verdict::TooOld, Verdict::New));
    }
}

mod trailer {
    use super::*;

    fn edited(
        transform: (Encryption, Integrity),
        edit: impl FnMut(&mut EspDraft) + Send,
    ) -> Result<Received, DropReason> {
        let (mut outbound, mut sad) = pair(parameters(transform, 1));
        let sent = send_by(&mut outbound, &datagram(&[1; 22]), &mut Edit(edit)).unwrap().unwrap();
        let received = receive(&mut sad, &sent);
        // Whatever the trailer says, the packet was genuine: its number counts.
        assert_eq!(sad.inbound(SPI).unwrap().replay().windows()[0].top(), 1);
        received
    }

    #[test]
    fn wrong_padding_is_dropped_unless_allowed() {
        let zeros = |draft: &mut EspDraft| draft.padding = Some(vec![0; 12]);
        assert_eq!(edited(CBC, zeros), Err(DropReason::BadPadding));
        let (mut outbound, mut sad) = pair(SaParameters { check_padding: false, ..parameters(CBC, 1) });
        let sent = send_by(&mut outbound, &datagram(&[1; 22]), &mut Edit(zeros)).unwrap().unwrap();
        assert!(receive(&mut sad, &sent).is_ok());
    }

    #[test]
    fn a_pad_length_beyond_the_payload_is_dropped() {
        for transform in [GCM, CBC] {
            assert_eq!(edited(transform, |draft| draft.pad_length = Some(255)), Err(DropReason::PadLength));
        }
    }

    #[test]
    fn a_dummy_is_no_error() {
        assert_eq!(edited(GCM, |draft| draft.next_header = 59), Err(DropReason::Dummy));
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let dummy = outbound.dummy(NOW, 300, &mut rng, &mut Honest).unwrap().unwrap();
        assert!(dummy.len() > 300);
        assert_eq!(receive(&mut sad, &dummy), Err(DropReason::Dummy));
    }

    #[test]
    fn misaligned_ciphertext_is_dropped_before_anything_else() {
        for (transform, padding) in [(GCM, 3), (CBC, 11)] {
            let (mut outbound, mut sad) = pair(parameters(transform, 1));
            let mut edit = Edit(|draft: &mut EspDraft| draft.padding = Some((1..=padding).collect()));
            let sent = send_by(&mut outbound, &datagram(&[1; 22]), &mut edit).unwrap().unwrap();
            assert_eq!(receive(&mut sad, &sent), Err(DropReason::Misaligned));
        }
    }
}

mod life {
    use super::*;

    #[test]
    fn soft_and_hard_limits() {
        let second = Duration::from_secs(1);
        for (limit, hard) in [
            (Limit { packets: Some(2), ..Limit::default() }, Limit { packets: Some(3), ..Limit::default() }),
            (Limit { bytes: Some(64), ..Limit::default() }, Limit { bytes: Some(96), ..Limit::default() }),
        ] {
            let (mut outbound, mut sad) =
                pair(SaParameters { lifetime: SaLifetime { soft: limit, hard }, ..parameters(GCM, 1) });
            let mut ages = Vec::new();
            for _ in 0..3 {
                ages.push(outbound.age(NOW));
                let sent = send(&mut outbound, &datagram(&[1; 4]));
                receive(&mut sad, &sent).unwrap();
            }
            assert_eq!(ages, [Age::Fresh, Age::Fresh, Age::Soft]);
            assert_eq!(send_by(&mut outbound, &datagram(&[]), &mut Honest), Err(ProtectError::Expired));
            assert_eq!(sad.inbound(SPI).unwrap().age(NOW), Age::Hard);
        }
        let limit = |seconds| Limit { time: Some(second * seconds), ..Limit::default() };
        let lifetime = SaLifetime { soft: limit(50), hard: limit(60) };
        let (mut outbound, mut sad) = pair(SaParameters { lifetime, ..parameters(GCM, 1) });
        let sent = send(&mut outbound, &datagram(&[]));
        let at = |seconds| Instant::after_start(second * seconds);
        assert_eq!(
            (outbound.age(at(49)), outbound.age(at(50)), outbound.age(at(60))),
            (Age::Fresh, Age::Soft, Age::Hard)
        );
        assert_eq!((sad.next_timeout(at(0)), sad.next_timeout(at(50))), (Some(at(50)), Some(at(60))));
        let dropped = sad.receive(at(60), &sent, 4500).unwrap_err();
        assert_eq!(dropped.reason, DropReason::Expired);
    }

    #[test]
    fn sas_that_cannot_be() {
        let sa = |change: fn(&mut SaParameters)| {
            let mut parameters = parameters(GCM, 1);
            change(&mut parameters);
            OutboundSa::new(parameters, NOW).map(|_| ()).unwrap_err()
        };
        assert_eq!(sa(|p| p.spi = 0), SaError::ReservedSpi);
        assert_eq!(sa(|p| p.destination = "::1".parse().unwrap()), SaError::MixedFamilies);
        assert!(matches!(sa(|p| p.encryption_key.truncate(7)), SaError::Key(_)));
        assert!(matches!(sa(|p| p.protocol = super::super::sa::Protocol::Ah), SaError::NotForAh));
        let both = sa(|p| {
            p.integrity = Integrity::HmacSha1_96;
            p.integrity_key.resize(20, 0);
        });
        assert_eq!(both, SaError::TwoIntegrityServices(GCM.0));
    }

    #[test]
    fn the_newest_fitting_sa_sends() {
        let mut sad = Sad::default();
        let mut add = |spi: u32, net: &str| {
            let net: ipnet::IpNet = net.parse().unwrap();
            let selectors = Selectors::pair(net, TrafficSelector::any_v4());
            let parameters = SaParameters { spi, selectors, ..parameters(GCM, 1) };
            sad.insert_outbound(OutboundSa::new(parameters, NOW).unwrap())
        };
        let (old, new, other) = (add(300, "10.1.0.0/16"), add(301, "10.1.0.0/16"), add(302, "10.9.0.0/16"));
        let packet = datagram(&[]);
        let flow = Header::parse(&packet).unwrap().flow(&packet);
        assert_eq!(sad.outbound_for(&flow, NOW), Some(new));
        sad.remove_outbound(new);
        assert_eq!(sad.outbound_for(&flow, NOW), Some(old));
        sad.remove_outbound(old);
        assert_eq!(sad.outbound_for(&flow, NOW), None);
        assert!(sad.outbound(other).is_some());
        let inbound = |spi| InboundSa::new(SaParameters { spi, ..parameters(GCM, 1) }, NOW).unwrap();
        sad.insert_inbound(inbound(400)).unwrap();
        assert_eq!(sad.insert_inbound(inbound(400)), Err(SaError::SpiInUse(400)));
    }
}

mod arrival {
    use super::*;

    fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
        let (source, destination) = ([198, 51, 100, 1], [192, 0, 2, 1]);
        let datagram = udp::Datagram::new(4500, port, payload).to_bytes(source.into(), destination.into());
        ipv4::Packet::new(source.into(), destination.into(), IpProtocol::UDP, datagram).to_bytes()
    }

    #[test]
    fn both_forms_are_taken_at_any_time() {
        for udp in [None, Some(UdpPorts::new(4500, 4500))] {
            let (mut outbound, mut sad) = pair(SaParameters { udp, ..parameters(GCM, 1) });
            for form in [udp, None, Some(UdpPorts::new(9, 4500)), udp] {
                outbound.parameters_mut().udp = form;
                let received = receive(&mut sad, &send(&mut outbound, &datagram(&[]))).unwrap();
                assert_eq!(received.udp, form);
            }
        }
    }

    #[test]
    fn what_is_not_ipsec_is_left_alone() {
        let deviations = DeviationSet::default();
        let ike = [[0; 4].as_slice(), &[7; 28]].concat();
        for packet in
            [in_udp(4500, &[0xff]), in_udp(4500, &[]), in_udp(4500, &[1, 2, 3]), in_udp(4500, &ike), datagram(&[])]
        {
            assert_eq!(Incoming::parse(&packet, 4500, &deviations), Ok(None));
        }
        assert_eq!(Incoming::parse(&in_udp(500, &[7; 60]), 4500, &deviations), Ok(None));
        assert_eq!(Incoming::parse(&in_udp(4500, &[7; 7]), 4500, &deviations), Err(DropReason::TooShort));
    }

    #[test]
    fn the_marker_of_old_drafts() {
        let udp = Some(UdpPorts { non_ike_marker: true, ..UdpPorts::new(500, 500) });
        let (mut outbound, mut sad) = pair(SaParameters { udp, ..parameters(GCM, 1) });
        let sent = send(&mut outbound, &datagram(&[]));
        assert_eq!(sent[28..36], [0; 8]);
        assert_eq!(receive(&mut sad, &sent).unwrap().udp, udp);
        // A notify outside any IKE SA begins with zeros, too.
        let ike = [[0; 16].as_slice(), &[7; 28]].concat();
        assert_eq!(Incoming::parse(&in_udp(500, &ike), 4500, &DeviationSet::default()), Ok(None));
    }

    #[test]
    fn fragments_are_not_processed() {
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        let mut packet = v4(&send(&mut outbound, &datagram(&[])));
        packet.dont_fragment = false;
        let whole = packet.clone();
        packet.more_fragments = true;
        packet.checksum = Derived::Computed;
        assert_eq!(receive(&mut sad, &packet.to_bytes()), Err(DropReason::Fragment));
        let mut whole = whole;
        whole.checksum = Derived::Computed;
        assert!(receive(&mut sad, &whole.to_bytes()).is_ok());
    }

    #[test]
    fn every_truncation_is_survived() {
        for transform in transforms() {
            let (mut outbound, mut sad) = pair(parameters(transform, 1));
            let sent = v4(&send(&mut outbound, &datagram(&[])));
            for len in 0..sent.payload.len() {
                let mut cut = sent.clone();
                cut.payload.truncate(len);
                cut.checksum = Derived::Computed;
                assert!(receive(&mut sad, &cut.to_bytes()).is_err());
            }
            assert!(receive(&mut sad, &sent.to_bytes()).is_ok());
        }
    }

    #[test]
    fn the_inner_packet_must_fit_the_selectors() {
        let port = |protocol, ports| TrafficSelector { protocol, ports, ..TrafficSelector::any_v4() };
        let selectors = Selectors {
            local: vec![port(17, PortRange::single(0x3039))],
            remote: vec![port(17, PortRange::Any)],
            fragments_also: false,
        };
        let (mut outbound, mut sad) = pair(SaParameters { selectors, ..parameters(GCM, 1) });
        let fits = datagram(&[]);
        let other_port = inner(|packet| packet.payload[0] = 0);
        let fragment = inner(|packet| (packet.fragment_offset, packet.dont_fragment) = (10, false));
        let mut results = Vec::new();
        for packet in [fits, other_port, fragment] {
            results.push(receive(&mut sad, &send(&mut outbound, &packet)).map(|_| ()));
        }
        assert_eq!(results, [Ok(()), Err(DropReason::SelectorMismatch), Err(DropReason::SelectorFragment)]);
    }
}

mod hands {
    use super::*;

    /// Drops the first packet before protection, the second after it.
    struct Dropping(u64);

    impl Hands for Dropping {
        fn esp(&mut self, context: &EspContext, _: &mut EspDraft) -> Disposition {
            self.0 = context.earlier;
            if context.earlier == 0 { Disposition::Drop } else { Disposition::Send }
        }
        fn sealed(&mut self, context: &EspContext, esp: &mut Vec<u8>) -> Disposition {
            esp.push(0);
            if context.earlier == 1 { Disposition::Drop } else { Disposition::Send }
        }
    }

    #[test]
    fn the_sender_believes_that_it_has_sent() {
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        let mut hands = Dropping(0);
        let mut send = |hands: &mut dyn Hands| send_by(&mut outbound, &datagram(&[]), hands).unwrap();
        assert_eq!((send(&mut hands), send(&mut hands)), (None, None));
        let sent = send(&mut hands).unwrap();
        assert_eq!((sent[24..28].as_ref(), hands.0), ([0, 0, 0, 3].as_ref(), 2));
        assert_eq!(receive(&mut sad, &sent), Err(DropReason::Misaligned), "the octet that the second hand added");
    }

    #[test]
    fn every_field_of_the_draft_counts() {
        let (mut outbound, mut sad) = pair(parameters(GCM, 1));
        let mut all = Edit(|draft: &mut EspDraft| {
            draft.sequence = 77;
            draft.iv = Some(vec![9; 8]);
            draft.tfc_padding = vec![0; 6];
            draft.padding = Some((1..=8).collect());
        });
        let sent = send_by(&mut outbound, &datagram(&[]), &mut all).unwrap().unwrap();
        assert_eq!(sent[28..36], [9; 8]);
        assert_eq!(receive(&mut sad, &sent).unwrap().sequence, 77);
        let mut spi = Edit(|draft: &mut EspDraft| draft.spi = 999);
        let sent = send_by(&mut outbound, &datagram(&[]), &mut spi).unwrap().unwrap();
        assert_eq!(receive(&mut sad, &sent), Err(DropReason::UnknownSpi));
        assert_eq!(sad.drops().of(DropReason::UnknownSpi), 1);
        let mut iv = Edit(|draft: &mut EspDraft| (draft.sequence, draft.iv) = (78, Some(vec![9; 7])));
        let sent = send_by(&mut outbound, &datagram(&[]), &mut iv).unwrap().unwrap();
        assert_eq!(receive(&mut sad, &sent), Err(DropReason::Misaligned), "sent as it is, an octet short");
        let refused = outbound.seal_into(&[], 4, &[9; 7], &mut Vec::new());
        assert!(matches!(refused, Err(ProtectError::Cipher(_))));
    }
}
