//! Quality of service: the lines of guide chapter 9.

use super::ast::{ClassMap, ClassMatch, PolicyClass, PolicyMap, Router, Share};
use super::words::{Fault, Words};
use super::{Done, Mode};

type Result<T> = std::result::Result<T, Fault>;

/// `class-map ...`, from the second word on.
pub(super) fn class_map(words: &mut Words<'_, '_>, router: &mut Router) -> Result<Done> {
    let line = words.line();
    if words.peek() == Some("type") {
        return Ok(Done::Irrelevant);
    }
    let any = match words.peek() {
        Some("match-any") => Some(true),
        Some("match-all") => Some(false),
        _ => None,
    };
    if any.is_some() {
        words.word("match-any or match-all")?;
    }
    let name = words.word("the name of the class map")?.to_owned();
    words.end()?;
    let class = router.qos.class_maps.entry(name.clone()).or_insert_with(|| ClassMap { line, ..ClassMap::default() });
    class.any = any.unwrap_or(class.any);
    Ok(Done::Enter(Mode::ClassMap(name)))
}

/// A line below `class-map`.
pub(super) fn class_line(words: &mut Words<'_, '_>, class: &mut ClassMap) -> Result<Done> {
    if words.choice(&[("match", ())])?.is_none() {
        return Ok(Done::Unknown);
    }
    // Of IPv4 alone or of both versions: the bits are the same.
    words.take("ip");
    const KINDS: &[(&str, u8)] = &[("precedence", 0), ("dscp", 1), ("qos-group", 2), ("access-group", 3), ("any", 4)];
    let condition = match words.choice(KINDS)? {
        Some(0) => ClassMatch::Precedence(several(words, "a precedence from 0 to 7", precedence)?),
        Some(1) => ClassMatch::Dscp(several(words, "a DSCP from 0 to 63, or its name", dscp)?),
        Some(2) => ClassMatch::QosGroup(words.number("a group", 0, 99)?),
        Some(3) => {
            words.take("name");
            ClassMatch::AccessGroup(words.word("the number or name of an access list")?.to_owned())
        }
        Some(_) => ClassMatch::Any,
        None => {
            let kind = words.word("what to match")?.to_owned();
            words.skip();
            ClassMatch::Other(kind)
        }
    };
    words.end()?;
    class.matches.push(condition);
    Ok(Done::Understood)
}

/// One value or more.
fn several(words: &mut Words<'_, '_>, expected: &str, read: impl Fn(&str) -> Option<u8>) -> Result<Vec<u8>> {
    let mut values = vec![words.parse(expected, &read)?];
    while words.more() {
        values.push(words.parse(expected, &read)?);
    }
    Ok(values)
}

/// An IP precedence by number or name (RFC 791 section 3.1).
fn precedence(word: &str) -> Option<u8> {
    const NAMES: [&str; 8] =
        ["routine", "priority", "immediate", "flash", "flash-override", "critical", "internet", "network"];
    match NAMES.iter().position(|name| name.eq_ignore_ascii_case(word)) {
        Some(index) => u8::try_from(index).ok(),
        None => word.parse().ok().filter(|precedence| *precedence < 8),
    }
}

/// A DSCP by number or name: `ef`, `cs5`, `af31`, `default` (RFC 2474, RFC 2597, RFC 3246).
fn dscp(word: &str) -> Option<u8> {
    if let Ok(number) = word.parse::<u8>() {
        return Some(number).filter(|dscp| *dscp < 64);
    }
    let word = word.to_ascii_lowercase();
    let digit = |text: &str, last: u8| text.parse::<u8>().ok().filter(|digit| (1..=last).contains(digit));
    match word.as_str() {
        "default" => return Some(0),
        "ef" => return Some(46),
        _ => {}
    }
    if let Some(class) = word.strip_prefix("cs") {
        return digit(class, 7).map(|class| class * 8);
    }
    let (class, drop) = word.strip_prefix("af").filter(|rest| rest.len() == 2)?.split_at_checked(1)?;
    Some(digit(class, 4)? * 8 + digit(drop, 3)? * 2)
}

