//! What an IKE message consists of, as a tree of names and values that is printed as text or as JSON.
//!
//! What a sender has made otherwise than it follows from the rest (lengths, reserved bits, counts) is shown; what is as
//! it should be is not.

use reference_peer::config::Algorithm;
use serde::Serialize;
use std::fmt::{Display, Write as _};
use wire::Derived;
use wire::ikev2::{
    AttributeValue, Body, Certificate, Configuration, Delete, Header, IdType, Identification, Notify, Payload,
    Proposal, SecurityAssociation, TrafficSelector, TrafficSelectors, Transform, TransformType,
};

/// A name, its value, and what it consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Name of the field or payload.
    pub name: String,
    /// Its value in words; empty if the children say it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Node>,
}

impl Node {
    /// A name and its value.
    pub fn leaf(name: impl Into<String>, value: impl Display) -> Self {
        Self { name: name.into(), value: value.to_string(), parts: Vec::new() }
    }

    /// A name and its parts.
    pub fn branch(name: impl Into<String>, parts: Vec<Self>) -> Self {
        Self { name: name.into(), value: String::new(), parts }
    }

    /// The tree as indented lines.
    pub fn to_text(&self, depth: usize) -> String {
        let mut text = String::new();
        self.write(depth, &mut text);
        text
    }

    fn write(&self, depth: usize, text: &mut String) {
        let separator = if self.value.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "{:indent$}{}{separator}{}", "", self.name, self.value, indent = 2 * depth);
        for part in &self.parts {
            part.write(depth + 1, text);
        }
    }
}

/// The IKE header.
pub fn header(header: &Header) -> Node {
    let mut flags = Vec::new();
    for (set, name) in [(header.flags.initiator(), "initiator"), (header.flags.response(), "response")] {
        if set {
            flags.push(name);
        }
    }
    let mut parts = vec![
        Node::leaf("initiator SPI", format_args!("{:016x}", header.initiator_spi)),
        Node::leaf("responder SPI", format_args!("{:016x}", header.responder_spi)),
        Node::leaf("version", format_args!("{}.{}", header.major_version(), header.minor_version())),
        Node::leaf("exchange", header.exchange_type),
        Node::leaf("flags", if flags.is_empty() { "none".to_owned() } else { flags.join(", ") }),
        Node::leaf("message ID", header.message_id),
    ];
    parts.extend(reserved("reserved flags", u32::from(header.flags.reserved())));
    parts.extend(deviant("next payload", header.next_payload));
    parts.extend(deviant("length", header.length));
    Node::branch("header", parts)
}

/// One payload.
pub fn payload(payload: &Payload) -> Node {
    let mut node = body(&payload.body);
    if payload.critical {
        node.parts.insert(0, Node::leaf("critical", "yes"));
    }
    node.parts.extend(reserved("reserved bits", u32::from(payload.reserved)));
    node.parts.extend(deviant("next payload", payload.next_payload));
    node.parts.extend(deviant("length", payload.length));
    node
}

fn body(body: &Body) -> Node {
    let name = body.payload_type().to_string();
    let parts = match body {
        Body::SecurityAssociation(sa) => security_association(sa),
        Body::KeyExchange(exchange) => {
            let group = Algorithm::new(TransformType::KE, exchange.group);
            let mut parts = vec![Node::leaf("group", named(&group)), octets("data", &exchange.data)];
            parts.extend(reserved("reserved", u32::from(exchange.reserved)));
            parts
        }
        Body::IdInitiator(id) | Body::IdResponder(id) => identification(id),
        Body::Certificate(certificate) | Body::CertificateRequest(certificate) => encoded(certificate),
        Body::Authentication(authentication) => {
            let mut parts = vec![Node::leaf("method", authentication.method), octets("data", &authentication.data)];
            parts.extend(reserved_octets(authentication.reserved));
            parts
        }
        Body::Nonce(data) | Body::VendorId(data) => vec![octets("data", data)],
        Body::Notify(notify) => return notification(name, notify),
        Body::Delete(delete) => deleted(delete),
        Body::TsInitiator(selectors) | Body::TsResponder(selectors) => traffic_selectors(selectors),
        Body::Encrypted(encrypted) => {
            vec![Node::leaf("first inside", encrypted.first), Node::leaf("data", count(encrypted.data.len()))]
        }
        Body::EncryptedFragment(fragment) => vec![
            Node::leaf("fragment", format_args!("{} of {}", fragment.number, fragment.total)),
            Node::leaf("first inside", fragment.first),
            Node::leaf("data", count(fragment.data.len())),
        ],
        Body::Configuration(configuration) => attributes(configuration),
        Body::Eap(eap) => vec![octets("message", &eap.message)],
        Body::Raw { data, .. } => vec![octets("data", data)],
    };
    Node::branch(name, parts)
}

