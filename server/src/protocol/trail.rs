//! The trace that a caller's request belongs to.

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::observe::trace::Place;

/// The name of the caller's span, in metadata as in headers.
const TRACEPARENT: &str = "traceparent";

/// The caller's span: from the request's metadata, else from the HTTP request's header.
pub(super) fn parent(context: &RequestContext<RoleServer>) -> Option<Place> {
    let named = context.meta.get(TRACEPARENT).and_then(Value::as_str);
    let parts = context.extensions.get::<Parts>();
    let header = || parts?.headers.get(TRACEPARENT)?.to_str().ok();
    Place::parse(named.or_else(header)?)
}
