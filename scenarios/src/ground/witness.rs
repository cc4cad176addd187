//! Who speaks and who answers: clients with tokens, and the identity of every process they reach.

use std::sync::Arc;

use exai_harness::client::{Client, Http, HttpTarget, Identity, Revision, Stdio};
use exai_harness::history::{Now, Recorder};
use exai_harness::identity::{self, Reported};
use exai_harness::probe::LOOK;
use exai_harness::process::{Nobody, Pair};
use exai_judge::{Event, Transport};
use serde_json::json;

use super::{CONNECTIONS, Ground};
use crate::facts::Learned;
use crate::stage::Person;

impl Ground {
    /// A client of the server, not greeted yet.
    ///
    /// # Errors
    /// In words, when a process does not start or the wire is not built.
    pub fn connect(&self, identity: Identity, over: Transport) -> Result<Client, String> {
        let recorder = self.recorder.clone();
        let now: Now = Arc::new(move || recorder.now());
        let http = |revision| {
            let address = self.public();
            let target = HttpTarget {
                address,
                host: address.to_string(),
                path: "/mcp".to_owned(),
                revision,
                connections: CONNECTIONS,
                redial: true,
            };
            Ok(Client::Http(Http::new(
                target,
                identity.clone(),
                Arc::clone(&now),
            )))
        };
        match over {
            Transport::Http2025 => http(Revision::V2025),
            Transport::Http2026 => http(Revision::V2026),
            Transport::Stdio => {
                let command = self.impostor.wrap(self.server.stdio());
                let client = Stdio::spawn(command, Revision::V2025, identity, now);
                client.map(Client::Stdio).map_err(|error| error.to_string())
            }
            Transport::WebSocket => Err("the WebSocket daemon is not built yet".to_owned()),
        }
    }

    /// A person with a token of an ordinary user.
    #[must_use]
    pub fn identity(&self, who: Person) -> Identity {
        self.mints.identity(who)
    }

    /// The `Authorization` header of an ordinary user.
    #[must_use]
    pub fn authorization(&self, who: Person) -> String {
        self.authorization_with(who, &["user"])
    }

    /// The `Authorization` header of a person with these roles.
    #[must_use]
    pub fn authorization_with(&self, who: Person, roles: &[&str]) -> String {
        format!("Bearer {}", self.mints.token(who, roles))
    }

    /// Records who the running server is.
    pub async fn identify(&self, moment: &str, recorder: &Recorder) {
        let manifest = self.scraper.manifest().await.unwrap_or_default();
        let text = |name: &str| manifest[name].as_str().map(str::to_owned);
        let reported = Reported {
            sha256: text("executable_sha256"),
            instance: text("instance"),
        };
        let Ok(process) = self.server.supervisor().process() else {
            return;
        };
        let expected = self.server.expected(&self.expected_sha256);
        let moment = moment.to_owned();
        let looked = tokio::task::spawn_blocking(move || {
            identity::look(&moment, process.pair(), &expected, reported)
        });
        if let Ok(seen) = looked.await {
            recorder.record(Event::Identity(seen));
        }
    }

    /// Records who answers on a pipe: each client there has a process of its own.
    pub async fn identify_pipe(&self, client: &Client) {
        let Client::Stdio(pipe) = client else { return };
        let Some(pair) = pipe.pid().and_then(Pair::of) else {
            return;
        };
        let arguments = json!({"name": "version", "arguments": {}});
        let said = client.request("tools/call", arguments, LOOK).await;
        let version = said
            .result()
            .map(|result| result["structuredContent"].clone());
        let text = |name: &str| version.as_ref()?[name].as_str().map(str::to_owned);
        let reported = Reported {
            sha256: text("executable_sha256"),
            instance: text("instance"),
        };
        let expected = self.server.expected_on_pipe(&self.expected_sha256);
        let looked =
            tokio::task::spawn_blocking(move || identity::look("pipe", pair, &expected, reported));
        if let Ok(seen) = looked.await {
            self.recorder.record(Event::Identity(seen));
        }
    }

    /// What the server says of itself, for the report.
    pub async fn learn(&self) -> Learned {
        let manifest = self.scraper.manifest().await.unwrap_or_default();
        let text = |name: &str| manifest[name].as_str().map(str::to_owned);
        Learned {
            version: text("version").unwrap_or_default(),
            policy_digest: text("policy_digest"),
            site_digest: text("site_digest"),
            unprivileged: Nobody::when_root().is_some(),
        }
    }
}
