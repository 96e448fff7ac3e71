//! IKE_SA_INIT (RFC 7296 sections 1.2, 2.6, 2.14 and 2.21.1), both roles.

use super::api::*;
use super::cookie::Claim;
use super::engine::{Cx, Engine};
use super::keys::{IkeKeys, IkeSuite};
use super::nat;
use super::negotiate::{self, Accepts, Choice};
use super::notify::{Found, proper_nonce};
use super::sa::IkeSa;
use crate::config::{Connection, CookiePolicy};
use crate::deviation::Deviation;
use crypto::{DhError, Group, KeyPair, Zeroizing, sha1};
use rand_core::Rng;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wire::ikev2::{Body, KeyExchange, Message, Notify, NotifyType, Payload};

/// How often an initiator starts over for a cookie or another group.
const RESTARTS: u32 = 8;
/// How long an initiator waits for something better than an unauthenticated error (section 2.21.1).
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of a nonce: enough for every PRF (section 2.10).
const NONCE: usize = 32;
/// UDP port of encapsulation (section 2.23).
const NAT_PORT: u16 = 4500;

type Outcome = Result<(), (Option<IkeSaId>, RejectReason)>;

impl Engine {
    // ---- Initiator ----

    pub(super) fn start_init(
        &mut self,
        cx: &mut Cx<'_>,
        connection: Arc<Connection>,
        child: &str,
        path: Path,
    ) -> Result<IkeSaId, CommandError> {
        let accepts = ike_accepts(&connection);
        let group = accepts.iter().flat_map(Accepts::groups).next().and_then(Group::from_iana);
        let (Some(group), true) = (group, accepts.iter().all(Accepts::is_complete)) else {
            let name = &connection.name;
            return Err(CommandError::Configuration(format!("connection `{name}` has no usable IKE proposal")));
        };
        let id = self.new_id();
        let spi = self.new_ike_spi(cx.rng);
        let mut sa = IkeSa::new(id, connection, true, (spi, 0), path, cx.now);
        sa.handshake.offer = negotiate::offer(&accepts, &[]);
        sa.handshake.key_pair = Some(KeyPair::generate(group, cx.rng));
        sa.handshake.nonce = self.nonce(cx.rng);
        sa.handshake.child = Some(child.to_owned());
        self.send_init(cx, &mut sa);
        self.put_back(sa);
        Ok(id)
    }

    fn send_init(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa) {
        let handshake = &sa.handshake;
        let mut payloads: Vec<Payload> = vec![];
        payloads.push(Body::SecurityAssociation(handshake.offer.clone()).into());
        if let Some(pair) = &handshake.key_pair {
            payloads.push(Body::KeyExchange(KeyExchange::new(pair.group().id(), pair.public())).into());
        }
        payloads.push(Body::Nonce(handshake.nonce.clone()).into());
        let mode = sa.connection.nat_traversal;
        let notifies = self.nat_notifies(mode, (sa.local_spi, 0), sa.path);
        payloads.extend(notifies.into_iter().map(|notify| Payload::from(Body::Notify(notify))));
        if let Some(cookie) = &handshake.cookie {
            // First of all, and everything else as it was (section 2.6).
            let cookie = Body::Notify(Notify::new(NotifyType::COOKIE, cookie.clone())).into();
            let at = if self.has(Deviation::AppendsCookie) { payloads.len() } else { 0 };
            payloads.insert(at, cookie);
        }
        self.init_message(cx, sa, payloads);
    }

    pub(super) fn init_response(&mut self, cx: &mut Cx<'_>, path: Path, message: &Message, octets: &[u8]) -> Outcome {
        let header = &message.header;
        let id = self.by_spi.get(&header.initiator_spi).copied();
        let known = id.filter(|id| self.sas.get(id).is_some_and(|sa| sa.initiator));
        let Some((id, mut sa)) = known.and_then(|id| Some((id, self.sas.remove(&id)?))) else {
            if self.has(Deviation::AnswersUnknownResponses) {
                self.respond_outside(cx, header, path, Notify::new(NotifyType::INVALID_IKE_SPI, vec![]));
            }
            return Err((None, RejectReason::UnknownSpi));
        };
        let result = self.init_answered(cx, &mut sa, path, message, octets);
        self.put_back(sa);
        result.map_err(|reason| (Some(id), reason))
    }

