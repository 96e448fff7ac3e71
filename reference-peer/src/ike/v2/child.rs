//! Child SAs: offering, answering and completing them, in IKE_AUTH and in CREATE_CHILD_SA (RFC 7296 sections 1.3,
//! 2.8, 2.9 and 2.17).

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::negotiate::{self, Accepts, Choice};
use super::notify::{Found, proper_nonce, status};
use super::sa::{ChildPair, IkeSa, Pending, Task};
use super::selectors;
use crate::Instant;
use crate::config::{Child, Lifetime, Mode};
use crate::deviation::Deviation;
use crypto::{Group, KeyPair};
use std::net::IpAddr;
use std::time::Duration;
use wire::ikev2::{
    Body, ExchangeType, Header, KeyExchange, Notify, NotifyType, Payload, ProtocolId, SecurityAssociation,
};

/// Our offer of a Child SA.
#[derive(Debug)]
pub(super) struct ChildOffer {
    pub(super) child: Child,
    pub(super) inbound_spi: u32,
    /// Empty in IKE_AUTH, where the nonces of IKE_SA_INIT count.
    pub(super) nonce: Vec<u8>,
    pub(super) key_pair: Option<KeyPair>,
    offer: SecurityAssociation,
    local_ts: Vec<TrafficRange>,
    remote_ts: Vec<TrafficRange>,
    /// Protocol, inbound and outbound SPI of the pair that it replaces.
    pub(super) rekeys: Option<(ProtocolId, u32, u32)>,
    /// The peer has rekeyed the same pair while this was under way: the lower nonce of that exchange. Kept here since
    /// the pair may be gone by the time that our answer comes.
    pub(super) collision: Option<Vec<u8>>,
}

/// An answer to the peer's offer of a Child SA.
pub(super) struct Answer {
    pub(super) payloads: Vec<Payload>,
    pub(super) sa: Box<ChildSa>,
    pub(super) pair: ChildPair,
}

/// Why the peer's offer is refused.
pub(super) enum Refusal {
    /// With this notify, and that is all.
    Notify(Notify),
    /// With this notify, and it ends the IKE SA.
    Fatal(Notify),
}

impl Refusal {
    fn new(notify_type: NotifyType) -> Self {
        Self::Notify(Notify::new(notify_type, vec![]))
    }

    fn syntax() -> Self {
        Self::Fatal(Notify::new(NotifyType::INVALID_SYNTAX, vec![]))
    }
}

impl ChildOffer {
    /// The first protocol that is offered: ESP or AH.
    pub(super) fn protocol(&self) -> ProtocolId {
        self.offer.proposals.first().map_or(ProtocolId::ESP, |proposal| proposal.protocol)
    }

    /// The payloads of the offer, in the order of section 1.3.
    pub(super) fn payloads(&self) -> Vec<Payload> {
        let mut payloads = vec![];
        if let Some((protocol, inbound_spi, _)) = self.rekeys {
            let spi = inbound_spi.to_be_bytes();
            payloads.push(Body::Notify(Notify::with_spi(protocol, spi, NotifyType::REKEY_SA, vec![])).into());
        }
        if self.child.mode == Mode::Transport {
            payloads.push(status(NotifyType::USE_TRANSPORT_MODE));
        }
        payloads.push(Body::SecurityAssociation(self.offer.clone()).into());
        if !self.nonce.is_empty() {
            payloads.push(Body::Nonce(self.nonce.clone()).into());
        }
        if let Some(pair) = &self.key_pair {
            payloads.push(Body::KeyExchange(KeyExchange::new(pair.group().id(), pair.public())).into());
        }
        payloads.push(Body::TsInitiator(selectors::write(&self.local_ts)).into());
        payloads.push(Body::TsResponder(selectors::write(&self.remote_ts)).into());
        payloads
    }
}

