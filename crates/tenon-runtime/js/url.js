// `URL` and `URLSearchParams`; parsing is done in Rust by the WHATWG rules.
"use strict";

const { native } = shared;
const PARTS = ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash", "origin"];

const escaped = { "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E", "%20": "+" };
const formEncode = (text) => encodeURIComponent(text.toWellFormed()).replace(/[!'()~]|%20/g, (found) => escaped[found]);

function parseQuery(text) {
  const pairs = [];
  for (const part of text.split("&")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    const [name, value] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
    pairs.push([native.formDecode(name), native.formDecode(value)]);
  }
  return pairs;
}

class URLSearchParams {
  #pairs = [];
  #changed;

  constructor(init = "", changed) {
    if (typeof init === "object" && init !== null) {
      if (typeof init[Symbol.iterator] === "function") {
        for (const pair of init) {
          const [name, value] = [...pair];
          this.#pairs.push([String(name), String(value)]);
        }
      } else {
        for (const name of Object.keys(init)) this.#pairs.push([name, String(init[name])]);
      }
    } else {
      const text = String(init);
      this.#pairs = parseQuery(text.startsWith("?") ? text.slice(1) : text);
    }
    this.#changed = changed;
  }

  #tell() {
    this.#changed?.(this.toString());
  }

  get size() {
    return this.#pairs.length;
  }
  append(name, value) {
    this.#pairs.push([String(name), String(value)]);
    this.#tell();
  }
  delete(name, value) {
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== String(name) || (value !== undefined && pair[1] !== String(value)));
    this.#tell();
  }
  get(name) {
    return this.#pairs.find((pair) => pair[0] === String(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#pairs.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]);
  }
  has(name, value) {
    return this.#pairs.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value)));
  }
  set(name, value) {
    const first = this.#pairs.find((pair) => pair[0] === String(name));
    if (first) {
      first[1] = String(value);
      this.#pairs = this.#pairs.filter((pair) => pair === first || pair[0] !== String(name));
    } else {
      this.#pairs.push([String(name), String(value)]);
    }
    this.#tell();
  }
  sort() {
    this.#pairs.sort((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0));
    this.#tell();
  }
  forEach(callback, self) {
    for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
  }
  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }
  *keys() {
    for (const [name] of this.#pairs) yield name;
  }
  *values() {
    for (const [, value] of this.#pairs) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  toString() {
    return this.#pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join("&");
  }
  get [Symbol.toStringTag]() {
    return "URLSearchParams";
  }
}

function invalid(input) {
  const error = new TypeError("Invalid URL");
  error.code = "ERR_INVALID_URL";
  error.input = input;
  return error;
}

class URL {
  #parts;
  #query;

  constructor(input, base) {
    const parts = native.parseUrl(String(input), base === undefined ? undefined : String(base));
    if (!parts) throw invalid(String(input));
    this.#parts = parts;
  }

  static canParse(input, base) {
    return Boolean(native.parseUrl(String(input), base === undefined ? undefined : String(base)));
  }
  static parse(input, base) {
    return URL.canParse(input, base) ? new URL(input, base) : null;
  }

  get searchParams() {
    this.#query ??= new URLSearchParams(this.search, (text) => {
      this.#parts = native.setUrl(this.#parts[0], "search", text) ?? this.#parts;
    });
    return this.#query;
  }
  toString() {
    return this.#parts[0];
  }
  toJSON() {
    return this.#parts[0];
  }

  static {
    PARTS.forEach((name, index) => {
      const accessor = {
        configurable: true,
        enumerable: true,
        get() {
          return this.#parts[index];
        },
      };
      if (name !== "origin") {
        accessor.set = function (value) {
          const parts = name === "href" ? native.parseUrl(String(value), undefined) : native.setUrl(this.#parts[0], name, String(value));
          if (!parts && name === "href") throw invalid(String(value));
          if (parts) this.#parts = parts;
          if (name === "href" || name === "search") this.#query = undefined;
        };
      }
      Object.defineProperty(URL.prototype, name, accessor);
    });
    Object.defineProperty(URL.prototype, Symbol.toStringTag, { value: "URL", configurable: true });
  }
}

/** The old `url.parse`: lenient, and plain data. */
function parse(input, withQuery = false) {
  const text = String(input).trim();
  const absolute = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const parsed = absolute ? new URL(text) : new URL(text, "http://relative.invalid");
  const auth = parsed.username ? decodeURIComponent(parsed.password ? `${parsed.username}:${parsed.password}` : parsed.username) : null;
  const query = parsed.search ? parsed.search.slice(1) : null;
  return {
    protocol: absolute ? parsed.protocol : null,
    slashes: absolute || null,
    auth: absolute ? auth : null,
    host: absolute ? parsed.host : null,
    port: absolute ? parsed.port || null : null,
    hostname: absolute ? parsed.hostname : null,
    hash: parsed.hash || null,
    search: parsed.search || (withQuery ? "" : null),
    query: withQuery ? Object.fromEntries(new URLSearchParams(query ?? "")) : query,
    pathname: parsed.pathname,
    path: parsed.pathname + parsed.search,
    href: absolute ? parsed.href : text,
  };
}

function format(value) {
  if (typeof value === "string") return parse(value).href;
  if (value instanceof URL) return value.href;
  const protocol = value.protocol ? value.protocol.replace(/:?$/, ":") : "";
  const host = value.host ?? (value.hostname ? value.hostname + (value.port ? `:${value.port}` : "") : "");
  const auth = value.auth ? `${encodeURIComponent(value.auth).replace("%3A", ":")}@` : "";
  const query = value.query && typeof value.query === "object" ? new URLSearchParams(value.query).toString() : "";
  const search = value.search ?? (query && `?${query}`);
  const path = value.pathname ?? "";
  return `${protocol}${host ? "//" : ""}${auth}${host}${host && path && !path.startsWith("/") ? "/" : ""}${path}${search && !search.startsWith("?") ? "?" : ""}${search}${value.hash ?? ""}`;
}

const resolve = (from, to) => {
  const base = new URL(from, "resolve://");
  const joined = new URL(to, base);
  return joined.protocol === "resolve:" ? joined.pathname + joined.search + joined.hash : joined.href;
};

Object.assign(exports, { URL, URLSearchParams, parse, format, resolve });
exports.default = exports;
