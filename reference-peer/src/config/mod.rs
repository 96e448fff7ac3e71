//! What the gateway is told: connections, their children, secrets, timers and limits.

mod algorithm;
mod identity;
pub mod ios;
pub mod isakmp;
mod proposal;
mod selector;

pub use algorithm::{Algorithm, KEY_LENGTH};
pub use identity::{Identity, IdentityError};
pub use proposal::{Esn, EspProposal, IkeProposal, ProposalError};
pub use selector::{Addresses, Selector, SelectorError};

use crate::deviation::DeviationSet;
use crate::ipsec::sa::DfBit;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Everything that the IKEv2 engine of one gateway is told.
#[derive(Debug, Clone, Default)]
pub struct IkeConfig {
    /// Peers, in the order in which they are tried.
    pub connections: Vec<Connection>,
    /// When IKE_SA_INIT requests are answered with a cookie (RFC 7296 section 2.6).
    pub cookies: CookiePolicy,
    /// Bounds on what unauthenticated and authenticated peers can cause.
    pub limits: Limits,
    /// Deliberate faults.
    pub deviations: DeviationSet,
}

/// A peer and all that may be set up with it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Name in commands and events.
    pub name: String,
    /// Own address.
    pub local: IpAddr,
    /// Where the peer is.
    pub remote: Remote,
    /// Own UDP port to start from; 500, or 4500 to be encapsulated from the first message on.
    pub port: u16,
    /// Who we say we are.
    pub local_id: Identity,
    /// Who the peer must be; `None` for anybody who knows the secret.
    pub remote_id: Option<Identity>,
    /// Pre-shared key.
    pub psk: Secret,
    /// IKE proposals, best first.
    pub ike_proposals: Vec<IkeProposal>,
    /// Whose order of preference decides when we respond.
    pub preference: Preference,
    /// Child SAs that may exist under this IKE SA.
    pub children: Vec<Child>,
    /// Retransmission of requests.
    pub retransmission: Retransmission,
    /// NAT detection and traversal (RFC 7296 section 2.23).
    pub nat_traversal: NatTraversal,
    /// Send INITIAL_CONTACT in the first IKE_AUTH request.
    pub initial_contact: bool,
    /// Lifetime of the IKE SA.
    pub lifetime: Lifetime,
    /// How many requests of the peer we accept at once (RFC 7296 section 2.3).
    pub window: u32,
}

impl Connection {
    /// A connection with the usual settings and nothing to negotiate yet.
    pub fn new(name: impl Into<String>, local: IpAddr, remote: Remote, psk: Secret) -> Self {
        Self {
            name: name.into(),
            local,
            remote,
            port: 500,
            local_id: local.into(),
            remote_id: None,
            psk,
            ike_proposals: vec![],
            preference: Preference::default(),
            children: vec![],
            retransmission: Retransmission::default(),
            nat_traversal: NatTraversal::default(),
            initial_contact: false,
            lifetime: Lifetime::default(),
            window: 1,
        }
    }

    /// The child of this name.
    pub fn child(&self, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// Where a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remote {
    /// Anywhere; such a connection can only be responded to.
    Any,
    /// At this address.
    Address(IpAddr),
}

/// Whose order of preference decides between acceptable proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preference {
    /// The initiator's: the first proposal offered that is acceptable.
    #[default]
    Peer,
    /// Our own: the first proposal configured that is offered.
    Own,
}

/// A Child SA that may be set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Name in commands and events.
    pub name: String,
    /// Tunnel or transport mode.
    pub mode: Mode,
    /// Traffic at our end.
    pub local_ts: Vec<Selector>,
    /// Traffic at the peer's end.
    pub remote_ts: Vec<Selector>,
    /// ESP and AH proposals, best first.
    pub esp_proposals: Vec<EspProposal>,
    /// Anti-replay window of its SAs (guide chapter 2, per crypto map); `None` for the global one.
    pub replay_window: Option<Window>,
    /// DF bit of outer headers (RFC 4301 section 8.1); `None` for the setting of interface or gateway.
    pub df_bit: Option<DfBit>,
    /// Lifetime of each SA pair.
    pub lifetime: Lifetime,
}

impl Child {
    /// A child in tunnel mode with the global replay window and no lifetime.
    pub fn new(
        name: impl Into<String>,
        local_ts: Vec<Selector>,
        remote_ts: Vec<Selector>,
        esp_proposals: Vec<EspProposal>,
    ) -> Self {
        Self {
            name: name.into(),
            mode: Mode::Tunnel,
            local_ts,
            remote_ts,
            esp_proposals,
            replay_window: None,
            df_bit: None,
            lifetime: Lifetime::default(),
        }
    }
}

