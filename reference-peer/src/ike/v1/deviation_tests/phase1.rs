//! Deviations of phase 1: header, payloads, negotiation, authentication, main mode and aggressive mode.

use super::*;
use crate::config::isakmp::*;
use crate::config::{Identity, Remote, Secret};
use crypto::{Encryption, Group};
use std::time::Duration;
use wire::Derived;
use wire::ikev1::{Attribute, AttributeValue, Certificate, Doi, Proposal, Situation, Transform, vendor};

pub(super) const CASES: &[Case] = &[
    (Deviation::SendsIsakmpMinorVersion, B, |lab| lab.up().sent.iter().all(|sent| sent.2[17] == 0x10)),
    (Deviation::IgnoresIsakmpMinorVersion, B, |lab| is_ignored(lab.first(|draft| draft.header.version = 0x11))),
    (Deviation::TakesUnknownExchangeForMainMode, B, |lab| {
        is_ignored(lab.first(|draft| draft.header.exchange_type = ExchangeType(99)))
    }),
    (Deviation::SetsReservedIsakmpFlags, B, |lab| lab.up().sent.iter().all(|sent| sent.2[19] & 0xF8 == 0)),
    (Deviation::IgnoresIsakmpFlags, B, |lab| is_ignored(lab.first(|draft| draft.header.flags.0 |= 0x08))),
    (Deviation::IgnoresPhase1MessageId, B, |lab| is_ignored(lab.first(|draft| draft.header.message_id = 1))),
    (Deviation::IgnoresIsakmpLength, B, |lab| is_ignored(lab.first(|d| d.header.length = Derived::Exactly(100)))),
    (Deviation::IgnoresIsakmpLength, B, |lab| is_ignored(lab.first(|draft| draft.trailing = vec![0; 5]))),
    (Deviation::IgnoresIsakmpReserved, B, |lab| is_ignored(lab.first(|draft| draft.payloads[0].reserved = 1))),
    (Deviation::SkipsUnknownIsakmpPayloads, B, |lab| {
        let unknown = || Body::Raw { payload_type: PayloadType(99), data: vec![0; 4] };
        is_ignored(lab.first(move |draft| draft.payloads.push(unknown().into())))
    }),
    (Deviation::IgnoresDoi, B, |lab| is_ignored(lab.first(|draft| with_sa(draft, |sa| sa.doi = Doi(2))))),
    (Deviation::IgnoresSituation, B, |lab| {
        let secrecy = |sa: &mut SecurityAssociation| (sa.situation, sa.labels) = (Situation(2), vec![0; 12]);
        is_ignored(lab.first(move |draft| with_sa(draft, secrecy)))
    }),
    (Deviation::TrustsLengthsOfProposals, B, |lab| {
        is_ignored(lab.first(|draft| with_sa(draft, |sa| sa.proposals[0].transform_count = Derived::Exactly(9))))
    }),
    (Deviation::TrustsLengthsOfProposals, B, |lab| {
        let chained = |sa: &mut SecurityAssociation| {
            sa.proposals[0].next_payload = Derived::Exactly(13);
            sa.proposals[0].transforms[0].next_payload = Derived::Exactly(3);
        };
        is_ignored(lab.first(move |draft| with_sa(draft, chained)))
    }),
    (Deviation::RejectsManyVendorIds, B, |lab| {
        let ids = (0..4).map(|length| Payload::from(Body::VendorId(vec![0x55; length * 20])));
        is_up(&lab.first(move |draft| draft.payloads.extend(ids.clone())))
    }),
    (Deviation::AcceptsAnyIsakmpNonce, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (MAIN, 3), |draft| draft.payloads[1] = Body::Nonce(vec![]).into());
        datagrams(&pair, B, MAIN).len() == 1
    }),
    (Deviation::SendsShortIsakmpNonce, B, |lab| is_up(&lab.up())),
    (Deviation::RejectsCertificateRequests, B, |lab| {
        let request = || Body::CertificateRequest(Certificate { encoding: 4, data: vec![] });
        is_up(&lab.first(move |draft| draft.payloads.push(request().into())))
    }),
    (Deviation::EchoesAllTransforms, B, |lab| {
        let pair = lab.tried(two_policies());
        let answer = answer(&pair);
        answer.proposals.len() == 1 && answer.proposals[0].transforms.len() == 1
    }),
    (Deviation::OffersProposalForEachPolicy, A, |lab| offer(&lab.tried(two_policies())).proposals.len() == 1),
    (Deviation::AcceptsModifiedAttributes, A, |lab| {
        let shorten = |sa: &mut SecurityAssociation| {
            let attributes = &mut sa.proposals[0].transforms[0].attributes;
            let life = attributes.iter_mut().find(|attribute| attribute.class == 12).unwrap();
            *life = Attribute::number(12, 60);
        };
        let pair = lab.edited(Pair::plain(), B, (MAIN, 2), move |draft| with_sa(draft, shorten));
        pair.established(A).is_empty()
    }),
    (Deviation::HalvesLifetimeInAnswer, B, |lab| {
        let pair = lab.up();
        answer(&pair).proposals[0].transforms[0].attributes == offer(&pair).proposals[0].transforms[0].attributes
    }),
    (Deviation::RenumbersAnswer, B, |lab| {
        let pair = lab.tried(two_policies().change(B, |connection| _ = connection.policies.remove(0)));
        answer(&pair).proposals[0].transforms[0].number == 2
    }),
    (Deviation::StumblesOverUnknownTransforms, B, |lab| {
        let unknown = |sa: &mut SecurityAssociation| sa.proposals[0].transforms.insert(0, Transform::new(7, 9, []));
        is_up(&lab.first(move |draft| with_sa(draft, unknown)))
    }),
    (Deviation::AnswersNearestPolicy, B, |lab| {
        let triple = |connection: &mut IsakmpConnection| connection.policies[0].encryption = Encryption::TripleDes;
        is_ignored(lab.tried(Pair::plain().change(A, triple)))
    }),
    (Deviation::IgnoresPolicyLifetime, B, |lab| {
        is_ignored(lab.tried(Pair::plain().change(A, |connection| connection.policies[0].lifetime *= 2)))
    }),
    (Deviation::KeepsOwnPolicyLifetime, B, |lab| {
        let brief = Duration::from_secs(600);
        let mut pair = lab.tried(Pair::plain().change(A, |connection| connection.policies[0].lifetime = brief));
        assert_eq!(pair.established(B).len(), 1);
        pair.engines[A].clear_all();
        pair.run(605.0);
        pair.established(B).is_empty()
    }),
    (Deviation::FollowsOrderOfOffer, B, |lab| {
        let turned = |connection: &mut IsakmpConnection| connection.policies[0].priority = 5000;
        answer(&lab.tried(two_policies().change(B, turned))).proposals[0].transforms[0].number == 2
    }),
    (Deviation::IgnoresPriorities, B, |lab| {
        let turned = |connection: &mut IsakmpConnection| connection.policies.reverse();
        answer(&lab.tried(two_policies().change(B, turned))).proposals[0].transforms[0].number == 1
    }),
    (Deviation::OffersFirstPolicyOnly, A, |lab| offer(&lab.tried(two_policies())).proposals[0].transforms.len() == 2),
    (Deviation::AcceptsRsaMethods, B, |lab| {
        let signatures = |sa: &mut SecurityAssociation| {
            let attributes = &mut sa.proposals[0].transforms[0].attributes;
            attributes.iter_mut().filter(|a| a.class == 3).for_each(|a| *a = Attribute::basic(3, 3));
        };
        is_ignored(lab.first(move |draft| with_sa(draft, signatures)))
    }),
    (Deviation::LengthensBasicAttributes, A, |lab| {
        let pair = lab.up();
        let attributes = &offer(&pair).proposals[0].transforms[0].attributes;
        attributes.iter().filter(|a| a.class == 4).all(|a| matches!(a.value, AttributeValue::Basic(_)))
    }),
    (Deviation::AcceptsAnyPayloadOrder, B, |lab| is_ignored(lab.first(|draft| draft.payloads.reverse()))),
    (Deviation::LacksTripleDes, B, |lab| {
        let old = |connection: &mut IsakmpConnection| {
            (connection.policies[0].encryption, connection.policies[0].group) =
                (Encryption::TripleDes, Group::Modp1024);
        };
        is_up(&lab.tried(Pair::plain().both(old)))
    }),
    (Deviation::StripsLeadingZerosInIkev1, B, |lab| {
        let seeded = |lab: Lab, seed| {
            let mut pair = lab.plain();
            pair.rng = rand_chacha::rand_core::SeedableRng::seed_from_u64(seed);
            pair.initiate();
            pair.run(0.035);
            pair.public_value(B)
        };
        let seed = (0..10_000).find(|seed| seeded(Lab(None), *seed)[0] == 0).unwrap();
        seeded(lab, seed).len() == 32
    }),
    (Deviation::LeavesOfferOutOfHash, B, |lab| is_up(&lab.up())),
    (Deviation::AnswersBeforeCheckingHash, B, |lab| {
        datagrams(&lab.edited(Pair::plain(), A, (MAIN, 5), spoil_hash), B, MAIN).len() == 2
    }),
    (Deviation::AcceptsAnyPhase1Hash, B, |lab| {
        lab.edited(Pair::plain(), A, (MAIN, 5), spoil_hash).established(B).is_empty()
    }),
    (Deviation::AcceptsAnyPhase1Hash, B, |lab| {
        lab.edited(Pair::plain().aggressive(), A, (AGGRESSIVE, 3), spoil_hash).established(B).is_empty()
    }),
    (Deviation::TakesFirstKey, B, |lab| {
        let other =
            || PreSharedKey { peer: KeyOwner::Net("10.0.0.0/8".parse().unwrap()), secret: Secret::new("other") };
        is_up(&lab.tried(Pair::plain().change(B, |connection| connection.keyring.keys.insert(0, other()))))
    }),
    (Deviation::NeedsNoIdentity, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (MAIN, 5), |draft| _ = draft.payloads.remove(0));
        pair.established(B).is_empty()
    }),
    (Deviation::IgnoresIdProtocolAndPort, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (MAIN, 5), |draft| {
            if let Body::Identification(id) = &mut draft.payloads[0].body {
                (id.protocol, id.port) = (6, 80);
            }
        });
        pair.established(B).is_empty()
    }),
    (Deviation::NamesPortInIdentity, B, |lab| {
        let messages = opened(&lab.up(), B, MAIN);
        messages[2].iter().any(|payload| matches!(&payload.body, Body::Identification(id) if id.port == 0))
    }),
    (Deviation::SendsKeyExchangeEarly, B, |lab| !has(&opened(&lab.up(), B, MAIN)[0], PayloadType::KEY_EXCHANGE)),
    (Deviation::OmitsEncryptionFlag, B, |lab| datagrams(&lab.up(), B, MAIN)[2][19] == Flags::ENCRYPTION),
    (Deviation::ChangesExchangeMidway, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (MAIN, 3), |draft| draft.header.exchange_type = AGGRESSIVE);
        datagrams(&pair, B, MAIN).len() == 1
    }),
    (Deviation::AcceptsClearIdentity, B, |lab| {
        lab.edited(Pair::plain(), A, (MAIN, 5), in_clear).established(B).is_empty()
    }),
    (Deviation::KeepsCommitFlag, B, |lab| {
        let commit = |draft: &mut IsakmpDraft| draft.header.flags.0 |= Flags::COMMIT;
        let pair = lab.edited(Pair::plain(), A, (MAIN, 5), commit);
        datagrams(&pair, B, QUICK).iter().all(|datagram| datagram[19] & Flags::COMMIT == 0)
    }),
    (Deviation::GarbageMovesIv, B, |lab| {
        let mut pair = lab.plain();
        pair.initiate();
        pair.run(0.035);
        let cookies = pair.engines[B].isakmp_sas()[0].cookies;
        let header = Header::new(cookies, MAIN, Flags(Flags::ENCRYPTION), 0);
        pair.inject(B, &Message::encrypted(header, PayloadType::IDENTIFICATION, vec![0x77; 64]).to_bytes());
        pair.run(1.0);
        is_up(&pair)
    }),
    (Deviation::LengthWithoutPadding, B, |lab| {
        let pair = lab.up();
        let last = datagrams(&pair, B, MAIN)[2];
        last[24..28] == (last.len() as u32).to_be_bytes()
    }),
    (Deviation::PredictableCookies, B, |lab| {
        let mut pair = lab.up();
        pair.engines.iter_mut().for_each(Engine::clear_all);
        pair.initiate();
        pair.run(1.0);
        let messages = datagrams(&pair, B, MAIN);
        messages[0][8..16] != messages[3][8..16]
    }),
    (Deviation::AlwaysAnswersAggressiveMode, B, |lab| {
        is_ignored(lab.tried(Pair::plain().aggressive().change(B, |connection| connection.accept_aggressive = false)))
    }),
    (Deviation::TrustsAggressiveModeEarly, B, |lab| {
        let mut pair = Pair::plain().aggressive();
        // The last message is lost, and has moved no IV.
        pair.fate = Box::new(|from, _, datagram| match from == A && datagram[18] == 4 && datagram[8..16] != [0; 8] {
            true => Fate::Lose,
            false => Fate::Pass,
        });
        let pair = lab.edited(pair, A, (AGGRESSIVE, 3), in_clear);
        datagrams(&pair, B, QUICK).is_empty()
    }),
    (Deviation::IgnoresGroupOfPublicValue, B, |lab| {
        let pair = Pair::plain()
            .aggressive()
            .change(A, |connection| connection.policies[0].group = Group::Modp768)
            .change(B, |connection| connection.policies[0].group = Group::Modp1024);
        let other_group = |sa: &mut SecurityAssociation| {
            let attributes = &mut sa.proposals[0].transforms[0].attributes;
            attributes.iter_mut().filter(|a| a.class == 4).for_each(|a| *a = Attribute::basic(4, 2));
        };
        is_ignored(lab.edited(pair, A, (AGGRESSIVE, 1), move |draft| with_sa(draft, other_group)))
    }),
    (Deviation::RefusesClearLastMessage, B, |lab| {
        lab.edited(Pair::plain().aggressive(), A, (AGGRESSIVE, 3), in_clear).established(B).len() == 1
    }),
    (Deviation::InitialContactInAggressiveMode, A, |lab| {
        !has(&opened(&lab.tried(Pair::plain().aggressive()), A, AGGRESSIVE)[1], PayloadType::NOTIFICATION)
    }),
    (Deviation::TakesKeyByAddressOnly, B, |lab| {
        let name = || "road.example".to_owned();
        let keys = || {
            let any = PreSharedKey { peer: KeyOwner::Net("0.0.0.0/0".parse().unwrap()), secret: Secret::new("other") };
            let named = PreSharedKey { peer: KeyOwner::Host(name()), secret: Secret::new("named") };
            Keyring { keys: vec![any, named] }
        };
        let road_warrior = |connection: &mut IsakmpConnection| {
            connection.local_id = Identity::Fqdn(name());
            connection.keyring = Keyring::shared(Secret::new("named"));
        };
        let pair = Pair::plain().aggressive().change(A, road_warrior);
        is_up(&lab.tried(pair.change(B, |c| (c.remote, c.keyring) = (Remote::Any, keys()))))
    }),
    (Deviation::OmitsDpdVendorId, B, |lab| announces(&lab.up(), vendor::DEAD_PEER_DETECTION)),
    (Deviation::OmitsNatVendorId, B, |lab| announces(&lab.up(), vendor::NAT_RFC_3947)),
];

/// B has not answered with an SA payload.
fn is_ignored(pair: Pair) -> bool {
    let all = [MAIN, AGGRESSIVE].into_iter().flat_map(|exchange| opened(&pair, B, exchange)).flatten();
    !has(&all.collect::<Vec<_>>(), PayloadType::SECURITY_ASSOCIATION)
}

fn two_policies() -> Pair {
    Pair::plain().both(|connection| {
        let first = IsakmpPolicy { priority: 5, encryption: Encryption::TripleDes, ..policy() };
        connection.policies = vec![first, policy()];
    })
}

fn offer(pair: &Pair) -> SecurityAssociation {
    sa_of(&opened(pair, A, MAIN)[0]).cloned().unwrap()
}

fn answer(pair: &Pair) -> SecurityAssociation {
    sa_of(&opened(pair, B, MAIN)[0]).cloned().unwrap_or_else(|| SecurityAssociation::new(Vec::<Proposal>::new()))
}

/// Does B announce this in its first message?
fn announces(pair: &Pair, vendor_id: [u8; 16]) -> bool {
    let is = |payload: &Payload| matches!(&payload.body, Body::VendorId(id) if id[..] == vendor_id);
    opened(pair, B, MAIN)[0].iter().any(is)
}
