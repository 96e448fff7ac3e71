//! What deviations of IKEv1 need that an honest peer never does.

use super::api::RejectReason;
use super::protect::Opened;
use crate::config::isakmp::IsakmpPolicy;
use crate::hands::IsakmpDraft;
use std::time::Duration;
use wire::ikev1::{
    Attribute, Body, Chain, Content, Header, Message, Payload, PayloadType, Phase1Class, Proposal, ProtocolId,
    SecurityAssociation, Transform, Unread, emit_chain,
};

/// More Vendor IDs than a careless receiver has room for.
const MANY: usize = 8;

/// The datagram with a header whose length is right, cut where its payloads end.
pub(super) fn with_right_length(datagram: &[u8]) -> Vec<u8> {
    let mut octets = datagram.to_vec();
    if let Ok(header) = Header::parse(datagram)
        && !header.flags.encrypted()
    {
        let mut chain = Chain::new(header.next_payload.or(PayloadType::NONE), octets.get(28..).unwrap_or_default(), 28);
        let is_whole = chain.by_ref().all(|unread| unread.is_ok());
        let after = if is_whole { chain.rest().len() } else { 0 };
        octets.truncate(octets.len() - after);
    }
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes();
    octets.iter_mut().skip(24).zip(length).for_each(|(octet, right)| *octet = right);
    octets
}

/// The datagram with counts and Next Payloads inside of its SA payload that agree with the lengths there.
pub(super) fn with_right_proposals(datagram: &[u8]) -> Vec<u8> {
    const FIXED: usize = 8;
    let mut octets = datagram.to_vec();
    let Ok(header) = Header::parse(datagram) else { return octets };
    let contents = datagram.get(Header::OCTETS..).unwrap_or_default();
    let mut chain = Chain::new(header.next_payload.or(PayloadType::NONE), contents, Header::OCTETS).flatten();
    let is_sa = |unread: &Unread<'_>| unread.payload_type == PayloadType::SECURITY_ASSOCIATION;
    let Some(sa) = chain.find(is_sa).filter(|_| !header.flags.encrypted()) else { return octets };
    // Behind generic header, domain of interpretation and situation.
    let proposals = parts(datagram, sa.offset + 12, sa.offset + 4 + sa.data.len());
    for (index, (start, end)) in proposals.iter().enumerate() {
        let spi = datagram.get(start + 6).map_or(0, |size| usize::from(*size));
        let transforms = parts(datagram, start + FIXED + spi, *end);
        let mut set = |at: usize, value: u8| octets.iter_mut().skip(at).take(1).for_each(|octet| *octet = value);
        set(*start, if index + 1 == proposals.len() { 0 } else { 2 });
        set(start + 7, transforms.len() as u8);
        for (index, (start, _)) in transforms.iter().enumerate() {
            set(*start, if index + 1 == transforms.len() { 0 } else { 3 });
        }
    }
    octets
}

/// Where the parts between two places begin and end, each with its length in its third and fourth octet.
fn parts(octets: &[u8], mut from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut parts = vec![];
    while from < to {
        let length = octets.get(from + 2..from + 4).and_then(|two| two.try_into().ok()).map_or(0, u16::from_be_bytes);
        let end = from + usize::from(length).max(4);
        parts.push((from, end));
        from = end;
    }
    parts
}

/// The message with SA payloads read as if their domain of interpretation was IPsec's.
pub(super) fn of_our_doi(mut message: Message) -> Result<Message, wire::Error> {
    if let Content::Clear(payloads) = &mut message.content {
        for payload in payloads {
            if let Body::Raw { payload_type: PayloadType::SECURITY_ASSOCIATION, data } = &mut payload.body {
                data.iter_mut().zip(1u32.to_be_bytes()).for_each(|(octet, ours)| *octet = ours);
            }
        }
    }
    Message::parse(&message.to_bytes())
}

/// A message in the clear, as if it had been decrypted.
pub(super) fn as_opened(message: &Message, iv: &[u8]) -> Opened {
    let mut plain = vec![];
    emit_chain(message.payloads(), PayloadType::NONE, &mut plain);
    Opened { plain, payloads: Ok(message.payloads().to_vec()), padding: vec![], next_iv: iv.to_vec() }
}

/// Checks a HASH payload wherever it stands: over what follows it, or over all other payloads.
pub(super) fn check_hash_anywhere(payloads: &[Payload], hash: impl Fn(&[u8]) -> Vec<u8>) -> Result<(), RejectReason> {
    let octets = |payloads: &[Payload]| {
        let mut octets = vec![];
        emit_chain(payloads, PayloadType::NONE, &mut octets);
        octets
    };
    for (index, payload) in payloads.iter().enumerate() {
        let Body::Hash(found) = &payload.body else { continue };
        let (before, after) = (payloads.get(..index), payloads.get(index + 1..));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let all = [before, after].concat();
        return match [after, &all].into_iter().any(|covered| hash(&octets(covered)) == *found) {
            true => Ok(()),
            false => Err(RejectReason::Hash),
        };
    }
    Err(RejectReason::Payloads("HASH is missing"))
}

