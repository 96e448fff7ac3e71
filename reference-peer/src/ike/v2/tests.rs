#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::pair::*;
use super::*;
use crate::config::*;
use crate::hands::{Disposition, Draft, Hands, MessageContext};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;
use wire::ikev2::{Body, Delete, ExchangeType, Message, Notify, NotifyType, Payload, PayloadType, ProtocolId};

const INIT: ExchangeType = ExchangeType::IKE_SA_INIT;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

fn notify_types(payloads: &[Payload]) -> Vec<NotifyType> {
    wire::ikev2::notifies(payloads).map(|notify| notify.notify_type).collect()
}

#[test]
fn a_tunnel_comes_up_with_every_kind_of_suite() {
    for (ike, esp) in [
        ("aes128-sha1-modp1024", "aes128-sha1"),
        ("aes256-sha512-prfsha512-ecp521", "aes256gcm16-esn-noesn"),
        ("aes128gcm16-prfsha256-ecp256", "aes128gcm16"),
        ("chacha20poly1305-prfsha384-x25519", "chacha20poly1305-esn"),
        ("3des-md5-modp1024", "null-sha256"),
        ("aes128ctr-sha256-prfaesxcbc-x25519", "aes128ctr-aesxcbc"),
        ("aes192ccm16-prfaescmac-ecp384", "sha256"),
    ] {
        let mut pair = Pair::with(ike, esp);
        let [a, b] = pair.up();
        assert_eq!(pair.engines[A].ike_keys(a), pair.engines[B].ike_keys(b), "{ike}");
        let [a, b] = [pair.engines[A].ike_sa(a).unwrap(), pair.engines[B].ike_sa(b).unwrap()];
        assert_eq!((a.state, b.state, a.initiator, b.initiator), (State::Established, State::Established, true, false));
        assert_eq!(a.spis, b.spis);
        assert_eq!((a.next_request, b.next_expected, a.next_expected, b.next_request), (2, 2, 0, 0));
        assert_eq!(pair.installed[A][0].esn, esp.contains("esn"));
        assert!(pair.sent.len() == 4 && !a.nat.detected() && a.nat.supported);
    }
}

#[test]
fn a_cookie_is_asked_for_and_returned_first() {
    let mut pair = Pair::plain();
    let mut config = pair.engines[B].config().clone();
    config.cookies = CookiePolicy::Always;
    pair.engines[B].configure(config);
    pair.up();
    let requests = pair.messages(A, INIT, false);
    let [first, second] = &*requests else { panic!("two requests") };
    assert_eq!(second.payloads[0].body.payload_type(), PayloadType::NOTIFY);
    assert_eq!(
        second.payloads[1..].iter().map(|p| &p.body).collect::<Vec<_>>(),
        first.payloads.iter().map(|p| &p.body).collect::<Vec<_>>()
    );
    let cookie = &pair.messages(B, INIT, true)[0];
    assert_eq!(cookie.header.responder_spi, 0);
    assert_eq!(pair.engines[B].ike_sas().len(), 1, "no state before the cookie");
}

#[test]
fn another_group_is_asked_for_with_and_without_cookies() {
    for cookies in [CookiePolicy::Never, CookiePolicy::Always] {
        let mut pair = Pair::with("aes128-sha256-modp1024-x25519", "aes128-sha256");
        pair = pair.change(B, |b| b.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()]);
        let mut config = pair.engines[B].config().clone();
        config.cookies = cookies;
        pair.engines[B].configure(config);
        pair.up();
        let offers: Vec<_> = pair
            .messages(A, INIT, false)
            .iter()
            .map(|m| m.find(PayloadType::SECURITY_ASSOCIATION).unwrap().body.clone())
            .collect();
        assert!(offers.windows(2).all(|pair| pair[0] == pair[1]), "the full offer each time");
    }
}

#[test]
fn wrong_secret_wrong_name_and_no_common_proposal() {
    let mut pair = Pair::plain().change(B, |b| b.psk = Secret::new(*b"correct horsf"));
    pair.initiate();
    pair.run(1.0);
    for end in [A, B] {
        let down = |e: &Event| matches!(e, Event::IkeSaDown { reason: DownReason::AuthenticationFailed, .. });
        assert_eq!(pair.count(end, down), 1);
    }
    assert_eq!(pair.count(A, |e| matches!(e, Event::ChildUp { .. })), 0);

    let mut pair = Pair::plain().change(B, |b| b.remote_id = Some("c.example".parse().unwrap()));
    pair.initiate();
    pair.run(1.0);
    assert!(pair.established(A).is_empty() && pair.established(B).is_empty());

    let mut pair = Pair::plain().change(B, |b| b.ike_proposals = vec!["aes256-sha256-x25519".parse().unwrap()]);
    pair.initiate();
    pair.run(5.0);
    let answer = &pair.messages(B, INIT, true)[0];
    assert_eq!(
        (answer.header.responder_spi, notify_types(&answer.payloads)),
        (0, vec![NotifyType::NO_PROPOSAL_CHOSEN])
    );
    assert_eq!(pair.engines[A].ike_sas()[0].state, State::InitSent, "an unauthenticated error is not acted on at once");
    pair.run(30.0);
    assert!(pair.engines[A].ike_sas().is_empty());
}

