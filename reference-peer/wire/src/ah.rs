//! The format of AH, RFC 4302 section 2.

use crate::ip::Protocol;
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// An Authentication Header with what it protects.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Next Header   |  Payload Len  |          RESERVED             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 Security Parameters Index (SPI)               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Sequence Number Field                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                Integrity Check Value-ICV (variable)           ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Protocol of the payload.
    pub next_header: Protocol,
    /// Length of the header in units of 4 octets, less 2.
    pub payload_len: Derived<u8>,
    /// RESERVED: sent as zero, covered by the ICV, otherwise ignored.
    pub reserved: u16,
    /// Security Parameters Index.
    pub spi: u32,
    /// Sequence number; the low 32 bits with extended sequence numbers.
    pub sequence: u32,
    /// ICV with its padding: to a multiple of 4 octets in IPv4, and such that the header is one of 8 in IPv6
    /// (section 2.6). Written as it is; where it does not fill the units, Payload Len is rounded up.
    pub icv: Vec<u8>,
    /// What follows the header.
    pub payload: Vec<u8>,
}

const FIXED: usize = 12;

impl Packet {
    /// Reads a packet. The multiple of 8 octets that IPv6 asks for is not looked at.
    ///
    /// # Errors
    /// A Payload Len that contradicts the octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0, "AH (RFC 4302 2)");
        let next_header = Protocol(reader.u8()?);
        let length_at = reader;
        let length = reader.u8()?;
        let icv = ((usize::from(length) + 2) * 4).checked_sub(FIXED);
        let Some(icv) = icv.filter(|icv| FIXED + icv <= bytes.len()) else {
            return Err(length_at.fail(Rule::AhLength { length, left: bytes.len() }));
        };
        Ok(Self {
            next_header,
            payload_len: Derived::Computed,
            reserved: reader.u16()?,
            spi: reader.u32()?,
            sequence: reader.u32()?,
            icv: reader.take(icv)?.to_vec(),
            payload: reader.rest().to_vec(),
        })
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let payload_len = (FIXED + self.icv.len()).div_ceil(4) - 2;
        out.extend([self.next_header.0, self.payload_len.or(payload_len as u8)]);
        out.extend(self.reserved.to_be_bytes());
        out.extend(self.spi.to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        out.extend(&self.icv);
        out.extend(&self.payload);
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + self.icv.len() + self.payload.len());
        self.emit(&mut out);
        out
    }
}
