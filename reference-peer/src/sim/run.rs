//! Letting time pass: frames and timers of the nodes of a network, in order.

use super::network::{Network, PortId};
use crate::Instant;

/// What is plugged into a network: a gateway, a NAT box, a host. Its legs are numbered from 0.
pub trait Node {
    /// A frame has arrived at a leg.
    fn handle_frame(&mut self, now: Instant, leg: usize, frame: &[u8]);
    /// The time of [`next_timeout`](Self::next_timeout) has come, or has passed.
    fn handle_timeout(&mut self, now: Instant);
    /// When the next timer runs out. Must be later than `now` after a [`handle_timeout`](Self::handle_timeout) at
    /// `now`.
    fn next_timeout(&self) -> Option<Instant>;
    /// The next frame to send, and the leg. Asked until there is none.
    fn poll_frame(&mut self) -> Option<(usize, Vec<u8>)>;
}

/// The nodes kept each other busy without time passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST_AT_ONCE} events at {at:?}: a timer that never moves on, or frames that go round in a circle")]
pub struct Livelock {
    /// The time that did not pass.
    pub at: Instant,
}

/// Most events of one instant.
const MOST_AT_ONCE: usize = 100_000;

/// Lets time pass from `now` to `until`: sends what the nodes have to send, delivers frames and runs timers, in the
/// order of their instants. Everything due at `until` is done on return.
///
/// Each node comes with the ports that its legs are plugged into, in the order of the legs. Frames for a leg without
/// a port, and frames that arrive at a port of no node, are lost.
///
/// # Errors
/// When more than 100,000 things happen at one instant.
pub fn run_until(
    network: &mut Network,
    nodes: &mut [(&mut dyn Node, &[PortId])],
    now: Instant,
    until: Instant,
) -> Result<(), Livelock> {
    let mut now = now;
    let mut events = 0;
    loop {
        events += 1;
        if events > MOST_AT_ONCE {
            return Err(Livelock { at: now });
        }
        for (node, ports) in nodes.iter_mut() {
            while let Some((leg, frame)) = node.poll_frame() {
                events += 1;
                if events > MOST_AT_ONCE {
                    return Err(Livelock { at: now });
                }
                if let Some(&port) = ports.get(leg) {
                    network.send(now, port, frame);
                }
            }
        }
        if let Some(delivery) = network.poll(now) {
            for (node, ports) in nodes.iter_mut() {
                if let Some(leg) = ports.iter().position(|&port| port == delivery.port) {
                    node.handle_frame(now, leg, &delivery.frame);
                }
            }
            continue;
        }
        let mut timers = false;
        for (node, _) in nodes.iter_mut() {
            if node.next_timeout().is_some_and(|at| at <= now) {
                node.handle_timeout(now);
                timers = true;
            }
        }
        if timers {
            continue;
        }
        let timeouts = nodes.iter().filter_map(|(node, _)| node.next_timeout());
        match timeouts.chain(network.next_event()).min() {
            Some(next) if next <= until => {
                if next > now {
                    events = 0;
                }
                now = next;
            }
            _ => return Ok(()),
        }
    }
}
