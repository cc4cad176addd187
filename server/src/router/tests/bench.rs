//! A scripted Kimi with a healthy GLM behind it, and the questions put to them.

use secrecy::SecretString;

use super::super::ask::{CallKind, Message, Speaker};
use super::super::clock::{ClassClocks, Clocks};
use super::super::*;
use super::scripted::{Line, Scripted};

pub const KEY: &str = "sk-0123456789abcdefKEYOFTHETEST";

pub fn settings() -> Settings {
    let clocks = ClassClocks {
        first_token: Duration::from_millis(400),
        idle: Duration::from_millis(400),
        total: Duration::from_secs(5),
        workflow: Duration::from_secs(5),
        expert: Duration::from_secs(5),
    };
    let mut settings = Settings {
        clocks: Clocks {
            prompt: clocks,
            thinking: clocks,
        },
        ..Settings::default()
    };
    settings.retry.waits = vec![Duration::from_millis(2)];
    settings
}

pub fn row(dialect: Dialect, url: Option<&str>) -> ProviderRow {
    ProviderRow {
        name: dialect.name().to_owned(),
        label: String::new(),
        dialect,
        base_url: url.unwrap_or("http://127.0.0.1:9").parse().unwrap(),
        key: url.map(|_| SecretString::from(KEY)),
        key_variables: vec![format!("{}_API_KEY", dialect.name().to_uppercase())],
        is_enabled: true,
        models: Vec::new(),
        in_flight: 8,
    }
}

pub fn router_with(settings: Settings, rows: Vec<ProviderRow>) -> Router {
    let catalogue = Catalogue::embedded().unwrap();
    Router::new(settings, rows, catalogue, Metrics::new()).unwrap()
}

pub fn ask(model: &str, stream: bool) -> Ask {
    let text = "what is 6 x 7?".to_owned();
    Ask {
        provider: None,
        tool: "chat",
        model: Some(model.to_owned()),
        system: "be brief".to_owned(),
        messages: vec![Message {
            speaker: Speaker::User,
            text,
            images: Vec::new(),
            thoughts: None,
        }],
        temperature: Some(0.3),
        thinking: None,
        websearch: false,
        max_output_tokens: None,
        kind: CallKind::Chat,
        stream,
    }
}

pub fn context() -> CallContext {
    CallContext {
        correlation_id: "c0ffee".to_owned(),
        principal: "anonymous".to_owned(),
        ..CallContext::default()
    }
}

pub fn chat_whole(text: &str) -> Line {
    let body = serde_json::json!({
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    });
    Line::Whole(200, "application/json", body.to_string())
}

pub fn piece(text: &str) -> String {
    let frame = serde_json::json!({"choices": [{"delta": {"content": text}}]});
    format!("data: {frame}\n\n")
}

pub fn chat_end() -> String {
    let frame = serde_json::json!({
        "choices": [{"delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    });
    format!("data: {frame}\n\ndata: [DONE]\n\n")
}

pub fn chat_stream(pieces: &[&str]) -> Line {
    let pieces = pieces.iter().map(|text| piece(text)).chain([chat_end()]);
    Line::Stream(pieces.collect())
}

pub fn refusal(status: u16, body: &str) -> Line {
    Line::Whole(status, "application/json", body.to_owned())
}

/// Asks Kimi's prompt model with the scripted Kimi first and a healthy GLM behind it.
pub struct Bench {
    pub kimi: Scripted,
    pub glm: Scripted,
    pub router: Router,
}

impl Bench {
    pub async fn new(lines: Vec<Line>) -> Self {
        Self::with(lines, settings()).await
    }

    pub async fn with(lines: Vec<Line>, settings: Settings) -> Self {
        Self::beside(lines, chat_stream(&["from ", "glm"]), settings).await
    }

    /// With a fallback of the test's own.
    pub async fn beside(lines: Vec<Line>, fallback: Line, settings: Settings) -> Self {
        let kimi = Scripted::start(lines).await;
        let glm = Scripted::start(vec![fallback]).await;
        let rows = vec![
            row(Dialect::Kimi, Some(&kimi.url)),
            row(Dialect::Glm, Some(&glm.url)),
        ];
        Self {
            kimi,
            glm,
            router: router_with(settings, rows),
        }
    }

    pub async fn ask(&self) -> Result<Answer, Failure> {
        self.router.ask(ask("kimi-k2.6", true), &context()).await
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.kimi.seen().len(), self.glm.seen().len())
    }
}
