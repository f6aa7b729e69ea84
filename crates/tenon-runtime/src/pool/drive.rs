//! One run from the host's side: its calls are answered, its time is watched, its end is told.

use std::{collections::HashMap, error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::json;
use tenon_core::function::{
    Cancel, Hold, Host, HostCall, HostError, HostErrorKind, HostReply, RunFailure, RunOutcome,
    RunRequest,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{bytecode::Key, places::Place, process::Inbox};
use crate::wire::{self, CALLS_PER_RUN, CallId, Ending, FromWorker, SentCode, StartRun, ToWorker};

/// How long calls that nobody awaited may go on after the function has returned.
const AFTERMATH: Duration = Duration::from_secs(10);

/// Longest time that is counted to a deadline: no run is meant to take a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

type Answer = (CallId, Result<HostReply, HostError>);

/// A run and what is open of it.
struct Drive {
    place: Place,
    inbox: Inbox,
    host: Arc<dyn Host>,
    cancel: Cancel,
    /// Raised when nobody waits for the outcome any more.
    abandoned: Cancel,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Kept for large answers until the function has them.
    on_the_way: HashMap<CallId, Hold>,
    /// Largest output that the run may have.
    output_bytes: usize,
}

/// What happens next.
enum Next {
    Frame(Option<Vec<u8>>),
    Answer(Answer),
    Cancelled,
    Abandoned,
    TimeIsUp,
}

/// How the host is done with a run.
enum End {
    /// The worker is done with it, too.
    Both(RunOutcome),
    /// The worker still has it.
    Here(RunOutcome),
}

/// Runs to the end. The run has a task of its own, so that a caller who goes away leaves nothing half done behind.
pub(super) async fn drive(
    place: Place,
    request: RunRequest,
    host: Arc<dyn Host>,
    grace: Duration,
) -> RunOutcome {
    let (sender, outcome) = oneshot::channel();
    let abandoned = Cancel::default();
    let waiting = Waiting(abandoned.clone());
    tokio::spawn(Drive::run(place, request, host, grace, abandoned, sender));
    let outcome = outcome.await.unwrap_or_else(|_| RunOutcome::Crashed {
        detail: "the host of the run failed".to_owned(),
    });
    drop(waiting);
    outcome
}

/// Tells the task of a run that its caller is gone.
struct Waiting(Cancel);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.raise();
    }
}

impl Drive {
    async fn run(
        place: Place,
        request: RunRequest,
        host: Arc<dyn Host>,
        grace: Duration,
        abandoned: Cancel,
        outcome: oneshot::Sender<RunOutcome>,
    ) {
        let inbox = place.process.enter(place.run);
        let cancel = request.cancel.clone();
        let deadline = Instant::now() + request.limits.run.min(LONGEST);
        let mut drive = Self {
            place,
            inbox,
            host,
            cancel,
            abandoned,
            calls: FuturesUnordered::new(),
            on_the_way: HashMap::new(),
            output_bytes: request.limits.output_bytes,
        };
        let end = match drive.start(request) {
            Ok(()) => drive.until_its_end(deadline, grace).await,
            Err(outcome) => End::Both(outcome),
        };
        // Nobody may wait any more: then the outcome is nobody's.
        match end {
            End::Both(told) => {
                if !matches!(told, RunOutcome::Crashed { .. }) {
                    drive.settle().await;
                }
                let _ = outcome.send(told);
            }
            End::Here(told) => {
                let _ = outcome.send(told);
                drive.give_up(grace).await;
            }
        }
    }

