//! A provider for a test: keeps every request and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// The models that a list of it names.
pub const LISTED: [&str; 2] = ["listed-1", "listed-2"];

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: String,
    pub body: Value,
}

/// A listener on a free port; its thread ends with the test's process.
pub struct Upstream {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// Answers each POST with what `answer` makes of it, and each GET with a list of models.
    pub fn start(answer: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { url, seen }
    }

    /// How many requests came, of any kind.
    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The POSTs so far.
    pub fn posts(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|one| !one.body.is_null())
            .cloned()
            .collect()
    }
}

/// Answers requests on one connection until it ends.
fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Value) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let one = Seen {
            path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            headers: head,
        };
        let said = if one.body.is_null() {
            let rows = LISTED.map(|name| serde_json::json!({"id": name, "object": "model"}));
            serde_json::json!({"object": "list", "data": rows}).to_string()
        } else {
            answer(&one).to_string()
        };
        seen.lock().unwrap().push(one);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-cache: hit\r\n\
             set-cookie: planted-cookie\r\ncontent-length: {}\r\n\r\n",
            said.len()
        );
        if writer.write_all((head + &said).as_bytes()).is_err() {
            return;
        }
    }
}
