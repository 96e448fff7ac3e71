//! What lies around a tester: the links that its frames cross, the clock, and the DUT behind them.

use super::pair::ManualSas;
use super::plan::Plan;
use super::settings::Setting;
use reference_peer::Instant;
use reference_peer::config::isakmp::Phase1;
use reference_peer::gateway::show::Names;
use reference_peer::gateway::{GatewayConfig, Leg};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// A frame that has reached the tester.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where.
    pub leg: Leg,
    /// When.
    pub at: Instant,
    /// The whole Ethernet frame.
    pub frame: Vec<u8>,
}

/// A way to make the DUT do something that is not a packet.
#[derive(Debug, Clone)]
pub enum Hook {
    /// Begin a negotiation by IKEv2 with this scenario's tester.
    Initiate,
    /// Begin a negotiation by IKEv1 with this scenario's tester, by this exchange of phase 1.
    InitiateIkev1(Phase1),
    /// Delete this tester's SAs, with Delete payloads.
    ClearSas,
    /// Lose this tester's SAs without telling anybody, as after a crash.
    ForgetSas,
    /// Rekey the Child SA with this tester.
    RekeyChild,
    /// Rekey the IKE SA (not an ISAKMP SA) with this tester.
    RekeyIke,
    /// Delete the Child SA with this tester.
    DeleteChild,
    /// The DUT's SAs with this tester, as text.
    Sas,
    /// The DUT's log, as text.
    Log,
    /// The DUT's counters, as text.
    Counters,
    /// What the DUT has counted of this tester's packets, as `KEY=VALUE` lines: `packets` (accepted), `replay` (seen
    /// before, or too old; `outside_window` is added to it), `integrity` (wrong ICV) and, if it counts them,
    /// `received` (all that came, whatever became of them).
    SaCounters,
    /// Use SAs with manual keys with this tester.
    InstallSa(Arc<ManualSas>),
    /// Forget them, and what was set for this tester.
    RemoveSa,
    /// Change a setting for this tester.
    Set(Setting),
    /// A line for the command line of a router; the text is what it prints.
    Command(String),
}

impl Hook {
    /// The hook's name in a profile's `control` section.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Initiate => "initiate",
            Self::InitiateIkev1(Phase1::Main) => "initiate_ikev1",
            Self::InitiateIkev1(Phase1::Aggressive) => "initiate_ikev1_aggressive",
            Self::ClearSas => "clear_sas",
            Self::ForgetSas => "forget_sas",
            Self::RekeyChild => "rekey_child",
            Self::RekeyIke => "rekey_ike",
            Self::DeleteChild => "delete_child",
            Self::Sas => "sas",
            Self::Log => "log",
            Self::Counters => "counters",
            Self::SaCounters => "sa_counters",
            Self::InstallSa(_) => "install_sa",
            Self::RemoveSa => "remove_sa",
            Self::Set(setting) => setting.hook(),
            Self::Command(_) => "command",
        }
    }
}

/// Why a medium cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediumError {
    /// The DUT is gone.
    #[error("the DUT has died: {0}")]
    DutDied(String),
    /// The profile has no such hook.
    #[error("the profile has no hook `control.{0}`")]
    NoHook(&'static str),
    /// A hook was run and failed.
    #[error("the hook `control.{hook}` failed: {reason}")]
    HookFailed {
        /// Name of the hook.
        hook: &'static str,
        /// Exit status and last lines of output.
        reason: String,
    },
    /// A hook has said, by exit status 3, that the DUT cannot do what it was to do.
    #[error("the hook `control.{hook}` says: {reason}")]
    Refused {
        /// Name of the hook.
        hook: &'static str,
        /// Last lines of output.
        reason: String,
    },
    /// The DUT's configuration cannot be changed.
    #[error("the configuration of this DUT is fixed")]
    Fixed,
    /// The links themselves failed.
    #[error("link: {0}")]
    Link(String),
}

/// A hook that was begun.
pub enum Control {
    /// It is done; the text is what it printed.
    Done(Result<String, MediumError>),
    /// It runs on a thread of its own, which sends the same here.
    Running(Receiver<Result<String, MediumError>>),
}

/// The world around one scenario's tester.
pub trait Medium: Send {
    /// The time now.
    fn now(&self) -> Instant;

    /// Puts a frame on a leg.
    ///
    /// # Errors
    /// [`MediumError::Link`] or [`MediumError::DutDied`].
    fn send(&mut self, leg: Leg, frame: &[u8]) -> Result<(), MediumError>;

    /// Lets the world run until a frame reaches the tester or the clock shows `until`.
    ///
    /// # Errors
    /// [`MediumError::Link`] or [`MediumError::DutDied`].
    fn receive(&mut self, until: Instant) -> Result<Option<Arrival>, MediumError>;

    /// Begins to do something to the DUT. It fails with [`MediumError::NoHook`] if there is no such hook, and with
    /// [`MediumError::HookFailed`] if it did not work.
    fn control(&mut self, hook: Hook) -> Control;

    /// Changes what the DUT is told. All its SAs are gone after that.
    ///
    /// # Errors
    /// [`MediumError::Fixed`] when the DUT's configuration is not ours to change.
    fn reconfigure(&mut self, _change: &mut dyn FnMut(&mut GatewayConfig)) -> Result<(), MediumError> {
        Err(MediumError::Fixed)
    }

    /// Puts another router in the place of the DUT, at the addresses of a plan. The built-in peer's deviations stay.
    ///
    /// # Errors
    /// [`MediumError::Fixed`] when the DUT is not ours to replace.
    fn replace(&mut self, _plan: &Plan, _config: GatewayConfig, _names: Names) -> Result<(), MediumError> {
        Err(MediumError::Fixed)
    }
}
