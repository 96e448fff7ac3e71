#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use wire::ikev2::{Attribute, AttributeValue};

const HONEST: fn() -> DeviationSet = DeviationSet::default;

fn ike(text: &str) -> Vec<Accepts> {
    text.split_whitespace().map(|word| Accepts::ike(&word.parse().unwrap())).collect()
}

fn esp(text: &str, create: bool) -> Vec<Accepts> {
    text.split_whitespace().map(|word| Accepts::child(&word.parse().unwrap(), create)).collect()
}

fn words(choice: &Choice) -> String {
    choice.algorithms.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}

fn pick(own: &[Accepts], offered: &SecurityAssociation, group: Option<u16>, preference: Preference) -> Option<String> {
    let choice = choose(own, offered, group, preference, &HONEST())?;
    assert!(check(offered, &choice.answer(&choice.proposal.spi), &HONEST()).is_some(), "our own answer stands");
    Some(format!("{}:{}", choice.proposal.number, words(&choice)))
}

#[test]
fn one_suite_by_either_order() {
    let own = ike("aes256-sha256-x25519 aes128-sha1-modp2048");
    let offered = offer(&ike("3des-sha1-modp1024 aes128-sha1-sha256-modp2048 aes256-aes128-sha256-x25519"), &[]);
    let peer = pick(&own, &offered, None, Preference::Peer).unwrap();
    assert_eq!(peer, "2:aes128-prfsha1-sha1-modp2048");
    let ours = pick(&own, &offered, None, Preference::Own).unwrap();
    assert_eq!(ours, "3:aes256-prfsha256-sha256-x25519");
    assert_eq!(pick(&ike("aes256gcm16-prfsha256-ecp256"), &offered, None, Preference::Peer), None);
}

#[test]
fn the_group_that_was_sent_saves_a_round_trip() {
    let own = ike("aes128-sha256-modp2048-x25519");
    let offered = offer(&own, &[]);
    assert!(pick(&own, &offered, Some(31), Preference::Peer).unwrap().ends_with("x25519"));
    assert!(pick(&own, &offered, Some(19), Preference::Peer).unwrap().ends_with("modp2048"));
}

#[test]
fn what_is_not_understood_is_skipped_or_refused() {
    let own = ike("aes256-sha256-x25519");
    let good = offer(&own, &[]);
    let refused = |change: &dyn Fn(&mut Proposal)| {
        let mut offered = good.clone();
        change(&mut offered.proposals[0]);
        choose(&own, &offered, None, Preference::Peer, &HONEST()).is_none()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|p| p.transforms.push(Transform::new(TransformType(200), 1))), "unknown type");
    assert!(!refused(&|p| p.transforms.insert(0, Transform::new(TransformType::ENCR, 60000))), "unknown id");
    let odd = Attribute { attribute_type: 100, value: AttributeValue::Short(1) };
    let with = |p: &mut Proposal| p.transforms[0].attributes.push(odd.clone());
    assert!(refused(&with), "unknown attribute");
    assert!(refused(&|p| p.transforms[0].attributes.clear()), "no key length");
    for missing in [TransformType::ENCR, TransformType::PRF, TransformType::INTEG, TransformType::KE] {
        assert!(refused(&|p| p.transforms.retain(|t| t.transform_type != missing)), "{missing} is missing");
    }
    assert!(refused(&|p| p.protocol = ProtocolId::ESP));
    let long = Attribute { attribute_type: 14, value: AttributeValue::Long(vec![1, 0]) };
    assert!(refused(&|p| p.transforms[0].attributes = vec![long.clone()]), "key length in long form");
    let chacha = ike("chacha20poly1305-prfsha256-x25519");
    let mut offered = offer(&chacha, &[]);
    offered.proposals[0].transforms[0] = Transform::with_key_length(TransformType::ENCR, 28, 256);
    assert_eq!(pick(&chacha, &offered, None, Preference::Peer), None, "key length of a cipher that has but one");
}

