//! SA negotiation: policies of phase 1 and transform sets of phase 2, offered, chosen and checked (RFC 2408 section
//! 4.2, RFC 2409 section 5 and appendix A, RFC 2407 section 4.5).

use super::api::Negotiated;
use super::keys::IsakmpSuite;
use crate::config::Mode;
use crate::config::isakmp::{IsakmpAuthentication, IsakmpChild, IsakmpPolicy, NatVersion, SaLifetime, TransformSet};
use crate::config::{Algorithm, EspProposal};
use crypto::{Encryption, Group, Hash, Integrity, KeyBits};
use std::time::Duration;
use wire::ikev1::{
    Attribute, AttributeValue, Encapsulation, Phase1Class, Phase2Class, Proposal, ProtocolId, SecurityAssociation,
    Transform,
};

/// Life type: seconds. The same in both phases.
const SECONDS: u64 = 1;
/// Life type: kilobytes.
const KILOBYTES: u64 = 2;
/// Lifetime of an SA that none was said for (RFC 2407 section 4.5). A lifetime of 0 says none: strongSwan offers it when
/// it is configured to replace nothing by itself.
const DEFAULT_SECONDS: u32 = 28_800;
/// Authentication method: pre-shared key.
const PRE_SHARED: u16 = 1;

// ---- Phase 1 ----

/// Number of the cipher of phase 1 and its key length.
fn phase1_cipher_number(encryption: Encryption) -> Option<(u16, Option<u16>)> {
    match encryption {
        Encryption::Des => Some((1, None)),
        Encryption::TripleDes => Some((5, None)),
        Encryption::AesCbc(bits) => Some((7, Some(bits.bits()))),
        _ => None,
    }
}

/// The cipher of phase 1 with this number and key length.
pub(super) fn phase1_cipher(number: u16, key_length: Option<u16>) -> Option<Encryption> {
    match (number, key_length) {
        (1, None) => Some(Encryption::Des),
        (5, None) => Some(Encryption::TripleDes),
        (7, Some(bits)) => KeyBits::from_bits(bits).map(Encryption::AesCbc),
        _ => None,
    }
}

fn phase1_hash_number(hash: Hash) -> u16 {
    match hash {
        Hash::Md5 => 1,
        Hash::Sha1 => 2,
        Hash::Sha256 => 4,
        Hash::Sha384 => 5,
        Hash::Sha512 => 6,
    }
}

/// The hash of phase 1 with this number.
pub(super) fn phase1_hash(number: u16) -> Option<Hash> {
    Hash::ALL.into_iter().find(|hash| phase1_hash_number(*hash) == number)
}

/// Policies that can be offered and accepted, in the order of their priorities. One that lacks what it needs is not
/// among them (guide chapter 10).
pub(super) fn usable(policies: &[IsakmpPolicy]) -> Vec<&IsakmpPolicy> {
    let usable = |policy: &&IsakmpPolicy| {
        policy.authentication == IsakmpAuthentication::PreShared && phase1_cipher_number(policy.encryption).is_some()
    };
    let mut policies: Vec<_> = policies.iter().filter(usable).collect();
    policies.sort_by_key(|policy| policy.priority);
    policies
}

/// The offer of phase 1: one proposal with a transform for each policy (RFC 2409 section 5).
pub(super) fn phase1_offer(policies: &[&IsakmpPolicy]) -> SecurityAssociation {
    let transforms: Vec<_> = (1..=u8::MAX)
        .zip(policies)
        .map(|(number, policy)| Transform::new(number, Transform::KEY_IKE, phase1_attributes(policy)))
        .collect();
    SecurityAssociation::new([Proposal::new(1, ProtocolId::IKE, [], transforms)])
}

fn phase1_attributes(policy: &IsakmpPolicy) -> Vec<Attribute> {
    let (cipher, bits) = phase1_cipher_number(policy.encryption).unwrap_or_default();
    let basic = |class: Phase1Class, value| Attribute::basic(class.0, value);
    let mut attributes = vec![basic(Phase1Class::ENCRYPTION, cipher)];
    attributes.extend(bits.map(|bits| basic(Phase1Class::KEY_LENGTH, bits)));
    attributes.extend([
        basic(Phase1Class::HASH, phase1_hash_number(policy.hash)),
        basic(Phase1Class::GROUP, policy.group.id()),
        basic(Phase1Class::AUTHENTICATION, PRE_SHARED),
        basic(Phase1Class::LIFE_TYPE, SECONDS as u16),
        Attribute::number(Phase1Class::LIFE_DURATION.0, u32::try_from(policy.lifetime.as_secs()).unwrap_or(u32::MAX)),
    ]);
    attributes
}

