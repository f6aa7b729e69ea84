// Requests through the host and their Axios-shaped answers (functions.md, 2.2 and 2.4).
"use strict";

const isObject = (value) => typeof value === "object" && value !== null;

/** Response headers: plain lower-case keys, with the accessors that Axios has. */
class ResponseHeaders {
  get(name) {
    const key = String(name).toLowerCase();
    return Object.hasOwn(this, key) ? this[key] : undefined;
  }
  has(name) {
    return this.get(name) !== undefined;
  }
  toJSON() {
    return { ...this };
  }
}

function headersFrom(pairs) {
  const headers = new ResponseHeaders();
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    const known = Object.hasOwn(headers, key) ? headers[key] : undefined;
    const joined = key === "set-cookie" ? [...(known ?? []), value] : known === undefined ? value : `${known}, ${value}`;
    Object.defineProperty(headers, key, { value: joined, enumerable: true, writable: true, configurable: true });
  }
  return headers;
}

class AxiosError extends Error {
  constructor(message, code, config, response) {
    super(message);
    this.name = "AxiosError";
    this.isAxiosError = true;
    this.code = code;
    this.config = config ?? {};
    this.request = {};
    if (response) {
      this.response = response;
      this.status = response.status;
    }
  }
  toJSON() {
    return { message: this.message, name: this.name, code: this.code, config: this.config, status: this.status ?? null, stack: this.stack };
  }
}

/** The exception for a call that the host refused. `reply` is `{kind, code, message, response?}`. */
function fromHost(reply, config) {
  if (reply.kind === "Action") return new shared.ActionError({ code: reply.code, message: reply.message });
  if (reply.kind === "Sdk") return new shared.SdkError(reply.code, reply.message);
  if (reply.kind === "Http") {
    if (!reply.response) return new AxiosError(reply.message, reply.code, config);
    const error = statusError(responseFrom(reply.response, config));
    // Only our own API answers a call that is not a request of the function.
    if (!config) Object.defineProperty(error, "ownApi", { value: true });
    return error;
  }
  const error = new Error(reply.message);
  if (reply.code) error.code = reply.code;
  return error;
}

function responseFrom(reply, config, data = reply.data) {
  return {
    data,
    status: reply.status,
    statusText: reply.statusText,
    headers: headersFrom(reply.headers),
    config: config ?? {},
    request: {},
  };
}

function statusError(response) {
  const code = response.status >= 500 ? "ERR_BAD_RESPONSE" : "ERR_BAD_REQUEST";
  return new AxiosError(`Request failed with status code ${response.status}`, code, response.config, response);
}

const textList = (value) => (value === undefined || value === null ? [] : (Array.isArray(value) ? value : [value]).map(String));

function headerPairs(headers) {
  if (!isObject(headers)) return [];
  const entries = typeof headers.entries === "function" ? [...headers.entries()] : Object.entries(headers);
  const pairs = [];
  for (const [name, value] of entries) {
    if (value === undefined || value === null || typeof value === "function") continue;
    pairs.push([name, Array.isArray(value) ? value.join(", ") : String(value)]);
  }
  return pairs;
}

function paramsFrom(params) {
  if (params === undefined || params === null || params === "") return null;
  if (typeof params === "string") return { Text: params };
  if (typeof params !== "object") return null;
  // URLSearchParams and FormData iterate; a plain object has entries.
  const entries = typeof params[Symbol.iterator] === "function" && !Array.isArray(params) ? [...params] : Object.entries(params);
  const pairs = [];
  for (const [key, value] of entries) {
    if (value !== undefined) pairs.push([String(key).toWellFormed(), String(value).toWellFormed()]);
  }
  return { Pairs: pairs };
}

function appendForm(pairs, prefix, value) {
  if (value === undefined) return;
  if (value === null) pairs.push([prefix, ""]);
  else if (value instanceof Date) pairs.push([prefix, value.toISOString()]);
  else if (Array.isArray(value)) value.forEach((item, index) => appendForm(pairs, isObject(item) ? `${prefix}[${index}]` : `${prefix}[]`, item));
  else if (isObject(value)) for (const key of Object.keys(value)) appendForm(pairs, `${prefix}[${key}]`, value[key]);
  else pairs.push([prefix, String(value)]);
}

function formPairs(value) {
  const pairs = [];
  for (const key of Object.keys(value)) appendForm(pairs, key, value[key]);
  return pairs;
}

function toFormData(value) {
  const { FormData } = shared.use("web");
  const form = new FormData();
  for (const key of Object.keys(value)) {
    const item = value[key];
    if (item === undefined || item === null) continue;
    if (isObject(item) && item[Symbol.toStringTag] === "Blob") form.append(key, item);
    else for (const [name, text] of appendedTo(key, item)) form.append(name, text);
  }
  return form;
}

function appendedTo(key, item) {
  const pairs = [];
  appendForm(pairs, key, item);
  return pairs;
}

