//! `crypto isakmp` and `crypto keyring`.

use super::ast::{
    Authentication, IsakmpPeer, IsakmpProfile, Keepalive, Key, Keyring, MatchIdentity, Owner, Policy, Router,
    SelfIdentity,
};
use super::words::{Fault, Words};
use super::{Done, Mode};
use crate::config::Secret;
use crypto::{Encryption, Group, Hash, KeyBits};
use ipnet::IpNet;

type Result<T> = std::result::Result<T, Fault>;

impl Policy {
    /// The guide's defaults of a policy that says nothing.
    fn new(line: u32) -> Self {
        Self {
            line,
            encryption: Encryption::Des,
            hash: Hash::Sha1,
            authentication: Authentication::RsaSignatures,
            group: Group::Modp768,
            lifetime: 86_400,
        }
    }
}

#[derive(Clone, Copy)]
enum Command {
    Policy,
    Key,
    Profile,
    Peer,
    Keepalive,
    Nat,
    InvalidSpiRecovery,
    Identity,
    AggressiveMode,
    Enable,
    Fragmentation,
    NoConfiguration,
}

const COMMANDS: &[(&str, Command)] = &[
    ("policy", Command::Policy),
    ("key", Command::Key),
    ("profile", Command::Profile),
    ("peer", Command::Peer),
    ("keepalive", Command::Keepalive),
    ("nat", Command::Nat),
    ("invalid-spi-recovery", Command::InvalidSpiRecovery),
    ("identity", Command::Identity),
    ("aggressive-mode", Command::AggressiveMode),
    ("enable", Command::Enable),
    ("fragmentation", Command::Fragmentation),
    ("diagnose", Command::NoConfiguration),
    ("default", Command::NoConfiguration),
];

/// `crypto isakmp ...`, from the third word on.
pub(super) fn global(words: &mut Words<'_, '_>, no: bool, router: &mut Router) -> Result<Done> {
    let line = words.line();
    let command = words.keyword(COMMANDS)?;
    let isakmp = &mut router.isakmp;
    if no {
        words.skip();
        match command {
            Command::Keepalive => isakmp.keepalive = None,
            Command::Nat => isakmp.nat_keepalive = None,
            Command::InvalidSpiRecovery => isakmp.invalid_spi_recovery = false,
            Command::Enable => isakmp.disabled = true,
            Command::AggressiveMode => isakmp.aggressive_mode_disabled = false,
            Command::Fragmentation => isakmp.fragmentation = false,
            Command::NoConfiguration => return Ok(Done::Irrelevant),
            Command::Identity => isakmp.identity = SelfIdentity::Address,
            Command::Policy | Command::Key | Command::Profile | Command::Peer => {
                return Err(words.fault("a running-config does not take back what it says: leave out both lines"));
            }
        }
        return Ok(Done::Understood);
    }
    match command {
        Command::Policy => {
            let priority = words.number("a priority", 1, 10_000)?;
            words.end()?;
            let priority = u16::try_from(priority).unwrap_or(u16::MAX);
            isakmp.policies.entry(priority).or_insert_with(|| Policy::new(line));
            return Ok(Done::Enter(Mode::Policy(priority)));
        }
        Command::Key => {
            let secret = secret(words, "key")?;
            let owner = match words.keyword(&[("address", Family::Any), ("hostname", Family::Host), ("ipv6", V6)])? {
                Family::Any if words.take("ipv6") => Owner::Net(words.ipv6_net("the peer's address")?.trunc()),
                Family::Any => Owner::Net(ipv4_with_mask(words)?),
                Family::V6 => Owner::Net(words.ipv6_net("the peer's address")?.trunc()),
                Family::Host => Owner::Host(words.word("the peer's name")?.to_owned()),
            };
            let no_xauth = words.take("no-xauth");
            words.end()?;
            isakmp.keys.push(Key { line, owner, secret, no_xauth });
        }
        Command::Profile => {
            let name = words.word("the name of the profile")?.to_owned();
            if words.take("accounting") {
                words.word("a list")?;
            }
            words.end()?;
            isakmp.profiles.entry(name.clone()).or_insert_with(|| IsakmpProfile { line, ..IsakmpProfile::default() });
            return Ok(Done::Enter(Mode::IsakmpProfile(name)));
        }
        Command::Peer => {
            let owner = match words.keyword(&[("address", Family::Any), ("hostname", Family::Host)])? {
                Family::Any if words.take("ipv6") => Owner::Net(words.ipv6_net("the peer's address")?.trunc()),
                Family::Host => Owner::Host(words.word("the peer's name")?.to_owned()),
                _ => Owner::Net(words.address("the peer's address")?.into()),
            };
            words.end()?;
            isakmp.peers.push(IsakmpPeer { line, owner, password: None, client_endpoint: None });
            return Ok(Done::Enter(Mode::IsakmpPeer));
        }
        Command::Keepalive => {
            let keepalive = keepalive(words)?;
            words.end()?;
            isakmp.keepalive = Some(keepalive);
        }
        Command::Nat => {
            words.keyword(&[("keepalive", ())])?;
            let seconds = words.number("seconds", 5, 3600)?;
            words.end()?;
            isakmp.nat_keepalive = Some(seconds);
        }
        Command::InvalidSpiRecovery => {
            words.end()?;
            isakmp.invalid_spi_recovery = true;
        }
        Command::Identity => {
            let identity = words.keyword(&[("address", 0), ("hostname", 1), ("dn", 2)])?;
            words.end()?;
            isakmp.identity = match identity {
                0 => SelfIdentity::Address,
                1 => SelfIdentity::Hostname,
                _ => SelfIdentity::DistinguishedName,
            };
        }
        Command::AggressiveMode => {
            words.keyword(&[("disable", ())])?;
            words.end()?;
            isakmp.aggressive_mode_disabled = true;
        }
        Command::Enable => {
            words.end()?;
            isakmp.disabled = false;
        }
        Command::Fragmentation => {
            words.end()?;
            isakmp.fragmentation = true;
        }
        Command::NoConfiguration => return Ok(Done::Irrelevant),
    }
    Ok(Done::Understood)
}

