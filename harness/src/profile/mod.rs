//! Profiles: what is known of a DUT. Addresses, credentials, what it claims to support, how it is started and
//! controlled.

mod check;
pub mod import;
mod manual;
mod values;

pub use check::ProfileError;
pub use manual::{Directions, Fixed, Keys, Manual};
pub use values::{AddressRange, HostAddress, OneOrMany, Pfs, Secret, Window, Words, parse_duration};

use ipnet::IpNet;
use reference_peer::config::isakmp::{IsakmpPolicy, Phase1};
use reference_peer::config::{EspProposal, IkeProposal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use wire::ikev2::ProtocolId;

/// A DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name in reports.
    pub name: String,
    /// The public side.
    pub outside: Outside,
    /// The protected side; a DUT with one leg has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// How to start it; without this it is expected to run already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Key exchange; left out for a DUT that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ike: Option<Ike>,
    /// SAs with manual keys; left out for a DUT that cannot be given any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Manual>,
    /// Packet protection.
    #[serde(default)]
    pub ipsec: Ipsec,
    /// Features that the DUT claims, such as `dpd` or `nat-t`. A scenario with the tag `needs:claim.X` applies when X
    /// is among them.
    #[serde(default)]
    pub claims: BTreeSet<String>,
    /// How the DUT looks for dead peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpd: Option<Dpd>,
    /// Hooks into the DUT by name, such as `initiate` or `clear_sas`: a program and its arguments, no shell. They run
    /// in the folder of the profile, or in the guest. In the words, `{tester}` stands for the address of the
    /// scenario's tester, `{n}` for its number and `{protected}` for its protected subnet. Exit status 3 says that the
    /// DUT cannot do it, so that the scenario does not apply.
    #[serde(default)]
    pub control: BTreeMap<String, Vec<String>>,
    /// How long to wait for what.
    #[serde(default)]
    pub timing: Timing,
    /// Folder of the profile: where commands run and relative paths begin.
    #[serde(skip)]
    pub folder: PathBuf,
    #[serde(skip)]
    built_in: bool,
}

/// How the DUT is started. It is stopped when the run ends.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A Linux kernel in a process of its own, joined by socket pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// Commands that are run in the guest, in this order after boot; each must end with 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<Vec<String>>,
    /// A command that stays in the foreground, in a process group of its own, until it is told to stop (SIGTERM).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The command is ready when a line of its output contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How long it may take until it is ready.
    #[serde(default = "default_ready_within", with = "values::duration")]
    pub ready_within: Duration,
    /// How long it may take to stop.
    #[serde(default = "default_stop_within", with = "values::duration")]
    pub stop_within: Duration,
}

/// A Linux guest kernel as DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// Folder with the kernel and the root trees; if left out `$COUNTERPEER_GUEST_DIR`, else
    /// `~/.cache/counterpeer/guest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Root tree, a name within that folder.
    pub tree: String,
    /// Memory, as the kernel takes it.
    #[serde(default = "default_memory")]
    pub memory: String,
    /// The guest's end of the public side.
    pub outside: GuestLeg,
    /// The guest's end of the protected side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<GuestLeg>,
    /// Files that are copied into it after boot: path in the guest to path here.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
}

/// One network interface of a guest.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GuestLeg {
    /// Its hardware address.
    pub mac: String,
    /// Its addresses.
    pub addresses: OneOrMany<HostAddress>,
}

impl GuestLeg {
    /// Its hardware address; `None` if it is not one.
    pub fn hardware_address(&self) -> Option<[u8; 6]> {
        let octets: Vec<u8> =
            self.mac.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect::<Option<_>>()?;
        octets.try_into().ok()
    }
}

/// The public side of the DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    /// Network namespace of the interface; if left out that of Counterpeer itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Interface that leads there; not for a guest or the built-in peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Addresses of the DUT.
    pub dut: OneOrMany<HostAddress>,
    /// Addresses that testers may take: they must be free. Tester number n has the n-th one of each version of IP.
    pub testers: OneOrMany<AddressRange>,
    /// The longest IP packet that the DUT sends there, octets.
    #[serde(default = "default_mtu")]
    pub mtu: usize,
}

/// The protected side of the DUT.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// Network namespace of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Interface that leads there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Addresses of the DUT.
    pub dut: OneOrMany<HostAddress>,
    /// Addresses that hosts behind the DUT may take: they must be free.
    pub hosts: OneOrMany<AddressRange>,
}

