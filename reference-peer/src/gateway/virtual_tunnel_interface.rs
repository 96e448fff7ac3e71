//! SAs that belong to a virtual tunnel interface: its own MTU decides where packets are fragmented (guide chapter 3).
//!
//! The interface hands nothing longer than its IP MTU to encryption. With an IP MTU below what the egress interface
//! leaves, packets are fragmented before encryption; with a greater one they fit the tunnel interface, and what no
//! longer fits after encryption is fragmented then. The setting of crypto maps has no say.

use super::config::TunnelInterface;
use super::pre_fragmentation::{Fate, Outbound};

impl Default for TunnelInterface {
    /// 1500 octets, as in the guide's example: on a link of that size fragments arise after encryption, which is how
    /// the guide says that it is by default.
    fn default() -> Self {
        Self { ip_mtu: 1500 }
    }
}

impl TunnelInterface {
    /// What becomes of a packet at the interface itself, before encryption is thought of.
    pub(super) fn fate(self, packet: &Outbound) -> Fate {
        packet.fate(self.ip_mtu, true)
    }
}
