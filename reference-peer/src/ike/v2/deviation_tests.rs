//! Every deviation of the IKEv2 engine shows: there is a scenario in which what is sent or done is not what an honest
//! peer sends or does. One that shows nowhere could not be caught by any test.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::pair::*;
use super::*;
use crate::config::*;
use crate::deviation::Deviation;
use crate::hands::{Disposition, Draft, Hands, MessageContext};
use std::time::Duration;
use wire::Derived;
use wire::ikev2::{
    Attribute, AttributeValue, AuthMethod, Body, Delete, ExchangeType, Flags, Header, Message, Notify, NotifyType,
    Payload, PayloadType, Proposal, ProtocolId, SecurityAssociation, Transform, TransformType,
};

const INIT: ExchangeType = ExchangeType::IKE_SA_INIT;
const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

/// Edits one message of a kind.
struct Edit<F>(ExchangeType, bool, F);

impl<F: FnMut(&mut Draft) + Send> Hands for Edit<F> {
    fn message(&mut self, context: &MessageContext, draft: &mut Draft) -> Disposition {
        if context.exchange == self.0 && context.response == self.1 {
            (self.2)(draft);
        }
        Disposition::Send
    }
}

/// Who deviates, and how.
#[derive(Clone, Copy)]
struct Lab(Option<(usize, Deviation)>);

impl Lab {
    fn set(&self, mut pair: Pair) -> Pair {
        if let Some((end, deviation)) = self.0 {
            pair.deviate(end, deviation);
        }
        pair
    }

    fn pair(&self) -> Pair {
        self.set(Pair::plain())
    }

    /// A handshake in which an honest end sends something else than usual.
    fn edited(&self, end: usize, exchange: ExchangeType, edit: impl FnMut(&mut Draft) + Send + 'static) -> Pair {
        let mut pair = self.pair();
        pair.hands[end] = Box::new(Edit(exchange, end == B, edit));
        pair.initiate();
        pair.run(3.0);
        pair
    }
}

fn sa_of(draft: &mut Draft) -> Option<&mut SecurityAssociation> {
    draft.clear.iter_mut().chain(draft.inner.iter_mut().flatten()).find_map(|payload| match &mut payload.body {
        Body::SecurityAssociation(sa) => Some(sa),
        _ => None,
    })
}

fn raw(payload_type: u8, critical: bool) -> Payload {
    Payload { critical, ..Body::Raw { payload_type: PayloadType(payload_type), data: vec![0; 8] }.into() }
}

fn notify(notify_type: NotifyType, data: Vec<u8>) -> Payload {
    Body::Notify(Notify::new(notify_type, data)).into()
}

fn first_auth(draft: &mut Draft, change: impl Fn(&mut wire::ikev2::Authentication)) {
    for payload in draft.inner.iter_mut().flatten() {
        if let Body::Authentication(auth) = &mut payload.body {
            // The engine would put the right value in again.
            change(auth);
        }
    }
}

type Scenario = fn(Lab) -> Pair;

/// The life of a tunnel, with everything that either end can start.
fn life(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    pair.initiate();
    pair.run(2.0);
    for end in [A, B] {
        let other = |pair: &Pair| pair.engines[end].ike_sas().last().map(|sa| sa.id);
        let Some(id) = other(&pair) else { continue };
        let _ = pair.at(end, |e, now, rng, hands| e.informational(now, rng, id, vec![], hands));
        let _ = pair.at(end, |e, now, rng, hands| e.informational(now, rng, id, vec![], hands));
        pair.run(1.0);
        let _ = pair.at(end, |e, now, rng, hands| e.create_child(now, rng, id, "second", hands));
        pair.run(1.0);
        let spi = pair.installed[end].first().map_or(0, |child| child.inbound_spi);
        let _ = pair.at(end, |e, now, rng, hands| e.rekey_child(now, rng, spi, hands));
        pair.run(1.0);
        let _ = pair.at(end, |e, now, rng, hands| e.rekey_ike(now, rng, id, hands));
        pair.run(1.0);
        let spi = pair.installed[end].first().map_or(0, |child| child.inbound_spi);
        let _ = pair.at(end, |e, now, rng, hands| e.delete_child(now, rng, spi, hands));
        pair.run(1.0);
    }
    let id = pair.engines[B].ike_sas().last().map(|sa| sa.id);
    let _ = id.map(|id| pair.at(B, |e, now, rng, hands| e.delete_ike(now, rng, id, hands)));
    pair.run(20.0);
    pair
}

