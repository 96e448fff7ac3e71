//! Running scenarios: what a testbed offers, what a step is, and the runner.

mod bench;
mod runner;
mod scenario;
mod step;
mod steps;

pub use bench::{Bench, DeviationInfo, Interrupt, Lab, ScenarioInfo, Setup};
pub use runner::{Observer, RunOptions, RunResult, run};
pub use step::{Step, StepError, StepFn, StepKind, StepResult};
pub use steps::{KnownStep, NoStep, Steps};
