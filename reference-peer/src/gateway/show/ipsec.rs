//! `show crypto ipsec sa`: the flows of crypto maps, each with its counters and SAs.

use super::Names;
use crate::Instant;
use crate::config::{Addresses, Mode, Remote, Selector};
use crate::gateway::traffic::Pair;
use crate::gateway::{Gateway, Tally};
use crate::ike::v2::{ChildSa, TrafficRange};
use crate::ipsec::sa::Protocol;
use crypto::{Encryption, Integrity};
use ipnet::{Ipv4Subnets, Ipv6Subnets};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use wire::ikev2::ProtocolId;

/// Octets in a kilobyte of a lifetime (RFC 2407 section 4.5).
const KILOBYTE: u64 = 1024;

/// Traffic that is protected: one line of an access list, with the SAs that there are for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Name of the connection.
    pub connection: String,
    /// Name of the child.
    pub child: String,
    /// Interface of the router.
    pub interface: String,
    /// Crypto map.
    pub map: String,
    /// Own address.
    pub local: IpAddr,
    /// Traffic at our end: address, mask, protocol and port.
    pub local_ident: String,
    /// Traffic at the peer's end.
    pub remote_ident: String,
    /// The peer; `None` where it may be anywhere and is not there.
    pub peer: Option<SocketAddr>,
    /// Counters since they were cleared.
    pub tally: Tally,
    /// The longest packet that the path carries, octets.
    pub path_mtu: usize,
    /// The same of the outside interface.
    pub media_mtu: usize,
    /// SPI that packets are sent with; `None` without SAs.
    pub outbound_spi: Option<u32>,
    /// SAs, the newest pair first.
    pub sas: Vec<FlowSa>,
}

/// One SA of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowSa {
    /// Is it for what is received?
    pub inbound: bool,
    /// ESP or AH.
    pub protocol: Protocol,
    /// SPI.
    pub spi: u32,
    /// In the words of a transform set, such as `esp-aes esp-sha-hmac`.
    pub transform: String,
    /// Mode.
    pub mode: Mode,
    /// Encapsulated in UDP.
    pub udp: bool,
    /// Number of the SA in this router.
    pub connection_id: u32,
    /// Number of the flow: SAs of a bundle share it.
    pub flow_id: u32,
    /// What is left of its lifetime: kilobytes and seconds.
    pub left: Option<(Option<u64>, u64)>,
    /// Octets of the initialisation vector, of ciphers that have one.
    pub iv: usize,
    /// Is replay detected?
    pub replay_detection: bool,
}

/// A flow as it was configured, or as SAs without a configuration have it.
struct Known {
    connection: String,
    child: String,
    local: IpAddr,
    peer: Option<SocketAddr>,
    local_ident: String,
    remote_ident: String,
}

impl Gateway {
    /// All flows, those of the configuration in its order. A connection to peers anywhere has one only while there are
    /// SAs.
    pub fn flows(&self, now: Instant, names: &Names) -> Vec<Flow> {
        let mut known = self.configured_flows();
        let configured: BTreeSet<_> = known.iter().map(|flow| (flow.connection.clone(), flow.child.clone())).collect();
        let others: BTreeSet<_> = self
            .data()
            .all_pairs()
            .map(|pair| (pair.child.connection.clone(), pair.child.child.clone()))
            .filter(|key| !configured.contains(key))
            .collect();
        known.extend(others.iter().filter_map(|(connection, child)| {
            self.data().pairs_of(connection, child).next().map(|pair| Known::of_sa(&pair.child))
        }));
        known.into_iter().map(|known| self.flow(now, names, known)).collect()
    }

    /// What the crypto maps of the configuration protect, of connections that name their peer.
    fn configured_flows(&self) -> Vec<Known> {
        let mut flows = Vec::new();
        for connection in &self.config().isakmp.connections {
            let Some(peer) = end_of(connection.remote, connection.port) else { continue };
            flows.extend(connection.children.iter().map(|child| Known {
                connection: connection.name.clone(),
                child: child.name.clone(),
                local: connection.local,
                peer: Some(peer),
                local_ident: ident(&child.local_ts),
                remote_ident: ident(&child.remote_ts),
            }));
        }
        for connection in &self.config().ike.connections {
            let Some(peer) = end_of(connection.remote, connection.port) else { continue };
            flows.extend(connection.children.iter().filter_map(|child| {
                Some(Known {
                    connection: connection.name.clone(),
                    child: child.name.clone(),
                    local: connection.local,
                    peer: Some(peer),
                    local_ident: ident(child.local_ts.first()?),
                    remote_ident: ident(child.remote_ts.first()?),
                })
            }));
        }
        flows
    }

