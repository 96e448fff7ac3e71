//! What an IKEv1 peer is told: ISAKMP policies, pre-shared keys, transform sets, and a connection for each peer.

use super::{
    EspProposal, Identity, IkeProposal, Limits, Mode, NatTraversal, ProposalError, Remote, Retransmission, Secret,
    Selector, Window,
};
use crate::deviation::DeviationSet;
use crypto::{Encryption, Group, Hash};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// Everything that the IKEv1 engine of one gateway is told.
#[derive(Debug, Clone, Default)]
pub struct IsakmpConfig {
    /// Peers, in the order in which they are tried.
    pub connections: Vec<IsakmpConnection>,
    /// Bounds on what unauthenticated and authenticated peers can cause.
    pub limits: Limits,
    /// Deliberate faults.
    pub deviations: DeviationSet,
}

/// A policy for phase 1: what an ISAKMP SA may be protected with (guide chapter 10, `crypto isakmp policy`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IsakmpPolicy {
    /// 1 to 10000; 1 is the highest, and tried first.
    pub priority: u16,
    /// Cipher.
    pub encryption: Encryption,
    /// Hash, which also makes the pseudorandom function (RFC 2409 section 4).
    pub hash: Hash,
    /// How the peers prove who they are.
    pub authentication: IsakmpAuthentication,
    /// Diffie-Hellman group.
    pub group: Group,
    /// How long the ISAKMP SA lives. A peer's shorter lifetime is taken, a longer one refused.
    pub lifetime: Duration,
}

impl IsakmpPolicy {
    /// The guide's lifetime of a policy that says nothing: a day.
    pub const LIFETIME: Duration = Duration::from_secs(86_400);

    /// A policy with the guide's defaults: DES, SHA-1, group 1, a day. Signatures, the guide's default, cannot be
    /// done; so this one is for pre-shared keys.
    pub fn new(priority: u16) -> Self {
        Self {
            priority,
            encryption: Encryption::Des,
            hash: Hash::Sha1,
            authentication: IsakmpAuthentication::PreShared,
            group: Group::Modp768,
            lifetime: Self::LIFETIME,
        }
    }
}

/// Authentication method of phase 1 (RFC 2409 appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IsakmpAuthentication {
    /// Pre-shared key (1).
    #[default]
    PreShared,
    /// RSA signatures (3): configured, but never offered or accepted, since there are no certificates here. The guide
    /// says the same of a policy without its companion configuration.
    RsaSignatures,
    /// Encryption with RSA (4): likewise.
    RsaEncryption,
}

/// Pre-shared keys of one gateway or profile (guide chapter 10, `crypto isakmp key`, `crypto keyring`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Keyring {
    /// Keys in the order of the configuration.
    pub keys: Vec<PreSharedKey>,
}

/// A pre-shared key and whom it is shared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PreSharedKey {
    /// The peer or peers.
    pub peer: KeyOwner,
    /// The key.
    pub secret: Secret,
}

/// Whom a pre-shared key is shared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// Peers at these addresses; a single one has the full prefix length, and anybody is `0.0.0.0/0` or `::/0`.
    Net(IpNet),
    /// The peer of this host name. In main mode it is of no use, unless the address is known by other means.
    Host(String),
}

impl Keyring {
    /// A keyring with one key for everybody.
    pub fn shared(secret: Secret) -> Self {
        let nets = [IpNet::from(ipnet::Ipv4Net::default()), IpNet::from(ipnet::Ipv6Net::default())];
        let key = |net| PreSharedKey { peer: KeyOwner::Net(net), secret: secret.clone() };
        Self { keys: nets.map(key).into() }
    }

    /// The key for a peer at this address: that of the longest prefix. Main mode has nothing else to go by (RFC 2409
    /// section 5.4).
    pub fn by_address(&self, address: IpAddr) -> Option<&Secret> {
        let matching = self.keys.iter().filter_map(|key| match &key.peer {
            KeyOwner::Net(net) if net.contains(&address) => Some((net.prefix_len(), &key.secret)),
            _ => None,
        });
        // The first of several with the same prefix counts.
        matching.rev().max_by_key(|(prefix, _)| *prefix).map(|(_, secret)| secret)
    }

