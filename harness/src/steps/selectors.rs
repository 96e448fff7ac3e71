//! Which packets an SA and the policies let pass (RFC 4301 sections 4.4.1, 5 and 7, RFC 4303 section 3.4).

use super::common::instead;
use super::replay::through_limit;
use crate::dissect::{Content, Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Ping, Ports, Testbed, is_same};
use reference_peer::config::Mode;
use reference_peer::gateway::Leg;
use reference_peer::ipsec::fragment::{Fragmentation, fragment};
use std::net::IpAddr;
use wire::Derived;
use wire::ikev2::NotifyType;
use wire::ip::{self, Protocol};

/// Every port.
const ANY: (u16, u16) = (0, u16::MAX);

/// Octets of UDP data that make two or three inner fragments of [`INNER_MTU`].
const FRAGMENTED: usize = 900;

/// The longest inner fragment.
const INNER_MTU: usize = 576;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("^the SAs are to be for (TCP|UDP) port (\\d+) of the DUT(?:'s host)?$", |testbed, step| {
        let (protocol, port): (Protocol, u16) = (protocol(step, 0)?, step.arg(1)?);
        testbed.want().ports = Some(Ports { protocol: protocol.0, dut: (port, port), tester: ANY });
        Ok(())
    });
    steps.given("the SAs are to be for pings from the tester's host", |testbed, _| {
        // Type and code in place of the port, each at the end that sends them (RFC 4301 section 4.4.1.1).
        let v4 = testbed.plan().tester_host.is_ipv4();
        let (protocol, request, reply) = if v4 { (1, 8, 0) } else { (58, 128, 129) };
        let codes = |kind: u16| (kind << 8, kind << 8 | 0xff);
        testbed.want().ports = Some(Ports { protocol, dut: codes(reply), tester: codes(request) });
        Ok(())
    });
    inward(steps);
    outward(steps);
    clear(steps);
    malformed(steps);
}

fn protocol(step: &Step, index: usize) -> Result<Protocol, StepError> {
    Ok(if step.arg_text(index)? == "TCP" { Protocol::TCP } else { Protocol::UDP })
}

fn judged(step: &mut Step, came: bool, through: bool) -> StepResult {
    let words = |through| if through { "let through" } else { "dropped" };
    step.observed(words(came));
    if came == through { Ok(()) } else { Err(StepError::failed(words(through), words(came))) }
}

/// The ends of a packet under the SA, as it goes in.
fn ends(testbed: &Testbed) -> (IpAddr, IpAddr) {
    let plan = testbed.plan();
    match testbed.wanted().mode {
        Mode::Tunnel => (plan.tester_host, testbed.ping_target()),
        Mode::Transport => (plan.tester, plan.dut),
    }
}

// ---- Packets under an SA ----

