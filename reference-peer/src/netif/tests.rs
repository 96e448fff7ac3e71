use std::time::Duration;

use proptest::prelude::*;
use wire::{ipv4, udp};

use super::*;

const A: Address = Address([2, 0, 0, 0, 0, 1]);
const B: Address = Address([2, 0, 0, 0, 0, 2]);

fn at(seconds: u64) -> Instant {
    Instant::after_start(Duration::from_secs(seconds))
}

fn interface(mac: Address, networks: &[&str]) -> Interface {
    let mut interface = Interface::new(mac, 1500);
    for network in networks {
        interface.add_network(network.parse().unwrap());
    }
    interface
}

fn packet(source: &str, destination: &str) -> Vec<u8> {
    let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let datagram = udp::Datagram::new(1, 2, *b"data").to_bytes(source, destination);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ipv4::Packet::new(source, destination, Protocol::UDP, datagram).to_bytes()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ipv6::Packet::new(source, destination, Protocol::UDP, datagram).to_bytes()
        }
        _ => unreachable!("one family"),
    }
}

/// Carries frames between two interfaces until there are none, and gives the packets that came out at the second.
fn exchange(now: Instant, a: &mut Interface, b: &mut Interface) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    loop {
        let (from_a, from_b) = (a.poll_frame(), b.poll_frame());
        if from_a.is_none() && from_b.is_none() {
            return received;
        }
        if let Some(frame) = from_a {
            received.extend(b.handle_frame(now, &frame));
        }
        if let Some(frame) = from_b {
            assert_eq!(a.handle_frame(now, &frame), None);
        }
    }
}

#[test]
fn next_hops_are_resolved_and_queued_packets_sent() {
    for (own, other, third) in
        [("10.0.0.1/24", "10.0.0.2/24", "10.9.9.9"), ("2001:db8::1/64", "2001:db8::2/64", "2001:db8:9::9")]
    {
        let (mut a, mut b) = (interface(A, &[own]), interface(B, &[other]));
        let (own, other) = (own.split('/').next().unwrap(), other.split('/').next().unwrap());
        a.set_default(other.parse().unwrap());
        b.set_forwarding(true);
        let packets = [packet(own, other), packet(own, third)];
        for packet in &packets {
            a.send_ip(at(0), packet.clone()).unwrap();
        }
        assert_eq!(exchange(at(0), &mut a, &mut b), packets);
        assert_eq!(a.neighbour(at(0), other.parse().unwrap()), Some(B));
        // Being asked teaches the other side.
        assert_eq!(b.neighbour(at(0), own.parse().unwrap()), Some(A));
        assert_eq!(a.neighbour(at(301), other.parse().unwrap()), None);
    }
}

#[test]
fn an_interface_answers_for_all_its_addresses_and_no_others() {
    let mut testers = interface(A, &["10.0.0.16/24", "10.0.0.17/24", "2001:db8::16/64"]);
    let mut other = interface(B, &["10.0.0.1/24", "2001:db8::1/64"]);
    for (destination, answers) in [
        ("10.0.0.16", true),
        ("10.0.0.17", true),
        ("10.0.0.18", false),
        ("2001:db8::16", true),
        ("2001:db8::17", false),
    ] {
        let source = if destination.contains(':') { "2001:db8::1" } else { "10.0.0.1" };
        other.send_ip(at(0), packet(source, destination)).unwrap();
        assert_eq!(exchange(at(0), &mut other, &mut testers).len(), usize::from(answers), "{destination}");
    }
}

#[test]
fn a_silent_neighbour_is_given_up_after_three_requests() {
    let mut a = interface(A, &["10.0.0.1/24"]);
    let lost = packet("10.0.0.1", "10.0.0.9");
    a.send_ip(at(0), lost.clone()).unwrap();
    let mut requests = 0;
    for second in 1..10 {
        requests += std::iter::from_fn(|| a.poll_frame()).count();
        if a.next_timeout() == Some(at(second)) {
            a.handle_timeout(at(second));
        }
    }
    assert_eq!(requests, 3);
    assert_eq!((a.poll_unreachable(), a.next_timeout()), (Some(lost), None));
}

#[test]
fn the_queue_of_a_neighbour_is_bounded() {
    let mut a = interface(A, &["10.0.0.1/24"]);
    let results: Vec<_> = (0..70).map(|_| a.send_ip(at(0), packet("10.0.0.1", "10.0.0.9"))).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 64);
    assert_eq!(results[69], Err(SendError::QueueFull([10, 0, 0, 9].into())));
}

