//! From what a running-config says to what a gateway is told.

use super::ast::{
    AccessList, Authentication, ClassMatch, CryptoMap, End, Interface, IsakmpProfile, Key, ListEntry, ListKind,
    MapEntry, Match, MatchIdentity, Owner, PeerPlace, Ports, Router, SaSettings, SelfIdentity, Transforms, TunnelMode,
};
use super::{Fault, Faults};
use crate::config::isakmp::{
    IsakmpAuthentication, IsakmpChild, IsakmpConfig, IsakmpConnection, IsakmpKeepalive, IsakmpPolicy, KeyOwner,
    Keyring, Phase1, PreSharedKey, SaLifetime, TransformSet,
};
use crate::config::{Addresses, EspProposal, Identity, Mode, NatTraversal, Remote, Selector};
use crate::gateway::{DataConfig, DeadPeerDetection, DpdMode, GatewayConfig, TunnelInterface};
use crate::ipsec::selector::Selectors;
use crate::ipsec::spd::{Action, Policy};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// A gateway that was configured by a running-config.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// What the gateway is told. It has no connections of IKEv2.
    pub gateway: GatewayConfig,
    /// Names of the outside interfaces.
    pub outside: Vec<String>,
    /// Names of the inside interfaces.
    pub inside: Vec<String>,
    /// What was understood and is not used, in the order of lines.
    pub unused: Vec<Unused>,
}

/// Something that was understood and is not used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    /// Line of the configuration; 0 for what no line says.
    pub line: u32,
    /// What it is and why.
    pub reason: String,
    /// A peer or traffic is left out because of it, or IKE cannot work.
    pub missing: bool,
}

/// Questions after the first one before a peer is taken for dead (guide chapter 5: five may be missed).
const DPD_TRIES: u32 = 5;

/// Sequence number spaces for the classes of a policy; space 0 is that of everything else.
const CLASS_SPACES: usize = 15;

impl Router {
    /// What a gateway with this configuration is told. A router has one outside here: its interfaces with crypto maps,
    /// or the one that `outside` names.
    ///
    /// # Errors
    /// There is nothing to protect, or the outside interfaces contradict each other.
    pub fn gateway(&self, outside: Option<&str>) -> Result<Mapping, Faults> {
        let mut mapper = Mapper { router: self, unused: Vec::new(), connections: Vec::new(), policies: Vec::new() };
        mapper.map(outside).map_err(|fault| {
            // Why there is nothing left is in the reasons.
            mapper.unused.sort();
            mapper.unused.dedup();
            let reasons = mapper.unused.iter().filter(|unused| unused.line > 0 && unused.missing);
            let reasons = reasons.map(|unused| Fault::at_line(unused.line, &unused.reason));
            Faults(std::iter::once(fault).chain(reasons).collect())
        })
    }
}

struct Mapper<'r> {
    router: &'r Router,
    unused: Vec<Unused>,
    connections: Vec<IsakmpConnection>,
    policies: Vec<Policy>,
}

