//! The simulator's second listener, for the harness alone: change the plan, read journal and
//! counters, ask whether it is alive.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::json;

use crate::plan::Plan;
use crate::simulator::Simulator;

/// The control listener's routes.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/plan", put(replace))
        .route("/journal", get(journal))
        .route("/counters", get(counters))
        .route("/probe", get(probe))
        .with_state(simulator)
}

async fn replace(State(simulator): State<Arc<Simulator>>, body: String) -> Response {
    let result = serde_json::from_str::<Plan>(&body)
        .map_err(|error| error.to_string())
        .and_then(|plan| simulator.replace(plan).map_err(|error| error.to_string()));
    match result {
        Ok(()) => Json(json!({"installed": true})).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response(),
    }
}

async fn journal(
    State(simulator): State<Arc<Simulator>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let after = query.get("after").map_or(Ok(0), |text| text.parse());
    match after {
        Ok(after) => Json(simulator.journal(after)).into_response(),
        Err(_) => (StatusCode::BAD_REQUEST, "after must be a whole number").into_response(),
    }
}

async fn counters(State(simulator): State<Arc<Simulator>>) -> Response {
    Json(simulator.counters()).into_response()
}

async fn probe(State(simulator): State<Arc<Simulator>>) -> Response {
    Json(simulator.probe()).into_response()
}
