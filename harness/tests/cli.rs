//! The command line against a testbed that is none: files, exit statuses, texts.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod fake;

use counterpeer::report::Report;
use fake::{FakeBench, counterpeer, features, path};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const FEATURE: &str = "\
@ikev2
Feature: Sequence numbers of ESP

  @ESP-SEQ-001
  Scenario: They grow
    Given a tunnel is up
    When the tester sends 2 packets
    Then 2 packets come through

  @ESP-SEQ-002
  Scenario: They never wrap
    When the tester sends 1 packet
    Then it does not hold

  @IKE2-HDR-006 @slow
  Scenario: A newer version is answered
    Then it does not hold

  @IKE2-INFO-009
  Scenario: An unknown SPI is told
    Then the DUT says what it chose

  @ESP-SEQ-003 @needs:ikev1
  Scenario: Only with version 1
    Then it holds

  @ESP-SEQ-004
  Scenario: Without a tunnel
    Given no tunnel comes up
    Then it holds
";

struct Run {
    status: u8,
    text: String,
    err: String,
    out: tempfile::TempDir,
}

impl Run {
    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.out.path().join(name)).unwrap()
    }

    fn report(&self) -> Report {
        serde_json::from_str(&self.file("report.json")).unwrap()
    }
}

fn run(files: &[(&str, &str)], bench: FakeBench, args: &[&str]) -> Run {
    let folder = features(files);
    let out = tempfile::tempdir().unwrap();
    let fixed = ["run", "--features-dir", path(folder.path()), "--out", path(out.path())];
    let all: Vec<&str> = fixed.into_iter().chain(args.iter().copied()).collect();
    let (status, text, err) = counterpeer(bench, &all);
    // Places and folders differ from run to run.
    let text = text.replace(path(folder.path()), "FEATURES").replace(path(out.path()), "OUT");
    Run { status, text, err, out }
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r" in \d+\.\d+ s ", " in T s ");
    settings.add_filter(r#""(start|duration|started)": [0-9.e-]+"#, r#""$1": "T""#);
    settings.add_filter(r#"time="[0-9.e-]+""#, r#"time="T""#);
    settings.add_filter(r#"timestamp="[^"]+""#, r#"timestamp="T""#);
    settings.add_filter(r"/tmp/\.tmp\w+", "FEATURES");
    settings
}

#[test]
fn the_text_report() {
    let run = run(&[("esp/sequence.feature", FEATURE)], FakeBench::default(), &["--jobs", "1"]);
    assert_eq!(run.status, 1);
    assert_eq!(run.err, "");
    settings().bind(|| insta::assert_snapshot!("text", run.text));
}

#[test]
fn the_json_report() {
    let run = run(&[("esp/sequence.feature", FEATURE)], FakeBench::default(), &["--format", "json"]);
    assert_eq!(run.text.replace("FEATURES", ""), run.file("report.json").replace(&features_folder(&run), ""));
    settings().bind(|| insta::assert_snapshot!("json", run.file("report.json")));
}

/// The folder of the features as the report names it.
fn features_folder(run: &Run) -> String {
    let place = &run.report().scenarios[0].place.file;
    place.trim_end_matches("/esp/sequence.feature").to_owned()
}

#[test]
fn the_junit_report() {
    let run = run(&[("esp/sequence.feature", FEATURE)], FakeBench::default(), &[]);
    let xml = run.file("junit.xml");
    let document = roxmltree::Document::parse(&xml).unwrap();
    let children = |name: &str| -> Vec<(String, String)> {
        let elements = document.descendants().filter(|node| node.has_tag_name(name));
        let case = |node: roxmltree::Node<'_, '_>| node.parent().unwrap().attribute("name").unwrap().to_owned();
        elements.map(|node| (case(node), node.attribute("type").unwrap().to_owned())).collect()
    };
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("testcase")).count(), 6);
    assert_eq!(children("failure"), [("They never wrap".to_owned(), "failed".to_owned())]);
    assert_eq!(children("error"), [("Without a tunnel".to_owned(), "inconclusive".to_owned())]);
    assert_eq!(children("skipped"), [("Only with version 1".to_owned(), "not applicable".to_owned())]);
    let skipped = document.descendants().find(|node| node.has_tag_name("skipped")).unwrap();
    assert_eq!(skipped.attribute("message"), Some("profile edge does not support ikev1"));
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.attribute("message"), Some("expected the answer within 2 s; came nothing ]]> <&>"));
    assert!(failure.text().unwrap().contains("came: nothing ]] > <&> (seen at 1.5 s)"), "{:?}", failure.text());
    settings().bind(|| insta::assert_snapshot!("junit", xml.replace("><", ">\n<")));
}

