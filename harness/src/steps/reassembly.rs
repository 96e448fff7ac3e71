//! Fragments on their way to the DUT: of protected packets, put together before they are opened (RFC 4303 section 3.4.1),
//! and inner ones, which go on as they are or put together (section 3.3.4).

use super::replay::through_limit;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Ping, Testbed, overlapping};
use reference_peer::ipsec::fragment::{Fragmentation, fragment};
use std::time::Duration;

/// Octets of data in a ping that is cut.
const DATA: usize = 1000;

/// The longest inner fragment, octets.
const INNER: usize = 400;

/// A DUT may keep incomplete packets for up to two minutes (RFC 1122 section 3.3.2).
const REASSEMBLY: Duration = Duration::from_secs(120);

/// How often a DUT is tried after a flood.
const TRY: Duration = Duration::from_secs(5);

/// In what order fragments are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AsCut,
    Reversed,
    Shuffled,
}

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("{int} packets are begun and never completed", |testbed, step| {
        testbed.begin_stimulus();
        for _ in 0..step.arg(0)? {
            let (_, packet) = long_ping(testbed)?;
            let pieces = testbed.cut(&packet, 3)?;
            let first = pieces.into_iter().next().unwrap_or_default();
            testbed.send_outside(first)?;
        }
        Ok(())
    });

    steps.then("a packet in {int} to {int} fragments comes out once, in whatever order they come", in_fragments);
    steps.then("a packet does not come out while one of its fragments is missing", one_missing);
    steps.then("a packet whose fragments overlap is {word}", |testbed, step| {
        let wanted = match step.arg_text(0)? {
            "dropped" => Some(false),
            "characterised" => None,
            other => return Err(StepError::testbed(format!("{}: {other:?} is no fate", step.place()))),
        };
        overlapped(testbed, step, wanted)
    });
    steps.then("a whole packet comes out", |testbed, step| {
        let (ping, packet) = long_ping(testbed)?;
        let came = comes_out(testbed, &ping, vec![packet])?;
        judge(step, "a packet in one piece", came)
    });
    steps.then("inner fragments come out, in whatever order they come", inner_fragments);
    steps.then("whole packets come out at once, and packets in fragments after a while", recovers);
}

/// A ping of some length under the newest SAs, with a number that was never used.
fn long_ping(testbed: &mut Testbed) -> Result<(Ping, Vec<u8>), StepError> {
    let mut ping = testbed.new_ping();
    ping.data = vec![0x62; DATA];
    let number = testbed.fresh_number();
    let packet = testbed.protect_packet(number, &ping.packet(), false)?;
    Ok((ping, packet))
}

/// Sends outer packets. How often did the ping come out inside; without a leg there, how often was it answered?
fn comes_out(testbed: &mut Testbed, ping: &Ping, packets: Vec<Vec<u8>>) -> Result<usize, StepError> {
    let before = testbed.come_out();
    for packet in packets {
        testbed.send_outside(packet)?;
    }
    let limit = testbed.answer_limit();
    testbed.await_state(limit, |testbed| testbed.has_come_out(before, ping))?;
    Ok(testbed.times_come_out(before, ping))
}

fn judge(step: &mut Step, what: &str, came: usize) -> StepResult {
    if came == 1 {
        step.observed(format!("{what}: once"));
        return Ok(());
    }
    let came = if came == 0 { "not at all".to_owned() } else { format!("{came} times") };
    Err(StepError::failed(format!("{what} comes out once"), came))
}

/// Puts fragments into an order.
fn ordered(testbed: &mut Testbed, mut pieces: Vec<Vec<u8>>, order: Order) -> Vec<Vec<u8>> {
    match order {
        Order::AsCut => {}
        Order::Reversed => pieces.reverse(),
        Order::Shuffled => {
            for last in (1..pieces.len()).rev() {
                let other = usize::try_from(testbed.random() % (last as u64 + 1)).unwrap_or(0);
                pieces.swap(last, other);
            }
        }
    }
    pieces
}

fn in_fragments(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (first, last): (usize, usize) = (step.arg(0)?, step.arg(1)?);
    for count in first..=last {
        for order in [Order::AsCut, Order::Reversed, Order::Shuffled] {
            let (ping, packet) = long_ping(testbed)?;
            let pieces = testbed.cut(&packet, count)?;
            let pieces = ordered(testbed, pieces, order);
            let came = comes_out(testbed, &ping, pieces)?;
            judge(step, &format!("{count} fragments {}", words(order)), came)?;
        }
    }
    Ok(())
}

