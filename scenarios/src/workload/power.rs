//! V.5p: appends one after the other while the system calls of the store are traced.

use std::sync::Arc;

use exai_harness::client::Client;
use exai_harness::operation::builder::{Builder, Conversation, Shape};
use exai_harness::operation::prose::Size;
use exai_harness::trace::{Marked, Untraced};
use exai_judge::observation::TraceSeen;
use exai_judge::{Event, Outcome, Transport};

use super::reading::PACE;
use crate::stage::{PATIENCE, Person, Stage, Trouble};

/// The criterion.
pub const CRITERION: &str = "V.5p";
/// The criterion it stands beside.
const WHOLE: &str = "V.5";
const PHASE: &str = "append";
/// Exchanges a thread may hold (CRITERIA, Definitions).
const EXCHANGES: usize = 10;
/// One append in so many more than the floor asks for: a text may lie across two pages of the
/// embedded store, and the trace then shows no write of it.
const SPARE: u64 = 10;
/// The person who appends, and the salt of their texts.
const WRITER: Person = Person {
    role: "traced",
    number: 320,
};
const SALT: u64 = 5_600;

/// Whether a run tries the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Yes,
    /// Its criteria hold the row, and the profile has no seconds for it.
    NoTime,
    No,
}

/// It is tried where it was named, and where nothing narrower was in profiles with seconds for it.
fn asked(named: &[String], seconds: Option<u64>) -> Asked {
    let is_named = |id: &str| named.iter().any(|name| name == id);
    let has_seconds = seconds.is_some_and(|seconds| seconds > 0);
    match (is_named(CRITERION), named.is_empty() || is_named(WHOLE)) {
        (true, _) => Asked::Yes,
        (false, true) if has_seconds => Asked::Yes,
        (false, true) => Asked::NoTime,
        (false, false) => Asked::No,
    }
}

/// Runs the workload where a run of these criteria tries it. Where nothing can be traced there are
/// no appends either.
///
/// # Errors
/// When the rig cannot carry it.
pub async fn run(stage: &Stage, named: &[String]) -> Result<(), Trouble> {
    match asked(named, stage.row(CRITERION)?.numbers.budget_s) {
        Asked::Yes => {}
        Asked::NoTime => {
            let what = "this profile has no seconds for it: cargo verify run V.5p";
            stage.not_tested(CRITERION, what);
            return Ok(());
        }
        Asked::No => return Ok(()),
    }
    stage.begin(CRITERION, PHASE);
    let seen = trace(stage).await?;
    let seen = seen.unwrap_or_else(|refused| TraceSeen {
        criterion: CRITERION.to_owned(),
        process: stage.ground.store_writer().to_owned(),
        refused: Some(refused.to_string()),
        appends: Vec::new(),
    });
    stage.recorder.record(Event::Traced(seen));
    stage.end(CRITERION, PHASE);
    Ok(())
}

async fn trace(stage: &Stage) -> Result<Result<TraceSeen, Untraced>, Trouble> {
    let needed = stage.row(CRITERION)?.floor("appends")?;
    let mut lane = Lane {
        stage,
        client: stage.client(WRITER, Transport::Http2026).await?,
        builder: stage.builder(SALT),
        conversation: Conversation::new("traced-0"),
        begun: 0,
    };
    let trace = match stage.ground.trace_store().await {
        Ok(trace) => trace,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut appends = Vec::new();
    for _ in 0..needed + needed / SPARE {
        stage.check_stop()?;
        appends.extend(lane.append().await);
        tokio::time::sleep(PACE).await;
    }
    let whose = (CRITERION, stage.ground.store_writer());
    Ok(trace.finish(whose, &appends).await)
}

/// One person who appends.
struct Lane<'a> {
    stage: &'a Stage,
    client: Arc<Client>,
    builder: Builder,
    conversation: Conversation,
    begun: usize,
}

impl Lane<'_> {
    /// One turn; None unless it was acknowledged. Its mark is the last line of its answer, which
    /// nothing holds before the provider gave it, and which goes into store and reply alike.
    async fn append(&mut self) -> Option<Marked> {
        if self.conversation.planted.len() >= EXCHANGES {
            self.begun += 1;
            self.conversation = Conversation::new(format!("traced-{}", self.begun));
        }
        // Short, for a trace shows the beginning of a write and no more.
        let shape = Shape {
            size: Some(Size::Short),
            ..Shape::plain(PATIENCE)
        };
        let plan = self.builder.turn(&self.conversation, &shape);
        let plan = plan.within(CRITERION, PHASE);
        let call = self.stage.perform(&self.client, &plan).await;
        if call.outcome != Outcome::Ok {
            return None;
        }
        let mark = call.answers.first().map(|answer| answer.seal.clone())?;
        let handle = call.meta.and_then(|meta| meta.continuation_id);
        self.conversation.acknowledge(&plan, handle);
        Some(Marked { op: call.op, mark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_is_tried_where_it_is_named_or_its_profile_has_the_time() {
        let cases: [(&[&str], u64, Asked); 7] = [
            (&[], 60, Asked::Yes),
            (&[], 0, Asked::NoTime),
            (&["V.5"], 60, Asked::Yes),
            (&["V.5"], 0, Asked::NoTime),
            (&["V.5p"], 0, Asked::Yes),
            (&["V.4"], 60, Asked::No),
            (&["V.4", "V.5p"], 0, Asked::Yes),
        ];
        for (named, seconds, wanted) in cases {
            let names: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(asked(&names, Some(seconds)), wanted, "{named:?} {seconds}");
        }
    }
}