    fn flow(&self, now: Instant, names: &Names, known: Known) -> Flow {
        let data = self.data();
        let mut inner: Vec<&Pair> =
            data.pairs_of(&known.connection, &known.child).filter(|pair| !pair.is_outer).collect();
        inner.sort_by_key(|pair| Reverse(pair.connection_id));
        let newest = inner.first().copied();
        let sas = inner.iter().flat_map(|pair| self.sas_of(now, pair)).collect();
        let (interface, map) = names.places(&known.connection, known.local);
        Flow {
            interface,
            map,
            local: newest.map_or(known.local, |pair| pair.child.path.local.ip()),
            peer: newest.map(|pair| pair.child.path.remote).or(known.peer),
            tally: data.tally(&known.connection, &known.child),
            path_mtu: newest.map_or(self.config().outside_mtu, |pair| data.path_mtu(pair.outbound, now)),
            media_mtu: self.config().outside_mtu,
            outbound_spi: newest.map(|pair| pair.child.outbound_spi),
            sas,
            connection: known.connection,
            child: known.child,
            local_ident: known.local_ident,
            remote_ident: known.remote_ident,
        }
    }

    /// The SAs of a pair, and of those that go over it.
    fn sas_of(&self, now: Instant, inner: &Pair) -> Vec<FlowSa> {
        let mut sas = Vec::new();
        let mut next = Some(inner);
        while let Some(pair) = next {
            for inbound in [true, false] {
                sas.push(FlowSa {
                    flow_id: inner.connection_id + u32::from(!inbound),
                    left: self.left(now, inner, pair, inbound),
                    // A bundle is negotiated in one mode, and the innermost does it.
                    mode: inner.child.mode,
                    ..FlowSa::new(pair, inbound, self.detects_replays(pair))
                });
            }
            next = pair.over.and_then(|over| self.data().pair(over));
        }
        sas
    }

    fn detects_replays(&self, pair: &Pair) -> bool {
        self.data().sad().inbound(pair.child.inbound_spi).is_some_and(|sa| sa.parameters().replay_window.is_some())
    }

    /// What is left of the lifetime of an SA: kilobytes and seconds. SAs of IKEv1 have one that was negotiated.
    fn left(&self, now: Instant, inner: &Pair, pair: &Pair, inbound: bool) -> Option<(Option<u64>, u64)> {
        let spi = inner.child.inbound_spi;
        let children = self.isakmp().children();
        let info = children.iter().find(|info| info.pairs.iter().any(|(_, inbound, _)| *inbound == spi))?;
        let sad = self.data().sad();
        let usage = match inbound {
            true => sad.inbound(pair.child.inbound_spi)?.usage(),
            false => sad.outbound(pair.outbound)?.usage(),
        };
        let used = usage.bytes / KILOBYTE;
        let kilobytes = info.lifetime.kilobytes.map(|limit| u64::from(limit).saturating_sub(used));
        Some((kilobytes, info.expires.since(now).as_secs()))
    }
}

impl Known {
    /// That of an SA that no configuration has.
    fn of_sa(child: &ChildSa) -> Self {
        let first = |ranges: &[TrafficRange]| ranges.first().map(ident_of_range).unwrap_or_default();
        Self {
            connection: child.connection.clone(),
            child: child.child.clone(),
            local: child.path.local.ip(),
            peer: Some(child.path.remote),
            local_ident: first(&child.local_ts),
            remote_ident: first(&child.remote_ts),
        }
    }
}

