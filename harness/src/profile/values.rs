//! Values of a profile that are more than a word or a number.

use crypto::Group;
use reference_peer::config::Algorithm;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use wire::ikev2::TransformType;

/// Reads a time with its unit: `500ms`, `10s`, `1.5 min`, `2 hours`, `1 day`.
///
/// # Errors
/// What is wrong, in words: a missing or unknown unit, not a number.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let value: f64 =
        number.parse().map_err(|_| format!("{text:?} is not a time: write a number and a unit, such as 10s"))?;
    let seconds = match unit.trim() {
        "ms" | "millisecond" | "milliseconds" => value / 1000.0,
        "s" | "second" | "seconds" => value,
        "m" | "min" | "minute" | "minutes" => value * 60.0,
        "h" | "hour" | "hours" => value * 3600.0,
        "d" | "day" | "days" => value * 86_400.0,
        "" => return Err(format!("{text:?} has no unit: write {text}s or {text}ms")),
        other => return Err(format!("{text:?}: unknown unit {other:?}: use ms, s, min, h or d")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{text:?}: {error}"))
}

/// Durations in profiles.
pub(super) mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse_duration};

    pub(in super::super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = duration.as_millis();
        if milliseconds.is_multiple_of(1000) {
            serializer.collect_str(&format_args!("{}s", milliseconds / 1000))
        } else {
            serializer.collect_str(&format_args!("{milliseconds}ms"))
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        // A bare number is read as text too, so that the message can say which unit is missing.
        parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A value that is written as one word.
pub(super) mod word {
    use super::{Deserialize, Deserializer, FromStr, Serializer, fmt};

    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A range of addresses, first and last included: `10.66.0.16/28`, `10.66.0.16-10.66.0.40` or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// How many addresses it has, saturating.
    pub fn len(&self) -> usize {
        let distance = number(self.last).saturating_sub(number(self.first));
        usize::try_from(distance).unwrap_or(usize::MAX).saturating_add(1)
    }

    /// Never: a range has at least one address.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Address number `index`, from 0.
    pub fn nth(&self, index: usize) -> Option<IpAddr> {
        if index >= self.len() {
            return None;
        }
        let wanted = number(self.first).checked_add(u128::try_from(index).ok()?)?;
        Some(match self.first {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(wanted).ok()?)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(wanted)),
        })
    }

    /// Is the address in the range?
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (number(self.first)..=number(self.last)).contains(&number(address))
    }

    /// All addresses in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        (0..self.len()).map_while(|index| self.nth(index))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| format!("{text:?} is not an address"));
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            if first.is_ipv4() != last.is_ipv4() || number(last) < number(first) {
                return Err(format!("{text:?} is not a range: the last address comes before the first"));
            }
            return Ok(Self { first, last });
        }
        if text.contains('/') {
            let network: ipnet::IpNet =
                text.trim().parse().map_err(|_| format!("{text:?} is not a range such as 10.66.0.16/28"))?;
            if network.addr() != network.network() {
                return Err(format!("{text:?} has host bits set: write {} or a range with a dash", network.trunc()));
            }
            return Ok(Self { first: network.network(), last: network.broadcast() });
        }
        let first = address(text)?;
        Ok(Self { first, last: first })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The address of a host with the length of its network's prefix: `10.66.0.1/16`, or the address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostAddress(ipnet::IpNet);

impl HostAddress {
    /// The address.
    pub fn address(&self) -> IpAddr {
        self.0.addr()
    }

    /// Length of the prefix, bits; all of them when none was given.
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The network that the address belongs to.
    pub fn network(&self) -> ipnet::IpNet {
        self.0.trunc()
    }
}

impl From<ipnet::IpNet> for HostAddress {
    fn from(network: ipnet::IpNet) -> Self {
        Self(network)
    }
}

impl FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = match text.contains('/') {
            true => text.parse().ok(),
            false => text.parse::<IpAddr>().ok().map(ipnet::IpNet::from),
        };
        network.map(Self).ok_or_else(|| format!("{text:?} is not an address such as 10.66.0.1 or 10.66.0.1/16"))
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl<'de> Deserialize<'de> for HostAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for HostAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A list of values that are written as words, such as proposals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words<T>(pub Vec<T>);

impl<T> Default for Words<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> std::ops::Deref for Words<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Words<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word<T>(T);
        impl<'de, T: FromStr> Deserialize<'de> for Word<T>
        where
            T::Err: fmt::Display,
        {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
            }
        }
        Ok(Self(Vec::<Word<T>>::deserialize(deserializer)?.into_iter().map(|word| word.0).collect()))
    }
}

impl<T: fmt::Display> Serialize for Words<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

/// A group for perfect forward secrecy in quick mode, by its word in proposals, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pfs(pub Option<Group>);

