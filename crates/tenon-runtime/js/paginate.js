// The three ways of paging (functions.md, 2.3): one generator for real runs and replays.
"use strict";

const { get, set } = require("paths");

const BODY_METHODS = ["POST", "PUT", "PATCH"];

/** Where the paging parameters of a call live: its body or its query. */
class Parameters {
  constructor(config, inBody) {
    this.inBody = inBody;
    const given = inBody ? config.data : config.params;
    if (typeof given === "string" && !inBody) this.values = Object.fromEntries(new URLSearchParams(given));
    else if (given?.[Symbol.toStringTag] === "URLSearchParams") this.values = Object.fromEntries(given);
    else this.values = typeof given === "object" && given !== null ? given : {};
  }
  put(name, value) {
    if (this.inBody) set(this.values, name, value);
    else this.values[name] = value;
  }
  into(config) {
    return { ...config, [this.inBody ? "data" : "params"]: this.values };
  }
}

function required(settings, name) {
  if (!settings[name]) throw new Error(`Pagination of type '${settings.type}' needs '${name}'`);
  return settings[name];
}

const pageOf = (settings, response) => (settings.response_path ? get(response.data, settings.response_path) : response.data);

async function announce(settings, nextPageParam, response) {
  if (typeof settings.on_page === "function") await settings.on_page({ nextPageParam, response });
}

async function* byCursor(config, settings, parameters, send) {
  const name = required(settings, "cursor_name_in_request");
  const path = required(settings, "cursor_path_in_response");
  let cursor;
  for (;;) {
    if (cursor !== undefined) parameters.put(name, cursor);
    const response = await send(parameters.into(config));
    const page = pageOf(settings, response);
    if (!page || !page.length) return;
    yield page;
    const next = get(response.data, path);
    cursor = typeof next === "string" ? next.trim() || undefined : typeof next === "number" ? next : undefined;
    await announce(settings, cursor, response);
    if (cursor === undefined) return;
  }
}

/** The targets of a `Link` header by relation. */
function linkRelations(header) {
  const relations = {};
  if (typeof header !== "string") return relations;
  for (const match of header.matchAll(/<([^>]*)>((?:\s*;\s*[^\s=;,]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)/g)) {
    const relation = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(match[2]);
    for (const name of (relation?.[1] ?? relation?.[2] ?? "").split(/\s+/)) {
      if (name && !Object.hasOwn(relations, name)) relations[name] = match[1];
    }
  }
  return relations;
}

function nextLink(settings, response) {
  if (settings.link_rel_in_response_header) {
    const headers = response.headers ?? {};
    const name = Object.keys(headers).find((key) => key.toLowerCase() === "link");
    return name && linkRelations(headers[name])[settings.link_rel_in_response_header];
  }
  return get(response.data, settings.link_path_in_response_body);
}

async function* byLink(config, settings, parameters, send) {
  if (!settings.link_rel_in_response_header) required(settings, "link_path_in_response_body");
  let current = parameters.into(config);
  let previous;
  for (;;) {
    const response = await send(current);
    yield pageOf(settings, response);
    const next = nextLink(settings, response);
    await announce(settings, next, response);
    if (!next || next === previous) return;
    previous = next;
    current = { ...current };
    delete current.params;
    if (/^https?:\/\//i.test(next)) {
      const url = new URL(next);
      current.baseUrlOverride = url.origin;
      current.endpoint = url.pathname + url.search;
    } else {
      current.endpoint = String(next);
    }
  }
}

async function* byOffset(config, settings, parameters, send) {
  const name = required(settings, "offset_name_in_request");
  const perPage = settings.offset_calculation_method === "per-page";
  let offset = Number(settings.offset_start_value) || 0;
  for (;;) {
    parameters.put(name, parameters.inBody ? offset : String(offset));
    const response = await send(parameters.into(config));
    const page = pageOf(settings, response);
    if (!page || !page.length) return;
    yield page;
    if (settings.limit && page.length < settings.limit) return;
    offset += perPage ? 1 : page.length;
    await announce(settings, offset, response);
  }
}

const WAYS = { cursor: byCursor, link: byLink, offset: byOffset };

/** Pages of a listing. `providerSettings` are those of the provider's definition, `send` performs one request. */
async function* paginate(config, providerSettings, send, replay) {
  if (!providerSettings && !config.paginate) throw new Error("There is no pagination configuration for this provider: pass `paginate` in the call");
  const settings = { ...(providerSettings ?? {}), ...(config.paginate ?? {}) };
  const way = Object.hasOwn(WAYS, settings.type) ? WAYS[settings.type] : undefined;
  if (!way) throw new Error(`'${settings.type}' is not a pagination type`);
  const method = String(config.method ?? "GET").toUpperCase();
  const called = !replay && typeof config.paginate?.in_body === "boolean" ? config.paginate.in_body : undefined;
  const parameters = new Parameters(config, called ?? BODY_METHODS.includes(method));
  if (settings.limit) parameters.put(required(settings, "limit_name_in_request"), settings.limit);
  yield* way({ ...config, method }, settings, parameters, send);
}

exports.paginate = paginate;
