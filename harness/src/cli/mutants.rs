//! `counterpeer mutants`: a scenario that cannot see the fault that it is there for is no test.

use super::run::{SELF_SEED, in_lab, known_deviation};
use super::{Failure, Format, ScenarioArgs, plans, processors, signals};
use crate::evidence::Evidence;
use crate::features::Plan;
use crate::profile::Profile;
use crate::report::{Progress, status};
use crate::requirements::{Catalogue, Level};
use crate::run::{Bench, DeviationInfo, Interrupt, Observer, RunResult, Setup};
use crate::verdict::{Outcome, Verdict};
use clap::Args;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct MutantsArgs {
    #[command(flatten)]
    scenarios: ScenarioArgs,
    /// Only these deviations.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Print for people or for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Seed of all randomness.
    #[arg(long, value_name = "N", default_value_t = SELF_SEED)]
    seed: u64,
    /// Scenarios that run side by side; by default one a processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// What became of the deviations.
#[derive(Debug, Serialize)]
struct Matrix {
    seed: u64,
    matrix: Vec<Row>,
    /// Deviations that break only requirements which no scenario names: nothing was run against them.
    deviations_without_scenario: Vec<String>,
    /// Covered requirements that no deviation breaks.
    requirements_without_deviation: Vec<String>,
    /// Scenarios that find no deviation.
    scenarios_without_kill: Vec<String>,
    /// Scenarios that fall short against the honest peer: what they find proves nothing.
    unsound_scenarios: Vec<String>,
    deviations: usize,
    killed: usize,
    survivors: Vec<String>,
}

/// What became of one deviation.
#[derive(Debug, Serialize)]
struct Row {
    deviation: String,
    description: String,
    requirements: Vec<String>,
    killed: bool,
    /// The scenarios that were run against it.
    scenarios: Vec<Seen>,
}

/// What a scenario made of a deviation.
#[derive(Debug, Serialize)]
struct Seen {
    scenario: String,
    verdict: Verdict,
    killed: bool,
}

pub(super) fn run<B: Bench>(
    bench: &B,
    args: &MutantsArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Failure> {
    let plans = plans(bench, &args.scenarios)?;
    for name in &args.only {
        known_deviation(bench, name)?;
    }
    let chosen = |deviation: &DeviationInfo| args.only.is_empty() || args.only.contains(&deviation.name);
    let deviations: Vec<DeviationInfo> = bench.deviations().into_iter().filter(chosen).collect();
    let interrupt = Interrupt::default();
    signals::watch(interrupt.clone())?;
    let mut setup = Setup { profile: Arc::new(Profile::built_in()), seed: args.seed, deviation: None, interrupt };
    let jobs = args.jobs.map_or_else(processors, usize::from);

    let total = plans.len() + deviations.iter().map(|deviation| against(&plans, deviation).len()).sum::<usize>();
    let watcher = Arc::new(Watcher(Progress::new(total, args.format == Format::Text)));
    let honest = round(bench, &setup, &plans, jobs, &watcher)?;
    let honest: BTreeMap<&str, &Outcome> = honest.outcomes.iter().map(|own| (own.scenario.as_str(), own)).collect();

    let (mut rows, mut untried) = (Vec::new(), Vec::new());
    for deviation in &deviations {
        let own = against(&plans, deviation);
        if own.is_empty() {
            untried.push(deviation.name.clone());
            continue;
        }
        setup.deviation = Some(deviation.name.clone());
        let result = round(bench, &setup, &own, jobs, &watcher)?;
        let seen: Vec<Seen> = result
            .outcomes
            .iter()
            .map(|outcome| Seen {
                scenario: outcome.scenario.clone(),
                verdict: outcome.verdict,
                killed: honest.get(outcome.scenario.as_str()).is_some_and(|honest| kills(deviation, honest, outcome)),
            })
            .collect();
        rows.push(Row {
            deviation: deviation.name.clone(),
            description: deviation.description.clone(),
            requirements: deviation.requirements.clone(),
            killed: seen.iter().any(|seen| seen.killed),
            scenarios: seen,
        });
    }
    drop(watcher);
    let mut matrix = draw_up(args, &plans, &bench.deviations(), &honest, rows);
    matrix.deviations_without_scenario = untried;
    match args.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&matrix).map_err(Failure::testbed)?)?,
        Format::Text => text(&matrix, out)?,
    }
    if !matrix.unsound_scenarios.is_empty() {
        let count = crate::text::count(matrix.unsound_scenarios.len(), "scenario");
        writeln!(err, "counterpeer: against the honest peer {count} fell short; see `counterpeer run`")?;
    }
    let sound = matrix.survivors.is_empty() && matrix.unsound_scenarios.is_empty();
    Ok(if sound { status::GOOD } else { status::SHORT })
}

/// The scenarios that name a requirement which the deviation breaks.
fn against<W>(plans: &[Arc<Plan<W>>], deviation: &DeviationInfo) -> Vec<Arc<Plan<W>>> {
    let names = |plan: &&Arc<Plan<W>>| deviation.requirements.iter().any(|id| plan.names(id));
    plans.iter().filter(names).cloned().collect()
}

