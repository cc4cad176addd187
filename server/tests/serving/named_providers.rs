//! An operator's own providers, named and addressed in the configuration.

use serde_json::json;

use super::process::{call, call_headers, exai, serve};
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
