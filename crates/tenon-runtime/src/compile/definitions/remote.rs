//! Reading the definition of code that somebody else sent: in a locked-down worker, like any run of it.

use std::sync::Arc;

use tenon_core::{
    function::{
        Bundle, Cancel, Entry, FunctionKind, FunctionRunner, Host, HostCall, HostError,
        HostErrorKind, HostReply, RunContext, RunLimits, RunOutcome, RunRequest,
    },
    limits,
    names::EnvironmentPk,
};

use super::{
    Definition, conclude,
    read::{self, Problem},
};
use crate::compile::{bundle::Bundled, diagnostic::CompileError, project::EntryPoint};

/// Reads the definition out of a bundle that nobody here vouches for.
pub async fn define_in_worker(
    runner: &dyn FunctionRunner,
    environment: EnvironmentPk,
    entry: &EntryPoint,
    bundled: &Bundled,
) -> Result<Definition, CompileError> {
    let request = RunRequest {
        environment,
        kind: FunctionKind::Action,
        bundle: Bundle::new(read::source(&bundled.javascript)),
        entry: Entry::Action {
            input: serde_json::Value::Null,
        },
        context: RunContext {
            replay: true,
            ..RunContext::default()
        },
        limits: RunLimits {
            run: read::LOAD_TIME,
            busy: read::LOAD_TIME,
            heap_bytes: limits::ISOLATE_HEAP_BYTES,
            stack_bytes: limits::ISOLATE_STACK_BYTES,
            output_bytes: limits::ACTION_OUTPUT_BYTES,
        },
        cancel: Cancel::default(),
    };
    let raw = match runner.run(request, Arc::new(Nobody)).await {
        RunOutcome::Succeeded { output } => serde_json::from_slice(&output)
            .map_err(|error| Problem::stopped(format!("the definition makes no sense: {error}"))),
        RunOutcome::Failed(failure) => Err(Problem::from(failure)),
        RunOutcome::Crashed { detail } => Err(Problem::stopped(detail)),
    };
    conclude(entry, bundled, raw)
}

/// A definition has nobody to call.
struct Nobody;

#[async_trait::async_trait]
impl Host for Nobody {
    async fn call(&self, _call: HostCall) -> Result<HostReply, HostError> {
        Err(HostError {
            code: String::new(),
            message: "nothing can be called while a file loads".to_owned(),
            response: None,
            kind: HostErrorKind::Plain,
        })
    }
}
