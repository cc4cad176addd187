//! A server process for a test, and a client that hides nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A secret that passes as random.
pub const SECRET: &str = "b7d1f0a94c3e58826d47e1905bca3f72";

/// A running server, killed with the test.
pub struct Server {
    pub child: Child,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub state: tempfile::TempDir,
    pub log: Arc<Mutex<Vec<String>>>,
}

/// An address on which nobody listens. It is not listened on to find it: a process that is being
/// started has a copy of each socket for a moment, and would keep the address taken.
pub fn free_address() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.local_addr().unwrap()
}

/// The command with an environment of its own.
pub fn exai(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exai"));
    command.env_clear().envs(env.iter().copied());
    command
}

/// Starts `exai serve` with these settings and variables and waits until it listens.
pub fn serve(settings: &[&str], env: &[(&str, &str)]) -> Server {
    serve_by(exai(env), settings)
}

/// As [`serve`], by a command that ends in the binary and hands its arguments on.
pub fn serve_by(mut command: Command, settings: &[&str]) -> Server {
    let state = tempfile::tempdir().unwrap();
    command.arg("serve");
    for name in ["listen", "admin"] {
        command.args(["--set", &format!("server.{name}=127.0.0.1:0")]);
    }
    command
        .arg("--set")
        .arg(format!("server.state_dir={}", state.path().display()));
    for setting in settings {
        match *setting {
            flag if flag.starts_with("--") => command.arg(flag),
            pair => command.args(["--set", pair]),
        };
    }
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            kept.lock().unwrap().push(line);
        }
    });
    let listening = wait_for("the line that says where it listens", || {
        let lines = log.lock().unwrap();
        let parsed = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed
            .into_iter()
            .find(|line| line["message"] == "listening")
    });
    let address = |name: &str| listening[name].as_str().unwrap().parse().unwrap();
    Server {
        public: address("public"),
        admin: address("admin"),
        child,
        state,
        log,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap();
            eprintln!("server log:\n{}", log.join("\n"));
        }
    }
}

impl Server {
    /// Ends the process with a signal's number.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// A POST to `/mcp`.
    pub fn post(&self, body: &Value, headers: &[(&str, &str)]) -> Reply {
        request(
            self.public,
            "POST",
            "/mcp",
            headers,
            body.to_string().as_bytes(),
        )
    }

    /// A GET on the admin listener.
    pub fn admin(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        request(self.admin, "GET", path, headers, b"")
    }

    /// A session of revision 2025-11-25: its id.
    pub fn session(&self, headers: &[(&str, &str)]) -> String {
        let reply = self.post(&initialize(), headers);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("mcp-session-id").unwrap().to_owned()
    }
}

/// The first message of revision 2025-11-25.
pub fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}})
}

/// A tool call as revision 2026-07-28 has it.
pub fn call(tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}}}})
}

/// The headers that go with [`call`].
pub fn call_headers(tool: &str) -> Vec<(&str, &str)> {
    vec![
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ]
}

/// One HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The JSON body, or the last event's data.
    pub fn json(&self) -> Value {
        let data = self.body.lines().rev().find_map(|line| {
            let data = line.strip_prefix("data:")?.trim();
            (!data.is_empty()).then_some(data)
        });
        let text = data.unwrap_or(&self.body);
        serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Sends one request on a connection of its own and reads to the end. `host` and the usual headers
/// are added unless given; a header with an empty value is left out.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = address.to_string();
    let usual = [
        ("host", host.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("connection", "close"),
    ];
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    let is_given = |name: &str| headers.iter().any(|(given, _)| *given == name);
    let added = usual.iter().filter(|(name, _)| !is_given(name));
    for (name, value) in added.chain(headers).filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !is_given("content-length") && !is_given("transfer-encoding") {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    // A server may refuse a large body by its head and stop reading.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

/// Takes an answer apart, chunks joined.
pub fn parse(answer: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .unwrap_or(0);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers
        .iter()
        .any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    let body = if is_chunked {
        dechunked(body)
    } else {
        body.to_owned()
    };
    Reply {
        status,
        headers,
        body,
    }
}

fn dechunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else {
            break;
        };
        whole.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or("");
    }
    whole
}

/// Waits for something to be there, and prints what was waited for when it is not.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Variables and settings of a server that asks for tokens.
pub const JWT: [&str; 3] = [
    "auth.mode=jwt",
    "auth.jwt.issuer=https://issuer.test",
    "auth.jwt.audience=exai",
];

/// Settings of a server whose tokens expire while a test asks, again and again, whether they have.
pub const EXPIRING: [&str; 4] = [
    "--demo",
    "auth.jwt.leeway=0s",
    "limits.rate.principal=10000",
    "limits.rate.address=10000",
];

/// A token made by the binary itself.
pub fn token(subject: &str, roles: &[&str]) -> String {
    token_for(subject, roles, 600)
}

/// A token that lives this many seconds.
pub fn token_for(subject: &str, roles: &[&str], ttl: u64) -> String {
    let mut command = exai(&[("EXAI_JWT_SECRET", SECRET)]);
    command.args(["token", "--sub", subject, "--ttl", &ttl.to_string()]);
    for setting in JWT {
        command.args(["--set", setting]);
    }
    for role in roles {
        command.args(["--role", role]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server that asks for tokens.
pub fn serve_jwt(settings: &[&str]) -> Server {
    let settings: Vec<&str> = JWT.iter().chain(settings).copied().collect();
    let env = [
        ("EXAI_JWT_SECRET", SECRET),
        ("EXAI_METRICS_TOKEN", "0a9b8c7d6e5f40312233445566778899"),
    ];
    serve(&settings, &env)
}
