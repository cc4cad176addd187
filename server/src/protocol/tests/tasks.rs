//! Long calls as tasks, over a pipe.

use super::*;

/// A bench whose model answers when the test says so.
async fn slow() -> (Toolbox, tokio::sync::watch::Sender<bool>) {
    let bench = bench("[limits]\ntask_after = \"50ms\"\nsoft_deadline = \"50ms\"").await;
    let (open, opened) = tokio::sync::watch::channel(false);
    let mut around = bench.toolbox.surroundings().clone();
    around.ask = Arc::new(move |ask, _| {
        let mut opened = opened.clone();
        Box::pin(async move {
            drop(opened.wait_for(|open| *open).await);
            if crate::tool::tests::last_text(&ask) == "refuse" {
                return Err(crate::failure::Failure::validation("/prompt", "enough"));
            }
            Ok(crate::tool::tests::answer(&ask, "at last".into()))
        })
    });
    // The store's folder must outlive the test's use of it.
    std::mem::forget(bench);
    (Toolbox::new(around), open)
}

fn declaring() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "lines", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities":
            {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    })
}

async fn task(client: &mut Client, method: &str, id: &Value) -> Value {
    let mut params = json!({"taskId": id, "_meta": declaring()});
    if method == "tasks/update" {
        params["inputResponses"] = json!({});
    }
    client.ask(method, params).await
}

async fn ended(client: &mut Client, id: &Value) -> Value {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while std::time::Instant::now() < deadline {
        let said = task(client, "tasks/get", id).await["result"].take();
        if said["status"] != "working" {
            return said;
        }
        tokio::task::yield_now().await;
    }
    panic!("the task never ends");
}

#[tokio::test]
async fn a_client_that_declares_tasks_gets_one_and_asks_for_its_end() {
    let (toolbox, open) = slow().await;
    let mut client = Client::of(pipe(&toolbox));
    let mut begin = async |prompt: &str| {
        let said = client.call_with("chat", json!({"prompt": prompt}), declaring());
        let said = said.await["result"].take();
        assert_eq!(
            (&said["resultType"], &said["status"]),
            (&json!("task"), &json!("working"))
        );
        assert!(said["ttlMs"].as_u64().unwrap() > 1000, "{said}");
        said["taskId"].clone()
    };
    let (good, bad) = (begin("one").await, begin("refuse").await);
    let working = task(&mut client, "tasks/get", &good).await["result"].take();
    assert_eq!(working["status"], "working", "{working}");
    assert!(
        working["statusMessage"]
            .as_str()
            .unwrap()
            .contains("chat · auto"),
        "{working}"
    );
    assert!(task(&mut client, "tasks/update", &good).await["result"].is_object());
    open.send_replace(true);
    let done = ended(&mut client, &good).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["result"]["content"][0]["text"], "at last", "{done}");
    assert_eq!(
        done["result"]["_meta"]["dev.exai/reply"]["turn"], 1,
        "{done}"
    );
    // A tool's own failure is a result like any other.
    let failed = ended(&mut client, &bad).await;
    assert_eq!(failed["status"], "completed", "{failed}");
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    let code = &failed["result"]["structuredContent"]["error"]["code"];
    assert_eq!(code, "invalid_argument", "{failed}");
}

#[tokio::test]
async fn a_task_that_is_cancelled_says_so_and_one_that_is_not_there_is_refused() {
    let (toolbox, _open) = slow().await;
    let mut client = Client::of(pipe(&toolbox));
    let begun = client.call_with("chat", json!({"prompt": "one"}), declaring());
    let id = begun.await["result"]["taskId"].take();
    assert!(task(&mut client, "tasks/cancel", &id).await["result"].is_object());
    assert_eq!(ended(&mut client, &id).await["status"], "cancelled");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let unknown = json!(crate::store::CallId::fresh().to_string());
        for id in [unknown, json!("../x")] {
            let said = task(&mut client, method, &id).await;
            assert_eq!(said["error"]["code"], -32602, "{said}");
            assert_eq!(said["error"]["data"]["code"], "task_not_found", "{said}");
        }
    }
}

#[tokio::test]
async fn a_client_without_tasks_is_given_the_call_that_collects_the_answer() {
    let (toolbox, open) = slow().await;
    let mut client = Client::of(pipe(&toolbox));
    client.initialize().await;
    let said = client.call("chat", json!({"prompt": "one"})).await["result"].take();
    let status = &said["structuredContent"];
    assert_eq!(
        (&said["isError"], &status["status"]),
        (&json!(false), &json!("in_progress"))
    );
    let text = said["content"][0]["text"].as_str().unwrap();
    assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), status);
    open.send_replace(true);
    let next = &status["next_call"];
    let (tool, arguments) = (next["tool"].as_str().unwrap(), &next["arguments"]);
    for _ in 0..100 {
        let said = client.call(tool, arguments.clone()).await["result"].take();
        if said["content"][0]["text"] == "at last" {
            return;
        }
        assert_eq!(said["structuredContent"]["status"], "in_progress", "{said}");
    }
    panic!("the answer never comes");
}
