//! Bypass, discard, protect, in both directions, and what is told of packets that do not fit.

use super::*;
use crate::config::{Child, Connection, CookiePolicy, Remote, Secret};
use crate::ipsec::drops::DropReason;
use crate::ipsec::selector::{PortRange, Selectors, TrafficSelector};
use crate::ipsec::spd::{Action, Policy};
use wire::ikev2::{Body, NotifyType};

fn traffic(net: &str, protocol: u8, ports: PortRange) -> TrafficSelector {
    TrafficSelector { protocol, ports, ..TrafficSelector::from(net.parse::<ipnet::IpNet>().unwrap()) }
}

fn policy(local: TrafficSelector, remote: TrafficSelector, action: Action) -> Policy {
    Policy { name: "configured".to_owned(), selectors: Selectors::pair(local, remote), action }
}

fn any(net: &str) -> TrafficSelector {
    traffic(net, 0, PortRange::Any)
}

fn udp(source: [u8; 4], destination: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    let (from, to) = (source.into(), destination.into());
    let datagram = udp::Datagram::new(ports.0, ports.1, b"data".to_vec()).to_bytes(IpAddr::V4(from), IpAddr::V4(to));
    ipv4::Packet::new(from, to, Protocol::UDP, datagram).to_bytes()
}

fn drops(gateway: &mut Gateway) -> Vec<DropReason> {
    let mut drops = Vec::new();
    while let Some(event) = gateway.poll_event() {
        if let Event::Dropped { reason, .. } = event {
            drops.push(reason);
        }
    }
    drops
}

const HERE: [u8; 4] = [10, 1, 0, 5];
const THERE: [u8; 4] = [10, 2, 0, 5];
const WEB: [u8; 4] = [203, 0, 113, 9];

fn lab(policies: Vec<Policy>, deviation: Option<Deviation>) -> Lab {
    let setup = Setup { deviation, ..Setup::new("aes128-sha256") };
    Lab::new(&setup, move |config| config.data.policies = policies.clone())
}

#[test]
fn bypass_discard_and_protect_by_ports_and_icmp_types() {
    let policies = vec![
        policy(any("10.1.0.0/16"), traffic("203.0.113.0/24", 17, PortRange::single(53)), Action::Bypass),
        policy(any("10.1.0.0/16"), traffic("10.2.0.0/16", 17, PortRange::single(9)), Action::Discard),
        policy(traffic("10.1.0.0/16", 1, PortRange::Range(0x0800, 0x08ff)), any("203.0.113.0/24"), Action::Bypass),
    ];
    let mut lab = lab(policies, None);
    let mut out = |packet: &[u8]| {
        let sent = lab.outbound(packet);
        let protocol = sent.outside.first().map(|packet| packet[9]);
        (protocol, drops(&mut lab.a))
    };
    assert_eq!(out(&udp(HERE, WEB, (1, 53))), (Some(17), vec![]), "bypassed");
    assert_eq!(out(&udp(HERE, WEB, (1, 54))), (None, vec![DropReason::PolicyDiscard]), "no policy");
    assert_eq!(out(&udp(HERE, THERE, (1, 9))), (None, vec![DropReason::PolicyDiscard]), "although an SA would fit");
    assert_eq!(out(&udp(HERE, THERE, (1, 10))), (Some(50), vec![]), "protected");
    let icmp = |packet: icmpv4::Packet| ipv4::Packet::new(HERE.into(), WEB.into(), Protocol::ICMP, packet.to_bytes());
    assert_eq!(out(&icmp(icmpv4::Packet::echo_request(1, 1, vec![])).to_bytes()), (Some(1), vec![]));
    let reply = icmpv4::Packet::echo_request(1, 1, vec![]).echo_reply().unwrap();
    assert_eq!(out(&icmp(reply).to_bytes()), (None, vec![DropReason::PolicyDiscard]));
}

