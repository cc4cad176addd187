//! Reload: keys, shared tokens, revocations, roles, grace, rates, budgets, the names of models and
//! the secrets that stand in files change under load, when a file changed or on SIGHUP.
//!
//! All or nothing: a configuration with a fault, or one that also changes what needs a restart, is
//! refused whole and the old one stays. Either way there is one audit line, which names a secret by
//! its variable. Providers and listeners need a restart, and so does every variable that holds its
//! value itself: nobody can change it in a process that runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::auth::access::Access;
use crate::auth::audit::{Audit, Deed};
use crate::auth::policy::Policy;
use crate::auth::remote::Remote;
use crate::config::{Budgets, Config, Current, Digests, KeySource, Sources, secret};
use crate::protocol::seal::Seal;
use crate::router::Router;
use crate::router::rekey::Keys;
use crate::transport::rate::Rates;

/// Prefixes of keys that a reload puts in force.
const HOT: [&str; 4] = ["auth.", "budget.", "limits.rate.", "models."];

/// Keys below them that need a restart all the same.
const COLD: [&str; 5] = [
    "auth.mode",
    "auth.watch",
    "auth.jwt.issuer",
    "auth.jwt.jwks_refresh",
    "auth.jwt.jwks_stale",
];

/// What a reload replaces, and what it is read from.
pub(super) struct Reloading {
    /// The layers of the start.
    pub sources: Sources,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Who may come in.
    pub access: Current<Access>,
    /// Whom the tools take for an administrator.
    pub policy: Current<Policy>,
    /// The model of a call that names none.
    pub default_model: Current<String>,
    /// What seals for clients, under a secret.
    pub seal: Current<Seal>,
    /// What callers and teams may spend.
    pub budgets: Current<Budgets>,
    /// Whom the operator's own names for models and the providers' keys are for.
    pub router: Arc<Router>,
    /// The static scrape token.
    pub scrape_token: Current<Option<SecretString>>,
    /// What the manifest tells.
    pub digests: Current<Digests>,
    /// Fetched keys, kept.
    pub remote: Remote,
    /// The rates of the public listener.
    pub rates: Arc<Rates>,
    /// One line for each attempt.
    pub audit: Audit,
}

/// What is seen of a file without reading it.
type Trace = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

impl Reloading {
    /// Watches until cancelled.
    pub(super) async fn run(mut self, ending: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(cause = %error, "could not listen for SIGHUP; no reload");
                return;
            }
        };
        let every = self.config.auth.watch;
        let mut seen = self.trace();
        loop {
            let tick = async {
                if every.is_zero() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(every).await;
            };
            let is_asked = tokio::select! {
                () = tick => false,
                _ = hangup.recv() => true,
                () = ending.cancelled() => return,
            };
            let now = self.trace();
            if is_asked || now != seen {
                self.reload().await;
                // Other files may be named now; a change since they were read is yet to be seen.
                seen = self.trace();
                for (path, found) in &mut seen {
                    *found = now.get(path).copied().unwrap_or(*found);
                }
            }
        }
    }

    fn trace(&self) -> Trace {
        let auth = &self.config.auth;
        let mut files: Vec<PathBuf> = self.sources.file.clone().into_iter().collect();
        files.extend(self.sources.in_files.values().cloned());
        let jwt = &auth.jwt;
        let named = [
            &auth.policy_file,
            &auth.token_file,
            &jwt.public_key_file,
            &jwt.revoked_file,
        ];
        files.extend(
            named
                .into_iter()
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
        );
        files.extend(jwt.sources().filter_map(|(_, source)| match source {
            KeySource::File(path) => Some(PathBuf::from(path)),
            KeySource::Fetched(_) => None,
        }));
        let look = |path: PathBuf| {
            let found = std::fs::metadata(&path).ok();
            let found = found.and_then(|meta| Some((meta.modified().ok()?, meta.len())));
            (path, found)
        };
        files.into_iter().map(look).collect()
    }

    async fn reload(&mut self) {
        match self.prepare() {
            Ok((config, access, keys)) => {
                let secrets = secret::changed(&self.config, &config);
                let mut changed = changed(&self.config, &config);
                changed.extend(secrets.iter().cloned());
                self.access.set(access);
                self.router.take_keys(keys);
                self.put(config, &secrets);
                tracing::info!(keys = changed.join(" "), "configuration reloaded");
                self.audit
                    .record_allowed(deed(&changed.join(" "), "reloaded"))
                    .await;
            }
            Err((reason, why)) => {
                tracing::error!(
                    reason,
                    cause = why,
                    "configuration not reloaded; the old stays"
                );
                self.audit.record(deed(&why, reason)).await;
            }
        }
    }

    /// Puts the rest of a configuration in force.
    fn put(&mut self, config: Config, secrets: &[String]) {
        self.policy.set(config.policy.clone());
        self.default_model.set(config.models.default.clone());
        self.router
            .roster()
            .aliases
            .set(config.models.aliases.clone());
        self.budgets.set(config.budgets.clone());
        self.digests.set(config.digests.clone());
        self.rates.set(&config.limits.rate);
        self.scrape_token.set(config.secrets.metrics.clone());
        // Without a secret each seal is another, and what is sealed under the old one is lost.
        if secrets.iter().any(|name| name == secret::JWT_SECRET) {
            self.seal.set(Seal::of(&config.secrets));
        }
        self.config = Arc::new(config);
    }

    fn prepare(&self) -> Result<(Config, Access, Keys), (&'static str, String)> {
        let invalid = |why: String| ("reload_invalid", why);
        let sources = self.sources.read_again();
        let config = Config::load(&sources).map_err(|faults| invalid(faults.to_string()))?;
        let mut cold = changed(&self.config, &config);
        cold.retain(|key| needs_restart(key));
        let secrets = secret::changed(&self.config, &config);
        // Bridges that are connected have proof of the old one.
        cold.extend(
            secrets
                .into_iter()
                .filter(|name| name == secret::DAEMON_KEY),
        );
        if !cold.is_empty() {
            let why = format!("needs a restart: {}", cold.join(" "));
            return Err(("reload_needs_restart", why));
        }
        let access = Access::new(&config, &self.remote);
        let access = access.map_err(|error| invalid(error.to_string()))?;
        let keys = self.router.other_keys(&config);
        let keys = keys.map_err(|error| invalid(error.to_string()))?;
        Ok((config, access, keys))
    }
}

/// Keys whose values differ; the text of a policy is one.
fn changed(old: &Config, new: &Config) -> Vec<String> {
    let (old, new) = (&old.digests.keys, &new.digests.keys);
    let all: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let differs = |key: &&&String| old.get(**key) != new.get(**key);
    all.iter()
        .filter(differs)
        .map(|key| (*key).clone())
        .collect()
}

/// Whether a change of this key waits for the next start.
pub(crate) fn needs_restart(key: &str) -> bool {
    COLD.contains(&key) || !HOT.iter().any(|hot| key.starts_with(hot))
}

fn deed(resource: &str, reason: &str) -> Deed {
    Deed {
        correlation_id: String::new(),
        principal: "operator".to_owned(),
        source: "local".to_owned(),
        transport: "file".to_owned(),
        action: "reload".to_owned(),
        resource: resource.to_owned(),
        reason: reason.to_owned(),
    }
}