fn at_once(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    let id = pair.initiate();
    pair.run(1.0);
    let _ = pair.at(A, |e, now, rng, hands| e.create_child(now, rng, id, "second", hands));
    pair.run(1.0);
    type Act = fn(&mut Engine, crate::Instant, &mut rand_chacha::ChaCha20Rng, &mut dyn Hands, u32);
    let acts: [Act; 3] = [
        |e, now, rng, hands, spi| _ = e.rekey_child(now, rng, spi, hands),
        |e, now, rng, hands, _| _ = e.ike_sas().last().map(|sa| e.rekey_ike(now, rng, sa.id, hands)),
        |e, now, rng, hands, spi| _ = e.delete_child(now, rng, spi, hands),
    ];
    for act in acts {
        for end in [A, B] {
            let spi = pair.installed[end].first().map_or(0, |child| child.inbound_spi);
            pair.at(end, |e, now, rng, hands| act(e, now, rng, hands, spi));
        }
        pair.run(2.0);
    }
    pair
}

fn rekey_against_creation(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    let id = pair.initiate();
    pair.run(1.0);
    let _ = pair.at(A, |e, now, rng, hands| e.rekey_ike(now, rng, id, hands));
    let b = pair.engines[B].ike_sas().last().map(|sa| sa.id);
    let _ = b.map(|b| pair.at(B, |e, now, rng, hands| e.create_child(now, rng, b, "second", hands)));
    pair.run(1.0);
    pair
}

/// Both a cookie and another group, asked for by the end that does not deviate and by the one that does.
fn cookie_and_group(lab: Lab) -> Pair {
    let mut pair = Pair::with("aes128-sha256-modp1024-x25519", "aes128-sha256");
    pair = pair.change(B, |b| b.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()]);
    let mut config = pair.engines[B].config().clone();
    config.cookies = CookiePolicy::Always;
    pair.engines[B].configure(config);
    let mut pair = lab.set(pair);
    pair.initiate();
    pair.run(2.0);
    // A cookie out of its time and place.
    let request = pair.messages(A, INIT, false).last().unwrap().clone();
    pair.run(500.0);
    pair.inject(B, &request.to_bytes());
    let mut moved = request.clone();
    moved.header.initiator_spi ^= 1;
    pair.inject(B, &moved.to_bytes());
    pair
}

fn flood(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    let mut config = pair.engines[B].config().clone();
    config.cookies = CookiePolicy::AboveHalfOpen(3);
    pair.engines[B].configure(config);
    pair.fate = Box::new(|_, _| Fate::Lose);
    for _ in 0..6 {
        pair.initiate();
        let (_, request) = pair.sent.iter().rev().find(|(from, _)| *from == A).unwrap().clone();
        pair.inject(B, &request);
    }
    let ids: Vec<_> = pair.engines[A].ike_sas().iter().map(|sa| sa.id).collect();
    ids.iter().for_each(|id| _ = pair.engines[A].clear(*id));
    pair.run(200.0);
    let left = pair.engines[B].ike_sas().len();
    pair.sent.push((B, vec![left as u8]));
    pair
}

