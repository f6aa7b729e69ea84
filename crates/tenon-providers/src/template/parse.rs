//! Cuts a template into texts, variables and function calls.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    /// `${path}`.
    Variable {
        path: &'t str,
        source: &'t str,
    },
    /// `${name(arguments)}`; the arguments are a template themselves.
    Function {
        name: &'t str,
        arguments: &'t str,
        source: &'t str,
    },
}

/// The pieces in order. A `${` without its `}` is text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(end) = closing(&rest[start + 2..]) else {
            break;
        };
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        let end = start + 2 + end;
        parts.push(placeholder(&rest[start + 2..end], &rest[start..=end]));
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The place of the `}` that belongs to an opened `${`.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn placeholder<'t>(inner: &'t str, source: &'t str) -> Part<'t> {
    let call = inner
        .split_once('(')
        .and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)))
        .filter(|(name, _)| super::functions::is_known(name));
    match call {
        Some((name, arguments)) => Part::Function {
            name,
            arguments,
            source,
        },
        None => Part::Variable {
            path: inner,
            source,
        },
    }
}

/// Cuts arguments at the commas that stand outside of placeholders.
pub(super) fn arguments(text: &str) -> Vec<&str> {
    let mut cuts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                cuts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    cuts.push(&text[start..]);
    cuts
}

/// Cuts at the last comma outside of placeholders: a message may hold commas, a key variable does not.
pub(super) fn message_and_key(text: &str) -> Option<(&str, &str)> {
    let key = *arguments(text).last()?;
    let message = text.len().checked_sub(key.len() + 1)?;
    Some((&text[..message], key.trim()))
}
