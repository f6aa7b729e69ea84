// Web globals that functions use: text coding, forms, headers, responses, aborting, cloning.
"use strict";

const { native } = shared;
const { Buffer, bytesOf } = require("buffer");
const { ReadableStream } = require("body");

class DOMException extends Error {
  constructor(message = "", name = "Error") {
    super(message);
    this.name = name;
  }
}

class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return native.decode(String(text), "utf8");
  }
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text)) {
      const bytes = native.decode(character, "utf8");
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

const LABELS = { utf8: "utf8", "utf-8": "utf8", "unicode-1-1-utf-8": "utf8", latin1: "latin1", "iso-8859-1": "latin1", ascii: "latin1", "us-ascii": "latin1", "windows-1252": "latin1", "utf-16le": "utf16le", "utf-16": "utf16le" };

class TextDecoder {
  #encoding;
  #fatal;
  #keepMark;
  #rest = new Uint8Array(0);

  constructor(label = "utf-8", options = {}) {
    const key = String(label).trim().toLowerCase();
    if (!Object.hasOwn(LABELS, key)) throw new RangeError(`The "${label}" encoding is not supported`);
    this.#encoding = LABELS[key];
    this.#fatal = Boolean(options.fatal);
    this.#keepMark = Boolean(options.ignoreBOM);
  }
  get encoding() {
    return { utf8: "utf-8", latin1: "windows-1252", utf16le: "utf-16le" }[this.#encoding];
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#keepMark;
  }
  decode(input, options = {}) {
    let bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (this.#rest.length > 0) bytes = Buffer.concat([this.#rest, bytes]);
    let end = bytes.length;
    if (options.stream && this.#encoding === "utf8") end -= unfinished(bytes);
    this.#rest = options.stream ? bytes.slice(end) : new Uint8Array(0);
    const part = bytes.subarray(0, end);
    if (this.#fatal && this.#encoding === "utf8" && !native.isUtf8(part)) throw new TypeError("The encoded data was not valid for encoding utf-8");
    const text = native.encode(part, this.#encoding);
    return !this.#keepMark && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

/** How many bytes at the end begin a character that is not complete. */
function unfinished(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

class Blob {
  #bytes;
  constructor(parts = [], options = {}) {
    this.#bytes = Buffer.concat([...parts].map((part) => (part instanceof Blob ? part.contents() : bytesOf(typeof part === "object" ? part : String(part)))));
    this.type = String(options.type ?? "").toLowerCase();
  }
  get size() {
    return this.#bytes.length;
  }
  /** The bytes, at once: nothing here is asynchronous. */
  contents() {
    return this.#bytes;
  }
  slice(start, end, type = "") {
    return new Blob([this.#bytes.subarray(start, end)], { type });
  }
  async arrayBuffer() {
    return Uint8Array.from(this.#bytes).buffer;
  }
  async bytes() {
    return Uint8Array.from(this.#bytes);
  }
  async text() {
    return this.#bytes.toString("utf8");
  }
  get [Symbol.toStringTag]() {
    return "Blob";
  }
}

class File extends Blob {
  constructor(parts, name, options = {}) {
    super(parts, options);
    this.name = String(name);
    this.lastModified = options.lastModified ?? Date.now();
  }
  get [Symbol.toStringTag]() {
    return "File";
  }
}

const quoted = (name) => String(name).replace(/\r\n?|\n/g, "%0D%0A").replace(/"/g, "%22");

class FormData {
  #entries = [];

  append(name, value, filename) {
    this.#entries.push([String(name), this.#stored(value, filename)]);
  }
  #stored(value, filename) {
    if (value instanceof Blob) return filename === undefined && value instanceof File ? value : new File([value], filename ?? value.name ?? "blob", { type: value.type });
    if (value instanceof Uint8Array) return new File([value], nameOf(filename) ?? "blob", { type: filename?.contentType ?? "application/octet-stream" });
    return String(value);
  }
  delete(name) {
    this.#entries = this.#entries.filter((entry) => entry[0] !== String(name));
  }
  get(name) {
    return this.#entries.find((entry) => entry[0] === String(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#entries.filter((entry) => entry[0] === String(name)).map((entry) => entry[1]);
  }
  has(name) {
    return this.#entries.some((entry) => entry[0] === String(name));
  }
  set(name, value, filename) {
    const at = this.#entries.findIndex((entry) => entry[0] === String(name));
    if (at < 0) {
      this.append(name, value, filename);
      return;
    }
    this.#entries[at][1] = this.#stored(value, filename);
    this.#entries = this.#entries.filter((entry, index) => index <= at || entry[0] !== String(name));
  }
  forEach(callback, self) {
    for (const [name, value] of this.#entries) callback.call(self, value, name, this);
  }
  *entries() {
    for (const [name, value] of this.#entries) yield [name, value];
  }
  *keys() {
    for (const [name] of this.#entries) yield name;
  }
  *values() {
    for (const [, value] of this.#entries) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  /** The multipart body and its content type. */
  encode() {
    const boundary = `----tenon${native.encode(native.random(16), "hex")}`;
    const parts = [];
    for (const [name, value] of this.#entries) {
      let head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
      if (value instanceof Blob) head += `; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}`;
      parts.push(Buffer.from(`${head}\r\n\r\n`), value instanceof Blob ? value.contents() : Buffer.from(value), Buffer.from("\r\n"));
    }
    parts.push(Buffer.from(`--${boundary}--\r\n`));
    return { bytes: Buffer.concat(parts), type: `multipart/form-data; boundary=${boundary}` };
  }
  get [Symbol.toStringTag]() {
    return "FormData";
  }
}

const nameOf = (given) => (typeof given === "object" && given !== null ? given.filename : given);

class Headers {
  #pairs = new Map();

  constructor(init) {
    if (init === undefined || init === null) return;
    const entries = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of entries) this.append(name, value);
  }
  static #name(name) {
    const key = String(name).toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(key)) throw new TypeError(`Headers: ${name} is an invalid header name.`);
    return key;
  }
  append(name, value) {
    const key = Headers.#name(name);
    const known = this.#pairs.get(key) ?? [];
    known.push(String(value).trim());
    this.#pairs.set(key, known);
  }
  set(name, value) {
    this.#pairs.set(Headers.#name(name), [String(value).trim()]);
  }
  get(name) {
    return this.#pairs.get(Headers.#name(name))?.join(", ") ?? null;
  }
  getSetCookie() {
    return [...(this.#pairs.get("set-cookie") ?? [])];
  }
  has(name) {
    return this.#pairs.has(Headers.#name(name));
  }
  delete(name) {
    this.#pairs.delete(Headers.#name(name));
  }
  forEach(callback, self) {
    for (const [name, value] of this.entries()) callback.call(self, value, name, this);
  }
  *entries() {
    for (const name of [...this.#pairs.keys()].sort()) {
      if (name === "set-cookie") for (const value of this.#pairs.get(name)) yield [name, value];
      else yield [name, this.#pairs.get(name).join(", ")];
    }
  }
  *keys() {
    for (const [name] of this.entries()) yield name;
  }
  *values() {
    for (const [, value] of this.entries()) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return "Headers";
  }
}

class Response {
  #bytes;
  #used = false;
  #body = null;

  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    return new Response(text, { ...init, headers });
  }

  constructor(body, init = {}) {
    if (body !== undefined && body !== null) this.#body = new ReadableStream(() => this.#take());
    this.#bytes = body === undefined || body === null ? new Uint8Array(0) : bytesOf(typeof body === "object" ? body : String(body));
    this.status = init.status ?? 200;
    this.statusText = init.statusText ?? "";
    this.headers = new Headers(init.headers);
    this.url = init.url ?? "";
    this.redirected = Boolean(init.redirected);
    this.type = "default";
  }
  get body() {
    return this.#body;
  }
  get ok() {
    return this.status >= 200 && this.status <= 299;
  }
  get bodyUsed() {
    return this.#used;
  }
  #take() {
    if (this.#used) throw new TypeError("Body is unusable: Body has already been read");
    this.#used = true;
    return this.#bytes;
  }
  async bytes() {
    return Uint8Array.from(this.#take());
  }
  async arrayBuffer() {
    return Uint8Array.from(this.#take()).buffer;
  }
  async text() {
    return new TextDecoder().decode(this.#take());
  }
  async json() {
    return JSON.parse(new TextDecoder().decode(this.#take()));
  }
  async blob() {
    return new Blob([this.#take()], { type: this.headers.get("content-type") ?? "" });
  }
  clone() {
    if (this.#used) throw new TypeError("Response.clone: Body has already been consumed.");
    const copy = { status: this.status, statusText: this.statusText, headers: this.headers, url: this.url, redirected: this.redirected };
    return new Response(this.#body && this.#bytes, copy);
  }
  async formData() {
    const type = this.headers.get("content-type") ?? "";
    if (!type.startsWith("application/x-www-form-urlencoded")) throw new TypeError("Only forms of application/x-www-form-urlencoded can be read here");
    const form = new FormData();
    for (const [name, value] of new URLSearchParams(await this.text())) form.append(name, value);
    return form;
  }
  get [Symbol.toStringTag]() {
    return "Response";
  }
}

class Event {
  constructor(type, options = {}) {
    this.type = String(type);
    this.cancelable = Boolean(options.cancelable);
    this.defaultPrevented = false;
    this.target = null;
  }
  preventDefault() {
    this.defaultPrevented = this.cancelable;
  }
}

class EventTarget {
  #listeners = new Map();
  addEventListener(type, listener, options) {
    const list = this.#listeners.get(type) ?? [];
    if (listener && !list.some((entry) => entry.listener === listener)) list.push({ listener, once: Boolean(options?.once) });
    this.#listeners.set(type, list);
  }
  removeEventListener(type, listener) {
    this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((entry) => entry.listener !== listener));
  }
  dispatchEvent(event) {
    event.target = this;
    for (const { listener, once } of [...(this.#listeners.get(event.type) ?? [])]) {
      if (once) this.removeEventListener(event.type, listener);
      if (typeof listener === "function") listener.call(this, event);
      else listener.handleEvent(event);
    }
    return !event.defaultPrevented;
  }
}

class AbortSignal extends EventTarget {
  aborted = false;
  reason = undefined;
  onabort = null;

  static abort(reason) {
    const controller = new AbortController();
    controller.abort(reason);
    return controller.signal;
  }
  static timeout(wait) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")), wait);
    return controller.signal;
  }
  static any(signals) {
    const controller = new AbortController();
    for (const signal of signals) {
      if (signal.aborted) controller.abort(signal.reason);
      else signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
    }
    return controller.signal;
  }
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
}

class AbortController {
  signal = new AbortSignal();
  abort(reason = new DOMException("This operation was aborted", "AbortError")) {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.reason = reason;
    const event = new Event("abort");
    this.signal.onabort?.(event);
    this.signal.dispatchEvent(event);
  }
}

function structuredClone(value) {
  const done = new Map();
  const refuse = (item) => {
    throw new DOMException(`${String(typeof item)} could not be cloned.`, "DataCloneError");
  };
  const clone = (item) => {
    if (typeof item === "function" || typeof item === "symbol") refuse(item);
    if (typeof item !== "object" || item === null) return item;
    if (done.has(item)) return done.get(item);
    const keep = (copy) => {
      done.set(item, copy);
      return copy;
    };
    if (item instanceof Date) return keep(new Date(item.getTime()));
    if (item instanceof RegExp) return keep(new RegExp(item.source, item.flags));
    if (item instanceof ArrayBuffer) return keep(item.slice(0));
    if (item instanceof DataView) return keep(new DataView(clone(item.buffer), item.byteOffset, item.byteLength));
    if (ArrayBuffer.isView(item)) return keep(new (item instanceof Buffer ? Uint8Array : item.constructor)(item));
    if (item instanceof Map) {
      const copy = keep(new Map());
      for (const [key, entry] of item) copy.set(clone(key), clone(entry));
      return copy;
    }
    if (item instanceof Set) {
      const copy = keep(new Set());
      for (const entry of item) copy.add(clone(entry));
      return copy;
    }
    if (item instanceof Error) {
      const copy = keep(new Error(item.message));
      copy.name = item.name;
      copy.stack = item.stack;
      return copy;
    }
    if (item instanceof Promise || item instanceof WeakMap || item instanceof WeakSet) refuse(item);
    const copy = keep(Array.isArray(item) ? new Array(item.length) : {});
    for (const key of Object.keys(item)) {
      Object.defineProperty(copy, key, { value: clone(item[key]), enumerable: true, writable: true, configurable: true });
    }
    return copy;
  };
  return clone(value);
}

function badCharacter() {
  return new DOMException("The string contains an invalid character", "InvalidCharacterError");
}

function btoa(value) {
  const text = String(value);
  if (/[^\u0000-\u00ff]/.test(text)) throw badCharacter();
  return native.encode(native.decode(text, "latin1"), "base64");
}

function atob(value) {
  const text = String(value).replace(/[\t\n\f\r ]/g, "");
  const bare = text.length % 4 === 0 ? text.replace(/={1,2}$/, "") : text;
  if (bare.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(bare)) throw badCharacter();
  return native.encode(native.decode(bare, "base64"), "latin1");
}

const began = Date.now();
const performance = { timeOrigin: began, now: () => Date.now() - began };

Object.assign(exports, { performance, ReadableStream, DOMException, TextEncoder, TextDecoder, Blob, File, FormData, Headers, Response, Event, EventTarget, AbortSignal, AbortController, structuredClone, atob, btoa });
