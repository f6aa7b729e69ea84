// Module `nango` of a bundle that kept its wrappers (functions.md, section 1): they only add the type.
"use strict";

const wrapper = (type) => (options) => ({ type, ...options });

exports.createSync = wrapper("sync");
exports.createAction = wrapper("action");
exports.createOnEvent = wrapper("onEvent");
exports.createFunction = wrapper("function");
exports.ActionError = shared.ActionError;
