//! Relations between settings, each of which may be right alone and wrong together.

use std::time::Duration;

use super::auth::DISCOVER;
use super::registration;
use super::{
    Algorithm, ArchiveKind, AuthMode, Config, Dialect, KeySource, ProviderRow, address, files,
    ladder,
};
use crate::observe::alert;

/// Outer clocks exceed inner ones by at least this, so that the inner one fires first.
pub(super) const STEP: Duration = Duration::from_secs(5);

/// Bytes. An idle server holds half of that.
const LEAST_MEMORY: u64 = 16 << 20;

/// Components that `ready.require` may name.
const COMPONENTS: [&str; 4] = ["store", "archive", "disk", "providers"];

pub(super) type Wrong = (String, String);

/// Every broken relation, as key and sentence.
pub(super) fn check(config: &Config) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    ladder::check(&config.timeouts, &mut wrong);
    positive(config, &mut wrong);
    limits(config, &mut wrong);
    listeners(config, &mut wrong);
    access(config, &mut wrong);
    jwt(config, &mut wrong);
    store(config, &mut wrong);
    archive(config, &mut wrong);
    let alerts = &config.alerts;
    let is_lost = !alerts.webhook_setting.is_empty() && alerts.webhook().is_none();
    let fix = "write an address such as https://alerts.example/hook";
    say(&mut wrong, is_lost, "alerts.webhook", fix);
    let otlp = &config.otlp;
    let is_lost = !otlp.endpoint_setting.is_empty() && otlp.endpoint().is_none();
    let fix = "write an address such as http://127.0.0.1:4318";
    say(&mut wrong, is_lost, "otlp.endpoint", fix);
    if let Err(error) = alert::rows(&config.alerts.file) {
        say(&mut wrong, true, "alerts.file", &error.to_string());
    }
    for (key, message) in files::broken(config) {
        say(&mut wrong, true, key, message);
    }
    for row in config.providers.values() {
        provider(row, &mut wrong);
    }
    wrong.extend(registration::check(config));
    wrong
}

fn say(wrong: &mut Vec<Wrong>, is_broken: bool, key: &str, message: &str) {
    if is_broken {
        wrong.push((key.to_owned(), message.to_owned()));
    }
}

fn positive(config: &Config, wrong: &mut Vec<Wrong>) {
    let limits = &config.limits;
    let positive = [
        ("limits.body_bytes", limits.body_bytes),
        ("limits.json_depth", limits.json_depth),
        ("limits.in_flight", limits.in_flight),
        ("limits.in_flight_per_session", limits.in_flight_per_session),
        (
            "limits.in_flight_per_provider",
            limits.in_flight_per_provider,
        ),
        ("limits.connections", limits.connections),
        (
            "limits.connections_per_address",
            limits.connections_per_address,
        ),
        ("limits.sessions", limits.sessions),
        ("limits.result_chars", limits.result_chars),
        ("limits.result_tokens", limits.result_tokens),
        ("limits.prompt_chars", limits.prompt_chars),
        ("limits.token_bytes", limits.token_bytes),
        ("limits.rate.global", limits.rate.global as usize),
        ("limits.rate.address", limits.rate.address as usize),
        ("limits.rate.principal", limits.rate.principal as usize),
        ("limits.rate.table", limits.rate.table),
        ("audit.queue", config.audit.queue),
        ("audit.bytes", config.audit.bytes as usize),
        ("bridge.in_flight", config.bridge.in_flight),
        ("bridge.queue", config.bridge.queue),
        ("thread.exchanges", config.thread.exchanges as usize),
        ("breaker.failures", config.breaker.failures as usize),
        (
            "models.decision.failures",
            config.models.decision.failures as usize,
        ),
        (
            "retry.attempts_per_provider",
            config.retry.attempts_per_provider as usize,
        ),
    ];
    for (key, value) in positive {
        say(wrong, value == 0, key, "must be at least 1");
    }
}

fn spans(config: &Config, wrong: &mut Vec<Wrong>) {
    let limits = &config.limits;
    let spans = [
        ("health.interval", config.health.interval),
        ("health.trend", config.health.trend),
        ("otlp.every", config.otlp.every),
        ("otlp.metrics_every", config.otlp.metrics_every),
        ("archive.retry", config.archive.retry),
        ("limits.rate.burst", limits.rate.burst),
        ("limits.hello_timeout", limits.hello_timeout),
        ("limits.choice_wait", limits.choice_wait),
        ("limits.ping_interval", limits.ping_interval),
        ("limits.ping_timeout", limits.ping_timeout),
        ("bridge.reconnect", config.bridge.reconnect),
    ];
    for (key, span) in spans {
        say(wrong, span.is_zero(), key, "must be longer than 0");
    }
    say(
        wrong,
        config.bridge.idle < limits.ping_interval + STEP,
        "bridge.idle",
        "must exceed limits.ping_interval by 5 s or more; the daemon's pings are waited for",
    );
}

