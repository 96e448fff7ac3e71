//! IP fragmentation and reassembly (RFC 791 section 3.2, RFC 8200 section 4.5), with bounded memory and time.

use std::collections::BTreeMap;
use std::mem;
use std::net::IpAddr;
use std::time::Duration;

use super::drops::{DropReason, Drops};
use super::header::{self, Header, Malformed};
use crate::Instant;

const IPV6_FRAGMENT: u8 = 44;
/// Octets of the Fragment header of IPv6.
const FRAGMENT_HEADER: usize = 8;
/// Most octets of a reassembled packet.
const LONGEST: usize = 65_535;
/// Most fragments of one packet.
const MOST_FRAGMENTS: usize = 1024;
/// What an incomplete packet, and a fragment of it, cost beside their data, in octets.
const COST_OF_QUEUE: usize = 256;
const COST_OF_PART: usize = 64;

/// Why a packet was not cut into fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// It has DF set, and that is to be heeded.
    #[error("the packet must not be fragmented")]
    DontFragment,
    /// The MTU does not hold the header and eight octets of data.
    #[error("an MTU of {0} octets holds no fragment")]
    MtuTooSmall(usize),
    /// It is not an IP packet.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// How a packet is fragmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fragmentation {
    /// Fragment an IPv4 packet although its DF bit is set. The fragments keep the bit.
    pub ignore_df: bool,
    /// Cut an IPv4 packet into as few fragments as it needs, and these of equal size to within eight octets.
    pub evenly: bool,
    /// Identification for an IPv6 packet, which has none of its own.
    pub identification: u32,
}

/// Cuts a packet into fragments of at most `mtu` octets; the packet alone if it fits. An IPv4 fragment can be cut
/// again. IPv6 packets are fragmented here as their source does: a router must not.
///
/// # Errors
/// The packet may not be fragmented, or not so small.
pub fn fragment(packet: &[u8], mtu: usize, how: Fragmentation) -> Result<Vec<Vec<u8>>, FragmentError> {
    let header = Header::parse(packet)?;
    let packet = packet.get(..header.total_len).unwrap_or(packet);
    if packet.len() <= mtu {
        return Ok(vec![packet.to_vec()]);
    }
    if header.is_v4() {
        if header.dont_fragment && !how.ignore_df {
            return Err(FragmentError::DontFragment);
        }
        fragment_v4(packet, &header, mtu, how.evenly)
    } else {
        fragment_v6(packet, &header, mtu, how.identification)
    }
}

fn fragment_v4(packet: &[u8], header: &Header, mtu: usize, evenly: bool) -> Result<Vec<Vec<u8>>, FragmentError> {
    let (first_header, mut data) = packet.split_at_checked(header.insertion).unwrap_or((packet, &[]));
    let later_header = copied_options(first_header);
    let (mut offset, last_more) = header.fragment.map_or((0, false), |fragment| (fragment.offset, fragment.more));
    let mut fragments = Vec::new();
    while !data.is_empty() {
        let head = if fragments.is_empty() { first_header } else { &later_header };
        let room = mtu.checked_sub(head.len()).filter(|&room| room >= 8).ok_or(FragmentError::MtuTooSmall(mtu))?;
        let is_last = data.len() <= room;
        let longest = room / 8 * 8;
        let len = match is_last {
            true => data.len(),
            // The longer ones come last, where the last is also cut short.
            false if evenly => data.len().div_ceil(8) / (1 + (data.len() - room).div_ceil(longest)) * 8,
            false => longest,
        };
        let (part, rest) = data.split_at_checked(len).unwrap_or((data, &[]));
        let mut fragment = [head, part].concat();
        let flags = u16::from(header.dont_fragment) << 14 | u16::from(!is_last || last_more) << 13;
        if let Some(field) = fragment.get_mut(6..8) {
            field.copy_from_slice(&(flags | (offset / 8) as u16).to_be_bytes());
        }
        header::repair_length(&mut fragment);
        fragments.push(fragment);
        offset += part.len();
        data = rest;
    }
    Ok(fragments)
}

