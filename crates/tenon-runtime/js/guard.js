// What a function may not see of its `nango` object (functions.md, section 2).
"use strict";

const FORBIDDEN = new Set([
  "nango",
  "persistClient",
  "locking",
  "checkpointKey",
  "integrationConfig",
  "memoizedIntegration",
  "telemetryBag",
  "lifecycle",
  "getProxyConfig",
  "telemetryRecorder",
  "checkpointing",
  "attributes",
  "abortSignal",
  "memoizedConnections",
  "constructor",
  "__proto__",
]);

/** `members` behind a door that names what is private. */
exports.guarded = (members) =>
  new Proxy(members, {
    get(target, name) {
      if (FORBIDDEN.has(name)) throw new Error(`Access to "${String(name)}" is not allowed.`);
      return target[name];
    },
    getPrototypeOf: () => null,
  });