impl Mapper<'_> {
    fn note(&mut self, line: u32, reason: impl Into<String>) {
        self.unused.push(Unused { line, reason: reason.into(), missing: false });
    }

    fn missing(&mut self, line: u32, reason: impl Into<String>) {
        self.unused.push(Unused { line, reason: reason.into(), missing: true });
    }

    fn map(&mut self, outside: Option<&str>) -> Result<Mapping, Fault> {
        let router = self.router;
        if router.isakmp.disabled {
            return Err(Fault::at_line(1, "IKE is off (no crypto isakmp enable): without it there are no SAs"));
        }
        let outside = outsides(router, outside)?;
        let tunnels: Vec<&Interface> = protected_tunnels(router).collect();
        let mut tunnel_mtu = None;
        for &interface in &outside {
            for (map, ipv6) in [(&interface.crypto_map, false), (&interface.ipv6_crypto_map, true)] {
                let Some(named) = map else { continue };
                match router.maps.get(&named.name) {
                    Some(map) => self.crypto_map(interface, &named.name, map, ipv6 || map.ipv6),
                    None => self.missing(named.line, format!("crypto map {} is not defined: left out", named.name)),
                }
            }
            for &tunnel in tunnels.iter().filter(|tunnel| source_of(router, tunnel) == Some(interface)) {
                if self.tunnel(interface, tunnel) {
                    let mtu = tunnel.ip_mtu.or(tunnel.ipv6_mtu);
                    tunnel_mtu = tunnel_mtu.or(Some(mtu.map(usize_of)));
                }
            }
        }
        for tunnel in &tunnels {
            if source_of(router, tunnel).is_none() {
                self.missing(tunnel.line, format!("the source of {} has no address: left out", tunnel.name));
            }
        }
        if self.connections.is_empty() {
            let line = outside.first().map_or(1, |interface| interface.line);
            return Err(Fault::at_line(
                line,
                "no peer is left to set up SAs with: complete a crypto map entry or tunnel",
            ));
        }
        let inside = insides(router, &outside);
        let gateway = GatewayConfig {
            name: router.hostname.clone().unwrap_or_default(),
            outside: outside.iter().flat_map(|interface| addresses(interface)).collect(),
            inside: inside.iter().flat_map(|interface| addresses(interface)).collect(),
            outside_mtu: outside.iter().filter_map(|i| mtu(i)).min().unwrap_or(1500),
            inside_mtu: inside.iter().filter_map(|i| mtu(i)).min().unwrap_or(1500),
            isakmp: IsakmpConfig { connections: std::mem::take(&mut self.connections), ..IsakmpConfig::default() },
            initiate_on_traffic: true,
            invalid_spi_recovery: router.isakmp.invalid_spi_recovery,
            dead_peer_detection: router.isakmp.keepalive.map(|keepalive| DeadPeerDetection {
                interval: seconds(keepalive.seconds),
                mode: if keepalive.periodic { DpdMode::Periodic } else { DpdMode::OnDemand },
            }),
            nat_keepalive: router.isakmp.nat_keepalive.map(seconds),
            data: self.data(&outside, tunnel_mtu),
            ..GatewayConfig::default()
        };
        self.note_the_rest(&outside);
        let mut unused = std::mem::take(&mut self.unused);
        unused.sort();
        unused.dedup();
        Ok(Mapping {
            gateway,
            outside: outside.iter().map(|interface| interface.name.clone()).collect(),
            inside: inside.iter().map(|interface| interface.name.clone()).collect(),
            unused,
        })
    }

    /// The connections of a crypto map at an interface.
    fn crypto_map(&mut self, interface: &Interface, name: &str, map: &CryptoMap, ipv6: bool) {
        let at = match &map.local_address {
            Some(local) => match self.router.interface(local) {
                Some(interface) => interface,
                None => {
                    let line = map.entries.values().next().map_or(0, |entry| entry.line);
                    return self
                        .missing(line, format!("there is no interface {local} for crypto map {name}: left out"));
                }
            },
            None => interface,
        };
        let alone = map.entries.len() == 1;
        for (sequence, entry) in &map.entries {
            let title = format!("{name}-{sequence}");
            let profile = entry.set.isakmp_profile.as_ref().or(map.isakmp_profile.as_ref());
            let profile = profile.cloned();
            match &entry.dynamic {
                None => self.entry(at, &title, entry, profile.as_deref(), ipv6, alone),
                Some(dynamic) => match self.router.dynamic_maps.get(dynamic) {
                    Some(entries) => {
                        for (sequence, entry) in entries {
                            let own = entry.set.isakmp_profile.clone().or(profile.clone());
                            self.entry(at, &format!("{dynamic}-{sequence}"), entry, own.as_deref(), ipv6, false);
                        }
                    }
                    None => self.missing(entry.line, format!("dynamic map {dynamic} is not defined: left out")),
                },
            }
        }
    }

    /// The connections of a crypto map entry, one for each peer.
    fn entry(&mut self, at: &Interface, title: &str, entry: &MapEntry, profile: Option<&str>, ipv6: bool, alone: bool) {
        let left_out = |what: &str| format!("crypto map entry {title} {what}: left out");
        let Some(named) = &entry.access_list else {
            return self
                .note(entry.line, left_out("has no match address, and traffic is not taken from the peer's word"));
        };
        let list = self.router.access_list(&named.name, ipv6).or_else(|| self.router.access_list(&named.name, !ipv6));
        let Some(list) = list else {
            return self
                .missing(named.line, left_out(&format!("names access list {}, which is not defined", named.name)));
        };
        let Some(sets) = self.transform_sets(&entry.set.transform_sets, entry.line, title) else { return };
        let children = self.children(title, list, &sets, entry, alone);
        if children.is_empty() {
            return self
                .note(named.line, left_out(&format!("protects nothing: access list {} permits nothing", list.name)));
        }
        let mut peers: Vec<_> = entry.peers.iter().collect();
        // The default peer is tried first.
        peers.sort_by_key(|peer| !peer.default);
        let mut remotes = Vec::new();
        for peer in &peers {
            match &peer.place {
                PeerPlace::Address(address) => remotes.push((peer.line, Remote::Address(*address))),
                PeerPlace::Host(name) => {
                    self.missing(
                        peer.line,
                        format!("peer {name}: names are not resolved, write its address: left out"),
                    );
                }
            }
        }
        if entry.peers.is_empty() {
            remotes.push((entry.line, Remote::Any));
        }
        if remotes.len() > 1 {
            let reason = "peers after the first are answered, but there is no change over to them";
            self.note(entry.line, format!("crypto map entry {title}: {reason}"));
        }
        self.settings_notes(entry.line, &entry.set.settings);
        if entry.qos_pre_classify {
            self.note(entry.line, format!("crypto map entry {title}: qos pre-classify, as nothing is queued here"));
        }
        let several = remotes.len() > 1;
        for (index, (line, remote)) in remotes.into_iter().enumerate() {
            let name = if several { format!("{title}#{}", index + 1) } else { title.to_owned() };
            self.connection(name, line, at, remote, profile, children.clone());
        }
    }

    /// What is said of SAs and cannot be done.
    fn settings_notes(&mut self, line: u32, settings: &SaSettings) {
        if settings.per_host {
            self.note(line, "security-association level per-host: SAs are for all of an access list entry");
        }
        if settings.idle_default_peer {
            self.note(line, "idle-time ... default: there is no going back to the default peer");
        }
        if settings.df_bit.is_some() {
            self.note(line, "security-association dfbit: the DF bit is set for all SAs or by interface");
        }
    }

    /// The connection to one peer, or more children of one that there is. False if it cannot be made.
    fn connection(
        &mut self,
        name: String,
        line: u32,
        at: &Interface,
        remote: Remote,
        profile: Option<&str>,
        children: Vec<IsakmpChild>,
    ) -> bool {
        let router = self.router;
        let ipv6 = match remote {
            Remote::Address(address) => address.is_ipv6(),
            Remote::Any => false,
        };
        let Some(local) = addresses(at).find(|address| address.is_ipv6() == ipv6) else {
            self.missing(line, format!("{} has no address to reach the peer of {name} from: left out", at.name));
            return false;
        };
        let profile = match profile {
            None => None,
            Some(profile) => match router.isakmp.profiles.get(profile) {
                Some(profile) => Some(profile),
                None => {
                    self.missing(line, format!("isakmp profile {profile} is not defined: {name} is left out"));
                    return false;
                }
            },
        };
        let keyring = self.keyring(profile, line);
        if let Remote::Address(address) = remote
            && keyring.by_address(address).is_none()
        {
            let missing = format!("there is no pre-shared key for {address}: IKE with it fails until there is one");
            self.missing(line, missing);
        }
        let mut connection = IsakmpConnection::new(name, local, remote, keyring);
        connection.policies = self.policies();
        connection.children = children;
        connection.accept_aggressive = !router.isakmp.aggressive_mode_disabled;
        connection.nat_keepalive = router.isakmp.nat_keepalive.map(seconds);
        connection.fragmentation = router.isakmp.fragmentation.then_some(576);
        if router.ipsec.nat_transparency_off {
            connection.nat_traversal = NatTraversal::Off;
        }
        let keepalive = profile.and_then(|profile| profile.keepalive).or(router.isakmp.keepalive);
        connection.keepalive = keepalive.map(|keepalive| IsakmpKeepalive {
            interval: seconds(keepalive.seconds),
            retry: seconds(keepalive.retry),
            tries: DPD_TRIES,
            periodic: keepalive.periodic,
        });
        let identity = profile.and_then(|profile| profile.self_identity.as_ref()).unwrap_or(&router.isakmp.identity);
        match identity {
            SelfIdentity::Address => {}
            SelfIdentity::Hostname => {
                if let Some(hostname) = &router.hostname {
                    connection.local_id = Identity::Fqdn(hostname.clone());
                }
            }
            SelfIdentity::Fqdn(name) => connection.local_id = Identity::Fqdn(name.clone()),
            SelfIdentity::UserFqdn(name) => connection.local_id = Identity::UserFqdn(name.clone()),
            SelfIdentity::DistinguishedName => {
                self.note(line, "crypto isakmp identity dn: there are no certificates here, the address is used");
            }
        }
        if let Some(profile) = profile {
            self.profile(profile, &mut connection);
        }
        let owns = |owner: &Owner| match (owner, remote) {
            (Owner::Net(net), Remote::Address(address)) => net.contains(&address),
            _ => false,
        };
        if let Some(peer) = router.isakmp.peers.iter().find(|peer| owns(&peer.owner)) {
            if let Some(endpoint) = &peer.client_endpoint {
                connection.exchange = Phase1::Aggressive;
                connection.local_id = endpoint.parse().unwrap_or(connection.local_id);
            }
            if let (Some(password), Remote::Address(address)) = (&peer.password, remote) {
                let key = PreSharedKey { peer: KeyOwner::Net(address.into()), secret: password.clone() };
                connection.keyring.keys.insert(0, key);
            }
        }
        // A router has one ISAKMP SA with a peer, for all entries that name it.
        let same = |known: &&mut IsakmpConnection| {
            let who = |connection: &IsakmpConnection| {
                let IsakmpConnection { local, remote, exchange, .. } = *connection;
                let ids = (connection.local_id.clone(), connection.remote_id.clone());
                (local, remote, exchange, ids, connection.keyring.clone())
            };
            who(known) == who(&connection)
        };
        match self.connections.iter_mut().find(same) {
            Some(known) => known.children.extend(connection.children),
            None => self.connections.push(connection),
        }
        true
    }

    /// What an ISAKMP profile says of a connection.
    fn profile(&mut self, profile: &IsakmpProfile, connection: &mut IsakmpConnection) {
        if profile.aggressive {
            connection.exchange = Phase1::Aggressive;
        }
        if profile.local_address.is_some() {
            self.note(profile.line, "local-address of an isakmp profile: the outside interface has the address");
        }
        match profile.identities.as_slice() {
            [] => {}
            [identity] => match identity {
                MatchIdentity::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                    connection.remote_id = Some(net.addr().into());
                }
                MatchIdentity::Host(name) => connection.remote_id = Some(Identity::Fqdn(name.clone())),
                MatchIdentity::User(name) => connection.remote_id = Some(Identity::UserFqdn(name.clone())),
                MatchIdentity::Group(name) => connection.remote_id = Some(Identity::KeyId(name.clone().into_bytes())),
                // Everybody.
                MatchIdentity::Net(net) if net.prefix_len() == 0 => {}
                _ => self.note(profile.line, "match identity with a pattern: any identity with the right key is taken"),
            },
            _ => self.note(profile.line, "match identity, several times: any identity with the right key is taken"),
        }
    }

    /// The pre-shared keys of a profile, or of the router.
    fn keyring(&mut self, profile: Option<&IsakmpProfile>, line: u32) -> Keyring {
        let router = self.router;
        let named = profile.map(|profile| profile.keyrings.as_slice()).unwrap_or_default();
        let mut keys: Vec<&Key> = Vec::new();
        for name in named {
            match router.isakmp.keyrings.get(name) {
                Some(keyring) => {
                    if keyring.local_address.is_some() {
                        self.note(keyring.line, "local-address of a keyring: its keys hold for every address");
                    }
                    keys.extend(&keyring.keys);
                }
                None => self.missing(line, format!("keyring {name} is not defined")),
            }
        }
        if named.is_empty() {
            keys.extend(&router.isakmp.keys);
        }
        let key = |key: &Key| PreSharedKey {
            peer: match &key.owner {
                Owner::Net(net) => KeyOwner::Net(*net),
                Owner::Host(name) => KeyOwner::Host(name.clone()),
            },
            secret: key.secret.clone(),
        };
        Keyring { keys: keys.into_iter().map(key).collect() }
    }

    /// The policies of phase 1.
    fn policies(&mut self) -> Vec<IsakmpPolicy> {
        let router = self.router;
        let mut policies = Vec::new();
        for (&priority, policy) in &router.isakmp.policies {
            if policy.authentication != Authentication::PreShared {
                self.note(policy.line, "a policy without authentication pre-share is neither offered nor accepted");
            }
            policies.push(IsakmpPolicy {
                priority,
                encryption: policy.encryption,
                hash: policy.hash,
                authentication: match policy.authentication {
                    Authentication::PreShared => IsakmpAuthentication::PreShared,
                    Authentication::RsaSignatures => IsakmpAuthentication::RsaSignatures,
                    Authentication::RsaEncryption => IsakmpAuthentication::RsaEncryption,
                },
                group: policy.group,
                lifetime: seconds(policy.lifetime),
            });
        }
        if !policies.iter().any(|policy| policy.authentication == IsakmpAuthentication::PreShared) {
            self.missing(
                0,
                "there is no crypto isakmp policy with authentication pre-share: IKE fails until there is one",
            );
        }
        policies
    }

    /// Transform sets by name; `None` if none is left.
    fn transform_sets(&mut self, names: &[String], line: u32, title: &str) -> Option<Vec<TransformSet>> {
        let mut sets = Vec::new();
        for name in names {
            match self.router.ipsec.transform_sets.get(name) {
                Some(transforms) => {
                    if transforms.compression {
                        self.note(transforms.line, "comp-lzs: packets are not compressed");
                    }
                    sets.extend(transform_set(name, transforms));
                }
                None => self.missing(line, format!("transform set {name} of {title} is not defined")),
            }
        }
        if sets.is_empty() {
            self.missing(line, format!("{title} has no transform set: left out"));
        }
        (!sets.is_empty()).then_some(sets)
    }

    /// A child for each entry of an access list that permits.
    fn children(
        &mut self,
        title: &str,
        list: &AccessList,
        sets: &[TransformSet],
        entry: &MapEntry,
        alone: bool,
    ) -> Vec<IsakmpChild> {
        let mut children: Vec<IsakmpChild> = Vec::new();
        let last_permit = list.entries.iter().rposition(|entry| entry.permit).unwrap_or(0);
        for (index, line) in list.entries.iter().enumerate() {
            // After the last one that permits, nothing is protected anyway.
            if index > last_permit {
                break;
            }
            let (local, remote) = match selectors(line, list.kind) {
                Ok(pair) => pair,
                Err(problem) => {
                    self.missing(line.line, format!("access list {}: {problem}: left out", list.name));
                    continue;
                }
            };
            match (line.permit, children.is_empty() && alone) {
                (true, _) => {
                    let name = format!("{title}/{}", children.len() + 1);
                    let mut child = IsakmpChild::new(name, local, remote, sets);
                    self.child_settings(&mut child, &entry.set.settings);
                    child.pfs = entry.set.pfs;
                    children.push(child);
                }
                (false, true) => {
                    if let (Some(local), Some(remote)) = (traffic(&local), traffic(&remote)) {
                        self.policies.push(Policy {
                            name: format!("{} line {}", list.name, line.line),
                            selectors: Selectors { local: vec![local], remote: vec![remote], fragments_also: false },
                            action: Action::Bypass,
                        });
                    }
                }
                (false, false) => {
                    let reason = "deny after permit, or in one of several crypto map entries, excepts nothing here";
                    self.note(line.line, format!("access list {}: {reason}", list.name));
                }
            }
        }
        children
    }

    fn child_settings(&self, child: &mut IsakmpChild, own: &SaSettings) {
        let all = &self.router.ipsec.settings;
        let default = SaLifetime::default();
        child.lifetime = SaLifetime {
            seconds: own.lifetime_seconds.or(all.lifetime_seconds).or(default.seconds),
            kilobytes: own.lifetime_kilobytes.or(all.lifetime_kilobytes).unwrap_or(default.kilobytes),
        };
        child.replay_window = own.replay;
        child.idle_time = own.idle_time.or(all.idle_time).map(seconds);
    }

    /// The connection of a protected tunnel interface. Was one made?
    fn tunnel(&mut self, outside: &Interface, tunnel: &Interface) -> bool {
        let title = tunnel.name.clone();
        let left_out = |what: &str| format!("{title} {what}: left out");
        let any = match tunnel.tunnel.mode {
            TunnelMode::IpsecIpv4 => "0.0.0.0/0",
            TunnelMode::IpsecIpv6 => "::/0",
            TunnelMode::Gre => {
                self.missing(tunnel.line, left_out("carries GRE, which is not spoken here (tunnel mode ipsec is)"));
                return false;
            }
        };
        let Some(PeerPlace::Address(destination)) = tunnel.tunnel.destination else {
            self.missing(tunnel.line, left_out("has no address as its destination"));
            return false;
        };
        let Some(named) = &tunnel.tunnel.protection else { return false };
        let Some(profile) = self.router.ipsec.profiles.get(&named.name) else {
            self.missing(named.line, left_out(&format!("names IPsec profile {}, which is not defined", named.name)));
            return false;
        };
        let Some(sets) = self.transform_sets(&profile.transform_sets, profile.line, &tunnel.name) else { return false };
        let Ok(everything) = any.parse::<Selector>() else { return false };
        let mut child = IsakmpChild::new(format!("{}/1", tunnel.name), everything.clone(), everything, sets);
        self.child_settings(&mut child, &profile.settings);
        self.settings_notes(profile.line, &profile.settings);
        child.pfs = profile.pfs;
        let remote = Remote::Address(destination);
        let isakmp = profile.isakmp_profile.clone();
        self.connection(tunnel.name.clone(), tunnel.line, outside, remote, isakmp.as_deref(), vec![child])
    }

    fn data(&mut self, outside: &[&Interface], tunnel_mtu: Option<Option<usize>>) -> DataConfig {
        let ipsec = &self.router.ipsec;
        let first = outside.first();
        DataConfig {
            df_bit: ipsec.df_bit.unwrap_or_default(),
            interface_df_bit: first.and_then(|interface| interface.df_bit),
            pre_fragmentation: ipsec.pre_fragmentation.unwrap_or(true),
            interface_pre_fragmentation: first.and_then(|interface| interface.pre_fragmentation),
            tunnel_interface: tunnel_mtu
                .map(|mtu| mtu.map_or_else(TunnelInterface::default, |ip_mtu| TunnelInterface { ip_mtu })),
            replay_window: ipsec.settings.replay.unwrap_or_default(),
            sequence_spaces: ipsec.multi_sn,
            queues: self.queues(outside),
            policies: std::mem::take(&mut self.policies),
            ..DataConfig::default()
        }
    }

    /// The sequence number space of each DSCP: each class of the outside's policy has a queue of its own.
    fn queues(&mut self, outside: &[&Interface]) -> BTreeMap<u8, u8> {
        let mut queues = BTreeMap::new();
        for interface in outside {
            let Some(named) = &interface.service_policy_out else { continue };
            let Some(policy) = self.router.qos.policy_maps.get(&named.name) else {
                self.missing(named.line, format!("policy map {} is not defined", named.name));
                continue;
            };
            let classes = policy.classes.iter().filter(|class| class.name != "class-default");
            for (class, space) in classes.take(CLASS_SPACES).zip(1u8..) {
                let Some(map) = self.router.qos.class_maps.get(&class.name) else {
                    self.missing(class.line, format!("class map {} is not defined", class.name));
                    continue;
                };
                let sets: Vec<Option<Vec<u8>>> = map.matches.iter().map(code_points).collect();
                if sets.iter().any(Option::is_none) {
                    let reason = "is matched by more than precedence and DSCP: its packets go to number space 0";
                    self.note(map.line, format!("class {} {reason}", class.name));
                    continue;
                }
                let sets: Vec<Vec<u8>> = sets.into_iter().flatten().collect();
                let within = |code_point: &u8| match map.any {
                    true => sets.iter().any(|set| set.contains(code_point)),
                    false => !sets.is_empty() && sets.iter().all(|set| set.contains(code_point)),
                };
                for code_point in (0..64).filter(within) {
                    // The first class that fits takes the packet.
                    queues.entry(code_point).or_insert(space);
                }
            }
        }
        queues
    }

    /// What stands in the configuration and has no counterpart in a gateway of one outside.
    fn note_the_rest(&mut self, outside: &[&Interface]) {
        let router = self.router;
        self.note(
            0,
            "traffic from the inside that no access list permits is dropped here; a router sends it in the clear",
        );
        for route in &router.routes {
            self.note(route.line, format!("route {}: all protected traffic leaves by the outside", route.net));
        }
        for interface in &router.interfaces {
            for group in &interface.access_groups {
                self.note(group.line, format!("packet filter {} of {}", group.name, interface.name));
            }
            let policies = [&interface.service_policy_in, &interface.service_policy_out].into_iter().flatten();
            for policy in policies {
                let reason = "nothing is queued here; classes only choose number spaces (multi-sn)";
                self.note(policy.line, format!("service policy {} of {}: {reason}", policy.name, interface.name));
            }
            if interface.qos_pre_classify {
                self.note(interface.line, format!("qos pre-classify of {}: nothing is queued here", interface.name));
            }
            if interface.learned_address {
                self.note(interface.line, format!("{} learns its address: it has none here", interface.name));
            }
            if !interface.eui64.is_empty() {
                let reason = "an address by eui-64 needs a hardware address: it has none here";
                self.note(interface.line, format!("{}: {reason}", interface.name));
            }
            let mapped = interface.crypto_map.is_some() || interface.ipv6_crypto_map.is_some();
            if mapped && !interface.shutdown && !outside.iter().any(|other| other.name == interface.name) {
                self.note(
                    interface.line,
                    format!("{}: a gateway has one outside, and this is another", interface.name),
                );
            }
        }
        for group in &router.qos.llq_groups {
            self.note(0, format!("platform ipsec llq qos-group {group}: nothing is queued here"));
        }
    }
}

