//! Why a connection is closed: the code and the sentence that go into its close frame.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Bytes of a reason; a control frame holds 125 with the code.
const LONGEST: usize = 120;

/// The last word on a connection; without a code there is nobody left to hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    code: Option<u16>,
    reason: Cow<'static, str>,
}

impl Farewell {
    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self {
            code: Some(code),
            reason: Cow::Borrowed(reason),
        }
    }

    /// The peer has closed the connection, or it broke.
    pub const fn gone() -> Self {
        Self {
            code: None,
            reason: Cow::Borrowed(""),
        }
    }

    /// 1001: this process is ending.
    pub const fn ending() -> Self {
        Self::fixed(1001, "the server is ending; connect again")
    }

    /// 1003: a binary message.
    pub const fn binary() -> Self {
        Self::fixed(1003, "send text frames; binary ones are not accepted")
    }

    /// 1008: a limit was reached.
    pub const fn over(what: &'static str) -> Self {
        Self::fixed(1008, what)
    }

    /// 1011: pings stay unanswered.
    pub const fn silent() -> Self {
        Self::fixed(1011, "no answer to a ping")
    }

    /// 4001: the dialect's rules were broken beyond an error message.
    pub const fn protocol(why: &'static str) -> Self {
        Self::fixed(4001, why)
    }

    /// 4001: no subprotocol that is spoken here was offered.
    pub const fn no_dialect() -> Self {
        Self::fixed(4001, "offer the subprotocol mcp or exai.v1")
    }

    /// 4000: text that is no JSON.
    pub const fn no_json(why: &'static str) -> Self {
        Self::fixed(4000, why)
    }

    /// 4002: no hello in time.
    pub const fn no_hello() -> Self {
        Self::fixed(4002, "no hello in time")
    }

    /// 4003: a credential is missing or refused.
    pub const fn unauthorized() -> Self {
        Self::fixed(4003, "unauthorized")
    }

    /// What the frame layer could not take.
    pub fn unread(error: &Error) -> Self {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => Self {
                code: Some(1009),
                reason: format!("a message holds at most {max_size} bytes").into(),
            },
            Error::Utf8(_) => Self::fixed(1007, "text frames hold UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::gone(),
            Error::Protocol(_) => Self::fixed(1002, "this breaks RFC 6455"),
            _ => Self::gone(),
        }
    }

    /// The frame to send, if anybody is there to read it.
    pub fn frame(&self) -> Option<CloseFrame> {
        let code = self.code?;
        let reason: String = self.reason.chars().filter(char::is_ascii).collect();
        Some(CloseFrame {
            code: code.into(),
            reason: reason.get(..LONGEST).unwrap_or(&reason).into(),
        })
    }
}
