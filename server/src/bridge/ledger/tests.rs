use super::*;
use crate::config::Config;

struct Bench {
    ledger: Ledger,
    now: Instant,
}

impl Bench {
    /// A ledger whose daemon is there.
    fn new(settings: &str) -> Self {
        let config = Config::from_toml(settings).unwrap();
        let now = Instant::now();
        let mut ledger = Ledger::new(&config.bridge, "s", now);
        ledger.found();
        Self { ledger, now }
    }

    fn accept(&mut self, line: &Value) -> Accepted {
        self.ledger.accept(&line.to_string(), self.now)
    }

    fn ask(&mut self, id: impl Into<Value>, method: &str) {
        let line = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {}});
        assert_eq!(self.accept(&line), Accepted::Nothing);
    }

    fn sent(&mut self) -> Value {
        let text = self
            .ledger
            .next_to_send(self.now)
            .expect("something to send");
        serde_json::from_str(&text).unwrap()
    }

    fn answer(&mut self, message: Value) -> Option<Value> {
        let text = self.ledger.answer(message, self.now)?;
        Some(serde_json::from_str(&text).unwrap())
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn result(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"x": 1}})
}

#[test]
fn each_answer_goes_to_its_own_request_in_whatever_order_they_come() {
    let mut bench = Bench::new("");
    bench.ask(1, "ping");
    bench.ask("1", "ping");
    let (first, second) = (bench.sent(), bench.sent());
    assert_ne!(first["id"], second["id"]);
    assert_eq!(bench.answer(result(&second["id"])).unwrap()["id"], "1");
    assert_eq!(bench.answer(result(&first["id"])).unwrap()["id"], 1);
    assert_eq!(bench.answer(result(&first["id"])), None);
    assert!(bench.ledger.is_empty());
}

#[test]
fn progress_is_passed_on_and_is_nobodys_answer() {
    let mut bench = Bench::new("");
    bench.ask(1, "ping");
    bench.sent();
    let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
    assert_eq!(bench.answer(note.clone()), Some(note));
    assert!(!bench.ledger.is_empty());
}

#[test]
fn an_answer_without_content_becomes_an_error() {
    for empty in [json!({}), json!({"result": null})] {
        let mut bench = Bench::new("");
        bench.ask(1, "tools/call");
        let mut message = empty;
        message["id"] = bench.sent()["id"].clone();
        let said = bench.answer(message).unwrap();
        assert_eq!(said["error"]["data"]["code"], "empty_answer", "{said}");
        assert_eq!(said["id"], 1);
    }
}

#[test]
fn what_was_at_a_lost_daemon_is_sent_again_under_the_same_key() {
    let mut bench = Bench::new("");
    bench.ask(1, "tools/call");
    let first = bench.sent();
    bench.ledger.lost(bench.now);
    bench.ledger.found();
    let again = bench.sent();
    assert_eq!(first, again);
    let key = &first["params"]["_meta"][KEY];
    assert!(key.as_str().unwrap().starts_with("bridge-s-"), "{first}");
    bench.ask(2, "tools/call");
    assert_ne!(bench.sent()["params"]["_meta"][KEY], *key);
    let own = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"_meta": {KEY: "mine"}}});
    bench.accept(&own);
    assert_eq!(bench.sent()["params"]["_meta"][KEY], "mine");
}

#[test]
fn a_request_waits_its_window_for_a_lost_daemon_and_then_ends_with_an_error() {
    let mut bench = Bench::new("[bridge]\nreconnect = \"30s\"\n");
    bench.ask(1, "ping");
    bench.sent();
    bench.ledger.lost(bench.now);
    bench.pass(20);
    bench.ask(2, "ping");
    bench.pass(9);
    assert_eq!(bench.ledger.expire(bench.now), Vec::<String>::new());
    assert_eq!(bench.ledger.due(), Some(bench.now + Duration::from_secs(1)));
    bench.pass(1);
    let ended = bench.ledger.expire(bench.now);
    assert_eq!(ended.len(), 1, "{ended:?}");
    let said: Value = serde_json::from_str(&ended[0]).unwrap();
    assert_eq!(
        (&said["id"], &said["error"]["data"]["category"]),
        (&json!(1), &json!("network_error"))
    );
    bench.ledger.found();
    bench.pass(100);
    assert_eq!(bench.ledger.expire(bench.now), Vec::<String>::new());
    assert_eq!(bench.sent()["method"], "ping");
}

