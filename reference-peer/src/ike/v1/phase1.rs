//! What main mode and aggressive mode have in common (RFC 2409 section 5).

use super::api::*;
use super::engine::{Cx, Engine, Received, notify_of};
use super::keys::{IsakmpKeys, Transcript};
use super::sa::{Children, IsakmpSa, Outstanding, PeerCapabilities, Sent};
use super::send::{Hashed, Outgoing};
use super::{deviant, identity, nat, negotiate};
use crate::config::isakmp::{IsakmpConnection, IsakmpPolicy, NatVersion, Phase1};
use crate::config::{Identity, NatTraversal, Retransmission, Secret};
use crate::deviation::Deviation;
use crypto::{Encryption, Group, Hash, KeyPair};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use wire::ikev1::{
    Body, ExchangeType, Notification, NotifyType, Payload, PayloadType, SecurityAssociation, find, notifications,
    vendor,
};

/// UDP port of encapsulation (RFC 3947 section 4).
const NAT_PORT: u16 = 4500;
/// How long an initiator waits for something better than an error that nobody vouches for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The payloads of phase 1 by what they are; of each kind the first counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found<'a> {
    pub(super) sa: Option<&'a SecurityAssociation>,
    pub(super) public: Option<&'a [u8]>,
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) id: Option<&'a wire::ikev1::Identification>,
    pub(super) hash: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    pub(super) fn new(payloads: &'a [Payload]) -> Self {
        let mut found = Self::default();
        for payload in payloads {
            match &payload.body {
                Body::SecurityAssociation(body) => _ = found.sa.get_or_insert(body),
                Body::KeyExchange(body) => _ = found.public.get_or_insert(body),
                Body::Nonce(body) => _ = found.nonce.get_or_insert(body),
                Body::Identification(body) => _ = found.id.get_or_insert(body),
                Body::Hash(body) => _ = found.hash.get_or_insert(body),
                _ => {}
            }
        }
        found
    }
}

/// The Vendor IDs of our first message. `chosen` is the version of NAT traversal that we answer with.
pub(super) fn announce(connection: &IsakmpConnection, chosen: Option<PeerCapabilities>) -> Vec<Payload> {
    let mut ids: Vec<Vec<u8>> = vec![];
    if connection.nat_traversal != NatTraversal::Off {
        let versions: Vec<NatVersion> = match chosen {
            Some(peer) => peer.nat.into_iter().collect(),
            None => connection.nat_versions.clone(),
        };
        ids.extend(versions.iter().flat_map(|version| nat::vendor_ids(*version)).map(|id| id.to_vec()));
    }
    if connection.keepalive.is_some() {
        ids.push(vendor::DEAD_PEER_DETECTION.to_vec());
    }
    if connection.fragmentation.is_some() {
        ids.push(vendor::FRAGMENTATION.to_vec());
    }
    ids.into_iter().map(|id| Body::VendorId(id).into()).collect()
}

impl Engine {
    /// What the peer's Vendor IDs say that we can do too. What is not understood disturbs nothing (RFC 2408 section
    /// 3.16).
    pub(super) fn capabilities(&self, connection: &IsakmpConnection, payloads: &[Payload]) -> PeerCapabilities {
        let announced = |known: &[u8]| {
            payloads.iter().any(|payload| matches!(&payload.body, Body::VendorId(id) if id.starts_with(known)))
        };
        let unasked = self.has(Deviation::DetectsNatUnasked);
        let has = |version: &&NatVersion| unasked || nat::vendor_ids(**version).iter().any(|id| announced(id));
        let nat = connection.nat_versions.iter().find(has).copied();
        // The last octets of the Vendor ID are a version.
        let dead_peer_detection = vendor::DEAD_PEER_DETECTION.first_chunk::<14>().is_some_and(|id| announced(id));
        PeerCapabilities {
            dead_peer_detection: dead_peer_detection || self.has(Deviation::AsksWhoeverIsThere),
            fragmentation: connection.fragmentation.is_some() && announced(&vendor::FRAGMENTATION),
            nat: nat.filter(|_| connection.nat_traversal != NatTraversal::Off),
        }
    }

