#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crypto::{Encryption, Integrity, Prf};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wire::ikev2::{Authentication, Delete, ExchangeType, Flags, Header, IdType, Identification, NotifyType};

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn keys(encryption: (u16, u16), integrity: Option<u16>, spis: (u64, u64)) -> IkeKeys {
    let encryption = Encryption::from_iana(encryption.0, Some(encryption.1)).unwrap();
    let integrity = integrity.map(|id| Integrity::from_iana(id).unwrap());
    let key = |fill: u8, len: usize| vec![fill; len];
    let (cipher, mac) = (encryption.key_material_len(), integrity.map_or(0, Integrity::key_len));
    IkeKeys {
        spis,
        encryption,
        integrity,
        prf: Prf::HmacSha1,
        sk_d: vec![],
        sk_ai: key(1, mac),
        sk_ar: key(2, mac),
        sk_ei: key(3, cipher),
        sk_er: key(4, cipher),
        sk_pi: vec![],
        sk_pr: vec![],
    }
}

/// Payload types of the protected messages of a capture, opened.
fn opened(capture: &str, keys: &IkeKeys) -> Vec<Vec<PayloadType>> {
    let mut messages = vec![];
    for raw in capture.lines().map(octets) {
        let message = Message::parse(&raw).unwrap();
        if message.is_protected() {
            let opened = open(keys, message.header.flags.initiator(), &message, &raw).unwrap();
            messages.push(opened.payloads.unwrap().iter().map(|payload| payload.body.payload_type()).collect());
        }
    }
    messages
}

#[test]
fn captured_aes_cbc_with_hmac_sha1() {
    let keys = IkeKeys {
        sk_ei: octets("3db5d157ab868982addae551010d4923"),
        sk_er: octets("fae94631589cdf37ff48754d70bfa242"),
        sk_ai: octets("3c8defb97715a524779c204b78ec7a9a7ea7fbd4"),
        sk_ar: octets("05b608ae14435eb2a1b1f7494ec03df430e45c9c"),
        ..keys((12, 128), Some(2), (0x58fd_a70f_64a2_44bf, 0x8f79_6302_7c48_f602))
    };
    let messages = opened(include_str!("testdata/v2cbc.hex"), &keys);
    assert!(messages.len() >= 2, "IKE_AUTH both ways");
    for (message, id) in messages.iter().zip([PayloadType::ID_INITIATOR, PayloadType::ID_RESPONDER]) {
        assert_eq!(message[0], id);
        assert!(message.contains(&PayloadType::AUTHENTICATION));
        assert!(message.contains(&PayloadType::TS_RESPONDER));
    }
}

#[test]
fn captured_aes_gcm() {
    let keys = IkeKeys {
        sk_ei: octets("c28b8ca167ffa5a816e00195012add10c70574d0"),
        sk_er: octets("fb5a5ba585e28c586e6c3c4805a5c3e1777c71f0"),
        ..keys((20, 128), None, (0xf781_9c1b_840c_9bb8, 0x448c_45be_8805_9a1c))
    };
    let messages = opened(include_str!("testdata/v2gcm.hex"), &keys);
    assert!(messages.len() >= 2, "IKE_AUTH both ways");
    assert!(messages.iter().take(2).all(|message| message.contains(&PayloadType::SECURITY_ASSOCIATION)));
}

fn draft(inner: Vec<Payload>) -> Draft {
    Draft {
        header: Header::new((1, 2), ExchangeType::INFORMATIONAL, Flags::new(true, false), 7),
        clear: vec![],
        inner: Some(inner),
        inner_trailing: vec![],
        padding: None,
        pad_length: None,
        iv: None,
        repair_auth: false,
    }
}

#[test]
fn any_padding_that_aligns_is_read() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for keys in [keys((12, 256), Some(12), (1, 2)), keys((20, 256), None, (1, 2))] {
        for length in (0..=255usize).filter(|length| (length + 1) % 16 == 0) {
            let padding = vec![0xA5; length];
            let draft = Draft { padding: Some(padding.clone()), ..draft(vec![]) };
            let raw = seal(&keys, true, &draft, &mut rng).unwrap().to_bytes();
            let opened = open(&keys, true, &Message::parse(&raw).unwrap(), &raw).unwrap();
            assert_eq!((opened.padding, opened.payloads), (padding, Ok(vec![])));
        }
    }
}

#[test]
fn a_pad_length_beyond_the_contents_is_an_error() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keys = keys((12, 128), Some(2), (1, 2));
    let draft = Draft { pad_length: Some(200), ..draft(vec![]) };
    let raw = seal(&keys, true, &draft, &mut rng).unwrap().to_bytes();
    assert_eq!(open(&keys, true, &Message::parse(&raw).unwrap(), &raw), Err(OpenError::PadLength(200)));
}

#[test]
fn fragments_join_to_the_whole() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keys = keys((20, 128), None, (1, 2));
    let id = Identification { id_type: IdType::FQDN, reserved: [0; 3], data: vec![b'x'; 300] };
    let auth = Authentication { method: wire::ikev2::AuthMethod(2), reserved: [0; 3], data: vec![7; 20] };
    let inner: Vec<Payload> = vec![Body::IdInitiator(id).into(), Body::Authentication(auth).into()];
    let mut whole = vec![];
    let mut first = PayloadType::NONE;
    let messages = seal_fragments(&keys, true, &draft(inner.clone()), 100, &mut rng).unwrap();
    assert_eq!(messages.len(), 4);
    for (index, message) in messages.iter().enumerate() {
        let raw = message.to_bytes();
        let opened = open(&keys, true, &Message::parse(&raw).unwrap(), &raw).unwrap();
        assert_eq!(opened.fragment, Some((index as u16 + 1, 4)));
        if index == 0 {
            first = opened.first;
        }
        whole.extend(opened.plaintext);
    }
    assert_eq!(wire::ikev2::parse_chain(first, &whole, 0), Ok(inner));
}

proptest! {
    #[test]
    fn a_flipped_bit_is_noticed(position in any::<prop::sample::Index>(), bit in 0u8..8, aead in any::<bool>()) {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let keys = if aead { keys((20, 128), None, (1, 2)) } else { keys((12, 128), Some(12), (1, 2)) };
        let notify = wire::ikev2::Notify::new(NotifyType::INITIAL_CONTACT, vec![]);
        let inner = vec![Body::Notify(notify).into(), Body::Delete(Delete::ike()).into()];
        let raw = seal(&keys, true, &draft(inner), &mut rng).unwrap().to_bytes();
        let mut flipped = raw.clone();
        flipped[position.index(raw.len())] ^= 1 << bit;
        if let Ok(message) = Message::parse(&flipped) {
            prop_assert!(open(&keys, true, &message, &flipped).is_err());
        }
        prop_assert!(open(&keys, false, &Message::parse(&raw).unwrap(), &raw).is_err(), "the other direction's keys");
    }
}
