//! The state of one IKE SA.

use super::api::*;
use super::child::ChildOffer;
use super::keys::IkeKeys;
use super::retransmit::{Requests, Responses};
use crate::Instant;
use crate::config::{Child, Connection, Identity};
use crypto::KeyPair;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::ikev2::{ExchangeType, NotifyType, Payload, ProtocolId, SecurityAssociation};

/// One IKE SA.
#[derive(Debug)]
pub(super) struct IkeSa {
    pub(super) id: IkeSaId,
    pub(super) connection: Arc<Connection>,
    /// Are we the original initiator?
    pub(super) initiator: bool,
    pub(super) state: State,
    pub(super) local_spi: u64,
    /// 0 until it is known.
    pub(super) remote_spi: u64,
    pub(super) path: Path,
    pub(super) nat: Nat,
    pub(super) keys: Option<IkeKeys>,
    /// The key exchange method that was agreed on: the first guess for a rekey.
    pub(super) group: Option<u16>,
    pub(super) requests: Requests,
    pub(super) responses: Responses,
    /// Messages sent so far, by exchange type and direction.
    pub(super) sent: BTreeMap<(u8, bool), u32>,
    pub(super) children: Vec<ChildPair>,
    pub(super) handshake: Handshake,
    /// Who the peer has proved to be.
    pub(super) peer_id: Option<Identity>,
    pub(super) last_heard: Instant,
    /// When it is to be rekeyed, and when it must end.
    pub(super) rekey_at: Option<Instant>,
    pub(super) expire_at: Option<Instant>,
    /// When a half-open or closed IKE SA is forgotten.
    pub(super) forget_at: Option<Instant>,
    /// When the last INVALID_MESSAGE_ID and the last liveness check on a hint were sent.
    pub(super) last_message_id_notify: Option<Instant>,
    pub(super) last_hinted_check: Option<Instant>,
    /// Since when the peer has answered with TEMPORARY_FAILURE only.
    pub(super) refused_since: Option<Instant>,
    /// The peer's rekey of this IKE SA, answered while our own is under way (section 2.8.2).
    pub(super) peer_rekey: Option<PeerRekey>,
    /// A response that is sent once more by timer; an honest peer has none.
    pub(super) repeat_response: Option<(Instant, Path, Vec<u8>)>,
}

/// What the initial exchanges need, and what AUTH is computed over.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// Our nonce and the peer's.
    pub(super) nonce: Vec<u8>,
    pub(super) peer_nonce: Vec<u8>,
    /// Our IKE_SA_INIT message and the peer's as they were on the wire: the latest ones (section 2.15).
    pub(super) message: Vec<u8>,
    pub(super) peer_message: Vec<u8>,
    /// The first one that we sent, before any cookie.
    pub(super) first_message: Vec<u8>,
    /// Initiator: what was offered.
    pub(super) offer: SecurityAssociation,
    pub(super) key_pair: Option<KeyPair>,
    pub(super) cookie: Option<Vec<u8>>,
    /// Initiator: how often IKE_SA_INIT has been started over for a cookie or another group.
    pub(super) restarts: u32,
    /// Initiator: the child that IKE_AUTH is to make.
    pub(super) child: Option<String>,
    /// Initiator: an unauthenticated error, and until when a better answer is waited for.
    pub(super) refused: Option<(NotifyType, Instant)>,
}

/// A simultaneous rekey of the IKE SA by the peer.
#[derive(Debug)]
pub(super) struct PeerRekey {
    /// The IKE SA that it has made.
    pub(super) successor: IkeSaId,
    /// The lower of its two nonces.
    pub(super) nonce: Vec<u8>,
}

/// A pair of Child SAs.
#[derive(Debug, Clone)]
pub(super) struct ChildPair {
    pub(super) child: Child,
    pub(super) protocol: ProtocolId,
    pub(super) inbound_spi: u32,
    pub(super) outbound_spi: u32,
    pub(super) local_ts: Vec<TrafficRange>,
    pub(super) remote_ts: Vec<TrafficRange>,
    pub(super) rekey_at: Option<Instant>,
    pub(super) expire_at: Option<Instant>,
    /// Our Delete for it is queued or under way.
    pub(super) deleting: bool,
    /// Our rekey of it is queued or under way.
    pub(super) rekeying: bool,
    /// The peer has rekeyed it.
    pub(super) rekeyed_by_peer: bool,
}

/// A request that is to be made when the window allows.
#[derive(Debug, Clone)]
pub(super) enum Task {
    CreateChild {
        child: String,
        group: Option<u16>,
    },
    RekeyChild {
        inbound_spi: u32,
        group: Option<u16>,
    },
    DeleteChild {
        inbound_spi: u32,
        reason: DownReason,
    },
    RekeyIke {
        group: Option<u16>,
    },
    DeleteIke {
        reason: DownReason,
    },
    /// Any exchange with any payloads.
    Exchange {
        exchange: ExchangeType,
        payloads: Vec<Payload>,
    },
    /// Tell the responder that its AUTH was not right, and end.
    ReportAuthenticationFailure,
}

