//! The spoilers of calls: each a small state and a few moments at which it acts. The edges
//! (HTTP, stdio) call these moments; they know nothing of what is spoiled.

use std::sync::Arc;

use http::request::Parts;
use http::response;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use crate::impostor::call::Call;
use crate::impostor::journal::Journal;
use crate::impostor::params::Params;
use crate::impostor::trigger::Trigger;

mod canned;
mod crossed;
mod dies_after_failure;
mod full;
mod known;
mod leak;
mod limit;
mod nameless;
mod one_lock;
mod reply;
mod shared;
mod slow_tail;
mod thread;
mod token;
mod unaudited;
mod wrong_id;

use dies_after_failure::{Dead, THIRD};
pub use limit::{RateLimited, Refusal};

/// What happens to a call before it is forwarded.
pub enum Before {
    /// Forward it; what is held is let go when its reply has ended.
    Forward(Option<OwnedMutexGuard<()>>),
    /// Answer it here with this whole JSON-RPC message.
    Answer(Value),
}

/// What every spoiler has at hand.
pub struct Stage {
    /// Picks the operations.
    pub trigger: Trigger,
    /// Records them.
    pub journal: Journal,
    /// The spoiler's parameters.
    pub params: Params,
    name: &'static str,
    kind: Kind,
}

enum Kind {
    None,
    Canned(canned::Memory),
    CannedReview(canned::Memory),
    Echo,
    FailureAsText,
    ForeignFailureAsText,
    Crossed(crossed::Meeting),
    Shared(shared::Shared),
    DiesAfterFailure(dies_after_failure::Dead),
    EmptySuccess,
    LostTail,
    Hollow,
    Unnamed,
    Nameless,
    CursorAccepted,
    SpelledId,
    Unaudited,
    OneLock(one_lock::Lock),
    SlowTail,
    RareStall,
    Thread(thread::Spoilt, thread::Chosen),
    FullEarly(full::Cap),
    FullLate(full::Cap),
    KnownClient,
    AlgNone,
    AlgNoneUpgrade,
    ExpiredAccepted,
    ExpiredStateless,
    RbacSkipped,
    RoleCase,
    SecretInError,
    EncodedSecret,
    OriginUnchecked,
    OriginNull,
    NoLimit(limit::Rotation),
    SlowRefill(limit::Refused),
    Leak(leak::Kept),
    WrongId(wrong_id::Last),
}

impl Stage {
    /// The stage of a spoiler; spoilers of other edges act as `none` here.
    #[must_use]
    pub fn new(name: &'static str, trigger: Trigger, journal: Journal, params: Params) -> Self {
        let kind = match name {
            "canned" => Kind::Canned(canned::Memory::default()),
            "echo" => Kind::Echo,
            "failure-as-text" => Kind::FailureAsText,
            "canned-review" => Kind::CannedReview(canned::Memory::default()),
            "foreign-failure-as-text" => Kind::ForeignFailureAsText,
            "crossed" => Kind::Crossed(crossed::Meeting::among(0)),
            "crossed-under-load" => Kind::Crossed(crossed::Meeting::among(crossed::LOADED)),
            "shared-answers" => Kind::Shared(shared::Shared::default()),
            "dies-after-failure" => Kind::DiesAfterFailure(Dead::after_failures(1)),
            "dies-after-third" => Kind::DiesAfterFailure(Dead::after_failures(THIRD)),
            "empty-success" => Kind::EmptySuccess,
            "lost-tail" => Kind::LostTail,
            "hollow-structure" => Kind::Hollow,
            "unnamed-failover" => Kind::Unnamed,
            "nameless" => Kind::Nameless,
            "cursor-accepted" => Kind::CursorAccepted,
            "spelled-id" => Kind::SpelledId,
            "unaudited" => Kind::Unaudited,
            "one-lock" => Kind::OneLock(one_lock::Lock::default()),
            "slow-tail" => Kind::SlowTail,
            "rare-stall" => Kind::RareStall,
            "lost-turn" => Kind::Thread(thread::Spoilt::Lost, thread::Chosen::default()),
            "doubled-turn" => Kind::Thread(thread::Spoilt::Doubled, thread::Chosen::default()),
            "stale-read" => Kind::Thread(thread::Spoilt::Stale, thread::Chosen::default()),
            "stale-first-read" => {
                Kind::Thread(thread::Spoilt::StaleAtFirst, thread::Chosen::default())
            }
            "full-early" => Kind::FullEarly(full::Cap::default()),
            "full-late" => Kind::FullLate(full::Cap::default()),
            "known-client" => Kind::KnownClient,
            "alg-none" => Kind::AlgNone,
            "alg-none-upgrade" => Kind::AlgNoneUpgrade,
            "expired-accepted" => Kind::ExpiredAccepted,
            "expired-stateless" => Kind::ExpiredStateless,
            "rbac-skipped" => Kind::RbacSkipped,
            "role-case" => Kind::RoleCase,
            "secret-in-error" => Kind::SecretInError,
            "encoded-secret" => Kind::EncodedSecret,
            "origin-unchecked" => Kind::OriginUnchecked,
            "origin-null" => Kind::OriginNull,
            "no-limit" => Kind::NoLimit(limit::Rotation::default()),
            "slow-refill" => Kind::SlowRefill(limit::Refused::default()),
            "leak" => Kind::Leak(leak::Kept::default()),
            "wrong-id" => Kind::WrongId(wrong_id::Last::default()),
            _ => Kind::None,
        };
        Self {
            trigger,
            journal,
            params,
            name,
            kind,
        }
    }

