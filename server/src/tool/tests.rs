//! The tools on a real embedded store, with a table in the router's place.

mod conversation;
mod direct;
mod guide;
mod information;
mod laid_out;
mod listing;
mod long;
mod paged;
mod panel;
mod precommit;
mod reviewed;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use super::surroundings::{AskModel, Settings};
use super::workflow::Reviews;
use super::{Call, ModelFacts, Reply, Surroundings, Toolbox};
use crate::config::Config;
use crate::failure::Failure;
use crate::observe::manifest::Identity;
use crate::observe::trace::Tracer;
use crate::observe::{Health, Metrics};
use crate::protocol::caller::{Caller, Transport};
use crate::router::ask::{Answer, Ask, Trace, Usage};
use crate::router::direct::{DirectAnswer, DirectAsk, Sent};
use crate::router::member::ProviderStatus;
use crate::spending::Spending;
use crate::store::{Home, Store, ThreadLimits};
use crate::thread::Threads;

/// What a model in a test answers.
pub(crate) type Table = Arc<dyn Fn(&Ask) -> Result<String, Failure> + Send + Sync>;

/// A toolbox, its store's folder, and every question that was asked.
pub(crate) struct Bench {
    pub(crate) toolbox: Toolbox,
    pub(crate) asked: Arc<Mutex<Vec<Ask>>>,
    folder: tempfile::TempDir,
    config: Config,
    table: Table,
}

impl Bench {
    pub(crate) async fn new(config: &str, table: Table) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::from_toml(config).unwrap();
        let asked = Arc::default();
        let toolbox = toolbox(&folder, &config, recorder(&table, &asked)).await;
        Self {
            toolbox,
            asked,
            folder,
            config,
            table,
        }
    }

    pub(crate) async fn echoing() -> Self {
        Self::new("", Arc::new(|ask| Ok(format!("re: {}", last_text(ask))))).await
    }

    /// Another process on the same store.
    pub(crate) async fn restarted(&self) -> Toolbox {
        toolbox(
            &self.folder,
            &self.config,
            recorder(&self.table, &self.asked),
        )
        .await
    }

    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Result<Reply, Failure> {
        self.toolbox.call(call(name, arguments)).await
    }

    pub(crate) fn questions(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }
}