/// The outside interfaces.
fn outsides<'r>(router: &'r Router, name: Option<&str>) -> Result<Vec<&'r Interface>, Fault> {
    let mapped = |interface: &&Interface| interface.crypto_map.is_some() || interface.ipv6_crypto_map.is_some();
    let mut all: Vec<&Interface> = router.interfaces.iter().filter(mapped).collect();
    for tunnel in protected_tunnels(router) {
        if let Some(source) = source_of(router, tunnel)
            && !all.iter().any(|interface| interface.name == source.name)
        {
            all.push(source);
        }
    }
    all.retain(|interface| !interface.shutdown);
    if let Some(name) = name {
        let known: Vec<_> = all.iter().map(|interface| interface.name.clone()).collect();
        all.retain(|interface| interface.name.eq_ignore_ascii_case(name));
        if all.is_empty() {
            let known =
                if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) };
            return Err(Fault::at_line(1, format_args!("no interface {name} with a crypto map or tunnel: {known}")));
        }
    }
    let Some(first) = all.first() else {
        let tunnel = protected_tunnels(router).next();
        return Err(match tunnel {
            Some(tunnel) => Fault::at_line(
                tunnel.line,
                format_args!("the source of {} is no interface with an address: configure that too", tunnel.name),
            ),
            None => Fault::at_line(
                1,
                "no interface that is up has a crypto map, and no tunnel is protected: add `crypto map NAME` to one",
            ),
        });
    };
    let differs =
        |other: &&&Interface| (other.df_bit, other.pre_fragmentation) != (first.df_bit, first.pre_fragmentation);
    if let Some(other) = all.iter().find(differs) {
        return Err(Fault::at_line(
            other.line,
            format_args!(
                "{} and {} differ in df-bit or fragmentation, and a gateway has one outside: choose one of them",
                first.name, other.name
            ),
        ));
    }
    Ok(all)
}