impl FlowSa {
    fn new(pair: &Pair, inbound: bool, replay_detection: bool) -> Self {
        let child = &pair.child;
        let ah = child.protocol == ProtocolId::AH;
        Self {
            inbound,
            protocol: if ah { Protocol::Ah } else { Protocol::Esp },
            spi: if inbound { child.inbound_spi } else { child.outbound_spi },
            transform: transform(child),
            mode: child.mode,
            udp: child.udp_encapsulation,
            connection_id: pair.connection_id + u32::from(!inbound),
            flow_id: 0,
            left: None,
            iv: child.encryption.map_or(0, Encryption::iv_len),
            replay_detection,
        }
    }
}

/// Where a peer is, if that is configured.
fn end_of(remote: Remote, port: u16) -> Option<SocketAddr> {
    match remote {
        Remote::Address(address) => Some(SocketAddr::new(address, port)),
        Remote::Any => None,
    }
}

/// In the words of a transform set.
fn transform(child: &ChildSa) -> String {
    let hash = match child.integrity {
        None | Some(Integrity::None) => None,
        Some(Integrity::HmacMd5_96) => Some("md5"),
        Some(Integrity::HmacSha1_96) => Some("sha"),
        Some(Integrity::HmacSha256_128) => Some("sha256"),
        Some(Integrity::HmacSha384_192) => Some("sha384"),
        Some(Integrity::HmacSha512_256) => Some("sha512"),
        Some(Integrity::AesXcbc96) => Some("aes-xcbc"),
        Some(Integrity::AesCmac96) => Some("aes-cmac"),
    };
    if child.protocol == ProtocolId::AH {
        return format!("ah-{}-hmac", hash.unwrap_or("none"));
    }
    let aes = |name: &str, bits: crypto::KeyBits| match bits {
        crypto::KeyBits::B128 => format!("esp-{name}"),
        bits => format!("esp-{}-{name}", bits.bits()),
    };
    let cipher = match child.encryption {
        Some(Encryption::Des) => "esp-des".to_owned(),
        Some(Encryption::TripleDes) => "esp-3des".to_owned(),
        None | Some(Encryption::Null) => "esp-null".to_owned(),
        Some(Encryption::AesCbc(bits)) => aes("aes", bits),
        Some(Encryption::AesCtr(bits)) => aes("aes-ctr", bits),
        Some(Encryption::AesCcm8(bits) | Encryption::AesCcm12(bits) | Encryption::AesCcm16(bits)) => aes("ccm", bits),
        Some(Encryption::AesGcm8(bits) | Encryption::AesGcm12(bits) | Encryption::AesGcm16(bits)) => aes("gcm", bits),
        Some(Encryption::AesGmac(bits)) => aes("gmac", bits),
        Some(Encryption::ChaCha20Poly1305) => "esp-chacha20-poly1305".to_owned(),
    };
    match hash {
        Some(hash) => format!("{cipher} esp-{hash}-hmac"),
        None => cipher,
    }
}

/// A selector as the guide writes it: address, mask, protocol, port.
fn ident(selector: &Selector) -> String {
    match selector.addresses {
        Addresses::Range(start, end) => {
            let range = TrafficRange { start, end, protocol: selector.protocol, ports: selector.ports };
            ident_of_range(&range)
        }
        Addresses::Host => format!("host/{}/{}", selector.protocol, port(selector.ports)),
    }
}

fn ident_of_range(range: &TrafficRange) -> String {
    let TrafficRange { start, end, protocol, ports } = range;
    let addresses = match (*start, *end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => {
            let mut nets = Ipv4Subnets::new(start, end, 0);
            match (nets.next(), nets.next()) {
                (Some(net), None) => format!("{}/{}", net.network(), net.netmask()),
                _ => format!("{start}-{end}"),
            }
        }
        (IpAddr::V6(start), IpAddr::V6(end)) => {
            let mut nets = Ipv6Subnets::new(start, end, 0);
            match (nets.next(), nets.next()) {
                (Some(net), None) => net.to_string(),
                _ => format!("{start}-{end}"),
            }
        }
        (start, end) => format!("{start}-{end}"),
    };
    format!("{addresses}/{protocol}/{}", port(*ports))
}

