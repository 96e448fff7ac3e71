//! Vectors of the standards for Diffie-Hellman groups, the moduli by formula, and the values that must be refused.

use std::sync::LazyLock;

use crypto::{DhError, Group, KeyPair};
use num_bigint::BigUint;

use crate::hex::hex;

#[test]
fn ecp() {
    for ((i, gi, r, gr, gir), group) in ECP.iter().zip([Group::Ecp256, Group::Ecp384, Group::Ecp521]) {
        check(group, [&hex(i), &hex(gi), &hex(r), &hex(gr), &hex(gir)]);
    }
}

/// RFC 8031 appendix A, with the random numbers before and after their bits are fixed.
#[test]
fn curve25519() {
    let public_i = hex("48d5ddd4061257ba166fa3f9bbdb74f1a4e81c089384fa77f790709f0dfbc766");
    let public_r = hex("0be7c1f5aad87d7e448662673298a443478b859745179eaf564c79c0ef6eee25");
    let shared = hex("c74950607a12327f3204d94b6825bfb068b7f8319a9e3708ed3d43ce8130c950");
    for (i, r) in [
        (
            "751fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d94",
            "0a54645253290d60ddadd0e030bacd9e5501efdc220755a1e978f1b839a05688",
        ),
        (
            "701fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d54",
            "0854645253290d60ddadd0e030bacd9e5501efdc220755a1e978f1b839a05648",
        ),
    ] {
        check(Group::Curve25519, [&hex(i), &public_i, &hex(r), &public_r, &shared]);
    }
}

fn check(group: Group, [i, gi, r, gr, gir]: [&[u8]; 5]) {
    let (initiator, responder) = (KeyPair::from_private(group, i).unwrap(), KeyPair::from_private(group, r).unwrap());
    assert_eq!((initiator.public(), responder.public()), (gi, gr), "{group}");
    assert_eq!(*initiator.agree(gr).unwrap(), gir, "{group}");
    assert_eq!(*responder.agree(gi).unwrap(), gir, "{group}");
}

/// RFC 2409 section 6 and RFC 3526 give each modulus by a formula on the digits of pi. The crate shows a modulus
/// through what it refuses: p - 1 by its own name, p as too large.
#[test]
fn the_moduli_follow_from_pi() {
    for (group, modulus) in moduli() {
        let pair = KeyPair::from_private(group, &[2]).unwrap();
        assert_eq!(pair.public(), fixed(group, &BigUint::from(4_u8)), "{group}");
        assert_eq!(pair.agree(&fixed(group, &(&modulus - 1_u8))), Err(DhError::MinusOne), "{group}");
        assert_eq!(pair.agree(&fixed(group, &modulus)), Err(DhError::NotReduced), "{group}");
    }
}

/// For p prime and q = (p - 1) / 2, 2^(p-1) = 1; and 2^q = 1, so 2 generates the subgroup that RFC 2412 wants.
#[test]
fn two_generates_the_subgroup_of_order_q() {
    for (group, modulus) in moduli() {
        let order: BigUint = (&modulus - 1_u8) / 2_u8;
        for exponent in [order, modulus - 1_u8] {
            let pair = KeyPair::from_private(group, &exponent.to_bytes_be()).unwrap();
            assert_eq!(pair.public(), fixed(group, &BigUint::from(1_u8)), "{group}");
        }
    }
}

/// RFC 6989 section 2.1 for MODP, 2.3 for ECP; RFC 7296 section 3.4 for the length.
#[test]
fn values_that_must_be_refused() {
    for (group, modulus) in moduli() {
        let pair = KeyPair::from_private(group, &[3]).unwrap();
        let refused = |value: &BigUint| pair.agree(&fixed(group, value)).map(|_| ()).unwrap_err();
        let one = BigUint::from(1_u8);
        assert_eq!(refused(&BigUint::ZERO), DhError::Zero);
        assert_eq!(refused(&one), DhError::One);
        assert_eq!(refused(&(&modulus + &one)), DhError::NotReduced);
        assert_eq!(pair.agree(&vec![0xff; group.public_len()]), Err(DhError::NotReduced));
        assert!(pair.agree(&fixed(group, &BigUint::from(2_u8))).is_ok());
        assert!(pair.agree(&fixed(group, &(&modulus - 2_u8))).is_ok());
    }
    for group in [Group::Ecp256, Group::Ecp384, Group::Ecp521] {
        let pair = KeyPair::from_private(group, &fixed_scalar(group, 3)).unwrap();
        let mut off_curve = pair.public().to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        assert_eq!(pair.agree(&off_curve), Err(DhError::NotOnCurve), "{group}");
        assert_eq!(pair.agree(&vec![0; group.public_len()]), Err(DhError::NotOnCurve), "{group}");
        assert_eq!(pair.agree(&vec![0xff; group.public_len()]), Err(DhError::NotOnCurve), "{group}");
        assert!(KeyPair::from_private(group, &vec![0; group.secret_len()]).is_err(), "{group}");
        assert!(KeyPair::from_private(group, &vec![0xff; group.secret_len()]).is_err(), "{group}");
    }
    for group in Group::ALL {
        let key = if group == Group::Curve25519 { vec![3; 32] } else { fixed_scalar(group, 3) };
        let pair = KeyPair::from_private(group, &key).unwrap();
        for actual in [0, 1, group.public_len() - 1, group.public_len() + 1] {
            let wrong = DhError::WrongLength { group, expected: group.public_len(), actual };
            assert_eq!(pair.agree(&vec![2; actual]), Err(wrong));
        }
    }
}

