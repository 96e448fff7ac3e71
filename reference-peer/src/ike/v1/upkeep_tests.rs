//! Upkeep of SAs, dead peer detection, NAT traversal and what else comes after the tunnel is up.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::pair::*;
use super::*;
use crate::config::isakmp::*;
use crate::config::{Mode, NatTraversal, Remote};
use crypto::Group;
use std::net::SocketAddr;
use wire::ikev1::{
    Attribute, Body, Configuration, Delete, ExchangeType, Flags, Header, Message, Notification, NotifyType, Payload,
    PayloadType, ProtocolId,
};

const QUICK: ExchangeType = ExchangeType::QUICK;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

// ---- Upkeep ----

#[test]
fn a_delete_of_ipsec_sas_concerns_just_those() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    pair.at(A, |engine, now, rng, hands| engine.create_child(now, rng, a, "second", hands)).unwrap();
    pair.run(1.0);
    let unknown = Delete::ipsec(ProtocolId::ESP, &[0x1234_5678]);
    let wrong = Delete::ipsec(ProtocolId::AH, &[pair.installed[A][0].inbound_spi]);
    let payloads = vec![Body::Delete(unknown).into(), Body::Delete(wrong).into()];
    pair.at(A, |engine, now, rng, hands| engine.informational_exchange(now, rng, a, payloads, hands)).unwrap();
    pair.run(1.0);
    assert_eq!(pair.installed[B].len(), 2);
    let spi = pair.installed[A][0].inbound_spi;
    pair.at(A, |engine, now, rng, hands| engine.delete_child(now, rng, spi, hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[B].len(), 1);
    let down = |event: &Event| matches!(event, Event::ChildDown { reason: DownReason::DeletedByPeer, .. });
    assert_eq!(pair.count(B, down), 1);
}

/// IPsec SAs outlive the ISAKMP SA that they were made under, and are replaced under a new one.
#[test]
fn ipsec_sas_outlive_the_isakmp_sa() {
    let mut pair = Pair::plain().both(|connection| {
        connection.policies[0].lifetime = seconds(180);
        connection.children[0].lifetime.seconds = Some(600);
    });
    pair.up();
    pair.run(200.0);
    assert!(pair.established(A).is_empty() && pair.established(B).is_empty());
    assert_eq!((pair.installed[A].len(), pair.installed[B].len()), (1, 1));
    let old = pair.installed[A][0].inbound_spi;
    pair.run(375.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 2, "the old ones are received on until they end");
    let new = &pair.installed[A][1];
    assert_eq!((new.rekeys, new.initiator), (Some(old), true));
    assert_eq!(pair.installed[B][1].rekeys, Some(pair.installed[B][0].inbound_spi));
    pair.run(30.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 1);
    assert_ne!(pair.installed[A][0].inbound_spi, old);
    let rounds = pair.count(A, |event| matches!(event, Event::ChildUp { .. }));
    pair.run(6000.0);
    pair.check();
    let more = pair.count(A, |event| matches!(event, Event::ChildUp { .. })) - rounds;
    assert!((9..=12).contains(&more), "{more} in ten lifetimes");
}

#[test]
fn the_shorter_lifetime_holds_for_both() {
    let mut pair = Pair::plain().change(B, |connection| {
        connection.children[0].lifetime = SaLifetime { seconds: Some(300), kilobytes: Some(2000) };
    });
    pair.up();
    for engine in &pair.engines {
        assert_eq!(engine.children()[0].lifetime, Negotiated { seconds: 300, kilobytes: Some(2000) });
    }
}

#[test]
fn the_volume_lifetime() {
    let mut pair = Pair::plain().both(|c| c.children[0].lifetime = SaLifetime { seconds: None, kilobytes: Some(1000) });
    pair.up();
    assert_eq!(pair.engines[A].children()[0].lifetime.seconds, 28_800, "what holds if nothing is said");
    let spi = pair.installed[A][0].inbound_spi;
    let used = |pair: &mut Pair, kilobytes| {
        pair.at(A, |engine, now, rng, hands| engine.used_child(now, rng, spi, kilobytes, hands));
        pair.run(1.0);
        pair.check();
        pair.installed[A].len()
    };
    assert_eq!(used(&mut pair, 899), 1);
    assert_eq!(used(&mut pair, 900), 2, "replaced");
    assert_eq!(used(&mut pair, 950), 2, "once only");
    assert_eq!(used(&mut pair, 1000), 1, "and deleted");
    assert_ne!(pair.installed[A][0].inbound_spi, spi);
}

