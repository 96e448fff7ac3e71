//! Counterpeer, the peer that an IPsec gateway meets before its customers do.
#![forbid(unsafe_code)]

use counterpeer::run::{Bench, DeviationInfo, Lab, Setup, Steps};
use std::process::ExitCode;

/// Stands in until the program has a testbed.
struct NoBench;

impl Bench for NoBench {
    type World = ();

    fn steps(&self) -> Steps<()> {
        Steps::new()
    }

    fn open(&self, _: &Setup) -> Result<Box<dyn Lab<World = ()>>, String> {
        Err("this build has no testbed".to_owned())
    }

    fn deviations(&self) -> Vec<DeviationInfo> {
        Vec::new()
    }
}

fn main() -> ExitCode {
    counterpeer::cli::main(NoBench)
}
