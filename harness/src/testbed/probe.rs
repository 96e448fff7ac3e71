//! Datagrams of exact lengths from the host on the DUT's inside, and what the DUT makes of each: sent whole, fragmented
//! before or after encryption, or dropped with a word to its source.

use super::Testbed;
use super::traffic::ip_packet;
use crate::dissect::{Content, Seen};
use crate::run::StepError;
use reference_peer::gateway::Leg;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6, udp};

/// Where probes go to: the port of the discard service.
const DISCARD: u16 = 9;

/// The first source port of probes.
const FIRST_PORT: u16 = 20_000;

/// Octets of data in the small packet that follows probes.
const SMALL: usize = 64;

/// Probes on their way at once, at most.
const HANDFUL: usize = 16;

/// ICMP errors and protected packets leave on two legs: so long they may be apart.
const APART: Duration = Duration::from_millis(20);

/// A UDP datagram of an exact length from the host on the DUT's inside to the tester's protected host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The IP packet.
    pub packet: Vec<u8>,
    /// Does it forbid fragmentation? In IPv6 every packet does.
    pub dont_fragment: bool,
    number: u16,
}

/// What a DUT has made of a probe.
#[derive(Debug, Clone, Default)]
pub struct Passage {
    /// The protected packets that held it, or fragments of it.
    pub protected: Vec<Protected>,
    /// Did the tester's host get the datagram as it was?
    pub arrived: bool,
    /// ICMP errors to its source that say that it was too big.
    pub errors: Vec<TooBig>,
}

/// A protected packet.
#[derive(Debug, Clone)]
pub struct Protected {
    /// Place of its last fragment in [`seen`](Testbed::seen), or its own.
    pub place: usize,
    /// Octets when it is whole.
    pub len: usize,
    /// The IP packets in which it came: itself, or its fragments.
    pub pieces: Vec<ip::Packet>,
    /// What it held.
    pub inner: ip::Packet,
}

/// An ICMP error: "fragmentation needed" or "packet too big".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooBig {
    /// Place in [`seen`](Testbed::seen).
    pub place: usize,
    /// The MTU that it names.
    pub mtu: usize,
    /// Source and destination.
    pub addresses: (IpAddr, IpAddr),
    /// Is its checksum right?
    pub intact: bool,
    /// What it quotes.
    pub quoted: Vec<u8>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// One protected packet in one piece.
    Whole,
    /// Several protected packets, each in one piece.
    Before,
    /// One protected packet in several pieces.
    After,
    /// Several protected packets, of which at least one came in several pieces.
    Twice,
    /// Nothing was sent for it.
    Dropped,
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "sent whole",
            Self::Before => "fragmented before encryption",
            Self::After => "fragmented after encryption",
            Self::Twice => "fragmented before and after encryption",
            Self::Dropped => "dropped",
        })
    }
}

impl Passage {
    /// What became of the probe.
    pub fn treatment(&self) -> Treatment {
        let cut = self.protected.iter().any(|packet| packet.pieces.len() > 1);
        match (self.protected.len(), cut) {
            (0, _) => Treatment::Dropped,
            (1, false) => Treatment::Whole,
            (1, true) => Treatment::After,
            (_, false) => Treatment::Before,
            (_, true) => Treatment::Twice,
        }
    }

    /// All outer IP packets.
    pub fn pieces(&self) -> impl Iterator<Item = &ip::Packet> {
        self.protected.iter().flat_map(|packet| &packet.pieces)
    }

    /// Octets of the longest outer IP packet.
    pub fn longest_piece(&self) -> usize {
        self.pieces().map(|piece| piece.to_bytes().len()).max().unwrap_or(0)
    }

    /// The MTU that its source was told.
    pub fn told(&self) -> Option<usize> {
        self.errors.first().map(|error| error.mtu)
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let treatment = self.treatment();
        write!(f, "{treatment}")?;
        match treatment {
            Treatment::Whole => {}
            Treatment::Dropped if self.errors.is_empty() => write!(f, " without a word")?,
            Treatment::Dropped => {}
            _ => write!(f, " ({} outer packets)", self.pieces().count())?,
        }
        if let Some(mtu) = self.told() {
            write!(f, ", its source told of an MTU of {mtu}")?;
        }
        if treatment != Treatment::Dropped && !self.arrived {
            write!(f, ", and what came out is not what was sent")?;
        }
        Ok(())
    }
}

