//! A choice that a call is missing: asked of the client's user where the client can ask.

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{Server, call, call_headers, exai, initialize, serve, serve_jwt, token};
use super::socket::{open, tool_call};
use super::talk::{capable, on_every_wire, piped};

fn trace() -> Value {
    json!({"step": "follow main", "step_number": 1, "total_steps": 1, "next_step_required": false,
        "findings": "main -> run\nrun -> stop", "trace_mode": "ask",
        "target_description": "main"})
}

fn panel() -> Value {
    json!({"step": "Tabs or spaces?", "step_number": 1, "total_steps": 2,
        "next_step_required": false, "findings": "none"})
}

pub fn text(result: &Value) -> &str {
    result["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{result}"))
}

pub fn code(result: &Value) -> &Value {
    &result["structuredContent"]["error"]["code"]
}

pub fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[test]
fn a_missing_choice_is_asked_while_the_call_waits_on_every_wire() {
    on_every_wire(&capable(), |wire, call| {
        let mode = accept(json!({"trace_mode": "dependencies"}));
        let (question, result) = call(&tool_call(7, "tracer", trace()), &mode);
        let schema = &question["params"]["requestedSchema"];
        let options = &schema["properties"]["trace_mode"]["enum"];
        assert_eq!(
            *options,
            json!(["precision", "dependencies"]),
            "{wire}: {question}"
        );
        assert_eq!(
            schema["required"],
            json!(["trace_mode"]),
            "{wire}: {question}"
        );
        assert!(
            text(&result).contains("run\n  uses: stop"),
            "{wire}: {result}"
        );

        let (question, _) = call(
            &tool_call(8, "consensus", panel()),
            &json!({"action": "cancel"}),
        );
        let seats = &question["params"]["requestedSchema"];
        let model = seats["properties"]["for"]["enum"][0].clone();
        assert_eq!(
            seats["required"],
            json!(["for", "against"]),
            "{wire}: {question}"
        );
        let both = accept(json!({"for": model, "against": model}));
        let (_, result) = call(&tool_call(9, "consensus", panel()), &both);
        let answers = &result["_meta"]["dev.exai/reply"]["answers"];
        let seats: Vec<&Value> = answers
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["seat"])
            .collect();
        assert_eq!(seats, ["for", "against", "synthesis"], "{wire}: {result}");
    });
}

#[test]
fn a_choice_that_is_not_made_is_the_tools_own_error_with_the_reason() {
    on_every_wire(&capable(), |wire, call| {
        let cases = [
            (json!({"action": "decline"}), "declined", "choice_declined"),
            (
                json!({"action": "cancel"}),
                "put the question away",
                "choice_declined",
            ),
            (
                accept(json!({"trace_mode": "sideways"})),
                "precision, dependencies",
                "choice_invalid",
            ),
            (
                accept(json!({})),
                "precision, dependencies",
                "choice_invalid",
            ),
        ];
        for (n, (answer, says, wanted)) in (20..).zip(cases) {
            let (_, result) = call(&tool_call(n, "tracer", trace()), &answer);
            assert_eq!(
                (&result["isError"], code(&result)),
                (&json!(true), &json!(wanted)),
                "{wire}"
            );
            let said = text(&result);
            assert!(
                said.contains(says) && said.contains("precision"),
                "{wire}: {said}"
            );
        }
    });
}

#[test]
fn a_client_that_cannot_ask_gets_the_choices_in_the_error() {
    let mut links_only = initialize();
    links_only["params"]["capabilities"] = json!({"elicitation": {"url": {}}});
    for first in [initialize(), links_only] {
        on_every_wire(&first, |wire, call| {
            let (question, result) = call(&tool_call(7, "tracer", trace()), &Value::Null);
            assert_eq!(
                (&question, code(&result)),
                (&Value::Null, &json!("choice_required")),
                "{wire}"
            );
            let (_, result) = call(&tool_call(8, "consensus", panel()), &Value::Null);
            assert_eq!(code(&result), "missing_argument", "{wire}");
            assert!(
                text(&result).contains("Models that can be asked"),
                "{wire}: {result}"
            );
        });
    }
}

