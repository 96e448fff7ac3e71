//! The Gherkin steps, one file an area. They only speak to the testbed: no octets, no state of their own.

mod auth;
mod common;
mod dh;
mod rekey;
mod replay;
mod sa;

use crate::run::Steps;
use crate::testbed::Testbed;

/// All steps.
pub fn all() -> Steps<Testbed> {
    let mut steps = Steps::new();
    common::register(&mut steps);
    replay::register(&mut steps);
    sa::register(&mut steps);
    auth::register(&mut steps);
    dh::register(&mut steps);
    rekey::register(&mut steps);
    steps
}
