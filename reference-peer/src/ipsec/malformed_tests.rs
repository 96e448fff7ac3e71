//! Malformed packets, a table of them: each is dropped, counted once, and by name.
//!
//! Bad ICVs, padding, pad lengths, next headers and inner headers under valid keys; the ways of UDP encapsulation to go
//! wrong; lengths from 0 to 64; numbers at the edges of the window; fragments.

use crypto::{Encryption, Integrity, KeyBits};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::drops::{DropReason, Drops};
use super::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use super::header::repair_checksum;
use super::keys::{AhKeys, EspKeys};
use super::sa::{Protocol, SaParameters};
use super::sad::Sad;
use super::sequence::Numbering;
use super::tests::{NOW, datagram, pair, parameters};
use crate::config::Mode;
use crate::hands::EspDraft;

const GCM: (Encryption, Integrity) = (Encryption::AesGcm16(KeyBits::B128), Integrity::None);
const CBC: (Encryption, Integrity) = (Encryption::AesCbc(KeyBits::B128), Integrity::HmacSha256_128);
const NULL: (Encryption, Integrity) = (Encryption::Null, Integrity::HmacSha1_96);
const SPI: u32 = 0x0102_0304;

/// A receiver, and the keys that a tester seals packets of its own with.
struct Bench {
    sa: SaParameters,
    sad: Sad,
    rng: ChaCha8Rng,
}

impl Bench {
    fn new(sa: SaParameters) -> Self {
        Self { sad: pair(sa.clone()).1, rng: ChaCha8Rng::seed_from_u64(1), sa }
    }

    fn esp(transform: (Encryption, Integrity)) -> Self {
        Self::new(parameters(transform, 1))
    }

    fn ah() -> Self {
        Self::new(SaParameters { protocol: Protocol::Ah, ..parameters(NULL, 1) })
    }

    /// What was dropped, by the SA and before one was found.
    fn drops(&self) -> Drops {
        let mut drops = *self.sad.drops();
        self.sad.inbound_sas().for_each(|sa| drops.add(sa.drops()));
        drops
    }

    /// The packet is dropped, and nothing but this is counted.
    fn refuses(&mut self, packet: &[u8], reason: DropReason, what: &str) {
        let mut expected = self.drops();
        expected.count(reason);
        let result = self.sad.receive(NOW, packet, 4500);
        let dropped = result.as_ref().map(|_| ()).map_err(|dropped| dropped.reason);
        assert_eq!(dropped, Err(reason), "{what}: {packet:02x?}");
        assert_eq!(self.drops(), expected, "{what}");
    }

    /// The packet is none of ESP or AH, and nothing is counted.
    fn leaves(&mut self, packet: &[u8], what: &str) {
        let before = self.drops();
        assert_eq!(self.sad.receive(NOW, packet, 4500), Ok(None), "{what}: {packet:02x?}");
        assert_eq!(self.drops(), before, "{what}");
    }

    fn takes(&mut self, packet: &[u8], what: &str) {
        let before = self.drops();
        assert!(self.sad.receive(NOW, packet, 4500).is_ok_and(|received| received.is_some()), "{what}");
        assert_eq!(self.drops(), before, "{what}");
    }

    /// ESP with this draft, in an outer IPv4 header.
    fn sealed(&mut self, edit: impl FnOnce(&mut EspDraft)) -> Vec<u8> {
        let keys = EspKeys::new(self.sa.clone()).unwrap().unwrap();
        let mut draft = EspDraft {
            spi: SPI,
            sequence: 1,
            payload: datagram(&[7; 22]),
            tfc_padding: Vec::new(),
            padding: None,
            pad_length: None,
            next_header: 4,
            iv: None,
        };
        edit(&mut draft);
        outer(50, &keys.seal(&draft, &mut self.rng).unwrap())
    }

    fn signed(&self, sequence: u64) -> Vec<u8> {
        let keys = AhKeys::new(self.sa.clone()).unwrap().unwrap();
        keys.seal(&keys.draft(sequence), &datagram(&[7; 22])).unwrap()
    }
}

fn outer(protocol: u8, body: &[u8]) -> Vec<u8> {
    wire::ipv4::Packet::new([192, 0, 2, 1].into(), [198, 51, 100, 1].into(), wire::ip::Protocol(protocol), body)
        .to_bytes()
}

