//! The anti-replay window, measured (RFC 4303 section 3.4.3 and appendix A2, guide chapter 2).
//!
//! Sequence numbers in steps may be sums with `W` for the configured window, as in `5000-W+1`, `2*W` and `W/2`, and with
//! powers of 2, as in `2^32-1`.

use crate::profile::Window;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::Testbed;
use reference_peer::gateway::Event;
use std::collections::BTreeSet;
use std::time::Duration;

/// How far below the highest number the search for the window's edge goes.
const SEARCH: u64 = 8192;

/// What is measured where nothing is checked.
const OFF: &str = "off";

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("the packet with number {word} is let through", |testbed, step| {
        let number = number(testbed, step, 0)?;
        if lets_through(testbed, number)? {
            return Ok(());
        }
        Err(StepError::inconclusive(format!("packet {number} was not let through")))
    });
    steps.when("a packet with number {word} and a bad ICV is sent", |testbed, step| {
        let number = number(testbed, step, 0)?;
        testbed.begin_stimulus();
        let (_, packet) = testbed.forged_ping(number)?;
        testbed.send_outside(packet)
    });
    steps.when("the tester rekeys the Child SA that it sends on", |testbed, _| {
        let (spi, since) = (testbed.child()?.inbound_spi, testbed.events().len());
        let now = testbed.now();
        let begun = testbed.tester.command(now, |ike, rng, hands| ike.rekey_child(now, rng, spi, hands));
        begun.map_err(StepError::inconclusive)?;
        let limit = testbed.answer_limit();
        testbed.await_up(since, limit)?;
        // A responder may go on sending on the old SA until that is deleted (RFC 7296 section 2.8).
        let deleted = testbed.await_event(
            since,
            limit,
            |event| matches!(event, Event::ChildRemoved { inbound_spi, .. } if *inbound_spi == spi),
        )?;
        deleted.map(|_| ()).ok_or_else(|| StepError::inconclusive("the Delete of the old SA was not answered"))
    });
    steps.when("the tester makes another Child SA with the same selectors", |testbed, _| {
        let (id, since) = (testbed.ike_sa()?.id, testbed.events().len());
        let now = testbed.now();
        let child = crate::testbed::CHILD;
        let begun = testbed.tester.command(now, |ike, rng, hands| ike.create_child(now, rng, id, child, hands));
        begun.map_err(StepError::inconclusive)?;
        let limit = testbed.answer_limit();
        testbed.await_up(since, limit)
    });

    steps.then("number {word} is let through", |testbed, step| {
        let number = number(testbed, step, 0)?;
        expect(testbed, step, &[number], true)
    });
    steps.then("number {word} is dropped", |testbed, step| {
        let number = number(testbed, step, 0)?;
        expect(testbed, step, &[number], false)
    });
    steps.then("numbers {word} to {word} are let through", |testbed, step| {
        let numbers = numbers(testbed, step)?;
        expect(testbed, step, &numbers, true)
    });
    steps.then("numbers {word} to {word} are dropped", |testbed, step| {
        let numbers = numbers(testbed, step)?;
        expect(testbed, step, &numbers, false)
    });
    steps.then("numbers {word} to {word} are let through on each Child SA", |testbed, step| {
        let numbers = numbers(testbed, step)?;
        for child in testbed.children() {
            let through = let_through_on(testbed, &child, &numbers)?;
            step.observed(format!("SPI {:#010x}: {through} of {} let through", child.outbound_spi, numbers.len()));
            if through != numbers.len() {
                let all = format!("all {} packets on SPI {:#010x}", numbers.len(), child.outbound_spi);
                return Err(StepError::failed(all, format!("{through} let through")));
            }
        }
        Ok(())
    });
    steps.then("the replay window has its configured size", |testbed, step| {
        let Some(configured) = configured(testbed) else {
            return Err(StepError::not_applicable("the profile names no replay window"));
        };
        measured_window(testbed, step, configured)
    });
    steps.then("the replay window is {int}", |testbed, step| {
        let size = step.arg(0)?;
        measured_window(testbed, step, size)
    });
    steps.then("the replay window is off", is_off);
    steps.then("a random walk of {int} jumps is treated as by a window of the configured size", random_walk);
}

/// The window's size as the profile says.
fn configured(testbed: &Testbed) -> Option<u64> {
    match testbed.settings().replay_window {
        Some(Window::Packets(size)) => Some(u64::from(size)),
        Some(Window::Off) | None => None,
    }
}

