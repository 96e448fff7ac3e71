#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::pair::*;
use super::*;
use crate::config::isakmp::*;
use crate::config::{Identity, Mode, Remote, Secret};
use crate::hands::IsakmpDraft;
use crypto::{Encryption, Group, Hash};
use proptest::prelude::*;
use wire::Derived;
use wire::ikev1::{
    Body, Doi, ExchangeType, Flags, Header, Message, Notification, NotifyType, Payload, PayloadType, ProtocolId,
};

const MAIN: ExchangeType = ExchangeType::MAIN;
const QUICK: ExchangeType = ExchangeType::QUICK;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

// ---- Coming up ----

#[test]
fn main_mode_and_quick_mode_with_every_suite() {
    for (encryption, hash, group) in suites() {
        let mut pair = Pair::plain().both(|connection| {
            connection.policies = vec![IsakmpPolicy { encryption, hash, group, ..IsakmpPolicy::new(1) }];
        });
        let [a, b] = pair.up();
        assert_eq!(pair.engines[A].isakmp_keys(a), pair.engines[B].isakmp_keys(b));
        let [a, b] = [pair.engines[A].isakmp_sa(a).unwrap(), pair.engines[B].isakmp_sa(b).unwrap()];
        assert_eq!((a.state, b.state, a.cookies), (State::Established, State::Established, b.cookies));
        assert!(!a.nat.detected() && a.nat.supported && a.nat_version == Some(NatVersion::Rfc3947));
        let exchanges: Vec<_> = pair.sent.iter().map(|(from, _, datagram, _)| (*from, datagram[18])).collect();
        assert_eq!(exchanges, [(A, 2), (B, 2), (A, 2), (B, 2), (A, 2), (B, 2), (A, 32), (B, 32), (A, 32)]);
        assert!(pair.rejections(A).is_empty() && pair.rejections(B).is_empty());
    }
}

#[test]
fn the_shape_of_main_mode() {
    let mut pair = Pair::plain();
    pair.up();
    use PayloadType as P;
    let types = |message: &Message| message.payloads().iter().map(|p| p.body.payload_type()).collect::<Vec<_>>();
    let (a, b) = (pair.messages(A), pair.messages(B));
    assert!(types(&a[0]).starts_with(&[P::SECURITY_ASSOCIATION, P::VENDOR_ID]));
    assert!(types(&b[0]).starts_with(&[P::SECURITY_ASSOCIATION, P::VENDOR_ID]));
    assert_eq!(types(&a[1]), [P::KEY_EXCHANGE, P::NONCE, P::NAT_DETECTION, P::NAT_DETECTION]);
    assert_eq!(types(&b[1]), [P::KEY_EXCHANGE, P::NONCE, P::NAT_DETECTION, P::NAT_DETECTION]);
    for message in [&a[2], &b[2], &a[3], &b[3], &a[4]] {
        let header = &message.header;
        assert!(message.is_encrypted() && header.flags == Flags(Flags::ENCRYPTION) && header.version == 0x10);
        let wire::ikev1::Content::Encrypted { data, .. } = &message.content else { panic!("clear") };
        assert_eq!(data.len() % 16, 0);
    }
    assert!(a[..3].iter().chain(&b[..3]).all(|message| message.header.message_id == 0));
    assert!(a[3].header.message_id != 0 && a[3].header.message_id == b[3].header.message_id);
    assert_eq!(a[0].header.responder_cookie, 0);
    assert_ne!(b[0].header.responder_cookie, 0);
}

#[test]
fn aggressive_mode_with_every_suite() {
    for (encryption, hash, group) in suites() {
        let mut pair = Pair::plain().aggressive().both(|connection| {
            connection.policies = vec![IsakmpPolicy { encryption, hash, group, ..IsakmpPolicy::new(1) }];
        });
        let [a, b] = pair.up();
        assert_eq!(pair.engines[A].isakmp_keys(a), pair.engines[B].isakmp_keys(b));
        // INITIAL-CONTACT has an exchange of its own: aggressive mode protects none (RFC 2407 section 4.6.3).
        let exchanges: Vec<_> = pair.sent.iter().map(|(from, _, datagram, _)| (*from, datagram[18])).collect();
        assert_eq!(exchanges, [(A, 4), (B, 4), (A, 4), (A, 5), (A, 32), (B, 32), (A, 32)]);
    }
}

#[test]
fn aggressive_mode_is_only_answered_where_that_is_allowed() {
    let mut pair = Pair::plain().aggressive().change(B, |connection| connection.accept_aggressive = false);
    pair.initiate();
    pair.run(1.0);
    assert_eq!(pair.rejections(B), [RejectReason::Aggressive]);
    assert!(pair.messages(B).is_empty() && pair.engines[B].isakmp_sas().is_empty());
}

