//! Tunnels of IKEv1: every way to set them up, and pings through them.

use super::*;

fn connection(config: &mut GatewayConfig) -> &mut IsakmpConnection {
    &mut config.isakmp.connections[0]
}

/// Traffic brings the tunnel up and goes through it, both ways, under mirrored SAs.
fn works(net: &mut Net) {
    assert!(net.ping(A), "{:#?}", net.routers[A].events);
    assert!(net.ping(B) && net.ping(A));
    let ((a_in, a_out), (b_in, b_out)) = (net.spis(A), net.spis(B));
    assert_eq!((&a_in, &a_out), (&b_out, &b_in));
    for end in [A, B] {
        assert_eq!(net.established(end), 1);
        assert_eq!(net.count(end, |event| matches!(event, Event::ChildInstalled(_))), a_in.len());
        assert_eq!(net.count(end, |event| matches!(event, Event::Isakmp(v1::Event::IsakmpSaUp { .. }))), 1);
    }
}

#[test]
fn traffic_brings_up_main_mode_and_quick_mode() {
    let mut net = Net::new(Place::V4, |_, _| {});
    works(&mut net);
    assert_eq!(net.isakmp_sas(A)[0].exchange, Phase1::Main);
    assert_eq!(net.spis(A).0.len(), 1);
    let protocols: Vec<_> = net.tapped(A).iter().map(ip::Packet::protocol).collect();
    let esp = protocols.iter().filter(|protocol| **protocol == Protocol::ESP).count();
    assert_eq!((esp, protocols.len()), (3, 3 + 3 + 2), "main mode 3, quick mode 2");
}

#[test]
fn aggressive_mode() {
    let mut net = Net::new(Place::V4, |_, config| connection(config).exchange = Phase1::Aggressive);
    works(&mut net);
    assert_eq!(net.isakmp_sas(B)[0].exchange, Phase1::Aggressive);
}

#[test]
fn perfect_forward_secrecy() {
    let mut net = Net::new(Place::V4, |_, config| connection(config).children[0].pfs = Some(Group::Modp1024));
    works(&mut net);
    let installed = net.routers[B].events.iter().find_map(|event| match event {
        Event::ChildInstalled(child) => Some(child.group),
        _ => None,
    });
    assert_eq!(installed, Some(Some(Group::Modp1024.id())));
}

#[test]
fn a_bundle_of_ah_over_esp() {
    let mut net = Net::new(Place::V4, |_, config| {
        connection(config).children[0].transform_sets = vec![set(&["sha1", "des-sha1"])];
    });
    works(&mut net);
    assert_eq!(net.spis(A).0.len(), 2);
    let tapped = net.tapped(A);
    let protected: Vec<_> = tapped.iter().filter(|packet| packet.protocol() != Protocol::UDP).collect();
    for packet in &protected {
        assert_eq!((packet.protocol(), packet.payload()[0]), (Protocol::AH, 50), "AH protects ESP");
    }
    assert_eq!(protected.len(), 3);
    net.at(A, |gateway, now| {
        let spi = gateway.isakmp().children()[0].pairs[0].1;
        gateway.isakmp_command(now, |isakmp, rng, hands| isakmp.delete_child(now, rng, spi, hands)).unwrap();
    });
    net.run(1.0);
    for end in [A, B] {
        assert_eq!(net.spis(end), (vec![], vec![]));
        assert_eq!(net.count(end, |event| matches!(event, Event::ChildRemoved { .. })), 2);
    }
}

#[test]
fn transport_mode_between_the_gateways() {
    let mut net = Net::new(Place::V4, |_, config| {
        let child = &mut connection(config).children[0];
        (child.local_ts, child.remote_ts) = (crate::config::Selector::host(), crate::config::Selector::host());
        child.transform_sets[0].mode = Mode::Transport;
    });
    net.at(A, |gateway, now| gateway.initiate(now, "peer", "net")).unwrap();
    net.run(1.0);
    let echo = icmpv4::Packet::echo_request(1, 1, vec![1; 9]).to_bytes();
    let packet = ipv4::Packet::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::ICMP, echo).to_bytes();
    net.at(A, |gateway, now| gateway.originate(now, &packet));
    net.run(1.0);
    assert_eq!(net.count(A, |event| matches!(event, Event::Delivered(_))), 1, "the answer");
}

#[test]
fn over_ipv6() {
    let mut net = Net::new(Place::V6, |_, _| {});
    works(&mut net);
    assert!(net.tapped(A).iter().any(|packet| packet.source().is_ipv6() && packet.protocol() == Protocol::ESP));
}

