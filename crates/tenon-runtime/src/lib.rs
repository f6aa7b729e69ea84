//! The only room that knows JavaScript: compiles functions and runs them in caged workers.
//!
//! [`WorkerPool`] is the host's side: it starts `tenon worker` processes and speaks frames with them. [`worker::main`] is
//! what such a process does from its first instruction to its last.

#![expect(
    unsafe_code,
    reason = "the engine is C behind a foreign interface, and a worker locks itself down with system calls"
)]

pub mod compile;
mod isolate;
mod pool;
pub mod replay;
mod wire;
pub mod worker;

pub use pool::{StartError, WorkerPool, WorkerPoolOptions};
