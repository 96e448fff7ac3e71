//! Deviations in what the peer sends.

use super::{Deviation, DeviationSet};
use crate::config::Algorithm;
use crate::hands::{
    AhDraft, Disposition, Draft, EspContext, EspDraft, Hands, IsakmpContext, IsakmpDraft, MessageContext,
};
use wire::ikev2::{
    Attribute, Body, Delete, ExchangeType, Flags, IdType, Message, Notify, NotifyType, Payload, Proposal, ProtocolId,
    SecurityAssociation, Transform, TransformType,
};

/// Hands that edit what is sent as the deviations say, and then pass it to other hands.
pub struct DeviantHands<'a> {
    deviations: &'a DeviationSet,
    next: &'a mut dyn Hands,
}

impl<'a> DeviantHands<'a> {
    /// The deviations come first, the other hands have the last word.
    pub fn new(deviations: &'a DeviationSet, next: &'a mut dyn Hands) -> Self {
        Self { deviations, next }
    }

    pub(super) fn has(&self, deviation: Deviation) -> bool {
        self.deviations.has(deviation)
    }

    fn edit_header(&self, context: &MessageContext, draft: &mut Draft) {
        let header = &mut draft.header;
        let init = context.exchange == ExchangeType::IKE_SA_INIT;
        let outside = context.response && !context.initiator && init && context.spis.1 == 0;
        if self.has(Deviation::ResponderSpiInRetry) && init && !context.response && context.earlier > 0 {
            header.responder_spi = 0x0102_0304_0506_0708;
        }
        if self.has(Deviation::MessageIdGrowsInInit) && init && !context.response {
            header.message_id = context.earlier;
        }
        if self.has(Deviation::SendsMinorVersion) {
            header.version |= 0x01;
        }
        if self.has(Deviation::SetsReservedFlags) {
            header.flags.0 |= 0x40;
        }
        if self.has(Deviation::SetsVersionFlag) {
            header.flags.0 |= Flags::VERSION;
        }
        if self.has(Deviation::ResponseFlagMissing)
            && context.response
            && context.exchange == ExchangeType::INFORMATIONAL
        {
            header.flags.0 &= !Flags::RESPONSE;
        }
        if self.has(Deviation::InitiatorFlagByExchange) {
            header.flags = Flags::new(!context.response, context.response);
        }
        let notifies = |wanted: NotifyType| {
            let is = |payload: &Payload| matches!(&payload.body, Body::Notify(notify) if notify.notify_type == wanted);
            draft.clear.iter().any(is)
        };
        if self.has(Deviation::VersionNotifyAsRequest) && notifies(NotifyType::INVALID_MAJOR_VERSION) {
            header.flags.0 &= !Flags::RESPONSE;
        }
        if self.has(Deviation::CookieWithResponderSpi) && outside && notifies(NotifyType::COOKIE) {
            header.responder_spi = 0x0102_0304_0506_0708;
        }
    }

    fn edit_payload(&self, context: &MessageContext, payload: &mut Payload) {
        if self.has(Deviation::CriticalInResponses) && context.response {
            payload.critical = true;
        }
        if self.has(Deviation::FillsReserved) {
            payload.reserved = 0x7F;
        }
        match &mut payload.body {
            Body::Notify(notify) if self.has(Deviation::NamesProtocolWithoutSpi) && notify.spi.is_empty() => {
                notify.protocol = ProtocolId::IKE;
            }
            Body::SecurityAssociation(sa) => {
                if self.has(Deviation::CriticalSaPayload) && !context.response {
                    payload.critical = true;
                }
                self.edit_sa(context, sa);
            }
            Body::KeyExchange(ke) if self.has(Deviation::StripsLeadingZerosOfPublicValue) => {
                let zeros = ke.data.iter().take_while(|octet| **octet == 0).count();
                ke.data.drain(..zeros);
            }
            Body::Notify(notify)
                if self.has(Deviation::GroupInOneOctet) && notify.notify_type == NotifyType::INVALID_KE_PAYLOAD =>
            {
                notify.data = notify.data.split_off(notify.data.len().min(1));
            }
            Body::IdInitiator(id) | Body::IdResponder(id)
                if self.has(Deviation::TerminatesName) && id.id_type == IdType::FQDN =>
            {
                id.data.push(0);
            }
            Body::Delete(delete) if self.has(Deviation::DeleteWithIkeSpis) && delete.protocol == ProtocolId::IKE => {
                let spis = [context.spis.0.to_be_bytes(), context.spis.1.to_be_bytes()].concat();
                *delete = Delete { spi_size: 16, spis, ..delete.clone() };
            }
            _ => {}
        }
    }

