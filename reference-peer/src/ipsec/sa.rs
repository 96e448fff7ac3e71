//! What a security association is made of (RFC 4301 section 4.4.2.1).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crypto::{Encryption, Integrity, KeyError, Zeroizing};
use rand_core::Rng;

use super::selector::Selectors;
use super::sequence::Numbering;
use crate::Instant;
use crate::config::Mode;
use crate::deviation::{Deviation, DeviationSet};

/// The security protocol of an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// Encapsulating Security Payload, IP protocol 50 (RFC 4303).
    #[default]
    Esp,
    /// Authentication Header, IP protocol 51 (RFC 4302).
    Ah,
}

impl Protocol {
    /// The IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Esp => 50,
            Self::Ah => 51,
        }
    }
}

/// The ports of UDP encapsulation (RFC 3948), as they stand in what this SA sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UdpPorts {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Eight zero octets before ESP, the non-IKE marker of old drafts (guide chapter 6); RFC 3948 has nothing there.
    pub non_ike_marker: bool,
}

impl UdpPorts {
    /// Ports of RFC 3948, without a marker.
    pub fn new(source: u16, destination: u16) -> Self {
        Self { source, destination, non_ike_marker: false }
    }
}

/// The Don't Fragment bit of the outer IPv4 header (RFC 4301 section 8.1, guide chapter 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DfBit {
    /// That of the inner packet; set for an inner IPv6 packet, which no router may fragment.
    #[default]
    Copy,
    /// Always set.
    Set,
    /// Never set.
    Clear,
}

/// The DSCP of the outer header (RFC 4301 section 5.1.2.1, RFC 2983).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dscp {
    /// That of the inner packet.
    #[default]
    Copy,
    /// This value of six bits.
    Set(u8),
}

/// The ECN field of outer and inner header (RFC 6040).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// Encapsulate in normal mode (copy), decapsulate by the table of section 4.2.
    #[default]
    Normal,
    /// Encapsulate in compatibility mode (outer Not-ECT), decapsulate by the same table.
    Compatibility,
    /// Encapsulate by copying; decapsulate as RFC 4301 section 5.1.2.1 note 6 does: CE goes to an ECT inner header,
    /// otherwise no change, and nothing is dropped.
    Rfc4301,
}

/// How much an SA may be used. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Limit {
    /// Age.
    pub time: Option<Duration>,
    /// Octets of protected data, without headers, padding and ICV.
    pub bytes: Option<u64>,
    /// Packets.
    pub packets: Option<u64>,
}

/// When an SA should be replaced and when it must not be used any more (RFC 4301 section 4.4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SaLifetime {
    /// When a replacement should be negotiated.
    pub soft: Limit,
    /// When the SA ends.
    pub hard: Limit,
}

/// Where an SA stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Age {
    /// In use.
    Fresh,
    /// Past its soft lifetime, or with its sequence numbers nearly used up: to be replaced.
    Soft,
    /// Past its hard lifetime: carries nothing more.
    Hard,
}

/// Search for the high half of an extended sequence number after the loss of 2^32 packets (RFC 4303 appendix A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resynchronisation {
    /// Consecutive packets with a wrong ICV before the search is made.
    pub after: u32,
    /// How many larger high halves are tried on each further packet with a wrong ICV.
    pub tries: u32,
}

/// Addresses of the peers as they were before any NAT (NAT-OA, RFC 3947 section 5.2): what transport mode checksums
/// were computed over (RFC 3948 section 3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OriginalAddresses {
    /// What the sender has as its own address.
    pub source: IpAddr,
    /// What the sender has as the destination.
    pub destination: IpAddr,
}

/// Everything that makes one SA, in one direction.
#[derive(Debug, Clone)]
pub struct SaParameters {
    /// SPI, chosen by the receiver.
    pub spi: u32,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport mode.
    pub mode: Mode,
    /// Cipher. [`Encryption::Null`] with AH.
    pub encryption: Encryption,
    /// Key of the cipher and, after it, its salt.
    pub encryption_key: Zeroizing<Vec<u8>>,
    /// Integrity algorithm; [`Integrity::None`] with a combined mode cipher.
    pub integrity: Integrity,
    /// Key of the integrity algorithm.
    pub integrity_key: Zeroizing<Vec<u8>>,
    /// Outer source address.
    pub source: IpAddr,
    /// Outer destination address.
    pub destination: IpAddr,
    /// Send in UDP, with these ports. A receiver takes both forms whatever stands here.
    pub udp: Option<UdpPorts>,
    /// How packets are counted.
    pub numbering: Numbering,
    /// Size of the anti-replay window; `None` for no check. Where there are several spaces, each has a shorter one that
    /// follows from it. Without an integrity service there is never a check (RFC 4303 section 3.4.3).
    pub replay_window: Option<u32>,
    /// Which inner packets belong here; `local` is this peer's side in both directions.
    pub selectors: Selectors,
    /// Limits of use.
    pub lifetime: SaLifetime,
    /// Outer DF bit, tunnel mode over IPv4.
    pub df: DfBit,
    /// Outer DSCP, tunnel mode.
    pub dscp: Dscp,
    /// ECN, tunnel mode.
    pub ecn: Ecn,
    /// Outer TTL or hop limit, tunnel mode.
    pub hop_limit: u8,
    /// Check that padding is 1, 2, 3, ... (RFC 4303 section 2.4 SHOULD).
    pub check_padding: bool,
    /// Search for lost high halves of extended sequence numbers.
    pub resynchronisation: Option<Resynchronisation>,
    /// For transport mode through a NAT.
    pub original_addresses: Option<OriginalAddresses>,
    /// Deliberate faults.
    pub deviations: Arc<DeviationSet>,
}

