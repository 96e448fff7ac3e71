//! What the DUT is told of its data plane, beyond its profile.

use super::{Hook, Testbed};
use crate::profile::{DfBit, Profile, Window};
use crate::run::StepError;
use reference_peer::config;
use reference_peer::gateway::{GatewayConfig, TunnelInterface};
use reference_peer::ipsec::sa;
use std::fmt;

/// One setting of a DUT, to be changed before SAs are made. In a profile each has a hook of its own, whose words hold
/// `{value}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Size of the anti-replay window (guide chapter 2).
    ReplayWindow(Window),
    /// The DF bit of the outer header (guide chapter 7).
    DfBit(DfBit),
    /// Fragmentation before encryption (guide chapter 3).
    PreFragmentation(bool),
    /// The longest IP packet that the DUT's outside carries towards this tester, octets.
    Mtu(usize),
    /// The IP MTU of the virtual tunnel interface that the SAs belong to (guide chapter 3), octets.
    TunnelMtu(usize),
    /// Sixteen sequence number spaces an SA (guide chapter 2, `multi-sn`).
    SequenceSpaces(bool),
    /// An ISAKMP SA is set up with a peer that sends on an unknown SPI, to tell it (guide chapter 4).
    InvalidSpiRecovery(bool),
}

impl Setting {
    /// The name of its hook.
    pub fn hook(self) -> &'static str {
        match self {
            Self::ReplayWindow(_) => "set_replay_window",
            Self::DfBit(_) => "set_df_bit",
            Self::PreFragmentation(_) => "set_pre_fragmentation",
            Self::Mtu(_) => "set_mtu",
            Self::TunnelMtu(_) => "set_tunnel_mtu",
            Self::SequenceSpaces(_) => "set_multi_sn",
            Self::InvalidSpiRecovery(_) => "set_invalid_spi_recovery",
        }
    }

    /// The value as a hook gets it.
    pub fn value(self) -> String {
        match self {
            Self::ReplayWindow(Window::Off) => "off".to_owned(),
            Self::PreFragmentation(on) | Self::SequenceSpaces(on) | Self::InvalidSpiRecovery(on) => {
                if on { "on" } else { "off" }.to_owned()
            }
            Self::ReplayWindow(Window::Packets(packets)) => packets.to_string(),
            Self::DfBit(df) => format!("{df:?}").to_lowercase(),
            Self::Mtu(octets) | Self::TunnelMtu(octets) => octets.to_string(),
        }
    }

    /// Tells the built-in peer.
    pub(super) fn apply(self, gateway: &mut GatewayConfig) {
        match self {
            Self::ReplayWindow(window) => gateway.data.replay_window = window.into(),
            Self::DfBit(df) => gateway.data.df_bit = df.into(),
            Self::PreFragmentation(on) => gateway.data.pre_fragmentation = on,
            Self::Mtu(octets) => gateway.outside_mtu = octets,
            Self::TunnelMtu(ip_mtu) => gateway.data.tunnel_interface = Some(TunnelInterface { ip_mtu }),
            Self::SequenceSpaces(on) => gateway.data.sequence_spaces = on,
            Self::InvalidSpiRecovery(on) => gateway.invalid_spi_recovery = on,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.hook().trim_start_matches("set_").replace('_', " "), self.value())
    }
}

impl From<Window> for config::Window {
    fn from(window: Window) -> Self {
        match window {
            Window::Off => Self::Off,
            Window::Packets(packets) => Self::Packets(packets),
        }
    }
}

impl From<DfBit> for sa::DfBit {
    fn from(df: DfBit) -> Self {
        match df {
            DfBit::Copy => Self::Copy,
            DfBit::Set => Self::Set,
            DfBit::Clear => Self::Clear,
        }
    }
}

/// What the DUT is told at present, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Size of the anti-replay window.
    pub replay_window: Option<Window>,
    /// The DF bit of the outer header.
    pub df_bit: Option<DfBit>,
    /// Fragmentation before encryption.
    pub pre_fragmentation: Option<bool>,
    /// The longest IP packet that the outside carries, octets.
    pub mtu: usize,
    /// The IP MTU of the tunnel interface, if there is one.
    pub tunnel_mtu: Option<usize>,
    /// Sequence number spaces.
    pub sequence_spaces: bool,
    /// Recovery from unknown SPIs.
    pub invalid_spi_recovery: bool,
    /// Has anything been changed?
    pub(super) changed: bool,
}

impl Settings {
    pub(super) fn of(profile: &Profile) -> Self {
        let ipsec = &profile.ipsec;
        Self {
            replay_window: ipsec.replay_window,
            df_bit: ipsec.df_bit,
            pre_fragmentation: ipsec.pre_fragmentation,
            mtu: profile.outside.mtu,
            tunnel_mtu: None,
            sequence_spaces: false,
            invalid_spi_recovery: profile.recovers_invalid_spis(),
            changed: false,
        }
    }

    fn has(&self, setting: Setting) -> bool {
        match setting {
            Setting::ReplayWindow(window) => self.replay_window == Some(window),
            Setting::DfBit(df) => self.df_bit == Some(df),
            Setting::PreFragmentation(on) => self.pre_fragmentation == Some(on),
            Setting::Mtu(octets) => self.mtu == octets,
            Setting::TunnelMtu(octets) => self.tunnel_mtu == Some(octets),
            Setting::SequenceSpaces(on) => self.sequence_spaces == on,
            Setting::InvalidSpiRecovery(on) => self.invalid_spi_recovery == on,
        }
    }

    fn take(&mut self, setting: Setting) {
        self.changed = true;
        match setting {
            Setting::ReplayWindow(window) => self.replay_window = Some(window),
            Setting::DfBit(df) => self.df_bit = Some(df),
            Setting::PreFragmentation(on) => self.pre_fragmentation = Some(on),
            Setting::Mtu(octets) => self.mtu = octets,
            Setting::TunnelMtu(octets) => self.tunnel_mtu = Some(octets),
            Setting::SequenceSpaces(on) => self.sequence_spaces = on,
            Setting::InvalidSpiRecovery(on) => self.invalid_spi_recovery = on,
        }
    }
}

impl Testbed {
    /// What the DUT is told at present.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sees to it that the DUT is told this, for this tester alone. SAs that there are may be lost, or keep what they
    /// were made with.
    ///
    /// # Errors
    /// Not applicable when it is told otherwise and the profile has no hook for it.
    pub fn set(&mut self, setting: Setting) -> Result<(), StepError> {
        if self.settings.has(setting) {
            return Ok(());
        }
        self.control(Hook::Set(setting)).map_err(|error| match error {
            StepError::NotApplicable(reason) => StepError::NotApplicable(format!("{setting} is wanted: {reason}")),
            other => other,
        })?;
        self.settings.take(setting);
        Ok(())
    }
}
