//! Rekeying of the IKE SA (RFC 7296 sections 1.3.2, 2.8.2, 2.18 and 2.25.2).

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::init::ike_accepts;
use super::keys::{IkeKeys, IkeSuite};
use super::negotiate::{self, Accepts, Choice};
use super::notify::{Found, proper_nonce};
use super::sa::{IkeOffer, IkeSa, PeerRekey, Pending, Task};
use crate::deviation::Deviation;
use crypto::{Group, KeyPair};
use wire::ikev2::{Body, ExchangeType, KeyExchange, Notify, NotifyType, Payload};

impl Engine {
    // ---- Our rekey ----

    pub(super) fn rekey_ike_task(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, group: Option<u16>) {
        if sa.state != State::Established || sa.is_rekeying() || sa.peer_rekey.is_some() {
            return;
        }
        let accepts = ike_accepts(&sa.connection);
        let groups: Vec<u16> = accepts.iter().flat_map(Accepts::groups).collect();
        let agreed = sa.group.filter(|group| groups.contains(group));
        let group = group.or(agreed).or(groups.first().copied());
        let Some(group) = group.and_then(Group::from_iana) else { return };
        let spi = self.new_ike_spi(cx.rng);
        let offer = IkeOffer {
            spi,
            nonce: self.nonce(cx.rng),
            key_pair: KeyPair::generate(group, cx.rng),
            offer: negotiate::offer(&accepts, &spi.to_be_bytes()),
        };
        let payloads: Vec<Payload> = vec![
            Body::SecurityAssociation(offer.offer.clone()).into(),
            Body::Nonce(offer.nonce.clone()).into(),
            Body::KeyExchange(KeyExchange::new(group.id(), offer.key_pair.public())).into(),
        ];
        self.request(cx, sa, ExchangeType::CREATE_CHILD_SA, payloads, Pending::RekeyIke(Box::new(offer)));
    }

    pub(super) fn rekey_ike_response(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        received: &Received<'_>,
        offer: IkeOffer,
    ) {
        let found = Found::new(received.payloads);
        let made = self.completed_rekey(sa, &found, &offer);
        let (peer_spi, keys, peer_nonce) = match made {
            Ok(made) => made,
            Err(error) => return self.rekey_ike_refused(cx, sa, &found, received, &offer, error),
        };
        sa.refused_since = None;
        let mut new = self.successor(cx, sa, true, (offer.spi, peer_spi), keys, offer.key_pair.group().id());
        self.started(cx, sa, &mut new);
        // The IKE SA made with the lowest of four nonces goes, deleted by whoever made it (section 2.8.2).
        let opposite = self.has(Deviation::WrongNonceComparison);
        let ours = (&*offer.nonce).min(&*peer_nonce);
        match sa.peer_rekey.take() {
            Some(peers) if (ours < &*peers.nonce) != opposite => {
                new.requests.push(Task::DeleteIke { reason: DownReason::Redundant });
                self.pump(cx, &mut new);
                self.put_back(new);
                self.hand_over_to(cx, sa, peers.successor);
                self.wait_for_delete(cx, sa);
            }
            _ => {
                self.hand_over(cx, sa, &mut new);
                self.pump(cx, &mut new);
                self.put_back(new);
                sa.state = State::Rekeyed;
                sa.requests.push(Task::DeleteIke { reason: DownReason::Rekeyed });
            }
        }
    }