    /// The key for a peer with this identity, if there is one for the identity itself: its host name, or its address.
    /// Aggressive mode knows the identity in time.
    pub fn by_identity(&self, identity: &Identity) -> Option<&Secret> {
        match identity {
            Identity::Fqdn(name) | Identity::UserFqdn(name) => {
                let owns = |key: &&PreSharedKey| matches!(&key.peer, KeyOwner::Host(host) if host == name);
                self.keys.iter().find(owns).map(|key| &key.secret)
            }
            Identity::Ipv4(address) => self.by_address(IpAddr::V4(*address)),
            Identity::Ipv6(address) => self.by_address(IpAddr::V6(*address)),
            Identity::KeyId(_) | Identity::Other(..) => None,
        }
    }
}

/// A peer and all that may be set up with it: an entry of a crypto map and one of its peers, or an ISAKMP profile.
#[derive(Debug, Clone)]
pub struct IsakmpConnection {
    /// Name in commands and events.
    pub name: String,
    /// Own address.
    pub local: IpAddr,
    /// Where the peer is.
    pub remote: Remote,
    /// Own UDP port to start from: 500, or 4500 to be encapsulated from the first message on.
    pub port: u16,
    /// Phase 1 exchange that we start.
    pub exchange: Phase1,
    /// Is a peer's aggressive mode answered? It gives the peer material to try keys on without our knowledge.
    pub accept_aggressive: bool,
    /// Who we say we are.
    pub local_id: Identity,
    /// Who the peer must be; `None` for anybody who knows the secret.
    pub remote_id: Option<Identity>,
    /// Pre-shared keys.
    pub keyring: Keyring,
    /// Policies for phase 1, in any order: their priorities count.
    pub policies: Vec<IsakmpPolicy>,
    /// What quick mode may set up under this ISAKMP SA.
    pub children: Vec<IsakmpChild>,
    /// Retransmission of messages that want an answer.
    pub retransmission: Retransmission,
    /// NAT detection and traversal.
    pub nat_traversal: NatTraversal,
    /// Versions of NAT traversal that are announced, best first.
    pub nat_versions: Vec<NatVersion>,
    /// NAT keepalives; `None` sends none (guide chapter 6, `crypto isakmp nat keepalive`).
    pub nat_keepalive: Option<Duration>,
    /// Dead peer detection (guide chapter 5, `crypto isakmp keepalive`); `None` announces none and asks nothing.
    pub keepalive: Option<IsakmpKeepalive>,
    /// Send INITIAL-CONTACT in the first protected message to a peer that we have no SA with (RFC 2407 section
    /// 4.6.3.3).
    pub initial_contact: bool,
    /// Announce and accept the fragmentation of vendors, and cut messages of more octets than this.
    pub fragmentation: Option<usize>,
}

impl IsakmpConnection {
    /// A connection with the usual settings and nothing to negotiate yet.
    pub fn new(name: impl Into<String>, local: IpAddr, remote: Remote, keyring: Keyring) -> Self {
        Self {
            name: name.into(),
            local,
            remote,
            port: 500,
            exchange: Phase1::Main,
            accept_aggressive: false,
            local_id: local.into(),
            remote_id: None,
            keyring,
            policies: vec![],
            children: vec![],
            retransmission: Retransmission::default(),
            nat_traversal: NatTraversal::default(),
            nat_versions: NatVersion::ALL.to_vec(),
            nat_keepalive: None,
            keepalive: None,
            initial_contact: true,
            fragmentation: None,
        }
    }

    /// The child of this name.
    pub fn child(&self, name: &str) -> Option<&IsakmpChild> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// The exchange of phase 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phase1 {
    /// Main mode (RFC 2409 section 5): six messages, identities protected.
    #[default]
    Main,
    /// Aggressive mode: three messages, identities in the clear.
    Aggressive,
}

/// Dead peer detection (RFC 3706, guide chapter 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IsakmpKeepalive {
    /// How long nothing has come from the peer before it is asked.
    pub interval: Duration,
    /// Time between an unanswered question and the next one.
    pub retry: Duration,
    /// Questions after the first one before the peer is taken for dead.
    pub tries: u32,
    /// Ask an idle peer too; otherwise only while there is traffic to send.
    pub periodic: bool,
}

impl IsakmpKeepalive {
    /// On demand, with the guide's retries: five, two seconds apart.
    pub fn on_demand(interval: Duration) -> Self {
        Self { interval, retry: Duration::from_secs(2), tries: 5, periodic: false }
    }
}

