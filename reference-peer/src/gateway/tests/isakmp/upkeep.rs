//! What keeps tunnels of IKEv1 alive and ends them: dead peer detection, keepalives, lifetimes, idle timers, sessions.

use super::*;

fn connection(config: &mut GatewayConfig) -> &mut IsakmpConnection {
    &mut config.isakmp.connections[0]
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn keepalive(periodic: bool) -> impl Fn(usize, &mut GatewayConfig) {
    move |_, config| {
        connection(config).keepalive = Some(IsakmpKeepalive { periodic, ..IsakmpKeepalive::on_demand(seconds(10)) });
    }
}

fn asked(net: &Net, end: usize) -> usize {
    net.count(end, |event| matches!(event, Event::Isakmp(v1::Event::PeerAsked { .. })))
}

fn up(place: Place, change: impl Fn(usize, &mut GatewayConfig)) -> Net {
    let mut net = Net::new(place, change);
    assert!(net.ping(A));
    net
}

#[test]
fn an_idle_peer_is_asked_in_periodic_mode_only() {
    let mut net = up(Place::V4, keepalive(true));
    net.run(41.0);
    // Each answers the other, so that one of both asks.
    let questions = asked(&net, A) + asked(&net, B);
    assert!((4..=8).contains(&questions), "{questions}");
    let mut net = up(Place::V4, keepalive(false));
    net.run(3000.0);
    // B has sent something that nothing has come back for: that is looked after once.
    assert_eq!((asked(&net, A), asked(&net, B)), (0, 1));
}

#[test]
fn traffic_proves_liveness() {
    let mut net = up(Place::V4, keepalive(true));
    for _ in 0..20 {
        net.run(4.0);
        assert!(net.ping(A));
    }
    assert_eq!((asked(&net, A), asked(&net, B)), (0, 0));
}

/// One question and five repetitions two seconds apart; then everything with the peer ends, and the log says so.
#[test]
fn a_dead_peer_is_found_with_traffic_to_send() {
    let mut net = up(Place::V4, keepalive(false));
    net.at(B, |gateway, now| gateway.forget(now));
    net.run(20.0);
    // A has not noticed: nothing was to be sent.
    assert_eq!((net.established(A), net.spis(A).0.len()), (1, 1));
    // B is not there any more.
    net.network.cable_mut(net.ports[B]).transmit.up = false;
    assert!(!net.ping(A));
    net.run(12.5);
    assert_eq!(asked(&net, A), 6);
    assert_eq!((net.established(A), net.spis(A).0.len()), (0, 0));
    let down = "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN. Peer 192.0.2.2:500      Id: 192.0.2.2";
    let up = down.replace("DOWN", "UP");
    assert_eq!(net.log(A), [up.as_str(), down]);
    assert_eq!(net.log(B)[..2], [up, down.to_owned()].map(|line| line.replace("192.0.2.2", "192.0.2.1")));
}

#[test]
fn no_peer_is_asked_that_does_no_dead_peer_detection() {
    let mut net = up(Place::V4, |end, config| {
        if end == A {
            keepalive(true)(end, config);
        }
    });
    net.run(100.0);
    assert_eq!(asked(&net, A), 0);
}

/// The deviations of dead peer detection concern both versions.
#[test]
fn deviations_of_dead_peer_detection() {
    for (deviation, periodic, expected) in
        [(Deviation::NeverChecksLiveness, true, 0), (Deviation::AsksIdlePeers, false, 4)]
    {
        let mut net = up(Place::V4, |end, config| {
            keepalive(periodic)(end, config);
            if end == A {
                config.ike.deviations.insert(deviation);
            } else {
                connection(config).keepalive = Some(IsakmpKeepalive::on_demand(seconds(3600)));
            }
        });
        net.run(41.0);
        assert_eq!(asked(&net, A), expected, "{deviation}");
    }
}

/// A peer that asks is heard, and not asked itself.
#[test]
fn who_asks_need_not_be_asked() {
    for (deviation, expected) in [(None, 0), (Some(Deviation::OverlooksHellos), 4)] {
        let mut net = up(Place::V4, |end, config| {
            let interval = if end == A { 10 } else { 5 };
            let keepalive = IsakmpKeepalive { periodic: true, ..IsakmpKeepalive::on_demand(seconds(interval)) };
            connection(config).keepalive = Some(keepalive);
            if end == A {
                config.ike.deviations.extend(deviation);
            }
        });
        net.run(41.0);
        assert_eq!(asked(&net, A), expected, "{deviation:?}");
    }
}

/// A keepalive goes out when nothing else was sent for so long, as long as an SA needs the mapping.
#[test]
fn keepalives_through_a_nat_outlive_the_isakmp_sa() {
    let mut net = up(Place::BehindNat, |_, config| {
        connection(config).nat_keepalive = Some(seconds(20));
        connection(config).policies[0].lifetime = seconds(180);
    });
    let keepalives = |net: &mut Net, end: usize| {
        let all = net.tapped(end);
        all.iter().filter(|packet| packet.payload().len() == 9 && packet.payload()[8] == 0xff).count()
    };
    keepalives(&mut net, A);
    net.run(15.0);
    assert!(net.ping(A));
    net.run(18.0);
    assert_eq!(keepalives(&mut net, A), 0);
    net.run(26.0);
    assert_eq!(keepalives(&mut net, A), 2);
    net.run(130.0);
    assert_eq!((net.established(A), net.spis(A).0.len()), (0, 1));
    keepalives(&mut net, A);
    net.run(100.0);
    assert_eq!((keepalives(&mut net, A), keepalives(&mut net, B)), (5, 0), "only from behind the NAT");
    let spi = net.spis(A).0[0];
    net.at(A, |gateway, now| gateway.isakmp_command(now, |isakmp, _, _| isakmp.clear_child_silently(spi))).unwrap();
    net.run(100.0);
    assert_eq!(keepalives(&mut net, A), 0);
}

/// Verified packets from another port move the peer (RFC 3947 section 4): IKE and what is sent under the SAs.
#[test]
fn a_peer_behind_a_nat_is_followed() {
    let mut net = up(Place::BehindNat, |_, _| {});
    let before = net.isakmp_sas(B)[0].path.remote.port();
    net.nat.as_mut().unwrap().rebind();
    assert!(net.ping(A), "what B sends back goes to the new port");
    let after = net.isakmp_sas(B)[0].path.remote.port();
    assert_ne!(before, after);
    assert_eq!(net.routers[B].gateway.crypto_sessions()[0].peer.port(), after);
    // And by an IKE message.
    net.nat.as_mut().unwrap().rebind();
    net.at(A, |gateway, now| {
        let id = gateway.isakmp().isakmp_sas()[0].id;
        gateway.isakmp_command(now, |isakmp, rng, hands| isakmp.create_child(now, rng, id, "net", hands)).unwrap();
    });
    net.run(1.0);
    assert_ne!(net.isakmp_sas(B)[0].path.remote.port(), after);
    assert!(net.ping(B));
}

/// IPsec SAs go over to the next ISAKMP SA: it follows the peer for them.
#[test]
fn sas_are_adopted_by_the_next_isakmp_sa() {
    let mut net = up(Place::BehindNat, |_, config| connection(config).policies[0].lifetime = seconds(60));
    net.run(70.0);
    assert_eq!((net.established(B), net.spis(B).0.len()), (0, 1));
    net.at(A, |gateway, now| {
        gateway.isakmp_command(now, |isakmp, rng, hands| isakmp.initiate_phase1(now, rng, "peer", hands)).unwrap();
    });
    net.run(1.0);
    assert_eq!(net.established(B), 1);
    net.nat.as_mut().unwrap().rebind();
    assert!(net.ping(A));
}

/// At nine tenths of its kilobytes an SA is replaced, and at the end of them deleted.
#[test]
fn lifetimes_in_kilobytes() {
    let mut net = up(Place::V4, |_, config| connection(config).children[0].lifetime.kilobytes = Some(100));
    let first = net.spis(A).0[0];
    let left = |net: &Net| {
        let sas = net.routers[A].gateway.crypto_sas(net.now);
        sas.iter().map(|sa| sa.remaining.kilobytes.unwrap()).min().unwrap()
    };
    assert_eq!(left(&net), 99);
    let send = |net: &mut Net, kilobytes: usize| {
        for _ in 0..kilobytes {
            let packet = v4(1024, false);
            net.at(A, |gateway, now| gateway.handle(now, Leg::Inside, &packet));
        }
        net.run(0.5);
    };
    send(&mut net, 80);
    assert_eq!((left(&net), net.spis(A).0.len()), (19, 1));
    send(&mut net, 12);
    assert_eq!(net.spis(A).0.len(), 2, "replaced, the old one is still received on");
    // The old pair has no traffic any more, the new one takes it over.
    send(&mut net, 60);
    assert!(net.spis(A).0.contains(&first) && net.spis(A).0.len() == 2);
    // Without a replacement it ends.
    let mut net = up(Place::V4, |end, config| {
        connection(config).children[0].lifetime.kilobytes = Some(100);
        if end == B {
            connection(config).remote = Remote::Any;
        }
    });
    let packet = v4(1024, false);
    let mut mirrored = ipv4::Packet::parse(&packet).unwrap();
    std::mem::swap(&mut mirrored.source, &mut mirrored.destination);
    mirrored.checksum = Default::default();
    let packet = mirrored.to_bytes();
    // A must not replace it: its own count is not looked at while it only receives.
    net.network.cable_mut(net.ports[B]).transmit.up = false;
    for _ in 0..101 {
        net.at(B, |gateway, now| gateway.handle(now, Leg::Inside, &packet));
    }
    net.run(0.5);
    assert_eq!(net.spis(B).0.len(), 0);
    let expired = |event: &Event| matches!(event, Event::ChildRemoved { reason: DownReason::Expired, .. });
    assert_eq!(net.count(B, expired), 1);
}

/// An SA without traffic is deleted, and with the last one the ISAKMP SA (guide chapter 8). Traffic in one direction is
/// enough to keep it.
#[test]
fn idle_sas_are_deleted() {
    let mut net = up(Place::V4, |end, config| {
        if end == A {
            connection(config).children[0].idle_time = Some(seconds(60));
        }
    });
    let one_way = v4(100, false);
    for _ in 0..5 {
        net.run(50.0);
        net.at(A, |gateway, now| gateway.handle(now, Leg::Inside, &one_way));
        assert_eq!(net.spis(A).0.len(), 1);
    }
    net.run(59.0);
    assert_eq!(net.spis(A).0.len(), 1);
    net.run(2.0);
    for end in [A, B] {
        assert_eq!((net.spis(end).0.len(), net.established(end)), (0, 0), "the peer is told");
    }
    assert!(net.ping(A), "traffic makes new ones");
}

#[test]
fn an_isakmp_sa_stays_while_one_of_its_children_is_busy() {
    let mut net = up(Place::V4, |end, config| {
        if end == A {
            connection(config).children[0].idle_time = Some(seconds(60));
        }
        add_second_child(end, config);
    });
    assert!(net.ping_from(A, [10, 3, 0, 5].into(), [10, 4, 0, 1].into(), 1.0));
    assert_eq!(net.spis(A).0.len(), 2);
    net.run(61.0);
    assert_eq!((net.spis(A).0.len(), net.established(A)), (1, 1), "the other one has no idle time");
}

/// What `show` commands want to know, with and without SAs.
#[test]
fn sessions_and_entries() {
    let mut net = Net::new(Place::V4, |_, _| {});
    let state = |net: &Net, end: usize| net.routers[end].gateway.crypto_sessions()[0].state;
    assert_eq!(state(&net, A), SessionState::Down);
    net.network.cable_mut(net.ports[B]).transmit.up = false;
    net.at(A, |gateway, now| gateway.initiate(now, "peer", "net")).unwrap();
    net.run(0.1);
    assert_eq!(state(&net, A), SessionState::DownNegotiating);
    assert_eq!(net.isakmp_sas(A)[0].state, v1::State::NoState);
    net.network.cable_mut(net.ports[B]).transmit.up = true;
    net.run(5.0);
    assert_eq!((state(&net, A), state(&net, B)), (SessionState::UpActive, SessionState::UpActive));
    let session = net.routers[B].gateway.crypto_sessions().remove(0);
    assert_eq!((session.id.as_deref(), session.ike_sas.len(), session.inbound_spis.len()), (Some("192.0.2.1"), 1, 1));
    net.at(A, |gateway, now| {
        let id = gateway.isakmp().isakmp_sas()[0].id;
        gateway.isakmp_command(now, |isakmp, rng, hands| isakmp.delete_isakmp_sa(now, rng, id, hands)).unwrap();
    });
    net.run(1.0);
    assert_eq!(state(&net, A), SessionState::UpNoIke);
    let entries = |net: &Net| -> Vec<_> {
        let all = net.routers[B].gateway.isakmp_sa_entries(net.now);
        all.iter().map(|entry| (entry.connection_id, entry.deleted.is_some())).collect()
    };
    assert_eq!(entries(&net), [(1, true)]);
    net.at(A, |gateway, now| {
        gateway.isakmp_command(now, |isakmp, rng, hands| isakmp.initiate_phase1(now, rng, "peer", hands)).unwrap();
    });
    net.run(1.0);
    assert_eq!(entries(&net), [(2, false), (1, true)]);
    net.run(60.0);
    assert_eq!(entries(&net), [(2, false)]);
    let spi = net.spis(A).0[0];
    net.at(A, |gateway, now| {
        gateway.isakmp_command(now, |isakmp, rng, hands| isakmp.delete_child(now, rng, spi, hands)).unwrap();
    });
    net.run(1.0);
    assert_eq!((state(&net, A), state(&net, B)), (SessionState::UpIdle, SessionState::UpIdle));
}

/// The log has the sessions of both versions: up with the first SAs of a peer, down with the last.
#[test]
fn sessions_of_both_versions() {
    use crate::config::{Child, Connection};
    for version in [1, 2] {
        let mut net = Net::new(Place::V4, |end, config| {
            if version == 2 {
                let old = config.isakmp.connections.remove(0);
                let mut ike = Connection::new("peer", old.local, old.remote, Secret::new(*b"battery"));
                ike.local_id = crate::config::Identity::Fqdn(format!("gw{end}.example.com"));
                ike.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
                let IsakmpChild { local_ts, remote_ts, .. } = old.children[0].clone();
                let child = Child::new("net", vec![local_ts], vec![remote_ts], vec!["aes128gcm16".parse().unwrap()]);
                ike.children = vec![child];
                config.ike.connections = vec![ike];
            }
        });
        assert!(net.ping(A));
        let spi = net.spis(A).0[0];
        // A new pair in place of the old one is no new session.
        net.at(A, |gateway, now| match version {
            1 => _ = gateway.isakmp_command(now, |ike, rng, hands| ike.rekey_child(now, rng, spi, hands)).unwrap(),
            _ => gateway.command(now, |ike, rng, hands| ike.rekey_child(now, rng, spi, hands)).unwrap(),
        });
        net.run(5.0);
        assert!(!net.spis(A).0.is_empty() && net.log(A).len() == 1, "{:?}", net.log(A));
        for spi in net.spis(A).0 {
            net.at(A, |gateway, now| match version {
                1 => gateway.isakmp_command(now, |ike, rng, hands| ike.delete_child(now, rng, spi, hands)).unwrap(),
                _ => gateway.command(now, |ike, rng, hands| ike.delete_child(now, rng, spi, hands)).unwrap(),
            });
        }
        net.run(1.0);
        let id = if version == 1 { "192.0.2.1" } else { "gw0.example.com" };
        let line = |status: &str| {
            format!("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is {status}. Peer 192.0.2.1:500      Id: {id}")
        };
        assert_eq!(net.log(B), [line("UP"), line("DOWN")]);
    }
}