#[test]
fn an_invalid_spi_notify_deletes_that_sa_only() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    pair.at(A, |engine, now, rng, hands| engine.create_child(now, rng, a, "second", hands)).unwrap();
    pair.run(1.0);
    let spi = pair.installed[B][0].inbound_spi;
    pair.engines[B].clear_child_silently(spi).unwrap();
    pair.at(B, |_, _, _, _| {});
    // In the clear it changes nothing.
    let cookies = pair.engines[A].isakmp_sa(a).unwrap().cookies;
    let notify = |protocol| Notification::new(protocol, spi.to_be_bytes(), NotifyType::INVALID_SPI, []);
    let header = Header::new(cookies, INFO, Flags::default(), 77);
    let forged = Message::clear(header, [Payload::from(Body::Notification(notify(ProtocolId::ESP)))]);
    pair.inject(A, &forged.to_bytes());
    assert_eq!(pair.installed[A].len(), 2);
    let payloads = vec![Body::Notification(notify(ProtocolId::ESP)).into()];
    pair.at(B, |engine, now, rng, hands| engine.informational_exchange(now, rng, b, payloads, hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 1);
}

#[test]
fn clear_deletes_and_status_notifies_change_nothing() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    let info = pair.engines[A].isakmp_sa(a).unwrap();
    let bodies = [
        Body::Delete(Delete::isakmp(info.cookies)),
        Body::Delete(Delete::ipsec(ProtocolId::ESP, &[pair.installed[A][0].inbound_spi])),
        Body::Notification(Notification::isakmp(info.cookies, NotifyType::INITIAL_CONTACT, [])),
        Body::Notification(Notification::isakmp(info.cookies, NotifyType::R_U_THERE, [0, 0, 0, 1])),
    ];
    for body in bodies {
        let header = Header::new(info.cookies, INFO, Flags::default(), 77);
        pair.inject(B, &Message::clear(header, [Payload::from(body)]).to_bytes());
    }
    assert!(pair.road.is_empty(), "no answer");
    assert_eq!((pair.installed[B].len(), pair.established(B).len()), (1, 1));
}

#[test]
fn initial_contact_clears_what_was_before_a_crash() {
    for aggressive in [false, true] {
        let mut pair = Pair::plain();
        if aggressive {
            pair = pair.aggressive();
        }
        pair.up();
        pair.at(A, |engine, _, _, _| engine.clear_all());
        assert_eq!(pair.installed[B].len(), 1);
        pair.up();
        assert_eq!((pair.established(B).len(), pair.installed[B].len()), (1, 1), "{aggressive}");
        let down = |event: &Event| matches!(event, Event::IsakmpSaDown { reason: DownReason::InitialContact, .. });
        assert_eq!(pair.count(B, down), 1);
    }
    // Not sent, nothing cleared.
    let mut pair = Pair::plain().change(A, |connection| connection.initial_contact = false);
    pair.up();
    pair.at(A, |engine, _, _, _| engine.clear_all());
    pair.initiate();
    pair.run(1.0);
    assert_eq!((pair.established(B).len(), pair.installed[B].len()), (2, 2));
}

#[test]
fn deleting_the_isakmp_sa() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    pair.at(A, |engine, now, rng, hands| engine.delete_isakmp_sa(now, rng, a, hands)).unwrap();
    pair.run(1.0);
    assert!(pair.engines.iter().all(|engine| engine.isakmp_sas().is_empty()));
    assert_eq!((pair.installed[A].len(), pair.installed[B].len()), (1, 1));
}

// ---- Dead peer detection ----

#[test]
fn a_living_peer_answers_with_the_same_number() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    for (end, id) in [(A, a), (B, b), (A, a)] {
        pair.at(end, |engine, now, rng, hands| engine.liveness(now, rng, id, hands)).unwrap();
        pair.run(5.0);
    }
    let asked = |end: usize| {
        let sequence = |event: &Event| match event {
            Event::PeerAsked { sequence, .. } => Some(*sequence),
            _ => None,
        };
        pair.events[end].iter().filter_map(sequence).collect::<Vec<u32>>()
    };
    let [first, second] = asked(A)[..] else { panic!("two questions") };
    assert_eq!(second, first + 1);
    assert!(first < 1 << 31);
    assert_ne!(asked(B)[0], first, "each side has numbers of its own");
    let alive = |event: &Event| matches!(event, Event::PeerAlive { .. });
    assert_eq!((pair.count(A, alive), pair.count(B, alive)), (2, 1));
}

