//! Every deviation of the data plane makes a difference that can be seen on the wire or behind the gateway.
//!
//! A case is a run of the data plane that ends in an observation. The honest peer is observed, then the deviant one:
//! the observations must differ, and the honest one must be the same on every run.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use crypto::{Encryption, Integrity, KeyBits};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use wire::ip::{Ecn, Protocol as IpProtocol};
use wire::{Derived, ipv4, ipv6, udp};

use super::flow::{Flow, UpperLayer};
use super::header;
use super::inbound::InboundSa;
use super::keys::AhKeys;
use super::outbound::{OutboundSa, Protection};
use super::sa::{DfBit, OriginalAddresses, Protocol, SaParameters, UdpPorts};
use super::sad::Sad;
use super::selector::{PortRange, Selectors, TrafficSelector};
use super::sequence::Numbering;
use super::spd::{Action, Policy, Spd};
use super::tests::{NOW, datagram, parameters};
use crate::config::Mode;
use crate::deviation::{Deviation, DeviationSet};
use crate::hands::{AhDraft, Disposition, EspContext, EspDraft, Hands, Honest};

const SPI: u32 = 0x0102_0304;
const GCM: (Encryption, Integrity) = (Encryption::AesGcm16(KeyBits::B128), Integrity::None);
const GMAC: (Encryption, Integrity) = (Encryption::AesGmac(KeyBits::B128), Integrity::None);
const CHACHA: (Encryption, Integrity) = (Encryption::ChaCha20Poly1305, Integrity::None);
const CBC: (Encryption, Integrity) = (Encryption::AesCbc(KeyBits::B128), Integrity::HmacSha256_128);
const NULL: (Encryption, Integrity) = (Encryption::Null, Integrity::HmacSha1_96);
const CONFIDENTIAL: (Encryption, Integrity) = (Encryption::AesCbc(KeyBits::B128), Integrity::None);

struct Edit<F>(F);

impl<F: FnMut(&mut EspDraft) + Send> Hands for Edit<F> {
    fn esp(&mut self, _: &EspContext, draft: &mut EspDraft) -> Disposition {
        (self.0)(draft);
        Disposition::Send
    }
}

/// An honest tester on one side, the peer under observation on the other.
struct Bench {
    /// The tester's sender.
    tester: OutboundSa,
    /// The observed receiver.
    peer: Sad,
    /// The observed sender.
    sender: OutboundSa,
    rng: ChaCha8Rng,
    seen: String,
}

impl Bench {
    fn new(honest: SaParameters, deviations: &Arc<DeviationSet>) -> Self {
        let deviant = SaParameters { deviations: deviations.clone(), ..honest.clone() };
        let mut peer = Sad::new(deviations.clone());
        let selectors = deviant.selectors.reversed();
        peer.insert_inbound(InboundSa::new(SaParameters { selectors, ..deviant.clone() }, NOW).unwrap()).unwrap();
        Self {
            tester: OutboundSa::new(honest, NOW).unwrap(),
            peer,
            sender: OutboundSa::new(deviant, NOW).unwrap(),
            rng: ChaCha8Rng::seed_from_u64(1),
            seen: String::new(),
        }
    }

    fn craft(&mut self, packet: &[u8], edit: impl FnMut(&mut EspDraft) + Send) -> Vec<u8> {
        self.tester.protect(NOW, packet, Protection::default(), &mut self.rng, &mut Edit(edit)).unwrap().unwrap()
    }

    fn numbered(&mut self, sequence: u64) -> Vec<u8> {
        self.craft(&datagram(&[]), |draft| draft.sequence = sequence)
    }

    /// The observed receiver gets a packet: what came out on the other side?
    fn arrive(&mut self, packet: &[u8]) {
        match self.peer.receive(NOW, packet, 4500) {
            Ok(Some(received)) => write!(self.seen, "{:02x?};", received.packet),
            Ok(None) => write!(self.seen, "not IPsec;"),
            Err(_) => write!(self.seen, "dropped;"),
        }
        .unwrap();
    }

