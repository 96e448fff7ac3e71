//! ESP packets a second on one core: 1,400-octet inner packets, header, IV, padding and ICV included.
//!
//! `cargo bench -p counterpeer-peer --bench esp`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark: criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use crypto::{Encryption, Integrity, KeyBits};
use reference_peer::Instant;
use reference_peer::ipsec::inbound::InboundSa;
use reference_peer::ipsec::outbound::OutboundSa;
use reference_peer::ipsec::replay::ReplayWindow;
use reference_peer::ipsec::sa::SaParameters;

const INNER: [u8; 1400] = [0x45; 1400];
const IPV4: u8 = 4;

fn parameters(encryption: Encryption, integrity: Integrity) -> SaParameters {
    SaParameters::new(0x0102_0304, Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(192, 0, 2, 2).into())
        .with_keys((encryption, &vec![7; encryption.key_material_len()]), (integrity, &vec![9; integrity.key_len()]))
}

fn transforms() -> [(&'static str, SaParameters); 4] {
    [
        ("aes-gcm-16-128", parameters(Encryption::AesGcm16(KeyBits::B128), Integrity::None)),
        ("aes-gcm-16-256", parameters(Encryption::AesGcm16(KeyBits::B256), Integrity::None)),
        ("chacha20-poly1305", parameters(Encryption::ChaCha20Poly1305, Integrity::None)),
        ("aes-cbc-128-sha256", parameters(Encryption::AesCbc(KeyBits::B128), Integrity::HmacSha256_128)),
    ]
}

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Elements(1));
    for (name, parameters) in transforms() {
        let iv_len = parameters.encryption.iv_len();
        let mut sa = OutboundSa::new(parameters, Instant::START).unwrap();
        let mut out = Vec::new();
        let mut count = 0_u128;
        group.bench_function(name, |b| {
            b.iter(|| {
                count += 1;
                let iv = &count.to_be_bytes()[16 - iv_len..];
                sa.seal_into(black_box(&INNER), IPV4, iv, &mut out).unwrap();
                black_box(&out);
            });
        });
    }
    group.finish();
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    group.throughput(Throughput::Elements(1));
    for (name, parameters) in transforms() {
        let iv_len = parameters.encryption.iv_len();
        let mut outbound = OutboundSa::new(parameters.clone(), Instant::START).unwrap();
        let mut inbound = InboundSa::new(parameters, Instant::START).unwrap();
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || {
                    let mut esp = Vec::new();
                    outbound.seal_into(&INNER, IPV4, &[1; 16][16 - iv_len..], &mut esp).unwrap();
                    esp
                },
                |esp| black_box(inbound.open_in_place(Instant::START, esp).unwrap().next_header),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The cost of the window must not grow with its size (guide chapter 2).
fn replay(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(1));
    for size in [64, 1024, 4096] {
        let mut window = ReplayWindow::new(size);
        let mut sequence = 0;
        group.bench_function(size.to_string(), |b| {
            b.iter(|| {
                sequence += 1;
                let verdict = window.check(black_box(sequence));
                window.accept(sequence);
                verdict
            });
        });
    }
    group.finish();
}

criterion_group!(benches, seal, open, replay);
criterion_main!(benches);
