//! UDP, RFC 768.

use crate::checksum::Sum;
use crate::derived::patch;
use crate::ip::Protocol;
use crate::reader::Reader;
use crate::{Derived, Error, Rule};
use std::net::IpAddr;

/// A UDP datagram.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Source Port          |       Destination Port        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |            Length             |           Checksum            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Octets of header and payload.
    pub length: Derived<u16>,
    /// Checksum with the pseudo-header; `Exactly(0)` is none. Reading keeps none and a wrong one: see
    /// [`Datagram::is_intact`].
    pub checksum: Derived<u16>,
    /// What the datagram carries.
    pub payload: Vec<u8>,
}

impl Datagram {
    /// An honest datagram with a checksum.
    pub fn new(source_port: u16, destination_port: u16, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            source_port,
            destination_port,
            length: Derived::Computed,
            checksum: Derived::Computed,
            payload: payload.into(),
        }
    }

    /// Reads a datagram that came from one address to the other. A wrong or absent checksum is kept, not refused.
    ///
    /// # Errors
    /// Fewer than 8 octets, or a Length that is not the number of octets.
    pub fn parse(bytes: &[u8], source: IpAddr, destination: IpAddr) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0, "UDP header (RFC 768)");
        let (source_port, destination_port) = (reader.u16()?, reader.u16()?);
        let length_at = reader;
        let (length, found) = (reader.u16()?, reader.u16()?);
        if usize::from(length) != bytes.len() {
            return Err(length_at.fail(Rule::UdpLength { length, octets: bytes.len() }));
        }
        let mut datagram = Self::new(source_port, destination_port, reader.rest());
        datagram.checksum = Derived::read(found, datagram.computed_checksum(source, destination));
        Ok(datagram)
    }

    /// Is the checksum right, or absent where it may be? A receiver drops the datagram otherwise (RFC 1122 section
    /// 4.1.3.4). Over IPv6 it must not be absent (RFC 8200 section 8.1; RFC 6935 exempts some tunnels).
    pub fn is_intact(&self, source: IpAddr, destination: IpAddr) -> bool {
        match self.checksum {
            Derived::Computed => true,
            Derived::Exactly(0) => source.is_ipv4(),
            Derived::Exactly(found) => found == self.computed_checksum(source, destination),
        }
    }

    fn computed_checksum(&self, source: IpAddr, destination: IpAddr) -> u16 {
        let sum = Sum::new()
            .pseudo_header(source, destination, Protocol::UDP, 8 + self.payload.len())
            .with(&self.header(0))
            .with(&self.payload)
            .finish();
        // Zero says that there is none; the other zero of one's complement is sent instead.
        if sum == 0 { 0xFFFF } else { sum }
    }

    fn header(&self, checksum: u16) -> [u8; 8] {
        let mut header = [0; 8];
        let length = self.length.or((8 + self.payload.len()) as u16);
        for (at, field) in [self.source_port, self.destination_port, length, checksum].into_iter().enumerate() {
            patch(&mut header, at * 2, field.to_be_bytes());
        }
        header
    }

    /// Appends the datagram to `out`; the addresses enter the checksum.
    pub fn emit(&self, source: IpAddr, destination: IpAddr, out: &mut Vec<u8>) {
        let checksum = match self.checksum {
            Derived::Computed => self.computed_checksum(source, destination),
            Derived::Exactly(checksum) => checksum,
        };
        out.extend(self.header(checksum));
        out.extend(&self.payload);
    }

    /// The datagram as octets; the addresses enter the checksum.
    pub fn to_bytes(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.payload.len());
        self.emit(source, destination, &mut out);
        out
    }
}
