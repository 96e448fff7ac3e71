//! SA payload: situation, proposals, transforms and their attributes, RFC 2408 sections 3.4 to 3.6 and RFC 2407 section
//! 4.6.1.

use super::{Attribute, Doi, ProtocolId, Situation};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// SA payload of a DOI whose situation can be read, RFC 2408 section 3.4. Several proposals with one number belong
/// together: all of them or none (section 4.2).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |              Domain of Interpretation  (DOI)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           Situation                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~            Labels, with SIT_SECRECY or SIT_INTEGRITY          ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                          <Proposals>                          ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SecurityAssociation {
    /// Domain of interpretation: that of IPsec. Payloads of others are `Body::Raw`.
    pub doi: Doi,
    /// Situation.
    pub situation: Situation,
    /// Labeled Domain Identifier, levels and categories as they stand; empty without SIT_SECRECY and SIT_INTEGRITY.
    pub labels: Vec<u8>,
    /// Proposals in the sender's order of preference.
    pub proposals: Vec<Proposal>,
}

/// Proposal payload, section 3.5.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Next Payload  |   RESERVED    |         Payload Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Proposal #   |  Protocol-Id  |    SPI Size   |# of Transforms|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                        SPI (variable)                         ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                         <Transforms>                          ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Proposal {
    /// Next Payload: 0 for the last, 2 for the others.
    pub next_payload: Derived<u8>,
    /// RESERVED octet.
    pub reserved: u8,
    /// Payload length in octets.
    pub length: Derived<u16>,
    /// Proposal number.
    pub number: u8,
    /// ISAKMP, AH or ESP.
    pub protocol: ProtocolId,
    /// SPI size in octets.
    pub spi_size: Derived<u8>,
    /// SPI: for ISAKMP anything up to 16 octets, which is ignored; 4 octets for AH and ESP.
    pub spi: Vec<u8>,
    /// Number of transforms.
    pub transform_count: Derived<u8>,
    /// Transforms, in the sender's order of preference.
    pub transforms: Vec<Transform>,
}

/// Transform payload, section 3.6: everything that a protocol needs, as an alternative to the others.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Next Payload  |   RESERVED    |         Payload Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Transform #  |  Transform-Id |           RESERVED2           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                        SA Attributes                          ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Transform {
    /// Next Payload: 0 for the last, 3 for the others.
    pub next_payload: Derived<u8>,
    /// RESERVED octet.
    pub reserved1: u8,
    /// Payload length in octets.
    pub length: Derived<u16>,
    /// Transform number.
    pub number: u8,
    /// Transform identifier of the protocol: KEY_IKE (1), AH_SHA (3), ESP_3DES (3), ...
    pub id: u8,
    /// RESERVED2 octets.
    pub reserved2: u16,
    /// Attributes.
    pub attributes: Vec<Attribute>,
}

/// Next Payload of a proposal that another one follows.
const MORE_PROPOSALS: u8 = 2;
/// Next Payload of a transform that another one follows.
const MORE_TRANSFORMS: u8 = 3;

const SA: &str = "SA payload (RFC 2408 3.4, RFC 2407 4.6.1)";
const PROPOSAL: &str = "Proposal payload (RFC 2408 3.5)";
const TRANSFORM: &str = "Transform payload (RFC 2408 3.6)";

impl SecurityAssociation {
    /// An honest payload: IPsec DOI, SIT_IDENTITY_ONLY.
    pub fn new(proposals: impl Into<Vec<Proposal>>) -> Self {
        Self { doi: Doi::IPSEC, situation: Situation::IDENTITY_ONLY, labels: Vec::new(), proposals: proposals.into() }
    }

    /// Reads the payload; nothing if its DOI is not that of IPsec, for then nobody knows where the situation ends.
    pub(super) fn parse(reader: Reader<'_>) -> Result<Option<Self>, Error> {
        let mut reader = reader.named(SA);
        let doi = Doi(reader.u32()?);
        if doi != Doi::IPSEC {
            return Ok(None);
        }
        let situation = Situation(reader.u32()?);
        let before = reader.peek();
        if situation.0 & (Situation::SECRECY | Situation::INTEGRITY) != 0 {
            reader.take(4)?;
        }
        for bit in [Situation::SECRECY, Situation::INTEGRITY] {
            if situation.0 & bit != 0 {
                // A level with its length in octets, categories with theirs in bits, each padded to 32 bits.
                let [octets_high, octets_low, _, _] = reader.array()?;
                reader.take(usize::from(u16::from_be_bytes([octets_high, octets_low])).next_multiple_of(4))?;
                let [bits_high, bits_low, _, _] = reader.array()?;
                reader.take(usize::from(u16::from_be_bytes([bits_high, bits_low])).div_ceil(32) * 4)?;
            }
        }
        let labels = before.get(..before.len() - reader.len()).unwrap_or_default().to_vec();
        if reader.is_empty() {
            return Err(reader.fail(Rule::IsakmpNoProposal));
        }
        let mut proposals = Vec::with_capacity(reader.count_parts());
        while !reader.is_empty() {
            proposals.push(Proposal::parse(&mut reader)?);
        }
        Ok(Some(Self { doi, situation, labels, proposals }))
    }

