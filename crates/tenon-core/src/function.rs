//! Where the engine and the JavaScript runtime meet: what a run is given, what it may ask of its host, how it ends.
//!
//! Neither side imports the other. The engine implements [`Host`] and calls [`FunctionRunner`]; the runtime does the
//! opposite; the binary introduces them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Timestamp, names::EnvironmentPk};

/// Kind of a deployed function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    Sync,
    Action,
    OnEvent,
}

impl FunctionKind {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Action => "action",
            Self::OnEvent => "on-event",
        }
    }
}

/// Compiled code of a function, addressed by its content.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// BLAKE3 of `javascript`, lower-case hex: the key of every cache.
    pub hash: String,
    /// A CommonJS module (functions.md, 4.1).
    pub javascript: Arc<str>,
}

impl Bundle {
    /// A bundle of this text.
    pub fn new(javascript: impl Into<Arc<str>>) -> Self {
        let javascript = javascript.into();
        Self {
            hash: blake3::hash(javascript.as_bytes()).to_hex().to_string(),
            javascript,
        }
    }
}

/// Which door of the bundle is entered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// `exec(nango)` of a sync.
    Sync,
    /// `exec(nango, input)` of an action.
    Action { input: Value },
    /// `onWebhook(nango, payload)` of a sync.
    Webhook { payload: Value },
    /// `exec(nango)` of an on-event function.
    OnEvent,
}

/// What the function can read of its surroundings (functions.md, 2.1).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunContext {
    pub connection_id: String,
    pub provider_config_key: String,
    pub provider: String,
    pub environment_id: i64,
    pub environment_name: String,
    pub account_id: i64,
    /// Operation that the log lines of this run belong to.
    pub activity_log_id: String,
    /// Name of the function.
    pub function: String,
    /// Variant of a sync, `base` by default.
    pub variant: String,
    pub sync_id: Option<String>,
    pub sync_job_id: Option<i64>,
    pub nango_connection_id: Option<i64>,
    /// Start of the last successful run, for `nango.lastSyncDate`.
    pub last_sync_date: Option<Timestamp>,
    /// Models that the sync declared; others are refused.
    pub models: Vec<String>,
    /// Lowest level that `nango.log` sends.
    pub log_level: LogLevel,
    pub track_deletes: bool,
    pub empty_cache: bool,
    /// Records of a save that cannot be written as JSON are handed over with [`HostCall::RejectRecords`], and the others
    /// are saved; else the save fails.
    #[serde(default)]
    pub keeps_misfits: bool,
    /// Play against fixtures (functions.md, 5.5): the isolate offers only the members of the mock and asks the host for
    /// the rest. [`HostCall::Proxy`] is then answered with [`HostReply::Json`] or [`HostReply::JsonText`] of
    /// `{data, headers, status}`, which the function gets as it is, and the `json` of a [`RecordInput`] is the whole
    /// record, `id` included and unchecked.
    #[serde(default)]
    pub replay: bool,
    /// What `Date` shows, in milliseconds since 1970, where a replayed test stops the clock.
    #[serde(default)]
    pub frozen_time_ms: Option<i64>,
}

/// Limits of one run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RunLimits {
    /// From start to end.
    pub run: Duration,
    /// Longest stretch of JavaScript without waiting for the host.
    pub busy: Duration,
    pub heap_bytes: usize,
    pub stack_bytes: usize,
    /// Largest JSON text of an output.
    pub output_bytes: usize,
}

/// One run to do.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// A worker process serves one environment at a time.
    pub environment: EnvironmentPk,
    pub kind: FunctionKind,
    pub bundle: Bundle,
    pub entry: Entry,
    pub context: RunContext,
    pub limits: RunLimits,
    /// Fires when the run is to stop; the next host call then throws `script_aborted`.
    pub cancel: Cancel,
}

/// A flag that is raised once and can be waited for.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    raised: std::sync::atomic::AtomicBool,
    wakers: std::sync::Mutex<Vec<std::task::Waker>>,
}

