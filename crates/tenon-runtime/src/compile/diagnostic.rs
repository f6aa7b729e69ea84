//! What is wrong with a function's code, and where.

use std::fmt;

/// One complaint about one place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Path relative to the project.
    pub file: String,
    /// First line is 1.
    pub line: u32,
    /// First character is 1.
    pub column: u32,
    /// Characters to underline, within the line.
    pub length: u32,
    /// The whole line, as it stands in the file.
    pub source_line: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A complaint about `source[start..end]` (bytes).
    pub fn at(file: &str, source: &str, start: usize, end: usize, message: String) -> Self {
        let start = floor_boundary(source, start.min(source.len()));
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |at| start + at);
        let end = floor_boundary(source, end.clamp(start, line_end));
        Self {
            file: file.to_owned(),
            line: count(source[..start].bytes().filter(|byte| *byte == b'\n')) + 1,
            column: count(source[line_start..start].chars()) + 1,
            length: count(source[start..end].chars()).max(1),
            source_line: source[line_start..line_end]
                .trim_end_matches('\r')
                .to_owned(),
            message,
            hint: None,
        }
    }

    /// A complaint about a file as a whole.
    pub fn of_file(file: &str, message: String) -> Self {
        Self::at(file, "", 0, 0, message)
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, column, ..
        } = self;
        write!(formatter, "{file}:{line}:{column}: {}", self.message)?;
        if !self.source_line.is_empty() {
            let number = line.to_string();
            let gap = " ".repeat(number.len());
            write!(formatter, "\n  {number} | {}", self.source_line)?;
            write!(formatter, "\n  {gap} | {}", self.underline())?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Diagnostic {
    /// Carets below the place; tabs are kept so that they stand where the eye expects them.
    fn underline(&self) -> String {
        let before = self.column.saturating_sub(1) as usize;
        let mut text: String = self
            .source_line
            .chars()
            .take(before)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        text.extend(std::iter::repeat_n('^', self.length as usize));
        text
    }
}

/// Why a function could not be compiled: at least one complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    pub diagnostics: Vec<Diagnostic>,
}

impl From<Diagnostic> for CompileError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostics: vec![diagnostic],
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            diagnostic.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileError {}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// The largest character boundary at or before `at`.
fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