/// A sum of numbers and multiples or parts of `W`.
pub(super) fn number(testbed: &Testbed, step: &Step, index: usize) -> Result<u64, StepError> {
    let text = step.arg_text(index)?;
    let wrong = || StepError::testbed(format!("{}: {text:?} is no sequence number", step.place()));
    let window = || {
        configured(testbed)
            .map(i128::from)
            .ok_or_else(|| StepError::not_applicable("the profile names no replay window"))
    };
    let mut sum = 0_i128;
    for term in text.split_inclusive(['+', '-']).scan(1, |sign, term| {
        let now = *sign;
        *sign = if term.ends_with('-') { -1 } else { 1 };
        Some((now, term.trim_end_matches(['+', '-'])))
    }) {
        let (sign, term) = term;
        let value = match term.split_once(['*', '/', '^']) {
            Some(("2", power)) if term.contains('^') => {
                1 << power.parse::<u32>().ok().filter(|power| *power <= 64).ok_or_else(wrong)?
            }
            Some((factor, "W")) => i128::from(factor.parse::<u32>().map_err(|_| wrong())?) * window()?,
            Some(("W", part)) => {
                window()? / i128::from(part.parse::<u32>().ok().filter(|part| *part > 0).ok_or_else(wrong)?)
            }
            Some(_) => return Err(wrong()),
            None if term == "W" => window()?,
            None => term.parse::<u64>().map(i128::from).map_err(|_| wrong())?,
        };
        sum += sign * value;
    }
    u64::try_from(sum).map_err(|_| wrong())
}

/// All numbers between the first and the second, in the order that is written.
pub(super) fn numbers(testbed: &Testbed, step: &Step) -> Result<Vec<u64>, StepError> {
    let (first, last) = (number(testbed, step, 0)?, number(testbed, step, 1)?);
    Ok(if first <= last { (first..=last).collect() } else { (last..=first).rev().collect() })
}

/// Is a ping with this sequence number let through?
pub(super) fn lets_through(testbed: &mut Testbed, number: u64) -> Result<bool, StepError> {
    let limit = through_limit(testbed);
    testbed.is_let_through(number, limit)
}

/// A packet that is let through is there within this time; what is not there by then was dropped.
pub(super) fn through_limit(testbed: &Testbed) -> Duration {
    testbed.silence()
}

/// All of these are let through, or all are dropped.
pub(super) fn expect(testbed: &mut Testbed, step: &mut Step, numbers: &[u64], through: bool) -> StepResult {
    let limit = through_limit(testbed);
    let came = testbed.are_let_through(numbers, limit)?;
    let words = |through| if through { "let through" } else { "dropped" };
    let otherwise: Vec<u64> =
        numbers.iter().zip(&came).filter(|(_, came)| **came != through).map(|(number, _)| *number).collect();
    let (first, last) = (numbers.first().copied().unwrap_or_default(), numbers.last().copied().unwrap_or_default());
    let which = if numbers.len() == 1 { format!("number {first}") } else { format!("numbers {first} to {last}") };
    if otherwise.is_empty() {
        step.observed(format!("{which} {}", words(through)));
        return Ok(());
    }
    Err(StepError::failed(format!("{which} {}", words(through)), format!("{} {otherwise:?}", words(!through))))
}

/// How many packets with these numbers are let through on one Child SA?
fn let_through_on(
    testbed: &mut Testbed,
    child: &reference_peer::ike::v2::ChildSa,
    numbers: &[u64],
) -> Result<usize, StepError> {
    let limit = through_limit(testbed);
    let before = testbed.come_out();
    let mut pings = Vec::new();
    for number in numbers {
        let ping = testbed.new_ping();
        let draft = crate::testbed::tunnel_draft(child.outbound_spi, *number, ping.packet());
        let esp = testbed.seal_on(child, &draft)?;
        testbed.send_esp(&esp)?;
        pings.push(ping);
    }
    testbed.await_state(limit, |testbed| pings.iter().all(|ping| testbed.has_come_out(before, ping)))?;
    Ok(pings.iter().filter(|ping| testbed.has_come_out(before, ping)).count())
}

