//! Sequence number spaces and the queues that they are for (guide chapter 2, `multi-sn`).
//!
//! The guide shows sixteen spaces and says that the number on the wire has a selector and a number; the bits were in a
//! figure that is lost. Taken here: the four high bits select the space, the other 28 are the number.

use super::replay::{expect, measured_in_space, number, numbers, through_limit};
use crate::dissect::Seen;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Setting, Testbed};
use reference_peer::ipsec::replay::{ReplayWindow, Verdict};
use reference_peer::ipsec::sequence::{Numbering, ReplayCheck, SPACES, SequenceCounter};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wire::{Derived, ipv4};

/// Bits of the number in its space.
const SPACE_BITS: u32 = 28;

/// DSCP of the priority queue: Expedited Forwarding.
const EXPEDITED: u8 = 46;

/// Space of the priority queue in the guide's example.
const PRIORITY: u8 = 11;

/// Space of the bandwidth queue of data.
const DATA: u8 = 5;

/// Space of the default class.
const DEFAULT: u8 = 0;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("multi-sn is on at the DUT", |testbed, _| testbed.set(Setting::SequenceSpaces(true)));
    steps.given("multi-sn is on at the tester", |testbed, _| {
        testbed.reconfigure_tester(|config| {
            config.data.sequence_spaces = true;
            config.data.queues = [(EXPEDITED, PRIORITY)].into();
        });
        Ok(())
    });
    steps.given("the DUT puts packets with DSCP {int} into the queue of space {int}", |testbed, step| {
        let (dscp, space): (u8, u8) = (step.arg(0)?, step.arg(1)?);
        testbed.reconfigure_dut(|config| {
            config.data.queues.insert(dscp, space);
        })
    });

    steps.when("multi-sn is switched on at both ends", |testbed, _| {
        testbed.tester.set_sequence_spaces(true);
        testbed.set(Setting::SequenceSpaces(true))
    });
    steps.when("the session is cleared and set up again", |testbed, _| {
        let now = testbed.now();
        for info in testbed.tester.ike().ike_sas() {
            let deleted = testbed.tester.command(now, |ike, rng, hands| ike.delete_ike(now, rng, info.id, hands));
            deleted.map_err(|error| StepError::inconclusive(format!("the IKE SA cannot be closed: {error}")))?;
        }
        if testbed.child()?.ike_sa.is_none() {
            testbed.control(Hook::RemoveSa)?;
        }
        let limit = testbed.answer_limit();
        testbed.await_state(limit, |testbed| testbed.tester.ike().ike_sas().is_empty())?;
        testbed.bring_up()
    });
    steps.when("{int} packets with DSCP {int} and {int} with DSCP {int} leave the DUT in turn", |testbed, step| {
        let (first, second) = ((step.arg(0)?, step.arg(1)?), (step.arg(2)?, step.arg(3)?));
        testbed.begin_stimulus();
        leave(testbed, first, second)
    });

    steps.then("numbers {word} to {word} of space {int} are let through", |testbed, step| {
        let numbers = in_space(numbers(testbed, step)?, step.arg(2)?);
        expect(testbed, step, &numbers, true)
    });
    steps.then("numbers {word} to {word} of space {int} are dropped", |testbed, step| {
        let numbers = in_space(numbers(testbed, step)?, step.arg(2)?);
        expect(testbed, step, &numbers, false)
    });
    steps.then("number {word} of space {int} is let through", |testbed, step| {
        let numbers = in_space(vec![number(testbed, step, 0)?], step.arg(1)?);
        expect(testbed, step, &numbers, true)
    });
    steps.then("number {word} of space {int} is dropped", |testbed, step| {
        let numbers = in_space(vec![number(testbed, step, 0)?], step.arg(1)?);
        expect(testbed, step, &numbers, false)
    });
    steps.then("numbers {word} to {word} of spaces {int} and {int} in turn are let through", |testbed, step| {
        let numbers = numbers(testbed, step)?;
        let (a, b): (u8, u8) = (step.arg(2)?, step.arg(3)?);
        let numbers: Vec<u64> =
            in_space(numbers.clone(), a).into_iter().zip(in_space(numbers, b)).flat_map(|(a, b)| [a, b]).collect();
        expect(testbed, step, &numbers, true)
    });
    steps.then("the window of space {int} is shorter than {int}", |testbed, step| {
        let (space, limit): (u8, u64) = (step.arg(0)?, step.arg(1)?);
        let size = measured_in_space(testbed, u64::from(space) << SPACE_BITS)?;
        step.measured("replay window of a number space", format!("{size}, configured for the SA {limit}"));
        match size.parse::<u64>() {
            Ok(size) if size < limit => Ok(()),
            _ => Err(StepError::failed(format!("a window of fewer than {limit}"), size)),
        }
    });
    steps.then(
        "of {int} waiting packets that {int} priority packets overtake, {int} are lost with one number space",
        |testbed, step| overtaken(testbed, step, Numbering::Plain),
    );
    steps.then(
        "of {int} waiting packets that {int} priority packets overtake, {int} are lost with a number space for each queue",
        |testbed, step| overtaken(testbed, step, Numbering::Spaces),
    );
    steps.then("packets with DSCP {int} are numbered in a space of their own", own_spaces);
    steps.then("a receiver that gets the priority queue first drops {int} of them", priority_first);
    steps.then("the DUT shows {int} in space {int} of what it sends, and 0 in all others", shown);
    steps.then("the tester, which has one window, drops packets that the DUT has sent", |testbed, step| {
        let (sent, dropped) = dropped_by_tester(testbed)?;
        step.measured("multi-sn at one end", format!("{dropped} of {sent} packets of the DUT dropped"));
        if dropped > 0 { Ok(()) } else { Err(StepError::failed("drops", format!("all {sent} packets taken"))) }
    });
    steps.then("the tester drops no packets that the DUT has sent", |testbed, step| {
        let (sent, dropped) = dropped_by_tester(testbed)?;
        step.measured("multi-sn at both ends", format!("{dropped} of {sent} packets of the DUT dropped"));
        if dropped == 0 { Ok(()) } else { Err(StepError::failed("no drops", format!("{dropped} of {sent}"))) }
    });
    steps.then("no packets are let through", |testbed, step| {
        let limit = through_limit(testbed);
        for _ in 0..3 {
            let ping = testbed.new_ping();
            let before = testbed.come_out();
            testbed.send_from_tester_host(&ping.packet())?;
            if testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))? {
                return Err(StepError::failed("packets of the old session dropped", "a ping let through"));
            }
        }
        step.observed("3 of 3 pings lost");
        Ok(())
    });
}

