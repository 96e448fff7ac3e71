//! The Authentication Header: its format, what its ICV covers and what may change on the way (RFC 4302).

use super::common::instead;
use super::replay::through_limit;
use crate::dissect::{Seen, SeenAh};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Ping, Testbed, changed, in_fragments, set_traffic_class, v4};
use reference_peer::hands::AhDraft;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::Derived;
use wire::ip::{self, Ecn};
use wire::ipv6::{Extension, ExtensionBody};

/// Octets of the header before the ICV.
const FIXED: usize = 12;

/// IPv6 options that a node skips which does not know them (RFC 4727 section 3.4): data that never change, data that
/// may change on the way.
const CONSTANT: u8 = 0x1e;
const CHANGEABLE: u8 = 0x3e;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    format(steps);
    faults(steps);
    on_the_way(steps);
}

// ---- What the DUT sends ----

fn format(steps: &mut Steps<Testbed>) {
    steps.when("pings are sent through the tunnel and from the DUT's inside", |testbed, _| {
        testbed.begin_stimulus();
        let limit = testbed.answer_limit();
        // Where the DUT takes none of ours, what it sends by itself is looked at.
        testbed.ping(limit)?;
        if testbed.has_inside() {
            let mark = testbed.mark();
            testbed.send_ping_from_inside()?;
            testbed.await_seen(mark, limit, |seen| seen.from_dut && seen.ah().is_some())?;
        }
        Ok(())
    });
    steps.then("the DUT's AH packets say that {int} comes next", |testbed, step| {
        let expected: u8 = step.arg(0)?;
        every(testbed, step, format!("Next Header {expected}"), |ah| {
            (ah.head.0 == expected, format!("Next Header {}", ah.head.0))
        })
        .map(drop)
    });
    steps.then("the DUT's AH headers have {int} octets and Payload Len {int}", |testbed, step| {
        let (octets, payload_len): (usize, u8) = (step.arg(0)?, step.arg(1)?);
        let came = every(testbed, step, format!("{octets} octets, Payload Len {payload_len}"), |ah| {
            let held = match &ah.opened {
                Some(Ok(opened)) => FIXED + opened.icv.len() + opened.padding.len(),
                _ => 0,
            };
            let came = format!("{held} octets that verify, Payload Len {}", ah.head.1);
            ((held, ah.head.1) == (octets, payload_len), came)
        })?;
        step.measured(format!("AH of {} over {}", testbed.protection()?, testbed.plan().families().0), came);
        Ok(())
    });
    steps.then("RESERVED is zero in the DUT's AH packets", |testbed, step| {
        every(testbed, step, "RESERVED 0", |ah| (ah.head.2 == 0, format!("RESERVED {:#06x}", ah.head.2))).map(drop)
    });
    steps.then("the DUT's packets carry ESP in AH", |testbed, step| {
        every(testbed, step, "AH with ESP in it that opens", |ah| {
            let opens = ah.inside.as_ref().is_some_and(|esp| matches!(esp.opened, Some(Ok(_))));
            (opens && ah.head.0 == 50, if opens { "ESP in AH".to_owned() } else { ah.summary() })
        })
        .map(drop)
    });
}

/// Does every AH packet of the DUT since the stimulus fit?
fn every(
    testbed: &Testbed,
    step: &mut Step,
    expected: impl Into<String>,
    fits: impl Fn(&SeenAh) -> (bool, String),
) -> Result<String, StepError> {
    let packets: Vec<&SeenAh> = testbed.from_dut_since(testbed.since()).filter_map(Seen::ah).collect();
    if packets.is_empty() {
        return Err(StepError::failed("AH from the DUT", instead(testbed)));
    }
    let (right, came): (Vec<bool>, BTreeSet<String>) = packets.into_iter().map(fits).unzip();
    let came = came.into_iter().collect::<Vec<_>>().join(", ");
    step.observed(came.clone());
    if right.into_iter().all(|right| right) { Ok(came) } else { Err(StepError::failed(expected, came)) }
}

// ---- What the tester makes ----