    fn init_answered(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        path: Path,
        message: &Message,
        octets: &[u8],
    ) -> Result<(), RejectReason> {
        let header = &message.header;
        if sa.state != State::InitSent || header.message_id != 0 {
            return Err(RejectReason::UnexpectedResponse(header.message_id));
        }
        if header.flags.initiator() {
            return Err(RejectReason::InitiatorFlag);
        }
        let found = Found::new(&message.payloads);
        if let Some(payload_type) = found.critical_unknown() {
            return Err(RejectReason::CriticalPayload(payload_type));
        }
        if self.has(Deviation::RejectsUnknownStatusNotify)
            && self.unacceptable_payload(&found, &message.payloads).is_some()
        {
            return Err(RejectReason::Payloads("unknown notify"));
        }
        if found.sa.is_none() {
            return self.init_refused(cx, sa, &found);
        }
        let (Some(answer), Some(ke), Some(nonce)) = (found.sa, found.ke, found.nonce) else {
            return Err(RejectReason::Payloads("SA, KE or Nonce is missing"));
        };
        if header.responder_spi == 0 {
            return Err(RejectReason::Payloads("the responder's SPI is zero"));
        }
        // Whatever is wrong with an unauthenticated answer is no reason to give up: a better one may come.
        let choice = negotiate::check(&sa.handshake.offer, answer, &self.config.deviations);
        let suite = choice.as_ref().and_then(Choice::ike_suite).ok_or(RejectReason::NoProposal)?;
        if !self.good_nonce(nonce, &suite) {
            return Err(RejectReason::Payloads("nonce of a wrong length"));
        }
        let pair = sa.handshake.key_pair.as_ref().filter(|pair| pair.group().id() == suite.group);
        let pair = pair.filter(|_| ke.group == suite.group).ok_or(RejectReason::KeyExchange)?;
        let secret = self.agree(pair, &ke.data).map_err(|_| RejectReason::KeyExchange)?;
        let spis = (sa.local_spi, header.responder_spi);
        let keys = IkeKeys::initial(&suite, &secret, (&sa.handshake.nonce, nonce), spis);
        let keys = keys.ok_or(RejectReason::KeyExchange)?;

        sa.remote_spi = header.responder_spi;
        sa.group = Some(suite.group);
        sa.handshake.peer_nonce = nonce.to_vec();
        sa.handshake.peer_message = octets.to_vec();
        sa.requests.outstanding.clear();
        sa.requests.next_id = 1;
        sa.last_heard = cx.now;
        self.derived(sa, keys);
        self.detect_nat(sa, spis, path, &found);
        if sa.nat.detected() && !self.has(Deviation::StaysOnPort500) {
            // All further traffic from port 4500 to port 4500 (section 2.23); a port that a NAT has changed is kept.
            sa.path.local.set_port(NAT_PORT);
            if sa.path.remote.port() == 500 {
                sa.path.remote.set_port(NAT_PORT);
            }
        }
        sa.state = State::Held;
        if !self.hold_auth {
            self.start_auth(cx, sa);
        }
        Ok(())
    }

