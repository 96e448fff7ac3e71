//! Bad input inside and outside of the encryption: whatever a peer that has the keys says, nothing panics, nothing is
//! set up that was not agreed on, and the next proper exchange goes well.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::pair::*;
use super::*;
use crate::hands::{Honest, IsakmpDraft};
use crypto::Group;
use proptest::prelude::*;
use wire::Derived;
use wire::ikev1::{
    Attribute, Body, Delete, Doi, ExchangeType, Flags, Header, IdType, Identification, Message, Notification,
    NotifyType, Payload, PayloadType, ProtocolId, emit_chain, first_type,
};

const MAIN: ExchangeType = ExchangeType::MAIN;
const AGGRESSIVE: ExchangeType = ExchangeType::AGGRESSIVE;
const QUICK: ExchangeType = ExchangeType::QUICK;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

/// Every message of the usual exchanges: who sends it, its exchange, its place there.
const MESSAGES: [(usize, ExchangeType, u8); 13] = [
    (A, MAIN, 1),
    (B, MAIN, 2),
    (A, MAIN, 3),
    (B, MAIN, 4),
    (A, MAIN, 5),
    (B, MAIN, 6),
    (A, AGGRESSIVE, 1),
    (B, AGGRESSIVE, 2),
    (A, AGGRESSIVE, 3),
    (A, QUICK, 1),
    (B, QUICK, 2),
    (A, QUICK, 3),
    (A, INFO, 1),
];

/// A tunnel that A tries to set up while one message is not what it should be.
fn with_bad(
    pair: Pair,
    end: usize,
    exchange: ExchangeType,
    number: u8,
    change: impl Fn(&mut IsakmpDraft) + Send + 'static,
) -> Pair {
    let mut pair = if exchange == AGGRESSIVE { pair.aggressive() } else { pair };
    edit(&mut pair, end, exchange, number, change);
    pair.initiate();
    pair.run(1.0);
    pair
}

/// After all has been forgotten, a tunnel comes up.
fn comes_up(pair: &mut Pair) {
    pair.hands = [Box::new(Honest), Box::new(Honest)];
    pair.run(600.0);
    for end in [A, B] {
        pair.at(end, |engine, _, _, _| engine.clear_all());
    }
    pair.installed = [vec![], vec![]];
    pair.road.clear();
    pair.up();
}

fn replace(draft: &mut IsakmpDraft, payload_type: PayloadType, body: Body) {
    for payload in draft.payloads.iter_mut().filter(|payload| payload.body.payload_type() == payload_type) {
        payload.body = body.clone();
    }
}

// ---- Values ----

/// Public values of a wrong length, or that give a predictable secret, in every message that carries one.
#[test]
fn public_values() {
    for group in [Group::Modp768, Group::Ecp256, Group::Curve25519] {
        let length = group.public_len();
        let small = |value: u8| [vec![0; length - 1], vec![value]].concat();
        let mut values = vec![vec![], vec![2], vec![2; length - 1], vec![2; length + 1], small(0)];
        if let Some(prime) = group.prime() {
            let plus = |add: i16| {
                let mut value = prime.clone();
                let last = value.last_mut().unwrap();
                *last = u8::try_from(i16::from(*last) + add).unwrap_or(*last);
                value
            };
            values.extend([small(1), plus(-1), plus(0), vec![0xFF; length]]);
        } else if group == Group::Ecp256 {
            values.extend([vec![0x55; length], vec![0xFF; length]]);
        }
        for (end, exchange, number) in
            [(A, MAIN, 3), (B, MAIN, 4), (A, AGGRESSIVE, 1), (B, AGGRESSIVE, 2), (A, QUICK, 1), (B, QUICK, 2)]
        {
            for value in &values {
                let pair = Pair::plain().both(|connection| {
                    connection.policies[0].group = group;
                    connection.children[0].pfs = Some(group);
                });
                let bad = value.clone();
                let pair = with_bad(pair, end, exchange, number, move |draft| {
                    replace(draft, PayloadType::KEY_EXCHANGE, Body::KeyExchange(bad.clone()));
                });
                let other = 1 - end;
                match exchange {
                    QUICK => assert!(pair.installed[other].is_empty(), "{group:?} {exchange} {number} {value:?}"),
                    _ => assert!(pair.established(other).is_empty(), "{group:?} {exchange} {number} {value:?}"),
                }
            }
        }
    }
}