impl FromStr for Pfs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let algorithm = Algorithm::from_word(text).filter(|algorithm| algorithm.kind == TransformType::KE);
        let group = algorithm.and_then(|algorithm| Group::from_iana(algorithm.id));
        let known = group.ok_or_else(|| format!("{text:?} is not a group such as modp2048 or ecp256, nor none"))?;
        Ok(Self(Some(known)))
    }
}

impl fmt::Display for Pfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(group) => write!(f, "{}", Algorithm::new(TransformType::KE, group.id())),
            None => f.write_str("none"),
        }
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> std::ops::Deref for OneOrMany<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + FromStr> Deserialize<'de> for OneOrMany<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de> + FromStr> serde::de::Visitor<'de> for Visitor<T>
        where
            T::Err: fmt::Display,
        {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of values")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse()
                    .map(|value| OneOrMany(vec![value]))
                    .map_err(|error| E::custom(format!("{text:?}: {error}")))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = sequence.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMany(values))
            }
        }

        deserializer.deserialize_any(Visitor(std::marker::PhantomData))
    }
}

/// Size of a replay window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// No replay check.
    Off,
    /// So many packets.
    Packets(u32),
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // YAML 1.1 readers hand `off` over as a boolean.
        if text == "off" || text == "false" {
            return Ok(Self::Off);
        }
        match text.parse() {
            Ok(packets @ 1..) => Ok(Self::Packets(packets)),
            _ => Err(serde::de::Error::custom(format!("{text:?} is not a window: write a number of packets, or off"))),
        }
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Packets(packets) => serializer.serialize_u32(*packets),
        }
    }
}

/// A secret, taken from the environment or a file when the profile is read. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    octets: Vec<u8>,
    source: Source,
    /// Where it is written: line and column.
    position: (u64, u64),
}

/// Where a secret is taken from.
#[derive(Clone, PartialEq, Eq)]
enum Source {
    Env(String),
    File(PathBuf),
    Text(String),
}

impl Secret {
    /// No secret at all: that of a DUT without key exchange.
    pub(super) fn none() -> Self {
        Self { octets: Vec::new(), source: Source::Text(String::new()), position: (0, 0) }
    }

    /// The octets.
    pub fn expose(&self) -> &[u8] {
        &self.octets
    }

    /// Where it is taken from, in words.
    pub fn origin(&self) -> String {
        match &self.source {
            Source::Env(variable) => format!("environment variable {variable}"),
            Source::File(path) => format!("file {}", path.display()),
            Source::Text(_) => "the profile itself".to_owned(),
        }
    }

    pub(super) fn position(&self) -> (u64, u64) {
        self.position
    }

    /// Fetches the secret; relative paths begin at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), String> {
        self.octets = match &self.source {
            Source::Env(variable) => std::env::var_os(variable)
                .map(std::ffi::OsString::into_encoded_bytes)
                .ok_or_else(|| format!("the environment variable {variable} is not set: export it with the secret"))?,
            Source::File(path) => {
                let path = folder.join(path);
                let mut octets =
                    std::fs::read(&path).map_err(|error| format!("the secret file {}: {error}", path.display()))?;
                // The line end that an editor puts there is no part of the secret.
                while octets.last().is_some_and(|octet| matches!(octet, b'\n' | b'\r')) {
                    octets.pop();
                }
                octets
            }
            Source::Text(text) => text.clone().into_bytes(),
        };
        if self.octets.is_empty() { Err(format!("the secret in {} is empty", self.origin())) } else { Ok(()) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(from {})", self.origin())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("(secret, from {})", self.origin()))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = serde_yaml::Spanned::<Source>::deserialize(deserializer)?;
        let position = (source.referenced.line(), source.referenced.column());
        Ok(Self { octets: Vec::new(), source: source.value, position })
    }
}

// By hand, so that no message quotes a secret that was written where its source should stand.
impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{env: NAME} or {file: PATH}")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
                use serde::de::Error;
                let key: Option<String> = map.next_key()?;
                let source = match key.as_deref() {
                    Some("env") => Source::Env(map.next_value()?),
                    Some("file") => Source::File(map.next_value()?),
                    Some("text") => Source::Text(map.next_value()?),
                    Some(other) => return Err(A::Error::unknown_field(other, &["env", "file", "text"])),
                    None => return Err(A::Error::custom("write {env: NAME} or {file: PATH}")),
                };
                match map.next_key::<String>()? {
                    None => Ok(source),
                    Some(_) => Err(A::Error::custom("a secret has one source: env, file or text")),
                }
            }

            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Source, E> {
                Err(E::custom("a secret does not stand here itself: write {env: NAME} or {file: PATH}"))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Source, E> {
                self.visit_str("")
            }

            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Source, E> {
                self.visit_str("")
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Source, E> {
                self.visit_str("")
            }

            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Source, E> {
                self.visit_str("")
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
