//! The transforms against what others have made: real gateways, the Linux kernel, and scapy.

use crypto::{Encryption, Integrity};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use wire::ip::Packet;
use wire::{icmpv4, icmpv6};

use super::inbound::{InboundSa, Incoming};
use super::outbound::{OutboundSa, Protection};
use super::sa::{Protocol, SaParameters};
use super::sad::Sad;
use super::sequence::Numbering;
use super::tests::NOW;
use crate::config::Mode;
use crate::deviation::DeviationSet;
use crate::hands::Honest;

fn hex(text: &str) -> Vec<u8> {
    let digits = if text == "-" { "" } else { text };
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

fn parameters(spi: u32, encryption: Encryption, key: &str, integrity: &str, auth: &str) -> SaParameters {
    let integrity = Integrity::from_iana(integrity.parse().unwrap()).unwrap();
    SaParameters::new(spi, [192, 0, 2, 1].into(), [198, 51, 100, 1].into())
        .with_keys((encryption, &hex(key)), (integrity, &hex(auth)))
}

fn encryption(id: &str, bits: &str) -> Encryption {
    let bits = Some(bits.parse().unwrap()).filter(|&bits: &u16| bits > 0);
    Encryption::from_iana(id.parse().unwrap(), bits).unwrap()
}

#[test]
fn packets_of_real_gateways() {
    let mut count = 0;
    for line in lines(include_str!("fixtures/captured.txt")) {
        let [run, cipher, bits, key, integrity, auth, packet, inner] = line[..] else { panic!("{line:?}") };
        let (packet, inner) = (hex(packet), hex(inner));
        let spi = u32::from_be_bytes(packet[28..32].try_into().unwrap());
        let parameters = parameters(spi, encryption(cipher, bits), key, integrity, auth);

        let mut sad = Sad::default();
        sad.insert_inbound(InboundSa::new(parameters.clone(), NOW).unwrap()).unwrap();
        let received = sad.receive(NOW, &packet, 4500).unwrap().unwrap();
        assert_eq!(received.packet, inner, "{run}");

        // What they sent is what we send, given the same number and IV.
        let mut outbound = OutboundSa::new(parameters, NOW).unwrap();
        outbound.counter_mut().preset(0, received.sequence - 1);
        let iv = &packet[36..36 + encryption(cipher, bits).iv_len()];
        let mut esp = Vec::new();
        outbound.seal_into(&inner, 4, iv, &mut esp).unwrap();
        assert_eq!(esp, packet[28..], "{run}");
        count += 1;
    }
    assert_eq!(count, 16);
}

/// An echo request with right checksums.
fn is_ping(packet: &[u8]) -> bool {
    match Packet::parse(packet).unwrap() {
        Packet::V4(packet) => {
            let message = icmpv4::Packet::parse(&packet.payload).unwrap();
            packet.is_intact() && message.is_intact() && matches!(message.message, icmpv4::Message::EchoRequest(_))
        }
        Packet::V6(packet) => {
            let message = icmpv6::Packet::parse(&packet.payload, packet.source, packet.destination).unwrap();
            let intact = message.is_intact(packet.source, packet.destination);
            intact && matches!(message.message, icmpv6::Message::EchoRequest(_))
        }
    }
}

#[test]
fn packets_of_the_linux_kernel() {
    let mut seen = std::collections::BTreeSet::new();
    for line in lines(include_str!("fixtures/linux.txt")) {
        let [protocol, mode, esn, high, cipher, bits, key, integrity, auth, packet] = line[..] else {
            panic!("{line:?}")
        };
        let packet = hex(packet);
        let incoming = Incoming::parse(&packet, 4500, &DeviationSet::default()).unwrap().unwrap();
        let mut parameters = parameters(incoming.spi, encryption(cipher, bits), key, integrity, auth);
        parameters.protocol = if protocol == "ah" { Protocol::Ah } else { Protocol::Esp };
        parameters.mode = if mode == "transport" { Mode::Transport } else { Mode::Tunnel };
        parameters.numbering = if esn == "1" { Numbering::Extended } else { Numbering::Plain };
        let sequence = high.parse::<u64>().unwrap() << 32 | u64::from(incoming.sequence);

        let mut inbound = InboundSa::new(parameters.clone(), NOW).unwrap();
        inbound.preset(sequence - 1);
        let received = inbound.clone().receive(NOW, &incoming).unwrap();
        assert!(is_ping(&received.packet), "{line:?}");
        assert_eq!(received.sequence, sequence);

        let mut outbound = OutboundSa::new(parameters, NOW).unwrap();
        outbound.counter_mut().preset(0, sequence - 1);
        if protocol == "esp" {
            let plain = inbound.unprotect(NOW, incoming.body).unwrap();
            let iv = &incoming.body[8..8 + encryption(cipher, bits).iv_len()];
            let mut esp = Vec::new();
            outbound.seal_into(&plain.payload, plain.next_header, iv, &mut esp).unwrap();
            assert_eq!(esp, incoming.body, "{line:?}");
        } else if mode == "transport" {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let made = outbound.protect(NOW, &received.packet, Protection::default(), &mut rng, &mut Honest);
            let made = made.unwrap().unwrap();
            assert_eq!(made.len(), packet.len());
            // Over IPv6 longer ICVs are padded, by the kernel with octets of any value, which enter the ICV.
            let padded = !incoming.outer.is_v4() && packet[41] != 4;
            assert_eq!(made == packet, !padded, "{line:?}");
        }
        seen.insert((protocol, cipher, bits, integrity, esn));
    }
    let aead = 2 * (9 + 9 + 3 + 1);
    assert!(seen.len() >= aead + 2 * (3 * 7) && seen.iter().filter(|line| line.0 == "ah").count() == 2 * 7);
}

#[test]
fn esp_as_scapy_makes_it() {
    let mut seen = std::collections::BTreeSet::new();
    for line in lines(include_str!("fixtures/scapy.txt")).filter(|line| line[0] == "esp") {
        let [_, cipher, bits, key, integrity, auth, spi, sequence, esn, next_header, iv, payload, esp] = line[..]
        else {
            panic!("{line:?}")
        };
        let sequence: u64 = sequence.parse().unwrap();
        let mut parameters = parameters(spi.parse().unwrap(), encryption(cipher, bits), key, integrity, auth);
        parameters.numbering = if esn == "1" { Numbering::Extended } else { Numbering::Plain };
        let next_header = next_header.parse().unwrap();

        let mut outbound = OutboundSa::new(parameters.clone(), NOW).unwrap();
        outbound.counter_mut().preset(0, sequence - 1);
        let mut made = Vec::new();
        assert_eq!(outbound.seal_into(&hex(payload), next_header, &hex(iv), &mut made), Ok(sequence));
        assert_eq!(made, hex(esp), "{line:?}");

        let mut inbound = InboundSa::new(parameters, NOW).unwrap();
        inbound.preset(sequence - 1);
        let plain = inbound.unprotect(NOW, &hex(esp)).unwrap();
        assert_eq!((plain.payload, plain.next_header, plain.sequence), (hex(payload), next_header, sequence));
        seen.insert((cipher, integrity));
    }
    assert_eq!(
        seen.len(),
        5 * 6 + 3 + 2,
        "six integrity algorithms with each of five ciphers, and five combined modes"
    );
}

#[test]
fn ah_as_scapy_makes_it() {
    let mut count = 0;
    for line in lines(include_str!("fixtures/scapy.txt")).filter(|line| line[0] == "ah") {
        let [_, integrity, auth, spi, sequence, esn, before, after] = line[..] else { panic!("{line:?}") };
        let sequence: u64 = sequence.parse().unwrap();
        let mut parameters = parameters(spi.parse().unwrap(), Encryption::Null, "-", integrity, auth);
        (parameters.protocol, parameters.mode) = (Protocol::Ah, Mode::Transport);
        parameters.numbering = if esn == "1" { Numbering::Extended } else { Numbering::Plain };

        let mut outbound = OutboundSa::new(parameters.clone(), NOW).unwrap();
        outbound.counter_mut().preset(0, sequence - 1);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let made = outbound.protect(NOW, &hex(before), Protection::default(), &mut rng, &mut Honest).unwrap().unwrap();
        assert_eq!(made, hex(after), "{line:?}");

        let mut inbound = InboundSa::new(parameters, NOW).unwrap();
        inbound.preset(sequence - 1);
        let mut sad = Sad::default();
        sad.insert_inbound(inbound).unwrap();
        let received = sad.receive(NOW, &hex(after), 4500).unwrap().unwrap();
        assert_eq!((received.packet, received.sequence), (hex(before), sequence));
        count += 1;
    }
    assert_eq!(count, 48, "six algorithms, four kinds of packet, with and without ESN");
}