fn outer_v6(protocol: u8, body: &[u8]) -> Vec<u8> {
    let [source, destination] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
    wire::ipv6::Packet::new(source, destination, wire::ip::Protocol(protocol), body).to_bytes()
}

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [4500_u16, port, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).as_flattened().to_vec();
    datagram.extend_from_slice(payload);
    outer(17, &datagram)
}

#[test]
fn every_length_from_0_to_64() {
    for transform in [GCM, CBC, NULL] {
        let mut bench = Bench::esp(transform);
        let good = bench.sealed(|_| ());
        let (head, icv) = (8 + transform.0.iv_len(), transform.0.icv_len().max(transform.1.icv_len()));
        let block = transform.0.block_len().max(4);
        for len in 0..=64 {
            let cut = &good[20..20 + len];
            let reason = match len.checked_sub(head + icv) {
                None | Some(0 | 1) => DropReason::TooShort,
                Some(data) if data % block != 0 => DropReason::Misaligned,
                Some(_) => DropReason::BadIcv,
            };
            bench.refuses(&outer(50, cut), reason, "cut short");
            bench.refuses(&outer_v6(50, cut), reason, "cut short over IPv6");
            let zeros = vec![0; len];
            let reason = if len < 8 { DropReason::TooShort } else { DropReason::UnknownSpi };
            bench.refuses(&outer(50, &zeros), reason, "zeros");
            match len {
                0..=3 => bench.leaves(&in_udp(4500, cut), "no SPI"),
                4..=7 => bench.refuses(&in_udp(4500, cut), DropReason::TooShort, "cut short in UDP"),
                _ => {}
            }
        }
        bench.takes(&good, "whole");
    }
    let mut bench = Bench::ah();
    let good = bench.signed(1);
    for len in 0..=64 {
        let reason = if len < 24 { DropReason::TooShort } else { DropReason::BadIcv };
        bench.refuses(&outer(51, &good[20..20 + len]), reason, "cut short");
        let reason = if len < 12 { DropReason::TooShort } else { DropReason::UnknownSpi };
        bench.refuses(&outer(51, &vec![0; len]), reason, "zeros");
    }
    for payload_len in (0..=255).filter(|payload_len| *payload_len != 4) {
        let mut packet = good.clone();
        packet[21] = payload_len;
        bench.refuses(&packet, DropReason::AhLength, "payload length");
    }
    bench.takes(&good, "whole");
}

#[test]
fn a_flipped_icv() {
    for transform in [GCM, CBC, NULL] {
        let mut bench = Bench::esp(transform);
        let good = bench.sealed(|_| ());
        let icv = transform.0.icv_len().max(transform.1.icv_len());
        for at in good.len() - icv..good.len() {
            let mut packet = good.clone();
            packet[at] ^= 0x80;
            bench.refuses(&packet, DropReason::BadIcv, "flipped");
        }
        for fill in [0, 0xff] {
            let mut packet = good.clone();
            let at = packet.len() - icv;
            packet[at..].fill(fill);
            bench.refuses(&packet, DropReason::BadIcv, "filled");
        }
        bench.takes(&good, "whole");
    }
    let mut bench = Bench::ah();
    let good = bench.signed(1);
    for at in 32..44 {
        let mut packet = good.clone();
        packet[at] ^= 0x80;
        bench.refuses(&packet, DropReason::BadIcv, "flipped");
    }
    bench.takes(&good, "whole");
}

