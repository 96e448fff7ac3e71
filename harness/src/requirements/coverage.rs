//! Which requirements the scenarios cover, by tier and area.

use super::{Catalogue, Requirement, Tier};
use serde::Serialize;
use std::collections::BTreeSet;

/// Coverage of the catalogue by a set of scenarios.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// One entry a tier, the first target set first.
    pub tiers: Vec<TierCoverage>,
    /// Requirements that no scenario names, in the order of the catalogue.
    pub uncovered: Vec<String>,
}

/// Coverage of one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierCoverage {
    /// The tier.
    pub tier: Tier,
    /// Requirements in it.
    pub total: usize,
    /// Of these, named by at least one scenario.
    pub covered: usize,
    /// The same by area.
    pub areas: Vec<AreaCoverage>,
}

/// Coverage of one area in one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AreaCoverage {
    /// Name of the area.
    pub area: String,
    /// Requirements in it.
    pub total: usize,
    /// Of these, named by at least one scenario.
    pub covered: usize,
}

impl Coverage {
    /// Counts what the named requirements cover of the catalogue.
    pub fn of(catalogue: &Catalogue, named: &BTreeSet<String>) -> Self {
        let covered = |requirement: &&Requirement| named.contains(&requirement.id);
        let tiers = [Tier::Core, Tier::Extended]
            .into_iter()
            .map(|tier| {
                let members: Vec<&Requirement> = catalogue.iter().filter(|entry| entry.tier == tier).collect();
                let areas = catalogue
                    .areas()
                    .into_iter()
                    .filter_map(|area| {
                        let inside: Vec<&Requirement> =
                            members.iter().copied().filter(|entry| entry.area == area).collect();
                        (!inside.is_empty()).then(|| AreaCoverage {
                            area: area.to_owned(),
                            total: inside.len(),
                            covered: inside.iter().filter(|entry| covered(entry)).count(),
                        })
                    })
                    .collect();
                let covered = members.iter().filter(|entry| covered(entry)).count();
                TierCoverage { tier, total: members.len(), covered, areas }
            })
            .collect();
        let uncovered = catalogue.iter().filter(|entry| !covered(entry)).map(|entry| entry.id.clone()).collect();
        Self { tiers, uncovered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_areas_add_up_to_the_tiers() {
        let named: BTreeSet<String> = ["IKE2-HDR-001", "IKE2-HDR-008", "no-such"].map(String::from).into();
        let coverage = Coverage::of(Catalogue::embedded(), &named);
        for tier in &coverage.tiers {
            assert_eq!(tier.total, tier.areas.iter().map(|area| area.total).sum::<usize>());
            assert_eq!(tier.covered, tier.areas.iter().map(|area| area.covered).sum::<usize>());
            assert_eq!(tier.covered, 1);
        }
        assert_eq!(coverage.uncovered.len(), Catalogue::embedded().len() - 2);
    }
}
