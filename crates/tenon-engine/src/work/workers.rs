//! The loop that claims tasks and runs them.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tenon_core::{function::Cancel, names::TaskPk};
use tenon_store::{StoreError, work::tasks::WaitingGroup};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::{
    execute::{Around, already_stored, execute, store_end},
    finish::{self, Ended},
    kind::{HEARTBEAT, LEASE, TaskKind},
    run::{ClaimedRun, Left, begin},
};
use crate::Engine;

/// How often to look for work that nobody announced.
const POLL: Duration = Duration::from_secs(1);

/// Groups looked at in one round.
const GROUPS: i64 = 1_000;

/// Tasks claimed in one transaction: each brings a few statements.
const CLAIM: usize = 50;

/// How long runs may take to reach their next checkpoint when the node stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Claims tasks and runs them side by side.
pub struct Workers {
    engine: Engine,
    interrupt: Arc<AtomicBool>,
}

impl Workers {
    /// Workers of this engine.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            interrupt: Arc::default(),
        }
    }

    /// Runs until shutdown; runs in flight are given back to the queue then.
    pub async fn run(self, shutdown: Cancel) {
        self.recover().await;
        tokio::join!(self.claims(&shutdown), self.heartbeats(&shutdown));
    }

    /// [`Workers::run`] of a node that sleeps when it should extend its leases: for tests of what happens then.
    pub async fn run_without_heartbeat(self, shutdown: Cancel) {
        self.claims(&shutdown).await;
    }

    /// Gives back what a node of this name had begun before it died.
    async fn recover(&self) {
        let engine = self.engine.clone();
        let recovered = self
            .engine
            .store
            .write(move |tx| async move {
                let here: HashSet<TaskPk> = engine
                    .work
                    .running()
                    .into_iter()
                    .map(|(task, _)| task)
                    .collect();
                let left_behind = tx.owned_tasks(&engine.settings.node, i64::MAX).await?;
                let mut count = 0;
                for task in left_behind.iter().filter(|task| !here.contains(&task.pk)) {
                    let left = Left::default();
                    if finish::end(&tx, &engine, task, &left, Ended::Lost).await? {
                        count += 1;
                    }
                }
                Ok::<_, StoreError>(count)
            })
            .await;
        match recovered {
            Ok(0) => {}
            Ok(count) => info!(count, "work that was cut off is in the queue again"),
            // Nothing is lost: the leases run out.
            Err(error) => warn!(%error, "could not look for work that was cut off"),
        }
    }

    async fn claims(&self, shutdown: &Cancel) {
        let mut runs = JoinSet::new();
        let mut places = Places::default();
        loop {
            let work = self.engine.signals.work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            for kind in TaskKind::ALL {
                self.fill(kind, &mut places, &mut runs).await;
            }
            tokio::select! {
                () = shutdown.raised() => break,
                () = work => places.look_everywhere(),
                () = self.engine.clock.sleep(POLL) => places.look_everywhere(),
                Some(ended) = runs.join_next() => {
                    places.give_back(ended);
                    while let Some(ended) = runs.try_join_next() {
                        places.give_back(ended);
                    }
                }
            }
        }
        self.drain(runs, places).await;
    }

    /// Starts as many tasks of a kind as there are places for.
    async fn fill(
        &self,
        kind: TaskKind,
        places: &mut Places,
        runs: &mut JoinSet<(TaskKind, tokio::task::Id)>,
    ) {
        while places.look(kind) {
            let free = places.free(kind);
            match self.claim(kind, free).await {
                Ok(Claimed {
                    runs: claimed,
                    more,
                }) => {
                    places.found(kind, more);
                    for run in claimed {
                        places.take(kind);
                        self.start(run, runs, places);
                    }
                }
                Err(error) => {
                    warn!(%error, "could not claim tasks");
                    places.found(kind, false);
                }
            }
        }
    }

    fn start(
        &self,
        run: ClaimedRun,
        runs: &mut JoinSet<(TaskKind, tokio::task::Id)>,
        places: &mut Places,
    ) {
        let engine = self.engine.clone();
        let kind = run.kind;
        let around = Around {
            stored: already_stored(),
            interrupt: Arc::clone(&self.interrupt),
            depth: 0,
        };
        let handle = runs.spawn(async move {
            let task = run.task.clone();
            let (ended, left) = execute(&engine, run, around).await;
            store_end(&engine, &task, &left, &ended).await;
            (kind, tokio::task::id())
        });
        places.started(kind, handle.id());
    }

    /// Claims tasks of a kind, an even share from each group that waits.
    async fn claim(&self, kind: TaskKind, free: usize) -> Result<Claimed, StoreError> {
        let waiting = self
            .engine
            .reader()
            .waiting_groups(kind.as_str(), GROUPS)
            .await?;
        let shares = shares(&waiting, kind.group_limit(), free.min(CLAIM));
        if shares.is_empty() {
            return Ok(Claimed {
                runs: Vec::new(),
                more: false,
            });
        }
        let engine = self.engine.clone();
        self.engine
            .store
            .write(move |tx| async move {
                let now = engine.clock.now();
                let mut claimed = Claimed {
                    runs: Vec::new(),
                    more: false,
                };
                for (group, share) in shares {
                    let tasks = tx
                        .claim_tasks(
                            kind.as_str(),
                            &group,
                            &engine.settings.node,
                            now,
                            now.plus(LEASE),
                            share,
                        )
                        .await?;
                    claimed.more |= tasks.len() as i64 == share;
                    for task in tasks {
                        match begin(&tx, &engine, task, now).await? {
                            Ok(run) => claimed.runs.push(run),
                            Err(refused) => refuse(&tx, &engine, *refused).await?,
                        }
                    }
                }
                Ok(claimed)
            })
            .await
    }

    /// Lets runs reach their next checkpoint; gives the others back to the queue.
    async fn drain(&self, mut runs: JoinSet<(TaskKind, tokio::task::Id)>, mut places: Places) {
        self.interrupt.store(true, Ordering::Relaxed);
        let over = self.engine.clock.sleep(DRAIN);
        tokio::pin!(over);
        while !runs.is_empty() {
            tokio::select! {
                Some(ended) = runs.join_next() => places.give_back(ended),
                () = &mut over => break,
            }
        }
        runs.abort_all();
        while runs.join_next().await.is_some() {}
        self.recover().await;
    }

    /// Extends leases, and stops runs whose task was given to somebody else or cancelled elsewhere.
    async fn heartbeats(&self, shutdown: &Cancel) {
        let mut unknown = HashSet::new();
        loop {
            tokio::select! {
                () = shutdown.raised() => return,
                () = self.engine.clock.sleep(HEARTBEAT) => {}
            }
            match self.beat(std::mem::take(&mut unknown)).await {
                Ok(now_unknown) => unknown = now_unknown,
                Err(error) => warn!(%error, "could not extend leases"),
            }
        }
    }

    /// Returns the tasks that the store says run here and that do not; seen twice, they are lost: a run that panicked.
    async fn beat(
        &self,
        unknown_before: HashSet<(TaskPk, i64)>,
    ) -> Result<HashSet<(TaskPk, i64)>, StoreError> {
        let running = self.engine.work.running();
        let engine = self.engine.clone();
        let until = engine.clock.now().plus(LEASE);
        let ours: HashSet<(TaskPk, i64)> = running
            .iter()
            .map(|(task, held)| (*task, held.fence))
            .collect();
        let (held, unknown) = self
            .engine
            .store
            .write(move |tx| async move {
                let owner = &engine.settings.node;
                let held: HashSet<_> = tx.extend_leases(owner, until).await?.into_iter().collect();
                let unknown: HashSet<_> = held.difference(&ours).copied().collect();
                if unknown.iter().any(|task| unknown_before.contains(task)) {
                    for task in tx.owned_tasks(owner, i64::MAX).await? {
                        if unknown_before.contains(&(task.pk, task.fence))
                            && unknown.contains(&(task.pk, task.fence))
                        {
                            error!(task.id = %task.id, "a run disappeared without an end");
                            finish::end(&tx, &engine, &task, &Left::default(), Ended::Lost).await?;
                        }
                    }
                }
                Ok::<_, StoreError>((held, unknown))
            })
            .await?;
        for (task, run) in running {
            // Only runs that workers claimed have leases to extend; those of callers cover the whole run, and are
            // extended along.
            if !held.contains(&(task, run.fence)) && self.is_lost(task, run.fence).await {
                run.cancel.raise();
            }
        }
        Ok(unknown)
    }

    /// Whether a task that runs here belongs to somebody else by now. One that is not stored yet does not.
    async fn is_lost(&self, task: TaskPk, fence: i64) -> bool {
        match self.engine.reader().task_fence(task).await {
            Ok(Some((state_is_started, current))) => !state_is_started || current != fence,
            Ok(None) | Err(_) => false,
        }
    }
}