/// A version of NAT traversal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NatVersion {
    /// RFC 3947 and 3948.
    Rfc3947,
    /// draft-ietf-ipsec-nat-t-ike-03: private numbers, port 4500.
    Draft03,
    /// draft-ietf-ipsec-nat-t-ike-02: likewise.
    Draft02,
    /// draft-ietf-ipsec-nat-t-ike-00: private numbers, port 500 throughout, ESP behind a marker of 8 octets.
    Draft00,
}

impl NatVersion {
    /// All versions, best first.
    pub const ALL: [Self; 4] = [Self::Rfc3947, Self::Draft03, Self::Draft02, Self::Draft00];
}

/// What quick mode may set up: the traffic of a crypto map entry and how it is protected.
#[derive(Debug, Clone, PartialEq)]
pub struct IsakmpChild {
    /// Name in commands and events.
    pub name: String,
    /// Traffic at our end: quick mode names one subnet, range or address, one protocol and one port (RFC 2407 section
    /// 4.6.2).
    pub local_ts: Selector,
    /// Traffic at the peer's end.
    pub remote_ts: Selector,
    /// Transform sets, best first.
    pub transform_sets: Vec<TransformSet>,
    /// Group for perfect forward secrecy; `None` for none.
    pub pfs: Option<Group>,
    /// Lifetime of the SAs.
    pub lifetime: SaLifetime,
    /// Anti-replay window of its SAs (guide chapter 2); `None` for the one that holds for all SAs.
    pub replay_window: Option<Window>,
    /// SAs without traffic for so long are deleted (guide chapter 8); `None` never.
    pub idle_time: Option<Duration>,
}

impl IsakmpChild {
    /// A child without perfect forward secrecy, with the guide's lifetimes.
    pub fn new(
        name: impl Into<String>,
        local_ts: Selector,
        remote_ts: Selector,
        transform_sets: impl Into<Vec<TransformSet>>,
    ) -> Self {
        Self {
            name: name.into(),
            local_ts,
            remote_ts,
            transform_sets: transform_sets.into(),
            pfs: None,
            lifetime: SaLifetime::default(),
            replay_window: None,
            idle_time: None,
        }
    }
}

/// A combination of protocols and algorithms that protects traffic (guide chapter 10, `crypto ipsec transform-set`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransformSet {
    /// Name in the configuration.
    pub name: String,
    /// Mode of its SAs.
    pub mode: Mode,
    /// One entry for each protocol, AH before ESP: those of several are applied together, as a bundle under one
    /// proposal number (RFC 2408 section 4.2). Of alternatives within an entry, every combination is a transform.
    /// Groups and extended sequence numbers in it are not heeded: see [`IsakmpChild::pfs`].
    pub protocols: Vec<EspProposal>,
}

impl TransformSet {
    /// A transform set in tunnel mode.
    pub fn new(name: impl Into<String>, protocols: impl Into<Vec<EspProposal>>) -> Self {
        Self { name: name.into(), mode: Mode::Tunnel, protocols: protocols.into() }
    }
}

/// How long an IPsec SA may be used: it ends when the first limit is reached (guide chapter 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SaLifetime {
    /// Seconds; `None` offers no such limit, and 28800 holds (RFC 2407 section 4.5).
    pub seconds: Option<u32>,
    /// Kilobytes of protected traffic; `None` for no limit.
    pub kilobytes: Option<u32>,
}

impl Default for SaLifetime {
    /// The guide's: an hour and 4608000 kilobytes.
    fn default() -> Self {
        Self { seconds: Some(3600), kilobytes: Some(4_608_000) }
    }
}

impl fmt::Display for IsakmpPolicy {
    /// In the words of proposals: `3des-md5-modp1024`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cipher = super::Algorithm::cipher(self.encryption.id(), self.encryption.key_length_attribute());
        let group = super::Algorithm::new(wire::ikev2::TransformType::KE, self.group.id());
        let hash = match self.hash {
            Hash::Md5 => "md5",
            Hash::Sha1 => "sha1",
            Hash::Sha256 => "sha256",
            Hash::Sha384 => "sha384",
            Hash::Sha512 => "sha512",
        };
        write!(f, "{cipher}-{hash}-{group}")
    }
}

impl FromStr for IsakmpPolicy {
    type Err = ProposalError;

