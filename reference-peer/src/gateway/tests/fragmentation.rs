//! The guide's Table 2, at the sizes where something changes, and what the guide and RFC 2473 add to it.

use super::*;
use crate::ipsec::sequence::Numbering;

/// The setups whose sizes differ.
fn setups() -> Vec<Setup> {
    let esp = ["aes128-sha256", "aes128gcm16", "3des-sha1", "null-sha256", "chacha20poly1305", "aes256ctr-sha512"];
    let mut setups: Vec<Setup> = Vec::new();
    for proposal in esp {
        for (udp, outer_v6) in [(false, false), (true, false), (false, true), (true, true)] {
            setups.push(Setup { udp, outer_v6, ..Setup::new(proposal) });
        }
    }
    for proposal in ["sha1", "sha256"] {
        setups.push(Setup::new(proposal));
        setups.push(Setup { outer_v6: true, ..Setup::new(proposal) });
    }
    setups.push(Setup { proposals: vec!["des-sha1", "sha1"], ..Setup::new("des-sha1") });
    setups.push(Setup { proposals: vec!["aes128-sha256", "sha256"], outer_v6: true, ..Setup::new("aes128-sha256") });
    setups
}

/// The longest inner packet whose protected form has no more than `mtu` octets, found by protecting.
fn longest(setup: &Setup, mtu: usize) -> usize {
    let mut lab = Lab::new(setup, |config| config.outside_mtu = 65_000);
    let mut fits = |len: &usize| lab.outbound(&v4(*len, true)).outside[0].len() <= mtu;
    (1000..=mtu).rev().find(|len| fits(len)).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Result {
    Before,
    After,
    Dropped,
}

/// Table 2 as it stands: pre-fragmentation, df-bit, inner DF, result.
const TABLE: [(bool, DfBit, bool, Result); 12] = [
    (true, DfBit::Clear, false, Result::Before),
    (true, DfBit::Clear, true, Result::Before),
    (false, DfBit::Clear, false, Result::After),
    (false, DfBit::Clear, true, Result::After),
    (true, DfBit::Set, false, Result::Before),
    (true, DfBit::Set, true, Result::Dropped),
    (false, DfBit::Set, false, Result::After),
    (false, DfBit::Set, true, Result::Dropped),
    (true, DfBit::Copy, false, Result::Before),
    (true, DfBit::Copy, true, Result::Dropped),
    (false, DfBit::Copy, false, Result::After),
    (false, DfBit::Copy, true, Result::Dropped),
];

fn is_fragment(packet: &[u8]) -> bool {
    IpHeader::parse(packet).unwrap().fragment.is_some()
}

#[test]
fn the_twelve_rows_for_every_transform() {
    for setup in setups() {
        let limit = longest(&setup, 1500);
        for (row, (pre, df, inner_df, expected)) in TABLE.into_iter().enumerate() {
            let place = format!("row {}, {setup:?}, limit {limit}", row + 1);
            let mut lab = Lab::new(&setup, |config| {
                (config.data.pre_fragmentation, config.data.df_bit) = (pre, df);
                config.inside_mtu = 65_000;
            });
            let outer_df = match df {
                DfBit::Copy => inner_df,
                DfBit::Set => true,
                DfBit::Clear => false,
            } || setup.outer_v6;
            for len in [limit - 1, limit] {
                let packet = v4(len, inner_df);
                let (sent, come) = lab.through(&packet);
                assert_eq!((sent.outside.len(), sent.inside.len()), (1, 0), "{len}: {place}");
                assert!(sent.outside[0].len() <= 1500 && !is_fragment(&sent.outside[0]));
                assert_eq!(IpHeader::parse(&sent.outside[0]).unwrap().dont_fragment, outer_df, "{place}");
                assert_eq!(content(&come), content(std::slice::from_ref(&packet)), "{len}: {place}");
            }
            let packet = v4(limit + 1, inner_df);
            let (sent, come) = lab.through(&packet);
            assert!(sent.outside.iter().all(|packet| packet.len() <= 1500), "{place}");
            for packet in &sent.outside {
                assert_eq!(IpHeader::parse(packet).unwrap().dont_fragment, outer_df, "{place}");
            }
            match expected {
                Result::Before => {
                    assert_eq!((sent.outside.len(), sent.inside.len(), come.len()), (2, 0, 2), "{place}");
                    assert!(!sent.outside.iter().any(|packet| is_fragment(packet)), "{place}");
                    assert!(come.iter().all(|packet| is_fragment(packet)), "{place}");
                    assert_eq!(content(&[reassembled(&come).unwrap()]), content(&[packet]), "{place}");
                }
                Result::After => {
                    assert_eq!((sent.outside.len(), sent.inside.len()), (2, 0), "{place}");
                    assert!(sent.outside.iter().all(|packet| is_fragment(packet)), "{place}");
                    assert_eq!(content(&come), content(&[packet]), "{place}");
                }
                Result::Dropped => {
                    assert_eq!(sent.outside.len(), 0, "{place}");
                    assert_eq!(announced(&sent.inside, &packet), Some(limit), "{place}");
                }
            }
        }
    }
}

#[test]
fn the_guides_own_numbers() {
    // `show crypto ipsec sa`: esp-aes esp-sha256-hmac, plaintext mtu 1438, path mtu 1500.
    let setup = Setup::new("aes128-sha256");
    let lab = Lab::new(&setup, |_| {});
    let sa = lab.a.crypto_sas(lab.now).into_iter().find(|sa| !sa.inbound).unwrap();
    assert_eq!(sa.mtu, Some((1438, 1500)));
    assert_eq!(longest(&setup, 1500), 1438);
}

#[test]
fn fragments_are_equal_and_none_is_too_long() {
    for setup in [Setup::new("aes128-sha256"), Setup { udp: true, ..Setup::new("aes128gcm16") }] {
        let mut lab = Lab::new(&setup, |_| {});
        for len in (1400..4600).step_by(7).chain(1490..1510) {
            let packet = v4(len, false);
            let (sent, come) = lab.through(&packet);
            let lens: Vec<usize> = come.iter().map(Vec::len).collect();
            assert!(lens.iter().max().unwrap() - lens.iter().min().unwrap() <= 8, "{len}: {lens:?}");
            assert!(sent.outside.iter().all(|packet| packet.len() <= 1500 && !is_fragment(packet)));
            let (room, data) = (longest(&setup, 1500) - 20, len - 20);
            // No more than it takes: the last one need not end at a multiple of eight.
            assert_eq!(come.len(), 1 + data.saturating_sub(room).div_ceil(room / 8 * 8), "{len}");
            let whole = if come.len() == 1 { come[0].clone() } else { reassembled(&come).unwrap() };
            assert_eq!(content(&[whole]), content(&[packet]));
        }
    }
}

#[test]
fn a_fragment_is_fragmented_again() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    let how = Fragmentation::default();
    let parts = fragment(&v4(4000, false), 1500, how).unwrap();
    let come: Vec<_> = parts.iter().flat_map(|part| lab.through(part).1).collect();
    assert!(come.len() > parts.len());
    assert_eq!(content(&[reassembled(&come).unwrap()]), content(&[v4(4000, false)]));
}

