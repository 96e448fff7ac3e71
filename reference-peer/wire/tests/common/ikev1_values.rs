//! Strategies for IKEv1 values: those that a reader accepts, and those with any field overridden.

use super::values::Honesty::{self, Any};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::Derived;
use wire::ikev1::*;

fn derived<T: Arbitrary + Clone + 'static>(honesty: Honesty) -> BoxedStrategy<Derived<T>> {
    if honesty == Any {
        prop_oneof![3 => Just(Derived::Computed), 1 => any::<T>().prop_map(Derived::Exactly)].boxed()
    } else {
        Just(Derived::Computed).boxed()
    }
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=most)
}

fn attribute(honesty: Honesty) -> impl Strategy<Value = Attribute> {
    let value = prop_oneof![
        any::<u16>().prop_map(AttributeValue::Basic),
        (derived(honesty), octets(12)).prop_map(|(length, value)| AttributeValue::Variable { length, value }),
    ];
    (0..0x8000u16, value).prop_map(|(class, value)| Attribute { class, value })
}

fn transform(honesty: Honesty) -> impl Strategy<Value = Transform> {
    (
        (derived(honesty), derived(honesty)),
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>()),
        vec(attribute(honesty), 0..5),
    )
        .prop_map(|((next_payload, length), (reserved1, number, id, reserved2), attributes)| Transform {
            next_payload,
            reserved1,
            length,
            number,
            id,
            reserved2,
            attributes,
        })
}

fn proposal(honesty: Honesty) -> impl Strategy<Value = Proposal> {
    let least = if honesty == Any { 0 } else { 1 };
    (
        (derived(honesty), derived(honesty), derived(honesty), derived(honesty)),
        (any::<u8>(), any::<u8>(), any::<u8>()),
        octets(9),
        vec(transform(honesty), least..4),
    )
        .prop_map(
            |((next_payload, length, spi_size, transform_count), (reserved, number, protocol), spi, transforms)| {
                Proposal {
                    next_payload,
                    reserved,
                    length,
                    number,
                    protocol: ProtocolId(protocol),
                    spi_size,
                    spi,
                    transform_count,
                    transforms,
                }
            },
        )
}

/// Labels that fit the situation: of levels and categories as many octets as their lengths say, padded.
fn labels(situation: u32) -> BoxedStrategy<Vec<u8>> {
    let part = (0..9u16, 0..70u16, any::<u8>()).prop_map(|(level, bits, fill)| {
        let mut part = [&level.to_be_bytes()[..], &[0, 0]].concat();
        part.resize(part.len() + usize::from(level).next_multiple_of(4), fill);
        part.extend([&bits.to_be_bytes()[..], &[fill, 0]].concat());
        part.resize(part.len() + usize::from(bits).div_ceil(32) * 4, fill);
        part
    });
    let count = [Situation::SECRECY, Situation::INTEGRITY].iter().filter(|bit| situation & **bit != 0).count();
    if count == 0 {
        return Just(Vec::new()).boxed();
    }
    (any::<[u8; 4]>(), vec(part, count)).prop_map(|(domain, parts)| [&domain[..], &parts.concat()].concat()).boxed()
}

fn security_association(honesty: Honesty) -> BoxedStrategy<SecurityAssociation> {
    let of = move |situation: u32| {
        let least = if honesty == Any { 0 } else { 1 };
        let labels = if honesty == Any { octets(9).boxed() } else { labels(situation) };
        let doi = if honesty == Any { any::<u32>().boxed() } else { Just(1).boxed() };
        (doi, Just(situation), labels, vec(proposal(honesty), least..4))
    };
    (0..8u32)
        .prop_flat_map(of)
        .prop_map(|(doi, situation, labels, proposals)| SecurityAssociation {
            doi: Doi(doi),
            situation: Situation(situation),
            labels,
            proposals,
        })
        .boxed()
}

fn delete(honesty: Honesty) -> impl Strategy<Value = Delete> {
    let spis = if honesty == Any {
        (any::<u8>(), octets(20)).boxed()
    } else {
        let filled = |(size, count): (u8, usize)| (Just(size), vec(any::<u8>(), usize::from(size) * count));
        (0..17u8, 0..4usize).prop_flat_map(filled).boxed()
    };
    (any::<u32>(), any::<u8>(), derived(honesty), spis).prop_map(|(doi, protocol, spi_count, (spi_size, spis))| {
        Delete { doi: Doi(doi), protocol: ProtocolId(protocol), spi_size, spi_count, spis }
    })
}

