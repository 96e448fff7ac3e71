//! What a gateway is told beyond IKE: its own addresses, and the behaviours of the guide's chapters.

use crate::config::isakmp::IsakmpConfig;
use crate::config::{IkeConfig, Window};
use crate::ipsec::sa::{DfBit, Dscp, Ecn};
use crate::ipsec::spd::Policy;
use std::collections::BTreeMap;
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
    /// The same of the inside.
    pub inside_mtu: usize,
    /// Connections, cookies and limits of IKEv2, and the deviations of the whole gateway.
    pub ike: IkeConfig,
    /// Connections and limits of IKEv1. Its deviations are added to those of the gateway.
    pub isakmp: IsakmpConfig,
    /// Traffic that fits a connection without SAs starts a negotiation.
    pub initiate_on_traffic: bool,
    /// Liveness checks of IKEv2; `None` for none of our own (checks of the peer are always answered). Connections of
    /// IKEv1 have settings of their own: [`IsakmpConnection::keepalive`](crate::config::isakmp::IsakmpConnection).
    pub dead_peer_detection: Option<DeadPeerDetection>,
    /// What becomes of ESP and AH packets without an SA.
    pub invalid_spi: InvalidSpi,
    /// A packet without an SA from a peer of IKEv1 that there is no ISAKMP SA with makes one, to tell the peer under it
    /// (guide chapter 4, `crypto isakmp invalid-spi-recovery`). Off by default.
    pub invalid_spi_recovery: bool,
    /// With IKEv2, a keepalive is sent through a NAT in front of us when nothing else was sent for so long (RFC 3948 section 4);
    /// `None` sends none. Connections of IKEv1 have settings of their own.
    pub nat_keepalive: Option<Duration>,
    /// How packets are protected, fragmented and filtered.
    pub data: DataConfig,
}

impl Default for GatewayConfig {
    /// A gateway on Ethernet without addresses and connections, that starts nothing by itself.
    fn default() -> Self {
        Self {
            name: String::new(),
            outside: Vec::new(),
            inside: Vec::new(),
            outside_mtu: 1500,
            inside_mtu: 1500,
            ike: IkeConfig::default(),
            isakmp: IsakmpConfig::default(),
            initiate_on_traffic: false,
            dead_peer_detection: None,
            invalid_spi: InvalidSpi::default(),
            invalid_spi_recovery: false,
            nat_keepalive: None,
            data: DataConfig::default(),
        }
    }
}

/// What the data plane is told: the settings of guide chapters 2, 3 and 7, and of RFC 4301 and 6040.
#[derive(Debug, Clone)]
pub struct DataConfig {
    /// Outer DF bit (guide chapter 7, `crypto ipsec df-bit` in global configuration).
    pub df_bit: DfBit,
    /// Outer DF bit of the outside interface; overrides the global one.
    pub interface_df_bit: Option<DfBit>,
    /// Packets that will not fit are fragmented before encryption (guide chapter 3, `crypto ipsec fragmentation`).
    pub pre_fragmentation: bool,
    /// The same of the outside interface; overrides the global setting.
    pub interface_pre_fragmentation: Option<bool>,
    /// SAs belong to a virtual tunnel interface, whose own MTU decides about fragmentation (guide chapter 3).
    pub tunnel_interface: Option<TunnelInterface>,
    /// ECN at the tunnel's ends (RFC 6040).
    pub ecn: Ecn,
    /// Outer DSCP (RFC 4301 section 5.1.2.1).
    pub dscp: Dscp,
    /// Anti-replay window of SAs whose child says nothing (guide chapter 2).
    pub replay_window: Window,
    /// Sixteen sequence number spaces an SA (guide chapter 2, `multi-sn`).
    pub sequence_spaces: bool,
    /// The sequence number space (0 to 15) of packets with a DSCP: that of the egress queue which the QoS policy puts
    /// them into. What is not named goes to space 0.
    pub queues: BTreeMap<u8, u8>,
    /// Path MTU of each SA (RFC 4301 section 8.2).
    pub path_mtu: PathMtu,
    /// Policies that are tried before those that follow from connections (RFC 4301 section 4.4.1).
    pub policies: Vec<Policy>,
    /// Check that padding is 1, 2, 3, ... (RFC 4303 section 2.4).
    pub check_padding: bool,
    /// INVALID_SELECTORS notifies a second, at most (RFC 7296 section 3.10.1); 0 for none.
    pub invalid_selectors: u32,
}

impl Default for DataConfig {
    /// As the guide's defaults and the RFCs' recommendations are.
    fn default() -> Self {
        Self {
            df_bit: DfBit::default(),
            interface_df_bit: None,
            pre_fragmentation: true,
            interface_pre_fragmentation: None,
            tunnel_interface: None,
            ecn: Ecn::default(),
            dscp: Dscp::default(),
            replay_window: Window::default(),
            sequence_spaces: false,
            queues: BTreeMap::new(),
            path_mtu: PathMtu::default(),
            policies: Vec::new(),
            check_padding: true,
            invalid_selectors: 1,
        }
    }
}

/// A virtual tunnel interface (guide chapter 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TunnelInterface {
    /// The longest inner packet that it carries, octets.
    pub ip_mtu: usize,
}

/// What is made of path MTU discovery (RFC 4301 section 8.2, RFC 1191, RFC 8201).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathMtu {
    /// ICMP errors from the outside that quote a packet of an own SA change its path MTU.
    pub heed_icmp: bool,
    /// How long a learned path MTU holds.
    pub age: Duration,
}

impl Default for PathMtu {
    /// Heeded, for ten minutes (RFC 1191 section 6.3, RFC 8201 section 4).
    fn default() -> Self {
        Self { heed_icmp: true, age: Duration::from_secs(600) }
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
