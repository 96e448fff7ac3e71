//! Taking a command apart, word by word, as the router's own parser does: keywords may be shortened as long as they
//! stay clear, and case does not matter.

use super::lexer::Word;
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// A line that matters and cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Fault {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong and what to do about it.
    pub message: String,
    /// The command broke off; the next line may go on with it.
    pub(super) incomplete: bool,
}

impl Fault {
    /// A fault that has no better place than the beginning of a line.
    pub(super) fn at_line(line: u32, message: impl fmt::Display) -> Self {
        Self { line, column: 1, message: message.to_string(), incomplete: false }
    }
}

/// Begins of commands that may stand in the middle of a line whose line ends were lost. The first word alone, at the
/// end of a line, counts too.
const STARTS: &[(&str, &[&str])] = &[
    ("access-list", &[]),
    ("crypto", &["isakmp", "ipsec", "map", "keyring", "dynamic-map"]),
    ("set", &["peer", "transform-set", "security-association", "pfs", "isakmp-profile"]),
    ("match", &["address", "identity"]),
    ("ip", &["address", "route", "access-list", "mtu", "classless", "subnet-zero"]),
    ("no", &["ip", "ipv6", "mop", "fair-queue", "service", "shutdown", "keepalive"]),
    ("enable", &["password", "secret"]),
    ("serial", &["restart-delay", "restart_delay"]),
    ("interface", &[]),
    ("hostname", &[]),
];

/// Does a command begin here?
pub(super) fn starts_command(words: &[Word<'_>]) -> bool {
    let Some(first) = words.first() else { return false };
    let Some((_, second)) = STARTS.iter().find(|(start, _)| *start == first.text) else { return false };
    match words.get(1) {
        None => true,
        Some(word) => second.is_empty() || second.contains(&word.text),
    }
}

/// How many words come before a crypto command, in a line that does not matter by itself.
pub(super) fn before_next(words: &[Word<'_>]) -> usize {
    let starts = |at: &usize| {
        let Some([before, crypto, what, _, ..]) = words.get(at.saturating_sub(1)..) else { return false };
        let quoted = ["show", "clear", "debug"].contains(&before.text);
        crypto.text == "crypto" && ["isakmp", "ipsec", "map"].contains(&what.text) && !quoted
    };
    let text = words.iter().any(|word| word.text.contains('"'));
    (1..words.len()).find(starts).filter(|_| !text).unwrap_or(words.len())
}

/// A command that is being taken apart.
#[derive(Debug, Clone)]
pub(super) struct Words<'w, 'a> {
    words: &'w [Word<'a>],
    at: usize,
    /// The words hold a secret, and no message may quote them.
    hidden: bool,
}

type Result<T> = std::result::Result<T, Fault>;

impl<'w, 'a> Words<'w, 'a> {
    pub(super) fn new(words: &'w [Word<'a>]) -> Self {
        Self { words, at: 0, hidden: false }
    }

    /// How many words were taken.
    pub(super) fn taken(&self) -> usize {
        self.at
    }

    /// Line of the first word.
    pub(super) fn line(&self) -> u32 {
        self.words.first().map_or(0, |word| word.line)
    }

    /// The next word, not taken.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|word| word.text)
    }

    /// The word after the next one, not taken.
    pub(super) fn peek_second(&self) -> Option<&'a str> {
        self.words.get(self.at + 1).map(|word| word.text)
    }

    /// Is the third word from here one of these?
    pub(super) fn peek_third_is(&self, words: &[&str]) -> bool {
        self.words.get(self.at + 2).is_some_and(|word| words.contains(&word.text))
    }

    /// Is there another word of this command?
    pub(super) fn more(&self) -> bool {
        self.words.get(self.at..).is_some_and(|rest| !rest.is_empty() && !starts_command(rest))
    }

    /// A fault at the next word.
    pub(super) fn fault(&self, message: impl fmt::Display) -> Fault {
        let place = self.words.get(self.at).or(self.words.last());
        Fault {
            line: place.map_or(0, |word| word.line),
            column: place.map_or(0, |word| word.column),
            message: message.to_string(),
            incomplete: false,
        }
    }

    /// A fault at the word that was taken last.
    pub(super) fn fault_before(&self, message: impl fmt::Display) -> Fault {
        let mut earlier = self.clone();
        earlier.at = self.at.saturating_sub(1);
        earlier.fault(message)
    }

    fn unexpected(&self, expected: &str) -> Fault {
        match self.peek() {
            Some(_) if self.hidden => self.fault(format_args!("this word does not fit here: expected {expected}")),
            Some(word) => self.fault(format_args!("`{word}` does not fit here: expected {expected}")),
            None => {
                let mut fault = self.fault(format_args!("the line ends too early: expected {expected}"));
                let length = self.words.last().map_or(0, |word| word.text.chars().count());
                fault.column = fault.column.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
                fault.incomplete = true;
                fault
            }
        }
    }

    /// Any word.
    pub(super) fn word(&mut self, expected: &str) -> Result<&'a str> {
        let word = self.peek().ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(word)
    }

    /// All further words, at least one, as one text.
    pub(super) fn text(&mut self, expected: &str) -> Result<()> {
        self.word(expected)?;
        self.at = self.words.len();
        Ok(())
    }

    /// All further words of this command, whatever they say.
    pub(super) fn skip(&mut self) {
        while self.more() {
            self.at += 1;
        }
    }

    /// A secret. From here on no message quotes a word of this command.
    pub(super) fn secret(&mut self, expected: &str) -> Result<&'a str> {
        let secret = self.word(expected);
        self.hidden = true;
        secret
    }

    /// Takes the next word if it is this keyword or short for it.
    pub(super) fn take(&mut self, keyword: &str) -> bool {
        let fits = self.peek().is_some_and(|word| abbreviates(word, keyword)) && self.more();
        self.at += usize::from(fits);
        fits
    }

    /// One of several keywords: the value that stands beside it, or `None` if it is none of them and nothing is
    /// taken.
    pub(super) fn choice<T: Copy>(&mut self, keywords: &[(&str, T)]) -> Result<Option<T>> {
        let Some(word) = self.peek() else { return Ok(None) };
        if let Some((_, value)) = keywords.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(word)) {
            self.at += 1;
            return Ok(Some(*value));
        }
        let fitting: Vec<_> = keywords.iter().filter(|(keyword, _)| abbreviates(word, keyword)).collect();
        match fitting.as_slice() {
            [] => Ok(None),
            [(_, value)] => {
                self.at += 1;
                Ok(Some(*value))
            }
            several => {
                let names: Vec<_> = several.iter().map(|(keyword, _)| *keyword).collect();
                let word = if self.hidden { "this word".to_owned() } else { format!("`{word}`") };
                Err(self.fault(format_args!("{word} can mean {}: write it in full", names.join(" or "))))
            }
        }
    }

    /// One of several keywords.
    pub(super) fn keyword<T: Copy>(&mut self, keywords: &[(&str, T)]) -> Result<T> {
        match self.choice(keywords)? {
            Some(value) => Ok(value),
            None => {
                let names: Vec<_> = keywords.iter().map(|(keyword, _)| *keyword).collect();
                Err(self.unexpected(&names.join(", ")))
            }
        }
    }

    /// Reads the next word as something.
    pub(super) fn parse<T>(&mut self, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let value = self.peek().and_then(read).ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(value)
    }

    /// A number within bounds.
    pub(super) fn number(&mut self, what: &str, first: u32, last: u32) -> Result<u32> {
        let expected = format!("{what} from {first} to {last}");
        self.parse(&expected, |word| word.parse().ok().filter(|number| (first..=last).contains(number)))
    }

    /// An IPv4 address.
    pub(super) fn ipv4(&mut self, what: &str) -> Result<Ipv4Addr> {
        self.parse(&format!("{what}, as in 10.0.0.1"), |word| word.parse().ok())
    }

    /// An address of either family.
    pub(super) fn address(&mut self, what: &str) -> Result<IpAddr> {
        self.parse(&format!("{what}, as in 10.0.0.1 or 2001:db8::1"), |word| word.parse().ok())
    }

    /// A subnet mask: its prefix length.
    pub(super) fn mask(&mut self) -> Result<u8> {
        self.parse("a subnet mask, as in 255.255.255.0", |word| word.parse().ok().and_then(prefix_of))
    }

    /// A network of IPv4 by address and mask; host bits are kept.
    pub(super) fn ipv4_net(&mut self, what: &str) -> Result<Ipv4Net> {
        let address = self.ipv4(what)?;
        let prefix = self.mask()?;
        Ipv4Net::new(address, prefix).map_err(|error| self.fault_before(error))
    }

    /// A network of IPv6, or one address of it; host bits are kept.
    pub(super) fn ipv6_net(&mut self, what: &str) -> Result<IpNet> {
        self.parse(&format!("{what}, as in 2001:db8::/32"), |word| match word.parse::<Ipv6Addr>() {
            Ok(address) => Some(IpAddr::V6(address).into()),
            Err(_) => word.parse::<IpNet>().ok().filter(|net| net.addr().is_ipv6()),
        })
    }

    /// Nothing more may come, unless another command begins here whose own line was lost.
    pub(super) fn end(&self) -> Result<()> {
        if self.more() { Err(self.unexpected("the end of the line")) } else { Ok(()) }
    }
}

