//! Feature files: where they come from, and what a scenario is once it is read and found sound.
//!
//! Everything that can be wrong with a feature is found before anything runs: an unknown or ambiguous step, an unknown
//! requirement, a scenario that judges nothing. All faults are listed, each with its place.

mod load;
mod source;
mod syntax;

pub use load::load;
pub use source::{Selection, Source, SourceError, gather};

use crate::requirements::Requirement;
use crate::run::{Step, StepFn};
use crate::verdict::Place;
use std::fmt;

/// A scenario that is ready to run.
pub struct Plan<W> {
    /// Its name, with the values of its example row.
    pub name: String,
    /// Name of the feature.
    pub feature: String,
    /// Where it is written.
    pub place: Place,
    /// All tags without the `@`, those of feature and rule first.
    pub tags: Vec<String>,
    /// The requirements that it names.
    pub requirements: Vec<&'static Requirement>,
    /// What the profile must have, from the tags `needs:...`.
    pub needs: Vec<String>,
    /// A name for its evidence, fit for a file system.
    pub slug: String,
    /// The steps, those of the background first.
    pub steps: Vec<PlannedStep<W>>,
}

/// A step and its function.
pub struct PlannedStep<W> {
    /// The step.
    pub step: Step,
    /// What it does.
    pub run: StepFn<W>,
}

impl<W> Plan<W> {
    /// Does it carry this tag?
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// Does it name this requirement?
    pub fn names(&self, requirement: &str) -> bool {
        self.requirements.iter().any(|own| own.id == requirement)
    }
}

/// A fault in a feature file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadError {
    /// File and line.
    pub place: Place,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}
