//! Conversation threads in a history.

use exai_judge::observation::{Event, MessageSeen};
use exai_judge::operation::{ProofKind, Repeat, ThreadAction, ThreadUse, TurnSeen};
use exai_judge::tracer;
use exai_judge::{Call, hex};

use super::{Ask, World};

impl World {
    /// A keyed append on a thread, with the history in the provider's request; recorded.
    pub fn append(&mut self, ask: &Ask, thread: &str) -> u64 {
        let mut call = self.keyed(ask);
        let user = hex::sha256(format!("user text {}", call.op).as_bytes());
        let answer = call
            .answers
            .first()
            .map(|answer| answer.text_sha256.clone());
        let turns = self.threads.entry(thread.to_owned()).or_default();
        let turn = u32::try_from(turns.len() + 1).unwrap();
        let mut messages = vec![];
        for (user, answer) in turns.iter() {
            messages.push(message("user", user));
            messages.push(message("assistant", answer));
        }
        messages.push(message("user", &user));
        turns.push((user.clone(), answer.clone().unwrap_or_default()));
        let action = if turn == 1 {
            ThreadAction::Create
        } else {
            ThreadAction::Append
        };
        call.thread = Some(ThreadUse {
            thread: thread.to_owned(),
            action,
            key: Some(format!("key {}", call.op)),
            user_sha256: Some(user),
        });
        if let Some(meta) = &mut call.meta {
            meta.continuation_id = Some(format!("id of {thread}"));
            meta.turn = Some(turn);
        }
        let seq = tracer::read_line(&call.answers[0].first).unwrap().seq;
        for observation in self.out.iter_mut().rev() {
            if let Event::Served(served) = &mut observation.event
                && served.seq == seq
            {
                served.messages = messages;
                break;
            }
        }
        self.record(call)
    }

    /// An append's key with its own words again, answered as it was; recorded.
    pub fn again(&mut self, ask: &Ask, op: u64) -> u64 {
        let of = self.call(op).clone();
        let mut call = self.plain(ask);
        call.repeat = Some(Repeat {
            of: op,
            same_principal: true,
            exact: true,
        });
        (call.proof, call.answers, call.meta) = (of.proof, of.answers, of.meta);
        call.thread = of.thread.map(|part| ThreadUse {
            action: ThreadAction::Append,
            ..part
        });
        if let Some(meta) = &mut call.meta {
            meta.replayed = true;
        }
        self.record(call)
    }

    /// An append's key with other words, refused; recorded.
    pub fn reused(&mut self, ask: &Ask, op: u64) -> u64 {
        let part = self.call(op).thread.clone();
        let call = self.refused(ask, "validation_error");
        let user_sha256 = Some(hex::sha256(format!("other words {}", call.op).as_bytes()));
        let part = part.map(|part| ThreadUse {
            action: ThreadAction::Append,
            user_sha256,
            ..part
        });
        self.turned_down(call, part, "idempotency_key_reused")
    }

    /// A turn past a thread's cap, refused; recorded.
    pub fn overfilled(&mut self, ask: &Ask, thread: &str) -> u64 {
        let call = self.refused(ask, "tool_error");
        let part = ThreadUse {
            thread: thread.to_owned(),
            action: ThreadAction::Append,
            key: Some(format!("key {}", call.op)),
            user_sha256: Some(hex::sha256(format!("user text {}", call.op).as_bytes())),
        };
        self.turned_down(call, Some(part), "thread_full")
    }

    fn turned_down(&mut self, mut call: Call, part: Option<ThreadUse>, code: &str) -> u64 {
        let failure = call.failure.as_mut().expect("it was refused");
        code.clone_into(&mut failure.code);
        let category = failure.category.clone();
        (call.thread, call.proof) = (part, ProofKind::Refusal { category });
        self.record(call)
    }

    /// A read of a thread as it stands; recorded.
    pub fn read(&mut self, ask: &Ask, thread: &str) -> u64 {
        let mut call = self.plain(ask);
        call.tool = "resources/read".to_owned();
        call.proof = ProofKind::Read;
        call.thread = Some(ThreadUse {
            thread: thread.to_owned(),
            action: ThreadAction::Read,
            key: None,
            user_sha256: None,
        });
        let turns = self.threads.get(thread).cloned().unwrap_or_default();
        let shown = turns
            .iter()
            .enumerate()
            .map(|(index, (user, answer))| TurnSeen {
                turn: u32::try_from(index + 1).unwrap(),
                user_sha256: user.clone(),
                answer_sha256: Some(answer.clone()),
            });
        call.turns = Some(shown.collect());
        self.record(call)
    }
}

fn message(role: &str, sha256: &str) -> MessageSeen {
    MessageSeen {
        role: role.to_owned(),
        sha256: sha256.to_owned(),
    }
}
