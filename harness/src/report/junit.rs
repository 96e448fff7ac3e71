//! `junit.xml`: a suite a feature, a case a scenario.
//!
//! A failed scenario is a *failure*; an inconclusive one and a fault of the testbed are an *error*, told apart by type;
//! one that is not applicable, or that fell short as its expectation says, is *skipped* with the reason. Warnings and
//! what was measured stand in the output of the case.

use super::Report;
use crate::text::printable;
use crate::verdict::{Outcome, Verdict};
use junit_report::{Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestSuiteBuilder};
use std::fmt::Write as _;

/// The report as JUnit XML.
///
/// # Errors
/// The XML writer failed.
pub fn to_junit(report: &Report) -> Result<Vec<u8>, String> {
    let started =
        i64::try_from(report.started).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let mut features: Vec<&str> = Vec::new();
    for outcome in &report.scenarios {
        if !features.contains(&outcome.place.file.as_str()) {
            features.push(&outcome.place.file);
        }
    }
    let mut whole = ReportBuilder::new();
    for file in features {
        let own: Vec<&Outcome> = report.scenarios.iter().filter(|outcome| outcome.place.file == file).collect();
        let name = own.first().map_or(file, |outcome| outcome.feature.as_str());
        let mut suite = TestSuiteBuilder::new(&clean(name));
        if let Some(started) = started {
            suite.set_timestamp(started);
        }
        suite.add_testcases(own.into_iter().map(|outcome| case(report, outcome)));
        whole.add_testsuite(suite.build());
    }
    if !report.not_run.is_empty() || !report.faults.is_empty() {
        whole.add_testsuite(unfinished(report));
    }
    let mut xml = Vec::new();
    whole.build().write_xml(&mut xml).map_err(|error| error.to_string())?;
    xml.push(b'\n');
    Ok(xml)
}

fn case(report: &Report, outcome: &Outcome) -> TestCase {
    let name = clean(&outcome.scenario);
    let time = Duration::seconds_f64(outcome.duration.as_secs_f64());
    let verdict = outcome.verdict.words();
    let reason = line(outcome.reason.as_deref().unwrap_or(verdict));
    let expected = report.expectations.as_ref().and_then(|comparison| comparison.expected(&outcome.scenario));
    let mut case = match (outcome.verdict, expected) {
        (Verdict::Failed | Verdict::Inconclusive, Some(why)) => {
            let message = line(&format!("{verdict} as expected ({why}): {reason}"));
            TestCaseBuilder::skipped_with_cause(&name, &format!("expected to be {verdict}"), &message)
        }
        (Verdict::Passed | Verdict::Characterised | Verdict::Warned, _) => TestCaseBuilder::success(&name, time),
        (Verdict::Failed, None) => TestCaseBuilder::failure(&name, time, verdict, &reason),
        (Verdict::Inconclusive, None) | (Verdict::TestbedError, _) => {
            TestCaseBuilder::error(&name, time, verdict, &reason)
        }
        (Verdict::NotApplicable, _) => TestCaseBuilder::skipped_with_cause(&name, verdict, &reason),
    };
    case.set_classname(&clean(outcome.place.file.trim_end_matches(".feature")));
    case.set_filepath(&clean(&outcome.place.to_string()));
    let details = details(report, outcome);
    if matches!(outcome.verdict, Verdict::Failed | Verdict::Inconclusive | Verdict::TestbedError) {
        case.set_trace(&character_data(&details));
    } else if !details.is_empty() {
        case.set_system_out(&character_data(&details));
    }
    case.build()
}

/// Judgements other than passed, with requirement and citation, and what was measured.
fn details(report: &Report, outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(step) = &outcome.stopped_at {
        let _ = writeln!(text, "stopped at: {step}");
    }
    for judgement in &outcome.judgements {
        if judgement.verdict == Verdict::Passed {
            continue;
        }
        let _ = writeln!(text, "{}: {}", judgement.requirement, judgement.verdict);
        if let Some(requirement) = report.requirements.iter().find(|own| own.id == judgement.requirement) {
            let _ = writeln!(text, "  {} ({}): {}", requirement.level, requirement.citation, requirement.text);
        }
        let _ = writeln!(text, "  step: {}", judgement.step);
        for (name, value) in [("expected", &judgement.expected), ("came", &judgement.observed)] {
            if !value.is_empty() {
                let _ = writeln!(text, "  {name}: {value}");
            }
        }
    }
    for measured in &outcome.measured {
        let _ = writeln!(text, "measured: {}: {}", measured.name, measured.value);
    }
    for path in &outcome.evidence {
        let _ = writeln!(text, "evidence: {}", path.display());
    }
    text
}

/// What kept scenarios from being run, as a suite of its own, so that nobody takes the rest for the whole.
fn unfinished(report: &Report) -> junit_report::TestSuite {
    let mut suite = TestSuiteBuilder::new("run");
    let why = report.ended_early.as_deref().unwrap_or("the run ended early");
    for fault in &report.faults {
        suite.add_testcase(TestCase::error("testbed", Duration::ZERO, "testbed error", &line(fault)));
    }
    for name in &report.not_run {
        let message = line(&format!("not run: {why}"));
        suite.add_testcase(TestCase::error(&clean(name), Duration::ZERO, "not run", &message));
    }
    suite.build()
}

fn clean(text: &str) -> String {
    printable(text)
}

/// Attributes have one line.
fn line(text: &str) -> String {
    clean(text).lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The end mark of character data must not stand in it.
fn character_data(text: &str) -> String {
    clean(text).replace("]]>", "]] >")
}
