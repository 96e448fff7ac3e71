//! Main mode with pre-shared keys, both roles (RFC 2409 section 5.4).
//!
//! ```text
//! Initiator                    Responder
//! HDR, SA, VID           -->
//!                        <--   HDR, SA, VID
//! HDR, KE, Ni, NAT-D     -->
//!                        <--   HDR, KE, Nr, NAT-D
//! HDR*, IDii, HASH_I     -->
//!                        <--   HDR*, IDir, HASH_R
//! ```

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::negotiate;
use super::phase1::{Found, announce, offer_octets};
use super::protect::Opened;
use super::sa::IsakmpSa;
use super::send::Hashed;
use crate::config::Identity;
use crate::config::isakmp::{IsakmpConnection, Phase1};
use crate::deviation::Deviation;
use std::sync::Arc;
use wire::ikev1::{Body, Payload};

type Outcome = Result<(), RejectReason>;

impl Engine {
    // ---- Initiator ----

    /// Message 1.
    pub(super) fn start_main(
        &mut self,
        cx: &mut Cx<'_>,
        connection: Arc<IsakmpConnection>,
        path: Path,
    ) -> Result<IsakmpSa, CommandError> {
        let policies = self.policies(&connection);
        self.check_startable(&connection, path, &policies)?;
        let offer = negotiate::phase1_offer(&policies);
        let mut payloads = vec![Payload::from(Body::SecurityAssociation(offer.clone()))];
        payloads.extend(announce(&connection, None));
        let (id, cookie) = (self.new_id(), self.new_cookie(cx.rng));
        let policy = connection.retransmission;
        let mut sa = IsakmpSa::new(id, connection, (true, Phase1::Main), (cookie, 0), path, cx.now);
        sa.handshake.offer = Some(offer);
        self.send_phase1(cx, &mut sa, 1, payloads, (Hashed::Nothing, false), Some(policy));
        Ok(sa)
    }

    /// Message 2 has come; message 3.
    pub(super) fn main_answer(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let payloads = clear(received)?;
        let answer = self.leading_offer(payloads)?;
        let cookie = received.message.header.responder_cookie;
        let offer = sa.handshake.offer.as_ref().filter(|_| cookie != 0).ok_or(RejectReason::UnknownCookies)?;
        let (suite, lifetime) = negotiate::phase1_check(offer, answer, !self.has(Deviation::AcceptsModifiedAttributes))
            .ok_or(RejectReason::ForeignAnswer)?;
        sa.peer_cookie = cookie;
        sa.handshake.suite = Some(suite);
        sa.lifetime = lifetime;
        sa.peer = self.capabilities(&sa.connection, payloads);
        sa.path.remote = received.path.remote;
        sa.refused = None;
        self.draw(cx, sa, suite.group)?;
        let mut payloads = self.key_exchange_payloads(sa);
        payloads.extend(self.nat_payloads(sa));
        let policy = sa.connection.retransmission;
        let sent = self.send_phase1(cx, sa, 3, payloads, (Hashed::Nothing, false), Some(policy));
        sa.answered.insert(received.fingerprint, sent);
        sa.state = State::SaSetup;
        Ok(())
    }

    /// Message 4 has come; message 5.
    pub(super) fn main_public_answer(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        received: &Received<'_>,
    ) -> Outcome {
        let payloads = clear(received)?;
        let (public, nonce) = self.key_exchange(&Found::new(payloads))?;
        (sa.handshake.peer_public, sa.handshake.peer_nonce) = (public.to_vec(), nonce.to_vec());
        self.derive(sa, None)?;
        self.detect_nat(sa, received.path, payloads);
        if !self.has(Deviation::MovesPortAfterPhase1) {
            self.move_port(sa);
        }
        let mut payloads = vec![self.own_id(sa), Body::Hash(vec![]).into()];
        if self.first_contact(sa) {
            payloads.push(self.initial_contact(sa));
        }
        let policy = sa.connection.retransmission;
        let sent = self.send_phase1(cx, sa, 5, payloads, (Hashed::Phase1, true), Some(policy));
        sa.answered.insert(received.fingerprint, sent);
        sa.state = State::KeyExchange;
        Ok(())
    }

    /// Message 6 has come: done.
    pub(super) fn main_identity_answer(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        received: &Received<'_>,
    ) -> Outcome {
        let (identity, opened) = match self.opened_identity(sa, received) {
            Ok(opened) => opened,
            Err(reason) => return Err(self.phase1_fault(cx, sa, received, reason)),
        };
        sa.phase1_iv = opened.next_iv;
        sa.outstanding = None;
        sa.answered.insert(received.fingerprint, None);
        self.established(cx, sa, identity);
        self.heed_initial_contact(sa, &opened.payloads.unwrap_or_default());
        Ok(())
    }

    // ---- Responder ----