fn limits(config: &Config, wrong: &mut Vec<Wrong>) {
    let limits = &config.limits;
    let comment = limits.stream_comment;
    let apart = comment.is_zero() || comment > Duration::from_secs(15);
    say(
        wrong,
        apart,
        "limits.stream_comment",
        "must be above 0 and at most 15s",
    );
    let is_endless = limits.stream_age.is_zero();
    say(wrong, is_endless, "limits.stream_age", "must be above 0");
    spans(config, wrong);
    // hyper refuses a read buffer below 8 KiB.
    say(
        wrong,
        limits.header_bytes < 8192,
        "limits.header_bytes",
        "must be at least 8192",
    );
    say(
        wrong,
        limits.in_flight_per_session > limits.in_flight,
        "limits.in_flight_per_session",
        "must not exceed limits.in_flight",
    );
    say(
        wrong,
        (1..LEAST_MEMORY).contains(&limits.memory_bytes),
        "limits.memory_bytes",
        "must be 0 or at least 16777216; a server that does nothing holds half of that",
    );
    say(
        wrong,
        config.retry.attempts_per_call < config.retry.attempts_per_provider,
        "retry.attempts_per_call",
        "must not be below retry.attempts_per_provider",
    );
    for (name, span) in [
        ("provider", config.breaker.provider),
        ("redis", config.breaker.redis),
        ("archive", config.breaker.archive),
    ] {
        let key = format!("breaker.{name}.max_open");
        say(
            wrong,
            span.max_open < span.first_open,
            &key,
            "must not be below first_open",
        );
    }
    for name in &config.ready_require {
        let known = COMPONENTS.contains(&name.as_str()) || config.providers.contains_key(name);
        let message = format!("{name:?} is no component; known: store, disk, providers, or a row");
        say(wrong, !known, "ready.require", &message);
    }
}

fn listeners(config: &Config, wrong: &mut Vec<Wrong>) {
    let open = config.auth.mode == AuthMode::None;
    for (key, bind) in [
        ("server.listen", config.server.listen),
        ("server.admin", config.server.admin),
    ] {
        let message = format!(
            "{bind} is not a loopback address and auth.mode is \"none\"; set auth.mode = \"jwt\" \
             with EXAI_JWT_SECRET, or listen on 127.0.0.1"
        );
        say(wrong, open && !bind.ip().is_loopback(), key, &message);
    }
    let shared = config.server.is_shared_listener() && !config.server.listen.ip().is_loopback();
    say(
        wrong,
        shared,
        "server.admin",
        "may equal server.listen on a loopback address only",
    );
    let nobody = config.server.proxy_protocol && config.server.trusted_proxies.is_empty();
    say(
        wrong,
        nobody,
        "server.proxy_protocol",
        "is for proxies in server.trusted_proxies, which names none",
    );
    let public = config.server.public_url.trim_end_matches('/');
    let public = (!public.is_empty()).then_some(("server.public_url", public));
    let allowed = config.server.allowed_origins.iter();
    let allowed = allowed.map(|origin| ("server.allowed_origins", origin.as_str()));
    for (key, origin) in public.into_iter().chain(allowed) {
        let message = format!("{origin:?} is not an origin such as https://app.example.com");
        let fits = origin.split_once("://").is_some_and(|(scheme, rest)| {
            let is_plain = !rest.is_empty() && !rest.contains(['/', '@', '?', '#']);
            matches!(scheme, "http" | "https") && is_plain
        });
        say(wrong, !fits, key, &message);
    }
}

fn jwt(config: &Config, wrong: &mut Vec<Wrong>) {
    if config.auth.mode != AuthMode::Jwt {
        return;
    }
    let jwt = &config.auth.jwt;
    let symmetric = jwt.algorithms.contains(&Algorithm::HS256);
    let count = jwt
        .algorithms
        .iter()
        .filter(|a| **a != Algorithm::HS256)
        .count();
    let has_sets = jwt.sources().next().is_some();
    let key = |leaf: &str| format!("auth.jwt.{leaf}");
    say(
        wrong,
        jwt.algorithms.is_empty(),
        &key("algorithms"),
        "must name at least one",
    );
    say(
        wrong,
        count > 1 && !jwt.public_key_file.is_empty(),
        &key("algorithms"),
        "may name one of EdDSA, RS256 and ES256, the one of auth.jwt.public_key_file",
    );
    say(
        wrong,
        jwt.issuer.is_empty(),
        &key("issuer"),
        "must be set when auth.mode is \"jwt\"",
    );
    say(
        wrong,
        jwt.audience.is_empty(),
        &key("audience"),
        "must be set when auth.mode is \"jwt\"",
    );
    say(
        wrong,
        jwt.max_lifetime.is_zero(),
        &key("max_lifetime"),
        "must be longer than 0",
    );
    say(
        wrong,
        symmetric && config.secrets.jwt.is_none(),
        &key("algorithms"),
        "HS256 needs a strong EXAI_JWT_SECRET in the environment",
    );
    say(
        wrong,
        count > 0 && jwt.public_key_file.is_empty() && !has_sets,
        &key("public_key_file"),
        "must name a PEM file for the asymmetric algorithm, or auth.jwt.jwks a set of keys",
    );
    issuers(config, wrong);
}

