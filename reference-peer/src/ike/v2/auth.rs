//! IKE_AUTH with a pre-shared key (RFC 7296 sections 1.2, 2.15 and 2.21.2), both roles.

use super::api::*;
use super::child::{ChildOffer, Refusal};
use super::engine::{Cx, Engine, Received};
use super::notify::{Found, status};
use super::sa::{IkeSa, Pending, Task};
use super::send::id_octets;
use crate::config::{Connection, Identity};
use crate::deviation::Deviation;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use wire::ikev2::{
    AuthMethod, Authentication, Body, Delete, ExchangeType, Identification, Notify, NotifyType, Payload,
};

/// The most requests that a peer is allowed to have under way, whatever it asks for.
const MOST_WINDOW: u32 = 64;

impl Engine {
    // ---- Initiator ----

    pub(super) fn start_auth(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa) {
        let connection = sa.connection.clone();
        let mut inner: Vec<Payload> = vec![Body::IdInitiator(connection.local_id.to_payload()).into()];
        if connection.initial_contact {
            inner.push(status(NotifyType::INITIAL_CONTACT));
        }
        if let Some(id) = &connection.remote_id {
            inner.push(Body::IdResponder(id.to_payload()).into());
        }
        // Filled in when the message is made, over what is really sent.
        inner.push(Body::Authentication(Authentication::new(AuthMethod::SHARED_KEY_MIC, vec![])).into());
        let child = sa.handshake.child.clone();
        let config = child.as_deref().and_then(|name| connection.child(name)).cloned();
        let offer = config.and_then(|config| self.child_offer(cx, sa, config, None, None));
        if let Some(offer) = &offer {
            inner.extend(offer.payloads());
        }
        inner.extend(window_notify(&connection));
        sa.state = State::AuthSent;
        self.request(cx, sa, ExchangeType::IKE_AUTH, inner, Pending::Auth(offer.map(Box::new)));
    }