    /// Message 1 has come; message 2.
    pub(super) fn main_request(&mut self, cx: &mut Cx<'_>, received: &Received<'_>) -> Outcome {
        let path = received.path;
        let has_key = |connection: &IsakmpConnection| Self::psk(connection, path, None).is_ok();
        let (connection, choice) = self.choose(cx, received, has_key, None)?;
        let payloads = received.message.payloads();
        let (id, cookie) = (self.new_id(), self.new_cookie(cx.rng));
        let cookies = (cookie, received.message.header.initiator_cookie);
        let mut sa = IsakmpSa::new(id, connection, (false, Phase1::Main), cookies, path, cx.now);
        sa.handshake.suite = Some(choice.suite);
        sa.handshake.offer_octets = offer_octets(payloads);
        sa.lifetime = choice.lifetime;
        sa.peer = self.capabilities(&sa.connection, payloads);
        let mut payloads = vec![Payload::from(Body::SecurityAssociation(choice.answer))];
        payloads.extend(announce(&sa.connection, Some(sa.peer)));
        let sent = self.send_phase1(cx, &mut sa, 2, payloads, (Hashed::Nothing, false), None);
        sa.answered.insert(received.fingerprint, sent);
        sa.forget_at = Some(cx.now + self.half_open_lifetime());
        self.by_request.insert(received.origin(), id);
        self.put_back(sa);
        Ok(())
    }

    /// Message 3 has come; message 4.
    pub(super) fn main_public_value(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let payloads = clear(received)?;
        let (public, nonce) = self.key_exchange(&Found::new(payloads))?;
        let group = sa.handshake.suite.as_ref().map(|suite| suite.group).ok_or(RejectReason::KeyExchange)?;
        (sa.handshake.peer_public, sa.handshake.peer_nonce) = (public.to_vec(), nonce.to_vec());
        self.draw(cx, sa, group)?;
        if let Err(reason) = self.derive(sa, None) {
            return Err(self.phase1_fault(cx, sa, received, reason));
        }
        self.detect_nat(sa, received.path, payloads);
        sa.path = received.path;
        let mut payloads = self.key_exchange_payloads(sa);
        payloads.extend(self.nat_payloads(sa));
        let sent = self.send_phase1(cx, sa, 4, payloads, (Hashed::Nothing, false), None);
        sa.answered.insert(received.fingerprint, sent);
        sa.state = State::KeyExchange;
        Ok(())
    }

    /// Message 5 has come; message 6.
    pub(super) fn main_identity(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let (identity, opened) = match self.opened_identity(sa, received) {
            Ok(opened) => opened,
            Err(reason) => {
                if reason == RejectReason::Hash && self.has(Deviation::AnswersBeforeCheckingHash) {
                    self.answer_unchecked(cx, sa, received);
                }
                return Err(self.phase1_fault(cx, sa, received, reason));
            }
        };
        // What is valid shows where the peer is (RFC 3947 section 4).
        if !self.has(Deviation::AnswersOldPort) {
            sa.path = received.path;
        }
        sa.phase1_iv = opened.next_iv;
        let answer = vec![self.own_id(sa), Body::Hash(vec![]).into()];
        let sent = self.send_phase1(cx, sa, 6, answer, (Hashed::Phase1, true), None);
        sa.answered.insert(received.fingerprint, sent);
        self.established(cx, sa, identity);
        self.heed_initial_contact(sa, &opened.payloads.unwrap_or_default());
        Ok(())
    }

    // ---- Shared ----

    /// Opens message 5 or 6 and checks who it is from. The IV goes on only if all is right (RFC 2409 section 10).
    fn opened_identity(
        &mut self,
        sa: &mut IsakmpSa,
        received: &Received<'_>,
    ) -> Result<(Identity, Opened), RejectReason> {
        let opened = self.open(sa, received.message, &sa.phase1_iv)?;
        if opened.payloads.is_err() && self.has(Deviation::GarbageMovesIv) {
            sa.phase1_iv = opened.next_iv;
            return Err(RejectReason::Undecryptable);
        }
        let payloads = opened.payloads.as_deref().map_err(|_| RejectReason::Undecryptable)?;
        let found = Found::new(payloads);
        // With different keys, garbage now and then looks like payloads.
        self.check_payloads(payloads).map_err(|_| RejectReason::Undecryptable)?;
        let identity = self.take_identity(sa, found.id)?;
        self.check_hash(sa, found.hash)?;
        Ok((identity, opened))
    }

    /// Message 6, to a message 5 whose hash is wrong.
    fn answer_unchecked(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) {
        let Ok(opened) = self.open(sa, received.message, &sa.phase1_iv) else { return };
        let before = std::mem::replace(&mut sa.phase1_iv, opened.next_iv);
        let answer = vec![self.own_id(sa), Body::Hash(vec![]).into()];
        self.send_phase1(cx, sa, 6, answer, (Hashed::Phase1, true), None);
        sa.phase1_iv = before;
    }
}

/// The payloads of a message that has to be in the clear.
fn clear<'a>(received: &Received<'a>) -> Result<&'a [Payload], RejectReason> {
    if received.message.is_encrypted() { Err(RejectReason::NoKeys) } else { Ok(received.message.payloads()) }
}
