//! Replays the seeds, and keeps them and the dictionary in step with their sources.
//!
//! `cargo test -- --ignored` writes both anew.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use wire::ethernet::{EtherType, Frame};
use wire::ikev2::*;
use wire::ip::{self, Protocol};
use wire::udp::Datagram;
use wire::{ah, natt};

type Target = fn(&[u8]);
type Seeds = BTreeMap<(&'static str, String), Vec<u8>>;

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The seeds of each target, out of the captures that the tests of `wire` use and of values made here.
fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference-peer/wire/tests");
    let lines = |name: &str| fs::read_to_string(wire.join(name)).unwrap();
    for line in lines("frames.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, digits) = line.split_once(' ').unwrap();
        let frame = Frame::parse(&hex(digits)).unwrap();
        if frame.ether_type == EtherType::ARP {
            continue;
        }
        let (packet, _) = ip::Packet::parse_prefix(&frame.payload).unwrap();
        // Long echoes say no more than short ones.
        if frame.payload.len() < 600 {
            seeds.insert(("ip_packet", name.into()), packet.to_bytes());
        }
        if packet.protocol() != Protocol::UDP {
            continue;
        }
        let datagram = Datagram::parse(packet.payload(), packet.source(), packet.destination()).unwrap();
        match (datagram.destination_port, natt::classify(&datagram.payload)) {
            (500, _) => {
                seeds.insert(("natt_demux", name.into()), natt::wrap_ike(&datagram.payload));
                seeds.insert(("ikev2_message", name.into()), datagram.payload);
            }
            (4500, kind) => {
                match kind {
                    natt::Natt::Ike(message) => seeds.insert(("ikev2_message", name.into()), message.to_vec()),
                    natt::Natt::Esp(packet) => seeds.insert(("esp", name.into()), packet.to_vec()),
                    _ => None,
                };
                seeds.insert(("natt_demux", name.into()), datagram.payload);
            }
            _ => {}
        }
    }
    let header = Header::new((1, 2), ExchangeType::IKE_AUTH, Flags::new(true, false), 1);
    for line in lines("inner.txt").lines().filter(|line| !line.starts_with('#')) {
        let [name, first, digits] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let payloads = parse_chain(PayloadType(first.parse().unwrap()), &hex(digits), 0).unwrap();
        seeds.insert(("ikev2_message", format!("{name}-contents")), Message::new(header, payloads).to_bytes());
    }
    for (name, bodies) in made() {
        let message = Message::new(header, bodies.into_iter().map(Payload::from).collect::<Vec<_>>());
        seeds.insert(("ikev2_message", name.into()), message.to_bytes());
    }
    for line in lines("ikev1.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, digits) = line.split_once(' ').unwrap();
        seeds.insert(("ikev1_message", name.into()), hex(digits));
        seeds.insert(("natt_demux", format!("ikev1-{name}")), natt::wrap_ike(&hex(digits)));
    }
    for (name, message) in ikev1::made() {
        seeds.insert(("ikev1_message", name.into()), message.to_bytes());
    }
    seeds.insert(("ikev1_values", "aggressive-1".into()), seeds[&("ikev1_message", "aggressive-1".into())].clone());
    // Octets out of which values are drawn: any will do.
    for name in ["ike-sa-init-request-cbc", "ike-auth-request-cbc-contents"] {
        let octets = seeds[&("ikev2_message", name.into())].clone();
        seeds.insert(("ikev2_values", name.into()), octets);
    }
    let ah = ah::Packet {
        next_header: Protocol::ICMP,
        payload_len: wire::Derived::Computed,
        reserved: 0,
        spi: 0x1001,
        sequence: 1,
        icv: vec![0xA5; 12],
        payload: vec![8, 0, 0xF7, 0xFD, 0, 1, 0, 1],
    };
    seeds.insert(("esp", "ah".into()), ah.to_bytes());
    for (name, octets) in walks() {
        seeds.insert(("replay_window", name.into()), octets);
    }
    for (name, octets) in arrivals() {
        seeds.insert(("data_plane", name.into()), octets);
    }
    seeds
}