/// IKE_SA_INIT requests that are not quite as usual.
fn odd_init_requests(lab: Lab) -> Pair {
    type Change = fn(&mut Draft);
    let changes: &[Change] = &[
        |d| d.header.version = 0x2F,
        |d| d.header.version = 0x30,
        |d| d.header.flags.0 |= 0x40,
        |d| d.clear.push(raw(200, false)),
        |d| d.clear.push(raw(200, true)),
        |d| d.clear.iter_mut().for_each(|payload| payload.critical = true),
        |d| d.clear.iter_mut().for_each(|payload| payload.reserved = 0x7F),
        |d| d.clear.reverse(),
        |d| d.clear.push(notify(NotifyType(40959), vec![1])),
        |d| d.clear.insert(0, notify(NotifyType::COOKIE, vec![7; 36])),
        |d| d.clear.retain(|payload| !matches!(payload.body, Body::Notify(_))),
        |d| {
            d.clear.push(notify(NotifyType::NAT_DETECTION_SOURCE_IP, vec![0; 20]));
            d.clear.rotate_right(1);
        },
        |d| {
            d.clear.iter_mut().for_each(|payload| {
                if let Body::Nonce(nonce) = &mut payload.body {
                    nonce.truncate(1);
                }
            })
        },
        |d| {
            d.clear.iter_mut().for_each(|payload| {
                if let Body::KeyExchange(ke) = &mut payload.body {
                    ke.data.fill(0);
                }
            })
        },
        |d| sa_of(d).unwrap().proposals[0].transforms.push(Transform::new(TransformType(200), 1)),
        |d| {
            let odd = Attribute { attribute_type: 100, value: AttributeValue::Short(1) };
            sa_of(d).unwrap().proposals[0].transforms[0].attributes.push(odd);
        },
        |d| sa_of(d).unwrap().proposals[0].transforms[0].attributes.clear(),
        |d| sa_of(d).unwrap().proposals[0].transforms.retain(|t| t.transform_type != TransformType::PRF),
        |d| sa_of(d).unwrap().proposals[0].transforms[0] = Transform::with_key_length(TransformType::ENCR, 12, 256),
        |d| sa_of(d).unwrap().proposals[0].transforms[0] = Transform::new(TransformType::ENCR, 60000),
        |d| sa_of(d).unwrap().proposals[0].number = 5,
        |d| {
            let sa = sa_of(d).unwrap();
            let more = Proposal { number: 2, ..sa.proposals[0].clone() };
            sa.proposals.push(more);
        },
    ];
    let mut last = lab.pair();
    let mut all = vec![];
    for change in changes {
        let pair = lab.edited(A, INIT, change);
        all.extend(pair.sent);
        last.installed[B].extend(pair.installed[B].clone());
    }
    last.sent = all;
    last
}

fn aead_with_integrity(lab: Lab) -> Pair {
    let mut pair = lab.set(Pair::with("aes128gcm16-prfsha256-x25519", "aes128gcm16"));
    pair.hands[A] = Box::new(Edit(INIT, false, |d: &mut Draft| {
        sa_of(d).unwrap().proposals[0].transforms.push(Transform::new(TransformType::INTEG, 12));
    }));
    pair.initiate();
    pair.run(1.0);
    pair
}

/// NONE for integrity beside a cipher of fixed key size.
fn explicit_none(lab: Lab) -> Pair {
    let mut pair = lab.set(Pair::with("chacha20poly1305-prfsha256-x25519", "chacha20poly1305"));
    pair.hands[A] = Box::new(Edit(INIT, false, |d: &mut Draft| {
        sa_of(d).unwrap().proposals[0].transforms.push(Transform::new(TransformType::INTEG, 0));
    }));
    pair.initiate();
    pair.run(1.0);
    pair
}

fn foreign_group(lab: Lab) -> Pair {
    let mut pair = lab.set(Pair::with("aes128-sha256-modp1024", "aes128-sha256"));
    pair = lab.set(pair.change(B, |b| b.ike_proposals = vec!["aes128-sha256-x25519".parse().unwrap()]));
    pair.hands[A] = Box::new(Edit(INIT, false, |d: &mut Draft| {
        sa_of(d).unwrap().proposals[0].transforms.push(Transform::new(TransformType::KE, 31));
    }));
    pair.initiate();
    pair.run(1.0);
    pair
}

/// The same SPI, another nonce.
fn same_spi(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    pair.initiate();
    pair.run(0.015);
    let mut again = pair.messages(A, INIT, false)[0].clone();
    for payload in &mut again.payloads {
        if let Body::Nonce(nonce) = &mut payload.body {
            nonce.fill(9);
        }
    }
    pair.inject(B, &again.to_bytes());
    pair
}

