// First code of every isolate: modules, globals, the way to the host and the outcome of the run.
// It is called with `native`, the functions written in Rust, and answers with the three entries that Rust calls.
"use strict";

const { cancelled, callHost, callProxy, callFetch, callRecords, callReject, hasRejected, setTimer, loadModule, finish, relax, refusal } = native;
const { stringify } = JSON;

// Calls on their way to the host. More than this many wait inside the isolate, where its heap limit counts them.
const MOST_CALLS = 100;
const MOST_TIMERS = 10_000;
const RECORDS_PER_CALL = 1_000;
const PAYLOAD_BYTES = 99_000;

let tools;
const shared = {
  stringify,
  utf8Length: native.utf8Length,
  refusal,
  /** What only some modules need. */
  get native() {
    return (tools ??= native.tools());
  },
};
const waiting = new Map();
const queued = [];
let lastCall = 0;
// Called when no call waits inside the isolate any more.
let drained;
let ended = false;
// Name of the function's file in stacks.
let file = "";

// ---------------------------------------------------------------- modules

// No Map: a function may replace what a Map can do, and look on.
const internal = { __proto__: null };

/** A module of ours or of zod, by the name under which Rust keeps it. */
function use(name) {
  const known = internal[name];
  if (known) return known.exports;
  const code = loadModule(name);
  if (!code) throw new Error(`Module '${name}' is missing from this build`);
  const module = { exports: {} };
  internal[name] = module;
  const folder = name.split("/").slice(0, -1);
  // Never by `call`, which the function may have replaced: `shared` must not come into its hands.
  code(module.exports, (path) => use(resolve(folder, path)), module, shared);
  return module.exports;
}
shared.use = use;

function resolve(folder, path) {
  if (!path.startsWith(".")) return path;
  const parts = [...folder];
  for (const step of path.split("/")) {
    if (step === "..") parts.pop();
    else if (step !== ".") parts.push(step);
  }
  return parts.join("/");
}

const ALLOWED = {
  zod: "zod/index.cjs",
  url: "url",
  crypto: "crypto",
  buffer: "buffer",
  unzipper: "unzipper",
  soap: "soap",
  nango: "definitions",
};

/** `require` as a function sees it. */
function require(name) {
  const plain = typeof name === "string" && name.startsWith("node:") ? name.slice(5) : name;
  if (typeof plain !== "string" || !Object.hasOwn(ALLOWED, plain) || (plain !== name && !["url", "crypto", "buffer"].includes(plain))) {
    throw new Error(`Module '${String(name)}' is not allowed`);
  }
  return use(ALLOWED[plain]);
}

// ---------------------------------------------------------------- errors

class ActionError extends Error {
  constructor(payload) {
    super(typeof payload === "string" ? payload : (payload?.message ?? "The function raised an ActionError"));
    this.name = "ActionError";
    this.type = "action_script_runtime_error";
    if (payload === undefined || payload === null) this.payload = {};
    else if (typeof payload !== "object" || Array.isArray(payload)) this.payload = { message: payload };
    else this.payload = payload;
  }
}

/** An error with a code that the platform itself understands. */
class SdkError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "SdkError";
    this.type = code;
    this.code = code;
  }
}
Object.assign(shared, { ActionError, SdkError });

/** `value` if it is JSON of at most `budget` bytes, else what fits of it. */
const fitting = (value, budget) => use("failure").fitting(value, budget);
Object.assign(shared, { fitting, PAYLOAD_BYTES });

const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function fail(error) {
  if (ended) return;
  ended = true;
  relax();
  let told;
  try {
    told = stringify(use("failure").failure(error, file));
  } catch {
    told = undefined;
  }
  finish(false, told ?? '{"type":"script_internal_error","message":"the function threw something that cannot be read","payload":{"name":"Error","message":"unreadable","stacktrace":[]},"status":500}');
}

// ---------------------------------------------------------------- the way to the host

function abortIfCancelled() {
  if (cancelled()) throw new SdkError("script_aborted", "The run was cancelled");
}

/** Begins a call: `begin(id)` hands it to Rust. The promise settles when the host answers. */
function request(begin) {
  return new Promise((resolve, reject) => {
    abortIfCancelled();
    const entry = { begin, resolve, reject };
    if (queued.length > 0 || waiting.size >= MOST_CALLS) queued.push(entry);
    else launch(entry);
  });
}

/** Hands a call to Rust, or keeps it until others are answered if Rust says that too much is on its way. */
function launch(entry) {
  const id = ++lastCall;
  waiting.set(id, entry);
  try {
    if (entry.begin(id) !== false) return true;
    waiting.delete(id);
    queued.unshift(entry);
  } catch (error) {
    waiting.delete(id);
    entry.reject(error);
  }
  return false;
}

