//! The built-in peer as DUT: a gateway with an outside and an inside interface in the virtual network.

use reference_peer::Instant;
use reference_peer::gateway::{Gateway, Leg};
use reference_peer::netif::Interface;
use reference_peer::sim::Node;

/// A gateway plugged into the virtual network with two legs: 0 is the outside, 1 the inside.
pub struct GatewayNode {
    /// The gateway.
    pub gateway: Gateway,
    outside: Interface,
    inside: Interface,
}

impl GatewayNode {
    /// A gateway with these interfaces.
    pub fn new(gateway: Gateway, outside: Interface, inside: Interface) -> Self {
        Self { gateway, outside, inside }
    }

    fn interface(&mut self, leg: Leg) -> &mut Interface {
        match leg {
            Leg::Outside => &mut self.outside,
            Leg::Inside => &mut self.inside,
        }
    }

    /// Hands what the gateway has to send to its interfaces.
    pub fn flush(&mut self, now: Instant) {
        while let Some(transmit) = self.gateway.poll_transmit() {
            // What no route leads to is lost, as in any router.
            let _ = self.interface(transmit.leg).send_ip(now, transmit.packet);
        }
        while self.gateway.poll_event().is_some() {}
    }
}

impl Node for GatewayNode {
    fn handle_frame(&mut self, now: Instant, leg: usize, frame: &[u8]) {
        let leg = if leg == 0 { Leg::Outside } else { Leg::Inside };
        if let Some(packet) = self.interface(leg).handle_frame(now, frame) {
            self.gateway.handle(now, leg, &packet);
        }
        self.flush(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.gateway.poll_timeout().is_some_and(|at| at <= now) {
            self.gateway.handle_timeout(now);
        }
        for interface in [&mut self.outside, &mut self.inside] {
            if interface.next_timeout().is_some_and(|at| at <= now) {
                interface.handle_timeout(now);
            }
        }
        self.flush(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.gateway.poll_timeout(), self.outside.next_timeout(), self.inside.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_frame(&mut self) -> Option<(usize, Vec<u8>)> {
        if let Some(frame) = self.outside.poll_frame() {
            return Some((0, frame));
        }
        self.inside.poll_frame().map(|frame| (1, frame))
    }
}
