//! One worker process as the host sees it.

use std::{
    collections::{HashMap, VecDeque},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tenon_core::{function::Hold, names::EnvironmentPk};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::mpsc,
    time::Instant,
};
use tracing::{debug, warn};

use crate::wire::{self, FromWorker, HEAD_BYTES, RunId, ToWorker, WireError};

/// Most compiled bundles that a worker keeps, and most bytes of their source.
const BUNDLES_KEPT: usize = 200;
const BUNDLE_BYTES_KEPT: usize = 64 * 1024 * 1024;

/// Frames on their way to a run; the second part of [`crate::wire::CALLS_PER_RUN`], which the receiver checks.
pub(super) type Inbox = mpsc::UnboundedReceiver<Vec<u8>>;

/// A worker process: its socket, its runs and what it knows.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: u32,
    /// Set once, when the worker is given its environment.
    environment: Mutex<Option<EnvironmentPk>>,
    out: mpsc::UnboundedSender<(Vec<u8>, Hold)>,
    runs: Mutex<HashMap<RunId, mpsc::UnboundedSender<Vec<u8>>>>,
    known: Mutex<Known>,
    starts: Mutex<()>,
    gone: AtomicBool,
    /// Since when it is given no more runs.
    retired_at: Mutex<Option<Instant>>,
    /// It is given no more runs either, but those that it has may take their time.
    worn: AtomicBool,
    born: Instant,
    started: AtomicU64,
}

/// Bundles that the worker has compiled, the oldest first.
#[derive(Debug, Default)]
struct Known {
    bundles: VecDeque<(String, usize)>,
    bytes: usize,
}

impl Process {
    /// Takes over our end of the socket. `buried` is called once, when the worker is gone.
    pub(super) fn new(
        id: u32,
        socket: UnixStream,
        setup: &ToWorker,
        buried: impl FnOnce(u32) + Send + 'static,
    ) -> std::io::Result<Arc<Self>> {
        socket.set_nonblocking(true)?;
        let (read, write) = tokio::net::UnixStream::from_std(socket)?.into_split();
        let (out, frames) = mpsc::unbounded_channel();
        let process = Arc::new(Self {
            id,
            environment: Mutex::default(),
            out,
            runs: Mutex::default(),
            known: Mutex::default(),
            starts: Mutex::default(),
            gone: AtomicBool::new(false),
            retired_at: Mutex::default(),
            worn: AtomicBool::new(false),
            born: Instant::now(),
            started: AtomicU64::new(0),
        });
        process.send(0, setup).map_err(std::io::Error::other)?;
        tokio::spawn(write_frames(write, frames));
        let reader = Arc::downgrade(&process);
        tokio::spawn(async move {
            let ended = read_frames(read, |run, body| match reader.upgrade() {
                Some(process) => process.dispatch(run, body),
                None => Ok(()),
            })
            .await;
            match ended {
                Ok(()) => debug!(worker.process = id, "worker `{id}` has left"),
                Err(error) => {
                    warn!(worker.process = id, error = %error, "worker `{id}` is let go: its frames make no sense")
                }
            }
            if let Some(process) = reader.upgrade() {
                process.end();
            }
            buried(id);
        });
        Ok(process)
    }

    pub(super) fn environment(&self) -> Option<EnvironmentPk> {
        *lock(&self.environment)
    }

    pub(super) fn assign(&self, environment: EnvironmentPk) {
        *lock(&self.environment) = Some(environment);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// From now on it is given no more runs: something in it does not come back.
    pub(super) fn retire(&self) {
        lock(&self.retired_at).get_or_insert_with(Instant::now);
    }

    /// For how long it has been given no more runs.
    pub(super) fn retired_for(&self) -> Option<Duration> {
        lock(&self.retired_at).map(|at| at.elapsed())
    }

    /// From now on it is given no more runs: another process is better off with them.
    pub(super) fn wear_out(&self) {
        self.worn.store(true, Ordering::Relaxed);
    }

    /// Whether it may be given another run, after so many and so much time.
    pub(super) fn takes_runs(&self, most: u64, age: Duration) -> bool {
        !self.worn.load(Ordering::Relaxed)
            && self.started.load(Ordering::Relaxed) < most
            && self.born.elapsed() < age
            && self.retired_for().is_none()
    }

    /// Enters a run; its frames arrive in the inbox, which closes when the worker dies.
    pub(super) fn enter(&self, run: RunId) -> Inbox {
        let (sender, inbox) = mpsc::unbounded_channel();
        self.started.fetch_add(1, Ordering::Relaxed);
        lock(&self.runs).insert(run, sender);
        if self.is_gone() {
            lock(&self.runs).remove(&run);
        }
        inbox
    }

    pub(super) fn leave(&self, run: RunId) {
        lock(&self.runs).remove(&run);
    }

    pub(super) fn send(&self, run: RunId, message: &ToWorker) -> Result<(), WireError> {
        self.send_holding(run, message, Hold::default())
    }

    /// Sends a message, and keeps `hold` until it has been written.
    pub(super) fn send_holding(
        &self,
        run: RunId,
        message: &ToWorker,
        hold: Hold,
    ) -> Result<(), WireError> {
        let frame = wire::frame(run, message)?;
        // A worker that is gone closes the inbox of the run: that is where its end is seen.
        let _ = self.out.send((frame, hold));
        Ok(())
    }

    /// Held from [`Process::must_learn`] until the start is sent: a start without source must not overtake the one that
    /// brings it.
    pub(super) fn in_order(&self) -> std::sync::MutexGuard<'_, ()> {
        lock(&self.starts)
    }

