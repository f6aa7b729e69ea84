// Module `soap`: clients of described services. Requests leave through the host, like any other.
"use strict";

const { native } = shared;
const { parse, escape, qualified, first } = require("xml");
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

const NONE = new Map();

/** What the schemas call the members of an element: of the type that `attributes` name, else of the declared one. */
function knownMembers(description, definition, attributes) {
  if (!description) return NONE;
  const { schemas, prefixes } = description;
  const named = typeof attributes?.["xsi:type"] === "string" ? schemas.typeNamed(attributes["xsi:type"], prefixes) : undefined;
  return schemas.children(named ?? schemas.typeOf(definition));
}

/** XML of the members of `value`, named and qualified by what is known of them. */
function membersText(value, known, description, depth = 0) {
  if (depth > 100) throw new Error("The arguments are nested too deeply or in a circle");
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
  const attributes = value.attributes ?? value.$attributes;
  const inside = value.$value !== undefined ? written(value.$value) : membersText(value, knownMembers(description, entry?.definition, attributes), description, depth + 1);
  return `<${name}${space}${attributesText(attributes)}>${inside}</${name}>`;
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

/** How answers are read: what the schemas say, and what the caller wants of empty elements. */
const UNDESCRIBED = { simple: () => undefined, typeOf: () => undefined, typeNamed: () => undefined, children: () => NONE };

/** An element as plain data: members by local name, lists where the schema or the document has several. Undefined if it is nil. */
function plainOf(element, definition, schemas, nilIsNull = false, members = undefined) {
  const attributes = Object.entries(element.attributes).filter(([name]) => name !== "xsi:nil");
  if (element.attributes["xsi:nil"] === "true" || element.attributes["xsi:nil"] === "1") return nilIsNull ? null : undefined;
  const kind = definition && schemas.simple(definition);
  if (element.children.length === 0) {
    const value = element.text === "" && !kind ? null : simpleValue(element.text, kind);
    if (attributes.length === 0) return value;
    const shown = { attributes: Object.fromEntries(attributes) };
    if (element.text !== "") shown.$value = value;
    return shown;
  }
  const result = attributes.length === 0 ? {} : { attributes: Object.fromEntries(attributes) };
  const named = element.attributes["xsi:type"] && schemas.typeNamed(element.attributes["xsi:type"], element.scope);
  const known = members ?? (named || definition ? schemas.children(named || schemas.typeOf(definition)) : NONE);
  for (const child of element.children) {
    const entry = known.get(child.local);
    const value = plainOf(child, entry?.definition, schemas, nilIsNull);
    if (value === undefined) continue;
    const before = Object.hasOwn(result, child.local) ? result[child.local] : undefined;
    const joined = before === undefined ? (entry?.many ? [value] : value) : Array.isArray(before) ? [...before, value] : [before, value];
    Object.defineProperty(result, child.local, { value: joined, enumerable: true, writable: true, configurable: true });
  }
  return result;
}

const textOf = (value) => (typeof value === "object" && value !== null ? value.$value : value) ?? undefined;

function faultOf(fault, response, body) {
  const data = plainOf(fault, undefined, UNDESCRIBED) ?? {};
  const code = textOf(data.faultcode) ?? textOf(data.Code?.Value) ?? "Fault";
  const reason = textOf(data.faultstring) ?? textOf(data.Reason?.Text) ?? "";
  const detail = textOf(data.detail) ?? data.detail ?? data.Detail;
  const error = new Error(`${code}: ${reason}${detail ? `: ${typeof detail === "string" ? detail : JSON.stringify(detail)}` : ""}`);
  error.root = { Envelope: { Body: { Fault: data } } };
  error.Fault = data;
  error.response = response;
  error.body = body;
  return error;
}

// ---------------------------------------------------------------- security

class BasicAuthSecurity {
  constructor(username, password, defaults = {}) {
    this.defaults = defaults;
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
  constructor(token, defaults = {}) {
    this.defaults = defaults;
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

const passwordDigest = (nonce, created, password) => native.encode(native.hash("sha1", Buffer.concat([Buffer.from(nonce ?? "", "base64"), Buffer.from(created ?? ""), Buffer.from(password ?? "")])), "base64");

/** What signs with certificates or speaks at the level of connections: known by name, and said when it is made. */
const unavailable = (name) =>
  class {
    constructor() {
      throw new Error(`${name} is not available in functions: there are BasicAuthSecurity, BearerSecurity and WSSecurity`);
    }
  };
const ABSENT = Object.fromEntries(["ClientSSLSecurity", "ClientSSLSecurityPFX", "NTLMSecurity", "WSSecurityCert", "WSSecurityPlusCert", "WSSecurityCertWithToken"].map((name) => [name, unavailable(name)]));

// ---------------------------------------------------------------- describing

/** A type as `describe` shows it: simple ones by name, others by their members. */
function describedType(schemas, definition, depth = 0) {
  const type = schemas.typeOf(definition);
  if (!type || type.local === "simpleType" || first(type, "simpleContent")) return definition?.attributes.type ?? "xs:string";
  const shown = describedMembers(schemas, schemas.children(type), depth);
  const named = definition.attributes.type;
  if (named?.includes(":")) shown.targetNSAlias = named.split(":")[0];
  if (named) shown.targetNamespace = qualified(definition, named).namespace;
  return shown;
}

function describedMembers(schemas, known, depth) {
  const shown = {};
  if (depth > 10) return shown;
  for (const [name, { definition, many }] of known) shown[many ? `${name}[]` : name] = definition ? describedType(schemas, definition, depth + 1) : "xs:anyType";
  return shown;
}

const describedMessage = (schemas, message) => (message ? describedMembers(schemas, message.parts ?? schemas.children(schemas.typeOf(schemas.element(message))), 0) : {});

// ---------------------------------------------------------------- the client

class Client {
  #description;
  #endpoint;
  #options;
  #security;
  #headers = [];
  #httpHeaders = {};
  #bodyAttributes = [];
  #listeners = new Map();

  constructor(description, options, endpoint) {
    this.#description = description;
    this.#options = options;
    this.wsdl = { options, services: Object.fromEntries(description.services.map((service) => [service.name, service])) };
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
        ([result, raw, header, request, attachments]) => callback(null, result, raw, header, request, attachments),
        (error) => callback(error, error.response, error.body),
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
  setSOAPAction(action) {
    this.#options = { ...this.#options, soapAction: action };
  }
  #headerText(header, name, namespace, xmlns) {
    const made = typeof header === "function" ? header : () => header;
    return (...call) => {
      const value = made(...call);
      if (typeof value !== "object" || value === null) return String(value ?? "");
      const space = xmlns ?? (namespace?.includes(":") ? namespace : undefined);
      return name ? `<${name}${space ? ` xmlns="${escape(space)}"` : ""}>${membersText(value, NONE, this.#description)}</${name}>` : membersText(value, this.#description.schemas.headers(value), this.#description);
    };
  }
  addSoapHeader(header, name, namespace, xmlns) {
    return this.#headers.push(this.#headerText(header, name, namespace, xmlns)) - 1;
  }
  changeSoapHeader(index, header, name, namespace, xmlns) {
    this.#headers[index] = this.#headerText(header, name, namespace, xmlns);
  }
  getSoapHeaders() {
    return this.#headers.map((text) => text());
  }
  clearSoapHeaders() {
    this.#headers = [];
  }
  addHttpHeader(name, value) {
    this.#httpHeaders[name] = value;
  }
  getHttpHeaders() {
    return this.#httpHeaders;
  }
  clearHttpHeaders() {
    this.#httpHeaders = {};
  }
  addBodyAttribute(attribute, name, namespace, xmlns) {
    const text = typeof attribute === "object" ? Object.entries(attribute).map(([key, value]) => ` ${key}="${escape(value)}"`).join("") : ` ${attribute}`;
    this.#bodyAttributes.push(xmlns && namespace ? `${text} xmlns:${namespace}="${escape(xmlns)}"` : text);
  }
  getBodyAttributes() {
    return this.#bodyAttributes;
  }
  clearBodyAttributes() {
    this.#bodyAttributes = [];
  }
  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }
  once(event, listener) {
    const first = (...parts) => {
      this.off(event, first);
      listener(...parts);
    };
    return this.on(event, first);
  }
  off(event, listener) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? []).filter((known) => known !== listener));
    return this;
  }
  emit(event, ...parts) {
    for (const listener of this.#listeners.get(event) ?? []) listener.apply(this, parts);
    return this.#listeners.has(event);
  }
  describe() {
    const { schemas } = this.#description;
    const operations = (port) => port.operations.map((operation) => [operation.name, { input: describedMessage(schemas, operation.input), output: describedMessage(schemas, operation.output) }]);
    const ports = (service) => Object.fromEntries(service.ports.map((port) => [port.name, Object.fromEntries(operations(port))]));
    return Object.fromEntries(this.#description.services.map((service) => [service.name, ports(service)]));
  }

  #envelope(port, operation, input) {
    const { schemas, prefixes } = this.#description;
    const { namespace, local, parts } = operation.input;
    const declared = [];
    for (const prefix in prefixes) if (prefix && !["xml", "soap", "xsi"].includes(prefix)) declared.push(` xmlns:${prefix}="${escape(prefixes[prefix])}"`);
    const known = parts ?? knownMembers(this.#description, schemas.element(operation.input));
    const body = typeof input === "string" ? input : typeof input._xml === "string" ? input._xml : membersText(input, known, this.#description);
    const attributes = typeof input === "object" ? attributesText(input.attributes) : "";
    const message = typeof input._xml === "string" ? body : `<${local} xmlns="${escape(namespace)}"${attributes}>${body}</${local}>`;
    this.lastMessage = message;
    const header = this.#headers.map((text) => text(operation.name, port.location, operation.action, input)).join("") + (this.#security?.toXML?.() ?? "");
    return (
      `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="${ENVELOPE[this.#isSoap12(port) ? 12 : 11]}" xmlns:xsi="${XSI}"${declared.join("")}>` +
      `${header ? `<soap:Header>${header}</soap:Header>` : ""}<soap:Body${this.#bodyAttributes.join("")}>${message}</soap:Body></soap:Envelope>`
    );
  }

  #isSoap12(port) {
    return port.soap12 || Boolean(this.#options.forceSoap12Headers);
  }

  async #send(port, operation, input = {}, options = {}, headers = {}) {
    let request = this.#envelope(port, operation, input ?? {});
    if (typeof this.#security?.postProcess === "function") request = this.#security.postProcess(request, "soap");
    if (typeof options?.postProcess === "function") request = options.postProcess(request);
    const soap12 = this.#isSoap12(port);
    const action = this.#options.soapAction ?? operation.action;
    const http = { ...this.#httpHeaders, ...headers };
    http["Content-Type"] ??= soap12 ? `application/soap+xml; charset=utf-8; action="${action}"` : "text/xml; charset=utf-8";
    if (!soap12) http.SOAPAction ??= `"${action}"`;
    const added = this.#security?.addHeaders?.(http);
    if (typeof added === "object" && added !== null) Object.assign(http, added);
    const call = { ...options };
    this.#security?.addOptions?.(call);
    Object.assign(http, call.headers);
    Object.assign(this, { lastRequest: request, lastRequestHeaders: http, lastEndpoint: this.#endpoint ?? port.location });
    this.emit("message", this.lastMessage);
    this.emit("request", request);
    const began = Date.now();
    const response = await exchange(this.#options, this.lastEndpoint, "POST", http, request, call);
    Object.assign(this, { lastResponse: response.body, lastResponseHeaders: response.headers, lastElapsedTime: Date.now() - began });
    this.emit("response", response.body, response);
    try {
      return this.#result(operation, response, request);
    } catch (error) {
      this.emit("soapError", error);
      throw error;
    }
  }

  #result(operation, response, request) {
    const { schemas } = this.#description;
    if (response.body.trim() === "" && response.status >= 200 && response.status <= 299) return [{}, response.body, undefined, request, undefined];
    let envelope;
    try {
      envelope = parse(response.body);
      if (envelope.local !== "Envelope") throw new Error(`its root is '${envelope.local}'`);
    } catch (error) {
      const failure = new Error(`Cannot parse response: the service answered ${response.status} with something that is not SOAP: ${error.message}`);
      Object.assign(failure, { response, body: response.body });
      throw failure;
    }
    const nilIsNull = Boolean(this.#options.handleNilAsNull);
    const body = envelope.children.find((child) => child.local === "Body");
    const fault = body?.children.find((child) => child.local === "Fault");
    if (fault && !this.#options.returnFault) throw faultOf(fault, response, response.body);
    const header = envelope.children.find((child) => child.local === "Header");
    const answer = body?.children[0];
    const definition = answer && (schemas.element({ namespace: answer.namespace, local: answer.local }) ?? (operation.output && schemas.element(operation.output)));
    const result = fault ? { Fault: plainOf(fault, undefined, UNDESCRIBED) } : answer ? (plainOf(answer, definition, schemas, nilIsNull, operation.output?.parts) ?? null) : null;
    return [result, response.body, header ? plainOf(header, undefined, schemas, nilIsNull) : undefined, request, undefined];
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
  const answered = Object.fromEntries(reply.headers.map(([name, value]) => [name.toLowerCase(), value]));
  return { status: reply.status, statusCode: reply.status, statusText: reply.statusText, headers: answered, data: native.encode(reply.data, "utf8"), body: native.encode(reply.data, "utf8").replace(/^\ufeff/, "") };
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

const security = { BasicAuthSecurity, BearerSecurity, WSSecurity, ...ABSENT };
Object.assign(exports, { createClient, createClientAsync, Client, passwordDigest, security, ...security });
exports.default = exports;
exports.soap = exports;