/// Nonces of 8 to 256 octets are good, others are not (RFC 2409 section 5).
#[test]
fn nonces() {
    for (end, exchange, number) in
        [(A, MAIN, 3), (B, MAIN, 4), (A, AGGRESSIVE, 1), (B, AGGRESSIVE, 2), (A, QUICK, 1), (B, QUICK, 2)]
    {
        for length in [0, 1, 7, 257, 1024] {
            let pair = with_bad(Pair::plain(), end, exchange, number, move |draft| {
                replace(draft, PayloadType::NONCE, Body::Nonce(vec![3; length]));
            });
            assert!(pair.installed[1 - end].is_empty(), "{exchange} {number} {length}");
            let told = |reason: &RejectReason| matches!(reason, RejectReason::Payloads(_));
            let failed = pair.count(1 - end, |event| matches!(event, Event::QuickModeFailed { ours: true, .. }));
            assert!(failed > 0 || pair.rejections(1 - end).iter().any(told), "{exchange} {number} {length}");
        }
    }
}

/// Identities of every type and of odd lengths, before and after the peer has proved anything.
#[test]
fn identities() {
    for (exchange, number) in [(MAIN, 5), (AGGRESSIVE, 1), (QUICK, 1)] {
        for id_type in 0..=12 {
            for length in [0, 1, 3, 4, 5, 8, 16, 32, 33, 60_000] {
                let id = Identification::new(IdType(id_type), vec![0xFE; length]);
                let mut pair = Pair::plain().change(B, |connection| connection.remote_id = Some(address(A).into()));
                pair = with_bad(pair, A, exchange, number, move |draft| {
                    replace(draft, PayloadType::IDENTIFICATION, Body::Identification(id.clone()));
                });
                assert!(pair.installed[B].is_empty(), "{exchange} {id_type} {length}");
                assert_eq!(pair.established(B).len(), usize::from(exchange == QUICK), "{exchange} {id_type} {length}");
            }
        }
    }
}

// ---- Under protection ----

/// A says this to B, with a proper hash.
fn say(pair: &mut Pair, id: IkeSaId, payloads: Vec<Payload>) {
    pair.at(A, |engine, now, rng, hands| engine.informational_exchange(now, rng, id, payloads, hands)).unwrap();
    pair.run(0.05);
}

/// No notify but those that are about SAs of this peer changes anything.
#[test]
fn notifies() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    let unnamed = [0, 31, 8192, 16_383, 30_000, 32_768, 40_960, 65_535].map(NotifyType);
    let types = NotifyType::NAMED.iter().copied().chain(unnamed);
    for notify_type in types.filter(|notify_type| *notify_type != NotifyType::INITIAL_CONTACT) {
        for (protocol, spi, data) in [(0, 0, 0), (1, 16, 4), (2, 4, 4), (3, 4, 0), (3, 1, 300), (9, 255, 2)] {
            let notification = Notification::new(ProtocolId(protocol), vec![7; spi], notify_type, vec![9; data]);
            for (doi, spi_size) in
                [(1, Derived::Computed), (0, Derived::Computed), (5, Derived::Computed), (1, Derived::Exactly(200))]
            {
                let notification = Notification { doi: Doi(doi), spi_size, ..notification.clone() };
                say(&mut pair, a, vec![Body::Notification(notification).into()]);
            }
        }
    }
    assert_eq!((pair.established(B).len(), pair.installed[B].len()), (1, 1));
    pair.at(A, |engine, now, rng, hands| engine.create_child(now, rng, a, "second", hands)).unwrap();
    pair.run(1.0);
    pair.check();
    assert_eq!(pair.installed[B].len(), 2);
}

/// Deletes with counts and sizes that are odd delete nothing, and what follows them in the message is still heeded.
#[test]
fn deletes() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    let spi = pair.installed[A][0].inbound_spi;
    let good = Delete::ipsec(ProtocolId::ESP, &[spi]);
    let octets = spi.to_be_bytes().to_vec();
    let bad = [
        Delete { spi_size: 0, spis: vec![], spi_count: Derived::Exactly(65_535), ..good.clone() },
        Delete { spi_size: 1, ..good.clone() },
        Delete { spi_size: 2, ..good.clone() },
        Delete { spi_count: Derived::Exactly(2), ..good.clone() },
        Delete { spi_size: 16, spis: [octets.clone(), vec![0; 12]].concat(), ..good.clone() },
        Delete { protocol: ProtocolId::AH, ..good.clone() },
        Delete { protocol: ProtocolId::IKE, ..good.clone() },
        Delete { protocol: ProtocolId(77), ..good.clone() },
        Delete { doi: Doi(9), ..good.clone() },
        Delete { spi_size: 4, spis: vec![0; 40_000], ..good.clone() },
        Delete { spi_size: 8, ..Delete::isakmp(pair.engines[A].isakmp_sa(a).unwrap().cookies) },
    ];
    for delete in bad {
        say(&mut pair, a, vec![Body::Delete(delete.clone()).into()]);
        assert_eq!((pair.established(B).len(), pair.installed[B].len()), (1, 1), "{delete:?}");
    }
    let doubled = Delete { spis: [octets.clone(), octets].concat(), ..good };
    let cookies = pair.engines[A].isakmp_sa(a).unwrap().cookies;
    let question = Notification::isakmp(cookies, NotifyType::R_U_THERE, [0, 0, 0, 1]);
    let before = pair.messages(B).len();
    say(&mut pair, a, vec![Body::Delete(doubled).into(), Body::Notification(question).into()]);
    assert!(pair.installed[B].is_empty());
    assert_eq!(pair.messages(B).len(), before + 1, "the question after it is answered");
}

