//! Payload bodies of RFC 7296 section 3.3 to 3.16 and RFC 7383 section 2.5, as plain values.

use super::*;
use crate::Derived;
use std::net::IpAddr;

/// SA payload, section 3.3.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecurityAssociation {
    /// Proposals in the sender's order of preference.
    pub proposals: Vec<Proposal>,
}

/// Proposal substructure, section 3.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// "Last Substruc": 0 for the last, 2 for the others.
    pub last: Derived<u8>,
    /// RESERVED octet.
    pub reserved: u8,
    /// Proposal length in octets.
    pub length: Derived<u16>,
    /// Proposal number, from 1.
    pub number: u8,
    /// IKE, AH or ESP.
    pub protocol: ProtocolId,
    /// SPI size in octets.
    pub spi_size: Derived<u8>,
    /// SPI: empty in the initial IKE proposals, 8 octets in an IKE rekey, 4 for AH and ESP.
    pub spi: Vec<u8>,
    /// Number of transforms.
    pub transform_count: Derived<u8>,
    /// Transforms.
    pub transforms: Vec<Transform>,
}

/// Transform substructure, section 3.3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// "Last Substruc": 0 for the last, 3 for the others.
    pub last: Derived<u8>,
    /// First RESERVED octet.
    pub reserved1: u8,
    /// Transform length in octets.
    pub length: Derived<u16>,
    /// ENCR, PRF, INTEG, KE (D-H) or ESN.
    pub transform_type: TransformType,
    /// Second RESERVED octet.
    pub reserved2: u8,
    /// Transform ID within its type.
    pub id: u16,
    /// Attributes, key length above all.
    pub attributes: Vec<Attribute>,
}

/// Transform attribute, section 3.3.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Attribute type without the AF bit; 14 is the key length.
    pub attribute_type: u16,
    /// Value in short (TV) or long (TLV) form.
    pub value: AttributeValue,
}

/// Value of an attribute with its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// AF = 1: two octets in place.
    Short(u16),
    /// AF = 0: length and value.
    Long(Vec<u8>),
}

/// KE payload, section 3.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyExchange {
    /// Key exchange method ("Diffie-Hellman Group Num"), an IANA transform type 4 number.
    pub group: u16,
    /// RESERVED.
    pub reserved: u16,
    /// Public value.
    pub data: Vec<u8>,
}

/// IDi or IDr payload, section 3.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification {
    /// Kind of identity.
    pub id_type: IdType,
    /// The three RESERVED octets; they are part of the signed octets as sent.
    pub reserved: [u8; 3],
    /// The identity.
    pub data: Vec<u8>,
}

/// CERT (section 3.6) or CERTREQ (section 3.7) payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Certificate encoding; 4 is X.509 signature.
    pub encoding: u8,
    /// Certificate data, or the hashes of authorities in a request.
    pub data: Vec<u8>,
}

/// AUTH payload, section 3.8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// Method; 2 is shared key message integrity code.
    pub method: AuthMethod,
    /// The three RESERVED octets.
    pub reserved: [u8; 3],
    /// Authentication data.
    pub data: Vec<u8>,
}

/// N payload, section 3.10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Protocol of the SA that the SPI names, 0 where there is none.
    pub protocol: ProtocolId,
    /// SPI size in octets.
    pub spi_size: Derived<u8>,
    /// What is notified.
    pub notify_type: NotifyType,
    /// SPI, or empty.
    pub spi: Vec<u8>,
    /// Notification data.
    pub data: Vec<u8>,
}

/// D payload, section 3.11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// IKE, AH or ESP.
    pub protocol: ProtocolId,
    /// SPI size: 0 for IKE, 4 for AH and ESP.
    pub spi_size: u8,
    /// Number of SPIs.
    pub spi_count: Derived<u16>,
    /// The SPIs, one after the other.
    pub spis: Vec<u8>,
}

/// TSi or TSr payload, section 3.13.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrafficSelectors {
    /// Number of selectors.
    pub count: Derived<u8>,
    /// The three RESERVED octets.
    pub reserved: [u8; 3],
    /// Selectors in order.
    pub selectors: Vec<TrafficSelector>,
}

/// One traffic selector, section 3.13.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficSelector {
    /// TS_IPV4_ADDR_RANGE (7) or TS_IPV6_ADDR_RANGE (8), by the family of the addresses (both must be the same).
    Range {
        /// IP protocol, 0 for any.
        protocol: u8,
        /// Selector length in octets.
        length: Derived<u16>,
        /// First port (ICMP: type and code).
        start_port: u16,
        /// Last port.
        end_port: u16,
        /// First address.
        start: IpAddr,
        /// Last address.
        end: IpAddr,
    },
    /// Any other type.
    Raw {
        /// TS type.
        ts_type: u8,
        /// Second octet.
        protocol: u8,
        /// Octets after type, protocol and length.
        data: Vec<u8>,
    },
}

/// SK payload, section 3.14, as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted {
    /// Type of the first payload inside (the Next Payload field of the generic header).
    pub first: PayloadType,
    /// IV, ciphertext and ICV.
    pub data: Vec<u8>,
}

/// CP payload, section 3.15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// CFG_REQUEST 1, CFG_REPLY 2, CFG_SET 3, CFG_ACK 4.
    pub cfg_type: u8,
    /// The three RESERVED octets.
    pub reserved: [u8; 3],
    /// Attributes.
    pub attributes: Vec<ConfigurationAttribute>,
}

/// Configuration attribute, section 3.15.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationAttribute {
    /// The reserved high bit.
    pub reserved: bool,
    /// Attribute type, 15 bits.
    pub attribute_type: u16,
    /// Value.
    pub value: Vec<u8>,
}

/// EAP payload, section 3.16.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eap {
    /// The EAP message as a whole (RFC 3748), code first.
    pub message: Vec<u8>,
}

/// SKF payload, RFC 7383 section 2.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedFragment {
    /// Type of the first payload inside; zero in all fragments but the first.
    pub first: PayloadType,
    /// Fragment number, from 1.
    pub number: u16,
    /// Total fragments.
    pub total: u16,
    /// IV, ciphertext and ICV.
    pub data: Vec<u8>,
}
