//! `counterpeer peer`.

use super::{Failure, ios, signals};
use crate::peer::{End, Peer, ask, converse, listen, read_terminal};
use crate::report::status;
use crate::run::Interrupt;
use crate::testbed::GatewayNode;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use packet_io::{Clock, ControlSocket, Error, FrameLink, PacketSocket};
use reference_peer::config::ios::{Interface as IosInterface, Mapping, Router};
use reference_peer::config::isakmp::{KeyOwner, PreSharedKey};
use reference_peer::config::{Remote, Secret};
use reference_peer::gateway::console::Console;
use reference_peer::gateway::show::Names;
use reference_peer::gateway::{Gateway, Leg};
use reference_peer::netif::Interface;
use std::io::{BufRead, IsTerminal, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use wire::ethernet::Address;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct PeerArgs {
    #[command(subcommand)]
    command: Option<PeerCommand>,
    /// The running-config (Cisco IOS) of the router to be.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Interface here that is the router's outside; by default the one of the name that the configuration has.
    #[arg(long, value_name = "INTERFACE")]
    outside: Option<String>,
    /// Interface here that is the router's inside; without it there are no hosts behind it, but its own addresses there.
    #[arg(long, value_name = "INTERFACE")]
    inside: Option<String>,
    /// The router's own interface that is its outside, where several have a crypto map.
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Take commands on this Unix socket, which is made for you alone.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Pre-shared key in a file, of one peer or of all that the configuration has no key for.
    #[arg(long, value_name = "[PEER=]FILE")]
    psk_file: Vec<String>,
    /// List the lines that do not matter here, and what is understood and not used.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum PeerCommand {
    /// Give a peer that runs a command, or several, line by line from standard input.
    #[command(after_help = "Examples:\n  counterpeer peer ctl --control a.sock show crypto ipsec sa\n  \
        counterpeer peer ctl --control a.sock 'ping 10.0.2.2 source 10.0.0.1 repeat 30'\n  \
        counterpeer peer ctl --control a.sock < commands.txt\n\n\
        Exit status: 0 done, 1 refused or not every echo request answered, 3 the peer does not answer.")]
    Ctl(CtlArgs),
}

#[derive(Debug, Args)]
struct CtlArgs {
    /// The socket of the peer.
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
    /// The command; `?` lists all.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    words: Vec<String>,
}

pub(super) fn run(args: &PeerArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Failure> {
    match (&args.command, &args.config) {
        (Some(PeerCommand::Ctl(args)), _) => ctl(args, out),
        (None, Some(config)) => peer(args, config, err),
        (None, None) => Err(Failure::usage("--config FILE says what to be")),
    }
}

fn ctl(args: &CtlArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let end = if args.words.is_empty() {
        let stdin = std::io::stdin();
        let prompts = stdin.is_terminal();
        converse(&args.control, stdin.lock().lines(), prompts, out)
    } else {
        ask(&args.control, &args.words.join(" "), out)
    };
    match end.map_err(Failure::testbed)? {
        End::Done | End::Exit => Ok(status::GOOD),
        End::Refused => Ok(status::SHORT),
    }
}

fn peer(args: &PeerArgs, config: &Path, err: &mut dyn Write) -> Result<u8, Failure> {
    let text = ios::text(config)?;
    let reading = reference_peer::config::ios::read(&text);
    let running_config = reading.running_config(&text);
    ios::report(config, &reading, args.verbose, err)?;
    let router = reading.sound().map_err(|faults| ios::failure(config, &faults))?.router;
    let mut mapping = ios::mapping(config, &router, args.on.as_deref())?;
    ios::notes(config, &mapping, args.verbose, err)?;
    keys(&mut mapping, &args.psk_file)?;

    let clock = Clock::start();
    let outside_link = link(args.outside.as_deref(), &mapping.outside, clock)?;
    let inside_link = args.inside.as_deref().map(|name| open(name, clock)).transpose()?;
    let mtu = |link: &PacketSocket, configured: usize| configured.min(link.mtu());
    mapping.gateway.outside_mtu = mtu(&outside_link, mapping.gateway.outside_mtu);
    if let Some(link) = &inside_link {
        mapping.gateway.inside_mtu = mtu(link, mapping.gateway.inside_mtu);
    }
    let outside = interface(Leg::Outside, &router, &mapping.outside, outside_link.mac(), mapping.gateway.outside_mtu);
    let inside_mac = inside_link.as_ref().and_then(PacketSocket::mac);
    let inside = interface(Leg::Inside, &router, &mapping.inside, inside_mac, mapping.gateway.inside_mtu);
    let names = Names {
        hostname: router.hostname.clone().unwrap_or_default(),
        interfaces: router.interfaces.iter().map(|own| (own.name.clone(), addresses(own))).collect(),
        running_config,
        started: Some(clock.calendar(Duration::ZERO)),
    };
    let console = Console::new(names);
    introduce(&mapping, (&outside, &outside_link), inside_link.as_ref(), err)?;

    let socket = args.control.as_deref().map(ControlSocket::bind).transpose().map_err(Failure::testbed)?;
    let interrupt = Interrupt::default();
    signals::watch(interrupt.clone())?;
    let mut links: Vec<(Leg, Arc<dyn FrameLink>)> = vec![(Leg::Outside, Arc::new(outside_link))];
    if let Some(link) = inside_link {
        links.push((Leg::Inside, Arc::new(link)));
    }
    let node = GatewayNode::new(Gateway::new(mapping.gateway, seed()), outside, inside);
    let prompt = console.prompt();
    let (mut peer, consoles) = Peer::start(node, links, console, clock)?;
    if let Some(socket) = &socket {
        listen(socket.listener()?, prompt.clone(), consoles.clone())?;
    }
    writeln!(err, "READY")?;
    if std::io::stdin().is_terminal() {
        read_terminal(prompt, consoles, interrupt.clone())?;
    }
    peer.run(&interrupt, err).map_err(Failure::testbed)?;
    if peer.lost() > 0 {
        writeln!(err, "note: {} frames were lost because this machine was too busy", peer.lost())?;
    }
    writeln!(err, "ended: {}", interrupt.reason())?;
    Ok(status::GOOD)
}

/// Nothing about the SAs of a peer on a real network is to repeat.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Keyed at random by the system; the time makes two of them differ.
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos());
    hasher.finish()
}

