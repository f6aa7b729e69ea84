(function (definition, require) {
    "use strict";
    const problems = [];
    const out = { problems };
    const complain = (key, message, hint) => problems.push({ key, message, hint });
    if (definition === null || typeof definition !== "object") {
        complain("", "the default export is not a definition");
        return out;
    }
    const isSchema = (value) => value !== null && typeof value === "object" && "_zod" in value;
    const text = (key) => {
        const value = definition[key];
        if (value === undefined || value === null) return undefined;
        if (typeof value !== "string") complain(key, "`" + key + "` must be a text");
        return String(value);
    };
    const texts = (key) => {
        const value = definition[key];
        if (value === undefined || value === null) return [];
        if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
            complain(key, "`" + key + "` must be a list of texts");
            return [];
        }
        return value;
    };
    const convert = (schema, what, key) => {
        if (schema === undefined || schema === null) return undefined;
        if (!isSchema(schema)) {
            complain(key, what + " must be a zod schema (zod 4)", "write `z.object({ ... })`, with `z` from `zod`");
            return undefined;
        }
        try {
            const json = require("zod").toJSONSchema(schema, {
                target: "draft-7",
                unrepresentable: "any",
                override: ({ zodSchema, jsonSchema }) => {
                    const type = zodSchema._zod.def.type;
                    if (type === "date") {
                        jsonSchema.type = "string";
                        jsonSchema.format = "date-time";
                    } else if (type === "void") {
                        jsonSchema.type = "null";
                    }
                },
            });
            delete json.$schema;
            return json;
        } catch (error) {
            complain(key, what + " has no JSON schema: " + (error && error.message));
            return undefined;
        }
    };
    const endpoint = (value) => {
        if (value === null || typeof value !== "object" || typeof value.path !== "string") {
            complain("endpoint", "an endpoint is `{ method, path }`");
            return [];
        }
        const group = value.group === undefined ? {} : { group: String(value.group) };
        return [{ method: String(value.method ?? "GET"), path: value.path, ...group }];
    };

    if (typeof definition.exec !== "function") complain("exec", "`exec` must be a function", "write `exec: async (nango) => { ... }`");
    out.description = text("description");
    if (out.description === undefined) complain("description", "a function needs a `description`");
    out.version = text("version");
    out.scopes = texts("scopes");
    const endpoints = Array.isArray(definition.endpoints) ? definition.endpoints : definition.endpoint ? [definition.endpoint] : [];
    out.endpoints = endpoints.flatMap(endpoint);
    out.frequency = text("frequency");
    out.autoStart = definition.autoStart === true;
    out.trackDeletes = definition.trackDeletes === true;
    out.syncType = text("syncType");
    out.webhookSubscriptions = texts("webhookSubscriptions");
    out.event = text("event");
    if (definition.models !== undefined && definition.models !== null) {
        out.models = {};
        for (const name of Object.keys(definition.models)) {
            const schema = convert(definition.models[name], "model `" + name + "`", "models." + name);
            if (schema !== undefined) out.models[name] = schema;
        }
    }
    out.metadata = convert(definition.metadata, "`metadata`", "metadata");
    out.checkpoint = convert(definition.checkpoint, "`checkpoint`", "checkpoint");
    out.input = convert(definition.input, "`input`", "input");
    out.output = convert(definition.output, "`output`", "output");
    return out;
})
