//! What reading refuses, where and why; and what it must not refuse (RFC 7296 sections 2.5, 3.2 and 3.3).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use common::hex;
use wire::ikev2::*;
use wire::{Derived, Error, Rule};

fn header() -> Header {
    Header::new((0x0102_0304_0506_0708, 0), ExchangeType::IKE_SA_INIT, Flags::new(true, false), 0)
}

fn transforms() -> [Transform; 3] {
    [
        Transform::with_key_length(TransformType::ENCR, 12, 128),
        Transform::new(TransformType::INTEG, 2),
        Transform::new(TransformType::KE, 14),
    ]
}

/// The contents of one payload of a type, with an honest header around it; they stand at offset 32.
fn with_contents(payload_type: u8, contents: &[u8]) -> Vec<u8> {
    let body = Body::Raw { payload_type: PayloadType(payload_type), data: contents.to_vec() };
    Message::new(header(), [Payload::from(body)]).to_bytes()
}

fn error(bytes: &[u8]) -> Error {
    Message::parse(bytes).unwrap_err()
}

#[test]
fn fixed_header() {
    let bytes = Message::new(header(), [Body::Nonce(vec![7; 16])].map(Payload::from)).to_bytes();
    for length in 0..28 {
        assert!(
            matches!(error(&bytes[..length]), Error { offset: 0, rule: Rule::Truncated { needs: 28, left, .. } } if left == length)
        );
        assert_eq!(Header::parse(&bytes[..length]).unwrap_err(), error(&bytes[..length]));
    }
    for (length, datagram) in [(0, 48), (27, 48), (28, 48), (47, 48), (49, 48), (u32::MAX, 48)] {
        let mut bytes = bytes.clone();
        bytes[24..28].copy_from_slice(&u32::to_be_bytes(length));
        assert_eq!(error(&bytes), Error { offset: 24, rule: Rule::IkeLength { header: length, datagram } });
    }
    for major in (0..16).filter(|major| *major != 2) {
        let mut bytes = bytes.clone();
        bytes[17] = major << 4;
        assert_eq!(error(&bytes), Error { offset: 17, rule: Rule::IkeMajorVersion(major) });
        assert_eq!(Header::parse(&bytes).unwrap().major_version(), major);
    }
}

#[test]
fn generic_header() {
    let nonce = with_contents(40, &[7; 16]);
    let with_length = |length: u16| {
        let mut bytes = nonce.clone();
        bytes[30..32].copy_from_slice(&length.to_be_bytes());
        error(&bytes)
    };
    for length in 0..4 {
        assert_eq!(with_length(length), Error { offset: 28, rule: Rule::PayloadTooShort(length) });
    }
    for length in [21, 22, u16::MAX] {
        assert_eq!(with_length(length), Error { offset: 28, rule: Rule::PayloadTooLong { length, left: 20 } });
    }
    for length in 4..20 {
        let left = 20 - usize::from(length);
        assert_eq!(with_length(length), Error { offset: 48 - left, rule: Rule::AfterLastPayload(left) });
    }
    let mut bytes = nonce.clone();
    bytes[28] = 41;
    assert_eq!(error(&bytes), Error { offset: 48, rule: Rule::PayloadMissing(PayloadType::NOTIFY) });
    let mut bytes = nonce.clone();
    bytes[16] = 0;
    assert_eq!(error(&bytes), Error { offset: 28, rule: Rule::AfterLastPayload(20) });
    let mut bytes = Message::new(header(), []).to_bytes();
    bytes[16] = 33;
    assert_eq!(error(&bytes), Error { offset: 28, rule: Rule::PayloadMissing(PayloadType::SECURITY_ASSOCIATION) });
    // Three octets are no generic header.
    let mut bytes = nonce;
    bytes.truncate(31);
    bytes[27] = 31;
    assert!(matches!(error(&bytes), Error { offset: 28, rule: Rule::Truncated { needs: 4, left: 3, .. } }));
}

