//! Modules that only Node has, and why functions do not have them.

/// Why a file that is no JavaScript cannot be in a bundle.
pub(crate) const NOT_CODE: &str = "only JavaScript, TypeScript and JSON can be bundled";

const NETWORK: &str = "functions reach the outside through `nango.get`, `nango.post` and the like, or `nango.uncontrolledFetch`";
const SANDBOX: &str = "functions run in a sandbox without files and processes";
const CODE: &str = "functions cannot make code from text";
const ABSENT: &str =
    "the runtime has no such module; a package of this name in node_modules would be taken";

/// Modules of Node that are nothing but code: packages find them in the bundle.
const STAND_INS: [(&str, &str); 4] = [
    ("events", include_str!("node/events.js")),
    ("path", include_str!("node/path.js")),
    ("string_decoder", include_str!("node/string_decoder.js")),
    ("timers", include_str!("node/timers.js")),
];

const PLACE: &str = "node_modules/node:";
const FILE: &str = "/index.js";

/// The path under which the stand-in for a module of Node is part of a bundle.
pub(crate) fn stand_in(name: &str) -> Option<String> {
    let known = STAND_INS.iter().any(|(known, _)| *known == name);
    known.then(|| format!("{PLACE}{name}{FILE}"))
}

/// The text of a stand-in, if `path` is that of one.
pub(crate) fn text_of_stand_in(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(PLACE)?.strip_suffix(FILE)?;
    let found = STAND_INS.iter().find(|(known, _)| *known == name)?;
    Some(found.1)
}

/// Why functions do not have the module `name` of Node; none if Node has no such module either.
pub(crate) fn absent(name: &str) -> Option<&'static str> {
    let (top, rest) = name.split_once('/').unwrap_or((name, "-"));
    match top {
        // `punycode/` is how packages name the package of that name.
        _ if rest.is_empty() => None,
        "http" | "https" | "http2" | "net" | "tls" | "dgram" | "dns" => Some(NETWORK),
        "fs" | "path" | "os" | "child_process" | "process" | "worker_threads" | "cluster"
        | "readline" | "repl" | "tty" | "sqlite" | "sea" | "test" | "wasi" => Some(SANDBOX),
        "vm" | "module" | "v8" | "inspector" => Some(CODE),
        "assert"
        | "async_hooks"
        | "console"
        | "constants"
        | "diagnostics_channel"
        | "domain"
        | "events"
        | "perf_hooks"
        | "punycode"
        | "querystring"
        | "stream"
        | "string_decoder"
        | "sys"
        | "timers"
        | "trace_events"
        | "util"
        | "zlib" => Some(ABSENT),
        _ => None,
    }
}

/// Why functions have no use for a package that is a client of the network.
pub(crate) fn network_client(name: &str) -> Option<&'static str> {
    let clients = [
        "axios",
        "node-fetch",
        "got",
        "undici",
        "request",
        "superagent",
        "cross-fetch",
        "ws",
    ];
    clients.contains(&name).then_some(NETWORK)
}