#[test]
fn the_last_message_of_aggressive_mode_may_be_in_the_clear() {
    let mut pair = Pair::plain().aggressive();
    edit(&mut pair, A, ExchangeType::AGGRESSIVE, 3, |draft| {
        draft.encrypt = false;
        draft.header.flags = Flags(0);
    });
    pair.initiate();
    pair.run(0.1);
    assert_eq!(pair.established(B).len(), 1, "{:?}", pair.rejections(B));
}

/// In aggressive mode the key may belong to the identity, whose address nobody knows.
#[test]
fn a_key_of_an_identity() {
    let name = || "road.example".to_owned();
    let keys = |peer: &str| {
        let any = PreSharedKey { peer: KeyOwner::Net("0.0.0.0/0".parse().unwrap()), secret: Secret::new("other") };
        Keyring { keys: vec![any, PreSharedKey { peer: KeyOwner::Host(peer.into()), secret: Secret::new("named") }] }
    };
    let mut pair = Pair::plain()
        .aggressive()
        .change(A, |connection| {
            connection.local_id = Identity::Fqdn(name());
            connection.keyring = Keyring::shared(Secret::new("named"));
        })
        .change(B, |connection| {
            connection.remote = Remote::Any;
            connection.keyring = keys("road.example");
        });
    pair.up();
    assert_eq!(pair.established(B)[0].peer_id, Some(Identity::Fqdn(name())));
    // Main mode has only the address, and so the other key.
    let mut pair = pair.both(|connection| connection.exchange = Phase1::Main);
    pair.at(A, |engine, now, rng, hands| engine.initiate_phase1(now, rng, "peer", hands)).unwrap();
    pair.run(5.0);
    assert!(pair.rejections(B).contains(&RejectReason::Undecryptable), "{:?}", pair.rejections(B));
}

#[test]
fn quick_mode_with_perfect_forward_secrecy() {
    for group in [Group::Modp768, Group::Modp1024, Group::Curve25519] {
        let mut pair = Pair::plain().both(|connection| connection.children[0].pfs = Some(group));
        pair.up();
        assert_eq!(pair.installed[A][0].group, Some(group.id()));
        let wanted =
            |connection: &mut IsakmpConnection| connection.children.iter_mut().for_each(|c| c.pfs = Some(group));
        let without = Pair::plain().change(B, wanted);
        assert_eq!(refused(without), Some(NotifyType::NO_PROPOSAL_CHOSEN));
    }
    // A responder that does not ask for it does it all the same.
    let mut pair = Pair::plain().change(A, |connection| connection.children[0].pfs = Some(Group::Modp768));
    pair.up();
}

/// With what notify the quick mode of A is refused.
fn refused(mut pair: Pair) -> Option<NotifyType> {
    pair.initiate();
    pair.run(1.0);
    assert_eq!(pair.established(A).len(), 1, "the ISAKMP SA stays");
    assert!(pair.installed.iter().all(Vec::is_empty));
    pair.events[A].iter().find_map(|event| match event {
        Event::QuickModeFailed { error: QuickError::Notify(notify), ours: true, .. } => Some(*notify),
        _ => None,
    })
}

#[test]
fn a_bundle_is_installed_innermost_first() {
    let mut pair =
        Pair::plain().both(|connection| connection.children[0].transform_sets = vec![set(&["sha1", "des-sha1"])]);
    pair.up();
    let [esp, ah] = &*pair.installed[A] else { panic!("{:?}", pair.installed[A]) };
    assert_eq!((esp.protocol, esp.mode), (ProtocolId::ESP, Mode::Tunnel));
    assert_eq!((ah.protocol, ah.mode), (ProtocolId::AH, Mode::Transport));
    assert_eq!(ah.local_ts[0].start, address(A));
    assert_eq!(esp.local_ts[0].start, std::net::IpAddr::from([10, 1, 0, 0]));
    let spis: std::collections::BTreeSet<u32> =
        pair.installed.iter().flatten().flat_map(|child| [child.inbound_spi, child.outbound_spi]).collect();
    assert_eq!(spis.len(), 4, "four SAs, each with a SPI of its own");
    // Either half deletes both.
    let spi = ah.inbound_spi;
    pair.at(A, |engine, now, rng, hands| engine.delete_child(now, rng, spi, hands)).unwrap();
    pair.run(1.0);
    assert!(pair.installed.iter().all(Vec::is_empty));
}

