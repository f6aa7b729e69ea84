//! One JavaScript heap for one run: made fresh, used once, dropped.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use rquickjs::{
    Context, Ctx, Function, Object, Persistent, Runtime, Value, context::intrinsic, qjs,
};
use serde_json::json;
use tenon_core::function::{
    Entry, FunctionKind, HostCall, HostError, HostErrorKind, HostReply, RejectedRecord, RunContext,
    RunFailure,
};

use crate::wire::{CallId, Ending, StartRun};

pub(crate) mod code;
mod crypto;
pub(crate) mod heap;
mod json;
pub(crate) mod meter;
mod native;
mod records;
mod text;
mod url;

use code::{Bytecode, Code};
use heap::{Commons, Counted, Heap};
use meter::{Meter, Stop};

/// Largest JavaScript stack; threads that run isolates have this much and room for native code.
pub(crate) const JS_STACK_BYTES: usize = 2 * 1024 * 1024;

/// Heap of an isolate that waits for its run.
const SPARE_HEAP_BYTES: usize = 32 * 1024 * 1024;

/// Extra heap for telling how a run ended whose own heap is full.
const LAST_WORDS_BYTES: usize = 8 * 1024 * 1024;

/// Garbage below this is not looked for.
const GC_BYTES: usize = 4 * 1024 * 1024;

/// Jobs between two looks at the meter.
const JOBS_PER_LOOK: usize = 1_000;

/// How a response body is handed to JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyMode {
    /// Parsed if it is JSON, else text, as Axios does.
    Json,
    Text,
    Bytes,
}

/// What an isolate needs of the worker around it.
pub(crate) trait Port {
    /// Sends a call to the host; the answer comes with [`Isolate::deliver`].
    fn call(&self, call: CallId, host_call: HostCall) -> Result<(), String>;
    /// Asks for [`Isolate::fire`] after `wait`.
    fn set_timer(&self, timer: u64, wait: Duration);
}

/// Whether a run goes on.
#[derive(Debug)]
pub(crate) enum Step {
    Waiting,
    Ended(Ending),
    /// Ended on the host's demand: nobody waits for an answer.
    Killed,
}

/// State shared by the isolate and the native functions inside it.
pub(crate) struct Bridge {
    port: RefCell<Option<Box<dyn Port>>>,
    meter: Arc<Meter>,
    code: Arc<Code>,
    open: RefCell<std::collections::HashMap<CallId, OpenCall>>,
    timers: std::cell::Cell<usize>,
    ending: RefCell<Option<Ending>>,
    heap: Rc<Heap>,
    uses_zod: std::cell::Cell<bool>,
    /// Whether records that cannot be written as JSON are put aside instead of failing the call.
    keeps_misfits: std::cell::Cell<bool>,
    /// Those put aside and not handed over yet, with their model.
    rejected: RefCell<Vec<(String, Vec<RejectedRecord>)>>,
}

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct OpenCall {
    mode: BodyMode,
    /// Bytes that went to the host with it.
    size: usize,
}

/// A heap, its context and the three ways into it.
pub(crate) struct Isolate {
    // Dropped in this order: values, then the context, then the runtime.
    start: Option<Persistent<Function<'static>>>,
    deliver: Persistent<Function<'static>>,
    fire: Persistent<Function<'static>>,
    context: Context,
    runtime: Runtime,
    bridge: Rc<Bridge>,
    busy: Duration,
    run: Duration,
}

// SAFETY: everything that is counted without atomics (the runtime, the context, `Bridge`) is reachable only through this
// value, so it moves between threads as a whole; one thread at a time has it, and tells QuickJS its stack in `enter`.
unsafe impl Send for Isolate {}

/// Tells QuickJS where the stack of this thread begins.
pub(crate) fn enter(ctx: &Ctx<'_>) {
    // SAFETY: the context is alive.
    unsafe { qjs::JS_UpdateStackTop(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) };
}