/// `policy-map ...`, from the second word on.
pub(super) fn policy_map(words: &mut Words<'_, '_>, router: &mut Router) -> Result<Done> {
    let line = words.line();
    if words.peek() == Some("type") {
        return Ok(Done::Irrelevant);
    }
    let name = words.word("the name of the policy map")?.to_owned();
    words.end()?;
    router.qos.policy_maps.entry(name.clone()).or_insert_with(|| PolicyMap { line, ..PolicyMap::default() });
    Ok(Done::Enter(Mode::PolicyMap(name)))
}

/// A line below `policy-map`, or below one of its classes, whose index is given.
pub(super) fn policy_line(
    words: &mut Words<'_, '_>,
    policy: &mut PolicyMap,
    name: &str,
    class: Option<usize>,
) -> Result<Done> {
    let line = words.line();
    if words.peek() == Some("class") {
        words.word("class")?;
        let class = words.word("the name of a class")?.to_owned();
        words.end()?;
        let index = policy.classes.iter().position(|other| other.name == class).unwrap_or_else(|| {
            policy.classes.push(PolicyClass { line, name: class, priority: None, bandwidth: None, qos_group: None });
            policy.classes.len() - 1
        });
        return Ok(Done::Enter(Mode::Class(name.to_owned(), index)));
    }
    let Some(class) = class.and_then(|index| policy.classes.get_mut(index)) else { return Ok(Done::Unknown) };
    match words.choice(&[("priority", 0), ("bandwidth", 1), ("set", 2)])? {
        None => return Ok(Done::Unknown),
        Some(0) => {
            let share = share(words)?;
            class.priority = Some(share);
        }
        Some(1) => {
            let share = share(words)?;
            class.bandwidth = Some(share);
        }
        Some(_) => {
            if words.choice(&[("qos-group", ())])?.is_none() {
                return Ok(Done::Irrelevant);
            }
            let group = words.number("a group", 0, 99)?;
            words.end()?;
            class.qos_group = Some(group);
        }
    }
    Ok(Done::Understood)
}

/// What follows `priority` or `bandwidth`.
fn share(words: &mut Words<'_, '_>) -> Result<Share> {
    if !words.more() {
        return Ok(Share::All);
    }
    let share = match words.choice(&[("percent", 0), ("remaining", 1), ("level", 2)])? {
        Some(0) => Share::Percent(words.number("percent", 1, 100)?),
        Some(1) => {
            words.keyword(&[("percent", ()), ("ratio", ())])?;
            Share::RemainingPercent(words.number("a share", 1, 1000)?)
        }
        Some(_) => Share::Level(words.number("a level", 1, 2)?),
        None => Share::Kilobits(words.number("kilobits a second, or percent,", 1, 100_000_000)?),
    };
    // Burst sizes.
    words.skip();
    words.end()?;
    Ok(share)
}

/// `platform ipsec llq qos-group ...`, from the second word on.
pub(super) fn platform(words: &mut Words<'_, '_>, no: bool, router: &mut Router) -> Result<Done> {
    if words.choice(&[("ipsec", ())])?.is_none() {
        return Ok(Done::Irrelevant);
    }
    if words.choice(&[("llq", ())])?.is_none() {
        return Ok(Done::Irrelevant);
    }
    words.keyword(&[("qos-group", ())])?;
    let group = words.number("a group", 1, 99)?;
    words.end()?;
    if no {
        router.qos.llq_groups.remove(&group);
    } else {
        router.qos.llq_groups.insert(group);
    }
    Ok(Done::Understood)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_code_points() {
        assert_eq!(["ef", "cs5", "af31", "af43", "default", "63"].map(dscp), [46, 40, 26, 38, 0, 63].map(Some));
        assert_eq!(["af44", "cs8", "64", "af", "x"].map(dscp), [None; 5]);
        assert_eq!(["critical", "7", "routine"].map(precedence), [5, 7, 0].map(Some));
        assert_eq!(precedence("8"), None);
    }
}
