//! `exai serve`: spawn and drain.
//!
//! The order of the ending: readiness off, stop accepting, wait for calls in flight (bounded), end
//! the protocol's streams, close what is left, put the record on disk. A second signal cuts it
//! short.

mod background;

use std::sync::Arc;
use std::time::Duration;

use axum::Router as Routes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guard::Guard;
use super::reload::Reloading;
use super::signals::Signals;
use super::{App, AppError, manifest};
use crate::auth::audit::Audit;
use crate::auth::daemon_key::DaemonKey;
use crate::cli::BUG;
use crate::config::{AuthMode, Config, Sources, StoreKind};
use crate::protocol;

use crate::transport::admin::{self, Admin};
use crate::transport::door::{Door, Threshold};
use crate::transport::file;
use crate::transport::gate::Gate;
use crate::transport::mcp;
use crate::transport::public;
use crate::transport::rate::Rates;
use crate::transport::refusal::Desk;
use crate::transport::screen::Screen;
use crate::transport::session::Handshakes;
use crate::transport::ws::names::Names;
use crate::transport::ws::{self, Ws};

/// How long streams may take to end after the calls have.
const STREAMS: Duration = Duration::from_secs(2);

/// Everything that was spawned, and the handles to end it.
struct Running {
    calls: TaskTracker,
    connections: TaskTracker,
    admin_connections: TaskTracker,
    doors: Vec<JoinHandle<()>>,
    background: TaskTracker,
    stop: CancellationToken,
    admin_stop: CancellationToken,
    kill: CancellationToken,
    protocol: CancellationToken,
    ending: CancellationToken,
}

impl Running {
    fn new() -> Self {
        Self {
            calls: TaskTracker::new(),
            connections: TaskTracker::new(),
            admin_connections: TaskTracker::new(),
            doors: Vec::new(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
            admin_stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            protocol: CancellationToken::new(),
            ending: CancellationToken::new(),
        }
    }
}

/// The listeners, bound before anything is served.
struct Bound {
    public: TcpListener,
    admin: Option<TcpListener>,
}

impl Bound {
    async fn bind(config: &Config) -> Result<Self, AppError> {
        let listen = |key: &'static str, address| async move {
            TcpListener::bind(address).await.map_err(|error| {
                let fix = "stop what listens there, or choose another address";
                AppError::theirs(key, format!("{address}: {error}; {fix}"))
            })
        };
        let public = listen("server.listen", config.server.listen).await?;
        let admin = match config.server.is_shared_listener() {
            true => None,
            false => Some(listen("server.admin", config.server.admin).await?),
        };
        Ok(Self { public, admin })
    }

    fn addresses(&self) -> std::io::Result<(std::net::SocketAddr, std::net::SocketAddr)> {
        let public = self.public.local_addr()?;
        let admin = self
            .admin
            .as_ref()
            .map_or(Ok(public), TcpListener::local_addr)?;
        Ok((public, admin))
    }
}

/// Runs until a signal, then drains.
pub(super) async fn serve(config: Config, sources: Sources) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let app = App::build(config).await?;
    let _guard = guard(&app).await?;
    let (audit, writer) = open_audit(&app).await?;
    app.files.record_in(audit.clone());
    let bound = app.stages.run("listen", Bound::bind(&app.config)).await?;
    let (public, admin) = bound
        .addresses()
        .map_err(|error| AppError::ours("listen", error, BUG))?;
    let key = async { DaemonKey::of_daemon(&app.config) };
    let key = app.stages.run("daemon_key", key).await;
    let key = key.map_err(|error| AppError::theirs("daemon_key", error))?;
    let mut running = Running::new();
    let desk = Desk {
        metrics: app.metrics.clone(),
        audit: Some(audit.clone()),
    };
    let calls = running.calls.clone();
    let gate = Gate::new(&app.config, desk, &[public, admin], calls, &app.toolbox)
        .map_err(|error| AppError::theirs("auth", error))?
        .among(app.store.shared());
    let reloading = reloading(&app, &gate, (sources, audit.clone()));
    background::hold_rates(&app, &gate, &running);
    open_doors(&app, (gate, key), bound, &mut running)?;
    background::spawn(&app, reloading, &running);
    if app.config.auth.mode == AuthMode::None {
        tracing::warn!("authentication is off: whoever reaches the loopback address is admin");
    }
    if protocol::HAS_FIXTURES {
        tracing::warn!(
            "this build answers the conformance suite's fixtures over HTTP: never give it to users"
        );
    }
    tracing::info!(%public, %admin, pid = std::process::id(), "listening");
    let signal = signals.next().await;
    tracing::info!(signal, "draining");
    let code = tokio::select! {
        () = drain(&app, running) => 0,
        second = signals.next() => if second == "SIGINT" { 130 } else { 143 },
    };
    if code == 0 {
        // Not by dropping the last handle: what lives as long as the process holds some.
        audit.end().await;
        let _ = tokio::time::timeout(STREAMS, writer).await;
        tracing::info!("stopped");
        return Ok(());
    }
    Err(AppError::ours(
        "drain",
        "cut short by a second signal",
        code,
    ))
}