/// 0 stands for all.
fn port(ports: (u16, u16)) -> String {
    match ports {
        (0, u16::MAX) => "0".to_owned(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    }
}

impl fmt::Display for Flow {
    /// In the guide's form; `{:#}` with the reasons of drops, as `detail` has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { encaps, encrypted, digested, decaps, decrypted, verified, receive_errors, .. } = self.tally;
        let peer = self.peer.map_or_else(|| "none".to_owned(), |peer| peer.to_string());
        let peer_address = self.peer.map_or_else(|| "none".to_owned(), |peer| peer.ip().to_string());
        writeln!(f, "   protected vrf:")?;
        writeln!(f, "   local  ident (addr/mask/prot/port): ({})", self.local_ident)?;
        writeln!(f, "   remote ident (addr/mask/prot/port): ({})", self.remote_ident)?;
        writeln!(f, "   current_peer: {peer}")?;
        writeln!(f, "     PERMIT, flags={{origin_is_acl,}}")?;
        writeln!(f, "    #pkts encaps: {encaps}, #pkts encrypt: {encrypted}, #pkts digest: {digested}")?;
        writeln!(f, "    #pkts decaps: {decaps}, #pkts decrypt: {decrypted}, #pkts verify: {verified}")?;
        writeln!(f, "    #pkts compressed: 0, #pkts decompressed: 0")?;
        writeln!(f, "    #pkts not compressed: 0, #pkts compr. failed: 0")?;
        writeln!(f, "    #pkts not decompressed: 0, #pkts decompress failed: 0")?;
        if f.alternate() {
            writeln!(f, "    #pkts verify failed: {}", self.tally.verify_failures)?;
            writeln!(f, "    #pkts invalid identity (recv): {}", self.tally.identity_failures)?;
            writeln!(f, "    #pkts replay failed (rcv): {}", self.tally.replay_failures)?;
        }
        writeln!(f, "    #send errors {}, #recv errors {receive_errors}", self.tally.send_errors)?;
        writeln!(f)?;
        writeln!(f, "     local crypto endpt.: {}, remote crypto endpt.: {peer_address}", self.local)?;
        writeln!(f, "     path mtu {}, media mtu {}", self.path_mtu, self.media_mtu)?;
        writeln!(f, "     current outbound spi: {:X}", self.outbound_spi.unwrap_or(0))?;
        for (inbound, direction) in [(true, "inbound"), (false, "outbound")] {
            for (protocol, name) in [(Some(Protocol::Esp), "esp"), (Some(Protocol::Ah), "ah"), (None, "pcp")] {
                writeln!(f, "\n     {direction} {name} sas:")?;
                let here = |sa: &&FlowSa| sa.inbound == inbound && Some(sa.protocol) == protocol;
                for sa in self.sas.iter().filter(here) {
                    sa.write(f, &self.map)?;
                }
            }
        }
        Ok(())
    }
}

impl FlowSa {
    fn write(&self, f: &mut fmt::Formatter<'_>, map: &str) -> fmt::Result {
        let mode = if self.mode == Mode::Tunnel { "Tunnel" } else { "Transport" };
        let udp = if self.udp { " UDP-Encaps" } else { "" };
        let Self { spi, transform, connection_id, flow_id, .. } = self;
        writeln!(f, "      spi: 0x{spi:X}({spi})")?;
        writeln!(f, "        transform: {transform} ,")?;
        writeln!(f, "        in use settings ={{{mode}{udp}, }}")?;
        writeln!(f, "        slot: 0, conn id: {connection_id}, flow_id: {flow_id}, crypto map: {map}")?;
        writeln!(f, "        crypto engine type: Software")?;
        match self.left {
            Some((Some(kilobytes), seconds)) => {
                writeln!(f, "        sa timing: remaining key lifetime (k/sec): ({kilobytes}/{seconds})")?;
            }
            Some((None, seconds)) => writeln!(f, "        sa timing: remaining key lifetime (sec): ({seconds})")?,
            None => writeln!(f, "        no sa timing")?,
        }
        if self.protocol == Protocol::Esp && self.iv > 0 {
            writeln!(f, "        IV size: {} bytes", self.iv)?;
        }
        writeln!(f, "        replay detection support: {}", if self.replay_detection { "Y" } else { "N" })
    }
}
