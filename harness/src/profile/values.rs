//! Values of a profile that are more than a word or a number.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

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
pub struct Secret(Vec<u8>);

impl Secret {
    /// A secret that is known already.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum From {
            Env(String),
            File(std::path::PathBuf),
            Text(String),
        }
        use serde::de::Error;
        let octets = match From::deserialize(deserializer)? {
            From::Env(variable) => {
                std::env::var_os(&variable).map(std::ffi::OsString::into_encoded_bytes).ok_or_else(|| {
                    D::Error::custom(format!(
                        "the environment variable {variable} is not set: export it with the secret"
                    ))
                })?
            }
            From::File(path) => {
                let mut octets = std::fs::read(&path)
                    .map_err(|error| D::Error::custom(format!("the secret file {}: {error}", path.display())))?;
                // An editor's last line end is no part of the secret.
                while octets.last().is_some_and(|octet| matches!(octet, b'\n' | b'\r')) {
                    octets.pop();
                }
                octets
            }
            From::Text(text) => text.into_bytes(),
        };
        if octets.is_empty() {
            return Err(D::Error::custom("the secret is empty"));
        }
        Ok(Self(octets))
    }
}
