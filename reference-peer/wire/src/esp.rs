//! The format of ESP, RFC 4303 section 2, as far as it can be read without keys.

use crate::Error;
use crate::reader::Reader;

/// The two fields that stand in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Security Parameters Index.
    pub spi: u32,
    /// Sequence number; the low 32 bits with extended sequence numbers.
    pub sequence: u32,
}

/// An ESP packet.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               Security Parameters Index (SPI)                 |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sequence Number                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~   IV, payload data, padding, pad length, next header, ICV     ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Security Parameters Index.
    pub spi: u32,
    /// Sequence number; the low 32 bits with extended sequence numbers.
    pub sequence: u32,
    /// IV, ciphertext and ICV.
    pub body: Vec<u8>,
}

impl Header {
    /// Octets of the header.
    pub const OCTETS: usize = 8;

    /// Reads the header and gives the octets after it.
    ///
    /// # Errors
    /// Fewer than 8 octets.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(bytes, 0, "ESP header (RFC 4303 2)");
        Ok((Self { spi: reader.u32()?, sequence: reader.u32()? }, reader.rest()))
    }

    /// The header as octets.
    pub fn to_bytes(&self) -> [u8; Self::OCTETS] {
        (u64::from(self.spi) << 32 | u64::from(self.sequence)).to_be_bytes()
    }
}

impl Packet {
    /// Reads a packet. What the SPI and the sequence number may be is for the SA to judge.
    ///
    /// # Errors
    /// Fewer than 8 octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (Header { spi, sequence }, body) = Header::parse(bytes)?;
        Ok(Self { spi, sequence, body: body.to_vec() })
    }

    /// The header.
    pub fn header(&self) -> Header {
        Header { spi: self.spi, sequence: self.sequence }
    }

    /// Appends the packet to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.header().to_bytes());
        out.extend(&self.body);
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Header::OCTETS + self.body.len());
        self.emit(&mut out);
        out
    }
}