    fn arrive_numbered(&mut self, sequences: &[u64]) {
        for &sequence in sequences {
            let packet = self.numbered(sequence);
            self.arrive(&packet);
        }
    }

    fn corrupted(&mut self, sequence: u64, place_from_end: usize) {
        let mut packet = self.numbered(sequence);
        let place = packet.len() - 1 - place_from_end;
        packet[place] ^= 1;
        self.arrive(&packet);
    }

    /// The observed sender protects a packet: what is on the wire?
    fn depart(&mut self, packet: &[u8], how: Protection) {
        let sent = self.sender.protect(NOW, packet, how, &mut self.rng, &mut Honest);
        write!(self.seen, "{sent:02x?};").unwrap();
    }
}

type Case = fn(&Arc<DeviationSet>) -> String;

fn change(edit: impl FnOnce(&mut ipv4::Packet)) -> Vec<u8> {
    let mut packet = ipv4::Packet::parse(&datagram(b"data")).unwrap();
    edit(&mut packet);
    packet.checksum = Derived::Computed;
    packet.to_bytes()
}

fn departs(parameters: SaParameters, packet: &[u8], deviations: &Arc<DeviationSet>) -> String {
    let mut bench = Bench::new(parameters, deviations);
    for _ in 0..70 {
        bench.depart(packet, Protection::default());
    }
    bench.seen
}

fn numbers(parameters: SaParameters, sequences: &[u64], deviations: &Arc<DeviationSet>) -> String {
    let mut bench = Bench::new(parameters, deviations);
    bench.arrive_numbered(sequences);
    bench.seen
}

fn arrives(parameters: SaParameters, edit: fn(&mut EspDraft), deviations: &Arc<DeviationSet>) -> String {
    let mut bench = Bench::new(parameters, deviations);
    let packet = bench.craft(&datagram(b"data"), edit);
    bench.arrive(&packet);
    let packet = bench.numbered(2);
    bench.arrive(&packet);
    bench.seen
}

/// A packet whose outer header the way has changed.
fn marked(packet: &[u8], traffic_class: u8, deviations: &Arc<DeviationSet>) -> String {
    let mut bench = Bench::new(parameters(GCM, 1), deviations);
    let mut sent = bench.craft(packet, |_| ());
    header::set_traffic_class(&mut sent, traffic_class);
    bench.arrive(&sent);
    bench.seen
}

fn extended(transform: (Encryption, Integrity)) -> SaParameters {
    SaParameters { numbering: Numbering::Extended, ..parameters(transform, 1) }
}

fn spaces() -> SaParameters {
    SaParameters { numbering: Numbering::Spaces, ..parameters(GCM, 1) }
}

fn natted() -> SaParameters {
    SaParameters { udp: Some(UdpPorts::new(4500, 31_337)), ..parameters(GCM, 1) }
}

fn transport() -> SaParameters {
    SaParameters { mode: Mode::Transport, ..parameters(GCM, 1) }
}

fn ah(mode: Mode) -> SaParameters {
    SaParameters { protocol: Protocol::Ah, mode, ..parameters(NULL, 1) }
}

fn over_v6(parameters: SaParameters) -> SaParameters {
    let [source, destination] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
    SaParameters { source, destination, ..parameters }
}

/// A UDP datagram in IPv6 with hop-by-hop options and a flow label.
fn datagram_v6() -> Vec<u8> {
    let [source, destination] = ["fd01::1", "fd02::1"].map(|text| text.parse().unwrap());
    let mut packet = ipv6::Packet::new(source, destination, IpProtocol::UDP, [0x30, 0x39, 0xd4, 0x31, 0, 8, 0, 0]);
    let body = ipv6::ExtensionBody::HopByHop(vec![0x1e, 4, 1, 2, 3, 4]);
    packet.extensions.push(ipv6::Extension { next_header: Derived::Computed, length: Derived::Computed, body });
    packet.flow_label = 0x1_2345;
    packet.to_bytes()
}

/// AH in transport mode behind these IPv4 options.
fn behind(options: &[u8], deviations: &Arc<DeviationSet>) -> String {
    departs(ah(Mode::Transport), &change(|packet| packet.options = options.to_vec()), deviations)
}

