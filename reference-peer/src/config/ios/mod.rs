//! Cisco IOS running-configs, as the vendor guide prints them.
//!
//! [`read`] takes a configuration apart line by line. What matters to a security gateway is understood in full or
//! reported as a fault with its line; what does not matter is collected. Keywords may be shortened as on the router.
//! Indentation is heeded but not needed: without it, a line belongs to the command above if that knows it, as when
//! a configuration is pasted into a router. Lines that were run together, or wrapped, as in some printed
//! configurations, are taken apart where it is clear how.

mod access_list;
mod ast;
mod interface;
mod ipsec;
mod isakmp;
mod lexer;
mod mapping;
mod qos;
mod running_config;
mod words;

pub use ast::*;
pub use mapping::{Mapping, Unused};
pub use words::Fault;

use lexer::{Kind, Line, Word};
use std::collections::BTreeSet;
use std::fmt;
use words::{Words, abbreviates, before_next, starts_command};

/// A configuration that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What it says.
    pub router: Router,
    /// Numbers of the lines that were understood, in part at least.
    pub understood: BTreeSet<u32>,
    /// What does not matter here, in order.
    pub ignored: Vec<Ignored>,
    /// What matters and was not understood, in order.
    pub faults: Vec<Fault>,
}

/// A line, or a part of one, that does not matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Line, from 1.
    pub line: u32,
    /// Its words. Those that may be secret are left out.
    pub text: String,
}

/// Faults of a configuration, one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Reading {
    /// The configuration, if it has no faults.
    ///
    /// # Errors
    /// All faults.
    pub fn sound(self) -> Result<Self, Faults> {
        if self.faults.is_empty() { Ok(self) } else { Err(Faults(self.faults)) }
    }
}

/// Reads a configuration. It never fails as a whole: faults are listed beside what was understood.
pub fn read(text: &str) -> Reading {
    let lines = lexer::lines(text);
    let mut reader = Reader { reading: Reading::default(), mode: Mode::Global, header: 0, indented: false };
    let mut rest = lines.as_slice();
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        match line.kind {
            Kind::Talk => reader.ignore(&line.words),
            Kind::OpenBanner => {
                let delimiter = "the banner has no end: repeat its delimiter after the last line";
                reader.reading.faults.push(Fault::at_line(line.number, delimiter));
            }
            Kind::Command if reader.mode == Mode::End => reader.after_end(line),
            Kind::Command => rest = reader.commands(line, rest),
        }
    }
    reader.reading
}

/// What a command meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Done {
    /// It was understood.
    Understood,
    /// It was understood, and the lines below belong to it.
    Enter(Mode),
    /// It does not matter.
    Irrelevant,
    /// It is text to the end of the line, and does not matter.
    Text,
    /// It is no command of this mode.
    Unknown,
}

/// Whose lines we read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    /// Nobody's.
    Global,
    /// Of a command that does not matter.
    Other,
    /// After `end`.
    End,
    Policy(u16),
    Keyring(String),
    IsakmpProfile(String),
    IsakmpPeer,
    TransformSet(String),
    IpsecProfile(String),
    Map(String, u32),
    DynamicMap(String, u32),
    Interface(usize),
    List(usize),
    ClassMap(String),
    PolicyMap(String),
    Class(String, usize),
}

impl Mode {
    /// Does every line of it matter? The answer names it.
    fn strict(&self) -> Option<&'static str> {
        match self {
            Self::Policy(_) => Some("crypto isakmp policy"),
            Self::Keyring(_) => Some("crypto keyring"),
            Self::IsakmpProfile(_) => Some("crypto isakmp profile"),
            Self::IsakmpPeer => Some("crypto isakmp peer"),
            Self::TransformSet(_) => Some("crypto ipsec transform-set"),
            Self::IpsecProfile(_) => Some("crypto ipsec profile"),
            Self::Map(..) => Some("crypto map"),
            Self::DynamicMap(..) => Some("crypto dynamic-map"),
            Self::List(_) => Some("an access list"),
            _ => None,
        }
    }
}

