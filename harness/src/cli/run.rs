//! `counterpeer run`.

use super::{Failure, Format, ScenarioArgs, plans, processors, signals};
use crate::evidence::{Evidence, Store};
use crate::expectations::Expectations;
use crate::features::Plan;
use crate::profile::Profile;
use crate::report::{Paint, Progress, Report, status, to_json, to_junit, to_text};
use crate::run::{Bench, Interrupt, Lab, Observer, RunOptions, RunResult, Setup};
use crate::verdict::{Outcome, Verdict};
use clap::Args;
use serde_json::json;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Scenarios at once against a DUT that is not built in, unless the profile has fewer tester addresses.
const WIRE_JOBS: usize = 8;

/// The same for a guest: what is done to it by hooks is done one at a time, and scenarios that wait for each other's
/// hooks would run into the DUT's timers.
const GUEST_JOBS: usize = 4;

/// The seed of runs against the built-in peer, so that they repeat.
pub(super) const SELF_SEED: u64 = 1;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    scenarios: ScenarioArgs,
    /// The DUT; the built-in peer if not given.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Known verdicts of the DUT: the run fails on any difference, in either direction.
    #[arg(long, value_name = "FILE")]
    expectations: Option<PathBuf>,
    /// Folder for junit.xml, report.json and captures.
    #[arg(long, value_name = "DIR", default_value = "counterpeer-report")]
    out: PathBuf,
    /// Print for people, or the content of report.json.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Seed of all randomness; by default 1 for the built-in peer, and another each time for any other DUT.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Scenarios that run side by side; by default one a processor for the built-in peer, 4 for a guest, 8 for another DUT.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Give the built-in peer a deliberate fault, as `counterpeer mutants` names them.
    #[arg(long, value_name = "NAME", conflicts_with = "profile")]
    deviation: Option<String>,
    /// List the scenarios and run nothing.
    #[arg(long)]
    list: bool,
}

pub(super) fn run<B: Bench>(bench: &B, args: &RunArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let plans = plans(bench, &args.scenarios)?;
    if args.list {
        return list(&plans, args.format, out);
    }
    if plans.is_empty() {
        return Err(Failure::usage("there is no scenario to run: name a folder with features by --features-dir"));
    }
    let profile = match &args.profile {
        Some(path) => {
            let profile = Profile::load(path).map_err(Failure::usage)?;
            if let Some(gap) = profile.gaps().first() {
                return Err(Failure::usage(format!("{}: {gap}", path.display())));
            }
            profile
        }
        None => Profile::built_in(),
    };
    let expectations = args.expectations.as_deref().map(Expectations::load).transpose().map_err(Failure::usage)?;
    if let Some(deviation) = &args.deviation {
        known_deviation(bench, deviation)?;
    }
    let store = Store::open(&args.out)
        .map_err(|error| Failure::testbed(format!("the report folder {}: {error}", args.out.display())))?;

    let seed = args.seed.unwrap_or_else(|| if profile.is_self() { SELF_SEED } else { fresh_seed() });
    let is_guest = profile.start.as_ref().is_some_and(|start| start.guest.is_some());
    let most = match profile.is_self() {
        true => processors(),
        false => profile.testers().clamp(1, if is_guest { GUEST_JOBS } else { WIRE_JOBS }),
    };
    let jobs = args.jobs.map_or(most, usize::from);
    let interrupt = Interrupt::default();
    signals::watch(interrupt.clone())?;
    let setup =
        Setup { profile: Arc::new(profile), seed, deviation: args.deviation.clone(), interrupt: interrupt.clone() };
    let observer = Arc::new(Follower::new(&plans, &setup, store.clone(), args.format == Format::Text));

    let (started, clock) = (SystemTime::now(), Instant::now());
    let result = in_lab(bench, &setup, &plans, jobs, observer);
    let (result, failure) = match result {
        Ok(result) => (result, None),
        // What is known so far is reported all the same.
        Err(message) => {
            let not_run = plans.iter().map(|plan| plan.name.clone()).collect();
            (RunResult { not_run, faults: vec![message.clone()], ..RunResult::default() }, Some(message))
        }
    };
    let mut report = Report::new(&setup.profile.name, seed, started, clock.elapsed(), result);
    if let Some(expectations) = &expectations {
        let partial = !args.scenarios.features.is_empty() || args.scenarios.tags.is_some();
        compare(&mut report, expectations, partial);
    }
    write(&store, &report)?;
    match (args.format, failure) {
        (Format::Json, _) => write!(out, "{}", to_json(&report).map_err(Failure::testbed)?)?,
        (Format::Text, None) => write!(out, "{}", to_text(&report, Some(&args.out), Paint::for_stdout()))?,
        (Format::Text, Some(message)) => return Err(Failure { status: report.status, message }),
    }
    Ok(report.status)
}

