//! One whole tool call inside the process: find, check arguments, permit, deadline, run, count.
//!
//! `version` asks no model and no store, so what is left is the cost of the way itself. No log is
//! installed here; a server also writes one line a call.

use std::hint::black_box;

use criterion::Criterion;
use exai_benches::setup::{self, Setup, Trouble};
use exai_server::protocol::caller::{Caller, Transport};
use exai_server::tool::registry::Found;
use exai_server::tool::{Call, Toolbox};
use serde_json::Map;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Trouble> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = setup::runtime()?;
    let setup = runtime.block_on(Setup::build())?;
    let toolbox = &setup.app.toolbox;
    find(&mut criterion, toolbox);
    version(&mut criterion, &runtime, toolbox)?;
    criterion.final_summary();
    Ok(())
}

fn find(criterion: &mut Criterion, toolbox: &Toolbox) {
    let registry = toolbox.registry();
    assert!(matches!(registry.find("version"), Found::Tool(_)));
    criterion.bench_function("tool_call/find", |bencher| {
        bencher.iter(|| registry.find(black_box("version")));
    });
}

fn version(criterion: &mut Criterion, runtime: &Runtime, toolbox: &Toolbox) -> Result<(), Trouble> {
    let call = Call {
        name: "version".to_owned(),
        arguments: Map::new(),
        caller: Caller {
            transport: Transport::Http,
            ..Caller::local()
        },
        idempotency_key: None,
        is_fresh: true,
        session: None,
        cancel: CancellationToken::new(),
        on_text: None,
        parent: None,
    };
    let reply = runtime.block_on(toolbox.call(call.clone()));
    let reply = reply.map_err(|failure| failure.message)?;
    let answered = reply.structured.ok_or("the version tool gave no object")?;
    assert_eq!(answered["name"], "exai");
    criterion.bench_function("tool_call/version", |bencher| {
        bencher.to_async(runtime).iter(|| async {
            let reply = toolbox.call(call.clone()).await;
            assert!(reply.is_ok(), "the version tool failed: {reply:?}");
            reply
        });
    });
    Ok(())
}
