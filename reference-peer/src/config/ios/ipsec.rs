//! `crypto ipsec`, `crypto map` and `crypto dynamic-map`.

use super::ast::{CryptoMap, Ipsec, IpsecProfile, MapEntry, MapPeer, Named, PeerPlace, Router, SaSettings, Transforms};
use super::isakmp::{group, key_bits};
use super::words::{Fault, Words};
use super::{Done, Mode};
use crate::config::Window;
use crate::ipsec::sa::DfBit;
use crypto::{Group, KeyBits};

type Result<T> = std::result::Result<T, Fault>;

/// Window sizes that the guide's command takes: 64, 128, 256, 512, 1024.
const WINDOWS: [u32; 5] = [64, 128, 256, 512, 1024];

/// `crypto ipsec ...`, from the third word on.
pub(super) fn global(words: &mut Words<'_, '_>, no: bool, router: &mut Router) -> Result<Done> {
    #[derive(Clone, Copy)]
    enum Command {
        TransformSet,
        Profile,
        DfBit,
        Fragmentation,
        SecurityAssociation,
        NatTransparency,
    }
    const COMMANDS: &[(&str, Command)] = &[
        ("transform-set", Command::TransformSet),
        ("profile", Command::Profile),
        ("df-bit", Command::DfBit),
        ("fragmentation", Command::Fragmentation),
        ("security-association", Command::SecurityAssociation),
        ("nat-transparency", Command::NatTransparency),
    ];
    let line = words.line();
    let ipsec = &mut router.ipsec;
    match words.keyword(COMMANDS)? {
        Command::NatTransparency => {
            words.keyword(&[("udp-encapsulation", ())])?;
            words.end()?;
            ipsec.nat_transparency_off = no;
        }
        Command::SecurityAssociation if no => no_settings(words, ipsec)?,
        _ if no => return Err(words.fault_before("only what is set is written: leave the line out")),
        Command::TransformSet => {
            let name = words.word("the name of the transform set")?.to_owned();
            let transforms = transforms(words)?;
            words.end()?;
            ipsec.transform_sets.insert(name.clone(), transforms);
            return Ok(Done::Enter(Mode::TransformSet(name)));
        }
        Command::Profile => {
            let name = words.word("the name of the profile")?.to_owned();
            words.end()?;
            ipsec.profiles.entry(name.clone()).or_insert_with(|| IpsecProfile { line, ..IpsecProfile::default() });
            return Ok(Done::Enter(Mode::IpsecProfile(name)));
        }
        Command::DfBit => {
            let df_bit = df_bit(words)?;
            words.end()?;
            ipsec.df_bit = Some(df_bit);
        }
        Command::Fragmentation => {
            let before = fragmentation(words)?;
            words.end()?;
            ipsec.pre_fragmentation = Some(before);
        }
        Command::SecurityAssociation if words.take("multi-sn") => {
            words.end()?;
            ipsec.multi_sn = true;
        }
        Command::SecurityAssociation => settings(words, &mut ipsec.settings)?,
    }
    Ok(Done::Understood)
}

fn no_settings(words: &mut Words<'_, '_>, ipsec: &mut Ipsec) -> Result<()> {
    const WHAT: &[(&str, u8)] = &[("multi-sn", 0), ("replay", 1), ("idle-time", 2), ("lifetime", 3)];
    let what = words.keyword(WHAT)?;
    words.skip();
    match what {
        0 => ipsec.multi_sn = false,
        1 => ipsec.settings.replay = None,
        2 => ipsec.settings.idle_time = None,
        _ => (ipsec.settings.lifetime_seconds, ipsec.settings.lifetime_kilobytes) = (None, None),
    }
    Ok(())
}

/// `clear`, `set` or `copy`.
pub(super) fn df_bit(words: &mut Words<'_, '_>) -> Result<DfBit> {
    words.keyword(&[("clear", DfBit::Clear), ("set", DfBit::Set), ("copy", DfBit::Copy)])
}

/// `before-encryption` or `after-encryption`.
pub(super) fn fragmentation(words: &mut Words<'_, '_>) -> Result<bool> {
    words.keyword(&[("before-encryption", true), ("after-encryption", false)])
}

