//! V.6: the battery with its good cases, roles, hosts and origins, rates, and hostile input beside
//! healthy traffic.

pub mod annex;
pub mod asker;
pub mod belongings;
pub mod boundary;
pub mod cells;
pub mod containers;
pub mod doors;
pub mod entrance;
pub mod frames;
pub mod hosts;
pub mod matrix;
pub mod messages;
pub mod owners;
pub mod pipe;
pub mod places;
pub mod rates;
pub mod retries;
pub mod roles;
pub mod rotation;
pub mod sockets;
pub mod stand_in;
pub mod starts;
pub mod supply;
pub mod tokens;
pub mod untried;
pub mod way;

use std::net::SocketAddr;
use std::time::Duration;

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::socket::RawSocket;
use exai_harness::raw::{self, RawReply, RawRequest};
use exai_judge::criterion::Criterion;
use exai_judge::observation::Case;
use exai_judge::{Event, Transport};
use serde_json::{Value, json};

use self::untried::UNTRIED;
use crate::stage::{Stage, Trouble};

/// The criterion.
pub const CRITERION: &str = "V.6";
/// How long a raw case may take.
const WAIT: Duration = Duration::from_secs(5);
/// A floor of fewer cases asks for the rows of the list alone.
const SMALL: u64 = 50;
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
    let is_small = row.floor("cases")? < SMALL;
    stage.begin(CRITERION, "battery");
    if is_small {
        battery(stage, &row).await?;
    } else {
        // What needs servers of its own goes on beside the rest; all are through before anything
        // is timed.
        let judged = Box::pin(battery(stage, &row));
        let starts = Box::pin(starts::try_all(stage));
        let annex = Box::pin(annex::try_all(stage));
        let (judged, starts, annex) = tokio::join!(judged, starts, annex);
        judged.and(starts).and(annex)?;
        containers::try_all(stage).await?;
        supply::try_all(stage, row.limit("advisories_days")?)?;
    }
    stage.end(CRITERION, "battery");
    stage.ground.scrape(stage, "before V.6").await;
    rates::try_scopes(stage, &row).await?;
    stage.ground.scrape(stage, "after V.6").await;
    if row.floor("ratio_samples")? > 0 {
        rates::calm_and_hostile(stage, row.floor("ratio_samples")?).await?;
    }
    let shown = stage.ground.shown().await;
    for (place, text) in &shown {
        stage.search(place, text);
    }
    stage.figure("canaries: places searched", shown.len() as f64, "count");
    for (row, what) in UNTRIED {
        stage.not_tested(CRITERION, format!("{row}: {what}"));
    }
    Ok(())
}

/// The rows that are tried on the server under judgement.
async fn battery(stage: &Stage, row: &Criterion) -> Result<(), Trouble> {
    let cases = row.floor("cases")?;
    let named = row.list("rows")?;
    let is_small = cases < SMALL;
    let is_everywhere = !row.list("at_entrances")?.is_empty();
    let entrances = if is_everywhere {
        &entrance::ALL[..]
    } else {
        &entrance::ALL[..WIRES.len()]
    };
    tokens::try_all(stage, entrances, is_small.then_some(named)).await?;
    hosts::try_all(stage).await?;
    roles::try_all(stage).await?;
    if !is_small {
        places::try_all(stage).await?;
        doors::try_all(stage).await?;
        owners::try_all(stage).await?;
        frames::try_all(stage).await?;
        messages::try_all(stage).await?;
        // Each restarts the server; the last one leaves it as the run began.
        matrix::try_all(stage).await?;
        belongings::try_all(stage).await?;
        rotation::try_all(stage).await?;
    }
    Ok(())
}

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
    /// Whose address it is sent from, as [`crate::ground::Ground::source`] numbers them.
    pub source: usize,
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
            source: 500,
        }
    }

    /// Its message. On 2025-11-25 that is the handshake, which needs no session; a tool call there
    /// would be refused for want of one before its token is looked at.
    #[must_use]
    pub fn message(&self) -> Value {
        let software = Software::numbered(1);
        match self.wire {
            Transport::Http2025 => exai_harness::client::request::initialize(software).message(
                Some(1),
                Revision::V2025,
                software,
            ),
            _ => Request::tool(self.tool, &json!({})).message(Some(1), Revision::V2026, software),
        }
    }

    /// The head of its request, without a credential.
    #[must_use]
    pub fn head(&self, path: &str, host: &str) -> RawRequest {
        let raw = RawRequest::line(&format!("POST {path} HTTP/1.1"))
            .header("Host", host)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Connection", "close");
        if self.wire == Transport::Http2025 {
            return raw;
        }
        raw.header("MCP-Protocol-Version", Revision::V2026.name())
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", self.tool)
    }

    /// Sends it.
    pub async fn send(&self, stage: &Stage) -> RawReply {
        let address = stage.ground.public();
        let host = address.to_string();
        let mut raw = self.head("/mcp", self.host.unwrap_or(&host));
        if let Some(authorization) = self.authorization {
            raw = raw.header("Authorization", authorization);
        }
        if let Some(origin) = self.origin {
            raw = raw.header("Origin", origin);
        }
        let raw = raw.body(self.message().to_string());
        send_to(stage, address, self.source, &raw).await
    }
}

