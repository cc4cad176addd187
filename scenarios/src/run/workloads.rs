//! The workloads of a run, one after the other on one ground.

use exai_harness::history::Recorder;
use exai_judge::Event;
use exai_judge::ground::{INSTANCES, RUN};

use crate::cli::arguments::RunArguments;
use crate::soak;
use crate::stage::{Stage, Trouble};
use crate::workload;

/// The workloads in order; each stands on a calm ground.
pub(super) async fn workloads(
    stage: &Stage,
    arguments: &RunArguments,
    errand: Option<&workload::soak::Errand<'_>>,
) -> Result<(), Trouble> {
    let several = format!("{INSTANCES}{}", arguments.instances);
    if arguments.instances > 1 {
        stage.begin(RUN, &several);
    }
    stage.begin(RUN, &format!("store.{}", stage.ground.store_name()));
    match errand {
        Some(errand) if arguments.soak.is_some() => workload::soak::run(stage, errand).await?,
        _ => of_criteria(stage, arguments).await?,
    }
    if let Some(errand) = errand.filter(|_| arguments.soak.is_none()) {
        workload::soak::prove(stage, errand).await?;
    }
    stage.end(RUN, &format!("store.{}", stage.ground.store_name()));
    if arguments.instances > 1 {
        stage.end(RUN, &several);
    }
    stage.recorder.record(Event::Figure {
        name: "operations planned".to_owned(),
        value: stage.numbering.next() as f64,
        unit: "count".to_owned(),
    });
    Ok(())
}

async fn of_criteria(stage: &Stage, arguments: &RunArguments) -> Result<(), Trouble> {
    let selected = |id: &str| soak::is_selected(arguments, id);
    if selected("V.1") {
        workload::answers::run(stage).await?;
    }
    if selected("V.2") {
        workload::recovery::run(stage).await?;
        let categories = stage.row("V.2")?;
        let categories = categories.list("categories")?;
        if lacks_an_outage(categories, selected("V.4")) {
            workload::storage::refuse(stage).await?;
        }
    }
    if selected("V.4") {
        workload::storage::run(stage).await?;
    }
    if selected("V.5") {
        workload::failover::run(stage).await?;
    }
    workload::power::run(stage, &arguments.criteria).await?;
    if selected("V.6") {
        workload::security::run(stage).await?;
    }
    if selected("V.3") {
        let from = stage.recorder.now();
        workload::concurrency::run(stage).await?;
        doubt(&stage.recorder, from, cfg!(debug_assertions));
    }
    if selected("V.8") {
        stage.ground.raise_limits().await?;
        let from = stage.recorder.now();
        workload::benchmark::run(stage).await?;
        doubt(&stage.recorder, from, cfg!(debug_assertions));
    }
    Ok(())
}

/// Whether V.2 must see the category of a store that is away, and no other workload takes it away.
fn lacks_an_outage(categories: &[String], has_storage: bool) -> bool {
    !has_storage && categories.iter().any(|one| one == "server_error")
}

/// A generator and simulators built without optimisation take the processor from the server that
/// is to be measured, so what they measured since `from` is no word about it.
fn doubt(recorder: &Recorder, from: u64, is_debug_build: bool) {
    if is_debug_build {
        recorder.record_at(
            from,
            Event::Rig {
                what: "debug_build".to_owned(),
                until: recorder.now(),
                detail: "this harness is built without optimisation; say `cargo verify`".to_owned(),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use exai_harness::history::History;

    use super::*;

    #[test]
    fn the_store_goes_away_for_the_second_criterion_alone_and_never_twice() {
        let criteria = crate::catalogue::criteria().unwrap();
        for (profile, wanted) in [("smoke", false), ("quick", true), ("full", true)] {
            let row = criteria.find("V.2", profile).unwrap().unwrap();
            let categories = row.list("categories").unwrap();
            assert_eq!(lacks_an_outage(categories, false), wanted, "{profile}");
            assert!(!lacks_an_outage(categories, true), "{profile}");
        }
    }

    #[tokio::test]
    async fn what_a_debug_build_measured_is_doubted_and_what_a_release_build_measured_is_not() {
        for is_debug_build in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let recorder = Recorder::open(folder.path(), Arc::new(|| 9)).unwrap();
            doubt(&recorder, 4, is_debug_build);
            recorder.close().await.unwrap();
            let seen: Vec<_> = History::in_folder(folder.path()).observations().collect();
            let doubted = seen
                .iter()
                .any(|seen| seen.at == 4 && matches!(&seen.event, Event::Rig { until: 9, .. }));
            assert_eq!(doubted, is_debug_build, "{seen:?}");
        }
    }
}
