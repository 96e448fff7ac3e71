//! How fast the algorithms are, beside aws-lc where it has them: packets of 1400 octets, and key agreements.
//!
//! `cargo bench -p counterpeer-crypto`, or with a filter: `cargo bench -p counterpeer-crypto -- 'seal/.*GCM_16'`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark; criterion's macro documents nothing")]

use std::{hint::black_box, time::Duration};

use aws_lc_rs::{aead, agreement, cipher, cmac, hmac};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use crypto::{Cipher, Encryption, Group, Integrity, IntegrityKey, KeyBits, KeyPair};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// Octets of a packet. Not a multiple of 16: the CBC modes take 1392.
const PACKET: usize = 1400;

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = encryption, integrity, groups
}
criterion_main!(benches);

fn encryption(c: &mut Criterion) {
    let mut seal = group(c, "seal");
    for algorithm in Encryption::ALL {
        let key = vec![7; algorithm.key_material_len()];
        let cipher = Cipher::new(algorithm, &key).unwrap();
        let iv = vec![9; algorithm.iv_len()];
        let mut data = packet(algorithm);
        let mut icv = vec![0; algorithm.icv_len()];
        seal.bench_function(format!("{algorithm}"), |b| {
            b.iter(|| match algorithm.is_aead() {
                true => cipher.seal(&iv, &[1; 8], black_box(&mut data), &mut icv).unwrap(),
                false => cipher.encrypt(&iv, black_box(&mut data)).unwrap(),
            });
        });
        if let Some(other) = aws_aead(algorithm) {
            seal.bench_function(format!("{algorithm} aws-lc"), |b| {
                b.iter(|| {
                    let nonce = aead::Nonce::assume_unique_for_key([9; 12]);
                    other.seal_in_place_separate_tag(nonce, aead::Aad::from([1; 8]), black_box(&mut data)).unwrap()
                });
            });
        }
        if let Some((encrypt, _)) = aws_cipher(algorithm) {
            seal.bench_function(format!("{algorithm} aws-lc"), |b| {
                b.iter(|| encrypt.less_safe_encrypt(black_box(&mut data), aws_context(algorithm)).unwrap());
            });
        }
    }
    seal.finish();

    // A wrong ICV would end before the decryption, so each round opens a fresh copy of the same packet.
    let mut open = group(c, "open");
    for algorithm in Encryption::ALL {
        let key = vec![7; algorithm.key_material_len()];
        let cipher = Cipher::new(algorithm, &key).unwrap();
        let iv = vec![9; algorithm.iv_len()];
        let mut sealed = packet(algorithm);
        let mut icv = vec![0; algorithm.icv_len()];
        if algorithm.is_aead() {
            cipher.seal(&iv, &[1; 8], &mut sealed, &mut icv).unwrap();
        }
        let mut data = sealed.clone();
        open.bench_function(format!("{algorithm}"), |b| {
            b.iter(|| {
                data.copy_from_slice(&sealed);
                match algorithm.is_aead() {
                    true => cipher.open(&iv, &[1; 8], black_box(&mut data), &icv).unwrap(),
                    false => cipher.decrypt(&iv, black_box(&mut data)).unwrap(),
                }
            });
        });
        if let Some(other) = aws_aead(algorithm) {
            let nonce = || aead::Nonce::assume_unique_for_key([9; 12]);
            let mut theirs = packet(algorithm);
            let tag = other.seal_in_place_separate_tag(nonce(), aead::Aad::from([1; 8]), &mut theirs).unwrap();
            theirs.extend_from_slice(tag.as_ref());
            let mut data = theirs.clone();
            open.bench_function(format!("{algorithm} aws-lc"), |b| {
                b.iter(|| {
                    data.copy_from_slice(&theirs);
                    other.open_in_place(nonce(), aead::Aad::from([1; 8]), black_box(&mut data)).unwrap().len()
                });
            });
        }
        if let Some((_, decrypt)) = aws_cipher(algorithm) {
            open.bench_function(format!("{algorithm} aws-lc"), |b| {
                b.iter(|| {
                    data.copy_from_slice(&sealed);
                    let context = match aws_context(algorithm) {
                        cipher::EncryptionContext::Iv128(iv) => cipher::DecryptionContext::Iv128(iv),
                        _ => cipher::DecryptionContext::None,
                    };
                    decrypt.decrypt(black_box(&mut data), context).unwrap().len()
                });
            });
        }
    }
    open.finish();
}