impl SaParameters {
    /// ESP in tunnel mode without encryption and integrity (set them), everything in the selectors, the default
    /// window of 64, no limits.
    pub fn new(spi: u32, source: IpAddr, destination: IpAddr) -> Self {
        Self {
            spi,
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            encryption: Encryption::Null,
            encryption_key: Zeroizing::default(),
            integrity: Integrity::None,
            integrity_key: Zeroizing::default(),
            source,
            destination,
            udp: None,
            numbering: Numbering::Plain,
            replay_window: Some(super::replay::ReplayWindow::DEFAULT_SIZE),
            selectors: Selectors::any(),
            lifetime: SaLifetime::default(),
            df: DfBit::default(),
            dscp: Dscp::default(),
            ecn: Ecn::default(),
            hop_limit: 64,
            check_padding: true,
            resynchronisation: Some(Resynchronisation { after: 16, tries: 4 }),
            original_addresses: None,
            deviations: Arc::default(),
        }
    }

    /// The same with these algorithms and keys.
    pub fn with_keys(
        mut self,
        (encryption, encryption_key): (Encryption, &[u8]),
        (integrity, integrity_key): (Integrity, &[u8]),
    ) -> Self {
        self.encryption = encryption;
        self.encryption_key = Zeroizing::new(encryption_key.to_vec());
        self.integrity = integrity;
        self.integrity_key = Zeroizing::new(integrity_key.to_vec());
        self
    }

    /// Can there be an SA like this?
    pub(crate) fn validate(&self) -> Result<(), SaError> {
        if self.spi == 0 && !self.deviations.has(Deviation::AllocatesSpiZero) {
            return Err(SaError::ReservedSpi);
        }
        if self.source.is_ipv4() != self.destination.is_ipv4() {
            return Err(SaError::MixedFamilies);
        }
        let authenticates_only = self.encryption == Encryption::Null && self.integrity != Integrity::None;
        if self.protocol == Protocol::Ah && !authenticates_only {
            return Err(SaError::NotForAh);
        }
        Ok(())
    }

    /// UDP encapsulation as it is sent.
    pub(crate) fn udp_ports(&self) -> Option<UdpPorts> {
        let udp = self.udp.filter(|_| !self.deviations.has(Deviation::IgnoresNat))?;
        let fixed = self.deviations.has(Deviation::SendsToPort4500);
        Some(UdpPorts { destination: if fixed { 4500 } else { udp.destination }, ..udp })
    }

    /// Does the SA have an integrity service?
    pub fn has_integrity(&self) -> bool {
        self.encryption.is_aead() || self.integrity != Integrity::None
    }
}

/// Why there is no SA with these parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaError {
    /// A key has the wrong length.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A combined mode is not combined with an integrity algorithm (RFC 7296 section 3.3).
    #[error("{0} authenticates itself and takes no integrity algorithm")]
    TwoIntegrityServices(Encryption),
    /// AH encrypts nothing and always authenticates.
    #[error("AH takes an integrity algorithm and no cipher")]
    NotForAh,
    /// SPI 0 never appears on the wire (RFC 4303 section 2.1).
    #[error("SPI 0 is reserved for local use")]
    ReservedSpi,
    /// Addresses of two families.
    #[error("the tunnel's ends are of different address families")]
    MixedFamilies,
    /// The SPI is taken.
    #[error("there is already an inbound SA with SPI {0:#010x}")]
    SpiInUse(u32),
}

/// What an SA has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Packets protected or accepted.
    pub packets: u64,
    /// Octets of protected data in them.
    pub bytes: u64,
}

/// The use of an SA against its lifetime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    created: Instant,
    lifetime: SaLifetime,
    pub(crate) usage: Usage,
}

impl Meter {
    pub(crate) fn new(created: Instant, lifetime: SaLifetime) -> Self {
        Self { created, lifetime, usage: Usage::default() }
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    pub(crate) fn count(&mut self, bytes: usize) {
        self.usage.packets += 1;
        self.usage.bytes += bytes as u64;
    }

    pub(crate) fn age(&self, now: Instant) -> Age {
        let over = |limit: &Limit| {
            limit.time.is_some_and(|time| now.since(self.created) >= time)
                || limit.bytes.is_some_and(|bytes| self.usage.bytes >= bytes)
                || limit.packets.is_some_and(|packets| self.usage.packets >= packets)
        };
        if over(&self.lifetime.hard) {
            Age::Hard
        } else if over(&self.lifetime.soft) {
            Age::Soft
        } else {
            Age::Fresh
        }
    }

    /// When age alone brings the next change.
    pub(crate) fn next_change(&self, now: Instant) -> Option<Instant> {
        let at = |limit: Limit| limit.time.map(|time| self.created + time).filter(|&at| at > now);
        at(self.lifetime.soft).into_iter().chain(at(self.lifetime.hard)).min()
    }
}

/// An SPI that is neither reserved (RFC 4303 section 2.1) nor in use.
pub(crate) fn free_spi(rng: &mut dyn Rng, in_use: impl Fn(u32) -> bool) -> Option<u32> {
    // Bounded: even with a million SAs sixteen misses in a row don't happen.
    (0..16).map(|_| rng.next_u32()).find(|&spi| spi > 0xff && !in_use(spi))
}