impl Probe {
    /// Its length in octets.
    pub fn octets(&self) -> usize {
        self.packet.len()
    }

    /// The UDP port that it comes from.
    fn port(&self) -> u16 {
        FIRST_PORT + self.number % FIRST_PORT
    }

    /// Is this IP packet the probe or a fragment of it? The first octets may be all that there is of it.
    fn is_part(&self, packet: &ip::Packet) -> bool {
        let Ok(own) = ip::Packet::parse(&self.packet) else { return false };
        let same = packet.source() == own.source() && packet.destination() == own.destination();
        let port = || packet.payload().starts_with(&self.port().to_be_bytes());
        same && match packet {
            ip::Packet::V4(packet) => packet.identification == self.number && packet.protocol == Protocol::UDP,
            // Fragments of IPv6 packets do not say whose they are: a router makes none.
            ip::Packet::V6(_) => packet.is_fragment() || port(),
        }
    }

    /// Is this IP packet the probe as it comes out at the other end?
    fn is_it(&self, packet: &[u8]) -> bool {
        let (Ok(packet), Ok(own)) = (ip::Packet::parse(packet), ip::Packet::parse(&self.packet)) else { return false };
        !packet.is_fragment() && self.is_part(&packet) && packet.payload() == own.payload()
    }
}

impl Testbed {
    /// A probe of so many octets in all, not yet sent.
    ///
    /// # Errors
    /// Our own fault when so few octets hold no UDP datagram.
    pub fn new_probe(&mut self, octets: usize, dont_fragment: bool) -> Result<Probe, StepError> {
        // Pings count with it: no two packets have one identification.
        self.ping_id = self.ping_id.checked_add(1).unwrap_or(1);
        let (source, destination, number) = (self.plan.inside_host, self.plan.tester_host, self.ping_id);
        let too_few = || StepError::testbed(format!("{octets} octets hold no UDP datagram"));
        let data = octets.checked_sub(self.inner_header() + 8).ok_or_else(too_few)?;
        let payload: Vec<u8> = (0..data).map(|at| (at * 7 + at / 256 + usize::from(number)) as u8).collect();
        let probe = Probe { packet: Vec::new(), dont_fragment, number };
        let upper = udp::Datagram::new(probe.port(), DISCARD, payload).to_bytes(source, destination);
        let mut packet =
            ip::Packet::parse(&ip_packet(source, destination, Protocol::UDP, upper)?).map_err(StepError::testbed)?;
        if let ip::Packet::V4(packet) = &mut packet {
            (packet.identification, packet.dont_fragment) = (number, dont_fragment);
            packet.checksum = wire::Derived::Computed;
        }
        Ok(Probe { packet: packet.to_bytes(), ..probe })
    }

    /// Sends probes of these lengths, and finds out what becomes of them.
    ///
    /// # Errors
    /// Not applicable without an inside leg; inconclusive when small packets do not come through either.
    pub fn pass(&mut self, probes: &[(usize, bool)]) -> Result<Vec<(Probe, Passage)>, StepError> {
        let mut passages = Vec::with_capacity(probes.len());
        for handful in probes.chunks(HANDFUL) {
            let mark = (self.mark(), self.delivered.len());
            let mut sent = Vec::with_capacity(handful.len());
            for (octets, dont_fragment) in handful {
                let probe = self.new_probe(*octets, *dont_fragment)?;
                self.send_from_inside(probe.packet.clone())?;
                sent.push(probe);
            }
            if !self.small_packet_passes()? {
                return Err(StepError::inconclusive("a small packet from the inside does not come through either"));
            }
            let silence = self.silence();
            let told = |testbed: &Self, probe: &Probe| {
                let seen = testbed.seen.get(mark.0..).unwrap_or_default();
                seen.iter().any(|seen| too_big(seen).is_some_and(|error| quotes(&error, probe)))
            };
            self.await_state(silence, |testbed| {
                sent.iter().all(|probe| testbed.arrived(mark.1, probe) || told(testbed, probe))
            })?;
            self.wait(APART)?;
            for probe in sent {
                let passage = self.passage(mark, &probe);
                passages.push((probe, passage));
            }
        }
        Ok(passages)
    }

