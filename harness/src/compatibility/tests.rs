use serde_json::json;

use super::*;

/// A tool that every client bears.
fn plain(name: &str) -> Value {
    json!({"name": name, "description": "Use this.", "inputSchema": {"type": "object"}})
}

fn lists(tools: Vec<Value>) -> Lists {
    Lists {
        tools,
        ..Lists::default()
    }
}

fn found(lists: &Lists) -> Vec<(String, String)> {
    let all = violations(lists, &rows().unwrap());
    all.into_iter().map(|one| (one.client, one.item)).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(client, item)| ((*client).to_owned(), (*item).to_owned()))
        .collect()
}

fn with(tool: &str, key: &str, value: Value) -> Lists {
    let mut planted = plain(tool);
    planted[key] = value;
    lists(vec![planted])
}

#[test]
fn lists_that_every_client_bears_have_no_violation() {
    let mut good = lists((0..40).map(|n| plain(&format!("tool_{n}"))).collect());
    good.instructions = "x".repeat(2000);
    good.prompts = vec![json!({"name": "p", "arguments": [{"name": "a"}]})];
    good.resources = vec![json!({"uri": "exai://threads", "name": "threads"})];
    good.templates = vec![json!({"uriTemplate": "exai://thread/{id}", "name": "thread"})];
    good.results = vec![(
        "tool_1".to_owned(),
        json!({"content": [{"type": "text", "text": "x"}]}),
    )];
    assert_eq!(found(&good), pairs(&[]));
    assert_eq!(found(&Lists::default()), pairs(&[]));
}

#[test]
fn each_planted_violation_is_found_and_names_the_clients_it_concerns() {
    let long = "n".repeat(56);
    let long_item = format!("tool {long}");
    let dotted = [
        ("Claude Code", "tool a.b"),
        ("Codex", "tool a.b"),
        ("Copilot CLI", "tool a.b"),
    ];
    let many: Vec<Value> = (0..101).map(|n| plain(&format!("t{n}"))).collect();
    let mut talkative = lists(vec![plain("a")]);
    talkative.instructions = "é".repeat(1025);
    let union = json!({"type": "object", "anyOf": [{"required": ["a"]}]});
    let cases: Vec<(Lists, Vec<(&str, &str)>)> = vec![
        (lists(vec![plain("a.b")]), dotted.to_vec()),
        (
            lists(vec![plain(&long)]),
            vec![("Claude Code", &long_item), ("Gemini CLI", &long_item)],
        ),
        (
            lists(many),
            vec![
                ("Cursor", "the list of tools"),
                ("Windsurf", "the list of tools"),
            ],
        ),
        (
            with("a", "description", json!("d".repeat(2049))),
            vec![("Claude Code", "tool a")],
        ),
        (talkative, vec![("Claude Code", "the instructions")]),
        (
            with("a", "inputSchema", union),
            vec![("Claude Code", "tool a"), ("Claude Desktop", "tool a")],
        ),
        (
            with("a", "outputSchema", json!({"type": "array"})),
            vec![("VS Code", "tool a"), ("opencode", "tool a")],
        ),
        (
            with(
                "a",
                "inputSchema",
                json!({"type": "object", "$ref": "#/$defs/none"}),
            ),
            vec![(ANY, "tool a")],
        ),
        (lists(vec![plain("a"), plain("a")]), vec![(ANY, "tool a")]),
    ];
    for (planted, wanted) in cases {
        assert_eq!(found(&planted), pairs(&wanted));
    }
}

#[test]
fn results_are_held_to_size_and_to_the_schema_that_was_declared() {
    let declared = |result: Value| {
        let mut lists = with("a", "outputSchema", json!({"type": "object"}));
        lists.results = vec![("a".to_owned(), result)];
        found(&lists)
    };
    let text = |length: usize| json!([{"type": "text", "text": "x".repeat(length)}]);
    let item = "the result of a";
    assert_eq!(
        declared(json!({"content": text(9)})),
        pairs(&[("Cursor", item)])
    );
    assert_eq!(
        declared(json!({"content": text(9), "isError": true})),
        pairs(&[])
    );
    let long = json!({"content": text(50_001), "structuredContent": {}});
    assert_eq!(declared(long), pairs(&[("Claude Code", item)]));
    let huge = json!({"content": [], "structuredContent": {"x": "y".repeat(100_001)}});
    let twice = [
        ("Claude Code", item),
        ("Claude Code", item),
        ("Claude Desktop", item),
    ];
    assert_eq!(declared(huge), pairs(&twice));
}

#[test]
fn prompts_and_resources_are_held_to_the_protocols_own_rules() {
    let template = json!({"uriTemplate": "x:{a}"});
    let planted = Lists {
        prompts: vec![json!({"name": "p", "arguments": [{}]}), json!({})],
        resources: vec![json!({"uri": "/etc/passwd"})],
        templates: vec![template.clone(), template],
        ..Lists::default()
    };
    let wanted = [
        (ANY, "a prompt"),
        (ANY, "resource /etc/passwd"),
        (ANY, "resource template x:{a}"),
        (ANY, "prompt p"),
    ];
    assert_eq!(found(&planted), pairs(&wanted));
}