#[test]
fn several_transform_sets_and_policies() {
    let mut pair = Pair::plain()
        .change(A, |connection| {
            connection.children[0].transform_sets = vec![set(&["sha1", "aes256-sha256"]), set(&["3des-md5"])];
            connection.policies = vec![
                IsakmpPolicy { priority: 2, ..policy() },
                IsakmpPolicy { hash: Hash::Md5, ..IsakmpPolicy { priority: 1, ..policy() } },
            ];
        })
        .change(B, |connection| {
            connection.children[0].transform_sets = vec![set(&["des-md5"]), set(&["3des-md5"])];
            connection.policies.push(IsakmpPolicy { hash: Hash::Md5, priority: 11, ..policy() });
        });
    let [a, _] = pair.up();
    assert_eq!(pair.installed[A][0].encryption, Some(Encryption::TripleDes));
    // B's priorities decide: SHA-1 at 10, although A would rather have MD5.
    assert_eq!(pair.engines[A].isakmp_keys(a).unwrap().hash, Hash::Sha1);
}

#[test]
fn transport_mode_between_hosts_of_ipv6_names() {
    let mut pair = Pair::plain().both(|connection| {
        let child = &mut connection.children[0];
        (child.local_ts, child.remote_ts) = ("dynamic".parse().unwrap(), "dynamic".parse().unwrap());
        child.transform_sets[0].mode = Mode::Transport;
    });
    pair.up();
    assert_eq!(pair.installed[A][0].mode, Mode::Transport);
}

#[test]
fn identities_of_every_kind() {
    for text in ["192.0.2.9", "2001:db8::9", "gw.example.com", "user@example.com", "keyid:00ff"] {
        let identity: Identity = text.parse().unwrap();
        for aggressive in [false, true] {
            let mut pair = Pair::plain()
                .change(A, |connection| connection.local_id = identity.clone())
                .change(B, |connection| connection.remote_id = Some(identity.clone()));
            if aggressive {
                pair = pair.aggressive();
            }
            pair.up();
            assert_eq!(pair.established(B)[0].peer_id.as_ref(), Some(&identity));
            // Somebody else with the same key.
            let mut other = Pair::plain().change(B, |connection| connection.remote_id = Some(identity.clone()));
            if aggressive {
                other = other.aggressive();
            }
            other.initiate();
            other.run(1.0);
            assert!(other.established(B).is_empty(), "{text}");
        }
    }
}

