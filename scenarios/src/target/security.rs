//! What must not come back, what must not change unseen, and who must not be let in.

use exai_harness::client::Software;
use exai_harness::compatibility::{Lists, rows, violations};
use exai_harness::target::{ASKED, Door, Heard, Web, initialize};
use serde_json::{Value, json};

use super::stand::{Stand, refusal};
use super::wire::{Shown, list};
use crate::stage::Trouble;

/// Characters that nobody sees: direction marks, blanks without width, tags.
const HIDDEN: [std::ops::RangeInclusive<char>; 6] = [
    '\u{200b}'..='\u{200c}',
    '\u{200e}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2069}',
    '\u{feff}'..='\u{feff}',
    '\u{e0000}'..='\u{e007f}',
];

/// Everything of this family that the replies of the others did not show already.
///
/// # Errors
/// When the server does not start again.
pub async fn run(stand: &mut Stand<'_>, shown: &Shown) -> Result<(), Trouble> {
    hidden(stand, &shown.lists);
    if shown.declares("tools") {
        changed(stand, &shown.lists).await?;
    } else {
        stand.absent("security", "changed", "the server declares no tools");
    }
    let web = match stand.door() {
        Some(Door::Web(web)) => Some(web.clone()),
        _ => None,
    };
    match web {
        Some(web) => strangers(stand, &web).await,
        None => {
            for check in ["origin", "session", "token"] {
                stand.absent("security", check, "a pipe has no stranger on the other end");
            }
            Ok(())
        }
    }
}

fn hidden(stand: &Stand<'_>, lists: &Lists) {
    let items = [
        &lists.tools,
        &lists.prompts,
        &lists.resources,
        &lists.templates,
    ];
    let texts = items.into_iter().flatten().map(|item| {
        let name = item["name"].as_str().unwrap_or_default();
        (name.to_owned(), item.to_string())
    });
    let instructions = ("the instructions".to_owned(), lists.instructions.clone());
    for (name, text) in texts.chain([instructions]) {
        let is_hidden = |c: &char| HIDDEN.iter().any(|range| range.contains(c));
        let found = text.chars().find(is_hidden);
        let seen = found.map_or_else(|| "none".to_owned(), |c| format!("U+{:04X}", u32::from(c)));
        stand.case(&format!("security.hidden.{name}"), "none", &seen);
    }
}

/// A tool that says another thing on the second day is another tool.
async fn changed(stand: &mut Stand<'_>, lists: &Lists) -> Result<(), Trouble> {
    let (again, word) = list(stand, "tools/list", "tools").await?;
    let seen = match () {
        () if word != "read" => word,
        () if again == lists.tools => "the same".to_owned(),
        () if stand.told_of_change => "another, and told".to_owned(),
        () => "another".to_owned(),
    };
    stand.case(
        "security.changed.tools/list",
        "the same|another, and told",
        &seen,
    );
    Ok(())
}

/// Requests of a foreign page, a made-up session and nobody at all.
async fn strangers(stand: &mut Stand<'_>, web: &Web) -> Result<(), Trouble> {
    let page = web.clone().with_header("Origin", "http://attacker.example");
    let heard = greeting(stand, &page).await;
    stand.case(
        "security.origin.a foreign page",
        "refused",
        &refusal(&heard),
    );
    if web.session().is_some() {
        let made_up = web
            .clone()
            .with_session("00000000-0000-4000-8000-000000000000");
        let id = stand.id();
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
        let heard = made_up
            .send(message.as_bytes(), Some(&id), stand.wait())
            .await;
        stand.case(
            "security.session.a made-up session",
            "refused",
            &refusal(&heard),
        );
    } else {
        stand.absent("security", "session", "the server gave no session");
    }
    if web.has_bearer() {
        let nobody = web.clone().without_bearer();
        let heard = greeting(stand, &nobody).await;
        stand.case("security.token.no token", "refused", &refusal(&heard));
    } else {
        stand.absent(
            "security",
            "token",
            "target.toml names no token (bearer_env)",
        );
    }
    Ok(())
}

async fn greeting(stand: &mut Stand<'_>, web: &Web) -> Heard {
    let id: Value = stand.id();
    let params = initialize(Software::numbered(0), ASKED);
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params});
    let text = message.to_string();
    web.send(text.as_bytes(), Some(&id), stand.wait()).await
}

/// The clients' limits that the lists pass; they inform.
pub fn limits_of_clients(stand: &Stand<'_>, shown: &Shown) {
    let Ok(rows) = rows() else {
        stand.not_tested("clients", "clients.toml could not be read".to_owned());
        return;
    };
    for row in rows {
        let found = violations(&shown.lists, std::slice::from_ref(&row));
        let own = found.iter().filter(|one| one.client == row.title);
        let passed: Vec<String> = own
            .map(|one| format!("{}: {}", one.item, one.what))
            .collect();
        let seen = match passed.split_first() {
            None => "none".to_owned(),
            Some((first, rest)) => format!("{}: {first}, and {} more", row.title, rest.len()),
        };
        stand.case(&format!("clients.{}", row.title), "none", &seen);
    }
}
