//! Runs scenarios side by side, on top of cucumber's runner.
//!
//! Cucumber polls all scenarios in one task, and its steps cannot skip. So the scenarios that it gets are found sound
//! and applicable beforehand, and every step goes through [`dispatch`], which runs the planned function on a thread
//! that may block.

use super::bench::{Interrupt, Lab, ScenarioInfo};
use super::scenario::{ScenarioRun, note_panic};
use crate::evidence::Evidence;
use crate::features::Plan;
use crate::verdict::{Outcome, RequirementVerdict, Verdict};
use cucumber::gherkin::{self, StepType};
use cucumber::runner::basic::{Cli as RunnerCli, ScenarioType};
use cucumber::step::{Collection, Context};
use cucumber::{Cucumber, Event, cli, event, parser, runner};
use futures_util::future::LocalBoxFuture;
use futures_util::stream;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// How long running scenarios may take to end once the run is interrupted.
const GRACE: Duration = Duration::from_secs(5);

/// Held while cucumber runs: the panic hook, which it takes and gives back, belongs to the whole process.
static PANIC_HOOK: Mutex<()> = Mutex::new(());

/// Follows a run.
pub trait Observer: Send + Sync + 'static {
    /// A scenario has begun.
    fn begun(&self, _scenario: &str) {}

    /// A scenario has ended: keeps its evidence and gives back the paths of the files.
    fn ended(&self, outcome: &Outcome, slug: &str, evidence: &Evidence) -> Result<Vec<PathBuf>, String>;
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct RunResult {
    /// One outcome a scenario that was begun or is not applicable, in the order of the plans.
    pub outcomes: Vec<Outcome>,
    /// Scenarios that were not begun or not ended, since the run ended early.
    pub not_run: Vec<String>,
    /// Why the run ended early.
    pub ended_early: Option<String>,
    /// Faults of the testbed that belong to no scenario.
    pub faults: Vec<String>,
}

/// How to run.
pub struct RunOptions {
    /// Seed of the run.
    pub seed: u64,
    /// How many scenarios may run at once.
    pub jobs: usize,
    /// Raised when the run is to end early; also raised by the runner when the DUT is gone.
    pub interrupt: Interrupt,
}

/// Runs the plans against a lab, after other runs of this process. `lacks` says why a need (`inside`, `claim.dpd`) is not met.
pub fn run<W: Send + 'static>(
    lab: Arc<dyn Lab<World = W>>,
    plans: &[Arc<Plan<W>>],
    lacks: &dyn Fn(&str) -> Option<String>,
    options: &RunOptions,
    observer: Arc<dyn Observer>,
) -> Result<RunResult, std::io::Error> {
    let shared = Arc::new(Shared {
        lab,
        interrupt: options.interrupt.clone(),
        observer,
        started: Instant::now(),
        ended: Mutex::new(BTreeMap::new()),
        faults: Mutex::new(Vec::new()),
        hook: Once::new(),
    });
    let mut running = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        let info = scenario_info(index, plan, options.seed);
        match plan.needs.iter().find_map(|need| lacks(need)) {
            Some(reason) => shared.keep(index, not_applicable(plan, info.seed, reason)),
            None => running.push((Arc::clone(plan), info)),
        }
    }
    if !running.is_empty() && shared.healthy() {
        let _one_at_a_time = PANIC_HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Those that run alone come last: what they leave behind in the DUT, such as its defence against a flood,
        // disturbs none of the others.
        let (alone, together): (Vec<_>, Vec<_>) = running.into_iter().partition(|(plan, _)| plan.has_tag("serial"));
        for running in [together, alone].into_iter().filter(|running| !running.is_empty()) {
            runtime.block_on(drive(Arc::new(running), Arc::clone(&shared), options.jobs));
        }
        // Threads that still wait for the DUT end with the process.
        runtime.shutdown_background();
        if options.interrupt.is_raised() {
            // Cucumber puts the panic hook back only when it comes to its end.
            drop(std::panic::take_hook());
        }
        shared.healthy();
    }
    let ended = std::mem::take(&mut *shared.ended.lock().unwrap_or_else(PoisonError::into_inner));
    let faults = std::mem::take(&mut *shared.faults.lock().unwrap_or_else(PoisonError::into_inner));
    let missing = plans.iter().enumerate().filter(|(index, _)| !ended.contains_key(index));
    let not_run: Vec<String> = missing.map(|(_, plan)| plan.name.clone()).collect();
    let ended_early = options.interrupt.is_raised().then(|| options.interrupt.reason());
    Ok(RunResult { outcomes: ended.into_values().collect(), not_run, ended_early, faults })
}

