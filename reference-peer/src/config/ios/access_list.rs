//! Access lists and routes.

use super::ast::{AccessList, End, ListEntry, ListKind, Match, Ports, Route, Router};
use super::words::{Fault, Words, prefix_of};
use super::{Done, Mode};
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr};

type Result<T> = std::result::Result<T, Fault>;

/// `access-list NUMBER ...`, from the second word on.
pub(super) fn numbered(words: &mut Words<'_, '_>, router: &mut Router) -> Result<Done> {
    let number = words.number("the number of an access list", 1, 2699)?;
    let kind = match number {
        1..=99 | 1300..=1999 => ListKind::Standard,
        100..=199 | 2000..=2699 => ListKind::Extended,
        // Of other protocols than IP.
        _ => return Ok(Done::Irrelevant),
    };
    let found = entry(words, kind)?;
    let index = list(router, &number.to_string(), kind);
    if let (Some(list), Found::Entry(entry)) = (router.access_lists.get_mut(index), &found) {
        list.entries.push(entry.clone());
    }
    Ok(match found {
        Found::Entry(_) => Done::Understood,
        Found::Remark => Done::Text,
    })
}

/// `ip access-list ...` or `ipv6 access-list ...`, from the third word on.
pub(super) fn named(words: &mut Words<'_, '_>, ipv6: bool, router: &mut Router) -> Result<Done> {
    let kind = if ipv6 {
        ListKind::Ipv6
    } else {
        words.keyword(&[("extended", ListKind::Extended), ("standard", ListKind::Standard)])?
    };
    let name = words.word("the name of the access list")?.to_owned();
    words.end()?;
    Ok(Done::Enter(Mode::List(list(router, &name, kind))))
}

/// The index of a list, which is made if there is none.
fn list(router: &mut Router, name: &str, kind: ListKind) -> usize {
    let same = |list: &AccessList| list.name == name && (list.kind == ListKind::Ipv6) == (kind == ListKind::Ipv6);
    router.access_lists.iter().position(same).unwrap_or_else(|| {
        router.access_lists.push(AccessList { name: name.to_owned(), kind, entries: Vec::new() });
        router.access_lists.len() - 1
    })
}

/// A line below `ip access-list` or `ipv6 access-list`.
pub(super) fn line(words: &mut Words<'_, '_>, list: &mut AccessList) -> Result<Done> {
    let begins = ["permit", "deny", "remark", "sequence"];
    let first = words.peek().unwrap_or_default();
    if !begins.contains(&first) && first.parse::<u32>().is_err() {
        return Ok(Done::Unknown);
    }
    let sequence = if words.take("sequence") || first.parse::<u32>().is_ok() {
        Some(words.number("a number", 1, u32::MAX - 1)?)
    } else {
        None
    };
    match entry(words, list.kind)? {
        Found::Entry(mut entry) => {
            entry.sequence = sequence;
            // Entries with a number stand in the order of their numbers, others at the end.
            let later = |other: &ListEntry| sequence.is_some() && other.sequence > sequence;
            let at = list.entries.iter().position(later).unwrap_or(list.entries.len());
            list.entries.insert(at, entry);
            Ok(Done::Understood)
        }
        Found::Remark => Ok(Done::Text),
    }
}

enum Found {
    Entry(ListEntry),
    Remark,
}

fn entry(words: &mut Words<'_, '_>, kind: ListKind) -> Result<Found> {
    let line = words.line();
    let permit = match words.keyword(&[("permit", Some(true)), ("deny", Some(false)), ("remark", None)])? {
        Some(permit) => permit,
        None => {
            words.text("the text of the remark")?;
            return Ok(Found::Remark);
        }
    };
    let any = End { addresses: Match::Any, ports: None };
    let mut entry =
        ListEntry { line, sequence: None, permit, protocol: None, source: any, destination: any, options: Vec::new() };
    if kind == ListKind::Standard {
        entry.source.addresses = addresses(words, kind)?;
    } else {
        entry.protocol = protocol(words, kind)?;
        entry.source = end(words, kind, entry.protocol)?;
        entry.destination = end(words, kind, entry.protocol)?;
    }
    while words.more() {
        let option = words.word("a condition")?;
        // Logging changes nothing about what is matched.
        if !matches!(option, "log" | "log-input") {
            entry.options.push(option.to_owned());
        }
    }
    Ok(Found::Entry(entry))
}

/// Protocols by the names that access lists have for them; `None` for all.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ahp", 51),
    ("eigrp", 88),
    ("esp", 50),
    ("gre", 47),
    ("icmp", 1),
    ("igmp", 2),
    ("ipinip", 4),
    ("nos", 94),
    ("ospf", 89),
    ("pcp", 108),
    ("pim", 103),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
];

