//! Tests of SA negotiation.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn policy(priority: u16, encryption: Encryption, hash: Hash, lifetime: u64) -> IsakmpPolicy {
    let lifetime = Duration::from_secs(lifetime);
    IsakmpPolicy { encryption, hash, group: Group::Modp1024, lifetime, ..IsakmpPolicy::new(priority) }
}

const AES256: Encryption = Encryption::AesCbc(KeyBits::B256);

fn offer(policies: &[IsakmpPolicy]) -> SecurityAssociation {
    phase1_offer(&usable(policies))
}

#[test]
fn the_responders_priorities_decide() {
    let offer = offer(&[policy(1, Encryption::Des, Hash::Md5, 60), policy(2, AES256, Hash::Sha1, 60)]);
    let own = [policy(20, Encryption::Des, Hash::Md5, 60), policy(10, AES256, Hash::Sha1, 60)];
    let choice = phase1_choose(&usable(&own), &offer, None).unwrap();
    assert_eq!(choice.suite, IsakmpSuite { encryption: AES256, hash: Hash::Sha1, group: 2 });
    let [proposal] = &*choice.answer.proposals else { panic!("one proposal") };
    assert_eq!((proposal.transforms.len(), proposal.transforms[0].number), (1, 2));
    assert_eq!(phase1_check(&offer, &choice.answer, true).unwrap(), (choice.suite, Duration::from_secs(60)));
}

/// The guide's rule: a peer's lifetime may be shorter, never longer.
#[test]
fn lifetimes() {
    let choose = |offered: u64, own: u64| {
        let own = [policy(1, Encryption::TripleDes, Hash::Sha1, own)];
        let offer = offer(&[policy(1, Encryption::TripleDes, Hash::Sha1, offered)]);
        phase1_choose(&usable(&own), &offer, None).map(|choice| choice.lifetime.as_secs())
    };
    assert_eq!(choose(180, 86_400), Some(180));
    assert_eq!(choose(86_400, 86_400), Some(86_400));
    assert_eq!(choose(86_401, 86_400), None);
}

#[test]
fn one_difference_is_enough_to_refuse() {
    let own = [policy(1, AES256, Hash::Sha1, 60)];
    for (other, name) in [
        (policy(1, Encryption::AesCbc(KeyBits::B128), Hash::Sha1, 60), "key length"),
        (policy(1, AES256, Hash::Md5, 60), "hash"),
        (IsakmpPolicy { group: Group::Modp768, ..own[0].clone() }, "group"),
    ] {
        assert_eq!(phase1_choose(&usable(&own), &offer(&[other]), None), None, "{name}");
    }
    let mut signed = own[0].clone();
    signed.authentication = IsakmpAuthentication::RsaSignatures;
    assert!(usable(&[signed]).is_empty());
}

#[test]
fn transforms_that_are_not_understood_are_passed_over() {
    let own = [policy(1, AES256, Hash::Sha1, 60)];
    let good = offer(&own).proposals[0].transforms[0].clone();
    let edit = |change: &dyn Fn(&mut Transform)| {
        let mut bad = good.clone();
        change(&mut bad);
        let offer = SecurityAssociation::new([Proposal::new(
            1,
            ProtocolId::IKE,
            [],
            [bad, Transform { number: 2, ..good.clone() }],
        )]);
        phase1_choose(&usable(&own), &offer, None).unwrap().answer.proposals[0].transforms[0].number
    };
    assert_eq!(edit(&|_| {}), 1);
    assert_eq!(edit(&|t| t.id = 9), 2);
    assert_eq!(edit(&|t| t.attributes.push(Attribute::basic(13, 1))), 2, "PRF");
    assert_eq!(edit(&|t| t.attributes.push(Attribute::basic(2, 1))), 2, "two hashes");
    assert_eq!(edit(&|t| t.attributes.push(Attribute::basic(2, 2))), 1, "the same hash twice");
    assert_eq!(edit(&|t| t.attributes[0] = Attribute::variable(1, [0, 7])), 2, "basic, as variable");
    assert_eq!(edit(&|t| t.attributes.retain(|a| a.class != 11)), 2, "a duration without its type");
}

