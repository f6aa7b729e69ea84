//! The worker's side: a locked-down process that holds isolates and speaks with its host through one socket.

/// What `tenon worker` does. Locks the process down before anything else and never returns.
pub fn main() -> ! {
    unimplemented!()
}
