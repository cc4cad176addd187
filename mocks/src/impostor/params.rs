//! What a spoiler needs beyond its name. It holds tokens, so it comes in on standard input.

use serde::Deserialize;

/// Parameters; each spoiler names in the registry what it reads.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// A token the server accepts (`alg-none`, `expired-accepted`, and their twins).
    pub token: String,
    /// A token that may call everything (`rbac-skipped`, `role-case`).
    pub admin_token: String,
    /// The tool concerned (`rbac-skipped`).
    pub tool: String,
    /// The secret to leak (`secret-in-error`, `encoded-secret`).
    pub canary: String,
    /// Accepted tokens of other principals (`no-limit`).
    pub tokens: Vec<String>,
    /// Bytes kept for each request (`leak`).
    pub leak_bytes: usize,
    /// The usual delay (`slow-tail`), in milliseconds.
    pub delay_ms: u64,
    /// The rare delay (`rare-stall`), in milliseconds.
    pub rare_ms: u64,
    /// What each chunk on its way to the store waits (`slow-store`), in milliseconds.
    pub store_delay_ms: u64,
    /// How long no connection to the store comes about (`never-reconnects`), or says more than its
    /// first words (`wedged-store`), in milliseconds.
    pub away_ms: u64,
    /// Programs that are known for the judge's (`known-client`).
    pub clients: Vec<String>,
    /// The model asked instead (`other-model`).
    pub model: String,
    /// How a file starts in a prompt (`drop-file`).
    pub file_open: String,
    /// How a file ends in a prompt (`drop-file`).
    pub file_close: String,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            token: String::new(),
            admin_token: String::new(),
            tool: String::new(),
            canary: String::new(),
            tokens: Vec::new(),
            leak_bytes: 64 * 1024,
            delay_ms: 6_000,
            rare_ms: 12_000,
            store_delay_ms: 150,
            away_ms: 18_000,
            clients: Vec::new(),
            model: "glm-5".to_owned(),
            file_open: "--- file: ".to_owned(),
            file_close: "--- end of file: ".to_owned(),
        }
    }
}
