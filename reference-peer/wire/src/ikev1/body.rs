//! Contents of a payload, by payload type; here are those that are a few fixed fields and opaque data.

use super::{Configuration, Delete, IdType, Notification, PayloadType, SecurityAssociation};
use crate::Error;
use crate::reader::Reader;

/// Contents of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Body {
    /// SA (1) of the IPsec DOI.
    SecurityAssociation(SecurityAssociation),
    /// KE (4), RFC 2408 section 3.7: the public value.
    KeyExchange(Vec<u8>),
    /// ID (5).
    Identification(Identification),
    /// CERT (6).
    Certificate(Certificate),
    /// CERTREQ (7).
    CertificateRequest(Certificate),
    /// HASH (8).
    Hash(Vec<u8>),
    /// SIG (9).
    Signature(Vec<u8>),
    /// NONCE (10). Reading takes any length; the bounds of RFC 2409 section 5 are for the exchange to judge.
    Nonce(Vec<u8>),
    /// N (11).
    Notification(Notification),
    /// D (12).
    Delete(Delete),
    /// VID (13).
    VendorId(Vec<u8>),
    /// ATTR (14), mode config.
    Attributes(Configuration),
    /// NAT-D (20), RFC 3947 section 3.2: the hash of an address and port.
    NatDetection(Vec<u8>),
    /// NAT-OA (21), RFC 3947 section 5.2: in the form of an ID payload whose protocol and port are reserved.
    NatOriginalAddress(Identification),
    /// NAT-D (130) of the drafts.
    NatDetectionDraft(Vec<u8>),
    /// NAT-OA (131) of the drafts.
    NatOriginalAddressDraft(Identification),
    /// FRAG (132) of vendors.
    Fragment(Fragment),
    /// Any other type, an SA of another DOI, or a known type with contents of the sender's own making.
    Raw {
        /// Payload type as it stands in the chain.
        payload_type: PayloadType,
        /// Octets after the generic header.
        data: Vec<u8>,
    },
}

/// ID payload, RFC 2407 section 4.6.2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   ID Type     |  Protocol ID  |             Port              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                     Identification Data                       ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Identification {
    /// Kind of identity.
    pub id_type: IdType,
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// Port, 0 for any.
    pub port: u16,
    /// The identity. Reading takes any length; whether it fits the type is for its user to judge.
    pub data: Vec<u8>,
}

/// CERT (RFC 2408 section 3.9) or CERTREQ (section 3.10) payload: one octet of encoding, then the data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Certificate {
    /// Certificate encoding or type; 4 is X.509 signature.
    pub encoding: u8,
    /// Certificate data, or the name of an authority in a request.
    pub data: Vec<u8>,
}

/// A piece of a message that was too long, as vendors cut it: alone in a message of its own. Put together, the pieces
/// are a whole message with its header.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Fragment ID          |    Number     |     Flags     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                             Data                              ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Fragment {
    /// The same in all pieces of a message.
    pub id: u16,
    /// Number of the piece, from 1.
    pub number: u8,
    /// Flags; see [`LAST`](Self::LAST).
    pub flags: u8,
    /// Piece of the message.
    pub data: Vec<u8>,
}

impl Body {
    /// The payload type under which this body stands in a chain.
    pub fn payload_type(&self) -> PayloadType {
        match self {
            Self::SecurityAssociation(_) => PayloadType::SECURITY_ASSOCIATION,
            Self::KeyExchange(_) => PayloadType::KEY_EXCHANGE,
            Self::Identification(_) => PayloadType::IDENTIFICATION,
            Self::Certificate(_) => PayloadType::CERTIFICATE,
            Self::CertificateRequest(_) => PayloadType::CERTIFICATE_REQUEST,
            Self::Hash(_) => PayloadType::HASH,
            Self::Signature(_) => PayloadType::SIGNATURE,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notification(_) => PayloadType::NOTIFICATION,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::Attributes(_) => PayloadType::ATTRIBUTES,
            Self::NatDetection(_) => PayloadType::NAT_DETECTION,
            Self::NatOriginalAddress(_) => PayloadType::NAT_ORIGINAL_ADDRESS,
            Self::NatDetectionDraft(_) => PayloadType::NAT_DETECTION_DRAFT,
            Self::NatOriginalAddressDraft(_) => PayloadType::NAT_ORIGINAL_ADDRESS_DRAFT,
            Self::Fragment(_) => PayloadType::FRAGMENT,
            Self::Raw { payload_type, .. } => *payload_type,
        }
    }