pub(super) fn has_many_vendor_ids(payloads: &[Payload]) -> bool {
    payloads.iter().filter(|payload| matches!(payload.body, Body::VendorId(_))).count() > MANY
}

/// Has an offer a transform with an unknown number?
pub(super) fn has_unknown_transform(offer: &SecurityAssociation) -> bool {
    offer.proposals.iter().any(|proposal| {
        let known = |id: u8| match proposal.protocol {
            ProtocolId::IKE => id == Transform::KEY_IKE,
            ProtocolId::AH => (2..=9).contains(&id),
            _ => (1..=23).contains(&id),
        };
        proposal.transforms.iter().any(|transform| !known(transform.id))
    })
}

/// The answer with the attributes that its transforms had in the offer.
pub(super) fn as_offered(mut answer: SecurityAssociation, offer: &SecurityAssociation) -> SecurityAssociation {
    for proposal in &mut answer.proposals {
        let same = |other: &&Proposal| (other.number, other.protocol) == (proposal.number, proposal.protocol);
        let Some(offered) = offer.proposals.iter().find(same) else { continue };
        for transform in &mut proposal.transforms {
            if let Some(other) = offered.transforms.iter().find(|other| other.number == transform.number) {
                transform.attributes.clone_from(&other.attributes);
            }
        }
    }
    answer
}

/// An answer that is the whole offer, with these SPIs.
pub(super) fn echoed(offer: &SecurityAssociation, answer: &SecurityAssociation) -> SecurityAssociation {
    let mut echo = offer.clone();
    for proposal in &mut echo.proposals {
        if let Some(ours) = answer.proposals.iter().find(|ours| ours.protocol == proposal.protocol) {
            proposal.spi.clone_from(&ours.spi);
        }
    }
    echo
}

/// The policies with a lifetime that no offer exceeds: as many seconds as four octets hold.
pub(super) fn lasting(policies: &[&IsakmpPolicy]) -> Vec<IsakmpPolicy> {
    let lifetime = Duration::from_secs(u64::from(u32::MAX));
    policies.iter().map(|policy| IsakmpPolicy { lifetime, ..(*policy).clone() }).collect()
}

/// Each transform of an offer for itself.
pub(super) fn one_by_one(offer: &SecurityAssociation) -> impl Iterator<Item = SecurityAssociation> {
    offer.proposals.iter().flat_map(|proposal| {
        proposal.transforms.iter().map(|transform| {
            let transforms = vec![transform.clone()];
            SecurityAssociation::new([Proposal { transforms, ..proposal.clone() }])
        })
    })
}

/// An offer of phase 1 with pre-shared keys (1) in place of signatures and encryption with RSA (3, 4).
pub(super) fn with_pre_shared_keys(offer: &SecurityAssociation) -> SecurityAssociation {
    let mut offer = offer.clone();
    for proposal in offer.proposals.iter_mut().filter(|proposal| proposal.protocol == ProtocolId::IKE) {
        let attributes = proposal.transforms.iter_mut().flat_map(|transform| &mut transform.attributes);
        let rsa =
            |own: &&mut Attribute| own.class == Phase1Class::AUTHENTICATION.0 && matches!(own.as_number(), Some(3 | 4));
        attributes.filter(rsa).for_each(|own| *own = Attribute::basic(own.class, 1));
    }
    offer
}

/// Each proposal of an offer for itself, torn out of its bundle.
pub(super) fn torn(offer: &SecurityAssociation) -> impl Iterator<Item = SecurityAssociation> {
    offer.proposals.iter().map(|proposal| SecurityAssociation::new([proposal.clone()]))
}

/// A public value made as long as those of another group.
pub(super) fn of_length(public: &[u8], length: usize) -> Vec<u8> {
    let missing = length.saturating_sub(public.len());
    vec![0; missing].into_iter().chain(public.iter().copied()).take(length).collect()
}

/// The first two NAT-D payloads of a message.
pub(super) fn first_nat_detections(payloads: &[Payload]) -> Vec<Payload> {
    payloads.iter().filter(|payload| super::nat::is_detection(payload)).take(2).cloned().collect()
}

/// Octets of a message with this content before it is padded.
pub(super) fn length_without_padding(draft: &IsakmpDraft) -> u32 {
    let mut plain = vec![];
    emit_chain(&draft.payloads, PayloadType::NONE, &mut plain);
    (Header::OCTETS + plain.len() + draft.trailing.len()) as u32
}