fn faults(steps: &mut Steps<Testbed>) {
    steps.then("an AH packet with RESERVED 0xffff under its ICV comes out", |testbed, step| {
        let (ping, octets) = behind(testbed, |_| Ok(()), |draft| draft.reserved = 0xffff)?;
        walk(testbed, step, vec![("RESERVED 0xffff".to_owned(), ping, octets, true)])
    });
    steps.when("^AH packets with Payload Len (.+) are sent$", |testbed, step| {
        let lengths: Vec<u8> = list(step.arg_text(0)?).iter().filter_map(|length| length.parse().ok()).collect();
        testbed.begin_stimulus();
        for length in lengths {
            let (_, octets) = behind(testbed, |_| Ok(()), |draft| draft.payload_len = Some(length))?;
            testbed.send_outside(octets)?;
        }
        Ok(())
    });
    steps.when("an AH packet with {int} octets of padding too many is sent", |testbed, step| {
        let octets: usize = step.arg(0)?;
        testbed.begin_stimulus();
        let needed = needed_padding(testbed)?;
        let (_, octets) = behind(testbed, |_| Ok(()), |draft| draft.padding = Some(vec![0; needed + octets]))?;
        testbed.send_outside(octets)
    });
    steps.then("an AH packet in two fragments comes out", |testbed, step| {
        let (ping, octets) = behind(testbed, unique, |_| ())?;
        let fragments = in_fragments(&octets, octets.len() / 2 + 40, ping.sequence.into())?;
        let before = testbed.come_out();
        for fragment in fragments {
            testbed.send_outside(fragment)?;
        }
        let limit = through_limit(testbed);
        let came = testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))?;
        judged(step, came, true)
    });
    steps.then("an AH packet that says that more fragments follow is dropped", |testbed, step| {
        let (ping, octets) = behind(testbed, unique, |_| ())?;
        let octets = changed(&octets, |packet| match packet {
            ip::Packet::V4(packet) => packet.more_fragments = true,
            ip::Packet::V6(packet) => {
                let body = ExtensionBody::Fragment {
                    offset: 0,
                    reserved: 0,
                    more: true,
                    identification: ping.sequence.into(),
                };
                packet.extensions.push(extension(body));
            }
        })?;
        let limit = through_limit(testbed);
        let came = testbed.comes_through(&ping, octets, limit)?;
        judged(step, came, false)
    });
}

/// Padding that the ICV needs behind it (RFC 4302 section 2.6).
fn needed_padding(testbed: &Testbed) -> Result<usize, StepError> {
    let icv = testbed.ah_keys()?.parameters().integrity.icv_len();
    let unit = if testbed.plan().dut.is_ipv4() { 4 } else { 8 };
    Ok((FIXED + icv).next_multiple_of(unit) - FIXED - icv)
}

/// An identification that no other packet has: AH covers it.
fn unique(outer: &mut ip::Packet) -> StepResult {
    if let ip::Packet::V4(outer) = outer {
        outer.identification |= 0x4000;
    }
    Ok(())
}

/// A ping under AH, with an ECN-capable transport in both headers. `shape` makes the header before AH, `edit` the draft.
fn behind(
    testbed: &mut Testbed,
    shape: impl FnOnce(&mut ip::Packet) -> StepResult,
    edit: impl FnOnce(&mut AhDraft),
) -> Result<(Ping, Vec<u8>), StepError> {
    let (ping, mut inner) = testbed.ping_packet()?;
    set_traffic_class(&mut inner, 0, Ecn::Ect0);
    let mut outer = testbed.outer_of(&inner)?;
    set_traffic_class(&mut outer, 0, Ecn::Ect0);
    if let ip::Packet::V4(outer) = &mut outer {
        outer.identification = ping.sequence;
    }
    shape(&mut outer)?;
    let octets = testbed.behind_header(&outer.to_bytes(), edit)?;
    Ok((ping, octets))
}

// ---- What changes on the way ----

