//! The engine: commands, dispatch of datagrams, timers.

use super::api::*;
use super::cookie::CookieJar;
use super::keys::IkeKeys;
use super::notify::Found;
use super::protect::{self, OpenError};
use super::retransmit::{Place, Retry};
use super::sa::{IkeSa, Pending, Task};
use crate::Instant;
use crate::config::{Connection, IkeConfig, Remote};
use crate::deviation::Deviation;
use crate::hands::Hands;
use rand_core::Rng;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use wire::ikev2::{Body, ExchangeType, Header, Message, Notify, NotifyType, Payload, ProtocolId};

/// All IKEv2 SAs of one gateway.
///
/// Datagrams go in through [`handle`](Self::handle), time through [`handle_timeout`](Self::handle_timeout), commands
/// through the methods named after them; what is to be done comes out of [`poll_action`](Self::poll_action), in
/// order, and the next time to call `handle_timeout` out of [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Engine {
    pub(super) config: IkeConfig,
    pub(super) connections: Vec<Arc<Connection>>,
    pub(super) sas: BTreeMap<IkeSaId, IkeSa>,
    /// IKE SAs by the SPI that we chose.
    pub(super) by_spi: HashMap<u64, IkeSaId>,
    /// IKE SAs that we respond to, by the hash of the IKE_SA_INIT request (section 2.1).
    pub(super) by_request: HashMap<[u8; 20], IkeSaId>,
    pub(super) actions: VecDeque<Action>,
    pub(super) cookies: CookieJar,
    /// Messages outside any IKE SA sent so far, by exchange type.
    pub(super) sent_outside: BTreeMap<u8, u32>,
    next_id: u64,
    /// The second that answers to unprotected messages are counted in, and their number.
    answers: (u64, u32),
    pub(super) hold_auth: bool,
    /// Has it stopped processing messages? Only a deviation does.
    wedged: bool,
}

/// What every step needs from outside.
pub(super) struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) rng: &'a mut dyn Rng,
    pub(super) hands: &'a mut dyn Hands,
}

/// A request or response of the peer that has passed its integrity check.
pub(super) struct Received<'a> {
    pub(super) header: &'a Header,
    pub(super) payloads: &'a [Payload],
    pub(super) path: Path,
}

impl Engine {
    /// An engine without any IKE SA.
    pub fn new(config: IkeConfig) -> Self {
        let connections = config.connections.iter().cloned().map(Arc::new).collect();
        Self {
            config,
            connections,
            sas: BTreeMap::new(),
            by_spi: HashMap::new(),
            by_request: HashMap::new(),
            actions: VecDeque::new(),
            cookies: CookieJar::default(),
            sent_outside: BTreeMap::new(),
            next_id: 1,
            answers: (0, 0),
            hold_auth: false,
            wedged: false,
        }
    }

    /// What it was told.
    pub fn config(&self) -> &IkeConfig {
        &self.config
    }

    /// Tells it something else. IKE SAs that exist go on with the connection that they were made with.
    pub fn configure(&mut self, config: IkeConfig) {
        self.connections = config.connections.iter().cloned().map(Arc::new).collect();
        self.config = config;
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sas.values().filter_map(IkeSa::next_timeout).min()
    }

    /// All IKE SAs, oldest first.
    pub fn ike_sas(&self) -> Vec<IkeSaInfo> {
        self.sas.values().map(IkeSa::info).collect()
    }

    /// One IKE SA.
    pub fn ike_sa(&self, id: IkeSaId) -> Option<IkeSaInfo> {
        self.sas.get(&id).map(IkeSa::info)
    }

    /// Keys of an IKE SA, once they are derived.
    pub fn ike_keys(&self, id: IkeSaId) -> Option<&IkeKeys> {
        self.sas.get(&id)?.keys.as_ref()
    }

    /// Takes note of a fresh authenticated packet on a Child SA: it proves the peer alive (section 2.4).
    pub fn heard_child(&mut self, now: Instant, inbound_spi: u32) {
        for sa in self.sas.values_mut() {
            if sa.inbound(inbound_spi).is_some() {
                sa.last_heard = now;
            }
        }
    }

