//! `report.json`.

use super::Report;

/// The report as JSON text, with a line end.
///
/// # Errors
/// Never for a report of this program; serde's signature has one.
pub fn to_json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
