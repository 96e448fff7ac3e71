//! How long packets get under SAs, by arithmetic from the RFCs: what a DUT sends and announces is compared with it.

use super::Testbed;
use crate::run::StepError;
use reference_peer::config::Mode;
use reference_peer::ike::v2::ChildSa;
use wire::ikev2::ProtocolId;

/// Octets of an IPv4 header without options.
const IPV4: usize = 20;
/// Octets of an IPv6 header.
const IPV6: usize = 40;
/// Octets of a UDP header.
const UDP: usize = 8;
/// Octets of SPI and sequence number of ESP.
const ESP_HEADER: usize = 8;
/// Octets of pad length and next header of ESP.
const ESP_TRAILER: usize = 2;
/// Octets of AH before its ICV.
const AH_HEADER: usize = 12;

/// What protection adds to a packet: one SA, or a bundle with the innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encapsulation {
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layer {
    kind: Kind,
    /// Octets of the header that tunnel mode puts in front; none in transport mode.
    outer: Option<usize>,
    /// Octets of a UDP header.
    udp: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What is encrypted, pad length and next header among it, is a multiple of `block`.
    Esp { iv: usize, block: usize, icv: usize },
    /// With an ICV that is filled up.
    Ah { icv: usize },
}

impl Encapsulation {
    /// That of SAs, of a bundle with the innermost first.
    pub fn of(bundle: &[ChildSa]) -> Self {
        Self { layers: bundle.iter().map(Layer::of).collect() }
    }

    /// Octets of an IP packet of `inner` octets when it is protected; `header` of them are its header.
    pub fn protected_len(&self, inner: usize, header: usize) -> usize {
        let (len, _) = self.layers.iter().fold((inner, header), |(len, header), layer| match layer.outer {
            Some(outer) => (outer + layer.udp + layer.kind.len(len), outer),
            None => (header + layer.udp + layer.kind.len(len.saturating_sub(header)), header),
        });
        len
    }

    /// The longest IP packet that fits `mtu` octets when it is protected; 0 if none does.
    pub fn longest(&self, mtu: usize, header: usize) -> usize {
        (header..=mtu).rev().find(|inner| self.protected_len(*inner, header) <= mtu).unwrap_or(0)
    }

    /// The least and the most that protection adds to packets of these lengths.
    pub fn overhead(&self, inner: impl Iterator<Item = usize>, header: usize) -> Option<(usize, usize)> {
        let added = inner.map(|inner| self.protected_len(inner, header).saturating_sub(inner));
        added.fold(None, |range, added| match range {
            None => Some((added, added)),
            Some((least, most)) => Some((added.min(least), added.max(most))),
        })
    }
}

impl Layer {
    fn of(child: &ChildSa) -> Self {
        let v4 = child.path.remote.is_ipv4();
        let icv = child.integrity.map_or(0, |integrity| integrity.icv_len());
        let kind = if child.protocol == ProtocolId::AH {
            // RFC 4302 section 2.6.
            Kind::Ah { icv: (AH_HEADER + icv).next_multiple_of(if v4 { 4 } else { 8 }) - AH_HEADER }
        } else {
            let cipher = child.encryption;
            Kind::Esp {
                iv: cipher.map_or(0, |cipher| cipher.iv_len()),
                // RFC 4303 section 2.4.
                block: cipher.map_or(1, |cipher| cipher.block_len()).max(4),
                icv: icv + cipher.map_or(0, |cipher| cipher.icv_len()),
            }
        };
        let outer = match child.mode {
            Mode::Tunnel => Some(if v4 { IPV4 } else { IPV6 }),
            Mode::Transport => None,
        };
        Self { kind, outer, udp: if child.udp_encapsulation { UDP } else { 0 } }
    }
}

impl Kind {
    /// Octets of ESP or AH, payload included.
    fn len(self, payload: usize) -> usize {
        match self {
            Self::Esp { iv, block, icv } => ESP_HEADER + iv + (payload + ESP_TRAILER).next_multiple_of(block) + icv,
            Self::Ah { icv } => AH_HEADER + icv + payload,
        }
    }
}

impl Testbed {
    /// What the newest SAs add to a packet.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn encapsulation(&self) -> Result<Encapsulation, StepError> {
        Ok(Encapsulation::of(&self.newest_bundle()?))
    }

    /// Octets of the header of packets in the protected networks, without options.
    pub fn inner_header(&self) -> usize {
        if self.plan().tester_host.is_ipv4() { IPV4 } else { IPV6 }
    }

    /// The longest packet from the inside that fits the DUT's outside when it is protected, by arithmetic.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn longest_inner(&self) -> Result<usize, StepError> {
        Ok(self.encapsulation()?.longest(self.settings().mtu, self.inner_header()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::testbed::tests::begin;
    use crate::testbed::{Family, Keying};

    fn of(protection: &str, outer: Family, mode: Mode, udp: bool) -> Encapsulation {
        let mut testbed = begin();
        testbed.use_families(outer, Family::V4).unwrap();
        *testbed.want() = crate::testbed::Wanted {
            protection: Some(protection.parse().unwrap()),
            mode,
            udp,
            keying: Some(Keying::Manual),
            ..crate::testbed::Wanted::default()
        };
        testbed.bring_up().unwrap();
        testbed.encapsulation().unwrap()
    }

    #[test]
    fn the_longest_packets_as_counted_by_hand() {
        let (v4, v6, native, udp) = (Family::V4, Family::V6, false, true);
        for (protection, outer, udp, longest) in [
            // 20 + 8 + 16 + (1438 + 2) + 16
            ("aes128-sha256", v4, native, 1438),
            // 20 + 8 + 8 + 16 + (1422 + 2) + 16 leaves 6, and the next block would take 16.
            ("aes128-sha256", v4, udp, 1422),
            ("aes128-sha256", v6, native, 1406),
            // 20 + 8 + 8 + (1446 + 2) + 16
            ("aes128gcm16", v4, native, 1446),
            ("aes128gcm16", v4, udp, 1438),
            // 20 + 8 + (1454 + 2) + 16
            ("null-sha256", v4, native, 1454),
            // 20 + 12 + 16; over IPv6 the ICV is filled up to 20
            ("sha256", v4, native, 1452),
            ("sha256", v6, native, 1428),
            // 20 + 12 + 12 and 8 + 16 + (1406 + 2) + 12 leave 12
            ("sha1+aes128-sha1", v4, native, 1406),
        ] {
            let encapsulation = of(protection, outer, Mode::Tunnel, udp);
            assert_eq!(encapsulation.longest(1500, 20), longest, "{protection} over {outer}");
            assert!(encapsulation.protected_len(longest + 1, 20) > 1500);
        }
        let transport = of("aes128-sha256", v4, Mode::Transport, native);
        // 20 + 8 + 16 + (1438 + 2) + 16 with 1438 octets after the header
        assert_eq!(transport.longest(1500, 20), 1458);
        assert_eq!(of("aes128-sha256", v4, Mode::Tunnel, native).overhead(100..132, 20), Some((62, 77)));
    }
}