/// An AH packet of the tester's arrives that it has made otherwise, or that the way has changed.
fn ah_arrives(edit: fn(&mut AhDraft), on_the_way: fn(&mut [u8]), deviations: &Arc<DeviationSet>) -> String {
    let keys = AhKeys::new(ah(Mode::Tunnel)).unwrap().unwrap();
    let mut draft = keys.draft(1);
    edit(&mut draft);
    let mut packet = keys.seal(&draft, &datagram(b"data")).unwrap();
    on_the_way(&mut packet);
    let mut bench = Bench::new(ah(Mode::Tunnel), deviations);
    bench.arrive(&packet);
    bench.seen
}

fn df(df: DfBit) -> SaParameters {
    SaParameters { df, ..parameters(GCM, 1) }
}

/// Only UDP from or to port 12345 of the sender's side.
fn one_port() -> SaParameters {
    let port = TrafficSelector { protocol: 17, ports: PortRange::single(0x3039), ..TrafficSelector::any_v4() };
    SaParameters { selectors: Selectors::pair(port, TrafficSelector::any_v4()), ..parameters(GCM, 1) }
}

fn spd(deviations: &Arc<DeviationSet>) -> String {
    let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    let selectors = Selectors::pair(net("10.1.0.0/16"), net("10.2.0.0/16"));
    let policies = vec![Policy { name: "branch".into(), selectors, action: Action::Protect }];
    let spd = Spd::new(policies, deviations.clone());
    let upper = UpperLayer::Ports(1, 2);
    let flow = |source: [u8; 4], destination: [u8; 4]| Flow {
        source: source.into(),
        destination: destination.into(),
        protocol: Some(17),
        upper,
    };
    let clear = spd.inbound_clear(&flow([10, 2, 0, 1], [10, 1, 0, 1]));
    let other = spd.outbound(&flow([10, 1, 0, 1], [8, 8, 8, 8]));
    format!("{clear:?} {other:?}")
}

/// The SA and another one like it.
fn two_sas(deviations: &Arc<DeviationSet>) -> String {
    let mut bench = Bench::new(parameters(GCM, 1), deviations);
    bench.arrive_numbered(&[1000]);
    let second = SaParameters { spi: 0x0999_9999, deviations: deviations.clone(), ..parameters(GCM, 1) };
    let mut tester = OutboundSa::new(second.clone(), NOW).unwrap();
    bench.peer.insert_inbound(InboundSa::new(second, NOW).unwrap()).unwrap();
    for _ in 0..3 {
        let sent = tester.protect(NOW, &datagram(&[]), Protection::default(), &mut bench.rng, &mut Honest);
        bench.arrive(&sent.unwrap().unwrap());
        bench.arrive_numbered(&[1001]);
    }
    bench.seen
}

fn repaired_checksum(deviations: &Arc<DeviationSet>) -> String {
    let (source, destination) = ([10, 9, 9, 9], [10, 2, 0, 1]);
    let original = OriginalAddresses { source: source.into(), destination: destination.into() };
    let mut bench = Bench::new(SaParameters { original_addresses: Some(original), ..transport() }, deviations);
    let payload = udp::Datagram::new(7, 8, *b"some data").to_bytes(source.into(), destination.into());
    let packet = ipv4::Packet::new(source.into(), destination.into(), IpProtocol::UDP, payload).to_bytes();
    let mut sent = ipv4::Packet::parse(&bench.craft(&packet, |_| ())).unwrap();
    (sent.source, sent.checksum) = ([10, 1, 0, 1].into(), Derived::Computed);
    bench.arrive(&sent.to_bytes());
    bench.seen
}

