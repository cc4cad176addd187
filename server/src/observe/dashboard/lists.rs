//! Tables: providers, tools, caches, alerts, and what happened.

use std::time::Duration;

use super::figure::{self, exact, named, named_or_dash};
use super::{View, escape};
use crate::failure::Severity;
use crate::observe::event::{Happening, Look};
use crate::observe::history::Pick;
use crate::router::member::ProviderStatus;

const LATELY: Duration = Duration::from_secs(5 * 60);

const NOTHING: &str = "<p class=\"soft nothing\">";

pub fn providers(view: &View<'_>) -> String {
    if view.providers.is_empty() {
        return format!("{NOTHING}No provider is configured.</p>");
    }
    let rows: String = view
        .providers
        .iter()
        .map(|row| provider(view, row))
        .collect();
    format!(
        "<table class=\"providers\"><thead><tr><th scope=\"col\">Provider</th>\
         <th scope=\"col\">Breaker</th>\
         <th scope=\"col\" class=\"num\">p95</th><th scope=\"col\" class=\"num\">Attempts</th>\
         <th scope=\"col\" class=\"num\">Good</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn provider(view: &View<'_>, row: &ProviderStatus) -> String {
    let only = [("provider", row.name.as_str())];
    let attempts = Pick::all("exai_provider_requests_total").only(&only);
    let errors = Pick::all("exai_provider_errors_total").only(&only);
    let seconds = Pick::all("exai_provider_request_duration_seconds").only(&only);
    let all = view.history.sum(attempts);
    let lately = view.history.grown(attempts, LATELY);
    let failed = view.history.grown(errors, LATELY);
    let good = (lately > 0.0).then(|| (1.0 - failed / lately).max(0.0));
    let good = named_or_dash("good", good, figure::percent);
    let p95 = view.history.quantile(seconds, 0.95, LATELY).remove("");
    let p95 = named_or_dash("p95", p95, figure::seconds);
    let (class, state) = match (row.registered, row.breaker) {
        (false, _) => ("off", "off"),
        (_, "open") => ("bad", "open"),
        (_, "half_open") => ("warn", "half-open"),
        _ if row.health == "healthy" => ("ok", "closed"),
        _ => ("warn", "closed"),
    };
    let label = match row.label.as_str() {
        "" => String::new(),
        label => format!(" <span class=\"soft\">{}</span>", escape(label)),
    };
    format!(
        "<tr class=\"{class}\" data-provider=\"{name}\" data-breaker=\"{breaker}\">\
         <th scope=\"row\"><b>{name}</b>{label}<small>{note}</small></th>\
         <td class=\"fixed\"><span class=\"dot\"></span>{state}</td>\
         <td class=\"num\" data-label=\"p95\">{p95}</td>\
         <td class=\"num\" data-label=\"attempts\">{}</td>\
         <td class=\"num\" data-label=\"good\">{good}</td></tr>",
        exact(all, &figure::whole(all)),
        name = escape(&row.name),
        breaker = row.breaker,
        note = escape(&note(row)),
    )
}

/// What is to be known of a provider beside its figures.
fn note(row: &ProviderStatus) -> String {
    if let Some(reason) = &row.reason {
        return reason.clone();
    }
    let quota = row.quota_seconds.iter().next();
    match (&row.last_error, quota) {
        (_, Some((model, wait))) => format!("quota of {model} used up for {wait} s"),
        (Some(error), None) => format!("last: {error}"),
        (None, None) if row.models.len() == 1 => "1 model".to_owned(),
        (None, None) => format!("{} models", row.models.len()),
    }
}

pub fn tools(view: &View<'_>) -> String {
    let calls = Pick::all("exai_requests_total").by("tool");
    let all = view.history.now(calls);
    let failed = view.history.now(calls.only(&[("status", "error")]));
    let durations = Pick::all("exai_request_duration_seconds").by("tool");
    let p95 = view.history.quantile(durations, 0.95, LATELY);
    let mut names: Vec<&str> = all.keys().map(String::as_str).collect();
    names.sort_by(|a, b| all[*b].total_cmp(&all[*a]));
    let row = |name: &&str| {
        let count = all[*name];
        let errors = failed.get(*name).copied().unwrap_or_default();
        let class = if errors > 0.0 { "warn" } else { "" };
        let p95 = named_or_dash("p95", p95.get(*name).copied(), figure::seconds);
        format!(
            "<tr class=\"{class}\" data-tool=\"{name}\"><th scope=\"row\">{name}</th>\
             <td class=\"num\">{}</td><td class=\"num errors\">{}</td>\
             <td class=\"num\">{p95}</td></tr>",
            exact(count, &figure::whole(count)),
            named("failed", errors, &figure::whole(errors)),
            name = escape(name),
        )
    };
    let rows: String = names.iter().map(row).collect();
    let is_idle = |tool: &&&str| !all.contains_key(**tool);
    let idle = view.tools.iter().filter(is_idle).count();
    let rest = format!(
        "<p class=\"soft\">{} tools listed · {idle} not called yet</p>",
        view.tools.len()
    );
    if names.is_empty() {
        return rest;
    }
    format!(
        "<table><thead><tr><th scope=\"col\">Tool</th><th scope=\"col\" class=\"num\">Calls</th>\
         <th scope=\"col\" class=\"num\">Failed</th><th scope=\"col\" class=\"num\">p95</th>\
         </tr></thead><tbody>{rows}</tbody></table>{rest}"
    )
}

pub fn caches(view: &View<'_>) -> String {
    let hits = view
        .history
        .now(Pick::all("exai_cache_hits_total").by("cache"));
    let misses = view
        .history
        .now(Pick::all("exai_cache_misses_total").by("cache"));
    let names: std::collections::BTreeSet<&String> = hits.keys().chain(misses.keys()).collect();
    if names.is_empty() {
        return format!("{NOTHING}No cache was asked yet.</p>");
    }
    let row = |name: &String| {
        let hit = hits.get(name).copied().unwrap_or_default();
        // A call that waits for an equal one is a hit; it never misses by itself.
        let share = misses.get(name);
        let share = share.map(|missed| hit / (hit + missed).max(1.0));
        let share = named_or_dash("share", share, figure::percent);
        format!(
            "<tr data-cache=\"{name}\"><th scope=\"row\">{}</th><td class=\"num\">{}</td>\
             <td class=\"num\">{share}</td></tr>",
            escape(&name.replace('_', " ")),
            exact(hit, &figure::whole(hit)),
            name = escape(name),
        )
    };
    let rows: String = names.into_iter().map(row).collect();
    format!(
        "<table><thead><tr><th scope=\"col\">Cache</th><th scope=\"col\" class=\"num\">Hits</th>\
         <th scope=\"col\" class=\"num\">Ratio</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

pub fn alerts(view: &View<'_>) -> String {
    if view.alerts.is_empty() {
        return format!("{NOTHING}<span class=\"dot ok\"></span>Nothing fires.</p>");
    }
    let row = |alert: &crate::observe::alert::Alert| {
        let class = match alert.severity {
            Severity::Critical | Severity::High => "bad",
            Severity::Medium | Severity::Low => "warn",
        };
        let of = match alert.of.as_str() {
            "" => String::new(),
            of => format!(" · {}", escape(of)),
        };
        format!(
            "<li class=\"{class}\" data-alert=\"{id}\"><span class=\"dot\"></span>\
             <div><b>{}</b>{of}\
             <span class=\"soft\"> {} since {}</span><small>{}</small>\
             <a id=\"runbook-{id}-{key}\" href=\"{}\" rel=\"noreferrer\">runbook</a></div></li>",
            escape(&alert.title),
            alert.severity.name(),
            alert.since.strftime("%H:%M:%S"),
            escape(&alert.help),
            escape(&alert.runbook),
            id = escape(&alert.id),
            key = escape(&alert.of),
        )
    };
    let rows: String = view.alerts.iter().map(row).collect();
    format!("<ul class=\"alerts\">{rows}</ul>")
}

pub fn events(view: &View<'_>) -> String {
    if view.happenings.is_empty() {
        return format!("{NOTHING}Nothing of note happened yet.</p>");
    }
    let rows: String = view.happenings.iter().map(event).collect();
    format!(
        "<table class=\"events\"><thead class=\"unseen\"><tr><th scope=\"col\">Time, UTC</th>\
         <th scope=\"col\">Kind</th><th scope=\"col\">What</th><th scope=\"col\">Call</th></tr>\
         </thead><tbody>{rows}</tbody></table>"
    )
}

fn event(happening: &Happening) -> String {
    let class = match happening.look {
        Look::Good => "ok",
        Look::Info => "info",
        Look::Warn => "warn",
        Look::Bad => "bad",
    };
    let id = escape(&happening.correlation_id);
    let micros = happening.at.as_microsecond();
    let link = match id.get(..8) {
        None => String::new(),
        Some(short) => format!(
            "<a id=\"e{micros}\" class=\"mono\" href=\"#{id}\" title=\"All of this call: {id}\">\
             {short}</a>"
        ),
    };
    format!(
        "<tr class=\"{class}\" data-call=\"{id}\"><td class=\"mono soft\">{}</td>\
         <td class=\"fixed\"><span class=\"dot\"></span>{}</td><td class=\"what\">{}</td>\
         <td>{link}</td></tr>",
        happening.at.strftime("%H:%M:%S"),
        happening.kind,
        escape(&happening.text),
    )
}
