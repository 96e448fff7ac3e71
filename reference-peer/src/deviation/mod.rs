//! The deliberate faults of the peer, each with the requirement ids that it breaks.
//!
//! A scenario that cannot see its deviation is not a test. A fault in what the peer decides is asked for by name at
//! the place where it decides; a fault in what it sends is an edit by [`DeviantHands`].

mod hands;
mod isakmp;
#[macro_use]
mod list;

pub use hands::DeviantHands;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Declares the deviations with their names, requirement ids and descriptions: those of each list after the other.
macro_rules! deviations {
    ([$list:ident $($lists:ident)*] $($declared:tt)*) => { $list! { [$($lists)*] $($declared)* } };
    ([] $($(#[doc = $doc:literal])+ $variant:ident = $name:literal [$($requirement:literal),+ $(,)?];)*) => {
        /// One deliberate fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Deviation {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Deviation {
            /// All deviations.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The ids of the requirements that it breaks.
            pub fn requirements(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($requirement),+],)* }
            }

            /// What the peer does wrong, in one sentence.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)* }
            }
        }
    };
}

deviations! { [ike_v2 ike_v1 esp encapsulation fragmentation gateway] }

/// No deviation has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown deviation `{0}`")]
pub struct UnknownDeviation(String);

impl FromStr for Deviation {
    type Err = UnknownDeviation;

    fn from_str(name: &str) -> Result<Self, UnknownDeviation> {
        let known = Self::ALL.iter().copied().find(|deviation| deviation.name() == name);
        known.ok_or_else(|| UnknownDeviation(name.to_owned()))
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The deviations that a peer has; none for an honest one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviationSet(BTreeSet<Deviation>);

impl DeviationSet {
    /// Is this one of them?
    pub fn has(&self, deviation: Deviation) -> bool {
        self.0.contains(&deviation)
    }

    /// Adds one.
    pub fn insert(&mut self, deviation: Deviation) {
        self.0.insert(deviation);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Deviation> + '_ {
        self.0.iter().copied()
    }

    /// Is the peer honest?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Deviation> for DeviationSet {
    fn from_iter<T: IntoIterator<Item = Deviation>>(deviations: T) -> Self {
        Self(deviations.into_iter().collect())
    }
}

impl Extend<Deviation> for DeviationSet {
    fn extend<T: IntoIterator<Item = Deviation>>(&mut self, deviations: T) {
        self.0.extend(deviations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: BTreeSet<_> = Deviation::ALL.iter().map(|deviation| deviation.name()).collect();
        assert_eq!(names.len(), Deviation::ALL.len());
        for deviation in Deviation::ALL {
            assert_eq!(deviation.name().parse(), Ok(*deviation));
            assert!(deviation.name().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            assert!(deviation.description().ends_with('.'), "{deviation}");
        }
        assert!("no-such".parse::<Deviation>().is_err());
    }
}