fn round<B: Bench>(
    bench: &B,
    setup: &Setup,
    plans: &[Arc<Plan<B::World>>],
    jobs: usize,
    watcher: &Arc<Watcher>,
) -> Result<RunResult, Failure> {
    let observer: Arc<dyn Observer> = watcher.clone();
    let result = in_lab(bench, setup, plans, jobs, observer).map_err(Failure::testbed)?;
    match (&result.ended_early, result.faults.first()) {
        (_, Some(fault)) => Err(Failure::testbed(fault)),
        (Some(why), None) => Err(Failure { status: status::INTERRUPTED, message: why.clone() }),
        (None, None) => Ok(result),
    }
}

/// Is the deviation seen? A requirement that it breaks must be judged broken where the honest peer was not; for a MAY
/// the choice that is recorded must be another.
fn kills(deviation: &DeviationInfo, honest: &Outcome, deviant: &Outcome) -> bool {
    let broken = |verdict: Option<Verdict>| matches!(verdict, Some(Verdict::Failed | Verdict::Warned));
    deviation.requirements.iter().any(|id| {
        let level = Catalogue::embedded().find(id).map(|requirement| requirement.level);
        if broken(honest.of(id)) {
            return false;
        }
        let choice = level == Some(Level::May)
            && deviant.of(id) == Some(Verdict::Characterised)
            && recorded(honest, id) != recorded(deviant, id);
        broken(deviant.of(id)) || choice
    })
}

fn recorded<'a>(outcome: &'a Outcome, requirement: &str) -> Vec<(&'a str, &'a str)> {
    let own = outcome.judgements.iter().filter(|judgement| judgement.requirement == requirement);
    own.map(|judgement| (judgement.expected.as_str(), judgement.observed.as_str())).collect()
}

fn draw_up<W>(
    args: &MutantsArgs,
    plans: &[Arc<Plan<W>>],
    all: &[DeviationInfo],
    honest: &BTreeMap<&str, &Outcome>,
    rows: Vec<Row>,
) -> Matrix {
    let broken: BTreeSet<&str> = all.iter().flat_map(|own| &own.requirements).map(String::as_str).collect();
    let mut without: Vec<String> = Vec::new();
    for requirement in plans.iter().flat_map(|plan| &plan.requirements) {
        if !broken.contains(requirement.id.as_str()) && !without.contains(&requirement.id) {
            without.push(requirement.id.clone());
        }
    }
    let killers: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| &row.scenarios)
        .filter(|seen| seen.killed)
        .map(|seen| seen.scenario.as_str())
        .collect();
    let idle = plans.iter().map(|plan| &plan.name).filter(|name| !killers.contains(name.as_str())).cloned().collect();
    let short = |outcome: &&&Outcome| {
        matches!(outcome.verdict, Verdict::Failed | Verdict::Warned | Verdict::Inconclusive | Verdict::TestbedError)
    };
    Matrix {
        seed: args.seed,
        deviations_without_scenario: Vec::new(),
        requirements_without_deviation: without,
        // With some deviations only, most scenarios have nothing to find.
        scenarios_without_kill: if args.only.is_empty() { idle } else { Vec::new() },
        unsound_scenarios: honest.values().filter(short).map(|outcome| outcome.scenario.clone()).collect(),
        deviations: rows.len(),
        killed: rows.iter().filter(|row| row.killed).count(),
        survivors: rows.iter().filter(|row| !row.killed).map(|row| row.deviation.clone()).collect(),
        matrix: rows,
    }
}

fn text(matrix: &Matrix, out: &mut dyn Write) -> std::io::Result<()> {
    for row in &matrix.matrix {
        let word = if row.killed { "killed" } else { "SURVIVED" };
        writeln!(out, "{word:9} {}  ({})", row.deviation, row.requirements.join(", "))?;
        if !row.killed {
            writeln!(out, "          {}", row.description)?;
        }
        for seen in &row.scenarios {
            let mark = if seen.killed { "x" } else { "-" };
            writeln!(out, "       {mark}  {:14} {}", seen.verdict, crate::text::printable(&seen.scenario))?;
        }
    }
    section(out, "deviations that no scenario is there for", &matrix.deviations_without_scenario)?;
    section(out, "covered requirements without a deviation", &matrix.requirements_without_deviation)?;
    section(out, "scenarios that find no deviation", &matrix.scenarios_without_kill)?;
    section(out, "scenarios that fall short against the honest peer", &matrix.unsound_scenarios)?;
    section(out, "survivors", &matrix.survivors)?;
    writeln!(out, "{} of {} killed", matrix.killed, crate::text::count(matrix.deviations, "deviation"))
}

fn section(out: &mut dyn Write, name: &str, entries: &[String]) -> std::io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{name}:")?;
    for entry in entries {
        writeln!(out, "  {}", crate::text::printable(entry))?;
    }
    Ok(())
}

/// Shows progress; evidence of deviant peers is not kept.
struct Watcher(Progress);

impl Observer for Watcher {
    fn begun(&self, scenario: &str) {
        self.0.begun(scenario);
    }

    fn ended(&self, _: &Outcome, _: &str, _: &Evidence) -> Result<Vec<PathBuf>, String> {
        self.0.ended();
        Ok(Vec::new())
    }
}