    pub(super) fn auth_response(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        received: &Received<'_>,
        child: Option<Box<ChildOffer>>,
    ) {
        let found = Found::new(received.payloads);
        let (Some(id), Some(auth)) = (found.id_responder, found.auth) else {
            let reason = match found.error().map(|notify| notify.notify_type) {
                Some(NotifyType::AUTHENTICATION_FAILED) => DownReason::AuthenticationFailed,
                Some(notify) => DownReason::Refused(notify),
                None => DownReason::ProtocolError,
            };
            return self.drop_sa(sa, reason);
        };
        let identity = Identity::from_payload(id);
        let expected = sa.connection.remote_id.as_ref().is_none_or(|expected| *expected == identity);
        let psk = sa.connection.psk.octets().to_vec();
        let genuine = self.verify(sa, &Body::IdResponder(id.clone()).into(), auth, &psk);
        let accepted = (expected && genuine) || self.has(Deviation::InitiatorSkipsAuth);
        if !accepted {
            // We are the one to tell: an exception to the rule that bad responses draw no requests (2.21.2).
            sa.state = State::Deleting;
            sa.requests.push(Task::ReportAuthenticationFailure);
            return;
        }
        self.established(cx, sa, identity, None);
        self.note_window(sa, &found);
        if found.notify(NotifyType::INITIAL_CONTACT).is_some() {
            self.initial_contact(sa);
        }
        let Some(offer) = child else { return };
        let nonces = (sa.handshake.nonce.clone(), sa.handshake.peer_nonce.clone());
        if found.sa.is_none() {
            let error = match found.error() {
                Some(notify) => ExchangeError::Notify(notify.clone()),
                None => ExchangeError::BadResponse("neither Child SA nor error"),
            };
            let message_id = received.header.message_id;
            let exchange = ExchangeType::IKE_AUTH;
            self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: true, error });
            if self.has(Deviation::DropsIkeSaWithFailedChild) {
                sa.requests.push(Task::DeleteIke { reason: DownReason::ProtocolError });
            }
            return;
        }
        if let Err(problem) = self.complete_child(cx, sa, &offer, &found, (&nonces.0, &nonces.1), None) {
            self.child_answer_rejected(sa, &offer, received.header, problem);
        }
    }

    /// The answer for a Child SA cannot be accepted, though the peer takes it to exist: it is deleted again.
    pub(super) fn child_answer_rejected(
        &mut self,
        sa: &mut IkeSa,
        offer: &ChildOffer,
        header: &wire::ikev2::Header,
        problem: &'static str,
    ) {
        let error = ExchangeError::BadResponse(problem);
        let (exchange, message_id) = (header.exchange_type, header.message_id);
        self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: true, error });
        let delete = Delete::child(offer.protocol(), &[offer.inbound_spi]);
        let payloads = vec![Body::Delete(delete).into()];
        sa.requests.push(Task::Exchange { exchange: ExchangeType::INFORMATIONAL, payloads });
    }

    // ---- Responder ----

    pub(super) fn auth_request(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, received: &Received<'_>) {
        let found = Found::new(received.payloads);
        let (Some(id), Some(auth)) = (found.id_initiator, found.auth) else {
            return self.auth_failed(cx, sa, received);
        };
        let identity = Identity::from_payload(id);
        let Some(connection) = self.connection_for(sa, &identity, found.id_responder) else {
            return self.auth_failed(cx, sa, received);
        };
        let payload = Body::IdInitiator(id.clone()).into();
        let mut genuine = self.verify(sa, &payload, auth, connection.psk.octets());
        if !genuine && self.has(Deviation::TriesAllSecrets) {
            let others = self.connections.clone();
            genuine = others.iter().any(|other| self.verify(sa, &payload, auth, other.psk.octets()));
        }
        if !genuine {
            return self.auth_failed(cx, sa, received);
        }
        sa.responses.widen(connection.window.clamp(1, MOST_WINDOW));
        sa.connection = connection.clone();
        self.established(cx, sa, identity, None);
        self.note_window(sa, &found);
        if found.notify(NotifyType::INITIAL_CONTACT).is_some() {
            self.initial_contact(sa);
        }
        let mut inner: Vec<Payload> = vec![
            Body::IdResponder(connection.local_id.to_payload()).into(),
            Body::Authentication(Authentication::new(AuthMethod::SHARED_KEY_MIC, vec![])).into(),
        ];
        let mut failed = false;
        if found.sa.is_some() {
            let nonces = (sa.handshake.peer_nonce.clone(), sa.handshake.nonce.clone());
            match self.answer_child(cx, sa, &found, (&nonces.0, &nonces.1), false, None) {
                Ok(answer) => {
                    inner.extend(answer.payloads);
                    self.install(cx, sa, answer.sa, answer.pair);
                }
                // The IKE SA stands, whatever becomes of the child (section 2.21.2).
                Err(Refusal::Notify(notify) | Refusal::Fatal(notify)) => {
                    let error = ExchangeError::Notify(notify.clone());
                    let (exchange, message_id) = (ExchangeType::IKE_AUTH, received.header.message_id);
                    self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: false, error });
                    inner.push(Body::Notify(notify).into());
                    failed = true;
                }
            }
        }
        inner.extend(window_notify(&connection));
        self.respond(cx, sa, received.header, received.path, inner);
        if failed && self.has(Deviation::DropsIkeSaWithFailedChild) {
            self.close(cx, sa, DownReason::ProtocolError);
        }
    }

    fn auth_failed(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, received: &Received<'_>) {
        let notify = Notify::new(NotifyType::AUTHENTICATION_FAILED, vec![]);
        if self.has(Deviation::ReportsAuthFailureInClear) {
            self.respond_outside(cx, received.header, received.path, notify);
        } else if self.has(Deviation::RevealsIdentityOnFailure) {
            let id = Body::IdResponder(sa.connection.local_id.to_payload()).into();
            self.respond(cx, sa, received.header, received.path, vec![id, Body::Notify(notify).into()]);
        } else {
            self.refuse(cx, sa, received.header, received.path, notify);
        }
        self.close(cx, sa, DownReason::AuthenticationFailed);
    }

    /// The connection of an initiator with this identity: the one chosen in IKE_SA_INIT if it fits, else another one
    /// between the same addresses. The identity of ours that the initiator asks for is a wish (section 1.2).
    fn connection_for(
        &self,
        sa: &IkeSa,
        identity: &Identity,
        asked: Option<&Identification>,
    ) -> Option<Arc<Connection>> {
        let others = self.candidates(sa.path.local.ip(), sa.path.remote.ip());
        let all: Vec<Arc<Connection>> = [sa.connection.clone()].into_iter().chain(others).collect();
        let knows = |connection: &&Arc<Connection>| {
            connection.remote_id.as_ref().is_none_or(|expected| {
                expected == identity || (self.has(Deviation::IgnoresNameTerminator) && same_name(expected, identity))
            })
        };
        let asked = asked.map(Identity::from_payload);
        let names_us = |connection: &&Arc<Connection>| asked.as_ref().is_none_or(|id| *id == connection.local_id);
        // A connection that names the peer comes before one for anybody.
        let named = |connection: &&Arc<Connection>| connection.remote_id.is_some();
        let mut fitting: Vec<&Arc<Connection>> = all.iter().filter(knows).collect();
        fitting.sort_by_key(|connection| (!names_us(connection), !named(connection)));
        fitting.first().map(|connection| Arc::clone(connection))
    }

    // ---- Shared ----

    /// Is this AUTH payload what the owner of the identity and the secret would have sent (section 2.15)?
    fn verify(&self, sa: &IkeSa, id: &Payload, auth: &Authentication, psk: &[u8]) -> bool {
        let Some(keys) = &sa.keys else { return false };
        let null = auth.method == AuthMethod(13) && self.has(Deviation::AcceptsNullAuthentication);
        // NULL authentication takes SK_p for the secret (RFC 7619 section 2.1).
        let psk = match (null, sa.initiator) {
            (false, _) => psk,
            (true, true) => &keys.sk_pr,
            (true, false) => &keys.sk_pi,
        };
        if auth.method != AuthMethod::SHARED_KEY_MIC && !null && !self.has(Deviation::IgnoresAuthMethod) {
            return false;
        }
        let mut id = id_octets(id);
        if self.has(Deviation::SignsZeroedReserved) {
            id.iter_mut().skip(1).take(3).for_each(|octet| *octet = 0);
        }
        let nonce: &[u8] = if self.has(Deviation::LeavesNonceOut) { &[] } else { &sa.handshake.nonce };
        let expected = keys.psk_auth(!sa.initiator, psk, &sa.handshake.peer_message, nonce, &id);
        if self.has(Deviation::ComparesShortAuth) {
            return expected.iter().zip(&auth.data).all(|(a, b)| a == b);
        }
        expected.ct_eq(&auth.data).into()
    }

    /// The IKE SA stands.
    pub(super) fn established(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, identity: Identity, rekeys: Option<IkeSaId>) {
        sa.state = State::Established;
        sa.peer_id = Some(identity);
        sa.forget_at = None;
        let (rekey_at, expire_at) = super::child::deadlines(cx, &sa.connection.lifetime);
        (sa.rekey_at, sa.expire_at) = (rekey_at, expire_at);
        let connection = sa.connection.name.clone();
        self.event(Event::IkeSaUp { ike_sa: sa.id, connection, rekeys });
    }

    /// The peer says how many requests it accepts at once (section 2.3). That can only grow.
    pub(super) fn note_window(&self, sa: &mut IkeSa, found: &Found<'_>) {
        let data = found.notify(NotifyType::SET_WINDOW_SIZE).and_then(|n| <[u8; 4]>::try_from(&*n.data).ok());
        if let Some(window) = data.map(u32::from_be_bytes) {
            sa.requests.window = sa.requests.window.max(window.min(MOST_WINDOW));
        }
    }

    /// The peer knows no other IKE SA with us (section 2.4): those of the same identity are gone, and only those.
    fn initial_contact(&mut self, sa: &IkeSa) {
        let all = self.has(Deviation::InitialContactDeletesAll);
        let same = |other: &&IkeSa| {
            let same_peer = other.peer_id == sa.peer_id && other.connection.local_id == sa.connection.local_id;
            other.is_established() && (same_peer || (all && other.path.remote.ip() == sa.path.remote.ip()))
        };
        for id in self.sas.values().filter(same).map(|other| other.id).collect::<Vec<_>>() {
            if let Some(mut other) = self.sas.remove(&id) {
                self.drop_sa(&mut other, DownReason::InitialContact);
                self.put_back(other);
            }
        }
    }
}

/// SET_WINDOW_SIZE, where our window is not the usual one.
fn window_notify(connection: &Connection) -> Option<Payload> {
    let window = connection.window.clamp(1, MOST_WINDOW);
    let notify = Notify::new(NotifyType::SET_WINDOW_SIZE, window.to_be_bytes());
    (window > 1).then(|| Body::Notify(notify).into())
}

/// Is it the same name but for a terminating zero?
fn same_name(expected: &Identity, identity: &Identity) -> bool {
    let (expected, identity) = (expected.to_payload(), identity.to_payload());
    expected.id_type == identity.id_type && identity.data.strip_suffix(&[0]) == Some(&expected.data[..])
}
