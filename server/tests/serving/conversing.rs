//! What a provider is sent by `chat`, what the lists say, and the names that lead to a tool.

use serde_json::{Value, json};

use super::process::{call, call_headers, serve_jwt, token};
use super::providers::{result, said, started};
use super::tools::{FULL, serve};
use super::upstream::Upstream;

/// A PNG's first bytes.
const IMAGE: &str = "iVBORw0KGgo=";

#[test]
fn chat_sends_files_images_and_earlier_turns_and_searches_only_when_asked() {
    let upstream = Upstream::start(|seen| {
        let mut answer = said("the answer");
        if seen.body["tools"].is_array() {
            answer["web_search"] = json!([{"title": "t", "link": "https://x.test"}]);
        }
        answer
    });
    let server = started(&upstream);
    let arguments = json!({
        "prompt": "the secret word is plover",
        "files": [{"name": "a.rs", "content": "fn planted() {}"}],
        "images": [{"name": "i.png", "content": IMAGE}],
    });
    let first = result(&server, "chat", arguments);
    assert_eq!(first["content"][0]["text"], "the answer", "{first}");
    let about = &first["_meta"]["dev.exai/reply"];
    assert_eq!(about["search"], false);
    let sent = upstream.posts()[0].body.clone();
    for part in ["plover", "fn planted() {}", IMAGE] {
        assert!(
            sent["messages"].to_string().contains(part),
            "{part}: {sent}"
        );
    }
    assert!(sent["tools"].is_null(), "{sent}");
    let again = json!({"prompt": "which word?", "continuation_id": about["continuation_id"],
        "use_websearch": true, "model": "glm-4.6"});
    let second = result(&server, "chat", again);
    let sent = upstream.posts()[1].body.clone();
    assert!(sent["messages"].to_string().contains("plover"), "{sent}");
    assert_eq!(sent["tools"][0]["type"], "web_search", "{sent}");
    assert_eq!(
        second["_meta"]["dev.exai/reply"]["search"], true,
        "{second}"
    );
}

#[test]
fn the_models_are_those_of_the_catalogue_with_their_aliases() {
    let server = serve(&FULL, &[]);
    let listed = result(&server, "listmodels", json!({}))["structuredContent"].clone();
    let listed = listed["models"].as_array().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models.toml");
    let catalogue: Value = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rows = catalogue["model"].as_array().unwrap();
    // A model of the dialect "openai" is listed where a row names it.
    let own = rows.iter().filter(|row| row["dialect"] != "openai");
    let own: Vec<&Value> = own.collect();
    assert_eq!(listed.len(), own.len());
    for row in own {
        let one = listed.iter().find(|one| one["name"] == row["name"]);
        let one = one.unwrap_or_else(|| panic!("{} is not listed", row["name"]));
        let mut aliases = row.get("aliases").cloned().unwrap_or_else(|| json!([]));
        let (provider, name) = (one["provider"].as_str(), row["name"].as_str());
        let full = format!("{}/{}", provider.unwrap(), name.unwrap());
        aliases.as_array_mut().unwrap().push(json!(full));
        assert_eq!(one["aliases"], aliases, "{}", row["name"]);
        assert_eq!(one["context_tokens"], row["context"], "{}", row["name"]);
        assert_eq!(
            one["max_output_tokens"], row["max_output"],
            "{}",
            row["name"]
        );
        assert_eq!(one["class"], row["class"], "{}", row["name"]);
    }
}

#[test]
fn each_historic_suffix_leads_to_the_same_tool_and_the_same_permission() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(
        &policy,
        "[roles.reader]\ntools = [\"version\", \"self_check\"]\n",
    )
    .unwrap();
    let policy = format!("auth.policy_file={}", policy.display());
    let server = serve_jwt(&["--demo", "tools.profile=full", &policy]);
    let bearer = format!("Bearer {}", token("ann", &["reader"]));
    let status = |name: &str| {
        let mut headers = call_headers(name);
        headers.push(("authorization", &bearer));
        let reply = server.post(&call(name, json!({})), &headers);
        let is_answer = reply.status == 200 && reply.json()["result"]["isError"] != true;
        (reply.status, is_answer)
    };
    for suffix in ["", "_EXAI-WS", "-EXAI-WS", "_EXAI_WS", "-EXAI_WS"] {
        assert_eq!(status(&format!("version{suffix}")), (200, true), "{suffix}");
        assert_eq!(
            status(&format!("self-check{suffix}")),
            (200, true),
            "{suffix}"
        );
        assert_eq!(status(&format!("status{suffix}")), (403, false), "{suffix}");
    }
}
