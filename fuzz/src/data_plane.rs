//! The data plane as a receiver: whatever comes is delivered, left to others, or counted once.

use crate::ALLOCATOR;
use crypto::{Encryption, Integrity, KeyBits};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use reference_peer::Instant;
use reference_peer::config::Mode;
use reference_peer::hands::{AhDraft, Disposition, EspContext, EspDraft, Hands};
use reference_peer::ipsec::fragment::{Fragmentation, Reassembler, Reassembly, fragment};
use reference_peer::ipsec::header::Header;
use reference_peer::ipsec::inbound::InboundSa;
use reference_peer::ipsec::outbound::{OutboundSa, Protection};
use reference_peer::ipsec::sa::{Protocol, SaParameters, UdpPorts};
use reference_peer::ipsec::sad::Sad;
use reference_peer::ipsec::sequence::Numbering;
use stats_alloc::Region;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

const NATT_PORT: u16 = 4500;
/// Octets that incomplete packets may occupy here.
const MOST_FRAGMENTS: usize = 1 << 14;
const FIRST_SPI: u32 = 0x1001;

/// A sender for each SA, and one receiver for all.
struct Ends {
    senders: Vec<OutboundSa>,
    receiver: Sad,
}

static ENDS: LazyLock<Ends> = LazyLock::new(|| {
    let senders: Vec<_> = kinds().into_iter().filter_map(|sa| OutboundSa::new(sa, Instant::START).ok()).collect();
    let mut receiver = Sad::default();
    for sa in kinds() {
        let inbound = InboundSa::new(sa, Instant::START).expect("these are SAs");
        receiver.insert_inbound(inbound).expect("each has its SPI");
    }
    assert_eq!(senders.len(), kinds().len());
    Ends { senders, receiver }
});

