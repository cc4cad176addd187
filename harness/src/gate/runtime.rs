//! What runs now, by its own word and by the kernel's.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use exai_judge::refusal::{Refusal, Why};
use serde_json::Value;

use crate::identity;
use crate::probe::Ask;

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);
/// Looks for each replica asked for; a balancer may send several to one.
const LOOKS: usize = 25;

/// One running instance, by its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Where it answered.
    pub url: String,
    /// SHA-256 (hex) of its executable.
    pub server_sha256: String,
    /// Its policy digest.
    pub policy_digest: String,
    /// The policy's keys and values, where it publishes them.
    pub policy: BTreeMap<String, String>,
}

/// Asks the manifests behind the URLs until `replicas` instances have answered.
///
/// # Errors
/// In words, when an address cannot be used or too few instances answered.
pub async fn ask(
    urls: &[String],
    token: Option<&str>,
    replicas: usize,
) -> Result<BTreeMap<String, Instance>, String> {
    let mut found = BTreeMap::new();
    let wanted = replicas.max(urls.len());
    for look in 0..wanted * LOOKS {
        let Some(url) = urls.get(look % urls.len().max(1)) else {
            break;
        };
        let (id, instance) = look_at(url, token).await?;
        found.insert(id, instance);
        let all_asked = look + 1 >= urls.len();
        if all_asked && found.len() >= replicas {
            return Ok(found);
        }
    }
    Err(format!(
        "{} of {replicas} instances answered at {}",
        found.len(),
        urls.join(", ")
    ))
}

async fn look_at(url: &str, token: Option<&str>) -> Result<(String, Instance), String> {
    let address = address(url)?;
    let ask = Ask::get(address, "/manifest").bearer(token.map(str::to_owned));
    let answer = ask.send(LOOK).await.and_then(|answer| answer.ok()?.json());
    let manifest = answer.map_err(|error| {
        format!("{url}: {error} (the manifest is on the admin address; --token-env NAME)")
    })?;
    let text = |name: &str| {
        let value = manifest[name].as_str().map(str::to_owned);
        value.ok_or_else(|| format!("{url}: the manifest has no {name}"))
    };
    let policy = match &manifest["policy"] {
        Value::Object(rows) => rows
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        _ => BTreeMap::new(),
    };
    let instance = Instance {
        url: url.to_owned(),
        server_sha256: text("executable_sha256")?,
        policy_digest: text("policy_digest")?,
        policy,
    };
    Ok((text("instance")?, instance))
}

/// The address of `http://HOST:PORT`.
///
/// # Errors
/// In words, with the form that is accepted.
pub fn address(url: &str) -> Result<SocketAddr, String> {
    let form = || format!("{url:?} is not http://HOST:PORT, the admin address of the server");
    let host = url.strip_prefix("http://").ok_or_else(form)?;
    let host = host.trim_end_matches('/');
    let host = host.strip_suffix("/manifest").unwrap_or(host);
    host.to_socket_addrs()
        .map_err(|error| format!("{}: {error}", form()))?
        .next()
        .ok_or_else(form)
}

/// Proves what a process executes: its executable hashed now, and that it alone listens where the
/// URL points.
///
/// # Errors
/// [`Why::ForeignIdentity`] when the process is another build or does not own the port.
pub fn prove(pid: u32, urls: &[String], server: &str) -> Result<(), Refusal> {
    let foreign = |says: String| Refusal::new(Why::ForeignIdentity, says);
    let running = identity::running_sha256(pid)
        .map_err(|error| foreign(format!("process {pid} cannot be looked into: {error}")))?;
    if running != server {
        return Err(foreign(format!(
            "process {pid} executes {running}, the evidence is about {server}"
        )));
    }
    for url in urls {
        let port = address(url).map_err(foreign)?.port();
        let owns = identity::owners(pid, port).is_ok_and(|found| found.is_sole());
        if !owns {
            return Err(foreign(format!(
                "process {pid} is not what listens at {url}"
            )));
        }
    }
    Ok(())
}

/// The keys whose values differ, each with both: `limits.in_flight: judged 512, running 64`.
#[must_use]
pub fn differences(
    judged: &BTreeMap<String, String>,
    running: &BTreeMap<String, String>,
) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = judged.keys().chain(running.keys()).collect();
    let absent = || "absent".to_owned();
    keys.into_iter()
        .filter(|key| judged.get(*key) != running.get(*key))
        .map(|key| {
            let then = judged.get(key).cloned().unwrap_or_else(absent);
            let now = running.get(key).cloned().unwrap_or_else(absent);
            format!("{key}: judged {then}, running {now}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Replicas behind one address, answering in turn.
    async fn balancer(manifests: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for body in manifests.iter().cycle() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.unwrap();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + body).as_bytes()).await.unwrap();
            }
        });
        url
    }

    fn manifest(instance: &str, build: &str) -> String {
        format!(
            "{{\"instance\":\"{instance}\",\"executable_sha256\":\"{build}\",\
             \"policy_digest\":\"p\",\"policy\":{{\"limits.in_flight\":\"512\"}}}}"
        )
    }

    #[tokio::test]
    async fn every_replica_behind_one_address_is_asked() {
        let url = balancer(vec![manifest("a", "1"), manifest("b", "2")]).await;
        let found = ask(std::slice::from_ref(&url), None, 2).await.unwrap();
        let builds: Vec<&str> = found.values().map(|one| &*one.server_sha256).collect();
        assert_eq!(builds, ["1", "2"]);
        assert_eq!(found["a"].policy["limits.in_flight"], "512");
        let short = ask(&[url], None, 3).await.unwrap_err();
        assert!(short.starts_with("2 of 3 instances"), "{short}");
    }

    #[test]
    fn only_the_process_that_executes_the_build_and_owns_the_port_is_proof() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let own = identity::running_sha256(std::process::id()).unwrap();
        let pid = std::process::id();
        assert!(prove(pid, std::slice::from_ref(&url), &own).is_ok());
        assert!(prove(pid, std::slice::from_ref(&url), &"0".repeat(64)).is_err());
        drop(listener);
        assert!(prove(pid, &[url], &own).is_err());
    }

    #[test]
    fn differing_keys_are_named_with_both_values() {
        let of = |value: &str| BTreeMap::from([("a".to_owned(), value.to_owned())]);
        assert_eq!(differences(&of("1"), &of("1")), Vec::<String>::new());
        assert_eq!(differences(&of("1"), &of("2")), ["a: judged 1, running 2"]);
        let none = BTreeMap::new();
        assert_eq!(
            differences(&of("1"), &none),
            ["a: judged 1, running absent"]
        );
    }

    #[test]
    fn an_address_that_is_none_is_explained() {
        assert!(address("http://127.0.0.1:8080/").is_ok());
        assert!(address("http://127.0.0.1:8080/manifest").is_ok());
        assert!(
            address("https://x")
                .unwrap_err()
                .contains("http://HOST:PORT")
        );
    }
}