/// The header for the fragments after the first: only options with the copied flag (RFC 791 section 3.1).
fn copied_options(first: &[u8]) -> Vec<u8> {
    let (fixed, mut options) = first.split_at_checked(20).unwrap_or((first, &[]));
    let mut header = fixed.to_vec();
    while let [kind, rest @ ..] = options {
        match kind {
            0 => break,
            1 => options = rest,
            _ => {
                let len = rest.first().map_or(0, |&len| usize::from(len));
                let Some((option, rest)) = options.split_at_checked(len).filter(|_| len >= 2) else { break };
                if kind & 0x80 != 0 {
                    header.extend_from_slice(option);
                }
                options = rest;
            }
        }
    }
    header.resize(header.len().next_multiple_of(4), 0);
    let words = (header.len() / 4) as u8;
    if let Some(first) = header.first_mut() {
        *first = 0x40 | words;
    }
    header
}

fn fragment_v6(packet: &[u8], header: &Header, mtu: usize, identification: u32) -> Result<Vec<Vec<u8>>, FragmentError> {
    if header.fragment.is_some() {
        return Err(FragmentError::DontFragment);
    }
    let (unfragmentable, data) = packet.split_at_checked(header.insertion).unwrap_or((packet, &[]));
    let mut head = unfragmentable.to_vec();
    if let Some(field) = head.get_mut(header.insertion_field) {
        *field = IPV6_FRAGMENT;
    }
    let room = mtu.checked_sub(head.len() + FRAGMENT_HEADER).map_or(0, |room| room / 8 * 8);
    if room == 0 {
        return Err(FragmentError::MtuTooSmall(mtu));
    }
    let count = data.len().div_ceil(room);
    let cut = data.chunks(room).enumerate().map(|(index, part)| {
        let mut fragment = head.clone();
        let offset = (index * room) as u16 | u16::from(index + 1 < count);
        fragment.extend_from_slice(&[header.insertion_protocol, 0]);
        fragment.extend_from_slice(&offset.to_be_bytes());
        fragment.extend_from_slice(&identification.to_be_bytes());
        fragment.extend_from_slice(part);
        header::repair_length(&mut fragment);
        fragment
    });
    Ok(cut.collect())
}

/// What became of a packet that was handed to a [`Reassembler`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reassembly {
    /// A whole packet: it was none of several fragments, or the last one missing.
    Whole(Vec<u8>),
    /// A fragment, kept until the others come.
    Pending,
    /// Thrown away, and why. It has been counted, and with it those of its packet that came before.
    Dropped(DropReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    identification: u32,
}

#[derive(Debug, Clone)]
struct Queue {
    expires: Instant,
    age: u64,
    /// Header of the first fragment, up to the fragmented part, as a whole packet has it.
    head: Option<Vec<u8>>,
    parts: BTreeMap<usize, Vec<u8>>,
    /// Octets of data, known with the last fragment.
    total: Option<usize>,
    octets: usize,
    congested: bool,
}

/// Puts fragments together again.
///
/// Fragments that overlap make the whole packet invalid (RFC 8200 section 4.5, and for IPv4 the safe choice); an exact
/// duplicate is ignored. When memory runs short the oldest incomplete packet goes. Each fragment is waiting, part of a
/// packet that was given out, or counted in [`drops`](Self::drops) once.
#[derive(Debug, Clone)]
pub struct Reassembler {
    timeout: Duration,
    most_octets: usize,
    /// What the incomplete packets cost.
    octets: usize,
    next_age: u64,
    queues: BTreeMap<Key, Queue>,
    /// The incomplete packets, oldest first, which is the order in which their time is up.
    ages: BTreeMap<u64, Key>,
    drops: Drops,
}

impl Default for Reassembler {
    /// 30 seconds and a megabyte.
    fn default() -> Self {
        Self::new(Duration::from_secs(30), 1 << 20)
    }
}

impl Reassembler {
    /// With limits: how long an incomplete packet waits, and the octets that all may occupy, with a due share for each
    /// packet and each fragment. That bounds their numbers too.
    pub fn new(timeout: Duration, most_octets: usize) -> Self {
        Self {
            timeout,
            most_octets,
            octets: 0,
            next_age: 0,
            queues: BTreeMap::new(),
            ages: BTreeMap::new(),
            drops: Drops::default(),
        }
    }

