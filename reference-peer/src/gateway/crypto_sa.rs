//! What the guide's show commands list of each SA (chapter 2), as data and in their form.

use super::Gateway;
use super::traffic::Pair;
use super::usage::{Counters, kilobytes_left};
use crate::Instant;
use crate::config::{Mode, Remote, Selector};
use crate::ipsec::drops::DropReason;
use crate::ipsec::replay::ReplayWindow;
use crate::ipsec::sa::{Protocol, SaParameters, Usage};
use crate::ipsec::sequence::{Numbering, ReplayCheck, SPACES};
use crypto::{Encryption, Integrity};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What is left of the lifetime of an SA (guide chapters 4 and 8, `remaining key lifetime (k/sec)`). `None` where there
/// is no such limit, or where the engine keeps it to itself (IKEv2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remaining {
    /// Kilobytes.
    pub kilobytes: Option<u64>,
    /// Time.
    pub time: Option<Duration>,
}

/// The traffic of one child, all its SAs and counters: a block of the guide's `show crypto ipsec sa` (chapter 4). It is
/// there also while there are no SAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpsecFlow {
    /// Name of the connection.
    pub connection: String,
    /// Name of the child in that connection.
    pub child: String,
    /// Traffic at our end, as configured.
    pub local_ts: Vec<Selector>,
    /// Traffic at the peer's end, as configured.
    pub remote_ts: Vec<Selector>,
    /// Our address.
    pub local: IpAddr,
    /// The peer's address and IKE port: where its SAs are, or where it is configured to be.
    pub peer: Option<SocketAddr>,
    /// Packets under all SAs that it has had.
    pub counters: Counters,
    /// Its SAs, those that receive before those that send; of a bundle, AH before ESP.
    pub sas: Vec<CryptoSa>,
}

/// One SA: settings, sequence numbers and counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoSa {
    /// Name of the connection; empty with manual keys.
    pub connection: String,
    /// Name of the child in that connection.
    pub child: String,
    /// Number of the SA in this gateway.
    pub connection_id: u32,
    /// Is it for what is received?
    pub inbound: bool,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Mode.
    pub mode: Mode,
    /// Cipher; `NULL` with AH.
    pub encryption: Encryption,
    /// Integrity algorithm; `NONE` with a combined mode cipher.
    pub integrity: Integrity,
    /// UDP ports at our end and at the peer's end, where it is encapsulated in UDP.
    pub udp: Option<(u16, u16)>,
    /// What is left of its lifetime.
    pub remaining: Remaining,
    /// SPI.
    pub spi: u32,
    /// Own end.
    pub local: IpAddr,
    /// The peer's end.
    pub remote: IpAddr,
    /// Size of the anti-replay window, of each space where there are several; `None` where the check is off.
    pub replay_window: Option<u32>,
    /// Extended sequence numbers.
    pub esn: bool,
    /// The last number sent, or the highest received, of each sequence number space.
    pub spaces: Vec<u64>,
    /// The longest packet that is sent whole, and the path MTU behind it; of SAs that send.
    pub mtu: Option<(usize, usize)>,
    /// Octets of protected data.
    pub octets: u64,
    /// Packets protected or accepted.
    pub packets: u64,
    /// Packets dropped, for whatever reason.
    pub dropped_packets: u64,
    /// Packets dropped by the anti-replay check.
    pub replay_drops: u64,
    /// Packets whose ICV has verified.
    pub auth_packets: u64,
    /// Packets whose ICV has not verified.
    pub auth_fails: u64,
    /// Packets encrypted.
    pub encrypted_packets: u64,
}

impl CryptoSa {
    fn new(pair: &Pair, inbound: bool, sa: &SaParameters, usage: Usage, spaces: Vec<u64>) -> Self {
        let (local, remote) = if inbound { (sa.destination, sa.source) } else { (sa.source, sa.destination) };
        let udp = pair.child.udp_encapsulation;
        Self {
            connection: pair.child.connection.clone(),
            child: pair.child.child.clone(),
            connection_id: pair.connection_id + u32::from(!inbound),
            inbound,
            protocol: sa.protocol,
            mode: sa.mode,
            encryption: sa.encryption,
            integrity: sa.integrity,
            udp: udp.then(|| (pair.child.path.local.port(), pair.child.path.remote.port())),
            remaining: Remaining::default(),
            spi: sa.spi,
            local,
            remote,
            replay_window: match sa.numbering {
                Numbering::Spaces => sa.replay_window.map(ReplayCheck::size_of_each_space),
                Numbering::Plain | Numbering::Extended => sa.replay_window,
            },
            esn: sa.numbering == Numbering::Extended,
            spaces,
            mtu: None,
            octets: usage.bytes,
            packets: usage.packets,
            dropped_packets: 0,
            replay_drops: 0,
            auth_packets: 0,
            auth_fails: 0,
            encrypted_packets: 0,
        }
    }
}