/// Tunnel interfaces that are protected and up.
fn protected_tunnels(router: &Router) -> impl Iterator<Item = &Interface> {
    router.interfaces.iter().filter(|interface| interface.tunnel.protection.is_some() && !interface.shutdown)
}

/// The interface that a tunnel starts from, if it has an address.
fn source_of<'r>(router: &'r Router, tunnel: &Interface) -> Option<&'r Interface> {
    let source = tunnel.tunnel.source.as_ref()?;
    router.interfaces.iter().find(|interface| match source.name.parse::<IpAddr>() {
        Ok(address) => addresses(interface).any(|own| own == address),
        Err(_) => interface.name == source.name && !interface.addresses.is_empty(),
    })
}

/// The inside interfaces: all others that are up and have an address.
fn insides<'r>(router: &'r Router, outside: &[&Interface]) -> Vec<&'r Interface> {
    let inside = |interface: &&Interface| {
        let mapped = interface.crypto_map.is_some() || interface.ipv6_crypto_map.is_some();
        let tunnel = interface.name.starts_with("Tunnel");
        let other = !outside.iter().any(|outside| outside.name == interface.name);
        other && !mapped && !tunnel && !interface.shutdown && !interface.addresses.is_empty()
    };
    router.interfaces.iter().filter(inside).collect()
}