/// IKE_AUTH requests that are not quite as usual.
fn odd_auth_requests(lab: Lab) -> Pair {
    type Change = fn(&mut Draft);
    let changes: &[Change] = &[
        |d| {
            d.repair_auth = false;
            first_auth(d, |auth| auth.data.clear());
        },
        |d| {
            d.repair_auth = false;
            first_auth(d, |auth| auth.data = vec![3; 32]);
        },
        |d| {
            d.inner.iter_mut().flatten().for_each(|payload| {
                if let Body::IdInitiator(id) = &mut payload.body {
                    id.reserved = [0xFF; 3];
                }
            })
        },
        |d| {
            d.inner.iter_mut().flatten().for_each(|payload| {
                if let Body::IdInitiator(id) = &mut payload.body {
                    id.data.push(0);
                }
            })
        },
        |d| d.inner.as_mut().unwrap().push(raw(200, false)),
        |d| d.inner.as_mut().unwrap().push(raw(200, true)),
        |d| d.inner.as_mut().unwrap().push(notify(NotifyType(40959), vec![])),
        |d| {
            let sa = sa_of(d).unwrap();
            sa.proposals[0].transforms[0] = Transform::with_key_length(TransformType::ENCR, 12, 256);
        },
    ];
    let mut last = lab.pair();
    let mut all = vec![];
    for change in changes {
        let pair = lab.edited(A, AUTH, change);
        all.extend(pair.sent);
    }
    last.sent = all;
    last
}

/// An AUTH method that is not the one of shared keys, with the value of shared keys.
fn other_method(lab: Lab) -> Pair {
    authenticated_otherwise(lab, false)
}

/// NULL authentication, with the value of RFC 7619.
fn null_authentication(lab: Lab) -> Pair {
    authenticated_otherwise(lab, true)
}

fn authenticated_otherwise(lab: Lab, null: bool) -> Pair {
    let mut pair = lab.pair();
    // What the engine computes goes into the payload before its method is changed on the way to protection.
    pair.engines[A].hold_auth(true);
    let id = pair.initiate();
    pair.run(1.0);
    let keys = pair.engines[A].ike_keys(id).unwrap().clone();
    let request = pair.messages(A, INIT, false)[0].to_bytes();
    let nonce = match &pair.messages(B, INIT, true)[0].find(PayloadType::NONCE).unwrap().body {
        Body::Nonce(nonce) => nonce.clone(),
        _ => vec![],
    };
    pair.hands[A] = Box::new(Edit(AUTH, false, move |d: &mut Draft| {
        d.repair_auth = false;
        let id = d.inner.iter().flatten().find(|p| matches!(p.body, Body::IdInitiator(_))).map(super::send::id_octets);
        let secret: &[u8] = if null { &keys.sk_pi } else { b"correct horse" };
        let data = keys.psk_auth(true, secret, &request, &nonce, &id.unwrap());
        first_auth(d, |auth| (auth.method, auth.data) = (AuthMethod(13), data.clone()));
    }));
    let _ = pair.at(A, |e, now, rng, hands| e.proceed(now, rng, id, hands));
    pair.run(1.0);
    pair
}

fn another_secret(lab: Lab) -> Pair {
    let mut pair = Pair::plain().change(A, |a| a.psk = Secret::new(*b"other"));
    let mut config = pair.engines[B].config().clone();
    let other = Connection {
        psk: Secret::new(*b"other"),
        remote_id: "z.example".parse().ok(),
        ..config.connections[0].clone()
    };
    config.connections.push(other);
    pair.engines[B].configure(config);
    let mut pair = lab.set(pair);
    pair.initiate();
    pair.run(1.0);
    pair
}

fn selectors_that_differ(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    for ts in ["10.2.3.0/24", "10.99.0.0/16"] {
        let narrow = Pair::plain().change(A, |a| a.children[0].remote_ts = vec![ts.parse().unwrap()]);
        let mut narrow = lab.set(narrow);
        narrow.initiate();
        narrow.run(1.0);
        pair.sent.extend(narrow.sent);
    }
    pair
}