#[test]
fn a_responder_that_is_somebody_else_is_told_so() {
    let mut pair = Pair::plain().change(B, |b| b.local_id = "x.example".parse().unwrap());
    pair.initiate();
    pair.run(1.0);
    assert_eq!(pair.count(B, |e| matches!(e, Event::IkeSaDown { reason: DownReason::AuthenticationFailed, .. })), 1);
    assert_eq!(pair.count(A, |e| matches!(e, Event::IkeSaDown { reason: DownReason::AuthenticationFailed, .. })), 1);
    pair.run(60.0);
    assert!(pair.engines[B].ike_sas().is_empty() && pair.installed[A].is_empty() && pair.installed[B].is_empty());
}

#[test]
fn the_ike_sa_stands_though_the_child_fails() {
    type Change = fn(&mut Connection);
    let cases: [(Change, NotifyType); 2] = [
        (
            |b| b.children.iter_mut().for_each(|c| c.esp_proposals = vec!["aes256gcm16".parse().unwrap()]),
            NotifyType::NO_PROPOSAL_CHOSEN,
        ),
        (
            |b| b.children.iter_mut().for_each(|c| c.local_ts = vec!["10.9.0.0/16".parse().unwrap()]),
            NotifyType::TS_UNACCEPTABLE,
        ),
    ];
    for (change, expected) in cases {
        let mut pair = Pair::plain().change(B, change);
        let id = pair.initiate();
        pair.run(1.0);
        assert_eq!((pair.established(A).len(), pair.established(B).len()), (1, 1));
        let failed = |e: &Event| matches!(e, Event::ExchangeFailed { error: ExchangeError::Notify(n), .. } if n.notify_type == expected);
        assert_eq!((pair.count(A, failed), pair.count(B, failed)), (1, 1));
        assert!(pair.ask(id, INFO, vec![]).is_some());
    }
}

#[test]
fn selectors_are_narrowed_to_the_responders_policy() {
    let mut pair = Pair::plain()
        .change(B, |b| b.children.iter_mut().for_each(|c| c.local_ts = vec!["10.2.3.0/24[tcp]".parse().unwrap()]));
    pair.up();
    assert_eq!(pair.installed[A][0].remote_ts[0].to_string(), "10.2.3.0/24[tcp]");
}

#[test]
fn transport_mode_where_both_want_it() {
    let transport = |c: &mut Connection| {
        c.children.iter_mut().for_each(|child| {
            child.mode = Mode::Transport;
            (child.local_ts, child.remote_ts) = (vec![Selector::host()], vec![Selector::host()]);
        })
    };
    let mut pair = Pair::plain().change(A, transport).change(B, transport);
    pair.up();
    assert_eq!((pair.installed[A][0].mode, pair.installed[B][0].mode), (Mode::Transport, Mode::Transport));
    let tunnel = |c: &mut Connection| {
        c.children
            .iter_mut()
            .for_each(|child| (child.local_ts, child.remote_ts) = (vec![Selector::host()], vec![Selector::host()]))
    };
    let mut pair = Pair::plain().change(A, transport).change(B, tunnel);
    pair.initiate();
    pair.run(1.0);
    pair.check();
    assert!(pair.installed[A].is_empty(), "declined, so deleted again");
    assert_eq!(pair.established(A).len(), 1);
}

#[test]
fn behind_a_nat_all_goes_to_port_4500() {
    let any = |b: &mut Connection| b.remote = Remote::Any;
    let mut pair = Pair::plain().change(B, any);
    pair.nat = Some("203.0.113.9:40000".parse().unwrap());
    let [a, b] = pair.up();
    let [a, b] = [pair.engines[A].ike_sa(a).unwrap(), pair.engines[B].ike_sa(b).unwrap()];
    assert_eq!((a.nat.local, a.nat.remote, b.nat.local, b.nat.remote), (true, false, false, true));
    assert_eq!((a.path.local.port(), a.path.remote.port()), (4500, 4500));
    assert_eq!(b.path.remote, "203.0.113.9:40001".parse::<SocketAddr>().unwrap());
    assert!(pair.installed[A][0].udp_encapsulation && pair.installed[B][0].udp_encapsulation);
    assert_eq!(pair.installed[B][0].path, b.path);
    // The NAT forgets its mapping: the next authenticated packet tells the new one.
    pair.nat = Some("203.0.113.9:50000".parse().unwrap());
    assert!(pair.ask(a.id, INFO, vec![]).is_some());
    assert_eq!(pair.engines[B].ike_sa(b.id).unwrap().path.remote.port(), 50001);
    // A replay from elsewhere moves nothing.
    let old = pair.sent.iter().rev().find(|(from, _)| *from == A).unwrap().1.clone();
    pair.inject(B, &old);
    assert_eq!(pair.engines[B].ike_sa(b.id).unwrap().path.remote.port(), 50001);
}

