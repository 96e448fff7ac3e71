//! DSCP and ECN of outer and inner headers (RFC 4301 section 5.1.2, RFC 6040).
//!
//! Where the two texts differ on decapsulation, either result is right; what was found is printed.

use super::tunnel::all;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, Tunnelled, set_traffic_class};
use wire::ip::{self, Ecn};

/// The four codepoints in the order of RFC 6040, figure 4.
const CODEPOINTS: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce];

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.then("the DUT copies all 64 DSCP values to the outer header", |testbed, step| {
        let mut packets = Vec::new();
        for dscp in 0..64 {
            let mut packet = testbed.ping_packet_from_inside()?;
            set_traffic_class(&mut packet, dscp, Ecn::NotEct);
            packets.push(packet);
        }
        let came = all(testbed, &packets)?;
        let otherwise: Vec<String> = came
            .iter()
            .map(|(sent, came)| (sent.dscp(), came.outer.dscp()))
            .filter(|(sent, came)| sent != came)
            .map(|(sent, came)| format!("{sent} became {came}"))
            .collect();
        step.measured("outer DSCP", format!("copied, {} of {} values", came.len() - otherwise.len(), came.len()));
        if otherwise.is_empty() { Ok(()) } else { Err(StepError::failed("each value copied", otherwise.join(", "))) }
    });
    steps.then("the DUT copies all four ECN codepoints to the outer header", |testbed, step| {
        let mut packets = Vec::new();
        for ecn in CODEPOINTS {
            let mut packet = testbed.ping_packet_from_inside()?;
            set_traffic_class(&mut packet, 0, ecn);
            packets.push(packet);
        }
        let came = all(testbed, &packets)?;
        let pairs = came.iter().map(|(sent, came)| (sent.ecn(), came.outer.ecn()));
        let told: Vec<String> = pairs.clone().map(|(sent, came)| format!("{} to {}", name(sent), name(came))).collect();
        step.measured("outer ECN", told.join(", "));
        if pairs.into_iter().all(|(sent, came)| sent == came) {
            return Ok(());
        }
        Err(StepError::failed("each codepoint copied", told.join(", ")))
    });

    steps.then("inner ECT with outer CE comes out as CE, with a sound header", |testbed, step| {
        cells(testbed, step, &[(Ecn::Ect0, Ecn::Ce), (Ecn::Ect1, Ecn::Ce)])
    });
    steps.then("inner Not-ECT with outer CE is dropped or comes out unchanged", |testbed, step| {
        cells(testbed, step, &[(Ecn::NotEct, Ecn::Ce)])
    });
    steps.then(r"^inner ECT\(0\) with outer ECT\(1\) comes out as ECT\(1\) or ECT\(0\)$", |testbed, step| {
        cells(testbed, step, &[(Ecn::Ect0, Ecn::Ect1)])
    });
    steps.then("all 16 pairs of codepoints come out by RFC 6040 or RFC 4301", |testbed, step| {
        let pairs: Vec<(Ecn, Ecn)> =
            CODEPOINTS.into_iter().flat_map(|inner| CODEPOINTS.map(|outer| (inner, outer))).collect();
        let found = combined(testbed, &pairs)?;
        let row =
            |cells: &[Option<Ecn>]| cells.iter().map(|cell| cell.map_or("dropped", name)).collect::<Vec<_>>().join(" ");
        for (inner, cells) in CODEPOINTS.into_iter().zip(found.chunks(CODEPOINTS.len())) {
            step.measured(format!("inner {}, outer Not-ECT ECT(0) ECT(1) CE", name(inner)), row(cells));
        }
        let like = |table: fn(Ecn, Ecn) -> Option<Ecn>| {
            pairs.iter().zip(&found).all(|(pair, found)| table(pair.0, pair.1) == *found)
        };
        step.measured(
            "ECN on decapsulation",
            match (like(rfc6040), like(rfc4301)) {
                (true, _) => "RFC 6040, 16 of 16",
                (_, true) => "RFC 4301, 16 of 16",
                _ => "neither RFC 6040 nor RFC 4301 in whole",
            },
        );
        judge(step, &pairs, &found)
    });

    steps.then("the outer DSCP does not come into the inner header", |testbed, step| {
        dscp_stays(testbed, step, &[(0, 46), (46, 0), (10, 63), (63, 1)])
    });
    steps.then("packets with any of the 64 DSCP values outside and inside come out", |testbed, step| {
        let pairs: Vec<(u8, u8)> = (0..64).map(|dscp| (dscp, 63 - dscp)).collect();
        dscp_stays(testbed, step, &pairs)
    });
}

