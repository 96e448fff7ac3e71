//! Deviations of phase 2: quick mode, what is negotiated in it, its keys and its repetitions.

use super::*;
use crate::config::Mode;
use crate::config::isakmp::*;
use crypto::Group;
use wire::ikev1::Attribute;

pub(super) const CASES: &[Case] = &[
    (Deviation::KeepsPhase1IvInPhase2, B, |lab| is_up(&lab.up())),
    (Deviation::HalvesLifetimeInAnswer, B, |lab| {
        let pair = lab.tried(Pair::plain().both(|connection| connection.policies[0].lifetime = seconds(86_400)));
        is_up(&pair)
    }),
    (Deviation::HalvesQuickModeLifetime, B, |lab| lab.up().engines[A].children().len() == 1),
    (Deviation::KeepsLastLifetimeOnly, B, |lab| {
        let brief = SaLifetime { seconds: Some(600), kilobytes: Some(5000) };
        let pair = lab.tried(Pair::plain().change(A, |connection| connection.children[0].lifetime = brief));
        pair.engines[B].children()[0].lifetime.seconds == 600
    }),
    (Deviation::TakesLastOfConflictingAttributes, B, |lab| {
        is_refused(lab, Pair::plain(), |attributes| attributes.insert(0, Attribute::basic(4, 2)))
    }),
    (Deviation::IgnoresUnsupportedAttributes, B, |lab| {
        is_refused(lab, Pair::plain(), |attributes| attributes.push(Attribute::basic(7, 1)))
    }),
    (Deviation::TakesHalfABundle, B, |lab| {
        let bundle = |connection: &mut IsakmpConnection| {
            connection.children[0].transform_sets = vec![set(&["sha1", "aes128-sha1"])];
        };
        is_refused(lab, Pair::plain().change(A, bundle), |_| {})
    }),
    (Deviation::StumblesOverUnknownTransforms, B, |lab| {
        let unknown = |sa: &mut SecurityAssociation| {
            let strange = wire::ikev1::Transform { number: 9, id: 99, ..sa.proposals[0].transforms[0].clone() };
            sa.proposals[0].transforms.insert(0, strange);
        };
        let pair = lab.edited(Pair::plain(), A, (QUICK, 1), move |draft| with_sa(draft, unknown));
        !datagrams(&pair, B, QUICK).is_empty()
    }),
    (Deviation::EchoesAllTransforms, B, |lab| {
        let sets = |connection: &mut IsakmpConnection| {
            connection.children[0].transform_sets = vec![set(&["aes128-sha1"]), set(&["3des-sha1"])];
        };
        is_up(&lab.tried(Pair::plain().both(sets)))
    }),
    (Deviation::AnswersTransportWithTunnel, B, |lab| {
        let pair = lab.tried(hosts());
        pair.installed[A].len() == 1
    }),
    (Deviation::OmitsEncapsulationMode, A, |lab| {
        let pair = lab.up();
        offered(&pair).proposals[0].transforms[0].attributes.contains(&Attribute::basic(4, 1))
    }),
    (Deviation::TakesMissingLifetimeForZero, B, |lab| {
        let unsaid = SaLifetime { seconds: None, kilobytes: None };
        let mut pair = lab.tried(Pair::plain().change(A, |connection| connection.children[0].lifetime = unsaid));
        pair.run(60.0);
        pair.installed[B].len() == 1
    }),
    (Deviation::AcceptsAnyIsakmpNonce, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (QUICK, 1), |draft| draft.payloads[2] = Body::Nonce(vec![1]).into());
        datagrams(&pair, B, QUICK).is_empty()
    }),
    (Deviation::AcceptsClearQuickMode, B, |lab| {
        datagrams(&lab.edited(Pair::plain(), A, (QUICK, 1), in_clear), B, QUICK).is_empty()
    }),
    (Deviation::FindsHashAnywhere, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (QUICK, 1), |draft| draft.payloads.swap(1, 2));
        datagrams(&pair, B, QUICK).is_empty()
    }),
    (Deviation::SkipsQuickHash, B, |lab| {
        datagrams(&lab.edited(Pair::plain(), A, (QUICK, 1), spoil_hash), B, QUICK).is_empty()
    }),
    (Deviation::SkipsQuickHash, A, |lab| lab.edited(Pair::plain(), B, (QUICK, 2), spoil_hash).installed[A].is_empty()),
    (Deviation::SkipsLastQuickHash, B, |lab| {
        lab.edited(Pair::plain(), A, (QUICK, 3), spoil_hash).installed[B].is_empty()
    }),
    (Deviation::LeavesNonceOutOfQuickHash, B, |lab| is_up(&lab.up())),
    (Deviation::ForgetsGroupInLaterTransforms, A, |lab| {
        let pair = Pair::plain().both(|connection| {
            connection.children[0].pfs = Some(Group::Curve25519);
            connection.children[0].transform_sets = vec![set(&["aes128-sha1-sha256"])];
        });
        let pair = lab.tried(pair);
        let transforms = offered(&pair).proposals[0].transforms.clone();
        transforms.len() == 2 && transforms.iter().all(|t| t.attributes.contains(&Attribute::basic(3, 31)))
    }),
    (Deviation::RefusesPerfectForwardSecrecy, B, |lab| {
        is_up(&lab.tried(Pair::plain().both(|connection| connection.children[0].pfs = Some(Group::Curve25519))))
    }),
    (Deviation::SwapsClientIds, B, |lab| is_up(&lab.up())),
    (Deviation::AcceptsAnyClientIds, B, |lab| {
        let other = |connection: &mut IsakmpConnection| {
            connection.children[0].local_ts = "10.9.0.0/16".parse().unwrap();
        };
        is_refused(lab, Pair::plain().change(A, other), |_| {})
    }),
    (Deviation::OneIvForAllQuickModes, B, |lab| {
        let mut pair = lab.up();
        let id = latest(&pair, A).unwrap();
        for child in ["net", "second"] {
            pair.at(A, |engine, now, rng, hands| engine.create_child(now, rng, id, child, hands)).unwrap();
        }
        pair.run(1.0);
        pair.installed[B].len() == 3
    }),
    (Deviation::OneSpiForBothDirections, B, |lab| {
        let pair = lab.up();
        pair.installed[A][0].inbound == pair.installed[B][0].outbound
    }),
    (Deviation::ConnectedUnderFreshId, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (QUICK, 1), |draft| draft.header.flags.0 |= Flags::COMMIT);
        datagrams(&pair, B, INFO)[0][20..24] == datagrams(&pair, B, QUICK)[0][20..24]
    }),
    (Deviation::IgnoresCommitFlag, A, |lab| {
        let pair = lab.edited(Pair::plain(), B, (QUICK, 2), |draft| draft.header.flags.0 |= Flags::COMMIT);
        pair.installed[A].is_empty() && pair.installed[B].len() == 1
    }),
    (Deviation::AcceptsReplayedQuickMode, B, |lab| {
        let mut pair = lab.up();
        let first = datagrams(&pair, A, QUICK)[0].to_vec();
        pair.inject(B, &first);
        let answers = datagrams(&pair, B, QUICK);
        answers.len() == 2 && answers[0] == answers[1]
    }),
    (Deviation::ConstantMessageId, A, |lab| {
        let mut pair = lab.up();
        let _ = ask(&mut pair, A);
        let ids = [QUICK, INFO].map(|exchange| datagrams(&pair, A, exchange)[0][20..24].to_vec());
        ids[0] != ids[1]
    }),
    (Deviation::DropsOldIpsecSasAtOnce, A, |lab| {
        let mut pair = lab.up();
        let spi = pair.installed[A][0].inbound_spi;
        pair.at(A, |engine, now, rng, hands| engine.rekey_child(now, rng, spi, hands)).unwrap();
        pair.run(1.0);
        pair.installed[A].len() == 2
    }),
    (Deviation::AnswersRepetitionAfresh, B, |lab| repeats(lab, (MAIN, 0), 0.015)),
    (Deviation::AnswersRepetitionAfresh, B, |lab| repeats(lab, (MAIN, 1), 0.035)),
    (Deviation::AnswersRepetitionAfresh, B, |lab| repeats(lab, (QUICK, 0), 0.075)),
];

