//! INFORMATIONAL (RFC 7296 section 1.4), deletion (1.4.1, 2.25), and what is to be made of messages that are not
//! protected as they should be (2.4, 2.21.4).

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::notify::Found;
use super::sa::{IkeSa, Pending, Task};
use crate::deviation::Deviation;
use wire::ikev2::{Body, Delete, ExchangeType, Message, Notify, NotifyType, Payload, ProtocolId};

impl Engine {
    // ---- The peer's requests ----

    pub(super) fn informational_request(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, received: &Received<'_>) {
        let found = Found::new(received.payloads);
        let deletes: Vec<&Delete> = received
            .payloads
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::Delete(delete) => Some(delete),
                _ => None,
            })
            .collect();
        if !deletes.iter().all(|delete| proper(delete)) {
            return self.fatal(cx, sa, received, Notify::new(NotifyType::INVALID_SYNTAX, vec![]));
        }
        if received.payloads.is_empty() && self.has(Deviation::IgnoresEmptyInformational) {
            return;
        }
        for notify in found.notifies() {
            if self.has(Deviation::InvalidSpiNotifyDeletesChild) && notify.notify_type == NotifyType::INVALID_SPI {
                let spi = <[u8; 4]>::try_from(&*notify.data).map(u32::from_be_bytes).unwrap_or_default();
                if let Some(inbound_spi) = sa.outbound(ProtocolId::ESP, spi).map(|pair| pair.inbound_spi) {
                    self.remove_child(sa, inbound_spi, DownReason::DeletedByPeer);
                }
            }
            self.event(Event::Notified { ike_sa: sa.id, notify: notify.clone() });
        }
        // Right after IKE_AUTH these end the IKE SA without a Delete (section 2.21.2).
        let first = !sa.initiator && received.header.message_id == 2;
        let fatal = |notify: &&Notify| {
            matches!(notify.notify_type, NotifyType::AUTHENTICATION_FAILED | NotifyType::INVALID_SYNTAX)
        };
        let ended = found.notifies().filter(|_| first).find(fatal).map(|notify| notify.notify_type);
        if deletes.iter().any(|delete| delete.protocol == ProtocolId::IKE) || ended.is_some() {
            self.respond(cx, sa, received.header, received.path, vec![]);
            if let Some(peers) = sa.peer_rekey.take() {
                // The peer has not noticed our rekey: its own has come through (section 2.8.2).
                self.hand_over_to(cx, sa, peers.successor);
            }
            let reason = match (ended, sa.state) {
                (Some(NotifyType::AUTHENTICATION_FAILED), _) => DownReason::AuthenticationFailed,
                (Some(notify), _) => DownReason::Refused(notify),
                (None, State::Rekeyed) => DownReason::Rekeyed,
                (None, _) => DownReason::DeletedByPeer,
            };
            return self.close(cx, sa, reason);
        }
        let inner = self.delete_children(sa, &deletes);
        self.respond(cx, sa, received.header, received.path, inner);
    }

    /// Closes what the peer deletes; gives the Delete payloads of the answer: for each pair the SA that we received
    /// on, unless we have deleted it ourselves at the same time (section 1.4.1).
    fn delete_children(&mut self, sa: &mut IkeSa, deletes: &[&Delete]) -> Vec<Payload> {
        let mut answer = vec![];
        for delete in deletes {
            let mut inbound_spis = vec![];
            let mut spis: Vec<u32> = delete.child_spis().collect();
            if self.has(Deviation::DeletesFirstSpiOnly) {
                spis.truncate(1);
            }
            for spi in spis {
                let Some(pair) = sa.outbound(delete.protocol, spi) else {
                    if self.has(Deviation::AnswersUnknownDelete) {
                        inbound_spis.extend(sa.children.first().map(|pair| pair.inbound_spi));
                    }
                    continue;
                };
                let (inbound_spi, both) = (pair.inbound_spi, pair.deleting);
                let replaced = pair.rekeyed_by_peer;
                if self.has(Deviation::IgnoresChildDelete) {
                    continue;
                }
                let pending = sa.is_pending(
                    |pending| matches!(pending, Pending::DeleteChild { inbound_spi: ours, .. } if *ours == inbound_spi),
                );
                if !(both && pending) || self.has(Deviation::RepeatsCrossingDelete) {
                    inbound_spis.push(inbound_spi);
                }
                let reason = if replaced { DownReason::Rekeyed } else { DownReason::DeletedByPeer };
                self.remove_child(sa, inbound_spi, reason);
            }
            if !inbound_spis.is_empty() {
                answer.push(Body::Delete(Delete::child(delete.protocol, &inbound_spis)).into());
            }
        }
        answer
    }

    // ---- Our requests ----

    pub(super) fn delete_child_task(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, inbound_spi: u32, reason: DownReason) {
        let silent = self.has(Deviation::DeletesSilently);
        let outbound = self.has(Deviation::DeletesOutboundSpi);
        let Some(pair) = sa.inbound(inbound_spi) else { return };
        pair.deleting = true;
        let spi = if outbound { pair.outbound_spi } else { inbound_spi };
        let delete = Delete::child(pair.protocol, &[spi]);
        if silent {
            return self.remove_child(sa, inbound_spi, reason);
        }
        let pending = Pending::DeleteChild { inbound_spi, reason };
        self.request(cx, sa, ExchangeType::INFORMATIONAL, vec![Body::Delete(delete).into()], pending);
    }

    pub(super) fn delete_ike_task(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, reason: DownReason) {
        if self.has(Deviation::DeletesSilently) {
            return self.drop_sa(sa, reason);
        }
        if sa.state == State::Established {
            sa.state = State::Deleting;
        }
        let inner = vec![Body::Delete(Delete::ike()).into()];
        self.request(cx, sa, ExchangeType::INFORMATIONAL, inner, Pending::DeleteIke { reason });
    }

    /// Tells the peer of a Message ID beyond the window: by a request of our own, and not often (section 2.3).
    pub(super) fn notify_message_id(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, message_id: u32) {
        let Some(interval) = self.config.limits.invalid_message_id else { return };
        if sa.state != State::Established || sa.last_message_id_notify.is_some_and(|at| cx.now.since(at) < interval) {
            return;
        }
        sa.last_message_id_notify = Some(cx.now);
        let notify = Notify::new(NotifyType::INVALID_MESSAGE_ID, message_id.to_be_bytes());
        let payloads = vec![Body::Notify(notify).into()];
        sa.requests.push(Task::Exchange { exchange: ExchangeType::INFORMATIONAL, payloads });
        self.pump(cx, sa);
    }

    // ---- Not protected as it should be ----

    /// A message with the SPIs of an IKE SA that is not protected: a hint at most, whatever it says (section 2.21.4).
    pub(super) fn unprotected(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IkeSa,
        message: &Message,
        path: Path,
    ) -> Result<(), RejectReason> {
        if self.has(Deviation::ObeysUnprotectedDelete)
            && message.payloads.iter().any(|payload| matches!(payload.body, Body::Delete(_)))
        {
            self.respond_outside(cx, &message.header, path, Notify::new(NotifyType::INVALID_IKE_SPI, vec![]));
            self.close(cx, sa, DownReason::DeletedByPeer);
            return Ok(());
        }
        let Some(notify) = message.notifies().next() else { return Err(RejectReason::NotProtected) };
        let notify_type = notify.notify_type;
        self.event(Event::Hint { ike_sa: sa.id, notify: notify_type });
        if self.has(Deviation::ObeysUnprotectedNotify) {
            self.close(cx, sa, DownReason::Refused(notify_type));
            return Err(RejectReason::NotProtected);
        }
        if self.has(Deviation::AnswersUnprotectedNotify) && !message.header.flags.response() {
            self.respond_outside(cx, &message.header, path, Notify::new(NotifyType::INVALID_IKE_SPI, vec![]));
        }
        self.check_on_hint(cx, sa);
        Err(RejectReason::NotProtected)
    }

    /// Looks whether the peer is still there, unless it has just been heard or asked.
    fn check_on_hint(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa) {
        let Some(interval) = self.config.limits.hinted_liveness else { return };
        let now = cx.now;
        let recent = |at: crate::Instant| now.since(at) < interval && !self.has(Deviation::UnlimitedAnswers);
        let waiting = !sa.requests.outstanding.is_empty() && !self.has(Deviation::UnlimitedAnswers);
        if sa.state != State::Established
            || waiting
            || recent(sa.last_heard)
            || sa.last_hinted_check.is_some_and(recent)
        {
            return;
        }
        sa.last_hinted_check = Some(now);
        sa.requests.push(Task::Exchange { exchange: ExchangeType::INFORMATIONAL, payloads: vec![] });
        self.pump(cx, sa);
    }

    /// A message whose integrity check has failed: nothing happens, in an honest peer (section 3.14).
    pub(super) fn not_opened(&mut self, cx: &mut Cx<'_>, sa: &mut IkeSa, message: &Message, path: Path) {
        if self.has(Deviation::AdvancesMessageIdBeforeIntegrity) && !message.header.flags.response() {
            sa.responses.skip_to(message.header.message_id);
        }
        if self.has(Deviation::ReportsSyntaxInClear) && !message.header.flags.response() {
            self.respond_outside(cx, &message.header, path, Notify::new(NotifyType::INVALID_SYNTAX, vec![]));
        }
        if self.has(Deviation::BadMessageEndsHalfOpen) && sa.state == State::HalfOpen {
            self.drop_sa(sa, DownReason::ProtocolError);
        }
        if self.has(Deviation::BadMessageEndsIkeSa) && sa.state == State::Established {
            self.drop_sa(sa, DownReason::ProtocolError);
        }
    }
}

/// Is the SPI size that of the protocol (section 3.11)?
fn proper(delete: &Delete) -> bool {
    match delete.protocol {
        ProtocolId::IKE => delete.spi_size == 0,
        ProtocolId::AH | ProtocolId::ESP => delete.spi_size == 4,
        _ => false,
    }
}
