//! An operator's own providers, named and addressed in the configuration.

use serde_json::json;

use super::process::{call, call_headers, exai, serve, wait_for};
use super::reloading::{lines, put};
use super::routing::answered;
use super::upstream::Upstream;

/// Two named providers of one's own, as a file of this text.
fn own_providers(urls: [&str; 2], allowed: bool) -> String {
    let row = |name: &str, url: &str| {
        let key = name.to_uppercase();
        format!(
            "[provider.{name}]\ndialect = \"openai\"\nbase_url = \"{url}\"\n\
             allow_private = {allowed}\napi_key_env = [\"{key}_KEY\"]\n\
             models = [\"{name}-1\", \"shared\"]\n"
        )
    };
    row("acme", urls[0]) + &row("zeta", urls[1])
}

#[test]
fn two_providers_named_by_address_work_side_by_side_each_with_its_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exai.toml");
    let (acme, zeta) = (Upstream::start(answered), Upstream::start(answered));
    std::fs::write(&file, own_providers([&acme.url, &zeta.url], true)).unwrap();
    let keys = [
        ("ACME_KEY", "sk-acme-0123456789"),
        ("ZETA_KEY", "sk-zeta-0123456789"),
    ];
    let server = serve(&[&format!("--config={}", file.display())], &keys);
    let asks = |prompt: &str, model: &str| {
        let arguments = json!({"prompt": prompt, "model": model});
        let reply = server.post(&call("chat", arguments), &call_headers("chat"));
        reply.json()["result"]["_meta"]["dev.exai/reply"]["provider"].clone()
    };
    assert_eq!(asks("a", "acme-1"), "acme");
    assert_eq!(asks("b", "zeta-1"), "zeta");
    assert_eq!(asks("c", "zeta/shared"), "zeta");
    assert_eq!(asks("d", "acme/shared"), "acme");
    for (upstream, name) in [(&acme, "acme"), (&zeta, "zeta")] {
        let posts = upstream.posts();
        assert_eq!(posts.len(), 2, "{name}");
        for post in posts {
            let key = format!("authorization: bearer sk-{name}-0123456789");
            assert!(post.headers.contains(&key), "{name}: {}", post.headers);
        }
    }
    let manifest = server.admin("/manifest", &[]).body;
    assert!(
        manifest.contains("acme") && manifest.contains("zeta"),
        "{manifest}"
    );
    assert!(!manifest.contains("sk-acme"), "a key is in the manifest");
}

#[test]
fn a_private_address_refuses_the_start_until_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exai.toml");
    for url in [
        "https://10.1.2.3/v1",
        "http://127.0.0.1:9/v1",
        "http://models.test/v1",
    ] {
        for command in ["serve", "check"] {
            std::fs::write(
                &file,
                own_providers([url, "https://api.zeta.test/v1"], false),
            )
            .unwrap();
            let state = format!("server.state_dir={}", folder.path().display());
            let mut started = exai(&[("ACME_KEY", "sk-acme-0123456789")]);
            started.args([command, "--config"]).arg(&file);
            let output = started.args(["--set", &state]).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(64), "{command} {url}: {told}");
            for word in [
                "provider.acme.base_url",
                "allow_private = true",
                "[provider.acme]",
            ] {
                assert!(told.contains(word), "{command} {url}: {told}");
            }
            assert!(!told.contains("provider.zeta.base_url"), "{told}");
        }
    }
}

/// Rows under the names that tools ask by, in a dialect that lacks what these tools send.
const LACKING: &str = "[tools]\nprofile = \"full\"\n[thread]\nexchanges = 0\n\
    [provider.kimi]\ndialect = \"minimax\"\n[provider.glm]\ndialect = \"openai\"\n";

