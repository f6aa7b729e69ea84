//! Which modules a function may import by name (functions.md, 4.1).

/// What the name of an imported module means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// `./x` or `../x`: a file of the project, made part of the bundle.
    File,
    /// The SDK: its wrappers are made part of the bundle.
    Sdk,
    /// Offered by the runtime under this name.
    Offered(&'static str),
    /// Not available to functions, with advice.
    Refused(&'static str),
}

/// Names that `require` answers in the sandbox; `node:` prefixes are dropped when bundling.
pub const OFFERED: [&str; 6] = ["zod", "url", "crypto", "unzipper", "soap", "botbuilder"];

/// Judges the name of a module.
pub fn judge(specifier: &str) -> Import {
    if specifier.starts_with("./")
        || specifier.starts_with("../")
        || matches!(specifier, "." | "..")
    {
        return Import::File;
    }
    if specifier == "nango" {
        return Import::Sdk;
    }
    let bare = specifier.strip_prefix("node:").unwrap_or(specifier);
    let node_prefix_allowed = bare == specifier || matches!(bare, "url" | "crypto");
    match OFFERED.iter().find(|name| **name == bare) {
        Some(name) if node_prefix_allowed => Import::Offered(name),
        _ => Import::Refused(advice(bare)),
    }
}

fn advice(name: &str) -> &'static str {
    match name {
        "nango/experimental" => {
            "`createFunction` is not supported; write a sync, an action or an on-event function"
        }
        "axios" | "node-fetch" | "got" | "undici" | "request" | "superagent" | "http" | "https"
        | "net" => {
            "functions reach the outside through `nango.get`, `nango.post` and the like, or `nango.uncontrolledFetch`"
        }
        "fs" | "fs/promises" | "path" | "os" | "child_process" | "process" | "worker_threads" => {
            "functions run in a sandbox without files and processes"
        }
        _ if name.starts_with('/') => "import files of the project by a relative path",
        _ => {
            "functions may import `nango`, `zod`, `crypto`, `url`, `unzipper`, `soap`, `botbuilder` and relative files; \
              copy what you need into the project"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Import, judge};

    #[test]
    fn names_are_judged() {
        assert_eq!(judge("./a.js"), Import::File);
        assert_eq!(judge("../a"), Import::File);
        assert_eq!(judge("nango"), Import::Sdk);
        assert_eq!(judge("node:crypto"), Import::Offered("crypto"));
        assert_eq!(judge("zod"), Import::Offered("zod"));
        for name in [
            "node:zod",
            "fs",
            "axios",
            "/etc/passwd",
            "zod/v3",
            "nango/experimental",
            "",
        ] {
            assert!(matches!(judge(name), Import::Refused(_)), "{name}");
        }
    }
}
