//! The security policy database: what is bypassed, discarded, protected (RFC 4301 section 4.4.1).

use super::drops::DropReason;
use super::flow::Flow;
use super::selector::{Direction, Selectors};
use crate::deviation::{Deviation, DeviationSet};
use std::sync::Arc;

/// What a policy does with the packets that it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Lets them pass in the clear.
    Bypass,
    /// Drops them.
    Discard,
    /// Protects them by an SA of this policy.
    Protect,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name; SAs refer to it.
    pub name: String,
    /// Which packets it is for, in both directions.
    pub selectors: Selectors,
    /// What is done with them.
    pub action: Action,
}

/// What the policies say of an outbound packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It passes in the clear.
    Bypass,
    /// It is dropped, because a policy says so or none matches.
    Discard,
    /// It is protected by an SA of this policy.
    Protect(&'a Policy),
}

/// The policies, in order. A packet that none matches is discarded (RFC 4301 section 5).
#[derive(Debug, Clone, Default)]
pub struct Spd {
    policies: Vec<Policy>,
    deviations: Arc<DeviationSet>,
}

impl Spd {
    /// Policies in the order in which they are tried.
    pub fn new(policies: Vec<Policy>, deviations: Arc<DeviationSet>) -> Self {
        Self { policies, deviations }
    }

    /// The policies.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// To be changed at any time.
    pub fn policies_mut(&mut self) -> &mut Vec<Policy> {
        &mut self.policies
    }

    /// The first policy that selects the packet.
    pub fn lookup(&self, flow: &Flow, direction: Direction) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.selectors.admit(flow, direction))
    }

    /// What to do with a packet on its way out.
    pub fn outbound(&self, flow: &Flow) -> Decision<'_> {
        match self.lookup(flow, Direction::Outbound) {
            Some(policy) => match policy.action {
                Action::Bypass => Decision::Bypass,
                Action::Discard => Decision::Discard,
                Action::Protect => Decision::Protect(policy),
            },
            None if self.deviations.has(Deviation::BypassesByDefault) => Decision::Bypass,
            None => Decision::Discard,
        }
    }

    /// May a packet that came in the clear go on? (RFC 4301 section 5.2 step 3b.)
    ///
    /// # Errors
    /// It may not: it should have been protected, or it is to be discarded.
    pub fn inbound_clear(&self, flow: &Flow) -> Result<(), DropReason> {
        match self.lookup(flow, Direction::Inbound).map(|policy| policy.action) {
            Some(Action::Bypass) => Ok(()),
            Some(Action::Protect) if self.deviations.has(Deviation::ForwardsClearTraffic) => Ok(()),
            None if self.deviations.has(Deviation::BypassesByDefault) => Ok(()),
            Some(Action::Protect) => Err(DropReason::PolicyUnprotected),
            Some(Action::Discard) | None => Err(DropReason::PolicyDiscard),
        }
    }

    /// Did a packet come under an SA of the policy that selects it? The SA's own selectors were checked before; this
    /// finds a packet that fits them but belongs to an earlier policy.
    ///
    /// # Errors
    /// It did not.
    pub fn inbound_protected(&self, flow: &Flow, policy: &str) -> Result<(), DropReason> {
        match self.lookup(flow, Direction::Inbound) {
            Some(found) if found.name == policy => Ok(()),
            _ if self.deviations.has(Deviation::SkipsSelectorCheck) => Ok(()),
            _ => Err(DropReason::SelectorMismatch),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::flow::UpperLayer;
    use super::*;

    fn policy(name: &str, local: &str, remote: &str, action: Action) -> Policy {
        let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
        Policy { name: name.into(), selectors: Selectors::pair(net(local), net(remote)), action }
    }

    fn flow(source: [u8; 4], destination: [u8; 4]) -> Flow {
        Flow {
            source: source.into(),
            destination: destination.into(),
            protocol: Some(17),
            upper: UpperLayer::Ports(1, 2),
        }
    }

    fn spd() -> Spd {
        let policies = vec![
            policy("printer", "10.1.0.9/32", "0.0.0.0/0", Action::Discard),
            policy("branch", "10.1.0.0/16", "10.2.0.0/16", Action::Protect),
            policy("outside", "192.0.2.1/32", "0.0.0.0/0", Action::Bypass),
        ];
        Spd::new(policies, Arc::default())
    }

    #[test]
    fn the_first_policy_decides_and_none_discards() {
        let spd = spd();
        let to = |source, destination| spd.outbound(&flow(source, destination));
        assert!(matches!(to([10, 1, 0, 1], [10, 2, 0, 1]), Decision::Protect(policy) if policy.name == "branch"));
        assert_eq!(to([10, 1, 0, 9], [10, 2, 0, 1]), Decision::Discard);
        assert_eq!(to([192, 0, 2, 1], [8, 8, 8, 8]), Decision::Bypass);
        assert_eq!(to([10, 1, 0, 1], [8, 8, 8, 8]), Decision::Discard);
    }

    #[test]
    fn clear_packets_must_be_bypassed() {
        let spd = spd();
        let from = |source, destination| spd.inbound_clear(&flow(source, destination));
        assert_eq!(from([8, 8, 8, 8], [192, 0, 2, 1]), Ok(()));
        assert_eq!(from([10, 2, 0, 1], [10, 1, 0, 1]), Err(DropReason::PolicyUnprotected));
        assert_eq!(from([10, 2, 0, 1], [10, 1, 0, 9]), Err(DropReason::PolicyDiscard));
        assert_eq!(from([8, 8, 8, 8], [10, 1, 0, 1]), Err(DropReason::PolicyDiscard));
    }

    #[test]
    fn protected_packets_belong_to_their_policy() {
        let spd = spd();
        let under = |destination| spd.inbound_protected(&flow([10, 2, 0, 1], destination), "branch");
        assert_eq!(under([10, 1, 0, 1]), Ok(()));
        assert_eq!(under([10, 1, 0, 9]), Err(DropReason::SelectorMismatch));
    }
}