/// A second tunnel of another peer at the same address says INITIAL_CONTACT.
fn initial_contact(lab: Lab) -> Pair {
    let mut pair = Pair::plain();
    let mut config = pair.engines[B].config().clone();
    config.connections[0].remote_id = None;
    pair.engines[B].configure(config);
    let mut pair = lab.set(pair);
    pair.initiate();
    pair.run(1.0);
    let mut config = pair.engines[A].config().clone();
    config.connections[0].local_id = "other.example".parse().unwrap();
    config.connections[0].initial_contact = true;
    pair.engines[A].configure(config);
    pair.initiate();
    pair.run(1.0);
    pair
}

/// Answers of a responder that are not quite as usual.
fn odd_answers(lab: Lab) -> Pair {
    type Change = fn(&mut Draft);
    let init: &[Change] = &[
        |d| sa_of(d).unwrap().proposals[0].transforms[0] = Transform::with_key_length(TransformType::ENCR, 12, 256),
        |d| d.clear = vec![notify(NotifyType::NO_PROPOSAL_CHOSEN, vec![])],
        |d| d.clear = vec![notify(NotifyType::INVALID_KE_PAYLOAD, vec![0, 19])],
        |d| d.clear = vec![notify(NotifyType::COOKIE, vec![5; 64])],
        |d| {
            d.clear.iter_mut().for_each(|payload| {
                if let Body::Notify(n) = &mut payload.body
                    && n.notify_type == NotifyType::NAT_DETECTION_SOURCE_IP
                {
                    n.data = vec![1; 20];
                }
            })
        },
    ];
    let auth: &[Change] = &[
        |d| {
            d.repair_auth = false;
            first_auth(d, |auth| auth.data = vec![3; 32]);
        },
        |d| {
            d.inner.as_mut().unwrap().truncate(2);
            d.inner.as_mut().unwrap().push(notify(NotifyType::TS_UNACCEPTABLE, vec![]));
        },
    ];
    let mut last = lab.pair();
    let mut all = vec![];
    for (exchange, changes) in [(INIT, init), (AUTH, auth)] {
        for change in changes {
            let pair = lab.edited(B, exchange, change);
            all.extend(pair.sent);
            last.events[A].extend(pair.events[A].clone());
        }
    }
    last.sent = all;
    last
}

