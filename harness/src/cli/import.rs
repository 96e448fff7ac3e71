//! `counterpeer profile import`.

use super::Failure;
use crate::profile::import::{Import, profile};
use crate::report::status;
use crate::text::count;
use clap::Args;
use reference_peer::config::ios::{self, Faults, Mapping, Reading};
use reference_peer::config::isakmp::IsakmpConnection;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The most octets that are taken for a configuration.
const LIMIT: u64 = 16 << 20;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The running-config.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the profile there instead of printing it; a file that is there already is kept.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Interface here that leads to the router's outside.
    #[arg(long, value_name = "INTERFACE")]
    outside: Option<String>,
    /// Interface here that leads to the router's inside.
    #[arg(long, value_name = "INTERFACE")]
    inside: Option<String>,
    /// The router's own interface that is its outside, where several have a crypto map.
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Keep the pre-shared key in this file, which is made, for you alone to read, if it is not there. Without this
    /// the profile takes the key from an environment variable.
    #[arg(long, value_name = "FILE")]
    psk_file: Option<PathBuf>,
    /// List the lines that do not matter here, and what is understood and not used.
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn import(args: &ImportArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Failure> {
    let reading = ios::read(&text(&args.file)?);
    report(args, &reading, err)?;
    let reading = reading.sound().map_err(|faults| failure(&args.file, &faults))?;
    let mapping = reading.router.gateway(args.on.as_deref()).map_err(|faults| {
        let mut failure = failure(&args.file, &faults);
        if failure.message.contains("choose one of them") {
            failure.message.push_str("\n--on NAME chooses the interface");
        }
        failure
    })?;
    // What the built-in peer would not do does not matter for a profile; that a peer is left out does.
    for unused in mapping.unused.iter().filter(|unused| unused.missing || args.verbose) {
        let kind = if unused.missing { "note" } else { "not used" };
        match unused.line {
            0 => writeln!(err, "{kind}: {}", unused.reason)?,
            line => writeln!(err, "{kind}: {}:{line}: {}", args.file.display(), unused.reason)?,
        }
    }
    if let Some(file) = &args.psk_file {
        keep_key(file, &mapping, err)?;
    }
    let import = Import {
        source: args.file.display().to_string(),
        outside: args.outside.clone(),
        inside: args.inside.clone(),
        psk_file: args.psk_file.as_deref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned())),
    };
    let yaml = profile(&reading.router, &mapping, &import);
    match &args.out {
        None => out.write_all(yaml.as_bytes())?,
        Some(path) => {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
            let written = file.and_then(|mut file| file.write_all(yaml.as_bytes()));
            written.map_err(|error| refused(path, &error))?;
            writeln!(
                out,
                "{}: a profile of {}; `counterpeer profile check` reads it",
                path.display(),
                args.file.display()
            )?;
        }
    }
    Ok(status::GOOD)
}

/// The text of the file.
fn text(path: &Path) -> Result<String, Failure> {
    let told = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    if std::fs::metadata(path).map_err(told)?.len() > LIMIT {
        return Err(Failure::usage(format!("{}: more than 16 MiB is no running-config", path.display())));
    }
    let octets = std::fs::read(path).map_err(told)?;
    String::from_utf8(octets).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|octet| **octet == b'\n').count() + 1;
        Failure::usage(format!("{}:{line}: not UTF-8 text: convert the file", path.display()))
    })
}

/// How much was understood and, if asked, what was not.
fn report(args: &ImportArgs, reading: &Reading, err: &mut dyn Write) -> Result<(), Failure> {
    let hint = if args.verbose || reading.ignored.is_empty() { "" } else { " (--verbose lists them)" };
    let (understood, ignored) = (count(reading.understood.len(), "line"), count(reading.ignored.len(), "line"));
    writeln!(err, "{}: {understood} understood, {ignored} ignored{hint}", args.file.display())?;
    if args.verbose {
        for ignored in &reading.ignored {
            writeln!(err, "ignored: {}:{}: {}", args.file.display(), ignored.line, ignored.text)?;
        }
    }
    Ok(())
}

fn failure(path: &Path, faults: &Faults) -> Failure {
    let place = |fault: &ios::Fault| format!("{}:{}:{}: {}", path.display(), fault.line, fault.column, fault.message);
    let lines: Vec<_> = faults.0.iter().map(place).collect();
    Failure::usage(format!("{} in the configuration:\n{}", count(lines.len(), "fault"), lines.join("\n")))
}

fn refused(path: &Path, error: &std::io::Error) -> Failure {
    let hint =
        if error.kind() == std::io::ErrorKind::AlreadyExists { ": remove it first, or name another" } else { "" };
    Failure::usage(format!("{}: {error}{hint}", path.display()))
}

/// Writes the key of the first peer to a file that only its owner can read; one that is there is kept.
fn keep_key(path: &Path, mapping: &Mapping, err: &mut dyn Write) -> Result<(), Failure> {
    if path.exists() {
        writeln!(err, "{}: is there already and is kept", path.display())?;
        return Ok(());
    }
    let secrets = |connection: &IsakmpConnection| match connection.remote {
        reference_peer::config::Remote::Address(address) => connection.keyring.by_address(address).cloned(),
        reference_peer::config::Remote::Any => connection.keyring.keys.first().map(|key| key.secret.clone()),
    };
    let mut keys: Vec<_> = mapping.gateway.isakmp.connections.iter().filter_map(secrets).collect();
    let Some(key) = keys.first().cloned() else {
        return Err(Failure::usage(format!("{}: the configuration has no key to keep there", path.display())));
    };
    keys.dedup();
    if keys.len() > 1 {
        writeln!(err, "note: peers have keys of their own; {} has that of the first one", path.display())?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(key.octets()));
    written.map_err(|error| refused(path, &error))
}