#[test]
fn transport_mode_behind_a_nat_uses_the_addresses_that_are_seen() {
    let transport = |c: &mut Connection| {
        c.children.iter_mut().for_each(|child| {
            child.mode = Mode::Transport;
            (child.local_ts, child.remote_ts) = (vec![Selector::host()], vec![Selector::host()]);
        })
    };
    let mut pair = Pair::plain().change(A, transport).change(B, transport).change(B, |b| b.remote = Remote::Any);
    pair.nat = Some("203.0.113.9:40000".parse().unwrap());
    pair.initiate();
    pair.run(1.0);
    let (ours, theirs) = (&pair.installed[A][0], &pair.installed[B][0]);
    assert_eq!(
        (ours.local_ts[0].to_string(), theirs.remote_ts[0].to_string()),
        ("192.0.2.1".into(), "203.0.113.9".into())
    );
    assert_eq!(theirs.original_addresses, Some((address(B), address(A))));
}

#[test]
fn forced_encapsulation_and_none_at_all() {
    let mut pair = Pair::plain().change(A, |a| a.nat_traversal = NatTraversal::Forced);
    pair.up();
    assert!(pair.installed[A][0].udp_encapsulation && pair.installed[B][0].udp_encapsulation);
    let mut pair = Pair::plain().change(A, |a| a.nat_traversal = NatTraversal::Off);
    pair.up();
    assert!(!pair.installed[A][0].udp_encapsulation);
    assert_eq!(notify_types(&pair.messages(B, INIT, true)[0].payloads), []);
}

#[test]
fn liveness_and_death() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    let heard = pair.engines[A].ike_sa(a).unwrap().last_heard;
    pair.run(5.0);
    pair.at(A, |e, now, rng, hands| e.liveness(now, rng, a, hands)).unwrap();
    pair.run(1.0);
    assert!(pair.engines[A].ike_sa(a).unwrap().last_heard > heard);
    pair.engines[B].clear(b).unwrap();
    pair.fate = Box::new(|from, _| if from == B { Fate::Lose } else { Fate::Pass });
    pair.at(A, |e, now, rng, hands| e.liveness(now, rng, a, hands)).unwrap();
    pair.run(600.0);
    assert_eq!(pair.count(A, |e| matches!(e, Event::PeerUnreachable { .. })), 1);
    assert_eq!(pair.count(A, |e| matches!(e, Event::Retransmitted { .. })), 12);
    assert!(pair.installed[A].is_empty() && pair.engines[A].ike_sas().is_empty());
    let copies: Vec<_> = pair.sent.iter().filter(|(from, _)| *from == A).rev().take(13).map(|(_, d)| d).collect();
    assert!(copies.windows(2).all(|pair| pair[0] == pair[1]), "bitwise identical");
}

#[test]
fn an_answer_that_was_lost_is_repeated_and_nothing_done_twice() {
    let mut lost = 0;
    let mut pair = Pair::plain();
    pair.fate = Box::new(move |from, _| {
        lost += usize::from(from == B);
        if from == B && lost % 2 == 1 { Fate::Lose } else { Fate::Pass }
    });
    pair.initiate();
    pair.run(20.0);
    pair.check();
    assert_eq!((pair.installed[A].len(), pair.engines[B].ike_sas().len()), (1, 1));
    assert_eq!(pair.count(B, |e| matches!(e, Event::ResponseRepeated { .. })), 2);
}

#[test]
fn requests_outside_the_window_are_not_answered() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    let keys = pair.engines[A].ike_keys(a).unwrap().clone();
    let craft = |pair: &mut Pair, message_id| {
        let draft = Draft {
            header: wire::ikev2::Header::new(keys.spis, INFO, wire::ikev2::Flags::new(true, false), message_id),
            clear: vec![],
            inner: Some(vec![]),
            inner_trailing: vec![],
            padding: None,
            pad_length: None,
            iv: None,
            repair_auth: false,
        };
        let octets = protect::seal(&keys, true, &draft, &mut pair.rng).unwrap().to_bytes();
        let sent = pair.sent.len();
        pair.inject(B, &octets);
        pair.sent.len() - sent
    };
    assert_eq!(craft(&mut pair, 2), 1);
    assert_eq!(craft(&mut pair, 3), 1);
    assert_eq!(craft(&mut pair, 3), 1, "repeated");
    assert_eq!(craft(&mut pair, 2), 0, "forgotten");
    assert_eq!(craft(&mut pair, 5), 1, "INVALID_MESSAGE_ID as a request of its own");
    assert_eq!(craft(&mut pair, 104), 0, "not often");
    assert_eq!(pair.messages(B, INFO, false).len(), 1);
    assert_eq!(craft(&mut pair, 4), 1, "answered while an own request is under way");
    assert_eq!(pair.engines[B].ike_sa(b).unwrap().next_expected, 5);
}

