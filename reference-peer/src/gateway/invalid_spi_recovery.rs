//! What becomes of an ESP or AH packet that no SA has the SPI of (RFC 4302 and 4303 section 3.4.2, RFC 7296 sections 1.5
//! and 2.21.4, RFC 2408 section 3.14, guide chapter 4).
//!
//! The packet is dropped and logged in any case. Then its sender may be told:
//!
//! - **IKEv2**: INVALID_SPI in an INFORMATIONAL exchange, as [`InvalidSpi`] says. It is a hint; the sender's SAs stay.
//! - **IKEv1, with an ISAKMP SA**: two Informational exchanges under it, one with the notify INVALID-SPI and one with a
//!   Delete for the SPI. The guide has the notify ("sends an IKE INVALID SPI NOTIFY message", CISCO-INVSPI-002), its
//!   readers report the Delete (CISCO-INVSPI-013, 014), and both are right: a peer of the vendor's deletes its SAs on
//!   either, and of others most know only the Delete. Each has an exchange of its own, since an Informational exchange
//!   holds one of both (RFC 2409 section 5.7). This needs no command ("regardless of whether the command is
//!   activated", CISCO-INVSPI-013); [`InvalidSpi::notify_in_ike_sa`] turns it off. The Delete is true whatever the
//!   packet was: we do not receive on that SPI. To the peer it concerns nothing but what it sends on this very SPI, so
//!   that a forged packet does no harm.
//! - **IKEv1, without an ISAKMP SA**: nothing, and the black hole stays (CISCO-INVSPI-001, 006), unless
//!   [`invalid_spi_recovery`](super::GatewayConfig::invalid_spi_recovery) is on. Then an ISAKMP SA is set up with the
//!   sender if a connection names its address (static peers only, CISCO-INVSPI-011, 015), and the two messages follow
//!   under it (CISCO-INVSPI-003, 014). The peer deletes its SAs, and its next packet makes new ones (CISCO-INVSPI-004,
//!   005).
//!
//! An SPI of a quick mode that only its last message is missing of is no unknown one: data may overtake that message.
//!
//! What is sent because of packets that nobody has vouched for is bounded (CISCO-INVSPI-010, INVSPI-008): so many
//! answers a second to each peer, one negotiation at a time with a peer, the next after a time that grows as long as
//! none succeeds, and so many negotiations a second with all.

use super::config::InvalidSpi;
use super::log::InvalidSpiMessage;
use super::nat_transparency::IKE_PORT;
use super::rate::PerSecond;
use super::{Event, Gateway};
use crate::Instant;
use crate::config::Remote;
use crate::config::isakmp::{IsakmpConfig, IsakmpConnection};
use crate::deviation::Deviation;
use crate::ike::v1;
use crate::ike::v2::{IkeSaId, Path};
use crate::ipsec::drops::DropReason;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::ikev1;
use wire::ikev2::{Body, ExchangeType, Flags, Header, Message, Notify, NotifyType, Payload, ProtocolId};

/// Time between a negotiation with a peer and the next one at the earliest; after each that does not succeed, twice
/// as long.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// It grows no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Negotiations a second with all peers together.
const MOST_NEGOTIATIONS: u32 = 4;

/// Peers whose answers are counted, before those that are silent are forgotten.
const MOST_COUNTED: usize = 1024;

/// How the sender of a packet with an unknown SPI is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not at all.
    Silence,
    /// In an exchange of the IKE or ISAKMP SA with the sender.
    Protected,
    /// INVALID_SPI of IKEv2 in a one-way message without protection.
    Unprotected,
}

/// Bounds the answers and the negotiations.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// By peer that there is an IKE or ISAKMP SA with; of all others together.
    answers: BTreeMap<Option<IpAddr>, PerSecond>,
    /// By peer of a static connection.
    negotiations: BTreeMap<IpAddr, Negotiations>,
    begun: PerSecond,
}

/// When a peer may be begun with again.
#[derive(Debug, Clone, Copy)]
struct Negotiations {
    not_before: Instant,
    wait: Duration,
}

