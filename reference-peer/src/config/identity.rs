//! Identities as they stand in ID payloads (RFC 7296 section 3.5).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use thiserror::Error;
use wire::ikev2::{IdType, Identification};

/// Who an end of an IKE SA claims to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Ipv4(Ipv4Addr),
    /// ID_FQDN.
    Fqdn(String),
    /// ID_RFC822_ADDR.
    UserFqdn(String),
    /// ID_IPV6_ADDR.
    Ipv6(Ipv6Addr),
    /// ID_KEY_ID: opaque octets.
    KeyId(Vec<u8>),
    /// Any other type.
    Other(IdType, Vec<u8>),
}

/// Why an identity cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("identity `{0}`: expected an address, a name, a mailbox, or `keyid:` with hexadecimal octets")]
pub struct IdentityError(String);

impl Identity {
    /// Type and data of the ID payload.
    pub fn to_payload(&self) -> Identification {
        let (id_type, data) = match self {
            Self::Ipv4(address) => (IdType::IPV4_ADDR, address.octets().to_vec()),
            Self::Fqdn(name) => (IdType::FQDN, name.as_bytes().to_vec()),
            Self::UserFqdn(name) => (IdType::RFC822_ADDR, name.as_bytes().to_vec()),
            Self::Ipv6(address) => (IdType::IPV6_ADDR, address.octets().to_vec()),
            Self::KeyId(octets) => (IdType::KEY_ID, octets.clone()),
            Self::Other(id_type, data) => (*id_type, data.clone()),
        };
        Identification { id_type, reserved: [0; 3], data }
    }

    /// The identity in an ID payload. Contents that don't fit their type stay `Other`.
    pub fn from_payload(payload: &Identification) -> Self {
        let other = || Self::Other(payload.id_type, payload.data.clone());
        let text = || String::from_utf8(payload.data.clone()).ok().filter(|text| !text.contains('\0'));
        match payload.id_type {
            IdType::IPV4_ADDR => <[u8; 4]>::try_from(&*payload.data).map_or_else(|_| other(), |a| Self::Ipv4(a.into())),
            IdType::IPV6_ADDR => {
                <[u8; 16]>::try_from(&*payload.data).map_or_else(|_| other(), |a| Self::Ipv6(a.into()))
            }
            IdType::FQDN => text().map_or_else(other, Self::Fqdn),
            IdType::RFC822_ADDR => text().map_or_else(other, Self::UserFqdn),
            IdType::KEY_ID => Self::KeyId(payload.data.clone()),
            _ => other(),
        }
    }
}

impl From<IpAddr> for Identity {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// An address, `@name` or `name` (FQDN), `user@name` (mailbox), `keyid:0a1b2c` (key id).
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let error = || IdentityError(text.to_owned());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        if let Some(hex) = text.strip_prefix("keyid:") {
            return super::hex(hex).map(Self::KeyId).ok_or_else(error);
        }
        match text.strip_prefix('@').unwrap_or(text) {
            "" => Err(error()),
            name if name.contains(char::is_whitespace) => Err(error()),
            name if name.contains('@') => Ok(Self::UserFqdn(name.to_owned())),
            name => Ok(Self::Fqdn(name.to_owned())),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets =
            |f: &mut fmt::Formatter<'_>, data: &[u8]| data.iter().try_for_each(|octet| write!(f, "{octet:02x}"));
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Fqdn(name) | Self::UserFqdn(name) => f.write_str(name),
            Self::KeyId(data) => {
                f.write_str("keyid:")?;
                octets(f, data)
            }
            Self::Other(id_type, data) => {
                write!(f, "{id_type}:")?;
                octets(f, data)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_written_and_carried() {
        for text in ["10.0.0.1", "2001:db8::1", "gw.example.com", "user@example.com", "keyid:00ff10"] {
            let identity = text.parse::<Identity>().ok();
            assert_eq!(identity.as_ref().map(|i| Identity::from_payload(&i.to_payload())), identity);
            assert_eq!(identity.map(|i| i.to_string()).as_deref(), Some(text));
        }
        assert!("".parse::<Identity>().is_err() && "a b".parse::<Identity>().is_err());
        assert!("keyid:0".parse::<Identity>().is_err());
    }

    #[test]
    fn a_terminator_is_part_of_the_name() {
        let with = Identification { id_type: IdType::FQDN, reserved: [0; 3], data: b"gw\0".to_vec() };
        assert_ne!(Identity::from_payload(&with), Identity::Fqdn("gw".into()));
    }
}
