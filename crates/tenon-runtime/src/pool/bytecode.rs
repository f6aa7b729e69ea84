//! Bytecode of large bundles, compiled once per node and handed to every worker that needs it.
//!
//! Bytecode is as powerful as machine code. It is made by a process that was started for this one source, has run nothing,
//! and ends with its answer: whoever breaks the parser with a source has got hold of that source's bytecode and of nothing
//! else. It is kept in memory only, so it always fits the engine of this binary.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tracing::debug;

use super::spawn::Order;
use crate::wire::{self, FromWorker, HEAD_BYTES, ToWorker};

/// Smaller sources compile in less time than it takes to start a process for them.
const WORTH_BYTES: usize = 32 * 1024;

/// Bytecode kept: about as much as source is.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Longest wait for the compiler: whoever needs the bundle meanwhile compiles it themselves.
const PATIENCE: Duration = Duration::from_secs(30);

/// A source, and the name of its file in stacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) hash: String,
    pub(super) file: String,
}

/// What has been compiled.
#[derive(Debug)]
pub(super) struct Shelf {
    kept: Mutex<Kept>,
    /// One compiler at a time: nobody waits for it.
    place: Semaphore,
}

#[derive(Debug, Default)]
struct Kept {
    bytecode: HashMap<Key, Bytes>,
    order: VecDeque<Key>,
    bytes: usize,
    /// Being compiled, or found not to compile.
    tried: HashSet<Key>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            place: Semaphore::const_new(1),
        }
    }
}

impl Shelf {
    pub(super) fn find(&self, key: &Key) -> Option<Bytes> {
        self.kept().bytecode.get(key).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.kept().bytecode.len()
    }

    /// Compiles in the background what is worth it and has not been tried.
    pub(super) fn compile(
        self: &Arc<Self>,
        orders: mpsc::Sender<Order>,
        key: Key,
        source: Arc<str>,
    ) {
        if source.len() < WORTH_BYTES || !self.kept().try_once(&key) {
            return;
        }
        let shelf = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(_place) = shelf.place.acquire().await else {
                return;
            };
            match compiled(&orders, &key, &source).await {
                Ok(Some(bytecode)) => shelf.kept().keep(key, bytecode),
                // The run that tries it says what is wrong with it.
                Ok(None) => {}
                Err(error) => debug!(%error, "a bundle could not be compiled ahead"),
            }
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn try_once(&mut self, key: &Key) -> bool {
        if self.tried.len() > 10_000 {
            self.tried.clear();
        }
        !self.bytecode.contains_key(key) && self.tried.insert(key.clone())
    }

    fn keep(&mut self, key: Key, bytecode: Bytes) {
        self.bytes += bytecode.len();
        self.order.push_back(key.clone());
        self.bytecode.insert(key, bytecode);
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.tried.remove(&oldest);
            if let Some(gone) = self.bytecode.remove(&oldest) {
                self.bytes -= gone.len();
            }
        }
    }
}

/// Starts a process, has it compile the source, and ends it.
async fn compiled(
    orders: &mpsc::Sender<Order>,
    key: &Key,
    source: &Arc<str>,
) -> io::Result<Option<Bytes>> {
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let (sender, started) = oneshot::channel();
    orders.send(Order::Start(sender)).map_err(|_| gone())?;
    let (id, socket) = started.await.map_err(|_| gone())??;
    let message = ToWorker::Compile {
        source: Bytes::copy_from_slice(source.as_bytes()),
        file: key.file.clone(),
    };
    let asked = tokio::task::spawn_blocking(move || ask(socket, &message)).await;
    let _ = orders.send(Order::Bury(id));
    asked.map_err(io::Error::other)?
}

fn ask(mut socket: UnixStream, message: &ToWorker) -> io::Result<Option<Bytes>> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.write_all(&wire::frame(0, message).map_err(io::Error::other)?)?;
    let mut head = [0; HEAD_BYTES];
    socket.read_exact(&mut head)?;
    let (length, _) = wire::head(head).map_err(io::Error::other)?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    match wire::decode(&body).map_err(io::Error::other)? {
        FromWorker::Compiled { bytecode } => Ok(bytecode),
        _ => Err(io::Error::other("the compiler said something else")),
    }
}