#[test]
fn a_dead_peer_is_given_up_after_its_tries() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    pair.fate = Box::new(|from, _, _| if from == A { Fate::Lose } else { Fate::Pass });
    let before = pair.sent.len();
    pair.at(A, |engine, now, rng, hands| engine.liveness(now, rng, a, hands)).unwrap();
    pair.run(11.9);
    assert_eq!((pair.installed[A].len(), pair.sent.len() - before), (1, 6), "one question and five more");
    pair.run(0.2);
    assert!(pair.installed[A].is_empty() && pair.engines[A].isakmp_sas().is_empty());
    assert_eq!(pair.sent.len() - before, 7, "and a last word");
}

#[test]
fn traffic_proves_life() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    pair.fate = Box::new(|_, _, _| Fate::Lose);
    pair.at(A, |engine, now, rng, hands| engine.liveness(now, rng, a, hands)).unwrap();
    pair.run(5.0);
    let spi = pair.installed[A][0].inbound_spi;
    pair.at(A, |engine, now, _, _| engine.heard_child(now, spi));
    pair.run(60.0);
    assert_eq!(pair.established(A).len(), 1);
}

#[test]
fn numbers_and_cookies_are_checked() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    let cookies = pair.engines[A].isakmp_sa(a).unwrap().cookies;
    let mut say = |cookies, notify_type, sequence: u32, from: usize| {
        let notification = Notification::isakmp(cookies, notify_type, sequence.to_be_bytes());
        let payloads = vec![Body::Notification(notification).into()];
        let id = [a, b][from];
        let before = pair.sent.len();
        pair.at(from, |engine, now, rng, hands| engine.informational_exchange(now, rng, id, payloads, hands)).unwrap();
        pair.run(0.1);
        pair.sent.len() - before - 1
    };
    let ask = NotifyType::R_U_THERE;
    assert_eq!(say(cookies, ask, 100, A), 1, "answered");
    assert_eq!(say(cookies, ask, 101, A), 1);
    assert_eq!(say(cookies, ask, 100, A), 0, "a replay");
    assert_eq!(say((cookies.1, cookies.0), ask, 102, A), 0, "cookies that have swapped places");
    assert_eq!(say(cookies, NotifyType::R_U_THERE_ACK, 5, B), 0);
    pair.at(A, |engine, now, rng, hands| engine.liveness(now, rng, a, hands)).unwrap();
    pair.road.clear();
    let payloads = vec![Body::Notification(Notification::isakmp(cookies, NotifyType::R_U_THERE_ACK, [9; 4])).into()];
    pair.at(B, |engine, now, rng, hands| engine.informational_exchange(now, rng, b, payloads, hands)).unwrap();
    pair.run(0.1);
    assert!(pair.rejections(A).iter().all(|reason| matches!(reason, RejectReason::DpdSequence(_))));
    assert_eq!(pair.count(A, |event| matches!(event, Event::PeerAlive { .. })), 0);
}

#[test]
fn nobody_is_asked_who_has_not_announced_it() {
    let mut pair = Pair::plain().change(B, |connection| connection.keepalive = None);
    let [a, _] = pair.up();
    let result = pair.at(A, |engine, now, rng, hands| engine.liveness(now, rng, a, hands));
    assert_eq!(result, Err(CommandError::NoDeadPeerDetection));
}

// ---- NAT ----

#[test]
fn behind_a_nat_everything_moves_to_port_4500() {
    for (version, udp) in [(NatVersion::Rfc3947, 3), (NatVersion::Draft03, 61_443), (NatVersion::Draft02, 61_443)] {
        for aggressive in [false, true] {
            let mut pair = Pair::plain().change(A, |connection| connection.nat_versions = vec![version]);
            pair = pair.change(B, |connection| connection.remote = Remote::Any);
            if aggressive {
                pair = pair.aggressive();
            }
            pair.nat = Some("198.51.100.7:1024".parse().unwrap());
            pair.up();
            let [a, b] = [&pair.established(A)[0], &pair.established(B)[0]];
            assert_eq!((a.nat.local, a.nat.remote, b.nat.local, b.nat.remote), (true, false, false, true));
            assert_eq!((a.nat_version, b.nat_version), (Some(version), Some(version)));
            assert_eq!((a.path.local.port(), a.path.remote.port()), (4500, 4500));
            let seen: SocketAddr = "198.51.100.7:1025".parse().unwrap();
            assert_eq!((b.path.local.port(), b.path.remote), (4500, seen));
            assert!(pair.installed.iter().flatten().all(|child| child.udp_encapsulation));
            assert_eq!(pair.installed[B][0].path.remote, seen);
            // The identity message is the first on the new port.
            let before = if aggressive { 1 } else { 2 };
            let ports: Vec<_> = pair.sent.iter().filter(|sent| sent.0 == A).map(|sent| sent.1.local.port()).collect();
            assert!(ports[..before].iter().all(|port| *port == 500), "{ports:?}");
            assert!(ports[before..].iter().all(|port| *port == 4500), "{ports:?}");
            let _ = udp;
        }
    }
}

