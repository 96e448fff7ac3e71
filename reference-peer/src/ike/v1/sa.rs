//! The state of one ISAKMP SA, and of IPsec SAs.

use super::api::*;
use super::keys::{IsakmpKeys, IsakmpSuite, Transcript};
use crate::Instant;
use crate::config::isakmp::{IsakmpChild, IsakmpConnection, NatVersion, Phase1};
use crate::config::{Identity, Mode, Retransmission};
use crypto::KeyPair;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use wire::ikev1::{ProtocolId, SecurityAssociation};

/// One ISAKMP SA.
#[derive(Debug)]
pub(super) struct IsakmpSa {
    pub(super) id: IkeSaId,
    pub(super) connection: Arc<IsakmpConnection>,
    pub(super) initiator: bool,
    pub(super) exchange: Phase1,
    pub(super) state: State,
    /// Ours, and the peer's, which is 0 until it is known.
    pub(super) cookie: u64,
    pub(super) peer_cookie: u64,
    pub(super) path: Path,
    pub(super) peer: PeerCapabilities,
    pub(super) nat: Nat,
    pub(super) keys: Option<IsakmpKeys>,
    /// IV of the next message of phase 1; its last block, once phase 1 is over.
    pub(super) phase1_iv: Vec<u8>,
    pub(super) handshake: Handshake,
    pub(super) peer_id: Option<Identity>,
    pub(super) last_heard: Instant,
    /// The message of phase 1 that waits for an answer.
    pub(super) outstanding: Option<Outstanding>,
    /// Messages of phase 1 that have come, by their hashes, each with what was sent for it.
    pub(super) answered: Answered,
    /// Quick modes under way and just done, by message ID.
    pub(super) quick: BTreeMap<u32, super::quick::QuickMode>,
    /// Other exchanges of phase 2 under way, with the IV of their next message.
    pub(super) transactions: BTreeMap<u32, Vec<u8>>,
    /// Message IDs that were used: none is used twice (RFC 2409 section 5.5).
    pub(super) used_ids: BTreeSet<u32>,
    /// Children that are to be made once the SA is up, each with the inbound SPI of those that they replace.
    pub(super) queue: Vec<(String, Option<u32>)>,
    /// Payloads that are to be sent once the SA is up.
    pub(super) announcements: Vec<Vec<wire::ikev1::Payload>>,
    pub(super) dpd: super::dead_peer::DeadPeer,
    /// How long it lives, once that is negotiated.
    pub(super) lifetime: Duration,
    pub(super) expire_at: Option<Instant>,
    /// When one that is only beginning is given up.
    pub(super) forget_at: Option<Instant>,
    /// An error that nobody vouches for, and until when a better answer is waited for.
    pub(super) refused: Option<(wire::ikev1::NotifyType, Instant)>,
    /// The peer has set the commit flag in phase 1, and we have not let go of it, as we should.
    pub(super) commit: bool,
    /// IV of the next message of quick mode, if there is one for all of them.
    pub(super) quick_iv: Vec<u8>,
    /// Messages sent so far, by exchange type and place in the exchange.
    pub(super) sent: BTreeMap<(u8, u8), u32>,
}

/// What the peer has announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PeerCapabilities {
    pub(super) dead_peer_detection: bool,
    pub(super) fragmentation: bool,
    /// The best version of NAT traversal that both have.
    pub(super) nat: Option<NatVersion>,
}

/// What phase 1 needs, and what its hashes are computed over.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    pub(super) suite: Option<IsakmpSuite>,
    pub(super) offer: Option<SecurityAssociation>,
    /// Body of the initiator's SA payload as it was on the wire.
    pub(super) offer_octets: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    pub(super) peer_nonce: Vec<u8>,
    pub(super) key_pair: Option<KeyPair>,
    pub(super) public: Vec<u8>,
    pub(super) peer_public: Vec<u8>,
    /// Body of our ID payload as it is sent.
    pub(super) id_octets: Vec<u8>,
    pub(super) peer_id_octets: Vec<u8>,
}

