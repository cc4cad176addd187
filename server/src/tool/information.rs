//! Tools that call no provider: what runs, how it is doing, which models there are.

use std::env::consts;
use std::sync::Arc;

use serde_json::{Value, json};

use super::call::Reply;
use super::registry::Registry;
use super::run::Run;
use super::surroundings::json as as_json;
use crate::failure::Failure;
use crate::observe::manifest::{COMMIT, VERSION, is_dirty};
use crate::router::member::ProviderStatus;

/// Text above this is not indented.
const PRETTY_BYTES: usize = 10_000;

/// The `version` tool. Which models a provider has is for `listmodels` and `status` to tell.
pub async fn version(run: Run<'_>) -> Reply {
    let identity = &run.around.identity;
    let mut providers = (run.around.providers)();
    for row in &mut providers {
        row.models = Arc::default();
    }
    reply(json!({
        "name": "exai",
        "version": VERSION,
        "commit": COMMIT,
        "dirty": is_dirty(),
        "executable_sha256": identity.executable_sha256().await,
        "instance": identity.instance(),
        "instance_name": run.around.settings.instance_name,
        "started_at": identity.started_at(),
        "platform": format!("{}-{}", consts::ARCH, consts::OS),
        "providers": providers,
    }))
}

/// The `listmodels` tool.
pub fn list_models(run: Run<'_>) -> Reply {
    reply(json!({ "models": (run.around.models)() }))
}

/// Days that the caller's own use is told for.
const USAGE_DAYS: u32 = 30;

/// The `status` tool.
///
/// # Errors
/// The store's outage, when the caller's use was asked for.
pub async fn status(run: Run<'_>, registry: &Registry) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    let is_probed = arguments.flag("probe", false) || arguments.flag("doctor", false);
    let providers = match is_probed {
        true => (run.around.probe_providers)().await,
        false => (run.around.providers)(),
    };
    let store = store_state(run, is_probed).await;
    let most = arguments.whole("tail_lines").map_or(30, |n| n as usize);
    let errors = run.around.journal.seen_by(&run, most, |_| true);
    let errors: Vec<_> = errors.iter().filter(|one| one.code.is_some()).collect();
    let loadings = registry.loadings();
    let tools: Vec<Value> = loadings
        .iter()
        .filter(|loading| loading.loaded || arguments.flag("include_tools", false))
        .map(as_json)
        .collect();
    let hidden: Vec<Value> = registry.absent().map(as_json).collect();
    let mut told = json!({
        "instance_name": run.around.settings.instance_name,
        "next_steps": next_steps(&providers, &store),
        "providers": providers,
        "store": store,
        "tools": tools,
        "hidden_tools": hidden,
        "last_errors": errors,
    });
    if arguments.flag("usage", false) {
        let spender = run.call.caller.spender();
        told["usage"] = run.around.spending.report(&spender, USAGE_DAYS).await?;
    }
    Ok(reply(told))
}

pub(super) async fn store_state(run: Run<'_>, is_probed: bool) -> Value {
    let store = run.around.threads.store();
    if !is_probed {
        return json!({ "kind": store.kind(), "status": "not_probed" });
    }
    match store.probe().await {
        Ok(()) => json!({ "kind": store.kind(), "status": "healthy" }),
        // The cause may hold an address, so it goes to the log alone.
        Err(_) => json!({ "kind": store.kind(), "status": "unhealthy" }),
    }
}

fn next_steps(providers: &[ProviderStatus], store: &Value) -> Vec<String> {
    let mut steps = Vec::new();
    if !providers.iter().any(|provider| provider.registered) {
        steps.push(
            "No provider has a key: set one of KIMI_API_KEY, ZAI_API_KEY or MINIMAX_API_KEY in \
             the server's environment and start it again; `exai doctor` checks the result."
                .to_owned(),
        );
    }
    for provider in providers
        .iter()
        .filter(|one| one.registered && one.breaker != "closed")
    {
        steps.push(format!(
            "{} failed repeatedly and is being left alone for some seconds; other providers \
             answer meanwhile.",
            provider.name
        ));
    }
    for provider in providers
        .iter()
        .filter(|one| one.registered && one.breaker == "closed" && one.health != "healthy")
    {
        let said = provider.last_error.as_deref().unwrap_or("no answer");
        steps.push(format!(
            "{} is {}: {said}. Other providers answer meanwhile.",
            provider.name, provider.health
        ));
    }
    if store
        .get("status")
        .is_some_and(|status| status == "unhealthy")
    {
        steps.push(
            "The conversation store does not answer: threads and idempotency keys fail until it \
             does. Tell the operator."
                .to_owned(),
        );
    }
    if steps.is_empty() {
        steps.push("Nothing is wrong.".to_owned());
    }
    steps
}

/// The whole answer as JSON, and the same as text.
pub(super) fn reply(structured: Value) -> Reply {
    let mut text = serde_json::to_string_pretty(&structured).unwrap_or_default();
    // Indentation would push a long catalogue over the size a client shows.
    if text.len() > PRETTY_BYTES {
        text = structured.to_string();
    }
    Reply {
        structured: Some(structured),
        ..Reply::of_text(text)
    }
}
