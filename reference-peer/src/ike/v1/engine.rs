//! The engine: dispatch of datagrams, timers.

use super::api::*;
use super::deviant;
use super::fragment::{self, Assembler};
use super::keys::IsakmpKeys;
use super::protect::{self, OpenError, Opened};
use super::sa::{Children, IsakmpSa};
use crate::Instant;
use crate::config::Remote;
use crate::config::isakmp::{IsakmpConfig, IsakmpConnection, Phase1};
use crate::deviation::Deviation;
use crate::hands::Hands;
use crypto::sha1;
use rand_core::Rng;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wire::ikev1::{Body, ExchangeType, Header, Message, NotifyType, Payload, PayloadType, ProtocolId, Situation};

/// Ids of ISAKMP SAs begin here, so that they are not those of the IKEv2 engine of the same gateway.
const FIRST_ID: u64 = 1 << 32;

/// All ISAKMP SAs of one gateway, and the IPsec SAs made under them.
///
/// Datagrams go in through [`handle`](Self::handle), time through [`handle_timeout`](Self::handle_timeout), commands
/// through the methods named after them; what is to be done comes out of [`poll_action`](Self::poll_action), in
/// order, and the next time to call `handle_timeout` out of [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Engine {
    pub(super) config: IsakmpConfig,
    pub(super) connections: Vec<Arc<IsakmpConnection>>,
    pub(super) sas: BTreeMap<IkeSaId, IsakmpSa>,
    /// ISAKMP SAs by our cookie.
    pub(super) by_cookie: HashMap<u64, IkeSaId>,
    /// ISAKMP SAs that we respond to, by where the first message came from and its hash.
    pub(super) by_request: HashMap<(SocketAddr, [u8; 20]), IkeSaId>,
    pub(super) children: Vec<Children>,
    pub(super) actions: VecDeque<Action>,
    assembler: Assembler,
    next_id: u64,
    /// The second that answers to unprotected messages are counted in, and their number.
    answers: (u64, u32),
}

/// What every step needs from outside.
pub(super) struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) rng: &'a mut dyn Rng,
    pub(super) hands: &'a mut dyn Hands,
}

/// A message that has come, and where from.
pub(super) struct Received<'a> {
    pub(super) message: &'a Message,
    pub(super) path: Path,
    /// Hash of the datagram, by which a repetition is told.
    pub(super) fingerprint: [u8; 20],
}

impl Engine {
    /// An engine without any SA.
    pub fn new(config: IsakmpConfig) -> Self {
        Self {
            connections: config.connections.iter().cloned().map(Arc::new).collect(),
            config,
            sas: BTreeMap::new(),
            by_cookie: HashMap::new(),
            by_request: HashMap::new(),
            children: vec![],
            actions: VecDeque::new(),
            assembler: Assembler::default(),
            next_id: FIRST_ID,
            answers: (0, 0),
        }
    }

    /// What it was told.
    pub fn config(&self) -> &IsakmpConfig {
        &self.config
    }

    /// Tells it something else. SAs that exist go on with the connection that they were made with.
    pub fn configure(&mut self, config: IsakmpConfig) {
        self.connections = config.connections.iter().cloned().map(Arc::new).collect();
        self.config = config;
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sas = self.sas.values().filter_map(IsakmpSa::next_timeout);
        let children = self.children.iter().flat_map(|c| c.rekey_at.into_iter().chain([c.expire_at]));
        sas.chain(children).min()
    }

    /// All ISAKMP SAs, oldest first.
    pub fn isakmp_sas(&self) -> Vec<IsakmpSaInfo> {
        self.sas.values().map(IsakmpSa::info).collect()
    }

    /// One ISAKMP SA.
    pub fn isakmp_sa(&self, id: IkeSaId) -> Option<IsakmpSaInfo> {
        self.sas.get(&id).map(IsakmpSa::info)
    }