/// What comes in on an IKE SA that is up, good and bad.
fn odd_messages(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    let id = pair.initiate();
    pair.run(1.0);
    let Some(keys) = pair.engines[A].ike_keys(id).cloned() else { return pair };
    let protected = |pair: &mut Pair, flags: u8, message_id: u32, inner: Vec<Payload>, padding: Option<usize>| {
        let draft = Draft {
            header: Header::new(keys.spis, INFO, Flags(flags), message_id),
            clear: vec![],
            inner: Some(inner),
            inner_trailing: vec![],
            padding: padding.map(|length| vec![0xA5; length]),
            pad_length: None,
            iv: None,
            repair_auth: false,
        };
        super::protect::seal(&keys, true, &draft, &mut pair.rng).unwrap().to_bytes()
    };
    let mut state = vec![];
    let mut note = |pair: &Pair| {
        let sas = pair.engines[B].ike_sas();
        state.extend(sas.iter().map(|sa| (sa.state == State::Established) as u8 + sa.children.len() as u8 * 2));
        state.extend(sas.iter().map(|sa| sa.next_expected as u8));
    };
    // A response to nothing, an old request again, a gap, much padding, the SPI of a child called invalid.
    let live = pair.installed[B].first().map_or(0, |child| child.outbound_spi);
    let messages: Vec<(u8, u32, Vec<Payload>, Option<usize>)> = vec![
        (0x28, 2, vec![], None),
        (0x08, 2, vec![], None),
        (0x08, 3, vec![], Some(239)),
        (0x08, 2, vec![], None),
        (0x08, 4, vec![notify(NotifyType::INVALID_SPI, live.to_be_bytes().to_vec())], None),
        (0x08, 4, vec![], None),
        (0x08, 5, vec![Body::Delete(Delete::child(ProtocolId::ESP, &[0xDEAD_BEEF])).into()], None),
        (0x08, 6, vec![raw(200, true)], None),
    ];
    for (flags, message_id, inner, padding) in messages {
        let octets = protected(&mut pair, flags, message_id, inner, padding);
        pair.inject(B, &octets);
        note(&pair);
    }
    // A bad checksum, then the good one.
    let good = protected(&mut pair, 0x08, 7, vec![], None);
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    pair.inject(B, &bad);
    note(&pair);
    pair.inject(B, &good);
    // While a request of B waits for its response.
    pair.fate = Box::new(|from, _| if from == B { Fate::Lose } else { Fate::Pass });
    let b = pair.engines[B].ike_sas().last().map(|sa| sa.id);
    let _ = b.map(|b| pair.at(B, |e, now, rng, hands| e.informational(now, rng, b, vec![], hands)));
    let octets = protected(&mut pair, 0x08, 8, vec![], None);
    pair.inject(B, &octets);
    let octets = protected(&mut pair, 0x08, 30, vec![], None);
    pair.inject(B, &octets);
    note(&pair);
    // Unknown SPIs: a request and a response; from an odd port.
    for flags in [0x28, 0x08] {
        pair.now += Duration::from_secs(2);
        let mut octets = protected(&mut pair, flags, 9, vec![], None);
        octets[0] ^= 0xFF;
        let path = Path {
            local: std::net::SocketAddr::new(address(B), 500),
            remote: std::net::SocketAddr::new(address(A), 1234),
        };
        pair.at(B, |e, now, rng, hands| e.handle(now, rng, path, &octets, hands));
        for _ in 0..30 {
            pair.inject(B, &octets);
        }
    }
    // Unprotected: hints at most.
    let clear = |flags: u8, body: Body| {
        Message::new(Header::new(keys.spis, INFO, Flags(flags), 9), vec![body.into()]).to_bytes()
    };
    pair.inject(B, &clear(0x08, Body::Notify(Notify::new(NotifyType::INVALID_SPI, vec![1, 2, 3, 4]))));
    note(&pair);
    pair.inject(B, &clear(0x08, Body::Delete(Delete::ike())));
    note(&pair);
    // Malformed inside.
    let octets = protected(
        &mut pair,
        0x08,
        9,
        vec![Body::Raw { payload_type: PayloadType::DELETE, data: vec![1] }.into()],
        None,
    );
    pair.inject(B, &octets);
    pair.sent.push((B, state));
    pair
}

fn bad_auth_on_half_open(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    pair.engines[A].hold_auth(true);
    let id = pair.initiate();
    pair.run(1.0);
    let spis = pair.engines[A].ike_sa(id).unwrap().spis;
    let body = Body::Encrypted(wire::ikev2::Encrypted { first: PayloadType::ID_INITIATOR, data: vec![7; 96] });
    pair.inject(B, &Message::new(Header::new(spis, AUTH, Flags(0x08), 1), vec![body.into()]).to_bytes());
    let _ = pair.at(A, |e, now, rng, hands| e.proceed(now, rng, id, hands));
    pair.run(1.0);
    pair
}

fn informational_before_auth(lab: Lab) -> Pair {
    let mut pair = lab.edited(A, AUTH, |draft| {
        draft.header.exchange_type = ExchangeType::INFORMATIONAL;
        draft.inner = Some(vec![]);
    });
    pair.initiate();
    pair.run(1.0);
    pair
}

fn silence(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    pair.initiate();
    pair.run(10.0);
    pair.fate = Box::new(|_, _| Fate::Lose);
    for end in [A, B] {
        let id = pair.engines[end].ike_sas().last().map(|sa| sa.id);
        let _ = id.map(|id| pair.at(end, |e, now, rng, hands| e.liveness(now, rng, id, hands)));
    }
    pair.initiate();
    pair.run(1000.0);
    pair
}

