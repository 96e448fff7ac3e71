//! Two gateways back to back: what one sends on the outside, the other gets, in the order that the test wants.

mod deviations;
mod fragmentation;
mod isakmp;
mod path_mtu;
mod policy;
mod replay;

use super::*;
use crate::config::Mode;
use crate::ike::v2::{Path, TrafficRange};
use crate::ipsec::header::Header as IpHeader;
use crate::ipsec::sa::DfBit;
use std::net::SocketAddr;
use std::time::Duration;
use wire::{icmpv4, icmpv6, ipv4, udp};

/// What a pair of SAs is made of.
#[derive(Debug, Clone)]
struct Setup {
    /// Proposals, innermost first; each after the first is in transport mode.
    proposals: Vec<&'static str>,
    mode: Mode,
    udp: bool,
    /// Outer addresses of IPv6.
    outer_v6: bool,
    /// Protocol and ports at the side of `b`.
    remote: (u8, (u16, u16)),
    deviation: Option<Deviation>,
}

impl Setup {
    fn new(proposal: &'static str) -> Self {
        Self {
            proposals: vec![proposal],
            mode: Mode::Tunnel,
            udp: false,
            outer_v6: false,
            remote: (0, (0, u16::MAX)),
            deviation: None,
        }
    }

    fn with(self, deviation: Deviation) -> Self {
        Self { deviation: Some(deviation), ..self }
    }

    fn outside(&self, end: usize) -> IpAddr {
        match self.outer_v6 {
            false => [192, 0, 2, end as u8 + 1].into(),
            true => format!("2001:db8::{}", end + 1).parse().unwrap(),
        }
    }

    fn child(&self) -> Vec<ChildSa> {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let path =
            Path { local: SocketAddr::new(self.outside(0), 4500), remote: SocketAddr::new(self.outside(1), 4500) };
        let range = |start: &str, end: &str, (protocol, ports)| TrafficRange {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            protocol,
            ports,
        };
        let host = |address: IpAddr| range(&address.to_string(), &address.to_string(), (0, (0, u16::MAX)));
        let ends = |index: usize, net: u8| match (index, self.mode) {
            (0, Mode::Tunnel) => {
                let upper = if net == 1 { (self.remote.0, (0, u16::MAX)) } else { self.remote };
                vec![
                    range(&format!("10.{net}.0.0"), &format!("10.{net}.255.255"), upper),
                    range(&format!("fd00:{net}::"), &format!("fd00:{net}::ffff"), upper),
                ]
            }
            _ => vec![host(self.outside(usize::from(net) - 1))],
        };
        let pairs = self.proposals.iter().enumerate().map(|(index, proposal)| {
            let pair = ManualPair {
                name: "net".to_owned(),
                proposal: proposal.parse().unwrap(),
                esn: false,
                mode: if index == 0 { self.mode } else { Mode::Transport },
                path,
                udp_encapsulation: self.udp,
                local_ts: ends(index, 1),
                remote_ts: ends(index, 2),
                replay_window: None,
            };
            pair.with_random_keys((0x1001 + index as u32, 0x2001 + index as u32), &mut rng)
        });
        pairs.collect()
    }
}

/// The gateways `a` and `b`.
struct Lab {
    a: Gateway,
    b: Gateway,
    now: Instant,
}

/// Packets that a gateway has sent, by leg.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Sent {
    outside: Vec<Vec<u8>>,
    inside: Vec<Vec<u8>>,
}

fn sent(gateway: &mut Gateway) -> Sent {
    let mut sent = Sent::default();
    while let Some(Transmit { leg, packet }) = gateway.poll_transmit() {
        match leg {
            Leg::Outside => sent.outside.push(packet),
            Leg::Inside => sent.inside.push(packet),
        }
    }
    sent
}