#[test]
fn a_wider_window_takes_requests_out_of_order() {
    let mut pair = Pair::plain().change(B, |b| b.window = 4);
    let [a, _] = pair.up();
    let mut first = true;
    pair.fate = Box::new(move |from, _| {
        if from == A && std::mem::take(&mut first) { Fate::Late(Duration::from_millis(300)) } else { Fate::Pass }
    });
    for _ in 0..4 {
        pair.at(A, |e, now, rng, hands| e.informational(now, rng, a, vec![], hands)).unwrap();
    }
    assert_eq!(pair.engines[A].ike_sa(a).unwrap().outstanding, 4);
    pair.at(A, |e, now, rng, hands| e.informational(now, rng, a, vec![], hands)).unwrap();
    assert_eq!(pair.engines[A].ike_sa(a).unwrap().outstanding, 4, "no more than the peer's window");
    pair.run(1.0);
    assert_eq!(pair.count(A, |e| matches!(e, Event::ResponseReceived { exchange: INFO, .. })), 5);
    assert_eq!(pair.count(A, |e| matches!(e, Event::Retransmitted { .. })), 0);
}

#[test]
fn window_of_one_by_default() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    for _ in 0..3 {
        pair.at(A, |e, now, rng, hands| e.informational(now, rng, a, vec![], hands)).unwrap();
    }
    assert_eq!(pair.messages(A, INFO, false).len(), 1);
    pair.run(1.0);
    assert_eq!(pair.messages(A, INFO, false).len(), 3);
}

