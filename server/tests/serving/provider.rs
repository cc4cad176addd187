//! A provider for a test, on loopback: it answers the last message backwards, so that an answer
//! shows that it was asked. A question with `slow ` in it is answered when the test says so; one
//! with `paced F E ` begins to be answered after F milliseconds and ends after E.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Server, serve, wait_for};

/// Pieces a streamed answer comes in.
const PIECES: usize = 4;

/// The variable with a key for it.
pub const KEY: (&str, &str) = ("KIMI_API_KEY", "sk-0123456789abcdef");

/// What was asked, and what is held back.
#[derive(Default)]
struct State {
    asked: AtomicUsize,
    /// Each question, as often as it came.
    questions: Mutex<Vec<String>>,
    /// Questions being answered now, and most at once.
    at_once: Mutex<(usize, usize)>,
    /// Connections whose client went away before the answer.
    left: AtomicUsize,
    is_open: Mutex<bool>,
    opened: Condvar,
}

/// A running provider.
#[derive(Clone)]
pub struct Provider {
    address: SocketAddr,
    state: Arc<State>,
}

/// The answer to a question.
pub fn answer(question: &str) -> String {
    question.chars().rev().collect()
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&provider.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || while answer_one(&stream, &state).is_some() {});
            }
        });
        provider
    }

    /// Settings and variables of a server that asks this provider.
    pub fn settings(&self) -> Vec<String> {
        vec![
            format!("provider.kimi.base_url=http://{}/v1", self.address),
            "provider.kimi.allow_private=true".to_owned(),
        ]
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// How often one question came.
    pub fn times(&self, question: &str) -> usize {
        let questions = self.state.questions.lock().unwrap();
        questions.iter().filter(|one| *one == question).count()
    }

    /// Most questions at once.
    pub fn peak(&self) -> usize {
        self.state.at_once.lock().unwrap().1
    }

    /// How many clients left before their answer.
    pub fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }

    /// Waits for a number of questions.
    pub fn wait_for_questions(&self, wanted: usize) {
        wait_for("the provider to be asked", || {
            (self.asked() >= wanted).then_some(())
        });
    }

    /// Slow questions that come from now on wait again.
    pub fn shut(&self) {
        *self.state.is_open.lock().unwrap() = false;
    }

    /// Slow questions are answered from now on.
    pub fn open(&self) {
        *self.state.is_open.lock().unwrap() = true;
        self.state.opened.notify_all();
    }
}

/// A server that asks a provider of its own.
pub fn serve_asking(more: &[&str]) -> (Server, Provider) {
    serve_asking_with(more, &[])
}

/// As [`serve_asking`], with variables of the test.
pub fn serve_asking_with(more: &[&str], env: &[(&str, &str)]) -> (Server, Provider) {
    let provider = Provider::start();
    let own = provider.settings();
    let settings: Vec<&str> = own
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    let server = serve(&settings, &[&[KEY], env].concat());
    (server, provider)
}

fn answer_one(stream: &TcpStream, state: &State) -> Option<()> {
    let asked = read(stream)?;
    let question = asked["messages"].as_array()?.last()?;
    let question = match &question["content"] {
        Value::String(text) => text.clone(),
        parts => parts[0]["text"].as_str()?.to_owned(),
    };
    state.questions.lock().unwrap().push(question.clone());
    state.asked.fetch_add(1, Ordering::SeqCst);
    let _busy = Busy::of(state);
    if let Some(pace) = Pace::of(&question) {
        return pace.answer(stream, &question, asked["stream"] == true);
    }
    if question.contains("slow ") && !wait(stream, state) {
        state.left.fetch_add(1, Ordering::SeqCst);
        return None;
    }
    let text = answer(&question);
    let mut to = stream;
    if asked["stream"] == true {
        to.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            .ok()?;
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.chunks(letters.len().div_ceil(PIECES).max(1)) {
            let piece: String = piece.iter().collect();
            let delta = json!({"choices": [{"index": 0, "delta": {"content": piece}}]});
            to.write_all(format!("data: {delta}\n\n").as_bytes()).ok()?;
        }
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        to.write_all(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes())
            .ok()?;
        // The end of the connection is the end of the stream.
        return None;
    }
    write_whole(to, &text)
}

fn write_whole(mut to: &TcpStream, text: &str) -> Option<()> {
    let body = json!({"choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
    .to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                        content-length: {length}\r\n\r\n"
    );
    to.write_all(format!("{head}{body}").as_bytes()).ok()
}

fn read(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Waits until slow questions are answered; false when the client left first.
fn wait(stream: &TcpStream, state: &State) -> bool {
    let step = std::time::Duration::from_millis(20);
    let mut is_open = state.is_open.lock().unwrap();
    while !*is_open {
        is_open = state.opened.wait_timeout(is_open, step).unwrap().0;
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        if matches!(peeked, Ok(0)) {
            return false;
        }
    }
    true
}

/// A question being answered.
struct Busy<'a>(&'a State);

impl<'a> Busy<'a> {
    fn of(state: &'a State) -> Self {
        let mut at_once = state.at_once.lock().unwrap();
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
        drop(at_once);
        Self(state)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.at_once.lock().unwrap().0 -= 1;
    }
}

/// When an answer begins and ends, from its question on.
struct Pace {
    first: Duration,
    end: Duration,
}

impl Pace {
    fn of(question: &str) -> Option<Self> {
        let mut words = question.split_once("paced ")?.1.split(' ');
        let mut next = || words.next()?.parse().ok().map(Duration::from_millis);
        Some(Self {
            first: next()?,
            end: next()?,
        })
    }

    /// A piece every two seconds at least, or all at the end.
    fn answer(&self, mut to: &TcpStream, question: &str, is_streamed: bool) -> Option<()> {
        let text = answer(question);
        if !is_streamed {
            std::thread::sleep(self.end);
            return write_whole(to, &text);
        }
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        to.write_all(head).ok()?;
        let letters: Vec<char> = text.chars().collect();
        let span = self.end.saturating_sub(self.first);
        let most = usize::try_from(span.as_secs() / 2).unwrap_or(1).max(2);
        let pieces: Vec<String> = letters
            .chunks(letters.len().div_ceil(most).max(1))
            .map(|piece| piece.iter().collect())
            .collect();
        std::thread::sleep(self.first);
        let gaps = u32::try_from(pieces.len() - 1).unwrap_or(0).max(1);
        for (n, piece) in pieces.iter().enumerate() {
            if n > 0 {
                std::thread::sleep(span / gaps);
            }
            let delta = json!({"choices": [{"index": 0, "delta": {"content": piece}}]});
            to.write_all(format!("data: {delta}\n\n").as_bytes()).ok()?;
        }
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let end = format!("data: {end}\n\ndata: [DONE]\n\n");
        to.write_all(end.as_bytes()).ok()?;
        // The stream has no length, so its end is the connection's.
        None
    }
}