/// A choice of phase 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase1Choice {
    pub(super) suite: IsakmpSuite,
    /// The shorter of both lifetimes.
    pub(super) lifetime: Duration,
    /// The answer: the chosen transform as it was offered.
    pub(super) answer: SecurityAssociation,
}

/// What a transform of phase 1 asks for.
#[derive(Debug, Default)]
struct Phase1Transform {
    cipher: Option<u16>,
    key_length: Option<u16>,
    hash: Option<u16>,
    authentication: Option<u16>,
    group: Option<u16>,
    seconds: Option<u64>,
}

impl Phase1Transform {
    /// `None` if an attribute is not understood, in a form that it must not have, or in conflict with another.
    fn read(transform: &Transform) -> Option<Self> {
        if transform.id != Transform::KEY_IKE {
            return None;
        }
        let mut read = Self::default();
        let mut life_type = None;
        for attribute in &transform.attributes {
            let number = attribute.as_number()?;
            if Phase1Class(attribute.class) == Phase1Class::LIFE_DURATION {
                // A duration follows its type (RFC 2407 section 4.5).
                match life_type.take()? {
                    SECONDS if read.seconds.is_none_or(|seconds| seconds == number) => read.seconds = Some(number),
                    KILOBYTES => {}
                    _ => return None,
                }
                continue;
            }
            let AttributeValue::Basic(value) = attribute.value else { return None };
            let field = match Phase1Class(attribute.class) {
                Phase1Class::ENCRYPTION => &mut read.cipher,
                Phase1Class::KEY_LENGTH => &mut read.key_length,
                Phase1Class::HASH => &mut read.hash,
                Phase1Class::AUTHENTICATION => &mut read.authentication,
                Phase1Class::GROUP => &mut read.group,
                Phase1Class::LIFE_TYPE => {
                    life_type = Some(number);
                    continue;
                }
                // A MODP group by its number is of that type.
                Phase1Class::GROUP_TYPE if value == 1 => continue,
                _ => return None,
            };
            if field.replace(value).is_some_and(|before| before != value) {
                return None;
            }
        }
        read.seconds = read.seconds.filter(|seconds| *seconds > 0);
        Some(read)
    }

    fn suite(&self) -> Option<IsakmpSuite> {
        let encryption = phase1_cipher(self.cipher?, self.key_length)?;
        Some(IsakmpSuite { encryption, hash: phase1_hash(self.hash?)?, group: self.group? })
    }

    /// Equal in everything, and no longer-lived (guide chapter 10).
    fn fits(&self, policy: &IsakmpPolicy) -> bool {
        let wanted = IsakmpSuite { encryption: policy.encryption, hash: policy.hash, group: policy.group.id() };
        self.suite() == Some(wanted)
            && self.authentication == Some(PRE_SHARED)
            && self.seconds.is_none_or(|seconds| seconds <= policy.lifetime.as_secs())
    }

    fn lifetime(&self, own: Duration) -> Duration {
        self.seconds.map_or(own, |seconds| own.min(Duration::from_secs(seconds)))
    }
}

/// Chooses from an offer: the own policies are tried in the order of their priorities (guide chapter 10). `group` is
/// that of a public value that has come with the offer, in aggressive mode, where there is no other to be had.
pub(super) fn phase1_choose(
    policies: &[&IsakmpPolicy],
    offer: &SecurityAssociation,
    public_len: Option<usize>,
) -> Option<Phase1Choice> {
    for policy in policies {
        if public_len.is_some_and(|length| length != policy.group.public_len()) {
            continue;
        }
        for proposal in offer.proposals.iter().filter(|proposal| proposal.protocol == ProtocolId::IKE) {
            for transform in &proposal.transforms {
                let Some(read) = Phase1Transform::read(transform).filter(|read| read.fits(policy)) else { continue };
                let suite = read.suite()?;
                let answer = Transform::new(transform.number, transform.id, transform.attributes.clone());
                let answer = Proposal::new(proposal.number, ProtocolId::IKE, proposal.spi.clone(), [answer]);
                let lifetime = read.lifetime(policy.lifetime);
                return Some(Phase1Choice { suite, lifetime, answer: SecurityAssociation::new([answer]) });
            }
        }
    }
    None
}

