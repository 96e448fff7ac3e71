//! Quick mode, both roles (RFC 2409 section 5.5).
//!
//! ```text
//! Initiator                                          Responder
//! HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr]  -->
//!                                              <--   HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr]
//! HDR*, HASH(3)                                -->
//! ```

use super::api::*;
use super::engine::{Cx, Engine, Received, notify_of};
use super::negotiate::{self, Phase2Choice};
use super::protect;
use super::sa::{Answered, Children, IsakmpSa, Outstanding, Sent, modes};
use super::send::{Hashed, Outgoing};
use super::{deviant, identity, nat};
use crate::Instant;
use crate::config::Mode;
use crate::config::isakmp::{IsakmpChild, NatVersion, SaLifetime};
use crate::deviation::Deviation;
use crypto::{Group, KeyPair, Zeroizing};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::ikev1::{
    Body, ExchangeType, Identification, Notification, NotifyType, Payload, ProtocolId, SecurityAssociation,
    notifications,
};

/// How long a quick mode that is done is remembered, to repeat its last message.
const LINGER: Duration = Duration::from_secs(60);
/// How long an initiator waits for CONNECTED before it uses the SAs all the same.
const CONNECTED_PATIENCE: Duration = Duration::from_secs(5);
/// SAs are replaced so long before they end: by who began them, and, if that has not happened, by the other.
const MARGIN: Duration = Duration::from_secs(30);

/// One quick mode.
#[derive(Debug)]
pub(super) struct QuickMode {
    pub(super) message_id: u32,
    pub(super) initiator: bool,
    state: QuickState,
    /// IV of its next message.
    pub(super) iv: Vec<u8>,
    child: Option<IsakmpChild>,
    nonces: (Vec<u8>, Vec<u8>),
    key_pair: Option<KeyPair>,
    offer: Option<SecurityAssociation>,
    /// SPIs that we receive on.
    spis: BTreeMap<ProtocolId, u32>,
    traffic: Option<(TrafficRange, TrafficRange)>,
    /// Inbound SPI of those that it replaces.
    replaces: Option<u32>,
    /// What is to be used once the last message has come or CONNECTED.
    ready: Option<Box<(Children, Vec<ChildSa>)>>,
    outstanding: Option<Outstanding>,
    answered: Answered,
    /// The peer wants to be told when we are ready.
    commit: bool,
}

/// How far a quick mode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuickState {
    /// We have sent the first message.
    Offered,
    /// We have sent the second one.
    Answered,
    /// We have sent the third one and wait for CONNECTED, until then.
    Committed(Instant),
    /// Done; forgotten then.
    Done(Instant),
}

impl QuickMode {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, QuickState::Done(_))
    }

    /// Have we begun it, and is it not done?
    pub(super) fn is_pending(&self) -> bool {
        self.initiator && !self.is_done()
    }

    pub(super) fn has_spi(&self, spi: u32) -> bool {
        self.spis.values().any(|own| *own == spi)
    }

    pub(super) fn child_name(&self) -> Option<String> {
        self.child.as_ref().map(|child| child.name.clone())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let state = match self.state {
            QuickState::Committed(at) | QuickState::Done(at) => Some(at),
            QuickState::Offered | QuickState::Answered => None,
        };
        state.into_iter().chain(self.outstanding.as_ref().map(|outstanding| outstanding.next_at)).min()
    }
}

/// The payloads of a quick mode by what they are.
struct Found<'a> {
    sa: &'a SecurityAssociation,
    nonce: &'a [u8],
    public: Option<&'a [u8]>,
    ids: Option<(&'a Identification, &'a Identification)>,
}

impl<'a> Found<'a> {
    /// HASH comes first and SA second; of the others the order is free, but that IDci comes before IDcr.
    fn new(engine: &Engine, payloads: &'a [Payload]) -> Result<Self, RejectReason> {
        let place = match engine.has(Deviation::FindsHashAnywhere) {
            true => payloads.iter().position(|payload| matches!(payload.body, Body::SecurityAssociation(_))),
            false => Some(1),
        };
        let Some(Body::SecurityAssociation(sa)) = place.and_then(|at| payloads.get(at)).map(|payload| &payload.body)
        else {
            return Err(RejectReason::Payloads("SA is not second"));
        };
        let nonce = payloads.iter().find_map(|payload| match &payload.body {
            Body::Nonce(nonce) => Some(&**nonce),
            _ => None,
        });
        let nonce = nonce.filter(|nonce| engine.is_proper_nonce(nonce));
        let nonce = nonce.ok_or(RejectReason::Payloads("no proper NONCE"))?;
        let public = payloads.iter().find_map(|payload| match &payload.body {
            Body::KeyExchange(public) => Some(&**public),
            _ => None,
        });
        let ids: Vec<_> = payloads
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::Identification(id) => Some(id),
                _ => None,
            })
            .collect();
        let ids = match &*ids {
            [] => None,
            [initiator, responder] => Some((*initiator, *responder)),
            _ => return Err(RejectReason::Payloads("one ID, or more than two")),
        };
        Ok(Self { sa, nonce, public, ids })
    }
}

