//! What varies from run to run, replaced by what it is.

use serde_json::{Map, Value};

/// Names whose value is this run's own.
const OWN: [&str; 29] = [
    "instance",
    "instance_id",
    "commit",
    "dirty",
    "executable_sha256",
    "sha256",
    "started_at",
    "at",
    "since",
    "read_at",
    "correlation_id",
    "elapsed_ms",
    "uptime_seconds",
    "pid",
    "tools_digest",
    "policy_digest",
    "site_digest",
    "timestamp",
    "latency_ms",
    "free_bytes",
    "own_bytes",
    "limit_bytes",
    "platform",
    "free_percent",
    "rss_bytes",
    "waiting",
    "anchor",
    "current",
    "version",
];

/// A value with what varies masked, by name and by form.
pub fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let masked = members.iter().map(|(name, value)| {
                let is_own = OWN.contains(&name.as_str()) && !value.is_null();
                let is_plain = !value.is_object() && !value.is_array();
                let value = if is_own && is_plain {
                    "‹own›".into()
                } else {
                    masked(value)
                };
                (name.clone(), value)
            });
            Value::Object(masked.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::String(said) => text(said).into(),
        other => other.clone(),
    }
}

/// A text with ids, times, addresses and durations masked, word by word.
pub fn text(said: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ":._-+".contains(c);
    let (mut out, mut word) = (String::new(), String::new());
    let end = |word: &mut String, out: &mut String| {
        let kept = word.trim_end_matches(['.', ':', '-', '_']);
        out.push_str(&form(kept));
        out.push_str(&word[kept.len()..]);
        word.clear();
    };
    for c in said.chars() {
        if is_part(c) {
            word.push(c);
        } else {
            end(&mut word, &mut out);
            out.push(c);
        }
    }
    end(&mut word, &mut out);
    durations(&out)
}

fn form(word: &str) -> String {
    let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
    let has_digit = word.chars().any(|c| c.is_ascii_digit());
    let is_time = word.len() >= 19 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    let is_uuid = word.len() == 36 && word.split('-').count() == 5 && word.split('-').all(is_hex);
    if is_time && has_digit {
        return "‹time›".to_owned();
    }
    if is_uuid || (word.len() >= 12 && has_digit && is_hex(word)) {
        return "‹id›".to_owned();
    }
    match word.strip_prefix("127.0.0.1:") {
        Some(port) if port.chars().all(|c| c.is_ascii_digit()) => "127.0.0.1:‹n›".to_owned(),
        _ => word.to_owned(),
    }
}

/// `12 ms` and `0.3 s` say how fast this machine was.
fn durations(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for n in 1..words.len() {
        let unit = words[n].trim_end_matches([',', '.', ')', ';', ']']);
        let is_unit = ["ms", "s"].contains(&unit) || unit.starts_with("ms\n");
        let number = words[n - 1].trim_start_matches(['(', '[']);
        if is_unit && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.') {
            let start = words[n - 1].len() - number.len();
            words[n - 1].replace_range(start.., "‹n›");
        }
    }
    words.join(" ")
}
