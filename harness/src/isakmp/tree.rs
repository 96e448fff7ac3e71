//! What an IKEv1 message consists of, as a tree. As with IKEv2, what is as it should be is not shown beside its value.

use super::{SeenIsakmp, names};
use crate::tree::{Node, count, deviant, octets, reserved};
use reference_peer::ike::v1::observer::HashCheck;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::ikev1::{
    Attribute, AttributeValue, Body, Configuration, Delete, Doi, Header, IdType, Identification, Notification, Payload,
    Proposal, ProtocolId, SecurityAssociation, Situation, Transform,
};

/// Header, payloads, and what was inside.
pub fn message(isakmp: &SeenIsakmp) -> Vec<Node> {
    // That of a sound message knows which of its fields are as they should be.
    let known = isakmp.message.as_ref().ok().map(|message| message.header).or(isakmp.header);
    let mut parts: Vec<Node> = known.iter().map(header).collect();
    match (&isakmp.message, &isakmp.opened) {
        (Err(error), _) => parts.push(Node::leaf("malformed", error)),
        (Ok(message), None) => parts.extend(message.payloads().iter().map(payload)),
        (Ok(_), Some(Err(why))) => parts.push(Node::leaf("not decrypted", why)),
        (Ok(_), Some(Ok(opened))) => {
            let mut inside = match &opened.payloads {
                Ok(payloads) => payloads.iter().map(payload).collect(),
                Err(error) => vec![Node::leaf("malformed", error)],
            };
            if !opened.padding.is_empty() {
                let zero = opened.padding.iter().all(|octet| *octet == 0);
                let length = count(opened.padding.len());
                inside.push(if zero { Node::leaf("padding", length) } else { octets("padding", &opened.padding) });
            }
            parts.push(Node::branch("decrypted", inside));
        }
    }
    match isakmp.hash {
        HashCheck::Right => parts.push(Node::leaf("hash", "right")),
        HashCheck::Wrong => parts.push(Node::leaf("hash", "wrong")),
        HashCheck::Absent | HashCheck::Unchecked => {}
    }
    parts
}

fn header(header: &Header) -> Node {
    let named = [(header.flags.encrypted(), "encryption"), (header.flags.commit(), "commit")];
    let mut flags: Vec<&str> = named.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    if header.flags.0 & wire::ikev1::Flags::AUTHENTICATION != 0 {
        flags.push("authentication only");
    }
    let mut parts = vec![
        Node::leaf("initiator cookie", format_args!("{:016x}", header.initiator_cookie)),
        Node::leaf("responder cookie", format_args!("{:016x}", header.responder_cookie)),
        Node::leaf("version", format_args!("{}.{}", header.major_version(), header.minor_version())),
        Node::leaf("exchange", header.exchange_type),
        Node::leaf("flags", if flags.is_empty() { "none".to_owned() } else { flags.join(", ") }),
        Node::leaf("message ID", format_args!("{:08x}", header.message_id)),
    ];
    parts.extend(reserved("reserved flags", u32::from(header.flags.reserved())));
    parts.extend(deviant("next payload", header.next_payload));
    parts.extend(deviant("length", header.length));
    Node::branch("header", parts)
}

fn payload(payload: &Payload) -> Node {
    let mut node = body(&payload.body);
    node.parts.extend(reserved("reserved", u32::from(payload.reserved)));
    node.parts.extend(deviant("next payload", payload.next_payload));
    node.parts.extend(deviant("length", payload.length));
    node
}

fn body(body: &Body) -> Node {
    let name = body.payload_type().to_string();
    let parts = match body {
        Body::SecurityAssociation(sa) => security_association(sa),
        Body::Identification(id) | Body::NatOriginalAddress(id) | Body::NatOriginalAddressDraft(id) => {
            return Node { parts: identification_parts(id), ..Node::leaf(name, identity(id)) };
        }
        Body::Certificate(certificate) | Body::CertificateRequest(certificate) => {
            vec![Node::leaf("encoding", certificate.encoding), octets("data", &certificate.data)]
        }
        Body::Notification(notification) => return notified(name, notification),
        Body::Delete(delete) => deleted(delete),
        Body::VendorId(id) => match names::vendor_id(id) {
            Some(known) => return Node { parts: vec![octets("data", id)], ..Node::leaf(name, known) },
            None => vec![octets("data", id)],
        },
        Body::Attributes(configuration) => attributes(configuration),
        Body::Fragment(fragment) => vec![
            Node::leaf("fragment", format_args!("{} of packet {}", fragment.number, fragment.id)),
            Node::leaf("last", if fragment.is_last() { "yes" } else { "no" }),
            Node::leaf("data", count(fragment.data.len())),
        ],
        Body::KeyExchange(data)
        | Body::Hash(data)
        | Body::Signature(data)
        | Body::Nonce(data)
        | Body::NatDetection(data)
        | Body::NatDetectionDraft(data)
        | Body::Raw { data, .. } => vec![octets("data", data)],
    };
    Node::branch(name, parts)
}

fn security_association(sa: &SecurityAssociation) -> Vec<Node> {
    let mut parts = Vec::new();
    if sa.situation != Situation::IDENTITY_ONLY {
        parts.push(Node::leaf("situation", format_args!("{:#x}", sa.situation.0)));
    }
    if !sa.labels.is_empty() {
        parts.push(octets("labels", &sa.labels));
    }
    parts.extend(sa.proposals.iter().map(proposal));
    parts
}

