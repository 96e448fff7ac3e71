//! Fields whose value follows from the rest of the message.

/// A derived field (length, checksum, next payload): computed when written, or exactly the given value.
///
/// Reading yields `Computed` wherever the value on the wire is the one that would be computed, so a message that is
/// read and written again is the same octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Derived<T> {
    /// Written as the standard says.
    #[default]
    Computed,
    /// Written exactly so, right or wrong.
    Exactly(T),
}

impl<T: Copy> Derived<T> {
    /// The value to write, given what would be computed.
    pub fn or(self, computed: T) -> T {
        match self {
            Self::Computed => computed,
            Self::Exactly(value) => value,
        }
    }
}

impl<T: PartialEq> Derived<T> {
    /// What reading makes of a value on the wire: `Computed` if it is what would be computed.
    pub fn read(found: T, computed: T) -> Self {
        if found == computed { Self::Computed } else { Self::Exactly(found) }
    }
}

impl Derived<u16> {
    /// Writes the length of the structure that began at `start` into its length field `field` octets further on.
    pub(crate) fn patch_length(self, start: usize, field: usize, out: &mut [u8]) {
        let length = self.or(out.len().wrapping_sub(start) as u16);
        patch(out, start.saturating_add(field), length.to_be_bytes());
    }
}

/// Overwrites the octets at `at`.
pub(crate) fn patch<const N: usize>(out: &mut [u8], at: usize, octets: [u8; N]) {
    if let Some(field) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = octets;
    }
}
