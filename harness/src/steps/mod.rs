//! The Gherkin steps, one file an area. They only speak to the testbed: no octets, no state of their own.

mod common;
mod replay;

use crate::run::Steps;
use crate::testbed::Testbed;

/// All steps.
pub fn all() -> Steps<Testbed> {
    let mut steps = Steps::new();
    common::register(&mut steps);
    replay::register(&mut steps);
    steps
}
