// A response body that is read like a Node stream. The whole body is already here: reading it waits for nothing.
"use strict";

/** A readable over `bytes`. */
exports.readable = (bytes) => {
  const { Buffer } = require("buffer");
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const listeners = { data: [], end: [], close: [], error: [] };
  let encoding;
  let started = false;
  const shown = () => (encoding ? chunk.toString(encoding) : chunk);
  const emit = (event, ...values) => listeners[event].forEach((listener) => listener(...values));
  const flow = () => {
    if (started) return;
    started = true;
    queueMicrotask(() => {
      if (chunk.length > 0) emit("data", shown());
      emit("end");
      emit("close");
    });
  };
  const stream = {
    readable: true,
    setEncoding(name) {
      encoding = name;
      return stream;
    },
    on(event, listener) {
      listeners[event]?.push(listener);
      if (event === "data" || event === "end") flow();
      return stream;
    },
    once: (event, listener) => stream.on(event, listener),
    off: () => stream,
    resume() {
      flow();
      return stream;
    },
    pause: () => stream,
    destroy: () => stream,
    pipe(target) {
      stream.on("data", (data) => target.write?.(data));
      stream.on("end", () => target.end?.());
      return target;
    },
    async *[Symbol.asyncIterator]() {
      started = true;
      if (chunk.length > 0) yield shown();
    },
  };
  return stream;
};
