//! SAs with manual keys (RFC 4301 section 4.5.1): given by an operator or a test, without an IKE SA, and never rekeyed.

use super::{Event, Gateway};
use crate::Instant;
use crate::config::{Algorithm, EspProposal, Mode, Window};
use crate::ike::v2::{ChildSa, DirectionKeys, DownReason, Path, TrafficRange};
use crate::ipsec::sa::SaError;
use crypto::{Encryption, Integrity};
use rand_core::Rng;
use wire::ikev2::TransformType;

/// What a pair of SAs with manual keys is made of, but for its SPIs and keys.
#[derive(Debug, Clone)]
pub struct ManualPair {
    /// Name of the pair in logs.
    pub name: String,
    /// Algorithms: the first of each kind is used.
    pub proposal: EspProposal,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Mode.
    pub mode: Mode,
    /// The two ends, with the UDP ports of encapsulation.
    pub path: Path,
    /// Are packets encapsulated in UDP (RFC 3948)?
    pub udp_encapsulation: bool,
    /// Traffic at our end.
    pub local_ts: Vec<TrafficRange>,
    /// Traffic at the peer's end.
    pub remote_ts: Vec<TrafficRange>,
    /// Our anti-replay window; `None` for the one that holds for all SAs.
    pub replay_window: Option<Window>,
}

impl ManualPair {
    /// The cipher; `None` for AH.
    pub fn encryption(&self) -> Option<Encryption> {
        let cipher = self.proposal.encryption.first()?;
        Encryption::from_iana(cipher.id, cipher.key_bits)
    }

    /// The integrity algorithm; `None` with a combined mode cipher.
    pub fn integrity(&self) -> Option<Integrity> {
        let known = |algorithm: &Algorithm| algorithm.kind == TransformType::INTEG && algorithm.id != 0;
        Integrity::from_iana(self.proposal.integrity.first().filter(|algorithm| known(algorithm))?.id)
    }

    /// The pair with the keys that `keys` gives for each direction: first that which we receive on.
    pub fn with_keys(&self, (inbound_spi, outbound_spi): (u32, u32), keys: [DirectionKeys; 2]) -> ChildSa {
        let [inbound, outbound] = keys;
        ChildSa {
            ike_sa: None,
            connection: String::new(),
            child: self.name.clone(),
            protocol: self.proposal.protocol,
            mode: self.mode,
            inbound_spi,
            outbound_spi,
            encryption: self.encryption(),
            integrity: self.integrity(),
            inbound,
            outbound,
            path: self.path,
            udp_encapsulation: self.udp_encapsulation,
            local_ts: self.local_ts.clone(),
            remote_ts: self.remote_ts.clone(),
            original_addresses: None,
            esn: self.esn,
            replay_window: self.replay_window,
            initiator: false,
            rekeys: None,
            group: None,
        }
    }

    /// The pair with random keys.
    pub fn with_random_keys(&self, spis: (u32, u32), rng: &mut dyn Rng) -> ChildSa {
        let mut octets = |len: usize| {
            let mut octets = vec![0; len];
            rng.fill_bytes(&mut octets);
            octets
        };
        let mut keys = || DirectionKeys {
            encryption: octets(self.encryption().map_or(0, Encryption::key_material_len)),
            integrity: octets(self.integrity().map_or(0, Integrity::key_len)),
        };
        let keys = [keys(), keys()];
        self.with_keys(spis, keys)
    }
}

impl ChildSa {
    /// The same pair as the peer at the other end has it.
    pub fn mirrored(&self) -> Self {
        Self {
            inbound_spi: self.outbound_spi,
            outbound_spi: self.inbound_spi,
            inbound: self.outbound.clone(),
            outbound: self.inbound.clone(),
            path: Path { local: self.path.remote, remote: self.path.local },
            local_ts: self.remote_ts.clone(),
            remote_ts: self.local_ts.clone(),
            original_addresses: self.original_addresses.map(|(own, peer)| (peer, own)),
            initiator: !self.initiator,
            ..self.clone()
        }
    }
}

