//! Why packets were dropped, by name, and how many.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why the data plane dropped an inbound packet. The order is that of the checks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DropReason {
            $($(#[$doc])* $variant,)*
        }

        impl DropReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in logs, counters and reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// A fragment was offered to ESP or AH processing (RFC 4303 section 3.4.1).
    Fragment = "fragment",
    /// A fragment without data, or one that is not the last and whose length is no multiple of 8 (RFC 8200 section
    /// 4.5).
    FragmentLength = "fragment-length",
    /// A fragment that would end after octet 65,535 (RFC 8200 section 4.5).
    FragmentTooLong = "fragment-too-long",
    /// The first fragment of an IPv6 packet does not reach the upper-layer header (RFC 8200 section 4.5).
    FragmentTiny = "fragment-tiny",
    /// A fragment that was there already. The packet is not given up.
    FragmentDuplicate = "fragment-duplicate",
    /// Fragments overlap: with them go all others of the packet (RFC 8200 section 4.5; for IPv4 the safe choice).
    FragmentOverlap = "fragment-overlap",
    /// Fragments disagree about where the packet ends.
    FragmentDisagreement = "fragment-disagreement",
    /// A packet in more fragments than are kept for one.
    FragmentLimit = "fragment-limit",
    /// Given up for newer packets when memory ran short.
    FragmentMemory = "fragment-memory",
    /// The others did not come in time (RFC 791 section 3.2, RFC 8200 section 4.5).
    FragmentTimeout = "fragment-timeout",
    /// A datagram on the port of UDP encapsulation that is shorter than an SPI and no keepalive (RFC 3948 section 2).
    NattTooShort = "natt-too-short",
    /// Shorter than its headers, IV, trailer and ICV.
    TooShort = "too-short",
    /// The outer IP or UDP header is malformed.
    OuterMalformed = "outer-malformed",
    /// Options or extension headers before AH are malformed, so that the ICV can't be computed (RFC 4302 section
    /// 3.3.3.1).
    OuterOptions = "outer-options",
    /// No SA with this SPI (RFC 4303 section 3.4.2).
    UnknownSpi = "unknown-spi",
    /// The SA is for the other protocol (ESP or AH).
    WrongProtocol = "wrong-protocol",
    /// The SA does not take packets in this encapsulation. An honest peer takes both (RFC 7296 section 2.23).
    WrongEncapsulation = "wrong-encapsulation",
    /// The SA has passed its hard lifetime.
    Expired = "expired",
    /// The sequence number was seen before (RFC 4303 section 3.4.3).
    ReplayDuplicate = "replay-duplicate",
    /// The sequence number is to the left of the window (RFC 4303 section 3.4.3).
    ReplayTooOld = "replay-too-old",
    /// The SA counts its packets otherwise than is configured by now (guide chapter 2, `multi-sn`).
    Numbering = "numbering",
    /// The ICV did not verify (RFC 4303 section 3.4.4).
    BadIcv = "bad-icv",
    /// AH's Payload Len is not that of the algorithm (RFC 4302 section 2.2).
    AhLength = "ah-length",
    /// The encrypted part is not a multiple of the cipher's block, or pad length and next header do not end a
    /// 4-octet word (RFC 4303 section 2.4).
    Misaligned = "misaligned",
    /// The pad length is greater than what there is (RFC 4303 section 2.4).
    PadLength = "pad-length",
    /// The padding is not 1, 2, 3, ... (RFC 4303 section 2.4).
    BadPadding = "bad-padding",
    /// A dummy packet, next header 59: no error (RFC 4303 section 2.6).
    Dummy = "dummy",
    /// The next header does not fit the mode: neither 4 nor 41 in tunnel mode.
    NextHeader = "next-header",
    /// The inner IP header is malformed, or of another version than the next header says.
    InnerMalformed = "inner-malformed",
    /// The inner packet does not fit the SA's selectors (RFC 4301 section 5.2).
    SelectorMismatch = "selector-mismatch",
    /// The inner packet is a non-initial fragment on an SA for particular ports (RFC 4301 section 7.3).
    SelectorFragment = "selector-fragment",
    /// Inner Not-ECT with an outer CE mark (RFC 6040 section 4.2).
    EcnCongestion = "ecn-congestion",
    /// The policy wants protection, and the packet came in the clear (RFC 4301 section 5.2).
    PolicyUnprotected = "policy-unprotected",
    /// A policy discards it, or none matches it (RFC 4301 section 5).
    PolicyDiscard = "policy-discard",
    /// Longer than the path carries, and not to be fragmented (RFC 4301 section 8.2.1).
    TooBig = "too-big",
    /// TTL or hop limit used up (RFC 1812 section 5.3.1).
    HopLimit = "hop-limit",
}

impl DropReason {
    /// A fragment that was thrown away before it was part of a packet.
    pub fn is_fragment(self) -> bool {
        self.name().starts_with("fragment")
    }

    /// A replay drop, as the vendor's counters group them (guide chapter 2).
    pub fn is_replay(self) -> bool {
        matches!(self, Self::ReplayDuplicate | Self::ReplayTooOld)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many packets were dropped, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Drops {
    /// Counts one.
    pub fn count(&mut self, reason: DropReason) {
        self.count_many(reason, 1);
    }

    /// Counts several.
    pub fn count_many(&mut self, reason: DropReason, count: u64) {
        self.0[reason as usize] += count;
    }

    /// Counts what another has counted.
    pub fn add(&mut self, other: &Self) {
        other.iter().for_each(|(reason, count)| self.count_many(reason, count));
    }

    /// How many for this reason.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many for the reasons that fit.
    pub fn total(&self, fits: impl Fn(DropReason) -> bool) -> u64 {
        self.iter().filter(|&(reason, _)| fits(reason)).map(|(_, count)| count).sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().map(|&reason| (reason, self.of(reason))).filter(|&(_, count)| count > 0)
    }
}