fn on_the_way(steps: &mut Steps<Testbed>) {
    steps.then("^AH packets changed on the way in these fields come out: (.+)$", |testbed, step| {
        fields(testbed, step, true)
    });
    steps.then("^AH packets changed on the way in these fields are dropped: (.+)$", |testbed, step| {
        fields(testbed, step, false)
    });
    steps.then("^AH packets behind these options come out, as sent and changed on the way: (.+)$", |testbed, step| {
        options(testbed, step, true)
    });
    steps.then(
        "^AH packets behind these options come out as sent, and are dropped when changed on the way: (.+)$",
        |testbed, step| options(testbed, step, false),
    );
    steps.then("an AH packet that has gone a loose source route comes out", |testbed, step| {
        let via = Ipv4Addr::new(198, 51, 100, 1).octets();
        // The route has been gone: the pointer is past the end (RFC 791 section 3.1).
        let route = [&[131, 7, 8], &via[..], &[0]].concat();
        let shape = |outer: &mut ip::Packet| {
            v4(outer)?.options = route;
            Ok(())
        };
        let (ping, octets) = behind(testbed, shape, |_| ())?;
        walk(testbed, step, vec![("loose source route".to_owned(), ping, octets, true)])
    });
}

fn list(text: &str) -> Vec<String> {
    text.split(", ").map(str::to_owned).collect()
}

/// Changes one field after another.
fn fields(testbed: &mut Testbed, step: &mut Step, through: bool) -> StepResult {
    let mut rows = Vec::new();
    for field in list(step.arg_text(0)?) {
        let (ping, octets) = behind(testbed, |_| Ok(()), |_| ())?;
        let octets = change_field(testbed, &octets, &field)?;
        rows.push((field, ping, octets, through));
    }
    walk(testbed, step, rows)
}

/// Options of IPv4, or hop-by-hop options of IPv6, as they were sent and changed.
fn options(testbed: &mut Testbed, step: &mut Step, changeable: bool) -> StepResult {
    let mut rows = Vec::new();
    for name in list(step.arg_text(0)?) {
        let (sent, later) = option(&name)?;
        for (octets, what, through) in [(&sent, "as sent", true), (&later, "changed", changeable)] {
            let (ping, packet) = behind(testbed, |outer| put_options(outer, &sent), |_| ())?;
            let mut put = Ok(());
            let packet = changed(&packet, |packet| put = put_options(packet, octets))?;
            put?;
            rows.push((format!("{name} {what}"), ping, packet, through));
        }
    }
    walk(testbed, step, rows)
}

fn put_options(packet: &mut ip::Packet, options: &[u8]) -> StepResult {
    match packet {
        ip::Packet::V4(packet) => packet.options = options.to_vec(),
        ip::Packet::V6(packet) => packet.extensions = vec![extension(ExtensionBody::HopByHop(options.to_vec()))],
    }
    Ok(())
}

fn extension(body: ExtensionBody) -> Extension {
    Extension { next_header: Derived::Computed, length: Derived::Computed, body }
}

