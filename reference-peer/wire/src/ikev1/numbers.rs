//! Numbers of IKEv1, open: a value without a name survives a round trip.
//!
//! Protocol identifiers are those of IKEv2, which took them over: `PROTO_ISAKMP` is `ProtocolId::IKE`.

use crate::open::open;

open! {
    /// Exchange type, RFC 2408 section 3.1 and RFC 2409 appendix A; Transaction is that of mode config.
    ExchangeType(u8) {
        BASE = 1, "Base";
        MAIN = 2, "Main Mode";
        AUTHENTICATION_ONLY = 3, "Authentication Only";
        AGGRESSIVE = 4, "Aggressive Mode";
        INFORMATIONAL = 5, "Informational";
        TRANSACTION = 6, "Transaction";
        QUICK = 32, "Quick Mode";
        NEW_GROUP = 33, "New Group Mode";
    }
}

open! {
    /// Payload type, RFC 2408 section 3.1, RFC 3947 sections 3.2 and 5.2; the drafts of NAT traversal and the
    /// fragmentation of vendors have private numbers.
    PayloadType(u8) {
        NONE = 0, "NONE";
        SECURITY_ASSOCIATION = 1, "SA";
        PROPOSAL = 2, "P";
        TRANSFORM = 3, "T";
        KEY_EXCHANGE = 4, "KE";
        IDENTIFICATION = 5, "ID";
        CERTIFICATE = 6, "CERT";
        CERTIFICATE_REQUEST = 7, "CERTREQ";
        HASH = 8, "HASH";
        SIGNATURE = 9, "SIG";
        NONCE = 10, "NONCE";
        NOTIFICATION = 11, "N";
        DELETE = 12, "D";
        VENDOR_ID = 13, "VID";
        ATTRIBUTES = 14, "ATTR";
        NAT_DETECTION = 20, "NAT-D";
        NAT_ORIGINAL_ADDRESS = 21, "NAT-OA";
        NAT_DETECTION_DRAFT = 130, "NAT-D (draft)";
        NAT_ORIGINAL_ADDRESS_DRAFT = 131, "NAT-OA (draft)";
        FRAGMENT = 132, "FRAG";
    }
}

open! {
    /// Domain of interpretation, RFC 2408 section 3.4.
    Doi(u32) {
        ISAKMP = 0, "ISAKMP";
        IPSEC = 1, "IPSEC";
    }
}

open! {
    /// Identification type, RFC 2407 section 4.6.2.1.
    IdType(u8) {
        IPV4_ADDR = 1, "ID_IPV4_ADDR";
        FQDN = 2, "ID_FQDN";
        USER_FQDN = 3, "ID_USER_FQDN";
        IPV4_ADDR_SUBNET = 4, "ID_IPV4_ADDR_SUBNET";
        IPV6_ADDR = 5, "ID_IPV6_ADDR";
        IPV6_ADDR_SUBNET = 6, "ID_IPV6_ADDR_SUBNET";
        IPV4_ADDR_RANGE = 7, "ID_IPV4_ADDR_RANGE";
        IPV6_ADDR_RANGE = 8, "ID_IPV6_ADDR_RANGE";
        DER_ASN1_DN = 9, "ID_DER_ASN1_DN";
        DER_ASN1_GN = 10, "ID_DER_ASN1_GN";
        KEY_ID = 11, "ID_KEY_ID";
    }
}

open! {
    /// Notify message type, RFC 2408 section 3.14.1, RFC 2407 section 4.6.3, RFC 3706 section 5.3.
    NotifyType(u16) {
        INVALID_PAYLOAD_TYPE = 1, "INVALID-PAYLOAD-TYPE";
        DOI_NOT_SUPPORTED = 2, "DOI-NOT-SUPPORTED";
        SITUATION_NOT_SUPPORTED = 3, "SITUATION-NOT-SUPPORTED";
        INVALID_COOKIE = 4, "INVALID-COOKIE";
        INVALID_MAJOR_VERSION = 5, "INVALID-MAJOR-VERSION";
        INVALID_MINOR_VERSION = 6, "INVALID-MINOR-VERSION";
        INVALID_EXCHANGE_TYPE = 7, "INVALID-EXCHANGE-TYPE";
        INVALID_FLAGS = 8, "INVALID-FLAGS";
        INVALID_MESSAGE_ID = 9, "INVALID-MESSAGE-ID";
        INVALID_PROTOCOL_ID = 10, "INVALID-PROTOCOL-ID";
        INVALID_SPI = 11, "INVALID-SPI";
        INVALID_TRANSFORM_ID = 12, "INVALID-TRANSFORM-ID";
        ATTRIBUTES_NOT_SUPPORTED = 13, "ATTRIBUTES-NOT-SUPPORTED";
        NO_PROPOSAL_CHOSEN = 14, "NO-PROPOSAL-CHOSEN";
        BAD_PROPOSAL_SYNTAX = 15, "BAD-PROPOSAL-SYNTAX";
        PAYLOAD_MALFORMED = 16, "PAYLOAD-MALFORMED";
        INVALID_KEY_INFORMATION = 17, "INVALID-KEY-INFORMATION";
        INVALID_ID_INFORMATION = 18, "INVALID-ID-INFORMATION";
        INVALID_CERT_ENCODING = 19, "INVALID-CERT-ENCODING";
        INVALID_CERTIFICATE = 20, "INVALID-CERTIFICATE";
        CERT_TYPE_UNSUPPORTED = 21, "CERT-TYPE-UNSUPPORTED";
        INVALID_CERT_AUTHORITY = 22, "INVALID-CERT-AUTHORITY";
        INVALID_HASH_INFORMATION = 23, "INVALID-HASH-INFORMATION";
        AUTHENTICATION_FAILED = 24, "AUTHENTICATION-FAILED";
        INVALID_SIGNATURE = 25, "INVALID-SIGNATURE";
        ADDRESS_NOTIFICATION = 26, "ADDRESS-NOTIFICATION";
        NOTIFY_SA_LIFETIME = 27, "NOTIFY-SA-LIFETIME";
        CERTIFICATE_UNAVAILABLE = 28, "CERTIFICATE-UNAVAILABLE";
        UNSUPPORTED_EXCHANGE_TYPE = 29, "UNSUPPORTED-EXCHANGE-TYPE";
        UNEQUAL_PAYLOAD_LENGTHS = 30, "UNEQUAL-PAYLOAD-LENGTHS";
        CONNECTED = 16384, "CONNECTED";
        RESPONDER_LIFETIME = 24576, "RESPONDER-LIFETIME";
        REPLAY_STATUS = 24577, "REPLAY-STATUS";
        INITIAL_CONTACT = 24578, "INITIAL-CONTACT";
        R_U_THERE = 36136, "R-U-THERE";
        R_U_THERE_ACK = 36137, "R-U-THERE-ACK";
    }
}