#[test]
fn an_ipv6_packet_of_1280_octets_always_passes() {
    for outer_v6 in [true, false] {
        for pre in [true, false] {
            let setup = Setup { outer_v6, ..Setup::new("aes128-sha256") };
            let mut lab = Lab::new(&setup, |config| {
                (config.outside_mtu, config.data.pre_fragmentation) = (1280, pre);
            });
            let (sent, come) = lab.through(&v6(1280));
            assert!(sent.outside.len() == 2 && sent.outside.iter().all(|packet| packet.len() <= 1280));
            for packet in &sent.outside {
                let header = IpHeader::parse(packet).unwrap();
                assert!(header.fragment.is_some() && header.dont_fragment == outer_v6);
            }
            assert_eq!((content(&come), sent.inside.len()), (content(&[v6(1280)]), 0));
            let (sent, _) = lab.through(&v6(1281));
            assert_eq!((sent.outside.len(), announced(&sent.inside, &v6(1281))), (0, Some(1280)));
        }
    }
}

#[test]
fn a_long_ipv6_packet_draws_packet_too_big() {
    for setup in [Setup::new("aes128-sha256"), Setup { outer_v6: true, ..Setup::new("sha1") }] {
        let mut lab = Lab::new(&setup, |_| {});
        let limit = longest(&setup, 1500);
        let (sent, come) = lab.through(&v6(limit));
        assert_eq!((sent.outside.len(), sent.inside.len(), come.len()), (1, 0, 1));
        let (sent, _) = lab.through(&v6(limit + 1));
        assert_eq!((sent.outside.len(), announced(&sent.inside, &v6(limit + 1))), (0, Some(limit)));
    }
}

