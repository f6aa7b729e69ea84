// The body of a web `Response`, read piece by piece. All of it is already here, so it comes as one piece.
"use strict";

const locked = () => new TypeError("Invalid state: The ReadableStream is locked");

/** A readable stream over what `take` answers; `take` throws if the body was read before. */
class ReadableStream {
  #take;
  #done = false;
  #reader;

  constructor(take) {
    if (typeof take !== "function") throw new TypeError("Streams of your own are not available in functions");
    this.#take = take;
  }
  get locked() {
    return this.#reader !== undefined;
  }
  #next() {
    if (this.#done) return { value: undefined, done: true };
    this.#done = true;
    const bytes = this.#take();
    return bytes.length === 0 ? { value: undefined, done: true } : { value: Uint8Array.from(bytes), done: false };
  }
  getReader() {
    if (this.locked) throw locked();
    const reader = {
      read: async () => {
        if (this.#reader !== reader) throw new TypeError("Invalid state: The reader is not attached to a stream");
        return this.#next();
      },
      releaseLock: () => {
        if (this.#reader === reader) this.#reader = undefined;
      },
      cancel: async () => {
        this.#done = true;
      },
      closed: Promise.resolve(undefined),
    };
    this.#reader = reader;
    return reader;
  }
  async cancel() {
    if (this.locked) throw locked();
    this.#done = true;
  }
  tee() {
    if (this.locked) throw locked();
    const { value } = this.#next();
    this.getReader();
    const copy = () => new ReadableStream(() => value ?? new Uint8Array(0));
    return [copy(), copy()];
  }
  async *values() {
    const reader = this.getReader();
    try {
      for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
    } finally {
      reader.releaseLock();
    }
  }
  [Symbol.asyncIterator]() {
    return this.values();
  }
  get [Symbol.toStringTag]() {
    return "ReadableStream";
  }
}

exports.ReadableStream = ReadableStream;
