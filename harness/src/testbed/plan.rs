//! Who has which address in a scenario.

use crate::profile::{AddressRange, HostAddress, Profile};
use ipnet::IpNet;
use reference_peer::config::{Identity, IdentityError};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The version of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Is the address of this version?
    pub fn has(self, address: IpAddr) -> bool {
        Self::of(address) == self
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::V4 { "IPv4" } else { "IPv6" })
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "IPv4" => Ok(Self::V4),
            "IPv6" => Ok(Self::V6),
            _ => Err(format!("{text:?} is neither IPv4 nor IPv6")),
        }
    }
}

/// Addresses and identities of one scenario. Scenarios that run side by side have different numbers.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of the tester, from 1.
    pub number: u32,
    /// The DUT's outside address.
    pub dut: IpAddr,
    /// The tester's outside address.
    pub tester: IpAddr,
    /// The DUT's inside address.
    pub dut_inside: IpAddr,
    /// The host on the DUT's inside that belongs to this tester.
    pub inside_host: IpAddr,
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
    /// The outside in each family that the profile has.
    outer: Vec<Outer>,
    /// The protected networks in each family that the profile has.
    inner: Vec<Inner>,
}

/// The outside in one family.
#[derive(Debug, Clone)]
struct Outer {
    dut: HostAddress,
    tester: IpAddr,
    dut_id: Identity,
    tester_id: Identity,
}

/// The protected networks in one family.
#[derive(Debug, Clone)]
struct Inner {
    dut_inside: IpAddr,
    prefix: u8,
    inside_host: IpAddr,
    dut_net: IpNet,
    tester_net: IpNet,
    tester_host: IpAddr,
}

impl Plan {
    /// The plan of tester `number` (from 1) for a DUT, with IPv4 wherever the profile has it.
    ///
    /// # Errors
    /// When the profile has no address left for it, or says too little.
    pub fn new(profile: &Profile, number: u32) -> Result<Self, String> {
        let missing = |what: &str| format!("profile {}: no {what} for tester {number}", profile.name);
        let mut outer = Vec::new();
        let mut inner = Vec::new();
        for family in Family::ALL {
            outer.extend(Outer::new(profile, number, family)?);
            inner.extend(Inner::new(profile, number, family));
        }
        let first = outer.first().cloned().ok_or_else(|| missing("address in outside.testers"))?;
        let net = inner.first().cloned().ok_or_else(|| missing("network in ipsec.protected, or address inside,"))?;
        let mut plan = Self {
            number,
            dut: first.dut.address(),
            tester: first.tester,
            dut_inside: net.dut_inside,
            inside_host: net.inside_host,
            dut_net: net.dut_net,
            tester_net: net.tester_net,
            tester_host: net.tester_host,
            dut_id: first.dut_id.clone(),
            tester_id: first.tester_id.clone(),
            outer,
            inner,
        };
        plan.take_outer(&first);
        plan.take_inner(&net);
        Ok(plan)
    }

    /// The plan of a router as DUT and another as tester: their outside and the DUT's inside address, with the lengths of
    /// their prefixes, and what each protects for the other. The hosts behind them are the first addresses of that.
    pub fn of_routers(number: u32, outside: (IpNet, IpAddr), inside: IpNet, protected: (IpNet, IpNet)) -> Self {
        let ((dut, tester), (dut_net, tester_net)) = (outside, protected);
        let (dut_id, tester_id) = (Identity::from(dut.addr()), Identity::from(tester));
        let (dut_inside, inside_host, tester_host) = (inside.addr(), dut_net.addr(), tester_net.addr());
        let prefix = inside.prefix_len();
        let outer = Outer { dut: dut.into(), tester, dut_id: dut_id.clone(), tester_id: tester_id.clone() };
        let inner = Inner { dut_inside, prefix, inside_host, dut_net, tester_net, tester_host };
        Self {
            number,
            dut: dut.addr(),
            tester,
            dut_inside,
            inside_host,
            dut_net,
            tester_net,
            tester_host,
            dut_id,
            tester_id,
            outer: vec![outer],
            inner: vec![inner],
        }
    }

    /// The same tester with other versions of IP outside and in the protected networks.
    ///
    /// # Errors
    /// The profile has none of that version.
    pub fn with(&self, outer: Family, inner: Family) -> Result<Self, String> {
        let ends = self.outer.iter().find(|ends| outer.has(ends.tester));
        let ends = ends.ok_or_else(|| format!("the profile has no {outer} outside"))?;
        let nets = self.inner.iter().find(|nets| inner.has(nets.tester_host));
        let nets = nets.ok_or_else(|| format!("the profile protects no {inner} network"))?;
        let mut plan = self.clone();
        plan.take_outer(ends);
        plan.take_inner(nets);
        Ok(plan)
    }

