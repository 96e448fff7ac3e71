//! The fragmentation of vendors: a message that is too long goes out in pieces, each in a message of its own.

use super::api::{Path, RejectReason};
use crate::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use wire::ikev1::{Body, ExchangeType, Flags, Fragment, Header, Message, Payload};

/// Messages that are put together at one time, in all.
const MESSAGES: usize = 32;
/// Octets of a message.
const OCTETS: usize = 65_535;
/// Pieces of a message.
const PIECES: u8 = 64;
/// How long a message waits for its missing pieces.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who has sent the pieces: address, cookies, and the ID that the pieces share.
type Key = (SocketAddr, (u64, u64), u16);

/// Puts messages together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    messages: BTreeMap<Key, Pieces>,
}

#[derive(Debug)]
struct Pieces {
    since: Instant,
    last: Option<u8>,
    pieces: BTreeMap<u8, Vec<u8>>,
}

/// The fragment of a message that carries one and nothing else.
pub(super) fn of(message: &Message) -> Option<&Fragment> {
    match message.payloads() {
        [Payload { body: Body::Fragment(fragment), .. }] => Some(fragment),
        _ => None,
    }
}

impl Assembler {
    /// Takes a piece. Gives the message once it is whole.
    pub(super) fn push(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        fragment: &Fragment,
    ) -> Result<Option<Vec<u8>>, RejectReason> {
        self.messages.retain(|_, pieces| now.since(pieces.since) < PATIENCE);
        if fragment.number == 0 || fragment.number > PIECES {
            return Err(RejectReason::Fragment("number out of range"));
        }
        let key = (path.remote, header.cookies(), fragment.id);
        if self.messages.len() >= MESSAGES && !self.messages.contains_key(&key) {
            return Err(RejectReason::Fragment("too many messages in pieces"));
        }
        let message =
            self.messages.entry(key).or_insert_with(|| Pieces { since: now, last: None, pieces: BTreeMap::new() });
        let number = fragment.number;
        let contradicts = |last: u8| (fragment.is_last() && last != number) || number > last;
        let beyond = fragment.is_last() && message.pieces.keys().any(|known| *known > number);
        if message.last.is_some_and(contradicts) || beyond {
            return Err(RejectReason::Fragment("two last pieces"));
        }
        let total: usize = message.pieces.values().map(Vec::len).sum();
        if total + fragment.data.len() > OCTETS {
            self.messages.remove(&key);
            return Err(RejectReason::Fragment("message too long"));
        }
        // Of a piece that comes twice, the first counts.
        message.pieces.entry(number).or_insert_with(|| fragment.data.clone());
        if fragment.is_last() {
            message.last = Some(number);
        }
        if message.last.is_some_and(|last| message.pieces.len() == usize::from(last)) {
            let whole = self.messages.remove(&key).map(|message| message.pieces.into_values().flatten().collect());
            return Ok(whole);
        }
        Ok(None)
    }
}

/// A message in pieces of at most so many octets, each with its header; `None` if it fits as it is or cannot be cut.
pub(super) fn split(datagram: &[u8], most: usize, id: u16) -> Option<Vec<Vec<u8>>> {
    const HEADERS: usize = Header::OCTETS + 8;
    let header = Header::parse(datagram).ok()?;
    let room = most.saturating_sub(HEADERS);
    if datagram.len() <= most || room == 0 || datagram.len().div_ceil(room) > usize::from(PIECES) {
        return None;
    }
    let pieces: Vec<&[u8]> = datagram.chunks(room).collect();
    let whole = |(number, data): (u8, &&[u8])| {
        let flags = if usize::from(number) == pieces.len() { Fragment::LAST } else { 0 };
        let fragment = Fragment { id, number, flags, data: data.to_vec() };
        let header = Header::new(header.cookies(), header.exchange_type, Flags::default(), header.message_id);
        Message::clear(header, [Payload::from(Body::Fragment(fragment))]).to_bytes()
    };
    Some((1..=PIECES).zip(&pieces).map(whole).collect())
}

