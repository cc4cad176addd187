//! The workloads of a run, one after the other on one ground.

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
    }
    if selected("V.4") {
        workload::storage::run(stage).await?;
    }
    if selected("V.5") {
        workload::failover::run(stage).await?;
    }
    if selected("V.6") {
        workload::security::run(stage).await?;
    }
    if selected("V.3") {
        workload::concurrency::run(stage).await?;
    }
    if selected("V.8") {
        stage.ground.raise_limits().await?;
        workload::benchmark::run(stage).await?;
    }
    Ok(())
}