#[test]
fn encrypted_is_last() {
    for closed in [
        Body::Encrypted(Encrypted { first: PayloadType::NOTIFY, data: vec![1; 32] }),
        Body::EncryptedFragment(EncryptedFragment {
            first: PayloadType::NOTIFY,
            number: 1,
            total: 2,
            data: vec![1; 32],
        }),
    ] {
        let last = Message::new(header(), [Body::VendorId(vec![1]), closed.clone()].map(Payload::from));
        assert_eq!(Message::parse(&last.to_bytes()), Ok(last));
        let vendor = Payload { next_payload: Derived::Exactly(PayloadType::NOTIFY), ..Body::VendorId(vec![1]).into() };
        let first = Message::new(header(), [closed.into(), vendor]).to_bytes();
        assert_eq!(error(&first), Error { offset: first.len() - 5, rule: Rule::AfterEncrypted(5) });
    }
}

/// Each row: payload type, contents, offset within them, the text of the rule.
#[test]
fn contents() {
    let rows = [
        // SA
        (33, "", 0, "SA payload holds no proposal (RFC 7296 3.3)"),
        (33, "0000000801010000", 8, "proposal holds no transform (RFC 7296 3.3)"),
        (33, "00000010010100", 0, "proposal (RFC 7296 3.3.1): 8 octets needed, 7 left"),
        (33, "0000001101010001 0000000803000002", 0, "proposal length 17 is not between 8 and 16 (RFC 7296 3.3.1)"),
        (33, "0000000001010001 0000000803000002", 0, "proposal length 0 is not between 8 and 16 (RFC 7296 3.3.1)"),
        (33, "0000000701010001 0000000803000002", 0, "proposal length 7 is not between 8 and 16 (RFC 7296 3.3.1)"),
        (33, "0000001001010901 0000000803000002", 0, "proposal length 16 is not between 17 and 16 (RFC 7296 3.3.1)"),
        (33, "0200001001010001 0000000803000002", 0, "proposal's Last Substruc is 2, not 0 (RFC 7296 3.3.1)"),
        (33, "0100001001010001 0000000803000002", 0, "proposal's Last Substruc is 1, not 0 (RFC 7296 3.3.1)"),
        (
            33,
            "0000001001010001 0000000803000002 0000001002010001 0000000803000002",
            0,
            "proposal's Last Substruc is 0, not 2 (RFC 7296 3.3.1)",
        ),
        (
            33,
            "0000001001010000 0000000803000002",
            0,
            "Num Transforms is 0, but the proposal's length holds 1 (RFC 7296 3.3)",
        ),
        (
            33,
            "0000001001010002 0000000803000002",
            0,
            "Num Transforms is 2, but the proposal's length holds 1 (RFC 7296 3.3)",
        ),
        (
            33,
            "00000010010100ff 0000000803000002",
            0,
            "Num Transforms is 255, but the proposal's length holds 1 (RFC 7296 3.3)",
        ),
        (33, "0000001001010001 0000000003000002", 8, "transform length 0 is not between 8 and 8 (RFC 7296 3.3.2)"),
        (33, "0000001001010001 0000000703000002", 8, "transform length 7 is not between 8 and 8 (RFC 7296 3.3.2)"),
        (33, "0000001001010001 0000000903000002", 8, "transform length 9 is not between 8 and 8 (RFC 7296 3.3.2)"),
        (33, "0000001001010001 0300000803000002", 8, "transform's Last Substruc is 3, not 0 (RFC 7296 3.3.2)"),
        (33, "0000001001010001 0500000803000002", 8, "transform's Last Substruc is 5, not 0 (RFC 7296 3.3.2)"),
        (
            33,
            "0000001801010002 0000000803000002 0000000802000002",
            8,
            "transform's Last Substruc is 0, not 3 (RFC 7296 3.3.2)",
        ),
        (33, "0000000f01010001 00000008030000", 8, "transform (RFC 7296 3.3.2): 8 octets needed, 7 left"),
        (
            33,
            "0000001301010001 0000000b0100000c 800e00",
            18,
            "transform attribute (RFC 7296 3.3.5): 2 octets needed, 1 left",
        ),
        (
            33,
            "0000001501010001 0000000d0100000c 000e000200",
            20,
            "transform attribute (RFC 7296 3.3.5): 2 octets needed, 1 left",
        ),
        // KE, IDi, IDr, CERT, CERTREQ, AUTH: their fixed parts
        (34, "000e00", 2, "KE payload (RFC 7296 3.4): 2 octets needed, 1 left"),
        (34, "", 0, "KE payload (RFC 7296 3.4): 2 octets needed, 0 left"),
        (35, "010000", 0, "ID payload (RFC 7296 3.5): 4 octets needed, 3 left"),
        (36, "", 0, "ID payload (RFC 7296 3.5): 4 octets needed, 0 left"),
        (37, "", 0, "CERT payload (RFC 7296 3.6): 1 octets needed, 0 left"),
        (38, "", 0, "CERTREQ payload (RFC 7296 3.7): 1 octets needed, 0 left"),
        (39, "020000", 0, "AUTH payload (RFC 7296 3.8): 4 octets needed, 3 left"),
        // N
        (41, "000040", 0, "N payload (RFC 7296 3.10): 4 octets needed, 3 left"),
        (41, "0304000b010203", 4, "N payload (RFC 7296 3.10): 4 octets needed, 3 left"),
        // D
        (42, "030400", 0, "D payload (RFC 7296 3.11): 4 octets needed, 3 left"),
        (42, "0304000101020304 05", 0, "1 SPIs of 4 octets are not the 5 octets of the Delete payload (RFC 7296 3.11)"),
        (42, "0304000201020304", 0, "2 SPIs of 4 octets are not the 4 octets of the Delete payload (RFC 7296 3.11)"),
        (42, "03ffffff", 0, "65535 SPIs of 255 octets are not the 0 octets of the Delete payload (RFC 7296 3.11)"),
        (42, "0100000001", 0, "0 SPIs of 0 octets are not the 1 octets of the Delete payload (RFC 7296 3.11)"),
        // TSi, TSr
        (44, "010000", 0, "TS payload (RFC 7296 3.13): 4 octets needed, 3 left"),
        (44, "00000000", 4, "TS payload holds no traffic selector (RFC 7296 3.13)"),
        (
            45,
            "02000000 07000010 0000ffff 0a000000 0a0000ff",
            0,
            "Number of TSs is 2, but the payload holds 1 (RFC 7296 3.13)",
        ),
        (
            44,
            "00000000 07000010 0000ffff 0a000000 0a0000ff",
            0,
            "Number of TSs is 0, but the payload holds 1 (RFC 7296 3.13)",
        ),
        (
            44,
            "01000000 0700000f 0000ffff 0a000000 0a0000ff",
            4,
            "selector length 15 is wrong for TS type 7 with 16 octets left (RFC 7296 3.13.1)",
        ),
        (
            44,
            "01000000 08000010 0000ffff 0a000000 0a0000ff",
            4,
            "selector length 16 is wrong for TS type 8 with 16 octets left (RFC 7296 3.13.1)",
        ),
        (
            44,
            "01000000 07000010 0000ffff 0a000000 0a0000",
            4,
            "selector length 16 is wrong for TS type 7 with 15 octets left (RFC 7296 3.13.1)",
        ),
        (44, "01000000 09000003", 4, "selector length 3 is wrong for TS type 9 with 4 octets left (RFC 7296 3.13.1)"),
        (44, "01000000 090000", 4, "traffic selector (RFC 7296 3.13.1): 4 octets needed, 3 left"),
        // CP
        (47, "010000", 0, "CP payload (RFC 7296 3.15): 4 octets needed, 3 left"),
        (47, "01000000 000100", 6, "configuration attribute (RFC 7296 3.15.1): 2 octets needed, 1 left"),
        (47, "01000000 00010004 0a0000", 8, "configuration attribute (RFC 7296 3.15.1): 4 octets needed, 3 left"),
        // EAP
        (48, "010100", 0, "EAP payload (RFC 7296 3.16): 4 octets needed, 3 left"),
        (48, "01010005", 0, "EAP length 5 is not the 4 octets of the payload's contents (RFC 7296 3.16)"),
        // SKF
        (53, "000100", 2, "SKF payload (RFC 7383 2.5): 2 octets needed, 1 left"),
    ];
    for (payload_type, contents, offset, text) in rows {
        let bytes = with_contents(payload_type, &hex(contents));
        let error = error(&bytes);
        assert_eq!(error.to_string(), format!("offset {}: {text}", 32 + offset), "type {payload_type}: {contents}");
        // The same inside an Encrypted payload, where the caller says what the offsets refer to.
        let inner = parse_chain(PayloadType(payload_type), &bytes[28..], 1000).unwrap_err();
        assert_eq!(inner, Error { offset: error.offset - 28 + 1000, ..error });
    }
}

