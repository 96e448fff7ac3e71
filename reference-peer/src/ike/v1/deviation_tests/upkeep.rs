//! Deviations of what comes after the tunnel is up, of retransmission, and of NAT traversal.

use super::phase2::hosts;
use super::*;
use crate::config::isakmp::*;
use crate::config::{Identity, NatTraversal, Remote};
use std::net::SocketAddr;
use wire::ikev1::{Delete, ProtocolId};

pub(super) const CASES: &[Case] = &[
    (Deviation::OwnCookieFirst, B, |lab| {
        let mut pair = lab.up();
        let _ = ask(&mut pair, B);
        datagrams(&pair, B, INFO)[0][..16] == datagrams(&pair, B, QUICK)[0][..16]
    }),
    (Deviation::FindsIsakmpSaByOneCookie, B, |lab| {
        let mut pair = lab.up();
        edit(&mut pair, A, INFO, 1, |draft| draft.header.responder_cookie ^= 1);
        let _ = ask(&mut pair, A);
        heard(&pair, B, INFO) == 0
    }),
    (Deviation::BadMessageEndsIsakmpSa, B, |lab| {
        let mut pair = lab.up();
        let cookies = pair.engines[A].isakmp_sas()[0].cookies;
        let header = Header::new(cookies, INFO, Flags(Flags::ENCRYPTION), 5);
        pair.inject(B, &Message::encrypted(header, PayloadType::HASH, vec![7; 64]).to_bytes());
        pair.established(B).len() == 1
    }),
    // ---- INFORMATIONAL and Delete ----
    (Deviation::NotifiesInClear, B, |lab| {
        let mut pair = lab.up();
        let _ = ask(&mut pair, B);
        datagrams(&pair, B, INFO)[0][19] == Flags::ENCRYPTION
    }),
    (Deviation::SkipsInformationalHash, B, |lab| {
        let mut pair = lab.up();
        edit(&mut pair, A, INFO, 1, spoil_hash);
        let _ = ask(&mut pair, A);
        heard(&pair, B, INFO) == 0
    }),
    (Deviation::UnknownNotifyEndsIsakmpSa, B, |lab| {
        let mut pair = lab.up();
        let cookies = pair.engines[A].isakmp_sas()[0].cookies;
        say(&mut pair, A, Body::Notification(Notification::isakmp(cookies, NotifyType(40_000), [])));
        pair.established(B).len() == 1
    }),
    (Deviation::ObeysClearInitialContact, B, |lab| {
        let mut pair = lab.up();
        say_in_clear(&mut pair, |c| Body::Notification(Notification::isakmp(c, NotifyType::INITIAL_CONTACT, [])));
        pair.installed[B].len() == 1
    }),
    (Deviation::InitialContactWithoutSpi, A, |lab| {
        opened(&lab.up(), A, MAIN)[2].iter().any(|payload| match &payload.body {
            Body::Notification(notification) => notification.spi.len() == 16,
            _ => false,
        })
    }),
    (Deviation::ObeysClearDelete, B, |lab| {
        let mut pair = lab.up();
        let spi = pair.installed[A][0].inbound_spi;
        say_in_clear(&mut pair, |_| Body::Delete(Delete::ipsec(ProtocolId::ESP, &[spi])));
        say_in_clear(&mut pair, |cookies| Body::Delete(Delete::isakmp(cookies)));
        pair.installed[B].len() == 1 && pair.established(B).len() == 1
    }),
    (Deviation::IgnoresIpsecDelete, B, |lab| {
        let mut pair = lab.up();
        let spi = pair.installed[A][0].inbound_spi;
        pair.at(A, |engine, now, rng, hands| engine.delete_child(now, rng, spi, hands)).unwrap();
        pair.run(1.0);
        pair.installed[B].is_empty()
    }),
    (Deviation::DeletesByHalfCookies, B, |lab| {
        let mut pair = lab.up();
        let id = latest(&pair, B).unwrap();
        pair.at(B, |engine, now, rng, hands| engine.delete_isakmp_sa(now, rng, id, hands)).unwrap();
        pair.run(1.0);
        pair.established(A).is_empty()
    }),
    (Deviation::UnknownDeleteClearsPeer, B, |lab| {
        let mut pair = lab.up();
        say(&mut pair, A, Body::Delete(Delete::ipsec(ProtocolId::ESP, &[0x1234_5678])));
        pair.installed[B].len() == 1
    }),
    (Deviation::InitialContactClearsAddress, B, |lab| {
        let mut pair = lab.up();
        pair.engines[A].clear_all();
        pair.change_now(A, |connection| connection.local_id = Identity::Fqdn("other.example".into()));
        pair.initiate();
        pair.run(1.0);
        pair.installed[B].len() == 2 && pair.established(B).len() == 2
    }),
    // ---- Dead peer detection ----
    (Deviation::AsksWhoeverIsThere, B, |lab| {
        let mut pair = lab.tried(Pair::plain().change(A, |connection| connection.keepalive = None));
        ask(&mut pair, B).is_err() && datagrams(&pair, B, INFO).is_empty()
    }),
    (Deviation::NeverAnswersLiveness, B, is_alive),
    (Deviation::AnswersLivenessWithZero, B, is_alive),
    (Deviation::SwapsCookiesInLiveness, B, |lab| {
        let mut pair = lab.up();
        let _ = ask(&mut pair, B);
        pair.count(B, |event| matches!(event, Event::PeerAlive { .. })) == 1
    }),
    (Deviation::HeedsClearLiveness, B, |lab| {
        let mut pair = lab.up();
        say_in_clear(&mut pair, |c| Body::Notification(Notification::isakmp(c, NotifyType::R_U_THERE, [1; 4])));
        datagrams(&pair, B, INFO).is_empty()
    }),
    (Deviation::HeedsClearLiveness, B, |lab| {
        let mut pair = lab.up();
        pair.fate = Box::new(|_, _, _| Fate::Lose);
        let _ = ask(&mut pair, B);
        let number = questions(&pair, B)[0].to_be_bytes();
        say_in_clear(&mut pair, |c| Body::Notification(Notification::isakmp(c, NotifyType::R_U_THERE_ACK, number)));
        pair.count(B, |event| matches!(event, Event::PeerAlive { .. })) == 0
    }),
    (Deviation::AcceptsAnyLivenessAnswer, A, |lab| {
        let mut pair = lab.up();
        pair.fate = Box::new(|from, _, _| if from == A { Fate::Lose } else { Fate::Pass });
        let _ = ask(&mut pair, A);
        let number = questions(&pair, A)[0].wrapping_add(1).to_be_bytes();
        let cookies = pair.engines[A].isakmp_sas()[0].cookies;
        say(&mut pair, B, Body::Notification(Notification::isakmp(cookies, NotifyType::R_U_THERE_ACK, number)));
        pair.count(A, |event| matches!(event, Event::PeerAlive { .. })) == 0
    }),
    (Deviation::CountsLivenessFromOne, A, |lab| {
        let mut pair = lab.up();
        let _ = ask(&mut pair, A);
        questions(&pair, A)[0] != 1
    }),
    (Deviation::RepeatsLivenessNumber, A, |lab| {
        let mut pair = lab.up();
        for _ in 0..2 {
            let _ = ask(&mut pair, A);
        }
        questions(&pair, A)[1] == questions(&pair, A)[0] + 1
    }),
    (Deviation::AnswersLivenessReplays, B, |lab| answers(lab, &[100, 101, 100], false) == 2),
    (Deviation::IgnoresLivenessCookies, B, |lab| answers(lab, &[100], true) == 0),
    (Deviation::SharesLivenessCounter, B, |lab| {
        let mut pair = lab.up();
        let cookies = pair.engines[A].isakmp_sas()[0].cookies;
        let question = Notification::isakmp(cookies, NotifyType::R_U_THERE, 100u32.to_be_bytes());
        say(&mut pair, A, Body::Notification(question));
        let _ = ask(&mut pair, B);
        questions(&pair, B)[0] != 101
    }),
    (Deviation::GivesUpAfterOneQuestion, A, |lab| !unanswered(lab, 5.0).installed[A].is_empty()),
    (Deviation::AsksDeadPeersForEver, A, |lab| unanswered(lab, 100.0).established(A).is_empty()),
    (Deviation::KeepsIpsecSasOfDeadPeer, A, |lab| unanswered(lab, 100.0).installed[A].is_empty()),
    // ---- Retransmission ----
    (Deviation::FixedIsakmpRetransmissionInterval, A, |lab| {
        let pair = silence(lab, 60.0);
        let gaps: Vec<_> = pair.sent.windows(2).map(|two| two[1].3.since(two[0].3)).collect();
        gaps.windows(2).all(|two| two[0] < two[1])
    }),
    (Deviation::NeverForgetsHalfOpen, A, |lab| silence(lab, 1000.0).engines[A].isakmp_sas().is_empty()),
    (Deviation::NeverForgetsHalfOpen, B, |lab| {
        let mut pair = lab.plain();
        pair.initiate();
        pair.run(0.015);
        pair.engines[A].clear_all();
        pair.run(1000.0);
        pair.engines[B].isakmp_sas().is_empty()
    }),
    // ---- NAT traversal ----
    (Deviation::DetectsNatUnasked, B, |lab| {
        let pair = lab.tried(Pair::plain().change(A, |connection| connection.nat_traversal = NatTraversal::Off));
        !has(&opened(&pair, B, MAIN).concat(), PayloadType::NAT_DETECTION)
    }),
    (Deviation::SendsNatDetectionLate, B, |lab| {
        let messages = opened(&lab.up(), B, MAIN);
        has(&messages[1], PayloadType::NAT_DETECTION) && !has(&messages[2], PayloadType::NAT_DETECTION)
    }),
    (Deviation::LocalNatHashFirst, B, sees_no_nat),
    (Deviation::NatHashByMd5, B, sees_no_nat),
    (Deviation::SwapsPortOctetsInNatHash, B, sees_no_nat),
    (Deviation::SeesNatEverywhere, B, sees_no_nat),
    (Deviation::HeedsOneNatSource, B, |lab| {
        let pair = lab.edited(Pair::plain(), A, (MAIN, 3), |draft| {
            let source = draft.payloads.len() - 1;
            draft.payloads.insert(source, Body::NatDetection(vec![0; 20]).into());
        });
        pair.established(B).iter().all(|sa| !sa.nat.detected()) && is_up(&pair)
    }),
    (Deviation::MovesPortAfterPhase1, A, |lab| {
        let pair = lab.tried(forced());
        let third = pair.sent.iter().filter(|sent| sent.0 == A).nth(2).unwrap();
        third.1.local.port() == 4500
    }),
    (Deviation::AnswersOldPort, B, |lab| is_up(&lab.tried(natted(Pair::plain())))),
    (Deviation::IgnoresExchangesBegunOnPort4500, B, |lab| {
        is_up(&lab.tried(Pair::plain().change(A, |connection| connection.port = 4500)))
    }),
    (Deviation::MovesBackToPort500, B, |lab| {
        let mut pair = lab.tried(natted(Pair::plain()));
        let last = datagrams(&pair, A, MAIN)[2].to_vec();
        let before = datagrams(&pair, B, MAIN).len();
        pair.inject_from(B, NAT.parse().unwrap(), &last);
        datagrams(&pair, B, MAIN).len() == before
    }),
    (Deviation::OffersPlainModesBehindNat, A, |lab| is_up(&lab.tried(forced()))),
    (Deviation::OffersDraftModes, A, |lab| is_up(&lab.tried(forced()))),
    (Deviation::SwapsOriginalAddresses, B, |lab| {
        let pair = lab.tried(natted(hosts()));
        let public: SocketAddr = NAT.parse().unwrap();
        pair.installed[A][0].original_addresses == Some((public.ip(), address(B)))
    }),
    (Deviation::BeginsOnPort500, B, |lab| {
        let mut pair = lab.tried(natted(Pair::plain()));
        let _ = ask(&mut pair, B);
        let question = pair.sent.iter().find(|sent| sent.0 == B && sent.2[18] == INFO.0).unwrap();
        (question.1.local.port(), question.1.remote.port()) == (4500, 1025)
    }),
];

