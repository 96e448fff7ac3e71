use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use proptest::prelude::*;
use wire::ethernet::Address;
use wire::ip::Protocol;
use wire::{icmpv4, ipv4};

use super::*;
use crate::Instant;

fn at(ms: u64) -> Instant {
    Instant::after_start(Duration::from_millis(ms))
}

fn mac(last: u8) -> Address {
    Address([2, 0, 0, 0, 0, last])
}

const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Two hosts behind a NAT box, a server in front of it.
struct Lab {
    network: Network,
    client: Host,
    other: Host,
    nat: NatBox,
    server: Host,
    ports: [PortId; 5],
    now: Instant,
}

impl Lab {
    fn new(config: NatConfig) -> Self {
        let mut network = Network::new(7);
        let (inside, outside) = (network.add_segment("inside"), network.add_segment("outside"));
        let ports = [inside, inside, inside, outside, outside].map(|segment| network.add_port(segment));
        network.set_tap(outside, true);
        let host = |last, network: &str, gateway: Option<[u8; 4]>| {
            let mut host = Host::new(mac(last));
            host.interface_mut().add_network(network.parse().unwrap());
            if let Some(gateway) = gateway {
                host.interface_mut().set_default(gateway.into());
            }
            host
        };
        Self {
            network,
            client: host(1, "192.168.1.10/24", Some([192, 168, 1, 1])),
            other: host(2, "192.168.1.11/24", Some([192, 168, 1, 1])),
            nat: NatBox::new(
                (mac(3), "192.168.1.1/24".parse().unwrap()),
                (mac(4), "203.0.113.1/24".parse().unwrap()),
                config,
            ),
            server: host(5, "203.0.113.80/24", None),
            ports,
            now: Instant::START,
        }
    }

    fn run(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        let [client, other, inside, outside, server] = self.ports;
        let nodes: &mut [(&mut dyn Node, &[PortId])] = &mut [
            (&mut self.client, &[client]),
            (&mut self.other, &[other]),
            (&mut self.nat, &[inside, outside]),
            (&mut self.server, &[server]),
        ];
        run_until(&mut self.network, nodes, self.now, until).unwrap();
        self.now = until;
    }

    /// The client sends a datagram to the server; the source port that the server sees.
    fn port_seen(&mut self, source_port: u16) -> u16 {
        self.client.send_datagram(self.now, source_port, (SERVER.into(), 4500), b"out", Sending::default()).unwrap();
        self.run(10);
        let seen = self.server.take_seen();
        let [Seen { from, content: Content::Datagram { source_port, .. }, .. }] = &seen[..] else {
            panic!("one datagram, not {seen:?}");
        };
        assert_eq!(*from, IpAddr::V4(PUBLIC));
        *source_port
    }

    /// The server sends a datagram to a port of the NAT box; did it reach the client?
    fn answered(&mut self, source_port: u16, to: u16) -> bool {
        self.server.send_datagram(self.now, source_port, (PUBLIC.into(), to), b"in", Sending::default()).unwrap();
        self.run(10);
        self.client.take_seen().iter().any(|seen| matches!(seen.content, Content::Datagram { .. }))
    }
}

#[test]
fn ping_across_two_segments_through_a_nat_box() {
    let mut lab = Lab::new(NatConfig::default());
    for port in lab.ports {
        let delay = Duration::from_millis(5);
        lab.network.cable_mut(port).transmit = Link { delay, ..Link::default() };
    }
    for (sequence, size) in [(1, 56), (2, 1472), (3, 4000)] {
        lab.client.ping(lab.now, SERVER.into(), (77, sequence), size, Sending::default()).unwrap();
        lab.other.ping(lab.now, SERVER.into(), (77, sequence), size, Sending::default()).unwrap();
        lab.run(1000);
    }
    for host in [&lab.client, &lab.other] {
        let replies: Vec<_> = host.seen().iter().map(|seen| (seen.from, &seen.content)).collect();
        for (reply, (sequence, size)) in replies.iter().zip([(1, 56), (2, 1472), (3, 4000)]) {
            let data = (0..size).map(|octet| octet as u8).collect();
            let echo = icmpv4::Echo { identifier: 77, sequence, data };
            assert_eq!(*reply, (IpAddr::V4(SERVER), &Content::EchoReply(echo)));
        }
        assert_eq!(replies.len(), 3);
    }
    // Four cables, and ARP on both segments before the first: 4 * 5 ms there and back, and twice 2 * 5 ms.
    assert_eq!(lab.client.seen()[0].at, at(40));
    assert_eq!(lab.client.seen()[1].at, at(1020));
    // The server sees the two hosts as one address with two identifiers.
    let requests = lab.server.seen().iter().filter_map(|seen| match &seen.content {
        Content::EchoRequest(echo) => Some((seen.from, echo.identifier)),
        _ => None,
    });
    let mut identifiers: Vec<_> = requests.collect();
    identifiers.sort();
    identifiers.dedup();
    assert_eq!(identifiers, [(PUBLIC.into(), 40_000), (PUBLIC.into(), 40_001)]);
}

