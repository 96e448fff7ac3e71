//! Aggressive mode with pre-shared keys, both roles (RFC 2409 section 5.4).
//!
//! ```text
//! Initiator                                Responder
//! HDR, SA, KE, Ni, IDii, VID         -->
//!                                    <--   HDR, SA, KE, Nr, IDir, VID, NAT-D, HASH_R
//! HDR*, HASH_I, NAT-D                -->
//! ```

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::nat;
use super::negotiate;
use super::phase1::{Found, announce, offer_octets};
use super::sa::IsakmpSa;
use super::send::Hashed;
use crate::config::Retransmission;
use crate::config::isakmp::{IsakmpConnection, Phase1};
use crate::deviation::Deviation;
use std::sync::Arc;
use wire::ikev1::{Body, Content, Payload};

/// A responder repeats its message only a few times: nobody vouches for the address that it goes to.
const RESPONDER_TRIES: u32 = 3;

type Outcome = Result<(), RejectReason>;

impl Engine {
    // ---- Initiator ----

    /// Message 1. All that is offered has the group of the first policy, since there is one public value.
    pub(super) fn start_aggressive(
        &mut self,
        cx: &mut Cx<'_>,
        connection: Arc<IsakmpConnection>,
        path: Path,
    ) -> Result<IsakmpSa, CommandError> {
        let mut policies = self.policies(&connection);
        let group = policies.first().map(|policy| policy.group);
        policies.retain(|policy| Some(policy.group) == group);
        self.check_startable(&connection, path, &policies)?;
        let offer = negotiate::phase1_offer(&policies);
        let (id, cookie) = (self.new_id(), self.new_cookie(cx.rng));
        let announced = announce(&connection, None);
        let policy = connection.retransmission;
        let mut sa = IsakmpSa::new(id, connection, (true, Phase1::Aggressive), (cookie, 0), path, cx.now);
        // The group is one of ours, which can be drawn for.
        if let Some(group) = group {
            self.draw(cx, &mut sa, group.id()).map_err(|error| CommandError::Configuration(error.to_string()))?;
        }
        let mut payloads = vec![Payload::from(Body::SecurityAssociation(offer.clone()))];
        payloads.extend(self.key_exchange_payloads(&sa));
        payloads.push(self.own_id(&sa));
        payloads.extend(announced);
        sa.handshake.offer = Some(offer);
        self.send_phase1(cx, &mut sa, 1, payloads, (Hashed::Nothing, false), Some(policy));
        Ok(sa)
    }

    /// Message 2 has come; message 3.
    pub(super) fn aggressive_answer(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let payloads = received.message.payloads();
        let answer = self.leading_offer(payloads)?;
        let found = Found::new(payloads);
        let cookie = received.message.header.responder_cookie;
        let offer = sa.handshake.offer.as_ref().filter(|_| cookie != 0).ok_or(RejectReason::UnknownCookies)?;
        let (suite, lifetime) = negotiate::phase1_check(offer, answer, !self.has(Deviation::AcceptsModifiedAttributes))
            .ok_or(RejectReason::ForeignAnswer)?;
        let (public, nonce) = self.key_exchange(&found)?;
        // What is only claimed must not stay if the hash is wrong.
        let before = (sa.peer_cookie, sa.peer, sa.path.remote);
        sa.peer_cookie = cookie;
        sa.handshake.suite = Some(suite);
        sa.lifetime = lifetime;
        sa.peer = self.capabilities(&sa.connection, payloads);
        sa.path.remote = received.path.remote;
        (sa.handshake.peer_public, sa.handshake.peer_nonce) = (public.to_vec(), nonce.to_vec());
        let checked = self.take_identity(sa, found.id).and_then(|identity| {
            self.derive(sa, Some(&identity))?;
            self.check_hash(sa, found.hash)?;
            Ok(identity)
        });
        let identity = match checked {
            Ok(identity) => identity,
            Err(reason) => {
                let reason = self.phase1_fault(cx, sa, received, reason);
                (sa.peer_cookie, sa.peer, sa.path.remote) = before;
                sa.keys = None;
                return Err(reason);
            }
        };
        self.detect_nat(sa, received.path, payloads);
        if !self.has(Deviation::MovesPortAfterPhase1) {
            self.move_port(sa);
        }
        // They tell of the ports that this message goes from and to (RFC 3947 section 3.2).
        let mut payloads = vec![Payload::from(Body::Hash(vec![]))];
        payloads.extend(self.nat_payloads(sa));
        let sent = self.send_phase1(cx, sa, 3, payloads, (Hashed::Phase1, true), None);
        sa.answered.insert(received.fingerprint, sent);
        self.established(cx, sa, identity);
        Ok(())
    }

    // ---- Responder ----

