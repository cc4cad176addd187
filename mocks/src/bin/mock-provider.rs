//! `mock-provider`: plays one vendor on a local port. It is told its keys and its plan in one JSON
//! line on standard input, writes its journal to standard output, and ends when its input does.

use std::io::Read;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use exai_mocks::provider::Provider;
use exai_mocks::recorder::Recorder;
use exai_mocks::simulator::{Settings, Simulator};
use exai_mocks::{closed, command_line, control};
use tokio::net::TcpListener;

/// Plays one LLM vendor, as strict as the real one.
#[derive(Parser)]
#[command(name = "mock-provider")]
struct Arguments {
    /// kimi, glm or minimax.
    #[arg(long)]
    provider: Provider,
    /// Where clients connect.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the harness connects.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

fn main() -> ExitCode {
    command_line::main(run)
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    closed::close()?;
    let mut input = std::io::stdin().lock();
    let settings: Settings = command_line::first_line(&mut input, "settings")?;
    let (recorder, writer) = Recorder::start(std::io::stdout());
    let simulator = Simulator::new(arguments.provider, settings, recorder)
        .map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("could not start: {error}"))?;
    runtime.block_on(open(Arc::new(simulator), arguments))?;
    let _ = input.read_to_end(&mut Vec::new());
    // Dropping the runtime ends every connection and with it the last sender of the journal.
    drop(runtime);
    let _ = writer.join();
    Ok(ExitCode::SUCCESS)
}

async fn open(simulator: Arc<Simulator>, arguments: &Arguments) -> Result<(), String> {
    let bind = |address: SocketAddr| async move {
        let listener = TcpListener::bind(address).await;
        listener.map_err(|error| format!("could not listen on {address}: {error}"))
    };
    let public = bind(arguments.listen).await?;
    let private = bind(arguments.control).await?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(|error| error.to_string());
    simulator.ready(address(&public)?, address(&private)?).await;
    // Both end with the runtime that owns them.
    tokio::spawn(Arc::clone(&simulator).run(public));
    tokio::spawn(async move { axum::serve(private, control::router(simulator)).await });
    Ok(())
}
