//! A simulated provider in a process of its own, and what its journal says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use exai_mocks::journal::{Began, Ended, Entry};
use exai_mocks::plan::{Plan, Rule, When};
use exai_mocks::tracer::RunKey;
use serde_json::json;

use super::ground::{built, http, wait_for};
use super::row::Row;

/// A simulator of a row's vendor, ended with the test.
pub struct Simulator {
    child: Child,
    /// `http://` and the address it serves at.
    pub root: String,
    control: String,
    journal: Arc<Mutex<Vec<Entry>>>,
}

/// One request as its simulator saw it, from its first byte to its last.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub began: Began,
    pub ended: Ended,
}

/// What the simulators prove their answers with.
pub fn run_key() -> RunKey {
    RunKey::new([0xab; 32])
}

/// A fault that lands on each request, or on the first alone.
pub fn faulty(fault: &str, once: bool) -> Plan {
    waiting(fault, once, None)
}

/// The same with a wait of its own, ms.
pub fn waiting(fault: &str, once: bool, delay_ms: Option<u64>) -> Plan {
    let when = When {
        times: once.then_some(1),
        ..When::default()
    };
    let rule = Rule {
        id: fault.to_owned(),
        fault: fault.to_owned(),
        when,
        delay_ms,
    };
    Plan {
        rules: vec![rule],
        ..Plan::default()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Simulator {
    pub fn start(row: &Row) -> Self {
        Self::at(row, "127.0.0.1:0")
    }

    /// One that serves at this address, such as that of one killed before.
    pub fn at(row: &Row, address: &str) -> Self {
        let mut child = Command::new(built("mock-provider"))
            .args(["--provider", row.vendor.name(), "--listen", address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the simulator starts");
        let key = json!({"key": row.key(), "id": "main", "tier": "unlimited", "state": "valid"});
        let settings =
            json!({"run_key": "ab".repeat(32), "epoch": 1, "keys": [key], "plan": {"seed": 7}});
        let input = child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{settings}").expect("the simulator takes its settings");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        output.read_line(&mut first).expect("a line");
        let Ok(Entry::Ready(ready)) = serde_json::from_str(&first) else {
            panic!("not ready: {first}");
        };
        let journal: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let kept = Arc::clone(&journal);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let entry = serde_json::from_str(&line).expect("an entry");
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(entry);
            }
        });
        let host = |url: &str| url.split('/').nth(2).expect("an address").to_owned();
        Self {
            child,
            root: format!("http://{}", host(&ready.url)),
            control: host(&ready.control),
            journal,
        }
    }

    /// Host and port it serves at.
    pub fn address(&self) -> &str {
        self.root.trim_start_matches("http://")
    }

    /// The process that plays the vendor.
    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"))
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it does from now on.
    pub fn plan(&self, plan: &Plan) {
        let body = serde_json::to_string(plan).expect("JSON");
        let (status, said) = http(&self.control, "PUT", "/plan", &[], &body);
        assert_eq!(status, 200, "{said}");
    }

    /// It does what its vendor does.
    pub fn heal(&self) {
        self.plan(&Plan::default());
    }

    /// How many requests came so far, by the simulator's own count.
    pub fn requests(&self) -> usize {
        let (status, said) = http(&self.control, "GET", "/counters", &[], "");
        assert_eq!(status, 200, "{said}");
        let counters: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let count = counters["requests"].as_u64().expect("a count");
        usize::try_from(count).expect("a count of a short test")
    }

    /// Every request so far, as it came, when the journal has told of each.
    pub fn began(&self) -> Vec<Began> {
        let known = self.requests();
        wait_for("the journal to tell of each request", || {
            let told = self.told();
            (told.len() >= known).then_some(told)
        })
    }

    fn told(&self) -> Vec<Began> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let began = journal.iter().filter_map(|entry| match entry {
            Entry::Began(began) => Some(began.clone()),
            _ => None,
        });
        began.collect()
    }

    /// The requests after the first `known`, when each of them has ended.
    pub fn since(&self, known: usize) -> Vec<Exchange> {
        let all = self.began();
        wait_for("the requests to end", || {
            let began = all[known..].to_vec();
            let ended = began.iter().map(|began| self.ended(&began.seq));
            let ended = ended.collect::<Option<Vec<_>>>()?;
            let both = began.into_iter().zip(ended);
            Some(
                both.map(|(began, ended)| Exchange { began, ended })
                    .collect(),
            )
        })
    }

    fn ended(&self, seq: &str) -> Option<Ended> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.iter().find_map(|entry| match entry {
            Entry::Ended(ended) if ended.seq == seq => Some(ended.clone()),
            _ => None,
        })
    }
}
