// Module `crypto`, as far as functions use it: digests, signatures, randomness.
"use strict";

const { native } = shared;
const { Buffer, bytesOf } = require("buffer");

const HASHES = ["md5", "sha1", "sha256", "sha384", "sha512"];

function hashName(name) {
  const key = String(name).toLowerCase().replace(/^rsa-/, "").replace(/^sha-/, "sha");
  if (!HASHES.includes(key)) {
    const error = new Error("Digest method not supported");
    error.code = "ERR_CRYPTO_INVALID_DIGEST";
    throw error;
  }
  return key;
}

const wrap = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const shown = (bytes, encoding) => (encoding && encoding !== "buffer" ? wrap(bytes).toString(encoding) : wrap(bytes));

/** Collects what is fed to a digest until it is asked for. */
class Collector {
  parts = [];
  ended = false;
  update(data, encoding) {
    if (this.ended) {
      const error = new Error("Digest already called");
      error.code = "ERR_CRYPTO_HASH_FINALIZED";
      throw error;
    }
    this.parts.push(Uint8Array.from(bytesOf(data, encoding)));
    return this;
  }
  write(data, encoding) {
    this.update(data, encoding);
    return true;
  }
  end(data, encoding) {
    if (data !== undefined) this.update(data, encoding);
    return this;
  }
  all() {
    return this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts);
  }
}

class Hash extends Collector {
  constructor(name) {
    super();
    this.name = hashName(name);
  }
  digest(encoding) {
    const all = this.all();
    this.update("");
    this.ended = true;
    return shown(native.hash(this.name, all), encoding);
  }
  copy() {
    const copy = new Hash(this.name);
    copy.parts = [...this.parts];
    return copy;
  }
}

class Hmac extends Collector {
  constructor(name, key) {
    super();
    this.name = hashName(name);
    this.key = keyBytes(key);
  }
  digest(encoding) {
    const all = this.all();
    this.update("");
    this.ended = true;
    return shown(native.hmac(this.name, this.key, all), encoding);
  }
}

class KeyObject {
  constructor(type, value) {
    this.type = type;
    Object.defineProperty(this, "value", { value });
  }
  export() {
    return this.value;
  }
}

const keyBytes = (key) => bytesOf(key instanceof KeyObject ? key.value : key);

function pemOf(key) {
  const given = key instanceof KeyObject ? key.value : typeof key === "object" && key !== null && "key" in key ? pemOf(key.key) : key;
  return typeof given === "string" ? given : Buffer.from(bytesOf(given)).toString("utf8");
}

const isPss = (key) => typeof key === "object" && key !== null && key.padding === constants.RSA_PKCS1_PSS_PADDING;
const isIeee = (key) => typeof key === "object" && key !== null && key.dsaEncoding === "ieee-p1363";

class Sign extends Collector {
  constructor(name) {
    super();
    this.name = hashName(name);
  }
  sign(key, encoding) {
    this.ended = true;
    return shown(native.sign(this.name, pemOf(key), isPss(key), isIeee(key), this.all()), encoding);
  }
}

class Verify extends Collector {
  constructor(name) {
    super();
    this.name = hashName(name);
  }
  verify(key, signature, encoding) {
    this.ended = true;
    return native.verify(this.name, pemOf(key), isPss(key), isIeee(key), this.all(), bytesOf(signature, encoding));
  }
}

function timingSafeEqual(left, right) {
  const [a, b] = [bytesOf(left), bytesOf(right)];
  if (a.length !== b.length) {
    const error = new RangeError("Input buffers must have the same byte length");
    error.code = "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH";
    throw error;
  }
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= a[index] ^ b[index];
  return difference === 0;
}

function randomBytes(size, callback) {
  if (!Number.isInteger(size) || size < 0 || size > 1 << 24) throw new RangeError('The value of "size" is out of range.');
  const bytes = wrap(native.random(size));
  if (typeof callback !== "function") return bytes;
  queueMicrotask(() => callback(null, bytes));
}

function randomUUID() {
  const bytes = native.random(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return native.encode(bytes, "hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function randomInt(low, high) {
  const [from, to] = high === undefined || typeof high === "function" ? [0, low] : [low, high];
  const range = to - from;
  if (!(range > 0) || range >= 2 ** 48) throw new RangeError("The range must be above 0 and below 2^48");
  const limit = 2 ** 48 - (2 ** 48 % range);
  for (;;) {
    const value = native.random(6).reduce((sum, byte) => sum * 256 + byte, 0);
    if (value < limit) return from + (value % range);
  }
}

function getRandomValues(target) {
  new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(native.random(target.byteLength));
  return target;
}

function pbkdf2Sync(password, salt, iterations, length, digest) {
  return wrap(native.pbkdf2(hashName(digest), bytesOf(password), bytesOf(salt), iterations, length));
}

const constants = { RSA_PKCS1_PADDING: 1, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1, RSA_PSS_SALTLEN_AUTO: -2 };

/** The part of Web Crypto that needs no key objects. */
const webcrypto = {
  getRandomValues,
  randomUUID,
  subtle: {
    digest: async (algorithm, data) => Uint8Array.from(native.hash(hashName(algorithm?.name ?? algorithm), bytesOf(data))).buffer,
  },
};

Object.assign(exports, {
  createHash: (name) => new Hash(name),
  createHmac: (name, key) => new Hmac(name, key),
  createSign: (name) => new Sign(name),
  createVerify: (name) => new Verify(name),
  sign: (name, data, key) => new Sign(name).update(data).sign(key),
  verify: (name, data, key, signature) => new Verify(name).update(data).verify(key, signature),
  hash: (name, data, encoding = "hex") => new Hash(name).update(data).digest(encoding),
  createPrivateKey: (key) => new KeyObject("private", pemOf(key)),
  createPublicKey: (key) => new KeyObject("public", pemOf(key)),
  createSecretKey: (key, encoding) => new KeyObject("secret", Buffer.from(bytesOf(key, encoding))),
  getHashes: () => [...HASHES],
  timingSafeEqual,
  randomBytes,
  randomUUID,
  randomInt,
  getRandomValues,
  pbkdf2Sync,
  constants,
  webcrypto,
  KeyObject,
});
exports.default = exports;