    #[expect(
        clippy::result_large_err,
        reason = "an outcome is made once for a run and moved once"
    )]
    fn start(&mut self, request: RunRequest) -> Result<(), RunOutcome> {
        let process = &self.place.process;
        let size = request.bundle.javascript.len();
        let _in_order = process.in_order();
        let (learns, forgets) = process.must_learn(&request.bundle.hash, size);
        for hash in forgets {
            let _ = process.send(0, &ToWorker::Forget { hash });
        }
        let code = learns.then(|| self.code(&request));
        let start = ToWorker::Start(Box::new(StartRun {
            kind: request.kind,
            hash: request.bundle.hash.clone(),
            code,
            entry: request.entry,
            context: request.context,
            limits: request.limits,
        }));
        process.send(self.place.run, &start).map_err(|error| {
            if learns {
                process.unlearn(&request.bundle.hash);
            }
            failure(
                "script_internal_error",
                &format!("the run could not be handed to a worker: {}", chain(&error)),
            )
        })
    }

    /// The bundle for a worker that does not have it: compiled if it has been, else as it is, and compiled for the next one.
    fn code(&self, request: &RunRequest) -> SentCode {
        let key = Key {
            hash: request.bundle.hash.clone(),
            file: wire::file_name(&request.context.function),
        };
        match self.place.compiled(key, &request.bundle.javascript) {
            Some(bytecode) => SentCode::Bytecode(bytecode),
            None => SentCode::Source(Bytes::copy_from_slice(request.bundle.javascript.as_bytes())),
        }
    }

    async fn until_its_end(&mut self, deadline: Instant, grace: Duration) -> End {
        // The worker ends the run at its deadline; this is for one that cannot.
        let mut given_up_at = deadline + grace;
        let mut cancelled = false;
        loop {
            match self.next(given_up_at, cancelled).await {
                Next::Frame(Some(body)) => match self.take(&body) {
                    Ok(Some(outcome)) => return End::Both(outcome),
                    Ok(None) => {}
                    Err(detail) => {
                        self.place.kill_worker();
                        return End::Both(RunOutcome::Crashed { detail });
                    }
                },
                Next::Frame(None) => {
                    let detail = "the worker process died".to_owned();
                    return End::Both(RunOutcome::Crashed { detail });
                }
                Next::Answer((call, reply)) => self.answer(call, reply),
                Next::Cancelled => {
                    cancelled = true;
                    given_up_at = given_up_at.min(Instant::now() + grace);
                    let _ = self.place.process.send(self.place.run, &ToWorker::Cancel);
                }
                Next::Abandoned => return End::Here(aborted()),
                Next::TimeIsUp if Instant::now() < deadline + grace => {
                    // Cancelled, and it waits or computes on without asking anything.
                    return End::Here(aborted());
                }
                Next::TimeIsUp => {
                    let message = "the run did not end in its time";
                    return End::Here(failure("execution_timeout", message));
                }
            }
        }
    }

    async fn next(&mut self, given_up_at: Instant, cancelled: bool) -> Next {
        tokio::select! {
            biased;
            // First, so that a worker that never stops asking is given up all the same.
            () = sleep_until(given_up_at) => Next::TimeIsUp,
            Some(answer) = self.calls.next(), if !self.calls.is_empty() => Next::Answer(answer),
            frame = self.inbox.recv() => Next::Frame(frame),
            () = self.abandoned.raised() => Next::Abandoned,
            () = self.cancel.raised(), if !cancelled => Next::Cancelled,
        }
    }

    /// Understands one frame: a call is begun, an end is an outcome, nonsense is an error.
    fn take(&mut self, body: &[u8]) -> Result<Option<RunOutcome>, String> {
        match wire::decode(body)
            .map_err(|error| format!("the worker sent nonsense: {}", chain(&error)))?
        {
            FromWorker::Call { call, host_call } => {
                if self.calls.len() >= CALLS_PER_RUN {
                    return Err(format!(
                        "the worker sent more than {CALLS_PER_RUN} calls at a time"
                    ));
                }
                self.calls.push(self.begin(call, host_call));
                Ok(None)
            }
            FromWorker::Done(Ending::Succeeded { output }) => {
                self.check(&output)?;
                Ok(Some(RunOutcome::Succeeded { output }))
            }
            FromWorker::Done(Ending::Failed(failure)) => Ok(Some(RunOutcome::Failed(*failure))),
            FromWorker::Taken { call } => {
                self.on_the_way.remove(&call);
                Ok(None)
            }
            FromWorker::Ready { .. }
            | FromWorker::Compiled { .. }
            | FromWorker::Dropped
            | FromWorker::Stuck
            | FromWorker::Worn => Err("the worker sent what nobody asked for".to_owned()),
        }
    }

    /// A worker that keeps to the rules only sends such an output; one that was taken over sends what it likes.
    fn check(&self, output: &[u8]) -> Result<(), String> {
        if output.len() > self.output_bytes {
            return Err(format!(
                "the worker sent an output of {} bytes",
                output.len()
            ));
        }
        serde_json::from_slice::<serde::de::IgnoredAny>(output)
            .map(drop)
            .map_err(|error| format!("the worker sent an output that is no JSON: {error}"))
    }

    /// Asks the host. Requests to the outside are given up when the run is cancelled; whatever changes our own state ends.
    fn begin(&self, call: CallId, host_call: HostCall) -> BoxFuture<'static, Answer> {
        let outside = matches!(
            host_call,
            HostCall::Proxy(_)
                | HostCall::UncontrolledFetch(_)
                | HostCall::GetConnection { .. }
                | HostCall::GetToken
        );
        let (host, cancel) = (self.host.clone(), self.cancel.clone());
        async move {
            let answer = if outside {
                tokio::select! {
                    biased;
                    () = cancel.raised() => Err(abortion()),
                    answer = host.call(host_call) => answer,
                }
            } else {
                host.call(host_call).await
            };
            (call, answer)
        }
        .boxed()
    }

    fn answer(&mut self, call: CallId, reply: Result<HostReply, HostError>) {
        let (process, run) = (&self.place.process, self.place.run);
        let hold = match &reply {
            Ok(HostReply::Response(response)) => response.hold.clone(),
            _ => Hold::default(),
        };
        if wire::is_large(&reply) {
            self.on_the_way.insert(call, hold.clone());
        }
        if let Err(error) = process.send_holding(run, &ToWorker::Reply { call, reply }, hold) {
            self.on_the_way.remove(&call);
            let refusal = HostError {
                code: "response_too_large".to_owned(),
                message: format!(
                    "the answer could not be handed to the function: {}",
                    chain(&error)
                ),
                response: None,
                kind: HostErrorKind::Plain,
            };
            let _ = process.send(
                run,
                &ToWorker::Reply {
                    call,
                    reply: Err(refusal),
                },
            );
        }
    }

    /// Lets the worker drop the run; one whose thread cannot is replaced, after its other runs have ended.
    async fn give_up(&mut self, grace: Duration) {
        let _ = self.place.process.send(self.place.run, &ToWorker::Kill);
        let dropped = async {
            while let Some(body) = self.inbox.recv().await {
                // It may have ended by itself meanwhile.
                if let Ok(FromWorker::Dropped | FromWorker::Done(_)) = wire::decode(&body) {
                    return;
                }
            }
        };
        if tokio::time::timeout(grace, dropped).await.is_err() {
            self.place.retire_worker();
        }
    }

    /// Lets calls end that the function began and did not await.
    async fn settle(&mut self) {
        let _ = tokio::time::timeout(AFTERMATH, async {
            while self.calls.next().await.is_some() {}
        })
        .await;
    }
}

/// The outcome of a run that was cancelled.
pub(super) fn aborted() -> RunOutcome {
    failure("script_aborted", "the run was cancelled")
}

fn failure(kind: &str, message: &str) -> RunOutcome {
    RunOutcome::Failed(RunFailure {
        kind: kind.to_owned(),
        message: message.to_owned(),
        payload: json!({ "name": "Error", "message": message, "stacktrace": [] }),
        status: 500,
        additional_properties: None,
    })
}

fn abortion() -> HostError {
    HostError {
        code: "script_aborted".to_owned(),
        message: "The run was cancelled".to_owned(),
        response: None,
        kind: HostErrorKind::Sdk,
    }
}

/// An error and all its sources in one sentence.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