#[test]
fn several_quick_modes_at_once() {
    let mut pair = Pair::plain();
    let [a, b] = pair.up();
    pair.at(A, |engine, now, rng, hands| engine.create_child(now, rng, a, "second", hands)).unwrap();
    pair.at(A, |engine, now, rng, hands| engine.create_child(now, rng, a, "net", hands)).unwrap();
    pair.at(B, |engine, now, rng, hands| engine.create_child(now, rng, b, "second", hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[A].len(), 4, "{:?}", pair.rejections(B));
}

// ---- Refusals ----

#[test]
fn pre_shared_keys_that_differ() {
    let other =
        |connection: &mut IsakmpConnection| connection.keyring = Keyring::shared(Secret::new(*b"battery staple"));
    let mut pair = Pair::plain().change(B, other);
    pair.initiate();
    pair.run(60.0);
    assert!(pair.engines.iter().all(|engine| engine.isakmp_sas().iter().all(|sa| sa.state != State::Established)));
    let reasons = pair.rejections(B);
    assert!(reasons.iter().all(|reason| reason.to_string().contains("pre-shared keys differ")), "{reasons:?}");
    // The initiator is told, believes it only when nothing better comes, and says so.
    let told = NotifyType::PAYLOAD_MALFORMED;
    assert!(pair.count(A, |event| *event == Event::Hint { ike_sa: IkeSaId(1 << 32), notify: Some(told) }) > 0);
    let down =
        |event: &Event| matches!(event, Event::IsakmpSaDown { reason: DownReason::RefusedV1(n), .. } if *n == told);
    assert_eq!(pair.count(A, down), 1);
    assert!(!format!("{:?}", pair.events).contains("battery"));

    let mut pair = Pair::plain().aggressive().change(B, other);
    pair.initiate();
    pair.run(1.0);
    assert_eq!(pair.rejections(A).first(), Some(&RejectReason::Hash));
    assert!(pair.established(A).is_empty() && pair.established(B).is_empty());
}

#[test]
fn policies_that_do_not_match() {
    for change in [
        (|policy| policy.hash = Hash::Md5) as fn(&mut IsakmpPolicy),
        |policy| policy.encryption = Encryption::TripleDes,
        |policy| policy.group = Group::Ecp256,
        |policy| policy.lifetime = seconds(86_399),
    ] {
        let mut pair = Pair::plain().change(B, |connection| change(&mut connection.policies[0]));
        pair.initiate();
        pair.run(20.0);
        assert!(pair.rejections(B).contains(&RejectReason::NoProposal));
        let refused = DownReason::RefusedV1(NotifyType::NO_PROPOSAL_CHOSEN);
        let down = |event: &Event| matches!(event, Event::IsakmpSaDown { reason, .. } if *reason == refused);
        assert_eq!(pair.count(A, down), 1, "{:?}", pair.events[A]);
        assert!(pair.engines[B].isakmp_sas().is_empty());
    }
}

/// A forged error does not end what a good answer can still bring about.
#[test]
fn an_error_in_the_clear_is_only_a_hint() {
    let mut pair = Pair::plain();
    let id = pair.initiate();
    let cookie = pair.engines[A].isakmp_sa(id).unwrap().cookies.0;
    let notification = Notification::isakmp((cookie, 0), NotifyType::NO_PROPOSAL_CHOSEN, []);
    let header = Header::new((cookie, 0), INFO, Flags::default(), 9);
    let forged = Message::clear(header, [Payload::from(Body::Notification(notification))]);
    pair.inject(A, &forged.to_bytes());
    pair.run(20.0);
    assert_eq!(pair.established(A).len(), 1);
    pair.check();
}

/// strongSwan tells under protection why it does not go on with phase 1: by the same keys, or by others where the
/// pre-shared keys differ.
#[test]
fn an_error_under_protection_before_the_end_of_phase_1() {
    let other = Keyring::shared(Secret::new("another key"));
    let mut pair = Pair::plain().change(B, |connection| connection.keyring = other);
    let id = pair.initiate();
    pair.run(0.5);
    assert_eq!(pair.engines[A].isakmp_sa(id).unwrap().state, State::KeyExchange);
    // What A itself would say is by its own keys.
    let said = pair.at(A, |engine, now, rng, hands| {
        let mut sa = engine.sas.remove(&id).unwrap();
        let notification = Notification::isakmp(sa.cookies(), NotifyType::AUTHENTICATION_FAILED, []);
        let iv = sa.keys.as_ref().unwrap().phase2_iv(&sa.phase1_iv, 77);
        let made = engine.make(
            &mut super::engine::Cx { now, rng, hands },
            &mut sa,
            super::send::Outgoing {
                exchange: INFO,
                message_id: 77,
                number: 1,
                payloads: vec![Body::Hash(vec![]).into(), Body::Notification(notification).into()],
                hashed: super::send::Hashed::Rest(vec![]),
                iv: Some(iv),
            },
        );
        engine.put_back(sa);
        made.datagram.unwrap()
    });
    let mut foreign = said.clone();
    let last = foreign.len() - 1;
    foreign[last] ^= 1;
    pair.inject(A, &foreign);
    assert_eq!(pair.rejections(A).last(), Some(&RejectReason::Undecryptable));
    pair.inject(A, &said);
    let told = |event: &Event| matches!(event, Event::Hint { notify: Some(NotifyType::AUTHENTICATION_FAILED), .. });
    assert_eq!(pair.count(A, told), 1);
    pair.run(400.0);
    let refused = DownReason::RefusedV1(NotifyType::PAYLOAD_MALFORMED);
    let down = |event: &Event| matches!(event, Event::IsakmpSaDown { reason, .. } if *reason == refused);
    assert_eq!(pair.count(A, down), 1, "the first thing that was said counts");
}

#[test]
fn traffic_that_is_not_ours() {
    let other = Pair::plain().change(B, |connection| {
        connection.children.iter_mut().for_each(|child| {
            child.local_ts = "10.3.0.0/16".parse().unwrap();
        })
    });
    assert_eq!(refused(other), Some(NotifyType::INVALID_ID_INFORMATION));
    let sets = Pair::plain().change(B, |connection| {
        connection.children.iter_mut().for_each(|child| {
            child.transform_sets = vec![set(&["des-md5"])];
        })
    });
    assert_eq!(refused(sets), Some(NotifyType::NO_PROPOSAL_CHOSEN));
    // Part of ours is fine, and is what is made.
    let mut part = Pair::plain().change(A, |connection| {
        connection.children[0].local_ts = "10.1.7.0/24[udp/53]".parse().unwrap();
    });
    part.up();
    assert_eq!(part.installed[B][0].remote_ts[0].to_string(), "10.1.7.0/24[udp/53]");
}

#[test]
fn a_connection_that_cannot_be_begun() {
    let initiate = |change: fn(&mut IsakmpConnection)| {
        let mut pair = Pair::plain().change(A, change);
        pair.at(A, |engine, now, rng, hands| engine.initiate(now, rng, "peer", "net", hands)).unwrap_err().to_string()
    };
    assert!(initiate(|c| c.policies.clear()).contains("no usable ISAKMP policy"));
    assert!(initiate(|c| c.policies[0].authentication = IsakmpAuthentication::RsaSignatures).contains("policy"));
    assert!(initiate(|c| c.keyring.keys.clear()).contains("no pre-shared key for 192.0.2.2"));
    assert!(initiate(|c| c.remote = Remote::Any).contains("where the peer is"));
    assert!(initiate(|c| c.children.clear()).contains("no child `net`"));
}

// ---- The road ----

#[test]
fn every_single_loss_is_made_up_for() {
    for aggressive in [false, true] {
        for lost in 0..9 {
            let mut pair = Pair::plain();
            if aggressive {
                pair = pair.aggressive();
            }
            pair.fate = Box::new(move |_, index, _| if index == lost { Fate::Lose } else { Fate::Pass });
            pair.initiate();
            pair.run(30.0);
            assert!(!pair.installed[A].is_empty(), "{aggressive} {lost}: {:#?}", pair.events);
            pair.check();
            assert_eq!((pair.established(A).len(), pair.established(B).len()), (1, 1));
        }
    }
}

#[test]
fn twice_is_as_good_as_once() {
    for aggressive in [false, true] {
        let mut pair = Pair::plain();
        if aggressive {
            pair = pair.aggressive();
        }
        pair.fate = Box::new(|_, _, _| Fate::Twice);
        pair.up();
        assert_eq!((pair.installed[A].len(), pair.installed[B].len()), (1, 1), "{:#?}", pair.events);
        assert_eq!(pair.engines[B].isakmp_sas().len(), 1);
        assert!(pair.count(B, |event| matches!(event, Event::Repeated { .. })) > 0);
    }
}

#[test]
fn retransmissions_grow_apart_and_end() {
    let mut pair = Pair::plain();
    pair.fate = Box::new(|from, _, _| if from == A { Fate::Lose } else { Fate::Pass });
    pair.initiate();
    pair.run(400.0);
    assert_eq!(pair.sent.len(), 13);
    assert!(pair.sent.iter().all(|(.., datagram, _)| *datagram == pair.sent[0].2), "bitwise the same");
    let gaps: Vec<_> = pair.sent.windows(2).map(|two| two[1].3.since(two[0].3)).collect();
    assert!(gaps.windows(2).all(|two| two[0] < two[1] || two[1] == seconds(45)), "{gaps:?}");
    assert!(pair.engines[A].isakmp_sas().is_empty());
    let failed = |event: &Event| matches!(event, Event::QuickModeFailed { error: QuickError::NoIsakmpSa, .. });
    assert_eq!(pair.count(A, failed), 1);
}

/// Few octets go to an address that nobody vouches for.
#[test]
fn a_responder_does_not_amplify() {
    for aggressive in [false, true] {
        let mut pair = Pair::plain();
        if aggressive {
            pair = pair.aggressive();
        }
        pair.fate = Box::new(|from, _, _| if from == B { Fate::Lose } else { Fate::Pass });
        pair.initiate();
        // The first message alone.
        pair.run(0.5);
        let first = pair.sent[0].2.len();
        pair.engines[A].clear_all();
        pair.run(120.0);
        let back: usize = pair.sent.iter().filter(|sent| sent.0 == B).map(|sent| sent.2.len()).sum();
        assert!(back <= first * 6, "{back} octets for {first}");
        assert!(pair.engines[B].isakmp_sas().is_empty(), "half-open for ever");
    }
}

#[test]
fn half_open_sas_are_bounded() {
    let mut pair = Pair::plain();
    let first = {
        pair.initiate();
        pair.sent[0].2.clone()
    };
    pair.road.clear();
    for cookie in 1..200u64 {
        let mut other = first.clone();
        other[..8].copy_from_slice(&cookie.to_be_bytes());
        pair.inject(B, &other);
    }
    pair.road.clear();
    assert_eq!(pair.engines[B].isakmp_sas().len(), 100);
    assert!(pair.rejections(B).contains(&RejectReason::HalfOpenLimit));
}

// ---- What is wrong on the wire ----

/// Each is dropped with its reason, and the good message after it still goes on.
#[test]
fn bad_first_messages() {
    let good = {
        let mut pair = Pair::plain();
        pair.initiate();
        Message::parse(&pair.sent[0].2).unwrap()
    };
    let rejects = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        let mut pair = Pair::plain();
        pair.inject(B, &message.to_bytes());
        let reasons = pair.rejections(B);
        assert!(pair.engines[B].isakmp_sas().is_empty());
        pair.inject(B, &good.to_bytes());
        assert_eq!(pair.engines[B].isakmp_sas().len(), 1, "the good one");
        reasons
    };
    let clear = |message: &mut Message, change: &dyn Fn(&mut Vec<Payload>)| {
        let wire::ikev1::Content::Clear(payloads) = &mut message.content else { panic!("encrypted") };
        change(payloads);
    };
    assert_eq!(rejects(&|m| m.header.version = 0x11), [RejectReason::MinorVersion(1)]);
    assert_eq!(rejects(&|m| m.header.flags = Flags(0x08)), [RejectReason::Flags(0x08)]);
    assert_eq!(rejects(&|m| m.header.message_id = 1), [RejectReason::MessageId(1)]);
    let unknown = ExchangeType(99);
    assert_eq!(rejects(&|m| m.header.exchange_type = unknown), [RejectReason::UnexpectedExchange(unknown)]);
    assert_eq!(rejects(&|m| m.header.initiator_cookie = 0), [RejectReason::UnknownCookies]);
    assert_eq!(rejects(&|m| m.header.responder_cookie = 5), [RejectReason::UnknownCookies]);
    assert!(matches!(&rejects(&|m| m.header.length = Derived::Exactly(7))[..], [RejectReason::Malformed(_)]));
    assert_eq!(rejects(&|m| clear(m, &|p| p[0].reserved = 1)), [RejectReason::Reserved]);
    let strange = || Body::Raw { payload_type: PayloadType(99), data: vec![] };
    let reason = RejectReason::PayloadType(PayloadType(99));
    assert_eq!(rejects(&|m| clear(m, &|p| p.push(strange().into()))), [reason]);
    assert_eq!(rejects(&|m| clear(m, &|p| p.reverse())), [RejectReason::Payloads("SA is not first")]);
    let sa = |message: &mut Message, change: &dyn Fn(&mut wire::ikev1::SecurityAssociation)| {
        clear(message, &|payloads| {
            let Body::SecurityAssociation(sa) = &mut payloads[0].body else { panic!("SA") };
            change(sa);
        });
    };
    assert_eq!(rejects(&|m| sa(m, &|sa| sa.doi = Doi(2))), [RejectReason::Doi]);
    let secrecy = |sa: &mut wire::ikev1::SecurityAssociation| {
        (sa.situation, sa.labels) = (wire::ikev1::Situation(2), vec![0; 12]);
    };
    assert_eq!(rejects(&|m| sa(m, &secrecy)), [RejectReason::Situation]);
    assert_eq!(rejects(&|m| sa(m, &|sa| sa.proposals[0].transforms[0].reserved2 = 1)), [RejectReason::Reserved]);
    assert_eq!(rejects(&|m| sa(m, &|sa| sa.proposals[0].protocol = ProtocolId::ESP)), [RejectReason::NoProposal]);
}

