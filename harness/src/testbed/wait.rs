//! Letting time pass, and waiting for what is expected.

use super::{Arrival, Testbed};
use crate::dissect::{Seen, SeenIke};
use crate::run::StepError;
use reference_peer::Instant;
use reference_peer::gateway::{Event, Leg};
use reference_peer::ike::v1::observer::HashCheck;
use reference_peer::ike::{v1, v2};
use reference_peer::netif::Interface;
use std::net::IpAddr;
use std::time::Duration;
use wire::ethernet::{self, EtherType};
use wire::{arp, ip};

/// Is this an ARP request for an address that the interface does not have?
fn asks_for_another(frame: &[u8], interface: &Interface) -> bool {
    let Ok(frame) = ethernet::Frame::parse(frame) else { return false };
    frame.ether_type == EtherType::ARP
        && arp::Packet::parse_prefix(&frame.payload)
            .is_ok_and(|(arp, _)| !interface.has_address(IpAddr::V4(arp.target_ip)))
}

impl Testbed {
    /// Lets time pass until something that has been seen fits, at most for `limit` from now; what has been seen since
    /// `mark` counts too. Gives its place in [`seen`](Self::seen).
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn await_seen(
        &mut self,
        mark: usize,
        limit: Duration,
        fits: impl Fn(&Seen) -> bool,
    ) -> Result<Option<usize>, StepError> {
        let until = self.now() + limit;
        let mut looked_at = mark;
        loop {
            if let Some(found) = self.seen.get(looked_at..).unwrap_or_default().iter().position(&fits) {
                return Ok(Some(looked_at + found));
            }
            looked_at = self.seen.len();
            if !self.pump(until)? {
                let found = self.seen.get(looked_at..).unwrap_or_default().iter().position(&fits);
                return Ok(found.map(|found| looked_at + found));
            }
        }
    }

