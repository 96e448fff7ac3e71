//! Sequence numbers of the sender, of ESP and AH, up to their end and across 2^32; extended numbers as the receiver
//! infers them (RFC 4303 sections 2.2, 3.3.3 and appendix A, RFC 4302 sections 2.5, 3.3.2 and appendix B).

use super::replay::{lets_through, number, through_limit};
use crate::dissect::Seen;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::Testbed;
use reference_peer::gateway::Event;
use reference_peer::ike::v2::ChildSa;
use wire::ikev2::ProtocolId;

/// Most packets until a receiver that has lost 2^32 has to have found its way again: RFC 4303 appendix A3 leaves the
/// threshold open.
const MOST_TO_RESYNCHRONISE: u64 = 128;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("{int} pings go through the tunnel, answered or not", |testbed, step| {
        let count: u32 = step.arg(0)?;
        testbed.begin_stimulus();
        let limit = through_limit(testbed);
        testbed.pings(count, limit).map(|_| ())
    });

    steps.then("the DUT's {word} packets are numbered from 1, one more each time", |testbed, step| {
        let protocol = protocol(step, 0)?;
        let numbers = on_the_wire(testbed, protocol)?;
        step.observed(format!("{} packets: {}", numbers.len(), list(&numbers)));
        if numbers.iter().zip(1_u32..).all(|(number, expected)| *number == expected) {
            return Ok(());
        }
        Err(StepError::failed("numbers 1, 2, 3, ...", list(&numbers)))
    });
    steps.then("the DUT's {word} packets have the numbers {word} to {word} and no more come", |testbed, step| {
        let (protocol, first, last) = (protocol(step, 0)?, number(testbed, step, 1)?, number(testbed, step, 2)?);
        let silence = testbed.silence();
        testbed.wait(silence)?;
        let numbers = on_the_wire(testbed, protocol)?;
        step.measured(format!("last {} numbers of the DUT", step.arg_text(0)?), list(&numbers));
        let expected: Vec<u32> = (first..=last).map(|number| number as u32).collect();
        if numbers == expected {
            return Ok(());
        }
        Err(StepError::failed(format!("{} and silence", list(&expected)), list(&numbers)))
    });
    steps.given("the tester fragments after encryption", |testbed, _| {
        testbed.reconfigure_tester(|config| config.data.pre_fragmentation = false);
        Ok(())
    });
    steps.then("each of {int} ESP packets of the DUT comes in fragments with one sequence number", in_fragments);
    steps.then("the DUT's packets carry the numbers {word} to {word}, of which the low half is on the wire", crosses);
    steps.then("each packet of the DUT verifies", |testbed, step| {
        let of_sa: Vec<&Seen> = testbed.from_dut_since(0).filter(|seen| seen.numbered().is_some()).collect();
        let verified = of_sa.iter().filter(|seen| is_open(seen)).count();
        step.observed(format!("{verified} of {} packets", of_sa.len()));
        if verified == of_sa.len() && verified > 0 {
            return Ok(());
        }
        Err(StepError::failed("all packets of the DUT verified", format!("{verified} of {}", of_sa.len())))
    });
    steps.then("a packet with the other kind of numbers is dropped", |testbed, step| {
        let mut bundle = testbed.newest_bundle()?;
        bundle.iter_mut().for_each(|child| child.esn = !child.esn);
        let ping = testbed.new_ping();
        let packet = testbed.protect_packet_by(&bundle, 500, &ping.packet(), false)?;
        let limit = through_limit(testbed);
        let came = testbed.comes_through(&ping, packet, limit)?;
        step.observed(if came { "let through" } else { "dropped" });
        if came { Err(StepError::failed("a bad ICV", "the packet let through")) } else { Ok(()) }
    });
    steps.then("packets from number {word} on are let through again", |testbed, step| {
        let first = number(testbed, step, 0)?;
        for more in 0..MOST_TO_RESYNCHRONISE {
            if lets_through(testbed, first + more)? {
                step.measured("packets until numbers are in step again", (more + 1).to_string());
                return Ok(());
            }
        }
        let expected = format!("a packet let through among {MOST_TO_RESYNCHRONISE}");
        Err(StepError::failed(expected, "all of them dropped"))
    });
}

fn protocol(step: &Step, index: usize) -> Result<ProtocolId, StepError> {
    match step.arg_text(index)? {
        "ESP" => Ok(ProtocolId::ESP),
        "AH" => Ok(ProtocolId::AH),
        other => Err(StepError::testbed(format!("{}: {other:?} is neither ESP nor AH", step.place()))),
    }
}

