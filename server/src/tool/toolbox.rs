//! One way to run any tool: checked arguments, a permit, a deadline, a net for panics, a line in
//! the log and one in the metrics.

mod report;
mod span;
mod work;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::{Call, Reply, Shared};
use super::catalogue::{Catalogue, Kind};
use super::long::{LongCalls, cancelled};
use super::permit::{Permit, Permits};
use super::registry::{Found, Registry, Tool};
use super::results::{Question, Results};
use super::room::Room;
use super::run::{Run, reply_of};
use super::surroundings::Surroundings;
use super::turnstile::Turnstile;
use super::{challenge, chat, claim, consensus, direct, echo, examine, file_download, file_query};
use super::{information, intent, length, manage_files, pages, record, schema, workflow};
use crate::failure::{Category, Failure};
use crate::observe::process;
use crate::observe::trace::Span;
pub use work::Answered;

/// What the tool's own deadline leaves the clocks inside it for telling their failure.
const MARGIN: Duration = Duration::from_secs(5);

/// The tools and everything they need; cheap to clone.
#[derive(Debug, Clone)]
pub struct Toolbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    around: Surroundings,
    permits: Permits,
    room: Room,
    turnstile: Turnstile,
    results: Results,
    long: LongCalls,
    works: TaskTracker,
    /// No more calls are taken.
    stopping: CancellationToken,
    /// The work at hand ends.
    cutting: CancellationToken,
}

