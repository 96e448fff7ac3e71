//! Tunnel mode: what becomes of the outer and of the inner header (RFC 4301 section 5.1.2, RFC 4303 section 3.1.2).

use super::common::instead;
use crate::dissect::SeenEsp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Encapsulated, Testbed, Tunnelled, set_hop_limit, set_traffic_class, v4};
use reference_peer::gateway::Leg;
use std::collections::BTreeSet;
use std::net::IpAddr;
use wire::Derived;
use wire::ip::{self, Ecn, Protocol};
use wire::ipv6::{self, Extension, ExtensionBody};

/// Router Alert (RFC 2113), which a router leaves as it is, and the padding that it needs.
const ROUTER_ALERT: [u8; 4] = [148, 4, 0, 0];

/// An IPv6 option that a node skips which does not know it (RFC 4727 section 3.4).
const SKIPPED: [u8; 6] = [0x1e, 4, 1, 2, 3, 4];

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the protected networks are one host each", |testbed, _| {
        testbed.use_hosts();
        Ok(())
    });
    outward(steps);
    inward(steps);
}

fn outward(steps: &mut Steps<Testbed>) {
    steps.then("options of inner packets do not come into the outer header", |testbed, step| {
        let mut packets = vec![testbed.ping_packet_from_inside()?, testbed.ping_packet_from_inside()?];
        if let Some(first) = packets.first_mut() {
            v4(first)?.options = ROUTER_ALERT.to_vec();
        }
        for (sent, came) in all(testbed, &packets)? {
            let options = |packet: &ip::Packet| match packet {
                ip::Packet::V4(packet) => packet.options.clone(),
                ip::Packet::V6(_) => Vec::new(),
            };
            let (outer, inner) = (options(&came.outer), options(&came.inner));
            step.observed(format!("options {:02x?} inside, {outer:02x?} outside", inner));
            if !outer.is_empty() || inner != options(&sent) {
                let expected = format!("options {:02x?} inside, none outside", options(&sent));
                return Err(StepError::failed(expected, format!("{inner:02x?} inside, {outer:02x?} outside")));
            }
        }
        Ok(())
    });
    steps.then("the outer TTL is the same whatever the inner is, which is one less", inner_ttl);
    steps.then("a packet from the inside with TTL 1 does not go into the tunnel", |testbed, step| {
        let mut packet = testbed.ping_packet_from_inside()?;
        set_hop_limit(&mut packet, 1);
        let came = testbed.encapsulate(std::slice::from_ref(&packet))?.into_iter().flatten().next();
        match came {
            None => {
                step.observed("dropped");
                Ok(())
            }
            Some(came) => Err(StepError::failed("dropped", format!("protected with TTL {}", came.inner.hop_limit()))),
        }
    });
    steps.then("the outer addresses are those of the SA, whoever sends", |testbed, step| {
        let (dut, tester) = (testbed.plan().dut, testbed.plan().tester);
        let packet = testbed.ping_packet_from_inside()?;
        let mut packets = Vec::new();
        for (nearer, farther) in [(0, 0), (1, 0), (2, 1), (3, 7)] {
            let (source, destination) = (packet.source(), packet.destination());
            packets.push(testbed.udp_packet((next(source, nearer), next(destination, farther)), 9, 40)?);
        }
        let came = all(testbed, &packets)?;
        step.observed(format!("{} inner pairs of addresses", came.len()));
        let ends = came.iter().map(|(_, came)| (came.outer.source(), came.outer.destination()));
        match ends.into_iter().find(|ends| *ends != (dut, tester)) {
            None => Ok(()),
            Some(ends) => {
                Err(StepError::failed(format!("{dut} > {tester} outside"), format!("{} > {}", ends.0, ends.1)))
            }
        }
    });
    steps.then("the DUT's ESP packets say that {int} comes next", |testbed, step| {
        let expected: u8 = step.arg(0)?;
        let packets = super::esp::from_dut(testbed)?;
        let next = |esp: &SeenEsp| match &esp.opened {
            Some(Ok(opened)) => Some(opened.next_header),
            _ => None,
        };
        let found: BTreeSet<Option<u8>> = packets.into_iter().map(next).collect();
        step.observed(format!("next headers {found:?}"));
        if found == BTreeSet::from([Some(expected)]) {
            return Ok(());
        }
        Err(StepError::failed(format!("next header {expected}"), format!("{found:?}; {}", instead(testbed))))
    });
    steps.then("extension headers of inner packets do not come into the outer header", |testbed, step| {
        let mut packets = vec![testbed.ping_packet_from_inside()?, testbed.ping_packet_from_inside()?];
        let bodies = [ExtensionBody::HopByHop(SKIPPED.to_vec()), ExtensionBody::DestinationOptions(SKIPPED.to_vec())];
        for (packet, body) in packets.iter_mut().zip(bodies) {
            v6(packet)?.extensions = vec![extension(body)];
        }
        for (sent, mut came) in all(testbed, &packets)? {
            let outer = v6(&mut came.outer)?;
            let next = outer.extensions.first().map_or(outer.protocol, |extension| extension.body.protocol());
            step.observed(format!("the outer header says {next}"));
            if !outer.extensions.is_empty() || !matches!(outer.protocol, Protocol::ESP | Protocol::AH) {
                return Err(StepError::failed("ESP or AH behind the outer header", next.to_string()));
            }
            let mut sent = sent;
            if v6(&mut came.inner)?.extensions != v6(&mut sent)?.extensions {
                return Err(StepError::failed("the inner extension headers as they were", "others"));
            }
        }
        Ok(())
    });
    steps.then("the outer flow label is not that of the inner packet", |testbed, step| {
        let mut packets = Vec::new();
        for label in [0x1_2345, 0xf_00f1, 0x0_0042] {
            let mut packet = testbed.ping_packet_from_inside()?;
            v6(&mut packet)?.flow_label = label;
            packets.push(packet);
        }
        let mut same = 0;
        for (mut sent, mut came) in all(testbed, &packets)? {
            let (inner, outer) = (v6(&mut sent)?.flow_label, v6(&mut came.outer)?.flow_label);
            step.observed(format!("inner {inner:#07x}, outer {outer:#07x}"));
            same += usize::from(inner == outer);
        }
        if same == 0 { Ok(()) } else { Err(StepError::failed("other labels outside", format!("{same} of 3 copied"))) }
    });
}