#[test]
fn an_answer_must_be_what_was_offered() {
    let offer = offer(&[policy(1, AES256, Hash::Sha1, 86_400)]);
    let check = |change: &dyn Fn(&mut SecurityAssociation)| {
        let mut answer = offer.clone();
        change(&mut answer);
        phase1_check(&offer, &answer, true).is_some()
    };
    assert!(check(&|_| {}));
    assert!(check(&|sa| sa.proposals[0].transforms[0].attributes.swap(0, 4)));
    assert!(!check(&|sa| sa.proposals[0].transforms[0].attributes[5] = Attribute::number(12, 60)));
    assert!(!check(&|sa| _ = sa.proposals[0].transforms[0].attributes.remove(1)));
    assert!(!check(&|sa| sa.proposals.push(sa.proposals[0].clone())));
    assert!(!check(&|sa| sa.proposals.clear()));
}

fn child(sets: &[&[&str]]) -> IsakmpChild {
    let set = |texts: &&[&str]| {
        TransformSet::new("t", texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<EspProposal>>())
    };
    let any = || "0.0.0.0/0".parse().unwrap();
    IsakmpChild::new("c", any(), any(), sets.iter().map(set).collect::<Vec<_>>())
}

fn spi(protocol: ProtocolId) -> u32 {
    0x1000 + u32::from(protocol.0)
}

#[test]
fn a_bundle_is_taken_whole_or_not_at_all() {
    let both = child(&[&["sha1", "des-sha1"], &["aes256-md5"]]);
    let offer = phase2_offer(&both, None, spi).unwrap();
    let numbers: Vec<_> = offer.proposals.iter().map(|p| (p.number, p.protocol)).collect();
    assert_eq!(numbers, [(1, ProtocolId::AH), (1, ProtocolId::ESP), (2, ProtocolId::ESP)]);
    let choice = phase2_choose(&both, &offer, None, None).unwrap();
    assert_eq!(choice.chosen.iter().map(|c| c.protocol).collect::<Vec<_>>(), [ProtocolId::AH, ProtocolId::ESP]);
    assert_eq!(choice.chosen[0].spi, 0x1002);
    let answer = choice.answer(|protocol| spi(protocol) + 0x1000);
    let checked = phase2_check(&offer, &answer, None, true).unwrap();
    assert_eq!(checked.chosen[1].spi, 0x2003);
    assert_eq!(phase2_choose(&child(&[&["sha1"]]), &offer, None, None), None, "half of it");
    assert_eq!(phase2_choose(&child(&[&["sha1", "3des-sha1"]]), &offer, None, None), None);
    let second = phase2_choose(&child(&[&["aes256-md5"]]), &offer, None, None).unwrap();
    assert_eq!(second.chosen[0].number, 2);
    let mut half = answer;
    half.proposals.pop();
    assert_eq!(phase2_check(&offer, &half, None, true), None, "half of it answered");
}

#[test]
fn algorithms_have_their_numbers() {
    for (text, id, authentication) in [
        ("des-md5", 2, Some(1)),
        ("3des-sha1", 3, Some(2)),
        ("null-sha256", 11, Some(5)),
        ("aes128-sha512", 12, Some(7)),
        ("aes128gcm16", 20, None),
        ("aes128gmac", 23, None),
        ("md5", 2, Some(1)),
        ("sha1", 3, Some(2)),
        ("sha384", 6, Some(6)),
    ] {
        let child = child(&[&[text]]);
        let offer = phase2_offer(&child, None, spi).unwrap();
        let transform = &offer.proposals[0].transforms[0];
        let of = |class: Phase2Class| transform.attributes.iter().find(|a| a.class == class.0)?.as_number();
        assert_eq!((transform.id, of(Phase2Class::AUTHENTICATION)), (id, authentication), "{text}");
        let choice = phase2_choose(&child, &offer, None, None).unwrap();
        let own = &child.transform_sets[0].protocols[0];
        assert!(choice.chosen[0].transform.fits(own), "{text}");
    }
}

