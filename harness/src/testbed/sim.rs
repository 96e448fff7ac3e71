//! The virtual network as medium: a built-in peer as DUT, both links, and a clock that jumps.

use super::medium::{Arrival, Control, Hook, Medium, MediumError};
use super::node::GatewayNode;
use super::plan::Plan;
use super::settings::Setting;
use super::tunnel::{CHILD, CONNECTION};
use reference_peer::Instant;
use reference_peer::gateway::console::{Console, Reply};
use reference_peer::gateway::show::Names;
use reference_peer::gateway::{Gateway, GatewayConfig, Leg};
use reference_peer::ike::v1::{ChildInfo, CommandError, State};
use reference_peer::ike::v2::IkeSaId;
use reference_peer::netif::Interface;
use reference_peer::sim::{Link, Network, Node, PortId};
use std::time::Duration;
use wire::ethernet::Address;

/// Delay of each virtual link, one way.
const DELAY: Duration = Duration::from_micros(200);

/// MTU of each virtual link, octets.
pub(super) const MTU: usize = 1500;

/// Most events of one instant before the run is given up: frames that go round in a circle.
const MOST_AT_ONCE: u32 = 200_000;

/// The virtual network of one scenario.
pub(super) struct Sim {
    network: Network,
    now: Instant,
    dut: GatewayNode,
    dut_ports: [PortId; 2],
    tester_ports: [PortId; 2],
    plan: Plan,
    seed: u64,
    config: GatewayConfig,
    console: Console,
}

impl Sim {
    pub(super) fn new(plan: &Plan, config: GatewayConfig, seed: u64) -> Self {
        let mut network = Network::new(seed);
        let outside = network.add_segment("outside");
        let inside = network.add_segment("inside");
        let dut_ports = [network.add_port(outside), network.add_port(inside)];
        let tester_ports = [network.add_port(outside), network.add_port(inside)];
        for segment in [outside, inside] {
            network.set_segment_link(segment, Link { delay: DELAY, ..Link::default() });
        }
        let dut = Self::dut(plan, &config, seed);
        let (plan, console) = (plan.clone(), Console::default());
        Self { network, now: Instant::START, dut, dut_ports, tester_ports, plan, seed, config, console }
    }

    fn dut(plan: &Plan, config: &GatewayConfig, seed: u64) -> GatewayNode {
        let gateway = Gateway::new(config.clone(), seed ^ 0x6475_7400);
        let mut outside = Interface::new(Address([0x02, 0xd0, 0, 0, 0, 1]), MTU);
        plan.outside().for_each(|(dut, _)| outside.add_network(dut));
        outside.set_default(plan.tester);
        // The policies decide about what is for others.
        outside.set_forwarding(true);
        let mut inside = Interface::new(Address([0x02, 0xd0, 0, 0, 0, 2]), MTU);
        plan.inside().for_each(|(dut, _)| inside.add_network(dut));
        // Whatever comes to the gateway on the inside is its business, whoever it is for.
        inside.set_forwarding(true);
        GatewayNode::new(gateway, outside, inside)
    }

    fn leg(&self, port: PortId) -> Option<Leg> {
        match self.tester_ports {
            [outside, _] if outside == port => Some(Leg::Outside),
            [_, inside] if inside == port => Some(Leg::Inside),
            _ => None,
        }
    }

    /// The DUT's newest IKE SA.
    fn newest(&self) -> Option<IkeSaId> {
        self.dut.gateway.ike().ike_sas().iter().map(|info| info.id).max()
    }

    /// The DUT's newest ISAKMP SA that is up.
    fn newest_isakmp(&self) -> Option<IkeSaId> {
        let all = self.dut.gateway.isakmp().isakmp_sas();
        all.iter().filter(|info| info.state == State::Established).map(|info| info.id).max()
    }

    /// An inbound SPI of the DUT's newest IPsec SAs of IKEv1.
    fn newest_isakmp_child(&self) -> Option<u32> {
        self.dut.gateway.isakmp().children().last().and_then(inbound_spi)
    }

    /// Inbound SPI of the DUT's newest Child SA.
    fn newest_child(&self) -> Option<u32> {
        let newest = self.dut.gateway.ike().ike_sas().into_iter().max_by_key(|info| info.id)?;
        newest.children.last().map(|child| child.inbound_spi)
    }
}

/// An SPI that a pair of IPsec SAs of IKEv1, or a bundle of them, is received on.
fn inbound_spi(child: &ChildInfo) -> Option<u32> {
    child.pairs.first().map(|(_, inbound, _)| *inbound)
}

impl Medium for Sim {
    fn now(&self) -> Instant {
        self.now
    }