/// An option as it is sent, and as a router or a forger leaves it.
fn option(name: &str) -> Result<(Vec<u8>, Vec<u8>), StepError> {
    let (sent, later): (&[u8], &[u8]) = match name {
        "Record Route" => (&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[7, 11, 8, 198, 51, 100, 1, 0, 0, 0, 0, 0]),
        "Timestamp" => (&[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[68, 12, 9, 0, 1, 2, 3, 4, 0, 0, 0, 0]),
        "Traceroute" => (&[82, 12, 0, 1, 0, 0, 255, 255, 192, 0, 2, 9], &[82, 12, 0, 1, 0, 1, 255, 255, 192, 0, 2, 9]),
        "Router Alert" => (&[148, 4, 0, 0], &[148, 4, 0, 1]),
        "Security" => (&[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[130, 11, 0x6b, 0xc5, 0, 0, 0, 0, 0, 0, 0, 0]),
        "No Operation" => (&[1, 1, 1, 0], &[1, 1, 0, 0]),
        "changeable" => (&[CHANGEABLE, 4, 1, 2, 3, 4], &[CHANGEABLE, 4, 9, 9, 9, 9]),
        "constant" => (&[CONSTANT, 4, 1, 2, 3, 4], &[CONSTANT, 4, 1, 2, 3, 5]),
        _ => return Err(StepError::testbed(format!("no option is called {name:?}"))),
    };
    Ok((sent.to_vec(), later.to_vec()))
}

/// The packet with one field changed.
fn change_field(testbed: &Testbed, octets: &[u8], field: &str) -> Result<Vec<u8>, StepError> {
    let neighbour = neighbour(testbed.plan().tester);
    let icv = testbed.ah_keys()?.parameters().integrity.icv_len();
    let mut known = true;
    let octets = changed(octets, |packet| match packet {
        ip::Packet::V4(packet) => match (field, neighbour) {
            ("DSCP", _) => packet.dscp ^= 0x2e,
            ("ECN", _) => packet.ecn = Ecn::Ce,
            ("TTL", _) => packet.ttl -= 7,
            ("DF", _) => packet.dont_fragment = !packet.dont_fragment,
            ("Identification", _) => packet.identification ^= 0x0110,
            ("Total Length", _) => packet.payload.extend_from_slice(&[0; 4]),
            ("IHL", _) => packet.options = vec![1, 1, 1, 0],
            ("source address", IpAddr::V4(neighbour)) => packet.source = neighbour,
            _ => known = in_header(&mut packet.payload, field, icv),
        },
        ip::Packet::V6(packet) => match (field, neighbour) {
            ("DSCP", _) => packet.dscp ^= 0x2e,
            ("ECN", _) => packet.ecn = Ecn::Ce,
            ("flow label", _) => packet.flow_label ^= 0xa_5a5a,
            ("hop limit", _) => packet.hop_limit -= 7,
            ("Payload Length", _) => packet.payload.extend_from_slice(&[0; 8]),
            ("source address", IpAddr::V6(neighbour)) => packet.source = neighbour,
            _ => known = in_header(&mut packet.payload, field, icv),
        },
    })?;
    if known { Ok(octets) } else { Err(StepError::testbed(format!("no field is called {field:?}"))) }
}

/// Changes a field of the header itself, or what it protects. What would come out otherwise is a sound packet.
fn in_header(body: &mut [u8], field: &str, icv: usize) -> bool {
    let last = body.len().saturating_sub(1);
    let flips: &[(usize, u8)] = match field {
        "AH Next Header" => &[(0, 0x2d)],
        "RESERVED" => &[(2, 0xff), (3, 0xff)],
        "sequence number" => &[(10, 0x01)],
        "first octet of the ICV" => &[(FIXED, 0x80)],
        "last octet of the ICV" => &[(FIXED + icv - 1, 0x01)],
        // Data of the ping, 0x61 each: one octet is one more, another one less, so that its checksum stays right.
        "payload" => &[(last, 0x01), (last.saturating_sub(2), 0x03)],
        _ => return false,
    };
    for (at, bits) in flips {
        if let Some(octet) = body.get_mut(*at) {
            *octet ^= bits;
        }
    }
    true
}

/// Another address of the same network.
fn neighbour(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) ^ 0x40).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) ^ 0x40).into(),
    }
}

/// Sends one packet after another, each of which comes out or is dropped; between two of them an unchanged one comes
/// out.
fn walk(testbed: &mut Testbed, step: &mut Step, rows: Vec<(String, Ping, Vec<u8>, bool)>) -> StepResult {
    let limit = through_limit(testbed);
    let mut right = 0;
    let all = rows.len();
    for (name, ping, octets, through) in rows {
        let came = testbed.comes_through(&ping, octets, limit)?;
        if came != through {
            return Err(StepError::failed(format!("{name}: {}", words(through)), words(came)));
        }
        right += 1;
        let (control, octets) = behind(testbed, |_| Ok(()), |_| ())?;
        if !testbed.comes_through(&control, octets, limit)? {
            return Err(StepError::failed(format!("an unchanged packet after {name}: let through"), "dropped"));
        }
    }
    step.observed(format!("{right} of {all} as they should"));
    Ok(())
}

fn words(through: bool) -> &'static str {
    if through { "let through" } else { "dropped" }
}

fn judged(step: &mut Step, came: bool, through: bool) -> StepResult {
    step.observed(words(came));
    if came == through { Ok(()) } else { Err(StepError::failed(words(through), words(came))) }
}