async fn refuse(
    tx: &tenon_store::Tx,
    engine: &Engine,
    refused: super::run::Refused,
) -> Result<(), StoreError> {
    if refused.failure.kind == "not_found" {
        return finish::cancel(
            tx,
            engine,
            refused.task.pk,
            "the function or its connection is gone",
        )
        .await;
    }
    let ended = Ended::Failed(refused.failure);
    let mut task = refused.task;
    // No retry brings back what is disabled.
    task.retry_count = task.retry_max;
    finish::end(tx, engine, &task, &Left::default(), ended)
        .await
        .map(|_| ())
}

struct Claimed {
    runs: Vec<ClaimedRun>,
    /// Whether more may wait.
    more: bool,
}

/// How many tasks to take from each group: the same number from all that have room, in turn.
fn shares(waiting: &[WaitingGroup], limit: i64, free: usize) -> Vec<(String, i64)> {
    let mut open: Vec<(&WaitingGroup, i64)> = waiting
        .iter()
        .map(|group| (group, limit - group.running))
        .filter(|(_, room)| *room > 0)
        .collect();
    // The fullest come last, so that they do not eat what is left over.
    open.sort_by_key(|(group, _)| group.running);
    let mut free = i64::try_from(free).unwrap_or(i64::MAX);
    let mut shares = Vec::new();
    let mut groups = i64::try_from(open.len()).unwrap_or(i64::MAX);
    for (group, room) in open {
        if free == 0 {
            break;
        }
        let share = (free / groups).max(1).min(room);
        shares.push((group.key.clone(), share));
        free -= share;
        groups -= 1;
    }
    shares
}

