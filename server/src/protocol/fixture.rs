//! What the official conformance suite looks for, in front of the product's own handler: `test_*`
//! tools and prompts, `test://` resources, log levels, subscriptions and lists that change.
//!
//! The feature `conformance-fixtures` alone compiles this, and a release build refuses it, so that
//! nothing here can reach a user. Every question the fixtures do not answer goes to the product's
//! handler, and all of them come through the product's listener, gate and sessions.

#![expect(
    deprecated,
    reason = "the suite asks for what the newer revision has deprecated"
)]

mod deed;
mod round;
pub mod shelf;

use std::sync::Arc;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CompletionInfo, CustomRequest, CustomResult, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Reference, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::watch;

use super::Handler;
use round::{Brought, Next, Seal};
use shelf::{List, PromptRow, Shelf, ToolRow};

#[cfg(not(debug_assertions))]
compile_error!("the feature conformance-fixtures is for debug builds: its tools must never ship");

/// How often each list has changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Changes {
    tools: u64,
    prompts: u64,
}

/// What all sessions share.
#[derive(Debug, Clone)]
pub struct Shared {
    shelf: Arc<Shelf>,
    seal: Arc<Seal>,
    changes: watch::Sender<Changes>,
}

impl Shared {
    /// Loads the fixtures.
    ///
    /// # Errors
    /// When they cannot be read, in words.
    pub fn load() -> Result<Self, String> {
        let shelf = Shelf::load().map_err(|error| format!("the fixtures: {error}"))?;
        let seal = Seal::fresh().map_err(|error| format!("a key for the fixtures: {error}"))?;
        Ok(Self {
            shelf: Arc::new(shelf),
            seal: Arc::new(seal),
            changes: watch::channel(Changes::default()).0,
        })
    }
}

/// The fixtures of one session in front of the product's handler.
#[derive(Debug, Clone)]
pub struct Fixtures {
    product: Handler,
    shared: Shared,
    /// Its mark is set before the subscription is acknowledged, so no change is missed.
    seen: watch::Receiver<Changes>,
    level: watch::Sender<LoggingLevel>,
}

impl Fixtures {
    /// The fixtures in front of `product`.
    #[must_use]
    pub fn before(product: Handler, shared: Shared) -> Self {
        Self {
            product,
            seen: shared.changes.subscribe(),
            shared,
            level: watch::channel(LoggingLevel::Info).0,
        }
    }

    fn tools(&self) -> impl Iterator<Item = &ToolRow> {
        let is_there = self.shared.changes.borrow().tools % 2 == 1;
        let all = self.shared.shelf.tools.iter();
        all.filter(move |row| is_there || !row.comes_and_goes)
    }

    fn prompts(&self) -> impl Iterator<Item = &PromptRow> {
        let is_there = self.shared.changes.borrow().prompts % 2 == 1;
        let all = self.shared.shelf.prompts.iter();
        all.filter(move |row| is_there || !row.comes_and_goes)
    }

    async fn change(&self, list: List, context: &RequestContext<RoleServer>) {
        self.shared.changes.send_modify(|changes| match list {
            List::Tools => changes.tools += 1,
            List::Prompts => changes.prompts += 1,
        });
        if is_legacy(context) {
            // A session of the older revision hears of it on its own streams.
            let _gone = match list {
                List::Tools => context.peer.notify_tool_list_changed().await,
                List::Prompts => context.peer.notify_prompt_list_changed().await,
            };
        }
    }
}

fn is_legacy(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_none_or(|version| version.as_str() < ProtocolVersion::V_2026_07_28.as_str())
}

fn broken(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(format!("a fixture is broken: {error}"), None)
}