#[test]
fn a_mapping_lives_as_long_as_configured() {
    for (idle_ms, lives) in [(119_970, true), (120_000, false)] {
        let mut lab = Lab::new(NatConfig::default());
        let port = lab.port_seen(4500);
        lab.run(idle_ms);
        assert_eq!(lab.answered(4500, port), lives, "after {idle_ms} ms");
        // The same port while the mapping lives, else the next one.
        assert_eq!(lab.port_seen(4500) == port, lives);
    }
}

#[test]
fn only_outbound_traffic_keeps_a_mapping_alive_if_so_configured() {
    for inbound_refresh in [true, false] {
        let mut lab = Lab::new(NatConfig { inbound_refresh, ..NatConfig::default() });
        let port = lab.port_seen(4500);
        lab.run(100_000);
        assert!(lab.answered(4500, port));
        lab.run(100_000);
        assert_eq!(lab.answered(4500, port), inbound_refresh);
    }
}

#[test]
fn filtering_by_peer() {
    let lab = |filtering| {
        let mut lab = Lab::new(NatConfig { filtering, ..NatConfig::default() });
        let port = lab.port_seen(4500);
        (lab.answered(4500, port), lab.answered(4501, port))
    };
    assert_eq!(lab(Filtering::AddressAndPortDependent), (true, false));
    assert_eq!(lab(Filtering::AddressDependent), (true, true));
    assert_eq!(lab(Filtering::EndpointIndependent), (true, true));
}

#[test]
fn rebinding_moves_the_port_and_forgetting_loses_it() {
    let mut lab = Lab::new(NatConfig { preserve_ports: true, ..NatConfig::default() });
    assert_eq!(lab.port_seen(4500), 4500);
    lab.nat.rebind();
    let moved = lab.port_seen(4500);
    assert_ne!(moved, 4500);
    assert!(lab.answered(4500, moved));
    assert!(!lab.answered(4500, 4500));
    lab.nat.forget_mappings();
    assert!(!lab.answered(4500, moved));
    lab.nat.set_public_address([203, 0, 113, 2].into());
    lab.client.send_datagram(lab.now, 4500, (SERVER.into(), 4500), b"out", Sending::default()).unwrap();
    lab.run(10);
    assert_eq!(lab.server.seen()[0].from, IpAddr::from([203, 0, 113, 2]));
}

#[test]
fn what_does_not_fit_is_answered_or_fragmented() {
    let mut lab = Lab::new(NatConfig::default());
    lab.nat.outside_mut().set_mtu(1000);
    let df = Sending { dont_fragment: true, ..Sending::default() };
    lab.client.ping(lab.now, SERVER.into(), (1, 1), 1400, df).unwrap();
    lab.run(10);
    let [Seen { from, content: Content::Icmpv4(error), .. }] = &lab.client.take_seen()[..] else { panic!("one error") };
    assert_eq!(*from, IpAddr::from([192, 168, 1, 1]));
    assert_eq!(error.code, icmpv4::FRAGMENTATION_NEEDED);
    assert!(matches!(error.message, icmpv4::Message::DestinationUnreachable { next_hop_mtu: 1000, .. }));
    lab.client.ping(lab.now, SERVER.into(), (1, 2), 1400, Sending::default()).unwrap();
    lab.run(10);
    assert!(matches!(&lab.client.seen()[0].content, Content::EchoReply(echo) if echo.data.len() == 1400));
}

#[test]
fn errors_about_translated_packets_find_their_way() {
    let mut lab = Lab::new(NatConfig::default());
    let port = lab.port_seen(4500);
    // The server complains about the client's datagram, which it saw from the NAT box.
    let quoted = {
        let mut packet = ipv4::Packet::new(PUBLIC, SERVER, Protocol::UDP, [0; 8]);
        packet.payload[..2].copy_from_slice(&port.to_be_bytes());
        packet.to_bytes()
    };
    let error = icmpv4::Packet::unreachable(icmpv4::PORT_UNREACHABLE, quoted).to_bytes();
    lab.server.send(lab.now, SERVER.into(), PUBLIC.into(), Protocol::ICMP, error, Sending::default()).unwrap();
    lab.run(10);
    let [Seen { content: Content::Icmpv4(error), .. }] = lab.client.seen() else { panic!("one error") };
    let icmpv4::Message::DestinationUnreachable { original, .. } = &error.message else { panic!("unreachable") };
    let original = ipv4::Packet::parse(original).unwrap();
    assert!(original.is_intact());
    assert_eq!(original.source, Ipv4Addr::new(192, 168, 1, 10));
    assert_eq!(original.payload[..2], 4500_u16.to_be_bytes());

    let low = Sending { hop_limit: 1, ..Sending::default() };
    lab.client.take_seen();
    lab.client.ping(lab.now, SERVER.into(), (1, 1), 8, low).unwrap();
    lab.run(10);
    let [Seen { content: Content::Icmpv4(error), .. }] = lab.client.seen() else { panic!("one error") };
    assert!(matches!(error.message, icmpv4::Message::TimeExceeded { .. }));
}