/// Keeps a second daemon from the address, where its state is this machine's alone.
async fn guard(app: &App) -> Result<Option<Guard>, AppError> {
    if app.config.store.kind == StoreKind::Redis {
        app.stages.skip("guard", "daemons on Redis are replicas");
        return Ok(None);
    }
    let (folder, address) = (app.config.server.state_dir(), app.config.server.listen);
    let taking = async { Guard::take(&folder, address) };
    let taken = app.stages.run("guard", taking).await;
    taken
        .map(Some)
        .map_err(|error| AppError::theirs("guard", error))
}

async fn open_audit(app: &App) -> Result<(Audit, JoinHandle<()>), AppError> {
    let row = &app.config.audit;
    let path = row.path(&app.config.server.state_dir());
    let opening = Audit::open(&path, (row.queue, row.bytes), app.health.clone());
    app.stages
        .run("audit", opening)
        .await
        .map_err(|error| AppError::theirs("audit", format!("{}: {error}", path.display())))
}

fn reloading(app: &App, gate: &Gate, (sources, audit): (Sources, Audit)) -> Reloading {
    let settings = &app.toolbox.surroundings().settings;
    Reloading {
        sources,
        config: Arc::clone(&app.config),
        access: gate.access.clone(),
        policy: settings.policy.clone(),
        default_model: settings.default_model.clone(),
        seal: settings.seal.clone(),
        budgets: app.toolbox.surroundings().spending.budgets().clone(),
        router: Arc::clone(&app.router),
        scrape_token: app.scrape_token.clone(),
        digests: app.digests.clone(),
        remote: gate.remote.clone(),
        rates: Arc::clone(&gate.rates),
        audit,
    }
}

/// A listener's connections, and what stops it.
type Ends<'a> = (&'a TaskTracker, &'a CancellationToken);

fn open_doors(
    app: &App,
    (gate, key): (Gate, DaemonKey),
    bound: Bound,
    running: &mut Running,
) -> Result<(), AppError> {
    let config = &app.config;
    let instance: Arc<str> = app.identity.instance().into();
    let issuer = (config.auth.mode == AuthMode::Jwt).then(|| config.auth.jwt.issuer.clone());
    let handshakes = Handshakes::of(&gate.sessions);
    let protocol = mcp::service(&app.toolbox, config, running.protocol.clone(), handshakes);
    let protocol = protocol.map_err(|error| AppError::ours("protocol", error, BUG))?;
    let daemon = daemon(app, (&gate, key), running);
    let pages = admin_routes(app, &daemon, running);
    let desk = gate.desk.clone();
    let threshold = Threshold::new(&config.limits, gate.server.trusted_proxies.clone().into())
        .with_preamble(config.server.proxy_protocol);
    let public_routes = public::routes(protocol, gate.clone(), issuer)
        .merge(file::routes(gate, app.files.clone()))
        .merge(ws::routes(daemon));
    let finish = |routes: Routes| public::finished(routes, desk.clone(), Arc::clone(&instance));
    let door = |listener, router, threshold, (connections, stop): Ends<'_>| Door {
        listener,
        router,
        threshold,
        desk: desk.clone(),
        connections: connections.clone(),
        stop: stop.clone(),
        kill: running.kill.clone(),
    };
    let in_public = (&running.connections, &running.stop);
    let in_admin = (&running.admin_connections, &running.admin_stop);
    let doors = match bound.admin {
        None => {
            let router = finish(public_routes.merge(pages));
            vec![door(bound.public, router, threshold, in_public)]
        }
        Some(listener) => {
            // Counts of its own: a flood at the public listener must not blind this one.
            let own = Threshold::new(&config.limits, threshold.trusted())
                .with_preamble(config.server.proxy_protocol);
            let router = finish(public_routes);
            vec![
                door(bound.public, router, threshold, in_public),
                door(listener, finish(pages), own, in_admin),
            ]
        }
    };
    running.doors = doors
        .into_iter()
        .map(|door| tokio::spawn(door.run()))
        .collect();
    Ok(())
}