/// Checks that an answer is one of the offered transforms, unmodified if `strict` (RFC 2409 section 5).
pub(super) fn phase1_check(
    offer: &SecurityAssociation,
    answer: &SecurityAssociation,
    strict: bool,
) -> Option<(IsakmpSuite, Duration)> {
    let [proposal] = &*answer.proposals else { return None };
    let [transform] = &*proposal.transforms else { return None };
    if proposal.protocol != ProtocolId::IKE {
        return None;
    }
    let offered = offer.proposals.first()?.transforms.iter();
    let same = |own: &Transform| !strict || same(&own.attributes, &transform.attributes);
    offered.clone().find(|own| own.id == transform.id && same(own))?;
    let read = Phase1Transform::read(transform)?;
    Some((read.suite()?, Duration::from_secs(read.seconds.unwrap_or(u64::from(DEFAULT_SECONDS)))))
}

/// The same attributes, in any order and with values in whichever form (RFC 2409 appendix A).
fn same(own: &[Attribute], other: &[Attribute]) -> bool {
    let numbers = |attributes: &[Attribute]| {
        let mut numbers: Vec<_> = attributes.iter().map(|a| (a.class, a.as_number())).collect();
        numbers.sort_unstable();
        numbers
    };
    own.len() == other.len() && numbers(own) == numbers(other)
}

// ---- Phase 2 ----

/// Authentication algorithm attribute, AH transform, and the IANA number of the algorithm.
const INTEGRITY: [(u16, u8, u16); 6] = [(1, 2, 1), (2, 3, 2), (5, 5, 12), (6, 6, 13), (7, 7, 14), (9, 9, 5)];
/// Number of a cipher of ESP. It is that of IKEv2, but AES-GMAC has another (IANA, "isakmp-registry"), and ChaCha20-Poly1305
/// none (RFC 7634 section 4).
fn esp_number(encryption: Encryption) -> Option<u8> {
    match encryption {
        Encryption::AesGmac(_) => Some(23),
        Encryption::ChaCha20Poly1305 => None,
        _ => u8::try_from(encryption.id()).ok(),
    }
}

/// The cipher of ESP with this number and key length.
fn esp_cipher(number: u8, key_length: Option<u16>) -> Option<Encryption> {
    let fits = |cipher: &Encryption| esp_number(*cipher) == Some(number) && cipher.key_length_attribute() == key_length;
    Encryption::ALL.into_iter().find(fits)
}

fn integrity_of(attribute: u16) -> Option<Integrity> {
    INTEGRITY.iter().find(|row| row.0 == attribute).and_then(|row| Integrity::from_iana(row.2))
}

/// What a transform of phase 2 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase2Transform {
    pub(super) encryption: Option<Encryption>,
    pub(super) integrity: Option<Integrity>,
    pub(super) encapsulation: Option<Encapsulation>,
    pub(super) group: Option<u16>,
    seconds: Option<u32>,
    kilobytes: Option<u32>,
}