/// Address and port of the NAT in front of A, on the way to port 500.
const NAT: &str = "198.51.100.7:1024";

fn natted(pair: Pair) -> Pair {
    let mut pair = pair.change(B, |connection| connection.remote = Remote::Any);
    pair.nat = Some(NAT.parse().unwrap());
    pair
}

fn forced() -> Pair {
    Pair::plain().change(A, |connection: &mut IsakmpConnection| connection.nat_traversal = NatTraversal::Forced)
}

fn sees_no_nat(lab: Lab) -> bool {
    let pair = lab.up();
    pair.established(A).iter().chain(&pair.established(B)).all(|sa| !sa.nat.detected()) && is_up(&pair)
}

/// B answers one question of A.
fn is_alive(lab: Lab) -> bool {
    let mut pair = lab.up();
    let _ = ask(&mut pair, A);
    pair.count(A, |event| matches!(event, Event::PeerAlive { .. })) == 1
}

/// Numbers of the questions of an end.
fn questions(pair: &Pair, end: usize) -> Vec<u32> {
    let number = |event: &Event| match event {
        Event::PeerAsked { sequence, .. } => Some(*sequence),
        _ => None,
    };
    pair.events[end].iter().filter_map(number).collect()
}

/// How many of A's questions with these numbers B answers.
fn answers(lab: Lab, numbers: &[u32], swapped: bool) -> usize {
    let mut pair = lab.up();
    let (initiator, responder) = pair.engines[A].isakmp_sas()[0].cookies;
    let cookies = if swapped { (responder, initiator) } else { (initiator, responder) };
    for number in numbers {
        let question = Notification::isakmp(cookies, NotifyType::R_U_THERE, number.to_be_bytes());
        say(&mut pair, A, Body::Notification(question));
    }
    datagrams(&pair, B, INFO).len()
}

/// A asks for so many seconds, and nothing comes back.
fn unanswered(lab: Lab, seconds: f64) -> Pair {
    let mut pair = lab.up();
    pair.fate = Box::new(|from, _, _| if from == A { Fate::Lose } else { Fate::Pass });
    let _ = ask(&mut pair, A);
    pair.run(seconds);
    pair
}

/// A begins, and nothing comes back.
fn silence(lab: Lab, seconds: f64) -> Pair {
    let mut pair = lab.plain();
    pair.fate = Box::new(|_, _, _| Fate::Lose);
    pair.initiate();
    pair.run(seconds);
    pair
}