    fn edit_sa(&self, context: &MessageContext, sa: &mut SecurityAssociation) {
        for proposal in &mut sa.proposals {
            if self.has(Deviation::SpiInInitialProposal) && context.exchange == ExchangeType::IKE_SA_INIT {
                proposal.spi = context.spis.0.to_be_bytes().to_vec();
            }
            if !context.response {
                self.edit_offer(proposal);
                continue;
            }
            if self.has(Deviation::DropsKeyLength) {
                proposal.transforms.iter_mut().for_each(|transform| transform.attributes.clear());
            }
            if self.has(Deviation::OmitsEsn) {
                proposal.transforms.retain(|transform| transform.transform_type != TransformType::ESN);
            }
            if self.has(Deviation::AnswersTwoTransforms) {
                proposal.transforms.push(Transform::new(TransformType::INTEG, 12));
                proposal.transforms.push(Transform::new(TransformType::INTEG, 2));
            }
        }
    }
}

impl DeviantHands<'_> {
    fn edit_offer(&self, proposal: &mut Proposal) {
        if self.has(Deviation::NumbersProposalsFromZero) {
            proposal.number = proposal.number.wrapping_sub(1);
        }
        let ciphers = || proposal.of_type(TransformType::ENCR).filter_map(Algorithm::from_transform);
        let aead = ciphers().next().is_some() && ciphers().all(|cipher| cipher.is_aead());
        if self.has(Deviation::OffersIntegrityWithAead) && aead {
            proposal.transforms.push(Transform::new(TransformType::INTEG, 12));
        }
        if self.has(Deviation::OffersNone) && aead {
            proposal.transforms.push(Transform::new(TransformType::INTEG, 0));
        }
        if self.has(Deviation::KeyLengthOfFixedCiphers) {
            for transform in &mut proposal.transforms {
                if transform.transform_type == TransformType::ENCR && transform.attributes.is_empty() {
                    transform.attributes.push(Attribute::key_length(256));
                }
            }
        }
    }
}

impl Hands for DeviantHands<'_> {
    fn message(&mut self, context: &MessageContext, draft: &mut Draft) -> Disposition {
        if !self.deviations.is_empty() {
            self.edit_header(context, draft);
            for payload in draft.clear.iter_mut().chain(draft.inner.iter_mut().flatten()) {
                self.edit_payload(context, payload);
            }
        }
        if self.has(Deviation::RepeatsInitialContact)
            && context.response
            && let Some(inner) = &mut draft.inner
        {
            inner.push(Body::Notify(Notify::new(NotifyType::INITIAL_CONTACT, [])).into());
        }
        self.next.message(context, draft)
    }

    fn protected(&mut self, context: &MessageContext, message: &mut Message) -> Disposition {
        if self.has(Deviation::PayloadAfterEncrypted) && message.is_protected() {
            message.payloads.push(Body::VendorId(b"after".to_vec()).into());
        }
        self.next.protected(context, message)
    }

    fn isakmp(&mut self, context: &IsakmpContext, draft: &mut IsakmpDraft) -> Disposition {
        if !self.deviations.is_empty() {
            self.edit_isakmp(context, draft);
        }
        self.next.isakmp(context, draft)
    }

    fn isakmp_protected(&mut self, context: &IsakmpContext, message: &mut wire::ikev1::Message) -> Disposition {
        self.next.isakmp_protected(context, message)
    }

    fn esp(&mut self, context: &EspContext, draft: &mut EspDraft) -> Disposition {
        self.next.esp(context, draft)
    }

    fn sealed(&mut self, context: &EspContext, esp: &mut Vec<u8>) -> Disposition {
        self.next.sealed(context, esp)
    }

    fn ah(&mut self, context: &EspContext, draft: &mut AhDraft) -> Disposition {
        self.next.ah(context, draft)
    }

    fn packet(&mut self, packet: &mut Vec<u8>) -> Disposition {
        self.next.packet(packet)
    }
}