    /// Keys of an ISAKMP SA, once they are derived.
    pub fn isakmp_keys(&self, id: IkeSaId) -> Option<&IsakmpKeys> {
        self.sas.get(&id)?.keys.as_ref()
    }

    /// All IPsec SAs, oldest first.
    pub fn children(&self) -> Vec<ChildInfo> {
        self.children.iter().map(Children::info).collect()
    }

    // ---- Datagrams ----

    /// A datagram has come, without the non-ESP marker of port 4500.
    pub fn handle(&mut self, now: Instant, rng: &mut dyn Rng, path: Path, datagram: &[u8], hands: &mut dyn Hands) {
        let mut cx = Cx { now, rng, hands };
        if let Err((ike_sa, reason)) = self.dispatch(&mut cx, path, datagram, true) {
            self.event(Event::Rejected { ike_sa, path, reason });
        }
    }

    fn dispatch(
        &mut self,
        cx: &mut Cx<'_>,
        path: Path,
        datagram: &[u8],
        fragments: bool,
    ) -> Result<(), (Option<IkeSaId>, RejectReason)> {
        let outside = |reason| (None, reason);
        let message = self.read(datagram).map_err(|error| outside(RejectReason::Malformed(error.to_string())))?;
        let header = &message.header;
        if header.minor_version() != 0 && !self.has(Deviation::IgnoresIsakmpMinorVersion) {
            return Err(outside(RejectReason::MinorVersion(header.minor_version())));
        }
        if header.flags.reserved() != 0 && !self.has(Deviation::IgnoresIsakmpFlags) {
            return Err(outside(RejectReason::Flags(header.flags.0)));
        }
        if let Some(piece) = fragment::of(&message) {
            if !fragments || !self.connections.iter().any(|connection| connection.fragmentation.is_some()) {
                return Err(outside(RejectReason::Fragment("not expected")));
            }
            return match self.assembler.push(cx.now, path, header, piece).map_err(outside)? {
                Some(whole) => self.dispatch(cx, path, &whole, false),
                None => Ok(()),
            };
        }
        if let Err(reason) = self.check_payloads(message.payloads()) {
            self.refuse_first(cx, header, path, &reason);
            return Err(outside(reason));
        }
        let fingerprint = sha1(&[datagram]);
        let received = Received { message: &message, path, fingerprint };
        let first = header.responder_cookie == 0;
        let phase1 = match header.exchange_type {
            ExchangeType::MAIN => Some(Phase1::Main),
            ExchangeType::AGGRESSIVE => Some(Phase1::Aggressive),
            ExchangeType::QUICK | ExchangeType::INFORMATIONAL | ExchangeType::TRANSACTION => None,
            _ if self.has(Deviation::TakesUnknownExchangeForMainMode) => Some(Phase1::Main),
            other => return Err(outside(RejectReason::UnexpectedExchange(other))),
        };
        let id = match (self.find(header), phase1) {
            (Some(id), _) => id,
            (None, Some(exchange)) if first => return self.first_message(cx, &received, exchange).map_err(outside),
            (None, _) => return Err(outside(RejectReason::UnknownCookies)),
        };
        let Some(mut sa) = self.sas.remove(&id) else { return Err(outside(RejectReason::UnknownCookies)) };
        let result = match header.exchange_type {
            ExchangeType::QUICK => self.quick_message(cx, &mut sa, &received),
            ExchangeType::INFORMATIONAL => self.informational(cx, &mut sa, &received),
            ExchangeType::TRANSACTION => self.transaction(cx, &mut sa, &received),
            _ => self.phase1_message(cx, &mut sa, &received, phase1),
        };
        if matches!(result, Err(RejectReason::Undecryptable | RejectReason::Hash))
            && self.has(Deviation::BadMessageEndsIsakmpSa)
        {
            self.close(&mut sa, DownReason::Forgotten);
        }
        self.put_back(sa);
        result.map_err(|reason| (Some(id), reason))
    }

