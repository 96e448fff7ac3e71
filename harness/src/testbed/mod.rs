//! What a scenario sees: the tester, the DUT, the clock, the links, and all that has crossed them.
//!
//! The tester is a whole reference peer. A scenario can let it do as it likes ("bring up a tunnel"), edit what it sends
//! through its three hands, or send messages of its own making past it. Everything that crosses a link becomes one
//! [`Seen`], and expectations look at nothing else.

mod cut;
mod edits;
mod encapsulation;
mod headers;
mod hub;
pub mod isakmp;
mod lab;
mod medium;
mod nat;
mod node;
pub mod offer;
mod pair;
mod path_mtu;
mod plan;
mod probe;
mod routers;
mod seal;
mod settings;
mod sim;
#[cfg(test)]
mod tests;
mod traffic;
mod tunnel;
mod wait;
mod wire;

pub use cut::overlapping;
pub use edits::{Caught, CaughtIsakmp, Edits, Which, WhichIsakmp};
pub use encapsulation::Encapsulation;
pub use headers::{Encapsulated, Tunnelled, changed, in_fragments, is_same, set_hop_limit, set_traffic_class, v4};
pub use lab::CounterpeerBench;
pub use medium::{Arrival, Control, Hook, Medium, MediumError};
pub use nat::PortNat;
pub use node::GatewayNode;
pub use pair::{Keying, ManualSas, Ports, Protection, Wanted};
pub use plan::{Family, Plan};
pub use probe::{Passage, Probe, Protected, TooBig, Treatment};
pub use seal::tunnel_draft;
pub use settings::{Setting, Settings};
use traffic::HostsFragments;
pub use traffic::{PING_DATA, Ping, Pings, ip_packet};
pub use tunnel::{CHILD, CONNECTION};

use crate::dissect::{Dissector, Seen};
use crate::fragments::Collector;
use crate::profile::Profile;
use crate::run::StepError;
use rand_chacha::ChaCha20Rng;
use reference_peer::Instant;
use reference_peer::gateway::{Event, Gateway, Leg};
use reference_peer::netif::Interface;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

/// How often a running hook is looked at.
const HOOK_LOOK: Duration = Duration::from_millis(5);

/// One scenario's world.
pub struct Testbed {
    profile: Arc<Profile>,
    plan: Plan,
    medium: Box<dyn Medium>,
    /// The tester: a reference peer whose SAs and keys a scenario may look at.
    pub tester: Gateway,
    /// What is put into the tester's hands.
    pub edits: Edits,
    outside: Interface,
    inside: Option<Interface>,
    dissector: Dissector,
    /// Fragments that were seen, on each leg in each direction.
    fragments: Collector<(Leg, bool)>,
    seen: Vec<Seen>,
    events: Vec<(Instant, Event)>,
    notes: Vec<(Instant, String)>,
    /// Packets that came out of the tunnel at the tester's protected host.
    delivered: Vec<(Instant, Vec<u8>)>,
    /// Packets that came out of the DUT at the host on its inside.
    inside_received: Vec<(Instant, Vec<u8>)>,
    /// Fragments that wait at the two hosts.
    hosts_fragments: HostsFragments,
    /// Do the hosts answer pings?
    hosts_answer: bool,
    interrupt: crate::run::Interrupt,
    rng: ChaCha20Rng,
    ping_id: u16,
    since: usize,
    /// The NAT in front of the tester.
    nat: Option<PortNat>,
    /// What the scenario wants of its SAs.
    wanted: Wanted,
    /// What the DUT is told at present.
    settings: Settings,
    /// Has the DUT been given SAs with manual keys?
    manual: bool,
    /// Up to where in the events the DUT is known to have received on the IPsec SAs that were made by IKEv1.
    isakmp_settled: usize,
    /// Is this the first scenario of this tester in the run?
    unused: bool,
}

impl Testbed {
    /// The profile of the DUT.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Who has which address.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The time on the testbed's clock.
    pub fn now(&self) -> Instant {
        self.medium.now()
    }