fn security_association(sa: &SecurityAssociation) -> Vec<Node> {
    sa.proposals.iter().map(proposal).collect()
}

fn proposal(proposal: &Proposal) -> Node {
    let mut parts = Vec::new();
    if !proposal.spi.is_empty() {
        parts.push(octets("SPI", &proposal.spi));
    }
    parts.extend(proposal.transforms.iter().map(transform));
    parts.extend(reserved("reserved", u32::from(proposal.reserved)));
    parts.extend(deviant("last", proposal.last));
    parts.extend(deviant("length", proposal.length));
    parts.extend(deviant("SPI size", proposal.spi_size));
    parts.extend(deviant("transforms", proposal.transform_count));
    Node { name: format!("proposal {}", proposal.number), value: proposal.protocol.to_string(), parts }
}

fn transform(transform: &Transform) -> Node {
    let algorithm = Algorithm { kind: transform.transform_type, id: transform.id, key_bits: transform.key_length() };
    let mut parts = Vec::new();
    // A key length alone is part of the algorithm's name.
    if Algorithm::from_transform(transform).is_none() {
        parts.extend(transform.attributes.iter().map(|attribute| match &attribute.value {
            AttributeValue::Short(value) => Node::leaf(format!("attribute {}", attribute.attribute_type), value),
            AttributeValue::Long(value) => octets(&format!("attribute {}", attribute.attribute_type), value),
        }));
    }
    parts.extend(reserved("first reserved", u32::from(transform.reserved1)));
    parts.extend(reserved("second reserved", u32::from(transform.reserved2)));
    parts.extend(deviant("last", transform.last));
    parts.extend(deviant("length", transform.length));
    Node { name: transform.transform_type.to_string(), value: named(&algorithm), parts }
}

/// The word for an algorithm with its number.
fn named(algorithm: &Algorithm) -> String {
    match algorithm.word() {
        Some(word) => format!("{word} ({})", algorithm.id),
        None => match algorithm.key_bits {
            Some(bits) => format!("{} with {bits} bits", algorithm.id),
            None => algorithm.id.to_string(),
        },
    }
}

fn identification(id: &Identification) -> Vec<Node> {
    let identity = reference_peer::config::Identity::from_payload(id);
    let known = matches!(id.id_type, IdType::IPV4_ADDR | IdType::IPV6_ADDR | IdType::FQDN | IdType::RFC822_ADDR);
    let mut parts = vec![Node::leaf("type", id.id_type)];
    parts.push(match known {
        true => Node::leaf("identity", crate::text::printable(&identity.to_string())),
        false => octets("data", &id.data),
    });
    parts.extend(reserved_octets(id.reserved));
    parts
}

fn encoded(certificate: &Certificate) -> Vec<Node> {
    vec![Node::leaf("encoding", certificate.encoding), octets("data", &certificate.data)]
}

fn notification(name: String, notify: &Notify) -> Node {
    let mut parts = Vec::new();
    if notify.protocol.0 != 0 {
        parts.push(Node::leaf("protocol", notify.protocol));
    }
    if !notify.spi.is_empty() {
        parts.push(octets("SPI", &notify.spi));
    }
    if !notify.data.is_empty() {
        parts.push(octets("data", &notify.data));
    }
    parts.extend(deviant("SPI size", notify.spi_size));
    Node { name, value: notify.notify_type.to_string(), parts }
}

fn deleted(delete: &Delete) -> Vec<Node> {
    let mut parts = vec![Node::leaf("protocol", delete.protocol)];
    parts.extend(delete.spis().map(|spi| octets("SPI", spi)));
    parts.extend(deviant("SPIs", delete.spi_count));
    parts
}

fn traffic_selectors(selectors: &TrafficSelectors) -> Vec<Node> {
    let mut parts: Vec<Node> = selectors.selectors.iter().map(selector).collect();
    parts.extend(reserved_octets(selectors.reserved));
    parts.extend(deviant("count", selectors.count));
    parts
}

