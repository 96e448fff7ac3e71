//! Real links shared by many testers: one thread a leg receives and hands each frame to the tester that it is for.

use super::medium::Arrival;
use packet_io::FrameLink;
use reference_peer::Instant;
use reference_peer::gateway::Leg;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest that a receiving thread sleeps before it looks whether it should end.
const WAKE: Duration = Duration::from_millis(200);

/// The links to a DUT and the testers on them.
pub(super) struct Hub {
    links: Vec<(Leg, Arc<dyn FrameLink>)>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    testers: Mutex<HashMap<[u8; 6], Sender<Arrival>>>,
    failure: Mutex<Option<String>>,
    ending: AtomicBool,
}

/// A tester's place on the hub; dropping it leaves the hub.
pub(super) struct Seat {
    macs: Vec<[u8; 6]>,
    shared: Arc<Shared>,
    arrivals: Receiver<Arrival>,
}

impl Hub {
    /// Starts to receive on the links.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn new(links: Vec<(Leg, Arc<dyn FrameLink>)>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            testers: Mutex::new(HashMap::new()),
            failure: Mutex::new(None),
            ending: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for (leg, link) in &links {
            let (leg, link, shared) = (*leg, Arc::clone(link), Arc::clone(&shared));
            threads.push(
                std::thread::Builder::new().name(format!("{leg:?}")).spawn(move || shared.pump(leg, link.as_ref()))?,
            );
        }
        Ok(Self { links, shared, threads })
    }

    /// Is there such a leg?
    pub(super) fn has(&self, leg: Leg) -> bool {
        self.links.iter().any(|(have, _)| *have == leg)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// In words: the leg is missing, or what the link said.
    pub(super) fn send(&self, leg: Leg, frame: &[u8]) -> Result<(), String> {
        let Some((_, link)) = self.links.iter().find(|(have, _)| *have == leg) else {
            return Err(format!("the profile has no {leg:?} leg"));
        };
        link.send(frame).map_err(|error| format!("{}: {error}", link.description()))
    }

    /// Frames that came and were lost on this machine.
    pub(super) fn lost(&self) -> u64 {
        self.links.iter().map(|(_, link)| link.lost()).sum()
    }

    /// A place for a tester that answers to these MAC addresses.
    pub(super) fn seat(&self, macs: Vec<[u8; 6]>) -> Seat {
        let (sender, arrivals) = channel();
        let mut testers = self.shared.testers.lock().unwrap_or_else(PoisonError::into_inner);
        for mac in &macs {
            testers.insert(*mac, sender.clone());
        }
        Seat { macs, shared: Arc::clone(&self.shared), arrivals }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        for (_, link) in &self.links {
            link.wake();
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has already said so; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pump(&self, leg: Leg, link: &dyn FrameLink) {
        while !self.ending.load(Ordering::Relaxed) {
            match link.receive(WAKE) {
                Ok(Some(frame)) => self.deliver(leg, frame),
                Ok(None) => {}
                Err(error) => {
                    let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                    failure.get_or_insert_with(|| format!("{}: {error}", link.description()));
                    return;
                }
            }
        }
    }

    fn deliver(&self, leg: Leg, frame: packet_io::Frame) {
        let Some(destination) = frame.bytes.first_chunk::<6>() else { return };
        let at = Instant::after_start(frame.received);
        let testers = self.testers.lock().unwrap_or_else(PoisonError::into_inner);
        // A tester that has just left no longer takes frames: that is no error.
        if destination[0] & 1 == 0 {
            if let Some(tester) = testers.get(destination) {
                let _ = tester.send(Arrival { leg, at, frame: frame.bytes });
            }
        } else {
            // One address a leg stands for each tester, so that nobody gets a broadcast twice.
            for (mac, tester) in testers.iter() {
                if mac[1] == leg_octet(leg) {
                    let _ = tester.send(Arrival { leg, at, frame: frame.bytes.clone() });
                }
            }
        }
    }
}

impl Seat {
    /// The next frame for this tester within `limit`.
    ///
    /// # Errors
    /// In words, when a link has failed.
    pub(super) fn receive(&self, limit: Duration) -> Result<Option<Arrival>, String> {
        if let Ok(arrival) = self.arrivals.recv_timeout(limit) {
            return Ok(Some(arrival));
        }
        match &*self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure.clone()),
            None => Ok(None),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut testers = self.shared.testers.lock().unwrap_or_else(PoisonError::into_inner);
        for mac in &self.macs {
            testers.remove(mac);
        }
    }
}

/// The locally administered MAC address of tester `number` on a leg.
pub(super) fn tester_mac(leg: Leg, number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, leg_octet(leg), a, b, c, d]
}

fn leg_octet(leg: Leg) -> u8 {
    match leg {
        Leg::Outside => 0xc0,
        Leg::Inside => 0xc1,
    }
}