/// Opens the outside: the interface that was named, or the one that the configuration names.
fn link(name: Option<&str>, configured: &[String], clock: Clock) -> Result<PacketSocket, Failure> {
    if let Some(name) = name {
        return open(name, clock);
    }
    let own = configured.first().map_or("", String::as_str);
    PacketSocket::open(own, None, clock).map_err(|error| match error {
        Error::NoInterface { present, .. } => Failure::usage(format!(
            "the router's outside {own} is no interface of this machine: give --outside INTERFACE; there is {}",
            present.join(", ")
        )),
        error => refused(error),
    })
}

fn open(name: &str, clock: Clock) -> Result<PacketSocket, Failure> {
    PacketSocket::open(name, None, clock).map_err(refused)
}

fn refused(error: Error) -> Failure {
    match error {
        Error::NoPrivilege { action, capability } => {
            let program =
                std::env::current_exe().map_or_else(|_| "counterpeer".to_owned(), |p| p.display().to_string());
            let right = format!("{}+ep", capability.to_lowercase());
            Failure::testbed(format!(
                "{action} needs {capability}: run as root, or give the program that right: setcap {right} {program}"
            ))
        }
        error @ Error::NoInterface { .. } => Failure::usage(error),
        error => Failure::testbed(error),
    }
}

