//! An IKEv2 message: header (RFC 7296 section 3.1) and chain of payloads (section 3.2).

use super::{
    Authentication, Certificate, Configuration, Delete, Eap, Encrypted, EncryptedFragment, Identification, KeyExchange,
    Notify, SecurityAssociation, TrafficSelectors,
};
use super::{ExchangeType, Flags, PayloadType};
use crate::Derived;

/// A whole message as it stands in one datagram (without the non-ESP marker of port 4500).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The 28-octet header.
    pub header: Header,
    /// The payloads outside the Encrypted payload, in order; a protected message has just `Body::Encrypted` here.
    pub payloads: Vec<Payload>,
    /// Octets after the last payload, inside or outside the header's length. Reading never yields any.
    pub trailing: Vec<u8>,
}

/// The IKE header, RFC 7296 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// SPI chosen by the original initiator of the IKE SA.
    pub initiator_spi: u64,
    /// SPI chosen by the original responder; zero in the first IKE_SA_INIT request.
    pub responder_spi: u64,
    /// Type of the first payload.
    pub next_payload: Derived<PayloadType>,
    /// Major version in the high, minor in the low four bits: 0x20.
    pub version: u8,
    /// Exchange type.
    pub exchange_type: ExchangeType,
    /// I, V and R flags and the reserved bits.
    pub flags: Flags,
    /// Message ID.
    pub message_id: u32,
    /// Octets of the whole message, header included.
    pub length: Derived<u32>,
}

/// One payload with its generic header, RFC 7296 section 3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Type of the payload after this one (of the first inner payload for SK and SKF: that one lives in the body).
    pub next_payload: Derived<PayloadType>,
    /// Critical bit.
    pub critical: bool,
    /// The seven RESERVED bits of the generic header.
    pub reserved: u8,
    /// Payload length in octets, generic header included.
    pub length: Derived<u16>,
    /// What it carries.
    pub body: Body,
}

/// Contents of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// SA (33).
    SecurityAssociation(SecurityAssociation),
    /// KE (34).
    KeyExchange(KeyExchange),
    /// IDi (35).
    IdInitiator(Identification),
    /// IDr (36).
    IdResponder(Identification),
    /// CERT (37).
    Certificate(Certificate),
    /// CERTREQ (38).
    CertificateRequest(Certificate),
    /// AUTH (39).
    Authentication(Authentication),
    /// Ni or Nr (40).
    Nonce(Vec<u8>),
    /// N (41).
    Notify(Notify),
    /// D (42).
    Delete(Delete),
    /// V (43).
    VendorId(Vec<u8>),
    /// TSi (44).
    TsInitiator(TrafficSelectors),
    /// TSr (45).
    TsResponder(TrafficSelectors),
    /// SK (46): still encrypted.
    Encrypted(Encrypted),
    /// CP (47).
    Configuration(Configuration),
    /// EAP (48).
    Eap(Eap),
    /// SKF (53), RFC 7383: still encrypted.
    EncryptedFragment(EncryptedFragment),
    /// Any other type, or a known type with contents of the sender's own making.
    Raw {
        /// Payload type as it stands in the chain.
        payload_type: PayloadType,
        /// Octets after the generic header.
        data: Vec<u8>,
    },
}

impl Body {
    /// The payload type under which this body stands in a chain.
    pub fn payload_type(&self) -> PayloadType {
        match self {
            Self::SecurityAssociation(_) => PayloadType::SECURITY_ASSOCIATION,
            Self::KeyExchange(_) => PayloadType::KEY_EXCHANGE,
            Self::IdInitiator(_) => PayloadType::ID_INITIATOR,
            Self::IdResponder(_) => PayloadType::ID_RESPONDER,
            Self::Certificate(_) => PayloadType::CERTIFICATE,
            Self::CertificateRequest(_) => PayloadType::CERTIFICATE_REQUEST,
            Self::Authentication(_) => PayloadType::AUTHENTICATION,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsInitiator(_) => PayloadType::TS_INITIATOR,
            Self::TsResponder(_) => PayloadType::TS_RESPONDER,
            Self::Encrypted(_) => PayloadType::ENCRYPTED,
            Self::Configuration(_) => PayloadType::CONFIGURATION,
            Self::Eap(_) => PayloadType::EAP,
            Self::EncryptedFragment(_) => PayloadType::ENCRYPTED_FRAGMENT,
            Self::Raw { payload_type, .. } => *payload_type,
        }
    }
}

impl From<Body> for Payload {
    /// The body with an honest generic header.
    fn from(body: Body) -> Self {
        Self { next_payload: Derived::Computed, critical: false, reserved: 0, length: Derived::Computed, body }
    }
}
