//! Building functions from source that came over the wire.

use tenon_core::function::{BuildFailure, Built, FunctionKind, FunctionRunner, SourceCode};
use tokio::sync::{Semaphore, oneshot};

use crate::compile::{
    Bundled, EntryPoint, InMemory, bundle,
    definitions::define_in_worker,
    deployment::{flow_config, on_event_script},
};

/// Largest source, in bytes. The compiler recurses along the code, and code of this size does not reach the end of
/// [`STACK_BYTES`], however deeply it is nested.
const SOURCE_BYTES: usize = 256 * 1024;

/// Stack of the thread that compiles: only as much of it is used as the code is deep.
const STACK_BYTES: usize = 1024 * 1024 * 1024;

/// Sources that are compiled at a time.
static PLACES: Semaphore = Semaphore::const_new(2);

/// What complaints call the file.
const FILE: &str = "function.ts";

pub(super) async fn compile(typescript: String) -> Result<Bundled, BuildFailure> {
    if typescript.len() > SOURCE_BYTES {
        return Err(BuildFailure::Rejected(format!(
            "the source has more than {SOURCE_BYTES} bytes"
        )));
    }
    let stopped = || BuildFailure::Rejected("the compiler stopped at this code".to_owned());
    let _place = PLACES.acquire().await.map_err(|_| stopped())?;
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("compiler".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let files = InMemory::new([(FILE, typescript)]);
            let _nobody_waits = sender.send(bundle(&files, FILE));
        })
        .map_err(|_| BuildFailure::Unavailable)?;
    // The sender goes without a word only if the compiler panicked.
    let compiled = receiver.await.map_err(|_| stopped())?;
    compiled.map_err(|error| BuildFailure::Rejected(error.to_string()))
}

pub(super) async fn build(
    runner: &dyn FunctionRunner,
    source: SourceCode,
) -> Result<Built, BuildFailure> {
    let bundled = compile(source.typescript).await?;
    let entry = EntryPoint {
        integration: source.integration,
        name: source.name,
        folder: String::new(),
        path: FILE.to_owned(),
        listed: None,
    };
    let definition = define_in_worker(runner, source.environment, &entry, &bundled)
        .await
        .map_err(|error| BuildFailure::Rejected(error.to_string()))?;
    let deployment = if definition.kind == FunctionKind::OnEvent {
        on_event_script(&definition, &bundled)
    } else {
        flow_config(&definition, &bundled, None)
    };
    Ok(Built {
        kind: definition.kind,
        models: definition.models,
        javascript: bundled.javascript,
        deployment,
    })
}
