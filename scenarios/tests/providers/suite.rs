//! What every provider must do, asked of one through the server: each check stands alone, has a
//! name, and says in words what was wrong. The witness is the simulator's journal.

use std::time::Duration;

use exai_mocks::provider::Provider;
use exai_mocks::tracer::sha256_hex;
use serde_json::{Value, json};

use super::check::{Check, Fault, Run};
use super::ground::{Answer, Server, tracer};
use super::row::Row;
use super::simulator::{Exchange, Simulator, faulty, run_key};

/// What was wrong, in words.
pub type Outcome = Result<(), String>;

/// Clocks short enough for a test and a breaker that stays out of the way: what breakers do is
/// not this suite's.
const SETTINGS: &str = "[timeouts.prompt]\nfirst_token = \"1500ms\"\nidle = \"1500ms\"\n\
                        [breaker]\nfailures = 1000\n";
/// The clocks of [`SETTINGS`], and as much again for what is not waiting.
const SILENCE: Duration = Duration::from_millis(3_000);

/// A provider of a running server, and its simulator.
pub struct Bench<'a> {
    pub row: Row,
    pub server: Server,
    pub simulator: &'a Simulator,
    /// Where the server reaches it: the simulator's own root, or a stand-in's.
    pub root: String,
}

/// One call and the requests it made.
struct Seen {
    tracer: String,
    answer: Answer,
    exchanges: Vec<Exchange>,
}

impl<'a> Bench<'a> {
    pub fn at(row: Row, simulator: &'a Simulator, root: &str) -> Self {
        Self {
            row,
            server: Server::start(&[(row, root)], SETTINGS),
            simulator,
            root: root.to_owned(),
        }
    }

    /// Makes one check, the simulator healthy before and after it.
    pub fn check(&self, check: &Check) -> Outcome {
        let outcome = match &check.run {
            Run::By(run) => run(self),
            Run::Fault(fault) => self.fault(fault),
        };
        self.simulator.heal();
        outcome
    }

    fn ask(&self, arguments: Value) -> Seen {
        let tracer = tracer();
        let mut arguments = arguments;
        arguments["prompt"] = format!("Please look at this: {tracer}").into();
        if arguments["model"].is_null() {
            arguments["model"] = self.row.address().into();
        }
        let known = self.simulator.requests();
        let answer = self.server.call("chat", &arguments);
        Seen {
            tracer,
            answer,
            exchanges: self.simulator.since(known),
        }
    }

    pub fn proven(&self, streamed: bool) -> Outcome {
        let seen = self.ask(json!({"stream": streamed}));
        seen.is_proven(&self.row)?;
        let last = seen.only()?;
        wanted("stream", &last.began.stream, &streamed)?;
        wanted("model asked", &last.began.model.as_str(), &self.row.model)?;
        let reply = &seen.answer.reply;
        wanted("provider named", &reply["provider"], &json!(self.row.name))?;
        wanted("model named", &reply["model_used"], &json!(self.row.model))
    }

    /// The reply tells how its route was decided and what became of each attempt.
    pub fn trace(&self) -> Outcome {
        self.simulator.plan(&faulty("G01", true));
        let seen = self.ask(json!({}));
        seen.is_proven(&self.row)?;
        let reply = &seen.answer.reply;
        wanted(
            "model asked",
            &reply["model_asked"],
            &json!(self.row.address()),
        )?;
        wanted("reason", &reply["reason"], &json!("explicit"))?;
        wanted("failover", &reply["failover"], &json!(false))?;
        let attempts = reply["attempts"].as_array().cloned().unwrap_or_default();
        let told: Vec<_> = attempts
            .iter()
            .map(|one| json!([one["provider"], one["model"], one["outcome"]]))
            .collect();
        let (name, model) = (self.row.name, self.row.model);
        let each = ["provider_rate_limited", "ok"];
        let wants: Vec<_> = each.iter().map(|came| json!([name, model, came])).collect();
        wanted("attempts", &told, &wants)
    }

    /// The tool's own instructions arrive where the vendor reads them, each time the same.
    pub fn instructions(&self) -> Outcome {
        let mut found = Vec::new();
        for streamed in [false, true] {
            let seen = self.ask(json!({"stream": streamed}));
            found.push(seen.only()?.began.system_sha256.clone());
        }
        if found.contains(&sha256_hex(b"")) {
            return Err("no instructions reached the provider".to_owned());
        }
        wanted("instructions", &found[1], &found[0])
    }

    /// Both sides of the turn before come with the next one, in order.
    pub fn thread(&self) -> Outcome {
        let first = self.ask(json!({}));
        let id = &first.answer.reply["continuation_id"];
        let second = self.ask(json!({"continuation_id": id}));
        second.is_proven(&self.row)?;
        let began = &second.only()?.began;
        let spoken = began.messages.iter().filter(|one| one.role != "system");
        let roles: Vec<&str> = spoken.map(|one| one.role.as_str()).collect();
        wanted("roles", &roles, &vec!["user", "assistant", "user"])?;
        let places: Vec<_> = [&first.tracer, &second.tracer]
            .iter()
            .map(|tracer| {
                let mut all = began.messages.iter();
                all.position(|message| message.tracers.contains(tracer))
            })
            .collect();
        match places[..] {
            [Some(earlier), Some(later)] if earlier < later => Ok(()),
            _ => Err(format!("the turns' tracers stand at {places:?}")),
        }
    }

