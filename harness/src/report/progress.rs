//! Progress while a run lasts, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar on standard error; nothing where that is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many scenarios, unless it would not be seen or is not wanted.
    pub fn new(scenarios: usize, wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(u64::try_from(scenarios).ok(), target);
        if let Ok(style) = ProgressStyle::with_template("{pos:>4}/{len} [{bar:30}] {elapsed:>4} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    /// A scenario has begun.
    pub fn begun(&self, scenario: &str) {
        self.0.set_message(crate::text::printable(scenario));
    }

    /// A scenario has ended.
    pub fn ended(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
