//! From Gherkin text to scenarios that can run, or to a list of everything that is wrong.

use super::source::Source;
use super::syntax::KEYWORDS;
use super::{LoadError, Plan, PlannedStep};
use crate::profile::Profile;
use crate::requirements::{Catalogue, Requirement};
use crate::run::{NoStep, Step, StepKind, Steps};
use crate::text::nearest;
use crate::verdict::Place;
use cucumber::feature::Ext as _;
use cucumber::gherkin::{self, GherkinEnv, StepType};
use std::collections::{BTreeSet, HashMap};

/// Reads all sources and checks every scenario, the chosen ones and the others.
///
/// # Errors
/// Every fault that was found, in the order of the places.
pub fn load<W>(
    sources: &[Source],
    steps: &Steps<W>,
    catalogue: &'static Catalogue,
) -> Result<Vec<Plan<W>>, Vec<LoadError>> {
    let mut loader = Loader { steps, catalogue, plans: Vec::new(), errors: Vec::new(), source: None };
    for fault in steps.faults() {
        // A pattern that cannot be read is a fault of the program; its own text says where.
        loader.errors.push(LoadError { place: Place { file: "steps".into(), line: 0 }, message: fault.clone() });
    }
    for source in sources {
        loader.source = Some(source);
        loader.read(source);
    }
    loader.refuse_duplicates();
    if !loader.errors.is_empty() {
        loader.errors.sort();
        loader.errors.dedup();
        return Err(loader.errors);
    }
    let mut plans = loader.plans;
    name_evidence(&mut plans);
    choose_lines(&mut plans, sources)?;
    Ok(plans)
}

struct Loader<'a, W> {
    steps: &'a Steps<W>,
    catalogue: &'static Catalogue,
    plans: Vec<Plan<W>>,
    errors: Vec<LoadError>,
    source: Option<&'a Source>,
}

