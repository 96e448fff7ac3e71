//! The commands of the console and how a line is read: keywords may be shortened as long as they stay clear, as on the
//! guide's routers, and `?` lists what may come next.

use std::net::IpAddr;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    ShowIsakmpSa,
    ShowIpsecSa,
    ShowSession,
    ShowRunningConfig,
    ShowLogging,
    ClearIsakmp,
    ClearSa,
    ClearSession,
    Ping,
    Exit,
}

/// A word of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// A keyword.
    Is(&'static str),
    /// An address.
    Address,
    /// The name of an interface.
    Interface,
    /// A number between these, both included.
    Number(u32, u32),
}

use Word::{Address, Interface, Is, Number};

/// A command: words in this order, then options in any order, each at most once.
struct Command {
    verb: Verb,
    words: &'static [Word],
    options: &'static [Choice],
    help: &'static str,
}

/// An option: a keyword, and what follows it.
struct Choice {
    keyword: &'static str,
    value: Option<Word>,
    help: &'static str,
}

const fn choice(keyword: &'static str, value: Option<Word>, help: &'static str) -> Choice {
    Choice { keyword, value, help }
}

const COMMANDS: &[Command] = &[
    Command {
        verb: Verb::ShowIsakmpSa,
        words: &[Is("show"), Is("crypto"), Is("isakmp"), Is("sa")],
        options: &[],
        help: "ISAKMP SAs (IKEv1), and for a minute those that have ended",
    },
    Command {
        verb: Verb::ShowIpsecSa,
        words: &[Is("show"), Is("crypto"), Is("ipsec"), Is("sa")],
        options: &[
            choice("detail", None, "Packets that were dropped, by reason"),
            choice("interface", Some(Interface), "Only of this interface"),
            choice("peer", Some(Address), "Only with this peer"),
        ],
        help: "IPsec SAs of each protected flow, with counters",
    },
    Command {
        verb: Verb::ShowSession,
        words: &[Is("show"), Is("crypto"), Is("session")],
        options: &[],
        help: "State of the session with each peer",
    },
    Command {
        verb: Verb::ShowRunningConfig,
        words: &[Is("show"), Is("running-config")],
        options: &[],
        help: "What was understood of the configuration, without keys",
    },
    Command { verb: Verb::ShowLogging, words: &[Is("show"), Is("logging")], options: &[], help: "The last messages" },
    Command {
        verb: Verb::ClearIsakmp,
        words: &[Is("clear"), Is("crypto"), Is("isakmp")],
        options: &[],
        help: "Delete ISAKMP SAs, and tell the peers; IPsec SAs stay",
    },
    Command {
        verb: Verb::ClearIsakmp,
        words: &[Is("clear"), Is("crypto"), Is("isakmp"), Number(1, u32::MAX)],
        options: &[],
        help: "Delete the ISAKMP SA of this conn-id",
    },
    Command {
        verb: Verb::ClearSa,
        words: &[Is("clear"), Is("crypto"), Is("sa")],
        options: &[
            choice("counters", None, "Only set counters to 0"),
            choice("peer", Some(Address), "Only with this peer"),
        ],
        help: "Delete IPsec SAs, and tell peers that there is an ISAKMP SA with",
    },
    Command {
        verb: Verb::ClearSession,
        words: &[Is("clear"), Is("crypto"), Is("session")],
        options: &[choice("remote", Some(Address), "Only with this peer")],
        help: "Delete IPsec and ISAKMP SAs, and tell the peers",
    },
    Command {
        verb: Verb::Ping,
        words: &[Is("ping"), Address],
        options: &[
            choice("repeat", Some(Number(1, 100_000)), "How many, 5 if not given"),
            choice("size", Some(Number(36, 18_024)), "Octets of each IP packet, 100 if not given"),
            choice("source", Some(Address), "From this own address"),
            choice("timeout", Some(Number(1, 3_600)), "Seconds to wait for each answer, 2 if not given"),
        ],
        help: "Send echo requests, by SAs where a policy wants that",
    },
    Command { verb: Verb::Exit, words: &[Is("exit")], options: &[], help: "Leave" },
];

/// A line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) verb: Verb,
    /// What its words say that are no keywords: one at most.
    said: Value,
    options: Vec<(&'static str, Value)>,
}

/// What a word said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Nothing,
    Address(IpAddr),
    Name(String),
    Number(u32),
}

