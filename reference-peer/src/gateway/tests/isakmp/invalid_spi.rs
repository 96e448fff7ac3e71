//! Invalid SPI recovery (guide chapter 4), with the guide's two routers and their printed configurations.

use super::*;
use crate::config::ios;
use wire::ikev1::{Body, ExchangeType, Notification, NotifyType, Payload, ProtocolId};

const HOST_1: [u8; 4] = [10, 0, 0, 1];
const HOST_2: [u8; 4] = [10, 0, 2, 2];

/// The guide's Router A and Router B.
fn guide(change: impl Fn(usize, &mut GatewayConfig)) -> Net {
    let texts = [
        include_str!("../../../../tests/ios/invalid-spi-a.cfg"),
        include_str!("../../../../tests/ios/invalid-spi-b.cfg"),
    ];
    let mut end = 0;
    let configs = texts.map(|text| {
        let mut config = ios::read(text).sound().unwrap().router.gateway(None).unwrap().gateway;
        change(end, &mut config);
        end += 1;
        config
    });
    Net::with(Place::V4, configs)
}

/// The guide's `ping`: so many of 100 octets from Host 1 to Host 2, each with a timeout of two seconds. How many are
/// answered? The hosts are the routers themselves, by their inside addresses.
fn pings(net: &mut Net, count: u16) -> usize {
    let mut answered = 0;
    for sequence in 0..count {
        let before = counters(net, A).decaps;
        let echo = icmpv4::Packet::echo_request(7, sequence, vec![0; 72]).to_bytes();
        let packet = ipv4::Packet::new(HOST_1.into(), HOST_2.into(), Protocol::ICMP, echo).to_bytes();
        net.at(A, |gateway, now| gateway.originate(now, &packet));
        net.run(1.0);
        if counters(net, A).decaps > before {
            answered += 1;
        } else {
            net.run(1.0);
        }
    }
    answered
}

fn counters(net: &Net, end: usize) -> Counters {
    let flows = net.routers[end].gateway.ipsec_flows(net.now);
    assert_eq!(flows.len(), 1);
    flows[0].counters
}

fn all(count: u64) -> Counters {
    Counters {
        encaps: count,
        encrypt: count,
        digest: count,
        decaps: count,
        decrypt: count,
        verify: count,
        ..Counters::default()
    }
}

fn invalid_spi_lines(net: &Net, end: usize) -> Vec<String> {
    net.log(end).into_iter().filter(|line| line.starts_with("%CRYPTO-4-RECVD_PKT_INV_SPI")).collect()
}

/// Payloads of Informational exchanges that one end has received under protection.
fn informed(net: &Net, end: usize) -> Vec<Payload> {
    let payloads = net.routers[end].events.iter().filter_map(|event| match event {
        Event::Isakmp(v1::Event::Received { exchange: ExchangeType::INFORMATIONAL, payloads, .. }) => {
            Some(payloads[1..].to_vec())
        }
        _ => None,
    });
    payloads.flatten().collect()
}

fn is_notify(payload: &Payload, spi: u32) -> bool {
    matches!(&payload.body, Body::Notification(n) if n.notify_type == NotifyType::INVALID_SPI && n.ipsec_spi() == Some(spi))
}

fn is_delete(payload: &Payload, spi: u32) -> bool {
    matches!(&payload.body, Body::Delete(delete) if delete.ipsec_spis().eq([spi]))
}

/// Step 1 of the guide: ten pings bring the SAs up.
fn step_1(net: &mut Net) {
    // The first packet waits for the SAs.
    assert_eq!(pings(net, 10), 10);
    for end in [A, B] {
        assert_eq!(counters(net, end), all(10));
        let (inbound, outbound) = net.spis(end);
        assert_eq!((inbound.len(), outbound.len(), net.established(end)), (2, 2, 1));
        let sas = net.routers[end].gateway.crypto_sas(net.now);
        let summary: Vec<_> = sas.iter().map(|sa| (sa.inbound, sa.protocol, sa.mode)).collect();
        let kinds = |protocol, mode| [(true, protocol, mode), (false, protocol, mode)];
        use crate::ipsec::sa::Protocol::{Ah, Esp};
        for kind in kinds(Ah, Mode::Transport).into_iter().chain(kinds(Esp, Mode::Tunnel)) {
            assert!(summary.contains(&kind), "{summary:?}");
        }
        for sa in &sas {
            let (kilobytes, time) = (sa.remaining.kilobytes.unwrap(), sa.remaining.time.unwrap());
            assert!((4_607_990..4_608_000).contains(&kilobytes), "{kilobytes}");
            assert!((Duration::from_secs(3585)..Duration::from_secs(3600)).contains(&time), "{time:?}");
        }
    }
}