/// Sends one request to a listener of the server under judgement from the `number`th person's
/// address, and keeps the battery's pace.
pub async fn send_to(
    stage: &Stage,
    at: SocketAddr,
    number: usize,
    request: &RawRequest,
) -> RawReply {
    let reply = raw::send_request(at, stage.ground.source(number), request, WAIT).await;
    tokio::time::sleep(PACE).await;
    reply
}

/// Opens a WebSocket before the server under judgement from the `number`th person's address; all of
/// its life ends after `wait`.
///
/// # Errors
/// The reply when it is no upgrade.
pub async fn open_as(
    stage: &Stage,
    number: usize,
    request: &RawRequest,
    wait: Duration,
) -> Result<RawSocket, RawReply> {
    let source = stage.ground.source(number);
    RawSocket::open(stage.ground.public(), source, request, wait).await
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
    note(stage, case, came(stage, reply));
}

/// What a reply says, after it was looked through for secrets.
#[must_use]
pub fn came(stage: &Stage, reply: &RawReply) -> Came {
    stage.search("a reply", &String::from_utf8_lossy(&reply.body));
    let word = reply.word();
    Came {
        is_denied: matches!(word.as_str(), "401" | "403" | "429"),
        correlation_id: reply.header("exai-correlation-id").map(str::to_owned),
        code: raw::code(&reply.message().unwrap_or_default()),
        claimed: reply.claimed.clone(),
        word,
    }
}

/// What came of a case, whatever carried it.
#[derive(Debug, Clone, Default)]
pub struct Came {
    /// In the words of the battery.
    pub word: String,
    /// The reply's correlation id.
    pub correlation_id: Option<String>,
    /// Whether it is a denial, which leaves an audit line.
    pub is_denied: bool,
    /// The code that the reply told.
    pub code: Option<String>,
    /// Whom the credential that was shown names, good or not.
    pub claimed: Option<String>,
}

impl Came {
    /// A word for something that is no denial.
    #[must_use]
    pub fn word(word: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            ..Self::default()
        }
    }
}

/// Records what came of a case.
pub fn note(stage: &Stage, case: &Seen<'_>, came: Came) {
    let found = case.allowed.iter().find(|word| **word == came.word);
    let expected = found.or(case.allowed.first());
    stage.recorder.record(Event::Case(Case {
        id: case.id.to_owned(),
        edge: case.edge.to_owned(),
        good: case.good,
        expected: expected.map_or_else(String::new, |word| (*word).to_owned()),
        audited: !case.good && came.is_denied,
        correlation_id: came.correlation_id,
        code: came.code,
        claimed: came.claimed,
        seen: came.word,
    }));
}
