//! The steps that the program knows, and how a line of a feature finds its function.

use super::step::{StepFn, StepKind};
use crate::text::nearest;
use cucumber_expressions::Expression;
use regex::Regex;
use std::collections::HashMap;
use std::panic::Location;

/// One known step.
pub struct KnownStep<W> {
    /// When it may be used.
    pub kind: StepKind,
    /// Its pattern as the programmer wrote it.
    pub pattern: &'static str,
    /// Its function.
    pub run: StepFn<W>,
    regex: Regex,
    source: &'static Location<'static>,
}

/// All steps that the program knows.
///
/// Patterns are Cucumber expressions: `{int}`, `{float}`, `{word}`, `{string}` and here also `{duration}` (`10 s`,
/// `3 minutes`), `{hex}` (`0x2f`) and `{number}` (decimal or hexadecimal); `(s)` is optional, `a/an` either. A pattern
/// that begins with `^` is a regular expression, whose groups are the parameters.
pub struct Steps<W> {
    known: Vec<KnownStep<W>>,
    faults: Vec<String>,
}

/// Why a line of a feature has no single function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoStep {
    /// None fits.
    Unknown {
        /// The known step that comes closest.
        nearest: Option<String>,
    },
    /// It fits, but as another kind of step.
    OtherKind(StepKind),
    /// Several fit: their patterns.
    Ambiguous(Vec<&'static str>),
}

impl<W> Default for Steps<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> Steps<W> {
    /// No steps yet.
    pub fn new() -> Self {
        Self { known: Vec::new(), faults: Vec::new() }
    }

    /// Adds a step that sets the scene.
    #[track_caller]
    pub fn given(&mut self, pattern: &'static str, run: StepFn<W>) {
        self.add(StepKind::Given, pattern, run);
    }

    /// Adds a step that acts.
    #[track_caller]
    pub fn when(&mut self, pattern: &'static str, run: StepFn<W>) {
        self.add(StepKind::When, pattern, run);
    }

    /// Adds a step that judges.
    #[track_caller]
    pub fn then(&mut self, pattern: &'static str, run: StepFn<W>) {
        self.add(StepKind::Then, pattern, run);
    }

    /// Adds a step that may set the scene or act.
    #[track_caller]
    pub fn action(&mut self, pattern: &'static str, run: StepFn<W>) {
        self.add(StepKind::Given, pattern, run);
        self.add(StepKind::When, pattern, run);
    }

    #[track_caller]
    fn add(&mut self, kind: StepKind, pattern: &'static str, run: StepFn<W>) {
        let source = Location::caller();
        let regex = if pattern.starts_with('^') {
            Regex::new(&format!("(?s){pattern}")).map_err(|error| error.to_string())
        } else {
            Expression::regex_with_parameters(pattern, &own_parameters()).map_err(|error| error.to_string())
        };
        match regex {
            Ok(regex) => self.known.push(KnownStep { kind, pattern, run, regex, source }),
            Err(error) => self.faults.push(format!("{source}: step pattern {pattern:?}: {error}")),
        }
    }

    /// Patterns that could not be read: faults of the program, found by a test.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// All known steps.
    pub fn iter(&self) -> impl Iterator<Item = &KnownStep<W>> {
        self.known.iter()
    }

    /// Finds the function for a line, and its parameters.
    ///
    /// # Errors
    /// None fits, or several.
    pub fn find(&self, kind: StepKind, text: &str) -> Result<(StepFn<W>, Vec<String>), NoStep> {
        let mut fitting = self.known.iter().filter(|step| step.kind == kind && step.regex.is_match(text));
        let (first, second) = (fitting.next(), fitting.next());
        match (first, second) {
            (Some(step), None) => Ok((step.run, step.arguments(text))),
            (Some(first), Some(second)) => {
                let rest = fitting.map(|step| step.pattern);
                Err(NoStep::Ambiguous([first.pattern, second.pattern].into_iter().chain(rest).collect()))
            }
            _ => match self.known.iter().find(|step| step.regex.is_match(text)) {
                Some(step) => Err(NoStep::OtherKind(step.kind)),
                None => {
                    let same_kind = self.known.iter().filter(|step| step.kind == kind).map(|step| step.pattern);
                    Err(NoStep::Unknown { nearest: nearest(text, same_kind).map(str::to_owned) })
                }
            },
        }
    }
}