/// All four steps of the guide's example: a few pings are lost, everything is new, the log has the line.
#[test]
fn the_guides_two_routers() {
    let mut net = guide(|_, _| {});
    step_1(&mut net);
    let old = [net.spis(A), net.spis(B)];
    let ah = net.routers[B]
        .gateway
        .crypto_sas(net.now)
        .into_iter()
        .find(|sa| sa.inbound && sa.protocol == crate::ipsec::sa::Protocol::Ah);
    let ah = ah.unwrap().spi;
    // Step 2.
    net.at(B, |gateway, now| gateway.forget(now));
    assert_eq!((net.spis(B), counters(&net, B)), ((vec![], vec![]), all(0)));
    let entries = net.routers[B].gateway.isakmp_sa_entries(net.now);
    assert!(entries.len() == 1 && entries[0].deleted.is_some() && entries[0].info.state == v1::State::Closed);
    // Step 3.
    let answered = pings(&mut net, 30);
    assert!(answered >= 28, "{answered}");
    assert_eq!(counters(&net, B), all(answered as u64));
    for (end, old) in [A, B].into_iter().zip(&old) {
        let new = net.spis(end);
        assert_eq!((new.0.len(), new.1.len()), (2, 2));
        assert!(!new.0.iter().chain(&new.1).any(|spi| old.0.contains(spi) || old.1.contains(spi)), "new SPIs");
    }
    let established = net.isakmp_sas(B).into_iter().filter(|info| info.state == v1::State::Established);
    assert_eq!(established.filter(|info| info.initiator).count(), 1, "B has begun phase 1");
    // Step 4.
    let line = format!(
        "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=10.2.2.2, prot=51, \
         spi=0x{ah:X}({ah}), srcaddr=10.1.1.1"
    );
    let lines = invalid_spi_lines(&net, B);
    assert!(!lines.is_empty() && lines.len() <= 30 - answered && lines.iter().all(|known| *known == line), "{lines:?}");
    let told = informed(&net, A);
    assert!(told.iter().any(|payload| is_notify(payload, ah)) && told.iter().any(|payload| is_delete(payload, ah)));
}

/// Two entries of a crypto map for one peer share its ISAKMP SA, whoever began it, and each recovers for itself.
#[test]
fn entries_of_a_crypto_map_share_the_isakmp_sa_of_a_peer() {
    let texts = [("A", "10.1.1.1", "10.2.2.2"), ("B", "10.2.2.2", "10.1.1.1")].map(|(name, own, peer)| {
        let list = |list: u32, net: u32| {
            let nets = [format!("10.{net}.0.0 0.0.255.255"), format!("10.{}.0.0 0.0.255.255", net + 1)];
            let [local, remote] = if name == "A" {
                nets
            } else {
                let [a, b] = nets;
                [b, a]
            };
            format!("access-list {list} permit ip {local} {remote}\n")
        };
        let entry = |number: u32, list: u32| {
            format!(
                "crypto map M {number} ipsec-isakmp\n set peer {peer}\n set transform-set T\n match address {list}\n"
            )
        };
        let inside = |net: u32| {
            let net = if name == "A" { net } else { net + 1 };
            format!("interface FastEthernet1/{net}\n ip address 10.{net}.0.1 255.255.0.0\n")
        };
        format!(
            "crypto isakmp policy 1\n authentication pre-share\ncrypto isakmp key 1234 address {peer}\n\
             crypto isakmp invalid-spi-recovery\ncrypto ipsec transform-set T esp-des esp-sha-hmac\n{}{}{}{}{}{}\
             interface FastEthernet0/0\n ip address {own} 255.0.0.0\n crypto map M\n",
            entry(10, 101),
            entry(20, 102),
            list(101, 20),
            list(102, 30),
            inside(20),
            inside(30)
        )
    });
    let configs = texts.map(|text| ios::read(&text).sound().unwrap().router.gateway(None).unwrap().gateway);
    assert_eq!(configs[0].isakmp.connections.len(), 1);
    let mut net = Net::with(Place::V4, configs);
    let ping = |net: &mut Net, end: usize, first: u8| {
        let of = |end: usize, host: u8| IpAddr::from([10, first + end as u8, 0, host]);
        net.ping_from(end, of(end, 5), of(1 - end, 1), 1.0)
    };
    assert!(ping(&mut net, A, 20) && ping(&mut net, B, 30) && ping(&mut net, A, 30));
    assert_eq!((net.established(A), net.established(B), net.spis(A).0.len()), (1, 1, 2));
    for spi in net.spis(B).0 {
        net.at(B, |gateway, now| gateway.isakmp_command(now, |isakmp, _, _| isakmp.clear_child_silently(spi))).unwrap();
    }
    for net_number in [30, 20] {
        assert!(!ping(&mut net, A, net_number) && ping(&mut net, A, net_number), "{net_number}");
    }
    assert_eq!(net.established(B), 1);
}