/// Key exchange.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ike {
    /// Versions of IKE that the DUT speaks.
    #[serde(default = "default_versions")]
    pub versions: BTreeSet<u8>,
    /// Who the two ends are; their addresses if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<Identities>,
    /// Pre-shared key.
    pub psk: Secret,
    /// Proposals that the DUT takes with IKEv2, such as `aes128-sha1-modp2048`, best first.
    #[serde(default)]
    pub proposals: Words<IkeProposal>,
    /// Policies for phase 1 of IKEv1 that the DUT has, such as `3des-md5-modp1024`, best first.
    #[serde(default)]
    pub policies: Words<IsakmpPolicy>,
    /// Exchanges of phase 1 of IKEv1 that the DUT answers.
    #[serde(default = "default_exchanges")]
    pub exchanges: BTreeSet<Exchange>,
    /// Groups that the DUT takes for perfect forward secrecy in quick mode, such as `modp2048`, best first; `none` if it
    /// does without. The tester offers the first.
    #[serde(default = "default_pfs")]
    pub pfs: Words<Pfs>,
}

impl Ike {
    /// Does the DUT speak this version of IKE?
    pub fn speaks(&self, version: u8) -> bool {
        self.versions.contains(&version)
    }
}

/// An exchange of phase 1 of IKEv1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exchange {
    /// Main mode.
    Main,
    /// Aggressive mode.
    Aggressive,
}

impl From<Phase1> for Exchange {
    fn from(phase1: Phase1) -> Self {
        match phase1 {
            Phase1::Main => Self::Main,
            Phase1::Aggressive => Self::Aggressive,
        }
    }
}

/// Identities in IKE.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    /// The DUT's.
    pub dut: String,
    /// That of a tester; `{n}` stands for its number.
    pub testers: String,
}

/// Packet protection.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ipsec {
    /// How ESP travels.
    pub encapsulation: BTreeSet<Encapsulation>,
    /// Modes that the DUT takes.
    pub modes: BTreeSet<Mode>,
    /// Proposals that the DUT takes, such as `aes128gcm16`, best first.
    pub proposals: Words<EspProposal>,
    /// Bundles that the DUT takes, outermost first, such as `sha1+des-sha1` for the guide's `ah-sha-hmac esp-des
    /// esp-sha-hmac`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bundles: Vec<String>,
    /// Are extended sequence numbers taken?
    pub esn: bool,
    /// Size of the replay window that the DUT is configured with, packets; `off` for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay_window: Option<Window>,
    /// What the DUT does with the DF bit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub df_bit: Option<DfBit>,
    /// Does the DUT fragment before encryption what would not fit afterwards?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_fragmentation: Option<bool>,
    /// Networks that the two ends protect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<Protected>,
}

impl Default for Ipsec {
    fn default() -> Self {
        Self {
            encapsulation: [Encapsulation::Esp, Encapsulation::Udp].into(),
            modes: [Mode::Tunnel].into(),
            proposals: Words::default(),
            bundles: Vec::new(),
            esn: false,
            replay_window: None,
            df_bit: None,
            pre_fragmentation: None,
            protected: None,
        }
    }
}

/// Networks that the two ends protect.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Protected {
    /// Behind the DUT, one of each version of IP at most.
    pub dut: OneOrMany<IpNet>,
    /// Behind the testers: tester number n has the n-th /24 (IPv6: /64) of it.
    pub testers: OneOrMany<IpNet>,
}

/// How ESP travels between tester and DUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encapsulation {
    /// As IP protocol 50.
    Esp,
    /// In UDP port 4500.
    Udp,
}

/// IPsec mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The whole inner packet is protected.
    Tunnel,
    /// The payload of the packet is protected.
    Transport,
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

/// How the DUT looks for dead peers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dpd {
    /// Silence after which it asks, at the earliest.
    #[serde(with = "values::duration")]
    pub delay: Duration,
    /// Silence after which it has asked, where that is longer: some look only every `delay` whether a peer was heard.
    #[serde(default, with = "values::duration")]
    pub at_most: Duration,
    /// Time from its first question to giving the peer up.
    #[serde(with = "values::duration")]
    pub gives_up_after: Duration,
    /// The same in IKEv1, where that differs.
    #[serde(default, with = "values::duration")]
    pub gives_up_after_ikev1: Duration,
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
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(2),
            silence: Duration::from_millis(500),
            retransmit_within: Duration::from_secs(15),
        }
    }
}

