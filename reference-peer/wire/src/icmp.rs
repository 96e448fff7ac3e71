//! What ICMP for IPv4 and for IPv6 have in common.

/// Contents of an echo request or reply, RFC 792 and RFC 4443 section 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// Names the sender's series of requests.
    pub identifier: u16,
    /// Names the request in the series.
    pub sequence: u16,
    /// Sent back as it is.
    pub data: Vec<u8>,
}

impl Echo {
    pub(crate) fn parse(rest: &[u8; 4], data: &[u8]) -> Self {
        let [identifier_high, identifier_low, sequence_high, sequence_low] = *rest;
        Self {
            identifier: u16::from_be_bytes([identifier_high, identifier_low]),
            sequence: u16::from_be_bytes([sequence_high, sequence_low]),
            data: data.to_vec(),
        }
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend(self.identifier.to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        out.extend(&self.data);
    }
}