impl<W> KnownStep<W> {
    /// Where it was registered: file and line.
    pub fn source(&self) -> &'static Location<'static> {
        self.source
    }

    fn arguments(&self, text: &str) -> Vec<String> {
        let Some(captures) = self.regex.captures(text) else { return Vec::new() };
        let mut arguments: Vec<(Option<&str>, String)> = Vec::new();
        for (name, capture) in self.regex.capture_names().zip(captures.iter()).skip(1) {
            let value = capture.map_or("", |found| found.as_str());
            // A parameter with several groups, such as {string}, names them `__<parameter>_<group>`; one of them is set.
            let parameter = name.and_then(|name| name.strip_prefix("__")).and_then(|rest| rest.split('_').next());
            match arguments.last_mut() {
                Some((Some(last), merged)) if parameter == Some(*last) => merged.push_str(value),
                _ => arguments.push((parameter, value.to_owned())),
            }
        }
        arguments.into_iter().map(|(_, value)| value).collect()
    }
}

/// The parameter types that are ours.
fn own_parameters() -> HashMap<&'static str, &'static str> {
    HashMap::from([
        ("duration", r"\d+(?:\.\d+)? ?(?:ms|seconds?|s|minutes?|min|hours?|h|days?|d)"),
        ("hex", "0x[0-9a-fA-F]+"),
        ("number", r"0x[0-9a-fA-F]+|\d+"),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    fn nothing(_: &mut (), _: &mut super::super::step::Step) -> super::super::step::StepResult {
        Ok(())
    }

    fn arguments(pattern: &'static str, text: &str) -> Option<Vec<String>> {
        let mut steps = Steps::new();
        steps.given(pattern, nothing);
        assert_eq!(steps.faults(), &[] as &[String]);
        steps.find(StepKind::Given, text).ok().map(|(_, arguments)| arguments)
    }

    #[test]
    fn parameters_are_captured_in_order() {
        assert_eq!(
            arguments("{int} packet(s) of {duration} to {string} as {word}", "2 packets of 10 s to \"a b\" as x")
                .unwrap(),
            ["2", "10 s", "a b", "x"]
        );
        assert_eq!(arguments("says {string} or {string}", "says 'a' or \"b\"").unwrap(), ["a", "b"]);
        assert_eq!(arguments("octet {hex}", "octet 0x2F").unwrap(), ["0x2F"]);
        assert_eq!(arguments("value {number}", "value 17").unwrap(), ["17"]);
        assert_eq!(arguments("^bits (\\d+)(?: of (\\d+))?$", "bits 3").unwrap(), ["3", ""]);
        assert_eq!(arguments("octet {hex}", "octet 47"), None);
        assert_eq!(arguments("wait {duration}", "wait 10"), None, "a time needs its unit");
    }

    #[test]
    fn a_line_finds_one_step_or_says_why_not() {
        let mut steps = Steps::new();
        steps.given("a tunnel is up", nothing);
        steps.when("the tester sends {int} packets", nothing);
        steps.when("the tester sends {word} packets", nothing);
        steps.then("nothing is sent", nothing);
        assert!(steps.find(StepKind::Given, "a tunnel is up").is_ok());
        assert_eq!(
            steps.find(StepKind::Given, "a tunel is up").err(),
            Some(NoStep::Unknown { nearest: Some("a tunnel is up".into()) })
        );
        assert_eq!(steps.find(StepKind::Given, "nothing is sent").err(), Some(NoStep::OtherKind(StepKind::Then)));
        let both = steps.find(StepKind::When, "the tester sends 3 packets").err().unwrap();
        assert!(matches!(both, NoStep::Ambiguous(patterns) if patterns.len() == 2));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_reported_with_its_place() {
        let mut steps = Steps::new();
        steps.given("a {nosuch} thing", nothing);
        assert_eq!(steps.faults().len(), 1);
        assert!(steps.faults()[0].contains("steps.rs"), "{:?}", steps.faults());
    }
}