fn addresses(interface: &Interface) -> impl Iterator<Item = IpAddr> {
    interface.addresses.iter().map(ipnet::IpNet::addr)
}

/// The longest packet of an interface, where it says so.
fn mtu(interface: &Interface) -> Option<usize> {
    [interface.mtu, interface.ip_mtu, interface.ipv6_mtu].into_iter().flatten().min().map(usize_of)
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}

/// A transform set in the words of proposals.
fn transform_set(name: &str, transforms: &Transforms) -> Option<TransformSet> {
    let ah = transforms.ah.map(|integrity| integrity.parse::<EspProposal>());
    let esp = transforms.cipher.map(|cipher| {
        let combined = cipher.contains("gcm") || cipher.contains("gmac");
        match transforms.integrity {
            Some(integrity) => format!("{cipher}-{integrity}").parse(),
            None if combined => cipher.parse(),
            // ESP without integrity: AH has to protect it, or nothing does.
            None => format!("{cipher}-integnone").parse(),
        }
    });
    let protocols: Vec<EspProposal> = [ah, esp].into_iter().flatten().collect::<Result<_, _>>().ok()?;
    let mut set = TransformSet::new(name, protocols);
    set.mode = if transforms.transport { Mode::Transport } else { Mode::Tunnel };
    (!set.protocols.is_empty()).then_some(set)
}