    /// Tells a peer that its offer of phase 1 is for a situation or a domain of interpretation that is not ours (RFC
    /// 2407 section 4.2, RFC 2408 section 5.4).
    fn refuse_first(&mut self, cx: &mut Cx<'_>, header: &Header, path: Path, reason: &RejectReason) {
        let begins = header.responder_cookie == 0
            && matches!(header.exchange_type, ExchangeType::MAIN | ExchangeType::AGGRESSIVE)
            && !self.candidates(path.local.ip(), path.remote.ip()).is_empty();
        if let (true, RejectReason::Situation | RejectReason::Doi) = (begins, reason)
            && let Some(notify) = notify_of(reason)
        {
            self.notify_in_clear(cx, header.cookies(), path, notify);
        }
    }

    /// Reads a datagram. Where lengths or numbers are not heeded, it is put right before.
    fn read(&self, datagram: &[u8]) -> Result<Message, wire::Error> {
        let message = if self.has(Deviation::IgnoresIsakmpLength) {
            Message::parse(&deviant::with_right_length(datagram))
        } else if self.has(Deviation::TrustsLengthsOfProposals) {
            Message::parse(&deviant::with_right_proposals(datagram))
        } else {
            Message::parse(datagram)
        }?;
        if self.has(Deviation::IgnoresDoi) { deviant::of_our_doi(message) } else { Ok(message) }
    }

    /// The ISAKMP SA with these cookies, which never swap their places (RFC 2409 section 4).
    fn find(&self, header: &Header) -> Option<IkeSaId> {
        let (initiator, responder) = header.cookies();
        let of = |ours: u64, theirs: u64, initiator: bool| {
            let id = *self.by_cookie.get(&ours)?;
            let sa = self.sas.get(&id)?;
            // The responder's cookie is learned from its first message.
            let known = sa.peer_cookie == theirs || (sa.peer_cookie == 0 && initiator);
            (sa.initiator == initiator && known).then_some(id)
        };
        let loosely = || {
            let of = |sa: &&IsakmpSa| sa.cookies().0 == initiator;
            self.has(Deviation::FindsIsakmpSaByOneCookie).then(|| self.sas.values().find(of)).flatten().map(|sa| sa.id)
        };
        of(initiator, responder, true).or_else(|| of(responder, initiator, false)).or_else(loosely)
    }

    /// The first message of phase 1, or its repetition.
    fn first_message(
        &mut self,
        cx: &mut Cx<'_>,
        received: &Received<'_>,
        exchange: Phase1,
    ) -> Result<(), RejectReason> {
        if let Some(sa) = self.by_request.get(&received.origin()).and_then(|id| self.sas.get(id))
            && !self.has(Deviation::AnswersRepetitionAfresh)
        {
            let (ike_sa, answer) = (sa.id, sa.answered.get(&received.fingerprint).flatten());
            if is_old(sa, received.path) && !self.has(Deviation::MovesBackToPort500) {
                return Err(OLD_PORT);
            }
            if let Some((path, datagram)) = answer {
                self.actions.push_back(Action::Send { path, datagram });
                self.event(Event::Repeated { ike_sa, message_id: 0 });
            }
            return Ok(());
        }
        let header = &received.message.header;
        if header.message_id != 0 && !self.has(Deviation::IgnoresPhase1MessageId) {
            return Err(RejectReason::MessageId(header.message_id));
        }
        if received.path.local.port() == 4500 && self.has(Deviation::IgnoresExchangesBegunOnPort4500) {
            return Err(RejectReason::UnexpectedExchange(header.exchange_type));
        }
        if header.initiator_cookie == 0 {
            return Err(RejectReason::UnknownCookies);
        }
        if received.message.is_encrypted() {
            return Err(RejectReason::NoKeys);
        }
        if self.half_open_limit(received.path.remote.ip()) {
            return Err(RejectReason::HalfOpenLimit);
        }
        match exchange {
            Phase1::Main => self.main_request(cx, received),
            Phase1::Aggressive => self.aggressive_request(cx, received),
        }
    }

