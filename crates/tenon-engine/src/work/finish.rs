//! The end of a task: its result and everything that follows from it, in one transaction.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tenon_core::{
    Timestamp,
    function::{ModelCounts, RunFailure},
    names::{RunPk, TaskPk},
};
use tenon_store::{
    StoreError, Tx,
    work::{
        subjects::{Subject, SubjectSync},
        tasks::{TaskRow, TaskState},
    },
};

use super::{
    enqueue::{wake_waiters, wake_workers},
    kind::{CRASH_ATTEMPTS, TaskKind},
    payload::{Output, Payload, failure},
    run::Left,
    webhooks::{SyncWebhook, async_action},
};
use crate::{
    Engine,
    delivery::{self, DeliveryKind, Outgoing},
    operations::OperationState,
    records,
};

/// Interrupted this often at one checkpoint, a sync does not move any more.
const STALLED_RUNS: i64 = 5;

/// How a task came to its end.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Succeeded(Bytes),
    /// Stopped behind a saved checkpoint, to go on from there at once.
    Interrupted,
    Failed(RunFailure),
    /// The worker process died under it.
    Crashed(String),
    /// Its node gave no sign of life.
    Lost,
    /// Not begun in time.
    Expired,
    /// Somebody cancelled it: the row says so already.
    Cancelled(&'static str),
}

/// Ends a task that the caller holds under `task.fence`. False if it was not the caller's any more: then nothing has
/// been written.
pub(crate) async fn end(
    tx: &Tx,
    engine: &Engine,
    task: &TaskRow,
    left: &Left,
    ended: Ended,
) -> Result<bool, StoreError> {
    let now = engine.clock.now();
    let payload = Payload::read(task)?;
    let ended = match again(&payload, task, ended) {
        Verdict::Again { retries } => {
            return requeue(tx, engine, task, left, retries, now).await;
        }
        Verdict::End(ended) => ended,
    };
    let (state, output) = outcome(&ended);
    if !matches!(ended, Ended::Cancelled(_))
        && !tx.finish_task(task, state, output.as_deref(), now).await?
    {
        return Ok(false);
    }
    if left.locks || matches!(ended, Ended::Lost) {
        tx.drop_locks(task.environment, &task.operation).await?;
    }
    let end = End {
        tx,
        engine,
        task,
        left,
        ended: &ended,
        now,
    };
    match &payload {
        Payload::Sync { .. } => end.sync().await?,
        Payload::Webhook { function, .. } => end.webhook(function).await?,
        Payload::Action {
            asynchronous: true, ..
        } => end.asynchronous_action().await?,
        Payload::Action { .. } | Payload::OnEvent { .. } => {}
    }
    end.operation().await?;
    wake_waiters(tx, engine);
    Ok(true)
}

enum Verdict {
    End(Ended),
    /// Back into the queue, with this many retries used.
    Again {
        retries: i64,
    },
}

/// Whether the task is to be tried again. What our own crash cut off goes on at once; an action may have had its effect
/// already, so it follows the retries that its caller allowed.
fn again(payload: &Payload, task: &TaskRow, ended: Ended) -> Verdict {
    let failed = match ended {
        Ended::Crashed(detail) => failure(
            "function_worker_crashed",
            format!("the worker process died: {detail}"),
        ),
        Ended::Lost => failure(
            "function_interrupted",
            "the node that ran the function stopped",
        ),
        Ended::Failed(failure) => {
            if matches!(payload, Payload::Action { .. }) && task.retry_count < task.retry_max {
                return Verdict::Again {
                    retries: task.retry_count + 1,
                };
            }
            return Verdict::End(Ended::Failed(failure));
        }
        other => return Verdict::End(other),
    };
    match payload {
        Payload::Action { .. } if task.retry_count < task.retry_max => Verdict::Again {
            retries: task.retry_count + 1,
        },
        Payload::Action { .. } | Payload::OnEvent { awaited: true, .. } => {
            Verdict::End(Ended::Failed(failed))
        }
        _ if task.attempt < CRASH_ATTEMPTS => Verdict::Again {
            retries: task.retry_count,
        },
        _ => Verdict::End(Ended::Failed(failed)),
    }
}

