//! Traffic selectors in configuration: `10.1.0.0/16[tcp/80]`.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// Which packets a Child SA is for, at one end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selector {
    /// Addresses.
    pub addresses: Addresses,
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First and last port (for ICMP: type in the high and code in the low octet); (0, 65535) for any, and
    /// (65535, 0) for OPAQUE (RFC 7296 section 3.13.1).
    pub ports: (u16, u16),
}

/// The addresses of a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// First and last address, both of one family.
    Range(IpAddr, IpAddr),
    /// The address of this end of the IKE SA itself.
    Host,
}

/// Why a selector cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "traffic selector `{0}`: expected something like 10.1.0.0/16, 10.0.0.1-10.0.0.9, 2001:db8::/32[tcp/80] or dynamic"
)]
pub struct SelectorError(String);

impl Selector {
    /// All traffic of a network.
    pub fn net(net: IpNet) -> Self {
        Self { addresses: Addresses::Range(net.network(), last_address(net)), protocol: 0, ports: (0, u16::MAX) }
    }

    /// All traffic of this end itself.
    pub const fn host() -> Self {
        Self { addresses: Addresses::Host, protocol: 0, ports: (0, u16::MAX) }
    }
}

/// Last address of a network, the broadcast address included.
fn last_address(net: IpNet) -> IpAddr {
    net.broadcast()
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        read(text.trim()).ok_or_else(|| SelectorError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Selector> {
    let (addresses, upper) = match text.strip_suffix(']') {
        Some(text) => text.split_once('[').map(|(addresses, upper)| (addresses, Some(upper)))?,
        None => (text, None),
    };
    let addresses = if addresses == "dynamic" {
        Addresses::Host
    } else if let Ok(net) = addresses.parse::<IpNet>() {
        Addresses::Range(net.network(), last_address(net))
    } else if let Ok(address) = addresses.parse::<IpAddr>() {
        Addresses::Range(address, address)
    } else {
        let (start, end) = addresses.split_once('-')?;
        let (start, end) = (start.parse::<IpAddr>().ok()?, end.parse::<IpAddr>().ok()?);
        (start.is_ipv4() == end.is_ipv4() && start <= end).then_some(Addresses::Range(start, end))?
    };
    let mut selector = Selector { addresses, protocol: 0, ports: (0, u16::MAX) };
    let Some(upper) = upper else { return Some(selector) };
    let (protocol, ports) = upper.split_once('/').map_or((upper, None), |(protocol, ports)| (protocol, Some(ports)));
    selector.protocol = match protocol {
        "any" => 0,
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "icmpv6" => 58,
        number => number.parse().ok()?,
    };
    selector.ports = match ports {
        None | Some("any") => (0, u16::MAX),
        Some("opaque") => (u16::MAX, 0),
        Some(ports) => match ports.split_once('-') {
            Some((start, end)) => (start.parse().ok()?, end.parse().ok()?),
            None => (ports.parse().ok()?, ports.parse().ok()?),
        },
    };
    (selector.ports.0 <= selector.ports.1 || selector.ports == (u16::MAX, 0)).then_some(selector)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses {
            Addresses::Host => f.write_str("dynamic")?,
            Addresses::Range(start, end) if start == end => write!(f, "{start}")?,
            Addresses::Range(start, end) => match net_of(start, end) {
                Some(net) => write!(f, "{net}")?,
                None => write!(f, "{start}-{end}")?,
            },
        }
        if self.protocol == 0 && self.ports == (0, u16::MAX) {
            return Ok(());
        }
        match self.protocol {
            0 => f.write_str("[any")?,
            1 => f.write_str("[icmp")?,
            6 => f.write_str("[tcp")?,
            17 => f.write_str("[udp")?,
            58 => f.write_str("[icmpv6")?,
            number => write!(f, "[{number}")?,
        }
        match self.ports {
            (0, u16::MAX) => f.write_str("]"),
            (u16::MAX, 0) => f.write_str("/opaque]"),
            (start, end) if start == end => write!(f, "/{start}]"),
            (start, end) => write!(f, "/{start}-{end}]"),
        }
    }
}

/// The network that is exactly this range, if there is one.
fn net_of(start: IpAddr, end: IpAddr) -> Option<IpNet> {
    let bits = if start.is_ipv4() { 32 } else { 128 };
    (0..=bits)
        .filter_map(|prefix| IpNet::new(start, prefix).ok())
        .find(|net| net.network() == start && last_address(*net) == end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        for text in [
            "10.1.0.0/16",
            "0.0.0.0/0",
            "10.0.0.1",
            "10.0.0.1-10.0.0.9",
            "2001:db8::/32[tcp/80]",
            "::/0",
            "dynamic[udp/500-600]",
            "10.0.0.0/8[icmp]",
            "10.0.0.1[47]",
            "10.0.0.1[any/opaque]",
        ] {
            assert_eq!(text.parse::<Selector>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1[tcp", "10.0.0.1[tcp/9-1]"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
