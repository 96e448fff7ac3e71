//! Scapy as a second opinion: it opens what the peer seals, and the peer opens what scapy seals.
//!
//! Every transform that both have, ESP and AH, tunnel and transport mode, IPv4 and IPv6, with and without UDP. Scapy 2.5
//! leaves the high half of an extended sequence number out of the separate ICV of ESP, against RFC 4303 section 2.2.1:
//! extended numbers are tried with combined modes and AH alone. It has no AES-XCBC-MAC, no AES-GMAC, and AES-GCM with
//! 16 octets of ICV alone.
//!
//! Wants a Python with scapy (Debian: `python3-scapy`). Without it the test says so and passes, unless `CI` is set.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Write, stderr};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use crypto::{Encryption, Integrity, KeyBits};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use reference_peer::Instant;
use reference_peer::config::Mode;
use reference_peer::hands::Honest;
use reference_peer::ipsec::inbound::InboundSa;
use reference_peer::ipsec::outbound::{OutboundSa, Protection};
use reference_peer::ipsec::sa::{Protocol, SaParameters, UdpPorts};
use reference_peer::ipsec::sad::Sad;
use reference_peer::ipsec::sequence::Numbering;

const NOW: Instant = Instant::START;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scapy_oracle.py");

/// A Python that has scapy. Debian's packages are for its own Python, which need not be the first on the path.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let tried = Command::new(python).args(["-c", "import scapy.layers.ipsec"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    })
}

/// Scapy's answers to tasks, in their order.
fn scapy(python: &str, tasks: &[String]) -> Vec<String> {
    let mut child = Command::new(python).arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = tasks.join("\n") + "\n";
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), tasks.len());
    answers
}

fn cipher(encryption: Encryption) -> Option<&'static str> {
    Some(match encryption {
        Encryption::Null => "NULL",
        Encryption::Des => "DES",
        Encryption::TripleDes => "3DES",
        Encryption::AesCbc(_) => "AES-CBC",
        Encryption::AesCtr(_) => "AES-CTR",
        Encryption::AesCcm8(_) | Encryption::AesCcm12(_) | Encryption::AesCcm16(_) => "AES-CCM",
        Encryption::AesGcm16(_) => "AES-GCM",
        Encryption::ChaCha20Poly1305 => "CHACHA20-POLY1305",
        _ => return None,
    })
}

fn integrity(integrity: Integrity) -> Option<&'static str> {
    Some(match integrity {
        Integrity::None => "-",
        Integrity::HmacMd5_96 => "HMAC-MD5-96",
        Integrity::HmacSha1_96 => "HMAC-SHA1-96",
        Integrity::AesCmac96 => "AES-CMAC-96",
        Integrity::HmacSha256_128 => "SHA2-256-128",
        Integrity::HmacSha384_192 => "SHA2-384-192",
        Integrity::HmacSha512_256 => "SHA2-512-256",
        Integrity::AesXcbc96 => return None,
    })
}