impl<W> Loader<'_, W> {
    fn fault(&mut self, line: usize, message: impl Into<String>) {
        let place = self.place(line);
        self.errors.push(LoadError { place, message: message.into() });
    }

    fn place(&self, line: usize) -> Place {
        Place { file: self.source.map_or_else(String::new, |source| source.path.clone()), line }
    }

    fn read(&mut self, source: &Source) {
        // The parser takes stray lines for descriptions, whole scenarios among them, or fails only at the end.
        if let Some((line, message)) = super::syntax::suspect(&source.text) {
            return self.fault(line, message);
        }
        let feature = match gherkin::Feature::parse(&source.text, GherkinEnv::default()) {
            Ok(feature) => feature,
            Err(error) => return self.syntax(&source.text, &error.to_string()),
        };
        self.misread_steps(source);
        let outlines: HashMap<usize, String> = every_scenario(&feature)
            .flat_map(|(_, scenario)| scenario.examples.iter().map(|rows| (rows.position.line, scenario.name.clone())))
            .collect();
        let empty: Vec<usize> = every_scenario(&feature)
            .filter(|(_, scenario)| {
                let outline = scenario.keyword.contains("Outline") || scenario.keyword.contains("Template");
                let rows = |examples: &gherkin::Examples| examples.table.as_ref().map_or(0, |table| table.rows.len());
                (outline || !scenario.examples.is_empty()) && scenario.examples.iter().all(|rows_of| rows(rows_of) < 2)
            })
            .map(|(_, scenario)| scenario.position.line)
            .collect();
        for line in empty {
            self.fault(line, "a scenario outline without example rows runs nothing: add a row to its Examples");
        }
        let feature = match feature.expand_examples() {
            Ok(feature) => feature,
            Err(error) => {
                let message = format!("no column <{}> in the Examples of this scenario", error.name);
                return self.fault(error.pos.line, message);
            }
        };
        if every_scenario(&feature).next().is_none() {
            self.fault(feature.position.line, "the feature has no scenario");
        }
        for (rule, scenario) in every_scenario(&feature) {
            self.scenario(&feature, rule, scenario, &outlines);
        }
    }

    /// The parser's message with the line that it stumbled over.
    fn syntax(&mut self, text: &str, message: &str) {
        let position = message
            .strip_prefix("Error at ")
            .and_then(|rest| rest.split_once(": "))
            .and_then(|(position, _)| position.split_once(':'))
            .and_then(|(line, column)| Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?)));
        let Some((line, column)) = position else { return self.fault(1, format!("not Gherkin: {message}")) };
        let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        self.fault(line, format!("not Gherkin at column {column}: {written:?}"));
    }

    /// A mistyped keyword on the first line of a scenario makes that line part of the description, and the step is
    /// silently gone. Such a line is one whose rest, after the first word, is a known step.
    fn misread_steps(&mut self, source: &Source) {
        for (index, line) in source.text.lines().enumerate() {
            let Some((word, rest)) = line.trim().split_once(char::is_whitespace) else { continue };
            if KEYWORDS.contains(&word) || matches!(word, "*" | "#") || word.starts_with(['@', '|', '#']) {
                continue;
            }
            let (rest, _) = split_bracket(rest.trim());
            let known = [StepKind::Given, StepKind::When, StepKind::Then]
                .into_iter()
                .any(|kind| self.steps.find(kind, rest).is_ok());
            if known {
                let hint = nearest(word, KEYWORDS).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
                self.fault(index + 1, format!("this line would be a step, but {word:?} is no keyword{hint}"));
            }
        }
    }

    fn scenario(
        &mut self,
        feature: &gherkin::Feature,
        rule: Option<&gherkin::Rule>,
        scenario: &gherkin::Scenario,
        outlines: &HashMap<usize, String>,
    ) {
        let line = scenario.position.line;
        let mut tags: Vec<String> = Vec::new();
        let all = feature.tags.iter().chain(rule.iter().flat_map(|rule| &rule.tags)).chain(&scenario.tags);
        for tag in all.map(|tag| tag.trim_start_matches('@')) {
            if !tags.iter().any(|own| own == tag) {
                tags.push(tag.to_owned());
            }
        }
        let requirements = self.requirements(line, &tags);
        let needs = self.needs(line, &tags);
        let background = feature.background.iter().chain(rule.and_then(|rule| rule.background.as_ref()));
        let written = background.flat_map(|background| &background.steps).chain(&scenario.steps);
        let steps: Vec<PlannedStep<W>> = written.filter_map(|step| self.step(step, &requirements)).collect();

        let named = |tag: &String| tag.starts_with(|first: char| first.is_ascii_uppercase());
        if !tags.iter().any(named) {
            self.fault(line, "the scenario names no requirement: tag it or its feature with the id of one");
        }
        let judges = scenario.steps.iter().any(|step| step.ty == StepType::Then);
        if !judges {
            self.fault(line, "the scenario has no Then step: it cannot fail, so it is no test");
        } else if steps.len() == scenario.steps.len() {
            let bound: BTreeSet<&str> = steps
                .iter()
                .flat_map(|step| &step.step.requirements)
                .map(|requirement| requirement.id.as_str())
                .collect();
            for requirement in &requirements {
                if !bound.contains(requirement.id.as_str()) {
                    self.fault(
                        line,
                        format!("no Then step judges {}: every one names others in brackets", requirement.id),
                    );
                }
            }
        }
        self.plans.push(Plan {
            name: full_name(scenario, outlines),
            feature: feature.name.clone(),
            place: self.place(line),
            tags,
            requirements,
            needs,
            slug: String::new(),
            steps,
        });
    }

    /// A tag that begins with a capital letter is the id of a requirement.
    fn requirements(&mut self, line: usize, tags: &[String]) -> Vec<&'static Requirement> {
        let mut found = Vec::new();
        for tag in tags.iter().filter(|tag| tag.starts_with(|first: char| first.is_ascii_uppercase())) {
            match self.catalogue.find(tag) {
                Some(requirement) => found.push(requirement),
                None => {
                    let message = self.unknown_requirement(tag);
                    self.fault(line, message);
                }
            }
        }
        found
    }

    fn unknown_requirement(&self, id: &str) -> String {
        match nearest(id, self.catalogue.iter().map(|requirement| requirement.id.as_str())) {
            Some(near) => format!("unknown requirement {id}: did you mean {near}?"),
            None => format!("unknown requirement {id}: `counterpeer requirements` lists them"),
        }
    }

    fn needs(&mut self, line: usize, tags: &[String]) -> Vec<String> {
        let mut needs = Vec::new();
        for need in tags.iter().filter_map(|tag| tag.strip_prefix("needs:")) {
            let open = ["claim.", "control."].iter().any(|kind| need.strip_prefix(kind).is_some_and(|x| !x.is_empty()));
            if open || Profile::NEEDS.contains(&need) {
                needs.push(need.to_owned());
            } else {
                let known = Profile::NEEDS.iter().copied().chain(["claim.<feature>", "control.<hook>"]);
                let hint = match nearest(need, known.clone()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
                };
                self.fault(line, format!("unknown tag @needs:{need}: {hint}"));
            }
        }
        needs
    }

    fn step(&mut self, written: &gherkin::Step, requirements: &[&'static Requirement]) -> Option<PlannedStep<W>> {
        let line = written.position.line;
        let kind = match written.ty {
            StepType::Given => StepKind::Given,
            StepType::When => StepKind::When,
            StepType::Then => StepKind::Then,
        };
        let (text, bracket) = split_bracket(&written.value);
        let bound = self.bound(line, kind, bracket, requirements);
        let found = self.steps.find(kind, text);
        let (run, args) = match found {
            Ok(found) => found,
            Err(fault) => {
                let message = match fault {
                    NoStep::Unknown { nearest: Some(near) } => {
                        format!("unknown step {text:?}; the nearest is {near:?}")
                    }
                    NoStep::Unknown { nearest: None } => format!("unknown step {text:?}"),
                    NoStep::OtherKind(other) => {
                        format!("{text:?} is known as a {other} step, but not as a {kind} step")
                    }
                    NoStep::Ambiguous(patterns) => format!("ambiguous step {text:?}: it fits {}", quoted(&patterns)),
                };
                self.fault(line, message);
                return None;
            }
        };
        let step = Step {
            kind,
            keyword: written.keyword.trim().to_owned(),
            text: text.to_owned(),
            args,
            docstring: written.docstring.clone(),
            table: written.table.as_ref().map(|table| table.rows.clone()).unwrap_or_default(),
            place: self.place(line),
            requirements: bound,
            observed: Vec::new(),
            measured: Vec::new(),
        };
        Some(PlannedStep { step, run })
    }

    /// The requirements that a step judges: those in its bracket, else all of the scenario.
    fn bound(
        &mut self,
        line: usize,
        kind: StepKind,
        bracket: Option<&str>,
        requirements: &[&'static Requirement],
    ) -> Vec<&'static Requirement> {
        let Some(bracket) = bracket else {
            return if kind == StepKind::Then { requirements.to_vec() } else { Vec::new() };
        };
        if kind != StepKind::Then {
            self.fault(line, format!("[{bracket}]: only a Then step judges requirements"));
            return Vec::new();
        }
        let mut bound = Vec::new();
        for id in bracket.split(',').map(str::trim) {
            match requirements.iter().find(|requirement| requirement.id == id) {
                Some(requirement) => bound.push(*requirement),
                None if self.catalogue.find(id).is_some() => {
                    self.fault(line, format!("[{id}] is not among the scenario's tags: add @{id}"));
                }
                None => {
                    let message = self.unknown_requirement(id);
                    self.fault(line, message);
                }
            }
        }
        bound
    }

    fn refuse_duplicates(&mut self) {
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        let mut twice = Vec::new();
        for plan in &self.plans {
            if let Some(first) = seen.insert(&plan.name, &plan.place) {
                let message = format!("another scenario is named {:?}, at {first}: names must differ", plan.name);
                twice.push(LoadError { place: plan.place.clone(), message });
            }
        }
        self.errors.append(&mut twice);
    }
}