    /// Takes a received packet.
    pub fn push(&mut self, now: Instant, packet: &[u8]) -> Reassembly {
        self.handle_timeout(now);
        let Ok(header) = Header::parse(packet) else { return self.refuse(DropReason::OuterMalformed) };
        let packet = packet.get(..header.total_len).unwrap_or(packet);
        let Some(fragment) = header.fragment else {
            return Reassembly::Whole(packet.to_vec());
        };
        let Some((head, data)) = packet.split_at_checked(header.insertion) else {
            return self.refuse(DropReason::OuterMalformed);
        };
        if fragment.more && !data.len().is_multiple_of(8) || data.is_empty() {
            return self.refuse(DropReason::FragmentLength);
        }
        if head.len() + fragment.offset + data.len() > LONGEST {
            return self.refuse(DropReason::FragmentTooLong);
        }
        if is_tiny(&header, packet) {
            return self.refuse(DropReason::FragmentTiny);
        }
        let key = Key {
            source: header.source,
            destination: header.destination,
            protocol: if header.is_v4() { header.protocol } else { 0 },
            identification: fragment.identification,
        };
        let queue = self.queues.entry(key).or_insert_with(|| {
            self.next_age += 1;
            self.ages.insert(self.next_age, key);
            self.octets += COST_OF_QUEUE;
            Queue {
                expires: now + self.timeout,
                age: self.next_age,
                head: None,
                parts: BTreeMap::new(),
                total: None,
                octets: 0,
                congested: false,
            }
        });
        let before = queue.cost();
        let added = queue.add(&header, head, fragment.offset, fragment.more, data);
        self.octets += queue.cost() - before;
        match added {
            Err(DropReason::FragmentDuplicate) => {
                self.drops.count(DropReason::FragmentDuplicate);
                return Reassembly::Pending;
            }
            Err(reason) => {
                self.give_up(key, reason);
                return self.refuse(reason);
            }
            Ok(false) => {}
            Ok(true) => {
                let Some(queue) = self.remove(key) else { return Reassembly::Pending };
                let parts = queue.parts.len() as u64;
                return queue.whole().map_or_else(
                    || {
                        self.drops.count_many(DropReason::FragmentTooLong, parts);
                        Reassembly::Dropped(DropReason::FragmentTooLong)
                    },
                    Reassembly::Whole,
                );
            }
        }
        while self.octets > self.most_octets {
            let Some((_, &oldest)) = self.ages.first_key_value() else { break };
            self.give_up(oldest, DropReason::FragmentMemory);
            if oldest == key {
                return Reassembly::Dropped(DropReason::FragmentMemory);
            }
        }
        Reassembly::Pending
    }

    /// Forgets incomplete packets whose time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, &key)) = self.ages.first_key_value()
            && self.queues.get(&key).is_none_or(|queue| queue.expires <= now)
        {
            self.give_up(key, DropReason::FragmentTimeout);
        }
    }

    /// When the next incomplete packet's time is up.
    pub fn next_timeout(&self) -> Option<Instant> {
        let (_, oldest) = self.ages.first_key_value()?;
        self.queues.get(oldest).map(|queue| queue.expires)
    }

    /// How many packets are incomplete.
    pub fn pending(&self) -> usize {
        self.queues.len()
    }

    /// How many fragments of them are waiting.
    pub fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.parts.len()).sum()
    }

    /// Octets that they occupy, never more than the limit.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Fragments that were thrown away, each once.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    /// As [`drops`](Self::drops), of those since the last call.
    pub fn take_drops(&mut self) -> Drops {
        mem::take(&mut self.drops)
    }

    fn refuse(&mut self, reason: DropReason) -> Reassembly {
        self.drops.count(reason);
        Reassembly::Dropped(reason)
    }

    fn give_up(&mut self, key: Key, reason: DropReason) {
        let parts = self.remove(key).map_or(0, |queue| queue.parts.len());
        self.drops.count_many(reason, parts as u64);
    }

    fn remove(&mut self, key: Key) -> Option<Queue> {
        let queue = self.queues.remove(&key)?;
        self.ages.remove(&queue.age);
        self.octets -= queue.cost() + COST_OF_QUEUE;
        Some(queue)
    }
}