open! {
    /// Class of an attribute of phase 1, RFC 2409 appendix A.
    Phase1Class(u16) {
        ENCRYPTION = 1, "Encryption Algorithm";
        HASH = 2, "Hash Algorithm";
        AUTHENTICATION = 3, "Authentication Method";
        GROUP = 4, "Group Description";
        GROUP_TYPE = 5, "Group Type";
        GROUP_PRIME = 6, "Group Prime";
        GROUP_GENERATOR_ONE = 7, "Group Generator One";
        GROUP_GENERATOR_TWO = 8, "Group Generator Two";
        GROUP_CURVE_A = 9, "Group Curve A";
        GROUP_CURVE_B = 10, "Group Curve B";
        LIFE_TYPE = 11, "Life Type";
        LIFE_DURATION = 12, "Life Duration";
        PRF = 13, "PRF";
        KEY_LENGTH = 14, "Key Length";
        FIELD_SIZE = 15, "Field Size";
        GROUP_ORDER = 16, "Group Order";
    }
}

open! {
    /// Class of an attribute of the IPsec DOI (quick mode), RFC 2407 section 4.5.
    Phase2Class(u16) {
        LIFE_TYPE = 1, "SA Life Type";
        LIFE_DURATION = 2, "SA Life Duration";
        GROUP = 3, "Group Description";
        ENCAPSULATION = 4, "Encapsulation Mode";
        AUTHENTICATION = 5, "Authentication Algorithm";
        KEY_LENGTH = 6, "Key Length";
        KEY_ROUNDS = 7, "Key Rounds";
        COMPRESS_DICTIONARY_SIZE = 8, "Compress Dictionary Size";
        COMPRESS_PRIVATE_ALGORITHM = 9, "Compress Private Algorithm";
    }
}

open! {
    /// Encapsulation mode, RFC 2407 section 4.5, RFC 3947 section 5.1; the drafts have private values.
    Encapsulation(u16) {
        TUNNEL = 1, "Tunnel";
        TRANSPORT = 2, "Transport";
        UDP_TUNNEL = 3, "UDP-Encapsulated-Tunnel";
        UDP_TRANSPORT = 4, "UDP-Encapsulated-Transport";
        UDP_TUNNEL_DRAFT = 61443, "UDP-Encapsulated-Tunnel (draft)";
        UDP_TRANSPORT_DRAFT = 61444, "UDP-Encapsulated-Transport (draft)";
    }
}

impl PayloadType {
    /// Has this type a form that [`Body`](super::Body) reads? A message with any other is to be discarded (RFC 2408
    /// section 5.3).
    pub fn is_known(self) -> bool {
        self.name().is_some() && !matches!(self, Self::NONE | Self::PROPOSAL | Self::TRANSFORM)
    }
}

impl NotifyType {
    /// Error types are those below 16384 (RFC 2408 section 3.14.1).
    pub fn is_error(self) -> bool {
        self.0 < 16384
    }
}

/// The situation of an SA, RFC 2407 section 4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Situation(pub u32);

impl Situation {
    /// SIT_IDENTITY_ONLY.
    pub const IDENTITY_ONLY: Self = Self(1);
    /// SIT_SECRECY: labels follow.
    pub const SECRECY: u32 = 2;
    /// SIT_INTEGRITY: labels follow.
    pub const INTEGRITY: u32 = 4;
}

/// The Flags octet, RFC 2408 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Flags(pub u8);

impl Flags {
    /// E: all after the header is encrypted.
    pub const ENCRYPTION: u8 = 0x01;
    /// C: the SA is not used before CONNECTED has come.
    pub const COMMIT: u8 = 0x02;
    /// A: a notify that is authenticated, not encrypted.
    pub const AUTHENTICATION: u8 = 0x04;

    /// Is the E flag set?
    pub fn encrypted(self) -> bool {
        self.0 & Self::ENCRYPTION != 0
    }
    /// Is the C flag set?
    pub fn commit(self) -> bool {
        self.0 & Self::COMMIT != 0
    }
    /// The bits that have no meaning and must be zero.
    pub fn reserved(self) -> u8 {
        self.0 & 0xF8
    }
}
