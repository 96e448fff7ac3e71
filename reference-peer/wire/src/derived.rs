//! Fields whose value follows from the rest of the message.

/// A derived field (length, checksum, next payload): computed when written, or exactly the given value.
///
/// Reading yields `Computed` wherever the value on the wire is the one that would be computed, so a message that is
/// read and written again is the same octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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
