//! `interface` and what stands below it.

use super::ast::{Interface, Named, Router, TunnelMode};
use super::words::{Fault, Words, abbreviates};
use super::{Done, Mode, ipsec};
use ipnet::IpNet;
use std::net::IpAddr;

type Result<T> = std::result::Result<T, Fault>;

/// Types of interfaces, for names that are written short.
const TYPES: &[&str] = &[
    "ATM",
    "Async",
    "BDI",
    "BRI",
    "BVI",
    "Bundle-Ether",
    "Cellular",
    "Dialer",
    "Ethernet",
    "FastEthernet",
    "FiveGigabitEthernet",
    "FortyGigabitEthernet",
    "GigabitEthernet",
    "HundredGigE",
    "Loopback",
    "MFR",
    "Multilink",
    "Null",
    "POS",
    "Port-channel",
    "Serial",
    "TenGigabitEthernet",
    "Tunnel",
    "TwoGigabitEthernet",
    "VirtualPortGroup",
    "Virtual-PPP",
    "Virtual-Template",
    "Vlan",
    "nve",
];

/// The name of an interface in full: `fa0/1`, `fastethernet 0/1` and `FastEthernet0/1` are the same.
pub(super) fn name(words: &mut Words<'_, '_>) -> Result<String> {
    let (kind, mut number) = words.parse("the name of an interface, as in FastEthernet0/0", |word| {
        let at = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
        let (kind, number) = word.split_at_checked(at)?;
        let alphabetic = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
        alphabetic.then(|| (kind.to_owned(), number.to_owned()))
    })?;
    if number.is_empty() && words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        number = words.word("a number")?.to_owned();
    }
    let exact = TYPES.iter().find(|full| full.eq_ignore_ascii_case(&kind));
    let mut fitting = TYPES.iter().filter(|full| abbreviates(&kind, full));
    let full = match (exact, fitting.next(), fitting.next()) {
        (Some(full), ..) | (None, Some(full), None) => full,
        // A type that is not known here has the name that it is written with.
        _ => kind.as_str(),
    };
    Ok(format!("{full}{number}"))
}

/// An address, or the name of an interface.
pub(super) fn name_or_address(words: &mut Words<'_, '_>) -> Result<String> {
    match words.peek().and_then(|word| word.parse::<IpAddr>().ok()) {
        Some(address) => {
            words.word("an address")?;
            Ok(address.to_string())
        }
        None => name(words),
    }
}

/// `interface ...`, from the second word on.
pub(super) fn global(words: &mut Words<'_, '_>, router: &mut Router) -> Result<Done> {
    let line = words.line();
    let name = name(words)?;
    // `point-to-point` and the like.
    words.skip();
    words.end()?;
    let index = match router.interfaces.iter().position(|interface| interface.name == name) {
        Some(index) => index,
        None => {
            router.interfaces.push(Interface { line, name, ..Interface::default() });
            router.interfaces.len() - 1
        }
    };
    Ok(Done::Enter(Mode::Interface(index)))
}