fn issuers(config: &Config, wrong: &mut Vec<Wrong>) {
    let jwt = &config.auth.jwt;
    let is_pair = |row: &String| {
        let pair = row.rsplit_once('=');
        pair.is_some_and(|(name, value)| !name.is_empty() && !value.is_empty())
    };
    let pairs = [
        ("auth.jwt.issuers", &jwt.issuers, "ISSUER=JWKS"),
        ("auth.jwt.groups", &jwt.groups, "GROUP=ROLE"),
    ];
    for (key, rows, form) in pairs {
        for row in rows.iter().filter(|row| !is_pair(row)) {
            wrong.push((key.to_owned(), format!("{row:?} is not {form}")));
        }
    }
    for (name, source) in jwt.sources() {
        let KeySource::Fetched(from) = source else {
            continue;
        };
        let url = url::Url::parse(if from == DISCOVER { name } else { from });
        let fits = url.is_ok_and(|url| url.scheme() == "https" || is_loopback(&url));
        let message = format!("keys come from an https URL (http on loopback alone), not {from:?}");
        say(wrong, !fits, "auth.jwt.jwks", &message);
    }
    let (refresh, stale) = (jwt.jwks_refresh, jwt.jwks_stale);
    say(
        wrong,
        refresh.is_zero(),
        "auth.jwt.jwks_refresh",
        "must be longer than 0",
    );
    say(
        wrong,
        stale < refresh,
        "auth.jwt.jwks_stale",
        "must not be below jwks_refresh",
    );
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

fn access(config: &Config, wrong: &mut Vec<Wrong>) {
    let auth = &config.auth;
    let is_dated = !auth.grace_until.is_empty();
    let message = "must be a date such as 2026-12-31T00:00:00Z, or empty";
    say(
        wrong,
        is_dated && auth.grace_end().is_none(),
        "auth.grace_until",
        message,
    );
    if auth.mode == AuthMode::Token {
        let message = "must name the file of shared tokens when auth.mode is \"token\"";
        say(
            wrong,
            auth.token_file.is_empty(),
            "auth.token_file",
            message,
        );
    }
}

fn store(config: &Config, wrong: &mut Vec<Wrong>) {
    let url = url::Url::parse(&config.store.url);
    let fits = url.is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss"));
    let message = "must be a URL such as redis://127.0.0.1:6379";
    say(wrong, !fits, "store.url", message);
}

fn archive(config: &Config, wrong: &mut Vec<Wrong>) {
    let archive = &config.archive;
    let url = url::Url::parse(&archive.url);
    let fits = url.is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let is_wrong = archive.kind == ArchiveKind::Postgres && !fits;
    let message = "must be a URL such as postgres://exai@127.0.0.1/exai";
    say(wrong, is_wrong, "archive.url", message);
    say(
        wrong,
        archive.queue == 0,
        "archive.queue",
        "must be at least 1",
    );
}

fn provider(row: &ProviderRow, wrong: &mut Vec<Wrong>) {
    let is_unread = row.dialect != Dialect::Openai && !row.models.is_empty();
    say(
        wrong,
        is_unread,
        &format!("provider.{}.models", row.name),
        "is for dialect \"openai\" alone; leave it empty: the catalogue has this one's models",
    );
    let key = format!("provider.{}.base_url", row.name);
    let web = matches!(row.base_url.scheme(), "http" | "https") && row.base_url.has_host();
    say(wrong, !web, &key, "must be an http or https URL");
    let open = !row.base_url.username().is_empty() || row.base_url.password().is_some();
    say(wrong, open, &key, "must not hold a user name or password");
    if let Some(why) = address::why_private(&row.base_url).filter(|_| web && !row.allow_private) {
        let message = format!(
            "is {why}; set allow_private = true on [provider.{}] if that is meant",
            row.name
        );
        wrong.push((key, message));
    }
}