fn name(ecn: Ecn) -> &'static str {
    match ecn {
        Ecn::NotEct => "Not-ECT",
        Ecn::Ect0 => "ECT(0)",
        Ecn::Ect1 => "ECT(1)",
        Ecn::Ce => "CE",
    }
}

/// RFC 6040, figure 4; `None` is dropped.
fn rfc6040(inner: Ecn, outer: Ecn) -> Option<Ecn> {
    match (inner, outer) {
        (Ecn::NotEct, Ecn::Ce) => None,
        (Ecn::NotEct, _) => Some(Ecn::NotEct),
        (_, Ecn::Ce) | (Ecn::Ce, _) => Some(Ecn::Ce),
        (_, Ecn::Ect1) => Some(Ecn::Ect1),
        (inner, _) => Some(inner),
    }
}

/// RFC 4301 section 5.1.2.1, note 6.
fn rfc4301(inner: Ecn, outer: Ecn) -> Option<Ecn> {
    match (inner, outer) {
        (Ecn::Ect0 | Ecn::Ect1, Ecn::Ce) => Some(Ecn::Ce),
        (inner, _) => Some(inner),
    }
}

/// What comes out of packets with these codepoints inside and outside.
fn combined(testbed: &mut Testbed, pairs: &[(Ecn, Ecn)]) -> Result<Vec<Option<Ecn>>, StepError> {
    let mut packets = Vec::new();
    for &(inside, outside) in pairs {
        let (_, mut inner) = testbed.ping_packet()?;
        set_traffic_class(&mut inner, 0, inside);
        let change = move |outer: &mut ip::Packet| set_traffic_class(outer, 0, outside);
        packets.push(Tunnelled { inner, change: Box::new(change) });
    }
    let came = testbed.decapsulate(&packets)?;
    for packet in came.iter().flatten() {
        if let ip::Packet::V4(packet) = packet
            && !packet.is_intact()
        {
            return Err(StepError::failed("a right header checksum", format!("a wrong one, ECN {}", name(packet.ecn))));
        }
    }
    Ok(came.into_iter().map(|packet| packet.map(|packet| packet.ecn())).collect())
}

fn cells(testbed: &mut Testbed, step: &mut Step, pairs: &[(Ecn, Ecn)]) -> StepResult {
    let found = combined(testbed, pairs)?;
    judge(step, pairs, &found)
}

/// Each must be what one of the two texts says.
fn judge(step: &mut Step, pairs: &[(Ecn, Ecn)], found: &[Option<Ecn>]) -> StepResult {
    let word = |ecn: Option<Ecn>| ecn.map_or("dropped", name);
    let mut wrong = Vec::new();
    for (&(inner, outer), &came) in pairs.iter().zip(found) {
        let (new, old) = (rfc6040(inner, outer), rfc4301(inner, outer));
        let cell = format!("inner {} outer {}: {}", name(inner), name(outer), word(came));
        if came != new && came != old {
            wrong.push(format!("{cell}, not {} (RFC 6040) nor {} (RFC 4301)", word(new), word(old)));
        } else if pairs.len() < 4 {
            let by = if new == old {
                "both texts"
            } else if came == new {
                "RFC 6040"
            } else {
                "RFC 4301"
            };
            step.observed(format!("{cell}, as {by} would have it"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(StepError::failed("RFC 6040 or RFC 4301", wrong.join("; "))) }
}

/// Packets with these values inside and outside come out with what was inside.
fn dscp_stays(testbed: &mut Testbed, step: &mut Step, pairs: &[(u8, u8)]) -> StepResult {
    let mut packets = Vec::new();
    for &(inside, outside) in pairs {
        let (_, mut inner) = testbed.ping_packet()?;
        set_traffic_class(&mut inner, inside, Ecn::NotEct);
        let change = move |outer: &mut ip::Packet| set_traffic_class(outer, outside, Ecn::NotEct);
        packets.push(Tunnelled { inner, change: Box::new(change) });
    }
    let came = testbed.decapsulate(&packets)?;
    for (&(inside, outside), came) in pairs.iter().zip(&came) {
        let came = came.as_ref().map(ip::Packet::dscp);
        if came != Some(inside) {
            let word = came.map_or_else(|| "dropped".to_owned(), |dscp| format!("DSCP {dscp}"));
            return Err(StepError::failed(format!("inner DSCP {inside} with outer {outside} kept"), word));
        }
    }
    step.observed(format!("{} pairs", pairs.len()));
    Ok(())
}
