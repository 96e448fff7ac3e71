//! The risk that the guide warns of (chapter 4): how many IKE exchanges the DUT begins for packets with forged SPIs.

use super::informational::unknown_spi;
use super::invalid_spi::{forged, protocol};
use crate::dissect::Seen;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::Remote;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use wire::ikev1;
use wire::ikev2;

/// Packets in each burst.
const BURSTS: [u32; 4] = [1, 10, 100, 1000];

/// From so many packets on it is a flood, and at most one exchange may come of so many packets.
const FLOOD: (u32, usize) = (100, 10);

/// What comes of a burst is on its way within this time.
const SETTLES: Duration = Duration::from_secs(1);

/// Peers that are nowhere: a network for benchmarks (RFC 2544).
const NOWHERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the tester answers no phase 1", |testbed, _| {
        testbed.edits.hold_isakmp(WhichIsakmp::message(ikev1::ExchangeType::MAIN, 2), None);
        testbed.edits.hold_isakmp(WhichIsakmp::message(ikev1::ExchangeType::AGGRESSIVE, 2), None);
        Ok(())
    });
    steps.given("the DUT has {int} static peers that never answer", |testbed, step| {
        let count: u32 = step.arg(0)?;
        let dut = testbed.plan().dut;
        testbed.reconfigure_dut(|config| {
            let known = config.isakmp.connections.iter().find(|connection| connection.local == dut).cloned();
            for (number, mut connection) in (0..count).zip(std::iter::repeat(known).flatten()) {
                connection.name = format!("peer-{number}");
                connection.remote = Remote::Address(peer(number));
                config.isakmp.connections.push(connection);
            }
        })
    });

    steps.then("^forged (ESP|AH) packets, 1 to 1000 at a time, cause no exchange$", |testbed, step| {
        curve(testbed, step, 1, (0, false))
    });
    steps.then(
        "^forged (ESP|AH) packets, 1 to 1000 at a time, cause at most (\\d+) negotiations? and few exchanges$",
        |testbed, step| {
            let most = step.arg(1)?;
            curve(testbed, step, 1, (most, true))
        },
    );
    steps.then(
        "^forged (ESP|AH) packets in the names of (\\d+) peers, 1 to 1000 at a time, cause at most (\\d+) negotiations$",
        |testbed, step| {
            let (peers, most) = (step.arg(1)?, step.arg(2)?);
            curve(testbed, step, peers, (most, true))
        },
    );
}

/// The address of a peer that is nowhere.
fn peer(number: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(NOWHERE) + 1 + number).into()
}

/// What the DUT has begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Exchanges {
    /// By initiator's cookie or SPI.
    negotiations: BTreeSet<u64>,
    /// By that and Message ID; what has neither counts by its place.
    others: BTreeSet<(u64, u64)>,
    octets: usize,
}

impl Exchanges {
    fn since(testbed: &Testbed, mark: usize) -> Self {
        let mut begun = Self::default();
        testbed.from_dut_since(mark).for_each(|seen| begun.count(seen));
        begun
    }

    fn count(&mut self, seen: &Seen) {
        use ikev1::ExchangeType as V1;
        if let Some(header) = seen.isakmp().and_then(|isakmp| isakmp.header) {
            let cookie = header.initiator_cookie;
            match header.exchange_type {
                V1::MAIN | V1::AGGRESSIVE => _ = self.negotiations.insert(cookie),
                _ => _ = self.others.insert((cookie, header.message_id.into())),
            }
        } else if let Some(header) = seen.ike().filter(|ike| !ike.is_response()).and_then(|ike| ike.header) {
            let spi = header.initiator_spi;
            match header.exchange_type {
                ikev2::ExchangeType::IKE_SA_INIT => _ = self.negotiations.insert(spi),
                _ if spi == 0 => _ = self.others.insert((0, seen.index as u64)),
                _ => _ = self.others.insert((spi, header.message_id.into())),
            }
        } else {
            return;
        }
        self.octets += seen.frame.len();
    }

    fn all(&self) -> usize {
        self.negotiations.len() + self.others.len()
    }
}

/// Sends bursts of forged packets and counts what the DUT begins because of each. `most`: negotiations, and whether there
/// may be other exchanges, one for every ten packets of a flood.
fn curve(testbed: &mut Testbed, step: &mut Step, peers: u32, (most, others): (usize, bool)) -> StepResult {
    let protocol = protocol(step, 0)?;
    testbed.begin_stimulus();
    let tester = testbed.plan().tester;
    let (mut points, mut sent, mut octets) = (Vec::new(), 0, 0);
    let mut fault = None;
    for burst in BURSTS {
        let mark = testbed.mark();
        for number in 0..burst {
            let source = if peers > 1 { peer(number % peers) } else { tester };
            let spi = unknown_spi(testbed);
            let packet = forged(testbed, source, protocol, spi)?;
            sent += packet.len();
            testbed.send_outside(packet)?;
        }
        testbed.wait(SETTLES)?;
        let begun = Exchanges::since(testbed, mark);
        octets += begun.octets;
        let (negotiations, all) = (begun.negotiations.len(), begun.all());
        points.push(format!("{burst}: {all}"));
        let flood = burst >= FLOOD.0 && all > (burst as usize) / FLOOD.1;
        if negotiations > most || flood || !others && all > 0 {
            fault.get_or_insert(format!("{negotiations} negotiations and {all} exchanges in all for {burst} packets"));
        }
    }
    let points = points.join(", ");
    step.measured(
        format!("forged {} packets in: exchanges out", step.arg_text(0)?.to_owned()),
        format!("{points}; {sent} octets in, {octets} out"),
    );
    let bound =
        if others { format!("at most {most} negotiations a burst, and few exchanges") } else { "none".to_owned() };
    fault.map_or(Ok(()), |fault| Err(StepError::failed(bound, fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_that_are_nowhere_differ() {
        assert_eq!(peer(0), IpAddr::from([198, 18, 0, 1]));
        assert_eq!(peer(999), IpAddr::from([198, 18, 3, 232]));
    }
}