/// Each deviation, and the run in which it shows.
#[rustfmt::skip]
const CASES: &[(Deviation, Case)] = &[
    (Deviation::SwapsSpiOctets, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::SendsZeroSequenceWithoutReplayCheck, |d| {
        departs(SaParameters { replay_window: None, ..parameters(GCM, 1) }, &datagram(&[]), d)
    }),
    (Deviation::ComparesFourOctetsOfIcv, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.corrupted(1, 0);
        bench.seen
    }),
    (Deviation::ComparesFourOctetsOfIcv, |d| {
        let mut bench = Bench::new(parameters(CBC, 1), d);
        bench.corrupted(1, 0);
        bench.seen
    }),
    (Deviation::ComparesFourOctetsOfIcv, |d| {
        let mut bench = Bench::new(SaParameters { protocol: Protocol::Ah, ..parameters(NULL, 1) }, d);
        let mut packet = bench.craft(&datagram(&[]), |_| ());
        packet[20 + 12 + 11] ^= 1;
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::LeavesIvOutOfIcv, |d| departs(parameters(CBC, 1), &datagram(&[]), d)),
    (Deviation::ForwardsBeforeVerifying, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.corrupted(1, 15);
        bench.seen
    }),
    (Deviation::ForwardsBeforeVerifying, |d| {
        let mut bench = Bench::new(parameters(CBC, 1), d);
        bench.corrupted(1, 15);
        bench.seen
    }),
    (Deviation::RepeatsIv, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::SaltBeforeKey, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::SequenceNumberAsIv, |d| departs(parameters(CBC, 1), &datagram(&[]), d)),
    (Deviation::ReservesIvForNull, |d| departs(parameters(NULL, 1), &datagram(&[]), d)),
    (Deviation::CutsSha256To96, |d| departs(parameters(CBC, 1), &datagram(&[]), d)),
    (Deviation::CutsSha256To96, |d| numbers(parameters(CBC, 1), &[1], d)),
    (Deviation::TakesDummyForError, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        let packet = bench.craft(&datagram(&[]), |draft| draft.next_header = 59);
        format!("{:?}", bench.peer.receive(NOW, &packet, 4500))
    }),
    (Deviation::ForwardsTfcPadding, |d| arrives(parameters(GCM, 1), |draft| draft.tfc_padding = vec![0; 50], d)),
    (Deviation::ProcessesFirstFragment, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        let mut sent = ipv4::Packet::parse(&bench.numbered(1)).unwrap();
        (sent.more_fragments, sent.checksum) = (true, Derived::Computed);
        bench.arrive(&sent.to_bytes());
        bench.seen
    }),
    (Deviation::WedgesOnShortEsp, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        let mut short = ipv4::Packet::parse(&bench.numbered(1)).unwrap();
        short.payload.truncate(20);
        bench.arrive(&short.to_bytes());
        bench.arrive_numbered(&[2]);
        bench.seen
    }),
    (Deviation::LeavesPayloadOutOfGmac, |d| departs(parameters(GMAC, 1), &datagram(&[]), d)),
    (Deviation::ReversedChaChaSalt, |d| departs(parameters(CHACHA, 1), &datagram(&[]), d)),
    (Deviation::PadsWithZeros, |d| departs(parameters(NULL, 1), &datagram(&[1]), d)),
    (Deviation::IgnoresPaddingValues, |d| arrives(parameters(CBC, 1), |draft| draft.padding = Some(vec![0; 14]), d)),
    (Deviation::LeavesStreamCiphersUnaligned, |d| departs(parameters(GCM, 1), &datagram(&[1]), d)),
    (Deviation::TakesLessThanABlockOfPadding, |d| {
        arrives(parameters(CBC, 1), |draft| draft.padding = Some((1..=30).collect()), d)
    }),
    (Deviation::ForgivesPadLength, |d| arrives(parameters(GCM, 1), |draft| draft.pad_length = Some(255), d)),
    (Deviation::PadsStreamCiphersTo16, |d| departs(parameters(GCM, 1), &datagram(&[1; 8]), d)),
    (Deviation::StartsSequenceAtZero, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::SkipsSequenceNumbers, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::RepeatsSequenceNumbers, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::WrapsSequenceNumbers, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.sender.counter_mut().preset(0, u32::MAX.into());
        bench.depart(&datagram(&[]), Protection::default());
        bench.seen
    }),
    (Deviation::ResetsSequenceNumbers, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::ChecksOnlyLastNumber, |d| numbers(parameters(GCM, 1), &[1, 2, 1], d)),
    (Deviation::AcceptsOnlyIncreasingNumbers, |d| numbers(parameters(GCM, 1), &[2, 1], d)),
    (Deviation::WindowOneTooWide, |d| numbers(parameters(GCM, 1), &[5000, 5000 - 64], d)),
    (Deviation::WindowOneTooNarrow, |d| numbers(parameters(GCM, 1), &[5000, 5000 - 63], d)),
    (Deviation::MovesWindowBeforeIcv, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.arrive_numbered(&[100]);
        bench.corrupted(1_000_100, 0);
        bench.arrive_numbered(&[101, 99]);
        bench.seen
    }),
    (Deviation::MovesWindowBeforeIcv, |d| {
        let mut bench = Bench::new(extended(GCM), d);
        bench.peer.inbound_mut(SPI).unwrap().preset(0x8000_0000);
        bench.corrupted((1 << 32) + 5, 0);
        bench.arrive_numbered(&[0x8000_0001]);
        bench.seen
    }),
    (Deviation::MarksNumberBeforeIcv, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.arrive_numbered(&[100]);
        bench.corrupted(99, 0);
        bench.arrive_numbered(&[99]);
        bench.seen
    }),
    (Deviation::MarksSkippedNumbers, |d| numbers(parameters(GCM, 1), &[100, 150, 149, 101], d)),
    (Deviation::WindowOfSixteen, |d| numbers(parameters(GCM, 1), &[100, 80], d)),
    (Deviation::AcceptsSequenceZero, |d| numbers(parameters(GCM, 1), &[0, 1], d)),
    (Deviation::ClearsNewestBlockOnly, |d| {
        let mut all: Vec<u64> = (1..=256).collect();
        all.extend([256 + 192, 256 + 130]);
        numbers(SaParameters { replay_window: Some(128), ..parameters(GCM, 1) }, &all, d)
    }),
    (Deviation::OneWindowForAllSas, two_sas),
    (Deviation::InheritsWindow, two_sas),
    (Deviation::WrapsReceiveWindow, |d| numbers(parameters(GCM, 1), &[u32::MAX.into(), 0, 1, 2], d)),
    (Deviation::ChecksReplayWithoutIntegrity, |d| numbers(parameters(CONFIDENTIAL, 1), &[1, 1], d)),
    (Deviation::KeepsOnlyNewestSa, two_sas),
    (Deviation::SkipsReplayCheckForAh, |d| {
        let mut bench = Bench::new(SaParameters { protocol: Protocol::Ah, ..parameters(NULL, 1) }, d);
        let packet = bench.craft(&datagram(&[]), |_| ());
        bench.arrive(&packet);
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::IgnoresWindowSize, |d| {
        numbers(SaParameters { replay_window: Some(1024), ..parameters(GCM, 1) }, &[5000, 4500], d)
    }),
    (Deviation::ChecksReplayAlthoughOff, |d| {
        numbers(SaParameters { replay_window: None, ..parameters(GCM, 1) }, &[5000, 1, 1], d)
    }),
    (Deviation::AcceptsLeftOfWindow, |d| numbers(parameters(GCM, 1), &[101, 102, 1], d)),
    (Deviation::OneWindowForAllSpaces, |d| numbers(spaces(), &[11 << 28 | 500, 1], d)),
    (Deviation::FullWindowForEachSpace, |d| numbers(spaces(), &[11 << 28 | 500, 11 << 28 | 460], d)),
    (Deviation::CountsAllInOneSpace, |d| {
        let mut bench = Bench::new(spaces(), d);
        bench.depart(&datagram(&[]), Protection { space: 11, ..Protection::default() });
        bench.seen
    }),
    (Deviation::RefusesGaps, |d| numbers(parameters(GCM, 1), &[1, 600], d)),
    (Deviation::CountsReplaysAsIcvFailures, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.arrive_numbered(&[5, 5, 5]);
        format!("{:?}", bench.peer.inbound(SPI).unwrap().drops().iter().collect::<Vec<_>>())
    }),
    (Deviation::AuthenticatesHighHalfAlways, |d| numbers(parameters(GCM, 1), &[1], d)),
    (Deviation::AuthenticatesHighHalfAlways, |d| numbers(parameters(CBC, 1), &[1], d)),
    (Deviation::TakesHighHalfOfMinusOne, |d| numbers(extended(GCM), &[u64::MAX], d)),
    (Deviation::MisplacesEsnHighHalf, |d| numbers(extended(GCM), &[1], d)),
    (Deviation::MisplacesEsnHighHalf, |d| numbers(extended(CBC), &[1], d)),
    (Deviation::MisplacesEsnHighHalf, |d| {
        numbers(SaParameters { protocol: Protocol::Ah, ..extended(NULL) }, &[1], d)
    }),
    (Deviation::AuthenticatesHighHalfAlways, |d| {
        numbers(SaParameters { protocol: Protocol::Ah, ..parameters(NULL, 1) }, &[1], d)
    }),
    (Deviation::NeverIncrementsEsnHighHalf, |d| {
        let mut bench = Bench::new(extended(GCM), d);
        bench.peer.inbound_mut(SPI).unwrap().preset(0xffff_fff0);
        bench.arrive_numbered(&[1 << 32]);
        bench.seen
    }),
    (Deviation::TakesLateEsnForNew, |d| {
        let mut bench = Bench::new(extended(CBC), d);
        bench.peer.inbound_mut(SPI).unwrap().preset((1 << 32) + 5);
        bench.arrive_numbered(&[(1 << 32) - 3]);
        bench.seen
    }),
    (Deviation::NeverResynchronisesEsn, |d| {
        let lost: Vec<u64> = (0..20).map(|more| (1 << 32) + 100 + more).collect();
        numbers(extended(GCM), &[&[1], lost.as_slice()].concat(), d)
    }),
    (Deviation::AllocatesSpiZero, |d| {
        format!("{:?}", Sad::new(d.clone()).allocate_spi(&mut ChaCha8Rng::seed_from_u64(1)))
    }),
    (Deviation::SendsToPort4500, |d| departs(natted(), &datagram(&[]), d)),
    (Deviation::ComputesUdpChecksum, |d| departs(natted(), &datagram(&[]), d)),
    (Deviation::DropsUdpChecksums, |d| {
        let udp = Some(UdpPorts::new(31_337, 4500));
        let mut bench = Bench::new(SaParameters { udp, ..parameters(GCM, 1) }, d);
        let mut sent = bench.numbered(1);
        sent[26] = 7;
        bench.arrive(&sent);
        bench.seen
    }),
    (Deviation::TakesEspOnPort500, |d| {
        numbers(SaParameters { udp: Some(UdpPorts::new(500, 500)), ..parameters(GCM, 1) }, &[1], d)
    }),
    (Deviation::IgnoresNat, |d| departs(natted(), &datagram(&[]), d)),
    (Deviation::TakesAhOnEspSa, |d| {
        let keys = AhKeys::new(ah(Mode::Tunnel)).unwrap().unwrap();
        let packet = keys.seal(&keys.draft(1), &datagram(b"data")).unwrap();
        let mut bench = Bench::new(parameters(GCM, 1), d);
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::TakesOnlyOwnEncapsulation, |d| {
        let mut bench = Bench::new(natted(), d);
        bench.tester.parameters_mut().udp = None;
        bench.arrive_numbered(&[1]);
        bench.seen
    }),
    (Deviation::LeavesTransportChecksums, repaired_checksum),
    (Deviation::MarkerBeforeEsp, |d| departs(natted(), &datagram(&[]), d)),
    (Deviation::KeepsProtocol50InUdp, |d| departs(natted(), &datagram(&[]), d)),
    (Deviation::CopiesInnerTtl, |d| departs(parameters(GCM, 1), &change(|packet| packet.ttl = 9), d)),
    (Deviation::InnerSourceOutside, |d| departs(parameters(GCM, 1), &datagram(&[]), d)),
    (Deviation::SkipsSelectorCheck, |d| {
        let mut bench = Bench::new(one_port(), d);
        let packet = bench.craft(&change(|packet| packet.protocol = IpProtocol::TCP), |_| ());
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::ForwardsClearTraffic, spd),
    (Deviation::BypassesByDefault, spd),
    (Deviation::WrongNextHeader, |d| departs(parameters(NULL, 1), &datagram(&[]), d)),
    (Deviation::CopiesOuterDscpInside, |d| marked(&datagram(&[]), 46 << 2, d)),
    (Deviation::LetsFragmentsPastPorts, |d| {
        let mut bench = Bench::new(one_port(), d);
        let fragment = change(|packet| (packet.fragment_offset, packet.dont_fragment) = (10, false));
        let packet = bench.craft(&fragment, |_| ());
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::DropsInnerFragments, |d| {
        let mut bench = Bench::new(parameters(GCM, 1), d);
        let packet = bench.craft(&change(|packet| packet.more_fragments = true), |_| ());
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::TrustsInnerHeader, |d| arrives(parameters(GCM, 1), |draft| draft.payload[2] = 0x10, d)),
    (Deviation::TrustsInnerHeader, |d| arrives(parameters(GCM, 1), |draft| draft.next_header = 41, d)),
    (Deviation::TrustsInnerHeader, |d| arrives(parameters(GCM, 1), |draft| draft.payload[10] ^= 1, d)),
    (Deviation::MovesOptionsBehindEsp, |d| {
        departs(transport(), &change(|packet| packet.options = vec![148, 4, 0, 0]), d)
    }),
    (Deviation::ProtectsFragmentsInTransportMode, |d| {
        departs(transport(), &change(|packet| packet.more_fragments = true), d)
    }),
    (Deviation::ChecksAddressesOnly, |d| {
        let mut bench = Bench::new(one_port(), d);
        let packet = bench.craft(&change(|packet| packet.protocol = IpProtocol::TCP), |_| ());
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::CoversTtlWithAh, |d| departs(ah(Mode::Tunnel), &datagram(&[]), d)),
    (Deviation::CoversTosWithAh, |d| departs(ah(Mode::Tunnel), &change(|packet| packet.dscp = 46), d)),
    (Deviation::CoversFlowLabelWithAh, |d| departs(over_v6(ah(Mode::Transport)), &datagram_v6(), d)),
    (Deviation::LeavesIdentificationOutOfAh, |d| departs(ah(Mode::Tunnel), &datagram(&[]), d)),
    (Deviation::TakesSourceFromSa, |d| departs(ah(Mode::Transport), &datagram(&[]), d)),
    (Deviation::TakesSourceFromSa, |d| departs(over_v6(ah(Mode::Transport)), &datagram_v6(), d)),
    (Deviation::ZeroesAllOptions, |d| behind(&[148, 4, 0, 0], d)),
    (Deviation::ZeroesOptionDataOnly, |d| behind(&[7, 7, 4, 0, 0, 0, 0, 0], d)),
    (Deviation::ZeroesExtensionHeaders, |d| departs(over_v6(ah(Mode::Transport)), &datagram_v6(), d)),
    (Deviation::AimsAtFirstHop, |d| behind(&[131, 7, 8, 198, 51, 100, 9, 0], d)),
    (Deviation::AhNamesItself, |d| departs(ah(Mode::Tunnel), &datagram(&[]), d)),
    (Deviation::CountsAhInEightOctets, |d| departs(over_v6(ah(Mode::Tunnel)), &datagram(&[]), d)),
    (Deviation::PadsAhToEight, |d| {
        let long = (Encryption::Null, Integrity::HmacSha256_128);
        departs(SaParameters { protocol: Protocol::Ah, ..parameters(long, 1) }, &datagram(&[]), d)
    }),
    (Deviation::FillsAhReserved, |d| departs(ah(Mode::Tunnel), &datagram(&[]), d)),
    (Deviation::RejectsAhReserved, |d| ah_arrives(|draft| draft.reserved = 0xffff, |_| (), d)),
    (Deviation::ZeroesAhReserved, |d| ah_arrives(|_| (), |packet| packet[22] ^= 1, d)),
    (Deviation::TakesAnyAhLength, |d| ah_arrives(|draft| draft.padding = Some(vec![0; 4]), |_| (), d)),
    (Deviation::CopiesInnerOptions, |d| {
        departs(parameters(GCM, 1), &change(|packet| packet.options = vec![148, 4, 0, 0]), d)
    }),
    (Deviation::RefusesDscp, |d| marked(&datagram(&[]), 46 << 2, d)),
    (Deviation::AlwaysNextHeader4, |d| departs(parameters(NULL, 1), &datagram_v6(), d)),
    (Deviation::CopiesExtensionHeaders, |d| departs(over_v6(parameters(GCM, 1)), &datagram_v6(), d)),
    (Deviation::CopiesFlowLabel, |d| departs(over_v6(parameters(GCM, 1)), &datagram_v6(), d)),
    (Deviation::SwapsTrafficClassHalves, |d| {
        departs(over_v6(parameters(GCM, 1)), &change(|packet| packet.dscp = 46), d)
    }),
    (Deviation::OmitsUdpChecksumOverIpv6, |d| departs(over_v6(natted()), &datagram(&[]), d)),
    (Deviation::TakesUdpWithoutChecksumOverIpv6, |d| {
        let mut bench = Bench::new(SaParameters { udp: Some(UdpPorts::new(4500, 4500)), ..over_v6(natted()) }, d);
        let mut packet = bench.numbered(1);
        packet[46..48].fill(0);
        bench.arrive(&packet);
        bench.seen
    }),
    (Deviation::SendsDscpZero, |d| departs(parameters(GCM, 1), &change(|packet| packet.dscp = 46), d)),
    (Deviation::ClearsOuterEcn, |d| departs(parameters(GCM, 1), &change(|packet| packet.ecn = Ecn::Ect0), d)),
    (Deviation::LosesCongestionMark, |d| marked(&change(|packet| packet.ecn = Ecn::Ect0), 3, d)),
    (Deviation::ForwardsCongestedNotEct, |d| marked(&datagram(&[]), 3, d)),
    (Deviation::LosesEct, |d| marked(&change(|packet| packet.ecn = Ecn::Ect0), 1, d)),
    (Deviation::SetsDfAlways, |d| departs(df(DfBit::Copy), &change(|packet| packet.dont_fragment = false), d)),
    (Deviation::CopiesDfWhenClearing, |d| departs(df(DfBit::Clear), &datagram(&[]), d)),
    (Deviation::CopiesDfWhenSetting, |d| departs(df(DfBit::Set), &change(|packet| packet.dont_fragment = false), d)),
    (Deviation::CopiesOuterDfInside, |d| {
        let mut bench = Bench::new(df(DfBit::Clear), d);
        let packet = bench.craft(&datagram(&[]), |_| ());
        bench.arrive(&packet);
        bench.seen
    }),
];

#[test]
fn every_deviation_shows() {
    let mut unseen = Vec::new();
    for &(deviation, case) in CASES {
        let honest = case(&Arc::default());
        assert_eq!(honest, case(&Arc::default()), "{deviation}: a run must repeat");
        if honest == case(&Arc::new([deviation].into_iter().collect())) {
            unseen.push(deviation);
        }
    }
    assert_eq!(unseen, []);
}

/// The names that the sources ask for are the names that are tried here.
#[test]
fn every_deviation_that_is_asked_for_is_tried() {
    let sources = [
        include_str!("authentication.rs"),
        include_str!("inbound.rs"),
        include_str!("outbound.rs"),
        include_str!("sa.rs"),
        include_str!("sad.rs"),
        include_str!("sequence.rs"),
        include_str!("spd.rs"),
        include_str!("transform.rs"),
        include_str!("transport.rs"),
        include_str!("tunnel.rs"),
    ];
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric()).collect::<String>();
    let asked: BTreeSet<_> = sources
        .iter()
        .flat_map(|source| source.split("Deviation::").skip(1))
        .map(word)
        .filter(|w| !w.is_empty())
        .collect();
    let tried: BTreeSet<_> = CASES.iter().map(|(deviation, _)| format!("{deviation:?}")).collect();
    assert_eq!(asked, tried);
}
