//! What a running-config says, in types. Every item knows the line that it begins on.

use crate::config::Secret;
use crate::ipsec::sa::DfBit;
use crypto::{Encryption, Group, Hash};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// Everything that matters here of one router's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Router {
    /// `hostname`.
    pub hostname: Option<String>,
    /// `crypto isakmp` and `crypto keyring`.
    pub isakmp: Isakmp,
    /// `crypto ipsec`.
    pub ipsec: Ipsec,
    /// `crypto map`, by name.
    pub maps: BTreeMap<String, CryptoMap>,
    /// `crypto dynamic-map`, by name and sequence number.
    pub dynamic_maps: BTreeMap<String, BTreeMap<u32, MapEntry>>,
    /// Interfaces in the order of the configuration.
    pub interfaces: Vec<Interface>,
    /// Access lists in the order of the configuration.
    pub access_lists: Vec<AccessList>,
    /// `ip route` and `ipv6 route`.
    pub routes: Vec<Route>,
    /// Quality of service.
    pub qos: Qos,
}

impl Router {
    /// The interface of this name.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// The access list of this number or name; one of IPv6 if `ipv6`.
    pub fn access_list(&self, name: &str, ipv6: bool) -> Option<&AccessList> {
        self.access_lists.iter().find(|list| list.name == name && (list.kind == ListKind::Ipv6) == ipv6)
    }
}

/// `crypto isakmp` and `crypto keyring`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Isakmp {
    /// `no crypto isakmp enable`.
    pub disabled: bool,
    /// Policies by priority, 1 the highest.
    pub policies: BTreeMap<u16, Policy>,
    /// `crypto isakmp key`.
    pub keys: Vec<Key>,
    /// `crypto keyring`, by name.
    pub keyrings: BTreeMap<String, Keyring>,
    /// `crypto isakmp profile`, by name.
    pub profiles: BTreeMap<String, IsakmpProfile>,
    /// `crypto isakmp peer`.
    pub peers: Vec<IsakmpPeer>,
    /// `crypto isakmp identity`.
    pub identity: SelfIdentity,
    /// `crypto isakmp keepalive` (guide chapter 5).
    pub keepalive: Option<Keepalive>,
    /// `crypto isakmp nat keepalive`, seconds (guide chapter 6).
    pub nat_keepalive: Option<u32>,
    /// `crypto isakmp invalid-spi-recovery` (guide chapter 4).
    pub invalid_spi_recovery: bool,
    /// `crypto isakmp aggressive-mode disable`.
    pub aggressive_mode_disabled: bool,
    /// `crypto isakmp fragmentation`.
    pub fragmentation: bool,
}

/// `crypto isakmp policy`. The defaults are the guide's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Line of the configuration.
    pub line: u32,
    /// `encryption`.
    pub encryption: Encryption,
    /// `hash`.
    pub hash: Hash,
    /// `authentication`.
    pub authentication: Authentication,
    /// `group`.
    pub group: Group,
    /// `lifetime`, seconds.
    pub lifetime: u32,
}

/// Authentication of phase 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// `rsa-sig`.
    RsaSignatures,
    /// `rsa-encr`.
    RsaEncryption,
    /// `pre-share`.
    PreShared,
}

/// A pre-shared key. Never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Line of the configuration.
    pub line: u32,
    /// The peer or peers.
    pub owner: Owner,
    /// The key.
    pub secret: Secret,
    /// `no-xauth`: the peer is not asked for a user.
    pub no_xauth: bool,
}

/// Whom a key is shared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Peers at these addresses.
    Net(IpNet),
    /// A peer of this name.
    Host(String),
}

/// `crypto keyring`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keyring {
    /// Line of the configuration.
    pub line: u32,
    /// `pre-shared-key`.
    pub keys: Vec<Key>,
    /// `local-address`: only for IKE at this address or interface.
    pub local_address: Option<String>,
}

