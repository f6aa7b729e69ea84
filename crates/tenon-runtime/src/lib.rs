//! The only room that knows JavaScript: compiles functions and runs them in caged workers.
//!
//! [`WorkerPool`] is the host's side: it starts `tenon worker` processes and speaks frames with them. [`worker::main`] is
//! what such a process does from its first instruction to its last.

pub mod compile;
mod pool;
pub mod replay;
pub mod worker;

pub use pool::{StartError, WorkerPool, WorkerPoolOptions};
