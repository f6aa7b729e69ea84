// What the `soap` module reads out of a service description.
"use strict";

const { parse, qualified, all, first } = require("xml");

const XSD = "http://www.w3.org/2001/XMLSchema";
const SOAP12 = "http://schemas.xmlsoap.org/wsdl/soap12/";
const MOST_FILES = 100;

const keyOf = ({ namespace, local }) => `${namespace}|${local}`;

/** Elements and types of all schemas, by namespace and name. */
class Schemas {
  elements = new Map();
  types = new Map();
  qualified = new Map();

  add(schema) {
    const namespace = schema.attributes.targetNamespace ?? "";
    this.qualified.set(namespace, schema.attributes.elementFormDefault === "qualified");
    for (const child of schema.children) {
      const name = child.attributes.name;
      if (!name) continue;
      const key = keyOf({ namespace, local: name });
      child.namespaceOfSchema = namespace;
      if (child.local === "element") this.elements.set(key, child);
      if (child.local === "complexType" || child.local === "simpleType") this.types.set(key, child);
      mark(child, namespace);
    }
  }

  element(name) {
    return this.elements.get(keyOf(name));
  }

  /** The type of an element: one of its own, or a named one. */
  typeOf(element) {
    if (!element) return undefined;
    const own = first(element, "complexType") ?? first(element, "simpleType");
    return own ?? (element.attributes.type ? this.types.get(keyOf(qualified(element, element.attributes.type))) : undefined);
  }

  /** The type that a qualified name means where these prefixes are declared. */
  typeNamed(name, prefixes) {
    const colon = name.indexOf(":");
    return this.types.get(keyOf({ namespace: prefixes[colon < 0 ? "" : name.slice(0, colon)] ?? "", local: name.slice(colon + 1) }));
  }

  /** Elements of any schema that stand at the top and have the names of `value`'s members: what headers consist of. */
  headers(value) {
    const found = new Map();
    for (const name of Object.keys(value)) {
      const local = name.split(":").at(-1);
      for (const [key, definition] of this.elements) {
        const bar = key.lastIndexOf("|");
        if (key.slice(bar + 1) === local) found.set(local, { definition, namespace: key.slice(0, bar), qualified: true, many: false });
      }
    }
    return found;
  }

  /** The simple XSD type at the bottom of an element or type, if there is one. */
  simple(element) {
    let current = element;
    for (let depth = 0; current && depth < 20; depth++) {
      const base = current.attributes.type ?? first(first(current, "simpleContent") ?? current, "extension")?.attributes.base ?? first(current, "restriction")?.attributes.base;
      if (base) {
        const name = qualified(current, base);
        if (name.namespace === XSD) return name.local;
        current = this.types.get(keyOf(name));
      } else current = first(current, "simpleType") ?? first(current, "complexType");
    }
    return undefined;
  }

  /** Child elements of a type by local name: `{definition, qualified, namespace, many}`. */
  children(type, found = new Map(), depth = 0) {
    if (!type || depth > 30) return found;
    for (const child of type.children) {
      if (child.local === "element") this.#child(child, found);
      else if (child.local === "extension") {
        this.children(this.types.get(keyOf(qualified(child, child.attributes.base ?? ""))), found, depth + 1);
        this.children(child, found, depth + 1);
      } else if (["sequence", "all", "choice", "complexContent", "group"].includes(child.local)) this.children(child, found, depth + 1);
    }
    return found;
  }

  #child(child, found) {
    const reference = child.attributes.ref && qualified(child, child.attributes.ref);
    const definition = reference ? this.element(reference) : child;
    const namespace = reference?.namespace ?? child.namespaceOfSchema;
    const name = reference?.local ?? child.attributes.name;
    const most = child.attributes.maxOccurs;
    found.set(name, {
      definition,
      namespace,
      qualified: Boolean(reference) || child.attributes.form === "qualified" || (child.attributes.form !== "unqualified" && this.qualified.get(namespace)),
      many: most !== undefined && most !== "0" && most !== "1",
    });
  }
}

function mark(element, namespace) {
  for (const child of element.children) {
    child.namespaceOfSchema = namespace;
    mark(child, namespace);
  }
}

/** Reads a description and all that it imports. `load(url)` answers with text. */
async function read(url, load) {
  const seen = new Set();
  const definitions = [];
  const schemas = new Schemas();

  async function schema(element, base) {
    schemas.add(element);
    for (const child of element.children) {
      const place = ["import", "include", "redefine"].includes(child.local) && child.attributes.schemaLocation;
      if (place) await file(new URL(place, base).href);
    }
  }

  async function file(place) {
    if (seen.has(place)) return;
    seen.add(place);
    if (seen.size > MOST_FILES) throw new Error("The service description imports too many files");
    const root = parse(await load(place));
    if (root.local === "schema") {
      await schema(root, place);
      return;
    }
    if (root.local !== "definitions") throw new Error(`'${place}' is not a service description`);
    definitions.push(root);
    for (const types of all(root, "types")) for (const element of all(types, "schema")) await schema(element, place);
    for (const child of all(root, "import")) if (child.attributes.location) await file(new URL(child.attributes.location, place).href);
  }

  await file(url);
  return { schemas, services: services(definitions), prefixes: definitions[0].scope };
}

/** Services, their ports and the operations of these. */
function services(definitions) {
  const find = (local, name) => definitions.flatMap((root) => all(root, local)).find((element) => element.attributes.name === name);
  const plain = (name) => (name ?? "").split(":").at(-1);
  /** The element that a message consists of, or with style `rpc` the parts inside an element named after the operation. */
  const messageOf = (reference, style, wrapper) => {
    const parts = all(find("message", plain(reference?.attributes.message)) ?? { children: [] }, "part");
    if (style !== "rpc") {
      const part = parts.find((one) => one.attributes.element);
      return part && qualified(part, part.attributes.element);
    }
    const member = (part) => [part.attributes.name, { definition: part, namespace: "", qualified: false, many: false }];
    return { ...wrapper, parts: new Map(parts.map(member)) };
  };
  const portOf = (port) => {
    const binding = find("binding", plain(port.attributes.binding));
    const type = find("portType", plain(binding?.attributes.type));
    const address = first(port, "address");
    const usual = first(binding ?? { children: [] }, "binding")?.attributes.style;
    const target = definitions.find((root) => root.children.includes(binding))?.attributes.targetNamespace ?? "";
    const operations = all(binding ?? { children: [] }, "operation").map((operation) => {
      const name = operation.attributes.name;
      const abstract = all(type ?? { children: [] }, "operation").find((one) => one.attributes.name === name) ?? { children: [] };
      const bound = first(operation, "operation");
      const style = bound?.attributes.style ?? usual;
      const body = first(first(operation, "input") ?? { children: [] }, "body");
      const namespace = body?.attributes.namespace ?? target;
      return {
        name,
        action: bound?.attributes.soapAction ?? "",
        input: messageOf(first(abstract, "input"), style, { namespace, local: name }) ?? { namespace: "", local: name },
        output: messageOf(first(abstract, "output"), style, { namespace, local: `${name}Response` }),
      };
    });
    return { name: port.attributes.name, location: address?.attributes.location, soap12: address?.namespace === SOAP12, operations };
  };
  return definitions
    .flatMap((root) => all(root, "service"))
    .map((service) => ({ name: service.attributes.name, ports: all(service, "port").map(portOf).filter((port) => port.location !== undefined) }));
}

exports.read = read;
