//! Informational exchanges: notifies and Deletes (RFC 2408 sections 5.14 and 5.15, RFC 2409 section 5.7).

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::sa::IsakmpSa;
use crate::deviation::Deviation;
use wire::ikev1::{Body, Delete, Doi, Notification, NotifyType, Payload, ProtocolId, cookies_spi, notifications};

type Outcome = Result<(), RejectReason>;

impl Engine {
    /// A message of an Informational exchange.
    pub(super) fn informational(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let header = &received.message.header;
        let message_id = header.message_id;
        if !received.message.is_encrypted() {
            return self.unprotected(cx, sa, message_id, received.message.payloads());
        }
        if sa.state != State::Established {
            return self.early(cx, sa, received);
        }
        let Some(keys) = &sa.keys else { return Err(RejectReason::NoKeys) };
        // CONNECTED has the message ID of its quick mode, and so may have its IV.
        let quick = sa.quick.get(&message_id).map(|quick| quick.iv.clone());
        if quick.is_none() && sa.used_ids.contains(&message_id) {
            return Err(RejectReason::MessageId(message_id));
        }
        let fresh = self.phase2_iv(sa, keys, message_id);
        let opened = match &quick {
            Some(iv) => {
                self.open_hashed(sa, received, iv, &[]).or_else(|_| self.open_hashed(sa, received, &fresh, &[]))
            }
            None => self.open_hashed(sa, received, &fresh, &[]),
        }?;
        sa.used_ids.insert(message_id);
        let payloads = opened.payloads.unwrap_or_default();
        self.heard(cx, sa, received.path);
        let exchange = header.exchange_type;
        self.event(Event::Received { ike_sa: sa.id, exchange, message_id, payloads: payloads.clone() });
        for payload in &payloads {
            match &payload.body {
                Body::Notification(notification) => self.notified(cx, sa, message_id, notification)?,
                Body::Delete(delete) => self.deleted(sa, delete),
                _ => {}
            }
        }
        Ok(())
    }

    /// A notify under protection. Types that are not understood harm nothing.
    fn notified(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        message_id: u32,
        notification: &Notification,
    ) -> Outcome {
        // Of no other domain of interpretation anything is understood (RFC 2408 section 5.14 (2)).
        if !matches!(notification.doi, Doi::IPSEC | Doi::ISAKMP) {
            return Ok(());
        }
        if !NotifyType::NAMED.contains(&notification.notify_type) && self.has(Deviation::UnknownNotifyEndsIsakmpSa) {
            self.close(sa, DownReason::Forgotten);
            return Ok(());
        }
        match notification.notify_type {
            NotifyType::R_U_THERE => return self.asked(cx, sa, notification),
            NotifyType::R_U_THERE_ACK => return self.alive(sa, notification),
            NotifyType::INITIAL_CONTACT if sa.state == State::Established => self.obey_initial_contact(sa),
            NotifyType::CONNECTED => self.quick_connected(cx, sa, message_id),
            // The peer has no SA with this SPI any more: nothing that we send on it arrives (guide chapter 4).
            NotifyType::INVALID_SPI => {
                let spi = notification.ipsec_spi();
                let spi = spi.or_else(|| notification.data.as_slice().try_into().ok().map(u32::from_be_bytes));
                let deviations = &self.config.deviations;
                let all = deviations.has(Deviation::InvalidSpiNotifyDeletesAll);
                if let Some(spi) = spi.filter(|_| !deviations.has(Deviation::IgnoresInvalidSpiNotify)) {
                    let reason = DownReason::RefusedV1(NotifyType::INVALID_SPI);
                    if self.deleted_by_peer(sa, notification.protocol, spi, &reason) && all {
                        self.remove_children(|children| Self::belongs(children, sa), &reason);
                    }
                }
            }
            notify if notify.is_error() && self.quick_refused(cx, sa, notification) => {}
            _ => {}
        }
        self.event(Event::Notified { ike_sa: sa.id, notification: notification.clone() });
        Ok(())
    }

