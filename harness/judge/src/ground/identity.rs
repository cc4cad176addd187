//! Who answered: each look at a running executable and at the company it keeps, and answers by
//! nobody who was looked at.

use super::Ground;
use crate::observation::{CompanySeen, ContainerSeen, IdentitySeen};
use crate::operation::{Call, Outcome, Transport};

impl Ground {
    /// One look at a process of the server.
    pub(super) fn note_identity(&mut self, at: u64, seen: &IdentitySeen) {
        let summary = &mut self.summary;
        summary.identities += 1;
        if seen.running_sha256 != seen.expected_sha256 {
            summary.foreign.push(format!(
                "at {} process {} ran {}, not {}",
                seen.moment, seen.pid, seen.running_sha256, seen.expected_sha256
            ));
        }
        let reported = seen.reported_sha256.as_ref();
        if let Some(reported) = reported.filter(|reported| **reported != seen.running_sha256) {
            summary.foreign.push(format!(
                "at {} process {} called itself {reported} and ran {}",
                seen.moment, seen.pid, seen.running_sha256
            ));
        }
        if !seen.owns_listeners {
            summary.foreign.push(format!(
                "at {} the listening sockets did not belong to process {}",
                seen.moment, seen.pid
            ));
        }
        if let (Some(instance), Some(place)) = (&seen.instance, seen.place) {
            self.places.insert(instance.clone(), place);
        }
        if let Some(instance) = &seen.instance {
            self.instances
                .entry(instance.clone())
                .or_insert((at, seen.pid));
        }
    }

    /// One look at whom a process of the server starts and reaches. Whoever computes or answers for
    /// it elsewhere is judged in its place.
    pub(super) fn note_company(&mut self, at: u64, seen: &CompanySeen) {
        let may_run = |path: &String| {
            let name = path.rsplit('/').next().unwrap_or(path);
            self.descendants.iter().any(|known| known == name)
        };
        let strangers = seen.descendants.iter().filter(|path| !may_run(path));
        let started = strangers.map(|path| format!("started {path}"));
        let unknown = seen.peers.iter().filter(|peer| !peer.is_of_run);
        let reached = unknown.map(|peer| format!("reached {}, which is no edge", peer.address));
        let told = started.chain(reached);
        let told = told.map(|what| format!("at {at} ns process {} {what}", seen.pid));
        self.summary.foreign.extend(told);
    }

    /// One look at a container, whose main process alone says nothing of what stands around it.
    pub(super) fn note_container(&mut self, seen: &ContainerSeen) {
        let (name, moment) = (&seen.name, &seen.moment);
        let moments = self.contained.entry(name.clone()).or_default();
        moments.insert(moment.clone());
        let told = seen.differences().into_iter();
        let told = told.map(|what| format!("at {moment} container {name} {what}"));
        self.summary.foreign.extend(told);
    }

    /// Once all is read: who answered, against who was identified.
    pub(super) fn settle_identity(&mut self) {
        if self.summary.identities == 0 {
            return;
        }
        if let Some((op, wire)) = self.unnamed {
            self.summary.foreign.push(format!(
                "operation {op} was answered over {} without the id of an instance",
                wire.name()
            ));
        }
        for (instance, op) in &self.answered_by {
            if !self.instances.contains_key(instance) {
                self.summary.foreign.push(format!(
                    "operation {op} was answered by instance {instance}, which nobody identified"
                ));
            }
        }
    }
}

/// An answer of the network that names no instance. A process on a pipe is its client's own.
pub(super) fn unnamed(call: &Call) -> Option<(u64, Transport)> {
    let is_answer = call.outcome == Outcome::Ok && call.transport != Transport::Stdio;
    (is_answer && call.instance.is_none()).then_some((call.op, call.transport))
}
