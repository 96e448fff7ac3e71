//! An ISAKMP message: header (RFC 2408 section 3.1) and what follows it.

use super::{ExchangeType, Flags, Payload, PayloadType, emit_chain, first_type, parse_chain};
use crate::derived::patch;
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// A whole message as it stands in one datagram (without the non-ESP marker of port 4500).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Message {
    /// The 28-octet header.
    pub header: Header,
    /// What follows it.
    pub content: Content,
    /// Octets after the content; the computed header length leaves them out. Reading yields what pads a message in the
    /// clear to a multiple of four octets (RFC 2408 section 3.6), with the header's length as it was.
    pub trailing: Vec<u8>,
}

/// What follows the header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Content {
    /// Payloads in the clear.
    Clear(Vec<Payload>),
    /// All of it encrypted: the E flag is set.
    Encrypted {
        /// Type of the first payload inside (the Next Payload field of the header).
        first: PayloadType,
        /// Ciphertext. Reading takes any length; whole blocks are for those to insist on who know the cipher.
        data: Vec<u8>,
    },
}

/// The ISAKMP header, RFC 2408 section 3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Initiator Cookie                     |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Responder Cookie                     |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Message ID                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                            Length                             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Header {
    /// Cookie of who began phase 1.
    pub initiator_cookie: u64,
    /// Cookie of the other; zero in the first message.
    pub responder_cookie: u64,
    /// Type of the first payload.
    pub next_payload: Derived<PayloadType>,
    /// Major version in the high, minor in the low four bits: 0x10.
    pub version: u8,
    /// Exchange type.
    pub exchange_type: ExchangeType,
    /// E, C and A flags and the reserved bits.
    pub flags: Flags,
    /// Message ID: zero in phase 1.
    pub message_id: u32,
    /// Octets of the whole message, header included.
    pub length: Derived<u32>,
}

impl Message {
    /// A message in the clear, with nothing after its payloads.
    pub fn clear(header: Header, payloads: impl Into<Vec<Payload>>) -> Self {
        Self { header, content: Content::Clear(payloads.into()), trailing: Vec::new() }
    }

    /// An encrypted message. The E flag is whatever the header says.
    pub fn encrypted(header: Header, first: PayloadType, data: impl Into<Vec<u8>>) -> Self {
        Self { header, content: Content::Encrypted { first, data: data.into() }, trailing: Vec::new() }
    }

    /// Reads a whole message; encrypted content stays encrypted.
    ///
    /// Kept and not judged: minor version, flags, RESERVED, unknown numbers of every kind. The derived fields of the
    /// header are `Computed`.
    ///
    /// # Errors
    /// The first rule that is broken: a major version other than 1, a length or count that contradicts another or
    /// the datagram, a payload of a known type whose contents are malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut header = Header::parse(bytes)?;
        if header.major_version() != 1 {
            return Err(Error { offset: 17, rule: Rule::IsakmpMajorVersion(header.major_version()) });
        }
        let length = header.length.or(0);
        if u32::try_from(bytes.len()) != Ok(length) {
            return Err(Error { offset: 24, rule: Rule::IsakmpLength { header: length, datagram: bytes.len() } });
        }
        let first = header.next_payload.or(PayloadType::NONE);
        let mut reader = Reader::new(bytes, 0, Header::WHAT);
        reader.take(Header::OCTETS)?;
        header.next_payload = Derived::Computed;
        header.length = Derived::Computed;
        let mut trailing = Vec::new();
        let content = if header.flags.encrypted() {
            Content::Encrypted { first, data: reader.peek().to_vec() }
        } else {
            let (payloads, rest) = parse_chain(first, reader.peek(), Header::OCTETS)?;
            if is_padding(rest, bytes.len()) {
                trailing = rest.to_vec();
                header.length = Derived::Exactly(length);
            } else if !rest.is_empty() {
                let offset = bytes.len() - rest.len();
                return Err(Error { offset, rule: Rule::IsakmpAfterLastPayload(rest.len()) });
            }
            Content::Clear(payloads)
        };
        Ok(Self { header, content, trailing })
    }

    /// Appends the message to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match &self.content {
            Content::Clear(payloads) => {
                self.header.emit(first_type(payloads), 0, out);
                emit_chain(payloads, PayloadType::NONE, out);
            }
            Content::Encrypted { first, data } => {
                self.header.emit(*first, 0, out);
                out.extend(data);
            }
        }
        let length = self.header.length.or(out.len().wrapping_sub(start) as u32);
        patch(out, start + 24, length.to_be_bytes());
        out.extend(&self.trailing);
    }

    /// The message as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.emit(&mut out);
        out
    }

    /// Its payloads, if they are in the clear; none otherwise.
    pub fn payloads(&self) -> &[Payload] {
        match &self.content {
            Content::Clear(payloads) => payloads,
            Content::Encrypted { .. } => &[],
        }
    }

    /// Is it encrypted?
    pub fn is_encrypted(&self) -> bool {
        matches!(self.content, Content::Encrypted { .. })
    }
}