#[test]
fn deleting_children_and_ike_sas() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    pair.at(A, |e, now, rng, hands| e.create_child(now, rng, a, "second", hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 2);
    let spi = pair.installed[B][0].outbound_spi;
    pair.at(B, |e, now, rng, hands| e.delete_child(now, rng, spi, hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 1);
    // Unknown SPIs are answered without a Delete, several at once are all heeded.
    let unknown = Delete::child(ProtocolId::ESP, &[0xDEAD_BEEF]);
    assert_eq!(pair.ask(a, INFO, vec![Body::Delete(unknown).into()]), Some(vec![]));
    let known = pair.installed[A][0].inbound_spi;
    let both = Delete::child(ProtocolId::ESP, &[0xDEAD_BEEF, known]);
    let answer = pair.ask(a, INFO, vec![Body::Delete(both).into()]).unwrap();
    assert!(matches!(&answer[0].body, Body::Delete(delete) if delete.child_spis().count() == 1));
    assert!(pair.installed[B].is_empty());
    pair.at(B, |e, now, rng, hands| e.delete_ike(now, rng, b, hands)).unwrap();
    pair.run(1.0);
    assert!(pair.established(A).is_empty() && pair.installed[A].is_empty());
    assert_eq!(pair.count(A, |e| matches!(e, Event::IkeSaDown { reason: DownReason::DeletedByPeer, .. })), 1);
    assert_eq!(pair.count(B, |e| matches!(e, Event::IkeSaDown { reason: DownReason::Deleted, .. })), 1);
    pair.run(60.0);
    assert!(pair.engines[A].ike_sas().is_empty() && pair.engines[B].ike_sas().is_empty());
}

#[test]
fn deletes_that_cross_are_answered_empty() {
    let mut pair = Pair::plain();
    pair.up();
    for end in [A, B] {
        let spi = pair.installed[end][0].inbound_spi;
        pair.at(end, |e, now, rng, hands| e.delete_child(now, rng, spi, hands)).unwrap();
    }
    pair.run(1.0);
    assert!(pair.installed[A].is_empty() && pair.installed[B].is_empty());
    for end in [A, B] {
        let empty =
            |e: &Event| matches!(e, Event::ResponseReceived { exchange: INFO, payloads, .. } if payloads.is_empty());
        assert_eq!(pair.count(end, empty), 1);
    }
}

#[test]
fn children_are_rekeyed_with_and_without_pfs() {
    for esp in ["aes128-sha256", "aes128gcm16-x25519-esn"] {
        let mut pair = Pair::with("aes128-sha256-x25519", esp);
        pair.up();
        for end in [A, B] {
            let old = pair.installed[end][0].clone();
            pair.at(end, |e, now, rng, hands| e.rekey_child(now, rng, old.inbound_spi, hands)).unwrap();
            pair.run(1.0);
            pair.check();
            let [new] = &*pair.installed[end] else { panic!("one pair") };
            assert!(new.inbound_spi != old.inbound_spi && new.inbound != old.inbound && new.initiator);
            assert_eq!((new.rekeys, new.group.is_some()), (Some(old.inbound_spi), esp.contains("x25519")));
        }
    }
}

#[test]
fn both_rekey_a_child_at_once() {
    for seed in 0..20 {
        let mut pair = Pair::plain();
        pair.up();
        pair.rng = rand_chacha::rand_core::SeedableRng::seed_from_u64(seed);
        for end in [A, B] {
            let spi = pair.installed[end][0].inbound_spi;
            pair.at(end, |e, now, rng, hands| e.rekey_child(now, rng, spi, hands)).unwrap();
        }
        pair.run(1.0);
        pair.check();
        assert_eq!(pair.installed[A].len(), 1, "seed {seed}: one pair is left");
        let redundant = |e: &Event| matches!(e, Event::ChildDown { reason: DownReason::Redundant, .. });
        assert_eq!(pair.count(A, redundant) + pair.count(B, redundant), 1);
    }
}

#[test]
fn a_rekey_request_that_comes_late_finds_nothing() {
    let mut pair = Pair::plain();
    pair.up();
    let mut first = true;
    pair.fate = Box::new(move |from, _| if from == A && std::mem::take(&mut first) { Fate::Lose } else { Fate::Pass });
    for end in [A, B] {
        let spi = pair.installed[end][0].inbound_spi;
        pair.at(end, |e, now, rng, hands| e.rekey_child(now, rng, spi, hands)).unwrap();
    }
    pair.run(5.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 1);
    let not_found = |e: &Event| matches!(e, Event::ExchangeFailed { error: ExchangeError::Notify(n), .. } if n.notify_type == NotifyType::CHILD_SA_NOT_FOUND);
    assert_eq!(pair.count(A, not_found), 1);
}

#[test]
fn the_ike_sa_is_rekeyed_by_either_end() {
    let mut pair = Pair::plain();
    pair.up();
    for end in [B, A] {
        let old = pair.established(end)[0].clone();
        pair.at(end, |e, now, rng, hands| e.rekey_ike(now, rng, old.id, hands)).unwrap();
        pair.run(1.0);
        pair.check();
        let ours = pair.established(end);
        let theirs = pair.established(1 - end);
        let ([ours], [theirs]) = (&*ours, &*theirs) else { panic!("one IKE SA at each end") };
        assert!(ours.spis == theirs.spis && ours.spis != old.spis);
        assert!(ours.initiator && !theirs.initiator, "whoever rekeys is the initiator");
        assert_eq!((ours.next_request, theirs.next_expected, ours.children.len(), theirs.children.len()), (0, 0, 1, 1));
        assert_eq!(pair.engines[end].ike_keys(ours.id), pair.engines[1 - end].ike_keys(theirs.id));
        let id = pair.established(A)[0].id;
        assert!(pair.ask(id, INFO, vec![]).is_some());
    }
    let spi = pair.installed[A][0].inbound_spi;
    pair.at(A, |e, now, rng, hands| e.delete_child(now, rng, spi, hands)).unwrap();
    pair.run(1.0);
    assert!(pair.installed[B].is_empty(), "deleted under the successor");
}

#[test]
fn both_rekey_the_ike_sa_at_once() {
    for seed in 0..20 {
        let mut pair = Pair::plain();
        let ids = pair.up();
        pair.rng = rand_chacha::rand_core::SeedableRng::seed_from_u64(seed);
        for end in [A, B] {
            pair.at(end, |e, now, rng, hands| e.rekey_ike(now, rng, ids[end], hands)).unwrap();
        }
        pair.run(2.0);
        let (ours, theirs) = (pair.established(A), pair.established(B));
        let ([ours], [theirs]) = (&*ours, &*theirs) else { panic!("seed {seed}: {ours:#?} {theirs:#?}") };
        assert_eq!(ours.spis, theirs.spis);
        assert_eq!((ours.children.len(), theirs.children.len()), (1, 1), "seed {seed}");
        pair.check();
        assert!(pair.ask(ours.id, INFO, vec![]).is_some());
    }
}

#[test]
fn one_end_notices_the_simultaneous_ike_rekey() {
    let mut pair = Pair::plain();
    let ids = pair.up();
    let mut first = true;
    pair.fate = Box::new(move |from, _| if from == A && std::mem::take(&mut first) { Fate::Lose } else { Fate::Pass });
    for end in [A, B] {
        pair.at(end, |e, now, rng, hands| e.rekey_ike(now, rng, ids[end], hands)).unwrap();
    }
    pair.run(10.0);
    let (ours, theirs) = (pair.established(A), pair.established(B));
    let ([ours], [theirs]) = (&*ours, &*theirs) else { panic!("{ours:#?} {theirs:#?}") };
    assert_eq!((ours.spis, ours.children.len(), theirs.children.len()), (theirs.spis, 1, 1));
    pair.check();
}

#[test]
fn a_child_is_not_made_while_the_ike_sa_is_rekeyed() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    pair.at(A, |e, now, rng, hands| e.rekey_ike(now, rng, a, hands)).unwrap();
    pair.at(B, |e, now, rng, hands| e.create_child(now, rng, b, "second", hands)).unwrap();
    pair.run(1.0);
    let temporary = |e: &Event| matches!(e, Event::ExchangeFailed { error: ExchangeError::Notify(n), .. } if n.notify_type == NotifyType::TEMPORARY_FAILURE);
    assert!(pair.count(A, temporary) + pair.count(B, temporary) >= 2);
    assert_eq!(pair.messages(B, ExchangeType::CREATE_CHILD_SA, false).len(), 1, "not again at once");
    pair.run(60.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 2, "but later");
}