/// Reserved bits, flags, minor version, critical bits and unknown numbers are for the receiver to ignore.
#[test]
fn tolerated() {
    let proposal = Proposal { reserved: 0xFF, ..Proposal::new(9, ProtocolId(77), [1, 2, 3], transforms()) };
    let mut transform = Transform::new(TransformType(99), 0xFFFF);
    (transform.reserved1, transform.reserved2) = (0xFF, 0xFF);
    transform.attributes = vec![
        Attribute { attribute_type: 14, value: AttributeValue::Long(vec![0, 128]) },
        Attribute { attribute_type: 0x7FFF, value: AttributeValue::Short(0) },
    ];
    let bodies = [
        Body::Nonce(vec![]),
        Body::VendorId(vec![]),
        Body::KeyExchange(KeyExchange { group: 0, reserved: 0xFFFF, data: vec![] }),
        Body::SecurityAssociation(SecurityAssociation::new([
            proposal,
            Proposal::new(9, ProtocolId::ESP, [], [transform]),
        ])),
        Body::Raw { payload_type: PayloadType(200), data: vec![1, 2, 3] },
        Body::Raw { payload_type: PayloadType(1), data: vec![] },
        Body::Notify(Notify::with_spi(ProtocolId::IKE, [], NotifyType(40959), [])),
        Body::Notify(Notify::with_spi(ProtocolId(200), [9; 255], NotifyType(8191), [])),
        Body::IdInitiator(Identification { id_type: IdType(200), reserved: [0xFF; 3], data: vec![] }),
        Body::Authentication(Authentication { method: AuthMethod(200), reserved: [0xFF; 3], data: vec![] }),
        Body::TsInitiator(TrafficSelectors {
            reserved: [0xFF; 3],
            ..TrafficSelectors::new([TrafficSelector::Raw { ts_type: 9, protocol: 1, data: vec![] }])
        }),
        Body::Delete(Delete::child(ProtocolId::ESP, &[])),
        Body::Configuration(Configuration { cfg_type: 200, reserved: [0xFF; 3], attributes: vec![] }),
    ];
    let payloads = bodies.map(|body| Payload { critical: true, reserved: 0x7F, ..body.into() });
    let header = Header { version: 0x2F, flags: Flags(0xFF), exchange_type: ExchangeType(255), ..header() };
    let message = Message::new(header, payloads);
    assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
}

