//! The modules of a page go out as one: no build, no chain of requests.
//!
//! They are written so that this is only joining: every `import` and `export` stands at the start of a line and names one
//! of the others, no name is given twice at the top, and no text spans lines. Comments and indents stay here. A test in
//! the browser loads the result.

use std::{collections::HashMap, sync::LazyLock};

use super::assets;

/// What a page is made of; a module comes after those that it needs at once.
const PAGES: &[(&str, &[&str])] = &[
    (
        "connect.js",
        &["words", "page", "api", "fields", "flow", "views", "connect"],
    ),
    (
        "my-connections.js",
        &["words", "page", "api", "my-connections"],
    ),
];

static JOINED: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let pages = PAGES.iter().map(|(name, parts)| (*name, join(parts)));
    pages.collect()
});

/// The module of a page, if this is the name of one.
pub(super) fn joined(name: &str) -> Option<&'static str> {
    JOINED.get(name).map(String::as_str)
}

fn join(parts: &[&str]) -> String {
    let mut module = String::new();
    for part in parts {
        let text = assets::text(&format!("connect/{part}.js")).unwrap_or_default();
        for line in text.lines().map(str::trim) {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let is_comment =
                line.starts_with("//") || (line.starts_with("/**") && line.ends_with("*/"));
            if line.is_empty() || is_comment || line.starts_with("import {") {
                continue;
            }
            module.push_str(line);
            module.push('\n');
        }
    }
    module
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{PAGES, assets, joined};

    fn declared(line: &str) -> Option<&str> {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = ["const ", "let ", "function ", "class "]
            .iter()
            .find_map(|word| line.strip_prefix(word))?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')?;
        (end > 0).then(|| &rest[..end])
    }

    #[test]
    fn no_name_is_given_twice_and_no_text_spans_lines() {
        for (page, parts) in PAGES {
            let mut names = BTreeSet::new();
            for part in *parts {
                let text = assets::text(&format!("connect/{part}.js")).expect("the part");
                for line in text.lines() {
                    if let Some(name) = declared(line) {
                        assert!(names.insert(name.to_owned()), "{page}: `{name}` of {part}");
                    }
                    assert!(line.matches('`').count() % 2 == 0, "{part}: {line}");
                }
            }
            assert!(!joined(page).expect("the page").contains("\nimport {"));
        }
    }
}