    /// The same for IKE messages of the DUT.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn await_ike(
        &mut self,
        mark: usize,
        limit: Duration,
        fits: impl Fn(&SeenIke) -> bool,
    ) -> Result<Option<usize>, StepError> {
        self.await_seen(mark, limit, |seen| seen.from_dut && seen.ike().is_some_and(&fits))
    }

    /// Lets time pass until something has happened in the tester, at most for `limit`; what has happened since `since`
    /// (a length of [`events`](Self::events)) counts too.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn await_event(
        &mut self,
        since: usize,
        limit: Duration,
        fits: impl Fn(&Event) -> bool,
    ) -> Result<Option<usize>, StepError> {
        let until = self.now() + limit;
        let mut looked_at = since;
        loop {
            let fresh = self.events.get(looked_at..).unwrap_or_default();
            if let Some(found) = fresh.iter().position(|(_, event)| fits(event)) {
                return Ok(Some(looked_at + found));
            }
            looked_at = self.events.len();
            if self.now() >= until {
                return Ok(None);
            }
            self.pump(until)?;
        }
    }

    /// Lets time pass until `done` says so, at most for `limit`. Did it?
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn await_state(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Result<bool, StepError> {
        let until = self.now() + limit;
        loop {
            if done(self) {
                return Ok(true);
            }
            if self.now() >= until {
                return Ok(false);
            }
            self.pump(until)?;
        }
    }

    /// Lets this much time pass.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn wait(&mut self, time: Duration) -> Result<(), StepError> {
        let until = self.now() + time;
        while self.now() < until {
            self.pump(until)?;
        }
        Ok(())
    }

    /// Sends what waits, and lets the world run until a frame comes, a timer of the tester runs out, or `until`. Gives
    /// false when `until` is reached and nothing came.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn pump(&mut self, until: Instant) -> Result<bool, StepError> {
        if self.interrupt.is_raised() {
            return Err(StepError::Inconclusive("interrupted".to_owned()));
        }
        self.flush()?;
        let wake = self.next_timeout().map_or(until, |at| at.min(until));
        let arrival = self.medium.receive(wake)?;
        let came = arrival.is_some();
        if let Some(arrival) = arrival {
            self.arrive(arrival);
        }
        let now = self.now();
        if self.next_timeout().is_some_and(|at| at <= now) {
            self.timeout(now);
        }
        self.flush()?;
        Ok(came || now < until)
    }

    /// A frame has reached the tester or one of its hosts.
    pub(super) fn arrive(&mut self, arrival: Arrival) {
        let Arrival { leg, at, frame } = arrival;
        // The peer's clock never goes back, though real frames carry the time at which the link took them.
        let now = self.now();
        let interface = match leg {
            Leg::Outside => Some(&mut self.outside),
            Leg::Inside => self.inside.as_mut(),
        };
        // On a shared link everybody hears whom the DUT looks for.
        if interface.as_ref().is_some_and(|interface| asks_for_another(&frame, interface)) {
            return;
        }
        self.record(leg, true, at, &frame);
        if self.is_left_over() {
            let summary = self.seen.pop().map(|seen| seen.summary()).unwrap_or_default();
            return self.note(format!("left over from an earlier scenario of this tester: {summary}"));
        }
        let interface = match leg {
            Leg::Outside => Some(&mut self.outside),
            Leg::Inside => self.inside.as_mut(),
        };
        let Some(packet) = interface.and_then(|interface| interface.handle_frame(now, &frame)) else { return };
        match leg {
            Leg::Outside => {
                let packet = match self.nat {
                    Some(nat) => nat.inward(packet),
                    None => Some(packet),
                };
                if let Some(packet) = packet {
                    self.tester.handle(now, Leg::Outside, &packet);
                }
            }
            Leg::Inside => self.inside_host_received(now, packet),
        }
        self.collect_events(now);
    }

    /// Is the newest message of the DUT one under an ISAKMP SA, or a request under an IKE SA, that this scenario knows nothing of? An earlier one with
    /// the same address may have left it, and what the DUT says of it is no answer to this scenario.
    fn is_left_over(&self) -> bool {
        let Some((newest, earlier)) = self.seen.split_last() else { return false };
        if let Some(isakmp) = newest.isakmp() {
            let cookie = |seen: &Seen| seen.isakmp()?.header.map(|header| header.initiator_cookie);
            return isakmp.protected && !isakmp.is_open() && !earlier.iter().any(|seen| cookie(seen) == cookie(newest));
        }
        let Some(ike) = newest.ike().filter(|ike| ike.protected && !ike.is_response()) else { return false };
        let spi = |seen: &Seen| seen.ike()?.header.map(|header| header.initiator_spi);
        matches!(ike.opened, Some(Err(_))) && !earlier.iter().any(|seen| spi(seen) == spi(newest))
    }

    fn timeout(&mut self, now: Instant) {
        if self.tester.poll_timeout().is_some_and(|at| at <= now) {
            self.tester.handle_timeout(now);
            self.collect_events(now);
        }
        for interface in [Some(&mut self.outside), self.inside.as_mut()].into_iter().flatten() {
            if interface.next_timeout().is_some_and(|at| at <= now) {
                interface.handle_timeout(now);
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let inside = self.inside.as_ref().and_then(|interface| interface.next_timeout());
        [self.tester.poll_timeout(), self.outside.next_timeout(), inside].into_iter().flatten().min()
    }

    /// Takes note of what has happened in the tester; keys go to the dissector, so that what comes next is opened.
    pub(super) fn collect_events(&mut self, now: Instant) {
        while let Some(event) = self.tester.poll_event() {
            match &event {
                Event::Ike(v2::Event::IkeKeys { keys, .. }) => self.dissector.add_ike((**keys).clone()),
                Event::Isakmp(v1::Event::Keys { keys, .. }) => self.dissector.add_isakmp((**keys).clone()),
                Event::ChildInstalled(child) => self.dissector.add_child(child),
                Event::Delivered(packet) => self.delivered.push((now, packet.clone())),
                _ => {}
            }
            self.events.push((now, event));
        }
        self.open_late();
    }

    /// Opens what came before its keys were there.
    fn open_late(&mut self) {
        let recent = self.seen.len().saturating_sub(8);
        // Oldest first: messages of IKEv1 follow from one another.
        for seen in self.seen.iter_mut().skip(recent) {
            let shut = match &seen.content {
                crate::dissect::Content::Ike(ike) => matches!(ike.opened, Some(Err(_))),
                crate::dissect::Content::Isakmp(isakmp) => {
                    isakmp.protected && !isakmp.is_open() || isakmp.hash == HashCheck::Unchecked
                }
                crate::dissect::Content::Esp(esp) => esp.opened.is_none(),
                crate::dissect::Content::Ah(ah) => ah.opened.is_none(),
                _ => false,
            };
            if shut && let Some(packet) = &seen.ip {
                (seen.ip, seen.content) = self.dissector.packet(packet.clone());
            }
        }
    }

    /// Sends all that the tester and its hosts have to send.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn flush(&mut self) -> Result<(), StepError> {
        let now = self.now();
        self.collect_events(now);
        while let Some(transmit) = self.tester.poll_transmit() {
            match transmit.leg {
                Leg::Outside => {
                    let packet = self.leave(transmit.packet);
                    self.outside.send_ip(now, packet).map_err(StepError::testbed)?;
                }
                Leg::Inside => self.tester_host_received(now, transmit.packet),
            }
            self.collect_events(now);
        }
        while let Some(frame) = self.outside.poll_frame() {
            self.put(Leg::Outside, &frame)?;
        }
        while let Some(frame) = self.inside.as_mut().and_then(Interface::poll_frame) {
            self.put(Leg::Inside, &frame)?;
        }
        Ok(())
    }

    /// A packet as it leaves the NAT in front of the tester, if there is one.
    pub(super) fn leave(&self, packet: Vec<u8>) -> Vec<u8> {
        match self.nat {
            Some(nat) => nat.outward(packet),
            None => packet,
        }
    }

    /// Puts a frame on a leg and takes note of it.
    pub(super) fn put(&mut self, leg: Leg, frame: &[u8]) -> Result<(), StepError> {
        let now = self.now();
        self.record(leg, false, now, frame);
        self.medium.send(leg, frame)?;
        Ok(())
    }

    fn record(&mut self, leg: Leg, from_dut: bool, at: Instant, frame: &[u8]) {
        let (mut ip, mut content) = self.dissector.frame(frame);
        let (index, mut fragments) = (self.seen.len(), Vec::new());
        if let Some(fragment) = ip.as_ref().filter(|packet| packet.is_fragment())
            && let Some(whole) = self.fragments.push((leg, from_dut), at, index, &fragment.to_bytes())
            && let Ok(packet) = ip::Packet::parse(&whole.packet)
        {
            (ip, content) = self.dissector.packet(packet);
            fragments = whole.places;
        }
        let (frame, comments) = (frame.to_vec(), Vec::new());
        self.seen.push(Seen { index, at, leg, from_dut, frame, ip, content, fragments, comments });
    }
}
