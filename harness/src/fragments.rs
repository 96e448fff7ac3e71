//! IP fragments that were seen, put together again, with the places where they were seen.

use reference_peer::Instant;
use reference_peer::ipsec::fragment::{Reassembler, Reassembly};
use reference_peer::ipsec::header::Header;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// So long the places of an incomplete packet are kept: as long as its fragments.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Octets of fragments that wait, at most, on each channel.
const MOST_OCTETS: usize = 1 << 20;

/// Puts the fragments on each of several channels together again: on each leg in each direction, for example.
#[derive(Debug, Clone)]
pub struct Collector<C> {
    channels: BTreeMap<C, Channel>,
}

impl<C> Default for Collector<C> {
    fn default() -> Self {
        Self { channels: BTreeMap::new() }
    }
}

#[derive(Debug, Clone)]
struct Channel {
    reassembler: Reassembler,
    places: BTreeMap<Key, Places>,
}

/// What fragments of one packet have in common.
type Key = (IpAddr, IpAddr, u8, u32);

#[derive(Debug, Clone)]
struct Places {
    expires: Instant,
    places: Vec<usize>,
}

/// A packet that came in fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// The whole packet.
    pub packet: Vec<u8>,
    /// The places of its fragments, in the order in which they came.
    pub places: Vec<usize>,
}

impl<C: Ord> Collector<C> {
    /// Takes an IP packet that was seen at a place. Gives the whole packet if it was the last fragment that it lacked.
    pub fn push(&mut self, channel: C, now: Instant, place: usize, packet: &[u8]) -> Option<Collected> {
        let header = Header::parse(packet).ok()?;
        let fragment = header.fragment?;
        let channel = self.channels.entry(channel).or_insert_with(|| Channel {
            reassembler: Reassembler::new(TIMEOUT, MOST_OCTETS),
            places: BTreeMap::new(),
        });
        channel.places.retain(|_, places| places.expires > now);
        // All fragments of an IPv6 packet need not name the same protocol.
        let protocol = if header.source.is_ipv4() { header.protocol } else { 0 };
        let key = (header.source, header.destination, protocol, fragment.identification);
        match channel.reassembler.push(now, packet) {
            Reassembly::Whole(packet) => {
                let mut places = channel.places.remove(&key).map_or_else(Vec::new, |places| places.places);
                places.push(place);
                Some(Collected { packet, places })
            }
            Reassembly::Pending => {
                let first = || Places { expires: now + TIMEOUT, places: Vec::new() };
                channel.places.entry(key).or_insert_with(first).places.push(place);
                None
            }
            Reassembly::Dropped(_) => {
                channel.places.remove(&key);
                None
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use reference_peer::ipsec::fragment::{Fragmentation, fragment};
    use wire::ip::Protocol;
    use wire::ipv4;

    fn cut(identification: u16) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut packet = ipv4::Packet::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Protocol(99), [7; 100]);
        packet.identification = identification;
        let whole = packet.to_bytes();
        let parts = fragment(&whole, 60, Fragmentation::default()).unwrap();
        assert_eq!(parts.len(), 3);
        (whole, parts)
    }

    #[test]
    fn the_last_fragment_gives_the_packet_and_all_places() {
        let mut collector = Collector::default();
        let now = Instant::START;
        let ((whole, parts), (other, others)) = (cut(1), cut(2));
        assert_eq!(collector.push("a", now, 0, &whole), None, "not a fragment");
        assert_eq!(collector.push("a", now, 1, &parts[2]), None);
        assert_eq!(collector.push("a", now, 2, &others[0]), None);
        assert_eq!(collector.push("a", now, 3, &parts[0]), None);
        assert_eq!(collector.push("b", now, 4, &parts[1]), None, "another channel");
        assert_eq!(collector.push("a", now, 5, &others[1]), None);
        let places = vec![1, 3, 6];
        assert_eq!(collector.push("a", now, 6, &parts[1]), Some(Collected { packet: whole, places }));
        let places = vec![2, 5, 7];
        assert_eq!(collector.push("a", now, 7, &others[2]), Some(Collected { packet: other, places }));
    }

    #[test]
    fn what_is_never_complete_is_forgotten() {
        let mut collector = Collector::default();
        let (whole, parts) = cut(1);
        collector.push((), Instant::START, 0, &parts[0]);
        let later = Instant::START + TIMEOUT;
        assert_eq!(collector.push((), later, 1, &parts[1]), None);
        assert_eq!(collector.push((), later, 2, &parts[2]), None);
        let places = vec![1, 2, 3];
        assert_eq!(collector.push((), later, 3, &parts[0]), Some(Collected { packet: whole, places }));
    }
}
