//! What the runner asks of a testbed.

use super::step::StepError;
use super::steps::Steps;
use crate::evidence::Evidence;
use crate::profile::Profile;
use crate::verdict::Place;
use std::sync::{Arc, OnceLock};

/// The testbed as the command line knows it: the steps, and how to open a lab.
pub trait Bench: Send + Sync + 'static {
    /// What the steps of one scenario act on.
    type World: Send + 'static;

    /// All steps.
    fn steps(&self) -> Steps<Self::World>;

    /// Prepares what all scenarios of a run share: starts the DUT where the profile says how, opens the interfaces.
    ///
    /// # Errors
    /// What is missing and what to do about it, in words. The run ends with status 3.
    fn open(&self, setup: &Setup) -> Result<Box<dyn Lab<World = Self::World>>, String>;

    /// The deliberate faults that the reference peer can be told to have.
    fn deviations(&self) -> Vec<DeviationInfo>;
}

/// What all scenarios of a run share.
pub trait Lab: Send + Sync + 'static {
    /// What the steps of one scenario act on.
    type World: Send + 'static;

    /// Sets up one scenario. Called on a thread that may block; scenarios run side by side.
    ///
    /// # Errors
    /// [`StepError::Inconclusive`], [`StepError::NotApplicable`] or [`StepError::Testbed`].
    fn begin(&self, scenario: &ScenarioInfo) -> Result<Self::World, StepError>;

    /// A step is about to run: packets from now on belong to it.
    fn step_begins(&self, _world: &mut Self::World, _step: &str) {}

    /// Ends the scenario, whatever came of it, and hands over what was recorded. Also called after failures and
    /// panics of a step.
    fn finish(&self, world: Self::World) -> Evidence;

    /// Is the DUT there and well? Asked before the first scenario, after the last and after each that failed or was
    /// inconclusive; other scenarios may be running.
    ///
    /// # Errors
    /// What is wrong, in words. No further scenario is run; the report says so and the status is 3.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Stops the DUT if this lab started it, and puts back what was changed. Called once, also when the run was
    /// interrupted.
    fn close(&self) {}
}

/// What a lab is opened with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The DUT; [`Profile::is_self`] for the built-in peer.
    pub profile: Arc<Profile>,
    /// Seed of the run.
    pub seed: u64,
    /// Name of the deliberate fault that the built-in peer shall have.
    pub deviation: Option<String>,
    /// Raised when the user interrupts the run: waits must end soon.
    pub interrupt: Interrupt,
}

/// Raised when the run is to end early: the user interrupted it, or the DUT is gone.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<OnceLock<String>>);

impl Interrupt {
    /// Raises it; the first reason stays.
    pub fn raise(&self, reason: impl Into<String>) {
        let _ = self.0.set(reason.into());
    }

    /// Was it raised?
    pub fn is_raised(&self) -> bool {
        self.0.get().is_some()
    }

    /// Why it was raised; empty if it was not.
    pub fn reason(&self) -> String {
        self.0.get().cloned().unwrap_or_default()
    }
}

/// One deliberate fault of the reference peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviationInfo {
    /// Its name.
    pub name: String,
    /// Requirements that it breaks.
    pub requirements: Vec<String>,
    /// What it does, in words.
    pub description: String,
}

/// What a testbed may know of the scenario that it is set up for.
#[derive(Debug, Clone)]
pub struct ScenarioInfo {
    /// Number of the scenario in this run, from 0: scenarios that run side by side need tester addresses of their
    /// own.
    pub index: usize,
    /// Name of the scenario, with the values of its example row.
    pub name: String,
    /// Name of the feature.
    pub feature: String,
    /// Where it is written.
    pub place: Place,
    /// All tags, without the `@`; those of the feature and rule too.
    pub tags: Vec<String>,
    /// Seed of this scenario: depends on the seed of the run and on feature and name, not on what else is run.
    pub seed: u64,
}

impl ScenarioInfo {
    /// Does it carry this tag?
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}
