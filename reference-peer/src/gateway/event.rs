//! What a gateway tells its owner.

use super::ReplayError;
use crate::ike::v1;
use crate::ike::v2::{self, ChildSa, DownReason};
use crate::ipsec::drops::DropReason;
use std::net::IpAddr;

/// Something that has happened in the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// In the IKEv2 engine.
    Ike(v2::Event),
    /// In the IKEv1 engine.
    Isakmp(v1::Event),
    /// A pair of Child SAs of IKEv2 or of IPsec SAs of IKEv1 was installed; its keys are for evidence. Of a bundle, each
    /// pair has an event of its own, the innermost first.
    ChildInstalled(Box<ChildSa>),
    /// A pair of Child SAs or IPsec SAs was removed.
    ChildRemoved {
        /// SPI that we received on.
        inbound_spi: u32,
        /// SPI that we sent on.
        outbound_spi: u32,
        /// Why.
        reason: DownReason,
    },
    /// A packet was dropped.
    Dropped {
        /// SPI of ESP and AH packets.
        spi: Option<u32>,
        /// Source address, as far as it could be read.
        source: Option<IpAddr>,
        /// Why.
        reason: DropReason,
    },
    /// An ESP or AH packet without an SA: the guide's `%CRYPTO-4-RECVD_PKT_INV_SPI`.
    InvalidSpi {
        /// Destination of the packet.
        destination: IpAddr,
        /// Source of the packet.
        source: IpAddr,
        /// IP protocol: 50 or 51.
        protocol: u8,
        /// The SPI.
        spi: u32,
    },
    /// A packet in transport mode was for the gateway itself: the IP packet as it would have been without protection.
    Delivered(Vec<u8>),
    /// The anti-replay check has rejected a packet: the guide's `%CRYPTO-4-PKT_REPLAY_ERR`. Follows its
    /// [`Dropped`](Self::Dropped).
    ReplayError(ReplayError),
    /// An ESP or AH packet was accepted.
    Decapsulated {
        /// SPI.
        spi: u32,
        /// Sequence number, all 64 bits with ESN.
        sequence: u64,
    },
}
