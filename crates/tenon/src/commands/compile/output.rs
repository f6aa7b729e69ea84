//! What compiling leaves in the folder: bundles below `build/`, definitions in `.nango/nango.json` (cli.md, 1).

use std::{fs, path::Path};

use anyhow::Context as _;

use super::{CompiledFunction, definitions_file};

/// Writes everything; files that hold the same already are left alone, so that nobody who watches them is woken.
pub(crate) fn write(root: &Path, functions: &[CompiledFunction]) -> anyhow::Result<()> {
    for function in functions {
        let stem = function
            .entry
            .path
            .trim_end_matches(".ts")
            .replace('/', "_");
        let path = root.join("build").join(format!("{stem}.cjs"));
        write_file(&path, &function.bundled.javascript)?;
    }
    let definitions = serde_json::to_string_pretty(&definitions_file::entries(functions))?;
    write_file(&root.join(".nango/nango.json"), &format!("{definitions}\n"))
}

fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    };
    write().with_context(|| format!("could not write `{}`", path.display()))
}