impl Phase2Transform {
    /// `None` if something is not understood, in a form that it must not have, or in conflict with something else.
    fn read(protocol: ProtocolId, transform: &Transform) -> Option<Self> {
        let mut read = Self {
            encryption: None,
            integrity: None,
            encapsulation: None,
            group: None,
            seconds: None,
            kilobytes: None,
        };
        let (mut life_type, mut authentication, mut key_length, mut mode) = (None, None, None, None);
        for attribute in &transform.attributes {
            let number = attribute.as_number()?;
            if Phase2Class(attribute.class) == Phase2Class::LIFE_DURATION {
                let life = u32::try_from(number).unwrap_or(u32::MAX);
                let field = match life_type.take()? {
                    SECONDS => &mut read.seconds,
                    KILOBYTES => &mut read.kilobytes,
                    _ => return None,
                };
                if field.replace(life).is_some_and(|before| before != life) {
                    return None;
                }
                continue;
            }
            let AttributeValue::Basic(value) = attribute.value else { return None };
            let field = match Phase2Class(attribute.class) {
                Phase2Class::LIFE_TYPE => {
                    life_type = Some(number);
                    continue;
                }
                Phase2Class::GROUP => &mut read.group,
                Phase2Class::ENCAPSULATION => &mut mode,
                Phase2Class::AUTHENTICATION => &mut authentication,
                Phase2Class::KEY_LENGTH => &mut key_length,
                _ => return None,
            };
            if field.replace(value).is_some_and(|before| before != value) {
                return None;
            }
        }
        for lifetime in [&mut read.seconds, &mut read.kilobytes] {
            lifetime.take_if(|lifetime| *lifetime == 0);
        }
        read.encapsulation = mode.map(Encapsulation);
        match protocol {
            ProtocolId::ESP => {
                let encryption = esp_cipher(transform.id, key_length)?;
                read.integrity = match authentication {
                    Some(number) => Some(integrity_of(number)?),
                    None => None,
                };
                // A combined mode takes no other integrity, and null encryption needs one (RFC 2407 section 4.5).
                if encryption.is_aead() == read.integrity.is_some() && encryption.is_aead()
                    || (encryption == Encryption::Null && read.integrity.is_none())
                {
                    return None;
                }
                read.encryption = Some(encryption);
            }
            ProtocolId::AH => {
                // The attribute must say the same as the transform (RFC 2407 section 4.4.3).
                let row = INTEGRITY.iter().find(|row| row.1 == transform.id && Some(row.0) == authentication)?;
                read.integrity = Integrity::from_iana(row.2);
                if key_length.is_some() {
                    return None;
                }
            }
            _ => return None,
        }
        Some(read)
    }

    fn fits(&self, own: &EspProposal) -> bool {
        let encryption = match self.encryption {
            Some(cipher) => own.encryption.iter().any(|a| Encryption::from_iana(a.id, a.key_bits) == Some(cipher)),
            None => own.encryption.is_empty(),
        };
        let none = |list: &[Algorithm]| list.is_empty() || list.iter().all(|algorithm| algorithm.id == 0);
        let integrity = match self.integrity {
            Some(mac) => own.integrity.iter().any(|a| a.id != 0 && Integrity::from_iana(a.id) == Some(mac)),
            None => none(&own.integrity) || self.encryption.is_some_and(Encryption::is_aead),
        };
        encryption && integrity
    }
}

/// How SAs are encapsulated: the modes of a version of NAT traversal, where there is a NAT.
pub(super) fn encapsulation(mode: Mode, nat: Option<NatVersion>) -> Encapsulation {
    match (mode, nat) {
        (Mode::Tunnel, None) => Encapsulation::TUNNEL,
        (Mode::Transport, None) => Encapsulation::TRANSPORT,
        (Mode::Tunnel, Some(NatVersion::Rfc3947)) => Encapsulation::UDP_TUNNEL,
        (Mode::Transport, Some(NatVersion::Rfc3947)) => Encapsulation::UDP_TRANSPORT,
        (Mode::Tunnel, Some(_)) => Encapsulation::UDP_TUNNEL_DRAFT,
        (Mode::Transport, Some(_)) => Encapsulation::UDP_TRANSPORT_DRAFT,
    }
}

/// The protocols of a transform set, innermost first, each with the attribute-free half of its transforms. Those that
/// cannot be expressed or done are left out.
fn transforms_of(own: &EspProposal) -> Vec<(u8, Vec<Attribute>)> {
    let authentication = |algorithm: &Algorithm| {
        let row = INTEGRITY.iter().find(|row| row.2 == algorithm.id)?;
        Some((Attribute::basic(Phase2Class::AUTHENTICATION.0, row.0), row.1))
    };
    if own.protocol == ProtocolId::AH {
        let all = own.integrity.iter().filter_map(authentication);
        return all.map(|(attribute, transform)| (transform, vec![attribute])).collect();
    }
    let mut transforms = vec![];
    for cipher in &own.encryption {
        let Some(encryption) = Encryption::from_iana(cipher.id, cipher.key_bits) else { continue };
        let Some(id) = esp_number(encryption) else { continue };
        let key_length = cipher.key_bits.map(|bits| Attribute::basic(Phase2Class::KEY_LENGTH.0, bits));
        let base: Vec<_> = key_length.into_iter().collect();
        if encryption.is_aead() {
            transforms.push((id, base));
            continue;
        }
        for mac in &own.integrity {
            let attribute = match mac.id {
                0 => None,
                _ => match authentication(mac) {
                    Some((attribute, _)) => Some(attribute),
                    None => continue,
                },
            };
            transforms.push((id, base.iter().cloned().chain(attribute).collect()));
        }
    }
    transforms
}

