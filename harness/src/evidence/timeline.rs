//! The timeline of a scenario: packets and events in order, as a ladder between tester, DUT and inside host.

use super::{Direction, Evidence, Leg};
use crate::text::printable;
use std::fmt::Write as _;
use std::time::Duration;

/// The ladder as text. Time is that of the testbed; an arrow shows which way a packet went.
///
/// ```text
///     0.000000  tester ──────────▶ DUT             IKE_SA_INIT request
///     0.001200  tester ◀────────── DUT             IKE_SA_INIT response
///     0.010000                     DUT ◀────────── host   ICMP echo request
/// ```
pub fn write(evidence: &Evidence, title: &str) -> String {
    let mut lines: Vec<(Duration, usize, String)> = Vec::new();
    for event in &evidence.events {
        lines.push((event.time, 0, format!("--- {}", event.text)));
    }
    for record in &evidence.records {
        let arrow = match (record.leg, record.direction) {
            (Leg::Outside, Direction::ToDut) => "tester ──────────▶ DUT                  ",
            (Leg::Outside, Direction::FromDut) => "tester ◀────────── DUT                  ",
            (Leg::Inside, Direction::ToDut) => "                   DUT ◀────────── host ",
            (Leg::Inside, Direction::FromDut) => "                   DUT ──────────▶ host ",
        };
        let mut line = format!("{arrow} {}", record.summary);
        for comment in &record.comments {
            let _ = write!(line, "\n{:53}| {comment}", "");
        }
        lines.push((record.time, 1, line));
    }
    // Stable: what happened at the same time stays in its order, events before packets.
    lines.sort_by_key(|(time, kind, _)| (*time, *kind));
    let mut text = format!("{title}\n\n");
    for (time, _, line) in lines {
        let _ = writeln!(text, "{:12.6}  {}", time.as_secs_f64(), printable(&line));
    }
    let packets = crate::text::count(evidence.records.len(), "packet");
    let _ = writeln!(text, "{:12.6}  end, {packets}", evidence.elapsed.as_secs_f64());
    text
}
