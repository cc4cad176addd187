//! Tools that look at the server itself: its health, a check of its own ground, what its providers
//! can do. Secrets are told apart as set and not set, and nothing more.

use serde_json::{Value, json};

use super::call::Reply;
use super::information::{reply, store_state};
use super::registry::Registry;
use super::run::Run;
use super::surroundings::json as as_json;
use crate::observe::health::Status;
use crate::observe::manifest::{VERSION, now_utc};
use crate::router::member::ProviderStatus;

/// The `health` tool: what `/health` on the admin listener says, and the caller's last calls. That
/// page is for administrators, so others get each component's status and no figures.
pub fn health(run: Run<'_>) -> Reply {
    let mut detail = run.around.health.detail();
    if !run.is_administrator() {
        bare(&mut detail.components);
    }
    let most = run
        .arguments()
        .whole("tail_lines")
        .map_or(50, |n| n as usize);
    let recent = run.around.journal.seen_by(&run, most, |_| true);
    reply(json!({
        "status": detail.status,
        "components": detail.components,
        "not_ready": detail.not_ready,
        "version": VERSION,
        "instance": run.around.identity.instance(),
        "timestamp_utc": now_utc(),
        "recent_calls": recent,
    }))
}

/// Leaves of every component its status alone.
fn bare(components: &mut Value) {
    let Value::Object(components) = components else {
        return;
    };
    for component in components.values_mut() {
        match component.get("status").cloned() {
            Some(status) => *component = json!({ "status": status }),
            None => bare(component),
        }
    }
}

/// The `self_check` tool: each check with what to do where it failed.
pub async fn self_check(run: Run<'_>, registry: &Registry) -> Reply {
    let providers = (run.around.probe_providers)().await;
    let store = store_state(run, true).await;
    let mut checks = vec![
        has_provider(&providers),
        check(
            "store",
            store["status"] == "healthy",
            "The store does not answer: threads and idempotency keys fail. Tell the operator.",
        ),
        tools_loaded(registry),
        health_is_good(&run),
    ];
    checks.extend(providers.iter().filter(|one| one.registered).map(|one| {
        let said = one.last_error.as_deref().unwrap_or("no answer");
        let fix = format!(
            "{} is {} ({said}). Other providers answer meanwhile; `exai doctor` checks its key \
             and address.",
            one.name, one.health
        );
        let is_fine = one.health == "healthy" && one.breaker == "closed";
        check(&format!("provider {}", one.name), is_fine, &fix)
    }));
    let most = run
        .arguments()
        .whole("log_lines")
        .map_or(40, |n| n as usize);
    let settings = &run.around.settings;
    let keys: Vec<Value> = settings
        .keys
        .iter()
        .map(|key| {
            json!({ "provider": key.provider, "variables": key.variables, "set": key.is_set })
        })
        .collect();
    reply(json!({
        "ok": checks.iter().all(|check| check["ok"] == true),
        "checks": checks,
        "keys": keys,
        "store": store,
        "version": VERSION,
        "instance": run.around.identity.instance(),
        "recent_calls": run.around.journal.seen_by(&run, most, |_| true),
    }))
}

fn check(name: &str, is_fine: bool, fix: &str) -> Value {
    if is_fine {
        json!({ "name": name, "ok": true })
    } else {
        json!({ "name": name, "ok": false, "fix": fix })
    }
}

fn has_provider(providers: &[ProviderStatus]) -> Value {
    check(
        "a provider has a key",
        providers.iter().any(|one| one.registered),
        "Set one of the variables under `keys` where the server is started, then start it again; \
         `exai doctor` checks the result.",
    )
}

fn tools_loaded(registry: &Registry) -> Value {
    let broken: Vec<String> = registry
        .broken()
        .map(|one| format!("{}: {}", one.name, one.reason))
        .collect();
    let fix = format!("These tools could not be loaded: {}.", broken.join("; "));
    check("every tool is loaded", broken.is_empty(), &fix)
}

fn health_is_good(run: &Run<'_>) -> Value {
    let detail = run.around.health.detail();
    let fix = format!(
        "Health is {}{}. The tool health names the component.",
        detail.status.name(),
        detail
            .not_ready
            .map(|why| format!(": {why}"))
            .unwrap_or_default()
    );
    check("health", detail.status == Status::Healthy, &fix)
}

/// The `provider_capabilities` tool: the catalogue as it is now, and with all facts what each
/// provider itself lists, which is kept for a while.
pub async fn capabilities(run: Run<'_>, registry: &Registry) -> Reply {
    let arguments = run.arguments();
    let is_advanced = arguments.flag("show_advanced", false);
    let models = (run.around.models)();
    let lists = match is_advanced {
        true => (run.around.lists)(arguments.flag("invalidate_cache", false)).await,
        false => Vec::new(),
    };
    let providers: Vec<Value> = (run.around.providers)()
        .iter()
        .map(|row| {
            let own = models.iter().filter(|model| model.provider == row.name);
            let shown: Vec<Value> = own
                .filter(|model| is_advanced || model.status == "current")
                .map(|model| match is_advanced {
                    true => as_json(model),
                    false => json!({ "name": model.name, "capabilities": model.capabilities }),
                })
                .collect();
            let mut shown = json!({
                "name": row.name,
                "label": row.label,
                "registered": row.registered,
                "health": row.health,
                "models": shown,
            });
            if let Some(listed) = lists.iter().find(|one| one.provider == row.name) {
                shown["listed"] = as_json(listed);
            }
            shown
        })
        .collect();
    let mut answer = json!({ "read_at": now_utc(), "providers": providers });
    if arguments.flag("include_tools", true) {
        let tools: Vec<Value> = registry
            .tools()
            .iter()
            .map(|tool| json!({ "name": tool.name, "asks_models": tool.row.asks_models() }))
            .collect();
        answer["tools"] = tools.into();
    }
    reply(answer)
}
