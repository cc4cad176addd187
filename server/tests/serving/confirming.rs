//! What removes files is confirmed first: by the client's user, or by an argument.

use serde_json::{Value, json};

use super::elicitation::{accept, back, carrying, code, posted, text};
use super::process::{Server, call, initialize};
use super::providers::result;
use super::shelf::Shelf;
use super::socket::{Socket, open, tool_call};
use super::talk::{Talk as _, capable};

const TOOL: &str = "kimi_manage_files";

/// A shelf with two files of the server, and the server.
fn started() -> (Shelf, Server) {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    for fact in ["wren", "finch"] {
        let content = format!("FACT {fact} is here\n{}", "filler words\n".repeat(6000));
        let file = json!({"name": format!("{fact}.txt"), "content": content});
        let arguments = json!({"file_path": file, "question": "which?", "provider": "kimi"});
        let answer = result(&server, "smart_file_query", arguments);
        assert_eq!(text(&answer), fact, "{answer}");
    }
    assert_eq!(shelf.kept().len(), 2);
    (shelf, server)
}

fn delete(id: &str) -> Value {
    json!({"operation": "delete", "file_id": id})
}

#[test]
fn nothing_goes_before_it_is_confirmed_and_the_error_says_how() {
    let (shelf, server) = started();
    let id = shelf.kept()[0].clone();
    let wrong = json!({"operation": "delete", "file_id": id, "confirm": "cleanup_all"});
    for arguments in [delete(&id), json!({"operation": "cleanup_all"}), wrong] {
        let refused = result(&server, TOOL, arguments.clone());
        assert_eq!(code(&refused), "confirmation_required", "{refused}");
        let said = text(&refused);
        let operation = arguments["operation"].as_str().unwrap();
        let way = format!("/confirm \"{operation}\"");
        assert!(said.contains(&way) && said.contains("dry_run"), "{said}");
        assert_eq!(refused["structuredContent"]["error"]["field"], "/confirm");
    }
    assert_eq!((shelf.deletions(), shelf.kept().len()), (0, 2));
    let unknown = result(&server, TOOL, delete("no-such-file"));
    assert_eq!(code(&unknown), "file_not_found", "{unknown}");
    let mut sure = delete(&id);
    sure["confirm"] = "delete".into();
    let done = result(&server, TOOL, sure);
    assert_eq!(done["structuredContent"]["deleted"], true, "{done}");
    assert!(!shelf.kept().contains(&id));
}

#[test]
fn the_user_is_asked_while_the_call_waits_and_a_no_changes_nothing() {
    let (shelf, server) = started();
    let mut socket = open(&server, "mcp", &[]).unwrap();
    socket.ask(capable());
    Socket::say(
        &mut socket,
        &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    );
    let all = json!({"operation": "cleanup_all"});
    let (question, answer) = socket.asked(
        &tool_call(7, TOOL, all.clone()),
        &json!({"action": "decline"}),
    );
    let asked = question["params"]["message"].as_str().unwrap();
    assert!(asked.contains("deleted 2"), "{question}");
    assert_eq!(code(&answer), "choice_declined", "{answer}");
    assert_eq!(shelf.deletions(), 0);
    let yes = accept(json!({"confirm": "cleanup_all"}));
    let (_, answer) = socket.asked(&tool_call(8, TOOL, all), &yes);
    assert_eq!(answer["structuredContent"]["deleted"], 2, "{answer}");
    assert!(shelf.kept().is_empty());
    // A client that cannot ask.
    let mut socket = open(&server, "mcp", &[]).unwrap();
    socket.ask(initialize());
    let (question, answer) = socket.asked(
        &tool_call(7, TOOL, json!({"operation": "cleanup_all"})),
        &Value::Null,
    );
    assert_eq!(
        (&question, code(&answer)),
        (&Value::Null, &json!("confirmation_required"))
    );
}

#[test]
fn a_yes_to_one_removal_is_none_to_another() {
    let (shelf, server) = started();
    let (first, second) = (shelf.kept()[0].clone(), shelf.kept()[1].clone());
    let asked = posted(&server, "", &carrying(TOOL, delete(&first), &Value::Null));
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let yes = back(&asked, accept(json!({"confirm": "delete"})));
    for other in [delete(&second), json!({"operation": "cleanup_all"})] {
        let refused = posted(&server, "", &carrying(TOOL, other, &yes));
        assert_eq!(code(&refused), "request_state_refused", "{refused}");
    }
    assert_eq!(shelf.deletions(), 0);
    let done = posted(&server, "", &carrying(TOOL, delete(&first), &yes));
    assert_eq!(done["structuredContent"]["deleted"], true, "{done}");
    assert_eq!(shelf.kept(), [second]);
    let plain = posted(&server, "", &call(TOOL, delete(&first)));
    assert_eq!(code(&plain), "file_not_found", "{plain}");
}