impl Recovery {
    /// Decides on a packet that came from an address with or without an IKE SA.
    pub(super) fn answer(
        &mut self,
        policy: &InvalidSpi,
        source: IpAddr,
        has_ike_sa: bool,
        unlimited: bool,
        now: Instant,
    ) -> Answer {
        let answer = match has_ike_sa {
            true if policy.notify_in_ike_sa => Answer::Protected,
            false if policy.notify_unprotected => Answer::Unprotected,
            _ => return Answer::Silence,
        };
        if self.answers.len() >= MOST_COUNTED {
            self.answers.retain(|_, count| count.is_counting(now));
        }
        let count = self.answers.entry(has_ike_sa.then_some(source)).or_default();
        if unlimited || count.take(policy.per_second, now) { answer } else { Answer::Silence }
    }

    /// May a negotiation with this peer begin? If so, it does.
    fn begin(&mut self, peer: IpAddr, most: u32, now: Instant) -> bool {
        let peer = self.negotiations.entry(peer).or_insert(Negotiations { not_before: now, wait: FIRST_WAIT });
        if peer.not_before > now || !self.begun.take(most, now) {
            return false;
        }
        (peer.not_before, peer.wait) = (now + peer.wait, LONGEST_WAIT.min(peer.wait * 2));
        true
    }

    /// There is an ISAKMP SA with this peer.
    pub(super) fn succeeded(&mut self, peer: IpAddr) {
        if let Some(peer) = self.negotiations.get_mut(&peer) {
            peer.wait = FIRST_WAIT;
        }
    }
}

impl Gateway {
    /// Drops a packet with an unknown SPI, and tells its sender if that is to be. `port`: its UDP source port, if it was
    /// encapsulated; `inner_spi`: that of ESP within AH.
    pub(super) fn unknown_spi(
        &mut self,
        now: Instant,
        message: InvalidSpiMessage,
        port: Option<u16>,
        inner_spi: Option<u32>,
    ) {
        let InvalidSpiMessage { destination, source, protocol, spi } = message;
        self.events.push_back(Event::InvalidSpi { destination, source, protocol, spi });
        self.log_invalid_spi(now, message, inner_spi);
        self.dropped(Some(spi), Some(source), DropReason::UnknownSpi);
        if self.is_deviant(Deviation::SilentOnInvalidSpi) || self.isakmp.is_negotiating_spi(spi) {
            return;
        }
        self.begin_by_default(now);
        let ike_sa = self.ike_sa_with(source);
        let isakmp_sa = self.isakmp_sa_with(source, port);
        let unlimited = self.is_deviant(Deviation::UnlimitedInvalidSpiNotifies);
        let unprotected = self.is_deviant(Deviation::InvalidSpiNotifyInTheClear);
        let mut policy = self.config.invalid_spi;
        policy.notify_unprotected |= self.is_deviant(Deviation::TellsStrangersOfInvalidSpi);
        let known = ike_sa.is_some() || isakmp_sa.is_some();
        let answer = self.recovery.answer(&policy, source, known, unlimited, now);
        if !known {
            self.recover(now, message);
        }
        if answer == Answer::Silence {
            return;
        }
        if let Some(info) = isakmp_sa {
            self.tell_of_invalid_spi(now, &info, protocol, spi);
            if ike_sa.is_none() {
                return;
            }
        }
        let notify = self.invalid_spi_notify(spi);
        match ike_sa {
            Some(info) if !unprotected => {
                let payloads = vec![Payload::from(Body::Notify(notify))];
                // An IKE SA that is just being closed tells nobody.
                let _ = self.ike.informational(now, &mut self.rng, info.id, payloads, &mut self.hands);
                self.obey(now);
            }
            info => {
                let end = |address| SocketAddr::new(address, IKE_PORT);
                let path = Path { local: end(destination), remote: end(source) };
                self.send_unprotected_notify(info.map_or(path, |info| info.path), notify);
            }
        }
    }

    /// Only of a peer that is faulty on purpose: begins with the first peer of IKEv2.
    fn begin_by_default(&mut self, now: Instant) {
        if self.is_deviant(Deviation::RecoversInvalidSpiByDefault) && self.ike.ike_sas().is_empty() {
            let connection = self.config.ike.connections.first();
            let names = connection.and_then(|c| Some((c.name.clone(), c.children.first()?.name.clone())));
            if let Some((connection, child)) = names {
                // A connection that does not say where the peer is cannot be begun.
                let _ = self.initiate(now, &connection, &child);
            }
        }
    }

