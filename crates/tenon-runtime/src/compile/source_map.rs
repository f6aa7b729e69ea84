//! Source maps: from a place in a bundle back to the line that was written.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tenon_core::function::RunFailure;

/// Longest name of a source file that is shown: maps come with the bundle, from anywhere.
const FILE_BYTES: usize = 500;

const DATA_URL: &str = "//# sourceMappingURL=data:application/json;base64,";

/// Generated place and the original place it stands for; lines and columns start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    pub line: u32,
    pub column: u32,
    pub source: u32,
    pub source_line: u32,
    pub source_column: u32,
}

/// A source map in memory: mappings in the order of the generated text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    /// Paths relative to the project.
    pub sources: Vec<String>,
    pub mappings: Vec<Mapping>,
}

/// A place in a source file; first line and column are 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

impl SourceMap {
    /// The comment that carries this map at the end of a bundle.
    pub fn to_comment(&self) -> String {
        let map = json!({ "version": 3, "sources": self.sources, "names": [], "mappings": self.encode() });
        format!("{DATA_URL}{}\n", BASE64.encode(map.to_string()))
    }

    /// The map that a bundle carries, if it does and if it makes sense. Also reads maps of other bundlers.
    pub fn of_bundle(javascript: &str) -> Option<Self> {
        let comment = javascript.trim_end().lines().next_back()?;
        let encoded = comment.split_once(";base64,")?.1;
        if !comment.starts_with("//# sourceMappingURL=data:application/json") {
            return None;
        }
        let map: Value = serde_json::from_slice(&BASE64.decode(encoded).ok()?).ok()?;
        let sources = map["sources"]
            .as_array()?
            .iter()
            .map(|source| source.as_str().unwrap_or_default().to_owned())
            .collect();
        Some(Self {
            sources,
            mappings: decode(map["mappings"].as_str()?)?,
        })
    }

    /// Where line and column (both from 1) of the bundle come from.
    pub fn locate(&self, line: u32, column: u32) -> Option<Place> {
        let (line, column) = (line.checked_sub(1)?, column.saturating_sub(1));
        let after = self
            .mappings
            .partition_point(|mapping| (mapping.line, mapping.column) <= (line, column));
        let before = after.checked_sub(1).map(|index| self.mappings[index]);
        // Lines of ours stand before the code they serve, and the engine now and then names the line it was on last.
        let mapping = before
            .filter(|mapping| mapping.line == line)
            .or_else(|| self.mappings.get(after).copied())?;
        let file = self.sources.get(mapping.source as usize)?;
        if file.len() > FILE_BYTES {
            return None;
        }
        Some(Place {
            file: file.clone(),
            line: mapping.source_line + 1,
            column: mapping.source_column + 1,
        })
    }

    /// A line of a stack with its place in the source: `at exec (issues.js:12:3)` becomes `at exec (github/syncs/issues.ts:4:9)`.
    pub fn translate(&self, stack_line: &str) -> String {
        let open = stack_line.rfind('(').map_or(0, |at| at + 1);
        let (before, rest) = stack_line.split_at(open);
        let (place, after) = rest.split_at(rest.find(')').unwrap_or(rest.len()));
        let mut parts = place.rsplitn(3, ':');
        let mut number = || parts.next()?.parse::<u32>().ok();
        let located = match (number(), number()) {
            (Some(column), Some(line)) => self.locate(line, column),
            _ => None,
        };
        match located {
            Some(Place { file, line, column }) => format!("{before}{file}:{line}:{column}{after}"),
            None => stack_line.to_owned(),
        }
    }

    fn encode(&self) -> String {
        let mut text = String::new();
        let mut line = 0;
        let mut last = [0_i64; 4];
        for mapping in &self.mappings {
            if mapping.line > line {
                text.extend(std::iter::repeat_n(';', (mapping.line - line) as usize));
                line = mapping.line;
                last[0] = 0;
            } else if !text.is_empty() && !text.ends_with(';') {
                text.push(',');
            }
            let next = [
                i64::from(mapping.column),
                i64::from(mapping.source),
                i64::from(mapping.source_line),
                i64::from(mapping.source_column),
            ];
            for (value, before) in next.iter().zip(last) {
                push_vlq(&mut text, value - before);
            }
            last = next;
        }
        text
    }
}