impl Queue {
    /// Octets that it occupies beside what each queue does.
    fn cost(&self) -> usize {
        self.octets + self.parts.len() * COST_OF_PART + self.head.as_ref().map_or(0, Vec::len)
    }

    /// Adds a fragment; is the packet complete now?
    fn add(
        &mut self,
        header: &Header,
        head: &[u8],
        offset: usize,
        more: bool,
        data: &[u8],
    ) -> Result<bool, DropReason> {
        let end = offset + data.len();
        if self.parts.get(&offset).is_some_and(|part| part == data) && more == (self.total != Some(end)) {
            return Err(DropReason::FragmentDuplicate);
        }
        let overlaps = self.parts.range(..end).next_back().is_some_and(|(&at, part)| at + part.len() > offset);
        if overlaps {
            return Err(DropReason::FragmentOverlap);
        }
        let furthest = self.parts.last_key_value().map_or(0, |(&at, part)| at + part.len());
        let beyond = self.total.is_some_and(|total| end > total || !more && end != total);
        if beyond || !more && furthest > end {
            return Err(DropReason::FragmentDisagreement);
        }
        if self.parts.len() >= MOST_FRAGMENTS {
            return Err(DropReason::FragmentLimit);
        }
        if !more {
            self.total = Some(end);
        }
        if offset == 0 {
            self.head = Some(whole_head(header, head));
        }
        self.congested |= header.ecn() == 3;
        self.octets += data.len();
        self.parts.insert(offset, data.to_vec());
        // Parts don't overlap, so as many octets as the total means that there is no gap.
        Ok(self.head.is_some() && self.total == Some(self.octets))
    }

    fn whole(self) -> Option<Vec<u8>> {
        let mut packet = self.head?;
        for part in self.parts.values() {
            packet.extend_from_slice(part);
        }
        header::repair_length(&mut packet)?;
        let header = Header::parse(&packet).ok()?;
        // One congested fragment makes the packet congested (RFC 3168 section 5.3).
        if self.congested && header.ecn() != 0 {
            header::set_traffic_class(&mut packet, header.traffic_class | 3);
        }
        Some(packet)
    }
}

/// Is it the first fragment of an IPv6 packet, and too short for the whole upper-layer header? For IPv4 there is no
/// such rule.
fn is_tiny(header: &Header, packet: &[u8]) -> bool {
    let least = match header.protocol {
        6 => 20,
        17 | 50 => 8,
        51 => 12,
        58 => 4,
        59 => 0,
        _ => 1,
    };
    !header.is_v4() && !header.is_later_fragment() && packet.len() < header.upper + least
}