/// A packet of a host with SAs in transport mode: the gateway itself.
fn own(setup: &Setup, len: usize, dont_fragment: bool) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (setup.outside(0), setup.outside(1)) else { panic!() };
    let mut packet = ipv4::Packet::new(source, destination, Protocol::UDP, vec![9; len - 20]);
    (packet.dont_fragment, packet.identification) = (dont_fragment, 5);
    packet.to_bytes()
}

#[test]
fn transport_mode_fragments_after_encryption_and_keeps_its_df_bit() {
    for pre in [true, false] {
        for df in [DfBit::Copy, DfBit::Set, DfBit::Clear] {
            for inner_df in [false, true] {
                let setup = Setup { mode: Mode::Transport, ..Setup::new("aes128-sha256") };
                let mut lab = Lab::new(&setup, |config| {
                    (config.data.pre_fragmentation, config.data.df_bit) = (pre, df);
                });
                lab.a.originate(lab.now, &own(&setup, 100, inner_df));
                let small = sent(&mut lab.a);
                assert_eq!(IpHeader::parse(&small.outside[0]).unwrap().dont_fragment, inner_df);
                lab.a.originate(lab.now, &own(&setup, 1490, inner_df));
                let long = sent(&mut lab.a);
                if inner_df {
                    assert_eq!(long, Sent::default(), "dropped, and nobody tells itself");
                    continue;
                }
                assert!(long.outside.len() == 2 && long.outside.iter().all(|packet| is_fragment(packet)));
                let before = lab.b.crypto_sas(lab.now)[0].packets;
                long.outside.iter().for_each(|packet| lab.b.handle(lab.now, Leg::Outside, packet));
                assert_eq!(lab.b.crypto_sas(lab.now)[0].packets, before + 1);
            }
        }
    }
}

#[test]
fn the_ip_mtu_of_a_tunnel_interface_decides() {
    let setup = Setup::new("aes128-sha256");
    // IP MTU, length, DF, fragments on the outside, are they outer fragments, inner packets that come out.
    let cases = [
        (1400, 1400, false, 1, false, 1),
        (1400, 1401, false, 2, false, 2),
        (1600, 1500, false, 2, true, 1),
        (1600, 1600, false, 2, true, 1),
        (1600, 1601, false, 2, false, 2),
        (1500, 1439, false, 2, true, 1),
        (1500, 1438, true, 1, false, 1),
    ];
    for pre in [true, false] {
        for (ip_mtu, len, df, packets, outer, come) in cases {
            let mut lab = Lab::new(&setup, |config| {
                config.data.tunnel_interface = Some(TunnelInterface { ip_mtu });
                config.data.pre_fragmentation = pre;
                config.inside_mtu = 2000;
            });
            let (sent, came) = lab.through(&v4(len, df));
            let place = format!("ip mtu {ip_mtu}, {len} octets");
            assert_eq!((sent.outside.len(), came.len()), (packets, come), "{place}");
            assert!(sent.outside.iter().all(|packet| is_fragment(packet) == outer), "{place}");
        }
        for (ip_mtu, len, announces) in [(1400, 1401, 1400), (1600, 1500, 1438)] {
            let mut lab = Lab::new(&setup, |config| {
                config.data.tunnel_interface = Some(TunnelInterface { ip_mtu });
                config.data.pre_fragmentation = pre;
            });
            let sent = lab.outbound(&v4(len, true));
            assert_eq!((sent.outside.len(), announced(&sent.inside, &v4(len, true))), (0, Some(announces)));
        }
    }
    assert_eq!(TunnelInterface::default().ip_mtu, 1500);
}