#[test]
fn lifetimes_of_a_day() {
    let life = |c: &mut Connection| {
        let hours = |h: u64| Some(Duration::from_secs(h * 3600));
        c.lifetime = Lifetime { rekey: hours(4), jitter: Duration::from_secs(600), expiry: hours(5) };
        c.children.iter_mut().for_each(|child| {
            child.lifetime = Lifetime { rekey: hours(1), jitter: Duration::from_secs(300), expiry: hours(2) };
        });
    };
    let mut pair = Pair::plain().change(A, life).change(B, life);
    pair.up();
    pair.run(86_400.0);
    pair.check();
    assert_eq!((pair.installed[A].len(), pair.established(A).len(), pair.established(B).len()), (1, 1, 1));
    let ups = pair.count(A, |e| matches!(e, Event::ChildUp { .. }));
    assert!((24..=40).contains(&ups), "{ups} children in a day");
    let expired = |e: &Event| matches!(e, Event::ChildDown { reason: DownReason::Expired, .. });
    assert_eq!(pair.count(A, expired), 0);
}

#[test]
fn initial_contact_ends_older_ike_sas_of_the_same_peer() {
    let mut pair = Pair::plain().change(A, |a| a.initial_contact = true);
    let [a, _] = pair.up();
    pair.engines[A].clear(a).unwrap();
    pair.installed[A].clear();
    pair.initiate();
    pair.run(1.0);
    pair.check();
    assert_eq!((pair.established(B).len(), pair.installed[B].len()), (1, 1));
    assert_eq!(pair.count(B, |e| matches!(e, Event::IkeSaDown { reason: DownReason::InitialContact, .. })), 1);
}

#[test]
fn malformed_and_critical_inside_a_protected_message() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    let unknown =
        |critical| Payload { critical, ..Body::Raw { payload_type: PayloadType(200), data: vec![1, 2] }.into() };
    assert_eq!(pair.ask(a, INFO, vec![unknown(false)]), Some(vec![]));
    let answer = pair.ask(a, INFO, vec![unknown(true)]).unwrap();
    assert!(
        matches!(&answer[0].body, Body::Notify(n) if n.notify_type == NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD && n.data == [200])
    );
    assert_eq!(pair.engines[B].ike_sa(b).unwrap().state, State::Established);
    let broken = Body::Raw { payload_type: PayloadType::DELETE, data: vec![3, 4, 0, 9] };
    let answer = pair.ask(a, INFO, vec![broken.into()]).unwrap();
    assert_eq!(notify_types(&answer), [NotifyType::INVALID_SYNTAX]);
    assert_eq!(pair.engines[B].ike_sa(b).unwrap().state, State::Closed, "fatal on both sides");
}

#[test]
fn unprotected_messages_change_nothing() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    let spis = pair.engines[A].ike_sa(a).unwrap().spis;
    let before = pair.engines[B].ike_sa(b).unwrap();
    let header = |response| wire::ikev2::Header::new(spis, INFO, wire::ikev2::Flags::new(true, response), 2);
    let bodies = [
        Body::Delete(Delete::ike()),
        Body::Notify(Notify::new(NotifyType::INVALID_IKE_SPI, vec![])),
        Body::Notify(Notify::new(NotifyType::INVALID_SPI, vec![1, 2, 3, 4])),
    ];
    for body in bodies {
        for response in [false, true] {
            let sent = pair.sent.len();
            pair.inject(B, &Message::new(header(response), vec![body.clone().into()]).to_bytes());
            assert_eq!(pair.sent.len(), sent, "no answer");
        }
    }
    assert_eq!(pair.engines[B].ike_sa(b).unwrap(), before);
    // Much later the same hint makes us look, once.
    pair.run(100.0);
    for _ in 0..10 {
        let notify = Body::Notify(Notify::new(NotifyType::INVALID_IKE_SPI, vec![]));
        pair.inject(B, &Message::new(header(true), vec![notify.into()]).to_bytes());
    }
    assert_eq!(pair.messages(B, INFO, false).len(), 1);
}

