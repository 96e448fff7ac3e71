//! `show crypto ipsec sa`: the flows of crypto maps, each with its counters and SAs.

use crate::config::{Addresses, Mode, Selector};
use crate::gateway::{Counters, CryptoSa, IpsecFlow};
use crate::ipsec::sa::Protocol;
use crypto::{Encryption, Integrity};
use ipnet::{Ipv4Subnets, Ipv6Subnets};
use std::fmt;
use std::net::IpAddr;

/// A flow as it is printed.
pub(super) struct Block<'a> {
    pub(super) flow: &'a IpsecFlow,
    /// Crypto map.
    pub(super) map: &'a str,
    /// The longest packet that the outside interface carries, octets.
    pub(super) media_mtu: usize,
    /// Say why packets were dropped.
    pub(super) detail: bool,
}

/// In the words of a transform set.
fn transform(sa: &CryptoSa) -> String {
    let hash = match sa.integrity {
        Integrity::None => None,
        Integrity::HmacMd5_96 => Some("md5"),
        Integrity::HmacSha1_96 => Some("sha"),
        Integrity::HmacSha256_128 => Some("sha256"),
        Integrity::HmacSha384_192 => Some("sha384"),
        Integrity::HmacSha512_256 => Some("sha512"),
        Integrity::AesXcbc96 => Some("aes-xcbc"),
        Integrity::AesCmac96 => Some("aes-cmac"),
    };
    if sa.protocol == Protocol::Ah {
        return format!("ah-{}-hmac", hash.unwrap_or("none"));
    }
    let aes = |name: &str, bits: crypto::KeyBits| match bits {
        crypto::KeyBits::B128 => format!("esp-{name}"),
        bits => format!("esp-{}-{name}", bits.bits()),
    };
    let cipher = match sa.encryption {
        Encryption::Des => "esp-des".to_owned(),
        Encryption::TripleDes => "esp-3des".to_owned(),
        Encryption::Null => "esp-null".to_owned(),
        Encryption::AesCbc(bits) => aes("aes", bits),
        Encryption::AesCtr(bits) => aes("aes-ctr", bits),
        Encryption::AesCcm8(bits) | Encryption::AesCcm12(bits) | Encryption::AesCcm16(bits) => aes("ccm", bits),
        Encryption::AesGcm8(bits) | Encryption::AesGcm12(bits) | Encryption::AesGcm16(bits) => aes("gcm", bits),
        Encryption::AesGmac(bits) => aes("gmac", bits),
        Encryption::ChaCha20Poly1305 => "esp-chacha20-poly1305".to_owned(),
    };
    match hash {
        Some(hash) => format!("{cipher} esp-{hash}-hmac"),
        None => cipher,
    }
}

/// The first of these selectors as the guide writes it: address, mask, protocol, port. Quick mode names no more (RFC 2407
/// section 4.6.2).
pub(super) fn ident(selectors: &[Selector]) -> String {
    let Some(selector) = selectors.first() else { return String::new() };
    let addresses = match selector.addresses {
        Addresses::Host => "host".to_owned(),
        Addresses::Range(IpAddr::V4(start), IpAddr::V4(end)) => {
            let mut nets = Ipv4Subnets::new(start, end, 0);
            match (nets.next(), nets.next()) {
                (Some(net), None) => format!("{}/{}", net.network(), net.netmask()),
                _ => format!("{start}-{end}"),
            }
        }
        Addresses::Range(IpAddr::V6(start), IpAddr::V6(end)) => {
            let mut nets = Ipv6Subnets::new(start, end, 0);
            match (nets.next(), nets.next()) {
                (Some(net), None) => net.to_string(),
                _ => format!("{start}-{end}"),
            }
        }
        Addresses::Range(start, end) => format!("{start}-{end}"),
    };
    format!("{addresses}/{}/{}", selector.protocol, port(selector.ports))
}

