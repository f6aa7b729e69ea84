//! The loop that turns due schedules into tasks, ends tasks whose time is over, and removes what is old.

use std::time::Duration;

use tenon_core::{Timestamp, function::Cancel};
use tenon_store::StoreError;
use tracing::{info, warn};

use super::{
    commands::title,
    enqueue::{Enqueue, TaskNames, enqueue},
    finish::{self, Ended},
    kind::TaskKind,
    payload::Payload,
    run::Left,
};
use crate::{
    Engine,
    records::{self, RecordsError},
};

/// Longest time between two looks: another node may have made something due.
const POLL: Duration = Duration::from_secs(1);

/// Schedules or tasks handled in one transaction.
const BATCH: i64 = 200;

/// How often leases and waiting times are looked at.
const WATCH: Duration = Duration::from_secs(5);

/// A node that just started gives workers this long to take what waited while everything was down.
const START_GRACE: Duration = Duration::from_secs(60);

/// How often old rows are removed.
const TIDY: Duration = Duration::from_secs(60);

/// How long ended tasks and deleted syncs are kept (scheduler.md, 7).
const KEEP_TASKS: Duration = Duration::from_secs(5 * 24 * 3_600);

/// How long runs are kept (scheduler.md, 7).
const KEEP_RUNS: Duration = Duration::from_secs(31 * 24 * 3_600);

/// Rows removed of each kind in one go, and goes per round: the rest waits for the next round.
const TIDY_BATCH: i64 = 500;
const TIDY_GOES: u32 = 20;

/// Models of deleted connections that are emptied in one round.
const MODELS: i64 = 100;

/// Creates tasks for schedules that are due, ends tasks whose time is over, removes what is old.
pub struct Scheduler {
    engine: Engine,
}

impl Scheduler {
    /// A scheduler of this engine. Several nodes may run one each.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until shutdown.
    pub async fn run(self, shutdown: Cancel) {
        let started = self.engine.clock.monotonic();
        let mut watched = None;
        let mut tidied = started;
        loop {
            let work = self.engine.signals.work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            let wait = self.look().await;
            let now = self.engine.clock.monotonic();
            if watched.is_none_or(|last| now.saturating_sub(last) >= WATCH) {
                watched = Some(now);
                let grace_over = now.saturating_sub(started) >= START_GRACE;
                self.watch(grace_over).await;
            }
            if now.saturating_sub(tidied) >= TIDY {
                tidied = now;
                self.tidy().await;
            }
            tokio::select! {
                () = shutdown.raised() => return,
                () = work => {}
                () = self.engine.clock.sleep(wait) => {}
            }
        }
    }

    /// Creates tasks for everything that is due; returns how long to wait for the next.
    async fn look(&self) -> Duration {
        loop {
            let next = match self.engine.reader().next_due().await {
                Ok(next) => next,
                Err(error) => {
                    warn!(%error, "could not look at schedules");
                    return POLL;
                }
            };
            let now = self.engine.clock.now();
            let Some(next) = next else { return POLL };
            if next > now {
                return next.since(now).min(POLL);
            }
            match self.create_due(now).await {
                // Another node has locked what is due.
                Ok(0) => return POLL,
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "could not create tasks for schedules");
                    return POLL;
                }
            }
        }
    }

    async fn create_due(&self, now: Timestamp) -> Result<usize, StoreError> {
        let engine = self.engine.clone();
        self.engine
            .store
            .write(move |tx| async move {
                let due = tx.due_schedules(now, BATCH).await?;
                for schedule in &due {
                    let names = TaskNames::new(&engine);
                    if !tx.occupy_schedule(schedule.schedule, names.task).await? {
                        continue;
                    }
                    let new = Enqueue {
                        kind: TaskKind::Sync,
                        environment: schedule.environment,
                        connection: schedule.connection,
                        connection_id: &schedule.connection_id,
                        integration_key: &schedule.integration_key,
                        schedule: Some(schedule.schedule),
                        title: &title(&schedule.sync, &schedule.variant),
                        function: &schedule.sync,
                        payload: &Payload::Sync { empty_cache: false },
                        retry_max: 0,
                        idempotency_key: None,
                        parent: None,
                        begun_until: None,
                    };
                    enqueue(&tx, &engine, now, &names, new).await?;
                }
                Ok(due.len())
            })
            .await
    }

    /// Ends what waited too long, and gives back what a silent node had.
    async fn watch(&self, expire: bool) {
        let engine = self.engine.clone();
        let watched = self
            .engine
            .store
            .write(move |tx| async move {
                let now = engine.clock.now();
                let left = Left::default();
                let mut lost = 0;
                for task in tx.lost_tasks(now, BATCH).await? {
                    if finish::end(&tx, &engine, &task, &left, Ended::Lost).await? {
                        lost += 1;
                    }
                }
                let mut expired = 0;
                if expire {
                    for task in tx.expired_tasks(now, BATCH).await? {
                        if finish::end(&tx, &engine, &task, &left, Ended::Expired).await? {
                            expired += 1;
                        }
                    }
                }
                Ok::<_, StoreError>((lost, expired))
            })
            .await;
        match watched {
            Ok((0, 0)) => {}
            Ok((lost, expired)) => info!(lost, expired, "tasks ended whose time was over"),
            Err(error) => warn!(%error, "could not look for tasks whose time is over"),
        }
    }

    async fn tidy(&self) {
        if let Err(error) = self.remove_left_records().await {
            warn!(%error, "could not remove records of deleted connections");
        }
        for _ in 0..TIDY_GOES {
            match self.tidy_once().await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "could not remove old tasks");
                    return;
                }
            }
        }
    }

    /// Removes the records of connections that were deleted, slice by slice.
    async fn remove_left_records(&self) -> Result<(), RecordsError> {
        let left = self.engine.reader().models_left_behind(MODELS).await?;
        for (connection, model) in left {
            records::empty(&self.engine, connection, &model).await?;
            self.engine
                .store
                .write(move |tx| async move { tx.remove_model(connection, &model).await })
                .await?;
        }
        Ok(())
    }

    async fn tidy_once(&self) -> Result<u64, StoreError> {
        let now = self.engine.clock.now();
        self.engine
            .store
            .write(move |tx| async move {
                tx.drop_expired_locks(now).await?;
                let tasks = tx.purge_tasks(now.minus(KEEP_TASKS), TIDY_BATCH).await?;
                let runs = tx.purge_runs(now.minus(KEEP_RUNS), TIDY_BATCH).await?;
                let syncs = tx
                    .purge_deleted_syncs(now.minus(KEEP_TASKS), TIDY_BATCH)
                    .await?;
                let seen = tx.purge_seen(now.minus(KEEP_RUNS), TIDY_BATCH).await?;
                let jobs = tx.purge_jobs(now.minus(KEEP_TASKS), TIDY_BATCH).await?;
                Ok(tasks + runs + syncs + seen + jobs)
            })
            .await
    }
}
