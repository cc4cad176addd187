//! What the catalogue pins of each tool equals what the built server shows: its schema to clients,
//! its instruction to providers. A changed tool changes the criteria, and so their digest.
//!
//! `EXAI_WRITE_DOCS=1 cargo test -p exai-scenarios --test providers pins` draws the rows again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use exai_harness::canonical::canonical;
use exai_judge::criterion::{Criteria, Pinned};
use exai_judge::hex::sha256;
use exai_scenarios::catalogue;
use serde_json::{Value, json};

use super::ground::{Answer, Server};
use super::row::{GLM, KIMI};
use super::simulator::Simulator;

/// The line above the rows; an empty line ends them.
const HEAD: &str = "\n[pinned]\n";

/// A workflow in one call.
fn whole(own: &Value) -> Value {
    let mut call = json!({"step": "Understand total()", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "its sum can overflow"});
    let more = own.as_object().cloned().unwrap_or_default();
    call.as_object_mut().expect("an object").extend(more);
    call
}

/// What asks a tool with an instruction of its own.
fn question(tool: &str) -> Value {
    let file = json!({"name": "total.rs", "content": "fn total() {}"});
    match tool {
        "chat" => json!({"prompt": "Does this overflow?"}),
        "smart_file_query" => json!({"file_path": file, "question": "What does it add up?"}),
        "precommit" => whole(&json!({"diff": "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n"})),
        "consensus" => whole(&json!({"models": [
            {"model": KIMI.model, "stance": "for"}, {"model": GLM.model, "stance": "against"}]})),
        _ => whole(&json!({"relevant_files": [file]})),
    }
}

/// The digests of each tool of the catalogue, as a client and the providers saw them.
fn shown(criteria: &Criteria) -> BTreeMap<String, Pinned> {
    let simulators = [Simulator::start(&KIMI), Simulator::start(&GLM)];
    let roots = [(KIMI, &*simulators[0].root), (GLM, &*simulators[1].root)];
    let server = Server::start(&roots, "");
    let listed = server.tools();
    let mut shown = BTreeMap::new();
    for (name, row) in criteria.tools.iter().filter(|(_, row)| row.built) {
        let tool = listed.iter().find(|tool| tool["name"] == **name);
        let tool = tool.unwrap_or_else(|| panic!("{name} is not listed"));
        let schema = sha256(canonical(&tool["inputSchema"]).as_bytes());
        let mut instructions = BTreeSet::new();
        if row.instruction == "own" {
            let known = simulators.each_ref().map(Simulator::requests);
            let Answer { error, .. } = server.call(name, &question(name));
            assert!(error.is_none(), "{name}: {error:?}");
            for (simulator, known) in simulators.iter().zip(known) {
                let began = simulator.began().split_off(known);
                instructions.extend(began.into_iter().map(|began| began.system_sha256));
            }
        }
        let pinned = Pinned {
            schema,
            instructions: instructions.into_iter().collect(),
        };
        shown.insert(name.clone(), pinned);
    }
    shown
}

fn draw(shown: &BTreeMap<String, Pinned>) {
    let mut rows = String::new();
    for (name, row) in shown {
        let (schema, instructions) = (&row.schema, &row.instructions);
        let row = writeln!(
            rows,
            "{name} = {{ schema = \"{schema}\", instructions = {instructions:?} }}"
        );
        row.expect("a text");
    }
    let (above, below) = catalogue::CRITERIA.split_once(HEAD).expect("the rows");
    let (_, below) = below.split_once("\n\n").expect("an empty line");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/criteria.toml");
    std::fs::write(path, format!("{above}{HEAD}{rows}\n{below}")).expect("a file");
}

#[test]
fn pins_equal_what_the_built_server_shows_and_no_two_tools_share_an_instruction() {
    let criteria = catalogue::criteria().expect("the catalogue");
    let shown = shown(&criteria);
    if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
        draw(&shown);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/criteria.toml");
    let now = std::fs::read_to_string(path).expect("a file");
    let now = Criteria::parse(&now).expect("the catalogue");
    assert!(
        now.pinned == shown,
        "criteria.toml pins something else; draw it with EXAI_WRITE_DOCS=1: {shown:#?}"
    );
    let own = criteria
        .tools
        .iter()
        .filter(|(_, row)| row.instruction == "own");
    let mut taken = BTreeSet::from([sha256(b"")]);
    for (name, _) in own {
        let instructions = &shown[name].instructions;
        assert!(!instructions.is_empty(), "{name} sent no instruction");
        for digest in instructions {
            assert!(taken.insert(digest.clone()), "{name} shares {digest}");
        }
    }
}
