//! The catalogue: every requirement that a scenario can judge, with its citation.
//!
//! The catalogue is part of the program. A scenario names requirements by tag, a verdict is given per requirement,
//! and the coverage report says which of them no scenario names yet.

mod coverage;

pub use coverage::{AreaCoverage, Coverage, TierCoverage};

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

/// Stable name of a requirement, such as `ESP-SEQ-001`.
pub type RequirementId = &'static str;

/// One testable sentence of an RFC or of a vendor's guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Stable name; tags and reports refer to it.
    pub id: String,
    /// Belongs to the first target set or not.
    pub tier: Tier,
    /// `RFC 7296`, or the document of a vendor.
    pub rfc: String,
    /// Section of the RFC or chapter of the guide.
    pub section: String,
    /// How strongly it is worded.
    pub level: Level,
    /// Which role of the DUT it binds.
    pub role: Role,
    /// Area of the catalogue, such as `anti-replay`.
    pub area: String,
    /// The requirement in words.
    pub text: String,
    /// What a tester sees of it.
    pub observable: String,
    /// What the tester sends or arranges.
    pub stimulus: String,
    /// A fault that a scenario for this requirement must catch.
    pub mutant: String,
    /// Was it checked against the text, or is it from knowledge of the field?
    pub source: Source,
    /// What a testbed must have for it.
    pub needs: Vec<Need>,
    /// Remark on wording or interpretation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Requirement {
    /// Document and section, as a reader would cite them.
    pub fn citation(&self) -> String {
        if self.rfc.starts_with("RFC") {
            format!("{} section {}", self.rfc, self.section)
        } else {
            format!("vendor guide {}, {}", self.rfc.trim_end_matches(".txt"), self.section)
        }
    }
}

/// The set that a requirement belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The first target set.
    Core,
    /// The rest.
    Extended,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "core",
            Self::Extended => "extended",
        })
    }
}

/// Requirement level (RFC 2119).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// MUST.
    #[serde(rename = "MUST")]
    Must,
    /// MUST NOT.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// SHOULD.
    #[serde(rename = "SHOULD")]
    Should,
    /// SHOULD NOT.
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    /// MAY.
    #[serde(rename = "MAY")]
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::Should => "SHOULD",
            Self::ShouldNot => "SHOULD NOT",
            Self::May => "MAY",
        })
    }
}

/// Role of the DUT that a requirement binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum Role {
    Initiator,
    Responder,
    Sender,
    Receiver,
    Both,
}

/// Where the wording of a requirement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Checked against the text of the standard.
    Text,
    /// Practice of the field; no sentence of a standard says so.
    Knowledge,
}

/// What a testbed must have to judge a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A peer on the wire is enough.
    Wire,
    /// A host behind the DUT too.
    TwoSided,
    /// The DUT must be made to act.
    DutTrigger,
    /// The DUT's configuration must be set.
    DutConfig,
    /// The DUT's log must be read.
    DutLog,
    /// The DUT's counters must be read.
    DutCounters,
    /// Long or exact timing.
    Time,
    /// Load.
    Perf,
    /// Inner state, which usually only the reference peer offers.
    Introspection,
}

/// All requirements, in the order of the file.
#[derive(Debug)]
pub struct Catalogue {
    all: Vec<Requirement>,
    by_id: HashMap<String, usize>,
}

impl Catalogue {
    /// The catalogue that is part of the program.
    pub fn embedded() -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        CATALOGUE.get_or_init(|| {
            Self::parse(include_str!("catalogue.yaml")).expect("a unit test reads the embedded catalogue")
        })
    }

    /// Reads a catalogue from YAML.
    ///
    /// # Errors
    /// The YAML is not a list of requirements, or an id occurs twice.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        let all: Vec<Requirement> = serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
        let mut by_id = HashMap::new();
        for (position, requirement) in all.iter().enumerate() {
            if by_id.insert(requirement.id.clone(), position).is_some() {
                return Err(format!("requirement {} occurs twice", requirement.id));
            }
        }
        Ok(Self { all, by_id })
    }

    /// The requirement of this id.
    pub fn find(&self, id: &str) -> Option<&Requirement> {
        self.by_id.get(id).and_then(|&position| self.all.get(position))
    }

    /// All requirements, in the order of the catalogue.
    pub fn iter(&self) -> std::slice::Iter<'_, Requirement> {
        self.all.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The areas in the order in which the catalogue first names them.
    pub fn areas(&self) -> Vec<&str> {
        let mut areas: Vec<&str> = Vec::new();
        for requirement in &self.all {
            if !areas.contains(&requirement.area.as_str()) {
                areas.push(&requirement.area);
            }
        }
        areas
    }
}

/// Why no scenario judges a requirement, by its id.
pub fn untested() -> &'static BTreeMap<String, String> {
    static UNTESTED: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    UNTESTED.get_or_init(|| {
        let read: Option<BTreeMap<String, String>> =
            serde_yaml::from_str(include_str!("untested.yaml")).expect("a unit test reads the embedded list");
        read.unwrap_or_default()
    })
}

/// Does a tag look like the id of a requirement (`ESP-SEQ-001`)? Such a tag must be in the catalogue.
pub fn looks_like_id(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let upper = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    parts.next().is_some_and(upper) && {
        let rest: Vec<&str> = parts.collect();
        !rest.is_empty()
            && rest.iter().all(|part| upper(part))
            && rest.last().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    #[test]
    fn what_is_not_tested_is_in_the_catalogue_and_has_a_reason() {
        for (id, reason) in untested() {
            assert!(Catalogue::embedded().find(id).is_some(), "{id}");
            assert!(reason.ends_with('.') && reason.len() > 20, "{id}: {reason}");
        }
    }

    #[test]
    fn the_embedded_catalogue_reads_and_every_id_looks_like_one() {
        let catalogue = Catalogue::embedded();
        assert_eq!(catalogue.len(), 588);
        assert_eq!(catalogue.iter().filter(|requirement| requirement.tier == Tier::Core).count(), 350);
        for requirement in catalogue.iter() {
            assert!(looks_like_id(&requirement.id), "{}", requirement.id);
            assert_eq!(catalogue.find(&requirement.id).unwrap(), requirement);
        }
        assert_eq!(catalogue.areas().first(), Some(&"ike-header"));
    }

    #[test]
    fn an_id_that_occurs_twice_is_refused() {
        let one = include_str!("catalogue.yaml").split("\n- id: ").nth(1).unwrap();
        let yaml = format!("- id: {one}\n- id: {one}\n");
        assert_eq!(Catalogue::parse(&yaml).unwrap_err(), "requirement IKE2-HDR-001 occurs twice");
    }

    #[test]
    fn other_tags_are_not_taken_for_ids() {
        for tag in ["ikev2", "slow", "needs:inside", "ESP", "esp-seq-001", "ESP-SEQ-", "ESP--001", "RFC-7296-a"] {
            assert!(!looks_like_id(tag), "{tag}");
        }
    }

    #[test]
    fn citations_name_the_section() {
        assert_eq!(Catalogue::embedded().find("IKE2-HDR-001").unwrap().citation(), "RFC 7296 section 3.1");
    }
}
