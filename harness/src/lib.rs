//! Counterpeer's harness: it plays the other end of a tunnel against a device under test, runs Gherkin scenarios and
//! gives a verdict per requirement, with evidence.
#![forbid(unsafe_code)]

pub mod cli;
pub mod decode;
pub mod dissect;
pub mod dut;
pub mod evidence;
pub mod expectations;
pub mod features;
pub mod fragments;
pub mod isakmp;
pub mod profile;
pub mod report;
pub mod requirements;
pub mod run;
pub mod steps;
pub mod testbed;
mod text;
pub mod tree;
pub mod verdict;
mod yaml;