impl Profile {
    /// The profile of the built-in peer, which claims everything.
    pub fn built_in() -> Self {
        check::read(include_str!("self.yaml"), Path::new("self.yaml"), true)
            .expect("a unit test reads the built-in profile")
    }

    /// The profile of the built-in peer with these versions of IKE alone.
    #[cfg(test)]
    pub(crate) fn built_in_speaking(versions: impl IntoIterator<Item = u8>) -> Self {
        let mut profile = Self::built_in();
        if let Some(ike) = &mut profile.ike {
            ike.versions = versions.into_iter().collect();
        }
        profile
    }

    /// Reads a profile from a file and checks it.
    ///
    /// # Errors
    /// Where the fault is and what to do about it.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path).map_err(|error| ProfileError::unreadable(path, &error))?;
        check::read(&text, path, false)
    }

    /// Is the DUT the built-in peer?
    pub fn is_self(&self) -> bool {
        self.built_in
    }

    /// The first IPv4 address of the DUT outside, else its first address.
    pub fn dut_outside(&self) -> Option<IpAddr> {
        preferred(&self.outside.dut)
    }

    /// The same inside.
    pub fn dut_inside(&self) -> Option<IpAddr> {
        self.inside.as_ref().and_then(|inside| preferred(&inside.dut))
    }

    /// Key exchange. A DUT that has none speaks no version of IKE and takes no proposal.
    pub fn ike(&self) -> &Ike {
        static NONE: LazyLock<Ike> = LazyLock::new(|| Ike {
            versions: BTreeSet::new(),
            identities: None,
            psk: Secret::none(),
            proposals: Words::default(),
            policies: Words::default(),
            exchanges: BTreeSet::new(),
            pfs: default_pfs(),
        });
        self.ike.as_ref().unwrap_or(&NONE)
    }

    /// Can the DUT be given SAs with manual keys, made anew for each scenario?
    pub fn has_manual_keys(&self) -> bool {
        self.is_self() || self.manual.is_some() && self.control.contains_key("install_sa")
    }

    /// Does the DUT recover from unknown SPIs before anything is set (guide chapter 4)? One that claims it and has no hook
    /// for it does so always.
    pub fn recovers_invalid_spis(&self) -> bool {
        self.claims.contains("invalid-spi-recovery") && !self.control.contains_key("set_invalid_spi_recovery")
    }

    /// How many testers can be at work at once: each has an address of every version of IP that there is.
    pub fn testers(&self) -> usize {
        let of = |v4: bool| {
            let ranges = self.outside.testers.iter().filter(|range| range.first().is_ipv4() == v4);
            ranges.map(AddressRange::len).fold(0, usize::saturating_add)
        };
        match (of(true), of(false)) {
            (v4, 0) => v4,
            (0, v6) => v6,
            (v4, v6) => v4.min(v6),
        }
    }

    fn protects_ipv6(&self) -> bool {
        let v6 = |nets: &[IpNet]| nets.iter().any(|net| net.addr().is_ipv6());
        let hosts = self.inside.as_ref().is_none_or(|inside| {
            inside.dut.iter().any(|dut| dut.address().is_ipv6()) && inside.hosts.iter().any(|h| h.first().is_ipv6())
        });
        hosts && self.ipsec.protected.as_ref().is_some_and(|nets| v6(&nets.dut) && v6(&nets.testers))
    }

    /// What the profile leaves open and a run cannot do without, in words; empty if nothing.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if self.ipsec.proposals.is_empty() {
            gaps.push(
                "ipsec.proposals is missing: what the DUT takes for ESP, as in [aes128gcm16, aes128-sha256]".to_owned(),
            );
        }
        if self.ipsec.protected.is_none() {
            let example = "{dut: 10.77.0.0/16, testers: 10.2.0.0/16}";
            gaps.push(format!(
                "ipsec.protected is missing: the networks behind the DUT and the testers, as in {example}"
            ));
        }
        gaps
    }

    /// Why a scenario with the tag `needs:<need>` does not apply to this DUT; `None` if it does.
    pub fn lacks(&self, need: &str) -> Option<String> {
        let name = &self.name;
        if let Some(claim) = need.strip_prefix("claim.") {
            let claims = self.is_self() || self.claims.contains(claim);
            return (!claims).then(|| format!("profile {name} does not claim {claim}"));
        }
        if let Some(hook) = need.strip_prefix("control.") {
            // The built-in peer is controlled directly.
            let has = self.is_self() || self.control.contains_key(hook);
            return (!has).then(|| format!("profile {name} has no control hook {hook}"));
        }
        let (has, otherwise) = match need {
            "inside" => (self.inside.is_some(), format!("profile {name} has no inside leg")),
            "native-esp" => (
                self.ipsec.encapsulation.contains(&Encapsulation::Esp),
                format!("profile {name} sends ESP in UDP only"),
            ),
            "udp-encap" => (
                self.ipsec.encapsulation.contains(&Encapsulation::Udp),
                format!("profile {name} does not send ESP in UDP"),
            ),
            "self" => (self.is_self(), "only with the built-in peer".to_owned()),
            "replay-window" => (
                matches!(self.ipsec.replay_window, Some(Window::Packets(_))),
                format!("profile {name} names no replay window"),
            ),
            "manual-keys" => {
                (self.has_manual_keys(), format!("profile {name} has no SAs with manual keys of a scenario's making"))
            }
            "ah" => (
                self.ipsec.proposals.iter().any(|proposal| proposal.protocol == ProtocolId::AH),
                format!("profile {name} takes no AH proposal"),
            ),
            "bundle" => (!self.ipsec.bundles.is_empty(), format!("profile {name} takes no bundle of AH and ESP")),
            "inner-ipv6" => (self.protects_ipv6(), format!("profile {name} has no IPv6 networks behind both ends")),
            "dpd" => (
                self.is_self() || self.dpd.is_some(),
                format!("profile {name} does not say how it looks for dead peers"),
            ),
            _ => {
                let has = match need {
                    "transport" => self.ipsec.modes.contains(&Mode::Transport),
                    "tunnel" => self.ipsec.modes.contains(&Mode::Tunnel),
                    "esn" => self.ipsec.esn,
                    "ipv4" => self.outside.dut.iter().any(|dut| dut.address().is_ipv4()),
                    "ipv6" => {
                        let testers = self.outside.testers.iter().any(|range| range.first().is_ipv6());
                        testers && self.outside.dut.iter().any(|dut| dut.address().is_ipv6())
                    }
                    "ikev1" => self.ike().speaks(1),
                    "ikev1-main" => self.begins(Exchange::Main),
                    "ikev1-aggressive" => self.begins(Exchange::Aggressive),
                    "ikev1-pfs" => self.ike().speaks(1) && self.ike().pfs.iter().any(|pfs| pfs.0.is_some()),
                    "ikev2" => self.ike().speaks(2),
                    _ => false,
                };
                (has, format!("profile {name} does not support {need}"))
            }
        };
        (!has).then_some(otherwise)
    }

    /// Does the DUT answer this exchange of phase 1 of IKEv1?
    fn begins(&self, exchange: Exchange) -> bool {
        self.ike().speaks(1) && self.ike().exchanges.contains(&exchange)
    }

    /// The needs that are not of the forms `claim.X` and `control.X`.
    pub const NEEDS: [&str; 20] = [
        "ah",
        "bundle",
        "inner-ipv6",
        "manual-keys",
        "inside",
        "native-esp",
        "udp-encap",
        "self",
        "replay-window",
        "dpd",
        "transport",
        "tunnel",
        "esn",
        "ipv4",
        "ipv6",
        "ikev1",
        "ikev1-main",
        "ikev1-aggressive",
        "ikev1-pfs",
        "ikev2",
    ];
}

fn preferred(addresses: &[HostAddress]) -> Option<IpAddr> {
    let mut all = addresses.iter().map(HostAddress::address);
    all.clone().find(IpAddr::is_ipv4).or_else(|| all.next())
}

fn default_mtu() -> usize {
    1500
}

fn default_memory() -> String {
    "96M".to_owned()
}

fn default_ready_within() -> Duration {
    Duration::from_secs(60)
}

fn default_stop_within() -> Duration {
    Duration::from_secs(10)
}

fn default_exchanges() -> BTreeSet<Exchange> {
    [Exchange::Main].into()
}

fn default_pfs() -> Words<Pfs> {
    Words(vec![Pfs(None)])
}

fn default_versions() -> BTreeSet<u8> {
    [2].into()
}
