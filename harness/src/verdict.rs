//! What a scenario and a requirement can come to, and what a verdict rests on.

use crate::requirements::Level;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What was found out about the DUT. The order is that of weight: of several judgements of one requirement the
/// greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The profile does not claim the feature, or lacks the hook.
    NotApplicable,
    /// The required behaviour was seen.
    Passed,
    /// A MAY or a vendor's choice: what the DUT does was measured and recorded.
    Characterised,
    /// A SHOULD (NOT) was seen broken.
    Warned,
    /// The preconditions never came about, or the control failed. Never counted as passed.
    Inconclusive,
    /// Our own fault. Never blamed on the DUT.
    TestbedError,
    /// A MUST (NOT) was seen broken.
    Failed,
}

impl Verdict {
    /// All verdicts, in the order in which reports count them.
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Characterised,
        Self::Warned,
        Self::Failed,
        Self::Inconclusive,
        Self::NotApplicable,
        Self::TestbedError,
    ];

    /// The verdict of a step that held, for a requirement of this level.
    pub fn held(level: Level) -> Self {
        match level {
            Level::May => Self::Characterised,
            _ => Self::Passed,
        }
    }

    /// The verdict of a step that did not hold, for a requirement of this level.
    pub fn broken(level: Level) -> Self {
        match level {
            Level::Must | Level::MustNot => Self::Failed,
            Level::Should | Level::ShouldNot => Self::Warned,
            Level::May => Self::Characterised,
        }
    }

    /// Does it say something about the DUT?
    pub fn is_judged(self) -> bool {
        !matches!(self, Self::NotApplicable | Self::Inconclusive | Self::TestbedError)
    }

    /// In words, as reports print it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Characterised => "characterised",
            Self::NotApplicable => "not applicable",
            Self::Inconclusive => "inconclusive",
            Self::TestbedError => "testbed error",
        }
    }
}

impl FromStr for Verdict {
    type Err = String;

    /// Reads the words of a verdict; `_` and `-` count as spaces.
    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.trim().replace(['_', '-'], " ");
        Self::ALL.into_iter().find(|verdict| verdict.words() == words).ok_or_else(|| {
            let known = Self::ALL.map(Self::words).join(", ");
            format!("{text:?} is no verdict: use one of {known}")
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// What one step said about one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Id of the requirement.
    pub requirement: String,
    /// What it comes to, by the requirement's level.
    pub verdict: Verdict,
    /// The step, with its keyword.
    pub step: String,
    /// What was expected, in words; empty when the step says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What was seen, in words, with the measured values.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed: String,
}

/// What a requirement comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementVerdict {
    /// Id of the requirement.
    pub requirement: String,
    /// What it comes to.
    pub verdict: Verdict,
}

/// A value that was measured, such as ("replay window", "configured 64, measured 64").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub name: String,
    /// The value in words, with its unit.
    pub value: String,
}

/// Where a scenario is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Path of the feature file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What one scenario came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the scenario, with the values of its example row.
    pub scenario: String,
    /// Name of the feature.
    pub feature: String,
    /// Where it is written.
    pub place: Place,
    /// What it comes to as a whole.
    pub verdict: Verdict,
    /// Why, unless every step held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The step at which it stopped early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<String>,
    /// Requirements that it names.
    pub requirements: Vec<String>,
    /// What each requirement comes to here, one entry a requirement; a requirement whose steps were not reached has
    /// none.
    pub requirement_verdicts: Vec<RequirementVerdict>,
    /// What each step said.
    pub judgements: Vec<Judgement>,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// Seed of this scenario.
    pub seed: u64,
    /// Start, after the start of the run.
    #[serde(with = "seconds")]
    pub start: Duration,
    /// How long it took by the wall clock.
    #[serde(with = "seconds")]
    pub duration: Duration,
    /// How long it took by the testbed's clock, which is virtual in the virtual network.
    #[serde(with = "seconds")]
    pub testbed_time: Duration,
    /// Evidence files, relative to the report folder.
    pub evidence: Vec<PathBuf>,
}

impl Outcome {
    /// What a requirement comes to in this scenario.
    pub fn of(&self, requirement: &str) -> Option<Verdict> {
        self.requirement_verdicts.iter().find(|own| own.requirement == requirement).map(|own| own.verdict)
    }
}

/// Durations as seconds with a fraction.
pub(crate) mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        // Microseconds are enough, and keep the text short.
        serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e6)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
