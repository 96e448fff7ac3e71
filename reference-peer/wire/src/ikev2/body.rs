//! Contents of a payload, by payload type; here are those that are a few fixed fields and opaque data.

use super::{AuthMethod, Configuration, Delete, IdType, Notify, PayloadType, SecurityAssociation, TrafficSelectors};
use crate::reader::Reader;
use crate::{Error, Rule};

/// Contents of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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
    /// Ni or Nr (40). Reading takes any length; the bounds of section 3.9 are for the exchange to judge.
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

/// KE payload, section 3.4.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Diffie-Hellman Group Num    |           RESERVED            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                       Key Exchange Data                       ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct KeyExchange {
    /// Key exchange method ("Diffie-Hellman Group Num"), an IANA transform type 4 number.
    pub group: u16,
    /// RESERVED.
    pub reserved: u16,
    /// Public value.
    pub data: Vec<u8>,
}

/// IDi or IDr payload, section 3.5.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   ID Type     |                 RESERVED                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                   Identification Data                         ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Identification {
    /// Kind of identity.
    pub id_type: IdType,
    /// The three RESERVED octets; they are part of the signed octets as sent.
    pub reserved: [u8; 3],
    /// The identity.
    pub data: Vec<u8>,
}

/// CERT (section 3.6) or CERTREQ (section 3.7) payload: one octet of encoding, then the data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Certificate {
    /// Certificate encoding; 4 is X.509 signature.
    pub encoding: u8,
    /// Certificate data, or the hashes of authorities in a request.
    pub data: Vec<u8>,
}

/// AUTH payload, section 3.8.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Auth Method   |                RESERVED                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                      Authentication Data                      ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Authentication {
    /// Method; 2 is shared key message integrity code.
    pub method: AuthMethod,
    /// The three RESERVED octets.
    pub reserved: [u8; 3],
    /// Authentication data.
    pub data: Vec<u8>,
}

/// SK payload, section 3.14, as it stands on the wire. The last of its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Encrypted {
    /// Type of the first payload inside (the Next Payload field of the generic header).
    pub first: PayloadType,
    /// IV, ciphertext and ICV. Reading takes any length; the least follows from the algorithms.
    pub data: Vec<u8>,
}

/// EAP payload, section 3.16.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Eap {
    /// The EAP message as a whole (RFC 3748), code first. Reading insists that its length field is right.
    pub message: Vec<u8>,
}

