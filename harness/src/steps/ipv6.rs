//! What is particular to IPv6: UDP checksums, Fragment headers (RFC 8200), and bundles (guide chapter 10).

use super::common::{answers_init, send_init};
use super::replay::through_limit;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, changed, in_fragments};
use reference_peer::hands::Disposition;
use wire::Derived;
use wire::ip::{self, Protocol};
use wire::ipv6::{Extension, ExtensionBody};
use wire::udp;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.then("every UDP datagram of the DUT over IPv6 has a right checksum that is not zero", |testbed, step| {
        let mut count = (0_usize, 0_usize);
        for seen in testbed.from_dut_since(0) {
            let Some(ip::Packet::V6(packet)) = &seen.ip else { continue };
            if packet.protocol != Protocol::UDP || packet.is_fragment() {
                continue;
            }
            let (source, destination) = (packet.source.into(), packet.destination.into());
            let datagram = udp::Datagram::parse(&packet.payload, source, destination)
                .map_err(|error| StepError::failed("a UDP datagram", error.to_string()))?;
            if datagram.checksum == Derived::Exactly(0) || !datagram.is_intact(source, destination) {
                let came = format!("{:?} on {}", datagram.checksum, seen.summary());
                return Err(StepError::failed("a right checksum", came));
            }
            if seen.ike().is_some() { count.0 += 1 } else { count.1 += 1 }
        }
        step.measured("UDP checksums over IPv6", format!("right in {} of IKE and {} of ESP", count.0, count.1));
        if count.0 + count.1 > 0 { Ok(()) } else { Err(StepError::failed("UDP from the DUT", "none")) }
    });
    steps.then("inner packets of {int} octets and fewer pass, in fragments where they must", |testbed, step| {
        let most: usize = step.arg(0)?;
        let mtu = testbed.settings().mtu;
        let lengths = [most, most - 1, most - 8, most - 40, most - 80, most - 180];
        let passages = testbed.pass(&lengths.map(|length| (length, true)))?;
        for (probe, passage) in &passages {
            let told = format!("{} octets: {passage}", probe.octets());
            step.observed(told.clone());
            if !passage.arrived || passage.told().is_some() || passage.longest_piece() > mtu {
                let expected = format!("{} octets passed on in pieces of {mtu} at most, no error", probe.octets());
                return Err(StepError::failed(expected, told));
            }
        }
        if let Some((probe, passage)) = passages.first() {
            step.measured(format!("{} octets inside, {mtu} outside", probe.octets()), passage.to_string());
        }
        Ok(())
    });
    steps.then("a larger inner packet passes, or its source is told of {int} octets or more", |testbed, step| {
        let least: usize = step.arg(0)?;
        let (probe, passage) = testbed.pass_one(least + 60, true)?;
        let told = format!("{} octets: {passage}", probe.octets());
        step.observed(told.clone());
        let right = passage.told().map_or(passage.arrived, |mtu| mtu >= least);
        if right {
            Ok(())
        } else {
            Err(StepError::failed(format!("passed on, or an error with {least} or more"), told))
        }
    });
    steps.when("the tester sends an IKE_SA_INIT request with a zero UDP checksum", |testbed, _| {
        testbed.edits.packet(None, |octets| {
            without_checksum(octets);
            Disposition::Send
        });
        send_init(testbed)
    });
    steps.then("an IKE_SA_INIT request with a checksum is answered", |testbed, _| {
        testbed.edits.clear();
        answers_init(testbed)
    });
    steps.then("^ESP in UDP (comes out|is dropped) with (a right|a zero) UDP checksum$", |testbed, step| {
        let (through, zero) = (step.arg_text(0)? == "comes out", step.arg_text(1)? == "a zero");
        let sequence = testbed.next_sequence()?;
        let (ping, mut packet) = testbed.sealed_ping(sequence)?;
        if zero {
            without_checksum(&mut packet);
        }
        let limit = through_limit(testbed);
        let came = testbed.comes_through(&ping, packet, limit)?;
        judged(step, came, through)
    });
    steps.then("a packet behind an atomic Fragment header comes out", |testbed, step| {
        fragment_header(testbed, step, false)
    });
    steps.then("a packet behind a Fragment header that says that more follow is dropped", |testbed, step| {
        fragment_header(testbed, step, true)
    });
    steps.then("a packet in two outer fragments comes out", |testbed, step| {
        let sequence = testbed.next_sequence()?;
        let (ping, packet) = testbed.sealed_ping(sequence)?;
        let fragments = in_fragments(&packet, packet.len() / 2 + 40, ping.sequence.into())?;
        let before = testbed.come_out();
        for fragment in fragments {
            testbed.send_outside(fragment)?;
        }
        let limit = through_limit(testbed);
        let came = testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))?;
        judged(step, came, true)
    });
    steps.then("a packet with only the inner protection of the bundle is dropped", |testbed, step| {
        let inner = testbed.newest_bundle()?.into_iter().next();
        let (sequence, ping) = (testbed.next_sequence()?, testbed.new_ping());
        let packet = testbed.protect_packet_by(inner.as_slice(), sequence, &ping.packet(), false)?;
        let limit = through_limit(testbed);
        let came = testbed.comes_through(&ping, packet, limit)?;
        judged(step, came, false)
    });
}

fn judged(step: &mut Step, came: bool, through: bool) -> StepResult {
    let words = |through| if through { "let through" } else { "dropped" };
    step.observed(words(came));
    if came == through { Ok(()) } else { Err(StepError::failed(words(through), words(came))) }
}

/// Sets the UDP checksum of an IPv6 packet to zero.
fn without_checksum(octets: &mut [u8]) {
    if octets.first().is_some_and(|first| first >> 4 == 6)
        && octets.get(6) == Some(&Protocol::UDP.0)
        && let Some(field) = octets.get_mut(46..48)
    {
        field.fill(0);
    }
}

/// A sealed ping behind a Fragment header with offset 0.
fn fragment_header(testbed: &mut Testbed, step: &mut Step, more: bool) -> StepResult {
    let sequence = testbed.next_sequence()?;
    let (ping, packet) = testbed.sealed_ping(sequence)?;
    let identification = ping.sequence.into();
    let packet = changed(&packet, |packet| {
        if let ip::Packet::V6(packet) = packet {
            let body = ExtensionBody::Fragment { offset: 0, reserved: 0, more, identification };
            packet.extensions.push(Extension { next_header: Derived::Computed, length: Derived::Computed, body });
        }
    })?;
    let limit = through_limit(testbed);
    let came = testbed.comes_through(&ping, packet, limit)?;
    judged(step, came, !more)
}
