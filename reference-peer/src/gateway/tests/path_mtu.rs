//! Path MTUs learned, forged and forgotten.

use super::*;

/// A router's error about a packet, with so many octets of it.
pub(super) fn report(mtu: u32, quoted: &[u8], octets: usize) -> Vec<u8> {
    let header = IpHeader::parse(quoted).unwrap();
    let original = quoted[..octets.min(quoted.len())].to_vec();
    match header.source {
        IpAddr::V4(to) => {
            let icmp = icmpv4::Packet::fragmentation_needed(mtu as u16, original).to_bytes();
            ipv4::Packet::new([198, 51, 100, 1].into(), to, Protocol::ICMP, icmp).to_bytes()
        }
        IpAddr::V6(to) => {
            let from = "2001:db8:ffff::1".parse().unwrap();
            let icmp = icmpv6::Packet::from(icmpv6::Message::PacketTooBig { mtu, original }).to_bytes(from, to);
            ipv6::Packet::new(from, to, Protocol::ICMPV6, icmp).to_bytes()
        }
    }
}

impl Lab {
    /// Tells `a` of a path MTU.
    fn report(&mut self, report: &[u8]) {
        self.a.handle(self.now, Leg::Outside, report);
        assert_eq!(sent(&mut self.a), Sent::default(), "nobody is told before there is traffic");
    }

    /// The longest packet with DF set that `a` takes, by the error about one that is far too long.
    fn limit(&mut self) -> usize {
        let sent = self.outbound(&v4(3000, true));
        assert!(sent.outside.is_empty());
        let limit = announced(&sent.inside, &v4(3000, true)).unwrap();
        // It is exact.
        let (fits, longer) = (self.outbound(&v4(limit, true)), self.outbound(&v4(limit + 1, true)));
        assert_eq!((fits.outside.len(), fits.inside.len()), (1, 0));
        assert_eq!((longer.outside.len(), longer.inside.len()), (0, 1));
        limit
    }
}

fn setups() -> Vec<Setup> {
    let bundle = Setup { proposals: vec!["aes128-sha256", "sha1"], ..Setup::new("") };
    let esp = Setup::new("aes128-sha256");
    vec![
        Setup { udp: true, ..esp.clone() },
        Setup { outer_v6: true, ..esp.clone() },
        Setup { outer_v6: true, udp: true, ..esp.clone() },
        Setup::new("aes128gcm16"),
        Setup::new("sha256"),
        bundle,
        esp,
    ]
}

#[test]
fn learned_from_an_error_about_an_own_packet() {
    for setup in setups() {
        let mut lab = Lab::new(&setup, |_| {});
        let before = lab.limit();
        let own = lab.outbound(&v4(before, true)).outside.remove(0);
        let smaller = if setup.outer_v6 { 1290 } else { 1000 };
        lab.report(&report(smaller, &own, own.len().min(500)));
        let after = lab.limit();
        let packet = lab.outbound(&v4(after, true)).outside.remove(0);
        assert!(packet.len() <= smaller as usize && packet.len() + 16 > smaller as usize, "{setup:?}");
        // Before or after encryption: nothing on the outside is longer.
        for (len, df) in [(after + 1, false), (1400, false), (3000, false)] {
            let sent = lab.outbound(&v4(len, df));
            assert!(sent.outside.len() > 1 && sent.inside.is_empty());
            assert!(sent.outside.iter().all(|packet| packet.len() <= smaller as usize));
        }
        let sent = lab.outbound(&v6(1500));
        assert_eq!(announced(&sent.inside, &v6(1500)), Some(after.max(1280)));
        // It is not raised by an error, and comes back in time.
        lab.report(&report(smaller + 100, &own, 500));
        assert_eq!(lab.limit(), after);
        lab.wait(599);
        assert_eq!((lab.limit(), lab.a.poll_timeout()), (after, Some(Instant::START + Duration::from_secs(600))));
        lab.wait(1);
        assert_eq!((lab.limit(), lab.a.poll_timeout()), (before, None));
    }
}