impl Parsed {
    /// The address among its words.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.said.address()
    }

    /// The number among its words.
    pub(super) fn number(&self) -> Option<u32> {
        self.said.number()
    }

    fn option(&self, keyword: &str) -> Option<&Value> {
        self.options.iter().find(|(known, _)| *known == keyword).map(|(_, value)| value)
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.option(keyword).is_some()
    }

    pub(super) fn address_of(&self, keyword: &str) -> Option<IpAddr> {
        self.option(keyword)?.address()
    }

    pub(super) fn name_of(&self, keyword: &str) -> Option<&str> {
        match self.option(keyword)? {
            Value::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn number_of(&self, keyword: &str) -> Option<u32> {
        self.option(keyword)?.number()
    }
}

impl Value {
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            _ => None,
        }
    }

    fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Why a line was not understood, in the words of the guide's routers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misread {
    /// A word that fits nothing: the column where it begins, from 0.
    #[error("{}^\n% Invalid input detected at '^' marker.", " ".repeat(*.0))]
    Invalid(usize),
    /// More words are needed.
    #[error("% Incomplete command.")]
    Incomplete,
    /// A keyword that is too short.
    #[error("% Ambiguous command:  \"{line}\" ({})", .choices.join(", "))]
    Ambiguous {
        /// The line.
        line: String,
        /// What the word might mean.
        choices: Vec<&'static str>,
    },
}

/// A word of a line and the column where it begins.
type Typed<'a> = (usize, &'a str);

/// One way to go on after some words.
struct Step {
    word: Word,
    /// The option that it begins.
    option: Option<&'static Choice>,
}

/// What has been read so far of one command.
#[derive(Clone)]
struct State {
    command: &'static Command,
    /// How many of its words have come.
    taken: usize,
    /// The option whose value comes next.
    open: Option<&'static Choice>,
    said: Value,
    options: Vec<(&'static str, Value)>,
}

impl State {
    /// What may come next.
    fn next(&self) -> Vec<Step> {
        let step = |word, option| Step { word, option };
        if let Some(word) = self.command.words.get(self.taken) {
            return vec![step(*word, None)];
        }
        if let Some(value) = self.open.and_then(|open| open.value) {
            return vec![step(value, None)];
        }
        let unused = |option: &&Choice| !self.options.iter().any(|(known, _)| *known == option.keyword);
        self.command.options.iter().filter(unused).map(|option| step(Is(option.keyword), Some(option))).collect()
    }

    fn is_complete(&self) -> bool {
        self.taken >= self.command.words.len() && self.open.is_none()
    }