impl Cancel {
    /// Raises the flag and wakes everyone who waits.
    pub fn raise(&self) {
        self.0
            .raised
            .store(true, std::sync::atomic::Ordering::SeqCst);
        let wakers = std::mem::take(
            &mut *self
                .0
                .wakers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        for waker in wakers {
            waker.wake();
        }
    }

    /// Whether the flag is up.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Ends when the flag goes up.
    pub async fn raised(&self) {
        std::future::poll_fn(|context| {
            if self.is_raised() {
                return std::task::Poll::Ready(());
            }
            let mut wakers = self
                .0
                .wakers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
            drop(wakers);
            if self.is_raised() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

/// How a run ended. A function that throws is an outcome, not an error of ours.
#[derive(Clone, Debug)]
pub enum RunOutcome {
    /// The function returned; the output is JSON text (`null` where it returned nothing).
    Succeeded { output: Bytes },
    /// The function, or a limit, ended it.
    Failed(RunFailure),
    /// The worker process died under it, through no fault of this run that we know of.
    Crashed { detail: String },
}

/// What a failed run tells its caller (functions.md, section 3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFailure {
    /// `action_script_runtime_error`, `script_http_error`, `script_network_error`, `script_internal_error`,
    /// `script_api_rate_limit_error`, `script_aborted`, `execution_timeout`, `script_out_of_memory`, ...
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    pub payload: Value,
    /// HTTP status the failure maps to.
    pub status: u16,
    /// `{upstream_response: {status, headers, body}}` of a `script_http_error`.
    pub additional_properties: Option<Map<String, Value>>,
}

/// Level of a log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    #[default]
    Warn,
    Error,
    Off,
}

/// Runs functions. Implemented by the runtime.
#[async_trait::async_trait]
pub trait FunctionRunner: Send + Sync {
    /// Runs to the end. Never fails by itself: whatever goes wrong is an outcome.
    async fn run(&self, request: RunRequest, host: Arc<dyn Host>) -> RunOutcome;

    /// Turns one file of TypeScript into a bundle, without running any of it.
    async fn compile(&self, _typescript: String) -> Result<String, BuildFailure> {
        Err(BuildFailure::Unavailable)
    }

    /// Compiles one file of TypeScript and reads what it says of itself, in a worker.
    async fn build(&self, _source: SourceCode) -> Result<Built, BuildFailure> {
        Err(BuildFailure::Unavailable)
    }
}

/// One file of TypeScript that somebody sent instead of a bundle.
#[derive(Clone, Debug)]
pub struct SourceCode {
    pub environment: EnvironmentPk,
    /// Key of the integration.
    pub integration: String,
    /// Name of the function.
    pub name: String,
    pub typescript: String,
}

/// A function built from source.
#[derive(Clone, Debug)]
pub struct Built {
    pub kind: FunctionKind,
    pub javascript: String,
    /// Models of a sync; name of the output of an action.
    pub models: Vec<String>,
    /// The function's entry in a deployment, as command lines send it.
    pub deployment: Value,
}

/// Why source could not be built.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BuildFailure {
    #[error("functions cannot be compiled on this server")]
    Unavailable,
    /// The compiler's complaint, with place and advice.
    #[error("{0}")]
    Rejected(String),
}

/// What a run may ask for. Implemented by the engine (for real runs) and by the fixture replay of `tenon test`.
#[async_trait::async_trait]
pub trait Host: Send + Sync {
    /// Answers one call of the function.
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError>;
}

/// A call from a function to its host. One variant per thing the `nango` object can do that needs the outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum HostCall {
    /// A request through the proxy, with the credentials of the connection, retries included.
    Proxy(Box<ProxyCall>),
    /// A plain request without credentials.
    UncontrolledFetch(FetchCall),
    /// Pagination settings of the provider: `proxy.paginate` of its definition, or null.
    PaginationSettings {
        provider_config_key: Option<String>,
    },
    /// The public connection object; null keys mean the current connection.
    GetConnection {
        provider_config_key: Option<String>,
        connection_id: Option<String>,
        force_refresh: bool,
        refresh_token: bool,
        refresh_github_app_jwt_token: bool,
    },
    /// Token or credentials of the current connection.
    GetToken,
    GetMetadata,
    SetMetadata {
        metadata: Map<String, Value>,
    },
    UpdateMetadata {
        metadata: Map<String, Value>,
    },
    GetIntegration {
        include: Vec<String>,
    },
    GetEnvironmentVariables,
    TriggerAction {
        provider_config_key: String,
        connection_id: String,
        action: String,
        input: Value,
    },
    TriggerSync {
        provider_config_key: String,
        connection_id: String,
        sync: Value,
        options: Value,
    },
    StartSync {
        provider_config_key: String,
        syncs: Vec<Value>,
        connection_id: Option<String>,
    },
    Log {
        level: LogLevel,
        message: String,
        payload: Option<Value>,
    },
    /// At most [`crate::limits::BATCH_RECORDS`] records.
    BatchSave {
        model: String,
        records: Vec<RecordInput>,
    },
    BatchUpdate {
        model: String,
        records: Vec<RecordInput>,
    },
    BatchDelete {
        model: String,
        records: Vec<RecordInput>,
    },
    /// Records of a save that cannot be written as JSON, where the run keeps such aside
    /// ([`RunContext::keeps_misfits`]).
    RejectRecords {
        model: String,
        records: Vec<RejectedRecord>,
    },
    GetRecordsByIds {
        model: String,
        ids: Vec<String>,
    },
    /// One page; answered with [`HostReply::Records`].
    ListRecords {
        model: String,
        cursor: Option<String>,
    },
    SetMergingStrategy {
        model: String,
        strategy: MergingStrategy,
    },
    TrackDeletesStart {
        model: String,
    },
    /// Answered with `{deletedKeys: [...]}`.
    TrackDeletesEnd {
        model: String,
    },
    DeleteRecordsFromPreviousExecutions {
        model: String,
    },
    GetCheckpoint,
    SaveCheckpoint {
        checkpoint: Map<String, Value>,
    },
    ClearCheckpoint,
    TryAcquireLock {
        key: String,
        ttl_ms: u64,
    },
    ReleaseLock {
        key: String,
    },
    ReleaseAllLocks,
}

/// Answer to a [`HostCall`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum HostReply {
    /// Nothing to say.
    Done,
    /// A JSON value.
    Json(Value),
    /// JSON text that the isolate parses natively.
    JsonText(Bytes),
    /// A response of an external API; also for statuses that are errors.
    Response(Box<HttpReply>),
    /// A page of records.
    Records {
        records: Vec<Bytes>,
        next_cursor: Option<String>,
    },
}