/// What all scenarios of a run share.
struct Shared<W: Send + 'static> {
    lab: Arc<dyn Lab<World = W>>,
    interrupt: Interrupt,
    observer: Arc<dyn Observer>,
    started: Instant,
    ended: Mutex<BTreeMap<usize, Outcome>>,
    faults: Mutex<Vec<String>>,
    hook: Once,
}

impl<W: Send + 'static> Shared<W> {
    fn keep(&self, index: usize, outcome: Outcome) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(index, outcome);
    }

    /// Asks the lab whether the DUT is well; ends the run if it is not.
    fn healthy(&self) -> bool {
        if self.interrupt.is_raised() {
            return false;
        }
        match self.lab.check() {
            Ok(()) => true,
            Err(fault) => {
                self.interrupt.raise(fault.clone());
                self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
                false
            }
        }
    }

    /// Ends a scenario: outcome, evidence, and a look at the DUT if something went wrong.
    fn end(&self, index: usize, slug: &str, run: ScenarioRun<W>) {
        let (mut outcome, evidence) = run.finish();
        match self.observer.ended(&outcome, slug, &evidence) {
            Ok(paths) => outcome.evidence = paths,
            Err(fault) => {
                let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
                faults.push(format!("evidence of {:?}: {fault}", outcome.scenario));
            }
        }
        let doubtful = matches!(outcome.verdict, Verdict::Failed | Verdict::Inconclusive | Verdict::TestbedError);
        self.keep(index, outcome);
        if doubtful {
            self.healthy();
        }
    }
}

type Running<W> = Arc<Vec<(Arc<Plan<W>>, ScenarioInfo)>>;

async fn drive<W: Send + 'static>(running: Running<W>, shared: Arc<Shared<W>>, jobs: usize) {
    let interrupt = shared.interrupt.clone();
    let started = Arc::clone(&shared);
    let ended = Arc::clone(&shared);
    let plans = Arc::clone(&running);
    let runner = runner::Basic::default()
        .max_concurrent_scenarios(jobs.max(1))
        .retry_options(|_, _, _, _| None)
        .steps(catch_all())
        .which_scenario(|_, _, scenario| match scenario.tags.iter().any(|tag| tag == "serial") {
            true => ScenarioType::Serial,
            false => ScenarioType::Concurrent,
        })
        .before(move |_, _, scenario, stage: &mut Stage<W>| {
            let shared = Arc::clone(&started);
            let position = position_of(scenario);
            let plan = position.and_then(|position| plans.get(position)).cloned();
            Box::pin(async move {
                // Cucumber silences panics while it runs; ours shall still say where they came from.
                shared.hook.call_once(|| std::panic::set_hook(Box::new(note_panic)));
                let Some((plan, info)) = plan.filter(|_| !shared.interrupt.is_raised()) else { return };
                shared.observer.begun(&plan.name);
                let index = info.index;
                let begun = tokio::task::spawn_blocking(move || {
                    let interrupt = shared.interrupt.clone();
                    let slug = plan.slug.clone();
                    (ScenarioRun::begin(Arc::clone(&shared.lab), plan, info, interrupt, shared.started), slug)
                });
                stage.0 = begun.await.ok().map(|(run, slug)| (index, slug, run));
            })
        })
        .after(move |_, _, _, _, stage: Option<&mut Stage<W>>| {
            let shared = Arc::clone(&ended);
            let running = stage.and_then(|stage| stage.0.take());
            Box::pin(async move {
                let Some((index, slug, run)) = running else { return };
                // An error here is a panic outside of guarded code: the scenario then counts as not run.
                let _ = tokio::task::spawn_blocking(move || shared.end(index, &slug, run)).await;
            })
        });
    // Without options of its own cucumber would read our command line.
    let options = cli::Opts::<cli::Empty, RunnerCli, cli::Empty>::default();
    let cucumber = Cucumber::<Stage<W>, _, Vec<gherkin::Feature>, _, _>::custom(Given, runner, Silent)
        .with_cli(options)
        .run(written(&running));
    tokio::select! {
        _ = cucumber => {}
        () = raised(interrupt) => {}
    }
}

/// Ends some time after the interrupt is raised.
async fn raised(interrupt: Interrupt) {
    while !interrupt.is_raised() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(GRACE).await;
}

fn scenario_info<W>(index: usize, plan: &Plan<W>, seed: u64) -> ScenarioInfo {
    ScenarioInfo {
        index,
        name: plan.name.clone(),
        feature: plan.feature.clone(),
        place: plan.place.clone(),
        tags: plan.tags.clone(),
        seed: scenario_seed(seed, &plan.name),
    }
}

