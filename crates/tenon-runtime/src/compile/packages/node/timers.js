// `timers` for packages: the globals, as they are when they are asked for.
"use strict";

for (const name of ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate"]) {
  Object.defineProperty(exports, name, { enumerable: true, get: () => globalThis[name] });
}
