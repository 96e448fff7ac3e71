//! IANA numbers of IKEv2, open: a value without a name survives a round trip.

use crate::open::open;

open! {
    /// Exchange type, RFC 7296 section 3.1.
    ExchangeType(u8) {
        IKE_SA_INIT = 34, "IKE_SA_INIT";
        IKE_AUTH = 35, "IKE_AUTH";
        CREATE_CHILD_SA = 36, "CREATE_CHILD_SA";
        INFORMATIONAL = 37, "INFORMATIONAL";
        IKE_SESSION_RESUME = 38, "IKE_SESSION_RESUME";
        IKE_INTERMEDIATE = 43, "IKE_INTERMEDIATE";
        IKE_FOLLOWUP_KE = 44, "IKE_FOLLOWUP_KE";
    }
}

open! {
    /// Payload type, RFC 7296 section 3.2.
    PayloadType(u8) {
        NONE = 0, "NONE";
        SECURITY_ASSOCIATION = 33, "SA";
        KEY_EXCHANGE = 34, "KE";
        ID_INITIATOR = 35, "IDi";
        ID_RESPONDER = 36, "IDr";
        CERTIFICATE = 37, "CERT";
        CERTIFICATE_REQUEST = 38, "CERTREQ";
        AUTHENTICATION = 39, "AUTH";
        NONCE = 40, "NONCE";
        NOTIFY = 41, "N";
        DELETE = 42, "D";
        VENDOR_ID = 43, "V";
        TS_INITIATOR = 44, "TSi";
        TS_RESPONDER = 45, "TSr";
        ENCRYPTED = 46, "SK";
        CONFIGURATION = 47, "CP";
        EAP = 48, "EAP";
        ENCRYPTED_FRAGMENT = 53, "SKF";
    }
}

open! {
    /// Security protocol identifier, RFC 7296 section 3.3.1.
    ProtocolId(u8) {
        NONE = 0, "NONE";
        IKE = 1, "IKE";
        AH = 2, "AH";
        ESP = 3, "ESP";
    }
}

open! {
    /// Transform type, RFC 7296 section 3.3.2.
    TransformType(u8) {
        ENCR = 1, "ENCR";
        PRF = 2, "PRF";
        INTEG = 3, "INTEG";
        KE = 4, "KE";
        ESN = 5, "ESN";
    }
}

open! {
    /// Identification type, RFC 7296 section 3.5.
    IdType(u8) {
        IPV4_ADDR = 1, "ID_IPV4_ADDR";
        FQDN = 2, "ID_FQDN";
        RFC822_ADDR = 3, "ID_RFC822_ADDR";
        IPV6_ADDR = 5, "ID_IPV6_ADDR";
        DER_ASN1_DN = 9, "ID_DER_ASN1_DN";
        DER_ASN1_GN = 10, "ID_DER_ASN1_GN";
        KEY_ID = 11, "ID_KEY_ID";
        NULL = 13, "ID_NULL";
    }
}

open! {
    /// Authentication method, RFC 7296 section 3.8.
    AuthMethod(u8) {
        RSA_DIGITAL_SIGNATURE = 1, "RSA Digital Signature";
        SHARED_KEY_MIC = 2, "Shared Key Message Integrity Code";
        DSS_DIGITAL_SIGNATURE = 3, "DSS Digital Signature";
        NULL = 13, "NULL Authentication";
        DIGITAL_SIGNATURE = 14, "Digital Signature";
    }
}