    /// Policies of a connection that can be offered and accepted, in the order of their priorities.
    pub(super) fn policies<'a>(&self, connection: &'a IsakmpConnection) -> Vec<&'a IsakmpPolicy> {
        let mut policies = negotiate::usable(&connection.policies);
        if self.has(Deviation::IgnoresPriorities) {
            policies.sort_by_key(|policy| connection.policies.iter().position(|own| own == *policy));
        }
        policies.retain(|policy| policy.encryption != Encryption::TripleDes || !self.has(Deviation::LacksTripleDes));
        policies
    }

    /// The offer that begins a message of phase 1: it precedes all other payloads (RFC 2409 section 5).
    pub(super) fn leading_offer<'a>(&self, payloads: &'a [Payload]) -> Result<&'a SecurityAssociation, RejectReason> {
        match payloads.first().map(|payload| &payload.body) {
            Some(Body::SecurityAssociation(sa)) => Ok(sa),
            _ if self.has(Deviation::AcceptsAnyPayloadOrder) => {
                Found::new(payloads).sa.ok_or(RejectReason::Payloads("SA is missing"))
            }
            _ => Err(RejectReason::Payloads("SA is not first")),
        }
    }

    /// Public value and nonce of a proper length (RFC 2409 section 5).
    pub(super) fn key_exchange<'a>(&self, found: &Found<'a>) -> Result<(&'a [u8], &'a [u8]), RejectReason> {
        let (Some(public), Some(nonce)) = (found.public, found.nonce) else {
            return Err(RejectReason::Payloads("KE or NONCE is missing"));
        };
        if !self.is_proper_nonce(nonce) {
            return Err(RejectReason::Payloads("nonce of a wrong length"));
        }
        Ok((public, nonce))
    }

    /// Has a nonce the length that it must have (RFC 2409 section 5)?
    pub(super) fn is_proper_nonce(&self, nonce: &[u8]) -> bool {
        (8..=256).contains(&nonce.len()) || self.has(Deviation::AcceptsAnyIsakmpNonce)
    }

    /// The pre-shared key for a peer (RFC 2409 section 5.4): by its identity where that is known in time, or by its
    /// address.
    pub(super) fn psk<'a>(
        connection: &'a IsakmpConnection,
        path: Path,
        identity: Option<&Identity>,
    ) -> Result<&'a Secret, RejectReason> {
        let by_identity = identity.and_then(|identity| connection.keyring.by_identity(identity));
        let secret = by_identity.or_else(|| connection.keyring.by_address(path.remote.ip()));
        secret.ok_or(RejectReason::NoPreSharedKey)
    }

    /// Our half of the key exchange.
    pub(super) fn draw(&self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, group: u16) -> Result<(), RejectReason> {
        let group = Group::from_iana(group).ok_or(RejectReason::KeyExchange)?;
        let pair = KeyPair::generate(group, cx.rng);
        sa.handshake.public = pair.public().to_vec();
        sa.handshake.key_pair = Some(pair);
        sa.handshake.nonce = self.nonce(cx.rng);
        Ok(())
    }

    /// KE, NONCE and, where both know how, NAT-D.
    pub(super) fn key_exchange_payloads(&self, sa: &IsakmpSa) -> Vec<Payload> {
        vec![Body::KeyExchange(sa.handshake.public.clone()).into(), Body::Nonce(sa.handshake.nonce.clone()).into()]
    }

    pub(super) fn nat_payloads(&self, sa: &IsakmpSa) -> Vec<Payload> {
        match (sa.peer.nat, &sa.handshake.suite) {
            (Some(version), Some(suite)) => {
                let mut path = sa.path;
                if self.has(Deviation::SwapsPortOctetsInNatHash) {
                    path.local.set_port(path.local.port().swap_bytes());
                    path.remote.set_port(path.remote.port().swap_bytes());
                }
                nat::payloads(version, sa.connection.nat_traversal, self.nat_hash(suite.hash), sa.cookies(), path)
            }
            _ => vec![],
        }
    }

    /// The hash of NAT-D payloads: that of phase 1 (RFC 3947 section 3.2).
    pub(super) fn nat_hash(&self, negotiated: Hash) -> Hash {
        if self.has(Deviation::NatHashByMd5) { Hash::Md5 } else { negotiated }
    }

    /// Keys, from both halves of the key exchange.
    pub(super) fn derive(&mut self, sa: &mut IsakmpSa, identity: Option<&Identity>) -> Result<(), RejectReason> {
        let identity = identity.filter(|_| !self.has(Deviation::TakesKeyByAddressOnly));
        let suite = sa.handshake.suite.ok_or(RejectReason::NoKeys)?;
        let pair = sa.handshake.key_pair.as_ref().ok_or(RejectReason::KeyExchange)?;
        let public = match self.has(Deviation::IgnoresGroupOfPublicValue) {
            true => &deviant::of_length(&sa.handshake.peer_public, pair.group().public_len()),
            false => &sa.handshake.peer_public,
        };
        let secret = pair.agree(public).map_err(|_| RejectReason::KeyExchange)?;
        let first = sa.connection.keyring.keys.first().filter(|_| self.has(Deviation::TakesFirstKey));
        let psk = match first {
            Some(first) => &first.secret,
            None => Self::psk(&sa.connection, sa.path, identity)?,
        };
        let keys = IsakmpKeys::psk(&suite, psk.octets(), &secret, sa.nonces(), sa.cookies());
        let keys = keys.ok_or(RejectReason::NoKeys)?;
        sa.phase1_iv = keys.phase1_iv(sa.public());
        self.event(Event::Keys { ike_sa: sa.id, keys: Box::new(keys.clone()) });
        sa.keys = Some(keys);
        Ok(())
    }

    /// Looks for NATs in the NAT-D payloads of a message.
    pub(super) fn detect_nat(&mut self, sa: &mut IsakmpSa, path: Path, payloads: &[Payload]) {
        let (Some(version), Some(suite)) = (sa.peer.nat, &sa.handshake.suite) else { return };
        let mode = sa.connection.nat_traversal;
        let payloads = match self.has(Deviation::HeedsOneNatSource) {
            true => &deviant::first_nat_detections(payloads),
            false => payloads,
        };
        let hash = self.nat_hash(suite.hash);
        let Some(mut nat) = nat::detect(version, mode, hash, sa.cookies(), path, payloads) else { return };
        nat.local |= self.has(Deviation::SeesNatEverywhere);
        sa.nat = nat;
        self.event(Event::NatDetected { ike_sa: sa.id, nat, version });
    }

    /// As initiator, goes to port 4500 where there is a NAT (RFC 3947 section 4).
    pub(super) fn move_port(&self, sa: &mut IsakmpSa) {
        if sa.nat.detected() && sa.peer.nat.is_some_and(nat::moves_port) {
            sa.path.local.set_port(NAT_PORT);
            if sa.path.remote.port() == 500 {
                sa.path.remote.set_port(NAT_PORT);
            }
        }
    }

    /// Our identity.
    pub(super) fn own_id(&self, sa: &IsakmpSa) -> Payload {
        Body::Identification(identity::to_payload(&sa.connection.local_id)).into()
    }

    /// Checks HASH_I or HASH_R of the peer, over its ID payload as it came.
    pub(super) fn check_hash(&self, sa: &IsakmpSa, hash: Option<&[u8]>) -> Result<(), RejectReason> {
        let (Some(hash), Some(keys)) = (hash, &sa.keys) else { return Err(RejectReason::Payloads("HASH is missing")) };
        let right = keys.phase1_hash(!sa.initiator, &self.transcript(sa), &sa.handshake.peer_id_octets);
        if hash == right || self.has(Deviation::AcceptsAnyPhase1Hash) { Ok(()) } else { Err(RejectReason::Hash) }
    }

    /// Takes the peer's identity from its ID payload, and checks that the connection is for it. As responder another
    /// connection with the same key may fit better.
    pub(super) fn take_identity(
        &mut self,
        sa: &mut IsakmpSa,
        id: Option<&wire::ikev1::Identification>,
    ) -> Result<Identity, RejectReason> {
        let octets = id.map(|payload| Body::Identification(payload.clone()).to_bytes());
        sa.handshake.peer_id_octets = octets.unwrap_or_default();
        let identity = self.identity_of(id, sa.path)?;
        let fits =
            |connection: &IsakmpConnection| connection.remote_id.as_ref().is_none_or(|expected| *expected == identity);
        if fits(&sa.connection) {
            return Ok(identity);
        }
        let same_key = |connection: &&Arc<IsakmpConnection>| {
            let keys = [&sa.connection, *connection].map(|c| Self::psk(c, sa.path, None).ok().cloned());
            !sa.initiator && fits(connection) && keys[0] == keys[1]
        };
        let other = self.candidates(sa.path.local.ip(), sa.path.remote.ip()).iter().find(same_key).cloned();
        sa.connection = other.ok_or(RejectReason::Identity)?;
        Ok(identity)
    }

    /// The identity in an ID payload. No setup without one (RFC 2407 section 4.2.1).
    pub(super) fn identity_of(
        &self,
        payload: Option<&wire::ikev1::Identification>,
        path: Path,
    ) -> Result<Identity, RejectReason> {
        let payload = match payload {
            Some(payload) if self.has(Deviation::IgnoresIdProtocolAndPort) => {
                &wire::ikev1::Identification { protocol: 0, port: 0, ..payload.clone() }
            }
            Some(payload) => payload,
            None if self.has(Deviation::NeedsNoIdentity) => return Ok(path.remote.ip().into()),
            None => return Err(RejectReason::Payloads("ID is missing")),
        };
        identity::from_payload(payload).ok_or(RejectReason::Identity)
    }

    /// What HASH_I and HASH_R are computed over.
    pub(super) fn transcript<'a>(&self, sa: &'a IsakmpSa) -> Transcript<'a> {
        let whole = sa.transcript();
        if self.has(Deviation::LeavesOfferOutOfHash) { Transcript { offer: &[], ..whole } } else { whole }
    }

    /// How a message under this ISAKMP SA is retransmitted.
    pub(super) fn retransmission(&self, policy: Retransmission) -> Retransmission {
        if self.has(Deviation::FixedIsakmpRetransmissionInterval) {
            return Retransmission { factor: 1.0, limit: policy.first, ..policy };
        }
        policy
    }

    /// Sends a message of phase 1. `waits` for an answer, it is retransmitted so many times.
    pub(super) fn send_phase1(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        number: u8,
        mut payloads: Vec<Payload>,
        (hashed, encrypt): (Hashed, bool),
        waits: Option<Retransmission>,
    ) -> Sent {
        if self.has(Deviation::SendsNatDetectionLate) && sa.exchange == Phase1::Main {
            payloads.retain(|payload| !nat::is_detection(payload));
            if number > 4 {
                payloads.extend(self.nat_payloads(sa));
            }
        }
        let exchange = match sa.exchange {
            Phase1::Main => ExchangeType::MAIN,
            Phase1::Aggressive => ExchangeType::AGGRESSIVE,
        };
        let iv = encrypt.then(|| sa.phase1_iv.clone());
        let made = self.make(cx, sa, Outgoing { exchange, message_id: 0, number, payloads, hashed, iv });
        if encrypt {
            sa.phase1_iv = made.next_iv;
        }
        if let Some(datagram) = &made.datagram {
            self.transmit(cx, sa, sa.path, datagram);
        }
        sa.outstanding = waits.map(|policy| {
            let policy = self.retransmission(policy);
            Outstanding::new(made.datagram.clone(), sa.path, policy, cx.now)
        });
        made.datagram.map(|datagram| (sa.path, datagram))
    }

    /// A message of phase 1 was no good: it is dropped, the exchange goes on waiting, and the peer may be told.
    pub(super) fn phase1_fault(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        received: &Received<'_>,
        reason: RejectReason,
    ) -> RejectReason {
        if let Some(notify) = notify_of(&reason) {
            self.notify_in_clear(cx, sa.cookies(), received.path, notify);
        }
        reason
    }

    /// An error about our phase 1 that nobody vouches for: it is a hint, and a better answer is waited for.
    pub(super) fn phase1_hint(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, notify: NotifyType) {
        if sa.initiator && sa.state != State::Established && notify.is_error() {
            sa.refused.get_or_insert((notify, cx.now + PATIENCE));
        }
    }

    /// Phase 1 is over.
    pub(super) fn established(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, identity: Identity) {
        sa.state = State::Established;
        sa.peer_id = Some(identity);
        sa.last_heard = cx.now;
        (sa.forget_at, sa.refused) = (None, None);
        sa.handshake.key_pair = None;
        sa.expire_at = Some(cx.now + sa.lifetime);
        if sa.initiator && self.has(Deviation::MovesPortAfterPhase1) {
            self.move_port(sa);
        }
        let connection = sa.connection.name.clone();
        self.event(Event::IsakmpSaUp { ike_sa: sa.id, connection });
        if sa.exchange == Phase1::Aggressive && self.first_contact(sa) {
            let initial_contact = self.initial_contact(sa);
            self.inform(cx, sa, vec![initial_contact]);
        }
        for payloads in std::mem::take(&mut sa.announcements) {
            self.inform(cx, sa, payloads);
        }
        for (child, replaces) in std::mem::take(&mut sa.queue) {
            self.start_quick(cx, sa, &child, replaces);
        }
    }

    /// Is INITIAL-CONTACT true and wanted? Only an initiator sends it here: the peer has something to clear away when
    /// we come up, not when it does.
    pub(super) fn first_contact(&self, sa: &IsakmpSa) -> bool {
        let other = |other: &IsakmpSa| {
            other.state == State::Established && other.id != sa.id && other.path.remote.ip() == sa.path.remote.ip()
        };
        sa.initiator
            && sa.connection.initial_contact
            && !self.sas.values().any(other)
            && !self.children.iter().any(|children| children.peer == sa.path.remote.ip())
    }

    /// The notify INITIAL-CONTACT (RFC 2407 section 4.6.3.3).
    pub(super) fn initial_contact(&self, sa: &IsakmpSa) -> Payload {
        Body::Notification(Notification::isakmp(sa.cookies(), NotifyType::INITIAL_CONTACT, [])).into()
    }

    /// Obeys INITIAL-CONTACT among the payloads of a message under protection (RFC 2407 section 4.6.3): the last of
    /// main mode, or one of quick mode.
    pub(super) fn heed_initial_contact(&mut self, sa: &IsakmpSa, payloads: &[Payload]) {
        if notifications(payloads).any(|notification| notification.notify_type == NotifyType::INITIAL_CONTACT) {
            self.obey_initial_contact(sa);
        }
    }

    /// The peer has no other SAs with us any more.
    pub(super) fn obey_initial_contact(&mut self, sa: &IsakmpSa) {
        let by_address = self.has(Deviation::InitialContactClearsAddress);
        let same = |other: &IsakmpSa| {
            let same_id = other.peer_id.is_some() && other.peer_id == sa.peer_id;
            other.id != sa.id && (same_id || by_address && other.path.remote.ip() == sa.path.remote.ip())
        };
        for id in self.sas.values().filter(|other| same(other)).map(|other| other.id).collect::<Vec<_>>() {
            if let Some(mut other) = self.sas.remove(&id) {
                self.close(&mut other, DownReason::InitialContact);
                self.put_back(other);
            }
        }
        // By identity, not by address: behind a NAT there may be several (RFC 3947 section 6).
        let (peer_id, peer) = (sa.peer_id.clone(), sa.path.remote.ip());
        let by_address = self.has(Deviation::InitialContactClearsAddress);
        let gone = |children: &Children| children.peer_id == peer_id || by_address && children.peer == peer;
        self.remove_children(gone, &DownReason::InitialContact);
    }

    /// Chooses a connection and a transform of phase 1 for the first message of a peer.
    pub(super) fn choose(
        &mut self,
        cx: &mut Cx<'_>,
        received: &Received<'_>,
        acceptable: impl Fn(&IsakmpConnection) -> bool,
        public_len: Option<usize>,
    ) -> Result<(Arc<IsakmpConnection>, negotiate::Phase1Choice), RejectReason> {
        let original = self.leading_offer(received.message.payloads())?;
        let offer = &*self.read_offer(original);
        let path = received.path;
        let candidates = self.candidates(path.local.ip(), path.remote.ip());
        if candidates.is_empty() {
            return Err(RejectReason::NoConnection);
        }
        let cookies = received.message.header.cookies();
        if self.has(Deviation::StumblesOverUnknownTransforms) && deviant::has_unknown_transform(offer) {
            self.notify_in_clear(cx, cookies, path, NotifyType::INVALID_TRANSFORM_ID);
            return Err(RejectReason::NoProposal);
        }
        for connection in candidates.into_iter().filter(|connection| acceptable(connection)) {
            let policies = self.policies(&connection);
            let mut choice = self.choose_policy(&policies, offer, public_len);
            if choice.is_none() && self.has(Deviation::AnswersNearestPolicy) {
                let own = policies.first().map(|policy| negotiate::phase1_offer(&[policy]));
                choice = own.and_then(|own| negotiate::phase1_choose(&policies, &own, None));
            }
            if let Some(choice) = choice {
                let answer = self.shape_answer(choice.answer, original);
                return Ok((connection, negotiate::Phase1Choice { answer, ..choice }));
            }
        }
        self.notify_in_clear(cx, cookies, path, NotifyType::NO_PROPOSAL_CHOSEN);
        Err(RejectReason::NoProposal)
    }
}