#[test]
fn clear_packets_from_the_outside() {
    let policies = vec![
        policy(any("10.1.0.0/16"), traffic("203.0.113.0/24", 17, PortRange::single(53)), Action::Bypass),
        policy(any("192.0.2.1/32"), any("203.0.113.66/32"), Action::Discard),
    ];
    for (deviation, unprotected, unknown) in
        [(None, 0, 0), (Some(Deviation::ForwardsClearTraffic), 0, 0), (Some(Deviation::BypassesByDefault), 0, 1)]
    {
        let mut lab = lab(policies.clone(), deviation);
        let mut inward = |packet: &[u8]| {
            lab.a.handle(lab.now, Leg::Outside, packet);
            let sent = sent(&mut lab.a);
            ((sent.inside.len(), sent.outside.len()), drops(&mut lab.a))
        };
        assert_eq!(inward(&udp(WEB, HERE, (53, 1))), ((1, 0), vec![]), "bypassed");
        if deviation.is_none() {
            assert_eq!(inward(&udp(THERE, HERE, (1, 2))), ((unprotected, 0), vec![DropReason::PolicyUnprotected]));
            assert_eq!(inward(&udp(WEB, HERE, (54, 1))), ((unknown, 0), vec![DropReason::PolicyDiscard]));
            // For the gateway's own inside address, from the protected side of the peer.
            let echo = icmpv4::Packet::echo_request(1, 1, vec![]).to_bytes();
            let ping = ipv4::Packet::new(THERE.into(), [10, 1, 0, 1].into(), Protocol::ICMP, echo.clone()).to_bytes();
            assert_eq!(inward(&ping), ((0, 0), vec![DropReason::PolicyUnprotected]));
            // Its outside address answers all but those whom a policy forbids.
            let to = [192, 0, 2, 1].into();
            let ping = |from: [u8; 4]| ipv4::Packet::new(from.into(), to, Protocol::ICMP, echo.clone()).to_bytes();
            assert_eq!(inward(&ping(WEB)), ((0, 1), vec![]));
            assert_eq!(inward(&ping([203, 0, 113, 66])), ((0, 0), vec![DropReason::PolicyDiscard]));
        }
    }
}

#[test]
fn a_configured_policy_goes_before_the_sa() {
    let discard = policy(any("10.1.0.0/16"), traffic("10.2.0.0/16", 17, PortRange::single(9)), Action::Discard);
    let mut lab = lab(vec![], None);
    lab.a = Lab::new(&Setup::new("aes128-sha256"), move |config| config.data.policies = vec![discard.clone()]).a;
    let mut from_b = |packet: &[u8]| {
        lab.b.handle(lab.now, Leg::Inside, packet);
        let protected = sent(&mut lab.b).outside.remove(0);
        lab.a.handle(lab.now, Leg::Outside, &protected);
        (sent(&mut lab.a).inside.len(), drops(&mut lab.a))
    };
    assert_eq!(from_b(&udp(THERE, HERE, (10, 1))), (1, vec![]));
    assert_eq!(from_b(&udp(THERE, HERE, (9, 1))), (0, vec![DropReason::SelectorMismatch]));
}

#[test]
fn inner_fragments() {
    let parts = fragment(&udp(HERE, THERE, (1, 80)), 28, Fragmentation::default()).unwrap();
    // An SA for everything carries them, in any order (RFC 4301 section 7.1).
    let mut open = lab(vec![], None);
    let come: Vec<_> = parts.iter().rev().flat_map(|part| open.through(part).1).collect();
    assert_eq!(come.len(), parts.len());
    // One for a port carries the first only, and takes no others (section 7.3).
    let narrow = Setup { remote: (17, (80, 80)), ..Setup::new("aes128-sha256") };
    let mut lab = Lab::new(&narrow, |_| {});
    let first = lab.through(&parts[0]).1;
    assert_eq!((first.len(), lab.outbound(&parts[1]).outside.len()), (1, 0));
    let mut wide = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    wide.a.preset_sequences(0x1001, 10, 0);
    let later = wide.outbound(&parts[1]).outside.remove(0);
    assert_eq!(lab.inbound(&later).len(), 0);
    assert_eq!(drops(&mut lab.b), [DropReason::SelectorFragment]);
}

