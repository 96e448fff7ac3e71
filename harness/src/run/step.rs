//! What a Gherkin step is to the one who writes it: a pattern and a plain function.
//!
//! ```
//! use counterpeer::run::{Steps, StepError};
//!
//! struct Testbed { sent: u64 }
//!
//! fn register(steps: &mut Steps<Testbed>) {
//!     steps.when("the tester sends {int} packet(s)", |testbed, step| {
//!         testbed.sent += step.arg::<u64>(0)?;
//!         Ok(())
//!     });
//!     steps.then("{int} packets have come through", |testbed, step| {
//!         let expected: u64 = step.arg(0)?;
//!         step.measured("packets through", format!("{}", testbed.sent));
//!         if testbed.sent == expected {
//!             Ok(())
//!         } else {
//!             Err(StepError::failed(format!("{expected} packets"), format!("{} packets", testbed.sent)))
//!         }
//!     });
//! }
//!
//! let mut steps = Steps::new();
//! register(&mut steps);
//! ```
//!
//! Step functions are synchronous and may block: each scenario runs on a thread of its own.

use crate::requirements::Requirement;
use crate::verdict::{Measured, Place};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a step function gives back.
pub type StepResult = Result<(), StepError>;

/// A step function.
pub type StepFn<W> = fn(&mut W, &mut Step) -> StepResult;

/// Why a step did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepError {
    /// The DUT did otherwise. In a Then step the requirement's level decides what that means; in a Given or When step
    /// it means that the preconditions never came about, hence *inconclusive*.
    Failed {
        /// What was expected, and by when.
        expected: String,
        /// What came instead.
        observed: String,
    },
    /// The DUT broke a safety rule that holds whatever it chose: a failure, also of a MAY or SHOULD.
    Unsafe {
        /// What must hold for every choice.
        expected: String,
        /// What came instead.
        observed: String,
    },
    /// The preconditions never came about, or the control failed.
    Inconclusive(String),
    /// The DUT or the testbed lacks something, as could only be seen in mid-run.
    NotApplicable(String),
    /// Our own fault.
    Testbed(String),
}

impl StepError {
    /// The DUT did otherwise.
    pub fn failed(expected: impl Into<String>, observed: impl Into<String>) -> Self {
        Self::Failed { expected: expected.into(), observed: observed.into() }
    }

    /// The DUT broke a safety rule.
    pub fn unsafe_choice(expected: impl Into<String>, observed: impl Into<String>) -> Self {
        Self::Unsafe { expected: expected.into(), observed: observed.into() }
    }

    /// The preconditions never came about.
    pub fn inconclusive(reason: impl fmt::Display) -> Self {
        Self::Inconclusive(reason.to_string())
    }

    /// Something is lacking.
    pub fn not_applicable(reason: impl fmt::Display) -> Self {
        Self::NotApplicable(reason.to_string())
    }

    /// Our own fault.
    pub fn testbed(reason: impl fmt::Display) -> Self {
        Self::Testbed(reason.to_string())
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { expected, observed } | Self::Unsafe { expected, observed } => {
                write!(f, "expected {expected}; came {observed}")
            }
            Self::Inconclusive(reason) | Self::NotApplicable(reason) | Self::Testbed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StepError {}

/// The kind of a step, after `And` and `But` are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Sets the scene.
    Given,
    /// Acts.
    When,
    /// Judges.
    Then,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "Given",
            Self::When => "When",
            Self::Then => "Then",
        })
    }
}

/// A step of a scenario as its function sees it: what was written, and where it puts down what it saw.
#[derive(Debug, Clone)]
pub struct Step {
    pub(crate) kind: StepKind,
    pub(crate) keyword: String,
    pub(crate) text: String,
    pub(crate) args: Vec<String>,
    pub(crate) docstring: Option<String>,
    pub(crate) table: Vec<Vec<String>>,
    pub(crate) place: Place,
    pub(crate) requirements: Vec<&'static Requirement>,
    pub(crate) observed: Vec<String>,
    pub(crate) measured: Vec<Measured>,
}

impl Step {
    /// The text without keyword and requirement bracket.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The kind of step.
    pub fn kind(&self) -> StepKind {
        self.kind
    }

    /// Where it is written.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The requirements that this step judges; none unless it is a Then step.
    pub fn requirements(&self) -> &[&'static Requirement] {
        &self.requirements
    }

    /// How many parameters the pattern captured.
    pub fn arg_count(&self) -> usize {
        self.args.len()
    }

    /// Parameter number `index` (from 0) as written.
    ///
    /// # Errors
    /// [`StepError::Testbed`] when the pattern has fewer parameters.
    pub fn arg_text(&self, index: usize) -> Result<&str, StepError> {
        self.args
            .get(index)
            .map(String::as_str)
            .ok_or_else(|| StepError::testbed(format!("step {:?} has no parameter {index}", self.text)))
    }

    /// Parameter number `index` (from 0) as a value.
    ///
    /// # Errors
    /// [`StepError::Testbed`] when there is no such parameter or it is not a value of this type.
    pub fn arg<T: FromStr>(&self, index: usize) -> Result<T, StepError> {
        let text = self.arg_text(index)?;
        text.parse().map_err(|_| {
            let wanted = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
            StepError::testbed(format!("{}: {text:?} is not a value of type {wanted}", self.place))
        })
    }

    /// Parameter number `index` as a number that may be hexadecimal (`0x...`).
    ///
    /// # Errors
    /// [`StepError::Testbed`] when it is not a number of 64 bits.
    pub fn number(&self, index: usize) -> Result<u64, StepError> {
        let text = self.arg_text(index)?;
        let number = match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        };
        number.map_err(|error| StepError::testbed(format!("{}: {text:?}: {error}", self.place)))
    }

    /// Parameter number `index` as a time with a unit, as in `10 s` or `3 minutes`.
    ///
    /// # Errors
    /// [`StepError::Testbed`] when it is not a time.
    pub fn duration(&self, index: usize) -> Result<Duration, StepError> {
        let text = self.arg_text(index)?;
        crate::profile::parse_duration(text).map_err(|error| StepError::testbed(format!("{}: {error}", self.place)))
    }

    /// The text block under the step.
    pub fn docstring(&self) -> Option<&str> {
        self.docstring.as_deref()
    }

    /// The table under the step: its rows, the heading among them.
    pub fn table(&self) -> &[Vec<String>] {
        &self.table
    }

    /// Puts down in words what was seen. It stands in the judgement of a step that held, too.
    pub fn observed(&mut self, what: impl Into<String>) {
        self.observed.push(what.into());
    }

    /// Puts down a measured value, such as ("replay window", "configured 64, measured 64").
    pub fn measured(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.measured.push(Measured { name: name.into(), value: value.into() });
    }
}