/// What was sent and on which path; `None` if a hand has kept it back, or nothing was to be sent.
pub(super) type Sent = Option<(Path, Vec<u8>)>;

/// Datagrams that have come, by hash, each with what was sent for it: those of one exchange.
#[derive(Debug, Default)]
pub(super) struct Answered(Vec<([u8; 20], Sent)>);

impl Answered {
    /// What was sent for this datagram, if it has come before.
    pub(super) fn get(&self, fingerprint: &[u8; 20]) -> Option<Sent> {
        self.0.iter().find(|(known, _)| known == fingerprint).map(|(_, answer)| answer.clone())
    }

    pub(super) fn insert(&mut self, fingerprint: [u8; 20], answer: Sent) {
        self.0.push((fingerprint, answer));
    }
}

/// A message that waits for an answer.
#[derive(Debug, Clone)]
pub(super) struct Outstanding {
    /// The datagram, bitwise as first sent; `None` if a hand has kept it back.
    pub(super) datagram: Option<Vec<u8>>,
    pub(super) path: Path,
    pub(super) retransmissions: u32,
    pub(super) next_at: Instant,
    interval: Duration,
    policy: Retransmission,
}

impl Outstanding {
    pub(super) fn new(datagram: Option<Vec<u8>>, path: Path, policy: Retransmission, now: Instant) -> Self {
        let interval = policy.first;
        Self { datagram, path, retransmissions: 0, next_at: now + interval, interval, policy }
    }

    /// Its time has come: true if it is to be sent once more, false if it is given up. Intervals grow (RFC 2408 section
    /// 5.1).
    pub(super) fn timeout(&mut self, now: Instant) -> bool {
        if self.retransmissions >= self.policy.tries {
            return false;
        }
        self.retransmissions += 1;
        self.interval = self.interval.mul_f64(self.policy.factor.max(1.0)).min(self.policy.limit);
        self.next_at = now + self.interval;
        true
    }
}

/// IPsec SAs that were made together: one pair, or a bundle.
#[derive(Debug, Clone)]
pub(super) struct Children {
    pub(super) connection: Arc<IsakmpConnection>,
    pub(super) child: IsakmpChild,
    /// The ISAKMP SA that they were made under, which may be gone.
    pub(super) ike_sa: IkeSaId,
    pub(super) peer: std::net::IpAddr,
    pub(super) peer_id: Option<Identity>,
    /// Protocol, inbound and outbound SPI, the innermost first.
    pub(super) pairs: Vec<(ProtocolId, u32, u32)>,
    pub(super) local_ts: TrafficRange,
    pub(super) remote_ts: TrafficRange,
    pub(super) lifetime: Negotiated,
    /// When they are replaced, if nobody has done it before, and when they end.
    pub(super) rekey_at: Option<Instant>,
    pub(super) expire_at: Instant,
    /// Did we begin the quick mode that made them?
    pub(super) initiator: bool,
    /// They have been replaced, or are being.
    pub(super) replaced: bool,
}

impl Children {
    pub(super) fn has_inbound(&self, spi: u32) -> bool {
        self.pairs.iter().any(|(_, inbound, _)| *inbound == spi)
    }

    pub(super) fn has_outbound(&self, protocol: ProtocolId, spi: u32) -> bool {
        self.pairs.iter().any(|(own, _, outbound)| *own == protocol && *outbound == spi)
    }

    pub(super) fn inbound_spis(&self) -> Vec<u32> {
        self.pairs.iter().map(|(_, inbound, _)| *inbound).collect()
    }

    pub(super) fn info(&self) -> ChildInfo {
        ChildInfo {
            connection: self.connection.name.clone(),
            name: self.child.name.clone(),
            ike_sa: self.ike_sa,
            pairs: self.pairs.clone(),
            local_ts: self.local_ts,
            remote_ts: self.remote_ts,
            lifetime: self.lifetime,
            expires: self.expire_at,
        }
    }
}

