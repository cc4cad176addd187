//! `impostor`: spoils a good server in one named way. HTTP edges print their record on standard
//! output and end with their input; the stdio edge lends both to the server and writes to a file;
//! on the process edge it becomes the server.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use exai_mocks::clock::monotonic_ns;
use exai_mocks::command_line::{self, SOFTWARE};
use exai_mocks::impostor::admin::AdminEdge;
use exai_mocks::impostor::client::ClientEdge;
use exai_mocks::impostor::company;
use exai_mocks::impostor::journal::{Journal, Line};
use exai_mocks::impostor::params::Params;
use exai_mocks::impostor::provider::ProviderEdge;
use exai_mocks::impostor::proxy::{self, Proxy};
use exai_mocks::impostor::registry::{self, Edge, Row};
use exai_mocks::impostor::spoiler::Stage;
use exai_mocks::impostor::stdio;
use exai_mocks::impostor::store::StoreEdge;
use exai_mocks::impostor::trigger::Trigger;
use tokio::net::TcpListener;

/// Spoils a good server in one named way.
#[derive(Parser)]
#[command(name = "impostor")]
struct Arguments {
    /// admin, client, process, provider, stdio, store or websocket.
    #[arg(long, required_unless_present = "list")]
    edge: Option<Edge>,
    /// The spoiler; see --list.
    #[arg(long, default_value = "none")]
    spoil: String,
    /// Where the good server listens, as http://HOST:PORT (HTTP edges).
    #[arg(long)]
    upstream: Option<String>,
    /// Where to listen (HTTP edges).
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Spoil every k-th eligible operation.
    #[arg(long, default_value_t = 1)]
    every: u64,
    /// The first eligible operation to spoil, from 0.
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// Take the first line of standard input as parameters.
    #[arg(long)]
    params: bool,
    /// Where the record goes instead of standard output; needed on the stdio edge.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Print the table of spoilers as JSON and exit.
    #[arg(long)]
    list: bool,
    /// The server to start (stdio edge) or to become (process edge).
    #[arg(last = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    command_line::main(run)
}

fn list() -> ExitCode {
    match serde_json::to_writer_pretty(std::io::stdout(), &registry::all().collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => SOFTWARE.into(),
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    if arguments.list {
        return Ok(list());
    }
    let row = registry::find(&arguments.spoil)
        .ok_or_else(|| format!("could not find spoiler {:?}: see --list", arguments.spoil))?;
    let edge = arguments
        .edge
        .ok_or("could not choose an edge: none was given")?;
    if !row.edges.contains(&edge) {
        return Err(format!(
            "could not put {} on the {} edge",
            row.name,
            edge.name()
        ));
    }
    if edge == Edge::Process {
        return company::keep(row.name, &arguments.command).map(|never| match never {});
    }
    let params = if arguments.params {
        command_line::first_line(&mut unbuffered_input()?, "parameter")?
    } else {
        Params::default()
    };
    let stage = Arc::new(stage(arguments, row, edge, params)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("could not start: {error}"))?;
    if edge == Edge::Stdio {
        return runtime.block_on(around(stage, arguments));
    }
    runtime.block_on(before(Arc::clone(&stage), arguments, edge))?;
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    drop(runtime);
    stage.journal.done(&stage.trigger);
    Ok(ExitCode::SUCCESS)
}

fn stage(
    arguments: &Arguments,
    row: &'static Row,
    edge: Edge,
    params: Params,
) -> Result<Stage, String> {
    let journal = match &arguments.journal {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Journal::new(
                file.map_err(|error| format!("could not open {}: {error}", path.display()))?,
            )
        }
        None if edge == Edge::Stdio => {
            return Err("could not choose a place for the record: give --journal FILE".to_owned());
        }
        None => Journal::new(std::io::stdout()),
    };
    Ok(Stage::new(
        row.name,
        Trigger::new(arguments.every, arguments.offset),
        journal,
        params,
    ))
}

/// Standard input without the library's buffer, which would swallow more than a line: on the stdio
/// edge the rest belongs to the server.
fn unbuffered_input() -> Result<std::fs::File, String> {
    use std::os::fd::AsFd;
    let descriptor = std::io::stdin().as_fd().try_clone_to_owned();
    descriptor
        .map(std::fs::File::from)
        .map_err(|error| format!("could not read input: {error}"))
}

async fn before(stage: Arc<Stage>, arguments: &Arguments, edge: Edge) -> Result<(), String> {
    let upstream = arguments
        .upstream
        .as_deref()
        .ok_or("could not find what to spoil: --upstream")?;
    let authority = upstream
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .filter(|authority| authority.contains(':'))
        .ok_or_else(|| format!("could not use {upstream:?}: http://HOST:PORT is needed"))?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("could not listen on {}: {error}", arguments.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let path = upstream
        .strip_prefix("http://")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    ready(
        &stage,
        edge,
        format!("http://{address}{}", path.unwrap_or("")),
    );
    let edge = match edge {
        Edge::Store => {
            let edge = StoreEdge::new(stage, authority.to_owned());
            // Ends with the runtime.
            tokio::spawn(Arc::new(edge).run(listener));
            return Ok(());
        }
        Edge::WebSocket => proxy::Edge::WebSocket(stage),
        Edge::Admin => proxy::Edge::Admin(AdminEdge::new(stage)),
        Edge::Provider => proxy::Edge::Provider(ProviderEdge::new(stage)),
        Edge::Process => return Err("could not stand before a process: it becomes one".to_owned()),
        Edge::Client | Edge::Stdio => proxy::Edge::Client(ClientEdge::new(stage)),
    };
    // Ends with the runtime.
    tokio::spawn(Arc::new(Proxy::new(authority.to_owned(), edge)).run(listener));
    Ok(())
}

fn ready(stage: &Stage, edge: Edge, url: String) {
    stage.journal.write(&Line::Ready {
        at: monotonic_ns(),
        edge: edge.name().to_owned(),
        spoil: stage.name().to_owned(),
        url,
        pid: std::process::id(),
    });
}

async fn around(stage: Arc<Stage>, arguments: &Arguments) -> Result<ExitCode, String> {
    ready(&stage, Edge::Stdio, String::new());
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let status = stdio::run(Arc::clone(&stage), &arguments.command, input, output)
        .await
        .map_err(|error| format!("could not run the server: {error}"))?;
    stage.journal.done(&stage.trigger);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    // tokio reads standard input on a thread that no runtime can stop.
    std::process::exit(i32::from(code.unwrap_or(SOFTWARE)));
}
