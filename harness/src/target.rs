//! A server that nobody here wrote, spoken to in bytes of our own choosing: what no client library
//! would send, and all that comes back, message or not.

pub mod example;
pub mod heard;
pub mod pipe;
pub mod web;

use std::time::Duration;

use serde_json::{Value, json};

pub use heard::{End, Heard};
pub use pipe::{Pipe, PipeTarget};
pub use web::{Web, WebTarget};

use crate::client::Software;

/// The revision asked for first; a server may answer with another.
pub const ASKED: &str = "2025-11-25";

/// A way to the server: one message at a time.
pub enum Door {
    /// A process of ours and its pipes.
    Pipe(Pipe),
    /// An address.
    Web(Web),
}

impl Door {
    /// The wire, as reports name it.
    #[must_use]
    pub const fn edge(&self) -> &'static str {
        match self {
            Self::Pipe(_) => "stdio",
            Self::Web(_) => "http",
        }
    }

    /// Sends bytes as they are and listens until the answer to `id` has come, the other side has
    /// ended, or `wait` is over. `id` None listens for all of `wait`.
    pub async fn send(&self, bytes: &[u8], id: Option<&Value>, wait: Duration) -> Heard {
        match self {
            Self::Pipe(pipe) => pipe.send(bytes, id, wait).await,
            Self::Web(web) => web.send(bytes, id, wait).await,
        }
    }

    /// Asks a method.
    pub async fn ask(&self, id: &Value, method: &str, params: Value, wait: Duration) -> Heard {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let text = message.to_string();
        self.send(text.as_bytes(), Some(id), wait).await
    }

    /// Says something that has no answer, and listens for `wait` all the same.
    pub async fn tell(&self, method: &str, wait: Duration) -> Heard {
        let message = json!({"jsonrpc": "2.0", "method": method});
        self.send(message.to_string().as_bytes(), None, wait).await
    }

    /// The handshake of 2025-11-25: what the server answered, and whether it may go on from here.
    pub async fn greet(&mut self, software: Software, wait: Duration) -> Heard {
        let params = initialize(software, ASKED);
        let heard = self
            .ask(&json!("verify-0"), "initialize", params, wait)
            .await;
        if let Self::Web(web) = self {
            web.keep_session(&heard);
        }
        if heard.result().is_some() {
            // Nothing is due; what comes belongs to the next question.
            let wait = Duration::from_millis(100);
            let _unasked = self.tell("notifications/initialized", wait).await;
        }
        heard
    }
}

/// The parameters of a handshake that asks for `revision`.
#[must_use]
pub fn initialize(software: Software, revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": software.name, "version": software.version},
    })
}
