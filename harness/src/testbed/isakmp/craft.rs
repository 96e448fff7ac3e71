//! IKEv1 messages of a scenario's own making, sent past the tester's engine.

use super::super::Testbed;
use crate::run::StepError;
use reference_peer::hands::IsakmpDraft;
use reference_peer::ike::v1::{IsakmpSaInfo, protect};
use wire::ikev1::{Body, ExchangeType, Flags, Header, Message, Payload, PayloadType, emit_chain};

impl Testbed {
    /// The header of a message of the tester under an ISAKMP SA, in the clear or encrypted.
    pub fn isakmp_header(
        &self,
        info: &IsakmpSaInfo,
        exchange: ExchangeType,
        message_id: u32,
        encrypted: bool,
    ) -> Header {
        Header::new(info.cookies, exchange, Flags(if encrypted { Flags::ENCRYPTION } else { 0 }), message_id)
    }

    /// A Message ID that no exchange has had (RFC 2409 section 5.5).
    pub fn fresh_message_id(&mut self) -> u32 {
        loop {
            let id = self.random() as u32;
            if id != 0 {
                return id;
            }
        }
    }

    /// Encrypts a message of phase 2 with the tester's keys of its newest ISAKMP SA, past the engine: after a HASH payload
    /// with HASH(1), with the IV that comes next in the exchange of the Message ID. `edit` may change all of it, the hash
    /// and the IV too; with `repair_hash` the hash is computed after that, over what is really sent. State and sequence
    /// are the scenario's business.
    ///
    /// # Errors
    /// Inconclusive while there are no keys.
    pub fn seal_isakmp(
        &mut self,
        header: Header,
        mut payloads: Vec<Payload>,
        edit: impl FnOnce(&mut IsakmpDraft),
    ) -> Result<Message, StepError> {
        let keys = self.isakmp_keys()?;
        let iv = self.dissector().isakmp().of(keys.cookies).and_then(|observer| observer.phase2_iv(header.message_id));
        let iv = iv.ok_or_else(|| StepError::inconclusive("the messages that the IV follows from were not seen"))?;
        payloads.insert(0, Body::Hash(vec![]).into());
        let mut draft = IsakmpDraft::new(header, payloads, true);
        edit(&mut draft);
        if draft.repair_hash
            && let Some((first, rest)) = draft.payloads.split_first_mut()
            && let Body::Hash(hash) = &mut first.body
        {
            let mut covered = vec![];
            emit_chain(rest, PayloadType::NONE, &mut covered);
            covered.extend(&draft.trailing);
            *hash = keys.phase2_hash(header.message_id, &[], &covered);
            if draft.flip_hash
                && let Some(last) = hash.last_mut()
            {
                *last ^= 1;
            }
        }
        let iv = draft.iv.clone().unwrap_or(iv);
        Ok(protect::encrypt(&keys, &iv, &draft).0)
    }

    /// Sends a message of IKEv1 where the tester's newest ISAKMP SA has its peer, or to port 500 if there is none.
    ///
    /// # Errors
    /// When the links fail.
    pub fn send_isakmp(&mut self, message: &Message) -> Result<(), StepError> {
        let path = self.newest_isakmp().map_or_else(|_| self.path(), |info| info.path);
        self.send_ike(path, &message.to_bytes())
    }
}