#[test]
fn trailers_under_valid_keys() {
    type Edit = fn(&mut EspDraft);
    let cases: [(&str, Edit, DropReason); 9] = [
        ("pad length over all", |draft| draft.pad_length = Some(255), DropReason::PadLength),
        (
            "pad length one over",
            |draft| (draft.payload, draft.pad_length) = (Vec::new(), Some(15)),
            DropReason::PadLength,
        ),
        ("zeros for padding", |draft| draft.padding = Some(vec![0; 12]), DropReason::BadPadding),
        ("padding from 0", |draft| draft.padding = Some((0..12).collect()), DropReason::BadPadding),
        ("padding backwards", |draft| draft.padding = Some((1..13).rev().collect()), DropReason::BadPadding),
        ("pad length too small", |draft| draft.pad_length = Some(1), DropReason::BadPadding),
        ("a block cut", |draft| draft.padding = Some(vec![]), DropReason::Misaligned),
        ("dummy", |draft| draft.next_header = 59, DropReason::Dummy),
        ("IPv4 called IPv6", |draft| draft.next_header = 41, DropReason::InnerMalformed),
    ];
    for (what, edit, reason) in cases {
        let mut bench = Bench::esp(CBC);
        let packet = bench.sealed(edit);
        bench.refuses(&packet, reason, what);
    }
    for next_header in (0..=255).filter(|next_header| ![4, 41, 59].contains(next_header)) {
        let mut bench = Bench::esp(CBC);
        let packet = bench.sealed(|draft| draft.next_header = next_header);
        bench.refuses(&packet, DropReason::NextHeader, "next header");
    }
    // The packet was genuine: its number counts, whatever its trailer says.
    let mut bench = Bench::esp(CBC);
    let packet = bench.sealed(|draft| draft.next_header = 99);
    bench.refuses(&packet, DropReason::NextHeader, "next header");
    bench.refuses(&packet, DropReason::ReplayDuplicate, "again");
}

#[test]
fn inner_headers_under_valid_keys() {
    let inner_v4 = |edit: &dyn Fn(&mut Vec<u8>), repair: bool| {
        let mut packet = datagram(&[7; 22]);
        edit(&mut packet);
        if repair {
            repair_checksum(&mut packet);
        }
        (4, packet)
    };
    let inner_v6 = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = outer_v6(253, &[7; 22]);
        edit(&mut packet);
        (41, packet)
    };
    let mut cases = vec![
        ("total length 0", inner_v4(&|p| p[2..4].fill(0), true)),
        ("total length 19", inner_v4(&|p| p[2..4].copy_from_slice(&[0, 19]), true)),
        ("total length one over", inner_v4(&|p| p[3] += 1, true)),
        ("total length 65535", inner_v4(&|p| p[2..4].fill(0xff), true)),
        ("checksum", inner_v4(&|p| p[10] ^= 1, false)),
        ("checksum 0", inner_v4(&|p| p[10..12].fill(0), false)),
        ("header alone, cut", inner_v4(&|p| p.truncate(19), false)),
        ("nothing", inner_v4(&|p| p.clear(), false)),
        ("payload length one over", inner_v6(&|p| p[5] += 1)),
        ("payload length 65535", inner_v6(&|p| p[4..6].fill(0xff))),
        ("IPv6 header alone, cut", inner_v6(&|p| p.truncate(39))),
        ("nothing for IPv6", inner_v6(&|p| p.clear())),
        ("hop-by-hop options over all", inner_v6(&|p| (p[6], p[41]) = (0, 255))),
        ("hop-by-hop options without room", inner_v6(&|p| (p[6], p[5], p[41]) = (0, 4, 0))),
    ];
    for words in (0..5).chain([15]) {
        cases.push(("header length", inner_v4(&|p| p[0] = 0x40 | words, words >= 5)));
    }
    for version in (0..16).filter(|version| *version != 4) {
        cases.push(("version", inner_v4(&|p| p[0] = version << 4 | 5, true)));
    }
    for version in (0..16).filter(|version| *version != 6) {
        cases.push(("version for IPv6", inner_v6(&|p| p[0] = version << 4)));
    }
    for (what, (next_header, inner)) in cases {
        let mut bench = Bench::esp(GCM);
        let packet = bench.sealed(|draft| (draft.payload, draft.next_header) = (inner, next_header));
        bench.refuses(&packet, DropReason::InnerMalformed, what);
    }
}