fn selector(selector: &TrafficSelector) -> Node {
    match selector {
        TrafficSelector::Range { protocol, length, start_port, end_port, start, end } => {
            let protocol = if *protocol == 0 { "any protocol".to_owned() } else { format!("protocol {protocol}") };
            let ports = match (start_port, end_port) {
                (0, 0xffff) => "any port".to_owned(),
                (0xffff, 0) => "opaque ports".to_owned(),
                (first, last) if first == last => format!("port {first}"),
                (first, last) => format!("ports {first}-{last}"),
            };
            let mut node = Node::leaf("selector", format_args!("{start}-{end}, {protocol}, {ports}"));
            node.parts.extend(deviant("length", *length));
            node
        }
        TrafficSelector::Raw { ts_type, protocol, data } => {
            let parts = vec![Node::leaf("second octet", protocol), octets("data", data)];
            Node { name: "selector".to_owned(), value: format!("type {ts_type}"), parts }
        }
    }
}

fn attributes(configuration: &Configuration) -> Vec<Node> {
    let kind = match configuration.cfg_type {
        1 => "CFG_REQUEST".to_owned(),
        2 => "CFG_REPLY".to_owned(),
        3 => "CFG_SET".to_owned(),
        4 => "CFG_ACK".to_owned(),
        other => other.to_string(),
    };
    let mut parts = vec![Node::leaf("type", kind)];
    for attribute in &configuration.attributes {
        parts.push(octets(&format!("attribute {}", attribute.attribute_type), &attribute.value));
        parts.extend(reserved("reserved bit", u32::from(attribute.reserved)));
    }
    parts.extend(reserved_octets(configuration.reserved));
    parts
}

/// Octets in hexadecimal, shortened in the middle.
pub(crate) fn octets(name: &str, data: &[u8]) -> Node {
    const SHOWN: usize = 16;
    let hex = |octets: &[u8]| {
        octets.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    };
    let value = match data.get(..SHOWN) {
        Some(first) if data.len() > SHOWN => format!("{}... ({})", hex(first), count(data.len())),
        _ if data.is_empty() => "empty".to_owned(),
        _ => hex(data),
    };
    Node::leaf(name, value)
}

pub(crate) fn count(octets: usize) -> String {
    crate::text::count(octets, "octet")
}

/// A derived field that the sender has made otherwise.
pub(crate) fn deviant<T: Display>(name: &str, field: Derived<T>) -> Option<Node> {
    match field {
        Derived::Computed => None,
        Derived::Exactly(value) => Some(Node::leaf(name, format_args!("{value} (not what it should be)"))),
    }
}

pub(crate) fn reserved(name: &str, value: u32) -> Option<Node> {
    (value != 0).then(|| Node::leaf(name, format_args!("{value:#x}")))
}

fn reserved_octets(value: [u8; 3]) -> Option<Node> {
    (value != [0; 3]).then(|| octets("reserved", &value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ikev2::{NotifyType, PayloadType, ProtocolId};

    #[test]
    fn what_is_as_it_should_be_is_not_shown_and_what_is_not_is() {
        let honest = Payload::from(Body::Notify(Notify::new(NotifyType::NO_PROPOSAL_CHOSEN, [])));
        assert_eq!(payload(&honest).to_text(0), "N: NO_PROPOSAL_CHOSEN\n");
        let deviant = Payload {
            critical: true,
            reserved: 0x41,
            length: Derived::Exactly(9),
            next_payload: Derived::Exactly(PayloadType::DELETE),
            ..honest
        };
        assert_eq!(
            payload(&deviant).to_text(1),
            "  N: NO_PROPOSAL_CHOSEN\n    critical: yes\n    reserved bits: 0x41\n    next payload: D (not what it should \
             be)\n    length: 9 (not what it should be)\n"
        );
    }

    #[test]
    fn an_sa_payload_is_told_in_words() {
        let transforms = [
            Transform::with_key_length(TransformType::ENCR, 20, 256),
            Transform::new(TransformType::KE, 31),
            Transform::new(TransformType::PRF, 4711),
        ];
        let sa = SecurityAssociation::new([Proposal::new(1, ProtocolId::ESP, [0xc0, 0xde, 0, 1], transforms)]);
        assert_eq!(
            payload(&Body::SecurityAssociation(sa).into()).to_text(0),
            "SA\n  proposal 1: ESP\n    SPI: c0de0001\n    ENCR: aes256gcm16 (20)\n    KE: x25519 (31)\n    PRF: 4711\n"
        );
    }

    #[test]
    fn long_octets_are_shortened() {
        assert_eq!(octets("x", &[0xab; 17]).value, "abababababababababababababababab... (17 octets)");
        assert_eq!(octets("x", &[0xab; 2]).value, "abab");
        assert_eq!(octets("x", &[]).value, "empty");
    }
}
