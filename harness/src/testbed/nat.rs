//! A NAT in front of the tester, as far as a DUT can tell: what the tester sends from ports 500 and 4500 leaves from
//! other ports, and what comes to those reaches it. The tester knows nothing of it, so that both ends find the NAT by
//! their own hashes (RFC 7296 section 2.23). What is seen is what crosses the link, beyond the NAT.

use wire::ip::{self, Protocol};
use wire::udp::Datagram;

/// The ports that a NAT gives the tester's ports 500 and 4500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortNat {
    /// Seen instead of port 500.
    pub ike: u16,
    /// Seen instead of port 4500.
    pub natt: u16,
}

impl PortNat {
    /// A packet of the tester as it leaves the NAT.
    pub(super) fn outward(self, packet: Vec<u8>) -> Vec<u8> {
        let translated = translate(&packet, |datagram| match datagram.source_port {
            500 => datagram.source_port = self.ike,
            4500 => datagram.source_port = self.natt,
            _ => {}
        });
        translated.unwrap_or(packet)
    }

    /// A packet to the tester as it comes out of the NAT; `None` if there is no mapping for it.
    pub(super) fn inward(self, packet: Vec<u8>) -> Option<Vec<u8>> {
        let mut mapped = true;
        let translated = translate(&packet, |datagram| match datagram.destination_port {
            port if port == self.ike => datagram.destination_port = 500,
            port if port == self.natt => datagram.destination_port = 4500,
            _ => mapped = false,
        });
        mapped.then(|| translated.unwrap_or(packet))
    }
}

/// Changes the UDP datagram in a packet, whose checksum stays right, wrong or absent. `None` if there is none.
fn translate(packet: &[u8], change: impl FnOnce(&mut Datagram)) -> Option<Vec<u8>> {
    let mut packet = ip::Packet::parse(packet).ok()?;
    if packet.protocol() != Protocol::UDP || packet.is_fragment() {
        return None;
    }
    let (source, destination) = (packet.source(), packet.destination());
    let mut datagram = Datagram::parse(packet.payload(), source, destination).ok()?;
    change(&mut datagram);
    let octets = datagram.to_bytes(source, destination);
    match &mut packet {
        ip::Packet::V4(packet) => packet.payload = octets,
        ip::Packet::V6(packet) => packet.payload = octets,
    }
    Some(packet.to_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use wire::{Derived, ipv4};

    const TESTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    const DUT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    fn packet(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), checksum: Derived<u16>) -> Vec<u8> {
        let mut datagram = Datagram::new(source.1, destination.1, b"payload".as_slice());
        datagram.checksum = checksum;
        let upper = datagram.to_bytes(source.0.into(), destination.0.into());
        ipv4::Packet::new(source.0, destination.0, Protocol::UDP, upper).to_bytes()
    }

    #[test]
    fn ports_are_changed_there_and_back_and_checksums_kept() {
        let nat = PortNat { ike: 31337, natt: 34500 };
        for checksum in [Derived::Computed, Derived::Exactly(0)] {
            let out = nat.outward(packet((TESTER, 4500), (DUT, 4500), checksum));
            assert_eq!(out, packet((TESTER, 34500), (DUT, 4500), checksum));
            let back = nat.inward(packet((DUT, 4500), (TESTER, 34500), checksum)).unwrap();
            assert_eq!(back, packet((DUT, 4500), (TESTER, 4500), checksum));
            let parsed = ip::Packet::parse(&back).unwrap();
            let datagram = Datagram::parse(parsed.payload(), IpAddr::V4(DUT), IpAddr::V4(TESTER)).unwrap();
            assert!(datagram.is_intact(DUT.into(), TESTER.into()));
        }
        assert_eq!(nat.inward(packet((DUT, 4500), (TESTER, 4500), Derived::Computed)), None);
        let other = packet((TESTER, 9), (DUT, 4500), Derived::Computed);
        assert_eq!(nat.outward(other.clone()), other);
    }
}
