//! Every deviation of the IKEv1 engine shows: each has a case that an honest peer passes and it does not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod phase1;
mod phase2;
mod upkeep;

use super::pair::*;
use super::*;
use crate::deviation::Deviation;
use crate::hands::IsakmpDraft;
use std::collections::BTreeSet;
use wire::ikev1::{
    Body, ExchangeType, Flags, Header, Message, Notification, NotifyType, Payload, PayloadType, SecurityAssociation,
};

const MAIN: ExchangeType = ExchangeType::MAIN;
const AGGRESSIVE: ExchangeType = ExchangeType::AGGRESSIVE;
const QUICK: ExchangeType = ExchangeType::QUICK;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

/// A deviation, the end that has it, and whether all is as it should be.
type Case = (Deviation, usize, fn(Lab) -> bool);

/// Who deviates, and how.
#[derive(Clone, Copy)]
struct Lab(Option<(usize, Deviation)>);

impl Lab {
    /// This pair, with the deviation.
    fn of(self, mut pair: Pair) -> Pair {
        if let Some((end, deviation)) = self.0 {
            pair.deviate(end, deviation);
        }
        pair
    }

    fn plain(self) -> Pair {
        self.of(Pair::plain())
    }

    /// A tunnel that A sets up, as far as it comes.
    fn tried(self, pair: Pair) -> Pair {
        let mut pair = self.of(pair);
        pair.initiate();
        pair.run(1.0);
        pair
    }

    fn up(self) -> Pair {
        self.tried(Pair::plain())
    }

    /// A tunnel that A sets up, where a message of an honest end is another than usual.
    fn edited(
        self,
        mut pair: Pair,
        end: usize,
        (exchange, number): (ExchangeType, u8),
        change: impl FnMut(&mut IsakmpDraft) + Send + 'static,
    ) -> Pair {
        edit(&mut pair, end, exchange, number, change);
        self.tried(pair)
    }

    /// A tunnel that A sets up with this first message.
    fn first(self, change: impl FnMut(&mut IsakmpDraft) + Send + 'static) -> Pair {
        self.edited(Pair::plain(), A, (MAIN, 1), change)
    }
}

// ---- What an end does ----

fn latest(pair: &Pair, end: usize) -> Option<IkeSaId> {
    pair.engines[end].isakmp_sas().last().map(|sa| sa.id)
}

fn ask(pair: &mut Pair, end: usize) -> Result<(), CommandError> {
    let id = latest(pair, end).ok_or(CommandError::NoIsakmpSa)?;
    let result = pair.at(end, |engine, now, rng, hands| engine.liveness(now, rng, id, hands));
    pair.run(0.5);
    result
}

fn say(pair: &mut Pair, end: usize, body: Body) {
    let id = latest(pair, end).unwrap();
    let payloads = vec![body.into()];
    pair.at(end, |engine, now, rng, hands| engine.informational_exchange(now, rng, id, payloads, hands)).unwrap();
    pair.run(0.5);
}

/// Says something about the ISAKMP SA to B, in the clear.
fn say_in_clear(pair: &mut Pair, body: impl Fn((u64, u64)) -> Body) {
    let cookies = pair.engines[A].isakmp_sas().last().unwrap().cookies;
    let header = Header::new(cookies, INFO, Flags::default(), 77);
    pair.inject(B, &Message::clear(header, [Payload::from(body(cookies))]).to_bytes());
}

/// Spoils the HASH payload of a message.
fn spoil_hash(draft: &mut IsakmpDraft) {
    draft.repair_hash = false;
    for payload in &mut draft.payloads {
        if let Body::Hash(hash) = &mut payload.body {
            *hash = vec![0x5A; 20];
        }
    }
}

/// Leaves a message unencrypted.
fn in_clear(draft: &mut IsakmpDraft) {
    draft.encrypt = false;
    draft.header.flags = Flags(0);
}

fn with_sa(draft: &mut IsakmpDraft, change: impl Fn(&mut SecurityAssociation)) {
    for payload in &mut draft.payloads {
        if let Body::SecurityAssociation(sa) = &mut payload.body {
            change(sa);
        }
    }
}

// ---- What is seen ----

/// Datagrams of one end that belong to an exchange.
fn datagrams(pair: &Pair, end: usize, exchange: ExchangeType) -> Vec<&[u8]> {
    let of = pair.sent.iter().filter(|(from, _, datagram, _)| *from == end && datagram[18] == exchange.0);
    of.map(|(_, _, datagram, _)| &datagram[..]).collect()
}

fn is_up(pair: &Pair) -> bool {
    pair.established(A).len() == 1 && pair.installed[A].len() == 1 && pair.installed[B].len() == 1
}

/// Messages of one end with their payloads, those of one exchange in one ISAKMP SA.
fn opened(pair: &Pair, end: usize, exchange: ExchangeType) -> Vec<Vec<Payload>> {
    let keys = pair.events.iter().flatten().find_map(|event| match event {
        Event::Keys { keys, .. } => Some(keys.clone()),
        _ => None,
    });
    let mut observer = observer::Observer::default();
    observer.learn_cipher_key(keys.map(|keys| keys.cipher_key.to_vec()).unwrap_or_default());
    let mut messages = vec![];
    for (from, _, datagram, _) in &pair.sent {
        let Ok(message) = Message::parse(datagram) else { continue };
        let inside = observer.see(&message, address(*from)).opened.and_then(Result::ok);
        if *from == end && message.header.exchange_type == exchange {
            let inside = inside.and_then(|opened| opened.payloads.ok());
            messages.push(inside.unwrap_or_else(|| message.payloads().to_vec()));
        }
    }
    messages
}

fn sa_of(payloads: &[Payload]) -> Option<&SecurityAssociation> {
    payloads.iter().find_map(|payload| match &payload.body {
        Body::SecurityAssociation(sa) => Some(sa),
        _ => None,
    })
}

fn has(payloads: &[Payload], payload_type: PayloadType) -> bool {
    payloads.iter().any(|payload| payload.body.payload_type() == payload_type)
}

fn heard(pair: &Pair, end: usize, exchange: ExchangeType) -> usize {
    pair.count(end, |event| matches!(event, Event::Received { exchange: own, .. } if *own == exchange))
}

#[test]
fn every_deviation_shows() {
    let (mut honest, mut hidden) = (vec![], vec![]);
    for (deviation, end, case) in phase1::CASES.iter().chain(phase2::CASES).chain(upkeep::CASES) {
        if !case(Lab(None)) {
            honest.push(*deviation);
        }
        if case(Lab(Some((*end, *deviation)))) {
            hidden.push(*deviation);
        }
    }
    assert_eq!((honest, hidden), (vec![], vec![]), "cases that an honest peer fails, and that the deviation passes");
}

#[test]
fn no_deviation_is_without_a_case() {
    let ours = Deviation::SendsIsakmpMinorVersion..=Deviation::BeginsOnPort500;
    let ours: BTreeSet<_> = Deviation::ALL.iter().copied().filter(|deviation| ours.contains(deviation)).collect();
    let cases = phase1::CASES.iter().chain(phase2::CASES).chain(upkeep::CASES);
    assert_eq!(cases.map(|(deviation, ..)| *deviation).collect::<BTreeSet<_>>(), ours);
}