/// A call of 2026-07-28 by a client that can ask, with what it carries back.
pub fn carrying(tool: &str, arguments: Value, back: &Value) -> Value {
    let mut request = call(tool, arguments);
    let meta = &mut request["params"]["_meta"];
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {"form": {}}});
    for (name, value) in back.as_object().into_iter().flatten() {
        request["params"][name] = value.clone();
    }
    request
}

/// What a client sends back to a question.
pub fn back(question: &Value, answer: Value) -> Value {
    json!({"requestState": question["requestState"], "inputResponses": {"choice": answer}})
}

pub fn posted(server: &Server, bearer: &str, request: &Value) -> Value {
    let tool = request["params"]["name"].as_str().unwrap();
    let mut headers = call_headers(tool);
    headers.push(("authorization", bearer));
    server.post(request, &headers).json()["result"].clone()
}

/// Sends one request and gives its result.
type Sender<'a> = Box<dyn FnMut(&Value) -> Value + 'a>;

#[test]
fn a_result_that_asks_is_answered_by_the_same_call_on_every_wire() {
    let state = tempfile::tempdir().unwrap();
    let server = serve(&["--demo"], &[]);
    let mut pipe = piped(None, &state);
    let mut socket = open(&server, "mcp", &[]).unwrap();
    let mut wires: [(&str, Sender<'_>); 3] = [
        (
            "stdio",
            Box::new(|request| pipe.ask(request)["result"].clone()),
        ),
        (
            "ws",
            Box::new(|request| socket.ask(request.clone())["result"].clone()),
        ),
        ("http", Box::new(|request| posted(&server, "", request))),
    ];
    for (wire, send) in &mut wires {
        let asked = send(&carrying("tracer", trace(), &Value::Null));
        assert_eq!(asked["resultType"], "input_required", "{wire}: {asked}");
        let question = &asked["inputRequests"]["choice"];
        assert_eq!(question["method"], "elicitation/create", "{wire}: {asked}");
        let mode = accept(json!({"trace_mode": "dependencies"}));
        let result = send(&carrying("tracer", trace(), &back(&asked, mode)));
        assert!(
            text(&result).contains("run\n  uses: stop"),
            "{wire}: {result}"
        );
        let result = send(&carrying(
            "tracer",
            trace(),
            &back(&asked, json!({"action": "decline"})),
        ));
        assert_eq!(code(&result), "choice_declined", "{wire}: {result}");
        let result = send(&carrying(
            "tracer",
            trace(),
            &back(&asked, accept(json!({"trace_mode": 1}))),
        ));
        assert_eq!(code(&result), "choice_invalid", "{wire}: {result}");
        let result = send(&call("tracer", trace()));
        assert_eq!(code(&result), "choice_required", "{wire}: {result}");
    }
}

#[test]
fn a_request_state_serves_its_principal_and_its_tool_alone_and_unchanged() {
    let server = serve_jwt(&["--demo"]);
    let ann = format!("Bearer {}", token("ann", &["user"]));
    let bob = format!("Bearer {}", token("bob", &["user"]));
    let asked = posted(&server, &ann, &carrying("tracer", trace(), &Value::Null));
    let mode = || accept(json!({"trace_mode": "precision"}));
    let good = back(&asked, mode());
    let state = asked["requestState"].as_str().unwrap();
    let changed = |from: usize| {
        let mut bytes = state.as_bytes().to_vec();
        bytes[from] = if bytes[from] == b'A' { b'B' } else { b'A' };
        let state = String::from_utf8(bytes).unwrap();
        json!({"requestState": state, "inputResponses": {"choice": mode()}})
    };
    let cases = [
        (&bob, "tracer", good.clone()),
        (&ann, "consensus", good.clone()),
        (&ann, "tracer", changed(state.len() / 2)),
        (&ann, "tracer", changed(state.len() - 2)),
        (
            &ann,
            "tracer",
            json!({"requestState": "", "inputResponses": {"choice": mode()}}),
        ),
        (
            &ann,
            "tracer",
            json!({"inputResponses": {"choice": mode()}}),
        ),
    ];
    for (who, tool, sent) in cases {
        let arguments = if tool == "tracer" { trace() } else { panel() };
        let result = posted(&server, who, &carrying(tool, arguments, &sent));
        assert_eq!(
            code(&result),
            "request_state_refused",
            "{tool} {sent}: {result}"
        );
    }
    let result = posted(&server, &ann, &carrying("tracer", trace(), &good));
    assert!(text(&result).contains("main\n  -> run"), "{result}");
}

#[test]
fn answers_to_a_tool_there_is_none_of_are_told_just_that() {
    let server = serve(&["--demo"], &[]);
    let sent = json!({"inputResponses": {"choice": accept(json!({"a": "b"}))}});
    let request = carrying("no_such_tool", json!({}), &sent);
    let reply = server.post(&request, &call_headers("no_such_tool")).json();
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
}

#[test]
fn a_request_state_is_good_at_another_process_with_the_same_secret_and_not_for_ever() {
    let (first, second) = (serve_jwt(&["--demo"]), serve_jwt(&["--demo"]));
    let ann = format!("Bearer {}", token("ann", &["user"]));
    let mode = || accept(json!({"trace_mode": "precision"}));
    let asked = posted(&first, &ann, &carrying("tracer", trace(), &Value::Null));
    let result = posted(
        &second,
        &ann,
        &carrying("tracer", trace(), &back(&asked, mode())),
    );
    assert!(text(&result).contains("main\n  -> run"), "{result}");
    let short = serve_jwt(&["--demo", "limits.choice_wait=1ms"]);
    let asked = posted(&short, &ann, &carrying("tracer", trace(), &Value::Null));
    let sent = carrying("tracer", trace(), &back(&asked, mode()));
    super::process::wait_for("the state to grow too old", || {
        (code(&posted(&short, &ann, &sent)) == "request_state_refused").then_some(())
    });
}

#[test]
fn an_idempotency_key_stands_for_the_call_as_it_was_sent() {
    let server = serve(&["--demo"], &[]);
    let keyed = |back: &Value| {
        let mut request = carrying("consensus", panel(), back);
        request["params"]["_meta"]["dev.exai/idempotency-key"] = json!("once-0001");
        posted(&server, "", &request)
    };
    let asked = keyed(&Value::Null);
    let seats = &asked["inputRequests"]["choice"]["params"]["requestedSchema"]["properties"];
    let model = seats["for"]["enum"][0].clone();
    let first = keyed(&back(
        &asked,
        accept(json!({"for": model, "against": model})),
    ));
    assert_eq!(
        first["_meta"]["dev.exai/reply"]["replayed"], false,
        "{first}"
    );
    let again = keyed(&Value::Null);
    assert_eq!(
        again["_meta"]["dev.exai/reply"]["replayed"], true,
        "{again}"
    );
    assert_eq!(text(&again), text(&first));
}

#[test]
fn a_question_that_nobody_answers_ends_with_the_choices() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let mut command = exai(&[]);
    let wait = "limits.choice_wait=50ms";
    let mut pipe = Bridge::spawn(command.args(["stdio", "--demo", "--set", &dir, "--set", wait]));
    pipe.ask(&capable());
    let answer = pipe.ask(&tool_call(7, "tracer", trace()));
    assert_eq!(code(&answer["result"]), "choice_declined", "{answer}");
    assert!(
        text(&answer["result"]).starts_with("Nobody answered"),
        "{answer}"
    );
}