#[test]
fn unknown_spis_and_versions_are_answered_within_limits() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    let keys = pair.engines[A].ike_keys(a).unwrap().clone();
    let draft = Draft {
        header: wire::ikev2::Header::new((77, 88), INFO, wire::ikev2::Flags::new(true, false), 9),
        clear: vec![],
        inner: Some(vec![]),
        inner_trailing: vec![],
        padding: None,
        pad_length: None,
        iv: None,
        repair_auth: false,
    };
    let request = protect::seal(&keys, true, &draft, &mut pair.rng).unwrap().to_bytes();
    let sent = pair.sent.len();
    pair.inject(B, &request);
    let answer = Message::parse(&pair.sent[sent].1).unwrap();
    assert_eq!((answer.header.initiator_spi, answer.header.responder_spi, answer.header.message_id), (77, 88, 9));
    assert_eq!((answer.header.flags.0, notify_types(&answer.payloads)), (0x20, vec![NotifyType::INVALID_IKE_SPI]));
    let mut response = request.clone();
    response[19] |= 0x20;
    pair.inject(B, &response);
    assert_eq!(pair.sent.len(), sent + 1, "responses are never answered");
    let mut version = request.clone();
    version[17] = 0x30;
    pair.inject(B, &version);
    let answer = Message::parse(&pair.sent[sent + 1].1).unwrap();
    assert_eq!(notify_types(&answer.payloads), [NotifyType::INVALID_MAJOR_VERSION]);
    for _ in 0..1000 {
        pair.inject(B, &request);
    }
    assert!(pair.sent.len() - sent <= 12, "rate limited");
}

#[test]
fn half_open_ike_sas_end() {
    let mut pair = Pair::plain();
    let mut config = pair.engines[B].config().clone();
    config.limits.half_open_per_prefix = 5;
    pair.engines[B].configure(config);
    pair.fate = Box::new(|from, _| if from == B { Fate::Lose } else { Fate::Pass });
    for _ in 0..10 {
        pair.initiate();
    }
    pair.run(0.5);
    assert_eq!(pair.engines[B].ike_sas().len(), 5);
    for sa in pair.engines[A].ike_sas() {
        pair.engines[A].clear(sa.id).unwrap();
    }
    pair.run(120.0);
    assert!(pair.engines[B].ike_sas().is_empty());
}

