//! What a vendor answers beside completions: its models, the files it keeps, and paths it does not
//! have.

use serde_json::{Value, json};

use crate::desk::{find_key, json_head, refused};
use crate::key::KeyTable;
use crate::model;
use crate::provider::{Provider, Route};
use crate::refusal::Refusal;
use crate::reply::{Head, Reply};
use crate::request::Request;
use crate::shelf::Shelf;

/// Answers what is not a completion: the model list, files where the vendor keeps them (`of_files`,
/// by the key's id), or a path the vendor does not have. None of it is journalled; it is counted as
/// `other`.
#[must_use]
pub fn beside(
    (provider, keys): (Provider, &KeyTable),
    request: &Request,
    of_files: impl Fn(&str) -> Reply,
) -> Reply {
    let (route, path) = match provider {
        Provider::Kimi => (Route::KimiChat, "/v1/models"),
        Provider::Glm => (Route::GlmChat, "/api/paas/v4/models"),
        Provider::MiniMax => (Route::MiniMaxMessages, "/v1/models"),
    };
    let is_file = provider == Provider::Kimi && Shelf::has(&request.path);
    if !is_file && (request.method != "GET" || request.path != path) {
        return nothing_there(route, &request.path);
    }
    let key = match find_key(keys, request) {
        Ok(key) => key,
        Err(sent) => return refused(&Refusal::unknown_key(route, sent)),
    };
    if let Some(refusal) = Refusal::key_state(route, key.state) {
        return refused(&refusal);
    }
    if is_file {
        return of_files(&key.id);
    }
    Reply::whole(
        json_head(route, 200),
        models(provider).to_string().as_bytes(),
    )
}

/// What a vendor says of a path it does not serve.
fn nothing_there(route: Route, path: &str) -> Reply {
    match route {
        Route::KimiChat => refused(&Refusal::kimi(
            404,
            "resource_not_found_error",
            format!("The requested resource {path} was not found"),
        )),
        // As seen at the vendor: a wrong path is a 500 whose text says 404.
        Route::GlmChat => refused(&Refusal::glm(500, "500", "404 NOT_FOUND")),
        _ => Reply::whole(Head::new(404, "text/plain"), b"404 page not found"),
    }
}

/// The model list in the vendor's form. GLM lists its core text models only.
fn models(provider: Provider) -> Value {
    let current = model::table(provider).iter().filter(|model| !model.retired);
    let rows: Vec<Value> = current
        .filter(|model| provider != Provider::Glm || !model.images)
        .map(|model| match provider {
            Provider::Kimi => json!({
                "id": model.name, "object": "model", "created": 1_780_000_000,
                "owned_by": "moonshot", "context_length": model.context,
                "supports_image_in": model.images, "supports_video_in": model.images,
                "supports_reasoning": model.thinking != model::Thinking::None,
            }),
            Provider::Glm => json!({"id": model.name, "object": "model", "owned_by": "z-ai"}),
            Provider::MiniMax => json!({
                "id": model.name, "object": "model", "created": 1_780_000_000,
                "owned_by": "minimax",
            }),
        })
        .collect();
    json!({"object": "list", "data": rows})
}