    /// Within this time an answer comes that is due at once.
    pub fn answer_limit(&self) -> Duration {
        self.profile.timing.answer_within
    }

    /// So long nothing must come for it to count as silence.
    pub fn silence(&self) -> Duration {
        self.profile.timing.silence
    }

    /// Puts a NAT in front of the tester, or gives its mappings other ports.
    pub fn put_nat(&mut self, nat: PortNat) {
        self.note(format!("NAT: port 500 becomes {}, port 4500 becomes {}", nat.ike, nat.natt));
        self.nat = Some(nat);
    }

    /// The NAT in front of the tester.
    pub fn nat(&self) -> Option<PortNat> {
        self.nat
    }

    /// Everything that has crossed the links so far.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The stimulus of the scenario begins now: answers are looked for from here on.
    pub fn begin_stimulus(&mut self) {
        self.since = self.seen.len();
    }

    /// Where the stimulus began, as a place in [`seen`](Self::seen).
    pub fn since(&self) -> usize {
        self.since
    }

    /// A place in [`seen`](Self::seen) to look from later: what comes after now.
    pub fn mark(&self) -> usize {
        self.seen.len()
    }

    /// What has come from the DUT since a mark.
    pub fn from_dut_since(&self, mark: usize) -> impl Iterator<Item = &Seen> {
        self.seen.get(mark..).unwrap_or_default().iter().filter(|seen| seen.from_dut)
    }

    /// What has happened in the tester so far.
    pub fn events(&self) -> &[(Instant, Event)] {
        &self.events
    }

    /// The keys that the tester has learned, with which everything seen is opened.
    pub fn dissector(&self) -> &Dissector {
        &self.dissector
    }

    /// Packets that came out of the tunnel at the tester's protected host, with their times. After the last fragment of
    /// a packet comes the whole packet.
    pub fn delivered(&self) -> &[(Instant, Vec<u8>)] {
        &self.delivered
    }

    /// Packets that came out of the DUT at the host on its inside, with their times. After the last fragment of a packet
    /// comes the whole packet.
    pub fn inside_received(&self) -> &[(Instant, Vec<u8>)] {
        &self.inside_received
    }

    /// Is there a host on the DUT's inside?
    pub fn has_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// Whether the hosts at both ends answer pings.
    pub fn let_hosts_answer(&mut self, answer: bool) {
        self.hosts_answer = answer;
    }

    /// Says something about a packet in the capture.
    pub fn comment(&mut self, index: usize, comment: impl Into<String>) {
        if let Some(seen) = self.seen.get_mut(index) {
            seen.comments.push(comment.into());
        }
    }

    /// Puts a line into the timeline.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push((self.medium.now(), note.into()));
    }

    /// Does something to the DUT; the text is what the hook printed.
    ///
    /// # Errors
    /// Not applicable without the hook, inconclusive when it fails.
    pub fn control(&mut self, hook: Hook) -> Result<String, StepError> {
        self.note(format!("control: {}", hook.name()));
        let result = match self.medium.control(hook) {
            Control::Done(result) => return Ok(result?),
            Control::Running(result) => result,
        };
        loop {
            // The tester lives on while the hook runs: it answers ARP, and whatever the DUT asks.
            let until = self.now() + HOOK_LOOK;
            self.pump(until)?;
            match result.try_recv() {
                Ok(result) => return Ok(result?),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(StepError::testbed("the thread of a hook has ended")),
            }
        }
    }
}

impl From<MediumError> for StepError {
    fn from(error: MediumError) -> Self {
        match error {
            MediumError::NoHook(_) | MediumError::Refused { .. } | MediumError::Fixed => {
                Self::NotApplicable(error.to_string())
            }
            MediumError::DutDied(_) | MediumError::HookFailed { .. } => Self::Inconclusive(error.to_string()),
            MediumError::Link(_) => Self::Testbed(error.to_string()),
        }
    }
}
