//! `counterpeer requirements`.

use super::{Failure, Format, ScenarioArgs, plans};
use crate::report::status;
use crate::requirements::{Catalogue, Coverage, untested};
use crate::run::Bench;
use clap::Args;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct RequirementsArgs {
    /// Print for people or for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// List the requirements that no scenario names, with the reason where one is known.
    #[arg(long)]
    uncovered: bool,
    /// Take the features from this folder instead of those that are built in.
    #[arg(long, value_name = "DIR")]
    features_dir: Option<PathBuf>,
}

pub(super) fn run<B: Bench>(bench: &B, args: &RequirementsArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let scenarios = ScenarioArgs { features: Vec::new(), features_dir: args.features_dir.clone(), tags: None };
    let plans = plans(bench, &scenarios)?;
    let catalogue = Catalogue::embedded();
    let mut covered_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for plan in &plans {
        for requirement in &plan.requirements {
            covered_by.entry(&requirement.id).or_default().push(&plan.name);
        }
    }
    let named: BTreeSet<String> = covered_by.keys().map(ToString::to_string).collect();
    let coverage = Coverage::of(catalogue, &named);
    match args.format {
        Format::Json => {
            let requirements: Vec<_> = catalogue
                .iter()
                .map(|entry| {
                    json!({
                        "id": entry.id, "tier": entry.tier, "area": entry.area, "level": entry.level,
                        "citation": entry.citation(), "text": entry.text,
                        "covered_by": covered_by.get(entry.id.as_str()).cloned().unwrap_or_default(),
                        "not_tested": untested().get(&entry.id),
                    })
                })
                .collect();
            let tiers: serde_json::Map<String, serde_json::Value> = coverage
                .tiers
                .iter()
                .map(|tier| {
                    let value = json!({"total": tier.total, "covered": tier.covered, "areas": tier.areas});
                    (tier.tier.to_string(), value)
                })
                .collect();
            let all = json!({"scenarios": plans.len(), "tiers": tiers, "requirements": requirements});
            writeln!(out, "{}", serde_json::to_string_pretty(&all).map_err(Failure::testbed)?)?;
        }
        Format::Text if args.uncovered => {
            for entry in coverage.uncovered.iter().filter_map(|id| catalogue.find(id)) {
                writeln!(
                    out,
                    "{:16} {:8} {:10} {}: {}",
                    entry.id,
                    entry.tier,
                    entry.level,
                    entry.citation(),
                    entry.text
                )?;
                if let Some(reason) = untested().get(&entry.id) {
                    writeln!(out, "{:16} not tested: {reason}", "")?;
                }
            }
        }
        Format::Text => text(&coverage, plans.len(), out)?,
    }
    Ok(status::GOOD)
}

fn text(coverage: &Coverage, scenarios: usize, out: &mut dyn Write) -> std::io::Result<()> {
    for tier in &coverage.tiers {
        writeln!(out, "{}: {} of {} requirements covered", tier.tier, tier.covered, tier.total)?;
        for area in &tier.areas {
            writeln!(out, "  {:24}{:4} of {:4}", area.area, area.covered, area.total)?;
        }
    }
    let total: usize = coverage.tiers.iter().map(|tier| tier.total).sum();
    let covered: usize = coverage.tiers.iter().map(|tier| tier.covered).sum();
    let reasons = coverage.uncovered.iter().filter(|id| untested().contains_key(*id)).count();
    if reasons > 0 {
        writeln!(out, "{reasons} of the others are not tested for a reason (--uncovered lists them)")?;
    }
    writeln!(out, "{covered} of {total} covered by {}", crate::text::count(scenarios, "scenario"))
}
