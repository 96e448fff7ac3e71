//! The chain of payloads, RFC 2408 section 3.2.

use super::{Body, Notification, PayloadType};
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// One payload with its generic header, RFC 2408 section 3.2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Next Payload  |   RESERVED    |         Payload Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Payload {
    /// Type of the payload after this one.
    pub next_payload: Derived<PayloadType>,
    /// RESERVED octet.
    pub reserved: u8,
    /// Payload length in octets, generic header included.
    pub length: Derived<u16>,
    /// What it carries.
    pub body: Body,
}

impl From<Body> for Payload {
    /// The body with an honest generic header.
    fn from(body: Body) -> Self {
        Self { next_payload: Derived::Computed, reserved: 0, length: Derived::Computed, body }
    }
}

/// A payload of which only the generic header has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread<'a> {
    /// Its type, from the header or the payload before it.
    pub payload_type: PayloadType,
    /// RESERVED octet.
    pub reserved: u8,
    /// Where its generic header stands.
    pub offset: usize,
    /// The octets after the generic header.
    pub data: &'a [u8],
}

/// Walks a chain by its generic headers alone. The first error is the last item. What follows the last payload is
/// left in [`rest`](Self::rest).
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    next: PayloadType,
    reader: Reader<'a>,
}

impl<'a> Chain<'a> {
    /// The chain that begins with a payload of type `first` in `bytes`, which stand at `offset` in the message.
    pub fn new(first: PayloadType, bytes: &'a [u8], offset: usize) -> Self {
        Self { next: first, reader: Reader::new(bytes, offset, "generic payload header (RFC 2408 3.2)") }
    }

    /// What has not been walked: once the chain has ended, what follows it.
    pub fn rest(&self) -> &'a [u8] {
        self.reader.peek()
    }

    fn step(&mut self) -> Result<Option<Unread<'a>>, Error> {
        let start = self.reader;
        if self.next == PayloadType::NONE {
            return Ok(None);
        }
        if start.is_empty() {
            return Err(start.fail(Rule::IsakmpPayloadMissing(self.next)));
        }
        let [next, reserved, length_high, length_low] = self.reader.array()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        let Some(contents) = usize::from(length).checked_sub(4) else {
            return Err(start.fail(Rule::IsakmpPayloadTooShort(length)));
        };
        if contents > self.reader.len() {
            return Err(start.fail(Rule::IsakmpPayloadTooLong { length, left: start.len() }));
        }
        let data = self.reader.take(contents)?;
        let payload_type = std::mem::replace(&mut self.next, PayloadType(next));
        Ok(Some(Unread { payload_type, reserved, offset: start.offset(), data }))
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = Result<Unread<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            *self = Self::new(PayloadType::NONE, &[], 0);
        }
        step.transpose()
    }
}

impl Unread<'_> {
    /// Reads the contents.
    ///
    /// # Errors
    /// The rule of the payload's own section that the contents break.
    pub fn read(&self) -> Result<Payload, Error> {
        let reader = Reader::new(self.data, self.offset + 4, "payload (RFC 2408 3.2)");
        Ok(Payload { reserved: self.reserved, ..Body::parse(self.payload_type, reader)?.into() })
    }
}

/// Reads a chain: that of a message after its header, or that inside of decrypted octets. Gives the payloads, and what
/// follows the last of them: the padding of an encrypted message.
///
/// `first` is the type of the first payload and `offset` the place of `bytes`, to which errors refer. All derived
/// fields that are read are `Computed`, but see [`Delete`](super::Delete).
///
/// # Errors
/// The first rule that is broken, in the order of the octets.
pub fn parse_chain(first: PayloadType, bytes: &[u8], offset: usize) -> Result<(Vec<Payload>, &[u8]), Error> {
    let mut chain = Chain::new(first, bytes, offset);
    let mut payloads = Vec::with_capacity(chain.reader.count_parts());
    for unread in chain.by_ref() {
        payloads.push(unread?.read()?);
    }
    Ok((payloads, chain.rest()))
}

/// Writes a chain. The Next Payload of the last one is `last_next`, which is `PayloadType::NONE` in honest messages.
pub fn emit_chain(payloads: &[Payload], last_next: PayloadType, out: &mut Vec<u8>) {
    for (index, payload) in payloads.iter().enumerate() {
        let next = payloads.get(index + 1).map_or(last_next, |next| next.body.payload_type());
        let start = out.len();
        out.extend([payload.next_payload.or(next).0, payload.reserved, 0, 0]);
        payload.body.emit(out);
        payload.length.patch_length(start, 2, out);
    }
}

/// The Next Payload field that announces this chain: the type of its first payload, or `PayloadType::NONE`.
pub fn first_type(payloads: &[Payload]) -> PayloadType {
    payloads.first().map_or(PayloadType::NONE, |payload| payload.body.payload_type())
}

/// The first payload of a type.
pub fn find(payloads: &[Payload], payload_type: PayloadType) -> Option<&Payload> {
    payloads.iter().find(|payload| payload.body.payload_type() == payload_type)
}

/// The Notification payloads, in order.
pub fn notifications(payloads: &[Payload]) -> impl Iterator<Item = &Notification> {
    payloads.iter().filter_map(|payload| match &payload.body {
        Body::Notification(notification) => Some(notification),
        _ => None,
    })
}
