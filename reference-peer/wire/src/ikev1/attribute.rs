//! Data attributes, RFC 2408 section 3.3, and the payload of mode config that is made of them.

use crate::reader::Reader;
use crate::{Derived, Error};

/// A data attribute, RFC 2408 section 3.3.
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
    /// Attribute type without the AF bit, 15 bits.
    pub class: u16,
    /// Value in basic (TV) or variable (TLV) form.
    pub value: AttributeValue,
}

/// Value of an attribute with its form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum AttributeValue {
    /// AF = 1: two octets in place.
    Basic(u16),
    /// AF = 0: length and value.
    Variable {
        /// Octets of the value.
        length: Derived<u16>,
        /// The value.
        value: Vec<u8>,
    },
}

impl Attribute {
    const BASIC: u16 = 0x8000;

    /// An attribute in basic form.
    pub fn basic(class: u16, value: u16) -> Self {
        Self { class, value: AttributeValue::Basic(value) }
    }

    /// An attribute in variable form.
    pub fn variable(class: u16, value: impl Into<Vec<u8>>) -> Self {
        Self { class, value: AttributeValue::Variable { length: Derived::Computed, value: value.into() } }
    }

    /// A number: in basic form if it fits, otherwise as four octets.
    pub fn number(class: u16, value: u32) -> Self {
        match u16::try_from(value) {
            Ok(value) => Self::basic(class, value),
            Err(_) => Self::variable(class, value.to_be_bytes()),
        }
    }

    /// The value as a number, in whichever form it stands; `None` if it has no octets or needs more than 64 bits.
    pub fn as_number(&self) -> Option<u64> {
        match &self.value {
            AttributeValue::Basic(value) => Some(u64::from(*value)),
            AttributeValue::Variable { value, .. } => {
                let zeros = value.iter().take_while(|octet| **octet == 0).count();
                let significant = value.get(zeros..).filter(|octets| octets.len() <= 8 && !value.is_empty())?;
                Some(significant.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
            }
        }
    }

    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let word = reader.u16()?;
        let second = reader.u16()?;
        let class = word & !Self::BASIC;
        if word & Self::BASIC != 0 {
            return Ok(Self::basic(class, second));
        }
        Ok(Self::variable(class, reader.take(usize::from(second))?))
    }

    /// Reads attributes up to the end of `bytes`, which stand at `offset`: the data of RESPONDER-LIFETIME too.
    ///
    /// # Errors
    /// The octets end inside an attribute.
    pub fn parse_list(bytes: &[u8], offset: usize) -> Result<Vec<Self>, Error> {
        Self::parse_all(Reader::new(bytes, offset, "data attribute (RFC 2408 3.3)"))
    }

    pub(super) fn parse_all(reader: Reader<'_>) -> Result<Vec<Self>, Error> {
        let mut reader = reader.named("data attribute (RFC 2408 3.3)");
        let mut attributes = Vec::with_capacity(reader.len().div_ceil(16));
        while !reader.is_empty() {
            attributes.push(Self::parse(&mut reader)?);
        }
        Ok(attributes)
    }

    /// Appends the attribute to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let class = self.class & !Self::BASIC;
        match &self.value {
            AttributeValue::Basic(value) => {
                out.extend((class | Self::BASIC).to_be_bytes());
                out.extend(value.to_be_bytes());
            }
            AttributeValue::Variable { length, value } => {
                out.extend(class.to_be_bytes());
                out.extend(length.or(value.len() as u16).to_be_bytes());
                out.extend(value);
            }
        }
    }
}

/// The Attributes payload of mode config (draft-dukes-ike-mode-cfg-02 section 3.2), which XAUTH uses too.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |   RESERVED    |           Identifier          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                           Attributes                          ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Configuration {
    /// ISAKMP_CFG_REQUEST 1, REPLY 2, SET 3, ACK 4.
    pub cfg_type: u8,
    /// RESERVED octet.
    pub reserved: u8,
    /// Identifier of the transaction.
    pub identifier: u16,
    /// Attributes.
    pub attributes: Vec<Attribute>,
}

impl Configuration {
    /// ISAKMP_CFG_REQUEST.
    pub const REQUEST: u8 = 1;
    /// ISAKMP_CFG_REPLY.
    pub const REPLY: u8 = 2;
    /// ISAKMP_CFG_SET.
    pub const SET: u8 = 3;
    /// ISAKMP_CFG_ACK.
    pub const ACK: u8 = 4;

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let mut reader = reader.named("Attributes payload (draft-dukes-ike-mode-cfg-02 3.2)");
        let [cfg_type, reserved] = reader.array()?;
        let identifier = reader.u16()?;
        Ok(Self { cfg_type, reserved, identifier, attributes: Attribute::parse_all(reader)? })
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend([self.cfg_type, self.reserved]);
        out.extend(self.identifier.to_be_bytes());
        for attribute in &self.attributes {
            attribute.emit(out);
        }
    }
}
