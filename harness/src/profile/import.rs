//! A profile of the router that a running-config configures.

use super::Pfs;
use ipnet::IpNet;
use reference_peer::config::ios::{Interface, Mapping, Router};
use reference_peer::config::isakmp::{IsakmpConnection, TransformSet};
use reference_peer::config::{Addresses, Identity, Mode, NatTraversal, Remote, Selector, Window};
use reference_peer::gateway::DpdMode;
use reference_peer::ipsec::sa::DfBit;
use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

/// What a running-config does not say.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Where the configuration was read from.
    pub source: String,
    /// Interface here that leads to the router's outside.
    pub outside: Option<String>,
    /// Interface here that leads to its inside.
    pub inside: Option<String>,
    /// The file that holds the pre-shared key; otherwise an environment variable holds it.
    pub psk_file: Option<PathBuf>,
}

/// The name of the environment variable that holds a router's key.
pub fn variable(router: &str) -> String {
    let name = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = router.chars().map(name).collect();
    // A variable does not begin with a digit.
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{first}{name}_PSK")
}

/// The profile as YAML, with comments about what is to be completed. It holds no key.
pub fn profile(router: &Router, mapping: &Mapping, import: &Import) -> String {
    let name = router.hostname.clone().unwrap_or_else(|| "router".to_owned());
    let mut yaml = String::new();
    let connections = &mapping.gateway.isakmp.connections;
    let mut out = |line: String| {
        yaml.push_str(&line);
        yaml.push('\n');
    };
    out(format!("# Of the running-config {}", import.source));
    out(format!("name: {}", quoted(&name)));
    outside(&mut out, router, mapping, import);
    inside(&mut out, router, mapping, import);
    ike(&mut out, &name, connections, import);
    ipsec(&mut out, mapping);
    let mut claims = Vec::new();
    if connections.iter().any(|connection| connection.nat_traversal != NatTraversal::Off) {
        claims.push("nat-t");
    }
    if let Some(dpd) = mapping.gateway.dead_peer_detection {
        claims.push("dpd");
        if dpd.mode == DpdMode::OnDemand {
            claims.push("dpd-on-demand");
        }
    }
    if mapping.gateway.invalid_spi_recovery {
        claims.push("invalid-spi-recovery");
    }
    out(format!("claims: [{}]", claims.join(", ")));
    if let Some(keepalive) = connections.iter().find_map(|connection| connection.keepalive) {
        let gives_up = keepalive.retry.saturating_mul(keepalive.tries).as_secs();
        out(format!("dpd: {{delay: {}s, gives_up_after: {gives_up}s}}", keepalive.interval.as_secs()));
    }
    out("# Hooks into the router, if there is a way, such as:".to_owned());
    out("#   control: {clear_sas: [ssh, router, clear crypto session]}".to_owned());
    yaml
}

fn outside(out: &mut impl FnMut(String), router: &Router, mapping: &Mapping, import: &Import) {
    out("outside:".to_owned());
    link(out, import.outside.as_deref(), "outside0", &mapping.outside);
    out(format!("  dut: {}", list(addresses(router, &mapping.outside))));
    let mut peers = BTreeSet::new();
    for connection in &mapping.gateway.isakmp.connections {
        if let Remote::Address(address) = connection.remote {
            peers.insert(address);
        }
    }
    if peers.is_empty() {
        out("  # The router takes peers from anywhere: give free addresses here, a range if possible.".to_owned());
        let network = addresses(router, &mapping.outside).first().map(|net| net.trunc());
        let ranges: Vec<_> = network.iter().filter_map(|net| hosts(*net, &mapping.gateway.outside)).collect();
        out(format!("  testers: {}", list(ranges)));
    } else {
        out("  # Peers of its crypto maps and tunnels: each is one tester at a time.".to_owned());
        out(format!("  testers: {}", list(peers)));
    }
    if mapping.gateway.outside_mtu != 1500 {
        out(format!("  mtu: {}", mapping.gateway.outside_mtu));
    }
}