#[derive(Clone, Copy)]
enum Family {
    Any,
    V6,
    Host,
}
use Family::V6;

/// A key, with or without its type before it.
fn secret(words: &mut Words<'_, '_>, expected: &str) -> Result<Secret> {
    const OWNER: [&str; 3] = ["address", "hostname", "ipv6"];
    let typed = matches!(words.peek(), Some("0" | "6" | "7"))
        && words.peek_second().is_some_and(|next| !OWNER.contains(&next) || words.peek_third_is(&OWNER));
    if typed {
        let encryption = words.word("the type of the key")?;
        if encryption != "0" {
            return Err(words.fault_before(format_args!(
                "the key is encrypted (type {encryption}) and only the router itself can read it: write `0` and the key \
                 in the clear"
            )));
        }
    }
    Ok(Secret::new(words.secret(expected)?))
}

/// An address of IPv4 and perhaps a mask.
fn ipv4_with_mask(words: &mut Words<'_, '_>) -> Result<IpNet> {
    let address = words.ipv4("the peer's address")?;
    let prefix = if words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        words.mask()?
    } else {
        32
    };
    // 0.0.0.0 without a mask is everybody.
    let prefix = if address.is_unspecified() { 0 } else { prefix };
    let net = ipnet::Ipv4Net::new(address, prefix).map_err(|error| words.fault_before(error))?;
    Ok(IpNet::V4(net.trunc()))
}

/// `SECONDS [RETRIES] [periodic | on-demand]`.
fn keepalive(words: &mut Words<'_, '_>) -> Result<Keepalive> {
    let line = words.line();
    let seconds = words.number("seconds of silence", 10, 3600)?;
    let number = words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let retry = if number { words.number("seconds between retries", 2, 60)? } else { 2 };
    let periodic = words.choice(&[("periodic", true), ("on-demand", false)])?.unwrap_or(false);
    Ok(Keepalive { line, seconds, retry, periodic })
}

