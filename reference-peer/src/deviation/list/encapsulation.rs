//! Deviations of tunnel mode, transport mode, AH and IPv6.

macro_rules! encapsulation {
    ($($before:tt)*) => { deviations! { $($before)*
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
        ProtectsFragmentsInTransportMode = "protects-fragments-in-transport-mode"
            ["TRN-004", "ESP-SEQ-005", "CISCO-PREFRAG-013"];
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
    } };
}
