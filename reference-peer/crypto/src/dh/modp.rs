//! Groups modulo a safe prime, with generator 2. Constant time in the exponent, fixed width in and out.

use std::sync::LazyLock;

use crypto_bigint::{
    BoxedUint, Odd, Resize,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use rand_core::Rng;
use zeroize::{Zeroize, Zeroizing};

use super::{DhError, Group, primes};

/// Draws an exponent with its highest bit set, so that it is never zero.
pub(super) fn draw(group: Group, rng: &mut dyn Rng) -> Zeroizing<Vec<u8>> {
    let bits = exponent_bits(group);
    let mut exponent = Zeroizing::new(vec![0; bits.div_ceil(8)]);
    rng.fill_bytes(&mut exponent);
    let highest = 1_u8 << ((bits - 1) % 8);
    if let Some(first) = exponent.first_mut() {
        *first = *first & (highest - 1) | highest;
    }
    exponent
}

pub(super) fn public(group: Group, exponent: &[u8]) -> Vec<u8> {
    let field = field(group);
    let two = BoxedUint::from(2_u8).resize(field.bits_precision());
    power(field, two, exponent).to_vec()
}

/// The peer's value has the length of the modulus.
pub(super) fn agree(group: Group, exponent: &[u8], peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, DhError> {
    let field = field(group);
    let p = field.modulus().as_ref();
    let base = BoxedUint::from_be_slice(peer, field.bits_precision()).map_err(|_| DhError::NotReduced)?;
    let one = BoxedUint::one_with_precision(field.bits_precision());
    if bool::from(base.is_zero()) {
        return Err(DhError::Zero);
    }
    if base == one {
        return Err(DhError::One);
    }
    if base >= *p {
        return Err(DhError::NotReduced);
    }
    if base == p.wrapping_sub(&one) {
        return Err(DhError::MinusOne);
    }
    Ok(power(field, base, exponent))
}

/// The modulus of a MODP group, big-endian.
pub(super) fn prime(group: Group) -> Vec<u8> {
    field(group).modulus().as_ref().to_be_bytes().into_vec()
}

fn power(field: &BoxedMontyParams, base: BoxedUint, exponent: &[u8]) -> Zeroizing<Vec<u8>> {
    let bits = u32::try_from(exponent.len() * 8).unwrap_or(u32::MAX);
    let mut exponent = BoxedUint::from_be_slice_truncated(exponent, bits);
    let mut power = BoxedMontyForm::new(base, field).pow_bounded_exp(&exponent, bits);
    let mut value = power.retrieve();
    let octets = Zeroizing::new(value.to_be_bytes().into_vec());
    exponent.zeroize();
    power.as_montgomery_mut().zeroize();
    value.zeroize();
    octets
}

/// Bits of a private exponent: the larger estimate of RFC 3526 section 8, but 256 at least.
fn exponent_bits(group: Group) -> usize {
    match group {
        Group::Modp2048 => 320,
        Group::Modp3072 => 420,
        Group::Modp4096 => 480,
        Group::Modp6144 => 540,
        Group::Modp8192 => 620,
        _ => 256,
    }
}

fn field(group: Group) -> &'static BoxedMontyParams {
    macro_rules! field {
        ($bits:literal, $prime:ident) => {{
            static FIELD: LazyLock<BoxedMontyParams> = LazyLock::new(|| params(primes::$prime, $bits));
            &FIELD
        }};
    }
    match group {
        Group::Modp768 => field!(768, MODP_768),
        Group::Modp1024 => field!(1024, MODP_1024),
        Group::Modp1536 => field!(1536, MODP_1536),
        Group::Modp3072 => field!(3072, MODP_3072),
        Group::Modp4096 => field!(4096, MODP_4096),
        Group::Modp6144 => field!(6144, MODP_6144),
        Group::Modp8192 => field!(8192, MODP_8192),
        _ => field!(2048, MODP_2048),
    }
}

fn params(prime: &str, bits: u32) -> BoxedMontyParams {
    let prime = BoxedUint::from_be_hex(prime, bits).expect("a constant of hexadecimal digits");
    BoxedMontyParams::new_vartime(Odd::new(prime).expect("an odd constant"))
}
