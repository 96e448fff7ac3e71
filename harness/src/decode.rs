//! Reading a capture: every packet decoded, and decrypted where there are keys.

use crate::dissect::{Content, Dissector, SeenEsp, SeenIke, ip_summary};
use crate::evidence::capture::{ETHERNET, Packet};
use crate::evidence::wireshark::{
    ESP_TABLE, IKE_TABLE, ISAKMP_TABLE, read_esp_table, read_ike_table, read_isakmp_table,
};
use crate::evidence::{EspKeys, IkeKeys};
use crate::fragments::Collector;
use crate::isakmp;
use crate::tree::{self, Node};
use crypto::{Encryption, Integrity, Prf};
use reference_peer::Instant;
use reference_peer::ike::v2;
use reference_peer::ipsec::keys as esp;
use reference_peer::ipsec::sa::SaParameters;
use reference_peer::ipsec::sequence::Numbering;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use wire::ip;

/// One packet of a capture, read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decoded {
    /// Number within the capture, from 1.
    pub number: usize,
    /// Time since the first packet, seconds.
    #[serde(serialize_with = "crate::verdict::seconds::serialize")]
    pub time: Duration,
    /// Interface, if the capture names one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interface: String,
    /// What it is, in one line.
    pub summary: String,
    /// What was said about it when it was captured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<String>,
    /// What it consists of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Node>,
}

/// A dissector with the keys in a folder of Wireshark's tables; without keys where there are none.
///
/// # Errors
/// A table that is there and cannot be read, or holds what makes no key.
pub fn dissector(folder: &Path) -> Result<Dissector, String> {
    let table = |name: &str| {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    };
    let mut dissector = Dissector::default();
    for keys in read_ike_table(&table(IKE_TABLE)?)? {
        let name = format!("{IKE_TABLE}: IKE SA {:016x}", keys.spis.0);
        dissector.add_ike(ike_keys(keys).ok_or_else(|| format!("{name}: the keys do not fit the algorithms"))?);
    }
    for keys in read_isakmp_table(&table(ISAKMP_TABLE)?)? {
        dissector.add_isakmp_cipher_key(keys.initiator_cookie, keys.encryption_key);
    }
    for keys in read_esp_table(&table(ESP_TABLE)?)? {
        let name = format!("{ESP_TABLE}: SPI {:#010x}", keys.spi);
        dissector.add_esp(esp_keys(keys).ok_or_else(|| format!("{name}: the keys do not fit the algorithms"))?);
    }
    Ok(dissector)
}

/// Reads a capture packet by packet. What came in fragments is read with the last of them.
#[derive(Debug, Clone)]
pub struct Decoder {
    dissector: Dissector,
    fragments: Collector<String>,
    first: Duration,
}

impl Decoder {
    /// With keys; `first` is the time of the capture's first packet.
    pub fn new(dissector: Dissector, first: Duration) -> Self {
        Self { dissector, fragments: Collector::default(), first }
    }

    /// Reads the next packet, with its number within the capture, from 1.
    pub fn decode(&mut self, packet: &Packet, number: usize) -> Decoded {
        let (mut ip, mut content) = contents(&mut self.dissector, packet);
        let time = packet.time.saturating_sub(self.first);
        let mut pieces = Vec::new();
        if let Some(fragment) = ip.as_ref().filter(|ip| ip.is_fragment()) {
            let now = Instant::after_start(time);
            let whole = self.fragments.push(packet.interface.clone(), now, number, &fragment.to_bytes());
            if let Some(whole) = whole
                && let Ok(packet) = ip::Packet::parse(&whole.packet)
            {
                pieces = whole.places;
                (ip, content) = self.dissector.packet(packet);
            }
        }
        let mut decoded = decoded(packet, number, ip.as_ref(), &content);
        if !pieces.is_empty() {
            let numbers: Vec<String> = pieces.iter().map(ToString::to_string).collect();
            decoded.summary.push_str(&format!(", in {} fragments", pieces.len()));
            decoded.parts.insert(0, Node::leaf("fragments", format!("packets {}", numbers.join(", "))));
        }
        Decoded { time, ..decoded }
    }
}

fn decoded(packet: &Packet, number: usize, ip: Option<&ip::Packet>, content: &Content) -> Decoded {
    let summary = match (content, ip) {
        (Content::Ike(ike), _) => format!("{} > {} {}", ike.path.local, ike.path.remote, ike.summary()),
        (Content::Isakmp(isakmp), _) => {
            format!("{} > {} {}", isakmp.path.local, isakmp.path.remote, isakmp.summary())
        }
        (Content::Esp(esp), _) => format!("{} > {} {}", esp.addresses.0, esp.addresses.1, esp.summary()),
        (Content::Ah(ah), _) => format!("{} > {} {}", ah.addresses.0, ah.addresses.1, ah.summary()),
        (Content::Keepalive(path), _) => format!("{} > {} NAT keepalive", path.local, path.remote),
        (Content::Arp, _) => "ARP".to_owned(),
        (Content::Other(what), _) => what.clone(),
        (_, Some(ip)) => ip_summary(ip),
        (_, None) => "no IP packet".to_owned(),
    };
    let mut parts = match content {
        Content::Ike(ike) => ike_parts(ike),
        Content::Isakmp(isakmp) => isakmp::tree::message(isakmp),
        Content::Esp(esp) => esp_parts(esp),
        _ => Vec::new(),
    };
    if packet.data.len() as u64 != u64::from(packet.wire_length) {
        let cut = format!("{} of {} octets", packet.data.len(), packet.wire_length);
        parts.push(Node::leaf("captured", cut));
    }
    Decoded {
        number,
        time: Duration::ZERO,
        interface: packet.interface.clone(),
        summary: crate::text::printable(&summary),
        comments: packet.comments.clone(),
        parts,
    }
}