/// The head of the first fragment as the whole packet has it: without the marks of a fragment.
fn whole_head(header: &Header, head: &[u8]) -> Vec<u8> {
    let mut whole = head.to_vec();
    if header.is_v4() {
        if let Some(flags) = whole.get_mut(6..8) {
            flags.copy_from_slice(&(u16::from(header.dont_fragment) << 14).to_be_bytes());
        }
        return whole;
    }
    // The insertion place is after the Fragment header, which is the last before it.
    let before = head.len().saturating_sub(FRAGMENT_HEADER);
    let mut field = 6;
    let mut at = 40;
    while at < before {
        let octets = head.get(at + 1).map_or(0, |&len| (usize::from(len) + 1) * 8);
        field = at;
        at += octets.max(8);
    }
    whole.truncate(before);
    if let Some(field) = whole.get_mut(field) {
        *field = header.insertion_protocol;
    }
    whole
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::tests::datagram;
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::after_start(Duration::from_millis(ms))
    }

    fn v6(data: &[u8]) -> Vec<u8> {
        let source = std::net::Ipv6Addr::LOCALHOST;
        let mut packet = wire::ipv6::Packet::new(source, source, wire::ip::Protocol(99), data);
        packet.extensions.push(wire::ipv6::ExtensionBody::HopByHop(vec![1, 4, 0, 0, 0, 0]).into());
        packet.to_bytes()
    }

    fn free(packet: &[u8]) -> Vec<u8> {
        let mut packet = packet.to_vec();
        packet[6] = 0;
        header::repair_checksum(&mut packet);
        packet
    }

    proptest! {
        #[test]
        fn there_and_back_in_any_order(
            data in prop::collection::vec(any::<u8>(), 0..3000), mtu in 68_usize..1500, seed in any::<u64>(), six in any::<bool>(),
        ) {
            let packet = if six { v6(&data) } else { free(&datagram(&data)) };
            let mut fragments = fragment(&packet, mtu, Fragmentation::default()).unwrap();
            prop_assert!(fragments.iter().all(|fragment| fragment.len() <= mtu));
            let count = fragments.len();
            fragments.rotate_left((seed % count as u64) as usize);
            if seed % 2 == 0 {
                fragments.reverse();
            }
            let mut reassembler = Reassembler::default();
            let (last, others) = fragments.split_last().unwrap();
            for fragment in others {
                prop_assert_eq!(reassembler.push(at(0), fragment), Reassembly::Pending);
                // A duplicate does no harm.
                prop_assert_eq!(reassembler.push(at(0), fragment), Reassembly::Pending);
            }
            prop_assert_eq!(reassembler.push(at(0), last), Reassembly::Whole(packet));
            prop_assert_eq!((reassembler.pending(), reassembler.octets), (0, 0));
            let duplicates = reassembler.drops().of(DropReason::FragmentDuplicate);
            prop_assert_eq!((duplicates, reassembler.drops().total(|_| true)), (count as u64 - 1, count as u64 - 1));
        }

        /// Whatever comes costs no more than the limit, and each fragment is waiting, given out, or counted.
        #[test]
        fn any_packets_stay_within_the_limits(
            packets in prop::collection::vec(any::<[u8; 12]>(), 0..300), limit in 300_usize..3000,
        ) {
            let mut reassembler = Reassembler::new(Duration::from_secs(1), limit);
            let mut given_out = 0;
            for (index, &[id, offset, len, more, rest @ ..]) in packets.iter().enumerate() {
                let mut packet = free(&datagram(&rest.repeat(usize::from(len) / 8)));
                packet[5] = id % 4;
                packet[6] = (more % 2) << 5;
                packet[7] = offset % 32;
                header::repair_checksum(&mut packet);
                let waiting = reassembler.waiting();
                let dropped = reassembler.drops().total(|_| true);
                match reassembler.push(at(index as u64 * 10), &packet) {
                    Reassembly::Whole(_) => {
                        let lost = reassembler.drops().total(|_| true) - dropped;
                        given_out += waiting as u64 + 1 - reassembler.waiting() as u64 - lost;
                    }
                    Reassembly::Dropped(reason) => prop_assert!(reassembler.drops().of(reason) > 0),
                    Reassembly::Pending => {}
                }
                prop_assert!(reassembler.octets() <= limit);
                let cost = |queue: &Queue| queue.cost() + COST_OF_QUEUE;
                prop_assert_eq!(reassembler.octets(), reassembler.queues.values().map(cost).sum::<usize>());
                prop_assert_eq!(reassembler.ages.len(), reassembler.queues.len());
                let counted = reassembler.drops().total(|_| true) + reassembler.waiting() as u64 + given_out;
                prop_assert_eq!(counted, index as u64 + 1);
            }
            reassembler.handle_timeout(at(10_000));
            prop_assert_eq!((reassembler.octets(), reassembler.waiting(), reassembler.pending()), (0, 0, 0));
        }
    }

    #[test]
    fn fragments_can_be_cut_again() {
        let packet = free(&datagram(&[9; 1400]));
        let mut reassembler = Reassembler::default();
        let coarse = fragment(&packet, 1000, Fragmentation::default()).unwrap();
        let fine = coarse.iter().flat_map(|part| fragment(part, 200, Fragmentation::default()).unwrap());
        let results: Vec<_> = fine.map(|part| reassembler.push(at(0), &part)).collect();
        assert_eq!(results.last(), Some(&Reassembly::Whole(packet)));
    }

    #[test]
    fn df_is_heeded_unless_told_otherwise() {
        let packet = datagram(&[0; 1400]);
        assert_eq!(fragment(&packet, 576, Fragmentation::default()), Err(FragmentError::DontFragment));
        let forced = fragment(&packet, 576, Fragmentation { ignore_df: true, ..Fragmentation::default() }).unwrap();
        assert!(forced.iter().all(|fragment| fragment[6] & 0x40 != 0));
    }

    #[test]
    fn options_are_copied_only_where_marked() {
        let mut packet =
            wire::ipv4::Packet::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), wire::ip::Protocol(99), [1; 100]);
        // Record route (not copied), then router alert (copied).
        packet.options = vec![7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0];
        let fragments = fragment(&packet.to_bytes(), 80, Fragmentation::default()).unwrap();
        let second = wire::ipv4::Packet::parse(&fragments[1]).unwrap();
        assert_eq!(second.options, [148, 4, 0, 0]);
    }

    #[test]
    fn overlapping_and_overlong_fragments_are_thrown_away() {
        let packet = free(&datagram(&[9; 100]));
        let parts = fragment(&packet, 60, Fragmentation::default()).unwrap();
        let mut reassembler = Reassembler::default();
        reassembler.push(at(0), &parts[0]);
        let mut overlapping = parts[1].clone();
        overlapping[7] -= 1;
        header::repair_checksum(&mut overlapping);
        assert_eq!(reassembler.push(at(0), &overlapping), Reassembly::Dropped(DropReason::FragmentOverlap));
        assert_eq!(reassembler.pending(), 0);
        let mut overlong = parts[1].clone();
        (overlong[6], overlong[7]) = (0x1f, 0xff);
        header::repair_checksum(&mut overlong);
        assert_eq!(reassembler.push(at(0), &overlong), Reassembly::Dropped(DropReason::FragmentTooLong));
        assert_eq!(reassembler.drops().of(DropReason::FragmentOverlap), 2, "both of them");
    }

    #[test]
    fn an_incomplete_packet_is_forgotten() {
        let parts = fragment(&free(&datagram(&[9; 100])), 60, Fragmentation::default()).unwrap();
        let mut reassembler = Reassembler::default();
        reassembler.push(at(0), &parts[0]);
        assert_eq!(reassembler.next_timeout(), Some(at(30_000)));
        for part in &parts[1..] {
            assert_eq!(reassembler.push(at(30_000), part), Reassembly::Pending);
        }
    }

    /// A fragment of 10.1.0.1 to 10.2.0.1 with this identification.
    fn part(identification: u16, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
        let mut packet = free(&datagram(&[]))[..20].to_vec();
        packet.extend_from_slice(data);
        packet[4..6].copy_from_slice(&identification.to_be_bytes());
        packet[6..8].copy_from_slice(&(u16::from(more) << 13 | (offset / 8) as u16).to_be_bytes());
        header::repair_length(&mut packet).unwrap();
        packet
    }

    #[test]
    fn every_lie_has_its_name() {
        let [eight, sixteen] = [[7_u8; 8].as_slice(), &[7; 16]];
        /// Offset, whether more follow, data.
        type Part<'a> = (usize, bool, &'a [u8]);
        let cases: [(&[Part<'_>], DropReason); 10] = [
            (&[(0, true, &[])], DropReason::FragmentLength),
            (&[(0, true, &[7; 9])], DropReason::FragmentLength),
            (&[(65_528, false, eight)], DropReason::FragmentTooLong),
            (&[(0, true, sixteen), (8, true, eight)], DropReason::FragmentOverlap),
            (&[(0, true, sixteen), (0, true, &[8; 16])], DropReason::FragmentOverlap),
            (&[(0, true, sixteen), (0, true, eight)], DropReason::FragmentOverlap),
            (&[(8, false, eight), (16, true, eight)], DropReason::FragmentDisagreement),
            (&[(8, false, eight), (24, false, eight)], DropReason::FragmentDisagreement),
            (&[(16, true, eight), (8, false, eight)], DropReason::FragmentDisagreement),
            (&[(8, true, eight), (8, false, eight)], DropReason::FragmentOverlap),
        ];
        for (parts, reason) in cases {
            let mut reassembler = Reassembler::default();
            let results: Vec<_> = parts
                .iter()
                .map(|&(offset, more, data)| reassembler.push(at(0), &part(1, offset, more, data)))
                .collect();
            assert_eq!(results.last(), Some(&Reassembly::Dropped(reason)));
            assert_eq!(reassembler.drops().iter().collect::<Vec<_>>(), [(reason, parts.len() as u64)]);
            assert_eq!((reassembler.pending(), reassembler.octets()), (0, 0));
        }
    }

    #[test]
    fn a_packet_has_so_many_fragments_and_no_more() {
        let mut reassembler = Reassembler::default();
        for index in 0..MOST_FRAGMENTS {
            assert_eq!(reassembler.push(at(0), &part(1, index * 16, true, &[0; 8])), Reassembly::Pending);
        }
        let result = reassembler.push(at(0), &part(1, MOST_FRAGMENTS * 16, true, &[0; 8]));
        assert_eq!(result, Reassembly::Dropped(DropReason::FragmentLimit));
        assert_eq!(reassembler.drops().of(DropReason::FragmentLimit), MOST_FRAGMENTS as u64 + 1);
    }

    /// The smallest fragments of ever new packets: their number is bounded, and what was there first goes first.
    #[test]
    fn fragments_without_end_cost_a_megabyte_at_most() {
        let mut reassembler = Reassembler::default();
        for identification in 0..=u16::MAX {
            assert_eq!(reassembler.push(at(0), &part(identification, 8, true, &[0; 8])), Reassembly::Pending);
            assert!(reassembler.octets() <= 1 << 20);
        }
        let most = (1 << 20) / (COST_OF_QUEUE + COST_OF_PART + 8);
        assert_eq!((reassembler.pending(), reassembler.waiting()), (most, most));
        assert_eq!(reassembler.drops().of(DropReason::FragmentMemory), 65_536 - most as u64);
        // The newest is still there.
        let last = reassembler.push(at(0), &part(u16::MAX, 16, false, &[0; 8]));
        assert_eq!(last, Reassembly::Pending);
        assert!(matches!(reassembler.push(at(0), &part(u16::MAX, 0, true, &[0; 8])), Reassembly::Whole(_)));
        reassembler.handle_timeout(at(30_000));
        assert_eq!(reassembler.drops().of(DropReason::FragmentTimeout), most as u64 - 1);
        assert_eq!(reassembler.next_timeout(), None);
    }

    #[test]
    fn a_first_fragment_must_reach_the_upper_layer() {
        let mut packet = v6(&[0; 64]);
        // TCP behind destination options: 8 octets of options, then 20 of TCP.
        packet[40] = 60;
        packet.splice(48..48, [6, 0, 1, 4, 0, 0, 0, 0]);
        header::repair_length(&mut packet).unwrap();
        for (mtu, tiny) in [(48 + 8 + 8, true), (48 + 8 + 24, true), (48 + 8 + 32, false)] {
            let parts = fragment(&packet, mtu, Fragmentation::default()).unwrap();
            let mut reassembler = Reassembler::default();
            let result = reassembler.push(at(0), &parts[0]);
            let expected = if tiny { Reassembly::Dropped(DropReason::FragmentTiny) } else { Reassembly::Pending };
            assert_eq!(result, expected, "{mtu}");
        }
        // IPv4 has no such rule: eight octets are a fragment like any other.
        let mut reassembler = Reassembler::default();
        let parts = fragment(&free(&datagram(&[9; 100])), 28, Fragmentation::default()).unwrap();
        let last = parts.iter().map(|part| reassembler.push(at(0), part)).last();
        assert_eq!(last, Some(Reassembly::Whole(free(&datagram(&[9; 100])))));
    }
}
