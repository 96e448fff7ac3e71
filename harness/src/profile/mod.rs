//! Profiles: what is known of a DUT. Addresses, credentials, what it claims to support, how it is started and
//! controlled.

mod check;
mod values;

pub use check::ProfileError;
pub use values::{AddressRange, OneOrMany, Secret, Window, parse_duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the profile of the built-in peer.
const SELF: &str = "self";

/// A DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name in reports.
    pub name: String,
    /// How to start it; without this it is expected to run already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// The public side.
    pub outside: Outside,
    /// The protected side; a DUT with one leg has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// Key exchange.
    pub ike: Ike,
    /// Packet protection.
    #[serde(default)]
    pub ipsec: Ipsec,
    /// Features that the DUT claims, such as `dpd` or `nat-t`. A scenario with the tag `needs:claim.X` applies when X
    /// is among them.
    #[serde(default)]
    pub claims: BTreeSet<String>,
    /// Hooks into the DUT by name, such as `initiate` or `clear_sas`: a command and its arguments, run in the guest if
    /// the DUT is one.
    #[serde(default)]
    pub control: BTreeMap<String, Vec<String>>,
    /// How long to wait for what.
    #[serde(default)]
    pub timing: Timing,
}

/// How the DUT is started. It is stopped when the run ends.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// A Linux kernel in a process of its own, joined by socket pairs.
    Guest(Guest),
    /// A command that runs until it is told to stop (SIGTERM).
    Command(Command),
}

/// A Linux guest kernel as DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// The User-mode Linux binary.
    pub kernel: PathBuf,
    /// Root tree of the guest, shared read-only.
    pub root: PathBuf,
    /// Memory, as the kernel takes it.
    #[serde(default = "default_memory")]
    pub memory: String,
    /// First process of the guest.
    #[serde(default = "default_init")]
    pub init: String,
    /// Further arguments for the kernel's command line.
    #[serde(default)]
    pub args: Vec<String>,
    /// Host files to put into the guest: path in the guest to path on the host.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
    /// Shell commands run in the guest once it is up, in this order; each must end in 0.
    #[serde(default)]
    pub setup: Vec<String>,
    /// How long it may take until it is up and set up.
    #[serde(default = "default_start_within", with = "values::duration")]
    pub within: Duration,
}

/// A command as DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments.
    pub run: Vec<String>,
    /// Program and arguments that end in 0 once the DUT is ready; asked again until they do.
    #[serde(default)]
    pub ready: Vec<String>,
    /// How long it may take until it is ready.
    #[serde(default = "default_start_within", with = "values::duration")]
    pub within: Duration,
}

/// The public side of the DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    /// Interface of this machine that leads there; not for a guest or the built-in peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Network namespace of that interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// Addresses of the DUT.
    pub dut: OneOrMany<IpAddr>,
    /// Addresses that testers may take: they must be free.
    pub testers: OneOrMany<AddressRange>,
    /// Networks that testers protect; their hosts take addresses from it.
    #[serde(default)]
    pub networks: OneOrMany<IpNet>,
}

/// The protected side of the DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// Interface of this machine that leads there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Network namespace of that interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// Addresses of the DUT.
    pub dut: OneOrMany<IpAddr>,
    /// Addresses that hosts behind the DUT may take: they must be free.
    pub hosts: OneOrMany<AddressRange>,
    /// Networks that the DUT protects.
    #[serde(default)]
    pub networks: OneOrMany<IpNet>,
}

/// Key exchange.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ike {
    /// Versions of IKE that the DUT speaks.
    #[serde(default = "default_versions")]
    pub versions: Vec<u8>,
    /// Proposals that the DUT takes, such as `aes128-sha1-modp2048`, best first.
    pub proposals: Vec<String>,
    /// Pre-shared key.
    pub psk: Secret,
    /// Identity of the DUT: an address, a name or `user@name`; its address if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dut_id: Option<String>,
    /// Identity of the tester; its address if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tester_id: Option<String>,
}

/// Packet protection.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ipsec {
    /// Proposals that the DUT takes, such as `aes128gcm16`, best first.
    #[serde(default)]
    pub proposals: Vec<String>,
    /// Modes that the DUT takes.
    #[serde(default = "default_modes")]
    pub modes: Vec<Mode>,
    /// How ESP travels.
    #[serde(default)]
    pub encapsulation: Encapsulation,
    /// Size of the replay window that the DUT is configured with, packets; `off` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_window: Option<Window>,
    /// What the DUT does with the DF bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub df_bit: Option<DfBit>,
}

