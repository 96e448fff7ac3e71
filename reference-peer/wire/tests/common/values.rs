//! Strategies for IKEv2 values: those that a reader accepts, and those with any field overridden.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::Derived;
use wire::ikev2::*;

/// How derived fields are filled: computed, or at random also exactly as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    /// All computed, all counts and lengths within what the formats hold: reading gives the value back.
    Honest,
    /// Any derived field may be anything.
    Any,
}

use Honesty::Any;

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

fn attribute() -> impl Strategy<Value = Attribute> {
    let value = prop_oneof![any::<u16>().prop_map(AttributeValue::Short), octets(12).prop_map(AttributeValue::Long)];
    (0..0x8000u16, value).prop_map(|(attribute_type, value)| Attribute { attribute_type, value })
}

fn transform(honesty: Honesty) -> impl Strategy<Value = Transform> {
    (
        derived(honesty),
        any::<u8>(),
        derived(honesty),
        prop_oneof![4 => 1..=5u8, 1 => any::<u8>()],
        any::<u8>(),
        any::<u16>(),
        vec(attribute(), 0..3),
    )
        .prop_map(|(last, reserved1, length, transform_type, reserved2, id, attributes)| Transform {
            last,
            reserved1,
            length,
            transform_type: TransformType(transform_type),
            reserved2,
            id,
            attributes,
        })
}

fn proposal(honesty: Honesty) -> impl Strategy<Value = Proposal> {
    let least = if honesty == Any { 0 } else { 1 };
    (
        (derived(honesty), derived(honesty), derived(honesty), derived(honesty)),
        (any::<u8>(), any::<u8>(), any::<u8>()),
        octets(9),
        vec(transform(honesty), least..5),
    )
        .prop_map(|((last, length, spi_size, transform_count), (reserved, number, protocol), spi, transforms)| {
            Proposal {
                last,
                reserved,
                length,
                number,
                protocol: ProtocolId(protocol),
                spi_size,
                spi,
                transform_count,
                transforms,
            }
        })
}

fn selector(honesty: Honesty) -> BoxedStrategy<TrafficSelector> {
    let range = |start: BoxedStrategy<IpAddr>, end: BoxedStrategy<IpAddr>| {
        (any::<u8>(), derived(honesty), any::<u16>(), any::<u16>(), start, end).prop_map(
            |(protocol, length, start_port, end_port, start, end)| TrafficSelector::Range {
                protocol,
                length,
                start_port,
                end_port,
                start,
                end,
            },
        )
    };
    let v4 = || any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed();
    let v6 = || any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed();
    let raw_type = if honesty == Any { any::<u8>().boxed() } else { prop_oneof![0..7u8, 9..=255u8].boxed() };
    let raw = (raw_type, any::<u8>(), octets(40)).prop_map(|(ts_type, protocol, data)| TrafficSelector::Raw {
        ts_type,
        protocol,
        data,
    });
    let mixed = if honesty == Any { range(v4(), v6()).boxed() } else { range(v6(), v6()).boxed() };
    prop_oneof![range(v4(), v4()), range(v6(), v6()), mixed, raw].boxed()
}

fn selectors(honesty: Honesty) -> impl Strategy<Value = TrafficSelectors> {
    let least = if honesty == Any { 0 } else { 1 };
    (derived(honesty), any::<[u8; 3]>(), vec(selector(honesty), least..4))
        .prop_map(|(count, reserved, selectors)| TrafficSelectors { count, reserved, selectors })
}

fn delete(honesty: Honesty) -> impl Strategy<Value = Delete> {
    let spis = if honesty == Any {
        (any::<u8>(), octets(20)).boxed()
    } else {
        let filled = |(size, count): (u8, usize)| (Just(size), vec(any::<u8>(), usize::from(size) * count));
        (0..9u8, 0..6usize).prop_flat_map(filled).boxed()
    };
    (any::<u8>(), derived(honesty), spis).prop_map(|(protocol, spi_count, (spi_size, spis))| Delete {
        protocol: ProtocolId(protocol),
        spi_size,
        spi_count,
        spis,
    })
}

fn configuration() -> impl Strategy<Value = Configuration> {
    let attribute = (any::<bool>(), 0..0x8000u16, octets(17))
        .prop_map(|(reserved, attribute_type, value)| ConfigurationAttribute { reserved, attribute_type, value });
    (any::<u8>(), any::<[u8; 3]>(), vec(attribute, 0..4)).prop_map(|(cfg_type, reserved, attributes)| Configuration {
        cfg_type,
        reserved,
        attributes,
    })
}

fn eap(honesty: Honesty) -> BoxedStrategy<Eap> {
    if honesty == Any {
        return octets(20).prop_map(|message| Eap { message }).boxed();
    }
    (any::<[u8; 2]>(), octets(20))
        .prop_map(|(head, data)| Eap { message: [&head, &(data.len() as u16 + 4).to_be_bytes()[..], &data].concat() })
        .boxed()
}

