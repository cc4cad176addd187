//! The order in which a bench hears what happened: a call when all that it rests on is known.

use std::collections::VecDeque;

use super::Seat;
use crate::checker::Seen;
use crate::ground::Ground;
use crate::journal::Journal;
use crate::observation::{Event, Observation};
use crate::proof::simulator;
use crate::run_key::RunKey;

/// Holds calls back until their provider requests are known.
pub(super) struct Desk<'a> {
    pub(super) ground: &'a Ground,
    pub(super) key: &'a RunKey,
    pub(super) journal: Journal,
    pub(super) waiting: VecDeque<(u64, Observation)>,
    pub(super) now: u64,
    pub(super) settle: u64,
    pub(super) retention: u64,
}

impl Desk<'_> {
    pub(super) fn receive(&mut self, observation: Observation, bench: &mut [Seat<'_>]) {
        self.now = self.now.max(observation.at);
        match &observation.event {
            Event::Served(served) => self.journal.serve(observation.at, served),
            Event::Delivered(delivered) => self.journal.deliver(observation.at, delivered),
            _ => {}
        }
        if let Event::Call(call) = &observation.event {
            let due = self.now.max(call.done_at).saturating_add(self.settle);
            self.waiting.push_back((due, observation));
        } else {
            self.show(&observation, bench);
        }
        while self
            .waiting
            .front()
            .is_some_and(|(due, _)| *due <= self.now)
        {
            self.release(bench);
        }
        self.journal.forget(self.now.saturating_sub(self.retention));
    }

    pub(super) fn close(&mut self, bench: &mut [Seat<'_>]) {
        while !self.waiting.is_empty() {
            self.release(bench);
        }
    }

    fn release(&mut self, bench: &mut [Seat<'_>]) {
        if let Some((_, observation)) = self.waiting.pop_front() {
            self.show(&observation, bench);
        }
    }

    /// A call whose answer a simulator got wrong by itself.
    fn is_simulators(&self, observation: &Observation) -> bool {
        match &observation.event {
            Event::Call(call) => simulator::is_at_fault(self.key, &self.journal, call),
            _ => false,
        }
    }

    fn show(&self, observation: &Observation, bench: &mut [Seat<'_>]) {
        let (from, until) = match &observation.event {
            Event::Call(call) => (call.intended_at.min(call.sent_at), call.done_at),
            _ => (observation.at, observation.at),
        };
        let seen = Seen {
            at: observation.at,
            event: &observation.event,
            is_tainted: self.ground.is_tainted(from, until) || self.is_simulators(observation),
            journal: &self.journal,
        };
        for seat in bench {
            seat.hear(&seen);
        }
    }
}