#[test]
fn aead_takes_no_integrity_but_an_explicit_none() {
    let own = ike("aes128gcm16-prfsha256-x25519");
    let mut offered = offer(&own, &[]);
    offered.proposals[0].transforms.push(Transform::new(TransformType::INTEG, 12));
    assert_eq!(pick(&own, &offered, None, Preference::Peer), None);
    offered.proposals[0].transforms.push(Transform::new(TransformType::INTEG, 0));
    assert_eq!(pick(&own, &offered, None, Preference::Peer).unwrap(), "1:aes128gcm16-prfsha256-x25519");
}

#[test]
fn children_with_esn_pfs_and_ah() {
    let choices = [
        ("aes128-sha256-esn-noesn", "aes128-sha256-esn", true, Some("1:aes128-sha256-esn")),
        ("aes128-sha256-esn", "aes128-sha256", true, None),
        ("aes128-sha256-x25519", "aes128-sha256", true, None),
        ("aes128-sha256", "aes128-sha256-x25519", true, None),
        ("aes128-sha256-x25519", "aes128-sha256-x25519-modpnone", true, Some("1:aes128-sha256-x25519-noesn")),
        ("aes128-sha256", "aes128-sha256-x25519-modpnone", true, Some("1:aes128-sha256-noesn")),
        ("aes128-sha256-x25519", "aes128-sha256-x25519", false, Some("1:aes128-sha256-noesn")),
        ("sha256", "aes128-sha256", true, None),
        ("sha256-esn", "sha256-esn", true, Some("1:sha256-esn")),
        ("null-sha1", "null-sha1", true, Some("1:null-sha1-noesn")),
        ("aes128-integnone", "aes128-sha256", true, None),
        ("aes128-integnone", "aes128-integnone", true, Some("1:aes128-noesn")),
    ];
    for (offered, own, create, expected) in choices {
        let offered = offer(&esp(offered, create), &[1, 2, 3, 4]);
        assert_eq!(pick(&esp(own, create), &offered, None, Preference::Peer).as_deref(), expected, "{own}");
    }
    let mut without_esn = offer(&esp("aes128-sha256", true), &[1, 2, 3, 4]);
    without_esn.proposals[0].transforms.retain(|t| t.transform_type != TransformType::ESN);
    assert_eq!(pick(&esp("aes128-sha256", true), &without_esn, None, Preference::Peer), None);
}

#[test]
fn an_answer_is_one_of_our_offers_or_nothing() {
    let own = ike("aes256-aes128-sha256-x25519-modp2048 aes128gcm16-prfsha256-x25519");
    let offered = offer(&own, &[]);
    let answer = choose(&own, &offered, None, Preference::Peer, &HONEST()).unwrap().answer(&[]);
    let stands = |change: &dyn Fn(&mut SecurityAssociation)| {
        let mut answer = answer.clone();
        change(&mut answer);
        check(&offered, &answer, &HONEST()).is_some()
    };
    assert!(stands(&|_| {}));
    assert!(!stands(&|a| a.proposals.push(a.proposals[0].clone())), "two proposals");
    assert!(!stands(&|a| a.proposals[0].number = 2), "of another proposal");
    assert!(!stands(&|a| a.proposals[0].number = 9));
    assert!(!stands(&|a| a.proposals[0].transforms[0] = Transform::with_key_length(TransformType::ENCR, 12, 192)));
    assert!(!stands(&|a| a.proposals[0].transforms[0].attributes.clear()));
    assert!(!stands(&|a| a.proposals[0].transforms.push(Transform::new(TransformType::PRF, 2))));
    assert!(!stands(&|a| a.proposals[0].transforms.push(Transform::new(TransformType::ESN, 0))));
    assert!(!stands(&|a| a.proposals[0].transforms.push(Transform::new(TransformType(77), 0))));
    assert!(!stands(&|a| _ = a.proposals[0].transforms.pop()), "a type is missing");
    assert!(!stands(&|a| a.proposals[0].spi = vec![0; 8]), "an SPI where none belongs");
    assert!(!stands(&|a| a.proposals.clear()));
}