fn quoted(patterns: &[&str]) -> String {
    patterns.iter().map(|pattern| format!("{pattern:?}")).collect::<Vec<_>>().join(" and ")
}

fn every_scenario(
    feature: &gherkin::Feature,
) -> impl Iterator<Item = (Option<&gherkin::Rule>, &gherkin::Scenario)> + Clone {
    let own = feature.scenarios.iter().map(|scenario| (None, scenario));
    own.chain(feature.rules.iter().flat_map(|rule| rule.scenarios.iter().map(move |scenario| (Some(rule), scenario))))
}

/// Splits `the packet is dropped [ESP-SEQ-001, ESP-SEQ-002]` into text and ids.
fn split_bracket(value: &str) -> (&str, Option<&str>) {
    let ids = |bracket: &str| {
        bracket.split(',').map(str::trim).all(|id| {
            id.contains('-')
                && id.starts_with(|first: char| first.is_ascii_uppercase())
                && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        })
    };
    value
        .strip_suffix(']')
        .and_then(|value| value.rsplit_once('['))
        .filter(|(text, bracket)| text.ends_with(char::is_whitespace) && ids(bracket))
        .map_or((value, None), |(text, bracket)| (text.trim_end(), Some(bracket)))
}

/// The name of a scenario; that of an outline without placeholders is told apart by the values of the row.
fn full_name(scenario: &gherkin::Scenario, outlines: &HashMap<usize, String>) -> String {
    let Some((examples, table)) = scenario.examples.first().and_then(|rows| Some((rows, rows.table.as_ref()?))) else {
        return scenario.name.clone();
    };
    let template = outlines.get(&examples.position.line);
    if template.is_some_and(|template| *template != scenario.name) {
        return scenario.name.clone();
    }
    match table.rows.as_slice() {
        [heading, row, ..] => {
            let values = heading.iter().zip(row).map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>();
            format!("{} ({})", scenario.name, values.join(", "))
        }
        _ => scenario.name.clone(),
    }
}

