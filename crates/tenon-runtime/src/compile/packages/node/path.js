// `path` for packages: only text, and only as on POSIX systems.
"use strict";

function parts(path, allowAbove) {
  const kept = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== "..") kept.pop();
    else if (allowAbove) kept.push("..");
  }
  return kept.join("/");
}

const isAbsolute = (path) => path.startsWith("/");

function normalize(path) {
  if (path === "") return ".";
  const inside = parts(path, !isAbsolute(path));
  const end = path.endsWith("/") && inside !== "" ? "/" : "";
  const shown = `${isAbsolute(path) ? "/" : ""}${inside}${end}`;
  return shown === "" ? (path.endsWith("/") ? "./" : ".") : shown;
}

const join = (...pieces) => normalize(pieces.filter((piece) => piece !== "").join("/"));

function resolve(...pieces) {
  let path = "";
  for (let at = pieces.length - 1; at >= 0 && !isAbsolute(path); at--) if (pieces[at] !== "") path = path === "" ? pieces[at] : `${pieces[at]}/${path}`;
  return `/${parts(path, false)}`;
}

function relative(from, to) {
  const [start, target] = [resolve(from), resolve(to)].map((path) => path.split("/").filter(Boolean));
  let shared = 0;
  while (shared < start.length && shared < target.length && start[shared] === target[shared]) shared++;
  return [...start.slice(shared).map(() => ".."), ...target.slice(shared)].join("/");
}

function dirname(path) {
  const trimmed = path.replace(/\/+$/, "");
  const at = trimmed.lastIndexOf("/");
  if (at < 0) return path.startsWith("/") ? "/" : ".";
  return trimmed.slice(0, at).replace(/\/+$/, "") || "/";
}

function basename(path, suffix) {
  const name = path.replace(/\/+$/, "").split("/").at(-1);
  return suffix !== undefined && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

function extname(path) {
  const name = basename(path);
  const at = name.lastIndexOf(".");
  return at <= 0 || name === ".." ? "" : name.slice(at);
}

function parse(path) {
  const base = basename(path);
  const ext = extname(path);
  const root = isAbsolute(path) ? "/" : "";
  const dir = path.includes("/") ? dirname(path) : "";
  return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
}

function format({ root = "", dir, base, name = "", ext = "" }) {
  const file = base ?? `${name}${ext}`;
  if (!dir) return `${root}${file}`;
  return dir === root ? `${dir}${file}` : `${dir}/${file}`;
}

const path = { sep: "/", delimiter: ":", normalize, join, resolve, relative, dirname, basename, extname, parse, format, isAbsolute, toNamespacedPath: (given) => given };
path.posix = path;
module.exports = path;
