//! Asking the client's user for a choice that a tool is missing, where the client says it can.
//!
//! On 2025-11-25 the server sends a request while its call waits; on 2026-07-28 the call ends with
//! a result that asks, and the client sends it again with the answer and a sealed state. Everybody
//! else gets the tool's failure, which names the choices.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationSchema, InputRequest, InputRequiredResult, ProtocolVersion,
    ServerRequest,
};
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::{Peer, RoleServer};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::handler::Handler;
use super::progress;
use super::seal::{self, Bound, Carried};
use crate::choice::Choice;
use crate::failure::Failure;
use crate::tool::long::LongCall;
use crate::tool::registry::Found;
use crate::tool::{Answered, Reply};

/// The one question of a result that asks.
const ASKED: &str = "choice";

/// Questions of one call; a tool has one choice, and an answer that leads to another is rare.
const ROUNDS: usize = 3;

/// How a call ended.
pub enum Ended {
    /// With its reply.
    Reply(Box<Reply>),
    /// It is kept, for a client that asks for its end.
    Later(Box<LongCall>),
    /// With a question that the client answers in a call of its own.
    Question(InputRequiredResult),
}

/// How this client can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Never,
    ByRequest,
    ByResult,
}

/// What became of a question.
enum Answer {
    Chosen(Map<String, Value>),
    Not(&'static str),
}

impl Handler {
    /// Calls a tool, asking for what it misses.
    ///
    /// # Errors
    /// The tool's own failure, also when the user would not choose; a state that is refused.
    pub(super) async fn call_asking(
        &self,
        request: CallToolRequestParams,
        (caller, cancel): (&Caller, CancellationToken),
        context: &RequestContext<RoleServer>,
    ) -> Result<Ended, Failure> {
        let settings = &self.toolbox().surroundings().settings;
        let wait = settings.limits.choice_wait;
        let (mut chosen, mut refusal) = (Map::new(), None);
        let is_answer = request.request_state.is_some() || request.input_responses.is_some();
        let tool = self.toolbox().registry().find(&request.name);
        // A tool there is none of asked nothing: that is what its caller is told.
        if is_answer && matches!(tool, Found::Tool(_)) {
            let state = request.request_state.as_deref().ok_or_else(seal::refused)?;
            let carried = settings.seal.get().open(state, &bound(&request, caller))?;
            chosen = carried.chosen;
            let answers = request.input_responses.as_ref();
            match answer_of(&carried.choice, answers.and_then(|all| all.get(ASKED)))? {
                Answer::Chosen(more) => chosen.extend(more),
                Answer::Not(why) => refusal = Some(why),
            }
        }
        for _ in 0..ROUNDS {
            let asking = (caller.clone(), cancel.clone());
            let failure = match self.call_once(&request, asking, context, &chosen).await {
                Ok(Answered::Whole(reply)) => return Ok(Ended::Reply(reply)),
                Ok(Answered::Later(call)) => return Ok(Ended::Later(call)),
                Err(failure) => failure,
            };
            let Some(choice) = failure.choice.as_deref().cloned() else {
                return Err(failure);
            };
            if let Some(why) = refusal {
                return Err(unanswered(failure, why));
            }
            match manner(context) {
                Manner::Never => return Err(failure),
                Manner::ByRequest => match ask(&context.peer, &choice, wait, context).await? {
                    Answer::Chosen(more) => chosen.extend(more),
                    Answer::Not(why) => return Err(unanswered(failure, why)),
                },
                Manner::ByResult => {
                    let carried = Carried { chosen, choice };
                    let to = bound(&request, caller);
                    let state = settings.seal.get().close(&carried, &to, wait);
                    let question = question(&carried.choice).zip(state);
                    return question.map(by_result).ok_or(failure);
                }
            }
        }
        let message = "The choices made lead to ever more questions. Send them as arguments.";
        Err(Failure::validation("/", message).with_code("choice_invalid"))
    }