/// With the first draft IKE stays on port 500.
#[test]
fn the_first_draft_stays_on_port_500() {
    let mut pair = Pair::plain().both(|connection| connection.nat_versions = vec![NatVersion::Draft00]);
    pair = pair.change(B, |connection| connection.remote = Remote::Any);
    pair.nat = Some("198.51.100.7:1024".parse().unwrap());
    pair.up();
    assert!(pair.sent.iter().filter(|sent| sent.0 == A).all(|sent| sent.1.local.port() == 500));
    assert_eq!(pair.installed[B][0].path.remote.port(), 1024);
}

#[test]
fn without_a_nat_or_without_the_extension_nothing_is_encapsulated() {
    let mut pair = Pair::plain();
    pair.up();
    assert!(pair.installed.iter().flatten().all(|child| !child.udp_encapsulation));
    let mut pair = Pair::plain().change(B, |connection| connection.nat_traversal = NatTraversal::Off);
    pair = pair.change(B, |connection| connection.remote = Remote::Any);
    pair.nat = Some("198.51.100.7:500".parse().unwrap());
    pair.initiate();
    pair.run(1.0);
    assert!(!pair.established(A)[0].nat.supported);
    let detects = |message: &Message| message.payloads().iter().any(|p| matches!(p.body, Body::NatDetection(_)));
    assert!(!pair.messages(A).iter().any(detects), "only if both have announced it");
    // Forced: both see a NAT.
    let mut pair = Pair::plain().change(A, |connection| connection.nat_traversal = NatTraversal::Forced);
    pair.up();
    assert!(pair.installed.iter().flatten().all(|child| child.udp_encapsulation));
}

#[test]
fn the_peer_behind_a_nat_is_followed_to_another_port() {
    let mut pair = Pair::plain().change(B, |connection| connection.remote = Remote::Any);
    pair.nat = Some("198.51.100.7:1024".parse().unwrap());
    let [a, b] = pair.up();
    // What nobody vouches for does not move it.
    let before = pair.engines[B].isakmp_sa(b).unwrap().path;
    let cookies = pair.engines[A].isakmp_sa(a).unwrap().cookies;
    let header = Header::new(cookies, INFO, Flags(Flags::ENCRYPTION), 5);
    pair.inject(B, &Message::encrypted(header, PayloadType::HASH, vec![7; 64]).to_bytes());
    assert_eq!(pair.engines[B].isakmp_sa(b).unwrap().path, before);
    pair.nat = Some("198.51.100.7:2048".parse().unwrap());
    pair.at(A, |engine, now, rng, hands| engine.liveness(now, rng, a, hands)).unwrap();
    pair.run(0.1);
    assert_eq!(pair.engines[B].isakmp_sa(b).unwrap().path.remote, "198.51.100.7:2049".parse().unwrap());
}

#[test]
fn transport_mode_behind_a_nat_exchanges_original_addresses() {
    let mut pair = Pair::plain().both(|connection| {
        let child = &mut connection.children[0];
        (child.local_ts, child.remote_ts) = ("dynamic".parse().unwrap(), "dynamic".parse().unwrap());
        child.transform_sets[0].mode = Mode::Transport;
    });
    pair = pair.change(B, |connection| connection.remote = Remote::Any);
    pair.nat = Some("198.51.100.7:1024".parse().unwrap());
    pair.up();
    let public = "198.51.100.7".parse().unwrap();
    // Ours and the peer's, as the peer knows them.
    assert_eq!(pair.installed[A][0].original_addresses, Some((public, address(B))));
    assert_eq!(pair.installed[B][0].original_addresses, Some((address(B), address(A))));
    assert_eq!(pair.installed[B][0].remote_ts[0].start, public);
    // None in tunnel mode.
    let mut pair = Pair::plain().change(A, |connection| connection.nat_traversal = NatTraversal::Forced);
    pair.up();
    assert_eq!(pair.installed[A][0].original_addresses, None);
}