#[test]
fn a_provider_that_lacks_a_method_is_refused_by_its_name_with_every_other_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exai.toml");
    std::fs::write(&file, LACKING).unwrap();
    let state = format!("server.state_dir={}", folder.path().display());
    let ends = |command: &str, more: &[&str]| {
        let mut started = exai(&[("KIMI_API_KEY", "sk-kimi-0123456789")]);
        started.args([command, "--set", &state]).args(more);
        let output = started.output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    };
    for command in ["serve", "check"] {
        let (code, told) = ends(command, &["--config", &file.display().to_string()]);
        assert_eq!(code, Some(64), "{command}: {told}");
        for word in [
            "5 faults",
            "thread.exchanges",
            "the provider kimi cannot be registered: dialect \"minimax\" lacks the method \
             tool_chat",
            "lacks the method hosted_search, needed by kimi_chat_with_tools; set it to \"kimi\"",
            "lacks the method files, needed by kimi_manage_files",
            "the provider glm cannot be registered: dialect \"openai\" lacks the method \
             search_engine, needed by glm_web_search; set it to \"glm\"",
            "give the row another name, or name in tools.deny what needs it",
        ] {
            assert!(told.contains(word), "{command}: no {word:?} in {told}");
        }
        for key in ["provider.kimi.dialect", "provider.glm.dialect"] {
            let line = told.lines().find(|line| line.contains(key)).unwrap();
            assert!(line.contains(&file.display().to_string()), "{line}");
        }
        let (code, told) = ends(command, &["--set", "provider.kimi.dialect=openai"]);
        assert_eq!(code, Some(64), "{command}: {told}");
        let layer = "provider.kimi.dialect (flag --set ";
        assert!(told.contains(layer), "{command}: {told}");
    }
    // Where no listed tool needs what is lacking, the row is as good as any.
    let few = [
        "--set",
        "provider.kimi.dialect=openai",
        "--set",
        "tools.profile=lean",
    ];
    let (code, told) = ends("check", &few);
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_reload_that_would_register_such_a_provider_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exai.toml");
    std::fs::write(&file, "").unwrap();
    let config = format!("--config={}", file.display());
    let server = serve(&[&config, "--demo", "auth.watch=50ms"], &[]);
    // Of another length at each turn, for the watch may begin after the first.
    let mut text = "[provider.kimi]\ndialect = \"openai\"\n".to_owned();
    let refused = wait_for("the refused reload", || {
        text.push('\n');
        put(&file, &text);
        lines(&server, "reload").into_iter().next()
    });
    assert_eq!(refused["reason"], "reload_invalid", "{refused}");
    let told = refused["resource"].as_str().unwrap();
    assert!(told.contains("provider.kimi.dialect"), "{told}");
    let says = "the provider kimi cannot be registered: dialect \\\"openai\\\" lacks the method";
    wait_for("the reason in the log", || {
        let log = server.log.lock().unwrap();
        log.iter().any(|line| line.contains(says)).then_some(())
    });
    let alive = server.post(&call("version", json!({})), &call_headers("version"));
    assert_eq!(alive.status, 200);
}

#[test]
fn minimax_by_its_second_route_stands_beside_every_tool() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exai.toml");
    let minimax = Upstream::start(answered);
    let text = format!(
        "[tools]\nprofile = \"full\"\n[provider.minimax_chat]\ndialect = \"openai\"\n\
         base_url = \"{}\"\nallow_private = true\napi_key_env = [\"MINIMAX_API_KEY\"]\n\
         models = [\"MiniMax-M3\"]\n",
        minimax.url
    );
    std::fs::write(&file, text).unwrap();
    let keys = [("MINIMAX_API_KEY", "sk-api-0123456789")];
    let server = serve(&[&format!("--config={}", file.display())], &keys);
    let arguments = json!({"prompt": "a", "model": "minimax_chat/MiniMax-M3"});
    let reply = server.post(&call("chat", arguments), &call_headers("chat"));
    let said = &reply.json()["result"]["_meta"]["dev.exai/reply"];
    assert_eq!(said["provider"], "minimax_chat", "{said}");
    assert_eq!(minimax.posts().len(), 1);
}