/// A failure whose stack names lines of the source, where the bundle carries its map.
pub(crate) async fn at_source(mut failure: RunFailure, javascript: Arc<str>) -> RunFailure {
    // These payloads are the author's and the provider's: a stack in them is not one of ours.
    let foreign =
        failure.kind == "action_script_runtime_error" || failure.additional_properties.is_some();
    let stack = failure.payload["stacktrace"].as_array();
    if foreign || stack.is_none_or(Vec::is_empty) {
        return failure;
    }
    // A map may have megabytes.
    let read = tokio::task::spawn_blocking(move || SourceMap::of_bundle(&javascript));
    if let Ok(Some(map)) = read.await
        && let Some(lines) = failure.payload["stacktrace"].as_array_mut()
    {
        for line in lines {
            if let Some(text) = line.as_str() {
                *line = map.translate(text).into();
            }
        }
    }
    failure
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn push_vlq(text: &mut String, value: i64) {
    let mut rest = value.unsigned_abs() << 1 | u64::from(value < 0);
    loop {
        let digit = rest & 31;
        rest >>= 5;
        let more = if rest > 0 { 32 } else { 0 };
        text.push(char::from(DIGITS[(digit | more) as usize]));
        if rest == 0 {
            return;
        }
    }
}

fn decode(text: &str) -> Option<Vec<Mapping>> {
    let mut mappings = Vec::new();
    let mut last = [0_i64; 4];
    for (line, segments) in text.split(';').enumerate() {
        last[0] = 0;
        for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
            let fields = read_vlqs(segment)?;
            for (value, field) in last.iter_mut().zip(&fields) {
                *value += field;
            }
            if fields.len() >= 4 {
                mappings.push(Mapping {
                    line: u32::try_from(line).ok()?,
                    column: u32::try_from(last[0]).ok()?,
                    source: u32::try_from(last[1]).ok()?,
                    source_line: u32::try_from(last[2]).ok()?,
                    source_column: u32::try_from(last[3]).ok()?,
                });
            }
        }
    }
    Some(mappings)
}

fn read_vlqs(segment: &str) -> Option<Vec<i64>> {
    let mut fields = Vec::new();
    let (mut value, mut shift) = (0_u64, 0_u32);
    for byte in segment.bytes() {
        let digit = DIGITS.iter().position(|candidate| *candidate == byte)? as u64;
        value |= (digit & 31).checked_shl(shift)?;
        shift += 5;
        if digit & 32 == 0 {
            let magnitude = i64::try_from(value >> 1).ok()?;
            fields.push(if value & 1 == 1 {
                -magnitude
            } else {
                magnitude
            });
            (value, shift) = (0, 0);
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::{Mapping, Place, SourceMap};

    fn map() -> SourceMap {
        let at = |line, column, source, source_line, source_column| Mapping {
            line,
            column,
            source,
            source_line,
            source_column,
        };
        SourceMap {
            sources: vec!["a.ts".to_owned(), "b.ts".to_owned()],
            mappings: vec![
                at(0, 4, 0, 10, 2),
                at(0, 9, 1, 0, 0),
                at(3, 0, 0, 1000, 70),
                at(3, 20, 0, 3, 0),
            ],
        }
    }

    #[test]
    fn a_map_survives_the_bundle() {
        let bundle = format!("code();\n{}", map().to_comment());
        assert_eq!(SourceMap::of_bundle(&bundle), Some(map()));
        assert_eq!(SourceMap::of_bundle("code();\n"), None);
    }

    #[test]
    fn places_are_found() {
        let place = |file: &str, line, column| {
            Some(Place {
                file: file.to_owned(),
                line,
                column,
            })
        };
        assert_eq!(map().locate(1, 8), place("a.ts", 11, 3));
        assert_eq!(map().locate(1, 1), place("a.ts", 11, 3));
        assert_eq!(map().locate(1, 99), place("b.ts", 1, 1));
        assert_eq!(map().locate(2, 1), place("a.ts", 1001, 71));
        assert_eq!(map().locate(5, 1), None);
        let line = "at exec (issues.js:1:8)";
        assert_eq!(map().translate(line), "at exec (a.ts:11:3)");
        assert_eq!(map().translate("at native"), "at native");
        assert_eq!(map().locate(4, 21), place("a.ts", 4, 1));
        let mut long = map();
        long.sources[0] = "a".repeat(1_000_000);
        assert_eq!(long.translate(line), line);
    }
}
