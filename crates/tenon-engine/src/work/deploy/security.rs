//! A look at deployed code for calls that only an attempt to get out would make (functions.md, 4.1).
//!
//! `anything.constructor("...")` reaches the `Function` constructor and with it code that was never deployed. The
//! runtime refuses to make functions from text as well; this tells it at deploy time.

/// The line of the first call of `.constructor` with an argument, from 1. `new x.constructor(...)` makes an object and
/// is not one.
pub(super) fn constructor_call(javascript: &str) -> Option<usize> {
    let tokens = tokens(javascript);
    for (position, token) in tokens.iter().enumerate() {
        let after = match token.kind {
            Kind::Word("constructor") if follows_a_dot(&tokens, position) => position + 1,
            Kind::Text("constructor") if is_indexed(&tokens, position) => position + 2,
            _ => continue,
        };
        if is_call_with_argument(&tokens, after) && !is_new(&tokens, position) {
            return Some(token.line);
        }
    }
    None
}

fn follows_a_dot(tokens: &[Token<'_>], position: usize) -> bool {
    position > 0 && matches!(tokens[position - 1].kind, Kind::Sign('.'))
}

/// `x["constructor"]`
fn is_indexed(tokens: &[Token<'_>], position: usize) -> bool {
    position > 1
        && matches!(tokens[position - 1].kind, Kind::Sign('['))
        && matches!(
            tokens[position - 2].kind,
            Kind::Word(_) | Kind::Text(_) | Kind::Sign(')' | ']' | '.')
        )
        && matches!(
            tokens.get(position + 1).map(|token| token.kind),
            Some(Kind::Sign(']'))
        )
}

fn is_call_with_argument(tokens: &[Token<'_>], mut position: usize) -> bool {
    // `?.(`
    if matches!(
        tokens.get(position).map(|one| one.kind),
        Some(Kind::Sign('?'))
    ) {
        position += 2;
    }
    let kind = |position: usize| tokens.get(position).map(|token| token.kind);
    matches!(kind(position), Some(Kind::Sign('(')))
        && !matches!(kind(position + 1), Some(Kind::Sign(')')) | None)
}

/// Whether the chain of members before this one begins with `new`.
fn is_new(tokens: &[Token<'_>], position: usize) -> bool {
    for token in tokens[..position].iter().rev() {
        match token.kind {
            Kind::Word("new") => return true,
            Kind::Word(_) | Kind::Sign('.' | '[') | Kind::Text(_) => {}
            Kind::Sign(_) => return false,
        }
    }
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<'a> {
    Word(&'a str),
    /// The content of a text without escapes and without `${}`.
    Text(&'a str),
    Sign(char),
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind<'a>,
    line: usize,
}

/// Words, texts and signs, without comments, regular expressions and what stands in texts with escapes.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut line = 1;
    let mut at = 0;
    // Braces opened inside each template literal that is being read.
    let mut templates: Vec<usize> = Vec::new();
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = end_of_line(bytes, at);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = find(bytes, at + 2, b"*/").map_or(bytes.len(), |end| end + 2);
                line += count_lines(&bytes[at..end]);
                at = end;
                continue;
            }
            b'/' if may_be_regex(tokens.last()) => {
                at = end_of_regex(bytes, at);
                continue;
            }
            quote @ (b'"' | b'\'') => {
                at = end_of_text(bytes, at, quote);
                Kind::Text(
                    source
                        .get(start + 1..at.saturating_sub(1))
                        .unwrap_or_default(),
                )
            }
            b'`' => {
                let (end, opened) = end_of_template(bytes, at + 1);
                at = end;
                if opened {
                    templates.push(0);
                }
                Kind::Text(
                    source
                        .get(start + 1..at.saturating_sub(1))
                        .unwrap_or_default(),
                )
            }
            b'}' if templates.last() == Some(&0) => {
                templates.pop();
                let (end, opened) = end_of_template(bytes, at + 1);
                at = end;
                if opened {
                    templates.push(0);
                }
                Kind::Text("")
            }
            byte if is_word(byte) => {
                while at < bytes.len() && is_word(bytes[at]) {
                    at += 1;
                }
                Kind::Word(source.get(start..at).unwrap_or_default())
            }
            sign => {
                match (sign, templates.last_mut()) {
                    (b'{', Some(depth)) => *depth += 1,
                    (b'}', Some(depth)) => *depth -= 1,
                    _ => {}
                }
                at += 1;
                Kind::Sign(char::from(sign))
            }
        };
        tokens.push(Token { kind, line });
        line += count_lines(&bytes[start..at]);
    }
    tokens
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len())
        .position(|window| window == wanted)
        .map(|position| from + position)
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    find(bytes, from, b"\n").unwrap_or(bytes.len())
}

fn end_of_text(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where a template literal ends, or its next `${` begins (then true).
fn end_of_template(bytes: &[u8], from: usize) -> (usize, bool) {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'`' => return (at + 1, false),
            b'$' if bytes.get(at + 1) == Some(&b'{') => return (at + 2, true),
            _ => at += 1,
        }
    }
    (bytes.len(), false)
}