    /// Writes the payload's contents, without the generic header: what HASH_I and HASH_R cover (RFC 2409 section 5).
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.doi.0.to_be_bytes());
        out.extend(self.situation.0.to_be_bytes());
        out.extend(&self.labels);
        for (index, proposal) in self.proposals.iter().enumerate() {
            proposal.emit(index + 1 == self.proposals.len(), out);
        }
    }
}

impl Proposal {
    /// An honest proposal; `spi` is empty for phase 1, 4 octets for AH and ESP.
    pub fn new(
        number: u8,
        protocol: ProtocolId,
        spi: impl Into<Vec<u8>>,
        transforms: impl Into<Vec<Transform>>,
    ) -> Self {
        Self {
            next_payload: Derived::Computed,
            reserved: 0,
            length: Derived::Computed,
            number,
            protocol,
            spi_size: Derived::Computed,
            spi: spi.into(),
            transform_count: Derived::Computed,
            transforms: transforms.into(),
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.named(PROPOSAL);
        *reader = start;
        let [next, reserved, length_high, length_low, number, protocol, spi_size, transform_count] = reader.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        let least = 8 + usize::from(spi_size);
        if usize::from(length) < least || usize::from(length) > start.len() {
            return Err(start.fail(Rule::IsakmpProposalLength { length, least, left: start.len() }));
        }
        let mut contents = reader.part(usize::from(length) - 8, PROPOSAL)?;
        let expected = if reader.is_empty() { 0 } else { MORE_PROPOSALS };
        if next != expected {
            return Err(start.fail(Rule::IsakmpProposalNext { found: next, expected }));
        }
        let spi = contents.take(usize::from(spi_size))?.to_vec();
        if contents.is_empty() {
            return Err(contents.fail(Rule::IsakmpNoTransform));
        }
        // Each takes at least 8 octets: a count that lies does not make us reserve more than was sent.
        let mut transforms = Vec::with_capacity(usize::from(transform_count).min(contents.len() / 8));
        while !contents.is_empty() {
            transforms.push(Transform::parse(&mut contents)?);
        }
        if transforms.len() != usize::from(transform_count) {
            return Err(start.fail(Rule::IsakmpTransformCount { count: transform_count, found: transforms.len() }));
        }
        Ok(Self { reserved, ..Self::new(number, ProtocolId(protocol), spi, transforms) })
    }

    fn emit(&self, is_last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let next = self.next_payload.or(if is_last { 0 } else { MORE_PROPOSALS });
        let spi_size = self.spi_size.or(self.spi.len() as u8);
        let transform_count = self.transform_count.or(self.transforms.len() as u8);
        out.extend([next, self.reserved, 0, 0, self.number, self.protocol.0, spi_size, transform_count]);
        out.extend(&self.spi);
        for (index, transform) in self.transforms.iter().enumerate() {
            transform.emit(index + 1 == self.transforms.len(), out);
        }
        self.length.patch_length(start, 2, out);
    }
}

impl Transform {
    /// KEY_IKE, the one transform of the ISAKMP protocol (RFC 2407 section 4.4.2).
    pub const KEY_IKE: u8 = 1;

    /// An honest transform.
    pub fn new(number: u8, id: u8, attributes: impl Into<Vec<Attribute>>) -> Self {
        Self {
            next_payload: Derived::Computed,
            reserved1: 0,
            length: Derived::Computed,
            number,
            id,
            reserved2: 0,
            attributes: attributes.into(),
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.named(TRANSFORM);
        *reader = start;
        let [next, reserved1, length_high, length_low, number, id, reserved_high, reserved_low] = reader.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        if length < 8 || usize::from(length) > start.len() {
            return Err(start.fail(Rule::IsakmpTransformLength { length, left: start.len() }));
        }
        let contents = reader.part(usize::from(length) - 8, TRANSFORM)?;
        let expected = if reader.is_empty() { 0 } else { MORE_TRANSFORMS };
        if next != expected {
            return Err(start.fail(Rule::IsakmpTransformNext { found: next, expected }));
        }
        let reserved2 = u16::from_be_bytes([reserved_high, reserved_low]);
        Ok(Self { reserved1, reserved2, ..Self::new(number, id, Attribute::parse_all(contents)?) })
    }

    fn emit(&self, is_last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let next = self.next_payload.or(if is_last { 0 } else { MORE_TRANSFORMS });
        out.extend([next, self.reserved1, 0, 0, self.number, self.id]);
        out.extend(self.reserved2.to_be_bytes());
        for attribute in &self.attributes {
            attribute.emit(out);
        }
        self.length.patch_length(start, 2, out);
    }
}
