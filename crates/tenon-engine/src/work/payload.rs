//! What a task carries, sealed in its row.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tenon_core::function::RunFailure;
use tenon_store::{StoreError, work::tasks::TaskRow};

/// What to run and with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Payload {
    Sync {
        /// Removes all records of the sync's models first.
        empty_cache: bool,
    },
    Action {
        function: String,
        input: Value,
        /// Queued, with a result to fetch and a webhook at the end.
        asynchronous: bool,
    },
    Webhook {
        function: String,
        payload: Value,
    },
    OnEvent {
        function: String,
        /// Somebody waits for the result: not to be tried again.
        awaited: bool,
    },
}

impl Payload {
    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("a payload is plain data with text keys")
            .into()
    }

    pub(crate) fn read(task: &TaskRow) -> Result<Self, StoreError> {
        serde_json::from_slice(&task.payload).map_err(|_| StoreError::Corrupt {
            table: "task",
            column: "payload",
            row: task.pk.to_string(),
        })
    }
}

/// What an ended action left.
#[derive(Debug)]
pub(crate) enum Output {
    /// JSON text.
    Value(Bytes),
    Failure(RunFailure),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored<'a> {
    #[serde(borrow)]
    Output(&'a RawValue),
    Failure(RunFailure),
}

impl Output {
    /// As it stands in the row.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Value(json) => [b"{\"output\":", json.as_ref(), b"}"].concat().into(),
            Self::Failure(failure) => serde_json::to_vec(&Stored::Failure(failure.clone()))
                .expect("a failure is plain data with text keys")
                .into(),
        }
    }

    pub(crate) fn read(stored: &[u8]) -> Option<Self> {
        match serde_json::from_slice(stored).ok()? {
            Stored::Output(json) => {
                Some(Self::Value(Bytes::copy_from_slice(json.get().as_bytes())))
            }
            Stored::Failure(failure) => Some(Self::Failure(failure)),
        }
    }
}

/// A failure of our own making, in the shape of those of functions.
pub(crate) fn failure(kind: &str, message: impl Into<String>) -> RunFailure {
    let message = message.into();
    RunFailure {
        kind: kind.to_owned(),
        payload: serde_json::json!({ "message": message }),
        message,
        status: 500,
        additional_properties: None,
    }
}
