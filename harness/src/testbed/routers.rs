//! Two routers with running-configs in the place of the profile's DUT and its tester, as the guide shows them side by side.
//!
//! The DUT is the built-in peer with its deviations. Its configuration says where both routers are and what they protect;
//! the tester's has to fit it. The hosts behind them are what the access list names, and there is no link inside: the
//! guide's hosts are addresses of the routers themselves.

use super::sim::MTU;
use super::tunnel::{CHILD, CONNECTION};
use super::{Plan, Protection, Testbed, hub};
use crate::run::StepError;
use ipnet::IpNet;
use rand_core::Rng;
use reference_peer::config::ios::{self, Router};
use reference_peer::config::isakmp::{IsakmpChild, IsakmpConnection};
use reference_peer::config::{Addresses, Remote, Selector};
use reference_peer::gateway::show::Names;
use reference_peer::gateway::{Gateway, GatewayConfig, Leg};
use reference_peer::netif::Interface;
use wire::ethernet::Address;

/// What a running-config says of one router.
struct Configured {
    router: Router,
    names: Names,
    config: GatewayConfig,
    outside: IpNet,
    inside: IpNet,
}

impl Configured {
    fn read(text: &str) -> Result<Self, StepError> {
        let reading = ios::read(text);
        let running_config = reading.running_config(text);
        let router = reading.sound().map_err(StepError::testbed)?.router;
        let mapping = router.gateway(None).map_err(StepError::testbed)?;
        let address_of = |names: &[String], which: &str| {
            let interface = names.first().and_then(|name| router.interface(name));
            let address = interface.and_then(|interface| interface.addresses.first()).copied();
            address.ok_or_else(|| StepError::testbed(format!("the router has no address {which}")))
        };
        let (outside, inside) = (address_of(&mapping.outside, "outside")?, address_of(&mapping.inside, "inside")?);
        let names = Names {
            hostname: router.hostname.clone().unwrap_or_default(),
            interfaces: router
                .interfaces
                .iter()
                .map(|own| (own.name.clone(), own.addresses.iter().map(IpNet::addr).collect()))
                .collect(),
            running_config,
            started: None,
        };
        Ok(Self { names, config: mapping.gateway, outside, inside, router })
    }

    /// The connection to the other router, and its one child.
    fn connection(&self) -> Result<(&IsakmpConnection, &IsakmpChild), StepError> {
        let [connection] = self.config.isakmp.connections.as_slice() else {
            return Err(StepError::testbed("the router has no peer, or more than one"));
        };
        match connection.children.as_slice() {
            [child] => Ok((connection, child)),
            _ => Err(StepError::testbed("the router protects nothing, or more than one kind of traffic")),
        }
    }
}

impl Testbed {
    /// Puts a router with this running-config in the place of the DUT, and moves the tester to where it has its peer.
    ///
    /// # Errors
    /// Not applicable unless the DUT is the built-in peer; our own fault when the configuration is not of two routers.
    pub fn play_dut_router(&mut self, text: &str) -> Result<(), StepError> {
        let dut = Configured::read(text)?;
        let (connection, child) = dut.connection()?;
        let Remote::Address(tester) = connection.remote else {
            return Err(StepError::testbed("the router does not know where its peer is"));
        };
        let protected = (network(&child.local_ts)?, network(&child.remote_ts)?);
        // A transform set stands from the outside in.
        let protocols = child.transform_sets.first().map(|set| set.protocols.iter().rev().cloned().collect());
        self.wanted.protection = protocols.map(Protection);
        self.plan = Plan::of_routers(self.plan.number, (dut.outside, tester), dut.inside, protected);
        self.settings.invalid_spi_recovery = dut.config.invalid_spi_recovery;
        self.inside = None;
        self.outside = Interface::new(Address(hub::tester_mac(Leg::Outside, self.plan.number)), MTU);
        let own = self.plan.outside().map(|(_, tester)| tester);
        own.for_each(|tester| self.outside.add_network(tester));
        Ok(self.medium.replace(&self.plan, dut.config, dut.names)?)
    }

    /// Makes the tester a router with this running-config, the peer of the DUT.
    ///
    /// # Errors
    /// Our own fault when the two do not fit.
    pub fn play_tester_router(&mut self, text: &str) -> Result<(), StepError> {
        let mut tester = Configured::read(text)?;
        let (connection, child) = tester.connection()?;
        let (local, remote) = (connection.local, connection.remote);
        let protected = (network(&child.remote_ts)?, network(&child.local_ts)?);
        let fits = (local, remote, protected)
            == (self.plan.tester, Remote::Address(self.plan.dut), (self.plan.dut_net, self.plan.tester_net));
        if !fits {
            let name = tester.router.hostname.unwrap_or_default();
            return Err(StepError::testbed(format!("{name} is no peer of the DUT: addresses or access lists differ")));
        }
        tester.config.name = "tester".to_owned();
        // The host behind the tester belongs to the testbed.
        tester.config.inside = Vec::new();
        for connection in &mut tester.config.isakmp.connections {
            CONNECTION.clone_into(&mut connection.name);
            connection.children.iter_mut().for_each(|child| CHILD.clone_into(&mut child.name));
        }
        self.tester = Gateway::new(tester.config, self.rng.next_u64());
        self.tester.set_hands(self.edits.clone());
        Ok(())
    }
}

/// The one network that a selector is for.
fn network(selector: &Selector) -> Result<IpNet, StepError> {
    let Addresses::Range(first, last) = selector.addresses else {
        return Err(StepError::testbed("the router protects itself alone"));
    };
    let longest = if first.is_ipv4() { 32 } else { 128 };
    let nets = (0..=longest).filter_map(|prefix| IpNet::new(first, prefix).ok());
    let is_it = |net: &IpNet| (net.network(), net.broadcast()) == (first, last);
    nets.into_iter().find(is_it).ok_or_else(|| StepError::testbed(format!("{first}-{last} is no network")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn a_selector_is_a_network() {
        let of = |text: &str| network(&text.parse::<Selector>().unwrap()).map(|net| net.to_string());
        assert_eq!(of("10.0.0.1").unwrap(), "10.0.0.1/32");
        assert_eq!(of("10.1.0.0/16").unwrap(), "10.1.0.0/16");
        assert!(of("10.0.0.1-10.0.0.9").is_err());
    }

    #[test]
    fn a_router_is_read_with_its_interfaces() {
        let text = include_str!("../../../reference-peer/tests/ios/invalid-spi-b.cfg");
        let b = Configured::read(text).unwrap();
        assert_eq!((b.outside.to_string(), b.inside.to_string()), ("10.2.2.2/8".into(), "10.0.2.2/8".into()));
        assert_eq!(b.connection().unwrap().0.remote, Remote::Address(IpAddr::from([10, 1, 1, 1])));
        assert!(b.config.invalid_spi_recovery);
    }
}
