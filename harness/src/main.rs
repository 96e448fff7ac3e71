//! Counterpeer, the peer that an IPsec gateway meets before its customers do.
#![forbid(unsafe_code)]

use counterpeer::testbed::CounterpeerBench;
use std::process::ExitCode;

fn main() -> ExitCode {
    counterpeer::cli::main(CounterpeerBench)
}
