//! The fields `exports` and `imports` of a `package.json` (nodejs.org/api/packages.html, "Resolution algorithm").

use serde_json::{Map, Value};

/// Most targets inside targets: real packages have about four.
const NESTING: usize = 20;

/// The target of `subpath` (`.`, `./x` or `#x`) under these conditions; none if the package shows no such part.
pub(super) fn target(field: &Value, subpath: &str, conditions: &[&str]) -> Option<String> {
    match parts(field) {
        Some(parts) => {
            if let (Some(exact), false) = (parts.get(subpath), subpath.contains('*')) {
                return chosen(exact, "", conditions, NESTING);
            }
            let (value, rest) = best_pattern(parts, subpath)?;
            chosen(value, rest, conditions, NESTING)
        }
        None if subpath == "." => chosen(field, "", conditions, NESTING),
        None => None,
    }
}

/// The parts by their subpath, if the field lists parts and not conditions.
fn parts(field: &Value) -> Option<&Map<String, Value>> {
    let object = field.as_object()?;
    let first = object.keys().next()?;
    (first.starts_with('.') || first.starts_with('#')).then_some(object)
}

/// The most specific pattern that fits, and what its star stands for.
fn best_pattern<'v, 's>(
    parts: &'v Map<String, Value>,
    subpath: &'s str,
) -> Option<(&'v Value, &'s str)> {
    let mut best: Option<(usize, &Value, &str)> = None;
    for (pattern, value) in parts {
        let (before, after) = match pattern.split_once('*') {
            Some(split) => split,
            // The older form of `./lib/*`.
            None if pattern.ends_with('/') => (pattern.as_str(), ""),
            None => continue,
        };
        let rest = subpath
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        let fits = rest.filter(|rest| !rest.is_empty());
        if let Some(rest) = fits
            && best.is_none_or(|(length, ..)| before.len() > length)
        {
            best = Some((before.len(), value, rest));
        }
    }
    best.map(|(_, value, rest)| (value, rest))
}

/// The first target whose conditions hold, with `rest` in place of its stars.
fn chosen(value: &Value, rest: &str, conditions: &[&str], left: usize) -> Option<String> {
    let left = left.checked_sub(1)?;
    match value {
        Value::String(text) if text.ends_with('/') => Some(format!("{text}{rest}")),
        Value::String(text) => Some(text.replace('*', rest)),
        Value::Array(several) => several
            .iter()
            .find_map(|one| chosen(one, rest, conditions, left)),
        Value::Object(by_condition) => by_condition
            .iter()
            .filter(|(condition, _)| {
                *condition == "default" || conditions.contains(&condition.as_str())
            })
            .find_map(|(_, one)| chosen(one, rest, conditions, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::target;

    #[test]
    fn the_first_condition_that_holds_is_taken() {
        let import = ["node", "import"];
        let require = ["node", "require"];
        let both = json!({ ".": { "import": { "types": "./t.d.ts", "default": "./m.js" }, "require": "./c.cjs" } });
        let cases = [
            (json!("./x.js"), ".", &import, Some("./x.js")),
            (json!("./x.js"), "./x.js", &import, None),
            (both.clone(), ".", &import, Some("./m.js")),
            (both, ".", &require, Some("./c.cjs")),
            (
                json!({ "browser": "./b.js", "default": "./d.js", "node": "./never.js" }),
                ".",
                &import,
                Some("./d.js"),
            ),
            (
                json!([{ "deno": "./d.js" }, "./x.js"]),
                ".",
                &import,
                Some("./x.js"),
            ),
            (
                json!({ "./*": "./lib/*.js", "./a/*": "./a/*/index.js" }),
                "./a/b",
                &import,
                Some("./a/b/index.js"),
            ),
            (
                json!({ "./*": "./lib/*.js", "./secret": null }),
                "./secret",
                &import,
                None,
            ),
            (
                json!({ "./lib/": "./src/" }),
                "./lib/x.js",
                &import,
                Some("./src/x.js"),
            ),
            (
                json!({ "#dep": { "node": "./n.js", "default": "./d.js" } }),
                "#dep",
                &require,
                Some("./n.js"),
            ),
            (json!({ ".": "./x.js" }), "./y", &import, None),
        ];
        for (field, subpath, conditions, expected) in cases {
            let found = target(&field, subpath, conditions);
            assert_eq!(found.as_deref(), expected, "{field} {subpath}");
        }
    }
}
