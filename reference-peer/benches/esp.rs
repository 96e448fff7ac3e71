//! The data plane on one core: 1,400-octet inner packets, and beside each transform its bare cipher and MAC over as many
//! octets, with nothing around them. What the data plane adds is the quotient.
//!
//! `cargo bench -p counterpeer-peer --bench esp`, or with a filter: `-- 'open/aes128gcm16'`, `-- window`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark: criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use crypto::{Cipher, Encryption, Integrity, IntegrityKey, KeyBits};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use reference_peer::Instant;
use reference_peer::hands::Honest;
use reference_peer::ipsec::inbound::InboundSa;
use reference_peer::ipsec::outbound::{Buffers, OutboundSa, Protection};
use reference_peer::ipsec::replay::{ReplayWindow, Verdict};
use reference_peer::ipsec::sa::{Protocol, SaParameters};
use reference_peer::ipsec::sad::Sad;

const INNER: usize = 1400;
const IPV4: u8 = 4;
const NOW: Instant = Instant::START;
/// Packets that are made ready at a time; more would not stay in the cache.
const BATCH: BatchSize = BatchSize::NumIterations(64);

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = seal, open, window
}
criterion_main!(benches);

fn inner() -> Vec<u8> {
    let protocol = wire::ip::Protocol(253);
    wire::ipv4::Packet::new([10, 1, 0, 1].into(), [10, 2, 0, 1].into(), protocol, [0x5a; INNER - 20]).to_bytes()
}

fn transforms() -> Vec<(&'static str, SaParameters)> {
    use Encryption::{AesCbc, AesCcm16, AesCtr, AesGcm16, AesGmac, ChaCha20Poly1305, Null, TripleDes};
    use Integrity::{AesXcbc96, HmacSha1_96, HmacSha256_128, HmacSha384_192, HmacSha512_256, None};
    use KeyBits::{B128, B256};
    let all = [
        ("aes128-sha1", Protocol::Esp, AesCbc(B128), HmacSha1_96),
        ("aes128-sha256", Protocol::Esp, AesCbc(B128), HmacSha256_128),
        ("aes256-sha384", Protocol::Esp, AesCbc(B256), HmacSha384_192),
        ("aes256-sha512", Protocol::Esp, AesCbc(B256), HmacSha512_256),
        ("aes128ctr-sha256", Protocol::Esp, AesCtr(B128), HmacSha256_128),
        ("3des-sha1", Protocol::Esp, TripleDes, HmacSha1_96),
        ("aes128gcm16", Protocol::Esp, AesGcm16(B128), None),
        ("aes256gcm16", Protocol::Esp, AesGcm16(B256), None),
        ("aes128ccm16", Protocol::Esp, AesCcm16(B128), None),
        ("aes128gmac", Protocol::Esp, AesGmac(B128), None),
        ("chacha20poly1305", Protocol::Esp, ChaCha20Poly1305, None),
        ("null-sha256", Protocol::Esp, Null, HmacSha256_128),
        ("ah-sha1", Protocol::Ah, Null, HmacSha1_96),
        ("ah-sha256", Protocol::Ah, Null, HmacSha256_128),
        ("ah-sha512", Protocol::Ah, Null, HmacSha512_256),
        ("ah-aesxcbc", Protocol::Ah, Null, AesXcbc96),
    ];
    let with_keys = |(name, protocol, encryption, integrity): (_, _, Encryption, Integrity)| {
        let ends = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
        let keys = (vec![7; encryption.key_material_len()], vec![9; integrity.key_len()]);
        let mut parameters = SaParameters::new(0x0102_0304, ends[0].into(), ends[1].into())
            .with_keys((encryption, &keys.0), (integrity, &keys.1));
        parameters.protocol = protocol;
        (name, parameters)
    };
    all.into_iter().map(with_keys).collect()
}

/// Cipher and MAC alone.
struct Bare {
    cipher: Cipher,
    integrity: IntegrityKey,
    iv: Vec<u8>,
}

/// Octets to be protected, and their ICV.
#[derive(Clone)]
struct Data {
    octets: Vec<u8>,
    icv: Vec<u8>,
}

impl Bare {
    fn new(parameters: &SaParameters) -> Self {
        let SaParameters { encryption, integrity, .. } = parameters;
        Self {
            cipher: Cipher::new(*encryption, &parameters.encryption_key).unwrap(),
            integrity: IntegrityKey::new(*integrity, &parameters.integrity_key).unwrap(),
            iv: vec![3; encryption.iv_len()],
        }
    }

    fn data(&self, parameters: &SaParameters) -> Data {
        let octets = match parameters.protocol {
            Protocol::Esp => (INNER + 2).next_multiple_of(parameters.encryption.block_len().max(4)),
            // Outer header, AH, payload.
            Protocol::Ah => 20 + 12 + INNER,
        };
        let icv = parameters.encryption.icv_len().max(parameters.integrity.icv_len());
        Data { octets: vec![0x5a; octets], icv: vec![0; icv] }
    }

