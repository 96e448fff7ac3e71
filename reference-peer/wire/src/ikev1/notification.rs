//! N and D payloads, RFC 2408 sections 3.14 and 3.15.

use super::{Doi, NotifyType, ProtocolId};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// Notification payload, section 3.14.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |              Domain of Interpretation  (DOI)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Protocol-ID  |   SPI Size    |      Notify Message Type      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                Security Parameter Index (SPI)                 ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                       Notification Data                       ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Notification {
    /// Domain of interpretation.
    pub doi: Doi,
    /// Protocol of the SA that the SPI names.
    pub protocol: ProtocolId,
    /// SPI size in octets.
    pub spi_size: Derived<u8>,
    /// What is notified.
    pub notify_type: NotifyType,
    /// SPI: both cookies for ISAKMP, four octets for AH and ESP, or empty.
    pub spi: Vec<u8>,
    /// Notification data.
    pub data: Vec<u8>,
}

/// Delete payload, section 3.15.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |              Domain of Interpretation  (DOI)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Protocol-Id  |   SPI Size    |           # of SPIs           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~               Security Parameter Index(es) (SPI)              ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Delete {
    /// Domain of interpretation.
    pub doi: Doi,
    /// ISAKMP, AH or ESP.
    pub protocol: ProtocolId,
    /// SPI size: 16 for ISAKMP, 4 for AH and ESP.
    pub spi_size: u8,
    /// Number of SPIs. Where the SPI size is 0, reading keeps any number as `Exactly`: no octets contradict it.
    pub spi_count: Derived<u16>,
    /// The SPIs, one after the other.
    pub spis: Vec<u8>,
}

/// Both cookies as one SPI.
pub fn cookies_spi(cookies: (u64, u64)) -> [u8; 16] {
    (u128::from(cookies.0) << 64 | u128::from(cookies.1)).to_be_bytes()
}

impl Notification {
    /// A notification of the IPsec DOI about the ISAKMP SA with these cookies.
    pub fn isakmp(cookies: (u64, u64), notify_type: NotifyType, data: impl Into<Vec<u8>>) -> Self {
        Self::new(ProtocolId::IKE, cookies_spi(cookies), notify_type, data)
    }

    /// A notification of the IPsec DOI about the SA with this SPI.
    pub fn new(
        protocol: ProtocolId,
        spi: impl Into<Vec<u8>>,
        notify_type: NotifyType,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        let (spi, data) = (spi.into(), data.into());
        Self { doi: Doi::IPSEC, protocol, spi_size: Derived::Computed, notify_type, spi, data }
    }

    /// The SPI of an AH or ESP SA, if it is one.
    pub fn ipsec_spi(&self) -> Option<u32> {
        self.spi.as_slice().try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let mut reader = reader.named("Notification payload (RFC 2408 3.14)");
        let doi = Doi(reader.u32()?);
        let [protocol, spi_size] = reader.array()?;
        let notify_type = NotifyType(reader.u16()?);
        let spi = reader.take(usize::from(spi_size))?.to_vec();
        let data = reader.rest().to_vec();
        Ok(Self { doi, protocol: ProtocolId(protocol), spi_size: Derived::Computed, notify_type, spi, data })
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.doi.0.to_be_bytes());
        out.extend([self.protocol.0, self.spi_size.or(self.spi.len() as u8)]);
        out.extend(self.notify_type.0.to_be_bytes());
        out.extend(&self.spi);
        out.extend(&self.data);
    }
}

impl Delete {
    /// Deletes the ISAKMP SA with these cookies.
    pub fn isakmp(cookies: (u64, u64)) -> Self {
        let spis = cookies_spi(cookies).to_vec();
        Self { doi: Doi::IPSEC, protocol: ProtocolId::IKE, spi_size: 16, spi_count: Derived::Computed, spis }
    }

    /// Deletes the AH or ESP SAs with these SPIs: those that the sender receives on.
    pub fn ipsec(protocol: ProtocolId, spis: &[u32]) -> Self {
        let spis = spis.iter().flat_map(|spi| spi.to_be_bytes()).collect();
        Self { doi: Doi::IPSEC, protocol, spi_size: 4, spi_count: Derived::Computed, spis }
    }

    /// The SPIs, each of `spi_size` octets; what is left over at the end of a dishonest value is not among them.
    pub fn spis(&self) -> impl Iterator<Item = &[u8]> {
        // `chunks_exact` has no place for a size of zero; there are no SPIs then.
        let spis: &[u8] = if self.spi_size == 0 { &[] } else { &self.spis };
        spis.chunks_exact(usize::from(self.spi_size.max(1)))
    }

    /// The SPIs of AH or ESP; none if their size is not 4.
    pub fn ipsec_spis(&self) -> impl Iterator<Item = u32> {
        self.spis().filter_map(|spi| spi.try_into().ok()).map(u32::from_be_bytes)
    }

    /// What the # of SPIs field should hold.
    fn count(&self) -> u16 {
        self.spis.len().checked_div(usize::from(self.spi_size)).unwrap_or(0) as u16
    }

    pub(super) fn parse(reader: Reader<'_>) -> Result<Self, Error> {
        let start = reader.named("Delete payload (RFC 2408 3.15)");
        let mut reader = start;
        let doi = Doi(reader.u32()?);
        let [protocol, spi_size] = reader.array()?;
        let count = reader.u16()?;
        if usize::from(count) * usize::from(spi_size) != reader.len() {
            return Err(start.fail(Rule::IsakmpDeleteSpis { count, size: spi_size, octets: reader.len() }));
        }
        let spis = reader.rest().to_vec();
        let mut delete = Self { doi, protocol: ProtocolId(protocol), spi_size, spi_count: Derived::Computed, spis };
        delete.spi_count = Derived::read(count, delete.count());
        Ok(delete)
    }

    /// Writes the payload's contents, without the generic header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.doi.0.to_be_bytes());
        out.extend([self.protocol.0, self.spi_size]);
        out.extend(self.spi_count.or(self.count()).to_be_bytes());
        out.extend(&self.spis);
    }
}
