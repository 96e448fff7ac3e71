//! Two routers by their running-configs, driven and read by their command line as in the guide (chapter 4): pings, clear
//! and show commands, and the messages of the system log.

use crate::dissect::Seen;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Ping, Setting, Testbed};
use reference_peer::gateway::Counters;
use reference_peer::ipsec::sa::Protocol;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Octets of IP and ICMP headers in a ping over IPv4.
const HEADERS: usize = 28;

/// What the DUT says when it is told something is through within this time.
const SAID: Duration = Duration::from_millis(5);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the DUT is a router with the running-config", |testbed, step| {
        let text = text(step)?;
        testbed.play_dut_router(&text)
    });
    steps.given("the tester is a router with the running-config", |testbed, step| {
        let text = text(step)?;
        testbed.play_tester_router(&text)
    });
    steps.given("both routers are without invalid SPI recovery", |testbed, _| {
        testbed.set(Setting::InvalidSpiRecovery(false))?;
        testbed.reconfigure_tester(|config| config.invalid_spi_recovery = false);
        Ok(())
    });

    steps.when("{string} is typed at the DUT", |testbed, step| {
        let line = step.arg_text(0)?.to_owned();
        testbed.begin_stimulus();
        testbed.control(Hook::Command(line))?;
        // What the DUT tells its peer at once is through before anything else happens.
        testbed.wait(SAID)
    });
    steps.when("the tester has lost its SAs", |testbed, _| {
        let now = testbed.now();
        testbed.tester.forget(now);
        testbed.flush()
    });

    steps.then(
        "at most {int} of {int} pings of {int} octets are lost, each with {duration} for its answer",
        |t, step| {
            let (most, count, octets) = (step.arg(0)?, step.arg(1)?, step.arg(2)?);
            pings(t, step, (0, most), count, octets)
        },
    );
    steps.then("all of {int} pings of {int} octets are lost, each with {duration} for its answer", |testbed, step| {
        let (count, octets) = (step.arg(0)?, step.arg(1)?);
        pings(testbed, step, (count, count), count, octets)
    });
    steps.then("at least {int} of the DUT's {int} pings come to the tester's host within {duration}", pings_of_dut);
    steps.then("both routers have an SA of AH and one of ESP in each direction", bundle);
    steps.then("all SPIs are others than before", new_spis);
    steps.then("the DUT shows no SAs, and counters of 0", shows_nothing);
    steps.then(
        "the DUT shows that it has sent and received {int} packets under them, and so does the tester",
        |t, step| {
            let count = step.arg(0)?;
            count_agrees(t, step, count)
        },
    );
    steps.then("both routers count as many packets sent and received as pings came back", |testbed, step| {
        let answered = answered(testbed);
        count_agrees(testbed, step, answered)
    });
    steps.then("^the DUT shows its ISAKMP SAs as (.+)$", isakmp_states);
    steps.then("the DUT's log tells of the AH packets on the SPI of before", |testbed, step| {
        let spi = spi_before(testbed, Protocol::Ah)?;
        logged(testbed, step, spi)
    });
    steps.then("the tester goes on with the SPIs of before", |testbed, step| {
        let before = installed_before(testbed);
        let sent = testbed.seen().get(testbed.since()..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
        let last = sent.filter_map(Seen::ah).next_back().map(|ah| ah.spi);
        match last {
            Some(spi) if before.contains(&spi) && installed_since(testbed).is_empty() => {
                let words = format!("AH 0x{spi:X}, still the first one");
                step.measured("the originator's SPI in the black hole", words);
                Ok(())
            }
            _ => Err(StepError::failed("AH with the SPI of before", format!("{last:x?}"))),
        }
    });
    steps.then("the DUT sends nothing and writes of all of them", |testbed, step| {
        let since = testbed.since();
        if let Some(sent) = testbed.from_dut_since(since).find(|seen| seen.is_traffic()) {
            return Err(StepError::failed("nothing from the DUT", sent.summary()));
        }
        let sent = testbed.seen().get(since..).unwrap_or_default().iter();
        let sent = sent.filter(|seen| !seen.from_dut && seen.ah().is_some()).count();
        let spi = spi_before(testbed, Protocol::Ah)?;
        let lines = messages(testbed)?.into_iter().filter(|message| message.spi == spi).count();
        if lines < sent || sent == 0 {
            return Err(StepError::failed(format!("{sent} messages"), format!("{lines}")));
        }
        let words = format!("{sent} sent, nothing answered; {lines} messages in the log by now");
        step.measured("packets into the black hole", words);
        Ok(())
    });
}