/// All IKE and ESP goes over port 4500 once the NAT is found, IKE with the marker and ESP without.
#[test]
fn through_a_nat() {
    let mut net = Net::new(Place::BehindNat, |_, _| {});
    works(&mut net);
    let info = &net.isakmp_sas(B)[0];
    assert_eq!((info.nat.local, info.nat.remote, info.path.local.port()), (false, true, 4500));
    let mut ports = vec![];
    for packet in net.tapped(A) {
        assert_eq!(packet.protocol(), Protocol::UDP);
        let datagram = udp::Datagram::parse(packet.payload(), packet.source(), packet.destination()).unwrap();
        let marked = datagram.payload.starts_with(&[0; 4]);
        ports.push((datagram.source_port, datagram.destination_port, marked));
    }
    // Two messages of main mode before the NAT is found; one of main and two of quick mode; three pings.
    assert_eq!(ports[..2], [(500, 500, false); 2]);
    assert_eq!(ports[2..5], [(4500, 4500, true); 3]);
    assert_eq!(ports[5..], [(4500, 4500, false); 3]);
}

/// By the first draft both stay on port 500, where ESP has the marker.
#[test]
fn through_a_nat_by_the_first_draft() {
    let mut net = Net::new(Place::BehindNat, |_, config| connection(config).nat_versions = vec![NatVersion::Draft00]);
    works(&mut net);
    let mut marked = 0;
    for packet in net.tapped(A) {
        let datagram = udp::Datagram::parse(packet.payload(), packet.source(), packet.destination()).unwrap();
        assert_eq!((datagram.source_port, datagram.destination_port), (500, 500));
        marked += usize::from(datagram.payload.starts_with(&[0; 8]));
    }
    assert_eq!(marked, 3);
}

/// Messages go to the engine of their version, and to no other.
#[test]
fn both_versions_at_once() {
    let v2 = |end: usize, config: &mut GatewayConfig| {
        let (own, peer) = (config.outside[0], outside(end, Place::V4).1);
        let mut ike = crate::config::Connection::new("two", own, Remote::Address(peer), Secret::new(*b"battery"));
        ike.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
        let net = |net: u8| vec![format!("172.16.{net}.0/24").parse().unwrap()];
        let nets = if end == A { (net(1), net(2)) } else { (net(2), net(1)) };
        ike.children = vec![crate::config::Child::new("other", nets.0, nets.1, vec!["aes128gcm16".parse().unwrap()])];
        config.ike.connections = vec![ike];
        config.inside.push([172, 16, end as u8 + 1, 1].into());
    };
    let mut net = Net::new(Place::V4, v2);
    works(&mut net);
    assert!(net.ping_from(A, [172, 16, 1, 5].into(), [172, 16, 2, 1].into(), 1.0));
    assert_eq!(net.routers[B].gateway.ike().ike_sas().len(), 1);
    assert_eq!(net.spis(A).0.len(), 2);
    assert!(net.at(A, |gateway, now| gateway.initiate(now, "nobody", "net")).is_err());
}

/// A gateway without connections of a version refuses it as one does that does not know it.
#[test]
fn a_version_without_connections() {
    let refused = |change: fn(usize, &mut GatewayConfig)| {
        let mut net = Net::new(Place::V4, change);
        net.at(A, |gateway, now| gateway.initiate(now, "peer", "net")).unwrap();
        net.run(3.0);
        assert!(net.spis(B).0.is_empty());
        let old = |event: &Event| {
            matches!(event, Event::Ike(v2::Event::Rejected { reason: v2::RejectReason::MajorVersion(1), .. }))
        };
        (net.count(B, old) > 0, net.count(B, |event| matches!(event, Event::Isakmp(v1::Event::Rejected { .. }))) > 0)
    };
    let only_v2 = |end: usize, config: &mut GatewayConfig| {
        if end == B {
            let (own, remote) = (config.outside[0], Remote::Any);
            config.ike.connections = vec![crate::config::Connection::new("two", own, remote, Secret::new(*b"x"))];
            config.isakmp.connections.clear();
        }
    };
    assert_eq!(refused(only_v2), (true, false));
    let v2_against_v1 = |end: usize, config: &mut GatewayConfig| {
        if end == A {
            let (own, remote) = (config.outside[0], Remote::Address([192, 0, 2, 2].into()));
            let mut ike = crate::config::Connection::new("peer", own, remote, Secret::new(*b"x"));
            ike.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
            ike.children = vec![crate::config::Child::new("net", vec![], vec![], vec!["aes128gcm16".parse().unwrap()])];
            config.ike.connections = vec![ike];
        }
    };
    assert_eq!(refused(v2_against_v1), (false, true));
}
