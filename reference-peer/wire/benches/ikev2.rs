//! Reading an IKE_SA_INIT request of 604 octets, beside `ipsec-parser`.
//!
//! Both read the header and every payload. Ours checks and owns what it reads, down to the attributes of each
//! transform; theirs borrows, and leaves the attributes to a conversion that is measured with it (`with transforms`)
//! and without (`payloads`).
//!
//! `cargo bench -p counterpeer-wire`
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark has no callers")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ipsec_parser::{IkeV2PayloadContent, IkeV2Transform, parse_ikev2_message};
use std::hint::black_box;
use wire::ikev2::*;

/// Octets of the request.
const OCTETS: usize = 604;

/// Two proposals (CBC and GCM), MODP-2048, and the notifications that a usual initiator sends.
fn request() -> Message {
    let encr = |id| [128, 192, 256].map(|bits| Transform::with_key_length(TransformType::ENCR, id, bits));
    let others = |transform_type, ids: &[u16]| -> Vec<Transform> {
        ids.iter().map(|id| Transform::new(transform_type, *id)).collect()
    };
    let cbc = [
        encr(12).to_vec(),
        others(TransformType::INTEG, &[12, 13, 14]),
        others(TransformType::PRF, &[5, 6, 7]),
        others(TransformType::KE, &[14, 19]),
    ];
    let gcm = [encr(20).to_vec(), others(TransformType::PRF, &[5, 6]), others(TransformType::KE, &[14, 19, 31])];
    let sa = SecurityAssociation::new([
        Proposal::new(1, ProtocolId::IKE, [], cbc.concat()),
        Proposal::new(2, ProtocolId::IKE, [], gcm.concat()),
    ]);
    let bodies = [
        Body::SecurityAssociation(sa),
        Body::KeyExchange(KeyExchange::new(14, [0xA5; 256])),
        Body::Nonce(vec![0x5A; 32]),
        Body::Notify(Notify::new(NotifyType::NAT_DETECTION_SOURCE_IP, [1; 20])),
        Body::Notify(Notify::new(NotifyType::NAT_DETECTION_DESTINATION_IP, [2; 20])),
        Body::Notify(Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, [])),
        Body::Notify(Notify::new(NotifyType::SIGNATURE_HASH_ALGORITHMS, [0, 2, 0, 3, 0, 4, 0, 5])),
    ];
    let header = Header::new((0x1122_3344_5566_7788, 0), ExchangeType::IKE_SA_INIT, Flags::new(true, false), 0);
    Message::new(header, bodies.map(Payload::from))
}

fn read(c: &mut Criterion) {
    let message = request();
    let bytes = message.to_bytes();
    assert_eq!(bytes.len(), OCTETS);
    assert_eq!(Message::parse(&bytes), Ok(message.clone()));
    let (_, (_, theirs)) = parse_ikev2_message(&bytes).unwrap();
    assert_eq!(theirs.unwrap().len(), 1 + message.payloads.len(), "a dummy, then the payloads");

    let mut group = c.benchmark_group("IKE_SA_INIT of 604 octets");
    group.throughput(Throughput::Bytes(OCTETS as u64));
    group.bench_function("wire", |b| b.iter(|| Message::parse(black_box(&bytes))));
    group.bench_function("ipsec-parser, payloads", |b| b.iter(|| parse_ikev2_message(black_box(&bytes)).unwrap().1.1));
    group.bench_function("ipsec-parser, with transforms", |b| {
        b.iter(|| {
            let payloads = parse_ikev2_message(black_box(&bytes)).unwrap().1.1.unwrap();
            for payload in &payloads {
                if let IkeV2PayloadContent::SA(proposals) = &payload.content {
                    for transform in proposals.iter().flat_map(|proposal| &proposal.transforms) {
                        black_box(IkeV2Transform::from(transform));
                    }
                }
            }
            payloads
        });
    });
    let mut out = Vec::with_capacity(OCTETS);
    group.bench_function("wire, writing", |b| {
        b.iter(|| {
            out.clear();
            black_box(&message).emit(&mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
