//! The testbed against itself: a tunnel comes up in the virtual network and carries traffic both ways.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::{Arrival, CounterpeerBench, Hook, Setting, Testbed, Treatment};
use crate::dissect::Seen;
use crate::profile::Profile;
use crate::run::{Bench, Interrupt, Lab, ScenarioInfo, Setup};
use crate::verdict::Place;
use reference_peer::config::isakmp::Phase1;
use reference_peer::hands::IsakmpDraft;
use std::sync::Arc;
use std::time::Duration;
use wire::ikev1::{Body, ExchangeType, Notification, NotifyType};

fn lab() -> Box<dyn Lab<World = Testbed>> {
    lab_of(Profile::built_in())
}

fn lab_of(profile: Profile) -> Box<dyn Lab<World = Testbed>> {
    let setup = Setup { profile: Arc::new(profile), seed: 7, deviation: None, interrupt: Interrupt::default() };
    CounterpeerBench.open(&setup).unwrap()
}

fn scenario() -> ScenarioInfo {
    ScenarioInfo {
        index: 0,
        name: "a test".to_owned(),
        feature: "the testbed".to_owned(),
        place: Place { file: "none".to_owned(), line: 1 },
        tags: Vec::new(),
        seed: 42,
    }
}

/// A scenario's world with the built-in peer.
pub(super) fn begin() -> Testbed {
    lab().begin(&scenario()).unwrap()
}

#[test]
fn a_tunnel_comes_up_and_carries_pings_both_ways() {
    let lab = lab();
    let mut testbed = lab.begin(&scenario()).unwrap();
    testbed.establish().unwrap();
    let pings = testbed.pings(5, Duration::from_secs(1)).unwrap();
    assert_eq!((pings.sent, pings.answered), (5, 5));
    let before = testbed.inside_received().len();
    let ping = testbed.send_ping_from_inside().unwrap();
    let answered = testbed
        .await_state(Duration::from_secs(1), |testbed| testbed.came_out_inside(before, |p| ping.is_answered_by(p)))
        .unwrap();
    assert!(answered);
    assert!(testbed.is_alive().unwrap());
    assert!(testbed.answers_ike_sa_init().unwrap());
    assert!(testbed.seen().iter().all(|seen| seen.esp().is_none_or(|esp| matches!(esp.opened, Some(Ok(_))))));
    let evidence = lab.finish(testbed);
    assert_eq!(evidence.ike_keys.len(), 2);
    assert_eq!(evidence.esp_keys.len(), 2);
}

#[test]
fn ikev1_brings_up_a_tunnel_in_both_modes_and_roles() {
    for phase1 in [Phase1::Main, Phase1::Aggressive] {
        for dut_begins in [false, true] {
            let lab = lab();
            let mut testbed = lab.begin(&scenario()).unwrap();
            if dut_begins {
                testbed.let_dut_establish_isakmp(phase1).unwrap();
            } else {
                testbed.establish_isakmp(phase1).unwrap();
            }
            let info = testbed.isakmp_sa().unwrap();
            assert_eq!((info.exchange, info.initiator), (phase1, !dut_begins));
            let pings = testbed.pings(2, Duration::from_secs(1)).unwrap();
            assert_eq!((pings.sent, pings.answered), (2, 2));
            assert!(testbed.quick_mode().unwrap() && testbed.is_isakmp_alive().unwrap());
            let isakmp = || testbed.seen().iter().filter_map(Seen::isakmp);
            let encrypted: Vec<_> = isakmp().filter(|isakmp| isakmp.protected).collect();
            assert!(encrypted.len() >= 8);
            for isakmp in encrypted {
                assert!(isakmp.is_authentic() && isakmp.in_order, "{}", isakmp.summary());
            }
            assert!(isakmp().all(|isakmp| isakmp.number.is_some()));
            assert!(testbed.answers_phase1(phase1).unwrap());
            testbed.leave_isakmp();
            testbed.wait(Duration::from_millis(30)).unwrap();
            let sas = testbed.control(Hook::Sas).unwrap();
            assert!(!sas.contains("Established"), "{sas}");
            // In aggressive mode the probe has come to its keys.
            let keys = if phase1 == Phase1::Main { 1 } else { 2 };
            assert_eq!(lab.finish(testbed).isakmp_keys.len(), keys);
        }
    }
}

#[test]
fn a_dut_without_ikev2_gets_its_pairs_of_sas_by_ikev1_or_by_hand() {
    let lab = lab_of(Profile::built_in_speaking([1]));
    let bring_up = |want: &dyn Fn(&mut Testbed)| {
        let mut testbed = lab.begin(&scenario()).unwrap();
        want(&mut testbed);
        testbed.bring_up().unwrap();
        let pings = testbed.pings(2, Duration::from_secs(1)).unwrap();
        assert_eq!((pings.sent, pings.answered), (2, 2));
        let bundle = testbed.newest_bundle().unwrap();
        (bundle.len(), bundle[0].ike_sa.is_some())
    };
    let protected_by = |text: &'static str| move |t: &mut Testbed| t.want().protection = Some(text.parse().unwrap());
    assert_eq!(bring_up(&|_| {}), (1, true));
    assert_eq!(bring_up(&protected_by("sha1+aes128-sha1")), (2, true));
    assert_eq!(bring_up(&|testbed| testbed.want().udp = true), (1, true));
    assert_eq!(bring_up(&|testbed| testbed.want().esn = true), (1, false));
    assert_eq!(bring_up(&protected_by("aes128-aescmac")), (1, false));
}