/// `crypto isakmp profile`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IsakmpProfile {
    /// Line of the configuration.
    pub line: u32,
    /// `keyring`.
    pub keyrings: Vec<String>,
    /// `match identity`: any of these.
    pub identities: Vec<MatchIdentity>,
    /// `self-identity`.
    pub self_identity: Option<SelfIdentity>,
    /// `keepalive N retry M`.
    pub keepalive: Option<Keepalive>,
    /// `initiate mode aggressive`.
    pub aggressive: bool,
    /// `local-address`.
    pub local_address: Option<String>,
}

/// `match identity` of an ISAKMP profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchIdentity {
    /// `address`.
    Net(IpNet),
    /// `host`.
    Host(String),
    /// `host domain`.
    HostDomain(String),
    /// `user`.
    User(String),
    /// `user domain`.
    UserDomain(String),
    /// `group`.
    Group(String),
}

/// Who the router says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SelfIdentity {
    /// Its address.
    #[default]
    Address,
    /// Its host name.
    Hostname,
    /// The subject of its certificate.
    DistinguishedName,
    /// A name, `fqdn NAME`.
    Fqdn(String),
    /// A mailbox, `user-fqdn NAME`.
    UserFqdn(String),
}

/// `crypto isakmp peer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsakmpPeer {
    /// Line of the configuration.
    pub line: u32,
    /// Who it is.
    pub owner: Owner,
    /// `set aggressive-mode password`.
    pub password: Option<Secret>,
    /// `set aggressive-mode client-endpoint`: who we say we are in aggressive mode, which is then used.
    pub client_endpoint: Option<String>,
}

/// `crypto isakmp keepalive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Line of the configuration.
    pub line: u32,
    /// Seconds of silence.
    pub seconds: u32,
    /// Seconds between retries.
    pub retry: u32,
    /// `periodic`; otherwise on demand.
    pub periodic: bool,
}

/// `crypto ipsec`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ipsec {
    /// Transform sets by name.
    pub transform_sets: BTreeMap<String, Transforms>,
    /// `crypto ipsec profile`, by name.
    pub profiles: BTreeMap<String, IpsecProfile>,
    /// `df-bit` (guide chapter 7).
    pub df_bit: Option<DfBit>,
    /// `fragmentation before-encryption` (guide chapter 3).
    pub pre_fragmentation: Option<bool>,
    /// `security-association` for all SAs.
    pub settings: SaSettings,
    /// `security-association multi-sn` (guide chapter 2).
    pub multi_sn: bool,
    /// `no crypto ipsec nat-transparency udp-encapsulation` (guide chapter 6).
    pub nat_transparency_off: bool,
}

/// `crypto ipsec transform-set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transforms {
    /// Line of the configuration.
    pub line: u32,
    /// AH: its integrity algorithm, as the word of a proposal.
    pub ah: Option<&'static str>,
    /// ESP: its cipher, as the word of a proposal.
    pub cipher: Option<&'static str>,
    /// ESP: its integrity algorithm, as the word of a proposal.
    pub integrity: Option<&'static str>,
    /// `comp-lzs`.
    pub compression: bool,
    /// `mode transport`.
    pub transport: bool,
}

/// Settings of SAs: for all, for a crypto map entry, for an IPsec profile. What is `None` is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaSettings {
    /// `replay window-size` or `replay disable` (guide chapter 2).
    pub replay: Option<crate::config::Window>,
    /// `idle-time`, seconds (guide chapter 8).
    pub idle_time: Option<u32>,
    /// `idle-time N default`: an idle peer is left for the default peer.
    pub idle_default_peer: bool,
    /// `lifetime seconds`.
    pub lifetime_seconds: Option<u32>,
    /// `lifetime kilobytes`; `Some(None)` is `lifetime kilobytes disable`.
    pub lifetime_kilobytes: Option<Option<u32>>,
    /// `level per-host`: SAs of their own for each pair of hosts.
    pub per_host: bool,
    /// `dfbit` of a crypto map entry.
    pub df_bit: Option<DfBit>,
}