type Outcome = Result<(), RejectReason>;

impl Engine {
    // ---- Initiator ----

    /// Message 1, for a child of the connection.
    pub(super) fn start_quick(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, name: &str, replaces: Option<u32>) {
        let Some(child) = sa.connection.child(name).cloned() else { return };
        let message_id = self.new_message_id(cx, sa);
        let protocols = child.transform_sets.iter().flat_map(|set| &set.protocols).map(|own| own.protocol);
        let spis = self.draw_spis(cx, sa, protocols);
        let nat = self.offered_encapsulation(sa);
        let offer = negotiate::phase2_offer(&child, nat, |protocol| spis.get(&protocol).copied().unwrap_or_default());
        let local = identity::resolve(&child.local_ts, sa.path.local.ip());
        let remote = identity::resolve(&child.remote_ts, sa.path.remote.ip());
        let unfit = match &offer {
            None => Some("no usable transform set"),
            Some(_) if ![local, remote].iter().all(identity::can_name) => {
                Some("IKEv1 has no way to name some ports of many")
            }
            Some(_) => None,
        };
        let (Some(offer), Some(keys), None) = (offer, &sa.keys, unfit) else {
            let error = QuickError::Unfit(unfit.unwrap_or("no keys"));
            let child = Some(name.to_owned());
            self.event(Event::QuickModeFailed { ike_sa: sa.id, message_id, child, ours: true, error });
            return;
        };
        let iv = self.phase2_iv(sa, keys, message_id);
        let key_pair = child.pfs.map(|group| KeyPair::generate(group, cx.rng));
        let nonce = self.nonce(cx.rng);
        let mut payloads: Vec<Payload> = vec![
            Body::Hash(vec![]).into(),
            Body::SecurityAssociation(offer.clone()).into(),
            Body::Nonce(nonce.clone()).into(),
        ];
        payloads.extend(key_pair.as_ref().map(|pair| Payload::from(Body::KeyExchange(pair.public().to_vec()))));
        payloads.push(Body::Identification(identity::client(&local)).into());
        payloads.push(Body::Identification(identity::client(&remote)).into());
        let transport = child.transform_sets.iter().any(|set| set.mode == Mode::Transport);
        if let Some(version) = nat.filter(|_| transport) {
            payloads.extend(nat::original_addresses(version, sa.path.local.ip(), sa.path.remote.ip()));
        }
        let mut quick = QuickMode {
            message_id,
            initiator: true,
            state: QuickState::Offered,
            iv,
            child: Some(child),
            nonces: (nonce, vec![]),
            key_pair,
            offer: Some(offer),
            spis,
            traffic: Some((local, remote)),
            replaces,
            ready: None,
            outstanding: None,
            answered: Answered::default(),
            commit: false,
        };
        self.send_quick(cx, sa, &mut quick, 1, payloads, Hashed::Rest(vec![]), true);
        sa.quick_iv.clone_from(&quick.iv);
        sa.quick.insert(message_id, quick);
    }

    /// Message 2 has come; message 3.
    fn quick_answer(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        quick: &mut QuickMode,
        received: &Received<'_>,
    ) -> Outcome {
        let opened = self.open_hashed(sa, received, &quick.iv, &quick.nonces.0)?;
        let payloads = opened.payloads.unwrap_or_default();
        self.phase2_heard(cx, sa, received, &payloads);
        let ready = match self.complete_quick(cx, sa, quick, &payloads) {
            Ok(ready) => ready,
            Err(error) => {
                self.fail_quick(cx, sa, quick, QuickError::BadAnswer(error));
                return Ok(());
            }
        };
        quick.iv = opened.next_iv;
        let hashed = Hashed::Nonces(quick.nonces.0.clone(), quick.nonces.1.clone());
        let sent = self.send_quick(cx, sa, quick, 3, vec![Body::Hash(vec![]).into()], hashed, false);
        quick.answered.insert(received.fingerprint, sent);
        quick.ready = Some(Box::new(ready));
        if received.message.header.flags.commit() && !self.has(Deviation::IgnoresCommitFlag) {
            quick.state = QuickState::Committed(cx.now + CONNECTED_PATIENCE);
        } else {
            self.use_quick(cx, sa, quick);
        }
        Ok(())
    }

