//! Who has which address in a scenario.

use crate::profile::{AddressRange, Profile};
use ipnet::IpNet;
use reference_peer::config::{Identity, IdentityError};
use std::net::IpAddr;

/// Addresses and identities of one scenario. Scenarios that run side by side have different numbers.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of the tester, from 1.
    pub number: u32,
    /// The DUT's outside address.
    pub dut: IpAddr,
    /// The tester's outside address.
    pub tester: IpAddr,
    /// Prefix length of the outside network.
    pub outside_prefix: u8,
    /// The DUT's inside address.
    pub dut_inside: IpAddr,
    /// The host on the DUT's inside that belongs to this tester.
    pub inside_host: IpAddr,
    /// Prefix length of the inside network.
    pub inside_prefix: u8,
    /// What the DUT protects.
    pub dut_net: IpNet,
    /// What this tester protects.
    pub tester_net: IpNet,
    /// The host behind this tester.
    pub tester_host: IpAddr,
    /// The DUT's identity.
    pub dut_id: Identity,
    /// This tester's identity.
    pub tester_id: Identity,
}

impl Plan {
    /// The plan of tester `number` (from 1) for a DUT.
    ///
    /// # Errors
    /// When the profile has no address left for it, or says too little.
    pub fn new(profile: &Profile, number: u32) -> Result<Self, String> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let pick = |ranges: &[AddressRange]| {
            // The n-th of all addresses in the order in which they are written.
            let mut left = index;
            for range in ranges {
                if left < range.len() {
                    return range.nth(left);
                }
                left -= range.len();
            }
            None
        };
        let missing = |what: &str| format!("profile {}: no {what} for tester {number}", profile.name);
        let tester = pick(&profile.outside.testers).ok_or_else(|| missing("address in outside.testers"))?;
        let outside = profile.outside.dut.iter().find(|dut| dut.address().is_ipv4() == tester.is_ipv4());
        let outside = outside.ok_or_else(|| missing("address of the same family in outside.dut"))?;
        let protected = profile.ipsec.protected.as_ref().ok_or_else(|| missing("ipsec.protected network"))?;
        let tester_net =
            subnet(protected.testers, number).ok_or_else(|| missing("subnet of ipsec.protected.testers"))?;
        let tester_host = nth(tester_net, 10).ok_or_else(|| missing("host address in ipsec.protected.testers"))?;
        let (dut_inside, inside_prefix, inside_host) = match &profile.inside {
            Some(inside) => {
                let dut = profile.dut_inside().ok_or_else(|| missing("address in inside.dut"))?;
                let prefix = inside.dut.iter().find(|own| own.address() == dut).map_or(24, |own| own.prefix_len());
                (dut, prefix, pick(&inside.hosts).ok_or_else(|| missing("address in inside.hosts"))?)
            }
            None => {
                let dut = nth(protected.dut, 1).ok_or_else(|| missing("address in ipsec.protected.dut"))?;
                (dut, protected.dut.prefix_len(), dut)
            }
        };
        let identity = |text: &str, address: IpAddr| match text {
            "" => Ok(Identity::from(address)),
            text => text.replace("{n}", &number.to_string()).parse().map_err(|error: IdentityError| error.to_string()),
        };
        let identities = profile.ike.identities.as_ref();
        Ok(Self {
            number,
            dut: outside.address(),
            tester,
            outside_prefix: outside.prefix_len(),
            dut_inside,
            inside_host,
            inside_prefix,
            dut_net: protected.dut,
            tester_net,
            tester_host,
            dut_id: identity(identities.map_or("", |ids| &ids.dut), outside.address())?,
            tester_id: identity(identities.map_or("", |ids| &ids.testers), tester)?,
        })
    }
}

impl Plan {
    /// An address on the outside with the prefix of that network.
    pub fn outside(&self, address: IpAddr) -> IpNet {
        with_prefix(address, self.outside_prefix)
    }

    /// An address on the inside with the prefix of that network.
    pub fn inside(&self, address: IpAddr) -> IpNet {
        with_prefix(address, self.inside_prefix)
    }
}

/// The address alone where the prefix is longer than its family has bits.
fn with_prefix(address: IpAddr, prefix: u8) -> IpNet {
    IpNet::new(address, prefix).unwrap_or_else(|_| IpNet::from(address))
}

/// The `number`-th /24 (IPv6: /64) of a network; the network itself where it is no larger.
fn subnet(net: IpNet, number: u32) -> Option<IpNet> {
    let prefix = if net.addr().is_ipv4() { 24 } else { 64 };
    if net.prefix_len() >= prefix {
        return Some(net);
    }
    net.subnets(prefix).ok()?.nth(usize::try_from(number).ok()?)
}

/// The `index`-th address of a network, counted from the network address.
fn nth(net: IpNet, index: u32) -> Option<IpAddr> {
    let address = match net.network() {
        IpAddr::V4(first) => IpAddr::V4(u32::from(first).checked_add(index)?.into()),
        IpAddr::V6(first) => IpAddr::V6(u128::from(first).checked_add(index.into())?.into()),
    };
    net.contains(&address).then_some(address)
}