/// Gives each scenario a name for its evidence: the file's stem and the scenario's name, told apart by a number where
/// that is not enough.
fn name_evidence<W>(plans: &mut [Plan<W>]) {
    const LONGEST: usize = 96;
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for plan in plans {
        let file = plan.place.file.rsplit('/').next().unwrap_or_default().trim_end_matches(".feature");
        let mut slug = String::new();
        for character in format!("{file}-{}", plan.name).chars() {
            if character.is_ascii_alphanumeric() {
                slug.push(character.to_ascii_lowercase());
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(LONGEST);
        let slug = slug.trim_matches('-');
        let candidates = std::iter::once(slug.to_owned()).chain((2..=usize::MAX).map(|n| format!("{slug}-{n}")));
        if let Some(free) = candidates.into_iter().find(|candidate| !taken.contains(candidate)) {
            taken.insert(free.clone());
            plan.slug = free;
        }
    }
}

/// Keeps the scenarios that the selection names by line: the one that is written at or last before it.
fn choose_lines<W>(plans: &mut Vec<Plan<W>>, sources: &[Source]) -> Result<(), Vec<LoadError>> {
    let mut errors = Vec::new();
    for source in sources.iter().filter(|source| !source.lines.is_empty()) {
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        for &line in &source.lines {
            let own = plans.iter().filter(|plan| plan.place.file == source.path);
            match own.map(|plan| first_line(plan, &source.text)).filter(|&(first, _)| first <= line).max() {
                // On an example row it is that row; on the outline itself it is all rows.
                Some((first, _)) => {
                    let own = plans.iter().filter(|plan| plan.place.file == source.path);
                    let rows: Vec<usize> = own
                        .map(|plan| first_line(plan, &source.text))
                        .filter(|(of, _)| *of == first)
                        .map(|(_, row)| row)
                        .collect();
                    match rows.contains(&line) {
                        true => chosen.extend([line]),
                        false => chosen.extend(rows),
                    }
                }
                None => errors.push(LoadError {
                    place: Place { file: source.path.clone(), line },
                    message: "no scenario begins at or before this line".to_owned(),
                }),
            }
        }
        plans.retain(|plan| plan.place.file != source.path || chosen.contains(&plan.place.line));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The line where a scenario begins (that of its outline for an example row), and the line that it is known by.
fn first_line<W>(plan: &Plan<W>, text: &str) -> (usize, usize) {
    let begins = |line: &str| {
        let line = line.trim_start();
        ["Scenario:", "Scenario Outline:", "Scenario Template:", "Example:"].iter().any(|word| line.starts_with(word))
    };
    let before = text.lines().take(plan.place.line).enumerate().filter(|(_, line)| begins(line));
    (before.map(|(index, _)| index + 1).last().unwrap_or(plan.place.line), plan.place.line)
}
