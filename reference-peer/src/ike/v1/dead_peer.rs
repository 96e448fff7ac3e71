//! Dead peer detection (RFC 3706): the question R-U-THERE and its answer.

use super::api::*;
use super::engine::{Cx, Engine};
use super::sa::IsakmpSa;
use crate::Instant;
use crate::deviation::Deviation;
use wire::ikev1::{Body, Doi, Notification, NotifyType, ProtocolId, cookies_spi};

/// Numbers ahead of the last one that a question of the peer may have: some may have been lost.
const WINDOW: u32 = 16;
/// How often a number is answered: its answer may have been lost.
const REPEATS: u32 = 5;

/// What is remembered of dead peer detection under one ISAKMP SA.
#[derive(Debug, Default)]
pub(super) struct DeadPeer {
    /// Number of our last question.
    sequence: Option<u32>,
    waiting: Option<Waiting>,
    /// Number of the peer's last question, and how often that was asked.
    peer_sequence: Option<(u32, u32)>,
}

/// Questions that have not been answered.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// Number of the first one.
    first: u32,
    asked: u32,
    next_at: Instant,
}

impl DeadPeer {
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.waiting.map(|waiting| waiting.next_at)
    }

    /// The peer lives: nothing is waited for any more.
    pub(super) fn proved(&mut self) {
        self.waiting = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// May a question of the peer have this number (section 6.2)?
    fn accept(&mut self, sequence: u32) -> bool {
        match &mut self.peer_sequence {
            Some((last, count)) if *last == sequence => {
                *count += 1;
                *count <= REPEATS
            }
            Some((last, _)) if !(1..=WINDOW).contains(&sequence.wrapping_sub(*last)) => false,
            slot => {
                *slot = Some((sequence, 1));
                true
            }
        }
    }
}

impl Engine {
    /// Asks the peer whether it lives, unless that is being done.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa) {
        if !sa.dpd.is_waiting() {
            self.ask_again(cx, sa, 0);
        }
    }

    /// Each question has the next number (section 6.2), the first one of all a random one.
    fn ask_again(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, asked: u32) {
        let Some(keepalive) = sa.connection.keepalive else { return };
        let sequence = match (sa.dpd.sequence, sa.dpd.peer_sequence) {
            (_, Some((last, _))) if self.has(Deviation::SharesLivenessCounter) => last.wrapping_add(1),
            (Some(sequence), _) if self.has(Deviation::RepeatsLivenessNumber) => sequence,
            (Some(sequence), _) => sequence.wrapping_add(1),
            (None, _) if self.has(Deviation::CountsLivenessFromOne) => 1,
            (None, _) => cx.rng.next_u32() & 0x7FFF_FFFF,
        };
        let first = sa.dpd.waiting.map_or(sequence, |waiting| waiting.first);
        sa.dpd.sequence = Some(sequence);
        sa.dpd.waiting = Some(Waiting { first, asked, next_at: cx.now + keepalive.retry });
        let notification = Notification::isakmp(sa.cookies(), NotifyType::R_U_THERE, sequence.to_be_bytes());
        self.inform(cx, sa, vec![Body::Notification(notification).into()]);
        self.event(Event::PeerAsked { ike_sa: sa.id, sequence });
    }

    pub(super) fn dead_peer_timeout(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa) {
        let Some(waiting) = sa.dpd.waiting.filter(|waiting| waiting.next_at <= cx.now) else { return };
        let tries = match sa.connection.keepalive {
            _ if self.has(Deviation::AsksDeadPeersForEver) => u32::MAX,
            Some(keepalive) if !self.has(Deviation::GivesUpAfterOneQuestion) => keepalive.tries,
            _ => 0,
        };
        if waiting.asked < tries {
            return self.ask_again(cx, sa, waiting.asked + 1);
        }
        sa.dpd.waiting = None;
        self.event(Event::PeerUnreachable { ike_sa: sa.id });
        // A last word under the ISAKMP SA, in case that only we do not hear.
        self.delete_isakmp(cx, sa);
        if !self.has(Deviation::KeepsIpsecSasOfDeadPeer) {
            self.remove_children(|children| Self::belongs(children, sa), &DownReason::Unreachable);
        }
        self.close(sa, DownReason::Unreachable);
    }

    /// Number in a message of dead peer detection about this ISAKMP SA (section 5.3).
    fn dpd_sequence(&self, sa: &IsakmpSa, notification: &Notification) -> Result<u32, RejectReason> {
        let about_this = notification.doi == Doi::IPSEC
            && notification.protocol == ProtocolId::IKE
            && (notification.spi == cookies_spi(sa.cookies()) || self.has(Deviation::IgnoresLivenessCookies));
        let data = <[u8; 4]>::try_from(&*notification.data).map(u32::from_be_bytes);
        match data {
            Ok(sequence) if about_this => Ok(sequence),
            _ => Err(RejectReason::Payloads("dead peer detection of another ISAKMP SA")),
        }
    }

    /// The peer asks whether we live.
    pub(super) fn asked(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        notification: &Notification,
    ) -> Result<(), RejectReason> {
        let sequence = self.dpd_sequence(sa, notification)?;
        if self.has(Deviation::NeverAnswersLiveness) {
            return Ok(());
        }
        if !sa.dpd.accept(sequence) && !self.has(Deviation::AnswersLivenessReplays) {
            return Err(RejectReason::DpdSequence(sequence));
        }
        let answer = Notification::isakmp(sa.cookies(), NotifyType::R_U_THERE_ACK, sequence.to_be_bytes());
        self.inform(cx, sa, vec![Body::Notification(answer).into()]);
        Ok(())
    }

    /// The peer answers that it lives: to one of our questions that wait, or it proves nothing (section 6.1).
    pub(super) fn alive(&mut self, sa: &mut IsakmpSa, notification: &Notification) -> Result<(), RejectReason> {
        let sequence = self.dpd_sequence(sa, notification)?;
        let (Some(waiting), Some(last)) = (sa.dpd.waiting, sa.dpd.sequence) else {
            return Err(RejectReason::DpdSequence(sequence));
        };
        if sequence.wrapping_sub(waiting.first) > last.wrapping_sub(waiting.first)
            && !self.has(Deviation::AcceptsAnyLivenessAnswer)
        {
            return Err(RejectReason::DpdSequence(sequence));
        }
        sa.dpd.proved();
        self.event(Event::PeerAlive { ike_sa: sa.id, sequence });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_peers_questions() {
        let mut dpd = DeadPeer::default();
        assert!(dpd.accept(1000), "the first may be any");
        assert!(dpd.accept(1001) && dpd.accept(1003), "some may be lost");
        assert!(!dpd.accept(1002) && !dpd.accept(1000), "older ones are replays");
        assert!(!dpd.accept(1003 + WINDOW + 1), "too far ahead");
        let repeated = (0..10).filter(|_| dpd.accept(1003)).count();
        assert_eq!(repeated, 4, "an answer may be lost, but not for ever");
        assert!(dpd.accept(1004));
    }
}
