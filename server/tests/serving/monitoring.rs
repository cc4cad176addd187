//! `/ws/monitoring` on the admin listener.

use nix::sys::signal::Signal;
use serde_json::json;

use super::dialect::greet;
use super::process::{serve_jwt, token, token_for};
use super::provider::serve_asking;
use super::socket::{Socket, open_at, tool_call};

#[test]
fn the_feed_shows_what_happens_and_ends_with_the_server() {
    let (server, provider) = serve_asking(&["health.interval=100ms"]);
    let mut feed = open_at(server.admin, "/ws/monitoring", "", &[]).unwrap();
    assert_eq!(greet(&mut feed, json!({}))["ok"], true);
    let mut client = Socket::mcp(&server, &[]);
    client.say(&tool_call(2, "chat", json!({"prompt": "slow one"})));
    provider.wait_for_questions(1);
    let busy = loop {
        let shot = feed.hear().unwrap();
        assert_eq!(shot["op"], "snapshot", "{shot}");
        if shot["in_flight"]["current"] == 1 && shot["ready"] == true {
            break shot;
        }
    };
    assert_eq!(busy["in_flight"]["limit"], 512, "{busy}");
    assert_eq!(busy["components"]["store"]["status"], "healthy", "{busy}");
    feed.say(&json!({"op": "call_tool", "request_id": 1, "name": "version"}));
    let refused = loop {
        let said = feed.hear().unwrap();
        if said["op"] == "error" {
            break said;
        }
    };
    assert_eq!(refused["error"]["code"], "INVALID_REQUEST", "{refused}");
    provider.open();
    while feed.hear().unwrap()["in_flight"]["current"] != 0 {}
    server.signal(Signal::SIGTERM);
    assert_eq!(feed.closed(), 1001);
}

#[test]
fn the_feed_is_for_administrators_of_this_origin_and_for_as_long_as_they_are() {
    let server = serve_jwt(&["--demo", "auth.jwt.leeway=0s", "health.interval=100ms"]);
    let feed =
        |headers: &[(&'static str, &str)]| open_at(server.admin, "/ws/monitoring", "", headers);
    for (name, value) in [("origin", "http://evil.example"), ("origin", "null")] {
        assert_eq!(feed(&[(name, value)]).err().unwrap().status, 403, "{value}");
    }
    let table = [
        (json!({}), "jwt_required"),
        (json!({"jwt": "nonsense"}), "unauthorized"),
        (json!({"jwt": token("user", &["user"])}), "forbidden"),
        (json!({"jwt": token("scraper", &["metrics"])}), "forbidden"),
    ];
    for (hello, error) in table {
        let mut socket = feed(&[("origin", "http://localhost:3000")]).unwrap();
        assert_eq!(greet(&mut socket, hello)["error"], error);
        assert_eq!(socket.closed(), 4003, "{error}");
    }
    let mut socket = feed(&[]).unwrap();
    let short = token_for("admin", &["admin"], 2);
    assert_eq!(greet(&mut socket, json!({"jwt": short}))["ok"], true);
    assert_eq!(socket.hear().unwrap()["op"], "snapshot");
    assert_eq!(socket.closed(), 4003);
    let public = open_at(server.public, "/ws/monitoring", "", &[])
        .err()
        .unwrap();
    assert_eq!(public.status, 404);
}
