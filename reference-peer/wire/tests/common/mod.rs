//! What the integration tests share: captured frames, and strategies for IKEv2 values.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod ikev1_values;
pub(crate) mod mutation;
pub(crate) mod values;

use std::net::IpAddr;
use wire::{ethernet, ip, natt, udp};

/// The captured frames: name and octets.
pub(crate) fn frames() -> Vec<(&'static str, Vec<u8>)> {
    include_str!("../frames.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, digits) = line.split_once(' ').expect("name, then octets");
            (name, hex(digits))
        })
        .collect()
}

/// One captured frame.
pub(crate) fn frame(name: &str) -> Vec<u8> {
    frames().into_iter().find(|(other, _)| *other == name).expect("a frame of this name").1
}

/// The IP packet in a captured frame.
pub(crate) fn packet(name: &str) -> ip::Packet {
    let frame = ethernet::Frame::parse(&frame(name)).unwrap();
    ip::Packet::parse_prefix(&frame.payload).unwrap().0
}

/// The UDP datagram in a captured frame, with its addresses.
pub(crate) fn datagram(name: &str) -> (udp::Datagram, IpAddr, IpAddr) {
    let packet = packet(name);
    let (source, destination) = (packet.source(), packet.destination());
    (udp::Datagram::parse(packet.payload(), source, destination).unwrap(), source, destination)
}

/// The IKE messages among the captured frames.
pub(crate) fn ike_messages() -> Vec<(&'static str, Vec<u8>)> {
    let ports = |frame: &[u8]| frame.get(36..38).map(|port| u16::from_be_bytes([port[0], port[1]]));
    frames()
        .into_iter()
        .filter(|(_, frame)| frame[12..14] == [8, 0] && frame[23] == 17 && matches!(ports(frame), Some(500 | 4500)))
        .filter_map(|(name, _)| {
            let (datagram, ..) = datagram(name);
            if datagram.destination_port == 500 {
                return Some((name, datagram.payload));
            }
            match natt::classify(&datagram.payload) {
                natt::Natt::Ike(message) => Some((name, message.to_vec())),
                _ => None,
            }
        })
        .collect()
}

/// Octets from hexadecimal digits; white space is ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2), "a fixture ends in mid-octet");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The captured IKEv1 messages: name and octets.
pub(crate) fn ikev1_messages() -> Vec<(&'static str, Vec<u8>)> {
    let lines = include_str!("../ikev1.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').expect("name, then octets"))
        .map(|(name, digits)| (name, hex(digits)))
        .collect()
}