fn body(honesty: Honesty) -> BoxedStrategy<Body> {
    let id = || {
        (any::<u8>(), any::<u8>(), any::<u16>(), octets(33)).prop_map(|(id_type, protocol, port, data)| {
            Identification { id_type: IdType(id_type), protocol, port, data }
        })
    };
    let certificate = || (any::<u8>(), octets(40)).prop_map(|(encoding, data)| Certificate { encoding, data });
    let notification = (any::<u32>(), any::<u8>(), derived(honesty), any::<u16>(), octets(17), octets(24)).prop_map(
        |(doi, protocol, spi_size, notify_type, spi, data)| {
            Body::Notification(Notification {
                doi: Doi(doi),
                protocol: ProtocolId(protocol),
                spi_size,
                notify_type: NotifyType(notify_type),
                spi,
                data,
            })
        },
    );
    let attributes = (any::<u8>(), any::<u8>(), any::<u16>(), vec(attribute(honesty), 0..5)).prop_map(
        |(cfg_type, reserved, identifier, attributes)| {
            Body::Attributes(Configuration { cfg_type, reserved, identifier, attributes })
        },
    );
    let fragment = (any::<u16>(), any::<u8>(), any::<u8>(), octets(60))
        .prop_map(|(id, number, flags, data)| Body::Fragment(Fragment { id, number, flags, data }));
    let raw_type = if honesty == Any {
        any::<u8>().boxed()
    } else {
        prop_oneof![2..4u8, 15..20u8, 22..130u8, 133..=255u8].boxed()
    };
    // An SA of another DOI is kept as it is.
    let foreign = (2..u32::MAX, octets(20)).prop_map(|(doi, rest)| Body::Raw {
        payload_type: PayloadType::SECURITY_ASSOCIATION,
        data: [&doi.to_be_bytes()[..], &rest].concat(),
    });
    prop_oneof![
        4 => security_association(honesty).prop_map(Body::SecurityAssociation),
        1 => foreign,
        1 => octets(64).prop_map(Body::KeyExchange),
        1 => id().prop_map(Body::Identification),
        1 => certificate().prop_map(Body::Certificate),
        1 => certificate().prop_map(Body::CertificateRequest),
        1 => octets(64).prop_map(Body::Hash),
        1 => octets(64).prop_map(Body::Signature),
        1 => octets(300).prop_map(Body::Nonce),
        1 => notification,
        1 => delete(honesty).prop_map(Body::Delete),
        1 => octets(40).prop_map(Body::VendorId),
        1 => attributes,
        1 => octets(64).prop_map(Body::NatDetection),
        1 => id().prop_map(Body::NatOriginalAddress),
        1 => octets(64).prop_map(Body::NatDetectionDraft),
        1 => id().prop_map(Body::NatOriginalAddressDraft),
        1 => fragment,
        1 => (raw_type, octets(40))
            .prop_map(|(payload_type, data)| Body::Raw { payload_type: PayloadType(payload_type), data }),
    ]
    .boxed()
}

fn next_payload(honesty: Honesty) -> impl Strategy<Value = Derived<PayloadType>> {
    derived::<u8>(honesty).prop_map(|next| match next {
        Derived::Computed => Derived::Computed,
        Derived::Exactly(next) => Derived::Exactly(PayloadType(next)),
    })
}

/// Payloads in a chain.
pub(crate) fn payloads(honesty: Honesty) -> impl Strategy<Value = Vec<Payload>> {
    let payload = (next_payload(honesty), any::<u8>(), derived(honesty), body(honesty))
        .prop_map(|(next_payload, reserved, length, body)| Payload { next_payload, reserved, length, body });
    vec(payload, 0..6)
}

/// A whole message. Of the honest, the major version is 1, the E flag agrees with the content, and nothing trails.
pub(crate) fn message(honesty: Honesty) -> impl Strategy<Value = Message> {
    let version = if honesty == Any { any::<u8>().boxed() } else { (0x10..0x20u8).boxed() };
    let trailing = if honesty == Any { octets(5).boxed() } else { Just(Vec::new()).boxed() };
    let content = prop_oneof![
        3 => payloads(honesty).prop_map(Content::Clear),
        1 => (any::<u8>(), octets(64))
            .prop_map(|(first, data)| Content::Encrypted { first: PayloadType(first), data }),
    ];
    let numbers = (any::<u64>(), any::<u64>(), any::<u8>(), any::<u8>(), any::<u32>());
    (numbers, next_payload(honesty), version, derived(honesty), content, trailing).prop_map(
        move |(
            (initiator, responder, exchange, flags, message_id),
            next_payload,
            version,
            length,
            content,
            trailing,
        )| {
            let mut flags = flags;
            if honesty != Any {
                flags = flags & !Flags::ENCRYPTION | u8::from(matches!(content, Content::Encrypted { .. }));
            }
            let header = Header::new((initiator, responder), ExchangeType(exchange), Flags(flags), message_id);
            Message { header: Header { next_payload, version, length, ..header }, content, trailing }
        },
    )
}
