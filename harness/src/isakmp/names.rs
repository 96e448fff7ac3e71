//! Numbers of IKEv1 in words, as IANA has them.

use reference_peer::config::Algorithm;
use wire::ikev1::{Attribute, Body, Encapsulation, Payload, PayloadType, Phase1Class, Phase2Class, ProtocolId, vendor};
use wire::ikev2::TransformType;

/// A payload's name, with the type of a notify and the meaning of a vendor ID.
pub fn payload(payload: &Payload) -> String {
    match &payload.body {
        Body::Notification(notification) => format!("N({})", notification.notify_type),
        Body::Delete(delete) => format!("D({})", protocol(delete.protocol)),
        Body::VendorId(id) => match vendor_id(id) {
            Some(name) => format!("VID({name})"),
            None => PayloadType::VENDOR_ID.to_string(),
        },
        Body::Fragment(fragment) => {
            format!("FRAG({}{})", fragment.number, if fragment.is_last() { ", last" } else { "" })
        }
        body => body.payload_type().to_string(),
    }
}

/// Vendor IDs, or their beginning where a version follows, and what they announce. Most are the MD5 of a text.
const VENDOR_IDS: &[(&[u8], &str)] = &[
    (&vendor::DEAD_PEER_DETECTION, "DPD"),
    (&vendor::NAT_RFC_3947, "RFC 3947"),
    (&vendor::NAT_DRAFT_03, "draft-ietf-ipsec-nat-t-ike-03"),
    (&vendor::NAT_DRAFT_02, "draft-ietf-ipsec-nat-t-ike-02"),
    (&vendor::NAT_DRAFT_02_N, "draft-ietf-ipsec-nat-t-ike-02\\n"),
    (&vendor::NAT_DRAFT_00, "draft-ietf-ipsec-nat-t-ike-00"),
    (&vendor::XAUTH, "XAUTH"),
    (&vendor::FRAGMENTATION, "FRAGMENTATION"),
    (b"\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb", "strongSwan"),
    (b"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc", "CISCO-UNITY"),
    (b"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61", "MS NT5 ISAKMPOAKLEY"),
    (b"OE-Libreswan-", "Libreswan"),
];

/// What a vendor ID announces, if it is known.
pub fn vendor_id(id: &[u8]) -> Option<&'static str> {
    VENDOR_IDS.iter().find(|(known, _)| id.starts_with(known)).map(|(_, name)| *name)
}

/// A protocol by its name in IKEv1.
pub fn protocol(protocol: ProtocolId) -> String {
    if protocol == ProtocolId::IKE { "ISAKMP".to_owned() } else { protocol.to_string() }
}

/// The name of a transform of a protocol (RFC 2407 sections 4.4.2 to 4.4.4), with its number.
pub fn transform(protocol: ProtocolId, id: u8) -> String {
    let name = match (protocol, id) {
        (ProtocolId::IKE, 1) => "KEY_IKE",
        (ProtocolId::AH, 2) => "AH_MD5",
        (ProtocolId::AH, 3) => "AH_SHA",
        (ProtocolId::AH, 4) => "AH_DES",
        (ProtocolId::AH, 5) => "AH_SHA2-256",
        (ProtocolId::AH, 6) => "AH_SHA2-384",
        (ProtocolId::AH, 7) => "AH_SHA2-512",
        (ProtocolId::AH, 9) => "AH_AES-XCBC-MAC",
        (ProtocolId::AH, 11) => "AH_AES-128-GMAC",
        (ProtocolId::AH, 12) => "AH_AES-192-GMAC",
        (ProtocolId::AH, 13) => "AH_AES-256-GMAC",
        (ProtocolId::ESP, 1) => "ESP_DES_IV64",
        (ProtocolId::ESP, 2) => "ESP_DES",
        (ProtocolId::ESP, 3) => "ESP_3DES",
        (ProtocolId::ESP, 4) => "ESP_RC5",
        (ProtocolId::ESP, 5) => "ESP_IDEA",
        (ProtocolId::ESP, 6) => "ESP_CAST",
        (ProtocolId::ESP, 7) => "ESP_BLOWFISH",
        (ProtocolId::ESP, 11) => "ESP_NULL",
        (ProtocolId::ESP, 12) => "ESP_AES-CBC",
        (ProtocolId::ESP, 13) => "ESP_AES-CTR",
        (ProtocolId::ESP, 14) => "ESP_AES-CCM_8",
        (ProtocolId::ESP, 15) => "ESP_AES-CCM_12",
        (ProtocolId::ESP, 16) => "ESP_AES-CCM_16",
        (ProtocolId::ESP, 18) => "ESP_AES-GCM_8",
        (ProtocolId::ESP, 19) => "ESP_AES-GCM_12",
        (ProtocolId::ESP, 20) => "ESP_AES-GCM_16",
        (ProtocolId::ESP, 22) => "ESP_CAMELLIA",
        (ProtocolId::ESP, 23) => "ESP_NULL_AUTH_AES-GMAC",
        _ => return id.to_string(),
    };
    format!("{name} ({id})")
}

