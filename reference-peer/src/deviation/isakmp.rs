//! Deviations in what is sent of IKEv1.

use super::{DeviantHands, Deviation};
use crate::hands::{IsakmpContext, IsakmpDraft};
use wire::ikev1::{
    Attribute, AttributeValue, Body, Delete, Encapsulation, ExchangeType, Flags, Notification, NotifyType, Payload,
    Phase1Class, Phase2Class, ProtocolId, SecurityAssociation, cookies_spi, vendor,
};

/// Minor version 1.
const VERSION_1_1: u8 = 0x11;
const UDP: u8 = 17;

impl DeviantHands<'_> {
    pub(super) fn edit_isakmp(&self, context: &IsakmpContext, draft: &mut IsakmpDraft) {
        let (exchange, number) = (context.exchange, context.number);
        self.edit_isakmp_header(context, draft);
        if self.has(Deviation::OmitsDpdVendorId) {
            let is =
                |payload: &Payload| matches!(&payload.body, Body::VendorId(id) if *id == vendor::DEAD_PEER_DETECTION);
            draft.payloads.retain(|payload| !is(payload));
        }
        if self.has(Deviation::OmitsNatVendorId) {
            let is = |payload: &Payload| matches!(&payload.body, Body::VendorId(id) if *id == vendor::NAT_RFC_3947);
            draft.payloads.retain(|payload| !is(payload));
        }
        if self.has(Deviation::SendsKeyExchangeEarly) && (exchange, number) == (ExchangeType::MAIN, 2) {
            draft.payloads.push(Body::KeyExchange(vec![0x4B; 128]).into());
        }
        if self.has(Deviation::InitialContactInAggressiveMode) && (exchange, number) == (ExchangeType::AGGRESSIVE, 3) {
            let notification = Notification::isakmp(context.cookies, NotifyType::INITIAL_CONTACT, []);
            draft.payloads.push(Body::Notification(notification).into());
        }
        let reversed = [
            (Deviation::LocalNatHashFirst, is_nat_detection as fn(&Payload) -> bool),
            (Deviation::SwapsOriginalAddresses, |payload| {
                matches!(payload.body, Body::NatOriginalAddress(_) | Body::NatOriginalAddressDraft(_))
            }),
            (Deviation::SwapsClientIds, |payload| matches!(payload.body, Body::Identification(_))),
        ];
        for (deviation, which) in reversed {
            // An initiator names the clients; a responder returns what was named.
            let applies = deviation != Deviation::SwapsClientIds || (exchange, number) == (ExchangeType::QUICK, 2);
            if self.has(deviation) && applies {
                reverse(&mut draft.payloads, which);
            }
        }
        for payload in &mut draft.payloads {
            self.edit_isakmp_payload(context, payload);
        }
    }

    fn edit_isakmp_header(&self, context: &IsakmpContext, draft: &mut IsakmpDraft) {
        let header = &mut draft.header;
        let begins = context.exchange == ExchangeType::INFORMATIONAL
            || (context.exchange == ExchangeType::QUICK && context.number == 1);
        if self.has(Deviation::SendsIsakmpMinorVersion) {
            header.version = VERSION_1_1;
        }
        if self.has(Deviation::SetsReservedIsakmpFlags) {
            header.flags.0 |= 0x08;
        }
        if self.has(Deviation::OwnCookieFirst) && begins && !context.initiator && draft.encrypt {
            std::mem::swap(&mut header.initiator_cookie, &mut header.responder_cookie);
        }
        if self.has(Deviation::OmitsEncryptionFlag) && context.exchange == ExchangeType::MAIN {
            header.flags.0 &= !Flags::ENCRYPTION;
        }
        if self.has(Deviation::NotifiesInClear) && context.exchange == ExchangeType::INFORMATIONAL {
            header.flags.0 &= !Flags::ENCRYPTION;
            draft.encrypt = false;
            draft.payloads.retain(|payload| !matches!(payload.body, Body::Hash(_)));
        }
    }

    fn edit_isakmp_payload(&self, context: &IsakmpContext, payload: &mut Payload) {
        let phase1 = matches!(context.exchange, ExchangeType::MAIN | ExchangeType::AGGRESSIVE);
        match &mut payload.body {
            Body::SecurityAssociation(sa) => self.edit_isakmp_sa(context, sa),
            Body::KeyExchange(public) if self.has(Deviation::StripsLeadingZerosInIkev1) => {
                let zeros = public.iter().take_while(|octet| **octet == 0).count();
                public.drain(..zeros);
            }
            Body::Identification(id) if self.has(Deviation::NamesPortInIdentity) && phase1 => {
                (id.protocol, id.port) = (UDP, 500);
            }
            Body::Delete(delete) if self.has(Deviation::DeletesByHalfCookies) && delete.protocol == ProtocolId::IKE => {
                *delete = Delete { spi_size: 8, ..delete.clone() };
            }
            Body::Notification(notification) => self.edit_notification(context, notification),
            _ => {}
        }
    }

    fn edit_notification(&self, context: &IsakmpContext, notification: &mut Notification) {
        match notification.notify_type {
            NotifyType::INITIAL_CONTACT if self.has(Deviation::InitialContactWithoutSpi) => notification.spi.clear(),
            NotifyType::R_U_THERE if self.has(Deviation::SwapsCookiesInLiveness) && !context.initiator => {
                notification.spi = cookies_spi((context.cookies.1, context.cookies.0)).to_vec();
            }
            NotifyType::R_U_THERE_ACK if self.has(Deviation::AnswersLivenessWithZero) => notification.data = vec![0; 4],
            _ => {}
        }
    }

    fn edit_isakmp_sa(&self, context: &IsakmpContext, sa: &mut SecurityAssociation) {
        let quick = context.exchange == ExchangeType::QUICK;
        let group = if quick { Phase2Class::GROUP.0 } else { Phase1Class::GROUP.0 };
        if self.has(Deviation::LengthensBasicAttributes) {
            lengthen(sa, group);
        }
        if context.number == 1 {
            return self.edit_isakmp_offer(quick, sa);
        }
        if self.has(Deviation::HalvesLifetimeInAnswer) || quick && self.has(Deviation::HalvesQuickModeLifetime) {
            halve_lifetimes(sa);
        }
        for proposal in &mut sa.proposals {
            for transform in &mut proposal.transforms {
                if self.has(Deviation::RenumbersAnswer) {
                    (proposal.number, transform.number) = (1, 1);
                }
                let modes =
                    transform.attributes.iter_mut().filter(|attribute| attribute.class == Phase2Class::ENCAPSULATION.0);
                for mode in modes.filter(|_| quick && self.has(Deviation::AnswersTransportWithTunnel)) {
                    mode.value = match mode.value {
                        AttributeValue::Basic(2) => AttributeValue::Basic(Encapsulation::TUNNEL.0),
                        AttributeValue::Basic(4) => AttributeValue::Basic(Encapsulation::UDP_TUNNEL.0),
                        _ => continue,
                    };
                }
            }
        }
    }

    fn edit_isakmp_offer(&self, quick: bool, sa: &mut SecurityAssociation) {
        if self.has(Deviation::OffersProposalForEachPolicy)
            && !quick
            && let [proposal] = &*sa.proposals
        {
            let alone = |(number, transform): (u8, &wire::ikev1::Transform)| {
                wire::ikev1::Proposal::new(number, ProtocolId::IKE, [], [transform.clone()])
            };
            sa.proposals = (1..=u8::MAX).zip(&proposal.transforms).map(alone).collect();
        }
        if self.has(Deviation::OffersFirstPolicyOnly) && !quick {
            sa.proposals.iter_mut().for_each(|proposal| proposal.transforms.truncate(1));
        }
        for proposal in sa.proposals.iter_mut().filter(|_| quick) {
            for (index, transform) in proposal.transforms.iter_mut().enumerate() {
                let forgets_group = index > 0 && self.has(Deviation::ForgetsGroupInLaterTransforms);
                let forgets_mode = self.has(Deviation::OmitsEncapsulationMode);
                transform.attributes.retain(|attribute| match Phase2Class(attribute.class) {
                    Phase2Class::GROUP => !forgets_group,
                    Phase2Class::ENCAPSULATION => !forgets_mode,
                    _ => true,
                });
            }
        }
    }
}