fn end_of_regex(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    let mut in_class = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return at + 1,
            // Not one after all: a division.
            b'\n' => return from + 1,
            _ => {}
        }
        at += 1;
    }
    from + 1
}

/// Whether a slash after this token begins a regular expression and does not divide.
fn may_be_regex(before: Option<&Token<'_>>) -> bool {
    match before.map(|token| token.kind) {
        None => true,
        Some(Kind::Text(_) | Kind::Sign(')' | ']' | '}')) => false,
        Some(Kind::Sign(_)) => true,
        Some(Kind::Word(word)) => matches!(
            word,
            "return"
                | "typeof"
                | "case"
                | "in"
                | "of"
                | "delete"
                | "void"
                | "throw"
                | "new"
                | "do"
                | "else"
                | "await"
                | "yield"
                | "instanceof"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::constructor_call;

    #[test]
    fn calls_are_found() {
        let sources = [
            r#"x.constructor("return 1")"#,
            r#"(async()=>{}).constructor('a', 'b')"#,
            r#"x["constructor"]("a")"#,
            r#"x['constructor'](a)"#,
            r#"x[`constructor`](a)"#,
            r#"x?.constructor?.(a)"#,
            r#"x?.["constructor"](a)"#,
            "x . constructor /* so */ (a)",
            "x\n.constructor\n(a)",
            "`${x.constructor(a)}`",
            "`${`${x.constructor(a)}`}`",
            "[].constructor.constructor('a')()",
            "y = a / b; x.constructor(a) / c",
            "const r = /[/]'/; x.constructor(a)",
            "if (/\"/.test(a)) x.constructor(a)",
        ];
        for source in sources {
            assert!(constructor_call(source).is_some(), "{source}");
        }
    }

    #[test]
    fn everything_else_is_let_through() {
        let sources = [
            "class A { constructor(a) { super(a) } }",
            "x.constructor()",
            "new this.constructor(a)",
            "new x.y.constructor(a)",
            "x.constructor.name(a)",
            "a === b.constructor && (c)",
            "// x.constructor(a)",
            "/* x.constructor(a) */",
            r#""x.constructor(a)""#,
            r"'it\'s x.constructor(a)'",
            "`x.constructor(a)`",
            "/x.constructor(a)/.test(b)",
            r#"const key = ["constructor"]; f(a)"#,
            "constructor(a)",
            "",
        ];
        for source in sources {
            assert_eq!(constructor_call(source), None, "{source}");
        }
    }

    #[test]
    fn the_line_is_told() {
        let source = "`a\nb`;\n/*\n*/\nx.constructor(a)";
        assert_eq!(constructor_call(source), Some(5));
    }
}
