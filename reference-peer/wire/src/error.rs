//! What reading can refuse, each with the rule that was broken.

use crate::ikev1;
use crate::ikev2::PayloadType;
use thiserror::Error as ThisError;

/// Why octets were not read: where, and which rule they break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("offset {offset}: {rule}")]
pub struct Error {
    /// Octets from the start of what was handed in to the field at fault.
    pub offset: usize,
    /// The rule that is broken there.
    pub rule: Rule,
}

/// The rules that reading insists on. The text of each names its standard and section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Rule {
    /// The octets end inside a structure.
    #[error("{what}: {needs} octets needed, {left} left")]
    Truncated {
        /// The structure, with its section.
        what: &'static str,
        /// Octets that the field at the offset needs.
        needs: usize,
        /// Octets that there are.
        left: usize,
    },
    /// The octets go on after the end of a structure.
    #[error("{what}: {left} octets left over")]
    LeftOver {
        /// The structure, with its section.
        what: &'static str,
        /// Octets too many.
        left: usize,
    },

    /// The major version of an IKEv2 message is not 2.
    #[error("major version {0} is not 2 (RFC 7296 3.1)")]
    IkeMajorVersion(u8),
    /// The header's Length is not that of the datagram.
    #[error("header length {header} is not the {datagram} octets of the datagram (RFC 7296 3.1)")]
    IkeLength {
        /// Length field.
        header: u32,
        /// Octets of the datagram.
        datagram: usize,
    },
    /// A Payload Length that does not even hold the generic header.
    #[error("payload length {0} is less than 4 (RFC 7296 3.2)")]
    PayloadTooShort(u16),
    /// A Payload Length beyond the end of the message or of the encrypted contents.
    #[error("payload length {length} reaches beyond the {left} octets that are left (RFC 7296 3.2)")]
    PayloadTooLong {
        /// Payload Length field.
        length: u16,
        /// Octets from the generic header to the end.
        left: usize,
    },
    /// Next Payload names a payload, but nothing follows.
    #[error("next payload {0} is announced, but the message ends (RFC 7296 3.2)")]
    PayloadMissing(PayloadType),
    /// Next Payload is 0, but something follows.
    #[error("{0} octets follow the last payload (RFC 7296 3.2)")]
    AfterLastPayload(usize),
    /// Something follows an Encrypted or Encrypted Fragment payload.
    #[error("{0} octets follow the Encrypted payload, which must be the last (RFC 7296 3.14, RFC 7383 2.5)")]
    AfterEncrypted(usize),
    /// A Last Substruc that disagrees with the lengths.
    #[error("proposal's Last Substruc is {found}, not {expected} (RFC 7296 3.3.1)")]
    ProposalLast {
        /// On the wire.
        found: u8,
        /// By the lengths.
        expected: u8,
    },
    /// A Proposal Length below the fixed part and SPI, or beyond the payload.
    #[error("proposal length {length} is not between {least} and {left} (RFC 7296 3.3.1)")]
    ProposalLength {
        /// Proposal Length field.
        length: u16,
        /// Octets of fixed part and SPI.
        least: usize,
        /// Octets to the end of the payload.
        left: usize,
    },
    /// An SA payload without a proposal.
    #[error("SA payload holds no proposal (RFC 7296 3.3)")]
    NoProposal,
    /// A proposal without a transform.
    #[error("proposal holds no transform (RFC 7296 3.3)")]
    NoTransform,
    /// Num Transforms disagrees with the transforms that there are.
    #[error("Num Transforms is {count}, but the proposal's length holds {found} (RFC 7296 3.3)")]
    TransformCount {
        /// Num Transforms field.
        count: u8,
        /// Transforms within the Proposal Length.
        found: usize,
    },
    /// A Last Substruc that disagrees with the lengths.
    #[error("transform's Last Substruc is {found}, not {expected} (RFC 7296 3.3.2)")]
    TransformLast {
        /// On the wire.
        found: u8,
        /// By the lengths.
        expected: u8,
    },
    /// A Transform Length below 8 or beyond the proposal.
    #[error("transform length {length} is not between 8 and {left} (RFC 7296 3.3.2)")]
    TransformLength {
        /// Transform Length field.
        length: u16,
        /// Octets to the end of the proposal.
        left: usize,
    },
    /// The SPIs of a Delete payload do not fill it.
    #[error("{count} SPIs of {size} octets are not the {octets} octets of the Delete payload (RFC 7296 3.11)")]
    DeleteSpis {
        /// Num of SPIs field.
        count: u16,
        /// SPI Size field.
        size: u8,
        /// Octets after the fixed part.
        octets: usize,
    },
    /// A TS payload without a selector.
    #[error("TS payload holds no traffic selector (RFC 7296 3.13)")]
    NoSelector,
    /// Number of TSs disagrees with the selectors that there are.
    #[error("Number of TSs is {count}, but the payload holds {found} (RFC 7296 3.13)")]
    SelectorCount {
        /// Number of TSs field.
        count: u8,
        /// Selectors within the payload.
        found: usize,
    },
    /// A Selector Length that is not that of its type, or reaches beyond the payload.
    #[error("selector length {length} is wrong for TS type {ts_type} with {left} octets left (RFC 7296 3.13.1)")]
    SelectorLength {
        /// TS Type field.
        ts_type: u8,
        /// Selector Length field.
        length: u16,
        /// Octets to the end of the payload.
        left: usize,
    },
    /// The EAP message's own length is not that of the payload.
    #[error("EAP length {length} is not the {octets} octets of the payload's contents (RFC 7296 3.16)")]
    EapLength {
        /// Length field of the EAP message.
        length: u16,
        /// Octets after the generic header.
        octets: usize,
    },

    /// The major version of an IKEv1 message is not 1.
    #[error("major version {0} is not 1 (RFC 2408 3.1)")]
    IsakmpMajorVersion(u8),
    /// The header's Length is not that of the datagram.
    #[error("header length {header} is not the {datagram} octets of the datagram (RFC 2408 5.1)")]
    IsakmpLength {
        /// Length field.
        header: u32,
        /// Octets of the datagram.
        datagram: usize,
    },
    /// A Payload Length that does not even hold the generic header.
    #[error("payload length {0} is less than 4 (RFC 2408 3.2)")]
    IsakmpPayloadTooShort(u16),
    /// A Payload Length beyond the end of the message or of the decrypted contents.
    #[error("payload length {length} reaches beyond the {left} octets that are left (RFC 2408 3.2)")]
    IsakmpPayloadTooLong {
        /// Payload Length field.
        length: u16,
        /// Octets from the generic header to the end.
        left: usize,
    },
    /// Next Payload names a payload, but nothing follows.
    #[error("next payload {0} is announced, but the message ends (RFC 2408 3.2)")]
    IsakmpPayloadMissing(ikev1::PayloadType),
    /// Next Payload is 0, but something follows in a message in the clear.
    #[error("{0} octets follow the last payload (RFC 2408 3.2)")]
    IsakmpAfterLastPayload(usize),
    /// An SA payload without a proposal.
    #[error("SA payload holds no proposal (RFC 2408 3.4)")]
    IsakmpNoProposal,
    /// A proposal without a transform.
    #[error("proposal holds no transform (RFC 2408 3.5)")]
    IsakmpNoTransform,
    /// A Next Payload of a proposal that disagrees with the lengths.
    #[error("proposal's Next Payload is {found}, not {expected} (RFC 2408 3.5)")]
    IsakmpProposalNext {
        /// On the wire.
        found: u8,
        /// By the lengths.
        expected: u8,
    },
    /// A Payload Length of a proposal below the fixed part and SPI, or beyond the SA payload.
    #[error("proposal length {length} is not between {least} and {left} (RFC 2408 3.5)")]
    IsakmpProposalLength {
        /// Payload Length field.
        length: u16,
        /// Octets of fixed part and SPI.
        least: usize,
        /// Octets to the end of the SA payload.
        left: usize,
    },
    /// # of Transforms disagrees with the transforms that there are.
    #[error("# of Transforms is {count}, but the proposal's length holds {found} (RFC 2408 3.5)")]
    IsakmpTransformCount {
        /// # of Transforms field.
        count: u8,
        /// Transforms within the proposal.
        found: usize,
    },
    /// A Next Payload of a transform that disagrees with the lengths.
    #[error("transform's Next Payload is {found}, not {expected} (RFC 2408 3.6)")]
    IsakmpTransformNext {
        /// On the wire.
        found: u8,
        /// By the lengths.
        expected: u8,
    },
    /// A Payload Length of a transform below 8 or beyond the proposal.
    #[error("transform length {length} is not between 8 and {left} (RFC 2408 3.6)")]
    IsakmpTransformLength {
        /// Payload Length field.
        length: u16,
        /// Octets to the end of the proposal.
        left: usize,
    },
    /// The SPIs of a Delete payload do not fill it.
    #[error("{count} SPIs of {size} octets are not the {octets} octets of the Delete payload (RFC 2408 3.15)")]
    IsakmpDeleteSpis {
        /// # of SPIs field.
        count: u16,
        /// SPI Size field.
        size: u8,
        /// Octets after the fixed part.
        octets: usize,
    },

    /// The version nibble of an IP packet.
    #[error("IP version {found} is not {expected} (RFC 791 3.1, RFC 8200 3)")]
    IpVersion {
        /// On the wire.
        found: u8,
        /// Of this format.
        expected: u8,
    },
    /// The version nibble of an IP packet of either version.
    #[error("IP version {0} is neither 4 nor 6 (RFC 791 3.1, RFC 8200 3)")]
    IpVersionUnknown(u8),
    /// An IHL below 5, or beyond the octets that there are.
    #[error("IHL {ihl} is not between 5 and the {left} octets that are left (RFC 791 3.1)")]
    Ipv4HeaderLength {
        /// IHL field, in units of 4 octets.
        ihl: u8,
        /// Octets from the start of the header.
        left: usize,
    },
    /// A Total Length below the header's, or beyond the octets that there are.
    #[error("total length {length} is not between {header} and {left} (RFC 791 3.1)")]
    Ipv4TotalLength {
        /// Total Length field.
        length: u16,
        /// Octets of the header.
        header: usize,
        /// Octets from the start of the header.
        left: usize,
    },
    /// A Payload Length beyond the octets that there are.
    #[error("IPv6 payload length {length} is more than the {left} octets that are left (RFC 8200 3)")]
    Ipv6PayloadLength {
        /// Payload Length field.
        length: u16,
        /// Octets after the fixed header.
        left: usize,
    },
    /// A Hop-by-Hop Options header that is not the first extension header.
    #[error("Hop-by-Hop Options header is not directly after the IPv6 header (RFC 8200 4.1)")]
    HopByHopNotFirst,
    /// A UDP Length below 8, or not that of the octets handed in.
    #[error("UDP length {length} is not the {octets} octets of the datagram (RFC 768)")]
    UdpLength {
        /// Length field.
        length: u16,
        /// Octets from the start of the header.
        octets: usize,
    },
    /// A Neighbour Discovery option of length 0.
    #[error("neighbour discovery option has length 0 (RFC 4861 4.6)")]
    NdOptionLength,
    /// Not ARP for IPv4 over Ethernet.
    #[error("{field} is {found:#06x}, not the {expected:#06x} of IPv4 over Ethernet (RFC 826)")]
    ArpForm {
        /// Field at fault.
        field: &'static str,
        /// On the wire.
        found: u16,
        /// For IPv4 over Ethernet.
        expected: u16,
    },
    /// A Payload Len of an Authentication Header that does not even hold its fixed part, or is beyond the octets.
    #[error("AH payload length {length} is not between 1 and what the {left} octets hold (RFC 4302 2.2)")]
    AhLength {
        /// Payload Len field, in units of 4 octets, less 2.
        length: u8,
        /// Octets from the start of the header.
        left: usize,
    },
    /// Too short on port 4500 for a marker or an SPI, and no keepalive.
    #[error("{0} octets on port 4500 are neither a keepalive nor long enough for an SPI (RFC 3948 2)")]
    NattTooShort(usize),
}