fn inner_ttl(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let hops = [2, 10, 64, 128, 255];
    let mut packets = Vec::new();
    for hops in hops {
        let mut packet = testbed.ping_packet_from_inside()?;
        set_hop_limit(&mut packet, hops);
        packets.push(packet);
    }
    let came = all(testbed, &packets)?;
    let outer: BTreeSet<u8> = came.iter().map(|(_, came)| came.outer.hop_limit()).collect();
    let inner: Vec<u8> = came.iter().map(|(_, came)| came.inner.hop_limit()).collect();
    step.measured("outer TTL", format!("{outer:?} for inner {hops:?}"));
    step.observed(format!("inner {hops:?} became {inner:?}"));
    let expected: Vec<u8> = hops.iter().map(|hops| hops - 1).collect();
    if inner != expected {
        return Err(StepError::failed(format!("inner {expected:?}"), format!("{inner:?}")));
    }
    if outer.len() == 1 { Ok(()) } else { Err(StepError::failed("one outer TTL", format!("{outer:?}"))) }
}

fn inward(steps: &mut Steps<Testbed>) {
    steps.then("inner packets come out as they were but for one hop less", |testbed, step| {
        let mut packets = Vec::new();
        for (dscp, dont_fragment) in [(10, true), (0, false), (46, true)] {
            let (_, mut inner) = testbed.ping_packet()?;
            set_traffic_class(&mut inner, dscp, Ecn::NotEct);
            set_hop_limit(&mut inner, 99);
            match &mut inner {
                ip::Packet::V4(inner) => {
                    inner.dont_fragment = dont_fragment;
                    inner.identification = inner.identification.wrapping_add(0x1234);
                    inner.options = ROUTER_ALERT.to_vec();
                }
                ip::Packet::V6(inner) => {
                    inner.flow_label = 0x4_5678;
                    inner.extensions = vec![extension(ExtensionBody::DestinationOptions(SKIPPED.to_vec()))];
                }
            }
            let change = move |outer: &mut ip::Packet| {
                set_traffic_class(outer, 63 - dscp, Ecn::NotEct);
                set_hop_limit(outer, 17);
                if let ip::Packet::V4(outer) = outer {
                    outer.dont_fragment = !dont_fragment;
                }
            };
            packets.push(Tunnelled { inner, change: Box::new(change) });
        }
        let came = testbed.decapsulate(&packets)?;
        for (Tunnelled { inner, .. }, came) in packets.iter().zip(came) {
            let Some(came) = came else { return Err(StepError::failed("the packet on the inside", instead(testbed))) };
            let mut expected = inner.clone();
            set_hop_limit(&mut expected, 98);
            if came.to_bytes() != expected.to_bytes() {
                return Err(StepError::failed(words(&expected), words(&came)));
            }
        }
        step.observed(format!("{} packets", packets.len()));
        Ok(())
    });
}

/// What a header says beyond addresses.
fn words(packet: &ip::Packet) -> String {
    let common = format!("DSCP {} ECN {} TTL {}", packet.dscp(), packet.ecn().bits(), packet.hop_limit());
    match packet {
        ip::Packet::V4(packet) => format!(
            "{common} ID {:#06x} DF {} options {:02x?}, {} octets",
            packet.identification,
            packet.dont_fragment,
            packet.options,
            packet.payload.len()
        ),
        ip::Packet::V6(packet) => format!(
            "{common} label {:#07x}, {} extension headers, {} octets",
            packet.flow_label,
            packet.extensions.len(),
            packet.payload.len()
        ),
    }
}

/// What each packet from the inside has become; all must come.
pub(super) fn all(testbed: &mut Testbed, packets: &[ip::Packet]) -> Result<Vec<(ip::Packet, Encapsulated)>, StepError> {
    let mark = testbed.mark();
    let came = testbed.encapsulate(packets)?;
    let mut pairs = Vec::with_capacity(packets.len());
    for (index, (sent, came)) in packets.iter().zip(came).enumerate() {
        let Some(came) = came else {
            let others = testbed.from_dut_since(mark).filter(|seen| seen.leg == Leg::Outside && seen.is_traffic());
            let last = others.last().map_or_else(|| "nothing".to_owned(), |seen| seen.summary());
            return Err(StepError::failed(format!("packet {index} from the inside under the SA"), last));
        };
        pairs.push((sent.clone(), came));
    }
    Ok(pairs)
}

fn next(address: IpAddr, by: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(u32::from(address).wrapping_add(by.into()).into()),
        IpAddr::V6(address) => IpAddr::V6(u128::from(address).wrapping_add(by.into()).into()),
    }
}

fn v6(packet: &mut ip::Packet) -> Result<&mut ipv6::Packet, StepError> {
    match packet {
        ip::Packet::V6(packet) => Ok(packet),
        ip::Packet::V4(_) => Err(StepError::not_applicable("this is about IPv6")),
    }
}

fn extension(body: ExtensionBody) -> Extension {
    Extension { next_header: Derived::Computed, length: Derived::Computed, body }
}
