//! A line of the log as a record of OTLP.

use serde_json::{Map, Value, json};

use super::attribute;

/// Fields with a place of their own in a record.
const OWN: [&str; 3] = ["timestamp", "level", "message"];

/// The record of one JSON line, seen at `now` in nanoseconds. A line that was cut is no JSON any
/// more and becomes the body as it is.
pub fn record(line: &str, now: u128) -> Value {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return json!({"observedTimeUnixNano": now.to_string(), "body": {"stringValue": line}});
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (at, level, message) = (text("timestamp"), text("level"), text("message"));
    let at: Option<jiff::Timestamp> = at.parse().ok();
    let at = at.map_or(now.to_string(), |at| at.as_nanosecond().to_string());
    let rest = fields
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()));
    let attributes = rest.map(|(name, value)| attribute(name, value));
    json!({
        "timeUnixNano": at,
        "observedTimeUnixNano": now.to_string(),
        "severityNumber": severity(level),
        "severityText": level,
        "body": {"stringValue": message},
        "attributes": attributes.collect::<Vec<_>>(),
    })
}

/// The numbers of the logs data model.
fn severity(level: &str) -> u8 {
    match level {
        "TRACE" => 1,
        "DEBUG" => 5,
        "INFO" => 9,
        "WARN" => 13,
        "ERROR" => 17,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_time_level_words_and_fields_and_a_cut_one_its_text() {
        let line = r#"{"timestamp":"2026-01-02T03:04:05.000006Z","level":"WARN",
            "message":"call failed","correlation_id":"abc","elapsed_ms":7,"target":"t"}"#;
        let told = record(line, 5);
        assert_eq!(told["timeUnixNano"], "1767323045000006000");
        assert_eq!(
            (&told["severityNumber"], &told["severityText"]),
            (&json!(13), &json!("WARN"))
        );
        assert_eq!(told["body"]["stringValue"], "call failed");
        assert_eq!(
            told["attributes"],
            json!([
                {"key": "correlation_id", "value": {"stringValue": "abc"}},
                {"key": "elapsed_ms", "value": {"intValue": "7"}},
                {"key": "target", "value": {"stringValue": "t"}},
            ])
        );
        let cut = record("{\"message\":\"a lo", 5);
        assert_eq!(cut["body"]["stringValue"], "{\"message\":\"a lo");
    }
}