/// A line of `crypto isakmp policy`.
pub(super) fn policy(words: &mut Words<'_, '_>, policy: &mut Policy) -> Result<Done> {
    #[derive(Clone, Copy)]
    enum Line {
        Encryption,
        Hash,
        Authentication,
        Group,
        Lifetime,
    }
    const LINES: &[(&str, Line)] = &[
        ("encryption", Line::Encryption),
        ("hash", Line::Hash),
        ("authentication", Line::Authentication),
        ("group", Line::Group),
        ("lifetime", Line::Lifetime),
    ];
    let Some(line) = words.choice(LINES)? else { return Ok(Done::Unknown) };
    match line {
        Line::Encryption => {
            let encryption = match words.keyword(&[("des", 1), ("3des", 3), ("aes", 0)])? {
                1 => Encryption::Des,
                3 => Encryption::TripleDes,
                _ => Encryption::AesCbc(key_bits(words)?),
            };
            words.end()?;
            policy.encryption = encryption;
        }
        Line::Hash => {
            const HASHES: &[(&str, Hash)] = &[
                ("sha", Hash::Sha1),
                ("md5", Hash::Md5),
                ("sha256", Hash::Sha256),
                ("sha384", Hash::Sha384),
                ("sha512", Hash::Sha512),
            ];
            let hash = words.keyword(HASHES)?;
            words.end()?;
            policy.hash = hash;
        }
        Line::Authentication => {
            const METHODS: &[(&str, Authentication)] = &[
                ("pre-share", Authentication::PreShared),
                ("rsa-sig", Authentication::RsaSignatures),
                ("rsa-encr", Authentication::RsaEncryption),
            ];
            let method = words.keyword(METHODS)?;
            words.end()?;
            policy.authentication = method;
        }
        Line::Group => {
            let group = group(words)?;
            words.end()?;
            policy.group = group;
        }
        Line::Lifetime => {
            let lifetime = words.number("seconds", 60, 86_400)?;
            words.end()?;
            policy.lifetime = lifetime;
        }
    }
    Ok(Done::Understood)
}

/// A key size of AES, 128 bits if none is named.
pub(super) fn key_bits(words: &mut Words<'_, '_>) -> Result<KeyBits> {
    let bits = [("128", KeyBits::B128), ("192", KeyBits::B192), ("256", KeyBits::B256)];
    Ok(match words.peek() {
        Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) => words.keyword(&bits)?,
        _ => KeyBits::B128,
    })
}

/// The number of a Diffie-Hellman group, also as `group14`.
pub(super) fn group(words: &mut Words<'_, '_>) -> Result<Group> {
    let expected = "the number of a group: 1, 2, 5, 14 to 16, 19 to 21";
    words.parse(expected, |word| {
        let number = word.get(..5).filter(|start| start.eq_ignore_ascii_case("group")).map_or(word, |_| &word[5..]);
        Group::from_iana(number.parse().ok()?)
    })
}

/// A line of `crypto keyring`.
pub(super) fn keyring(words: &mut Words<'_, '_>, keyring: &mut Keyring) -> Result<Done> {
    let line = words.line();
    const LINES: &[(&str, u8)] = &[("pre-shared-key", 0), ("local-address", 1), ("description", 2)];
    let Some(command) = words.choice(LINES)? else { return Ok(Done::Unknown) };
    match command {
        0 => {
            let owner = match words.keyword(&[("address", Family::Any), ("hostname", Family::Host), ("ipv6", V6)])? {
                Family::Any if words.take("ipv6") => Owner::Net(words.ipv6_net("the peer's address")?.trunc()),
                Family::Any => Owner::Net(ipv4_with_mask(words)?),
                Family::V6 => Owner::Net(words.ipv6_net("the peer's address")?.trunc()),
                Family::Host => Owner::Host(words.word("the peer's name")?.to_owned()),
            };
            words.keyword(&[("key", ())])?;
            let secret = secret(words, "the key")?;
            words.end()?;
            keyring.keys.push(Key { line, owner, secret, no_xauth: false });
        }
        1 => {
            let local = super::interface::name_or_address(words)?;
            words.end()?;
            keyring.local_address = Some(local);
        }
        _ => return Ok(Done::Text),
    }
    Ok(Done::Understood)
}

