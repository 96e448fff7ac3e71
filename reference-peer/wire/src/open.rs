//! Open enumerations: numbers with IANA names, in which a value without a name survives a round trip.

/// Declares an open enumeration with IANA names.
macro_rules! open {
    ($(#[$meta:meta])* $name:ident($int:ty) { $($(#[$vmeta:meta])* $konst:ident = $value:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        pub struct $name(pub $int);

        #[allow(missing_docs, reason = "each constant is its IANA name")]
        impl $name {
            $($(#[$vmeta])* pub const $konst: Self = Self($value);)*

            /// The values that have a name here.
            pub const NAMED: &[Self] = &[$(Self($value)),*];

            /// The IANA name, if there is one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{}({})", self.name().unwrap_or(stringify!($name)), self.0)
            }
        }
    };
}
pub(crate) use open;