impl Toolbox {
    /// The tools of the embedded rows.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self::with_catalogue(around, Catalogue::embedded().clone())
    }

    /// The tools of the rows given.
    #[must_use]
    pub fn with_catalogue(around: Surroundings, catalogue: Catalogue) -> Self {
        let providers = (around.providers)();
        let has_provider = |name: &str| {
            providers
                .iter()
                .any(|row| row.name == name && row.registered)
        };
        let registry = Registry::build(catalogue, &around.settings.tools, has_provider);
        let limits = &around.settings.limits;
        let permits = Permits::new(
            limits.in_flight,
            limits.in_flight_per_session,
            around.metrics.clone(),
        );
        let room = Room::new(limits.memory_bytes, process::memory_limit());
        let results = Results::new(&around.settings.tools);
        let long = LongCalls::new(around.threads.store().clone());
        Self(Arc::new(Inner {
            registry,
            around,
            permits,
            room,
            turnstile: Turnstile::default(),
            results,
            long,
            works: TaskTracker::new(),
            stopping: CancellationToken::new(),
            cutting: CancellationToken::new(),
        }))
    }

    /// Which tools there are.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What the tools use.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.0.around
    }

    /// Calls in flight.
    #[must_use]
    pub fn permits(&self) -> &Permits {
        &self.0.permits
    }

    /// Room in memory for calls.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.0.room
    }

    /// Forgets every answer, review, choice of routes and list that is kept in memory.
    pub fn forget(&self) {
        (self.0.around.forget_routes)();
        self.0.results.clear();
        self.0.around.reviews.clear();
    }

    /// Does the work of a call; `has_asked` is set before a provider is asked. The permit that it
    /// takes is the caller's to give back.
    async fn answer(
        &self,
        (call, chosen): (&Call, Map<String, Value>),
        (has_asked, permit): (&AtomicBool, &mut Option<Permit>),
    ) -> Result<Reply, Failure> {
        let started = Instant::now();
        let found = self.0.registry.find(&call.name);
        let span = span::open(&self.0.around.tracer, call, &found);
        let (label, result) = match found {
            Found::Tool(tool) => {
                let during = (started, has_asked, span.as_ref());
                let running = self.run(tool, (call, chosen), permit, during);
                (tool.name, running.await)
            }
            Found::Hidden(absent) => ("hidden", Err(hidden(&absent.reason))),
            Found::Unknown => ("unknown", Err(unknown())),
        };
        span::close(span, &result);
        self.report(label, call, started, &result);
        result
    }

    async fn run(
        &self,
        tool: &Tool,
        (call, chosen): (&Call, Map<String, Value>),
        permit: &mut Option<Permit>,
        (started, has_asked, span): (Instant, &AtomicBool, Option<&Span>),
    ) -> Result<Reply, Failure> {
        let mut arguments = call.arguments.clone();
        arguments.extend(chosen);
        schema::check(&tool.validator, &Value::Object(arguments.clone()))?;
        length::check(tool, &arguments, self.0.around.settings.limits.prompt_chars)?;
        let claim = claim::of(tool, call)?;
        if tool.row.reaches_outside() {
            self.0.room.check()?;
        }
        *permit = Some(self.0.permits.take(session_of(call).as_deref())?);
        // Whatever ends this call also ends what it started.
        let mut inner = call.clone();
        inner.arguments = arguments;
        inner.cancel = call.cancel.child_token();
        let _guard = inner.cancel.clone().drop_guard();
        let run = Run {
            call: &inner,
            tool,
            around: &self.0.around,
            claim: claim.as_ref(),
            started,
            has_asked,
            span,
        };
        let work = AssertUnwindSafe(self.once(run)).catch_unwind();
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(cancelled()),
            () = self.0.cutting.cancelled() => Err(work::cut()),
            ended = tokio::time::timeout(self.deadline(tool), work) => match ended {
                Ok(Ok(result)) => result.map(|reply| self.with_page_call(tool, reply)),
                Ok(Err(panic)) => Err(panicked(panic.as_ref())),
                Err(_) => Err(timed_out()),
            },
        }
    }

    /// Runs the call, unless its idempotency key has an answer already. An equal call that is
    /// still running is waited for.
    async fn once(&self, run: Run<'_>) -> Result<Reply, Failure> {
        let handle = run.arguments().text("continuation_id");
        if let Some(address) = handle.filter(|handle| handle.starts_with(pages::PREFIX)) {
            return pages::turn_to(&run, address).await;
        }
        let Some(claim) = run.claim else {
            return self.shared(run).await;
        };
        let key = format!("{}\0{}", run.owner(), claim.key);
        let _pass = self.0.turnstile.enter(key).await;
        match self.0.around.threads.recall(run.owner(), claim).await? {
            Some(committed) => reply_of(committed, super::call::Kept::default()),
            None => self.made(run).await,
        }
    }

    /// Runs the call, unless an equal one of the same principal is running or was answered lately.
    async fn shared(&self, run: Run<'_>) -> Result<Reply, Failure> {
        let Some(question) = Question::of(&run) else {
            return self.made(run).await;
        };
        let Inner {
            around, results, ..
        } = &*self.0;
        let asked = Instant::now();
        let _pass = self.0.turnstile.enter(question.key.clone()).await;
        if let Some(reply) = results.find(&question, asked, Instant::now())
            && is_last_word(&run, &reply).await
        {
            let cache = reply.shared.map_or("result", Shared::name);
            if reply.shared == Some(Shared::Meaning) {
                around.metrics.cache_miss("result");
            }
            around.metrics.cache_hit(cache);
            return Ok(reply);
        }
        around.metrics.cache_miss("result");
        if results.is_semantic() {
            around.metrics.cache_miss("semantic");
        }
        let reply = self.made(run).await?;
        results.keep(question, &reply, Instant::now());
        Ok(reply)
    }

    async fn made(&self, run: Run<'_>) -> Result<Reply, Failure> {
        Ok(pages::kept(&run, self.dispatch(run).await?).await)
    }

    fn with_page_call(&self, tool: &Tool, reply: Reply) -> Reply {
        let size = pages::size(&self.0.around.settings);
        let is_long = pages::count(&reply.text, size) > 1;
        let page_call = is_long.then(|| pages::call(&self.0.registry, tool));
        Reply {
            page_call: page_call.flatten(),
            ..reply
        }
    }

    async fn dispatch(&self, run: Run<'_>) -> Result<Reply, Failure> {
        match run.tool.row.kind {
            Kind::Chat => chat::run(run).await,
            Kind::Workflow => workflow::run(run).await,
            Kind::Consensus => consensus::run(run).await,
            Kind::Version => Ok(information::version(run).await),
            Kind::Status => information::status(run, &self.0.registry).await,
            Kind::ListModels => Ok(information::list_models(run)),
            Kind::Challenge => challenge::run(run),
            Kind::Echo => Ok(echo::run(run)),
            Kind::Health => Ok(examine::health(run)),
            Kind::SelfCheck => Ok(examine::self_check(run, &self.0.registry).await),
            Kind::Capabilities => Ok(examine::capabilities(run, &self.0.registry).await),
            Kind::Activity => record::activity(run),
            Kind::CallLog => record::call_log(run),
            Kind::ToolChat => direct::chat_with_tools(run).await,
            Kind::Preview => direct::payload_preview(run),
            Kind::WebSearch => direct::web_search(run).await,
            Kind::Intent => intent::run(run, &self.0.registry).await,
            Kind::Capture => direct::capture_headers(run).await,
            Kind::FileQuery => file_query::run(run).await,
            Kind::FileDownload => file_download::run(run).await,
            Kind::ManageFiles => manage_files::run(run).await,
        }
    }

    /// How long the slowest tool may take.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let tools = self.0.registry.tools().iter();
        let each = tools.map(|tool| self.deadline(tool));
        each.max().unwrap_or_default()
    }

    /// Permits that are out for longer than any tool may take.
    #[must_use]
    pub fn permits_overdue(&self) -> usize {
        let longest = self.longest() + MARGIN;
        self.0.permits.overdue(longest, Instant::now())
    }

    /// The router keeps the clocks of the model's class; this is the net below them.
    fn deadline(&self, tool: &Tool) -> Duration {
        let timeouts = &self.0.around.settings.timeouts;
        if let Some(wall) = timeouts.daemon().filter(|_| tool.row.reaches_outside()) {
            return wall;
        }
        match tool.row.kind {
            Kind::Workflow | Kind::Consensus => {
                timeouts.prompt.workflow.max(timeouts.thinking.workflow) + MARGIN
            }
            Kind::FileQuery | Kind::FileDownload | Kind::ManageFiles => {
                let total = timeouts.prompt.total.max(timeouts.thinking.total);
                total + self.0.around.settings.files.upload_timeout + MARGIN
            }
            _ if tool.row.reaches_outside() => {
                timeouts.prompt.total.max(timeouts.thinking.total) + MARGIN
            }
            _ => timeouts.tool,
        }
    }
}

