//! Policies: what is protected, passes in the clear, or is dropped (RFC 4301 sections 4.4.1, 5.1 and 5.2).
//!
//! First come the policies of [`DataConfig`](super::DataConfig), then one for each child of the connections. Children
//! whose selectors are the ends of the IKE SA themselves (`dynamic`) have no policy before there is an SA; what an SA
//! is for must come under it.

use super::rate::PerSecond;
use super::{Gateway, GatewayConfig, Leg};
use crate::Instant;
use crate::config::{Addresses, Selector};
use crate::deviation::Deviation;
use crate::ipsec::drops::DropReason;
use crate::ipsec::flow::Flow;
use crate::ipsec::header::Header;
use crate::ipsec::sa::Protocol;
use crate::ipsec::selector::{Direction, Selectors, TrafficSelector};
use crate::ipsec::spd::{Action, Policy, Spd};
use std::slice;
use std::sync::Arc;
use wire::ikev2::{Body, Notify, NotifyType, Payload, ProtocolId};

/// Octets of a dropped packet that INVALID_SELECTORS holds.
const QUOTED: usize = 128;

/// The policies in their order.
#[derive(Debug)]
pub(super) struct Policies {
    spd: Spd,
    /// How many of them were configured; the others follow from connections.
    configured: usize,
    /// Connection and child that each of the others follows from.
    followed: Vec<(String, String)>,
    /// INVALID_SELECTORS that were sent.
    notifies: PerSecond,
}

/// What is to be done with an outbound packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passes in the clear.
    Bypass,
    /// It is dropped.
    Discard,
    /// It is protected by an SA that is there or that may be asked for.
    Protect,
}

impl Policies {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let mut policies = config.data.policies.clone();
        let configured = policies.len();
        let mut followed = Vec::new();
        let ike = config.ike.connections.iter().flat_map(|connection| {
            let children = connection.children.iter();
            children.map(|child| (&connection.name, &child.name, &child.local_ts[..], &child.remote_ts[..]))
        });
        let isakmp = config.isakmp.connections.iter().flat_map(|connection| {
            let children = connection.children.iter();
            let one = slice::from_ref;
            children.map(move |child| (&connection.name, &child.name, one(&child.local_ts), one(&child.remote_ts)))
        });
        for (connection, child, local, remote) in ike.chain(isakmp) {
            if let Some(policy) = policy(format!("{connection}/{child}"), local, remote) {
                policies.push(policy);
                followed.push((connection.clone(), child.clone()));
            }
        }
        let spd = Spd::new(policies, Arc::new(config.ike.deviations.clone()));
        Self { spd, configured, followed, notifies: PerSecond::default() }
    }

    /// The configured policy that selects a packet, if one does.
    fn configured(&self, flow: &Flow, direction: Direction) -> Option<&Policy> {
        let configured = self.spd.policies().get(..self.configured).unwrap_or_default();
        configured.iter().find(|policy| policy.selectors.admit(flow, direction))
    }

    /// The connection and child that an outbound packet may ask for.
    fn child(&self, flow: &Flow) -> Option<(String, String)> {
        let followed = self.spd.policies().get(self.configured..).unwrap_or_default();
        let at = followed.iter().position(|policy| policy.selectors.admit(flow, Direction::Outbound))?;
        self.followed.get(at).cloned()
    }
}

/// The policy that follows from a child; `None` where an end has no addresses of its own.
fn policy(name: String, local: &[Selector], remote: &[Selector]) -> Option<Policy> {
    let end = |selectors: &[Selector]| -> Vec<TrafficSelector> { selectors.iter().filter_map(selector).collect() };
    let selectors = Selectors { local: end(local), remote: end(remote), fragments_also: false };
    let whole = !selectors.local.is_empty() && !selectors.remote.is_empty();
    whole.then_some(Policy { name, selectors, action: Action::Protect })
}

fn selector(selector: &Selector) -> Option<TrafficSelector> {
    match selector.addresses {
        Addresses::Range(start, end) => TrafficSelector::from_wire(start, end, selector.protocol, selector.ports),
        Addresses::Host => None,
    }
}

impl Gateway {
    /// What the policies say of a packet on its way out. `has_sa`: an SA would take it.
    pub(super) fn outbound_policy(&self, flow: &Flow, has_sa: bool) -> Verdict {
        match self.policies.configured(flow, Direction::Outbound).map(|policy| policy.action) {
            Some(Action::Bypass) => Verdict::Bypass,
            Some(Action::Discard) => Verdict::Discard,
            Some(Action::Protect) => Verdict::Protect,
            None if has_sa || self.policies.child(flow).is_some() => Verdict::Protect,
            None if self.is_deviant(Deviation::BypassesByDefault) => Verdict::Bypass,
            None => Verdict::Discard,
        }
    }