#[test]
fn messages_past_the_engine_are_taken_by_the_dut() {
    let mut testbed = begin();
    testbed.establish_phase1(Phase1::Main).unwrap();
    let info = testbed.isakmp_sa().unwrap();
    let ask = |testbed: &mut Testbed, edit: fn(&mut IsakmpDraft)| {
        let id = testbed.fresh_message_id();
        let header = testbed.isakmp_header(&info, ExchangeType::INFORMATIONAL, id, true);
        let question = Notification::isakmp(info.cookies, NotifyType::R_U_THERE, 7u32.to_be_bytes());
        let message = testbed.seal_isakmp(header, vec![Body::Notification(question).into()], edit).unwrap();
        let mark = testbed.mark();
        testbed.send_isakmp(&message).unwrap();
        let limit = testbed.silence();
        testbed
            .await_isakmp(mark, limit, |isakmp| isakmp.notify(NotifyType::R_U_THERE_ACK).is_some())
            .unwrap()
            .is_some()
    };
    assert!(ask(&mut testbed, |_| {}));
    assert!(!ask(&mut testbed, |draft| draft.flip_hash = true));
    assert!(!ask(&mut testbed, |draft| draft.iv = Some(vec![0; 16])));
}

#[test]
fn the_dut_initiates_when_told() {
    let lab = lab();
    let mut testbed = lab.begin(&scenario()).unwrap();
    testbed.let_dut_establish().unwrap();
    assert!(!testbed.ike_sa().unwrap().initiator);
    testbed.control(Hook::ForgetSas).unwrap();
    assert!(!testbed.is_alive().unwrap());
}

#[test]
fn what_an_earlier_scenario_has_left_is_not_seen_but_noted() {
    let mut earlier = lab().begin(&ScenarioInfo { seed: 43, ..scenario() }).unwrap();
    earlier.establish().unwrap();
    earlier.control(Hook::ClearSas).unwrap();
    let limit = Duration::from_secs(1);
    let place = earlier.await_ike(0, limit, |ike| ike.protected && !ike.is_response()).unwrap().unwrap();
    let delete = &earlier.seen()[place];
    let mut testbed = begin();
    testbed.establish().unwrap();
    let (seen, arrival) =
        (testbed.seen().len(), |frame: &[u8], at| Arrival { leg: delete.leg, at, frame: frame.to_vec() });
    let now = testbed.now();
    testbed.arrive(arrival(&delete.frame, now));
    assert_eq!(testbed.seen().len(), seen);
    assert!(
        testbed.notes.last().unwrap().1.starts_with("left over from an earlier scenario of this tester: INFORMATIONAL")
    );
    // A request of its own IKE SA is seen.
    testbed.control(Hook::ClearSas).unwrap();
    assert!(testbed.await_ike(seen, limit, |ike| ike.protected && !ike.is_response()).unwrap().is_some());
}

#[test]
fn a_run_repeats_from_its_seed() {
    let run = || {
        let lab = lab();
        let mut testbed = lab.begin(&scenario()).unwrap();
        testbed.establish().unwrap();
        testbed.pings(2, Duration::from_secs(1)).unwrap();
        lab.finish(testbed).records
    };
    assert_eq!(run(), run());
}

#[test]
fn what_comes_in_fragments_is_one_packet_with_their_places() {
    let mut testbed = begin();
    testbed.set(Setting::Mtu(1000)).unwrap();
    testbed.set(Setting::PreFragmentation(false)).unwrap();
    testbed.establish().unwrap();
    let (probe, passage) = testbed.pass_one(1200, false).unwrap();
    assert_eq!((probe.octets(), passage.treatment(), passage.arrived), (1200, Treatment::After, true));
    let protected = &passage.protected[0];
    assert_eq!(protected.pieces.len(), 2);
    assert_eq!(protected.len, testbed.encapsulation().unwrap().protected_len(1200, 20));
    let seen = &testbed.seen()[protected.place];
    assert_eq!(seen.fragments.last(), Some(&protected.place));
    assert!(seen.summary().ends_with("in 2 fragments"), "{}", seen.summary());
    let (first, last) = (seen.fragments[0], seen.fragments[1]);
    let told = |place: usize| crate::dissect::ip_summary(&testbed.seen()[place].piece().unwrap());
    assert!(told(first).ends_with("fragment: octets 0 to 975, more follow"), "{}", told(first));
    assert!(told(last).ends_with("the last"), "{}", told(last));

    testbed.set(Setting::PreFragmentation(true)).unwrap();
    testbed.establish().unwrap();
    let (_, passage) = testbed.pass_one(1200, false).unwrap();
    assert_eq!((passage.treatment(), passage.arrived), (Treatment::Before, true));
    let (_, passage) = testbed.pass_one(1200, true).unwrap();
    assert_eq!(passage.treatment(), Treatment::Dropped);
    assert_eq!(passage.told(), Some(testbed.longest_inner().unwrap()));
}

#[test]
fn hosts_answer_pings_that_come_in_fragments() {
    let mut testbed = begin();
    testbed.establish().unwrap();
    let mut ping = testbed.new_ping();
    ping.data = vec![0x61; 4000];
    let before = testbed.come_out();
    testbed.send_from_tester_host(&ping.packet()).unwrap();
    let answered = |testbed: &Testbed| testbed.delivered().iter().any(|(_, packet)| ping.is_answered_by(packet));
    assert!(testbed.await_state(Duration::from_secs(1), answered).unwrap());
    assert!(testbed.came_out_inside(before.1, |packet| ping.is_request(packet)));
    let fragments = testbed.inside_received().iter().filter(|(_, packet)| packet.len() <= 1500).count();
    assert!(fragments > 2);
}
