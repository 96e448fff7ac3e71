//! The guide's chapter 2: windows, queues that reorder, messages and counters.

use super::*;
use crate::config::Window;
use crate::ipsec::drops::DropReason;

const EXPEDITED: u8 = 46;

fn with_dscp(dscp: u8) -> Vec<u8> {
    let mut packet = v4(100, false);
    crate::ipsec::header::set_traffic_class(&mut packet, dscp << 2);
    packet
}

/// The guide's story: a hundred packets wait in the queue of the default class when two priority packets are sealed,
/// which overtake them all. How many of the hundred are lost?
pub(super) fn lost_to_queues(spaces: (bool, bool), deviation: Option<Deviation>) -> usize {
    let setup = Setup { deviation, ..Setup::new("aes128gcm16") };
    let with = |spaces: bool| {
        Lab::new(&setup, move |config| {
            config.data.sequence_spaces = spaces;
            config.data.queues = [(EXPEDITED, 11)].into_iter().collect();
        })
    };
    let mut lab = with(spaces.0);
    if spaces.1 != spaces.0 {
        lab.b = with(spaces.1).b;
    }
    let queue: Vec<_> = (0..100).map(|_| lab.outbound(&with_dscp(0)).outside.remove(0)).collect();
    let priority: Vec<_> = (0..2).map(|_| lab.outbound(&with_dscp(EXPEDITED)).outside.remove(0)).collect();
    for packet in &priority {
        assert_eq!(lab.inbound(packet).len(), 1);
    }
    queue.iter().filter(|packet| lab.inbound(packet).is_empty()).count()
}

#[test]
fn queues_that_reorder_lose_packets_without_spaces_only() {
    // The window holds 39 to 102 after the two.
    assert_eq!(lost_to_queues((false, false), None), 38);
    assert_eq!(lost_to_queues((true, true), None), 0);
    assert_eq!(lost_to_queues((true, true), Some(Deviation::CountsAllInOneSpace)), 70);
}

#[test]
fn spaces_at_one_end_only_lose_packets() {
    // The two priority packets have numbers of space 11, far above all of space 0.
    assert_eq!(lost_to_queues((true, false), None), 100);
}

/// How many of three packets come through: on SAs from before spaces were switched on at both ends, and on new ones.
pub(super) fn through_a_switch(deviation: Option<Deviation>) -> (usize, usize) {
    let setup = Setup::new("aes128gcm16");
    let mut lab = Lab::new(&setup, |config| config.data.queues = [(EXPEDITED, 11)].into_iter().collect());
    let mut config = lab.b.config().clone();
    config.ike.deviations = deviation.into_iter().collect();
    lab.b = Gateway::new(config, 2);
    let mirrored = |pairs: &[ChildSa]| pairs.iter().map(ChildSa::mirrored).collect();
    lab.b.install_manual(lab.now, mirrored(&setup.child())).unwrap();
    let through = |lab: &mut Lab, dscp| lab.through(&with_dscp(dscp)).1.len();
    assert_eq!(through(&mut lab, 0), 1);
    lab.b.set_sequence_spaces(true);
    let sealed = lab.outbound(&with_dscp(0)).outside.remove(0);
    let mut old = lab.inbound(&sealed).len();
    lab.a.set_sequence_spaces(true);
    old += lab.outbound(&with_dscp(0)).outside.len();
    let pairs = setup.child();
    pairs.iter().for_each(|pair| lab.a.remove_manual(pair.inbound_spi));
    pairs.iter().for_each(|pair| lab.b.remove_manual(pair.outbound_spi));
    lab.b.install_manual(lab.now, mirrored(&pairs)).unwrap();
    lab.a.install_manual(lab.now, pairs).unwrap();
    (old, [EXPEDITED, 0, EXPEDITED].into_iter().map(|dscp| through(&mut lab, dscp)).sum())
}

#[test]
fn sessions_from_before_spaces_were_switched_on_carry_nothing() {
    assert_eq!(through_a_switch(None), (0, 3));
}

