//! N and D payloads, RFC 7296 sections 3.10 and 3.11.

use super::{NotifyType, ProtocolId};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// N payload, section 3.10.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Protocol ID  |   SPI Size    |      Notify Message Type      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                Security Parameter Index (SPI)                 ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                       Notification Data                       ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Notify {
    /// Protocol of the SA that the SPI names, 0 where there is none.
    pub protocol: ProtocolId,
    /// SPI size in octets.
    pub spi_size: Derived<u8>,
    /// What is notified.
    pub notify_type: NotifyType,
    /// SPI, or empty.
    pub spi: Vec<u8>,
    /// Notification data.
    pub data: Vec<u8>,
}

/// D payload, section 3.11.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Protocol ID   |   SPI Size    |          Num of SPIs          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~               Security Parameter Index(es) (SPI)              ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Delete {
    /// IKE, AH or ESP.
    pub protocol: ProtocolId,
    /// SPI size: 0 for IKE, 4 for AH and ESP.
    pub spi_size: u8,
    /// Number of SPIs. Where the SPI size is 0, reading keeps any number as `Exactly`: no octets contradict it.
    pub spi_count: Derived<u16>,
    /// The SPIs, one after the other.
    pub spis: Vec<u8>,
}

impl Notify {
    /// A notification that concerns no Child SA: no SPI, protocol 0 (section 3.10).
    pub fn new(notify_type: NotifyType, data: impl Into<Vec<u8>>) -> Self {
        Self::with_spi(ProtocolId::NONE, [], notify_type, data)
    }

    /// A notification about the SA with this SPI.
    pub fn with_spi(
        protocol: ProtocolId,
        spi: impl Into<Vec<u8>>,
        notify_type: NotifyType,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        Self { protocol, spi_size: Derived::Computed, notify_type, spi: spi.into(), data: data.into() }
    }

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let mut reader = reader.named("N payload (RFC 7296 3.10)");
        let [protocol, spi_size, type_high, type_low] = reader.array()?;
        let spi = reader.take(usize::from(spi_size))?;
        let notify_type = NotifyType(u16::from_be_bytes([type_high, type_low]));
        Ok(Self::with_spi(ProtocolId(protocol), spi, notify_type, reader.rest()))
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend([self.protocol.0, self.spi_size.or(self.spi.len() as u8)]);
        out.extend(self.notify_type.0.to_be_bytes());
        out.extend(&self.spi);
        out.extend(&self.data);
    }
}

impl Delete {
    /// Deletes the IKE SA that the message belongs to.
    pub fn ike() -> Self {
        Self { protocol: ProtocolId::IKE, spi_size: 0, spi_count: Derived::Computed, spis: Vec::new() }
    }

    /// Deletes the AH or ESP SAs with these SPIs: those that the sender receives on.
    pub fn child(protocol: ProtocolId, spis: &[u32]) -> Self {
        let spis = spis.iter().flat_map(|spi| spi.to_be_bytes()).collect();
        Self { protocol, spi_size: 4, spi_count: Derived::Computed, spis }
    }

    /// The SPIs, each of `spi_size` octets; what is left over at the end of a dishonest value is not among them.
    pub fn spis(&self) -> impl Iterator<Item = &[u8]> {
        // `chunks_exact` has no place for a size of zero; there are no SPIs then.
        let spis: &[u8] = if self.spi_size == 0 { &[] } else { &self.spis };
        spis.chunks_exact(usize::from(self.spi_size.max(1)))
    }

    /// The SPIs of AH or ESP; none if their size is not 4.
    pub fn child_spis(&self) -> impl Iterator<Item = u32> {
        self.spis().filter_map(|spi| spi.try_into().ok()).map(u32::from_be_bytes)
    }

    /// What the Num of SPIs field should hold.
    fn count(&self) -> u16 {
        self.spis.len().checked_div(usize::from(self.spi_size)).unwrap_or(0) as u16
    }

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let start = reader.named("D payload (RFC 7296 3.11)");
        let mut reader = start;
        let [protocol, spi_size, count_high, count_low] = reader.array()?;
        let count = u16::from_be_bytes([count_high, count_low]);
        if usize::from(count) * usize::from(spi_size) != reader.len() {
            return Err(start.fail(Rule::DeleteSpis { count, size: spi_size, octets: reader.len() }));
        }
        let spis = reader.rest().to_vec();
        let mut delete = Self { protocol: ProtocolId(protocol), spi_size, spi_count: Derived::Computed, spis };
        delete.spi_count = Derived::read(count, delete.count());
        Ok(delete)
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend([self.protocol.0, self.spi_size]);
        out.extend(self.spi_count.or(self.count()).to_be_bytes());
        out.extend(&self.spis);
    }
}
