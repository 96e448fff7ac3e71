//! Cisco IOS running-configs on the command line: read, and their faults and gaps told with their lines.

use super::Failure;
use crate::text::count;
use reference_peer::config::ios::{Fault, Faults, Mapping, Reading, Router};
use std::io::Write;
use std::path::Path;

/// The most octets that are taken for a configuration.
const LIMIT: u64 = 16 << 20;

/// The text of the file.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
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

/// Says how much was understood and, if asked, what was not.
pub(super) fn report(path: &Path, reading: &Reading, verbose: bool, err: &mut dyn Write) -> Result<(), Failure> {
    let hint = if verbose || reading.ignored.is_empty() { "" } else { " (--verbose lists them)" };
    let (understood, ignored) = (count(reading.understood.len(), "line"), count(reading.ignored.len(), "line"));
    writeln!(err, "{}: {understood} understood, {ignored} ignored{hint}", path.display())?;
    if verbose {
        for ignored in &reading.ignored {
            writeln!(err, "ignored: {}:{}: {}", path.display(), ignored.line, ignored.text)?;
        }
    }
    Ok(())
}

/// The faults, each with its place.
pub(super) fn failure(path: &Path, faults: &Faults) -> Failure {
    let place = |fault: &Fault| format!("{}:{}:{}: {}", path.display(), fault.line, fault.column, fault.message);
    let lines: Vec<_> = faults.0.iter().map(place).collect();
    Failure::usage(format!("{} in the configuration:\n{}", count(lines.len(), "fault"), lines.join("\n")))
}

/// What a gateway with this configuration is told. `on` names its outside, where several interfaces have a crypto map.
pub(super) fn mapping(path: &Path, router: &Router, on: Option<&str>) -> Result<Mapping, Failure> {
    router.gateway(on).map_err(|faults| {
        let mut failure = failure(path, &faults);
        if failure.message.contains("choose one of them") {
            failure.message.push_str("\n--on NAME chooses the interface");
        }
        failure
    })
}

/// Tells of peers that are left out and, if asked, of everything that is understood and not used.
pub(super) fn notes(path: &Path, mapping: &Mapping, verbose: bool, err: &mut dyn Write) -> Result<(), Failure> {
    for unused in mapping.unused.iter().filter(|unused| unused.missing || verbose) {
        let kind = if unused.missing { "note" } else { "not used" };
        match unused.line {
            0 => writeln!(err, "{kind}: {}", unused.reason)?,
            line => writeln!(err, "{kind}: {}:{line}: {}", path.display(), unused.reason)?,
        }
    }
    Ok(())
}
