//! What the runner opens: the virtual network for the built-in peer, or real links to a DUT.

use super::medium::Medium;
use super::sim::{MTU, Sim};
use super::traffic::HostsFragments;
use super::tunnel::{CHILD, CONNECTION};
use super::wire::WireLab;
use super::{Edits, Plan, Setting, Settings, Testbed, Wanted, hub, isakmp};
use crate::dissect::{Dissector, Seen};
use crate::evidence::{self, Clock, Direction, Evidence, Record};
use crate::fragments::Collector;
use crate::profile::Profile;
use crate::run::{Bench, DeviationInfo, Lab, ScenarioInfo, Setup, StepError, Steps};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use reference_peer::Instant;
use reference_peer::config::{
    Child, Connection, CookiePolicy, Esn, EspProposal, IkeConfig, Remote, Retransmission, Secret, Selector,
};
use reference_peer::deviation::{Deviation, DeviationSet};
use reference_peer::gateway::{DeadPeerDetection, DpdMode, Gateway, GatewayConfig, Leg};
use reference_peer::ike::v1::IsakmpKeys;
use reference_peer::ike::v2::IkeKeys;
use reference_peer::ipsec::keys::EspKeys;
use reference_peer::ipsec::sequence::Numbering;
use reference_peer::netif::Interface;
use std::sync::Arc;
use std::time::Duration;
use wire::ethernet::Address;

/// Retransmissions of the built-in DUT: after 4.0, 7.2, 13.0, 23.3 and 42.0 s more it waits 75.6 s and gives up, 165 s
/// after the first sending, as its profile says.
pub(super) const RETRANSMISSION: Retransmission =
    Retransmission { first: Duration::from_secs(4), factor: 1.8, limit: Duration::from_secs(90), tries: 5 };

/// Number of the tester in the virtual network, where each scenario has a network of its own.
const VIRTUAL_TESTER: u32 = 10;

/// Counterpeer's own testbed: the virtual network and real links.
#[derive(Debug, Clone, Copy, Default)]
pub struct CounterpeerBench;

impl Bench for CounterpeerBench {
    type World = Testbed;

    fn steps(&self) -> Steps<Testbed> {
        crate::steps::all()
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Lab<World = Testbed>>, String> {
        if !setup.profile.is_self() {
            return Ok(Box::new(WireLab::open(setup)?));
        }
        let deviations = match &setup.deviation {
            Some(name) => [name.parse::<Deviation>().map_err(|error| error.to_string())?].into_iter().collect(),
            None => DeviationSet::default(),
        };
        Ok(Box::new(SimLab { setup: setup.clone(), deviations }))
    }

    fn deviations(&self) -> Vec<DeviationInfo> {
        let info = |deviation: &Deviation| DeviationInfo {
            name: deviation.name().to_owned(),
            requirements: deviation.requirements().iter().map(|&id| id.to_owned()).collect(),
            description: deviation.description().to_owned(),
        };
        Deviation::ALL.iter().map(info).collect()
    }
}

/// The virtual network: each scenario has one of its own, with a clock of its own.
struct SimLab {
    setup: Setup,
    deviations: DeviationSet,
}

impl Lab for SimLab {
    type World = Testbed;

    fn begin(&self, scenario: &ScenarioInfo) -> Result<Testbed, StepError> {
        let profile = &self.setup.profile;
        let plan = Plan::new(profile, VIRTUAL_TESTER).map_err(StepError::testbed)?;
        let config = dut_config(profile, &plan, &self.deviations);
        let medium = Sim::new(&plan, config, scenario.seed);
        Ok(Testbed::new(&self.setup, plan, Box::new(medium), true, scenario))
    }

    fn step_begins(&self, world: &mut Testbed, step: &str) {
        world.note(step);
    }

