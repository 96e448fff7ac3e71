//! Deviations of the gateway as a whole: dead peer detection, invalid SPI recovery.

macro_rules! gateway {
    ($($before:tt)*) => { deviations! { $($before)*
        // ---- Dead peer detection of the gateway ----
        /// Never asks whether a silent peer is alive.
        NeverChecksLiveness = "never-checks-liveness" ["DPD-015", "CISCO-DPD-002", "CISCO-DPD-004"];
        /// Asks peers also while there is no traffic to send.
        AsksIdlePeers = "asks-idle-peers" ["CISCO-DPD-003", "CISCO-DPD-004", "CISCO-DPD-005"];
        /// Does not take R-U-THERE of the peer for a sign of life.
        OverlooksHellos = "overlooks-hellos" ["CISCO-DPD-001"];
        /// Does not take ESP packets for a sign of life.
        OverlooksEspLiveness = "overlooks-esp-liveness" ["DPD-016", "DPD-012"];
        /// Takes ESP packets that it drops, replayed or forged, for a sign of life.
        HeedsReplaysAsLife = "heeds-replays-as-life" ["DPD-016", "DPD-012"];
        /// Forgets all SAs because of an ICMP error.
        ObeysIcmpErrors = "obeys-icmp-errors" ["DPD-014"];

        // ---- Versions of IKE ----
        /// Answers IKEv1 where only IKEv2 is configured, with the same credentials.
        FallsBackToIkev1 = "falls-back-to-ikev1" ["IKE1-HDR-009"];

        // ---- NAT keepalives ----
        /// Sends NAT keepalives although only the peer is behind a NAT.
        SendsKeepalivesFromBothSides = "sends-keepalives-from-both-sides" ["NATT-KA-007"];

        // ---- Packets with an unknown SPI ----
        /// Accepts packets that carry the SPI of the opposite direction.
        TakesOppositeSpi = "takes-opposite-spi" ["INVSPI-001"];
        /// Takes AH packets with the SPI of an ESP SA, and does not verify them.
        TakesAhOnEspSa = "takes-ah-on-esp-sa" ["INVSPI-002"];
        /// Begins an IKE SA with whoever sends a packet with an unknown SPI.
        RecoversInvalidSpiByDefault = "recovers-invalid-spi-by-default"
            ["CISCO-INVSPI-001", "CISCO-INVSPI-006", "CISCO-INVSPI-012", "CISCO-INVSPI-023", "CISCO-INVSPI-024"];
        /// Tells strangers of unknown SPIs, in the clear.
        TellsStrangersOfInvalidSpi = "tells-strangers-of-invalid-spi" ["CISCO-INVSPI-017"];
        /// Says nothing about unknown SPIs.
        SilentOnInvalidSpi = "silent-on-invalid-spi"
            ["CISCO-INVSPI-002", "CISCO-INVSPI-013", "CISCO-INVSPI-016"];
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
        /// Begins phase 1 with any number of peers at once, if packets with unknown SPIs come in their names.
        RecoversManyPeersAtOnce = "recovers-many-peers-at-once" ["CISCO-INVSPI-010"];
        /// Sets up an ISAKMP SA with whoever sends a packet with an unknown SPI, if any connection is for peers anywhere.
        RecoversDynamicPeers = "recovers-dynamic-peers" ["CISCO-INVSPI-011", "CISCO-INVSPI-015"];
        /// Sets up an ISAKMP SA with whoever sends a packet with an unknown SPI, as if he were a configured peer.
        RecoversStrangers = "recovers-strangers" ["CISCO-INVSPI-015"];
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
        /// Forgets the IPsec SAs of a peer when the lifetime of their ISAKMP SA is over.
        IpsecSasDieWithIsakmpSa = "ipsec-sas-die-with-isakmp-sa" ["CISCO-INVSPI-022"];
        /// Goes on with the old counters after `clear crypto sa`.
        KeepsCountersAfterClear = "keeps-counters-after-clear" ["CISCO-INVSPI-019"];
        /// Gives the IPsec SAs of IKEv1 the lowest SPIs that are free, so that the next ones get those of before.
        ReusesIpsecSpis = "reuses-ipsec-spis" ["CISCO-INVSPI-019"];
        /// Uses nothing but ESP of a bundle that was negotiated.
        InstallsEspOnly = "installs-esp-only" ["CISCO-INVSPI-021"];
    } };
}
