//! IKEv1 between two gateways in a virtual network, on a virtual clock.

mod deviations;
mod invalid_spi;
mod tunnels;
mod upkeep;

use super::*;
use crate::config::isakmp::*;
use crate::config::{Remote, Secret, Selector};
use crate::netif::Interface;
use crate::sim::{Link, NatBox, NatConfig, Network, Node, PortId, Tapped, run_until};
use crypto::{Encryption, Group, KeyBits};
use wire::ethernet::Address;
use wire::icmpv4::Message as Icmp;

const A: usize = 0;
const B: usize = 1;

/// A gateway whose outside is plugged in; what it sends to the inside is kept.
struct Router {
    gateway: Gateway,
    outside: Interface,
    inside: Vec<(Instant, Vec<u8>)>,
    events: Vec<Event>,
}

impl Router {
    fn flush(&mut self, now: Instant) {
        while let Some(Transmit { leg, packet }) = self.gateway.poll_transmit() {
            match leg {
                // What no route leads to is lost, as in any router.
                Leg::Outside => _ = self.outside.send_ip(now, packet),
                Leg::Inside => self.inside.push((now, packet)),
            }
        }
        self.events.extend(std::iter::from_fn(|| self.gateway.poll_event()));
    }
}

impl Node for Router {
    fn handle_frame(&mut self, now: Instant, _leg: usize, frame: &[u8]) {
        if let Some(packet) = self.outside.handle_frame(now, frame) {
            self.gateway.handle(now, Leg::Outside, &packet);
        }
        self.flush(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.gateway.poll_timeout().is_some_and(|at| at <= now) {
            self.gateway.handle_timeout(now);
        }
        if self.outside.next_timeout().is_some_and(|at| at <= now) {
            self.outside.handle_timeout(now);
        }
        self.flush(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.gateway.poll_timeout().into_iter().chain(self.outside.next_timeout()).min()
    }

    fn poll_frame(&mut self) -> Option<(usize, Vec<u8>)> {
        self.outside.poll_frame().map(|frame| (0, frame))
    }
}

/// Two gateways, and a NAT box in front of the first where there is one.
struct Net {
    network: Network,
    routers: [Router; 2],
    nat: Option<NatBox>,
    ports: Vec<PortId>,
    now: Instant,
    sequence: u16,
}

/// Where the outside of a gateway is.
fn outside(end: usize, place: Place) -> (ipnet::IpNet, IpAddr) {
    let (net, peer) = match (place, end) {
        (Place::V4, end) => (format!("192.0.2.{}/24", end + 1), format!("192.0.2.{}", 2 - end)),
        (Place::V6, end) => (format!("2001:db8::{}/64", end + 1), format!("2001:db8::{}", 2 - end)),
        (Place::BehindNat, A) => ("192.168.1.2/24".to_owned(), "203.0.113.80".to_owned()),
        (Place::BehindNat, _) => ("203.0.113.80/24".to_owned(), "203.0.113.1".to_owned()),
    };
    (net.parse().unwrap(), peer.parse().unwrap())
}

/// What lies between the gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    V4,
    V6,
    /// The first has a NAT in front of it.
    BehindNat,
}

/// Of the networks behind A and B that of one end and the other's.
fn nets_of(end: usize, nets: [&str; 2]) -> [Selector; 2] {
    let mut nets = nets.map(|net| net.parse().unwrap());
    if end == B {
        nets.reverse();
    }
    nets
}

/// A second child between 10.3.0.0/16 and 10.4.0.0/16.
fn add_second_child(end: usize, config: &mut GatewayConfig) {
    let [own, other] = nets_of(end, ["10.3.0.0/16", "10.4.0.0/16"]);
    config.isakmp.connections[0].children.push(IsakmpChild::new("second", own, other, [set(&["aes128-sha1"])]));
    config.inside.push([10, end as u8 + 3, 0, 1].into());
}

/// The configuration of a gateway with one connection of IKEv1 and one child.
fn config(end: usize, place: Place) -> GatewayConfig {
    let (net, peer) = outside(end, place);
    let [own, other] = nets_of(end, ["10.1.0.0/16", "10.2.0.0/16"]);
    let keyring = Keyring::shared(Secret::new(*b"correct horse"));
    // Behind a NAT nobody knows where.
    let remote = if place == Place::BehindNat && end == B { Remote::Any } else { Remote::Address(peer) };
    let connection = IsakmpConnection {
        policies: vec![IsakmpPolicy {
            encryption: Encryption::AesCbc(KeyBits::B128),
            group: Group::Curve25519,
            ..IsakmpPolicy::new(10)
        }],
        children: vec![IsakmpChild::new("net", own, other, [set(&["aes128-sha1"])])],
        accept_aggressive: true,
        ..IsakmpConnection::new("peer", net.addr(), remote, keyring)
    };
    GatewayConfig {
        outside: vec![net.addr()],
        inside: vec![[10, end as u8 + 1, 0, 1].into()],
        isakmp: IsakmpConfig { connections: vec![connection], ..IsakmpConfig::default() },
        initiate_on_traffic: true,
        ..GatewayConfig::default()
    }
}

fn set(protocols: &[&str]) -> TransformSet {
    TransformSet::new("set", protocols.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
}

impl Net {
    /// Two gateways; `change` has a say in the configuration of each.
    fn new(place: Place, change: impl Fn(usize, &mut GatewayConfig)) -> Self {
        let configs = [A, B].map(|end| {
            let mut config = config(end, place);
            change(end, &mut config);
            config
        });
        Self::with(place, configs)
    }

    fn with(place: Place, configs: [GatewayConfig; 2]) -> Self {
        let mut network = Network::new(7);
        let behind_nat = place == Place::BehindNat;
        let segments = ["outside", "private"].map(|name| network.add_segment(name));
        let [public, private] = segments;
        let ports = match behind_nat {
            false => vec![network.add_port(public), network.add_port(public)],
            true => [private, public, private, public].map(|segment| network.add_port(segment)).into(),
        };
        for segment in segments {
            network.set_segment_link(segment, Link { delay: Duration::from_millis(1), ..Link::default() });
            network.set_tap(segment, true);
        }
        let nat = behind_nat.then(|| {
            let leg = |last: u8, net: &str| (Address([2, 0, 0, 0, 1, last]), net.parse().unwrap());
            NatBox::new(leg(1, "192.168.1.1/24"), leg(2, "203.0.113.1/24"), NatConfig::default())
        });
        let mut end = 0;
        let routers = configs.map(|config| {
            end += 1;
            let mut outside = Interface::new(Address([2, 0, 0, 0, 0, end]), 1500);
            for address in &config.outside {
                let len = if address.is_ipv4() { 8 } else { 64 };
                outside.add_network(ipnet::IpNet::new(*address, if behind_nat { 24 } else { len }).unwrap());
            }
            if behind_nat && end == 1 {
                outside.set_default([192, 168, 1, 1].into());
            }
            let gateway = Gateway::new(config, end.into());
            Router { gateway, outside, inside: vec![], events: vec![] }
        });
        Self { network, routers, nat, ports, now: Instant::START, sequence: 0 }
    }

    fn run(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        let [a, b] = &mut self.routers;
        let mut nodes: Vec<(&mut dyn Node, &[PortId])> = vec![(a, &self.ports[..1]), (b, &self.ports[1..2])];
        if let Some(nat) = &mut self.nat {
            nodes.push((nat, &self.ports[2..]));
        }
        run_until(&mut self.network, &mut nodes, self.now, until).unwrap();
        self.now = until;
    }

    /// Does something with a gateway, and sends off what comes of it.
    fn at<T>(&mut self, end: usize, act: impl FnOnce(&mut Gateway, Instant) -> T) -> T {
        let result = act(&mut self.routers[end].gateway, self.now);
        self.routers[end].flush(self.now);
        result
    }

    /// A host behind one gateway pings an address; is it answered within the time?
    fn ping_from(&mut self, end: usize, from: IpAddr, to: IpAddr, seconds: f64) -> bool {
        self.sequence += 1;
        let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else { unreachable!() };
        let echo = icmpv4::Packet::echo_request(7, self.sequence, vec![0; 72]).to_bytes();
        let packet = ipv4::Packet::new(from, to, Protocol::ICMP, echo).to_bytes();
        self.routers[end].inside.clear();
        self.at(end, |gateway, now| gateway.handle(now, Leg::Inside, &packet));
        self.run(seconds);
        let sequence = self.sequence;
        let answers = |(_, octets): &(Instant, Vec<u8>)| {
            let Ok(packet) = ipv4::Packet::parse(octets) else { return false };
            let Ok(icmp) = icmpv4::Packet::parse(&packet.payload) else { return false };
            packet.source == to && matches!(icmp.message, Icmp::EchoReply(echo) if echo.sequence == sequence)
        };
        self.routers[end].inside.iter().any(answers)
    }

    /// A host behind one gateway pings the other gateway's inside.
    fn ping(&mut self, end: usize) -> bool {
        let address = |end: usize, host: u8| IpAddr::from([10, end as u8 + 1, 0, host]);
        self.ping_from(end, address(end, 5), address(1 - end, 1), 1.0)
    }

    fn count(&self, end: usize, test: impl Fn(&Event) -> bool) -> usize {
        self.routers[end].events.iter().filter(|event| test(event)).count()
    }

    /// The IP packets that were sent on the outside of a gateway since the last time; those of the second, of all who
    /// sent there.
    fn tapped(&mut self, end: usize) -> Vec<ip::Packet> {
        let segment = self.network.segment_of(self.ports[end]);
        let port = self.ports[end];
        let tapped = self.network.take_tapped(segment).into_iter().filter(|tapped| tapped.from == port);
        let packet = |tapped: Tapped| ip::Packet::parse(&tapped.frame[14..]).ok();
        tapped.filter_map(packet).collect()
    }

    fn isakmp_sas(&self, end: usize) -> Vec<v1::IsakmpSaInfo> {
        self.routers[end].gateway.isakmp().isakmp_sas()
    }

    fn established(&self, end: usize) -> usize {
        self.isakmp_sas(end).iter().filter(|info| info.state == v1::State::Established).count()
    }

    /// SPIs of all SAs of a gateway: those that receive, those that send.
    fn spis(&self, end: usize) -> (Vec<u32>, Vec<u32>) {
        let sad = self.routers[end].gateway.data().sad();
        let mut outbound: Vec<_> = sad.outbound_sas().map(|(id, _)| id.spi).collect();
        outbound.sort_unstable();
        (sad.inbound_sas().map(crate::ipsec::inbound::InboundSa::spi).collect(), outbound)
    }

    fn log(&self, end: usize) -> Vec<String> {
        self.routers[end].gateway.log().map(|line| line.text.clone()).collect()
    }
}
