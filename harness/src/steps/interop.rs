//! Whether each end opens what the other has sealed, and whether the DUT's counters account for every packet.

use super::common::instead;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Ping, Testbed};
use reference_peer::config::Mode;
use reference_peer::gateway::Leg;
use std::fmt;
use std::time::Duration;
use wire::ip;

/// How far to the right of what was sent the numbers of forged packets begin.
const FORGED: u64 = 1_000_000;

/// Numbers that are sent again are at most so far back: a window of the least size holds them (RFC 4303 section 3.4.3).
const REPLAY_REACH: u64 = 32;

/// Octets after the SPI of a packet for which there is no SA.
const STRAY: usize = 92;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.then("pings with {int} to {int} octets of data come through from both ends unchanged", both_ways);
    steps.then(
        "of {int} good packets, {int} replays, {int} with a wrong ICV and {int} with an unknown SPI the DUT's counters \
         tell the same",
        accounts_for_all,
    );
}

/// Sends a ping of every size from each end, and wants it at the other end octet for octet, and its answer.
fn both_ways(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (first, last): (usize, usize) = (step.arg(0)?, step.arg(1)?);
    testbed.begin_stimulus();
    let limit = testbed.answer_limit();
    // In transport mode the DUT itself is at its end, and can only answer.
    let inside = testbed.has_inside() && testbed.wanted().mode == Mode::Tunnel;
    let mut pings = 0;
    for octets in first..=last {
        for from_inside in [false, true] {
            if from_inside && !inside {
                continue;
            }
            let mut ping = testbed.new_ping();
            ping.data = (0..octets).map(|_| testbed.random() as u8).collect();
            if from_inside {
                (ping.source, ping.destination) = (ping.destination, ping.source);
            }
            one_way(testbed, &ping, from_inside, inside, limit)?;
            pings += 1;
        }
    }
    let opened = opened_all(testbed)?;
    step.observed(format!("{pings} pings and their answers; {opened} packets of the DUT opened"));
    Ok(())
}

fn one_way(testbed: &mut Testbed, ping: &Ping, from_inside: bool, inside: bool, limit: Duration) -> StepResult {
    let (delivered, received) = testbed.come_out();
    if from_inside {
        testbed.send_from_inside(ping.packet())?;
    } else {
        testbed.send_from_tester_host(&ping.packet())?;
    }
    let at_tester = |testbed: &Testbed, fits: &dyn Fn(&[u8]) -> bool| {
        testbed.delivered().get(delivered..).unwrap_or_default().iter().any(|(_, packet)| fits(packet))
    };
    let wanted = payload(&ping.packet());
    let same = |packet: &[u8]| ping.is_request(packet) && payload(packet) == wanted;
    // The answer's message has a type of its own, and thus another checksum; the rest is the same.
    let rest = |octets: Option<Vec<u8>>| octets.map(|octets| octets.get(4..).unwrap_or_default().to_vec());
    let answer = |packet: &[u8]| ping.is_answered_by(packet) && rest(payload(packet)) == rest(wanted.clone());
    let done = |testbed: &Testbed| match (from_inside, inside) {
        (true, _) => at_tester(testbed, &same) && testbed.came_out_inside(received, answer),
        (false, true) => testbed.came_out_inside(received, same) && at_tester(testbed, &answer),
        (false, false) => at_tester(testbed, &answer),
    };
    if testbed.await_state(limit, done)? {
        return Ok(());
    }
    let end = if from_inside { "the DUT's end" } else { "the tester's end" };
    let octets = ping.data.len();
    Err(StepError::failed(
        format!("a ping with {octets} octets from {end} at the other one unchanged, and its answer"),
        instead(testbed),
    ))
}

/// What the IP packet carries.
fn payload(packet: &[u8]) -> Option<Vec<u8>> {
    ip::Packet::parse(packet).ok().map(|packet| packet.payload().to_vec())
}

/// Nothing has left the DUT but ESP and AH that open. How many packets?
fn opened_all(testbed: &Testbed) -> Result<usize, StepError> {
    let mut opened = 0;
    for seen in testbed.from_dut_since(testbed.since()).filter(|seen| seen.leg == Leg::Outside && seen.is_traffic()) {
        let sound = match (seen.ah(), seen.esp()) {
            (None, None) => false,
            (ah, esp) => {
                ah.is_none_or(|ah| matches!(ah.opened, Some(Ok(_))))
                    && esp.is_none_or(|esp| matches!(esp.opened, Some(Ok(_))))
            }
        };
        if !sound {
            return Err(StepError::failed("only ESP and AH that open", seen.summary()));
        }
        opened += 1;
    }
    Ok(opened)
}

/// What became of packets, as the DUT's counters for this tester say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Account {
    /// All that came, as far as the DUT counts that.
    received: Option<u64>,
    /// Accepted.
    packets: u64,
    /// Seen before, or too old.
    replay: u64,
    /// With a wrong ICV.
    integrity: u64,
}

