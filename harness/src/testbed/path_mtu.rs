//! ICMP errors to the DUT that say how much the way to the tester carries.

use super::Testbed;
use super::traffic::ip_packet;
use crate::dissect::Seen;
use crate::run::StepError;
use reference_peer::gateway::Leg;
use std::net::IpAddr;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6};

/// Octets that a router quotes, so that its error has no more than 576 octets (RFC 1812 section 4.3.2.3) or 1280 (RFC
/// 4443 section 2.4 c).
const QUOTED: (usize, usize) = (576 - 20 - 8, 1280 - 40 - 8);

impl Testbed {
    /// The newest protected packet of the DUT as it crossed the link, or the first fragment of it.
    ///
    /// # Errors
    /// Inconclusive when none was seen.
    pub fn last_protected(&self) -> Result<ip::Packet, StepError> {
        let protected = |seen: &&Seen| seen.from_dut && seen.leg == Leg::Outside && seen.numbered().is_some();
        let last = self.seen.iter().rev().find(protected);
        let pieces = last.map(|seen| self.pieces(seen)).unwrap_or_default();
        let first = pieces.into_iter().find(|piece| match piece {
            ip::Packet::V4(piece) => piece.fragment_offset == 0,
            ip::Packet::V6(_) => true,
        });
        first.ok_or_else(|| StepError::inconclusive("no protected packet of the DUT was seen"))
    }

    /// Sends "fragmentation needed" or "packet too big" to the DUT, as a router on the way would, with the beginning of
    /// a packet that it is about.
    ///
    /// # Errors
    /// Our own fault when the MTU is none.
    pub fn report_mtu(&mut self, mtu: u32, about: &ip::Packet) -> Result<(), StepError> {
        let (from, to) = (self.plan.tester, self.plan.dut);
        let octets = about.to_bytes();
        let quoted = |most: usize| octets.get(..octets.len().min(most)).unwrap_or_default().to_vec();
        let packet = match (from, to) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let message = icmpv6::Message::PacketTooBig { mtu, original: quoted(QUOTED.1) };
                let error = icmpv6::Packet::from(message).to_bytes(source, destination);
                ip_packet(from, to, Protocol::ICMPV6, error)?
            }
            _ => {
                let mtu = u16::try_from(mtu).map_err(StepError::testbed)?;
                let error = icmpv4::Packet::fragmentation_needed(mtu, quoted(QUOTED.0)).to_bytes();
                ip_packet(from, to, Protocol::ICMP, error)?
            }
        };
        self.note(format!("ICMP: the way carries {mtu} octets"));
        self.send_outside(packet)
    }
}