/// Places for runs on this node, and which kinds may have work waiting.
struct Places {
    taken: [usize; 4],
    look: [bool; 4],
    by_id: std::collections::HashMap<tokio::task::Id, TaskKind>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            taken: [0; 4],
            look: [true; 4],
            by_id: std::collections::HashMap::new(),
        }
    }
}

impl Places {
    fn look(&self, kind: TaskKind) -> bool {
        self.look[kind as usize] && self.free(kind) > 0
    }

    fn look_everywhere(&mut self) {
        self.look = [true; 4];
    }

    fn found(&mut self, kind: TaskKind, more: bool) {
        self.look[kind as usize] = more;
    }

    fn free(&self, kind: TaskKind) -> usize {
        kind.places().saturating_sub(self.taken[kind as usize])
    }

    fn take(&mut self, kind: TaskKind) {
        self.taken[kind as usize] += 1;
    }

    fn started(&mut self, kind: TaskKind, id: tokio::task::Id) {
        self.by_id.insert(id, kind);
    }

    fn give_back(&mut self, ended: Result<(TaskKind, tokio::task::Id), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((_, id)) => *id,
            Err(error) => {
                error!(%error, "a run panicked");
                error.id()
            }
        };
        if let Some(kind) = self.by_id.remove(&id) {
            self.taken[kind as usize] -= 1;
            // There may have been more than places, or than the group's limit.
            self.look[kind as usize] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use tenon_store::work::tasks::WaitingGroup;

    use super::shares;

    fn waiting(groups: &[(&str, i64)]) -> Vec<WaitingGroup> {
        groups
            .iter()
            .map(|(key, running)| WaitingGroup {
                key: (*key).to_owned(),
                running: *running,
            })
            .collect()
    }

    fn taken(groups: &[(&str, i64)], limit: i64, free: usize) -> Vec<(String, i64)> {
        shares(&waiting(groups), limit, free)
    }

    #[test]
    fn groups_get_even_shares() {
        let share = |key: &str, count| (key.to_owned(), count);
        assert_eq!(taken(&[("a", 0)], 500, 200), [share("a", 200)]);
        assert_eq!(
            taken(&[("a", 100), ("b", 0)], 500, 10),
            [share("b", 5), share("a", 5)]
        );
        assert_eq!(taken(&[("a", 500)], 500, 10), []);
        assert_eq!(
            taken(&[("a", 499), ("b", 0)], 500, 10),
            [share("b", 5), share("a", 1)]
        );
        assert_eq!(
            taken(&[("a", 3), ("b", 2), ("c", 1)], 500, 2),
            [share("c", 1), share("b", 1)]
        );
        assert_eq!(taken(&[("a", 0)], 500, 0), []);
    }
}