/// Bodies but for SK and SKF.
fn open_body(honesty: Honesty) -> BoxedStrategy<Body> {
    let id = || {
        (any::<u8>(), any::<[u8; 3]>(), octets(30)).prop_map(|(id_type, reserved, data)| Identification {
            id_type: IdType(id_type),
            reserved,
            data,
        })
    };
    let certificate = || (any::<u8>(), octets(40)).prop_map(|(encoding, data)| Certificate { encoding, data });
    let authentication = (any::<u8>(), any::<[u8; 3]>(), octets(40)).prop_map(|(method, reserved, data)| {
        Body::Authentication(Authentication { method: AuthMethod(method), reserved, data })
    });
    let notify = (any::<u8>(), derived(honesty), any::<u16>(), octets(9), octets(24)).prop_map(
        |(protocol, spi_size, notify_type, spi, data)| {
            Body::Notify(Notify {
                protocol: ProtocolId(protocol),
                spi_size,
                notify_type: NotifyType(notify_type),
                spi,
                data,
            })
        },
    );
    let raw_type =
        if honesty == Any { any::<u8>().boxed() } else { prop_oneof![1..33u8, 49..53u8, 54..=255u8].boxed() };
    prop_oneof![
        vec(proposal(honesty), if honesty == Any { 0..4 } else { 1..4 })
            .prop_map(|proposals| Body::SecurityAssociation(SecurityAssociation { proposals })),
        (any::<u16>(), any::<u16>(), octets(64)).prop_map(|(group, reserved, data)| Body::KeyExchange(KeyExchange {
            group,
            reserved,
            data
        })),
        id().prop_map(Body::IdInitiator),
        id().prop_map(Body::IdResponder),
        certificate().prop_map(Body::Certificate),
        certificate().prop_map(Body::CertificateRequest),
        authentication,
        octets(300).prop_map(Body::Nonce),
        notify,
        delete(honesty).prop_map(Body::Delete),
        octets(255).prop_map(Body::VendorId),
        selectors(honesty).prop_map(Body::TsInitiator),
        selectors(honesty).prop_map(Body::TsResponder),
        configuration().prop_map(Body::Configuration),
        eap(honesty).prop_map(Body::Eap),
        (raw_type, octets(40))
            .prop_map(|(payload_type, data)| Body::Raw { payload_type: PayloadType(payload_type), data }),
    ]
    .boxed()
}

fn closed_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (any::<u8>(), octets(64))
            .prop_map(|(first, data)| Body::Encrypted(Encrypted { first: PayloadType(first), data })),
        (any::<u8>(), any::<u16>(), any::<u16>(), octets(64)).prop_map(|(first, number, total, data)| {
            Body::EncryptedFragment(EncryptedFragment { first: PayloadType(first), number, total, data })
        }),
    ]
}

fn payload(honesty: Honesty, body: BoxedStrategy<Body>) -> impl Strategy<Value = Payload> {
    let next = derived::<u8>(honesty).prop_map(|next| match next {
        Derived::Computed => Derived::Computed,
        Derived::Exactly(next) => Derived::Exactly(PayloadType(next)),
    });
    (next, any::<bool>(), 0..0x80u8, derived(honesty), body).prop_map(
        |(next_payload, critical, reserved, length, body)| Payload { next_payload, critical, reserved, length, body },
    )
}

/// Payloads; an SK or SKF comes last, or anywhere among the dishonest.
pub(crate) fn payloads(honesty: Honesty) -> BoxedStrategy<Vec<Payload>> {
    let open = payload(honesty, open_body(honesty));
    let closed = payload(honesty, closed_body().boxed());
    if honesty == Any {
        return vec(prop_oneof![6 => open, 1 => closed], 0..6).boxed();
    }
    (vec(open, 0..6), option::of(closed))
        .prop_map(|(mut payloads, closed)| {
            payloads.extend(closed);
            payloads
        })
        .boxed()
}

/// A whole message. Of the honest, the major version is 2 and nothing trails.
pub(crate) fn message(honesty: Honesty) -> impl Strategy<Value = Message> {
    let version = if honesty == Any { any::<u8>().boxed() } else { (0x20..0x30u8).boxed() };
    let trailing = if honesty == Any { octets(5).boxed() } else { Just(Vec::new()).boxed() };
    let next = derived::<u8>(honesty).prop_map(|next| match next {
        Derived::Computed => Derived::Computed,
        Derived::Exactly(next) => Derived::Exactly(PayloadType(next)),
    });
    let numbers = (any::<u64>(), any::<u64>(), any::<u8>(), any::<u8>(), any::<u32>());
    (numbers, next, version, derived(honesty), payloads(honesty), trailing).prop_map(
        |(
            (initiator_spi, responder_spi, exchange_type, flags, message_id),
            next_payload,
            version,
            length,
            payloads,
            trailing,
        )| Message {
            header: Header {
                initiator_spi,
                responder_spi,
                next_payload,
                version,
                exchange_type: ExchangeType(exchange_type),
                flags: Flags(flags),
                message_id,
                length,
            },
            payloads,
            trailing,
        },
    )
}
