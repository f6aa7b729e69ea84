// Module `soap`: clients of described services. Requests leave through the host, like any other.
"use strict";

const { native } = shared;
const { parse, escape } = require("xml");
const { read } = require("wsdl");
const { Buffer } = require("buffer");

const ENVELOPE = { 11: "http://schemas.xmlsoap.org/soap/envelope/", 12: "http://www.w3.org/2003/05/soap-envelope" };
const XSI = "http://www.w3.org/2001/XMLSchema-instance";
const WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
const NUMBERS = ["int", "integer", "long", "short", "byte", "decimal", "double", "float", "unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte", "positiveInteger", "nonNegativeInteger", "negativeInteger", "nonPositiveInteger"];

// ---------------------------------------------------------------- writing

const written = (value) => (value instanceof Date ? value.toISOString() : escape(value));

function attributesText(attributes) {
  return Object.entries(attributes ?? {})
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => (typeof value === "object" ? ` ${name}="${escape(value.$value ?? value.value ?? "")}"` : ` ${name}="${escape(value)}"`))
    .join("");
}

/** XML of the members of `value`, named and qualified by what the schema says of `type`. */
function membersText(value, type, description, depth = 0) {
  if (depth > 100) throw new Error("The arguments are nested too deeply or in a circle");
  const known = description ? description.schemas.children(type) : new Map();
  let text = "";
  for (const [name, member] of Object.entries(value)) {
    if (name === "attributes" || name === "$attributes" || name === "$value" || member === undefined) continue;
    if (name === "$xml" || name === "_xml") {
      text += String(member);
      continue;
    }
    const entry = known.get(name.split(":").at(-1));
    for (const one of Array.isArray(member) ? member : [member]) text += memberText(name, one, entry, description, depth);
  }
  return text;
}

function memberText(name, value, entry, description, depth) {
  const space = entry?.qualified && !name.includes(":") ? ` xmlns="${escape(entry.namespace)}"` : entry && !entry.qualified && !name.includes(":") ? ' xmlns=""' : "";
  if (value === null) return `<${name}${space} xsi:nil="true"/>`;
  if (typeof value !== "object" || value instanceof Date) return `<${name}${space}>${written(value)}</${name}>`;
  const type = description?.schemas.typeOf(entry?.definition);
  const inside = value.$value !== undefined ? written(value.$value) : membersText(value, type, description, depth + 1);
  return `<${name}${space}${attributesText(value.attributes ?? value.$attributes)}>${inside}</${name}>`;
}

// ---------------------------------------------------------------- reading

function simpleValue(text, kind) {
  if (kind === "boolean") return text.trim() === "true" || text.trim() === "1";
  if (NUMBERS.includes(kind)) return Number(text);
  if (kind === "dateTime" || kind === "date") {
    const date = new Date(text.trim());
    return Number.isNaN(date.getTime()) ? text : date;
  }
  return text;
}

/** An element as plain data: members by local name, lists where the schema or the document has several. */
function plainOf(element, definition, schemas) {
  const attributes = Object.entries(element.attributes).filter(([name]) => !name.startsWith("xsi:"));
  if (element.attributes["xsi:nil"] === "true") return null;
  const kind = definition && schemas.simple(definition);
  if (element.children.length === 0) {
    const value = element.text === "" && !kind ? (definition && schemas.typeOf(definition)?.local === "complexType" ? {} : "") : simpleValue(element.text, kind);
    if (attributes.length === 0) return value;
    const shown = { attributes: Object.fromEntries(attributes) };
    if (element.text !== "") shown.$value = value;
    return shown;
  }
  const result = attributes.length === 0 ? {} : { attributes: Object.fromEntries(attributes) };
  const known = definition ? schemas.children(schemas.typeOf(definition)) : new Map();
  for (const child of element.children) {
    const entry = known.get(child.local);
    const value = plainOf(child, entry?.definition, schemas);
    const before = Object.hasOwn(result, child.local) ? result[child.local] : undefined;
    const joined = before === undefined ? (entry?.many ? [value] : value) : Array.isArray(before) ? [...before, value] : [before, value];
    Object.defineProperty(result, child.local, { value: joined, enumerable: true, writable: true, configurable: true });
  }
  return result;
}

function faultOf(fault, response, body) {
  const data = plainOf(fault, undefined, { simple: () => undefined, typeOf: () => undefined, children: () => new Map() });
  const code = data.faultcode?.$value ?? data.faultcode ?? data.Code?.Value ?? "Fault";
  const reason = data.faultstring?.$value ?? data.faultstring ?? data.Reason?.Text?.$value ?? data.Reason?.Text ?? "";
  const error = new Error(`${code}: ${reason}`);
  error.root = { Envelope: { Body: { Fault: data } } };
  error.Fault = data;
  error.response = response;
  error.body = body;
  return error;
}

