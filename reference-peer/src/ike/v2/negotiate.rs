//! SA negotiation (RFC 7296 sections 2.7 and 3.3.6): making an offer, choosing from one, checking the choice.

use super::keys::IkeSuite;
use crate::config::{Algorithm, EspProposal, IkeProposal, Preference};
use crate::deviation::{Deviation, DeviationSet};
use crypto::{Encryption, Group, Integrity, Prf};
use wire::Derived;
use wire::ikev2::{Proposal, ProtocolId, SecurityAssociation, Transform, TransformType};

/// One configured proposal, of whatever protocol: for each transform type what is offered and accepted, best first.
/// An absent type must not be offered by the peer. `NONE` among the algorithms allows the peer to leave a type out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepts {
    protocol: ProtocolId,
    types: Vec<(TransformType, Vec<Algorithm>)>,
}

/// A choice out of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The chosen proposal as it is answered, with the SPI of the side that made the offer.
    pub(super) proposal: Proposal,
    /// What was chosen: one algorithm of each type, `NONE` left out.
    pub(super) algorithms: Vec<Algorithm>,
}

/// Is this an algorithm that we can do?
fn supported(algorithm: &Algorithm) -> bool {
    match algorithm.kind {
        TransformType::ENCR => Encryption::from_iana(algorithm.id, algorithm.key_bits).is_some(),
        TransformType::PRF => Prf::from_iana(algorithm.id).is_some(),
        TransformType::INTEG => algorithm.id == 0 || Integrity::from_iana(algorithm.id).is_some(),
        TransformType::KE => algorithm.id == 0 || Group::from_iana(algorithm.id).is_some(),
        TransformType::ESN => algorithm.id <= 1,
        _ => false,
    }
}

/// `NONE` of the types that may be left out.
fn is_none(algorithm: &Algorithm) -> bool {
    algorithm.id == 0 && matches!(algorithm.kind, TransformType::INTEG | TransformType::KE)
}

impl Accepts {
    /// An IKE proposal, without what we cannot do.
    pub(super) fn ike(proposal: &IkeProposal) -> Self {
        let mut integrity = proposal.integrity.clone();
        if proposal.encryption.iter().all(Algorithm::is_aead) {
            integrity = vec![Algorithm::new(TransformType::INTEG, 0)];
        }
        let types = vec![
            (TransformType::ENCR, proposal.encryption.clone()),
            (TransformType::PRF, proposal.prf.clone()),
            (TransformType::INTEG, integrity),
            (TransformType::KE, proposal.groups.clone()),
        ];
        Self { protocol: ProtocolId::IKE, types }.only_supported()
    }

    /// An ESP or AH proposal. Key exchange is for CREATE_CHILD_SA alone: in IKE_AUTH there is none (section 1.2).
    pub(super) fn child(proposal: &EspProposal, key_exchange: bool) -> Self {
        let none = |kind, list: &[Algorithm]| {
            if list.is_empty() { vec![Algorithm::new(kind, 0)] } else { list.to_vec() }
        };
        let groups: &[Algorithm] = if key_exchange { &proposal.groups } else { &[] };
        let mut types = vec![
            (TransformType::INTEG, none(TransformType::INTEG, &proposal.integrity)),
            (TransformType::KE, none(TransformType::KE, groups)),
            (TransformType::ESN, proposal.esn_algorithms().to_vec()),
        ];
        if proposal.protocol == ProtocolId::ESP {
            types.insert(0, (TransformType::ENCR, proposal.encryption.clone()));
        }
        Self { protocol: proposal.protocol, types }.only_supported()
    }

    fn only_supported(mut self) -> Self {
        self.types.iter_mut().for_each(|(_, algorithms)| algorithms.retain(supported));
        self
    }

    /// Is there anything left of every type?
    pub(super) fn is_complete(&self) -> bool {
        self.types.iter().all(|(_, algorithms)| !algorithms.is_empty())
    }

    /// The key exchange methods.
    pub(super) fn groups(&self) -> impl Iterator<Item = u16> + '_ {
        let algorithms = self.types.iter().filter(|(kind, _)| *kind == TransformType::KE).flat_map(|(_, list)| list);
        algorithms.filter(|algorithm| !is_none(algorithm)).map(|algorithm| algorithm.id)
    }

    fn accepted(&self, kind: TransformType) -> Option<&[Algorithm]> {
        self.types.iter().find(|(other, _)| *other == kind).map(|(_, algorithms)| &**algorithms)
    }

    /// The proposal that offers this. `NONE` is left out where nothing else is offered (section 1.2).
    fn proposal(&self, number: u8, spi: &[u8]) -> Proposal {
        let mut transforms = vec![];
        for (_, algorithms) in &self.types {
            if !algorithms.iter().all(is_none) {
                transforms.extend(algorithms.iter().map(Algorithm::transform));
            }
        }
        Proposal::new(number, self.protocol, spi, transforms)
    }
}

