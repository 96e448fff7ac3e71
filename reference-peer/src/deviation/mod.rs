//! The deliberate faults of the peer, each with the requirement ids that it breaks.
//!
//! A scenario that cannot see its deviation is not a test. A fault in what the peer decides is asked for by name at
//! the place where it decides; a fault in what it sends is an edit by [`DeviantHands`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Declares the deviations with their names, requirement ids and descriptions.
macro_rules! deviations {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal [$($requirement:literal),+ $(,)?];)*) => {
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
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
}

deviations! {
    /// Processes a retransmitted request anew instead of repeating the stored response.
    AcceptsReplayedRequest = "accepts-replayed-request" ["IKE2-RTX-004", "IKE2-RTX-005"];

    // The IPsec data plane, by area of the catalogue: esp-format.
    /// Sends sequence number 0 on an SA without a replay check.
    SendsZeroSequenceWithoutReplayCheck = "sends-zero-sequence-without-replay-check" ["ESP-FMT-001"];
    /// Compares only the first four octets of the ICV.
    ComparesFourOctetsOfIcv = "compares-four-octets-of-icv" ["ESP-FMT-002", "AH-FMT-004"];
    /// Leaves the IV out of the ICV of a separate integrity algorithm.
    LeavesIvOutOfIcv = "leaves-iv-out-of-icv" ["ESP-FMT-002"];
    /// Forwards what it has decrypted whether the ICV is right or wrong.
    ForwardsBeforeVerifying = "forwards-before-verifying" ["ESP-FMT-003"];
    /// Uses each IV of a counter mode twice.
    RepeatsIv = "repeats-iv" ["ESP-FMT-004"];
    /// Takes the salt from the front of the keying material.
    SaltBeforeKey = "salt-before-key" ["ESP-FMT-004"];
    /// Uses the sequence number as IV in CBC mode.
    SequenceNumberAsIv = "sequence-number-as-iv" ["ESP-FMT-005"];
    /// Leaves room for an IV of eight octets with NULL encryption.
    ReservesIvForNull = "reserves-iv-for-null" ["ESP-FMT-006"];
    /// Truncates the ICV of HMAC-SHA2-256 to 96 bits.
    CutsSha256To96 = "cuts-sha256-to-96" ["ESP-FMT-007"];
    /// Treats a dummy packet as one of an unknown protocol.
    TakesDummyForError = "takes-dummy-for-error" ["ESP-FMT-008"];
    /// Forwards the TFC padding after the inner packet.
    ForwardsTfcPadding = "forwards-tfc-padding" ["ESP-FMT-009"];
    /// Processes the first fragment of an ESP packet as if it were whole.
    ProcessesFirstFragment = "processes-first-fragment" ["ESP-FMT-010"];
    /// Stops processing an SA after an ESP packet that is too short.
    WedgesOnShortEsp = "wedges-on-short-esp" ["ESP-FMT-011"];
    /// Lays out the nonce of ChaCha20-Poly1305 with the salt reversed.
    ReversedChaChaSalt = "reversed-chacha-salt" ["ESP-FMT-013"];

    // esp-padding.
    /// Pads with zeros.
    PadsWithZeros = "pads-with-zeros" ["ESP-PAD-001"];
    /// Does not look at the values of padding.
    IgnoresPaddingValues = "ignores-padding-values" ["ESP-PAD-002"];
    /// Sends packets of counter modes without alignment to four octets.
    LeavesStreamCiphersUnaligned = "leaves-stream-ciphers-unaligned" ["ESP-PAD-003"];
    /// Drops packets with a block or more of padding.
    TakesLessThanABlockOfPadding = "takes-less-than-a-block-of-padding" ["ESP-PAD-004"];
    /// Takes a pad length beyond the payload for no padding.
    ForgivesPadLength = "forgives-pad-length" ["ESP-PAD-005"];
    /// Pads counter modes to 16 octets.
    PadsStreamCiphersTo16 = "pads-stream-ciphers-to-16" ["ESP-PAD-006"];

    // esp-seq.
    /// Gives the first packet of an SA the sequence number 0.
    StartsSequenceAtZero = "starts-sequence-at-zero" ["ESP-SEQ-001"];
    /// Skips one sequence number in every eight packets.
    SkipsSequenceNumbers = "skips-sequence-numbers" ["ESP-SEQ-002"];
    /// Uses one sequence number twice in every eight packets.
    RepeatsSequenceNumbers = "repeats-sequence-numbers" ["ESP-SEQ-002", "CISCO-REPLAY-008"];
    /// Goes on with sequence number 0 when the numbers are used up.
    WrapsSequenceNumbers = "wraps-sequence-numbers" ["ESP-SEQ-003"];
    /// Starts again at sequence number 1 after 63 packets.
    ResetsSequenceNumbers = "resets-sequence-numbers" ["ESP-SEQ-004"];

    // anti-replay.
    /// Compares a sequence number only with the highest one.
    ChecksOnlyLastNumber = "checks-only-last-number" ["ESP-REPLAY-001"];
    /// Accepts only sequence numbers higher than all before.
    AcceptsOnlyIncreasingNumbers = "accepts-only-increasing-numbers" ["ESP-REPLAY-002"];
    /// Has a replay window that is one number too wide.
    WindowOneTooWide = "window-one-too-wide" ["ESP-REPLAY-003", "CISCO-REPLAY-002"];
    /// Has a replay window that is one number too narrow.
    WindowOneTooNarrow = "window-one-too-narrow" ["ESP-REPLAY-003", "CISCO-REPLAY-002"];
    /// Moves the replay window before the ICV is verified.
    MovesWindowBeforeIcv = "moves-window-before-icv" ["ESP-REPLAY-004", "ESP-ESN-005"];
    /// Marks a number in the window as seen before the ICV is verified.
    MarksNumberBeforeIcv = "marks-number-before-icv" ["ESP-REPLAY-005"];
    /// Takes the numbers that a jump skips for seen.
    MarksSkippedNumbers = "marks-skipped-numbers" ["ESP-REPLAY-006"];
    /// Has a replay window of 16 whatever is configured.
    WindowOfSixteen = "window-of-sixteen" ["ESP-REPLAY-007", "CISCO-REPLAY-001"];
    /// Accepts the sequence number 0 once.
    AcceptsSequenceZero = "accepts-sequence-zero" ["ESP-REPLAY-008"];
    /// Clears only the newest block of the window after a jump over several.
    ClearsNewestBlockOnly = "clears-newest-block-only" ["ESP-REPLAY-009"];
    /// Keeps one replay window for all SAs.
    OneWindowForAllSas = "one-window-for-all-sas" ["ESP-REPLAY-010"];
    /// Starts a new SA with the replay window of the one before.
    InheritsWindow = "inherits-window" ["ESP-REPLAY-011"];
    /// Takes small sequence numbers for newer at the end of the 32 bits.
    WrapsReceiveWindow = "wraps-receive-window" ["ESP-REPLAY-012"];
    /// Checks sequence numbers on an SA without integrity service.
    ChecksReplayWithoutIntegrity = "checks-replay-without-integrity" ["ESP-REPLAY-013"];
    /// Drops the SAs with equal selectors when a new one is set up.
    KeepsOnlyNewestSa = "keeps-only-newest-sa" ["ESP-REPLAY-014"];
    /// Does not check the sequence numbers of AH.
    SkipsReplayCheckForAh = "skips-replay-check-for-ah" ["AH-REPLAY-001"];
    /// Has a replay window of 64 whatever is configured.
    IgnoresWindowSize = "ignores-window-size" ["CISCO-REPLAY-003"];
    /// Accepts sequence numbers to the left of the window.
    AcceptsLeftOfWindow = "accepts-left-of-window" ["CISCO-REPLAY-009", "CISCO-REPLAY-022"];
    /// Keeps one replay window for all sequence number spaces.
    OneWindowForAllSpaces = "one-window-for-all-spaces" ["CISCO-REPLAY-011"];
    /// Numbers the packets of all queues in space 0.
    CountsAllInOneSpace = "counts-all-in-one-space" ["CISCO-REPLAY-012", "CISCO-REPLAY-013"];
    /// Drops packets after a gap that is wider than the window.
    RefusesGaps = "refuses-gaps" ["CISCO-REPLAY-014"];
    /// Counts replays as ICV failures.
    CountsReplaysAsIcvFailures = "counts-replays-as-icv-failures" ["CISCO-REPLAY-021"];

    // esn.
    /// Adds 32 zero bits to the ICV input without extended sequence numbers.
    AuthenticatesHighHalfAlways = "authenticates-high-half-always" ["ESP-ESN-001"];
    /// Puts the high half of the sequence number before the SPI, or leaves it out of the AAD of a combined mode.
    MisplacesEsnHighHalf = "misplaces-esn-high-half" ["ESP-ESN-002"];
    /// Never goes on to the next high half of the sequence number.
    NeverIncrementsEsnHighHalf = "never-increments-esn-high-half" ["ESP-ESN-003"];
    /// Verifies late packets from before the roll-over with the new high half.
    TakesLateEsnForNew = "takes-late-esn-for-new" ["ESP-ESN-004"];
    /// Never looks for a larger high half after a great loss.
    NeverResynchronisesEsn = "never-resynchronises-esn" ["ESP-ESN-008"];

    // udp-encap.
    /// Allocates the SPI 0.
    AllocatesSpiZero = "allocates-spi-zero" ["NATT-ENC-002"];
    /// Sends encapsulated ESP to port 4500 whatever the peer's port is.
    SendsToPort4500 = "sends-to-port-4500" ["NATT-ENC-003", "CISCO-NATT-011"];
    /// Computes the UDP checksum of encapsulated ESP over IPv4.
    ComputesUdpChecksum = "computes-udp-checksum" ["NATT-ENC-004", "CISCO-NATT-008"];
    /// Drops encapsulated ESP with a UDP checksum that is not zero.
    DropsUdpChecksums = "drops-udp-checksums" ["NATT-ENC-005"];
    /// Takes ESP out of UDP datagrams to port 500.
    TakesEspOnPort500 = "takes-esp-on-port-500" ["NATT-ENC-006"];
    /// Sends ESP without UDP although there is a NAT.
    IgnoresNat = "ignores-nat" ["NATT-ENC-007"];
    /// Drops ESP in the form that it does not send itself.
    TakesOnlyOwnEncapsulation = "takes-only-own-encapsulation" ["NATT-ENC-008"];
    /// Does not repair TCP and UDP checksums after a NAT in transport mode.
    LeavesTransportChecksums = "leaves-transport-checksums" ["NATT-ENC-018"];
    /// Puts four zero octets between UDP and ESP.
    MarkerBeforeEsp = "marker-before-esp" ["CISCO-NATT-009"];
    /// Leaves protocol 50 in the IP header of encapsulated ESP.
    KeepsProtocol50InUdp = "keeps-protocol-50-in-udp" ["CISCO-NATT-010"];

    // tunnel-mode and transport-mode.
    /// Copies the inner TTL to the outer header.
    CopiesInnerTtl = "copies-inner-ttl" ["TUN-001"];
    /// Uses the inner source address in the outer header.
    InnerSourceOutside = "inner-source-outside" ["TUN-002"];
    /// Forwards everything that decrypts.
    SkipsSelectorCheck = "skips-selector-check" ["TUN-003"];
    /// Forwards clear traffic that should have been protected.
    ForwardsClearTraffic = "forwards-clear-traffic" ["TUN-005"];
    /// Lets packets pass that no policy matches.
    BypassesByDefault = "bypasses-by-default" ["TUN-006"];
    /// Writes next header 0 in tunnel mode.
    WrongNextHeader = "wrong-next-header" ["TUN-007"];
    /// Copies the outer DSCP into the inner header.
    CopiesOuterDscpInside = "copies-outer-dscp-inside" ["TUN-008", "ECN-006"];
    /// Lets inner fragments pass an SA for particular ports.
    LetsFragmentsPastPorts = "lets-fragments-past-ports" ["TUN-010"];
    /// Drops inner fragments.
    DropsInnerFragments = "drops-inner-fragments" ["TUN-011"];
    /// Trusts version, lengths and checksum of the inner header.
    TrustsInnerHeader = "trusts-inner-header" ["TUN-012"];
    /// Puts the options of the IPv4 header behind ESP in transport mode.
    MovesOptionsBehindEsp = "moves-options-behind-esp" ["TRN-003"];
    /// Protects fragments one by one in transport mode.
    ProtectsFragmentsInTransportMode = "protects-fragments-in-transport-mode" ["TRN-004", "ESP-SEQ-005"];
    /// Checks only the addresses of the inner packet.
    ChecksAddressesOnly = "checks-addresses-only" ["TRN-005"];

    // ah-format, ah-mutable-fields.
    /// Includes the TTL in the ICV of AH.
    CoversTtlWithAh = "covers-ttl-with-ah" ["AH-MUT-001"];

    // tos-ecn and df-bit.
    /// Sends DSCP 0 in the outer header.
    SendsDscpZero = "sends-dscp-zero" ["ECN-001"];
    /// Clears the ECN field of the outer header.
    ClearsOuterEcn = "clears-outer-ecn" ["ECN-002"];
    /// Does not bring the outer CE mark into the inner header.
    LosesCongestionMark = "loses-congestion-mark" ["ECN-003"];
    /// Forwards inner Not-ECT with outer CE as CE.
    ForwardsCongestedNotEct = "forwards-congested-not-ect" ["ECN-004"];
    /// Turns inner ECT(0) with outer ECT(1) into Not-ECT.
    LosesEct = "loses-ect" ["ECN-005"];
    /// Sets the outer DF bit although it should be copied.
    SetsDfAlways = "sets-df-always" ["DF-001", "CISCO-DF-001"];
    /// Copies the inner DF bit although the outer one should be clear.
    CopiesDfWhenClearing = "copies-df-when-clearing" ["DF-002"];
    /// Copies the inner DF bit although the outer one should be set.
    CopiesDfWhenSetting = "copies-df-when-setting" ["DF-003", "CISCO-DF-003"];
    /// Copies the outer DF bit into the inner header.
    CopiesOuterDfInside = "copies-outer-df-inside" ["DF-005"];
}

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
