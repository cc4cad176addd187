//! Bodies that are not what their head says: fewer bytes than announced, and far more once they are
//! unpacked.

use std::io::Write as _;

use exai_harness::raw;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::super::WAIT;
use super::super::asker::{Asker, pair, tool_message};
use crate::stage::Stage;

const EDGE: &str = "http-2026-07-28";
/// Bytes of a body once it is unpacked: above the limit, and a thousand times what is sent.
const UNPACKED: usize = 8 * 1024 * 1024;

/// Tries B2 and B4.
pub async fn try_all(stage: &Stage, asker: &Asker) {
    let good = tool_message("version", &json!({})).to_string();
    let head = || asker.message_head("tools/call", "version");
    let longer = head().header("Content-Length", (good.len() + 1).to_string());
    // Its sender has ended: what is missing will not come.
    let longer = longer.unmeasured_body(good.clone());
    let bad = raw::send_and_end(asker.at, asker.source.address, &longer, WAIT).await;
    let same = asker.send(&head().body(good)).await;
    pair(
        stage,
        ("B2.long", EDGE),
        (&bad.word(), &["400"]),
        (&same.word(), &["accepted"]),
    );
    let Some(packed) = tokio::task::spawn_blocking(packed).await.ok().flatten() else {
        stage.not_tested("V.6", "B4: a body could not be packed".to_owned());
        return;
    };
    let bomb = head().header("Content-Encoding", "gzip").body(packed);
    let bad = asker.send(&bomb).await.word();
    let good = asker.call("version", json!({})).await.word();
    let wanted = ["415", "413", "400"];
    pair(
        stage,
        ("B4.bomb", EDGE),
        (&bad, &wanted),
        (&good, &["accepted"]),
    );
}

/// A call that is valid once it is unpacked, but for its length.
fn packed() -> Option<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; UNPACKED]).ok()?;
    let call = tool_message("version", &json!({})).to_string();
    packed.write_all(call.as_bytes()).ok()?;
    packed.finish().ok()
}