    /// The peer is to be reached on another path: a verified and new packet of a Child SA came from there (section
    /// 2.23).
    pub fn update_path(&mut self, id: IkeSaId, path: Path) {
        if let Some(sa) = self.sas.get_mut(&id)
            && sa.path != path
        {
            sa.path = path;
            self.actions.push_back(Action::UpdatePath { ike_sa: id, path });
        }
    }

    /// From now on, stop after IKE_SA_INIT as initiator until [`proceed`](Self::proceed).
    pub fn hold_auth(&mut self, hold: bool) {
        self.hold_auth = hold;
    }

    // ---- Datagrams ----

    /// A datagram has come, without the non-ESP marker of port 4500.
    pub fn handle(&mut self, now: Instant, rng: &mut dyn Rng, path: Path, datagram: &[u8], hands: &mut dyn Hands) {
        let mut cx = Cx { now, rng, hands };
        if let Err((ike_sa, reason)) = self.dispatch(&mut cx, path, datagram) {
            self.event(Event::Rejected { ike_sa, path, reason });
        }
    }

    fn dispatch(
        &mut self,
        cx: &mut Cx<'_>,
        path: Path,
        datagram: &[u8],
    ) -> Result<(), (Option<IkeSaId>, RejectReason)> {
        let malformed = |error: wire::Error| (None, RejectReason::Malformed(error.to_string()));
        let header = Header::parse(datagram).map_err(malformed)?;
        if self.wedged || (self.has(Deviation::DropsLongMessages) && datagram.len() > 1024) {
            return Err((None, RejectReason::Malformed("nothing is processed".to_owned())));
        }
        let mut patched;
        let repaired_length;
        let mut octets = datagram;
        if header.major_version() != 2 {
            if !self.has(Deviation::IgnoresMajorVersion) {
                if header.major_version() > 2 {
                    self.refuse_version(cx, &header, path);
                }
                return Err((None, RejectReason::MajorVersion(header.major_version())));
            }
            patched = datagram.to_vec();
            patched.iter_mut().skip(17).take(1).for_each(|version| *version = 0x20);
            octets = &patched;
        }
        if header.minor_version() != 0 && self.has(Deviation::RejectsMinorVersion) {
            return Err((None, RejectReason::MajorVersion(2)));
        }
        if self.has(Deviation::IgnoresHeaderLength) {
            let mut repaired = octets.to_vec();
            let length = u32::try_from(octets.len()).unwrap_or_default().to_be_bytes();
            repaired.iter_mut().skip(24).zip(length).for_each(|(octet, right)| *octet = right);
            repaired_length = repaired;
            octets = &repaired_length;
        }
        let message = Message::parse(octets);
        self.wedged |= message.is_err() && self.has(Deviation::WedgesOnMalformedPayload);
        let message = message.map_err(malformed)?;
        if self.has(Deviation::RejectsReservedFields)
            && (header.flags.reserved() != 0 || message.payloads.iter().any(|payload| payload.reserved != 0))
        {
            return Err((None, RejectReason::Payloads("RESERVED is not zero")));
        }
        let response = header.flags.response();
        if header.exchange_type == ExchangeType::IKE_SA_INIT && !message.is_protected() {
            return if response {
                self.init_response(cx, path, &message, octets)
            } else {
                self.init_request(cx, path, &message, octets)
            };
        }

        // The SPI that we chose is the responder's if the sender is the initiator (section 2.6).
        let spis = (header.initiator_spi, header.responder_spi);
        let (ours, theirs) = if header.flags.initiator() { (spis.1, spis.0) } else { (spis.0, spis.1) };
        let Some(id) = self.find(ours, theirs, header.flags.initiator()) else {
            if self.find(theirs, ours, !header.flags.initiator()).is_some() {
                return Err((None, RejectReason::InitiatorFlag));
            }
            self.refuse_spi(cx, &message, path);
            return Err((None, RejectReason::UnknownSpi));
        };
        let known = |sa: &IkeSa| !sa.is_established() || sa.path.remote == path.remote;
        if self.has(Deviation::KnowsIkeSaByAddress) && !self.sas.get(&id).is_some_and(known) {
            return Err((None, RejectReason::UnknownSpi));
        }
        let Some(mut sa) = self.sas.remove(&id) else { return Err((None, RejectReason::UnknownSpi)) };
        let result = self.for_sa(cx, &mut sa, path, &message, octets);
        self.put_back(sa);
        result.map_err(|reason| (Some(id), reason))
    }