/// `crypto ipsec profile`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IpsecProfile {
    /// Line of the configuration.
    pub line: u32,
    /// `set transform-set`.
    pub transform_sets: Vec<String>,
    /// `set isakmp-profile`.
    pub isakmp_profile: Option<String>,
    /// `set pfs`.
    pub pfs: Option<Group>,
    /// `set security-association`.
    pub settings: SaSettings,
}

/// `crypto map`: all entries of one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CryptoMap {
    /// Is it one for IPv6, `crypto map ipv6`?
    pub ipv6: bool,
    /// `local-address`: the interface whose address IKE and IPsec use.
    pub local_address: Option<String>,
    /// `isakmp-profile` of the whole map.
    pub isakmp_profile: Option<String>,
    /// Entries by sequence number.
    pub entries: BTreeMap<u32, MapEntry>,
}

/// An entry of a crypto map or dynamic map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapEntry {
    /// Line of the configuration.
    pub line: u32,
    /// `dynamic NAME`: the dynamic map that it stands for.
    pub dynamic: Option<String>,
    /// `set peer`, in the order in which they are tried.
    pub peers: Vec<MapPeer>,
    /// `match address`.
    pub access_list: Option<Named>,
    /// What an IPsec profile has too.
    pub set: IpsecProfile,
    /// `qos pre-classify` (guide chapter 9).
    pub qos_pre_classify: bool,
}

/// A reference by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Line of the configuration.
    pub line: u32,
    /// The name.
    pub name: String,
}

/// A peer of a crypto map entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapPeer {
    /// Line of the configuration.
    pub line: u32,
    /// Where it is.
    pub place: PeerPlace,
    /// `default`: the peer that is gone back to.
    pub default: bool,
}

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerPlace {
    /// At this address.
    Address(IpAddr),
    /// At the address of this name.
    Host(String),
}

/// `interface`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// Line of the configuration.
    pub line: u32,
    /// Name in full: `FastEthernet0/0`.
    pub name: String,
    /// `shutdown`.
    pub shutdown: bool,
    /// Addresses, the primary one of IPv4 first.
    pub addresses: Vec<IpNet>,
    /// Networks of IPv6 whose interface identifier follows from the hardware address (`eui-64`).
    pub eui64: Vec<IpNet>,
    /// An address that is not in the configuration: `dhcp`, `negotiated`, `unnumbered`, `autoconfig`.
    pub learned_address: bool,
    /// `mtu`.
    pub mtu: Option<u32>,
    /// `ip mtu`.
    pub ip_mtu: Option<u32>,
    /// `ipv6 mtu`.
    pub ipv6_mtu: Option<u32>,
    /// `crypto map`.
    pub crypto_map: Option<Named>,
    /// `ipv6 crypto map`.
    pub ipv6_crypto_map: Option<Named>,
    /// `crypto ipsec df-bit` (guide chapter 7).
    pub df_bit: Option<DfBit>,
    /// `crypto ipsec fragmentation` (guide chapter 3).
    pub pre_fragmentation: Option<bool>,
    /// `tunnel` commands.
    pub tunnel: Tunnel,
    /// `ip access-group`: lines that name a packet filter.
    pub access_groups: Vec<Named>,
    /// `qos pre-classify` (guide chapter 9).
    pub qos_pre_classify: bool,
    /// `service-policy input`.
    pub service_policy_in: Option<Named>,
    /// `service-policy output`.
    pub service_policy_out: Option<Named>,
}

/// `tunnel` commands of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tunnel {
    /// `tunnel source`: an address or an interface.
    pub source: Option<Named>,
    /// `tunnel destination`.
    pub destination: Option<PeerPlace>,
    /// `tunnel mode`.
    pub mode: TunnelMode,
    /// `tunnel protection ipsec profile`.
    pub protection: Option<Named>,
}