/// Do the octets after the last payload make the message a multiple of four octets long, and nothing else?
fn is_padding(rest: &[u8], message: usize) -> bool {
    matches!(rest.len(), 1..=3) && message.is_multiple_of(4)
}

impl Header {
    /// Octets of the header.
    pub const OCTETS: usize = 28;
    /// Version 1.0.
    pub const VERSION_1: u8 = 0x10;
    const WHAT: &str = "ISAKMP header (RFC 2408 3.1)";

    /// An honest header of version 1.0. The cookies are the initiator's and the responder's.
    pub fn new(cookies: (u64, u64), exchange_type: ExchangeType, flags: Flags, message_id: u32) -> Self {
        Self {
            initiator_cookie: cookies.0,
            responder_cookie: cookies.1,
            next_payload: Derived::Computed,
            version: Self::VERSION_1,
            exchange_type,
            flags,
            message_id,
            length: Derived::Computed,
        }
    }

    /// Reads the header alone, of any version, and looks at nothing after it. Next Payload and Length are therefore
    /// `Exactly` what the wire says.
    ///
    /// # Errors
    /// Fewer than 28 octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0, Self::WHAT);
        let fixed: [u8; Self::OCTETS] = reader.array()?;
        let mut reader = Reader::new(&fixed, 0, Self::WHAT);
        let initiator_cookie = u64::from_be_bytes(reader.array()?);
        let responder_cookie = u64::from_be_bytes(reader.array()?);
        let [next_payload, version, exchange_type, flags] = reader.array()?;
        Ok(Self {
            initiator_cookie,
            responder_cookie,
            next_payload: Derived::Exactly(PayloadType(next_payload)),
            version,
            exchange_type: ExchangeType(exchange_type),
            flags: Flags(flags),
            message_id: reader.u32()?,
            length: Derived::Exactly(reader.u32()?),
        })
    }

    /// Appends the header to `out`, with these values where it says "as computed".
    pub fn emit(&self, first: PayloadType, length: u32, out: &mut Vec<u8>) {
        out.extend(self.initiator_cookie.to_be_bytes());
        out.extend(self.responder_cookie.to_be_bytes());
        out.extend([self.next_payload.or(first).0, self.version, self.exchange_type.0, self.flags.0]);
        out.extend(self.message_id.to_be_bytes());
        out.extend(self.length.or(length).to_be_bytes());
    }

    /// Cookies, the initiator's first.
    pub fn cookies(&self) -> (u64, u64) {
        (self.initiator_cookie, self.responder_cookie)
    }

    /// Major version: the high four bits.
    pub fn major_version(&self) -> u8 {
        self.version >> 4
    }

    /// Minor version: the low four bits.
    pub fn minor_version(&self) -> u8 {
        self.version & 0x0F
    }
}