    fn finish(&self, world: Testbed) -> Evidence {
        world.into_evidence(Clock::Virtual)
    }
}

impl Testbed {
    pub(super) fn new(
        setup: &Setup,
        plan: Plan,
        medium: Box<dyn Medium>,
        has_inside: bool,
        scenario: &ScenarioInfo,
    ) -> Self {
        let profile = Arc::clone(&setup.profile);
        let edits = Edits::default();
        let mut tester = Gateway::new(tester_config(&profile, &plan), scenario.seed);
        tester.set_hands(edits.clone());
        let mut outside = Interface::new(Address(hub::tester_mac(Leg::Outside, plan.number)), MTU);
        plan.outside().for_each(|(_, tester)| outside.add_network(tester));
        let inside = has_inside.then(|| {
            let mut inside = Interface::new(Address(hub::tester_mac(Leg::Inside, plan.number)), MTU);
            plan.inside().for_each(|(_, host)| inside.add_network(host));
            plan.inside().for_each(|(dut, _)| inside.set_default(dut.addr()));
            inside
        });
        Self {
            profile,
            medium,
            tester,
            edits,
            outside,
            inside,
            dissector: Dissector::default(),
            fragments: Collector::default(),
            seen: Vec::new(),
            events: Vec::new(),
            notes: Vec::new(),
            delivered: Vec::new(),
            inside_received: Vec::new(),
            hosts_fragments: HostsFragments::default(),
            hosts_answer: true,
            interrupt: setup.interrupt.clone(),
            rng: ChaCha20Rng::seed_from_u64(scenario.seed.rotate_left(32)),
            ping_id: 0,
            since: 0,
            nat: None,
            wanted: Wanted::default(),
            settings: Settings::of(&setup.profile),
            manual: false,
            isakmp_settled: 0,
            unused: true,
            plan,
        }
    }

    /// Changes what the tester is told, before it has sent anything. Its SAs, if it had any, are gone.
    pub fn reconfigure_tester(&mut self, change: impl FnOnce(&mut GatewayConfig)) {
        let mut config = self.tester.config().clone();
        change(&mut config);
        // SPIs and nonces of its own: the DUT may still know the gateway of before.
        self.tester = Gateway::new(config, self.rng.next_u64());
        self.tester.set_hands(self.edits.clone());
    }

    /// Changes what the built-in DUT is told. Its SAs, if it had any, are gone.
    ///
    /// # Errors
    /// Not applicable to any other DUT.
    pub fn reconfigure_dut(&mut self, mut change: impl FnMut(&mut GatewayConfig)) -> Result<(), StepError> {
        Ok(self.medium.reconfigure(&mut change)?)
    }

