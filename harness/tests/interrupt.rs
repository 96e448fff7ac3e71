//! A run that is interrupted keeps what it has and says so. A test of its own, since signals reach the whole process.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod fake;

use counterpeer::report::Report;
use counterpeer::verdict::Verdict;
use fake::{FakeBench, counterpeer, features, path};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn sigterm_ends_the_run_and_leaves_a_report() {
    let text = "@ESP-SEQ-001\nFeature: F\n  Scenario: first\n    Then it holds\n  Scenario: second\n    When the scenario waits until it is told to end\n    Then it holds\n  Scenario: third\n    Then it holds\n";
    let folder = features(&[("a.feature", text)]);
    let out = tempfile::tempdir().unwrap();
    let bench = FakeBench::default();
    let log = Arc::clone(&bench.log);
    let sender = std::thread::spawn({
        let log = Arc::clone(&log);
        move || {
            while log.begun.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            let pid = std::process::id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        }
    });
    let args = ["run", "--features-dir", path(folder.path()), "--out", path(out.path()), "--jobs", "1"];
    let (status, printed, _) = counterpeer(bench, &args);
    sender.join().unwrap();
    assert_eq!(status, 130);
    assert!(printed.contains("ended early: interrupted by SIGTERM; 1 scenario not run"), "{printed}");
    let report: Report =
        serde_json::from_str(&std::fs::read_to_string(out.path().join("report.json")).unwrap()).unwrap();
    let verdicts: Vec<(&str, Verdict)> =
        report.scenarios.iter().map(|outcome| (outcome.scenario.as_str(), outcome.verdict)).collect();
    assert_eq!(verdicts, [("first", Verdict::Passed), ("second", Verdict::Inconclusive)]);
    assert_eq!(report.not_run, ["third"]);
    assert!(out.path().join("captures/a-first/capture.pcapng").is_file());
    assert_eq!(log.closed.load(Ordering::SeqCst), 1, "the lab is closed");
}
