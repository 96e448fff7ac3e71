//! The data plane as a whole: every transform, in both modes, there and back.

use crypto::{Encryption, Integrity};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::drops::DropReason;
use super::header::checksum;
use super::inbound::InboundSa;
use super::outbound::{OutboundSa, Protection};
use super::sa::{Protocol, SaParameters, UdpPorts};
use super::sad::Sad;
use super::sequence::Numbering;
use crate::Instant;
use crate::config::Mode;
use crate::hands::Honest;

pub(super) const NOW: Instant = Instant::START;

/// Every combination of cipher and integrity algorithm that has an integrity service.
pub(super) fn transforms() -> Vec<(Encryption, Integrity)> {
    let mut transforms = Vec::new();
    for encryption in Encryption::ALL {
        for integrity in Integrity::ALL {
            if encryption.is_aead() == (integrity == Integrity::None) {
                transforms.push((encryption, integrity));
            }
        }
    }
    transforms
}

pub(super) fn parameters((encryption, integrity): (Encryption, Integrity), seed: u64) -> SaParameters {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut key = vec![0; encryption.key_material_len()];
    let mut auth = vec![0; integrity.key_len()];
    rng.fill_bytes(&mut key);
    rng.fill_bytes(&mut auth);
    SaParameters::new(0x0102_0304, [192, 0, 2, 1].into(), [198, 51, 100, 1].into())
        .with_keys((encryption, &key), (integrity, &auth))
}

/// A UDP datagram in IPv4 from 10.1.0.1 to 10.2.0.1.
pub(super) fn datagram(data: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 63, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
    packet.extend_from_slice(&[0x30, 0x39, 0xd4, 0x31, 0, 0, 0, 0]);
    packet.extend_from_slice(data);
    let total = packet.len() as u16;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet[24..26].copy_from_slice(&(total - 20).to_be_bytes());
    let sum = checksum(&[&packet[..20]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

pub(super) fn pair(parameters: SaParameters) -> (OutboundSa, Sad) {
    let mut sad = Sad::default();
    let outbound = OutboundSa::new(parameters.clone(), NOW).unwrap();
    let mut inbound = parameters;
    inbound.selectors = inbound.selectors.reversed();
    sad.insert_inbound(InboundSa::new(inbound, NOW).unwrap()).unwrap();
    (outbound, sad)
}

fn send(sa: &mut OutboundSa, packet: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(sa.usage().packets);
    sa.protect(NOW, packet, Protection::default(), &mut rng, &mut Honest).unwrap().unwrap()
}

#[test]
fn every_transform_there_and_back() {
    for (seed, transform) in transforms().into_iter().enumerate() {
        for mode in [Mode::Tunnel, Mode::Transport] {
            for udp in [None, Some(UdpPorts::new(4500, 4500))] {
                for numbering in [Numbering::Plain, Numbering::Extended, Numbering::Spaces] {
                    let mut parameters = parameters(transform, seed as u64);
                    (parameters.mode, parameters.udp, parameters.numbering) = (mode, udp, numbering);
                    let (mut outbound, mut sad) = pair(parameters);
                    for len in [0, 1, 15, 16, 17, 1400] {
                        let packet = datagram(&vec![0x5a; len]);
                        let sent = send(&mut outbound, &packet);
                        let received = sad.receive(NOW, &sent, 4500).unwrap().unwrap();
                        match mode {
                            Mode::Tunnel => assert_eq!(received.packet, packet),
                            Mode::Transport => assert_eq!(received.packet, packet),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn authentication_header_there_and_back() {
    for integrity in Integrity::ALL.into_iter().skip(1) {
        for mode in [Mode::Tunnel, Mode::Transport] {
            for numbering in [Numbering::Plain, Numbering::Extended] {
                let mut parameters = parameters((Encryption::Null, integrity), 1);
                (parameters.protocol, parameters.mode, parameters.numbering) = (Protocol::Ah, mode, numbering);
                let (mut outbound, mut sad) = pair(parameters);
                let packet = datagram(b"octets");
                let mut sent = send(&mut outbound, &packet);
                assert_eq!(sent[9], 51);
                // A router on the way changes what it may change.
                super::header::set_hop_limit(&mut sent, 7);
                let received = sad.receive(NOW, &sent, 4500).unwrap().unwrap();
                assert_eq!(received.packet[20..], packet[20..]);
            }
        }
    }
}

proptest! {
    #[test]
    fn one_flipped_bit_is_never_accepted(which in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let transforms = transforms();
        let (mut outbound, mut sad) = pair(parameters(transforms[which.index(transforms.len())], 5));
        let mut sent = send(&mut outbound, &datagram(&[7; 33]));
        // Outer addresses and such are not ESP's to protect: from the SPI on.
        let bit = 20 * 8 + bit.index((sent.len() - 20) * 8);
        sent[bit / 8] ^= 0x80 >> (bit % 8);
        let dropped = sad.receive(NOW, &sent, 4500).unwrap_err();
        prop_assert!(matches!(
            dropped.reason,
            DropReason::BadIcv | DropReason::UnknownSpi | DropReason::ReplayDuplicate | DropReason::ReplayTooOld
        ));
    }

    #[test]
    fn any_octets_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..200), which in any::<prop::sample::Index>()) {
        let transforms = transforms();
        let (_, mut sad) = pair(parameters(transforms[which.index(transforms.len())], 5));
        let _ = sad.receive(NOW, &octets, 4500);
        let mut esp = 0x0102_0304_u32.to_be_bytes().to_vec();
        esp.extend_from_slice(&octets);
        prop_assert!(sad.inbound_mut(0x0102_0304).unwrap().unprotect(NOW, &esp).is_err());
    }
}
