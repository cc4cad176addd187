//! A stand-in for a provider: it passes requests on to the simulator and breaks one named thing,
//! as an adapter with that defect would. Without a defect it is the control.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exai_mocks::provider::Provider;
use serde_json::{Value, json};

use super::ground::apart;
use super::row::Row;

/// How long an impatient stand-in waits before it answers for the provider.
const IMPATIENCE: Duration = Duration::from_millis(300);
/// What it then says.
const CANNED: &str = "All is well.";

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    ForgetsTurns,
    DropsInstructions,
    AsksAnotherModel,
    NeverStreams,
    SendsTwice,
    TriesAgain,
    HidesFailures,
    RepeatsItself,
    HalvesPrompts,
    DropsLastWord,
    CompletesCutStreams,
    LosesUsage,
    LosesCharacters,
    TakesAnyKey,
    DropsSwitch,
    DropsBound,
    AnswersForTheSilent,
    FollowsRedirects,
    InventsTemperature,
}

impl Defect {
    /// Every defect, and the check of the suite that must name it.
    pub const ALL: [(Self, &'static str); 19] = [
        (Self::ForgetsTurns, "thread"),
        (Self::DropsInstructions, "instructions"),
        (Self::AsksAnotherModel, "whole"),
        (Self::NeverStreams, "streamed"),
        (Self::SendsTwice, "whole"),
        (Self::TriesAgain, "page"),
        (Self::HidesFailures, "rejected"),
        (Self::RepeatsItself, "whole"),
        (Self::HalvesPrompts, "whole"),
        (Self::DropsLastWord, "whole"),
        (Self::CompletesCutStreams, "cut"),
        (Self::LosesUsage, "usage"),
        (Self::LosesCharacters, "characters"),
        (Self::TakesAnyKey, "credential"),
        (Self::DropsSwitch, "thinking"),
        (Self::DropsBound, "bound"),
        (Self::AnswersForTheSilent, "silent"),
        (Self::FollowsRedirects, "redirect"),
        (Self::InventsTemperature, "whole"),
    ];
}

/// A listener between server and simulator; its threads end with the test's process.
pub struct StandIn {
    pub root: String,
    defect: Arc<Mutex<Option<Defect>>>,
}

#[derive(Clone)]
struct Line {
    row: Row,
    simulator: String,
    defect: Arc<Mutex<Option<Defect>>>,
    first: Arc<Mutex<Option<Vec<u8>>>>,
}

impl StandIn {
    pub fn start(row: Row, simulator: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let line = Line {
            row,
            simulator: simulator.to_owned(),
            defect: Arc::default(),
            first: Arc::default(),
        };
        let defect = Arc::clone(&line.defect);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let line = line.clone();
                std::thread::spawn(move || line.serve(stream));
            }
        });
        let root = format!("http://{address}");
        Self { root, defect }
    }

    /// What is broken from now on.
    pub fn break_it(&self, defect: Option<Defect>) {
        *self.defect.lock().unwrap_or_else(PoisonError::into_inner) = defect;
    }
}

impl Line {
    fn serve(&self, mut server: TcpStream) {
        let Some((head, body)) = read_request(&mut server) else {
            return;
        };
        let defect = *self.defect.lock().unwrap_or_else(PoisonError::into_inner);
        let request = self.request(defect, &head, &body);
        let mut reply = self.pass_on(defect, &request, &server);
        if defect.is_none() {
            return;
        }
        let fails = |reply: &[u8]| apart(reply).0.split(' ').nth(1) >= Some("400");
        let asks_again = match defect {
            Some(Defect::SendsTwice) => true,
            Some(Defect::TriesAgain) => fails(&reply),
            _ => false,
        };
        if asks_again {
            reply = self.pass_on(defect, &request, &server);
        }
        let _ = server.write_all(&self.reply(defect, reply));
    }

