//! What becomes of an ESP or AH packet that no SA has the SPI of (RFC 7296 sections 1.5 and 2.21.4, RFC 4303 section
//! 3.4.2, guide chapter 4).
//!
//! The packet is dropped in any case. Whether its sender is told, and how, is [`InvalidSpi`]; what is sent because of
//! packets that nobody has vouched for is bounded, so that the peer is no amplifier.

use super::config::InvalidSpi;
use super::log::InvalidSpiMessage;
use super::nat_transparency::IKE_PORT;
use super::rate::PerSecond;
use super::{Event, Gateway};
use crate::Instant;
use crate::deviation::Deviation;
use crate::ike::v2::Path;
use crate::ipsec::drops::DropReason;
use std::net::{IpAddr, SocketAddr};
use wire::ikev2::{Body, ExchangeType, Flags, Header, Message, Notify, NotifyType, Payload, ProtocolId};

/// How the sender of a packet with an unknown SPI is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not at all.
    Silence,
    /// INVALID_SPI in an INFORMATIONAL exchange of the IKE SA with the sender.
    Protected,
    /// INVALID_SPI in a one-way message without protection.
    Unprotected,
}

/// Bounds the answers.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    answers: PerSecond,
}

impl Recovery {
    /// Decides on a packet that came from an address with or without an IKE SA.
    pub(super) fn answer(&mut self, policy: &InvalidSpi, has_ike_sa: bool, unlimited: bool, now: Instant) -> Answer {
        let answer = match has_ike_sa {
            true if policy.notify_in_ike_sa => Answer::Protected,
            false if policy.notify_unprotected => Answer::Unprotected,
            _ => return Answer::Silence,
        };
        if unlimited || self.answers.take(policy.per_second, now) { answer } else { Answer::Silence }
    }
}

impl Gateway {
    /// Tells the sender of a packet with an unknown SPI, if the policy says so.
    pub(super) fn unknown_spi(&mut self, now: Instant, source: IpAddr, destination: IpAddr, protocol: u8, spi: u32) {
        self.events.push_back(Event::InvalidSpi { destination, source, protocol, spi });
        self.log_invalid_spi(now, InvalidSpiMessage { destination, source, protocol, spi });
        self.dropped(Some(spi), Some(source), DropReason::UnknownSpi);
        if self.is_deviant(Deviation::SilentOnInvalidSpi) {
            return;
        }
        let ike_sa = self.ike_sa_with(source);
        if self.is_deviant(Deviation::RecoversInvalidSpiByDefault) && self.ike.ike_sas().is_empty() {
            let connection = self.config.ike.connections.first();
            let names = connection.and_then(|c| Some((c.name.clone(), c.children.first()?.name.clone())));
            if let Some((connection, child)) = names {
                // A connection that does not say where the peer is cannot be begun.
                let _ = self.initiate(now, &connection, &child);
            }
        }
        let unlimited = self.is_deviant(Deviation::UnlimitedInvalidSpiNotifies);
        let unprotected = self.is_deviant(Deviation::InvalidSpiNotifyInTheClear);
        let mut policy = self.config.invalid_spi;
        policy.notify_unprotected |= self.is_deviant(Deviation::TellsStrangersOfInvalidSpi);
        let answer = self.recovery.answer(&policy, ike_sa.is_some(), unlimited, now);
        let notify = self.invalid_spi_notify(spi);
        match (answer, ike_sa) {
            (Answer::Protected, Some(info)) if !unprotected => {
                let payloads = vec![Payload::from(Body::Notify(notify))];
                // An IKE SA that is just being closed tells nobody.
                let _ = self.ike.informational(now, &mut self.rng, info.id, payloads, &mut self.hands);
                self.obey(now);
            }
            (Answer::Silence, _) => {}
            (_, info) => {
                let path = info.map_or(
                    Path { local: SocketAddr::new(destination, IKE_PORT), remote: SocketAddr::new(source, IKE_PORT) },
                    |info| info.path,
                );
                self.send_unprotected_notify(path, notify);
            }
        }
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
    use std::time::Duration;

    #[test]
    fn a_flood_gets_a_few_answers_a_second() {
        let policy = InvalidSpi { notify_in_ike_sa: true, notify_unprotected: false, per_second: 3 };
        let mut recovery = Recovery::default();
        let mut answers = 0;
        for millisecond in 0..2500 {
            let now = Instant::after_start(Duration::from_millis(millisecond));
            answers += u32::from(recovery.answer(&policy, true, false, now) == Answer::Protected);
            assert_eq!(recovery.answer(&policy, false, false, now), Answer::Silence);
        }
        assert_eq!(answers, 9);
    }
}
