//! One run from the host's side: its calls are answered, its time is watched, its end is told.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::json;
use tenon_core::function::{
    Cancel, Host, HostCall, HostError, HostErrorKind, HostReply, RunFailure, RunOutcome, RunRequest,
};
use tokio::time::{Instant, sleep_until};

use super::{places::Place, process::Inbox};
use crate::wire::{self, CALLS_PER_RUN, CallId, Ending, FromWorker, StartRun, ToWorker};

/// How long calls that nobody awaited may go on after the function has returned.
const AFTERMATH: Duration = Duration::from_secs(10);

type Answer = (CallId, Result<HostReply, HostError>);

/// A run and what is open of it.
struct Drive {
    place: Place,
    inbox: Inbox,
    host: Arc<dyn Host>,
    cancel: Cancel,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// The worker is told to drop the run when this is dropped before its end.
    ended: bool,
}

impl Drop for Drive {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.place.process.send(self.place.run, &ToWorker::Kill);
        }
    }
}

/// What happens next.
enum Next {
    Frame(Option<Vec<u8>>),
    Answer(Answer),
    Cancelled,
    TimeIsUp,
}

/// Runs to the end.
pub(super) async fn drive(
    place: Place,
    request: RunRequest,
    host: Arc<dyn Host>,
    grace: Duration,
) -> RunOutcome {
    let inbox = place.process.enter(place.run);
    let cancel = request.cancel.clone();
    let deadline = Instant::now() + request.limits.run.min(Duration::from_secs(365 * 86_400));
    let mut drive = Drive {
        place,
        inbox,
        host,
        cancel,
        calls: FuturesUnordered::new(),
        ended: false,
    };
    if let Err(outcome) = drive.start(request) {
        return outcome;
    }
    let outcome = drive.to_the_end(deadline, grace).await;
    drive.ended = true;
    drive.settle().await;
    outcome
}

impl Drive {
    fn start(&mut self, request: RunRequest) -> Result<(), RunOutcome> {
        let process = &self.place.process;
        let javascript = Bytes::from(request.bundle.javascript.as_bytes().to_vec());
        let _in_order = process.in_order();
        let (learns, forgets) = process.must_learn(&request.bundle.hash, javascript.len());
        for hash in forgets {
            let _ = process.send(0, &ToWorker::Forget { hash });
        }
        let start = ToWorker::Start(Box::new(StartRun {
            kind: request.kind,
            hash: request.bundle.hash,
            javascript: learns.then_some(javascript),
            entry: request.entry,
            context: request.context,
            limits: request.limits,
        }));
        process.send(self.place.run, &start).map_err(|error| {
            self.ended = true;
            failure(
                "script_internal_error",
                &format!("the run could not be handed to a worker: {}", chain(&error)),
            )
        })
    }

    async fn to_the_end(&mut self, deadline: Instant, grace: Duration) -> RunOutcome {
        // The worker ends the run at its deadline; this is for one that cannot.
        let mut killed_at = deadline + grace;
        let mut cancelled = false;
        loop {
            match self.next(killed_at, cancelled).await {
                Next::Frame(Some(body)) => match self.take(&body) {
                    Ok(Some(outcome)) => return outcome,
                    Ok(None) => {}
                    Err(detail) => {
                        self.place.kill_worker();
                        return RunOutcome::Crashed { detail };
                    }
                },
                Next::Frame(None) => {
                    return RunOutcome::Crashed {
                        detail: "the worker process died".to_owned(),
                    };
                }
                Next::Answer((call, reply)) => self.answer(call, reply),
                Next::Cancelled => {
                    cancelled = true;
                    killed_at = killed_at.min(Instant::now() + grace);
                    let _ = self.place.process.send(self.place.run, &ToWorker::Cancel);
                }
                Next::TimeIsUp if cancelled && Instant::now() < deadline + grace => {
                    // It waits or computes on without asking anything: dropped, and killed if it cannot be.
                    return self.give_up(grace).await;
                }
                Next::TimeIsUp => {
                    self.place.kill_worker();
                    return failure(
                        "execution_timeout",
                        "the run did not end in its time and its worker was killed",
                    );
                }
            }
        }
    }

    async fn next(&mut self, killed_at: Instant, cancelled: bool) -> Next {
        tokio::select! {
            biased;
            Some(answer) = self.calls.next(), if !self.calls.is_empty() => Next::Answer(answer),
            frame = self.inbox.recv() => Next::Frame(frame),
            () = self.cancel.raised(), if !cancelled => Next::Cancelled,
            () = sleep_until(killed_at) => Next::TimeIsUp,
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
                Ok(Some(RunOutcome::Succeeded { output }))
            }
            FromWorker::Done(Ending::Failed(failure)) => Ok(Some(RunOutcome::Failed(*failure))),
            FromWorker::Ready { .. } => Err("the worker introduced itself twice".to_owned()),
        }
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

    fn answer(&self, call: CallId, reply: Result<HostReply, HostError>) {
        let (process, run) = (&self.place.process, self.place.run);
        if let Err(error) = process.send(run, &ToWorker::Reply { call, reply }) {
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

    /// Drops a cancelled run; a worker that does not answer other frames within the grace is beyond help.
    async fn give_up(&mut self, grace: Duration) -> RunOutcome {
        let _ = self.place.process.send(self.place.run, &ToWorker::Kill);
        let _ = grace;
        aborted()
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