/** Body of a request: what kind Rust sends it as, the value, and the content type if the caller set none. */
function bodyFrom(data, contentType) {
  if (data === undefined || data === null) return { kind: "empty" };
  if (data instanceof Uint8Array) return { kind: "bytes", value: data };
  if (data instanceof ArrayBuffer) return { kind: "bytes", value: new Uint8Array(data) };
  if (ArrayBuffer.isView(data)) return { kind: "bytes", value: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  const tag = isObject(data) ? data[Symbol.toStringTag] : undefined;
  if (tag === "Blob" || tag === "File") return { kind: "bytes", value: data.contents(), type: data.type || undefined };
  if (tag === "FormData") return multipart(data);
  if (tag === "URLSearchParams") return { kind: "form", value: [...data], type: "application/x-www-form-urlencoded;charset=utf-8" };
  const json = contentType.includes("application/json");
  if (isObject(data)) {
    if (contentType.includes("application/x-www-form-urlencoded")) return { kind: "form", value: formPairs(data) };
    if (contentType.includes("multipart/form-data")) return multipart(toFormData(data));
    return { kind: "json", value: JSON.stringify(data), type: "application/json" };
  }
  if (json) {
    if (typeof data !== "string") return { kind: "json", value: JSON.stringify(data) ?? "null" };
    try {
      JSON.parse(data);
      return { kind: "json", value: data.trim() };
    } catch {
      return { kind: "json", value: JSON.stringify(data) };
    }
  }
  return { kind: "text", value: String(data), type: "application/x-www-form-urlencoded" };
}

function multipart(form) {
  const { bytes, type } = form.encode();
  return { kind: "bytes", value: bytes, type, replaceType: true };
}

/** In a replay the body is what the fixture's identity rule reads (functions.md, 5.3). */
function replayBody(data) {
  if (data === undefined || data === null) return { kind: "empty" };
  if (typeof data === "string") return { kind: "text", value: data };
  if (data instanceof Uint8Array) return { kind: "bytes", value: data };
  return { kind: "json", value: JSON.stringify(data) ?? "null" };
}

const MODES = { arraybuffer: "bytes", stream: "bytes", text: "text", blob: "text", document: "text" };

/** Sends one request through the host, in the words of `nango.proxy`. */
async function send(config, replay) {
  if (!isObject(config)) throw new Error("The request needs a configuration object");
  const headers = headerPairs(config.headers);
  const given = headers.find(([name]) => name.toLowerCase() === "content-type");
  const body = replay ? replayBody(config.data) : bodyFrom(config.data, (given?.[1] ?? "").toLowerCase());
  if (!replay && body.type && (!given || body.replaceType)) {
    if (given) given[1] = body.type;
    else headers.push(["Content-Type", body.type]);
  }
  const call = {
    endpoint: String(config.endpoint ?? "").toWellFormed(),
    method: String(config.method ?? "GET").toUpperCase(),
    params: paramsFrom(config.params),
    headers: headers.map(([name, value]) => [String(name).toWellFormed(), value.toWellFormed()]),
    body: "Empty",
    retries: Math.min(Math.max(Math.trunc(Number(config.retries ?? 0)) || 0, 0), 0xffff),
    retry_on: (Array.isArray(config.retryOn) ? config.retryOn : []).map(Number).filter((code) => Number.isInteger(code) && code >= 0 && code <= 999),
    retry_header: config.retryHeader ? { at: textList(config.retryHeader.at), after: textList(config.retryHeader.after) } : null,
    base_url_override: textOrNull(config.baseUrlOverride),
    decompress: booleanOrNull(config.decompress),
    forward_headers_on_redirect: booleanOrNull(config.forwardHeadersOnRedirect),
    provider_config_key: textOrNull(config.providerConfigKey),
    connection_id: textOrNull(config.connectionId),
  };
  const mode = MODES[config.responseType] ?? "json";
  const shown = { ...config, method: call.method.toLowerCase(), url: call.endpoint };
  let reply;
  try {
    reply = await shared.hostProxy(call, mode, body.kind, body.value);
  } catch (error) {
    if (error instanceof AxiosError) error.config = shown;
    throw error;
  }
  if (replay) return reply;
  if (reply.url) shown.url = reply.url;
  let data = reply.data;
  if (config.responseType === "arraybuffer") data = shared.use("buffer").Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  else if (config.responseType === "stream") data = shared.use("stream").readable(data);
  const response = responseFrom(reply, shown, data);
  if (response.status < 200 || response.status > 299) throw statusError(response);
  return response;
}

const textOrNull = (value) => (value === undefined || value === null || value === "" ? null : String(value).toWellFormed());
const booleanOrNull = (value) => (typeof value === "boolean" ? value : null);

/** `nango.uncontrolledFetch`: a plain request, answered with a web `Response`. */
async function uncontrolledFetch(options) {
  if (!isObject(options) || options.url === undefined) throw new Error("uncontrolledFetch needs a url");
  const { Response } = shared.use("web");
  const body = options.body === undefined || options.body === null ? undefined : bodyFrom(options.body, "");
  let bytes;
  if (body?.kind === "bytes") bytes = body.value;
  else if (body?.kind === "form") bytes = String(options.body);
  else if (body && body.kind !== "empty") bytes = body.value;
  const headers = headerPairs(options.headers);
  if (body?.type && body.kind !== "json" && !headers.some(([name]) => name.toLowerCase() === "content-type")) {
    headers.push(["Content-Type", body.kind === "text" ? "text/plain;charset=UTF-8" : body.type]);
  }
  const method = String(options.method ?? "GET").toUpperCase();
  const reply = await shared.hostFetch({ url: String(options.url), method, headers, body: null }, bytes);
  return new Response(reply.data, { status: reply.status, statusText: reply.statusText, headers: reply.headers, url: reply.url, redirected: reply.url !== "" && reply.url !== String(options.url) });
}

Object.assign(exports, { send, uncontrolledFetch, fromHost, AxiosError });
