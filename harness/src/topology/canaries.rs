//! What no output of the server may show, and what the server shows to whoever may look.

use super::{Store, Topology, Vendor};
use crate::server::Server;

/// What the admin listener shows.
const PAGES: [&str; 3] = ["/metrics", "/manifest", "/health"];

impl Topology {
    /// The run's secrets: the vendors' keys, the tokens' secret, the static token of metrics and
    /// the store's password.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let keys = self.vendors.iter().map(Vendor::key);
        let password = match &self.store {
            Store::Embedded => None,
            Store::Redis { redis, .. } => Some(redis.password()),
        };
        keys.chain(self.credentials.secrets())
            .chain(password)
            .map(str::to_owned)
            .collect()
    }

    /// What the server shows now, by place: metrics, manifest, health, its audit log and the last
    /// lines of its log. A place that does not answer is left out.
    pub async fn shown(&self) -> Vec<(&'static str, String)> {
        let mut shown = Vec::new();
        let others = self.peers.iter().map(Server::scraper);
        for scraper in std::iter::once(&self.scraper).chain(others) {
            for page in PAGES {
                if let Ok(text) = scraper.text(page).await {
                    shown.push((page, text));
                }
            }
        }
        for instance in self.instances() {
            if let Ok(audit) = tokio::fs::read_to_string(instance.audit_file()).await {
                shown.push(("the audit log", audit));
            }
            shown.push(("the last log lines", instance.tail()));
        }
        shown
    }
}