impl Isolate {
    /// A fresh isolate with our code loaded, and zod too if `with_zod`.
    pub(crate) fn new(
        code: &Arc<Code>,
        commons: &Arc<Commons>,
        with_zod: bool,
    ) -> Result<Self, String> {
        let heap = Heap::new(SPARE_HEAP_BYTES, commons);
        let runtime =
            Runtime::new_with_alloc(Counted(heap.clone())).map_err(|error| error.to_string())?;
        runtime.set_max_stack_size(JS_STACK_BYTES);
        runtime.set_gc_threshold(GC_BYTES);
        let meter = Meter::new();
        let interrupted = meter.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || interrupted.must_stop())));
        let context = Context::builder()
            .with::<intrinsic::Date>()
            .with::<intrinsic::RegExpCompiler>()
            .with::<intrinsic::RegExp>()
            .with::<intrinsic::Json>()
            .with::<intrinsic::Proxy>()
            .with::<intrinsic::MapSet>()
            .with::<intrinsic::TypedArrays>()
            .with::<intrinsic::Promise>()
            .with::<intrinsic::WeakRef>()
            .build(&runtime)
            .map_err(|error| error.to_string())?;
        let bridge = Rc::new(Bridge {
            port: RefCell::new(None),
            meter,
            code: code.clone(),
            open: RefCell::default(),
            timers: std::cell::Cell::new(0),
            ending: RefCell::new(None),
            heap,
            uses_zod: std::cell::Cell::new(false),
            keeps_misfits: std::cell::Cell::new(false),
            rejected: RefCell::default(),
        });
        let entries = context.with(|ctx| {
            enter(&ctx);
            // SAFETY: the context is alive.
            unsafe { qjs::JS_AddIntrinsicBigInt(ctx.as_raw().as_ptr()) };
            entries(&ctx, &bridge, with_zod).map_err(|error| thrown(&ctx, &error))
        })?;
        let [start, deliver, fire] = entries;
        Ok(Self {
            start: Some(start),
            deliver,
            fire,
            context,
            runtime,
            bridge,
            busy: Duration::MAX,
            run: Duration::MAX,
        })
    }

    /// What other threads stop this isolate with.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.bridge.meter.clone()
    }

    /// Whether the run loaded zod.
    pub(crate) fn uses_zod(&self) -> bool {
        self.bridge.uses_zod.get()
    }

    /// Begins the run.
    pub(crate) fn start(&mut self, run: &StartRun, bundle: &Bytecode, port: Box<dyn Port>) -> Step {
        self.busy = run.limits.busy;
        self.run = run.limits.run;
        *self.bridge.port.borrow_mut() = Some(port);
        self.bridge.keeps_misfits.set(run.context.keeps_misfits);
        self.bridge.heap.set_limit(run.limits.heap_bytes);
        self.runtime
            .set_max_stack_size(run.limits.stack_bytes.min(JS_STACK_BYTES));
        let Some(start) = self.start.take() else {
            return Step::Ended(failed(
                "script_internal_error",
                "the isolate has run before",
            ));
        };
        self.turn(|ctx| {
            let input = match &run.entry {
                Entry::Action { input } => json::value(ctx, input)?,
                Entry::Webhook { payload } => json::value(ctx, payload)?,
                Entry::Sync | Entry::OnEvent => Value::new_undefined(ctx.clone()),
            };
            let bundle = code::load(ctx, bundle)?;
            let context = surroundings(&run.context).to_string();
            let output_bytes = run.limits.output_bytes as f64;
            start
                .restore(ctx)?
                .call((context, door(run), input, bundle, output_bytes))
        })
    }

    /// The host answered a call.
    pub(crate) fn deliver(&mut self, call: CallId, reply: Result<HostReply, HostError>) -> Step {
        let Some(OpenCall { mode, .. }) = self.bridge.open.borrow_mut().remove(&call) else {
            return Step::Waiting;
        };
        let deliver = self.deliver.clone();
        self.turn(|ctx| {
            let (failed, value) = match &reply {
                Ok(reply) => match json::reply(ctx, reply, mode) {
                    Ok(value) => (false, value),
                    Err(error) => (true, refusal(ctx, &unreadable(&thrown(ctx, &error)))?),
                },
                Err(error) => (true, refusal(ctx, error)?),
            };
            deliver.restore(ctx)?.call((call as f64, failed, value))
        })
    }

    /// A timer is due.
    pub(crate) fn fire(&mut self, timer: u64) -> Step {
        self.bridge
            .timers
            .set(self.bridge.timers.get().saturating_sub(1));
        let fire = self.fire.clone();
        self.turn(|ctx| fire.restore(ctx)?.call((timer as f64,)))
    }

    /// The run's time is over while it waits.
    pub(crate) fn expire(&self) -> Ending {
        stopped(Stop::Deadline, self.busy, self.run)
    }

    /// Runs JavaScript until it has nothing left to do but wait.
    fn turn(&mut self, work: impl FnOnce(&Ctx<'_>) -> rquickjs::Result<()>) -> Step {
        self.bridge.meter.begin(self.busy);
        let meter = self.bridge.meter.clone();
        let failure = self.context.with(|ctx| {
            enter(&ctx);
            let failure = work(&ctx).err().map(|error| thrown(&ctx, &error));
            let mut jobs = 0_usize;
            while meter.stop().is_none()
                && self.bridge.ending.borrow().is_none()
                && ctx.execute_pending_job()
            {
                jobs += 1;
                if jobs.is_multiple_of(JOBS_PER_LOOK) {
                    meter.must_stop();
                }
            }
            failure
        });
        self.bridge.heap.settle();
        match meter.stop() {
            Some(Stop::Killed) => return Step::Killed,
            Some(stop) => return Step::Ended(stopped(stop, self.busy, self.run)),
            None => {}
        }
        if let Some(ending) = self.bridge.ending.borrow_mut().take() {
            return Step::Ended(ending);
        }
        if let Some(message) = failure {
            return Step::Ended(self.lost(&message));
        }
        if self.bridge.open.borrow().is_empty() && self.bridge.timers.get() == 0 {
            return Step::Ended(
                self.lost("the function waits for something that can never happen"),
            );
        }
        Step::Waiting
    }

    /// JavaScript is at its end without having told us how.
    fn lost(&self, message: &str) -> Ending {
        if let Some(refusal) = self.bridge.heap.refusal() {
            return failed("script_out_of_memory", refusal.message());
        }
        failed("script_internal_error", message)
    }
}