    fn request(&self, defect: Option<Defect>, head: &str, body: &[u8]) -> Vec<u8> {
        let read = serde_json::from_slice::<Value>(body);
        let body = match (read, defect) {
            (Ok(mut read), Some(defect)) => {
                self.spoil_request(defect, &mut read);
                read.to_string().into_bytes()
            }
            _ => body.to_vec(),
        };
        let mut lines: Vec<String> = head
            .lines()
            .filter(|line| {
                let line = line.to_lowercase();
                let is_ours = ["content-length:", "connection:"];
                !line.is_empty() && !is_ours.iter().any(|name| line.starts_with(name))
            })
            .map(str::to_owned)
            .collect();
        if defect == Some(Defect::TakesAnyKey) {
            lines.retain(|line| {
                let line = line.to_lowercase();
                !line.starts_with("authorization:") && !line.starts_with("x-api-key:")
            });
            lines.push(format!("authorization: Bearer {}", self.row.key()));
        }
        lines.push(format!("content-length: {}", body.len()));
        lines.push("connection: close\r\n\r\n".to_owned());
        [lines.join("\r\n").into_bytes(), body].concat()
    }

    fn spoil_request(&self, defect: Defect, body: &mut Value) {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        let is_system = |message: &Value| message["role"] == "system";
        let mut drop = |names: &[&str]| {
            for name in names {
                body.as_object_mut().map(|body| body.remove(*name));
            }
        };
        match defect {
            Defect::ForgetsTurns => {
                let last = messages.len().saturating_sub(1);
                let kept = messages.into_iter().enumerate();
                let kept = kept.filter(|(place, one)| *place == last || is_system(one));
                body["messages"] = kept.map(|(_, one)| one).collect();
            }
            Defect::DropsInstructions => {
                drop(&["system"]);
                let kept = messages.into_iter().filter(|one| !is_system(one));
                body["messages"] = kept.collect();
            }
            Defect::AsksAnotherModel => {
                let other = match self.row.vendor {
                    Provider::Kimi => "kimi-k2.7-code-highspeed",
                    Provider::Glm => "glm-5.1",
                    Provider::MiniMax => "MiniMax-M2.7",
                };
                drop(&["thinking"]);
                body["model"] = other.into();
            }
            Defect::NeverStreams => {
                drop(&["stream_options"]);
                body["stream"] = false.into();
            }
            Defect::HalvesPrompts => {
                let last = messages.len().saturating_sub(1);
                let text = &mut body["messages"][last]["content"];
                let half: Vec<char> = text.as_str().unwrap_or_default().chars().collect();
                *text = half[..half.len() / 2].iter().collect::<String>().into();
            }
            Defect::DropsSwitch => drop(&["thinking", "reasoning_effort"]),
            Defect::DropsBound => drop(&["max_tokens", "max_completion_tokens"]),
            Defect::InventsTemperature => body["temperature"] = json!(1.7),
            _ => {}
        }
    }

    /// Asks the simulator until it closes, the server leaves, or an impatient stand-in has enough.
    /// Where nothing is broken, each piece goes on as it comes.
    fn pass_on(&self, defect: Option<Defect>, request: &[u8], mut server: &TcpStream) -> Vec<u8> {
        let mut simulator = TcpStream::connect(&self.simulator).expect("the simulator");
        simulator.write_all(request).expect("it reads");
        let step = Duration::from_millis(20);
        simulator.set_read_timeout(Some(step)).expect("a timeout");
        let (began, mut reply, mut piece) = (Instant::now(), Vec::new(), [0; 16 * 1024]);
        loop {
            match simulator.read(&mut piece) {
                Ok(0) => return reply,
                Ok(count) if defect.is_none() => {
                    let _ = server.write_all(&piece[..count]);
                }
                Ok(count) => reply.extend_from_slice(&piece[..count]),
                Err(error) if is_early(error.kind()) => {
                    let is_impatient = defect == Some(Defect::AnswersForTheSilent);
                    if has_left(server) || (is_impatient && began.elapsed() > IMPATIENCE) {
                        return reply;
                    }
                }
                Err(_) => return reply,
            }
        }
    }