/// An anti-replay window (RFC 4303 section 3.4.3, guide chapter 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// No check.
    Off,
    /// Of this many packets.
    Packets(u32),
}

impl Window {
    /// The size in packets; `None` for no check.
    pub fn size(self) -> Option<u32> {
        match self {
            Self::Off => None,
            Self::Packets(size) => Some(size),
        }
    }
}

impl Default for Window {
    /// 64 packets: the default of RFC 4303 section 3.4.3 and of the guide.
    fn default() -> Self {
        Self::Packets(64)
    }
}

/// Mode of a Child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Whole IP packets inside.
    #[default]
    Tunnel,
    /// Upper-layer packets inside.
    Transport,
}

/// When an SA is replaced and when it ends. `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lifetime {
    /// Age at which it is rekeyed.
    pub rekey: Option<Duration>,
    /// The rekey comes up to this much earlier, at random (RFC 7296 section 2.8.1).
    pub jitter: Duration,
    /// Age at which it is deleted.
    pub expiry: Option<Duration>,
}

/// Retransmission of requests with exponential back-off (RFC 7296 section 2.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retransmission {
    /// Time between the first sending and the first retransmission.
    pub first: Duration,
    /// Each further wait is this many times the one before; more than 1.
    pub factor: f64,
    /// Longest wait.
    pub limit: Duration,
    /// How many retransmissions before the peer is given up.
    pub tries: u32,
}

impl Default for Retransmission {
    /// Twelve retransmissions over five and a half minutes.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), factor: 1.8, limit: Duration::from_secs(45), tries: 12 }
    }
}

/// NAT traversal of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NatTraversal {
    /// NAT_DETECTION notifies are neither sent nor heeded.
    Off,
    /// A NAT is detected, and traversed where there is one.
    #[default]
    Auto,
    /// The peer is made to see a NAT in front of us, so that both encapsulate.
    Forced,
}

/// When an IKE_SA_INIT request without a valid cookie is answered with COOKIE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CookiePolicy {
    /// Not even under load.
    Never,
    /// Every time.
    Always,
    /// While there are at least this many half-open IKE SAs.
    AboveHalfOpen(usize),
}

impl Default for CookiePolicy {
    fn default() -> Self {
        Self::AboveHalfOpen(32)
    }
}

/// Bounds on what a peer can make us do or keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Half-open IKE SAs that we respond to, in all.
    pub half_open: usize,
    /// Half-open IKE SAs from one IPv4 address or one IPv6 /64 (RFC 8019 section 4.2).
    pub half_open_per_prefix: usize,
    /// How long a half-open IKE SA waits for IKE_AUTH.
    pub half_open_lifetime: Duration,
    /// Child SAs of one IKE SA; beyond them NO_ADDITIONAL_SAS.
    pub children: usize,
    /// Messages a second that are sent because of unprotected ones (RFC 7296 section 2.21.4).
    pub unprotected_answers: u32,
    /// Least time between INVALID_MESSAGE_ID notifies on one IKE SA; `None` sends none (section 2.3).
    pub invalid_message_id: Option<Duration>,
    /// Least time between liveness checks that unprotected notifies cause; `None` makes none (section 2.21.4).
    pub hinted_liveness: Option<Duration>,
    /// Life of a secret that cookies are made with; a cookie is good for one to two of these (section 2.6).
    pub cookie_secret: Duration,
    /// How long a closed IKE SA is kept, to answer retransmissions of the request that closed it.
    pub linger: Duration,
    /// Least time before a request that was refused with TEMPORARY_FAILURE is repeated (section 2.25).
    pub temporary_failure: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            half_open: 1000,
            half_open_per_prefix: 100,
            half_open_lifetime: Duration::from_secs(60),
            children: 64,
            unprotected_answers: 10,
            invalid_message_id: Some(Duration::from_secs(10)),
            hinted_liveness: Some(Duration::from_secs(10)),
            cookie_secret: Duration::from_secs(60),
            linger: Duration::from_secs(30),
            temporary_failure: Duration::from_secs(10),
        }
    }
}

/// A pre-shared key. Never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The octets of a secret as they are; nothing is added (RFC 7296 section 2.15).
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// A secret written as text, or as hexadecimal octets after `0x`. `None` if those cannot be read.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("0x") {
            Some(digits) => hex(digits).map(Self),
            None => Some(Self(text.as_bytes().to_vec())),
        }
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Octets from hexadecimal digits.
fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}