    /// Takes a word that fits one of the next steps.
    fn take(mut self, step: &Step, value: Value) -> Self {
        if self.taken < self.command.words.len() {
            self.taken += 1;
            if value != Value::Nothing {
                self.said = value;
            }
        } else if let Some(open) = self.open.take() {
            self.options.push((open.keyword, value));
        } else if let Some(option) = step.option {
            match option.value {
                Some(_) => self.open = Some(option),
                None => self.options.push((option.keyword, Value::Nothing)),
            }
        }
        self
    }
}

/// What a typed word says where this one may stand; `None` if it does not fit.
fn fits(word: Word, typed: &str) -> Option<Value> {
    match word {
        Is(keyword) => {
            let begins = keyword.get(..typed.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(typed));
            begins.then_some(Value::Nothing)
        }
        Address => typed.parse().ok().map(Value::Address),
        Interface => typed.starts_with(|c: char| c.is_ascii_alphabetic()).then(|| Value::Name(typed.to_owned())),
        Number(least, most) => typed.parse().ok().filter(|number| (least..=most).contains(number)).map(Value::Number),
    }
}

/// Reads words as far as they go: all commands that they may begin.
fn read(line: &str, typed: &[Typed<'_>]) -> Result<Vec<State>, Misread> {
    let begin = |command| State { command, taken: 0, open: None, said: Value::Nothing, options: Vec::new() };
    let mut states: Vec<State> = COMMANDS.iter().map(begin).collect();
    for &(column, word) in typed {
        let mut next: Vec<(Word, State)> = Vec::new();
        for state in &states {
            for step in state.next() {
                if let Some(value) = fits(step.word, word) {
                    next.push((step.word, state.clone().take(&step, value)));
                }
            }
        }
        // A keyword that is written out means itself, whatever it begins beside.
        let exact = |(known, _): &(Word, State)| matches!(known, Is(keyword) if keyword.eq_ignore_ascii_case(word));
        if next.iter().any(exact) {
            next.retain(exact);
        }
        let mut choices: Vec<&'static str> = Vec::new();
        for (known, _) in &next {
            if let Is(keyword) = known
                && !choices.contains(keyword)
            {
                choices.push(keyword);
            }
        }
        if choices.len() > 1 {
            return Err(Misread::Ambiguous { line: line.trim().to_owned(), choices });
        }
        if next.is_empty() {
            return Err(Misread::Invalid(column));
        }
        states = next.into_iter().map(|(_, state)| state).collect();
    }
    Ok(states)
}

fn words(line: &str) -> Vec<Typed<'_>> {
    let start = line.as_ptr() as usize;
    let column = |word: &str| word.as_ptr() as usize - start;
    line.split_whitespace().map(|word| (column(word), word)).collect()
}

/// Reads a line.
///
/// # Errors
/// It is no command, or not one alone.
pub(super) fn parse(line: &str) -> Result<Parsed, Misread> {
    let states = read(line, &words(line))?;
    let state = states.into_iter().find(State::is_complete).ok_or(Misread::Incomplete)?;
    Ok(Parsed { verb: state.command.verb, said: state.said, options: state.options })
}

/// What may follow these words, a line each: `?` was asked.
///
/// # Errors
/// The words begin no command.
pub(super) fn help(line: &str) -> Result<String, Misread> {
    // `cl?` asks for the words that begin so, `clear ?` for those that may come next.
    let typed = words(line);
    let (before, begun) = match typed.split_last() {
        Some((last, before)) if !line.ends_with(char::is_whitespace) => (before, last.1),
        _ => (typed.as_slice(), ""),
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut add = |shown: String, help: &str| match lines.iter_mut().find(|(known, _)| *known == shown) {
        // Several commands begin so.
        Some((_, text)) if text != help => text.clear(),
        Some(_) => {}
        None => lines.push((shown, help.to_owned())),
    };
    for state in read(line, before)? {
        for step in state.next().iter().filter(|step| begun.is_empty() || fits(step.word, begun).is_some()) {
            let help = step.option.or(state.open).map_or(state.command.help, |option| option.help);
            add(shown(step.word), help);
        }
        if state.is_complete() && begun.is_empty() {
            add("<cr>".to_owned(), state.command.help);
        }
    }
    let width = lines.iter().map(|(shown, _)| shown.len()).max().unwrap_or(0);
    let lines = lines.iter().map(|(shown, help)| format!("  {shown:<width$}  {help}").trim_end().to_owned() + "\n");
    Ok(lines.collect())
}

fn shown(word: Word) -> String {
    match word {
        Is(keyword) => keyword.to_owned(),
        Address => "A.B.C.D or X:X::X".to_owned(),
        Interface => "INTERFACE".to_owned(),
        Number(least, most) => format!("<{least}-{most}>"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn commands_may_be_shortened() {
        for (line, verb) in [
            ("show crypto isakmp sa", Verb::ShowIsakmpSa),
            ("sh cr is sa", Verb::ShowIsakmpSa),
            ("SHOW Crypto IPsec sa", Verb::ShowIpsecSa),
            ("  sh  cry  ses ", Verb::ShowSession),
            ("sh run", Verb::ShowRunningConfig),
            ("sh log", Verb::ShowLogging),
            ("cle cry isa", Verb::ClearIsakmp),
            ("clear crypto sa", Verb::ClearSa),
            ("ping 10.0.2.2", Verb::Ping),
            ("e", Verb::Exit),
        ] {
            assert_eq!(parse(line).map(|parsed| parsed.verb), Ok(verb), "{line}");
        }
    }

    #[test]
    fn options_come_in_any_order() {
        let parsed = parse("ping 10.0.2.2 rep 30 source 10.0.0.1 t 1").unwrap();
        assert_eq!(parsed.address(), "10.0.2.2".parse().ok());
        assert_eq!(parsed.address_of("source"), "10.0.0.1".parse().ok());
        assert_eq!((parsed.number_of("repeat"), parsed.number_of("timeout")), (Some(30), Some(1)));
        assert_eq!(parsed.number_of("size"), None);
        let parsed = parse("sh cry ips sa int FastEthernet0/0 det").unwrap();
        assert_eq!(parsed.name_of("interface"), Some("FastEthernet0/0"));
        assert!(parsed.has("detail") && !parsed.has("peer"));
    }

    #[test]
    fn what_is_wrong_is_told_as_on_the_router() {
        let wrong = |line| parse(line).unwrap_err().to_string();
        assert_eq!(wrong("show crypto"), "% Incomplete command.");
        assert_eq!(wrong(""), "% Incomplete command.");
        assert_eq!(wrong("ping 10.0.2.2 source"), "% Incomplete command.");
        assert_eq!(wrong("show crypto i sa"), "% Ambiguous command:  \"show crypto i sa\" (isakmp, ipsec)");
        assert_eq!(wrong("show crpto"), "     ^\n% Invalid input detected at '^' marker.");
        assert_eq!(wrong("ping 10.0.2.2 repeat 0"), "                     ^\n% Invalid input detected at '^' marker.");
        // An option counts once.
        assert!(matches!(parse("clear crypto sa counters counters"), Err(Misread::Invalid(25))));
        assert!(matches!(parse("show crypto isakmp sa now"), Err(Misread::Invalid(22))));
        assert!(matches!(parse("é"), Err(Misread::Invalid(0))));
    }

    #[test]
    fn a_question_mark_lists_what_may_follow() {
        insta::assert_snapshot!("help", help("").unwrap());
        insta::assert_snapshot!("help_clear_crypto", help("clear crypto ").unwrap());
        insta::assert_snapshot!("help_clear_crypto_s", help("clear crypto s").unwrap());
        insta::assert_snapshot!("help_clear_crypto_isakmp", help("clear crypto isakmp ").unwrap());
        insta::assert_snapshot!("help_ping", help("ping 10.0.2.2 rep 3 ").unwrap());
        assert_eq!(help("clear crpto "), Err(Misread::Invalid(6)));
    }
}
