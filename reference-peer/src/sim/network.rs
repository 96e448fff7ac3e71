//! Ethernet segments: switches that learn, and the cables that join ports to them.

use std::collections::{HashMap, VecDeque};

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::link::{Cable, Link, Passage};
use super::queue::EventQueue;
use crate::Instant;

/// Octets of an Ethernet header: destination, source, type.
const HEADER: usize = 14;

/// A port of the network, where one leg of a node is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(usize);

/// A segment: what one switch joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(usize);

/// A frame that has arrived at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The port.
    pub port: PortId,
    /// When it arrived.
    pub at: Instant,
    /// Ethernet frame without preamble and checksum.
    pub frame: Vec<u8>,
}

/// What became of a frame on its way from a port to the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It reached the switch, so many times.
    Carried(u8),
    /// Lost by chance.
    Lost,
    /// Longer than the link's MTU.
    TooLong,
    /// The link was down.
    Down,
    /// Shorter than an Ethernet header.
    Malformed,
}

/// A record of the tap of a segment: one frame as a port sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tapped {
    /// When it was sent.
    pub at: Instant,
    /// The segment.
    pub segment: SegmentId,
    /// The port that sent it.
    pub from: PortId,
    /// What became of it.
    pub fate: Fate,
    /// Ethernet frame without preamble and checksum.
    pub frame: Vec<u8>,
}

#[derive(Debug)]
struct Port {
    segment: SegmentId,
    cable: Cable,
}

#[derive(Debug, Default)]
struct Segment {
    name: String,
    ports: Vec<PortId>,
    /// Where each MAC address was last seen.
    learned: HashMap<[u8; 6], PortId>,
    tapped: Option<VecDeque<Tapped>>,
}

#[derive(Debug)]
enum Event {
    AtSwitch { from: PortId, frame: Vec<u8> },
    AtPort { port: PortId, frame: Vec<u8> },
}

/// Most MAC addresses that a switch remembers; beyond that it floods.
const MOST_LEARNED: usize = 4096;

/// Most records that a tap keeps; the oldest go first.
const MOST_TAPPED: usize = 1 << 20;

/// Segments, ports and the frames that are on their way between them.
#[derive(Debug)]
pub struct Network {
    segments: Vec<Segment>,
    ports: Vec<Port>,
    on_the_way: EventQueue<Event>,
    rng: ChaCha8Rng,
}

impl Network {
    /// A network without segments. All chance in it follows from the seed.
    pub fn new(seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { segments: Vec::new(), ports: Vec::new(), on_the_way: EventQueue::default(), rng }
    }

    /// Adds a segment without ports.
    pub fn add_segment(&mut self, name: impl Into<String>) -> SegmentId {
        self.segments.push(Segment { name: name.into(), ..Segment::default() });
        SegmentId(self.segments.len() - 1)
    }

    /// Adds a port to a segment, joined by a perfect cable.
    pub fn add_port(&mut self, segment: SegmentId) -> PortId {
        let port = PortId(self.ports.len());
        self.ports.push(Port { segment, cable: Cable::default() });
        self.segment_mut(segment).ports.push(port);
        port
    }

    /// The segment of a port.
    pub fn segment_of(&self, port: PortId) -> SegmentId {
        self.port(port).segment
    }

    /// The name that a segment was given.
    pub fn name(&self, segment: SegmentId) -> &str {
        self.segments.get(segment.0).map_or("", |segment| &segment.name)
    }

    /// The cable of a port, to be changed at any time; what is already on its way is not affected.
    pub fn cable_mut(&mut self, port: PortId) -> &mut Cable {
        &mut self.port_mut(port).cable
    }

    /// Gives every port of a segment this link towards the switch, so that every frame crosses it once.
    pub fn set_segment_link(&mut self, segment: SegmentId, link: Link) {
        for port in self.segment_mut(segment).ports.clone() {
            self.cable_mut(port).transmit = link;
        }
    }