#[test]
fn esp_is_dropped_or_passed_for_one_host() {
    for (esp, expected) in [(EspTreatment::Drop, 0), (EspTreatment::OneHost, 1)] {
        let mut lab = Lab::new(NatConfig { esp, ..NatConfig::default() });
        for host in [&mut lab.client, &mut lab.other] {
            let own = host.interface().addresses().next().unwrap();
            host.send(at(0), own, SERVER.into(), Protocol::ESP, vec![9; 40], Sending::default()).unwrap();
        }
        lab.run(10);
        let seen = lab.server.take_seen();
        assert_eq!(seen.len(), expected);
        assert!(seen.iter().all(|seen| seen.from == IpAddr::V4(PUBLIC)));
        lab.server.send(lab.now, SERVER.into(), PUBLIC.into(), Protocol::ESP, vec![8; 40], Sending::default()).unwrap();
        lab.run(10);
        assert_eq!((lab.client.seen().len(), lab.other.seen().len()), (expected, 0));
    }
}

/// Two hosts on one segment.
fn two_hosts(network: &mut Network) -> (Host, Host, [PortId; 2], SegmentId) {
    let segment = network.add_segment("lan");
    let ports = [network.add_port(segment), network.add_port(segment)];
    let mut hosts = [(1, "10.0.0.1/24"), (2, "10.0.0.2/24")].map(|(last, address)| {
        let mut host = Host::new(mac(last));
        host.interface_mut().add_network(address.parse().unwrap());
        host
    });
    hosts[0].interface_mut().set_neighbour([10, 0, 0, 2].into(), mac(2));
    let [a, b] = hosts;
    (a, b, ports, segment)
}

/// Sends a thousand datagrams a millisecond apart and gives the fates of the frames and the numbers that arrived.
fn thousand_datagrams(seed: u64, link: Link) -> (Vec<Fate>, Vec<u16>) {
    let mut network = Network::new(seed);
    let (mut a, mut b, ports, segment) = two_hosts(&mut network);
    network.set_segment_link(segment, link);
    network.set_tap(segment, true);
    for number in 0..1000_u16 {
        let now = at(number.into());
        a.send_datagram(now, number, ([10, 0, 0, 2].into(), 9), &[], Sending::default()).unwrap();
        let nodes: &mut [(&mut dyn Node, &[PortId])] = &mut [(&mut a, &ports[..1]), (&mut b, &ports[1..])];
        run_until(&mut network, nodes, now, at(u64::from(number) + 1)).unwrap();
    }
    let nodes: &mut [(&mut dyn Node, &[PortId])] = &mut [(&mut a, &ports[..1]), (&mut b, &ports[1..])];
    run_until(&mut network, nodes, at(1000), at(5000)).unwrap();
    let numbers = b.seen().iter().filter_map(|seen| match seen.content {
        Content::Datagram { source_port, .. } => Some(source_port),
        _ => None,
    });
    (network.take_tapped(segment).into_iter().map(|tapped| tapped.fate).collect(), numbers.collect())
}

#[test]
fn loss_and_duplication_are_exact_for_a_seed() {
    let link = Link { loss: 0.1, duplicate: 0.05, ..Link::default() };
    let (fates, numbers) = thousand_datagrams(1, link);
    let count = |fate| fates.iter().filter(|&&other| other == fate).count();
    let (lost, twice) = (count(Fate::Lost), count(Fate::Carried(2)));
    assert_eq!((lost, twice), (102, 41));
    assert_eq!(numbers.len(), 1000 - lost + twice);
    assert!(numbers.is_sorted());
    assert_eq!(thousand_datagrams(1, link), (fates.clone(), numbers), "the same seed is the same run");
    assert_ne!(thousand_datagrams(2, link).0, fates, "another seed is another run");
}

