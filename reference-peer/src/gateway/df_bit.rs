//! The DF bit of outer IPv4 headers (RFC 4301 section 8.1, guide chapter 7).
//!
//! It is a matter of tunnel mode: a packet in transport mode has no header but its own, and keeps its DF bit.

use super::config::DataConfig;
use crate::deviation::{Deviation, DeviationSet};
use crate::ipsec::header::Header;
use crate::ipsec::sa::DfBit;

/// The treatment that holds for an SA: that of its child (RFC 4301 section 8.1 wants one for each SA), else that of the
/// outside interface, else the global one (guide chapter 7).
pub(super) fn effective(config: &DataConfig, child: Option<DfBit>, deviations: &DeviationSet) -> DfBit {
    let child = child.filter(|_| !deviations.has(Deviation::IgnoresDfOfChild));
    let interface = config.interface_df_bit.filter(|_| !deviations.has(Deviation::GlobalDfBitWins));
    child.or(interface).unwrap_or(config.df_bit)
}

/// Takes the DF bit off an IPv4 packet: for what has to be fragmented after encryption although it is set.
pub(super) fn clear(packet: &mut [u8]) {
    set(packet, false);
}

/// Sets or clears the DF bit of an IPv4 packet.
pub(super) fn set(packet: &mut [u8], dont_fragment: bool) {
    if Header::parse(packet).is_ok_and(|header| header.is_v4()) {
        if let Some(flags) = packet.get_mut(6) {
            *flags = *flags & !0x40 | u8::from(dont_fragment) << 6;
        }
        crate::ipsec::header::repair_checksum(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_overrides_the_global_setting_and_the_child_both() {
        let honest = DeviationSet::default();
        let mut config = DataConfig { df_bit: DfBit::Clear, ..DataConfig::default() };
        assert_eq!(effective(&config, None, &honest), DfBit::Clear);
        config.interface_df_bit = Some(DfBit::Copy);
        assert_eq!(effective(&config, None, &honest), DfBit::Copy);
        assert_eq!(effective(&config, Some(DfBit::Set), &honest), DfBit::Set);
        let global = [Deviation::GlobalDfBitWins].into_iter().collect();
        assert_eq!(effective(&config, None, &global), DfBit::Clear);
        let one = [Deviation::IgnoresDfOfChild].into_iter().collect();
        assert_eq!(effective(&config, Some(DfBit::Set), &one), DfBit::Copy);
    }
}
