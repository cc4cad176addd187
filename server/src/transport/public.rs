//! The routes of the public listener: the protocol, the protected-resource metadata (RFC 9728) and
//! what browsers ask before they may read.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_TYPE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::gate::{self, Gate};
use super::refusal::{Desk, Refusal};
use crate::config::Server;

/// Metadata of the whole server.
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Metadata of `/mcp`.
pub const METADATA_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

/// The protocol behind its checks, and the metadata when tokens are asked for.
pub fn routes<S>(protocol: S, gate: Gate, issuer: Option<String>) -> Router
where
    S: tower::Service<Request, Error = std::convert::Infallible> + Clone + Send + Sync + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    let mcp = Router::new()
        .nest_service("/mcp", protocol)
        .layer(from_fn_with_state(gate.clone(), gate::mcp));
    let Some(issuer) = issuer else { return mcp };
    let metadata = Router::new()
        .route(METADATA, get(metadata))
        .route(METADATA_MCP, get(metadata))
        .with_state((Arc::<str>::from(issuer), Arc::clone(&gate.server)))
        .layer(from_fn(
            move |request: Request, next: axum::middleware::Next| {
                let gate = gate.clone();
                async move {
                    match gate.origins.check(request.uri(), request.headers()) {
                        Ok(()) => next.run(request).await,
                        Err(stranger) => {
                            let (asked, _) = gate.asked(&request, &gate::correlation_of(&request));
                            gate.desk.refuse(Refusal::stranger(stranger), asked).await
                        }
                    }
                }
            },
        ));
    mcp.merge(metadata)
}

/// Adds what every route has: the answer to unknown paths and the outermost layer.
pub fn finished(routes: Router, desk: Desk, instance: Arc<str>) -> Router {
    routes
        .fallback(unknown)
        .layer(from_fn_with_state((desk, instance), gate::outermost))
}

async fn unknown() -> Response {
    let mut response = Response::new(Body::from(
        "{\"error\":\"not found; MCP is at /mcp and /ws\"}",
    ));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

async fn metadata(
    State((issuer, server)): State<(Arc<str>, Arc<Server>)>,
    headers: HeaderMap,
) -> axum::Json<serde_json::Value> {
    axum::Json(json!({
        "resource": format!("{}/mcp", server.origin(&headers)),
        "authorization_servers": [*issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "exai",
    }))
}

/// The answer to a browser's preflight: an allowed origin may ask, nobody may with credentials.
pub(super) fn preflight(request: &Request) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = request.headers().get(ORIGIN) {
        let headers = response.headers_mut();
        allow_reading(headers, origin.clone());
        let methods = HeaderValue::from_static("GET, POST, DELETE");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        let names = "authorization, content-type, accept, last-event-id, mcp-session-id, \
                     mcp-protocol-version, mcp-method, mcp-name";
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(names),
        );
    }
    response
}

/// Lets a page of an allowed origin read the answer and the ids in its headers.
pub(super) fn allow_reading(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(VARY, HeaderValue::from_static("origin"));
    let exposed = "mcp-session-id, exai-instance, exai-correlation-id, www-authenticate";
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(exposed),
    );
}