/// Global commands that do not matter, and that no command that matters has below it. They end what is above, also
/// without indentation.
const GLOBAL: &[&str] = &[
    "aaa",
    "alias",
    "archive",
    "banner",
    "boot-end-marker",
    "boot-start-marker",
    "call",
    "cns",
    "control-plane",
    "controller",
    "dial-peer",
    "dialer-list",
    "enable",
    "gatekeeper",
    "license",
    "line",
    "mgcp",
    "mta",
    "multilink",
    "privilege",
    "radius-server",
    "redundancy",
    "route-map",
    "router",
    "scheduler",
    "snmp-server",
    "spanning-tree",
    "tacacs-server",
    "username",
    "version",
    "voice",
    "voice-card",
    "vtp",
];

struct Reader {
    reading: Reading,
    mode: Mode,
    /// Indentation of the command that the mode belongs to.
    header: u32,
    /// Lines below it were indented.
    indented: bool,
}

impl Reader {
    /// Reads the commands of a line; they may go on in the lines after it. Gives the lines that are left.
    fn commands<'l, 'a>(&mut self, line: &Line<'a>, mut rest: &'l [Line<'a>]) -> &'l [Line<'a>] {
        let mut words = line.words.clone();
        while !words.is_empty() {
            let mut fault = match self.command(&words, line) {
                Ok(taken) => {
                    words.drain(..taken.clamp(1, words.len()));
                    continue;
                }
                Err(fault) => fault,
            };
            // A command that breaks off may have been wrapped. A next line that is a command itself is none of it.
            let mut joined = words.clone();
            let mut next = rest;
            let mut taken = None;
            for _ in 0..2 {
                let Some((line, after)) = next.split_first() else { break };
                let follows = joined.last().is_some_and(|word| word.line.saturating_add(1) == line.number);
                let continues = follows && line.kind == Kind::Command && !begins_command(&line.words);
                if !fault.incomplete || !continues {
                    break;
                }
                joined.extend(&line.words);
                next = after;
                match self.command(&joined, line) {
                    Ok(count) => {
                        taken = Some(count);
                        break;
                    }
                    Err(other) if other.incomplete => {}
                    Err(_) => break,
                }
            }
            match taken {
                Some(count) => {
                    rest = next;
                    joined.drain(..count.clamp(1, joined.len()));
                    words = joined;
                }
                None => {
                    fault.incomplete = false;
                    self.reading.faults.push(fault);
                    break;
                }
            }
        }
        rest
    }

    /// Reads the first command of these words: how many of them it took.
    fn command(&mut self, words: &[Word<'_>], line: &Line<'_>) -> Result<usize, Fault> {
        let first = words.first().map_or("", |word| word.text);
        let starts_line =
            words.first().is_some_and(|word| word.line == line.number && line.words.first() == Some(word));
        let deeper = starts_line && line.indent > self.header;
        let back = starts_line && !deeper && self.indented;
        if deeper && self.mode == Mode::Other {
            self.ignore(words);
            return Ok(words.len());
        }
        if starts_line && words.len() == 1 && first.eq_ignore_ascii_case("end") {
            self.mode = Mode::End;
            self.understood(words, 1);
            return Ok(1);
        }
        if starts_line && words.len() == 1 && ["exit", "quit"].iter().any(|word| word.eq_ignore_ascii_case(first)) {
            self.mode = match &self.mode {
                Mode::Class(policy, _) => Mode::PolicyMap(policy.clone()),
                _ => Mode::Global,
            };
            self.understood(words, 1);
            return Ok(1);
        }
        // What is indented less than its neighbours belongs to no mode, if it can be read so.
        let (done, taken, own) = if back {
            match self.global(words) {
                Ok((Done::Unknown, _)) | Err(_) => match (self.below(words), self.global(words)) {
                    (Ok((done @ (Done::Understood | Done::Enter(_)), taken)), _) => (done, taken, true),
                    (_, result) => result.map(|(done, taken)| (done, taken, false))?,
                },
                Ok((done, taken)) => (done, taken, false),
            }
        } else {
            match self.below(words) {
                Ok((Done::Unknown, _)) => self.global(words).map(|(done, taken)| (done, taken, false))?,
                Ok((done, taken)) => (done, taken, true),
                Err(fault) => match self.global(words) {
                    Ok((done, taken)) if done != Done::Unknown => (done, taken, false),
                    // The one that came further is nearer to what was meant.
                    Err(other) if (other.line, other.column) > (fault.line, fault.column) => return Err(other),
                    _ => return Err(fault),
                },
            }
        };
        if own && deeper {
            self.indented = true;
        }
        match done {
            Done::Understood => self.understood(words, taken),
            Done::Enter(mode) => {
                self.understood(words, taken);
                if !own {
                    self.header = line.indent;
                    self.indented = false;
                }
                self.mode = mode;
                return Ok(taken);
            }
            Done::Text => {
                self.ignore(words);
                self.leave(own, Mode::Global);
                return Ok(words.len());
            }
            Done::Irrelevant => {
                let taken = before_next(words);
                self.ignore(words.get(..taken).unwrap_or(words));
                self.leave(own, Mode::Other);
                return Ok(taken);
            }
            Done::Unknown => return self.unknown(words, line, starts_line && !deeper),
        }
        self.leave(own, Mode::Global);
        Ok(taken)
    }

    /// After a command that was not one of the mode.
    fn leave(&mut self, own: bool, mode: Mode) {
        if !own {
            self.mode = mode;
            self.header = 0;
            self.indented = false;
        }
    }

    /// A command that nobody knows. `level`: it begins a line that is not indented below the mode's own.
    fn unknown(&mut self, words: &[Word<'_>], line: &Line<'_>, level: bool) -> Result<usize, Fault> {
        let first = words.first().map_or("", |word| word.text);
        let second = words.get(1).map_or("", |word| word.text);
        let is_global = |word: &str| GLOBAL.iter().any(|known| known.eq_ignore_ascii_case(word));
        let strict = self.mode.strict();
        let global = level
            && (self.indented
                || line.separated
                || is_global(first)
                || first == "no" && is_global(second)
                || strict.is_some() && ["ip", "ipv6"].contains(&if first == "no" { second } else { first }));
        if let Some(name) = strict
            && !global
        {
            return Err(Words::new(words)
                .fault(format_args!("`{first}` is not understood in {name}: leave the line out, or correct it")));
        }
        if global || self.mode == Mode::Global {
            self.mode = Mode::Other;
            self.header = line.indent;
            self.indented = false;
        }
        let free = ["banner", "alias", "remark", "description", "title"];
        let taken = if free.contains(&first) { words.len() } else { before_next(words) };
        self.ignore(words.get(..taken).unwrap_or(words));
        Ok(taken)
    }

    /// A line below the command whose mode we are in.
    fn below(&mut self, words: &[Word<'_>]) -> Result<(Done, usize), Fault> {
        let mut words = Words::new(words);
        let words = &mut words;
        let router = &mut self.reading.router;
        let no = words.peek() == Some("no");
        let done = match &self.mode {
            Mode::Interface(index) => match router.interfaces.get_mut(*index) {
                Some(interface) => {
                    if no {
                        words.word("no")?;
                    }
                    interface::line(words, no, interface)?
                }
                None => Done::Unknown,
            },
            Mode::Policy(priority) => match router.isakmp.policies.get_mut(priority) {
                Some(policy) => isakmp::policy(words, policy)?,
                None => Done::Unknown,
            },
            Mode::Keyring(name) => match router.isakmp.keyrings.get_mut(name) {
                Some(keyring) => isakmp::keyring(words, keyring)?,
                None => Done::Unknown,
            },
            Mode::IsakmpProfile(name) => match router.isakmp.profiles.get_mut(name) {
                Some(profile) => isakmp::profile(words, profile)?,
                None => Done::Unknown,
            },
            Mode::IsakmpPeer => match router.isakmp.peers.last_mut() {
                Some(peer) => isakmp::peer(words, peer)?,
                None => Done::Unknown,
            },
            Mode::TransformSet(name) => match router.ipsec.transform_sets.get_mut(name) {
                Some(set) => ipsec::transform_set(words, set)?,
                None => Done::Unknown,
            },
            Mode::IpsecProfile(name) => match router.ipsec.profiles.get_mut(name) {
                Some(profile) => ipsec::profile(words, profile)?,
                None => Done::Unknown,
            },
            Mode::Map(name, sequence) => {
                match router.maps.get_mut(name).and_then(|map| map.entries.get_mut(sequence)) {
                    Some(entry) => ipsec::entry(words, entry)?,
                    None => Done::Unknown,
                }
            }
            Mode::DynamicMap(name, sequence) => {
                match router.dynamic_maps.get_mut(name).and_then(|entries| entries.get_mut(sequence)) {
                    Some(entry) => ipsec::entry(words, entry)?,
                    None => Done::Unknown,
                }
            }
            Mode::List(index) => match router.access_lists.get_mut(*index) {
                Some(list) => access_list::line(words, list)?,
                None => Done::Unknown,
            },
            Mode::ClassMap(name) => match router.qos.class_maps.get_mut(name) {
                Some(class) => qos::class_line(words, class)?,
                None => Done::Unknown,
            },
            Mode::PolicyMap(name) => match router.qos.policy_maps.get_mut(name) {
                Some(policy) => qos::policy_line(words, policy, name, None)?,
                None => Done::Unknown,
            },
            Mode::Class(name, index) => match router.qos.policy_maps.get_mut(name) {
                Some(policy) => qos::policy_line(words, policy, name, Some(*index))?,
                None => Done::Unknown,
            },
            Mode::Global | Mode::Other | Mode::End => Done::Unknown,
        };
        Ok((done, words.taken()))
    }

    /// A command of the global configuration.
    fn global(&mut self, words: &[Word<'_>]) -> Result<(Done, usize), Fault> {
        let mut words = Words::new(words);
        let words = &mut words;
        let router = &mut self.reading.router;
        let no = words.peek() == Some("no");
        if no {
            words.word("no")?;
        }
        // Shortest beginnings that mean nothing else on a router.
        const COMMANDS: &[(&str, usize)] = &[
            ("hostname", 4),
            ("crypto", 3),
            ("interface", 3),
            ("access-list", 6),
            ("ip", 2),
            ("ipv6", 4),
            ("class-map", 7),
            ("policy-map", 8),
            ("platform", 5),
        ];
        let word = words.peek().unwrap_or_default();
        let known = COMMANDS.iter().find(|(keyword, least)| word.len() >= *least && abbreviates(word, keyword));
        let Some((command, _)) = known else { return Ok((Done::Unknown, words.taken())) };
        words.word("a command")?;
        let done = match *command {
            "crypto" => crypto(words, no, router)?,
            "platform" => qos::platform(words, no, router)?,
            _ if no => Done::Unknown,
            "hostname" => {
                let name = words.word("a name")?.to_owned();
                words.end()?;
                router.hostname = Some(name);
                Done::Understood
            }
            "interface" => interface::global(words, router)?,
            "access-list" => access_list::numbered(words, router)?,
            "class-map" => qos::class_map(words, router)?,
            "policy-map" => qos::policy_map(words, router)?,
            version => {
                let ipv6 = version == "ipv6";
                match words.peek() {
                    Some("route") => {
                        words.word("route")?;
                        access_list::route(words, ipv6, router)?
                    }
                    Some("access-list") => {
                        words.word("access-list")?;
                        // `ip access-list resequence` and the like.
                        let named = ipv6 || words.peek().is_none_or(|word| word == "extended" || word == "standard");
                        if named { access_list::named(words, ipv6, router)? } else { Done::Irrelevant }
                    }
                    _ => Done::Unknown,
                }
            }
        };
        Ok((done, words.taken()))
    }

    fn after_end(&mut self, line: &Line<'_>) {
        if line.words.len() > 1 && starts_command(&line.words) {
            let message = "another configuration after `end`: a file holds one";
            self.reading.faults.push(Words::new(&line.words).fault(message));
        } else {
            self.ignore(&line.words);
        }
    }

    fn understood(&mut self, words: &[Word<'_>], taken: usize) {
        self.reading.understood.extend(words.iter().take(taken).map(|word| word.line));
    }

    fn ignore(&mut self, words: &[Word<'_>]) {
        let mut hidden = false;
        for line in words.chunk_by(|a, b| a.line == b.line) {
            let Some(first) = line.first() else { continue };
            let text = if hidden { HIDDEN.to_owned() } else { redact(line.iter().map(|word| word.text)) };
            hidden |= text.ends_with(HIDDEN);
            self.reading.ignored.push(Ignored { line: first.line, text });
        }
    }
}

/// `crypto ...`, from the second word on.
fn crypto(words: &mut Words<'_, '_>, no: bool, router: &mut Router) -> Result<Done, Fault> {
    #[derive(Clone, Copy)]
    enum Command {
        Isakmp,
        Ipsec,
        Map,
        DynamicMap,
        Keyring,
        Ikev2,
        Gdoi,
        Other,
    }
    const COMMANDS: &[(&str, Command)] = &[
        ("isakmp", Command::Isakmp),
        ("ipsec", Command::Ipsec),
        ("map", Command::Map),
        ("dynamic-map", Command::DynamicMap),
        ("keyring", Command::Keyring),
        ("ikev2", Command::Ikev2),
        ("gdoi", Command::Gdoi),
        // Certificates, hardware, logging.
        ("pki", Command::Other),
        ("ca", Command::Other),
        ("key", Command::Other),
        ("engine", Command::Other),
        ("logging", Command::Other),
        ("call", Command::Other),
        ("mib", Command::Other),
        ("provisioning", Command::Other),
        ("xauth", Command::Other),
    ];
    let line = words.line();
    match words.keyword(COMMANDS)? {
        Command::Isakmp => isakmp::global(words, no, router),
        Command::Ipsec => ipsec::global(words, no, router),
        Command::Ikev2 => {
            Err(words
                .fault_before("IKEv2 is not read from here: leave its lines out, and give its settings in a profile"))
        }
        Command::Gdoi => Err(words.fault_before("group keys (GDOI) are not spoken here: leave its lines out")),
        Command::Other => Ok(Done::Irrelevant),
        _ if no => Err(words.fault_before("a running-config does not take back what it says: leave out both lines")),
        Command::Map => ipsec::map(words, router),
        Command::DynamicMap => ipsec::dynamic_map(words, router),
        Command::Keyring => {
            let name = words.word("the name of the keyring")?.to_owned();
            if words.peek() == Some("vrf") {
                return Err(words.fault("there is one routing table here: leave the VRF out"));
            }
            words.end()?;
            router.isakmp.keyrings.entry(name.clone()).or_insert_with(|| Keyring { line, ..Keyring::default() });
            Ok(Done::Enter(Mode::Keyring(name)))
        }
    }
}

/// Does a line begin with a command, so that it can not go on with the one before?
fn begins_command(words: &[Word<'_>]) -> bool {
    let first = words.first().map_or("", |word| word.text);
    let single = words.len() == 1 && ["end", "exit", "quit"].iter().any(|word| word.eq_ignore_ascii_case(first));
    single || starts_command(words) || GLOBAL.contains(&first)
}

/// What stands where a secret stood.
const HIDDEN: &str = "<hidden>";

/// Words as a text that can be shown: what follows a word that announces a secret is left out.
pub fn redact<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const ANNOUNCE: &[&str] = &[
        "authentication-key",
        "community",
        "key",
        "key-string",
        "md5",
        "message-digest-key",
        "passphrase",
        "password",
        "pre-shared-key",
        "secret",
        "snmp-server",
        "wpa-psk",
    ];
    let mut text = String::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
        // `pre-share` is a method and announces nothing.
        let announces = |known: &str| word.len() >= 3 && word != "pre-share" && abbreviates(word, known);
        if words.peek().is_some() && ANNOUNCE.iter().any(|known| announces(known)) {
            text.push(' ');
            text.push_str(HIDDEN);
            break;
        }
    }
    text
}