impl Engine {
    /// The choice of phase 1, by the own priorities and within the own lifetimes (guide chapter 10).
    fn choose_policy(
        &self,
        policies: &[&IsakmpPolicy],
        offer: &SecurityAssociation,
        public_len: Option<usize>,
    ) -> Option<negotiate::Phase1Choice> {
        let lasting = self.has(Deviation::IgnoresPolicyLifetime).then(|| deviant::lasting(policies));
        let policies = lasting.as_ref().map_or(policies.to_vec(), |lasting| lasting.iter().collect());
        let choose = |offer: &SecurityAssociation| negotiate::phase1_choose(&policies, offer, public_len);
        let choice = match self.has(Deviation::FollowsOrderOfOffer) {
            true => deviant::one_by_one(offer).find_map(|single| choose(&single)),
            false => choose(offer),
        };
        let mut choice = choice?;
        if self.has(Deviation::KeepsOwnPolicyLifetime) {
            choice.lifetime = policies.iter().map(|policy| policy.lifetime).max().unwrap_or(choice.lifetime);
        }
        Some(choice)
    }

    /// An offer as it is read: strictly, an honest peer does it.
    pub(super) fn read_offer<'a>(&self, offer: &'a SecurityAssociation) -> Cow<'a, SecurityAssociation> {
        let conflicts = self.has(Deviation::TakesLastOfConflictingAttributes);
        let unknown = self.has(Deviation::IgnoresUnsupportedAttributes);
        if conflicts || unknown {
            Cow::Owned(negotiate::forgiven(offer, conflicts, unknown))
        } else if self.has(Deviation::AcceptsRsaMethods) {
            Cow::Owned(deviant::with_pre_shared_keys(offer))
        } else {
            Cow::Borrowed(offer)
        }
    }

    /// An answer as it is sent: what was chosen, as it was offered, and nothing else.
    pub(super) fn shape_answer(&self, answer: SecurityAssociation, offer: &SecurityAssociation) -> SecurityAssociation {
        if matches!(self.read_offer(offer), Cow::Owned(_)) {
            return deviant::as_offered(answer, offer);
        }
        if self.has(Deviation::EchoesAllTransforms) { deviant::echoed(offer, &answer) } else { answer }
    }
}

/// The octets of the SA payload in a message, without its generic header.
pub(super) fn offer_octets(payloads: &[Payload]) -> Vec<u8> {
    find(payloads, PayloadType::SECURITY_ASSOCIATION).map(|payload| payload.body.to_bytes()).unwrap_or_default()
}
