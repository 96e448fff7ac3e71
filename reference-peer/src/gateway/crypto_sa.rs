//! What the guide's show commands list of each SA (chapter 2), as data and in their form.

use super::Gateway;
use crate::Instant;
use crate::config::Mode;
use crate::ipsec::drops::DropReason;
use crate::ipsec::replay::ReplayWindow;
use crate::ipsec::sa::{Protocol, SaParameters, Usage};
use crate::ipsec::sequence::{Numbering, ReplayCheck, SPACES};
use std::fmt;
use std::net::IpAddr;

/// One SA: settings, sequence numbers and counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoSa {
    /// Number of the SA in this gateway.
    pub connection_id: u32,
    /// Is it for what is received?
    pub inbound: bool,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Mode.
    pub mode: Mode,
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
    fn new(connection_id: u32, inbound: bool, sa: &SaParameters, usage: Usage, spaces: Vec<u64>) -> Self {
        let (local, remote) = if inbound { (sa.destination, sa.source) } else { (sa.source, sa.destination) };
        Self {
            connection_id,
            inbound,
            protocol: sa.protocol,
            mode: sa.mode,
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
        for (inbound_spi, outbound, connection_id) in data.pairs() {
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
                    ..CryptoSa::new(connection_id, true, sa.parameters(), usage, tops)
                });
            }
            if let Some(sa) = data.sad().outbound(outbound) {
                let encrypts = sa.parameters().protocol == Protocol::Esp;
                let usage = sa.usage();
                all.push(CryptoSa {
                    mtu: Some((data.plaintext_mtu(now, outbound), data.path_mtu(outbound, now))),
                    encrypted_packets: if encrypts { usage.packets } else { 0 },
                    ..CryptoSa::new(connection_id + 1, false, sa.parameters(), usage, sa.counter().last().to_vec())
                });
            }
        }
        all
    }
}