/// The one derived field where another value than the computed one is read: no octets contradict it.
#[test]
fn a_count_of_no_spis_is_kept() {
    let bytes = with_contents(42, &hex("01000005"));
    let message = Message::parse(&bytes).unwrap();
    let delete = Delete { spi_count: Derived::Exactly(5), ..Delete::ike() };
    assert_eq!(message.payloads[0].body, Body::Delete(delete.clone()));
    assert_eq!(delete.spis().count(), 0);
    assert_eq!(message.to_bytes(), bytes);
}

/// A malformed payload does not hide an unknown critical one, before or after it (RFC 7296 section 2.5).
#[test]
fn unknown_critical_payloads_show_beside_malformed_ones() {
    let unknown = Payload { critical: true, ..Body::Raw { payload_type: PayloadType(200), data: vec![1] }.into() };
    let malformed = Payload::from(Body::Raw { payload_type: PayloadType::KEY_EXCHANGE, data: vec![0] });
    for payloads in [[unknown.clone(), malformed.clone()], [malformed, unknown]] {
        let bytes = Message::new(header(), payloads).to_bytes();
        assert!(Message::parse(&bytes).is_err());
        let header = Header::parse(&bytes).unwrap();
        let critical: Vec<PayloadType> = Chain::new(header.next_payload.or(PayloadType::NONE), &bytes[28..], 28)
            .filter_map(Result::ok)
            .filter(|unread| unread.critical && !unread.payload_type.is_known())
            .map(|unread| unread.payload_type)
            .collect();
        assert_eq!(critical, [PayloadType(200)]);
    }
}