    fn send(&mut self, leg: Leg, frame: &[u8]) -> Result<(), MediumError> {
        let [outside, inside] = self.tester_ports;
        let port = if leg == Leg::Outside { outside } else { inside };
        self.network.send(self.now, port, frame.to_vec());
        Ok(())
    }

    fn receive(&mut self, until: Instant) -> Result<Option<Arrival>, MediumError> {
        let mut events = 0;
        loop {
            events += 1;
            if events > MOST_AT_ONCE {
                return Err(MediumError::Link(format!("the virtual network came to no rest at {:?}", self.now)));
            }
            while let Some((leg, frame)) = self.dut.poll_frame() {
                if let Some(&port) = self.dut_ports.get(leg) {
                    self.network.send(self.now, port, frame);
                }
            }
            if let Some(delivery) = self.network.poll(self.now) {
                if let Some(leg) = self.leg(delivery.port) {
                    return Ok(Some(Arrival { leg, at: delivery.at, frame: delivery.frame }));
                }
                if let Some(leg) = self.dut_ports.iter().position(|port| *port == delivery.port) {
                    self.dut.handle_frame(self.now, leg, &delivery.frame);
                }
                continue;
            }
            if self.dut.next_timeout().is_some_and(|at| at <= self.now) {
                self.dut.handle_timeout(self.now);
                continue;
            }
            match self.dut.next_timeout().into_iter().chain(self.network.next_event()).min() {
                Some(next) if next <= until => {
                    if next > self.now {
                        events = 0;
                    }
                    self.now = self.now.max(next);
                }
                _ => {
                    self.now = self.now.max(until);
                    return Ok(None);
                }
            }
        }
    }

    fn control(&mut self, hook: Hook) -> Control {
        Control::Done(self.obey(hook))
    }

    fn reconfigure(&mut self, change: &mut dyn FnMut(&mut GatewayConfig)) -> Result<(), MediumError> {
        change(&mut self.config);
        self.dut = Self::dut(&self.plan, &self.config, self.seed);
        Ok(())
    }

    fn replace(&mut self, plan: &Plan, mut config: GatewayConfig, names: Names) -> Result<(), MediumError> {
        config.ike.deviations = self.config.ike.deviations.clone();
        (self.plan, self.config, self.console) = (plan.clone(), config, Console::new(names));
        self.dut = Self::dut(&self.plan, &self.config, self.seed);
        Ok(())
    }
}

impl Sim {
    /// What a hook does to SAs of IKEv1: it begins them, and where there are none of IKEv2 it ends or replaces them. `None`
    /// if it has nothing to do with them.
    fn obey_by_ikev1(&mut self, hook: &Hook) -> Option<Result<(), CommandError>> {
        let now = self.now;
        let (isakmp, child) = (self.newest_isakmp(), self.newest_isakmp_child());
        let by_ikev2 = self.newest().is_some();
        let gateway = &mut self.dut.gateway;
        match (hook, isakmp, child) {
            (Hook::InitiateIkev1(exchange), ..) => {
                let begun = gateway.isakmp_command(now, |engine, rng, hands| {
                    let mut config = engine.config().clone();
                    let connection = config.connections.first_mut();
                    let connection = connection.ok_or_else(|| CommandError::NoConnection(CONNECTION.to_owned()))?;
                    connection.exchange = *exchange;
                    engine.configure(config);
                    engine.initiate(now, rng, CONNECTION, CHILD, hands)
                });
                Some(begun.map(drop))
            }
            (Hook::ClearSas, Some(isakmp), _) if !by_ikev2 => {
                let children: Vec<u32> = gateway.isakmp().children().iter().filter_map(inbound_spi).collect();
                Some(gateway.isakmp_command(now, |engine, rng, hands| {
                    for spi in children {
                        engine.delete_child(now, rng, spi, hands)?;
                    }
                    engine.delete_isakmp_sa(now, rng, isakmp, hands)
                }))
            }
            (Hook::RekeyChild, _, Some(spi)) if !by_ikev2 => {
                let begun = gateway.isakmp_command(now, |engine, rng, hands| engine.rekey_child(now, rng, spi, hands));
                Some(begun.map(drop))
            }
            (Hook::DeleteChild, _, Some(spi)) if !by_ikev2 => {
                Some(gateway.isakmp_command(now, |engine, rng, hands| engine.delete_child(now, rng, spi, hands)))
            }
            _ => None,
        }
    }