/// Encapsulation of a tunnel interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TunnelMode {
    /// GRE, which is the default, or anything else that is not IPsec itself.
    #[default]
    Gre,
    /// `ipsec ipv4`.
    IpsecIpv4,
    /// `ipsec ipv6`.
    IpsecIpv6,
}

/// An access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessList {
    /// Number or name.
    pub name: String,
    /// Which kind.
    pub kind: ListKind,
    /// Entries in order.
    pub entries: Vec<ListEntry>,
}

/// Kind of an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// By source address alone.
    Standard,
    /// By source, destination, protocol and ports.
    Extended,
    /// Extended, of IPv6.
    Ipv6,
}

/// An entry of an access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// Line of the configuration.
    pub line: u32,
    /// Its number within the list, if it has one.
    pub sequence: Option<u32>,
    /// `permit`; otherwise `deny`.
    pub permit: bool,
    /// IP protocol; `None` for all.
    pub protocol: Option<u8>,
    /// Source.
    pub source: End,
    /// Destination; everything in a standard list.
    pub destination: End,
    /// Conditions that no traffic selector can say, such as `established`.
    pub options: Vec<String>,
}

/// Source or destination of an access list entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Addresses.
    pub addresses: Match,
    /// Ports; `None` for all.
    pub ports: Option<Ports>,
}

/// Addresses of an access list entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// `any`.
    Any,
    /// A network.
    Net(IpNet),
    /// An IPv4 address and a wildcard mask that is no prefix.
    Wildcard(std::net::Ipv4Addr, std::net::Ipv4Addr),
}

/// Ports of an access list entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// From the first to the last, both included.
    Range(u16, u16),
    /// All but this one.
    Not(u16),
}

/// `ip route`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Line of the configuration.
    pub line: u32,
    /// Where to.
    pub net: IpNet,
    /// Next hop: an address or an interface.
    pub via: String,
}

/// Quality of service (guide chapter 9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Qos {
    /// `class-map`, by name.
    pub class_maps: BTreeMap<String, ClassMap>,
    /// `policy-map`, by name.
    pub policy_maps: BTreeMap<String, PolicyMap>,
    /// `platform ipsec llq qos-group`.
    pub llq_groups: BTreeSet<u32>,
}

/// `class-map`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassMap {
    /// Line of the configuration.
    pub line: u32,
    /// `match-any`; otherwise all conditions must hold.
    pub any: bool,
    /// `match`.
    pub matches: Vec<ClassMatch>,
}

/// A condition of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassMatch {
    /// `precedence`: the three upper bits of the DSCP are one of these.
    Precedence(Vec<u8>),
    /// `dscp`: one of these.
    Dscp(Vec<u8>),
    /// `qos-group`.
    QosGroup(u32),
    /// `access-group`.
    AccessGroup(String),
    /// `any`.
    Any,
    /// Something else, in its own words.
    Other(String),
}

/// `policy-map`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyMap {
    /// Line of the configuration.
    pub line: u32,
    /// `class`, in order.
    pub classes: Vec<PolicyClass>,
}

/// A class of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyClass {
    /// Line of the configuration.
    pub line: u32,
    /// Name of its class map, or `class-default`.
    pub name: String,
    /// `priority`.
    pub priority: Option<Share>,
    /// `bandwidth`.
    pub bandwidth: Option<Share>,
    /// `set qos-group`.
    pub qos_group: Option<u32>,
}

/// A share of an interface's bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// Not limited.
    All,
    /// `level`.
    Level(u32),
    /// Kilobits a second.
    Kilobits(u32),
    /// `percent`.
    Percent(u32),
    /// `remaining percent`.
    RemainingPercent(u32),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            Self::Net(net) => net.fmt(f),
            Self::Host(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for PeerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host(name) => f.write_str(name),
        }
    }
}
