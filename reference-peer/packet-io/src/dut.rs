//! A gateway under test that was started here.

use crate::error::{Error, last_lines};
use std::fmt;
use std::time::Duration;

/// A gateway under test that was started here: it can die, take commands, and be stopped. Dropping it stops it.
pub trait StartedDut: Send + Sync {
    /// Why it is dead, or `None` as long as it lives. One that was stopped on purpose is not dead.
    fn death(&self) -> Option<Death>;

    /// Runs a program where the DUT is (in the guest, or on this machine in the folder of the profile): its name and
    /// arguments, no shell.
    ///
    /// # Errors
    /// [`Error::TimeLimit`] when the limit ran out (the program was ended), [`Error::Dead`] when the DUT died,
    /// [`Error::Start`] when there is no such program here. A status other than 0 is not an error.
    fn run(&self, words: &[String], limit: Duration) -> Result<Output, Error>;

    /// The last lines that it wrote, oldest first.
    fn last_output(&self) -> Vec<String>;

    /// Stops it, by force when its time to stop runs out, and waits until it has gone. Again does nothing.
    fn stop(&self);

    /// For messages to the user: what it is.
    fn description(&self) -> String;
}

/// What became of a command that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + N where signal N ended it.
    pub status: i32,
    /// What it wrote to standard output and standard error, in the order written. Octets that are not UTF-8 are
    /// replaced; what goes beyond [`OUTPUT_LIMIT`] is left out.
    pub text: String,
}

/// The most octets of output that are kept of one command.
pub const OUTPUT_LIMIT: usize = 16 << 20;

impl Output {
    /// The last lines of the output, for messages.
    pub fn last_lines(&self) -> Vec<String> {
        last_lines_of(&self.text)
    }
}

/// The last lines of a text, as many as a message bears.
pub(crate) fn last_lines_of(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().rev().take(KEPT_LINES).map(str::to_owned).collect();
    lines.reverse();
    lines
}

/// How many lines of a DUT's output are kept for messages.
pub(crate) const KEPT_LINES: usize = 20;

/// The death of a DUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Which DUT.
    pub name: String,
    /// How it ended, such as `ended with status 1`.
    pub reason: String,
    /// The last lines of its output.
    pub last_output: Vec<String>,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name, self.reason, last_lines(&self.last_output))
    }
}

impl std::error::Error for Death {}
