// How a run failed, in the words of its caller (functions.md, section 3). Loaded where one fails, or writes a log line.
"use strict";

const { stringify, utf8Length, refusal, ActionError, SdkError, PAYLOAD_BYTES } = shared;

const MOST_DEPTH = 64;

/** Plain data out of anything, at most about `budget` bytes of JSON. */
function shrink(value, budget) {
  const left = { bytes: budget };
  const seen = new Set();
  const copy = (item, depth) => {
    if (typeof item === "bigint") item = String(item);
    if (typeof item === "string") {
      const room = Math.max(0, left.bytes - 2);
      // A character takes up to six bytes of JSON; only texts near the edge are measured.
      let text = item;
      if (item.length * 6 > room) {
        text = item.slice(0, room);
        while (text && utf8Length(stringify(text)) > room + 2) text = text.slice(0, Math.floor(text.length * 0.8));
      }
      left.bytes -= utf8Length(stringify(text));
      return text;
    }
    if (item === null || typeof item === "number" || typeof item === "boolean") {
      left.bytes -= 8;
      return item;
    }
    if (typeof item !== "object") return undefined;
    if (seen.has(item)) return "[Circular]";
    if (depth > MOST_DEPTH) return "[Too deep]";
    if (typeof item.toJSON === "function") {
      const plain = item.toJSON();
      if (typeof plain !== "object" || plain === null) return copy(plain, depth + 1);
      item = plain;
    }
    seen.add(item);
    left.bytes -= 2;
    let result;
    if (Array.isArray(item)) {
      result = [];
      for (const one of item) {
        if (left.bytes <= 0) break;
        left.bytes -= 1;
        const plain = copy(one, depth + 1);
        result.push(plain === undefined ? null : plain);
      }
    } else {
      result = {};
      for (const key of Object.keys(item)) {
        if (left.bytes <= key.length + 4) break;
        left.bytes -= utf8Length(stringify(key)) + 2;
        const plain = copy(item[key], depth + 1);
        if (plain !== undefined) Object.defineProperty(result, key, { value: plain, enumerable: true, writable: true, configurable: true });
      }
    }
    seen.delete(item);
    return result;
  };
  return copy(value, 0);
}

/** Whether `value` is nested deeper than Rust reads. */
function isDeep(value, left = MOST_DEPTH) {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  return Object.values(value).some((item) => isDeep(item, left - 1));
}

/** `value` if it is JSON of at most `budget` bytes, else what fits of it. */
function fitting(value, budget) {
  try {
    const text = isDeep(value) ? undefined : stringify(value);
    if (text !== undefined && text.length * 3 <= budget) return value;
    if (text !== undefined && utf8Length(text) <= budget) return value;
  } catch {
    // Circular or with a BigInt: copied piece by piece below.
  }
  try {
    return shrink(value, budget) ?? null;
  } catch {
    return null;
  }
}

const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Lines of a stack that lie in the function's own code. */
function ownLines(stack, file) {
  if (typeof stack !== "string") return [];
  return stack
    .slice(0, 100_000)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && line.includes(`${file}:`))
    .slice(0, 10);
}

function described(error, file) {
  let shown = error;
  if (!(error instanceof Error)) {
    let text;
    try {
      text = stringify(error);
    } catch {
      // Falls through to String().
    }
    shown = { name: "Error", message: text ?? String(error), stack: "" };
  }
  const payload = { name: cut(shown.name), message: cut(shown.message), stacktrace: ownLines(shown.stack, file) };
  const code = shown.code;
  if (typeof code === "string" || typeof code === "number") payload.code = cut(code);
  return payload;
}

const cut = (text) => String(text ?? "").slice(0, 10_000);

/** What a thrown value means to the caller (functions.md, section 3). */
function failure(error, file) {
  if (error instanceof ActionError) {
    const payload = fitting(error.payload, PAYLOAD_BYTES);
    return { type: error.type, message: cut(payload?.message ?? error.message), payload, status: 500 };
  }
  if (error instanceof SdkError) {
    return { type: cut(error.code), message: cut(error.message), payload: described(error, file), status: 500 };
  }
  if (isRecord(error) && error.isAxiosError === true) return httpFailure(error, file);
  // The engine throws null where not even the error for a full heap fits into it.
  if ((error instanceof Error && error.name === "InternalError" && error.message === "out of memory") || (error === null && refusal())) {
    return { type: "script_out_of_memory", message: refusal() ?? "the function used more memory than it may", payload: described(error, file), status: 500 };
  }
  const payload = described(error, file);
  return { type: "script_internal_error", message: payload.message, payload, status: 500 };
}

function httpFailure(error, file) {
  const response = error.response;
  if (!isRecord(response)) {
    const payload = described(error, file);
    return { type: "script_network_error", message: payload.message, payload, status: 500 };
  }
  const data = response.data;
  const body = fitting(isRecord(data) || Array.isArray(data) ? data : { message: data ?? "" }, 1024 * 1024);
  let payload = body;
  if (isRecord(data) && Object.hasOwn(data, "payload")) {
    payload = fitting(isRecord(data.payload) || Array.isArray(data.payload) ? data.payload : { message: data.payload }, 1024 * 1024);
  }
  const limited = response.status === 429 && error.ownApi === true;
  const headers = {};
  for (const name of Object.keys(response.headers ?? {})) {
    const lower = name.toLowerCase();
    if (lower === "content-type" || lower.startsWith("x-rate")) headers[lower] = response.headers[name];
  }
  return {
    type: limited ? "script_api_rate_limit_error" : "script_http_error",
    message: cut(error.message),
    payload,
    status: limited ? 424 : response.status,
    additional_properties: { upstream_response: { status: response.status, headers, body } },
  };
}

exports.fitting = fitting;
exports.failure = failure;