    fn complete_quick(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &IsakmpSa,
        quick: &mut QuickMode,
        payloads: &[Payload],
    ) -> Result<(Children, Vec<ChildSa>), &'static str> {
        let found = Found::new(self, payloads).map_err(|_| "SA, NONCE or ID is missing or misplaced")?;
        let (Some(offer), Some(child), Some((local, remote))) = (&quick.offer, &quick.child, quick.traffic) else {
            return Err("not expected");
        };
        let nat = self.offered_encapsulation(sa);
        let strict = !self.has(Deviation::AcceptsModifiedAttributes);
        let choice = negotiate::phase2_check(offer, found.sa, nat, strict).ok_or("the answer is none of our offers")?;
        let ids = match found.ids {
            Some((initiator, responder)) => identity::traffic(initiator).zip(identity::traffic(responder)),
            None => Some((identity::host(sa.path.local.ip()), identity::host(sa.path.remote.ip()))),
        };
        // They are returned as they were sent (RFC 2409 section 5.5); behind a NAT hosts have other addresses.
        let hosts = choice.mode == Mode::Transport && nat.is_some();
        if !hosts && ids != Some((local, remote)) {
            return Err("IDs are not those that were offered");
        }
        let secret = match (&quick.key_pair, found.public, choice.group) {
            (None, None, None) => None,
            (Some(pair), Some(public), Some(group)) if pair.group().id() == group => {
                Some(pair.agree(public).map_err(|_| "invalid public value")?)
            }
            _ => return Err("KE and group disagree"),
        };
        quick.nonces.1 = found.nonce.to_vec();
        let mut lifetime = child.lifetime;
        for notification in notifications(payloads).filter(|n| n.notify_type == NotifyType::RESPONDER_LIFETIME) {
            if let Some(theirs) = negotiate::responder_lifetime(&notification.data) {
                lifetime = shorter(&lifetime, &theirs);
            }
        }
        let traffic = (local, remote);
        Ok(self.children_of(cx, sa, quick, &choice, choice.lifetime(&lifetime), traffic, secret, payloads))
    }

    // ---- Responder ----

    /// Message 1 has come; message 2.
    fn quick_request(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let message_id = received.message.header.message_id;
        let Some(keys) = &sa.keys else { return Err(RejectReason::NoKeys) };
        let iv = self.phase2_iv(sa, keys, message_id);
        let opened = match self.open_hashed(sa, received, &iv, &[]) {
            Err(reason @ (RejectReason::Situation | RejectReason::Doi)) => {
                sa.used_ids.insert(message_id);
                self.inform_refusal(cx, sa, &reason);
                return Err(reason);
            }
            opened => opened?,
        };
        sa.used_ids.insert(message_id);
        let payloads = opened.payloads.unwrap_or_default();
        self.phase2_heard(cx, sa, received, &payloads);
        let found = Found::new(self, &payloads)?;
        let mut quick = QuickMode {
            message_id,
            initiator: false,
            state: QuickState::Answered,
            iv: opened.next_iv,
            child: None,
            nonces: (found.nonce.to_vec(), vec![]),
            key_pair: None,
            offer: None,
            spis: BTreeMap::new(),
            traffic: None,
            replaces: None,
            ready: None,
            outstanding: None,
            answered: Answered::default(),
            commit: received.message.header.flags.commit(),
        };
        match self.answer_quick(cx, sa, &mut quick, &found, &payloads) {
            Ok(payloads) => {
                let nonce = quick.nonces.0.clone();
                let sent = self.send_quick(cx, sa, &mut quick, 2, payloads, Hashed::Rest(nonce), true);
                quick.answered.insert(received.fingerprint, sent);
            }
            Err(notify) => {
                let spi = found.sa.proposals.first().map(|proposal| (proposal.protocol, proposal.spi.clone()));
                let (protocol, spi) = spi.unwrap_or((ProtocolId::ESP, vec![]));
                let notification = Notification::new(protocol, spi, notify, []);
                self.inform(cx, sa, vec![Body::Notification(notification).into()]);
                let (error, child) = (QuickError::Notify(notify), quick.child_name());
                self.event(Event::QuickModeFailed { ike_sa: sa.id, message_id, child, ours: false, error });
                quick.state = QuickState::Done(cx.now + LINGER);
                quick.answered.insert(received.fingerprint, None);
            }
        }
        sa.quick.insert(message_id, quick);
        Ok(())
    }

    /// Tells the peer why its quick mode is not read any further (RFC 2407 section 4.2, RFC 2408 section 5.4).
    fn inform_refusal(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, reason: &RejectReason) {
        if let Some(notify) = notify_of(reason) {
            let notification = Notification::isakmp(sa.cookies(), notify, []);
            self.inform(cx, sa, vec![Body::Notification(notification).into()]);
        }
    }

    fn answer_quick(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &IsakmpSa,
        quick: &mut QuickMode,
        found: &Found<'_>,
        payloads: &[Payload],
    ) -> Result<Vec<Payload>, NotifyType> {
        if self.children.iter().filter(|children| Self::belongs(children, sa)).count() >= self.config.limits.children {
            return Err(NotifyType::NO_PROPOSAL_CHOSEN);
        }
        let (own, peer) = (sa.path.local.ip(), sa.path.remote.ip());
        let asked = match found.ids {
            Some((initiator, responder)) => identity::traffic(responder).zip(identity::traffic(initiator)),
            None => Some((identity::host(own), identity::host(peer))),
        };
        let (local, remote) = asked.ok_or(NotifyType::INVALID_ID_INFORMATION)?;
        let nat = sa.encapsulation();
        let connection = sa.connection.clone();
        let mut refusal = NotifyType::INVALID_ID_INFORMATION;
        let mut accepted = None;
        let offer = &*self.read_offer(found.sa);
        if self.has(Deviation::StumblesOverUnknownTransforms) && deviant::has_unknown_transform(offer) {
            return Err(NotifyType::INVALID_TRANSFORM_ID);
        }
        if self.has(Deviation::RefusesPerfectForwardSecrecy) && found.public.is_some() {
            return Err(NotifyType::NO_PROPOSAL_CHOSEN);
        }
        for child in &connection.children {
            // Hosts behind a NAT name the addresses that they know of themselves.
            let transport = child.transform_sets.iter().all(|set| set.mode == Mode::Transport);
            let host = |range: TrafficRange, seen, moved: bool| match transport && moved && range.start == range.end {
                true => TrafficRange { start: seen, end: seen, ..range },
                false => range,
            };
            let traffic = (host(local, own, sa.nat.local), host(remote, peer, sa.nat.remote));
            let fits = identity::contains(&identity::resolve(&child.local_ts, own), &traffic.0)
                && identity::contains(&identity::resolve(&child.remote_ts, peer), &traffic.1);
            if !fits && !self.has(Deviation::AcceptsAnyClientIds) {
                continue;
            }
            let public_len = found.public.map(<[u8]>::len);
            let mut chosen = negotiate::phase2_choose(child, offer, nat, public_len);
            if self.has(Deviation::TakesHalfABundle) {
                let half = |half| negotiate::phase2_choose(child, &half, nat, public_len);
                chosen = chosen.or_else(|| deviant::torn(offer).find_map(half));
            }
            match chosen {
                Some(choice) => {
                    accepted = Some((child.clone(), traffic, choice));
                    break;
                }
                None if negotiate::has_unsupported_attributes(offer) => refusal = NotifyType::ATTRIBUTES_NOT_SUPPORTED,
                None => refusal = NotifyType::NO_PROPOSAL_CHOSEN,
            }
        }
        let (child, traffic, mut choice) = accepted.ok_or(refusal)?;
        if self.has(Deviation::KeepsLastLifetimeOnly) {
            choice.keep_last_lifetime();
        }
        quick.child = Some(child.clone());
        let mut key_exchange = None;
        let mut secret = None;
        if let (Some(group), Some(public)) = (choice.group.and_then(Group::from_iana), found.public) {
            let pair = KeyPair::generate(group, cx.rng);
            secret = Some(pair.agree(public).map_err(|_| NotifyType::INVALID_KEY_INFORMATION)?);
            key_exchange = Some(Payload::from(Body::KeyExchange(pair.public().to_vec())));
        }
        quick.spis = self.draw_spis(cx, sa, choice.chosen.iter().map(|chosen| chosen.protocol));
        let spis = &quick.spis;
        let answer = choice.answer(|protocol| spis.get(&protocol).copied().unwrap_or_default());
        let answer = self.shape_answer(answer, found.sa);
        quick.nonces.1 = self.nonce(cx.rng);
        let mut reply: Vec<Payload> = vec![
            Body::Hash(vec![]).into(),
            Body::SecurityAssociation(answer).into(),
            Body::Nonce(quick.nonces.1.clone()).into(),
        ];
        reply.extend(key_exchange);
        if let Some((initiator, responder)) = found.ids {
            reply.push(Body::Identification(initiator.clone()).into());
            reply.push(Body::Identification(responder.clone()).into());
        }
        if let Some(version) = nat.filter(|_| choice.mode == Mode::Transport) {
            reply.extend(nat::original_addresses(version, peer, own));
        }
        if choice.exceeds(&child.lifetime) {
            reply.extend(
                choice.chosen.first().map(|chosen| responder_lifetime(chosen.protocol, quick, &child.lifetime)),
            );
        }
        let mut lifetime = choice.lifetime(&child.lifetime);
        if self.has(Deviation::TakesMissingLifetimeForZero) && choice.has_no_seconds() {
            lifetime.seconds = 0;
        }
        quick.replaces = self.replaced_by(sa, &child, traffic);
        let ready = self.children_of(cx, sa, quick, &choice, lifetime, traffic, secret, payloads);
        quick.ready = Some(Box::new(ready));
        Ok(reply)
    }

    /// Message 3 has come: done.
    fn quick_last(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        quick: &mut QuickMode,
        received: &Received<'_>,
    ) -> Outcome {
        let opened = self.open(sa, received.message, &quick.iv)?;
        let payloads = opened.payloads.as_deref().map_err(|_| RejectReason::Undecryptable)?;
        let hash = protect::leading_hash(payloads).ok_or(RejectReason::Payloads("HASH is not first"))?;
        let Some(keys) = &sa.keys else { return Err(RejectReason::NoKeys) };
        let right = keys.phase2_last_hash(quick.message_id, (&quick.nonces.0, &quick.nonces.1));
        if hash != right && !self.has(Deviation::SkipsLastQuickHash) {
            return Err(RejectReason::Hash);
        }
        let payloads = payloads.to_vec();
        quick.iv = opened.next_iv;
        quick.commit |= received.message.header.flags.commit();
        self.phase2_heard(cx, sa, received, &payloads);
        quick.answered.insert(received.fingerprint, None);
        self.use_quick(cx, sa, quick);
        if quick.commit {
            // It carries the message ID of the quick mode (RFC 2408 section 3.1).
            let notification = Notification::isakmp(sa.cookies(), NotifyType::CONNECTED, []);
            let payloads = vec![Body::Notification(notification).into()];
            match self.has(Deviation::ConnectedUnderFreshId) {
                true => self.inform(cx, sa, payloads),
                false => self.inform_as(cx, sa, quick.message_id, Some(quick.iv.clone()), payloads),
            }
        }
        Ok(())
    }

    // ---- Shared ----

    /// A message of quick mode.
    pub(super) fn quick_message(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let header = &received.message.header;
        let message_id = header.message_id;
        let early = self.has(Deviation::TrustsAggressiveModeEarly) && sa.keys.is_some();
        if sa.state != State::Established && !early {
            return Err(RejectReason::UnexpectedExchange(header.exchange_type));
        }
        if !received.message.is_encrypted() && !self.has(Deviation::AcceptsClearQuickMode) {
            return Err(RejectReason::NotEncrypted);
        }
        let Some(mut quick) = sa.quick.remove(&message_id).filter(|quick| !self.is_begun_anew(quick, received)) else {
            if sa.used_ids.contains(&message_id) && !self.takes_repetitions() {
                return Err(RejectReason::MessageId(message_id));
            }
            let result = self.quick_request(cx, sa, received);
            if let Some(quick) = sa.quick.get(&message_id) {
                sa.quick_iv.clone_from(&quick.iv);
            }
            return result;
        };
        if self.has(Deviation::OneIvForAllQuickModes) {
            quick.iv.clone_from(&sa.quick_iv);
        }
        let result = if let Some(answer) = quick.answered.get(&received.fingerprint) {
            if let Some((path, datagram)) = answer {
                self.transmit(cx, sa, path, &datagram);
                self.event(Event::Repeated { ike_sa: sa.id, message_id });
            }
            Ok(())
        } else {
            match quick.state {
                QuickState::Offered => self.quick_answer(cx, sa, &mut quick, received),
                QuickState::Answered => self.quick_last(cx, sa, &mut quick, received),
                QuickState::Committed(_) | QuickState::Done(_) => Err(RejectReason::MessageId(message_id)),
            }
        };
        sa.quick_iv.clone_from(&quick.iv);
        sa.quick.insert(message_id, quick);
        result
    }

    /// An SPI that we receive on for each protocol.
    fn draw_spis(
        &self,
        cx: &mut Cx<'_>,
        sa: &IsakmpSa,
        protocols: impl Iterator<Item = ProtocolId>,
    ) -> BTreeMap<ProtocolId, u32> {
        let mut spis = BTreeMap::new();
        for protocol in protocols {
            while !spis.contains_key(&protocol) {
                let spi = match self.has(Deviation::ReusesIpsecSpis) {
                    true => self.lowest_spi(sa, &spis),
                    false => self.new_spi(sa, cx.rng),
                };
                if !spis.values().any(|other| *other == spi) {
                    spis.insert(protocol, spi);
                }
            }
        }
        spis
    }

    /// Are messages taken for new that have come before?
    fn takes_repetitions(&self) -> bool {
        self.has(Deviation::AcceptsReplayedQuickMode) || self.has(Deviation::AnswersRepetitionAfresh)
    }

    /// Is a message that has come before taken for the beginning of a new quick mode?
    fn is_begun_anew(&self, quick: &QuickMode, received: &Received<'_>) -> bool {
        let deviation =
            if quick.is_done() { Deviation::AcceptsReplayedQuickMode } else { Deviation::AnswersRepetitionAfresh };
        let repeated = quick.answered.get(&received.fingerprint).is_some_and(|answer| answer.is_some());
        !quick.initiator && repeated && self.has(deviation)
    }

    /// The version of NAT traversal by which SAs are encapsulated that we offer, if there is a NAT.
    fn offered_encapsulation(&self, sa: &IsakmpSa) -> Option<NatVersion> {
        let version = sa.encapsulation().filter(|_| !self.has(Deviation::OffersPlainModesBehindNat))?;
        if self.has(Deviation::OffersDraftModes) { Some(NatVersion::Draft02) } else { Some(version) }
    }

    fn phase2_heard(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>, payloads: &[Payload]) {
        self.heard(cx, sa, received.path);
        self.heed_initial_contact(sa, payloads);
        let header = &received.message.header;
        self.event(Event::Received {
            ike_sa: sa.id,
            exchange: header.exchange_type,
            message_id: header.message_id,
            payloads: payloads.to_vec(),
        });
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a message")]
    fn send_quick(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        quick: &mut QuickMode,
        number: u8,
        payloads: Vec<Payload>,
        hashed: Hashed,
        waits: bool,
    ) -> Sent {
        let made = self.make(
            cx,
            sa,
            Outgoing {
                exchange: ExchangeType::QUICK,
                message_id: quick.message_id,
                number,
                payloads,
                hashed,
                iv: Some(quick.iv.clone()),
            },
        );
        quick.iv = made.next_iv;
        let path = if number == 1 { self.own_path(sa) } else { sa.path };
        if let Some(datagram) = &made.datagram {
            self.transmit(cx, sa, path, datagram);
        }
        let policy = self.retransmission(sa.connection.retransmission);
        quick.outstanding = waits.then(|| Outstanding::new(made.datagram.clone(), path, policy, cx.now));
        made.datagram.map(|datagram| (path, datagram))
    }

    /// The pairs of SAs that a choice makes, with their keys, the innermost first.
    #[allow(clippy::too_many_arguments, reason = "the parts of a negotiation")]
    fn children_of(
        &self,
        cx: &mut Cx<'_>,
        sa: &IsakmpSa,
        quick: &QuickMode,
        choice: &Phase2Choice,
        lifetime: Negotiated,
        (local_ts, remote_ts): (TrafficRange, TrafficRange),
        secret: Option<Zeroizing<Vec<u8>>>,
        payloads: &[Payload],
    ) -> (Children, Vec<ChildSa>) {
        let mut chosen: Vec<_> = choice.chosen.iter().collect();
        // ESP within AH.
        chosen.sort_by_key(|chosen| chosen.protocol != ProtocolId::ESP);
        let nonces = (&quick.nonces.0[..], &quick.nonces.1[..]);
        let secret = secret.as_ref().map(|secret| &secret[..]);
        let tunnel_ends = [sa.path.local.ip(), sa.path.remote.ip()].map(identity::host);
        let child = quick.child.clone().unwrap_or_else(|| {
            let any = crate::config::Selector::host;
            IsakmpChild::new("", any(), any(), [])
        });
        let addresses = nat::read_original_addresses(payloads).filter(|_| choice.mode == Mode::Transport);
        let original_addresses = addresses.map(|(i, r)| if quick.initiator { (i, r) } else { (r, i) });
        let mut pairs = vec![];
        let mut sas = vec![];
        for (chosen, mode) in chosen.into_iter().zip(modes(choice.mode)) {
            let (protocol, outbound_spi) = (chosen.protocol, chosen.spi);
            let inbound_spi = quick.spis.get(&protocol).copied().unwrap_or_default();
            let algorithms = (chosen.transform.encryption, chosen.transform.integrity);
            let keys = |spi| match &sa.keys {
                Some(keys) => keys.keymat(secret, protocol, spi, nonces, algorithms),
                None => DirectionKeys::default(),
            };
            pairs.push((protocol, inbound_spi, outbound_spi));
            // What goes over something else is for all that lies between the ends of the tunnel.
            let outer = mode != choice.mode;
            sas.push(ChildSa {
                ike_sa: Some(sa.id),
                connection: sa.connection.name.clone(),
                child: child.name.clone(),
                protocol,
                mode,
                inbound_spi,
                outbound_spi,
                encryption: algorithms.0,
                integrity: algorithms.1,
                inbound: keys(inbound_spi),
                outbound: keys(match self.has(Deviation::OneSpiForBothDirections) {
                    true => inbound_spi,
                    false => outbound_spi,
                }),
                path: sa.path,
                udp_encapsulation: choice.udp,
                local_ts: vec![if outer { tunnel_ends[0] } else { local_ts }],
                remote_ts: vec![if outer { tunnel_ends[1] } else { remote_ts }],
                original_addresses,
                esn: false,
                replay_window: child.replay_window,
                initiator: quick.initiator,
                rekeys: quick.replaces.filter(|_| sas.is_empty()),
                group: choice.group,
            });
        }
        let life = Duration::from_secs(u64::from(lifetime.seconds));
        let margin = MARGIN.min(life / 10);
        let margin = if quick.initiator { margin } else { margin / 2 };
        let children = Children {
            connection: sa.connection.clone(),
            child,
            ike_sa: sa.id,
            peer: sa.path.remote.ip(),
            peer_id: sa.peer_id.clone(),
            pairs,
            local_ts,
            remote_ts,
            lifetime,
            rekey_at: Some(cx.now + life.saturating_sub(margin)),
            expire_at: cx.now + life,
            initiator: quick.initiator,
            replaced: false,
        };
        (children, sas)
    }

    /// The SAs for the same traffic, if there are any: these are replaced.
    fn replaced_by(&self, sa: &IsakmpSa, child: &IsakmpChild, traffic: (TrafficRange, TrafficRange)) -> Option<u32> {
        let same = |children: &&Children| {
            Self::belongs(children, sa)
                && children.child.name == child.name
                && (children.local_ts, children.remote_ts) == traffic
                && !children.replaced
        };
        self.children.iter().rev().find(same).and_then(|children| children.inbound_spis().first().copied())
    }

    /// The SAs are used from now on. Those that they replace are received on until they end (RFC 2408 section 4.3).
    fn use_quick(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, quick: &mut QuickMode) {
        quick.state = QuickState::Done(cx.now + LINGER);
        quick.outstanding = None;
        let Some(ready) = quick.ready.take() else { return };
        let (children, sas) = *ready;
        if let Some(spi) = quick.replaces
            && let Some(old) = self.children.iter_mut().find(|children| children.has_inbound(spi))
        {
            (old.replaced, old.rekey_at) = (true, None);
            if self.has(Deviation::DropsOldIpsecSasAtOnce) {
                self.remove_children(|children| children.has_inbound(spi), &DownReason::Forgotten);
            }
        }
        let (child, lifetime) = (children.child.name.clone(), children.lifetime);
        let inbound_spis = children.inbound_spis();
        let outbound_spis = children.pairs.iter().map(|(_, _, outbound)| *outbound).collect();
        self.children.push(children);
        self.actions.push_back(Action::InstallChildren(sas));
        self.event(Event::ChildUp { ike_sa: sa.id, child, inbound_spis, outbound_spis, lifetime });
    }

    /// Gives up a quick mode of ours.
    pub(super) fn fail_quick(&mut self, cx: &mut Cx<'_>, sa: &IsakmpSa, quick: &mut QuickMode, error: QuickError) {
        quick.state = QuickState::Done(cx.now + LINGER);
        (quick.outstanding, quick.ready) = (None, None);
        let (message_id, child, ours) = (quick.message_id, quick.child_name(), quick.initiator);
        if let Some(old) = quick.replaces
            && let Some(old) = self.children.iter_mut().find(|children| children.has_inbound(old))
        {
            old.replaced = false;
        }
        self.event(Event::QuickModeFailed { ike_sa: sa.id, message_id, child, ours, error });
    }

    /// The peer has refused a quick mode of ours: that with this SPI, or the only one that waits.
    pub(super) fn quick_refused(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, notification: &Notification) -> bool {
        let waits = |quick: &&QuickMode| quick.initiator && quick.state == QuickState::Offered;
        let named = |quick: &&QuickMode| notification.ipsec_spi().is_some_and(|spi| quick.has_spi(spi));
        let id = match sa.quick.values().filter(waits).find(named) {
            Some(quick) => Some(quick.message_id),
            None if sa.quick.values().filter(waits).count() == 1 => {
                sa.quick.values().find(waits).map(|quick| quick.message_id)
            }
            None => None,
        };
        let Some(mut quick) = id.and_then(|id| sa.quick.remove(&id)) else { return false };
        self.fail_quick(cx, sa, &mut quick, QuickError::Notify(notification.notify_type));
        sa.quick.insert(quick.message_id, quick);
        true
    }

    /// CONNECTED has come for a quick mode.
    pub(super) fn quick_connected(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, message_id: u32) {
        let Some(mut quick) = sa.quick.remove(&message_id) else { return };
        if matches!(quick.state, QuickState::Committed(_)) {
            self.use_quick(cx, sa, &mut quick);
        }
        sa.quick.insert(message_id, quick);
    }

    pub(super) fn quick_timeouts(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa) {
        let due = |quick: &&QuickMode| quick.next_timeout().is_some_and(|at| at <= cx.now);
        for message_id in sa.quick.values().filter(due).map(|quick| quick.message_id).collect::<Vec<_>>() {
            let Some(mut quick) = sa.quick.remove(&message_id) else { continue };
            match quick.state {
                QuickState::Done(at) if at <= cx.now => continue,
                QuickState::Committed(at) if at <= cx.now => self.use_quick(cx, sa, &mut quick),
                _ => self.quick_retransmit(cx, sa, &mut quick),
            }
            sa.quick.insert(message_id, quick);
        }
    }

    fn quick_retransmit(&mut self, cx: &mut Cx<'_>, sa: &IsakmpSa, quick: &mut QuickMode) {
        let Some(outstanding) = quick.outstanding.as_mut().filter(|o| o.next_at <= cx.now) else { return };
        if !outstanding.timeout(cx.now) {
            return self.fail_quick(cx, sa, quick, QuickError::NoAnswer);
        }
        let (count, path, datagram) = (outstanding.retransmissions, outstanding.path, outstanding.datagram.clone());
        if let Some(datagram) = datagram {
            self.transmit(cx, sa, path, &datagram);
        }
        let (exchange, message_id) = (ExchangeType::QUICK, quick.message_id);
        self.event(Event::Retransmitted { ike_sa: sa.id, exchange, message_id, count });
    }
}

fn shorter(own: &SaLifetime, other: &SaLifetime) -> SaLifetime {
    let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
    SaLifetime { seconds: least(own.seconds, other.seconds), kilobytes: least(own.kilobytes, other.kilobytes) }
}

/// The notify RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1).
fn responder_lifetime(protocol: ProtocolId, quick: &QuickMode, lifetime: &SaLifetime) -> Payload {
    let mut data = vec![];
    negotiate::life_attributes(lifetime).iter().for_each(|attribute| attribute.emit(&mut data));
    let spi = quick.spis.get(&protocol).copied().unwrap_or_default().to_be_bytes();
    Body::Notification(Notification::new(protocol, spi, NotifyType::RESPONDER_LIFETIME, data)).into()
}