/// The first page of a list begins with the fixtures; later ones are the product's.
fn is_first(request: Option<&PaginatedRequestParams>) -> bool {
    request.is_none_or(|request| request.cursor.is_none())
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut config = self.product.get_info();
        let declared = &mut config.capabilities;
        declared.logging = Some(Default::default());
        if let Some(tools) = &mut declared.tools {
            tools.list_changed = Some(true);
        }
        if let Some(prompts) = &mut declared.prompts {
            prompts.list_changed = Some(true);
        }
        if let Some(resources) = &mut declared.resources {
            resources.subscribe = Some(true);
        }
        config
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut result = self.product.list_tools(request, context).await?;
        if is_first {
            let own = self.tools().map(|row| row.tool.clone());
            result.tools.splice(0..0, own);
        }
        Ok(result)
    }

    /// The library reads here which arguments a header must repeat.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        let found = self.tools().find(|row| row.tool.name == name);
        found.map(|row| row.tool.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(row) = self.tools().find(|row| row.tool.name == request.name) else {
            return self.product.call_tool(request, context).await;
        };
        // Also shows that the call came through the product's gate.
        let caller = self.product.caller(&context)?;
        self.run(row, request, (&caller, &context)).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut result = self.product.list_resources(request, context).await?;
        if is_first {
            let own = self.shared.shelf.resources.iter();
            let own = own.map(|row| row.resource.clone());
            result.resources.splice(0..0, own);
        }
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut result = self
            .product
            .list_resource_templates(request, context)
            .await?;
        if is_first {
            let own = self.shared.shelf.templates.iter();
            let own = own.map(|row| row.template.clone());
            result.resource_templates.splice(0..0, own);
        }
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.product.caller(&context)?;
        match self.shared.shelf.read(&request.uri).map_err(broken)? {
            None => self.product.read_resource(request, context).await,
            Some(contents) => Ok(ReadResourceResult::new(vec![contents])
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private)
                .into()),
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut result = self.product.list_prompts(request, context).await?;
        if is_first {
            let own = self.prompts().map(|row| row.prompt.clone());
            result.prompts.splice(0..0, own);
        }
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(row) = self.prompts().find(|row| row.prompt.name == request.name) else {
            return self.product.get_prompt(request, context).await;
        };
        let caller = self.product.caller(&context)?;
        let mut words = request.arguments.unwrap_or_default();
        let wanted = row.prompt.arguments.iter().flatten();
        if let Some(missing) = wanted
            .map(|one| &one.name)
            .find(|name| !words.contains_key(*name))
        {
            let data = json!({ "argument": missing });
            return Err(ErrorData::invalid_params(
                "a required argument is missing",
                Some(data),
            ));
        }
        if let Some(rounds) = &row.rounds {
            let brought = Brought {
                context: format!("{} prompts/get {}", caller.principal, row.prompt.name),
                can: context.client_capabilities().unwrap_or_default(),
                answers: request.input_responses,
                state: request.request_state,
            };
            match round::next(rounds, &self.shared.seal, brought)? {
                Next::Ask(questions) => return Ok(questions.into()),
                Next::Done(answers) => words.extend(answers),
            }
        }
        let messages = shelf::messages(row, &words).map_err(broken)?;
        Ok(GetPromptResult::new(messages).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let own = match &request.r#ref {
            Reference::Prompt(prompt) => self.shared.shelf.completions.get(&prompt.name),
            _ => None,
        };
        let Some(own) = own else {
            return self.product.complete(request, context).await;
        };
        let typed = request.argument.value.as_str();
        let values = own.iter().filter(|word| word.starts_with(typed)).cloned();
        CompletionInfo::with_all_values(values.collect())
            .map(CompleteResult::new)
            .map_err(broken)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !is_legacy(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        self.level.send_replace(request.level);
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched(&request.uri)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched(&request.uri)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut seen = self.seen.clone();
        let mut before = *self.seen.borrow();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = seen.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
            let now = *seen.borrow_and_update();
            // A filter that did not ask for a list refuses its notification here.
            if now.tools != before.tools {
                let _unwanted = context.sink().notify_tool_list_changed().await;
            }
            if now.prompts != before.prompts {
                let _unwanted = context.sink().notify_prompt_list_changed().await;
            }
            before = now;
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.product.get_task(request, context).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.product.update_task(request, context).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.product.cancel_task(request, context).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.product.on_custom_request(request, context).await
    }
}