fn inside(out: &mut impl FnMut(String), router: &Router, mapping: &Mapping, import: &Import) {
    let nets = addresses(router, &mapping.inside);
    let mut ranges = Vec::new();
    let mut duts = Vec::new();
    for child in children(mapping) {
        let Some(local) = net_of(&child.0) else { continue };
        // The part of the protected network that is at an interface.
        let Some(dut) = nets.iter().find(|dut| dut.contains(&local.network()) || local.contains(&dut.trunc())) else {
            continue;
        };
        let smaller = if local.prefix_len() > dut.prefix_len() { local } else { dut.trunc() };
        let first = duts.iter().all(|other: &IpNet| other.addr().is_ipv4() != dut.addr().is_ipv4());
        if let (true, Some(range)) = (first, hosts(smaller, &mapping.gateway.inside)) {
            duts.push(*dut);
            ranges.push(range);
        }
    }
    if ranges.is_empty() {
        out("# No inside: no address of a protected network is free for hosts.".to_owned());
        return;
    }
    out("inside:".to_owned());
    link(out, import.inside.as_deref(), "inside0", &mapping.inside);
    out(format!("  dut: {}", list(duts)));
    out("  # They must be free: narrow the range where they are not.".to_owned());
    out(format!("  hosts: {}", list(ranges)));
}

fn link(out: &mut impl FnMut(String), given: Option<&str>, default: &str, router: &[String]) {
    if given.is_none() {
        out(format!("  # The interface here that leads to {} of the router.", router.join(", ")));
    }
    out(format!("  interface: {}", quoted(given.unwrap_or(default))));
}

fn ike(out: &mut impl FnMut(String), name: &str, connections: &[IsakmpConnection], import: &Import) {
    out("ike:".to_owned());
    out("  versions: [1]".to_owned());
    let mut policies = Vec::new();
    for policy in connections.iter().flat_map(|connection| &connection.policies) {
        let usable = policy.authentication == reference_peer::config::isakmp::IsakmpAuthentication::PreShared;
        let words = policy.to_string();
        if usable && !policies.contains(&words) {
            policies.push(words);
        }
    }
    if policies.is_empty() {
        out("  # The router has no policy with pre-shared keys: complete it, and this.".to_owned());
    }
    out(format!("  policies: [{}]", policies.join(", ")));
    let aggressive = connections.iter().any(|connection| connection.accept_aggressive);
    out(format!("  exchanges: [{}]", if aggressive { "main, aggressive" } else { "main" }));
    let groups = connections.iter().flat_map(|connection| &connection.children).map(|child| Pfs(child.pfs).to_string());
    out(format!("  pfs: {}", list(groups.collect::<BTreeSet<_>>())));
    match &import.psk_file {
        Some(file) => out(format!("  psk: {{file: {}}}", quoted(&file.display().to_string()))),
        None => {
            out("  # Export it with the key of the configuration.".to_owned());
            out(format!("  psk: {{env: {}}}", variable(name)));
        }
    }
    let own = connections.first().map(|connection| (&connection.local_id, connection.local));
    if let Some((identity, address)) = own
        && *identity != Identity::from(address)
    {
        out(format!("  identities: {{dut: {}, testers: \"tester{{n}}.example\"}}", quoted(&identity.to_string())));
    }
}