fn inward(steps: &mut Steps<Testbed>) {
    steps.then("^(TCP|UDP) to port (\\d+) of the DUT's host (comes out|is dropped)$", |testbed, step| {
        let packet = to_port(testbed, step)?;
        let mark = testbed.mark();
        testbed.send_protected(&packet, |_| ())?;
        let limit = through_limit(testbed);
        let came = testbed.await_inside(mark, limit, |other| is_same(other, &packet))?.is_some();
        let through = step.arg_text(2)? == "comes out";
        judged(step, came, through)
    });
    steps.then("^(TCP|UDP) to port (\\d+) of the DUT (is answered|gets no answer)$", |testbed, step| {
        let packet = to_port(testbed, step)?;
        let since = testbed.mark();
        testbed.send_protected(&packet, |_| ())?;
        let limit = through_limit(testbed);
        let answers = |seen: &Seen| seen.from_dut && seen.leg == Leg::Outside && is_reply(seen);
        let found = testbed.await_seen(since, limit, answers)?;
        let came = found.and_then(|index| testbed.seen().get(index)).map(Seen::summary);
        step.observed(came.clone().unwrap_or_else(|| "no answer".to_owned()));
        match (step.arg_text(2)? == "is answered", came) {
            (true, Some(_)) | (false, None) => Ok(()),
            (true, None) => Err(StepError::failed(format!("an answer within {limit:?}"), "none")),
            (false, Some(came)) => Err(StepError::failed(format!("no answer for {limit:?}"), came)),
        }
    });
    steps.then("a ping under the same SA gets no answer", |testbed, step| {
        let ping = testbed.new_ping();
        nothing_of(testbed, step, &ping, |_| ())
    });
    steps.then("a ping under the same SA does not come out", |testbed, step| {
        let ping = testbed.new_ping();
        nothing_of(testbed, step, &ping, |_| ())
    });
    steps.then("a packet from a stranger is dropped", |testbed, step| {
        let mut ping = testbed.new_ping();
        ping.source = testbed.stranger();
        nothing_of(testbed, step, &ping, |_| ())
    });
    steps.then("a packet to a stranger is dropped", |testbed, step| {
        let mut ping = testbed.new_ping();
        ping.destination = testbed.stranger();
        nothing_of(testbed, step, &ping, |_| ())
    });
    steps.then("a packet under the SA that is no ping is dropped", |testbed, step| {
        let ends = ends(testbed);
        let packet = testbed.udp_packet(ends, 9, 40)?;
        let mark = testbed.mark();
        testbed.send_protected(&packet, |_| ())?;
        let limit = through_limit(testbed);
        let came = testbed.await_seen(mark, limit, |seen| seen.from_dut && (is_reply(seen) || is_out(seen)))?;
        judged(step, came.is_some(), false)
    });
    steps.when("{int} packets from a stranger are sent under the SA", |testbed, step| {
        let count: u32 = step.arg(0)?;
        testbed.begin_stimulus();
        for _ in 0..count {
            let (mut ping, _) = testbed.ping_packet()?;
            ping.source = testbed.stranger();
            let packet = ip::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
            testbed.send_protected(&packet, |_| ())?;
        }
        let limit = testbed.answer_limit();
        testbed.wait(limit)
    });
    steps.then("the DUT tells of {int} of them at most, with its SPI and the start of a packet", invalid_selectors);
    steps.then("a UDP packet for port {int} in two fragments comes out", |testbed, step| {
        let port = step.arg(0)?;
        let sent = inner_fragments(testbed, port)?;
        let limit = through_limit(testbed);
        let mark = testbed.mark();
        for fragment in &sent {
            testbed.send_protected(fragment, |_| ())?;
        }
        let out = |testbed: &Testbed, fragment: &ip::Packet| {
            testbed.from_dut_since(mark).any(|seen| is_out(seen) && is_fragment(seen.piece().as_ref(), fragment))
        };
        testbed.await_state(limit, |testbed| sent.iter().all(|fragment| out(testbed, fragment)))?;
        let came = sent.iter().filter(|fragment| out(testbed, fragment)).count();
        step.observed(format!("{came} of {} fragments", sent.len()));
        if came == sent.len() {
            return Ok(());
        }
        Err(StepError::failed(format!("all {} fragments", sent.len()), format!("{came} of them")))
    });
    steps.then("a later fragment for port {int} is dropped", |testbed, step| {
        let port = step.arg(0)?;
        let sent = inner_fragments(testbed, port)?;
        let limit = through_limit(testbed);
        let mark = testbed.mark();
        for fragment in &sent {
            testbed.send_protected(fragment, |_| ())?;
        }
        let later: Vec<&ip::Packet> = sent.iter().skip(1).collect();
        let out =
            |seen: &Seen| is_out(seen) && later.iter().any(|fragment| is_fragment(seen.piece().as_ref(), fragment));
        let came = testbed.await_seen(mark, limit, out)?;
        judged(step, came.is_some(), false)
    });
}

fn to_port(testbed: &mut Testbed, step: &Step) -> Result<ip::Packet, StepError> {
    let (protocol, port): (Protocol, u16) = (protocol(step, 0)?, step.arg(1)?);
    let ends = ends(testbed);
    if protocol == Protocol::TCP { testbed.tcp_packet(ends, port) } else { testbed.udp_packet(ends, port, 40) }
}

/// Does something of the DUT answer a packet: protected, or in the clear?
fn is_reply(seen: &Seen) -> bool {
    match &seen.content {
        Content::Esp(_) | Content::Ah(_) | Content::Icmp(_) => true,
        Content::Udp(datagram) => datagram.destination_port == 40_000,
        Content::Other(_) => seen.ip.as_ref().is_some_and(|packet| packet.protocol() == Protocol::TCP),
        _ => false,
    }
}

/// Is it something other than neighbour discovery that the DUT sends to its inside?
fn is_out(seen: &Seen) -> bool {
    seen.from_dut && seen.leg == Leg::Inside && seen.ip.is_some() && !is_discovery(seen.ip.as_ref())
}

/// Is it this fragment? Its place is the same and so is what it carries.
fn is_fragment(packet: Option<&ip::Packet>, sent: &ip::Packet) -> bool {
    packet.is_some_and(|packet| packet.is_fragment() && packet.payload() == sent.payload() && is_same(packet, sent))
}

/// For the time that counts as silence, neither the ping comes out anywhere nor anything that answers it.
fn nothing_of(testbed: &mut Testbed, step: &mut Step, ping: &Ping, change: impl Fn(&mut ip::Packet)) -> StepResult {
    let packet = ip::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
    let mark = testbed.mark();
    testbed.send_protected(&packet, change)?;
    silence(testbed, step, mark)
}