/// An offer of phase 2: for each transform set one proposal number, with a proposal for each protocol, each with an
/// SPI of its own (RFC 2408 section 4.2). `spi` gives the SPI of a protocol, the same in every set.
pub(super) fn phase2_offer(
    child: &IsakmpChild,
    nat: Option<NatVersion>,
    spi: impl Fn(ProtocolId) -> u32,
) -> Option<SecurityAssociation> {
    let mut proposals = vec![];
    for (number, set) in (1..=u8::MAX).zip(&child.transform_sets) {
        let common = common_attributes(child, set, nat);
        let mut of_set = vec![];
        for own in &set.protocols {
            let transforms: Vec<_> = (1..=u8::MAX)
                .zip(transforms_of(own))
                .map(|(number, (id, attributes))| Transform::new(number, id, [common.clone(), attributes].concat()))
                .collect();
            if !transforms.is_empty() {
                of_set.push(Proposal::new(number, own.protocol, spi(own.protocol).to_be_bytes(), transforms));
            }
        }
        if of_set.len() == set.protocols.len() {
            proposals.extend(of_set);
        }
    }
    (!proposals.is_empty()).then(|| SecurityAssociation::new(proposals))
}

fn common_attributes(child: &IsakmpChild, set: &TransformSet, nat: Option<NatVersion>) -> Vec<Attribute> {
    let basic = |class: Phase2Class, value| Attribute::basic(class.0, value);
    let mut attributes: Vec<_> = child.pfs.map(|group| basic(Phase2Class::GROUP, group.id())).into_iter().collect();
    attributes.push(basic(Phase2Class::ENCAPSULATION, encapsulation(set.mode, nat).0));
    attributes.extend(life_attributes(&child.lifetime));
    attributes
}

/// A duration follows its type (RFC 2407 section 4.5).
pub(super) fn life_attributes(lifetime: &SaLifetime) -> Vec<Attribute> {
    let life = |life_type: u64, duration: Option<u32>| {
        let pair = |duration| {
            let life_type = Attribute::basic(Phase2Class::LIFE_TYPE.0, life_type as u16);
            [life_type, Attribute::number(Phase2Class::LIFE_DURATION.0, duration)]
        };
        duration.map(pair).into_iter().flatten()
    };
    life(SECONDS, lifetime.seconds).chain(life(KILOBYTES, lifetime.kilobytes)).collect()
}

/// The lifetimes in the data of RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1).
pub(super) fn responder_lifetime(data: &[u8]) -> Option<SaLifetime> {
    let mut lifetime = SaLifetime { seconds: None, kilobytes: None };
    let mut life_type = None;
    for attribute in Attribute::parse_list(data, 0).ok()? {
        let number = attribute.as_number()?;
        match (Phase2Class(attribute.class), life_type) {
            (Phase2Class::LIFE_TYPE, _) => life_type = Some(number),
            (Phase2Class::LIFE_DURATION, _) if number == 0 => {}
            (Phase2Class::LIFE_DURATION, Some(SECONDS)) => lifetime.seconds = u32::try_from(number).ok(),
            (Phase2Class::LIFE_DURATION, Some(KILOBYTES)) => lifetime.kilobytes = u32::try_from(number).ok(),
            _ => return None,
        }
    }
    Some(lifetime)
}

/// One protocol of a choice of phase 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) protocol: ProtocolId,
    /// SPI of the side whose SA payload it was found in.
    pub(super) spi: u32,
    pub(super) transform: Phase2Transform,
    number: u8,
    wire: Transform,
}

/// A choice of phase 2: all protocols of one proposal number, in the order of the offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase2Choice {
    pub(super) chosen: Vec<Chosen>,
    pub(super) mode: Mode,
    /// Are the SAs to be encapsulated in UDP?
    pub(super) udp: bool,
    pub(super) group: Option<u16>,
    /// What was offered: no attribute was changed by the answer.
    offered: SaLifetime,
}

impl Phase2Choice {
    /// The shorter of what was offered and what we have.
    pub(super) fn lifetime(&self, own: &SaLifetime) -> Negotiated {
        let shorter = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        Negotiated {
            seconds: shorter(self.offered.seconds, own.seconds).unwrap_or(DEFAULT_SECONDS),
            kilobytes: shorter(self.offered.kilobytes, own.kilobytes),
        }
    }