/// Its opposite, without the command: the black hole lasts, and B says nothing.
#[test]
fn without_the_command_the_black_hole_lasts() {
    let mut net = guide(|_, config| config.invalid_spi_recovery = false);
    step_1(&mut net);
    let old = net.spis(A);
    net.at(B, |gateway, now| gateway.forget(now));
    net.tapped(B);
    assert_eq!(pings(&mut net, 300), 0);
    assert_eq!(net.spis(A), old, "ten minutes later");
    assert_eq!(net.tapped(B).len(), 0);
    assert_eq!(invalid_spi_lines(&net, B).len(), 300);
}

/// The guide's lifetime of phase 1 is 180 seconds: the IPsec SAs outlive it, and recovery begins without an ISAKMP SA.
#[test]
fn ipsec_sas_outlive_the_guides_phase_1() {
    let mut net = guide(|_, _| {});
    step_1(&mut net);
    net.run(200.0);
    assert_eq!((net.established(A), net.established(B), net.spis(B).0.len()), (0, 0, 2));
    let spi = net.spis(B).0[0];
    net.at(B, |gateway, now| gateway.isakmp_command(now, |isakmp, _, _| isakmp.clear_child_silently(spi))).unwrap();
    assert!(pings(&mut net, 10) >= 8);
}

/// B forgets its IPsec SAs and keeps the ISAKMP SA: A is told under it, with the command or without.
#[test]
fn under_an_isakmp_sa_no_command_is_needed() {
    for recovery in [false, true] {
        let mut net = guide(|_, config| config.invalid_spi_recovery = recovery);
        step_1(&mut net);
        let (old, spi) = (net.spis(A), net.spis(B).0[0]);
        net.at(B, |gateway, now| gateway.isakmp_command(now, |isakmp, _, _| isakmp.clear_child_silently(spi))).unwrap();
        assert!(pings(&mut net, 5) >= 4);
        assert!(net.spis(A).0.iter().all(|spi| !old.0.contains(spi)));
        assert_eq!(net.count(A, |event| matches!(event, Event::Isakmp(v1::Event::IsakmpSaUp { .. }))), 1);
        let told = informed(&net, A);
        assert_eq!(told.len(), 2, "{told:?}");
    }
}

/// Peers of the first test with ESP alone and one connection each; B may be told something by `change`.
fn stale(change: impl Fn(usize, &mut GatewayConfig)) -> Net {
    let mut net = Net::new(Place::V4, |end, config| {
        config.invalid_spi_recovery = true;
        change(end, config);
    });
    assert!(net.ping(A));
    net
}

/// An ESP packet for the other end that nobody has an SA for.
fn forged(from: [u8; 4], to: [u8; 4], spi: u32) -> Vec<u8> {
    let esp = [&spi.to_be_bytes()[..], &[0; 60]].concat();
    ipv4::Packet::new(from.into(), to.into(), Protocol::ESP, esp).to_bytes()
}

