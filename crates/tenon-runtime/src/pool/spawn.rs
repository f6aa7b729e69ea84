//! The one thread that starts worker processes and buries them.
//!
//! The parent-death signal of a child hangs on the *thread* that started it, so that thread must live as long as the pool.

use std::{
    collections::HashMap,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use super::{StartError, WorkerPoolOptions};
use crate::worker::SOCKET_FD;

/// What the thread is asked to do.
pub(super) enum Order {
    /// Start a worker; its process id and our end of the socket go back.
    Start(tokio::sync::oneshot::Sender<io::Result<(u32, UnixStream)>>),
    /// Kill the worker if it still lives and take its exit status.
    Bury(u32),
}

/// Starts the thread. It ends, and all its workers with it, when the sender is dropped.
pub(super) fn spawner(options: &WorkerPoolOptions) -> Result<mpsc::Sender<Order>, StartError> {
    let (sender, orders) = mpsc::channel();
    let options = options.clone();
    thread::Builder::new()
        .name("workers".to_owned())
        .spawn(move || serve(&options, &orders))
        .map_err(StartError::Thread)?;
    Ok(sender)
}

fn serve(options: &WorkerPoolOptions, orders: &mpsc::Receiver<Order>) {
    let mut children: HashMap<u32, Child> = HashMap::new();
    for order in orders {
        match order {
            Order::Start(answer) => {
                let started = start(options);
                let started = started.map(|(child, socket)| {
                    let id = child.id();
                    children.insert(id, child);
                    (id, socket)
                });
                if let Err(Ok((id, _))) = answer.send(started)
                    && let Some(child) = children.remove(&id)
                {
                    bury(child);
                }
            }
            Order::Bury(id) => children.remove(&id).into_iter().for_each(bury),
        }
    }
    children.into_values().for_each(bury);
}

fn bury(mut child: Child) {
    // A worker that has left already cannot be killed: only its exit status is taken.
    let _ = child.kill();
    let _ = child.wait();
}

fn start(options: &WorkerPoolOptions) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(&options.program);
    command
        .args(&options.arguments)
        .env_clear()
        // The only clock a function sees is UTC, as in the reference's containers.
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let theirs = OwnedFd::from(theirs);
    let descriptor = theirs.as_raw_fd();
    let parent = std::process::id();
    // SAFETY: between fork and exec only system calls are made, on values copied before.
    unsafe { command.pre_exec(move || hand_over(descriptor, parent)) };
    let child = command.spawn()?;
    Ok((child, ours))
}

/// In the child: asks to die with its parent and puts the socket where the worker looks for it.
fn hand_over(descriptor: i32, parent: u32) -> io::Result<()> {
    // SAFETY: plain system calls.
    unsafe {
        #[cfg(target_os = "linux")]
        {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the signal was asked for.
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = parent;
        let moved = if descriptor == SOCKET_FD {
            libc::fcntl(descriptor, libc::F_SETFD, 0)
        } else {
            libc::dup2(descriptor, SOCKET_FD)
        };
        if moved < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}
