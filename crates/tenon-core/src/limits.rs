//! Named limits on what outsiders can make large, each with its reason.

use std::time::Duration;

/// Longest connection id, integration key and provider name, in characters: the wire specification's 255.
pub const NAME_CHARS: usize = 255;

/// Largest body of a public request: what the reference accepts, so that a whole project deploys in one request.
pub const REQUEST_BODY_BYTES: usize = 75 * 1024 * 1024;

/// Largest JSON text that an action may return (functions.md, 4.2).
pub const ACTION_OUTPUT_BYTES: usize = 2 * 1024 * 1024;

/// Largest payload of a log message; more is cut (functions.md, 2.7).
pub const LOG_MESSAGE_BYTES: usize = 99_000;

/// Most records in one batch that a function hands over; the worker splits larger ones (records.md, 2).
pub const BATCH_RECORDS: usize = 1_000;

/// Largest batch of records in bytes (records.md, 2).
pub const BATCH_BYTES: usize = 100 * 1024 * 1024;

/// JavaScript heap of one isolate: room for a page of 10 MB parsed several times over, small enough for many isolates.
pub const ISOLATE_HEAP_BYTES: usize = 128 * 1024 * 1024;

/// JavaScript stack of one isolate: deep recursion ends in a `RangeError` long before the thread's own stack does.
pub const ISOLATE_STACK_BYTES: usize = 1024 * 1024;

/// Longest run of a sync (functions.md, 4.3).
pub const SYNC_RUN: Duration = Duration::from_secs(24 * 3600);

/// Longest run of an action (functions.md, 4.3).
pub const ACTION_RUN: Duration = Duration::from_secs(15 * 60);

/// Longest run of a webhook function (functions.md, 4.3).
pub const WEBHOOK_RUN: Duration = Duration::from_secs(3600);

/// Longest run of an on-event function (functions.md, 4.3).
pub const ON_EVENT_RUN: Duration = Duration::from_secs(5 * 60);

/// Longest stretch of JavaScript without a pause for I/O before the run is ended: nothing useful computes this long,
/// an endless loop does.
pub const BUSY_JAVASCRIPT: Duration = Duration::from_secs(60);

/// A token is refreshed this long before it expires, unless its provider says otherwise (auth-and-proxy.md, 7).
pub const REFRESH_MARGIN: Duration = Duration::from_secs(15 * 60);