/// The peer is told what it cannot have: situations with labels, other domains, attributes that are not supported (RFC
/// 2407 sections 4.2 and 4.5).
#[test]
fn what_is_not_supported_is_told() {
    fn edit_sa(draft: &mut IsakmpDraft, change: fn(&mut wire::ikev1::SecurityAssociation)) {
        for payload in &mut draft.payloads {
            if let Body::SecurityAssociation(sa) = &mut payload.body {
                change(sa);
            }
        }
    }
    let secrecy: fn(&mut wire::ikev1::SecurityAssociation) = |sa| {
        (sa.situation, sa.labels) = (wire::ikev1::Situation(2), vec![0; 12]);
    };
    for (change, notify) in
        [(secrecy, NotifyType::SITUATION_NOT_SUPPORTED), (|sa| sa.doi = Doi(2), NotifyType::DOI_NOT_SUPPORTED)]
    {
        let mut pair = Pair::plain();
        edit(&mut pair, A, MAIN, 1, move |draft| edit_sa(draft, change));
        pair.initiate();
        pair.run(0.1);
        let [answer] = &pair.messages(B)[..] else { panic!("one answer") };
        let told = wire::ikev1::notifications(answer.payloads()).map(|n| n.notify_type).collect::<Vec<_>>();
        assert_eq!(told, [notify]);
        assert!(pair.engines[B].isakmp_sas().is_empty());
    }
    let attributes = |sa: &mut wire::ikev1::SecurityAssociation| {
        sa.proposals[0].transforms[0].attributes.push(wire::ikev1::Attribute::basic(7, 1));
    };
    let quick: [(fn(&mut wire::ikev1::SecurityAssociation), _); 2] =
        [(secrecy, NotifyType::SITUATION_NOT_SUPPORTED), (attributes, NotifyType::ATTRIBUTES_NOT_SUPPORTED)];
    for (change, notify) in quick {
        let mut pair = Pair::plain();
        edit(&mut pair, A, QUICK, 1, move |draft| edit_sa(draft, change));
        assert_eq!(refused(pair), Some(notify));
    }
}