#[test]
fn numbers_of_a_space_are_in_its_counters() {
    let mut lab = Lab::new(&Setup::new("aes128gcm16"), |config| {
        config.data.sequence_spaces = true;
        config.data.queues = [(EXPEDITED, 11)].into_iter().collect();
    });
    for _ in 0..100 {
        assert_eq!(lab.through(&with_dscp(EXPEDITED)).1.len(), 1);
    }
    for sa in [&lab.a.crypto_sas(lab.now)[1], &lab.b.crypto_sas(lab.now)[0]] {
        let mut spaces = [0; 16];
        spaces[11] = 100;
        assert_eq!(sa.spaces, spaces);
        let shown = sa.to_string();
        assert!(shown.contains("Total SNS: 16\n") && shown.contains("\n11                   100\n"), "{shown}");
        assert_eq!(sa.replay_window, Some(32));
    }
}

/// What `b` lets through of so many packets that come in reverse.
fn come_in_reverse(lab: &mut Lab, count: usize) -> usize {
    let mut sealed: Vec<_> = (0..count).map(|_| lab.outbound(&v4(100, false)).outside.remove(0)).collect();
    sealed.reverse();
    sealed.iter().filter(|packet| !lab.inbound(packet).is_empty()).count()
}

#[test]
fn windows_of_gateway_and_child() {
    let setup = Setup::new("aes128gcm16");
    for (global, own, expected) in [
        (Window::Packets(64), None, 64),
        (Window::Packets(256), None, 256),
        (Window::Packets(1024), Some(Window::Packets(128)), 128),
        (Window::Packets(64), Some(Window::Off), 300),
        (Window::Off, None, 300),
        (Window::Off, Some(Window::Packets(64)), 64),
    ] {
        let mut lab = Lab::new(&setup, |config| config.data.replay_window = global);
        let mut child = setup.child().remove(0).mirrored();
        child.replay_window = own;
        lab.b.remove_manual(child.inbound_spi);
        lab.b.install_manual(lab.now, vec![child]).unwrap();
        assert_eq!(come_in_reverse(&mut lab, 300), expected, "{global:?} {own:?}");
    }
}

#[test]
fn rejected_packets_are_counted_and_written_about() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    let packets: Vec<_> = (0..100).map(|_| lab.outbound(&v4(100, false)).outside.remove(0)).collect();
    assert_eq!(lab.inbound(&packets[99]).len(), 1);
    // Three duplicates, four to the left of the window, five with a wrong ICV.
    (0..3).for_each(|_| assert!(lab.inbound(&packets[99]).is_empty()));
    (10..14).for_each(|index| assert!(lab.inbound(&packets[index]).is_empty()));
    for packet in &packets[90..95] {
        let mut packet = packet.clone();
        *packet.last_mut().unwrap() ^= 1;
        assert!(lab.inbound(&packet).is_empty());
    }
    let sa = &lab.b.crypto_sas(lab.now)[0];
    let counted = (sa.packets, sa.replay_drops, sa.auth_fails, sa.dropped_packets, sa.auth_packets);
    assert_eq!((counted, sa.connection_id), ((1, 7, 5, 12, 1), 1));
    let shown = sa.to_string();
    for line in [
        "anti-replay enabled",
        "esn disabled",
        "anti-replay window: 64",
        "replay detection support: Y",
        "    replay drops: 7",
        "    dropped packets: 12",
        "    auth fails: 5",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} in {shown}");
    }
    let log: Vec<_> = lab.b.log().map(|line| line.text.clone()).collect();
    assert_eq!(log, vec!["%CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed connection id=1"; 7]);
    let mut errors = Vec::new();
    while let Some(event) = lab.b.poll_event() {
        if let Event::ReplayError(error) = event {
            errors.push((error.spi, error.sequence, error.reason, error.source));
        }
    }
    let source = Some(lab.a.config().outside[0]);
    assert_eq!(errors[0], (0x2001, 100, DropReason::ReplayDuplicate, source));
    assert_eq!(errors[3], (0x2001, 11, DropReason::ReplayTooOld, source));
}

#[test]
fn a_packet_without_an_sa_is_written_about() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    let mut packet = lab.outbound(&v4(100, false)).outside.remove(0);
    packet[20..24].copy_from_slice(&0xfafa_0001_u32.to_be_bytes());
    assert!(lab.inbound(&packet).is_empty());
    let text = "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=192.0.2.2, \
                prot=50, spi=0xFAFA0001(4210688001), srcaddr=192.0.2.1";
    assert_eq!(lab.b.log().map(|line| line.text.as_str()).collect::<Vec<_>>(), [text]);
}