/// For the time that counts as silence the DUT forwards nothing and answers nothing. ICMP errors are neither.
fn silence(testbed: &mut Testbed, step: &mut Step, mark: usize) -> StepResult {
    let limit = through_limit(testbed);
    let heard = |seen: &Seen| {
        let carried = seen.inner().or_else(|| seen.ip.clone());
        let error = carried.as_ref().is_some_and(is_icmp_error);
        let echo =
            carried.as_ref().is_some_and(|packet| matches!(packet.protocol(), Protocol::ICMP | Protocol::ICMPV6));
        let outside = seen.leg == Leg::Outside && (is_reply(seen) || echo && !is_discovery(seen.ip.as_ref()));
        seen.from_dut && !error && (is_out(seen) || outside)
    };
    match testbed.await_seen(mark, limit, heard)? {
        None => {
            step.observed("dropped");
            Ok(())
        }
        Some(index) => {
            testbed.comment(index, "judged: nothing was expected here");
            let came = testbed.seen().get(index).map(Seen::summary).unwrap_or_default();
            Err(StepError::failed(format!("nothing for {limit:?}"), came))
        }
    }
}

/// Does the packet say that another could not be delivered?
fn is_icmp_error(packet: &ip::Packet) -> bool {
    let kind = packet.payload().first().copied().unwrap_or_default();
    match packet.protocol() {
        Protocol::ICMP => matches!(kind, 3 | 5 | 11 | 12),
        Protocol::ICMPV6 => kind < 128,
        _ => false,
    }
}

/// Router and neighbour discovery.
fn is_discovery(packet: Option<&ip::Packet>) -> bool {
    packet.is_some_and(|packet| {
        packet.protocol() == Protocol::ICMPV6 && packet.payload().first().is_some_and(|kind| (133..=137).contains(kind))
    })
}

/// INVALID_SELECTORS (RFC 7296 section 3.10.1): no more than so many, each with the SPI and the start of a packet.
fn invalid_selectors(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let most: usize = step.arg(0)?;
    let spi = testbed.child()?.outbound_spi.to_be_bytes();
    let requests = testbed.from_dut_since(testbed.since()).filter_map(Seen::ike).filter(|ike| !ike.is_response());
    // A request that is sent again is the same notify.
    let mut told: Vec<&SeenIke> = requests.filter(|ike| ike.notify(NotifyType::INVALID_SELECTORS).is_some()).collect();
    told.dedup_by_key(|ike| ike.header.map(|header| header.message_id));
    step.measured("INVALID_SELECTORS", format!("{} notifies", told.len()));
    for notify in told.iter().filter_map(|ike| ike.notify(NotifyType::INVALID_SELECTORS)) {
        if notify.spi.as_slice() != spi || notify.data.is_empty() {
            let came = format!("SPI {:02x?}, {} octets of data", notify.spi, notify.data.len());
            return Err(StepError::failed(format!("SPI {spi:02x?} and the start of a packet"), came));
        }
    }
    if told.len() <= most {
        return Ok(());
    }
    Err(StepError::failed(format!("{most} notifies at most"), format!("{}", told.len())))
}

/// A UDP datagram between the two hosts in two fragments or more.
fn inner_fragments(testbed: &mut Testbed, port: u16) -> Result<Vec<ip::Packet>, StepError> {
    let ends = ends(testbed);
    let packet = testbed.udp_packet(ends, port, FRAGMENTED)?;
    cut(testbed, packet)
}

fn cut(testbed: &mut Testbed, mut packet: ip::Packet) -> Result<Vec<ip::Packet>, StepError> {
    let identification = testbed.random() as u32;
    if let ip::Packet::V4(packet) = &mut packet {
        packet.identification = identification as u16;
        packet.checksum = Derived::Computed;
    }
    let how = Fragmentation { identification, ..Fragmentation::default() };
    let fragments = fragment(&packet.to_bytes(), INNER_MTU, how).map_err(StepError::testbed)?;
    fragments.iter().map(|octets| ip::Packet::parse(octets).map_err(StepError::testbed)).collect()
}

// ---- Packets from the inside ----