impl Default for Ipsec {
    fn default() -> Self {
        Self {
            proposals: Vec::new(),
            modes: default_modes(),
            encapsulation: Encapsulation::default(),
            replay_window: None,
            df_bit: None,
        }
    }
}

/// IPsec mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The whole inner packet is protected.
    Tunnel,
    /// The payload of the packet is protected.
    Transport,
}

/// How ESP travels between tester and DUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encapsulation {
    /// As IP protocol 50, in UDP when a NAT is found.
    #[default]
    Native,
    /// Always in UDP 4500.
    Udp,
}

/// What becomes of the DF bit of the outer header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DfBit {
    /// As in the inner header.
    Copy,
    /// Set.
    Set,
    /// Clear.
    Clear,
}

/// How long to wait for what.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// An answer that is due comes within this time.
    #[serde(with = "values::duration")]
    pub answer_within: Duration,
    /// Nothing is sent, if nothing came for so long.
    #[serde(with = "values::duration")]
    pub silence: Duration,
    /// The DUT's first retransmission of a request comes within this time.
    #[serde(with = "values::duration")]
    pub retransmit_within: Duration,
    /// The DUT gives an unanswered peer up within this time.
    #[serde(with = "values::duration")]
    pub give_up_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(2),
            silence: Duration::from_millis(500),
            retransmit_within: Duration::from_secs(15),
            give_up_within: Duration::from_secs(300),
        }
    }
}

impl Profile {
    /// The profile of the built-in peer, which claims everything.
    pub fn built_in() -> Self {
        let mut profile = check::read(include_str!("self.yaml"), Path::new("self.yaml"))
            .expect("a unit test reads the built-in profile");
        profile.name = SELF.to_owned();
        profile
    }

    /// Reads a profile from a file and checks it.
    ///
    /// # Errors
    /// Where the fault is and what to do about it.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path).map_err(|error| ProfileError::unreadable(path, &error))?;
        check::read(&text, path)
    }

    /// Is the DUT the built-in peer?
    pub fn is_self(&self) -> bool {
        self.name == SELF
    }

    /// Why a scenario with the tag `needs:<need>` does not apply to this DUT; `None` if it does.
    pub fn lacks(&self, need: &str) -> Option<String> {
        if let Some(claim) = need.strip_prefix("claim.") {
            let claims = self.is_self() || self.claims.contains(claim);
            return (!claims).then(|| format!("profile {} does not claim {claim}", self.name));
        }
        if let Some(hook) = need.strip_prefix("control.") {
            // The built-in peer is controlled directly.
            let has = self.is_self() || self.control.contains_key(hook);
            return (!has).then(|| format!("profile {} has no control hook {hook}", self.name));
        }
        let has = match need {
            "inside" => self.inside.is_some(),
            "native-esp" => self.ipsec.encapsulation == Encapsulation::Native,
            "transport" => self.ipsec.modes.contains(&Mode::Transport),
            "tunnel" => self.ipsec.modes.contains(&Mode::Tunnel),
            "virtual-time" | "self" => self.is_self(),
            "replay-window" => matches!(self.ipsec.replay_window, Some(Window::Packets(_))),
            "ipv4" => self.outside.dut.iter().any(IpAddr::is_ipv4),
            "ipv6" => self.outside.dut.iter().any(IpAddr::is_ipv6),
            "ikev1" => self.ike.versions.contains(&1),
            "ikev2" => self.ike.versions.contains(&2),
            _ => return Some(format!("profile {} does not have {need}", self.name)),
        };
        (!has).then(|| match need {
            "inside" => format!("profile {} has no inside leg", self.name),
            "native-esp" => format!("profile {} sends ESP in UDP only", self.name),
            "virtual-time" | "self" => "only with the built-in peer".to_owned(),
            "replay-window" => format!("profile {} names no replay window", self.name),
            _ => format!("profile {} does not support {need}", self.name),
        })
    }

    /// The needs that are not of the forms `claim.X` and `control.X`.
    pub const NEEDS: [&str; 11] = [
        "inside",
        "native-esp",
        "transport",
        "tunnel",
        "virtual-time",
        "self",
        "replay-window",
        "ipv4",
        "ipv6",
        "ikev1",
        "ikev2",
    ];
}

fn default_memory() -> String {
    "96M".to_owned()
}

fn default_init() -> String {
    "/sbin/dut-init".to_owned()
}

fn default_start_within() -> Duration {
    Duration::from_secs(60)
}

fn default_versions() -> Vec<u8> {
    vec![2]
}

fn default_modes() -> Vec<Mode> {
    vec![Mode::Tunnel]
}
