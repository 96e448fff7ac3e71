//! What the DUT says about rejected packets, and windows that hold for one peer alone (guide chapter 2).

use super::replay::{is_off, lets_through, measured_window, number, through_limit};
use crate::profile::Window;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Family, Hook, Testbed};
use reference_peer::config::{self, Remote};
use reference_peer::ike::v2::ChildSa;

/// The guide's message, up to the number of the connection.
const REPLAY_ERROR: &str = "%CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed connection id=";

/// The guide's message for a packet without an SA.
const INVALID_SPI: &str = "%CRYPTO-4-RECVD_PKT_INV_SPI";

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the crypto map for the peer over {word} sets a replay window of {int}", |testbed, step| {
        let (family, size): (Family, u32) = (step.arg(0)?, step.arg(1)?);
        override_window(testbed, family, Window::Packets(size))
    });
    steps.given("the crypto map for the peer over {word} switches the replay check off", |testbed, step| {
        let family = step.arg(0)?;
        override_window(testbed, family, Window::Off)
    });
    steps.given("a pair of SAs with the peer over {word}", |testbed, step| {
        testbed.speak_over(step.arg(0)?)?;
        testbed.bring_up()
    });
    steps.when("the packet with number {word} from the peer over {word} is let through", |testbed, step| {
        testbed.speak_over(step.arg(1)?)?;
        let number = number(testbed, step, 0)?;
        if lets_through(testbed, number)? {
            return Ok(());
        }
        Err(StepError::inconclusive(format!("packet {number} was not let through")))
    });

    steps.then("the replay window for the peer over {word} is {int}", |testbed, step| {
        testbed.speak_over(step.arg(0)?)?;
        let size = step.arg(1)?;
        measured_window(testbed, step, size)
    });
    steps.then("the replay window for the peer over {word} is off", |testbed, step| {
        testbed.speak_over(step.arg(0)?)?;
        is_off(testbed, step)
    });
    steps.then("numbers {word} to {word} from the peer over {word} are let through", |testbed, step| {
        testbed.speak_over(step.arg(2)?)?;
        let numbers = super::replay::numbers(testbed, step)?;
        super::replay::expect(testbed, step, &numbers, true)
    });
    steps.then("numbers {word} to {word} from the peer over {word} are dropped", |testbed, step| {
        testbed.speak_over(step.arg(2)?)?;
        let numbers = super::replay::numbers(testbed, step)?;
        super::replay::expect(testbed, step, &numbers, false)
    });
    steps.then("the DUT writes the guide's message about the dropped number {word}", writes_message);
    steps.then("{int} replays and {int} packets with a bad ICV are counted as such", counts);
    steps.then("the DUT shows of the SA that it receives on", shows);
    steps.then("packets on the old Child SA are dropped", |testbed, step| {
        let old = old_child(testbed)?;
        let came = comes_through_on(testbed, &old)?;
        step.observed(format!("SPI {:#010x}: {}", old.outbound_spi, if came { "let through" } else { "dropped" }));
        if came { Err(StepError::failed("packets on the old SPI dropped", "let through")) } else { Ok(()) }
    });
    steps.then("the DUT writes the guide's message about packets on the old Child SA", |testbed, step| {
        let old = old_child(testbed)?;
        let message = |line: &str| line.contains(INVALID_SPI) && names_spi(line, old.outbound_spi);
        let before = count(testbed, message)?;
        comes_through_on(testbed, &old)?;
        let after = count(testbed, message)?;
        step.observed(format!("{} such lines in the log", after.saturating_sub(before)));
        if after > before {
            return Ok(());
        }
        Err(StepError::failed(format!("{INVALID_SPI} with SPI {:#x}", old.outbound_spi), "no such line in the log"))
    });
}

/// Gives the SAs with the tester's address of one version of IP a window of their own.
fn override_window(testbed: &mut Testbed, family: Family, window: Window) -> StepResult {
    let inner = Family::of(testbed.plan().tester_host);
    let plan = testbed.plan().with(family, inner).map_err(StepError::NotApplicable)?;
    testbed.reconfigure_dut(|config| {
        for connection in &mut config.ike.connections {
            if connection.remote == Remote::Address(plan.tester) {
                let own = Some(config::Window::from(window));
                connection.children.iter_mut().for_each(|child| child.replay_window = own);
            }
        }
    })
}

/// How many lines of the DUT's log fit.
fn count(testbed: &mut Testbed, fits: impl Fn(&str) -> bool) -> Result<usize, StepError> {
    Ok(testbed.control(Hook::Log)?.lines().filter(|line| fits(line)).count())
}