    fn phase1_message(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        received: &Received<'_>,
        exchange: Option<Phase1>,
    ) -> Result<(), RejectReason> {
        let header = &received.message.header;
        if exchange != Some(sa.exchange) && !self.has(Deviation::ChangesExchangeMidway) {
            return Err(RejectReason::UnexpectedExchange(header.exchange_type));
        }
        if header.message_id != 0 && !self.has(Deviation::IgnoresPhase1MessageId) {
            return Err(RejectReason::MessageId(header.message_id));
        }
        if is_old(sa, received.path) {
            if !self.has(Deviation::MovesBackToPort500) {
                return Err(OLD_PORT);
            }
            sa.path = received.path;
        }
        if header.flags.commit() && self.has(Deviation::KeepsCommitFlag) {
            sa.commit = true;
        }
        if self.has(Deviation::AnswersRepetitionAfresh)
            && (sa.exchange, sa.initiator, sa.state) == (Phase1::Main, false, State::KeyExchange)
            && !received.message.is_encrypted()
        {
            return self.main_public_value(cx, sa, received);
        }
        if let Some(answer) = sa.answered.get(&received.fingerprint) {
            if let Some((path, datagram)) = answer {
                self.transmit(cx, sa, path, &datagram);
                self.event(Event::Repeated { ike_sa: sa.id, message_id: 0 });
            }
            return Ok(());
        }
        match (sa.exchange, sa.initiator, sa.state) {
            (Phase1::Main, true, State::NoState) => self.main_answer(cx, sa, received),
            (Phase1::Main, false, State::SaSetup) => self.main_public_value(cx, sa, received),
            (Phase1::Main, true, State::SaSetup) => self.main_public_answer(cx, sa, received),
            (Phase1::Main, false, State::KeyExchange) => self.main_identity(cx, sa, received),
            (Phase1::Main, true, State::KeyExchange) => self.main_identity_answer(cx, sa, received),
            (Phase1::Aggressive, true, State::NoState) => self.aggressive_answer(cx, sa, received),
            (Phase1::Aggressive, false, State::SaSetup) => self.aggressive_last(cx, sa, received),
            _ => Err(RejectReason::UnexpectedExchange(header.exchange_type)),
        }
    }

    /// Decrypts a message of phase 2 and checks its HASH(1) or HASH(2). Gives its payloads after the hash.
    pub(super) fn open_hashed(
        &self,
        sa: &IsakmpSa,
        received: &Received<'_>,
        iv: &[u8],
        nonce: &[u8],
    ) -> Result<Opened, RejectReason> {
        let opened = self.open(sa, received.message, iv)?;
        let payloads = opened.payloads.as_deref().map_err(|_| RejectReason::Undecryptable)?;
        let keys = sa.keys.as_ref().ok_or(RejectReason::NoKeys)?;
        let header = &received.message.header;
        let hash = |covered: &[u8]| keys.phase2_hash(header.message_id, nonce, covered);
        if self.has(Deviation::FindsHashAnywhere) {
            deviant::check_hash_anywhere(payloads, hash)?;
            return Ok(opened);
        }
        let found = protect::leading_hash(payloads).ok_or(RejectReason::Payloads("HASH is not first"))?;
        let covered = protect::after_hash(&opened).ok_or(RejectReason::Undecryptable)?;
        let skips = match header.exchange_type {
            ExchangeType::QUICK => Deviation::SkipsQuickHash,
            _ => Deviation::SkipsInformationalHash,
        };
        if hash(covered) != found && !self.has(skips) {
            return Err(RejectReason::Hash);
        }
        self.check_payloads(payloads)?;
        Ok(opened)
    }

    // ---- Time ----