    /// The spoiler's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether requests and replies have to be read. Without that they pass as streams of bytes.
    #[must_use]
    pub const fn reads_messages(&self) -> bool {
        !matches!(
            self.kind,
            Kind::None
                | Kind::AlgNone
                | Kind::AlgNoneUpgrade
                | Kind::ExpiredAccepted
                | Kind::ExpiredStateless
                | Kind::RoleCase
                | Kind::OriginUnchecked
                | Kind::OriginNull
                | Kind::Unaudited
        )
    }

    /// The moment a call has been read over HTTP. Returns whether it was changed.
    pub fn rewrite(&self, call: &mut Call) -> bool {
        matches!(self.kind, Kind::KnownClient) && known::cheapen(self, call)
    }

    /// The moment before a call is forwarded.
    pub async fn before(self: &Arc<Self>, call: &Call) -> Before {
        match &self.kind {
            Kind::Canned(memory) => memory.before(self, call),
            Kind::CannedReview(memory) => memory.review(self, call),
            Kind::Shared(shared) => shared.before(self, call),
            Kind::FullEarly(cap) => cap.early(self, call),
            Kind::Crossed(meeting) => {
                meeting.before(call);
                Before::Forward(None)
            }
            Kind::DiesAfterFailure(dead) => dead.before(self, call),
            Kind::OneLock(lock) => lock.before(self, call).await,
            Kind::SlowTail => slow_tail::before(self, call, self.params.delay_ms).await,
            Kind::RareStall => slow_tail::before(self, call, self.params.rare_ms).await,
            Kind::Leak(kept) => kept.before(self, call),
            _ => Before::Forward(None),
        }
    }

    /// The moment its reply is there. Returns whether the reply was changed.
    pub async fn after(&self, call: &Call, reply: &mut Value) -> bool {
        match &self.kind {
            Kind::Canned(memory) | Kind::CannedReview(memory) => memory.after(call, reply),
            Kind::Shared(shared) => shared.after(call, reply),
            Kind::FullEarly(cap) => cap.remember(call, reply),
            Kind::FullLate(cap) => cap.late(self, call, reply),
            Kind::ForeignFailureAsText => reply::foreign_failure_as_text(self, call, reply),
            Kind::LostTail => reply::lost_tail(self, call, reply),
            Kind::Hollow => reply::hollow(self, call, reply),
            Kind::Unnamed => reply::unnamed(self, call, reply),
            Kind::Nameless => nameless::reply(self, call, reply),
            Kind::CursorAccepted => reply::cursor_accepted(self, call, reply),
            Kind::SpelledId => reply::spelled_id(self, call, reply),
            Kind::Echo => reply::echo(self, call, reply),
            Kind::FailureAsText => reply::failure_as_text(self, call, reply),
            Kind::Crossed(meeting) => meeting.after(self, call, reply).await,
            Kind::DiesAfterFailure(dead) => dead.after(call, reply),
            Kind::EmptySuccess => reply::empty(self, call, reply),
            Kind::Thread(how, chosen) => chosen.after(self, *how, call, reply),
            Kind::SecretInError => reply::secret(self, call, reply),
            Kind::EncodedSecret => reply::encoded_secret(self, call, reply),
            Kind::WrongId(last) => last.after(self, call, reply),
            _ => false,
        }
    }

    /// The moment an HTTP request's head has been read; `call` is there when messages are read.
    pub fn head(&self, parts: &mut Parts, call: Option<&Call>) {
        match &self.kind {
            Kind::AlgNone => token::alg_none(self, parts),
            Kind::AlgNoneUpgrade => token::alg_none_upgrade(self, parts),
            Kind::ExpiredAccepted => token::expired(self, parts),
            Kind::ExpiredStateless => token::expired_stateless(self, parts),
            Kind::RbacSkipped => token::rbac(self, parts, call),
            Kind::RoleCase => token::role_case(self, parts),
            Kind::OriginUnchecked => token::origin(self, parts),
            Kind::OriginNull => token::origin_null(self, parts),
            _ => {}
        }
    }

    /// The moment a reply's head has been read, where bodies stream through.
    pub fn reply_head(&self, parts: &mut response::Parts) {
        if matches!(self.kind, Kind::Unaudited) {
            unaudited::reply_head(self, parts);
        }
    }

    /// The moment the head of a reply to a message has been read.
    pub fn answer_head(&self, parts: &mut response::Parts) {
        if matches!(self.kind, Kind::Nameless) {
            nameless::answer_head(parts);
        }
    }

    /// What a spoiler of rate limits wants when the server refuses, or before it is asked.
    #[must_use]
    pub const fn limits(&self) -> Option<RateLimited<'_>> {
        match &self.kind {
            Kind::NoLimit(rotation) => Some(RateLimited::Lifted(rotation)),
            Kind::SlowRefill(refused) => Some(RateLimited::Slowed(refused)),
            _ => None,
        }
    }

    /// Records a call as spoiled.
    pub fn spoiled(&self, call: &Call) {
        self.record(call.id(), call.detail());
    }

    /// Records an operation as spoiled.
    pub fn record(&self, id: &Value, detail: Value) {
        self.trigger.count_spoiled();
        self.journal.spoiled(self.name, id, detail);
    }
}

#[cfg(test)]
mod tests;
