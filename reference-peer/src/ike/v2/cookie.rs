//! Stateless cookies of the responder (RFC 7296 section 2.6).

use crate::Instant;
use crypto::Prf;
use rand_core::Rng;
use std::net::IpAddr;
use std::time::Duration;

/// Makes and checks cookies: `version | HMAC-SHA-256(secret, Ni | IPi | SPIi)`. The secret is replaced when it is
/// older than its life, and the one before still counts, so a cookie is good for one to two lives.
#[derive(Debug, Default)]
pub(super) struct CookieJar {
    current: Option<Secret>,
    previous: Option<Secret>,
}

struct Secret {
    version: u32,
    octets: [u8; 32],
    made: Instant,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.version)
    }
}

/// What a cookie is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) nonce: &'a [u8],
    pub(super) address: IpAddr,
    pub(super) spi: u64,
}

impl CookieJar {
    /// A cookie for this claim.
    pub(super) fn make(&mut self, now: Instant, rng: &mut dyn Rng, life: Duration, claim: &Claim<'_>) -> Vec<u8> {
        if self.current.as_ref().is_none_or(|secret| now.since(secret.made) >= life) {
            let mut octets = [0; 32];
            rng.fill_bytes(&mut octets);
            let version = self.current.as_ref().map_or(0, |secret| secret.version.wrapping_add(1));
            self.previous = self.current.replace(Secret { version, octets, made: now });
        }
        self.current.as_ref().map(|secret| cookie(secret, claim)).unwrap_or_default()
    }

    /// Is this a cookie that was made for this claim, and not too long ago?
    pub(super) fn check(&self, now: Instant, life: Duration, cookie_data: &[u8], claim: &Claim<'_>) -> bool {
        let alive = |secret: &&Secret| now.since(secret.made) < life * 2;
        let secrets = self.current.iter().chain(&self.previous).filter(alive);
        secrets.into_iter().any(|secret| subtle::ConstantTimeEq::ct_eq(&*cookie(secret, claim), cookie_data).into())
    }
}

fn cookie(secret: &Secret, claim: &Claim<'_>) -> Vec<u8> {
    let address = match claim.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mac = Prf::HmacSha256.compute(&secret.octets, &[claim.nonce, &address, &claim.spi.to_be_bytes()]);
    [&secret.version.to_be_bytes()[..], &mac].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn bound_to_its_claim_and_to_time() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let life = Duration::from_secs(60);
        let at = |seconds| Instant::after_start(Duration::from_secs(seconds));
        let claim = Claim { nonce: &[7; 32], address: [192, 0, 2, 1].into(), spi: 5 };
        let mut jar = CookieJar::default();
        let data = jar.make(at(0), &mut rng, life, &claim);
        assert!((1..=64).contains(&data.len()), "section 2.6");
        assert!(jar.check(at(59), life, &data, &claim));
        assert!(!jar.check(at(1), life, &data, &Claim { spi: 6, ..claim }));
        assert!(!jar.check(at(1), life, &data, &Claim { nonce: &[8; 32], ..claim }));
        assert!(!jar.check(at(1), life, &data, &Claim { address: [192, 0, 2, 2].into(), ..claim }));
        assert!(!jar.check(at(1), life, &data[..data.len() - 1], &claim));
        let _ = jar.make(at(61), &mut rng, life, &claim);
        assert!(jar.check(at(62), life, &data, &claim), "the secret before still counts");
        assert!(!jar.check(at(120), life, &data, &claim));
    }
}