#[test]
fn perfect_forward_secrecy_needs_group_and_public_value() {
    let plain = child(&[&["aes128-sha1"]]);
    let secret = IsakmpChild { pfs: Some(Group::Modp1024), ..plain.clone() };
    let (without, with) = (phase2_offer(&plain, None, spi).unwrap(), phase2_offer(&secret, None, spi).unwrap());
    assert!(phase2_choose(&secret, &with, None, Some(128)).is_some());
    assert!(phase2_choose(&plain, &with, None, Some(128)).is_some(), "more than asked for");
    assert!(phase2_choose(&plain, &with, None, None).is_none(), "a group without a public value");
    assert!(phase2_choose(&plain, &without, None, Some(128)).is_none(), "and the reverse");
    assert!(phase2_choose(&secret, &with, None, Some(96)).is_none(), "a value of another group");
    assert!(phase2_choose(&secret, &without, None, None).is_none());
}

#[test]
fn encapsulation_follows_the_version() {
    for (nat, expected) in [(None, 1), (Some(NatVersion::Rfc3947), 3), (Some(NatVersion::Draft02), 61_443)] {
        let child = child(&[&["aes128-sha1"]]);
        let offer = phase2_offer(&child, nat, spi).unwrap();
        let mode = offer.proposals[0].transforms[0].attributes.iter().find(|a| a.class == 4);
        assert_eq!(mode.unwrap().as_number(), Some(expected));
        let choice = phase2_choose(&child, &offer, nat, None).unwrap();
        assert_eq!((choice.mode, choice.udp), (Mode::Tunnel, nat.is_some()));
        let other = if nat.is_none() { Some(NatVersion::Rfc3947) } else { None };
        assert_eq!(phase2_choose(&child, &offer, other, None), None);
    }
}

#[test]
fn the_shorter_lifetime_holds() {
    let own = child(&[&["aes128-sha1"]]);
    let longer = IsakmpChild { lifetime: SaLifetime { seconds: Some(7200), kilobytes: None }, ..own.clone() };
    let choice = phase2_choose(&own, &phase2_offer(&longer, None, spi).unwrap(), None, None).unwrap();
    assert_eq!(choice.lifetime(&own.lifetime), Negotiated { seconds: 3600, kilobytes: Some(4_608_000) });
    assert!(choice.exceeds(&own.lifetime) && !choice.exceeds(&longer.lifetime));
    let mut data = vec![];
    life_attributes(&own.lifetime).iter().for_each(|attribute| attribute.emit(&mut data));
    assert_eq!(responder_lifetime(&data), Some(own.lifetime));
    assert_eq!(responder_lifetime(&[0x80]), None);
}

#[test]
fn conflicting_and_unknown_attributes_of_phase_2() {
    let own = child(&[&["aes128-sha1"]]);
    let offer = phase2_offer(&own, None, spi).unwrap();
    let edit = |change: &dyn Fn(&mut Vec<Attribute>)| {
        let mut offer = offer.clone();
        change(&mut offer.proposals[0].transforms[0].attributes);
        phase2_choose(&own, &offer, None, None).is_some()
    };
    assert!(edit(&|_| {}));
    assert!(edit(&|a| a.extend(life_attributes(&SaLifetime::default()))), "twice the same");
    assert!(!edit(&|a| a.extend([Attribute::basic(1, 1), Attribute::basic(2, 60)])), "conflict");
    assert!(!edit(&|a| a.push(Attribute::basic(7, 1))), "key rounds");
    assert!(!edit(&|a| a.push(Attribute::basic(2, 60))), "a duration without its type");
    assert!(edit(&|a| a.retain(|a| a.class != 4)), "no mode: tunnel");
}