    /// One run of the tool with its progress. A client that declares tasks gets one for a long
    /// call; any other gets the call that collects the answer.
    async fn call_once(
        &self,
        request: &CallToolRequestParams,
        asking: (Caller, CancellationToken),
        context: &RequestContext<RoleServer>,
        chosen: &Map<String, Value>,
    ) -> Result<Answered, Failure> {
        let token = context.meta.get_progress_token();
        let to = token.map(|token| (context.peer.clone(), token));
        let (call, progress) = self.call_of(request.clone(), asking, context)?;
        let declared = context.client_capabilities();
        let takes_tasks = declared.is_some_and(|declared| declared.supports_tasks());
        let chosen = chosen.clone();
        let work = async {
            if takes_tasks {
                return self.toolbox().call_or_keep(call, chosen).await;
            }
            let reply = self.toolbox().call_with(call, chosen).await?;
            Ok(Answered::Whole(Box::new(reply)))
        };
        progress::notifying(progress, to, work).await
    }
}

fn bound<'a>(request: &'a CallToolRequestParams, caller: &'a Caller) -> Bound<'a> {
    Bound {
        caller,
        tool: &request.name,
        arguments: request.arguments.as_ref(),
    }
}

fn manner(context: &RequestContext<RoleServer>) -> Manner {
    let elicitation = context
        .client_capabilities()
        .and_then(|all| all.elicitation);
    // A client that names no form at all means the one there was first.
    let has_form = elicitation.is_some_and(|one| one.form.is_some() || one.url.is_none());
    match context.protocol_version() {
        _ if !has_form => Manner::Never,
        Some(version) if version >= ProtocolVersion::V_2026_07_28 => Manner::ByResult,
        _ => Manner::ByRequest,
    }
}

/// The question in its wire form; `None` would be a fault of ours.
fn question(choice: &Choice) -> Option<ElicitRequestParams> {
    let blank = |one: &crate::choice::Blank| {
        let schema = json!({"type": "string", "title": one.title, "enum": one.options});
        (one.name.clone(), schema)
    };
    let required = choice.blanks.iter().filter(|one| !one.is_optional);
    let schema = json!({
        "type": "object",
        "properties": choice.blanks.iter().map(blank).collect::<Map<_, _>>(),
        "required": required.map(|one| &one.name).collect::<Vec<_>>(),
    });
    let requested_schema: ElicitationSchema = serde_json::from_value(schema).ok()?;
    Some(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: choice.question.clone(),
        requested_schema,
    })
}

fn by_result((question, state): (ElicitRequestParams, String)) -> Ended {
    let request = InputRequest::Elicitation(ElicitRequest::new(question));
    let requests = BTreeMap::from([(ASKED.to_owned(), request)]);
    Ended::Question(InputRequiredResult::new(Some(requests), Some(state)))
}

/// Asks while the call waits. The call's own cancellation ends the wait.
async fn ask(
    peer: &Peer<RoleServer>,
    choice: &Choice,
    wait: Duration,
    context: &RequestContext<RoleServer>,
) -> Result<Answer, Failure> {
    let Some(question) = question(choice) else {
        return Ok(Answer::Not("The question could not be asked."));
    };
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(question));
    let options = PeerRequestOptions::with_timeout(wait);
    let asked = async {
        let handle = peer.send_request_with_option(request, options).await?;
        handle.await_response().await
    };
    let answered = tokio::select! {
        answered = asked => answered,
        () = context.ct.cancelled() => return Ok(Answer::Not("The call was cancelled.")),
    };
    match answered {
        Ok(ClientResult::ElicitResult(result)) => taken(choice, result),
        Ok(_) => Ok(Answer::Not("The client's answer was none.")),
        Err(error) => {
            tracing::debug!(cause = %error, "a question was not answered");
            Ok(Answer::Not("Nobody answered the question."))
        }
    }
}

/// What a client sent with the call that it repeats.
fn answer_of(choice: &Choice, sent: Option<&Value>) -> Result<Answer, Failure> {
    let refused = || {
        let message = format!("inputResponses holds no answer to \"{ASKED}\".");
        Failure::validation("/inputResponses", message).with_code("choice_invalid")
    };
    let sent = sent.cloned().ok_or_else(refused)?;
    taken(choice, serde_json::from_value(sent).map_err(|_| refused())?)
}

fn taken(choice: &Choice, result: ElicitResult) -> Result<Answer, Failure> {
    match result.action {
        ElicitationAction::Accept => {
            let content = result.content.unwrap_or_default();
            let content = content.as_object().cloned().unwrap_or_default();
            choice.arguments(&content).map(Answer::Chosen)
        }
        ElicitationAction::Cancel => Ok(Answer::Not("The user put the question away.")),
        _ => Ok(Answer::Not("The user declined to choose.")),
    }
}

/// The tool's own failure, and why there is no answer.
fn unanswered(mut failure: Failure, why: &str) -> Failure {
    failure.message = format!("{why} {}", failure.message);
    failure.with_code("choice_declined")
}
