//! The listeners: Host and Origin on each, probes, admin pages and the scrape token.

use std::net::SocketAddr;

use exai_harness::raw::socket::{RawSocket, upgrade};
use exai_harness::raw::{RawReply, RawRequest};

use super::sockets::{MCP, greet, hello_of};
use super::{Came, Seen, WAIT, note, record, send_to};
use crate::stage::{Person, Stage, Trouble};

const ADMIN: &str = "admin";
const HTTP: &str = "http";
const EVIL: &str = "http://evil.example";

/// A request, where it goes, and the words that are as specified.
struct Knock {
    id: &'static str,
    edge: &'static str,
    good: bool,
    request: RawRequest,
    allowed: &'static [&'static str],
}

/// Tries A8, H5 to H7, H10 and H11.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let (public, admin) = (stage.ground.public(), stage.ground.admin());
    for knock in [admin_pages(stage), strangers(stage), doubled(stage)]
        .into_iter()
        .flatten()
    {
        stage.check_stop()?;
        let at = if knock.edge == ADMIN { admin } else { public };
        let reply = send(stage, at, &knock.request).await;
        let seen = Seen {
            id: knock.id,
            edge: knock.edge,
            good: knock.good,
            allowed: knock.allowed,
        };
        record(stage, &seen, &reply);
    }
    probes(stage, admin).await;
    feed(stage, admin).await;
    Ok(())
}

/// A8: the feed of the dashboard, whose hello is an administrator's.
async fn feed(stage: &Stage, admin: SocketAddr) {
    let host = admin.to_string();
    for (role, allowed) in [("user", &["4003"]), ("admin", &["accepted"])] {
        let line = stage.ground.authorization_with(Person::user(515), &[role]);
        let request = upgrade("/ws/monitoring", &host, None);
        let came = match RawSocket::open(admin, stage.ground.source(515), &request, WAIT).await {
            Ok(mut socket) => greet(stage, &mut socket, &hello_of(Some(&line))).await,
            Err(reply) => Came::word(format!("no upgrade: {}", reply.word())),
        };
        let seen = Seen {
            id: "A8.feed",
            edge: ADMIN,
            good: role == "admin",
            allowed,
        };
        note(stage, &seen, came);
    }
}

async fn send(stage: &Stage, at: SocketAddr, request: &RawRequest) -> RawReply {
    send_to(stage, at, 511, request).await
}

fn get(path: &str, host: &str, authorization: Option<&str>) -> RawRequest {
    let request = RawRequest::line(&format!("GET {path} HTTP/1.1"))
        .header("Host", host)
        .header("Connection", "close");
    match authorization {
        Some(line) => request.header("Authorization", line),
        None => request,
    }
}

fn admin_pages(stage: &Stage) -> Vec<Knock> {
    let host = stage.ground.admin().to_string();
    let user = stage.ground.authorization(Person::user(511));
    let admin = stage
        .ground
        .authorization_with(Person::user(512), &["admin"]);
    let scrape = format!("Bearer {}", stage.ground.scrape_token());
    let mut knocks = Vec::new();
    let mut row = |id, path: &str, who: Option<&str>, word: &'static [&'static str]| {
        knocks.push(Knock {
            id,
            edge: ADMIN,
            good: word == ["accepted"],
            request: get(path, &host, who),
            allowed: word,
        });
    };
    for (denied, path) in [
        ("A8.manifest", "/manifest"),
        ("A8.health", "/health"),
        ("A8.alerts", "/alerts"),
        ("A8.dashboard", "/dashboard"),
    ] {
        row(denied, path, Some(&user), &["403"]);
        row(denied, path, Some(&admin), &["accepted"]);
    }
    row("H10.detail", "/health", None, &["401"]);
    row("H10.detail", "/health", Some(&admin), &["accepted"]);
    row("H11.nobody", "/metrics", None, &["401"]);
    row("H11.user", "/metrics", Some(&user), &["403"]);
    row("H11.elsewhere", "/manifest", Some(&scrape), &["403"]);
    row("H11.health", "/health", Some(&scrape), &["403"]);
    row("H11.scrape", "/metrics", Some(&scrape), &["accepted"]);
    knocks.push(Knock {
        id: "H10.host",
        edge: ADMIN,
        good: false,
        request: get("/health", "evil.example", Some(&admin)),
        allowed: &["403", "421"],
    });
    knocks
}