/// A sends a message of its once more: B answers with the same octets.
fn repeats(lab: Lab, (exchange, index): (ExchangeType, usize), after: f64) -> bool {
    let mut pair = lab.plain();
    pair.initiate();
    pair.run(after);
    let message = datagrams(&pair, A, exchange)[index].to_vec();
    pair.inject(B, &message);
    let answers = datagrams(&pair, B, exchange);
    answers.len() == index + 2 && answers[index] == answers[index + 1]
}

/// B does not answer the quick mode with these attributes in its transforms.
fn is_refused(lab: Lab, pair: Pair, change: fn(&mut Vec<Attribute>)) -> bool {
    let edit = move |sa: &mut SecurityAssociation| {
        let transforms = sa.proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms);
        transforms.for_each(|transform| change(&mut transform.attributes));
    };
    let pair = lab.edited(pair, A, (QUICK, 1), move |draft| with_sa(draft, edit));
    datagrams(&pair, B, QUICK).is_empty() && !datagrams(&pair, B, INFO).is_empty()
}

/// The offer of A's quick mode.
fn offered(pair: &Pair) -> SecurityAssociation {
    sa_of(&opened(pair, A, QUICK)[0]).cloned().unwrap()
}

/// Two hosts in transport mode.
pub(super) fn hosts() -> Pair {
    Pair::plain().both(|connection| {
        let child = &mut connection.children[0];
        (child.local_ts, child.remote_ts) = ("dynamic".parse().unwrap(), "dynamic".parse().unwrap());
        child.transform_sets[0].mode = Mode::Transport;
    })
}
