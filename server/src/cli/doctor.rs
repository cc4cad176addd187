//! `exai doctor`: what keeps the server from working, each finding with its fix. Asks providers
//! with `--live` alone.

use std::path::Path;

use serde::Serialize;

use super::document::say_document;
use super::{Failed, say};
use crate::app;
use crate::config::{AuthMode, Config, Sources};
use crate::observe::Metrics;
use crate::provider::fault::FaultClass;
use crate::router::Router;
use crate::router::listed::Listed;

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: String,
    /// Whether it is as it must be.
    ok: bool,
    /// What was seen.
    seen: String,
    /// What to do; empty when nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

impl Finding {
    fn good(check: &str, seen: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            ok: true,
            seen: seen.into(),
            fix: String::new(),
        }
    }

    fn bad(check: &str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            ok: false,
            seen: seen.into(),
            fix: fix.into(),
        }
    }
}

pub(super) fn run(sources: &Sources, live: bool, json: bool) -> Result<(), Failed> {
    let findings = findings(sources, live);
    let is_well = findings.iter().all(|finding| finding.ok);
    if json {
        let fields = serde_json::json!({"ok": is_well, "findings": findings});
        say_document("exai-doctor/1", &fields);
    } else {
        for finding in &findings {
            let word = if finding.ok { "ok " } else { "BAD" };
            say(&format!("{word}  {}: {}", finding.check, finding.seen));
            if !finding.fix.is_empty() {
                say(&format!("     fix: {}", finding.fix));
            }
        }
    }
    if is_well { Ok(()) } else { Err(Failed::Told) }
}

/// The findings as JSON, for a bundle.
pub(super) fn told(sources: &Sources) -> serde_json::Value {
    serde_json::json!(findings(sources, false))
}

fn findings(sources: &Sources, live: bool) -> Vec<Finding> {
    match Config::load(sources) {
        Ok(config) => {
            let mut findings = examine(&config);
            if live {
                findings.extend(signs_of_life(&config));
            }
            findings
        }
        Err(faults) => faults
            .0
            .iter()
            .map(|fault| {
                let check = format!("configuration {}", fault.key);
                Finding::bad(&check, fault.to_string(), "correct the key in that layer")
            })
            .collect(),
    }
}

fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::good("configuration", "valid")];
    findings.push(state_dir(&config.server.state_dir()));
    findings.push(store(config));
    for (name, address) in [
        ("server.listen", config.server.listen),
        ("server.admin", config.server.admin),
    ] {
        findings.push(match std::net::TcpListener::bind(address) {
            Ok(_) => Finding::good(name, format!("{address} is free")),
            Err(error) => {
                let fix = format!("stop what listens there, or set {name} to another address");
                Finding::bad(name, format!("{address}: {error}"), fix)
            }
        });
    }
    findings.push(match config.auth.mode {
        AuthMode::None => Finding::good("auth", "off; loopback only"),
        AuthMode::Jwt => Finding::good("auth", "bearer tokens"),
        AuthMode::Token => Finding::good("auth", "shared tokens"),
    });
    findings.extend(providers(config));
    findings
}

fn state_dir(path: &Path) -> Finding {
    let check = "server.state_dir";
    let seen = path.display().to_string();
    match app::prepare_state_dir(path) {
        Ok(()) => Finding::good(check, seen),
        Err(error) => Finding::bad(
            check,
            format!("{seen}: {error}"),
            "make it writable or set another",
        ),
    }
}

fn store(config: &Config) -> Finding {
    let check = "store";
    let kind = config.store.kind.name();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Finding::bad(check, "no runtime", "report this as a bug of exai");
    };
    let opened = runtime.block_on(async {
        let store = app::open_store(config, app::unwatched()).await?;
        store.probe().await
    });
    match opened {
        Ok(()) => Finding::good(check, format!("{kind} answers")),
        Err(error) => {
            let fix = "start it, or correct store.kind, store.path or store.url";
            Finding::bad(check, format!("{kind}: {error}"), fix)
        }
    }
}

/// What each provider with a key answers to a question for its models, which costs nothing.
fn signs_of_life(config: &Config) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let router = Router::from_config(config, Metrics::new());
    let (Ok(runtime), Ok(router)) = (runtime, router) else {
        return vec![Finding::bad(
            "live",
            "no router",
            "report this as a bug of exai",
        )];
    };
    let lists = runtime.block_on(router.model_lists(true));
    let one = |list: Listed| {
        let check = format!("live {}", list.provider);
        let Some(why) = list.failure else {
            let seen = format!("the provider took the key and names {}", list.names.len());
            return Finding::good(&check, format!("{seen} models"));
        };
        if list.class.is_some_and(says_nothing_of_the_key) {
            let seen = format!("it answers and has no list, so the key was not tried: {why}");
            return Finding::good(&check, seen);
        }
        let row = config.providers.get(&list.provider);
        let variables = row.map(|row| row.api_key_env.join(" or "));
        let key = format!("provider.{}.base_url", list.provider);
        let fix = format!("correct {}, or {key}", variables.unwrap_or_default());
        Finding::bad(&check, why, fix)
    };
    lists.into_iter().map(one).collect()
}

/// Whether a provider that answers like this may be well: it has no list of models, or another.
const fn says_nothing_of_the_key(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Rejected | FaultClass::ModelGone | FaultClass::Malformed | FaultClass::Unknown
    )
}

fn providers(config: &Config) -> Vec<Finding> {
    let rows = config.providers.values();
    let mut findings: Vec<Finding> = rows
        .map(|row| {
            let check = format!("provider.{}", row.name);
            let seen = match &row.key {
                _ if !row.enabled => "switched off".to_owned(),
                Some(key) => format!("key in {}, at {}", key.variable, row.base_url),
                None => format!("no key; set {}", row.api_key_env.join(" or ")),
            };
            Finding::good(&check, seen)
        })
        .collect();
    let any = config
        .providers
        .values()
        .any(|row| row.enabled && row.key.is_some());
    if !any {
        let names: Vec<&str> = config
            .providers
            .values()
            .flat_map(|row| &row.api_key_env)
            .map(String::as_str)
            .collect();
        let fix = format!("set one of {}; or try --demo", names.join(", "));
        findings.push(Finding::bad("providers", "none has a key", fix));
    }
    findings
}
