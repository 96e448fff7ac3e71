//! NAT detection (RFC 7296 section 2.23).

use super::api::{Nat, Path};
use crate::config::NatTraversal;
use crypto::sha1;
use std::net::{IpAddr, SocketAddr};
use wire::ikev2::{Notify, NotifyType};

/// The hash of NAT_DETECTION_*_IP: SHA-1 over SPIs, address and port of one end.
pub(super) fn hash(spis: (u64, u64), end: SocketAddr) -> [u8; 20] {
    let (initiator, responder) = (spis.0.to_be_bytes(), spis.1.to_be_bytes());
    let port = end.port().to_be_bytes();
    match end.ip() {
        IpAddr::V4(address) => sha1(&[&initiator, &responder, &address.octets(), &port]),
        IpAddr::V6(address) => sha1(&[&initiator, &responder, &address.octets(), &port]),
    }
}

/// The two notifies of an IKE_SA_INIT message that is sent on this path.
pub(super) fn notifies(mode: NatTraversal, spis: (u64, u64), path: Path) -> Vec<Notify> {
    // A source that is nobody's: the peer takes us to be behind a NAT.
    let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
    let source = match mode {
        NatTraversal::Off => return vec![],
        NatTraversal::Auto => path.local,
        NatTraversal::Forced => nobody,
    };
    vec![
        Notify::new(NotifyType::NAT_DETECTION_SOURCE_IP, hash(spis, source)),
        Notify::new(NotifyType::NAT_DETECTION_DESTINATION_IP, hash(spis, path.remote)),
    ]
}

/// What the notifies of a received IKE_SA_INIT message say. Several source hashes are allowed, and one that matches
/// means that the peer is not behind a NAT.
pub(super) fn detect<'a>(
    mode: NatTraversal,
    spis: (u64, u64),
    path: Path,
    received: impl Iterator<Item = &'a Notify>,
) -> Nat {
    let (mut sources, mut destinations) = (vec![], vec![]);
    for notify in received {
        match notify.notify_type {
            NotifyType::NAT_DETECTION_SOURCE_IP => sources.push(&notify.data),
            NotifyType::NAT_DETECTION_DESTINATION_IP => destinations.push(&notify.data),
            _ => {}
        }
    }
    if mode == NatTraversal::Off || sources.is_empty() || destinations.is_empty() {
        return Nat::default();
    }
    let (remote, local) = (hash(spis, path.remote), hash(spis, path.local));
    Nat {
        supported: true,
        local: mode == NatTraversal::Forced || !destinations.iter().any(|data| ***data == local),
        remote: !sources.iter().any(|data| ***data == remote),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use wire::ikev2::Message;

    fn captured(line: usize) -> Message {
        let hex = include_str!("testdata/v2cbc.hex").lines().nth(line).unwrap();
        let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        Message::parse(&octets.collect::<Vec<u8>>()).unwrap()
    }

    /// A daemon that forces encapsulation: its source hash is nobody's, its destination hash is right.
    #[test]
    fn captured_hashes() {
        let end = |host: u8| SocketAddr::from(([10, 66, 0, host], 500));
        for (line, from, to) in [(0, 1, 2), (1, 2, 1)] {
            let message = captured(line);
            let spis = (message.header.initiator_spi, message.header.responder_spi);
            let path = Path { local: end(to), remote: end(from) };
            let nat = detect(NatTraversal::Auto, spis, path, message.notifies());
            assert_eq!(nat, Nat { supported: true, local: false, remote: true });
            let elsewhere = Path { local: end(9), ..path };
            assert!(detect(NatTraversal::Auto, spis, elsewhere, message.notifies()).local);
            assert_eq!(detect(NatTraversal::Off, spis, path, message.notifies()), Nat::default());
        }
    }

    #[test]
    fn what_is_sent_is_understood() {
        let (a, b) = ("[2001:db8::1]:500".parse().unwrap(), "[2001:db8::2]:500".parse().unwrap());
        let sent = notifies(NatTraversal::Auto, (1, 2), Path { local: a, remote: b });
        let nat = detect(NatTraversal::Auto, (1, 2), Path { local: b, remote: a }, sent.iter());
        assert_eq!(nat, Nat { supported: true, local: false, remote: false });
        let other = "[2001:db8::1]:501".parse().unwrap();
        let nat = detect(NatTraversal::Auto, (1, 2), Path { local: b, remote: other }, sent.iter());
        assert!(nat.remote && !nat.local);
    }
}
