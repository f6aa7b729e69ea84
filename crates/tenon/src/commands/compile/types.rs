//! Types are checked by the project's own `tsc`, if it has one: nothing else knows all of TypeScript's rules.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tenon_runtime::compile::{CompileError, Diagnostic};

use super::CompileProjectError;

/// Options that count where the project has no tsconfig.json.
const DEFAULTS: [&str; 10] = [
    "--module",
    "node16",
    "--moduleResolution",
    "node16",
    "--target",
    "esnext",
    "--strict",
    "--skipLibCheck",
    "--noEmit",
    "index.ts",
];

/// Runs `tsc` of the project or of a folder above; nothing is wrong where there is none, or no Node to run it.
pub(crate) fn check_types(root: &Path) -> Result<(), CompileProjectError> {
    let Some(program) = find(root) else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.current_dir(root).args(["--pretty", "false"]);
    if root.join("tsconfig.json").is_file() {
        command.args(["--noEmit", "-p", "tsconfig.json"]);
    } else {
        command.args(DEFAULTS);
    }
    let Ok(output) = command.output() else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let diagnostics: Vec<Diagnostic> = text.lines().filter_map(|line| parse(root, line)).collect();
    if output.status.success() || diagnostics.is_empty() {
        return Ok(());
    }
    Err(CompileProjectError::Code(CompileError { diagnostics }))
}

fn find(root: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    root.ancestors()
        .map(|folder| folder.join("node_modules/.bin/tsc"))
        .find(|program| program.is_file())
}

/// `a/syncs/b.ts(12,5): error TS2322: Type 'string' is not ...`
fn parse(root: &Path, line: &str) -> Option<Diagnostic> {
    let (place, rest) = line.split_once("): error ")?;
    let (file, numbers) = place.rsplit_once('(')?;
    let (row, column) = numbers.split_once(',')?;
    let (row, column): (u32, u32) = (row.parse().ok()?, column.parse().ok()?);
    let (code, message) = rest.split_once(": ")?;
    let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
    let source_line = text.lines().nth(row.checked_sub(1)? as usize);
    Some(Diagnostic {
        file: file.to_owned(),
        line: row,
        column,
        length: 1,
        source_line: source_line.unwrap_or_default().to_owned(),
        message: format!("{} ({code})", message.trim_end_matches('.')),
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::parse;

    #[test]
    fn complaints_of_tsc_are_understood() {
        let line =
            "a/syncs/b.ts(12,5): error TS2322: Type 'string' is not assignable to type 'number'.";
        let found = parse(Path::new("/nowhere"), line).unwrap();
        assert_eq!(
            found.to_string(),
            "a/syncs/b.ts:12:5: Type 'string' is not assignable to type 'number' (TS2322)"
        );
        assert!(parse(Path::new("/nowhere"), "  more about it").is_none());
    }
}