fn text(step: &Step) -> Result<String, StepError> {
    let text = step.docstring().ok_or_else(|| StepError::testbed("the running-config is missing below the step"))?;
    Ok(text.to_owned())
}

// ---- Pings ----

/// Pings from the tester's host, one after the other, of which so many are lost.
fn pings(testbed: &mut Testbed, step: &mut Step, lost: (usize, usize), count: usize, octets: usize) -> StepResult {
    let timeout = step.duration(step.arg_count().saturating_sub(1))?;
    testbed.begin_stimulus();
    let mut marks = String::new();
    for _ in 0..count {
        let ping = Ping { data: vec![0x61; octets.saturating_sub(HEADERS)], ..testbed.new_ping() };
        marks.push(if answers(testbed, &ping, timeout)? { '!' } else { '.' });
    }
    let came = marks.matches('!').count();
    let words = format!("{came} came back, {} lost   {marks}", count - came);
    step.measured(format!("{count} pings of {octets} octets"), words.clone());
    if (lost.0..=lost.1).contains(&(count - came)) {
        return Ok(());
    }
    Err(StepError::failed(format!("{} to {} of them lost", lost.0, lost.1), words))
}

fn answers(testbed: &mut Testbed, ping: &Ping, timeout: Duration) -> Result<bool, StepError> {
    let before = testbed.delivered().len();
    testbed.send_from_tester_host(&ping.packet())?;
    testbed.await_state(timeout, |testbed| {
        testbed.delivered().get(before..).unwrap_or_default().iter().any(|(_, packet)| ping.is_answered_by(packet))
    })
}

/// Pings of the last series that came back: each answer has come out of the tunnel since the stimulus.
fn answered(testbed: &Testbed) -> u64 {
    let begin = testbed.seen().get(testbed.since()).map(|seen| seen.at);
    let since = testbed.delivered().iter().filter(|(at, _)| begin.is_some_and(|begin| *at > begin));
    since.count() as u64
}

/// Pings that the DUT was told to send come out of the tunnel, each within its turn.
fn pings_of_dut(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (least, count): (usize, usize) = (step.arg(0)?, step.arg(1)?);
    let limit = step.duration(2)?;
    let came = |testbed: &Testbed| {
        let begin = testbed.seen().get(testbed.since()).map_or(testbed.now(), |seen| seen.at);
        testbed.delivered().iter().filter(|(at, _)| *at >= begin).count()
    };
    testbed.await_state(limit, |testbed| came(testbed) >= count)?;
    // The answer to the last is on its way.
    testbed.wait(SAID)?;
    let came = came(testbed);
    let words = format!("{came} came to their host, {} lost", count.saturating_sub(came));
    step.measured(format!("{count} pings of the DUT"), words.clone());
    if came >= least { Ok(()) } else { Err(StepError::failed(format!("at least {least}"), words)) }
}

// ---- What the DUT shows ----

/// One SA in `show crypto ipsec sa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ShownSa {
    inbound: bool,
    ah: bool,
    spi: u32,
}

impl fmt::Display for ShownSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (direction, protocol) = (if self.inbound { "in" } else { "out" }, if self.ah { "AH" } else { "ESP" });
        write!(f, "{direction} {protocol} 0x{:X}", self.spi)
    }
}

/// What `show crypto ipsec sa` prints, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Shown {
    /// Values of each `#pkts` word, added up over all flows.
    counters: Vec<(String, u64)>,
    sas: BTreeSet<ShownSa>,
    faults: Vec<String>,
}

impl Shown {
    fn read(text: &str) -> Self {
        let mut shown = Self::default();
        let (mut inbound, mut ah) = (false, false);
        for line in text.lines().map(str::trim) {
            if let Some(heading) = line.strip_suffix(" sas:") {
                (inbound, ah) = (heading.starts_with("inbound"), heading.ends_with("ah"));
            } else if let Some(spi) = line.strip_prefix("spi: 0x") {
                match spi_in_both(spi) {
                    Some(spi) => _ = shown.sas.insert(ShownSa { inbound, ah, spi }),
                    None => shown.faults.push(line.to_owned()),
                }
            } else if line.starts_with("#pkts") {
                line.split(',').for_each(|counter| shown.count(counter));
            }
        }
        shown
    }

