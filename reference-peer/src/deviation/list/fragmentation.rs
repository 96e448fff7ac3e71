//! Deviations of what is copied to the outer header and of how large packets are treated: TOS, ECN, DF, path MTU,
//! fragmentation.

macro_rules! fragmentation {
    ($($before:tt)*) => { deviations! { $($before)*
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
    } };
}
