// Module `unzipper`: archives that are already in memory.
"use strict";

const { native } = shared;
const { Buffer, bytesOf } = require("buffer");

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const MOST_BYTES = 64 * 1024 * 1024;

function endOfDirectory(archive) {
  for (let at = archive.length - 22; at >= Math.max(0, archive.length - 22 - 0xffff); at--) {
    if (archive.readUInt32LE(at) === END) return at;
  }
  throw new Error("FILE_ENDED");
}

function inflate(archive, entry) {
  const start = entry.offset + 30 + archive.readUInt16LE(entry.offset + 26) + archive.readUInt16LE(entry.offset + 28);
  const packed = archive.subarray(start, start + entry.compressedSize);
  if (entry.compressionMethod === 0) return Buffer.from(packed);
  if (entry.compressionMethod !== 8) throw new Error(`Compression method ${entry.compressionMethod} is not supported`);
  const bytes = native.inflate(packed, MOST_BYTES);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function directory(bytes) {
  const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOfDirectory(archive);
  const count = archive.readUInt16LE(end + 10);
  const files = [];
  let at = archive.readUInt32LE(end + 16);
  for (let index = 0; index < count && archive.readUInt32LE(at) === ENTRY; index++) {
    const nameLength = archive.readUInt16LE(at + 28);
    const [time, date] = [archive.readUInt16LE(at + 12), archive.readUInt16LE(at + 14)];
    const entry = {
      flags: archive.readUInt16LE(at + 8),
      lastModifiedTime: time,
      lastModifiedDate: date,
      lastModifiedDateTime: new Date(Date.UTC(1980 + (date >> 9), Math.max(((date >> 5) & 15) - 1, 0), Math.max(date & 31, 1), time >> 11, (time >> 5) & 63, (time & 31) * 2)),
      compressionMethod: archive.readUInt16LE(at + 10),
      crc32: archive.readUInt32LE(at + 16),
      compressedSize: archive.readUInt32LE(at + 20),
      uncompressedSize: archive.readUInt32LE(at + 24),
      offset: archive.readUInt32LE(at + 42),
      path: archive.toString("utf8", at + 46, at + 46 + nameLength),
    };
    entry.type = entry.path.endsWith("/") ? "Directory" : "File";
    entry.pathBuffer = archive.subarray(at + 46, at + 46 + nameLength);
    entry.buffer = async () => inflate(archive, entry);
    entry.stream = () => require("stream").readable(inflate(archive, entry));
    files.push(entry);
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return { numberOfRecords: count, files };
}

// ---------------------------------------------------------------- as a stream

/** Takes an archive piece by piece and shows its entries when it is complete: all of it has to fit into memory anyway. */
class Parser {
  #pieces = [];
  #size = 0;
  #listeners = new Map();
  #first;
  writable = true;

  constructor(first) {
    this.#first = first;
    this.done = new Promise((resolve, reject) => {
      this.#finished = resolve;
      this.#failed = reject;
    });
    // Whoever only listens to events has no hand on the promise.
    this.done.catch(() => {});
  }
  #finished;
  #failed;

  write(piece) {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : bytesOf(piece);
    this.#size += bytes.length;
    if (this.#size > MOST_BYTES) throw new Error(`The archive is larger than ${MOST_BYTES} bytes`);
    this.#pieces.push(bytes);
    return true;
  }
  end(piece) {
    if (piece !== undefined) this.write(piece);
    queueMicrotask(() => this.#show());
    return this;
  }
  #show() {
    let entries;
    try {
      entries = directory(Buffer.concat(this.#pieces)).files.map(streamed);
    } catch (error) {
      this.#failed(error);
      this.emit("error", error);
      return;
    }
    this.#finished(entries);
    if (this.#first) return;
    for (const entry of entries) this.emit("entry", entry);
    for (const event of ["finish", "end", "close"]) this.emit(event);
  }
  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }
  once(event, listener) {
    return this.on(event, listener);
  }
  off(event, listener) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? []).filter((known) => known !== listener));
    return this;
  }
  emit(event, ...values) {
    const known = this.#listeners.get(event) ?? [];
    for (const listener of known) listener(...values);
    return known.length > 0;
  }
  async promise() {
    await this.done;
  }
  async *[Symbol.asyncIterator]() {
    yield* await this.done;
  }
}

/** An entry as `Parse` shows it: a stream of its own. */
function streamed(file) {
  let stream;
  const opened = () => (stream ??= file.stream());
  const entry = {
    path: file.path,
    type: file.type,
    props: { path: file.path, pathBuffer: file.pathBuffer },
    vars: file,
    size: file.uncompressedSize,
    buffer: () => file.buffer(),
    autodrain: () => ({ promise: async () => {}, on: () => entry, resume: () => entry }),
    [Symbol.asyncIterator]: () => opened()[Symbol.asyncIterator](),
  };
  for (const name of ["on", "once", "off", "pipe", "resume", "setEncoding", "pause", "destroy"]) entry[name] = (...parts) => opened()[name](...parts);
  return entry;
}

/** The content of the first file whose path fits. */
function parseOne(match) {
  const parser = new Parser(true);
  const fits = (path) => match === undefined || (match instanceof RegExp ? match.test(path) : path.includes(String(match)));
  const content = parser.done.then((entries) => {
    const found = entries.find((entry) => entry.type === "File" && fits(entry.path));
    if (!found) throw new Error("PATTERN_NOT_FOUND");
    return found.buffer();
  });
  content.then(
    (bytes) => {
      if (bytes.length > 0) parser.emit("data", bytes);
      parser.emit("end");
    },
    (error) => parser.emit("error", error),
  );
  parser.buffer = () => content;
  parser.pipe = (target) => {
    content.then((bytes) => {
      target.write?.(bytes);
      target.end?.();
    }).catch(() => {});
    return target;
  };
  parser[Symbol.asyncIterator] = async function* () {
    yield await content;
  };
  return parser;
}

exports.Open = {
  buffer: async (source) => directory(bytesOf(source)),
  file: async () => {
    throw new Error("Functions have no files: open the archive with Open.buffer");
  },
};
exports.Parse = function Parse() {
  return new Parser(false);
};
exports.ParseOne = function ParseOne(match) {
  return parseOne(match);
};
exports.Extract = function Extract() {
  throw new Error("Functions have no files: read the entries of Open.buffer or Parse");
};
exports.default = exports;
