#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use super::*;

#[test]
fn what_is_sealed_opens_and_nothing_else_does() {
    for algorithm in Encryption::ALL {
        let cipher = Cipher::new(algorithm, &vec![7; algorithm.key_material_len()]).unwrap();
        let iv = vec![9; algorithm.iv_len()];
        let plain = [0x5a; 48];
        let mut data = plain;
        if algorithm.is_aead() {
            let mut icv = vec![0; algorithm.icv_len()];
            cipher.seal(&iv, b"aad", &mut data, &mut icv).unwrap();
            assert_ne!(data, plain, "{algorithm}");
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
