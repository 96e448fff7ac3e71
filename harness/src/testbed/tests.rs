//! The testbed against itself: a tunnel comes up in the virtual network and carries traffic both ways.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::{CounterpeerBench, Hook, Testbed};
use crate::profile::Profile;
use crate::run::{Bench, Interrupt, Lab, ScenarioInfo, Setup};
use crate::verdict::Place;
use std::sync::Arc;
use std::time::Duration;

fn lab() -> Box<dyn Lab<World = Testbed>> {
    let setup =
        Setup { profile: Arc::new(Profile::built_in()), seed: 7, deviation: None, interrupt: Interrupt::default() };
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
fn the_dut_initiates_when_told() {
    let lab = lab();
    let mut testbed = lab.begin(&scenario()).unwrap();
    testbed.let_dut_establish().unwrap();
    assert!(!testbed.ike_sa().unwrap().initiator);
    testbed.control(Hook::ForgetSas).unwrap();
    assert!(!testbed.is_alive().unwrap());
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