/// These numbers as they stand on the wire.
fn in_space(numbers: Vec<u64>, space: u8) -> Vec<u64> {
    numbers.into_iter().map(|number| u64::from(space) << SPACE_BITS | number).collect()
}

/// The guide's story, packet by packet. So many packets wait in the queues of data and of the default class, half in
/// each; then priority packets are numbered, and the scheduler serves their queue first, the others in turn.
fn overtaken(testbed: &mut Testbed, step: &mut Step, numbering: Numbering) -> StepResult {
    let (waiting, priority, lost): (usize, usize, usize) = (step.arg(0)?, step.arg(1)?, step.arg(2)?);
    let mut counter = SequenceCounter::new(numbering, Arc::default());
    let mut queues: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
    let spaces = (0..waiting).map(|index| if index % 2 == 0 { DATA } else { DEFAULT });
    for space in spaces.chain((0..priority).map(|_| PRIORITY)) {
        let number = counter.advance(space).map_err(StepError::testbed)?;
        queues.entry(space).or_default().push(number);
    }
    let of = |space| queues.get(&space).cloned().unwrap_or_default();
    let in_turn = of(DATA).into_iter().zip(of(DEFAULT)).flat_map(|(data, default)| [data, default]);
    let order: Vec<u64> = of(PRIORITY).into_iter().chain(in_turn).collect();
    let limit = through_limit(testbed);
    let mut came = Vec::new();
    for number in &order {
        // One by one: the order is what matters. What is dropped is waited for below.
        let (ping, packet) = testbed.sealed_ping(*number)?;
        let before = testbed.come_out();
        testbed.send_outside(packet)?;
        testbed.wait(Duration::from_millis(1))?;
        came.push((ping, before));
    }
    testbed.await_state(limit, |testbed| came.iter().all(|(ping, before)| testbed.has_come_out(*before, ping)))?;
    let missing = came.iter().filter(|(ping, before)| !testbed.has_come_out(*before, ping)).count();
    let spaces = if numbering == Numbering::Plain { "one number space" } else { "a number space for each queue" };
    step.measured(format!("lost of {waiting} packets that were overtaken, {spaces}"), missing.to_string());
    if missing == lost {
        return Ok(());
    }
    Err(StepError::failed(format!("{lost} of {} packets lost", order.len()), format!("{missing} lost")))
}

/// Packets of two classes from the host on the inside, in turn as long as there are both.
fn leave(testbed: &mut Testbed, first: (u32, u8), second: (u32, u8)) -> StepResult {
    let (mark, limit) = (testbed.mark(), testbed.answer_limit());
    let mut sent = 0;
    for index in 0..first.0.max(second.0) {
        for (_, dscp) in [first, second].into_iter().filter(|(count, _)| index < *count) {
            let packet = classed(testbed, dscp)?;
            testbed.send_from_inside(packet)?;
            sent += 1;
            let left =
                |testbed: &Testbed| testbed.from_dut_since(mark).filter(|seen| seen.numbered().is_some()).count();
            if !testbed.await_state(limit, |testbed| left(testbed) >= sent)? {
                return Err(StepError::inconclusive(format!("packet {sent} did not leave the DUT within {limit:?}")));
            }
        }
    }
    Ok(())
}

