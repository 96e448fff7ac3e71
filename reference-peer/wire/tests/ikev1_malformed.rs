//! What reading refuses in IKEv1, where and why; and that every derived field can be sent wrong (RFC 2408 sections 3 and
//! 5).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use common::hex;
use wire::ikev1::*;
use wire::{Derived, Error, Rule};

fn header() -> Header {
    Header::new((0x0102_0304_0506_0708, 0), ExchangeType::MAIN, Flags::default(), 0)
}

/// The contents of one payload of a type, with an honest header around it; they stand at offset 32.
fn with_contents(payload_type: u8, contents: &[u8]) -> Vec<u8> {
    let body = Body::Raw { payload_type: PayloadType(payload_type), data: contents.to_vec() };
    Message::clear(header(), [Payload::from(body)]).to_bytes()
}

fn error(bytes: &[u8]) -> Error {
    Message::parse(bytes).unwrap_err()
}

#[test]
fn fixed_header() {
    let bytes = Message::clear(header(), [Body::Nonce(vec![7; 16])].map(Payload::from)).to_bytes();
    for length in 0..28 {
        assert!(
            matches!(error(&bytes[..length]), Error { offset: 0, rule: Rule::Truncated { needs: 28, left, .. } } if left == length)
        );
        assert_eq!(Header::parse(&bytes[..length]).unwrap_err(), error(&bytes[..length]));
    }
    for (length, datagram) in [(0, 48), (27, 48), (28, 48), (47, 48), (49, 48), (u32::MAX, 48)] {
        let mut bytes = bytes.clone();
        bytes[24..28].copy_from_slice(&u32::to_be_bytes(length));
        assert_eq!(error(&bytes), Error { offset: 24, rule: Rule::IsakmpLength { header: length, datagram } });
    }
    for major in (0..16).filter(|major| *major != 1) {
        let mut bytes = bytes.clone();
        bytes[17] = major << 4;
        assert_eq!(error(&bytes), Error { offset: 17, rule: Rule::IsakmpMajorVersion(major) });
    }
}

#[test]
fn generic_header() {
    let nonce = with_contents(10, &[7; 16]);
    let with_length = |length: u16| {
        let mut bytes = nonce.clone();
        bytes[30..32].copy_from_slice(&length.to_be_bytes());
        error(&bytes)
    };
    for length in 0..4 {
        assert_eq!(with_length(length), Error { offset: 28, rule: Rule::IsakmpPayloadTooShort(length) });
    }
    for length in [21, 0xFFFF] {
        assert_eq!(with_length(length), Error { offset: 28, rule: Rule::IsakmpPayloadTooLong { length, left: 20 } });
    }
    for length in [4, 8, 16] {
        let rule = Rule::IsakmpAfterLastPayload(20 - usize::from(length));
        assert_eq!(with_length(length), Error { offset: 28 + usize::from(length), rule });
    }
    let mut announced = nonce.clone();
    announced[28] = 13;
    let rule = Rule::IsakmpPayloadMissing(PayloadType::VENDOR_ID);
    assert_eq!(error(&announced), Error { offset: 48, rule });
    assert_eq!(
        error(&announced).to_string(),
        "offset 48: next payload VID is announced, but the message ends (RFC 2408 3.2)"
    );
    let mut cut = nonce;
    cut.truncate(30);
    cut[27] = 30;
    assert!(matches!(error(&cut), Error { offset: 28, rule: Rule::Truncated { needs: 4, left: 2, .. } }));
}

/// libreswan pads what it sends in the clear.
#[test]
fn padding_at_the_end() {
    let mut bytes = with_contents(10, &[7; 14]);
    assert_eq!(bytes.len() % 4, 2);
    bytes.extend([0, 0]);
    let length = bytes.len() as u8;
    bytes[27] = length;
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.payloads().len(), message.trailing.as_slice()), (1, [0, 0].as_slice()));
    assert_eq!(message.to_bytes(), bytes);
    bytes.push(0);
    bytes[27] = length + 1;
    assert_eq!(error(&bytes).rule, Rule::IsakmpAfterLastPayload(3));
}

/// What is encrypted is not looked into.
#[test]
fn encrypted_contents_are_opaque() {
    let flags = Flags(Flags::ENCRYPTION);
    for data in [vec![], vec![0xFF; 3], vec![0; 64]] {
        let message = Message::encrypted(Header { flags, ..header() }, PayloadType::HASH, data);
        assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
    }
}

