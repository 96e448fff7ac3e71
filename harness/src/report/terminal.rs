//! The report for people: totals by area, each verdict that falls short with requirement, citation, expectation and
//! what came instead.

use super::{Report, RequirementReport};
use crate::text::{count, printable};
use crate::verdict::{Judgement, Outcome, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// No colours.
    pub const PLAIN: Self = Self(false);

    /// Colours if standard output is a terminal that has them and `NO_COLOR` does not forbid them.
    pub fn for_stdout() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self(std::io::stdout().is_terminal() && !forbidden && !dumb)
    }

    fn verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Passed => "32",
            Verdict::Characterised => "36",
            Verdict::Warned => "33",
            Verdict::Failed => "1;31",
            Verdict::Inconclusive | Verdict::TestbedError => "1;35",
            Verdict::NotApplicable => "2",
        };
        self.code(code, text)
    }

    fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The report as text. `out` is the report folder, for the paths of evidence.
pub fn to_text(report: &Report, out: Option<&Path>, paint: Paint) -> String {
    let mut text = String::new();
    areas(&mut text, report, paint);
    measured(&mut text, report, paint);
    for verdict in [Verdict::Warned, Verdict::Inconclusive, Verdict::TestbedError, Verdict::Failed] {
        for outcome in report.scenarios.iter().filter(|outcome| outcome.verdict == verdict) {
            shortfall(&mut text, report, outcome, out, paint);
        }
    }
    not_applicable(&mut text, report, paint);
    if let Some(comparison) = &report.expectations {
        let _ = writeln!(text, "\n{}", comparison.to_text());
    }
    ending(&mut text, report, out, paint);
    text
}

const COLUMNS: [(Verdict, &str); 7] = [
    (Verdict::Passed, "passed"),
    (Verdict::Characterised, "charact."),
    (Verdict::Warned, "warned"),
    (Verdict::Failed, "failed"),
    (Verdict::Inconclusive, "inconcl."),
    (Verdict::NotApplicable, "n/a"),
    (Verdict::TestbedError, "testbed"),
];

/// Requirements by area and verdict.
fn areas(text: &mut String, report: &Report, paint: Paint) {
    let mut order: Vec<&str> = Vec::new();
    for requirement in &report.requirements {
        if !order.contains(&requirement.area.as_str()) {
            order.push(&requirement.area);
        }
    }
    let heading =
        COLUMNS.iter().fold(format!("{:24}", "requirements by area"), |line, (_, name)| line + &format!("{name:>9}"));
    let _ = writeln!(text, "{}", paint.bold(&heading));
    for area in order {
        let own = || report.requirements.iter().filter(|requirement| requirement.area == area);
        row(text, area, own(), paint);
    }
    row(text, "all", report.requirements.iter(), paint);
}

fn row<'a>(text: &mut String, name: &str, own: impl Iterator<Item = &'a RequirementReport> + Clone, paint: Paint) {
    let _ = write!(text, "{name:24}");
    for (verdict, _) in COLUMNS {
        let number = own.clone().filter(|requirement| requirement.verdict == Some(verdict)).count();
        let cell = if number == 0 { format!("{:>9}", "·") } else { paint.verdict(verdict, &format!("{number:>9}")) };
        let _ = write!(text, "{cell}");
    }
    let open = own.filter(|requirement| requirement.verdict.is_none()).count();
    let _ = if open > 0 { writeln!(text, "   {open} not judged") } else { writeln!(text) };
}

fn measured(text: &mut String, report: &Report, paint: Paint) {
    let mut lines = Vec::new();
    for outcome in &report.scenarios {
        let scenario = printable(&outcome.scenario);
        for value in &outcome.measured {
            lines.push(format!("  {}: {}   ({scenario})", printable(&value.name), printable(&value.value)));
        }
        for judgement in &outcome.judgements {
            if judgement.verdict == Verdict::Characterised && !judgement.observed.is_empty() {
                let (id, observed) = (&judgement.requirement, printable(&judgement.observed));
                lines.push(format!("  {}: {observed}   ({scenario})", paint.verdict(judgement.verdict, id)));
            }
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "\n{}\n{}", paint.bold("measured and characterised"), lines.join("\n"));
    }
}