/// The offer of several proposals, all with the same SPI, numbered from 1 (section 3.3.1).
pub(super) fn offer(proposals: &[Accepts], spi: &[u8]) -> SecurityAssociation {
    SecurityAssociation { proposals: (1..=u8::MAX).zip(proposals).map(|(n, own)| own.proposal(n, spi)).collect() }
}

/// Chooses from an offer. `group` is the one that the peer has sent a KE payload for: it is taken where it is
/// acceptable at all, since any other costs a round trip.
pub(super) fn choose(
    own: &[Accepts],
    offered: &SecurityAssociation,
    group: Option<u16>,
    preference: Preference,
    deviations: &DeviationSet,
) -> Option<Choice> {
    let pairs: Vec<(&Accepts, &Proposal)> = match preference {
        Preference::Peer => offered.proposals.iter().flat_map(|offer| own.iter().map(move |o| (o, offer))).collect(),
        Preference::Own => own.iter().flat_map(|own| offered.proposals.iter().map(move |o| (own, o))).collect(),
    };
    pairs.into_iter().find_map(|(own, offer)| match_one(own, offer, group, preference, deviations))
}

fn match_one(
    own: &Accepts,
    offer: &Proposal,
    group: Option<u16>,
    preference: Preference,
    deviations: &DeviationSet,
) -> Option<Choice> {
    if offer.protocol != own.protocol {
        return None;
    }
    // A type that is not understood, or has no place here, makes the whole proposal unacceptable (section 3.3.6).
    let misplaced = offer.transforms.iter().any(|transform| own.accepted(transform.transform_type).is_none());
    if misplaced && !deviations.has(Deviation::IgnoresUnknownTransformType) {
        return None;
    }
    let explicit_none = offer.of_type(TransformType::INTEG).any(|transform| transform.id == 0);
    if explicit_none && deviations.has(Deviation::RefusesExplicitNone) {
        return None;
    }
    let mut transforms = vec![];
    let mut chosen = vec![];
    for (kind, algorithms) in &own.types {
        let offered: Vec<(&Transform, Algorithm)> =
            offer.of_type(*kind).filter_map(|t| Some((t, read(t, algorithms, deviations)?))).collect();
        let acceptable = |algorithm: &Algorithm| {
            algorithms.contains(algorithm) || (deviations.has(Deviation::AcceptsAnyAlgorithm) && supported(algorithm))
        };
        let preferred = group
            .filter(|_| *kind == TransformType::KE)
            .and_then(|group| offered.iter().find(|(_, algorithm)| algorithm.id == group && acceptable(algorithm)));
        let best = preferred.or_else(|| match preference {
            Preference::Peer => offered.iter().find(|(_, algorithm)| acceptable(algorithm)),
            Preference::Own => algorithms.iter().find_map(|own| offered.iter().find(|(_, other)| other == own)),
        });
        match best {
            Some((transform, algorithm)) => {
                transforms.push(answer(transform));
                if !is_none(algorithm) {
                    chosen.push(*algorithm);
                }
            }
            None if *kind == TransformType::INTEG
                && algorithms.iter().all(is_none)
                && deviations.has(Deviation::AcceptsAeadWithIntegrity) =>
            {
                transforms.extend(offer.of_type(*kind).next().map(answer));
            }
            None if offer.of_type(*kind).next().is_none() && algorithms.iter().any(is_none) => {}
            None if *kind == TransformType::PRF && deviations.has(Deviation::FillsInMissingTransforms) => {
                chosen.extend(algorithms.first());
            }
            None => return None,
        }
    }
    let mut proposal = Proposal::new(offer.number, offer.protocol, offer.spi.clone(), transforms);
    if deviations.has(Deviation::AnswersProposalOne) {
        proposal.number = 1;
    }
    Some(Choice { proposal, algorithms: chosen })
}

/// The algorithm that a transform offers, or nothing if the transform is to be skipped (section 3.3.6).
fn read(transform: &Transform, own: &[Algorithm], deviations: &DeviationSet) -> Option<Algorithm> {
    if deviations.has(Deviation::IgnoresUnknownAttributes) {
        return Some(Algorithm { kind: transform.transform_type, id: transform.id, key_bits: transform.key_length() });
    }
    let mut algorithm = Algorithm::from_transform(transform)?;
    if deviations.has(Deviation::AssumesKeyLength) && algorithm.needs_key_length() && algorithm.key_bits.is_none() {
        algorithm.key_bits = own.iter().find(|own| own.id == algorithm.id)?.key_bits;
    }
    Some(algorithm)
}