fn behind_nat(lab: Lab) -> Pair {
    let mut pair = lab.set(Pair::plain().change(B, |b| b.remote = Remote::Any));
    pair.nat = Some("203.0.113.9:40000".parse().unwrap());
    pair.initiate();
    pair.run(1.0);
    pair
}

/// Public values and secrets with leading zeros: one in 256 has one.
fn many_handshakes(lab: Lab) -> Pair {
    let mut pair = lab.set(Pair::with("aes128-sha256-modp768", "aes128-sha256"));
    for _ in 0..600 {
        pair.initiate();
        pair.run(0.1);
        pair.engines.iter_mut().for_each(Engine::clear_all);
        pair.road.clear();
    }
    pair
}

fn children_and_deletes(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    let id = pair.initiate();
    pair.run(1.0);
    for _ in 0..2 {
        let _ = pair.at(A, |e, now, rng, hands| e.create_child(now, rng, id, "second", hands));
        pair.run(1.0);
    }
    let spis: Vec<u32> = pair.installed[A].iter().map(|child| child.inbound_spi).collect();
    let delete = Body::Delete(Delete::child(ProtocolId::ESP, spis.get(..2).unwrap_or_default())).into();
    let _ = pair.at(A, |e, now, rng, hands| e.informational(now, rng, id, vec![delete], hands));
    pair.run(1.0);
    let mut old = wire::ikev2::Delete::ike();
    old.spi_size = 0;
    let _ = pair.at(A, |e, now, rng, hands| e.informational(now, rng, id, vec![Body::Delete(old).into()], hands));
    pair.run(1.0);
    pair
}

/// A rekey of the IKE SA without a key exchange, and a refused child.
fn odd_create(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    pair.hands[A] = Box::new(Edit(CREATE, false, |d: &mut Draft| {
        d.inner.iter_mut().for_each(|inner| inner.retain(|p| !matches!(p.body, Body::KeyExchange(_))));
    }));
    let id = pair.initiate();
    pair.run(1.0);
    let _ = pair.at(A, |e, now, rng, hands| e.rekey_ike(now, rng, id, hands));
    pair.run(2.0);
    pair
}

/// IKE_SA_INIT requests that are long, or whose lengths lie, each with a proper one after it.
fn lengths(lab: Lab) -> Pair {
    let edits: [fn(&mut Draft); 3] = [
        |draft| draft.clear.push(Body::VendorId(vec![0x56; 1000]).into()),
        |draft| draft.header.length = Derived::Exactly(100),
        |draft| draft.clear.iter_mut().for_each(|payload| payload.length = Derived::Exactly(3)),
    ];
    let mut pair = lab.pair();
    for edit in edits {
        for hands in [Box::new(Edit(INIT, false, edit)) as Box<dyn Hands>, Box::new(crate::hands::Honest)] {
            pair.hands[A] = hands;
            pair.initiate();
            pair.run(0.5);
        }
    }
    pair
}

/// A request on an IKE SA that comes from another port.
fn other_port(lab: Lab) -> Pair {
    let mut pair = lab.pair();
    let id = pair.initiate();
    pair.run(1.0);
    pair.nat = Some(std::net::SocketAddr::new(address(A), 40_500));
    let _ = pair.at(A, |e, now, rng, hands| e.informational(now, rng, id, vec![], hands));
    pair.run(0.5);
    pair
}

const SCENARIOS: &[(&str, Scenario)] = &[
    ("life", life),
    ("at once", at_once),
    ("rekey against creation", rekey_against_creation),
    ("cookie and group", cookie_and_group),
    ("flood", flood),
    ("odd IKE_SA_INIT requests", odd_init_requests),
    ("AEAD with integrity", aead_with_integrity),
    ("explicit NONE", explicit_none),
    ("foreign group", foreign_group),
    ("same SPI", same_spi),
    ("odd IKE_AUTH requests", odd_auth_requests),
    ("other method", other_method),
    ("NULL authentication", null_authentication),
    ("another secret", another_secret),
    ("selectors that differ", selectors_that_differ),
    ("INITIAL_CONTACT", initial_contact),
    ("odd answers", odd_answers),
    ("odd messages", odd_messages),
    ("bad IKE_AUTH", bad_auth_on_half_open),
    ("INFORMATIONAL before IKE_AUTH", informational_before_auth),
    ("silence", silence),
    ("behind a NAT", behind_nat),
    ("children and deletes", children_and_deletes),
    ("odd CREATE_CHILD_SA", odd_create),
    ("lengths", lengths),
    ("other port", other_port),
];