    /// The connection and child that an outbound packet may ask for.
    pub(super) fn child_for(&self, flow: &Flow) -> Option<(String, String)> {
        self.policies.child(flow)
    }

    /// May a packet that came in the clear go on to the inside? (RFC 4301 section 5.2 step 3b.)
    fn clear_policy(&self, flow: &Flow) -> Result<(), DropReason> {
        match self.policies.spd.inbound_clear(flow) {
            // An SA that no policy has asked for, with manual keys or narrowed by the peer.
            Err(DropReason::PolicyDiscard) if self.is_for_an_sa(flow) => Err(DropReason::PolicyUnprotected),
            verdict => verdict,
        }
    }

    /// May a packet for the gateway itself that came in the clear be answered? Without a policy it may, unless it is
    /// for an SA.
    pub(super) fn local_policy(&self, flow: &Flow) -> Result<(), DropReason> {
        let careless = self.is_deviant(Deviation::ForwardsClearTraffic);
        match self.policies.configured(flow, Direction::Inbound).map(|policy| policy.action) {
            Some(Action::Discard) => Err(DropReason::PolicyDiscard),
            Some(Action::Protect) if !careless => Err(DropReason::PolicyUnprotected),
            None if self.is_for_an_sa(flow) && !careless => Err(DropReason::PolicyUnprotected),
            _ => Ok(()),
        }
    }

    /// Does an SA want packets like this?
    fn is_for_an_sa(&self, flow: &Flow) -> bool {
        let mut sas = self.data.sad().inbound_sas();
        sas.any(|sa| sa.parameters().selectors.admit(flow, Direction::Inbound))
    }

    /// May a packet that fits the SA it came under go on? Not if a policy before that of the SA selects it.
    pub(super) fn protected_policy(&self, packet: &[u8]) -> Result<(), DropReason> {
        let Ok(header) = Header::parse(packet) else { return Err(DropReason::InnerMalformed) };
        match self.policies.configured(&header.flow(packet), Direction::Inbound).map(|policy| policy.action) {
            Some(Action::Bypass | Action::Discard) if !self.is_deviant(Deviation::SkipsSelectorCheck) => {
                Err(DropReason::SelectorMismatch)
            }
            _ => Ok(()),
        }
    }

    /// A clear packet from the outside that is not for an outside address of the gateway.
    pub(super) fn clear_transit(&mut self, now: Instant, octets: &[u8]) {
        let Ok(header) = Header::parse(octets) else {
            return self.dropped(None, None, DropReason::OuterMalformed);
        };
        match self.clear_policy(&header.flow(octets)) {
            Ok(()) => self.forward_inside(now, octets, None),
            Err(reason) => self.dropped(None, Some(header.source), reason),
        }
    }

    /// Tells the peer of an SA that a packet did not fit its selectors, if there is an IKE SA with it (RFC 7296 section
    /// 3.10.1).
    pub(super) fn invalid_selectors(&mut self, now: Instant, spi: u32, packet: &[u8]) {
        let most = match self.is_deviant(Deviation::UnlimitedInvalidSelectors) {
            true => u32::MAX,
            false => self.config.data.invalid_selectors,
        };
        let Some(ike_sa) = self.data.child(spi).and_then(|child| child.ike_sa) else { return };
        if !self.policies.notifies.take(most, now) {
            return;
        }
        let ah = self.data.sad().inbound(spi).is_some_and(|sa| sa.parameters().protocol == Protocol::Ah);
        let protocol = if ah { ProtocolId::AH } else { ProtocolId::ESP };
        let start = packet.get(..packet.len().min(QUOTED)).unwrap_or_default();
        let notify = Notify::with_spi(protocol, spi.to_be_bytes(), NotifyType::INVALID_SELECTORS, start);
        let payloads = vec![Payload::from(Body::Notify(notify))];
        // An IKE SA that is just being closed tells nobody.
        let _ = self.ike.informational(now, &mut self.rng, ike_sa, payloads, &mut self.hands);
        self.obey(now);
    }

    /// Sends a packet from the inside in the clear, in fragments if it must and may be.
    pub(super) fn send_clear(&mut self, now: Instant, octets: &[u8]) {
        self.forward(now, Leg::Outside, Leg::Inside, octets.to_vec());
    }
}