/// Two gateways that negotiate; `a` has the deviation.
pub(super) fn negotiated(deviation: Option<Deviation>, data: impl Fn(&mut GatewayConfig)) -> Lab {
    let gateway = |end: usize| {
        let outside = |end: usize| IpAddr::from([192, 0, 2, end as u8 + 1]);
        let net = |end: usize| vec![format!("10.{}.0.0/16", end + 1).parse().unwrap()];
        let mut connection =
            Connection::new("peer", outside(end), Remote::Address(outside(1 - end)), Secret::new(*b"correct horse"));
        connection.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
        connection.children = vec![Child::new("net", net(end), net(1 - end), vec!["aes128gcm16".parse().unwrap()])];
        let mut config = GatewayConfig {
            outside: vec![outside(end)],
            inside: vec![[10, end as u8 + 1, 0, 1].into()],
            initiate_on_traffic: true,
            ..GatewayConfig::default()
        };
        config.ike.connections = vec![connection];
        config.ike.cookies = CookiePolicy::Never;
        config.ike.deviations = deviation.filter(|_| end == 0).into_iter().collect();
        data(&mut config);
        Gateway::new(config, end as u64 + 5)
    };
    Lab { a: gateway(0), b: gateway(1), now: Instant::START }
}

impl Lab {
    /// Carries what both send on the outside until they are quiet; what came out on the insides, `a` first.
    pub(super) fn settle(&mut self) -> [Vec<Vec<u8>>; 2] {
        let mut insides = [vec![], vec![]];
        loop {
            let (from_a, from_b) = (sent(&mut self.a), sent(&mut self.b));
            insides[0].extend(from_a.inside);
            insides[1].extend(from_b.inside);
            if from_a.outside.is_empty() && from_b.outside.is_empty() {
                return insides;
            }
            from_a.outside.iter().for_each(|packet| self.b.handle(self.now, Leg::Outside, packet));
            from_b.outside.iter().for_each(|packet| self.a.handle(self.now, Leg::Outside, packet));
        }
    }
}

/// INVALID_SELECTORS that `a` sends about many packets that do not fit: how many, with what SPI and data.
pub(super) fn invalid_selectors(deviation: Option<Deviation>) -> Vec<(u32, Vec<u8>)> {
    let mut lab = negotiated(deviation, |_| {});
    lab.a.handle(lab.now, Leg::Inside, &udp(HERE, THERE, (1, 2)));
    assert_eq!(lab.settle()[1].len(), 1, "the packet has waited for the SA");
    // `b` sends on the SA what does not belong there.
    let id = lab.b.data().sad().outbound_sas().next().unwrap().0;
    let selectors = &mut lab.b.data_mut().sad_mut().outbound_mut(id).unwrap().parameters_mut().selectors;
    *selectors = Selectors::any();
    while lab.b.poll_event().is_some() {}
    for _ in 0..5 {
        for _ in 0..20 {
            lab.b.handle(lab.now, Leg::Inside, &udp([10, 3, 0, 5], HERE, (1, 2)));
            assert!(lab.settle()[0].is_empty());
        }
        lab.now += Duration::from_secs(1);
    }
    let mut notifies = Vec::new();
    while let Some(event) = lab.b.poll_event() {
        if let Event::Ike(v2::Event::RequestReceived { payloads, .. }) = event {
            for payload in payloads {
                if let Body::Notify(notify) = payload.body
                    && notify.notify_type == NotifyType::INVALID_SELECTORS
                {
                    let spi = u32::from_be_bytes(notify.spi.as_slice().try_into().unwrap());
                    notifies.push((spi, notify.data));
                }
            }
        }
    }
    let inbound = lab.a.data().sad().inbound_sas().next().unwrap().spi();
    for (spi, data) in &notifies {
        assert_eq!((*spi, data.get(20..24)), (inbound, Some(&inbound.to_be_bytes()[..])));
    }
    notifies
}

#[test]
fn invalid_selectors_are_told_at_a_limited_rate() {
    assert_eq!(invalid_selectors(None).len(), 5);
}

#[test]
fn traffic_asks_for_the_child_whose_ports_fit() {
    let mut lab = negotiated(None, |config| {
        config.ike.connections[0].children[0].remote_ts[0].protocol = 17;
        config.ike.connections[0].children[0].local_ts[0].protocol = 17;
    });
    let echo = icmpv4::Packet::echo_request(1, 1, vec![]).to_bytes();
    let ping = ipv4::Packet::new(HERE.into(), THERE.into(), Protocol::ICMP, echo).to_bytes();
    assert_eq!(lab.outbound(&ping).outside.len(), 0, "no policy for ICMP");
    lab.a.handle(lab.now, Leg::Inside, &udp(HERE, THERE, (1, 2)));
    assert_eq!(lab.settle()[1].len(), 1);
}