const OF_A: [u8; 4] = [192, 0, 2, 1];
const OF_B: [u8; 4] = [192, 0, 2, 2];

/// Packets with random SPIs come to B for a minute, a hundred a second: how many messages and negotiations of phase 1
/// does B send? `sources`: addresses that they come from.
fn flood(net: &mut Net, sources: u32) -> (usize, usize) {
    net.tapped(B);
    for packet in 0..6000_u32 {
        let source = if sources == 1 { OF_A } else { (0xc000_0201 + packet % sources).to_be_bytes() };
        let octets = forged(source, OF_B, 0x1000_0000 + packet);
        net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &octets));
        net.run(0.01);
    }
    let sent = net.tapped(B);
    let first = |packet: &&ip::Packet| packet.payload().get(16..24) == Some(&[0; 8]);
    let cookies: std::collections::BTreeSet<_> =
        sent.iter().filter(first).map(|packet| packet.payload()[8..16].to_vec()).collect();
    (sent.len(), cookies.len())
}

/// Packets in, exchanges out.
#[test]
fn a_flood_causes_few_exchanges() {
    // With an ISAKMP SA: two answers of two messages a second.
    let mut net = stale(|_, _| {});
    let (messages, negotiations) = flood(&mut net, 1);
    assert_eq!((messages, negotiations), (60 * 2 * 2, 0));
    // Without one, and the peer answers: one negotiation, and then the same.
    net.at(B, |gateway, now| gateway.forget(now));
    let (messages, negotiations) = flood(&mut net, 1);
    assert_eq!(negotiations, 1);
    assert!((220..=250).contains(&messages), "{messages}");
    // The peer does not answer: one negotiation at a time, with the retransmissions of an initiator.
    net.at(B, |gateway, now| gateway.forget(now));
    net.network.cable_mut(net.ports[A]).transmit.up = false;
    let (messages, negotiations) = flood(&mut net, 1);
    assert_eq!(negotiations, 1);
    assert!(messages <= 8, "{messages}");
    // A thousand sources, of which one is a peer.
    net.at(B, |gateway, now| gateway.forget(now));
    let (messages, negotiations) = flood(&mut net, 1000);
    assert!(messages <= 8 && negotiations <= 1, "{messages}, {negotiations}");
}

/// A peer that answers and refuses: each negotiation fails soon, and the next one comes later and later.
#[test]
fn a_refusing_peer_is_asked_less_and_less() {
    let mut net = stale(|_, _| {});
    net.at(B, |gateway, now| gateway.forget(now));
    net.at(A, |gateway, now| {
        gateway.forget(now);
        gateway.isakmp_command(now, |isakmp, _, _| {
            let mut config = isakmp.config().clone();
            config.connections[0].policies[0].hash = crypto::Hash::Md5;
            isakmp.configure(config);
            Ok(())
        })
    })
    .unwrap();
    let (_, negotiations) = flood(&mut net, 1);
    // An initiator waits ten seconds for something better than an error that nobody vouches for; then 5, 10, 20, 40.
    assert_eq!(negotiations, 4);
}

#[test]
fn only_static_peers_are_begun_with() {
    let dynamic = |deviation: Option<Deviation>| {
        let mut net = stale(|end, config| {
            if end == B {
                config.isakmp.connections[0].remote = Remote::Any;
                config.ike.deviations.extend(deviation);
            }
        });
        net.at(B, |gateway, now| gateway.forget(now));
        net.ping(A);
        (net.isakmp_sas(B).len(), net.ping(A))
    };
    assert_eq!(dynamic(None), (0, false));
    assert_eq!(dynamic(Some(Deviation::RecoversDynamicPeers)), (1, true));
    // A stranger gets nothing at all.
    let stranger = |deviation: Option<Deviation>| {
        let mut net = stale(|end, config| config.ike.deviations.extend(deviation.filter(|_| end == B)));
        net.at(B, |gateway, now| gateway.forget(now));
        net.tapped(B);
        let packet = forged([192, 0, 2, 77], OF_B, 0x1234_5678);
        net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &packet));
        let begun = net.isakmp_sas(B).len();
        net.run(10.0);
        (begun, net.tapped(B).len())
    };
    assert_eq!(stranger(None), (0, 0));
    assert_eq!(stranger(Some(Deviation::RecoversStrangers)).0, 1);
}