#[test]
fn what_is_not_understood_disturbs_nothing() {
    let mut pair = Pair::plain();
    edit(&mut pair, A, MAIN, 1, |draft| {
        for length in 0..20 {
            draft.payloads.push(Body::VendorId(vec![length; length.into()]).into());
        }
        draft.payloads.push(Body::CertificateRequest(wire::ikev1::Certificate { encoding: 4, data: vec![] }).into());
    });
    pair.up();
}

/// Garbage between the messages of main mode does not move the IV (RFC 2409 section 10).
#[test]
fn garbage_does_not_move_the_iv() {
    let mut pair = Pair::plain();
    pair.initiate();
    while pair.sent.len() < 5 {
        pair.run(0.01);
    }
    let fifth = Message::parse(&pair.sent[4].2).unwrap();
    for fill in 0..4u8 {
        let garbage = Message::encrypted(fifth.header, PayloadType::IDENTIFICATION, vec![fill; 64]);
        pair.inject(B, &garbage.to_bytes());
    }
    // Not even in the clear, or of a length that no cipher has.
    pair.inject(B, &Message::encrypted(fifth.header, PayloadType::IDENTIFICATION, vec![1; 63]).to_bytes());
    let header = Header { flags: Flags(0), ..fifth.header };
    pair.inject(B, &Message::clear(header, [Payload::from(Body::Hash(vec![1; 20]))]).to_bytes());
    assert!(pair.established(B).is_empty());
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[B].len(), 1, "{:?}", pair.rejections(B));
}

