//! Where a file that is no Gherkin most likely goes wrong.

use crate::text::nearest;

/// Words that begin a line of Gherkin.
pub(super) const KEYWORDS: [&str; 14] = [
    "Given",
    "When",
    "Then",
    "And",
    "But",
    "*",
    "Feature:",
    "Rule:",
    "Background:",
    "Scenario:",
    "Scenario",
    "Example:",
    "Examples:",
    "Scenarios:",
];

const STEPS: [&str; 6] = ["Given", "When", "Then", "And", "But", "*"];

const HEADINGS: [&str; 9] = [
    "Feature:",
    "Rule:",
    "Background:",
    "Scenario:",
    "Scenario Outline:",
    "Scenario Template:",
    "Example:",
    "Examples:",
    "Scenarios:",
];

/// The first line that cannot be what it seems: its number, and what is wrong with it.
pub(super) fn suspect(text: &str) -> Option<(usize, String)> {
    let mut block: Option<usize> = None;
    let mut in_feature = false;
    let mut in_scenario = false;
    let mut after_step = false;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.starts_with("\"\"\"") || line.starts_with("```") {
            block = match block {
                Some(_) => None,
                None => Some(number),
            };
            continue;
        }
        if block.is_some() || line.is_empty() || line.starts_with(['#', '@']) {
            continue;
        }
        if line.starts_with('|') {
            if !line.ends_with('|') || line.len() < 2 {
                return Some((number, "a row of a table ends with |".to_owned()));
            }
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or_default();
        if let Some(heading) = HEADINGS.iter().find(|heading| line.starts_with(**heading)) {
            match *heading {
                "Feature:" => in_feature = true,
                "Rule:" => in_scenario = false,
                _ => in_scenario = true,
            }
            after_step = false;
        } else if STEPS.contains(&word) {
            if in_feature && !in_scenario {
                let message = "this step belongs to no scenario: a heading such as \"Scenario:\" is missing before it";
                return Some((number, message.to_owned()));
            }
            after_step = true;
        } else if after_step {
            let near = nearest(word, KEYWORDS).map(|near| format!(": did you mean {near}?")).unwrap_or_default();
            return Some((number, format!("{line:?} is neither a step nor a heading{near}")));
        } else if let Some((heading, _)) = line.split_once(':') {
            // Between a heading and the first step anything goes, but for what is almost a heading.
            let heading = format!("{heading}:");
            if let Some(near) = nearest(&heading, HEADINGS).filter(|near| almost(&heading, near)) {
                return Some((number, format!("{heading:?} is no heading: did you mean {near}?")));
            }
        }
    }
    match block {
        Some(opened) => Some((opened, "this text block is never closed".to_owned())),
        None if !in_feature => {
            Some((1, "a feature file begins with \"Feature:\" and a name, and this one has none".to_owned()))
        }
        None => None,
    }
}

/// Differs in a letter or two, or in case.
fn almost(heading: &str, known: &str) -> bool {
    heading.eq_ignore_ascii_case(known) || crate::text::distance(heading, known) <= 2
}
