//! A cursor over octets that knows where it is and what it reads.

use crate::{Error, Rule};

/// Octets still to be read. Every failure carries the offset and the name of the structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    offset: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, the first of which stands at `offset`; `what` names the structure and its section.
    pub(crate) fn new(bytes: &'a [u8], offset: usize, what: &'static str) -> Self {
        Self { left: bytes, offset, what }
    }

    /// The same place under another name.
    pub(crate) fn named(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    /// Offset of the next octet.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Octets that are left.
    pub(crate) fn len(&self) -> usize {
        self.left.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// What is left, without reading it.
    pub(crate) fn peek(&self) -> &'a [u8] {
        self.left
    }

    /// The next `N` octets.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.left.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.left = tail;
                self.offset += N;
                Ok(*head)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// The next octet.
    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[octet]| octet)
    }

    /// The next 16-bit number, in network byte order as all numbers here.
    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next 32-bit number.
    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next `count` octets.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        match self.left.split_at_checked(count) {
            Some((head, tail)) => {
                self.left = tail;
                self.offset += count;
                Ok(head)
            }
            None => Err(self.truncated(count)),
        }
    }

    /// The next `count` octets as a structure of their own.
    #[inline]
    pub(crate) fn part(&mut self, count: usize, what: &'static str) -> Result<Reader<'a>, Error> {
        let offset = self.offset;
        self.take(count).map(|bytes| Reader { left: bytes, offset, what })
    }

    /// How many structures with a length in their third and fourth octets follow one another: payloads, proposals.
    /// A bound for what to reserve, at most one for every four octets; says nothing of whether they are sound.
    pub(crate) fn count_parts(&self) -> usize {
        let mut left = self.left;
        let mut count = 0;
        while let Some([_, _, length_high, length_low]) = left.first_chunk() {
            count += 1;
            match usize::from(u16::from_be_bytes([*length_high, *length_low])) {
                0..4 => break,
                length => left = left.get(length..).unwrap_or_default(),
            }
        }
        count
    }

    /// All that is left.
    #[inline]
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.left;
        self.offset += rest.len();
        self.left = &[];
        rest
    }

    /// Insists that nothing is left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.left.len() {
            0 => Ok(()),
            left => Err(self.fail(Rule::LeftOver { what: self.what, left })),
        }
    }

    /// The error for `rule` at this place.
    #[cold]
    pub(crate) fn fail(&self, rule: Rule) -> Error {
        Error { offset: self.offset, rule }
    }

    #[cold]
    fn truncated(&self, needs: usize) -> Error {
        self.fail(Rule::Truncated { what: self.what, needs, left: self.left.len() })
    }
}
