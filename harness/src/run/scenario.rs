//! One scenario from its beginning to its outcome: runs its steps one by one and puts down what each says.

use super::bench::{Interrupt, Lab, ScenarioInfo};
use super::step::{Step, StepError, StepKind};
use crate::evidence::Evidence;
use crate::features::Plan;
use crate::verdict::{Judgement, Measured, Outcome, RequirementVerdict, Verdict};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a scenario went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stop {
    verdict: Verdict,
    reason: String,
    /// Index of the step; `None` when the scenario could not be set up, or ended before its first step.
    step: Option<usize>,
}

/// A scenario that is running.
pub(super) struct ScenarioRun<W: Send + 'static> {
    lab: Arc<dyn Lab<World = W>>,
    plan: Arc<Plan<W>>,
    info: ScenarioInfo,
    interrupt: Interrupt,
    world: Option<W>,
    next: usize,
    stop: Option<Stop>,
    judgements: Vec<Judgement>,
    measured: Vec<Measured>,
    begun: Instant,
    start: Duration,
}

impl<W: Send + 'static> ScenarioRun<W> {
    /// Sets the scenario up. `run_start` is the start of the whole run.
    pub(super) fn begin(
        lab: Arc<dyn Lab<World = W>>,
        plan: Arc<Plan<W>>,
        info: ScenarioInfo,
        interrupt: Interrupt,
        run_start: Instant,
    ) -> Self {
        let begun = Instant::now();
        let start = begun.saturating_duration_since(run_start);
        let (judgements, measured) = (Vec::new(), Vec::new());
        let mut run =
            Self { lab, plan, info, interrupt, world: None, next: 0, stop: None, judgements, measured, begun, start };
        if !run.interrupted() {
            match guarded(|| run.lab.begin(&run.info)) {
                Ok(Ok(world)) => run.world = Some(world),
                Ok(Err(error)) => run.stop_for(error, None),
                Err(panic) => run.stop_for(StepError::Testbed(panic), None),
            }
        }
        run
    }

    /// Runs the next step, unless the scenario has ended already.
    pub(super) fn step(&mut self) {
        let index = self.next;
        self.next += 1;
        if self.stop.is_some() || self.interrupted() {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let (Some(planned), Some(world)) = (plan.steps.get(index), self.world.as_mut()) else { return };
        let mut step = planned.step.clone();
        let name = format!("{} {}", step.keyword, step.text);
        let lab = &self.lab;
        let result = guarded(|| {
            lab.step_begins(world, &name);
            (planned.run)(world, &mut step)
        });
        let result = result.unwrap_or_else(|panic| Err(StepError::Testbed(panic)));
        self.measured.append(&mut step.measured);
        self.judge(index, &name, &step, result);
    }

    fn judge(&mut self, index: usize, name: &str, step: &Step, result: Result<(), StepError>) {
        let seen = step.observed.join("; ");
        match result {
            Ok(()) => self.put_down(step, name, "", &seen, Verdict::held),
            Err(StepError::Failed { expected, observed }) if step.kind == StepKind::Then => {
                let before = self.judgements.len();
                self.put_down(step, name, &expected, &joined(&seen, &observed), Verdict::broken);
                let worst = self.judgements.iter().skip(before).map(|judgement| judgement.verdict).max();
                // A choice that the DUT did not make ends nothing.
                if let Some(verdict) = worst.filter(|verdict| *verdict != Verdict::Characterised) {
                    let reason = format!("expected {expected}; came {observed}");
                    self.stop = Some(Stop { verdict, reason, step: Some(index) });
                }
            }
            Err(StepError::Unsafe { expected, observed }) => {
                let mut step = step.clone();
                if step.requirements.is_empty() {
                    step.requirements.clone_from(&self.plan.requirements);
                }
                self.put_down(&step, name, &expected, &joined(&seen, &observed), |_| Verdict::Failed);
                let reason = format!("expected {expected}; came {observed}");
                self.stop = Some(Stop { verdict: Verdict::Failed, reason, step: Some(index) });
            }
            Err(error) => self.stop_for(error, Some(index)),
        }
    }

    fn put_down(
        &mut self,
        step: &Step,
        name: &str,
        expected: &str,
        observed: &str,
        verdict: fn(crate::requirements::Level) -> Verdict,
    ) {
        self.judgements.extend(step.requirements.iter().map(|requirement| Judgement {
            requirement: requirement.id.clone(),
            verdict: verdict(requirement.level),
            step: name.to_owned(),
            expected: expected.to_owned(),
            observed: observed.to_owned(),
        }));
    }

    fn stop_for(&mut self, error: StepError, step: Option<usize>) {
        let verdict = match &error {
            // In a step that sets the scene, or acts, this means that the preconditions never came about.
            StepError::Failed { .. } | StepError::Inconclusive(_) => Verdict::Inconclusive,
            StepError::Unsafe { .. } => Verdict::Failed,
            StepError::NotApplicable(_) => Verdict::NotApplicable,
            StepError::Testbed(_) => Verdict::TestbedError,
        };
        self.stop = Some(Stop { verdict, reason: error.to_string(), step });
    }

    /// Has the run been interrupted? The scenario then ends here.
    fn interrupted(&mut self) -> bool {
        if self.interrupt.is_raised() && self.stop.is_none() {
            let reason = self.interrupt.reason();
            self.stop = Some(Stop { verdict: Verdict::Inconclusive, reason, step: self.next.checked_sub(1) });
        }
        self.interrupt.is_raised()
    }

    /// Ends the scenario: the outcome (without the paths of its evidence), and the evidence.
    pub(super) fn finish(mut self) -> (Outcome, Evidence) {
        let mut evidence = Evidence::default();
        if let Some(world) = self.world.take() {
            let lab = &self.lab;
            match guarded(move || lab.finish(world)) {
                Ok(recorded) => evidence = recorded,
                Err(panic) => {
                    let reason = format!("the scenario could not be ended: {panic}");
                    self.stop.get_or_insert(Stop { verdict: Verdict::TestbedError, reason, step: None });
                }
            }
        }
        let requirement_verdicts = self.requirement_verdicts();
        let verdict = self.verdict(&requirement_verdicts);
        let plan = &self.plan;
        let stopped_at = self.stop.as_ref().and_then(|stop| stop.step).and_then(|index| plan.steps.get(index));
        let outcome = Outcome {
            scenario: plan.name.clone(),
            feature: plan.feature.clone(),
            place: plan.place.clone(),
            verdict,
            reason: self.stop.as_ref().map(|stop| stop.reason.clone()),
            stopped_at: stopped_at.map(|planned| format!("{} {}", planned.step.keyword, planned.step.text)),
            requirements: plan.requirements.iter().map(|requirement| requirement.id.clone()).collect(),
            requirement_verdicts,
            judgements: self.judgements,
            measured: self.measured,
            seed: self.info.seed,
            start: self.start,
            duration: self.begun.elapsed(),
            testbed_time: evidence.elapsed,
            evidence: Vec::new(),
        };
        (outcome, evidence)
    }

    /// What each requirement comes to. One that was seen broken is broken, whatever came later. One that held does so
    /// only if all of its steps were reached, and only if the scenario could be trusted to its end: when the control
    /// fails afterwards, earlier silence proves nothing.
    fn requirement_verdicts(&self) -> Vec<RequirementVerdict> {
        let stopped_at = self.stop.as_ref().map(|stop| stop.step.unwrap_or(0));
        let verdict_of = |id: &str| {
            let own = self.judgements.iter().filter(|judgement| judgement.requirement == id);
            let worst = own.map(|judgement| judgement.verdict).max();
            if let Some(Verdict::Failed | Verdict::Warned) = worst {
                return worst;
            }
            let Some(stop) = &self.stop else { return worst };
            match stop.verdict {
                Verdict::Inconclusive | Verdict::TestbedError => return Some(stop.verdict),
                _ => {}
            }
            let binds = |planned: &crate::features::PlannedStep<W>| {
                planned.step.requirements.iter().any(|requirement| requirement.id == id)
            };
            let last = self.plan.steps.iter().rposition(binds);
            // A step that did not hold has judged all of its requirements.
            let judged = matches!(stop.verdict, Verdict::Failed | Verdict::Warned);
            let complete =
                last.zip(stopped_at).is_some_and(|(last, stopped)| last < stopped || (judged && last == stopped));
            match complete {
                true => worst,
                false => (stop.verdict == Verdict::NotApplicable).then_some(stop.verdict),
            }
        };
        let ids = self.plan.requirements.iter().map(|requirement| &requirement.id);
        let judged = |id: &String| Some(RequirementVerdict { requirement: id.clone(), verdict: verdict_of(id)? });
        ids.filter_map(judged).collect()
    }

    fn verdict(&self, requirements: &[RequirementVerdict]) -> Verdict {
        let worst = requirements.iter().map(|judged| judged.verdict).max();
        // Passed outweighs characterised for the scenario as a whole: something that must hold did.
        let held = requirements.iter().any(|judged| judged.verdict == Verdict::Passed);
        match (&self.stop, worst) {
            // Never passed when something was lacking.
            (Some(stop), Some(Verdict::Passed | Verdict::Characterised)) => stop.verdict,
            (Some(stop), worst) => worst.map_or(stop.verdict, |worst| worst.max(stop.verdict)),
            (None, Some(Verdict::Characterised)) if held => Verdict::Passed,
            (None, Some(worst)) => worst,
            (None, None) => Verdict::TestbedError,
        }
    }
}

fn joined(first: &str, second: &str) -> String {
    if first.is_empty() { second.to_owned() } else { format!("{second} ({first})") }
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes where a panic came from, for [`guarded`] on the same thread; prints nothing.
pub(super) fn note_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|location| format!(" at {}:{}", location.file(), location.line()));
    LAST_PANIC.with_borrow_mut(|last| *last = place);
}

/// Runs foreign code; a panic becomes its message.
fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let place = LAST_PANIC.with_borrow_mut(Option::take).unwrap_or_default();
        format!("panicked{place}: {message}")
    })
}
