//! The algorithms against the vectors of the standards, and against a second implementation.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

mod agreement;
mod ccm_model;
mod ciphers;
mod groups;
mod hex;
mod macs;