/// One scenario that did not come to what was wanted.
fn shortfall(text: &mut String, report: &Report, outcome: &Outcome, out: Option<&Path>, paint: Paint) {
    let verdict = outcome.verdict;
    let label = paint.verdict(verdict, &verdict.words().to_uppercase());
    let _ = writeln!(text, "\n{label}  {}", paint.bold(&printable(&outcome.scenario)));
    let _ = writeln!(text, "  at        {}", outcome.place);
    let short: Vec<&Judgement> = outcome
        .judgements
        .iter()
        .filter(|judgement| matches!(judgement.verdict, Verdict::Failed | Verdict::Warned))
        .collect();
    for judgement in &short {
        let known = report.requirements.iter().find(|requirement| requirement.id == judgement.requirement);
        let words =
            known.map_or_else(String::new, |known| format!(" ({}, {}): {}", known.level, known.citation, known.text));
        let _ = writeln!(text, "  {}{words}", paint.verdict(judgement.verdict, &judgement.requirement));
    }
    // Judgements of one step share expectation and observation.
    let mut told: Vec<&str> = Vec::new();
    for judgement in short {
        if told.contains(&judgement.step.as_str()) {
            continue;
        }
        told.push(&judgement.step);
        field(text, "step", &judgement.step);
        field(text, "expected", &judgement.expected);
        field(text, "came", &judgement.observed);
    }
    if told.is_empty() {
        if let Some(step) = &outcome.stopped_at {
            field(text, "step", step);
        }
        if let Some(reason) = &outcome.reason {
            field(text, "because", reason);
        }
    }
    if let Some(path) = outcome.evidence.first() {
        let path = out.map_or_else(|| path.clone(), |out| out.join(path));
        field(text, "evidence", &path.display().to_string());
    }
}

fn field(text: &mut String, name: &str, value: &str) {
    let value = printable(value);
    for (index, line) in value.lines().enumerate() {
        let name = if index == 0 { name } else { "" };
        let _ = writeln!(text, "  {name:9} {line}");
    }
}

fn not_applicable(text: &mut String, report: &Report, paint: Paint) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in report.scenarios.iter().filter(|outcome| outcome.verdict == Verdict::NotApplicable) {
        *reasons.entry(outcome.reason.as_deref().unwrap_or_default()).or_default() += 1;
    }
    if !reasons.is_empty() {
        let _ = writeln!(text, "\n{}", paint.bold("not applicable"));
        for (reason, number) in reasons {
            let _ = writeln!(text, "  {}: {}", count(number, "scenario"), printable(reason));
        }
    }
}

fn ending(text: &mut String, report: &Report, out: Option<&Path>, paint: Paint) {
    let _ = writeln!(text);
    for fault in &report.faults {
        let _ = writeln!(text, "{}  {}", paint.verdict(Verdict::TestbedError, "TESTBED"), printable(fault));
    }
    if let Some(why) = &report.ended_early {
        let left = count(report.not_run.len(), "scenario");
        let _ = writeln!(
            text,
            "{}: {}; {left} not run",
            paint.verdict(Verdict::Inconclusive, "ended early"),
            printable(why)
        );
    }
    let parts: Vec<String> = COLUMNS
        .iter()
        .map(|(verdict, _)| (*verdict, report.count(*verdict)))
        .filter(|(verdict, number)| *number > 0 || *verdict == Verdict::Passed)
        .map(|(verdict, number)| paint.verdict(verdict, &format!("{number} {verdict}")))
        .collect();
    let _ = writeln!(
        text,
        "{}: {} in {:.2} s (profile {}, seed {})",
        count(report.scenarios.len(), "scenario"),
        parts.join(", "),
        report.duration.as_secs_f64(),
        report.profile,
        report.seed,
    );
    if let Some(out) = out {
        let _ = writeln!(text, "report in {}", out.display());
    }
}
