//! Lines and words of a running-config.

/// A word and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The word.
    pub(super) text: &'a str,
    /// Line, from 1.
    pub(super) line: u32,
    /// Column of its first character, from 1.
    pub(super) column: u32,
}

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Number, from 1.
    pub(super) number: u32,
    /// Columns before the first word.
    pub(super) indent: u32,
    /// Its words, one at least.
    pub(super) words: Vec<Word<'a>>,
    /// What is to be made of it.
    pub(super) kind: Kind,
    /// A `!` stands between it and the line before.
    pub(super) separated: bool,
}

/// Kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command.
    Command,
    /// Of a banner, or what a terminal shows around a configuration: the prompt, `Building configuration...`.
    Talk,
    /// The first line of a banner that has no end.
    OpenBanner,
}

/// The lines of a text. Comments and empty lines are left out.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut separated = false;
    // The delimiter of the banner that we are in, and the index of its first line.
    let mut banner: Option<(&str, usize)> = None;
    for (text, number) in text.lines().zip(1u32..) {
        if let Some((delimiter, _)) = banner {
            let words = words(text, 0, number);
            if text.contains(delimiter) {
                banner = None;
            }
            if !words.is_empty() {
                lines.push(Line { number, indent: 0, words, kind: Kind::Talk, separated });
            }
            continue;
        }
        let (skip, kind) = prompt(text);
        let mut words = words(text, skip, number);
        let Some(first) = words.first() else { continue };
        if first.text.starts_with('!') {
            separated = true;
            continue;
        }
        // A comment that stands behind a command.
        if words.len() > 1 && words.last().is_some_and(|word| word.text == "!") {
            words.pop();
        }
        let indent = if skip > 0 { 0 } else { words.first().map_or(0, |word| word.column.saturating_sub(1)) };
        if kind == Kind::Command
            && let Some(delimiter) = banner_delimiter(&words)
        {
            banner = Some((delimiter, lines.len()));
        }
        lines.push(Line { number, indent, words, kind, separated });
        separated = false;
    }
    if let Some((_, index)) = banner
        && let Some(line) = lines.get_mut(index)
    {
        line.kind = Kind::OpenBanner;
    }
    lines
}

/// The words of a line from an offset on.
fn words(text: &str, skip: usize, line: u32) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start: Option<(usize, u32)> = None;
    let mut column = 0;
    for (offset, c) in text.char_indices() {
        column += 1;
        if offset < skip {
            continue;
        }
        match (c.is_whitespace(), start) {
            (false, None) => start = Some((offset, column)),
            (true, Some((from, column))) => {
                words.extend(text.get(from..offset).map(|text| Word { text, line, column }));
                start = None;
            }
            _ => {}
        }
    }
    if let Some((from, column)) = start {
        words.extend(text.get(from..).map(|text| Word { text, line, column }));
    }
    words
}

/// How many octets of the line are a prompt of the configuration mode, as in `Router(config)# hostname A`. A line with
/// another prompt is no configuration.
fn prompt(text: &str) -> (usize, Kind) {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let rest = text.trim_start().trim_start_matches(name);
    let named = rest.len() < text.trim_start().len();
    if let Some(mode) = rest.trim_start().strip_prefix("(config")
        && let Some((inner, after)) = mode.split_once(")#")
        && inner.chars().all(name)
    {
        return (text.len() - after.len(), Kind::Command);
    }
    let talk = named && rest.starts_with(['#', '>'])
        || ["Building configuration...", "Current configuration :", "Using "].iter().any(|t| text.starts_with(t));
    (0, if talk { Kind::Talk } else { Kind::Command })
}

/// The delimiter of the banner that begins here and does not end on the same line.
fn banner_delimiter<'a>(words: &[Word<'a>]) -> Option<&'a str> {
    let [first, ..] = words else { return None };
    if !first.text.eq_ignore_ascii_case("banner") {
        return None;
    }
    let kinds = ["exec", "incoming", "login", "motd", "prompt-timeout", "slip-ppp"];
    let text = match words.get(1) {
        Some(kind) if kinds.contains(&kind.text) => words.get(2)?,
        other => other?,
    };
    // `^C` is how the control character is printed.
    let end = if text.text.starts_with("^C") { 2 } else { text.text.chars().next()?.len_utf8() };
    let delimiter = text.text.get(..end)?;
    let again = text.text.get(end..).is_some_and(|rest| rest.contains(delimiter));
    let later = words.iter().skip_while(|word| **word != *text).skip(1).any(|word| word.text.contains(delimiter));
    (!again && !later).then_some(delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u32, u32, Vec<&str>, Kind)> {
        let line = |line: &Line<'_>| (line.number, line.indent, line.words.len(), line.kind);
        let all = lines(text);
        let numbers: Vec<_> = all.iter().map(line).collect();
        let texts = lines(text).into_iter().map(|line| line.words.iter().map(|word| word.text).collect());
        numbers.into_iter().zip(texts).map(|((number, indent, _, kind), texts)| (number, indent, texts, kind)).collect()
    }

    #[test]
    fn comments_and_prompts() {
        let text =
            "Router# show running-config\n!\nRouter(config-if)# ip mtu 1500\n  a  b !\n! no\nRouter (config)# x y";
        assert_eq!(
            read(text),
            [
                (1, 0, vec!["Router#", "show", "running-config"], Kind::Talk),
                (3, 0, vec!["ip", "mtu", "1500"], Kind::Command),
                (4, 2, vec!["a", "b"], Kind::Command),
                (6, 0, vec!["x", "y"], Kind::Command),
            ]
        );
        assert_eq!(lines(text).get(1).map(|line| line.words.first().map(|word| word.column)), Some(Some(20)));
    }

    #[test]
    fn banners_end_where_they_say() {
        let kinds = |text: &str| read(text).into_iter().map(|(number, .., kind)| (number, kind)).collect::<Vec<_>>();
        let command = Kind::Command;
        assert_eq!(
            kinds("banner motd ^C\ncrypto map x\n^C\nhostname a"),
            [(1, command), (2, Kind::Talk), (3, Kind::Talk), (4, command)]
        );
        assert_eq!(kinds("banner login #hello#\nhostname a"), [(1, command), (2, command)]);
        assert_eq!(kinds("banner #\nhostname a"), [(1, Kind::OpenBanner), (2, Kind::Talk)]);
        assert_eq!(kinds("banner"), [(1, command)]);
    }
}
