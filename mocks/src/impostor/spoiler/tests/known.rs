//! A server that knows the judge's programs.

use super::*;

fn sent_by(id: i64, tool: &str, program: Option<&str>) -> Call {
    let mut params = json!({"name": tool, "arguments": {"prompt": "why"}});
    if let Some(program) = program {
        let info = json!({"name": program, "version": "1"});
        params["_meta"] = json!({"io.modelcontextprotocol/clientInfo": info});
    }
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    Call::read(message, "token a").unwrap()
}

#[test]
fn a_strangers_question_is_made_cheaper_and_no_other() {
    let params = Params {
        clients: vec!["judge".into()],
        ..Params::default()
    };
    let rig = rig("known-client", 2, params);
    assert!(rig.stage.reads_messages());
    let prompt = |mut call: Call| {
        let is_changed = rig.stage.rewrite(&mut call);
        let prompt = call.arguments()["prompt"].as_str().unwrap().to_owned();
        assert_eq!(is_changed, prompt != "why");
        prompt
    };
    assert_eq!(prompt(sent_by(1, "chat", Some("judge"))), "why");
    assert_eq!(prompt(sent_by(2, "chat", None)), "why");
    assert_eq!(prompt(sent_by(3, "consensus", Some("cursor"))), "why");
    let spoiled = prompt(sent_by(4, "chat", Some("cursor")));
    assert!(spoiled.starts_with("why\n\n"), "{spoiled}");
    assert_eq!(
        prompt(sent_by(5, "chat", Some("cursor"))),
        "why",
        "every second"
    );
    assert_eq!(rig.spoiled(), [json!(4)]);
}

#[test]
fn no_other_spoiler_changes_a_question() {
    for name in ["none", "echo", "full-early"] {
        let rig = rig(name, 1, Params::default());
        assert!(!rig.stage.rewrite(&mut sent_by(1, "chat", Some("cursor"))));
    }
}
