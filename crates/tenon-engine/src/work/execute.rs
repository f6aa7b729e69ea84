//! Running a claimed task to its end.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tenon_core::{
    function::{Cancel, RunFailure, RunOutcome},
    names::TaskPk,
};
use tenon_store::StoreError;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{
    finish::{self, Ended},
    host::{RunHost, Stored},
    kind::{STOP_GRACE, TaskKind},
    payload::{Payload, failure},
    run::{ClaimedRun, Left, javascript},
};
use crate::Engine;

/// How often the end of a run is tried to be stored while the database is away: about as long as leases last.
const FINISH_TRIES: u32 = 30;

/// What a run is given besides itself.
pub(crate) struct Around {
    pub stored: watch::Receiver<Stored>,
    /// Raised when the run is to stop behind its next checkpoint.
    pub interrupt: Arc<AtomicBool>,
    /// How many actions deep the run is.
    pub depth: u32,
}

/// Runs the function. Whatever goes wrong is an end.
pub(crate) async fn execute(engine: &Engine, run: ClaimedRun, around: Around) -> (Ended, Left) {
    let registered = Registered::new(engine, run.task.pk, run.task.fence);
    let cancel = registered.cancel.clone();
    let prepared = prepare(engine, &run).await;
    let javascript = match prepared {
        Ok(javascript) => javascript,
        Err(error) => {
            error!(%error, "a run could not be prepared");
            let failed = failure("internal_server_error", "the run could not be prepared");
            return (Ended::Failed(failed), Left::default());
        }
    };
    let mut request = run.request(javascript, cancel.clone());
    let kind = run.kind;
    let track_deletes = kind == TaskKind::Sync && run.function.track_deletes;
    let host = Arc::new(RunHost::new(
        engine.clone(),
        run,
        cancel.clone(),
        around.stored,
        around.interrupt,
        around.depth,
    ));
    if kind == TaskKind::Sync {
        host.retry_quarantined().await;
    }
    if matches!(kind, TaskKind::Sync | TaskKind::Webhook) {
        request.context.keeps_misfits = host.keeps_misfits().await;
    }
    let running = engine.runner.run(
        request,
        Arc::clone(&host) as Arc<dyn tenon_core::function::Host>,
    );
    let outcome = supervise(engine, kind, &cancel, running).await;
    let mut ended = ended(kind, outcome);
    if track_deletes && matches!(ended, Ended::Succeeded(_)) {
        // Only after a run that saw everything: one that failed half-way must delete nothing.
        if let Err(error) = host.delete_untouched().await {
            ended = Ended::Failed(failure("script_internal_error", error.message));
        }
    }
    host.sum_up_validation();
    (ended, host.left())
}

/// Code, and an empty cache where one was asked for.
async fn prepare(engine: &Engine, run: &ClaimedRun) -> Result<Arc<str>, StoreError> {
    if let (Payload::Sync { empty_cache: true }, Some(sync)) = (&run.payload, &run.sync) {
        super::host::empty_cache(engine, run, sync).await?;
    }
    javascript(engine, &run.function).await
}

/// Waits for the end. The runtime keeps the limits itself; this is for a runtime that does not answer.
async fn supervise(
    engine: &Engine,
    kind: TaskKind,
    cancel: &Cancel,
    running: impl Future<Output = RunOutcome>,
) -> RunOutcome {
    tokio::pin!(running);
    let limit = engine.clock.sleep(kind.run_limit() + STOP_GRACE);
    let late = tokio::select! {
        outcome = &mut running => return outcome,
        () = cancel.raised() => false,
        () = limit => true,
    };
    cancel.raise();
    tokio::select! {
        outcome = &mut running => outcome,
        () = engine.clock.sleep(STOP_GRACE) => {
            let kind = if late { "execution_timeout" } else { "script_aborted" };
            RunOutcome::Failed(failure(kind, "the function did not stop when it was told to"))
        }
    }
}

fn ended(kind: TaskKind, outcome: RunOutcome) -> Ended {
    match outcome {
        RunOutcome::Succeeded { output } => Ended::Succeeded(output),
        RunOutcome::Failed(RunFailure { kind: code, .. })
            if code == "execution_interrupted" && kind == TaskKind::Sync =>
        {
            Ended::Interrupted
        }
        RunOutcome::Failed(failure) => Ended::Failed(failure),
        RunOutcome::Crashed { detail } => Ended::Crashed(detail),
    }
}

/// Stores the end of a run. Tried again while the database is away; given up, the lease runs out and the run is done
/// again.
pub(crate) async fn store_end(
    engine: &Engine,
    task: &tenon_store::work::tasks::TaskRow,
    left: &Left,
    ended: &Ended,
) {
    for attempt in 0..FINISH_TRIES {
        let (inner, task_row, left, ended) =
            (engine.clone(), task.clone(), left.clone(), ended.clone());
        let stored = engine
            .store
            .write(move |tx| async move { finish::end(&tx, &inner, &task_row, &left, ended).await })
            .await;
        match stored {
            Ok(true) => return,
            Ok(false) => {
                info!(task.id = %task.id, "run ended after its lease went to somebody else");
                return;
            }
            Err(StoreError::Unavailable(reason)) => {
                warn!(task.id = %task.id, %reason, "cannot store the end of a run yet");
                let wait = Duration::from_millis(200) * (1 << attempt.min(4));
                engine.clock.sleep(wait).await;
            }
            // Ended for the sake of another transaction: nothing is wrong with this one.
            Err(error) if error.is_transient() => {}
            Err(error) => {
                error!(task.id = %task.id, %error, "cannot store the end of a run");
                return;
            }
        }
    }
}

/// A receiver that says: the task is stored.
pub(crate) fn already_stored() -> watch::Receiver<Stored> {
    watch::channel(Stored::Yes).1
}

/// Keeps a task on the list of what runs here, for as long as it does, also if it panics.
struct Registered {
    engine: Engine,
    task: TaskPk,
    fence: i64,
    cancel: Cancel,
}

impl Registered {
    fn new(engine: &Engine, task: TaskPk, fence: i64) -> Self {
        Self {
            engine: engine.clone(),
            task,
            fence,
            cancel: engine.work.begin(task, fence),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.engine.work.end(self.task, self.fence);
    }
}