    fn count(&mut self, counter: &str) {
        let Some((name, value)) = counter.trim().trim_start_matches("#pkts ").split_once(": ") else { return };
        let Ok(value) = value.parse::<u64>() else { return self.faults.push(counter.to_owned()) };
        match self.counters.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += value,
            None => self.counters.push((name.to_owned(), value)),
        }
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.counters.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    fn spis(&self) -> String {
        self.sas.iter().rev().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// An SPI as the guide writes it, `249C5062(614223970)`, if both numbers are the same.
fn spi_in_both(text: &str) -> Option<u32> {
    let (hex, decimal) = text.split_once('(')?;
    let decimal = decimal.split_once(')')?.0.parse().ok()?;
    let plain = !hex.starts_with('0') || hex == "0";
    (plain && u32::from_str_radix(hex, 16) == Ok(decimal)).then_some(decimal)
}

fn show(testbed: &mut Testbed) -> Result<Shown, StepError> {
    let shown = Shown::read(&testbed.control(Hook::Command("show crypto ipsec sa".to_owned()))?);
    match shown.faults.first() {
        None => Ok(shown),
        Some(fault) => Err(StepError::failed("SPIs in hexadecimal and decimal, and counters", fault.clone())),
    }
}

/// The tester's SAs as the DUT shows them.
fn mirrored(testbed: &Testbed) -> BTreeSet<ShownSa> {
    let all = testbed.tester.crypto_sas(testbed.now()).into_iter();
    all.map(|sa| ShownSa { inbound: !sa.inbound, ah: sa.protocol == Protocol::Ah, spi: sa.spi }).collect()
}

/// Four SAs, the same in both routers.
fn bundle(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (shown, mirrored) = (show(testbed)?, mirrored(testbed));
    step.measured("the DUT's SAs", shown.spis());
    let kinds: BTreeSet<_> = shown.sas.iter().map(|sa| (sa.inbound, sa.ah)).collect();
    if shown.sas == mirrored && (shown.sas.len(), kinds.len()) == (4, 4) {
        return Ok(());
    }
    let tester: Vec<_> = mirrored.iter().map(ToString::to_string).collect();
    Err(StepError::failed(
        "the same four SAs in both",
        format!("at the DUT {}; the tester's are {}", shown.spis(), tester.join(", ")),
    ))
}

/// SPIs of all SAs that were installed at the tester before the last stimulus, and since.
fn installed_before(testbed: &Testbed) -> BTreeSet<u32> {
    spis_of(testbed, |at, begin| at < begin)
}

fn installed_since(testbed: &Testbed) -> BTreeSet<u32> {
    spis_of(testbed, |at, begin| at >= begin)
}

fn spis_of(
    testbed: &Testbed,
    wanted: impl Fn(reference_peer::Instant, reference_peer::Instant) -> bool,
) -> BTreeSet<u32> {
    let begin = testbed.seen().get(testbed.since()).map_or(testbed.now(), |seen| seen.at);
    let mut spis = BTreeSet::new();
    for (at, event) in testbed.events() {
        if let reference_peer::gateway::Event::ChildInstalled(child) = event
            && wanted(*at, begin)
        {
            spis.extend([child.inbound_spi, child.outbound_spi]);
        }
    }
    spis
}

fn new_spis(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let before = installed_before(testbed);
    let shown = show(testbed)?;
    let old: Vec<String> = before.iter().map(|spi| format!("0x{spi:X}")).collect();
    step.measured("SPIs of before", old.join(", "));
    step.measured("SPIs after recovery", shown.spis());
    if before.is_empty() {
        return Err(StepError::inconclusive("there were no SAs before"));
    }
    let same = shown.sas.iter().find(|sa| before.contains(&sa.spi));
    match same {
        None if shown.sas.len() == 4 => Ok(()),
        None => Err(StepError::failed("four new SAs", shown.spis())),
        Some(sa) => Err(StepError::failed("new SPIs", format!("{sa} was there before"))),
    }
}

fn shows_nothing(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let shown = show(testbed)?;
    step.observed(format!("{} SAs", shown.sas.len()));
    let counted: Vec<_> =
        shown.counters.iter().filter(|(_, value)| *value > 0).map(|(name, value)| format!("{name} {value}")).collect();
    if shown.sas.is_empty() && counted.is_empty() && shown.counter("encaps") == Some(0) {
        return Ok(());
    }
    Err(StepError::failed("no SAs, all counters 0", format!("{} SAs; {}", shown.sas.len(), counted.join(", "))))
}

/// `encaps`, `encrypt` and `digest` are the packets sent, `decaps`, `decrypt` and `verify` those received, at both ends.
fn count_agrees(testbed: &mut Testbed, step: &mut Step, count: u64) -> StepResult {
    const NAMES: [&str; 6] = ["encaps", "encrypt", "digest", "decaps", "decrypt", "verify"];
    let shown = show(testbed)?;
    let values: Vec<Option<u64>> = NAMES.iter().map(|name| shown.counter(name)).collect();
    let named = |values: &[Option<u64>]| {
        let one = |(name, value): (&&str, &Option<u64>)| value.map_or(format!("no {name}"), |v| format!("{name} {v}"));
        NAMES.iter().zip(values).map(one).collect::<Vec<_>>().join(", ")
    };
    step.measured("the DUT's counters", named(&values));
    let flows = testbed.tester.ipsec_flows(testbed.now());
    let own = flows.first().map(|flow| flow.counters).unwrap_or_default();
    let Counters { encaps, encrypt, digest, decaps, decrypt, verify, .. } = own;
    // The tester has counted those of before as well, which the DUT has forgotten.
    let tester_agrees =
        encaps == encrypt && encaps == digest && decaps == decrypt && decaps == verify && encaps >= count;
    let dut_agrees = values.iter().all(|value| *value == Some(count));
    if dut_agrees && tester_agrees && count > 0 {
        return Ok(());
    }
    let tester = [encaps, encrypt, digest, decaps, decrypt, verify].map(Some);
    Err(StepError::failed(format!("{count} each"), format!("{}; the tester: {}", named(&values), named(&tester))))
}

/// States in `show crypto isakmp sa`, in any order.
fn isakmp_states(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let text = testbed.control(Hook::Command("show crypto isakmp sa".to_owned()))?;
    let deleted = |line: &str| if line.contains("(deleted)") { " (deleted)" } else { "" };
    let state = |line: &str| {
        let state = line.split_whitespace().find(|word| word.starts_with("QM_") || word.starts_with("MM_"))?;
        Some(format!("{state}{}", deleted(line)))
    };
    let mut came: Vec<String> = text.lines().filter_map(state).collect();
    let mut wanted: Vec<String> = step.arg_text(0)?.split(" and ").map(str::to_owned).collect();
    came.sort();
    wanted.sort();
    step.measured("the DUT's ISAKMP SAs", came.join(", "));
    if came == wanted { Ok(()) } else { Err(StepError::failed(wanted.join(", "), came.join(", "))) }
}

// ---- The log ----

/// The guide's message about a packet without an SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidSpiMessage {
    pub(super) destination: String,
    pub(super) source: String,
    pub(super) protocol: u8,
    pub(super) spi: u32,
    pub(super) line: String,
}

impl InvalidSpiMessage {
    /// Reads one line. One guide prints RECV_PKT_INV_SPI, the others RECVD_PKT_INV_SPI.
    pub(super) fn read(line: &str) -> Option<Result<Self, String>> {
        let known = ["%CRYPTO-4-RECVD_PKT_INV_SPI:", "%CRYPTO-4-RECV_PKT_INV_SPI:"];
        let text = known.iter().find_map(|name| line.split_once(name))?.1;
        Some(Self::fields(text, line).ok_or_else(|| line.to_owned()))
    }