    fn take_outer(&mut self, outer: &Outer) {
        let Outer { dut, tester, dut_id, tester_id } = outer.clone();
        (self.dut, self.tester, self.dut_id, self.tester_id) = (dut.address(), tester, dut_id, tester_id);
    }

    fn take_inner(&mut self, inner: &Inner) {
        let Inner { dut_inside, inside_host, dut_net, tester_net, tester_host, .. } = *inner;
        (self.dut_inside, self.inside_host, self.tester_host) = (dut_inside, inside_host, tester_host);
        (self.dut_net, self.tester_net) = (dut_net, tester_net);
    }

    /// The version of IP outside, and in the protected networks.
    pub fn families(&self) -> (Family, Family) {
        (Family::of(self.tester), Family::of(self.tester_host))
    }

    /// The same tester in each version of IP that the outside has, protecting the same networks.
    pub fn each_outside(&self) -> impl Iterator<Item = Self> + '_ {
        self.outer.iter().map(|outer| {
            let mut plan = self.clone();
            plan.take_outer(outer);
            plan
        })
    }

    /// The protected networks in every version of IP: the DUT's and this tester's.
    pub fn networks(&self) -> impl Iterator<Item = (IpNet, IpNet)> + '_ {
        self.inner.iter().map(|inner| (inner.dut_net, inner.tester_net))
    }

    /// All addresses of the DUT outside, and of this tester, with the prefixes of their networks.
    pub fn outside(&self) -> impl Iterator<Item = (IpNet, IpNet)> + '_ {
        self.outer.iter().map(|outer| {
            let prefix = outer.dut.prefix_len();
            (with_prefix(outer.dut.address(), prefix), with_prefix(outer.tester, prefix))
        })
    }

    /// All addresses of the DUT inside, and of the hosts there, with the prefixes of their networks.
    pub fn inside(&self) -> impl Iterator<Item = (IpNet, IpNet)> + '_ {
        self.inner
            .iter()
            .map(|inner| (with_prefix(inner.dut_inside, inner.prefix), with_prefix(inner.inside_host, inner.prefix)))
    }
}

impl Outer {
    /// `None` if the profile has no such version outside.
    fn new(profile: &Profile, number: u32, family: Family) -> Result<Option<Self>, String> {
        let dut = profile.outside.dut.iter().find(|dut| family.has(dut.address()));
        let (Some(dut), Some(tester)) = (dut, pick(&profile.outside.testers, number, family)) else { return Ok(None) };
        let identity = |text: &str, address: IpAddr| match text {
            "" => Ok(Identity::from(address)),
            text => text.replace("{n}", &number.to_string()).parse().map_err(|error: IdentityError| error.to_string()),
        };
        let identities = profile.ike().identities.as_ref();
        Ok(Some(Self {
            dut: *dut,
            tester,
            dut_id: identity(identities.map_or("", |ids| &ids.dut), dut.address())?,
            tester_id: identity(identities.map_or("", |ids| &ids.testers), tester)?,
        }))
    }
}

impl Inner {
    /// `None` if the profile protects no such network, or has no addresses of that version inside.
    fn new(profile: &Profile, number: u32, family: Family) -> Option<Self> {
        let protected = profile.ipsec.protected.as_ref()?;
        let net = |nets: &[IpNet]| nets.iter().find(|net| family.has(net.addr())).copied();
        let dut_net = net(&protected.dut)?;
        let tester_net = subnet(net(&protected.testers)?, number)?;
        let tester_host = nth(tester_net, 10)?;
        let (dut_inside, prefix, inside_host) = match &profile.inside {
            Some(inside) => {
                let dut = inside.dut.iter().find(|dut| family.has(dut.address()))?;
                (dut.address(), dut.prefix_len(), pick(&inside.hosts, number, family)?)
            }
            None => {
                let dut = nth(dut_net, 1)?;
                (dut, dut_net.prefix_len(), dut)
            }
        };
        Some(Self { dut_inside, prefix, inside_host, dut_net, tester_net, tester_host })
    }
}

/// The n-th of all addresses of a version, in the order in which they are written.
fn pick(ranges: &[AddressRange], number: u32, family: Family) -> Option<IpAddr> {
    let mut left = usize::try_from(number).ok()?;
    for range in ranges.iter().filter(|range| family.has(range.first())) {
        if left < range.len() {
            return range.nth(left);
        }
        left -= range.len();
    }
    None
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