fn contents(dissector: &mut Dissector, packet: &Packet) -> (Option<ip::Packet>, Content) {
    // Octets before the IP packet, by link type: cooked captures of Linux, raw IP, BSD loopback.
    let skipped = match packet.link_type {
        ETHERNET => return dissector.frame(&packet.data),
        113 => 16,
        276 => 20,
        12 | 14 | 101 | 228 | 229 => 0,
        0 | 108 => 4,
        other => return (None, Content::Other(format!("link type {other}, {} octets", packet.data.len()))),
    };
    let octets = packet.data.get(skipped..).unwrap_or_default();
    match ip::Packet::parse_prefix(octets) {
        Ok((packet, _)) => dissector.packet(packet),
        Err(error) => (None, Content::Other(format!("IP, malformed: {error}"))),
    }
}

fn ike_parts(ike: &SeenIke) -> Vec<Node> {
    // That of a sound message knows which of its fields are as they should be.
    let header = ike.message.as_ref().ok().map(|message| message.header).or(ike.header);
    let mut parts: Vec<Node> = header.iter().map(tree::header).collect();
    match (&ike.message, &ike.opened) {
        (Err(error), _) => parts.push(Node::leaf("malformed", error)),
        (Ok(message), None) => parts.extend(message.payloads.iter().map(tree::payload)),
        (Ok(message), Some(opened)) => {
            parts.extend(message.payloads.iter().map(tree::payload));
            match opened {
                Err(why) => parts.push(Node::leaf("not decrypted", why)),
                Ok(inside) => {
                    let payloads = match &inside.payloads {
                        Ok(payloads) => payloads.iter().map(tree::payload).collect(),
                        Err(error) => vec![Node::leaf("malformed", error)],
                    };
                    parts.push(Node::branch("decrypted", payloads));
                }
            }
        }
    }
    parts
}

fn esp_parts(esp: &SeenEsp) -> Vec<Node> {
    let mut parts =
        vec![Node::leaf("SPI", format_args!("{:08x}", esp.spi)), Node::leaf("sequence number", esp.sequence)];
    match &esp.opened {
        None => {}
        Some(Err(why)) => parts.push(Node::leaf("not decrypted", why)),
        Some(Ok(opened)) => {
            let inner = match esp.inner() {
                Some(inner) => ip_summary(&inner),
                None => format!("{} octets", opened.payload.len()),
            };
            let padding = crate::text::count(opened.padding.len(), "octet");
            parts.push(Node::branch(
                "decrypted",
                vec![
                    Node::leaf("next header", opened.next_header),
                    Node::leaf("payload", inner),
                    Node::leaf("padding", padding),
                ],
            ));
        }
    }
    parts
}

fn ike_keys(keys: IkeKeys) -> Option<v2::IkeKeys> {
    let encryption = encryption(keys.encryption, keys.encryption_keys.0.len())?;
    let integrity = match keys.integrity {
        0 => None,
        number => Some(Integrity::from_iana(number)?),
    };
    Some(v2::IkeKeys {
        spis: keys.spis,
        encryption,
        integrity,
        // The tables do not name it, and opening does not need it.
        prf: Prf::from_iana(5)?,
        sk_d: Vec::new(),
        sk_ai: keys.integrity_keys.0,
        sk_ar: keys.integrity_keys.1,
        sk_ei: keys.encryption_keys.0,
        sk_er: keys.encryption_keys.1,
        sk_pi: Vec::new(),
        sk_pr: Vec::new(),
    })
}

fn esp_keys(keys: EspKeys) -> Option<esp::EspKeys> {
    let mut parameters = SaParameters::new(keys.spi, keys.source, keys.destination);
    parameters.encryption = encryption(keys.encryption, keys.encryption_key.len())?;
    parameters.encryption_key = keys.encryption_key.into();
    parameters.integrity = match keys.integrity {
        0 => Integrity::None,
        number => Integrity::from_iana(number)?,
    };
    parameters.integrity_key = keys.integrity_key.into();
    if keys.esn {
        parameters.numbering = Numbering::Extended;
    }
    esp::EspKeys::new(parameters).ok().flatten()
}

/// The cipher of this number whose keying material (key and salt) has this length.
fn encryption(number: u16, octets: usize) -> Option<Encryption> {
    [None, Some(128), Some(192), Some(256)]
        .into_iter()
        .filter_map(|bits| Encryption::from_iana(number, bits))
        .find(|encryption| encryption.key_material_len() == octets)
}
