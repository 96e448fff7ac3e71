//! What shares UDP port 4500, RFC 3948 section 2: IKE behind a marker, ESP, keepalives.
//!
//! ```text
//! IKE         00 00 00 00 | IKE header ...
//! ESP         SPI, never 0 | sequence number ...
//! keepalive   FF
//! ```

use crate::{Error, Rule};

/// The octets before an IKE message on port 4500: where ESP has its SPI, which is never zero (section 2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The whole of a NAT-keepalive (section 2.3).
pub const KEEPALIVE: [u8; 1] = [0xFF];

/// The payload of a datagram on port 4500, told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Natt<'a> {
    /// An IKE message, without the marker.
    Ike(&'a [u8]),
    /// An ESP packet, from its SPI on.
    Esp(&'a [u8]),
    /// A NAT-keepalive.
    Keepalive,
    /// None of these: shorter than an SPI.
    Malformed(Error),
}

/// Tells the payload of a datagram on port 4500 apart. Whether the IKE message or ESP packet is well-formed is not
/// looked at: what is at least an SPI long is one or the other.
pub fn classify(payload: &[u8]) -> Natt<'_> {
    if payload == KEEPALIVE {
        return Natt::Keepalive;
    }
    match payload.split_first_chunk() {
        Some((&NON_ESP_MARKER, message)) => Natt::Ike(message),
        Some(_) => Natt::Esp(payload),
        None => Natt::Malformed(Error { offset: 0, rule: Rule::NattTooShort(payload.len()) }),
    }
}

/// The marker with the IKE message behind it.
pub fn wrap_ike(message: &[u8]) -> Vec<u8> {
    [&NON_ESP_MARKER, message].concat()
}

/// The octets before an ESP packet on port 500 with the first drafts of NAT traversal: where an ISAKMP message has its
/// initiator cookie, which is never zero.
pub const NON_IKE_MARKER: [u8; 8] = [0; 8];

/// Tells the payload of a datagram on port 500 apart, between peers who traverse NATs by the first drafts: there ESP
/// stands behind a marker of eight octets, and IKE as it is.
pub fn classify_draft(payload: &[u8]) -> Natt<'_> {
    if payload == KEEPALIVE {
        return Natt::Keepalive;
    }
    match payload.split_first_chunk() {
        Some((&NON_IKE_MARKER, packet)) => Natt::Esp(packet),
        Some(_) => Natt::Ike(payload),
        None => Natt::Malformed(Error { offset: 0, rule: Rule::NattTooShort(payload.len()) }),
    }
}

/// The marker of the first drafts with the ESP packet behind it.
pub fn wrap_esp_draft(packet: &[u8]) -> Vec<u8> {
    [&NON_IKE_MARKER, packet].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        let malformed = |length| Natt::Malformed(Error { offset: 0, rule: Rule::NattTooShort(length) });
        assert_eq!(classify(&[]), malformed(0));
        assert_eq!(classify(&[0xFF]), Natt::Keepalive);
        assert_eq!(classify(&[0xFE]), malformed(1));
        assert_eq!(classify(&[0xFF, 0xFF]), malformed(2));
        assert_eq!(classify(&[0, 0, 0]), malformed(3));
        assert_eq!(classify(&[0, 0, 0, 0]), Natt::Ike(&[]));
        assert_eq!(classify(&[0, 0, 0, 1]), Natt::Esp(&[0, 0, 0, 1]));
        // Four octets that are an SPI and nothing more: malformed, but as ESP.
        assert_eq!(classify(&[0xDE, 0xAD, 0xBE, 0xE0]), Natt::Esp(&[0xDE, 0xAD, 0xBE, 0xE0]));
    }

    #[test]
    fn edges_of_the_first_drafts() {
        let malformed = |length| Natt::Malformed(Error { offset: 0, rule: Rule::NattTooShort(length) });
        assert_eq!(classify_draft(&[]), malformed(0));
        assert_eq!(classify_draft(&[0xFF]), Natt::Keepalive);
        assert_eq!(classify_draft(&[0; 7]), malformed(7));
        assert_eq!(classify_draft(&[0; 8]), Natt::Esp(&[]));
        assert_eq!(classify_draft(&wrap_esp_draft(&[0, 0, 0, 1])), Natt::Esp(&[0, 0, 0, 1]));
        assert_eq!(classify_draft(&[0, 0, 0, 0, 0, 0, 0, 1]), Natt::Ike(&[0, 0, 0, 0, 0, 0, 0, 1]));
    }

    proptest! {
        #[test]
        fn marker_and_rest_are_the_whole(payload in prop_oneof![
            any::<Vec<u8>>(),
            any::<Vec<u8>>().prop_map(|message| wrap_ike(&message)),
        ]) {
            match classify(&payload) {
                Natt::Ike(message) => prop_assert_eq!(wrap_ike(message), payload),
                Natt::Esp(packet) => {
                    prop_assert_eq!(packet, &payload[..]);
                    prop_assert!(packet.len() >= 4 && packet[..4] != NON_ESP_MARKER);
                }
                Natt::Keepalive => prop_assert_eq!(&payload[..], &KEEPALIVE),
                Natt::Malformed(_) => prop_assert!(payload.len() < 4),
            }
        }
    }
}
