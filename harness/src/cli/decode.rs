//! `counterpeer decode`.

use super::{Failure, Format};
use crate::evidence::capture;
use crate::report::status;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct DecodeArgs {
    /// The capture.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder with Wireshark's key tables (ikev2_decryption_table, esp_sa); that of the capture if not given.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Print for people or for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &DecodeArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let octets =
        std::fs::read(&args.file).map_err(|error| Failure::usage(format!("{}: {error}", args.file.display())))?;
    let capture = capture::read(&octets);
    for packet in &capture.packets {
        writeln!(out, "{:12.6} {} octets", packet.time.as_secs_f64(), packet.data.len())?;
    }
    match capture.fault {
        Some(fault) => Err(Failure::usage(format!("{}: {fault}", args.file.display()))),
        None => Ok(status::GOOD),
    }
}