#[test]
fn evidence_lies_beside_the_report() {
    let run = run(&[("esp/sequence.feature", FEATURE)], FakeBench::default(), &[]);
    for outcome in run
        .report()
        .scenarios
        .iter()
        .filter(|outcome| outcome.reason.as_deref() != Some("profile edge does not support ikev1"))
    {
        assert_eq!(outcome.evidence.len(), 4, "{}", outcome.scenario);
        for file in &outcome.evidence {
            assert!(run.out.path().join(file).is_file(), "{}", file.display());
        }
    }
    let capture = counterpeer::evidence::capture::read(
        &std::fs::read(run.out.path().join("captures/sequence-they-grow/capture.pcapng")).unwrap(),
    );
    assert_eq!(capture.fault, None);
    assert!(capture.comments[0].contains("Scenario: They grow") && capture.comments[0].contains("seed 1"));
    assert_eq!(capture.packets[1].comments, ["When the tester sends 2 packets"]);
    settings().bind(|| insta::assert_snapshot!("timeline", run.file("captures/sequence-they-grow/timeline.txt")));
    let left: Vec<_> = std::fs::read_dir(run.out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "no partial file is left: {left:?}");
}

#[test]
fn a_run_repeats_from_its_seed_whatever_else_is_run() {
    let seeds = |args: &[&str]| -> Vec<(String, u64)> {
        let run = run(&[("a.feature", FEATURE)], FakeBench::default(), args);
        run.report().scenarios.into_iter().map(|outcome| (outcome.scenario, outcome.seed)).collect()
    };
    let all = seeds(&[]);
    assert_eq!(all, seeds(&["--jobs", "1", "--seed", "1"]));
    let slow = seeds(&["--tags", "@slow"]);
    assert_eq!(slow.len(), 1);
    assert!(all.contains(&slow[0]));
    assert_ne!(all, seeds(&["--seed", "2"]));
}

