//! Each deliberate fault of the data plane in the gateway shows: a faulty gateway does what an honest one does not.

use super::path_mtu::report;
use super::*;
use crate::config::Window;

/// What has been observed, in words.
type Observed = String;

fn lab(setup: &Setup, deviation: Option<Deviation>, data: impl Fn(&mut GatewayConfig)) -> Lab {
    let mut setup = setup.clone();
    if let Some(deviation) = deviation {
        setup = setup.with(deviation);
    }
    Lab::new(&setup, data)
}

/// What `a` makes of a packet: lengths and kinds on the outside, and errors on the inside.
fn made(lab: &mut Lab, packet: &[u8]) -> Observed {
    let sent = lab.outbound(packet);
    let outside: Vec<_> = sent
        .outside
        .iter()
        .map(|packet| {
            let header = IpHeader::parse(packet).unwrap();
            (packet.len(), header.fragment.is_some(), header.dont_fragment)
        })
        .collect();
    let inside = sent.inside.iter().map(|packet| local::too_big_report(&ip::Packet::parse(packet).unwrap()));
    let inside: Vec<_> = inside.map(|report| report.map(|(mtu, _)| mtu)).collect();
    format!("{outside:?} {inside:?}")
}

/// After a report of a path MTU that quotes an own packet, or one with another SPI.
fn after_report(deviation: Option<Deviation>, mtu: u32, own: bool, wait: u64) -> Observed {
    let mut lab = lab(&Setup::new("aes128-sha256"), deviation, |_| {});
    let mut packet = lab.outbound(&v4(500, true)).outside.remove(0);
    if !own {
        packet[20] ^= 1;
    }
    lab.a.handle(lab.now, Leg::Outside, &report(mtu, &packet, 500));
    lab.wait(wait);
    made(&mut lab, &v4(mtu.max(1000) as usize - 10, true))
}

fn observe(deviation: Deviation, d: Option<Deviation>) -> Observed {
    let cbc = Setup::new("aes128-sha256");
    let transport = Setup { mode: Mode::Transport, ..cbc.clone() };
    let with = |pre: bool, df: DfBit| {
        move |config: &mut GatewayConfig| (config.data.pre_fragmentation, config.data.df_bit) = (pre, df)
    };
    let own = |len: usize, dont_fragment: bool| {
        let mut packet = ipv4::Packet::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::UDP, vec![1; len]);
        packet.dont_fragment = dont_fragment;
        packet.to_bytes()
    };
    let originated = |lab: &mut Lab, packet: &[u8]| {
        lab.a.originate(lab.now, packet);
        let packets = sent(&mut lab.a).outside;
        let spis = packets.iter().map(|packet| (packet[6] & 0x40, packet[20..24] == [0, 0, 0x20, 1]));
        format!("{:?}", spis.collect::<Vec<_>>())
    };
    match deviation {
        Deviation::GlobalDfBitWins => made(
            &mut lab(&cbc, d, |config| {
                (config.data.df_bit, config.data.interface_df_bit) = (DfBit::Clear, Some(DfBit::Copy));
            }),
            &v4(100, true),
        ),
        Deviation::IgnoresDfOfChild => {
            let config = DataConfig { df_bit: DfBit::Clear, ..DataConfig::default() };
            format!("{:?}", df_bit::effective(&config, Some(DfBit::Set), &d.into_iter().collect()))
        }
        Deviation::DropsDfDespiteClear => made(&mut lab(&cbc, d, with(false, DfBit::Clear)), &v4(1500, true)),
        Deviation::ChangesDfInTransportMode => {
            originated(&mut lab(&transport, d, with(true, DfBit::Set)), &own(100, false))
        }
        Deviation::ProtectsFragmentsInTransportMode => {
            originated(&mut lab(&transport, d, with(true, DfBit::Copy)), &own(1480, false))
        }
        Deviation::DropsTooBigSilently | Deviation::AnnouncesOuterMtu => {
            made(&mut lab(&cbc, d, |_| {}), &v4(1500, true))
        }
        Deviation::FragmentsDespiteDf => made(&mut lab(&cbc, d, with(true, DfBit::Set)), &v4(1500, true)),
        Deviation::ReportsTooBigWithoutDf | Deviation::AlwaysFragmentsAfterEncryption => {
            made(&mut lab(&cbc, d, |_| {}), &v4(1500, false))
        }
        Deviation::AlwaysFragmentsBeforeEncryption => {
            made(&mut lab(&cbc, d, with(false, DfBit::Copy)), &v4(1500, false))
        }
        Deviation::FragmentsInnerIpv6 => made(&mut lab(&cbc, d, |_| {}), &v6(1500)),
        Deviation::AnnouncesMtuBelow1280 => made(&mut lab(&cbc, d, |config| config.outside_mtu = 1280), &v6(1280)),
        Deviation::IgnoresPathMtuReports => after_report(d, 1000, true, 0),
        Deviation::LearnsMtuWithoutOverhead => after_report(d, 1000, true, 1),
        Deviation::NeverAgesPathMtu => after_report(d, 1100, true, 700),
        Deviation::TakesAnyPathMtu => after_report(d, 67, true, 0),
        Deviation::HeedsForeignPathMtu => after_report(d, 1000, false, 0),
        Deviation::NoPmtuForAh => made(&mut lab(&Setup::new("sha256"), d, |_| {}), &v4(1500, true)),
        // Without UDP, 1500 octets leave no room for padding with this cipher.
        Deviation::ForgetsUdpInEstimate | Deviation::EstimatesFixedOverhead | Deviation::EstimatesWithoutPadding => {
            made(&mut lab(&Setup { udp: true, ..cbc }, d, |_| {}), &v4(1500, true))
        }
        Deviation::FragmentsUnevenly => made(&mut lab(&cbc, d, |_| {}), &v4(1500, false)),
        Deviation::CryptoMapDecidesOnTunnelInterface => made(
            &mut lab(&cbc, d, |config| config.data.tunnel_interface = Some(TunnelInterface::default())),
            &v4(1500, false),
        ),
        Deviation::RefusesOuterFragments => {
            let (mut lab, mut sender) = (lab(&cbc, d, |_| {}), Lab::new(&cbc, with(false, DfBit::Copy)));
            sender.b.handle(sender.now, Leg::Inside, &turned(&v4(1450, false)));
            for packet in sent(&mut sender.b).outside {
                lab.a.handle(lab.now, Leg::Outside, &packet);
            }
            format!("{}", sent(&mut lab.a).inside.len())
        }
        Deviation::JamsOnFragments => {
            let (mut lab, mut sender) = (lab(&cbc, d, |_| {}), Lab::new(&cbc, with(false, DfBit::Copy)));
            let mut fragments = || {
                sender.b.handle(sender.now, Leg::Inside, &turned(&v4(1450, false)));
                sent(&mut sender.b).outside
            };
            (0..100).for_each(|_| lab.a.handle(lab.now, Leg::Outside, &fragments()[0]));
            lab.wait(60);
            fragments().iter().for_each(|packet| lab.a.handle(lab.now, Leg::Outside, packet));
            format!("{}", sent(&mut lab.a).inside.len())
        }
        Deviation::GlobalWindowWins | Deviation::DisablesReplayCheckForAll => {
            let mut lab = lab(&cbc, d, |config| config.data.replay_window = Window::Off);
            let mut child = cbc.child().remove(0);
            child.replay_window = Some(Window::Packets(64));
            lab.a.remove_manual(child.inbound_spi);
            lab.a.install_manual(lab.now, vec![child]).unwrap();
            format!("{:?}", lab.a.crypto_sas(lab.now)[0].replay_window)
        }
        Deviation::SilentOnReplays | Deviation::LogsDuplicatesOnly => {
            let (mut lab, mut sender) = (lab(&cbc, d, |_| {}), Lab::new(&cbc, |_| {}));
            let mut next = || {
                sender.b.handle(sender.now, Leg::Inside, &turned(&v4(100, false)));
                sent(&mut sender.b).outside.remove(0)
            };
            let packets: Vec<_> = (0..100).map(|_| next()).collect();
            for index in [99, 99, 1] {
                lab.a.handle(lab.now, Leg::Outside, &packets[index]);
            }
            format!("{}", lab.a.log().count())
        }
        Deviation::TakesSpacesUnasked => {
            let (mut lab, mut sender) = (
                lab(&cbc, d, |_| {}),
                Lab::new(&cbc, |config| {
                    config.data.sequence_spaces = true;
                    config.data.queues = [(46, 11)].into_iter().collect();
                }),
            );
            for dscp in [46, 0] {
                let mut packet = turned(&v4(100, false));
                crate::ipsec::header::set_traffic_class(&mut packet, dscp << 2);
                sender.b.handle(sender.now, Leg::Inside, &packet);
                sent(&mut sender.b).outside.iter().for_each(|packet| lab.a.handle(lab.now, Leg::Outside, packet));
            }
            format!("{}", sent(&mut lab.a).inside.len())
        }
        Deviation::KeepsNumberingAfterClear => format!("{:?}", replay::through_a_switch(d)),
        Deviation::UnlimitedInvalidSelectors => format!("{}", policy::invalid_selectors(d).len()),
        other => panic!("no observation shows {other}"),
    }
}