/// The seed of a scenario depends on its name alone, so that it runs the same whatever else is run (FNV-1a, then the
/// finisher of SplitMix64).
fn scenario_seed(seed: u64, name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for octet in name.bytes() {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // 53 bits survive in every reader of JSON.
    (hash ^ (hash >> 31)) >> 11
}

fn not_applicable<W>(plan: &Plan<W>, seed: u64, reason: String) -> Outcome {
    let ids = plan.requirements.iter().map(|requirement| requirement.id.clone());
    Outcome {
        scenario: plan.name.clone(),
        feature: plan.feature.clone(),
        place: plan.place.clone(),
        verdict: Verdict::NotApplicable,
        reason: Some(reason),
        stopped_at: None,
        requirements: ids.clone().collect(),
        requirement_verdicts: ids
            .map(|requirement| RequirementVerdict { requirement, verdict: Verdict::NotApplicable })
            .collect(),
        judgements: Vec::new(),
        measured: Vec::new(),
        seed,
        start: Duration::ZERO,
        duration: Duration::ZERO,
        testbed_time: Duration::ZERO,
        evidence: Vec::new(),
    }
}

/// The world as cucumber knows it: a scenario that is running.
struct Stage<W: Send + 'static>(Option<(usize, String, ScenarioRun<W>)>);

impl<W: Send + 'static> fmt::Debug for Stage<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

impl<W: Send + 'static> cucumber::World for Stage<W> {
    type Error = std::convert::Infallible;

    async fn new() -> Result<Self, Self::Error> {
        Ok(Self(None))
    }
}

/// Every step of every scenario: runs the next planned function on a thread that may block.
fn dispatch<W: Send + 'static>(stage: &mut Stage<W>, _: Context) -> LocalBoxFuture<'_, ()> {
    Box::pin(async move {
        let Some((index, slug, mut run)) = stage.0.take() else { return };
        let stepped = tokio::task::spawn_blocking(move || {
            run.step();
            run
        });
        stage.0 = stepped.await.ok().map(|run| (index, slug, run));
    })
}

fn catch_all<W: Send + 'static>() -> Collection<Stage<W>> {
    let Ok(any) = regex::Regex::new("") else { return Collection::new() };
    Collection::new().given(None, any.clone(), dispatch::<W>).when(None, any.clone(), dispatch::<W>).then(
        None,
        any,
        dispatch::<W>,
    )
}

/// The plans as cucumber knows them: one feature a file, the position of a plan as the line of its scenario.
fn written<W>(running: &[(Arc<Plan<W>>, ScenarioInfo)]) -> Vec<gherkin::Feature> {
    let mut features: Vec<gherkin::Feature> = Vec::new();
    for (position, (plan, _)) in running.iter().enumerate() {
        let steps = plan.steps.iter().map(|planned| {
            let ty = match planned.step.kind {
                super::StepKind::Given => StepType::Given,
                super::StepKind::When => StepType::When,
                super::StepKind::Then => StepType::Then,
            };
            let builder = gherkin::Step::builder().keyword(planned.step.keyword.clone()).ty(ty);
            builder.value(planned.step.text.clone()).build()
        });
        let scenario = gherkin::Scenario::builder()
            .keyword("Scenario".to_owned())
            .name(plan.name.clone())
            .steps(steps.collect())
            .tags(plan.tags.clone())
            .position(gherkin::LineCol { line: position, col: 0 })
            .build();
        let path = PathBuf::from(&plan.place.file);
        match features.iter_mut().find(|feature| feature.path.as_ref() == Some(&path)) {
            Some(feature) => feature.scenarios.push(scenario),
            None => {
                let builder = gherkin::Feature::builder().keyword("Feature".to_owned()).name(plan.feature.clone());
                features.push(builder.scenarios(vec![scenario]).path(Some(path)).build());
            }
        }
    }
    features
}

fn position_of(scenario: &gherkin::Scenario) -> Option<usize> {
    Some(scenario.position.line)
}

/// Hands over features that are read already.
struct Given;

impl cucumber::Parser<Vec<gherkin::Feature>> for Given {
    type Cli = cli::Empty;
    type Output = stream::Iter<std::vec::IntoIter<parser::Result<gherkin::Feature>>>;

    fn parse(self, features: Vec<gherkin::Feature>, _: Self::Cli) -> Self::Output {
        stream::iter(features.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

/// Writes nothing: outcomes are gathered where they arise.
struct Silent;

impl<W> cucumber::Writer<W> for Silent {
    type Cli = cli::Empty;

    async fn handle_event(&mut self, _: parser::Result<Event<event::Cucumber<W>>>, _: &Self::Cli) {}
}

impl cucumber::writer::Normalized for Silent {}
