//! `/manifest`: what is running, drawn up anew for each request.

use serde_json::{Value, json};

use super::App;
use crate::observe::manifest::Build;
use crate::observe::telemetry::CONVENTIONS;
use crate::protocol::{self, HAS_FIXTURES};

/// The manifest of a running server.
pub(super) async fn draw(app: &App) -> Value {
    let build = Build::with_executable(app.identity.executable_sha256().await);
    let config = &app.config;
    let digests = app.digests.get();
    let private = config.providers.values().filter(|row| row.allow_private);
    json!({
        "name": build.name,
        "version": build.version,
        "commit": build.commit,
        "dirty": build.dirty,
        "executable_sha256": build.executable_sha256,
        "policy_digest": digests.policy,
        "site_digest": digests.site,
        "policy": digests.policy_keys,
        "instance": app.identity.instance(),
        "instance_name": config.server.instance,
        "started_at": app.identity.started_at(),
        "pid": std::process::id(),
        "auth": config.auth.mode.name(),
        "metrics_open": config.metrics_open,
        "demo": config.demo,
        "conformance_fixtures": HAS_FIXTURES,
        "otlp": app.config.otlp.endpoint().is_some(),
        "otlp_conventions": CONVENTIONS,
        "store": app.store.kind(),
        "stages": app.stages.list(),
        "providers": app.router.providers(),
        "registrations": app.router.registrations(),
        "private_providers": private.map(|row| &row.name).collect::<Vec<_>>(),
        "tools": app.toolbox.registry().loadings(),
        "tools_sha256": protocol::tools_sha256(&app.toolbox),
    })
}