/// The packet in the opposite direction.
fn turned(packet: &[u8]) -> Vec<u8> {
    let mut packet = ipv4::Packet::parse(packet).unwrap();
    (packet.source, packet.destination) = (packet.destination, packet.source);
    (packet.checksum, packet.total_length) = Default::default();
    packet.to_bytes()
}

#[test]
fn every_deviation_of_the_data_plane_shows() {
    let all = [
        Deviation::GlobalDfBitWins,
        Deviation::IgnoresDfOfChild,
        Deviation::DropsDfDespiteClear,
        Deviation::ChangesDfInTransportMode,
        Deviation::ProtectsFragmentsInTransportMode,
        Deviation::DropsTooBigSilently,
        Deviation::AnnouncesOuterMtu,
        Deviation::FragmentsDespiteDf,
        Deviation::ReportsTooBigWithoutDf,
        Deviation::FragmentsInnerIpv6,
        Deviation::AnnouncesMtuBelow1280,
        Deviation::IgnoresPathMtuReports,
        Deviation::LearnsMtuWithoutOverhead,
        Deviation::NeverAgesPathMtu,
        Deviation::TakesAnyPathMtu,
        Deviation::HeedsForeignPathMtu,
        Deviation::NoPmtuForAh,
        Deviation::ForgetsUdpInEstimate,
        Deviation::EstimatesFixedOverhead,
        Deviation::EstimatesWithoutPadding,
        Deviation::AlwaysFragmentsAfterEncryption,
        Deviation::AlwaysFragmentsBeforeEncryption,
        Deviation::FragmentsUnevenly,
        Deviation::CryptoMapDecidesOnTunnelInterface,
        Deviation::RefusesOuterFragments,
        Deviation::JamsOnFragments,
        Deviation::GlobalWindowWins,
        Deviation::DisablesReplayCheckForAll,
        Deviation::SilentOnReplays,
        Deviation::LogsDuplicatesOnly,
        Deviation::TakesSpacesUnasked,
        Deviation::KeepsNumberingAfterClear,
        Deviation::UnlimitedInvalidSelectors,
    ];
    for deviation in all {
        assert_ne!(observe(deviation, None), observe(deviation, Some(deviation)), "{deviation}");
    }
}
