//! What is done for each packet allocates nothing.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use std::hint::black_box;

use allocation_counter::measure;
use crypto::{Cipher, Encryption, Integrity, IntegrityKey};

#[test]
fn packets_need_no_memory() {
    let mut data = vec![0x5a; 1408];
    for algorithm in Encryption::ALL {
        let cipher = Cipher::new(algorithm, &vec![7; algorithm.key_material_len()]).unwrap();
        let iv = vec![9; algorithm.iv_len()];
        let mut icv = vec![0; algorithm.icv_len()];
        let used = measure(|| {
            if algorithm.is_aead() {
                cipher.seal(&iv, &[1; 12], &mut data, &mut icv).unwrap();
                cipher.open(&iv, &[1; 12], &mut data, &icv).unwrap();
                cipher.open(&iv, &[2; 12], &mut data, &icv).unwrap_err();
            } else {
                cipher.encrypt(&iv, &mut data).unwrap();
                cipher.decrypt(&iv, &mut data).unwrap();
            }
        });
        assert_eq!(used.count_total, 0, "{algorithm}");
    }
    for algorithm in Integrity::ALL {
        let key = IntegrityKey::new(algorithm, &vec![7; algorithm.key_len()]).unwrap();
        let mut icv = vec![0; algorithm.icv_len()];
        let used = measure(|| {
            key.sign(&[&data, &[1; 4]], &mut icv);
            assert!(key.verify(&[&data, &[1; 4]], &icv));
        });
        assert_eq!(used.count_total, 0, "{algorithm}");
    }
    assert_ne!(measure(|| drop(black_box(vec![1]))).count_total, 0, "the counter counts");
}