/// What a request of ours is about, for when its response comes.
#[derive(Debug)]
pub(super) enum Pending {
    Init,
    Auth(Option<Box<ChildOffer>>),
    CreateChild(Box<ChildOffer>),
    RekeyIke(Box<IkeOffer>),
    DeleteChild { inbound_spi: u32, reason: DownReason },
    DeleteIke { reason: DownReason },
    Exchange,
    ReportAuthenticationFailure,
}

/// Our side of a rekey of the IKE SA.
#[derive(Debug)]
pub(super) struct IkeOffer {
    pub(super) spi: u64,
    pub(super) nonce: Vec<u8>,
    pub(super) key_pair: KeyPair,
    pub(super) offer: SecurityAssociation,
}

impl IkeSa {
    /// An IKE SA that is only beginning.
    pub(super) fn new(
        id: IkeSaId,
        connection: Arc<Connection>,
        initiator: bool,
        spis: (u64, u64),
        path: Path,
        now: Instant,
    ) -> Self {
        let window = connection.window.clamp(1, 64);
        Self {
            id,
            connection,
            initiator,
            state: if initiator { State::InitSent } else { State::HalfOpen },
            local_spi: spis.0,
            remote_spi: spis.1,
            path,
            nat: Nat::default(),
            keys: None,
            group: None,
            requests: Requests::default(),
            responses: Responses::new(window),
            sent: BTreeMap::new(),
            children: vec![],
            handshake: Handshake::default(),
            peer_id: None,
            last_heard: now,
            rekey_at: None,
            expire_at: None,
            forget_at: None,
            last_message_id_notify: None,
            last_hinted_check: None,
            refused_since: None,
            peer_rekey: None,
            repeat_response: None,
        }
    }

    /// SPIs in the order of the header: the original initiator's first.
    pub(super) fn spis(&self) -> (u64, u64) {
        if self.initiator { (self.local_spi, self.remote_spi) } else { (self.remote_spi, self.local_spi) }
    }

    /// Is it authenticated, and not about to end?
    pub(super) fn is_established(&self) -> bool {
        matches!(self.state, State::Established | State::Rekeyed | State::Deleting)
    }

    /// The child pair that the peer receives on with this SPI.
    pub(super) fn outbound(&mut self, protocol: ProtocolId, spi: u32) -> Option<&mut ChildPair> {
        self.children.iter_mut().find(|pair| pair.protocol == protocol && pair.outbound_spi == spi)
    }

    /// The child pair that we receive on with this SPI.
    pub(super) fn inbound(&mut self, spi: u32) -> Option<&mut ChildPair> {
        self.children.iter_mut().find(|pair| pair.inbound_spi == spi)
    }

    /// Is a request under way that `matches`?
    pub(super) fn is_pending(&self, matches: impl Fn(&Pending) -> bool) -> bool {
        self.requests.outstanding.iter().any(|request| matches(&request.pending))
    }

    /// Is our own rekey of this IKE SA under way?
    pub(super) fn is_rekeying(&self) -> bool {
        self.is_pending(|pending| matches!(pending, Pending::RekeyIke(_)))
    }

    /// What may be known of it outside.
    pub(super) fn info(&self) -> IkeSaInfo {
        let child = |pair: &ChildPair| ChildInfo {
            name: pair.child.name.clone(),
            protocol: pair.protocol,
            inbound_spi: pair.inbound_spi,
            outbound_spi: pair.outbound_spi,
            local_ts: pair.local_ts.clone(),
            remote_ts: pair.remote_ts.clone(),
        };
        IkeSaInfo {
            id: self.id,
            connection: self.connection.name.clone(),
            spis: self.spis(),
            state: self.state,
            initiator: self.initiator,
            path: self.path,
            nat: self.nat,
            next_request: self.requests.next_id,
            next_expected: self.responses.next_expected(),
            outstanding: self.requests.outstanding.len(),
            peer_id: self.peer_id.clone(),
            children: self.children.iter().map(child).collect(),
            last_heard: self.last_heard,
        }
    }

    /// When something is to be done without a message coming in.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let requests = self.requests.outstanding.iter().map(|request| request.next_at);
        // A full window is opened by a response, not by time.
        let open = self.requests.window_open() && self.is_established();
        let queued = self.requests.queue.iter().filter_map(|(ready, _)| ready.filter(|_| open));
        let children = self.children.iter().flat_map(|pair| [pair.rekey_at, pair.expire_at]).flatten();
        let patience = self.handshake.refused.filter(|_| self.state == State::InitSent).map(|(_, until)| until);
        let repeat = self.repeat_response.as_ref().map(|(at, ..)| *at);
        let own = [self.rekey_at, self.expire_at, self.forget_at, patience, repeat].into_iter().flatten();
        requests.chain(queued).chain(children).chain(own).min()
    }
}
