//! SA payload: proposals, transforms and their attributes, RFC 7296 section 3.3.

use super::{ProtocolId, TransformType};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// SA payload, section 3.3: proposals one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SecurityAssociation {
    /// Proposals in the sender's order of preference.
    pub proposals: Vec<Proposal>,
}

/// Proposal substructure, section 3.3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Last Substruc |   RESERVED    |         Proposal Length       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                        SPI (variable)                         ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                        <Transforms>                           ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Last Substruc |   RESERVED    |        Transform Length       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Transform Type |   RESERVED    |          Transform ID         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                      Transform Attributes                     ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |A|       Attribute Type        |    AF=0  Attribute Length     |
/// |F|                             |    AF=1  Attribute Value      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                   AF=0  Attribute Value                       |
/// |                   AF=1  Not Transmitted                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Attribute {
    /// Attribute type without the AF bit, 15 bits; 14 is the key length.
    pub attribute_type: u16,
    /// Value in short (TV) or long (TLV) form.
    pub value: AttributeValue,
}

/// Value of an attribute with its form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum AttributeValue {
    /// AF = 1: two octets in place.
    Short(u16),
    /// AF = 0: length and value.
    Long(Vec<u8>),
}

/// "Last Substruc" of a proposal that another one follows.
const MORE_PROPOSALS: u8 = 2;
/// "Last Substruc" of a transform that another one follows.
const MORE_TRANSFORMS: u8 = 3;

const SA: &str = "SA payload (RFC 7296 3.3)";
const PROPOSAL: &str = "proposal (RFC 7296 3.3.1)";
const TRANSFORM: &str = "transform (RFC 7296 3.3.2)";
const ATTRIBUTE: &str = "transform attribute (RFC 7296 3.3.5)";

impl SecurityAssociation {
    /// A payload with these proposals.
    pub fn new(proposals: impl Into<Vec<Proposal>>) -> Self {
        Self { proposals: proposals.into() }
    }

    /// All transforms of all proposals, each with its proposal, in order.
    pub fn transforms(&self) -> impl Iterator<Item = (&Proposal, &Transform)> {
        self.proposals
            .iter()
            .flat_map(|proposal| proposal.transforms.iter().map(move |transform| (proposal, transform)))
    }

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let mut reader = reader.named(SA);
        if reader.is_empty() {
            return Err(reader.fail(Rule::NoProposal));
        }
        let mut proposals = Vec::with_capacity(reader.count_parts());
        while !reader.is_empty() {
            proposals.push(Proposal::parse(&mut reader)?);
        }
        Ok(Self { proposals })
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        for (index, proposal) in self.proposals.iter().enumerate() {
            proposal.emit(index + 1 == self.proposals.len(), out);
        }
    }
}