/** Calls the host with a call that is only JSON. */
shared.host = (call, fields) => {
  const text = stringify(fields === undefined ? call : { [call]: fields });
  return request((id) => callHost(id, text));
};
shared.hostProxy = (call, mode, kind, body) => request((id) => callProxy(id, stringify(call), mode, kind, body));
shared.hostFetch = (call, body) => request((id) => callFetch(id, stringify(call), body));

/** Hands records over, in calls of as many as the host takes. */
shared.hostRecords = async (operation, model, records, whole) => {
  for (let start = 0; start < records.length; start += RECORDS_PER_CALL) {
    const some = records.length <= RECORDS_PER_CALL ? records : records.slice(start, start + RECORDS_PER_CALL);
    await request((id) => callRecords(id, operation, model, some, whole));
    while (hasRejected()) await request((id) => callReject(id));
  }
};

/** Rust: the host answered call `id`. */
function deliver(id, failed, value) {
  const entry = waiting.get(id);
  if (!entry) return;
  waiting.delete(id);
  // An answered call may make room for several that are smaller, and one that cannot be sent makes room for the next.
  for (let left = queued.length; left > 0 && queued.length > 0 && waiting.size < MOST_CALLS; left--) {
    if (!launch(queued.shift()) && waiting.size > 0) break;
  }
  if (queued.length === 0) drained?.();
  if (failed) entry.reject(shared.use("http").fromHost(value));
  else entry.resolve(value);
}

// ---------------------------------------------------------------- timers

const timers = new Map();
let lastTimer = 0;

class Timeout {
  constructor(id) {
    Object.defineProperty(this, "id", { value: id });
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return timers.has(this.id);
  }
  close() {
    timers.delete(this.id);
    return this;
  }
  [Symbol.toPrimitive]() {
    return this.id;
  }
}

function notCallable() {
  const error = new TypeError('The "callback" argument must be of type function');
  error.code = "ERR_INVALID_ARG_TYPE";
  return error;
}

function schedule(callback, delay, repeat, parameters) {
  if (typeof callback !== "function") throw notCallable();
  if (timers.size >= MOST_TIMERS) throw new RangeError(`A run may have at most ${MOST_TIMERS} timers at a time`);
  const number = Number(delay);
  const wait = number >= 1 && number <= 2_147_483_647 ? Math.trunc(number) : 1;
  const id = ++lastTimer;
  timers.set(id, { callback, wait, repeat, parameters });
  setTimer(id, wait);
  return new Timeout(id);
}

const unschedule = (timer) => {
  timers.delete(typeof timer === "object" && timer !== null ? timer.id : Number(timer));
};

/** Rust: timer `id` is due. */
function fire(id) {
  const timer = timers.get(id);
  if (!timer) return;
  if (timer.repeat) setTimer(id, timer.wait);
  else timers.delete(id);
  try {
    timer.callback.apply(undefined, timer.parameters);
  } catch (error) {
    fail(error);
  }
}

// ---------------------------------------------------------------- globals

function define(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

/** A global that is loaded when first touched: most functions touch few. */
function defineLazy(name, from, key = name) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    enumerable: false,
    get() {
      const value = use(from)[key];
      define(name, value);
      return value;
    },
    set(value) {
      define(name, value);
    },
  });
}

for (const name of ["SharedArrayBuffer", "Atomics", "WebAssembly"]) delete globalThis[name];
// The engine would hand the functions on the stack to it, ours among them.
Object.defineProperty(Error, "prepareStackTrace", { value: undefined, writable: true, configurable: true });
define("setTimeout", (callback, delay, ...parameters) => schedule(callback, delay, false, parameters));
define("setInterval", (callback, delay, ...parameters) => schedule(callback, delay, true, parameters));
define("setImmediate", (callback, ...parameters) => schedule(callback, 1, false, parameters));
for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) define(name, unschedule);
define("queueMicrotask", (callback) => {
  if (typeof callback !== "function") throw notCallable();
  Promise.resolve().then(callback).catch(fail);
});
defineLazy("Buffer", "buffer");
for (const name of ["URL", "URLSearchParams"]) defineLazy(name, "url");
for (const name of ["TextEncoder", "TextDecoder", "FormData", "Blob", "File", "Headers", "Response", "ReadableStream", "AbortController", "AbortSignal", "Event", "EventTarget", "DOMException", "structuredClone", "atob", "btoa"]) {
  defineLazy(name, "web");
}

defineLazy("performance", "web");
defineLazy("Intl", "intl");
defineLazy("crypto", "crypto", "webcrypto");