/// Is the word this keyword or a beginning of it?
pub(super) fn abbreviates(word: &str, keyword: &str) -> bool {
    !word.is_empty() && keyword.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
}

/// The prefix length of a subnet mask, if it is one.
pub(super) fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let ones = bits.leading_ones();
    (bits.checked_shl(ones).unwrap_or(0) == 0).then(|| u8::try_from(ones).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::lexer::lines;
    use super::*;

    #[test]
    fn keywords_may_be_shortened_while_they_are_clear() {
        let lines = lines("key KEEPA ke kx ADDRESS");
        let mut words = Words::new(&lines[0].words);
        let table = [("key", 1), ("keepalive", 2)];
        assert_eq!(words.keyword(&table), Ok(1));
        assert_eq!(words.keyword(&table), Ok(2));
        let fault = words.keyword(&table).unwrap_err();
        assert_eq!(fault.to_string(), "line 1, column 11: `ke` can mean key or keepalive: write it in full");
        words.word("").unwrap();
        assert_eq!(words.keyword(&table).unwrap_err().message, "`kx` does not fit here: expected key, keepalive");
    }

    #[test]
    fn masks() {
        let prefix = |text: &str| prefix_of(text.parse().unwrap());
        assert_eq!(prefix("255.0.0.0"), Some(8));
        assert_eq!(prefix("255.255.255.255"), Some(32));
        assert_eq!(prefix("0.0.0.0"), Some(0));
        assert_eq!(prefix("255.0.255.0"), None);
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let lines = lines("open sesame adress");
        let mut words = Words::new(&lines[0].words);
        assert_eq!(words.secret("the key"), Ok("open"));
        let fault = words.keyword(&[("address", ())]).unwrap_err();
        assert_eq!(fault.message, "this word does not fit here: expected address");
    }
}