#[test]
fn numbers_at_the_edges_of_the_window() {
    for size in [32_u64, 64, 1024] {
        for mut bench in [Bench::esp(GCM), Bench::ah()]
            .map(|bench| Bench::new(SaParameters { replay_window: Some(size as u32), ..bench.sa }))
        {
            let at = |bench: &mut Bench, sequence| match bench.sa.protocol {
                Protocol::Esp => bench.sealed(|draft| draft.sequence = sequence),
                Protocol::Ah => bench.signed(sequence),
            };
            let zero = at(&mut bench, 0);
            bench.refuses(&zero, DropReason::ReplayDuplicate, "0 is never sent");
            let top = at(&mut bench, 5000);
            bench.takes(&top, "top");
            bench.refuses(&top, DropReason::ReplayDuplicate, "top again");
            for sequence in [0, 1, 5000 - size - 1, 5000 - size] {
                let packet = at(&mut bench, sequence);
                bench.refuses(&packet, DropReason::ReplayTooOld, "left of the window");
            }
            let edge = at(&mut bench, 5001 - size);
            bench.takes(&edge, "left edge");
            bench.refuses(&edge, DropReason::ReplayDuplicate, "left edge again");
            // A forged packet far ahead moves nothing.
            let mut forged = at(&mut bench, 4_000_000_000);
            let last = forged.len() - 1;
            forged[last] ^= 1;
            bench.refuses(&forged, DropReason::BadIcv, "forged");
            let last = at(&mut bench, u32::MAX.into());
            bench.takes(&last, "the last number");
            for sequence in [0, 1, 5001] {
                let packet = at(&mut bench, sequence);
                bench.refuses(&packet, DropReason::ReplayTooOld, "nothing wraps");
            }
        }
    }
}

#[test]
fn extended_numbers_with_the_wrong_high_half() {
    for protocol in [Protocol::Esp, Protocol::Ah] {
        let transform = if protocol == Protocol::Esp { CBC } else { NULL };
        let sa = SaParameters { protocol, numbering: Numbering::Extended, ..parameters(transform, 1) };
        let mut bench = Bench::new(sa);
        let at = |bench: &mut Bench, sequence| match protocol {
            Protocol::Esp => bench.sealed(|draft| draft.sequence = sequence),
            Protocol::Ah => bench.signed(sequence),
        };
        // On a young SA the low half of a number before the window would belong to before number 0.
        let before = at(&mut bench, u32::MAX.into());
        bench.refuses(&before, DropReason::ReplayTooOld, "a high half of -1");
        let ahead = at(&mut bench, (1 << 32) + 1);
        bench.refuses(&ahead, DropReason::BadIcv, "a high half that is not due");
        bench.sad.inbound_mut(SPI).unwrap().preset((5 << 32) + 10);
        for (sequence, what) in [(10, "0"), ((4 << 32) + 11, "before"), ((6 << 32) + 11, "after")] {
            let packet = at(&mut bench, sequence);
            let reason = if sequence == 10 { DropReason::ReplayDuplicate } else { DropReason::BadIcv };
            bench.refuses(&packet, reason, what);
        }
        for sequence in [(5 << 32) + 11, (4 << 32) + 0xffff_ffff, (5 << 32) - 52] {
            let packet = at(&mut bench, sequence);
            bench.takes(&packet, "due");
        }
        let packet = at(&mut bench, (5 << 32) - 53);
        // Left of the window the low half is one of the next subspace, whose ICV this is not.
        bench.refuses(&packet, DropReason::BadIcv, "left of the window");
    }
}

#[test]
fn what_comes_in_udp() {
    let mut bench = Bench::esp(GCM);
    let good = bench.sealed(|_| ());
    let esp = &good[20..];
    bench.leaves(&in_udp(4500, &[0xff]), "keepalive");
    bench.leaves(&in_udp(4500, &[0xfe]), "one octet that is no keepalive");
    bench.leaves(&in_udp(4500, &[]), "nothing");
    bench.leaves(&in_udp(4500, &[&[0; 4], esp].concat()), "SPI 0 is the marker of IKE");
    bench.leaves(&in_udp(500, esp), "ESP on port 500");
    bench.leaves(&in_udp(500, &[&[0; 4], esp].concat()), "marker on port 500");
    let ike = [&[0x5e; 8][..], &[0; 8], &[0x21, 0x20, 0x22, 8, 0, 0, 0, 0, 0, 0, 0, 28]].concat();
    bench.refuses(&in_udp(4500, &ike), DropReason::UnknownSpi, "IKE without marker");
    let mut long = in_udp(4500, esp);
    long[25] += 1;
    bench.refuses(&long, DropReason::OuterMalformed, "UDP length one over");
    long[24..26].copy_from_slice(&[0, 7]);
    bench.refuses(&long, DropReason::OuterMalformed, "UDP length 7");
    bench.refuses(&outer(17, &[1, 2, 3]), DropReason::OuterMalformed, "half a UDP header");
    for spi in [0, 1, 255, SPI + 1, u32::MAX] {
        let packet = [&spi.to_be_bytes()[..], &esp[4..]].concat();
        bench.refuses(&outer(50, &packet), DropReason::UnknownSpi, "SPI");
        if spi != 0 {
            bench.refuses(&in_udp(4500, &packet), DropReason::UnknownSpi, "SPI in UDP");
        }
    }
    bench.refuses(&outer(51, &[&[4, 4, 0, 0], esp].concat()), DropReason::WrongProtocol, "AH on an ESP SA");
    let mut tail = in_udp(4500, esp);
    tail.extend_from_slice(&[0; 9]);
    bench.takes(&tail, "a link's padding after the packet");
}