/// When an SA that is made now is to be rekeyed and when it ends.
pub(super) fn deadlines(cx: &mut Cx<'_>, lifetime: &Lifetime) -> (Option<Instant>, Option<Instant>) {
    let jitter = lifetime.jitter.mul_f64(f64::from(cx.rng.next_u32()) / f64::from(u32::MAX));
    let rekey = lifetime.rekey.map(|rekey| cx.now + rekey.saturating_sub(jitter).max(Duration::from_millis(1)));
    (rekey, lifetime.expiry.map(|expiry| cx.now + expiry))
}

impl Engine {
    // ---- Offering ----

    /// Makes an offer. `group` is the one that the peer has asked for; `Some` of a nonce makes it one for
    /// CREATE_CHILD_SA. Nothing if the configuration has no proposal that we can do.
    pub(super) fn child_offer(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &IkeSa,
        child: Child,
        create: Option<Option<u16>>,
        rekeys: Option<(ProtocolId, u32, u32)>,
    ) -> Option<ChildOffer> {
        let accepts = child_accepts(&child, create.is_some(), rekeys.map(|(protocol, ..)| protocol));
        if accepts.is_empty() {
            return None;
        }
        let inbound_spi = self.new_child_spi(sa, cx.rng);
        let offer = negotiate::offer(&accepts, &inbound_spi.to_be_bytes());
        let group = create.and_then(|asked| asked.or_else(|| accepts.first().and_then(|first| first.groups().next())));
        let key_pair = group.and_then(Group::from_iana).map(|group| KeyPair::generate(group, cx.rng));
        let nonce = match create {
            Some(_) if self.has(Deviation::ReusesNonce) => sa.handshake.nonce.clone(),
            Some(_) => self.nonce(cx.rng),
            None => vec![],
        };
        let local_ts = selectors::resolve(&child.local_ts, sa.path.local.ip());
        let remote_ts = selectors::resolve(&child.remote_ts, sa.path.remote.ip());
        Some(ChildOffer { child, inbound_spi, nonce, key_pair, offer, local_ts, remote_ts, rekeys, collision: None })
    }