fn protocol(words: &mut Words<'_, '_>, kind: ListKind) -> Result<Option<u8>> {
    let all = if kind == ListKind::Ipv6 { "ipv6" } else { "ip" };
    if words.peek() == Some("object-group") {
        return Err(no_groups(words));
    }
    if words.peek().is_some_and(|word| word.eq_ignore_ascii_case(all)) {
        words.word(all)?;
        return Ok(None);
    }
    let expected = format!("a protocol, such as {all}, tcp, udp, icmp, or its number");
    words.parse(&expected, |word| {
        let named = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, number)| *number);
        match named {
            // ICMP of IPv6 has a number of its own.
            Some(1) if kind == ListKind::Ipv6 => Some(Some(58)),
            Some(number) => Some(Some(number)),
            None => word.parse().ok().map(Some),
        }
    })
}

fn no_groups(words: &Words<'_, '_>) -> Fault {
    words.fault("groups of objects are not read: write an entry for each network")
}

fn end(words: &mut Words<'_, '_>, kind: ListKind, protocol: Option<u8>) -> Result<End> {
    let addresses = addresses(words, kind)?;
    let ports = match protocol {
        Some(6 | 17 | 132) => ports(words)?,
        _ => None,
    };
    Ok(End { addresses, ports })
}

fn addresses(words: &mut Words<'_, '_>, kind: ListKind) -> Result<Match> {
    if matches!(words.peek(), Some("object-group" | "addrgroup")) {
        return Err(no_groups(words));
    }
    match words.peek() {
        Some(word) if word.eq_ignore_ascii_case("any") => {
            words.word("any")?;
            return Ok(Match::Any);
        }
        Some(word) if word.eq_ignore_ascii_case("host") => {
            words.word("host")?;
            let address = match kind {
                ListKind::Ipv6 => words.ipv6_net("an address")?.addr(),
                _ => IpAddr::V4(words.ipv4("an address")?),
            };
            return Ok(Match::Net(address.into()));
        }
        _ => {}
    }
    if kind == ListKind::Ipv6 {
        let net = words.ipv6_net("any, host and an address, or a network")?;
        return Ok(Match::Net(net.trunc()));
    }
    let address = words.ipv4("any, host and an address, or an address and a wildcard mask")?;
    let wild = words.peek().and_then(|word| word.parse::<Ipv4Addr>().ok());
    let wildcard = match (kind, wild) {
        (ListKind::Standard, None) => Ipv4Addr::UNSPECIFIED,
        _ => words.ipv4("a wildcard mask, as in 0.0.0.255")?,
    };
    let mask = Ipv4Addr::from_bits(!wildcard.to_bits());
    Ok(match prefix_of(mask).and_then(|prefix| Ipv4Net::new(address, prefix).ok()) {
        Some(net) if net.prefix_len() == 0 => Match::Any,
        Some(net) => Match::Net(IpNet::V4(net.trunc())),
        None => Match::Wildcard(address, wildcard),
    })
}

fn ports(words: &mut Words<'_, '_>) -> Result<Option<Ports>> {
    const OPERATORS: &[(&str, u8)] = &[("eq", 0), ("range", 1), ("gt", 2), ("lt", 3), ("neq", 4)];
    let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| words.peek() == Some(name)) else { return Ok(None) };
    words.word("an operator")?;
    let first = port(words)?;
    Ok(Some(match operator {
        0 => Ports::Range(first, first),
        1 => {
            let last = port(words)?;
            if last < first {
                return Err(words.fault_before("the last port comes before the first"));
            }
            Ports::Range(first, last)
        }
        2 => match first.checked_add(1) {
            Some(first) => Ports::Range(first, u16::MAX),
            None => return Err(words.fault_before("there is no greater port")),
        },
        3 => match first.checked_sub(1) {
            Some(last) => Ports::Range(0, last),
            None => return Err(words.fault_before("there is no lesser port")),
        },
        _ => Ports::Not(first),
    }))
}

/// Ports by the names that access lists have for them.
const PORTS: &[(&str, u16)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("22", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("tacacs", 49),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("www", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ss", 139),
    ("snmp", 161),
    ("snmptrap", 162),
    ("bgp", 179),
    ("isakmp", 500),
    ("syslog", 514),
    ("rip", 520),
    ("non500-isakmp", 4500),
];

fn port(words: &mut Words<'_, '_>) -> Result<u16> {
    words.parse("a port", |word| {
        let named = PORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, port)| *port);
        named.or_else(|| word.parse().ok())
    })
}

/// `ip route ...` or `ipv6 route ...`, from the third word on.
pub(super) fn route(words: &mut Words<'_, '_>, ipv6: bool, router: &mut Router) -> Result<Done> {
    let line = words.line();
    if words.peek() == Some("vrf") {
        return Err(words.fault("there is one routing table here: leave the VRF out"));
    }
    let net = if ipv6 { words.ipv6_net("a network")? } else { IpNet::V4(words.ipv4_net("a network")?) };
    let via = super::interface::name_or_address(words)?;
    // Distance, name and the like.
    words.skip();
    words.end()?;
    router.routes.push(Route { line, net: net.trunc(), via });
    Ok(Done::Understood)
}
