// `events` for packages. A function and not a class: older packages call it on objects of their own.
"use strict";

function EventEmitter() {
  if (!Object.hasOwn(this, "_events")) this._events = new Map();
}

const known = (emitter) => {
  if (!Object.hasOwn(emitter, "_events") || !(emitter._events instanceof Map)) emitter._events = new Map();
  return emitter._events;
};

function add(emitter, event, listener, first) {
  if (typeof listener !== "function") throw new TypeError('The "listener" argument must be of type function');
  const events = known(emitter);
  if (events.has("newListener")) emitter.emit("newListener", event, listener.listener ?? listener);
  const before = events.get(event) ?? [];
  events.set(event, first ? [listener, ...before] : [...before, listener]);
  return emitter;
}

function onceOnly(emitter, event, listener) {
  const wrapped = function (...values) {
    emitter.removeListener(event, wrapped);
    return listener.apply(emitter, values);
  };
  wrapped.listener = listener;
  return wrapped;
}

Object.assign(EventEmitter.prototype, {
  on(event, listener) {
    return add(this, event, listener, false);
  },
  prependListener(event, listener) {
    return add(this, event, listener, true);
  },
  once(event, listener) {
    return add(this, event, onceOnly(this, event, listener), false);
  },
  prependOnceListener(event, listener) {
    return add(this, event, onceOnly(this, event, listener), true);
  },
  removeListener(event, listener) {
    const events = known(this);
    const list = events.get(event) ?? [];
    const at = list.findLastIndex((one) => one === listener || one.listener === listener);
    if (at < 0) return this;
    const left = list.toSpliced(at, 1);
    if (left.length > 0) events.set(event, left);
    else events.delete(event);
    if (events.has("removeListener")) this.emit("removeListener", event, listener);
    return this;
  },
  removeAllListeners(event) {
    if (event === undefined) known(this).clear();
    else known(this).delete(event);
    return this;
  },
  emit(event, ...values) {
    const list = known(this).get(event);
    if (!list) {
      if (event !== "error") return false;
      throw values[0] instanceof Error ? values[0] : Object.assign(new Error(`Unhandled error. (${String(values[0])})`), { code: "ERR_UNHANDLED_ERROR", context: values[0] });
    }
    for (const listener of list) listener.apply(this, values);
    return true;
  },
  listenerCount(event) {
    return known(this).get(event)?.length ?? 0;
  },
  listeners(event) {
    return (known(this).get(event) ?? []).map((one) => one.listener ?? one);
  },
  rawListeners(event) {
    return [...(known(this).get(event) ?? [])];
  },
  eventNames() {
    return [...known(this).keys()];
  },
  setMaxListeners() {
    return this;
  },
  getMaxListeners() {
    return EventEmitter.defaultMaxListeners;
  },
});
EventEmitter.prototype.addListener = EventEmitter.prototype.on;
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

EventEmitter.EventEmitter = EventEmitter;
EventEmitter.defaultMaxListeners = 10;
EventEmitter.once = (emitter, event) =>
  new Promise((resolve, reject) => {
    const failed = (error) => {
      emitter.removeListener(event, arrived);
      reject(error);
    };
    const arrived = (...values) => {
      emitter.removeListener("error", failed);
      resolve(values);
    };
    emitter.once(event, arrived);
    if (event !== "error") emitter.once("error", failed);
  });
EventEmitter.listenerCount = (emitter, event) => emitter.listenerCount(event);

module.exports = EventEmitter;
