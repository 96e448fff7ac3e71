//! Deviations of ESP: format, padding, sequence numbers, anti-replay, encapsulation in UDP.

macro_rules! esp {
    ($($before:tt)*) => { deviations! { $($before)*
        // The IPsec data plane, by area of the catalogue: esp-format.
        /// Sends the octets of the SPI in the wrong order.
        SwapsSpiOctets = "swaps-spi-octets" ["ESP-FMT-001"];
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
        /// Stops processing an SA after a dummy packet.
        TakesDummyForError = "takes-dummy-for-error" ["ESP-FMT-008"];
        /// Forwards the TFC padding after the inner packet.
        ForwardsTfcPadding = "forwards-tfc-padding" ["ESP-FMT-009"];
        /// Processes the first fragment of an ESP packet as if it were whole.
        ProcessesFirstFragment = "processes-first-fragment" ["ESP-FMT-010", "AH-FMT-005", "V6-007"];
        /// Stops processing an SA after an ESP packet that is too short.
        WedgesOnShortEsp = "wedges-on-short-esp" ["ESP-FMT-011"];
        /// Leaves the payload out of the additional authenticated data of AES-GMAC.
        LeavesPayloadOutOfGmac = "leaves-payload-out-of-gmac" ["ESP-FMT-012"];
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
        StartsSequenceAtZero = "starts-sequence-at-zero" ["ESP-SEQ-001", "AH-REPLAY-002"];
        /// Skips one sequence number in every eight packets.
        SkipsSequenceNumbers = "skips-sequence-numbers" ["ESP-SEQ-002", "AH-REPLAY-002"];
        /// Uses one sequence number twice in every eight packets.
        RepeatsSequenceNumbers = "repeats-sequence-numbers" ["ESP-SEQ-002", "CISCO-REPLAY-008"];
        /// Goes on with sequence number 0 when the numbers are used up.
        WrapsSequenceNumbers = "wraps-sequence-numbers" ["ESP-SEQ-003", "AH-REPLAY-002"];
        /// Starts again at sequence number 1 after 63 packets.
        ResetsSequenceNumbers = "resets-sequence-numbers" ["ESP-SEQ-004"];
        /// Counts the packets of AH and ESP in a bundle with one counter.
        SharesCounterInBundle = "shares-counter-in-bundle" ["AH-REPLAY-002"];

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
        MovesWindowBeforeIcv = "moves-window-before-icv" ["ESP-REPLAY-004", "AH-REPLAY-001", "ESP-ESN-005"];
        /// Marks a number in the window as seen before the ICV is verified.
        MarksNumberBeforeIcv = "marks-number-before-icv" ["ESP-REPLAY-005"];
        /// Takes the numbers that a jump skips for seen.
        MarksSkippedNumbers = "marks-skipped-numbers" ["ESP-REPLAY-006"];
        /// Has a replay window of 16 whatever is configured.
        WindowOfSixteen = "window-of-sixteen" ["ESP-REPLAY-007", "AH-REPLAY-001", "CISCO-REPLAY-001"];
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
        IgnoresWindowSize = "ignores-window-size" ["CISCO-REPLAY-003", "CISCO-REPLAY-006"];
        /// Checks sequence numbers although the check is switched off.
        ChecksReplayAlthoughOff = "checks-replay-although-off" ["CISCO-REPLAY-005", "CISCO-REPLAY-006"];
        /// Accepts sequence numbers to the left of the window.
        AcceptsLeftOfWindow = "accepts-left-of-window" ["CISCO-REPLAY-009", "CISCO-REPLAY-022"];
        /// Keeps one replay window for all sequence number spaces.
        OneWindowForAllSpaces = "one-window-for-all-spaces" ["CISCO-REPLAY-011", "CISCO-REPLAY-016"];
        /// Keeps a window of full size for each of several sequence number spaces.
        FullWindowForEachSpace = "full-window-for-each-space" ["CISCO-REPLAY-015"];
        /// Numbers the packets of all queues in space 0.
        CountsAllInOneSpace =
            "counts-all-in-one-space" ["CISCO-REPLAY-012", "CISCO-REPLAY-013", "CISCO-REPLAY-016"];
        /// Drops packets after a gap that is wider than the window.
        RefusesGaps = "refuses-gaps" ["CISCO-REPLAY-014"];
        /// Counts replays as ICV failures.
        CountsReplaysAsIcvFailures = "counts-replays-as-icv-failures" ["CISCO-REPLAY-021"];
        /// Lets the global replay window override that of a crypto map.
        GlobalWindowWins = "global-window-wins" ["CISCO-REPLAY-004"];
        /// Checks no sequence numbers at all where the check is off globally or for one crypto map.
        DisablesReplayCheckForAll = "disables-replay-check-for-all" ["CISCO-REPLAY-004", "CISCO-REPLAY-005"];
        /// Writes no message about rejected sequence numbers.
        SilentOnReplays = "silent-on-replays" ["CISCO-REPLAY-007"];
        /// Writes messages about duplicates only, not about packets to the left of the window.
        LogsDuplicatesOnly = "logs-duplicates-only" ["CISCO-REPLAY-007"];
        /// Takes packets for numbered in spaces although that is not configured.
        TakesSpacesUnasked = "takes-spaces-unasked" ["CISCO-REPLAY-016"];
        /// Goes on without sequence number spaces for new SAs after they were switched on, and drops what has them.
        KeepsNumberingAfterClear = "keeps-numbering-after-clear" ["CISCO-REPLAY-017"];

        // esn.
        /// Adds 32 zero bits to the ICV input without extended sequence numbers.
        AuthenticatesHighHalfAlways = "authenticates-high-half-always" ["ESP-ESN-001"];
        /// Puts the high half of the sequence number before the SPI, or leaves it out of the AAD of a combined mode.
        MisplacesEsnHighHalf = "misplaces-esn-high-half" ["ESP-ESN-002"];
        /// Never goes on to the next high half of the sequence number.
        NeverIncrementsEsnHighHalf = "never-increments-esn-high-half" ["ESP-ESN-003"];
        /// Verifies late packets from before the roll-over with the new high half.
        TakesLateEsnForNew = "takes-late-esn-for-new" ["ESP-ESN-004"];
        /// Takes the high half before the first for a high half of -1.
        TakesHighHalfOfMinusOne = "takes-high-half-of-minus-one" ["ESP-ESN-004"];
        /// Negotiates extended sequence numbers although it does not check for replays.
        NegotiatesEsnWithoutReplayCheck = "negotiates-esn-without-replay-check" ["ESP-ESN-007"];
        /// Never looks for a larger high half after a great loss.
        NeverResynchronisesEsn = "never-resynchronises-esn" ["ESP-ESN-008"];

        // udp-encap.
        /// Puts the non-ESP marker before IKE messages on port 500 too.
        MarkerOnPort500 = "marker-on-port-500" ["NATT-ENC-001"];
        /// Sends ESP in UDP although there is no NAT.
        AlwaysEncapsulates = "always-encapsulates" ["CISCO-NATT-005"];
        /// Leaves the non-ESP marker out before IKE messages on port 4500.
        OmitsNonEspMarker = "omits-non-esp-marker" ["NATT-ENC-001"];
        /// Answers IKE requests to the port that they came to instead of the one that they came from.
        AnswersToOwnPort = "answers-to-own-port" ["NATT-ENC-011"];
        /// Drops IKE_SA_INIT requests on port 4500.
        IgnoresInitOnPort4500 = "ignores-init-on-port-4500" ["NATT-ENC-012"];
        /// Sends where an ESP packet came from before it has verified it, or where a keepalive came from.
        FollowsUnverifiedEsp = "follows-unverified-esp" ["NATT-ENC-014", "NATT-KA-007"];
        /// Goes on sending to the peer's old port after a NAT has given it another.
        NeverFollowsPeer = "never-follows-peer" ["NATT-ENC-014"];
        /// Follows the peer to another port although it is behind a NAT itself.
        FollowsBehindNat = "follows-behind-nat" ["NATT-ENC-015"];
        /// Takes no IKE on port 4500 after a datagram that is too short for a non-ESP marker.
        StopsAtShortDatagram = "stops-at-short-datagram" ["NATT-ENC-019"];
        /// Sends requests of its own to port 500 whatever the peer's port is.
        RequestsToPort500 = "requests-to-port-500" ["NATT-ENC-020"];
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
        IgnoresNat = "ignores-nat" ["NATT-ENC-007", "CISCO-NATT-005"];
        /// Drops ESP in the form that it does not send itself.
        TakesOnlyOwnEncapsulation = "takes-only-own-encapsulation" ["NATT-ENC-008"];
        /// Does not repair TCP and UDP checksums after a NAT in transport mode.
        LeavesTransportChecksums = "leaves-transport-checksums" ["NATT-ENC-018"];
        /// Puts four zero octets between UDP and ESP.
        MarkerBeforeEsp = "marker-before-esp" ["CISCO-NATT-009"];
        /// Leaves protocol 50 in the IP header of encapsulated ESP.
        KeepsProtocol50InUdp = "keeps-protocol-50-in-udp" ["CISCO-NATT-010"];
    } };
}
