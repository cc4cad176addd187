//! The work of a call, apart from whoever waits for it.
//!
//! Every call is worked on by a task of its own. Whoever sent it may leave: work for which a model
//! was asked goes on, since its answer is paid for, and is kept where the caller can find it (in
//! its thread, under its idempotency key, or as a kept call). Work that had asked nobody stops.
//! Only the caller's own wish, the tool's deadline or the end of the process stop the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Toolbox;
use crate::failure::{Category, Failure};
use crate::store::StoreError;
use crate::tool::call::{Call, Reply};
use crate::tool::long::{self, LongCall, LongCalls, Standing, cancelled};
use crate::tool::registry::{Found, Tool};

/// How long an answer is waited for where `limits.soft_deadline` is off; any tool ends before.
const LONGEST: Duration = Duration::from_secs(3600);

type Ended = Result<Reply, Failure>;

/// How a call is answered.
#[derive(Debug)]
pub enum Answered {
    /// With its answer.
    Whole(Box<Reply>),
    /// It is kept, and its answer can be collected.
    Later(Box<LongCall>),
}

/// How far the work is. Both fields are set once, and whoever sets the second sees the first, but
/// for an end that was taken.
#[derive(Debug, Default)]
struct Course {
    ended: Option<Ended>,
    kept: Option<LongCall>,
}

/// Somebody who waits for work. Dropped before the end, it stops work that cost nothing yet.
struct Waiting {
    course: watch::Sender<Course>,
    stop: CancellationToken,
    has_asked: Arc<AtomicBool>,
}

impl Toolbox {
    /// Runs a tool by name. A call that outlasts `limits.soft_deadline` is answered with the call
    /// that collects its answer, and the work goes on.
    ///
    /// # Errors
    /// Any failure, typed; `unknown_tool` of category `client_error` when there is no such tool.
    pub async fn call(&self, call: Call) -> Result<Reply, Failure> {
        self.call_with(call, Map::new()).await
    }

    /// As [`Toolbox::call`], with arguments that the caller's user was asked for. They are no part
    /// of what an idempotency key stands for, so that the call as it was sent finds its answer.
    ///
    /// # Errors
    /// As [`Toolbox::call`].
    pub async fn call_with(
        &self,
        call: Call,
        chosen: Map<String, Value>,
    ) -> Result<Reply, Failure> {
        let settings = &self.0.around.settings;
        let patience = settings.limits.soft_deadline;
        let patience = (!patience.is_zero()).then_some(patience);
        match self.within((call, chosen), patience).await? {
            Answered::Whole(reply) => Ok(*reply),
            Answered::Later(call) => Ok(call.reply(settings.tools.structured)),
        }
    }

    /// As [`Toolbox::call`], for a caller that can wait by itself: after `limits.task_after` it is
    /// told what to ask for.
    ///
    /// # Errors
    /// As [`Toolbox::call`].
    pub async fn call_or_keep(
        &self,
        call: Call,
        chosen: Map<String, Value>,
    ) -> Result<Answered, Failure> {
        let patience = self.0.around.settings.limits.task_after;
        self.within((call, chosen), Some(patience)).await
    }

    /// The calls that are kept.
    #[must_use]
    pub fn long_calls(&self) -> &LongCalls {
        &self.0.long
    }

    /// Takes no more calls, and waits for the work at hand.
    pub async fn finish(&self) {
        self.0.stopping.cancel();
        self.0.works.close();
        self.0.works.wait().await;
        self.0.around.spending.finish().await;
    }

    /// Ends the work at hand with a typed refusal.
    pub fn cut(&self) {
        self.0.stopping.cancel();
        self.0.cutting.cancel();
    }

    async fn within(
        &self,
        (call, chosen): (Call, Map<String, Value>),
        patience: Option<Duration>,
    ) -> Result<Answered, Failure> {
        let whole = |reply| Answered::Whole(Box::new(reply));
        let (call, waited_for) = self.continued(call).await?;
        if let Some(long) = waited_for {
            return self.collect(&call, long, patience).await;
        }
        let long = patience.and_then(|patience| Some((patience, self.long_form(&call)?)));
        let waiting = self.start(call, chosen);
        let Some((patience, long)) = long else {
            return waiting.ended().await.map(whole);
        };
        if let Ok(ended) = tokio::time::timeout(patience, waiting.ended()).await {
            return ended.map(whole);
        }
        match waiting.keep(&self.0.long, &long).await {
            Ok(None) => Ok(Answered::Later(Box::new(long))),
            Ok(Some(ended)) => ended.map(whole),
            Err(error) => {
                // What cannot be kept must be waited for.
                tracing::warn!(cause = %error, "a long call could not be kept");
                waiting.ended().await.map(whole)
            }
        }
    }

    /// Finds the kept call that a handle names. One that is not asked for by its `next_call` is
    /// gone on with: the thread of its answer takes the handle's place.
    async fn continued(&self, mut call: Call) -> Result<(Call, Option<LongCall>), Failure> {
        let Some(handle) = long::handle(&call.arguments) else {
            return Ok((call, None));
        };
        let long = self.0.long.find(&call.caller.principal, handle).await?;
        let tool = super::super::registry::canonical(&call.name);
        if long.is_collected_by(tool, &call.arguments) {
            return Ok((call, Some(long)));
        }
        let thread = long.thread()?.to_string();
        let arguments = &mut call.arguments;
        arguments.insert("continuation_id".to_owned(), thread.into());
        Ok((call, None))
    }

