// `Buffer`, as far as functions use it.
"use strict";

const { native } = shared;
const ENCODINGS = { utf8: "utf8", "utf-8": "utf8", hex: "hex", base64: "base64", base64url: "base64url", latin1: "latin1", binary: "latin1", ascii: "ascii", utf16le: "utf16le", "utf-16le": "utf16le", ucs2: "utf16le", "ucs-2": "utf16le" };

function encodingOf(name) {
  if (name === undefined || name === null || name === "") return "utf8";
  const key = String(name).toLowerCase();
  if (!Object.hasOwn(ENCODINGS, key)) {
    const error = new TypeError(`Unknown encoding: ${name}`);
    error.code = "ERR_UNKNOWN_ENCODING";
    throw error;
  }
  return ENCODINGS[key];
}

const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

function outOfRange(name, range, value) {
  const error = new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${value}`);
  error.code = "ERR_OUT_OF_RANGE";
  return error;
}

class Buffer extends Uint8Array {
  static poolSize = 8192;

  static from(value, encodingOrOffset, length) {
    if (typeof value === "string") return wrap(native.decode(value, encodingOf(encodingOrOffset)));
    if (value instanceof ArrayBuffer) return new Buffer(value, encodingOrOffset, length);
    if (ArrayBuffer.isView(value)) return copyOf(value);
    if (Array.isArray(value)) return copyOf(value.map((byte) => Number(byte) & 255));
    if (value !== null && typeof value === "object") {
      if (value.type === "Buffer" && Array.isArray(value.data)) return Buffer.from(value.data);
      const plain = value.valueOf?.();
      if (plain !== value && plain !== null && plain !== undefined) return Buffer.from(plain, encodingOrOffset, length);
      if (typeof value.length === "number") return Buffer.from(Array.from(value));
    }
    const error = new TypeError("The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object.");
    error.code = "ERR_INVALID_ARG_TYPE";
    throw error;
  }

  static of(...bytes) {
    const buffer = new Buffer(bytes.length);
    for (let index = 0; index < bytes.length; index++) buffer[index] = bytes[index];
    return buffer;
  }

  static alloc(size, fill, encoding) {
    if (typeof size !== "number" || !(size >= 0)) throw outOfRange("size", ">= 0", size);
    const buffer = new Buffer(size);
    return fill === undefined || fill === 0 ? buffer : buffer.fill(fill, 0, size, encoding);
  }

  static allocUnsafe(size) {
    return Buffer.alloc(size);
  }

  static allocUnsafeSlow(size) {
    return Buffer.alloc(size);
  }

  static isBuffer(value) {
    return value instanceof Buffer;
  }

  static isEncoding(name) {
    return typeof name === "string" && Object.hasOwn(ENCODINGS, name.toLowerCase());
  }

  static byteLength(value, encoding) {
    if (typeof value !== "string") return value.byteLength;
    return encodingOf(encoding) === "utf8" ? native.utf8Length(value) : native.decode(value, encodingOf(encoding)).length;
  }

  static concat(list, total) {
    const length = total ?? list.reduce((sum, item) => sum + item.length, 0);
    const buffer = Buffer.alloc(length);
    let at = 0;
    for (const item of list) {
      if (at >= length) break;
      buffer.set(item.subarray(0, length - at), at);
      at += item.length;
    }
    return buffer;
  }

  static compare(left, right) {
    const shorter = Math.min(left.length, right.length);
    for (let index = 0; index < shorter; index++) {
      if (left[index] !== right[index]) return left[index] < right[index] ? -1 : 1;
    }
    return Math.sign(left.length - right.length);
  }

  get parent() {
    return this.buffer;
  }

  toString(encoding, start = 0, end = this.length) {
    return native.encode(this.subarray(Math.max(0, start), Math.max(0, Math.min(end, this.length))), encodingOf(encoding));
  }

  toLocaleString(encoding, start, end) {
    return this.toString(encoding, start, end);
  }

  toJSON() {
    return { type: "Buffer", data: Array.from(this) };
  }

  equals(other) {
    return Buffer.compare(this, other) === 0;
  }

  compare(other) {
    return Buffer.compare(this, other);
  }

  slice(start, end) {
    return this.subarray(start, end);
  }

  write(text, offset = 0, length = this.length - offset, encoding = "utf8") {
    if (typeof offset === "string") [encoding, offset, length] = [offset, 0, this.length];
    else if (typeof length === "string") [encoding, length] = [length, this.length - offset];
    const bytes = native.decode(String(text), encodingOf(encoding)).subarray(0, Math.min(length, this.length - offset));
    this.set(bytes, offset);
    return bytes.length;
  }

  copy(target, targetStart = 0, start = 0, end = this.length) {
    const part = this.subarray(start, Math.min(end, start + target.length - targetStart));
    target.set(part, targetStart);
    return part.length;
  }

  fill(value, start = 0, end = this.length, encoding = "utf8") {
    if (typeof start === "string") [encoding, start, end] = [start, 0, this.length];
    if (typeof value === "number") return super.fill(value & 255, start, end);
    const pattern = typeof value === "string" ? native.decode(value, encodingOf(encoding)) : value;
    if (pattern.length === 0) return super.fill(0, start, end);
    for (let index = start; index < end; index++) this[index] = pattern[(index - start) % pattern.length];
    return this;
  }

  indexOf(value, from = 0, encoding = "utf8") {
    return this.#find(value, from, encoding, false);
  }

  lastIndexOf(value, from = this.length, encoding = "utf8") {
    return this.#find(value, from, encoding, true);
  }

  includes(value, from, encoding) {
    return this.indexOf(value, from, encoding) !== -1;
  }

  #find(value, from, encoding, backwards) {
    if (typeof value === "number") return backwards ? super.lastIndexOf(value & 255, from) : super.indexOf(value & 255, from);
    const wanted = typeof value === "string" ? native.decode(value, encodingOf(encoding)) : value;
    const last = this.length - wanted.length;
    const begin = backwards ? Math.min(from, last) : Math.max(0, from < 0 ? this.length + from : from);
    for (let index = begin; backwards ? index >= 0 : index <= last; index += backwards ? -1 : 1) {
      let same = 0;
      while (same < wanted.length && this[index + same] === wanted[same]) same++;
      if (same === wanted.length) return index;
    }
    return -1;
  }

  readUIntBE(offset, length) {
    let value = 0;
    for (let index = 0; index < length; index++) value = value * 256 + this.readUInt8(offset + index);
    return value;
  }

  readUIntLE(offset, length) {
    let value = 0;
    for (let index = length - 1; index >= 0; index--) value = value * 256 + this.readUInt8(offset + index);
    return value;
  }

  readIntBE(offset, length) {
    const value = this.readUIntBE(offset, length);
    return value >= 2 ** (8 * length - 1) ? value - 2 ** (8 * length) : value;
  }

  readIntLE(offset, length) {
    const value = this.readUIntLE(offset, length);
    return value >= 2 ** (8 * length - 1) ? value - 2 ** (8 * length) : value;
  }

  swap16() {
    for (let index = 0; index + 1 < this.length; index += 2) [this[index], this[index + 1]] = [this[index + 1], this[index]];
    return this;
  }
}

/** Pairs of a reader and a writer for one number format. */
function number(name, method, size, ending) {
  const little = ending === "LE" || undefined;
  const read = function (offset = 0) {
    if (!Number.isInteger(offset) || offset < 0 || offset + size > this.length) throw outOfRange("offset", `>= 0 and <= ${this.length - size}`, offset);
    return view(this)[`get${method}`](offset, little);
  };
  const write = function (value, offset = 0) {
    if (!Number.isInteger(offset) || offset < 0 || offset + size > this.length) throw outOfRange("offset", `>= 0 and <= ${this.length - size}`, offset);
    view(this)[`set${method}`](offset, value, little);
    return offset + size;
  };
  for (const [prefix, code] of [["read", read], ["write", write]]) {
    for (const spelled of new Set([name, name.replace("UInt", "Uint")])) {
      Object.defineProperty(Buffer.prototype, `${prefix}${spelled}${ending}`, { value: code, writable: true, configurable: true });
    }
  }
}
number("UInt8", "Uint8", 1, "");
number("Int8", "Int8", 1, "");
for (const ending of ["LE", "BE"]) {
  number("UInt16", "Uint16", 2, ending);
  number("Int16", "Int16", 2, ending);
  number("UInt32", "Uint32", 4, ending);
  number("Int32", "Int32", 4, ending);
  number("BigUInt64", "BigUint64", 8, ending);
  number("BigInt64", "BigInt64", 8, ending);
  number("Float", "Float32", 4, ending);
  number("Double", "Float64", 8, ending);
}

const wrap = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function copyOf(source) {
  const buffer = new Buffer(source.length ?? source.byteLength);
  buffer.set(source instanceof DataView ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : source);
  return buffer;
}

/** Bytes of a text or of anything that holds bytes. */
function bytesOf(value, encoding) {
  if (typeof value === "string") return native.decode(value, encodingOf(encoding));
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const error = new TypeError("The data must be of type string or an instance of Buffer, TypedArray, or DataView.");
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

Object.assign(exports, { Buffer, bytesOf, constants: { MAX_LENGTH: 2 ** 31 - 1 } });