/// What belongs to another state is dropped, properly encrypted or not, and the exchange that it comes into goes on.
#[test]
fn out_of_state() {
    for until in [1, 3, 4, 5, 6, 9] {
        let mut pair = Pair::plain();
        let a = pair.initiate();
        while pair.sent.len() < until {
            pair.run(0.01);
        }
        let cookies = pair.engines[B].isakmp_sas().last().map_or((0x77, 0x99), |sa| sa.cookies);
        let keys = pair.engines[A].isakmp_keys(a).cloned();
        let installed = pair.installed[B].len();
        for exchange in (0..=6).chain([32, 33, 240]).map(ExchangeType) {
            for message_id in [0, 0x0101_0101] {
                let header = Header::new(cookies, exchange, Flags(Flags::ENCRYPTION), message_id);
                let delete = Payload::from(Body::Delete(Delete::isakmp((1, 2))));
                let clear = Header { flags: Flags(0), ..header };
                pair.inject(B, &Message::clear(clear, [delete.clone()]).to_bytes());
                let Some(keys) = &keys else { continue };
                let mut rest = vec![];
                emit_chain(std::slice::from_ref(&delete), PayloadType::NONE, &mut rest);
                let payloads = [Body::Hash(keys.phase2_hash(message_id, &[], &rest)).into(), delete.clone()];
                let mut plain = vec![];
                emit_chain(&payloads, PayloadType::NONE, &mut plain);
                let iv = keys.phase2_iv(&pair.engines[A].sas[&a].phase1_iv, message_id);
                let (data, _) = protect::seal(&keys.cipher, &iv, protect::pad(plain, 16));
                pair.inject(B, &Message::encrypted(header, first_type(&payloads), data).to_bytes());
            }
        }
        assert_eq!(pair.installed[B].len(), installed);
        pair.run(30.0);
        assert!(!pair.installed[B].is_empty() && !pair.installed[A].is_empty(), "{until}: {:?}", pair.rejections(B));
        pair.check();
    }
}

/// All messages of an ISAKMP SA that has been deleted come once more.
#[test]
fn after_the_end() {
    let mut pair = Pair::plain();
    let [a, _] = pair.up();
    pair.at(A, |engine, now, rng, hands| engine.delete_isakmp_sa(now, rng, a, hands)).unwrap();
    pair.run(1.0);
    let old: Vec<_> = pair.sent.iter().filter(|sent| sent.0 == A).map(|sent| sent.2.clone()).collect();
    pair.run(120.0);
    for datagram in &old {
        pair.inject(B, datagram);
    }
    pair.run(1.0);
    assert!(pair.established(B).is_empty());
    assert_eq!(pair.installed[B].len(), 1);
}

// ---- Any structure ----