    /// An IKE_SA_INIT response without a choice: something is to be corrected, or an error that is not to be trusted.
    fn init_refused(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, found: &Found<'_>) -> Result<(), RejectReason> {
        let may_restart = sa.handshake.restarts < RESTARTS;
        if let Some(cookie) = found.notify(NotifyType::COOKIE) {
            if !(1..=64).contains(&cookie.data.len()) || !may_restart {
                return Err(RejectReason::Payloads("cookie of a wrong length, or one too many"));
            }
            if self.has(Deviation::GivesUpAfterCookieAndGroup) && sa.handshake.restarts > 0 {
                self.drop_sa(sa, DownReason::ProtocolError);
                return Ok(());
            }
            let mut data = cookie.data.clone();
            if self.has(Deviation::TruncatesCookie) {
                data.truncate(20);
            }
            sa.handshake.cookie = Some(data);
            if self.has(Deviation::RenewsNonceWithCookie) {
                sa.handshake.nonce = self.nonce(cx.rng);
            }
            sa.handshake.restarts += 1;
            self.send_init(cx, sa);
            return Ok(());
        }
        if let Some(notify) = found.notify(NotifyType::INVALID_KE_PAYLOAD) {
            let wanted = <[u8; 2]>::try_from(&*notify.data).ok().map(u16::from_be_bytes);
            let current = sa.handshake.key_pair.as_ref().map(|pair| pair.group().id());
            let offered = |group: &u16| {
                let transforms = sa.handshake.offer.transforms();
                transforms.into_iter().any(|(_, t)| t.transform_type.0 == 4 && t.id == *group)
                    || self.has(Deviation::ObeysUnofferedGroup)
            };
            let group = wanted.filter(offered).filter(|group| Some(*group) != current && may_restart);
            let Some(group) = group.and_then(Group::from_iana) else {
                return Err(RejectReason::Payloads("INVALID_KE_PAYLOAD names no other group of our offer"));
            };
            if self.has(Deviation::GivesUpAfterCookieAndGroup) && sa.handshake.restarts > 0 {
                self.drop_sa(sa, DownReason::ProtocolError);
                return Ok(());
            }
            if self.has(Deviation::ShrinksOfferToDemandedGroup) {
                for proposal in &mut sa.handshake.offer.proposals {
                    proposal.transforms.retain(|t| t.transform_type.0 != 4 || t.id == group.id());
                }
            }
            sa.handshake.key_pair = Some(KeyPair::generate(group, cx.rng));
            sa.handshake.restarts += 1;
            self.send_init(cx, sa);
            return Ok(());
        }
        let Some(error) = found.error() else { return Err(RejectReason::Payloads("neither SA nor error")) };
        if self.has(Deviation::AbortsOnForgedError) {
            self.drop_sa(sa, DownReason::Refused(error.notify_type));
            return Ok(());
        }
        sa.handshake.refused.get_or_insert((error.notify_type, cx.now + PATIENCE));
        Err(RejectReason::UnauthenticatedError(error.notify_type))
    }

    // ---- Responder ----

    pub(super) fn init_request(&mut self, cx: &mut Cx<'_>, path: Path, message: &Message, octets: &[u8]) -> Outcome {
        let header = &message.header;
        let reject = |reason| Err((None, reason));
        if header.initiator_spi == 0 || header.responder_spi != 0 || header.message_id != 0 {
            return reject(RejectReason::Payloads("header is not that of a first message"));
        }
        if !header.flags.initiator() {
            return reject(RejectReason::InitiatorFlag);
        }
        // A retransmission is told by the whole message (section 2.1).
        let mut fingerprint = sha1(&[octets]);
        if self.has(Deviation::TellsInitBySpi) {
            fingerprint = sha1(&[&header.initiator_spi.to_be_bytes()]);
        }
        if let Some(sa) = self.by_request.get(&fingerprint).and_then(|id| self.sas.get(id)) {
            let (ike_sa, stored) = (sa.id, sa.responses.stored(0).map(<[u8]>::to_vec));
            let Some(datagram) = stored else { return Err((Some(ike_sa), RejectReason::MessageIdTooOld(0))) };
            if !self.has(Deviation::AcceptsReplayedRequest) {
                self.actions.push_back(Action::Send { path, datagram });
                self.event(Event::ResponseRepeated { ike_sa, message_id: 0 });
                return Ok(());
            }
        }
        let found = Found::new(&message.payloads);
        if let Some(payload_type) = self.unacceptable_payload(&found, &message.payloads) {
            let notify = Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![payload_type.0]);
            self.respond_outside(cx, header, path, notify);
            return reject(RejectReason::CriticalPayload(payload_type));
        }
        if self.has(Deviation::InsistsOnPayloadOrder)
            && !matches!(
                message.payloads.iter().find(|p| !matches!(p.body, Body::Notify(_))).map(|p| &p.body),
                Some(Body::SecurityAssociation(_))
            )
        {
            return reject(RejectReason::Payloads("SA is not first"));
        }
        let (Some(offer), Some(ke), Some(nonce)) = (found.sa, found.ke, found.nonce) else {
            return reject(RejectReason::Payloads("SA, KE or Nonce is missing"));
        };
        if !proper_nonce(nonce) && !self.has(Deviation::AcceptsAnyNonce) {
            return reject(RejectReason::Payloads("nonce of a wrong length"));
        }
        self.check_cookie(cx, header, path, nonce, found.notify(NotifyType::COOKIE))?;
        if self.half_open_limit(path.remote.ip()) {
            return reject(RejectReason::HalfOpenLimit);
        }
        let candidates = self.candidates(path.local.ip(), path.remote.ip());
        let mut chosen = None;
        for connection in &candidates {
            let preference = connection.preference;
            let accepts = ike_accepts(connection);
            let choice = negotiate::choose(&accepts, offer, Some(ke.group), preference, &self.config.deviations);
            if let Some((choice, suite)) = choice.and_then(|choice| choice.ike_suite().map(|suite| (choice, suite))) {
                chosen = Some((connection.clone(), choice, suite));
                break;
            }
        }
        let Some((connection, choice, mut suite)) = chosen else {
            if !self.has(Deviation::SilentWithoutProposal) {
                self.respond_outside(cx, header, path, Notify::new(NotifyType::NO_PROPOSAL_CHOSEN, vec![]));
            }
            let reason = if candidates.is_empty() { RejectReason::NoConnection } else { RejectReason::NoProposal };
            return reject(reason);
        };
        if suite.group != ke.group {
            if !self.has(Deviation::AcceptsForeignGroup) {
                let notify = Notify::new(NotifyType::INVALID_KE_PAYLOAD, suite.group.to_be_bytes());
                self.respond_outside(cx, header, path, notify);
                return reject(RejectReason::KeyExchange);
            }
            suite.group = ke.group;
        }
        if !self.good_nonce(nonce, &suite) {
            return reject(RejectReason::Payloads("nonce shorter than half the key of the PRF"));
        }
        if self.has(Deviation::InsistsOnNatDetection) && found.notify(NotifyType::NAT_DETECTION_SOURCE_IP).is_none() {
            return reject(RejectReason::Payloads("no NAT detection"));
        }
        let Some(group) = Group::from_iana(suite.group) else { return reject(RejectReason::KeyExchange) };
        let pair = KeyPair::generate(group, cx.rng);
        let Ok(secret) = self.agree(&pair, &ke.data) else { return reject(RejectReason::KeyExchange) };