/// A line of `crypto isakmp profile`.
pub(super) fn profile(words: &mut Words<'_, '_>, profile: &mut IsakmpProfile) -> Result<Done> {
    #[derive(Clone, Copy)]
    enum Line {
        Keyring,
        Match,
        SelfIdentity,
        Keepalive,
        Initiate,
        LocalAddress,
        Description,
    }
    const LINES: &[(&str, Line)] = &[
        ("keyring", Line::Keyring),
        ("match", Line::Match),
        ("self-identity", Line::SelfIdentity),
        ("keepalive", Line::Keepalive),
        ("initiate", Line::Initiate),
        ("local-address", Line::LocalAddress),
        ("description", Line::Description),
    ];
    let Some(line) = words.choice(LINES)? else { return Ok(Done::Unknown) };
    match line {
        Line::Keyring => {
            let name = words.word("the name of a keyring")?.to_owned();
            words.end()?;
            profile.keyrings.push(name);
        }
        Line::Match => {
            words.keyword(&[("identity", ())])?;
            let identity = match_identity(words)?;
            words.end()?;
            profile.identities.push(identity);
        }
        Line::SelfIdentity => {
            let identity = match words.keyword(&[("address", 0), ("fqdn", 1), ("user-fqdn", 2)])? {
                0 => {
                    words.take("ipv6");
                    SelfIdentity::Address
                }
                1 if words.more() => SelfIdentity::Fqdn(words.word("a name")?.to_owned()),
                1 => SelfIdentity::Hostname,
                _ => SelfIdentity::UserFqdn(words.word("a mailbox")?.to_owned()),
            };
            words.end()?;
            profile.self_identity = Some(identity);
        }
        Line::Keepalive => {
            let line = words.line();
            let seconds = words.number("seconds of silence", 10, 3600)?;
            words.keyword(&[("retry", ())])?;
            let retry = words.number("seconds between retries", 2, 60)?;
            words.end()?;
            profile.keepalive = Some(Keepalive { line, seconds, retry, periodic: true });
        }
        Line::Initiate => {
            words.keyword(&[("mode", ())])?;
            words.keyword(&[("aggressive", ())])?;
            words.end()?;
            profile.aggressive = true;
        }
        Line::LocalAddress => {
            let local = super::interface::name_or_address(words)?;
            words.end()?;
            profile.local_address = Some(local);
        }
        Line::Description => return Ok(Done::Text),
    }
    Ok(Done::Understood)
}

fn match_identity(words: &mut Words<'_, '_>) -> Result<MatchIdentity> {
    let name = |words: &mut Words<'_, '_>, expected: &str| words.word(expected).map(str::to_owned);
    Ok(match words.keyword(&[("address", 0), ("host", 1), ("user", 2), ("group", 3)])? {
        0 if words.take("ipv6") => MatchIdentity::Net(words.ipv6_net("the peer's address")?.trunc()),
        0 => MatchIdentity::Net(ipv4_with_mask(words)?),
        1 if words.take("domain") => MatchIdentity::HostDomain(name(words, "a domain")?),
        1 => MatchIdentity::Host(name(words, "a name")?),
        2 if words.take("domain") => MatchIdentity::UserDomain(name(words, "a domain")?),
        2 => MatchIdentity::User(name(words, "a mailbox")?),
        _ => MatchIdentity::Group(name(words, "the name of a group")?),
    })
}

/// A line of `crypto isakmp peer`.
pub(super) fn peer(words: &mut Words<'_, '_>, peer: &mut IsakmpPeer) -> Result<Done> {
    const LINES: &[(&str, bool)] = &[("set", true), ("description", false)];
    match words.choice(LINES)? {
        None => return Ok(Done::Unknown),
        Some(false) => return Ok(Done::Text),
        Some(true) => {}
    }
    words.keyword(&[("aggressive-mode", ())])?;
    if words.keyword(&[("password", true), ("client-endpoint", false)])? {
        let secret = secret(words, "the key")?;
        words.end()?;
        peer.password = Some(secret);
        return Ok(Done::Understood);
    }
    let identity = match words.choice(&[("ipv4-address", 0), ("fqdn", 1), ("user-fqdn", 2), ("ipv6", 3)])? {
        Some(0) => words.ipv4("an address")?.to_string(),
        Some(3) => words.ipv6_net("an address")?.addr().to_string(),
        _ => words.word("an address or name")?.to_owned(),
    };
    words.end()?;
    peer.client_endpoint = Some(identity);
    Ok(Done::Understood)
}