open! {
    /// Notify message type, RFC 7296 section 3.10.1.
    NotifyType(u16) {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1, "UNSUPPORTED_CRITICAL_PAYLOAD";
        INVALID_IKE_SPI = 4, "INVALID_IKE_SPI";
        INVALID_MAJOR_VERSION = 5, "INVALID_MAJOR_VERSION";
        INVALID_SYNTAX = 7, "INVALID_SYNTAX";
        INVALID_MESSAGE_ID = 9, "INVALID_MESSAGE_ID";
        INVALID_SPI = 11, "INVALID_SPI";
        NO_PROPOSAL_CHOSEN = 14, "NO_PROPOSAL_CHOSEN";
        INVALID_KE_PAYLOAD = 17, "INVALID_KE_PAYLOAD";
        AUTHENTICATION_FAILED = 24, "AUTHENTICATION_FAILED";
        SINGLE_PAIR_REQUIRED = 34, "SINGLE_PAIR_REQUIRED";
        NO_ADDITIONAL_SAS = 35, "NO_ADDITIONAL_SAS";
        INTERNAL_ADDRESS_FAILURE = 36, "INTERNAL_ADDRESS_FAILURE";
        FAILED_CP_REQUIRED = 37, "FAILED_CP_REQUIRED";
        TS_UNACCEPTABLE = 38, "TS_UNACCEPTABLE";
        INVALID_SELECTORS = 39, "INVALID_SELECTORS";
        TEMPORARY_FAILURE = 43, "TEMPORARY_FAILURE";
        CHILD_SA_NOT_FOUND = 44, "CHILD_SA_NOT_FOUND";
        INITIAL_CONTACT = 16384, "INITIAL_CONTACT";
        SET_WINDOW_SIZE = 16385, "SET_WINDOW_SIZE";
        ADDITIONAL_TS_POSSIBLE = 16386, "ADDITIONAL_TS_POSSIBLE";
        IPCOMP_SUPPORTED = 16387, "IPCOMP_SUPPORTED";
        NAT_DETECTION_SOURCE_IP = 16388, "NAT_DETECTION_SOURCE_IP";
        NAT_DETECTION_DESTINATION_IP = 16389, "NAT_DETECTION_DESTINATION_IP";
        COOKIE = 16390, "COOKIE";
        USE_TRANSPORT_MODE = 16391, "USE_TRANSPORT_MODE";
        HTTP_CERT_LOOKUP_SUPPORTED = 16392, "HTTP_CERT_LOOKUP_SUPPORTED";
        REKEY_SA = 16393, "REKEY_SA";
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394, "ESP_TFC_PADDING_NOT_SUPPORTED";
        NON_FIRST_FRAGMENTS_ALSO = 16395, "NON_FIRST_FRAGMENTS_ALSO";
        MOBIKE_SUPPORTED = 16396, "MOBIKE_SUPPORTED";
        EAP_ONLY_AUTHENTICATION = 16417, "EAP_ONLY_AUTHENTICATION";
        CHILDLESS_IKEV2_SUPPORTED = 16418, "CHILDLESS_IKEV2_SUPPORTED";
        IKEV2_FRAGMENTATION_SUPPORTED = 16430, "IKEV2_FRAGMENTATION_SUPPORTED";
        SIGNATURE_HASH_ALGORITHMS = 16431, "SIGNATURE_HASH_ALGORITHMS";
    }
}

impl PayloadType {
    /// Is this one of the types that [`Body`](super::Body) reads (RFC 7296 section 3.2 and RFC 7383)? The critical bit
    /// of a known type is ignored; that of an unknown one decides (RFC 7296 section 2.5).
    pub fn is_known(self) -> bool {
        (Self::SECURITY_ASSOCIATION.0..=Self::EAP.0).contains(&self.0) || self == Self::ENCRYPTED_FRAGMENT
    }
}

impl NotifyType {
    /// Error types are those below 16384 (section 3.10.1).
    pub fn is_error(self) -> bool {
        self.0 < 16384
    }
}

/// The Flags octet, RFC 7296 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Flags(pub u8);

impl Flags {
    /// I: sent by the original initiator of the IKE SA.
    pub const INITIATOR: u8 = 0x08;
    /// V: a higher major version is possible; cleared when sending.
    pub const VERSION: u8 = 0x10;
    /// R: this is a response.
    pub const RESPONSE: u8 = 0x20;

    /// Flags of an honest message.
    pub fn new(initiator: bool, response: bool) -> Self {
        Self(if initiator { Self::INITIATOR } else { 0 } | if response { Self::RESPONSE } else { 0 })
    }
    /// Is the I flag set?
    pub fn initiator(self) -> bool {
        self.0 & Self::INITIATOR != 0
    }
    /// Is the R flag set?
    pub fn response(self) -> bool {
        self.0 & Self::RESPONSE != 0
    }
    /// The reserved bits (X).
    pub fn reserved(self) -> u8 {
        self.0 & 0xC7
    }
}
