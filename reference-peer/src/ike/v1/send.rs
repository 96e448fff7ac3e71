//! The way of a message out: draft, first hand, hash, encryption, second hand, octets.

use super::api::*;
use super::deviant;
use super::engine::{Cx, Engine};
use super::fragment;
use super::protect;
use super::sa::IsakmpSa;
use crate::deviation::Deviation;
use crate::hands::{Disposition, IsakmpContext, IsakmpDraft};
use wire::Derived;
use wire::ikev1::{
    Body, ExchangeType, Flags, Header, Message, Notification, NotifyType, Payload, PayloadType, emit_chain,
};

/// What the HASH payload of a message is computed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hashed {
    /// There is none.
    Nothing,
    /// HASH_I or HASH_R: all of phase 1.
    Phase1,
    /// HASH(1) with no nonce, HASH(2) with the initiator's: all that follows.
    Rest(Vec<u8>),
    /// HASH(3): both nonces.
    Nonces(Vec<u8>, Vec<u8>),
}

/// A message that is to be made.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) exchange: ExchangeType,
    pub(super) message_id: u32,
    /// Place in its exchange, from 1.
    pub(super) number: u8,
    pub(super) payloads: Vec<Payload>,
    pub(super) hashed: Hashed,
    /// IV, if it is to be encrypted.
    pub(super) iv: Option<Vec<u8>>,
}

/// A message that has been made.
pub(super) struct Made {
    /// The octets, unless a hand has kept them back.
    pub(super) datagram: Option<Vec<u8>>,
    /// IV of what comes next in this exchange.
    pub(super) next_iv: Vec<u8>,
}

impl Engine {
    /// Makes a message of phase 1 or 2.
    pub(super) fn make(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, outgoing: Outgoing) -> Made {
        let Outgoing { exchange, message_id, number, payloads, hashed, iv } = outgoing;
        let mut flags = Flags(if iv.is_some() { Flags::ENCRYPTION } else { 0 });
        if sa.commit && exchange == ExchangeType::QUICK {
            flags.0 |= Flags::COMMIT;
        }
        let header = Header::new(sa.cookies(), exchange, flags, message_id);
        let (initiator, cookies) = (sa.initiator, sa.cookies());
        let earlier = sa.sent.entry((exchange.0, number)).or_default();
        let context = IsakmpContext { exchange, initiator, number, message_id, cookies, earlier: *earlier };
        *earlier = earlier.saturating_add(1);
        let mut draft = IsakmpDraft::new(header, payloads, iv.is_some());
        let first = cx.hands.isakmp(&context, &mut draft);
        self.remember(sa, exchange, number, &draft.payloads);
        if draft.repair_hash {
            self.repair_hash(sa, &hashed, message_id, &mut draft);
        }
        if draft.flip_hash {
            flip_hash(&mut draft);
        }
        let mut next_iv = iv.clone().unwrap_or_default();
        let mut message = match (&sa.keys, draft.encrypt) {
            (Some(keys), true) => {
                let iv = draft.iv.take().or(iv).unwrap_or_default();
                let (mut message, next) = protect::encrypt(keys, &iv, &draft);
                next_iv = next;
                if self.has(Deviation::LengthWithoutPadding) {
                    message.header.length = Derived::Exactly(deviant::length_without_padding(&draft));
                }
                message
            }
            _ => Message { trailing: draft.trailing, ..Message::clear(draft.header, draft.payloads) },
        };
        let second = cx.hands.isakmp_protected(&context, &mut message);
        let sent = first == Disposition::Send && second == Disposition::Send;
        Made { datagram: sent.then(|| message.to_bytes()), next_iv }
    }

    /// Keeps what the hashes of phase 1 are computed over: what is really sent.
    fn remember(&mut self, sa: &mut IsakmpSa, exchange: ExchangeType, number: u8, payloads: &[Payload]) {
        if !matches!(exchange, ExchangeType::MAIN | ExchangeType::AGGRESSIVE) {
            return;
        }
        for payload in payloads {
            match &payload.body {
                body @ (Body::SecurityAssociation(_) | Body::Raw { .. })
                    if number == 1 && body.payload_type() == PayloadType::SECURITY_ASSOCIATION =>
                {
                    sa.handshake.offer_octets = body.to_bytes();
                }
                body @ Body::Identification(_) => sa.handshake.id_octets = body.to_bytes(),
                _ => {}
            }
        }
    }

    /// Sends a datagram, in pieces if the peer takes them and it is long.
    pub(super) fn transmit(&mut self, cx: &mut Cx<'_>, sa: &IsakmpSa, path: Path, datagram: &[u8]) {
        let most = sa.connection.fragmentation.filter(|_| sa.peer.fragmentation);
        let cut = Header::parse(datagram).is_ok_and(|header| fragment::may_split(header.exchange_type));
        let id = (cx.rng.next_u32() & 0xFFFF) as u16;
        let pieces = most.filter(|_| cut).and_then(|most| fragment::split(datagram, most, id));
        for datagram in pieces.unwrap_or_else(|| vec![datagram.to_vec()]) {
            self.actions.push_back(Action::Send { path, datagram });
        }
    }