/// Everything that can be seen of a run.
fn transcript(pair: &Pair) -> String {
    let mut sas: Vec<_> = pair.engines.iter().map(Engine::ike_sas).collect();
    sas.iter_mut().flatten().for_each(|sa| sa.last_heard = crate::Instant::START);
    let children: Vec<Vec<_>> = pair
        .installed
        .iter()
        .map(|list| {
            list.iter().map(|c| (c.inbound_spi, c.outbound_spi, &c.inbound.encryption, c.udp_encapsulation)).collect()
        })
        .collect();
    format!("{:?}\n{:?}\n{sas:?}\n{children:?}", pair.sent, pair.ports)
}

/// The deviations of IKEv2: they stand together in the table.
fn ours() -> impl Iterator<Item = Deviation> {
    let ikev2 = Deviation::ConstantIkeSpi..=Deviation::RetriesAtOnce;
    Deviation::ALL.iter().copied().filter(move |deviation| ikev2.contains(deviation))
}

#[test]
fn every_deviation_shows() {
    let honest: Vec<String> = SCENARIOS.iter().map(|(_, scenario)| transcript(&scenario(Lab(None)))).collect();
    let (_, first) = SCENARIOS[0];
    assert_eq!(transcript(&first(Lab(None))), honest[0], "runs repeat");
    let shows = |deviation: Deviation| {
        SCENARIOS.iter().zip(&honest).any(|((_, scenario), honest)| {
            [B, A].into_iter().any(|end| transcript(&scenario(Lab(Some((end, deviation))))) != *honest)
        })
    };
    // The order in which a gateway is told is not on the wire, and leading zeros are rare: these have their own tests.
    let elsewhere = [
        Deviation::InstallsAfterResponse,
        Deviation::StripsLeadingZerosOfSecret,
        Deviation::StripsLeadingZerosOfPublicValue,
    ];
    let hidden: Vec<Deviation> =
        ours().filter(|deviation| !elsewhere.contains(deviation)).filter(|deviation| !shows(*deviation)).collect();
    assert!(ours().count() > 100, "{}", ours().count());
    assert_eq!(hidden, []);
}

#[test]
fn leading_zeros_show() {
    let honest = transcript(&many_handshakes(Lab(None)));
    for deviation in [Deviation::StripsLeadingZerosOfSecret, Deviation::StripsLeadingZerosOfPublicValue] {
        assert_ne!(transcript(&many_handshakes(Lab(Some((B, deviation))))), honest, "{deviation}");
    }
}

#[test]
fn the_peer_can_receive_before_it_answers() {
    for (deviant, before) in [(None, true), (Some((B, Deviation::InstallsAfterResponse)), false)] {
        let mut pair = Lab(deviant).pair();
        let id = pair.initiate();
        pair.run(1.0);
        let _ = pair.at(A, |e, now, rng, hands| e.create_child(now, rng, id, "second", hands));
        let flying = pair.road.pop().unwrap();
        let path = Path { local: flying.path.remote, remote: flying.path.local };
        let (rng, hands) = (&mut pair.rng, &mut crate::hands::Honest);
        pair.engines[B].handle(pair.now + Duration::from_millis(1), rng, path, &flying.datagram, hands);
        let actions: Vec<Action> = std::iter::from_fn(|| pair.engines[B].poll_action()).collect();
        let install = actions.iter().position(|action| matches!(action, Action::InstallChild(_))).unwrap();
        let send = actions.iter().position(|action| matches!(action, Action::Send { .. })).unwrap();
        assert_eq!(install < send, before);
    }
}
