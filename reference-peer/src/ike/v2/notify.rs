//! Reaching into lists of payloads.

use wire::ikev2::{
    Authentication, Body, Identification, KeyExchange, Notify, NotifyType, Payload, PayloadType, SecurityAssociation,
    TrafficSelectors,
};

/// The payloads of one message, by what they are. The first of a kind counts, whatever the order (section 2.5).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found<'a> {
    pub(super) sa: Option<&'a SecurityAssociation>,
    pub(super) ke: Option<&'a KeyExchange>,
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) id_initiator: Option<&'a Identification>,
    pub(super) id_responder: Option<&'a Identification>,
    pub(super) auth: Option<&'a Authentication>,
    pub(super) ts_initiator: Option<&'a TrafficSelectors>,
    pub(super) ts_responder: Option<&'a TrafficSelectors>,
    payloads: &'a [Payload],
}

impl<'a> Found<'a> {
    pub(super) fn new(payloads: &'a [Payload]) -> Self {
        let mut found = Self { payloads, ..Self::default() };
        for payload in payloads {
            match &payload.body {
                Body::SecurityAssociation(body) => _ = found.sa.get_or_insert(body),
                Body::KeyExchange(body) => _ = found.ke.get_or_insert(body),
                Body::Nonce(body) => _ = found.nonce.get_or_insert(body),
                Body::IdInitiator(body) => _ = found.id_initiator.get_or_insert(body),
                Body::IdResponder(body) => _ = found.id_responder.get_or_insert(body),
                Body::Authentication(body) => _ = found.auth.get_or_insert(body),
                Body::TsInitiator(body) => _ = found.ts_initiator.get_or_insert(body),
                Body::TsResponder(body) => _ = found.ts_responder.get_or_insert(body),
                _ => {}
            }
        }
        found
    }

    /// All notifies.
    pub(super) fn notifies(&self) -> impl Iterator<Item = &'a Notify> + use<'a> {
        self.payloads.iter().filter_map(|payload| match &payload.body {
            Body::Notify(notify) => Some(notify),
            _ => None,
        })
    }

    /// The first notify of this type.
    pub(super) fn notify(&self, notify_type: NotifyType) -> Option<&'a Notify> {
        self.notifies().find(|notify| notify.notify_type == notify_type)
    }

    /// The first error notify.
    pub(super) fn error(&self) -> Option<&'a Notify> {
        self.notifies().find(|notify| notify.notify_type.is_error())
    }

    /// A critical payload that is not understood (section 2.5).
    pub(super) fn critical_unknown(&self) -> Option<PayloadType> {
        let unknown = |payload: &&Payload| payload.critical && !payload.body.payload_type().is_known();
        self.payloads.iter().find(unknown).map(|payload| payload.body.payload_type())
    }
}

/// A notify without data as a payload.
pub(super) fn status(notify_type: NotifyType) -> Payload {
    Body::Notify(Notify::new(notify_type, vec![])).into()
}

/// Is this a nonce of proper length (section 2.10)?
pub(super) fn proper_nonce(nonce: &[u8]) -> bool {
    (16..=256).contains(&nonce.len())
}