/// A ping from the inside with a DSCP, that nobody is to answer.
fn classed(testbed: &mut Testbed, dscp: u8) -> Result<Vec<u8>, StepError> {
    testbed.let_hosts_answer(false);
    let mut ping = testbed.new_ping();
    (ping.source, ping.destination) = (testbed.plan().inside_host, testbed.plan().tester_host);
    let mut packet = ipv4::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
    packet.dscp = dscp;
    packet.checksum = Derived::Computed;
    Ok(packet.to_bytes())
}

/// Of the DUT's packets since the stimulus: the inner DSCP and the number on the wire, in the order of arrival.
fn sent_by_class(testbed: &Testbed) -> Result<Vec<(u8, u32)>, StepError> {
    let spi = testbed.child()?.inbound_spi;
    let of = |seen: &Seen| {
        let (_, number) = seen.numbered().filter(|(of, _)| *of == spi)?;
        match seen.inner()? {
            wire::ip::Packet::V4(packet) => Some((packet.dscp, number)),
            wire::ip::Packet::V6(_) => None,
        }
    };
    let sent: Vec<_> = testbed.from_dut_since(testbed.since()).filter_map(of).collect();
    if sent.is_empty() {
        return Err(StepError::inconclusive("the DUT has sent nothing on the SA"));
    }
    Ok(sent)
}

/// All packets of a class have numbers of one space, one more each time, and no other class has any of it.
fn own_spaces(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let dscp: u8 = step.arg(0)?;
    let sent = sent_by_class(testbed)?;
    let own: Vec<u32> = sent.iter().filter(|(class, _)| *class == dscp).map(|(_, number)| *number).collect();
    let Some(space) = own.first().map(|number| number >> SPACE_BITS) else {
        return Err(StepError::inconclusive(format!("no packets with DSCP {dscp} left the DUT")));
    };
    let others = sent.iter().filter(|(class, number)| *class != dscp && number >> SPACE_BITS == space).count();
    let consecutive = own.windows(2).all(|pair| matches!(pair, [a, b] if a.wrapping_add(1) == *b));
    step.measured(format!("space of DSCP {dscp}"), format!("{space}, {} packets", own.len()));
    if consecutive && others == 0 {
        return Ok(());
    }
    let came = format!("space {space}: numbers {own:08x?}, and {others} packets of other queues");
    Err(StepError::failed(format!("consecutive numbers of one space for DSCP {dscp} alone"), came))
}

/// What a receiver with a window for each space would drop if the DUT's priority packets overtook all others.
fn priority_first(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let expected: usize = step.arg(0)?;
    let mut sent = sent_by_class(testbed)?;
    sent.sort_by_key(|(dscp, _)| *dscp != EXPEDITED);
    let mut check = ReplayCheck::new(Numbering::Spaces, Some(ReplayWindow::DEFAULT_SIZE), Arc::default());
    let mut dropped = 0;
    for (_, number) in &sent {
        match check.check(*number) {
            (whole, Verdict::New) => check.accept(whole),
            _ => dropped += 1,
        }
    }
    step.measured("the DUT's packets, priority queue first", format!("{dropped} of {} would be dropped", sent.len()));
    if dropped == expected {
        return Ok(());
    }
    Err(StepError::failed(format!("{expected} drops"), format!("{dropped} of {}", sent.len())))
}

/// How many packets the DUT has sent since the stimulus, and how many of them the tester has not taken.
fn dropped_by_tester(testbed: &Testbed) -> Result<(usize, usize), StepError> {
    use reference_peer::gateway::Event;
    let spi = testbed.child()?.inbound_spi;
    let sent = sent_by_class(testbed)?.len();
    let is_taken = |event: &Event| matches!(event, Event::Decapsulated { spi: of, .. } if *of == spi);
    let taken = testbed.events().iter().filter(|(_, event)| is_taken(event)).count();
    Ok((sent, sent.saturating_sub(taken)))
}

/// The counters of the outbound SA as the guide's show command lists them.
fn shown(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (count, space): (u64, usize) = (step.arg(0)?, step.arg(1)?);
    let spi = testbed.child()?.inbound_spi;
    let text = testbed.control(Hook::Counters)?;
    let block = super::replay_report::block_of(&text, spi)?;
    if !block.iter().any(|line| line.trim() == format!("Total SNS: {SPACES}")) {
        return Err(StepError::failed(format!("Total SNS: {SPACES}"), block.join("; ")));
    }
    let row = |line: &&str| {
        let mut words = line.split_whitespace();
        let row = (words.next()?.parse::<usize>().ok()?, words.next()?.parse::<u64>().ok()?);
        words.next().is_none().then_some(row)
    };
    let rows: Vec<(usize, u64)> = block.iter().filter_map(row).collect();
    let expected: Vec<(usize, u64)> =
        (0..usize::from(SPACES)).map(|of| (of, if of == space { count } else { 0 })).collect();
    step.observed(format!("{rows:?}"));
    if rows == expected {
        return Ok(());
    }
    Err(StepError::failed(format!("{count} in space {space} of {SPACES}, 0 in all others"), format!("{rows:?}")))
}