    fn reply(&self, defect: Option<Defect>, reply: Vec<u8>) -> Vec<u8> {
        let Some(defect) = defect else { return reply };
        let (head, body) = apart(&reply);
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let text = String::from_utf8_lossy(&body).into_owned();
        let is_stream = head.to_lowercase().contains("text/event-stream");
        match defect {
            Defect::HidesFailures if status != "200" => whole(&self.canned()),
            Defect::FollowsRedirects if status.starts_with('3') => whole(&self.canned()),
            Defect::AnswersForTheSilent if reply.is_empty() => whole(&self.canned()),
            Defect::RepeatsItself => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(reply).clone()
            }
            Defect::DropsLastWord => whole(&without_last_word(&text)),
            Defect::CompletesCutStreams if is_stream => {
                let (whole_frames, _) = text.rsplit_once("\n\n").unwrap_or((&text, ""));
                stream(&format!("{whole_frames}\n\n{}", self.ending()))
            }
            Defect::LosesUsage if is_stream => {
                let lines = text
                    .split("\n\n")
                    .filter(|frame| !frame.contains("\"usage\":{"));
                stream(&lines.collect::<Vec<_>>().join("\n\n"))
            }
            Defect::LosesUsage => {
                let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
                body.as_object_mut().map(|body| body.remove("usage"));
                whole(&body)
            }
            Defect::LosesCharacters if is_stream => {
                stream(&text.replace(|c: char| !c.is_ascii(), "?"))
            }
            _ => reply,
        }
    }

    /// An answer in the dialect's form that no provider gave.
    fn canned(&self) -> Value {
        if self.is_anthropic() {
            let block = json!({"type": "text", "text": CANNED});
            return json!({"id": "1", "type": "message", "role": "assistant", "content": [block],
                "model": self.row.model, "stop_reason": "end_turn",
                "usage": {"input_tokens": 9, "output_tokens": 4}});
        }
        let message = json!({"role": "assistant", "content": CANNED});
        json!({"id": "1", "object": "chat.completion", "model": self.row.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}})
    }

    /// The frames that end a stream well.
    fn ending(&self) -> String {
        if self.is_anthropic() {
            let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 4}});
            return format!(
                "event: message_delta\ndata: {delta}\n\nevent: message_stop\ndata: \
                 {{\"type\":\"message_stop\"}}\n\n"
            );
        }
        let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
        let frame = json!({"id": "1", "object": "chat.completion.chunk", "choices": [choice]});
        format!("data: {frame}\n\ndata: [DONE]\n\n")
    }

    fn is_anthropic(&self) -> bool {
        self.row.vendor == Provider::MiniMax && self.row.dialect.is_none()
    }
}

fn without_last_word(text: &str) -> Value {
    let mut body: Value = serde_json::from_str(text).unwrap_or_default();
    for place in ["/choices/0/message/content", "/content/0/text"] {
        if let Some(Value::String(said)) = body.pointer_mut(place) {
            let cut = said.rfind(' ').unwrap_or(0);
            said.truncate(cut);
        }
    }
    body
}

fn whole(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn stream(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn is_early(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether the server has closed its side.
fn has_left(server: &TcpStream) -> bool {
    let _ = server.set_nonblocking(true);
    let peeked = server.peek(&mut [0]);
    let _ = server.set_nonblocking(false);
    match peeked {
        Ok(count) => count == 0,
        Err(error) => !is_early(error.kind()),
    }
}

fn read_request(server: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:")
                    .and_then(|length| length.trim().parse::<usize>().ok())
            });
            let body = &bytes[end + 4..];
            if body.len() >= length.unwrap_or(0) {
                return Some((head, body.to_vec()));
            }
        }
        match server.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