#[test]
fn hashes_are_checked() {
    fn flip(draft: &mut IsakmpDraft) {
        draft.repair_hash = false;
        for payload in &mut draft.payloads {
            if let Body::Hash(hash) = &mut payload.body {
                *hash = vec![0x5A; 20];
            }
        }
    }
    for (exchange, number, end) in
        [(MAIN, 5, A), (MAIN, 6, B), (QUICK, 1, A), (QUICK, 2, B), (QUICK, 3, A), (INFO, 1, A)]
    {
        let mut pair = Pair::plain();
        edit(&mut pair, end, exchange, number, flip);
        let id = pair.initiate();
        pair.run(1.0);
        let other = 1 - end;
        match exchange {
            MAIN => assert!(pair.established(other).is_empty(), "{exchange} {number}"),
            QUICK => assert!(pair.installed[other].is_empty(), "{exchange} {number}"),
            _ => {
                let spi = pair.installed[A][0].inbound_spi;
                pair.at(A, |engine, now, rng, hands| engine.delete_child(now, rng, spi, hands)).unwrap();
                pair.at(A, |engine, now, rng, hands| engine.delete_isakmp_sa(now, rng, id, hands)).unwrap();
                pair.run(1.0);
                assert_eq!((pair.installed[B].len(), pair.established(B).len()), (1, 1));
            }
        }
        assert!(
            pair.rejections(other).contains(&RejectReason::Hash),
            "{exchange} {number}: {:?}",
            pair.rejections(other)
        );
    }
}

/// An offer that was changed on the way is noticed: HASH_I covers it.
#[test]
fn the_offer_is_covered() {
    let mut pair = Pair::plain().change(B, |connection| connection.policies[0].lifetime = seconds(90_000));
    pair.initiate();
    let mut first = pair.road.remove(0);
    // The lifetime, the last two octets of the SA payload's last attribute.
    let at = first.datagram.windows(4).position(|w| w == 86_400u32.to_be_bytes()).unwrap();
    first.datagram[at + 3] ^= 1;
    let datagram = first.datagram.clone();
    pair.inject(B, &datagram);
    pair.run(1.0);
    assert!(pair.established(B).is_empty() && pair.established(A).is_empty());
}