/// Each row: payload type, contents, offset within them, the text of the rule.
#[test]
fn contents() {
    let sa = "00000001 00000001";
    let rows = [
        // SA
        (1, "000000", 0, "SA payload (RFC 2408 3.4, RFC 2407 4.6.1): 4 octets needed, 3 left"),
        (1, "00000001", 4, "SA payload (RFC 2408 3.4, RFC 2407 4.6.1): 4 octets needed, 0 left"),
        (1, sa, 8, "SA payload holds no proposal (RFC 2408 3.4)"),
        (1, "00000001 00000002", 8, "SA payload (RFC 2408 3.4, RFC 2407 4.6.1): 4 octets needed, 0 left"),
        (
            1,
            "00000001 00000002 00000009 00050000 01020304",
            16,
            "SA payload (RFC 2408 3.4, RFC 2407 4.6.1): 8 octets needed, 4 left",
        ),
        (
            1,
            "00000001 00000004 00000009 00000000 ffff0000",
            20,
            "SA payload (RFC 2408 3.4, RFC 2407 4.6.1): 8192 octets needed, 0 left",
        ),
        (1, &format!("{sa} 00000008 01010000"), 16, "proposal holds no transform (RFC 2408 3.5)"),
        (1, &format!("{sa} 00000010 010100"), 8, "Proposal payload (RFC 2408 3.5): 8 octets needed, 7 left"),
        (
            1,
            &format!("{sa} 00000011 01010001 0000000801010000"),
            8,
            "proposal length 17 is not between 8 and 16 (RFC 2408 3.5)",
        ),
        (
            1,
            &format!("{sa} 00000010 01010901 0000000801010000"),
            8,
            "proposal length 16 is not between 17 and 16 (RFC 2408 3.5)",
        ),
        (
            1,
            &format!("{sa} 02000010 01010001 0000000801010000"),
            8,
            "proposal's Next Payload is 2, not 0 (RFC 2408 3.5)",
        ),
        (
            1,
            &format!("{sa} 00000010 01010001 0000000801010000 00000010 01010001 0000000801010000"),
            8,
            "proposal's Next Payload is 0, not 2 (RFC 2408 3.5)",
        ),
        (
            1,
            &format!("{sa} 00000010 01010002 0000000801010000"),
            8,
            "# of Transforms is 2, but the proposal's length holds 1 (RFC 2408 3.5)",
        ),
        (
            1,
            &format!("{sa} 00000010 010100ff 0000000801010000"),
            8,
            "# of Transforms is 255, but the proposal's length holds 1 (RFC 2408 3.5)",
        ),
        (
            1,
            &format!("{sa} 00000010 01010001 0000000701010000"),
            16,
            "transform length 7 is not between 8 and 8 (RFC 2408 3.6)",
        ),
        (
            1,
            &format!("{sa} 00000010 01010001 0000000901010000"),
            16,
            "transform length 9 is not between 8 and 8 (RFC 2408 3.6)",
        ),
        (
            1,
            &format!("{sa} 00000010 01010001 0300000801010000"),
            16,
            "transform's Next Payload is 3, not 0 (RFC 2408 3.6)",
        ),
        (
            1,
            &format!("{sa} 00000018 01010002 0000000801010000 0000000801010000"),
            16,
            "transform's Next Payload is 0, not 3 (RFC 2408 3.6)",
        ),
        (
            1,
            &format!("{sa} 00000014 01010001 0000000c01010000 00020005"),
            28,
            "data attribute (RFC 2408 3.3): 5 octets needed, 0 left",
        ),
        (
            1,
            &format!("{sa} 00000012 01010001 0000000a01010000 8001"),
            26,
            "data attribute (RFC 2408 3.3): 2 octets needed, 0 left",
        ),
        // ID, CERT, CERTREQ
        (5, "011101", 2, "ID payload (RFC 2407 4.6.2): 2 octets needed, 1 left"),
        (6, "", 0, "CERT payload (RFC 2408 3.9): 1 octets needed, 0 left"),
        (7, "", 0, "CERTREQ payload (RFC 2408 3.10): 1 octets needed, 0 left"),
        // N, D
        (11, "00000001 0104", 6, "Notification payload (RFC 2408 3.14): 2 octets needed, 0 left"),
        (11, "00000001 0110 0018 00", 8, "Notification payload (RFC 2408 3.14): 16 octets needed, 1 left"),
        (12, "00000001 0304", 6, "Delete payload (RFC 2408 3.15): 2 octets needed, 0 left"),
        (
            12,
            "00000001 0304 0002 00001001",
            0,
            "2 SPIs of 4 octets are not the 4 octets of the Delete payload (RFC 2408 3.15)",
        ),
        (
            12,
            "00000001 0304 ffff",
            0,
            "65535 SPIs of 4 octets are not the 0 octets of the Delete payload (RFC 2408 3.15)",
        ),
        (
            12,
            "00000001 0300 0001 00",
            0,
            "1 SPIs of 0 octets are not the 1 octets of the Delete payload (RFC 2408 3.15)",
        ),
        // ATTR, NAT-OA, FRAG
        (14, "0100", 2, "Attributes payload (draft-dukes-ike-mode-cfg-02 3.2): 2 octets needed, 0 left"),
        (14, "01000001 0001", 6, "data attribute (RFC 2408 3.3): 2 octets needed, 0 left"),
        (14, "01000001 00010004 0a0000", 8, "data attribute (RFC 2408 3.3): 4 octets needed, 3 left"),
        (21, "01", 0, "NAT-OA payload (RFC 3947 5.2): 2 octets needed, 1 left"),
        (131, "010000", 2, "NAT-OA payload (RFC 3947 5.2): 2 octets needed, 1 left"),
        (132, "0001", 2, "Fragment payload: 2 octets needed, 0 left"),
    ];
    for (payload_type, contents, offset, text) in rows {
        let found = error(&with_contents(payload_type, &hex(contents)));
        assert_eq!((found.offset, &*found.rule.to_string()), (32 + offset, text), "{payload_type} {contents}");
    }
}

