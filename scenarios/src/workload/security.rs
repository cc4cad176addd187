//! V.6: the battery with its good cases, roles, hosts and origins, rates, and hostile input beside
//! healthy traffic.

pub mod hosts;
pub mod messages;
pub mod rates;
pub mod roles;
pub mod tokens;

use std::net::Ipv4Addr;
use std::time::Duration;

use exai_harness::client::http::loopback;
use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::{self, RawReply, RawRequest};
use exai_judge::observation::Case;
use exai_judge::{Event, Transport};
use serde_json::json;

use crate::stage::{Stage, Trouble};

/// The criterion.
pub const CRITERION: &str = "V.6";
/// How long a raw case may take.
const WAIT: Duration = Duration::from_secs(5);
/// Between two raw cases: below the limit of one address.
const PACE: Duration = Duration::from_millis(12);
/// The wires that carry tokens.
pub const WIRES: [Transport; 2] = [Transport::Http2025, Transport::Http2026];

/// Runs the workload.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage) -> Result<(), Trouble> {
    let row = stage.row(CRITERION)?;
    let is_small = row.floor("cases")? < 50;
    stage.begin(CRITERION, "battery");
    for wire in WIRES {
        let wanted = is_small.then(|| row.list("rows")).transpose()?;
        tokens::try_all(stage, wire, wanted).await?;
    }
    if !is_small {
        tokens::try_unlisted(stage).await?;
    }
    hosts::try_all(stage).await?;
    roles::try_all(stage).await?;
    if !is_small {
        messages::try_all(stage).await?;
    }
    stage.end(CRITERION, "battery");
    rates::try_scopes(
        stage,
        row.list("rate_scopes")?,
        row.floor("window_seconds")?,
    )
    .await?;
    if row.floor("ratio_samples")? > 0 {
        rates::calm_and_hostile(stage, row.floor("ratio_samples")?).await?;
    }
    let shown = stage.ground.shown().await;
    for (place, text) in &shown {
        stage.search(place, text);
    }
    stage.figure("canaries: places searched", shown.len() as f64, "count");
    for what in NOT_BUILT {
        stage.not_tested(CRITERION, what);
    }
    Ok(())
}

/// What the battery asks for and this catalogue does not do yet.
const NOT_BUILT: [&str; 4] = [
    "J36-J45: revocation, rotation, grace mode, timing, expiry on an open connection",
    "S1-S13: sessions and handles of other principals",
    "B3, B9, B15-B21: pipes, doubled ids, git arguments, uploads, redirects; W1-W10: frames",
    "D1-D4, D9-D14: slow clients, floods and forged forwarding headers; X1-X10: secrets at rest",
];

/// One raw attempt at a wire.
pub struct Attempt<'a> {
    /// The wire.
    pub wire: Transport,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Host` header; the right one when None.
    pub host: Option<&'a str>,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The tool to call.
    pub tool: &'a str,
    /// Where it is sent from.
    pub source: Ipv4Addr,
}

impl<'a> Attempt<'a> {
    /// A call of `version` with a header.
    #[must_use]
    pub fn new(wire: Transport, authorization: Option<&'a str>) -> Self {
        Self {
            wire,
            authorization,
            host: None,
            origin: None,
            tool: "version",
            source: loopback(500),
        }
    }

    /// Sends it. On 2025-11-25 the request is the handshake, which needs no session; a tool call
    /// there would be refused for want of one before its token is looked at.
    pub async fn send(&self, stage: &Stage) -> RawReply {
        let address = stage.ground.public();
        let host = address.to_string();
        let software = Software::numbered(1);
        let (request, revision) = match self.wire {
            Transport::Http2025 => (
                exai_harness::client::request::initialize(software),
                Revision::V2025,
            ),
            _ => (Request::tool(self.tool, &json!({})), Revision::V2026),
        };
        let message = request.message(Some(1), revision, software).to_string();
        let mut raw = RawRequest::line("POST /mcp HTTP/1.1")
            .header("Host", self.host.unwrap_or(&host))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Connection", "close");
        if revision == Revision::V2026 {
            raw = raw
                .header("MCP-Protocol-Version", revision.name())
                .header("Mcp-Method", "tools/call")
                .header("Mcp-Name", self.tool);
        }
        if let Some(authorization) = self.authorization {
            raw = raw.header("Authorization", authorization);
        }
        if let Some(origin) = self.origin {
            raw = raw.header("Origin", origin);
        }
        let reply = raw::send_request(address, self.source, &raw.body(message), WAIT).await;
        tokio::time::sleep(PACE).await;
        reply
    }
}

/// What is expected of a case, and what came.
pub struct Seen<'a> {
    /// Row of attacks.md with its variant.
    pub id: &'a str,
    /// The wire or listener.
    pub edge: &'a str,
    /// Whether it is the good case.
    pub good: bool,
    /// The words that are as specified; the first is the rule.
    pub allowed: &'a [&'a str],
}

/// Records a case.
pub fn record(stage: &Stage, case: &Seen<'_>, reply: &RawReply) {
    stage.search("a reply", &String::from_utf8_lossy(&reply.body));
    let seen = reply.word();
    let expected = case
        .allowed
        .iter()
        .find(|word| **word == seen)
        .or(case.allowed.first());
    stage.recorder.record(Event::Case(Case {
        id: case.id.to_owned(),
        edge: case.edge.to_owned(),
        good: case.good,
        expected: expected.map_or_else(String::new, |word| (*word).to_owned()),
        audited: !case.good && matches!(seen.as_str(), "401" | "403" | "429"),
        correlation_id: reply.header("exai-correlation-id").map(str::to_owned),
        seen,
    }));
}
