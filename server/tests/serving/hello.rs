//! Who may speak `exai.v1`, as whom, and for how long.

use serde_json::{Value, json};

use super::dialect::{ask, chat, greet, greeted, silent, version};
use super::process::{EXPIRING, JWT, SECRET, serve, serve_jwt, token, token_for, wait_for};
use super::provider::Provider;
use super::socket::open;

#[test]
fn a_good_hello_is_acknowledged_and_each_bad_one_closed_with_its_code() {
    let server = serve_jwt(&["--demo", "limits.hello_timeout=300ms"]);
    let good = token("alice", &["user"]);
    let ack = greet(
        &mut silent(&server),
        json!({"jwt": good, "session_id": "my-session_1",
        "protocolVersion": "1", "capabilities": {}, "clientInfo": {"name": "t"}}),
    );
    assert_eq!(ack["session_id"], "my-session_1", "{ack}");
    let chosen = greet(&mut silent(&server), json!({"jwt": good}));
    assert!(
        chosen["session_id"].as_str().unwrap().len() >= 22,
        "{chosen}"
    );
    let other = token("bob", &["user"]);
    let table = [
        (json!({}), "jwt_required", 4003),
        (json!({"jwt": ""}), "unauthorized", 4003),
        (json!({"jwt": format!("{good}x")}), "unauthorized", 4003),
        (
            json!({"jwt": good, "token": "nonsense"}),
            "unauthorized",
            4003,
        ),
        (json!({"jwt": good, "token": other}), "unauthorized", 4003),
        (
            json!({"jwt": good, "session_id": "no"}),
            "invalid_hello",
            4001,
        ),
        (
            json!({"jwt": good, "sesion_id": "abc"}),
            "invalid_hello",
            4001,
        ),
    ];
    for (hello, error, code) in table {
        let mut socket = silent(&server);
        let ack = greet(&mut socket, hello);
        assert_eq!(
            (&ack["ok"], &ack["error"]),
            (&json!(false), &json!(error)),
            "{ack}"
        );
        assert_eq!(socket.closed(), code, "{error}");
    }
    let mut early = silent(&server);
    early.say(&version("a"));
    assert_eq!(early.hear().unwrap()["error"], "missing_hello");
    assert_eq!(early.closed(), 4001);
    assert_eq!(silent(&server).closed(), 4002);
    let mut twice = greeted(&server, json!({"jwt": good}));
    twice.say(&json!({"op": "hello", "jwt": good}));
    assert_eq!(twice.closed(), 4001);
}

#[test]
fn a_token_of_the_upgrade_counts_too_and_a_bad_one_beside_it_is_refused() {
    let server = serve_jwt(&["--demo"]);
    let good = token("alice", &["user"]);
    let bearer = format!("Bearer {good}");
    let bad = format!("Bearer {good}x");
    let refused = open(&server, "exai.v1", &[("authorization", &bad)]).err();
    assert_eq!(refused.unwrap().status, 401);
    let mut socket = open(&server, "exai.v1", &[("authorization", &bearer)]).unwrap();
    assert_eq!(greet(&mut socket, json!({}))["ok"], true);
    let mut socket = open(&server, "exai.v1", &[("authorization", &bearer)]).unwrap();
    let ack = greet(&mut socket, json!({"jwt": token("bob", &["user"])}));
    assert_eq!(ack["error"], "unauthorized", "{ack}");
    assert_eq!(socket.closed(), 4003);
}

#[test]
fn a_session_id_of_another_principal_is_refused_while_it_is_in_use() {
    let server = serve_jwt(&["--demo"]);
    let (alice, bob) = (token("alice", &["user"]), token("bob", &["user"]));
    let hello = |token: &str| json!({"jwt": token, "session_id": "shared"});
    let mut first = greeted(&server, hello(&alice));
    let second = greeted(&server, hello(&alice));
    let mut thief = silent(&server);
    assert_eq!(greet(&mut thief, hello(&bob))["error"], "unauthorized");
    assert_eq!(thief.closed(), 4003);
    assert_eq!(ask(&mut first, &version("a"))["op"], "call_tool_res");
    drop((first, second));
    wait_for("the id to be free", || {
        let ack = greet(&mut silent(&server), hello(&bob));
        (ack["ok"] == true).then_some(())
    });
}