/// SAs of many kinds: both protocols, modes and families, with and without integrity, extended numbers, number spaces,
/// UDP, and a window that is off.
fn kinds() -> Vec<SaParameters> {
    use Encryption::{AesCbc, AesGcm16, AesGmac, ChaCha20Poly1305, Null};
    use Integrity::{AesXcbc96, HmacSha1_96, HmacSha256_128, None};
    let aes = AesCbc(KeyBits::B128);
    let gcm = AesGcm16(KeyBits::B128);
    let ends = |v6: bool| {
        let ends: [IpAddr; 2] = match v6 {
            false => [[192, 0, 2, 1].into(), [198, 51, 100, 1].into()],
            true => [[0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into()],
        };
        ends
    };
    let sa = |index: u32, protocol, encryption: Encryption, integrity: Integrity, mode, v6| {
        let [source, destination] = ends(v6);
        let keys = (vec![7; encryption.key_material_len()], vec![9; integrity.key_len()]);
        SaParameters { protocol, mode, ..SaParameters::new(FIRST_SPI + index, source, destination) }
            .with_keys((encryption, &keys.0), (integrity, &keys.1))
    };
    let extended = |sa: SaParameters| SaParameters { numbering: Numbering::Extended, ..sa };
    let (esp, ah) = (Protocol::Esp, Protocol::Ah);
    let (tunnel, transport) = (Mode::Tunnel, Mode::Transport);
    vec![
        sa(0, esp, gcm, None, tunnel, false),
        extended(sa(1, esp, aes, HmacSha256_128, tunnel, false)),
        sa(2, esp, Null, HmacSha1_96, transport, false),
        SaParameters {
            udp: Some(UdpPorts::new(NATT_PORT, NATT_PORT)),
            ..sa(3, esp, ChaCha20Poly1305, None, tunnel, true)
        },
        sa(4, ah, Null, HmacSha1_96, tunnel, false),
        extended(sa(5, ah, Null, HmacSha256_128, transport, true)),
        SaParameters { numbering: Numbering::Spaces, ..sa(6, esp, gcm, None, tunnel, true) },
        sa(7, esp, aes, None, tunnel, false),
        SaParameters { replay_window: Option::None, ..sa(8, esp, AesGmac(KeyBits::B128), None, transport, true) },
        SaParameters { replay_window: Some(1024), ..sa(9, ah, Null, AesXcbc96, transport, false) },
    ]
}

/// Octets of the input, zeros after its end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn octet(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A hand that sets fields of a draft wrong, as the input says.
struct Wrong<'a, 'b>(&'b mut Input<'a>);

impl Hands for Wrong<'_, '_> {
    fn esp(&mut self, _: &EspContext, draft: &mut EspDraft) -> Disposition {
        match self.0.octet() & 7 {
            0 => draft.next_header = self.0.octet(),
            1 => draft.pad_length = Some(self.0.octet()),
            2 => draft.padding = Some(self.0.take(16).to_vec()),
            3 => draft.tfc_padding = vec![0; self.0.octet().into()],
            4 => draft.sequence = draft.sequence.wrapping_add_signed(i64::from(self.0.two() as i16) << 30),
            5 => draft.spi = FIRST_SPI + u32::from(self.0.octet() % 12),
            _ => {
                let at = usize::from(self.0.octet()) % draft.payload.len().max(1);
                let octet = self.0.octet();
                draft.payload.iter_mut().skip(at).take(1).for_each(|place| *place ^= octet);
            }
        }
        Disposition::Send
    }

    fn ah(&mut self, _: &EspContext, draft: &mut AhDraft) -> Disposition {
        match self.0.octet() & 7 {
            0 => draft.next_header = Some(self.0.octet()),
            1 => draft.payload_len = Some(self.0.octet()),
            2 => draft.padding = Some(self.0.take(16).to_vec()),
            3 => draft.icv = Some(self.0.take(20).to_vec()),
            4 => draft.sequence = draft.sequence.wrapping_add_signed(i64::from(self.0.two() as i16) << 30),
            5 => draft.spi = FIRST_SPI + u32::from(self.0.octet() % 12),
            _ => draft.reserved = self.0.two(),
        }
        Disposition::Send
    }
}

/// The receiver with everything that is asserted about it.
struct Receiver {
    now: Instant,
    sad: Sad,
    reassembler: Reassembler,
    /// SPI and whole number of each packet that was delivered under an SA with a window.
    delivered: BTreeSet<(u32, u64)>,
    /// Fragments that became part of a packet.
    used: u64,
    pushed: u64,
}

impl Receiver {
    fn drops(&self) -> u64 {
        let sas: u64 = self.sad.inbound_sas().map(|sa| sa.drops().total(|_| true)).sum();
        sas + self.sad.drops().total(|_| true)
    }

    /// Takes what the way brings: fragments by way of reassembly. Is a packet delivered?
    fn arrive(&mut self, packet: &[u8]) -> bool {
        if Header::parse(packet).is_ok_and(|header| header.fragment.is_none()) || packet.is_empty() {
            return self.whole(packet);
        }
        let waiting = self.reassembler.waiting() as u64;
        let dropped = self.reassembler.drops().total(|_| true);
        let bound = 4 * (packet.len() + self.reassembler.octets()) + 4096;
        let result = bounded(bound, || self.reassembler.push(self.now, packet));
        self.pushed += 1;
        assert!(self.reassembler.octets() <= MOST_FRAGMENTS);
        let delivered = match result {
            Reassembly::Whole(whole) => {
                let lost = self.reassembler.drops().total(|_| true) - dropped;
                self.used += waiting + 1 - lost - self.reassembler.waiting() as u64;
                self.whole(&whole)
            }
            Reassembly::Pending => false,
            Reassembly::Dropped(reason) => {
                assert!(self.reassembler.drops().of(reason) > 0);
                self.whole(packet)
            }
        };
        let counted = self.reassembler.drops().total(|_| true) + self.reassembler.waiting() as u64;
        assert_eq!(counted + self.used, self.pushed, "each fragment waits, was used, or was counted");
        delivered
    }

    fn whole(&mut self, packet: &[u8]) -> bool {
        let before = self.drops();
        let bound = 4 * packet.len() + 4096;
        let result = bounded(bound, || self.sad.receive(self.now, packet, NATT_PORT));
        let counted = self.drops() - before;
        match result {
            Err(_) => {
                assert_eq!(counted, 1, "a dropped packet is counted once");
                false
            }
            Ok(None) => {
                assert_eq!(counted, 0);
                false
            }
            Ok(Some(received)) => {
                assert_eq!(counted, 0);
                let header = Header::parse(&received.packet).expect("a delivered packet is one");
                assert_eq!(header.total_len, received.packet.len());
                let sa = self.sad.inbound(received.spi).expect("it came under an SA");
                let windows = sa.replay().windows();
                if windows.iter().all(|window| window.size().is_some()) {
                    assert!(self.delivered.insert((received.spi, received.sequence)), "delivered twice");
                }
                self.sad.recycle(received.packet);
                true
            }
        }
    }
}

fn bounded<T>(bound: usize, work: impl FnOnce() -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let value = work();
    let allocated = region.change().bytes_allocated;
    assert!(allocated <= bound, "{allocated} octets allocated, more than {bound}");
    value
}

/// Any packets and mutations of sealed ones, whole and in fragments, into a database of SAs of many kinds.
///
/// Octets: what comes (1), and what that takes. 0: a raw packet, its length (1) and octets. 1: a sealed packet. 2: one in
/// fragments, MTU (1), order (1). 3: time goes on. A sealed packet: SA (1), step of its number (2), inner packet (1),
/// flags (1): a hand sets a field wrong, octets of it are changed.
pub fn data_plane(data: &[u8]) {
    let ends = &*ENDS;
    let mut senders = ends.senders.clone();
    let mut receiver = Receiver {
        now: Instant::START,
        sad: ends.receiver.clone(),
        reassembler: Reassembler::new(Duration::from_secs(30), MOST_FRAGMENTS),
        delivered: BTreeSet::new(),
        used: 0,
        pushed: 0,
    };
    let mut input = Input(data);
    while !input.0.is_empty() {
        match input.octet() & 3 {
            0 => {
                let len = input.octet().into();
                receiver.arrive(input.take(len));
            }
            1 => {
                let Some((packet, honest)) = sealed(&mut senders, &receiver.sad, &mut input) else { continue };
                let delivered = receiver.arrive(&packet);
                assert!(delivered || !honest, "an honest packet with a new number is delivered");
                // A second time only where nothing watches over it.
                receiver.arrive(&packet);
            }
            2 => {
                let Some((mut packet, honest)) = sealed(&mut senders, &receiver.sad, &mut input) else { continue };
                // Of IPv6 the first has to reach the end of AH's fixed fields.
                let mtu = 72 + usize::from(input.octet());
                let order = input.octet();
                clear_df(&mut packet);
                let how = Fragmentation { ignore_df: true, identification: order.into(), ..Fragmentation::default() };
                let Ok(mut parts) = fragment(&packet, mtu, how) else { continue };
                let count = parts.len();
                parts.rotate_left(usize::from(order & 7) % count);
                let lies = order & 0x80 != 0;
                if order & 0x40 != 0 {
                    parts.reverse();
                }
                // One is left out, or comes twice, or another in between.
                let which = usize::from(input.octet()) % count;
                if lies {
                    match input.octet() & 3 {
                        0 => drop(parts.remove(which)),
                        1 => parts.push(parts[which].clone()),
                        2 => parts.insert(0, change(parts[which].clone(), &mut input)),
                        _ => parts[which] = change(parts[which].clone(), &mut input),
                    }
                }
                let clean = receiver.reassembler.pending() == 0 && count * 600 < MOST_FRAGMENTS;
                let delivered = parts.iter().filter(|part| receiver.arrive(part)).count();
                assert!(delivered == 1 || !honest || lies || !clean, "an honest packet in fragments is delivered");
            }
            _ => {
                receiver.now += Duration::from_secs(input.octet().into());
                receiver.reassembler.handle_timeout(receiver.now);
                let held = receiver.reassembler.waiting() as u64 + receiver.reassembler.drops().total(|_| true);
                assert_eq!(held + receiver.used, receiver.pushed);
            }
        }
    }
}

/// A packet of one of the SAs; is it one that must be delivered?
fn sealed(senders: &mut [OutboundSa], receiver: &Sad, input: &mut Input<'_>) -> Option<(Vec<u8>, bool)> {
    let which = usize::from(input.octet()) % senders.len();
    let sender = senders.get_mut(which)?;
    let step = input.two();
    let (space, kind, flags) = (input.octet() & 15, input.octet(), input.octet());
    let last = sender.counter().last();
    let last = *last.get(usize::from(space) % last.len())?;
    // Mostly the next; sometimes one that is old, or far ahead.
    let next = match step >> 14 {
        0 | 1 => last,
        2 => last.saturating_sub((step & 0xfff).into()),
        _ => last.saturating_add(u64::from(step & 0x3fff) << 8),
    };
    sender.counter_mut().preset(space, next);
    let inner = inner(sender.parameters(), kind);
    let mut rng = ChaCha8Rng::seed_from_u64(step.into());
    let how = Protection { space, tfc_padding: 0 };
    let is_wrong = flags & 1 != 0;
    let sealed = if is_wrong {
        sender.protect(Instant::START, &inner, how, &mut rng, &mut Wrong(input))
    } else {
        sender.protect(Instant::START, &inner, how, &mut rng, &mut reference_peer::hands::Honest)
    };
    let mut packet = sealed.ok()??;
    let changes = usize::from(flags >> 4);
    for _ in 0..changes {
        packet = change(packet, input);
    }
    let new = {
        let windows = receiver.inbound(sender.spi())?.replay().windows();
        let window = windows.get(usize::from(space) % windows.len())?;
        let sequence = *sender.counter().last().get(if windows.len() > 1 { space.into() } else { 0 })?;
        sequence > window.top() && sequence - window.top() < 1 << 31
    };
    Some((packet, !is_wrong && changes == 0 && new))
}

/// An inner packet that the SA's mode can carry.
fn inner(sa: &SaParameters, kind: u8) -> Vec<u8> {
    let v6 = match sa.mode {
        Mode::Tunnel => kind & 1 == 1,
        Mode::Transport => sa.source.is_ipv6(),
    };
    let data = vec![kind; usize::from(kind) * 2];
    let protocol = wire::ip::Protocol(253);
    if v6 {
        let [source, destination] =
            [[0x2001, 0xdb8, 1, 0, 0, 0, 0, 1], [0x2001, 0xdb8, 2, 0, 0, 0, 0, 1]].map(Into::into);
        let mut packet = wire::ipv6::Packet::new(source, destination, protocol, data);
        if kind & 2 == 2 {
            packet.extensions.push(wire::ipv6::ExtensionBody::HopByHop(vec![5, 2, 0, 0, 0x3e, 0]).into());
        }
        packet.to_bytes()
    } else {
        let mut packet = wire::ipv4::Packet::new([10, 1, 0, 1].into(), [10, 2, 0, 1].into(), protocol, data);
        if kind & 2 == 2 {
            packet.options = vec![7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0];
        }
        packet.to_bytes()
    }
}

/// Changes an octet, and repairs the header checksum unless told otherwise, so that the change gets past it.
fn change(mut packet: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let (at, octet) = (usize::from(input.two()), input.octet());
    let (repairs, at) = (at & 0x8000 == 0, at & 0x7fff);
    let len = packet.len().max(1);
    packet.iter_mut().skip(at % len).take(1).for_each(|place| *place ^= octet);
    if repairs {
        repair_checksum(&mut packet);
    }
    packet
}

/// Routers fragment IPv4 packets without DF alone.
fn clear_df(packet: &mut [u8]) {
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        packet.iter_mut().skip(6).take(1).for_each(|flags| *flags &= !0x40);
        repair_checksum(packet);
    }
}

fn repair_checksum(packet: &mut [u8]) {
    let Some(header_len) = packet.first().filter(|first| **first >> 4 == 4).map(|first| usize::from(first & 15) * 4)
    else {
        return;
    };
    let Some(header) = packet.get_mut(..header_len).filter(|header| header.len() >= 20) else { return };
    header[10..12].fill(0);
    let sum = wire::checksum::checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
