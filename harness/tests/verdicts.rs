//! What steps say, and what scenario and requirements come to.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod fake;

use counterpeer::report::Report;
use counterpeer::verdict::{Outcome, Verdict};
use fake::{FakeBench, counterpeer, features, path};

/// Runs one scenario with these tags and steps; gives the exit status and the report.
fn run(tags: &str, steps: &str) -> (u8, Report) {
    let text = format!("Feature: F\n  {tags}\n  Scenario: S\n    {}\n", steps.replace(" / ", "\n    "));
    let folder = features(&[("a.feature", &text)]);
    let out = tempfile::tempdir().unwrap();
    let args = ["run", "--features-dir", path(folder.path()), "--out", path(out.path()), "--format", "json"];
    let (status, printed, err) = counterpeer(FakeBench::default(), &args);
    let report: Report = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed} {err}"));
    assert_eq!(report.status, status);
    assert_eq!(std::fs::read_to_string(out.path().join("report.json")).unwrap(), printed);
    (status, report)
}

fn outcome(tags: &str, steps: &str) -> (u8, Outcome) {
    let (status, report) = run(tags, steps);
    assert_eq!(report.scenarios.len(), 1);
    (status, report.scenarios.into_iter().next().unwrap())
}

const MUST: &str = "@ESP-SEQ-001";
const SHOULD: &str = "@IKE2-HDR-006";
const MAY: &str = "@IKE2-INFO-009";

#[test]
fn what_holds_passes() {
    let (status, outcome) =
        outcome(MUST, "Given a tunnel is up / When the tester sends 2 packets / Then 2 packets come through");
    assert_eq!((status, outcome.verdict), (0, Verdict::Passed));
    assert_eq!(outcome.of("ESP-SEQ-001"), Some(Verdict::Passed));
    assert_eq!(outcome.measured[0].value, "2 of 2");
    assert_eq!(outcome.testbed_time.as_secs(), 1);
    let files: Vec<String> =
        outcome.evidence.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(files, ["capture.pcapng", "timeline.txt", "ikev2_decryption_table", "esp_sa"]);
}

#[test]
fn a_broken_must_fails_and_later_requirements_are_not_judged() {
    let (status, outcome) = outcome(
        "@ESP-SEQ-001 @ESP-SEQ-002 @ESP-SEQ-003",
        "Then it holds [ESP-SEQ-001] / Then it does not hold [ESP-SEQ-002] / Then it holds [ESP-SEQ-003, ESP-SEQ-001]",
    );
    assert_eq!((status, outcome.verdict), (1, Verdict::Failed));
    assert_eq!(outcome.of("ESP-SEQ-002"), Some(Verdict::Failed));
    assert_eq!(outcome.of("ESP-SEQ-003"), None);
    assert_eq!(outcome.of("ESP-SEQ-001"), None, "one of its steps was not reached");
    assert_eq!(outcome.stopped_at.as_deref(), Some("Then it does not hold"));
    let failed = outcome.judgements.last().unwrap();
    assert_eq!(failed.expected, "the answer within 2 s");
    assert!(failed.observed.contains("seen at 1.5 s"), "{failed:?}");
}

#[test]
fn what_held_before_a_failure_has_held() {
    let (_, outcome) =
        outcome("@ESP-SEQ-001 @ESP-SEQ-002", "Then it holds [ESP-SEQ-001] / Then it does not hold [ESP-SEQ-002]");
    assert_eq!(outcome.of("ESP-SEQ-001"), Some(Verdict::Passed));
}

#[test]
fn a_broken_should_warns() {
    let (status, outcome) = outcome(SHOULD, "Then it does not hold");
    assert_eq!((status, outcome.verdict), (0, Verdict::Warned));
}

#[test]
fn one_step_counts_for_each_requirement_by_its_level() {
    let (status, outcome) = outcome("@ESP-SEQ-001 @IKE2-HDR-006 @IKE2-INFO-009", "Then it does not hold");
    assert_eq!((status, outcome.verdict), (1, Verdict::Failed));
    assert_eq!(outcome.of("ESP-SEQ-001"), Some(Verdict::Failed));
    assert_eq!(outcome.of("IKE2-HDR-006"), Some(Verdict::Warned));
    assert_eq!(outcome.of("IKE2-INFO-009"), Some(Verdict::Characterised));
}

