//! Small helpers for text that people read.

/// The candidate that a mistyped word or line comes closest to, unless none is near.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(typed, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(typed.chars().count()).div_ceil(2))
        .map(|(_, candidate)| candidate)
}

/// Edit distance of Levenshtein, with a swap of neighbours as one edit.
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, own) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &other) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let substituted = at(&above, column) + usize::from(own != other);
            let mut best = substituted.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            if let Some(earlier) = column.checked_sub(1)
                && previous == Some(other)
                && right.get(earlier) == Some(&own)
            {
                best = best.min(at(&before, earlier) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
        previous = Some(own);
    }
    above.last().copied().unwrap_or_default()
}

/// Text without the characters that no XML document and no terminal should get: controls other than tab and line
/// feed, and what is no character at all.
pub(crate) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.peek() == Some(&'[') => {
                // A terminal's colour sequence goes as a whole: ESC [ parameters final.
                characters.next();
                while characters.next_if(|c| !('\u{40}'..='\u{7e}').contains(c)).is_some() {}
                characters.next();
            }
            '\t' | '\n' => clean.push(character),
            '\u{fffe}' | '\u{ffff}' => clean.push('\u{fffd}'),
            _ if character.is_control() => {}
            _ => clean.push(character),
        }
    }
    clean
}

/// `1 packet`, `2 packets`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("replay_widnow", "replay_window"), 1);
        assert_eq!(nearest("outsde", ["inside", "outside", "ike"]), Some("outside"));
        assert_eq!(nearest("zzzzzz", ["inside", "outside", "ike"]), None);
    }

    #[test]
    fn controls_and_colours_go() {
        assert_eq!(printable("a\u{1b}[1;31mred\u{1b}[0m\u{0}b\tc\nd\u{7}\u{ffff}"), "aredb\tc\nd\u{fffd}");
        assert_eq!(printable("cut \u{1b}[31"), "cut ");
    }
}
