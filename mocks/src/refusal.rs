//! What a vendor says when it will not serve a request: status, headers and body in the vendor's
//! own form (`specs/providers.md` sections 1.5, 2.5, 3.6).

use serde_json::{Value, json};

use crate::key::{KeyState, Limit};
use crate::provider::Route;

/// A refusal ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Header names and values beside the content's own.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Box<Value>,
    /// The journal's word for it: the vendor's type or code.
    pub reason: String,
}

impl Refusal {
    /// Kimi: `{"error":{"message","type"}}`.
    #[must_use]
    pub fn kimi(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let body = json!({"error": {"message": message.into(), "type": kind}});
        Self {
            status,
            headers: Vec::new(),
            body: Box::new(body),
            reason: kind.to_owned(),
        }
    }

    /// GLM: `{"error":{"code","message"}}`, the code a numeric string.
    #[must_use]
    pub fn glm(status: u16, code: &str, message: impl Into<String>) -> Self {
        let body = json!({"error": {"code": code, "message": message.into()}});
        Self {
            status,
            headers: Vec::new(),
            body: Box::new(body),
            reason: code.to_owned(),
        }
    }

    /// MiniMax: `{"type":"error","error":{"type","message"},"request_id"}`, the code in the text.
    #[must_use]
    pub fn minimax(status: u16, kind: &str, code: u32, message: &str) -> Self {
        let message = format!("{message} ({code})");
        let error = json!({"type": kind, "message": message});
        let body = json!({"type": "error", "error": error, "request_id": request_id(code)});
        Self {
            status,
            headers: Vec::new(),
            body: Box::new(body),
            reason: code.to_string(),
        }
    }

    /// A parameter the vendor does not accept, in the words it uses for that.
    #[must_use]
    pub fn parameter(route: Route, message: impl Into<String>) -> Self {
        let message = message.into();
        match route {
            Route::KimiChat => Self::kimi(400, "invalid_request_error", message),
            Route::GlmChat => Self::glm(400, "1214", message),
            Route::MiniMaxMessages | Route::MiniMaxChat => {
                let text = format!("invalid params, {message}");
                Self::minimax(400, "invalid_request_error", 2013, &text)
            }
        }
    }

    /// A required field that is missing.
    #[must_use]
    pub fn missing(route: Route, field: &str) -> Self {
        match route {
            Route::GlmChat => Self::glm(400, "1213", format!("{field} was not received normally")),
            _ => Self::parameter(route, format!("{field} is required")),
        }
    }

    /// A model the vendor does not serve, or no longer.
    #[must_use]
    pub fn model(route: Route, name: &str) -> Self {
        match route {
            Route::KimiChat => Self::kimi(
                404,
                "resource_not_found_error",
                format!("Not found the model {name} or Permission denied"),
            ),
            Route::GlmChat => Self::glm(400, "1211", "Unknown Model, please check the model code."),
            _ => Self::parameter(route, format!("unknown model '{name}'")),
        }
    }

    /// More tokens asked for than the model's context holds.
    #[must_use]
    pub fn too_long(route: Route, context: u64, asked: u64) -> Self {
        match route {
            Route::GlmChat => Self::glm(400, "1261", "Prompt exceeds max length"),
            Route::KimiChat => Self::parameter(
                route,
                format!(
                    "Invalid request: Your request exceeded model token limit: {context} \
                     (requested: {asked})"
                ),
            ),
            _ => Self::parameter(route, format!("context window exceeds limit ({context})")),
        }
    }

    /// A key the vendor does not know, or `None` was sent.
    #[must_use]
    pub fn unknown_key(route: Route, sent: bool) -> Self {
        match (route, sent) {
            (Route::KimiChat, false) => Self::kimi(
                401,
                "invalid_authentication_error",
                "Invalid Authentication",
            ),
            (Route::KimiChat, true) => {
                Self::kimi(401, "incorrect_api_key_error", "Incorrect API key provided")
            }
            (Route::GlmChat, false) => {
                Self::glm(401, "1001", "Authorization header was not received")
            }
            (Route::GlmChat, true) => Self::glm(401, "1000", "Authentication Failed"),
            (_, false) => Self::minimax(
                401,
                "authentication_error",
                1004,
                "login fail: Please carry the API secret key in the request header",
            ),
            (_, true) => Self::minimax(401, "authorized_error", 2049, "invalid api key"),
        }
    }

    /// A known key in a state that is not served.
    #[must_use]
    pub fn key_state(route: Route, state: KeyState) -> Option<Self> {
        Some(match (route, state) {
            (_, KeyState::Valid) => return None,
            (Route::KimiChat, KeyState::NoBalance) => Self::kimi(
                429,
                "exceeded_current_quota_error",
                "Your account is suspended, please check your plan and billing details",
            ),
            (Route::KimiChat, _) => Self::kimi(
                401,
                "invalid_authentication_error",
                "Invalid Authentication",
            ),
            (Route::GlmChat, KeyState::WrongRegion) => {
                Self::glm(401, "1000", "Authentication Failed")
            }
            (Route::GlmChat, _) => Self::glm(
                429,
                "1113",
                "Insufficient balance or no resource package. Please recharge.",
            ),
            (_, KeyState::WrongRegion) => {
                Self::minimax(401, "authorized_error", 2049, "invalid api key")
            }
            (_, _) => Self::minimax(
                402,
                "insufficient_balance_error",
                1008,
                "insufficient balance",
            ),
        })
    }

    /// A tier's limit.
    #[must_use]
    pub fn limit(route: Route, limit: Limit) -> Self {
        match route {
            Route::KimiChat => Self::kimi(429, "rate_limit_reached_error", kimi_limit(limit)),
            Route::GlmChat => Self::glm(429, "1302", "High concurrency usage of this API"),
            _ => {
                let (code, text) = match limit {
                    Limit::Concurrency(_) => (1041, "connection limit"),
                    Limit::Requests(_) => (1002, "rate limit exceeded(RPM)"),
                    Limit::Tokens(_) => (1039, "token limit exceeded(TPM)"),
                };
                Self::minimax(429, "rate_limit_error", code, text)
            }
        }
    }
}

fn kimi_limit(limit: Limit) -> String {
    let (what, most) = match limit {
        Limit::Concurrency(most) => ("concurrency", u64::from(most)),
        Limit::Requests(most) => ("RPM", u64::from(most)),
        Limit::Tokens(most) => ("TPM", most),
    };
    format!(
        "Your account org-7f3a<ak-9c1e> request reached organization max {what}: {most}, please \
         try again after 1 seconds"
    )
}

/// A request id of MiniMax's form: 32 hexadecimal digits.
#[must_use]
pub fn request_id(seed: u32) -> String {
    let mixed = u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{mixed:032x}")
}