#[test]
fn a_choice_is_characterised_and_ends_nothing() {
    let (status, chosen) = outcome(MAY, "Then the DUT says what it chose");
    assert_eq!((status, chosen.verdict), (0, Verdict::Characterised));
    assert_eq!(chosen.judgements[0].observed, "nothing is sent");
    let (status, not) =
        outcome("@IKE2-INFO-009 @ESP-SEQ-001", "Then it does not hold [IKE2-INFO-009] / Then it holds [ESP-SEQ-001]");
    assert_eq!((status, not.verdict), (0, Verdict::Passed));
    assert_eq!(not.of("IKE2-INFO-009"), Some(Verdict::Characterised));
    assert_eq!(not.of("ESP-SEQ-001"), Some(Verdict::Passed));
}

#[test]
fn a_safety_rule_holds_for_every_choice() {
    let (status, outcome) = outcome(MAY, "Then a safety rule is broken");
    assert_eq!((status, outcome.verdict), (1, Verdict::Failed));
    assert_eq!(outcome.of("IKE2-INFO-009"), Some(Verdict::Failed));
}

#[test]
fn preconditions_that_never_came_about_are_inconclusive() {
    let (status, outcome) = outcome(MUST, "Given no tunnel comes up / Then it holds");
    assert_eq!((status, outcome.verdict), (1, Verdict::Inconclusive));
    assert_eq!(outcome.reason.as_deref(), Some("expected a tunnel within 2 s; came nothing"));
    assert_eq!(outcome.of("ESP-SEQ-001"), Some(Verdict::Inconclusive));
}

#[test]
fn a_control_that_fails_takes_back_what_had_passed() {
    let (status, outcome) = outcome(MUST, "Then it holds / Then the control fails");
    assert_eq!((status, outcome.verdict), (1, Verdict::Inconclusive));
    assert_eq!(outcome.of("ESP-SEQ-001"), Some(Verdict::Inconclusive));
}

#[test]
fn our_own_faults_are_not_the_duts() {
    let (status, broken) = outcome(MUST, "Then the testbed breaks");
    assert_eq!((status, broken.verdict), (3, Verdict::TestbedError));
    let (status, panicked) = outcome(MUST, "Then the step panics");
    assert_eq!((status, panicked.verdict), (3, Verdict::TestbedError));
    let reason = panicked.reason.unwrap();
    assert!(reason.contains("tests/fake/mod.rs:") && reason.ends_with("index out of order"), "{reason}");
    assert_eq!(panicked.evidence.len(), 4, "evidence is kept all the same");
    let (status, outcome) = outcome("@ESP-SEQ-001 @panic-begin", "Then it holds");
    assert_eq!((status, outcome.verdict), (3, Verdict::TestbedError));
}

#[test]
fn a_scenario_that_cannot_be_set_up_is_inconclusive() {
    let (status, outcome) = outcome("@ESP-SEQ-001 @no-begin", "Then it holds");
    assert_eq!((status, outcome.verdict), (1, Verdict::Inconclusive));
    assert_eq!(outcome.reason.as_deref(), Some("the DUT does not answer at all"));
}

#[test]
fn what_is_lacking_is_not_applicable() {
    let (status, before) = outcome("@ESP-SEQ-001 @needs:ikev1", "Then it does not hold");
    assert_eq!((status, before.verdict), (125, Verdict::NotApplicable), "nothing was judged");
    assert_eq!(before.reason.as_deref(), Some("profile edge does not support ikev1"));
    let (_, during) = outcome(
        "@ESP-SEQ-001 @ESP-SEQ-002",
        "Then it holds [ESP-SEQ-001] / Then it turns out to be absent [ESP-SEQ-002]",
    );
    assert_eq!(during.verdict, Verdict::NotApplicable);
    assert_eq!(during.of("ESP-SEQ-001"), Some(Verdict::Passed));
    assert_eq!(during.of("ESP-SEQ-002"), Some(Verdict::NotApplicable));
}

#[test]
fn a_requirement_comes_to_the_gravest_of_its_verdicts() {
    let text = "@ESP-SEQ-001\nFeature: F\n  Scenario: good\n    Then it holds\n  Scenario: bad\n    Then it does not hold\n  @needs:ikev1\n  Scenario: absent\n    Then it holds\n";
    let folder = features(&[("a.feature", text)]);
    let out = tempfile::tempdir().unwrap();
    let args = ["run", "--features-dir", path(folder.path()), "--out", path(out.path()), "--format", "json"];
    let (status, printed, _) = counterpeer(FakeBench::default(), &args);
    let report: Report = serde_json::from_str(&printed).unwrap();
    assert_eq!(status, 1);
    let [requirement] = report.requirements.as_slice() else { panic!() };
    assert_eq!(requirement.verdict, Some(Verdict::Failed));
    assert_eq!(requirement.scenarios, ["good", "bad", "absent"]);
    assert_eq!(report.totals.scenarios[&Verdict::NotApplicable], 1);
    assert_eq!(report.totals.requirements[&Verdict::Failed], 1);
}