/// The selectors of an access list entry: own end first.
fn selectors(entry: &ListEntry, kind: ListKind) -> Result<(Selector, Selector), String> {
    if let Some(option) = entry.options.first() {
        return Err(format!("no traffic selector can say `{option}`"));
    }
    let ipv6 = kind == ListKind::Ipv6;
    let protocol = entry.protocol.unwrap_or(0);
    Ok((selector(entry.source, protocol, ipv6)?, selector(entry.destination, protocol, ipv6)?))
}

fn selector(end: End, protocol: u8, ipv6: bool) -> Result<Selector, String> {
    let net = match end.addresses {
        Match::Any if ipv6 => ipnet::Ipv6Net::default().into(),
        Match::Any => ipnet::Ipv4Net::default().into(),
        Match::Net(net) => net,
        Match::Wildcard(address, wildcard) => {
            return Err(format!("no traffic selector can say {address} {wildcard}, whose wildcard mask has gaps"));
        }
    };
    let mut selector = Selector::net(net);
    selector.protocol = protocol;
    match end.ports {
        None => {}
        // Quick mode names one port (RFC 2407 section 4.6.2).
        Some(Ports::Range(first, last)) if first == last => selector.ports = (first, last),
        Some(_) => return Err("quick mode names one port or all".to_owned()),
    }
    Ok(selector)
}

/// The same for a policy.
fn traffic(selector: &Selector) -> Option<crate::ipsec::selector::TrafficSelector> {
    match selector.addresses {
        Addresses::Range(start, end) => {
            crate::ipsec::selector::TrafficSelector::from_wire(start, end, selector.protocol, selector.ports)
        }
        Addresses::Host => None,
    }
}

/// The DSCPs that a condition fits; `None` if it looks at something else.
fn code_points(condition: &ClassMatch) -> Option<Vec<u8>> {
    match condition {
        ClassMatch::Precedence(values) => Some((0..64).filter(|dscp| values.contains(&(dscp >> 3))).collect()),
        ClassMatch::Dscp(values) => Some(values.clone()),
        ClassMatch::Any => Some((0..64).collect()),
        ClassMatch::QosGroup(_) | ClassMatch::AccessGroup(_) | ClassMatch::Other(_) => None,
    }
}
