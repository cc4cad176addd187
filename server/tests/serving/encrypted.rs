//! Redis over TLS.

use super::archiving::{chat, thread_of};
use super::process::wait_for;
use super::providers::{said, started_with};
use super::redis::Redis;
use super::upstream::Upstream;

#[test]
fn redis_is_reached_over_tls_by_whoever_trusts_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let Some(redis) = Redis::start() else { return };
    let Some(front) = super::front::start(dir.path(), redis.address()) else {
        return;
    };
    let url = format!("store.url=rediss://localhost:{}", front.address.port());
    let settings = ["store.kind=redis", &url];
    let trusted = front.certificate.to_str().unwrap();
    let upstream = Upstream::start(|_| said("noted"));
    let store_of = |env: &[(&str, &str)]| {
        let server = started_with(&upstream, &settings, env);
        let word = wait_for("the store's word", || {
            let health = server.admin("/health", &[]).json();
            let word = health["components"]["store"]["status"].as_str()?;
            Some(word.to_owned())
        });
        (server, word)
    };
    let (server, word) = store_of(&[("SSL_CERT_FILE", trusted)]);
    assert_eq!(word, "healthy");
    let thread = thread_of(&chat(&server, "one", None));
    let more = chat(&server, "two", Some(&thread));
    assert_eq!(more["_meta"]["dev.exai/reply"]["turn"], 2, "{more}");
    // What is signed by nobody this machine knows is no Redis of ours.
    let (_, word) = store_of(&[]);
    assert_eq!(word, "unhealthy");
}
