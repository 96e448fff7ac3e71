//! Evidence: what lets a reader check a verdict without trusting us.

pub mod capture;
mod store;
pub mod timeline;
pub mod wireshark;

pub use store::Store;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Side of the DUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// The public, encrypted side.
    Outside,
    /// The protected side.
    Inside,
}

impl Leg {
    /// Its name in captures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Inside => "inside",
        }
    }
}

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the tester or its hosts to the DUT.
    ToDut,
    /// From the DUT.
    FromDut,
}

/// One packet as it was seen, decoded and decrypted once. The expectation, the capture, the ladder and the reports
/// share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Time since the scenario began.
    pub time: Duration,
    /// Where it was seen.
    pub leg: Leg,
    /// Which way it went.
    pub direction: Direction,
    /// The Ethernet frame.
    pub frame: Vec<u8>,
    /// What it is, decoded and decrypted, in one line.
    pub summary: String,
    /// What is to be said about it: the step that it belongs to, why a verdict rests on it.
    pub comments: Vec<String>,
}

/// Keys of one IKE SA.
#[derive(Clone, PartialEq, Eq)]
pub struct IkeKeys {
    /// SPI of the initiator and of the responder.
    pub spis: (u64, u64),
    /// SK_ei and SK_er, for AEAD ciphers with the salt.
    pub encryption_keys: (Vec<u8>, Vec<u8>),
    /// SK_ai and SK_ar, empty for AEAD ciphers.
    pub integrity_keys: (Vec<u8>, Vec<u8>),
    /// Encryption transform, IANA number.
    pub encryption: u16,
    /// Integrity transform, IANA number; 0 for AEAD ciphers.
    pub integrity: u16,
}

/// The key of one ISAKMP SA.
#[derive(Clone, PartialEq, Eq)]
pub struct IsakmpKey {
    /// Cookie of the initiator.
    pub initiator_cookie: u64,
    /// Key of the cipher (RFC 2409 appendix B).
    pub encryption_key: Vec<u8>,
}

/// Keys of one ESP SA, one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct EspKeys {
    /// Outer source address.
    pub source: IpAddr,
    /// Outer destination address.
    pub destination: IpAddr,
    /// SPI.
    pub spi: u32,
    /// Encryption transform, IANA number.
    pub encryption: u16,
    /// Integrity transform, IANA number; 0 for AEAD ciphers.
    pub integrity: u16,
    /// Encryption key, with the salt where the cipher has one.
    pub encryption_key: Vec<u8>,
    /// Integrity key, empty for AEAD ciphers.
    pub integrity_key: Vec<u8>,
    /// Extended sequence numbers?
    pub esn: bool,
}

/// Something that happened and is no packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Time since the scenario began.
    pub time: Duration,
    /// What happened, in one line: a step began, a timer fired, an SA came up.
    pub text: String,
}

/// The clock that a scenario ran by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Virtual: captures begin at the epoch, so that a run repeats to the octet.
    #[default]
    Virtual,
    /// The wall clock; the scenario began then.
    Wall(SystemTime),
}

/// What one scenario leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The packets, in the order in which they were seen.
    pub records: Vec<Record>,
    /// Keys of the SAs of IKEv2.
    pub ike_keys: Vec<IkeKeys>,
    /// Keys of the ISAKMP SAs.
    pub isakmp_keys: Vec<IsakmpKey>,
    /// Keys of the ESP SAs.
    pub esp_keys: Vec<EspKeys>,
    /// What else happened.
    pub events: Vec<Event>,
    /// How long the scenario took by its own clock.
    pub elapsed: Duration,
    /// The clock.
    pub clock: Clock,
}

impl std::fmt::Debug for IkeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IkeKeys({:016x}, {:016x})", self.spis.0, self.spis.1)
    }
}

impl std::fmt::Debug for IsakmpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IsakmpKey({:016x})", self.initiator_cookie)
    }
}

impl std::fmt::Debug for EspKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EspKeys({} -> {}, 0x{:08x})", self.source, self.destination, self.spi)
    }
}