    /// Whether the source must be sent along; notes that the worker will have it, and what it may forget for it.
    pub(super) fn must_learn(&self, hash: &str, size: usize) -> (bool, Vec<String>) {
        let mut known = lock(&self.known);
        if let Some(at) = known.bundles.iter().position(|(bundle, _)| bundle == hash) {
            if let Some(bundle) = known.bundles.remove(at) {
                known.bundles.push_back(bundle);
            }
            return (false, Vec::new());
        }
        known.bundles.push_back((hash.to_owned(), size));
        known.bytes += size;
        let mut forgotten = Vec::new();
        while known.bundles.len() > 1
            && (known.bundles.len() > BUNDLES_KEPT || known.bytes > BUNDLE_BYTES_KEPT)
        {
            if let Some((hash, size)) = known.bundles.pop_front() {
                known.bytes -= size;
                forgotten.push(hash);
            }
        }
        (true, forgotten)
    }

    /// The worker did not get the source after all.
    pub(super) fn unlearn(&self, hash: &str) {
        let mut known = lock(&self.known);
        if let Some(at) = known.bundles.iter().position(|(bundle, _)| bundle == hash)
            && let Some((_, size)) = known.bundles.remove(at)
        {
            known.bytes -= size;
        }
    }

    fn dispatch(&self, run: RunId, body: Vec<u8>) -> Result<(), WireError> {
        if run != 0 {
            // A run that was given up has no inbox any more.
            if let Some(inbox) = lock(&self.runs).get(&run) {
                let _ = inbox.send(body);
            }
            return Ok(());
        }
        let message = wire::decode(&body)?;
        if matches!(message, FromWorker::Stuck) {
            warn!(
                worker.process = self.id,
                "a function keeps native code of worker `{}` busy: it is replaced", self.id
            );
            self.retire();
        } else if matches!(message, FromWorker::Worn) {
            debug!(
                worker.process = self.id,
                "functions fill the memory of worker `{}`: further ones go to another", self.id
            );
            self.wear_out();
        } else if let FromWorker::Ready { lockdown } = message {
            if !lockdown.is_complete() {
                warn!(
                    worker.process = self.id,
                    "workers cannot be locked down on this system: functions run in plain child processes"
                );
            } else if !lockdown.landlock {
                debug!(
                    worker.process = self.id,
                    "this kernel has no landlock: the system call filter stands alone"
                );
            }
        }
        Ok(())
    }

    fn end(&self) {
        self.gone.store(true, Ordering::Release);
        lock(&self.runs).clear();
    }
}

async fn write_frames(
    mut socket: OwnedWriteHalf,
    mut frames: mpsc::UnboundedReceiver<(Vec<u8>, Hold)>,
) {
    while let Some((frame, hold)) = frames.recv().await {
        if socket.write_all(&frame).await.is_err() {
            return;
        }
        drop((frame, hold));
    }
    // Nobody can send any more: the worker sees the end of the stream and leaves.
    let _ = socket.shutdown().await;
}

/// Reads frames until the worker closes its end.
async fn read_frames(
    socket: OwnedReadHalf,
    mut take: impl FnMut(RunId, Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut socket = BufReader::with_capacity(64 * 1024, socket);
    loop {
        let mut head = [0; HEAD_BYTES];
        if socket.read_exact(&mut head).await.is_err() {
            return Ok(());
        }
        let (length, run) = wire::head(head)?;
        let mut body = vec![0; length];
        if socket.read_exact(&mut body).await.is_err() {
            return Ok(());
        }
        take(run, body)?;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