impl Account {
    /// Reads `KEY=VALUE` lines.
    fn read(text: &str) -> Result<Self, StepError> {
        let value = |key: &str| -> Result<Option<u64>, StepError> {
            let Some(text) = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=')) else {
                return Ok(None);
            };
            let wrong = || StepError::inconclusive(format!("the hook `control.sa_counters` printed {key}={text}"));
            text.parse().map(Some).map_err(|_| wrong())
        };
        let must = |key: &str| {
            let missing = || StepError::inconclusive(format!("the hook `control.sa_counters` printed no {key}"));
            value(key)?.ok_or_else(missing)
        };
        Ok(Self {
            received: value("received")?,
            packets: must("packets")?,
            replay: must("replay")?.saturating_add(value("outside_window")?.unwrap_or(0)),
            integrity: must("integrity")?,
        })
    }

    /// What has been counted since an earlier reading.
    fn since(self, earlier: Self) -> Self {
        Self {
            received: self.received.map(|now| now.wrapping_sub(earlier.received.unwrap_or(0))),
            packets: self.packets.wrapping_sub(earlier.packets),
            replay: self.replay.wrapping_sub(earlier.replay),
            integrity: self.integrity.wrapping_sub(earlier.integrity),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, packets, replay, integrity } = self;
        if let Some(received) = received {
            write!(f, "{received} received, ")?;
        }
        write!(f, "{packets} accepted, {replay} replays, {integrity} with a wrong ICV")?;
        // What came and has no SA is counted by none.
        match received.map(|received| received.checked_sub(packets + replay + integrity)) {
            Some(Some(none)) => write!(f, ", {none} without an SA"),
            Some(None) => write!(f, ", more than were received"),
            None => Ok(()),
        }
    }
}

/// What is sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Replay,
    Forged,
    Stray,
}

/// Sends packets of four kinds in random order, a good one first and last, and compares the DUT's counters with what
/// was sent.
fn accounts_for_all(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let counts: [u64; 4] = [step.arg(0)?, step.arg(1)?, step.arg(2)?, step.arg(3)?];
    let [good, replays, forged, strays] = counts;
    if good < 2 {
        return Err(StepError::testbed(format!("{}: two good packets at least", step.place())));
    }
    testbed.begin_stimulus();
    let before = Account::read(&testbed.control(Hook::SaCounters)?)?;
    let mut left = [good - 2, replays, forged, strays];
    let kinds = [Kind::Good, Kind::Replay, Kind::Forged, Kind::Stray];
    let (mut highest, mut number_forged) = (0, FORGED);
    send(testbed, Kind::Good, &mut highest, &mut number_forged)?;
    while let total @ 1.. = left.iter().sum::<u64>() {
        let mut chosen = testbed.random() % total;
        for (kind, left) in kinds.iter().zip(&mut left) {
            if chosen < *left {
                *left -= 1;
                send(testbed, *kind, &mut highest, &mut number_forged)?;
                break;
            }
            chosen -= *left;
        }
    }
    // Packets are processed in the order in which they are sent: once the last one has come out there is no more.
    send(testbed, Kind::Good, &mut highest, &mut number_forged)?;
    let counted = Account::read(&testbed.control(Hook::SaCounters)?)?.since(before);
    let sent = Account {
        received: counted.received.map(|_| good + replays + forged + strays),
        packets: good,
        replay: replays,
        integrity: forged,
    };
    step.observed(format!("sent: {sent}; counted: {counted}"));
    if counted == sent { Ok(()) } else { Err(StepError::failed(sent.to_string(), counted.to_string())) }
}

fn send(testbed: &mut Testbed, kind: Kind, highest: &mut u64, forged: &mut u64) -> StepResult {
    let packet = match kind {
        Kind::Good => {
            *highest += 1;
            let limit = testbed.answer_limit();
            if testbed.is_let_through(*highest, limit)? {
                return Ok(());
            }
            return Err(StepError::failed(format!("number {highest} comes out"), instead(testbed)));
        }
        Kind::Replay => {
            let back = testbed.random() % REPLAY_REACH.min(*highest);
            testbed.sealed_ping(*highest - back)?.1
        }
        Kind::Forged => {
            *forged += 1;
            testbed.forged_ping(*forged)?.1
        }
        Kind::Stray => {
            let taken: Vec<u32> = testbed.children().iter().map(|child| child.outbound_spi).collect();
            let mut spi = testbed.random() as u32 | 0x8000_0000;
            while taken.contains(&spi) {
                spi ^= 1;
            }
            let mut esp = spi.to_be_bytes().to_vec();
            esp.resize(esp.len() + STRAY, 0x5a);
            testbed.esp_packet(&esp)?
        }
    };
    testbed.send_outside(packet)
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn counters_are_read_and_subtracted() {
        let read = |text: &str| Account::read(text).ok();
        let before = read("packets=2\nreplay=1\nintegrity=0\nreceived=3\n");
        let after = read("received=20\npackets=10\noutside_window=2\nreplay=3\nintegrity=1\n");
        let counted = before.zip(after).map(|(before, after)| after.since(before).to_string());
        let wanted = "17 received, 8 accepted, 4 replays, 1 with a wrong ICV, 4 without an SA";
        assert_eq!(counted.as_deref(), Some(wanted));
        assert!(read("packets=1\nreplay=0\n").is_none());
        assert!(read("packets=x\nreplay=0\nintegrity=0").is_none());
    }
}