/// Sends a number that is to be dropped, and looks for the message.
fn writes_message(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let number = number(testbed, step, 0)?;
    let connection = |line: &str| {
        let id: String = line.split(REPLAY_ERROR).nth(1)?.chars().take_while(char::is_ascii_digit).collect();
        (!id.is_empty()).then_some(id)
    };
    let message = |line: &str| connection(line).is_some();
    let before = count(testbed, message)?;
    if lets_through(testbed, number)? {
        return Err(StepError::failed(format!("number {number} dropped"), "let through"));
    }
    let log = testbed.control(Hook::Log)?;
    let lines: Vec<&str> = log.lines().filter(|line| message(line)).collect();
    match lines.last() {
        Some(last) if lines.len() > before => {
            step.observed((*last).to_owned());
            Ok(())
        }
        _ => Err(StepError::failed(format!("{REPLAY_ERROR}N in the log"), "no such line")),
    }
}

/// Does a text name an SPI, in hexadecimal with `0x` or decimal?
fn names_spi(text: &str, spi: u32) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16) == Ok(spi),
        None => word.parse() == Ok(spi),
    })
}

/// What the DUT prints about the SA with this SPI: from the line that names it to the next that names an SPI.
pub(super) fn block_of(text: &str, spi: u32) -> Result<Vec<&str>, StepError> {
    let is_spi = |line: &&str| line.trim_start().to_ascii_lowercase().starts_with("spi:");
    let mut lines = text.lines().skip_while(|line| !(is_spi(line) && names_spi(line, spi)));
    let first = lines.next().ok_or_else(|| {
        StepError::inconclusive(format!(
            "the hook counters prints nothing about SPI {spi:#010x}, in a line `SPI: 0x...`"
        ))
    })?;
    Ok(std::iter::once(first).chain(lines.take_while(|line| !is_spi(line))).collect())
}

/// Counters of the SA that the DUT receives on, as the guide names them: replay drops, auth fails, dropped packets.
fn counters(testbed: &mut Testbed) -> Result<[u64; 3], StepError> {
    let spi = testbed.child()?.outbound_spi;
    let text = testbed.control(Hook::Counters)?;
    let block = block_of(&text, spi)?;
    let value = |name: &str| {
        let of = |line: &&str| {
            let (key, value) = line.split_once(':')?;
            let key = key.trim().trim_end_matches("(delta)");
            (key == name).then(|| value.trim().parse::<u64>().ok()).flatten()
        };
        let found = block.iter().find_map(of);
        found.ok_or_else(|| StepError::failed(format!("a counter `{name}`"), block.join("; ")))
    };
    Ok([value("replay drops")?, value("auth fails")?, value("dropped packets")?])
}

/// Sends packets of both kinds that must be dropped, and looks how much each counter has grown.
fn counts(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (replays, forged): (u64, u64) = (step.arg(0)?, step.arg(1)?);
    let top = 70_000;
    if !lets_through(testbed, top)? {
        return Err(StepError::failed(format!("the fresh number {top} let through"), "dropped"));
    }
    let before = counters(testbed)?;
    for _ in 0..replays {
        let (_, packet) = testbed.sealed_ping(top)?;
        testbed.send_outside(packet)?;
    }
    for more in 1..=forged {
        let (_, packet) = testbed.forged_ping(top + more)?;
        testbed.send_outside(packet)?;
    }
    let silence = through_limit(testbed);
    testbed.wait(silence)?;
    let after = counters(testbed)?;
    let grown: Vec<u64> = after.iter().zip(before).map(|(after, before)| after.saturating_sub(before)).collect();
    let words = |[replays, forged, dropped]: [u64; 3]| {
        format!("replay drops {replays}, auth fails {forged}, dropped packets {dropped}")
    };
    let grown = <[u64; 3]>::try_from(grown).map_err(|_| StepError::testbed("three counters were read"))?;
    step.measured(format!("counters after {replays} replays and {forged} bad ICVs"), words(grown));
    let expected = [replays, forged, replays + forged];
    if grown == expected { Ok(()) } else { Err(StepError::failed(words(expected), words(grown))) }
}

/// Each line of the table stands in what the DUT prints about the SA.
fn shows(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let spi = testbed.child()?.outbound_spi;
    let text = testbed.control(Hook::Counters)?;
    let block = block_of(&text, spi)?;
    for wanted in step.table().iter().filter_map(|row| row.first()) {
        if !block.iter().any(|line| line.trim() == wanted) {
            return Err(StepError::failed(format!("a line `{wanted}`"), block.join("; ")));
        }
    }
    Ok(())
}

/// The Child SA before the newest.
fn old_child(testbed: &Testbed) -> Result<ChildSa, StepError> {
    let children = testbed.children();
    let old = children.len().checked_sub(2).and_then(|index| children.get(index));
    old.cloned().ok_or_else(|| StepError::inconclusive("the Child SA was not rekeyed"))
}

/// Is a ping with a fresh number let through on a Child SA?
fn comes_through_on(testbed: &mut Testbed, child: &ChildSa) -> Result<bool, StepError> {
    let number = 100_000 + 4 * testbed.mark() as u64;
    let ping = testbed.new_ping();
    let packet = testbed.protect_packet_by(std::slice::from_ref(child), number, &ping.packet(), false)?;
    let limit = through_limit(testbed);
    testbed.comes_through(&ping, packet, limit)
}
