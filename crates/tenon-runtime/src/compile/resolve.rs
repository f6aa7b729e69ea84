//! Relative imports: which file `./x.js` means.

use super::files::Files;

/// A file that an import means, or the candidates that were tried.
pub(super) fn resolve(
    files: &dyn Files,
    importer: &str,
    specifier: &str,
) -> Result<String, Vec<String>> {
    let folder = importer.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = join(folder, specifier);
    let candidates = candidates(&path);
    candidates
        .iter()
        .find(|candidate| files.is_file(candidate))
        .cloned()
        .ok_or(candidates)
}

/// TypeScript's rules for bundlers: `.js` stands for `.ts`, extensions may be missing, folders have an index file.
fn candidates(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (written, source) in [
        (".js", ".ts"),
        (".mjs", ".mts"),
        (".cjs", ".cts"),
        (".jsx", ".tsx"),
    ] {
        if let Some(stem) = path.strip_suffix(written) {
            found.push(format!("{stem}{source}"));
        }
    }
    found.push(path.to_owned());
    let base = path.trim_end_matches('/');
    for extension in [".ts", ".js", ".mts", ".cts", ".mjs", ".cjs", ".json"] {
        found.push(format!("{base}{extension}"));
    }
    let folder = if base.is_empty() { "." } else { base };
    for index in ["index.ts", "index.js"] {
        found.push(join(folder, index));
    }
    found
}

/// Joins and removes `.` and `..`; what leaves the project keeps its leading `..`.
pub(super) fn join(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(relative.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{super::files::InMemory, join, resolve};

    #[test]
    fn paths_are_joined() {
        for (folder, relative, expected) in [
            ("a/b", "../c.ts", "a/c.ts"),
            ("a", "./c", "a/c"),
            ("", "./c", "c"),
            ("a", "../../c", "../c"),
        ] {
            assert_eq!(join(folder, relative), expected);
        }
    }

    #[test]
    fn typescript_stands_behind_js() {
        let files = InMemory::new([
            ("a/one.ts", ""),
            ("a/two/index.ts", ""),
            ("a/data.json", ""),
            ("a/plain.js", ""),
        ]);
        let find = |specifier| resolve(&files, "a/main.ts", specifier).ok();
        assert_eq!(find("./one.js").as_deref(), Some("a/one.ts"));
        assert_eq!(find("./one").as_deref(), Some("a/one.ts"));
        assert_eq!(find("./two").as_deref(), Some("a/two/index.ts"));
        assert_eq!(find("./data.json").as_deref(), Some("a/data.json"));
        assert_eq!(find("./plain.js").as_deref(), Some("a/plain.js"));
        assert_eq!(find("./none.js"), None);
    }
}