// ---- Fragments, transactions, commit ----

#[test]
fn long_messages_go_in_pieces_between_those_who_know_how() {
    let mut pair = Pair::plain().both(|connection| {
        connection.fragmentation = Some(100);
        connection.policies[0].group = Group::Modp1024;
    });
    pair.up();
    let pieces =
        pair.messages(A).iter().filter(|m| matches!(m.payloads(), [Payload { body: Body::Fragment(_), .. }])).count();
    assert!(pieces >= 4, "{pieces}");
    let mut pair = Pair::plain().change(A, |connection| {
        connection.fragmentation = Some(100);
        connection.policies[0].group = Group::Modp1024;
    });
    pair.change_now(B, |connection| connection.policies[0].group = Group::Modp1024);
    pair.up();
    assert!(pair.messages(A).iter().all(|m| !matches!(m.payloads(), [Payload { body: Body::Fragment(_), .. }])));
}

#[test]
fn mode_config_and_xauth_are_refused_properly() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    let keys = pair.engines[A].isakmp_keys(a).unwrap().clone();
    let last = pair.engines[A].sas[&a].phase1_iv.clone();
    let mut ask = |message_id: u32, cfg_type: u8, attributes: Vec<Attribute>| {
        let request = Configuration { cfg_type, reserved: 0, identifier: 7, attributes };
        let mut rest = vec![];
        wire::ikev1::emit_chain(&[Body::Attributes(request).into()], PayloadType::NONE, &mut rest);
        let hash = Payload::from(Body::Hash(keys.phase2_hash(message_id, &[], &rest)));
        let mut plain = vec![];
        wire::ikev1::emit_chain(&[hash], PayloadType::ATTRIBUTES, &mut plain);
        plain.extend(rest);
        let iv = keys.phase2_iv(&last, message_id);
        let (data, next) = protect::seal(&keys.cipher, &iv, protect::pad(plain, 16));
        let header = Header::new(keys.cookies, ExchangeType::TRANSACTION, Flags(Flags::ENCRYPTION), message_id);
        pair.inject(B, &Message::encrypted(header, PayloadType::HASH, data).to_bytes());
        let answer = Message::parse(&pair.sent.last().unwrap().2).unwrap();
        let opened = protect::open(&keys.cipher, &next, &answer).unwrap();
        match &opened.payloads.unwrap()[1].body {
            Body::Attributes(configuration) => configuration.clone(),
            other => panic!("{other:?}"),
        }
    };
    let reply = ask(1, Configuration::REQUEST, vec![Attribute::variable(1, []), Attribute::variable(3, [])]);
    assert_eq!((reply.cfg_type, reply.identifier, &reply.attributes[..]), (Configuration::REPLY, 7, &[][..]));
    let reply = ask(2, Configuration::REQUEST, vec![Attribute::basic(16520, 0), Attribute::variable(16521, [])]);
    assert_eq!(reply.attributes, [Attribute::basic(16527, 0)], "XAUTH has failed");
    let reply = ask(3, Configuration::SET, vec![Attribute::variable(1, [10, 0, 0, 1])]);
    assert_eq!((reply.cfg_type, reply.attributes.len()), (Configuration::ACK, 0));
    assert_eq!(pair.count(B, |event| matches!(event, Event::TransactionRefused { .. })), 3);
    assert_eq!(pair.established(B).len(), 1);
}

/// With the commit bit of the responder, the SAs are used once CONNECTED has come, or when it has not for a while.
#[test]
fn the_commit_bit_is_tolerated() {
    for (end, number) in [(A, 1), (B, 2)] {
        let mut pair = Pair::plain();
        edit(&mut pair, end, QUICK, number, |draft| draft.header.flags.0 |= Flags::COMMIT);
        pair.initiate();
        pair.run(1.0);
        if end == A {
            let last = pair.messages(B).pop().unwrap();
            let quick = pair.messages(B).into_iter().find(|m| m.header.exchange_type == QUICK).unwrap();
            assert_eq!((last.header.exchange_type, last.header.message_id), (INFO, quick.header.message_id));
        } else {
            assert!(pair.installed[A].is_empty() && pair.installed[B].len() == 1);
            pair.run(5.0);
        }
        pair.check();
        assert_eq!(pair.installed[A].len(), 1);
    }
}

// ---- What was wrong before ----