#[test]
fn perfect_links_lose_nothing_and_keep_the_order() {
    let (_, numbers) = thousand_datagrams(1, Link::default());
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn reordering_and_jitter_change_the_order_only() {
    for link in [
        Link { reorder: 0.1, reorder_by: Duration::from_millis(5), ..Link::default() },
        Link { jitter: Duration::from_millis(20), ..Link::default() },
    ] {
        let (_, mut numbers) = thousand_datagrams(3, link);
        assert!(!numbers.is_sorted());
        numbers.sort();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn long_frames_and_cut_cables_carry_nothing() {
    let mut network = Network::new(1);
    let (mut a, mut b, ports, segment) = two_hosts(&mut network);
    network.set_tap(segment, true);
    network.set_segment_link(segment, Link { mtu: 1400, ..Link::default() });
    let mut send = |network: &mut Network, now: u64, size| {
        a.send_datagram(at(now), 1, ([10, 0, 0, 2].into(), 9), &vec![0; size], Sending::default()).unwrap();
        let nodes: &mut [(&mut dyn Node, &[PortId])] = &mut [(&mut a, &ports[..1]), (&mut b, &ports[1..])];
        run_until(network, nodes, at(now), at(now + 1)).unwrap();
        (network.take_tapped(segment)[0].fate, b.take_seen().len())
    };
    assert_eq!(send(&mut network, 0, 1372), (Fate::Carried(1), 1));
    assert_eq!(send(&mut network, 1, 1373), (Fate::TooLong, 0));
    network.cable_mut(ports[1]).receive.up = false;
    assert_eq!(send(&mut network, 2, 10), (Fate::Carried(1), 0));
    network.cable_mut(ports[0]).transmit.up = false;
    assert_eq!(send(&mut network, 3, 10), (Fate::Down, 0));
}

#[test]
fn the_switch_learns() {
    let mut network = Network::new(1);
    let segment = network.add_segment("lan");
    let ports: [PortId; 3] = std::array::from_fn(|_| network.add_port(segment));
    let frame = |to: u8, from: u8| [[2, 0, 0, 0, 0, to], [2, 0, 0, 0, 0, from], [8, 0, 0, 0, 0, 0]].concat();
    let mut reached = |from: usize, frame: Vec<u8>| {
        network.send(at(0), ports[from], frame);
        std::iter::from_fn(|| network.poll(at(0))).map(|delivery| delivery.port).collect::<Vec<_>>()
    };
    assert_eq!(reached(0, frame(11, 10)), [ports[1], ports[2]], "unknown: to all others");
    assert_eq!(reached(1, frame(10, 11)), [ports[0]], "known: to one");
    assert_eq!(reached(0, frame(11, 10)), [ports[1]]);
    assert_eq!(reached(2, frame(10, 11)), [ports[0]], "the address has moved");
    assert_eq!(reached(0, frame(11, 10)), [ports[2]]);
    assert_eq!(reached(0, vec![0xff; 14]), [ports[1], ports[2]], "broadcast");
    assert_eq!(reached(0, vec![0; 13]), []);
}

/// A node whose timer never moves on.
struct Stuck;

impl Node for Stuck {
    fn handle_frame(&mut self, _: Instant, _: usize, _: &[u8]) {}
    fn handle_timeout(&mut self, _: Instant) {}
    fn next_timeout(&self) -> Option<Instant> {
        Some(Instant::START)
    }
    fn poll_frame(&mut self) -> Option<(usize, Vec<u8>)> {
        None
    }
}

#[test]
fn a_standstill_of_time_is_noticed() {
    let mut network = Network::new(1);
    let stopped = run_until(&mut network, &mut [(&mut Stuck, &[])], at(0), at(1));
    assert_eq!(stopped, Err(Livelock { at: at(0) }));
}

proptest! {
    #[test]
    fn any_packet_does_a_nat_box_no_harm(
        mut octets in prop::collection::vec(any::<u8>(), 0..120), leg in 0_usize..2, protocol in prop::sample::select(vec![1, 17, 50, 6]),
    ) {
        let mut lab = Lab::new(NatConfig { esp: EspTreatment::OneHost, ..NatConfig::default() });
        lab.port_seen(4500);
        // Make it likely that the packet is looked at: header and addresses right.
        if octets.len() >= 20 {
            let len = octets.len() as u16;
            octets[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
            octets[2..4].copy_from_slice(&len.to_be_bytes());
            if leg == OUTSIDE {
                octets[16..20].copy_from_slice(&PUBLIC.octets());
            }
            if octets.len() >= 26 && protocol == 17 {
                octets[24..26].copy_from_slice(&(len - 20).to_be_bytes());
            }
            crate::ipsec::header::set_hop_limit(&mut octets, 64);
        }
        let mut frame = vec![2, 0, 0, 0, 0, if leg == INSIDE { 3 } else { 4 }, 2, 0, 0, 0, 0, 9, 8, 0];
        frame.extend_from_slice(&octets);
        lab.nat.handle_frame(lab.now, leg, &frame);
        lab.run(10);
        // It goes on translating.
        lab.server.take_seen();
        prop_assert!(lab.port_seen(4500) >= 40_000);
    }
}