fn ipsec(out: &mut impl FnMut(String), mapping: &Mapping) {
    let connections = &mapping.gateway.isakmp.connections;
    let data = &mapping.gateway.data;
    out("ipsec:".to_owned());
    let native_only = connections.iter().all(|connection| connection.nat_traversal == NatTraversal::Off);
    out(format!("  encapsulation: [{}]", if native_only { "esp" } else { "esp, udp" }));
    let all_children = || connections.iter().flat_map(|connection| &connection.children);
    let sets = || all_children().flat_map(|child| &child.transform_sets);
    let modes = [(Mode::Tunnel, "tunnel"), (Mode::Transport, "transport")];
    let modes: Vec<_> = modes.iter().filter(|(mode, _)| sets().any(|set| set.mode == *mode)).map(|(_, m)| *m).collect();
    out(format!("  modes: [{}]", modes.join(", ")));
    let (mut proposals, mut bundles) = (Vec::new(), Vec::new());
    for set in sets() {
        let list = if set.protocols.len() > 1 { &mut bundles } else { &mut proposals };
        let words = words(set);
        if !list.contains(&words) {
            list.push(words);
        }
    }
    if !proposals.is_empty() {
        out(format!("  proposals: [{}]", proposals.join(", ")));
    }
    if !bundles.is_empty() {
        out(format!("  bundles: [{}]", bundles.join(", ")));
    }
    let windows: BTreeSet<_> = all_children()
        .map(|child| match child.replay_window.unwrap_or(data.replay_window) {
            Window::Off => 0,
            Window::Packets(packets) => packets,
        })
        .collect();
    if windows.len() > 1 {
        out("  # It differs between peers; this is the smallest.".to_owned());
    }
    match windows.first() {
        Some(0) => out("  replay_window: \"off\"".to_owned()),
        Some(packets) => out(format!("  replay_window: {packets}")),
        None => {}
    }
    let df_bit = match data.interface_df_bit.unwrap_or(data.df_bit) {
        DfBit::Copy => "copy",
        DfBit::Set => "set",
        DfBit::Clear => "clear",
    };
    out(format!("  df_bit: {df_bit}"));
    let before = data.interface_pre_fragmentation.unwrap_or(data.pre_fragmentation);
    let before = data.tunnel_interface.map_or(before, |tunnel| tunnel.ip_mtu < mapping.gateway.outside_mtu);
    out(format!("  pre_fragmentation: {before}"));
    protected(out, mapping);
}

fn protected(out: &mut impl FnMut(String), mapping: &Mapping) {
    let mut ends: (Vec<IpNet>, Vec<IpNet>) = (Vec::new(), Vec::new());
    let mut left = Vec::new();
    for (local, remote) in children(mapping) {
        let (Some(dut), Some(testers)) = (net_of(&local), net_of(&remote)) else { continue };
        let whole = dut.prefix_len() > 0 && testers.prefix_len() > 0 && local.protocol == 0 && remote.protocol == 0;
        let first = ends.0.iter().all(|other| other.addr().is_ipv4() != dut.addr().is_ipv4());
        if whole && first {
            ends.0.push(dut);
            ends.1.push(testers);
        } else if !ends.0.iter().zip(&ends.1).any(|pair| pair == (&dut, &testers)) {
            left.push(format!("{local} and {remote}"));
        }
    }
    if ends.0.is_empty() {
        out("  # The networks behind both ends are to be given here, as in".to_owned());
        out("  #   protected: {dut: 10.77.0.0/16, testers: 10.2.0.0/16}".to_owned());
    } else {
        out("  protected:".to_owned());
        out(format!("    dut: {}", list(ends.0)));
        out(format!("    testers: {}", list(ends.1)));
    }
    for pair in left {
        out(format!("  # Protected too, and not used: {pair}"));
    }
}