/// Packets come in the names of fifty static peers, none of which is there: with how many does B begin?
fn begun_with_fifty(deviation: Option<Deviation>) -> usize {
    let mut net = stale(|end, config| {
        if end == B {
            let known = config.isakmp.connections[0].clone();
            for host in 100..150 {
                let (name, remote) = (host.to_string(), Remote::Address([192, 0, 2, host].into()));
                config.isakmp.connections.push(IsakmpConnection { name, remote, ..known.clone() });
            }
            config.ike.deviations.extend(deviation);
        }
    });
    net.at(B, |gateway, now| gateway.forget(now));
    for host in 100..150 {
        let packet = forged([192, 0, 2, host], OF_B, 0x1234_5678);
        net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &packet));
    }
    net.isakmp_sas(B).len()
}

#[test]
fn many_peers_at_once_are_too_many() {
    assert_eq!(begun_with_fifty(None), 4);
    assert_eq!(begun_with_fifty(Some(Deviation::RecoversManyPeersAtOnce)), 50);
}

/// An AH packet that nobody can verify, with the SPI of B's ESP SA: does it come out?
fn ah_on_esp(deviation: Option<Deviation>) -> bool {
    let mut net = stale(|end, config| config.ike.deviations.extend(deviation.filter(|_| end == B)));
    let spi = net.spis(B).0[0];
    let udp = vec![0, 7, 0, 9, 0, 8, 0, 0];
    let inner = ipv4::Packet::new([10, 1, 0, 5].into(), [10, 2, 0, 5].into(), Protocol::UDP, udp).to_bytes();
    let ah = [&[4, 4, 0, 0][..], &spi.to_be_bytes(), &[0, 0, 0, 99], &[0; 12], &inner].concat();
    let packet = ipv4::Packet::new(OF_A.into(), OF_B.into(), Protocol::AH, ah).to_bytes();
    net.routers[B].inside.clear();
    net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &packet));
    !net.routers[B].inside.is_empty()
}

#[test]
fn ah_is_not_taken_on_the_spi_of_esp() {
    assert!(!ah_on_esp(None));
    assert!(ah_on_esp(Some(Deviation::TakesAhOnEspSa)));
}

/// The notify alone, under protection and in the clear, about the SPI that B receives on.
fn notified(deviation: Option<Deviation>, protected: bool) -> (Net, u32) {
    let mut net = stale(|end, config| {
        add_second_child(end, config);
        if end == A {
            config.ike.deviations.extend(deviation);
        }
    });
    let spi = net.spis(B).0[0];
    assert!(net.ping_from(A, [10, 3, 0, 5].into(), [10, 4, 0, 1].into(), 1.0));
    assert_eq!(net.spis(A).0.len(), 2);
    let notify = Notification::new(ProtocolId::ESP, spi.to_be_bytes(), NotifyType::INVALID_SPI, []);
    let payload = Payload::from(Body::Notification(notify));
    net.at(B, |gateway, now| {
        let info = gateway.isakmp().isakmp_sas().remove(0);
        if protected {
            let informed = gateway.isakmp_command(now, |isakmp, rng, hands| {
                isakmp.informational_exchange(now, rng, info.id, vec![payload], hands)
            });
            return informed.unwrap();
        }
        let (exchange, flags) = (ExchangeType::INFORMATIONAL, wire::ikev1::Flags::default());
        let header = wire::ikev1::Header::new(info.cookies, exchange, flags, 99);
        gateway.send_udp(info.path, &wire::ikev1::Message::clear(header, vec![payload]).to_bytes());
    });
    net.run(1.0);
    (net, spi)
}

