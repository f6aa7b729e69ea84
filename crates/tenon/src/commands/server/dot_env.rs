//! `.env` files.

use std::collections::HashMap;

/// Reads `NAME=value` lines; quotes around a value go, `#` starts a comment, `export` before a name is fine.
pub(super) fn parse(text: &str) -> HashMap<String, String> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let text = text.strip_prefix("export ").unwrap_or(text);
    let (name, value) = text.split_once('=')?;
    let name = name.trim();
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    Some((name.to_owned(), unquoted(value.trim())))
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\'', '`'] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote));
        if let Some((inner, _)) = inner {
            return if quote == '"' {
                inner.replace("\\n", "\n")
            } else {
                inner.to_owned()
            };
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_are_read_as_shells_do() {
        let found = parse(
            "# comment\nA=1\nexport B = \"two words # kept\" # gone\nC='x' \nD=a#b # c\n\nnonsense\nE=\n",
        );
        let get = |name: &str| found.get(name).map(String::as_str);
        assert_eq!(get("A"), Some("1"));
        assert_eq!(get("B"), Some("two words # kept"));
        assert_eq!(get("C"), Some("x"));
        assert_eq!(get("D"), Some("a#b"));
        assert_eq!(get("E"), Some(""));
        assert_eq!(found.len(), 5);
    }
}