    /// Waits for the answer of a kept call, which any instance may be working on.
    async fn collect(
        &self,
        call: &Call,
        long: LongCall,
        patience: Option<Duration>,
    ) -> Result<Answered, Failure> {
        let _permit = self.0.permits.take(super::session_of(call).as_deref())?;
        let most = self.0.around.settings.limits.soft_deadline;
        let patience = patience.map_or(LONGEST, |patience| patience.max(most));
        let waiting = self.0.long.wait(long, patience);
        let long = tokio::select! {
            long = waiting => long?,
            () = call.cancel.cancelled() => return Err(cancelled()),
            () = self.0.cutting.cancelled() => return Err(cut()),
        };
        match long.standing {
            Standing::Working => Ok(Answered::Later(Box::new(long))),
            Standing::Ended(ended) => ended.map(|reply| Answered::Whole(Box::new(reply))),
        }
    }

    /// What would be kept of a call that may take long.
    fn long_form(&self, call: &Call) -> Option<LongCall> {
        let find = |name: &str| match self.0.registry.find(name) {
            Found::Tool(tool) => Some(&**tool),
            Found::Hidden(_) | Found::Unknown => None,
        };
        let tool: &Tool = find(&call.name).filter(|tool| tool.row.reaches_outside())?;
        LongCall::of(call, tool, find("chat"))
    }

    fn start(&self, call: Call, chosen: Map<String, Value>) -> Waiting {
        let (course, _) = watch::channel(Course::default());
        let waiting = Waiting {
            course: course.clone(),
            stop: call.cancel.child_token(),
            has_asked: Arc::default(),
        };
        let call = Call {
            cancel: waiting.stop.clone(),
            ..call
        };
        if self.0.stopping.is_cancelled() {
            course.send_modify(|course| course.ended = Some(Err(draining())));
            return waiting;
        }
        let (toolbox, has_asked) = (self.clone(), Arc::clone(&waiting.has_asked));
        // On its way to a worker it is moved six times, and it is large.
        let work = Box::pin(async move { toolbox.work((call, chosen), &has_asked, course).await });
        drop(self.0.works.spawn(work.in_current_span()));
        waiting
    }

    async fn work(
        &self,
        (call, chosen): (Call, Map<String, Value>),
        has_asked: &AtomicBool,
        course: watch::Sender<Course>,
    ) {
        let inner = &self.0;
        let attending = async {
            let mut kept = course.subscribe();
            let kept = kept.wait_for(|course| course.kept.is_some()).await;
            let Some(long) = kept.ok().and_then(|course| course.kept.clone()) else {
                return std::future::pending().await;
            };
            inner.long.attend(&long, &call.cancel).await;
            std::future::pending().await
        };
        let mut permit = None;
        let ended = tokio::select! {
            biased;
            ended = self.answer((&call, chosen), (has_asked, &mut permit)) => ended,
            () = attending => return,
        };
        let (mut ended, mut kept) = (Some(ended), None);
        course.send_modify(|course| {
            kept.clone_from(&course.kept);
            course.ended = if kept.is_some() {
                ended.clone()
            } else {
                // Whoever is told of the end finds the permit free.
                permit = None;
                ended.take()
            };
        });
        if let (Some(long), Some(ended)) = (kept, ended) {
            // In flight until it is kept: whoever waits for that before a kill loses nothing.
            inner.long.settle(&long, &ended).await;
        }
        drop(permit);
    }
}

impl Waiting {
    /// Waits for the end and takes it: nobody asks again who has it.
    async fn ended(&self) -> Ended {
        let mut course = self.course.subscribe();
        drop(course.wait_for(|course| course.ended.is_some()).await);
        let mut ended = None;
        self.course.send_if_modified(|course| {
            ended = course.ended.take();
            false
        });
        ended.unwrap_or_else(|| Err(cut()))
    }

    /// Keeps the call from now on; gives its end when that came first.
    async fn keep(&self, calls: &LongCalls, long: &LongCall) -> Result<Option<Ended>, StoreError> {
        calls.begin(long).await?;
        let mut ended = None;
        self.course.send_modify(|course| {
            course.kept = Some(long.clone());
            ended.clone_from(&course.ended);
        });
        if let Some(ended) = &ended {
            calls.settle(long, ended).await;
        }
        Ok(ended)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let is_promised = self.course.borrow().kept.is_some();
        if !is_promised && !self.has_asked.load(Ordering::Acquire) {
            self.stop.cancel();
        }
    }
}

fn draining() -> Failure {
    let message = "This server is ending and takes no more calls. Send the call again shortly.";
    Failure::new(Category::ServerError, "draining", message)
        .with_retry_after(Duration::from_secs(1))
}

pub(super) fn cut() -> Failure {
    let message = "This server ended before the answer came. Send the call again shortly.";
    Failure::new(Category::ServerError, "draining", message)
        .with_retry_after(Duration::from_secs(1))
}
