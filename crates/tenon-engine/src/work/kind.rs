//! The kinds of tasks and their limits (functions.md, 4.3; scheduler.md, 3 to 7).

use std::time::Duration;

use tenon_core::{
    function::{FunctionKind, RunLimits},
    limits,
    names::EnvironmentPk,
};

use crate::operations::OperationKind;

/// How long a node keeps a task without a sign of life. Short enough that the work of a dead node goes on soon, long
/// enough for a busy database.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// How often leases are extended: two may fail.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// How long a run may go on after it was told to stop, before its task is given up.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(10);

/// Attempts of a task whose node or worker died, before it is given up: more often it is likely the cause.
pub(crate) const CRASH_ATTEMPTS: i64 = 5;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Sync,
    Action,
    Webhook,
    OnEvent,
}

impl TaskKind {
    pub(crate) const ALL: [Self; 4] = [Self::Action, Self::OnEvent, Self::Webhook, Self::Sync];

    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Action => "action",
            Self::Webhook => "webhook",
            Self::OnEvent => "on-event",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Tasks of one group share a limit, so that one environment cannot take all places.
    pub(crate) fn group(self, environment: EnvironmentPk) -> String {
        format!("{}:environment:{environment}", self.as_str())
    }

    /// Tasks of one group that run at once, over all nodes.
    pub(crate) const fn group_limit(self) -> i64 {
        match self {
            Self::Sync | Self::Action | Self::Webhook => 500,
            Self::OnEvent => 100,
        }
    }

    /// Tasks that one node runs at once.
    pub(crate) const fn places(self) -> usize {
        match self {
            Self::Sync | Self::Action | Self::Webhook => 200,
            Self::OnEvent => 50,
        }
    }

    /// How long a task may wait for its start. Webhooks and events wait longer than in the reference (5 min and 30 s):
    /// the provider was told that we have them.
    pub(crate) const fn start_within(self) -> Duration {
        match self {
            Self::Sync | Self::OnEvent => Duration::from_secs(3_600),
            Self::Action | Self::Webhook => Duration::from_secs(24 * 3_600),
        }
    }

    /// Longest run.
    pub(crate) const fn run_limit(self) -> Duration {
        match self {
            Self::Sync => limits::SYNC_RUN,
            Self::Action => limits::ACTION_RUN,
            Self::Webhook => limits::WEBHOOK_RUN,
            Self::OnEvent => limits::ON_EVENT_RUN,
        }
    }

    /// From here on `saveCheckpoint` ends the run as interrupted; it goes on from there at once.
    pub(crate) fn soft_limit(self) -> Duration {
        self.run_limit() / 10 * 8
    }

    pub(crate) const fn function_kind(self) -> FunctionKind {
        match self {
            Self::Sync | Self::Webhook => FunctionKind::Sync,
            Self::Action => FunctionKind::Action,
            Self::OnEvent => FunctionKind::OnEvent,
        }
    }

    pub(crate) const fn operation_kind(self) -> OperationKind {
        match self {
            Self::Sync => OperationKind::Sync,
            Self::Action => OperationKind::Action,
            Self::Webhook => OperationKind::Webhook,
            Self::OnEvent => OperationKind::OnEvent,
        }
    }

    pub(crate) const fn limits(self) -> RunLimits {
        RunLimits {
            run: self.run_limit(),
            busy: limits::BUSY_JAVASCRIPT,
            heap_bytes: limits::ISOLATE_HEAP_BYTES,
            stack_bytes: limits::ISOLATE_STACK_BYTES,
            output_bytes: limits::ACTION_OUTPUT_BYTES,
        }
    }
}