    fn seal(&self, data: &mut Data) {
        if self.cipher.algorithm().is_aead() {
            return self.cipher.seal(&self.iv, &[1; 8], &mut data.octets, &mut data.icv).unwrap();
        }
        self.cipher.encrypt(&self.iv, &mut data.octets).unwrap();
        self.integrity.sign(&[&[1; 8], &self.iv, &data.octets], &mut data.icv);
    }

    fn open(&self, data: &mut Data) {
        if self.cipher.algorithm().is_aead() {
            return self.cipher.open(&self.iv, &[1; 8], &mut data.octets, &data.icv).unwrap();
        }
        assert!(self.integrity.verify(&[&[1; 8], &self.iv, &data.octets], &data.icv));
        self.cipher.decrypt(&self.iv, &mut data.octets).unwrap();
    }
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(INNER as u64));
    group
}

/// `bare`; `esp`, the ESP packet alone; `packet`, the whole way from the inner packet to the outer one.
fn seal(c: &mut Criterion) {
    let inner = inner();
    for (name, parameters) in transforms() {
        let mut group = group(c, &format!("seal/{name}"));
        let bare = Bare::new(&parameters);
        let mut data = bare.data(&parameters);
        group.bench_function("bare", |b| b.iter(|| bare.seal(black_box(&mut data))));
        if parameters.protocol == Protocol::Esp {
            let mut sa = OutboundSa::new(parameters.clone(), NOW).unwrap();
            let (mut out, mut count) = (Vec::new(), 0_u128);
            let iv_len = parameters.encryption.iv_len();
            group.bench_function("esp", |b| {
                b.iter(|| {
                    count += 1;
                    let iv = &count.to_be_bytes()[16 - iv_len..];
                    sa.seal_into(black_box(&inner), IPV4, iv, &mut out).unwrap();
                    black_box(&out);
                });
            });
        }
        let mut sa = OutboundSa::new(parameters.clone(), NOW).unwrap();
        let (mut rng, mut buffers) = (ChaCha8Rng::seed_from_u64(1), Buffers::default());
        group.bench_function("packet", |b| {
            b.iter(|| {
                let how = Protection::default();
                assert!(sa.protect_into(NOW, black_box(&inner), how, &mut rng, &mut Honest, &mut buffers).unwrap());
                black_box(&buffers.packet);
            });
        });
        group.finish();
    }
}

/// `bare`; `esp`, the ESP packet alone, in place; `packet`, from the outer packet with all checks to the inner one.
fn open(c: &mut Criterion) {
    let inner = inner();
    for (name, parameters) in transforms() {
        let mut group = group(c, &format!("open/{name}"));
        let bare = Bare::new(&parameters);
        let mut data = bare.data(&parameters);
        bare.seal(&mut data);
        group.bench_function("bare", |b| b.iter_batched_ref(|| data.clone(), |data| bare.open(data), BATCH));
        let mut outbound = OutboundSa::new(parameters.clone(), NOW).unwrap();
        if parameters.protocol == Protocol::Esp {
            let mut inbound = InboundSa::new(parameters.clone(), NOW).unwrap();
            let iv_len = parameters.encryption.iv_len();
            group.bench_function("esp", |b| {
                b.iter_batched_ref(
                    || {
                        let mut esp = Vec::new();
                        outbound.seal_into(&inner, IPV4, &[1; 16][16 - iv_len..], &mut esp).unwrap();
                        esp
                    },
                    |esp| black_box(inbound.open_in_place(NOW, esp).unwrap().next_header),
                    BATCH,
                );
            });
        }
        let mut sad = Sad::default();
        sad.insert_inbound(InboundSa::new(parameters.clone(), NOW).unwrap()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        group.bench_function("packet", |b| {
            b.iter_batched_ref(
                || outbound.protect(NOW, &inner, Protection::default(), &mut rng, &mut Honest).unwrap().unwrap(),
                |packet| {
                    let received = sad.receive(NOW, packet, 4500).unwrap().unwrap();
                    sad.recycle(black_box(received).packet);
                },
                BATCH,
            );
        });
        group.finish();
    }
}

/// The cost of the window must not grow with its size or with the jump (guide chapter 2).
fn window(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.throughput(Throughput::Elements(1));
    for size in [64, 128, 256, 512, 1024, 4096, 65_536] {
        for (name, step) in [("1", 1), ("64", 64), ("size", u64::from(size)), ("2^20", 1 << 20)] {
            let mut window = ReplayWindow::extended(size);
            let mut sequence = 0;
            group.bench_function(format!("{size}/step {name}"), |b| {
                b.iter(|| {
                    sequence += step;
                    let verdict = window.check(black_box(sequence));
                    if verdict == Verdict::New {
                        window.accept(sequence);
                    }
                    verdict
                });
            });
        }
    }
    group.finish();
}
