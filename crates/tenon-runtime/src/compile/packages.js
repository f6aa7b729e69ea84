function __tenon_from_package(exported, asNode) {
    if (!asNode && exported && exported.__esModule) return exported;
    const fields = exported && (typeof exported === "object" || typeof exported === "function") ? exported : {};
    const wrapped = { default: exported };
    __tenon_pass_on(wrapped, fields);
    return Object.defineProperty(wrapped, "__esModule", { value: true });
}
function __tenon_missing(name) {
    const error = new Error("Cannot find module '" + name + "'");
    error.code = "MODULE_NOT_FOUND";
    throw error;
}
async function __tenon_unknown_import(name) {
    __tenon_missing(String(name));
}
const __tenon_meta = { url: "file:///function.js" };
const __tenon_globals = {
    global: globalThis,
    __dirname: "/",
    __filename: "/function.js",
    process: {
        browser: true,
        env: { NODE_ENV: "production" },
        argv: [],
        version: "",
        versions: {},
        platform: "browser",
        cwd: () => "/",
        nextTick: (callback, ...parameters) => queueMicrotask(() => callback(...parameters)),
        on: () => __tenon_globals.process,
        once: () => __tenon_globals.process,
        off: () => __tenon_globals.process,
        emitWarning: () => {},
    },
};
