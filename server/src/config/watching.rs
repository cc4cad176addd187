//! The sections that say who is told what of a running server.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// `[call_log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallLog {
    /// The file; empty means none.
    pub file: String,
    /// A file grows no larger.
    pub bytes: u64,
    /// Older files that are kept.
    pub files: usize,
}

/// `[otlp]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Where telemetry is sent, without a path of a signal; empty means nowhere.
    #[serde(rename = "endpoint")]
    pub endpoint_setting: String,
    /// Between two requests with spans or log lines.
    #[serde(deserialize_with = "duration::one")]
    pub every: Duration,
    /// Between two readings of the metrics.
    #[serde(deserialize_with = "duration::one")]
    pub metrics_every: Duration,
}

impl Otlp {
    /// Where telemetry is sent; `None` also where the setting is no address, which is refused at
    /// the start.
    #[must_use]
    pub fn endpoint(&self) -> Option<url::Url> {
        let url: url::Url = self.endpoint_setting.parse().ok()?;
        matches!(url.scheme(), "http" | "https").then_some(url)
    }
}

/// `[alerts]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSettings {
    /// A file of rows that replace the embedded ones; empty means none.
    pub file: String,
    /// What a runbook's address begins with.
    pub runbooks: String,
    /// Where alerts are posted; empty means nowhere.
    #[serde(rename = "webhook")]
    pub webhook_setting: String,
}

impl AlertSettings {
    /// Where alerts are posted; `None` also where the setting is no address, which is refused at
    /// the start.
    #[must_use]
    pub fn webhook(&self) -> Option<url::Url> {
        let url: url::Url = self.webhook_setting.parse().ok()?;
        matches!(url.scheme(), "http" | "https").then_some(url)
    }
}