#[test]
fn an_sa_for_ports_carries_no_later_fragments() {
    let setup = Setup { remote: (17, (0x1415, 0x1617)), ..Setup::new("aes128-sha256") };
    let mut lab = Lab::new(&setup, |_| {});
    // Octets 22 and 23, the destination port, count up.
    let mut packet = v4(1490, false);
    packet[22..24].copy_from_slice(&0x1500_u16.to_be_bytes());
    let (sent, come) = lab.through(&packet);
    assert!(sent.outside.len() == 2 && sent.outside.iter().all(|packet| is_fragment(packet)));
    assert_eq!(content(&come), content(&[packet.clone()]));
    let parts = fragment(&packet, 800, Fragmentation::default()).unwrap();
    let sent: Vec<_> = parts.iter().map(|part| lab.outbound(part).outside.len()).collect();
    assert_eq!(sent, [1, 0], "only the first shows its ports");
}

#[test]
fn the_df_bit_of_the_outer_header() {
    let setup = Setup::new("aes128-sha256");
    let outer_df = |lab: &mut Lab, inner_df| {
        let sent = lab.outbound(&v4(100, inner_df));
        IpHeader::parse(&sent.outside[0]).unwrap().dont_fragment
    };
    let table = [(DfBit::Copy, [false, true]), (DfBit::Set, [true, true]), (DfBit::Clear, [false, false])];
    for (interface, expected) in table {
        for global in [DfBit::Copy, DfBit::Set, DfBit::Clear] {
            let mut lab = Lab::new(&setup, |config| {
                (config.data.df_bit, config.data.interface_df_bit) = (global, Some(interface));
            });
            assert_eq!([outer_df(&mut lab, false), outer_df(&mut lab, true)], expected);
        }
    }
    // Two SAs at the same time, with a treatment each (RFC 4301 section 8.1).
    let mut child = setup.child().remove(0);
    child.connection = "peer".to_owned();
    let mut config = GatewayConfig { outside: vec![setup.outside(0)], ..GatewayConfig::default() };
    config.data.df_bit = DfBit::Clear;
    let net = |text: &str| vec![text.parse().unwrap()];
    let secret = crate::config::Secret::new(*b"secret");
    let mut connection = crate::config::Connection::new("peer", setup.outside(0), crate::config::Remote::Any, secret);
    let mut configured = crate::config::Child::new("net", net("10.1.0.0/16"), net("10.2.0.0/16"), vec![]);
    configured.df_bit = Some(DfBit::Set);
    connection.children = vec![configured];
    config.ike.connections = vec![connection];
    let mut gateway = Gateway::new(config, 0);
    let mut other = ChildSa { inbound_spi: 0x3001, outbound_spi: 0x4001, child: "other".to_owned(), ..child.clone() };
    other.remote_ts[0].start = [10, 3, 0, 0].into();
    other.remote_ts[0].end = [10, 3, 255, 255].into();
    gateway.install_manual(Instant::START, vec![child]).unwrap();
    gateway.install_manual(Instant::START, vec![other]).unwrap();
    let df = gateway.data().sad().outbound_sas().map(|(id, sa)| (id.spi, sa.parameters().df));
    assert_eq!(df.collect::<Vec<_>>(), [(0x2001, DfBit::Set), (0x4001, DfBit::Clear)]);
    assert!(gateway.data().sad().inbound_sas().all(|sa| sa.parameters().numbering == Numbering::Plain));
}

#[test]
fn what_is_too_long_for_the_inside_is_fragmented_or_reported_through_the_tunnel() {
    let mut lab = Lab::new(&Setup::new("aes128-sha256"), |_| {});
    lab.b.config.inside_mtu = 1000;
    let (_, come) = lab.through(&v4(1400, false));
    assert_eq!(come.len(), 2);
    assert_eq!(content(&[reassembled(&come).unwrap()]), content(&[v4(1400, false)]));
    let protected = lab.outbound(&v4(1400, true)).outside;
    lab.b.handle(lab.now, Leg::Outside, &protected[0]);
    let back = sent(&mut lab.b);
    assert!(back.inside.is_empty());
    lab.a.handle(lab.now, Leg::Outside, &back.outside[0]);
    let error = sent(&mut lab.a).inside;
    assert_eq!(local::too_big_report(&ip::Packet::parse(&error[0]).unwrap()).unwrap().0, 1000);
}