/// The points of order 1, 2, 4 and 8, in each of their spellings below 2^255: whatever the private key, the shared
/// secret would be zero.
#[test]
fn points_of_small_order() {
    let pair = KeyPair::from_private(Group::Curve25519, &[0x55; 32]).unwrap();
    for point in [
        "00*32",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ] {
        assert_eq!(pair.agree(&hex(point)), Err(DhError::ZeroSecret), "{point}");
    }
}

/// RFC 8031 section 3.2: the highest bit is masked, and values that are not reduced are accepted.
#[test]
fn spellings_of_a_point() {
    let pair = KeyPair::from_private(Group::Curve25519, &[0x55; 32]).unwrap();
    // The base point as 9, as 9 with the highest bit set, as 2^255 - 19 + 9.
    let nine = hex("0900000000000000000000000000000000000000000000000000000000000000");
    let masked = hex("0900000000000000000000000000000000000000000000000000000000000080");
    let not_reduced = hex("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    for spelling in [nine, masked, not_reduced] {
        assert_eq!(*pair.agree(&spelling).unwrap(), pair.public());
    }
}

/// `2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c)`.
pub(crate) fn moduli() -> Vec<(Group, BigUint)> {
    // The summand c of each.
    let groups = [
        (Group::Modp768, 149_686_u32),
        (Group::Modp1024, 129_093),
        (Group::Modp1536, 741_804),
        (Group::Modp2048, 124_476),
        (Group::Modp3072, 1_690_314),
        (Group::Modp4096, 240_904),
        (Group::Modp6144, 929_484),
        (Group::Modp8192, 4_743_158),
    ];
    static PI: LazyLock<BigUint> = LazyLock::new(|| pi(8192));
    let modulus = |(group, c): (Group, u32)| {
        let bits = 8 * group.public_len();
        let power = |exponent: usize| BigUint::from(1_u8) << exponent;
        let digits: BigUint = &*PI >> (8192 - (bits - 130));
        (group, power(bits) - power(bits - 64) - 1_u8 + power(64) * (digits + c))
    };
    groups.map(modulus).to_vec()
}

/// `floor(2^bits * pi)` by Machin's formula: pi = 16 arctan(1/5) - 4 arctan(1/239).
fn pi(bits: usize) -> BigUint {
    // Each of the few thousand terms loses less than one, so 64 bits more are more than enough.
    let guard = 64;
    let arctan = |x: u32| {
        let mut power = (BigUint::from(1_u8) << (bits + guard)) / x;
        let (mut plus, mut minus) = (BigUint::ZERO, BigUint::ZERO);
        let mut n = 1_u32;
        while power != BigUint::ZERO {
            let term = &power / n;
            if n % 4 == 1 {
                plus += term;
            } else {
                minus += term;
            }
            power /= x * x;
            n += 2;
        }
        plus - minus
    };
    (16_u8 * arctan(5) - 4_u8 * arctan(239)) >> guard
}

fn fixed(group: Group, value: &BigUint) -> Vec<u8> {
    let octets = value.to_bytes_be();
    [vec![0; group.public_len() - octets.len()], octets].concat()
}

fn fixed_scalar(group: Group, value: u8) -> Vec<u8> {
    [vec![0; group.secret_len() - 1], vec![value]].concat()
}

/// RFC 5903 section 8: private key, public value, private key, public value, shared secret.
const ECP: &[(&str, &str, &str, &str, &str)] = &[
    (
        "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59a\
         b1f45b33accf5f58389e0577b8990bb3",
        "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
        "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6a\
         ac23f046ada30f8353e74f33039872ab",
        "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
    ),
    (
        "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
        "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa\
         9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
        "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
        "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571\
         dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
        "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
    ),
    (
        "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777\
         f5957b2639bab072462f68c27a57382d4a52",
        "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564\
         941885942af5a7f4601723c4195d176ced3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4\
         a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
        "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2\
         f869cca7458aa4a4effc311f5cb151685eb9",
        "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6\
         c2912d4ef2d0433ced2b6171640012d9460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207\
         7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
        "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06\
         b3c715a3a8cc3151f2bee417996d19f3ddea",
    ),
];
