//! A provider for a test that keeps files as Kimi does, and answers a chat with what it was shown.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use super::process::{Server, serve, wait_for};
use super::providers::said;

/// What is kept, and how it is spoiled.
#[derive(Default)]
struct State {
    files: BTreeMap<String, (String, Vec<u8>)>,
    uploads: u64,
    made: u64,
    deletions: u64,
    chats: Vec<Value>,
    /// What is given back instead of a file's own bytes.
    spoilt: Option<Vec<u8>>,
    /// Uploads are kept, and answered when the test says so.
    is_held: bool,
}

#[derive(Clone)]
pub struct Shelf {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Shelf {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shelf = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let own = shelf.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                std::thread::spawn(move || while own.answer_one(&stream).is_some() {});
            }
        });
        shelf
    }

    /// Settings of a server whose Kimi this is.
    pub fn settings(&self) -> Vec<String> {
        vec![
            "tools.profile=full".to_owned(),
            format!("provider.kimi.base_url=http://{}/v1", self.address),
            "provider.kimi.allow_private=true".to_owned(),
        ]
    }

    /// A server whose Kimi this is.
    pub fn serve(&self, own: &[&str]) -> Server {
        let settings = self.settings();
        let all: Vec<&str> = settings
            .iter()
            .map(String::as_str)
            .chain(own.iter().copied())
            .collect();
        serve(&all, &[("KIMI_API_KEY", "sk-0123456789abcdef")])
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.0.lock().unwrap())
    }

    pub fn uploads(&self) -> u64 {
        self.with(|state| state.uploads)
    }

    pub fn deletions(&self) -> u64 {
        self.with(|state| state.deletions)
    }

    pub fn kept(&self) -> Vec<String> {
        self.with(|state| state.files.keys().cloned().collect())
    }

    /// Puts a file there that no server has sent.
    pub fn plant(&self, name: &str, bytes: &[u8]) -> String {
        self.with(|state| keep(state, name, bytes.to_vec()))
    }

    pub fn chats(&self) -> Vec<Value> {
        self.with(|state| state.chats.clone())
    }

    pub fn name_of(&self, id: &str) -> String {
        self.with(|state| state.files[id].0.clone())
    }

    pub fn spoil(&self, with: Option<&[u8]>) {
        self.with(|state| state.spoilt = with.map(<[u8]>::to_vec));
    }

    /// From now on uploads are kept, and not answered before [`Shelf::release`].
    pub fn hold(&self) {
        self.with(|state| state.is_held = true);
    }

    pub fn release(&self) {
        self.with(|state| state.is_held = false);
        self.state.1.notify_all();
    }

    pub fn wait_for_uploads(&self, wanted: u64) {
        wait_for("an upload", || (self.uploads() >= wanted).then_some(()));
    }

    fn answer_one(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_lowercase();
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![
            0;
            length
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0)
        ];
        reader.read_exact(&mut body).ok()?;
        let mut words = head.split(' ');
        let (method, path) = (words.next()?, words.next()?.to_owned());
        let (status, answer) = self.answer(method, &path, &body);
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        stream.write_all(&[head.as_bytes(), &answer].concat()).ok()
    }

    fn answer(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let ok = |value: Value| (200, value.to_string().into_bytes());
        let missing = || {
            (
                404,
                b"{\"error\":{\"type\":\"resource_not_found_error\"}}".to_vec(),
            )
        };
        let id = path
            .strip_prefix("/v1/files/")
            .map(|rest| rest.trim_end_matches("/content"));
        match (method, id) {
            ("POST", _) if path == "/v1/files" => ok(self.take(body)),
            ("GET", _) if path == "/v1/files" => {
                let list = self.with(|state| {
                    let told = state
                        .files
                        .iter()
                        .map(|(id, (name, bytes))| about(id, name, bytes));
                    told.collect::<Vec<_>>()
                });
                ok(json!({"object": "list", "data": list}))
            }
            ("GET", Some(id)) => {
                let text = self.with(|state| {
                    let (_, bytes) = state.files.get(id)?;
                    Some(state.spoilt.clone().unwrap_or_else(|| bytes.clone()))
                });
                text.map_or_else(missing, |text| (200, text))
            }
            ("DELETE", Some(id)) => {
                let gone = self.with(|state| {
                    state.deletions += 1;
                    state.files.remove(id)
                });
                let answer = json!({"id": id, "object": "file", "deleted": true});
                gone.map_or_else(missing, |_| ok(answer))
            }
            ("POST", _) => {
                let asked: Value = serde_json::from_slice(body).unwrap_or_default();
                let last = asked["messages"]
                    .as_array()
                    .and_then(|all| all.last().cloned());
                self.with(|state| state.chats.push(asked));
                let text = last.unwrap_or_default()["content"].to_string();
                // A fact of the file: the word after FACT.
                let fact = text.split("FACT ").nth(1).unwrap_or("none");
                ok(said(fact.split_whitespace().next().unwrap_or("none")))
            }
            _ => ok(json!({})),
        }
    }

    fn take(&self, body: &[u8]) -> Value {
        let find = |text: &str| {
            let at = body
                .windows(text.len())
                .position(|one| one == text.as_bytes());
            at.unwrap_or_else(|| panic!("no {text:?} in the form"))
        };
        let head = String::from_utf8_lossy(&body[..body.len().min(1000)]).into_owned();
        let boundary = head.lines().next().unwrap().to_owned();
        assert!(
            head.contains("name=\"purpose\"\r\n\r\nfile-extract\r\n"),
            "{head}"
        );
        let name = head.split("filename=\"").nth(1).unwrap();
        let name = name.split('"').next().unwrap().to_owned();
        let from = find("octet-stream\r\n\r\n") + "octet-stream\r\n\r\n".len();
        let to = body.len() - format!("\r\n{boundary}--\r\n").len();
        let bytes = body[from..to].to_vec();
        let mut state = self.state.0.lock().unwrap();
        let id = keep(&mut state, &name, bytes.clone());
        state.uploads += 1;
        while state.is_held {
            state = self.state.1.wait(state).unwrap();
        }
        about(&id, &name, &bytes)
    }
}

fn keep(state: &mut State, name: &str, bytes: Vec<u8>) -> String {
    state.made += 1;
    let id = format!("file-{}", state.made);
    state.files.insert(id.clone(), (name.to_owned(), bytes));
    id
}

fn about(id: &str, name: &str, bytes: &[u8]) -> Value {
    json!({"id": id, "object": "file", "bytes": bytes.len(), "created_at": 1_780_000_000,
        "filename": name, "purpose": "file-extract", "status": "ready", "status_details": ""})
}