async fn requeue(
    tx: &Tx,
    engine: &Engine,
    task: &TaskRow,
    left: &Left,
    retries: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let kind = TaskKind::parse(&task.kind).ok_or_else(|| StoreError::Corrupt {
        table: "task",
        column: "kind",
        row: task.pk.to_string(),
    })?;
    let start_by = now.plus(kind.start_within());
    if !tx
        .requeue_task(task, task.attempt + 1, retries, now, start_by)
        .await?
    {
        return Ok(false);
    }
    tx.drop_locks(task.environment, &task.operation).await?;
    if let Some(run) = tx.open_run(task.pk).await? {
        let result = result_json(&left.counts).to_string();
        tx.finish_run(run.pk, "STOPPED", &result, Some("cut off"), now)
            .await?;
    }
    engine
        .operations
        .set(tx, &task.operation, OperationState::Waiting, None)
        .await?;
    wake_workers(tx, engine);
    Ok(true)
}

fn outcome(ended: &Ended) -> (TaskState, Option<Bytes>) {
    match ended {
        Ended::Succeeded(output) => (
            TaskState::Succeeded,
            Some(Output::Value(output.clone()).to_bytes()),
        ),
        Ended::Interrupted => (TaskState::Succeeded, None),
        Ended::Failed(failure) => (
            TaskState::Failed,
            Some(Output::Failure(failure.clone()).to_bytes()),
        ),
        Ended::Crashed(_) | Ended::Lost => (TaskState::Failed, None),
        Ended::Expired => (
            TaskState::Expired,
            Some(Output::Failure(expired()).to_bytes()),
        ),
        Ended::Cancelled(_) => (TaskState::Cancelled, None),
    }
}

fn expired() -> RunFailure {
    failure(
        "function_not_started",
        "the function was not started in time",
    )
}

/// `{Model: {added, updated, deleted}}`, as answers show it.
fn result_json(counts: &ModelCounts) -> Value {
    let result: Map<String, Value> = counts
        .iter()
        .map(|(model, counts)| {
            let counts = json!({
                "added": counts.added,
                "updated": counts.updated,
                "deleted": counts.deleted,
            });
            (model.clone(), counts)
        })
        .collect();
    Value::Object(result)
}

/// What the steps of an ending share.
struct End<'a> {
    tx: &'a Tx,
    engine: &'a Engine,
    task: &'a TaskRow,
    left: &'a Left,
    ended: &'a Ended,
    now: Timestamp,
}

/// The run row of a task that began.
struct Begun {
    run: RunPk,
    started_at: Timestamp,
}