// ---------------------------------------------------------------- security

class BasicAuthSecurity {
  constructor(username, password) {
    this.header = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  }
  addHeaders(headers) {
    headers.Authorization = this.header;
  }
  toXML() {
    return "";
  }
}

class BearerSecurity {
  constructor(token) {
    this.token = token;
  }
  addHeaders(headers) {
    headers.Authorization = `Bearer ${this.token}`;
  }
  toXML() {
    return "";
  }
}

class WSSecurity {
  constructor(username, password, options = {}) {
    this.username = username;
    this.password = password;
    this.options = typeof options === "string" ? { passwordType: options } : options;
  }
  toXML() {
    const { passwordType = "PasswordText", hasTimeStamp = true, hasTokenCreated = true, hasNonce, mustUnderstand, actor } = this.options;
    const created = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const expires = new Date(Date.now() + 600_000).toISOString().replace(/\.\d+Z$/, "Z");
    const digest = passwordType === "PasswordDigest";
    const nonce = native.random(16);
    const secret = digest ? native.encode(native.hash("sha1", Buffer.concat([nonce, Buffer.from(created), Buffer.from(this.password)])), "base64") : escape(this.password);
    const stamp = hasTimeStamp ? `<wsu:Timestamp wsu:Id="Timestamp-${created}"><wsu:Created>${created}</wsu:Created><wsu:Expires>${expires}</wsu:Expires></wsu:Timestamp>` : "";
    const nonceText = hasNonce || digest ? `<wsse:Nonce EncodingType="${WSS}-soap-message-security-1.0#Base64Binary">${native.encode(nonce, "base64")}</wsse:Nonce>` : "";
    const createdText = hasTokenCreated || digest ? `<wsu:Created>${created}</wsu:Created>` : "";
    const marks = `${actor ? ` soap:actor="${escape(actor)}"` : ""}${mustUnderstand ? ' soap:mustUnderstand="1"' : ""}`;
    return (
      `<wsse:Security${marks} xmlns:wsse="${WSS}-wssecurity-secext-1.0.xsd" xmlns:wsu="${WSS}-wssecurity-utility-1.0.xsd">${stamp}` +
      `<wsse:UsernameToken wsu:Id="SecurityToken-${created}"><wsse:Username>${escape(this.username)}</wsse:Username>` +
      `<wsse:Password Type="${WSS}-username-token-profile-1.0#${passwordType}">${secret}</wsse:Password>${nonceText}${createdText}</wsse:UsernameToken></wsse:Security>`
    );
  }
}

// ---------------------------------------------------------------- the client

class Client {
  #description;
  #endpoint;
  #options;
  #security;
  #headers = [];
  #httpHeaders = {};

  constructor(description, options, endpoint) {
    this.#description = description;
    this.#options = options;
    this.#endpoint = endpoint ?? options.endpoint;
    for (const service of description.services) {
      this[service.name] = {};
      for (const port of service.ports) {
        this[service.name][port.name] = {};
        for (const operation of port.operations) this.#add(service.name, port, operation);
      }
    }
  }