impl fmt::Display for CryptoSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.inbound { "inbound" } else { "outbound" };
        let mode = if self.mode == Mode::Tunnel { "tunnel" } else { "transport" };
        let protocol = if self.protocol == Protocol::Esp { "esp" } else { "ah" };
        let on = |is: bool| if is { "enabled" } else { "disabled" };
        writeln!(f, "conn id: {}", self.connection_id)?;
        writeln!(f, "    mode: {mode}")?;
        writeln!(f, "    direction: {direction}")?;
        writeln!(f, "    protocol: {protocol}")?;
        writeln!(f, "      SPI: {:#x}", self.spi)?;
        writeln!(f, "    local IP addr: {}", self.local)?;
        writeln!(f, "    remote IP addr: {}", self.remote)?;
        if let Some((plaintext, path)) = self.mtu {
            writeln!(f, "    plaintext mtu {plaintext}, path mtu {path}")?;
        }
        writeln!(f, "anti-replay {}", on(self.replay_window.is_some()))?;
        writeln!(f, "replay detection support: {}", if self.replay_window.is_some() { "Y" } else { "N" })?;
        writeln!(f, "esn {}", on(self.esn))?;
        if let Some(window) = self.replay_window {
            writeln!(f, "anti-replay window: {window}")?;
        }
        if self.spaces.len() == usize::from(SPACES) {
            writeln!(f, "Total SNS: {SPACES}")?;
        }
        writeln!(f, "Space                current seq number")?;
        for (space, last) in self.spaces.iter().enumerate() {
            writeln!(f, "{space:<20} {last}")?;
        }
        writeln!(f, "----- Statistics")?;
        let statistics = [
            ("octets", self.octets),
            ("packets", self.packets),
            ("dropped packets", self.dropped_packets),
            ("replay drops", self.replay_drops),
            ("auth packets", self.auth_packets),
            ("auth fails", self.auth_fails),
            ("encrypted packets", self.encrypted_packets),
        ];
        for (name, count) in statistics {
            writeln!(f, "    {name}: {count}")?;
        }
        writeln!(f, "----- End statistics")
    }
}

impl Gateway {
    /// What the guide's show commands list, of all SAs: those that receive by SPI, each with the one that sends after it.
    pub fn crypto_sas(&self, now: Instant) -> Vec<CryptoSa> {
        let data = self.data();
        let mut all = Vec::new();
        let negotiated = self.isakmp.children();
        for (&inbound_spi, pair) in &data.pairs {
            let outbound = pair.outbound;
            let lifetime = negotiated.iter().find(|children| children.pairs.iter().any(|own| own.1 == inbound_spi));
            let remaining = |usage: Usage| {
                lifetime.map_or(Remaining::default(), |children| Remaining {
                    kilobytes: children.lifetime.kilobytes.map(|limit| kilobytes_left(limit, usage.bytes)),
                    time: Some(children.expires.since(now)),
                })
            };
            if let Some(sa) = data.sad().inbound(inbound_spi) {
                let tops = sa.replay().windows().iter().map(|window| window.top()).collect();
                let usage = sa.usage();
                let verified = if sa.parameters().has_integrity() { usage.packets } else { 0 };
                all.push(CryptoSa {
                    replay_window: sa.replay().windows().first().and_then(ReplayWindow::size),
                    dropped_packets: sa.drops().total(|reason| reason != DropReason::Dummy),
                    replay_drops: sa.drops().total(DropReason::is_replay),
                    auth_packets: verified,
                    auth_fails: sa.drops().of(DropReason::BadIcv),
                    remaining: remaining(usage),
                    ..CryptoSa::new(pair, true, sa.parameters(), usage, tops)
                });
            }
            if let Some(sa) = data.sad().outbound(outbound) {
                let encrypts = sa.parameters().protocol == Protocol::Esp;
                let usage = sa.usage();
                all.push(CryptoSa {
                    mtu: Some((data.plaintext_mtu(now, outbound), data.path_mtu(outbound, now))),
                    encrypted_packets: if encrypts { usage.packets } else { 0 },
                    remaining: remaining(usage),
                    ..CryptoSa::new(pair, false, sa.parameters(), usage, sa.counter().last().to_vec())
                });
            }
        }
        all
    }

    /// The traffic of each child of each connection, in the order of the configuration, with its SAs.
    pub fn ipsec_flows(&self, now: Instant) -> Vec<IpsecFlow> {
        let all = self.crypto_sas(now);
        let flow = |connection: &str, child: &str, (local, remote, port): (IpAddr, Remote, u16)| {
            let own = |sa: &&CryptoSa| (sa.connection.as_str(), sa.child.as_str()) == (connection, child);
            let mut sas: Vec<CryptoSa> = all.iter().filter(own).cloned().collect();
            sas.sort_by_key(|sa| (!sa.inbound, sa.protocol == Protocol::Esp, sa.connection_id));
            let known =
                self.data.children().find(|sa| (sa.connection.as_str(), sa.child.as_str()) == (connection, child));
            let configured = match remote {
                Remote::Address(remote) => Some(SocketAddr::new(remote, port)),
                Remote::Any => None,
            };
            IpsecFlow {
                connection: connection.to_owned(),
                child: child.to_owned(),
                local_ts: Vec::new(),
                remote_ts: Vec::new(),
                local,
                peer: known.map(|child| child.path.remote).or(configured),
                counters: self.data.counters(connection, child),
                sas,
            }
        };
        let mut flows = Vec::new();
        for connection in &self.config.ike.connections {
            flows.extend(connection.children.iter().map(|child| IpsecFlow {
                local_ts: child.local_ts.clone(),
                remote_ts: child.remote_ts.clone(),
                ..flow(&connection.name, &child.name, (connection.local, connection.remote, connection.port))
            }));
        }
        for connection in &self.config.isakmp.connections {
            flows.extend(connection.children.iter().map(|child| IpsecFlow {
                local_ts: vec![child.local_ts.clone()],
                remote_ts: vec![child.remote_ts.clone()],
                ..flow(&connection.name, &child.name, (connection.local, connection.remote, connection.port))
            }));
        }
        flows
    }
}