fn daemon(app: &App, (gate, key): (&Gate, DaemonKey), running: &Running) -> Ws {
    Ws {
        gate: gate.clone(),
        toolbox: app.toolbox.clone(),
        health: app.health.clone(),
        key,
        names: Names::default(),
        screen: screen(app),
        connections: running.connections.clone(),
        stop: running.stop.clone(),
        ending: running.protocol.clone(),
    }
}

fn screen(app: &App) -> Screen {
    Screen {
        watch: app.watch.clone(),
        health: app.health.clone(),
        toolbox: app.toolbox.clone(),
    }
}

fn admin_routes(app: &App, daemon: &Ws, running: &Running) -> Routes {
    let drawn = app.clone();
    let mut gate = daemon.gate.clone();
    // Scrapers and probes share an address with callers on one host; their rates are apart.
    gate.rates = Arc::new(Rates::new(&app.config.limits.rate));
    let feed = Ws {
        gate: gate.clone(),
        connections: running.admin_connections.clone(),
        stop: running.admin_stop.clone(),
        ending: running.admin_stop.clone(),
        ..daemon.clone()
    };
    let pages = admin::routes(Admin {
        gate,
        health: app.health.clone(),
        identity: app.identity.clone(),
        manifest: Arc::new(move || {
            let app = drawn.clone();
            Box::pin(async move { manifest::draw(&app).await })
        }),
        estimates: app.router.estimates(),
        screen: screen(app),
        metrics_open: app.config.metrics_open,
        scrape_token: app.scrape_token.clone(),
    });
    pages.merge(ws::monitoring(feed))
}

async fn drain(app: &App, running: Running) {
    app.health.drain();
    running.stop.cancel();
    running.calls.close();
    let work = async {
        running.calls.wait().await;
        app.toolbox.finish().await;
    };
    tokio::pin!(work);
    let deadline = app.config.server.drain;
    if tokio::time::timeout(deadline, &mut work).await.is_err() {
        let calls = running.calls.len();
        tracing::warn!(calls, "the drain limit cuts the calls in flight");
        // Each is told so, and has a moment to hear it.
        app.toolbox.cut();
        let _ = tokio::time::timeout(STREAMS, &mut work).await;
    }
    running.protocol.cancel();
    end(&running.connections, &running.kill).await;
    running.admin_stop.cancel();
    end(&running.admin_connections, &running.kill).await;
    for door in running.doors {
        let _ = door.await;
    }
    running.ending.cancel();
    let _ = tokio::time::timeout(STREAMS, running.background.wait()).await;
    let journal = app.toolbox.surroundings().journal.clone();
    let _ = tokio::task::spawn_blocking(move || journal.flush()).await;
}

/// Waits for connections to end by themselves, then ends them.
async fn end(connections: &TaskTracker, kill: &CancellationToken) {
    connections.close();
    if tokio::time::timeout(STREAMS, connections.wait())
        .await
        .is_err()
    {
        kill.cancel();
        let _ = tokio::time::timeout(STREAMS, connections.wait()).await;
    }
}
