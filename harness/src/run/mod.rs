//! Running scenarios: what a testbed offers, what a step is, and the runner.

mod bench;
mod step;
mod steps;

pub use bench::{Bench, DeviationInfo, Interrupt, Lab, ScenarioInfo, Setup};
pub use step::{Step, StepError, StepFn, StepKind, StepResult};
pub use steps::{KnownStep, NoStep, Steps};
