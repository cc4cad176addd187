//! The handler of both revisions and all transports.

use http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams,
    CancelledNotificationParam, CompleteRequestParams, CompleteResult, CompletionInfo,
    CustomRequest, CustomResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, Implementation, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Reference, ServerCapabilities, ServerConfig,
    Tool as ListedTool, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::asking::Ended;
use super::caller::Caller;
use super::page::page;
use super::progress::{self, Progress, QUEUE};
use super::withdrawal::Withdrawals;
use super::{listing, reply, resource, task, trail, verb};
use crate::failure::{Category, Failure};
use crate::observe::manifest::VERSION;
use crate::thread::Threads;
use crate::tool::{Call, Toolbox};

/// What clients show their model about the server as a whole.
const INSTRUCTIONS: &str = include_str!("instructions.md");

/// Where a caller's idempotency key stands in a request's metadata.
pub const IDEMPOTENCY_KEY: &str = "dev.exai/idempotency-key";

/// Where a caller says that it wants an answer of its own.
const NO_CACHE: &str = "dev.exai/no-cache";

/// How long clients may keep lists that change only with the process.
const LIST_TTL_MS: u64 = 300_000;

/// Answers one client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handler {
    toolbox: Toolbox,
    is_pipe: bool,
    closing: CancellationToken,
    open: Withdrawals,
}

impl Handler {
    /// A handler that refuses requests without a verified caller.
    #[must_use]
    pub fn for_network(toolbox: Toolbox) -> Self {
        Self {
            toolbox,
            is_pipe: false,
            closing: CancellationToken::new(),
            open: Withdrawals::default(),
        }
    }

