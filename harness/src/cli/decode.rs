//! `counterpeer decode`.

use super::{Failure, Format};
use crate::decode::{Decoded, Decoder, dissector};
use crate::evidence::capture;
use crate::report::status;
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct DecodeArgs {
    /// The capture.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder with Wireshark's key tables (ikev1_decryption_table, ikev2_decryption_table, esp_sa); that of the capture if not given.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Print for people or for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// One line a packet.
    #[arg(long, conflicts_with = "format")]
    summary: bool,
}

pub(super) fn run(args: &DecodeArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let place = args.file.display();
    let octets = std::fs::read(&args.file).map_err(|error| Failure::usage(format!("{place}: {error}")))?;
    let folder = match &args.keys {
        Some(folder) if !folder.is_dir() => {
            return Err(Failure::usage(format!("--keys {}: no such folder", folder.display())));
        }
        Some(folder) => folder,
        None => args.file.parent().unwrap_or(Path::new(".")),
    };
    let dissector = dissector(folder).map_err(Failure::usage)?;
    let capture = capture::read(&octets);
    let first = capture.packets.first().map(|packet| packet.time).unwrap_or_default();
    let mut decoder = Decoder::new(dissector, first);
    let packets = capture.packets.iter().zip(1..).map(move |(packet, number)| decoder.decode(packet, number));
    match args.format {
        Format::Text => {
            for comment in &capture.comments {
                writeln!(out, "{}\n", crate::text::printable(comment))?;
            }
            for packet in packets {
                write!(out, "{}", text(&packet, args.summary))?;
            }
        }
        Format::Json => {
            let packets: Vec<Decoded> = packets.collect();
            let fault = capture.fault.as_ref().map(ToString::to_string);
            let all = json!({"file": args.file, "comments": capture.comments, "packets": packets, "fault": fault});
            writeln!(out, "{}", serde_json::to_string_pretty(&all).map_err(Failure::testbed)?)?;
        }
    }
    // What could be read has been printed.
    match capture.fault {
        Some(fault) => Err(Failure::usage(format!("{place}: {fault}"))),
        None => Ok(status::GOOD),
    }
}

fn text(packet: &Decoded, summary: bool) -> String {
    let interface = if packet.interface.is_empty() { String::new() } else { format!("{:8} ", packet.interface) };
    let (number, time) = (packet.number, packet.time.as_secs_f64());
    let mut text = format!("{number:5} {time:12.6}  {interface}{}\n", packet.summary);
    if summary {
        return text;
    }
    for comment in &packet.comments {
        text.push_str(&format!("{:20}| {}\n", "", crate::text::printable(comment)));
    }
    for part in &packet.parts {
        text.push_str(&part.to_text(10));
    }
    text
}