/// An interface of the router on a link here. It has a MAC address of its own, so that the kernel of this machine does
/// not take what is for the router.
fn interface(leg: Leg, router: &Router, names: &[String], mac: Option<[u8; 6]>, mtu: usize) -> Interface {
    let [.., a, b, c, d] = mac.unwrap_or_default();
    let octet = if leg == Leg::Outside { 0xc2 } else { 0xc3 };
    let mut interface = Interface::new(Address([0x02, octet, a, b, c, d]), mtu);
    let own = || router.interfaces.iter().filter(|own| names.contains(&own.name));
    for network in own().flat_map(|own| &own.addresses) {
        interface.add_network(*network);
    }
    for route in &router.routes {
        let Ok(next_hop) = route.via.parse::<IpAddr>() else { continue };
        if own().flat_map(|own| &own.addresses).any(|network| network.contains(&next_hop)) {
            interface.add_route(route.net, next_hop);
        }
    }
    // The policies decide about what is for others.
    interface.set_forwarding(true);
    interface
}

fn addresses(interface: &IosInterface) -> Vec<IpAddr> {
    interface.addresses.iter().map(IpNet::addr).collect()
}

/// Adds keys from files to those of the configuration.
fn keys(mapping: &mut Mapping, files: &[String]) -> Result<(), Failure> {
    for given in files {
        let (owner, file) = match given.split_once('=') {
            Some((peer, file)) => (Some(peer), file),
            None => (None, given.as_str()),
        };
        let octets = std::fs::read(file).map_err(|error| Failure::usage(format!("--psk-file {file}: {error}")))?;
        let text = String::from_utf8(octets)
            .map_err(|_| Failure::usage(format!("--psk-file {file}: no text: write other octets as 0x and digits")))?;
        // Editors end a file with an end of line, which nobody means to be part of the key.
        let secret = Secret::parse(text.trim_end_matches(['\r', '\n']))
            .filter(|secret| !secret.octets().is_empty())
            .ok_or_else(|| Failure::usage(format!("--psk-file {file}: it holds no key")))?;
        let nets: Vec<IpNet> = match owner {
            None => vec![ipnet::Ipv4Net::default().into(), ipnet::Ipv6Net::default().into()],
            Some(peer) => vec![
                peer.parse()
                    .or_else(|_| peer.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| Failure::usage(format!("--psk-file {peer}=...: `{peer}` is no address or network")))?,
            ],
        };
        for connection in &mut mapping.gateway.isakmp.connections {
            // The first of several for the same peers counts.
            let keys = nets.iter().map(|net| PreSharedKey { peer: KeyOwner::Net(*net), secret: secret.clone() });
            connection.keyring.keys.splice(0..0, keys);
        }
    }
    Ok(())
}

/// Says what the router is and who its peers are.
fn introduce(
    mapping: &Mapping,
    (outside, outside_link): (&Interface, &PacketSocket),
    inside_link: Option<&PacketSocket>,
    err: &mut dyn Write,
) -> std::io::Result<()> {
    let list = |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let gateway = &mapping.gateway;
    writeln!(
        err,
        "outside: {} is {} ({})",
        mapping.outside.join(", "),
        outside_link.description(),
        list(&gateway.outside)
    )?;
    let on = inside_link.map_or_else(|| "no interface here".to_owned(), FrameLink::description);
    if !mapping.inside.is_empty() {
        writeln!(err, "inside: {} is {on} ({})", mapping.inside.join(", "), list(&gateway.inside))?;
    }
    for connection in &gateway.isakmp.connections {
        match connection.remote {
            Remote::Any => writeln!(err, "peer: anywhere, by {}", connection.name)?,
            Remote::Address(peer) => {
                let reach = match outside.next_hop(peer) {
                    Some(_) => "",
                    None => ": not reachable, add `ip route` to the configuration",
                };
                writeln!(err, "peer: {peer}, by {}{reach}", connection.name)?;
            }
        }
    }
    Ok(())
}