/// The SAs of the scenario that the DUT sends on, by protocol.
fn sa_of(testbed: &Testbed, protocol: ProtocolId) -> Result<ChildSa, StepError> {
    let found = testbed.newest_bundle()?.into_iter().find(|child| child.protocol == protocol);
    found.ok_or_else(|| StepError::testbed(format!("there is no SA for {protocol}")))
}

/// Sequence numbers on the wire of what the DUT has sent on its SA of this protocol, in the order of arrival.
fn on_the_wire(testbed: &Testbed, protocol: ProtocolId) -> Result<Vec<u32>, StepError> {
    let spi = sa_of(testbed, protocol)?.inbound_spi;
    let of = |seen: &Seen| {
        let ah = seen.ah().map(|ah| (ah.spi, ah.sequence));
        let esp = seen.esp().map(|esp| (esp.spi, esp.sequence));
        [ah, esp].into_iter().flatten().find(|(of, _)| *of == spi).map(|(_, number)| number)
    };
    let numbers: Vec<u32> = testbed.from_dut_since(0).filter_map(of).collect();
    if numbers.is_empty() {
        return Err(StepError::failed("packets of the DUT on its SA", "none"));
    }
    Ok(numbers)
}

fn list(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(|number| format!("{number:#x}")).collect();
    match words.as_slice() {
        [first, .., last] if words.len() > 12 => format!("{first} to {last}, {} in all", words.len()),
        _ => words.join(", "),
    }
}

/// Has the ICV of ESP or AH verified, of a bundle both?
fn is_open(seen: &Seen) -> bool {
    let esp = seen.esp().map(|esp| matches!(esp.opened, Some(Ok(_))));
    let ah = seen.ah().map(|ah| matches!(ah.opened, Some(Ok(_))));
    [esp, ah].into_iter().flatten().all(|opened| opened)
}

/// So many packets have been put together from fragments and have verified, with consecutive numbers.
fn in_fragments(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let count: u64 = step.arg(0)?;
    let spi = testbed.child()?.inbound_spi;
    let numbers: Vec<u64> = testbed.events().iter().filter_map(|(_, event)| verified(event, spi)).collect();
    let packets =
        testbed.from_dut_since(testbed.since()).filter(|seen| seen.numbered().is_some_and(|(of, _)| of == spi));
    let pieces: Vec<usize> = packets.map(|seen| seen.fragments.len()).collect();
    let fragments: usize = pieces.iter().sum();
    step.measured("fragments of the DUT", format!("{fragments}, ESP packets {}", numbers.len()));
    if pieces.iter().all(|pieces| *pieces > 1) && numbers == (1..=count).collect::<Vec<_>>() {
        return Ok(());
    }
    let came = format!("{fragments} fragments, ESP packets with the numbers {numbers:?}");
    Err(StepError::failed(format!("{count} ESP packets in two fragments or more each"), came))
}

/// The whole number of a packet that the tester has verified on an SA.
fn verified(event: &Event, spi: u32) -> Option<u64> {
    match event {
        Event::Decapsulated { spi: of, sequence } if *of == spi => Some(*sequence),
        _ => None,
    }
}

/// What the tester has verified with each whole number, and what stood on the wire.
fn crosses(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (first, last) = (number(testbed, step, 0)?, number(testbed, step, 1)?);
    let expected: Vec<u64> = (first..=last).collect();
    for child in testbed.newest_bundle()? {
        let of = |(_, event): &(_, Event)| verified(event, child.inbound_spi);
        let verified: Vec<u64> = testbed.events().iter().filter_map(of).collect();
        let wire = on_the_wire(testbed, child.protocol)?;
        step.observed(format!("{}: on the wire {}", child.protocol, list(&wire)));
        if verified != expected {
            let came = format!("{} verified: {verified:x?}; on the wire {}", child.protocol, list(&wire));
            return Err(StepError::failed(format!("{} numbers from {first:#x} to {last:#x}", expected.len()), came));
        }
        if wire != expected.iter().map(|number| *number as u32).collect::<Vec<_>>() {
            return Err(StepError::failed("the low halves on the wire", list(&wire)));
        }
    }
    step.measured("numbers of the DUT, verified with all 64 bits", format!("{first:#x} to {last:#x}"));
    Ok(())
}