/// The SA that a protected notify names ends, and no other; one that nobody vouches for changes nothing.
#[test]
fn what_a_notify_does() {
    let left = |deviation, protected| {
        let (net, spi) = notified(deviation, protected);
        let (inbound, outbound) = net.spis(A);
        assert_eq!(inbound.len(), outbound.len());
        (outbound.len(), outbound.contains(&spi))
    };
    assert_eq!(left(None, true), (1, false));
    assert_eq!(left(Some(Deviation::IgnoresInvalidSpiNotify), true), (2, true));
    assert_eq!(left(Some(Deviation::InvalidSpiNotifyDeletesAll), true), (0, false));
    assert_eq!(left(None, false), (2, true));
    assert_eq!(left(Some(Deviation::ObeysUnprotectedInvalidSpi), false), (1, false));
    let (mut net, spi) = notified(None, true);
    assert!(net.ping(A), "further traffic makes a new one");
    assert!(!net.spis(A).1.contains(&spi) && net.spis(A).1.len() == 2);
}

/// Data that overtake the last message of quick mode have no unknown SPI that anybody should be told of.
#[test]
fn data_may_overtake_the_last_message_of_quick_mode() {
    let mut net = Net::new(Place::V4, |_, config| config.invalid_spi_recovery = true);
    net.at(A, |gateway, now| gateway.initiate(now, "peer", "net")).unwrap();
    // Main mode takes six milliseconds and two for ARP each way; stop before the third message of quick mode.
    while net.spis(A).0.is_empty() {
        net.run(0.0005);
    }
    net.network.cable_mut(net.ports[A]).transmit.up = false;
    // It is on its way already: the next packets are forged in A's name before it arrives.
    let spi = net.spis(A).1[0];
    assert_eq!(net.spis(B).0.len(), 0);
    let early = forged(OF_A, OF_B, spi);
    net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &early));
    net.network.cable_mut(net.ports[A]).transmit.up = true;
    net.run(1.0);
    assert_eq!(invalid_spi_lines(&net, B).len(), 1);
    assert!(informed(&net, A).is_empty());
    assert!(net.ping(A));
}

/// What B does about a stale SPI, by deviation: pings answered of ten, protected payloads that A has received, the last
/// log line.
fn recovered(deviation: Option<Deviation>, keep_isakmp: bool) -> (usize, Vec<Payload>, String) {
    let mut net = guide(|end, config| {
        // Not to be told by INITIAL-CONTACT, but by what this is about.
        config.isakmp.connections[0].initial_contact = false;
        config.invalid_spi_recovery = !keep_isakmp && deviation != Some(Deviation::RecoversInvalidSpiByDefault);
        if end == B {
            config.ike.deviations.extend(deviation);
        }
    });
    step_1(&mut net);
    let spi = net.spis(B).0[0];
    net.at(B, |gateway, now| match keep_isakmp {
        true => gateway.isakmp_command(now, |isakmp, _, _| isakmp.clear_child_silently(spi)).unwrap(),
        false => gateway.forget(now),
    });
    let answered = pings(&mut net, 10);
    let line = invalid_spi_lines(&net, B).pop().unwrap();
    (answered, informed(&net, A), line)
}

#[test]
fn deviations_of_recovery() {
    use Deviation as D;
    let works = |deviation, keep| recovered(deviation, keep).0 >= 8;
    assert!(works(None, false) && works(None, true));
    for deviation in [D::NeverRecoversInvalidSpi, D::RecoversWithoutTelling] {
        let (answered, ..) = recovered(Some(deviation), false);
        // Once the ISAKMP SA is there, the next packet is told under it.
        assert_eq!(answered >= 8, deviation == D::RecoversWithoutTelling, "{deviation}");
    }
    assert!(works(Some(D::RecoversInvalidSpiByDefault), false));
    for deviation in [D::SilentOnInvalidSpi, D::InvalidSpiNotifyInTheClear] {
        let (answered, told, _) = recovered(Some(deviation), true);
        assert_eq!((answered, told), (0, vec![]), "{deviation}");
    }
    let told = recovered(Some(D::NoDeleteForInvalidSpi), true).1;
    assert!(told.len() == 1 && matches!(told[0].body, Body::Notification(_)));
}

