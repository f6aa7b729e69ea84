//! The writer thread: waiting closures are polled to their end, each within a savepoint, and share one commit.

use std::{
    any::Any,
    fs::File,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tenon_core::function::Cancel;
use tokio::sync::oneshot;

use super::{SqliteTx, connection::Connection};
use crate::{Changes, StoreError, Tx, store::Inner, transaction::TxConnection};

/// Most closures that share a commit: what fails with it stays small.
const GROUP: usize = 512;

/// A group takes no more closures after this time, so that the first does not wait for ever.
const GROUP_TIME: Duration = Duration::from_millis(10);

/// What the writer thread can be asked for.
enum Order {
    Write(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Handle of the writer thread, which ends with its last handle.
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    pub(super) broken: Cancel,
    pub(super) changes: Arc<Changes>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection, lock: File) -> Result<Self, StoreError> {
        let (orders, queue) = mpsc::channel();
        let broken = Cancel::default();
        let changes = Arc::new(Changes::new());
        connection.report(Arc::clone(&changes))?;
        let thread = Thread {
            changes: Arc::clone(&changes),
            connection: Arc::new(Mutex::new(connection)),
            broken: broken.clone(),
            queue,
        };
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.run(lock))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            orders,
            broken,
            changes,
        })
    }

    pub(super) fn send(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.orders.send(Order::Write(job)).map_err(|_| closed())
    }

    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.orders.send(Order::Close(done)).is_ok() {
            // An error means that the thread has ended, too.
            let _ = ended.await;
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

fn lost() -> StoreError {
    StoreError::Unavailable("the database rolled the transaction back".to_owned())
}

struct Thread {
    connection: Arc<Mutex<Connection>>,
    queue: mpsc::Receiver<Order>,
    broken: Cancel,
    changes: Arc<Changes>,
}

impl Thread {
    fn run(self, lock: File) {
        let done = loop {
            match self.queue.recv() {
                Ok(Order::Write(first)) => {
                    if let Some(done) = self.group(first) {
                        break Some(done);
                    }
                }
                Ok(Order::Close(done)) => break Some(done),
                Err(mpsc::RecvError) => break None,
            }
        };
        // The file is closed and free for others before anyone hears of it.
        drop((self, lock));
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    /// Runs the first closure and those that wait behind it in one transaction. Answers a `Close` that it met.
    fn group(&self, first: Box<dyn Job>) -> Option<oneshot::Sender<()>> {
        let started = Instant::now();
        let mut group = Group::new(self);
        group.run(first);
        let mut closing = None;
        while group.jobs.len() < GROUP && started.elapsed() < GROUP_TIME {
            match self.queue.try_recv() {
                Ok(Order::Write(job)) => group.run(job),
                Ok(Order::Close(done)) => {
                    closing = Some(done);
                    break;
                }
                Err(_) => break,
            }
        }
        group.commit();
        closing
    }

    fn sql(&self, text: &'static str) -> Result<(), StoreError> {
        SqliteTx(self.connection.clone()).with(|connection| connection.run_cached(text))
    }

    fn in_transaction(&self) -> bool {
        SqliteTx(self.connection.clone()).with(|connection| !connection.0.is_autocommit())
    }
}

/// Closures that share one commit.
struct Group<'a> {
    thread: &'a Thread,
    jobs: Vec<(Box<dyn Job>, Tx)>,
    /// Closures whose changes are to be committed.
    kept: usize,
}

impl<'a> Group<'a> {
    const fn new(thread: &'a Thread) -> Self {
        Self {
            thread,
            jobs: Vec::new(),
            kept: 0,
        }
    }

    fn run(&mut self, mut job: Box<dyn Job>) {
        if job.is_abandoned() {
            return;
        }
        // The first closure owns the transaction; each further one gets a savepoint to fall back to.
        let nested = self.thread.in_transaction();
        let begin = if nested {
            "SAVEPOINT closure"
        } else {
            "BEGIN IMMEDIATE"
        };
        if let Err(error) = self.thread.sql(begin) {
            job.finish(Err(error));
            return;
        }
        let tx = job.transaction(SqliteTx(self.thread.connection.clone()));
        let keep = job.run(&tx);
        tx.end();
        if self.settle(nested, keep).is_ok() {
            self.kept += usize::from(keep);
            self.jobs.push((job, tx));
        } else {
            self.lose();
            job.finish(Err(lost()));
        }
    }

    /// Keeps or undoes what one closure did; an error if the whole transaction is gone.
    fn settle(&self, nested: bool, keep: bool) -> Result<(), StoreError> {
        if !self.thread.in_transaction() {
            // SQLite rolls the whole transaction back by itself when the disk is full or failing.
            return if nested || keep { Err(lost()) } else { Ok(()) };
        }
        match (nested, keep) {
            (false, true) => Ok(()),
            (false, false) => self.thread.sql("ROLLBACK"),
            (true, true) => self.thread.sql("RELEASE closure"),
            (true, false) => {
                self.thread.sql("ROLLBACK TO closure")?;
                self.thread.sql("RELEASE closure")
            }
        }
    }

    /// The transaction is gone, and with it whatever earlier closures did.
    fn lose(&mut self) {
        self.kept = 0;
        if self.thread.in_transaction() {
            let _ = self.thread.sql("ROLLBACK");
        }
        for (job, _) in self.jobs.drain(..) {
            job.finish(Err(lost()));
        }
    }

    fn commit(self) {
        let committed = if self.kept > 0 {
            self.thread.sql("COMMIT")
        } else if self.thread.in_transaction() {
            self.thread.sql("ROLLBACK")
        } else {
            Ok(())
        };
        let failed = committed.err();
        if let Some(error) = &failed {
            tracing::error!("a commit failed: {error}");
            if matches!(error, StoreError::Unavailable(_)) {
                // What an `fsync` that failed has lost, a later one does not report.
                self.thread.broken.raise();
            }
            if self.thread.in_transaction() {
                let _ = self.thread.sql("ROLLBACK");
            }
        }
        // Before anyone hears of the commit.
        self.thread.changes.ended();
        for (job, tx) in self.jobs {
            match &failed {
                None => job.finish_committed(&tx),
                Some(StoreError::DiskFull) => job.finish(Err(StoreError::DiskFull)),
                Some(error) => job.finish(Err(StoreError::Unavailable(error.to_string()))),
            }
        }
    }
}

/// How a closure ended.
pub(super) enum Outcome<T, E> {
    Ended(Result<T, E>),
    Panicked(Box<dyn Any + Send>),
}

/// A closure that waits for the writer, with its types forgotten.
pub(super) trait Job: Send {
    /// Whether its caller has gone before it began.
    fn is_abandoned(&self) -> bool;
    fn transaction(&self, connection: SqliteTx) -> Tx;
    /// Runs to the end; whether its changes are to be kept.
    fn run(&mut self, tx: &Tx) -> bool;
    /// Answers the caller after the commit.
    fn finish_committed(self: Box<Self>, tx: &Tx);
    /// Answers the caller: with the closure's own result, or with the error of the store.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

pub(super) struct WriteJob<F, T, E> {
    store: Arc<Inner>,
    body: Option<F>,
    outcome: Option<Outcome<T, E>>,
    kept: bool,
    reply: oneshot::Sender<Outcome<T, E>>,
}

impl<F, T, E> WriteJob<F, T, E> {
    pub(super) const fn new(
        store: Arc<Inner>,
        body: F,
        reply: oneshot::Sender<Outcome<T, E>>,
    ) -> Self {
        Self {
            store,
            body: Some(body),
            outcome: None,
            kept: false,
            reply,
        }
    }
}

impl<F, Fut, T, E> Job for WriteJob<F, T, E>
where
    F: FnOnce(Tx) -> Fut + Send,
    Fut: Future<Output = Result<T, E>> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn transaction(&self, connection: SqliteTx) -> Tx {
        Tx::new(self.store.clone(), TxConnection::Sqlite(connection))
    }

    fn run(&mut self, tx: &Tx) -> bool {
        let Some(body) = self.body.take() else {
            return false;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(body(tx.clone()))));
        let outcome = match polled {
            Err(panic) => Outcome::Panicked(panic),
            Ok(None) => Outcome::Ended(Err(E::from(StoreError::refused(
                "write",
                "a transaction waited for something other than itself",
            )))),
            Ok(Some(result)) => Outcome::Ended(result.and_then(|value| {
                tx.check()?;
                Ok(value)
            })),
        };
        self.kept = matches!(outcome, Outcome::Ended(Ok(_)));
        self.outcome = Some(outcome);
        self.kept
    }

    fn finish_committed(self: Box<Self>, tx: &Tx) {
        if self.kept {
            tx.committed();
        }
        self.finish(Ok(()));
    }

    fn finish(mut self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.outcome.take()) {
            (Ok(()), Some(own)) => own,
            // Its own error or panic tells more than the end of the group.
            (Err(_), Some(own)) if !self.kept => own,
            (Err(error), _) => Outcome::Ended(Err(E::from(error))),
            (Ok(()), None) => Outcome::Ended(Err(E::from(closed()))),
        };
        // A caller that has gone does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// The closure awaits its transaction only, which never waits here.
fn poll_once<Fut: Future>(future: Fut) -> Option<Fut::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