fn words(order: Order) -> &'static str {
    match order {
        Order::AsCut => "in order",
        Order::Reversed => "in reverse",
        Order::Shuffled => "shuffled",
    }
}

/// Each of four fragments in turn is missing, and comes in the end.
fn one_missing(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    for missing in 0..4 {
        let (ping, packet) = long_ping(testbed)?;
        let mut pieces = testbed.cut(&packet, 4)?;
        let late = pieces.remove(missing);
        let before = testbed.come_out();
        for piece in pieces {
            testbed.send_outside(piece)?;
        }
        let silence = through_limit(testbed);
        if testbed.await_state(silence, |testbed| testbed.has_come_out(before, &ping))? {
            let what = format!("nothing without fragment {} of 4", missing + 1);
            return Err(StepError::failed(what, "the packet"));
        }
        let came = comes_out(testbed, &ping, vec![late])?;
        judge(step, &format!("with fragment {} of 4 in the end", missing + 1), came)?;
    }
    Ok(())
}

/// The second of three fragments begins with the last octets of the first, as they are there or changed. It comes last,
/// or in its place.
fn overlapped(testbed: &mut Testbed, step: &mut Step, wanted: Option<bool>) -> StepResult {
    let mut taken = [0, 0];
    for changed in [false, true] {
        for last in [false, true] {
            let (ping, packet) = long_ping(testbed)?;
            let mut pieces = testbed.cut(&packet, 3)?;
            if let [first, second, _] = pieces.as_mut_slice() {
                *second = overlapping(first, second, changed)?;
            }
            if last {
                pieces.swap(1, 2);
            }
            let before = testbed.come_out();
            for piece in pieces {
                testbed.send_outside(piece)?;
            }
            let silence = through_limit(testbed);
            let came = testbed.await_state(silence, |testbed| testbed.has_come_out(before, &ping))?;
            if let Some(count) = taken.get_mut(usize::from(changed)) {
                *count += i32::from(came);
            }
        }
    }
    let [same, different] = taken;
    let told = |taken: i32| match taken {
        0 => "dropped".to_owned(),
        taken => format!("{taken} of 2 taken"),
    };
    let told = format!("with the same octets {}, with others {}", told(same), told(different));
    step.measured("overlapping fragments", told.clone());
    match wanted {
        Some(false) if same + different > 0 => Err(StepError::failed("overlapping fragments dropped", told)),
        _ => Ok(()),
    }
}

/// Each fragment of a ping is a protected packet; the host inside puts them together.
fn inner_fragments(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    for order in [Order::AsCut, Order::Reversed, Order::Shuffled] {
        let mut ping = testbed.new_ping();
        ping.data = vec![0x63; DATA];
        let how = Fragmentation { identification: ping.sequence.into(), ..Fragmentation::default() };
        let inner = fragment(&ping.packet(), INNER, how).map_err(StepError::testbed)?;
        let count = inner.len();
        let number = testbed.fresh_number();
        let mut packets = Vec::with_capacity(count);
        for (inner, number) in ordered(testbed, inner, order).iter().zip(number..) {
            packets.push(testbed.protect_packet(number, inner, false)?);
        }
        let came = comes_out(testbed, &ping, packets)?;
        judge(step, &format!("{count} inner fragments {}", words(order)), came)?;
    }
    Ok(())
}

/// After a flood of fragments: what is whole passes at once, what is in fragments by the time that incomplete packets
/// are given up.
fn recovers(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (ping, packet) = long_ping(testbed)?;
    let came = comes_out(testbed, &ping, vec![packet])?;
    judge(step, "a packet in one piece", came)?;
    let (begun, until) = (testbed.now(), testbed.now() + REASSEMBLY);
    loop {
        let (ping, packet) = long_ping(testbed)?;
        let pieces = testbed.cut(&packet, 3)?;
        if comes_out(testbed, &ping, pieces)? == 1 {
            let after = testbed.now().since(begun);
            step.measured("packets in fragments come out again after", format!("{:.1} s", after.as_secs_f64()));
            return Ok(());
        }
        if testbed.now() >= until {
            let what = format!("a packet in fragments comes out within {REASSEMBLY:?}");
            return Err(StepError::failed(what, "none"));
        }
        testbed.wait(TRY)?;
    }
}