    /// Time has come to [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng, hands: &mut dyn Hands) {
        let mut cx = Cx { now, rng, hands };
        let due = |sa: &&IsakmpSa| sa.next_timeout().is_some_and(|at| at <= now);
        for id in self.sas.values().filter(due).map(|sa| sa.id).collect::<Vec<_>>() {
            let Some(mut sa) = self.sas.remove(&id) else { continue };
            self.timeout(&mut cx, &mut sa);
            self.put_back(sa);
        }
        self.children_timeout(&mut cx);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa) {
        let now = cx.now;
        if let Some((notify, _)) = sa.refused.filter(|(_, until)| *until <= now) {
            return self.close(sa, DownReason::RefusedV1(notify));
        }
        if self.has(Deviation::NeverForgetsHalfOpen) {
            sa.forget_at = None;
        }
        if sa.forget_at.is_some_and(|at| at <= now) {
            return self.close(sa, DownReason::HalfOpenTimeout);
        }
        if sa.expire_at.is_some_and(|at| at <= now) {
            self.delete_isakmp(cx, sa);
            if self.has(Deviation::IpsecSasDieWithIsakmpSa) {
                self.remove_children(|children| Self::belongs(children, sa), &DownReason::Expired);
            }
            return self.close(sa, DownReason::Expired);
        }
        if let Some(outstanding) = sa.outstanding.as_mut().filter(|outstanding| outstanding.next_at <= now) {
            if !outstanding.timeout(now) {
                sa.outstanding = None;
                if sa.state != State::Established && !self.has(Deviation::NeverForgetsHalfOpen) {
                    self.event(Event::PeerUnreachable { ike_sa: sa.id });
                    let reason = sa.refused.map_or(DownReason::Unreachable, |(n, _)| DownReason::RefusedV1(n));
                    return self.close(sa, reason);
                }
            } else {
                let (count, path, datagram) =
                    (outstanding.retransmissions, outstanding.path, outstanding.datagram.clone());
                if let Some(datagram) = datagram {
                    self.transmit(cx, sa, path, &datagram);
                }
                let exchange = match sa.exchange {
                    Phase1::Main => ExchangeType::MAIN,
                    Phase1::Aggressive => ExchangeType::AGGRESSIVE,
                };
                self.event(Event::Retransmitted { ike_sa: sa.id, exchange, message_id: 0, count });
            }
        }
        self.quick_timeouts(cx, sa);
        self.dead_peer_timeout(cx, sa);
    }

    fn children_timeout(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        for spi in self.children.iter().filter_map(|c| c.inbound_spis().first().copied()).collect::<Vec<_>>() {
            let Some(children) = self.children.iter_mut().find(|children| children.has_inbound(spi)) else { continue };
            if children.expire_at <= now {
                self.tell_deleted(cx, spi);
                self.remove_children(|children| children.has_inbound(spi), &DownReason::Expired);
            } else if children.rekey_at.take_if(|at| *at <= now).is_some() && !children.replaced {
                // A peer that cannot be begun with has to do it itself.
                let _ = self.rekey(cx, spi);
            }
        }
    }

    // ---- Shared ----

    pub(super) fn has(&self, deviation: Deviation) -> bool {
        self.config.deviations.has(deviation)
    }

    pub(super) fn event(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }

    pub(super) fn new_id(&mut self) -> IkeSaId {
        self.next_id += 1;
        IkeSaId(self.next_id - 1)
    }

    /// A cookie: not zero, not in use (RFC 2408 section 2.5.3).
    pub(super) fn new_cookie(&self, rng: &mut dyn Rng) -> u64 {
        let mut predictable = 0x0102_0304_0506_0708;
        loop {
            let mut cookie = rng.next_u64();
            if self.has(Deviation::PredictableCookies) {
                predictable += 1;
                cookie = predictable;
            }
            if cookie != 0 && !self.by_cookie.contains_key(&cookie) {
                return cookie;
            }
        }
    }

    /// A SPI that we receive on: none of the reserved values, not in use.
    pub(super) fn new_spi(&self, current: &IsakmpSa, rng: &mut dyn Rng) -> u32 {
        loop {
            let spi = rng.next_u32();
            if spi > 0xFF && !self.uses_spi(current, spi) {
                return spi;
            }
        }
    }

    /// Only of a peer that is faulty on purpose: an SPI that earlier SAs have had, if they are gone. `drawn` are taken.
    pub(super) fn lowest_spi(&self, current: &IsakmpSa, drawn: &BTreeMap<ProtocolId, u32>) -> u32 {
        let is_free = |spi: &u32| !self.uses_spi(current, *spi) && drawn.values().all(|other| other != spi);
        (0x1000..=u32::MAX).find(is_free).unwrap_or_default()
    }

    /// Is this SPI that of an own SA, or of one that is being negotiated?
    fn uses_spi(&self, current: &IsakmpSa, spi: u32) -> bool {
        let mut quick = self.sas.values().chain([current]).flat_map(|sa| sa.quick.values());
        self.children.iter().any(|children| children.has_inbound(spi)) || quick.any(|quick| quick.has_spi(spi))
    }

    pub(super) fn nonce(&self, rng: &mut dyn Rng) -> Vec<u8> {
        let mut nonce = vec![0; if self.has(Deviation::SendsShortIsakmpNonce) { 4 } else { 32 }];
        rng.fill_bytes(&mut nonce);
        nonce
    }

    /// May a message be sent because of an unprotected one?
    pub(super) fn may_answer_unprotected(&mut self, now: Instant) -> bool {
        let second = now.since_start().as_secs();
        if self.answers.0 != second {
            self.answers = (second, 0);
        }
        self.answers.1 += 1;
        self.answers.1 <= self.config.limits.unprotected_answers
    }

    /// Connections that this pair of addresses may belong to, those that name the peer's address first.
    pub(super) fn candidates(&self, local: IpAddr, remote: IpAddr) -> Vec<Arc<IsakmpConnection>> {
        let of = |wanted: Remote| {
            let matches =
                move |connection: &&Arc<IsakmpConnection>| connection.local == local && connection.remote == wanted;
            self.connections.iter().filter(matches).cloned()
        };
        of(Remote::Address(remote)).chain(of(Remote::Any)).collect()
    }

    fn half_open_limit(&self, address: IpAddr) -> bool {
        let half_open = || self.sas.values().filter(|sa| !sa.initiator && sa.state != State::Established);
        let same = half_open().filter(|sa| sa.path.remote.ip() == address).count();
        half_open().count() >= self.config.limits.half_open || same >= self.config.limits.half_open_per_prefix
    }

    /// How long an ISAKMP SA that we respond to may be only beginning.
    pub(super) fn half_open_lifetime(&self) -> Duration {
        self.config.limits.half_open_lifetime
    }

    /// Something authenticated has come from the peer: it lives, and is where that came from if NATs allow it to move
    /// (RFC 3947 section 4).
    pub(super) fn heard(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, path: Path) {
        sa.last_heard = cx.now;
        if path != sa.path && sa.nat.remote && !sa.nat.local {
            sa.path = path;
            self.actions.push_back(Action::UpdatePath { ike_sa: sa.id, path });
        }
    }

    /// Puts an ISAKMP SA back after a step, or forgets it if it has ended.
    pub(super) fn put_back(&mut self, sa: IsakmpSa) {
        if sa.state == State::Closed {
            self.by_cookie.retain(|_, id| *id != sa.id);
            self.by_request.retain(|_, id| *id != sa.id);
        } else {
            self.by_cookie.insert(sa.cookie, sa.id);
            self.sas.insert(sa.id, sa);
        }
    }

    /// Ends an ISAKMP SA. What was made under it lives on.
    pub(super) fn close(&mut self, sa: &mut IsakmpSa, reason: DownReason) {
        if sa.state == State::Closed {
            return;
        }
        sa.state = State::Closed;
        for quick in std::mem::take(&mut sa.quick).into_values().filter(|quick| !quick.is_done()) {
            let (child, message_id, ours) = (quick.child_name(), quick.message_id, quick.initiator);
            let error = QuickError::NoIsakmpSa;
            self.event(Event::QuickModeFailed { ike_sa: sa.id, message_id, child, ours, error });
        }
        for (child, _) in std::mem::take(&mut sa.queue) {
            let (child, error) = (Some(child), QuickError::NoIsakmpSa);
            self.event(Event::QuickModeFailed { ike_sa: sa.id, message_id: 0, child, ours: true, error });
        }
        let connection = sa.connection.name.clone();
        self.event(Event::IsakmpSaDown { ike_sa: sa.id, connection, reason });
    }

    /// Forgets IPsec SAs.
    pub(super) fn remove_children(&mut self, which: impl Fn(&Children) -> bool, reason: &DownReason) {
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.children).into_iter().partition(|c| which(c));
        self.children = kept;
        for children in gone {
            for (protocol, inbound_spi, outbound_spi) in &children.pairs {
                let (protocol, inbound_spi, outbound_spi) = (*protocol, *inbound_spi, *outbound_spi);
                let reason = reason.clone();
                self.actions.push_back(Action::RemoveChild { protocol, inbound_spi, outbound_spi, reason });
            }
            let inbound_spis = children.inbound_spis();
            self.event(Event::ChildDown { child: children.child.name, inbound_spis, reason: reason.clone() });
        }
    }

    /// The established ISAKMP SA of a connection, or of a peer at this address: the newest.
    pub(super) fn established_with(&self, connection: &str, peer: IpAddr) -> Option<IkeSaId> {
        let with = |sa: &&IsakmpSa| {
            sa.state == State::Established && (sa.connection.name == connection || sa.path.remote.ip() == peer)
        };
        self.sas.values().rev().find(with).map(|sa| sa.id)
    }

    /// The SPIs of a protocol in IPsec SAs of this peer that it sends or receives on.
    pub(super) fn belongs(children: &Children, sa: &IsakmpSa) -> bool {
        children.connection.name == sa.connection.name
            && (children.peer_id == sa.peer_id || children.peer == sa.path.remote.ip())
    }

    /// The peer receives on this SPI no more.
    pub(super) fn deleted_by_peer(
        &mut self,
        sa: &IsakmpSa,
        protocol: ProtocolId,
        spi: u32,
        reason: &DownReason,
    ) -> bool {
        let is = |children: &Children| Self::belongs(children, sa) && children.has_outbound(protocol, spi);
        let found = self.children.iter().any(is);
        self.remove_children(is, reason);
        found
    }
}

