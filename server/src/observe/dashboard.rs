//! The dashboard: one page, drawn here and kept current by frames of the monitoring feed that hold
//! the parts that changed. The page's own script only puts them in their places; nothing is
//! fetched, built or computed in the browser.
//!
//! Every figure is read from the history of scrapes. `<data value>` carries the exact figure of a
//! metric beside what people read.

mod cards;
mod figure;
mod head;
mod lists;

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::alert::Alert;
use super::event::Happening;
use super::health::Detail;
use super::history::History;
use crate::router::member::ProviderStatus;

const FRAME: &str = include_str!("dashboard/page.html");
const STYLE: &str = include_str!("dashboard/page.css");
const SCRIPT: &str = include_str!("dashboard/page.js");

/// What the page shows at one moment.
pub struct View<'a> {
    /// The metrics and what they were.
    pub history: &'a History,
    /// Component states.
    pub detail: &'a Detail,
    /// Provider rows, registered or not.
    pub providers: &'a [ProviderStatus],
    /// Tools that are listed, in order.
    pub tools: &'a [&'static str],
    /// What fires.
    pub alerts: &'a [Alert],
    /// What happened, newest first.
    pub happenings: &'a [Happening],
    /// `server.instance`; empty when none was given.
    pub instance_name: &'a str,
    /// When the process started, UTC, RFC 3339.
    pub started_at: &'a str,
}

/// A part of the page by the id of its place.
pub type Part = (&'static str, Arc<str>);

/// Every part of the page.
#[must_use]
pub fn parts(view: &View<'_>) -> Vec<Part> {
    let parts: [(&'static str, String); 9] = [
        ("head", head::draw(view)),
        ("tiles", cards::tiles(view)),
        ("providers", lists::providers(view)),
        ("errors", cards::errors(view)),
        ("events", lists::events(view)),
        ("alerts", lists::alerts(view)),
        ("tools", lists::tools(view)),
        ("caches", lists::caches(view)),
        ("system", cards::system(view)),
    ];
    parts.map(|(id, html)| (id, html.into())).to_vec()
}

/// The whole page with these parts in their places; without any it asks who is there.
#[must_use]
pub fn page(parts: &[Part]) -> String {
    let state = if parts.is_empty() { "locked" } else { "open" };
    let page = FRAME.replace("{state}", state);
    let mut page = page.replace("{style}", STYLE).replace("{script}", SCRIPT);
    for (id, html) in parts {
        page = page.replace(&format!("<!--{id}-->"), html);
    }
    page
}

/// The page's content security policy: its own style and script by their hashes, its own feed, and
/// nothing else.
#[must_use]
pub fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        )
    });
    &POLICY
}

/// Text between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "dashboard/tests.rs"]
mod tests;
