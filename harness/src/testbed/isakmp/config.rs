//! What tester and built-in DUT are told of IKEv1.

use super::super::Plan;
use super::super::lab::RETRANSMISSION;
use super::super::tunnel::{CHILD, CONNECTION};
use crate::profile::{Exchange, Profile};
use reference_peer::config::isakmp::{
    IsakmpChild, IsakmpConfig, IsakmpConnection, IsakmpKeepalive, IsakmpPolicy, Keyring, TransformSet,
};
use reference_peer::config::{EspProposal, Mode, Remote, Secret, Selector};
use std::time::Duration;

/// The tester asks nobody by itself whether he lives, however long a scenario takes.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// Time between NAT keepalives of the built-in DUT.
const NAT_KEEPALIVE: Duration = Duration::from_secs(20);

/// Questions of the built-in DUT after the first one, before it takes a silent peer for dead.
const QUESTIONS: u32 = 5;

/// What the tester is told: a connection to the DUT with one child between the two protected networks. It does what it is
/// told to do and no more, but answers everything.
pub(in super::super) fn tester(profile: &Profile, plan: &Plan) -> IsakmpConfig {
    let ike = profile.ike();
    let mut connection = connection(profile, plan);
    connection.policies = ike.policies.first().cloned().into_iter().collect();
    connection.accept_aggressive = true;
    connection.keepalive = Some(IsakmpKeepalive::on_demand(NEVER));
    let sets: Vec<_> = profile.ipsec.proposals.first().map(|first| set(first, Mode::Tunnel)).into_iter().collect();
    let mut child = IsakmpChild::new(CHILD, Selector::host(), Selector::host(), sets);
    child.pfs = ike.pfs.first().and_then(|pfs| pfs.0);
    connection.children = vec![child];
    aim(&mut connection, plan);
    IsakmpConfig { connections: vec![connection], ..IsakmpConfig::default() }
}

/// Gives the tester's connection the addresses of a plan.
pub(in super::super) fn aim(connection: &mut IsakmpConnection, plan: &Plan) {
    connection.local = plan.tester;
    connection.remote = Remote::Address(plan.dut);
    connection.local_id = plan.tester_id.clone();
    for child in connection.children.iter_mut().filter(|child| child.name == CHILD) {
        child.local_ts = Selector::net(plan.tester_net);
        child.remote_ts = Selector::net(plan.dut_net);
    }
}

/// What the built-in DUT is told: all that its profile claims, with a connection for each version of IP outside.
pub(in super::super) fn dut(profile: &Profile, plan: &Plan) -> IsakmpConfig {
    if !profile.ike().speaks(1) {
        return IsakmpConfig::default();
    }
    let connections = plan.each_outside().map(|plan| dut_connection(profile, &plan)).collect();
    IsakmpConfig { connections, ..IsakmpConfig::default() }
}

fn dut_connection(profile: &Profile, plan: &Plan) -> IsakmpConnection {
    let ike = profile.ike();
    let mut connection = connection(profile, plan);
    connection.local = plan.dut;
    connection.remote = Remote::Address(plan.tester);
    connection.local_id = plan.dut_id.clone();
    connection.policies = policies(&ike.policies);
    connection.accept_aggressive = ike.exchanges.contains(&Exchange::Aggressive);
    connection.retransmission = RETRANSMISSION;
    connection.nat_keepalive = Some(NAT_KEEPALIVE);
    connection.keepalive = profile.dpd.as_ref().map(|dpd| IsakmpKeepalive {
        interval: dpd.delay,
        retry: dpd.gives_up_after / (QUESTIONS + 1),
        tries: QUESTIONS,
        periodic: false,
    });
    let tunnel = sets(profile, Mode::Tunnel);
    // A child of IKEv1 has one selector at each end.
    let nets = plan.networks().enumerate().map(|(index, (dut, tester))| {
        let name = if index == 0 { CHILD.to_owned() } else { format!("{CHILD}{}", index + 1) };
        IsakmpChild::new(name, Selector::net(dut), Selector::net(tester), tunnel.clone())
    });
    let host = IsakmpChild::new("host", Selector::host(), Selector::host(), sets(profile, Mode::Transport));
    connection.children = nets.chain([host]).collect();
    connection
}

fn connection(profile: &Profile, plan: &Plan) -> IsakmpConnection {
    let keyring = Keyring::shared(Secret::new(profile.ike().psk.expose()));
    IsakmpConnection::new(CONNECTION, plan.tester, Remote::Address(plan.dut), keyring)
}

/// Policies with priorities in this order.
pub(in super::super) fn policies(policies: &[IsakmpPolicy]) -> Vec<IsakmpPolicy> {
    (1..).zip(policies).map(|(priority, policy)| IsakmpPolicy { priority, ..policy.clone() }).collect()
}

/// The transform sets of a profile: its proposals one by one, then its bundles.
fn sets(profile: &Profile, mode: Mode) -> Vec<TransformSet> {
    let single = profile.ipsec.proposals.iter().map(|proposal| set(proposal, mode));
    let bundles = profile.ipsec.bundles.iter().map(|bundle| {
        let protocols: Vec<EspProposal> = bundle.split('+').filter_map(|part| part.parse().ok()).collect();
        TransformSet { mode, ..TransformSet::new(bundle.as_str(), protocols) }
    });
    single.chain(bundles).collect()
}

/// A transform set of one protocol.
pub(in super::super) fn set(proposal: &EspProposal, mode: Mode) -> TransformSet {
    TransformSet { mode, ..TransformSet::new(proposal.to_string(), vec![proposal.clone()]) }
}
