//! Messages about IKEv1 exchanges that fail, under the names that the guide's routers have for them. Each says why, as far
//! as that is known; none says anything of keys.

use super::Gateway;
use crate::Instant;
use crate::config::Remote;
use crate::config::isakmp::Phase1;
use crate::ike::v1::{DownReason, Event, IkeSaId, RejectReason};

/// Most of them in a second: a flood of garbage must not fill the log.
const PER_SECOND: u32 = 5;

impl Gateway {
    /// Writes about an event of the engine, before the gateway follows it.
    pub(super) fn log_isakmp(&mut self, now: Instant, event: &Event) {
        let message = match event {
            Event::Rejected { path, reason, .. } => Some(rejected(&path.remote.ip().to_string(), reason)),
            Event::IsakmpSaDown { ike_sa, connection, reason } => self.failed(*ike_sa, connection, reason),
            Event::QuickModeFailed { ike_sa, error, .. } => {
                let sa = self.isakmp.isakmp_sa(*ike_sa);
                sa.map(|sa| mode_failure("Quick", &sa.path.remote.ip().to_string(), error))
            }
            _ => None,
        };
        if let Some(message) = message.filter(|_| self.failures.take(PER_SECOND, now)) {
            self.log.write(now, message);
        }
    }

    /// A phase 1 that has come to nothing.
    fn failed(&self, ike_sa: IkeSaId, connection: &str, reason: &DownReason) -> Option<String> {
        let why = match reason {
            DownReason::Unreachable => "no answer".to_owned(),
            DownReason::HalfOpenTimeout => "the peer has not gone on".to_owned(),
            DownReason::RefusedV1(notify) => format!("the peer says {notify}"),
            _ => return None,
        };
        let connection = self.isakmp_connection(connection).filter(|_| !self.sessions.was_up(ike_sa))?;
        let mode = match connection.exchange {
            Phase1::Main => "Main",
            Phase1::Aggressive => "Aggressive",
        };
        let peer = match connection.remote {
            Remote::Address(address) => address.to_string(),
            Remote::Any => "an unknown address".to_owned(),
        };
        Some(mode_failure(mode, &peer, why))
    }
}

fn mode_failure(mode: &str, peer: &str, why: impl std::fmt::Display) -> String {
    format!("%CRYPTO-6-IKMP_MODE_FAILURE: Processing of {mode} mode failed with peer at {peer}: {why}")
}

fn rejected(peer: &str, reason: &RejectReason) -> String {
    match reason {
        RejectReason::UnknownCookies => {
            format!("%CRYPTO-4-IKMP_NO_SA: IKE message from {peer} has no SA and is not an initialization offer")
        }
        RejectReason::NotEncrypted => {
            format!("%CRYPTO-4-IKMP_NOT_ENCRYPTED: IKE packet from {peer} was not encrypted and it should've been")
        }
        RejectReason::ForeignAnswer => {
            format!(
                "%CRYPTO-6-IKMP_SA_NOT_OFFERED: Remote peer {peer} responded with attributes not offered or changed"
            )
        }
        RejectReason::NoProposal | RejectReason::NoConnection | RejectReason::NoPreSharedKey => {
            format!("%CRYPTO-6-IKMP_NO_POLICY: IKE offer from {peer} refused: {reason}")
        }
        reason => {
            format!(
                "%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from {peer} failed its sanity check or is malformed: {reason}"
            )
        }
    }
}
