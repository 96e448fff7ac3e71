//! What a gateway is told beyond IKE: its own addresses, and the behaviours of the guide's chapters.

use crate::config::IkeConfig;
use std::net::IpAddr;
use std::time::Duration;

/// Everything that one gateway is told.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Name in logs.
    pub name: String,
    /// Own addresses on the outside.
    pub outside: Vec<IpAddr>,
    /// Own addresses on the inside.
    pub inside: Vec<IpAddr>,
    /// The longest IP packet that the outside carries, octets. Longer ones are sent as fragments if they may be.
    pub outside_mtu: usize,
    /// Connections, cookies, limits and deviations.
    pub ike: IkeConfig,
    /// Traffic that fits a connection without SAs starts a negotiation.
    pub initiate_on_traffic: bool,
    /// Liveness checks; `None` for none of our own (checks of the peer are always answered).
    pub dead_peer_detection: Option<DeadPeerDetection>,
    /// What becomes of ESP and AH packets without an SA.
    pub invalid_spi: InvalidSpi,
    /// A keepalive is sent through a NAT in front of us when nothing else was sent for so long (RFC 3948 section 4);
    /// `None` sends none.
    pub nat_keepalive: Option<Duration>,
}

impl Default for GatewayConfig {
    /// A gateway on Ethernet without addresses and connections, that starts nothing by itself.
    fn default() -> Self {
        Self {
            name: String::new(),
            outside: Vec::new(),
            inside: Vec::new(),
            outside_mtu: 1500,
            ike: IkeConfig::default(),
            initiate_on_traffic: false,
            dead_peer_detection: None,
            invalid_spi: InvalidSpi::default(),
            nat_keepalive: None,
        }
    }
}

/// Liveness checks (RFC 7296 section 2.4, guide chapter 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadPeerDetection {
    /// How long nothing authentic has come from the peer before it is asked.
    pub interval: Duration,
    /// When it is asked.
    pub mode: DpdMode,
}

/// When a silent peer is asked whether it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DpdMode {
    /// Only while there is traffic to send.
    OnDemand,
    /// Always.
    Periodic,
}

/// What becomes of a packet with an unknown SPI (RFC 7296 sections 1.5 and 2.21.4, guide chapter 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSpi {
    /// With an IKE SA to the sender, INVALID_SPI is sent under it.
    pub notify_in_ike_sa: bool,
    /// Without one, INVALID_SPI is sent unprotected.
    pub notify_unprotected: bool,
    /// Notifies a second, at most.
    pub per_second: u32,
}

impl Default for InvalidSpi {
    /// As RFC 7296 recommends: inside an IKE SA only.
    fn default() -> Self {
        Self { notify_in_ike_sa: true, notify_unprotected: false, per_second: 2 }
    }
}
