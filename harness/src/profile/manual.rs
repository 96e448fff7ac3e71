//! SAs with manual keys: for a DUT without IKE, or for what IKE cannot set up.

use super::Secret;
use ipnet::IpNet;
use reference_peer::config::EspProposal;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How SAs with manual keys come into the DUT: by the hook `control.install_sa`, or they are there already.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manual {
    /// The SAs that the DUT has been given beforehand. Left out, the hook makes what each scenario needs, with keys of
    /// its own.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Fixed>,
}

/// SAs that are always the same, one pair for each tester, in tunnel mode between the protected networks. As a pair
/// cannot be made anew, each tester serves one scenario of a run.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// Algorithms, such as `aes128-sha256`.
    #[serde(with = "super::values::word")]
    pub proposal: EspProposal,
    /// SPIs of tester number 0; those of tester n are higher by n.
    pub spi: Directions<u32>,
    /// Keys, as hexadecimal octets after `0x`; the same for all testers.
    pub keys: Directions<Keys>,
}

/// A value for each direction.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Directions<T> {
    /// Of the SA that the DUT receives on.
    pub to_dut: T,
    /// Of the SA that the DUT sends on.
    pub from_dut: T,
}

/// Keys of one SA.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Key of the cipher and, after it, its salt; not for AH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Secret>,
    /// Key of the integrity algorithm; not with a combined mode cipher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Secret>,
}

impl Keys {
    /// Fetches both, and gives what is wrong with its position.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ((u64, u64), String)> {
        for secret in [&mut self.encryption, &mut self.integrity].into_iter().flatten() {
            let position = secret.position();
            secret.resolve(folder).and_then(|()| octets(secret).map(drop)).map_err(|message| (position, message))?;
        }
        Ok(())
    }

    /// The octets of both keys, encryption first; empty where there is none.
    pub fn octets(&self) -> (Vec<u8>, Vec<u8>) {
        let key = |secret: &Option<Secret>| secret.as_ref().and_then(|secret| octets(secret).ok()).unwrap_or_default();
        (key(&self.encryption), key(&self.integrity))
    }
}

/// The octets that a secret writes in hexadecimal.
fn octets(secret: &Secret) -> Result<Vec<u8>, String> {
    let wrong = || format!("the key in {} is not hexadecimal octets after 0x", secret.origin());
    let text = std::str::from_utf8(secret.expose()).map_err(|_| wrong())?.trim();
    let digits = text.strip_prefix("0x").filter(|digits| digits.len().is_multiple_of(2) && digits.is_ascii());
    let digits = digits.ok_or_else(wrong)?;
    let octet = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).map(octet).collect::<Option<_>>().ok_or_else(wrong)
}

/// One network for each version of IP at most: the second one of a version, if there is one.
pub(super) fn twice(nets: &[IpNet]) -> Option<&IpNet> {
    let earlier = |index: usize, net: &IpNet| nets.iter().take(index).any(|other| alike(other, net));
    nets.iter().enumerate().find(|(index, net)| earlier(*index, net)).map(|(_, net)| net)
}

fn alike(a: &IpNet, b: &IpNet) -> bool {
    a.addr().is_ipv4() == b.addr().is_ipv4()
}