impl Lab {
    /// Two gateways with a pair of SAs; both are told the same, and `a` has the deviation.
    fn new(setup: &Setup, data: impl Fn(&mut GatewayConfig)) -> Self {
        let gateway = |end: usize, deviation: Option<Deviation>| {
            let mut config = GatewayConfig {
                outside: vec![setup.outside(end)],
                inside: vec![[10, end as u8 + 1, 0, 1].into(), format!("fd00:{}::1", end + 1).parse().unwrap()],
                ..GatewayConfig::default()
            };
            data(&mut config);
            config.ike.deviations = deviation.into_iter().collect();
            Gateway::new(config, end as u64)
        };
        let (mut a, mut b) = (gateway(0, setup.deviation), gateway(1, None));
        let child = setup.child();
        b.install_manual(Instant::START, child.iter().map(ChildSa::mirrored).collect()).unwrap();
        a.install_manual(Instant::START, child).unwrap();
        Self { a, b, now: Instant::START }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.a.handle_timeout(self.now);
        self.b.handle_timeout(self.now);
    }

    /// A packet comes to `a` on the inside; what `a` sends.
    fn outbound(&mut self, packet: &[u8]) -> Sent {
        self.a.handle(self.now, Leg::Inside, packet);
        sent(&mut self.a)
    }

    /// A packet comes to `b` on the outside; what `b` sends on the inside.
    fn inbound(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.b.handle(self.now, Leg::Outside, packet);
        sent(&mut self.b).inside
    }

    /// A packet goes through `a` and `b`: what goes over the outside, and what comes out on the inside.
    fn through(&mut self, packet: &[u8]) -> (Sent, Vec<Vec<u8>>) {
        let sent = self.outbound(packet);
        let come = sent.outside.iter().flat_map(|packet| self.inbound(packet)).collect();
        (sent, come)
    }
}

/// A UDP packet of so many octets from a host behind `a` to one behind `b`.
fn v4(len: usize, dont_fragment: bool) -> Vec<u8> {
    let payload: Vec<u8> = (0..len - 20).map(|octet| octet as u8).collect();
    let mut packet = ipv4::Packet::new([10, 1, 0, 5].into(), [10, 2, 0, 5].into(), Protocol::UDP, payload);
    (packet.dont_fragment, packet.identification) = (dont_fragment, 77);
    packet.to_bytes()
}

/// The same of IPv6.
fn v6(len: usize) -> Vec<u8> {
    let (source, destination) = ("fd00:1::5".parse().unwrap(), "fd00:2::5".parse().unwrap());
    let payload: Vec<u8> = (0..len - 40).map(|octet| octet as u8).collect();
    ipv6::Packet::new(source, destination, Protocol::UDP, payload).to_bytes()
}

/// The MTU that a single ICMP error names, with the checks that any such error must pass.
fn announced(packets: &[Vec<u8>], about: &[u8]) -> Option<usize> {
    let [packet] = packets else { return None };
    let header = IpHeader::parse(about).unwrap();
    let packet = ip::Packet::parse(packet).unwrap();
    assert_eq!(packet.destination(), header.source);
    let (mtu, original) = local::too_big_report(&packet)?;
    // All of it as it was, but for the hop that has been taken.
    let ttl = if header.is_v4() { 8..12 } else { 7..8 };
    for (at, octet) in original.iter().enumerate() {
        assert!(ttl.contains(&at) || *octet == about[at], "octet {at}");
    }
    assert!(original.len() >= 28);
    Some(mtu)
}

/// Packets without what a hop changes.
fn content(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let content = |packet: &Vec<u8>| {
        let mut packet = packet.clone();
        crate::ipsec::header::set_hop_limit(&mut packet, 1);
        packet
    };
    packets.iter().map(content).collect()
}

/// Puts fragments together.
fn reassembled(packets: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut reassembler = Reassembler::default();
    packets.iter().find_map(|packet| match reassembler.push(Instant::START, packet) {
        Reassembly::Whole(whole) => Some(whole),
        _ => None,
    })
}