    /// A handler whose caller is whoever started the process; `closing` ends calls in flight.
    #[must_use]
    pub fn for_pipe(toolbox: Toolbox, closing: CancellationToken) -> Self {
        Self {
            toolbox,
            is_pipe: true,
            closing,
            open: Withdrawals::default(),
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// -32603 when the request did not come through the gate.
    pub(super) fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        if self.is_pipe {
            return Ok(Caller::local());
        }
        let parts = context.extensions.get::<Parts>();
        parts
            .and_then(|parts| parts.extensions.get::<Caller>())
            .cloned()
            .ok_or_else(|| {
                // Failing closed: a request that skipped the middleware has no principal.
                tracing::error!("a request reached the protocol without a caller");
                ErrorData::internal_error("the request carries no verified caller", None)
            })
    }

    pub(super) const fn toolbox(&self) -> &Toolbox {
        &self.toolbox
    }

    fn threads(&self) -> &Threads {
        &self.toolbox.surroundings().threads
    }

    pub(super) fn call_of(
        &self,
        request: CallToolRequestParams,
        (caller, cancel): (Caller, CancellationToken),
        context: &RequestContext<RoleServer>,
    ) -> Result<(Call, Progress), Failure> {
        let arguments = request.arguments.unwrap_or_default();
        let has_token = context.meta.get_progress_token().is_some();
        let (sender, texts) = mpsc::channel(QUEUE);
        let label = progress::label(&request.name, &arguments);
        let progress = Progress::new(label, texts);
        let on_text = (has_token && progress::wants_text(&arguments)).then_some(sender);
        let call = Call {
            name: request.name.into_owned(),
            arguments,
            caller,
            idempotency_key: idempotency_key(context)?,
            is_fresh: is_fresh(context)?,
            session: session(context),
            cancel,
            on_text,
            parent: trail::parent(context),
        };
        Ok((call, progress))
    }
}

/// What a call ends with that nobody waits for.
fn left() -> Failure {
    let message = "This call's client has gone, or this process is ending. Repeat the call.";
    Failure::new(Category::ServerError, "closing", message)
}

/// The caller's key; a key that is not text is refused, since ignoring it would call twice.
fn idempotency_key(context: &RequestContext<RoleServer>) -> Result<Option<String>, Failure> {
    match context.meta.get(IDEMPOTENCY_KEY) {
        None => Ok(None),
        Some(Value::String(key)) => Ok(Some(key.clone())),
        Some(_) => Err(Failure::validation(
            "/_meta/dev.exai~1idempotency-key",
            "An idempotency key is a string.",
        )),
    }
}

/// Whether the caller wants an answer of its own; what is no truth value is refused, since ignoring
/// it would give an old answer.
fn is_fresh(context: &RequestContext<RoleServer>) -> Result<bool, Failure> {
    match context.meta.get(NO_CACHE) {
        None => Ok(false),
        Some(Value::Bool(is_fresh)) => Ok(*is_fresh),
        Some(_) => Err(Failure::validation(
            "/_meta/dev.exai~1no-cache",
            "dev.exai/no-cache is true or false.",
        )),
    }
}

/// The transport's session, where it keeps one.
fn session(context: &RequestContext<RoleServer>) -> Option<String> {
    let parts = context.extensions.get::<Parts>()?;
    let id = parts.headers.get("mcp-session-id")?.to_str().ok()?;
    Some(id.to_owned())
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("exai", VERSION).with_title("exai"))
            .with_instructions(INSTRUCTIONS.trim_end())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.caller(&context)?;
        let policy = self.toolbox.surroundings().settings.policy.get();
        let is_structured = self.toolbox.surroundings().settings.tools.structured;
        let tools = self
            .toolbox
            .registry()
            .tools()
            .iter()
            .filter(|tool| policy.may_call(&caller.roles, tool.name))
            .map(|tool| listing::listed(tool, is_structured))
            .collect();
        let (tools, next) = page(tools, request, |tool: &ListedTool| &tool.name)?;
        let mut result = ListToolsResult::with_all_items(tools)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private);
        result.next_cursor = next;
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let correlation_id = caller.correlation_id.clone();
        let around = self.toolbox.surroundings();
        let revocable = self.open.open(context.id.clone());
        let asking = (&caller, revocable.token());
        // The library moves what it is given from one of its futures to the next.
        let asked = Box::pin(self.call_asking(request, asking, &context));
        let ended = tokio::select! {
            ended = asked => ended,
            // Nobody reads what comes now. The work goes on if it was paid for.
            () = revocable.gone(&context.ct) => Err(left()),
            () = self.closing.cancelled() => Err(left()),
        };
        match ended {
            Ok(Ended::Question(question)) => Ok(question.into()),
            Ok(Ended::Later(call)) => {
                let ttl_ms = self.threads().ttl_ms();
                Ok(task::created(&call, ttl_ms).into())
            }
            Ok(Ended::Reply(answer)) => {
                let instance = around.identity.instance();
                let origin = reply::Origin {
                    instance,
                    correlation_id: &correlation_id,
                };
                Ok(reply::result(*answer, &around.settings, origin).into())
            }
            Err(failure) if failure.category == Category::ClientError => {
                Err(reply::protocol_error(&failure, &correlation_id))
            }
            Err(failure) => Ok(reply::failed(&failure, &correlation_id).into()),
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = self.caller(&context)?;
        let all = resource::list(self.toolbox.surroundings(), &caller).await?;
        let (resources, next) = page(all, request, |one| &one.uri)?;
        let mut result = ListResourcesResult::with_all_items(resources)
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private);
        result.next_cursor = next;
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let (templates, next) = page(resource::templates(), request, |one| &one.uri_template)?;
        let mut result = ListResourceTemplatesResult::with_all_items(templates)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private);
        result.next_cursor = next;
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let around = self.toolbox.surroundings();
        let contents = resource::read(around, &caller, &request.uri).await?;
        Ok(ReadResourceResult::new(vec![contents])
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private)
            .into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let (prompts, next) = page(verb::list(&self.toolbox), request, |prompt| &prompt.name)?;
        let mut result = ListPromptsResult::with_all_items(prompts)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private);
        result.next_cursor = next;
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let (name, arguments) = (request.name, request.arguments);
        Ok(verb::get(&self.toolbox, &caller, &name, arguments)
            .await?
            .into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let caller = self.caller(&context)?;
        let (argument, typed) = (request.argument.name.as_str(), &request.argument.value);
        let all = match &request.r#ref {
            Reference::Prompt(prompt) => {
                verb::complete(&self.toolbox, &caller, (&prompt.name, argument), typed).await?
            }
            Reference::Resource(one) => {
                resource::complete(
                    self.toolbox.surroundings(),
                    &caller,
                    (&one.uri, argument),
                    typed,
                )
                .await?
            }
            _ => return Err(ErrorData::invalid_params("unknown kind of reference", None)),
        };
        let total = u32::try_from(all.len()).ok();
        let shown: Vec<String> = all.into_iter().take(CompletionInfo::MAX_VALUES).collect();
        let has_more = total.is_some_and(|total| total as usize > shown.len());
        CompletionInfo::with_pagination(shown, total, has_more)
            .map(CompleteResult::new)
            .map_err(|error| ErrorData::internal_error(error, None))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let caller = self.caller(&context)?;
        let found = self.toolbox.long_calls();
        match found.find(&caller.principal, &request.task_id).await {
            Ok(call) => Ok(task::told(&call, self.toolbox.surroundings())),
            Err(failure) => Err(task::refused(&failure, &caller.correlation_id)),
        }
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // No task of ours asks for input, so there is nothing to take but the question whether the
        // task is there.
        let found = self.get_task(GetTaskParams::new(request.task_id), context);
        found.await.map(drop)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = self.caller(&context)?;
        let calls = self.toolbox.long_calls();
        let cancelled = calls.cancel(&caller.principal, &request.task_id).await;
        cancelled.map_err(|failure| task::refused(&failure, &caller.correlation_id))
    }

    async fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        _context: NotificationContext<RoleServer>,
    ) {
        if let Some(id) = &notification.request_id {
            self.open.withdraw(id);
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let caller = self.caller(&context)?;
        let metrics = &self.toolbox.surroundings().metrics;
        let id = &caller.correlation_id;
        Err(reply::unknown_method(metrics, &request.method, id))
    }
}
