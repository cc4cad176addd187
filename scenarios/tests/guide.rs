//! The pages of the site. The guide's page of examples: every tool called on the real server with
//! the simulated providers behind it, its answer as it came; what varies from run to run is masked,
//! in one place. And the commands of all pages, tried.
//!
//! `EXAI_WRITE_DOCS=1 cargo test -p exai-scenarios --test guide` writes the page of examples.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its ground has failed"
)]

#[path = "guide/commands.rs"]
mod commands;
#[expect(
    dead_code,
    reason = "shared with the tests of evidence, which use all of it"
)]
#[path = "evidence/desk.rs"]
mod desk;
#[path = "guide/example.rs"]
mod example;
#[path = "guide/ground.rs"]
mod ground;
#[path = "guide/hold.rs"]
mod hold;
#[path = "guide/mask.rs"]
mod mask;
#[path = "guide/page.rs"]
mod page;
#[path = "guide/served.rs"]
mod served;
#[path = "guide/workplace.rs"]
mod workplace;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use exai_scenarios::saboteur::Saboteur;
use serde_json::{Value, json};

use ground::Ground;
use mask::masked;

const HEAD: &str = "# Every tool, called

Each call below was made on the shipped server with the simulated providers behind it, and each
output is what came back; the page is written by a test that fails when an answer changes. A real
model writes where the simulator says `seal`. Masked are ids, times, addresses and digests: `‹id›`,
`‹time›`, `‹n›`. A long output is cut where it says so.

`models.default` is `kimi-k2.6`, so that the page is the same each time. The last line of an answer
of a model says who answered, at what cost, and how to go on.
";

/// Lines shown of one output.
const MOST: usize = 40;

/// Characters shown of one line.
const WIDEST: usize = 400;

#[test]
fn the_page_of_examples_is_what_every_tool_answers() {
    let ground = Ground::start();
    let listed = ground.ask("tools/list", json!({}));
    let listed = listed["tools"].as_array().expect("tools");
    let names: BTreeSet<&str> = listed
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    let examples = example::all();
    let shown: BTreeSet<&str> = examples.iter().map(|one| one.tool).collect();
    assert_eq!(
        shown, names,
        "each listed tool has an example in guide/example.rs, and no other"
    );
    let mut page = HEAD.to_owned();
    for example in &examples {
        let call = json!({"name": example.tool, "arguments": example.arguments});
        let result = ground.ask("tools/call", call);
        assert_eq!(
            result["isError"], example.is_error,
            "{}: {result}",
            example.tool
        );
        draw(
            &mut page,
            example.tool,
            example.says,
            &example.arguments,
            &result,
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/examples.md");
    if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((old, new)) = kept.lines().zip(page.lines()).find(|(old, new)| old != new) {
        panic!(
            "docs/guide/examples.md is out of date; EXAI_WRITE_DOCS=1 writes it:\n- {old}\n+ {new}"
        );
    }
    assert_eq!(
        kept.len(),
        page.len(),
        "docs/guide/examples.md; EXAI_WRITE_DOCS=1 writes it"
    );
}

#[test]
fn the_readme_counts_the_rows_of_the_self_test() {
    let rows = exai_scenarios::saboteur::all().expect("the table");
    // The rows of that ground, of bystanders, and whatever else sits in the harness.
    let is_own = |row: &&Saboteur| row.id.starts_with(['G', 'B']) || row.edge == "harness";
    let own = rows.iter().filter(is_own).count();
    let server = rows.len() - own;
    let says = format!("spoiled in {server} ways, and the judge's own ground in {own}:");
    let readme = page::text_of("README.md");
    assert!(readme.contains(&says), "README.md does not say: {says}");
}

fn draw(page: &mut String, tool: &str, says: &str, arguments: &Value, result: &Value) {
    let call = serde_json::to_string_pretty(arguments).unwrap_or_default();
    let _ = write!(page, "\n## `{tool}`\n\n{says}\n\n```json\n{call}\n```\n");
    for block in result["content"].as_array().into_iter().flatten() {
        let text = match block["text"].as_str() {
            Some(text) => text.to_owned(),
            None => block.to_string(),
        };
        let (language, text) = shown(&text);
        let lines: Vec<String> = text.lines().map(cut).collect();
        let head = lines[..lines.len().min(MOST)].join("\n");
        let _ = write!(page, "\n```{language}\n{head}\n```\n");
        if lines.len() > MOST {
            let _ = write!(page, "\n({} more lines)\n", lines.len() - MOST);
        }
    }
}

/// A text as the page has it: JSON laid out, lines of JSON as they are, all of it masked.
fn shown(text: &str) -> (&'static str, String) {
    let object = |text: &str| {
        let read = serde_json::from_str::<Value>(text).ok();
        read.filter(Value::is_object).map(|value| masked(&value))
    };
    if let Some(value) = object(text) {
        return (
            "json",
            serde_json::to_string_pretty(&value).unwrap_or_default(),
        );
    }
    let lines: Option<Vec<String>> = text
        .lines()
        .map(|line| object(line).map(|value| value.to_string()))
        .collect();
    match lines.filter(|lines| !lines.is_empty()) {
        Some(lines) => ("json", lines.join("\n")),
        None => ("text", mask::text(text)),
    }
}

fn cut(line: &str) -> String {
    let length = line.chars().count();
    if length <= WIDEST {
        return line.trim_end().to_owned();
    }
    let head: String = line.chars().take(WIDEST).collect();
    format!("{head}… ({length} characters)")
}