    /// The same for one probe.
    ///
    /// # Errors
    /// As [`pass`](Self::pass).
    pub fn pass_one(&mut self, octets: usize, dont_fragment: bool) -> Result<(Probe, Passage), StepError> {
        let only = self.pass(&[(octets, dont_fragment)])?.pop();
        only.ok_or_else(|| StepError::testbed("one probe has no passage"))
    }

    /// Sends a small packet from the inside. Does it come through? What was sent before it has met its fate by then.
    ///
    /// # Errors
    /// Not applicable without an inside leg.
    pub fn small_packet_passes(&mut self) -> Result<bool, StepError> {
        let (small, delivered) = (self.new_probe(self.inner_header() + 8 + SMALL, false)?, self.delivered.len());
        self.send_from_inside(small.packet.clone())?;
        let limit = self.answer_limit();
        self.await_state(limit, |testbed| testbed.arrived(delivered, &small))
    }

    fn arrived(&self, delivered: usize, probe: &Probe) -> bool {
        self.delivered.get(delivered..).unwrap_or_default().iter().any(|(_, packet)| probe.is_it(packet))
    }

    fn passage(&self, (seen, delivered): (usize, usize), probe: &Probe) -> Passage {
        let mut passage = Passage { arrived: self.arrived(delivered, probe), ..Passage::default() };
        for seen in self.from_dut_since(seen) {
            let errors = too_big(seen).into_iter().filter(|error| quotes(error, probe));
            passage.errors.extend(errors);
            if let (Some(inner), Some(outer)) = (seen.inner().filter(|inner| probe.is_part(inner)), &seen.ip) {
                let pieces = self.pieces(seen);
                passage.protected.push(Protected { place: seen.index, len: outer.to_bytes().len(), pieces, inner });
            }
        }
        passage
    }

    /// The IP packets in which a packet came: its fragments in the order in which they came, or itself.
    pub fn pieces(&self, seen: &Seen) -> Vec<ip::Packet> {
        if seen.fragments.is_empty() {
            return seen.ip.clone().into_iter().collect();
        }
        seen.fragments.iter().filter_map(|place| self.seen.get(*place)?.piece()).collect()
    }
}

/// Does an ICMP error quote a probe?
fn quotes(error: &TooBig, probe: &Probe) -> bool {
    ip::Packet::parse_quoted(&error.quoted).is_ok_and(|quoted| probe.is_part(&quoted))
}

/// A "fragmentation needed" or "packet too big" from the DUT on its inside.
fn too_big(seen: &Seen) -> Option<TooBig> {
    let packet = seen.ip.as_ref().filter(|_| seen.from_dut && seen.leg == Leg::Inside)?;
    let (source, destination) = (packet.source(), packet.destination());
    let (mtu, intact, quoted) = match (&seen.content, source, destination) {
        (Content::Icmp(icmp), ..) => match &icmp.message {
            icmpv4::Message::DestinationUnreachable { next_hop_mtu, original, .. }
                if icmp.code == icmpv4::FRAGMENTATION_NEEDED =>
            {
                (usize::from(*next_hop_mtu), icmp.is_intact(), original.clone())
            }
            _ => return None,
        },
        (_, IpAddr::V6(source), IpAddr::V6(destination)) if packet.protocol() == Protocol::ICMPV6 => {
            let icmp = icmpv6::Packet::parse(packet.payload(), source, destination).ok()?;
            let intact = icmp.is_intact(source, destination);
            match icmp.message {
                icmpv6::Message::PacketTooBig { mtu, original } => (mtu.try_into().ok()?, intact, original),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(TooBig { place: seen.index, mtu, addresses: (source, destination), intact, quoted })
}