  #add(service, port, operation) {
    const promised = (input, options, headers) => this.#send(port, operation, input, options, headers);
    const called = (input, callback, options, headers) => {
      if (typeof input === "function") [input, callback] = [{}, input];
      promised(input, options, headers).then(
        ([result, raw, header, request]) => callback(null, result, raw, header, request),
        (error) => callback(error, error.Fault, error.body),
      );
    };
    this[service][port.name][operation.name] = called;
    this[operation.name] ??= called;
    this[`${operation.name}Async`] ??= promised;
  }

  setEndpoint(endpoint) {
    this.#endpoint = endpoint;
  }
  setSecurity(security) {
    this.#security = security;
  }
  addSoapHeader(header, name, namespace) {
    const text = typeof header === "string" ? header : name ? `<${name}${namespace ? ` xmlns="${escape(namespace)}"` : ""}>${membersText(header)}</${name}>` : membersText(header);
    return this.#headers.push(text) - 1;
  }
  clearSoapHeaders() {
    this.#headers = [];
  }
  addHttpHeader(name, value) {
    this.#httpHeaders[name] = value;
  }
  clearHttpHeaders() {
    this.#httpHeaders = {};
  }
  describe() {
    const ports = (service) => Object.fromEntries(service.ports.map((port) => [port.name, Object.fromEntries(port.operations.map((operation) => [operation.name, { input: {}, output: {} }]))]));
    return Object.fromEntries(this.#description.services.map((service) => [service.name, ports(service)]));
  }

  #envelope(port, operation, input) {
    const { schemas, prefixes } = this.#description;
    const { namespace, local } = operation.input;
    const definition = schemas.element(operation.input);
    const declared = [];
    for (const prefix in prefixes) if (prefix && !["xml", "soap", "xsi"].includes(prefix)) declared.push(` xmlns:${prefix}="${escape(prefixes[prefix])}"`);
    const body = typeof input === "string" ? input : membersText(input, schemas.typeOf(definition), this.#description);
    const attributes = typeof input === "object" ? attributesText(input.attributes) : "";
    const header = this.#headers.join("") + (this.#security?.toXML?.() ?? "");
    return (
      `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="${ENVELOPE[port.soap12 ? 12 : 11]}" xmlns:xsi="${XSI}"${declared.join("")}>` +
      `${header ? `<soap:Header>${header}</soap:Header>` : ""}<soap:Body><${local} xmlns="${escape(namespace)}"${attributes}>${body}</${local}></soap:Body></soap:Envelope>`
    );
  }

  async #send(port, operation, input = {}, options = {}, headers = {}) {
    const request = this.#envelope(port, operation, input ?? {});
    this.lastRequest = request;
    const http = { ...this.#httpHeaders, ...headers };
    http["Content-Type"] ??= port.soap12 ? `application/soap+xml; charset=utf-8; action="${operation.action}"` : "text/xml; charset=utf-8";
    if (!port.soap12) http.SOAPAction ??= `"${operation.action}"`;
    this.#security?.addHeaders?.(http);
    const response = await exchange(this.#options, this.#endpoint ?? port.location, "POST", http, request, options);
    this.lastResponse = response.body;
    return this.#result(operation, response, request);
  }

  #result(operation, response, request) {
    const { schemas } = this.#description;
    let envelope;
    try {
      envelope = parse(response.body);
    } catch (error) {
      const failure = new Error(`The service answered ${response.status} with something that is not SOAP: ${error.message}`);
      Object.assign(failure, { response, body: response.body });
      throw failure;
    }
    const body = envelope.children.find((child) => child.local === "Body");
    const fault = body?.children.find((child) => child.local === "Fault");
    if (fault) throw faultOf(fault, response, response.body);
    const header = envelope.children.find((child) => child.local === "Header");
    const answer = body?.children[0];
    const result = answer ? plainOf(answer, schemas.element({ namespace: answer.namespace, local: answer.local }) ?? (operation.output && schemas.element(operation.output)), schemas) : null;
    return [result, response.body, header ? plainOf(header, undefined, schemas) : undefined, request];
  }
}

/** One HTTP exchange: with the caller's own HTTP client if there is one, else through the host. */
async function exchange(options, url, method, headers, body, extra) {
  const own = options.httpClient?.request;
  if (typeof own === "function") {
    return new Promise((resolve, reject) => {
      options.httpClient.request(
        url,
        body,
        (error, response, text) => (error ? reject(error) : resolve({ status: response?.status ?? response?.statusCode ?? 200, headers: response?.headers ?? {}, body: String(text ?? response?.data ?? response?.body ?? "") })),
        headers,
        extra,
      );
    });
  }
  const reply = await shared.hostFetch({ url, method, headers: Object.entries(headers).map(([name, value]) => [name, String(value)]), body: null }, body);
  return { status: reply.status, headers: Object.fromEntries(reply.headers), body: native.encode(reply.data, "utf8").replace(/^\ufeff/, "") };
}

async function createClientAsync(url, options = {}, endpoint) {
  const load = async (place) => {
    if (!/^https?:/i.test(place)) throw new Error(`A service description must have a URL: '${place}' has none`);
    const response = await exchange(options, place, "GET", { ...options.wsdl_headers }, undefined, options.wsdl_options);
    if (response.status < 200 || response.status > 299) throw new Error(`The service description at '${place}' answered ${response.status}`);
    return response.body;
  };
  const text = String(url);
  // A description may be handed over as its text.
  const description = text.trimStart().startsWith("<") ? await read("http://inline.invalid/", async (place) => (place === "http://inline.invalid/" ? text : load(place))) : await read(text, load);
  return new Client(description, options, endpoint);
}

function createClient(url, options, callback, endpoint) {
  if (typeof options === "function") [options, callback, endpoint] = [{}, options, callback];
  createClientAsync(url, options, endpoint).then(
    (client) => callback(null, client),
    (error) => callback(error),
  );
}

Object.assign(exports, { createClient, createClientAsync, Client, BasicAuthSecurity, BearerSecurity, WSSecurity });
exports.default = exports;
exports.soap = exports;