#[test]
fn what_is_no_error_about_an_own_packet_has_no_effect() {
    for setup in setups() {
        let mut lab = Lab::new(&setup, |_| {});
        let before = lab.limit();
        let own = lab.outbound(&v4(before, true)).outside.remove(0);
        let changed = |at: usize| {
            let mut packet = own.clone();
            packet[at] ^= 1;
            crate::ipsec::header::repair_checksum(&mut packet);
            packet
        };
        let head = if setup.outer_v6 { 40 } else { 20 };
        let spi =
            head + if setup.udp { 8 } else { 0 } + if own[if setup.outer_v6 { 6 } else { 9 }] == 51 { 4 } else { 0 };
        let far_source = if setup.outer_v6 { 23 } else { 15 };
        let far_destination = if setup.outer_v6 { 39 } else { 19 };
        let mtu = if setup.outer_v6 { 1290 } else { 1000 };
        let mut forged = vec![changed(spi), changed(spi + 3), changed(far_destination)];
        if setup.udp {
            forged.extend([changed(head + 1), changed(head + 3)]);
        }
        for packet in forged {
            lab.report(&report(mtu, &packet, 500));
            assert_eq!(lab.limit(), before, "{setup:?}");
        }
        // About a packet of the peer, or of somebody else: to our address all the same.
        let (source, peers) = (IpHeader::parse(&own).unwrap().source, lab.b.config().outside[0]);
        assert_ne!(source, peers);
        let mut error = report(mtu, &own, 500);
        let inner = if setup.outer_v6 { 48 } else { 28 };
        error[inner + far_source] ^= 1;
        lab.report(&error);
        assert_eq!(lab.limit(), before, "a wrong checksum, too");
        // Not enough of it.
        lab.report(&report(mtu, &own, spi + 3));
        assert_eq!(lab.limit(), before, "{setup:?}");
        // Values that no path has.
        let values: &[u32] = if setup.outer_v6 { &[0, 1, 1279] } else { &[0, 20, 67] };
        for value in values {
            lab.report(&report(*value, &own, 500));
            assert_eq!(lab.limit(), before, "{value}");
        }
        // The same with good values has an effect, so that all this was a test.
        lab.report(&report(mtu, &own, spi + 4));
        assert!(lab.limit() < before);
    }
}

#[test]
fn the_least_path_still_carries_packets() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    let own = lab.outbound(&v4(1000, true)).outside.remove(0);
    lab.report(&report(68, &own, 500));
    for (len, df) in [(68, true), (60, true), (68, false), (1000, false)] {
        let (sent, come) = lab.through(&v4(len, df));
        assert!(sent.outside.len() > 1 && sent.outside.iter().all(|packet| packet.len() <= 68));
        assert_eq!(content(&come), content(&[v4(len, df)]));
    }
    let sent = lab.outbound(&v4(69, true));
    assert_eq!((sent.outside.len(), announced(&sent.inside, &v4(69, true))), (0, Some(68)));
}

#[test]
fn not_heeded_where_that_is_switched_off() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |config| config.data.path_mtu.heed_icmp = false);
    let before = lab.limit();
    let own = lab.outbound(&v4(before, true)).outside.remove(0);
    lab.report(&report(1000, &own, 500));
    assert_eq!(lab.limit(), before);
}

#[test]
fn errors_are_bounded_and_never_about_errors() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    let told = (0..1000).map(|_| lab.outbound(&v4(1500, true)).inside.len()).sum::<usize>();
    assert_eq!(told, icmp_errors::MOST_A_SECOND as usize);
    lab.wait(2);
    assert_eq!(lab.outbound(&v4(1500, true)).inside.len(), 1);
    let icmp = icmpv4::Packet::time_exceeded(vec![0; 1480]).to_bytes();
    let mut error = ipv4::Packet::new([10, 1, 0, 5].into(), [10, 2, 0, 5].into(), Protocol::ICMP, icmp);
    error.dont_fragment = true;
    assert_eq!(lab.outbound(&error.to_bytes()), Sent::default());
}

#[test]
fn out_of_hops_in_both_directions() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    let with_ttl = |ttl| {
        let mut packet = v4(100, false);
        crate::ipsec::header::set_hop_limit(&mut packet, ttl);
        packet
    };
    let is_time_exceeded = |packet: &[u8], from: [u8; 4]| {
        let packet = ipv4::Packet::parse(packet).unwrap();
        assert_eq!(packet.source, std::net::Ipv4Addr::from(from));
        let icmp = icmpv4::Packet::parse(&packet.payload).unwrap();
        matches!(icmp.message, icmpv4::Message::TimeExceeded { .. })
    };
    let sent_by_a = lab.outbound(&with_ttl(1));
    assert!(sent_by_a.outside.is_empty() && is_time_exceeded(&sent_by_a.inside[0], [10, 1, 0, 1]));
    // One hop is left for `a`, none for `b`, whose error comes back through the tunnel.
    let protected = lab.outbound(&with_ttl(2)).outside;
    lab.b.handle(lab.now, Leg::Outside, &protected[0]);
    let back = sent(&mut lab.b);
    assert!(back.inside.is_empty());
    lab.a.handle(lab.now, Leg::Outside, &back.outside[0]);
    assert!(is_time_exceeded(&sent(&mut lab.a).inside[0], [10, 2, 0, 1]));
}