fn is_nat_detection(payload: &Payload) -> bool {
    matches!(payload.body, Body::NatDetection(_) | Body::NatDetectionDraft(_))
}

/// Turns the order of some payloads round, and leaves the others in their places.
fn reverse(payloads: &mut [Payload], which: fn(&Payload) -> bool) {
    let mut turned: Vec<Payload> = payloads.iter().filter(|payload| which(payload)).cloned().collect();
    for payload in payloads.iter_mut().filter(|payload| which(payload)) {
        if let Some(other) = turned.pop() {
            *payload = other;
        }
    }
}

/// Half of every lifetime in an SA payload.
fn halve_lifetimes(sa: &mut SecurityAssociation) {
    for proposal in &mut sa.proposals {
        let class = if proposal.protocol == ProtocolId::IKE { Phase1Class::LIFE_DURATION.0 } else { 2 };
        let attributes = proposal.transforms.iter_mut().flat_map(|transform| &mut transform.attributes);
        for attribute in attributes.filter(|attribute| attribute.class == class) {
            let half = attribute.as_number().and_then(|life| u32::try_from(life / 2).ok()).unwrap_or(1);
            *attribute = Attribute::number(class, half);
        }
    }
}

/// Basic attributes of this class in the form of variable ones.
fn lengthen(sa: &mut SecurityAssociation, class: u16) {
    let transforms = sa.proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms);
    for attribute in transforms.flat_map(|transform| &mut transform.attributes) {
        if let (true, AttributeValue::Basic(value)) = (attribute.class == class, &attribute.value) {
            *attribute = Attribute::variable(class, value.to_be_bytes());
        }
    }
}
