//! Where connections come through a proxy that begins each with a preamble: whom it names is who
//! counts, and a connection that begins otherwise ends (D14).

use std::time::Duration;

use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use futures::future::join_all;

use super::super::asker::{Asker, either, pair};
use super::proxies::{EDGE, PROXY, STRANGER, client, version};
use super::start;
use crate::stage::{Stage, Trouble};

/// Requests a second of one address on this server, and requests sent at once for one.
const ADDRESS: u32 = 5;
const CALLS: usize = 40;

/// Tries D14 on a server that asks for preambles.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let settings = Settings::default()
        .with("server.trusted_proxies", vec![format!("{PROXY}/32")])
        .with("server.proxy_protocol", true)
        .with("limits.rate.address", ADDRESS);
    let beside = start(stage, "beside-balancer", &settings).await?;
    introduced(stage, &beside).await;
    disagreeing(stage, &beside).await;
    Ok(())
}

/// A preamble of PROXY v2: signature, version and command, family, length, then a client that would
/// be believed.
pub(super) fn of_client(client: u8) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    bytes.extend([198, 51, 100, client, 127, 0, 0, 1, 0x30, 0x39, 0x1f, 0x8f]);
    bytes
}

/// What comes back to a request behind these bytes.
async fn behind(asker: &Asker, opening: &[u8], forwarded: Option<&str>) -> String {
    let (_, request) = version(asker, forwarded);
    let piece = [opening, &request.bytes()].concat();
    let wait = Duration::from_secs(5);
    let gap = Duration::ZERO;
    let reply = exai_harness::raw::send(asker.at, asker.source.address, &[piece], gap, wait).await;
    reply.word()
}

/// D14 where preambles are asked for: none, one that is cut, one that is long, and a stranger's end
/// the connection; a whole one of the proxy's lets its client in.
async fn introduced(stage: &Stage, beside: &Beside) {
    let mut long = of_client(7);
    long[14..16].copy_from_slice(&[0xff, 0xff]);
    long.extend([0; 65_523]);
    let mut cut = of_client(7);
    cut[15] = 4;
    cut.truncate(20);
    let rows = [
        ("D14.no preamble", PROXY, Vec::new()),
        ("D14.cut preamble", PROXY, cut),
        ("D14.long preamble", PROXY, long),
        ("D14.stranger's preamble", STRANGER, of_client(7)),
    ];
    for (id, source, opening) in rows {
        let asker = Asker::user(stage, 4_310).before(beside).from(source);
        let word = behind(&asker, &opening, None).await;
        let proxy = Asker::user(stage, 4_310).before(beside).from(PROXY);
        let good = behind(&proxy, &of_client(8), None).await;
        let wanted = &["closed", "reset"];
        pair(stage, (id, EDGE), (&word, wanted), (&good, &["accepted"]));
    }
}

/// D14: a header that disagrees with the preamble gains nothing, since its writer is not trusted.
async fn disagreeing(stage: &Stage, beside: &Beside) {
    let calls = (0..CALLS).map(|n| async move {
        // Each a principal of its own, so that only the address can be over its limit.
        let asker = Asker::user(stage, 4_320 + n).before(beside).from(PROXY);
        behind(&asker, &of_client(9), Some(&client(n))).await
    });
    let words = join_all(calls).await;
    let held = words.iter().any(|word| word == "429");
    let calm = Asker::user(stage, 4_312).before(beside).from(PROXY);
    let good = behind(&calm, &of_client(10), None).await;
    pair(
        stage,
        ("D14.disagree", EDGE),
        (either(held, "429", "never held"), &["429"]),
        (&good, &["accepted"]),
    );
}
