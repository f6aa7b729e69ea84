//! Which modules a function may import by name (functions.md, 4.1).

use super::packages::core_modules;

/// What the name of an imported module means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// `./x` or `../x`: a file of the project, made part of the bundle.
    File,
    /// The SDK: its wrappers are made part of the bundle.
    Sdk,
    /// Offered by the runtime under this name.
    Offered(&'static str),
    /// A package of `node_modules`, made part of the bundle.
    Package,
    /// A module of Node that the runtime does not have, with the reason. A package of the same name may stand in.
    Core(&'static str),
    /// Not available to functions, with advice.
    Refused(&'static str),
}

/// Names that `require` answers in the sandbox; `node:` prefixes are dropped when bundling.
pub const OFFERED: [&str; 7] = [
    "zod",
    "url",
    "crypto",
    "buffer",
    "unzipper",
    "soap",
    "botbuilder",
];

/// Offered modules that are Node's own.
const OF_NODE: [&str; 3] = ["url", "crypto", "buffer"];

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
    let says_node = bare != specifier;
    match OFFERED.iter().find(|name| **name == bare) {
        Some(name) if !says_node || OF_NODE.contains(name) => return Import::Offered(name),
        Some(_) | None => {}
    }
    if let Some(reason) = core_modules::absent(bare) {
        return Import::Core(reason);
    }
    match refusal(bare, says_node) {
        Some(advice) => Import::Refused(advice),
        None => Import::Package,
    }
}

fn refusal(name: &str, says_node: bool) -> Option<&'static str> {
    if let Some(reason) = core_modules::network_client(name) {
        return Some(reason);
    }
    match name {
        "nango/experimental" => Some(
            "`createFunction` is not supported; write a sync, an action or an on-event function",
        ),
        _ if says_node => Some("Node has no such module"),
        _ if name.starts_with("nango/") => Some("functions import from `nango` itself"),
        _ if name.starts_with('/') => Some("import files of the project by a relative path"),
        _ if name.is_empty() || name.contains([':', '\\']) => {
            Some("this is neither a file nor a package")
        }
        _ => None,
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
        for name in ["lodash", "@scope/name/part", "zod/v3", "#own", "punycode/"] {
            assert_eq!(judge(name), Import::Package, "{name}");
        }
        for name in ["fs", "node:fs/promises", "events", "node:vm"] {
            assert!(matches!(judge(name), Import::Core(_)), "{name}");
        }
        for name in [
            "node:zod",
            "axios",
            "/etc/passwd",
            "nango/experimental",
            "https://example.com/x.js",
            "",
        ] {
            assert!(matches!(judge(name), Import::Refused(_)), "{name}");
        }
    }
}