    fn obey(&mut self, hook: Hook) -> Result<String, MediumError> {
        let now = self.now;
        let name = hook.name();
        let failed = |reason: String| MediumError::HookFailed { hook: name, reason };
        let none = || MediumError::HookFailed { hook: name, reason: "the DUT has no such SA".to_owned() };
        if let Some(result) = self.obey_by_ikev1(&hook) {
            self.dut.flush(now);
            return result.map(|()| String::new()).map_err(|error| failed(error.to_string()));
        }
        let gateway = &mut self.dut.gateway;
        match hook {
            // It has been obeyed.
            Hook::InitiateIkev1(_) => {}
            Hook::Initiate => {
                let connection = gateway.config().ike.connections.first().cloned();
                let connection = connection.ok_or_else(|| failed("no connection".to_owned()))?;
                let child = connection.children.first().map(|child| child.name.clone()).unwrap_or_default();
                gateway.initiate(now, &connection.name, &child).map_err(|error| failed(error.to_string()))?;
            }
            Hook::ClearSas => {
                let id = self.newest().ok_or_else(none)?;
                let gateway = &mut self.dut.gateway;
                gateway
                    .command(now, |ike, rng, hands| ike.delete_ike(now, rng, id, hands))
                    .map_err(|error| failed(error.to_string()))?;
            }
            Hook::ForgetSas => gateway.forget(now),
            Hook::RekeyChild => {
                let spi = self.newest_child().ok_or_else(none)?;
                let gateway = &mut self.dut.gateway;
                gateway
                    .command(now, |ike, rng, hands| ike.rekey_child(now, rng, spi, hands))
                    .map_err(|error| failed(error.to_string()))?;
            }
            Hook::RekeyIke => {
                let id = self.newest().ok_or_else(none)?;
                let gateway = &mut self.dut.gateway;
                gateway
                    .command(now, |ike, rng, hands| ike.rekey_ike(now, rng, id, hands))
                    .map_err(|error| failed(error.to_string()))?;
            }
            Hook::DeleteChild => {
                let spi = self.newest_child().ok_or_else(none)?;
                let gateway = &mut self.dut.gateway;
                gateway
                    .command(now, |ike, rng, hands| ike.delete_child(now, rng, spi, hands))
                    .map_err(|error| failed(error.to_string()))?;
            }
            Hook::Sas => {
                let mut text = format!("{:#?}\n{:#?}\n", gateway.ike().ike_sas(), gateway.isakmp().isakmp_sas());
                gateway.crypto_sas(now).iter().for_each(|sa| text.push_str(&sa.to_string()));
                return Ok(text);
            }
            Hook::Counters => {
                let drops = gateway.data().drops().iter().map(|(reason, count)| format!("{reason}: {count}\n"));
                let sas = gateway.crypto_sas(now).into_iter().map(|sa| sa.to_string());
                return Ok(drops.chain(sas).collect());
            }
            Hook::Log => return Ok(gateway.log().map(|line| format!("{line}\n")).collect()),
            Hook::SaCounters => {
                let inbound = gateway.crypto_sas(now).into_iter().filter(|sa| sa.inbound);
                let without_sa: u64 = gateway.data().drops().iter().map(|(_, count)| count).sum();
                let (mut received, mut packets, mut replay, mut integrity) = (without_sa, 0, 0, 0);
                for sa in inbound {
                    (packets, replay) = (packets + sa.packets, replay + sa.replay_drops);
                    (received, integrity) = (received + sa.packets + sa.dropped_packets, integrity + sa.auth_fails);
                }
                return Ok(format!("received={received}\npackets={packets}\nreplay={replay}\nintegrity={integrity}\n"));
            }
            Hook::InstallSa(sas) => {
                gateway.install_manual(now, sas.pairs.clone()).map_err(|error| failed(error.to_string()))?;
                let (to_dut, from_dut) = sas.used;
                for pair in sas.pairs.iter().filter(|_| sas.used != (0, 0)) {
                    gateway.preset_sequences(pair.inbound_spi, from_dut, to_dut);
                }
            }
            Hook::RemoveSa => gateway.forget(now),
            // This is switched while SAs are in use.
            Hook::Set(setting @ Setting::SequenceSpaces(on)) => {
                setting.apply(&mut self.config);
                gateway.set_sequence_spaces(on);
            }
            Hook::Command(line) => match self.console.run(gateway, now, &line) {
                Reply::Done(text) | Reply::Pinging(_, text) => {
                    self.dut.flush(now);
                    return Ok(text);
                }
                Reply::Refused(why) => return Err(failed(why)),
                Reply::Exit => {}
            },
            Hook::Set(setting) => {
                setting.apply(&mut self.config);
                self.dut = Self::dut(&self.plan, &self.config, self.seed);
            }
        }
        self.dut.flush(now);
        Ok(String::new())
    }
}