/// Class and value of an attribute of a transform, in words where they have any.
pub fn attribute(protocol: ProtocolId, attribute: &Attribute) -> (String, Option<String>) {
    let class = attribute.class;
    let (name, value) = if protocol == ProtocolId::IKE {
        (Phase1Class(class).name(), phase1_value(Phase1Class(class), attribute.as_number()))
    } else {
        (Phase2Class(class).name(), phase2_value(Phase2Class(class), attribute.as_number()))
    };
    (name.map_or_else(|| format!("attribute {class}"), str::to_owned), value)
}

fn phase1_value(class: Phase1Class, value: Option<u64>) -> Option<String> {
    let value = value?;
    let name = match (class, value) {
        (Phase1Class::ENCRYPTION, 1) => "DES-CBC",
        (Phase1Class::ENCRYPTION, 2) => "IDEA-CBC",
        (Phase1Class::ENCRYPTION, 3) => "Blowfish-CBC",
        (Phase1Class::ENCRYPTION, 4) => "RC5-R16-B64-CBC",
        (Phase1Class::ENCRYPTION, 5) => "3DES-CBC",
        (Phase1Class::ENCRYPTION, 6) => "CAST-CBC",
        (Phase1Class::ENCRYPTION, 7) => "AES-CBC",
        (Phase1Class::ENCRYPTION, 8) => "CAMELLIA-CBC",
        (Phase1Class::HASH, 1) => "MD5",
        (Phase1Class::HASH, 2) => "SHA",
        (Phase1Class::HASH, 3) => "Tiger",
        (Phase1Class::HASH, 4) => "SHA2-256",
        (Phase1Class::HASH, 5) => "SHA2-384",
        (Phase1Class::HASH, 6) => "SHA2-512",
        (Phase1Class::AUTHENTICATION, 1) => "pre-shared key",
        (Phase1Class::AUTHENTICATION, 2) => "DSS signatures",
        (Phase1Class::AUTHENTICATION, 3) => "RSA signatures",
        (Phase1Class::AUTHENTICATION, 4) => "Encryption with RSA",
        (Phase1Class::AUTHENTICATION, 5) => "Revised encryption with RSA",
        (Phase1Class::AUTHENTICATION, 65001) => "XAUTHInitPreShared",
        (Phase1Class::GROUP, group) => return Some(group_name(group)),
        (Phase1Class::LIFE_TYPE, life) => return Some(life_type(life)),
        _ => return Some(value.to_string()),
    };
    Some(format!("{name} ({value})"))
}

fn phase2_value(class: Phase2Class, value: Option<u64>) -> Option<String> {
    let value = value?;
    let name = match (class, value) {
        (Phase2Class::AUTHENTICATION, 1) => "HMAC-MD5",
        (Phase2Class::AUTHENTICATION, 2) => "HMAC-SHA",
        (Phase2Class::AUTHENTICATION, 3) => "DES-MAC",
        (Phase2Class::AUTHENTICATION, 4) => "KPDK",
        (Phase2Class::AUTHENTICATION, 5) => "HMAC-SHA2-256",
        (Phase2Class::AUTHENTICATION, 6) => "HMAC-SHA2-384",
        (Phase2Class::AUTHENTICATION, 7) => "HMAC-SHA2-512",
        (Phase2Class::AUTHENTICATION, 9) => "AES-XCBC-MAC",
        (Phase2Class::GROUP, group) => return Some(group_name(group)),
        (Phase2Class::LIFE_TYPE, life) => return Some(life_type(life)),
        (Phase2Class::ENCAPSULATION, mode) => {
            match u16::try_from(mode).ok().and_then(|mode| Encapsulation(mode).name()) {
                Some(name) => name,
                None => return Some(value.to_string()),
            }
        }
        _ => return Some(value.to_string()),
    };
    Some(format!("{name} ({value})"))
}

fn group_name(group: u64) -> String {
    let word = u16::try_from(group).ok().and_then(|group| Algorithm::new(TransformType::KE, group).word());
    word.map_or_else(|| group.to_string(), |word| format!("{word} ({group})"))
}

fn life_type(life: u64) -> String {
    match life {
        1 => "seconds (1)".to_owned(),
        2 => "kilobytes (2)".to_owned(),
        other => other.to_string(),
    }
}
