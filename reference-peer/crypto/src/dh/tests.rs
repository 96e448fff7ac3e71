#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;

#[test]
fn both_ends_agree() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for group in Group::ALL {
        let (a, b) = (KeyPair::generate(group, &mut rng), KeyPair::generate(group, &mut rng));
        assert_eq!(a.public().len(), group.public_len(), "{group}");
        let secret = a.agree(b.public()).unwrap();
        assert_eq!(secret, b.agree(a.public()).unwrap(), "{group}");
        assert_eq!(secret.len(), group.secret_len(), "{group}");
        assert_ne!(a.public(), b.public(), "{group}");
    }
}