impl Engine {
    /// Decrypts a message with the keys of an ISAKMP SA.
    pub(super) fn open(&self, sa: &IsakmpSa, message: &Message, iv: &[u8]) -> Result<Opened, RejectReason> {
        let keys = sa.keys.as_ref().ok_or(RejectReason::NoKeys)?;
        let accepts_clear = match message.header.exchange_type {
            ExchangeType::QUICK => Deviation::AcceptsClearQuickMode,
            _ => Deviation::AcceptsClearIdentity,
        };
        if !message.is_encrypted() && self.has(accepts_clear) {
            return Ok(deviant::as_opened(message, iv));
        }
        protect::open(&keys.cipher, iv, message).map_err(|error| match error {
            OpenError::NotEncrypted => RejectReason::NotEncrypted,
            OpenError::PartialBlock(_) | OpenError::NoIv | OpenError::NoKeys => RejectReason::Undecryptable,
        })
    }

    /// What must not be in a message: unknown payloads (RFC 2408 section 5.3 (1)), RESERVED fields that are not zero
    /// (5.3 (2)), domains of interpretation and situations that are not ours (5.4 (1) and (2)).
    pub(super) fn check_payloads(&self, payloads: &[Payload]) -> Result<(), RejectReason> {
        let heeds_reserved = !self.has(Deviation::IgnoresIsakmpReserved);
        if self.has(Deviation::RejectsManyVendorIds) && deviant::has_many_vendor_ids(payloads) {
            return Err(RejectReason::PayloadType(PayloadType::VENDOR_ID));
        }
        for payload in payloads {
            let payload_type = payload.body.payload_type();
            if !payload_type.is_known() && !self.has(Deviation::SkipsUnknownIsakmpPayloads) {
                return Err(RejectReason::PayloadType(payload_type));
            }
            if payload.reserved != 0 && heeds_reserved {
                return Err(RejectReason::Reserved);
            }
            match &payload.body {
                Body::Raw { payload_type: PayloadType::SECURITY_ASSOCIATION, .. } => return Err(RejectReason::Doi),
                Body::Raw { .. } if payload_type.is_known() => return Err(RejectReason::PayloadType(payload_type)),
                Body::SecurityAssociation(sa) => {
                    if sa.situation != Situation::IDENTITY_ONLY && !self.has(Deviation::IgnoresSituation) {
                        return Err(RejectReason::Situation);
                    }
                    let transforms = || sa.proposals.iter().flat_map(|proposal| &proposal.transforms);
                    let reserved = sa.proposals.iter().any(|proposal| proposal.reserved != 0)
                        || transforms().any(|transform| transform.reserved1 != 0 || transform.reserved2 != 0);
                    if reserved && heeds_reserved {
                        return Err(RejectReason::Reserved);
                    }
                }
                Body::CertificateRequest(_) if self.has(Deviation::RejectsCertificateRequests) => {
                    return Err(RejectReason::PayloadType(payload_type));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// IV of the first message of an exchange of phase 2 (RFC 2409 appendix B).
    pub(super) fn phase2_iv(&self, sa: &IsakmpSa, keys: &IsakmpKeys, message_id: u32) -> Vec<u8> {
        match self.has(Deviation::KeepsPhase1IvInPhase2) {
            true => sa.phase1_iv.clone(),
            false => keys.phase2_iv(&sa.phase1_iv, message_id),
        }
    }
}

/// Why a message of phase 1 is dropped that comes to port 500 once phase 1 has left it.
const OLD_PORT: RejectReason = RejectReason::Payloads("on the port from before the change");

/// Is a message of phase 1 old, since it comes to the port from before the change (RFC 3947 section 4)?
fn is_old(sa: &IsakmpSa, path: Path) -> bool {
    sa.path.local.port() != 500 && path.local.port() == 500
}

impl Received<'_> {
    /// Where it came from and what it was: by these a repetition of a first message is told, for which nobody has
    /// vouched yet.
    pub(super) fn origin(&self) -> (SocketAddr, [u8; 20]) {
        (self.path.remote, self.fingerprint)
    }
}

/// The notify that says why a message was dropped, where there is one (RFC 2408 section 5).
pub(super) fn notify_of(reason: &RejectReason) -> Option<NotifyType> {
    Some(match reason {
        RejectReason::PayloadType(_) => NotifyType::INVALID_PAYLOAD_TYPE,
        RejectReason::Doi => NotifyType::DOI_NOT_SUPPORTED,
        RejectReason::Situation => NotifyType::SITUATION_NOT_SUPPORTED,
        RejectReason::NoProposal => NotifyType::NO_PROPOSAL_CHOSEN,
        RejectReason::Undecryptable | RejectReason::Reserved => NotifyType::PAYLOAD_MALFORMED,
        RejectReason::Hash => NotifyType::AUTHENTICATION_FAILED,
        RejectReason::Identity => NotifyType::INVALID_ID_INFORMATION,
        RejectReason::KeyExchange => NotifyType::INVALID_KEY_INFORMATION,
        _ => return None,
    })
}