    /// The IKE SA with these SPIs, if the peer has this role in it.
    fn find(&self, ours: u64, theirs: u64, peer_initiator: bool) -> Option<IkeSaId> {
        let id = *self.by_spi.get(&ours)?;
        let sa = self.sas.get(&id)?;
        (sa.remote_spi == theirs && sa.initiator != peer_initiator).then_some(id)
    }

    fn for_sa(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        path: Path,
        message: &Message,
        octets: &[u8],
    ) -> Result<(), RejectReason> {
        let header = &message.header;
        if !message.is_protected() {
            return self.unprotected(cx, sa, message, path);
        }
        let Some(keys) = &sa.keys else { return Err(RejectReason::UnexpectedExchange(header.exchange_type)) };
        let opened = match protect::open(keys, !sa.initiator, message, octets) {
            Ok(opened) => opened,
            Err(error) => {
                self.not_opened(cx, sa, message, path);
                return Err(match error {
                    OpenError::NotProtected => RejectReason::NotProtected,
                    _ => RejectReason::Integrity,
                });
            }
        };
        if opened.fragment.is_some_and(|(_, total)| total != 1) {
            return Err(RejectReason::Payloads("fragmentation was not negotiated"));
        }
        if self.has(Deviation::InsistsOnMinimalPadding) && opened.padding.len() > 15 {
            return Err(RejectReason::Integrity);
        }
        let response = header.flags.response();
        if response && !(self.has(Deviation::AnswersResponses) && sa.requests.outstanding.is_empty()) {
            return self.on_response(cx, sa, path, header, opened.payloads);
        }
        self.on_request(cx, sa, path, header, opened.payloads)
    }

