//! Deliberate faults of the gateway that show in IKEv1.

use super::*;
use crate::deviation::Deviation;
use std::net::Ipv4Addr;

fn with(config: &mut GatewayConfig, deviation: Option<Deviation>) {
    deviation.into_iter().for_each(|deviation| config.ike.deviations.insert(deviation));
}

/// Keepalives that B sends in a minute to A, who is behind a NAT.
fn keepalives(deviation: Option<Deviation>) -> usize {
    let mut net = Net::new(Place::BehindNat, |end, config| {
        config.isakmp.connections[0].nat_keepalive = Some(Duration::from_secs(10));
        if end == B {
            with(config, deviation);
        }
    });
    assert!(net.ping(A));
    net.tapped(B);
    net.run(60.0);
    net.tapped(B).iter().filter(|packet| packet.payload().len() == 9).count()
}

#[test]
fn only_who_is_behind_a_nat_sends_keepalives() {
    assert_eq!(keepalives(None), 0);
    assert!(keepalives(Some(Deviation::SendsKeepalivesFromBothSides)) > 3);
}

/// Where B takes A to be, after a keepalive has come from another port.
fn remote_port(deviation: Option<Deviation>) -> u16 {
    let mut net = Net::new(Place::BehindNat, |end, config| {
        if end == B {
            with(config, deviation);
        }
    });
    assert!(net.ping(A));
    let udp = wire::udp::Datagram::new(4444, 4500, vec![0xFF]);
    let (source, destination) = (Ipv4Addr::from([203, 0, 113, 1]), Ipv4Addr::from([203, 0, 113, 80]));
    let packet = ipv4::Packet::new(source, destination, Protocol::UDP, udp.to_bytes(source.into(), destination.into()));
    net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &packet.to_bytes()));
    net.isakmp_sas(B)[0].path.remote.port()
}

#[test]
fn a_keepalive_moves_nothing() {
    assert_ne!(remote_port(None), 4444);
    assert_eq!(remote_port(Some(Deviation::FollowsUnverifiedEsp)), 4444);
}

/// Questions that A asks in a minute in which it sends all the time, and ESP that is good or spoilt comes from B.
fn questions(deviation: Option<Deviation>, spoilt: bool) -> usize {
    let mut net = Net::new(Place::V4, |end, config| {
        config.isakmp.connections[0].keepalive = Some(IsakmpKeepalive::on_demand(Duration::from_secs(10)));
        if end == A {
            with(config, deviation);
        }
    });
    assert!(net.ping(A));
    net.tapped(A);
    net.network.take_tapped(net.network.segment_of(net.ports[B]));
    for _ in 0..60 {
        let answer = sealed_answer(&mut net, spoilt);
        net.at(A, |gateway, now| gateway.handle(now, Leg::Outside, &answer));
        net.run(1.0);
    }
    net.count(A, |event| matches!(event, Event::Isakmp(v1::Event::PeerAsked { .. })))
}

/// An ESP packet from B; A sends something too.
fn sealed_answer(net: &mut Net, spoilt: bool) -> Vec<u8> {
    let udp = |from: [u8; 4], to: [u8; 4]| {
        ipv4::Packet::new(from.into(), to.into(), Protocol::UDP, vec![0, 7, 0, 9, 0, 8, 0, 0]).to_bytes()
    };
    let (a, b) = ([10, 1, 0, 5], [10, 2, 0, 5]);
    net.at(A, |gateway, now| gateway.handle(now, Leg::Inside, &udp(a, b)));
    let gateway = &mut net.routers[B].gateway;
    gateway.handle(net.now, Leg::Inside, &udp(b, a));
    let sent: Vec<_> = std::iter::from_fn(|| gateway.poll_transmit()).collect();
    let mut packet = sent.into_iter().find(|sent| sent.leg == Leg::Outside).unwrap().packet;
    if spoilt {
        *packet.last_mut().unwrap() ^= 1;
    }
    packet
}

/// RFC 3706 section 5.4: nobody is asked from whom authenticated traffic comes.
#[test]
fn authenticated_traffic_is_a_sign_of_life_and_nothing_else() {
    assert_eq!(questions(None, false), 0);
    assert!(questions(Some(Deviation::OverlooksEspLiveness), false) > 0);
    assert!(questions(None, true) > 0);
    assert_eq!(questions(Some(Deviation::HeedsReplaysAsLife), true), 0);
}

/// Datagrams with which B, who has only IKEv2, answers IKEv1.
fn answers_of_ikev2(deviation: Option<Deviation>) -> usize {
    let mut net = Net::new(Place::V4, |end, config| {
        let known = config.isakmp.connections[0].clone();
        config.isakmp.connections[0].policies[0].group = Group::Modp1024;
        if end == B {
            let secret = Secret::new(*b"correct horse");
            config.ike.connections = vec![crate::config::Connection::new("peer", known.local, known.remote, secret)];
            config.isakmp.connections.clear();
            with(config, deviation);
        }
    });
    assert!(!net.ping(A), "no tunnel");
    net.tapped(B).len()
}

#[test]
fn who_has_ikev2_does_not_fall_back() {
    assert_eq!(answers_of_ikev2(None), 0);
    assert!(answers_of_ikev2(Some(Deviation::FallsBackToIkev1)) > 0);
}