/// Loads our first code and takes its three functions.
fn entries(
    ctx: &Ctx<'_>,
    bridge: &Rc<Bridge>,
    with_zod: bool,
) -> rquickjs::Result<[Persistent<Function<'static>>; 3]> {
    let bytecode = bridge
        .code
        .module("start")
        .ok_or(rquickjs::Error::Unknown)?;
    let native = native::functions(ctx, bridge)?;
    let entries: Object = code::load(ctx, &bytecode)?.call((native,))?;
    if with_zod {
        entries
            .get::<_, Function>("warm")?
            .call::<_, ()>((code::ZOD_ENTRY,))?;
        bridge.uses_zod.set(false);
    }
    let save = |name: &str| {
        Ok::<_, rquickjs::Error>(Persistent::save(ctx, entries.get::<_, Function>(name)?))
    };
    Ok([save("start")?, save("deliver")?, save("fire")?])
}

fn door(run: &StartRun) -> &'static str {
    match (&run.entry, run.kind) {
        (Entry::Webhook { .. }, _) => "webhook",
        (_, FunctionKind::Sync) => "sync",
        (_, FunctionKind::Action) => "action",
        (_, FunctionKind::OnEvent) => "on-event",
    }
}

/// The context as JavaScript reads it.
fn surroundings(context: &RunContext) -> serde_json::Value {
    json!({
        "connection_id": context.connection_id,
        "provider_config_key": context.provider_config_key,
        "provider": context.provider,
        "environment_id": context.environment_id,
        "environment_name": context.environment_name,
        "account_id": context.account_id,
        "activity_log_id": context.activity_log_id,
        "function": context.function,
        "variant": context.variant,
        "sync_id": context.sync_id,
        "sync_job_id": context.sync_job_id,
        "nango_connection_id": context.nango_connection_id,
        "last_sync_ms": context.last_sync_date.map(tenon_core::Timestamp::millis),
        "models": context.models,
        "log_level": context.log_level,
        "track_deletes": context.track_deletes,
        "empty_cache": context.empty_cache,
        "replay": context.replay,
        "frozen_time_ms": context.frozen_time_ms,
    })
}

/// A refused call as JavaScript gets it.
fn refusal<'js>(ctx: &Ctx<'js>, error: &HostError) -> rquickjs::Result<Value<'js>> {
    let value = Object::new(ctx.clone())?;
    let kind = match error.kind {
        HostErrorKind::Http => "Http",
        HostErrorKind::Action => "Action",
        HostErrorKind::Sdk => "Sdk",
        HostErrorKind::Plain => "Plain",
    };
    value.set("kind", kind)?;
    value.set("code", error.code.as_str())?;
    value.set("message", error.message.as_str())?;
    if let Some(response) = &error.response {
        value.set("response", json::response(ctx, response, BodyMode::Json)?)?;
    }
    Ok(value.into_value())
}

fn unreadable(message: &str) -> HostError {
    HostError {
        code: String::new(),
        message: format!("the answer could not be read: {message}"),
        response: None,
        kind: HostErrorKind::Plain,
    }
}

/// The message of an error that came out of JavaScript.
fn thrown(ctx: &Ctx<'_>, error: &rquickjs::Error) -> String {
    if !error.is_exception() {
        return error.to_string();
    }
    let value = ctx.catch();
    let message = value
        .as_object()
        .and_then(|object| object.get::<_, String>("message").ok());
    message.unwrap_or_else(|| "JavaScript failed".to_owned())
}

fn stopped(stop: Stop, busy: Duration, run: Duration) -> Ending {
    match stop {
        Stop::Busy => failed(
            "execution_timeout",
            &format!(
                "the function computed for more than {} s without waiting for anything",
                busy.as_secs_f64()
            ),
        ),
        Stop::Deadline => failed(
            "execution_timeout",
            &format!("the run took longer than {} s", run.as_secs_f64()),
        ),
        Stop::Killed => failed("script_aborted", "the run was cancelled"),
    }
}

/// A failure that the function did not tell itself.
pub(crate) fn failed(kind: &str, message: &str) -> Ending {
    Ending::Failed(Box::new(RunFailure {
        kind: kind.to_owned(),
        message: message.to_owned(),
        payload: json!({ "name": "Error", "message": message, "stacktrace": [] }),
        status: 500,
        additional_properties: None,
    }))
}

/// The output of a run that ended well.
fn succeeded(output: String) -> Ending {
    Ending::Succeeded {
        output: Bytes::from(output),
    }
}
