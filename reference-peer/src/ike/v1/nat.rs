//! NAT detection and traversal (RFC 3947 sections 3 and 4, and its drafts).

use super::api::{Nat, Path};
use crate::config::NatTraversal;
use crate::config::isakmp::NatVersion;
use crypto::Hash;
use std::net::{IpAddr, SocketAddr};
use wire::ikev1::{Body, IdType, Identification, Payload, vendor};

/// The Vendor IDs that announce a version. The authors of the second draft sent its name with a line feed.
pub(super) fn vendor_ids(version: NatVersion) -> &'static [[u8; 16]] {
    match version {
        NatVersion::Rfc3947 => &[vendor::NAT_RFC_3947],
        NatVersion::Draft03 => &[vendor::NAT_DRAFT_03],
        NatVersion::Draft02 => &[vendor::NAT_DRAFT_02_N, vendor::NAT_DRAFT_02],
        NatVersion::Draft00 => &[vendor::NAT_DRAFT_00],
    }
}

/// Does IKE move to port 4500? With the first draft it stays.
pub(super) fn moves_port(version: NatVersion) -> bool {
    version != NatVersion::Draft00
}

fn hash(algorithm: Hash, cookies: (u64, u64), end: SocketAddr) -> Vec<u8> {
    let (initiator, responder) = (cookies.0.to_be_bytes(), cookies.1.to_be_bytes());
    let port = end.port().to_be_bytes();
    match end.ip() {
        IpAddr::V4(address) => algorithm.digest(&[&initiator, &responder, &address.octets(), &port]),
        IpAddr::V6(address) => algorithm.digest(&[&initiator, &responder, &address.octets(), &port]),
    }
}

/// The NAT-D payloads of a message that is sent on this path: that of the destination first (section 3.2).
pub(super) fn payloads(
    version: NatVersion,
    mode: NatTraversal,
    algorithm: Hash,
    cookies: (u64, u64),
    path: Path,
) -> Vec<Payload> {
    // A source that is nobody's: the peer takes us to be behind a NAT.
    let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
    let source = if mode == NatTraversal::Forced { nobody } else { path.local };
    let body = match version {
        NatVersion::Rfc3947 => Body::NatDetection,
        _ => Body::NatDetectionDraft,
    };
    [path.remote, source].map(|end| body(hash(algorithm, cookies, end)).into()).into()
}

/// What the NAT-D payloads of a received message say. `None` if there are none.
pub(super) fn detect(
    version: NatVersion,
    mode: NatTraversal,
    algorithm: Hash,
    cookies: (u64, u64),
    path: Path,
    payloads: &[Payload],
) -> Option<Nat> {
    let hashes: Vec<_> = payloads
        .iter()
        .filter_map(|payload| match (&payload.body, version) {
            (Body::NatDetection(hash), NatVersion::Rfc3947) => Some(hash),
            (Body::NatDetectionDraft(hash), _) if version != NatVersion::Rfc3947 => Some(hash),
            _ => None,
        })
        .collect();
    let (destination, sources) = hashes.split_first()?;
    let (local, remote) = (hash(algorithm, cookies, path.local), hash(algorithm, cookies, path.remote));
    Some(Nat {
        supported: true,
        local: mode == NatTraversal::Forced || **destination != local,
        remote: !sources.iter().any(|source| **source == remote),
    })
}

/// Is this a NAT-D payload?
pub(super) fn is_detection(payload: &Payload) -> bool {
    matches!(payload.body, Body::NatDetection(_) | Body::NatDetectionDraft(_))
}

/// The NAT-OA payloads of a quick mode in transport mode: the initiator's address first (section 5.2).
pub(super) fn original_addresses(version: NatVersion, initiator: IpAddr, responder: IpAddr) -> Vec<Payload> {
    let id = |address: IpAddr| match address {
        IpAddr::V4(address) => Identification::new(IdType::IPV4_ADDR, address.octets()),
        IpAddr::V6(address) => Identification::new(IdType::IPV6_ADDR, address.octets()),
    };
    let body = match version {
        NatVersion::Rfc3947 => Body::NatOriginalAddress,
        _ => Body::NatOriginalAddressDraft,
    };
    [initiator, responder].map(|address| body(id(address)).into()).into()
}

/// The addresses in the NAT-OA payloads of a quick mode: the initiator's and the responder's.
pub(super) fn read_original_addresses(payloads: &[Payload]) -> Option<(IpAddr, IpAddr)> {
    let mut addresses = payloads.iter().filter_map(|payload| match &payload.body {
        Body::NatOriginalAddress(id) | Body::NatOriginalAddressDraft(id) => {
            super::identity::traffic(id).filter(|range| range.start == range.end).map(|range| range.start)
        }
        _ => None,
    });
    Some((addresses.next()?, addresses.next()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use wire::ikev1::Message;

    fn captured(name: &str) -> Message {
        let line = include_str!("testdata/captured.txt").lines().find(|line| line.starts_with(name)).unwrap();
        let digits = line.split_once(' ').unwrap().1;
        let octets = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
        Message::parse(&octets.collect::<Vec<u8>>()).unwrap()
    }

    /// A daemon that forces encapsulation: its source hash is nobody's, its destination hash is right.
    #[test]
    fn captured_hashes() {
        let end = |host: u8| SocketAddr::from(([10, 66, 0, host], 500));
        for (name, from, to) in [("main-3", 1, 2), ("main-4", 2, 1)] {
            let message = captured(name);
            let path = Path { local: end(to), remote: end(from) };
            let detect = |hash, path| {
                let cookies = message.header.cookies();
                detect(NatVersion::Rfc3947, NatTraversal::Auto, hash, cookies, path, message.payloads())
            };
            let found = Hash::ALL.into_iter().find(|hash| detect(*hash, path).is_some_and(|nat| !nat.local));
            let hash = found.expect("the destination's hash is right with the negotiated algorithm");
            assert_eq!(detect(hash, path), Some(Nat { supported: true, local: false, remote: true }));
            assert!(detect(hash, Path { local: end(9), ..path }).unwrap().local);
        }
    }

    #[test]
    fn what_is_sent_is_understood() {
        let (a, b): (SocketAddr, SocketAddr) =
            ("[2001:db8::1]:500".parse().unwrap(), "[2001:db8::2]:500".parse().unwrap());
        for version in NatVersion::ALL {
            for mode in [NatTraversal::Auto, NatTraversal::Forced] {
                let sent = payloads(version, mode, Hash::Sha1, (1, 2), Path { local: a, remote: b });
                let path = Path { local: b, remote: a };
                let nat = detect(version, NatTraversal::Auto, Hash::Sha1, (1, 2), path, &sent).unwrap();
                assert_eq!((nat.local, nat.remote), (false, mode == NatTraversal::Forced), "{version:?}");
            }
        }
        let sent = payloads(NatVersion::Rfc3947, NatTraversal::Auto, Hash::Md5, (1, 2), Path { local: a, remote: b });
        let path = Path { local: b, remote: a };
        assert_eq!(detect(NatVersion::Draft02, NatTraversal::Auto, Hash::Md5, (1, 2), path, &sent), None);
    }
}