/// 0 stands for all.
fn port(ports: (u16, u16)) -> String {
    match ports {
        (0, u16::MAX) => "0".to_owned(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    }
}

impl fmt::Display for Block<'_> {
    /// In the guide's form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.flow;
        let Counters { encaps, encrypt, digest, decaps, decrypt, verify, send_errors, receive_errors, .. } =
            flow.counters;
        let peer = flow.peer.map_or_else(|| "none".to_owned(), |peer| peer.to_string());
        let peer_address = flow.peer.map_or_else(|| "none".to_owned(), |peer| peer.ip().to_string());
        let newest = newest_sender(flow);
        let path_mtu = newest.and_then(|sa| sa.mtu).map_or(self.media_mtu, |(_, path)| path);
        writeln!(f, "   protected vrf:")?;
        writeln!(f, "   local  ident (addr/mask/prot/port): ({})", ident(&flow.local_ts))?;
        writeln!(f, "   remote ident (addr/mask/prot/port): ({})", ident(&flow.remote_ts))?;
        writeln!(f, "   current_peer: {peer}")?;
        writeln!(f, "     PERMIT, flags={{origin_is_acl,}}")?;
        writeln!(f, "    #pkts encaps: {encaps}, #pkts encrypt: {encrypt}, #pkts digest: {digest}")?;
        writeln!(f, "    #pkts decaps: {decaps}, #pkts decrypt: {decrypt}, #pkts verify: {verify}")?;
        writeln!(f, "    #pkts compressed: 0, #pkts decompressed: 0")?;
        writeln!(f, "    #pkts not compressed: 0, #pkts compr. failed: 0")?;
        writeln!(f, "    #pkts not decompressed: 0, #pkts decompress failed: 0")?;
        if self.detail {
            writeln!(f, "    #pkts verify failed: {}", flow.counters.verify_failures)?;
            writeln!(f, "    #pkts invalid identity (recv): {}", flow.counters.identity_failures)?;
            writeln!(f, "    #pkts replay failed (rcv): {}", flow.counters.replay_failures)?;
        }
        writeln!(f, "    #send errors {send_errors}, #recv errors {receive_errors}")?;
        writeln!(f)?;
        writeln!(f, "     local crypto endpt.: {}, remote crypto endpt.: {peer_address}", flow.local)?;
        writeln!(f, "     path mtu {path_mtu}, media mtu {}", self.media_mtu)?;
        writeln!(f, "     current outbound spi: {:X}", newest.map_or(0, |sa| sa.spi))?;
        for (inbound, direction) in [(true, "inbound"), (false, "outbound")] {
            for (protocol, name) in [(Some(Protocol::Esp), "esp"), (Some(Protocol::Ah), "ah"), (None, "pcp")] {
                writeln!(f, "\n     {direction} {name} sas:")?;
                let here = |sa: &&CryptoSa| sa.inbound == inbound && Some(sa.protocol) == protocol;
                // The newest first.
                for sa in flow.sas.iter().rev().filter(here) {
                    self.sa(f, sa)?;
                }
            }
        }
        Ok(())
    }
}

impl Block<'_> {
    fn sa(&self, f: &mut fmt::Formatter<'_>, sa: &CryptoSa) -> fmt::Result {
        let CryptoSa { spi, connection_id, flow_id, .. } = sa;
        // A bundle is negotiated in one mode, and the innermost SA does it.
        let innermost = self.flow.sas.iter().find(|other| other.connection_id == *flow_id).unwrap_or(sa);
        let mode = if innermost.mode == Mode::Tunnel { "Tunnel" } else { "Transport" };
        let udp = if sa.udp.is_some() { " UDP-Encaps" } else { "" };
        writeln!(f, "      spi: 0x{spi:X}({spi})")?;
        writeln!(f, "        transform: {} ,", transform(sa))?;
        writeln!(f, "        in use settings ={{{mode}{udp}, }}")?;
        writeln!(f, "        slot: 0, conn id: {connection_id}, flow_id: {flow_id}, crypto map: {}", self.map)?;
        writeln!(f, "        crypto engine type: Software")?;
        let left = (sa.remaining.kilobytes, sa.remaining.time.map(|time| time.as_secs()));
        match left {
            (Some(kilobytes), Some(seconds)) => {
                writeln!(f, "        sa timing: remaining key lifetime (k/sec): ({kilobytes}/{seconds})")?;
            }
            (None, Some(seconds)) => writeln!(f, "        sa timing: remaining key lifetime (sec): ({seconds})")?,
            (_, None) => writeln!(f, "        no sa timing")?,
        }
        let iv = sa.encryption.iv_len();
        if sa.protocol == Protocol::Esp && iv > 0 {
            writeln!(f, "        IV size: {iv} bytes")?;
        }
        writeln!(f, "        replay detection support: {}", if sa.replay_window.is_some() { "Y" } else { "N" })
    }
}

/// The innermost of the newest SAs that send.
fn newest_sender(flow: &IpsecFlow) -> Option<&CryptoSa> {
    let innermost = |sa: &&CryptoSa| !sa.inbound && sa.connection_id == sa.flow_id;
    flow.sas.iter().filter(innermost).max_by_key(|sa| sa.connection_id)
}