impl Gateway {
    /// Uses pairs of SAs that no IKE SA has made. More than one are a bundle, the innermost first: what the first has
    /// protected is protected by the second once more, as with AH over ESP.
    ///
    /// # Errors
    /// Parameters that make no SA, or an SPI that is in use. None of the pairs is used then.
    pub fn install_manual(&mut self, now: Instant, bundle: Vec<ChildSa>) -> Result<(), SaError> {
        self.data.install_bundle(&bundle, now)?;
        self.events.extend(bundle.into_iter().map(|child| Event::ChildInstalled(Box::new(child))));
        self.send_waiting(now);
        Ok(())
    }

    /// Forgets a pair of SAs with manual keys, and what goes over it.
    pub fn remove_manual(&mut self, inbound_spi: u32) {
        let mut next = Some(inbound_spi);
        while let Some(inbound_spi) = next {
            next = self.data.over(inbound_spi);
            let Some(outbound_spi) = self.data.child(inbound_spi).map(|child| child.outbound_spi) else { return };
            self.data.remove(inbound_spi);
            self.events.push_back(Event::ChildRemoved { inbound_spi, outbound_spi, reason: DownReason::Forgotten });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::{GatewayConfig, Leg};
    use super::*;
    use crate::deviation::Deviation;
    use crate::hands::{AhDraft, Disposition, EspContext, Hands};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use std::net::{IpAddr, SocketAddr};
    use wire::ip::Protocol;
    use wire::{icmpv4, ipv4};

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn range(start: [u8; 4], end: [u8; 4]) -> TrafficRange {
        TrafficRange { start: start.into(), end: end.into(), protocol: 0, ports: (0, u16::MAX) }
    }

    fn host(address: IpAddr) -> TrafficRange {
        TrafficRange { start: address, end: address, protocol: 0, ports: (0, u16::MAX) }
    }

    fn gateway(own: IpAddr, deviation: Option<Deviation>) -> Gateway {
        let mut config = GatewayConfig { outside: vec![own], ..GatewayConfig::default() };
        config.ike.deviations = deviation.into_iter().collect();
        Gateway::new(config, 1)
    }

    /// The guide's `ah-sha-hmac esp-des esp-sha-hmac`: AH over ESP.
    fn bundle(rng: &mut ChaCha20Rng) -> Vec<ChildSa> {
        bundle_in(Mode::Tunnel, rng)
    }

    fn bundle_in(mode: Mode, rng: &mut ChaCha20Rng) -> Vec<ChildSa> {
        let path = Path { local: SocketAddr::new(A, 4500), remote: SocketAddr::new(B, 4500) };
        let pair = |proposal: &str, mode, local_ts, remote_ts| ManualPair {
            name: proposal.to_owned(),
            proposal: proposal.parse().unwrap(),
            esn: false,
            mode,
            path,
            udp_encapsulation: false,
            local_ts: vec![local_ts],
            remote_ts: vec![remote_ts],
            replay_window: None,
        };
        let nets = match mode {
            Mode::Tunnel => (range([10, 1, 0, 0], [10, 1, 255, 255]), range([10, 2, 0, 0], [10, 2, 255, 255])),
            Mode::Transport => (host(A), host(B)),
        };
        let esp = pair("des-sha1", mode, nets.0, nets.1);
        let ah = pair("sha1", Mode::Transport, host(A), host(B));
        vec![esp.with_random_keys((0x1001, 0x2001), rng), ah.with_random_keys((0x1002, 0x2002), rng)]
    }

    fn ping() -> Vec<u8> {
        let echo = icmpv4::Packet::echo_request(1, 2, b"data".to_vec());
        ipv4::Packet::new([10, 1, 0, 5].into(), [10, 2, 0, 5].into(), Protocol::ICMP, echo.to_bytes()).to_bytes()
    }

    /// What the second gateway makes of what the first one sends of a ping, cut out of AH if that is wanted.
    fn through(deviation: Option<Deviation>, without_ah: bool) -> Option<Vec<u8>> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let pairs = bundle(&mut rng);
        let (mut a, mut b) = (gateway(A, None), gateway(B, deviation));
        b.install_manual(Instant::START, pairs.iter().map(ChildSa::mirrored).collect()).unwrap();
        a.install_manual(Instant::START, pairs).unwrap();
        a.handle(Instant::START, Leg::Inside, &ping());
        let mut sent = a.poll_transmit().unwrap().packet;
        assert_eq!((sent[9], a.poll_transmit()), (51, None));
        assert_eq!(sent[20], 50, "AH protects ESP");
        if without_ah {
            let mut packet = ipv4::Packet::parse(&sent).unwrap();
            (packet.protocol, packet.payload) = (Protocol::ESP, packet.payload.split_off(24));
            (packet.total_length, packet.checksum) = Default::default();
            sent = packet.to_bytes();
        }
        b.handle(Instant::START, Leg::Outside, &sent);
        b.poll_transmit().map(|transmit| transmit.packet)
    }

    #[test]
    fn a_bundle_is_sealed_twice_and_opened_twice() {
        let came = through(None, false).unwrap();
        assert_eq!(came[20..], ping()[20..]);
    }

    /// Sequence numbers of AH and of ESP in it, of three packets.
    fn numbers(deviation: Option<Deviation>) -> Vec<(u32, u32)> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut a = gateway(A, deviation);
        a.install_manual(Instant::START, bundle(&mut rng)).unwrap();
        let number = |packet: &[u8], at: usize| u32::from_be_bytes(*packet[at..].first_chunk().unwrap());
        let mut next = || {
            a.handle(Instant::START, Leg::Inside, &ping());
            a.poll_transmit().unwrap().packet
        };
        (0..3).map(|_| next()).map(|sent| (number(&sent, 28), number(&sent, 48))).collect()
    }

