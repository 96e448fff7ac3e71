#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use std::convert::Infallible;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_core::TryRng;
use zeroize::ZeroizeOnDrop;

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

#[test]
fn numbers_lead_back_to_the_group() {
    for group in Group::ALL {
        assert_eq!(Group::from_iana(group.id()), Some(group));
    }
    assert_eq!([0, 3, 4, 6, 13, 22, 30, 32, u16::MAX].map(Group::from_iana), [None; 9]);
}

/// A run repeats from its seed.
#[test]
fn the_same_generator_gives_the_same_key() {
    for group in Group::ALL {
        let key = || KeyPair::generate(group, &mut ChaCha20Rng::seed_from_u64(7)).public().to_vec();
        assert_eq!(key(), key(), "{group}");
    }
}

/// No generator, however bad, makes the drawing fail or run on, and the keys are good.
#[test]
fn constant_generators() {
    for group in Group::ALL {
        let [low, high] = [0x00, 0xff].map(|octet| KeyPair::generate(group, &mut Constant(octet)));
        assert_eq!(low.agree(high.public()).unwrap(), high.agree(low.public()).unwrap(), "{group}");
    }
}

/// The classic fault: a secret whose first octets are zero comes out shorter.
#[test]
fn leading_zeros_are_kept() {
    let group = Group::Modp2048;
    let pair = KeyPair::from_private(group, &[5]).unwrap();
    let mut public = vec![0; group.public_len()];
    public[255] = 3;
    let mut secret = vec![0; group.secret_len()];
    secret[255] = 243;
    assert_eq!(*pair.agree(&public).unwrap(), secret);
    public[255] = 32;
    assert_eq!(pair.public(), public);
}

#[test]
fn private_keys_that_no_group_has() {
    for group in Group::ALL {
        for key in [vec![], vec![0; group.public_len()], vec![1; group.public_len() + 1]] {
            let refused = KeyPair::from_private(group, &key).is_err();
            // Any 32 octets are a key of Curve25519: some bits are fixed before use.
            assert_eq!(refused, group != Group::Curve25519 || key.len() != 32, "{group} {}", key.len());
        }
    }
}

#[test]
fn debug_shows_no_key() {
    for group in Group::ALL {
        let pair = KeyPair::generate(group, &mut Constant(0x77));
        assert_eq!(format!("{pair:?}"), format!("KeyPair {{ group: {group:?}, .. }}"));
    }
}

#[test]
fn private_keys_are_erased() {
    fn erased<T: ZeroizeOnDrop>() {}
    erased::<Zeroizing<Vec<u8>>>();
    erased::<p256::SecretKey>();
    erased::<p384::SecretKey>();
    erased::<p521::SecretKey>();
    erased::<x25519_dalek::StaticSecret>();
}

struct Constant(u8);

impl TryRng for Constant {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes([self.0; 8]))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.fill(self.0);
        Ok(())
    }
}
