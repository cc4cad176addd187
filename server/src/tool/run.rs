//! What one running call has at hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::argument::Arguments;
use super::call::{About, Call, Kept, Reply};
use super::file::Reader;
use super::registry::Tool;
use super::surroundings::Surroundings;
use crate::auth::policy::MayAsk;
use crate::failure::{Category, Failure};
use crate::files::{FileStore, Holder};
use crate::observe::trace::Span;
use crate::protocol::caller::Caller;
use crate::router::ask::{Answer, Ask, CallContext};
use crate::store::Claim;
use crate::thread::{Committed, Conversation, Turn};

/// One running call: the call, its tool, and the rest of the server.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The call.
    pub call: &'a Call,
    /// The tool called.
    pub tool: &'a Tool,
    /// The rest of the server.
    pub around: &'a Surroundings,
    /// Idempotency key and digest of the arguments.
    pub claim: Option<&'a Claim>,
    /// When the call began.
    pub started: Instant,
    /// Set before a provider is asked: from then on the answer is paid for.
    pub has_asked: &'a AtomicBool,
    /// The call's span, where one is open.
    pub span: Option<&'a Span>,
}

impl<'a> Run<'a> {
    /// The checked arguments.
    #[must_use]
    pub fn arguments(&self) -> Arguments<'a> {
        Arguments(&self.call.arguments)
    }

    /// The verified principal.
    #[must_use]
    pub fn owner(&self) -> &'a str {
        &self.call.caller.principal
    }

    /// Whether the policy lets the caller see what concerns others.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        let policy = self.around.settings.policy.get();
        policy.may_administer(&self.call.caller.roles)
    }

    /// Models and providers that the caller may ask.
    #[must_use]
    pub fn may_ask(&self) -> MayAsk {
        let policy = self.around.settings.policy.get();
        MayAsk::of(policy, self.call.caller.roles.clone())
    }

    /// The files this call may read.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let reader = Reader::new(self.call.caller.transport, &self.around.settings.files);
        match &self.around.files {
            Some(store) => reader.with_store(store.clone(), &self.call.caller),
            None => reader,
        }
    }

    /// The stored files.
    ///
    /// # Errors
    /// `file_store` where there are none.
    pub fn store(&self) -> Result<&'a FileStore, Failure> {
        self.around.files.as_ref().ok_or_else(|| {
            let message = "This server stores no files. Send the text in the question.";
            Failure::new(Category::ServerError, "file_store", message)
        })
    }

    /// On whose behalf files are touched.
    #[must_use]
    pub fn holder(&self) -> Holder<'a> {
        holder_of(&self.call.caller)
    }

    /// The conversation that `continuation_id` names, or a new one.
    ///
    /// # Errors
    /// See [`crate::thread::Threads::open`].
    pub async fn conversation(&self) -> Result<Conversation, Failure> {
        let handle = self.arguments().text("continuation_id");
        self.around.threads.open(self.owner(), handle).await
    }

    /// Refuses a text that belongs into a file.
    ///
    /// # Errors
    /// `resend_prompt` above the configured number of characters.
    pub fn check_length(&self, name: &str) -> Result<(), Failure> {
        let limit = self.around.settings.limits.resend_prompt_chars;
        let length = self
            .arguments()
            .text(name)
            .map_or(0, |text| text.chars().count());
        if length <= limit {
            return Ok(());
        }
        let message = format!(
            "/{name} holds {length} characters; above {limit} send the long part as a file \
             {{name, content}} and keep the question in /{name}."
        );
        Err(Failure::validation(format!("/{name}"), message).with_code("resend_prompt"))
    }

    /// Asks one model, and stops asking when `cancel` fires.
    #[must_use]
    pub fn ask(
        &self,
        ask: Ask,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Answer, Failure>> {
        let context = CallContext {
            cancel,
            ..self.context()
        };
        (self.around.ask)(ask, context)
    }

    /// What a call carries besides its question.
    #[must_use]
    pub fn context(&self) -> CallContext {
        self.has_asked.store(true, Ordering::Release);
        CallContext {
            correlation_id: self.call.caller.correlation_id.to_string(),
            principal: self.owner().to_owned(),
            team: self.call.caller.team.clone(),
            tool: self.tool.name,
            may_ask: self.may_ask(),
            is_cost_confirmed: self.arguments().text("confirm") == Some("cost"),
            cancel: self.call.cancel.child_token(),
            on_text: self.call.on_text.clone(),
            span: self.span.cloned(),
        }
    }

    /// Keeps the turn and makes the reply. When another call with the same key was first, its
    /// reply is the one given.
    ///
    /// # Errors
    /// See [`crate::thread::Threads::commit`].
    pub async fn keep(
        &self,
        conversation: &Conversation,
        turn: Turn,
        kept: Kept,
    ) -> Result<Reply, Failure> {
        let reply = serde_json::to_string(&kept).map_err(internal)?;
        let turn = Turn { reply, ..turn };
        let committed = self
            .around
            .threads
            .commit(conversation, turn, self.claim.cloned())
            .await?;
        reply_of(committed, kept)
    }
}

/// On whose behalf a caller's files are touched.
#[must_use]
pub fn holder_of(caller: &Caller) -> Holder<'_> {
    Holder {
        owner: &caller.principal,
        correlation_id: &caller.correlation_id,
        transport: caller.transport.name(),
    }
}

/// The reply to a turn that was kept now or before.
///
/// # Errors
/// When a stored reply does not parse.
pub fn reply_of(committed: Committed, fresh: Kept) -> Result<Reply, Failure> {
    let (receipt, replayed, kept) = match committed {
        Committed::Stored(receipt) => (receipt, false, fresh),
        Committed::Replayed(receipt, text) => (
            receipt,
            true,
            serde_json::from_str(&text).map_err(internal)?,
        ),
    };
    let text = kept.text.clone();
    Ok(Reply {
        about: Some(About {
            receipt,
            replayed,
            kept,
        }),
        ..Reply::of_text(text)
    })
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(
        Category::ServerError,
        "reply_form",
        "A stored reply could not be used.",
    )
    .with_cause(error)
}