/// The payloads that the captures lack.
fn made() -> [(&'static str, Vec<Body>); 5] {
    let encrypted = vec![0xA5; 32];
    let attribute = |attribute_type, value: &[u8]| ConfigurationAttribute {
        reserved: false,
        attribute_type,
        value: value.to_vec(),
    };
    let attributes = vec![attribute(1, &[]), attribute(1, &[10, 0, 0, 1]), attribute(13, &[10, 0, 0, 0, 255, 0, 0, 0])];
    [
        (
            "fragment",
            vec![Body::EncryptedFragment(EncryptedFragment {
                first: PayloadType::ID_INITIATOR,
                number: 1,
                total: 2,
                data: encrypted,
            })],
        ),
        (
            "configuration-and-eap",
            vec![
                Body::Configuration(Configuration { cfg_type: 1, reserved: [0; 3], attributes }),
                Body::Eap(Eap { message: vec![1, 1, 0, 5, 1] }),
            ],
        ),
        (
            "certificates",
            vec![
                Body::Certificate(Certificate { encoding: 4, data: vec![0x30, 0x03, 2, 1, 0] }),
                Body::CertificateRequest(Certificate { encoding: 4, data: vec![0xA5; 20] }),
            ],
        ),
        (
            "deletes",
            vec![
                Body::Delete(Delete::ike()),
                Body::Delete(Delete::child(ProtocolId::ESP, &[0x1001, 0x1002])),
                Body::Notify(Notify::with_spi(ProtocolId::ESP, [0, 0, 0x10, 1], NotifyType::REKEY_SA, [])),
            ],
        ),
        (
            "unknown-payload-and-selector",
            vec![
                Body::Raw { payload_type: PayloadType(200), data: vec![1, 2, 3] },
                Body::TsResponder(TrafficSelectors::new([
                    TrafficSelector::any(std::net::Ipv6Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()),
                    TrafficSelector::Raw { ts_type: 9, protocol: 0, data: vec![0; 12] },
                ])),
            ],
        ),
    ]
}

/// IKEv1 messages with the payloads that the captures lack, as they are inside of encrypted ones.
mod ikev1 {
    use wire::ikev1::*;

    pub(super) fn made() -> Vec<(&'static str, Message)> {
        let message = |bodies: Vec<Body>| {
            let header = Header::new((1, 2), ExchangeType::QUICK, Flags::default(), 3);
            Message::clear(header, bodies.into_iter().map(Payload::from).collect::<Vec<_>>())
        };
        let life = [Attribute::basic(1, 1), Attribute::variable(2, [0, 1, 0x51, 0x80])];
        let mode = [Attribute::basic(4, 1), Attribute::basic(5, 2)];
        let transform = |id| Transform::new(1, id, [&life[..], &mode].concat());
        let bundle = SecurityAssociation::new([
            Proposal::new(1, ProtocolId::AH, [0, 0, 0x10, 1], [transform(3)]),
            Proposal::new(1, ProtocolId::ESP, [0, 0, 0x10, 2], [transform(2), transform(3)]),
        ]);
        let labelled = SecurityAssociation {
            situation: Situation(7),
            labels: [&[0, 0, 0, 9][..], &[0, 1, 0, 0, 5, 0, 0, 0, 0, 9, 0, 0, 1, 2, 0, 0], &[0; 8]].concat(),
            ..bundle.clone()
        };
        let subnet = |net: u8| Identification::new(IdType::IPV4_ADDR_SUBNET, [10, net, 0, 0, 255, 255, 0, 0]);
        let lifetime = [&[0x80, 1, 0, 1][..], &[0, 2, 0, 4, 0, 0, 0x0E, 0x10]].concat();
        let request = [Attribute::variable(1, []), Attribute::basic(16520, 0)];
        vec![
            (
                "quick-bundle",
                message(vec![
                    Body::Hash(vec![0xA5; 20]),
                    Body::SecurityAssociation(bundle),
                    Body::Nonce(vec![0x5A; 16]),
                    Body::Identification(subnet(1)),
                    Body::Identification(subnet(2)),
                    Body::NatOriginalAddress(Identification::new(IdType::IPV4_ADDR, [10, 0, 0, 1])),
                    Body::NatOriginalAddressDraft(Identification::new(IdType::IPV4_ADDR, [10, 0, 0, 2])),
                ]),
            ),
            ("labelled", message(vec![Body::SecurityAssociation(labelled)])),
            (
                "informational",
                message(vec![
                    Body::Hash(vec![0xA5; 20]),
                    Body::Delete(Delete::isakmp((1, 2))),
                    Body::Delete(Delete::ipsec(ProtocolId::ESP, &[0x1001, 0x1002])),
                    Body::Notification(Notification::isakmp((1, 2), NotifyType::R_U_THERE, [0, 0, 0, 1])),
                    Body::Notification(Notification::isakmp((1, 2), NotifyType::RESPONDER_LIFETIME, lifetime)),
                ]),
            ),
            (
                "config-and-fragment",
                message(vec![
                    Body::Attributes(Configuration {
                        cfg_type: 1,
                        reserved: 0,
                        identifier: 7,
                        attributes: request.into(),
                    }),
                    Body::Fragment(Fragment { id: 1, number: 1, flags: Fragment::LAST, data: vec![0xA5; 16] }),
                    Body::Certificate(Certificate { encoding: 4, data: vec![0x30, 0x03, 2, 1, 0] }),
                    Body::CertificateRequest(Certificate { encoding: 4, data: vec![] }),
                    Body::Signature(vec![0xA5; 16]),
                    Body::NatDetectionDraft(vec![0xA5; 20]),
                ]),
            ),
        ]
    }
}

/// Windows and walks: size, kind, first number; then steps.
fn walks() -> [(&'static str, Vec<u8>); 4] {
    let walk = |size: u32, kind: u8, first: u64, steps: &[[u8; 3]]| {
        [&size.to_be_bytes()[..], &[kind], &first.to_be_bytes(), steps.as_flattened()].concat()
    };
    [
        (
            "edges-of-64",
            walk(64, 0, 1000, &[[2, 0, 0], [2, 0, 1], [2, 0, 1], [0, 0, 1], [0x80, 0, 9], [1, 0, 63], [1, 0, 64]]),
        ),
        (
            "jumps-of-1024",
            walk(1024, 1, 5000, &[[4, 0, 16], [3, 0, 9], [1, 3, 0], [5, 1, 0], [1, 0, 1], [6, 0, 0], [7, 0, 1]]),
        ),
        ("subspaces", walk(100, 1, (1 << 32) - 20, &[[0, 0, 30], [1, 0, 40], [1, 0, 99], [1, 0, 100], [6, 0, 3]])),
        ("off", walk(0, 3, 7, &[[0, 0, 0], [1, 0, 7], [0, 0, 5]])),
    ]
}

/// Packets under each SA of the target: one as it is, one with an octet changed, one in fragments.
fn arrivals() -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        "esp-gcm-tunnel",
        "esp-cbc-esn-tunnel",
        "esp-null-transport",
        "esp-chacha-udp-v6",
        "ah-sha1-tunnel",
        "ah-sha256-esn-transport-v6",
        "esp-spaces-v6",
        "esp-no-integrity",
        "esp-gmac-off-transport-v6",
        "ah-xcbc-transport",
    ];
    let of = |sa: u8| {
        let whole = [1, sa, 0, 0, 3, 14, 0];
        let changed = [1, sa, 0, 0, 3, 15, 0x10, 0, 60, 1];
        let wrong = [1, sa, 0, 0, 3, 14, 1, 1, 200];
        let fragments = [2, sa, 0, 0, 3, 66, 0, 16, 0x41, 0, 3, 40];
        [&whole[..], &changed, &wrong, &fragments].concat()
    };
    let mut arrivals: Vec<_> = names.into_iter().zip(0..).map(|(name, sa)| (name, of(sa))).collect();
    arrivals.push(("raw", [0, 20, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 50, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 255].to_vec()));
    arrivals
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One test for all, since what is allocated is counted for the whole process.
#[test]
fn replay() {
    let targets: [(&str, Target); 9] = [
        ("ikev1_message", counterpeer_fuzz::ikev1_message),
        ("ikev1_values", |data| {
            let message = arbitrary::Unstructured::new(data).arbitrary().unwrap();
            counterpeer_fuzz::ikev1_values(&message);
        }),
        ("ikev2_message", counterpeer_fuzz::ikev2_message),
        ("ikev2_values", |data| {
            let message = arbitrary::Unstructured::new(data).arbitrary().unwrap();
            counterpeer_fuzz::ikev2_values(&message);
        }),
        ("esp", counterpeer_fuzz::esp),
        ("natt_demux", counterpeer_fuzz::natt_demux),
        ("ip_packet", counterpeer_fuzz::ip_packet),
        ("replay_window", counterpeer_fuzz::replay_window),
        ("data_plane", counterpeer_fuzz::data_plane),
    ];
    let expected = seeds();
    for (name, target) in targets {
        let mut files: Vec<_> =
            fs::read_dir(here("corpus").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no seeds");
        for file in files {
            println!("{}", file.display());
            let data = fs::read(&file).unwrap();
            // As it is, cut anywhere, and with each octet changed.
            for end in 0..=data.len() {
                target(&data[..end]);
            }
            for at in 0..data.len() {
                for octet in [0, 0xFF, data[at].wrapping_add(1), data[at] ^ 0x80] {
                    let mut data = data.clone();
                    data[at] = octet;
                    target(&data);
                }
            }
        }
    }
    for ((target, name), data) in expected {
        assert_eq!(fs::read(here("corpus").join(target).join(&name)).ok(), Some(data), "{target}/{name}");
    }
    assert_eq!(fs::read_to_string(here("ikev2.dict")).unwrap(), counterpeer_fuzz::dictionary());
}

#[test]
#[ignore = "writes the seeds and the dictionary"]
fn write() {
    for ((target, name), data) in seeds() {
        let folder = here("corpus").join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), data).unwrap();
    }
    fs::write(here("ikev2.dict"), counterpeer_fuzz::dictionary()).unwrap();
}