/// The answer of phase 1 is taken only if it is one of the offers, unmodified.
#[test]
fn an_initiator_checks_the_answer() {
    for class in [11, 12, 14, 2] {
        let mut pair = Pair::plain();
        edit(&mut pair, B, MAIN, 2, move |draft| {
            let Body::SecurityAssociation(sa) = &mut draft.payloads[0].body else { panic!("SA") };
            sa.proposals[0].transforms[0].attributes.retain(|attribute| attribute.class != class);
        });
        pair.initiate();
        pair.run(0.5);
        assert_eq!(pair.rejections(A), [RejectReason::ForeignAnswer]);
        assert_eq!(pair.messages(A).len(), 1);
    }
}

#[test]
fn an_initiator_checks_the_ids_of_quick_mode() {
    let mut pair = Pair::plain();
    edit(&mut pair, B, QUICK, 2, |draft| {
        let ids: Vec<usize> = draft
            .payloads
            .iter()
            .enumerate()
            .filter(|(_, payload)| matches!(payload.body, Body::Identification(_)))
            .map(|(index, _)| index)
            .collect();
        draft.payloads.swap(ids[0], ids[1]);
    });
    pair.initiate();
    pair.run(1.0);
    assert!(pair.installed[A].is_empty());
    let failed = |event: &Event| matches!(event, Event::QuickModeFailed { error: QuickError::BadAnswer(_), .. });
    assert_eq!(pair.count(A, failed), 1);
}

#[test]
fn quick_mode_has_its_order() {
    let mut pair = Pair::plain();
    edit(&mut pair, A, QUICK, 1, |draft| draft.payloads.swap(1, 2));
    pair.initiate();
    pair.run(0.5);
    assert_eq!(pair.rejections(B), [RejectReason::Payloads("SA is not second")]);
}

#[test]
fn quick_mode_only_under_protection() {
    let mut pair = Pair::plain();
    edit(&mut pair, A, QUICK, 1, |draft| {
        draft.encrypt = false;
        draft.header.flags = Flags(0);
    });
    pair.initiate();
    pair.run(0.5);
    assert_eq!(pair.rejections(B), [RejectReason::NotEncrypted]);
    assert!(pair.installed.iter().all(Vec::is_empty));
}

/// A replayed quick mode makes no further SAs, not even when it is forgotten.
#[test]
fn a_replayed_quick_mode_makes_nothing() {
    let mut pair = Pair::plain();
    pair.up();
    let first = pair.sent.iter().find(|sent| sent.2[18] == 32).unwrap().2.clone();
    pair.inject(B, &first);
    pair.run(1.0);
    assert_eq!(pair.installed[B].len(), 1);
    pair.run(120.0);
    pair.inject(B, &first);
    pair.run(1.0);
    assert_eq!((pair.installed[A].len(), pair.installed[B].len()), (1, 1));
    assert!(matches!(pair.rejections(B)[..], [RejectReason::MessageId(_)]));
}

// ---- Any input ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Messages that are cut, changed or made up do no harm: the tunnel comes up once the road is good, and what is
    /// kept is bounded.
    #[test]
    fn a_bad_road(
        seed: u64,
        aggressive: bool,
        changes in prop::collection::vec((0usize..12, 0usize..400, any::<u8>(), 0u8..4), 1..12),
    ) {
        let mut pair = Pair::plain();
        if aggressive {
            pair = pair.aggressive();
        }
        pair.rng = rand_chacha::rand_core::SeedableRng::seed_from_u64(seed);
        pair.initiate();
        for round in 0..12 {
            for (at, place, octet, kind) in &changes {
                if *at != round {
                    continue;
                }
                let Some(flying) = pair.road.first().cloned() else { continue };
                let mut datagram = flying.datagram.clone();
                match kind {
                    0 => datagram.truncate(*place),
                    1 => datagram.insert((*place).min(datagram.len()), *octet),
                    _ => {
                        let index = place % datagram.len();
                        datagram[index] ^= octet | 1;
                    }
                }
                if *kind == 3 && datagram.len() >= 28 {
                    let length = (datagram.len() as u32).to_be_bytes();
                    datagram[24..28].copy_from_slice(&length);
                }
                pair.inject(1 - flying.from, &datagram);
            }
            pair.run(0.02);
        }
        pair.run(600.0);
        for engine in &pair.engines {
            prop_assert!(engine.isakmp_sas().len() <= 4);
        }
        pair.at(A, |engine, _, _, _| engine.clear_all());
        pair.at(B, |engine, _, _, _| engine.clear_all());
        pair.installed = [vec![], vec![]];
        pair.road.clear();
        pair.up();
    }
}