    /// Reads the contents of a payload of the given type.
    pub(super) fn parse(payload_type: PayloadType, mut reader: Reader<'_>) -> Result<Self, Error> {
        let octets = |mut reader: Reader<'_>| reader.rest().to_vec();
        Ok(match payload_type {
            PayloadType::SECURITY_ASSOCIATION => match SecurityAssociation::parse(reader)? {
                Some(body) => Self::SecurityAssociation(body),
                None => Self::Raw { payload_type, data: octets(reader) },
            },
            PayloadType::KEY_EXCHANGE => Self::KeyExchange(octets(reader)),
            PayloadType::IDENTIFICATION => {
                Self::Identification(Identification::parse(reader.named("ID payload (RFC 2407 4.6.2)"))?)
            }
            PayloadType::CERTIFICATE => {
                Self::Certificate(Certificate::parse(reader.named("CERT payload (RFC 2408 3.9)"))?)
            }
            PayloadType::CERTIFICATE_REQUEST => {
                Self::CertificateRequest(Certificate::parse(reader.named("CERTREQ payload (RFC 2408 3.10)"))?)
            }
            PayloadType::HASH => Self::Hash(octets(reader)),
            PayloadType::SIGNATURE => Self::Signature(octets(reader)),
            PayloadType::NONCE => Self::Nonce(octets(reader)),
            PayloadType::NOTIFICATION => Self::Notification(Notification::parse(reader)?),
            PayloadType::DELETE => Self::Delete(Delete::parse(reader)?),
            PayloadType::VENDOR_ID => Self::VendorId(octets(reader)),
            PayloadType::ATTRIBUTES => Self::Attributes(Configuration::parse(reader)?),
            PayloadType::NAT_DETECTION => Self::NatDetection(octets(reader)),
            PayloadType::NAT_ORIGINAL_ADDRESS => {
                Self::NatOriginalAddress(Identification::parse(reader.named("NAT-OA payload (RFC 3947 5.2)"))?)
            }
            PayloadType::NAT_DETECTION_DRAFT => Self::NatDetectionDraft(octets(reader)),
            PayloadType::NAT_ORIGINAL_ADDRESS_DRAFT => {
                Self::NatOriginalAddressDraft(Identification::parse(reader.named("NAT-OA payload (RFC 3947 5.2)"))?)
            }
            PayloadType::FRAGMENT => {
                reader = reader.named("Fragment payload");
                let id = reader.u16()?;
                let [number, flags] = reader.array()?;
                Self::Fragment(Fragment { id, number, flags, data: octets(reader) })
            }
            _ => Self::Raw { payload_type, data: octets(reader) },
        })
    }

    /// Writes the contents of the payload, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::SecurityAssociation(body) => body.emit(out),
            Self::Identification(body) | Self::NatOriginalAddress(body) | Self::NatOriginalAddressDraft(body) => {
                body.emit(out);
            }
            Self::Certificate(Certificate { encoding, data })
            | Self::CertificateRequest(Certificate { encoding, data }) => {
                out.push(*encoding);
                out.extend(data);
            }
            Self::Notification(body) => body.emit(out),
            Self::Delete(body) => body.emit(out),
            Self::Attributes(body) => body.emit(out),
            Self::Fragment(Fragment { id, number, flags, data }) => {
                out.extend(id.to_be_bytes());
                out.extend([*number, *flags]);
                out.extend(data);
            }
            Self::KeyExchange(data)
            | Self::Hash(data)
            | Self::Signature(data)
            | Self::Nonce(data)
            | Self::VendorId(data)
            | Self::NatDetection(data)
            | Self::NatDetectionDraft(data)
            | Self::Raw { data, .. } => out.extend(data),
        }
    }

    /// The contents as octets: what the hashes of RFC 2409 call `<body>_b`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

impl Identification {
    /// An identity for any protocol and port.
    pub fn new(id_type: IdType, data: impl Into<Vec<u8>>) -> Self {
        Self { id_type, protocol: 0, port: 0, data: data.into() }
    }

    fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let [id_type, protocol] = reader.array()?;
        let port = reader.u16()?;
        Ok(Self { id_type: IdType(id_type), protocol, port, data: reader.rest().to_vec() })
    }

    /// Writes the payload's contents, without the generic header: the octets that HASH_I and HASH_R cover.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend([self.id_type.0, self.protocol]);
        out.extend(self.port.to_be_bytes());
        out.extend(&self.data);
    }
}

impl Certificate {
    fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        Ok(Self { encoding: reader.u8()?, data: reader.rest().to_vec() })
    }
}

impl Fragment {
    /// Flag of the last piece.
    pub const LAST: u8 = 1;

    /// Is this the last piece?
    pub fn is_last(&self) -> bool {
        self.flags & Self::LAST != 0
    }
}
