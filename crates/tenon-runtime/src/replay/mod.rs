//! Recorded fixtures, replayed (functions.md, 5): a function runs against what was recorded of an API, and what it
//! returns or saves is compared with what was recorded of it.

mod answers;
mod fixture;
mod host;
mod identity;
mod json_text;
mod judge;
mod links;
mod overrides;
mod record;

use std::sync::Arc;

use tenon_core::{
    Timestamp,
    function::{
        Bundle, Cancel, Entry, FunctionKind, FunctionRunner, LogLevel, RunContext, RunFailure,
        RunLimits, RunOutcome, RunRequest,
    },
    limits,
    names::EnvironmentPk,
};

pub use answers::{Answer, Answers, Fit, Question};
pub use fixture::{Fixture, FixtureError};
pub use judge::Difference;
pub use overrides::Overrides;
pub use record::{Recorded, Recording};

use host::ReplayHost;

/// The function that a fixture belongs to.
#[derive(Clone, Debug)]
pub struct Replayed {
    pub integration: String,
    pub name: String,
    pub kind: FunctionKind,
    pub bundle: Bundle,
}

/// What a replay needs besides function and fixture.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// What `Date` shows; the real time if absent.
    pub clock: Option<Timestamp>,
    /// `proxy.paginate` of the provider, or null.
    pub paginate: serde_json::Value,
}

/// How a replay ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    Passed,
    /// What it returned or saved is not what was recorded.
    Different {
        differences: Vec<Difference>,
        /// Requests that the fixture does not know.
        unknown_requests: Vec<String>,
    },
    /// It threw, or a limit ended it.
    Failed {
        failure: RunFailure,
        unknown_requests: Vec<String>,
    },
    /// The worker died.
    Crashed {
        detail: String,
    },
}

/// Runs a function once against its fixture.
pub async fn replay(
    runner: &dyn FunctionRunner,
    function: &Replayed,
    fixture: Arc<Fixture>,
    surroundings: &Surroundings,
) -> Verdict {
    let host = Arc::new(ReplayHost::new(
        Arc::clone(&fixture),
        surroundings.paginate.clone(),
    ));
    let request = request(function, &fixture, surroundings);
    match runner.run(request, host.clone()).await {
        RunOutcome::Succeeded { output } => {
            let seen = host.seen();
            let differences = match function.kind {
                FunctionKind::Sync => judge::records(&fixture, &seen),
                FunctionKind::Action => judge::output(&fixture, &output),
                FunctionKind::OnEvent => Vec::new(),
            };
            if differences.is_empty() {
                return Verdict::Passed;
            }
            Verdict::Different {
                differences,
                unknown_requests: seen.unknown_requests,
            }
        }
        RunOutcome::Failed(failure) => Verdict::Failed {
            failure,
            unknown_requests: host.seen().unknown_requests,
        },
        RunOutcome::Crashed { detail } => Verdict::Crashed { detail },
    }
}

fn request(function: &Replayed, fixture: &Fixture, surroundings: &Surroundings) -> RunRequest {
    let entry = match function.kind {
        FunctionKind::Sync => Entry::Sync,
        FunctionKind::OnEvent => Entry::OnEvent,
        FunctionKind::Action => Entry::Action {
            input: fixture.input().cloned().unwrap_or_default(),
        },
    };
    RunRequest {
        environment: EnvironmentPk(0),
        kind: function.kind,
        bundle: function.bundle.clone(),
        entry,
        context: RunContext {
            connection_id: "test-connection".to_owned(),
            provider_config_key: function.integration.clone(),
            provider: function.integration.clone(),
            environment_name: "test".to_owned(),
            function: function.name.clone(),
            variant: "base".to_owned(),
            log_level: LogLevel::Off,
            replay: true,
            frozen_time_ms: surroundings.clock.map(Timestamp::millis),
            ..RunContext::default()
        },
        limits: RunLimits {
            run: limits::BUSY_JAVASCRIPT,
            busy: limits::BUSY_JAVASCRIPT,
            heap_bytes: limits::ISOLATE_HEAP_BYTES,
            stack_bytes: limits::ISOLATE_STACK_BYTES,
            // Recorded outputs are compared whatever their size; the limit of real runs is not the point here.
            output_bytes: limits::BATCH_BYTES,
        },
        cancel: Cancel::default(),
    }
}
