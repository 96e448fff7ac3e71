//! CP payload, RFC 7296 section 3.15.

use crate::Error;
use crate::reader::Reader;

/// CP payload, section 3.15.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   CFG Type    |                    RESERVED                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                   Configuration Attributes                    ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Configuration {
    /// CFG_REQUEST 1, CFG_REPLY 2, CFG_SET 3, CFG_ACK 4.
    pub cfg_type: u8,
    /// The three RESERVED octets.
    pub reserved: [u8; 3],
    /// Attributes.
    pub attributes: Vec<ConfigurationAttribute>,
}

/// Configuration attribute, section 3.15.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |R|         Attribute Type      |            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                             Value                             ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ConfigurationAttribute {
    /// The reserved high bit.
    pub reserved: bool,
    /// Attribute type, 15 bits.
    pub attribute_type: u16,
    /// Value.
    pub value: Vec<u8>,
}

impl Configuration {
    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let mut reader = reader.named("CP payload (RFC 7296 3.15)");
        let [cfg_type, reserved @ ..] = reader.array::<4>()?;
        let mut reader = reader.named("configuration attribute (RFC 7296 3.15.1)");
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            let word = reader.u16()?;
            let length = reader.u16()?;
            attributes.push(ConfigurationAttribute {
                reserved: word & 0x8000 != 0,
                attribute_type: word & 0x7FFF,
                value: reader.take(usize::from(length))?.to_vec(),
            });
        }
        Ok(Self { cfg_type, reserved, attributes })
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.cfg_type);
        out.extend(self.reserved);
        for attribute in &self.attributes {
            let reserved = if attribute.reserved { 0x8000 } else { 0 };
            out.extend((attribute.attribute_type & 0x7FFF | reserved).to_be_bytes());
            out.extend((attribute.value.len() as u16).to_be_bytes());
            out.extend(&attribute.value);
        }
    }
}