    /// Sets up a Child SA from the peer's answer to our offer.
    pub(super) fn complete_child(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        offer: &ChildOffer,
        found: &Found<'_>,
        nonces: (&[u8], &[u8]),
        secret: Option<&[u8]>,
    ) -> Result<(), &'static str> {
        let (Some(answer), Some(ts_i), Some(ts_r)) = (found.sa, found.ts_initiator, found.ts_responder) else {
            return Err("SA, TSi or TSr is missing");
        };
        let choice = negotiate::check(&offer.offer, answer, &self.config.deviations);
        let choice = choice.ok_or("the chosen proposal is none of ours")?;
        let outbound_spi = choice.child_spi().ok_or("no proper SPI")?;
        if choice.group().is_some() != secret.is_some() {
            return Err("key exchange and chosen proposal disagree");
        }
        let transport = found.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let mode = match (offer.child.mode, transport) {
            (Mode::Transport, true) => Mode::Transport,
            (Mode::Transport, false) => return Err("transport mode was declined"),
            (Mode::Tunnel, true) => return Err("transport mode was not asked for"),
            (Mode::Tunnel, false) => Mode::Tunnel,
        };
        let (mut local_ts, mut remote_ts) = (selectors::read(ts_i), selectors::read(ts_r));
        let original_addresses = self.translate(sa, mode, (&mut local_ts, sa.path.local.ip()), &mut remote_ts);
        let within =
            selectors::is_subset(&local_ts, &offer.local_ts) && selectors::is_subset(&remote_ts, &offer.remote_ts);
        if !within {
            return Err("traffic selectors are not within what was offered");
        }
        let negotiated = Negotiated {
            choice: &choice,
            mode,
            inbound_spi: offer.inbound_spi,
            outbound_spi,
            local_ts,
            remote_ts,
            original_addresses,
            initiator: true,
            rekeys: offer.rekeys.map(|(_, inbound, _)| inbound),
        };
        let (child_sa, pair) =
            self.child_sa(cx, sa, &offer.child, negotiated, nonces, secret).ok_or("no keys for the chosen proposal")?;
        self.install(cx, sa, child_sa, pair);
        Ok(())
    }

    // ---- Answering ----

    /// Answers the peer's offer of a Child SA. `nonces` are the initiator's and the responder's of this exchange.
    pub(super) fn answer_child(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        found: &Found<'_>,
        nonces: (&[u8], &[u8]),
        create: bool,
        rekeys: Option<&ChildPair>,
    ) -> Result<Answer, Refusal> {
        let (Some(offer), Some(ts_i), Some(ts_r)) = (found.sa, found.ts_initiator, found.ts_responder) else {
            return Err(Refusal::syntax());
        };
        if rekeys.is_none() && sa.children.len() >= self.config.limits.children {
            return Err(Refusal::new(NotifyType::NO_ADDITIONAL_SAS));
        }
        let transport = found.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let connection = sa.connection.clone();
        let configured: Vec<Child> = match rekeys {
            Some(pair) => vec![pair.child.clone()],
            None => connection.children.clone(),
        };
        let group = found.ke.filter(|_| create).map(|ke| ke.group);
        let mut refusal = NotifyType::TS_UNACCEPTABLE;
        let mut accepted = None;
        for child in configured {
            // Transport mode only where both want it (section 1.3.1).
            if child.mode == Mode::Transport && !transport {
                continue;
            }
            let mut mode = child.mode;
            if transport && self.has(Deviation::AcceptsAnyTransport) {
                mode = Mode::Transport;
            }
            let (mut remote_ts, mut local_ts) = (selectors::read(ts_i), selectors::read(ts_r));
            if self.has(Deviation::IgnoresIpv6Selectors) {
                remote_ts.retain(|range| range.start.is_ipv4());
                local_ts.retain(|range| range.start.is_ipv4());
            }
            let original = self.translate(sa, mode, (&mut local_ts, sa.path.local.ip()), &mut remote_ts);
            let local_policy = selectors::resolve(&child.local_ts, sa.path.local.ip());
            let remote_policy = selectors::resolve(&child.remote_ts, sa.path.remote.ip());
            let mut local_ts = selectors::narrow(&local_ts, &local_policy);
            let mut remote_ts = selectors::narrow(&remote_ts, &remote_policy);
            if self.has(Deviation::AnswersOwnSelectors) && !(local_ts.is_empty() || remote_ts.is_empty())
                || self.has(Deviation::IgnoresOfferedSelectors)
            {
                (local_ts, remote_ts) = (local_policy, remote_policy);
            }
            if local_ts.is_empty() || remote_ts.is_empty() {
                continue;
            }
            let accepts = child_accepts(&child, create, rekeys.map(|pair| pair.protocol));
            let choice = negotiate::choose(&accepts, offer, group, connection.preference, &self.config.deviations);
            match choice {
                Some(choice) => {
                    let single = |ranges| selectors::single_address(ranges).is_some();
                    if self.has(Deviation::TransportBetweenHosts) && single(&local_ts) && single(&remote_ts) {
                        mode = Mode::Transport;
                    }
                    accepted = Some((child, mode, local_ts, remote_ts, original, choice));
                    break;
                }
                None => refusal = NotifyType::NO_PROPOSAL_CHOSEN,
            }
        }
        let (child, mode, local_ts, remote_ts, original_addresses, choice) =
            accepted.ok_or_else(|| Refusal::new(refusal))?;
        let outbound_spi = choice.child_spi().ok_or_else(Refusal::syntax)?;

        let mut secret = None;
        let mut key_exchange: Option<Payload> = None;
        if let Some(group) = choice.group() {
            let wrong = || Refusal::Notify(Notify::new(NotifyType::INVALID_KE_PAYLOAD, group.to_be_bytes()));
            let ke = found.ke.filter(|ke| ke.group == group).ok_or_else(wrong)?;
            let known = Group::from_iana(group).ok_or_else(wrong)?;
            let pair = KeyPair::generate(known, cx.rng);
            // An improper value ends the IKE SA (RFC 6989 section 2.5).
            secret = Some(self.agree(&pair, &ke.data).map_err(|_| Refusal::syntax())?);
            key_exchange = Some(Body::KeyExchange(KeyExchange::new(group, pair.public())).into());
        }
        let inbound_spi = self.new_child_spi(sa, cx.rng);
        let mut payloads: Vec<Payload> = vec![];
        if mode == Mode::Transport && transport && !self.has(Deviation::OmitsTransportNotify) {
            payloads.push(status(NotifyType::USE_TRANSPORT_MODE));
        }
        let mut answer = choice.answer(&inbound_spi.to_be_bytes());
        if self.has(Deviation::EchoesAllProposals) {
            answer = offer.clone();
            answer.proposals.iter_mut().for_each(|proposal| proposal.spi = inbound_spi.to_be_bytes().to_vec());
        }
        payloads.push(Body::SecurityAssociation(answer).into());
        if create {
            payloads.push(Body::Nonce(nonces.1.to_vec()).into());
        }
        payloads.extend(key_exchange);
        payloads.push(Body::TsInitiator(selectors::write(&remote_ts)).into());
        payloads.push(Body::TsResponder(selectors::write(&local_ts)).into());
        let negotiated = Negotiated {
            choice: &choice,
            mode,
            inbound_spi,
            outbound_spi,
            local_ts,
            remote_ts,
            original_addresses,
            initiator: false,
            rekeys: rekeys.map(|pair| pair.inbound_spi),
        };
        let secret = secret.as_ref().map(|secret| &secret[..]);
        let made = self.child_sa(cx, sa, &child, negotiated, nonces, secret);
        let (sa, pair) = made.ok_or_else(|| Refusal::new(NotifyType::NO_PROPOSAL_CHOSEN))?;
        Ok(Answer { payloads, sa, pair })
    }

    /// In transport mode behind a NAT, selectors name addresses as the peer sees them: they are replaced by those that
    /// we see (section 2.23.1). Gives the peer's view of our and of its own address.
    fn translate(
        &self,
        sa: &IkeSa,
        mode: Mode,
        local: (&mut Vec<TrafficRange>, IpAddr),
        remote_ts: &mut [TrafficRange],
    ) -> Option<(IpAddr, IpAddr)> {
        if mode != Mode::Transport || !sa.nat.detected() {
            return None;
        }
        let (local_ts, own) = local;
        let original = selectors::single_address(local_ts).zip(selectors::single_address(remote_ts));
        if sa.nat.remote {
            selectors::substitute(remote_ts, sa.path.remote.ip());
        }
        if sa.nat.local {
            selectors::substitute(local_ts, own);
        }
        original
    }

    fn child_sa(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &IkeSa,
        child: &Child,
        negotiated: Negotiated<'_>,
        nonces: (&[u8], &[u8]),
        secret: Option<&[u8]>,
    ) -> Option<(Box<ChildSa>, ChildPair)> {
        let choice = negotiated.choice;
        let protocol = choice.proposal.protocol;
        let (encryption, integrity) = (choice.encryption(), choice.integrity());
        if (protocol == ProtocolId::ESP) != encryption.is_some() {
            return None;
        }
        let keys = sa.keys.as_ref()?.child(secret, nonces, encryption, integrity)?;
        // The SA from the initiator of this exchange to its responder takes its keys first (section 2.17).
        let swapped = self.has(Deviation::SwapsChildKeys);
        let (outbound, inbound) = if negotiated.initiator != swapped { keys } else { (keys.1, keys.0) };
        let (rekey_at, expire_at) = deadlines(cx, &child.lifetime);
        let pair = ChildPair {
            child: child.clone(),
            protocol,
            inbound_spi: negotiated.inbound_spi,
            outbound_spi: negotiated.outbound_spi,
            local_ts: negotiated.local_ts.clone(),
            remote_ts: negotiated.remote_ts.clone(),
            rekey_at,
            expire_at,
            deleting: false,
            rekeying: false,
            rekeyed_by_peer: false,
        };
        let sa = ChildSa {
            ike_sa: Some(sa.id),
            connection: sa.connection.name.clone(),
            child: child.name.clone(),
            protocol,
            mode: negotiated.mode,
            inbound_spi: negotiated.inbound_spi,
            outbound_spi: negotiated.outbound_spi,
            encryption,
            integrity,
            inbound,
            outbound,
            path: sa.path,
            udp_encapsulation: sa.nat.detected() || self.has(Deviation::AlwaysEncapsulates),
            local_ts: negotiated.local_ts,
            remote_ts: negotiated.remote_ts,
            original_addresses: negotiated.original_addresses,
            esn: choice.esn(),
            replay_window: child.replay_window,
            initiator: negotiated.initiator,
            rekeys: negotiated.rekeys,
            group: choice.group(),
        };
        Some((Box::new(sa), pair))
    }

    pub(super) fn install(&mut self, _cx: &mut Cx<'_>, sa: &mut IkeSa, child_sa: Box<ChildSa>, pair: ChildPair) {
        let up = Event::ChildUp {
            ike_sa: sa.id,
            child: pair.child.name.clone(),
            inbound_spi: pair.inbound_spi,
            outbound_spi: pair.outbound_spi,
        };
        sa.children.push(pair);
        self.actions.push_back(Action::InstallChild(child_sa));
        self.event(up);
    }

    /// Forgets a child pair, if it is still there.
    pub(super) fn remove_child(&mut self, sa: &mut IkeSa, inbound_spi: u32, reason: DownReason) {
        let Some(index) = sa.children.iter().position(|pair| pair.inbound_spi == inbound_spi) else { return };
        let pair = sa.children.remove(index);
        let (protocol, outbound_spi) = (pair.protocol, pair.outbound_spi);
        self.actions.push_back(Action::RemoveChild { protocol, inbound_spi, outbound_spi, reason: reason.clone() });
        self.event(Event::ChildDown { ike_sa: sa.id, child: pair.child.name, inbound_spi, reason });
    }

    // ---- CREATE_CHILD_SA, our request ----

    pub(super) fn create_child_task(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, child: &str, group: Option<u16>) {
        if sa.state != State::Established || sa.is_rekeying() {
            return; // what is wanted of a replaced IKE SA moves with its children
        }
        let Some(config) = sa.connection.child(child).cloned() else { return };
        if let Some(offer) = self.child_offer(cx, sa, config, Some(group), None) {
            let payloads = offer.payloads();
            self.request(cx, sa, ExchangeType::CREATE_CHILD_SA, payloads, Pending::CreateChild(Box::new(offer)));
        }
    }

    pub(super) fn rekey_child_task(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, inbound_spi: u32, group: Option<u16>) {
        let ready = sa.state == State::Established && !sa.is_rekeying();
        let early = self.has(Deviation::DeletesBeforeRekey);
        let wrong_spi = self.has(Deviation::RekeyNamesOutboundSpi);
        let Some(pair) = sa.inbound(inbound_spi) else { return };
        if !ready || pair.deleting || pair.rekeyed_by_peer {
            pair.rekeying = false;
            return;
        }
        pair.rekeying = true;
        let (config, protocol, outbound_spi) = (pair.child.clone(), pair.protocol, pair.outbound_spi);
        let named = if wrong_spi { outbound_spi } else { inbound_spi };
        let Some(mut offer) =
            self.child_offer(cx, sa, config.clone(), Some(group), Some((protocol, named, outbound_spi)))
        else {
            return;
        };
        if early {
            self.delete_child_task(cx, sa, inbound_spi, DownReason::Rekeyed);
            sa.requests.push(Task::CreateChild { child: config.name, group });
            return;
        }
        let payloads = offer.payloads();
        offer.rekeys = Some((protocol, inbound_spi, outbound_spi));
        self.request(cx, sa, ExchangeType::CREATE_CHILD_SA, payloads, Pending::CreateChild(Box::new(offer)));
    }

    pub(super) fn create_child_response(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        received: &Received<'_>,
        offer: ChildOffer,
    ) {
        let found = Found::new(received.payloads);
        if found.sa.is_none() || found.error().is_some_and(|error| error.notify_type.name().is_none()) {
            return self.child_refused(cx, sa, &found, received.header, offer);
        }
        sa.refused_since = None;
        let Some(peer_nonce) = found.nonce.filter(|nonce| proper_nonce(nonce)) else {
            self.forget_rekeying(sa, &offer);
            return self.child_answer_rejected(sa, &offer, received.header, "no proper nonce");
        };
        let mut secret = None;
        if let (Some(pair), Some(ke)) = (&offer.key_pair, found.ke) {
            match self.agree(pair, &ke.data) {
                Ok(shared) if ke.group == pair.group().id() => secret = Some(shared),
                _ => {
                    self.forget_rekeying(sa, &offer);
                    return self.child_answer_rejected(sa, &offer, received.header, "bad key exchange value");
                }
            }
        }
        let secret = secret.as_ref().map(|secret| &secret[..]);
        let nonces = (&*offer.nonce, peer_nonce);
        if let Err(problem) = self.complete_child(cx, sa, &offer, &found, nonces, secret) {
            self.forget_rekeying(sa, &offer);
            return self.child_answer_rejected(sa, &offer, received.header, problem);
        }
        let Some((_, old_spi, _)) = offer.rekeys else { return };
        let opposite = self.has(Deviation::WrongNonceComparison);
        // Both have rekeyed it: the pair made with the lowest of four nonces goes, and whoever made it deletes it; the
        // other side's exchange has won, and that side deletes the old pair (section 2.8.1).
        let ours_is_lowest =
            offer.collision.as_ref().is_some_and(|peers| (nonces.0.min(nonces.1) < &peers[..]) != opposite);
        if let Some(old) = sa.inbound(old_spi) {
            old.rekeying = false;
        }
        let (spi, reason) =
            if ours_is_lowest { (offer.inbound_spi, DownReason::Redundant) } else { (old_spi, DownReason::Rekeyed) };
        if let Some(pair) = sa.inbound(spi).filter(|pair| !pair.deleting) {
            pair.deleting = true;
            sa.requests.push(Task::DeleteChild { inbound_spi: spi, reason });
        }
    }

    fn forget_rekeying(&self, sa: &mut IkeSa, offer: &ChildOffer) {
        if let Some(old) = offer.rekeys.and_then(|(_, inbound_spi, _)| sa.inbound(inbound_spi)) {
            old.rekeying = false;
        }
    }

    /// The peer has refused our CREATE_CHILD_SA for a Child SA. The IKE SA stays.
    fn child_refused(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        found: &Found<'_>,
        header: &Header,
        offer: ChildOffer,
    ) {
        let error = match found.error() {
            Some(notify) => ExchangeError::Notify(notify.clone()),
            None => ExchangeError::BadResponse("neither SA nor error"),
        };
        let (exchange, message_id) = (header.exchange_type, header.message_id);
        self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: true, error });
        let task = |group| match offer.rekeys {
            Some((_, inbound_spi, _)) => Task::RekeyChild { inbound_spi, group },
            None => Task::CreateChild { child: offer.child.name.clone(), group },
        };
        let collided = offer
            .rekeys
            .is_some_and(|(_, spi, _)| sa.inbound(spi).is_none_or(|old| old.rekeyed_by_peer || old.deleting));
        let kind = found.error().map(|notify| notify.notify_type);
        self.forget_rekeying(sa, &offer);
        match kind {
            _ if collided => {} // the peer was faster, and that is known (section 2.8.1)
            Some(NotifyType::TEMPORARY_FAILURE) => self.try_later(cx, sa, task(None)),
            Some(NotifyType::INVALID_KE_PAYLOAD) => {
                let data = found.error().and_then(|notify| <[u8; 2]>::try_from(&*notify.data).ok());
                let wanted = data.map(u16::from_be_bytes);
                let current = offer.key_pair.as_ref().map(|pair| pair.group().id());
                let known =
                    child_accepts(&offer.child, true, None).iter().flat_map(Accepts::groups).collect::<Vec<_>>();
                if let Some(group) = wanted.filter(|group| Some(*group) != current && known.contains(group)) {
                    sa.requests.push(task(Some(group)));
                }
            }
            Some(NotifyType::CHILD_SA_NOT_FOUND) => {
                // It is gone at the other end: forget it, and make a new one (section 2.25).
                if let Some((_, inbound_spi, _)) = offer.rekeys {
                    self.remove_child(sa, inbound_spi, DownReason::DeletedByPeer);
                    sa.requests.push(Task::CreateChild { child: offer.child.name.clone(), group: None });
                }
            }
            Some(NotifyType::NO_ADDITIONAL_SAS) if offer.rekeys.is_some() => self.start_over(cx, sa, &offer.child.name),
            Some(NotifyType::INVALID_SYNTAX) => self.close(cx, sa, DownReason::Refused(NotifyType::INVALID_SYNTAX)),
            _ => {}
        }
        if self.has(Deviation::DropsIkeSaWithFailedChild) && sa.state == State::Established {
            sa.requests.push(Task::DeleteIke { reason: DownReason::ProtocolError });
        }
    }

    /// TEMPORARY_FAILURE: not again at once, and not for ever (section 2.25).
    pub(super) fn try_later(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, task: Task) {
        let since = *sa.refused_since.get_or_insert(cx.now);
        if cx.now.since(since) > Duration::from_secs(180) {
            sa.requests.push(Task::DeleteIke { reason: DownReason::Refused(NotifyType::TEMPORARY_FAILURE) });
        } else if self.has(Deviation::RetriesAtOnce) {
            sa.requests.push(task);
        } else {
            // At a random time, lest both ends meet again and again.
            let wait = self.config.limits.temporary_failure;
            let extra = wait.mul_f64(f64::from(cx.rng.next_u32()) / f64::from(u32::MAX));
            sa.requests.queue.push_back((Some(cx.now + wait + extra), task));
        }
    }

    /// The peer makes no more SAs under this IKE SA: a new IKE SA takes its place (section 4).
    pub(super) fn start_over(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, child: &str) {
        let path = Path {
            local: std::net::SocketAddr::new(sa.path.local.ip(), sa.connection.port),
            remote: std::net::SocketAddr::new(sa.path.remote.ip(), sa.connection.port),
        };
        // Cannot fail: the same proposals were good enough for this IKE SA.
        let _ = self.start_init(cx, sa.connection.clone(), child, path);
        sa.requests.push(Task::DeleteIke { reason: DownReason::Refused(NotifyType::NO_ADDITIONAL_SAS) });
    }

    // ---- CREATE_CHILD_SA, the peer's request ----

    pub(super) fn create_child_request(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, received: &Received<'_>) {
        let found = Found::new(received.payloads);
        let (Some(offer), Some(nonce)) = (found.sa, found.nonce.filter(|nonce| proper_nonce(nonce))) else {
            return self.fatal(cx, sa, received, Notify::new(NotifyType::INVALID_SYNTAX, vec![]));
        };
        if offer.proposals.iter().any(|proposal| proposal.protocol == ProtocolId::IKE) {
            return self.rekey_ike_request(cx, sa, received, &found, nonce);
        }
        if sa.state != State::Established || sa.is_rekeying() {
            return self.refuse_with(cx, sa, received, NotifyType::TEMPORARY_FAILURE);
        }
        let mut rekeys = None;
        if let Some(notify) = found.notify(NotifyType::REKEY_SA) {
            let spi = <[u8; 4]>::try_from(&*notify.spi).ok().map(u32::from_be_bytes);
            let pair = spi.and_then(|spi| sa.outbound(notify.protocol, spi)).cloned();
            match pair {
                None => {
                    let kind = NotifyType::CHILD_SA_NOT_FOUND;
                    let notify = Notify::with_spi(notify.protocol, notify.spi.clone(), kind, vec![]);
                    return self.refuse(cx, sa, received.header, received.path, notify);
                }
                Some(pair) if pair.deleting => {
                    return self.refuse_with(cx, sa, received, NotifyType::TEMPORARY_FAILURE);
                }
                Some(pair) => rekeys = Some(pair),
            }
        }
        let own_nonce = if self.has(Deviation::ReusesNonce) { sa.handshake.nonce.clone() } else { self.nonce(cx.rng) };
        match self.answer_child(cx, sa, &found, (nonce, &own_nonce), true, rekeys.as_ref()) {
            Ok(answer) => {
                if let Some(old) = rekeys.and_then(|old| sa.inbound(old.inbound_spi)) {
                    old.rekeyed_by_peer = true;
                    old.rekey_at = None;
                    let inbound_spi = old.inbound_spi;
                    for request in &mut sa.requests.outstanding {
                        if let Pending::CreateChild(offer) = &mut request.pending
                            && offer.rekeys.is_some_and(|(_, ours, _)| ours == inbound_spi)
                        {
                            offer.collision = Some(nonce.min(&own_nonce).to_vec());
                        }
                    }
                }
                let replaced = answer.sa.rekeys;
                // We can receive on it before the peer knows that it can send (section 2.8).
                if self.has(Deviation::InstallsAfterResponse) {
                    self.respond(cx, sa, received.header, received.path, answer.payloads);
                    self.install(cx, sa, answer.sa, answer.pair);
                } else {
                    self.install(cx, sa, answer.sa, answer.pair);
                    self.respond(cx, sa, received.header, received.path, answer.payloads);
                }
                if let (Some(inbound_spi), true) = (replaced, self.has(Deviation::RemovesOldChildAtOnce)) {
                    self.remove_child(sa, inbound_spi, DownReason::Rekeyed);
                }
            }
            Err(Refusal::Notify(notify)) => {
                self.refuse(cx, sa, received.header, received.path, notify);
                if self.has(Deviation::DropsIkeSaWithFailedChild) {
                    self.close(cx, sa, DownReason::ProtocolError);
                }
            }
            Err(Refusal::Fatal(notify)) => self.fatal(cx, sa, received, notify),
        }
    }

    pub(super) fn refuse_with(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        received: &Received<'_>,
        notify_type: NotifyType,
    ) {
        self.refuse(cx, sa, received.header, received.path, Notify::new(notify_type, vec![]));
    }

    /// Refuses a request with an error that ends the IKE SA (section 2.21.3).
    pub(super) fn fatal(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, received: &Received<'_>, notify: Notify) {
        self.refuse(cx, sa, received.header, received.path, notify);
        if !self.has(Deviation::IgnoresBadRequests) {
            self.close(cx, sa, DownReason::ProtocolError);
        }
    }
}

/// What both sides have agreed on.
struct Negotiated<'a> {
    choice: &'a Choice,
    mode: Mode,
    inbound_spi: u32,
    outbound_spi: u32,
    local_ts: Vec<TrafficRange>,
    remote_ts: Vec<TrafficRange>,
    original_addresses: Option<(IpAddr, IpAddr)>,
    initiator: bool,
    rekeys: Option<u32>,
}

/// The proposals of a child, of one protocol if it replaces a pair of that.
fn child_accepts(child: &Child, create: bool, protocol: Option<ProtocolId>) -> Vec<Accepts> {
    let proposals = child.esp_proposals.iter().filter(|own| protocol.is_none_or(|protocol| own.protocol == protocol));
    proposals.map(|own| Accepts::child(own, create)).filter(Accepts::is_complete).collect()
}