    /// Starts (or ends) recording what the ports of a segment send.
    pub fn set_tap(&mut self, segment: SegmentId, on: bool) {
        self.segment_mut(segment).tapped = on.then(VecDeque::new);
    }

    /// Takes what the tap of a segment has recorded since the last time.
    pub fn take_tapped(&mut self, segment: SegmentId) -> Vec<Tapped> {
        self.segment_mut(segment).tapped.as_mut().map(std::mem::take).unwrap_or_default().into()
    }

    /// A node sends a frame. What becomes of it is not for the node to know; it is returned for tests.
    pub fn send(&mut self, now: Instant, port: PortId, frame: Vec<u8>) -> Fate {
        let Port { segment, cable } = *self.port(port);
        let (fate, times) = match frame.len().checked_sub(HEADER) {
            None => (Fate::Malformed, [None, None]),
            Some(payload) => match cable.transmit.carry(payload, &mut self.rng) {
                Passage::Carried(first, None) => (Fate::Carried(1), [Some(first), None]),
                Passage::Carried(first, second) => (Fate::Carried(2), [Some(first), second]),
                Passage::Lost => (Fate::Lost, [None, None]),
                Passage::TooLong => (Fate::TooLong, [None, None]),
                Passage::Down => (Fate::Down, [None, None]),
            },
        };
        if let Some(tapped) = &mut self.segment_mut(segment).tapped {
            if tapped.len() == MOST_TAPPED {
                tapped.pop_front();
            }
            tapped.push_back(Tapped { at: now, segment, from: port, fate, frame: frame.clone() });
        }
        for time in times.into_iter().flatten() {
            self.on_the_way.push(now + time, Event::AtSwitch { from: port, frame: frame.clone() });
        }
        fate
    }

    /// When something happens next in the network.
    pub fn next_event(&self) -> Option<Instant> {
        self.on_the_way.next_event()
    }

    /// The next frame that has arrived at a port by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Delivery> {
        while let Some((at, event)) = self.on_the_way.pop(now) {
            match event {
                Event::AtPort { port, frame } => return Some(Delivery { port, at, frame }),
                Event::AtSwitch { from, frame } => self.forward(at, from, &frame),
            }
        }
        None
    }

    /// The switch: remembers the source, sends to where the destination was last seen, else to all other ports.
    fn forward(&mut self, at: Instant, from: PortId, frame: &[u8]) {
        let Some((header, payload)) = frame.split_first_chunk::<HEADER>() else { return };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, ..] = *header;
        let (destination, source) = ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]);
        let segment = self.segment_of(from);
        let Segment { ports, learned, .. } = self.segment_mut(segment);
        let source_is_group = s0 & 1 == 1;
        if !source_is_group && (learned.len() < MOST_LEARNED || learned.contains_key(&source)) {
            learned.insert(source, from);
        }
        let targets = match learned.get(&destination) {
            Some(&port) if d0 & 1 == 0 => vec![port],
            _ => ports.clone(),
        };
        for port in targets.into_iter().filter(|&port| port != from) {
            let receive = self.port(port).cable.receive;
            if let Passage::Carried(first, second) = receive.carry(payload.len(), &mut self.rng) {
                for time in [Some(first), second].into_iter().flatten() {
                    self.on_the_way.push(at + time, Event::AtPort { port, frame: frame.to_vec() });
                }
            }
        }
    }

    // A PortId or SegmentId is only made by this type and nothing is ever removed, so the indices are in range for
    // the network that made them; an id of another network is the caller's mistake and may panic.
    fn port(&self, port: PortId) -> &Port {
        &self.ports[port.0]
    }

    fn port_mut(&mut self, port: PortId) -> &mut Port {
        &mut self.ports[port.0]
    }

    fn segment_mut(&mut self, segment: SegmentId) -> &mut Segment {
        &mut self.segments[segment.0]
    }
}