fn knock(
    (id, edge): (&'static str, &'static str),
    request: RawRequest,
    allowed: &'static [&'static str],
) -> Knock {
    Knock {
        id,
        edge,
        good: allowed == ["accepted"],
        request,
        allowed,
    }
}

/// Another host or origin at the upgrade and at the admin pages.
fn strangers(stage: &Stage) -> Vec<Knock> {
    let (public, admin) = (stage.ground.public(), stage.ground.admin().to_string());
    let user = stage.ground.authorization(Person::user(513));
    let operator = Person::user(514);
    let operator = stage.ground.authorization_with(operator, &["admin"]);
    let (host, own) = (public.to_string(), own_origin(stage));
    let open = |host: &str| upgrade("/ws", host, Some("mcp")).header("Authorization", &user);
    let page = || get("/manifest", &admin, Some(&operator));
    let refused = |id, request| knock((id, MCP), request, &["403", "421"]);
    vec![
        refused("H5.origin", open(&host).header("Origin", EVIL)),
        refused("H5.null", open(&host).header("Origin", "null")),
        refused("H5.host", open("evil.example")),
        knock(
            ("H5.own", MCP),
            open(&host).header("Origin", own),
            &["accepted"],
        ),
        knock(
            ("H5.origin", ADMIN),
            page().header("Origin", EVIL),
            &["403"],
        ),
        knock(
            ("H5.null", ADMIN),
            page().header("Origin", "null"),
            &["403"],
        ),
        knock(("H5.own", ADMIN), page(), &["accepted"]),
    ]
}

fn own_origin(stage: &Stage) -> String {
    format!("http://localhost:{}", stage.ground.public().port())
}

/// Two hosts in one request, and what a browser asks before it may read.
fn doubled(stage: &Stage) -> Vec<Knock> {
    let host = stage.ground.public().to_string();
    let user = stage.ground.authorization(Person::user(513));
    let preflight = |origin: &str| {
        RawRequest::line("OPTIONS /mcp HTTP/1.1")
            .header("Host", &host)
            .header("Connection", "close")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
    };
    let two = get("/mcp", &host, Some(&user)).header("Host", "evil.example");
    let absolute = RawRequest::line("GET http://evil.example/mcp HTTP/1.1")
        .header("Host", &host)
        .header("Connection", "close")
        .header("Authorization", &user);
    let own = own_origin(stage);
    vec![
        knock(("H6.two", HTTP), two, &["400"]),
        knock(("H6.absolute", HTTP), absolute, &["400"]),
        knock(("H6.one", HTTP), preflight(&own), &["accepted"]),
        knock(("H7.foreign", HTTP), preflight(EVIL), &["403"]),
        knock(("H7.own", HTTP), preflight(&own), &["accepted"]),
    ]
}

/// The two probe paths tell any caller a status word and nothing else.
async fn probes(stage: &Stage, admin: SocketAddr) {
    fn seen<'a>(id: &'a str, good: bool, allowed: &'a [&'a str]) -> Seen<'a> {
        Seen {
            id,
            edge: ADMIN,
            good,
            allowed,
        }
    }
    for (path, word) in [("/health/live", "live"), ("/health/ready", "ready")] {
        for (host, whose) in [("10.244.0.5:8080", "pod"), ("evil.example", "stranger")] {
            let id = format!("H10.{word}.{whose}");
            let reply = send(stage, admin, &get(path, host, Some("Bearer nonsense"))).await;
            note(
                stage,
                &seen(&id, true, &["accepted"]),
                Came::word(bare(&reply)),
            );
        }
        let post = RawRequest::line(&format!("POST {path} HTTP/1.1"))
            .header("Host", "10.244.0.5:8080")
            .header("Connection", "close")
            .body("{}");
        let reply = send(stage, admin, &post).await;
        record(stage, &seen("H10.post", false, &["405"]), &reply);
    }
}

/// `accepted` when the answer is a status word and tells nothing more.
fn bare(reply: &RawReply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let is_word = matches!(body.as_ref(), "live" | "ready" | "not_ready");
    let is_silent = ["server", "set-cookie"]
        .iter()
        .all(|name| reply.header(name).is_none());
    match reply.status {
        Some(200 | 503) if is_word && is_silent => "accepted".to_owned(),
        Some(status) => format!("{status} with {body:?}"),
        None => reply.word(),
    }
}