/// The selectors of all children, each pair once.
fn children(mapping: &Mapping) -> Vec<(Selector, Selector)> {
    let mut pairs = Vec::new();
    for child in mapping.gateway.isakmp.connections.iter().flat_map(|connection| &connection.children) {
        let pair = (child.local_ts.clone(), child.remote_ts.clone());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn net_of(selector: &Selector) -> Option<IpNet> {
    let mut addresses = selector.clone();
    (addresses.protocol, addresses.ports) = (0, (0, u16::MAX));
    match selector.addresses {
        Addresses::Range(start, end) if start == end => Some(start.into()),
        Addresses::Range(..) => addresses.to_string().parse().ok(),
        Addresses::Host => None,
    }
}

/// The largest range of a network without its ends and the router's own addresses.
fn hosts(net: IpNet, own: &[IpAddr]) -> Option<String> {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let whole = net.max_prefix_len() - net.prefix_len() < 2;
    let (mut first, mut last) = (number(net.network()), number(net.broadcast()));
    if !whole {
        (first, last) = (first + 1, last - 1);
    }
    let mut taken: Vec<u128> = own.iter().filter(|own| net.contains(*own)).map(|own| number(*own)).collect();
    taken.sort_unstable();
    let mut best: Option<(u128, u128)> = None;
    for end in taken.into_iter().map(Some).chain([None]) {
        // Before an own address 0 there is nothing.
        let until = end.map_or(Some(last), |own| own.checked_sub(1)).map(|until| until.min(last));
        if let Some(until) = until
            && first <= until
            && best.is_none_or(|(from, to)| to - from < until - first)
        {
            best = Some((first, until));
        }
        first = end.map_or(first, |own| own.saturating_add(1)).max(first);
    }
    let address = |number: u128| -> Option<IpAddr> {
        Some(match net {
            IpNet::V4(_) => IpAddr::V4(u32::try_from(number).ok()?.into()),
            IpNet::V6(_) => IpAddr::V6(number.into()),
        })
    };
    let (first, last) = best?;
    if first == last {
        address(first).map(|a| a.to_string())
    } else {
        Some(format!("{}-{}", address(first)?, address(last)?))
    }
}

/// The addresses of these interfaces with their prefixes, one of each version of IP first.
fn addresses(router: &Router, interfaces: &[String]) -> Vec<IpNet> {
    let named = |interface: &&Interface| interfaces.contains(&interface.name);
    router.interfaces.iter().filter(named).flat_map(|interface| interface.addresses.iter().copied()).collect()
}

/// A transform set in the words of proposals, outermost first.
fn words(set: &TransformSet) -> String {
    let protocols: Vec<_> = set.protocols.iter().map(ToString::to_string).collect();
    protocols.join("+")
}

/// A flow list; addresses of IPv6 need their quotes.
fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("[");
    for (index, value) in values.into_iter().enumerate() {
        let value = value.to_string();
        let value = if value.contains(':') { quoted(&value) } else { value };
        let _ = write!(text, "{}{value}", if index > 0 { ", " } else { "" });
    }
    text + "]"
}

/// A word as it is, anything else in quotes.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(plain);
    // YAML has words of its own.
    let own = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && !own.iter().any(|own| own.eq_ignore_ascii_case(text)) { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;

    #[test]
    fn hosts_are_the_free_part_of_a_network() {
        let of = |net: &str, own: &[&str]| {
            let own: Vec<IpAddr> = own.iter().map(|own| own.parse().unwrap()).collect();
            hosts(net.parse().unwrap(), &own)
        };
        assert_eq!(of("10.0.0.0/24", &["10.0.0.1"]).as_deref(), Some("10.0.0.2-10.0.0.254"));
        assert_eq!(of("10.0.0.0/24", &["10.0.0.254", "10.0.0.3"]).as_deref(), Some("10.0.0.4-10.0.0.253"));
        assert_eq!(of("10.0.0.0/24", &[]).as_deref(), Some("10.0.0.1-10.0.0.254"));
        assert_eq!(of("10.0.0.1/32", &["10.0.0.1"]), None);
        assert_eq!(of("10.0.0.7/32", &["10.0.0.1"]).as_deref(), Some("10.0.0.7"));
        assert_eq!(of("10.0.0.0/31", &["10.0.0.0"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(of("0.0.0.0/0", &["0.0.0.0"]).as_deref(), Some("0.0.0.1-255.255.255.254"));
        assert_eq!(of("2001:db8::/126", &["2001:db8::1"]).as_deref(), Some("2001:db8::2"));
        assert!(of("::/0", &["ffff::1"]).is_some());
    }

    #[test]
    fn names_become_variables_and_words() {
        assert_eq!(variable("ipseca-71a"), "IPSECA_71A_PSK");
        assert_eq!(variable("7200"), "_7200_PSK");
        assert_eq!(quoted("eth0.5"), "eth0.5");
        assert_eq!(quoted("on"), "\"on\"");
        assert_eq!(quoted("a: b"), "\"a: b\"");
        assert_eq!(list(["10.0.0.1", "::1"]), "[10.0.0.1, \"::1\"]");
    }
}