impl Proposal {
    /// An honest proposal; `spi` is empty for the first IKE SA, 8 octets for its rekeying, 4 for AH and ESP.
    pub fn new(
        number: u8,
        protocol: ProtocolId,
        spi: impl Into<Vec<u8>>,
        transforms: impl Into<Vec<Transform>>,
    ) -> Self {
        Self {
            last: Derived::Computed,
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

    /// Its transforms of one type, in order.
    pub fn of_type(&self, transform_type: TransformType) -> impl Iterator<Item = &Transform> {
        self.transforms.iter().filter(move |transform| transform.transform_type == transform_type)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.named(PROPOSAL);
        *reader = start;
        let [last, reserved, length_high, length_low, number, protocol, spi_size, transform_count] = reader.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        let least = 8 + usize::from(spi_size);
        if usize::from(length) < least || usize::from(length) > start.len() {
            return Err(start.fail(Rule::ProposalLength { length, least, left: start.len() }));
        }
        let mut contents = reader.part(usize::from(length) - 8, PROPOSAL)?;
        let expected = if reader.is_empty() { 0 } else { MORE_PROPOSALS };
        if last != expected {
            return Err(start.fail(Rule::ProposalLast { found: last, expected }));
        }
        let spi = contents.take(usize::from(spi_size))?.to_vec();
        if contents.is_empty() {
            return Err(contents.fail(Rule::NoTransform));
        }
        // Each takes at least 8 octets: a count that lies does not make us reserve more than was sent.
        let mut transforms = Vec::with_capacity(usize::from(transform_count).min(contents.len() / 8));
        while !contents.is_empty() {
            transforms.push(Transform::parse(&mut contents)?);
        }
        if transforms.len() != usize::from(transform_count) {
            return Err(start.fail(Rule::TransformCount { count: transform_count, found: transforms.len() }));
        }
        Ok(Self { reserved, ..Self::new(number, ProtocolId(protocol), spi, transforms) })
    }

    fn emit(&self, is_last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let last = self.last.or(if is_last { 0 } else { MORE_PROPOSALS });
        let spi_size = self.spi_size.or(self.spi.len() as u8);
        let transform_count = self.transform_count.or(self.transforms.len() as u8);
        out.extend([last, self.reserved, 0, 0, self.number, self.protocol.0, spi_size, transform_count]);
        out.extend(&self.spi);
        for (index, transform) in self.transforms.iter().enumerate() {
            transform.emit(index + 1 == self.transforms.len(), out);
        }
        self.length.patch_length(start, 2, out);
    }
}

impl Transform {
    /// An honest transform without attributes.
    pub fn new(transform_type: TransformType, id: u16) -> Self {
        Self {
            last: Derived::Computed,
            reserved1: 0,
            length: Derived::Computed,
            transform_type,
            reserved2: 0,
            id,
            attributes: Vec::new(),
        }
    }

    /// An honest transform with the Key Length attribute, in bits.
    pub fn with_key_length(transform_type: TransformType, id: u16, bits: u16) -> Self {
        Self { attributes: vec![Attribute::key_length(bits)], ..Self::new(transform_type, id) }
    }

    /// The first Key Length attribute in the form that section 3.3.5 prescribes, in bits.
    pub fn key_length(&self) -> Option<u16> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute { attribute_type: Attribute::KEY_LENGTH, value: AttributeValue::Short(bits) } => Some(*bits),
            _ => None,
        })
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.named(TRANSFORM);
        *reader = start;
        let [last, reserved1, length_high, length_low, transform_type, reserved2, id_high, id_low] = reader.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        if length < 8 || usize::from(length) > start.len() {
            return Err(start.fail(Rule::TransformLength { length, left: start.len() }));
        }
        let mut contents = reader.part(usize::from(length) - 8, ATTRIBUTE)?;
        let expected = if reader.is_empty() { 0 } else { MORE_TRANSFORMS };
        if last != expected {
            return Err(start.fail(Rule::TransformLast { found: last, expected }));
        }
        // Hardly any transform has more than its key length.
        let mut attributes = if contents.is_empty() { Vec::new() } else { Vec::with_capacity(1) };
        while !contents.is_empty() {
            attributes.push(Attribute::parse(&mut contents)?);
        }
        Ok(Self {
            last: Derived::Computed,
            reserved1,
            length: Derived::Computed,
            transform_type: TransformType(transform_type),
            reserved2,
            id: u16::from_be_bytes([id_high, id_low]),
            attributes,
        })
    }

    fn emit(&self, is_last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let last = self.last.or(if is_last { 0 } else { MORE_TRANSFORMS });
        let [id_high, id_low] = self.id.to_be_bytes();
        out.extend([last, self.reserved1, 0, 0, self.transform_type.0, self.reserved2, id_high, id_low]);
        for attribute in &self.attributes {
            attribute.emit(out);
        }
        self.length.patch_length(start, 2, out);
    }
}

impl Attribute {
    /// Type of the Key Length attribute, in bits, always in short form.
    pub const KEY_LENGTH: u16 = 14;
    /// The AF bit: short form.
    const SHORT: u16 = 0x8000;

    /// A Key Length attribute, in bits.
    pub fn key_length(bits: u16) -> Self {
        Self { attribute_type: Self::KEY_LENGTH, value: AttributeValue::Short(bits) }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let word = reader.u16()?;
        let second = reader.u16()?;
        let value = if word & Self::SHORT != 0 {
            AttributeValue::Short(second)
        } else {
            AttributeValue::Long(reader.take(usize::from(second))?.to_vec())
        };
        Ok(Self { attribute_type: word & !Self::SHORT, value })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let attribute_type = self.attribute_type & !Self::SHORT;
        match &self.value {
            AttributeValue::Short(value) => {
                out.extend((attribute_type | Self::SHORT).to_be_bytes());
                out.extend(value.to_be_bytes());
            }
            AttributeValue::Long(value) => {
                out.extend(attribute_type.to_be_bytes());
                out.extend((value.len() as u16).to_be_bytes());
                out.extend(value);
            }
        }
    }
}
