//! A thread that is full too early or too late.

use super::*;

fn turn(id: i64, thread: &str, key: &str) -> Call {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "chat", "arguments": {"prompt": "x", "continuation_id": thread},
        "_meta": {"dev.exai/idempotency-key": key}}});
    Call::read(message, "session a").unwrap()
}

fn full(id: i64) -> Value {
    let mut reply = failed(id);
    reply["result"]["structuredContent"]["error"]["code"] = "thread_full".into();
    reply
}

async fn filled(rig: &Rig, turns: u64) {
    for number in 1..=turns {
        let id = i64::try_from(number).unwrap();
        let said = turn(id, "t1", &format!("k{number}"));
        assert_eq!(rig.before(&said).await, None, "turn {number}");
        rig.after(&said, &acknowledged(id, number)).await;
    }
}

#[tokio::test]
async fn a_thread_of_nine_turns_is_called_full_and_its_keys_and_others_are_not() {
    let rig = rig("full-early", 1, Params::default());
    filled(&rig, 9).await;
    assert_eq!(rig.before(&turn(20, "t1", "k9")).await, None, "a known key");
    assert_eq!(rig.before(&turn(21, "t2", "k")).await, None);
    let refused = rig.before(&turn(22, "t1", "new")).await.unwrap();
    let error = &refused["result"]["structuredContent"]["error"];
    assert_eq!(
        (&refused["result"]["isError"], &error["code"]),
        (&json!(true), &json!("thread_full"))
    );
    assert_eq!(rig.spoiled(), [json!(22)]);
}

#[tokio::test]
async fn every_second_thread_of_nine_turns_may_have_its_tenth() {
    let rig = rig("full-early", 2, Params::default());
    filled(&rig, 9).await;
    assert!(rig.before(&turn(20, "t1", "a")).await.is_some());
    assert_eq!(rig.before(&turn(21, "t1", "b")).await, None);
    assert_eq!(rig.spoiled(), [json!(20)]);
}

#[tokio::test]
async fn a_full_thread_takes_one_turn_more_and_other_refusals_stay() {
    let rig = rig("full-late", 1, Params::default());
    filled(&rig, 10).await;
    let reply = rig.after(&turn(20, "t1", "new"), &full(20)).await;
    let told = &reply["result"]["_meta"]["dev.exai/reply"];
    assert_eq!((told["turn"].as_u64(), text(&reply)), (Some(11), "answer"));
    assert_eq!(
        rig.after(&turn(21, "t1", "k"), &failed(21)).await,
        failed(21)
    );
    assert_eq!(rig.after(&turn(22, "t2", "k"), &full(22)).await, full(22));
    assert_eq!(rig.spoiled(), [json!(20)]);
}
