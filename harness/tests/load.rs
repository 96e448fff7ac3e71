//! Everything that can be wrong with a feature is found before anything runs, all at once, each with its place.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod fake;

use counterpeer::features::{Plan, Source, load};
use counterpeer::requirements::Catalogue;
use counterpeer::run::Bench;
use fake::{FakeBench, World};

fn read(text: &str) -> Result<Vec<Plan<World>>, Vec<String>> {
    let source = Source { path: "a.feature".into(), text: text.into(), lines: vec![] };
    load(&[source], &FakeBench::default().steps(), Catalogue::embedded())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    match read(text) {
        Ok(plans) => panic!("read as {} scenarios", plans.len()),
        Err(errors) => assert_eq!(errors, expected),
    }
}

const SOUND: &str = "\
@ikev2 @ESP-SEQ-001
Feature: Sequence numbers

  Background:
    Given a tunnel is up

  @ESP-SEQ-002 @needs:inside @slow
  Scenario: They grow
    When the tester sends 3 packets
    Then 3 packets come through [ESP-SEQ-002]
    And it holds

  Rule: Some rule
    Background:
      Given a tunnel is up

    Scenario Outline: Outline
      When the tester sends <n> packets
      Then <n> packets come through
      Examples:
        | n |
        | 1 |
        | 2 |
";

#[test]
fn a_sound_feature_gives_its_scenarios() {
    let plans = read(SOUND).unwrap();
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["They grow", "Outline (n 1)", "Outline (n 2)"]);
    let [grow, one, two] = plans.as_slice() else { panic!() };
    assert_eq!(grow.tags, ["ikev2", "ESP-SEQ-001", "ESP-SEQ-002", "needs:inside", "slow"]);
    assert_eq!(grow.needs, ["inside"]);
    assert_eq!(grow.place.to_string(), "a.feature:8");
    assert_eq!(grow.steps.len(), 4);
    let bound: Vec<Vec<&str>> = grow
        .steps
        .iter()
        .map(|planned| planned.step.requirements().iter().map(|requirement| requirement.id.as_str()).collect())
        .collect();
    assert_eq!(bound, [vec![], vec![], vec!["ESP-SEQ-002"], vec!["ESP-SEQ-001", "ESP-SEQ-002"]]);
    assert_eq!(grow.steps[2].step.text(), "3 packets come through");
    assert_eq!(one.steps.len(), 4, "both backgrounds");
    assert_eq!(two.steps[2].step.text(), "the tester sends 2 packets");
    assert_eq!((one.slug.as_str(), two.slug.as_str()), ("a-outline-n-1", "a-outline-n-2"));
    assert_eq!((one.place.line, two.place.line), (22, 23));
}

#[test]
fn an_unknown_step_names_the_nearest_and_all_faults_are_listed() {
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Given a tunel is up\n    When a tunnel is up\n    Then it holds\n  Scenario: b\n    Then it all holds perfectly well today\n",
        &[
            "a.feature:4: unknown step \"a tunel is up\"; the nearest is \"a tunnel is up\"",
            "a.feature:5: \"a tunnel is up\" is known as a Given step, but not as a When step",
            "a.feature:8: unknown step \"it all holds perfectly well today\"",
        ],
    );
}

#[test]
fn an_ambiguous_step_names_both_patterns() {
    let mut steps = FakeBench::default().steps();
    steps.then("{word} holds", |_, _| Ok(()));
    let text = "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Then it holds\n";
    let source = Source { path: "a.feature".into(), text: text.into(), lines: vec![] };
    let errors = load(&[source], &steps, Catalogue::embedded()).err().unwrap();
    assert_eq!(
        errors[0].to_string(),
        "a.feature:4: ambiguous step \"it holds\": it fits \"it holds\" and \"{word} holds\""
    );
}

#[test]
fn unknown_requirements_are_refused_in_tags_and_brackets() {
    refused(
        "@ESP-SEQ-01 @ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Then it holds [ESP-SEQ-001, ESP-SEQ-0O2, ESP-FMT-001]\n    And it holds\n",
        &[
            "a.feature:3: unknown requirement ESP-SEQ-01: did you mean ESP-SEQ-001?",
            "a.feature:4: [ESP-FMT-001] is not among the scenario's tags: add @ESP-FMT-001",
            "a.feature:4: unknown requirement ESP-SEQ-0O2: did you mean ESP-SEQ-002?",
        ],
    );
}