async fn toolbox(folder: &tempfile::TempDir, config: &Config, ask: AskModel) -> Toolbox {
    let home = Home::Embedded {
        path: folder.path().join("exai.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    let limits = ThreadLimits {
        exchanges: 10,
        ttl_ms: 60_000,
        queue: 0,
    };
    let store = Store::open(home, limits, Arc::new(|_| {})).await.unwrap();
    Toolbox::new(Surroundings {
        ask,
        direct: Arc::new(|ask, _| std::future::ready(Ok(direct_answer(ask))).boxed()),
        preview: Arc::new(|ask, _| Ok(json!({"model": ask.model, "system": ask.system}))),
        providers: Arc::new(|| vec![provider("kimi", true), provider("glm", false)]),
        models: Arc::new(|| vec![model("kimi-k2")]),
        lists: Arc::new(|_| std::future::ready(Vec::new()).boxed()),
        forget_routes: Arc::new(|| {}),
        spending: Spending::new(store.clone(), config.budgets.clone()),
        threads: Threads::new(store, limits),
        files: None,
        probe_providers: Arc::new(|| {
            let dead = ProviderStatus {
                health: "unhealthy",
                last_error: Some("probe could not connect".into()),
                ..provider("minimax", true)
            };
            std::future::ready(vec![provider("kimi", true), dead]).boxed()
        }),
        reviews: Reviews::new(&config.tools),
        journal: Journal::new(config.limits.recent_calls),
        health: Health::new(&config.ready_require),
        identity: Identity::fresh(),
        metrics: Metrics::new(),
        tracer: Tracer::default(),
        settings: Arc::new(Settings::of(config)),
    })
}

fn recorder(table: &Table, asked: &Arc<Mutex<Vec<Ask>>>) -> AskModel {
    let (table, asked) = (table.clone(), asked.clone());
    Arc::new(move |ask, _| {
        asked.lock().unwrap().push(ask.clone());
        let table = table.clone();
        async move { table(&ask).map(|text| answer(&ask, text)) }.boxed()
    })
}

pub(crate) fn answer(ask: &Ask, text: String) -> Answer {
    let model = ask.model.clone().unwrap_or_default();
    let trace = Trace {
        model_asked: model.clone(),
        model_used: model,
        provider: "kimi".into(),
        reason: "explicit".into(),
        failover: false,
        attempts: vec![],
        usage: Usage {
            input: 3,
            output: 2,
            cached: 1,
        },
        cost_usd: Some(0.5),
        elapsed_ms: 7,
        searched: false,
        demo: false,
        incomplete: None,
        warnings: vec![],
    };
    Answer {
        text,
        trace,
        thoughts: Vec::new(),
    }
}

/// A provider that hands back what it was sent, as a message or as a result.
fn direct_answer(ask: DirectAsk) -> DirectAnswer {
    let (provider, model, body) = match ask.what {
        Sent::Post { method, body } => {
            let found =
                json!([{"title": method.name(), "link": "https://x.test", "content": body}]);
            (
                ask.provider,
                String::new(),
                json!({ "search_result": found }),
            )
        }
        Sent::Chat(chat) => {
            let text = format!("{:?}", chat.messages);
            let mut calls = json!(chat.tools);
            if chat.hosted_search {
                calls = json!(["hosted"]);
            }
            let message = json!({"role": "assistant", "content": text, "tool_calls": calls});
            let body = json!({"choices": [{"finish_reason": "stop", "message": message}]});
            (ask.provider, chat.model.unwrap_or_default(), body)
        }
    };
    DirectAnswer {
        body,
        sent: [("authorization".to_owned(), "(masked)".to_owned())].into(),
        received: [("x-cache".to_owned(), "hit".to_owned())].into(),
        provider,
        model,
        usage: Usage::default(),
        cost_usd: None,
        elapsed_ms: 3,
    }
}

pub(crate) fn last_text(ask: &Ask) -> &str {
    &ask.messages.last().unwrap().text
}

pub(crate) fn call(name: &str, arguments: Value) -> Call {
    let arguments: Map<String, Value> = serde_json::from_value(arguments).unwrap();
    Call {
        name: name.into(),
        arguments,
        caller: Caller {
            transport: Transport::Http,
            ..Caller::local()
        },
        idempotency_key: None,
        is_fresh: false,
        session: None,
        cancel: CancellationToken::new(),
        on_text: None,
        parent: None,
    }
}

/// Arguments that a workflow tool accepts at any step.
pub(crate) fn step_of(tool: &str, number: u32, total: u32, is_next_required: bool) -> Value {
    let mut step = json!({
        "step": format!("step text {number}"),
        "step_number": number,
        "total_steps": total,
        "next_step_required": is_next_required,
    });
    let mut set = |name: &str, value: Value| step[name] = value;
    if tool != "planner" {
        set("findings", json!(format!("finding {number}")));
    }
    match tool {
        "precommit" => set("diff", json!("+added line")),
        "tracer" => {
            set("trace_mode", json!("precision"));
            set("target_description", json!("the start"));
        }
        "docgen" => {
            for name in [
                "document_complexity",
                "document_flow",
                "update_existing",
                "comments_on_complex_logic",
            ] {
                set(name, json!(true));
            }
            set("num_files_documented", json!(1));
            set("total_files_to_document", json!(1));
        }
        _ => {}
    }
    step
}

/// The status object of a workflow's reply.
pub(crate) fn status(reply: &Reply) -> Value {
    reply.about.as_ref().unwrap().kept.workflow.clone().unwrap()
}

pub(crate) fn handle(reply: &Reply) -> String {
    reply.about.as_ref().unwrap().receipt.thread.to_string()
}

fn provider(name: &str, registered: bool) -> ProviderStatus {
    ProviderStatus {
        name: name.into(),
        label: format!("{name} label"),
        dialect: "kimi",
        registered,
        reason: None,
        health: "healthy",
        breaker: "closed",
        last_error: None,
        quota_seconds: std::collections::BTreeMap::new(),
        models: Arc::default(),
    }
}

fn model(name: &str) -> ModelFacts {
    ModelFacts {
        name: name.into(),
        provider: "kimi".into(),
        label: "kimi label".into(),
        class: "prompt".into(),
        status: "current".into(),
        available: true,
        context_tokens: 1000,
        max_output_tokens: 100,
        aliases: vec!["alias".into()],
        capabilities: super::surroundings::Capabilities::default(),
        successor: None,
    }
}
