//! Health, metrics, manifest, alerts and dashboard. The two probe paths answer anybody with a
//! status word; everything else is checked for Host, Origin, credential, role and rate.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::gate::{self, Gate};
use super::refusal::Refusal;
use super::runbook;
use super::screen::Screen;
use crate::auth::Principal;
use crate::config::Current;
use crate::observe::dashboard;
use crate::observe::health::{Health, Status};
use crate::observe::manifest::{Identity, VERSION, now_utc};
use crate::router::estimate::Estimate;

/// Draws up the manifest anew.
pub type Manifest = Arc<dyn Fn() -> BoxFuture<'static, Value> + Send + Sync>;

/// What the admin pages show.
#[derive(Clone)]
pub struct Admin {
    /// The checks.
    pub gate: Gate,
    /// Component states.
    pub health: Health,
    /// This process.
    pub identity: Identity,
    /// The manifest.
    pub manifest: Manifest,
    /// How long an attempt at each model may take.
    pub estimates: Vec<Estimate>,
    /// The dashboard.
    pub screen: Screen,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
    /// The static scrape token, which a reload may replace.
    pub scrape_token: Current<Option<SecretString>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Detail,
    Metrics,
    Manifest,
    Alerts,
    Estimates,
    Dashboard,
}

/// The routes of the admin listener.
pub fn routes(admin: Admin) -> Router {
    let page = |page: Page| {
        get(
            move |State(admin): State<Arc<Admin>>, request: Request| async move {
                show(&admin, page, request).await
            },
        )
    };
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health", page(Page::Detail))
        .route("/metrics", page(Page::Metrics))
        .route("/manifest", page(Page::Manifest))
        .route("/alerts", page(Page::Alerts))
        .route("/api/v1/timeout/estimate", page(Page::Estimates))
        .route("/dashboard", page(Page::Dashboard))
        .route("/", page(Page::Dashboard))
        .route("/runbooks/{name}", get(runbook::show))
        .with_state(Arc::new(admin))
}

async fn live() -> &'static str {
    "live"
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if admin.health.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    }
}

async fn show(admin: &Admin, page: Page, request: Request) -> Response {
    let (mut asked, source) = admin.gate.asked(&request, &gate::correlation_of(&request));
    let headers = request.headers();
    let checked = match admin.gate.origins.check(request.uri(), headers) {
        Err(stranger) => Err((Refusal::stranger(stranger), None)),
        Ok(()) => match admin.gate.take_rate(source) {
            Err(refusal) => Err((refusal, None)),
            Ok(()) => admin.authorize(page, headers),
        },
    };
    match checked {
        Ok(()) => admin.draw(page, headers).await,
        Err((refusal, principal)) => {
            asked.principal = principal.map_or(asked.principal, |p| p.name().to_owned());
            admin.gate.desk.refuse(refusal, asked).await
        }
    }
}

type Denied = (Refusal, Option<Principal>);

impl Admin {
    fn authorize(&self, page: Page, headers: &HeaderMap) -> Result<(), Denied> {
        if self.gate.is_open() || (page == Page::Metrics && self.metrics_open) {
            return Ok(());
        }
        // A browser that opens a page has no token to show. What it gets asks for one, and holds
        // no figure.
        if page == Page::Dashboard && !headers.contains_key(AUTHORIZATION) {
            return Ok(());
        }
        if self.is_scrape_token(headers) {
            let allowed = page == Page::Metrics;
            return if allowed {
                Ok(())
            } else {
                Err((Refusal::forbidden(), None))
            };
        }
        let principal = self
            .gate
            .authenticate(headers)
            .map_err(|refusal| (refusal, None))?;
        let allowed = match page {
            Page::Metrics => principal.may_scrape(),
            Page::Detail | Page::Manifest | Page::Alerts | Page::Estimates | Page::Dashboard => {
                principal.may_administer()
            }
        };
        if allowed {
            Ok(())
        } else {
            Err((Refusal::forbidden(), Some(principal)))
        }
    }

    fn is_scrape_token(&self, headers: &HeaderMap) -> bool {
        let wanted = self.scrape_token.get();
        let (Some(wanted), Ok(got)) = (wanted.as_ref(), gate::bearer(headers)) else {
            return false;
        };
        wanted
            .expose_secret()
            .as_bytes()
            .ct_eq(got.as_bytes())
            .into()
    }

    async fn draw(&self, page: Page, headers: &HeaderMap) -> Response {
        match page {
            Page::Detail => self.detail(),
            Page::Metrics => self.metrics(headers),
            Page::Manifest => json_page(StatusCode::OK, (self.manifest)().await),
            Page::Alerts => self.alerts(),
            Page::Estimates => json_page(StatusCode::OK, json!({"estimates": self.estimates})),
            Page::Dashboard => self.dashboard(headers),
        }
    }

    fn alerts(&self) -> Response {
        let firing = self.screen.watch.read(|_, alerts| alerts.firing());
        json_page(
            StatusCode::OK,
            json!({"firing": firing, "timestamp_utc": now_utc()}),
        )
    }

    fn dashboard(&self, headers: &HeaderMap) -> Response {
        let is_known = self.gate.is_open() || headers.contains_key(AUTHORIZATION);
        let parts = if is_known {
            self.screen.parts()
        } else {
            Vec::new()
        };
        let mut response = Response::new(Body::from(dashboard::page(&parts)));
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, dashboard::policy()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn detail(&self) -> Response {
        let detail = self.health.detail();
        let status = match detail.status {
            Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
            Status::Healthy | Status::Degraded => StatusCode::OK,
        };
        let page = json!({
            "status": detail.status,
            "components": detail.components,
            "not_ready": detail.not_ready,
            "version": VERSION,
            "instance": self.identity.instance(),
            "timestamp_utc": now_utc(),
        });
        json_page(status, page)
    }

    fn metrics(&self, headers: &HeaderMap) -> Response {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let is_open = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        let metrics = &self.gate.desk.metrics;
        let (kind, text) = if is_open {
            (
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                metrics.open_metrics(),
            )
        } else {
            (
                "text/plain; version=0.0.4; charset=utf-8",
                metrics.prometheus(),
            )
        };
        let mut response = Response::new(Body::from(text));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

fn json_page(status: StatusCode, page: Value) -> Response {
    use axum::response::IntoResponse as _;
    (status, Json(page)).into_response()
}