// The engine knows no places: it would write every number and date in one form, whatever is asked for.
function placed(prototype, methods) {
  for (const name of Object.keys(methods)) {
    Object.defineProperty(prototype, name, { value: methods[name], writable: true, configurable: true, enumerable: false });
  }
}
placed(Number.prototype, {
  toLocaleString(locales, options) {
    return use("intl").number(Number(this), locales, options);
  },
});
placed(BigInt.prototype, {
  toLocaleString(locales, options) {
    return use("intl").number(BigInt(this), locales, options);
  },
});
placed(Date.prototype, {
  toLocaleString(locales, options) {
    return use("intl").date(this, locales, options, "all");
  },
  toLocaleDateString(locales, options) {
    return use("intl").date(this, locales, options, "day");
  },
  toLocaleTimeString(locales, options) {
    return use("intl").date(this, locales, options, "time");
  },
});
placed(String.prototype, {
  localeCompare(other, locales, options) {
    const [left, right] = [String(this), String(other)];
    // The most common case needs no rules.
    if (locales === undefined && options === undefined && /^[0-9a-z]*$/.test(left) && /^[0-9a-z]*$/.test(right)) return left < right ? -1 : left > right ? 1 : 0;
    return use("intl").compare(left, right, locales, options);
  },
  toLocaleLowerCase(locales) {
    return locales === undefined ? this.toLowerCase() : use("intl").lowered(locales, String(this), false);
  },
  toLocaleUpperCase(locales) {
    return locales === undefined ? this.toUpperCase() : use("intl").lowered(locales, String(this), true);
  },
});

// ---------------------------------------------------------------- the run

function stopClock(instant) {
  const RealDate = Date;
  class FrozenDate extends RealDate {
    constructor(...parts) {
      if (parts.length === 0) super(instant);
      else super(...parts);
    }
    static now() {
      return instant;
    }
  }
  Object.defineProperty(FrozenDate, "name", { value: "Date" });
  define("Date", FrozenDate);
}

function inspect(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function installConsole(context) {
  const write = (...parts) => {
    if (context.log_level !== "debug" || context.replay) return;
    const message = parts.map(inspect).join(" ").slice(0, PAYLOAD_BYTES / 4);
    shared.host("Log", { level: "debug", message: message.toWellFormed(), payload: null }).catch(() => {});
  };
  const console = {};
  for (const name of ["log", "debug", "info", "warn", "error", "trace", "dir", "table", "group", "groupCollapsed", "assert"]) console[name] = write;
  for (const name of ["groupEnd", "time", "timeEnd", "timeLog", "count", "countReset", "clear"]) console[name] = () => {};
  define("console", console);
}

/** Chooses the function behind the door that is entered, and what it is called with. */
function chosen(exports, door, nango, input, replay) {
  const main = exports?.default;
  if (door === "webhook") {
    const hook = isRecord(main) ? main.onWebhook : exports?.onWebhookPayloadReceived;
    if (typeof hook !== "function") throw new Error("The function has no onWebhook to receive this webhook");
    return () => hook.call(main, nango, input);
  }
  if (isRecord(main)) {
    if (typeof main.exec !== "function") throw new Error("The function has no exec");
    // A recorded test hands over what was recorded, a real call never less than an object.
    const given = input || replay ? (input ?? undefined) : {};
    return door === "action" ? () => main.exec(nango, given) : () => main.exec(nango);
  }
  if (typeof main !== "function") throw new Error("The bundle has no default export that can be run");
  const empty = isRecord(input) && Object.keys(input).length === 0;
  return door === "action" ? () => main(nango, !input || empty ? undefined : input) : () => main(nango);
}

/** Rust: begins the run. `code` is the bundle, compiled; `door` is `sync`, `action`, `webhook` or `on-event`. */
async function start(contextText, door, input, code, outputBytes) {
  try {
    const context = JSON.parse(contextText);
    file = `${context.function}.js`;
    if (context.frozen_time_ms !== null && context.frozen_time_ms !== undefined) stopClock(context.frozen_time_ms);
    installConsole(context);
    const nango = use(context.replay ? "replay" : "nango").create(context, door);
    const module = { exports: {} };
    code.call(module.exports, module.exports, require, module);
    const output = await chosen(module.exports, door, nango, input, context.replay)();
    // Calls that nobody awaited still go out.
    if (queued.length > 0) await new Promise((resolve) => (drained = resolve));
    if (ended) return;
    const text = door === "action" ? (stringify(output) ?? "null") : "null";
    const size = native.utf8Length(text);
    if (size > outputBytes) {
      ended = true;
      const message = `The output of ${size} bytes is larger than the ${outputBytes} bytes allowed`;
      finish(false, stringify({ type: "action_script_failure", message, payload: { name: "Error", message, stacktrace: [] }, status: 500 }));
      return;
    }
    ended = true;
    finish(true, text);
  } catch (error) {
    fail(error);
  }
}

/** Rust: loads a module ahead of the run. */
const warm = (name) => {
  use(name);
};

return { start, deliver, fire, warm };
