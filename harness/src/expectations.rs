//! Known verdicts of a DUT. A run is compared with them in both directions: what got worse, what got better, and
//! entries that match nothing are all differences.

use crate::verdict::{Outcome, Verdict};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

/// One known verdict.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Name of the scenario; or else
    #[serde(default)]
    pub scenario: Option<String>,
    /// the id of the requirement, as judged over all scenarios.
    #[serde(default)]
    pub requirement: Option<String>,
    /// The verdict that is known.
    #[serde(deserialize_with = "verdict")]
    pub verdict: Verdict,
    /// Why it is so.
    pub reason: String,
    /// Last day, as `2027-03-31`, on which it is taken for granted.
    #[serde(default, deserialize_with = "day")]
    pub until: Option<String>,
}

/// All known verdicts of a DUT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations(Vec<Expectation>);

/// What became of the expectations in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// Verdicts that fell short and were expected to, by scenario, each with the reason.
    pub expected: BTreeMap<String, String>,
    /// What is otherwise than expected.
    pub differences: Vec<Difference>,
}

/// One difference between a run and the expectations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The scenario or requirement.
    pub subject: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub came: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, came {}", self.subject, self.expected, self.came)
    }
}

impl Comparison {
    /// Is everything as expected?
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }

    /// The reason why a scenario was expected to fall short as it did.
    pub fn expected(&self, scenario: &str) -> Option<&str> {
        self.expected.get(scenario).map(String::as_str)
    }

    /// In words, for the terminal.
    pub fn to_text(&self) -> String {
        let mut text = format!("expectations: {} as expected", crate::text::count(self.expected.len(), "shortfall"));
        if self.differences.is_empty() {
            text.push_str(", no difference");
        }
        for difference in &self.differences {
            let _ = write!(text, "\n  differs: {difference}");
        }
        text
    }
}

impl Expectations {
    /// Reads a file of expectations: a YAML list.
    ///
    /// # Errors
    /// Where the fault is and what to do about it.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|(line, message)| format!("{}:{line}: {message}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, (u64, String)> {
        let entries: Vec<serde_yaml::Spanned<Expectation>> =
            serde_yaml::from_str(text).map_err(|error: serde_yaml::Error| {
                let (position, message) = crate::yaml::explain(&error);
                (position.map_or(1, |(line, _)| line), message)
            })?;
        for (index, entry) in entries.iter().enumerate() {
            let line = entry.referenced.line();
            match (&entry.value.scenario, &entry.value.requirement) {
                (None, None) | (Some(_), Some(_)) => {
                    return Err((line, "an entry names either a scenario or a requirement".to_owned()));
                }
                _ => {}
            }
            if entry.value.reason.trim().is_empty() {
                return Err((line, "a known verdict needs its reason".to_owned()));
            }
            let same = |other: &serde_yaml::Spanned<Expectation>| {
                (&other.value.scenario, &other.value.requirement) == (&entry.value.scenario, &entry.value.requirement)
            };
            if entries.iter().take(index).any(same) {
                return Err((line, format!("another entry names {} too", entry.value.subject())));
            }
        }
        Ok(Self(entries.into_iter().map(|entry| entry.value).collect()))
    }

    /// Compares a run with the expectations. `requirements` gives what a requirement came to over all scenarios. Of a
    /// partial run, entries for what was not run are left aside.
    pub fn compare(
        &self,
        outcomes: &[Outcome],
        requirements: &dyn Fn(&str) -> Option<Verdict>,
        partial: bool,
        now: SystemTime,
    ) -> Comparison {
        let today = junit_report::OffsetDateTime::from(now).date().to_string();
        let mut comparison = Comparison::default();
        for entry in &self.0 {
            let came = match (&entry.scenario, &entry.requirement) {
                (Some(name), _) => outcomes.iter().find(|outcome| outcome.scenario == *name).map(|own| own.verdict),
                (None, Some(id)) => requirements(id),
                (None, None) => None,
            };
            let expected = entry.verdict.words().to_owned();
            let mut differs = |expected: String, came: &str| {
                comparison.differences.push(Difference { subject: entry.subject(), expected, came: came.to_owned() });
            };
            match (came, &entry.until) {
                (None, _) if partial => {}
                (None, _) => differs(expected, "nothing of that name in this run"),
                (Some(came), _) if came != entry.verdict => differs(expected, came.words()),
                (Some(came), Some(until)) if *until < today => {
                    differs(
                        format!("{expected} until {until}"),
                        &format!("{came}: look again whether it still must be"),
                    );
                }
                _ => {}
            }
        }
        for outcome in outcomes.iter().filter(|outcome| falls_short(outcome.verdict)) {
            let own = self.0.iter().find(|entry| entry.scenario.as_deref() == Some(&outcome.scenario));
            match own.map(|entry| entry.reason.clone()).or_else(|| self.excuse(outcome)) {
                Some(reason) => {
                    // A difference in the verdict itself is told already.
                    if own.is_none_or(|entry| entry.verdict == outcome.verdict) {
                        comparison.expected.insert(outcome.scenario.clone(), reason);
                    }
                }
                None => comparison.differences.push(Difference {
                    subject: format!("scenario {:?}", outcome.scenario),
                    expected: "what is required".to_owned(),
                    came: outcome.verdict.words().to_owned(),
                }),
            }
        }
        comparison
    }

    /// A scenario without an entry of its own is excused if each requirement that falls short in it is known to.
    fn excuse(&self, outcome: &Outcome) -> Option<String> {
        let mut short = outcome.requirement_verdicts.iter().filter(|own| falls_short(own.verdict)).peekable();
        short.peek()?;
        let reasons: Option<Vec<&str>> = short
            .map(|own| {
                let entry = self.0.iter().find(|entry| entry.requirement.as_deref() == Some(&own.requirement))?;
                (entry.verdict == own.verdict).then_some(entry.reason.as_str())
            })
            .collect();
        let mut reasons = reasons?;
        reasons.dedup();
        Some(reasons.join("; "))
    }
}

impl Expectation {
    fn subject(&self) -> String {
        match (&self.scenario, &self.requirement) {
            (Some(scenario), _) => format!("scenario {scenario:?}"),
            (None, Some(requirement)) => format!("requirement {requirement}"),
            (None, None) => String::new(),
        }
    }
}

/// Verdicts that need an entry.
fn falls_short(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Failed | Verdict::Warned | Verdict::Inconclusive | Verdict::TestbedError)
}

fn verdict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|octet| octet.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => Ok(Some(text)),
        _ => Err(serde::de::Error::custom(format!("{text:?} is not a day such as 2027-03-31"))),
    }
}
