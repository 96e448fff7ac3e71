//! Deviations of IKEv1.

macro_rules! ike_v1 {
    ($($before:tt)*) => { deviations! { $($before)*
        // ---- IKEv1: header ----
        /// Sends ISAKMP messages with minor version 1.
        SendsIsakmpMinorVersion = "sends-isakmp-minor-version" ["IKE1-HDR-001"];
        /// Takes ISAKMP messages of any minor version.
        IgnoresIsakmpMinorVersion = "ignores-isakmp-minor-version" ["IKE1-HDR-002"];
        /// Takes an unknown exchange type for main mode.
        TakesUnknownExchangeForMainMode = "takes-unknown-exchange-for-main-mode" ["IKE1-HDR-003"];
        /// Sets an undefined flag in the ISAKMP header.
        SetsReservedIsakmpFlags = "sets-reserved-isakmp-flags" ["IKE1-HDR-004"];
        /// Does not look at the undefined flags of the ISAKMP header.
        IgnoresIsakmpFlags = "ignores-isakmp-flags" ["IKE1-HDR-004"];
        /// Does not look at the Message ID in phase 1.
        IgnoresPhase1MessageId = "ignores-phase-1-message-id" ["IKE1-HDR-005"];
        /// Follows the chain of payloads and does not look at the length in the ISAKMP header.
        IgnoresIsakmpLength = "ignores-isakmp-length" ["IKE1-HDR-006"];
        /// Puts its own cookie first in exchanges that it begins.
        OwnCookieFirst = "own-cookie-first" ["IKE1-HDR-007"];
        /// Finds an ISAKMP SA by the initiator's cookie alone.
        FindsIsakmpSaByOneCookie = "finds-isakmp-sa-by-one-cookie" ["IKE1-HDR-008"];

        // ---- IKEv1: payloads ----
        /// Does not look at the RESERVED fields of ISAKMP payloads.
        IgnoresIsakmpReserved = "ignores-isakmp-reserved" ["IKE1-PAY-001"];
        /// Skips unknown payloads of ISAKMP messages.
        SkipsUnknownIsakmpPayloads = "skips-unknown-isakmp-payloads" ["IKE1-PAY-002"];
        /// Takes every domain of interpretation for IPsec's.
        IgnoresDoi = "ignores-doi" ["IKE1-PAY-003"];
        /// Does not look at the situation of an SA payload.
        IgnoresSituation = "ignores-situation" ["IKE1-PAY-004"];
        /// Reads proposals and transforms by their lengths, and heeds neither counts nor Next Payload in them.
        TrustsLengthsOfProposals = "trusts-lengths-of-proposals" ["IKE1-PAY-005"];
        /// Refuses messages with more than eight Vendor IDs.
        RejectsManyVendorIds = "rejects-many-vendor-ids" ["IKE1-PAY-006"];
        /// Accepts nonces of any length in IKEv1.
        AcceptsAnyIsakmpNonce = "accepts-any-isakmp-nonce" ["IKE1-PAY-007"];
        /// Sends nonces of four octets in IKEv1.
        SendsShortIsakmpNonce = "sends-short-isakmp-nonce" ["IKE1-PAY-007"];
        /// Refuses messages with a Certificate Request.
        RejectsCertificateRequests = "rejects-certificate-requests" ["IKE1-PAY-008"];
        /// Ends an ISAKMP SA because of a message that it cannot decrypt or whose hash is wrong.
        BadMessageEndsIsakmpSa = "bad-message-ends-isakmp-sa" ["IKE1-PAY-009"];

        // ---- IKEv1: SA negotiation ----
        /// Answers an IKEv1 offer with the whole of it.
        EchoesAllTransforms = "echoes-all-transforms" ["IKE1-SA-001"];
        /// Offers each ISAKMP policy in a proposal of its own.
        OffersProposalForEachPolicy = "offers-proposal-for-each-policy" ["IKE1-SA-002"];
        /// Accepts an answer whose attributes are not those that it has offered.
        AcceptsModifiedAttributes = "accepts-modified-attributes" ["IKE1-SA-003"];
        /// Halves the lifetimes in its answers to IKEv1 offers.
        HalvesLifetimeInAnswer = "halves-lifetime-in-answer" ["IKE1-SA-003"];
        /// Numbers the accepted proposal and transform 1, whatever their numbers were.
        RenumbersAnswer = "renumbers-answer" ["IKE1-SA-004"];
        /// Refuses an offer with INVALID-TRANSFORM-ID because one of its transforms is unknown.
        StumblesOverUnknownTransforms = "stumbles-over-unknown-transforms" ["IKE1-SA-005"];
        /// Answers an offer of which it accepts nothing with a policy of its own.
        AnswersNearestPolicy = "answers-nearest-policy" ["IKE1-SA-006", "CISCO-V6VTI-006"];
        /// Sends the group as an attribute of variable length.
        LengthensBasicAttributes = "lengthens-basic-attributes" ["IKE1-SA-007"];
        /// Accepts the SA payload of phase 1 at any place.
        AcceptsAnyPayloadOrder = "accepts-any-payload-order" ["IKE1-SA-008"];
        /// Heeds only the last of several lifetimes in a quick mode offer.
        KeepsLastLifetimeOnly = "keeps-last-lifetime-only" ["IKE1-SA-009"];
        /// Takes the last one of attributes that contradict each other.
        TakesLastOfConflictingAttributes = "takes-last-of-conflicting-attributes" ["IKE1-SA-010"];
        /// Accepts transforms with attributes that it does not support, as if they were not there.
        IgnoresUnsupportedAttributes = "ignores-unsupported-attributes" ["IKE1-SA-011"];
        /// Has no 3DES in IKEv1.
        LacksTripleDes = "lacks-triple-des" ["IKE1-SA-012"];
        /// Accepts ISAKMP policies whose lifetime is longer than its own.
        IgnoresPolicyLifetime = "ignores-policy-lifetime" ["CISCO-V6VTI-003"];
        /// Keeps an ISAKMP SA as long as its own policy says, although the peer's says less.
        KeepsOwnPolicyLifetime = "keeps-own-policy-lifetime" ["CISCO-V6VTI-003"];
        /// Chooses the first offered policy that it has, whatever its own priorities are.
        FollowsOrderOfOffer = "follows-order-of-offer" ["CISCO-V6VTI-004"];
        /// Tries its ISAKMP policies in the order of its configuration.
        IgnoresPriorities = "ignores-priorities" ["CISCO-V6VTI-004"];
        /// Offers the first of its ISAKMP policies alone.
        OffersFirstPolicyOnly = "offers-first-policy-only" ["CISCO-V6VTI-005"];
        /// Accepts offers of authentication by RSA as if they were for a pre-shared key.
        AcceptsRsaMethods = "accepts-rsa-methods" ["CISCO-V6VTI-003", "CISCO-V6VTI-008"];
        /// Accepts one protocol of a bundle without the other.
        TakesHalfABundle = "takes-half-a-bundle" ["IKE1-SA-013"];
        /// Answers an offer of transport mode with tunnel mode.
        AnswersTransportWithTunnel = "answers-transport-with-tunnel" ["TRN-006"];
        /// Leaves the encapsulation mode out of quick mode offers.
        OmitsEncapsulationMode = "omits-encapsulation-mode" ["TRN-006"];
        /// Takes a quick mode lifetime that is not said for zero seconds.
        TakesMissingLifetimeForZero = "takes-missing-lifetime-for-zero" ["LIFE-005"];
        /// Strips leading zeros of its public values in IKEv1.
        StripsLeadingZerosInIkev1 = "strips-leading-zeros-in-ikev1" ["IKE-DH-012"];

        // ---- IKEv1: authentication ----
        /// Leaves the initiator's SA payload out of HASH_I and HASH_R.
        LeavesOfferOutOfHash = "leaves-offer-out-of-hash" ["IKE1-AUTH-001"];
        /// Sends its own identity and hash before it has checked HASH_I.
        AnswersBeforeCheckingHash = "answers-before-checking-hash" ["IKE1-AUTH-002"];
        /// Accepts any HASH_I and HASH_R.
        AcceptsAnyPhase1Hash = "accepts-any-phase-1-hash" ["IKE1-AUTH-001", "IKE1-AUTH-002", "IKE1-AM-002"];
        /// Takes the first pre-shared key that it has for every peer.
        TakesFirstKey = "takes-first-key" ["IKE1-AUTH-003"];
        /// Takes the peer's address for its identity where there is no ID payload.
        NeedsNoIdentity = "needs-no-identity" ["IKE1-AUTH-004"];
        /// Does not look at protocol and port of an ID payload in phase 1.
        IgnoresIdProtocolAndPort = "ignores-id-protocol-and-port" ["IKE1-AUTH-005"];
        /// Names UDP port 500 in its ID payload although it does NAT traversal.
        NamesPortInIdentity = "names-port-in-identity" ["IKE1-AUTH-005"];

        // ---- IKEv1: main mode and aggressive mode ----
        /// Sends a KE payload in the second message of main mode.
        SendsKeyExchangeEarly = "sends-key-exchange-early" ["IKE1-MM-001"];
        /// Encrypts messages of main mode without the flag that says so.
        OmitsEncryptionFlag = "omits-encryption-flag" ["IKE1-MM-002"];
        /// Goes on with the IV of phase 1 in phase 2.
        KeepsPhase1IvInPhase2 = "keeps-phase-1-iv-in-phase-2" ["IKE1-MM-003"];
        /// Goes on with phase 1 when a message comes in another exchange.
        ChangesExchangeMidway = "changes-exchange-midway" ["IKE1-MM-004"];
        /// Accepts identity and hash of main mode in the clear.
        AcceptsClearIdentity = "accepts-clear-identity" ["IKE1-MM-005"];
        /// Sets the commit flag in quick mode because the peer has set it in phase 1.
        KeepsCommitFlag = "keeps-commit-flag" ["IKE1-MM-006"];
        /// Takes the IV of what comes next from a message that it cannot read.
        GarbageMovesIv = "garbage-moves-iv" ["IKE1-MM-007"];
        /// Leaves the padding out of the length in the ISAKMP header.
        LengthWithoutPadding = "length-without-padding" ["IKE1-MM-008"];
        /// Counts its ISAKMP cookies.
        PredictableCookies = "predictable-cookies" ["IKE1-MM-009"];
        /// Answers aggressive mode although it is switched off.
        AlwaysAnswersAggressiveMode = "always-answers-aggressive-mode" ["IKE1-AM-001"];
        /// Uses an ISAKMP SA of aggressive mode before the last message has come.
        TrustsAggressiveModeEarly = "trusts-aggressive-mode-early" ["IKE1-AM-002"];
        /// Chooses a group in aggressive mode that the public value of the offer is not of.
        IgnoresGroupOfPublicValue = "ignores-group-of-public-value" ["IKE1-AM-003"];
        /// Refuses the last message of aggressive mode in the clear.
        RefusesClearLastMessage = "refuses-clear-last-message" ["IKE1-AM-004"];
        /// Says INITIAL-CONTACT within aggressive mode.
        InitialContactInAggressiveMode = "initial-contact-in-aggressive-mode" ["IKE1-AM-005"];
        /// Takes the pre-shared key by the peer's address in aggressive mode too.
        TakesKeyByAddressOnly = "takes-key-by-address-only" ["IKE1-AM-006"];

        // ---- IKEv1: quick mode ----
        /// Accepts quick mode in the clear.
        AcceptsClearQuickMode = "accepts-clear-quick-mode" ["IKE1-QM-001"];
        /// Looks for HASH and SA of quick mode anywhere in the message.
        FindsHashAnywhere = "finds-hash-anywhere" ["IKE1-QM-002"];
        /// Does not check HASH(1) and HASH(2) of quick mode.
        SkipsQuickHash = "skips-quick-hash" ["IKE1-QM-003"];
        /// Does not check HASH(3) of quick mode.
        SkipsLastQuickHash = "skips-last-quick-hash" ["IKE1-QM-003"];
        /// Leaves the initiator's nonce out of HASH(2).
        LeavesNonceOutOfQuickHash = "leaves-nonce-out-of-quick-hash" ["IKE1-QM-003"];
        /// Names the group of perfect forward secrecy in the first transform only.
        ForgetsGroupInLaterTransforms = "forgets-group-in-later-transforms" ["IKE1-QM-004"];
        /// Refuses quick mode with a KE payload.
        RefusesPerfectForwardSecrecy = "refuses-perfect-forward-secrecy" ["IKE1-QM-004"];
        /// Returns the client identities in the wrong order.
        SwapsClientIds = "swaps-client-ids" ["IKE1-QM-005"];
        /// Accepts any client identities.
        AcceptsAnyClientIds = "accepts-any-client-ids" ["IKE1-QM-006"];
        /// Has one IV for all quick modes of an ISAKMP SA.
        OneIvForAllQuickModes = "one-iv-for-all-quick-modes" ["IKE1-QM-007"];
        /// Derives the keys of both directions with the SPI that it receives on.
        OneSpiForBothDirections = "one-spi-for-both-directions" ["IKE1-QM-008"];
        /// Sends CONNECTED under a message ID of its own.
        ConnectedUnderFreshId = "connected-under-fresh-id" ["IKE1-QM-009"];
        /// Uses IPsec SAs at once although the peer has set the commit flag.
        IgnoresCommitFlag = "ignores-commit-flag" ["IKE1-QM-009"];
        /// Halves the lifetimes in its answers to quick mode offers.
        HalvesQuickModeLifetime = "halves-quick-mode-lifetime" ["IKE1-QM-010"];
        /// Makes new IPsec SAs for a quick mode that has come before.
        AcceptsReplayedQuickMode = "accepts-replayed-quick-mode" ["IKE1-QM-011"];
        /// Uses the same message ID for all exchanges of phase 2.
        ConstantMessageId = "constant-message-id" ["IKE1-QM-012"];

        // ---- IKEv1: INFORMATIONAL and Delete ----
        /// Sends notifies and Deletes of an established ISAKMP SA in the clear.
        NotifiesInClear = "notifies-in-clear" ["IKE1-INFO-001", "IKE1-DEL-001"];
        /// Does not check the hash of Informational exchanges.
        SkipsInformationalHash = "skips-informational-hash" ["IKE1-INFO-002"];
        /// Ends an ISAKMP SA because of a notify that it does not know.
        UnknownNotifyEndsIsakmpSa = "unknown-notify-ends-isakmp-sa" ["IKE1-INFO-003"];
        /// Obeys INITIAL-CONTACT in the clear.
        ObeysClearInitialContact = "obeys-clear-initial-contact" ["IKE1-INFO-004"];
        /// Leaves the cookies out of INITIAL-CONTACT.
        InitialContactWithoutSpi = "initial-contact-without-spi" ["IKE1-INFO-005"];
        /// Obeys a Delete in the clear.
        ObeysClearDelete = "obeys-clear-delete" ["IKE1-DEL-001"];
        /// Goes on using IPsec SAs that the peer has deleted in IKEv1.
        IgnoresIpsecDelete = "ignores-ipsec-delete" ["IKE1-DEL-002"];
        /// Names the two cookies in its Delete of an ISAKMP SA as SPIs of eight octets.
        DeletesByHalfCookies = "deletes-by-half-cookies" ["IKE1-DEL-003"];
        /// Removes all IPsec SAs of a peer that deletes one that is not known.
        UnknownDeleteClearsPeer = "unknown-delete-clears-peer" ["IKE1-DEL-004"];
        /// Takes INITIAL-CONTACT in IKEv1 for everybody behind the same address.
        InitialContactClearsAddress = "initial-contact-clears-address" ["NATT-D-010"];

        // ---- IKEv1: dead peer detection (RFC 3706) ----
        /// Does dead peer detection without announcing it.
        OmitsDpdVendorId = "omits-dpd-vendor-id" ["DPD-001"];
        /// Asks peers whether they live that have not announced dead peer detection.
        AsksWhoeverIsThere = "asks-whoever-is-there" ["DPD-001", "CISCO-DPD-013"];
        /// Does not answer R-U-THERE.
        NeverAnswersLiveness = "never-answers-liveness" ["DPD-002"];
        /// Answers R-U-THERE with the number zero.
        AnswersLivenessWithZero = "answers-liveness-with-zero" ["DPD-002", "CISCO-DPD-009", "CISCO-DPD-017"];
        /// Heeds R-U-THERE and R-U-THERE-ACK in the clear.
        HeedsClearLiveness = "heeds-clear-liveness" ["DPD-003"];
        /// Swaps the cookies in R-U-THERE where the peer has begun phase 1.
        SwapsCookiesInLiveness = "swaps-cookies-in-liveness" ["DPD-004"];
        /// Accepts R-U-THERE-ACK with any number.
        AcceptsAnyLivenessAnswer = "accepts-any-liveness-answer" ["DPD-005"];
        /// Numbers its R-U-THERE from 1.
        CountsLivenessFromOne = "counts-liveness-from-one" ["DPD-006"];
        /// Sends the same number in every R-U-THERE.
        RepeatsLivenessNumber = "repeats-liveness-number" ["DPD-007"];
        /// Answers R-U-THERE that has come before.
        AnswersLivenessReplays = "answers-liveness-replays" ["DPD-008"];
        /// Does not look at the cookies in R-U-THERE.
        IgnoresLivenessCookies = "ignores-liveness-cookies" ["DPD-009"];
        /// Goes on with the number of the peer's R-U-THERE in its own.
        SharesLivenessCounter = "shares-liveness-counter" ["DPD-010"];
        /// Gives a peer up that has not answered one R-U-THERE.
        GivesUpAfterOneQuestion = "gives-up-after-one-question" ["DPD-011", "CISCO-DPD-007", "CISCO-DPD-008"];
        /// Asks a peer that does not answer for ever.
        AsksDeadPeersForEver = "asks-dead-peers-for-ever" ["DPD-011"];
        /// Keeps the IPsec SAs of a peer that does not answer R-U-THERE.
        KeepsIpsecSasOfDeadPeer = "keeps-ipsec-sas-of-dead-peer" ["DPD-011", "CISCO-DPD-010"];

        // ---- IKEv1: retransmission and rekeying ----
        /// Retransmits IKEv1 messages at a fixed interval.
        FixedIsakmpRetransmissionInterval = "fixed-isakmp-retransmission-interval" ["IKE1-RTX-001"];
        /// Waits for ever for the answer to an ISAKMP SA that it has begun, and for the rest of one that it answers.
        NeverForgetsHalfOpen = "never-forgets-half-open" ["IKE1-RTX-002"];
        /// Answers a repeated message of IKEv1 with new values instead of the same octets.
        AnswersRepetitionAfresh = "answers-repetition-afresh" ["IKE1-RTX-003"];
        /// Forgets IPsec SAs as soon as others replace them.
        DropsOldIpsecSasAtOnce = "drops-old-ipsec-sas-at-once" ["REKEY-018"];

        // ---- IKEv1: NAT traversal (RFC 3947) ----
        /// Does not announce RFC 3947.
        OmitsNatVendorId = "omits-nat-vendor-id" ["NATT-D-001"];
        /// Sends NAT-D payloads to peers that have not announced NAT traversal.
        DetectsNatUnasked = "detects-nat-unasked" ["NATT-D-001"];
        /// Sends NAT-D payloads in the last two messages of main mode.
        SendsNatDetectionLate = "sends-nat-detection-late" ["NATT-D-002"];
        /// Puts the hash of its own address first.
        LocalNatHashFirst = "local-nat-hash-first" ["NATT-D-003"];
        /// Computes NAT-D payloads with MD5, whatever was negotiated.
        NatHashByMd5 = "nat-hash-by-md5" ["NATT-D-004"];
        /// Swaps the octets of the port in NAT-D payloads.
        SwapsPortOctetsInNatHash = "swaps-port-octets-in-nat-hash" ["NATT-D-004"];
        /// Heeds only one of several source hashes.
        HeedsOneNatSource = "heeds-one-nat-source" ["NATT-D-005"];
        /// Takes itself to be behind a NAT, always.
        SeesNatEverywhere = "sees-nat-everywhere" ["NATT-D-006"];
        /// Changes to port 4500 once phase 1 is over.
        MovesPortAfterPhase1 = "moves-port-after-phase-1" ["NATT-ENC-009"];
        /// Sends to the port from before the change as responder.
        AnswersOldPort = "answers-old-port" ["NATT-ENC-010"];
        /// Drops IKEv1 exchanges that begin on port 4500.
        IgnoresExchangesBegunOnPort4500 = "ignores-exchanges-begun-on-port-4500" ["NATT-ENC-012"];
        /// Moves back to port 500 because of an old message of phase 1.
        MovesBackToPort500 = "moves-back-to-port-500" ["NATT-ENC-013"];
        /// Offers modes without UDP encapsulation behind a NAT.
        OffersPlainModesBehindNat = "offers-plain-modes-behind-nat" ["NATT-ENC-016"];
        /// Offers the encapsulation modes of the drafts.
        OffersDraftModes = "offers-draft-modes" ["NATT-ENC-016"];
        /// Swaps the two NAT-OA payloads.
        SwapsOriginalAddresses = "swaps-original-addresses" ["NATT-ENC-017"];
        /// Begins exchanges of phase 2 on port 500 as the responder of phase 1.
        BeginsOnPort500 = "begins-on-port-500" ["NATT-ENC-020"];
    } };
}