/// Why a call failed. The isolate turns it into the exception that the SDK promises.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// SDK error code (`script_aborted`, `execution_interrupted`, `url_not_allowed`, ...) or network error code
    /// (`ECONNREFUSED`, ...).
    pub code: String,
    pub message: String,
    /// An HTTP answer of our own API that the SDK would have seen, for instance of a triggered action.
    pub response: Option<Box<HttpReply>>,
    pub kind: HostErrorKind,
}

/// Shape of the exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostErrorKind {
    /// An Axios-shaped error, with or without response.
    Http,
    /// An `ActionError` with `{code, message}`.
    Action,
    /// An error with `code`, ends the run as the SDK defines it.
    Sdk,
    /// A plain `Error`.
    Plain,
}

/// `nango.proxy(config)` (functions.md, 2.2).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProxyCall {
    pub endpoint: String,
    /// Upper case.
    pub method: String,
    pub params: Option<ProxyParams>,
    pub headers: Vec<(String, String)>,
    pub body: ProxyBody,
    pub retries: u32,
    pub retry_on: Vec<u16>,
    pub retry_header: Option<RetryHeader>,
    pub base_url_override: Option<String>,
    pub decompress: Option<bool>,
    pub forward_headers_on_redirect: Option<bool>,
    pub provider_config_key: Option<String>,
    pub connection_id: Option<String>,
}

/// Query parameters: text to append, or pairs to set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ProxyParams {
    Text(String),
    /// In order; an array value has been repeated or joined by the SDK already.
    Pairs(Vec<(String, String)>),
}

/// Body of a proxied request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum ProxyBody {
    #[default]
    Empty,
    /// JSON text.
    Json(Bytes),
    /// Plain text.
    Text(String),
    Bytes(Bytes),
    /// `application/x-www-form-urlencoded` pairs.
    Form(Vec<(String, String)>),
}

/// Headers that tell when to try again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RetryHeader {
    pub at: Vec<String>,
    pub after: Vec<String>,
}

/// `nango.uncontrolledFetch` (functions.md, 2.4).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FetchCall {
    pub url: String,
    pub method: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
}

/// An HTTP response as a function sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HttpReply {
    pub status: u16,
    pub status_text: String,
    /// Lower-case names, in order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Final URL, for `response.config.url`.
    pub url: String,
    /// What the host keeps for this answer until the function has it.
    #[serde(skip)]
    pub hold: Hold,
}

/// Something to keep for as long as an answer is on its way, and to let go of by dropping it.
#[derive(Clone, Default)]
pub struct Hold {
    _thing: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

impl Hold {
    /// Keeps `thing`.
    pub fn on(thing: impl Send + Sync + 'static) -> Self {
        Self {
            _thing: Some(Arc::new(thing)),
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hold")
    }
}

/// A record on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordInput {
    /// `String(record.id)`: NUL characters removed, 1 to 255 characters.
    pub id: String,
    /// JSON text of the record without the top-level keys `id` and `_nango_metadata`, key order kept, byte-equal to
    /// what the engine's own `JSON.stringify` would write.
    pub json: Bytes,
}

/// A record that cannot be written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRecord {
    /// As in [`RecordInput`]; nothing where it has none that can be used.
    pub id: Option<String>,
    pub reason: String,
}

/// What to do with rows that changed since the run looked (records.md, 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergingStrategy {
    Override,
    IgnoreIfModifiedAfter,
}

/// Added, updated, deleted: what a webhook reports of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    pub added: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// Counts per model name without variant.
pub type ModelCounts = BTreeMap<String, RecordCounts>;
