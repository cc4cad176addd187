//! The handler on the real router: without a key, and with the demonstration provider.

use super::*;
use crate::config::{Config, Sources};
use crate::observe::Metrics;
use crate::observe::manifest::Identity;
use crate::router::Router;
use crate::tool::Surroundings;

async fn client(demo: bool) -> (Client, Bench) {
    let bench = bench("").await;
    let sources = Sources {
        demo,
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap();
    let router = Router::from_config(&config, Metrics::new()).unwrap();
    let threads = bench.toolbox.surroundings().threads.clone();
    let around = Surroundings::routed(
        Arc::new(router),
        &config,
        threads,
        Identity::fresh(),
        Metrics::new(),
    );
    let mut client = Client::of(pipe(&Toolbox::new(around)));
    client.initialize().await;
    (client, bench)
}

#[tokio::test]
async fn without_a_key_tools_are_listed_and_a_question_says_which_variable_is_missing() {
    let (mut client, _bench) = client(false).await;
    let list = client.ask("tools/list", json!({})).await;
    assert!(list["result"]["tools"].as_array().unwrap().len() >= 16);
    let failed = client.call("chat", json!({"prompt": "hello"})).await;
    let text = failed["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(failed["result"]["isError"], true);
    for part in ["KIMI_API_KEY", "exai doctor"] {
        assert!(text.contains(part), "{text}");
    }
    for tool in ["version", "status", "listmodels"] {
        let answer = client.call(tool, json!({})).await;
        assert!(
            answer["result"]["structuredContent"].is_object(),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_demonstration_answers_and_says_that_it_is_one() {
    let (mut client, _bench) = client(true).await;
    let answer = client.call("chat", json!({"prompt": "hello"})).await;
    let reply = &answer["result"]["_meta"]["dev.exai/reply"];
    assert_eq!(
        (&reply["demo"], &reply["turn"]),
        (&json!(true), &json!(1)),
        "{answer}"
    );
    let footer = answer["result"]["content"][1]["text"].as_str().unwrap();
    assert!(footer.contains("DEMO"), "{footer}");
    let handle = &reply["continuation_id"];
    let next = json!({
        "step": "Look at it", "step_number": 1, "total_steps": 1, "next_step_required": false,
        "findings": "none", "continuation_id": handle,
    });
    let answer = client.call("analyze", next).await;
    let meta = &answer["result"]["_meta"];
    assert_eq!(meta["dev.exai/reply"]["turn"], 2, "{answer}");
    assert_eq!(meta["dev.exai/workflow"]["status"], "analyze_complete");
}