    /// Forgets all lifetimes that were offered but the last one.
    pub(super) fn keep_last_lifetime(&mut self) {
        if self.offered.kilobytes.is_some() {
            self.offered.seconds = None;
        }
    }

    /// Does the offer say nothing about seconds?
    pub(super) fn has_no_seconds(&self) -> bool {
        self.offered.seconds.is_none()
    }

    /// Is more offered than we want, so that the initiator is to be told (RFC 2407 section 4.5.4)?
    pub(super) fn exceeds(&self, own: &SaLifetime) -> bool {
        let more = |offered: Option<u32>, own: Option<u32>| match (offered, own) {
            (Some(offered), Some(own)) => offered > own,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let seconds = Some(self.offered.seconds.unwrap_or(DEFAULT_SECONDS));
        more(seconds, own.seconds) || more(self.offered.kilobytes, own.kilobytes)
    }

    /// The answer with our own SPIs: what was chosen, as it was offered.
    pub(super) fn answer(&self, spi: impl Fn(ProtocolId) -> u32) -> SecurityAssociation {
        let proposal = |chosen: &Chosen| {
            Proposal::new(chosen.number, chosen.protocol, spi(chosen.protocol).to_be_bytes(), [chosen.wire.clone()])
        };
        SecurityAssociation::new(self.chosen.iter().map(proposal).collect::<Vec<_>>())
    }
}

/// The mode of an encapsulation, and whether it is in UDP; `None` if it is not what the path needs.
fn mode_of(encapsulation: Option<Encapsulation>, nat: Option<NatVersion>) -> Option<(Mode, bool)> {
    // What is not said is up to the host: tunnel mode (RFC 2407 section 4.5).
    let wanted = encapsulation.unwrap_or_else(|| self::encapsulation(Mode::Tunnel, nat));
    let of = |mode| (self::encapsulation(mode, nat) == wanted).then_some((mode, nat.is_some()));
    of(Mode::Tunnel).or_else(|| of(Mode::Transport))
}

/// The proposals of an offer, by number, in order.
fn by_number(sa: &SecurityAssociation) -> Vec<Vec<&Proposal>> {
    let mut groups: Vec<Vec<&Proposal>> = vec![];
    for proposal in &sa.proposals {
        match groups.last_mut() {
            Some(group) if group.first().is_some_and(|first| first.number == proposal.number) => group.push(proposal),
            _ => groups.push(vec![proposal]),
        }
    }
    groups
}

/// Chooses from an offer, in the initiator's order. All protocols of a number are taken, or none. `public` says whether
/// there is a KE payload, and then every transform must have its group (RFC 2409 section 5.5).
pub(super) fn phase2_choose(
    child: &IsakmpChild,
    offer: &SecurityAssociation,
    nat: Option<NatVersion>,
    public_len: Option<usize>,
) -> Option<Phase2Choice> {
    for group in by_number(offer) {
        let mut protocols: Vec<_> = group.iter().map(|proposal| proposal.protocol).collect();
        protocols.sort_unstable();
        for set in &child.transform_sets {
            let mut own: Vec<_> = set.protocols.iter().map(|own| own.protocol).collect();
            own.sort_unstable();
            if own == protocols
                && let Some(choice) = choose_group(child, set, &group, nat, public_len)
            {
                return Some(choice);
            }
        }
    }
    None
}

fn choose_group(
    child: &IsakmpChild,
    set: &TransformSet,
    group: &[&Proposal],
    nat: Option<NatVersion>,
    public_len: Option<usize>,
) -> Option<Phase2Choice> {
    let mut chosen: Vec<Chosen> = vec![];
    for proposal in group {
        let own = set.protocols.iter().find(|own| own.protocol == proposal.protocol)?;
        let spi = u32::from_be_bytes(proposal.spi.as_slice().try_into().ok()?);
        let fits = |transform: &&Transform| {
            let Some(read) = Phase2Transform::read(proposal.protocol, transform) else { return false };
            let like_the_first = chosen.first().is_none_or(|first| first.transform.group == read.group);
            let group_fits = match (read.group, public_len) {
                (None, None) => child.pfs.is_none(),
                (Some(group), Some(length)) => {
                    Group::from_iana(group).is_some_and(|known| known.public_len() == length)
                        && child.pfs.is_none_or(|own| own.id() == group)
                }
                // A group without a public value is no perfect forward secrecy, nor is the reverse.
                _ => false,
            };
            let mode = mode_of(read.encapsulation, nat).is_some_and(|(mode, _)| mode == set.mode);
            read.fits(own) && group_fits && like_the_first && mode
        };
        let transform = proposal.transforms.iter().find(fits)?;
        let wire = Transform::new(transform.number, transform.id, transform.attributes.clone());
        let read = Phase2Transform::read(proposal.protocol, transform)?;
        chosen.push(Chosen { protocol: proposal.protocol, spi, transform: read, number: proposal.number, wire });
    }
    let mut choice = complete(chosen, nat)?;
    choice.mode = set.mode;
    Some(choice)
}

/// Checks that an answer is one number of the offer, with one transform for each protocol, unmodified if `strict`.
pub(super) fn phase2_check(
    offer: &SecurityAssociation,
    answer: &SecurityAssociation,
    nat: Option<NatVersion>,
    strict: bool,
) -> Option<Phase2Choice> {
    let [answered] = &*by_number(answer) else { return None };
    let number = answered.first()?.number;
    let groups = by_number(offer);
    let offered = groups.iter().find(|group| group.first().is_some_and(|first| first.number == number))?;
    if offered.len() != answered.len() {
        return None;
    }
    let mut chosen: Vec<Chosen> = vec![];
    for own in offered {
        let other = answered.iter().find(|other| other.protocol == own.protocol)?;
        let [transform] = &*other.transforms else { return None };
        let is_own = |offered: &&Transform| {
            offered.id == transform.id && (!strict || same(&offered.attributes, &transform.attributes))
        };
        own.transforms.iter().find(is_own)?;
        let spi = u32::from_be_bytes(other.spi.as_slice().try_into().ok()?);
        let read = Phase2Transform::read(own.protocol, transform)?;
        chosen.push(Chosen { protocol: own.protocol, spi, transform: read, number, wire: transform.clone() });
    }
    complete(chosen, nat)
}

fn complete(chosen: Vec<Chosen>, nat: Option<NatVersion>) -> Option<Phase2Choice> {
    let first = &chosen.first()?.transform;
    let (mode, udp) = mode_of(first.encapsulation, nat)?;
    // The shortest of what the protocols of a bundle say holds for all.
    let least = |of: fn(&Phase2Transform) -> Option<u32>| chosen.iter().filter_map(|c| of(&c.transform)).min();
    let offered = SaLifetime { seconds: least(|t| t.seconds), kilobytes: least(|t| t.kilobytes) };
    Some(Phase2Choice { mode, udp, group: first.group, offered, chosen })
}

// ---- Both phases ----

/// The offer without what a strict reader stumbles over: of attributes that conflict all but the last, if `conflicts`,
/// and those that are not supported, if `unknown`.
pub(super) fn forgiven(offer: &SecurityAssociation, conflicts: bool, unknown: bool) -> SecurityAssociation {
    let mut offer = offer.clone();
    for proposal in &mut offer.proposals {
        let phase1 = proposal.protocol == ProtocolId::IKE;
        let supported = |class: u16| match phase1 {
            true => class <= Phase1Class::GROUP.0 || (11..=12).contains(&class) || class == Phase1Class::KEY_LENGTH.0,
            false => class <= Phase2Class::KEY_LENGTH.0,
        };
        for transform in &mut proposal.transforms {
            if unknown {
                transform.attributes.retain(|attribute| supported(attribute.class));
            }
            if conflicts {
                let all = transform.attributes.clone();
                let is_life = |class: u16| if phase1 { (11..=12).contains(&class) } else { class <= 2 };
                let mut index = 0;
                transform.attributes.retain(|attribute| {
                    index += 1;
                    let later = all.get(index..).unwrap_or_default();
                    is_life(attribute.class) || !later.iter().any(|other| other.class == attribute.class)
                });
            }
        }
    }
    offer
}

/// Has an offer attributes that are not supported, or contradict each other (RFC 2407 sections 4.5.2 and 4.5.3)?
pub(super) fn has_unsupported_attributes(offer: &SecurityAssociation) -> bool {
    forgiven(offer, true, true) != *offer
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
