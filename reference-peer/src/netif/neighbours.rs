//! The MAC addresses of neighbours, and the packets that wait for them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use wire::ethernet::Address;

use crate::Instant;

/// Time between requests.
const RETRY: Duration = Duration::from_secs(1);
/// Requests before a neighbour is given up.
const TRIES: u32 = 3;
/// How long a learned address is good.
const REACHABLE: Duration = Duration::from_secs(300);
/// Packets that may wait for one neighbour.
const MOST_WAITING: usize = 64;
/// Learned neighbours and neighbours asked for, together.
const MOST_NEIGHBOURS: usize = 4096;

/// A request to be sent: who has `target`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) target: IpAddr,
    /// Source of the packet that waits.
    pub(super) for_source: IpAddr,
}

/// What is known of a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The packet can go.
    Known(Address, Vec<u8>),
    /// The packet waits; a request is out already.
    Waiting,
    /// The packet waits; ask.
    Ask(Ask),
    /// Too many packets wait.
    QueueFull,
}

#[derive(Debug, Clone)]
enum Neighbour {
    Static(Address),
    Learned { mac: Address, until: Instant },
    Asked { packets: VecDeque<Vec<u8>>, for_source: IpAddr, tries: u32, next: Instant },
}

#[derive(Debug, Clone, Default)]
pub(super) struct Neighbours(BTreeMap<IpAddr, Neighbour>);

impl Neighbours {
    pub(super) fn set_static(&mut self, address: IpAddr, mac: Address) {
        self.0.insert(address, Neighbour::Static(mac));
    }

    pub(super) fn known(&self, now: Instant, address: IpAddr) -> Option<Address> {
        match self.0.get(&address)? {
            Neighbour::Static(mac) => Some(*mac),
            Neighbour::Learned { mac, until } if *until > now => Some(*mac),
            Neighbour::Learned { .. } | Neighbour::Asked { .. } => None,
        }
    }

    pub(super) fn forget_learned(&mut self) {
        self.0.retain(|_, neighbour| !matches!(neighbour, Neighbour::Learned { .. }));
    }

    /// Finds the next hop's MAC address, or keeps the packet until it is known.
    pub(super) fn look_up(&mut self, now: Instant, target: IpAddr, source: IpAddr, packet: Vec<u8>) -> Lookup {
        if let Some(mac) = self.known(now, target) {
            return Lookup::Known(mac, packet);
        }
        if let Some(Neighbour::Asked { packets, .. }) = self.0.get_mut(&target) {
            if packets.len() == MOST_WAITING {
                return Lookup::QueueFull;
            }
            packets.push_back(packet);
            return Lookup::Waiting;
        }
        self.make_room(now);
        let packets = VecDeque::from([packet]);
        let asked = Neighbour::Asked { packets, for_source: source, tries: 1, next: now + RETRY };
        self.0.insert(target, asked);
        Lookup::Ask(Ask { target, for_source: source })
    }

    /// Takes note of an address and gives the packets that waited for it. A neighbour that was neither known nor
    /// asked for is only noted if `add`.
    pub(super) fn learn(&mut self, now: Instant, address: IpAddr, mac: Address, add: bool) -> VecDeque<Vec<u8>> {
        match self.0.get(&address) {
            Some(Neighbour::Static(_)) => return VecDeque::new(),
            None if !add => return VecDeque::new(),
            None => self.make_room(now),
            Some(_) => {}
        }
        match self.0.insert(address, Neighbour::Learned { mac, until: now + REACHABLE }) {
            Some(Neighbour::Asked { packets, .. }) => packets,
            _ => VecDeque::new(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let next = |neighbour: &Neighbour| match neighbour {
            Neighbour::Asked { next, .. } => Some(*next),
            Neighbour::Static(_) | Neighbour::Learned { .. } => None,
        };
        self.0.values().filter_map(next).min()
    }

    /// Requests to be repeated, and the packets whose neighbours have been given up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> (Vec<Ask>, Vec<Vec<u8>>) {
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        self.0.retain(|&target, neighbour| match neighbour {
            Neighbour::Asked { packets, for_source, tries, next } if *next <= now => {
                if *tries == TRIES {
                    given_up.extend(packets.drain(..));
                    return false;
                }
                (*tries, *next) = (*tries + 1, now + RETRY);
                again.push(Ask { target, for_source: *for_source });
                true
            }
            _ => true,
        });
        (again, given_up)
    }

    /// Keeps the table bounded: what has run out goes first, then any learned neighbour.
    fn make_room(&mut self, now: Instant) {
        if self.0.len() < MOST_NEIGHBOURS {
            return;
        }
        self.0.retain(|_, neighbour| !matches!(neighbour, Neighbour::Learned { until, .. } if *until <= now));
        let removable = |neighbour: &Neighbour| !matches!(neighbour, Neighbour::Static(_));
        while self.0.len() >= MOST_NEIGHBOURS {
            let Some(address) = self.0.iter().find(|(_, neighbour)| removable(neighbour)).map(|(&at, _)| at) else {
                return;
            };
            self.0.remove(&address);
        }
    }
}