fn outward(steps: &mut Steps<Testbed>) {
    steps.then("a UDP packet in two fragments from the inside goes into the tunnel", |testbed, step| {
        let fragments = from_inside(testbed, 9)?;
        let came = testbed.encapsulate(&fragments)?.into_iter().flatten().count();
        step.observed(format!("{came} of {} fragments", fragments.len()));
        if came == fragments.len() {
            return Ok(());
        }
        Err(StepError::failed(format!("all {} fragments protected", fragments.len()), format!("{came} of them")))
    });
    steps.then("a packet from the inside to a stranger goes nowhere", |testbed, step| {
        let packet = testbed.ping_packet_from_inside()?;
        let stranger = testbed.stranger();
        let packet = testbed.udp_packet((packet.source(), stranger), 9, 40)?;
        let mark = testbed.mark();
        testbed.send_from_inside(packet.to_bytes())?;
        let limit = through_limit(testbed);
        let forwards =
            |seen: &Seen| seen.leg == Leg::Outside && seen.ip.as_ref().is_some_and(|ip| is_same(ip, &packet));
        let protects = |seen: &Seen| seen.leg == Leg::Outside && seen.inner().is_some_and(|ip| is_same(&ip, &packet));
        let came = testbed.await_seen(mark, limit, |seen| seen.from_dut && (forwards(seen) || protects(seen)))?;
        judged(step, came.is_some(), false)
    });
}

fn from_inside(testbed: &mut Testbed, port: u16) -> Result<Vec<ip::Packet>, StepError> {
    let packet = testbed.ping_packet_from_inside()?;
    let packet = testbed.udp_packet((packet.source(), packet.destination()), port, FRAGMENTED)?;
    cut(testbed, packet)
}

// ---- Packets in the clear ----

fn clear(steps: &mut Steps<Testbed>) {
    steps.then("a clear packet between the protected networks is dropped", |testbed, step| {
        let (_, packet) = testbed.ping_packet()?;
        let mark = testbed.mark();
        testbed.send_in_clear(&packet)?;
        silence(testbed, step, mark)
    });
    steps.then("a clear packet from a stranger to the DUT's inside is dropped", |testbed, step| {
        let (mut ping, _) = testbed.ping_packet()?;
        ping.source = testbed.stranger();
        let packet = ip::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
        let mark = testbed.mark();
        testbed.send_in_clear(&packet)?;
        silence(testbed, step, mark)
    });
}

// ---- Malformed inner packets ----

fn malformed(steps: &mut Steps<Testbed>) {
    steps.when("^inner packets with these faults are sent: (.+)$", |testbed, step| {
        let faults: Vec<String> = step.arg_text(0)?.split(", ").map(str::to_owned).collect();
        testbed.begin_stimulus();
        for fault in faults {
            let (_, inner) = testbed.ping_packet()?;
            let mut draft = {
                let child = testbed.child()?;
                let sequence = testbed.next_sequence()?;
                testbed.draft_on(&child, sequence, &inner.to_bytes())?
            };
            break_inner(&mut draft.payload, &mut draft.next_header, &fault)?;
            let esp = testbed.seal(&draft)?;
            testbed.send_esp(&esp)?;
        }
        Ok(())
    });
    steps.then("nothing comes of them", |testbed, step| {
        let since = testbed.since();
        silence(testbed, step, since).map_err(|error| match error {
            StepError::Failed { expected, observed } => {
                StepError::failed(expected, format!("{observed}; {}", instead(testbed)))
            }
            other => other,
        })
    });
}

/// Breaks an inner packet. Where it stays a sound IPv4 header but for the fault, its checksum is right.
fn break_inner(payload: &mut Vec<u8>, next_header: &mut u8, fault: &str) -> StepResult {
    let v4 = *next_header == 4;
    let length = if v4 { 2..4 } else { 4..6 };
    let set = |payload: &mut Vec<u8>, at: usize, value: u8| {
        if let Some(octet) = payload.get_mut(at) {
            *octet = value;
        }
    };
    match fault {
        "version 5" => set(payload, 0, 0x50 | payload.first().copied().unwrap_or_default() & 0x0f),
        "version 0" => set(payload, 0, payload.first().copied().unwrap_or_default() & 0x0f),
        "header length 4" => set(payload, 0, 0x44),
        "header length 15" => set(payload, 0, 0x4f),
        "a length beyond the end" => {
            if let Some(field) = payload.get_mut(length) {
                field.copy_from_slice(&1000_u16.to_be_bytes());
            }
        }
        "a length shorter than the header" => {
            if let Some(field) = payload.get_mut(length) {
                field.copy_from_slice(&16_u16.to_be_bytes());
            }
        }
        "a wrong header checksum" => {
            if let Some(octet) = payload.get_mut(11) {
                *octet ^= 0x01;
            }
            return Ok(());
        }
        "the other version in the next header" => *next_header = if v4 { 41 } else { 4 },
        "cut within the header" => payload.truncate(12),
        "no octet at all" => payload.clear(),
        _ => return Err(StepError::testbed(format!("no fault is called {fault:?}"))),
    }
    if v4 && payload.len() >= 20 {
        payload[10..12].fill(0);
        let sum = wire::checksum::checksum(payload.get(..20).unwrap_or_default());
        payload[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    Ok(())
}
