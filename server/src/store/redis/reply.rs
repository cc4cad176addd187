//! What the scripts and hashes say, turned into the store's own words.

use std::collections::HashMap;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{Appended, Recalled, Refusal, StoreError, StoredThread, ThreadId};

/// Reads the reply of the append script.
pub(super) fn appended(said: &[String], cap: u32) -> Result<Appended, StoreError> {
    let words: Vec<&str> = said.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["stored", turn] => Ok(Appended::Stored {
            turn: number(turn)?,
        }),
        ["stored", turn, "uncopied"] => {
            tracing::error!(turn, "the archive's queue is full: no copy is kept");
            Ok(Appended::Stored {
                turn: number(turn)?,
            })
        }
        ["replayed", digest, thread, turn, reply] => Ok(Appended::Replayed(Recalled {
            digest: (*digest).to_owned(),
            thread: thread.parse().map_err(|_| corrupt(thread))?,
            turn: number(turn)?,
            reply: (*reply).to_owned(),
        })),
        ["moved", turns] => Err(StoreError::Moved {
            turns: number(turns)?,
        }),
        ["not_found"] => Err(StoreError::NotFound),
        ["full"] => Err(StoreError::Full { cap }),
        ["reused"] => Err(StoreError::KeyReused),
        other => Err(corrupt(&other.join(" "))),
    }
}

/// Reads a thread's hash; an empty one is a thread that is not there.
pub(super) fn thread(
    id: ThreadId,
    fields: &HashMap<String, String>,
    ttl: i64,
) -> Result<StoredThread, StoreError> {
    let Some(turns) = fields.get("n") else {
        return Err(StoreError::NotFound);
    };
    let exchanges = (1..=number(turns)?)
        .map(|turn| {
            let name = format!("x:{turn}");
            let body = fields.get(&name).ok_or_else(|| corrupt(&name))?;
            serde_json::from_str(body).map_err(|error| corrupt(&error.to_string()))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(StoredThread {
        id,
        title: fields.get("title").cloned().unwrap_or_default(),
        exchanges,
        state: fields.get("state").cloned(),
        ttl_ms: u64::try_from(ttl).unwrap_or(0),
    })
}

fn number(text: &str) -> Result<u32, StoreError> {
    text.parse().map_err(|_| corrupt(text))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("unexpected {what}"))
}

/// Sorts a Redis error into an outage or a refusal.
pub(super) fn redis_error(error: &RedisError) -> StoreError {
    let refused = |reason| StoreError::Refused {
        reason,
        cause: error.to_string(),
    };
    if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
        return refused(Refusal::ReadOnly);
    }
    // An error raised inside a script arrives as text that carries the code.
    let text = error.to_string();
    let says = |code: &str| error.code() == Some(code) || text.contains(code);
    if says("OOM") || says("MISCONF") {
        refused(Refusal::Full)
    } else if says("READONLY") {
        refused(Refusal::ReadOnly)
    } else if says("NOREPLICAS") {
        refused(Refusal::NoReplicas)
    } else {
        StoreError::Unavailable(text)
    }
}

/// Whether a command-level refusal, after which the connection is as good as before.
pub(super) fn leaves_link_usable(error: &RedisError) -> bool {
    // The manager re-dials by itself after I/O errors. What is left is a handshake that failed
    // for another reason, after which it fails for ever, and must be rebuilt.
    error.is_io_error() || matches!(redis_error(error), StoreError::Refused { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_no_script_gives_is_corrupt_and_never_a_success() {
        for said in [
            vec![],
            vec!["stored"],
            vec!["stored", "x"],
            vec!["done", "1"],
        ] {
            let said: Vec<String> = said.into_iter().map(str::to_owned).collect();
            assert!(
                matches!(appended(&said, 10), Err(StoreError::Corrupt(_))),
                "{said:?}"
            );
        }
    }

    #[test]
    fn a_hole_in_a_thread_is_corrupt_and_not_a_shorter_thread() {
        let fields = HashMap::from([("n".to_owned(), "2".to_owned())]);
        let read = thread(ThreadId::fresh(), &fields, 5);
        assert!(matches!(read, Err(StoreError::Corrupt(_))));
    }
}
