//! A server made with FastMCP (`fastmcp` 4.1.2 from PyPI): what a Python framework costs for the
//! same on the same machine, in the same minutes.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Trouble;
use crate::client::Connection;
use crate::served::Resident;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

const SERVER: &str = r#"
import sys
from fastmcp import FastMCP
server = FastMCP("bench")

@server.tool
def version() -> str:
    """The version."""
    return "1"

if sys.argv[1] == "stdio":
    server.run(transport="stdio", show_banner=False, log_level="error")
else:
    server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), stateless_http=True,
               json_response=True, show_banner=False, log_level="error")
"#;

/// An interpreter that has FastMCP.
pub struct Python {
    program: OsString,
}

impl Python {
    /// The one that `CLIENTS_PYTHON` names; without it, or without FastMCP in it, a line that says
    /// what has no baseline.
    pub fn find(what: &str) -> Option<Self> {
        let missing = |why: &str| {
            println!(
                "  not measured: {what} of FastMCP ({why}; pip install fastmcp==4.1.2 into a \
                 venv, and CLIENTS_PYTHON names its python)"
            );
        };
        let Some(program) = std::env::var_os("CLIENTS_PYTHON") else {
            missing("CLIENTS_PYTHON is not set");
            return None;
        };
        let asks = "import fastmcp, platform; print(fastmcp.__version__, 'on', \
                    platform.python_implementation(), platform.python_version())";
        let told = Command::new(&program).args(["-c", asks]).output();
        match told {
            Ok(told) if told.status.success() => {
                let version = String::from_utf8_lossy(&told.stdout).into_owned();
                println!("  the baseline is FastMCP {}", version.trim());
                Some(Self { program })
            }
            _ => {
                missing("the interpreter has none");
                None
            }
        }
    }

    /// The command that speaks over its pipes.
    pub fn stdio(&self) -> Command {
        self.command("stdio")
    }

    fn command(&self, word: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-c", SERVER, word]);
        command
    }

    /// Starts it over HTTP and waits until it listens.
    pub fn serve(&self) -> Result<Listening, Trouble> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = self
            .command(&address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let listening = Listening { child, address };
        let begun = Instant::now();
        while Connection::open(address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("the FastMCP server does not listen".into());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(listening)
    }
}

/// A running FastMCP server, ended with its value.
pub struct Listening {
    child: Child,
    /// Where MCP is.
    pub address: SocketAddr,
}

impl Listening {
    /// What of it is in memory now.
    pub fn resident(&self) -> Result<Resident, Trouble> {
        Resident::of(self.child.id())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It holds nothing that anybody needs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