/// The NAT-D payloads of the last message of aggressive mode are for the ports that it goes from and to (RFC 3947
/// section 3.2).
#[test]
fn late_nat_hashes_are_for_the_ports_of_their_message() {
    let mut pair = Pair::plain().aggressive().change(A, |connection| connection.nat_traversal = NatTraversal::Forced);
    let [a, _] = pair.up();
    let keys = pair.engines[A].isakmp_keys(a).unwrap().clone();
    let messages = pair.sent.iter().map(|(from, path, datagram, _)| (*from, *path, Message::parse(datagram).unwrap()));
    let (_, path, last) = messages.into_iter().filter(|(from, ..)| *from == A).nth(1).unwrap();
    assert_eq!(path.local.port(), 4500);
    let public = [A, B].map(|end| pair.public_value(end));
    let opened = protect::open(&keys.cipher, &keys.phase1_iv((&public[A], &public[B])), &last).unwrap();
    let (mode, hash, cookies) = (NatTraversal::Auto, keys.hash, keys.cookies);
    let seen = Path { local: path.remote, remote: path.local };
    let nat = nat::detect(NatVersion::Rfc3947, mode, hash, cookies, seen, &opened.payloads.unwrap()).unwrap();
    assert!(!nat.local, "the destination is right");
}

/// What comes to port 500 with the same cookies once phase 1 has left it is old (RFC 3947 section 4).
#[test]
fn old_messages_of_phase_1_are_dropped_after_the_change_of_ports() {
    let mut pair = Pair::plain().change(B, |connection| connection.remote = Remote::Any);
    let nat: SocketAddr = "198.51.100.7:1024".parse().unwrap();
    pair.nat = Some(nat);
    let [_, b] = pair.up();
    let before = pair.engines[B].isakmp_sa(b).unwrap().path;
    let sent: Vec<_> = pair.sent.iter().filter(|sent| sent.0 == A).map(|sent| sent.2.clone()).collect();
    let answers = pair.sent.len();
    for datagram in &sent[..3] {
        pair.inject_from(B, nat, datagram);
    }
    assert_eq!(pair.sent.len(), answers, "no answer");
    assert_eq!(pair.engines[B].isakmp_sa(b).unwrap().path, before);
    assert_eq!(pair.rejections(B).len(), 3);
}

/// The same first message from another address is not a repetition: its answer would go to somebody else.
#[test]
fn a_repetition_comes_from_the_same_address() {
    let mut pair = Pair::plain().change(B, |connection| connection.remote = Remote::Any);
    pair.initiate();
    let first = pair.sent[0].2.clone();
    pair.run(0.01);
    for (port, sas) in [(500, 1), (501, 2), (501, 2)] {
        let from = SocketAddr::new(address(A), port);
        pair.inject_from(B, from, &first);
        assert_eq!(pair.engines[B].isakmp_sas().len(), sas);
        assert_eq!(pair.sent.last().unwrap().1.remote, from);
    }
}

/// INITIAL-CONTACT may also come in the sixth message of main mode and in quick mode (RFC 2407 section 4.6.3).
#[test]
fn initial_contact_in_other_messages() {
    for (end, exchange, number) in [(B, ExchangeType::MAIN, 6), (A, QUICK, 1), (B, QUICK, 2)] {
        let mut pair = Pair::plain().both(|connection| connection.initial_contact = false);
        pair.up();
        pair.at(end, |engine, _, _, _| engine.clear_all());
        pair.engines[A].sas.clear();
        edit(&mut pair, end, exchange, number, |draft| {
            let notification = Notification::isakmp(draft.header.cookies(), NotifyType::INITIAL_CONTACT, []);
            draft.payloads.push(Body::Notification(notification).into());
        });
        pair.initiate();
        pair.run(1.0);
        assert_eq!(pair.installed[1 - end].len(), 1, "{exchange} {number}");
    }
}

/// A notify of another domain of interpretation is discarded (RFC 2408 section 5.14).
#[test]
fn a_notify_of_another_domain_says_nothing() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    let spi = pair.installed[A][0].inbound_spi.to_be_bytes();
    for doi in [2, 1] {
        let notification = Notification::new(ProtocolId::ESP, spi, NotifyType::INVALID_SPI, []);
        let notification = Notification { doi: wire::ikev1::Doi(doi), ..notification };
        let payloads = vec![Body::Notification(notification).into()];
        pair.at(A, |engine, now, rng, hands| engine.informational_exchange(now, rng, a, payloads, hands)).unwrap();
        pair.run(0.1);
        assert_eq!(pair.installed[B].len(), usize::from(doi == 2));
    }
}