#[test]
fn so_many_are_at_the_daemon_at_once_so_many_wait_and_one_more_is_refused() {
    let mut bench = Bench::new("[bridge]\nin_flight = 2\nqueue = 1\n");
    for id in 1..=3 {
        bench.ask(id, "ping");
    }
    let first = bench.sent();
    bench.sent();
    assert_eq!(bench.ledger.next_to_send(bench.now), None);
    let line = json!({"jsonrpc": "2.0", "id": 4, "method": "ping"});
    let Accepted::Answer(refused) = bench.accept(&line) else {
        panic!("it was taken")
    };
    assert!(refused.contains("bridge_queue_full"), "{refused}");
    bench.answer(result(&first["id"]));
    bench.sent();
}

#[test]
fn a_refusal_that_passes_is_waited_out_and_a_long_one_is_told() {
    let mut bench = Bench::new("");
    bench.ask(1, "ping");
    let sent = bench.sent();
    let over = |wait: u64| {
        json!({"id": sent["id"], "error": {"code": -32029, "message": "m",
            "data": {"retry_after_ms": wait}}})
    };
    assert_eq!(bench.answer(over(1000)), None);
    assert_eq!(bench.ledger.next_to_send(bench.now), None);
    assert_eq!(bench.ledger.due(), Some(bench.now + Duration::from_secs(1)));
    bench.pass(1);
    assert_eq!(bench.sent(), sent);
    let told = bench.answer(over(60_000)).unwrap();
    assert_eq!(told["error"]["code"], -32029, "{told}");
}

#[test]
fn a_cancelled_request_is_cancelled_under_the_bridges_id_and_never_answered() {
    let mut bench = Bench::new("");
    bench.ask(1, "tools/call");
    bench.ask(2, "tools/call");
    let sent = bench.sent();
    let cancel = |id: u64| {
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": id, "reason": "r"}})
    };
    let Accepted::Note(note) = bench.accept(&cancel(1)) else {
        panic!("nothing was sent")
    };
    let note: Value = serde_json::from_str(&note).unwrap();
    assert_eq!(note["params"]["requestId"], sent["id"]);
    // The second is not at the daemon yet.
    assert_eq!(bench.accept(&cancel(2)), Accepted::Nothing);
    assert_eq!(bench.accept(&cancel(9)), Accepted::Nothing);
    assert!(bench.ledger.is_empty());
    assert_eq!(bench.answer(result(&sent["id"])), None);
}

#[test]
fn the_greeting_is_said_again_only_after_it_was_answered() {
    let mut bench = Bench::new("");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25"}});
    bench.accept(&hello);
    let sent = bench.sent();
    assert_eq!(bench.ledger.greeting(), None);
    bench.answer(result(&sent["id"]));
    assert_eq!(
        bench.ledger.greeting().unwrap()["protocolVersion"],
        "2025-11-25"
    );
}

#[test]
fn a_line_that_is_no_message_is_answered_at_once() {
    let mut bench = Bench::new("");
    for (line, code) in [("{", -32700), ("[]", -32600), ("{\"id\":1}", -32600)] {
        let Accepted::Answer(said) = bench.ledger.accept(line, bench.now) else {
            panic!("{line} was taken")
        };
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["error"]["code"], code, "{line}");
    }
    bench.ask(1, "ping");
    let twice = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert!(matches!(bench.accept(&twice), Accepted::Answer(said) if said.contains("id_in_use")));
}

#[test]
fn under_the_classic_ladder_a_request_at_a_living_daemon_ends_at_its_wall() {
    let mut bench = Bench::new("[timeouts]\nprofile = \"classic\"");
    bench.ask(1, "tools/call");
    let _sent = bench.sent();
    let wall = Duration::from_millis(101_250);
    assert_eq!(bench.ledger.due(), Some(bench.now + wall));
    bench.pass(101);
    assert!(bench.ledger.expire(bench.now).is_empty());
    bench.pass(1);
    let said = bench.ledger.expire(bench.now);
    assert!(said[0].contains("\"bridge_timeout\""), "{said:?}");
    assert!(bench.ledger.is_empty());
}

#[test]
fn by_model_class_a_request_at_a_living_daemon_has_no_wall() {
    let mut bench = Bench::new("");
    bench.ask(1, "tools/call");
    let _sent = bench.sent();
    bench.pass(3_600);
    assert_eq!(bench.ledger.due(), None);
    assert!(bench.ledger.expire(bench.now).is_empty());
}