/// A line below `interface`.
pub(super) fn line(words: &mut Words<'_, '_>, no: bool, interface: &mut Interface) -> Result<Done> {
    #[derive(Clone, Copy)]
    enum Line {
        Ip,
        Ipv6,
        Crypto,
        Tunnel,
        Mtu,
        Shutdown,
        Qos,
        ServicePolicy,
        Description,
    }
    const LINES: &[(&str, Line)] = &[
        ("ip", Line::Ip),
        ("ipv6", Line::Ipv6),
        ("crypto", Line::Crypto),
        ("tunnel", Line::Tunnel),
        ("mtu", Line::Mtu),
        ("shutdown", Line::Shutdown),
        ("qos", Line::Qos),
        ("service-policy", Line::ServicePolicy),
        ("description", Line::Description),
    ];
    // What is known here is known in full or nearly so: `speed`, `spanning-tree` are not `s...`.
    let near = |(keyword, _): &&(&str, Line)| {
        let shortest = if *keyword == "service-policy" { 7 } else { keyword.len().min(3) };
        words.peek().is_some_and(|word| word.len() >= shortest && abbreviates(word, keyword))
    };
    let Some(&(_, line)) = LINES.iter().find(near) else { return Ok(Done::Unknown) };
    words.word("a command")?;
    match line {
        Line::Description => Ok(Done::Text),
        Line::Ip => ip(words, no, interface),
        Line::Ipv6 => ipv6(words, no, interface),
        Line::Crypto => crypto(words, no, interface),
        Line::Tunnel => tunnel(words, no, interface),
        Line::Mtu => {
            let mtu = words.number("octets", 64, 65_535)?;
            words.end()?;
            interface.mtu = (!no).then_some(mtu);
            Ok(Done::Understood)
        }
        Line::Shutdown => {
            words.end()?;
            interface.shutdown = !no;
            Ok(Done::Understood)
        }
        Line::Qos => {
            words.keyword(&[("pre-classify", ())])?;
            words.end()?;
            interface.qos_pre_classify = !no;
            Ok(Done::Understood)
        }
        Line::ServicePolicy => {
            let line = words.line();
            let output = words.keyword(&[("input", false), ("output", true)])?;
            let name = words.word("the name of a policy map")?.to_owned();
            words.end()?;
            let policy = if output { &mut interface.service_policy_out } else { &mut interface.service_policy_in };
            *policy = (!no).then_some(Named { line, name });
            Ok(Done::Understood)
        }
    }
}

fn ip(words: &mut Words<'_, '_>, no: bool, interface: &mut Interface) -> Result<Done> {
    const LINES: &[(&str, u8)] = &[("address", 0), ("mtu", 1), ("access-group", 2), ("unnumbered", 3)];
    let line = words.line();
    // Only these in full: `ip` has many other commands.
    let Some(&(_, what)) = LINES.iter().find(|(keyword, _)| words.peek() == Some(keyword)) else {
        return Ok(Done::Unknown);
    };
    words.word("a command")?;
    match what {
        0 if no => {
            words.skip();
            interface.addresses.retain(|net| net.addr().is_ipv6());
        }
        0 if words.choice(&[("dhcp", ()), ("negotiated", ())])?.is_some() => {
            words.skip();
            interface.learned_address = true;
        }
        0 => {
            let net = words.ipv4_net("the interface's address")?;
            let secondary = words.take("secondary");
            words.end()?;
            if !secondary {
                // A new primary address takes the place of the one before.
                let primary = interface.addresses.iter().position(|net| net.addr().is_ipv4());
                match primary.and_then(|index| interface.addresses.get_mut(index)) {
                    Some(primary) => *primary = IpNet::V4(net),
                    None => interface.addresses.insert(0, IpNet::V4(net)),
                }
            } else {
                interface.addresses.push(IpNet::V4(net));
            }
        }
        1 if no => {
            words.skip();
            interface.ip_mtu = None;
        }
        1 => {
            let mtu = words.number("octets", 68, 65_535)?;
            words.end()?;
            interface.ip_mtu = Some(mtu);
        }
        2 if no => words.skip(),
        2 => {
            let name = words.word("the number or name of an access list")?.to_owned();
            words.keyword(&[("in", ()), ("out", ())])?;
            words.end()?;
            interface.access_groups.push(Named { line, name });
        }
        _ => {
            words.skip();
            interface.learned_address = !no;
        }
    }
    Ok(Done::Understood)
}

