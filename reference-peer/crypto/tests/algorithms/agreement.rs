//! Any key and any packet: the same octets as a second implementation, or as a model that is simple enough to read.

use aws_lc_rs::{aead, agreement, cipher, cmac, digest, hmac};
use crypto::{Cipher, CipherError, Encryption, Encryption::*, Group, Hash, Integrity, IntegrityKey, KeyPair, Prf};
use num_bigint::BigUint;
use proptest::{collection::vec, prelude::*, sample::select};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{ccm_model, groups};

/// Longer than any key material, IV or key of an integrity algorithm.
type Octets = [u8; 64];

proptest! {
    #[test]
    fn combined_modes(
        algorithm in select(Encryption::ALL.into_iter().filter(|e| e.is_aead()).collect::<Vec<_>>()),
        key in any::<Octets>(), iv in any::<[u8; 8]>(), aad in vec(any::<u8>(), 0..100),
        plain in vec(any::<u8>(), 0..1600), flip in any::<prop::sample::Index>(),
    ) {
        let key = &key[..algorithm.key_material_len()];
        let cipher = Cipher::new(algorithm, key).unwrap();
        let mut sealed = plain.clone();
        let mut icv = vec![0; algorithm.icv_len()];
        cipher.seal(&iv, &aad, &mut sealed, &mut icv).unwrap();
        let whole = [&*sealed, &icv].concat();
        prop_assert_eq!(&whole, &seal(algorithm, key, &iv, &aad, &plain));

        let mut opened = sealed.clone();
        cipher.open(&iv, &aad, &mut opened, &icv).unwrap();
        prop_assert_eq!(&opened, &plain);

        // One flipped bit anywhere is noticed, and no plaintext comes out.
        let mut forged = [&iv[..], &aad, &whole].concat();
        let bit = flip.index(8 * forged.len());
        forged[bit / 8] ^= 1 << (bit % 8);
        let (iv, rest) = forged.split_at_mut(iv.len());
        let (aad, rest) = rest.split_at_mut(aad.len());
        let (data, icv) = rest.split_at_mut(plain.len());
        let before = data.to_vec();
        prop_assert_eq!(cipher.open(iv, aad, data, icv), Err(CipherError::Integrity));
        prop_assert!(*data == *before || data.iter().all(|octet| *octet == 0));
    }

    #[test]
    fn modes_that_only_encrypt(
        algorithm in select(Encryption::ALL.into_iter().filter(|e| !e.is_aead() && *e != Null).collect::<Vec<_>>()),
        key in any::<Octets>(), iv in any::<Octets>(), mut data in vec(any::<u8>(), 0..1600),
    ) {
        let key = &key[..algorithm.key_material_len()];
        let iv = &iv[..algorithm.iv_len()];
        let cipher = Cipher::new(algorithm, key).unwrap();
        let block = algorithm.block_len();
        if !data.len().is_multiple_of(block) {
            let error = CipherError::PartialBlock { algorithm, block, actual: data.len() };
            prop_assert_eq!(cipher.encrypt(iv, &mut data), Err(error));
            data.truncate(data.len() - data.len() % block);
        }
        let plain = data.clone();
        cipher.encrypt(iv, &mut data).unwrap();
        prop_assert_eq!(&data, &encrypt(algorithm, key, iv, &plain));
        cipher.decrypt(iv, &mut data).unwrap();
        prop_assert_eq!(&data, &plain);
    }

    #[test]
    fn integrity(
        algorithm in select(Integrity::ALL.to_vec()), key in any::<Octets>(),
        parts in vec(vec(any::<u8>(), 0..200), 0..5), flip in any::<prop::sample::Index>(), longer in 0_usize..70,
    ) {
        let key = &key[..algorithm.key_len()];
        let message = parts.concat();
        let code = match algorithm {
            Integrity::None => vec![],
            Integrity::HmacMd5_96 => hmac_of(Hash::Md5, key, &message),
            Integrity::HmacSha1_96 => hmac_of(Hash::Sha1, key, &message),
            Integrity::HmacSha256_128 => hmac_of(Hash::Sha256, key, &message),
            Integrity::HmacSha384_192 => hmac_of(Hash::Sha384, key, &message),
            Integrity::HmacSha512_256 => hmac_of(Hash::Sha512, key, &message),
            Integrity::AesXcbc96 => xcbc_of(key, &message),
            Integrity::AesCmac96 => cmac_of(key, &message),
        };
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        let keyed = IntegrityKey::new(algorithm, key).unwrap();
        let mut icv = vec![0xaa; algorithm.icv_len()];
        keyed.sign(&parts, &mut icv);
        prop_assert_eq!(&*icv, &code[..icv.len()]);
        prop_assert!(keyed.verify(&parts, &icv));
        prop_assert!(!keyed.verify(&parts, &[&*icv, &[0]].concat()));

        let mut other_length = vec![0xaa; longer];
        keyed.sign(&parts, &mut other_length);
        let mut expected = code;
        expected.resize(longer, 0);
        prop_assert_eq!(other_length, expected);

        if algorithm != Integrity::None {
            prop_assert!(!keyed.verify(&parts, &icv[1..]));
            let bit = flip.index(8 * icv.len());
            icv[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!keyed.verify(&parts, &icv));
        }
    }

    #[test]
    fn prfs(
        prf in select(Prf::ALL.to_vec()), key in vec(any::<u8>(), 0..200), parts in vec(vec(any::<u8>(), 0..100), 0..5),
        share in 0.0..=1.0,
    ) {
        let seed: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        prop_assert_eq!(prf.compute(&key, &seed), prf_of(prf, &key, &parts.concat()));

        let len = (share * 255.0 * prf.output_len() as f64) as usize;
        let mut expected = vec![];
        let mut block = vec![];
        for counter in 1..=255 {
            block = prf_of(prf, &key, &[&*block, &parts.concat(), &[counter]].concat());
            expected.extend_from_slice(&block);
            if expected.len() >= len {
                break;
            }
        }
        expected.truncate(len);
        prop_assert_eq!(&*prf.plus(&key, &seed, len).unwrap(), &expected);
    }

    #[test]
    fn digests(hash in select(Hash::ALL.to_vec()), parts in vec(vec(any::<u8>(), 0..200), 0..5)) {
        let other = match hash {
            Hash::Md5 => return Ok(()),
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        let whole = parts.concat();
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        let expected = digest::digest(other, &whole);
        prop_assert_eq!(hash.digest(&parts), expected.as_ref());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Small public values too, so that secrets with leading zeros occur.
    #[test]
    fn modp(
        group in select(Group::ALL.into_iter().filter(|g| modulus_of(*g).is_some()).collect::<Vec<_>>()),
        exponent in vec(any::<u8>(), 1..48), base in vec(any::<u8>(), 1..96), small in any::<bool>(),
    ) {
        prop_assume!(exponent.iter().any(|octet| *octet != 0));
        let base = BigUint::from_bytes_be(if small { &base[..1] } else { &base });
        prop_assume!(base > BigUint::from(1_u8));
        let exponent = if small { &exponent[..1] } else { &exponent };
        prop_assume!(exponent != [0]);
        let modulus = modulus_of(group).unwrap();
        let fixed = |value: &BigUint| {
            let octets = value.to_bytes_be();
            [vec![0; group.public_len() - octets.len()], octets].concat()
        };
        prop_assume!(base < &modulus - 1_u8);
        let pair = KeyPair::from_private(group, exponent).unwrap();
        let exponent = BigUint::from_bytes_be(exponent);
        prop_assert_eq!(pair.public(), fixed(&BigUint::from(2_u8).modpow(&exponent, &modulus)));
        prop_assert_eq!(&*pair.agree(&fixed(&base)).unwrap(), &fixed(&base.modpow(&exponent, &modulus)));
    }

    #[test]
    fn curves(
        (group, other) in select(vec![
            (Group::Ecp256, &agreement::ECDH_P256),
            (Group::Ecp384, &agreement::ECDH_P384),
            (Group::Ecp521, &agreement::ECDH_P521),
            (Group::Curve25519, &agreement::X25519),
        ]),
        seed in any::<u64>(), key in any::<[u8; 31]>(),
    ) {
        // ECP values have a leading 0x04 there.
        let prefix: &[u8] = if group == Group::Curve25519 { &[] } else { &[4] };
        let len = group.secret_len();
        let mut key = key.repeat(3)[..len - 1].to_vec();
        key.insert(0, 0);
        let theirs = agreement::PrivateKey::from_private_key(other, &key).unwrap();
        let same = KeyPair::from_private(group, &key).unwrap();
        let public = theirs.compute_public_key().unwrap();
        prop_assert_eq!([prefix, same.public()].concat(), public.as_ref());

        let ours = KeyPair::generate(group, &mut ChaCha20Rng::seed_from_u64(seed));
        let secret = ours.agree(same.public()).unwrap();
        let peer = agreement::UnparsedPublicKey::new(other, [prefix, ours.public()].concat());
        agreement::agree(&theirs, peer, (), |other| {
            assert_eq!(*secret, other, "{group}");
            Ok(())
        }).unwrap();
    }
}

/// The ciphertext and the ICV.
fn seal(algorithm: Encryption, key_material: &[u8], iv: &[u8], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let (key, salt) = key_material.split_at(algorithm.key_len());
    let nonce = [salt, iv].concat();
    if let AesGmac(bits) = algorithm {
        let tag = seal(AesGcm16(bits), key_material, iv, &[aad, plain].concat(), &[]);
        return [plain, &tag].concat();
    }
    let other = match algorithm {
        AesCcm8(_) | AesCcm12(_) | AesCcm16(_) => {
            return ccm_model::seal(key, &nonce, aad, plain, algorithm.icv_len());
        }
        ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        _ => match key.len() {
            16 => &aead::AES_128_GCM,
            24 => &aead::AES_192_GCM,
            _ => &aead::AES_256_GCM,
        },
    };
    let other = aead::LessSafeKey::new(aead::UnboundKey::new(other, key).unwrap());
    let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).unwrap();
    let mut out = plain.to_vec();
    let icv = other.seal_in_place_separate_tag(nonce, aead::Aad::from(aad), &mut out).unwrap();
    out.extend_from_slice(&icv.as_ref()[..algorithm.icv_len()]);
    out
}

#[expect(deprecated, reason = "DES is deprecated everywhere, and tested all the same")]
fn encrypt(algorithm: Encryption, key_material: &[u8], iv: &[u8], plain: &[u8]) -> Vec<u8> {
    let (key, salt) = key_material.split_at(algorithm.key_len());
    let other = match (algorithm, key.len()) {
        (Des, _) => &cipher::DES_FOR_LEGACY_USE_ONLY,
        (TripleDes, _) => &cipher::DES_EDE3_FOR_LEGACY_USE_ONLY,
        (_, 16) => &cipher::AES_128,
        (_, 24) => &cipher::AES_192,
        _ => &cipher::AES_256,
    };
    let key = cipher::UnboundCipherKey::new(other, key).unwrap();
    let (key, context) = match algorithm {
        AesCtr(_) => {
            let block: [u8; 16] = [salt, iv, &[0, 0, 0, 1]].concat().try_into().unwrap();
            (cipher::EncryptingKey::ctr(key), cipher::EncryptionContext::Iv128(block.into()))
        }
        AesCbc(_) => {
            let iv: [u8; 16] = iv.try_into().unwrap();
            (cipher::EncryptingKey::cbc(key), cipher::EncryptionContext::Iv128(iv.into()))
        }
        _ => {
            let iv: [u8; 8] = iv.try_into().unwrap();
            (cipher::EncryptingKey::cbc(key), cipher::EncryptionContext::Iv64(iv.into()))
        }
    };
    let mut data = plain.to_vec();
    key.unwrap().less_safe_encrypt(&mut data, context).unwrap();
    data
}

fn prf_of(prf: Prf, key: &[u8], message: &[u8]) -> Vec<u8> {
    match (prf, prf.hash()) {
        (_, Some(hash)) => hmac_of(hash, key, message),
        // RFC 4434 section 2 and RFC 4615 section 3: how a key of another length becomes one of 16 octets.
        (Prf::AesXcbc, _) if key.len() > 16 => xcbc_of(&xcbc_of(&[0; 16], key), message),
        (Prf::AesXcbc, _) => xcbc_of(&[key, &[0; 16]].concat()[..16], message),
        _ if key.len() == 16 => cmac_of(key, message),
        _ => cmac_of(&cmac_of(&[0; 16], key), message),
    }
}

fn hmac_of(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    let other = match hash {
        Hash::Md5 => {
            // RFC 2104 section 2.
            let mut block = if key.len() > 64 { hash.digest(&[key]) } else { key.to_vec() };
            block.resize(64, 0);
            let pad = |octet: u8| block.iter().map(|key| key ^ octet).collect::<Vec<_>>();
            return hash.digest(&[&pad(0x5c), &hash.digest(&[&pad(0x36), message])]);
        }
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::sign(&hmac::Key::new(other, key), message).as_ref().to_vec()
}

fn cmac_of(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = cmac::Key::new(cmac::AES_128, key).unwrap();
    cmac::sign(&key, message).unwrap().as_ref().to_vec()
}

/// RFC 3566 section 4, word for word.
fn xcbc_of(key: &[u8], message: &[u8]) -> Vec<u8> {
    let [k1, k2, k3] = [1, 2, 3].map(|constant| ccm_model::aes(key, [constant; 16]));
    let mut padded = message.to_vec();
    let last_key = if message.is_empty() || !message.len().is_multiple_of(16) {
        padded.push(0x80);
        padded.resize(padded.len().next_multiple_of(16), 0);
        k3
    } else {
        k2
    };
    let last = padded.len() - 16;
    padded[last..].iter_mut().zip(last_key).for_each(|(octet, key)| *octet ^= key);
    padded
        .chunks(16)
        .fold([0; 16], |mut e, block| {
            e.iter_mut().zip(block).for_each(|(e, octet)| *e ^= octet);
            ccm_model::aes(&k1, e)
        })
        .to_vec()
}

fn modulus_of(group: Group) -> Option<BigUint> {
    groups::moduli().into_iter().find(|(of, _)| *of == group).map(|(_, modulus)| modulus)
}
