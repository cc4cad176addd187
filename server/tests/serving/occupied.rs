//! Requests at each provider, beside how many there may be.

use serde_json::{Value, json};

use super::elicitation::posted;
use super::process::{Server, call, wait_for};
use super::provider::serve_asking;

fn ask(server: &Server, prompt: &str) -> Value {
    posted(server, "", &call("chat", json!({"prompt": prompt})))
}

#[test]
fn a_scrape_tells_how_many_requests_each_provider_has_and_may_have() {
    let (server, provider) = serve_asking(&["provider.kimi.in_flight=7"]);
    let shows = |metric: &str, figure: usize| {
        let line = format!("\nexai_provider_{metric}{{provider=\"kimi\"}} {figure}\n");
        server.admin("/metrics", &[]).body.contains(&line)
    };
    assert!(shows("in_flight", 0) && shows("in_flight_limit", 7));
    let keyless = "exai_provider_in_flight{provider=\"glm\"}";
    assert!(!server.admin("/metrics", &[]).body.contains(keyless));
    std::thread::scope(|scope| {
        let calls = ["slow one", "slow two"].map(|prompt| {
            let server = &server;
            scope.spawn(move || ask(server, prompt))
        });
        provider.wait_for_questions(2);
        wait_for("two requests", || shows("in_flight", 2).then_some(()));
        provider.open();
        for one in calls {
            let answer = one.join().unwrap();
            assert_ne!(answer["isError"], true, "{answer}");
        }
    });
    wait_for("no request", || shows("in_flight", 0).then_some(()));
}