/// Whoever must judge them can: these are read.
#[test]
fn kept_and_not_judged() {
    let raw =
        |payload_type: u8, data: &[u8]| Body::Raw { payload_type: PayloadType(payload_type), data: data.to_vec() };
    for bodies in [
        vec![raw(2, &[1]), raw(3, &[]), raw(15, &[9; 9]), raw(133, &[])],
        vec![raw(1, &[0, 0, 0, 2, 0xFF])],
        vec![Body::Hash(vec![]), Body::Nonce(vec![]), Body::VendorId(vec![]), Body::NatDetection(vec![])],
        vec![Body::Delete(Delete {
            spi_size: 0,
            spis: vec![],
            spi_count: Derived::Exactly(7),
            ..Delete::isakmp((1, 2))
        })],
    ] {
        let payloads: Vec<Payload> = bodies.into_iter().map(|body| Payload { reserved: 0xEE, ..body.into() }).collect();
        let mut message = Message::clear(header(), payloads);
        message.header.version = 0x1F;
        message.header.flags = Flags(0xFE);
        assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
    }
}

/// Each derived field is written as it says, and nothing else changes.
#[test]
fn derived_fields_are_written_as_they_say() {
    use Derived::Exactly;
    let sa = |edit: fn(&mut Proposal)| {
        let transform = Transform::new(1, Transform::KEY_IKE, [Attribute::variable(12, [0, 0, 0x70, 0x80])]);
        let mut proposal = Proposal::new(1, ProtocolId::ESP, [1, 2, 3, 4], [transform]);
        edit(&mut proposal);
        Message::clear(header(), [Body::SecurityAssociation(SecurityAssociation::new([proposal])).into()])
    };
    let notification = |spi_size| {
        let n = Notification { spi_size, ..Notification::isakmp((1, 2), NotifyType::INITIAL_CONTACT, []) };
        Message::clear(header(), [Body::Notification(n).into()])
    };
    let delete = |spi_count| {
        let delete = Delete { spi_count, ..Delete::ipsec(ProtocolId::ESP, &[1, 2]) };
        Message::clear(header(), [Body::Delete(delete).into()])
    };
    let headed = |edit: fn(&mut Header, &mut Payload)| {
        let (mut header, mut payload) = (header(), Body::Nonce(vec![1; 16]).into());
        edit(&mut header, &mut payload);
        Message::clear(header, [payload])
    };
    let nothing = || headed(|_, _| {});
    let rows: [(Message, Message, usize, &[u8]); 14] = [
        (nothing(), headed(|h, _| h.next_payload = Exactly(PayloadType(0xEE))), 16, &[0xEE]),
        (nothing(), headed(|h, _| h.length = Exactly(0xDEAD_BEEF)), 24, &[0xDE, 0xAD, 0xBE, 0xEF]),
        (nothing(), headed(|_, p| p.next_payload = Exactly(PayloadType(0xEE))), 28, &[0xEE]),
        (nothing(), headed(|_, p| p.reserved = 0xEE), 29, &[0xEE]),
        (nothing(), headed(|_, p| p.length = Exactly(0xDEAD)), 30, &[0xDE, 0xAD]),
        (sa(|_| {}), sa(|p| p.next_payload = Exactly(0xEE)), 40, &[0xEE]),
        (sa(|_| {}), sa(|p| p.length = Exactly(0xDEAD)), 42, &[0xDE, 0xAD]),
        (sa(|_| {}), sa(|p| p.spi_size = Exactly(0xEE)), 46, &[0xEE]),
        (sa(|_| {}), sa(|p| p.transform_count = Exactly(0xEE)), 47, &[0xEE]),
        (sa(|_| {}), sa(|p| p.transforms[0].next_payload = Exactly(0xEE)), 52, &[0xEE]),
        (sa(|_| {}), sa(|p| p.transforms[0].length = Exactly(0xDEAD)), 54, &[0xDE, 0xAD]),
        (
            sa(|_| {}),
            sa(|p| {
                if let AttributeValue::Variable { length, .. } = &mut p.transforms[0].attributes[0].value {
                    *length = Exactly(0xDEAD);
                }
            }),
            62,
            &[0xDE, 0xAD],
        ),
        (notification(Derived::Computed), notification(Exactly(0xEE)), 37, &[0xEE]),
        (delete(Derived::Computed), delete(Exactly(0xDEAD)), 38, &[0xDE, 0xAD]),
    ];
    for (honest, edited, offset, octets) in rows {
        let mut expected = honest.to_bytes();
        expected[offset..offset + octets.len()].copy_from_slice(octets);
        assert_eq!(edited.to_bytes(), expected, "at {offset}");
    }
}