    fn fields(text: &str, line: &str) -> Option<Self> {
        if !text.trim().starts_with("decaps: rec'd IPSEC packet has invalid spi for") {
            return None;
        }
        let value = |name: &str| text.split_once(name)?.1.split([',', ' ']).next();
        Some(Self {
            destination: value("destaddr=")?.to_owned(),
            source: value("srcaddr=")?.trim_end().to_owned(),
            protocol: value("prot=")?.parse().ok()?,
            spi: spi_in_both(value("spi=0x")?)?,
            line: line.trim().to_owned(),
        })
    }
}

/// All such messages in the DUT's log.
pub(super) fn messages(testbed: &mut Testbed) -> Result<Vec<InvalidSpiMessage>, StepError> {
    let log = testbed.control(Hook::Log)?;
    let read: Result<Vec<_>, String> = log.lines().filter_map(InvalidSpiMessage::read).collect();
    read.map_err(|line| StepError::failed("destaddr=, prot=, spi=0xHEX(DECIMAL), srcaddr= in each message", line))
}

/// The SPI of this protocol that the DUT received on before the last stimulus.
fn spi_before(testbed: &Testbed, protocol: Protocol) -> Result<u32, StepError> {
    let ah = protocol == Protocol::Ah;
    let first = testbed.children().into_iter().find(|child| (child.protocol == wire::ikev2::ProtocolId::AH) == ah);
    first.map(|child| child.outbound_spi).ok_or_else(|| StepError::inconclusive("there were no such SAs"))
}

/// The log tells of AH packets with this SPI, and of no other packets.
fn logged(testbed: &mut Testbed, step: &mut Step, spi: u32) -> StepResult {
    let messages = messages(testbed)?;
    let (dut, tester) = (testbed.plan().dut.to_string(), testbed.plan().tester.to_string());
    let right = |message: &InvalidSpiMessage| {
        (message.protocol, message.spi) == (51, spi) && (&message.destination, &message.source) == (&dut, &tester)
    };
    match (messages.first(), messages.iter().find(|message| !right(message))) {
        (Some(first), None) => {
            step.measured("the DUT's log", first.line.clone());
            Ok(())
        }
        (_, Some(wrong)) => Err(StepError::failed(
            format!("destaddr={dut}, prot=51, spi=0x{spi:X}({spi}), srcaddr={tester}"),
            wrong.line.clone(),
        )),
        (None, None) => Err(StepError::failed("%CRYPTO-4-RECVD_PKT_INV_SPI in the log", "no such message")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    #[test]
    fn shown_sas_are_read_as_the_guide_prints_them() {
        let text = "   #pkts encaps: 10, #pkts encrypt: 10, #pkts digest: 10\n   #send errors 0, #recv errors 0\n\
                    \x20    inbound esp sas:\n      spi: 0x249C5062(614223970)\n     inbound ah sas:\n\
                    \x20     spi: 0xB16D1587(2976716167)\n     outbound ah sas:\n      spi: 0x5(6)\n";
        let shown = Shown::read(text);
        assert_eq!(
            (shown.counter("encaps"), shown.counter("digest"), shown.counter("verify")),
            (Some(10), Some(10), None)
        );
        assert_eq!(shown.spis(), "in AH 0xB16D1587, in ESP 0x249C5062");
        assert_eq!(shown.faults, ["spi: 0x5(6)"]);
    }

    #[test]
    fn messages_are_read_by_both_names() {
        let line = |name: &str, spi: &str| {
            format!(
                "*Mar 24 20:55:45.739: %CRYPTO-4-{name}: decaps: rec'd IPSEC packet has invalid spi for \
                 destaddr=10.2.2.2, prot=51, spi=0x{spi}, srcaddr=10.1.1.1"
            )
        };
        for name in ["RECVD_PKT_INV_SPI", "RECV_PKT_INV_SPI"] {
            let message = InvalidSpiMessage::read(&line(name, "1214F0D(18960141)")).unwrap().unwrap();
            assert_eq!((message.protocol, message.spi, message.source.as_str()), (51, 18_960_141, "10.1.1.1"));
        }
        for spi in ["01214F0D(18960141)", "1214F0D(1)", "1214F0D"] {
            assert!(InvalidSpiMessage::read(&line("RECVD_PKT_INV_SPI", spi)).unwrap().is_err(), "{spi}");
        }
        assert!(InvalidSpiMessage::read("*Mar 24: %SYS-5-CONFIG_I: Configured").is_none());
    }
}