/// The algorithms of a transform set.
fn transforms(words: &mut Words<'_, '_>) -> Result<Transforms> {
    #[derive(Clone, Copy)]
    enum Transform {
        Ah(&'static str),
        Cipher(&'static str),
        Sized([&'static str; 3]),
        Integrity(&'static str),
        Compression,
        Unknown,
    }
    const TRANSFORMS: &[(&str, Transform)] = &[
        ("ah-md5-hmac", Transform::Ah("md5")),
        ("ah-sha-hmac", Transform::Ah("sha1")),
        ("ah-sha256-hmac", Transform::Ah("sha256")),
        ("ah-sha384-hmac", Transform::Ah("sha384")),
        ("ah-sha512-hmac", Transform::Ah("sha512")),
        ("esp-des", Transform::Cipher("des")),
        ("esp-3des", Transform::Cipher("3des")),
        ("esp-null", Transform::Cipher("null")),
        ("esp-aes", Transform::Sized(["aes128", "aes192", "aes256"])),
        ("esp-gcm", Transform::Sized(["aes128gcm16", "aes192gcm16", "aes256gcm16"])),
        ("esp-gmac", Transform::Sized(["aes128gmac", "aes192gmac", "aes256gmac"])),
        ("esp-md5-hmac", Transform::Integrity("md5")),
        ("esp-sha-hmac", Transform::Integrity("sha1")),
        ("esp-sha256-hmac", Transform::Integrity("sha256")),
        ("esp-sha384-hmac", Transform::Integrity("sha384")),
        ("esp-sha512-hmac", Transform::Integrity("sha512")),
        ("comp-lzs", Transform::Compression),
        ("esp-seal", Transform::Unknown),
    ];
    let line = words.line();
    let mut set = Transforms { line, ah: None, cipher: None, integrity: None, compression: false, transport: false };
    let mut any = false;
    while words.more() || !any {
        let transform = words.keyword(TRANSFORMS)?;
        any = true;
        let slot = match transform {
            Transform::Ah(word) => Some((&mut set.ah, word)),
            Transform::Cipher(word) => Some((&mut set.cipher, word)),
            Transform::Integrity(word) => Some((&mut set.integrity, word)),
            Transform::Sized(sizes) => {
                let index = match key_bits(words)? {
                    KeyBits::B128 => 0,
                    KeyBits::B192 => 1,
                    KeyBits::B256 => 2,
                };
                sizes.get(index).map(|word| (&mut set.cipher, *word))
            }
            Transform::Compression => {
                set.compression = true;
                None
            }
            Transform::Unknown => return Err(words.fault_before("SEAL is not among the ciphers here")),
        };
        if let Some((slot, word)) = slot
            && slot.replace(word).is_some()
        {
            return Err(words.fault_before("a transform set has one transform of a kind: leave out the other one"));
        }
    }
    let combined = set.cipher.is_some_and(|cipher| cipher.contains("gcm") || cipher.contains("gmac"));
    if set.integrity.is_some() && set.cipher.is_none() {
        return Err(words.fault_before("ESP needs a cipher: add esp-null for none"));
    }
    if set.integrity.is_some() && combined {
        return Err(words.fault_before("this cipher has its own integrity check: leave out the other one"));
    }
    if set.cipher == Some("null") && set.integrity.is_none() {
        return Err(words.fault_before("esp-null needs an integrity algorithm, such as esp-sha-hmac"));
    }
    Ok(set)
}

/// A line below `crypto ipsec transform-set`.
pub(super) fn transform_set(words: &mut Words<'_, '_>, set: &mut Transforms) -> Result<Done> {
    if words.choice(&[("mode", ())])?.is_none() {
        return Ok(Done::Unknown);
    }
    let transport = words.keyword(&[("tunnel", false), ("transport", true)])?;
    // `require`: nothing else is accepted, as always here.
    words.take("require");
    words.end()?;
    set.transport = transport;
    Ok(Done::Understood)
}

/// What follows `security-association`, for all SAs or in a crypto map entry or profile.
fn settings(words: &mut Words<'_, '_>, settings: &mut SaSettings) -> Result<()> {
    #[derive(Clone, Copy)]
    enum What {
        Replay,
        IdleTime,
        Lifetime,
        Level,
        DfBit,
    }
    const WHAT: &[(&str, What)] = &[
        ("replay", What::Replay),
        ("idle-time", What::IdleTime),
        ("lifetime", What::Lifetime),
        ("level", What::Level),
        ("dfbit", What::DfBit),
    ];
    match words.keyword(WHAT)? {
        What::Replay => {
            let replay = if words.keyword(&[("window-size", true), ("disable", false)])? {
                let sized = words.more();
                let expected = "a window of 64, 128, 256, 512 or 1024 packets";
                let read = |word: &str| word.parse().ok().filter(|size| WINDOWS.contains(size));
                Window::Packets(if sized { words.parse(expected, read)? } else { 64 })
            } else {
                Window::Off
            };
            words.end()?;
            settings.replay = Some(replay);
        }
        What::IdleTime => {
            let seconds = words.number("seconds", 60, 86_400)?;
            let default = words.take("default");
            words.end()?;
            (settings.idle_time, settings.idle_default_peer) = (Some(seconds), default);
        }
        What::Lifetime => match words.keyword(&[("seconds", 0), ("kilobytes", 1), ("days", 2)])? {
            0 => {
                let seconds = words.number("seconds", 120, 2_592_000)?;
                words.end()?;
                settings.lifetime_seconds = Some(seconds);
            }
            1 => {
                let kilobytes = match words.take("disable") {
                    true => None,
                    false => Some(words.number("kilobytes", 2560, 4_294_967_295)?),
                };
                words.end()?;
                settings.lifetime_kilobytes = Some(kilobytes);
            }
            _ => {
                let days = words.number("days", 1, 30)?;
                words.end()?;
                settings.lifetime_seconds = Some(days.saturating_mul(86_400));
            }
        },
        What::Level => {
            words.keyword(&[("per-host", ())])?;
            words.end()?;
            settings.per_host = true;
        }
        What::DfBit => {
            let df_bit = df_bit(words)?;
            words.end()?;
            settings.df_bit = Some(df_bit);
        }
    }
    Ok(())
}

/// `crypto map ...` in global configuration, from the third word on.
pub(super) fn map(words: &mut Words<'_, '_>, router: &mut Router) -> Result<Done> {
    let line = words.line();
    let ipv6 = words.take("ipv6");
    let name = words.word("the name of the crypto map")?.to_owned();
    let numbered = words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    if !numbered {
        const WHAT: &[(&str, u8)] = &[("local-address", 0), ("isakmp-profile", 1)];
        let profile = words.keyword(WHAT).map_err(|mut fault| {
            fault.message.push_str(", or the number of an entry");
            fault
        })? == 1;
        let value =
            if profile { words.word("the name of a profile")?.to_owned() } else { super::interface::name(words)? };
        words.end()?;
        let map = router.maps.entry(name).or_default();
        map.ipv6 |= ipv6;
        *(if profile { &mut map.isakmp_profile } else { &mut map.local_address }) = Some(value);
        return Ok(Done::Understood);
    }
    let sequence = words.number("the number of an entry", 1, 65_535)?;
    let mut dynamic = None;
    if words.more() && words.keyword(&[("ipsec-isakmp", false), ("ipsec-manual", true)])? {
        return Err(
            words.fault_before("SAs with manual keys are not read from here: put them under `manual` in a profile")
        );
    }
    let mut isakmp_profile = None;
    while words.more() {
        match words.keyword(&[("dynamic", 0), ("profile", 1), ("discover", 2)])? {
            0 => dynamic = Some(words.word("the name of a dynamic map")?.to_owned()),
            1 => isakmp_profile = Some(words.word("the name of a profile")?.to_owned()),
            _ => return Err(words.fault_before("peers are not discovered here: name them by set peer")),
        }
    }
    words.end()?;
    let map: &mut CryptoMap = router.maps.entry(name.clone()).or_default();
    map.ipv6 |= ipv6;
    let entry = map.entries.entry(sequence).or_insert_with(|| MapEntry { line, ..MapEntry::default() });
    entry.dynamic = dynamic.or(entry.dynamic.take());
    entry.set.isakmp_profile = isakmp_profile.or(entry.set.isakmp_profile.take());
    Ok(Done::Enter(Mode::Map(name, sequence)))
}

/// `crypto dynamic-map ...`, from the third word on.
pub(super) fn dynamic_map(words: &mut Words<'_, '_>, router: &mut Router) -> Result<Done> {
    let line = words.line();
    let name = words.word("the name of the dynamic map")?.to_owned();
    let sequence = words.number("the number of an entry", 1, 65_535)?;
    words.end()?;
    let entries = router.dynamic_maps.entry(name.clone()).or_default();
    entries.entry(sequence).or_insert_with(|| MapEntry { line, ..MapEntry::default() });
    Ok(Done::Enter(Mode::DynamicMap(name, sequence)))
}

/// A line of an IPsec profile: `set ...`.
pub(super) fn profile(words: &mut Words<'_, '_>, profile: &mut IpsecProfile) -> Result<Done> {
    match words.choice(&[("set", true), ("description", false)])? {
        None => Ok(Done::Unknown),
        Some(false) => Ok(Done::Text),
        Some(true) => set(words, profile, None),
    }
}

/// A line of a crypto map entry.
pub(super) fn entry(words: &mut Words<'_, '_>, entry: &mut MapEntry) -> Result<Done> {
    const LINES: &[(&str, u8)] = &[("set", 0), ("match", 1), ("qos", 2), ("description", 3), ("reverse-route", 4)];
    let line = words.line();
    match words.choice(LINES)? {
        None => return Ok(Done::Unknown),
        Some(0) => return set(words, &mut entry.set, Some(&mut entry.peers)),
        Some(1) => {
            words.keyword(&[("address", ())])?;
            words.take("ipv6");
            let name = words.word("the number or name of an access list")?.to_owned();
            words.end()?;
            entry.access_list = Some(Named { line, name });
        }
        Some(2) => {
            words.keyword(&[("pre-classify", ())])?;
            words.end()?;
            entry.qos_pre_classify = true;
        }
        Some(3) => return Ok(Done::Text),
        Some(_) => return Ok(Done::Irrelevant),
    }
    Ok(Done::Understood)
}

fn set(words: &mut Words<'_, '_>, set: &mut IpsecProfile, peers: Option<&mut Vec<MapPeer>>) -> Result<Done> {
    #[derive(Clone, Copy)]
    enum What {
        Peer,
        TransformSet,
        Pfs,
        SecurityAssociation,
        IsakmpProfile,
    }
    const WHAT: &[(&str, What)] = &[
        ("transform-set", What::TransformSet),
        ("pfs", What::Pfs),
        ("security-association", What::SecurityAssociation),
        ("isakmp-profile", What::IsakmpProfile),
        ("peer", What::Peer),
    ];
    let line = words.line();
    match words.keyword(if peers.is_some() { WHAT } else { WHAT.get(..4).unwrap_or(WHAT) })? {
        What::Peer => {
            // The guide's chapter 9 writes `set peer address A`.
            words.take("address");
            let place = peer(words)?;
            words.take("dynamic");
            let default = words.take("default");
            words.end()?;
            if let Some(peers) = peers {
                peers.push(MapPeer { line, place, default });
            }
        }
        What::TransformSet => {
            let mut names = vec![words.word("the name of a transform set")?.to_owned()];
            while words.more() {
                names.push(words.word("the name of a transform set")?.to_owned());
            }
            if names.len() > 6 {
                return Err(words.fault_before("there can be six transform sets at most"));
            }
            set.transform_sets.extend(names);
        }
        What::Pfs => {
            let group = if words.more() { group(words)? } else { Group::Modp768 };
            words.end()?;
            set.pfs = Some(group);
        }
        What::SecurityAssociation => settings(words, &mut set.settings)?,
        What::IsakmpProfile => {
            let name = words.word("the name of a profile")?.to_owned();
            words.end()?;
            set.isakmp_profile = Some(name);
        }
    }
    Ok(Done::Understood)
}

/// A peer: an address, perhaps with the length of a prefix as in the guide's chapter 9, or a name.
pub(super) fn peer(words: &mut Words<'_, '_>) -> Result<PeerPlace> {
    words.parse("the address or name of the peer", |word| {
        let address = word.split_once('/').map_or(word, |(address, _)| address);
        let named = word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.contains(['/', ':']);
        let host = || named.then(|| PeerPlace::Host(word.to_owned()));
        address.parse().ok().map(PeerPlace::Address).or_else(host)
    })
}
