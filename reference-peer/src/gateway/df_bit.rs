//! The DF bit of outer IPv4 headers (RFC 4301 section 8.1, guide chapter 7).

use super::config::DataConfig;
use crate::ipsec::sa::DfBit;

/// The treatment that holds: that of the outside interface overrides the global one (guide chapter 7).
pub(super) fn effective(config: &DataConfig) -> DfBit {
    config.interface_df_bit.unwrap_or(config.df_bit)
}