/// SKF payload, RFC 7383 section 2.5. The last of its chain.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        Fragment Number        |        Total Fragments        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~         Initialization Vector, encrypted content, ICV         ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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

    /// Reads the contents of a payload of the given type; `next` is its Next Payload field, which SK and SKF keep.
    pub(super) fn parse(payload_type: PayloadType, next: PayloadType, mut reader: Reader<'_>) -> Result<Self, Error> {
        Ok(match payload_type {
            PayloadType::SECURITY_ASSOCIATION => Self::SecurityAssociation(SecurityAssociation::parse(reader)?),
            PayloadType::KEY_EXCHANGE => {
                let mut reader = reader.named("KE payload (RFC 7296 3.4)");
                Self::KeyExchange(KeyExchange {
                    group: reader.u16()?,
                    reserved: reader.u16()?,
                    data: reader.rest().to_vec(),
                })
            }
            PayloadType::ID_INITIATOR => Self::IdInitiator(Identification::parse(reader)?),
            PayloadType::ID_RESPONDER => Self::IdResponder(Identification::parse(reader)?),
            PayloadType::CERTIFICATE => {
                Self::Certificate(Certificate::parse(reader.named("CERT payload (RFC 7296 3.6)"))?)
            }
            PayloadType::CERTIFICATE_REQUEST => {
                Self::CertificateRequest(Certificate::parse(reader.named("CERTREQ payload (RFC 7296 3.7)"))?)
            }
            PayloadType::AUTHENTICATION => {
                let mut reader = reader.named("AUTH payload (RFC 7296 3.8)");
                let [method, reserved @ ..] = reader.array::<4>()?;
                let data = reader.rest().to_vec();
                Self::Authentication(Authentication { method: AuthMethod(method), reserved, data })
            }
            PayloadType::NONCE => Self::Nonce(reader.rest().to_vec()),
            PayloadType::NOTIFY => Self::Notify(Notify::parse(reader)?),
            PayloadType::DELETE => Self::Delete(Delete::parse(reader)?),
            PayloadType::VENDOR_ID => Self::VendorId(reader.rest().to_vec()),
            PayloadType::TS_INITIATOR => Self::TsInitiator(TrafficSelectors::parse(reader)?),
            PayloadType::TS_RESPONDER => Self::TsResponder(TrafficSelectors::parse(reader)?),
            PayloadType::ENCRYPTED => Self::Encrypted(Encrypted { first: next, data: reader.rest().to_vec() }),
            PayloadType::CONFIGURATION => Self::Configuration(Configuration::parse(reader)?),
            PayloadType::EAP => Self::Eap(Eap::parse(reader)?),
            PayloadType::ENCRYPTED_FRAGMENT => {
                let mut reader = reader.named("SKF payload (RFC 7383 2.5)");
                Self::EncryptedFragment(EncryptedFragment {
                    first: next,
                    number: reader.u16()?,
                    total: reader.u16()?,
                    data: reader.rest().to_vec(),
                })
            }
            _ => Self::Raw { payload_type, data: reader.rest().to_vec() },
        })
    }

    /// Writes the contents of the payload, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::SecurityAssociation(body) => body.emit(out),
            Self::KeyExchange(KeyExchange { group, reserved, data }) => {
                out.extend(group.to_be_bytes());
                out.extend(reserved.to_be_bytes());
                out.extend(data);
            }
            Self::IdInitiator(body) | Self::IdResponder(body) => body.emit(out),
            Self::Certificate(Certificate { encoding, data })
            | Self::CertificateRequest(Certificate { encoding, data }) => {
                out.push(*encoding);
                out.extend(data);
            }
            Self::Authentication(Authentication { method, reserved, data }) => {
                out.push(method.0);
                out.extend(reserved);
                out.extend(data);
            }
            Self::Notify(body) => body.emit(out),
            Self::Delete(body) => body.emit(out),
            Self::TsInitiator(body) | Self::TsResponder(body) => body.emit(out),
            Self::Configuration(body) => body.emit(out),
            Self::EncryptedFragment(EncryptedFragment { number, total, data, .. }) => {
                out.extend(number.to_be_bytes());
                out.extend(total.to_be_bytes());
                out.extend(data);
            }
            Self::Nonce(data)
            | Self::VendorId(data)
            | Self::Encrypted(Encrypted { data, .. })
            | Self::Eap(Eap { message: data })
            | Self::Raw { data, .. } => out.extend(data),
        }
    }
}

impl KeyExchange {
    /// An honest payload.
    pub fn new(group: u16, data: impl Into<Vec<u8>>) -> Self {
        Self { group, reserved: 0, data: data.into() }
    }
}

impl Identification {
    /// An honest payload.
    pub fn new(id_type: IdType, data: impl Into<Vec<u8>>) -> Self {
        Self { id_type, reserved: [0; 3], data: data.into() }
    }

    fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let mut reader = reader.named("ID payload (RFC 7296 3.5)");
        let [id_type, reserved @ ..] = reader.array::<4>()?;
        Ok(Self { id_type: IdType(id_type), reserved, data: reader.rest().to_vec() })
    }

    /// Writes the payload's contents, without the generic header: the octets that AUTH covers (section 2.15).
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.id_type.0);
        out.extend(self.reserved);
        out.extend(&self.data);
    }
}

impl Certificate {
    fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        Ok(Self { encoding: reader.u8()?, data: reader.rest().to_vec() })
    }
}

impl Authentication {
    /// An honest payload.
    pub fn new(method: AuthMethod, data: impl Into<Vec<u8>>) -> Self {
        Self { method, reserved: [0; 3], data: data.into() }
    }
}

impl Eap {
    fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let start = reader.named("EAP payload (RFC 7296 3.16)");
        let mut reader = start;
        let message = reader.peek().to_vec();
        let [_code, _identifier, length_high, length_low] = reader.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        if usize::from(length) != message.len() {
            return Err(start.fail(Rule::EapLength { length, octets: message.len() }));
        }
        Ok(Self { message })
    }
}
