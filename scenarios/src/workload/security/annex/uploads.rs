//! Files that must not be stored, each beside one that may.

use exai_harness::raw::RawReply;
use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use exai_judge::hex;

use super::super::asker::{Asker, code, pair};
use super::start;
use crate::stage::{Stage, Trouble};

const EDGE: &str = "files";
/// Set low, so that small files go over them.
const STORED: i64 = 200_000;
const DAY_FILES: i64 = 30;

/// Tries B17.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let settings = Settings::default()
        .with("files.stored_bytes", STORED)
        .with("files.day_files", DAY_FILES);
    let beside = start(stage, "beside-uploads", &settings).await?;
    let asker = Asker::user(stage, 960).before(&beside);
    // In two parts, so that no scanner takes this source for what it spells.
    let virus = [
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR",
        "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat();
    let large = vec![b'x'; STORED as usize + 1];
    let rows: [(&str, &str, &[u8], &str); 8] = [
        ("B17.extension", "a.exe", b"text", "file_is_program"),
        (
            "B17.program",
            "a.txt",
            b"\x7fELF\x02\x01",
            "file_is_program",
        ),
        ("B17.type", "a.pdf", b"no pdf", "file_type_mismatch"),
        ("B17.virus", "a.txt", virus.as_bytes(), "file_infected"),
        ("B17.empty", "a.txt", b"", "file_empty"),
        (
            "B17.unknown",
            "a.bin2",
            b"\x00\x01\x02",
            "file_type_refused",
        ),
        ("B17.size", "a.txt", &large, "file_too_large"),
        ("B17.name", "..%2f..%2fa.exe", b"text", "file_is_program"),
    ];
    for (number, (id, name, bytes, wanted)) in rows.into_iter().enumerate() {
        let bad = put(&asker, name, bytes).await;
        let bad = match bad.status {
            Some(413) => wanted.to_owned(),
            _ => code(&bad),
        };
        let good = put(&asker, "a.txt", format!("file {number}\n").as_bytes()).await;
        pair(
            stage,
            (id, EDGE),
            (&bad, &[wanted]),
            (&good.word(), &["accepted"]),
        );
    }
    quota(stage, &beside, &asker).await;
    Ok(())
}

/// One file more than may be stored in a day.
async fn quota(stage: &Stage, beside: &Beside, asker: &Asker) {
    let other = Asker::user(stage, 961).before(beside);
    let mut last = RawReply::default();
    for number in 0..=DAY_FILES {
        last = put(asker, "a.txt", format!("quota {number}\n").as_bytes()).await;
    }
    let good = put(&other, "a.txt", b"of another\n").await;
    pair(
        stage,
        ("B17.quota", EDGE),
        (&code(&last), &["file_quota"]),
        (&good.word(), &["accepted"]),
    );
}

async fn put(asker: &Asker, name: &str, bytes: &[u8]) -> RawReply {
    let line = format!("PUT /files/{} HTTP/1.1", hex::sha256(bytes));
    let request = asker.head(&line).header("Exai-File-Name", name).body(bytes);
    asker.send(&request).await
}