fn integrity(c: &mut Criterion) {
    let mut sign = group(c, "sign");
    let data = vec![0x5a; PACKET];
    for algorithm in Integrity::ALL {
        let key = vec![7; algorithm.key_len()];
        let keyed = IntegrityKey::new(algorithm, &key).unwrap();
        let mut icv = vec![0; algorithm.icv_len()];
        sign.bench_function(algorithm.name(), |b| b.iter(|| keyed.sign(&[black_box(&data)], &mut icv)));
        let hmac = match algorithm {
            Integrity::HmacSha1_96 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Integrity::HmacSha256_128 => Some(hmac::HMAC_SHA256),
            Integrity::HmacSha384_192 => Some(hmac::HMAC_SHA384),
            Integrity::HmacSha512_256 => Some(hmac::HMAC_SHA512),
            _ => None,
        };
        let name = format!("{algorithm} aws-lc");
        if let Some(hmac) = hmac {
            let other = hmac::Key::new(hmac, &key);
            sign.bench_function(name, |b| b.iter(|| hmac::sign(&other, black_box(&data))));
        } else if algorithm == Integrity::AesCmac96 {
            let other = cmac::Key::new(cmac::AES_128, &key).unwrap();
            sign.bench_function(name, |b| b.iter(|| cmac::sign(&other, black_box(&data)).unwrap()));
        }
    }
    sign.finish();
}

fn groups(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut generate = c.benchmark_group("generate");
    for group in Group::ALL {
        generate.bench_function(group.name(), |b| b.iter(|| KeyPair::generate(group, &mut rng)));
    }
    generate.finish();

    let mut agree = c.benchmark_group("agree");
    for group in Group::ALL {
        let (ours, peer) = (KeyPair::generate(group, &mut rng), KeyPair::generate(group, &mut rng));
        agree.bench_function(group.name(), |b| b.iter(|| ours.agree(black_box(peer.public())).unwrap()));
        let other = match group {
            Group::Ecp256 => &agreement::ECDH_P256,
            Group::Ecp384 => &agreement::ECDH_P384,
            Group::Ecp521 => &agreement::ECDH_P521,
            Group::Curve25519 => &agreement::X25519,
            _ => continue,
        };
        let private = agreement::PrivateKey::generate(other).unwrap();
        let public = agreement::PrivateKey::generate(other).unwrap().compute_public_key().unwrap();
        agree.bench_function(format!("{group} aws-lc"), |b| {
            b.iter(|| {
                let peer = agreement::UnparsedPublicKey::new(other, black_box(public.as_ref()));
                agreement::agree(&private, peer, (), |secret| Ok(secret.len())).unwrap()
            });
        });
    }
    agree.finish();
}

fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(PACKET as u64));
    group
}

fn packet(algorithm: Encryption) -> Vec<u8> {
    vec![0x5a; PACKET - PACKET % algorithm.block_len()]
}

fn aws_aead(algorithm: Encryption) -> Option<aead::LessSafeKey> {
    let other = match algorithm {
        Encryption::AesGcm16(KeyBits::B128) => &aead::AES_128_GCM,
        Encryption::AesGcm16(KeyBits::B192) => &aead::AES_192_GCM,
        Encryption::AesGcm16(KeyBits::B256) => &aead::AES_256_GCM,
        Encryption::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        _ => return None,
    };
    Some(aead::LessSafeKey::new(aead::UnboundKey::new(other, &vec![7; algorithm.key_len()]).unwrap()))
}

fn aws_cipher(algorithm: Encryption) -> Option<(cipher::EncryptingKey, cipher::DecryptingKey)> {
    let bits = algorithm.key_length_attribute()?;
    let key = || {
        let other = match bits {
            128 => &cipher::AES_128,
            192 => &cipher::AES_192,
            _ => &cipher::AES_256,
        };
        cipher::UnboundCipherKey::new(other, &vec![7; algorithm.key_len()]).unwrap()
    };
    match algorithm {
        Encryption::AesCbc(_) => {
            Some((cipher::EncryptingKey::cbc(key()).unwrap(), cipher::DecryptingKey::cbc(key()).unwrap()))
        }
        Encryption::AesCtr(_) => {
            Some((cipher::EncryptingKey::ctr(key()).unwrap(), cipher::DecryptingKey::ctr(key()).unwrap()))
        }
        _ => None,
    }
}

fn aws_context(algorithm: Encryption) -> cipher::EncryptionContext {
    match algorithm {
        Encryption::AesCbc(_) | Encryption::AesCtr(_) => cipher::EncryptionContext::Iv128([9; 16].into()),
        _ => cipher::EncryptionContext::None,
    }
}