#[test]
fn exchange_by_exchange() {
    let mut pair = Pair::plain();
    pair.engines[A].hold_auth(true);
    let id = pair.initiate();
    pair.run(5.0);
    assert_eq!(pair.engines[A].ike_sa(id).unwrap().state, State::Held);
    assert_eq!(pair.sent.len(), 2);
    pair.at(A, |e, now, rng, hands| e.proceed(now, rng, id, hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 1);
}

/// Sends RESERVED octets in the ID payload and everything in another order.
struct Unusual;
impl Hands for Unusual {
    fn message(&mut self, _: &MessageContext, draft: &mut Draft) -> Disposition {
        draft.clear.reverse();
        if let Some(inner) = &mut draft.inner {
            inner.reverse();
            for payload in inner {
                payload.reserved = 0x7F;
                if let Body::IdInitiator(id) = &mut payload.body {
                    id.reserved = [0xFF; 3];
                }
            }
        }
        draft.header.flags.0 |= 0xC7;
        Disposition::Send
    }
}

#[test]
fn order_and_reserved_fields_do_not_matter() {
    let mut pair = Pair::plain();
    pair.hands[A] = Box::new(Unusual);
    pair.up();
}

#[test]
fn a_refused_group_in_create_child_sa_is_corrected() {
    let mut pair = Pair::with("aes128-sha256-x25519", "aes128-sha256-modp1024-x25519");
    pair = pair.change(B, |b| {
        b.children.iter_mut().for_each(|c| c.esp_proposals = vec!["aes128-sha256-x25519".parse().unwrap()])
    });
    let [a, _] = pair.up();
    pair.at(A, |e, now, rng, hands| e.create_child(now, rng, a, "second", hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!((pair.installed[A].len(), pair.installed[A][1].group), (2, Some(31)));
}

/// Whatever is queued, a timer that has fired does not fire again at the same time for ever.
#[test]
fn a_full_window_is_waited_for_without_timers() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    pair.at(A, |e, now, rng, hands| e.rekey_ike(now, rng, a, hands)).unwrap();
    pair.at(B, |e, now, rng, hands| e.create_child(now, rng, b, "second", hands)).unwrap();
    pair.run(0.5);
    pair.fate = Box::new(|_, _| Fate::Lose);
    for (end, id) in [(A, a), (B, b)] {
        pair.at(end, |e, now, rng, hands| e.liveness(now, rng, id, hands)).unwrap();
    }
    pair.run(100.0);
}

#[test]
fn a_rekey_starts_with_the_group_that_was_agreed_on() {
    let mut pair = Pair::with("aes128-sha256-modp1024-x25519", "aes128-sha256");
    pair = pair.change(B, |b| b.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()]);
    let [a, _] = pair.up();
    pair.at(A, |e, now, rng, hands| e.rekey_ike(now, rng, a, hands)).unwrap();
    pair.run(1.0);
    assert_eq!(pair.messages(A, ExchangeType::CREATE_CHILD_SA, false).len(), 1);
    assert_eq!(pair.count(A, |e| matches!(e, Event::IkeSaUp { rekeys: Some(_), .. })), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_octets_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>(), which in 0usize..4) {
        let mut pair = Pair::plain();
        pair.up();
        pair.inject(B, &bytes);
        // Real messages with their tails replaced get further in.
        let mut mutated = pair.sent[which].1.clone();
        let at = cut.index(mutated.len());
        mutated.truncate(at);
        mutated.extend(&bytes);
        let length = (mutated.len() as u32).to_be_bytes();
        if mutated.len() >= 28 {
            mutated[24..28].copy_from_slice(&length);
        }
        pair.inject(B, &mutated);
        pair.inject(A, &mutated);
        prop_assert_eq!(pair.established(A).len(), 1);
        prop_assert_eq!(pair.established(B).len(), 1);
    }

    #[test]
    fn no_inner_octets_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), first in 33u8..56, exchange in 34u8..39) {
        let mut pair = Pair::plain();
        let [a, _] = pair.up();
        let payload = Body::Raw { payload_type: PayloadType(first), data: bytes };
        let _ = pair.ask(a, ExchangeType(exchange), vec![payload.into()]);
        pair.run(1.0);
    }

    #[test]
    fn a_flipped_bit_changes_no_state(position in any::<prop::sample::Index>(), bit in 0u8..8, response in any::<bool>()) {
        let mut pair = Pair::plain();
        let [a, b] = pair.up();
        pair.fate = Box::new(move |from, _| if response == (from == B) { Fate::Lose } else { Fate::Pass });
        pair.at(A, |e, now, rng, hands| e.informational(now, rng, a, vec![Body::Delete(Delete::ike()).into()], hands)).unwrap();
        pair.run(0.1);
        let (from, mut octets) = pair.sent.last().unwrap().clone();
        let states = |pair: &Pair| (pair.engines[A].ike_sa(a), pair.engines[B].ike_sa(b), pair.installed.clone());
        let before = states(&pair);
        let at = position.index(octets.len());
        octets[at] ^= 1 << bit;
        pair.inject(1 - from, &octets);
        prop_assert_eq!(states(&pair), before);
    }

    #[test]
    fn loss_duplication_and_reordering_leave_one_tunnel(fates in prop::collection::vec(0u8..6, 40), seed in any::<u64>()) {
        let often = |c: &mut Connection| {
            (c.retransmission.limit, c.retransmission.tries) = (Duration::from_secs(2), 60);
        };
        let mut pair = Pair::plain().change(A, often).change(B, often);
        pair.rng = rand_chacha::rand_core::SeedableRng::seed_from_u64(seed);
        let mut fates = fates.into_iter();
        pair.fate = Box::new(move |_, _| match fates.next() {
            Some(5) => Fate::Lose,
            Some(4) => Fate::Twice,
            Some(3) => Fate::Late(Duration::from_millis(1500)),
            _ => Fate::Pass,
        });
        let a = pair.initiate();
        pair.run(100.0);
        prop_assert_eq!(pair.installed[A].len(), 1);
        pair.check();
        let spi = pair.installed[A][0].inbound_spi;
        pair.at(A, |e, now, rng, hands| e.rekey_child(now, rng, spi, hands)).unwrap();
        pair.at(B, |e, now, rng, hands| { let spi = e.ike_sas()[0].children[0].inbound_spi; e.rekey_child(now, rng, spi, hands) }).unwrap();
        pair.run(100.0);
        pair.check();
        prop_assert_eq!(pair.installed[A].len(), 1);
        pair.at(A, |e, now, rng, hands| e.rekey_ike(now, rng, a, hands)).unwrap();
        pair.run(100.0);
        pair.check();
        prop_assert_eq!((pair.installed[A].len(), pair.established(A).len(), pair.established(B).len()), (1, 1, 1));
    }
}