impl End<'_> {
    async fn sync(&self) -> Result<(), StoreError> {
        let Some(schedule) = self.task.schedule else {
            return Ok(());
        };
        let begun = self.begun().await?;
        let subject = self.tx.subject_of_schedule(schedule).await?;
        let stalled = match (&subject, self.ended) {
            (Some(subject), Ended::Interrupted) => self.is_stalled(subject).await?,
            _ => false,
        };
        if let Some((subject, sync)) = with_sync(subject.as_ref()) {
            self.close_run(TaskKind::Sync, begun, subject, sync, stalled)
                .await?;
        } else {
            self.close(begun, "STOPPED", Some("the sync was deleted"))
                .await?;
        }
        let grid = self.tx.occupied_grid(schedule, self.task.pk).await?;
        let Some(grid) = grid else { return Ok(()) };
        // What never began, and what was interrupted on purpose, is due at once; the rest on its grid.
        let at_once = matches!(self.ended, Ended::Expired | Ended::Interrupted) && !stalled;
        let next = if at_once {
            self.now
        } else {
            grid.next_after(self.now)
        };
        self.tx
            .release_schedule(schedule, self.task.pk, next)
            .await?;
        wake_workers(self.tx, self.engine);
        Ok(())
    }

    async fn webhook(&self, function: &str) -> Result<(), StoreError> {
        let begun = self.begun().await?;
        let subject = self
            .tx
            .subject_of_base_sync(self.task.connection, function)
            .await?;
        let Some((subject, sync)) = with_sync(subject.as_ref()) else {
            return self
                .close(begun, "STOPPED", Some("the sync was deleted"))
                .await;
        };
        self.close_run(TaskKind::Webhook, begun, subject, sync, false)
            .await
    }

    async fn begun(&self) -> Result<Option<Begun>, StoreError> {
        Ok(self.tx.open_run(self.task.pk).await?.map(|run| Begun {
            run: run.pk,
            started_at: run.started_at,
        }))
    }

    /// Ends the run row and tells the app.
    async fn close_run(
        &self,
        kind: TaskKind,
        begun: Option<Begun>,
        subject: &Subject,
        sync: &SubjectSync,
        stalled: bool,
    ) -> Result<(), StoreError> {
        // The models of the version that ran; a run that is ended from outside goes by the version of today.
        let today = subject.function.as_ref();
        let models = match &self.left.models {
            Some(models) => models.as_slice(),
            None => today
                .map(|function| function.models.as_slice())
                .unwrap_or_default(),
        };
        if let Some(writer) = &self.left.writer {
            for model in models {
                records::forget_seen(self.tx, writer, model).await?;
            }
        }
        let webhook = SyncWebhook {
            subject,
            sync,
            kind,
            checkpoints: self.left.checkpoints.as_ref(),
            started_at: begun.as_ref().map_or(self.now, |begun| begun.started_at),
        };
        match self.ended {
            Ended::Succeeded(_) => self.succeed(&webhook, begun, models).await,
            Ended::Interrupted if !stalled => {
                self.close(begun, "SUCCESS", Some(&self.interrupted_at()))
                    .await?;
                self.announce(&webhook, models).await
            }
            Ended::Interrupted => {
                let stalled = failure(
                    "sync_stalled",
                    format!(
                        "the checkpoint did not move in {STALLED_RUNS} interrupted runs in a row"
                    ),
                );
                self.fail(&webhook, begun, models, &stalled).await
            }
            Ended::Failed(failure) => self.fail(&webhook, begun, models, failure).await,
            Ended::Expired => self.fail(&webhook, begun, models, &expired()).await,
            Ended::Cancelled(reason) => {
                if begun.is_none() {
                    return Ok(());
                }
                let cancelled = failure("script_aborted", *reason);
                self.fail(&webhook, begun, &[], &cancelled).await
            }
            Ended::Crashed(_) | Ended::Lost => Ok(()),
        }
    }

    async fn succeed(
        &self,
        webhook: &SyncWebhook<'_>,
        begun: Option<Begun>,
        models: &[String],
    ) -> Result<(), StoreError> {
        let started_at = webhook.started_at;
        let mut counts = self.left.counts.clone();
        for model in models {
            counts.entry(model.clone()).or_default();
        }
        if let Some(begun) = begun {
            let result = result_json(&counts).to_string();
            self.tx
                .finish_run(begun.run, "SUCCESS", &result, None, self.now)
                .await?;
        }
        self.announce(webhook, models).await?;
        if webhook.kind == TaskKind::Sync {
            self.tx.set_last_sync(webhook.sync.pk, started_at).await?;
            self.tx
                .set_sync_error(webhook.subject.connection, None)
                .await?;
        }
        Ok(())
    }

    /// Takes what was saved and not announced yet, by this run or by one that did not get that far.
    async fn announce(
        &self,
        webhook: &SyncWebhook<'_>,
        models: &[String],
    ) -> Result<(), StoreError> {
        for model in models {
            let changes = records::take_unannounced(self.tx, webhook.sync.pk, model).await?;
            let (counts, since) = changes
                .map(|changes| (changes.counts, Some(changes.since)))
                .unwrap_or_default();
            let nothing = counts.added == 0 && counts.updated == 0 && counts.deleted == 0;
            if nothing && !webhook.subject.on_sync_completion_always {
                continue;
            }
            let body = webhook.success(model, counts, since);
            self.tell(DeliveryKind::Sync, body).await?;
        }
        Ok(())
    }

    async fn fail(
        &self,
        webhook: &SyncWebhook<'_>,
        begun: Option<Begun>,
        models: &[String],
        failure: &RunFailure,
    ) -> Result<(), StoreError> {
        self.close(begun, "STOPPED", Some(&failure.message)).await?;
        if webhook.kind == TaskKind::Sync && !matches!(self.ended, Ended::Cancelled(_)) {
            self.tx
                .set_sync_error(webhook.subject.connection, Some(&self.task.operation))
                .await?;
        }
        if !webhook.subject.on_sync_error {
            return Ok(());
        }
        let body = webhook.failure(models, failure, self.now);
        self.tell(DeliveryKind::Sync, body).await
    }

    async fn close(
        &self,
        begun: Option<Begun>,
        status: &str,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let Some(begun) = begun else { return Ok(()) };
        let result = result_json(&self.left.counts).to_string();
        self.tx
            .finish_run(begun.run, status, &result, error, self.now)
            .await
    }

    fn interrupted_at(&self) -> String {
        let at = self
            .left
            .checkpoints
            .as_ref()
            .map_or(&Value::Null, |(_, to)| to);
        format!("interrupted at {at}")
    }

    /// Whether the runs before were interrupted at this checkpoint too (FAULTS 75).
    async fn is_stalled(&self, subject: &Subject) -> Result<bool, StoreError> {
        let Some(sync) = &subject.sync else {
            return Ok(false);
        };
        let here = self.interrupted_at();
        // This run is still open and comes first.
        let runs = self.tx.runs_of_sync(sync.pk, STALLED_RUNS).await?;
        let before = &runs[1.min(runs.len())..];
        Ok(before.len() as i64 == STALLED_RUNS - 1
            && before
                .iter()
                .all(|run| run.error.as_deref() == Some(here.as_str())))
    }

    async fn asynchronous_action(&self) -> Result<(), StoreError> {
        // Expired and cancelled ones are not told (webhooks.md, 1.5).
        if !matches!(self.ended, Ended::Succeeded(_) | Ended::Failed(_)) {
            return Ok(());
        }
        let subject = self
            .tx
            .subject_of_connection(self.task.connection, "action", "")
            .await?;
        match subject {
            Some(subject) if subject.on_async_action_completion => {
                let body = async_action(&subject, &self.task.id);
                self.tell(DeliveryKind::AsyncAction, body).await
            }
            _ => Ok(()),
        }
    }

    async fn tell(&self, kind: DeliveryKind, body: Value) -> Result<(), StoreError> {
        let outgoing = Outgoing {
            operation: Some(self.task.operation.clone()),
            ..Outgoing::new(
                self.task.environment,
                Some(self.task.connection),
                kind,
                body,
            )
        };
        delivery::enqueue(self.tx, self.engine, outgoing)
            .await
            .map(|_| ())
    }

    async fn operation(&self) -> Result<(), StoreError> {
        let (state, error) = match self.ended {
            Ended::Succeeded(_) | Ended::Interrupted => (OperationState::Success, None),
            Ended::Failed(failure) => (OperationState::Failed, Some(failure.message.as_str())),
            Ended::Crashed(detail) => (OperationState::Failed, Some(detail.as_str())),
            Ended::Lost => (OperationState::Failed, Some("the node stopped")),
            Ended::Expired => (OperationState::Timeout, Some("not started in time")),
            Ended::Cancelled(reason) => (OperationState::Cancelled, Some(*reason)),
        };
        self.engine
            .operations
            .set(self.tx, &self.task.operation, state, error)
            .await
    }
}

fn with_sync(subject: Option<&Subject>) -> Option<(&Subject, &SubjectSync)> {
    let subject = subject?;
    Some((subject, subject.sync.as_ref()?))
}

/// Cancels a task that waits or runs, with all that follows; stops it if it runs on this node. Other nodes notice at
/// their next heartbeat, and can write nothing before that.
pub(crate) async fn cancel(
    tx: &Tx,
    engine: &Engine,
    task: TaskPk,
    reason: &'static str,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    let Some(row) = tx.cancel_task(task, now).await? else {
        return Ok(());
    };
    end(tx, engine, &row, &Left::default(), Ended::Cancelled(reason)).await?;
    let state = std::sync::Arc::clone(&engine.work);
    tx.after_commit(move || state.cancel(task));
    Ok(())
}
