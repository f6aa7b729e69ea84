// Reading and writing by path, the way the pagination settings mean them (functions.md, 2.3).
"use strict";

/** The keys of a path: `a.b[0]["c.d"]` has four. */
function keysOf(path) {
  const keys = [];
  const pattern = /[^.[\]]+|\[(?:(-?\d+(?:\.\d+)?)|(["'])((?:(?!\2)[^\\]|\\.)*?)\2)\]/g;
  for (const match of path.matchAll(pattern)) {
    if (match[2] !== undefined) keys.push(match[3].replace(/\\(\\)?/g, "$1"));
    else keys.push(match[1] ?? match[0]);
  }
  return keys;
}

/** What stands at `path`. A path that is itself a key of the root is that one key. */
function get(root, path) {
  if (root === null || root === undefined) return undefined;
  const text = String(path);
  if (typeof root === "object" && text in root) return root[text];
  let value = root;
  for (const key of keysOf(text)) {
    if (value === null || value === undefined) return undefined;
    value = value[key];
  }
  return value;
}

/** Puts `value` at `path`, making objects and arrays on the way. */
function set(root, path, value) {
  const keys = Object.hasOwn(root, path) ? [path] : keysOf(path);
  if (keys.some((key) => key === "__proto__" || key === "constructor" || key === "prototype")) return;
  let place = root;
  keys.forEach((key, index) => {
    if (index === keys.length - 1) {
      place[key] = value;
      return;
    }
    if (typeof place[key] !== "object" || place[key] === null) place[key] = /^\d+$/.test(keys[index + 1]) ? [] : {};
    place = place[key];
  });
}

Object.assign(exports, { get, set });
