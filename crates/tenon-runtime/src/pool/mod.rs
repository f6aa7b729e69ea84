//! The host's side: processes that run functions, one environment each.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use tenon_core::{
    function::{BuildFailure, Built, FunctionRunner, Host, RunOutcome, RunRequest, SourceCode},
    limits,
};

mod build;
mod bytecode;
mod drive;
mod places;
mod process;
mod seats;
mod spawn;

use crate::compile::source_map;
use places::Places;

/// How many workers there may be and how they are started.
#[derive(Clone, Debug)]
pub struct WorkerPoolOptions {
    /// Executable whose `main` calls [`crate::worker::main`] when started with `arguments`.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Most worker processes at a time.
    pub workers: usize,
    /// Workers started ahead, before an environment asks for one.
    pub spare_workers: usize,
    /// Most threads of one worker that run JavaScript.
    pub threads: usize,
    /// Most runs at a time in one worker; more wait for their turn.
    pub runs_per_worker: usize,
    /// Places of `runs_per_worker` and `threads` that only actions may take.
    pub kept_for_actions: usize,
    /// What the isolates of one worker may have together, beyond the share that each has of right.
    pub heaps_bytes: usize,
    /// A worker that has done this many runs is replaced.
    pub runs_until_recycled: u64,
    /// So is one that has lived for this long.
    pub age: Duration,
    /// A worker that had nothing to do for this long is let go.
    pub idle: Duration,
    /// How long a run may outlive its deadline or its cancellation before its worker is killed.
    pub grace: Duration,
}

impl WorkerPoolOptions {
    /// Settings for a node: `program` is the path of the running binary.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            arguments: vec![OsString::from("worker")],
            workers: 64,
            spare_workers: 1,
            threads: 8,
            runs_per_worker: 256,
            kept_for_actions: 2,
            heaps_bytes: limits::WORKER_HEAPS_BYTES,
            runs_until_recycled: 10_000,
            age: Duration::from_secs(3_600),
            idle: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

/// Why the pool could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("worker program `{program}` could not be started")]
    Spawn {
        program: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("thread that starts workers could not be started")]
    Thread(#[source] std::io::Error),
}

/// Runs functions in worker processes. Cheap to clone; the workers leave when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct WorkerPool {
    places: Arc<Places>,
}

impl WorkerPool {
    /// Starts the pool and its spare workers. Must be called inside a Tokio runtime.
    pub fn start(options: WorkerPoolOptions) -> Result<Self, StartError> {
        Ok(Self {
            places: Places::start(options)?,
        })
    }

    /// How many worker processes live.
    pub fn workers(&self) -> usize {
        self.places.workers()
    }

    /// How many bundles have been compiled for all workers.
    pub fn bundles_compiled(&self) -> usize {
        self.places.bundles_compiled()
    }

    /// Process ids of the workers, for reports and tests.
    pub fn process_ids(&self) -> Vec<u32> {
        self.places.process_ids()
    }
}

#[async_trait::async_trait]
impl FunctionRunner for WorkerPool {
    async fn run(&self, request: RunRequest, host: Arc<dyn Host>) -> RunOutcome {
        let place = tokio::select! {
            place = self.places.take(request.environment, request.kind) => place,
            () = request.cancel.raised() => return drive::aborted(),
        };
        let place = match place {
            Ok(place) => place,
            Err(error) => {
                return RunOutcome::Crashed {
                    detail: drive::chain(&error),
                };
            }
        };
        let javascript = request.bundle.javascript.clone();
        match drive::drive(place, request, host, self.places.options().grace).await {
            RunOutcome::Failed(failure) => {
                RunOutcome::Failed(source_map::at_source(failure, javascript).await)
            }
            outcome => outcome,
        }
    }

    async fn compile(&self, typescript: String) -> Result<String, BuildFailure> {
        build::compile(typescript)
            .await
            .map(|bundled| bundled.javascript)
    }

    async fn build(&self, source: SourceCode) -> Result<Built, BuildFailure> {
        build::build(self, source).await
    }
}
