//! A pool of real workers and a host that answers as the test says.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::{
    function::{
        Bundle, Cancel, Entry, FunctionKind, FunctionRunner, Host, HostCall, HostError,
        HostErrorKind, HostReply, HttpReply, RunContext, RunFailure, RunLimits, RunOutcome,
        RunRequest,
    },
    limits,
    names::EnvironmentPk,
};
use tenon_runtime::{WorkerPool, WorkerPoolOptions};

type Answers = dyn Fn(&HostCall) -> Result<HostReply, HostError> + Send + Sync;

/// A host that answers with a function and remembers what it was asked.
pub(crate) struct TestHost {
    answers: Box<Answers>,
    pub(crate) calls: Mutex<Vec<HostCall>>,
}

impl TestHost {
    pub(crate) fn new(
        answers: impl Fn(&HostCall) -> Result<HostReply, HostError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answers: Box::new(answers),
            calls: Mutex::default(),
        })
    }

    /// Answers nothing but log lines.
    pub(crate) fn silent() -> Arc<Self> {
        Self::new(|_| Ok(HostReply::Done))
    }

    pub(crate) fn calls(&self) -> Vec<HostCall> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Host for TestHost {
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        let answer = (self.answers)(&call);
        self.calls.lock().unwrap().push(call);
        answer
    }
}

pub(crate) fn options() -> WorkerPoolOptions {
    WorkerPoolOptions {
        arguments: Vec::new(),
        grace: Duration::from_millis(500),
        ..WorkerPoolOptions::new(PathBuf::from(env!("CARGO_BIN_EXE_tenon-test-worker")))
    }
}

pub(crate) fn pool() -> WorkerPool {
    WorkerPool::start(options()).unwrap()
}

/// A bundle of this text.
pub(crate) fn bundle(javascript: &str) -> Bundle {
    Bundle {
        hash: blake3::hash(javascript.as_bytes()).to_hex().to_string(),
        javascript: Arc::from(javascript),
    }
}

/// An action whose `exec` has this body.
pub(crate) fn action(body: &str) -> String {
    format!(
        "\"use strict\"; exports.default = {{ type: \"action\", exec: async (nango, input) => {{ {body} }} }};"
    )
}

/// A sync whose `exec` has this body.
pub(crate) fn sync(body: &str) -> String {
    format!(
        "\"use strict\"; exports.default = {{ type: \"sync\", exec: async (nango) => {{ {body} }} }};"
    )
}

pub(crate) fn limits() -> RunLimits {
    RunLimits {
        run: Duration::from_secs(60),
        busy: Duration::from_secs(20),
        heap_bytes: limits::ISOLATE_HEAP_BYTES,
        stack_bytes: limits::ISOLATE_STACK_BYTES,
        output_bytes: limits::ACTION_OUTPUT_BYTES,
    }
}

pub(crate) fn request(javascript: &str, kind: FunctionKind, entry: Entry) -> RunRequest {
    RunRequest {
        environment: EnvironmentPk(1),
        kind,
        bundle: bundle(javascript),
        entry,
        context: RunContext {
            connection_id: "alice".into(),
            provider_config_key: "helpdesk".into(),
            provider: "helpdesk".into(),
            environment_name: "dev".into(),
            function: "tickets".into(),
            variant: "base".into(),
            models: vec!["Ticket".into(), "Other".into()],
            ..RunContext::default()
        },
        limits: limits(),
        cancel: Cancel::default(),
    }
}

pub(crate) fn action_request(javascript: &str, input: Value) -> RunRequest {
    request(javascript, FunctionKind::Action, Entry::Action { input })
}

pub(crate) fn sync_request(javascript: &str) -> RunRequest {
    request(javascript, FunctionKind::Sync, Entry::Sync)
}

/// Runs an action with this body; its output.
pub(crate) async fn output(body: &str, input: Value, host: Arc<TestHost>) -> Value {
    succeeded(pool().run(action_request(&action(body), input), host).await)
}

/// Runs an action with this body that asks its host nothing; its output.
pub(crate) async fn value(body: &str) -> Value {
    output(body, Value::Null, TestHost::silent()).await
}

/// Runs an action with this body; how it failed.
pub(crate) async fn failure(body: &str, host: Arc<TestHost>) -> RunFailure {
    failed(
        pool()
            .run(action_request(&action(body), Value::Null), host)
            .await,
    )
}

#[track_caller]
pub(crate) fn succeeded(outcome: RunOutcome) -> Value {
    match outcome {
        RunOutcome::Succeeded { output } => serde_json::from_slice(&output).unwrap(),
        other => panic!("the run did not succeed: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn failed(outcome: RunOutcome) -> RunFailure {
    match outcome {
        RunOutcome::Failed(failure) => failure,
        other => panic!("the run did not fail: {other:?}"),
    }
}

/// A response of an external API.
pub(crate) fn response(
    status: u16,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Result<HostReply, HostError> {
    Ok(HostReply::Response(Box::new(HttpReply {
        status,
        status_text: "Text".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.into(),
        url: "https://api.example.com/".into(),
        ..HttpReply::default()
    })))
}

pub(crate) fn json_response(status: u16, body: &Value) -> Result<HostReply, HostError> {
    response(status, "application/json", body.to_string())
}

pub(crate) fn refused(kind: HostErrorKind, code: &str) -> Result<HostReply, HostError> {
    Err(HostError {
        code: code.into(),
        message: format!("refused: {code}"),
        response: None,
        kind,
    })
}

/// Answers every request with this JSON.
pub(crate) fn answering(body: Value) -> Arc<TestHost> {
    TestHost::new(move |call| match call {
        HostCall::Proxy(_) => json_response(200, &body),
        HostCall::PaginationSettings { .. } => Ok(HostReply::Json(Value::Null)),
        _ => Ok(HostReply::Json(json!(null))),
    })
}