pub(super) fn known_deviation<B: Bench>(bench: &B, name: &str) -> Result<(), Failure> {
    let all = bench.deviations();
    if all.iter().any(|deviation| deviation.name == name) {
        return Ok(());
    }
    let near = crate::text::nearest(name, all.iter().map(|deviation| deviation.name.as_str()));
    let hint = near.map(|near| format!(": did you mean {near:?}?")).unwrap_or_default();
    Err(Failure::usage(format!("unknown deviation {name:?}{hint}")))
}

/// Opens a lab, runs the plans in it and closes it, whatever happens.
pub(super) fn in_lab<B: Bench>(
    bench: &B,
    setup: &Setup,
    plans: &[Arc<Plan<B::World>>],
    jobs: usize,
    observer: Arc<dyn Observer>,
) -> Result<RunResult, String> {
    struct Open<W: Send + 'static>(Arc<dyn Lab<World = W>>);

    impl<W: Send + 'static> Drop for Open<W> {
        fn drop(&mut self) {
            self.0.close();
        }
    }

    let lab = Open(Arc::from(bench.open(setup)?));
    let options = RunOptions { seed: setup.seed, jobs, interrupt: setup.interrupt.clone() };
    let lacks = |need: &str| setup.profile.lacks(need);
    crate::run::run(Arc::clone(&lab.0), plans, &lacks, &options, observer).map_err(|error| error.to_string())
}

fn compare(report: &mut Report, expectations: &Expectations, partial: bool) {
    let verdicts: HashMap<&str, Verdict> =
        report.requirements.iter().filter_map(|own| Some((own.id.as_str(), own.verdict?))).collect();
    let of = |id: &str| verdicts.get(id).copied();
    let comparison = expectations.compare(&report.scenarios, &of, partial, SystemTime::now());
    report.compare(comparison);
}

fn write(store: &Store, report: &Report) -> Result<(), Failure> {
    let json = to_json(report).map_err(Failure::testbed)?;
    let junit = to_junit(report).map_err(Failure::testbed)?;
    for (name, octets) in [("report.json", json.as_bytes()), ("junit.xml", &junit)] {
        store
            .write(name, octets)
            .map_err(|error| Failure::testbed(format!("{}: {error}", store.root().join(name).display())))?;
    }
    Ok(())
}

/// A seed from the clock. It is printed, and `--seed` takes it again.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed.
    (now.as_nanos() as u64) & 0x0fff_ffff
}

fn list<W>(plans: &[Arc<Plan<W>>], format: Format, out: &mut dyn Write) -> Result<u8, Failure> {
    match format {
        Format::Text => {
            for plan in plans {
                let tags = plan.tags.iter().map(|tag| format!("@{tag}")).collect::<Vec<_>>().join(" ");
                writeln!(out, "{}\n    {}\n    {tags}", plan.place, plan.name)?;
            }
            writeln!(out, "{}", crate::text::count(plans.len(), "scenario"))?;
        }
        Format::Json => {
            let all: Vec<_> = plans
                .iter()
                .map(|plan| {
                    let requirements: Vec<_> = plan.requirements.iter().map(|own| &own.id).collect();
                    json!({
                        "scenario": plan.name, "feature": plan.feature, "place": plan.place, "tags": plan.tags,
                        "requirements": requirements, "needs": plan.needs,
                    })
                })
                .collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&all).map_err(Failure::testbed)?)?;
        }
    }
    Ok(status::GOOD)
}

/// Shows progress, and keeps the evidence of each scenario as it ends.
struct Follower {
    titles: HashMap<String, String>,
    store: Store,
    progress: Progress,
}

impl Follower {
    fn new<W>(plans: &[Arc<Plan<W>>], setup: &Setup, store: Store, progress: bool) -> Self {
        let title = |plan: &Arc<Plan<W>>| {
            let title = crate::report::evidence_title(plan, &setup.profile.name, setup.seed);
            (plan.slug.clone(), title)
        };
        let applicable = plans.iter().filter(|plan| plan.needs.iter().all(|need| setup.profile.lacks(need).is_none()));
        let progress = Progress::new(applicable.count(), progress);
        Self { titles: plans.iter().map(title).collect(), store, progress }
    }
}

impl Observer for Follower {
    fn begun(&self, scenario: &str) {
        self.progress.begun(scenario);
    }

    fn ended(&self, outcome: &Outcome, slug: &str, evidence: &Evidence) -> Result<Vec<PathBuf>, String> {
        self.progress.ended();
        let title = self.titles.get(slug).map_or("", String::as_str);
        let title = format!(
            "{title}\n{}{}",
            outcome.verdict,
            outcome.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"))
        );
        self.store.keep(slug, &title, evidence).map_err(|error| format!("{}: {error}", Path::new(slug).display()))
    }
}