/// Is this an exchange whose messages may be cut? Those that tell of errors are short.
pub(super) fn may_split(exchange: ExchangeType) -> bool {
    exchange != ExchangeType::INFORMATIONAL
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn path() -> Path {
        Path { local: "192.0.2.1:500".parse().unwrap(), remote: "192.0.2.2:500".parse().unwrap() }
    }

    fn message() -> Vec<u8> {
        let header = Header::new((1, 2), ExchangeType::MAIN, Flags::default(), 0);
        Message::clear(header, [Payload::from(Body::KeyExchange((0..=255).collect()))]).to_bytes()
    }

    fn push(assembler: &mut Assembler, seconds: u64, octets: &[u8]) -> Result<Option<Vec<u8>>, RejectReason> {
        let message = Message::parse(octets).unwrap();
        let now = Instant::START + Duration::from_secs(seconds);
        assembler.push(now, path(), &message.header, of(&message).unwrap())
    }

    #[test]
    fn pieces_in_any_order_are_the_whole() {
        let pieces = split(&message(), 128, 7).unwrap();
        assert_eq!(pieces.len(), 4);
        assert!(pieces.iter().all(|piece| piece.len() <= 128));
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut assembler = Assembler::default();
            let results: Vec<_> = order.map(|at| push(&mut assembler, 0, &pieces[at]).unwrap()).into();
            assert_eq!(results, [None, None, None, Some(message())]);
        }
        assert_eq!(split(&message(), 4096, 7), None);
        assert_eq!(split(&message(), 36, 7), None);
    }

    #[test]
    fn bad_pieces() {
        let pieces = split(&message(), 128, 7).unwrap();
        let edit = |at: usize, change: &dyn Fn(&mut Fragment)| {
            let mut message = Message::parse(&pieces[at]).unwrap();
            let wire::ikev1::Content::Clear(payloads) = &mut message.content else { panic!("clear") };
            let Body::Fragment(fragment) = &mut payloads[0].body else { panic!("fragment") };
            change(fragment);
            message.to_bytes()
        };
        let mut assembler = Assembler::default();
        assert!(push(&mut assembler, 0, &edit(0, &|f| f.number = 0)).is_err());
        assert!(push(&mut assembler, 0, &edit(0, &|f| f.number = 65)).is_err());
        push(&mut assembler, 0, &pieces[3]).unwrap();
        assert!(push(&mut assembler, 0, &edit(3, &|f| f.number = 3)).is_err(), "two last pieces");
        assert!(push(&mut assembler, 0, &edit(3, &|f| f.number = 5)).is_err());
        push(&mut assembler, 0, &pieces[1]).unwrap();
        push(&mut assembler, 0, &edit(1, &|f| f.data.clear())).unwrap();
        push(&mut assembler, 0, &pieces[0]).unwrap();
        assert_eq!(push(&mut assembler, 0, &pieces[2]).unwrap(), Some(message()), "the first of two counts");
        // Beyond the last one, which comes after it.
        push(&mut assembler, 0, &edit(0, &|f| (f.id, f.number) = (9, 9))).unwrap();
        assert!(push(&mut assembler, 0, &edit(3, &|f| f.id = 9)).is_err());
    }

    #[test]
    fn what_waits_is_bounded() {
        let pieces = split(&message(), 128, 7).unwrap();
        let mut assembler = Assembler::default();
        let with_id = |id: u16| {
            let mut octets = pieces[0].clone();
            octets[32..34].copy_from_slice(&id.to_be_bytes());
            octets
        };
        for id in 0..MESSAGES as u16 {
            push(&mut assembler, 0, &with_id(id)).unwrap();
        }
        assert!(push(&mut assembler, 29, &with_id(1000)).is_err());
        push(&mut assembler, 30, &with_id(1000)).unwrap();
        assert_eq!(assembler.messages.len(), 1);
    }
}