    // ---- Informational ----

    /// Sends payloads in an Informational exchange under protection (RFC 2409 section 5.7), with a message ID of its
    /// own.
    pub(super) fn inform(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, payloads: Vec<Payload>) {
        let message_id = self.new_message_id(cx, sa);
        self.inform_as(cx, sa, message_id, None, payloads);
    }

    /// The same under a given message ID, which may have an IV already.
    pub(super) fn inform_as(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        message_id: u32,
        iv: Option<Vec<u8>>,
        mut payloads: Vec<Payload>,
    ) {
        let Some(keys) = &sa.keys else { return };
        let iv = iv.unwrap_or_else(|| self.phase2_iv(sa, keys, message_id));
        payloads.insert(0, Body::Hash(vec![]).into());
        let made = self.make(
            cx,
            sa,
            Outgoing {
                exchange: ExchangeType::INFORMATIONAL,
                message_id,
                number: 1,
                payloads,
                hashed: Hashed::Rest(vec![]),
                iv: Some(iv),
            },
        );
        if let Some(datagram) = made.datagram {
            self.transmit(cx, sa, self.own_path(sa), &datagram);
        }
    }

    /// Tells a peer in the clear why its message of phase 1 was dropped: nobody vouches for it, so not often.
    pub(super) fn notify_in_clear(
        &mut self,
        cx: &mut Cx<'_>,
        cookies: (u64, u64),
        path: Path,
        notify_type: NotifyType,
    ) {
        if !self.may_answer_unprotected(cx.now) {
            return;
        }
        let message_id = loop {
            match cx.rng.next_u32() {
                0 => {}
                id => break id,
            }
        };
        let header = Header::new(cookies, ExchangeType::INFORMATIONAL, Flags::default(), message_id);
        let notification = Notification::isakmp(cookies, notify_type, []);
        let mut draft = IsakmpDraft::new(header, vec![Body::Notification(notification).into()], false);
        let exchange = ExchangeType::INFORMATIONAL;
        let context = IsakmpContext { exchange, initiator: false, number: 1, message_id, cookies, earlier: 0 };
        let first = cx.hands.isakmp(&context, &mut draft);
        let mut message = Message::clear(draft.header, draft.payloads);
        let second = cx.hands.isakmp_protected(&context, &mut message);
        if first == Disposition::Send && second == Disposition::Send {
            self.actions.push_back(Action::Send { path, datagram: message.to_bytes() });
        }
    }

    /// The path of what we begin: the one that the ISAKMP SA has, ports and all (RFC 3947 section 4).
    pub(super) fn own_path(&self, sa: &IsakmpSa) -> Path {
        let mut path = sa.path;
        if self.has(Deviation::BeginsOnPort500) && !sa.initiator {
            path.local.set_port(500);
            path.remote.set_port(500);
        }
        path
    }

    /// Computes the HASH payload over what is really sent.
    fn repair_hash(&self, sa: &IsakmpSa, hashed: &Hashed, message_id: u32, draft: &mut IsakmpDraft) {
        let Some(keys) = &sa.keys else { return };
        let hash = match hashed {
            Hashed::Nothing => return,
            Hashed::Phase1 => keys.phase1_hash(sa.initiator, &self.transcript(sa), &sa.handshake.id_octets),
            Hashed::Rest(nonce) => {
                let Some((_, rest)) = draft.payloads.split_first() else { return };
                let mut octets = vec![];
                emit_chain(rest, PayloadType::NONE, &mut octets);
                octets.extend(&draft.trailing);
                let without = draft.leave_nonce_out || self.has(Deviation::LeavesNonceOutOfQuickHash);
                let nonce = if without { &[] } else { &nonce[..] };
                keys.phase2_hash(message_id, nonce, &octets)
            }
            Hashed::Nonces(initiator, responder) => keys.phase2_last_hash(message_id, (initiator, responder)),
        };
        for payload in &mut draft.payloads {
            if let Body::Hash(own) = &mut payload.body {
                *own = hash;
                return;
            }
        }
    }

    /// A message ID that was not used before under this ISAKMP SA.
    pub(super) fn new_message_id(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa) -> u32 {
        if self.has(Deviation::ConstantMessageId) {
            return 0x0101_0101;
        }
        loop {
            let id = cx.rng.next_u32();
            if sa.used_ids.insert(id) {
                return id;
            }
        }
    }
}

/// Makes the HASH payload wrong by one bit.
fn flip_hash(draft: &mut IsakmpDraft) {
    let hashes = draft.payloads.iter_mut().filter_map(|payload| match &mut payload.body {
        Body::Hash(hash) => hash.last_mut(),
        _ => None,
    });
    hashes.for_each(|last| *last ^= 1);
}
