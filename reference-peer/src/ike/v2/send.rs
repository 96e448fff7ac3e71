//! The way of a message out: draft, first hand, protection, second hand, octets.

use super::api::*;
use super::engine::{Cx, Engine};
use super::protect;
use super::retransmit::Outstanding;
use super::sa::{IkeSa, Pending};
use crate::deviation::Deviation;
use crate::hands::{Disposition, Draft, MessageContext};
use std::net::SocketAddr;
use std::time::Duration;
use wire::ikev2::{
    self, AuthMethod, Body, ExchangeType, Flags, Header, Message, Notify, NotifyType, Payload, PayloadType,
};

/// A message that has been made.
pub(super) struct Made {
    pub(super) octets: Vec<u8>,
    pub(super) draft: Draft,
    disposition: Disposition,
}

impl Made {
    /// The octets, unless a hand has kept them back.
    fn sent(&self) -> Option<Vec<u8>> {
        (self.disposition == Disposition::Send).then(|| self.octets.clone())
    }
}

impl Engine {
    /// Sends a protected request and waits for its response.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        exchange: ExchangeType,
        inner: Vec<Payload>,
        pending: Pending,
    ) {
        if self.has(Deviation::OneCounterForBothDirections) {
            sa.requests.next_id = sa.requests.next_id.max(sa.responses.next_expected());
        }
        let message_id = sa.requests.next_id;
        sa.requests.next_id = sa.requests.next_id.wrapping_add(1);
        let draft = draft(header(sa, exchange, false, message_id), vec![], Some(inner));
        if let Some(made) = self.make(cx, sa, draft) {
            self.outstanding(cx, sa, message_id, exchange, pending, made);
        }
    }

    /// Sends an IKE_SA_INIT request, in place of any that was sent before.
    pub(super) fn init_message(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, payloads: Vec<Payload>) {
        let mut header = header(sa, ExchangeType::IKE_SA_INIT, false, 0);
        header.responder_spi = 0;
        if let Some(made) = self.make(cx, sa, draft(header, payloads, None)) {
            if sa.handshake.first_message.is_empty() {
                sa.handshake.first_message = made.octets.clone();
            }
            sa.handshake.message = made.octets.clone();
            sa.requests.outstanding.clear();
            sa.requests.next_id = 1;
            self.outstanding(cx, sa, 0, ExchangeType::IKE_SA_INIT, Pending::Init, made);
        }
    }

    fn outstanding(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        message_id: u32,
        exchange: ExchangeType,
        pending: Pending,
        made: Made,
    ) {
        let datagram = made.sent();
        if let Some(datagram) = datagram.clone() {
            self.actions.push_back(Action::Send { path: sa.path, datagram });
        }
        let policy = &sa.connection.retransmission;
        let mut request = Outstanding::new(message_id, exchange, pending, datagram, cx.now, policy);
        request.draft = Some(Box::new(made.draft));
        sa.requests.outstanding.push_back(request);
    }

    /// Protects a draft afresh: not what an honest retransmission does.
    pub(super) fn remake(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, mut draft: Draft) -> Option<Vec<u8>> {
        if draft.inner.is_none() {
            for payload in &mut draft.clear {
                if let Body::Nonce(nonce) = &mut payload.body {
                    cx.rng.fill_bytes(nonce);
                }
            }
        }
        self.make(cx, sa, draft)?.sent()
    }

    /// Sends the protected response to a request, and stores it.
    pub(super) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        request: &Header,
        path: Path,
        inner: Vec<Payload>,
    ) {
        let draft = draft(header(sa, request.exchange_type, true, request.message_id), vec![], Some(inner));
        if let Some(made) = self.make(cx, sa, draft) {
            let sent = made.sent();
            if let Some(datagram) = sent.clone() {
                if self.has(Deviation::RetransmitsResponses) {
                    sa.repeat_response = Some((cx.now + Duration::from_secs(5), path, datagram.clone()));
                }
                self.actions.push_back(Action::Send { path, datagram });
            }
            sa.responses.store(request.message_id, sent);
            if self.has(Deviation::AcceptsMessageIdGap) {
                sa.responses.skip_to(request.message_id);
            }
        }
    }

    /// Sends the unprotected response of an IKE_SA_INIT exchange. Gives its octets, also if a hand keeps it back.
    pub(super) fn respond_init(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        path: Path,
        payloads: Vec<Payload>,
    ) -> Vec<u8> {
        let draft = draft(header(sa, ExchangeType::IKE_SA_INIT, true, 0), payloads, None);
        let Some(made) = self.make(cx, sa, draft) else { return vec![] };
        if let Some(datagram) = made.sent() {
            self.actions.push_back(Action::Send { path, datagram });
        }
        sa.responses.store(0, made.sent());
        made.octets
    }

    /// Refuses a request with an error notify inside a protected response.
    pub(super) fn refuse(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, request: &Header, path: Path, notify: Notify) {
        let error = ExchangeError::Notify(notify.clone());
        let (exchange, message_id) = (request.exchange_type, request.message_id);
        self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: false, error });
        if self.has(Deviation::IgnoresBadRequests) && sa.is_established() {
            return;
        }
        self.respond(cx, sa, request, path, vec![Body::Notify(notify).into()]);
    }

    fn make(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, mut draft: Draft) -> Option<Made> {
        let (exchange, response) = (draft.header.exchange_type, draft.header.flags.response());
        let spis = sa.spis();
        let earlier = sa.sent.entry((exchange.0, response)).or_default();
        let context = MessageContext {
            exchange,
            response,
            initiator: sa.initiator,
            message_id: draft.header.message_id,
            spis,
            earlier: *earlier,
        };
        *earlier = earlier.saturating_add(1);
        if let (true, Some(keys)) = (self.has(Deviation::ReusesIv) && draft.inner.is_some(), &sa.keys) {
            draft.iv = Some(vec![0x5A; keys.encryption.iv_len()]);
        }
        let first = cx.hands.message(&context, &mut draft);
        if draft.repair_auth && exchange == ExchangeType::IKE_AUTH {
            self.sign(sa, &mut draft);
        }
        let sealed = match &sa.keys {
            Some(keys) => protect::seal(keys, sa.initiator, &draft, cx.rng),
            None => Ok(Message::new(draft.header, draft.clear.clone())),
        };
        let mut message = match sealed {
            Ok(message) => message,
            Err(error) => {
                // Only an IV or padding that a hand has insisted on can bring this about.
                let error = match error {
                    protect::SealError::Keys => "keys do not fit",
                    _ => "IV or padding that the cipher cannot work with",
                };
                let error = ExchangeError::BadResponse(error);
                let message_id = context.message_id;
                self.event(Event::ExchangeFailed { ike_sa: sa.id, exchange, message_id, ours: !response, error });
                return None;
            }
        };
        let second = cx.hands.protected(&context, &mut message);
        let disposition = if first == Disposition::Send && second == Disposition::Send {
            Disposition::Send
        } else {
            Disposition::Drop
        };
        Some(Made { octets: message.to_bytes(), draft, disposition })
    }

    /// Computes the AUTH payload of a draft over what is really sent.
    fn sign(&self, sa: &IkeSa, draft: &mut Draft) {
        let Some(keys) = &sa.keys else { return };
        let kind = if sa.initiator { PayloadType::ID_INITIATOR } else { PayloadType::ID_RESPONDER };
        let inner = draft.inner.as_deref_mut().unwrap_or_default();
        let Some(id) = inner.iter().find(|payload| payload.body.payload_type() == kind).map(id_octets) else { return };
        let handshake = &sa.handshake;
        let message = if self.has(Deviation::SignsFirstTransmission) && sa.initiator {
            &handshake.first_message
        } else {
            &handshake.message
        };
        let nonce: &[u8] = if self.has(Deviation::LeavesNonceOut) { &[] } else { &handshake.peer_nonce };
        for payload in inner {
            if let Body::Authentication(auth) = &mut payload.body
                && auth.method == AuthMethod::SHARED_KEY_MIC
            {
                auth.data = keys.psk_auth(sa.initiator, sa.connection.psk.octets(), message, nonce, &id);
            }
        }
    }

    // ---- Outside any IKE SA ----

    /// Sends an unprotected response to a request that belongs to no IKE SA.
    pub(super) fn respond_outside(&mut self, cx: &mut Cx<'_>, request: &Header, path: Path, notify: Notify) {
        let spis = (request.initiator_spi, request.responder_spi);
        // The sender of the response is the initiator if that of the request was not.
        let flags = Flags::new(!request.flags.initiator(), true);
        let header = Header::new(spis, request.exchange_type, flags, request.message_id);
        let mut draft = draft(header, vec![Body::Notify(notify).into()], None);
        let earlier = self.sent_outside.entry(request.exchange_type.0).or_default();
        let context = MessageContext {
            exchange: request.exchange_type,
            response: true,
            initiator: !request.flags.initiator(),
            message_id: request.message_id,
            spis,
            earlier: *earlier,
        };
        *earlier = earlier.saturating_add(1);
        let first = cx.hands.message(&context, &mut draft);
        let mut message = Message::new(draft.header, draft.clear);
        let second = cx.hands.protected(&context, &mut message);
        if first == Disposition::Send && second == Disposition::Send {
            self.actions.push_back(Action::Send { path, datagram: message.to_bytes() });
        }
    }

    /// Answers a message of a higher major version (section 2.5).
    pub(super) fn refuse_version(&mut self, cx: &mut Cx<'_>, header: &Header, path: Path) {
        if header.flags.response() || !self.may_answer_unprotected(cx.now) {
            return;
        }
        self.respond_outside(cx, header, path, Notify::new(NotifyType::INVALID_MAJOR_VERSION, vec![2]));
    }

    /// Answers a request to an IKE SA that does not exist (section 2.21.4). What is not even protected is itself a
    /// message about an error, or a forgery, and draws nothing (section 1.5).
    pub(super) fn refuse_spi(&mut self, cx: &mut Cx<'_>, message: &Message, path: Path) {
        let header = &message.header;
        let to_response = header.flags.response() && !self.has(Deviation::AnswersUnknownResponses);
        let unprotected = !message.is_protected() && !self.has(Deviation::AnswersUnprotectedNotify);
        if to_response || unprotected || !self.may_answer_unprotected(cx.now) {
            return;
        }
        let mut path = path;
        if self.has(Deviation::AnswersUnknownSpiToPort500) {
            path.remote = SocketAddr::new(path.remote.ip(), 500);
        }
        self.respond_outside(cx, header, path, Notify::new(NotifyType::INVALID_IKE_SPI, vec![]));
    }
}

/// The octets of an ID payload that AUTH covers: all after the generic header (section 2.15).
pub(super) fn id_octets(payload: &Payload) -> Vec<u8> {
    let mut octets = vec![];
    ikev2::emit_chain(std::slice::from_ref(payload), PayloadType::NONE, &mut octets);
    octets.drain(..4.min(octets.len()));
    octets
}

fn header(sa: &IkeSa, exchange: ExchangeType, response: bool, message_id: u32) -> Header {
    Header::new(sa.spis(), exchange, Flags::new(sa.initiator, response), message_id)
}

fn draft(header: Header, clear: Vec<Payload>, inner: Option<Vec<Payload>>) -> Draft {
    Draft { header, clear, inner, inner_trailing: vec![], padding: None, pad_length: None, iv: None, repair_auth: true }
}
