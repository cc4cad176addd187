//! `exai probe`: a health check by the binary itself, for images without a shell. Each question is
//! the one a user's client would ask; 0 is yes, 1 is no with the reason on standard error.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Failed, Layers, say};
use crate::config::Config;

/// Longest wait for readiness; below the five seconds an engine usually allows.
const DEADLINE: Duration = Duration::from_secs(4);

/// Bytes read of an answer to a readiness question.
const ANSWER: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Probe {
    /// Ask a running server whether it is ready
    Ready {
        /// HOST:PORT of its admin listener; server.admin when left out
        #[arg(long, value_name = "ADDR")]
        admin: Option<SocketAddr>,
        #[command(flatten)]
        layers: Layers,
    },
    /// Start `exai stdio` under this configuration and have it list its tools
    Tools {
        /// Longest wait for the list, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 4)]
        within: u64,
        #[command(flatten)]
        layers: Layers,
    },
}

pub(super) fn run(probe: Probe) -> Result<(), Failed> {
    let answered = match probe {
        Probe::Ready { admin, layers } => {
            let address = match admin {
                Some(address) => address,
                None => dialled(Config::load(&layers.sources())?.server.admin),
            };
            ready(address)
        }
        Probe::Tools { within, layers } => tools(&layers, Duration::from_secs(within)),
    };
    answered.map(|word| say(&word)).map_err(Failed::No)
}

/// Where a listener is reached from its own machine.
fn dialled(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ready(address: SocketAddr) -> Result<String, String> {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let question =
            format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(question.as_bytes())?;
        let mut answer = String::new();
        stream.take(ANSWER).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().map_err(|error| format!("{address} does not answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") if body.trim() == "ready" => Ok("ready".to_owned()),
        Some(status) => Err(format!("{address} answers {status} {}", body.trim())),
        None => Err(format!("{address} does not speak HTTP")),
    }
}

/// Ends the child whatever became of the conversation.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tools(layers: &Layers, within: Duration) -> Result<String, String> {
    let begun = Instant::now();
    let program = std::env::current_exe().map_err(|error| format!("no executable: {error}"))?;
    let mut command = Command::new(program);
    command.arg("stdio").args(layers.words());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::null()).spawn();
    let mut started = Started(child.map_err(|error| format!("could not start: {error}"))?);
    let lines = reader(&mut started.0);
    let requests = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "exai-probe", "version": env!("CARGO_PKG_VERSION")}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
    ];
    if let Some(pipe) = started.0.stdin.as_mut() {
        for request in requests {
            writeln!(pipe, "{request}").map_err(|error| format!("it hung up: {error}"))?;
        }
    }
    while let Ok(line) = lines.recv_timeout(within.saturating_sub(begun.elapsed())) {
        let answer: Value = serde_json::from_str(&line).map_err(|_| "it does not speak JSON")?;
        if let Some(error) = answer.get("error") {
            return Err(format!("it refuses: {}", error["message"]));
        }
        if answer["id"] == 2 {
            let count = answer["result"]["tools"].as_array().map_or(0, Vec::len);
            let took = begun.elapsed().as_millis();
            return match count {
                0 => Err("it lists no tool".to_owned()),
                _ => Ok(format!("{count} tools in {took} ms")),
            };
        }
    }
    Err(format!("no list of tools in {} s", within.as_secs()))
}

fn reader(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        // A blocked read cannot be interrupted; it ends with the child.
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(text.as_bytes());
        });
        address
    }

    #[test]
    fn only_a_ready_server_is_ready() {
        let cases = [
            ("HTTP/1.1 200 OK\r\n\r\nready", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nnot_ready", false),
            ("HTTP/1.1 200 OK\r\n\r\n<html>", false),
            ("SSH-2.0-OpenSSH_9.2\r\n", false),
        ];
        for (text, is_ready) in cases {
            assert_eq!(ready(answering(text)).is_ok(), is_ready, "{text}");
        }
        let closed = SocketAddr::from(([127, 0, 0, 1], 9));
        assert!(ready(closed).unwrap_err().contains("does not answer"));
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        let dialled = |text: &str| dialled(text.parse().unwrap()).to_string();
        assert_eq!(dialled("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(dialled("[::]:8080"), "[::1]:8080");
        assert_eq!(dialled("10.1.2.3:1"), "10.1.2.3:1");
    }
}