/// A change of a message before its hash is computed and it is encrypted.
#[derive(Debug, Clone)]
enum Change {
    Remove(usize),
    Repeat(usize, usize),
    Swap(usize, usize),
    Renumber(usize, u8),
    Insert(usize, u8, Vec<u8>),
    Reserved(usize, u8),
    Length(usize, u16),
    Cut(usize, usize),
    Proposal(u8, u8, u8),
    Attributes(usize, Vec<(u16, u16, bool)>),
    Trailing(Vec<u8>),
    Padding(Vec<u8>),
    Flags(u8),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..8usize;
    let octets = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        at.clone().prop_map(Change::Remove),
        (at.clone(), at.clone()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (at.clone(), at.clone()).prop_map(|(one, other)| Change::Swap(one, other)),
        (at.clone(), 0..140u8).prop_map(|(at, next)| Change::Renumber(at, next)),
        (at.clone(), 0..140u8, octets.clone()).prop_map(|(at, kind, data)| Change::Insert(at, kind, data)),
        (at.clone(), any::<u8>()).prop_map(|(at, value)| Change::Reserved(at, value)),
        (at.clone(), 0..100u16).prop_map(|(at, length)| Change::Length(at, length)),
        (at.clone(), 0..60usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (0..4u8, 0..5u8, any::<u8>()).prop_map(|(number, protocol, id)| Change::Proposal(number, protocol, id)),
        (0..2usize, prop::collection::vec((0..18u16, any::<u16>(), any::<bool>()), 1..4))
            .prop_map(|(at, attributes)| Change::Attributes(at, attributes)),
        octets.clone().prop_map(Change::Trailing),
        octets.prop_map(Change::Padding),
        any::<u8>().prop_map(Change::Flags),
    ]
}

fn apply(draft: &mut IsakmpDraft, change: &Change) {
    let payloads = &mut draft.payloads;
    let count = payloads.len().max(1);
    match change {
        Change::Remove(at) if !payloads.is_empty() => _ = payloads.remove(at % count),
        Change::Repeat(from, to) if !payloads.is_empty() => payloads.insert(to % count, payloads[from % count].clone()),
        Change::Swap(one, other) if !payloads.is_empty() => payloads.swap(one % count, other % count),
        Change::Insert(at, kind, data) => {
            let body = Body::Raw { payload_type: PayloadType(*kind), data: data.clone() };
            payloads.insert(at % count, body.into());
        }
        Change::Renumber(at, next) => {
            payloads.iter_mut().skip(*at).take(1).for_each(|p| p.next_payload = Derived::Exactly(PayloadType(*next)));
        }
        Change::Reserved(at, value) => payloads.iter_mut().skip(*at).take(1).for_each(|p| p.reserved = *value),
        Change::Length(at, length) => {
            payloads.iter_mut().skip(*at).take(1).for_each(|p| p.length = Derived::Exactly(*length));
        }
        Change::Cut(at, length) => payloads.iter_mut().skip(*at).take(1).for_each(|payload| {
            let (payload_type, mut data) = (payload.body.payload_type(), payload.body.to_bytes());
            data.truncate(*length);
            payload.body = Body::Raw { payload_type, data };
        }),
        Change::Proposal(number, protocol, id) => proposals(payloads).for_each(|proposal| {
            (proposal.number, proposal.protocol) = (*number, ProtocolId(*protocol));
            proposal.transforms.iter_mut().for_each(|transform| transform.id = *id);
        }),
        Change::Attributes(at, attributes) => {
            let all = proposals(payloads).flat_map(|proposal| &mut proposal.transforms);
            all.skip(*at).take(1).for_each(|transform| {
                transform.attributes.extend(attributes.iter().map(|(class, value, basic)| match basic {
                    true => Attribute::basic(*class, *value),
                    false => Attribute::variable(*class, value.to_be_bytes()),
                }));
            });
        }
        Change::Trailing(octets) => draft.trailing.clone_from(octets),
        Change::Padding(octets) => draft.padding = Some(octets.clone()),
        Change::Flags(flags) => draft.header.flags.0 ^= flags,
        _ => {}
    }
}

fn proposals(payloads: &mut [Payload]) -> impl Iterator<Item = &mut wire::ikev1::Proposal> {
    payloads.iter_mut().flat_map(|payload| match &mut payload.body {
        Body::SecurityAssociation(sa) => &mut sa.proposals[..],
        _ => &mut [],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_structure(
        at in 0..MESSAGES.len(),
        changes in prop::collection::vec(change(), 1..4),
        repair_hash: bool,
        pfs: bool,
    ) {
        let (end, exchange, number) = MESSAGES[at];
        let mut pair = Pair::plain();
        if pfs {
            pair = pair.both(|connection| connection.children[0].pfs = Some(Group::Curve25519));
        }
        pair = with_bad(pair, end, exchange, number, move |draft| {
            draft.repair_hash = repair_hash;
            changes.iter().for_each(|change| apply(draft, change));
        });
        if let Some(a) = pair.established(A).first().map(|sa| sa.id).filter(|_| exchange == INFO) {
            let body = Body::Delete(Delete::ipsec(ProtocolId::ESP, &[pair.installed[A].first().map_or(7, |c| c.inbound_spi)]));
            say(&mut pair, a, vec![body.into()]);
        }
        comes_up(&mut pair);
    }
}