#[test]
fn roles_decide_tools_and_health_detail() {
    let server = serve_jwt(&["--demo"]);
    let jwt = |name: &str, roles: &[&str]| json!({"jwt": token(name, roles)});
    let mut nobody = greeted(&server, jwt("nobody", &[]));
    let denied = ask(&mut nobody, &version("a"));
    assert_eq!(denied["error"]["code"], "UNAUTHORIZED", "{denied}");
    assert_eq!(denied["request_id"], "a");
    let health = json!({"op": "health", "request_id": "h"});
    let mut user = greeted(&server, jwt("user", &["user"]));
    let mut admin = greeted(&server, jwt("admin", &["admin"]));
    wait_for("the first probes", || {
        (ask(&mut user, &health)["ready"] == true).then_some(())
    });
    let (plain, whole) = (ask(&mut user, &health), ask(&mut admin, &health));
    assert_eq!(
        (&plain["op"], &plain["status"]),
        (&json!("health_res"), &json!("healthy"))
    );
    assert!(plain.get("components").is_none(), "{plain}");
    assert_eq!(whole["components"]["store"]["status"], "healthy", "{whole}");
}

#[test]
fn a_rotated_token_carries_the_connection_past_the_end_of_the_first() {
    let server = serve_jwt(&EXPIRING);
    let (short, long) = (token_for("alice", &["user"], 2), token("alice", &["user"]));
    let bob = token("bob", &["user"]);
    let mut kept = greeted(&server, json!({"jwt": short}));
    let mut rotated = greeted(&server, json!({"jwt": short}));
    let rotate = |old: &str, new: &str| {
        json!({"op": "rotate_token", "request_id": "r",
            "old": old, "new": new})
    };
    for (old, new) in [(&*long, &*long), (&*short, "nonsense"), (&*short, &*bob)] {
        let refused = ask(&mut rotated, &rotate(old, new));
        assert_eq!(refused["error"]["code"], "UNAUTHORIZED", "{refused}");
    }
    let done = ask(&mut rotated, &rotate(&short, &long));
    assert_eq!(
        (&done["op"], &done["ok"]),
        (&json!("rotate_token_res"), &json!(true))
    );
    let refused = wait_for("the first token to expire", || {
        let said = ask(&mut kept, &version("a"));
        (said["op"] == "error").then_some(said)
    });
    assert_eq!(refused["error"]["code"], "UNAUTHORIZED", "{refused}");
    assert_eq!(ask(&mut rotated, &version("a"))["op"], "call_tool_res");
    let audit = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap();
    let lines = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines
        .filter(|l: &Value| l["action"] == "rotate_token")
        .collect();
    let decisions: Vec<&Value> = lines.iter().map(|line| &line["decision"]).collect();
    assert_eq!(decisions, ["deny", "deny", "deny", "allow"]);
    assert!(lines.iter().all(|line| line["transport"] == "websocket"));
    assert!(!audit.contains(&long));
}

#[test]
fn a_key_of_another_principal_fetches_nothing() {
    let provider = Provider::start();
    let own = provider.settings();
    let settings: Vec<&str> = JWT
        .into_iter()
        .chain(own.iter().map(String::as_str))
        .collect();
    let env = [
        ("EXAI_JWT_SECRET", SECRET),
        ("KIMI_API_KEY", "sk-0123456789abcdef"),
    ];
    let server = serve(&settings, &env);
    let mut call = chat("a", "tracer");
    call["idempotency_key"] = json!("k");
    for (name, is_replayed) in [("alice", false), ("bob", false), ("alice", true)] {
        let mut socket = greeted(&server, json!({"jwt": token(name, &["user"])}));
        let said = ask(&mut socket, &call);
        let about = &said["_meta"]["dev.exai/reply"];
        assert_eq!(about["replayed"], is_replayed, "{name}: {said}");
    }
    assert_eq!(provider.asked(), 2);
}