    /// INVALID-SPI and Delete under an ISAKMP SA.
    fn tell_of_invalid_spi(&mut self, now: Instant, info: &v1::IsakmpSaInfo, protocol: u8, spi: u32) {
        if self.is_deviant(Deviation::InvalidSpiNotifyInTheClear) {
            let (exchange, flags) = (ikev1::ExchangeType::INFORMATIONAL, ikev1::Flags::default());
            let header = ikev1::Header::new(info.cookies, exchange, flags, spi);
            let payloads = self.invalid_spi_payloads(protocol, spi).into_iter().take(1).collect::<Vec<_>>();
            return self.send_ike(info.path, &ikev1::Message::clear(header, payloads).to_bytes());
        }
        for payload in self.invalid_spi_payloads(protocol, spi) {
            let (id, payloads) = (info.id, vec![payload]);
            // An ISAKMP SA that has just gone tells nobody.
            let _ = self.isakmp.informational_exchange(now, &mut self.rng, id, payloads, &mut self.hands);
        }
        self.obey(now);
    }

    /// What a peer of IKEv1 is told, each in a message of its own.
    fn invalid_spi_payloads(&self, protocol: u8, spi: u32) -> Vec<ikev1::Payload> {
        let protocol = if protocol == 51 { ikev1::ProtocolId::AH } else { ikev1::ProtocolId::ESP };
        let notify = ikev1::NotifyType::INVALID_SPI;
        let notification = ikev1::Notification::new(protocol, spi.to_be_bytes(), notify, []);
        let mut payloads = vec![ikev1::Body::Notification(notification).into()];
        if !self.is_deviant(Deviation::NoDeleteForInvalidSpi) {
            payloads.push(ikev1::Body::Delete(ikev1::Delete::ipsec(protocol, &[spi])).into());
        }
        payloads
    }

    /// Sets up an ISAKMP SA with the sender of a packet, to tell it under that.
    fn recover(&mut self, now: Instant, message: InvalidSpiMessage) {
        let InvalidSpiMessage { destination, source, protocol, spi } = message;
        let by_default = self.is_deviant(Deviation::RecoversInvalidSpiByDefault);
        if !self.config.invalid_spi_recovery && !by_default || self.is_deviant(Deviation::NeverRecoversInvalidSpi) {
            return;
        }
        let dynamic = self.is_deviant(Deviation::RecoversDynamicPeers);
        let anybody = self.is_deviant(Deviation::RecoversStrangers);
        let is_for = |connection: &&IsakmpConnection| {
            let remote = connection.remote;
            let fits = remote == Remote::Address(source) || anybody || dynamic && remote == Remote::Any;
            connection.local == destination && fits
        };
        let Some(connection) = self.config.isakmp.connections.iter().find(is_for).cloned() else { return };
        let begun = |info: &v1::IsakmpSaInfo| info.initiator && info.path.remote.ip() == source;
        let bounded = !self.is_deviant(Deviation::RecoversWithoutBound);
        let most = if self.is_deviant(Deviation::RecoversManyPeersAtOnce) { u32::MAX } else { MOST_NEGOTIATIONS };
        if bounded && (self.isakmp.isakmp_sas().iter().any(begun) || !self.recovery.begin(source, most, now)) {
            return;
        }
        // What it lacks to be begun with is said at every other attempt to use it.
        let Ok(id) = self.begin_recovery(now, connection, source) else { return };
        let payloads = self.invalid_spi_payloads(protocol, spi);
        if !self.is_deviant(Deviation::RecoversWithoutTelling) {
            for payload in payloads {
                // It has just been begun.
                let _ = self.isakmp.announce_when_up(now, &mut self.rng, id, vec![payload], &mut self.hands);
            }
        }
        self.obey(now);
    }

    fn begin_recovery(
        &mut self,
        now: Instant,
        connection: IsakmpConnection,
        peer: IpAddr,
    ) -> Result<IkeSaId, v1::CommandError> {
        let (isakmp, rng, hands) = (&mut self.isakmp, &mut self.rng, &mut self.hands);
        if connection.remote == Remote::Address(peer) {
            return isakmp.initiate_phase1(now, rng, &connection.name, hands);
        }
        // Only of a peer that is faulty on purpose: a peer that is anywhere is taken to be where the packet came from.
        let told = isakmp.config().clone();
        let there = IsakmpConnection { remote: Remote::Address(peer), ..connection };
        let name = there.name.clone();
        isakmp.configure(IsakmpConfig { connections: vec![there], ..told.clone() });
        let begun = isakmp.initiate_phase1(now, rng, &name, hands);
        isakmp.configure(told);
        begun
    }