    fn on_request(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        path: Path,
        header: &Header,
        payloads: Result<Vec<Payload>, wire::Error>,
    ) -> Result<(), RejectReason> {
        let message_id = header.message_id;
        let mut place = sa.responses.place(message_id);
        if place != Place::Fresh
            && self.has(Deviation::AcceptsReplayedRequest)
            && message_id < sa.responses.next_expected()
        {
            place = Place::Fresh;
        }
        if place == Place::Beyond && self.has(Deviation::AcceptsMessageIdGap) {
            place = Place::Fresh;
        }
        match place {
            Place::Fresh => {}
            Place::Repeated => {
                if let Some(datagram) = sa.responses.stored(message_id) {
                    let datagram = datagram.to_vec();
                    self.actions.push_back(Action::Send { path, datagram });
                }
                self.event(Event::ResponseRepeated { ike_sa: sa.id, message_id });
                return Ok(());
            }
            Place::TooOld => return Err(RejectReason::MessageIdTooOld(message_id)),
            Place::Beyond => {
                self.notify_message_id(cx, sa, message_id);
                return Err(RejectReason::MessageIdBeyondWindow(message_id));
            }
        }
        if sa.state == State::Closed {
            return Err(RejectReason::UnknownSpi);
        }
        let before_auth = !sa.is_established();
        let early = self.has(Deviation::AnswersBeforeAuth) && header.exchange_type == ExchangeType::INFORMATIONAL;
        if before_auth && !early && (header.exchange_type != ExchangeType::IKE_AUTH || sa.initiator || message_id != 1)
        {
            return Err(RejectReason::UnexpectedExchange(header.exchange_type));
        }
        if !sa.requests.outstanding.is_empty() && self.has(Deviation::WaitsForOwnResponse) {
            return Err(RejectReason::UnexpectedExchange(header.exchange_type));
        }
        sa.last_heard = cx.now;
        self.follow_path(sa, path, before_auth);

        let payloads = match payloads {
            Ok(payloads) => payloads,
            Err(_) if self.has(Deviation::IgnoresBadRequests) => return Ok(()),
            Err(error) => {
                // Fatal on both sides, without a Delete (section 2.21.3).
                self.event(Event::Rejected {
                    ike_sa: Some(sa.id),
                    path,
                    reason: RejectReason::Malformed(error.to_string()),
                });
                self.refuse(cx, sa, header, path, Notify::new(NotifyType::INVALID_SYNTAX, vec![]));
                self.close(cx, sa, DownReason::ProtocolError);
                return Ok(());
            }
        };
        let exchange = header.exchange_type;
        self.event(Event::RequestReceived { ike_sa: sa.id, exchange, message_id, payloads: payloads.clone() });
        let found = Found::new(&payloads);
        if let Some(payload_type) = self.unacceptable_payload(&found, &payloads) {
            let notify = Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![payload_type.0]);
            self.refuse(cx, sa, header, path, notify);
            if before_auth {
                self.close(cx, sa, DownReason::ProtocolError);
            }
            return Ok(());
        }
        let received = Received { header, payloads: &payloads, path };
        match exchange {
            ExchangeType::IKE_AUTH if before_auth => self.auth_request(cx, sa, &received),
            ExchangeType::CREATE_CHILD_SA => self.create_child_request(cx, sa, &received),
            ExchangeType::INFORMATIONAL => self.informational_request(cx, sa, &received),
            _ => {
                self.refuse(cx, sa, header, path, Notify::new(NotifyType::INVALID_SYNTAX, vec![]));
                self.close(cx, sa, DownReason::ProtocolError);
            }
        }
        self.pump(cx, sa);
        Ok(())
    }

    /// A payload for which the message is to be refused: critical and unknown (section 2.5).
    pub(super) fn unacceptable_payload(
        &self,
        found: &Found<'_>,
        payloads: &[Payload],
    ) -> Option<wire::ikev2::PayloadType> {
        let first = |test: &dyn Fn(&Payload) -> bool| {
            payloads.iter().find(|payload| test(payload)).map(|payload| payload.body.payload_type())
        };
        if self.has(Deviation::RejectsUnknownPayloads) {
            return first(&|payload| !payload.body.payload_type().is_known());
        }
        if self.has(Deviation::RejectsCriticalKnownPayloads) {
            return first(&|payload| payload.critical);
        }
        if self.has(Deviation::RejectsUnknownStatusNotify) {
            let unknown = |payload: &Payload| match &payload.body {
                Body::Notify(notify) => !notify.notify_type.is_error() && notify.notify_type.name().is_none(),
                _ => false,
            };
            return first(&unknown);
        }
        if self.has(Deviation::RejectsUnknownErrorNotify) {
            let unknown = |payload: &Payload| match &payload.body {
                Body::Notify(notify) => notify.notify_type.is_error() && notify.notify_type.name().is_none(),
                _ => false,
            };
            return first(&unknown);
        }
        if self.has(Deviation::RejectsProtocolWithoutSpi) {
            let named = |payload: &Payload| match &payload.body {
                Body::Notify(notify) => notify.spi.is_empty() && notify.protocol != ProtocolId::NONE,
                _ => false,
            };
            return first(&named);
        }
        if self.has(Deviation::RejectsEmptyVendorId) {
            return first(&|payload| matches!(&payload.body, Body::VendorId(id) if id.is_empty()));
        }
        if self.has(Deviation::SkipsCriticalPayloads) {
            return None;
        }
        found.critical_unknown()
    }

    fn on_response(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        path: Path,
        header: &Header,
        payloads: Result<Vec<Payload>, wire::Error>,
    ) -> Result<(), RejectReason> {
        let message_id = header.message_id;
        let Some(request) = sa.requests.answered(message_id, header.exchange_type) else {
            return Err(RejectReason::UnexpectedResponse(message_id));
        };
        sa.last_heard = cx.now;
        self.follow_path(sa, path, !sa.is_established());
        let exchange = header.exchange_type;
        let payloads = match payloads {
            Ok(payloads) if Found::new(&payloads).critical_unknown().is_none() => payloads,
            _ => {
                // No error message goes out for a bad response, but the state that it leaves is cleaned up (2.21).
                let error = ExchangeError::BadResponse("malformed, or with an unknown critical payload");
                self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: true, error });
                if sa.is_established() && sa.state != State::Deleting {
                    sa.requests.push(Task::DeleteIke { reason: DownReason::ProtocolError });
                    self.pump(cx, sa);
                } else {
                    self.close(cx, sa, DownReason::ProtocolError);
                }
                return Ok(());
            }
        };
        self.event(Event::ResponseReceived { ike_sa: sa.id, exchange, message_id, payloads: payloads.clone() });
        let received = Received { header, payloads: &payloads, path };
        match request.pending {
            Pending::Init => {}
            Pending::Auth(child) => self.auth_response(cx, sa, &received, child),
            Pending::CreateChild(offer) => self.create_child_response(cx, sa, &received, *offer),
            Pending::RekeyIke(offer) => self.rekey_ike_response(cx, sa, &received, *offer),
            Pending::DeleteChild { inbound_spi, reason } => self.remove_child(sa, inbound_spi, reason),
            Pending::DeleteIke { reason } => self.close(cx, sa, reason),
            Pending::ReportAuthenticationFailure => self.close(cx, sa, DownReason::AuthenticationFailed),
            Pending::Exchange => {
                for notify in Found::new(&payloads).notifies() {
                    self.event(Event::Notified { ike_sa: sa.id, notify: notify.clone() });
                }
            }
        }
        self.pump(cx, sa);
        Ok(())
    }

    // ---- Time ----

    /// Time has come to [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng, hands: &mut dyn Hands) {
        let mut cx = Cx { now, rng, hands };
        let due = |sa: &IkeSa| sa.next_timeout().is_some_and(|at| at <= now);
        let ids: Vec<IkeSaId> = self.sas.values().filter(|sa| due(sa)).map(|sa| sa.id).collect();
        for id in ids {
            let Some(mut sa) = self.sas.remove(&id) else { continue };
            self.timeout(&mut cx, &mut sa);
            self.put_back(sa);
        }
    }

    fn timeout(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa) {
        let now = cx.now;
        if sa.forget_at.is_some_and(|at| at <= now) {
            let reason = if sa.state == State::HalfOpen { DownReason::HalfOpenTimeout } else { DownReason::Forgotten };
            sa.forget_at = None;
            if sa.state == State::Rekeyed {
                // The peer has not deleted the old IKE SA after its rekey; then we do.
                sa.requests.push(Task::DeleteIke { reason: DownReason::Rekeyed });
            } else {
                self.drop_sa(sa, reason);
                return;
            }
        }
        if sa.state == State::InitSent
            && let Some((notify, until)) = sa.handshake.refused
            && until <= now
        {
            return self.drop_sa(sa, DownReason::Refused(notify));
        }
        if sa.expire_at.is_some_and(|at| at <= now) {
            sa.expire_at = None;
            sa.requests.push(Task::DeleteIke { reason: DownReason::Expired });
        }
        if sa.rekey_at.is_some_and(|at| at <= now) {
            sa.rekey_at = None;
            sa.requests.push(Task::RekeyIke { group: None });
        }
        for index in 0..sa.children.len() {
            let Some(pair) = sa.children.get_mut(index) else { break };
            let inbound_spi = pair.inbound_spi;
            let expired = pair.expire_at.take_if(|at| *at <= now).is_some();
            let aged = pair.rekey_at.take_if(|at| *at <= now).is_some();
            if expired && !pair.deleting {
                pair.deleting = true;
                sa.requests.push(Task::DeleteChild { inbound_spi, reason: DownReason::Expired });
            } else if aged && !pair.deleting && !pair.rekeying {
                pair.rekeying = true;
                sa.requests.push(Task::RekeyChild { inbound_spi, group: None });
            }
        }
        let policy = sa.connection.retransmission;
        for index in 0..sa.requests.outstanding.len() {
            let Some(request) = sa.requests.outstanding.get_mut(index) else { break };
            if request.next_at > now {
                continue;
            }
            let retry = request.timeout(now, &policy);
            if retry == Retry::GiveUp && self.config.deviations.has(Deviation::NeverGivesUp) {
                request.next_at = now + policy.limit;
            } else if retry == Retry::GiveUp || self.config.deviations.has(Deviation::GivesUpAtOnce) {
                let exchange = request.exchange;
                self.event(Event::PeerUnreachable { ike_sa: sa.id, exchange });
                let reason = sa.handshake.refused.map_or(DownReason::Unreachable, |(n, _)| DownReason::Refused(n));
                return self.drop_sa(sa, reason);
            }
            if self.config.deviations.has(Deviation::FixedRetransmissionInterval) {
                request.next_at = now + policy.first;
            }
            let (exchange, message_id, count) = (request.exchange, request.message_id, request.retransmissions);
            let mut datagram = request.datagram.clone();
            if self.has(Deviation::ReencryptsRetransmission)
                && let Some(draft) = request.draft.clone()
            {
                datagram = self.remake(cx, sa, *draft);
            }
            if let Some(datagram) = datagram {
                self.actions.push_back(Action::Send { path: sa.path, datagram });
            }
            self.event(Event::Retransmitted { ike_sa: sa.id, exchange, message_id, count });
        }
        if let Some((_, path, datagram)) = sa.repeat_response.take_if(|(at, ..)| *at <= now) {
            self.actions.push_back(Action::Send { path, datagram });
        }
        self.pump(cx, sa);
    }

    // ---- Shared by the exchanges ----

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

    /// A SPI for an IKE SA: not zero, not in use.
    pub(super) fn new_ike_spi(&mut self, rng: &mut dyn Rng) -> u64 {
        if self.has(Deviation::ConstantIkeSpi) && !self.by_spi.contains_key(&0x5A5A_5A5A_5A5A_5A5A) {
            return 0x5A5A_5A5A_5A5A_5A5A;
        }
        loop {
            let spi = rng.next_u64();
            if spi != 0 && !self.by_spi.contains_key(&spi) {
                return spi;
            }
        }
    }

    /// A SPI for a Child SA: none of the reserved values (RFC 4303 section 2.1), not in use.
    pub(super) fn new_child_spi(&mut self, current: &IkeSa, rng: &mut dyn Rng) -> u32 {
        let used = |spi: u32| {
            let sas = self.sas.values().chain([current]);
            sas.flat_map(|sa| &sa.children).any(|pair| pair.inbound_spi == spi)
        };
        loop {
            let mut spi = rng.next_u32();
            if self.has(Deviation::AllocatesSpiZero) {
                return 0;
            }
            if self.has(Deviation::SmallChildSpis) {
                spi &= 0xFF;
            } else if spi <= 0xFF {
                continue;
            }
            if spi != 0 && !used(spi) {
                return spi;
            }
        }
    }

    /// May a message be sent because of an unprotected one (section 2.21.4)?
    pub(super) fn may_answer_unprotected(&mut self, now: Instant) -> bool {
        let second = now.since_start().as_secs();
        if self.answers.0 != second {
            self.answers = (second, 0);
        }
        self.answers.1 += 1;
        self.answers.1 <= self.config.limits.unprotected_answers || self.has(Deviation::UnlimitedAnswers)
    }

    /// Connections that this pair of addresses may belong to, those that name the peer's address first.
    pub(super) fn candidates(&self, local: IpAddr, remote: IpAddr) -> Vec<Arc<Connection>> {
        let of = |wanted: Remote| {
            let matches = move |connection: &&Arc<Connection>| connection.local == local && connection.remote == wanted;
            self.connections.iter().filter(matches).cloned()
        };
        of(Remote::Address(remote)).chain(of(Remote::Any)).collect()
    }

    /// Adopts the path of an authenticated message (section 2.23): always while the IKE SA is being set up, and later
    /// if the peer is behind a NAT and we are not.
    fn follow_path(&mut self, sa: &mut IkeSa, path: Path, setting_up: bool) {
        let allowed = (setting_up && !sa.initiator) || (sa.nat.remote && !sa.nat.local);
        if path == sa.path || !allowed {
            return;
        }
        sa.path = path;
        if !setting_up {
            self.actions.push_back(Action::UpdatePath { ike_sa: sa.id, path });
        }
    }

    /// Makes queued requests as far as the peer's window allows.
    pub(super) fn pump(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa) {
        while sa.state != State::Closed
            && (sa.requests.window_open() || (self.has(Deviation::IgnoresWindow) && sa.requests.outstanding.len() < 8))
        {
            let last =
                |pending: &Pending| matches!(pending, Pending::DeleteIke { .. } | Pending::ReportAuthenticationFailure);
            if sa.is_pending(last) {
                sa.requests.queue.clear(); // nothing follows on this IKE SA
                return;
            }
            let Some(task) = sa.requests.next_task(cx.now) else { return };
            self.perform(cx, sa, task);
        }
    }

    fn perform(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, task: Task) {
        match task {
            Task::CreateChild { child, group } => self.create_child_task(cx, sa, &child, group),
            Task::RekeyChild { inbound_spi, group } => self.rekey_child_task(cx, sa, inbound_spi, group),
            Task::RekeyIke { group } => self.rekey_ike_task(cx, sa, group),
            Task::DeleteChild { inbound_spi, reason } => self.delete_child_task(cx, sa, inbound_spi, reason),
            Task::DeleteIke { reason } => self.delete_ike_task(cx, sa, reason),
            Task::Exchange { exchange, payloads } => {
                self.request(cx, sa, exchange, payloads, Pending::Exchange);
            }
            Task::ReportAuthenticationFailure => {
                let payloads = vec![super::notify::status(NotifyType::AUTHENTICATION_FAILED)];
                self.request(cx, sa, ExchangeType::INFORMATIONAL, payloads, Pending::ReportAuthenticationFailure);
            }
        }
    }

    /// Puts an IKE SA back after a step, or forgets it if it has ended.
    pub(super) fn put_back(&mut self, sa: IkeSa) {
        if sa.state == State::Closed && sa.forget_at.is_none() {
            self.by_spi.retain(|_, id| *id != sa.id);
            self.by_request.retain(|_, id| *id != sa.id);
        } else {
            self.by_spi.insert(sa.local_spi, sa.id);
            self.sas.insert(sa.id, sa);
        }
    }

    /// Ends an IKE SA. It stays for a while to repeat its last response.
    pub(super) fn close(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, reason: DownReason) {
        self.end(sa, reason);
        sa.forget_at = Some(cx.now + self.config.limits.linger);
    }

    /// Ends an IKE SA and forgets it at once.
    pub(super) fn drop_sa(&mut self, sa: &mut IkeSa, reason: DownReason) {
        self.end(sa, reason);
        sa.forget_at = None;
    }

    fn end(&mut self, sa: &mut IkeSa, reason: DownReason) {
        if sa.state == State::Closed {
            return;
        }
        sa.state = State::Closed;
        sa.requests.outstanding.clear();
        sa.requests.queue.clear();
        (sa.rekey_at, sa.expire_at) = (None, None);
        if self.has(Deviation::KeepsChildrenOfClosedIkeSa)
            || (self.has(Deviation::KeepsChildrenOfDeadPeer) && reason == DownReason::Unreachable)
        {
            sa.children.clear();
        }
        let child_reason = match &reason {
            DownReason::Deleted | DownReason::DeletedByPeer | DownReason::Rekeyed => DownReason::IkeSaClosed,
            other => other.clone(),
        };
        for inbound_spi in sa.children.iter().map(|pair| pair.inbound_spi).collect::<Vec<_>>() {
            self.remove_child(sa, inbound_spi, child_reason.clone());
        }
        let connection = sa.connection.name.clone();
        self.event(Event::IkeSaDown { ike_sa: sa.id, connection, reason });
    }
}