        let id = self.new_id();
        let spi = self.new_ike_spi(cx.rng);
        let mut sa = IkeSa::new(id, connection, false, (spi, header.initiator_spi), path, cx.now);
        sa.group = Some(suite.group);
        sa.handshake.nonce = self.nonce(cx.rng);
        sa.handshake.peer_nonce = nonce.to_vec();
        sa.handshake.peer_message = octets.to_vec();
        let spis = (header.initiator_spi, spi);
        let Some(keys) = IkeKeys::initial(&suite, &secret, (nonce, &sa.handshake.nonce), spis) else {
            return reject(RejectReason::KeyExchange);
        };
        self.detect_nat(&mut sa, (header.initiator_spi, 0), path, &found);
        let mut answer = choice.answer(&[]);
        if self.has(Deviation::EchoesAllProposals) {
            answer = offer.clone();
        }
        let mut payloads: Vec<Payload> = vec![
            Body::SecurityAssociation(answer).into(),
            Body::KeyExchange(KeyExchange::new(suite.group, pair.public())).into(),
            Body::Nonce(sa.handshake.nonce.clone()).into(),
        ];
        if sa.nat.supported {
            let notifies = self.nat_notifies(sa.connection.nat_traversal, spis, path);
            payloads.extend(notifies.into_iter().map(|notify| Payload::from(Body::Notify(notify))));
        }
        sa.handshake.message = self.respond_init(cx, &mut sa, path, payloads);
        if !self.has(Deviation::HalfOpenForEver) {
            sa.forget_at = Some(cx.now + self.config.limits.half_open_lifetime);
        }
        self.derived(&mut sa, keys);
        self.by_request.insert(fingerprint, id);
        self.put_back(sa);
        Ok(())
    }

    /// Asks for a cookie where one is wanted (section 2.6). One with unexpected content is as good as none.
    fn check_cookie(
        &mut self,
        cx: &mut Cx<'_>,
        header: &wire::ikev2::Header,
        path: Path,
        nonce: &[u8],
        cookie: Option<&Notify>,
    ) -> Outcome {
        let half_open = self.sas.values().filter(|sa| sa.state == State::HalfOpen).count();
        let wanted = match self.config.cookies {
            CookiePolicy::Never => false,
            CookiePolicy::Always => true,
            CookiePolicy::AboveHalfOpen(limit) => half_open >= limit,
        };
        let mut claim = Claim { nonce, address: path.remote.ip(), spi: header.initiator_spi };
        if self.has(Deviation::CookieNotBound) {
            claim = Claim { nonce: &[], address: IpAddr::from([0; 4]), spi: 0 };
        }
        let mut life = self.config.limits.cookie_secret;
        if self.has(Deviation::EternalCookies) {
            life = Duration::from_secs(u64::from(u32::MAX));
        }
        let valid = cookie.is_some_and(|cookie| self.cookies.check(cx.now, life, &cookie.data, &claim));
        if cookie.is_some() && !valid && self.has(Deviation::RejectsUnknownCookie) {
            return Err((None, RejectReason::Payloads("unknown cookie")));
        }
        if !wanted || valid || self.has(Deviation::NeverSendsCookies) {
            return Ok(());
        }
        let data = self.cookies.make(cx.now, cx.rng, life, &claim);
        self.respond_outside(cx, header, path, Notify::new(NotifyType::COOKIE, data));
        Err((None, RejectReason::CookieWanted))
    }

    fn half_open_limit(&self, address: IpAddr) -> bool {
        if self.has(Deviation::HalfOpenForEver) {
            return false;
        }
        let half_open = || self.sas.values().filter(|sa| sa.state == State::HalfOpen);
        let same = half_open().filter(|sa| prefix(sa.path.remote.ip()) == prefix(address)).count();
        half_open().count() >= self.config.limits.half_open || same >= self.config.limits.half_open_per_prefix
    }

    // ---- Shared ----

    pub(super) fn nonce(&self, rng: &mut dyn Rng) -> Vec<u8> {
        let mut nonce = vec![0xA5; if self.has(Deviation::SendsShortNonce) { 8 } else { NONCE }];
        if !self.has(Deviation::ConstantNonce) {
            rng.fill_bytes(&mut nonce);
        }
        nonce
    }

    /// The shared secret, if the peer's value is a proper one (RFC 6989).
    pub(super) fn agree(&self, pair: &KeyPair, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, DhError> {
        let mut secret = match pair.agree(peer) {
            Err(DhError::Zero | DhError::One | DhError::MinusOne | DhError::NotOnCurve | DhError::ZeroSecret)
                if self.has(Deviation::AcceptsInvalidPublicValues) =>
            {
                let mut secret = Zeroizing::new(vec![0; pair.group().secret_len()]);
                if peer.last() == Some(&1) {
                    secret.iter_mut().rev().take(1).for_each(|octet| *octet = 1);
                }
                secret
            }
            result => result?,
        };
        if self.has(Deviation::StripsLeadingZerosOfSecret) {
            let zeros = secret.iter().take_while(|octet| **octet == 0).count();
            secret.drain(..zeros);
        }
        Ok(secret)
    }

    fn good_nonce(&self, nonce: &[u8], suite: &IkeSuite) -> bool {
        (proper_nonce(nonce) && nonce.len() >= suite.prf.key_len() / 2) || self.has(Deviation::AcceptsAnyNonce)
    }

    pub(super) fn derived(&mut self, sa: &mut IkeSa, keys: IkeKeys) {
        self.event(Event::IkeKeys { ike_sa: sa.id, keys: Box::new(keys.clone()) });
        sa.keys = Some(keys);
    }

    fn nat_notifies(&self, mode: crate::config::NatTraversal, spis: (u64, u64), path: Path) -> Vec<Notify> {
        let mut path = path;
        if self.has(Deviation::NatHashWithoutPort) {
            path.local = SocketAddr::new(path.local.ip(), 0);
            path.remote = SocketAddr::new(path.remote.ip(), 0);
        }
        nat::notifies(mode, spis, path)
    }

    fn detect_nat(&mut self, sa: &mut IkeSa, spis: (u64, u64), path: Path, found: &Found<'_>) {
        let only_first = self.has(Deviation::FirstNatSourceOnly);
        let mut sources = 0;
        let notifies = found.notifies().filter(|notify| {
            sources += u32::from(notify.notify_type == NotifyType::NAT_DETECTION_SOURCE_IP);
            sources <= 1 || notify.notify_type != NotifyType::NAT_DETECTION_SOURCE_IP || !only_first
        });
        sa.nat = nat::detect(sa.connection.nat_traversal, spis, path, notifies);
        self.event(Event::NatDetected { ike_sa: sa.id, nat: sa.nat });
    }
}

/// The IKE proposals of a connection.
pub(super) fn ike_accepts(connection: &Connection) -> Vec<Accepts> {
    connection.ike_proposals.iter().map(Accepts::ike).filter(Accepts::is_complete).collect()
}

/// The unit by which half-open IKE SAs are counted (RFC 8019 section 4.2): an IPv4 address, an IPv6 /64.
fn prefix(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
    }
}