#[test]
fn scenarios_run_side_by_side_even_if_they_block() {
    let text = "@ESP-SEQ-001\nFeature: F\n  Scenario: a\n    When two scenarios are here at once\n    Then it holds\n  Scenario: b\n    When two scenarios are here at once\n    Then it holds\n";
    assert_eq!(run(&[("a.feature", text)], FakeBench::default(), &["--jobs", "2"]).status, 0);
    let bench = FakeBench::default();
    let log = Arc::clone(&bench.log);
    run(&[("a.feature", FEATURE)], bench, &["--jobs", "1"]);
    assert_eq!(log.most_at_once.load(Ordering::SeqCst), 1);
    assert_eq!((log.begun.load(Ordering::SeqCst), log.finished.load(Ordering::SeqCst)), (5, 5));
    assert_eq!((log.opened.load(Ordering::SeqCst), log.closed.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn serial_scenarios_run_alone() {
    let text: String = (0..8).fold("@ESP-SEQ-001 @serial\nFeature: F\n".to_owned(), |text, n| {
        text + &format!("  Scenario: s{n}\n    Then it holds\n")
    });
    let bench = FakeBench::default();
    let log = Arc::clone(&bench.log);
    assert_eq!(run(&[("a.feature", &text)], bench, &["--jobs", "8"]).status, 0);
    assert_eq!(log.most_at_once.load(Ordering::SeqCst), 1);
}

#[test]
fn a_dut_that_dies_ends_the_run_with_a_word() {
    let text = "@ESP-SEQ-001\nFeature: F\n  Scenario: a\n    Then it holds\n  Scenario: b\n    When the DUT dies\n    Then it does not hold\n  Scenario: c\n    Then it holds\n";
    let bench = FakeBench::default();
    let log = Arc::clone(&bench.log);
    let run = run(&[("a.feature", text)], bench, &["--jobs", "1"]);
    assert_eq!(run.status, 3);
    assert!(run.text.contains("the DUT is gone: exit status 9"), "{}", run.text);
    let report = run.report();
    assert_eq!(report.scenarios.len() + report.not_run.len(), 3);
    assert_eq!(report.not_run, ["c"]);
    assert!(run.file("junit.xml").contains("not run: the DUT is gone"));
    assert_eq!(log.closed.load(Ordering::SeqCst), 1);
}

#[test]
fn a_dut_that_is_not_there_is_told_before_anything_runs() {
    let bench = FakeBench::default();
    bench.log.gone.store(true, Ordering::SeqCst);
    let run = run(&[("a.feature", FEATURE)], bench, &[]);
    assert_eq!(run.status, 3);
    assert_eq!(run.report().not_run.len(), 5, "all but the one that is not applicable");
}

#[test]
fn a_lab_that_cannot_be_opened_still_leaves_a_report() {
    let bench = FakeBench { no_lab: Some("interface veth-out: no such device".into()), ..FakeBench::default() };
    let run = run(&[("a.feature", FEATURE)], bench, &[]);
    assert_eq!(run.status, 3);
    assert_eq!((run.text.as_str(), run.err.as_str()), ("", "counterpeer: interface veth-out: no such device\n"));
    assert_eq!(run.report().faults, ["interface veth-out: no such device"]);
    assert_eq!(run.report().not_run.len(), 6);
    roxmltree::Document::parse(&run.file("junit.xml")).unwrap();
}

#[test]
fn scenarios_are_chosen_and_listed() {
    let list = |args: &[&str]| -> (u8, String, String) {
        let run = run(&[("a.feature", FEATURE)], FakeBench::default(), args);
        (run.status, run.text, run.err)
    };
    let (status, text, _) = list(&["--list", "--tags", "@ikev2 and not (@slow or @needs:ikev1)"]);
    assert_eq!(status, 0);
    assert!(
        text.ends_with("4 scenarios\n")
            && text.contains("FEATURES/a.feature:5\n    They grow\n    @ikev2 @ESP-SEQ-001\n"),
        "{text}"
    );
    let (_, json, _) = list(&["--list", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[4]["needs"][0], "ikev1");
    let (status, _, err) = list(&["--tags", "@nothing"]);
    assert_eq!(status, 2);
    assert!(err.contains("fits no scenario"), "{err}");
    let (status, _, err) = list(&["--tags", "ikev2 &"]);
    assert_eq!(status, 2);
    assert!(err.contains("write tags with @"), "{err}");
}

#[test]
fn faults_in_features_are_listed_and_nothing_runs() {
    let bench = FakeBench::default();
    let log = Arc::clone(&bench.log);
    let run = run(&[("a.feature", "Feature: F\n  Scenario: a\n    Then nobody knows this\n")], bench, &[]);
    assert_eq!(run.status, 2);
    assert!(run.err.starts_with("counterpeer: 2 faults in the features, nothing was run:\n"), "{}", run.err);
    assert_eq!(run.err.lines().count(), 3);
    assert_eq!(log.opened.load(Ordering::SeqCst), 0);
    assert!(!run.out.path().join("report.json").exists());
}

#[test]
fn wrong_usage_is_told_in_a_line() {
    for (args, part) in [
        (&["run", "--jobs", "0"] as &[&str], "0 is not in 1.."),
        (&["run", "--seed", "x"], "invalid digit"),
        (&["run", "--deviation", "unsee"], "did you mean \"unseen\"?"),
        (&["run", "--profile", "/nonexistent.yaml"], "/nonexistent.yaml: No such file"),
        (&["run", "--expectations", "/nonexistent.yaml"], "/nonexistent.yaml: No such file"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["mutants", "--only", "other"], "unknown deviation \"other\""),
        (&["decode", "/nonexistent.pcap"], "/nonexistent.pcap: No such file"),
    ] {
        let folder = features(&[("a.feature", FEATURE)]);
        let mut all = args.to_vec();
        if matches!(args[0], "run" | "mutants") {
            all.extend(["--features-dir", path(folder.path())]);
        }
        let (status, out, err) = counterpeer(FakeBench::default(), &all);
        assert_eq!(status, 2, "{args:?}: {out}{err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
}

fn with_expectations(yaml: &str, args: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.yaml");
    std::fs::write(&file, yaml).unwrap();
    let all: Vec<&str> = ["--expectations", path(&file)].into_iter().chain(args.iter().copied()).collect();
    let mut run = run(&[("a.feature", FEATURE)], FakeBench::default(), &all);
    run.err = run.err.replace(path(folder.path()), "DIR");
    run
}

const KNOWN: &str = "\
- scenario: They never wrap
  verdict: failed
  reason: known since 2.1
- requirement: IKE2-HDR-006
  verdict: warned
  reason: it is silent on purpose
- scenario: Without a tunnel
  verdict: inconclusive
  reason: no tunnel in this lab
";

#[test]
fn known_shortfalls_are_as_expected() {
    let run = with_expectations(KNOWN, &[]);
    assert_eq!(run.status, 0, "{}", run.text);
    assert!(run.text.contains("expectations: 3 shortfalls as expected, no difference"), "{}", run.text);
    let xml = run.file("junit.xml");
    assert!(!xml.contains("<failure") && !xml.contains("<error"), "{xml}");
    assert!(xml.contains("failed as expected (known since 2.1)"), "{xml}");
}

#[test]
fn any_difference_fails_in_both_directions() {
    let differs = |yaml: &str, args: &[&str], difference: &str| {
        let run = with_expectations(yaml, args);
        assert_eq!(run.status, 1, "{}", run.text);
        assert!(run.text.contains(difference), "{difference}: {}", run.text);
    };
    let without = KNOWN.replace("They never wrap", "They grow");
    differs(&without, &[], "scenario \"They never wrap\": expected what is required, came failed");
    differs(&without, &[], "scenario \"They grow\": expected failed, came passed");
    let worse = KNOWN.replace("verdict: warned", "verdict: passed");
    differs(&worse, &[], "requirement IKE2-HDR-006: expected passed, came warned");
    differs(&worse, &[], "scenario \"A newer version is answered\": expected what is required, came warned");
    let nothing = format!("{KNOWN}- scenario: No such one\n  verdict: failed\n  reason: x\n");
    differs(&nothing, &[], "scenario \"No such one\": expected failed, came nothing of that name in this run");
    let expired = KNOWN.replace("reason: known since 2.1", "reason: known\n  until: 2020-01-31");
    differs(&expired, &[], "expected failed until 2020-01-31, came failed: look again");
    let later = KNOWN.replace("reason: known since 2.1", "reason: known\n  until: 2999-01-31");
    assert_eq!(with_expectations(&later, &[]).status, 0);
}

#[test]
fn of_a_partial_run_only_what_was_run_is_compared() {
    assert_eq!(with_expectations(KNOWN, &["--tags", "@ESP-SEQ-001 or @slow"]).status, 0);
    assert_eq!(with_expectations(KNOWN, &["--tags", "@ESP-SEQ-002"]).status, 0);
}

#[test]
fn faults_in_expectations_name_the_line() {
    for (yaml, fault) in [
        (KNOWN.replace("verdict: failed", "verdict: faild"), "DIR/known.yaml:2: \"faild\" is no verdict"),
        (KNOWN.replace("  reason: known since 2.1\n", ""), "DIR/known.yaml:2: the key \"reason\" is missing"),
        (
            KNOWN.replace("reason: known since 2.1", "reasn: x"),
            "DIR/known.yaml:3: unknown key \"reasn\": did you mean \"reason\"?",
        ),
        (
            KNOWN.replace("reason: known since 2.1", "reason: x\n  until: soon"),
            "DIR/known.yaml:4: \"soon\" is not a day",
        ),
        (
            KNOWN.replace("Without a tunnel", "They never wrap"),
            "DIR/known.yaml:7: another entry names scenario \"They never wrap\" too",
        ),
        (
            "- verdict: failed\n  reason: x\n".into(),
            "DIR/known.yaml:1: an entry names either a scenario or a requirement",
        ),
    ] {
        let run = with_expectations(&yaml, &[]);
        assert_eq!(run.status, 2, "{}", run.err);
        assert!(run.err.contains(fault), "{fault}: {}", run.err);
    }
}

#[test]
fn mutants_are_killed_or_survive() {
    let text = "Feature: F\n  @ESP-SEQ-001\n  Scenario: They get through\n    When the tester sends 1 packet\n    Then 1 packet comes through\n  @IKE2-INFO-009\n  Scenario: The choice\n    Then the DUT says what it chose\n  @ESP-SEQ-002\n  Scenario: Finds nothing\n    Then it holds\n";
    let folder = features(&[("a.feature", text)]);
    let args = ["mutants", "--features-dir", path(folder.path())];
    let (status, printed, err) = counterpeer(FakeBench::default(), &args);
    assert_eq!((status, err.as_str()), (1, ""));
    insta::assert_snapshot!("mutants", printed);
    let json: Vec<&str> = args.into_iter().chain(["--format", "json"]).collect();
    let (_, printed, _) = counterpeer(FakeBench::default(), &json);
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&json["deviations"], &json["killed"]), (&3.into(), &2.into()));
    assert_eq!(json["survivors"], serde_json::json!(["unseen"]));
    assert_eq!(json["deviations_without_scenario"], serde_json::json!(["nobody-looks"]));
    assert_eq!(json["requirements_without_deviation"], serde_json::json!(["ESP-SEQ-002"]));
    assert_eq!(json["scenarios_without_kill"], serde_json::json!(["Finds nothing"]));
    let only: Vec<&str> = args.into_iter().chain(["--only", "drops-good-packets"]).collect();
    assert_eq!(counterpeer(FakeBench::default(), &only).0, 0);
}

#[test]
fn a_scenario_that_fails_anyway_kills_nothing() {
    let text = "Feature: F\n  @ESP-SEQ-001\n  Scenario: Always fails\n    Then it does not hold\n";
    let folder = features(&[("a.feature", text)]);
    let args = ["mutants", "--features-dir", path(folder.path()), "--format", "json"];
    let (status, printed, err) = counterpeer(FakeBench::default(), &args);
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((status, &json["killed"]), (1, &0.into()));
    assert_eq!(json["unsound_scenarios"], serde_json::json!(["Always fails"]));
    assert!(err.contains("1 scenario fell short"), "{err}");
}

#[test]
fn coverage_counts_by_tier_and_area() {
    let folder = features(&[("a.feature", FEATURE)]);
    let args = ["requirements", "--features-dir", path(folder.path())];
    let (status, text, _) = counterpeer(FakeBench::default(), &args);
    assert_eq!(status, 0);
    assert!(text.ends_with("6 of 588 covered by 6 scenarios\n"), "{text}");
    let json: Vec<&str> = args.into_iter().chain(["--format", "json"]).collect();
    let (_, json, _) = counterpeer(FakeBench::default(), &json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let covered: u64 = ["core", "extended"].iter().map(|tier| json["tiers"][tier]["covered"].as_u64().unwrap()).sum();
    assert_eq!((covered, &json["tiers"]["core"]["total"]), (6, &350.into()));
    let uncovered: Vec<&str> = args.into_iter().chain(["--uncovered"]).collect();
    let (_, uncovered, _) = counterpeer(FakeBench::default(), &uncovered);
    assert_eq!(uncovered.lines().filter(|line| !line.starts_with(' ')).count(), 582);
}

#[test]
fn the_report_folder_is_cleared_of_an_earlier_run_only() {
    let folder = features(&[("a.feature", FEATURE)]);
    let out = tempfile::tempdir().unwrap();
    let captures = out.path().join("captures");
    std::fs::create_dir_all(captures.join("mine")).unwrap();
    let args = ["run", "--features-dir", path(folder.path()), "--out", path(out.path()), "--tags", "@ESP-SEQ-001"];
    counterpeer(FakeBench::default(), &args);
    assert!(captures.join("mine").is_dir(), "it was not from a run");
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(count(&captures), 2);
    counterpeer(FakeBench::default(), &args);
    assert_eq!(count(&captures), 1);
}
