// XML for the `soap` module: elements, attributes, text. No document types, hence no entities of anybody's making.
"use strict";

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const MOST_DEPTH = 200;

function decode(text) {
  if (!text.includes("&")) return text;
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name) => {
    if (name[0] !== "#") return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : whole;
    const code = name[1] === "x" || name[1] === "X" ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

const escape = (value) => String(value).replace(/[<>&"]/g, (found) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" })[found]);

/** The root element: `{local, prefix, namespace, attributes, children, text, scope}`. */
function parse(source) {
  const root = { children: [], text: "", scope: Object.assign(Object.create(null), { xml: "http://www.w3.org/XML/1998/namespace" }) };
  const open = [root];
  const pattern = /<(?:!--[\s\S]*?-->|!\[CDATA\[([\s\S]*?)\]\]>|\?[\s\S]*?\?>|(!DOCTYPE)|\/\s*([^\s>]+)\s*>|([^\s/>!?]+)((?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>)/gy;
  let at = 0;
  while (at < source.length) {
    const next = source.indexOf("<", at);
    const end = next < 0 ? source.length : next;
    open.at(-1).text += decode(source.slice(at, end));
    if (next < 0) break;
    pattern.lastIndex = next;
    const found = pattern.exec(source);
    if (!found) throw new Error(`The XML is broken at ${next}`);
    at = pattern.lastIndex;
    const [, data, type, closed, name, attributes, empty] = found;
    if (type) throw new Error("XML with a document type is refused");
    if (data !== undefined) open.at(-1).text += data;
    else if (closed !== undefined) {
      if (open.length < 2 || open.at(-1).name !== closed) throw new Error(`The XML closes '${closed}' out of turn`);
      open.pop();
    } else if (name !== undefined) {
      const element = elementOf(name, attributes, open.at(-1).scope);
      open.at(-1).children.push(element);
      if (!empty) open.push(element);
      if (open.length > MOST_DEPTH) throw new Error("The XML is nested too deeply");
    }
  }
  if (open.length > 1 || root.children.length !== 1) throw new Error("The XML has no single root element");
  return root.children[0];
}

function elementOf(name, text, outer) {
  const attributes = Object.create(null);
  let scope = outer;
  for (const [, key, double, single] of text.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    const value = decode(double ?? single);
    if (key === "xmlns" || key.startsWith("xmlns:")) {
      if (scope === outer) scope = Object.create(outer);
      scope[key === "xmlns" ? "" : key.slice(6)] = value;
    } else attributes[key] = value;
  }
  const colon = name.indexOf(":");
  const prefix = colon < 0 ? "" : name.slice(0, colon);
  return { name, prefix, local: name.slice(colon + 1), namespace: scope[prefix] ?? "", attributes, children: [], text: "", scope };
}

/** Namespace and local name that a qualified name inside `element` means. */
function qualified(element, name) {
  const colon = name.indexOf(":");
  return { namespace: element.scope[colon < 0 ? "" : name.slice(0, colon)] ?? "", local: name.slice(colon + 1) };
}

const all = (element, local) => element.children.filter((child) => child.local === local);
const first = (element, local) => element.children.find((child) => child.local === local);

Object.assign(exports, { parse, escape, qualified, all, first });