#[test]
fn known_types_are_those_that_are_read() {
    for number in 0..=255 {
        let payload_type = PayloadType(number);
        let read = parse_chain(payload_type, &[0, 0, 0, 4], 0);
        let is_raw = matches!(read.as_deref(), Ok([Payload { body: Body::Raw { .. }, .. }]));
        assert_eq!(payload_type.is_known() || number == 0, !is_raw, "{payload_type:?}");
    }
}

/// Each derived field can be overridden, and stands where it should.
#[test]
fn overrides_are_written_in_place() {
    let sa = |edit: fn(&mut Proposal)| {
        let mut proposal = Proposal::new(1, ProtocolId::ESP, [1, 2, 3, 4], transforms());
        edit(&mut proposal);
        Message::new(header(), [Body::SecurityAssociation(SecurityAssociation::new([proposal])).into()])
    };
    let ts = |edit: fn(&mut TrafficSelectors)| {
        let any = TrafficSelector::any([10, 0, 0, 0].into(), [10, 0, 0, 255].into());
        let mut selectors = TrafficSelectors::new([any]);
        edit(&mut selectors);
        Message::new(header(), [Body::TsInitiator(selectors).into()])
    };
    let notify = |spi_size| {
        let notify = Notify { spi_size, ..Notify::with_spi(ProtocolId::ESP, [1, 2, 3, 4], NotifyType::REKEY_SA, []) };
        Message::new(header(), [Body::Notify(notify).into()])
    };
    let delete = |spi_count| {
        let delete = Delete { spi_count, ..Delete::child(ProtocolId::ESP, &[1, 2]) };
        Message::new(header(), [Body::Delete(delete).into()])
    };
    let headed = |edit: fn(&mut Message)| {
        let mut message = Message::new(header(), [Body::Nonce(vec![1; 16]).into()]);
        edit(&mut message);
        message
    };
    use Derived::{Computed, Exactly};
    let nothing = headed(|_| {});
    let rows: [(Message, Message, usize, &[u8]); 15] = [
        (nothing.clone(), headed(|m| m.header.next_payload = Exactly(PayloadType(0xEE))), 16, &[0xEE]),
        (nothing.clone(), headed(|m| m.header.length = Exactly(0xDEAD_BEEF)), 24, &[0xDE, 0xAD, 0xBE, 0xEF]),
        (nothing.clone(), headed(|m| m.payloads[0].next_payload = Exactly(PayloadType(0xEE))), 28, &[0xEE]),
        (nothing.clone(), headed(|m| m.payloads[0].critical = true), 29, &[0x80]),
        (nothing, headed(|m| m.payloads[0].length = Exactly(0xDEAD)), 30, &[0xDE, 0xAD]),
        (sa(|_| {}), sa(|p| p.last = Exactly(0xEE)), 32, &[0xEE]),
        (sa(|_| {}), sa(|p| p.length = Exactly(0xDEAD)), 34, &[0xDE, 0xAD]),
        (sa(|_| {}), sa(|p| p.spi_size = Exactly(0xEE)), 38, &[0xEE]),
        (sa(|_| {}), sa(|p| p.transform_count = Exactly(0xEE)), 39, &[0xEE]),
        (sa(|_| {}), sa(|p| p.transforms[0].last = Exactly(0xEE)), 44, &[0xEE]),
        (sa(|_| {}), sa(|p| p.transforms[0].length = Exactly(0xDEAD)), 46, &[0xDE, 0xAD]),
        (ts(|_| {}), ts(|t| t.count = Exactly(0xEE)), 32, &[0xEE]),
        (
            ts(|_| {}),
            ts(|t| {
                if let Some(TrafficSelector::Range { length, .. }) = t.selectors.first_mut() {
                    *length = Exactly(0xDEAD);
                }
            }),
            38,
            &[0xDE, 0xAD],
        ),
        (notify(Computed), notify(Exactly(0xEE)), 33, &[0xEE]),
        (delete(Computed), delete(Exactly(0xDEAD)), 34, &[0xDE, 0xAD]),
    ];
    for (honest, edited, offset, octets) in rows {
        let mut expected = honest.to_bytes();
        expected[offset..offset + octets.len()].copy_from_slice(octets);
        assert_eq!(edited.to_bytes(), expected, "at {offset}");
    }
}