#[test]
fn errors_are_told_not_repaired() {
    let mut a = interface(A, &["10.0.0.1/24"]);
    a.set_mtu(100);
    let mut long = packet("10.0.0.1", "10.0.0.2");
    long.resize(101, 0);
    assert_eq!(a.send_ip(at(0), long), Err(SendError::TooBig { len: 101, mtu: 100 }));
    assert_eq!(a.send_ip(at(0), packet("10.0.0.1", "192.0.2.1")), Err(SendError::NoRoute([192, 0, 2, 1].into())));
    assert_eq!(a.send_ip(at(0), vec![]), Err(SendError::Malformed));
}

#[test]
fn the_longest_prefix_wins() {
    let mut a = interface(A, &["10.0.0.1/24"]);
    a.set_default([10, 0, 0, 254].into());
    a.add_route("10.2.0.0/16".parse().unwrap(), [10, 0, 0, 2].into());
    let hop = |address: [u8; 4]| a.next_hop(address.into());
    assert_eq!(hop([10, 0, 0, 7]), Some([10, 0, 0, 7].into()));
    assert_eq!(hop([10, 2, 3, 4]), Some([10, 0, 0, 2].into()));
    assert_eq!(hop([8, 8, 8, 8]), Some([10, 0, 0, 254].into()));
}

#[test]
fn forged_advertisements_from_afar_are_not_learned() {
    let mut a = interface(A, &["2001:db8::1/64"]);
    let (own, other): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    a.send_ip(at(0), packet("2001:db8::1", "2001:db8::2")).unwrap();
    let message = icmpv6::Packet::neighbor_advertisement(other, B, icmpv6::NA_SOLICITED).to_bytes(other, own);
    let mut forwarded = ipv6::Packet::new(other, own, Protocol::ICMPV6, message);
    for (hop_limit, learned) in [(254, None), (255, Some(B))] {
        forwarded.hop_limit = hop_limit;
        let payload = forwarded.to_bytes();
        let frame = Frame { destination: A, source: B, ether_type: EtherType::IPV6, payload };
        assert_eq!(a.handle_frame(at(0), &frame.to_bytes()), None);
        assert_eq!(a.neighbour(at(0), other.into()), learned);
    }
}

#[test]
fn padding_of_short_frames_is_cut_off() {
    let mut a = interface(A, &["10.0.0.1/24"]);
    let short = packet("10.0.0.2", "10.0.0.1");
    let mut frame = Frame { destination: A, source: B, ether_type: EtherType::IPV4, payload: short.clone() }.to_bytes();
    frame.resize(60, 0);
    assert_eq!(a.handle_frame(at(0), &frame), Some(short));
}

proptest! {
    #[test]
    fn any_frame_does_no_harm(mut octets in prop::collection::vec(any::<u8>(), 0..120), kind in 0_usize..4) {
        let mut a = interface(A, &["10.0.0.1/24", "2001:db8::1/64"]);
        if let Some(header) = octets.first_chunk_mut::<14>() {
            header[..6].copy_from_slice(&A.0);
            header[12..].copy_from_slice(&[[8, 0], [8, 6], [0x86, 0xdd], [1, 1]][kind]);
        }
        a.handle_frame(at(0), &octets);
        let _ = a.send_ip(at(0), octets);
        a.handle_timeout(at(1));
    }

    /// Octet changes to well-formed ARP and discovery frames.
    #[test]
    fn almost_right_frames_do_no_harm(place in any::<prop::sample::Index>(), value in any::<u8>(), v6 in any::<bool>()) {
        let mut other = interface(B, &["10.0.0.2/24", "2001:db8::2/64"]);
        let lost = if v6 { packet("2001:db8::2", "2001:db8::1") } else { packet("10.0.0.2", "10.0.0.1") };
        other.send_ip(at(0), lost).unwrap();
        let mut frame = other.poll_frame().unwrap();
        let place = place.index(frame.len());
        frame[place] = value;
        let mut a = interface(A, &["10.0.0.1/24", "2001:db8::1/64"]);
        a.handle_frame(at(0), &frame);
        // One question, at most one answer, and it says nothing but where we are.
        let answers: Vec<_> = std::iter::from_fn(|| a.poll_frame()).collect();
        prop_assert!(answers.len() <= 1);
        for answer in answers {
            prop_assert_eq!(Frame::parse(&answer).unwrap().source, A);
        }
    }
}
