//! The server that commands talk to: which one, with which key, and how.

mod client;
mod dot_env;
mod target;

pub(crate) use client::{Answer, Client, ClientError, Request, segment};
pub(crate) use target::{ServerArgs, Target, TargetError, in_ci};
