//! What a run came to as a whole, and the forms in which it is reported.

mod json;
mod junit;
mod progress;
mod terminal;

pub use json::to_json;
pub use junit::to_junit;
pub use progress::Progress;
pub use terminal::{Paint, to_text};

use crate::expectations::Comparison;
use crate::features::Plan;
use crate::requirements::{Level, Requirement, Tier};
use crate::run::RunResult;
use crate::verdict::{Outcome, Verdict, seconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Version of the form of `report.json`; it changes when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// All that is reported of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub schema: u32,
    /// Name of this program.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// Name of the profile.
    pub profile: String,
    /// Seed of the run.
    pub seed: u64,
    /// Start of the run, seconds after the epoch.
    pub started: u64,
    /// How long it took by the wall clock, seconds.
    #[serde(with = "seconds")]
    pub duration: Duration,
    /// Exit status.
    pub status: u8,
    /// Why the run ended before all scenarios were run.
    pub ended_early: Option<String>,
    /// Faults of the testbed that belong to no scenario.
    pub faults: Vec<String>,
    /// How many scenarios and requirements came to which verdict.
    pub totals: Totals,
    /// Outcome of each scenario.
    pub scenarios: Vec<Outcome>,
    /// Scenarios that were not run since the run ended early.
    pub not_run: Vec<String>,
    /// What each requirement comes to that the scenarios of this run name.
    pub requirements: Vec<RequirementReport>,
    /// The comparison with the known verdicts of the DUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectations: Option<Comparison>,
}

/// Counts by verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Scenarios.
    pub scenarios: BTreeMap<Verdict, usize>,
    /// Requirements.
    pub requirements: BTreeMap<Verdict, usize>,
    /// Requirements that are named but were not judged, since their scenarios stopped before.
    pub not_judged: usize,
}

/// What a requirement comes to over all scenarios.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementReport {
    /// Its id.
    pub id: String,
    /// Its level.
    pub level: Level,
    /// Its tier.
    pub tier: Tier,
    /// Its area.
    pub area: String,
    /// Document and section.
    pub citation: String,
    /// The requirement in words.
    pub text: String,
    /// The gravest verdict of any scenario; none if it was not judged.
    pub verdict: Option<Verdict>,
    /// The scenarios that name it.
    pub scenarios: Vec<String>,
}

impl Report {
    /// Draws up the report of a run. The comparison with expectations, if there is one, is added by
    /// [`Report::compare`].
    pub fn new(profile: &str, seed: u64, started: SystemTime, duration: Duration, result: RunResult) -> Self {
        let catalogue = crate::requirements::Catalogue::embedded();
        let named = |requirement: &&Requirement| {
            result.outcomes.iter().any(|outcome| outcome.requirements.contains(&requirement.id))
        };
        let requirements: Vec<RequirementReport> = catalogue
            .iter()
            .filter(named)
            .map(|requirement| requirement_report(requirement, &result.outcomes))
            .collect();
        let totals = Totals {
            scenarios: counts(result.outcomes.iter().map(|outcome| outcome.verdict)),
            requirements: counts(requirements.iter().filter_map(|requirement| requirement.verdict)),
            not_judged: requirements.iter().filter(|requirement| requirement.verdict.is_none()).count(),
        };
        let mut report = Self {
            schema: SCHEMA,
            tool: "counterpeer".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: profile.to_owned(),
            seed,
            started: started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
            duration,
            status: 0,
            ended_early: result.ended_early,
            faults: result.faults,
            totals,
            scenarios: result.outcomes,
            not_run: result.not_run,
            requirements,
            expectations: None,
        };
        report.status = report.compute_status();
        report
    }

    /// Adds the comparison with the known verdicts of the DUT, which then decides on the status.
    pub fn compare(&mut self, comparison: Comparison) {
        self.expectations = Some(comparison);
        self.status = self.compute_status();
    }

    /// How many scenarios came to a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.totals.scenarios.get(&verdict).copied().unwrap_or_default()
    }

    fn compute_status(&self) -> u8 {
        let testbed = self.count(Verdict::TestbedError);
        let short = self.count(Verdict::Failed) + self.count(Verdict::Inconclusive);
        let judged = self.scenarios.iter().any(|outcome| outcome.verdict.is_judged());
        match &self.expectations {
            _ if !self.faults.is_empty() => status::TESTBED,
            _ if self.ended_early.is_some() => status::INTERRUPTED,
            Some(comparison) if comparison.holds() => status::GOOD,
            _ if testbed > 0 => status::TESTBED,
            Some(_) => status::SHORT,
            None if short > 0 => status::SHORT,
            None if !judged => status::UNJUDGED,
            None => status::GOOD,
        }
    }
}

/// Exit statuses.
pub mod status {
    /// All as required, or as expected.
    pub const GOOD: u8 = 0;
    /// A verdict fell short.
    pub const SHORT: u8 = 1;
    /// Wrong usage, or a fault in a profile or feature.
    pub const USAGE: u8 = 2;
    /// The testbed itself failed.
    pub const TESTBED: u8 = 3;
    /// Nothing could be judged.
    pub const UNJUDGED: u8 = 125;
    /// Ended by a signal before all scenarios were run.
    pub const INTERRUPTED: u8 = 130;
}

fn counts(verdicts: impl Iterator<Item = Verdict>) -> BTreeMap<Verdict, usize> {
    let mut counts: BTreeMap<Verdict, usize> = Verdict::ALL.into_iter().map(|verdict| (verdict, 0)).collect();
    for verdict in verdicts {
        *counts.entry(verdict).or_default() += 1;
    }
    counts
}

fn requirement_report(requirement: &Requirement, outcomes: &[Outcome]) -> RequirementReport {
    let naming = outcomes.iter().filter(|outcome| outcome.requirements.contains(&requirement.id));
    RequirementReport {
        id: requirement.id.clone(),
        level: requirement.level,
        tier: requirement.tier,
        area: requirement.area.clone(),
        citation: requirement.citation(),
        text: requirement.text.clone(),
        verdict: naming.clone().filter_map(|outcome| outcome.of(&requirement.id)).max(),
        scenarios: naming.map(|outcome| outcome.scenario.clone()).collect(),
    }
}

/// The heading of a scenario's evidence.
pub fn evidence_title<W>(plan: &Plan<W>, profile: &str, seed: u64) -> String {
    format!("Scenario: {}\n{}\nprofile {profile}, seed {seed}", plan.name, plan.place)
}