/// The mode of each protocol of a bundle, innermost first: of several in tunnel mode only the innermost makes a tunnel,
/// and the others protect it from end to end.
pub(super) fn modes(mode: Mode) -> impl Iterator<Item = Mode> {
    std::iter::once(mode).chain(std::iter::repeat(Mode::Transport))
}

impl IsakmpSa {
    pub(super) fn new(
        id: IkeSaId,
        connection: Arc<IsakmpConnection>,
        (initiator, exchange): (bool, Phase1),
        (cookie, peer_cookie): (u64, u64),
        path: Path,
        now: Instant,
    ) -> Self {
        Self {
            id,
            connection,
            initiator,
            exchange,
            state: if initiator { State::NoState } else { State::SaSetup },
            cookie,
            peer_cookie,
            path,
            peer: PeerCapabilities::default(),
            nat: Nat::default(),
            keys: None,
            phase1_iv: vec![],
            handshake: Handshake::default(),
            peer_id: None,
            last_heard: now,
            outstanding: None,
            answered: Answered::default(),
            quick: BTreeMap::new(),
            transactions: BTreeMap::new(),
            used_ids: BTreeSet::from([0]),
            queue: vec![],
            announcements: vec![],
            dpd: super::dead_peer::DeadPeer::default(),
            lifetime: Duration::MAX,
            expire_at: None,
            forget_at: None,
            refused: None,
            commit: false,
            quick_iv: vec![],
            sent: BTreeMap::new(),
        }
    }

    /// Cookies in the order of the header: the initiator's first (RFC 2409 section 4).
    pub(super) fn cookies(&self) -> (u64, u64) {
        if self.initiator { (self.cookie, self.peer_cookie) } else { (self.peer_cookie, self.cookie) }
    }

    /// The version of NAT traversal by which SAs are encapsulated, if there is a NAT.
    pub(super) fn encapsulation(&self) -> Option<NatVersion> {
        self.peer.nat.filter(|_| self.nat.detected())
    }

    /// Ours and the peer's, the initiator's first.
    fn ordered<'a>(&self, ours: &'a [u8], theirs: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        if self.initiator { (ours, theirs) } else { (theirs, ours) }
    }

    pub(super) fn nonces(&self) -> (&[u8], &[u8]) {
        self.ordered(&self.handshake.nonce, &self.handshake.peer_nonce)
    }

    pub(super) fn public(&self) -> (&[u8], &[u8]) {
        self.ordered(&self.handshake.public, &self.handshake.peer_public)
    }

    pub(super) fn transcript(&self) -> Transcript<'_> {
        Transcript { nonces: self.nonces(), public: self.public(), offer: &self.handshake.offer_octets }
    }

    pub(super) fn info(&self) -> IsakmpSaInfo {
        IsakmpSaInfo {
            id: self.id,
            connection: self.connection.name.clone(),
            cookies: self.cookies(),
            state: self.state,
            exchange: self.exchange,
            initiator: self.initiator,
            path: self.path,
            nat: self.nat,
            nat_version: self.peer.nat,
            dead_peer_detection: self.dead_peer_detection(),
            peer_id: self.peer_id.clone(),
            quick_modes: self.quick.values().filter(|quick| !quick.is_done()).count(),
            expires: self.expire_at,
            last_heard: self.last_heard,
        }
    }

    /// Have both announced dead peer detection (RFC 3706 section 5.1)?
    pub(super) fn dead_peer_detection(&self) -> bool {
        self.peer.dead_peer_detection && self.connection.keepalive.is_some()
    }

    /// When something is to be done without a message coming in.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let refused = self.refused.map(|(_, until)| until);
        let own = [self.expire_at, self.forget_at, self.dpd.next_at(), refused];
        let outstanding = self.outstanding.as_ref().map(|outstanding| outstanding.next_at);
        let quick = self.quick.values().filter_map(super::quick::QuickMode::next_timeout);
        own.into_iter().chain([outstanding]).flatten().chain(quick).min()
    }
}
