//! The program itself, as a user calls it.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use std::process::{Command, Stdio};

fn counterpeer(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_counterpeer")).args(args).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [&["run"] as &[&str], &["mutants"], &["requirements"], &["decode"], &["profile", "check"]] {
        let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let (status, text, err) = counterpeer(&args);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        assert!(text.contains("Example") && text.contains(&format!("  counterpeer {}", command.join(" "))), "{text}");
    }
    let (status, text, _) = counterpeer(&["--help"]);
    assert!(status == Some(0) && text.contains("Exit status: 0 all as required"), "{text}");
    assert_eq!(counterpeer(&[]).0, Some(2));
}

#[test]
fn the_embedded_features_are_sound_and_listed() {
    let (status, text, err) = counterpeer(&["run", "--list", "--format", "json"]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(!list.as_array().unwrap().is_empty());
}

#[test]
fn the_coverage_counts_the_embedded_features() {
    let (status, text, _) = counterpeer(&["requirements", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &json["tiers"]["core"]["total"]), (Some(0), &350.into()));
    let covered = json["requirements"].as_array().unwrap().iter();
    let covered = covered.filter(|entry| !entry["covered_by"].as_array().unwrap().is_empty()).count() as u64;
    let tiers = ["core", "extended"].map(|tier| json["tiers"][tier]["covered"].as_u64().unwrap());
    assert_eq!(tiers[0] + tiers[1], covered);
    assert!(covered > 0);
}

#[test]
fn a_profile_is_shown_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.yaml");
    let text = "name: edge\noutside: {interface: eth9, dut: 10.66.0.1, testers: 10.66.0.16/28}\nike: {psk: {env: EDGE_PSK}, proposals: [aes128-sha1-modp2048]}\n";
    std::fs::write(&file, text).unwrap();
    let check = |psk: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterpeer"));
        command.args(["profile", "check"]).arg(&file).env_remove("EDGE_PSK");
        if let Some(psk) = psk {
            command.env("EDGE_PSK", psk);
        }
        let output = command.output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, out, _) = check(Some("open sesame"));
    assert_eq!(status, Some(0));
    assert!(out.contains("11 octets from environment variable EDGE_PSK") && !out.contains("sesame"), "{out}");
    assert!(out.contains("10.66.0.16-10.66.0.31 (16 addresses)"), "{out}");
    assert!(out.contains("note: ipsec.protected is missing") && out.ends_with("not enough for a run\n"), "{out}");
    let (status, out, err) = check(None);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("edge.yaml:3:12: ike.psk: the environment variable EDGE_PSK is not set"), "{err}");
    std::fs::write(&file, text.replace("{env: EDGE_PSK}", "{text: x}")).unwrap();
    let (status, _, err) = counterpeer(&["run", "--profile", file.to_str().unwrap()]);
    assert!(status == Some(2) && err.lines().count() == 1, "{err}");
    assert!(err.contains("edge.yaml: ipsec.proposals is missing"), "{err}");
}

#[test]
fn whoever_stops_reading_gets_no_complaint() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_counterpeer"))
        .args(["requirements", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// Steps about replay windows, run against the built-in peer, with a deviation or none: exit status and report.
fn windows(steps: &str, deviation: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let feature = format!("@esp\nFeature: Windows\n\n  @CISCO-REPLAY-003\n  Scenario: Told and measured\n{steps}");
    std::fs::write(folder.path().join("window.feature"), feature).unwrap();
    let (features, out) = (folder.path().to_str().unwrap(), folder.path().join("out"));
    let fixed = ["run", "--features-dir", features, "--out", out.to_str().unwrap()];
    let (status, text, err) = counterpeer(&[&fixed, deviation].concat());
    assert_eq!(err, "");
    (status, text)
}

#[test]
fn a_window_of_another_size_than_expected_fails_with_both_numbers() {
    let told = |told: &str, expected: &str| {
        format!("    Given the DUT's {told}\n    And a pair of SAs\n    Then the replay window is {expected}\n")
    };
    for (dut, expected, measured) in [
        ("replay window is 256", "512", "256"),
        ("replay window is 512", "256", "512"),
        ("replay check is off", "512", "off"),
        ("replay window is 64", "off", "64"),
    ] {
        let (status, text) = windows(&told(dut, expected), &[]);
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains(&format!("replay window: configured {expected}, measured {measured} ")), "{text}");
        assert!(text.contains("FAILED  Told and measured") && text.contains("1 failed"), "{text}");
    }
    let (status, text) = windows(&told("replay window is 512", "512"), &["--deviation", "ignores-window-size"]);
    assert!(status == Some(1) && text.contains("configured 512, measured 64 "), "{text}");
    let (status, text) = windows(&told("replay window is 512", "512"), &[]);
    assert!(status == Some(0) && text.contains("configured 512, measured 512 "), "{text}");
}