fn ipv6(words: &mut Words<'_, '_>, no: bool, interface: &mut Interface) -> Result<Done> {
    const LINES: &[(&str, u8)] = &[("address", 0), ("mtu", 1), ("crypto", 2), ("traffic-filter", 3)];
    let line = words.line();
    let Some(&(_, what)) = LINES.iter().find(|(keyword, _)| words.peek() == Some(keyword)) else {
        return Ok(Done::Unknown);
    };
    words.word("a command")?;
    match what {
        0 if no => {
            words.skip();
            interface.addresses.retain(|net| net.addr().is_ipv4());
            interface.eui64.clear();
        }
        0 if words.choice(&[("autoconfig", ()), ("dhcp", ())])?.is_some() => {
            words.skip();
            interface.learned_address = true;
        }
        // The guide prints one without an address (chapter 9).
        0 if !words.more() => {}
        0 => {
            let net = words.ipv6_net("the interface's address")?;
            let kind = words.choice(&[("eui-64", 1), ("link-local", 2), ("anycast", 3)])?;
            words.end()?;
            match kind {
                Some(1) => interface.eui64.push(net),
                Some(_) => {}
                None => interface.addresses.push(net),
            }
        }
        1 => {
            let mtu = if no { None } else { Some(words.number("octets", 1280, 65_535)?) };
            if no {
                words.skip();
            }
            words.end()?;
            interface.ipv6_mtu = mtu;
        }
        2 => {
            words.keyword(&[("map", ())])?;
            let name = words.word("the name of a crypto map")?.to_owned();
            words.end()?;
            interface.ipv6_crypto_map = (!no).then_some(Named { line, name });
        }
        _ if no => words.skip(),
        _ => {
            let name = words.word("the name of an access list")?.to_owned();
            words.keyword(&[("in", ()), ("out", ())])?;
            words.end()?;
            interface.access_groups.push(Named { line, name });
        }
    }
    Ok(Done::Understood)
}

fn crypto(words: &mut Words<'_, '_>, no: bool, interface: &mut Interface) -> Result<Done> {
    let line = words.line();
    // A command of the global configuration that begins likewise is none of ours.
    let Some(map) = words.choice(&[("map", true), ("ipsec", false)])? else { return Ok(Done::Unknown) };
    if map {
        let name = words.word("the name of a crypto map")?.to_owned();
        words.end()?;
        interface.crypto_map = (!no).then_some(Named { line, name });
        return Ok(Done::Understood);
    }
    match words.choice(&[("df-bit", true), ("fragmentation", false)])? {
        None => return Ok(Done::Unknown),
        Some(_) if no => {
            return Err(words.fault_before("only what is set is written: leave the line out"));
        }
        Some(true) => {
            let df_bit = ipsec::df_bit(words)?;
            words.end()?;
            interface.df_bit = Some(df_bit);
        }
        Some(false) => {
            let before = ipsec::fragmentation(words)?;
            words.end()?;
            interface.pre_fragmentation = Some(before);
        }
    }
    Ok(Done::Understood)
}

fn tunnel(words: &mut Words<'_, '_>, no: bool, interface: &mut Interface) -> Result<Done> {
    const LINES: &[(&str, u8)] = &[("source", 0), ("destination", 1), ("mode", 2), ("protection", 3)];
    let line = words.line();
    let Some(what) = words.choice(LINES)? else { return Ok(Done::Irrelevant) };
    if no {
        return Err(words.fault_before("only what is set is written: leave the line out"));
    }
    let tunnel = &mut interface.tunnel;
    match what {
        0 => {
            let name = name_or_address(words)?;
            words.end()?;
            tunnel.source = Some(Named { line, name });
        }
        1 => {
            let destination = ipsec::peer(words)?;
            words.end()?;
            tunnel.destination = Some(destination);
        }
        2 => {
            let mode = match words.choice(&[("ipsec", ())])? {
                Some(()) => words.keyword(&[("ipv4", TunnelMode::IpsecIpv4), ("ipv6", TunnelMode::IpsecIpv6)])?,
                None => {
                    words.word("a mode, such as ipsec ipv4")?;
                    words.skip();
                    TunnelMode::Gre
                }
            };
            words.end()?;
            tunnel.mode = mode;
        }
        _ => {
            words.keyword(&[("ipsec", ())])?;
            words.keyword(&[("profile", ())])?;
            let name = words.word("the name of an IPsec profile")?.to_owned();
            words.take("shared");
            words.end()?;
            tunnel.protection = Some(Named { line, name });
        }
    }
    Ok(Done::Understood)
}