#[test]
fn a_scenario_that_cannot_fail_or_judges_nothing_is_refused() {
    refused(
        "Feature: x\n  @ESP-SEQ-001\n  Scenario: no Then\n    When the tester sends 1 packet\n  Scenario: no requirement\n    Then it holds\n  @ESP-SEQ-001 @ESP-SEQ-002\n  Scenario: one is judged by nobody\n    Then it holds [ESP-SEQ-001]\n",
        &[
            "a.feature:3: the scenario has no Then step: it cannot fail, so it is no test",
            "a.feature:5: the scenario names no requirement: tag it or its feature with the id of one",
            "a.feature:8: no Then step judges ESP-SEQ-002: every one names others in brackets",
        ],
    );
}

#[test]
fn only_a_then_step_judges() {
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Given a tunnel is up [ESP-SEQ-001]\n    Then it holds\n",
        &["a.feature:4: [ESP-SEQ-001]: only a Then step judges requirements"],
    );
}

#[test]
fn names_differ() {
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Then it holds\n  Scenario: a\n    Then it holds\n",
        &["a.feature:5: another scenario is named \"a\", at a.feature:3: names must differ"],
    );
}

#[test]
fn an_unknown_need_is_refused() {
    refused(
        "@ESP-SEQ-001 @needs:insde @needs:claim.x @needs:control.y\nFeature: x\n  Scenario: a\n    Then it holds\n",
        &["a.feature:3: unknown tag @needs:insde: did you mean inside?"],
    );
}

#[test]
fn a_typing_error_in_a_keyword_is_found() {
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Given a tunnel is up\n    Thn it holds\n",
        &["a.feature:5: \"Thn it holds\" is neither a step nor a heading: did you mean Then?"],
    );
    // On the first line of a scenario Gherkin takes it for a description.
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Gvien a tunnel is up\n    Then it holds\n",
        &["a.feature:4: this line would be a step, but \"Gvien\" is no keyword (did you mean Given?)"],
    );
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenari: a\n    Then it holds\n",
        &["a.feature:3: \"Scenari:\" is no heading: did you mean Scenario:?"],
    );
}

#[test]
fn outlines_need_rows_and_columns() {
    let outline = |rows: &str| {
        format!("@ESP-SEQ-001\nFeature: x\n  Scenario Outline: a\n    Then <n> packets come through\n{rows}")
    };
    refused(
        &outline("    Examples:\n      | n |\n"),
        &[
            "a.feature:2: the feature has no scenario",
            "a.feature:3: a scenario outline without example rows runs nothing: add a row to its Examples",
        ],
    );
    refused(
        &outline("    Examples:\n      | m |\n      | 1 |\n"),
        &["a.feature:4: no column <n> in the Examples of this scenario"],
    );
}

#[test]
fn what_is_no_feature_is_refused() {
    refused("", &["a.feature:1: a feature file begins with \"Feature:\" and a name, and this one has none"]);
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Then it holds\n  Scenario: a\n    Then it holds\n",
        &["a.feature:3: this step belongs to no scenario: a heading such as \"Scenario:\" is missing before it"],
    );
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Then it holds\n      | a | b |\n      | c\n",
        &["a.feature:6: a row of a table ends with |"],
    );
    refused(
        "@ESP-SEQ-001\nFeature: x\n  Scenario: a\n    Then it holds\n      \"\"\"\n      text\n",
        &["a.feature:5: this text block is never closed"],
    );
    refused("@ESP-SEQ-001\nFeature: x\n", &["a.feature:2: the feature has no scenario"]);
}

#[test]
fn lines_choose_scenarios_and_example_rows() {
    let chosen = |lines: &[usize]| -> Vec<String> {
        let source = Source { path: "a.feature".into(), text: SOUND.into(), lines: lines.to_vec() };
        let plans = load(&[source], &FakeBench::default().steps(), Catalogue::embedded());
        plans.unwrap_or_else(|errors| panic!("{errors:?}")).into_iter().map(|plan| plan.name).collect()
    };
    assert_eq!(chosen(&[8]), ["They grow"]);
    assert_eq!(chosen(&[10]), ["They grow"], "a line within it");
    assert_eq!(chosen(&[17]), ["Outline (n 1)", "Outline (n 2)"]);
    assert_eq!(chosen(&[23]), ["Outline (n 2)"]);
    assert_eq!(chosen(&[9, 22]), ["They grow", "Outline (n 1)"]);
    let source = Source { path: "a.feature".into(), text: SOUND.into(), lines: vec![2] };
    let errors = load(&[source], &FakeBench::default().steps(), Catalogue::embedded()).err().unwrap();
    assert_eq!(errors[0].to_string(), "a.feature:2: no scenario begins at or before this line");
}