    /// Only of a peer that is faulty on purpose: obeys a notify that nobody vouches for.
    pub(super) fn obey_unprotected_invalid_spi(&mut self, now: Instant, message: &[u8]) {
        if !self.is_deviant(Deviation::ObeysUnprotectedInvalidSpi) {
            return;
        }
        let Ok(message) = ikev1::Message::parse(message) else { return };
        for notification in ikev1::notifications(message.payloads()) {
            if notification.notify_type == ikev1::NotifyType::INVALID_SPI
                && let Some(spi) = notification.ipsec_spi()
            {
                // One that is not known harms nothing.
                let _ = self.isakmp.clear_child_silently(spi);
            }
        }
        self.obey(now);
    }

    /// The notify of RFC 7296 section 3.10.1: the SPI stands in the notification data.
    fn invalid_spi_notify(&self, spi: u32) -> Notify {
        if self.is_deviant(Deviation::InvalidSpiInSpiField) {
            return Notify::with_spi(ProtocolId::ESP, spi.to_be_bytes(), NotifyType::INVALID_SPI, []);
        }
        Notify::new(NotifyType::INVALID_SPI, spi.to_be_bytes().to_vec())
    }

    /// A one-way notify outside any IKE SA (RFC 7296 section 1.5): SPIs zero, an INFORMATIONAL request of an initiator.
    fn send_unprotected_notify(&mut self, path: Path, notify: Notify) {
        let header = Header::new((0, 0), ExchangeType::INFORMATIONAL, Flags::new(true, false), 0);
        let octets = Message::new(header, vec![Payload::from(Body::Notify(notify))]).to_bytes();
        self.send_ike(path, &octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(milliseconds: u64) -> Instant {
        Instant::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_flood_gets_a_few_answers_a_second() {
        let policy = InvalidSpi { notify_in_ike_sa: true, notify_unprotected: false, per_second: 3 };
        let mut recovery = Recovery::default();
        let mut answers = 0;
        for millisecond in 0..2500 {
            let now = at(millisecond);
            answers += u32::from(recovery.answer(&policy, PEER, true, false, now) == Answer::Protected);
            assert_eq!(recovery.answer(&policy, PEER, false, false, now), Answer::Silence);
        }
        assert_eq!(answers, 9);
        assert_eq!(recovery.answer(&policy, OTHER, true, false, at(2500)), Answer::Protected, "not at its expense");
    }

    #[test]
    fn strangers_share_what_they_get() {
        let policy = InvalidSpi { notify_in_ike_sa: true, notify_unprotected: true, per_second: 3 };
        let mut recovery = Recovery::default();
        let answers = (0..2000_u32).filter(|host| {
            let peer = IpAddr::from(host.to_be_bytes());
            recovery.answer(&policy, peer, false, false, at(0)) == Answer::Unprotected
        });
        assert_eq!(answers.count(), 3);
        assert_eq!(recovery.answers.len(), 1);
    }

    /// When a flood makes negotiations with one peer begin, in seconds.
    fn begun(seconds: u64, succeeds: bool) -> Vec<u64> {
        let mut recovery = Recovery::default();
        let mut begun = vec![];
        for tenth in 0..seconds * 10 {
            if recovery.begin(PEER, MOST_NEGOTIATIONS, at(tenth * 100)) {
                begun.push(tenth / 10);
                if succeeds {
                    recovery.succeeded(PEER);
                }
            }
        }
        begun
    }

    #[test]
    fn negotiations_that_fail_become_rare() {
        assert_eq!(begun(3600, false), [0, 5, 15, 35, 75, 155, 315, 635, 1235, 1835, 2435, 3035]);
        assert_eq!(begun(20, true), [0, 5, 10, 15]);
    }

    #[test]
    fn negotiations_with_many_peers_have_a_rate() {
        let mut recovery = Recovery::default();
        let mut begin = |now| {
            let peers = (0..255).map(|host| IpAddr::from([10, 0, 0, host]));
            peers.filter(|peer| recovery.begin(*peer, MOST_NEGOTIATIONS, now)).count()
        };
        assert_eq!((begin(at(0)), begin(at(999)), begin(at(1000))), (4, 0, 4));
    }
}
