#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use super::*;

#[test]
fn what_is_sealed_opens_and_nothing_else_does() {
    for algorithm in Encryption::ALL {
        let cipher = keyed(algorithm);
        let iv = vec![9; algorithm.iv_len()];
        let plain = [0x5a; 48];
        let mut data = plain;
        if algorithm.is_aead() {
            let mut icv = vec![0; algorithm.icv_len()];
            cipher.seal(&iv, b"aad", &mut data, &mut icv).unwrap();
            assert_eq!(data == plain, matches!(algorithm, AesGmac(_)), "{algorithm}");
            cipher.open(&iv, b"aad", &mut data, &icv).unwrap();
            assert_eq!(data, plain, "{algorithm}");
            assert_eq!(cipher.open(&iv, b"aae", &mut data, &icv), Err(CipherError::Integrity));
        } else {
            cipher.encrypt(&iv, &mut data).unwrap();
            assert_eq!(data == plain, algorithm == Null, "{algorithm}");
            cipher.decrypt(&iv, &mut data).unwrap();
            assert_eq!(data, plain, "{algorithm}");
        }
    }
}

#[test]
fn key_material_of_any_other_length_is_refused() {
    for algorithm in Encryption::ALL {
        let expected = algorithm.key_material_len();
        for actual in (0..=40).filter(|len| *len != expected) {
            let error = KeyError { algorithm: algorithm.name(), expected, actual };
            assert_eq!(Cipher::new(algorithm, &vec![7; actual]).unwrap_err(), error);
        }
    }
}

#[test]
fn wrong_lengths_and_the_wrong_function_leave_the_data_as_they_were() {
    for algorithm in Encryption::ALL {
        let cipher = keyed(algorithm);
        let plain = [0x5a; 48];
        let mut data = plain;
        let iv = vec![9; algorithm.iv_len()];
        let mut icv = vec![0; algorithm.icv_len()];
        let wrong_kind = Err(CipherError::WrongKind(algorithm));
        let mut wrong_iv = iv.clone();
        wrong_iv.push(0);
        let iv_length =
            Err(CipherError::IvLength { algorithm, expected: algorithm.iv_len(), actual: algorithm.iv_len() + 1 });
        if algorithm.is_aead() {
            assert_eq!(cipher.encrypt(&iv, &mut data), wrong_kind);
            assert_eq!(cipher.decrypt(&iv, &mut data), wrong_kind);
            assert_eq!(cipher.seal(&wrong_iv, &[], &mut data, &mut icv), iv_length);
            assert_eq!(cipher.open(&wrong_iv, &[], &mut data, &icv), iv_length);
            icv.pop();
            let icv_length =
                Err(CipherError::IcvLength { algorithm, expected: algorithm.icv_len(), actual: icv.len() });
            assert_eq!(cipher.seal(&iv, &[], &mut data, &mut icv), icv_length);
            assert_eq!(cipher.open(&iv, &[], &mut data, &icv), icv_length);
        } else {
            assert_eq!(cipher.seal(&iv, &[], &mut data, &mut icv), wrong_kind);
            assert_eq!(cipher.open(&iv, &[], &mut data, &icv), wrong_kind);
            assert_eq!(cipher.encrypt(&wrong_iv, &mut data), iv_length);
            assert_eq!(cipher.decrypt(&wrong_iv, &mut data), iv_length);
        }
        assert_eq!(data, plain, "{algorithm}");
    }
}

#[test]
fn debug_shows_no_key() {
    for algorithm in Encryption::ALL {
        assert_eq!(format!("{:?}", keyed(algorithm)), format!("Cipher {{ algorithm: {algorithm:?}, .. }}"));
    }
}

/// That the library's types erase themselves hangs on features that a later edit of the manifest could lose. CCM says
/// nothing of itself, but holds nothing besides AES.
#[test]
fn keys_are_erased() {
    fn erased<T: ZeroizeOnDrop>() {}
    erased::<Aes256>();
    erased::<AesGcm<Aes256, U12>>();
    erased::<ChaCha20Poly1305>();
    erased::<des::TdesEde3>();
}

fn keyed(algorithm: Encryption) -> Cipher {
    Cipher::new(algorithm, &vec![7; algorithm.key_material_len()]).unwrap()
}
