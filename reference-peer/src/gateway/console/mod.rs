//! The command line of the router that a gateway plays: a line of text goes in, text comes out, and the gateway does
//! what was said. Sans I/O: whoever has a line, a user at a terminal or the step of a scenario, brings it here.
//!
//! What the clear commands tell the peers follows from the guide's procedure (chapter 4, step 2). `clear crypto isakmp`
//! and then `clear crypto sa` on Router B leave Router A with IPsec SAs that it goes on sending on, while its own
//! ISAKMP SA is shown as deleted. So each Delete goes out under the ISAKMP SA that there still is: `clear crypto isakmp`
//! deletes the ISAKMP SAs and tells the peers, and the IPsec SAs outlive them (RFC 2408 section 3.15 has a Delete for
//! each protocol); `clear crypto sa` deletes the IPsec SAs and tells only peers that there is an ISAKMP SA with.
//! After both in this order, no peer has heard of its IPsec SAs, and a black hole begins. `clear crypto session` takes
//! the other order, and tells of both.

mod grammar;

use super::show::Names;
use super::{Gateway, IpsecFlow, PingId, PingRequest};
use crate::Instant;
use crate::deviation::Deviation;
use grammar::{Parsed, Verb};
use std::net::IpAddr;
use std::time::Duration;

/// What a line has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It was done; the text, which may be empty, is what it prints.
    Done(String),
    /// It is no command, or not possible: why, in the router's words.
    Refused(String),
    /// Echo requests are under way. The text comes first, then marks and a summary of
    /// [`Gateway::ping`](super::Gateway::ping).
    Pinging(PingId, String),
    /// The user wants to leave.
    Exit,
}

/// The command line of one router.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Console {
    names: Names,
}

impl Console {
    /// A command line of a router with these names.
    pub fn new(names: Names) -> Self {
        Self { names }
    }

    /// What stands before a command: `RouterA# `.
    pub fn prompt(&self) -> String {
        let name = if self.names.hostname.is_empty() { "Router" } else { &self.names.hostname };
        format!("{name}# ")
    }

    /// Does what a line says. An empty line, or a comment after `!`, says nothing.
    pub fn run(&self, gateway: &mut Gateway, now: Instant, line: &str) -> Reply {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('!') {
            return Reply::Done(String::new());
        }
        let line = line.trim_end();
        if let Some(before) = line.strip_suffix('?') {
            return grammar::help(before).map_or_else(|misread| Reply::Refused(format!("{misread}\n")), Reply::Done);
        }
        match grammar::parse(line) {
            Ok(parsed) => self.execute(gateway, now, &parsed),
            Err(misread) => Reply::Refused(format!("{misread}\n")),
        }
    }

    fn execute(&self, gateway: &mut Gateway, now: Instant, parsed: &Parsed) -> Reply {
        match parsed.verb {
            Verb::ShowIsakmpSa => Reply::Done(gateway.show_isakmp_sa(now)),
            Verb::ShowIpsecSa => self.show_ipsec_sa(gateway, now, parsed),
            Verb::ShowSession => Reply::Done(gateway.show_session(&self.names)),
            Verb::ShowRunningConfig => Reply::Done(self.running_config()),
            Verb::ShowLogging => Reply::Done(gateway.show_logging(&self.names)),
            Verb::ClearIsakmp => gateway.clear_isakmp(now, parsed.number()),
            Verb::ClearSa if parsed.has("counters") => {
                gateway.clear_counters_of(now, parsed.address_of("peer"));
                Reply::Done(String::new())
            }
            Verb::ClearSa => {
                gateway.clear_sa(now, parsed.address_of("peer"));
                Reply::Done(String::new())
            }
            Verb::ClearSession => {
                let peer = parsed.address_of("remote");
                gateway.clear_sa(now, peer);
                gateway.clear_ike(now, |remote| peer.is_none_or(|peer| peer == remote));
                Reply::Done(String::new())
            }
            Verb::Ping => ping(gateway, now, parsed),
            Verb::Exit => Reply::Exit,
        }
    }

    fn show_ipsec_sa(&self, gateway: &Gateway, now: Instant, parsed: &Parsed) -> Reply {
        let (peer, interface) = (parsed.address_of("peer"), parsed.name_of("interface"));
        if let Some(interface) = interface
            && !self.names.interfaces.iter().any(|(name, _)| name.eq_ignore_ascii_case(interface))
        {
            let known: Vec<_> = self.names.interfaces.iter().map(|(name, _)| name.as_str()).collect();
            return Reply::Refused(format!("% There is no interface {interface}; there is {}\n", known.join(", ")));
        }
        let wanted = |flow: &IpsecFlow, at: &str| {
            peer.is_none_or(|peer| flow.peer.is_some_and(|end| end.ip() == peer))
                && interface.is_none_or(|interface| at.eq_ignore_ascii_case(interface))
        };
        Reply::Done(gateway.show_ipsec_sa(now, &self.names, wanted, parsed.has("detail")))
    }