/// Finds the lowest number that is still let through below a fresh highest one, with numbers never used before: each
/// probe has a highest number of its own, far beyond all before. The edge is looked at right after a long jump, and
/// after the window has slid from there by 1, W/2, W-1, W, W+1 and 2W; if it is elsewhere, it is searched for.
pub(super) fn measured_window(testbed: &mut Testbed, step: &mut Step, size: u64) -> StepResult {
    let mut base = 10 * SEARCH;
    // Are the numbers at these distances below the top let through, once the window has slid?
    let mut probe = |testbed: &mut Testbed, slide: u64, distances: &[u64]| -> Result<Vec<bool>, StepError> {
        base += 3 * SEARCH;
        for top in BTreeSet::from([base, base + slide]) {
            if !lets_through(testbed, top)? {
                return Err(StepError::failed(format!("the fresh number {top} let through"), "dropped"));
            }
        }
        let numbers: Vec<u64> = distances.iter().map(|distance| base + slide - distance).collect();
        let limit = through_limit(testbed);
        testbed.are_let_through(&numbers, limit)
    };
    for slide in BTreeSet::from([0, 1, size / 2, size.saturating_sub(1), size, size + 1, 2 * size]) {
        // W-1 below the top is in, W and what is further left is out. With a slide of W-1 or W, one of them is the
        // old top.
        let used = |distance: &u64| slide == 0 || *distance != slide;
        let distances: Vec<u64> = [size - 1, size, size + 1].into_iter().filter(used).collect();
        let came = probe(testbed, slide, &distances)?;
        let right = distances.iter().zip(&came).all(|(distance, came)| *came == (*distance < size));
        step.observed(format!("after a slide of {slide}: {}", if right { "as it should" } else { "elsewhere" }));
        if !right {
            let words = searched(testbed, &mut probe)?;
            step.measured("replay window", format!("configured {size}, measured {words}"));
            return Err(StepError::failed(format!("a window of {size}"), format!("{words}; after a slide of {slide}")));
        }
    }
    step.measured("replay window", format!("configured {size}, measured {size}"));
    Ok(())
}

/// The check is switched off: what has been there comes through again, and what is far behind.
pub(super) fn is_off(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let words = measured_in_space(testbed, 0)?;
    step.measured("replay window", format!("configured off, measured {words}"));
    if words == OFF { Ok(()) } else { Err(StepError::failed("no replay check", format!("a window of {words}"))) }
}

/// The size of the window of one sequence number space, in words. `selector` is what stands above each number.
pub(super) fn measured_in_space(testbed: &mut Testbed, selector: u64) -> Result<String, StepError> {
    let mut base = 10 * SEARCH;
    let mut probe = |testbed: &mut Testbed, _, distances: &[u64]| -> Result<Vec<bool>, StepError> {
        base += 3 * SEARCH;
        if !lets_through(testbed, selector | base)? {
            return Err(StepError::failed(format!("the fresh number {base} let through"), "dropped"));
        }
        let numbers: Vec<u64> = distances.iter().map(|distance| selector | (base - distance)).collect();
        let limit = through_limit(testbed);
        testbed.are_let_through(&numbers, limit)
    };
    searched(testbed, &mut probe)
}

/// The window's size by halving, in words; off if duplicates are let through, and the number [`SEARCH`] below the top.
fn searched(
    testbed: &mut Testbed,
    probe: &mut impl FnMut(&mut Testbed, u64, &[u64]) -> Result<Vec<bool>, StepError>,
) -> Result<String, StepError> {
    let mut is_in = |testbed: &mut Testbed, distance| -> Result<bool, StepError> {
        Ok(probe(testbed, 0, &[distance])?.first() == Some(&true))
    };
    let (mut low, mut high) = (0, SEARCH);
    if is_in(testbed, high)? {
        let again = is_in(testbed, 0)?;
        return Ok(if again { OFF.to_owned() } else { format!("over {SEARCH}") });
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_in(testbed, middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high.to_string())
}

/// Jumps of about whole blocks of 32 and 64, then a handful of numbers below the new top: each is let through exactly
/// if it lies in the window and has not come before.
fn random_walk(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let jumps: u32 = step.arg(0)?;
    let Some(size) = configured(testbed) else {
        return Err(StepError::not_applicable("the profile names no replay window"));
    };
    let limit = through_limit(testbed);
    let mut seen = BTreeSet::new();
    let mut top = 1000;
    for _ in 0..jumps {
        let block = if testbed.random().is_multiple_of(2) { 32 } else { 64 };
        top += block * (1 + testbed.random() % (2 * size / 32)) + testbed.random() % 3 - 1;
        if !lets_through(testbed, top)? {
            return Err(StepError::failed(format!("the fresh number {top} let through"), "dropped"));
        }
        seen.insert(top);
        let mut probes = BTreeSet::new();
        for _ in 0..24 {
            probes.insert(top - testbed.random() % (size + size / 4));
        }
        let probes: Vec<u64> = probes.into_iter().collect();
        let came = testbed.are_let_through(&probes, limit)?;
        for (number, came) in probes.into_iter().zip(came) {
            let fresh = top - number < size && seen.insert(number);
            if came != fresh {
                let words = |through| if through { "let through" } else { "dropped" };
                let place = format!("number {number} with {top} as the highest, window {size}");
                return Err(StepError::failed(format!("{place}: {}", words(fresh)), words(came)));
            }
        }
    }
    step.observed(format!("{jumps} jumps, {} numbers let through once each", seen.len()));
    Ok(())
}
