//! Deviations of IKEv2.

macro_rules! ike_v2 {
    ($($before:tt)*) => { deviations! { $($before)*
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
    } };
}