    /// Reads one cipher, one hash and one group: `3des-md5-modp1024`. It has priority 1 and the guide's lifetime.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let proposal: IkeProposal = text.parse()?;
        let fault = |problem| ProposalError::Incomplete { proposal: text.to_owned(), problem };
        let [cipher] = *proposal.encryption else { return Err(fault("an ISAKMP policy has one cipher")) };
        let [hash] = *proposal.integrity else { return Err(fault("an ISAKMP policy has one hash, such as sha1")) };
        let [group] = *proposal.groups else { return Err(fault("an ISAKMP policy has one group, such as modp2048")) };
        let encryption = Encryption::from_iana(cipher.id, cipher.key_bits);
        let usable =
            |cipher: &Encryption| matches!(cipher, Encryption::Des | Encryption::TripleDes | Encryption::AesCbc(_));
        let hash = match hash.id {
            1 => Some(Hash::Md5),
            2 => Some(Hash::Sha1),
            12 => Some(Hash::Sha256),
            13 => Some(Hash::Sha384),
            14 => Some(Hash::Sha512),
            _ => None,
        };
        Ok(Self {
            encryption: encryption
                .filter(usable)
                .ok_or_else(|| fault("the ciphers of ISAKMP are des, 3des, aes128, aes192 and aes256"))?,
            hash: hash.ok_or_else(|| fault("the hashes of ISAKMP are md5, sha1, sha256, sha384 and sha512"))?,
            group: Group::from_iana(group.id).ok_or_else(|| fault("a group that is not known here"))?,
            ..Self::new(1)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn key(peer: &str, secret: &str) -> PreSharedKey {
        let peer = peer.parse().map_or_else(|_| KeyOwner::Host(peer.into()), KeyOwner::Net);
        PreSharedKey { peer, secret: Secret::new(secret) }
    }

    #[test]
    fn the_longest_prefix_has_the_key() {
        let keys = vec![
            key("0.0.0.0/0", "any"),
            key("10.2.80.0/24", "net"),
            key("10.2.80.0/24", "again"),
            key("10.2.80.209/32", "host"),
            key("gw.example.com", "named"),
        ];
        let ring = Keyring { keys };
        let of = |address: &str| ring.by_address(address.parse().unwrap()).map(|s| s.octets().to_vec());
        assert_eq!(of("10.2.80.209"), Some(b"host".to_vec()));
        assert_eq!(of("10.2.80.1"), Some(b"net".to_vec()));
        assert_eq!(of("192.0.2.1"), Some(b"any".to_vec()));
        assert_eq!(of("2001:db8::1"), None);
        let named = Identity::Fqdn("gw.example.com".into());
        assert_eq!(ring.by_identity(&named), Some(&Secret::new("named")));
        assert_eq!(ring.by_identity(&Identity::Fqdn("other".into())), None);
        assert_eq!(ring.by_identity(&Identity::Ipv4([10, 2, 80, 209].into())), Some(&Secret::new("host")));
        assert_eq!(Keyring::shared(Secret::new("x")).by_address("::1".parse().unwrap()), Some(&Secret::new("x")));
    }

    #[test]
    fn policies_are_read_as_they_are_written() {
        for words in ["des-sha1-modp768", "3des-md5-modp1024", "aes128-sha1-modp2048", "aes256-sha512-ecp384"] {
            assert_eq!(words.parse::<IsakmpPolicy>().unwrap().to_string(), words);
        }
        let refused = |words: &str| words.parse::<IsakmpPolicy>().unwrap_err().to_string();
        assert!(refused("aes128-sha1-modp2047").contains("did you mean"));
        assert!(refused("aes128gcm16-prfsha256-modp2048").contains("one hash"));
        assert!(refused("aes128ctr-sha1-modp2048").contains("the ciphers of ISAKMP are"));
        assert!(refused("aes128-aesxcbc-modp2048").contains("the hashes of ISAKMP are"));
        assert!(refused("aes128-aes256-sha1-modp2048").contains("one cipher"));
        assert!(refused("aes128-sha1").contains("modp2048"));
    }

    #[test]
    fn the_guides_defaults() {
        assert_eq!(IsakmpPolicy::new(1).to_string(), "des-sha1-modp768");
        assert_eq!(SaLifetime::default(), SaLifetime { seconds: Some(3600), kilobytes: Some(4_608_000) });
    }
}