    /// A Delete under protection: of SPIs that the peer receives on no more. Those that are not known harm nothing.
    fn deleted(&mut self, sa: &mut IsakmpSa, delete: &Delete) {
        if !matches!(delete.doi, Doi::IPSEC | Doi::ISAKMP) {
            return;
        }
        match delete.protocol {
            ProtocolId::IKE => {
                let own = cookies_spi(sa.cookies());
                if delete.spis().any(|spi| spi == own) {
                    self.close(sa, DownReason::DeletedByPeer);
                }
            }
            _ if self.has(Deviation::IgnoresIpsecDelete) => {}
            protocol => {
                for spi in delete.ipsec_spis().collect::<Vec<_>>() {
                    let found = self.deleted_by_peer(sa, protocol, spi, &DownReason::DeletedByPeer);
                    if !found && self.has(Deviation::UnknownDeleteClearsPeer) {
                        self.remove_children(|children| Self::belongs(children, sa), &DownReason::DeletedByPeer);
                    }
                }
            }
        }
    }

    /// A message that nobody vouches for: a hint at most (RFC 2407 section 4.6.3, RFC 2408 section 5.15).
    fn unprotected(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, message_id: u32, payloads: &[Payload]) -> Outcome {
        for payload in payloads {
            match &payload.body {
                Body::Delete(delete) if self.has(Deviation::ObeysClearDelete) => self.deleted(sa, delete),
                Body::Notification(notification) => {
                    let obeys = match notification.notify_type {
                        NotifyType::INITIAL_CONTACT => Deviation::ObeysClearInitialContact,
                        NotifyType::R_U_THERE | NotifyType::R_U_THERE_ACK => Deviation::HeedsClearLiveness,
                        _ => continue,
                    };
                    if self.has(obeys) {
                        self.notified(cx, sa, message_id, notification)?;
                    }
                }
                _ => {}
            }
        }
        let notify = notifications(payloads).next().map(|notification| notification.notify_type);
        self.event(Event::Hint { ike_sa: sa.id, notify });
        match notify {
            Some(notify) if sa.state != State::Established => {
                self.phase1_hint(cx, sa, notify);
                Ok(())
            }
            _ => Err(RejectReason::NotEncrypted),
        }
    }

    /// A message under protection while phase 1 is under way: a peer says so that it goes no further. It has our keys, but
    /// is not yet proved to be anybody, so that it is a hint too. What cannot be read comes from other keys.
    fn early(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa, received: &Received<'_>) -> Outcome {
        let Some(keys) = &sa.keys else { return Err(RejectReason::NoKeys) };
        let iv = keys.phase2_iv(&sa.phase1_iv, received.message.header.message_id);
        let opened = self.open_hashed(sa, received, &iv, &[]).map_err(|_| RejectReason::Undecryptable)?;
        let payloads = opened.payloads.unwrap_or_default();
        let notify = notifications(&payloads).next().map(|notification| notification.notify_type);
        let Some(notify) = notify else {
            return Err(RejectReason::UnexpectedExchange(received.message.header.exchange_type));
        };
        self.event(Event::Hint { ike_sa: sa.id, notify: Some(notify) });
        self.phase1_hint(cx, sa, notify);
        Ok(())
    }

    // ---- Telling the peer ----

    /// Tells the peer that this ISAKMP SA ends.
    pub(super) fn delete_isakmp(&mut self, cx: &mut Cx<'_>, sa: &mut IsakmpSa) {
        if sa.state == State::Established {
            let delete = Delete::isakmp(sa.cookies());
            self.inform(cx, sa, vec![Body::Delete(delete).into()]);
        }
    }

    /// Tells the peer that IPsec SAs end, if there is an ISAKMP SA to tell it under: of each protocol by its own Delete
    /// (RFC 2408 section 3.15).
    pub(super) fn tell_deleted(&mut self, cx: &mut Cx<'_>, inbound_spi: u32) {
        let Some(children) = self.children.iter().find(|children| children.has_inbound(inbound_spi)) else { return };
        let deletes = children.pairs.iter().map(|(protocol, inbound, _)| Delete::ipsec(*protocol, &[*inbound]));
        let payloads: Vec<Payload> = deletes.map(|delete| Body::Delete(delete).into()).collect();
        let id = self.established_with(&children.connection.name, children.peer);
        if let Some(mut sa) = id.and_then(|id| self.sas.remove(&id)) {
            self.inform(cx, &mut sa, payloads);
            self.put_back(sa);
        }
    }
}
