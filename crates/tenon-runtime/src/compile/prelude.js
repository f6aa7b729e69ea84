"use strict";
const __tenon_cache = [];
function __tenon_load(index) {
    if (!__tenon_cache[index]) {
        const module = (__tenon_cache[index] = { exports: {} });
        __tenon_modules[index](module, module.exports);
    }
    return __tenon_cache[index].exports;
}
function __tenon_exports(exports, getters) {
    Object.defineProperty(exports, "__esModule", { value: true });
    for (const name of Object.keys(getters)) {
        Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: getters[name] });
    }
}
function __tenon_pass_on(exports, from) {
    for (const name of Object.getOwnPropertyNames(from)) {
        if (name !== "default" && name !== "__esModule" && !Object.hasOwn(exports, name)) {
            Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => from[name] });
        }
    }
}
function __tenon_default(module) {
    return module && module.__esModule && "default" in module ? module.default : module;
}
function __tenon_interop(module) {
    if (module && module.__esModule) return module;
    const fields = module && (typeof module === "object" || typeof module === "function") ? module : {};
    const wrapped = { default: module };
    __tenon_pass_on(wrapped, fields);
    return Object.defineProperty(wrapped, "__esModule", { value: true });
}
const __tenon_sdk = __tenon_interop({
    createSync: (definition) => ({ type: "sync", ...definition }),
    createAction: (definition) => ({ type: "action", ...definition }),
    createOnEvent: (definition) => ({ type: "onEvent", ...definition }),
});
