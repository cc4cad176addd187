//! One change of a thread, and the statements that copy it.

use sha2::{Digest as _, Sha256};

use super::row::Statement;
use super::{Fault, schema};
use crate::store::{Exchange, ThreadId};

/// One change to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The verified principal.
    pub owner: String,
    /// The thread.
    pub thread: ThreadId,
    /// The thread's title.
    pub title: String,
    /// What happened to it.
    pub deed: Deed,
}

/// What happened to a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// An exchange was appended.
    Appended {
        /// Its number, from 1.
        turn: u32,
        /// What was said.
        exchange: Box<Exchange>,
    },
    /// Its owner deleted it.
    Deleted,
}

impl Entry {
    /// The statements that copy it.
    ///
    /// # Errors
    /// `Poison` when it can never be copied.
    pub(super) fn statements(&self, now_ms: i64, into: &mut Vec<Statement>) -> Result<(), Fault> {
        let thread = self.thread.to_string();
        let Deed::Appended { turn, exchange } = &self.deed else {
            into.push(
                Statement::new(schema::FORGET)
                    .text(thread.clone())
                    .whole(now_ms),
            );
            into.push(
                Statement::new(schema::DELETE)
                    .text(thread)
                    .text(&self.owner),
            );
            return Ok(());
        };
        let body = serde_json::to_string(exchange)
            .map_err(|error| Fault::Poison(format!("write an exchange: {error}")))?;
        let (title, at_ms) = (self.title.replace('\0', "\u{fffd}"), exchange.created_ms);
        into.push(
            Statement::new(schema::CONVERSATION)
                .text(thread.clone())
                .text(&self.owner)
                .text(title)
                .whole(at_ms)
                .text(subject(&self.owner)),
        );
        into.push(
            Statement::new(schema::MESSAGE)
                .text(thread)
                .whole((*turn).into())
                .text(exchange.id.to_string())
                .text(body)
                .text(&self.owner),
        );
        Ok(())
    }
}

/// How an owner is named among what was forgotten: whoever asked for that is not kept by name.
pub(super) fn subject(owner: &str) -> String {
    format!("owner:{}", hex(owner))
}

/// Its SHA-256 in hexadecimal digits.
pub(super) fn hex(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
