//! The head of the page: what this is, how it is, since when.

use jiff::Timestamp;

use super::{View, escape, figure};
use crate::observe::health::Status;
use crate::observe::manifest::{COMMIT, VERSION};

pub fn draw(view: &View<'_>) -> String {
    let (class, word) = state(view);
    let named = match view.instance_name {
        "" => String::new(),
        name => format!("<span class=\"name\">{}</span>", escape(name)),
    };
    let started = view.started_at.parse::<Timestamp>().unwrap_or_default();
    let up = Timestamp::now().as_second() - started.as_second();
    let ready = if view.detail.not_ready.is_none() {
        "ready"
    } else {
        "out of service"
    };
    let kind = view.detail.components["store"]["kind"].as_str();
    let commit: String = COMMIT.chars().take(7).collect();
    format!(
        "<h1>exai</h1>{named}<span class=\"state {class}\" role=\"status\">{word}</span>\
         <span class=\"soft\">{ready} · up {} · {VERSION} · build {commit} · store {}</span>",
        figure::span(up),
        escape(kind.unwrap_or("not asked yet")),
    )
}

/// The class and the words for the whole.
fn state(view: &View<'_>) -> (&'static str, String) {
    match (view.detail.status, &view.detail.not_ready) {
        (_, Some(why)) => ("bad", format!("✕ out of service: {}", escape(why))),
        (Status::Healthy, None) => ("ok", "● healthy".to_owned()),
        (_, None) => ("warn", format!("◐ degraded: {}", escape(&troubled(view)))),
    }
}

/// The names of what is not healthy.
fn troubled(view: &View<'_>) -> String {
    let components = view.detail.components.as_object();
    let parts = components.into_iter().flatten();
    let parts = parts.filter(|(name, _)| *name != "providers");
    let providers = view.detail.components["providers"].as_object();
    let all = parts.chain(providers.into_iter().flatten());
    let not_well = all.filter(|(_, part)| part["status"] != "healthy");
    let names: Vec<&str> = not_well.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