    fn running_config(&self) -> String {
        let config = &self.names.running_config;
        format!("Building configuration...\n\nCurrent configuration : {} bytes\n!\n{config}", config.len())
    }
}

fn ping(gateway: &mut Gateway, now: Instant, parsed: &Parsed) -> Reply {
    let Some(destination) = parsed.address() else { return Reply::Refused("% Incomplete command.\n".to_owned()) };
    let mut request = PingRequest::new(destination);
    request.source = parsed.address_of("source");
    if let Some(repeat) = parsed.number_of("repeat") {
        request.repeat = repeat;
    }
    if let Some(size) = parsed.number_of("size").and_then(|size| usize::try_from(size).ok()) {
        request.size = size;
    }
    if let Some(timeout) = parsed.number_of("timeout") {
        request.timeout = Duration::from_secs(timeout.into());
    }
    match gateway.start_ping(now, request) {
        Ok(id) => Reply::Pinging(id, gateway.ping(id).map(super::Ping::heading).unwrap_or_default()),
        Err(error) => Reply::Refused(format!("% {error}\n")),
    }
}

impl Gateway {
    /// Deletes ISAKMP SAs and tells the peers: all, or that of this number.
    fn clear_isakmp(&mut self, now: Instant, conn_id: Option<u32>) -> Reply {
        let live = self.isakmp_sa_entries(now).into_iter().filter(|entry| entry.deleted.is_none());
        let wanted = |number: u64| conn_id.is_none_or(|wanted| u64::from(wanted) == number);
        let chosen: Vec<_> = live.filter(|entry| wanted(entry.connection_id)).map(|entry| entry.info.id).collect();
        if let (Some(conn_id), []) = (conn_id, chosen.as_slice()) {
            return Reply::Refused(format!("% There is no ISAKMP SA {conn_id}\n"));
        }
        for id in chosen {
            // It is there: its id has just been read.
            let _ = self.isakmp_command(now, |engine, rng, hands| engine.delete_isakmp_sa(now, rng, id, hands));
        }
        Reply::Done(String::new())
    }

    /// Deletes IKE and ISAKMP SAs with these peers, and tells them.
    fn clear_ike(&mut self, now: Instant, wanted: impl Fn(IpAddr) -> bool) {
        for info in self.isakmp().isakmp_sas().into_iter().filter(|info| wanted(info.path.remote.ip())) {
            // It is there: it has just been read.
            let _ = self.isakmp_command(now, |engine, rng, hands| engine.delete_isakmp_sa(now, rng, info.id, hands));
        }
        for info in self.ike().ike_sas().into_iter().filter(|info| wanted(info.path.remote.ip())) {
            let _ = self.command(now, |engine, rng, hands| engine.delete_ike(now, rng, info.id, hands));
        }
    }

    /// Deletes IPsec SAs, tells peers that there is an IKE SA with, and sets their counters to 0.
    fn clear_sa(&mut self, now: Instant, peer: Option<IpAddr>) {
        let wanted = |remote: IpAddr| peer.is_none_or(|peer| peer == remote);
        let children = self.data().children().filter(|child| wanted(child.path.remote.ip()));
        for spi in children.map(|child| child.inbound_spi).collect::<Vec<_>>() {
            // It is an SA of one of the engines, or one with manual keys, which stay; of a bundle, all go with the first.
            let _ = self.isakmp_command(now, |engine, rng, hands| engine.delete_child(now, rng, spi, hands));
            let _ = self.command(now, |engine, rng, hands| engine.delete_child(now, rng, spi, hands));
        }
        if !self.is_deviant(Deviation::KeepsCountersAfterClear) {
            self.clear_counters_of(now, peer);
        }
    }

    fn clear_counters_of(&mut self, now: Instant, peer: Option<IpAddr>) {
        let flows = self.ipsec_flows(now).into_iter();
        let with_peer = |flow: &IpsecFlow| peer.is_none_or(|peer| flow.peer.is_some_and(|end| end.ip() == peer));
        let cleared: Vec<_> = flows.filter(with_peer).map(|flow| (flow.connection, flow.child)).collect();
        self.data.clear_counters(|connection, child| {
            cleared.iter().any(|(of, name)| (of.as_str(), name.as_str()) == (connection, child))
        });
    }
}