    /// Message 1 has come; message 2.
    pub(super) fn aggressive_request(&mut self, cx: &mut Cx<'_>, received: &Received<'_>) -> Outcome {
        let payloads = received.message.payloads();
        let found = Found::new(payloads);
        let (public, nonce) = self.key_exchange(&found)?;
        let identity = self.identity_of(found.id, received.path)?;
        let path = received.path;
        let candidates = self.candidates(path.local.ip(), path.remote.ip());
        let always = self.has(Deviation::AlwaysAnswersAggressiveMode);
        if !candidates.is_empty() && !always && !candidates.iter().any(|connection| connection.accept_aggressive) {
            return Err(RejectReason::Aggressive);
        }
        let acceptable = |connection: &IsakmpConnection| {
            (connection.accept_aggressive || always)
                && connection.remote_id.as_ref().is_none_or(|expected| *expected == identity)
                && Self::psk(connection, path, Some(&identity)).is_ok()
        };
        let (connection, choice) = {
            let public_len = Some(public.len()).filter(|_| !self.has(Deviation::IgnoresGroupOfPublicValue));
            self.choose(cx, received, acceptable, public_len)?
        };
        let (id, cookie) = (self.new_id(), self.new_cookie(cx.rng));
        let cookies = (cookie, received.message.header.initiator_cookie);
        let mut sa = IsakmpSa::new(id, connection, (false, Phase1::Aggressive), cookies, path, cx.now);
        sa.handshake.suite = Some(choice.suite);
        sa.handshake.offer_octets = offer_octets(payloads);
        sa.lifetime = choice.lifetime;
        sa.peer = self.capabilities(&sa.connection, payloads);
        (sa.handshake.peer_public, sa.handshake.peer_nonce) = (public.to_vec(), nonce.to_vec());
        self.take_identity(&mut sa, found.id)?;
        self.draw(cx, &mut sa, choice.suite.group)?;
        self.derive(&mut sa, Some(&identity))?;
        let mut answer = vec![Payload::from(Body::SecurityAssociation(choice.answer))];
        answer.extend(self.key_exchange_payloads(&sa));
        answer.push(self.own_id(&sa));
        answer.extend(announce(&sa.connection, Some(sa.peer)));
        answer.extend(self.nat_payloads(&sa));
        answer.push(Body::Hash(vec![]).into());
        let policy = Retransmission { tries: RESPONDER_TRIES, ..sa.connection.retransmission };
        let sent = self.send_phase1(cx, &mut sa, 2, answer, (Hashed::Phase1, false), Some(policy));
        sa.answered.insert(received.fingerprint, sent);
        sa.forget_at = Some(cx.now + self.half_open_lifetime());
        sa.peer_id = Some(identity);
        self.by_request.insert(received.origin(), id);
        self.put_back(sa);
        Ok(())
    }

    /// Message 3 has come, encrypted or not: done.
    pub(super) fn aggressive_last(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let (payloads, next_iv) = match &received.message.content {
            Content::Clear(_) if self.has(Deviation::RefusesClearLastMessage) => {
                return Err(RejectReason::NotEncrypted);
            }
            Content::Clear(payloads) => (payloads.clone(), sa.phase1_iv.clone()),
            Content::Encrypted { .. } => {
                let opened = self.open(sa, received.message, &sa.phase1_iv)?;
                let payloads = opened.payloads.map_err(|_| RejectReason::Undecryptable);
                match payloads.and_then(|payloads| self.check_payloads(&payloads).map(|()| payloads)) {
                    Ok(payloads) => (payloads, opened.next_iv),
                    Err(reason) => return Err(self.phase1_fault(cx, sa, received, reason)),
                }
            }
        };
        if let Err(reason) = self.check_hash(sa, Found::new(&payloads).hash) {
            return Err(self.phase1_fault(cx, sa, received, reason));
        }
        let Some(identity) = sa.peer_id.take() else { return Err(RejectReason::Identity) };
        sa.phase1_iv = next_iv;
        // The hashes are those of the path that the message has come on.
        self.detect_nat_late(sa, received.path, &payloads);
        sa.path = received.path;
        sa.outstanding = None;
        sa.answered.insert(received.fingerprint, None);
        self.established(cx, sa, identity);
        Ok(())
    }

    /// The initiator's NAT-D payloads may be for the ports that it began with, or for those that it has changed to:
    /// what is right for either is no NAT.
    fn detect_nat_late(&mut self, sa: &mut IsakmpSa, path: Path, payloads: &[Payload]) {
        let (Some(version), Some(suite)) = (sa.peer.nat, &sa.handshake.suite) else { return };
        let (mode, cookies) = (sa.connection.nat_traversal, sa.cookies());
        let hash = self.nat_hash(suite.hash);
        let on = |path| nat::detect(version, mode, hash, cookies, path, payloads);
        let (Some(before), Some(after)) = (on(sa.path), on(path)) else { return };
        sa.nat = Nat { supported: true, local: before.local && after.local, remote: before.remote && after.remote };
        self.event(Event::NatDetected { ike_sa: sa.id, nat: sa.nat, version });
    }
}
