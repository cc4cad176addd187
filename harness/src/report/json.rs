//! The report as canonical JSON (RFC 8785): the same report, the same bytes.
//!
//! The published schema is [`SCHEMA_TEXT`]; within a major version fields are only ever added.

use crate::canonical::canonical;
use crate::report::model::Report;

/// The published schema.
pub const SCHEMA_TEXT: &str = include_str!("../../schema/report.schema.json");

/// The report in one line, with a final newline.
///
/// # Errors
/// When the report cannot be put into JSON values, which a built report always can.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = canonical(&serde_json::to_value(report)?);
    text.push('\n');
    Ok(text)
}