fn hex(octets: &[u8]) -> String {
    if octets.is_empty() { "-".into() } else { octets.iter().map(|octet| format!("{octet:02x}")).collect() }
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// One SA, a packet, and its number.
struct Case {
    sa: SaParameters,
    sequence: u64,
    inner: Vec<u8>,
}

impl Case {
    fn task(&self, operation: &str, packet: &[u8]) -> String {
        let SaParameters { encryption, integrity: auth, .. } = self.sa;
        let esp = self.sa.protocol == Protocol::Esp;
        let none = || "-".to_owned();
        let fields = [
            if esp { "ESP".into() } else { "AH".into() },
            if esp { cipher(encryption).unwrap().into() } else { none() },
            hex(&self.sa.encryption_key),
            if encryption.is_aead() { encryption.icv_len().to_string() } else { none() },
            integrity(auth).unwrap().into(),
            hex(&self.sa.integrity_key),
            self.sa.spi.to_string(),
            (self.sequence as u32).to_string(),
            if self.sa.numbering == Numbering::Extended { (self.sequence >> 32).to_string() } else { none() },
            if self.sa.mode == Mode::Tunnel { format!("{},{}", self.sa.source, self.sa.destination) } else { none() },
            self.sa.udp.map_or_else(none, |udp| udp.source.to_string()),
            hex(packet),
        ];
        format!("{operation} {}", fields.join(" "))
    }

    fn name(&self) -> String {
        let SaParameters { protocol, mode, encryption, integrity, numbering, udp, source, .. } = &self.sa;
        format!(
            "{protocol:?} {mode:?} {encryption} {integrity} {numbering:?} {udp:?} from {source}, {}",
            hex(&self.inner)
        )
    }

    fn seal(&self) -> Vec<u8> {
        let mut outbound = OutboundSa::new(self.sa.clone(), NOW).unwrap();
        outbound.counter_mut().preset(0, self.sequence - 1);
        let mut rng = ChaCha8Rng::seed_from_u64(self.sequence);
        outbound.protect(NOW, &self.inner, Protection::default(), &mut rng, &mut Honest).unwrap().unwrap()
    }

    fn open(&self, packet: &[u8]) -> Result<Vec<u8>, String> {
        let mut inbound = InboundSa::new(self.sa.clone(), NOW).unwrap();
        inbound.preset(self.sequence - 1);
        let mut sad = Sad::default();
        sad.insert_inbound(inbound).unwrap();
        let received = sad.receive(NOW, packet, 4500).map_err(|dropped| dropped.reason.to_string())?;
        received.map(|received| received.packet).ok_or_else(|| "not taken for IPsec".into())
    }
}

fn packets(v6: bool, count: usize) -> Vec<Vec<u8>> {
    let udp = |data: &[u8]| [&[0x30, 0x39, 0xd4, 0x31, 0, 8 + data.len() as u8, 0, 0], data].concat();
    let data: Vec<u8> = (0..count as u8).collect();
    if v6 {
        let [source, destination] = ["2001:db8:1::1", "2001:db8:2::1"].map(|text| text.parse().unwrap());
        let packet = wire::ipv6::Packet::new(source, destination, wire::ip::Protocol(253), data);
        let mut with_options = packet.clone();
        with_options.extensions.push(wire::ipv6::ExtensionBody::HopByHop(vec![5, 2, 0, 0, 0x3e, 0]).into());
        vec![packet.to_bytes(), with_options.to_bytes()]
    } else {
        let [source, destination] = [[10, 1, 0, 1], [10, 2, 0, 1]].map(Into::into);
        let packet = wire::ipv4::Packet::new(source, destination, wire::ip::Protocol::UDP, udp(&data));
        let mut with_options = packet.clone();
        // Record route, which AH takes as zeros, and router alert, which it takes as it stands.
        with_options.options = vec![7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0];
        vec![packet.to_bytes(), with_options.to_bytes()]
    }
}

fn cases() -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut key = |len| {
        let mut key = vec![0; len];
        rng.fill_bytes(&mut key);
        key
    };
    let mut cases = Vec::new();
    for protocol in [Protocol::Esp, Protocol::Ah] {
        for encryption in Encryption::ALL.into_iter().filter(|encryption| cipher(*encryption).is_some()) {
            for auth in Integrity::ALL.into_iter().filter(|auth| integrity(*auth).is_some()) {
                let combined = encryption.is_aead();
                let fits = combined == (auth == Integrity::None);
                if !fits || protocol == Protocol::Ah && encryption != Encryption::Null {
                    continue;
                }
                let keys = (key(encryption.key_material_len()), key(auth.key_len()));
                for (mode, inner_v6, outer_v6) in [
                    (Mode::Tunnel, false, false),
                    (Mode::Tunnel, true, false),
                    (Mode::Tunnel, false, true),
                    (Mode::Tunnel, true, true),
                    (Mode::Transport, false, false),
                    (Mode::Transport, true, true),
                ] {
                    let ends: [IpAddr; 2] = match outer_v6 {
                        false => ["192.0.2.1", "198.51.100.1"],
                        true => ["2001:db8::1", "2001:db8::2"],
                    }
                    .map(|text| text.parse().unwrap());
                    let sa = SaParameters { protocol, mode, ..SaParameters::new(0x0102_0304, ends[0], ends[1]) }
                        .with_keys((encryption, &keys.0), (auth, &keys.1));
                    // Over IPv6 scapy sends UDP without a checksum, which RFC 8200 section 8.1 forbids.
                    let in_udp = protocol == Protocol::Esp && !outer_v6;
                    let udp = in_udp.then(|| UdpPorts::new(4500, 4500));
                    for inner in packets(inner_v6, 13).into_iter().chain(packets(inner_v6, 16)) {
                        let mut add = |sa: SaParameters, sequence| {
                            cases.push(Case { sa, sequence, inner: inner.clone() });
                        };
                        add(sa.clone(), 1);
                        add(SaParameters { udp, ..sa.clone() }, 0xffff_ffff);
                        if combined || protocol == Protocol::Ah {
                            add(SaParameters { numbering: Numbering::Extended, ..sa.clone() }, (7 << 32) + 0x8000_0001);
                        }
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn scapy_and_the_peer_open_what_the_other_seals() {
    let Some(python) = python() else {
        let why = "NOT TESTED: no Python with scapy here (Debian: apt-get install python3-scapy)";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        // Past the harness, which would keep a test's output to itself.
        let _ = writeln!(stderr(), "\n{why}\n");
        return;
    };
    let cases = cases();
    assert!(cases.iter().any(|case| case.sa.encryption == Encryption::AesGcm16(KeyBits::B256)));
    let tasks: Vec<_> =
        cases.iter().flat_map(|case| [case.task("open", &case.seal()), case.task("seal", &case.inner)]).collect();
    let answers = scapy(python, &tasks);
    let mut wrong = Vec::new();
    for (case, answers) in cases.iter().zip(answers.chunks(2)) {
        if answers[0] != hex(&case.inner) {
            wrong.push(format!("scapy opens {}\n    as {}", case.name(), answers[0]));
        }
        match octets(&answers[1]).map(|sealed| case.open(&sealed)) {
            Some(Ok(opened)) if opened == case.inner => {}
            opened => wrong.push(format!("the peer opens {}\n    as {opened:02x?} from {}", case.name(), answers[1])),
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), tasks.len(), wrong[..wrong.len().min(20)].join("\n"));
}