#[test]
fn outer_headers() {
    let mut bench = Bench::esp(GCM);
    let good = bench.sealed(|_| ());
    type Edit = fn(&mut Vec<u8>);
    let edits: [(&str, Edit); 7] = [
        ("version", |p| p[0] = 0x75),
        ("header length", |p| p[0] = 0x44),
        ("header length over all", |p| (p[0], p[2], p[3]) = (0x4f, 0, 59)),
        ("total length over the packet", |p| p[2] = 0x7f),
        ("total length 0", |p| p[2..4].fill(0)),
        ("checksum", |p| p[11] ^= 1),
        ("cut in the header", |p| p.truncate(19)),
    ];
    for (what, edit) in edits {
        let mut packet = good.clone();
        edit(&mut packet);
        if what != "checksum" && packet.len() > 19 {
            repair_checksum(&mut packet);
        }
        bench.refuses(&packet, DropReason::OuterMalformed, what);
    }
    bench.refuses(&[], DropReason::OuterMalformed, "nothing");
    bench.takes(&good, "whole");
}

/// Fragments are put together first; those that get here alone are dropped. A tiny first one does no harm over IPv4.
#[test]
fn fragments() {
    for mut bench in [Bench::esp(GCM), Bench::ah()] {
        let good = match bench.sa.protocol {
            Protocol::Esp => bench.sealed(|_| ()),
            Protocol::Ah => {
                let mut packet = bench.signed(1);
                packet[6] = 0;
                repair_checksum(&mut packet);
                packet
            }
        };
        let parts = fragment(&good, 28, Fragmentation::default()).unwrap();
        assert_eq!(parts[0].len(), 28, "an SPI and a number, or two thirds of the fixed fields of AH");
        for part in &parts {
            bench.refuses(part, DropReason::Fragment, "alone");
        }
        let mut reassembler = Reassembler::default();
        let (last, others) = parts.split_last().unwrap();
        for part in others {
            assert_eq!(reassembler.push(NOW, part), Reassembly::Pending);
        }
        let Reassembly::Whole(whole) = reassembler.push(NOW, last) else { panic!("all are there") };
        bench.takes(&whole, "whole");
        // The first two octets of the ICV come again, and differ.
        let mut reassembler = Reassembler::default();
        let mut lie = last.clone();
        let at = lie.len() - 1;
        lie[at] ^= 1;
        assert_eq!(reassembler.push(NOW, &lie), Reassembly::Pending);
        assert_eq!(reassembler.push(NOW, last), Reassembly::Dropped(DropReason::FragmentOverlap));
    }
}

/// In transport mode there is no inner header to be wrong, but what is made must be a packet.
#[test]
fn transport_mode() {
    let mut bench = Bench::new(SaParameters { mode: Mode::Transport, ..parameters(GCM, 1) });
    let packet = bench.sealed(|draft| (draft.payload, draft.next_header) = (Vec::new(), 59));
    bench.refuses(&packet, DropReason::Dummy, "dummy");
    // The next header says IPv6 options, behind an IPv6 header, and there are none.
    let mut bench = Bench::new(SaParameters { mode: Mode::Transport, ..parameters(GCM, 1) });
    let sealed = bench.sealed(|draft| (draft.payload, draft.next_header) = (vec![6, 9, 0, 0, 0, 0, 0, 0], 60));
    bench.refuses(&outer_v6(50, &sealed[20..]), DropReason::InnerMalformed, "options over all");
}
