//! Elliptic curves modulo a prime, RFC 5903: public values are `x | y`, the shared secret is x.

use crypto_bigint::{BoxedUint, Encoding, NonZero};
use p256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize, PublicKey, SecretKey,
    sec1::{FromSec1Point, ModulusSize, Sec1Point, ToSec1Point},
};
use rand_core::Rng;
use zeroize::{Zeroize, Zeroizing};

use super::DhError;

/// Draws a scalar from 1 to n - 1: 64 bits more than n has, modulo n - 1, plus 1 (FIPS 186-5 section A.2.1). So it
/// takes the same octets from every generator, and ends with any.
pub(super) fn draw<C>(rng: &mut dyn Rng) -> SecretKey<C>
where
    C: CurveArithmetic,
{
    let mut drawn = Zeroizing::new(vec![0; FieldBytes::<C>::default().len() + 8]);
    rng.fill_bytes(&mut drawn);
    let one = BoxedUint::one();
    let order = BoxedUint::from_be_slice_vartime(C::ORDER.as_ref().to_be_bytes().as_ref());
    let range = NonZero::new(order.wrapping_sub(&one)).expect("the order of a curve is greater than 1");
    let mut wide = BoxedUint::from_be_slice_vartime(&drawn);
    let mut scalar = wide.rem(&range).wrapping_add(&one);
    let octets = Zeroizing::new(scalar.to_be_bytes());
    wide.zeroize();
    scalar.zeroize();
    let excess = octets.len() - FieldBytes::<C>::default().len();
    SecretKey::from_slice(&octets[excess..]).expect("the scalar is from 1 to n - 1")
}

pub(super) fn public<C>(private: &SecretKey<C>) -> Vec<u8>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let point = private.public_key().to_sec1_point(false);
    point.as_bytes().iter().skip(1).copied().collect()
}

/// The peer's value has the length of both coordinates.
pub(super) fn agree<C>(private: &SecretKey<C>, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, DhError>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let coordinates = peer.try_into().map_err(|_| DhError::NotOnCurve)?;
    let point = Sec1Point::<C>::from_untagged_bytes(coordinates);
    let peer: PublicKey<C> = Option::from(PublicKey::from_sec1_point(&point)).ok_or(DhError::NotOnCurve)?;
    Ok(Zeroizing::new(private.diffie_hellman(&peer).raw_secret_bytes().to_vec()))
}