    /// The request bounds its answer by itself.
    pub fn bound(&self) -> Outcome {
        let seen = self.ask(json!({}));
        let params = &seen.only()?.began.params;
        let names = ["max_tokens", "max_completion_tokens"];
        let bound = names.iter().find_map(|name| params.get(*name)?.as_u64());
        bound.filter(|bound| *bound > 0).map(|_| ()).ok_or_else(|| {
            let fields: Vec<&String> = params.keys().collect();
            format!("no bound on the output among {fields:?}")
        })
    }

    /// The simulators count four bytes a token. In this class they count no thought, but where
    /// nothing can switch it off.
    pub fn usage(&self) -> Outcome {
        for streamed in [false, true] {
            let seen = self.ask(json!({"stream": streamed}));
            let tokens = &seen.answer.reply["tokens"];
            let told = |name: &str| tokens[name].as_u64().unwrap_or(0);
            let (output, wanted) = (told("output"), seen.answer.text.len() as u64 / 4 + 1);
            let is_more = self.row.dialect.is_some() && output > wanted;
            if output != wanted && !is_more {
                return Err(format!("{output} output tokens instead of {wanted}"));
            }
            if told("input") < 10 {
                return Err(format!("{} input tokens are told", told("input")));
            }
        }
        Ok(())
    }

    /// Where a call asks for thinking, the request switches it on and no thought is in the answer.
    /// An OpenAI-shaped service has no switch of its own.
    pub fn thinking(&self) -> Outcome {
        if self.row.dialect.is_some() {
            return Ok(());
        }
        let seen = self.ask(json!({"thinking_mode": "high"}));
        seen.is_proven(&self.row)?;
        let thinking = seen.only()?.began.params.get("thinking");
        let on = if self.row.vendor == Provider::MiniMax {
            "adaptive"
        } else {
            "enabled"
        };
        let switch = thinking.map(|thinking| &thinking["type"]);
        wanted("thinking switch", &switch, &Some(&json!(on)))?;
        if seen.answer.text.contains("Weighing the request") {
            return Err("thoughts stand in the answer".to_owned());
        }
        self.thoughts_again(&seen)
    }

    /// MiniMax wants its thoughts back with the next turn, whole: the simulator refuses a changed
    /// one and counts those that come. The others are sent none.
    fn thoughts_again(&self, first: &Seen) -> Outcome {
        let id = &first.answer.reply["continuation_id"];
        let next = self.ask(json!({"continuation_id": id, "thinking_mode": "high"}));
        next.is_proven(&self.row)?;
        let returned = next.only()?.began.params.get("thinking_returned");
        let returned = returned.and_then(Value::as_u64).unwrap_or(0);
        let due = u64::from(self.row.vendor == Provider::MiniMax);
        wanted("thoughts sent back", &returned, &due)
    }

    /// A key that the vendor does not know is the operator's to mend: one request, no other try.
    pub fn credential(&self) -> Outcome {
        let key = self.row.key().replace("anted", "inted");
        let keys = [(self.row.variable.to_owned(), key.clone())];
        let bench = Self {
            server: Server::with_keys(&[(self.row, &self.root)], &keys, SETTINGS),
            root: self.root.clone(),
            ..*self
        };
        let seen = bench.ask(json!({}));
        wanted("code", &seen.answer.code(), &"provider_configuration")?;
        wanted("key", &seen.only()?.began.key.as_str(), &"unknown")?;
        let error = seen.answer.error.unwrap_or_default().to_string();
        if error.contains(&key) {
            return Err("the key stands in the message".to_owned());
        }
        Ok(())
    }

    fn fault(&self, fault: &Fault) -> Outcome {
        self.simulator.plan(&faulty(fault.id, fault.once));
        let seen = self.ask(json!({"stream": fault.streamed}));
        let landed = seen.exchanges.first();
        let landed = landed.and_then(|one| one.began.fault.as_deref());
        wanted("fault landed", &landed, &Some(fault.id))?;
        match fault.code_at(&self.row) {
            None => seen.is_proven(&self.row)?,
            Some(code) => {
                let said = &seen.answer.text;
                if seen.answer.error.is_none() {
                    return Err(format!("a success instead of {code}: {said}"));
                }
                wanted("code", &seen.answer.code(), &code)?;
            }
        }
        wanted("requests", &seen.exchanges.len(), &fault.requests)?;
        if seen.answer.took > SILENCE {
            return Err(format!("it took {} ms", seen.answer.took.as_millis()));
        }
        self.simulator.heal();
        self.ask(json!({})).is_proven(&self.row)
    }
}

impl Seen {
    /// The text is what the simulator sent to the last request, and answers this call's tracer.
    fn is_proven(&self, row: &Row) -> Outcome {
        if let Some(error) = &self.answer.error {
            return Err(format!("no answer: {error}"));
        }
        let last = self.exchanges.last();
        let last = last.ok_or("an answer without a request")?;
        let text = &self.answer.text;
        let model = &last.began.model;
        let keyed = run_key().answer(row.vendor.name(), model, &self.tracer);
        if !text.contains(&keyed) {
            return Err(format!("the tracer is not answered in: {text}"));
        }
        let (above, closing) = text.rsplit_once('\n').unwrap_or_default();
        let seal = run_key().seal(&last.began.request_sha256, &last.began.seq);
        let whole = format!("seal {seal} {}", sha256_hex(above.as_bytes()));
        wanted("closing line", &closing, &whole.as_str())
    }

    fn only(&self) -> Result<&Exchange, String> {
        match &self.exchanges[..] {
            [only] => Ok(only),
            several => Err(format!("{} requests instead of 1", several.len())),
        }
    }
}

fn wanted<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: {got:?} instead of {wanted:?}"))
}
