//! The call that brings the next page, and answers of tools that keep no thread.

use super::*;
use crate::store::ThreadId;
use crate::tool::pages::{self, Address};
use crate::tool::registry::Found;

const FULL: &str = "[tools]\nprofile = \"full\"";

#[tokio::test]
async fn the_page_call_of_every_tool_is_one_that_a_listed_tool_accepts() {
    let bench = Bench::new(FULL, Arc::new(|_| Ok("x".into()))).await;
    let registry = bench.toolbox.registry();
    for tool in registry.tools() {
        let mut call = pages::call(registry, tool).unwrap();
        let address = Address {
            thread: ThreadId::fresh(),
            turn: 10,
            page: 12,
        };
        call["arguments"]["continuation_id"] = address.to_string().into();
        let Found::Tool(called) = registry.find(call["tool"].as_str().unwrap()) else {
            panic!("{call}")
        };
        let faults: Vec<_> = called.validator.iter_errors(&call["arguments"]).collect();
        assert!(faults.is_empty(), "{}: {call}: {faults:?}", tool.name);
        let goes_on = tool.input["properties"]["continuation_id"].is_object();
        assert_eq!(called.name, if goes_on { tool.name } else { "chat" });
        assert!(call.to_string().len() < 700, "{call}");
    }
}

#[tokio::test]
async fn a_long_answer_that_no_thread_keeps_gets_one_and_a_page_adds_nothing_to_it() {
    let bench = Bench::new(FULL, Arc::new(|_| Ok("x".into()))).await;
    let text: String = (0..15_000).map(|n| format!("{n} ")).collect();
    let first = bench
        .call("test_echo", json!({"text": text}))
        .await
        .unwrap();
    let receipt = first.about.as_ref().unwrap().receipt.clone();
    let page = |page| Address {
        thread: receipt.thread,
        turn: 1,
        page,
    };
    let ask = |address: Address| json!({"prompt": "-", "continuation_id": address.to_string()});
    for n in [2, 3] {
        let reply = bench.call("chat", ask(page(n))).await.unwrap();
        assert_eq!((reply.page, &reply.text), (n, &text));
    }
    let past = bench.call("chat", ask(page(99))).await.unwrap_err();
    assert_eq!(past.code, "thread_not_found");
    let turn = Address { turn: 2, ..page(1) };
    assert!(bench.call("chat", ask(turn)).await.is_err());
    let mut foreign = call("chat", ask(page(2)));
    foreign.caller.principal = "eve".into();
    let unknown = Address {
        thread: ThreadId::fresh(),
        ..page(2)
    };
    let refusals = [
        bench.toolbox.call(foreign).await.unwrap_err(),
        bench.call("chat", ask(unknown)).await.unwrap_err(),
    ];
    assert_eq!(refusals[0], refusals[1]);
    let threads = &bench.toolbox.surroundings().threads;
    let kept = threads
        .read("local", &receipt.thread.to_string())
        .await
        .unwrap();
    assert_eq!(kept.exchanges.len(), 1);
    assert_eq!(bench.questions().len(), 0);
    let short = bench
        .call("test_echo", json!({"text": "short"}))
        .await
        .unwrap();
    assert!(short.about.is_none());
}