    #[test]
    fn each_sa_of_a_bundle_counts_for_itself() {
        assert_eq!(numbers(None), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(numbers(Some(Deviation::SharesCounterInBundle)), [(2, 1), (4, 3), (6, 5)]);
    }

    #[test]
    fn half_a_bundle_is_not_enough() {
        assert_eq!(through(None, true), None);
        assert!(through(Some(Deviation::AcceptsHalfBundle), true).is_some());
    }

    /// All SAs of it have the same selectors.
    #[test]
    fn a_bundle_in_transport_mode_is_sealed_twice_and_opened_twice() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let pairs = bundle_in(Mode::Transport, &mut rng);
        let (mut a, mut b) = (gateway(A, None), gateway(B, None));
        b.install_manual(Instant::START, pairs.iter().map(ChildSa::mirrored).collect()).unwrap();
        a.install_manual(Instant::START, pairs).unwrap();
        let (IpAddr::V4(from), IpAddr::V4(to)) = (A, B) else { unreachable!() };
        let echo = icmpv4::Packet::echo_request(1, 2, b"data".to_vec());
        a.originate(Instant::START, &ipv4::Packet::new(from, to, Protocol::ICMP, echo.to_bytes()).to_bytes());
        let sent = a.poll_transmit().unwrap().packet;
        assert_eq!((sent[9], sent[20]), (51, 50), "AH protects ESP");
        b.handle(Instant::START, Leg::Outside, &sent);
        let answer = b.poll_transmit().unwrap().packet;
        assert_eq!((answer[9], answer[20]), (51, 50));
    }

    /// Sets RESERVED of AH.
    struct Reserved;

    impl Hands for Reserved {
        fn ah(&mut self, _context: &EspContext, draft: &mut AhDraft) -> Disposition {
            draft.reserved = 0xbeef;
            Disposition::Send
        }
    }

    #[test]
    fn the_hands_of_a_gateway_edit_ah_too() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut a = gateway(A, None);
        a.set_hands(Reserved);
        a.install_manual(Instant::START, bundle(&mut rng)).unwrap();
        a.handle(Instant::START, Leg::Inside, &ping());
        assert_eq!(a.poll_transmit().unwrap().packet[22..24], [0xbe, 0xef]);
    }

    #[test]
    fn a_removed_bundle_is_gone() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut a = gateway(A, None);
        a.install_manual(Instant::START, bundle(&mut rng)).unwrap();
        a.remove_manual(0x1001);
        assert_eq!((a.data().sad().inbound_sas().count(), a.data().sad().outbound_sas().count()), (0, 0));
        assert!(a.install_manual(Instant::START, [bundle(&mut rng), bundle(&mut rng)].concat()).is_err());
        assert_eq!(a.data().sad().inbound_sas().count(), 0, "all or nothing");
    }
}
