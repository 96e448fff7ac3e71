//! Deviations of the gateway as a whole: dead peer detection, invalid SPI recovery.

macro_rules! gateway {
    ($($before:tt)*) => { deviations! { $($before)*
        // ---- Dead peer detection of the gateway ----
        /// Never asks whether a silent peer is alive.
        NeverChecksLiveness = "never-checks-liveness" ["DPD-015", "CISCO-DPD-004"];
        /// Asks peers also while there is no traffic to send.
        AsksIdlePeers = "asks-idle-peers" ["CISCO-DPD-004"];
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
    } };
}
