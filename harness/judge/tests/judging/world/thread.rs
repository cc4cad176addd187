//! Conversation threads in a history.

use exai_judge::hex;
use exai_judge::observation::{Event, MessageSeen};
use exai_judge::operation::{ProofKind, ThreadAction, ThreadUse, TurnSeen};
use exai_judge::tracer;

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
