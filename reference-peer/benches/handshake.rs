//! A whole virtual IKE_SA_INIT and IKE_AUTH between two gateways, with a Child SA at the end.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use reference_peer::Instant;
use reference_peer::config::{Child, Connection, IkeConfig, Remote, Secret, Selector};
use reference_peer::gateway::{Event, Gateway, GatewayConfig, Leg};
use std::hint::black_box;
use std::net::IpAddr;

fn gateway(own: &str, peer: &str, own_net: &str, peer_net: &str, proposal: &str, seed: u64) -> Gateway {
    let (own, peer): (IpAddr, IpAddr) = (own.parse().unwrap(), peer.parse().unwrap());
    let mut connection = Connection::new("peer", own, Remote::Address(peer), Secret::new("a benchmark's secret"));
    connection.ike_proposals = vec![proposal.parse().unwrap()];
    let (own_net, peer_net) = (Selector::net(own_net.parse().unwrap()), Selector::net(peer_net.parse().unwrap()));
    connection.children = vec![Child::new("net", vec![own_net], vec![peer_net], vec!["aes128gcm16".parse().unwrap()])];
    let ike = IkeConfig { connections: vec![connection], ..IkeConfig::default() };
    Gateway::new(GatewayConfig { outside: vec![own], ike, ..GatewayConfig::default() }, seed)
}

/// Hands packets over until both are silent; gives how many Child SAs the initiator has installed.
fn handshake(proposal: &str, seed: u64) -> usize {
    let mut initiator = gateway("192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16", proposal, seed);
    let mut responder = gateway("192.0.2.2", "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16", proposal, !seed);
    let now = Instant::START;
    initiator.initiate(now, "peer", "net").unwrap();
    loop {
        if let Some(transmit) = initiator.poll_transmit() {
            responder.handle(now, Leg::Outside, &transmit.packet);
        } else if let Some(transmit) = responder.poll_transmit() {
            initiator.handle(now, Leg::Outside, &transmit.packet);
        } else {
            break;
        }
    }
    std::iter::from_fn(|| initiator.poll_event()).filter(|event| matches!(event, Event::ChildInstalled(_))).count()
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("IKE_SA_INIT and IKE_AUTH, both ends");
    for proposal in ["aes128-sha256-modp2048", "aes128gcm16-prfsha256-ecp256", "aes128gcm16-prfsha256-x25519"] {
        let mut seed = 0;
        assert_eq!(handshake(proposal, seed), 1, "{proposal}");
        group.bench_function(proposal, |bencher| {
            bencher.iter(|| {
                seed += 1;
                black_box(handshake(proposal, seed))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