fn proposal(proposal: &Proposal) -> Node {
    let mut parts = Vec::new();
    if !proposal.spi.is_empty() {
        parts.push(octets("SPI", &proposal.spi));
    }
    parts.extend(proposal.transforms.iter().map(|own| transform(proposal.protocol, own)));
    parts.extend(reserved("reserved", u32::from(proposal.reserved)));
    parts.extend(deviant("next payload", proposal.next_payload));
    parts.extend(deviant("length", proposal.length));
    parts.extend(deviant("SPI size", proposal.spi_size));
    parts.extend(deviant("transforms", proposal.transform_count));
    Node { name: format!("proposal {}", proposal.number), value: names::protocol(proposal.protocol), parts }
}

fn transform(protocol: ProtocolId, transform: &Transform) -> Node {
    let mut parts: Vec<Node> = transform.attributes.iter().map(|own| attribute(protocol, own)).collect();
    parts.extend(reserved("first reserved", u32::from(transform.reserved1)));
    parts.extend(reserved("second reserved", u32::from(transform.reserved2)));
    parts.extend(deviant("next payload", transform.next_payload));
    parts.extend(deviant("length", transform.length));
    let value = names::transform(protocol, transform.id);
    Node { name: format!("transform {}", transform.number), value, parts }
}

fn attribute(protocol: ProtocolId, attribute: &Attribute) -> Node {
    let (name, words) = names::attribute(protocol, attribute);
    let mut node = match (words, &attribute.value) {
        (Some(words), _) => Node::leaf(name, words),
        (None, AttributeValue::Basic(value)) => Node::leaf(name, value),
        (None, AttributeValue::Variable { value, .. }) => octets(&name, value),
    };
    if let AttributeValue::Variable { length, .. } = &attribute.value {
        node.parts.extend(deviant("length", *length));
    }
    node
}

/// Addresses and names of an identity, as people write them (RFC 2407 section 4.6.2).
pub fn identity(id: &Identification) -> String {
    let v4 = |at: usize| id.data.get(at..at + 4)?.try_into().ok().map(|octets: [u8; 4]| Ipv4Addr::from(octets));
    let v6 = |at: usize| id.data.get(at..at + 16)?.try_into().ok().map(|octets: [u8; 16]| Ipv6Addr::from(octets));
    let known = match (id.id_type, id.data.len()) {
        (IdType::IPV4_ADDR, 4) => v4(0).map(|address| address.to_string()),
        (IdType::IPV6_ADDR, 16) => v6(0).map(|address| address.to_string()),
        (IdType::IPV4_ADDR_SUBNET, 8) => v4(0).zip(v4(4)).map(|(net, mask)| format!("{net}/{mask}")),
        (IdType::IPV6_ADDR_SUBNET, 32) => v6(0).zip(v6(16)).map(|(net, mask)| format!("{net}/{mask}")),
        (IdType::IPV4_ADDR_RANGE, 8) => v4(0).zip(v4(4)).map(|(first, last)| format!("{first}-{last}")),
        (IdType::IPV6_ADDR_RANGE, 32) => v6(0).zip(v6(16)).map(|(first, last)| format!("{first}-{last}")),
        (IdType::FQDN | IdType::USER_FQDN, _) => std::str::from_utf8(&id.data).ok().map(crate::text::printable),
        _ => None,
    };
    known.unwrap_or_else(|| octets("", &id.data).value)
}

fn identification_parts(id: &Identification) -> Vec<Node> {
    let mut parts = vec![Node::leaf("type", id.id_type)];
    if id.protocol != 0 {
        parts.push(Node::leaf("protocol", id.protocol));
    }
    if id.port != 0 {
        parts.push(Node::leaf("port", id.port));
    }
    parts
}

fn notified(name: String, notification: &Notification) -> Node {
    let mut parts = domain(notification.doi);
    parts.push(Node::leaf("protocol", names::protocol(notification.protocol)));
    if !notification.spi.is_empty() {
        parts.push(octets("SPI", &notification.spi));
    }
    if !notification.data.is_empty() {
        parts.push(octets("data", &notification.data));
    }
    parts.extend(deviant("SPI size", notification.spi_size));
    Node { name, value: notification.notify_type.to_string(), parts }
}

fn deleted(delete: &Delete) -> Vec<Node> {
    let mut parts = domain(delete.doi);
    parts.push(Node::leaf("protocol", names::protocol(delete.protocol)));
    parts.extend(delete.spis().map(|spi| octets("SPI", spi)));
    parts.extend(deviant("SPIs", delete.spi_count));
    parts
}

/// A domain of interpretation other than that of IPsec.
fn domain(doi: Doi) -> Vec<Node> {
    if doi == Doi::IPSEC { Vec::new() } else { vec![Node::leaf("DOI", doi)] }
}

fn attributes(configuration: &Configuration) -> Vec<Node> {
    let kind = match configuration.cfg_type {
        Configuration::REQUEST => "ISAKMP_CFG_REQUEST".to_owned(),
        Configuration::REPLY => "ISAKMP_CFG_REPLY".to_owned(),
        Configuration::SET => "ISAKMP_CFG_SET".to_owned(),
        Configuration::ACK => "ISAKMP_CFG_ACK".to_owned(),
        other => other.to_string(),
    };
    let mut parts = vec![Node::leaf("type", kind), Node::leaf("identifier", configuration.identifier)];
    for attribute in &configuration.attributes {
        let name = format!("attribute {}", attribute.class);
        parts.push(match &attribute.value {
            AttributeValue::Basic(value) => Node::leaf(name, value),
            AttributeValue::Variable { value, .. } => octets(&name, value),
        });
    }
    parts.extend(reserved("reserved", u32::from(configuration.reserved)));
    parts
}
