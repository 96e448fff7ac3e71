//! The deliberate faults of the peer, each with the requirement ids that it breaks.
//!
//! A scenario that cannot see its deviation is not a test. A fault in what the peer decides is asked for by name at
//! the place where it decides; a fault in what it sends is an edit by [`DeviantHands`].

mod hands;

pub use hands::DeviantHands;

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
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)* }
            }
        }
    };
}

deviations! {
    // ---- IKEv2: header ----
    /// Chooses the same IKE SPI every time, as long as it is free.
    ConstantIkeSpi = "constant-ike-spi" ["IKE2-HDR-001"];
    /// Repeats IKE_SA_INIT with a responder SPI that is not zero.
    ResponderSpiInRetry = "responder-spi-in-retry" ["IKE2-HDR-002"];
    /// Sends minor version 1.
    SendsMinorVersion = "sends-minor-version" ["IKE2-HDR-003"];
    /// Drops messages of another minor version.
    RejectsMinorVersion = "rejects-minor-version" ["IKE2-HDR-004"];
    /// Processes messages of a higher major version as IKEv2.
    IgnoresMajorVersion = "ignores-major-version" ["IKE2-HDR-005"];
    /// Sends INVALID_MAJOR_VERSION as a request.
    VersionNotifyAsRequest = "version-notify-as-request" ["IKE2-HDR-006"];
    /// Sets a reserved bit of the Flags octet.
    SetsReservedFlags = "sets-reserved-flags" ["IKE2-HDR-007"];
    /// Sets the Version bit of the Flags octet.
    SetsVersionFlag = "sets-version-flag" ["IKE2-HDR-009"];
    /// Leaves the Response flag clear in INFORMATIONAL responses.
    ResponseFlagMissing = "response-flag-missing" ["IKE2-HDR-010"];
    /// Answers protected responses that nobody asked for.
    AnswersResponses = "answers-responses" ["IKE2-HDR-011"];
    /// Sets the Initiator flag in every request of its own, and only there.
    InitiatorFlagByExchange = "initiator-flag-by-exchange" ["IKE2-HDR-012"];
    /// Keeps the roles of the old IKE SA after a rekey.
    RekeyKeepsRoles = "rekey-keeps-roles" ["IKE2-HDR-013"];
    /// Counts the Message ID up when it repeats IKE_SA_INIT with a cookie or another group.
    MessageIdGrowsInInit = "message-id-grows-in-init" ["IKE2-HDR-015"];
    /// Knows an IKE SA only by the address and port that it was set up from.
    KnowsIkeSaByAddress = "knows-ike-sa-by-address" ["IKE2-HDR-014"];
    /// Takes the length of the datagram for the length in the header.
    IgnoresHeaderLength = "ignores-header-length" ["IKE2-HDR-016"];

    // ---- IKEv2: payloads ----
    /// Skips unknown payloads although they are critical.
    SkipsCriticalPayloads = "skips-critical-payloads" ["IKE2-PAY-001"];
    /// Refuses messages with unknown payloads that are not critical.
    RejectsUnknownPayloads = "rejects-unknown-payloads" ["IKE2-PAY-002"];
    /// Sets the critical bit of payloads in responses.
    CriticalInResponses = "critical-in-responses" ["IKE2-PAY-003"];
    /// Sets the critical bit of the SA payload in requests.
    CriticalSaPayload = "critical-sa-payload" ["IKE2-PAY-004"];
    /// Refuses known payloads with the critical bit.
    RejectsCriticalKnownPayloads = "rejects-critical-known-payloads" ["IKE2-PAY-005"];
    /// Drops messages whose RESERVED fields are not zero.
    RejectsReservedFields = "rejects-reserved-fields" ["IKE2-PAY-006", "IKE2-HDR-008"];
    /// Verifies AUTH over an ID payload with its RESERVED octets set to zero.
    SignsZeroedReserved = "signs-zeroed-reserved" ["IKE2-PAY-006", "IKE2-AUTH-003"];
    /// Drops an IKE_SA_INIT request in which the SA payload is not first.
    InsistsOnPayloadOrder = "insists-on-payload-order" ["IKE2-PAY-007"];
    /// Appends an unprotected Vendor ID after the Encrypted payload.
    PayloadAfterEncrypted = "payload-after-encrypted" ["IKE2-PAY-008"];
    /// Refuses messages with an unknown status notify.
    RejectsUnknownStatusNotify = "rejects-unknown-status-notify" ["IKE2-PAY-011", "COOKIE-008"];
    /// Accepts no more than the least padding.
    InsistsOnMinimalPadding = "insists-on-minimal-padding" ["IKE2-PAY-014", "IKE2-PAY-022"];
    /// Uses the same IV for every protected message.
    ReusesIv = "reuses-iv" ["IKE2-PAY-015"];
    /// Answers messages with a bad checksum by an INVALID_SYNTAX in the clear.
    ReportsSyntaxInClear = "reports-syntax-in-clear" ["IKE2-PAY-016"];
    /// Accepts nonces of any length.
    AcceptsAnyNonce = "accepts-any-nonce" ["IKE2-PAY-017"];
    /// Moves its Message ID window before it has checked the integrity of a request.
    AdvancesMessageIdBeforeIntegrity = "advances-message-id-before-integrity" ["IKE2-PAY-021"];
    /// Fills the RESERVED bits of the generic payload header.
    FillsReserved = "fills-reserved" ["IKE2-PAY-006"];
    /// Stops processing messages after one whose payloads are malformed.
    WedgesOnMalformedPayload = "wedges-on-malformed-payload" ["IKE2-PAY-009", "IKE2-PAY-018"];
    /// Refuses messages with an empty Vendor ID.
    RejectsEmptyVendorId = "rejects-empty-vendor-id" ["IKE2-PAY-010"];
    /// Refuses requests with an unknown error notify.
    RejectsUnknownErrorNotify = "rejects-unknown-error-notify" ["IKE2-PAY-012"];
    /// Sends a nonce of eight octets.
    SendsShortNonce = "sends-short-nonce" ["IKE2-PAY-017"];
    /// Drops messages of more than 1024 octets.
    DropsLongMessages = "drops-long-messages" ["IKE2-PAY-019"];
    /// Refuses notifies that name a protocol but no SPI.
    RejectsProtocolWithoutSpi = "rejects-protocol-without-spi" ["IKE2-PAY-020"];
    /// Names IKE as protocol of notifies without a SPI.
    NamesProtocolWithoutSpi = "names-protocol-without-spi" ["IKE2-PAY-020"];

    // ---- IKEv2: SA negotiation ----
    /// Answers with all proposals of the offer.
    EchoesAllProposals = "echoes-all-proposals" ["IKE2-SA-001"];
    /// Answers with two transforms of one type.
    AnswersTwoTransforms = "answers-two-transforms" ["IKE2-SA-002"];
    /// Leaves the ESN transform out of the answer for a Child SA.
    OmitsEsn = "omits-esn" ["IKE2-SA-002", "IKE2-SA-031"];
    /// Numbers the accepted proposal 1, whatever its number was.
    AnswersProposalOne = "answers-proposal-one" ["IKE2-SA-003"];
    /// Drops the Key Length attribute from the answer.
    DropsKeyLength = "drops-key-length" ["IKE2-SA-004"];
    /// Ignores a transform type that it does not understand and accepts the proposal.
    IgnoresUnknownTransformType = "ignores-unknown-transform-type" ["IKE2-SA-005"];
    /// Accepts a transform with an attribute that it does not understand.
    IgnoresUnknownAttributes = "ignores-unknown-attributes" ["IKE2-SA-006"];
    /// Takes a default where the offer lacks a pseudorandom function.
    FillsInMissingTransforms = "fills-in-missing-transforms" ["IKE2-SA-007"];
    /// Does not answer an offer of which it accepts nothing.
    SilentWithoutProposal = "silent-without-proposal" ["IKE2-SA-008"];
    /// Sends an SPI in the SA payload of IKE_SA_INIT.
    SpiInInitialProposal = "spi-in-initial-proposal" ["IKE2-SA-009"];
    /// Numbers its proposals from 0.
    NumbersProposalsFromZero = "numbers-proposals-from-zero" ["IKE2-SA-010"];
    /// Assumes a key length where the attribute is missing.
    AssumesKeyLength = "assumes-key-length" ["IKE2-SA-011"];
    /// Gives ciphers of fixed key size a Key Length.
    KeyLengthOfFixedCiphers = "key-length-of-fixed-ciphers" ["IKE2-SA-012"];
    /// Accepts any answer to its offer, also algorithms that it never offered.
    AcceptsForeignAnswer = "accepts-foreign-answer" ["IKE2-SA-013"];
    /// Accepts an AEAD cipher together with an integrity algorithm.
    AcceptsAeadWithIntegrity = "accepts-aead-with-integrity" ["IKE2-SA-014"];
    /// Offers integrity algorithms beside AEAD ciphers.
    OffersIntegrityWithAead = "offers-integrity-with-aead" ["IKE2-SA-014"];
    /// Accepts every algorithm that it can do, configured or not.
    AcceptsAnyAlgorithm = "accepts-any-algorithm" [
        "IKE2-SA-016", "IKE2-SA-008", "IKE2-SA-015", "IKE2-SA-018", "IKE2-SA-020", "IKE2-SA-021", "IKE2-SA-029",
    ];
    /// Installs its own traffic selectors although none of the offered ones fits them.
    IgnoresOfferedSelectors = "ignores-offered-selectors" ["IKE2-SA-023"];
    /// Answers with its configured traffic selectors, also where the offer is narrower.
    AnswersOwnSelectors = "answers-own-selectors" ["IKE2-SA-024"];
    /// Ends the IKE SA when a Child SA cannot be made.
    DropsIkeSaWithFailedChild = "drops-ike-sa-with-failed-child" ["IKE2-SA-025", "IKE2-SA-026"];
    /// Offers NONE as the only integrity algorithm beside AEAD ciphers.
    OffersNone = "offers-none" ["IKE2-SA-030"];
    /// Refuses an AEAD cipher with an explicit NONE for integrity.
    RefusesExplicitNone = "refuses-explicit-none" ["IKE2-SA-030"];
    /// Swaps the keys of the two directions of a Child SA.
    SwapsChildKeys = "swaps-child-keys" ["IKE2-SA-027"];

    // ---- IKEv2: Diffie-Hellman ----
    /// Strips leading zeros of the shared secret.
    StripsLeadingZerosOfSecret = "strips-leading-zeros-of-secret" ["IKE-DH-002"];
    /// Strips leading zeros of its public value.
    StripsLeadingZerosOfPublicValue = "strips-leading-zeros-of-public-value" ["IKE-DH-001"];
    /// Goes on with the group of the KE payload instead of the one that was chosen.
    AcceptsForeignGroup = "accepts-foreign-group" ["IKE-DH-003"];
    /// Names the group in INVALID_KE_PAYLOAD in one octet.
    GroupInOneOctet = "group-in-one-octet" ["IKE-DH-003"];
    /// Offers only the demanded group after INVALID_KE_PAYLOAD.
    ShrinksOfferToDemandedGroup = "shrinks-offer-to-demanded-group" ["IKE-DH-004"];
    /// Retries with a group that it never offered when INVALID_KE_PAYLOAD names it.
    ObeysUnofferedGroup = "obeys-unoffered-group" ["IKE-DH-005"];
    /// Accepts public values that give a predictable secret or lie off the curve.
    AcceptsInvalidPublicValues = "accepts-invalid-public-values" ["IKE-DH-007", "IKE-DH-008", "IKE-DH-011"];
    /// Uses the nonce of IKE_SA_INIT again in CREATE_CHILD_SA.
    ReusesNonce = "reuses-nonce" ["IKE-DH-015", "REKEY-019"];
    /// Sends the same nonce in every exchange.
    ConstantNonce = "constant-nonce" ["IKE-DH-015"];

    // ---- IKEv2: authentication ----
    /// Compares AUTH values only over the shorter length.
    ComparesShortAuth = "compares-short-auth" ["IKE2-AUTH-001"];
    /// Leaves the peer's nonce out of the signed octets.
    LeavesNonceOut = "leaves-nonce-out" ["IKE2-AUTH-002"];
    /// Does not verify the responder's AUTH.
    InitiatorSkipsAuth = "initiator-skips-auth" ["IKE2-AUTH-004"];
    /// Reports a failed authentication in the clear.
    ReportsAuthFailureInClear = "reports-auth-failure-in-clear" ["IKE2-AUTH-005"];
    /// Reveals its identity beside AUTHENTICATION_FAILED.
    RevealsIdentityOnFailure = "reveals-identity-on-failure" ["IKE2-AUTH-005"];
    /// Tries the secrets of all connections.
    TriesAllSecrets = "tries-all-secrets" ["IKE2-AUTH-006"];
    /// Signs its first IKE_SA_INIT request instead of the latest.
    SignsFirstTransmission = "signs-first-transmission" ["IKE2-AUTH-008"];
    /// Ends its FQDN with a zero octet.
    TerminatesName = "terminates-name" ["IKE2-AUTH-009"];
    /// Takes an FQDN with a terminating zero for the one without.
    IgnoresNameTerminator = "ignores-name-terminator" ["IKE2-AUTH-009"];
    /// Accepts NULL authentication from a peer that has a secret.
    AcceptsNullAuthentication = "accepts-null-authentication" ["IKE2-AUTH-010"];
    /// Does not look at the authentication method.
    IgnoresAuthMethod = "ignores-auth-method" ["IKE2-AUTH-010", "IKE2-AUTH-011"];

    // ---- IKEv2: INFORMATIONAL ----
    /// Does not answer an empty INFORMATIONAL request.
    IgnoresEmptyInformational = "ignores-empty-informational" ["IKE2-INFO-001"];
    /// Obeys a Delete that is not protected.
    ObeysUnprotectedDelete = "obeys-unprotected-delete" ["IKE2-INFO-002"];
    /// Answers INFORMATIONAL requests on an IKE SA that is not authenticated yet.
    AnswersBeforeAuth = "answers-before-auth" ["IKE2-INFO-002"];
    /// Says INITIAL_CONTACT in every response.
    RepeatsInitialContact = "repeats-initial-contact" ["IKE2-INFO-008"];
    /// Does not answer requests that it refuses.
    IgnoresBadRequests = "ignores-bad-requests" ["IKE2-INFO-003"];
    /// Sends INVALID_IKE_SPI to port 500 instead of the port that the request came from.
    AnswersUnknownSpiToPort500 = "answers-unknown-spi-to-port-500" ["IKE2-INFO-004"];
    /// Answers responses with unknown SPIs.
    AnswersUnknownResponses = "answers-unknown-responses" ["IKE2-INFO-005"];
    /// Ends an IKE SA because of an unprotected notify.
    ObeysUnprotectedNotify = "obeys-unprotected-notify" ["IKE2-INFO-006", "INVSPI-005", "DPD-014"];
    /// Takes INITIAL_CONTACT for all IKE SAs of the same address.
    InitialContactDeletesAll = "initial-contact-deletes-all" ["IKE2-INFO-009", "NATT-D-010"];
    /// Answers unprotected notifies.
    AnswersUnprotectedNotify = "answers-unprotected-notify" ["INVSPI-004", "IKE2-INFO-006"];
    /// Deletes a Child SA because a protected notify calls its SPI invalid.
    InvalidSpiNotifyDeletesChild = "invalid-spi-notify-deletes-child" ["INVSPI-006"];
    /// Chooses Child SA SPIs from the reserved range.
    SmallChildSpis = "small-child-spis" ["INVSPI-007"];

    // ---- IKEv2: Delete ----
    /// Answers a Delete of a Child SA without closing it.
    IgnoresChildDelete = "ignores-child-delete" ["IKE2-DEL-001", "CISCO-REPLAY-020"];
    /// Answers a Delete that crosses its own with another Delete.
    RepeatsCrossingDelete = "repeats-crossing-delete" ["IKE2-DEL-002"];
    /// Puts the SPIs of the IKE SA into the Delete for it.
    DeleteWithIkeSpis = "delete-with-ike-spis" ["IKE2-DEL-003"];
    /// Leaves the Child SAs in place when their IKE SA ends.
    KeepsChildrenOfClosedIkeSa = "keeps-children-of-closed-ike-sa" ["IKE2-DEL-004"];
    /// Answers a Delete of an unknown SPI with a Delete of a Child SA that stays.
    AnswersUnknownDelete = "answers-unknown-delete" ["IKE2-DEL-005"];
    /// Drops SAs without telling the peer.
    DeletesSilently = "deletes-silently" ["IKE2-DEL-006", "CISCO-DPD-015"];
    /// Puts the SPI that it sends on into a Delete.
    DeletesOutboundSpi = "deletes-outbound-spi" ["IKE2-DEL-007"];
    /// Heeds only the first SPI of a Delete.
    DeletesFirstSpiOnly = "deletes-first-spi-only" ["IKE2-DEL-008"];

    // ---- IKEv2: retransmission and window ----
    /// Protects a retransmission afresh instead of repeating its octets.
    ReencryptsRetransmission = "reencrypts-retransmission" ["IKE2-RTX-001"];
    /// Retransmits at a fixed interval.
    FixedRetransmissionInterval = "fixed-retransmission-interval" ["IKE2-RTX-002"];
    /// Sends responses once more by timer.
    RetransmitsResponses = "retransmits-responses" ["IKE2-RTX-003"];
    /// Processes a retransmitted request anew instead of repeating the stored response.
    AcceptsReplayedRequest = "accepts-replayed-request" ["IKE2-RTX-004", "IKE2-RTX-005"];
    /// Numbers its own requests with the counter of the peer's.
    OneCounterForBothDirections = "one-counter-for-both-directions" ["IKE2-RTX-006"];
    /// Sends requests without waiting for the responses to earlier ones.
    IgnoresWindow = "ignores-window" ["IKE2-RTX-007", "IKE2-RTX-008"];
    /// Drops requests while one of its own waits for its response.
    WaitsForOwnResponse = "waits-for-own-response" ["IKE2-RTX-009"];
    /// Accepts requests beyond its window.
    AcceptsMessageIdGap = "accepts-message-id-gap" ["IKE2-RTX-010"];
    /// Takes every IKE_SA_INIT request with a known SPI for a retransmission.
    TellsInitBySpi = "tells-init-by-spi" ["IKE2-RTX-011"];
    /// Gives a peer up after one unanswered request.
    GivesUpAtOnce = "gives-up-at-once" ["DPD-013"];
    /// Keeps the Child SAs of a peer that it has given up.
    KeepsChildrenOfDeadPeer = "keeps-children-of-dead-peer" ["CISCO-DPD-010"];
    /// Never gives a peer up.
    NeverGivesUp = "never-gives-up" ["DPD-013"];

    // ---- IKEv2: cookies and denial of service ----
    /// Never asks for a cookie.
    NeverSendsCookies = "never-sends-cookies" ["COOKIE-001"];
    /// Returns only the first 20 octets of a cookie.
    TruncatesCookie = "truncates-cookie" ["COOKIE-002"];
    /// Puts the cookie at the end of the repeated request.
    AppendsCookie = "appends-cookie" ["COOKIE-003"];
    /// Sends another nonce when it repeats the request with a cookie.
    RenewsNonceWithCookie = "renews-nonce-with-cookie" ["COOKIE-003"];
    /// Drops requests with a cookie that it does not know.
    RejectsUnknownCookie = "rejects-unknown-cookie" ["COOKIE-004"];
    /// Names a responder SPI when it asks for a cookie.
    CookieWithResponderSpi = "cookie-with-responder-spi" ["COOKIE-005"];
    /// Accepts a cookie from anybody.
    CookieNotBound = "cookie-not-bound" ["COOKIE-006"];
    /// Gives up when a cookie and another group are asked for one after the other.
    GivesUpAfterCookieAndGroup = "gives-up-after-cookie-and-group" ["COOKIE-007"];
    /// Never renews the secret that its cookies are made with.
    EternalCookies = "eternal-cookies" ["COOKIE-009"];
    /// Answers unprotected messages without a limit of rate.
    UnlimitedAnswers = "unlimited-answers" ["DOS-001", "INVSPI-008"];
    /// Gives up on the first unauthenticated error in IKE_SA_INIT.
    AbortsOnForgedError = "aborts-on-forged-error" ["DOS-002"];
    /// Forgets a half-open IKE SA because of a message with a bad checksum.
    BadMessageEndsHalfOpen = "bad-message-ends-half-open" ["DOS-004"];
    /// Forgets an IKE SA because of a message with a bad checksum.
    BadMessageEndsIkeSa = "bad-message-ends-ike-sa" ["DOS-008", "IKE2-PAY-021"];
    /// Keeps half-open IKE SAs for ever, and any number of them.
    HalfOpenForEver = "half-open-for-ever" ["DOS-005"];

    // ---- IKEv2: NAT detection ----
    /// Leaves the port out of the NAT detection hashes.
    NatHashWithoutPort = "nat-hash-without-port" ["NATT-D-007"];
    /// Stays on port 500 although there is a NAT.
    StaysOnPort500 = "stays-on-port-500" ["NATT-D-008"];
    /// Heeds only one of several NAT_DETECTION_SOURCE_IP notifies.
    FirstNatSourceOnly = "first-nat-source-only" ["NATT-D-009"];
    /// Drops IKE_SA_INIT requests without NAT detection.
    InsistsOnNatDetection = "insists-on-nat-detection" ["NATT-D-011"];

    // ---- IKEv2: rekeying ----
    /// Names the SPI that it sends on in REKEY_SA.
    RekeyNamesOutboundSpi = "rekey-names-outbound-spi" ["REKEY-001"];
    /// Deletes a Child SA before it makes the new one.
    DeletesBeforeRekey = "deletes-before-rekey" ["REKEY-002"];
    /// Installs a new Child SA only after its response is on its way.
    InstallsAfterResponse = "installs-after-response" ["REKEY-003"];
    /// Removes the old Child SA as soon as the peer has rekeyed it.
    RemovesOldChildAtOnce = "removes-old-child-at-once" ["REKEY-005", "CISCO-REPLAY-020"];
    /// Closes the wrong SA after a simultaneous rekey.
    WrongNonceComparison = "wrong-nonce-comparison" ["REKEY-006"];
    /// Accepts an IKE SA rekey without a key exchange and derives from the old keys alone.
    RekeysIkeWithoutKeyExchange = "rekeys-ike-without-key-exchange" ["REKEY-007"];
    /// Goes on with the Message IDs of the old IKE SA after a rekey.
    RekeyKeepsMessageIds = "rekey-keeps-message-ids" ["REKEY-008"];
    /// Lets the Child SAs end with the old IKE SA after a rekey.
    RekeyDropsChildren = "rekey-drops-children" ["REKEY-009"];
    /// Repeats a request at once after TEMPORARY_FAILURE.
    RetriesAtOnce = "retries-at-once" ["REKEY-013"];

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
    FollowsUnverifiedEsp = "follows-unverified-esp" ["NATT-ENC-014"];
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

    // tunnel-mode and transport-mode.
    /// Copies the inner TTL to the outer header.
    CopiesInnerTtl = "copies-inner-ttl" ["TUN-001"];
    /// Copies the options of the inner packet to the outer header.
    CopiesInnerOptions = "copies-inner-options" ["TUN-001"];
    /// Forwards packets with the TTL that they came with.
    NeverDecrementsTtl = "never-decrements-ttl" ["TUN-001", "V6-003"];
    /// Uses the inner source address in the outer header.
    InnerSourceOutside = "inner-source-outside" ["TUN-002"];
    /// Takes a packet that has only one of the two protections of a bundle.
    AcceptsHalfBundle = "accepts-half-bundle" ["CISCO-V6VTI-002"];
    /// Forwards everything that decrypts.
    SkipsSelectorCheck = "skips-selector-check" ["TUN-003"];
    /// Sends one INVALID_SELECTORS for each packet that does not fit its SA.
    UnlimitedInvalidSelectors = "unlimited-invalid-selectors" ["TUN-004"];
    /// Forwards clear traffic that should have been protected.
    ForwardsClearTraffic = "forwards-clear-traffic" ["TUN-005"];
    /// Lets packets pass that no policy matches.
    BypassesByDefault = "bypasses-by-default" ["TUN-006"];
    /// Writes next header 0 in tunnel mode.
    WrongNextHeader = "wrong-next-header" ["TUN-007"];
    /// Uses transport mode, unasked, between two single hosts.
    TransportBetweenHosts = "transport-between-hosts" ["TUN-009"];
    /// Copies the outer DSCP into the inner header.
    CopiesOuterDscpInside = "copies-outer-dscp-inside" ["TUN-008", "ECN-006"];
    /// Drops protected packets with a DSCP.
    RefusesDscp = "refuses-dscp" ["ECN-007"];
    /// Lets inner fragments pass an SA for particular ports.
    LetsFragmentsPastPorts = "lets-fragments-past-ports" ["TUN-010"];
    /// Drops inner fragments.
    DropsInnerFragments = "drops-inner-fragments" ["TUN-011", "PREFRAG-003"];
    /// Trusts version, lengths and checksum of the inner header.
    TrustsInnerHeader = "trusts-inner-header" ["TUN-012"];
    /// Puts the options of the IPv4 header behind ESP in transport mode.
    MovesOptionsBehindEsp = "moves-options-behind-esp" ["TRN-003"];
    /// Protects fragments one by one in transport mode.
    ProtectsFragmentsInTransportMode = "protects-fragments-in-transport-mode" ["TRN-004", "ESP-SEQ-005", "CISCO-PREFRAG-013"];
    /// Checks only the addresses of the inner packet.
    ChecksAddressesOnly = "checks-addresses-only" ["TRN-005", "TUN-003"];
    /// Uses transport mode without saying so in its answer.
    OmitsTransportNotify = "omits-transport-notify" ["TRN-001"];
    /// Accepts transport mode for whatever the peer wants it for.
    AcceptsAnyTransport = "accepts-any-transport" ["TRN-007", "CISCO-V6VTI-001"];

    // ah-format, ah-mutable-fields.
    /// Includes the TTL in the ICV of AH.
    CoversTtlWithAh = "covers-ttl-with-ah" ["AH-MUT-001", "AH-MUT-004"];
    /// Includes the TOS octet in the ICV of AH.
    CoversTosWithAh = "covers-tos-with-ah" ["AH-MUT-001"];
    /// Includes the flow label in the ICV of AH.
    CoversFlowLabelWithAh = "covers-flow-label-with-ah" ["AH-MUT-004"];
    /// Leaves the Identification out of the ICV of AH.
    LeavesIdentificationOutOfAh = "leaves-identification-out-of-ah" ["AH-MUT-002"];
    /// Computes the ICV of AH with the source address of the SA, whatever the packet's is.
    TakesSourceFromSa = "takes-source-from-sa" ["AH-MUT-007", "AH-MUT-002", "AH-MUT-004"];
    /// Zeroes all IPv4 options for the ICV of AH.
    ZeroesAllOptions = "zeroes-all-options" ["AH-MUT-003"];
    /// Zeroes only the data of IPv4 options for the ICV of AH, not their type and length.
    ZeroesOptionDataOnly = "zeroes-option-data-only" ["AH-MUT-003"];
    /// Zeroes whole IPv6 extension headers for the ICV of AH.
    ZeroesExtensionHeaders = "zeroes-extension-headers" ["AH-MUT-005"];
    /// Computes the ICV of AH with the first hop of a source route as destination.
    AimsAtFirstHop = "aims-at-first-hop" ["AH-MUT-006"];
    /// Names itself in the Next Header field of AH.
    AhNamesItself = "ah-names-itself" ["AH-FMT-001"];
    /// Counts the Payload Len of AH over IPv6 in units of eight octets.
    CountsAhInEightOctets = "counts-ah-in-eight-octets" ["AH-FMT-002"];
    /// Pads AH over IPv4 to eight octets.
    PadsAhToEight = "pads-ah-to-eight" ["AH-FMT-002"];
    /// Fills the RESERVED field of AH.
    FillsAhReserved = "fills-ah-reserved" ["AH-FMT-003"];
    /// Drops AH packets whose RESERVED field is not zero.
    RejectsAhReserved = "rejects-ah-reserved" ["AH-FMT-003"];
    /// Zeroes the RESERVED field of AH for the ICV.
    ZeroesAhReserved = "zeroes-ah-reserved" ["AH-FMT-003"];
    /// Takes AH of any length that its Payload Len names.
    TakesAnyAhLength = "takes-any-ah-length" ["AH-FMT-006"];

    // ipv6.
    /// Copies the extension headers of the inner packet to the outer header.
    CopiesExtensionHeaders = "copies-extension-headers" ["V6-001"];
    /// Copies the inner flow label to the outer header.
    CopiesFlowLabel = "copies-flow-label" ["V6-002"];
    /// Writes next header 4 for every inner packet.
    AlwaysNextHeader4 = "always-next-header-4" ["V6-003", "TUN-007"];
    /// Reads no IPv6 traffic selectors.
    IgnoresIpv6Selectors = "ignores-ipv6-selectors" ["V6-005"];
    /// Sends UDP datagrams over IPv6 without a checksum.
    OmitsUdpChecksumOverIpv6 = "omits-udp-checksum-over-ipv6" ["V6-006"];
    /// Takes UDP datagrams over IPv6 without a checksum.
    TakesUdpWithoutChecksumOverIpv6 = "takes-udp-without-checksum-over-ipv6" ["V6-006"];
    /// Drops IPv6 packets with an atomic Fragment header.
    DropsAtomicFragments = "drops-atomic-fragments" ["V6-007"];
    /// Swaps the two halves of the traffic class of the outer IPv6 header.
    SwapsTrafficClassHalves = "swaps-traffic-class-halves" ["V6-008"];

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
    /// Treats the DF bit of all SAs as the interface does, whatever the child says.
    IgnoresDfOfChild = "ignores-df-of-child" ["DF-004"];
    /// Lets the global DF setting override that of the interface.
    GlobalDfBitWins = "global-df-bit-wins" ["CISCO-DF-004", "CISCO-DF-007"];
    /// Drops packets with DF set that do not fit, although the outer DF bit is to be cleared.
    DropsDfDespiteClear = "drops-df-despite-clear" ["CISCO-DF-002", "CISCO-PREFRAG-002", "CISCO-PREFRAG-004"];
    /// Sets or clears the DF bit of packets in transport mode.
    ChangesDfInTransportMode = "changes-df-in-transport-mode" ["CISCO-DF-005"];

    // pmtu.
    /// Drops packets that are too big without a word to their source.
    DropsTooBigSilently = "drops-too-big-silently" ["PMTU-001", "PMTU-003", "PMTU-008"];
    /// Names the MTU of the outside in ICMP errors, without what encapsulation takes.
    AnnouncesOuterMtu = "announces-outer-mtu" ["PMTU-001", "PMTU-003", "PMTU-009"];
    /// Sends "fragmentation needed" also about packets that it fragments.
    ReportsTooBigWithoutDf = "reports-too-big-without-df" ["PMTU-002"];
    /// Fragments inner IPv6 packets instead of telling their source.
    FragmentsInnerIpv6 = "fragments-inner-ipv6" ["PMTU-003"];
    /// Ignores ICMP errors about the path MTU of its SAs.
    IgnoresPathMtuReports = "ignores-path-mtu-reports" ["PMTU-004"];
    /// Takes a learned path MTU for what inner packets may have.
    LearnsMtuWithoutOverhead = "learns-mtu-without-overhead" ["PMTU-004"];
    /// Never forgets a learned path MTU.
    NeverAgesPathMtu = "never-ages-path-mtu" ["PMTU-005"];
    /// Believes in path MTUs that no path can have.
    TakesAnyPathMtu = "takes-any-path-mtu" ["PMTU-006"];
    /// Lowers the path MTU because of ICMP errors about packets of others.
    HeedsForeignPathMtu = "heeds-foreign-path-mtu" ["PMTU-007"];
    /// Sends no ICMP errors about packets that are too big for AH.
    NoPmtuForAh = "no-pmtu-for-ah" ["PMTU-008"];
    /// Forgets the UDP header when it computes what fits.
    ForgetsUdpInEstimate = "forgets-udp-in-estimate" ["PMTU-009"];
    /// Tells sources of IPv6 packets of an MTU below 1280, and drops packets of 1280 octets.
    AnnouncesMtuBelow1280 = "announces-mtu-below-1280" ["V6-004"];

    // pre-fragmentation.
    /// Fragments after encryption, whatever is configured.
    AlwaysFragmentsAfterEncryption = "always-fragments-after-encryption"
        ["PREFRAG-001", "CISCO-PREFRAG-001", "CISCO-PREFRAG-002", "CISCO-PREFRAG-005", "CISCO-PREFRAG-009"];
    /// Fragments before encryption, whatever is configured.
    AlwaysFragmentsBeforeEncryption = "always-fragments-before-encryption"
        ["PREFRAG-001", "CISCO-PREFRAG-003", "CISCO-PREFRAG-004", "CISCO-PREFRAG-007", "CISCO-PREFRAG-011"];
    /// Fragments packets although their DF bit forbids it.
    FragmentsDespiteDf = "fragments-despite-df"
        ["PMTU-001", "CISCO-PREFRAG-006", "CISCO-PREFRAG-008", "CISCO-PREFRAG-010", "CISCO-PREFRAG-012"];
    /// Refuses fragments of ESP packets where it fragments before encryption itself.
    RefusesOuterFragments = "refuses-outer-fragments" ["PREFRAG-002", "CISCO-PREFRAG-014"];
    /// Reassembles nothing more once many packets were incomplete at a time.
    JamsOnFragments = "jams-on-fragments" ["CISCO-DF-008"];
    /// Reckons with 64 octets for encapsulation, whatever the algorithms.
    EstimatesFixedOverhead = "estimates-fixed-overhead" ["PMTU-001", "CISCO-PREFRAG-016"];
    /// Forgets the padding when it computes what fits.
    EstimatesWithoutPadding = "estimates-without-padding" ["PMTU-009", "PREFRAG-004", "CISCO-PREFRAG-016"];
    /// Lets the setting of crypto maps decide on a tunnel interface too.
    CryptoMapDecidesOnTunnelInterface = "crypto-map-decides-on-tunnel-interface"
        ["CISCO-PREFRAG-017", "CISCO-PREFRAG-018"];
    /// Makes the first fragments as long as can be, and the last one short.
    FragmentsUnevenly = "fragments-unevenly" ["CISCO-PREFRAG-019"];

    // ---- Dead peer detection of the gateway ----
    /// Never asks whether a silent peer is alive.
    NeverChecksLiveness = "never-checks-liveness" ["DPD-015", "CISCO-DPD-004"];
    /// Asks peers also while there is no traffic to send.
    AsksIdlePeers = "asks-idle-peers" ["CISCO-DPD-004"];
    /// Does not take ESP packets for a sign of life.
    OverlooksEspLiveness = "overlooks-esp-liveness" ["DPD-016"];
    /// Takes replayed ESP packets for a sign of life.
    HeedsReplaysAsLife = "heeds-replays-as-life" ["DPD-016"];
    /// Forgets all SAs because of an ICMP error.
    ObeysIcmpErrors = "obeys-icmp-errors" ["DPD-014"];

    // ---- Packets with an unknown SPI ----
    /// Accepts packets that carry the SPI of the opposite direction.
    TakesOppositeSpi = "takes-opposite-spi" ["INVSPI-001"];
    /// Begins an IKE SA with whoever sends a packet with an unknown SPI.
    RecoversInvalidSpiByDefault = "recovers-invalid-spi-by-default" ["CISCO-INVSPI-001"];
    /// Tells strangers of unknown SPIs, in the clear.
    TellsStrangersOfInvalidSpi = "tells-strangers-of-invalid-spi" ["CISCO-INVSPI-017"];
    /// Says nothing about unknown SPIs.
    SilentOnInvalidSpi = "silent-on-invalid-spi" ["CISCO-INVSPI-002", "CISCO-INVSPI-016"];
    /// Sends one INVALID_SPI for each packet with an unknown SPI, however many come.
    UnlimitedInvalidSpiNotifies = "unlimited-invalid-spi-notifies" ["INVSPI-008"];
    /// Sends INVALID_SPI in the clear although there is an IKE SA with the sender.
    InvalidSpiNotifyInTheClear = "invalid-spi-notify-in-the-clear" ["CISCO-INVSPI-002", "CISCO-INVSPI-016"];
    /// Puts the SPI of INVALID_SPI into the notify's SPI field and leaves the data empty.
    InvalidSpiInSpiField = "invalid-spi-in-spi-field" ["INVSPI-003"];

    // ---- Invalid SPI recovery and bundles of IKEv1, in the gateway ----
    /// Sets up no ISAKMP SA for a packet with an unknown SPI, although recovery is configured.
    NeverRecoversInvalidSpi = "never-recovers-invalid-spi"
        ["CISCO-INVSPI-003", "CISCO-INVSPI-005", "CISCO-INVSPI-009", "CISCO-INVSPI-014"];
    /// Sets up an ISAKMP SA for a packet with an unknown SPI, and tells the peer nothing under it.
    RecoversWithoutTelling = "recovers-without-telling" ["CISCO-INVSPI-003", "CISCO-INVSPI-014"];
    /// Begins phase 1 for each packet with an unknown SPI, however many come.
    RecoversWithoutBound = "recovers-without-bound" ["CISCO-INVSPI-010"];
    /// Sets up an ISAKMP SA with whoever sends a packet with an unknown SPI, if any connection is for peers anywhere.
    RecoversDynamicPeers = "recovers-dynamic-peers" ["CISCO-INVSPI-011", "CISCO-INVSPI-015"];
    /// Tells of an unknown SPI by a notify, and never by a Delete.
    NoDeleteForInvalidSpi = "no-delete-for-invalid-spi" ["CISCO-INVSPI-013", "CISCO-INVSPI-014"];
    /// Deletes IPsec SAs because of an INVALID-SPI notify of IKEv1 that is not protected.
    ObeysUnprotectedInvalidSpi = "obeys-unprotected-invalid-spi" ["INVSPI-005"];
    /// Goes on sending on an SPI that a protected INVALID-SPI notify of IKEv1 has named.
    IgnoresInvalidSpiNotify = "ignores-invalid-spi-notify" ["CISCO-INVSPI-004", "CISCO-INVSPI-005"];
    /// Deletes all IPsec SAs with a peer because one of them is named in an INVALID-SPI notify.
    InvalidSpiNotifyDeletesAll = "invalid-spi-notify-deletes-all" ["CISCO-INVSPI-004"];
    /// Writes protocol 50 into the log also where AH had the unknown SPI.
    LogsEspForAh = "logs-esp-for-ah" ["CISCO-INVSPI-007", "CISCO-INVSPI-008"];
    /// Writes unknown SPIs into the log with their octets in reverse order.
    LogsSwappedSpi = "logs-swapped-spi" ["CISCO-INVSPI-007"];
    /// Writes the SPI of ESP within AH into the log.
    LogsInnerSpi = "logs-inner-spi" ["CISCO-INVSPI-008"];
    /// Counts packets as encapsulated that it drops for want of an SA.
    CountsDroppedPackets = "counts-dropped-packets" ["CISCO-INVSPI-020"];
    /// Uses nothing but ESP of a bundle that was negotiated.
    InstallsEspOnly = "installs-esp-only" ["CISCO-INVSPI-021"];
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
