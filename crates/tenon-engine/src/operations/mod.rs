//! Operations: logged happenings that a person can open, and their message lines.

use serde_json::Value;
use tenon_core::{
    Ids, SharedClock,
    function::LogLevel,
    limits,
    names::{ConnectionPk, EnvironmentPk},
};
use tenon_store::{
    StoreError, Tx, messages::MessageRow, messages::Messages, operations::OperationRow,
};

mod redact;
mod retention;

pub use redact::{is_secret, redact};
pub use retention::Retention;

/// What kind of happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    Sync,
    Action,
    Webhook,
    OnEvent,
    Auth,
    Proxy,
    Delivery,
    Deploy,
    Admin,
}

impl OperationKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Action => "action",
            Self::Webhook => "webhook",
            Self::OnEvent => "on-event",
            Self::Auth => "auth",
            Self::Proxy => "proxy",
            Self::Delivery => "delivery",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }
}

/// How a happening stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    Waiting,
    Running,
    Success,
    Failed,
    Timeout,
    Cancelled,
}

impl OperationState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Failed | Self::Timeout | Self::Cancelled
        )
    }
}

/// A happening to log.
#[derive(Clone, Debug)]
pub struct NewOperation {
    pub environment: EnvironmentPk,
    pub kind: OperationKind,
    /// One line for people, for instance ``sync `issues` ``. No secrets.
    pub title: String,
    pub state: OperationState,
    pub integration: Option<String>,
    pub connection_id: Option<String>,
    pub connection: Option<ConnectionPk>,
    pub function: Option<String>,
    /// Operation that caused this one.
    pub parent: Option<String>,
}

impl NewOperation {
    /// A running operation of an environment, about nothing in particular yet.
    pub fn new(environment: EnvironmentPk, kind: OperationKind, title: impl Into<String>) -> Self {
        Self {
            environment,
            kind,
            title: title.into(),
            state: OperationState::Running,
            integration: None,
            connection_id: None,
            connection: None,
            function: None,
            parent: None,
        }
    }

    /// Names the connection it is about.
    #[must_use]
    pub fn about(
        mut self,
        integration: &str,
        connection_id: &str,
        connection: Option<ConnectionPk>,
    ) -> Self {
        self.integration = Some(integration.to_owned());
        self.connection_id = Some(connection_id.to_owned());
        self.connection = connection;
        self
    }
}

/// Writes operations (with the change they explain, in its transaction) and messages (beside it, best effort).
#[derive(Clone, Debug)]
pub struct OperationLog {
    ids: Ids,
    clock: QuietClock,
    messages: Messages,
}

/// A clock that prints nothing.
#[derive(Clone)]
struct QuietClock(SharedClock);

impl std::fmt::Debug for QuietClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl OperationLog {
    /// A log that takes ids and times from here and puts lines there.
    pub fn new(ids: Ids, clock: SharedClock, messages: Messages) -> Self {
        Self {
            ids,
            clock: QuietClock(clock),
            messages,
        }
    }

    /// Stores a new operation in the caller's transaction; returns its id.
    pub async fn start(&self, tx: &Tx, new: NewOperation) -> Result<String, StoreError> {
        let id = self.ids.uuid7().to_string();
        self.start_as(tx, &id, new).await?;
        Ok(id)
    }

    /// Stores a new operation whose id was told to somebody before.
    pub async fn start_as(&self, tx: &Tx, id: &str, new: NewOperation) -> Result<(), StoreError> {
        let now = self.clock.0.now();
        let row = OperationRow {
            id: id.to_owned(),
            environment: new.environment,
            kind: new.kind.as_str().to_owned(),
            title: new.title,
            state: new.state.as_str().to_owned(),
            integration: new.integration,
            connection_id: new.connection_id,
            connection: new.connection,
            function: new.function,
            error: None,
            parent: new.parent,
            created_at: now,
            ended_at: new.state.is_final().then_some(now),
        };
        tx.insert_operation(&row).await
    }

    /// Sets the state of an operation in the caller's transaction.
    pub async fn set(
        &self,
        tx: &Tx,
        id: &str,
        state: OperationState,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let ended_at = state.is_final().then(|| self.clock.0.now());
        tx.set_operation_state(id, state.as_str(), error, ended_at)
            .await
    }

    /// Adds a line, best effort. Payloads are masked by [`redact`] and cut at [`limits::LOG_MESSAGE_BYTES`].
    pub fn message(
        &self,
        environment: EnvironmentPk,
        operation: &str,
        level: LogLevel,
        text: impl Into<String>,
        payload: Option<&Value>,
    ) {
        let mut text = text.into();
        let mut payload = payload.map(|payload| redact(payload).to_string());
        if payload
            .as_ref()
            .is_some_and(|payload| payload.len() > limits::LOG_MESSAGE_BYTES)
        {
            payload = None;
            text.push_str(" (payload left out: too large)");
        }
        if text.len() > limits::LOG_MESSAGE_BYTES {
            text.truncate(text.floor_char_boundary(limits::LOG_MESSAGE_BYTES));
        }
        let level = match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error | LogLevel::Off => "error",
        };
        let at = self.clock.0.now();
        let operation = operation.to_owned();
        self.messages.write(MessageRow {
            environment,
            operation,
            level,
            text,
            payload,
            at,
        });
    }

    /// The lines themselves, for pages and retention.
    pub const fn messages(&self) -> &Messages {
        &self.messages
    }
}
