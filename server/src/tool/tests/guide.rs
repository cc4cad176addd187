//! The page of tools for people, drawn from the rows.

use std::fmt::Write as _;

use crate::tool::catalogue::{Catalogue, Row, TOOLS_TOML, Tier};

const HEAD: &str = "# Tools

Drawn from `server/tools.toml`. A profile lists its own tools and those above it: `lean` the first,
`standard` (the default) also the second, `full` all. `tools.profile`, `tools.allow` and
`tools.deny` choose; `version` and `listmodels` are always listed. A tool of one provider is listed
while that provider has a key; `status` names the hidden ones with the reason.

A **workflow tool** works in steps: you investigate, and each call reports what one step found. The
reply's `next_call` can be sent as it stands, better with your own words. The last step has
`next_step_required` false; then a model reviews everything, or the steps are laid out. In one
call: `step_number` 1, `total_steps` 1, `next_step_required` false.

* A `step_number` sent again replaces that step; `backtrack_from_step` drops it and later ones.
* `confidence` `certain`, or `use_assistant_model` false, ends without a review: what was collected
  comes back. Three steps of low or five of medium confidence end early, with a review.
* A thread holds ten steps; the reply before the last says so.
* Equal content is reviewed once within `tools.review_ttl`, for each principal apart.
* `precommit` takes a `diff`, or reads the repository of a folder it may read.
* `planner` revises with `is_step_revision` and `revises_step_number`, and opens alternatives with
  `is_branch_point`, `branch_from_step` and `branch_id`.
* `tracer` draws the lines `caller -> callee (file:line) note` of all findings.
* A file is a path where the server may read it, `{name, content}`, or `exai://file/<sha256>` once
  it was stored. `smart_file_query` stores what it is given; `exai bridge` and `PUT /files/<sha256>`
  store files of the client's machine. A stored file is found by who stored it alone.
* `smart_file_query` puts a text below `files.embed_below` into the question; a larger file, or a
  PDF, goes to Kimi once and is read back as text. GLM reads no files, so for `provider` `glm` the
  text stands in the question whatever its size.
* `docgen` does not end before `num_files_documented` reaches `total_files_to_document`.

A **long answer** comes in pages: the last block says `page 1 of n`, `next_call` can be sent as it
stands and brings the next page, and so does the resource of the link. No model is asked for a page
and no turn is added. An **equal call** (same principal, tool and arguments) is answered once: with
the first one's answer while that runs, and for `tools.result_ttl` after it; the footer says so.
Other words, or `_meta[\"dev.exai/no-cache\"]`, get a new answer; with `tools.semantic_ttl` other
spacing, an alias or a default written out does not.

";

fn page() -> String {
    let mut text = HEAD.to_owned();
    let rows: Vec<Row> = Catalogue::parse(TOOLS_TOML)
        .rows
        .into_iter()
        .map(|(row, _)| row)
        .collect();
    let profiles: [(&str, &[Tier]); 3] = [
        ("lean", &[Tier::Forced, Tier::Essential, Tier::Core]),
        ("standard", &[Tier::Advanced]),
        ("full", &[Tier::Extra]),
    ];
    for (profile, tiers) in profiles {
        let mut own: Vec<&Row> = rows
            .iter()
            .filter(|row| tiers.contains(&row.tier))
            .collect();
        own.sort_by_key(|row| &row.name);
        let count = own.len();
        let _ = write!(text, "## Added by `{profile}` ({count})\n\n");
        text.push_str("| Tool | Asks | When |\n|---|---|---|\n");
        for row in own {
            let asks = match (&row.provider, row.reaches_outside()) {
                (Some(provider), true) => provider,
                (_, true) => "a model",
                (_, false) => "nobody",
            };
            let first = row.description.split(". ").next().unwrap_or_default();
            let when = first.trim_start_matches("Use this ").trim_end_matches('.');
            let _ = writeln!(text, "| `{}` | {asks} | {when} |", row.name);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// The page is written by `EXAI_WRITE_DOCS=1 cargo test -p exai-server the_page_of_tools`.
#[test]
fn the_page_of_tools_equals_the_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/tools.md");
    let wanted = page();
    if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{path} is out of date; write it with EXAI_WRITE_DOCS=1"
    );
}