/// A chosen transform as it is answered: attributes unmodified (section 3.3.6), all else honest.
fn answer(transform: &Transform) -> Transform {
    Transform { attributes: transform.attributes.clone(), ..Transform::new(transform.transform_type, transform.id) }
}

/// Checks that an answer is one choice out of what was offered (section 3.3.6).
pub(super) fn check(
    offered: &SecurityAssociation,
    answer: &SecurityAssociation,
    deviations: &DeviationSet,
) -> Option<Choice> {
    let [chosen] = &*answer.proposals else {
        return answer.proposals.first().filter(|_| deviations.has(Deviation::AcceptsForeignAnswer)).and_then(accept);
    };
    if deviations.has(Deviation::AcceptsForeignAnswer) {
        return accept(chosen);
    }
    let offer = offered.proposals.iter().find(|offer| offer.number == chosen.number)?;
    if chosen.protocol != offer.protocol || chosen.spi.len() != offer.spi.len() {
        return None;
    }
    for kind in [TransformType::ENCR, TransformType::PRF, TransformType::INTEG, TransformType::KE, TransformType::ESN] {
        let answered: Vec<&Transform> = chosen.of_type(kind).collect();
        let may_be_none = offer.of_type(kind).all(|transform| transform.id == 0)
            && matches!(kind, TransformType::INTEG | TransformType::KE);
        let mut offered = offer.of_type(kind).map(|transform| Algorithm::new(kind, transform.id));
        match &*answered {
            [] if offer.of_type(kind).next().is_none() || offered.any(|algorithm| is_none(&algorithm)) => {}
            [one] if may_be_none && one.id == 0 => {}
            [one] if offer.of_type(kind).any(|t| t.id == one.id && t.attributes == one.attributes) => {}
            _ => return None,
        }
    }
    if chosen.transforms.iter().any(|transform| !(1..=5).contains(&transform.transform_type.0)) {
        return None;
    }
    accept(chosen)
}

fn accept(chosen: &Proposal) -> Option<Choice> {
    let algorithms: Option<Vec<_>> = chosen.transforms.iter().map(Algorithm::from_transform).collect();
    let algorithms = algorithms?.into_iter().filter(|algorithm| !is_none(algorithm)).collect();
    Some(Choice { proposal: Proposal { last: Derived::Computed, ..chosen.clone() }, algorithms })
}

impl Choice {
    fn of(&self, kind: TransformType) -> Option<&Algorithm> {
        self.algorithms.iter().find(|algorithm| algorithm.kind == kind)
    }

    /// The chosen key exchange method, `None` for NONE.
    pub(super) fn group(&self) -> Option<u16> {
        self.of(TransformType::KE).map(|algorithm| algorithm.id)
    }

    /// The cipher.
    pub(super) fn encryption(&self) -> Option<Encryption> {
        self.of(TransformType::ENCR).and_then(|algorithm| Encryption::from_iana(algorithm.id, algorithm.key_bits))
    }

    /// The integrity algorithm, `None` for NONE.
    pub(super) fn integrity(&self) -> Option<Integrity> {
        self.of(TransformType::INTEG).and_then(|algorithm| Integrity::from_iana(algorithm.id))
    }

    /// Extended sequence numbers?
    pub(super) fn esn(&self) -> bool {
        self.of(TransformType::ESN).is_some_and(|algorithm| algorithm.id == 1)
    }

    /// The choice as the suite of an IKE SA. `None` if it lacks something, or has an integrity algorithm beside an
    /// AEAD cipher (RFC 5282 section 8).
    pub(super) fn ike_suite(&self) -> Option<IkeSuite> {
        let encryption = self.encryption()?;
        let integrity = self.integrity();
        if encryption.is_aead() == integrity.is_some() {
            return None;
        }
        let prf = Prf::from_iana(self.of(TransformType::PRF)?.id)?;
        Some(IkeSuite { encryption, integrity, prf, group: self.group()? })
    }

    /// The SPI of a Child SA, if it is a proper one: 4 octets, and none of the reserved values (RFC 4303 section 2.1).
    pub(super) fn child_spi(&self) -> Option<u32> {
        <[u8; 4]>::try_from(&*self.proposal.spi).ok().map(u32::from_be_bytes).filter(|spi| *spi > 255)
    }

    /// The SPI of a rekeyed IKE SA: 8 octets, not zero (section 3.3.1).
    pub(super) fn ike_spi(&self) -> Option<u64> {
        <[u8; 8]>::try_from(&*self.proposal.spi).ok().map(u64::from_be_bytes).filter(|spi| *spi != 0)
    }

    /// The answer, with our own SPI in it.
    pub(super) fn answer(&self, spi: &[u8]) -> SecurityAssociation {
        let mut proposal = self.proposal.clone();
        proposal.spi = spi.to_vec();
        SecurityAssociation { proposals: vec![proposal] }
    }
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