    pub(super) fn into_evidence(mut self, clock: Clock) -> Evidence {
        let now = self.now();
        self.collect_events(now);
        let elapsed = now.since_start();
        let begin = self.seen.first().map_or(now, |seen| seen.at.min(now));
        let base = if clock == Clock::Virtual { Instant::START } else { begin };
        let esp_keys = self.dissector.esp_keys().iter().map(evidence_esp_keys).collect();
        let ike_keys = self.dissector.ike_keys().iter().map(evidence_ike_keys).collect();
        let isakmp_keys = self.dissector.isakmp().keys().map(evidence_isakmp_key).collect();
        let events = self.notes.into_iter().map(|(at, text)| evidence::Event { time: at.since(base), text }).collect();
        let records = self.seen.into_iter().map(|seen| record(seen, base)).collect();
        Evidence { records, ike_keys, isakmp_keys, esp_keys, events, elapsed, clock }
    }
}

fn record(seen: Seen, base: Instant) -> Record {
    Record {
        time: seen.at.since(base),
        leg: match seen.leg {
            Leg::Outside => evidence::Leg::Outside,
            Leg::Inside => evidence::Leg::Inside,
        },
        direction: if seen.from_dut { Direction::FromDut } else { Direction::ToDut },
        summary: seen.summary(),
        frame: seen.frame,
        comments: seen.comments,
    }
}

fn evidence_ike_keys(keys: &IkeKeys) -> evidence::IkeKeys {
    evidence::IkeKeys {
        spis: keys.spis,
        encryption_keys: (keys.sk_ei.clone(), keys.sk_er.clone()),
        integrity_keys: (keys.sk_ai.clone(), keys.sk_ar.clone()),
        encryption: keys.encryption.id(),
        integrity: keys.integrity.map_or(0, |integrity| integrity.id()),
    }
}

fn evidence_isakmp_key(keys: &IsakmpKeys) -> evidence::IsakmpKey {
    evidence::IsakmpKey { initiator_cookie: keys.cookies.0, encryption_key: keys.cipher_key.to_vec() }
}

fn evidence_esp_keys(keys: &EspKeys) -> evidence::EspKeys {
    let sa = keys.parameters();
    evidence::EspKeys {
        source: sa.source,
        destination: sa.destination,
        spi: sa.spi,
        encryption: sa.encryption.id(),
        integrity: sa.integrity.id(),
        encryption_key: sa.encryption_key.to_vec(),
        integrity_key: sa.integrity_key.to_vec(),
        esn: sa.numbering == Numbering::Extended,
    }
}

/// What the tester is told: a connection to the DUT with one child between the two protected networks.
fn tester_config(profile: &Profile, plan: &Plan) -> GatewayConfig {
    let mut connection =
        Connection::new(CONNECTION, plan.tester, Remote::Address(plan.dut), Secret::new(profile.ike().psk.expose()));
    connection.ike_proposals = profile.ike().proposals.first().cloned().into_iter().collect();
    let proposals = profile.ipsec.proposals.first().cloned().into_iter().collect();
    connection.children = vec![Child::new(CHILD, Vec::new(), Vec::new(), proposals)];
    aim(&mut connection, plan);
    GatewayConfig {
        name: "tester".to_owned(),
        outside: plan.outside().map(|(_, tester)| tester.addr()).collect(),
        // The hosts behind the tester belong to the testbed.
        inside: Vec::new(),
        ike: IkeConfig { connections: vec![connection], cookies: CookiePolicy::Never, ..IkeConfig::default() },
        isakmp: isakmp::config::tester(profile, plan),
        ..GatewayConfig::default()
    }
}

/// Gives the tester's connections the addresses of a plan.
pub(super) fn aim_all(config: &mut GatewayConfig, plan: &Plan) {
    config.ike.connections.iter_mut().for_each(|connection| aim(connection, plan));
    config.isakmp.connections.iter_mut().for_each(|connection| isakmp::config::aim(connection, plan));
}

fn aim(connection: &mut Connection, plan: &Plan) {
    connection.local = plan.tester;
    connection.remote = Remote::Address(plan.dut);
    connection.local_id = plan.tester_id.clone();
    for child in connection.children.iter_mut().filter(|child| child.name == CHILD) {
        child.local_ts = vec![Selector::net(plan.tester_net)];
        child.remote_ts = vec![Selector::net(plan.dut_net)];
    }
}

/// What the built-in DUT is told: all that its profile claims, with a connection for each version of IP outside.
fn dut_config(profile: &Profile, plan: &Plan, deviations: &DeviationSet) -> GatewayConfig {
    let mut gateway = GatewayConfig {
        name: "dut".to_owned(),
        outside: plan.outside().map(|(dut, _)| dut.addr()).collect(),
        inside: plan.inside().map(|(dut, _)| dut.addr()).collect(),
        outside_mtu: profile.outside.mtu,
        ike: IkeConfig {
            connections: plan.each_outside().map(|plan| dut_connection(profile, &plan)).collect(),
            deviations: deviations.clone(),
            ..IkeConfig::default()
        },
        isakmp: isakmp::config::dut(profile, plan),
        initiate_on_traffic: true,
        dead_peer_detection: profile
            .dpd
            .as_ref()
            .map(|dpd| DeadPeerDetection { interval: dpd.delay, mode: DpdMode::OnDemand }),
        nat_keepalive: Some(std::time::Duration::from_secs(20)),
        ..GatewayConfig::default()
    };
    let settings = Settings::of(profile);
    let known = [
        settings.replay_window.map(Setting::ReplayWindow),
        settings.df_bit.map(Setting::DfBit),
        settings.pre_fragmentation.map(Setting::PreFragmentation),
    ];
    known.into_iter().flatten().for_each(|setting| setting.apply(&mut gateway));
    gateway
}

fn dut_connection(profile: &Profile, plan: &Plan) -> Connection {
    let mut connection =
        Connection::new(CONNECTION, plan.dut, Remote::Address(plan.tester), Secret::new(profile.ike().psk.expose()));
    connection.local_id = plan.dut_id.clone();
    connection.ike_proposals = profile.ike().proposals.to_vec();
    connection.retransmission = RETRANSMISSION;
    let (ours, theirs): (Vec<_>, Vec<_>) =
        plan.networks().map(|(dut, tester)| (Selector::net(dut), Selector::net(tester))).unzip();
    let mut proposals = profile.ipsec.proposals.to_vec();
    if profile.ipsec.esn {
        let extended = |proposal: &EspProposal| EspProposal { esn: Esn::Only, ..proposal.clone() };
        proposals.extend(profile.ipsec.proposals.iter().map(extended));
    }
    let child = Child::new(CHILD, ours, theirs, proposals);
    let mut transport = child.clone();
    transport.name = "host".to_owned();
    transport.mode = reference_peer::config::Mode::Transport;
    transport.local_ts = vec![Selector::host()];
    transport.remote_ts = vec![Selector::host()];
    connection.children = vec![child, transport];
    connection
}