fn model_of(reply: &Reply) -> &str {
    let trace = reply.about.as_ref().map(|about| &about.kept.trace);
    let model = trace.and_then(|trace| trace.get("model_used"));
    model.and_then(Value::as_str).unwrap_or_default()
}

/// Whether the reply's thread, where it has one, still ends with it. One that was gone on with, or
/// deleted, belongs to whoever did so.
async fn is_last_word(run: &Run<'_>, reply: &Reply) -> bool {
    let Some(receipt) = reply.about.as_ref().map(|about| &about.receipt) else {
        return true;
    };
    let threads = &run.around.threads;
    let read = threads.read(run.owner(), &receipt.thread.to_string()).await;
    read.is_ok_and(|thread| thread.exchanges.len() == receipt.turn as usize)
}

/// What counts as one session: the transport's own, else principal, transport and thread.
fn session_of(call: &Call) -> Option<String> {
    let handle = || {
        call.arguments
            .get("continuation_id")
            .and_then(Value::as_str)
    };
    let (principal, transport) = (&call.caller.principal, call.caller.transport.name());
    match &call.session {
        Some(session) => Some(format!("{principal}\0{transport}\0s\0{session}")),
        None => handle().map(|handle| format!("{principal}\0{transport}\0t\0{handle}")),
    }
}

fn hidden(reason: &str) -> Failure {
    let message = format!("This tool is not available here: {reason}. The status tool lists why.");
    Failure::new(Category::ToolError, "tool_hidden", message).with_retryable(false)
}

fn unknown() -> Failure {
    let message = "There is no tool of this name. tools/list names the tools.";
    Failure::new(Category::ClientError, "unknown_tool", message)
}

fn timed_out() -> Failure {
    let message = "The tool did not finish in its time. Try again, or ask for less at once.";
    Failure::new(Category::TimeoutError, "tool_timeout", message)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned());
    let message = "This call met a fault of the server. Other calls are not affected.";
    Failure::new(Category::ServerError, "tool_panicked", message)
        .with_cause(format!("panic: {said}"))
}