#[test]
fn recovery_without_telling_says_nothing_at_first() {
    let told = |deviation| {
        let mut net = stale(|end, config| {
            config.isakmp.connections[0].initial_contact = false;
            if end == B {
                config.ike.deviations.extend(deviation);
            }
        });
        net.at(B, |gateway, now| gateway.forget(now));
        let packet = forged(OF_A, OF_B, 0x1234_5678);
        net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &packet));
        net.run(3.0);
        assert_eq!(net.established(B), 1);
        informed(&net, A).len()
    };
    assert_eq!((told(None), told(Some(Deviation::RecoversWithoutTelling))), (2, 0));
}

#[test]
fn recovery_without_bound_is_one() {
    let mut net = stale(|end, config| {
        if end == B {
            config.ike.deviations.insert(Deviation::RecoversWithoutBound);
        }
    });
    net.at(B, |gateway, now| gateway.forget(now));
    net.network.cable_mut(net.ports[A]).transmit.up = false;
    for spi in 0..50 {
        let packet = forged(OF_A, OF_B, 0x1000 + spi);
        net.at(B, |gateway, now| gateway.handle(now, Leg::Outside, &packet));
    }
    assert_eq!(net.isakmp_sas(B).len(), 50);
}

#[test]
fn deviations_of_the_log() {
    use Deviation as D;
    let line = |deviation| recovered(deviation, false).2;
    let spi = |line: &str| line.split_once("spi=0x").unwrap().1.split_once('(').unwrap().0.to_owned();
    let honest = line(None);
    assert!(honest.contains("prot=51"));
    assert!(line(Some(D::LogsEspForAh)).contains("prot=50"));
    // The same seeds make the same SPIs.
    let swapped = u32::from_str_radix(&spi(&line(Some(D::LogsSwappedSpi))), 16).unwrap();
    assert_eq!(format!("{:X}", swapped.swap_bytes()), spi(&honest));
    let inner = line(Some(D::LogsInnerSpi));
    assert!(inner.contains("prot=50") && spi(&inner) != spi(&honest));
}

#[test]
fn deviations_of_bundles_and_counters() {
    let mut net = guide(|_, config| config.ike.deviations.insert(Deviation::InstallsEspOnly));
    assert_eq!(pings(&mut net, 10), 10);
    assert_eq!((net.spis(A).0.len(), net.tapped(A).last().unwrap().protocol()), (1, Protocol::ESP));
    let mut net = guide(|end, config| {
        if end == A {
            config.ike.deviations.insert(Deviation::CountsDroppedPackets);
        }
    });
    assert_eq!(pings(&mut net, 10), 10);
    assert_eq!((counters(&net, A).encaps, counters(&net, B).encaps), (11, 10));
}

/// The guide's step 2 at B's command line, then a ping: what B has counted in between, and are there SPIs of before?
fn cleared(deviation: Option<Deviation>) -> (u64, bool) {
    let mut net = guide(|end, config| config.ike.deviations.extend(deviation.filter(|_| end == B)));
    step_1(&mut net);
    let old = net.spis(B).0;
    for line in ["clear crypto isakmp", "clear crypto sa"] {
        let console = console::Console::default();
        let reply = net.at(B, |gateway, now| console.run(gateway, now, line));
        assert_eq!(reply, console::Reply::Done(String::new()));
    }
    let counted = counters(&net, B).encaps;
    assert!(pings(&mut net, 5) >= 3);
    (counted, net.spis(B).0.iter().any(|spi| old.contains(spi)))
}

#[test]
fn deviations_of_clear_commands() {
    assert_eq!(cleared(None), (0, false));
    assert_eq!(cleared(Some(Deviation::KeepsCountersAfterClear)), (10, false));
    assert_eq!(cleared(Some(Deviation::ReusesIpsecSpis)), (0, true));
}

#[test]
fn ipsec_sas_need_no_isakmp_sa() {
    let left = |deviation: Option<Deviation>| {
        let mut net = guide(|end, config| config.ike.deviations.extend(deviation.filter(|_| end == B)));
        step_1(&mut net);
        net.run(200.0);
        net.spis(B).0.len()
    };
    assert_eq!((left(None), left(Some(Deviation::IpsecSasDieWithIsakmpSa))), (2, 0));
}
