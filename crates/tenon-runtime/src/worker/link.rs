//! The way back to the host.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
};

use crate::wire::{self, FromWorker, RunId, WireError};

/// The socket as the threads that run JavaScript share it: one whole frame at a time.
#[derive(Debug)]
pub(super) struct Link {
    socket: Arc<UnixStream>,
    writing: Mutex<()>,
}

impl Link {
    pub(super) fn new(socket: Arc<UnixStream>) -> Self {
        Self {
            socket,
            writing: Mutex::new(()),
        }
    }

    /// Sends one message. A host that is gone is not our concern: the reading thread ends the process.
    pub(super) fn send(&self, run: RunId, message: &FromWorker) -> Result<(), WireError> {
        let frame = wire::frame(run, message)?;
        let _whole = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.socket.as_ref().write_all(&frame);
        Ok(())
    }
}
