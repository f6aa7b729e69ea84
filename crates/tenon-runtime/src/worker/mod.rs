//! The worker's side: a locked-down process that holds isolates and speaks with its host through one socket.
//!
//! The first thread reads the socket for the whole life of the process and leaves at its end, whatever JavaScript is doing.
//! Other threads run JavaScript, one isolate at a time each; an isolate that waits holds no thread.

use std::{
    io::BufReader,
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    isolate::{code::Bundle, heap::Commons},
    wire::{self, FromWorker, SentCode, ToWorker},
};

mod link;
mod lockdown;
mod run;
mod schedule;

pub use lockdown::{Lockdown, lock_down};

use link::Link;
use schedule::{Schedule, THREAD_STACK_BYTES};

/// Where the host puts the worker's end of the socket.
pub(crate) const SOCKET_FD: i32 = 3;

/// Memory that a worker's JavaScript threads allocate from is shared by this many arenas.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 2;

/// What `tenon worker` does. Locks the process down before anything else and never returns.
pub fn main() -> ! {
    prepare();
    let lockdown = lock_down();
    // SAFETY: the host opened the descriptor for us and nobody else in this process uses it.
    let socket = Arc::new(UnixStream::from(unsafe { OwnedFd::from_raw_fd(SOCKET_FD) }));
    // Both an orderly end of the stream and a broken one mean that nobody needs this process any more.
    let _ = serve(&socket, lockdown);
    leave()
}

/// What must be done while everything is still allowed.
fn prepare() {
    // A thread that panics would leave its run hanging until its deadline; a process that dies is noticed at once.
    std::panic::set_hook(Box::new(|_| std::process::abort()));
    #[cfg(target_env = "gnu")]
    // SAFETY: no other thread exists yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
    // The crypto library seeds itself once, from files too where it must.
    let _ = aws_lc_rs::rand::fill(&mut [0; 16]);
}

fn serve(socket: &Arc<UnixStream>, lockdown: Lockdown) -> std::io::Result<()> {
    let link = Arc::new(Link::new(socket.clone()));
    let mut stream = BufReader::new(socket.as_ref());
    let (threads, kept_for_actions, heaps_bytes) = match wire::read(&mut stream)? {
        Some((
            _,
            ToWorker::Setup {
                threads,
                kept_for_actions,
                heaps_bytes,
            },
        )) => (threads, kept_for_actions, heaps_bytes),
        Some((_, ToWorker::Compile { source, file })) => return compile(&link, source, file),
        _ => return Ok(()),
    };
    let schedule = Schedule::new(
        link.clone(),
        threads,
        kept_for_actions,
        Commons::new(heaps_bytes),
    );
    link.send(0, &FromWorker::Ready { lockdown })
        .map_err(std::io::Error::other)?;
    schedule.warm_up();
    while let Some((run, message)) = wire::read(&mut stream)? {
        match message {
            // Only ever the first.
            ToWorker::Setup { .. } | ToWorker::Compile { .. } => {}
            ToWorker::Start(start) => schedule.start(run, start),
            ToWorker::Reply { call, reply } => schedule.reply(run, call, reply),
            ToWorker::Cancel => schedule.cancel(run),
            ToWorker::Kill => schedule.kill(run),
            ToWorker::Forget { hash } => schedule.forget(&hash),
        }
    }
    Ok(())
}

/// Compiles one source, on a thread with a stack that is deep enough, and answers.
fn compile(link: &Link, source: Bytes, file: String) -> std::io::Result<()> {
    let compiling = std::thread::Builder::new()
        .stack_size(THREAD_STACK_BYTES)
        .spawn(move || Bundle::new(SentCode::Source(source), file).bytecode().ok())?;
    let bytecode = compiling.join().unwrap_or_default();
    let bytecode = bytecode.map(|bytecode| Bytes::copy_from_slice(&bytecode));
    link.send(0, &FromWorker::Compiled { bytecode })
        .map_err(std::io::Error::other)
}

/// Ends the process at once: no destructor runs, no thread is waited for.
fn leave() -> ! {
    // SAFETY: nothing has to be flushed or freed.
    unsafe { libc::_exit(0) }
}
