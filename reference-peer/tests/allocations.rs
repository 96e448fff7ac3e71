//! Packet after packet costs no allocation: what one SA, or the database, has asked for once is used again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crypto::{Encryption, Integrity};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use reference_peer::Instant;
use reference_peer::config::Mode;
use reference_peer::hands::Honest;
use reference_peer::ipsec::inbound::InboundSa;
use reference_peer::ipsec::outbound::{Buffers, OutboundSa, Protection};
use reference_peer::ipsec::sa::{Protocol, SaParameters, UdpPorts};
use reference_peer::ipsec::sad::Sad;
use reference_peer::ipsec::sequence::Numbering;

const NOW: Instant = Instant::START;
const SPI: u32 = 0x0102_0304;
const PACKETS: usize = 200;

fn parameters(protocol: Protocol, encryption: Encryption, integrity: Integrity, v6: bool) -> SaParameters {
    let (source, destination) = match v6 {
        false => ([192, 0, 2, 1].into(), [198, 51, 100, 1].into()),
        true => ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
    };
    let mut parameters = SaParameters::new(SPI, source, destination)
        .with_keys((encryption, &vec![7; encryption.key_material_len()]), (integrity, &vec![9; integrity.key_len()]));
    (parameters.protocol, parameters.numbering) = (protocol, Numbering::Extended);
    parameters
}

fn inner(v6: bool) -> Vec<u8> {
    let protocol = wire::ip::Protocol(253);
    if v6 {
        let [source, destination] = ["2001:db8:1::1", "2001:db8:2::1"].map(|text| text.parse().unwrap());
        wire::ipv6::Packet::new(source, destination, protocol, [0x5a; 1400]).to_bytes()
    } else {
        wire::ipv4::Packet::new([10, 1, 0, 1].into(), [10, 2, 0, 1].into(), protocol, [0x5a; 1400]).to_bytes()
    }
}

/// Allocations and reallocations of what this thread does: that which runs the tests has its own at any time.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

/// Seals and opens by the ordinary path; what is sent twice or was changed is dropped.
fn ordinary(parameters: &SaParameters, packet: &[u8]) -> u64 {
    let mut outbound = OutboundSa::new(parameters.clone(), NOW).unwrap();
    let mut sad = Sad::default();
    sad.insert_inbound(InboundSa::new(parameters.clone(), NOW).unwrap()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut buffers = Buffers::default();
    let mut turn = || {
        let how = Protection::default();
        assert!(outbound.protect_into(NOW, packet, how, &mut rng, &mut Honest, &mut buffers).unwrap());
        let sent = &mut buffers.packet;
        let last = sent.len() - 1;
        sent[last] ^= 1;
        assert!(sad.receive(NOW, sent, 4500).is_err());
        sent[last] ^= 1;
        let received = sad.receive(NOW, sent, 4500).unwrap().unwrap();
        assert_eq!(received.packet.len(), packet.len());
        sad.recycle(received.packet);
        assert!(sad.receive(NOW, sent, 4500).is_err());
    };
    turn();
    allocations(|| (0..PACKETS).for_each(|_| turn()))
}

/// Seals and opens ESP alone.
fn lean(parameters: &SaParameters) -> u64 {
    let mut outbound = OutboundSa::new(parameters.clone(), NOW).unwrap();
    let mut inbound = InboundSa::new(parameters.clone(), NOW).unwrap();
    let iv_len = parameters.encryption.iv_len();
    let mut esp = Vec::new();
    let mut turn = |count: usize| {
        let iv = (count as u128).to_be_bytes();
        outbound.seal_into(&[0x45; 1400], 4, &iv[16 - iv_len..], &mut esp).unwrap();
        assert_eq!(inbound.open_in_place(NOW, &mut esp).unwrap().payload.len(), 1400);
    };
    turn(0);
    allocations(|| (1..=PACKETS).for_each(turn))
}

#[test]
fn nothing_is_allocated_for_each_packet() {
    assert_eq!(allocations(|| drop(vec![0_u8; 10])), 1, "the counter counts");
    let mut found = Vec::new();
    for encryption in Encryption::ALL {
        for integrity in Integrity::ALL {
            if encryption.is_aead() == (integrity == Integrity::None) {
                let parameters = parameters(Protocol::Esp, encryption, integrity, false);
                let udp = SaParameters { udp: Some(UdpPorts::new(4500, 4500)), ..parameters.clone() };
                let transport = SaParameters { mode: Mode::Transport, ..parameters.clone() };
                let count = [&parameters, &udp, &transport].map(|parameters| ordinary(parameters, &inner(false)));
                found.push((format!("{encryption} {integrity}"), count.into_iter().sum::<u64>() + lean(&parameters)));
            }
        }
    }
    for integrity in Integrity::ALL.into_iter().skip(1) {
        for (v6, mode) in
            [(false, Mode::Tunnel), (false, Mode::Transport), (true, Mode::Tunnel), (true, Mode::Transport)]
        {
            let parameters = SaParameters { mode, ..parameters(Protocol::Ah, Encryption::Null, integrity, v6) };
            found.push((format!("AH {integrity} {mode:?}"), ordinary(&parameters, &inner(v6))));
        }
    }
    found.retain(|(_, count)| *count > 0);
    assert_eq!(found, []);
}