    fn completed_rekey(
        &self,
        sa: &IkeSa,
        found: &Found<'_>,
        offer: &IkeOffer,
    ) -> Result<(u64, IkeKeys, Vec<u8>), &'static str> {
        let answer = found.sa.ok_or("no SA")?;
        let nonce = found.nonce.filter(|nonce| proper_nonce(nonce)).ok_or("no proper nonce")?;
        let ke = found.ke.ok_or("no KE")?;
        let choice = negotiate::check(&offer.offer, answer, &self.config.deviations);
        let choice = choice.ok_or("the chosen proposal is none of ours")?;
        let suite = choice.ike_suite().ok_or("the chosen proposal is no suite")?;
        let spi = choice.ike_spi().ok_or("no proper SPI")?;
        if suite.group != ke.group || ke.group != offer.key_pair.group().id() {
            return Err("key exchange and chosen proposal disagree");
        }
        let secret = self.agree(&offer.key_pair, &ke.data).map_err(|_| "bad key exchange value")?;
        let old = sa.keys.as_ref().ok_or("no keys")?;
        let keys = old.rekeyed(&suite, &secret, (&offer.nonce, nonce), (offer.spi, spi));
        Ok((spi, keys.ok_or("no keys")?, nonce.to_vec()))
    }

    fn rekey_ike_refused(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        found: &Found<'_>,
        received: &Received<'_>,
        offer: &IkeOffer,
        problem: &'static str,
    ) {
        let refused = found.error().filter(|_| found.sa.is_none());
        let error = refused.map_or(ExchangeError::BadResponse(problem), |n| ExchangeError::Notify(n.clone()));
        let (exchange, message_id) = (received.header.exchange_type, received.header.message_id);
        self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: true, error });
        if let Some(peers) = sa.peer_rekey.take() {
            // The peer's rekey has come through, so nothing is lost.
            self.hand_over_to(cx, sa, peers.successor);
            return self.wait_for_delete(cx, sa);
        }
        match refused.map(|notify| notify.notify_type) {
            Some(NotifyType::TEMPORARY_FAILURE) => self.try_later(cx, sa, Task::RekeyIke { group: None }),
            Some(NotifyType::INVALID_KE_PAYLOAD) => {
                let data = refused.and_then(|notify| <[u8; 2]>::try_from(&*notify.data).ok());
                let wanted = data.map(u16::from_be_bytes).filter(|group| *group != offer.key_pair.group().id());
                let known: Vec<u16> = ike_accepts(&sa.connection).iter().flat_map(Accepts::groups).collect();
                if let Some(group) = wanted.filter(|group| known.contains(group)) {
                    sa.requests.push(Task::RekeyIke { group: Some(group) });
                }
            }
            Some(NotifyType::NO_ADDITIONAL_SAS) => {
                let child = sa.children.first().map(|pair| pair.child.name.clone());
                let child = child.or_else(|| sa.connection.children.first().map(|child| child.name.clone()));
                if let Some(child) = child {
                    self.start_over(cx, sa, &child);
                }
            }
            Some(NotifyType::INVALID_SYNTAX) => self.close(cx, sa, DownReason::Refused(NotifyType::INVALID_SYNTAX)),
            Some(_) => {}
            // The peer believes in a new IKE SA that we cannot have: start afresh (section 2.21).
            None => sa.requests.push(Task::DeleteIke { reason: DownReason::ProtocolError }),
        }
    }

    // ---- The peer's rekey ----

    pub(super) fn rekey_ike_request(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        received: &Received<'_>,
        found: &Found<'_>,
        nonce: &[u8],
    ) {
        let busy = sa.state != State::Established
            || sa.peer_rekey.is_some()
            || sa.is_pending(|pending| {
                matches!(
                    pending,
                    Pending::CreateChild(_)
                        | Pending::DeleteChild { .. }
                        | Pending::DeleteIke { .. }
                        | Pending::Auth(_)
                )
            });
        if busy {
            return self.refuse_with(cx, sa, received, NotifyType::TEMPORARY_FAILURE);
        }
        let Some(offer) = found.sa else { return };
        let accepts = ike_accepts(&sa.connection);
        let group = found.ke.map(|ke| ke.group);
        let preference = sa.connection.preference;
        let choice = negotiate::choose(&accepts, offer, group, preference, &self.config.deviations);
        let usable = |choice: &Choice| Some((choice.ike_suite()?, choice.ike_spi()?));
        let Some((choice, (suite, peer_spi))) = choice.and_then(|choice| Some((choice.clone(), usable(&choice)?)))
        else {
            return self.refuse_with(cx, sa, received, NotifyType::NO_PROPOSAL_CHOSEN);
        };
        let without = found.ke.is_none() && self.has(Deviation::RekeysIkeWithoutKeyExchange);
        let ke = found.ke.filter(|ke| ke.group == suite.group).map(|ke| &*ke.data);
        let Some(peer_value) = ke.or(without.then_some(&[])) else {
            let notify = Notify::new(NotifyType::INVALID_KE_PAYLOAD, suite.group.to_be_bytes());
            return self.refuse(cx, sa, received.header, received.path, notify);
        };
        let own_nonce = self.nonce(cx.rng);
        let spi = self.new_ike_spi(cx.rng);
        let Some((keys, public)) =
            self.answered_rekey(cx, sa, &suite, peer_value, (nonce, &own_nonce), (peer_spi, spi))
        else {
            return self.fatal(cx, sa, received, Notify::new(NotifyType::INVALID_SYNTAX, vec![]));
        };
        let mut payloads: Vec<Payload> = vec![
            Body::SecurityAssociation(choice.answer(&spi.to_be_bytes())).into(),
            Body::Nonce(own_nonce.clone()).into(),
        ];
        if !without {
            payloads.push(Body::KeyExchange(KeyExchange::new(suite.group, public)).into());
        }
        self.respond(cx, sa, received.header, received.path, payloads);
        let mut new = self.successor(cx, sa, false, (spi, peer_spi), keys, suite.group);
        self.started(cx, sa, &mut new);
        let successor = new.id;
        if sa.is_rekeying() {
            // Who inherits the children is decided by the nonces, when our own answer comes.
            sa.peer_rekey = Some(PeerRekey { successor, nonce: nonce.min(&own_nonce).to_vec() });
            self.put_back(new);
        } else {
            self.hand_over(cx, sa, &mut new);
            self.pump(cx, &mut new);
            self.put_back(new);
            self.wait_for_delete(cx, sa);
        }
    }

    fn answered_rekey(
        &self,
        cx: &mut Cx<'_>,
        sa: &IkeSa,
        suite: &IkeSuite,
        peer_value: &[u8],
        nonces: (&[u8], &[u8]),
        spis: (u64, u64),
    ) -> Option<(IkeKeys, Vec<u8>)> {
        let pair = KeyPair::generate(Group::from_iana(suite.group)?, cx.rng);
        let without = peer_value.is_empty() && self.has(Deviation::RekeysIkeWithoutKeyExchange);
        let secret = if without { Default::default() } else { self.agree(&pair, peer_value).ok()? };
        let keys = sa.keys.as_ref()?.rekeyed(suite, &secret, nonces, spis)?;
        Some((keys, pair.public().to_vec()))
    }

    // ---- Shared ----

    /// A new IKE SA in place of an old one. Message IDs and windows start anew (section 2.18).
    fn successor(
        &mut self,
        cx: &mut Cx<'_>,
        old: &IkeSa,
        initiator: bool,
        spis: (u64, u64),
        keys: IkeKeys,
        group: u16,
    ) -> IkeSa {
        let id = self.new_id();
        let initiator = if self.has(Deviation::RekeyKeepsRoles) { old.initiator } else { initiator };
        let mut new = IkeSa::new(id, old.connection.clone(), initiator, spis, old.path, cx.now);
        new.responses = super::retransmit::Responses::new(1);
        new.nat = old.nat;
        new.group = Some(group);
        if self.has(Deviation::RekeyKeepsMessageIds) {
            new.requests.next_id = old.requests.next_id;
        }
        self.derived(&mut new, keys);
        new
    }

    fn started(&mut self, cx: &mut Cx<'_>, old: &IkeSa, new: &mut IkeSa) {
        if let Some(identity) = old.peer_id.clone() {
            self.established(cx, new, identity, Some(old.id));
        }
    }

    /// Children and wishes of the old IKE SA pass to the new one (section 2.8).
    fn hand_over(&mut self, _cx: &mut Cx<'_>, old: &mut IkeSa, new: &mut IkeSa) {
        if self.has(Deviation::RekeyDropsChildren) {
            return;
        }
        new.children.append(&mut old.children);
        let (ending, passing): (Vec<_>, Vec<_>) = old
            .requests
            .queue
            .drain(..)
            .partition(|(_, task)| matches!(task, Task::DeleteIke { .. } | Task::RekeyIke { .. }));
        new.requests.queue.extend(passing);
        old.requests.queue.extend(ending.into_iter().filter(|(_, task)| matches!(task, Task::DeleteIke { .. })));
        (old.rekey_at, old.expire_at) = (None, None);
        self.actions.push_back(Action::MoveChildren { from: old.id, to: new.id });
    }

    pub(super) fn hand_over_to(&mut self, cx: &mut Cx<'_>, old: &mut IkeSa, successor: IkeSaId) {
        if let Some(mut new) = self.sas.remove(&successor) {
            self.hand_over(cx, old, &mut new);
            self.pump(cx, &mut new);
            self.put_back(new);
        }
    }

    /// The peer, whose rekey has come through, deletes the old IKE SA. If it does not, we do after a while.
    fn wait_for_delete(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa) {
        sa.state = State::Rekeyed;
        sa.forget_at = Some(cx.now + self.config.limits.linger);
    }
}
